"""What a block may be, and why it is refused (BLK-001 to BLK-003)."""

import pytest
from block_market import at, market, of_block, offer, traded
from venue import NOW_NS, WINDOW, Venue, line, moment_ns

from exchange import commands
from exchange.reference import ReferenceCore, block_entry
from exchange.units import LOTS_MAX, PRICE_MAX_TICKS

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
