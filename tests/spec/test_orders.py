"""Commands and answers, and the validation of a place (docs/spec/orders.md)."""

import numpy as np
import pytest
from venue import GATE_NS, NOW_NS, NUMBER, Venue, line, oid_of

from exchange import commands
from exchange.records import COMMAND, CommandType, EventType
from exchange.reference import ReferenceCore
from exchange.units import GENERATION_MAX, LANE_OUTCOMES_MAX, LOTS_MAX, POSITION_MAX, PRICE_MAX_TICKS


def test_first_event_is_the_answer_ord_001(venue):
    venue.sell("ann", 5, 100)
    assert venue.buy("bob", 7, 100) == [
        "ack bob #1 o1 buy 7@100 leaves=7",
        "fill ann #1 o0 sell 5@100 cum=5 m1",
        "fill bob #1 o1 taker buy 5@100 cum=5 leaves=2 m1",
        "trade buy 5@100 m1",
    ]


@pytest.mark.parametrize("account", [0, 6, 0xFFFFFFFF])
def test_unknown_account_changes_nothing_ord_001(venue, account):
    before = venue.core.dump()[8:]
    events = venue.run(commands.place(account, 9, 1, 0, 100, 5, lane=3))
    assert [(e["type"], e["reason"], e["account"], e["ref"], e["lane"]) for e in events] == [(34, 113, account, 9, 3)]
    assert venue.core.dump()[8:] == before  # Only the sequence number has moved.


def test_account_is_checked_before_the_ref_ord_002(venue):
    events = venue.run(commands.place(99, 0, 1, 5, -1, 0))
    assert [(e["type"], e["reason"]) for e in events] == [(34, 113)]


def test_ref_is_checked_before_everything_else_ord_002(venue):
    venue.buy("ann", 5, 100)
    assert venue.do(commands.place(1, 1, 77, 9, -1, 0)) == ["ack ann #1 o0 duplicate"]


def test_repeated_ref_gets_the_first_outcome_and_does_nothing_ord_002(venue):
    venue.buy("ann", 5, 100)
    venue.do(commands.place(1, 2, 99, 0, 100, 5))
    venue.cancel("ann", "o0")
    before = venue.core.dump()[8:]
    assert venue.do(commands.place(1, 1, 1, 0, 100, 5)) == ["ack ann #1 o0 duplicate"]
    assert venue.do(commands.place(1, 2, 1, 0, 100, 5)) == ["reject ann #2 duplicate NO_INSTRUMENT"]
    assert venue.core.dump()[8:] == before


def test_ref_that_was_skipped_is_stale_ord_002(venue):
    venue.do(commands.place(1, 10, 1, 0, 100, 5))
    assert venue.do(commands.place(1, 9, 1, 0, 100, 5)) == ["reject ann #9 STALE_REF"]
    assert venue.do(commands.place(1, 11, 1, 0, 100, 5)) == ["ack ann #11 o1 buy 5@100 leaves=5"]


def test_ref_zero_is_stale_and_makes_no_lane_ord_002(venue):
    before = venue.core.dump()[8:]
    assert venue.do(commands.place(1, 0, 1, 0, 100, 5)) == ["reject ann STALE_REF"]
    assert venue.core.dump()[8:] == before


def test_refused_command_consumes_its_ref_ord_002(venue):
    assert venue.do(commands.place(1, 5, 99, 0, 100, 5)) == ["reject ann i99 #5 NO_INSTRUMENT"]
    assert venue.do(commands.place(1, 5, 1, 0, 100, 5)) == ["reject ann #5 duplicate NO_INSTRUMENT"]


def test_lanes_count_their_refs_apart_ord_002(venue):
    venue.do(commands.place(1, 7, 1, 0, 100, 5, lane=1))
    assert venue.do(commands.place(1, 1, 1, 0, 100, 5, lane=2)) == ["ack ann lane=2 #1 o1 buy 5@100 leaves=5"]
    assert venue.do(commands.place(2, 1, 1, 0, 100, 5, lane=1)) == ["ack bob lane=1 #1 o2 buy 5@100 leaves=5"]


def test_outcomes_beyond_the_last_4096_are_stale_ord_002(venue):
    venue.run(*(commands.cancel(1, ref, 0) for ref in range(1, LANE_OUTCOMES_MAX + 2)))
    assert venue.do(commands.cancel(1, 1, 0), commands.cancel(1, 2, 0)) == [
        "reject ann #1 STALE_REF",
        "reject ann #2 duplicate NO_ORDER",
    ]


def test_refs_use_all_64_bits_ord_002(venue):
    top = (1 << 64) - 1
    assert venue.do(commands.place(1, top, 1, 0, 100, 5)) == [f"ack ann #{top} o0 buy 5@100 leaves=5"]
    assert venue.do(commands.cancel_ref(1, top, top)) == [f"ack ann #{top} o0 duplicate"]


BAD_PLACES = [  # Worst first: each has every later fault too where the fields allow it.
    ({"side": 2, "instrument": 99}, "MALFORMED"),
    ({"tif": 5}, "MALFORMED"),
    ({"stp": 4}, "MALFORMED"),
    ({"flags": 8}, "MALFORMED"),
    ({"flags": 64}, "MALFORMED"),
    ({"flags": 16}, "MALFORMED"),  # Physical and standby are of sells.
    ({"flags": 32}, "MALFORMED"),
    ({"side": 1, "flags": 32, "display": 5}, "MALFORMED"),
    ({"side": 1, "flags": 32, "tif": 1}, "MALFORMED"),
    ({"side": 1, "flags": 32, "tif": 4}, "MALFORMED"),
    ({"side": 1, "flags": 33}, "MALFORMED"),
    ({"side": 1, "flags": 34}, "MALFORMED"),
    ({"side": 1, "flags": 48}, "MALFORMED"),
    ({"display": -1}, "MALFORMED"),
    ({"display": 6}, "MALFORMED"),
    ({"tif": 1, "display": 5}, "MALFORMED"),
    ({"tif": 2, "display": 5}, "MALFORMED"),
    ({"tif": 4, "display": 5}, "MALFORMED"),
    ({"tif": 4, "flags": 1}, "MALFORMED"),
    ({"tif": 4, "expiry_ns": NOW_NS + 1}, "MALFORMED"),
    ({"tif": 1, "flags": 1}, "MALFORMED"),
    ({"tif": 2, "flags": 1}, "MALFORMED"),
    ({"tif": 3}, "MALFORMED"),
    ({"tif": 3, "expiry_ns": -1}, "MALFORMED"),
    ({"expiry_ns": NOW_NS + 1}, "MALFORMED"),
    ({"instrument": 0, "price": -1, "lots": 0}, "NO_INSTRUMENT"),
    ({"instrument": 3, "price": -1, "lots": 0}, "NO_INSTRUMENT"),
    ({"tif": 4, "price": -1, "lots": 0}, "NOT_OPEN"),
    ({"side": 1, "flags": 36, "price": -1, "lots": 0}, "NOT_OPEN"),
    ({"price": -1, "lots": 0}, "PX_TICK"),
    ({"price": PRICE_MAX_TICKS + 1, "lots": 0}, "PX_TICK"),
    ({"lots": 0}, "QTY_LOT"),
    ({"lots": -5, "display": 6}, "QTY_LOT"),
    ({"lots": LOTS_MAX + 1, "flags": 1, "price": 101}, "QTY_MAX"),
    ({"lots": 1_001, "display": 1}, "QTY_MAX"),
    ({"flags": 1, "price": 101}, "WOULD_TAKE"),
    ({"tif": 2, "lots": 6, "price": 101, "flags": 2}, "FOK_UNFILLED"),
    ({"tif": 3, "expiry_ns": NOW_NS, "flags": 2}, "DEADLINE"),
    ({"flags": 2}, "REDUCE_ONLY"),
    ({"side": 1, "flags": 18}, "REDUCE_ONLY"),
    ({"side": 1, "flags": 16}, "NO_CAPACITY"),
]


@pytest.mark.parametrize(("change", "reason"), BAD_PLACES)
def test_first_reason_by_number_wins_ord_003(venue, change, reason):
    venue.sell("bob", 5, 101)
    fields = {"side": 0, "lots": 5, "price": 100} | change
    before = venue.core.dump()
    events = venue.run(venue.order("ann", fields.pop("side"), fields.pop("lots"), fields.pop("price"), **fields))
    assert [line(event).split()[-1] for event in events] == [reason]
    assert venue.book() == ([], [(101, 5, 1)])
    assert venue.position("ann") == (0, 0, 0, 0)
    assert venue.core.dump() != before  # The lane's last ref and outcome.


@pytest.mark.parametrize(
    ("change", "lots", "price"),
    [({"display": 1}, 1_000, 100), ({}, LOTS_MAX, 0), ({}, 1, PRICE_MAX_TICKS), ({"display": 5}, 5, 100)],
)
def test_largest_allowed_values_are_accepted_ord_003(venue, change, lots, price):
    assert venue.buy("ann", lots, price, **change)[0].startswith("ack")


def test_value_above_the_limit_ord_003(core):
    venue = Venue(core(), lot_scu=1 << 20, tick_micros=1 << 20)  # One tick on one lot is 2^40 micros.
    assert venue.buy("ann", (1 << 11), 1 << 11)[0].startswith("ack")
    assert venue.buy("ann", (1 << 11) + 1, 1 << 11) == ["reject ann #2 QTY_MAX"]


def test_margin_comes_before_limits_ord_003(core):
    venue = Venue(core(account_orders_max=1))
    venue.buy("ann", 5, 100)
    assert venue.buy("ann", 5, 100) == ["reject ann #2 OPEN_LIMIT"]
    venue.rates(1, 1)
    assert venue.buy("ann", 5, 100) == ["reject ann #3 MARGIN"]


def test_position_limit_counts_position_and_both_sides_ord_003(venue):
    venue.sell("bob", LOTS_MAX, 1)
    venue.buy("ann", LOTS_MAX, 1)
    venue.sell("ann", 1, 2)
    rest = POSITION_MAX - LOTS_MAX - 1
    assert venue.buy("ann", rest + 1, 1) == ["reject ann #3 POSITION_LIMIT"]
    assert venue.buy("ann", rest, 1)[0].startswith("ack")
    assert venue.sell("ann", 1, 2) == ["reject ann #5 POSITION_LIMIT"]


def test_open_limit_of_the_venue_ord_003(core):
    venue = Venue(core(orders_max=2))
    venue.buy("ann", 5, 100)
    venue.buy("bob", 5, 100)
    assert venue.sell("cat", 5, 100, tif=1) == ["reject cat #1 OPEN_LIMIT"]  # An IOC order needs a slot as well.
    venue.cancel("ann", "o0")
    assert venue.sell("cat", 5, 100, tif=1)[0] == "ack cat #2 o0.2 sell 5@100 leaves=5"


def test_open_limit_of_an_account_ord_003(core):
    venue = Venue(core(account_orders_max=2))
    venue.buy("ann", 5, 100)
    venue.sell("ann", 5, 110, instrument=2)
    assert venue.buy("ann", 5, 100) == ["reject ann #3 OPEN_LIMIT"]
    assert venue.buy("ann2", 5, 100)[0].startswith("ack")
    venue.sell("bob", 5, 100)  # Fills the first, which makes room.
    assert venue.buy("ann", 5, 100)[0].startswith("ack")


def test_slots_come_back_last_in_first_out_ord_004(venue):
    for _ in range(3):
        venue.buy("ann", 5, 100)
    venue.cancel("ann", "o0")
    venue.cancel("ann", "o2")
    assert [venue.buy("ann", 5, 100)[0].split()[3] for _ in range(3)] == ["o2.2", "o0.2", "o3"]


def test_slots_of_makers_come_back_before_the_takers_ord_004(venue):
    venue.sell("ann", 5, 100)
    venue.sell("bob", 5, 100)
    venue.buy("cat", 10, 100)  # Frees o0, o1, then its own o2.
    assert [venue.buy("ann", 5, 90)[0].split()[3] for _ in range(3)] == ["o2.2", "o1.2", "o0.2"]


def test_order_answers_to_any_lane_of_its_account_by_handle_ord_004(venue):
    venue.buy("ann", 5, 100, lane=1)
    assert venue.cancel("ann", "o0", lane=7) == [
        "ack ann lane=7 #1 o0",
        "done ann lane=1 #1 o0 USER buy 5@100",
    ]


def test_order_answers_to_its_lane_and_ref_ord_004(venue):
    venue.buy("ann", 5, 100, lane=1)
    assert venue.do(commands.cancel_ref(1, 1, 1, lane=2)) == ["reject ann lane=2 #1 NO_ORDER"]
    assert venue.do(commands.cancel_ref(1, 2, 1, lane=1)) == [
        "ack ann lane=1 #2 o0",
        "done ann lane=1 #1 o0 USER buy 5@100",
    ]


@pytest.mark.parametrize(
    "target", [0, oid_of("o0.2"), oid_of("o0.0"), oid_of("o1"), oid_of("o0") | 1 << 63, (1 << 64) - 1]
)
def test_handles_of_nothing_ord_004(venue, target):
    venue.buy("ann", 5, 100)
    assert venue.do(commands.cancel(1, 2, target)) == ["reject ann #2 NO_ORDER"]


def test_handles_of_others_and_of_ended_orders_ord_004(venue):
    venue.buy("ann", 5, 100)
    assert venue.cancel("ann2", "o0") == ["reject ann2 #1 NO_ORDER"]  # One owner, but another account.
    venue.cancel("ann", "o0")
    venue.buy("ann", 5, 100)
    assert venue.cancel("ann", "o0") == ["reject ann #4 NO_ORDER"]
    assert venue.cancel("ann", "o0.2")[0] == "ack ann #5 o0.2"


def use_up_generations(venue, count):
    """Let orders come and go in slot 0, whole batches at a time."""
    rows = np.frombuffer(venue.order("cat", 0, 5, 100, tif=1) * min(count, 1 << 16), dtype=COMMAND).copy()
    while count:
        rows = rows[:count]
        rows["ref"] = np.arange(len(rows)) + venue.refs["cat", 0] + 1
        venue.refs["cat", 0] += len(rows)
        venue.engine.apply_count(rows.tobytes(), NOW_NS)
        count -= len(rows)


@pytest.mark.slow
def test_compiled_slot_at_its_last_generation_is_retired_ord_004(compiled_core):
    venue = Venue(compiled_core(orders_max=2))
    use_up_generations(venue, GENERATION_MAX - 2)
    check_retirement(venue)


def test_slot_at_its_last_generation_is_retired_ord_004():
    venue = Venue(ReferenceCore(orders_max=2))
    venue.core.state.slots.generations.append(GENERATION_MAX - 2)
    venue.core.state.slots.free.append(0)
    check_retirement(venue)


def check_retirement(venue):
    """The last two generations of slot 0 are used, then it is not."""
    assert venue.buy("ann", 5, 100, tif=1)[0] == f"ack ann #1 o0.{GENERATION_MAX - 1} buy 5@100 leaves=5"
    assert venue.buy("ann", 5, 100, tif=1)[0] == f"ack ann #2 o0.{GENERATION_MAX} buy 5@100 leaves=5"
    assert venue.buy("ann", 5, 100)[0] == "ack ann #3 o1 buy 5@100 leaves=5"
    assert venue.buy("ann", 5, 100) == ["reject ann #4 OPEN_LIMIT"]


def test_answer_to_a_place_ord_005(venue):
    (ack,) = (e for e in venue.run(venue.order("ann", 1, 5, 100, lane=3)) if e["type"] == EventType.ACK)
    fields = ("flags", "account", "lane", "instrument", "oid", "ref", "price", "lots", "cum", "leaves", "amount")
    assert [int(ack[field]) for field in fields] == [1, 1, 3, 1, 1 << 28, 1, 100, 5, 0, 5, 0]


def test_answer_to_an_iceberg_says_what_it_shows_ord_005(venue):
    ack = venue.run(venue.order("ann", 0, 5, 100, display=2))[0]
    assert [int(ack[field]) for field in ("type", "lots", "cum", "leaves")] == [EventType.ACK, 5, 2, 5]


def test_answers_to_cancel_and_replace_ord_005(venue):
    venue.buy("ann", 5, 100)
    for record in (venue.replace_order("ann", "o0", 4, 100), venue.cancel_order("ann", "o0")):
        ack = venue.run(record)[0]
        assert [int(ack[field]) for field in ("type", "instrument", "oid", "price", "lots", "leaves")] == [
            EventType.ACK, 0, 1 << 28, 0, 0, 0,
        ]  # fmt: skip


def test_answer_to_a_mass_cancel_carries_the_number_ord_005(venue):
    venue.buy("ann", 5, 100)
    venue.sell("ann", 5, 110)
    assert venue.mass_cancel("ann")[0] == "ack ann #3 lots=2"
    assert venue.mass_cancel("ann") == ["ack ann #4"]


def test_closed_window_refuses_orders_ord_003(venue):
    venue.do(commands.time(GATE_NS))
    assert venue.buy("ann", 0, -1) == ["reject ann #1 WINDOW_CLOSED"]
    assert venue.buy("ann", 5, 100, instrument=2)[0].startswith("ack")


def test_unused_fields_of_a_place_are_ignored_ord_003(venue):
    record = commands.record(
        CommandType.PLACE, account=NUMBER["ann"], ref=1, instrument=1, price=100, lots=5, target=77, price_2=-9
    )
    assert venue.do(record) == ["ack ann #1 o0 buy 5@100 leaves=5"]
