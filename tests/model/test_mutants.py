"""The comparison of the twins has teeth: a reference with one rule broken is told from a sound core."""

import market_mutants
import pytest
from flow import Flow
from market_flow import MarketFlow
from twin import TINY, Twins, TwinsDiffer, run_flow
from watched import ROOMY, Watched

from exchange import commands
from exchange.reference import ReferenceCore

LIMITS = [{"orders_max": 1 << 16}, TINY]


def break_fifo(core):
    """The last order of a price is filled first."""

    def next_maker(taker):
        front = type(core.matching).next_maker(core.matching, taker)
        return front and list(front.position.instrument.book.level(front.side, front.price).queue.values())[-1]

    core.matching.next_maker = next_maker


def trade_at_the_takers_price(core):
    core.matching.trade_price = lambda maker, taker: taker.price


def lose_priority_by_shrinking(core):
    def shrink(order, leaves):
        type(core.state).shrink(core.state, order, leaves)
        level = order.position.instrument.book.level(order.side, order.price)
        level.remove(order)
        level.append(order)

    core.state.shrink = shrink


def round_fees_down(core):
    core.matching.fee = lambda value, ppm: value * ppm // 1_000_000


def keep_counters_on_cancel(core):
    def leave_book(order):
        type(core.state).leave_book(core.state, order)
        order.position.open_lots[order.side] += order.leaves

    core.state.leave_book = leave_book


def refresh_icebergs_in_place(core):
    def refresh(maker):
        maker.shown = min(maker.display, maker.leaves)

    core.matching.refresh = refresh


def count_own_orders_for_fok(core):
    def fillable_lots(instrument, group, side, price, stp):
        return type(core.matching).fillable_lots(core.matching, instrument, -1, side, price, stp)

    core.matching.fillable_lots = fillable_lots


def let_own_orders_trade(core):
    core.matching.is_own = lambda taker, maker: False


def fill_reduce_only_orders_whole(core):
    core.matching.clip_reduce_only = lambda maker: True


def forget_to_evaluate(core):
    core.state.touch = lambda position: None


def give_slots_out_first_in_first_out(core):
    slots = core.state.slots

    def release(oid):
        type(slots).release(slots, oid)
        slots.free.insert(0, slots.free.pop())

    slots.release = release


def take_every_ref_for_new(core):
    answers = core.state.answers

    def admit(command):
        answers._consume(command)
        return True

    answers.admit = admit


def forget_the_first_touch_of_levels(core):
    """Levels are published in order of the last touch."""
    events = core.state.events

    def touch_level(order):
        instrument = order.position.instrument
        events.touched_levels.pop((instrument.handle, order.side, order.price), None)
        events.touched_levels[instrument.handle, order.side, order.price] = instrument

    events.touch_level = touch_level


def mass_cancel_by_entry_alone(core):
    """Orders go by entry, whatever the instrument."""

    def orders_of(account, wanted):
        found = type(core.cancelling).orders_of(core.cancelling, account, wanted)
        return sorted(found, key=lambda order: order.placed_seq)

    core.cancelling.orders_of = orders_of


def skip_the_margin_check(core):
    core.entry.risk_refusal = lambda *arguments: None


MUTANTS = [
    break_fifo,
    trade_at_the_takers_price,
    lose_priority_by_shrinking,
    round_fees_down,
    keep_counters_on_cancel,
    refresh_icebergs_in_place,
    count_own_orders_for_fok,
    let_own_orders_trade,
    fill_reduce_only_orders_whole,
    forget_to_evaluate,
    give_slots_out_first_in_first_out,
    take_every_ref_for_new,
    forget_the_first_touch_of_levels,
    mass_cancel_by_entry_alone,
    skip_the_margin_check,
]


@pytest.fixture(scope="module")
def sound_core():
    """The compiled core where it is built, else the reference as it is."""
    try:
        from ext.core import Core
    except ImportError:
        return ReferenceCore
    return Core


def compare(sound_core, mutate):
    """Run flows through a mutated reference and a sound core."""
    for seed in (1, 2, 3):
        for limits in LIMITS:
            plain = ReferenceCore(**limits)
            mutate(plain)
            run_flow(Twins(plain, sound_core(**limits)), Flow(seed), batches=60, count=25)


def test_sound_reference_does_not_differ(sound_core):
    compare(sound_core, lambda core: None)


@pytest.mark.parametrize("mutate", MUTANTS, ids=lambda mutate: mutate.__name__)
def test_mutant_is_noticed(sound_core, mutate):
    with pytest.raises(TwinsDiffer):
        compare(sound_core, mutate)


# The window market.


def blocks_flow(seed):
    """Blocks and hourly orders, many to a window, on all products; calls, halts and capacity now and then."""
    flow = MarketFlow(seed, margined=seed % 2 == 1)
    flow.weights = [
        (flow.place, 30), (flow.block, 30), (flow.meet, 10), (flow.quote, 6), (flow.replace_block, 5),
        (flow.physical, 4), (flow.physical_block, 5), (flow.certify, 3), (flow.halt, 1), (flow.resume, 2),
        (flow.auction, 3), (flow.mark, 2), (flow.protect, 1), (flow.cancel, 2), (flow.time, 5), (flow.roll, 1),
    ]  # fmt: skip
    return flow


class DenseFlow(MarketFlow):
    """Blocks over the same two hours of one fabric, most of them with a minimum."""

    def __init__(self, seed):
        super().__init__(seed, margined=False, products=(1,))
        self.weights = [(self.block, 30), (self.cancel_block, 5), (self.time, 1), (self.roll, 1)]

    def span(self, product):
        return self.hour() + 2, 2

    def scope(self, product, hours, side):
        return 1

    def times(self):
        return {"tif": self.random.choice((0, 0, 0, 1))}

    def limit(self, hours, side):
        return 203 + self.random.randint(-3, 3)


class DeepFlow(DenseFlow):
    """Hourly orders of one side, dear and cheap ones, and blocks of the other side that want many lots of them."""

    def __init__(self, seed):
        super().__init__(seed)
        self.side = seed % 2
        self.weights = [(self.hourly, 20), (self.block, 10), (self.cancel, 3), (self.cancel_block, 2), (self.time, 1),
                        (self.roll, 1)]  # fmt: skip

    def hourly(self):
        account, ref, lane = self.who()
        handle = self.legs[1, self.hour() + self.random.choice((2, 3)), 0]
        price = 102 + self.random.randint(-6, 6)
        return commands.place(account, ref, handle, self.side, price, self.random.choice((1, 1, 2, 3)), lane=lane)

    def block(self):
        account, ref, lane = self.who()
        start, hours = self.span(1)
        lots = self.random.choice((2, 3, 5, 8))
        better = -4 if self.side else 4  # Than the orders that stand there.
        return commands.block(
            account, ref, 1, 1, start, hours, 1 - self.side, 204 + better + self.random.randint(-4, 4), lots,
            min_lots=self.random.choice((lots, lots, 1)), lane=lane,
        )  # fmt: skip


FLOWS = [blocks_flow, DenseFlow, DeepFlow]


def compare_market(sound_core, mutate):
    """Run the market through a mutated reference and a sound core."""
    for seed in range(8):
        for make in FLOWS:
            plain = ReferenceCore(**ROOMY)
            mutate(plain)
            run_flow(Twins(plain, sound_core(**ROOMY)), make(seed), batches=60, count=25)


def watch_market(mutate):
    """Run the market through a mutated reference alone, looking at everything."""
    for seed in range(6):
        for make in FLOWS:
            Watched(mutate=mutate).run(make(seed), batches=400, count=1)


def test_sound_market_does_not_differ(sound_core):
    compare_market(sound_core, lambda core: None)
    for make in FLOWS:
        Watched().run(make(0), batches=400, count=1)


@pytest.mark.parametrize("mutate", market_mutants.ALL, ids=lambda mutate: mutate.__name__)
def test_market_mutant_is_noticed_by_the_twins(sound_core, mutate):
    with pytest.raises((TwinsDiffer, AssertionError)):
        compare_market(sound_core, mutate)


@pytest.mark.parametrize("mutate", market_mutants.BY_THEMSELVES, ids=lambda mutate: mutate.__name__)
def test_market_mutant_is_noticed_without_a_twin(mutate):
    with pytest.raises(AssertionError):
        watch_market(mutate)
