"""Accounts, instruments, positions, and the one place where money moves."""

from dataclasses import dataclass, field

from exchange.records import CALLS, Phase, Side
from exchange.reference.book import Book
from exchange.reference.orders import Block, Order
from exchange.units import BPS


@dataclass(slots=True, eq=False)
class Account:
    """One account. ``requirement`` is the sum over its positions and resting blocks, and its add-on."""

    number: int
    group: int
    margined: bool
    balance: int = 0  # Micro-dollars.
    requirement: int = 0
    open_orders: int = 0
    positions: dict[int, "Position"] = field(default_factory=dict)  # By instrument, in order of first use.
    blocks: dict[int, Block] = field(default_factory=dict)  # Resting ones by handle, in order of entry.
    block_lots: int = 0  # Their leaves.
    prepaid: bool = False  # Pays in full and is never short (RSK-009).
    addon: int = 0  # Counted in `requirement` (RSK-007).
    credit: int = 0  # Void with the next fill (RSK-008).
    keep: int = 0  # What a withdrawal leaves of the balance (ACC-007).

    @property
    def free(self) -> int:
        """What new risk may use, in micro-dollars (RSK-003, RSK-008)."""
        return self.balance - self.requirement + self.credit

    @property
    def withdrawable(self) -> int:
        """What may be paid out, in micro-dollars (ACC-007)."""
        return min(self.free, self.balance - self.keep)


@dataclass(slots=True, eq=False)
class Instrument:
    """One order book with its contract and its margin parameters."""

    handle: int
    product: int
    fabric: int
    window: int
    lot_micros: int  # H of the rules: micro-dollars of one tick on one lot.
    maker_fee_ppm: int
    taker_fee_ppm: int
    volatility_call_ns: int
    band_static_bps: int
    band_dynamic_bps: int
    phase: int
    moments: list[tuple[int, int]]  # Still to come: time and phase (MKT-001).
    resume_ns: int = 0  # When a volatility call ends; 0: there is none.
    balancing: bool = False  # Standby sells may rest.
    last: int | None = None  # Price of the last trade.
    traded_seq: int = 0  # The command of that trade.
    reference_before: int | None = None  # Of the dynamic band, as it was before that command.
    mark: int | None = None  # Ticks.
    long_micros: int = 0  # Per lot.
    short_micros: int = 0
    book: Book = field(default_factory=Book)
    positions: list["Position"] = field(default_factory=list)

    @property
    def in_call(self) -> bool:
        """Whether orders only rest, for an uncross."""
        return self.phase in CALLS

    @property
    def is_continuous(self) -> bool:
        """Whether orders trade as they come."""
        return self.phase == Phase.CONTINUOUS

    @property
    def next_ns(self) -> int:
        """The next moment of the schedule or the end of a volatility call; 0 where there is none."""
        coming = [ns for ns in (self.moments[0][0] if self.moments else 0, self.resume_ns) if ns]
        return min(coming, default=0)

    def outside_static_band(self, price: int) -> bool:
        """Whether an order at this price is refused (MKT-010)."""
        return is_outside(price, self.mark, self.band_static_bps)

    def dynamic_reference(self, seq: int) -> int | None:
        """Return the reference of the dynamic band for a command: its own trades do not move it (MKT-011)."""
        if self.traded_seq == seq:
            return self.reference_before
        return self.mark if self.last is None else self.last

    def note_trade(self, price: int, seq: int) -> None:
        """Remember the price of a trade, which gives the mark where there is none (ACC-003)."""
        if self.traded_seq != seq:
            self.reference_before = self.dynamic_reference(seq)
            self.traded_seq = seq
        if self.mark is None:
            self.mark = price
        self.last = price

    def outside_dynamic_band(self, price: int, reference: int | None) -> bool:
        """Whether a trade at this price is not to be executed (MKT-011)."""
        return is_outside(price, reference, self.band_dynamic_bps)


def is_outside(price: int, reference: int | None, bps: int) -> bool:
    """Whether a price is farther from a reference than a band allows; no band where either is missing."""
    return bps > 0 and reference is not None and abs(price - reference) > reference * bps // BPS


@dataclass(slots=True, eq=False)
class Position:
    """One account in one instrument (RSK-001)."""

    account: Account
    instrument: Instrument
    lots: int = 0
    open_lots: list[int] = field(default_factory=lambda: [0, 0])  # By side: leaves of resting orders.
    requirement: int = 0  # As last evaluated.
    orders: dict[int, Order] = field(default_factory=dict)  # By handle, in order of entry.
    certified: int = 0  # Lots of capacity (MKT-020).
    block_sell: int = 0  # Leaves of resting sell blocks with a leg here.

    def reducible(self, side: int) -> int:
        """Return the lots an order of ``side`` can trade before the position is flat."""
        return max(0, -self.lots if side == Side.BUY else self.lots)

    def long_rate(self) -> int:
        """Return what one lot held long requires, in micro-dollars (RSK-002, RSK-009)."""
        instrument = self.instrument
        if not self.account.prepaid:
            return instrument.long_micros
        return max(instrument.long_micros, (instrument.mark or 0) * instrument.lot_micros)

    def may_become_short(self, lots: int) -> bool:
        """Whether ``lots`` sold on top of all that is offered could be more than is held (RSK-009)."""
        return self.open_lots[Side.SELL] + self.block_sell + lots > self.lots

    def committed(self) -> int:
        """Return the lots of capacity that are sold or offered (MKT-021)."""
        return max(0, -self.lots) + self.open_lots[Side.SELL] + self.block_sell


def pay(payer: Account, payee: Account, amount: int) -> None:
    """Move money; a negative amount flows the other way."""
    payer.balance -= amount
    payee.balance += amount


def fee(value: int, ppm: int) -> int:
    """Return the fee on a value in micro-dollars, rounded up: against the payer (FEE-001)."""
    return -(-value * ppm // 1_000_000)
