"""Calls and the uncross (AUC rules of docs/spec/auctions.md)."""

import pytest
from venue import NUMBER, Venue, line

from exchange import commands
from exchange.records import EventFlag, EventType
from exchange.reference.uncross import indication


def in_call(core, **terms):
    """A venue in its opening call, which ends at S-8400s."""
    return Venue(core(), start_s=-9_000, open_call_s=600, **terms)


def uncross(venue):
    """End the call; what happened up to the last status, levels left out."""
    events = venue.time(-8_400)
    assert [event.split()[0] for event in events[-2:]] == ["status", "status"]
    return events[:-2]


def prices(events):
    return [event.split()[2] for event in events if event.startswith("trade")]


def holding(core, lots=5):
    """A venue in a volatility call where ann is 5 long and bob 5 short; the call ends at S-8880s."""
    venue = Venue(core(), start_s=-9_000)
    venue.sell("bob", lots, 100)
    venue.buy("ann", lots, 100)
    venue.halt()
    venue.resume()
    return venue


# The price.

BOOKS = {  # Bids, asks, mark, then price, volume and surplus.
    "the example of the page": (
        [(640, 500), (639, 500), (639, 500), (634, 1_000), (633, 500)],
        [(610, 1_000), (640, 500), (641, 520), (642, 550), (643, 519)],
        None,
        (639, 1_000, 500),
    ),
    "most lots first": ([(105, 5), (100, 10)], [(95, 10), (103, 5)], None, (100, 10, 5)),
    "then the smallest surplus": ([(105, 10), (102, 5)], [(100, 10), (103, 4)], None, (103, 10, -4)),
    "buyers left over everywhere: the highest": ([(105, 12)], [(100, 10)], 101, (105, 10, 2)),
    "sellers left over everywhere: the lowest": ([(105, 10)], [(100, 12)], 104, (100, 10, -2)),
    "nobody left over: nearest to the mark": ([(105, 10)], [(100, 10)], 103, (103, 10, 0)),
    "mark above: the highest": ([(105, 10)], [(100, 10)], 900, (105, 10, 0)),
    "mark below: the lowest": ([(105, 10)], [(100, 10)], 3, (100, 10, 0)),
    "no mark: the middle, rounded down": ([(105, 10)], [(100, 10)], None, (102, 10, 0)),
    "surplus of both signs: nearest to the mark": (
        [(105, 10), (102, 4)], [(100, 10), (103, 4)], 104, (104, 10, -4),
    ),
    "surplus of both signs: the middle": (
        [(105, 10), (102, 4)], [(100, 10), (103, 4)], None, (102, 10, 4),
    ),
    "one price": ([(100, 3)], [(100, 5)], None, (100, 3, -2)),
    "price 0": ([(0, 3)], [(0, 5)], 7, (0, 3, -2)),
    "top of the range": ([(1 << 30, 1 << 30)], [(1 << 30, 1)], None, (1 << 30, 1, (1 << 30) - 1)),
    "whole range": ([(1 << 30, 4)], [(0, 4)], None, (1 << 29, 4, 0)),
}  # fmt: skip


def by_brute_force(bids, asks, mark):
    """AUC-001 once more: every tick between the best prices, one after another."""
    low, high = min(price for price, _ in asks), max(price for price, _ in bids)
    if low > high:
        return None

    def at(price):
        demand = sum(lots for limit, lots in bids if limit >= price)
        return demand, sum(lots for limit, lots in asks if limit <= price)

    ticks = range(low, high + 1)
    most = max(min(at(tick)) for tick in ticks)
    ticks = [tick for tick in ticks if min(at(tick)) == most]
    least = min(abs(at(tick)[0] - at(tick)[1]) for tick in ticks)
    ticks = [tick for tick in ticks if abs(at(tick)[0] - at(tick)[1]) == least]
    surpluses = [at(tick)[0] - at(tick)[1] for tick in ticks]
    if min(surpluses) > 0:
        price = max(ticks)
    elif max(surpluses) < 0:
        price = min(ticks)
    else:
        wanted = mark if mark is not None else (min(ticks) + max(ticks)) // 2
        price = min(ticks, key=lambda tick: (abs(tick - wanted), tick))
    demand, supply = at(price)
    return price, most, demand - supply


@pytest.mark.parametrize("case", BOOKS)
def test_price_of_the_uncross_auc_001(core, case):
    bids, asks, mark, (price, volume, surplus) = BOOKS[case]
    assert tuple(indication(bids, asks, mark)) == (price, volume, surplus)
    if max(abs(at) for at, _ in bids) < 10_000:
        assert by_brute_force(bids, asks, mark) == (price, volume, surplus)
    venue = in_call(core)
    if mark is not None:
        venue.mark(mark)
    for at, lots in bids:
        venue.buy("ann", lots, at)
    events = [venue.sell("bob", lots, at) for at, lots in asks][-1]
    side = f" surplus={abs(surplus)} {'buy' if surplus > 0 else 'sell'}" if surplus else ""
    assert events[-1] == f"indicative {volume}@{price}{side}"
    trades = uncross(venue)
    assert {found.split("@")[1] for found in prices(trades)} == {str(price)}
    assert sum(int(found.split("@")[0]) for found in prices(trades)) == volume


@pytest.mark.parametrize("seed", range(60))
def test_price_is_that_of_every_tick_tried_auc_001(seed):
    """Small books of all shapes, from a generator that needs no library."""
    state = [seed * 7_919 + 1]

    def draw(most):
        state[0] = (state[0] * 1_103_515_245 + 12_345) % (1 << 31)
        return state[0] // 65_536 % most

    for _ in range(40):
        bids = [(95 + draw(12), 1 + draw(9)) for _ in range(1 + draw(4))]
        asks = [(95 + draw(12), 1 + draw(9)) for _ in range(1 + draw(4))]
        mark = None if draw(2) else 90 + draw(25)
        found = indication(bids, asks, mark)
        assert (None if found is None else tuple(found)) == by_brute_force(bids, asks, mark), (bids, asks, mark)


def test_hidden_lots_count_auc_001(core):
    venue = in_call(core)
    venue.buy("ann", 9, 105, display=2)
    assert venue.sell("bob", 8, 100, display=1)[-1] == "indicative 8@105 surplus=1 buy"


def test_mark_set_in_a_call_moves_the_price_auc_001(core):
    venue = in_call(core)
    venue.buy("ann", 5, 105)
    venue.sell("bob", 5, 100)
    venue.mark(104)
    assert prices(uncross(venue)) == ["5@104"]


def test_nothing_meets_nothing_trades_auc_001(core):
    venue = in_call(core)
    assert venue.buy("ann", 5, 99)[-1] == "indicative 0@0"
    assert venue.sell("bob", 5, 100)[-1] == "indicative 0@0"
    assert uncross(venue) == []
    assert venue.book() == ([(99, 5, 1)], [(100, 5, 1)])


# The trades.


def test_price_then_time_at_one_price_auc_002(core):
    venue = in_call(core)
    venue.buy("ann", 3, 101)
    venue.buy("bob", 3, 102)
    venue.buy("dan", 3, 101)
    venue.sell("cat", 4, 100)
    venue.sell("cat", 3, 99)
    assert uncross(venue) == [
        "fill bob #1 o1 call buy 3@101 cum=3 m1",
        "fill cat #2 o4 call sell 3@101 cum=3 m1",
        "trade call 3@101 m1",
        "fill ann #1 o0 call buy 3@101 cum=3 m2",
        "fill cat #1 o3 call sell 3@101 cum=3 leaves=1 m2",
        "trade call 3@101 m2",
        "fill dan #1 o2 call buy 1@101 cum=1 leaves=2 m3",
        "fill cat #1 o3 call sell 1@101 cum=4 m3",
        "trade call 1@101 m3",
    ]
    assert venue.book() == ([(101, 2, 1)], [])


def test_each_shown_part_of_an_iceberg_trades_by_itself_auc_002(core):
    venue = in_call(core)
    venue.sell("ann", 5, 100, display=2)
    venue.sell("bob", 2, 100)
    venue.buy("cat", 6, 100)
    assert [event for event in uncross(venue) if event.startswith("fill") and " sell " in event] == [
        "fill ann #1 o0 call sell 2@100 cum=2 leaves=3 m1",
        "fill bob #1 o1 call sell 2@100 cum=2 m2",
        "fill ann #1 o0 call sell 2@100 cum=4 leaves=1 m3",
    ]
    assert venue.book() == ([], [(100, 1, 1)])


def test_two_icebergs_meet_part_by_part_auc_002(core):
    venue = in_call(core)
    venue.sell("ann", 5, 100, display=3)
    venue.buy("bob", 5, 100, display=2)
    assert prices(uncross(venue)) == ["2@100", "1@100", "1@100", "1@100"]
    assert venue.book() == ([], [])


def test_orders_beyond_the_price_stay_auc_002(core):
    venue = in_call(core)
    venue.buy("ann", 5, 110)
    venue.buy("ann", 5, 99)
    venue.sell("bob", 5, 90)
    venue.sell("bob", 5, 111)
    assert prices(uncross(venue)) == ["5@105"]
    assert venue.book() == ([(99, 5, 1)], [(111, 5, 1)])


def test_own_orders_in_front_do_not_stop_the_uncross_auc_002(core):
    venue = in_call(core)
    venue.buy("ann", 10, 105)
    venue.sell("ann2", 10, 100)
    venue.buy("bob", 2, 103)
    venue.sell("cat", 2, 101)
    assert uncross(venue) == [
        "done ann #1 o0 STP buy 10@105",
        "done ann2 #1 o1 STP sell 10@100",
        "fill bob #1 o2 call buy 2@102 cum=2 m1",
        "fill cat #1 o3 call sell 2@102 cum=2 m1",
        "trade call 2@102 m1",
    ]


def test_book_still_crossed_is_uncrossed_again_at_its_own_price_auc_002(core):
    venue = holding(core, 12)
    venue.buy("bob", 12, 105, flags=2)  # Counts for the price, and ends before it is filled.
    venue.buy("bob", 12, 106)
    venue.buy("cat", 2, 102)
    venue.sell("dan", 12, 100)
    assert venue.sell("dan", 2, 101)[-1] == "indicative 14@105 surplus=10 buy"
    assert venue.time(-8_880) == [
        "fill bob #3 o0.2 call buy 12@105 cum=12 m2",
        "fill dan #1 o3 call sell 12@105 cum=12 m2",
        "trade call 12@105 m2",
        "done bob #2 o1.2 REDUCE_ONLY buy 12@105",
        "fill cat #1 o2 call buy 2@101 cum=2 m3",
        "fill dan #2 o4 call sell 2@101 cum=2 m3",
        "trade call 2@101 m3",
        "status CONTINUOUS next=S-900s",
    ]


def test_match_of_an_uncross_has_no_aggressor_auc_003(core):
    venue = in_call(core, maker_fee_ppm=10_000, taker_fee_ppm=500_000)
    venue.buy("ann", 5, 101, lane=3)
    venue.quote("bob", (1, 90, 0, 101, 4, 7))
    events = venue.run(commands.time(venue.engine.now_ns + 600 * 10**9))
    fills = [event for event in events if event["type"] == EventType.FILL]
    assert [line(event) for event in fills] == [
        "fill ann lane=3 #1 o0 call buy 4@101 cum=4 leaves=1 m1 fee=5",
        "fill bob lane=7 o1 quote call sell 4@101 cum=4 m1 fee=5",
    ]
    trade = next(event for event in events if event["type"] == EventType.TRADE)
    assert (trade["flags"], trade["account"], trade["oid"]) == (EventFlag.CALL, 0, 0)
    assert venue.balance("ann") == -5
    assert venue.core.balance(0) == 10


def test_uncross_gives_the_mark_where_there_is_none_auc_003(core):
    venue = in_call(core)
    venue.buy("ann", 5, 101)
    venue.sell("bob", 5, 101)
    uncross(venue)
    venue.mark(105)
    assert (venue.balance("ann"), venue.balance("bob")) == (20, -20)


# What does not trade.


@pytest.mark.parametrize(("bought", "sold", "ended"), [
    (5, 3, ["replaced ann #1 o0 buy 2@101 leaves=2", "done ann2 #1 o1 STP sell 3@100"]),
    (3, 5, ["done ann #1 o0 STP buy 3@101", "replaced ann2 #1 o1 sell 2@100 leaves=2"]),
    (4, 4, ["done ann #1 o0 STP buy 4@101", "done ann2 #1 o1 STP sell 4@100"]),
])  # fmt: skip
def test_own_orders_lose_the_smaller_leaves_auc_004(core, bought, sold, ended):
    venue = in_call(core)
    venue.buy("ann", bought, 101)
    venue.sell("ann2", sold, 100)
    assert uncross(venue) == ended


def test_own_icebergs_lose_hidden_lots_too_auc_004(core):
    venue = in_call(core)
    venue.buy("ann", 9, 101, display=4)
    venue.sell("ann2", 7, 100, display=1)
    assert uncross(venue) == ["replaced ann #1 o0 buy 2@101 leaves=2", "done ann2 #1 o1 STP sell 7@100"]
    assert venue.book() == ([(101, 2, 1)], [])


def test_own_orders_in_an_uncross_leave_the_rest_to_others_auc_004(core):
    venue = in_call(core)
    venue.buy("ann", 5, 101)
    venue.sell("ann2", 3, 100)
    venue.sell("bob", 2, 100)
    assert uncross(venue) == [
        "replaced ann #1 o0 buy 2@101 leaves=2",
        "done ann2 #1 o1 STP sell 3@100",
        "fill ann #1 o0 call buy 2@100 cum=2 m1",
        "fill bob #1 o2 call sell 2@100 cum=2 m1",
        "trade call 2@100 m1",
    ]


def test_reduce_only_orders_are_cut_before_they_are_filled_auc_004(core):
    venue = holding(core)
    venue.sell("ann", 5, 100, flags=2)
    venue.buy("bob", 5, 100, flags=2)
    venue.sell("ann", 3, 99)
    venue.buy("cat", 3, 101)
    assert venue.time(-8_880)[:-1] == [
        "fill cat #1 o3 call buy 3@100 cum=3 m2",
        "fill ann #3 o2 call sell 3@100 cum=3 m2",
        "trade call 3@100 m2",
        "replaced ann #2 o1.2 sell 2@100 leaves=2",
        "fill bob #2 o0.2 call buy 2@100 cum=2 leaves=3 m3",
        "fill ann #2 o1.2 call sell 2@100 cum=2 m3",
        "trade call 2@100 m3",
    ]
    assert (venue.position("ann")[0], venue.position("bob")[0]) == (0, -3)


def test_reduce_only_order_with_nothing_to_reduce_ends_and_the_bid_is_looked_at_first_auc_004(core):
    venue = holding(core)
    venue.buy("bob", 5, 110, flags=2)
    venue.sell("ann", 5, 90, flags=2)
    venue.buy("bob", 5, 111)
    venue.sell("ann", 5, 89)
    events = venue.time(-8_880)
    assert [event.split()[0] for event in events[:3]] == ["fill", "fill", "trade"]
    assert events[3:] == [
        "done bob #2 o1.2 REDUCE_ONLY buy 5@110",
        "status CONTINUOUS next=S-900s",
    ]
    assert venue.book() == ([], [(90, 5, 1)])  # The ask was not about to be filled.


def test_self_match_comes_before_reduce_only_auc_004(core):
    venue = holding(core)
    venue.sell("ann", 5, 100, flags=2)
    venue.sell("ann", 5, 99)
    venue.buy("ann2", 6, 100)
    assert venue.time(-8_880)[:-1] == [
        "replaced ann2 #1 o2 buy 1@100 leaves=1",
        "done ann #3 o0.2 STP sell 5@99",
        "done ann2 #1 o2 STP buy 1@100",
        "replaced ann #2 o1.2 sell 4@100 leaves=4",
    ]


# What is told during a call.


def test_indication_follows_the_levels_of_a_command_auc_005(core):
    venue = in_call(core)
    venue.buy("ann", 5, 101)
    events = [line(event) for event in venue.run(venue.order("bob", 1, 8, 100))]
    assert events == [
        "ack bob #1 o1 sell 8@100 leaves=8",
        "level sell 100: 8 in 1",
        "indicative 5@100 surplus=3 sell",
    ]


def test_indication_is_told_once_a_window_in_order_of_the_first_touch_auc_005(core):
    venue = in_call(core)
    venue.buy("ann", 5, 101, instrument=2)
    venue.buy("ann", 5, 101)
    venue.buy("ann", 5, 102)
    events = [line(event) for event in venue.run(commands.mass_cancel(NUMBER["ann"], venue.ref("ann")))]
    assert [event for event in events if event.startswith(("level", "indicative"))] == [
        "level i2 buy 101: 0 in 0",
        "level buy 101: 0 in 0",
        "level buy 102: 0 in 0",
        "indicative i2 0@0",
        "indicative 0@0",
    ]


def test_command_that_touches_no_level_tells_nothing_auc_005(core):
    venue = in_call(core)
    venue.buy("ann", 5, 101)
    assert venue.cancel("bob", "o0") == ["reject bob #1 NO_ORDER"]
    venue.mark(100)
    assert venue.deposit("ann", 5) == ["ack ann", "account ann amount=5"]


def test_sells_left_over_are_flagged_auc_005(core):
    venue = in_call(core)
    venue.buy("ann", 5, 101)
    event = venue.run(venue.order("bob", 1, 8, 100))[-1]
    assert (event["type"], event["flags"], event["match_id"]) == (EventType.INDICATIVE, EventFlag.SELL, 3)
    event = venue.run(venue.order("ann", 0, 8, 101))[-1]
    assert (event["flags"], event["match_id"], event["price"], event["amount"]) == (0, 5, 101, 8)


def test_window_that_enters_a_call_tells_it_after_the_status_auc_005(core):
    venue = Venue(core(), start_s=-9_000, preclose_s=300)
    venue.buy("ann", 5, 100)
    venue.sell("ann", 5, 101)
    assert venue.time(-1_200) == ["status PRECLOSE next=S-900s", "indicative 0@0"]


def test_window_that_leaves_its_call_within_the_command_tells_nothing_auc_005(core):
    venue = Venue(core(), count=1, start_s=-9_000, preclose_s=300)
    venue.buy("ann", 5, 100)
    assert [event for event in venue.time(-900) if "indicative" in event] == []


def test_continuous_trading_has_no_indication_auc_005(core):
    venue = Venue(core(), start_s=-9_000)
    assert venue.buy("ann", 5, 100) == ["ack ann #1 o0 buy 5@100 leaves=5"]


# Orders of a call.


@pytest.mark.parametrize("terms", [{"tif": 1}, {"tif": 2}, {"flags": 1}])
def test_orders_for_at_once_are_refused_in_a_call_auc_006(core, terms):
    venue = in_call(core)
    venue.sell("bob", 5, 100)
    assert venue.buy("ann", 5, 100, **terms) == ["reject ann #1 NOT_OPEN"]


def test_what_is_left_of_an_auction_order_ends_with_the_call_auc_006(core):
    venue = in_call(core)
    venue.sell("ann", 5, 110, tif=4)
    venue.sell("ann", 5, 109, tif=4)
    venue.sell("ann", 1, 109)
    venue.buy("bob", 2, 95, tif=4)
    venue.buy("bob", 3, 109, tif=4)
    venue.buy("bob", 2, 96, tif=4)
    assert uncross(venue) == [
        "fill bob #2 o4 call buy 3@109 cum=3 m1",
        "fill ann #2 o1 call sell 3@109 cum=3 leaves=2 m1",
        "trade call 3@109 m1",
        "done bob #3 o5 AUCTION buy 2@96",
        "done bob #1 o3 AUCTION buy 2@95",
        "done ann #2 o1 AUCTION sell 2@109 cum=3",
        "done ann #1 o0 AUCTION sell 5@110",
    ]
    assert venue.book() == ([], [(109, 1, 1)])


def test_auction_order_lives_from_one_call_into_the_next_auc_006(core):
    venue = Venue(core(), count=1, start_s=-1_400, open_call_s=600, preclose_s=300)
    venue.buy("ann", 5, 100, tif=4)
    assert venue.time(-1_200) == ["status PRECLOSE next=S-900s", "indicative 0@0"]
    assert venue.time(-900) == ["done ann #1 o0 AUCTION buy 5@100", "status GATED next=S+0s"]


def test_auction_order_may_be_replaced_and_cancelled_auc_006(core):
    venue = in_call(core)
    venue.buy("ann", 5, 100, tif=4)
    assert venue.replace("ann", "o0", 7, 101)[1] == "replaced ann #1 o0 buy 7@101 leaves=7"
    assert uncross(venue) == ["done ann #1 o0 AUCTION buy 7@101"]
    assert venue.buy("ann", 5, 100, tif=4) == ["reject ann #3 NOT_OPEN"]


def test_other_orders_go_on_into_continuous_trading_auc_006(core):
    venue = in_call(core)
    venue.buy("ann", 5, 100, display=2)
    venue.buy("ann", 5, 99, tif=3, expiry_ns=venue.now_ns + 10**15)
    uncross(venue)
    assert venue.sell("bob", 9, 99)[3::3] == ["trade sell 2@100 m1", "trade sell 2@100 m2", "trade sell 1@100 m3",
                                              "trade sell 4@99 m4"]  # fmt: skip


def test_blocks_are_looked_at_when_a_window_becomes_continuous_auc_007(core):
    venue = in_call(core)
    venue.block("ann", 0, 3, 205, hours=2)
    venue.sell("bob", 3, 100)
    venue.sell("bob", 4, 100, instrument=2)
    venue.buy("cat", 1, 100, instrument=2)
    assert venue.time(-8_400) == [
        "status CONTINUOUS next=S-900s",
        "fill cat i2 #1 o3 call buy 1@100 cum=1 m1",
        "fill bob i2 #2 o2 call sell 1@100 cum=1 leaves=3 m1",
        "trade i2 call 1@100 m1",
        "status i2 CONTINUOUS next=S+2700s",
        "fill bob #1 o1 sell 3@100 cum=3 m2",
        "fill ann #1 o0 taker block buy 3@100 cum=3 m2",
        "trade block buy 3@100 m2",
        "fill bob i2 #2 o2 sell 3@100 cum=4 m2",
        "fill ann i2 #1 o0 taker block buy 3@100 cum=3 m2",
        "trade i2 block buy 3@100 m2",
    ]


def test_buy_blocks_are_looked_at_before_sell_blocks_auc_007(core):
    venue = Venue(core(), start_s=-9_000)
    for instrument in (1, 2):
        venue.sell("bob", 5, 100, instrument=instrument)
        venue.buy("bob", 5, 95, instrument=instrument)
    venue.halt()
    venue.block("ann", 1, 2, 190, hours=2)
    venue.block("ann2", 0, 2, 200, hours=2)  # Of one owner, so they do not trade with each other.
    venue.resume()
    assert [event for event in venue.time(-8_880) if event.startswith("trade")] == [
        "trade block buy 2@100 m1",
        "trade i2 block buy 2@100 m1",
        "trade block sell 2@95 m2",
        "trade i2 block sell 2@95 m2",
    ]
