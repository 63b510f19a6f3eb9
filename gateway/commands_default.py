"""`hourglass default`: the defaults of a journal, one of them in full, and what it would have been on other terms."""

import json
from pathlib import Path

import click

from gateway.failures import Failure
from gateway.reports.case_markdown import case_markdown, cases_markdown
from gateway.reports.case_report import case_line, case_report
from gateway.reports.cases import Case, Casebook
from gateway.reports.playback import Playback, frames_of, up_to
from gateway.reports.whatif import Changes, compare, read_changes, what_if_markdown

USAGE = 2


@click.command()
@click.argument("directory", type=click.Path(path_type=Path))
@click.argument("number", metavar="[CASE]", type=click.IntRange(min=1), required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--markdown", "as_markdown", is_flag=True, help="Print Markdown, as it is without an option.")
@click.option("--what-if", "changes", multiple=True, metavar="TERM=NUMBER", help="Replay with another term.")
def default(
    directory: Path, number: int | None, as_json: bool, as_markdown: bool, changes: tuple[str, ...]
) -> None:
    """Print the defaults in the journal of DIRECTORY; with CASE all about one of them.

    Who failed and when, who stood in, what was claimed and who paid it, and the evidence with its hashes. Amounts are
    micro-dollars. With --what-if, once for each term, the journal is replayed in memory with these terms instead and
    the difference of all cash flows printed. A term is one of set_house, set_class or set_clearing, replaced in every
    such command; or bond.ACCOUNT or fund.ACCOUNT (what was transferred in), fund.sitg, fund.standby or fund.pool (what
    was paid in), to which those payments are scaled. Nothing is changed in the journal.

    \b
    Examples:
      hourglass default ./journal
      hourglass default ./journal 1 --json
      hourglass default ./journal 1 --what-if cap_bps=12000 --what-if bond.prov=20000000
    """  # noqa: D301
    if as_json and as_markdown:
        raise Failure("one of --json and --markdown, not both", USAGE)
    if changes and number is None:
        raise Failure("--what-if needs a CASE", USAGE)
    wanted = _changes(changes)
    if number is None:
        book = Casebook(Playback(), watched=0).follow(frames_of(directory))
        lines = [case_line(book, case) for case in book.cases.values()]
        click.echo(json.dumps(lines) if as_json else cases_markdown(lines))
    elif wanted is None:
        book = Casebook(Playback(), watched=number).follow(frames_of(directory))
        report = case_report(book, _case(book, number))
        click.echo(json.dumps(report) if as_json else case_markdown(report))
    else:
        _compare(directory, number, wanted, as_json)


def _changes(texts: tuple[str, ...]) -> Changes | None:
    try:
        return read_changes(texts) if texts else None
    except ValueError as error:
        raise Failure(str(error), USAGE) from error


def _case(book: Casebook, number: int) -> Case:
    if number not in book.cases:
        raise Failure(f"there is no case {number} in this journal, which has {len(book.cases)}", USAGE)
    return book.cases[number]


def _compare(directory: Path, number: int, changes: Changes, as_json: bool) -> None:
    real = Casebook(Playback(), watched=0).follow(frames_of(directory))
    _case(real, number)
    try:
        report = compare(real, number, changes, lambda: up_to(frames_of(directory), real.engine.seq))
    except ValueError as error:
        raise Failure(str(error), USAGE) from error
    click.echo(json.dumps(report) if as_json else what_if_markdown(report))
