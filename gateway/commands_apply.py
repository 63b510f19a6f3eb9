"""`hourglass apply`: JSON lines in, the events they cause out."""

import contextlib
import select
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

import click

from exchange.engine import Engine
from gateway.failures import Failure
from gateway.journal import Journal
from gateway.journal.layout import segment_paths
from gateway.jsonlines import CommandReader, parse_line
from gateway.jsonlines_fields import LineError
from gateway.jsonlines_out import EventWriter, Line, encode

USAGE = 2


def new_engine(reference: bool) -> Engine:
    """Return an engine with no history: the compiled one, or on request the plain one. Raises CoreMissing."""
    if not reference:
        return Engine()
    from exchange.reference.core import ReferenceCore

    return Engine(ReferenceCore())


class Recording:
    """A new journal that is written while lines are applied.

    Args:
        directory: where; made when it is missing.

    Raises:
        Failure: there is a journal already.
        JournalLocked: another process writes there.

    """

    def __init__(self, directory: Path) -> None:
        if segment_paths(directory):
            raise Failure(f"{directory} holds a journal already, and is left as it is", USAGE)
        # It survives the process, not the machine: what was applied from a file can be applied again.
        self._log = Journal(directory, durability="memory")
        self._log.start()

    def append(self, first_seq: int, ts_ns: int, count: int, records: bytes) -> None:
        """Write one batch. Raises JournalFailed."""
        self._log.append(first_seq, ts_ns, count, records)
        self._wait()

    def finish(self, engine: Engine) -> None:
        """Note the state hash behind the last command, and wait till all is written. Raises JournalFailed."""
        if engine.seq:
            self._log.note_hash(engine.now_ns, engine.state_hash())
            self._wait()

    def close(self) -> None:
        """Release the files."""
        self._log.close()

    def _wait(self) -> None:
        waiting = select.poll()
        waiting.register(self._log.fileno(), select.POLLIN)
        while not self._log.completed():
            waiting.poll()


def run_lines(engine: Engine, lines: Iterable[bytes], recording: Recording | None = None) -> Iterator[Line]:
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
        first_seq, ts_ns = engine.seq + 1, engine.now_ns
        events = engine.apply(records, ts_ns)
        if recording is not None:
            recording.append(first_seq, ts_ns, engine.seq - first_seq + 1, records)
        yield from writer.lines(events, first_seq, spoken=command.get("account"))


@click.command()
@click.argument("file", type=click.File("rb"))
@click.option("--reference", is_flag=True, help="Use the plain reference engine instead of the compiled one.")
@click.option("--journal", "directory", type=click.Path(path_type=Path), help="Write what is applied to a new journal.")
def apply(file: BinaryIO, reference: bool, directory: Path | None) -> None:
    """Apply the commands in FILE (JSON lines; - for stdin) to an empty venue and print the events.

    A line that is no command is answered with an error line and does not stop the run. Without deposits and rates,
    accounts trade unmargined. With --journal what is applied is a journal in DIRECTORY, which must not hold one yet:
    for `hourglass replay`, `statement`, `margin`, `default`.

    \b
    Example:
      hourglass apply scenario.jsonl --journal ./journal
      hourglass apply - <<'END'
      {"t":"add_product","product":"H100","lot_scu":8,"tick_micros":1000,"fabrics":["f1"]}
      {"t":"add_account","account":"ann"}
      {"t":"list_window","product":"H100","start":14}
      {"t":"place","account":"ann","ref":1,"product":"H100","fabric":"f1","start":14,"side":"sell","px":200,"qty":8}
      END
    """  # noqa: D301
    output, engine = sys.stdout, new_engine(reference)
    recording = None if directory is None else Recording(directory)
    with contextlib.closing(recording) if recording is not None else contextlib.nullcontext():
        for line in run_lines(engine, file, recording):
            output.write(encode(line) + "\n")
        if recording is not None:
            recording.finish(engine)
