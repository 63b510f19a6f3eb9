"""Accounts, instruments, positions, and the one place where money moves."""

from dataclasses import dataclass, field

from exchange.records import Side
from exchange.reference.book import Book
from exchange.reference.orders import Order


@dataclass(slots=True, eq=False)
class Account:
    """One account. ``requirement`` is the sum over its positions."""

    number: int
    group: int
    margined: bool
    balance: int = 0  # Micro-dollars.
    requirement: int = 0
    open_orders: int = 0
    positions: dict[int, "Position"] = field(default_factory=dict)  # By instrument, in order of first use.

    @property
    def free(self) -> int:
        """What new risk and withdrawals may use, in micro-dollars."""
        return self.balance - self.requirement


@dataclass(slots=True, eq=False)
class Instrument:
    """One order book with its contract and its margin parameters."""

    handle: int
    product: int
    window: int
    lot_micros: int  # H of the rules: micro-dollars of one tick on one lot.
    maker_fee_ppm: int
    taker_fee_ppm: int
    gate_ns: int
    open: bool = True
    mark: int | None = None  # Ticks.
    long_micros: int = 0  # Per lot.
    short_micros: int = 0
    book: Book = field(default_factory=Book)
    positions: list["Position"] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Position:
    """One account in one instrument (RSK-001)."""

    account: Account
    instrument: Instrument
    lots: int = 0
    open_lots: list[int] = field(default_factory=lambda: [0, 0])  # By side: leaves of resting orders.
    requirement: int = 0  # As last evaluated.
    orders: dict[int, Order] = field(default_factory=dict)  # By handle, in order of entry.

    def reducible(self, side: int) -> int:
        """Return the lots an order of ``side`` can trade before the position is flat."""
        return max(0, -self.lots if side == Side.BUY else self.lots)


def pay(payer: Account, payee: Account, amount: int) -> None:
    """Move money; a negative amount flows the other way."""
    payer.balance -= amount
    payee.balance += amount


def fee(value: int, ppm: int) -> int:
    """Return the fee on a value in micro-dollars, rounded up: against the payer (FEE-001)."""
    return -(-value * ppm // 1_000_000)
