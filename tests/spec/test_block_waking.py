"""Resting blocks: reserve, waking, suspension, end (BLK-010 to BLK-013)."""

import pytest
from block_market import at, example, market, offer, traded
from venue import NUMBER, WINDOW, Venue, moment_ns

from exchange import commands
from exchange.units import AMOUNT_MAX, LOTS_MAX, MONEY_MAX

# Margin.


def margined(core, **terms):
    """Marks 100, 110, 120; rates 5 long, 7 short in f1 and double in f2; bob has what a test pays in."""
    venue = market(core, lot_scu=2, tick_micros=3, **terms)
    for hour, mark in enumerate((100, 110, 120)):
        venue.run(commands.set_mark("P", WINDOW + hour, px=mark))
        for fabric, factor in (("f1", 1), ("f2", 2)):
            venue.run(
                commands.set_rates("P", WINDOW + hour, long_micros=5 * factor, short_micros=7 * factor, fabric=fabric)
            )
    return venue


@pytest.mark.parametrize(("side", "limit", "scope", "reserve"), [
    (0, 330, 1, 15), (0, 300, 1, 15), (0, 340, 1, 15 + 60), (0, 340, 2, 30 + 60), (0, 340, 3, 30 + 60),
    (1, 330, 1, 21), (1, 400, 1, 21), (1, 320, 1, 21 + 60), (1, 0, 2, 42 + 6 * 330),
])  # fmt: skip
def test_reserve_of_a_block_blk_010(core, side, limit, scope, reserve):
    venue = margined(core)
    venue.deposit("bob", 4 * reserve - 1)
    assert venue.block("bob", side, 4, limit, scope=scope) == ["reject bob #1 MARGIN"]
    venue.deposit("bob", 1)
    assert venue.block("bob", side, 4, limit, scope=scope)[0].startswith("ack")
    assert venue.core.requirement_sum(NUMBER["bob"]) == 4 * reserve
    venue.replace("bob", "o0", 3, limit)
    assert venue.core.requirement_sum(NUMBER["bob"]) == 3 * reserve
    venue.cancel("bob", "o0")
    assert venue.core.requirement_sum(NUMBER["bob"]) == 0


def test_reserve_without_marks_blk_010(core):
    venue = market(core, lot_scu=2, tick_micros=3)
    venue.mark(100, start=WINDOW + 1)
    venue.deposit("bob", 10_000)
    venue.block("bob", 0, 1, 340)  # A buy: the limit against the marks there are.
    assert venue.core.requirement_sum(2) == 6 * 240
    venue.cancel("bob", "o0")
    venue.block("bob", 1, 1, 340)  # A sell: the sum of the marks there are.
    assert venue.core.requirement_sum(2) == 6 * 100


def test_dearest_fabric_of_the_scope_counts_blk_010(core):
    venue = market(core)
    venue.run(commands.set_mark("P", WINDOW, px=100, count=3, fabric="f1"))
    venue.run(commands.set_mark("P", WINDOW, px=90, count=3, fabric="f2"))
    venue.deposit("bob", 1_000)
    venue.block("bob", 0, 2, 310, scope=3)
    assert venue.core.requirement_sum(2) == 2 * 40


def test_reserve_of_a_lot_is_capped_blk_010(core):
    venue = market(core)
    for hour in range(3):
        venue.run(commands.set_rates("P", WINDOW + hour, long_micros=AMOUNT_MAX, short_micros=AMOUNT_MAX))
    assert venue.block("bob", 0, 1, 310) == ["reject bob #1 MARGIN"]
    assert MONEY_MAX > 3 * AMOUNT_MAX  # Three hours do not reach the cap; 168 with the largest H do not either.
    venue = Venue(core(), count=168, lot_scu=1 << 20, tick_micros=1 << 20)
    venue.run(commands.set_mark("P", WINDOW, px=1 << 30, count=168))
    assert venue.block("bob", 1, 1, 0, hours=168)[0].startswith("ack")
    assert venue.core.requirement_sum(2) == MONEY_MAX


def test_reserve_is_not_checked_without_margin_and_rates_blk_010(core):
    venue = market(core)
    venue.mark(1)
    assert venue.block("bob", 0, 5, 900)[0].startswith("ack")
    assert venue.core.requirement_sum(2) == 5 * 899  # It is counted all the same.
    venue.deposit("bob", 1)
    assert venue.block("bob", 0, 5, 900) == ["reject bob #2 MARGIN"]
    assert venue.block("cat", 0, 5, 900)[0].startswith("ack")
    venue.run(commands.set_rates("P", WINDOW + 2, long_micros=1, short_micros=0, fabric="f2"))
    assert venue.block("cat", 0, 5, 900)[0].startswith("ack")
    assert venue.block("cat", 0, 5, 900, scope=3) == ["reject cat #3 MARGIN"]


def test_reserve_stays_as_it_was_at_the_entry_blk_010(core):
    venue = margined(core)
    venue.deposit("bob", 10_000)
    venue.block("bob", 0, 4, 340)
    venue.run(commands.set_mark("P", WINDOW, px=1, count=3), commands.set_rates("P", WINDOW, long_micros=900,
                                                                                short_micros=900))  # fmt: skip
    assert venue.core.requirement_sum(2) == 4 * 75


def test_reserve_is_released_as_the_block_fills_blk_010(core):
    venue = margined(core)
    venue.deposit("bob", 4 * 75)
    venue.deposit("ann", 1 << 40)
    venue.block("bob", 0, 4, 340)
    offer(venue, [(1, 100)], [(1, 110)], [(1, 120)])
    assert venue.position("bob")[0] == 1
    assert venue.core.requirement_sum(2) == 3 * 75 + 15


def test_woken_block_trades_without_free_money_blk_010(core):
    venue = margined(core)
    venue.deposit("bob", 4 * 75)
    venue.deposit("ann", 1 << 40)
    venue.block("bob", 0, 4, 340)
    assert venue.do(commands.withdraw(2, 1)) == ["reject bob BALANCE"]
    offer(venue, [(4, 110)], [(4, 110)], [(4, 120)])
    assert venue.position("bob")[0] == 4


def test_reserve_is_for_other_orders_to_respect_blk_010(core):
    venue = margined(core)
    venue.deposit("bob", 4 * 75 + 4)
    venue.block("bob", 0, 4, 340)
    assert venue.buy("bob", 1, 100) == ["reject bob #2 MARGIN"]
    venue.deposit("bob", 1)
    assert venue.buy("bob", 1, 100)[0].startswith("ack")


def test_open_lots_of_blocks_count_for_the_position_limit_everywhere_blk_010(core):
    venue = market(core)
    venue.block("bob", 0, LOTS_MAX, 3, hours=2)
    assert venue.block("bob", 0, LOTS_MAX, 3, hours=2) == ["reject bob #2 POSITION_LIMIT"]
    assert venue.block("bob", 0, LOTS_MAX - 1, 3, hours=2, hour=1)[0].startswith("ack")
    assert venue.buy("bob", 1, 3, instrument=at(0, 1)) == ["reject bob i2 #4 POSITION_LIMIT"]
    venue.cancel("bob", "o1")
    assert venue.buy("bob", LOTS_MAX - 1, 3, instrument=at(0, 1))[0].startswith("ack")
    assert venue.block("bob", 0, 1, 3, hours=2)[0].startswith("ack")  # That order is in another fabric.
    assert venue.block("bob", 0, 1, 3, hours=2, scope=2) == ["reject bob #8 POSITION_LIMIT"]


def test_position_and_orders_of_a_leg_count_for_a_block_blk_010(core):
    venue = market(core)
    venue.sell("ann", LOTS_MAX, 1, instrument=at(1))
    venue.buy("bob", LOTS_MAX, 1, instrument=at(1))
    venue.buy("bob", LOTS_MAX - 5, 1, instrument=at(1))
    assert venue.block("bob", 0, 5, 3) == ["reject bob #3 POSITION_LIMIT"]
    assert venue.block("bob", 0, 4, 3) == ["ack bob #4 o0.2 block buy 4@3 f1 +3h leaves=4"]
    assert venue.replace("bob", "o0.2", 5, 3) == ["reject bob #5 POSITION_LIMIT"]
    assert venue.replace("bob", "o0.2", 4, 4)[0] == "ack bob #6 o0.2"
    assert venue.quote("bob", (at(1), 1, 1, 9, 0))[1] == "reject bob i3 quote POSITION_LIMIT buy 0@1"
    assert venue.replace("bob", "o1.2", LOTS_MAX - 4, 1) == ["reject bob #8 POSITION_LIMIT"]
    venue.cancel("bob", "o0.2")
    assert venue.replace("bob", "o1.2", LOTS_MAX - 1, 1)[0] == "ack bob #10 o1.2"


# Waking.


def test_example_3_new_ask_that_does_not_suffice_wakes_in_vain_blk_011(core):
    venue = example(core)
    venue.block("bob", 0, 8, 600, min_lots=8)
    assert venue.sell("cat", 4, 206, instrument=at(1)) == ["ack cat i3 #1 o6 sell 4@206 leaves=4"]


def test_example_3b_new_ask_wakes_the_block_blk_011(core):
    venue = example(core)
    venue.block("bob", 0, 8, 600, min_lots=8)
    venue.sell("cat", 4, 206, instrument=at(1))
    assert venue.sell("dan", 8, 185, instrument=at(2)) == [
        "ack dan i5 #1 o7 sell 8@185 leaves=8",
        "fill ann #1 o0 sell 8@200 cum=8 m1",
        "fill bob #1 o5 taker block buy 8@200 cum=8 m1",
        "trade block buy 8@200 m1",
        "fill cat i3 #1 o6 sell 4@206 cum=4 m1",
        "fill bob i3 #1 o5 taker block buy 4@206 cum=8 m1",
        "trade i3 block buy 4@206 m1",
        "fill ann i3 #3 o2 sell 4@210 cum=4 leaves=12 m1",
        "fill bob i3 #1 o5 taker block buy 4@210 cum=8 m1",
        "trade i3 block buy 4@210 m1",
        "fill dan i5 #1 o7 sell 8@185 cum=8 m1",
        "fill bob i5 #1 o5 taker block buy 8@185 cum=8 m1",
        "trade i5 block buy 8@185 m1",
    ]


def test_new_order_dearer_than_the_best_may_wake_by_the_average_blk_011(core):
    """Two lots at 294: 588 less 190 and 200 leaves 198 for the first leg. Of one lot alone, 294 - 195 = 99 is left."""
    venue = market(core)
    offer(venue, [(1, 90)], [(2, 95)], [(2, 100)])
    venue.block("bob", 0, 2, 294, min_lots=2)
    assert traded(venue.sell("cat", 1, 109)) == []
    assert traded(venue.sell("dan", 1, 108)) == [
        "block buy 1@90", "block buy 1@108", "i3 block buy 2@95", "i5 block buy 2@100",
    ]  # fmt: skip


def test_new_order_is_matched_with_hourly_orders_first_blk_011(core):
    venue = market(core)
    offer(venue, [], [(5, 100)], [(5, 100)])
    venue.block("bob", 0, 5, 300)
    venue.buy("cat", 2, 99)
    assert traded(venue.sell("dan", 5, 99)) == [
        "sell 2@99", "block buy 3@99", "i3 block buy 3@100", "i5 block buy 3@100",
    ]  # fmt: skip


def test_replace_and_quote_wake_too_blk_011(core):
    venue = market(core)
    offer(venue, [(5, 101)], [(5, 100)], [(9, 100)])
    venue.block("bob", 0, 2, 300)
    assert traded(venue.replace("ann", "o0", 5, 100))[0] == "block buy 2@100"
    venue.block("bob", 0, 2, 297)
    assert traded(venue.quote("cat", (at(0), 90, 1, 97, 9))) == [
        "block buy 2@97", "i3 block buy 2@100", "i5 block buy 2@100",
    ]  # fmt: skip
    assert venue.position("bob")[0] == 4


def test_bid_of_a_quote_wakes_before_its_ask_is_placed_blk_011(core):
    venue = market(core)
    offer(venue, [], [(1, 100)], [(1, 100)], side=0)
    venue.block("bob", 1, 1, 300)
    events = venue.quote("cat", (at(0), 100, 1, 110, 1))
    assert [event.split()[0] for event in events] == ["ack", "ack", *["fill", "fill", "trade"] * 3, "ack"]


def test_bids_wake_sell_blocks_blk_011(core):
    venue = market(core)
    offer(venue, [], [(5, 100)], [(5, 100)], side=0)
    venue.block("bob", 1, 5, 300)
    assert traded(venue.buy("cat", 3, 101)) == ["block sell 3@101", "i3 block sell 3@100", "i5 block sell 3@100"]


def test_shrinks_cancels_and_fills_wake_nothing_blk_011(core):
    venue = market(core)
    offer(venue, *[[(5, 100)]] * 3)
    venue.block("bob", 0, 5, 299)
    assert traded(venue.replace("ann", "o0", 4, 100)) == []
    assert traded(venue.cancel("ann", "o1")) == []
    venue.block("cat", 1, 8, 500, min_lots=8)
    venue.block("dan", 0, 4, 600)
    assert traded(venue.replace("cat", "o1.2", 4, 500)) == []  # It fits now; a reduction is no reason to look.


def test_blocks_are_tried_by_limit_an_hour_then_sequence_blk_011(core):
    venue = market(core)
    offer(venue, [], [(9, 90)], [(9, 90)])
    venue.block("ann2", 0, 1, 301)  # Owner of the asks: tried in vain.
    venue.block("bob", 0, 1, 200, hours=2)
    venue.block("cat", 0, 1, 302)
    venue.block("dan", 0, 1, 200, hours=2)
    venue.block("bob", 0, 1, 201, hours=2)
    venue.block("cat", 0, 1, 303)
    events = [event for event in venue.sell("ann", 9, 100) if event.startswith("fill") and "taker" in event]
    order = list(
        dict.fromkeys(event.split()[1] + next(word for word in event.split() if word[0] == "#") for event in events)
    )
    assert order == ["cat#2", "cat#1", "bob#2", "bob#1", "dan#1"]


def test_sells_with_the_lower_limit_an_hour_go_first_blk_011(core):
    venue = market(core)
    offer(venue, [], [(9, 90)], [(9, 90)], side=0)
    venue.block("bob", 1, 1, 181, hours=2)
    venue.block("cat", 1, 1, 270)
    venue.block("dan", 1, 1, 180, hours=2)
    events = [event for event in venue.buy("ann", 9, 100) if event.startswith("fill") and "taker" in event]
    assert list(dict.fromkeys(event.split()[1] for event in events)) == ["cat", "dan", "bob"]


def test_whole_of_the_new_order_may_go_to_several_blocks_blk_011(core):
    venue = market(core)
    offer(venue, [], [(9, 100)], [(9, 100)])
    venue.block("bob", 0, 2, 301)
    venue.block("cat", 0, 2, 302)
    assert traded(venue.sell("dan", 3, 100)) == [
        "block buy 2@100", "i3 block buy 2@100", "i5 block buy 2@100",
        "block buy 1@100", "i3 block buy 1@100", "i5 block buy 1@100",
    ]  # fmt: skip


def test_blocks_in_other_fabrics_and_windows_sleep_on_blk_011(core):
    venue = market(core, count=4)
    offer(venue, [], *[[(9, 100)]] * 3)
    venue.block("bob", 0, 2, 900, scope=2)
    venue.block("cat", 0, 2, 200, hour=1)
    assert traded(venue.sell("dan", 3, 100)) == []


# Suspension and end.


def test_example_10_block_is_suspended_while_a_leg_is_halted_blk_012(core):
    venue = market(core)
    offer(venue, [(8, 200)], [(8, 200)], [(4, 200)])
    venue.block("bob", 0, 8, 600, min_lots=8)
    venue.halt(1)
    assert traded(venue.sell("cat", 4, 190, instrument=at(2))) == []
    venue.resume(1)
    assert traded(venue.sell("cat", 4, 189, instrument=at(2))) == []
    events = venue.time(-8_880)
    assert events[0] == "status i3 CONTINUOUS next=S+2700s"
    assert [event for event in events if event.startswith("trade")][-1] == "trade i5 block buy 4@190 m1"
    assert venue.position("bob")[0] == 8


def test_suspended_block_keeps_its_sequence_blk_012(core):
    venue = market(core)
    venue.block("bob", 0, 1, 300)
    venue.halt(1)
    venue.block("cat", 0, 1, 300)
    venue.resume(1)
    offer(venue, [(1, 100)], [], [(1, 100)])
    venue.sell("ann", 1, 100, instrument=at(1))
    venue.time(-8_880)
    assert (venue.position("bob")[0], venue.position("cat")[0]) == (1, 0)


def test_other_fabric_of_the_scope_goes_on_blk_012(core):
    venue = market(core)
    venue.halt(1, fabric="f1")
    venue.block("bob", 0, 4, 900, scope=3)
    offer(venue, *[[(4, 100)]] * 3)
    assert venue.position("bob")[0] == 0
    offer(venue, *[[(4, 200)]] * 3, fabric=1)
    assert venue.position("bob", at(0, 1))[0] == 4


def test_direct_trade_is_suspended_too_blk_012(core):
    venue = market(core)
    venue.block("ann", 1, 4, 300)
    venue.halt(2)
    assert len(venue.block("bob", 0, 4, 300)) == 1
    venue.resume(2)
    events = venue.time(-8_880)
    assert traded(events) == ["block buy 4@100", "i3 block buy 4@100", "i5 block buy 4@100"]


def test_example_8_block_ends_with_its_first_window_blk_013(core):
    venue = market(core, preclose_s=300)
    venue.block("bob", 0, 8, 600)
    venue.block("cat", 1, 8, 900)
    venue.block("dan", 0, 8, 400, hour=1, hours=2)
    venue.block("bob", 0, 8, 601, scope=3)
    venue.buy("ann", 1, 5)
    assert venue.time(-1_200) == [
        "done bob #1 o0 block GATE buy 8@600 f1 +3h",
        "done cat #1 o1 block GATE sell 8@900 f1 +3h",
        "done bob #2 o3 block GATE buy 8@601 f1,f2 +3h",
        "status PRECLOSE next=S-900s",
        "status i2 PRECLOSE next=S-900s",
        "indicative 0@0",
        "indicative i2 0@0",
    ]


def test_without_closing_call_blocks_end_at_the_gate_blk_013(core):
    venue = market(core)
    venue.block("bob", 0, 8, 600)
    assert venue.time(-900)[0] == "done bob #1 o0 block GATE buy 8@600 f1 +3h"


def test_replaced_block_ends_in_the_order_of_its_new_sequence_blk_013(core):
    venue = market(core)
    venue.block("bob", 0, 8, 600)
    venue.block("cat", 0, 8, 600)
    venue.replace("bob", "o0", 9, 600)
    assert [event.split()[1] for event in venue.time(-900)[:2]] == ["cat", "bob"]


def test_gtd_block_expires_blk_013(core):
    venue = market(core)
    venue.block("bob", 0, 8, 600, tif=3, expiry_ns=moment_ns(-8_000))
    venue.buy("ann", 1, 5, tif=3, expiry_ns=moment_ns(-8_000))
    venue.block("cat", 0, 8, 600, tif=3, expiry_ns=moment_ns(-8_001))
    venue.block("dan", 0, 8, 600, tif=3, expiry_ns=moment_ns(-8_000))
    venue.replace("bob", "o0", 3, 601)  # It keeps its expiry and its turn.
    assert venue.time(-8_001, ns=-1) == []
    assert venue.time(-8_000) == [
        "done cat #1 o2 block EXPIRED buy 8@600 f1 +3h",
        "done bob #1 o0 block EXPIRED buy 3@601 f1 +3h",
        "done ann #1 o1 EXPIRED buy 1@5",
        "done dan #1 o3 block EXPIRED buy 8@600 f1 +3h",
    ]
