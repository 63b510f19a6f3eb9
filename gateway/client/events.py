"""What a session hears, as small typed values. Prices are ticks, quantities lots, times microseconds, fees micros."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from exchange.reasons import DoneReason
from exchange.records import NoticeKind, Phase
from gateway.client.clearing_events import CLEARING_EVENTS, PrivateClearingEvent, PublicClearingEvent
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
    flags: int = 0  # exchange.records.EventFlag: CALL, BLOCK or BALANCE.


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
    aggressor: int  # 2 where there is none: the trade of a call.
    flags: int = 0  # As a fill's.


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
    """Levels that changed, 0 lots: gone, in messages `first` to `seq`; applies to a book within them (Book.apply)."""

    inst: int
    first: int
    seq: int
    ts: int
    bids: list[int]
    asks: list[int]


@dataclass(slots=True)
class OrdersSnapshot:
    """Visible orders one by one: rows of order, side, ticks, lots, as they would trade; `more`: it goes on."""

    inst: int
    seq: int
    ts: int
    more: int
    untold: int  # Further away.
    orders: list[list[int]]


@dataclass(slots=True)
class OrdersChanged:
    """What happened to single orders: rows of op, order, side, ticks, lots (see BookByOrder)."""

    inst: int
    seq: int
    ts: int
    changes: list[list[int]]


@dataclass(slots=True)
class Candle:
    """Prices in ticks and volume of one interval from `t0` on; without `closed` it may still change."""

    inst: int
    seq: int
    t0: int
    o: int
    h: int
    l: int  # noqa: E741 - the wire's name.
    c: int
    v: int  # Lots.
    n: int  # Trades.
    interval_s: int
    closed: int


@dataclass(slots=True)
class Gap:
    """Messages `first` to `last` of a channel of an instrument were left out: this connection did not read in time."""

    chan: int
    inst: int
    first: int
    last: int
    interval_s: int  # Of candles, else 0.


@dataclass(slots=True)
class Curve:
    """The forward curve of a hardware class: hour since 1970, price, hour, price, ... in micro-dollars per SCU-hour."""

    cls: str
    seq: int
    ts: int
    index: int  # 0: none yet.
    points: list[int]


@dataclass(slots=True)
class Status:
    """An instrument's phase, why it is in it, and when it will leave it (0: not known)."""

    inst: int
    seq: int
    ts: int
    state: int
    reason: int  # exchange.records.PhaseReason
    next_ts: int

    @property
    def phase(self) -> Phase | int:
        """The phase; one this client does not know stays a number."""
        return Phase(self.state) if self.state in Phase.__members__.values() else self.state


@dataclass(slots=True)
class Indicative:
    """What a call would come to now: price and lots, and what would be left over on which side. 0 lots: no trade."""

    inst: int
    seq: int
    ts: int
    px: int
    qty: int
    surplus_side: int
    surplus: int


@dataclass(slots=True)
class Perished:
    """A window is over, and of its certified lots nobody had bought `qty`."""

    inst: int
    seq: int
    ts: int
    qty: int
    certified: int


@dataclass(slots=True)
class StripPrices:
    """What a run of windows costs: ticks of one lot over all hours, and for how many lots; 0 and 0: not to be had."""

    product: int
    fabric: int  # Its place in the product's list.
    start: int
    hours: int
    seq: int
    ts: int
    bid_total: int
    bid_lots: int
    ask_total: int
    ask_lots: int
    flags: int


@dataclass(slots=True)
class Assigned:
    """Nodes `node` to `node + qty - 1` of a fabric for a window: yours (role 0), or given by you to `other` (1)."""

    pseq: int
    inst: int
    role: int
    node: int  # -1: there is no node for these lots.
    qty: int
    other: int
    ts: int
    gseq: int


@dataclass(slots=True)
class BoughtIn:
    """The account was short beyond its capacity: `qty` lots were bought for it, `uncovered` were not to be had."""

    pseq: int
    inst: int
    qty: int
    uncovered: int
    ts: int
    gseq: int


@dataclass(slots=True)
class Capacity:
    """The lots the account may deliver in a window."""

    pseq: int
    inst: int
    qty: int
    ts: int
    gseq: int


@dataclass(slots=True)
class Notice:
    """Something the account should know.

    Kind 1: four fifths of the rate are used up; 2: the server will stop, and may be had again after `arg` ms; 3:
    protection has pulled the quote set `arg`; 4: a dead-man switch has fired, of the lane `arg` or of the account.
    """

    kind: int  # exchange.records.NoticeKind
    arg: int
    ts: int

    @property
    def kind_name(self) -> str:
        """Name of the kind, such as ``MMP_FIRED``."""
        return NoticeKind(self.kind).name if self.kind in NoticeKind.__members__.values() else str(self.kind)


@dataclass(slots=True)
class Position:
    """Lots held of an instrument, negative: sold, and lots of open orders; after the command `gseq`."""

    inst: int
    net: int
    open_buy: int
    open_sell: int
    gseq: int


@dataclass(slots=True)
class Balance:
    """Money in micro-dollars: all of it, what is held for orders and positions, the rest; after the command `gseq`."""

    cash: int
    reserved: int
    available: int
    ts: int
    gseq: int


@dataclass(slots=True)
class Reconnecting:
    """The connection was lost, and the session tries to come back. Told by the client itself."""

    code: int
    reason: str


@dataclass(slots=True)
class Reconnected:
    """The session is back on its lane; private messages that were missed follow. Told by the client itself."""

    away_ms: int
    attempts: int
    missed: int  # Private messages that follow.
    sent_again: int  # Commands without an answer.


@dataclass(slots=True)
class Heartbeat:
    """The server lives; gseq is the last command told, durable_gseq the last on disk."""

    ts: int
    gseq: int
    pseq: int
    durable_gseq: int


AccountEvent = Position | Balance  # State that is told again and again; asked for with `follow_account`.
PrivateEvent = (
    Ack | Reject | Fill | Done | Replaced | Assigned | BoughtIn | Capacity | Notice | PrivateClearingEvent
    | Reconnecting | Reconnected
)
PublicMarketEvent = (
    BestPrices | Trade | BookSnapshot | BookDelta | OrdersSnapshot | OrdersChanged | Candle | Gap | Curve | Status
    | Indicative | Perished | StripPrices
)
PublicEvent = PublicMarketEvent | Heartbeat | PublicClearingEvent
Event = PrivateEvent | PublicEvent | AccountEvent

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
    MessageType.L3: OrdersChanged,
    MessageType.L3_SNAP: OrdersSnapshot,
    MessageType.CANDLE: Candle,
    MessageType.GAP: Gap,
    MessageType.CURVE: Curve,
    MessageType.STATUS: Status,
    MessageType.HEARTBEAT: Heartbeat,
    MessageType.NOTICE: Notice,
    MessageType.STRIP: StripPrices,
    MessageType.INDICATIVE: Indicative,
    MessageType.PERISHED: Perished,
    MessageType.ASSIGNED: Assigned,
    MessageType.BOUGHT_IN: BoughtIn,
    MessageType.CAPACITY: Capacity,
    MessageType.POSITION: Position,
    MessageType.BALANCE: Balance,
    **CLEARING_EVENTS,
}
# Those that are numbered by `pseq`, which is their first field.
SEQUENCED = frozenset(
    number for number, event in EVENTS.items() if next(iter(event.__dataclass_fields__)) == "pseq"  # type: ignore[attr-defined]
)
FIELD_COUNTS = {number: len(event.__dataclass_fields__) for number, event in EVENTS.items()}  # type: ignore[attr-defined]


def event_of(message: list[Any]) -> Event | None:
    """Return the event of a message, or None for a type that is none; elements added later are passed over."""
    make = EVENTS.get(message[0])
    return None if make is None else make(*message[1 : 1 + FIELD_COUNTS[message[0]]])
