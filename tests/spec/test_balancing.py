"""The balancing market: standby sells and purchases for others (MKT-030 to MKT-032 of docs/spec/windows.md)."""

import pytest
from venue import NUMBER, WINDOW, Venue, line, moment_ns

from exchange import commands
from exchange.records import EventFlag

STANDBY = {"flags": 32}


def market(core, *, seconds=-900, **terms):
    """Three fabrics, two windows; ann, bob and cat provide 20 lots of one each. Window 1000 is behind its gate."""
    terms = {"fabrics": ["f1", "f2", "f3"], "count": 2, "start_s": -9_000, "balancing_s": 3_300} | terms
    venue = Venue(core(), **terms)
    for name, fabric in zip(("ann", "bob", "cat"), venue.fabrics, strict=False):
        venue.certify(name, 20, fabric=fabric, count=2)
    venue.time(seconds)
    return venue


def offers(venue, *offers):
    """Standby sells: name, instrument, lots, price."""
    for name, instrument, lots, price in offers:
        events = venue.sell(name, lots, price, instrument=instrument, **STANDBY)
        assert events[0].startswith("ack"), events


def trades(events):
    return [event.removeprefix("trade ").split(" m")[0] for event in events if event.startswith("trade")]


# Standby orders.


@pytest.mark.parametrize(("terms", "reason"), [
    ({"flags": 32}, "ack"),
    ({"flags": 36}, "ack"),
    ({"flags": 32, "tif": 3, "expiry_ns": moment_ns(99)}, "ack"),
    ({"flags": 32, "tag": 3, "lane": 4, "stp": 2}, "ack"),
    ({"flags": 33}, "MALFORMED"),
    ({"flags": 34}, "MALFORMED"),
    ({"flags": 48}, "MALFORMED"),
    ({"flags": 32, "tif": 1}, "MALFORMED"),
    ({"flags": 32, "tif": 2}, "MALFORMED"),
    ({"flags": 32, "tif": 4}, "MALFORMED"),
    ({"flags": 32, "display": 1}, "MALFORMED"),
    ({"flags": 0}, "WINDOW_CLOSED"),
    ({"flags": 16}, "WINDOW_CLOSED"),
])  # fmt: skip
def test_what_a_standby_order_may_be_mkt_030(core, terms, reason):
    answer = market(core).sell("ann", 2, 100, **terms)[0]
    assert answer.split()[0 if reason == "ack" else -1] == reason


def test_buy_is_no_standby_order_mkt_030(core):
    assert market(core).buy("ann", 2, 100, **STANDBY) == ["reject ann #1 MALFORMED"]


@pytest.mark.parametrize(("seconds", "verdict"), [
    (-901, "NOT_OPEN"), (-900, "ack"), (0, "ack"), (3_299, "ack"), (3_300, "WINDOW_CLOSED"), (4_500, "WINDOW_CLOSED"),
])  # fmt: skip
def test_standby_orders_rest_from_the_gate_for_a_while_mkt_030(core, seconds, verdict):
    answer = market(core, seconds=seconds).sell("ann", 2, 100, **STANDBY)[0]
    assert answer.split()[0 if verdict == "ack" else -1] == verdict


def test_each_standby_order_needs_capacity_mkt_030(core):
    venue = market(core)
    assert venue.sell("ann", 21, 100, **STANDBY) == ["reject ann #1 NO_CAPACITY"]
    assert venue.sell("ann", 20, 100, **STANDBY)[0].startswith("ack")
    assert venue.sell("ann", 1, 100, **STANDBY) == ["reject ann #3 NO_CAPACITY"]
    assert venue.sell("bob", 1, 100, **STANDBY) == ["reject bob #1 NO_CAPACITY"]


def test_what_was_sold_before_the_gate_counts_mkt_030(core):
    venue = market(core, seconds=-9_000)
    venue.buy("dan", 15, 100)
    venue.sell("ann", 15, 100)
    venue.time(-900)
    assert venue.sell("ann", 6, 100, **STANDBY) == ["reject ann #2 NO_CAPACITY"]
    assert venue.sell("ann", 5, 100, **STANDBY)[0].startswith("ack")


def test_standby_orders_may_be_cancelled_and_replaced_mkt_030(core):
    venue = market(core)
    offers(venue, ("ann", 1, 5, 100))
    assert venue.replace("ann", "o0", 7, 90) == ["ack ann #2 o0", "replaced ann #1 o0 sell 7@90 leaves=7"]
    assert venue.book() == ([], [(90, 7, 1)])
    assert venue.cancel("ann", "o0")[1] == "done ann #1 o0 USER sell 7@90"
    offers(venue, ("ann", 1, 5, 100))
    assert venue.mass_cancel("ann")[1] == "done ann #4 o0.2 USER sell 5@100"


def test_standby_orders_end_with_balancing_mkt_030(core):
    venue = market(core)
    offers(venue, ("ann", 1, 5, 100), ("ann", 1, 5, 90), ("bob", 2, 5, 90))
    assert venue.time(0) == [f"status{where} DELIVERING next=S+3300s" for where in ("", " i2", " i3")]
    assert venue.time(3_300, ns=-1)[6:] == []
    events = venue.time(3_300)
    assert events == [
        "done ann #2 o1 GATE sell 5@90",
        "done ann #1 o0 GATE sell 5@100",
        "status DELIVERING next=S+4500s",
        "done bob i2 #1 o2 GATE sell 5@90",
        "status i2 DELIVERING next=S+4500s",
        "status i3 DELIVERING next=S+4500s",
    ]
    assert venue.balance_buy("dan", 1, 100) == ["reject NOT_OPEN"]


def test_standby_gtd_expires_mkt_030(core):
    venue = market(core)
    venue.sell("ann", 5, 100, tif=3, expiry_ns=moment_ns(60), **STANDBY)
    assert venue.time(60)[0] == "done ann #1 o0 EXPIRED sell 5@100"


def test_lost_session_ends_flagged_standby_orders_mkt_030(core):
    venue = market(core)
    venue.sell("ann", 5, 100, flags=36)
    assert venue.do(commands.session_lost(NUMBER["ann"], 0)) == ["done ann #1 o0 COD sell 5@100"]


# BALANCE.


def test_balance_buys_by_price_then_time_mkt_031(core):
    venue = market(core)
    offers(venue, ("ann", 1, 2, 110), ("ann", 1, 2, 100), ("ann", 1, 2, 100), ("ann", 1, 2, 120))
    assert venue.balance_buy("dan", 5, 115) == [
        "ack dan lots=5",
        "fill ann #2 o1 balance sell 2@100 cum=2 m1",
        "fill dan taker balance buy 2@100 cum=2 m1",
        "trade balance 2@100 m1",
        "fill ann #3 o2 balance sell 2@100 cum=2 m2",
        "fill dan taker balance buy 2@100 cum=2 m2",
        "trade balance 2@100 m2",
        "fill ann #1 o0 balance sell 1@110 cum=1 leaves=1 m3",
        "fill dan taker balance buy 1@110 cum=1 m3",
        "trade balance 1@110 m3",
    ]
    assert venue.position("dan")[0] == 5


def test_fabric_itself_goes_first_then_others_by_price_fabric_and_time_mkt_031(core):
    venue = market(core)
    offers(
        venue, ("cat", 3, 1, 95), ("ann", 1, 2, 110), ("bob", 2, 2, 90), ("bob", 2, 1, 95), ("cat", 3, 1, 90),
        ("bob", 2, 1, 90),
    )  # fmt: skip
    events = venue.balance_buy("dan", 9, 110)
    assert events[0] == "ack dan lots=8"
    assert trades(events) == [
        "balance 2@110", "i2 balance 2@90", "i2 balance 1@90", "i3 balance 1@90", "i2 balance 1@95", "i3 balance 1@95",
    ]  # fmt: skip


def test_receivers_and_excluded_groups_are_passed_over_mkt_031(core):
    venue = market(core)
    offers(venue, ("ann", 1, 2, 90), ("bob", 2, 2, 90), ("cat", 3, 2, 91))
    assert trades(venue.balance_buy("ann2", 1, 99)) == ["i2 balance 1@90"]
    assert trades(venue.balance_buy("dan", 1, 99, exclude=["ann2", "bob"])) == ["i3 balance 1@91"]
    assert venue.balance_buy("dan", 1, 99, exclude=["ann", "bob", "cat"]) == ["ack dan"]
    assert venue.book() == ([], [(90, 2, 1)])
    assert venue.book(2) == ([], [(90, 1, 1)])


def test_nothing_is_paid_above_the_limit_mkt_031(core):
    venue = market(core)
    offers(venue, ("ann", 1, 2, 90), ("bob", 2, 2, 91))
    assert venue.balance_buy("dan", 9, 89) == ["ack dan"]
    assert trades(venue.balance_buy("dan", 9, 90)) == ["balance 2@90"]


def test_other_windows_and_products_do_not_count_mkt_031(core):
    venue = market(core, seconds=2_700)
    offers(venue, ("ann", 4, 2, 90))
    assert venue.balance_buy("dan", 9, 99) == ["ack dan"]
    assert trades(venue.balance_buy("dan", 9, 99, hour=1, fabric="f3")) == ["i4 balance 2@90"]


@pytest.mark.parametrize("seconds", [-9_000, -901, 3_300, 4_500])
def test_balance_needs_a_window_in_which_standby_sells_may_rest_mkt_031(core, seconds):
    assert market(core, seconds=seconds).balance_buy("dan", 1, 100) == ["reject NOT_OPEN"]


FIELDS = {"account": "dan", "product": "P", "fabric": "f1", "start": WINDOW, "lots": 1, "px": 100}


@pytest.mark.parametrize(("change", "reason"), [
    ({"exclude": [5]}, "MALFORMED"),
    ({"exclude": "ann"}, "MALFORMED"),
    ({"count": 1}, "MALFORMED"),
    ({"px": None}, "MALFORMED"),
    ({"fabric": None}, "MALFORMED"),
    ({"product": "Q", "px": -1}, "NO_PRODUCT"),
    ({"fabric": "f4", "px": -1}, "NO_FABRIC"),
    ({"start": 999, "px": -1}, "NO_INSTRUMENT"),
    ({"start": 1_001, "px": -1}, "NOT_OPEN"),
    ({"px": -1, "lots": 0}, "PX_TICK"),
    ({"px": (1 << 30) + 1, "lots": 0}, "PX_TICK"),
    ({"lots": 0, "account": "eve"}, "QTY_LOT"),
    ({"lots": -1}, "QTY_LOT"),
    ({"account": "eve"}, "NO_ACCOUNT"),
    ({"exclude": ["eve"]}, "NO_ACCOUNT"),
])  # fmt: skip
def test_refused_balance_changes_nothing_mkt_031(core, change, reason):
    venue = market(core)
    offers(venue, ("ann", 1, 2, 90))
    before = venue.core.dump()[8:]
    assert venue.do(commands.admin(229, FIELDS | change)) == [f"reject {reason}"]
    assert venue.core.dump()[8:] == before


def test_fabric_whose_gate_is_still_to_come_is_left_alone_mkt_031(core):
    venue = market(core, seconds=-9_000, random_end_s=60, seed=3)
    for name, instrument in (("ann", 1), ("bob", 2), ("cat", 3)):
        venue.do(venue.order(name, 1, 5, 50, instrument=instrument))  # Hourly sells, before the gate.
    for second in range(60):
        venue.time(-900 + second)
        balancing = [handle for handle in (1, 2, 3) if venue.core.is_balancing(handle)]
        if 1 <= len(balancing) < 3:
            events = venue.balance_buy("dan", 9, 100, fabric=f"f{balancing[0]}")
            assert events == ["ack dan"]
            return
    raise AssertionError("the seed must part the gates of the fabrics")


# Purchases.


def test_purchase_is_told_to_both_and_to_all_mkt_032(core):
    venue = market(core, maker_fee_ppm=10_000, taker_fee_ppm=20_000)
    venue.do(venue.order("ann", 1, 4, 100, lane=2, **STANDBY))
    events = venue.run(commands.balance("dan", "P", "f1", WINDOW, lots=3, px=100))
    assert [line(event) for event in events] == [
        "ack dan lots=3",
        "fill ann lane=2 #1 o0 balance sell 3@100 cum=3 leaves=1 m1 fee=3",
        "fill dan taker balance buy 3@100 cum=3 m1",
        "trade balance 3@100 m1",
        "level sell 100: 1 in 1",
    ]
    assert (events[2]["oid"], events[2]["ref"], events[2]["lane"]) == (0, 0, 0)
    assert events[2]["flags"] & EventFlag.BALANCE
    assert (venue.balance("ann"), venue.balance("dan"), venue.core.balance(0)) == (-3, 0, 3)


def test_what_was_not_to_be_had_is_not_remembered_mkt_032(core):
    venue = market(core)
    assert venue.balance_buy("dan", 5, 100) == ["ack dan"]
    assert venue.sell("ann", 5, 100, **STANDBY) == ["ack ann #1 o0 sell 5@100 leaves=5"]


def test_purchase_is_carried_at_the_mark_mkt_032(core):
    venue = market(core)
    venue.mark(80)
    offers(venue, ("ann", 1, 5, 100))
    venue.balance_buy("dan", 5, 100)
    assert (venue.balance("ann"), venue.balance("dan")) == (100, -100)
    assert venue.position("dan") == (5, 0, 0, 0)


def test_purchases_need_no_margin_and_evaluate_the_requirement_mkt_032(core):
    venue = market(core)
    venue.run(commands.set_rates("P", WINDOW, long_micros=7, short_micros=9))
    venue.deposit("ann", 1_000)
    offers(venue, ("ann", 1, 5, 100))
    assert venue.balance_buy("dan", 3, 100)[0] == "ack dan lots=3"
    assert venue.position("dan")[3] == 21
    assert venue.position("ann")[3] == 45


def test_purchase_behind_the_gate_moves_no_nodes_mkt_032(core):
    venue = market(core)
    offers(venue, ("ann", 1, 5, 100))
    before = venue.engine.nodes.canonical()
    venue.balance_buy("dan", 3, 100)
    assert venue.engine.nodes.canonical() == before
    assert "perished 17 of 20" in venue.time(4_500)


def test_standby_sells_wake_no_block_mkt_032(core):
    venue = market(core)
    venue.block("dan", 0, 1, 900, hour=1, hours=1, scope=3)
    assert venue.sell("ann", 5, 1, **STANDBY) == ["ack ann #1 o1 sell 5@1 leaves=5"]
