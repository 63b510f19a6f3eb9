"""How blocks trade: candidates, execution, waking (BLK-004 to BLK-011)."""

from typing import NamedTuple

from exchange.reasons import DoneReason
from exchange.records import EventFlag, EventType, Side
from exchange.reference import risk
from exchange.reference.accounts import Instrument, Position
from exchange.reference.book import opposite
from exchange.reference.ladder import Rung, is_eligible, rungs, take
from exchange.reference.matching import Matching
from exchange.reference.orders import Block, Order
from exchange.reference.shelf import by_priority
from exchange.reference.state import State
from exchange.units import PRICE_MAX_TICKS


class Candidate(NamedTuple):
    """What a block may trade with in one fabric. ``against`` None: the hourly orders of its legs."""

    fabric: int
    lots: int
    total: int  # Cost of all lots.
    against: Block | None

    def is_better(self, other: "Candidate | None") -> bool:
        """Whether it goes before another one (BLK-006), which is of the same or a lower fabric."""
        if other is None:
            return True
        difference = self.total * other.lots - other.total * self.lots
        if difference:
            return difference < 0
        if (self.against is None) != (other.against is None):
            return self.against is not None
        return self.lots > other.lots


class BlockTrading:
    """The rules of trading blocks, one method each."""

    def __init__(self, state: State, matching: Matching) -> None:
        self.state = state
        self.matching = matching

    # What a block can trade with.

    def legs(self, block: Block, fabric: int) -> list[Instrument]:
        """Return the legs of a block in one fabric."""
        return [self.state.legs[block.product, window, fabric] for window in block.windows()]

    def best_candidate(self, block: Block) -> Candidate | None:
        """Return what the block trades with next, or None (BLK-006)."""
        best: Candidate | None = None
        for fabric in block.fabrics():
            legs = self.legs(block, fabric)
            if not all(leg.is_continuous for leg in legs):
                continue  # Suspended (BLK-012).
            for found in (self.direct(block, fabric), self.through_legs(block, fabric, legs)):
                if found is not None and found.is_better(best):
                    best = found
        return best

    def direct(self, block: Block, fabric: int) -> Candidate | None:
        """Return the best resting block of the other side with the same hours (BLK-005)."""
        for other in self.state.shelf(block.product).blocks(opposite(block.side)):
            same = other.start == block.start and other.hours == block.hours and other.scope >> fabric & 1
            if not same or other.group == block.group:
                continue
            if block.sign * other.limit > block.sign * block.limit:
                return None
            lots = min(block.leaves, other.leaves)
            if lots >= max(block.least, other.least):
                return Candidate(fabric, lots, block.sign * other.limit * lots, other)
        return None

    def through_legs(self, block: Block, fabric: int, legs: list[Instrument]) -> Candidate | None:
        """Return what the hourly orders of one fabric give (BLK-004)."""
        taking = take(self.ladder(block, legs), block.least, block.leaves, block.sign * block.limit)
        return None if taking is None else Candidate(fabric, taking.lots, taking.total, None)

    def ladder(self, block: Block, legs: list[Instrument]) -> list[list[Rung]]:
        """Return the rungs of every leg."""
        return [list(rungs(block, leg, self.state.seq)) for leg in legs]

    # Trading.

    def work(self, block: Block) -> None:
        """Trade a resting block until nothing fills, then those it has partly hit (BLK-009)."""
        hit: dict[int, Block] = {}
        self.exhaust(block, hit)
        self.try_hit(hit)

    def try_hit(self, hit: dict[int, Block]) -> None:
        """Try resting blocks that were partly filled as aggressors, until none is left."""
        while hit:
            following = next(iter(hit.values()))
            del hit[following.oid]
            if following.resting:
                self.exhaust(following, hit)

    def exhaust(self, block: Block, hit: dict[int, Block]) -> None:
        """Trade a block until nothing fills; collect the resting blocks that it partly fills."""
        while block.leaves > 0:
            found = self.best_candidate(block)
            if found is None:
                break
            self.execute(block, found)
            if found.against is not None and found.against.leaves > 0:
                self.note_hit(found.against, hit)
        if block.leaves == 0:
            self.state.forget_block(block)

    def note_hit(self, block: Block, hit: dict[int, Block]) -> None:
        """Remember a resting block that was partly filled."""
        hit.setdefault(block.oid, block)

    def execute(self, block: Block, found: Candidate) -> None:
        """Trade whole: all legs, one match id (BLK-007)."""
        legs = self.legs(block, found.fabric)
        match_id = self.state.take_match_id()
        self._count(block, found)
        if found.against is None:
            for leg in legs:
                self._take_leg(block, leg, found.lots, match_id)
        else:
            self._count(found.against, found)
            self._trade_direct(block, found.against, legs, found.lots, match_id)

    def _count(self, block: Block, found: Candidate) -> None:
        """Take the lots off a block before they are told; pin it to the fabric (BLK-009)."""
        if block.resting:
            self.state.count_block(block, -found.lots)
        block.leaves -= found.lots
        block.cum += found.lots
        self.pin(block, found.fabric)

    def pin(self, block: Block, fabric: int) -> None:
        """Keep a block that has traded in its fabric; its rest is divisible."""
        block.scope = 1 << fabric
        block.least = 1

    def _take_leg(self, block: Block, leg: Instrument, lots: int, match_id: int) -> None:
        position = self._position(block, leg)
        while lots > 0:
            maker = self._next_maker(block, leg)
            filled = min(lots, maker.shown)
            self._exchange(block, position, maker.position, maker.price, filled)
            self.matching.fill(maker, maker.price, filled, leg.maker_fee_ppm, match_id, 0)
            self._fill(block, position, maker.price, filled, leg.taker_fee_ppm, match_id, EventFlag.TAKER)
            self._tell_trade(block, leg, maker.price, filled, match_id)
            self.matching.after_fill(maker, filled)
            lots -= filled

    def _next_maker(self, block: Block, leg: Instrument) -> Order:
        """Return the order that is filled next; own ones in front of it end (BLK-007)."""
        orders = leg.book.orders(opposite(block.side))
        for order in list(orders):
            if order.group == block.group:
                self.prevent(order)
            elif is_eligible(block, order):
                return order
        raise AssertionError("a dry run must be the same as its execution")

    def prevent(self, order: Order) -> None:
        """End an own order that stands in the way of a block."""
        self.state.end(order, DoneReason.STP)

    def _trade_direct(
        self, block: Block, other: Block, legs: list[Instrument], lots: int, match_id: int
    ) -> None:
        for leg, price in zip(legs, leg_prices(legs, other.limit), strict=True):
            made, took = self._position(other, leg), self._position(block, leg)
            self._exchange(block, took, made, price, lots)
            self._fill(other, made, price, lots, leg.maker_fee_ppm, match_id, 0)
            self._fill(block, took, price, lots, leg.taker_fee_ppm, match_id, EventFlag.TAKER)
            self._tell_trade(block, leg, price, lots, match_id)
        if other.leaves == 0:
            self.state.forget_block(other)

    def _position(self, block: Block, leg: Instrument) -> Position:
        return self.state.keep_position(risk.position_of(block.account, leg))

    def _exchange(self, block: Block, took: Position, made: Position, price: int, lots: int) -> None:
        buyer, seller = (took, made) if block.side == Side.BUY else (made, took)
        self.matching.exchange(buyer, seller, price, lots)

    def _fill(
        self, block: Block, position: Position, price: int, lots: int, ppm: int, match_id: int, flags: int
    ) -> None:
        amount = self.matching.charge(position, price, lots, ppm)
        self.state.events.emit(
            EventType.FILL, flags=block.event_flags | flags, lane=block.lane, account=block.account.number,
            instrument=position.instrument.handle, oid=block.oid, ref=block.ref, match_id=match_id, price=price,
            lots=lots, cum=block.cum, leaves=block.leaves, amount=amount,
        )  # fmt: skip

    def _tell_trade(self, block: Block, leg: Instrument, price: int, lots: int, match_id: int) -> None:
        self.state.events.emit(
            EventType.TRADE, instrument=leg.handle, match_id=match_id, price=price, lots=lots, flags=block.event_flags
        )

    # Waking.

    def wake(self, order: Order) -> None:
        """Try the blocks that an order which has come to rest may have made possible (BLK-011)."""
        leg = order.position.instrument
        shelf = self.state.shelf(leg.product)
        found = [
            block
            for block in shelf.covering(opposite(order.side), leg.window, leg.fabric)
            if self.may_wake(block, leg, order)
        ]
        self.try_all(found)

    def may_wake(self, block: Block, leg: Instrument, order: Order) -> bool:
        """Say whether a block passes the exact test of BLK-011. The order rests: the best cost is min(a, p)."""
        legs = self.legs(block, leg.fabric)
        levels = [one.book.best_level(order.side) for one in legs]
        if not all(one.is_continuous for one in legs):
            return False
        bests = [None if level is None else block.sign * level.price for level in levels]
        others = [best for one, best in zip(legs, bests, strict=True) if one is not leg]
        here = next(best for one, best in zip(legs, bests, strict=True) if one is leg)
        if here is None or any(best is None for best in others):
            return False
        left = block.sign * block.limit - sum(best for best in others if best is not None)
        return self.wakes(block.sign * order.price, here, left, block.least)

    def wakes(self, cost: int, best: int, left: int, least: int) -> bool:
        """Whether a new order at ``cost`` may make the first ``least`` lots affordable; ``best`` counts it."""
        return cost + (least - 1) * best <= least * left

    def try_all(self, blocks: list[Block]) -> None:
        """Try resting blocks of one side as aggressors, in order of priority."""
        for block in by_priority(blocks):
            if block.resting:
                self.work(block)

    def recheck(self, product: int) -> None:
        """Try all blocks of a product: a window of it has become CONTINUOUS."""
        for side in Side:
            self.try_all(self.state.shelf(product).blocks(side))


def leg_prices(legs: list[Instrument], total: int) -> list[int]:
    """Return the price of each leg of a direct trade at ``total`` (BLK-008)."""
    marks = [leg.mark for leg in legs]
    references = [mark for mark in marks if mark is not None]
    if len(references) == len(legs):
        prices = spread(references, total)
        if all(0 <= price <= PRICE_MAX_TICKS for price in prices):
            return prices
    return spread([0] * len(legs), total)


def spread(references: list[int], total: int) -> list[int]:
    """Move every reference by the same, so that they sum to ``total``; the first ones take the remainder."""
    share, rest = divmod(total - sum(references), len(references))
    return [reference + share + (index < rest) for index, reference in enumerate(references)]
