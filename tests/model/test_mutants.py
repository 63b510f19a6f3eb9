"""The comparison of the twins has teeth: a reference with one rule broken is told from a sound core."""

import pytest
from flow import Flow
from twin import TINY, Twins, TwinsDiffer, run_flow

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
