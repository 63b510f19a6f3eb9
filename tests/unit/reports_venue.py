"""Journals for the tests of reports: the example of a default, and houses that remember what they were sent."""

import functools
from pathlib import Path

from click.testing import CliRunner
from house import House

from exchange import commands
from exchange.engine import Engine
from exchange.replay import Frame
from gateway.cli import main
from gateway.commands_apply import Recording
from gateway.jsonlines import CommandReader, parse_line

ROOT = Path(__file__).parent.parent.parent
E7 = ROOT / "docs" / "examples" / "default-e7.jsonl"
BOND = 48_588_826
MONEY = 5_000_000_000


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


class RecordedHouse(House):
    """A house that keeps its batches as the frames of a journal."""

    def send(self, *records):
        frames = self.__dict__.setdefault("frames", [])
        first, ts_ns, before = self.engine.seq + 1, 1_000 * 3_600 * 10**9 + self.now_s * 10**9, self.engine.seq
        events = super().send(*records)
        frames.append(Frame(first, ts_ns, self.engine.seq - before, b"".join(records)))
        return events


def write_journal(directory, frames, engine):
    recording = Recording(directory)
    for frame in frames:
        recording.append(frame.first_seq, frame.ts_ns, frame.count, frame.body)
    recording.finish(engine)
    recording.close()
    return directory


@functools.cache
def frames_of_e7():
    """The example's lines as frames, one a line, and the engine behind them. Nothing in it is refused."""
    engine, frames = Engine(), []
    reader = CommandReader(engine.catalogue)
    for number, line in enumerate(E7.read_text().splitlines(), 1):
        body, ts_ns = reader.convert(parse_line(line)), engine.now_ns
        events = engine.apply(body, ts_ns)
        assert 34 not in events["type"].tolist(), line
        frames.append(Frame(number, ts_ns, 1, body))
    return tuple(frames), engine


def seq_of(kind, number=0):
    """The sequence number of a command of the example: each line is one."""
    lines = [parse_line(line)["t"] for line in E7.read_text().splitlines()]
    return [at for at, name in enumerate(lines, 1) if name == kind][number]


FLAT = {
    "range_ppm": 250_000, "steepen_ppm": 0, "flatten_ppm": 0, "near_squeeze_ppm": 0, "list_cut_ppm": 0,
    "generation_ppm": 0, "outage_ppm": 0,
}  # fmt: skip


def move(house, price):
    """Bring the mark to a price: the maker quotes around it, and a run follows."""
    house.refs["mm"] = house.refs.get("mm", 0) + 1
    house.send(commands.mass_cancel(house.number("mm"), house.refs["mm"]))
    house.buy("mm", 1, price - 1)
    house.sell("mm", 1, price + 1)
    house.now_s += 1
    house.run()
