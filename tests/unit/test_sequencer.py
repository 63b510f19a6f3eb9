"""The sequencer on a log that flushes when the test says so."""

import asyncio
import os

import numpy as np
import pytest

from exchange import commands
from exchange.errors import RecordError
from exchange.records import COMMAND, CommandType
from gateway.journal import JournalFailed
from gateway.sequencer import SUBMIT_BYTES_MAX, Sequencer


class FakeLog:
    """Keeps batches in memory; `flush` makes the oldest one durable."""

    durability = "memory"
    is_immediate = False

    def __init__(self, last_seq=0):
        self.last_seq = self.durable_seq = last_seq
        self.last_ts_ns = 0
        self.batches, self.notes, self.begun = [], [], []
        self.failure = None
        self.signal = os.eventfd(0, os.EFD_NONBLOCK)

    def __del__(self):
        os.close(self.signal)

    def append(self, first_seq, ts_ns, count, body):
        if isinstance(self.failure, OSError):
            raise self.failure
        self.batches.append((first_seq, ts_ns, count, body))
        self.last_seq, self.last_ts_ns = first_seq + count - 1, ts_ns
        self.begun.append(self.last_seq)

    def note_hash(self, ts_ns, state_hash):
        self.notes.append((self.last_seq, ts_ns, state_hash))
        self.begun.append(self.last_seq)

    def fileno(self):
        return self.signal

    def flush(self):
        self.durable_seq = self.begun.pop(0)
        os.eventfd_write(self.signal, 1)

    def fail(self):
        self.failure = JournalFailed("fdatasync", 5)
        os.eventfd_write(self.signal, 1)

    def completed(self):
        try:
            os.eventfd_read(self.signal)
        except BlockingIOError:
            pass
        if self.failure is not None:
            raise self.failure
        return not self.begun


class FakeEngine:
    """Answers each command with its number."""

    def __init__(self, seq=0):
        self.seq, self.now_ns, self.applied, self.broken = seq, 0, [], False

    def apply(self, records, ts_ns):
        if self.broken:
            raise AssertionError("broken")
        self.applied.append(records)
        self.now_ns = ts_ns
        first = self.seq + 1
        self.seq += len(records) // 64
        return np.arange(first, self.seq + 1, dtype=np.uint8)

    def state_hash(self):
        return f"{self.seq:064x}"


class Rig:
    """A sequencer with everything around it."""

    def __init__(self, **options):
        self.log, self.engine, self.published, self.failures = FakeLog(), FakeEngine(), [], []
        self.now_ns = 1_000
        self.sequencer = Sequencer(
            self.engine, self.log, self, lambda: self.now_ns, on_failure=self.failures.append,
            **({"tick_ms": 1_000_000} | options),
        )  # fmt: skip

    def publish(self, first_seq, ts_ns, events, commands):
        self.published.append((first_seq, ts_ns, events, commands))

    async def turn(self):
        for _ in range(4):
            await asyncio.sleep(0)

    async def start(self):
        """Start, and get the first TIME command out of the way."""
        self.sequencer.start()
        await self.turn()
        await self.flush()
        self.published.clear()

    async def flush(self):
        self.log.flush()
        await self.turn()
        await asyncio.sleep(0.001)


def order(ref=1):
    return commands.cancel(1, ref, 5)


def run(test, **options):
    async def body():
        rig = Rig(**options)
        await rig.start()
        await test(rig)

    asyncio.run(body())


def test_what_arrives_in_one_turn_is_one_batch_seq_001():
    async def test(rig):
        assert rig.sequencer.submit(order(1))
        assert rig.sequencer.submit(order(2) + order(3))
        await rig.turn()
        assert rig.log.batches[1:] == [(2, 1_000, 3, order(1) + order(2) + order(3))]

    run(test)


def test_what_arrives_during_a_flush_is_the_next_batch_seq_001():
    async def test(rig):
        rig.sequencer.submit(order(1))
        await rig.turn()
        rig.sequencer.submit(order(2))
        rig.sequencer.submit(order(3))
        await rig.turn()
        assert len(rig.log.batches) == 2
        await rig.flush()
        assert rig.log.batches[2:] == [(3, 1_000, 2, order(2) + order(3))]

    run(test)


def test_nothing_is_told_before_it_is_durable_seq_003():
    async def test(rig):
        rig.sequencer.submit(order(1))
        await rig.turn()
        assert rig.engine.applied[-1] == order(1)  # The engine runs ahead.
        assert rig.published == []
        assert rig.sequencer.durable_seq == 1
        await rig.flush()
        assert rig.published == [(2, 1_000, b"\x02", 1)]
        assert rig.sequencer.durable_seq == 2

    run(test)


def test_batches_are_told_in_order_seq_003():
    async def test(rig):
        for ref in range(1, 6):
            rig.sequencer.submit(order(ref))
            await rig.turn()
        while rig.log.begun:
            await rig.flush()
        assert [first for first, *_ in rig.published] == [2, 3]
        assert b"".join(events for _, _, events, _ in rig.published) == bytes([2, 3, 4, 5, 6])

    run(test)


def test_clock_that_goes_back_is_held_seq_002():
    async def test(rig):
        rig.now_ns = 500
        rig.sequencer.submit(order(1))
        await rig.turn()
        assert rig.log.batches[-1][1] == 1_000

    run(test)


def test_stamp_is_not_before_the_engines_time_seq_002():
    async def test(rig):
        rig.engine.now_ns = 9_000
        rig.sequencer.submit(order(1))
        await rig.turn()
        assert rig.log.batches[-1][1] == 9_000

    run(test)


@pytest.mark.parametrize("records", [b"", order()[:63], bytes(64), order() * (SUBMIT_BYTES_MAX // 64 + 1)])
def test_records_are_checked_before_they_are_journalled_seq_004(records):
    async def test(rig):
        with pytest.raises(RecordError):
            rig.sequencer.submit(records)
        await rig.turn()
        assert len(rig.log.batches) == 1

    run(test)


def test_backlog_is_bounded_seq_005():
    async def test(rig):
        rig.sequencer.submit(order(1))
        await rig.turn()
        assert rig.sequencer.submit(order(2) + order(3))
        assert not rig.sequencer.submit(order(4) + order(5))
        assert rig.sequencer.submit(order(4))
        assert rig.sequencer.backlog == 3
        await rig.flush()
        assert rig.sequencer.backlog == 0
        assert rig.sequencer.submit(order(5))

    run(test, backlog_commands_max=3)


def test_batch_is_bounded_seq_001():
    async def test(rig):
        for ref in range(5):
            rig.sequencer.submit(order(ref))
        await rig.turn()
        assert rig.log.batches[-1][2] == 2
        await rig.flush()
        assert rig.log.batches[-1][2] == 2
        await rig.flush()
        assert rig.log.batches[-1][2] == 1

    run(test, batch_bytes_max=128)


def test_larger_submission_is_a_batch_of_its_own_seq_001():
    async def test(rig):
        rig.sequencer.submit(order(1) * 3)
        rig.sequencer.submit(order(2))
        await rig.turn()
        assert rig.log.batches[-1][2] == 3

    run(test, batch_bytes_max=128)


def test_time_is_sequenced_seq_007():
    async def body():
        rig = Rig(tick_ms=5, idle_tick_ms=5)
        rig.sequencer.start()
        for step in range(5):
            rig.now_ns = 1_000 + step
            await asyncio.sleep(0.01)
            if rig.log.begun:
                await rig.flush()
        bodies = np.frombuffer(b"".join(body for *_, body in rig.log.batches), COMMAND)
        assert len(bodies) >= 3
        assert set(bodies["type"]) == {CommandType.TIME}
        assert (np.diff(bodies["amount"]) >= 0).all()

    asyncio.run(body())


def test_one_waiting_time_command_is_enough_seq_007():
    async def body():
        rig = Rig(tick_ms=1, idle_tick_ms=1)
        rig.sequencer.start()
        await asyncio.sleep(0.05)  # The first flush hangs.
        assert rig.sequencer.backlog == 1

    asyncio.run(body())


def times(rig):
    """How many TIME commands were journalled."""
    records = np.frombuffer(b"".join(body for *_, body in rig.log.batches), COMMAND)
    return int((records["type"] == CommandType.TIME).sum())


async def flush_for(rig, seconds):
    """Have a disk that flushes at once, for some time."""
    end = asyncio.get_running_loop().time() + seconds
    while asyncio.get_running_loop().time() < end:
        if rig.log.begun:
            rig.log.flush()
        await asyncio.sleep(0.001)


def test_time_stands_still_longer_in_an_idle_venue_and_goes_on_with_the_next_submission_seq_007():
    async def test(rig):
        await flush_for(rig, 0.05)
        assert times(rig) == 1
        rig.sequencer.submit(order())
        await flush_for(rig, 0.05)
        assert times(rig) >= 3

    run(test, tick_ms=5, idle_tick_ms=1_000_000)


def test_venue_is_idle_after_as_long_without_a_submission_seq_007():
    async def body():
        rig, delays = Rig(tick_ms=100, idle_tick_ms=300), []
        rig.sequencer._tick_after = delays.append
        rig.sequencer.start()
        assert delays == [0.3]
        rig.sequencer.submit(order(1))
        rig.sequencer.submit(order(2))  # The tick that the first one hastened still comes in its time.
        assert delays == [0.3, 0.1]
        for _ in range(4):
            rig.sequencer._tick()
        assert delays == [0.3, 0.1, 0.1, 0.1, 0.3, 0.3]
        rig.sequencer.submit(order(3))
        assert delays[6:] == [0.1]

    asyncio.run(body())


def test_idle_tick_is_never_the_faster_one_seq_007():
    async def body():
        rig, delays = Rig(tick_ms=100, idle_tick_ms=10), []
        rig.sequencer._tick_after = delays.append
        rig.sequencer.start()
        assert delays == [0.1]

    asyncio.run(body())


def test_failed_flush_stops_everything_and_tells_nothing_seq_006():
    async def test(rig):
        rig.sequencer.submit(order(1))
        await rig.turn()
        rig.log.fail()
        await asyncio.sleep(0.001)
        assert [type(failure) for failure in rig.failures] == [JournalFailed]
        assert rig.published == []
        assert not rig.sequencer.submit(order(2))
        await rig.sequencer.stop()
        assert len(rig.failures) == 1

    run(test)


def test_failure_to_append_stops_it_seq_006():
    async def test(rig):
        rig.log.failure = OSError(28, "No space left on device")
        rig.sequencer.submit(order(1))
        await rig.turn()
        assert rig.failures == [rig.log.failure]
        assert rig.engine.seq == 1

    run(test)


def test_engine_that_contradicts_itself_stops_it_seq_006():
    async def test(rig):
        rig.engine.broken = True
        rig.sequencer.submit(order(1))
        await rig.turn()
        assert isinstance(rig.failures[0], AssertionError)
        assert rig.published == []

    run(test)


def test_publisher_that_fails_stops_it_seq_006():
    async def test(rig):
        rig.publish = None
        rig.sequencer.submit(order(1))
        await rig.turn()
        await rig.flush()
        assert isinstance(rig.sequencer.failure, TypeError)

    run(test)


def test_hash_is_noted_behind_its_batch_seq_008():
    async def test(rig):
        rig.sequencer.submit(order(1) * 2)
        await rig.turn()
        assert rig.log.notes == [(3, 1_000, f"{3:064x}")]
        assert rig.log.begun == [3, 3]

    run(test, hash_commands=3, hash_interval_ns=0)


def test_hash_is_not_noted_twice_within_the_interval_seq_008():
    async def test(rig):
        for step in range(4):
            rig.now_ns += 400
            rig.sequencer.submit(order(step) * 5)
            await rig.turn()
            while rig.log.begun:
                await rig.flush()
        assert [seq for seq, *_ in rig.log.notes] == [6, 21]

    run(test, hash_commands=3, hash_interval_ns=1_000)


def test_stop_finishes_what_was_taken_and_notes_the_hash_seq_009():
    async def test(rig):
        for ref in range(3):
            rig.sequencer.submit(order(ref))
        stopping = asyncio.ensure_future(rig.sequencer.stop())
        await rig.turn()
        assert not rig.sequencer.submit(order(9))
        while not stopping.done():
            if rig.log.begun:
                rig.log.flush()
            await asyncio.sleep(0.001)
        assert rig.published == [(2, 1_000, bytes([2, 3, 4]), 3)]
        assert [seq for seq, *_ in rig.log.notes] == [4]

    run(test)


def test_settle_waits_for_what_was_submitted():
    async def test(rig):
        rig.sequencer.submit(order(1))
        settling = asyncio.ensure_future(rig.sequencer.settle())
        await rig.turn()
        assert not settling.done()
        await rig.flush()
        assert settling.done()

    run(test)


def test_engine_must_stand_where_the_log_ends():
    with pytest.raises(ValueError, match="must stand at 7"):
        Sequencer(FakeEngine(3), FakeLog(7), None, lambda: 0)
