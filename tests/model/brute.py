"""What blocks and calls should do, lot by lot and tick by tick: slow, plain, and independent of the engine's own ways."""

from fractions import Fraction
from typing import NamedTuple

from exchange.records import Phase


class Deal(NamedTuple):
    """What a block should trade with next. ``against`` is the handle of a block, 0: hourly orders."""

    fabric: int
    lots: int
    total: int
    against: int


def sign(block):
    return 1 if block.side == 0 else -1


def within_band(leg, price, seq):
    """MKT-011, written out."""
    reference = leg.dynamic_reference(seq)
    if leg.band_dynamic_bps == 0 or reference is None:
        return True
    return abs(price - reference) <= reference * leg.band_dynamic_bps // 10_000


def resting(leg, side):
    """Every resting order of a side, best price first, then first come."""
    levels = sorted(leg.book.sides[side].values(), key=lambda level: level.price if side else -level.price)
    return [order for level in levels for order in level.queue.values()]


def lot_costs(block, leg, seq):
    """The cost of each single lot that the block may take in a leg, cheapest first, up to the dynamic band."""
    costs = []
    for order in resting(leg, 1 - block.side):
        if not within_band(leg, order.price, seq):
            break  # Whether too dear or too cheap: what is behind it would be traded through it.
        if order.position.account.group != block.account.group and not order.reduce_only:
            costs += [sign(block) * order.price] * order.leaves
    return costs


def legs_of(state, block, fabric):
    return [state.legs[block.product, window, fabric] for window in range(block.start, block.start + block.hours)]


def trades(legs):
    return all(leg.phase == Phase.CONTINUOUS for leg in legs)


def through_legs(state, block, fabric):
    """How many lots of every leg the block takes, and their cost; (0, 0): none (BLK-004)."""
    legs = legs_of(state, block, fabric)
    if not trades(legs):
        return 0, 0
    costs = [lot_costs(block, leg, state.seq) for leg in legs]
    limit = sign(block) * block.limit
    lots = block.least
    if min(len(one) for one in costs) < lots or sum(sum(one[:lots]) for one in costs) > lots * limit:
        return 0, 0
    while lots < min(block.leaves, *(len(one) for one in costs)) and sum(one[lots] for one in costs) <= limit:
        lots += 1
    return lots, sum(sum(one[:lots]) for one in costs)


def direct(state, block, fabric):
    """The blocks it could trade with in a fabric, best first, each with the lots (BLK-005)."""
    if not trades(legs_of(state, block, fabric)):
        return []
    found = [
        (sign(block) * other.limit, other.sequence, other, min(block.leaves, other.leaves))
        for other in state.blocks.values()
        if other.side != block.side
        and other.product == block.product
        and (other.start, other.hours) == (block.start, block.hours)
        and other.scope >> fabric & 1
        and other.account.group != block.account.group
        and sign(block) * other.limit <= sign(block) * block.limit
        and min(block.leaves, other.leaves) >= max(block.least, other.least)
    ]
    return [(other, lots) for _, _, other, lots in sorted(found, key=lambda one: one[:2])]


def best_deal(state, block):
    """What the block should trade with next, or None (BLK-006)."""
    deals = []
    for fabric in range(64):
        if not block.scope >> fabric & 1:
            continue
        for other, lots in direct(state, block, fabric)[:1]:
            deals.append((Fraction(sign(block) * other.limit), 0, -lots, fabric, other.oid))
        lots, total = through_legs(state, block, fabric)
        if lots:
            deals.append((Fraction(total, lots), 1, -lots, fabric, 0))
    if not deals:
        return None
    unit, _, lots, fabric, against = min(deals)
    return Deal(fabric, -lots, int(unit * -lots), against)


def planned_fills(block, leg, lots):
    """Which orders a block fills in a leg, and which own ones end on the way (BLK-007, MAT-008)."""
    fills, ended = [], []
    queue = [[order.oid, order.price, order.shown, order.leaves, order.display, order.position.account.group]
             for order in resting(leg, 1 - block.side) if not order.reduce_only or
             order.position.account.group == block.account.group]  # fmt: skip
    while lots:
        oid, price, shown, leaves, display, group = one = queue.pop(0)
        if group == block.account.group:
            ended.append(oid)
            continue
        count = min(lots, shown)
        lots -= count
        fills.append((oid, price, count))
        one[2], one[3] = shown - count, leaves - count
        if one[3] and one[2]:
            queue.insert(0, one)
        elif one[3]:  # The next part is shown at the back of its price.
            one[2] = min(display, one[3])
            behind = [index for index, other in enumerate(queue) if other[1] == price]
            queue.insert(behind[-1] + 1 if behind else 0, one)
    return fills, ended


def uncross_price(bids, asks, reference):
    """Price, volume and surplus of an uncross, every tick tried (AUC-001); None where nothing meets."""
    if not bids or not asks:
        return None
    low, high = min(price for price, _ in asks), max(price for price, _ in bids)
    if low > high:
        return None
    ticks = []
    for tick in range(low, high + 1):
        demand = sum(lots for price, lots in bids if price >= tick)
        supply = sum(lots for price, lots in asks if price <= tick)
        ticks.append((tick, min(demand, supply), demand - supply))
    most = max(volume for _, volume, _ in ticks)
    ticks = [one for one in ticks if one[1] == most]
    least = min(abs(surplus) for _, _, surplus in ticks)
    ticks = [one for one in ticks if abs(one[2]) == least]
    if all(surplus > 0 for _, _, surplus in ticks):
        return ticks[-1]
    if all(surplus < 0 for _, _, surplus in ticks):
        return ticks[0]
    wanted = (ticks[0][0] + ticks[-1][0]) // 2 if reference is None else reference
    return min(ticks, key=lambda one: abs(one[0] - wanted))
