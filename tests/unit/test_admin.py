"""`hourglass admin`: a running venue is administered by its owner, and by nobody else."""

import asyncio
import json
import stat
import time

import pytest
from test_cli import Served, run

from exchange import commands
from exchange.engine import Engine
from exchange.reference.core import ReferenceCore
from exchange.units import HOUR_NS
from gateway.admin import LINE_BYTES_MAX, SOCKET_NAME, AdminSocket, Tap

WINDOW = 2_000_000
HALT = {"t": "halt", "product": "H100", "start": WINDOW}
RESUME = HALT | {"t": "resume"}


def lines(*given):
    return "".join(json.dumps(line) + "\n" for line in given)


def told(result):
    return [json.loads(line) for line in result.output.splitlines()]


@pytest.fixture
def venue(tmp_path):
    pytest.importorskip("ext.core", reason="ext.core is not built", exc_type=ImportError)
    served = Served(tmp_path)
    yield tmp_path / "journal"
    assert served.stop()[0] == 0
    assert not (tmp_path / "journal" / SOCKET_NAME).exists()


def test_window_of_a_running_venue_is_halted_resumed_and_certified(venue):
    assert stat.S_IMODE((venue / SOCKET_NAME).stat().st_mode) == 0o600
    certify = {"t": "certify", "account": "ann", "product": "H100", "fabric": "f1", "start": WINDOW, "lots": 9}
    result = run("admin", venue, "-", stdin=lines(HALT, certify) + "\n" + lines(RESUME))
    assert result.exit_code == 0
    halted, halt, certified, capacity, resumed, resume, *_ = told(result)
    assert [line["t"] for line in (halted, halt, certified, capacity, resumed, resume)] == [
        "ack", "phase", "ack", "capacity", "ack", "phase",
    ]  # fmt: skip
    assert (halt["phase"], halt["reason"], resume["phase"]) == ("halted", "command", "volatility")
    assert (capacity["account"], capacity["qty"]) == ("ann", 9)
    kinds = [json.loads(line)["t"] for line in run("journal", venue, "--json").output.splitlines()]
    assert [kind for kind in kinds if kind in ("halt", "certify", "resume")] == ["halt", "certify", "resume"]


def test_what_is_refused_is_told_and_the_rest_is_done(venue):
    place = {"t": "place", "account": "ann", "ref": 1, "product": "H100", "fabric": "f1", "start": WINDOW,
             "side": "buy", "px": 1, "qty": 1}  # fmt: skip
    result = run("admin", venue, "-", stdin=lines(RESUME, place) + "nonsense\n" + lines(HALT))
    assert result.exit_code == 1
    refused, error, nonsense, *done = told(result)
    assert (refused["t"], refused["reason"]) == ("reject", "NOT_OPEN")
    assert (error["t"], error["line"]) == ("error", 2)
    assert error["reason"].startswith("t must be one of set_seed, ")
    assert (nonsense["t"], nonsense["line"]) == ("error", 3)
    assert [line["t"] for line in done] == ["ack", "phase"]


def test_without_a_venue_there_is_nobody_to_tell(tmp_path):
    result = run("admin", tmp_path, "-", stdin=lines(HALT))
    assert result.exit_code == 66
    assert "no venue answers on" in result.output


class Sequencer:
    """Takes commands and carries them out when it is told to."""

    def __init__(self, engine):
        self.engine = engine
        self.tap = None
        self.taken = []
        self.has_room = True

    @property
    def next_seq(self):
        return self.engine.seq + len(self.taken) + 1

    def submit(self, records):
        if self.has_room:
            self.taken.append(records)
        return self.has_room

    def carry_out(self):
        first, count = self.engine.seq + 1, len(self.taken)
        events = self.engine.apply(b"".join(self.taken), time.time_ns()).tobytes()
        self.taken.clear()
        self.tap.publish(first, 0, events, count)


class Nobody:
    def publish(self, *_):
        pass


def test_two_owners_each_get_the_events_of_their_own_command(tmp_path):
    async def main():
        engine = Engine(ReferenceCore())
        now = time.time_ns() // HOUR_NS + 48
        records = commands.add_product("H100", 8, 1000, ["f1"]) + commands.list_window("H100", now, count=2)
        engine.apply_count(records, time.time_ns())
        sequencer = Sequencer(engine)
        sequencer.tap = Tap(Nobody())
        admin = AdminSocket(tmp_path / "a", engine.catalogue, sequencer, sequencer.tap)
        await admin.start()
        (first_reader, first), (second_reader, second) = [
            await asyncio.open_unix_connection(tmp_path / "a") for _ in range(2)
        ]
        first.write(lines(HALT | {"start": now}).encode())
        second.write(lines(HALT | {"start": now + 1}).encode())
        while len(sequencer.taken) < 2:
            await asyncio.sleep(0.01)
        sequencer.submit(commands.halt("H100", now))  # Somebody else's, which is refused.
        sequencer.carry_out()
        starts = []
        for reader in (first_reader, second_reader):
            answer = [json.loads(await reader.readline()) for _ in range(2)]
            assert await reader.readline() == b"\n"
            assert [line["t"] for line in answer] == ["ack", "phase"]
            starts.append((answer[0]["seq"], answer[1]["start"]))
        assert sorted(starts) in ([(3, now), (4, now + 1)], [(3, now + 1), (4, now)])
        sequencer.has_room = False
        first.write(lines(RESUME).encode())
        assert "overloaded" in json.loads(await first_reader.readline())["reason"]
        second.write(b"x" * 2 * LINE_BYTES_MAX)
        assert await second_reader.read() == b""
        first.close()
        second.close()
        await admin.stop()
        assert not admin.path.exists()

    asyncio.run(main())


def test_path_that_is_too_long_for_a_socket_is_told(tmp_path):
    pytest.importorskip("ext.core", reason="ext.core is not built", exc_type=ImportError)
    directory = tmp_path / ("long" * 30)
    directory.mkdir()
    venue = Served(directory)
    assert "there is no administration" in venue.banner
    assert venue.stop()[0] == 0
