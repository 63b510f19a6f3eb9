"""Orders, and the slots that give them their handles (ORD-004)."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from exchange.records import EventFlag, Side
from exchange.reference.layout import SLOT_MASK
from exchange.units import GENERATION_MAX, SLOT_BITS

if TYPE_CHECKING:
    from exchange.reference.accounts import Account, Position

QUOTE_LANES = 256  # Quote sets count as the lanes from here on.


@dataclass(slots=True, eq=False)
class Order:
    """One order, from its acceptance to its end."""

    oid: int
    position: "Position"
    side: int
    price: int  # Ticks.
    leaves: int  # Lots still to be filled, hidden ones included.
    lane: int  # 0..255 a client's lane, 256 + set for a quote.
    ref: int
    display: int = 0  # Lots an iceberg shows at a time; 0: everything.
    tag: int = 0
    expiry_ns: int = 0  # 0: good till gate.
    placed_seq: int = 0
    post_only: bool = False
    reduce_only: bool = False
    cancel_on_disconnect: bool = False
    physical: bool = False
    auction_only: bool = False
    firm: bool = False  # Its owner can neither end nor change it (MKT-033).
    cum: int = 0  # Lots filled.
    shown: int = 0
    resting: bool = False

    @property
    def row(self) -> tuple[int, ...]:
        """What is listed of it (ACC-011)."""
        ref = 0 if self.is_quote else self.ref
        where = (self.lane, self.position.instrument.handle, self.side, self.price)
        return self.oid, ref, *where, self.leaves, self.cum, self.tag

    @property
    def is_quote(self) -> bool:
        """Whether a quote placed it."""
        return self.lane >= QUOTE_LANES

    @property
    def group(self) -> int:
        """Owner group: orders of one group never trade with each other."""
        return self.position.account.group

    @property
    def event_flags(self) -> int:
        """Side and origin, as events carry them."""
        side = EventFlag.SELL if self.side == Side.SELL else 0
        return side | (EventFlag.QUOTE if self.is_quote else 0)


@dataclass(slots=True, eq=False)
class Block:
    """One block: a side of ``hours`` windows from ``start`` on, in one fabric of its scope (docs/spec/blocks.md)."""

    oid: int
    account: "Account"
    product: int
    scope: int  # A bit a fabric; one bit once it has traded.
    start: int
    hours: int
    side: int
    limit: int  # Ticks for one lot over all hours.
    leaves: int
    least: int  # Lots of its next trade at least.
    lane: int
    ref: int
    reserve: int = 0  # Micro-dollars a lot (BLK-010).
    tag: int = 0
    expiry_ns: int = 0
    placed_seq: int = 0
    sequence: int = 0  # Its priority among blocks.
    cancel_on_disconnect: bool = False
    physical: bool = False
    cum: int = 0
    resting: bool = False

    @property
    def row(self) -> tuple[int, ...]:
        """What is listed of it (ACC-011)."""
        terms = (self.product, self.scope, self.start, self.hours, self.side, self.limit)
        return self.oid, self.ref, self.lane, *terms, self.leaves, self.cum, self.tag

    @property
    def group(self) -> int:
        """Owner group."""
        return self.account.group

    @property
    def sign(self) -> int:
        """1 for a buy, -1 for a sell: what turns a price into a cost."""
        return 1 if self.side == Side.BUY else -1

    @property
    def event_flags(self) -> int:
        """Side and kind, as events carry them."""
        return EventFlag.BLOCK | (EventFlag.SELL if self.side == Side.SELL else 0)

    def fabrics(self) -> list[int]:
        """Return the fabrics of its scope, lowest first."""
        return [fabric for fabric in range(self.scope.bit_length()) if self.scope >> fabric & 1]

    def windows(self) -> range:
        """Return its windows."""
        return range(self.start, self.start + self.hours)


class OrderSlots:
    """Gives out handles: ``generation << 28 | slot``. Slots come back last-in first-out."""

    def __init__(self, slots_max: int) -> None:
        self.slots_max = slots_max
        self.generations: list[int] = []  # By slot, of the slots used so far.
        self.free: list[int] = []  # The next to be taken is last.

    def is_full(self) -> bool:
        """Whether there is no slot for one more order."""
        return not self.free and len(self.generations) >= self.slots_max

    def take(self) -> int:
        """Take a slot and return the handle."""
        if self.free:
            slot = self.free.pop()
        else:
            slot = len(self.generations)
            self.generations.append(0)
        self.generations[slot] += 1
        return self.generations[slot] << SLOT_BITS | slot

    def release(self, oid: int) -> None:
        """Put the slot of a handle back, unless it has used up its generations: handles never repeat."""
        slot = oid & SLOT_MASK
        if self.generations[slot] < GENERATION_MAX:
            self.free.append(slot)
