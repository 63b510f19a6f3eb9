"""`hourglass margin`: what an account must hold, and why."""

import json
from pathlib import Path

import click

from exchange.replay import replay
from gateway.commands_apply import new_engine
from gateway.commands_replay import Moment
from gateway.failures import Failure
from gateway.reports.margins import margin_report, margin_text, overview, overview_text
from gateway.reports.playback import frames_of

USAGE = 2


@click.command()
@click.argument("directory", type=click.Path(path_type=Path))
@click.argument("account", required=False)
@click.option("--until", type=Moment(), help="Last command, or last moment (UTC), to apply.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def margin(directory: Path, account: str | None, until: tuple[int | None, int | None] | None, as_json: bool) -> None:
    """Explain what ACCOUNT must hold at the end of the journal in DIRECTORY, or at a command or moment before.

    Scenario by scenario what it would lose and which one binds; what is added for delivery, concentration, bond and
    fund share; how its equity stands to that; and its windows. Without ACCOUNT all accounts in a table, those next to
    a call first, and the size of the default fund. Amounts are micro-dollars. Nothing is changed.

    \b
    Examples:
      hourglass margin ./journal
      hourglass margin ./journal ann
      hourglass margin ./journal ann --until 120000
      hourglass margin ./journal ann --until 2026-11-24T14:00 --json
    """  # noqa: D301
    until_seq, until_ns = until or (None, None)
    engine = new_engine(reference=False)
    replay(engine, frames_of(directory), until_seq=until_seq, until_ns=until_ns, verify=False)
    try:
        report = overview(engine) if account is None else margin_report(engine, account)
    except ValueError as error:
        raise Failure(str(error), USAGE) from error
    text = overview_text if account is None else margin_text
    click.echo(json.dumps(report) if as_json else text(report))
