"""JSON lines to records, and events and records to JSON lines."""

import json

import numpy as np
import pytest

from exchange import commands
from exchange.engine import Engine
from exchange.records import COMMAND, EVENT, NIL, CommandType, EventFlag, EventType, MassFlag
from exchange.reference.core import ReferenceCore
from gateway.jsonlines import FIELDS, LATER, CommandReader, LineError
from gateway.jsonlines_out import CommandWriter, EventWriter

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
COMPLETE = [
    *SETUP,
    {"t": "set_rates", "product": "H100", "start": 14, "count": 2, "fabric": "f1", "long_micros": 5, "short_micros": 6},
    {"t": "set_mark", "product": "H100", "start": 14, "px": 7},
    {"t": "deposit", "account": "ann", "micros": 1000},
    {"t": "withdraw", "account": "ann", "micros": 10},
    {"t": "time", "ts_ns": 12345},
    {"t": "session_lost", "account": "ann", "lane": 3, "every": True},
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


def test_quote_is_one_record_a_leg_jsl_006(reader):
    records = reader.convert(COMPLETE[-1] | {"legs": [LEG, LEG | {"start": 15}]})
    legs = np.frombuffer(records, COMMAND)
    assert legs["target"].tolist() == [0 | 2 << 32, 1 | 2 << 32]
    assert legs["instrument"].tolist() == [1, 3]


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
    assert names == [kind.name.lower() for kind in EventType]


def test_quotes_events_name_their_set_jsl_010(engine):
    events = np.zeros(1, EVENT)
    events["type"], events["flags"], events["lane"], events["instrument"] = EventType.ACK, EventFlag.QUOTE, 4, 1
    (line,) = EventWriter(engine.catalogue).lines(events, 1)
    assert (line["set"], line["side"], line["start"]) == (4, "buy", 14)


def test_command_of_an_unknown_type_is_shown_by_number(engine):
    writer = CommandWriter(engine.catalogue)
    assert writer.line(commands.record(99)) == {"t": "#99"}
    assert writer.line(commands.place(9, 1, 99, 7, 1, 1))["account"] == "#9"
