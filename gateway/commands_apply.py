"""`hourglass apply`: JSON lines in, the events they cause out."""

import sys
from collections.abc import Iterable, Iterator
from typing import BinaryIO

import click

from exchange.engine import Engine
from gateway.jsonlines import CommandReader, parse_line
from gateway.jsonlines_fields import LineError
from gateway.jsonlines_out import EventWriter, Line, encode


def new_engine(reference: bool) -> Engine:
    """Return an engine with no history: the compiled one, or on request the plain one. Raises CoreMissing."""
    if not reference:
        return Engine()
    from exchange.reference.core import ReferenceCore

    return Engine(ReferenceCore())


def run_lines(engine: Engine, lines: Iterable[bytes]) -> Iterator[Line]:
    """Apply one command a line and yield its events; a refused line yields an ``error`` and changes nothing.

    There is no clock: time stands still until a ``time`` command moves it.
    """
    reader = CommandReader(engine.catalogue)
    writer = EventWriter(engine.catalogue)
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            command = parse_line(line)
            records = reader.convert(command)
        except LineError as error:
            yield {"t": "error", "line": number, "reason": str(error)}
            continue
        first_seq = engine.seq + 1
        events = engine.apply(records, engine.now_ns)
        yield from writer.lines(events, first_seq, spoken=command.get("account"))


@click.command()
@click.argument("file", type=click.File("rb"))
@click.option("--reference", is_flag=True, help="Use the plain reference engine instead of the compiled one.")
def apply(file: BinaryIO, reference: bool) -> None:
    """Apply the commands in FILE (JSON lines; - for stdin) to an empty venue and print the events.

    A line that is no command is answered with an error line and does not stop the run. Without deposits and rates,
    accounts trade unmargined.

    \b
    Example:
      hourglass apply - <<'END'
      {"t":"add_product","product":"H100","lot_scu":8,"tick_micros":1000,"fabrics":["f1"]}
      {"t":"add_account","account":"ann"}
      {"t":"list_window","product":"H100","start":14}
      {"t":"place","account":"ann","ref":1,"product":"H100","fabric":"f1","start":14,"side":"sell","px":200,"qty":8}
      END
    """  # noqa: D301
    output = sys.stdout
    for line in run_lines(new_engine(reference), file):
        output.write(encode(line) + "\n")
