"""Replace (RPL rules of docs/spec/orders.md)."""

import pytest
from venue import NUMBER, Venue

from exchange import commands
from exchange.records import CommandType
from exchange.units import LOTS_MAX, POSITION_MAX, PRICE_MAX_TICKS


def test_lots_are_the_total_filled_part_included_rpl_001(venue):
    venue.sell("ann", 9, 100)
    venue.buy("bob", 4, 100)
    assert venue.replace("ann", "o0", 7, 100) == ["ack ann #2 o0", "replaced ann #1 o0 sell 7@100 cum=4 leaves=3"]
    assert venue.replace("ann", "o0", 4, 100) == ["ack ann #3 o0", "done ann #1 o0 USER sell 3@100 cum=4"]


def test_replace_below_the_filled_part_ends_the_order_rpl_001(venue):
    venue.sell("ann", 9, 100)
    venue.buy("bob", 4, 100)
    assert venue.replace("ann", "o0", 1, 999, flags=8)[1] == "done ann #1 o0 USER sell 5@100 cum=4"


BAD_REPLACES = [
    ({"stp": 4, "price": -1}, "MALFORMED"),
    ({"flags": 1}, "MALFORMED"),
    ({"flags": 16}, "MALFORMED"),
    ({"lots_2": 1}, "MALFORMED"),
    ({"amount": 1}, "MALFORMED"),
    ({"price": -1, "lots": 0}, "PX_TICK"),
    ({"price": PRICE_MAX_TICKS + 1}, "PX_TICK"),
    ({"lots": 0, "target": 0}, "QTY_LOT"),
    ({"lots": LOTS_MAX + 1, "target": 0}, "QTY_MAX"),
    ({"target": 0}, "NO_ORDER"),
    ({"lots": 2_002}, "QTY_MAX"),  # The target shows 2 lots at a time and has a lot filled: 1,001 parts.
    ({"price": 110, "flags": 8}, "WOULD_TAKE"),
    ({"price": 105, "flags": 8}, "PRIORITY"),
    ({"lots": 11, "flags": 8}, "PRIORITY"),
]


@pytest.mark.parametrize(("change", "reason"), BAD_REPLACES)
def test_checks_in_order_rpl_002(venue, change, reason):
    venue.buy("ann", 10, 100, flags=1, display=2)
    venue.sell("bob", 1, 100)
    venue.sell("bob", 5, 110)
    before = venue.book()
    fields = {"target": 1 << 28, "price": 100, "lots": 8} | change
    record = commands.record(CommandType.REPLACE, account=1, ref=2, **fields)
    assert venue.do(record) == [f"reject ann #2 {reason}"]
    assert venue.book() == before


def test_value_of_the_new_leaves_is_limited_rpl_002(core):
    venue = Venue(core(), lot_scu=1 << 20, tick_micros=1 << 20)
    venue.buy("ann", 1, 1 << 11)
    assert venue.replace("ann", "o0", (1 << 11) + 1, 1 << 11) == ["reject ann #2 QTY_MAX"]
    assert venue.replace("ann", "o0", 1 << 11, 1 << 11)[0] == "ack ann #3 o0"


def test_reduce_only_counts_without_the_old_leaves_rpl_002(venue):
    venue.sell("bob", 5, 100)
    venue.buy("ann", 5, 100)
    venue.sell("ann", 4, 110, flags=2)
    assert venue.replace("ann", "o1.2", 6, 110) == ["reject ann #3 REDUCE_ONLY"]
    assert venue.replace("ann", "o1.2", 5, 110)[0] == "ack ann #4 o1.2"


def test_margin_counts_without_the_old_leaves_rpl_002(venue):
    venue.rates(100, 100)
    venue.deposit("ann", 500)
    venue.buy("ann", 5, 100)
    assert venue.replace("ann", "o0", 6, 100) == ["reject ann #2 MARGIN"]
    assert venue.replace("ann", "o0", 5, 101)[0] == "ack ann #3 o0"


def test_position_limit_counts_without_the_old_leaves_rpl_002(venue):
    venue.buy("ann", LOTS_MAX, 1)
    venue.sell("ann", POSITION_MAX - LOTS_MAX, 2)
    assert venue.replace("ann", "o1", LOTS_MAX, 3) == ["reject ann #3 POSITION_LIMIT"]
    assert venue.replace("ann", "o1", LOTS_MAX - 1, 3)[0] == "ack ann #4 o1"


def test_shrink_is_not_checked_for_margin_rpl_002(venue):
    venue.buy("ann", 5, 100)
    venue.rates(100, 100)
    assert venue.replace("ann", "o0", 4, 100)[1] == "replaced ann #1 o0 buy 4@100 leaves=4"
    assert venue.replace("ann", "o0", 4, 99) == ["ack ann #3 o0", "replaced ann #1 o0 buy 4@99 leaves=4"]
    assert venue.replace("ann", "o0", 5, 99) == ["reject ann #4 MARGIN"]


def test_kept_priority_is_granted_rpl_002(venue):
    venue.buy("ann", 5, 100)
    assert venue.replace("ann", "o0", 4, 100, flags=8)[1] == "replaced ann #1 o0 buy 4@100 leaves=4"


def test_replace_trades_as_a_new_order_rpl_003(venue):
    venue.sell("bob", 2, 105)
    venue.buy("ann", 5, 100, lane=2)
    assert venue.replace("ann", "o1", 6, 106, lane=3) == [
        "ack ann lane=3 #1 o1",
        "replaced ann lane=2 #1 o1 buy 6@106 leaves=6",
        "fill bob #1 o0 sell 2@105 cum=2 m1",
        "fill ann lane=2 #1 o1 taker buy 2@105 cum=2 leaves=4 m1",
        "trade buy 2@105 m1",
    ]
    assert venue.book() == ([(106, 4, 1)], [])


def test_replace_by_ref_rpl_003(venue):
    venue.buy("ann", 5, 100)
    assert venue.do(commands.replace_ref(NUMBER["ann"], 2, 1, 99, 3)) == [
        "ack ann #2 o0",
        "replaced ann #1 o0 buy 3@99 leaves=3",
    ]
    assert venue.do(commands.replace_ref(NUMBER["ann"], 3, 2, 99, 3)) == ["reject ann #3 NO_ORDER"]


def test_orders_of_a_quote_cannot_be_replaced_or_cancelled_rpl_003(venue):
    venue.quote("ann", (1, 99, 5, 111, 0))
    assert venue.replace("ann", "o0", 3, 99) == ["reject ann #2 NO_ORDER"]
    assert venue.cancel("ann", "o0") == ["reject ann #3 NO_ORDER"]
    assert venue.do(commands.cancel_ref(1, 4, 0)) == ["reject ann #4 NO_ORDER"]


def test_replaced_order_that_fills_gives_its_slot_back_rpl_003(venue):
    venue.sell("bob", 5, 105)
    venue.buy("ann", 5, 100)
    venue.replace("ann", "o1", 5, 105)
    assert venue.buy("cat", 1, 90)[0] == "ack cat #1 o1.2 buy 1@90 leaves=1"
    assert venue.do(commands.cancel_ref(1, 3, 1)) == ["reject ann #3 NO_ORDER"]
