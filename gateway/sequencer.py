"""The one writer: stamps commands with sequence number and time, has them journalled, applies them, and tells.

```
submit -> pending -> one batch: log.append ------------ flush ------------> publish
                                engine.apply (meanwhile, ahead of the disk)
```
One batch is in flight at a time; what arrives meanwhile is the next one, so batches size themselves and no timer is
needed. The engine runs ahead of the disk, but no event leaves before its batch is durable (SEQ-003). A log in memory
is durable at once: then one batch is told before the next one is made. Whatever fails
here, log, engine or publisher, ends the process: the journal is what counts, and it is replayed at the next start.

Belongs to one event loop; not for use from other threads.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from exchange import commands
from exchange.errors import RecordError
from ext.journal import count_records
from gateway.journal.log import Log

TICK_MS = 100
IDLE_TICK_MS = 1_000
BATCH_BYTES_MAX = 256 * 1024
SUBMIT_BYTES_MAX = 4 * 1024 * 1024
BACKLOG_COMMANDS_MAX = 65_536
HASH_COMMANDS = 65_536
HASH_INTERVAL_NS = 1_000_000_000


class Publisher(Protocol):
    """Where events go once they are durable."""

    def publish(self, first_seq: int, ts_ns: int, events: bytes, commands: int) -> None:
        """Tell the events of one batch of ``commands`` commands; ``events`` are exchange.records.EVENT."""


class SequencedEngine(Protocol):
    """What the sequencer needs of the engine."""

    @property
    def seq(self) -> int:
        """Sequence number of the last command applied."""

    @property
    def now_ns(self) -> int:
        """Present time of the state."""

    def apply(self, records: bytes, ts_ns: int) -> Any:
        """Apply a batch and return its events, a NumPy array."""

    def state_hash(self) -> str:
        """Digest of the canonical state, in hexadecimal."""


@dataclass(slots=True)
class _Batch:
    first_seq: int
    ts_ns: int
    count: int
    body: bytes


class Sequencer:
    """Orders everything that happens.

    Args:
        engine: its state must stand where the log ends.
        log: recovered and ready for `append`.
        publisher: called in order of sequence, never before the batch is durable.
        clock_ns: nanoseconds since 1970; a clock that goes back is held, never followed (SEQ-002).
        tick_ms: how often a TIME command is sequenced.
        idle_tick_ms: how often, once nothing has been submitted for as long; never more often than ``tick_ms``.
        batch_bytes_max: most bytes that are gathered into one batch; a larger `submit` is a batch of its own.
        backlog_commands_max: most commands that wait for their batch.
        hash_commands: a state hash is noted after this many commands, but not twice within ``hash_interval_ns``.
        on_failure: called once with what ended the sequencer.

    """

    def __init__(
        self,
        engine: SequencedEngine,
        log: Log,
        publisher: Publisher,
        clock_ns: Callable[[], int],
        *,
        tick_ms: int = TICK_MS,
        idle_tick_ms: int = IDLE_TICK_MS,
        batch_bytes_max: int = BATCH_BYTES_MAX,
        backlog_commands_max: int = BACKLOG_COMMANDS_MAX,
        hash_commands: int = HASH_COMMANDS,
        hash_interval_ns: int = HASH_INTERVAL_NS,
        on_failure: Callable[[BaseException], None] | None = None,
    ) -> None:
        if engine.seq != log.last_seq:
            raise ValueError(f"the engine must stand at {log.last_seq} where the log ends, was {engine.seq}")
        self.backlog = 0  # Commands that wait for their batch.
        self.failure: BaseException | None = None
        self._engine = engine
        self._log = log
        self._publisher = publisher
        self._clock_ns = clock_ns
        self._tick_s = tick_ms / 1000
        self._idle_tick_s = max(idle_tick_ms, tick_ms) / 1000
        self._ticks_until_idle = 0
        self._busy_ticks = max(idle_tick_ms // tick_ms, 1)  # After a submission the time goes on in small steps.
        self._batch_bytes_max = batch_bytes_max
        self._backlog_commands_max = backlog_commands_max
        self._hash_commands = hash_commands
        self._hash_interval_ns = hash_interval_ns
        self._on_failure = on_failure
        self._pending: list[bytes] = []
        self._pending_bytes = 0
        self._time_is_pending = False
        self._flying: tuple[_Batch, bytes] | None = None  # The batch under way, with its events.
        self._turn_is_scheduled = False
        self._is_open = False
        self._hashed_seq = engine.seq
        self._hashed_ns = 0
        self._waiting: list[asyncio.Future[None]] = []
        self._tick_handle: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def seq(self) -> int:
        """Newest sequence number given out, durable or not."""
        return self._log.last_seq

    @property
    def next_seq(self) -> int:
        """Sequence number that the first command of the next `submit` will have."""
        return self._log.last_seq + self.backlog + 1

    @property
    def durable_seq(self) -> int:
        """Newest sequence number that is durable: nothing later has been told to anyone."""
        return self._log.durable_seq

    @property
    def durability(self) -> str:
        """``disk`` or ``memory``, for banners and health."""
        return self._log.durability

    def start(self) -> None:
        """Begin to take commands and to sequence the time. Needs a running loop."""
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._log.fileno(), self._flushed)
        self._is_open = True
        self._tick()

    def submit(self, records: bytes) -> bool:
        """Queue one or more whole command records; False, and nothing queued, when overloaded or stopped (SEQ-005).

        Raises:
            RecordError: the lengths do not add up, or it is more than SUBMIT_BYTES_MAX (SEQ-004).

        """
        count = count_records(records)
        if count < 1 or len(records) > SUBMIT_BYTES_MAX:
            raise RecordError(
                f"records must be 1 or more whole ones in at most {SUBMIT_BYTES_MAX} bytes, was {len(records)} bytes"
            )
        if not self._is_open or self.backlog + count > self._backlog_commands_max:
            return False
        self._queue(records, count)
        if self._ticks_until_idle == 0:
            self._tick_after(self._tick_s)
        self._ticks_until_idle = self._busy_ticks
        return True

    async def stop(self) -> None:
        """Take nothing more, finish what was taken, note the state hash, and return when all is durable."""
        self._close()
        await self.settle()
        if self.failure is None and self._engine.seq != self._hashed_seq:
            self._note_hash(self._log.last_ts_ns)
        while self.failure is None and not self._all_is_durable():
            await self._next_quiet()
        self._detach()

    async def settle(self) -> None:
        """Return when nothing that was taken is left to be journalled, or the sequencer has failed."""
        while self.failure is None and (self._pending or self._flying):
            if self._flying is None:
                self._schedule_turn()
            await self._next_quiet()

    def _queue(self, records: bytes, count: int) -> None:
        self._pending.append(records)
        self._pending_bytes += len(records)
        self.backlog += count
        if self._flying is None:
            self._schedule_turn()

    def _schedule_turn(self) -> None:
        """Have the next batch made after what else is ready in this turn of the loop has been submitted too."""
        if not self._turn_is_scheduled and self._loop is not None:
            self._turn_is_scheduled = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        self._turn_is_scheduled = False
        if self._flying is None and self.failure is None:
            self._advance(None)

    def _flushed(self) -> None:
        """Take note that the log has completed something, or has failed."""
        try:
            self._log.completed()
        except Exception as error:
            self._fail(error)
            return
        finished = self._flying
        if finished is not None and self._log.durable_seq >= finished[0].first_seq + finished[0].count - 1:
            self._flying = None
            self._advance(finished)
        if self._flying is None and self._waiting:
            self._wake()

    def _advance(self, finished: tuple[_Batch, bytes] | None) -> None:
        """Start the next flush, tell the finished batch while it is under way, then apply the new one."""
        try:
            batch = self._append_next() if self._pending else None
            if finished is not None:
                done, events = finished
                self._publisher.publish(done.first_seq, done.ts_ns, events, done.count)
            if batch is not None:
                events = self._engine.apply(batch.body, batch.ts_ns).tobytes()
                self._note_hash_when_due(batch.ts_ns)
                if self._log.is_immediate:
                    self._tell_now(batch, events)
                else:
                    self._flying = batch, events
        except Exception as error:
            self._fail(error)

    def _tell_now(self, batch: _Batch, events: bytes) -> None:
        """Tell a batch that was durable when it was appended: the log is in memory, nothing is waited for."""
        self._log.completed()
        self._publisher.publish(batch.first_seq, batch.ts_ns, events, batch.count)
        if self._pending:
            self._schedule_turn()
        elif self._waiting:
            self._wake()

    def _append_next(self) -> _Batch:
        body = self._take()
        count = count_records(body)
        self.backlog -= count
        ts_ns = max(self._clock_ns(), self._log.last_ts_ns, self._engine.now_ns)
        batch = _Batch(self._log.last_seq + 1, ts_ns, count, body)
        self._log.append(batch.first_seq, ts_ns, count, body)
        return batch

    def _take(self) -> bytes:
        """Remove and return what fits one batch, in order of arrival; at least one submission."""
        pending = self._pending
        if self._pending_bytes <= self._batch_bytes_max:
            self._pending, self._pending_bytes, self._time_is_pending = [], 0, False
            return b"".join(pending)
        size, taken = len(pending[0]), 1
        while taken < len(pending) and size + len(pending[taken]) <= self._batch_bytes_max:
            size += len(pending[taken])
            taken += 1
        self._pending = pending[taken:]
        self._pending_bytes -= size
        self._time_is_pending = False
        return b"".join(pending[:taken])

    def _tick(self) -> None:
        """Sequence the time; one waiting TIME command is enough, however slow the disk."""
        self._ticks_until_idle = max(self._ticks_until_idle - 1, 0)
        self._tick_after(self._tick_s if self._ticks_until_idle else self._idle_tick_s)
        if not self._time_is_pending:
            self._time_is_pending = True
            self._queue(commands.time(self._clock_ns()), 1)

    def _tick_after(self, delay_s: float) -> None:
        """Set the next tick, in place of the one that was set."""
        assert self._loop is not None
        if self._tick_handle is not None:
            self._tick_handle.cancel()
        self._tick_handle = self._loop.call_later(delay_s, self._tick)

    def _note_hash_when_due(self, ts_ns: int) -> None:
        """Note the state hash now and then; of a large state it takes long, so never twice within the interval."""
        if self._engine.seq - self._hashed_seq < self._hash_commands:
            return
        if ts_ns - self._hashed_ns >= self._hash_interval_ns:
            self._note_hash(ts_ns)

    def _note_hash(self, ts_ns: int) -> None:
        self._hashed_seq, self._hashed_ns = self._engine.seq, ts_ns
        self._log.note_hash(ts_ns, self._engine.state_hash())

    def _all_is_durable(self) -> bool:
        try:
            return self._log.completed()
        except Exception as error:
            self._fail(error)
            return True

    async def _next_quiet(self) -> None:
        """Wait until no batch is in flight, or the sequencer has failed."""
        assert self._loop is not None
        future = self._loop.create_future()
        self._waiting.append(future)
        await future

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)

    def _close(self) -> None:
        self._is_open = False
        if self._tick_handle is not None:
            self._tick_handle.cancel()

    def _detach(self) -> None:
        if self._loop is not None:
            self._loop.remove_reader(self._log.fileno())

    def _fail(self, error: BaseException) -> None:
        """Stop for good: nothing that is not yet told will be (SEQ-006)."""
        if self.failure is not None:
            return
        self.failure = error
        self._close()
        self._detach()
        self._wake()
        if self._on_failure is not None:
            self._on_failure(error)
