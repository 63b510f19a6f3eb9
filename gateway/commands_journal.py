"""`hourglass journal`: the commands in a journal, for people or as JSON lines."""

import itertools
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from exchange.engine import Engine
from exchange.records import CommandType
from exchange.reference.core import ReferenceCore
from exchange.replay import Frame
from gateway.commands_replay import utc_text
from gateway.journal.reader import Reader
from gateway.jsonlines_out import CommandWriter, Line, encode

_NAMING = (CommandType.TIME, *(kind for kind in CommandType if kind >= CommandType.ADD_PRODUCT))


class Names:
    """Knows products, accounts and instruments as of each command, from the commands that made them."""

    def __init__(self) -> None:
        # Only commands without money or orders are applied, so the plain engine is fast enough and needs no build.
        self._engine = Engine(ReferenceCore())
        self.catalogue = self._engine.catalogue

    def follow(self, record: bytes, ts_ns: int) -> None:
        """Take in one command."""
        if int.from_bytes(record[4:6], "little") in _NAMING:
            self._engine.apply_count(record, max(ts_ns, self._engine.now_ns))


def records_of(frame: Frame) -> Iterator[tuple[int, bytes]]:
    """Yield (seq, record) of each command in a frame."""
    body, offset = frame.body, 0
    for seq in range(frame.first_seq, frame.first_seq + frame.count):
        length = int.from_bytes(body[offset : offset + 4], "little")
        yield seq, bytes(body[offset : offset + length])
        offset += length


def command_lines(directory: Path, first: int, last: int | None, account: str | None) -> Iterator[Line]:
    """Yield the commands from ``first`` to ``last`` with ``seq`` and ``at_ns``, and notes of hashes between them.

    Raises:
        JournalError: as the Reader does.

    """
    names = Names()
    writer = CommandWriter(names.catalogue)
    for frame in Reader(directory, live=True):
        if last is not None and frame.first_seq > last:
            return
        for seq, record in records_of(frame):
            if seq >= first and (last is None or seq <= last):
                line = writer.line(record)
                if account is None or line.get("account") == account:
                    yield {"t": line["t"], "seq": seq, "at_ns": frame.ts_ns} | line
            names.follow(record, frame.ts_ns)


def _row(line: Line) -> str:
    account = line.get("account", "-")
    details = " ".join(
        f"{name}={_cell(value)}" for name, value in line.items() if name not in ("t", "seq", "at_ns", "account")
    )
    return f"{line['seq']:>10}  {utc_text(line['at_ns'])}  {line['t']:<12} {account:<12} {details}"


def _cell(value: object) -> str:
    if isinstance(value, list):
        return "[" + " ".join(_cell(item) for item in value) + "]"
    if isinstance(value, dict):
        return ",".join(f"{name}:{item}" for name, item in value.items())
    return str(value)


@click.command()
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--from", "first", type=click.IntRange(min=1), default=1, help="First sequence number.")
@click.option("--to", "last", type=click.IntRange(min=0), help="Last sequence number.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON lines that `hourglass apply` reads.")
@click.option("--account", help="Only commands that name this account.")
def journal(directory: Path, first: int, last: int | None, as_json: bool, account: str | None) -> None:
    """Print the commands in the journal of DIRECTORY, which may be in use.

    Every byte up to the last command printed is checked; nothing is changed.

    \b
    Examples:
      hourglass journal ./journal --from 100 --to 120
      hourglass journal ./journal --account ann --json
      hourglass journal ./journal --json | hourglass apply -
    """  # noqa: D301
    lines = command_lines(directory, first, last, account)
    first_line = next(lines, None)  # A journal that cannot be read is told before anything is printed.
    if not as_json:
        sys.stdout.write(f"{'seq':>10}  {'time (UTC)':<30}  {'command':<12} {'account':<12} fields\n")
    for line in itertools.chain([] if first_line is None else [first_line], lines):
        sys.stdout.write((encode(line) if as_json else _row(line)) + "\n")
