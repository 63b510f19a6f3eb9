"""Blocks: orders over many windows (BLK rules of docs/spec/blocks.md)."""

import pytest
from venue import NOW_NS, NUMBER, WINDOW, Venue, line, moment_ns, oid_of

from exchange import commands
from exchange.commands import BLOCK_HOURS_SHIFT
from exchange.records import CommandType, EventFlag, EventType
from exchange.reference import ReferenceCore, block_entry
from exchange.units import AMOUNT_MAX, LOTS_MAX, MONEY_MAX, PRICE_MAX_TICKS


def market(core, **terms):
    """Three windows in two fabrics: instrument 1 + 2 x hour + fabric; it is S-9000s."""
    return Venue(core(), **{"fabrics": ["f1", "f2"], "count": 3, "start_s": -9_000} | terms)


def at(hour, fabric=0):
    """The handle of a window in a market of two fabrics."""
    return 1 + 2 * hour + fabric


def offer(venue, *legs, name="ann", fabric=0, side=1):
    """Rest hourly orders: of each hour a list of (lots, price)."""
    for hour, orders in enumerate(legs):
        for lots, price in orders:
            venue.do(venue.order(name, side, lots, price, instrument=at(hour, fabric)))


def example(core, **terms):
    """The asks of the worked examples: hours 14, 15, 16 are 0, 1, 2."""
    venue = market(core, **terms)
    offer(venue, [(8, 200), (16, 205)], [(16, 210)], [(4, 190), (16, 220)])
    return venue


def traded(events):
    """The trades among lines, as ``i3 16@210``; no window is named where it is the first."""
    return [event.removeprefix("trade ").removesuffix(f" {event.split()[-1]}") for event in events
            if event.startswith("trade")]  # fmt: skip


def of_block(events):
    """The block's own fills and ends."""
    return [event for event in events if " block " in event and not event.startswith("trade")]


# Entry.


def test_block_is_acknowledged_and_rests_blk_001(core):
    venue = market(core)
    (event,) = venue.run(venue.block_order("bob", 0, 8, 620, scope=3, min_lots=8, lane=2, tag=5))
    assert line(event) == "ack bob lane=2 #1 o0 block buy 8@620 f1,f2 +3h leaves=8"
    assert event["instrument"] == at(0)
    assert venue.book() == ([], [])  # No book holds it.
    assert venue.core.dump() != market(core).core.dump()


@pytest.mark.parametrize("terms", [
    {"hours": 2}, {"hours": 1, "scope": 3}, {"hours": 3, "scope": 2}, {"tif": 1},
    {"tif": 3, "expiry_ns": NOW_NS + 10**18}, {"flags": 4}, {"min_lots": 8}, {"min_lots": 0}, {"min_lots": 1},
])  # fmt: skip
def test_what_a_block_may_be_blk_001(core, terms):
    assert market(core).block("bob", 0, 8, 620, **terms)[0].startswith("ack")


@pytest.mark.parametrize("terms", [{"hours": 2}, {"flags": 16}, {"flags": 20}, {"scope": 2}])
def test_sell_names_one_fabric_and_may_be_physical_blk_001(core, terms):
    venue = market(core)
    for fabric in ("f1", "f2"):
        venue.certify("bob", 8, count=3, fabric=fabric)
    assert venue.block("bob", 1, 8, 620, **terms)[0].startswith("ack")


def test_week_in_64_fabrics_is_one_block_blk_001(core):
    venue = Venue(core(), fabrics=[f"f{n}" for n in range(64)], count=168)
    assert venue.block("bob", 0, 1, 620, scope=(1 << 63) | 1, hours=168) == [
        "ack bob #1 o0 block buy 1@620 f1,f64 +168h leaves=1"
    ]
    assert venue.block("bob", 0, 1, 620, scope=(1 << 64) - 1, hours=168)[0].startswith("ack")
    venue.sell("ann", 1, 3, instrument=168 * 64)
    for hour in range(167):
        venue.sell("ann", 1, 3, instrument=64 * (hour + 1))
    assert venue.position("bob", 64)[0] == 1
    assert sum(venue.position("bob", 64 * (hour + 1))[0] for hour in range(168)) == 168


# Each with as many later faults as the fields allow; 6@101 stands in each window, bob is not margined.
BAD_BLOCKS = [
    ({"side": 2, "product": 9}, "MALFORMED"),
    ({"tif": 4}, "MALFORMED"),
    ({"stp": 1}, "MALFORMED"),
    *(({"flags": flag}, "MALFORMED") for flag in (1, 2, 8, 16, 32, 64, 128)),
    ({"side": 1, "flags": 48}, "MALFORMED"),
    ({"scope": 0}, "MALFORMED"),
    ({"hours": 0}, "MALFORMED"),
    ({"hours": 169}, "MALFORMED"),
    ({"hours": 255}, "MALFORMED"),
    ({"hours": 1}, "MALFORMED"),
    ({"hours": 1, "scope": 2}, "MALFORMED"),
    ({"side": 1, "scope": 3}, "MALFORMED"),
    ({"min_lots": -1}, "MALFORMED"),
    ({"min_lots": 9, "lots": 8}, "MALFORMED"),
    ({"tif": 3}, "MALFORMED"),
    ({"tif": 3, "expiry_ns": -1}, "MALFORMED"),
    ({"expiry_ns": 1}, "MALFORMED"),
    ({"tif": 1, "expiry_ns": 1}, "MALFORMED"),
    ({"tif": 2, "expiry_ns": 1}, "MALFORMED"),
    ({"product": 0, "hour": 50, "limit": -1}, "NO_PRODUCT"),
    ({"product": 2, "scope": 4, "limit": -1}, "NO_PRODUCT"),
    ({"scope": 4, "hour": 50, "limit": -1}, "NO_FABRIC"),
    ({"scope": 5, "hour": 50, "limit": -1}, "NO_FABRIC"),
    ({"scope": 1 << 63, "lots": 0}, "NO_FABRIC"),
    ({"hour": 50, "limit": -1}, "NO_INSTRUMENT"),
    ({"hour": -1, "limit": -1}, "NO_INSTRUMENT"),
    ({"hours": 6, "limit": -1}, "NO_INSTRUMENT"),
    ({"limit": -1, "lots": 0}, "PX_TICK"),
    ({"limit": PRICE_MAX_TICKS + 1, "lots": 0}, "PX_TICK"),
    ({"lots": 0, "min_lots": 5}, "QTY_LOT"),
    ({"lots": -3}, "QTY_LOT"),
    ({"lots": LOTS_MAX + 1, "tif": 2}, "QTY_MAX"),
    ({"lots": 7, "tif": 2, "limit": 400}, "FOK_UNFILLED"),
    ({"lots": 6, "tif": 2, "limit": 302}, "FOK_UNFILLED"),
    ({"tif": 3, "expiry_ns": moment_ns(-9_000)}, "DEADLINE"),
    ({"side": 1, "flags": 16}, "NO_CAPACITY"),
]


@pytest.mark.parametrize(("change", "reason"), BAD_BLOCKS)
def test_first_reason_against_a_block_blk_002(core, change, reason):
    venue = market(core, count=5)
    offer(venue, *[[(6, 101)]] * 3)
    fields = {"side": 0, "lots": 8, "limit": 300, "hours": 3} | change
    events = venue.run(
        venue.block_order("bob", fields.pop("side"), fields.pop("lots"), fields.pop("limit"), **fields)
    )
    assert [line(event) for event in events] == [f"reject bob #1 {reason}"]
    assert [event["instrument"] for event in events] == [0]
    assert venue.block("bob", 0, 1, 303)[-1] == "trade i5 block buy 1@101 m1"


def test_value_of_a_block_is_bounded_blk_002(core):
    venue = market(core, lot_scu=1 << 20, tick_micros=1 << 12)
    most = (1 << 62) // (1 << 32) // (1 << 20)
    assert venue.block("bob", 0, most + 1, 1 << 20) == ["reject bob #1 QTY_MAX"]
    assert venue.block("bob", 0, most, 1 << 20)[0].startswith("ack")


@pytest.mark.parametrize(("seconds", "verdict"), [
    (-100_000, "NOT_OPEN"), (-61_000, "ack"), (-1_201, "ack"), (-1_200, "WINDOW_CLOSED"), (-900, "WINDOW_CLOSED"),
    (0, "WINDOW_CLOSED"), (4_500, "WINDOW_CLOSED"),
])  # fmt: skip
def test_every_leg_has_to_be_before_its_closing_call_blk_002(core, seconds, verdict):
    venue = market(core, start_s=-200_000, open_lead_s=3_600, open_call_s=600, preclose_s=300)
    venue.time(seconds)
    answer = venue.block("bob", 0, 8, -1 if verdict != "ack" else 620)[0]
    assert answer.split()[0 if verdict == "ack" else -1] == verdict


def test_leg_that_is_not_open_comes_before_one_that_is_closed_blk_002(core):
    venue = market(core, count=10, start_s=-9_000, open_lead_s=1_800)  # Windows 8 and 9 are of the next day.
    venue.time(6 * 3_600 - 900)
    assert venue.block("bob", 0, 8, 620, hour=6, hours=2) == ["reject bob #1 WINDOW_CLOSED"]
    assert venue.block("bob", 0, 8, 620, hour=6, hours=3) == ["reject bob #2 NOT_OPEN"]
    assert venue.block("bob", 0, 8, 620, hour=7, hours=2) == ["reject bob #3 NOT_OPEN"]


def test_halted_legs_are_no_reason_against_a_block_blk_002(core):
    venue = market(core)
    venue.halt(1)
    assert venue.block("bob", 0, 8, 620)[0].startswith("ack")
    assert venue.block("bob", 0, 8, 620, tif=1) == [
        "ack bob #2 o1 block buy 8@620 f1 +3h leaves=8",
        "done bob #2 o1 block IOC buy 8@620 f1 +3h",
    ]
    assert venue.block("bob", 0, 8, 620, tif=2) == ["reject bob #3 FOK_UNFILLED"]


def test_reasons_of_the_account_come_in_their_order_blk_002(core):
    venue = market(core)
    venue.rates(10, 10)
    assert venue.block("bob", 1, 8, 620, flags=16) == ["reject bob #1 MARGIN"]
    venue.deposit("bob", 1 << 40)
    assert venue.block("bob", 1, 8, 620, flags=16) == ["reject bob #2 NO_CAPACITY"]
    venue.certify("bob", 8, count=3)
    assert venue.block("bob", 1, 8, 620, flags=16)[0].startswith("ack")


def test_block_needs_a_slot_and_a_place_among_the_open_orders_blk_002(core):
    venue = Venue(core(orders_max=3, account_orders_max=2), count=3, start_s=-9_000)
    assert venue.block("bob", 0, 1, 5)[0].startswith("ack")
    assert venue.buy("bob", 1, 5)[0].startswith("ack")
    assert venue.block("bob", 0, 1, 5) == ["reject bob #3 OPEN_LIMIT"]
    assert venue.buy("bob", 1, 5) == ["reject bob #4 OPEN_LIMIT"]
    assert venue.block("cat", 0, 1, 5)[0].startswith("ack")
    assert venue.block("cat", 0, 1, 5) == ["reject cat #2 OPEN_LIMIT"]  # The venue's last slot is taken.
    venue.cancel("bob", "o0")
    assert venue.block("cat", 0, 1, 5)[0] == "ack cat #3 o0.2 block buy 1@5 f1 +3h leaves=1"


def test_account_rests_200_blocks_blk_002(core):
    venue = market(core)
    for number in range(200):
        assert venue.block("bob", 0, 1, 5 + number)[0].startswith("ack")
    offer(venue, *[[(9, 300)]] * 3)
    assert venue.block("bob", 0, 1, 900, tif=1) == ["reject bob #201 BLOCK_LIMIT"]  # It would trade at once.
    assert venue.block("cat", 0, 1, 900)[-1] == "trade i5 block buy 1@300 m1"
    venue.mass_cancel("bob", side=1)
    venue.cancel("bob", "o7")
    assert venue.block("bob", 0, 1, 900)[-1] == "trade i5 block buy 1@300 m2"


def test_product_rests_a_number_of_blocks_blk_002(monkeypatch):
    monkeypatch.setattr(block_entry, "BLOCKS_PER_PRODUCT_MAX", 3)
    venue = market(ReferenceCore)
    venue.do(commands.add_product("Q", 1, 1, ["f"]), commands.list_window("Q", WINDOW, count=3))
    for name in ("ann", "bob", "cat"):
        assert venue.block(name, 0, 1, 5)[0].startswith("ack")
    assert venue.block("dan", 0, 1, 5) == ["reject dan #1 BLOCK_LIMIT"]
    assert venue.block("dan", 0, 1, 5, product=2, scope=1)[0].startswith("ack")
    venue.cancel("ann", "o0")
    assert venue.block("dan", 0, 1, 5)[0].startswith("ack")


def test_limits_come_behind_the_risk_blk_002(monkeypatch):
    monkeypatch.setattr(block_entry, "BLOCKS_PER_PRODUCT_MAX", 0)
    venue = Venue(ReferenceCore(account_orders_max=0), count=3, start_s=-9_000)
    assert venue.block("bob", 1, 1, 5, flags=16) == ["reject bob #1 NO_CAPACITY"]
    assert venue.block("bob", 0, 1, 5) == ["reject bob #2 OPEN_LIMIT"]
    venue.core.state.account_orders_max = 9
    assert venue.block("bob", 0, 1, 5) == ["reject bob #3 BLOCK_LIMIT"]


def test_minimum_of_a_fill_or_kill_block_is_its_lots_blk_002(core):
    venue = market(core)
    offer(venue, *[[(4, 100), (4, 110)]] * 3)
    assert venue.block("bob", 0, 8, 314, tif=2, min_lots=2) == ["reject bob #1 FOK_UNFILLED"]
    assert of_block(venue.block("bob", 0, 8, 315, tif=2))[-1] == "fill bob i5 #2 o6 taker block buy 4@110 cum=8 m1"


def test_fill_or_kill_block_may_trade_directly_blk_002(core):
    venue = market(core)
    venue.block("ann", 1, 9, 300)
    assert venue.block("bob", 0, 10, 300, tif=2) == ["reject bob #1 FOK_UNFILLED"]
    assert traded(venue.block("bob", 0, 9, 300, tif=2)) == [
        "block buy 9@100", "i3 block buy 9@100", "i5 block buy 9@100",
    ]  # fmt: skip


def test_refused_block_is_answered_again_blk_002(core):
    venue = market(core)
    record = venue.block_order("bob", 0, 0, 620)
    assert venue.do(record, record) == ["reject bob #1 QTY_LOT", "reject bob #1 duplicate QTY_LOT"]
    record = venue.block_order("bob", 0, 8, 620)
    assert venue.do(record, record)[1] == "ack bob #2 o0 duplicate"


def test_answer_of_a_block_carries_what_it_is_blk_003(core):
    venue = market(core)
    (event,) = venue.run(venue.block_order("bob", 0, 8, 620, scope=2, hour=1, hours=2, min_lots=3))
    fields = ("type", "flags", "account", "instrument", "ref", "match_id", "price", "lots", "cum", "leaves", "amount")
    assert [int(event[name]) for name in fields] == [33, 32, 2, at(1, 1), 1, 2, 620, 8, 0, 8, 2]
    venue.certify("bob", 9, count=3)
    (event,) = venue.run(venue.block_order("bob", 1, 8, 900, flags=16))
    assert [int(event[name]) for name in fields] == [33, 33, 2, at(0), 2, 1, 900, 8, 0, 8, 3]


def test_end_and_change_of_a_block_carry_the_scope_of_then_blk_003(core):
    venue = market(core)
    offer(venue, *[[(2, 100)]] * 3, fabric=1)
    venue.block("bob", 0, 8, 300, scope=3)
    assert venue.replace("bob", "o3", 7, 300) == [
        "ack bob #2 o3",
        "replaced bob i2 #1 o3 block buy 7@300 f2 +3h cum=2 leaves=5",
    ]
    (_, event) = venue.run(venue.cancel_order("bob", "o3"))
    assert line(event) == "done bob i2 #1 o3 block USER buy 5@300 f2 +3h cum=2"
    assert (event["leaves"], event["match_id"], event["amount"], event["instrument"]) == (0, 2, 3, at(0, 1))


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


# Margin.


def margined(core, **terms):
    """Marks 100, 110, 120; rates 5 long, 7 short in f1 and double in f2; bob has what a test pays in."""
    venue = market(core, lot_scu=2, tick_micros=3, **terms)
    for hour, mark in enumerate((100, 110, 120)):
        venue.run(commands.set_mark("P", WINDOW + hour, px=mark))
        for fabric, factor in (("f1", 1), ("f2", 2)):
            venue.run(
                commands.set_rates("P", WINDOW + hour, long_micros=5 * factor, short_micros=7 * factor, fabric=fabric)
            )
    return venue


@pytest.mark.parametrize(("side", "limit", "scope", "reserve"), [
    (0, 330, 1, 15), (0, 300, 1, 15), (0, 340, 1, 15 + 60), (0, 340, 2, 30 + 60), (0, 340, 3, 30 + 60),
    (1, 330, 1, 21), (1, 400, 1, 21), (1, 320, 1, 21 + 60), (1, 0, 2, 42 + 6 * 330),
])  # fmt: skip
def test_reserve_of_a_block_blk_010(core, side, limit, scope, reserve):
    venue = margined(core)
    venue.deposit("bob", 4 * reserve - 1)
    assert venue.block("bob", side, 4, limit, scope=scope) == ["reject bob #1 MARGIN"]
    venue.deposit("bob", 1)
    assert venue.block("bob", side, 4, limit, scope=scope)[0].startswith("ack")
    assert venue.core.requirement_sum(NUMBER["bob"]) == 4 * reserve
    venue.replace("bob", "o0", 3, limit)
    assert venue.core.requirement_sum(NUMBER["bob"]) == 3 * reserve
    venue.cancel("bob", "o0")
    assert venue.core.requirement_sum(NUMBER["bob"]) == 0


def test_reserve_without_marks_blk_010(core):
    venue = market(core, lot_scu=2, tick_micros=3)
    venue.mark(100, start=WINDOW + 1)
    venue.deposit("bob", 10_000)
    venue.block("bob", 0, 1, 340)  # A buy: the limit against the marks there are.
    assert venue.core.requirement_sum(2) == 6 * 240
    venue.cancel("bob", "o0")
    venue.block("bob", 1, 1, 340)  # A sell: the sum of the marks there are.
    assert venue.core.requirement_sum(2) == 6 * 100


def test_dearest_fabric_of_the_scope_counts_blk_010(core):
    venue = market(core)
    venue.run(commands.set_mark("P", WINDOW, px=100, count=3, fabric="f1"))
    venue.run(commands.set_mark("P", WINDOW, px=90, count=3, fabric="f2"))
    venue.deposit("bob", 1_000)
    venue.block("bob", 0, 2, 310, scope=3)
    assert venue.core.requirement_sum(2) == 2 * 40


def test_reserve_of_a_lot_is_capped_blk_010(core):
    venue = market(core)
    for hour in range(3):
        venue.run(commands.set_rates("P", WINDOW + hour, long_micros=AMOUNT_MAX, short_micros=AMOUNT_MAX))
    assert venue.block("bob", 0, 1, 310) == ["reject bob #1 MARGIN"]
    assert MONEY_MAX > 3 * AMOUNT_MAX  # Three hours do not reach the cap; 168 with the largest H do not either.
    venue = Venue(core(), count=168, lot_scu=1 << 20, tick_micros=1 << 20)
    venue.run(commands.set_mark("P", WINDOW, px=1 << 30, count=168))
    assert venue.block("bob", 1, 1, 0, hours=168)[0].startswith("ack")
    assert venue.core.requirement_sum(2) == MONEY_MAX


def test_reserve_is_not_checked_without_margin_and_rates_blk_010(core):
    venue = market(core)
    venue.mark(1)
    assert venue.block("bob", 0, 5, 900)[0].startswith("ack")
    assert venue.core.requirement_sum(2) == 5 * 899  # It is counted all the same.
    venue.deposit("bob", 1)
    assert venue.block("bob", 0, 5, 900) == ["reject bob #2 MARGIN"]
    assert venue.block("cat", 0, 5, 900)[0].startswith("ack")
    venue.run(commands.set_rates("P", WINDOW + 2, long_micros=1, short_micros=0, fabric="f2"))
    assert venue.block("cat", 0, 5, 900)[0].startswith("ack")
    assert venue.block("cat", 0, 5, 900, scope=3) == ["reject cat #3 MARGIN"]


def test_reserve_stays_as_it_was_at_the_entry_blk_010(core):
    venue = margined(core)
    venue.deposit("bob", 10_000)
    venue.block("bob", 0, 4, 340)
    venue.run(commands.set_mark("P", WINDOW, px=1, count=3), commands.set_rates("P", WINDOW, long_micros=900,
                                                                                short_micros=900))  # fmt: skip
    assert venue.core.requirement_sum(2) == 4 * 75


def test_reserve_is_released_as_the_block_fills_blk_010(core):
    venue = margined(core)
    venue.deposit("bob", 4 * 75)
    venue.deposit("ann", 1 << 40)
    venue.block("bob", 0, 4, 340)
    offer(venue, [(1, 100)], [(1, 110)], [(1, 120)])
    assert venue.position("bob")[0] == 1
    assert venue.core.requirement_sum(2) == 3 * 75 + 15


def test_woken_block_trades_without_free_money_blk_010(core):
    venue = margined(core)
    venue.deposit("bob", 4 * 75)
    venue.deposit("ann", 1 << 40)
    venue.block("bob", 0, 4, 340)
    assert venue.do(commands.withdraw(2, 1)) == ["reject bob BALANCE"]
    offer(venue, [(4, 110)], [(4, 110)], [(4, 120)])
    assert venue.position("bob")[0] == 4


def test_reserve_is_for_other_orders_to_respect_blk_010(core):
    venue = margined(core)
    venue.deposit("bob", 4 * 75 + 4)
    venue.block("bob", 0, 4, 340)
    assert venue.buy("bob", 1, 100) == ["reject bob #2 MARGIN"]
    venue.deposit("bob", 1)
    assert venue.buy("bob", 1, 100)[0].startswith("ack")


def test_open_lots_of_blocks_count_for_the_position_limit_everywhere_blk_010(core):
    venue = market(core)
    venue.block("bob", 0, LOTS_MAX, 3, hours=2)
    assert venue.block("bob", 0, LOTS_MAX, 3, hours=2) == ["reject bob #2 POSITION_LIMIT"]
    assert venue.block("bob", 0, LOTS_MAX - 1, 3, hours=2, hour=1)[0].startswith("ack")
    assert venue.buy("bob", 1, 3, instrument=at(0, 1)) == ["reject bob i2 #4 POSITION_LIMIT"]
    venue.cancel("bob", "o1")
    assert venue.buy("bob", LOTS_MAX - 1, 3, instrument=at(0, 1))[0].startswith("ack")
    assert venue.block("bob", 0, 1, 3, hours=2)[0].startswith("ack")  # That order is in another fabric.
    assert venue.block("bob", 0, 1, 3, hours=2, scope=2) == ["reject bob #8 POSITION_LIMIT"]


def test_position_and_orders_of_a_leg_count_for_a_block_blk_010(core):
    venue = market(core)
    venue.sell("ann", LOTS_MAX, 1, instrument=at(1))
    venue.buy("bob", LOTS_MAX, 1, instrument=at(1))
    venue.buy("bob", LOTS_MAX - 5, 1, instrument=at(1))
    assert venue.block("bob", 0, 5, 3) == ["reject bob #3 POSITION_LIMIT"]
    assert venue.block("bob", 0, 4, 3) == ["ack bob #4 o0.2 block buy 4@3 f1 +3h leaves=4"]
    assert venue.replace("bob", "o0.2", 5, 3) == ["reject bob #5 POSITION_LIMIT"]
    assert venue.replace("bob", "o0.2", 4, 4)[0] == "ack bob #6 o0.2"
    assert venue.quote("bob", (at(1), 1, 1, 9, 0))[1] == "reject bob i3 quote POSITION_LIMIT buy 0@1"
    assert venue.replace("bob", "o1.2", LOTS_MAX - 4, 1) == ["reject bob #8 POSITION_LIMIT"]
    venue.cancel("bob", "o0.2")
    assert venue.replace("bob", "o1.2", LOTS_MAX - 1, 1)[0] == "ack bob #10 o1.2"


# Waking.


def test_example_3_new_ask_that_does_not_suffice_wakes_in_vain_blk_011(core):
    venue = example(core)
    venue.block("bob", 0, 8, 600, min_lots=8)
    assert venue.sell("cat", 4, 206, instrument=at(1)) == ["ack cat i3 #1 o6 sell 4@206 leaves=4"]


def test_example_3b_new_ask_wakes_the_block_blk_011(core):
    venue = example(core)
    venue.block("bob", 0, 8, 600, min_lots=8)
    venue.sell("cat", 4, 206, instrument=at(1))
    assert venue.sell("dan", 8, 185, instrument=at(2)) == [
        "ack dan i5 #1 o7 sell 8@185 leaves=8",
        "fill ann #1 o0 sell 8@200 cum=8 m1",
        "fill bob #1 o5 taker block buy 8@200 cum=8 m1",
        "trade block buy 8@200 m1",
        "fill cat i3 #1 o6 sell 4@206 cum=4 m1",
        "fill bob i3 #1 o5 taker block buy 4@206 cum=8 m1",
        "trade i3 block buy 4@206 m1",
        "fill ann i3 #3 o2 sell 4@210 cum=4 leaves=12 m1",
        "fill bob i3 #1 o5 taker block buy 4@210 cum=8 m1",
        "trade i3 block buy 4@210 m1",
        "fill dan i5 #1 o7 sell 8@185 cum=8 m1",
        "fill bob i5 #1 o5 taker block buy 8@185 cum=8 m1",
        "trade i5 block buy 8@185 m1",
    ]


def test_new_order_dearer_than_the_best_may_wake_by_the_average_blk_011(core):
    """Two lots at 294: 588 less 190 and 200 leaves 198 for the first leg. Of one lot alone, 294 - 195 = 99 is left."""
    venue = market(core)
    offer(venue, [(1, 90)], [(2, 95)], [(2, 100)])
    venue.block("bob", 0, 2, 294, min_lots=2)
    assert traded(venue.sell("cat", 1, 109)) == []
    assert traded(venue.sell("dan", 1, 108)) == [
        "block buy 1@90", "block buy 1@108", "i3 block buy 2@95", "i5 block buy 2@100",
    ]  # fmt: skip


def test_new_order_is_matched_with_hourly_orders_first_blk_011(core):
    venue = market(core)
    offer(venue, [], [(5, 100)], [(5, 100)])
    venue.block("bob", 0, 5, 300)
    venue.buy("cat", 2, 99)
    assert traded(venue.sell("dan", 5, 99)) == [
        "sell 2@99", "block buy 3@99", "i3 block buy 3@100", "i5 block buy 3@100",
    ]  # fmt: skip


def test_replace_and_quote_wake_too_blk_011(core):
    venue = market(core)
    offer(venue, [(5, 101)], [(5, 100)], [(9, 100)])
    venue.block("bob", 0, 2, 300)
    assert traded(venue.replace("ann", "o0", 5, 100))[0] == "block buy 2@100"
    venue.block("bob", 0, 2, 297)
    assert traded(venue.quote("cat", (at(0), 90, 1, 97, 9))) == [
        "block buy 2@97", "i3 block buy 2@100", "i5 block buy 2@100",
    ]  # fmt: skip
    assert venue.position("bob")[0] == 4


def test_bid_of_a_quote_wakes_before_its_ask_is_placed_blk_011(core):
    venue = market(core)
    offer(venue, [], [(1, 100)], [(1, 100)], side=0)
    venue.block("bob", 1, 1, 300)
    events = venue.quote("cat", (at(0), 100, 1, 110, 1))
    assert [event.split()[0] for event in events] == ["ack", "ack", *["fill", "fill", "trade"] * 3, "ack"]


def test_bids_wake_sell_blocks_blk_011(core):
    venue = market(core)
    offer(venue, [], [(5, 100)], [(5, 100)], side=0)
    venue.block("bob", 1, 5, 300)
    assert traded(venue.buy("cat", 3, 101)) == ["block sell 3@101", "i3 block sell 3@100", "i5 block sell 3@100"]


def test_shrinks_cancels_and_fills_wake_nothing_blk_011(core):
    venue = market(core)
    offer(venue, *[[(5, 100)]] * 3)
    venue.block("bob", 0, 5, 299)
    assert traded(venue.replace("ann", "o0", 4, 100)) == []
    assert traded(venue.cancel("ann", "o1")) == []
    venue.block("cat", 1, 8, 500, min_lots=8)
    venue.block("dan", 0, 4, 600)
    assert traded(venue.replace("cat", "o1.2", 4, 500)) == []  # It fits now; a reduction is no reason to look.


def test_blocks_are_tried_by_limit_an_hour_then_sequence_blk_011(core):
    venue = market(core)
    offer(venue, [], [(9, 90)], [(9, 90)])
    venue.block("ann2", 0, 1, 301)  # Owner of the asks: tried in vain.
    venue.block("bob", 0, 1, 200, hours=2)
    venue.block("cat", 0, 1, 302)
    venue.block("dan", 0, 1, 200, hours=2)
    venue.block("bob", 0, 1, 201, hours=2)
    venue.block("cat", 0, 1, 303)
    events = [event for event in venue.sell("ann", 9, 100) if event.startswith("fill") and "taker" in event]
    order = list(
        dict.fromkeys(event.split()[1] + next(word for word in event.split() if word[0] == "#") for event in events)
    )
    assert order == ["cat#2", "cat#1", "bob#2", "bob#1", "dan#1"]


def test_sells_with_the_lower_limit_an_hour_go_first_blk_011(core):
    venue = market(core)
    offer(venue, [], [(9, 90)], [(9, 90)], side=0)
    venue.block("bob", 1, 1, 181, hours=2)
    venue.block("cat", 1, 1, 270)
    venue.block("dan", 1, 1, 180, hours=2)
    events = [event for event in venue.buy("ann", 9, 100) if event.startswith("fill") and "taker" in event]
    assert list(dict.fromkeys(event.split()[1] for event in events)) == ["cat", "dan", "bob"]


def test_whole_of_the_new_order_may_go_to_several_blocks_blk_011(core):
    venue = market(core)
    offer(venue, [], [(9, 100)], [(9, 100)])
    venue.block("bob", 0, 2, 301)
    venue.block("cat", 0, 2, 302)
    assert traded(venue.sell("dan", 3, 100)) == [
        "block buy 2@100", "i3 block buy 2@100", "i5 block buy 2@100",
        "block buy 1@100", "i3 block buy 1@100", "i5 block buy 1@100",
    ]  # fmt: skip


def test_blocks_in_other_fabrics_and_windows_sleep_on_blk_011(core):
    venue = market(core, count=4)
    offer(venue, [], *[[(9, 100)]] * 3)
    venue.block("bob", 0, 2, 900, scope=2)
    venue.block("cat", 0, 2, 200, hour=1)
    assert traded(venue.sell("dan", 3, 100)) == []


# Suspension and end.


def test_example_10_block_is_suspended_while_a_leg_is_halted_blk_012(core):
    venue = market(core)
    offer(venue, [(8, 200)], [(8, 200)], [(4, 200)])
    venue.block("bob", 0, 8, 600, min_lots=8)
    venue.halt(1)
    assert traded(venue.sell("cat", 4, 190, instrument=at(2))) == []
    venue.resume(1)
    assert traded(venue.sell("cat", 4, 189, instrument=at(2))) == []
    events = venue.time(-8_880)
    assert events[0] == "status i3 CONTINUOUS next=S+2700s"
    assert [event for event in events if event.startswith("trade")][-1] == "trade i5 block buy 4@190 m1"
    assert venue.position("bob")[0] == 8


def test_suspended_block_keeps_its_sequence_blk_012(core):
    venue = market(core)
    venue.block("bob", 0, 1, 300)
    venue.halt(1)
    venue.block("cat", 0, 1, 300)
    venue.resume(1)
    offer(venue, [(1, 100)], [], [(1, 100)])
    venue.sell("ann", 1, 100, instrument=at(1))
    venue.time(-8_880)
    assert (venue.position("bob")[0], venue.position("cat")[0]) == (1, 0)


def test_other_fabric_of_the_scope_goes_on_blk_012(core):
    venue = market(core)
    venue.halt(1, fabric="f1")
    venue.block("bob", 0, 4, 900, scope=3)
    offer(venue, *[[(4, 100)]] * 3)
    assert venue.position("bob")[0] == 0
    offer(venue, *[[(4, 200)]] * 3, fabric=1)
    assert venue.position("bob", at(0, 1))[0] == 4


def test_direct_trade_is_suspended_too_blk_012(core):
    venue = market(core)
    venue.block("ann", 1, 4, 300)
    venue.halt(2)
    assert len(venue.block("bob", 0, 4, 300)) == 1
    venue.resume(2)
    events = venue.time(-8_880)
    assert traded(events) == ["block buy 4@100", "i3 block buy 4@100", "i5 block buy 4@100"]


def test_example_8_block_ends_with_its_first_window_blk_013(core):
    venue = market(core, preclose_s=300)
    venue.block("bob", 0, 8, 600)
    venue.block("cat", 1, 8, 900)
    venue.block("dan", 0, 8, 400, hour=1, hours=2)
    venue.block("bob", 0, 8, 601, scope=3)
    venue.buy("ann", 1, 5)
    assert venue.time(-1_200) == [
        "done bob #1 o0 block GATE buy 8@600 f1 +3h",
        "done cat #1 o1 block GATE sell 8@900 f1 +3h",
        "done bob #2 o3 block GATE buy 8@601 f1,f2 +3h",
        "status PRECLOSE next=S-900s",
        "status i2 PRECLOSE next=S-900s",
        "indicative 0@0",
        "indicative i2 0@0",
    ]


def test_without_closing_call_blocks_end_at_the_gate_blk_013(core):
    venue = market(core)
    venue.block("bob", 0, 8, 600)
    assert venue.time(-900)[0] == "done bob #1 o0 block GATE buy 8@600 f1 +3h"


def test_replaced_block_ends_in_the_order_of_its_new_sequence_blk_013(core):
    venue = market(core)
    venue.block("bob", 0, 8, 600)
    venue.block("cat", 0, 8, 600)
    venue.replace("bob", "o0", 9, 600)
    assert [event.split()[1] for event in venue.time(-900)[:2]] == ["cat", "bob"]


def test_gtd_block_expires_blk_013(core):
    venue = market(core)
    venue.block("bob", 0, 8, 600, tif=3, expiry_ns=moment_ns(-8_000))
    venue.buy("ann", 1, 5, tif=3, expiry_ns=moment_ns(-8_000))
    venue.block("cat", 0, 8, 600, tif=3, expiry_ns=moment_ns(-8_001))
    venue.block("dan", 0, 8, 600, tif=3, expiry_ns=moment_ns(-8_000))
    venue.replace("bob", "o0", 3, 601)  # It keeps its expiry and its turn.
    assert venue.time(-8_001, ns=-1) == []
    assert venue.time(-8_000) == [
        "done cat #1 o2 block EXPIRED buy 8@600 f1 +3h",
        "done bob #1 o0 block EXPIRED buy 3@601 f1 +3h",
        "done ann #1 o1 EXPIRED buy 1@5",
        "done dan #1 o3 block EXPIRED buy 8@600 f1 +3h",
    ]


# Cancel and replace.


def test_block_is_cancelled_by_handle_or_ref_blk_014(core):
    venue = market(core)
    for _ in range(2):
        venue.block("bob", 0, 8, 600, lane=1)
    assert venue.cancel("ann", "o0") == ["reject ann #1 NO_ORDER"]
    assert venue.cancel("bob", "o0") == ["ack bob #1 o0", "done bob lane=1 #1 o0 block USER buy 8@600 f1 +3h"]
    assert venue.do(commands.cancel_ref(2, 3, 2, lane=1)) == [
        "ack bob lane=1 #3 o1", "done bob lane=1 #2 o1 block USER buy 8@600 f1 +3h",
    ]  # fmt: skip
    assert venue.cancel("bob", "o1") == ["reject bob #2 NO_ORDER"]


def test_fewer_leaves_at_the_limit_keep_the_sequence_blk_014(core):
    venue = market(core)
    venue.block("bob", 0, 8, 300, min_lots=5)
    venue.block("cat", 0, 8, 300)
    assert venue.replace("bob", "o0", 8, 300)[1] == "replaced bob #1 o0 block buy 8@300 f1 +3h leaves=8"
    assert venue.do(commands.replace_ref(2, venue.ref("bob"), 1, 300, 3)) == [
        "ack bob #3 o0", "replaced bob #1 o0 block buy 3@300 f1 +3h leaves=3",
    ]  # fmt: skip
    assert venue.block("ann", 1, 2, 300)[0].startswith("ack")  # The minimum has come down to three.
    assert venue.position("bob")[0] == 0
    assert venue.position("cat")[0] == 2
    venue.block("ann", 1, 3, 300)
    assert venue.position("bob")[0] == 3


@pytest.mark.parametrize(("lots", "limit"), [(9, 300), (8, 301), (3, 301), (8, 299)])
def test_other_changes_give_a_new_sequence_blk_014(core, lots, limit):
    venue = market(core)
    venue.block("bob", 0, 8, 300)
    venue.block("cat", 0, 8, limit)
    venue.replace("bob", "o0", lots, limit)
    venue.block("ann", 1, 8, limit)
    assert venue.position("cat")[0] == 8


def test_replaced_block_comes_in_again_blk_014(core):
    venue = example(core)
    venue.block("bob", 0, 8, 610, min_lots=8)
    assert venue.replace("bob", "o5", 9, 630)[:3] == [
        "ack bob #2 o5",
        "replaced bob #1 o5 block buy 9@630 f1 +3h leaves=9",
        "fill ann #1 o0 sell 8@200 cum=8 m1",
    ]
    assert venue.cancel("bob", "o5")[1] == "done bob #1 o5 block USER buy 1@630 f1 +3h cum=8"


def test_replaced_block_keeps_minimum_and_scope_blk_014(core):
    venue = market(core)
    venue.block("bob", 0, 8, 300, min_lots=6, scope=3)
    venue.replace("bob", "o0", 7, 301)
    venue.block("ann", 1, 5, 300)
    assert venue.position("bob")[0] == 0
    assert venue.block("cat", 1, 6, 300, scope=2)[1].startswith("fill bob i2")
    venue.block("dan", 0, 8, 200, min_lots=8, hours=2)
    assert venue.replace("dan", "o2.2", 4, 201)[1].endswith("leaves=4")
    assert len(traded(venue.block("ann", 1, 4, 200, hours=2))) == 2


def test_total_at_or_below_what_is_filled_ends_the_block_blk_014(core):
    venue = market(core)
    venue.block("ann", 1, 3, 300)
    venue.block("bob", 0, 8, 300)
    assert venue.replace("bob", "o1", 3, 999) == [
        "ack bob #2 o1", "done bob #1 o1 block USER buy 5@300 f1 +3h cum=3",
    ]  # fmt: skip


REPLACEMENTS = [
    ({"stp": 4}, 9, 600, "MALFORMED"),
    ({"flags": 1}, 9, 600, "MALFORMED"),
    ({}, 9, -1, "PX_TICK"),
    ({}, 0, 600, "QTY_LOT"),
    ({}, LOTS_MAX + 1, 600, "QTY_MAX"),
    ({"flags": 8}, 9, 600, "PRIORITY"),
    ({"flags": 8}, 8, 601, "PRIORITY"),
    ({}, 9, 600, "MARGIN"),
]


@pytest.mark.parametrize(("terms", "lots", "limit", "reason"), REPLACEMENTS)
def test_checks_of_a_replaced_block_blk_014(core, terms, lots, limit, reason):
    venue = market(core)
    venue.rates(5, 5)
    venue.deposit("bob", 8 * (5 + 600))
    assert venue.block("bob", 0, 8, 600)[0].startswith("ack")
    before = venue.core.dump()[64:]
    assert venue.replace("bob", "o0", lots, limit, **terms) == [f"reject bob #2 {reason}"]
    assert venue.core.requirement_sum(2) == 8 * 605
    assert len(venue.core.dump()[64:]) == len(before) + 32  # One more outcome.
    assert venue.replace("bob", "o0", 7, 600, flags=8)[0] == "ack bob #3 o0"


def test_replace_is_measured_without_the_old_reserve_blk_014(core):
    venue = market(core)
    venue.deposit("bob", 8 * 600)
    venue.block("bob", 0, 8, 600)
    assert venue.replace("bob", "o0", 4, 1_201) == ["reject bob #2 MARGIN"]
    assert venue.replace("bob", "o0", 4, 1_200)[1] == "replaced bob #1 o0 block buy 4@1200 f1 +3h leaves=4"
    assert venue.core.requirement_sum(2) == 4_800


def test_replace_of_a_physical_block_needs_capacity_blk_014(core):
    venue = market(core)
    venue.certify("bob", 9, count=3)
    venue.block("bob", 1, 8, 600, flags=16)
    assert venue.replace("bob", "o0", 10, 600) == ["reject bob #2 NO_CAPACITY"]
    assert venue.replace("bob", "o0", 9, 600)[0].startswith("ack")


def test_suspended_block_may_only_shrink_blk_014(core):
    venue = market(core)
    venue.block("bob", 0, 8, 600)
    venue.halt(2)
    assert venue.replace("bob", "o0", 9, 600) == ["reject bob #2 NOT_OPEN"]
    assert venue.replace("bob", "o0", 7, 601) == ["reject bob #3 NOT_OPEN"]
    assert venue.replace("bob", "o0", 9, 600, flags=8) == ["reject bob #4 NOT_OPEN"]
    assert venue.replace("bob", "o0", 9, -1) == ["reject bob #5 PX_TICK"]
    assert venue.replace("bob", "o0", 7, 600)[1] == "replaced bob #1 o0 block buy 7@600 f1 +3h leaves=7"
    venue.resume(2)
    assert venue.replace("bob", "o0", 8, 600) == ["reject bob #7 NOT_OPEN"]
    assert venue.cancel("bob", "o0")[0] == "ack bob #8 o0"


def test_replaced_block_pins_and_hits_like_a_new_one_blk_014(core):
    venue = market(core)
    venue.block("ann", 1, 8, 300, min_lots=5)
    venue.block("dan", 0, 1, 400)
    venue.block("bob", 0, 9, 200)
    events = venue.replace("bob", "o2", 6, 300)
    assert [event for event in events if event.startswith("trade block")] == [
        "trade block buy 6@100 m1",
        "trade block sell 1@134 m2",
    ]


def many(core):
    """Blocks and orders of ann, in the order o0 to o5; o3 is dan's."""
    venue = market(core, count=6)
    venue.block("ann", 0, 1, 10, tag=7, lane=1, hours=2)
    venue.block("ann", 0, 2, 10, hour=2, scope=3, flags=4)
    venue.buy("ann", 3, 10, tag=7)
    venue.block("dan", 0, 4, 10)
    venue.certify("ann", 99, count=6)
    venue.block("ann", 1, 5, 900, hour=1, tag=7, flags=20, lane=1)
    venue.do(venue.order("ann", 1, 6, 900, instrument=at(3), lane=1, flags=4))
    return venue


@pytest.mark.parametrize(("filters", "ended"), [
    ({}, ["o2", "o5", "o0", "o1", "o4"]),
    ({"side": 0}, ["o2", "o0", "o1"]),
    ({"side": 1}, ["o5", "o4"]),
    ({"product": 1}, ["o2", "o5", "o0", "o1", "o4"]),
    ({"product": 2}, []),
    ({"tag": 7}, ["o2", "o0", "o4"]),
    ({"placed_in": 1}, ["o5", "o0", "o4"]),
    ({"placed_in": 0}, ["o2", "o1"]),
    ({"instrument": at(0)}, ["o2", "o0"]),
    ({"instrument": at(0, 1)}, []),
    ({"instrument": at(3)}, ["o5", "o1", "o4"]),
    ({"instrument": at(3, 1)}, ["o1"]),
    ({"instrument": 99}, []),
    ({"windows": (WINDOW, WINDOW + 1)}, ["o2", "o0"]),
    ({"windows": (WINDOW + 4, WINDOW + 9)}, ["o1"]),
    ({"windows": (WINDOW + 1, WINDOW + 2)}, ["o0", "o4"]),
    ({"windows": (WINDOW + 5, WINDOW + 9)}, []),
    ({"windows": (WINDOW + 3, WINDOW + 3)}, []),
    ({"windows": (WINDOW, WINDOW + 9), "side": 1, "tag": 7}, ["o4"]),
])  # fmt: skip
def test_mass_cancel_ends_blocks_behind_orders_blk_015(core, filters, ended):
    venue = many(core)
    events = venue.mass_cancel("ann", **filters)
    assert [next(word for word in event.split() if word[0] == "o") for event in events[1:]] == ended
    assert events[0].endswith(f"lots={len(ended)}") == bool(ended)
    assert venue.cancel("dan", "o3")[0].startswith("ack")


def test_replaced_block_keeps_its_entry_blk_015(core):
    venue = many(core)
    venue.replace("ann", "o0", 2, 11)
    assert venue.mass_cancel("ann", side=0)[2] == "done ann lane=1 #1 o0 block USER buy 2@11 f1 +2h"


def test_lost_session_ends_flagged_blocks_of_its_lane_blk_015(core):
    venue = many(core)
    assert venue.do(commands.session_lost(1, 1)) == [
        "done ann lane=1 i7 #3 o5 COD sell 6@900",
        "done ann lane=1 i3 #2 o4 block COD sell 5@900 f1 +3h",
    ]
    assert venue.do(commands.session_lost(1, 0)) == ["done ann i5 #1 o1 block COD buy 2@10 f1,f2 +3h"]
    assert venue.do(commands.session_lost(1, 1, every=True)) == ["done ann lane=1 #1 o0 block COD buy 1@10 f1 +2h"]


# What follows.


def test_newcomer_trades_at_its_own_price_blk_016(core):
    venue = market(core)
    offer(venue, [], [(5, 100)], [(5, 100)])
    venue.block("bob", 0, 5, 900)
    events = venue.sell("cat", 5, 50)
    assert events[1] == "fill cat #1 o3 sell 5@50 cum=5 m1"
    assert venue.position("bob")[0] == 5


def test_hourly_orders_go_before_blocks_at_the_same_price_blk_016(core):
    venue = market(core)
    offer(venue, [], [(5, 100)], [(5, 100)])
    venue.block("bob", 0, 5, 300)
    venue.buy("cat", 5, 100)
    assert traded(venue.sell("dan", 5, 100)) == ["sell 5@100"]


def test_blocks_of_different_hours_never_trade_blk_016(core):
    venue = market(core)
    venue.block("ann", 1, 5, 10)
    venue.block("ann", 1, 5, 10, hours=2)
    assert len(venue.block("bob", 0, 5, 900, hour=1, hours=2)) == 1


def test_hourly_orders_do_not_meet_through_two_blocks_blk_016(core):
    venue = market(core)
    venue.block("bob", 0, 5, 200, hours=2)
    venue.block("ann", 1, 5, 100, hour=1, hours=2)  # Window 1001 would have a buyer and a seller in the blocks.
    offer(venue, [(5, 50)], name="cat")
    assert traded(venue.buy("dan", 5, 150, instrument=at(2))) == []


def test_block_record_is_laid_out_as_said_blk_001():
    record = commands.block(
        7, 8, 9, 5, WINDOW, 168, 1, 620, 4, min_lots=2, tif=3, flags=4, expiry_ns=11, tag=12, lane=13
    )
    assert record == commands.record(
        CommandType.BLOCK, flags=4 | 168 << BLOCK_HOURS_SHIFT, account=7, instrument=9, ref=8, target=5, amount=11,
        price=620, lots=4, price_2=WINDOW, lots_2=2, tag=12, lane=13, side=1, tif=3,
    )  # fmt: skip
