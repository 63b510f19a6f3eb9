"""The rules of the window market, each broken in one way. A mutation takes a core and changes it."""

from exchange.reference import ladder, trading_blocks
from exchange.reference.book import opposite
from exchange.reference.uncross import Uncross


def wake_by_the_price_alone(core):
    """The test p <= u, which misses blocks that average over depth."""
    core.blocks.wakes = lambda cost, best, left, least: cost <= left


def keep_the_scope_and_the_minimum(core):
    """No pin after a partial fill."""
    core.blocks.pin = lambda block, fabric: None


def keep_the_scope(core):
    def pin(block, fabric):
        block.least = 1

    core.blocks.pin = pin


def keep_the_minimum(core):
    def pin(block, fabric):
        block.scope = 1 << fabric

    core.blocks.pin = pin


def trade_once(core):
    """The aggressor does not try again after a partial fill."""
    blocks = core.blocks

    def exhaust(block, hit):
        found = blocks.best_candidate(block) if block.leaves > 0 else None
        if found is not None:
            blocks.execute(block, found)
            if found.against is not None and found.against.leaves > 0:
                blocks.note_hit(found.against, hit)
        if block.leaves == 0:
            blocks.state.forget_block(block)

    blocks.exhaust = exhaust


def forget_who_was_hit(core):
    """A partly hit resting block is not tried again."""
    core.blocks.note_hit = lambda block, hit: None


def take_the_last_of_a_level(core):
    """First come first served is broken at the best level of a leg."""
    blocks = core.blocks

    def next_maker(block, leg):
        front = type(blocks)._next_maker(blocks, block, leg)
        level = leg.book.level(front.side, front.price)
        return [order for order in level.queue.values() if ladder.is_eligible(block, order)][-1]

    blocks._next_maker = next_maker


def leave_own_orders_in_front(core):
    """Own orders in front of what a block takes stay."""
    core.blocks.prevent = lambda order: None


def let_blocks_take_own_orders(core):
    """A leg trades with whatever stands there."""
    blocks = core.blocks

    def rungs(block, leg):
        levels = leg.book.levels(opposite(block.side))
        return [(block.sign * level.price, level.total()) for level in levels]

    blocks.ladder = lambda block, legs: [rungs(block, leg) for leg in legs]
    blocks._next_maker = lambda block, leg: next(leg.book.orders(opposite(block.side)))


def let_blocks_meet_own_blocks(core):
    blocks = core.blocks

    def direct(block, fabric):
        group, block.account.group = block.account.group, -1  # Nobody's, as long as it looks.
        found = type(blocks).direct(blocks, block, fabric)
        block.account.group = group
        return found

    blocks.direct = direct


def wake_in_any_order(core):
    """Blocks are tried by handle, not by priority."""

    def try_all(found):
        for block in sorted(found, key=lambda one: -one.oid):
            if block.resting:
                core.blocks.work(block)

    core.blocks.try_all = try_all


def prefer_the_legs(core):
    """At the same cost the hourly orders go before a block."""
    blocks = core.blocks

    def best_candidate(block):
        best = None
        for fabric in block.fabrics():
            legs = blocks.legs(block, fabric)
            if all(leg.is_continuous for leg in legs):
                for found in (blocks.through_legs(block, fabric, legs), blocks.direct(block, fabric)):
                    if found and (best is None or found.total * best.lots < best.total * found.lots):
                        best = found
        return best

    blocks.best_candidate = best_candidate


def take_one_lot_less(core):
    """The marginal rule stops one lot early."""
    blocks = core.blocks

    def through_legs(block, fabric, legs):
        most = max(block.least, block.leaves - 1)
        taking = ladder.take(blocks.ladder(block, legs), block.least, most, block.sign * block.limit)
        return None if taking is None else trading_blocks.Candidate(fabric, taking.lots, taking.total, None)

    blocks.through_legs = through_legs


def average_beyond_the_minimum(core):
    """All lots are measured by their average."""
    blocks = core.blocks

    def through_legs(block, fabric, legs):
        rungs = blocks.ladder(block, legs)
        for lots in range(block.leaves, block.least - 1, -1):
            if all(sum(count for _, count in leg) >= lots for leg in rungs):
                total = sum(ladder.cost_of(leg, lots) for leg in rungs)
                if total <= lots * block.sign * block.limit:
                    return trading_blocks.Candidate(fabric, lots, total, None)
        return None

    blocks.through_legs = through_legs


def uncross_at_the_highest_price(core):
    """Of several prices the highest is taken, whatever the surplus and the reference say."""
    uncross = core.uncross

    def indication(instrument):
        found = Uncross.indication(uncross, instrument)
        if found is None:
            return None
        bids, asks = instrument.book.best(0), instrument.book.best(1)
        for price in range(min(bids, found.price + 50), max(asks, found.price) - 1, -1):
            demand, supply = (
                sum(level.total() for level in instrument.book.levels(side) if reach(level.price, price))
                for side, reach in ((0, int.__ge__), (1, int.__le__))
            )
            if (min(demand, supply), abs(demand - supply)) == (found.volume, abs(found.surplus)):
                return found._replace(price=price, surplus=demand - supply)
        return found

    uncross.indication = indication


def let_blocks_outlive_their_window(core):
    """Neither the closing call nor the gate ends blocks."""
    core.phases._end_blocks = lambda instrument: None


def forget_to_look_again(core):
    """Blocks are not looked at when a window becomes continuous."""
    core.blocks.recheck = lambda product: None


def trade_through_the_call(core):
    """What a call leaves crossed stays crossed."""
    core.uncross.run = lambda instrument: None


def sell_without_capacity(core):
    """Physical blocks are not measured by capacity."""
    entry = core.block_entry

    def risk_refusal(block, *arguments, **more):
        physical, block.physical = block.physical, False
        reason = type(entry)._risk_refusal(entry, block, *arguments, **more)
        block.physical = physical
        return reason

    entry._risk_refusal = risk_refusal


def reserve_nothing(core):
    core.block_entry.reserve = lambda block: 0


def pull_no_quotes(core):
    core.cancelling.pull_quotes = lambda account, quote_set: None


# Those that brute force and the stream of events notice without a second core.
BY_THEMSELVES = [
    wake_by_the_price_alone,
    keep_the_scope_and_the_minimum,
    keep_the_scope,
    trade_once,
    forget_who_was_hit,
    take_the_last_of_a_level,
    leave_own_orders_in_front,
    let_blocks_take_own_orders,
    let_blocks_meet_own_blocks,
    prefer_the_legs,
    take_one_lot_less,
    average_beyond_the_minimum,
    uncross_at_the_highest_price,
    let_blocks_outlive_their_window,
    forget_to_look_again,
    trade_through_the_call,
    sell_without_capacity,
]
ALL = [*BY_THEMSELVES, keep_the_minimum, wake_in_any_order, reserve_nothing, pull_no_quotes]
