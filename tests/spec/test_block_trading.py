"""What a block trades with, and how (BLK-004 to BLK-009)."""

import pytest
from block_market import at, example, market, of_block, offer, traded
from venue import WINDOW, oid_of

from exchange.records import EventFlag, EventType
from exchange.units import PRICE_MAX_TICKS

# The legs.


def test_example_1_average_rule_blk_004(core):
    venue = example(core)
    assert venue.block("bob", 0, 8, 620, min_lots=8) == [
        "ack bob #1 o5 block buy 8@620 f1 +3h leaves=8",
        "fill ann #1 o0 sell 8@200 cum=8 m1",
        "fill bob #1 o5 taker block buy 8@200 cum=8 m1",
        "trade block buy 8@200 m1",
        "fill ann i3 #3 o2 sell 8@210 cum=8 leaves=8 m1",
        "fill bob i3 #1 o5 taker block buy 8@210 cum=8 m1",
        "trade i3 block buy 8@210 m1",
        "fill ann i5 #4 o3 sell 4@190 cum=4 m1",
        "fill bob i5 #1 o5 taker block buy 4@190 cum=8 m1",
        "trade i5 block buy 4@190 m1",
        "fill ann i5 #5 o4 sell 4@220 cum=4 leaves=12 m1",
        "fill bob i5 #1 o5 taker block buy 4@220 cum=8 m1",
        "trade i5 block buy 4@220 m1",
    ]


def test_example_2_marginal_rule_blk_004(core):
    venue = example(core)
    assert of_block(venue.block("bob", 0, 8, 620)) == [
        "ack bob #1 o5 block buy 8@620 f1 +3h leaves=8",
        "fill bob #1 o5 taker block buy 4@200 cum=4 leaves=4 m1",
        "fill bob i3 #1 o5 taker block buy 4@210 cum=4 leaves=4 m1",
        "fill bob i5 #1 o5 taker block buy 4@190 cum=4 leaves=4 m1",
    ]
    assert venue.cancel("bob", "o5")[1] == "done bob #1 o5 block USER buy 4@620 f1 +3h cum=4"


@pytest.mark.parametrize(("limit", "least", "lots"), [
    (599, 1, 0), (600, 1, 4), (614, 8, 0), (615, 8, 8), (629, 1, 4), (630, 1, 8), (630, 5, 8), (634, 1, 8), (635, 1, 9),
    (606, 5, 5), (605, 5, 0),
])  # fmt: skip
def test_first_lots_on_average_the_others_each_blk_004(core, limit, least, lots):
    venue = example(core)
    venue.block("bob", 0, 9, limit, min_lots=least, tif=1)
    assert venue.position("bob")[0] == lots


def test_every_leg_needs_the_minimum_blk_004(core):
    venue = market(core)
    offer(venue, [(9, 1)], [(3, 1)], [(9, 1)])
    assert len(venue.block("bob", 0, 9, 900, min_lots=4)) == 1
    assert traded(venue.block("cat", 0, 9, 900, min_lots=3)) == [
        "block buy 3@1", "i3 block buy 3@1", "i5 block buy 3@1",
    ]  # fmt: skip


def test_sell_block_takes_bids_from_the_highest_blk_004(core):
    venue = market(core)
    offer(venue, [(4, 100), (4, 90)], [(8, 100)], [(8, 100)], side=0)
    assert traded(venue.block("bob", 1, 8, 295, min_lots=8)) == [
        "block sell 4@100", "block sell 4@90", "i3 block sell 8@100", "i5 block sell 8@100",
    ]  # fmt: skip


def test_sell_block_has_its_marginal_rule_blk_004(core):
    venue = market(core)
    offer(venue, [(4, 100), (4, 90)], [(8, 100)], [(8, 100)], side=0)
    assert venue.block("bob", 1, 8, 295)[0] == "ack bob #1 o4 block sell 8@295 f1 +3h leaves=8"
    assert venue.position("bob")[0] == -4


def test_hidden_lots_count_and_are_taken_part_by_part_blk_004(core):
    venue = market(core)
    venue.sell("ann", 5, 100, display=2)
    venue.sell("cat", 1, 100)
    offer(venue, [], [(6, 100)], [(6, 100)])
    assert traded(venue.block("bob", 0, 6, 300, min_lots=6))[:4] == [
        "block buy 2@100", "block buy 1@100", "block buy 2@100", "block buy 1@100",
    ]  # fmt: skip


def test_reduce_only_orders_are_stepped_over_blk_004(core):
    venue = market(core)
    venue.sell("cat", 5, 100)
    venue.buy("ann", 5, 100)
    venue.sell("ann", 5, 100, flags=2)
    offer(venue, [(2, 101)], [(5, 100)], [(5, 100)], name="dan")
    assert of_block(venue.block("bob", 0, 5, 301))[1] == "fill bob #1 o4 taker block buy 2@101 cum=2 leaves=3 m2"
    assert venue.book()[1] == [(100, 5, 1)]


def test_owner_groups_orders_do_not_count_blk_004(core):
    venue = market(core)
    offer(venue, *[[(5, 100)]] * 3)
    assert len(venue.block("ann2", 0, 5, 900)) == 1
    assert venue.book()[1] == [(100, 5, 1)]


def test_legs_reach_as_far_as_the_dynamic_band_blk_004(core):
    venue = market(core, band_dynamic_bps=1_000)
    for hour in range(3):
        venue.mark(100, start=WINDOW + hour)
    offer(venue, [(2, 110), (9, 111)], [(9, 100)], [(9, 100)])
    assert of_block(venue.block("bob", 0, 9, 900, tif=1)) == [
        "ack bob #1 o4 block buy 9@900 f1 +3h leaves=9",
        "fill bob #1 o4 taker block buy 2@110 cum=2 leaves=7 m1",
        "fill bob i3 #1 o4 taker block buy 2@100 cum=2 leaves=7 m1",
        "fill bob i5 #1 o4 taker block buy 2@100 cum=2 leaves=7 m1",
        "done bob #1 o4 block IOC buy 7@900 f1 +3h cum=2",
    ]
    assert venue.core.phase(1) == 1  # It halts nothing.
    assert venue.block("bob", 0, 9, 900, tif=2) == ["reject bob #2 FOK_UNFILLED"]


def test_own_trades_do_not_move_the_band_of_a_block_blk_004(core):
    venue = market(core, band_dynamic_bps=1_000)
    for hour in range(3):
        venue.mark(100, start=WINDOW + hour)
    offer(venue, [(1, 105), (1, 110), (1, 112)], [(3, 100)], [(3, 100)])
    venue.block("bob", 0, 3, 900)
    assert venue.position("bob")[0] == 2  # 112 is within 10 % of 110, which was not traded before the command.


def test_first_trades_of_a_block_give_no_band_within_it_blk_004(core):
    venue = market(core, band_dynamic_bps=100)
    offer(venue, [(1, 100), (1, 300)], [(2, 100)], [(2, 100)])
    venue.block("bob", 0, 2, 900)
    assert venue.position("bob")[0] == 2


# Direct trades.


def test_direct_candidate_has_the_same_hours_and_fabric_blk_005(core):
    venue = market(core)
    venue.block("ann", 1, 5, 100, hours=2)
    venue.block("ann", 1, 5, 100, hour=1, hours=2)
    venue.block("ann", 1, 5, 100, scope=2)
    assert len(venue.block("bob", 0, 5, 900)) == 1
    assert venue.block("cat", 0, 5, 900, scope=3)[1] == "fill ann i2 #3 o2 block sell 5@34 cum=5 m1"


def test_best_limit_then_earliest_sequence_blk_005(core):
    venue = market(core)
    venue.block("ann", 1, 5, 310)
    venue.block("cat", 1, 5, 300)
    venue.block("dan", 1, 5, 300)
    fills = [event for event in of_block(venue.block("bob", 0, 12, 305)) if "taker" not in event and "fill" in event]
    assert [fill.split()[1] for fill in fills[::3]] == ["cat", "dan"]
    assert venue.position("bob")[0] == 10


def test_bids_go_from_the_highest_limit_blk_005(core):
    venue = market(core)
    venue.block("ann", 0, 5, 300)
    venue.block("cat", 0, 5, 310)
    assert of_block(venue.block("bob", 1, 5, 290))[1] == "fill cat #1 o1 block buy 5@104 cum=5 m1"


def test_minimums_of_both_have_to_fit_blk_005(core):
    venue = market(core)
    venue.block("ann", 1, 5, 300, min_lots=5)
    venue.block("cat", 1, 9, 301)
    events = of_block(venue.block("bob", 0, 4, 301))  # ann's is better, and wants five.
    assert events[1] == "fill cat #1 o1 block sell 4@101 cum=4 leaves=5 m1"
    assert of_block(venue.block("dan", 0, 9, 301, min_lots=6)) == [
        "ack dan #1 o2.2 block buy 9@301 f1 +3h leaves=9",  # dan wants six at once, cat has five.
    ]


def test_example_7_queue_stays_crossed_where_quantities_do_not_fit_blk_005(core):
    venue = market(core)
    venue.block("ann", 0, 8, 620, min_lots=8)
    assert venue.block("bob", 1, 5, 600, min_lots=5) == ["ack bob #1 o1 block sell 5@600 f1 +3h leaves=5"]


def test_blocks_of_one_owner_do_not_trade_blk_005(core):
    venue = market(core)
    venue.block("ann", 1, 5, 300)
    assert len(venue.block("ann2", 0, 5, 900)) == 1
    assert venue.block("bob", 0, 5, 900)[1].startswith("fill ann")


def test_limit_of_the_resting_block_has_to_be_within_blk_005(core):
    venue = market(core)
    venue.block("ann", 1, 5, 301)
    assert len(venue.block("bob", 0, 5, 300)) == 1
    assert len(traded(venue.block("cat", 0, 5, 301))) == 3


# Which candidate.


def test_example_4_cheapest_fabric_blk_006(core):
    venue = example(core)
    offer(venue, [(8, 198)], [(8, 214)], [(8, 202)], fabric=1)
    assert traded(venue.block("bob", 0, 8, 620, scope=3, min_lots=8)) == [
        "i2 block buy 8@198", "i4 block buy 8@214", "i6 block buy 8@202",
    ]  # fmt: skip


def test_unit_costs_are_compared_as_fractions_blk_006(core):
    venue = market(core)
    offer(venue, [(2, 100), (1, 101)], [(3, 100)], [(3, 100)])  # 901 for 3 lots.
    offer(venue, [(1, 100), (1, 101), (5, 900)], [(3, 100)], [(3, 100)], fabric=1)  # 601 for 2 lots.
    assert traded(venue.block("bob", 0, 3, 301, scope=3, min_lots=2))[0] == "block buy 2@100"


def test_example_5_direct_goes_before_legs_at_the_same_cost_blk_006(core):
    venue = example(core)
    venue.block("cat", 1, 8, 615, min_lots=8)
    assert traded(venue.block("bob", 0, 8, 620, min_lots=8)) == [
        "block buy 8@205", "i3 block buy 8@205", "i5 block buy 8@205",
    ]  # fmt: skip


def test_dearer_direct_trade_goes_behind_the_legs_blk_006(core):
    venue = example(core)
    venue.block("cat", 1, 8, 616, min_lots=8)
    assert traded(venue.block("bob", 0, 8, 620, min_lots=8))[0] == "block buy 8@200"


def test_direct_trade_in_a_higher_fabric_goes_before_legs_in_a_lower_one_blk_006(core):
    venue = market(core)
    offer(venue, *[[(9, 100)]] * 3)
    venue.block("cat", 1, 2, 300, scope=2)
    assert traded(venue.block("bob", 0, 9, 300, scope=3, tif=1)) == [
        "i2 block buy 2@100", "i4 block buy 2@100", "i6 block buy 2@100",
    ]  # fmt: skip


def test_more_lots_go_before_the_lower_fabric_blk_006(core):
    venue = market(core)
    offer(venue, *[[(4, 100)]] * 3)
    offer(venue, *[[(5, 100)]] * 3, fabric=1)
    assert traded(venue.block("bob", 0, 9, 300, scope=3))[0] == "i2 block buy 5@100"


def test_lower_fabric_at_a_tie_blk_006(core):
    venue = market(core)
    offer(venue, *[[(5, 100)]] * 3, fabric=1)
    offer(venue, *[[(5, 100)]] * 3)
    assert traded(venue.block("bob", 0, 9, 300, scope=3))[0] == "block buy 5@100"


def test_two_direct_trades_at_a_tie_blk_006(core):
    venue = market(core)
    venue.block("ann", 1, 4, 300, scope=2)
    venue.block("cat", 1, 3, 300, scope=1)
    assert traded(venue.block("bob", 0, 9, 300, scope=3))[0] == "i2 block buy 4@100"
    venue.block("cat", 1, 4, 300, scope=2)
    assert traded(venue.block("dan", 0, 3, 300, scope=3))[0] == "block buy 3@100"


# Trading.


def test_legs_trade_in_order_of_time_then_price_then_time_blk_007(core):
    venue = market(core)
    offer(venue, [(2, 101)], [(4, 100)], [(4, 100)])
    offer(venue, [(1, 100), (1, 101)], name="cat")
    offer(venue, [(1, 101)], name="dan")
    events = venue.block("bob", 0, 4, 302)
    assert [event.split()[1] for event in events[1:] if event.startswith("fill") and "taker" not in event] == [
        "cat", "ann", "cat", "ann", "ann",
    ]  # fmt: skip
    assert [event.split()[-1] for event in events if event.startswith("trade")] == ["m1"] * 5


def test_flags_of_a_blocks_trade_blk_007(core):
    venue = market(core, maker_fee_ppm=10_000, taker_fee_ppm=20_000)
    offer(venue, *[[(2, 100)]] * 3, side=0)
    events = [event for event in venue.run(venue.block_order("bob", 1, 2, 300)) if event["type"] != EventType.LEVEL]
    block, sell, taker = int(EventFlag.BLOCK), int(EventFlag.SELL), int(EventFlag.TAKER)
    assert [int(event["flags"]) for event in events] == [block | sell, *[0, block | sell | taker, block | sell] * 3]
    assert [int(event["amount"]) for event in events[1:]] == [2, 4, 0] * 3
    assert [int(event["oid"]) for event in events[2::3]] == [oid_of("o3")] * 3
    assert venue.balance("bob") == -12


def test_levels_of_all_legs_are_published_once_behind_blk_007(core):
    venue = example(core)
    assert venue.levels(venue.block_order("bob", 0, 8, 620, min_lots=8)) == [
        "level sell 200: 0 in 0",
        "level i3 sell 210: 8 in 1",
        "level i5 sell 190: 0 in 0",
        "level i5 sell 220: 12 in 1",
    ]


def own_ask_in_front(core):
    """Example 6: the buyer owns the 4@190."""
    venue = market(core)
    offer(venue, [(8, 200), (16, 205)], [(16, 210)])
    venue.sell("bob", 4, 190, instrument=at(2))
    venue.sell("ann", 16, 220, instrument=at(2))
    return venue


def test_example_6_own_orders_stay_where_nothing_trades_blk_007(core):
    venue = own_ask_in_front(core)
    before = venue.book(at(2))
    assert venue.block("bob", 0, 8, 620, min_lots=8, tif=1) == [
        "ack bob #2 o5 block buy 8@620 f1 +3h leaves=8",
        "done bob #2 o5 block IOC buy 8@620 f1 +3h",
    ]
    assert venue.book(at(2)) == before


def test_example_6_own_orders_in_front_end_before_the_fill_behind_them_blk_007(core):
    venue = own_ask_in_front(core)
    assert venue.block("bob", 0, 8, 630, min_lots=8)[7:] == [
        "done bob i5 #1 o3 STP sell 4@190",
        "fill ann i5 #4 o4 sell 8@220 cum=8 leaves=8 m1",
        "fill bob i5 #2 o5 taker block buy 8@220 cum=8 m1",
        "trade i5 block buy 8@220 m1",
    ]


def test_own_orders_behind_what_is_taken_stay_blk_007(core):
    venue = market(core)
    offer(venue, *[[(5, 100)]] * 3)
    venue.sell("bob", 5, 100)
    venue.sell("bob", 5, 99, instrument=at(1))
    venue.block("bob", 0, 5, 300)
    assert venue.book(at(0))[1] == [(100, 5, 1)]  # bob's, behind ann's.
    assert venue.book(at(1))[1] == []


def test_own_orders_between_the_parts_of_an_iceberg_end_blk_007(core):
    venue = market(core)
    venue.sell("ann", 4, 100, display=2)
    venue.sell("bob", 5, 100)
    offer(venue, [], [(4, 100)], [(4, 100)])
    assert venue.block("bob", 0, 4, 300)[4] == "done bob #1 o1 STP sell 5@100"


def test_dry_run_without_a_trade_changes_nothing_blk_007(core):
    venue, other = market(core), market(core)
    for one in (venue, other):
        offer(one, *[[(5, 100)]] * 2, [(4, 100)])
        one.sell("bob", 5, 90)
    venue.block("bob", 0, 5, 900, min_lots=5, tif=1)
    other.do(other.block_order("bob", 0, 5, 1, min_lots=5, tif=1))
    assert venue.core.dump() == other.core.dump()


def test_taker_s_fills_tell_the_block_as_it_is_after_the_whole_blk_007(core):
    venue = example(core)
    fills = [event for event in venue.run(venue.block_order("bob", 0, 8, 620, min_lots=5)) if event["flags"] & 2]
    assert {(int(event["cum"]), int(event["leaves"])) for event in fills} == {(5, 3)}
    assert sum(int(event["lots"]) for event in fills if event["instrument"] == at(0)) == int(fills[0]["cum"])


def test_first_trade_of_a_leg_gives_its_mark_blk_007(core):
    venue = example(core)
    venue.block("bob", 0, 8, 620, min_lots=8)
    assert [venue.core.mark(at(hour)) for hour in range(3)] == [200, 210, 190]


# Prices of direct trades.


@pytest.mark.parametrize(("marks", "limit", "prices"), [
    ((None, None, None), 300, [100, 100, 100]),
    ((None, None, None), 302, [101, 101, 100]),
    ((None, 50, 60), 301, [101, 100, 100]),
    ((90, 100, 110), 300, [90, 100, 110]),
    ((90, 100, 110), 304, [92, 101, 111]),
    ((90, 100, 110), 299, [90, 100, 109]),
    ((90, 100, 110), 298, [90, 99, 109]),
    ((0, 100, 200), 297, [99, 99, 99]),
    ((1, 100, 200), 298, [0, 99, 199]),
    ((0, 0, 0), 0, [0, 0, 0]),
    ((1 << 30, 0, 0), (1 << 30) + 0, [1 << 30, 0, 0]),
    ((1 << 30, 0, 5), 1 << 30, [(1 << 30) // 3 + 1, (1 << 30) // 3, (1 << 30) // 3]),
])  # fmt: skip
def test_leg_prices_of_a_direct_trade_blk_008(core, marks, limit, prices):
    venue = market(core)
    for hour, mark in enumerate(marks):
        if mark is not None:
            venue.mark(mark, start=WINDOW + hour)
    venue.block("ann", 1, 1, limit)
    found = [
        int(event["price"])
        for event in venue.run(venue.block_order("bob", 0, 1, PRICE_MAX_TICKS))
        if event["type"] == EventType.TRADE
    ]
    assert found == prices
    assert sum(found) == limit


def test_events_of_a_direct_trade_blk_008(core):
    venue = market(core)
    venue.block("ann", 1, 5, 301, lane=1)
    assert venue.block("bob", 0, 8, 310) == [
        "ack bob #1 o1 block buy 8@310 f1 +3h leaves=8",
        "fill ann lane=1 #1 o0 block sell 5@101 cum=5 m1",
        "fill bob #1 o1 taker block buy 5@101 cum=5 leaves=3 m1",
        "trade block buy 5@101 m1",
        "fill ann lane=1 i3 #1 o0 block sell 5@100 cum=5 m1",
        "fill bob i3 #1 o1 taker block buy 5@100 cum=5 leaves=3 m1",
        "trade i3 block buy 5@100 m1",
        "fill ann lane=1 i5 #1 o0 block sell 5@100 cum=5 m1",
        "fill bob i5 #1 o1 taker block buy 5@100 cum=5 leaves=3 m1",
        "trade i5 block buy 5@100 m1",
    ]
    assert venue.cancel("ann", "o0") == ["reject ann #1 NO_ORDER"]


def test_fees_of_a_direct_trade_blk_008(core):
    venue = market(core, maker_fee_ppm=10_000, taker_fee_ppm=20_000)
    venue.block("ann", 1, 5, 300)
    venue.block("bob", 0, 5, 300)
    assert (venue.balance("ann"), venue.balance("bob"), venue.core.balance(0)) == (-15, -30, 45)


# Pinning, trying again.


def test_example_9_rest_is_pinned_to_the_fabric_blk_009(core):
    venue = market(core)
    offer(venue, *[[(4, 200)]] * 3)
    venue.block("bob", 0, 8, 620, scope=3)
    offer(venue, *[[(9, 100)]] * 3, fabric=1)  # Cheaper, and not its fabric any more.
    assert venue.position("bob", at(0, 1))[0] == 0
    offer(venue, *[[(9, 200)]] * 3)
    assert venue.position("bob")[0] == 8


def test_aggressor_tries_again_in_its_fabric_with_minimum_1_blk_009(core):
    venue = market(core)
    venue.block("ann", 1, 4, 300)
    venue.block("cat", 1, 1, 301)
    offer(venue, *[[(2, 101)]] * 3)
    events = venue.block("bob", 0, 9, 310, min_lots=3, tif=1)
    assert [event for event in events if event.startswith("trade block")] == [
        "trade block buy 4@100 m1",
        "trade block buy 1@101 m2",
        "trade block buy 2@101 m3",
    ]
    assert events[-1] == "done bob #1 o5 block IOC buy 2@310 f1 +3h cum=7"


def test_partly_filled_resting_block_is_pinned_and_divisible_blk_009(core):
    venue = market(core)
    venue.block("ann", 0, 8, 300, scope=3, min_lots=4)
    venue.block("bob", 1, 5, 300, scope=2)
    assert venue.mass_cancel("ann")[1] == "done ann i2 #1 o0 block USER buy 3@300 f2 +3h cum=5"
    venue.block("ann", 0, 8, 300, min_lots=8)
    venue.block("cat", 0, 8, 300, min_lots=4)
    venue.block("bob", 1, 5, 300)  # Of cat's.
    assert traded(venue.block("bob", 1, 1, 300))[0] == "block sell 1@100"


def test_partly_hit_block_is_tried_again_blk_009(core):
    venue = market(core)
    # Two sells that want at least 5 rest beside two small buys.
    venue.block("ann", 1, 8, 300, min_lots=5)
    venue.block("cat", 1, 8, 301, min_lots=5)
    venue.block("dan", 0, 1, 305)
    venue.block("dan", 0, 2, 304)
    events = venue.block("bob", 0, 13, 310, min_lots=5)
    assert [event for event in events if event.startswith(("trade block", "fill dan #"))] == [
        "trade block buy 8@100 m1",
        "trade block buy 5@101 m2",
        "fill dan #1 o2 block buy 1@102 cum=1 m3",
        "trade block sell 1@102 m3",
        "fill dan #2 o3 block buy 2@102 cum=2 m4",
        "trade block sell 2@102 m4",
    ]


def test_partly_hit_blocks_hit_others_in_turn_blk_009(core):
    venue = market(core)
    venue.block("ann", 1, 2, 303)
    venue.block("dan", 0, 4, 305, min_lots=3)  # ann has only two.
    venue.block("cat", 1, 8, 301, min_lots=5)  # dan wants only four.
    events = venue.block("bob", 0, 5, 310, min_lots=5)
    assert [event for event in events if event.startswith("trade block")] == [
        "trade block buy 5@101 m1",
        "trade block sell 3@103 m2",  # cat's rest, now divisible, with dan at dan's limit.
        "trade block buy 1@102 m3",  # dan's rest with ann.
    ]
    assert venue.mass_cancel("ann")[1] == "done ann #1 o0 block USER sell 1@303 f1 +3h cum=1"


def test_ioc_block_that_is_filled_leaves_the_block_it_hit_to_trade_on_blk_009(core):
    venue = market(core)
    venue.block("ann", 1, 8, 300, min_lots=5)
    venue.block("dan", 0, 2, 305)
    assert [event for event in venue.block("bob", 0, 6, 310, tif=1) if event.startswith(("trade block", "done"))] == [
        "trade block buy 6@100 m1",
        "trade block sell 2@102 m2",
    ]
    assert venue.cancel("ann", "o0") == ["reject ann #2 NO_ORDER"]
