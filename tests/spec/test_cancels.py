"""Cancel, mass cancel and lost sessions (CXL rules of docs/spec/orders.md)."""

import pytest
from venue import WINDOW

from exchange import commands
from exchange.records import CommandType, EventType, SessionNote


def test_cancel_is_acknowledged_then_done_cxl_001(venue):
    venue.buy("ann", 5, 100)
    assert venue.cancel("ann", "o0") == ["ack ann #2 o0", "done ann #1 o0 USER buy 5@100"]
    assert venue.do(commands.cancel_ref(1, 3, 1)) == ["reject ann #3 NO_ORDER"]


def build_book(venue):
    """Orders of ann in both instruments; instrument 2 was used first."""
    venue.sell("ann", 1, 110, instrument=2, tag=7)
    venue.buy("ann", 2, 100, tag=7, lane=1)
    venue.sell("ann", 3, 110)
    venue.buy("ann", 4, 100, instrument=2)
    venue.quote("ann", (1, 99, 5, 111, 0, 1, 0, 0, 7))
    venue.buy("ann2", 6, 98)


EVERY = ["o0", "o3", "o1", "o2", "o4"]


@pytest.mark.parametrize(
    ("filters", "ended"),
    [
        ({}, EVERY),
        ({"instrument": 1}, ["o1", "o2", "o4"]),
        ({"instrument": 77}, []),
        ({"product": 1}, EVERY),
        ({"product": 2}, []),
        ({"side": 0}, ["o3", "o1", "o4"]),
        ({"side": 1}, ["o0", "o2"]),
        ({"windows": (WINDOW, WINDOW + 1)}, ["o1", "o2", "o4"]),
        ({"windows": (WINDOW + 1, WINDOW + 9)}, ["o0", "o3"]),
        ({"windows": (WINDOW, WINDOW)}, []),
        ({"tag": 7}, ["o0", "o1", "o4"]),
        ({"tag": 0}, ["o3", "o2"]),
        ({"placed_in": 0}, ["o0", "o3", "o2"]),
        ({"placed_in": 1}, ["o1"]),
        ({"tag": 7, "side": 0, "instrument": 1}, ["o1", "o4"]),
    ],
)
def test_filters_all_have_to_match_cxl_002(venue, filters, ended):
    build_book(venue)
    events = venue.mass_cancel("ann", **filters)
    answer = "ack ann #5" + (f" lots={len(ended)}" if ended else "")
    assert events[0] == answer
    assert [next(word for word in event.split() if word[0] == "o") for event in events[1:]] == ended
    assert all("USER" in event for event in events[1:])


def test_replaced_order_keeps_its_entry_cxl_002(venue):
    venue.buy("ann", 1, 100)
    venue.buy("ann", 2, 100)
    venue.replace("ann", "o0", 5, 99)
    assert venue.mass_cancel("ann")[1:] == ["done ann #1 o0 USER buy 5@99", "done ann #2 o1 USER buy 2@100"]


def test_mass_cancel_needs_an_account_cxl_002(venue):
    assert venue.do(commands.mass_cancel(0, 1)) == ["reject #1 NO_ACCOUNT"]


@pytest.mark.parametrize("fields", [{"flags": 64}, {"flags": 4, "side": 2}, {"flags": 0x8000}])
def test_unknown_filters_are_malformed_cxl_003(venue, fields):
    venue.buy("ann", 5, 100)
    assert venue.do(commands.record(CommandType.MASS_CANCEL, account=1, ref=2, **fields)) == ["reject ann #2 MALFORMED"]


def test_side_without_its_filter_is_ignored_cxl_003(venue):
    assert venue.do(commands.record(CommandType.MASS_CANCEL, account=1, ref=2, side=9)) == ["ack ann #2"]


def test_lost_session_ends_flagged_orders_of_the_lane_cxl_004(venue):
    venue.buy("ann", 1, 100, flags=4, lane=1)
    venue.buy("ann", 2, 100, lane=1)
    venue.buy("ann", 3, 100, flags=4, lane=2)
    venue.buy("ann2", 4, 100, flags=4, lane=1)
    venue.quote("ann", (1, 99, 5, 111, 0, 1), lane=1)
    assert venue.do(commands.session_lost(1, 1)) == ["done ann lane=1 #1 o0 COD buy 1@100"]
    assert venue.do(commands.session_lost(1, 1)) == []


def test_lost_session_may_end_every_order_of_the_lane_cxl_004(venue):
    venue.sell("ann", 1, 110, instrument=2, lane=1)
    venue.buy("ann", 2, 100, lane=1)
    venue.sell("ann", 3, 110, flags=4, lane=1, instrument=2)
    venue.buy("ann", 4, 100)
    assert venue.do(commands.session_lost(1, 1, every=True)) == [
        "done ann lane=1 i2 #1 o0 COD sell 1@110",
        "done ann lane=1 i2 #3 o2 COD sell 3@110",
        "done ann lane=1 #2 o1 COD buy 2@100",
    ]


def test_lost_session_may_end_every_order_of_the_account_cxl_004(venue):
    venue.buy("ann", 1, 100, lane=1)
    venue.buy("ann", 2, 101, flags=4, lane=2)
    venue.buy("ann2", 4, 100, flags=4, lane=1)
    venue.quote("ann", (1, 99, 5, 111, 6, 1), lane=1)
    assert venue.do(commands.session_lost(1, 1, whole_account=True, deadman=True)) == [
        "done ann lane=1 #1 o0 DEADMAN buy 1@100",
        "done ann lane=2 #1 o1 DEADMAN buy 2@101",
        "done ann lane=1 o3 quote DEADMAN buy 5@99",
        "done ann lane=1 o4 quote DEADMAN sell 6@111",
    ]
    assert venue.do(commands.session_lost(1, 1, whole_account=True)) == []


def test_a_dead_man_switch_of_a_lane_cxl_004(venue):
    venue.buy("ann", 1, 100, lane=1)
    venue.buy("ann", 2, 101, lane=2)
    assert venue.do(commands.session_lost(1, 1, every=True, deadman=True)) == [
        "done ann lane=1 #1 o0 DEADMAN buy 1@100"
    ]


@pytest.mark.parametrize("fields", [{"side": 3}, {"tif": 2}])
def test_lost_session_that_makes_no_sense_cxl_004(venue, fields):
    venue.buy("ann", 1, 100, flags=4, lane=1)
    assert venue.do(commands.record(CommandType.SESSION_LOST, account=1, lane=1, **fields)) == [
        "reject ann lane=1 MALFORMED"
    ]


@pytest.mark.parametrize("note", [*SessionNote])
def test_what_a_session_has_asked_for_is_told_cxl_006(venue, note):
    before = venue.engine.core.resting(1, 0)
    (event,) = venue.run(commands.session(1, 7, note, 5_000))
    told = {name: int(event[name]) for name in ("type", "account", "lane", "reason", "amount")}
    assert told == {"type": EventType.SESSION, "account": 1, "lane": 7, "reason": note, "amount": 5_000}
    assert venue.engine.core.resting(1, 0) == before


@pytest.mark.parametrize(
    ("account", "fields", "reason"), [(0, {}, 113), (99, {}, 113), (1, {"side": 6}, 100), (1, {"amount": -1}, 100)]
)
def test_a_note_that_makes_no_sense_cxl_006(venue, account, fields, reason):
    (event,) = venue.run(commands.record(CommandType.SESSION, account=account, lane=2, **fields))
    assert (event["type"], event["reason"], event["account"], event["lane"]) == (34, reason, account, 2)


def test_lost_session_of_an_unknown_account_cxl_004(venue):
    assert venue.do(commands.session_lost(0, 3)) == ["reject lane=3 NO_ACCOUNT"]
    (event,) = venue.run(commands.session_lost(99, 0))
    assert (event["type"], event["reason"], event["account"]) == (34, 113, 99)
