"""The end of a call: one price for everybody (docs/spec/auctions.md)."""

from collections.abc import Iterable
from typing import NamedTuple

from exchange.reasons import DoneReason
from exchange.records import EventFlag, EventType, Side
from exchange.reference.accounts import Instrument
from exchange.reference.matching import Matching
from exchange.reference.orders import Order
from exchange.reference.state import State

Curve = Iterable[tuple[int, int]]  # Price and lots.


class Indication(NamedTuple):
    """What an uncross would do: ``surplus`` is bids less asks at its price."""

    price: int
    volume: int
    surplus: int


def indication(bids: list[tuple[int, int]], asks: list[tuple[int, int]], reference: int | None) -> Indication | None:
    """Return price, volume and surplus of the uncross, or None where nothing meets (AUC-001).

    Args:
        bids: price and lots of each level, in any order.
        asks: the same.
        reference: the mark in ticks, or None.

    """
    if not bids or not asks or max(price for price, _ in bids) < min(price for price, _ in asks):
        return None
    low, high = min(price for price, _ in asks), max(price for price, _ in bids)
    # Between two of these prices demand and supply do not change.
    steps = sorted({low, high, *(p for p, _ in asks), *(p for p, _ in bids), *(p + 1 for p, _ in bids)})
    best: tuple[int, int] | None = None
    found: list[tuple[int, int, int]] = []  # First tick, last tick, surplus.
    ticks = [price for price in steps if low <= price <= high]
    for index, price in enumerate(ticks):
        demand = sum(lots for at, lots in bids if at >= price)
        supply = sum(lots for at, lots in asks if at <= price)
        rank = (-min(demand, supply), abs(demand - supply))
        if best is None or rank < best:
            best, found = rank, []
        if rank == best:
            last = ticks[index + 1] - 1 if index + 1 < len(ticks) else high
            found.append((price, last, demand - supply))
    return _choose(found, bids, asks, reference)


def _choose(
    found: list[tuple[int, int, int]], bids: Curve, asks: Curve, reference: int | None
) -> Indication:
    low, high = found[0][0], found[-1][1]
    if all(surplus > 0 for _, _, surplus in found):
        price = high
    elif all(surplus < 0 for _, _, surplus in found):
        price = low
    else:
        price = min(max((low + high) // 2 if reference is None else reference, low), high)
    demand = sum(lots for at, lots in bids if at >= price)
    supply = sum(lots for at, lots in asks if at <= price)
    return Indication(price, min(demand, supply), demand - supply)


class Uncross:
    """Carries uncrosses out."""

    def __init__(self, state: State, matching: Matching) -> None:
        self.state = state
        self.matching = matching

    def indication(self, instrument: Instrument) -> Indication | None:
        """Return what an uncross would do now."""
        bids, asks = (
            [(level.price, level.total()) for level in instrument.book.levels(side)] for side in (Side.BUY, Side.SELL)
        )
        return indication(bids, asks, instrument.mark)

    def run(self, instrument: Instrument) -> None:
        """Trade until the book is not crossed (AUC-002), then end what was for the call only (AUC-006)."""
        while (found := self.indication(instrument)) is not None:
            while self._meet(instrument, found.price):
                pass
        for side in (Side.BUY, Side.SELL):
            for order in list(instrument.book.orders(side)):
                if order.auction_only:
                    self.state.end(order, DoneReason.AUCTION)

    def _meet(self, instrument: Instrument, price: int) -> bool:
        """Let the best bid and the best ask meet; False when they do not reach the price."""
        bids, asks = instrument.book.best_level(Side.BUY), instrument.book.best_level(Side.SELL)
        if bids is None or asks is None or bids.price < price or asks.price > price:
            return False
        bid, ask = bids.front(), asks.front()
        if self.matching.is_own(bid, ask):
            self._decrement(bid, ask)
        elif self._may_fill(bid) and self._may_fill(ask):
            self._trade(instrument, bid, ask, price)
        return True

    def _may_fill(self, order: Order) -> bool:
        return not order.reduce_only or self.matching.clip_reduce_only(order)

    def _decrement(self, bid: Order, ask: Order) -> None:
        """Both lose the smaller of their leaves (AUC-004)."""
        lots = min(bid.leaves, ask.leaves)
        for order in (bid, ask):
            if order.leaves > lots:
                self.state.shrink(order, order.leaves - lots)
                self.state.tell_replaced(order)
            else:
                self.state.end(order, DoneReason.STP)

    def _trade(self, instrument: Instrument, bid: Order, ask: Order, price: int) -> None:
        lots = min(bid.shown, ask.shown)
        match_id = self.state.take_match_id()
        self.matching.exchange(bid.position, ask.position, price, lots)
        for order in (bid, ask):
            self.matching.fill(order, price, lots, instrument.maker_fee_ppm, match_id, EventFlag.CALL)
        self.state.events.emit(
            EventType.TRADE, instrument=instrument.handle, match_id=match_id, price=price, lots=lots,
            flags=EventFlag.CALL,
        )  # fmt: skip
        for order in (bid, ask):
            self.matching.after_fill(order, lots)
