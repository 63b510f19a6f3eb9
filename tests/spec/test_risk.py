"""Requirements and the pre-trade check (RSK rules of docs/spec/accounts.md)."""

import pytest
from venue import Venue

from exchange import commands
from exchange.units import AMOUNT_MAX, LOTS_MAX, MONEY_MAX


def test_counters_follow_orders_fills_and_cancels_rsk_001(venue):
    venue.buy("ann", 9, 100, display=2)
    venue.sell("ann", 4, 110)
    assert venue.position("ann") == (0, 9, 4, 0)
    venue.sell("bob", 3, 100)
    assert venue.position("ann") == (3, 6, 4, 0)
    venue.cancel("ann", "o1")
    venue.replace("ann", "o0", 5, 100)
    assert venue.position("ann") == (3, 2, 0, 0)
    venue.replace("ann", "o0", 8, 99)
    assert venue.position("ann") == (3, 5, 0, 0)


def example(core):
    """The worked example: 10 lots long at a mark of 2,350; buys 4 at 2,300, sells 8 at 2,400; one tick is 8,000."""
    venue = Venue(core(), lot_scu=8, tick_micros=1_000)
    venue.sell("bob", 10, 2_350)
    venue.buy("ann", 10, 2_350)
    venue.rates(4_700_000, 6_580_000)
    venue.deposit("ann", 65_800_000)
    venue.deposit("bob", 1_000_000_000)
    venue.buy("ann", 4, 2_300)
    venue.sell("ann", 8, 2_400)
    return venue


def test_example_requirement_rsk_002(core):
    venue = example(core)
    assert venue.position("ann") == (10, 4, 8, 65_800_000)
    assert venue.core.requirement_sum(1) == venue.balance("ann") == 65_800_000


def test_example_order_that_adds_nothing_is_accepted_at_zero_free_rsk_003(core):
    venue = example(core)
    assert venue.sell("ann", 10, 2_400)[0].startswith("ack")
    assert venue.position("ann") == (10, 4, 18, 65_800_000)


def test_example_order_that_adds_needs_the_difference_rsk_003(core):
    venue = example(core)
    venue.deposit("ann", 52_639_999)
    assert venue.sell("ann", 20, 2_400) == ["reject ann #4 MARGIN"]
    venue.deposit("ann", 1)
    assert venue.sell("ann", 20, 2_400)[0].startswith("ack")
    assert venue.position("ann") == (10, 4, 28, 118_440_000)


def test_example_with_a_bid_above_the_mark_rsk_002(core):
    venue = example(core)
    venue.buy("bob", 1, 2_360)
    assert venue.position("ann")[3] == 65_800_000  # Not touched, so not evaluated anew (RSK-004).
    venue.rates(4_700_000, 6_580_000)
    assert venue.position("ann")[3] == 66_120_000


def test_asks_below_the_mark_cost_the_seller_rsk_002(venue):
    venue.mark(100)
    venue.rates(1, 2)
    venue.deposit("ann", 1_000)
    venue.deposit("bob", 1_000)
    venue.sell("ann", 10, 95)
    assert venue.position("ann")[3] == 10 * 2 + 10 * 5
    venue.sell("bob", 1, 90)
    venue.sell("ann", 1, 99)
    assert venue.position("ann")[3] == 11 * 2 + 11 * 10


def test_larger_side_counts_rsk_002(venue):
    venue.rates(3, 5)
    venue.deposit("ann", 1_000)
    venue.buy("ann", 10, 90)
    assert venue.position("ann")[3] == 30
    venue.sell("ann", 7, 110)
    assert venue.position("ann")[3] == 35


def test_missing_mark_adds_nothing_rsk_002(venue):
    venue.rates(1, 1)
    venue.deposit("ann", 1_000)
    venue.buy("ann", 10, 1_000_000)
    assert venue.position("ann")[3] == 10


def test_requirement_is_capped_rsk_002(venue):
    for instrument in (1, 2):
        venue.buy("ann", LOTS_MAX, 1, instrument=instrument)
    venue.rates(AMOUNT_MAX, 0)
    venue.rates(AMOUNT_MAX, 0, start=1_001)
    assert venue.position("ann")[3] == MONEY_MAX
    assert venue.core.requirement_sum(1) == 2 * MONEY_MAX  # The sum has no limit.


def test_taking_order_pays_its_own_price_above_the_mark_rsk_003(venue):
    venue.mark(100)
    venue.sell("bob", 10, 103)
    venue.deposit("ann", 29)
    assert venue.buy("ann", 10, 103) == ["reject ann #1 MARGIN"]
    venue.deposit("ann", 1)
    assert venue.buy("ann", 10, 103)[0].startswith("ack")


def test_taking_order_does_not_raise_the_price_of_resting_ones_rsk_003(venue):
    venue.mark(100)
    venue.deposit("ann", 35)
    venue.buy("ann", 5, 101)
    assert venue.position("ann")[3] == 5
    venue.sell("bob", 10, 103)
    assert venue.buy("ann", 11, 103) == ["reject ann #2 MARGIN"]
    assert venue.buy("ann", 10, 103)[0].startswith("ack")  # 5 x 1 + 10 x 3 = 35.


def test_resting_order_raises_the_bid_for_all_rsk_003(venue):
    venue.mark(100)
    venue.deposit("ann", 29)
    venue.buy("ann", 5, 101)
    assert venue.buy("ann", 5, 103) == ["reject ann #2 MARGIN"]  # 10 x 3 = 30.
    venue.deposit("ann", 1)
    assert venue.buy("ann", 5, 103)[0].startswith("ack")
    assert venue.position("ann")[3] == 30


def test_taking_sell_is_mirrored_rsk_003(venue):
    venue.mark(100)
    venue.buy("bob", 10, 97)
    venue.deposit("ann", 29)
    assert venue.sell("ann", 10, 97) == ["reject ann #1 MARGIN"]
    venue.deposit("ann", 1)
    assert venue.sell("ann", 10, 97)[0].startswith("ack")


def test_order_that_lowers_the_requirement_is_accepted_in_debt_rsk_003(venue):
    venue.sell("bob", 10, 100)
    venue.buy("ann", 10, 100)
    venue.rates(7, 7)
    assert venue.core.balance(1) - venue.core.requirement_sum(1) == -70
    assert venue.sell("ann", 10, 110)[0].startswith("ack")
    assert venue.sell("ann", 11, 110) == ["reject ann #3 MARGIN"]


def test_requirements_of_other_instruments_count_rsk_003(venue):
    venue.rates(1, 1)
    venue.rates(1, 1, start=1_001)
    venue.deposit("ann", 10)
    venue.buy("ann", 6, 100)
    assert venue.buy("ann", 5, 100, instrument=2) == ["reject ann i2 #2 MARGIN"]
    assert venue.buy("ann", 4, 100, instrument=2)[0].startswith("ack")


def test_touched_positions_are_evaluated_after_the_command_rsk_004(venue):
    venue.rates(1, 1)
    venue.deposit("ann", 100)
    venue.deposit("bob", 100)
    venue.sell("bob", 6, 100)
    venue.buy("ann", 10, 100)
    assert (venue.position("ann")[3], venue.position("bob")[3]) == (10, 6)
    venue.sell("ann", 6, 101)
    venue.buy("bob", 6, 101)
    assert (venue.position("ann")[3], venue.position("bob")[3]) == (4, 0)


def test_first_trade_does_not_evaluate_the_untouched_rsk_004(venue):
    venue.rates(1, 1)
    for name in ("ann", "bob", "cat"):
        venue.deposit(name, 1_000)
    venue.buy("cat", 10, 101)
    venue.buy("bob", 1, 105)
    venue.sell("ann", 1, 105)  # The mark is 105 now, the best bid 101.
    assert venue.position("cat")[3] == 10
    venue.mark(99)
    assert venue.position("cat")[3] == 10 + 10 * 2


def test_reduce_only_has_to_fit_the_position_rsk_005(venue):
    assert venue.sell("ann", 1, 110, flags=2) == ["reject ann #1 REDUCE_ONLY"]
    venue.sell("bob", 10, 100)
    venue.buy("ann", 10, 100)
    assert venue.buy("ann", 1, 90, flags=2) == ["reject ann #3 REDUCE_ONLY"]
    venue.sell("ann", 4, 110)
    assert venue.sell("ann", 7, 110, flags=2) == ["reject ann #5 REDUCE_ONLY"]
    assert venue.sell("ann", 6, 110, flags=2)[0].startswith("ack")
    assert venue.buy("bob", 10, 90, flags=2)[0].startswith("ack")
    assert venue.buy("bob", 1, 90, flags=2) == ["reject bob #3 REDUCE_ONLY"]


def long_with_reduce_only_sell(venue, **more):
    """ann is 10 long and has a reduce-only sell of 8 resting at 110 as o0.2; bob is short."""
    venue.sell("bob", 10, 100)
    venue.buy("ann", 10, 100)
    venue.sell("ann", 8, 110, flags=2, **more)
    venue.buy("cat", 20, 95)


def test_resting_reduce_only_order_with_nothing_to_reduce_ends_rsk_005(venue):
    long_with_reduce_only_sell(venue)
    venue.sell("ann", 10, 95)
    assert venue.buy("dan", 5, 110) == [
        "ack dan #1 o2.2 buy 5@110 leaves=5",
        "done ann #2 o1.2 REDUCE_ONLY sell 8@110",
    ]
    assert venue.book() == ([(110, 5, 1), (95, 10, 1)], [])


def test_resting_reduce_only_order_shrinks_to_what_is_left_rsk_005(venue):
    long_with_reduce_only_sell(venue)
    venue.sell("ann", 7, 95)
    venue.sell("bob", 1, 110)
    assert venue.buy("dan", 2, 110) == [
        "ack dan #1 o3 buy 2@110 leaves=2",
        "replaced ann #2 o1.2 sell 3@110 leaves=3",
        "fill ann #2 o1.2 sell 2@110 cum=2 leaves=1 m3",
        "fill dan #1 o3 taker buy 2@110 cum=2 m3",
        "trade buy 2@110 m3",
    ]
    assert venue.buy("dan", 2, 110)[1:3] == [
        "fill ann #2 o1.2 sell 1@110 cum=3 m4",
        "fill dan #2 o3.2 taker buy 1@110 cum=1 leaves=1 m4",
    ]
    assert venue.position("ann")[0] == 0


def test_shrunk_iceberg_shows_no_more_than_is_left_rsk_005(venue):
    long_with_reduce_only_sell(venue, display=4)
    venue.sell("ann", 7, 95)
    assert venue.buy("dan", 5, 110)[1:3] == [
        "replaced ann #2 o1.2 sell 3@110 leaves=3",
        "fill ann #2 o1.2 sell 3@110 cum=3 m3",
    ]


def test_every_part_of_a_reduce_only_iceberg_is_looked_at_rsk_005(venue):
    long_with_reduce_only_sell(venue, display=3)
    venue.sell("ann", 5, 110)
    venue.sell("ann", 2, 95)  # 8 long: the reduce-only order fits, until the plain one has taken 5.
    events = venue.buy("dan", 12, 110)
    assert events[1] == "fill ann #2 o1.2 sell 3@110 cum=3 leaves=5 m3"
    assert events[4] == "fill ann #3 o2 sell 5@110 cum=5 m4"
    assert events[7:] == ["done ann #2 o1.2 REDUCE_ONLY sell 5@110 cum=3"]
    assert venue.position("ann")[0] == 0


def test_self_match_comes_before_reduce_only_rsk_005(venue):
    long_with_reduce_only_sell(venue)
    venue.sell("ann", 10, 95)
    assert venue.buy("ann2", 5, 110, stp=1)[1].startswith("done ann2")


@pytest.mark.parametrize(("rates", "verdict"), [((0, 0), "ack"), ((1, 0), "reject"), ((0, 1), "ack")])
def test_unmargined_account_is_checked_where_rates_are_set_rsk_006(venue, rates, verdict):
    venue.rates(*rates)
    assert venue.buy("ann", 5, 100)[0].split()[0] == verdict


def test_margined_account_is_checked_without_rates_rsk_006(venue):
    venue.run(commands.add_account("eve", margined=True))
    venue.mark(100)
    venue.sell("bob", 1, 101)
    (ack,) = venue.run(commands.place(6, 1, 1, 0, 101, 1))
    assert (ack["type"], ack["reason"]) == (34, 220)
