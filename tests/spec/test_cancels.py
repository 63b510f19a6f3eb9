"""Cancel, mass cancel and lost sessions (CXL rules of docs/spec/orders.md)."""

import pytest
from venue import WINDOW

from exchange import commands
from exchange.records import CommandType


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


def test_lost_session_of_an_unknown_account_cxl_004(venue):
    assert venue.do(commands.session_lost(0, 3)) == ["reject lane=3 NO_ACCOUNT"]
    (event,) = venue.run(commands.session_lost(99, 0))
    assert (event["type"], event["reason"], event["account"]) == (34, 113, 99)
