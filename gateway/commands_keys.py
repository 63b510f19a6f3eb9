"""`hourglass keys`: make and list the keys of a venue."""

import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gateway.failures import CONFIGURATION, Failure

if TYPE_CHECKING:
    from gateway.auth import ApiKey, KeyStore

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
@click.option("--network", "networks", multiple=True, help="Accept it from here only, such as 10.0.0.0/8 or 192.0.2.7.")
@click.option("--expires", type=click.DateTime(["%Y-%m-%d"]), help="Accept it no more from this day on, UTC.")
@_FILE
def new(
    account: str,
    scopes: tuple[str, ...],
    copies: tuple[str, ...],
    networks: tuple[str, ...],
    expires: datetime.datetime | None,
    path: Path,
) -> None:
    """Make a key for ACCOUNT, add it to the key file, and print it as id:secret.

    A running venue reads the file when it starts.

    \b
    Examples:
      hourglass keys new ann --keys keys.json
      hourglass keys new desk --scope copy --copy ann --copy bob
      hourglass keys new ann --network 10.0.0.0/8 --expires 2027-06-30
    """  # noqa: D301
    from gateway.auth import DEFAULT_SCOPES, KeyFileError, generate_key

    store = load_keys(path, missing_is_empty=True)
    try:
        key = generate_key(account, scopes or DEFAULT_SCOPES, copies, networks, seconds_of(expires))
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
        click.echo(f"{key.key_id}  {key.account:<16} {','.join(sorted(key.scopes))}{bounds(key)}")


def seconds_of(day: datetime.datetime | None) -> int:
    """Return the seconds since 1970 at which a day begins in UTC; 0 for none."""
    return 0 if day is None else int(day.replace(tzinfo=datetime.UTC).timestamp())


def bounds(key: "ApiKey") -> str:
    """Return what the list says of a key beyond account and scopes."""
    parts = [f"copies of {', '.join(key.copies)}"] if key.copies else []
    parts += [f"from {', '.join(key.networks)}"] if key.networks else []
    if key.expires_s:
        parts.append(f"until {datetime.datetime.fromtimestamp(key.expires_s, datetime.UTC):%Y-%m-%d}")
    return f"  {'; '.join(parts)}" if parts else ""
