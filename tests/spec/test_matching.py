"""Matching, icebergs, fill-or-kill, expiry and gates (MAT rules of docs/spec/orders.md)."""

import pytest
from venue import GATE_NS, NOW_NS, Venue

from exchange import commands
from exchange.units import HOUR_NS


def test_best_price_first_then_first_come_mat_001(venue):
    venue.sell("ann", 5, 101)
    venue.sell("bob", 5, 100)
    assert venue.buy("cat", 7, 101) == [
        "ack cat #1 o2 buy 7@101 leaves=7",
        "fill bob #1 o1 sell 5@100 cum=5 m1",
        "fill cat #1 o2 taker buy 5@100 cum=5 leaves=2 m1",
        "trade buy 5@100 m1",
        "fill ann #1 o0 sell 2@101 cum=2 leaves=3 m2",
        "fill cat #1 o2 taker buy 2@101 cum=7 m2",
        "trade buy 2@101 m2",
    ]


def test_first_come_first_served_at_one_price_mat_001(venue):
    for name in ("bob", "ann", "cat"):
        venue.buy(name, 2, 100)
    fills = [event for event in venue.sell("dan", 5, 100) if event.startswith("fill") and "taker" not in event]
    assert [fill.split()[1] for fill in fills] == ["bob", "ann", "cat"]


def test_bids_are_taken_from_the_highest_mat_001(venue):
    venue.buy("ann", 1, 99)
    venue.buy("bob", 1, 100)
    assert venue.sell("cat", 2, 99)[3::3] == ["trade sell 1@100 m1", "trade sell 1@99 m2"]


def test_trade_is_at_the_resting_price_mat_002(venue):
    venue.sell("ann", 5, 90)
    assert venue.buy("bob", 5, 100)[-1] == "trade buy 5@90 m1"


def test_events_of_a_match_and_their_order_mat_003(core):
    venue = Venue(core(), maker_fee_ppm=10_000, taker_fee_ppm=25_000)
    venue.buy("ann", 5, 100, lane=4)
    assert venue.sell("bob", 2, 100) == [
        "ack bob #1 o1 sell 2@100 leaves=2",
        "fill ann lane=4 #1 o0 buy 2@100 cum=2 leaves=3 m1 fee=2",
        "fill bob #1 o1 taker sell 2@100 cum=2 m1 fee=5",
        "trade sell 2@100 m1",
    ]


@pytest.mark.parametrize("terms", [{}, {"tif": 3, "expiry_ns": NOW_NS + 1}])
def test_rest_of_an_order_rests_behind_others_mat_004(venue, terms):
    venue.sell("ann", 2, 100)
    venue.buy("bob", 1, 99)
    venue.buy("cat", 5, 100, **terms)
    venue.buy("dan", 1, 100)
    assert venue.book() == ([(100, 4, 2), (99, 1, 1)], [])
    assert venue.sell("bob", 4, 100)[1].startswith("fill cat")


def test_rest_of_an_ioc_ends_mat_005(venue):
    venue.sell("ann", 2, 100)
    assert venue.buy("bob", 5, 100, tif=1)[-1] == "done bob #1 o1 IOC buy 3@100 cum=2"
    assert venue.buy("bob", 5, 100, tif=1) == ["ack bob #2 o1.2 buy 5@100 leaves=5", "done bob #2 o1.2 IOC buy 5@100"]
    assert venue.book() == ([], [])


def test_fok_fills_whole_or_not_at_all_mat_006(venue):
    venue.sell("ann", 2, 100)
    venue.sell("ann", 2, 101)
    venue.sell("ann", 9, 102)
    assert venue.buy("bob", 5, 101, tif=2) == ["reject bob #1 FOK_UNFILLED"]
    assert venue.buy("bob", 4, 101, tif=2)[-1] == "trade buy 2@101 m2"
    assert venue.book() == ([], [(102, 9, 1)])


def test_fok_counts_hidden_lots_mat_006(venue):
    venue.sell("ann", 9, 100, display=2)
    assert venue.buy("bob", 9, 100, tif=2)[-1] == "trade buy 1@100 m5"


def test_fok_steps_over_own_orders_mat_006(venue):
    venue.sell("bob", 5, 100)
    venue.sell("ann", 5, 100)
    venue.sell("bob", 5, 101)
    before = venue.book()
    assert venue.buy("bob", 6, 101, tif=2) == ["reject bob #3 FOK_UNFILLED"]
    assert venue.book() == before  # Not even self-match prevention has touched it.
    assert venue.buy("bob", 5, 101, tif=2)[1:3] == [
        "done bob #1 o0 STP sell 5@100",
        "fill ann #1 o1 sell 5@100 cum=5 m1",
    ]


@pytest.mark.parametrize("stp", [1, 2, 3])
def test_fok_stops_counting_at_own_orders_in_other_modes_mat_006(venue, stp):
    venue.sell("ann", 5, 100)
    venue.sell("bob", 5, 100)
    venue.sell("ann", 5, 101)
    assert venue.buy("bob", 6, 101, tif=2, stp=stp) == ["reject bob #2 FOK_UNFILLED"]
    assert venue.buy("bob", 5, 101, tif=2, stp=stp)[-1] == "trade buy 5@100 m1"


@pytest.mark.parametrize("stp", [1, 2, 3])
def test_fok_does_not_count_hidden_lots_that_would_show_behind_own_orders_mat_006(venue, stp):
    venue.sell("ann", 9, 100, display=2)
    venue.sell("bob", 5, 100)
    assert venue.buy("bob", 3, 100, tif=2, stp=stp) == ["reject bob #2 FOK_UNFILLED"]
    assert venue.buy("bob", 2, 100, tif=2, stp=stp)[-1] == "trade buy 2@100 m1"


def test_fok_does_not_count_reduce_only_orders_mat_006(venue):
    venue.sell("bob", 5, 100)
    venue.buy("ann", 5, 100)
    venue.sell("ann", 5, 100, flags=2)
    assert venue.buy("cat", 5, 100, tif=2) == ["reject cat #1 FOK_UNFILLED"]
    venue.sell("dan", 3, 100)
    assert [event for event in venue.buy("cat", 3, 100, tif=2) if event.startswith("trade")] == ["trade buy 3@100 m2"]


def test_post_only_that_would_trade_is_refused_mat_007(venue):
    venue.sell("ann", 5, 100)
    assert venue.buy("bob", 5, 100, flags=1) == ["reject bob #1 WOULD_TAKE"]
    assert venue.buy("bob", 5, 99, flags=1) == ["ack bob #2 o1 buy 5@99 leaves=5"]
    assert venue.buy("ann", 5, 100, flags=1) == ["reject ann #2 WOULD_TAKE"]  # Own orders count.


def test_iceberg_shows_its_parts_at_the_back_mat_008(venue):
    venue.sell("ann", 5, 100, display=2)
    venue.sell("bob", 2, 100)
    assert venue.book() == ([], [(100, 4, 2)])
    assert venue.buy("cat", 6, 100) == [
        "ack cat #1 o2 buy 6@100 leaves=6",
        "fill ann #1 o0 sell 2@100 cum=2 leaves=3 m1",
        "fill cat #1 o2 taker buy 2@100 cum=2 leaves=4 m1",
        "trade buy 2@100 m1",
        "fill bob #1 o1 sell 2@100 cum=2 m2",
        "fill cat #1 o2 taker buy 2@100 cum=4 leaves=2 m2",
        "trade buy 2@100 m2",
        "fill ann #1 o0 sell 2@100 cum=4 leaves=1 m3",
        "fill cat #1 o2 taker buy 2@100 cum=6 m3",
        "trade buy 2@100 m3",
    ]
    assert venue.book() == ([], [(100, 1, 1)])


def test_iceberg_takes_with_everything_and_rests_with_a_part_mat_008(venue):
    venue.sell("ann", 3, 100)
    assert venue.buy("bob", 8, 100, display=2)[1] == "fill ann #1 o0 sell 3@100 cum=3 m1"
    assert venue.book() == ([(100, 2, 1)], [])
    assert venue.position("bob")[1] == 5


def test_partly_filled_part_of_an_iceberg_keeps_its_place_mat_008(venue):
    venue.sell("ann", 6, 100, display=3)
    venue.sell("bob", 1, 100)
    venue.buy("cat", 1, 100)
    assert venue.buy("cat", 1, 100)[1] == "fill ann #1 o0 sell 1@100 cum=2 leaves=4 m2"


def test_shrink_keeps_priority_mat_009(venue):
    venue.buy("ann", 5, 100)
    venue.buy("bob", 5, 100)
    assert venue.replace("ann", "o0", 3, 100) == ["ack ann #2 o0", "replaced ann #1 o0 buy 3@100 leaves=3"]
    assert venue.sell("cat", 1, 100)[1].startswith("fill ann")


def test_same_lots_keep_priority_mat_009(venue):
    venue.buy("ann", 5, 100)
    venue.buy("bob", 5, 100)
    venue.replace("ann", "o0", 5, 100)
    assert venue.sell("cat", 1, 100)[1].startswith("fill ann")


@pytest.mark.parametrize(("lots", "price"), [(6, 100), (5, 101), (1, 101)])
def test_other_replaces_come_in_again_with_the_same_handle_mat_009(venue, lots, price):
    venue.buy("bob", 5, 101)
    venue.buy("ann", 5, 100)
    venue.buy("bob", 5, 100)
    assert venue.replace("ann", "o1", lots, price) == [
        "ack ann #2 o1",
        f"replaced ann #1 o1 buy {lots}@{price} leaves={lots}",
    ]
    first = venue.sell("cat", 6, price)[1:]
    assert not first[0].startswith("fill ann")


def test_shrunk_iceberg_shows_no_more_than_its_leaves_mat_009(venue):
    venue.sell("ann", 9, 100, display=4)
    venue.replace("ann", "o0", 3, 100)
    assert venue.book() == ([], [(100, 3, 1)])
    venue.replace("ann", "o0", 9, 101)
    assert venue.book() == ([], [(101, 4, 1)])


def test_gtd_orders_expire_by_time_then_by_placing_mat_010(venue):
    venue.buy("ann", 1, 100, tif=3, expiry_ns=NOW_NS + 30)
    venue.buy("bob", 2, 100, tif=3, expiry_ns=NOW_NS + 20)
    venue.sell("cat", 3, 110, tif=3, expiry_ns=NOW_NS + 20)
    venue.sell("dan", 4, 110, tif=3, expiry_ns=NOW_NS + 31)
    assert venue.do(commands.time(NOW_NS + 19)) == []
    assert venue.do(commands.time(NOW_NS + 30)) == [
        "done bob #1 o1 EXPIRED buy 2@100",
        "done cat #1 o2 EXPIRED sell 3@110",
        "done ann #1 o0 EXPIRED buy 1@100",
    ]


def test_replaced_gtd_order_keeps_its_expiry_and_its_turn_mat_010(venue):
    venue.buy("ann", 1, 100, tif=3, expiry_ns=NOW_NS + 20)
    venue.buy("bob", 1, 100, tif=3, expiry_ns=NOW_NS + 20)
    venue.replace("ann", "o0", 5, 99)
    assert venue.do(commands.time(NOW_NS + 20)) == [
        "done ann #1 o0 EXPIRED buy 5@99",
        "done bob #1 o1 EXPIRED buy 1@100",
    ]


def test_gate_ends_orders_bids_then_asks_best_to_worst_mat_011(venue):
    venue.sell("ann", 1, 111)
    venue.sell("ann", 2, 110)
    venue.buy("ann", 3, 99)
    venue.buy("bob", 4, 100)
    venue.buy("ann", 5, 100)
    venue.buy("cat", 6, 100, instrument=2)
    assert venue.do(commands.time(GATE_NS - 1)) == []
    assert venue.do(commands.time(GATE_NS)) == [
        "done bob #1 o3 GATE buy 4@100",
        "done ann #4 o4 GATE buy 5@100",
        "done ann #3 o2 GATE buy 3@99",
        "done ann #2 o1 GATE sell 2@110",
        "done ann #1 o0 GATE sell 1@111",
        "status GATED next=S+0s",
    ]
    assert venue.do(commands.time(GATE_NS)) == []


def test_gates_close_by_time_after_expiries_mat_011(venue):
    venue.buy("ann", 1, 100, instrument=2)
    venue.buy("bob", 1, 100)
    venue.buy("cat", 1, 100, tif=3, expiry_ns=GATE_NS + 5)
    assert venue.do(commands.time(GATE_NS + HOUR_NS)) == [
        "done cat #1 o2 EXPIRED buy 1@100",
        "done bob #1 o1 GATE buy 1@100",
        "status GATED next=S+0s",
        "status DELIVERING next=S+4500s",
        "done ann i2 #1 o0 GATE buy 1@100",
        "status i2 GATED next=S+3600s",
    ]


def test_time_never_goes_back_mat_011(venue):
    venue.do(commands.time(NOW_NS + 50))
    assert venue.do(commands.time(NOW_NS + 10), commands.time(-1)) == []
    assert venue.core.now_ns == NOW_NS + 50
    assert venue.buy("ann", 1, 100, tif=3, expiry_ns=NOW_NS + 50) == ["reject ann #1 DEADLINE"]


def test_done_tells_what_was_cancelled_mat_012(venue):
    venue.sell("ann", 5, 100)
    assert venue.buy("bob", 2, 100)[1] == "fill ann #1 o0 sell 2@100 cum=2 leaves=3 m1"
    assert venue.cancel("ann", "o0")[1] == "done ann #1 o0 USER sell 3@100 cum=2"
    assert venue.cancel("bob", "o1") == ["reject bob #2 NO_ORDER"]  # Filled to the end: no DONE, no order.


def test_touched_levels_come_last_in_order_of_first_touch_mat_013(venue):
    venue.sell("ann", 5, 100)
    venue.sell("bob", 5, 101)
    assert venue.levels(venue.order("cat", 0, 12, 102)) == [
        "level sell 100: 0 in 0",
        "level sell 101: 0 in 0",
        "level buy 102: 2 in 1",
    ]
    assert venue.levels(venue.replace_order("cat", "o2", 12, 99)) == ["level buy 102: 0 in 0", "level buy 99: 2 in 1"]


def test_level_is_published_once_even_where_nothing_changed_mat_013(venue):
    venue.buy("ann", 5, 100)
    assert venue.levels(venue.replace_order("ann", "o0", 5, 100)) == ["level buy 100: 5 in 1"]
    venue.sell("ann", 5, 101, display=1)
    assert venue.levels(venue.order("bob", 0, 3, 101)) == ["level sell 101: 1 in 1"]
    assert venue.levels(venue.order("bob", 0, 3, 101, tif=1, flags=0)) == ["level sell 101: 0 in 0"]


def test_untouched_levels_are_not_published_mat_013(venue):
    venue.buy("ann", 5, 100)
    assert venue.levels(venue.order("bob", 1, 5, 101, tif=1)) == []
    assert venue.levels(venue.order("ann", 1, 5, 100, stp=1)) == []


def test_levels_of_a_gate_are_published_after_the_status_mat_013(venue):
    venue.buy("ann", 5, 100)
    events = venue.run(commands.time(GATE_NS))
    assert [int(event["type"]) for event in events] == [37, 101, 99]
