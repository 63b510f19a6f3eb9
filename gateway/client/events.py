"""What a session hears, as small typed values. Prices are ticks, quantities lots, times microseconds, fees micros."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from exchange.reasons import DoneReason
from gateway.client.errors import OrderRejected, reason_of
from gateway.protocol import MessageType


@dataclass(slots=True)
class Ack:
    """A command was accepted."""

    ref: int
    code: int  # 1: the answer to a repeated ref.
    oid: int
    ts: int
    gseq: int
    pseq: int


@dataclass(slots=True)
class Reject:
    """A command was refused. gseq 0: at the door, and its ref may be used again."""

    ref: int
    code: int
    arg: int
    ts: int
    gseq: int

    def error(self) -> OrderRejected:
        """Return it as an exception."""
        return OrderRejected(reason_of(self.code), self.arg)


@dataclass(slots=True)
class Fill:
    """One match of an order of the account."""

    pseq: int
    oid: int
    ref: int
    exec_id: int
    inst: int
    side: int
    px: int
    qty: int
    cum: int
    leaves: int
    liq: int  # 0 maker, 1 taker.
    fee: int
    ts: int
    gseq: int


@dataclass(slots=True)
class Done:
    """An order ended unfilled, or not wholly filled."""

    pseq: int
    oid: int
    ref: int
    reason: int
    cum: int
    ts: int
    gseq: int

    @property
    def reason_name(self) -> str:
        """Name of the reason, such as ``USER``."""
        return DoneReason(self.reason).name if self.reason in DoneReason.__members__.values() else str(self.reason)


@dataclass(slots=True)
class Replaced:
    """An order has new terms; `qty` is the total, filled part included."""

    pseq: int
    oid: int
    ref: int
    px: int
    qty: int
    leaves: int
    ts: int
    gseq: int


@dataclass(slots=True)
class BestPrices:
    """Best bid and ask; quantity 0 where there is none."""

    inst: int
    seq: int
    ts: int
    bid_px: int
    bid_qty: int
    ask_px: int
    ask_qty: int


@dataclass(slots=True)
class Trade:
    """A match, as the public sees it."""

    inst: int
    seq: int
    ts: int
    trade_id: int
    px: int
    qty: int
    aggressor: int


@dataclass(slots=True)
class BookSnapshot:
    """All visible levels: px, qty, px, qty, ..., best first."""

    inst: int
    seq: int
    ts: int
    bids: list[int]
    asks: list[int]


@dataclass(slots=True)
class BookDelta:
    """Levels that changed; it applies to a book whose last seq is `first` - 1."""

    inst: int
    first: int
    seq: int
    ts: int
    bids: list[int]
    asks: list[int]


@dataclass(slots=True)
class Status:
    """An instrument's phase."""

    inst: int
    seq: int
    ts: int
    state: int
    reason: int
    next_ts: int


@dataclass(slots=True)
class Heartbeat:
    """The server lives; gseq is the last command told, durable_gseq the last on disk."""

    ts: int
    gseq: int
    pseq: int
    durable_gseq: int


Event = Ack | Reject | Fill | Done | Replaced | BestPrices | Trade | BookSnapshot | BookDelta | Status | Heartbeat

EVENTS: dict[int, Callable[..., Event]] = {
    MessageType.ACK: Ack,
    MessageType.REJECT: Reject,
    MessageType.FILL: Fill,
    MessageType.DONE: Done,
    MessageType.REPLACED: Replaced,
    MessageType.L1: BestPrices,
    MessageType.TRADE: Trade,
    MessageType.L2_SNAP: BookSnapshot,
    MessageType.L2_DELTA: BookDelta,
    MessageType.STATUS: Status,
    MessageType.HEARTBEAT: Heartbeat,
}
FIELD_COUNTS = {number: len(event.__dataclass_fields__) for number, event in EVENTS.items()}  # type: ignore[attr-defined]


def event_of(message: list[Any]) -> Event | None:
    """Return the event of a message, or None for a type that is none; elements added later are passed over."""
    make = EVENTS.get(message[0])
    return None if make is None else make(*message[1 : 1 + FIELD_COUNTS[message[0]]])
