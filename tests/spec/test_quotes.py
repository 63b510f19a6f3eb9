"""Quotes and mass quotes (QTE rules of docs/spec/orders.md)."""

import pytest
from venue import GATE_NS, Venue

from exchange import commands
from exchange.commands import Leg
from exchange.reasons import RejectReason
from exchange.records import CommandType
from exchange.units import LOTS_MAX, PRICE_MAX_TICKS


def test_quote_places_both_sides_qte_001(venue):
    assert venue.quote("ann", (1, 99, 5, 101, 6, 3), lane=2) == [
        "ack ann lane=2 #1",
        "ack ann lane=3 o0 quote buy 5@99 leaves=5",
        "ack ann lane=3 o1 quote sell 6@101 leaves=6",
    ]


def test_quote_replaces_the_earlier_one_of_its_set_only_qte_001(venue):
    venue.quote("ann", (1, 99, 5, 101, 5, 0))
    venue.quote("ann", (1, 98, 5, 102, 5, 1))
    venue.quote("ann", (2, 99, 5, 101, 5, 0))
    assert venue.quote("ann", (1, 97, 5, 103, 5, 1)) == [
        "ack ann #4",
        "done ann lane=1 o2 quote QUOTE buy 5@98",
        "done ann lane=1 o3 quote QUOTE sell 5@102",
        "ack ann lane=1 o3.2 quote buy 5@97 leaves=5",
        "ack ann lane=1 o2.2 quote sell 5@103 leaves=5",
    ]
    assert venue.book() == ([(99, 5, 1), (97, 5, 1)], [(101, 5, 1), (103, 5, 1)])


def test_mass_quote_is_a_run_of_legs_with_one_ref_qte_001(venue):
    assert venue.quote("ann", (1, 99, 5, 101, 0), (2, 99, 0, 101, 6)) == [
        "ack ann #1",
        "ack ann o0 quote buy 5@99 leaves=5",
        "ack ann i2 #1 lots=1",
        "ack ann i2 o1 quote sell 6@101 leaves=6",
    ]


def test_repeated_legs_are_answered_with_the_outcome_of_leg_0_qte_001(venue):
    records = commands.quote(1, 1, [Leg(9, 99, 5, 101, 0), Leg(1, 99, 5, 101, 6)])
    assert venue.do(records)[:2] == ["reject ann i9 #1 NO_INSTRUMENT", "ack ann #1 lots=1"]
    assert venue.do(records) == ["reject ann #1 duplicate NO_INSTRUMENT"] * 2
    assert venue.book() == ([(99, 5, 1)], [(101, 6, 1)])


def test_leg_out_of_turn_is_a_duplicate_qte_001(venue):
    legs = [commands.record(CommandType.QUOTE, account=1, ref=1, instrument=1, price=99, lots=leg + 1,
                            target=leg | 4 << 32) for leg in range(4)]  # fmt: skip
    assert venue.do(legs[0])[0] == "ack ann #1"
    assert venue.do(legs[2]) == ["ack ann #1 duplicate"]
    assert venue.do(legs[1])[0] == "ack ann #1 lots=1"
    assert venue.do(legs[1]) == ["ack ann #1 duplicate"]
    assert venue.do(legs[2])[0] == "ack ann #1 lots=2"
    venue.do(commands.cancel(1, 2, 0))
    assert venue.do(legs[3]) == ["ack ann #1 duplicate"]  # Another command has ended the run.


def test_leg_after_a_place_with_its_ref_is_a_duplicate_qte_001(venue):
    venue.do(commands.place(1, 1, 1, 0, 90, 5))
    leg = commands.record(CommandType.QUOTE, account=1, ref=1, instrument=1, price=99, lots=1, target=0 | 2 << 32)
    assert venue.do(leg) == ["ack ann #1 o0 duplicate"]


BAD_LEGS = [
    ({"lots": -1, "instrument": 9}, "MALFORMED"),
    ({"lots_2": -1}, "MALFORMED"),
    ({"stp": 4}, "MALFORMED"),
    ({"flags": 2}, "MALFORMED"),
    ({"flags": 4}, "MALFORMED"),
    ({"target": 0}, "MALFORMED"),
    ({"target": 1 | 1 << 32}, "MALFORMED"),
    ({"price": 101}, "MALFORMED"),
    ({"instrument": 0, "price": -1}, "NO_INSTRUMENT"),
    ({"instrument": 3}, "NO_INSTRUMENT"),
    ({"price": -1, "lots": LOTS_MAX + 1}, "PX_TICK"),
    ({"price_2": PRICE_MAX_TICKS + 1}, "PX_TICK"),
    ({"lots": LOTS_MAX + 1}, "QTY_MAX"),
    ({"lots_2": LOTS_MAX + 1}, "QTY_MAX"),
]


@pytest.mark.parametrize(("change", "reason"), BAD_LEGS)
def test_checks_of_a_leg_qte_002(venue, change, reason):
    fields = {"instrument": 1, "price": 99, "lots": 5, "price_2": 101, "lots_2": 5, "target": 1 << 32} | change
    (event,) = venue.run(commands.record(CommandType.QUOTE, account=1, ref=1, **fields))
    assert (event["type"], RejectReason(event["reason"]).name) == (34, reason)
    assert venue.book() == ([], [])


def test_leg_of_a_closed_window_qte_002(venue):
    venue.do(commands.time(GATE_NS))
    assert venue.quote("ann", (1, -1, 5, 101, 5)) == ["reject ann #1 WINDOW_CLOSED"]


def test_price_of_an_empty_side_does_not_matter_qte_002(venue):
    assert venue.quote("ann", (1, -5, 0, 101, 5))[1:] == ["ack ann o0 quote sell 5@101 leaves=5"]
    assert venue.quote("ann", (1, 99, 5, -1, 0))[0] == "ack ann #2"


def test_refused_leg_tells_its_number_and_keeps_the_earlier_quote_qte_002(venue):
    venue.quote("ann", (1, 99, 5, 101, 5))
    assert venue.quote("ann", (1, 98, 5, 102, 5), (1, 102, 5, 101, 5))[-1] == "reject ann #2 MALFORMED lots=1"
    assert venue.book() == ([(98, 5, 1)], [(102, 5, 1)])


def test_value_of_a_leg_is_limited_qte_002(core):
    venue = Venue(core(), lot_scu=1 << 20, tick_micros=1 << 20)
    assert venue.quote("ann", (1, 0, 0, 1 << 11, (1 << 11) + 1)) == ["reject ann #1 QTY_MAX"]


def test_smaller_side_keeps_its_priority_qte_003(venue):
    venue.quote("ann", (1, 99, 5, 101, 5))
    venue.buy("bob", 5, 99)
    assert venue.quote("ann", (1, 99, 3, 102, 5)) == [
        "ack ann #2",
        "replaced ann o0 quote buy 3@99 leaves=3",
        "done ann o1 quote QUOTE sell 5@101",
        "ack ann o1.2 quote sell 5@102 leaves=5",
    ]
    assert venue.sell("cat", 1, 99)[1].startswith("fill ann")


def test_unchanged_side_is_silent_qte_003(venue):
    venue.quote("ann", (1, 99, 5, 101, 5))
    assert venue.quote("ann", (1, 99, 5, 101, 5)) == ["ack ann #2"]
    assert venue.levels(venue.legs("ann", (1, 99, 5, 101, 5))) == []


def test_larger_side_loses_its_priority_qte_003(venue):
    venue.quote("ann", (1, 99, 5, 101, 0))
    venue.buy("bob", 5, 99)
    venue.quote("ann", (1, 99, 6, 101, 0))
    assert venue.sell("cat", 1, 99)[1].startswith("fill bob")


def test_empty_side_is_withdrawn_qte_003(venue):
    venue.quote("ann", (1, 99, 5, 101, 5))
    assert venue.quote("ann", (1, 99, 0, 101, 0)) == [
        "ack ann #2",
        "done ann o0 quote USER buy 5@99",
        "done ann o1 quote USER sell 5@101",
    ]


def test_partly_filled_side_is_compared_by_its_leaves_qte_003(venue):
    venue.quote("ann", (1, 99, 5, 101, 0))
    venue.sell("bob", 2, 99)
    assert venue.quote("ann", (1, 99, 4, 101, 0))[1:] == [
        "done ann o0 quote QUOTE buy 3@99 cum=2",
        "ack ann o0.2 quote buy 4@99 leaves=4",
    ]
    assert venue.quote("ann", (1, 99, 4, 101, 0)) == ["ack ann #3"]


def test_earlier_sides_end_before_new_ones_trade_qte_003(venue):
    venue.quote("ann", (1, 99, 5, 101, 5))
    assert venue.quote("ann", (1, 102, 5, 104, 5))[1:3] == [
        "done ann o0 quote QUOTE buy 5@99",
        "done ann o1 quote QUOTE sell 5@101",
    ]
    assert venue.book() == ([(102, 5, 1)], [(104, 5, 1)])


def test_side_is_refused_alone_qte_003(venue):
    venue.sell("bob", 5, 100)
    assert venue.quote("ann", (1, 100, 5, 101, 5, 2, 0, 1)) == [
        "ack ann #1",
        "reject ann lane=2 quote WOULD_TAKE buy 0@100",
        "ack ann lane=2 o1 quote sell 5@101 leaves=5",
    ]


def test_side_refused_for_margin_position_and_room_qte_003(core):
    venue = Venue(core(account_orders_max=1))
    assert venue.quote("ann", (1, 99, 5, 101, 5))[-1] == "reject ann quote OPEN_LIMIT sell 0@101"
    assert venue.quote("bob", (1, 99, LOTS_MAX, 101, LOTS_MAX))[-1] == "reject bob quote POSITION_LIMIT sell 0@101"
    venue.rates(0, 1)
    assert venue.quote("cat", (1, 99, 5, 101, 5))[1:] == [
        "ack cat o2 quote buy 5@99 leaves=5",
        "reject cat quote MARGIN sell 0@101",
    ]


def test_sides_trade_with_the_modes_of_the_leg_qte_003(venue):
    venue.sell("bob", 2, 100)
    venue.sell("ann2", 2, 100)
    assert venue.quote("ann", (1, 100, 5, 101, 5, 0, 1)) == [
        "ack ann #1",
        "ack ann o2 quote buy 5@100 leaves=5",
        "fill bob #1 o0 sell 2@100 cum=2 m1",
        "fill ann o2 quote taker buy 2@100 cum=2 leaves=3 m1",
        "trade buy 2@100 m1",
        "done ann o2 quote STP buy 3@100 cum=2",
        "ack ann o2.2 quote sell 5@101 leaves=5",
    ]


def test_new_orders_have_the_legs_tag_qte_003(venue):
    venue.quote("ann", (1, 99, 5, 101, 5, 0, 0, 0, 7))
    venue.quote("ann", (1, 99, 4, 102, 5, 0, 0, 0, 8))
    assert venue.mass_cancel("ann", tag=7)[1:] == ["done ann o0 quote USER buy 4@99"]
    assert venue.mass_cancel("ann", tag=8)[1:] == ["done ann o1.2 quote USER sell 5@102"]


def test_events_of_a_quotes_orders_qte_004(venue):
    venue.quote("ann", (1, 99, 5, 101, 5, 200), lane=9)
    events = venue.run(venue.order("bob", 1, 2, 99))
    fill = next(event for event in events if event["type"] == 35 and event["account"] == 1)
    assert (fill["flags"], fill["lane"], fill["ref"]) == (8, 200, 0)


def test_filled_side_is_forgotten_qte_004(venue):
    venue.quote("ann", (1, 99, 5, 101, 5))
    venue.sell("bob", 5, 99)
    assert venue.quote("ann", (1, 98, 5, 101, 5))[1:] == ["ack ann o2.2 quote buy 5@98 leaves=5"]
