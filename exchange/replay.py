"""From a journal to a state: feed its frames to an engine, and compare the state hashes noted on the way.

Pure: frames come from anywhere (``gateway.journal`` reads them from files), nothing here looks at a clock.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

PROGRESS_COMMANDS = 65_536


@dataclass(slots=True)
class Frame:
    """One batch of commands, or (count 0) a note of the state hash after the command before ``first_seq``."""

    first_seq: int
    ts_ns: int
    count: int
    body: Any  # bytes or memoryview; commands back to back, as exchange.records.COMMAND
    state_hash: str | None = None  # Hexadecimal.


class Replayable(Protocol):
    """What a replay needs of an engine."""

    @property
    def seq(self) -> int:
        """Sequence number of the last command applied."""

    @property
    def now_ns(self) -> int:
        """Present time of the state."""

    def apply(self, records: bytes, ts_ns: int) -> Any:
        """Apply a batch and return its events, a NumPy array."""

    def apply_count(self, records: bytes, ts_ns: int) -> int:
        """Apply a batch and return how many events it gave."""

    def state_hash(self) -> str:
        """Digest of the canonical state, in hexadecimal."""


class Mismatch(NamedTuple):
    """A noted hash that the replayed state does not have."""

    seq: int
    expected: str
    found: str


@dataclass(slots=True)
class ReplayResult:
    """What a replay did. ``mismatch`` is the first one; the replay stops there."""

    commands: int = 0
    events: int = 0
    frames: int = 0
    hashes_verified: int = 0
    mismatch: Mismatch | None = None


def replay(
    engine: Replayable,
    frames: Iterable[Frame],
    *,
    until_seq: int | None = None,
    until_ns: int | None = None,
    verify: bool = True,
    progress: Callable[[ReplayResult], None] | None = None,
    tell: Callable[[int, int, bytes, int], None] | None = None,
) -> ReplayResult:
    """Apply ``frames`` to ``engine`` and return the counts.

    Args:
        engine: where the state goes; frames it has applied already are an error of the caller.
        frames: in order, beginning with the command after ``engine.seq``.
        until_seq: last command to apply.
        until_ns: apply nothing stamped later than this.
        verify: compare noted hashes; False passes over them.
        progress: called about every 65,536 commands.
        tell: given first_seq, ts_ns, events and number of commands of each batch; without it events are not copied.

    """
    result = ReplayResult()
    reported = 0
    for frame in frames:
        if until_ns is not None and frame.ts_ns > until_ns:
            break
        if until_seq is not None and engine.seq >= until_seq:
            # A note on the very last command still belongs to what was asked for.
            if not (verify and frame.count == 0 and frame.first_seq == engine.seq + 1):
                break
        result.frames += 1
        if frame.count == 0:
            if verify and not _hash_agrees(engine, frame, result):
                break
            continue
        _apply(engine, frame, until_seq, result, tell)
        if progress is not None and result.commands - reported >= PROGRESS_COMMANDS:
            reported = result.commands
            progress(result)
    return result


def _apply(
    engine: Replayable,
    frame: Frame,
    until_seq: int | None,
    result: ReplayResult,
    tell: Callable[[int, int, bytes, int], None] | None,
) -> None:
    if frame.first_seq != engine.seq + 1:
        raise ValueError(f"first_seq must be {engine.seq + 1}, was {frame.first_seq}")
    body, count = bytes(frame.body), frame.count
    if until_seq is not None and engine.seq + count > until_seq:
        count = until_seq - engine.seq
        body = leading_records(body, count)
    if tell is None:
        result.events += engine.apply_count(body, frame.ts_ns)
    else:
        events = engine.apply(body, frame.ts_ns)
        result.events += len(events)
        tell(frame.first_seq, frame.ts_ns, events.tobytes(), count)
    result.commands += count


def _hash_agrees(engine: Replayable, frame: Frame, result: ReplayResult) -> bool:
    if frame.state_hash is None or engine.seq != frame.first_seq - 1:
        return True
    found = engine.state_hash()
    if found != frame.state_hash:
        result.mismatch = Mismatch(engine.seq, frame.state_hash, found)
        return False
    result.hashes_verified += 1
    return True


def leading_records(body: bytes, count: int) -> bytes:
    """Return the first ``count`` command records of ``body``."""
    end = 0
    for _ in range(count):
        end += int.from_bytes(body[end : end + 4], "little")
    return body[:end]
