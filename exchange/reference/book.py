"""One order book: two sides of price levels, each level a queue."""

from collections.abc import Iterator

from sortedcontainers import SortedDict

from exchange.records import Side
from exchange.reference.orders import Order


class Level:
    """The orders at one price, first come first served."""

    def __init__(self, price: int) -> None:
        self.price = price
        self.queue: dict[int, Order] = {}  # By handle; the order of entry is the queue.

    def shown(self) -> int:
        """Lots the market sees."""
        return sum(order.shown for order in self.queue.values())

    def total(self) -> int:
        """Lots of all orders, hidden ones included."""
        return sum(order.leaves for order in self.queue.values())

    def front(self) -> Order:
        """Return the order to be filled next."""
        return next(iter(self.queue.values()))

    def append(self, order: Order) -> None:
        """Put an order at the back of the queue."""
        self.queue[order.oid] = order

    def remove(self, order: Order) -> None:
        """Take an order out of the queue."""
        del self.queue[order.oid]


class Book:
    """Levels sorted best first: asks by price, bids by its negative."""

    def __init__(self) -> None:
        self.sides: tuple[SortedDict, SortedDict] = (SortedDict(), SortedDict())

    def level(self, side: int, price: int) -> Level | None:
        """Return the level of a price, or None."""
        level: Level | None = self.sides[side].get(_rank(side, price))
        return level

    def levels(self, side: int) -> Iterator[Level]:
        """Yield the levels of a side, best to worst."""
        yield from self.sides[side].values()

    def orders(self, side: int) -> Iterator[Order]:
        """Yield the orders of a side, best level first, each level in its order."""
        for level in self.levels(side):
            yield from level.queue.values()

    def best_level(self, side: int) -> Level | None:
        """Return the best level of a side, or None when it is empty."""
        level: Level | None = self.sides[side].peekitem(0)[1] if self.sides[side] else None
        return level

    def best(self, side: int) -> int | None:
        """Return the best price of a side in ticks, or None."""
        level = self.best_level(side)
        return None if level is None else level.price

    def would_take(self, side: int, price: int) -> bool:
        """Whether an order of ``side`` at ``price`` reaches the best opposite price."""
        best = self.best(opposite(side))
        return best is not None and reaches(side, price, best)

    def add(self, order: Order) -> None:
        """Put an order at the back of its price."""
        levels = self.sides[order.side]
        rank = _rank(order.side, order.price)
        if rank not in levels:
            levels[rank] = Level(order.price)
        levels[rank].append(order)

    def remove(self, order: Order) -> None:
        """Take an order out; a price without orders goes."""
        levels = self.sides[order.side]
        rank = _rank(order.side, order.price)
        levels[rank].remove(order)
        if not levels[rank].queue:
            del levels[rank]


def opposite(side: int) -> int:
    """Return the other side."""
    return Side.SELL if side == Side.BUY else Side.BUY


def reaches(side: int, limit: int, price: int) -> bool:
    """Whether an order of ``side`` with this limit may trade at ``price``."""
    return limit >= price if side == Side.BUY else limit <= price


def _rank(side: int, price: int) -> int:
    return -price if side == Side.BUY else price
