"""Buying for others: shorts at the gate, and the clearinghouse's BALANCE orders (MKT-021, MKT-031)."""

from collections.abc import Iterable, Iterator
from typing import Protocol

from exchange.records import EventType
from exchange.units import BPS, LOTS_MAX

Sell = tuple[int, int, int, int, bool]  # oid, price, leaves, account, physical


class Market(Protocol):
    """What is needed of a core."""

    def mark(self, handle: int) -> int | None:
        """Return the mark in ticks, or None."""

    def group(self, account: int) -> int:
        """Return the owner group of an account."""

    def holdings(self, handle: int) -> list[tuple[int, int, int]]:
        """Return (account, lots, certified) of every position, in order of creation."""

    def sells(self, handle: int) -> list[Sell]:
        """Return the resting sells, best first."""

    def take(self, oid: int, lots: int, account: int, fee_ppm: int) -> int:
        """Buy of a resting sell what it shows, at most; return the lots."""

    def emit(
        self, type: int, *, account: int = 0, instrument: int = 0, lots: int = 0, leaves: int = 0
    ) -> None:
        """Add an event."""


def buy_in_shorts(core: Market, handle: int, buyin_bps: int, fee_ppm: int, passed_over: int = 0) -> None:
    """Buy physical sells for every account that is short of more than its capacity, and tell it (MKT-021).

    But for one account: the clearinghouse has covered its shorts before.
    """
    mark = core.mark(handle)
    most = None if mark is None else mark + mark * buyin_bps // BPS
    for account, lots, certified in core.holdings(handle):
        short = max(0, -lots - certified)
        if short and account != passed_over:
            left = buy(core, account, short, physical_sells(core, handle, account, most), fee_ppm)
            core.emit(
                EventType.BOUGHT_IN, account=account, instrument=handle, lots=min(short - left, LOTS_MAX),
                leaves=min(left, LOTS_MAX),
            )  # fmt: skip


def physical_sells(core: Market, handle: int, account: int, most: int | None) -> Iterator[Sell]:
    """Yield, again and again, the best physical sell of another owner within the price."""
    while True:
        found = next(
            (
                sell
                for sell in core.sells(handle)
                if sell[4] and core.group(sell[3]) != core.group(account) and (most is None or sell[1] <= most)
            ),
            None,
        )
        if found is None:
            return
        yield found


def buy(core: Market, account: int, lots: int, sells: Iterable[Sell], fee_ppm: int) -> int:
    """Buy of sells, one after another, until the lots are had; return what is lacking."""
    for oid, *_ in sells:
        lots -= core.take(oid, lots, account, fee_ppm)
        if lots == 0:
            break
    return lots


def standby_sells(core: Market, fabric: int, others: Iterable[int], px: int, excluded: set[int]) -> Iterator[Sell]:
    """Yield, again and again, the standby sell that BALANCE buys next: of the fabric itself, then of the others.

    Args:
        core: where they rest.
        fabric: handle of the instrument itself.
        others: handles of the product's other fabrics in that window, in the product's order.
        px: the most that is paid, ticks.
        excluded: owner groups that are passed over.

    """
    others = list(others)
    while True:
        here = _best([fabric], core, px, excluded)
        found = here if here is not None else _best(others, core, px, excluded)
        if found is None:
            return
        yield found


def _best(handles: list[int], core: Market, px: int, excluded: set[int]) -> Sell | None:
    firsts = (
        next((sell for sell in core.sells(handle) if sell[1] <= px and core.group(sell[3]) not in excluded), None)
        for handle in handles
    )
    return min((sell for sell in firsts if sell is not None), key=lambda sell: sell[1], default=None)
