"""JSON lines to records, and events and records to JSON lines."""

import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exchange import commands
from exchange.engine import Engine
from exchange.reasons import DoneReason
from exchange.records import (
    COMMAND,
    EVENT,
    NIL,
    CommandType,
    EventFlag,
    EventType,
    MassFlag,
    Phase,
    PhaseReason,
)
from exchange.reference.core import ReferenceCore
from gateway.jsonlines import LATER, CommandReader
from gateway.jsonlines_fields import EVERY_FABRIC, FIELDS, INT32_MAX, LineError
from gateway.jsonlines_out import CommandWriter, EventWriter, encode

SETUP = [
    {"t": "add_product", "product": "H100", "lot_scu": 8, "tick_micros": 1000, "fabrics": ["f1", "f2"]},
    {"t": "add_account", "account": "ann"},
    {"t": "add_account", "account": "bob", "group": "ann", "margined": True},
    {"t": "list_window", "product": "H100", "start": 14, "count": 2},
]
PLACE = {
    "t": "place", "account": "bob", "ref": 3, "product": "H100", "fabric": "f2", "start": 15, "side": "sell",
    "px": 200, "qty": 8,
}  # fmt: skip
LEG = {"product": "H100", "fabric": "f1", "start": 14, "bid_px": 9, "bid_qty": 2, "ask_px": 11, "ask_qty": 3}
BLOCK = {
    "t": "block", "account": "bob", "ref": 1, "product": "H100", "fabrics": ["f1"], "start": 14, "hours": 3,
    "side": "buy", "limit_total": 620, "qty": 8,
}  # fmt: skip
MARKET = {
    "zone": "use1", "open_lead_s": 604800, "open_call_s": 600, "preclose_s": 300, "random_end_s": 30,
    "balancing_s": 3000, "settle_s": 4500, "volatility_call_s": 60, "band_static_bps": 5000,
    "band_dynamic_bps": 1000, "buyin_bps": 2500, "rolling_hours": 48, "window_hours": 2,
}  # fmt: skip
COMPLETE = [
    *SETUP,
    SETUP[0] | MARKET,
    SETUP[0] | {"zone": "", "balancing_s": 0},
    SETUP[0] | {"window_hours": 8},
    {"t": "add_account", "account": "cat", "prepaid": True},
    {"t": "set_seed", "seed": (1 << 64) - 1},
    {"t": "roll_windows", "product": "H100"},
    {"t": "halt", "product": "H100", "start": 14, "count": 2},
    {"t": "resume", "product": "H100", "start": 14, "fabric": "f1"},
    {"t": "certify", "account": "ann", "product": "H100", "fabric": "f1", "start": 14, "count": 2, "lots": 9},
    {"t": "balance", "account": "ann", "product": "H100", "fabric": "f1", "start": 14, "lots": 9, "px": 3,
     "exclude": ["bob"]},
    {"t": "set_rates", "product": "H100", "start": 14, "count": 2, "fabric": "f1", "long_micros": 5, "short_micros": 6},
    {"t": "set_mark", "product": "H100", "start": 14, "px": 7},
    {"t": "deposit", "account": "ann", "micros": 1000},
    {"t": "withdraw", "account": "ann", "micros": 10},
    {"t": "time", "ts_ns": 12345},
    {"t": "session_lost", "account": "ann", "lane": 3, "every": True},
    {"t": "session_lost", "account": "ann", "whole_account": True, "deadman": True},
    {"t": "session", "account": "ann", "lane": 3, "note": "deadman_lane", "amount_ns": 5},
    PLACE,
    PLACE | {"lane": 7, "tif": "GTD", "expire_ts_ns": 99, "flags": ["post_only", "cod"], "stp": "decrement", "tag": 5},
    PLACE | {"display": 2, "tif": "GTG", "flags": ["reduce_only"]},
    {"t": "cancel", "account": "ann", "ref": 4, "oid": 268435456},
    {"t": "cancel_ref", "account": "ann", "ref": 4, "target_ref": 1},
    {"t": "replace", "account": "ann", "ref": 5, "oid": 268435456, "px": 1, "qty": 2, "flags": ["keep_priority"]},
    {"t": "replace", "account": "ann", "ref": 5, "target_ref": 1, "px": 1, "qty": 2, "stp": "cancel_both"},
    {"t": "mass_cancel", "account": "ann", "ref": 6},
    {"t": "mass_cancel", "account": "ann", "ref": 6, "product": "H100", "side": "sell", "tag": 9, "lane_filter": 2},
    {"t": "mass_cancel", "account": "ann", "ref": 6, "product": "H100", "fabric": "f1", "start": 14},
    {"t": "mass_cancel", "account": "ann", "ref": 6, "from": 14, "to": 20},
    PLACE | {"flags": ["physical"], "tif": "AU"},
    PLACE | {"flags": ["cod", "physical", "standby"]},
    PLACE | {"flags": ["standby", "firm"]},
    BLOCK,
    BLOCK | {"lane": 0, "min_qty": 8, "tif": "GTG"},
    BLOCK | {"fabrics": ["f1", "f2"], "tif": "GTD", "expire_ts_ns": 5, "flags": ["cod"], "tag": 7, "stp": "decrement"},
    BLOCK | {"side": "sell", "flags": ["physical"], "tif": "FOK", "hours": 168},
    {"t": "mmp_set", "account": "ann", "ref": 8, "set": 3, "fills": 4, "lots": 100, "window_ms": 1000},
    {"t": "mmp_reset", "account": "ann", "ref": 9, "set": 3},
    {"t": "quote", "account": "ann", "ref": 7, "set": 2, "legs": [LEG], "flags": ["post_only"]},
]


@pytest.fixture
def engine():
    engine = Engine(ReferenceCore())
    reader = CommandReader(engine.catalogue)
    for command in SETUP:
        engine.apply_count(reader.convert(command), 0)
    return engine


@pytest.fixture
def reader(engine):
    return CommandReader(engine.catalogue)


def fields(records):
    return np.frombuffer(records[:64], COMMAND)[0]


def test_every_command_is_tried_here():
    assert {command["t"] for command in COMPLETE} == set(FIELDS)


@pytest.mark.parametrize("command", COMPLETE, ids=lambda command: command["t"])
def test_command_is_the_same_after_a_round_trip_jsl_001(engine, reader, command):
    records = reader.read(json.dumps(command))
    line = CommandWriter(engine.catalogue).line(records)
    assert reader.convert(line) == records
    assert {name: line.get(name) for name in command} == command


def test_fabric_of_windows_may_be_null_jsl_002(reader):
    halt = {"t": "halt", "product": "H100", "start": 14}
    assert reader.convert(halt | {"fabric": None, "count": 1}) == reader.convert(halt)


def test_place_has_its_fields_and_defaults_jsl_002(reader):
    place = fields(reader.convert(PLACE))
    assert [int(place[name]) for name in COMMAND.names] == [
        64, CommandType.PLACE, 0, 2, 4, 3, 0, 0, 200, 8, 0, 0, 0, 0, 1, 0, 0,
    ]  # fmt: skip


def test_window_is_its_id_or_its_hour_jsl_003(reader):
    assert reader.convert(PLACE | {"start": "1970-01-01T15"}) == reader.convert(PLACE)


def test_unknown_instrument_and_account_are_the_engines_to_refuse_jsl_004(reader):
    assert fields(reader.convert(PLACE | {"fabric": "f9"}))["instrument"] == 0
    assert fields(reader.convert(PLACE | {"account": "eve"}))["account"] == NIL


def test_mass_cancel_sets_the_filters_given_jsl_005(reader):
    base = {"t": "mass_cancel", "account": "ann", "ref": 1}
    cancel = fields(reader.convert(base | {"product": "H100", "start": 14, "count": 3, "side": "buy"}))
    assert cancel["flags"] == MassFlag.PRODUCT | MassFlag.WINDOWS | MassFlag.SIDE
    assert (cancel["price_2"], cancel["target"]) == (1, 14 | 17 << 32)
    cancel = fields(reader.convert(base | {"product": "H100", "fabric": "f2", "start": 14}))
    assert (cancel["flags"], cancel["instrument"]) == (MassFlag.INSTRUMENT, 2)


def test_mass_cancel_counts_the_windows_of_its_product_jsl_005(engine):
    reader = CommandReader(engine.catalogue)
    engine.apply_count(reader.convert(SETUP[0] | {"product": "LONG", "window_hours": 8}), 0)
    base = {"t": "mass_cancel", "account": "ann", "ref": 1, "start": 16}
    for count, product, end in ((1, "LONG", 24), (2, "LONG", 32), (3, "LONG", 40), (3, "H100", 19)):
        cancel = fields(reader.convert(base | {"product": product, "count": count}))
        assert int(cancel["target"]) == 16 | end << 32, (count, product)


def test_quote_is_one_record_a_leg_jsl_006(reader):
    records = reader.convert(COMPLETE[-1] | {"legs": [LEG, LEG | {"start": 15}]})
    legs = np.frombuffer(records, COMMAND)
    assert legs["target"].tolist() == [0 | 2 << 32, 1 | 2 << 32]
    assert legs["instrument"].tolist() == [1, 3]


def test_block_has_its_fields_and_defaults_jsl_002(reader):
    block = fields(reader.convert(BLOCK))
    assert [int(block[name]) for name in COMMAND.names] == [
        64, CommandType.BLOCK, 3 << 8, 2, 1, 1, 1, 0, 620, 8, 14, 0, 0, 0, 0, 0, 0,
    ]  # fmt: skip
    assert reader.convert(BLOCK | {"fabrics": ["f2", "f1"]}) == reader.convert(BLOCK | {"fabrics": ["f1", "f2"]})
    assert fields(reader.convert(BLOCK | {"fabrics": ["f1", "f2"]}))["target"] == 3
    assert fields(reader.convert(BLOCK | {"fabrics": []}))["target"] == 0


def test_block_in_every_fabric_jsl_012(engine, reader):
    without = {name: value for name, value in BLOCK.items() if name != "fabrics"}
    assert reader.convert(without) == reader.convert(BLOCK | {"fabrics": None})
    records = reader.convert(without)
    assert fields(records)["target"] == EVERY_FABRIC
    line = CommandWriter(engine.catalogue).line(records)
    assert "fabrics" not in line
    assert reader.convert(line) == records


def test_what_a_block_names_wrongly_is_the_engines_to_refuse_jsl_012(engine, reader):
    assert fields(reader.convert(BLOCK | {"fabrics": ["f2", "f9"]}))["target"] == 2 | 1 << 63
    block = fields(reader.convert(BLOCK | {"product": "B200"}))
    assert (block["instrument"], block["target"]) == (NIL, 1 << 63)
    assert fields(reader.convert(BLOCK | {"start": NIL}))["price_2"] == INT32_MAX
    for command in ({"fabrics": ["f2", "f9"]}, {"product": "B200"}, {"product": "B200", "fabrics": None}):
        records = reader.convert(BLOCK | command)
        assert reader.convert(CommandWriter(engine.catalogue).line(records)) == records


def test_fabric_that_no_bit_is_left_to_name_is_refused_as_a_line_jsl_012(engine, reader):
    for name, count in (("WIDE", 64), ("BROAD", 63)):
        names = [f"g{index}" for index in range(count)]
        product = SETUP[0] | {"product": name, "fabrics": names}
        engine.apply_count(reader.convert(product), 0)
        assert fields(reader.convert(BLOCK | {"product": name, "fabrics": names}))["target"] == (1 << count) - 1
        with pytest.raises(LineError, match="fabrics must be of"):
            reader.convert(BLOCK | {"product": name, "fabrics": [*names, "f1"]})


def test_limit_of_a_block_has_a_name_of_its_own_in_replace_jsl_002(reader):
    replace = {"t": "replace", "account": "ann", "ref": 5, "oid": 7, "qty": 2}
    assert reader.convert(replace | {"limit_total": 620}) == reader.convert(replace | {"px": 620})


def test_terms_of_a_product_that_are_not_given_stay_out_of_its_record_jsl_001(reader):
    plain = {name: value for name, value in SETUP[0].items() if name != "t"}
    assert reader.convert(SETUP[0]) == commands.add_product(**plain)
    assert reader.convert(SETUP[0] | {"buyin_bps": 0}) == commands.add_product(**plain, buyin_bps=0)


blocks = st.builds(
    commands.block, account=st.integers(1, 2), ref=st.integers(0, (1 << 53) - 1),
    product=st.sampled_from([1, NIL]), scope=st.sampled_from([0, 1, 2, 3, 1 | 1 << 63, EVERY_FABRIC]),
    start=st.integers(0, INT32_MAX), hours=st.integers(0, 255), side=st.integers(0, 1),
    limit=st.integers(-1, INT32_MAX), lots=st.integers(-1, INT32_MAX), min_lots=st.integers(-1, INT32_MAX),
    tif=st.integers(0, 3), flags=st.sampled_from([0, 4, 16, 20]), stp=st.integers(0, 3),
    expiry_ns=st.integers(-1, (1 << 63) - 1), tag=st.integers(0, NIL), lane=st.integers(0, 255),
)  # fmt: skip
protections = st.builds(
    commands.mmp_set, account=st.integers(1, 2), ref=st.integers(0, (1 << 53) - 1), quote_set=st.integers(0, 255),
    fills=st.integers(-1, INT32_MAX), lots=st.integers(-1, INT32_MAX), window_ms=st.integers(-1, (1 << 63) - 1),
    lane=st.integers(0, 255),
)  # fmt: skip


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(blocks | protections)
def test_records_of_the_window_market_survive_the_round_trip_jsl_001(engine, reader, records):
    line = json.loads(encode(CommandWriter(engine.catalogue).line(records)))
    again = reader.convert(line)
    before, after = fields(records), fields(again)
    if before["instrument"] == NIL:  # Which fabrics of no product is all the same.
        before, after = before.copy(), after.copy()
        before["target"] = after["target"] = 0
    assert after.tolist() == before.tolist()


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("", "must be one JSON object"),
        ("[1]", "must be one JSON object"),
        ('{"t":"time","ts_ns":1,"ts_ns":2}', "must be given once"),
        ("[" * 100_000, "must be one JSON object"),
        ('{"ts_ns":1}', "t must be one of"),
        ('{"t":"plaice"}', "t must be one of"),
        ('{"t":["time"]}', "t must be one of"),
        ('{"t":"time"}', "time must have ts_ns"),
        ('{"t":"time","ts_ns":1,"zone":"UTC"}', "time has no field 'zone'"),
        ('{"t":"time","ts_ns":1.0}', "ts_ns must be a whole number"),
        ('{"t":"time","ts_ns":true}', "ts_ns must be a whole number"),
        ('{"t":"time","ts_ns":NaN}', "ts_ns must be a whole number"),
        ('{"t":"time","ts_ns":9223372036854775808}', "ts_ns must be a whole number from"),
    ],
)
def test_line_that_is_no_command_is_refused_with_its_reason_jsl_007(reader, line, reason):
    with pytest.raises(LineError, match=reason):
        reader.read(line)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"ref": None}, "ref must be a whole number"),
        ({"side": "hold"}, "side must be one of buy, sell"),
        ({"tif": "gtg"}, "tif must be one of GTG, IOC, FOK, GTD"),
        ({"flags": ["keep_priority"]}, "flags must be a list of post_only, reduce_only, cod"),
        ({"flags": ["cod", "cod"]}, "flags must be a list"),
        ({"flags": "cod"}, "flags must be a list"),
        ({"flags": [["cod"]]}, "flags must be a list"),
        ({"stp": "none"}, "stp must be one of cancel_resting"),
        ({"start": "noon"}, "window must look like"),
        ({"start": -1}, "start must be a whole number"),
        ({"lane": 256}, "lane must be a whole number from 0 to 255"),
        ({"px": 1 << 31}, "px must be a whole number"),
        ({"account": ""}, "account must be a name"),
    ],
)
def test_field_out_of_its_range_is_refused_jsl_007(reader, change, reason):
    with pytest.raises(LineError, match=reason):
        reader.convert(PLACE | change)


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ({"t": "replace", "px": 1, "qty": 1}, "one of oid and target_ref"),
        ({"t": "replace", "px": 1, "qty": 1, "oid": 1, "target_ref": 1}, "one of oid and target_ref"),
        ({"t": "replace", "qty": 1, "oid": 1}, "one of px and limit_total"),
        ({"t": "replace", "qty": 1, "oid": 1, "px": 1, "limit_total": 1}, "one of px and limit_total"),
        (BLOCK | {"fabrics": ["f1", "f1"]}, "fabrics must differ"),
        (BLOCK | {"fabrics": "f1"}, "fabrics must be a list of names"),
        (BLOCK | {"tif": "AU"}, "tif must be one of GTG, GTD, IOC, FOK"),
        (BLOCK | {"flags": ["post_only"]}, "flags must be a list of cod, physical"),
        (BLOCK | {"hours": 256}, "hours must be a whole number from 0 to 255"),
        ({"t": "mmp_set", "set": 1}, "mmp_set must have window_ms"),
        ({"t": "mmp_reset", "set": 256}, "set must be a whole number from 0 to 255"),
        ({"t": "mass_cancel", "fabric": "f1"}, "fabric must come with product"),
        ({"t": "mass_cancel", "product": "H100", "fabric": "f1", "start": 14, "count": 2}, "no count"),
        ({"t": "mass_cancel", "product": "B200"}, "there is no product"),
        ({"t": "mass_cancel", "from": 3}, "from and to must come together"),
        ({"t": "mass_cancel", "count": 3}, "count must come with start"),
        ({"t": "mass_cancel", "start": NIL, "count": 3}, "must be at most"),
        ({"t": "quote", "legs": []}, "1 to 64 legs"),
        ({"t": "quote", "legs": [LEG] * 65}, "1 to 64 legs"),
        ({"t": "quote", "legs": [LEG | {"px": 1}]}, "leg 0 has no field 'px'"),
        ({"t": "quote", "legs": [3]}, "leg 0 must be an object"),
    ],
)
def test_fields_that_do_not_go_together_are_refused_jsl_007(reader, command, reason):
    with pytest.raises(LineError, match=reason):
        reader.convert({"account": "ann", "ref": 1} | command)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ({"t": "set_seed", "seed": -1}, "seed must be a whole number"),
        ({"t": "halt", "product": "H100"}, "halt must have start"),
        ({"t": "add_product", "zone": 1} | {k: v for k, v in SETUP[0].items() if k != "t"}, "zone must be text"),
        ({"t": "certify", "account": "ann", "product": "H100", "start": 1, "lots": 1}, "certify must have fabric"),
    ],
)
def test_administrative_line_with_a_wrong_field_is_refused_jsl_007(reader, line, reason):
    with pytest.raises(LineError, match=reason):
        reader.convert(line)


@pytest.mark.parametrize("name", LATER)
def test_known_later_command_is_refused_by_name_jsl_008(reader, name):
    with pytest.raises(LineError, match=f"{name} is not supported by this version"):
        reader.convert({"t": name})


def test_annotations_of_a_journal_are_passed_over_jsl_009(reader):
    assert reader.convert(PLACE | {"seq": 5, "at_ns": 6}) == reader.convert(PLACE)


def lines(engine, *commands_, spoken=None):
    writer, reader = EventWriter(engine.catalogue), CommandReader(engine.catalogue)
    found = []
    for command in commands_:
        first_seq = engine.seq + 1
        found += writer.lines(engine.apply(reader.convert(command), engine.now_ns), first_seq, spoken=spoken)
    return found


def test_events_of_a_trade_have_the_pinned_fields_jsl_010(engine):
    buy = PLACE | {"account": "ann", "side": "buy", "qty": 3, "px": 201}
    assert lines(engine, {"t": "add_account", "account": "cat"}, PLACE | {"account": "cat"}, buy)[3:] == [
        {"t": "ack", "seq": 7, "account": "ann", "oid": 268435457, "ref": 3},
        {
            "t": "fill", "seq": 7, "account": "cat", "oid": 268435456, "ref": 3, "match_id": 1, "product": "H100",
            "fabric": "f2", "start": 15, "side": "sell", "px": 200, "qty": 3, "leaves": 5, "cum": 3, "liq": "maker",
            "fee": 0,
        },
        {
            "t": "fill", "seq": 7, "account": "ann", "oid": 268435457, "ref": 3, "match_id": 1, "product": "H100",
            "fabric": "f2", "start": 15, "side": "buy", "px": 200, "qty": 3, "leaves": 0, "cum": 3, "liq": "taker",
            "fee": 0,
        },
        {
            "t": "trade", "seq": 7, "match_id": 1, "product": "H100", "fabric": "f2", "start": 15, "px": 200, "qty": 3,
            "aggressor": "buy",
        },
        {
            "t": "level", "seq": 7, "product": "H100", "fabric": "f2", "start": 15, "side": "sell", "px": 200, "qty": 5,
            "orders": 1,
        },
    ]  # fmt: skip


def test_account_that_is_not_known_is_quoted_as_spoken_jsl_004(engine):
    (line,) = lines(engine, PLACE | {"account": "eve"}, spoken="eve")
    assert (line["account"], line["code"], line["reason"]) == ("eve", 113, "NO_ACCOUNT")


def test_repeated_ref_is_marked_jsl_010(engine):
    place = PLACE | {"account": "ann"}
    first, again = [line for line in lines(engine, place, place) if line["t"] == "ack"]
    assert "code" not in first
    assert again == first | {"seq": 6, "code": 1}
    wrong = place | {"qty": 0, "ref": 9}
    first, again = lines(engine, wrong, wrong)
    assert again == first | {"seq": 8, "duplicate": True}


def test_every_kind_of_event_has_a_line_jsl_010(engine):
    events = np.zeros(len(EventType), EVENT)
    events["type"] = list(EventType)
    events["instrument"] = 1
    events["reason"][list(EventType).index(EventType.REJECT)] = 100
    names = [line["t"] for line in EventWriter(engine.catalogue).lines(events.tobytes(), 1)]
    assert names == ["phase" if kind is EventType.STATUS else kind.name.lower() for kind in EventType]


def told(engine, kind, **values):
    """The line of one event record, without its t and seq."""
    events = np.zeros(1, EVENT)
    events["type"] = kind
    for name, value in values.items():
        events[name] = value
    (line,) = EventWriter(engine.catalogue).lines(events, 1)
    assert line.pop("seq") == 1
    return line


WHERE = {"product": "H100", "fabric": "f2", "start": 14}
LEAF = {"instrument": 2, "account": 1}


def test_phases_have_the_pinned_fields_jsl_013(engine):
    assert told(engine, EventType.STATUS, instrument=2, lots=Phase.GATED) == {"t": "phase", **WHERE, "phase": "gated"}
    halted = told(engine, EventType.STATUS, instrument=2, lots=Phase.HALTED, reason=PhaseReason.COMMAND, amount=77)
    assert halted == {"t": "phase", **WHERE, "phase": "halted", "reason": "command", "next_ts_ns": 77}
    band = told(engine, EventType.STATUS, instrument=2, lots=Phase.VOLATILITY, reason=PhaseReason.BAND)
    assert (band["phase"], band["reason"]) == ("volatility", "band")
    listed = told(engine, EventType.INSTRUMENT, instrument=2, cum=Phase.LISTED)
    assert listed == {"t": "instrument", **WHERE, "instrument": 2, "phase": "listed"}
    assert "phase" not in told(engine, EventType.INSTRUMENT, instrument=2, cum=Phase.CONTINUOUS)


def test_events_of_the_window_market_have_the_pinned_fields_jsl_010(engine):
    assert told(engine, EventType.INDICATIVE, instrument=2, price=9, amount=1 << 40, match_id=3, flags=1) == {
        "t": "indicative", **WHERE, "px": 9, "qty": 1 << 40, "surplus_side": "sell", "surplus": 3,
    }  # fmt: skip
    assert told(engine, EventType.PERISHED, instrument=2, amount=5, match_id=8) == {
        "t": "perished", **WHERE, "qty": 5, "certified": 8,
    }  # fmt: skip
    assert told(engine, EventType.ASSIGNED, **LEAF, price=4, lots=3, amount=2) == {
        "t": "assigned", "account": "ann", **WHERE, "node": 4, "qty": 3, "with": "bob",
    }  # fmt: skip
    assert told(engine, EventType.ASSIGNED, **LEAF, price=-1, lots=3) == {
        "t": "assigned", "account": "ann", **WHERE, "node": -1, "qty": 3,
    }  # fmt: skip
    assert told(engine, EventType.BOUGHT_IN, **LEAF, lots=3, leaves=1) == {
        "t": "bought_in", "account": "ann", **WHERE, "qty": 3, "uncovered": 1,
    }  # fmt: skip
    assert told(engine, EventType.CAPACITY, **LEAF, lots=3) == {"t": "capacity", "account": "ann", **WHERE, "qty": 3}
    assert told(engine, EventType.NOTICE, account=1, lane=6, reason=3) == {
        "t": "notice", "account": "ann", "set": 6, "kind": "mmp_fired",
    }  # fmt: skip


def test_events_of_a_block_have_the_pinned_fields_jsl_012(engine):
    block = {"flags": EventFlag.BLOCK | EventFlag.SELL, "account": 1, "oid": 7, "ref": 4, "instrument": 1,
             "price": 620, "lots": 8, "cum": 2, "match_id": 3, "amount": 3}  # fmt: skip
    shape = {"product": "H100", "fabrics": ["f1", "f2"], "start": 14, "hours": 3, "side": "sell", "limit_total": 620}
    owner = {"account": "ann", "oid": 7, "ref": 4}
    assert told(engine, EventType.ACK, **block) == {"t": "ack", **owner}
    assert told(engine, EventType.DONE, **block, reason=DoneReason.GATE) == {
        "t": "done", **owner, "reason": "gate", **shape, "qty": 8, "cum": 2,
    }  # fmt: skip
    assert told(engine, EventType.REPLACED, **block, leaves=6) == {
        "t": "replaced", **owner, **shape, "qty": 8, "cum": 2, "leaves": 6,
    }  # fmt: skip
    assert told(engine, EventType.FILL, **block | {"instrument": 2, "price": 9, "amount": 5}) == {
        "t": "fill", **owner, "match_id": 3, **WHERE, "side": "sell", "px": 9, "qty": 8, "leaves": 0, "cum": 2,
        "liq": "maker", "fee": 5, "block": True,
    }  # fmt: skip


def test_trades_say_how_they_came_about_jsl_010(engine):
    trade = {"instrument": 2, "price": 9, "lots": 8, "match_id": 3}
    line = {"t": "trade", "match_id": 3, **WHERE, "px": 9, "qty": 8}
    assert told(engine, EventType.TRADE, **trade) == line | {"aggressor": "buy"}
    assert told(engine, EventType.TRADE, **trade, flags=EventFlag.CALL) == line | {"call": True}
    sold = EventFlag.BLOCK | EventFlag.SELL
    assert told(engine, EventType.TRADE, **trade, flags=sold) == line | {"aggressor": "sell", "block": True}
    bought = told(engine, EventType.TRADE, **trade, flags=EventFlag.BALANCE)
    assert bought == line | {"aggressor": "buy", "balance": True}


def test_quotes_events_name_their_set_jsl_010(engine):
    events = np.zeros(1, EVENT)
    events["type"], events["flags"], events["lane"], events["instrument"] = EventType.ACK, EventFlag.QUOTE, 4, 1
    (line,) = EventWriter(engine.catalogue).lines(events, 1)
    assert (line["set"], line["side"], line["start"]) == (4, "buy", 14)


def test_command_of_an_unknown_type_is_shown_by_number(engine):
    writer = CommandWriter(engine.catalogue)
    assert writer.line(commands.record(99)) == {"t": "#99"}
    assert writer.line(commands.place(9, 1, 99, 7, 1, 1))["account"] == "#9"
