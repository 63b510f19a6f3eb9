"""What a block could get from the hourly books: a dry run that touches nothing (BLK-004)."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from exchange.reference.accounts import Instrument
from exchange.reference.book import opposite
from exchange.reference.orders import Block, Order

Rung = tuple[int, int]  # Cost of a lot, and lots at that cost.


class Taking(NamedTuple):
    """``lots`` of every leg at a ``total`` cost."""

    lots: int
    total: int


def is_eligible(block: Block, order: Order) -> bool:
    """Whether a block may take lots of an order."""
    return order.group != block.group and not order.reduce_only


def rungs(block: Block, leg: Instrument, seq: int) -> Iterator[Rung]:
    """Yield cost and lots of what a block may take in one leg, cheapest first; ``seq`` is that of the command."""
    reference = leg.dynamic_reference(seq)
    for level in leg.book.levels(opposite(block.side)):
        if leg.outside_dynamic_band(level.price, reference):
            return
        lots = sum(order.leaves for order in level.queue.values() if is_eligible(block, order))
        if lots:
            yield block.sign * level.price, lots


def take(legs: Sequence[Sequence[Rung]], least: int, most: int, limit: int) -> Taking | None:
    """Return how much of every leg a block takes, or None where it takes nothing.

    Args:
        legs: of each leg its rungs, cheapest first.
        least: lots that must be had at ``limit`` a lot on average.
        most: lots that are wanted.
        limit: the highest cost of a lot over all legs.

    """
    if any(sum(lots for _, lots in leg) < least for leg in legs):
        return None
    total = sum(cost_of(leg, least) for leg in legs)
    if total > least * limit:
        return None
    lots = least
    while lots < most:
        following = [rung_behind(leg, lots) for leg in legs]
        unit = sum(cost for cost, _ in following)
        step = min(most - lots, *(left for _, left in following))
        if step == 0 or unit > limit:
            break
        lots += step
        total += step * unit
    return Taking(lots, total)


def cost_of(leg: Sequence[Rung], wanted: int) -> int:
    """Return the cost of the first ``wanted`` lots of a leg that has them."""
    cost = 0
    for unit, lots in leg:
        cost += unit * min(lots, wanted)
        wanted -= min(lots, wanted)
    return cost


def rung_behind(leg: Sequence[Rung], taken: int) -> Rung:
    """Return the rung that the lot behind ``taken`` ones stands on, with what is left of it; 0 lots: there is none."""
    for unit, lots in leg:
        if taken < lots:
            return unit, lots - taken
        taken -= lots
    return 0, 0
