"""Records, administration, the dump and the state hash (docs/spec/engine.md)."""

import hashlib
import struct

import pytest
from venue import GATE_NS, NOW_NS, WINDOW, Venue

from exchange import commands
from exchange.commands import Leg
from exchange.engine import Engine
from exchange.errors import InvariantViolation, RecordError
from exchange.records import CommandType, EventType
from exchange.units import HOUR_NS, NS_PER_SECOND, PRICE_MAX_TICKS


def test_each_record_takes_a_sequence_number_eng_001(venue):
    before = venue.engine.seq
    venue.run(venue.order("ann", 0, 1, 100), commands.record(20), commands.time(0), commands.add_account("eve"))
    assert venue.engine.seq == before + 4


def test_payload_of_a_plain_record_is_ignored_eng_001(venue):
    record = commands.record(CommandType.PLACE, length=128, account=1, ref=1, instrument=1, price=100, lots=5)
    events = venue.do(record + b"\xff" * 64, venue.order("bob", 0, 1, 100))
    assert events == ["ack ann #1 o0 buy 5@100 leaves=5", "ack bob #1 o1 buy 1@100 leaves=1"]


def test_events_name_their_command_by_its_offset_eng_001(venue):
    events = venue.run(
        venue.order("ann", 0, 1, 100),
        commands.add_account("eve"),
        commands.time(0),
        venue.order("bob", 1, 1, 100),
        commands.record(77),
    )
    assert [int(event["command"]) for event in events] == [0, 0, 1, 3, 3, 3, 3, 3, 4]


def test_same_records_give_the_same_events_and_hash_eng_001(core):
    outcomes = []
    for _ in range(2):
        venue = Venue(core())
        events = venue.run(venue.order("ann", 0, 5, 100), venue.legs("bob", (1, 99, 1, 100, 3)))
        outcomes.append((events.tobytes(), venue.engine.state_hash()))
    assert outcomes[0] == outcomes[1]


def test_batches_do_not_matter_to_the_state_eng_001(core):
    one, other = Venue(core()), Venue(core())
    records = [one.order("ann", 0, 5, 100), one.order("bob", 1, 3, 100), commands.add_account("eve")]
    one.run(*records)
    for record in records:
        other.run(record)
    assert one.engine.state_hash() == other.engine.state_hash()


def test_time_of_a_batch_never_goes_back_eng_002(venue):
    venue.do(commands.time(NOW_NS + 9))
    before = venue.engine.state_hash()
    with pytest.raises(InvariantViolation, match=f"from {NOW_NS + 9} ns, was {NOW_NS + 8} ns"):
        venue.engine.apply(commands.time(0), NOW_NS + 8)
    assert venue.engine.state_hash() == before
    assert venue.engine.apply_count(b"", NOW_NS + 9) == 0


@pytest.mark.parametrize(
    "tail",
    [
        b"\x00",
        bytes(64),
        struct.pack("<I", 32) + bytes(60),
        struct.pack("<I", 96) + bytes(124),
        struct.pack("<I", 128) + bytes(60),
        struct.pack("<I", 0xFFFFFFC0) + bytes(60),
        commands.time(0)[:63],
    ],
)
def test_batch_that_does_not_add_up_is_refused_whole_eng_003(venue, tail):
    before = venue.engine.state_hash()
    for head in (b"", venue.order("ann", 0, 5, 100), commands.add_account("eve")):
        with pytest.raises(RecordError):
            venue.engine.apply(head + tail, NOW_NS + 5)
    assert venue.engine.state_hash() == before


def test_core_checks_lengths_before_it_applies_anything_eng_003(core):
    fresh = core()
    fresh.begin(1)
    with pytest.raises(ValueError, match=r"length|multiple"):
        fresh.run(commands.time(5) + bytes(64), 0)
    assert (fresh.seq, fresh.now_ns) == (0, 1)


@pytest.mark.parametrize("command_type", [0, 15, 20, 25, 27, 29, 199, 205, 219, 250, 65_535])
def test_unknown_type_is_refused_and_consumes_no_ref_eng_004(venue, command_type):
    (event,) = venue.run(commands.record(command_type, account=1, ref=1, instrument=1, price=1, lots=1))
    assert (event["type"], event["reason"]) == (EventType.REJECT, 101)
    assert venue.buy("ann", 5, 100)[0] == "ack ann #1 o0 buy 5@100 leaves=5"


def admin_events(engine, *records):
    return [
        (EventType(e["type"]).name, int(e["reason"]), int(e["account"]), int(e["instrument"]), int(e["price"]),
         int(e["lots"]), int(e["amount"]))
        for e in engine.apply(b"".join(records), engine.now_ns)
    ]  # fmt: skip


def test_acknowledgements_carry_numbers_adm_001(core):
    engine = Engine(core())
    assert admin_events(
        engine,
        commands.add_product("Q", 1, 1, ["f"]),
        commands.add_product("R", 1, 1, ["f", "g"]),
        commands.add_account("x"),
        commands.add_account("y"),
        commands.list_window("R", 5),
        commands.set_rates("R", 5, long_micros=1, short_micros=1, fabric="g"),
        commands.set_mark("R", 5, px=7),
    ) == [
        ("ACK", 0, 0, 0, 0, 0, 1),
        ("ACK", 0, 0, 0, 0, 0, 2),
        ("ACK", 0, 1, 0, 0, 0, 0),
        ("ACK", 0, 2, 0, 0, 0, 0),
        ("ACK", 0, 0, 0, 0, 2, 0),
        ("INSTRUMENT", 0, 0, 1, 2, 0, 5),
        ("INSTRUMENT", 0, 0, 2, 2, 1, 5),
        ("ACK", 0, 0, 0, 0, 1, 0),
        ("ACK", 0, 0, 0, 0, 2, 0),
    ]


PRODUCT = {"product": "Q", "lot_scu": 1, "tick_micros": 1, "fabrics": ["f"]}
LISTING = {"product": "P", "start": WINDOW + 9}
RATES = {"product": "P", "start": WINDOW, "long_micros": 1, "short_micros": 1}
MARK = {"product": "P", "start": WINDOW, "px": 1}

REFUSALS = [
    (CommandType.ADD_PRODUCT, PRODUCT | {"product": "P"}, 242),
    (CommandType.ADD_PRODUCT, PRODUCT | {"product": "P", "lot_scu": 0}, 100),
    (CommandType.ADD_PRODUCT, PRODUCT | {"lot_scu": (1 << 20) + 1}, 100),
    (CommandType.ADD_PRODUCT, PRODUCT | {"lot_scu": True}, 100),
    (CommandType.ADD_PRODUCT, PRODUCT | {"tick_micros": 0}, 100),
    (CommandType.ADD_PRODUCT, PRODUCT | {"tick_micros": "1"}, 100),
    (CommandType.ADD_PRODUCT, PRODUCT | {"product": ""}, 100),
    (CommandType.ADD_PRODUCT, PRODUCT | {"product": "a b"}, 100),
    (CommandType.ADD_PRODUCT, PRODUCT | {"product": "x" * 65}, 100),
    (CommandType.ADD_PRODUCT, PRODUCT | {"product": "Q\n"}, 100),
    (CommandType.ADD_PRODUCT, PRODUCT | {"fabrics": []}, 100),
    (CommandType.ADD_PRODUCT, PRODUCT | {"fabrics": ["f", "f"]}, 100),
    (CommandType.ADD_PRODUCT, PRODUCT | {"fabrics": ["a.b"]}, 100),
    (CommandType.ADD_PRODUCT, PRODUCT | {"fabrics": [7]}, 100),
    (CommandType.ADD_PRODUCT, PRODUCT | {"fabrics": "f"}, 100),
    (CommandType.ADD_PRODUCT, PRODUCT | {"fabrics": [f"f{n}" for n in range(65)]}, 100),
    (CommandType.ADD_PRODUCT, PRODUCT | {"maker_fee_ppm": -1}, 100),
    (CommandType.ADD_PRODUCT, PRODUCT | {"taker_fee_ppm": 1_000_001}, 100),
    (CommandType.ADD_PRODUCT, PRODUCT | {"gate_lead_s": -1}, 100),
    (CommandType.ADD_PRODUCT, PRODUCT | {"colour": 1}, 100),
    (CommandType.ADD_PRODUCT, {"product": "Q"}, 100),
    (CommandType.ADD_PRODUCT, [1], 100),
    (CommandType.ADD_PRODUCT, None, 100),
    (CommandType.ADD_PRODUCT, {1: 2}, 100),
    (CommandType.ADD_ACCOUNT, {"account": "ann"}, 242),
    (CommandType.ADD_ACCOUNT, {"account": "eve", "margined": 1}, 100),
    (CommandType.ADD_ACCOUNT, {"account": "eve", "group": "a/b"}, 100),
    (CommandType.ADD_ACCOUNT, {"account": "eve", "group": None}, 100),
    (CommandType.ADD_ACCOUNT, {"account": b"eve"}, 100),
    (CommandType.LIST_WINDOW, LISTING | {"product": "Q"}, 203),
    (CommandType.LIST_WINDOW, LISTING | {"product": "Q", "count": 0}, 100),
    (CommandType.LIST_WINDOW, LISTING | {"count": 8_785}, 100),
    (CommandType.LIST_WINDOW, LISTING | {"start": -1}, 100),
    (CommandType.LIST_WINDOW, LISTING | {"start": 2_500_001}, 100),
    (CommandType.LIST_WINDOW, LISTING | {"start": 2_500_000, "count": 2}, 100),
    (CommandType.LIST_WINDOW, LISTING | {"start": 1 << 63}, 100),
    (CommandType.LIST_WINDOW, LISTING | {"start": 1.5}, 100),
    (CommandType.LIST_WINDOW, LISTING | {"start": WINDOW - 5, "count": 6}, 205),
    (CommandType.LIST_WINDOW, LISTING | {"start": 0, "count": 8_784}, 202),
    (CommandType.SET_RATES, RATES | {"product": "Q"}, 203),
    (CommandType.SET_RATES, RATES | {"fabric": "h"}, 204),
    (CommandType.SET_RATES, RATES | {"fabric": "h", "long_micros": -1}, 100),
    (CommandType.SET_RATES, RATES | {"short_micros": 1 << 53}, 100),
    (CommandType.SET_RATES, RATES | {"count": 3}, 200),
    (CommandType.SET_RATES, RATES | {"start": WINDOW - 1}, 200),
    (CommandType.SET_MARK, MARK | {"px": -1}, 210),
    (CommandType.SET_MARK, MARK | {"px": PRICE_MAX_TICKS + 1}, 210),
    (CommandType.SET_MARK, MARK | {"px": -1, "fabric": "h"}, 204),
    (CommandType.SET_MARK, MARK | {"px": -1, "count": 3}, 200),
    (CommandType.SET_MARK, MARK | {"px": True}, 100),
]


@pytest.mark.parametrize(("command_type", "fields", "reason"), REFUSALS)
def test_refused_administration_changes_nothing_adm_001(venue, command_type, fields, reason):
    catalogue, dump = venue.engine.catalogue.canonical(), venue.core.dump()
    events = venue.run(commands.admin(command_type, fields))
    assert [(int(event["type"]), int(event["reason"])) for event in events] == [(EventType.REJECT, reason)]
    assert venue.engine.catalogue.canonical() == catalogue
    assert venue.core.dump()[8:] == dump[8:]


def test_listing_in_the_past_is_closed_adm_001(venue):
    gate = (WINDOW + 9) * 3_600 - 900
    venue.do(commands.time(gate * NS_PER_SECOND - 1))
    assert venue.do(commands.list_window("P", WINDOW + 9)) == [
        "ack lots=1", f"instrument i3 CONTINUOUS window={WINDOW + 9}"
    ]  # fmt: skip
    venue.do(commands.time((gate + 3_600) * NS_PER_SECOND))
    assert venue.do(commands.list_window("P", WINDOW + 10)) == ["reject WINDOW_CLOSED"]


def test_limits_of_accounts_and_instruments_adm_001(core):
    engine = Engine(core(accounts_max=3, instruments_max=3))
    engine.apply(commands.add_product("P", 1, 1, ["f", "g"]), 0)
    reasons = [
        event[1]
        for event in admin_events(
            engine,
            *(commands.add_account(name) for name in ("x", "y", "z", "y")),
            commands.list_window("P", 5),
            commands.list_window("P", 6),
        )
    ]
    assert reasons == [0, 0, 232, 232, 0, 0, 0, 232]


def test_closed_windows_still_take_rates_and_marks_adm_001(venue):
    venue.do(commands.time(GATE_NS))
    records = commands.set_mark("P", WINDOW, px=5), commands.set_rates("P", WINDOW, long_micros=1, short_micros=2)
    assert venue.do(*records) == ["ack lots=1"] * 2


def test_handles_go_by_window_then_by_fabric_adm_002(core):
    engine = Engine(core())
    engine.apply(commands.add_product("P", 1, 1, ["z", "a"]) + commands.list_window("P", 7, count=2), 0)
    symbols = [engine.catalogue.symbol(handle) for handle in range(1, 6)]
    hour = "1970-01-01T0"
    assert symbols == [f"P.z@{hour}7", f"P.a@{hour}7", f"P.z@{hour}8", f"P.a@{hour}8", None]


def test_groups_are_numbered_by_first_mention_adm_003(core):
    engine = Engine(core())
    engine.apply(
        commands.add_account("x", group="two") + commands.add_account("two") + commands.add_account("y", group="x"), 0
    )
    assert engine.catalogue.accounts == [("x", 1), ("two", 1), ("y", 2)]


def words_of(venue):
    dump = venue.core.dump()
    return list(struct.unpack(f"<{len(dump) // 8}q", dump))


def test_dump_of_a_small_state_is_exact(core):
    venue = Venue(core())
    venue.deposit("ann", 1_000)
    venue.rates(3, 4)
    venue.sell("ann", 5, 100, flags=4, display=2, tag=9, lane=7)
    venue.deposit("bob", 100)
    venue.buy("bob", 2, 100, tif=3, expiry_ns=NOW_NS + 5)
    venue.buy("bob", 3, 90, tif=3, expiry_ns=NOW_NS + 5)
    venue.quote("cat", (1, 99, 0, 105, 0))
    venue.quote("ann2", (2, 99, 6, 105, 0, 3, 0, 1, 8), lane=1)
    first = 1 << 28
    assert words_of(venue) == [
        *(15, NOW_NS, 2, -1_100, 6, 2, 3),
        *(0, 0, 0, 0, 0),
        *(1, 1, 1_000, 20, 1),
        *(2, 1, 100, 15, 1),
        *(3, 0, 0, 0, 0),
        *(4, 0, 0, 0, 0),
        *(1, 0, 0, 0, 1),
        *(1, 0, GATE_NS, 0, 100, 100, 3, 4),
        *(1, 0, GATE_NS + HOUR_NS, 0, -1, -1, 0, 0),
        *(1, 1, -2, 0, 3, 20, 0, 0),
        *(2, 1, 2, 3, 0, 15, 0, 0),
        *(5, 2, 0, 6, 0, 0, 0, 0),
        *(2 * first + 1, 90, 3, 3, 0, 0, 16, 2, 2, 0, 0),
        *(first, 100, 3, 2, 2, 2, 4, 1, 1, 7, 9),
        *(first + 2, 99, 6, 6, 0, 0, 8, 5, 0, 259, 8),
        *(NOW_NS + 5, 13, 2 * first + 1),
        *(1, 7, 1, -1, 1, 1, 33, 0, first),
        *(2, 0, 2, -1, 2, 1, 33, 0, first + 1, 2, 33, 0, 2 * first + 1),
        *(3, 0, 1, 0, 1, 1, 33, 0, 0),
        *(5, 1, 1, 0, 1, 1, 33, 0, 0),
        3,
    ]


def test_dump_lists_the_free_slots_from_the_next_to_be_taken(venue):
    for _ in range(3):
        venue.buy("ann", 1, 100)
    venue.cancel("ann", "o2")
    venue.cancel("ann", "o0")
    venue.buy("ann", 1, 100)
    venue.cancel("ann", "o0.2")
    assert words_of(venue)[-5:] == [3, 0, 2, 2, 1]


def test_dump_remembers_the_leg_a_quote_came_to(venue):
    venue.do(commands.quote(1, 5, [Leg(1, 9, 0, 9, 0)] * 3))
    lane = words_of(venue)[7 + 6 * 5 + 2 * 8 :]
    assert lane == [1, 0, 5, 2, 1, 5, 33, 0, 0, 0]


def test_state_hash_is_that_of_catalogue_and_dump(venue):
    venue.buy("ann", 5, 100)
    parts = venue.engine.catalogue.canonical() + venue.engine.nodes.canonical() + venue.core.dump()
    assert venue.engine.state_hash() == hashlib.sha256(parts).hexdigest()
    assert venue.engine.nodes.canonical() == b""
    assert venue.engine.catalogue.canonical() == (
        b"product P 1 1 0 0 900 f;  0 0 0 0 0 4500 120 0 0 5000 0\ninstrument 1 0 1000\ninstrument 1 0 1001\n"
        b"group ann\ngroup bob\ngroup cat\ngroup dan\n"
        b"account ann 1\naccount bob 2\naccount cat 3\naccount dan 4\naccount ann2 1\n"
    )
