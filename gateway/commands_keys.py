"""`hourglass keys`: make and list the keys of a venue."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from gateway.failures import CONFIGURATION, Failure

if TYPE_CHECKING:
    from gateway.auth import KeyStore

_FILE = click.option(
    "--keys",
    "path",
    type=click.Path(path_type=Path),
    default=Path("keys.json"),
    show_default=True,
    help="The key file.",
)


def load_keys(path: Path, *, missing_is_empty: bool = False) -> "KeyStore":
    """Return the keys of a file; a Failure tells what is wrong with it."""
    from gateway.auth import KeyFileError, KeyStore

    if missing_is_empty and not path.exists():
        return KeyStore()
    try:
        return KeyStore.load(path)
    except KeyFileError as error:
        raise Failure(str(error), CONFIGURATION) from error


@click.group()
def keys() -> None:
    """Make and list API keys."""


@keys.command()
@click.argument("account")
@click.option("--scope", "scopes", multiple=True, help="Permit read, trade, cancel or copy. Default: read and trade.")
@click.option("--copy", "copies", multiple=True, help="With the scope copy: one more account it hears of.")
@_FILE
def new(account: str, scopes: tuple[str, ...], copies: tuple[str, ...], path: Path) -> None:
    """Make a key for ACCOUNT, add it to the key file, and print it as id:secret.

    A running venue reads the file when it starts.

    \b
    Examples:
      hourglass keys new ann --keys keys.json
      hourglass keys new desk --scope copy --copy ann --copy bob
    """  # noqa: D301
    from gateway.auth import DEFAULT_SCOPES, KeyFileError, generate_key

    store = load_keys(path, missing_is_empty=True)
    try:
        key = generate_key(account, scopes or DEFAULT_SCOPES, copies)
        store.add(key)
        store.save(path)
    except (ValueError, KeyFileError) as error:
        raise Failure(str(error), CONFIGURATION) from error
    click.echo(key.text)


@keys.command("list")
@_FILE
def list_keys(path: Path) -> None:
    """List the keys of the file, without their secrets."""
    for key in load_keys(path):
        click.echo(f"{key.key_id}  {key.account:<16} {','.join(sorted(key.scopes))}{copied(key.copies)}")


def copied(accounts: tuple[str, ...]) -> str:
    """Return what the list says of the accounts a key gets drop copies of."""
    return f"  of {', '.join(accounts)}" if accounts else ""
