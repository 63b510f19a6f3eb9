"""`hourglass statement`: every movement of an account's money."""

import json
from pathlib import Path

import click

from gateway.failures import MISMATCH, Failure
from gateway.reports.names import PURSE_KINDS
from gateway.reports.playback import Playback, frames_of
from gateway.reports.statement import Disagreement, Statement

USAGE = 2


@click.command()
@click.argument("directory", type=click.Path(path_type=Path))
@click.argument("account", default="")
@click.option("--purse", type=click.Choice(list(PURSE_KINDS)), default="coll", help="Which of its accounts.")
@click.option("--from", "first", type=click.IntRange(min=1), default=1, help="First sequence number to print.")
@click.option("--to", "last", type=click.IntRange(min=0), help="Last sequence number to print.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def statement(directory: Path, account: str, purse: str, first: int, last: int | None, as_json: bool) -> None:
    """Print every movement of ACCOUNT's money in the journal of DIRECTORY, which may be in use.

    Amounts are micro-dollars. The whole journal is replayed, and behind every command the sum of the movements is
    compared with the balance; where they differ the exit code is 1. The venue's own accounts sitg, standby, fee and
    ext have no ACCOUNT; that of escrow is the number of an instrument, of estate that of a case, of pool that of a
    class in the order of set_class.

    \b
    Examples:
      hourglass statement ./journal ann
      hourglass statement ./journal prov --purse bond --json
      hourglass statement ./journal 1 --purse estate
      hourglass statement ./journal --purse standby
    """  # noqa: D301
    playback = Playback()
    try:
        made = Statement(playback, purse, account)
    except ValueError as error:
        raise Failure(str(error), USAGE) from error
    try:
        lines = [
            one for one in made.lines(frames_of(directory)) if one.seq >= first and (last is None or one.seq <= last)
        ]
    except Disagreement as error:
        raise Failure(str(error), MISMATCH) from error
    if not made.is_known:
        raise Failure(f"there is no account {account!r} in this journal", USAGE)
    click.echo(json.dumps(made.report(lines)) if as_json else made.text(lines))
