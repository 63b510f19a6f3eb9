"""Playing a journal back one command at a time, with what the core does for the clearinghouse written down.

A fill moves (M - P) x lots x H (ACC-003), with the mark M of that moment, and FILL does not tell M. So the core stands
behind a tracer, which notes each change of a mark and each trade that was made at the mark, with its place among the
events of the command.
"""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, cast

import msgpack
import numpy as np

from exchange.engine import Core, Engine, compiled_core
from exchange.records import EVENT, CommandType, EventType
from exchange.replay import Frame
from gateway.commands_journal import records_of
from gateway.journal.reader import Reader

Alter = Callable[[int, bytes], bytes]  # (sequence number, record) to the record to apply instead.


class Event(NamedTuple):
    """One event, with the fields of `exchange.records.EVENT` in their order."""

    type: int
    flags: int
    reason: int
    lane: int
    command: int
    account: int
    instrument: int
    oid: int
    ref: int
    match_id: int
    price: int
    lots: int
    cum: int
    leaves: int
    amount: int


class Marked(NamedTuple):
    """A mark was set (None: ended) before the event at ``place``; ``held`` is what each account held then."""

    place: int
    handle: int
    ticks: int | None
    before: int | None
    held: tuple[tuple[int, int], ...]


class Tracer:
    """A core that notes marks and trades at the mark; everything else is the core's own."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self.marked: list[Marked] = []
        self.at_mark: list[tuple[int, int]] = []  # From and to: places of events whose fills moved no money.

    def __getattr__(self, name: str) -> Any:
        return getattr(self._core, name)

    def begin(self, ts_ns: int) -> None:
        """Begin a batch: what was noted of the one before is forgotten."""
        self.marked, self.at_mark = [], []
        self._core.begin(ts_ns)

    def set_mark(self, handle: int, ticks: int) -> None:
        """Set a mark (ACC-004)."""
        before = self._core.mark(handle)
        held = () if before is None else tuple((one[0], one[1]) for one in self._core.holdings(handle) if one[1])
        self.marked.append(Marked(self._core.event_count, handle, ticks, before, held))
        self._core.set_mark(handle, ticks)

    def clear_mark(self, handle: int) -> None:
        """End a mark (ACC-010)."""
        self.marked.append(Marked(self._core.event_count, handle, None, self._core.mark(handle), ()))
        self._core.clear_mark(handle)

    def hit(self, oid: int, lots: int, account: int, fee_ppm: int, price: int = -1, at_mark: bool = False) -> int:
        """Trade with a resting order (ACC-009)."""
        first = self._core.event_count
        done = self._core.hit(oid, lots, account, fee_ppm, price, at_mark)
        if at_mark:
            self.at_mark.append((first, self._core.event_count))
        return done


class Step(NamedTuple):
    """One command and everything it caused."""

    seq: int
    ts_ns: int  # When its batch was stamped.
    now_ns: int  # The venue's time behind it.
    record: bytes
    raw: bytes  # Its events, packed.
    marked: tuple[Marked, ...]
    at_mark: tuple[tuple[int, int], ...]

    @property
    def kind(self) -> int:
        """Type of the command."""
        return int.from_bytes(self.record[4:6], "little")

    def has(self, *kinds: EventType) -> bool:
        """Whether there is an event of one of the types; cheap."""
        types = self.raw[::64]
        return any(kind in types for kind in kinds)

    def events(self) -> list[Event]:
        """Return the events."""
        return [Event(*row) for row in np.frombuffer(self.raw, EVENT).tolist()]

    @property
    def is_refused(self) -> bool:
        """Whether the command was refused."""
        return self.has(EventType.REJECT)


class Playback:
    """One replay from the first command on, on a compiled core of its own.

    Args:
        alter: what to apply in the place of each record; None: the record itself.

    Raises:
        CoreMissing: the compiled core is not built.

    """

    def __init__(self, alter: Alter | None = None, core: "Core | None" = None) -> None:
        self._tracer = Tracer(compiled_core() if core is None else core)
        self.engine = Engine(cast(Any, self._tracer))
        self._alter = alter

    def steps(self, frames: Iterable[Frame]) -> Iterator[Step]:
        """Apply the commands of frames one by one and yield each behind it: the engine then stands there.

        Raises:
            ValueError: a frame does not continue the one before.

        """
        engine, tracer = self.engine, self._tracer
        for frame in frames:
            if frame.count and frame.first_seq != engine.seq + 1:
                raise ValueError(f"first_seq must be {engine.seq + 1}, was {frame.first_seq}")
            for seq, record in records_of(frame):
                if self._alter is not None:
                    record = self._alter(seq, record)
                engine.apply_count(record, max(frame.ts_ns, engine.now_ns))
                yield Step(
                    seq, frame.ts_ns, engine.now_ns, record, tracer.events_bytes(), tuple(tracer.marked),
                    tuple(tracer.at_mark),
                )  # fmt: skip


def frames_of(directory: Path) -> Iterable[Frame]:
    """Return the frames of a journal that may be in use; it is opened read-only.

    Raises:
        JournalError: as the Reader does.

    """
    return Reader(directory, live=True)


def up_to(frames: Iterable[Frame], seq: int) -> Iterator[Frame]:
    """Yield the frames up to a command: a journal that is being written may have grown since."""
    for frame in frames:
        if frame.first_seq > seq:
            return
        yield frame


def read_payload(record: bytes) -> dict[str, Any]:
    """Return the fields of an administrative command as they were given; none where they cannot be read."""
    unpacker = msgpack.Unpacker()
    unpacker.feed(record[64:])
    try:
        fields = unpacker.unpack()
    except (ValueError, msgpack.UnpackException):
        return {}
    return fields if isinstance(fields, dict) else {}


def command_name(kind: int) -> str:
    """Return the name of a command's type in small letters."""
    try:
        return CommandType(kind).name.lower()
    except ValueError:
        return f"#{kind}"
