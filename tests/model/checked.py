"""A reference core that looks at itself: every choice and every trade of a block, every wake, every uncross.

What it does is the reference's; what it is compared with is brute force (`brute`). A mutation of the core that the
comparison catches is one that no second core is needed for.
"""

import brute
import numpy as np

from exchange.reasons import DoneReason
from exchange.records import EVENT, EventFlag, EventType, Phase
from exchange.reference import ReferenceCore
from exchange.reference.block_entry import BlockEntry
from exchange.reference.trading_blocks import BlockTrading
from exchange.reference.uncross import Uncross


TICKS_MAX = 2_000  # Farther crossed books are left to the twins.


def named(block):
    """A block in short; its repr would be that of the whole venue."""
    side = "sell" if block.side else "buy"
    return (
        f"{side} {block.leaves}@{block.limit} (at least {block.least}) of {block.account.number}, product "
        f"{block.product}, scope {block.scope:b}, {block.start} + {block.hours}"
    )


class CheckedTrading(BlockTrading):
    """Compares what blocks do with brute force."""

    def __init__(self, state, matching):
        super().__init__(state, matching)
        self.shrunk = {}  # Blocks whose minimum a shrink has lowered: nothing has looked at them since (BLK-011).

    def is_settled(self, block):
        """Whether nothing but a new order or block can make it trade: no band is in the way, no shrink came late."""
        legs = [leg for fabric in block.fabrics() for leg in self.legs(block, fabric)]
        return block.oid not in self.shrunk and not any(leg.band_dynamic_bps for leg in legs)

    def best_candidate(self, block):
        """BLK-004 to BLK-006."""
        found = super().best_candidate(block)
        told = None if found is None else (found.fabric, found.lots, found.total, found.against)
        if told is not None:
            told = (*told[:3], told[3].oid if told[3] else 0)
        assert told == brute.best_deal(self.state, block), f"{named(block)} should trade otherwise than {told}"
        return found

    def execute(self, block, found):
        """BLK-007: the dry run is what is done; k legs of equal quantity, one match id, best orders first."""
        legs = self.legs(block, found.fabric)
        least, leaves, cum, oid = block.least, block.leaves, block.cum, block.oid
        assert found.lots >= least
        limit = found.against.limit if found.against else None
        plans = [brute.planned_fills(block, leg, found.lots) for leg in legs] if found.against is None else []
        records = self.state.events.records
        before = len(records)
        super().execute(block, found)
        events = np.frombuffer(b"".join(records[before:]), EVENT)
        match_ids = events["match_id"][events["match_id"] != 0]
        assert (match_ids == match_ids[0]).all()
        own = events[(events["type"] == EventType.FILL) & (events["oid"] == oid)]
        assert {(int(one["cum"]), int(one["leaves"])) for one in own} == {(cum + found.lots, leaves - found.lots)}
        total = 0
        for index, leg in enumerate(legs):
            here = events[events["instrument"] == leg.handle]
            fills = here[(here["type"] == EventType.FILL) & (here["oid"] != oid)]
            total += sum(int(fill["price"]) * int(fill["lots"]) for fill in fills)
            assert sum(int(fill["lots"]) for fill in fills) == found.lots
            if plans:
                told = [(int(fill["oid"]), int(fill["price"]), int(fill["lots"])) for fill in fills]
                assert told == plans[index][0], f"{told} should be {plans[index][0]}"
                ended = here[(here["type"] == EventType.DONE) & (here["reason"] == DoneReason.STP)]
                assert [int(one["oid"]) for one in ended] == plans[index][1]
        assert total == brute.sign(block) * found.total
        assert limit is None or total == limit * found.lots
        assert block.side or total <= block.limit * found.lots
        assert not block.side or total >= block.limit * found.lots

    def pin(self, block, fabric):
        """A block that has traded has been looked at."""
        super().pin(block, fabric)
        self.shrunk.pop(block.oid, None)

    def wake(self, order):
        """BLK-011: whatever became possible through the order is woken."""
        leg = order.position.instrument
        for block in self.state.blocks.values():
            covers = block.product == leg.product and leg.window in block.windows() and block.scope >> leg.fabric & 1
            if block.side != order.side and covers and self.is_settled(block):
                lots, _ = brute.through_legs(self.state, block, leg.fabric)
                assert not lots or self.may_wake(block, leg, order), f"{named(block)} should have been woken by {order.price}"
        super().wake(order)


class CheckedEntry(BlockEntry):
    """Remembers which blocks a shrink has made easier to fill."""

    def replace(self, command, block):
        least = block.least
        super().replace(command, block)
        if block.sequence == self.state.seq:
            self.trading.shrunk.pop(block.oid, None)
        elif block.resting and block.least < least:
            self.trading.shrunk[block.oid] = block


class CheckedUncross(Uncross):
    """Compares prices and volumes of uncrosses with every tick tried."""

    def indication(self, instrument):
        found = super().indication(instrument)
        bids, asks = ([(one.price, one.leaves) for one in brute.resting(instrument, side)] for side in (0, 1))
        if bids and asks and bids[0][0] - asks[0][0] > TICKS_MAX:
            return found
        wanted = brute.uncross_price(bids, asks, instrument.mark)
        assert (None if found is None else tuple(found)) == wanted, f"{found} should be {wanted}"
        return found

    def run(self, instrument):
        records = self.state.events.records
        before, found = len(records), self.indication(instrument)
        limits = {order.oid: order.price for side in (0, 1) for order in brute.resting(instrument, side)}
        bids, asks = (brute.resting(instrument, side) for side in (0, 1))
        may_end = any(order.reduce_only for order in (*bids, *asks)) or (  # Then less trades than was found.
            {order.group for order in bids} & {order.group for order in asks}
        )
        super().run(instrument)
        fills = np.frombuffer(b"".join(records[before:]), EVENT)
        fills = fills[fills["type"] == EventType.FILL]
        for fill in fills:
            beyond = limits[int(fill["oid"])] - int(fill["price"])
            assert (beyond <= 0) if fill["flags"] & EventFlag.SELL else (beyond >= 0)
        volume = int(fills["lots"].sum()) // 2
        assert may_end or volume == (0 if found is None else found.volume)
        assert may_end or all(int(fill["price"]) == found.price for fill in fills)
        bid, ask = instrument.book.best(0), instrument.book.best(1)
        assert bid is None or ask is None or bid < ask


def checked_core(**limits):
    """Return a reference core with the checks in place."""
    core = ReferenceCore(**limits)
    core.blocks = CheckedTrading(core.state, core.matching)
    core.block_entry = CheckedEntry(core.state, core.blocks, core.entry)
    core.matching.wake = lambda order: core.blocks.wake(order)
    core.uncross = core.phases.uncross = CheckedUncross(core.state, core.matching)
    return core


def check_blocks(core):
    """Assert what must hold of blocks and windows between two commands. The core is a checked one."""
    state = core.state
    unsettled = dict.fromkeys(leg.product for leg in state.legs.values() if leg.band_dynamic_bps)
    for block in state.blocks.values():
        check_block(core, block)
        if not core.blocks.is_settled(block):
            unsettled[block.product] = True
    for instrument in state.instruments:
        check_phase(instrument)
    check_second_look(core, [product for product in sorted(state.shelves) if product not in unsettled])


def check_block(core, block):
    """It is whole, belongs where it is, and nothing is in reach of it (BLK-011, BLK-013)."""
    state, trading = core.state, core.blocks
    assert 1 <= block.least <= block.leaves
    assert block.scope
    assert block.cum == 0 or block.scope & (block.scope - 1) == 0
    first = legs_phases(state, block)[0]
    assert first in (Phase.CONTINUOUS, Phase.OPEN, Phase.VOLATILITY, Phase.HALTED), f"{named(block)} should have ended"
    if not trading.is_settled(block):
        return
    for fabric in block.fabrics():
        assert brute.through_legs(state, block, fabric) == (0, 0), f"{named(block)} could trade in fabric {fabric}"
        others = [other for other, _ in brute.direct(state, block, fabric) if trading.is_settled(other)]
        assert not others, f"{named(block)} could trade with {[named(other) for other in others]}"


def legs_phases(state, block):
    """The worst phase of each window of a block, over its fabrics; the numbers of the wire are no order of time."""
    fabrics = [fabric for fabric in range(64) if block.scope >> fabric & 1]
    return [state.legs[block.product, block.start, fabrics[0]].phase]


def check_phase(instrument):
    """Books rest where they may, and cross where they may."""
    orders = [order for side in (0, 1) for order in brute.resting(instrument, side)]
    bid, ask = instrument.book.best(0), instrument.book.best(1)
    if instrument.phase == Phase.CONTINUOUS:
        assert bid is None or ask is None or bid < ask
        assert not any(order.auction_only for order in orders)
    if instrument.phase in (Phase.LISTED, Phase.GATED, Phase.SETTLED, Phase.EXPIRED):
        assert not orders
    if instrument.phase in (Phase.BALANCING, Phase.DELIVERING):
        assert not orders or instrument.balancing
        assert all(order.side == 1 and order.physical for order in orders)
    moments = [ns for ns, _ in instrument.moments]
    assert moments == sorted(moments)


def check_second_look(core, products):
    """Looking at every block once more changes nothing (BLK-011)."""
    before, events = core.dump(), len(core.state.events.records)
    for product in products:
        core.blocks.recheck(product)
    assert len(core.state.events.records) == events
    assert core.dump() == before


def check_providers(core, providers):
    """Accounts that sell nothing but physical and standby lots keep to their capacity (MKT-021)."""
    for number in providers:
        for position in core.state.accounts[number].positions.values():
            blocks = [one for one in position.account.blocks.values() if one.side == 1 and covers(one, position)]
            offered = position.open_lots[1] + sum(block.leaves for block in blocks)
            sold = max(0, -position.lots)
            assert not offered or sold + offered <= position.certified


def covers(block, position):
    leg = position.instrument
    same = block.product == leg.product and block.scope >> leg.fabric & 1
    return bool(same) and block.start <= leg.window < block.start + block.hours
