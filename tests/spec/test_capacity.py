"""Capacity: who may deliver what, shorts at the gate, nodes (MKT-020 to MKT-024 of docs/spec/windows.md)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from venue import WINDOW, Venue, line

from exchange import commands
from exchange.delivery.nodes import Node, Provider, assign
from exchange.records import EventFlag, EventType


def market(core, **terms):
    """Two fabrics, three windows; it is S-9000s."""
    return Venue(core(), **{"fabrics": ["f1", "f2"], "count": 3, "start_s": -9_000} | terms)


def at(hour, fabric=0):
    return 1 + 2 * hour + fabric


PHYSICAL = {"flags": 16}


# CERTIFY.


def test_capacity_is_told_for_each_window_mkt_020(core):
    venue = market(core)
    assert venue.certify("ann", 5, count=3, fabric="f2") == [
        "ack ann lots=3",
        "capacity ann i2 lots=5",
        "capacity ann i4 lots=5",
        "capacity ann i6 lots=5",
    ]
    assert venue.certify("ann", 0, fabric="f2", hour=1) == ["ack ann lots=1", "capacity ann i4"]
    assert venue.core.holdings(4) == [(1, 0, 0)]
    assert venue.core.holdings(6) == [(1, 0, 5)]


def test_fabric_may_have_several_providers_mkt_020(core):
    venue = market(core)
    venue.certify("cat", 5)
    assert venue.certify("bob", 4) == ["ack bob lots=1", "capacity bob lots=4"]
    assert venue.certify("cat", 3, hour=2)[0] == "ack cat lots=1"
    assert venue.certify("bob", 5, fabric="f2")[0] == "ack bob lots=1"
    assert venue.core.holdings(1) == [(3, 0, 5), (2, 0, 4)]
    assert venue.certify("cat", 0)[0] == "ack cat lots=1"
    assert venue.engine.nodes.canonical() == b"provider 1 0 2\nprovider 1 0 3\nprovider 1 1 2\n"


FIELDS = {"account": "ann", "product": "P", "fabric": "f1", "start": WINDOW, "lots": 5}


@pytest.mark.parametrize(("change", "reason"), [
    ({"lots": -1, "start": 1}, "MALFORMED"),
    ({"lots": 65_537, "start": 1}, "MALFORMED"),
    ({"count": 0}, "MALFORMED"),
    ({"lots": True}, "MALFORMED"),
    ({"fabric": None}, "MALFORMED"),
    ({"color": 1}, "MALFORMED"),
    ({"product": "Q", "fabric": "f9", "account": "eve"}, "NO_PRODUCT"),
    ({"fabric": "f9", "start": 1, "account": "eve"}, "NO_FABRIC"),
    ({"start": 1, "account": "eve"}, "NO_INSTRUMENT"),
    ({"count": 4}, "NO_INSTRUMENT"),
    ({"account": "eve"}, "NO_ACCOUNT"),
    ({"account": ""}, "NO_ACCOUNT"),
])  # fmt: skip
def test_capacity_that_makes_no_sense_is_refused_mkt_020(core, change, reason):
    venue = market(core)
    before = venue.engine.state_hash(), venue.core.dump()[8:]
    assert venue.do(commands.admin(228, FIELDS | change)) == [f"reject {reason}"]
    assert venue.core.dump()[8:] == before[1]
    assert venue.engine.nodes.canonical() == b""


def test_most_lots_may_be_certified_mkt_020(core):
    venue = market(core)
    assert venue.certify("ann", 65_536)[0] == "ack ann lots=1"


@pytest.mark.parametrize("seconds", [-900, 0, 4_500])
def test_windows_behind_their_gate_are_closed_mkt_020(core, seconds):
    venue = market(core)
    venue.time(seconds)
    assert venue.certify("ann", 5, count=3) == ["reject WINDOW_CLOSED"]
    assert venue.core.holdings(at(2)) == []
    venue.certify("bob", 5, hour=2)
    assert venue.certify("ann", 5) == ["reject WINDOW_CLOSED"]


@pytest.mark.parametrize("seconds", [-100_000, -61_000, -50_000, -1_000])
def test_capacity_may_be_set_in_every_phase_before_the_gate_mkt_020(core, seconds):
    venue = market(core, start_s=-200_000, open_lead_s=3_600, open_call_s=600, preclose_s=300)
    venue.time(seconds)
    assert venue.certify("ann", 5)[0] == "ack ann lots=1"


# Physical sells.


def test_physical_sells_are_backed_by_capacity_mkt_021(core):
    venue = market(core)
    assert venue.sell("ann", 1, 100, **PHYSICAL) == ["reject ann #1 NO_CAPACITY"]
    venue.certify("ann", 5)
    assert venue.sell("ann", 6, 100, **PHYSICAL) == ["reject ann #2 NO_CAPACITY"]
    assert venue.sell("ann", 3, 100, **PHYSICAL)[0].startswith("ack")
    assert venue.sell("ann", 3, 100, **PHYSICAL) == ["reject ann #4 NO_CAPACITY"]
    assert venue.sell("ann", 2, 100, **PHYSICAL)[0].startswith("ack")
    assert venue.sell("ann", 9, 100)[0].startswith("ack")  # A financial one needs none,
    assert venue.cancel("ann", "o0")[0].startswith("ack")
    assert venue.sell("ann", 1, 100, **PHYSICAL) == ["reject ann #8 NO_CAPACITY"]  # but it counts.


def test_what_is_sold_counts_mkt_021(core):
    venue = market(core)
    venue.certify("ann", 5)
    venue.buy("bob", 4, 100)
    venue.sell("ann", 4, 100, **PHYSICAL)
    assert venue.sell("ann", 2, 100, **PHYSICAL) == ["reject ann #2 NO_CAPACITY"]
    venue.buy("ann", 2, 101)
    venue.sell("bob", 2, 101)  # Two are bought back.
    assert venue.sell("ann", 3, 110, **PHYSICAL)[0].startswith("ack")
    assert venue.sell("ann", 1, 110, **PHYSICAL) == ["reject ann #5 NO_CAPACITY"]


def test_long_position_is_no_capacity_mkt_021(core):
    venue = market(core)
    venue.sell("bob", 4, 100)
    venue.buy("ann", 4, 100)
    assert venue.sell("ann", 1, 100, **PHYSICAL) == ["reject ann #2 NO_CAPACITY"]


def test_capacity_is_of_one_account_window_and_fabric_mkt_021(core):
    venue = market(core)
    venue.certify("ann", 5, hour=1)
    assert venue.sell("ann", 1, 100, instrument=at(1), **PHYSICAL)[0].startswith("ack")
    assert venue.sell("ann", 1, 100, instrument=at(1, 1), **PHYSICAL) == ["reject ann i4 #2 NO_CAPACITY"]
    assert venue.sell("ann", 1, 100, instrument=at(0), **PHYSICAL) == ["reject ann #3 NO_CAPACITY"]
    assert venue.sell("ann2", 1, 100, instrument=at(1), **PHYSICAL) == ["reject ann2 i3 #1 NO_CAPACITY"]


def test_replaced_physical_sell_is_measured_without_its_old_leaves_mkt_021(core):
    venue = market(core)
    venue.certify("ann", 5)
    venue.sell("ann", 3, 100, **PHYSICAL)
    assert venue.replace("ann", "o0", 6, 100) == ["reject ann #2 NO_CAPACITY"]
    assert venue.replace("ann", "o0", 5, 101)[0].startswith("ack")
    venue.buy("bob", 2, 101)
    assert venue.replace("ann", "o0", 6, 102) == ["reject ann #4 NO_CAPACITY"]
    assert venue.replace("ann", "o0", 5, 102)[1] == "replaced ann #1 o0 sell 5@102 cum=2 leaves=3"


def test_sell_blocks_count_in_each_window_mkt_021(core):
    venue = market(core)
    venue.certify("ann", 5, count=2)
    venue.certify("ann", 3, hour=2)
    assert venue.block("ann", 1, 4, 900, **PHYSICAL) == ["reject ann #1 NO_CAPACITY"]
    assert venue.block("ann", 1, 4, 900, hours=2, **PHYSICAL)[0].startswith("ack")
    assert venue.block("ann", 1, 2, 900, hour=1, hours=2, **PHYSICAL) == ["reject ann #3 NO_CAPACITY"]
    assert venue.sell("ann", 2, 500, instrument=at(1), **PHYSICAL) == ["reject ann i3 #4 NO_CAPACITY"]
    assert venue.sell("ann", 1, 500, instrument=at(1), **PHYSICAL)[0].startswith("ack")
    assert venue.block("ann", 1, 1, 900, hour=1, hours=2, **PHYSICAL) == ["reject ann #6 NO_CAPACITY"]
    assert venue.block("ann", 1, 9, 900)[0].startswith("ack")  # Financial.
    assert venue.sell("ann", 1, 500, instrument=at(2), **PHYSICAL) == ["reject ann i5 #8 NO_CAPACITY"]


def test_physical_block_that_trades_at_once_is_backed_too_mkt_021(core):
    venue = market(core)
    venue.certify("ann", 5, count=3)
    venue.block("bob", 0, 9, 300)
    assert venue.block("ann", 1, 6, 300, **PHYSICAL) == ["reject ann #1 NO_CAPACITY"]
    assert venue.block("ann", 1, 5, 300, **PHYSICAL)[1].startswith("fill bob")
    assert venue.sell("ann", 1, 500, **PHYSICAL) == ["reject ann #3 NO_CAPACITY"]


# Shorts at the gate.


def short_at_the_gate(core, *, mark=100, **terms):
    """bob is 5 short to cat, without capacity; ann provides 9 lots."""
    venue = market(core, **terms)
    venue.certify("ann", 9)
    venue.sell("bob", 5, mark)
    venue.buy("cat", 5, mark)
    return venue


def until_status(venue, seconds=-900):
    """Pass the gate; what happens in window 1 up to its status."""
    events = venue.time(seconds)
    return events[: next(index for index, event in enumerate(events) if event.startswith("status"))]


def test_short_without_capacity_is_bought_in_mkt_021(core):
    venue = short_at_the_gate(core, maker_fee_ppm=10_000, taker_fee_ppm=20_000)
    venue.sell("ann", 3, 110, **PHYSICAL)
    venue.sell("ann", 3, 105, **PHYSICAL)
    events = venue.run(commands.time(venue.now_ns + 8_100 * 10**9))
    told = [line(event) for event in events if event["type"] in (EventType.FILL, EventType.TRADE, EventType.BOUGHT_IN)]
    assert told == [
        "fill ann #2 o0.2 balance sell 3@105 cum=3 m2 fee=4",
        "fill bob taker balance buy 3@105 cum=3 m2 fee=7",
        "trade balance 3@105 m2",
        "fill ann #1 o1.2 balance sell 2@110 cum=2 leaves=1 m3 fee=3",
        "fill bob taker balance buy 2@110 cum=2 m3 fee=5",
        "trade balance 2@110 m3",
        "bought_in bob lots=5",
    ]
    buyer = next(event for event in events if event["type"] == EventType.FILL and event["account"] == 2)
    assert (buyer["oid"], buyer["ref"], buyer["flags"]) == (0, 0, EventFlag.BALANCE | EventFlag.TAKER)
    assert venue.position("bob")[0] == 0


def test_what_was_not_to_be_had_is_told_mkt_021(core):
    venue = short_at_the_gate(core)
    venue.sell("ann", 2, 110, **PHYSICAL)
    assert until_status(venue)[3:] == ["bought_in bob lots=2 leaves=3"]


def test_only_physical_sells_are_bought_mkt_021(core):
    venue = short_at_the_gate(core)
    venue.sell("ann", 9, 101)
    venue.sell("dan", 9, 101)
    assert until_status(venue)[0] == "bought_in bob leaves=5"


@pytest.mark.parametrize(("bps", "most"), [(5_000, 150), (0, 100), (1, 100), (99, 100), (100, 101), (50_000, 600)])
def test_price_of_a_buy_in_is_bounded_by_the_mark_mkt_021(core, bps, most):
    venue = short_at_the_gate(core, buyin_bps=bps)
    venue.sell("ann", 1, most, **PHYSICAL)
    venue.sell("ann", 1, most + 1, **PHYSICAL)
    assert until_status(venue)[2:4] == [f"trade balance 1@{most} m2", "bought_in bob lots=1 leaves=4"]


def test_mark_of_the_gate_counts_mkt_021(core):
    venue = short_at_the_gate(core)
    venue.mark(10)
    venue.sell("ann", 1, 16, **PHYSICAL)
    assert until_status(venue)[0] == "bought_in bob leaves=5"


def test_own_groups_sells_are_not_bought_mkt_021(core):
    venue = market(core)
    venue.certify("ann", 9)
    venue.sell("ann2", 5, 100)
    venue.buy("cat", 5, 100)
    venue.sell("ann", 5, 100, **PHYSICAL)
    assert until_status(venue)[0] == "bought_in ann2 leaves=5"


def test_only_what_capacity_does_not_cover_is_bought_in_mkt_021(core):
    venue = market(core)
    venue.certify("bob", 3)
    venue.sell("bob", 5, 100)
    venue.buy("cat", 5, 100)
    assert until_status(venue)[0] == "bought_in bob leaves=2"
    venue = market(core)
    venue.certify("bob", 5)
    venue.sell("bob", 5, 100)
    venue.buy("cat", 5, 100)
    assert until_status(venue) == []


def test_capacity_lowered_below_what_is_sold_makes_a_short_mkt_021(core):
    venue = market(core)
    venue.certify("ann", 5)
    venue.sell("ann", 5, 100, **PHYSICAL)
    venue.buy("cat", 5, 100)
    assert venue.certify("ann", 4) == ["ack ann lots=1", "capacity ann lots=4"]
    assert until_status(venue)[0] == "bought_in ann leaves=1"


def test_accounts_go_in_the_order_of_their_positions_mkt_021(core):
    venue = market(core)
    venue.sell("dan", 1, 200)  # dan's position is the first.
    venue.certify("ann", 9)
    for name in ("bob", "dan"):
        venue.sell(name, 2, 100)
    venue.buy("cat", 4, 100)
    venue.sell("ann", 3, 100, **PHYSICAL)
    assert [event for event in until_status(venue) if event.startswith("bought_in")] == [
        "bought_in dan lots=2",
        "bought_in bob lots=1 leaves=1",
    ]


def test_icebergs_are_bought_part_by_part_in_turn_mkt_021(core):
    venue = short_at_the_gate(core)
    venue.sell("ann", 4, 100, display=1, **PHYSICAL)
    venue.sell("ann", 4, 100, **PHYSICAL)
    assert [event for event in until_status(venue) if event.startswith("trade")] == [
        "trade balance 1@100 m2", "trade balance 4@100 m3",
    ]  # fmt: skip


def test_reduce_only_physical_sell_is_cut_to_what_it_reduces_mkt_021(core):
    venue = short_at_the_gate(core)
    venue.sell("dan", 4, 100)
    venue.buy("ann", 4, 100)
    venue.sell("ann", 4, 110, flags=18)  # Physical and reduce-only.
    venue.sell("ann", 1, 90)
    venue.buy("cat", 1, 90)
    assert until_status(venue)[:3] == [
        "replaced ann #2 o0.3 sell 3@110 leaves=3",
        "fill ann #2 o0.3 balance sell 3@110 cum=3 m4",
        "fill bob taker balance buy 3@110 cum=3 m4",
    ]
    assert venue.position("ann")[0] == 0


def test_uncross_comes_before_the_buy_in_mkt_021(core):
    venue = short_at_the_gate(core, preclose_s=300)
    venue.sell("ann", 5, 120, **PHYSICAL)
    venue.time(-1_200)
    venue.buy("bob", 4, 120)
    assert [event for event in until_status(venue) if event.startswith(("trade", "bought"))] == [
        "trade call 4@120 m2", "trade balance 1@120 m3", "bought_in bob lots=1",
    ]  # fmt: skip


# Less capacity.


def test_lower_capacity_ends_the_last_sells_mkt_022(core):
    venue = market(core)
    venue.certify("ann", 9)
    for lots in (3, 2, 1):
        venue.sell("ann", lots, 100 + lots, **PHYSICAL)
    venue.sell("ann", 2, 105)
    assert venue.certify("ann", 5) == [
        "ack ann lots=1",
        "done ann #3 o2 CAPACITY sell 1@101",
        "done ann #2 o1 CAPACITY sell 2@102",
        "capacity ann lots=5",
    ]
    assert venue.certify("ann", 4)[1] == "done ann #1 o0 CAPACITY sell 3@103"
    assert venue.certify("ann", 0) == ["ack ann lots=1", "capacity ann"]  # Financial sells stay.
    assert venue.position("ann")[2] == 2


def test_replaced_sell_keeps_its_entry_mkt_022(core):
    venue = market(core)
    venue.certify("ann", 9)
    venue.sell("ann", 3, 100, **PHYSICAL)
    venue.sell("ann", 3, 100, **PHYSICAL)
    venue.replace("ann", "o0", 4, 100)
    assert venue.certify("ann", 6)[1] == "done ann #2 o1 CAPACITY sell 3@100"


def test_lower_capacity_ends_blocks_before_hourly_sells_mkt_022(core):
    venue = market(core)
    venue.certify("ann", 9, count=3)
    venue.block("ann", 1, 2, 900, **PHYSICAL)
    venue.block("ann", 1, 2, 900, hours=2, **PHYSICAL)
    venue.sell("ann", 2, 500, instrument=at(2), **PHYSICAL)
    venue.sell("ann", 2, 500, instrument=at(1), **PHYSICAL)
    venue.block("ann", 1, 1, 900, **PHYSICAL)
    assert venue.certify("ann", 5, hour=1) == [
        "ack ann lots=1",
        "done ann #5 o4 block CAPACITY sell 1@900 f1 +3h",
        "done ann #2 o1 block CAPACITY sell 2@900 f1 +2h",
        "capacity ann i3 lots=5",
    ]
    assert venue.certify("ann", 1, hour=2) == [
        "ack ann lots=1",
        "done ann #1 o0 block CAPACITY sell 2@900 f1 +3h",
        "done ann i5 #3 o2 CAPACITY sell 2@500",
        "capacity ann i5 lots=1",
    ]


def test_what_is_sold_stays_sold_mkt_022(core):
    venue = market(core)
    venue.certify("ann", 9)
    venue.sell("ann", 5, 100, **PHYSICAL)
    venue.buy("bob", 4, 100)
    assert venue.certify("ann", 4)[1:] == ["done ann #1 o0 CAPACITY sell 1@100 cum=4", "capacity ann lots=4"]
    assert venue.certify("ann", 0) == ["ack ann lots=1", "capacity ann"]
    assert venue.position("ann")[0] == -4


def test_each_window_is_lowered_for_itself_mkt_022(core):
    venue = market(core)
    venue.certify("ann", 9, count=3)
    venue.block("ann", 1, 5, 900, **PHYSICAL)
    venue.sell("ann", 4, 500, instrument=at(1), **PHYSICAL)
    assert venue.certify("ann", 4, count=3) == [
        "ack ann lots=3",
        "done ann #1 o0 block CAPACITY sell 5@900 f1 +3h",
        "capacity ann lots=4",
        "capacity ann i3 lots=4",
        "capacity ann i5 lots=4",
    ]


def test_more_capacity_ends_nothing_mkt_022(core):
    venue = market(core)
    venue.certify("ann", 5)
    venue.sell("ann", 5, 100, **PHYSICAL)
    assert venue.certify("ann", 6) == ["ack ann lots=1", "capacity ann lots=6"]
    assert venue.certify("ann", 5) == ["ack ann lots=1", "capacity ann lots=5"]


# Nodes.


def bought(venue, *lots, names=("bob", "cat", "dan"), hour=0):
    """ann sells each of them lots of one window."""
    for name, count in zip(names, lots, strict=False):
        if count:
            venue.do(venue.order(name, 0, count, 100, instrument=at(hour)))
            venue.do(venue.order("ann", 1, count, 100, instrument=at(hour)))


def assigned(venue, seconds):
    return [event.removeprefix("assigned ") for event in venue.time(seconds) if event.startswith("assigned")]


def test_buyers_get_the_lowest_nodes_by_account_mkt_024(core):
    venue = market(core)
    venue.certify("ann", 9)
    bought(venue, 2, 3, names=("dan", "bob"))
    assert assigned(venue, -900) == [
        "bob nodes 0 to 2 from ann",
        "ann nodes 0 to 2 to bob",
        "dan nodes 3 to 4 from ann",
        "ann nodes 3 to 4 to dan",
    ]


def test_fields_of_an_assignment_mkt_024(core):
    venue = market(core)
    venue.certify("ann", 9)
    bought(venue, 2, 3)
    told = [event for event in venue.run(commands.time(venue.now_ns + 8_100 * 10**9)) if event["type"] == 110]
    names = ("account", "instrument", "price", "lots", "amount", "flags")
    assert [tuple(int(event[name]) for name in names) for event in told] == [
        (2, 1, 0, 2, 1, 0), (1, 1, 0, 2, 2, 1), (3, 1, 2, 3, 1, 0), (1, 1, 2, 3, 3, 1),
    ]  # fmt: skip


def test_holding_over_contiguous_windows_never_moves_mkt_024(core):
    venue = market(core)
    venue.certify("ann", 9, count=3)
    bought(venue, 2, 3, 1)
    bought(venue, 0, 4, 2, hour=1)
    bought(venue, 3, 3, 2, hour=2)
    assert assigned(venue, -900)[::2] == [
        "bob nodes 0 to 1 from ann", "cat nodes 2 to 4 from ann", "dan nodes 5 to 5 from ann",
    ]  # fmt: skip
    assert assigned(venue, 2_700)[::2] == [  # cat and dan stay; each gets the lowest free one for the new lot.
        "cat i3 nodes 0 to 0 from ann",
        "dan i3 nodes 1 to 1 from ann",
        "cat i3 nodes 2 to 4 from ann",
        "dan i3 nodes 5 to 5 from ann",
    ]
    assert assigned(venue, 6_300)[::2] == [
        "cat i5 nodes 0 to 0 from ann",
        "dan i5 nodes 1 to 1 from ann",
        "cat i5 nodes 2 to 3 from ann",
        "bob i5 nodes 4 to 4 from ann",
        "dan i5 nodes 5 to 5 from ann",
        "bob i5 nodes 6 to 7 from ann",
    ]


def test_window_without_buyers_between_lets_nodes_go_mkt_024(core):
    venue = market(core)
    venue.certify("ann", 9, count=3)
    bought(venue, 1, 2)
    bought(venue, 0, 2, hour=2)
    venue.time(2_700)
    assert assigned(venue, 6_300)[::2] == ["cat i5 nodes 0 to 1 from ann"]


def test_nodes_that_are_not_certified_any_more_are_left_mkt_024(core):
    venue = market(core)
    venue.certify("ann", 5)
    venue.certify("ann", 3, hour=1)
    bought(venue, 2, 3)
    bought(venue, 0, 3, hour=1)
    assert assigned(venue, -900)[2] == "cat nodes 2 to 4 from ann"
    assert assigned(venue, 2_700)[::2] == ["cat i3 nodes 0 to 2 from ann"]


def test_lots_without_nodes_are_told_to_the_buyer_alone_mkt_024(core):
    venue = market(core)
    venue.certify("ann", 3)
    bought(venue, 2, 3)
    assert assigned(venue, -900) == [
        "bob nodes 0 to 1 from ann",
        "ann nodes 0 to 1 to bob",
        "cat nodes 2 to 2 from ann",
        "ann nodes 2 to 2 to cat",
        "cat no nodes for 2",
    ]


def test_unplaced_lots_have_no_provider_mkt_024(core):
    venue = market(core)
    bought(venue, 2)
    told = next(event for event in venue.run(commands.time(venue.now_ns + 8_100 * 10**9)) if event["type"] == 110)
    assert (told["account"], told["price"], told["lots"], told["amount"], told["flags"]) == (2, -1, 2, 0, 0)


def test_fabrics_have_nodes_of_their_own_mkt_024(core):
    venue = market(core)
    for name, fabric in (("ann", 0), ("dan", 1)):
        venue.certify(name, 5, fabric=f"f{fabric + 1}")
        venue.do(venue.order("bob", 0, 2, 100, instrument=at(0, fabric)))
        venue.do(venue.order(name, 1, 2, 100, instrument=at(0, fabric)))
    assert assigned(venue, -900)[::2] == ["bob nodes 0 to 1 from ann", "bob i2 nodes 0 to 1 from dan"]


def sold(venue, *lots, hour=0):
    """Each provider's sales, as (name, lots), to each buyer in turn."""
    for provider, buyer, count in lots:
        venue.do(venue.order(buyer, 0, count, 100, instrument=at(hour)))
        venue.do(venue.order(provider, 1, count, 100, instrument=at(hour), **PHYSICAL))


def test_buyers_get_nodes_of_providers_by_account_mkt_024(core):
    venue = market(core)
    venue.certify("bob", 9)
    venue.certify("ann", 5)
    sold(venue, ("bob", "dan", 3), ("ann", "cat", 2), ("bob", "cat", 1))
    assert assigned(venue, -900) == [
        "cat nodes 0 to 1 from ann",
        "ann nodes 0 to 1 to cat",
        "cat nodes 0 to 0 from bob",
        "bob nodes 0 to 0 to cat",
        "dan nodes 1 to 3 from bob",
        "bob nodes 1 to 3 to dan",
    ]
    assert venue.engine.nodes.canonical() == (
        b"provider 1 0 1\nprovider 1 0 2\nnodes 1 0 1000 1/3:0+2 2/3:0+1 2/4:1+3\n"
    )


def test_provider_gives_what_he_has_sold_mkt_024(core):
    venue = market(core)
    venue.certify("ann", 9)
    venue.certify("bob", 9)
    sold(venue, ("bob", "dan", 3))
    assert assigned(venue, -900) == ["dan nodes 0 to 2 from bob", "bob nodes 0 to 2 to dan"]


def test_what_nobody_backs_has_no_nodes_mkt_024(core):
    venue = market(core)
    venue.certify("ann", 9)
    sold(venue, ("ann", "dan", 2))
    venue.buy("dan", 1, 100)
    venue.sell("cat", 1, 100)  # Financial, and not bought in.
    assert assigned(venue, -900) == ["dan nodes 0 to 1 from ann", "ann nodes 0 to 1 to dan", "dan no nodes for 1"]


def test_holding_stays_with_its_provider_mkt_024(core):
    venue = market(core)
    for name in ("ann", "bob"):
        venue.certify(name, 5, count=3)
    sold(venue, ("ann", "cat", 2), ("bob", "dan", 2))
    sold(venue, ("ann", "dan", 1), ("bob", "dan", 2), ("bob", "cat", 1), hour=1)
    sold(venue, ("bob", "cat", 3), ("bob", "dan", 1), hour=2)
    assert assigned(venue, -900)[::2] == ["cat nodes 0 to 1 from ann", "dan nodes 0 to 1 from bob"]
    assert assigned(venue, 2_700)[::2] == [  # cat keeps ann's first node, for ann has sold one lot.
        "cat i3 nodes 0 to 0 from ann", "dan i3 nodes 0 to 2 from bob",
    ]  # fmt: skip
    assert assigned(venue, 6_300)[::2] == [
        "dan i5 nodes 0 to 0 from bob", "cat i5 nodes 1 to 3 from bob",
    ]  # fmt: skip


def test_two_owners_accounts_are_two_providers_mkt_024(core):
    venue = market(core)
    venue.certify("ann", 2)
    venue.certify("ann2", 2)
    sold(venue, ("ann", "bob", 2), ("ann2", "bob", 2))
    assert assigned(venue, -900)[::2] == ["bob nodes 0 to 1 from ann", "bob nodes 0 to 1 from ann2"]


def one_provider(before, holders, nodes):
    """The rule for a fabric of one provider, who gives what he likes: by number, those who stay first."""
    wanted, given = dict(holders), {}
    for node in range(nodes):
        if wanted.get(before.get(node), 0):
            given[node] = before[node]
            wanted[before[node]] -= 1
    for buyer, _ in holders:
        for node in [node for node in range(nodes) if node not in given][: wanted[buyer]]:
            given[node] = buyer
    return given


LOTS = st.dictionaries(st.integers(1, 6), st.integers(1, 5), max_size=4).map(lambda lots: sorted(lots.items()))


@given(st.dictionaries(st.integers(0, 9), st.integers(1, 6)), LOTS, st.integers(0, 9))
def test_one_provider_gives_by_number_mkt_024(before, holders, nodes):
    sold_lots = sum(lots for _, lots in holders)
    given_nodes = assign({Node(7, node): buyer for node, buyer in before.items()}, holders,
                         [Provider(7, nodes, max(sold_lots, nodes))])  # fmt: skip
    assert {node.number: buyer for node, buyer in given_nodes.items()} == one_provider(before, holders, nodes)


@given(
    st.dictionaries(st.tuples(st.integers(7, 9), st.integers(0, 6)), st.integers(1, 6)),
    LOTS,
    st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=3, max_size=3),
)
def test_nodes_are_given_once_and_as_many_as_there_are_mkt_024(before, holders, capacity):
    """Whoever provides or buys: nobody gives or gets too many, nothing is left over on both sides, nobody moves."""
    providers = [Provider(7 + index, *both) for index, both in enumerate(capacity)]
    given_nodes = assign({Node(*node): buyer for node, buyer in before.items()}, holders, providers)
    gives = {one.account: sum(node.provider == one.account for node in given_nodes) for one in providers}
    gets = {buyer: list(given_nodes.values()).count(buyer) for buyer, _ in holders}
    assert all(gives[one.account] <= min(one.certified, one.short) for one in providers)
    assert all(node.number < dict((one.account, one.certified) for one in providers)[node.provider]
               for node in given_nodes)  # fmt: skip
    assert all(gets[buyer] <= lots for buyer, lots in holders)
    asked, offered = sum(lots for _, lots in holders), sum(min(one.certified, one.short) for one in providers)
    assert len(given_nodes) == min(asked, offered)
    for (provider, number), buyer in before.items():  # A node is lost only for want of lots on one side.
        if given_nodes.get(Node(provider, number)) != buyer and number < capacity[provider - 7][0]:
            stays = [node for node, one in given_nodes.items() if before.get(tuple(node)) == one]
            of_buyer = sum(given_nodes[node] == buyer for node in stays)
            of_provider = sum(node.provider == provider for node in stays)
            assert of_buyer == dict(holders).get(buyer, 0) or of_provider == min(capacity[provider - 7])


def test_assignments_are_part_of_the_state_mkt_024(core):
    venue = market(core)
    venue.certify("ann", 9)
    bought(venue, 2, 3)
    before = venue.engine.state_hash()
    venue.time(-900)
    assert venue.engine.nodes.canonical() == b"provider 1 0 1\nnodes 1 0 1000 2:0+2 3:2+3\n"
    assert venue.engine.state_hash() != before
    venue.engine.nodes.latest.clear()
    assert venue.engine.nodes.canonical() == b"provider 1 0 1\n"


def test_buy_in_comes_before_the_nodes_mkt_024(core):
    venue = market(core)
    venue.certify("ann", 9)
    bought(venue, 2)
    venue.sell("cat", 1, 100)
    venue.buy("dan", 1, 100)
    venue.sell("ann", 1, 100, **PHYSICAL)
    assert assigned(venue, -900)[::2] == ["bob nodes 0 to 1 from ann", "dan nodes 2 to 2 from ann"]
