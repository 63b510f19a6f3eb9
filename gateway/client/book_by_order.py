"""A copy of one instrument's visible book, order by order: who stands before whom, and how much is ahead of one."""

from collections.abc import Iterator
from typing import NamedTuple

from sortedcontainers import SortedDict

from exchange.records import Side
from gateway.client.events import OrdersChanged, OrdersSnapshot
from gateway.client.in_step import InStep
from gateway.client.instruments import InstrumentInfo

ADD, CHANGE, DELETE, EXEC = range(4)


class SeenOrder(NamedTuple):
    """An order as everyone sees it. `order` is the gseq of its owner's ack; `lots` what it shows."""

    order: int
    side: Side
    ticks: int
    lots: int


class BookByOrder(InStep[OrdersChanged]):
    """The orders of one instrument. Until `is_current`, and after a gap until it is mended, not to be trusted."""

    def __init__(self, instrument: InstrumentInfo) -> None:
        super().__init__()
        self.instrument = instrument
        self.untold = 0  # Orders further away that the snapshot did not have.
        # By eagerness (negative ticks of bids), then in the order in which they trade.
        self._sides: tuple[SortedDict[int, dict[int, SeenOrder]], ...] = (SortedDict(), SortedDict())
        self._ticks: dict[tuple[int, int], int] = {}  # By order and side.
        self._parts: list[OrdersSnapshot] = []

    def bids(self) -> list[SeenOrder]:
        """Return the buy orders as they would trade. O(n)."""
        return list(self._in_order(Side.BUY))

    def asks(self) -> list[SeenOrder]:
        """Return the sell orders as they would trade. O(n)."""
        return list(self._in_order(Side.SELL))

    def find(self, order: int, side: int) -> SeenOrder | None:
        """Return an order by its number, or None where it shows nothing. O(1)."""
        ticks = self._ticks.get((order, side))
        return None if ticks is None else self._sides[side][_rank(side, ticks)][order]

    def ahead_of(self, order: int, side: int) -> int | None:
        """Return the lots that are shown before an order at its price, or None where it shows nothing itself.

        O(orders at the price).
        """
        found = self.find(order, side)
        if found is None:
            return None
        lots = 0
        for number, other in self._sides[side][_rank(side, found.ticks)].items():
            if number == order:
                break
            lots += other.lots
        return lots

    # What is told.

    def load(self, snapshot: OrdersSnapshot) -> None:
        """Take a part of a snapshot; with the last one begin anew, then do what was held back for it."""
        if self._parts and self._parts[-1].seq != snapshot.seq:
            self._parts.clear()
        self._parts.append(snapshot)
        if snapshot.more:
            return
        parts, self._parts = self._parts, []
        for side in self._sides:
            side.clear()
        self._ticks.clear()
        for part in parts:
            for order, side_number, ticks, lots in part.orders:
                self._add(order, side_number, ticks, lots)
        self.untold = snapshot.untold
        self._begin(snapshot.seq, snapshot.ts)

    def invalidate(self) -> None:
        """Forget that it was in step: a snapshot will come, and what follows it."""
        super().invalidate()
        self._parts.clear()

    def _first(self, message: OrdersChanged) -> int:
        return message.seq

    def _do(self, message: OrdersChanged) -> None:
        for change in message.changes:
            self._apply(*change)

    def _apply(self, op: int, order: int, side: int, ticks: int, lots: int) -> None:
        if op == ADD:
            self._add(order, side, ticks, lots)
            return
        found = self.find(order, side)
        if found is None:
            return  # One of the `untold`.
        left = {CHANGE: lots, DELETE: 0, EXEC: found.lots - lots}.get(op, found.lots)
        if left > 0:
            self._sides[side][_rank(side, found.ticks)][order] = found._replace(lots=left)
        else:
            self._drop(found)

    def _add(self, order: int, side: int, ticks: int, lots: int) -> None:
        level = self._sides[side].setdefault(_rank(side, ticks), {})
        level[order] = SeenOrder(order, Side(side), ticks, lots)
        self._ticks[order, side] = ticks

    def _drop(self, found: SeenOrder) -> None:
        levels, rank = self._sides[found.side], _rank(found.side, found.ticks)
        del levels[rank][found.order]
        if not levels[rank]:
            del levels[rank]
        del self._ticks[found.order, int(found.side)]

    def _in_order(self, side: int) -> Iterator[SeenOrder]:
        for level in self._sides[side].values():
            yield from level.values()


def _rank(side: int, ticks: int) -> int:
    return ticks if side else -ticks
