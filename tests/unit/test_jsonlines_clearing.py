"""JSON lines of the clearinghouse: every command there and back, every event with its fields."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exchange import commands
from exchange.clearing.house import HOUSE_COMMANDS
from exchange.clearing.words import Cause, Kind
from exchange.engine import Engine
from exchange.records import EVENT, CommandType, EventFlag, EventType
from exchange.reference.core import ReferenceCore
from gateway.jsonlines import CommandReader
from gateway.jsonlines_clearing import CLEARING, CLEARING_EVENTS, PURSES
from gateway.jsonlines_fields import LineError
from gateway.jsonlines_out import CommandWriter, EventWriter, encode

PAGE = (Path(__file__).parents[2] / "docs" / "spec" / "jsonlines.md").read_text()
WHERE = {"product": "H100", "fabric": "f2", "start": 14}
ANN = {"account": "ann"}
NODES = {"first": 3, "count": 2}
KEY = "00ff" * 16
COMPLETE = [
    {"t": "set_house"},
    {"t": "set_house", "auction_s": 60, "mark_interval_s": 1, "sitg_micros": 1 << 60},
    {"t": "set_class", "cls": "A"},
    {"t": "set_class", "cls": "A", "units": 7, "is_new_class": True, "mpor_s": 3600},
    {"t": "set_clearing", "product": "H100", "cls": "A", "heartbeat_s": 1, "missed": 1, "grace_s": 0},
    {"t": "set_option", "product": "C", "underlying": "H100", "right": "put", "strike": 9, "vol_ppm": 800_000},
    {"t": "fund", "kind": "sitg", "micros": 5},
    {"t": "fund", "kind": "pool", "cls": "A", "micros": 5},
    {"t": "transfer", **ANN, "source": "coll", "target": "bond", "micros": 9},
    {"t": "set_provider", **ANN},
    {"t": "set_provider", **ANN, "key": KEY, "domain": "rack-7"},
    {"t": "delivery_terms", **ANN, **WHERE},
    {"t": "delivery_terms", **ANN, **WHERE, "count": 2, "gang": True, "cover": False, "checkpoint_s": 60},
    {"t": "heartbeat", **ANN, "product": "H100", "fabric": "f2", "number": 1, "nodes": [[0, 3], [5, 1]]},
    {"t": "heartbeat", **ANN, "product": "H100", "fabric": "f2", "number": 2, "nodes": [], "signature": KEY * 2},
    {"t": "meter", **ANN, **WHERE, **NODES, "interval": 0, "rating_ppm": 1_000_000},
    {"t": "meter", **ANN, **WHERE, **NODES, "interval": 0, "intervals": 4, "seconds": 59, "rating_ppm": 9,
     "signature": ""},
    {"t": "checkpoint", **ANN, **WHERE},
    {"t": "report_failure", **ANN, **WHERE, **NODES},
    {"t": "declare_default", **ANN},
    {"t": "recover", "case": 1, "micros": 7},
    {"t": "bid", **ANN, "case": 1, "item": 0, "lots": 2, "micros": 0},
    {"t": "run_clearing"},
]  # fmt: skip


@pytest.fixture
def engine():
    engine = Engine(ReferenceCore())
    engine.apply_count(
        commands.add_product("H100", 8, 1000, ["f1", "f2"], window_hours=2)
        + commands.add_account("ann")
        + commands.add_account("bob")
        + commands.list_window("H100", 14),
        0,
    )
    return engine


def test_every_command_is_tried_here():
    assert {command["t"] for command in COMPLETE} == set(CLEARING)
    assert set(CLEARING.values()) == set(HOUSE_COMMANDS)


@pytest.mark.parametrize("command", COMPLETE, ids=lambda command: command["t"])
def test_command_is_the_same_after_a_round_trip_jsl_001_jsl_014(engine, command):
    reader = CommandReader(engine.catalogue)
    records = reader.read(json.dumps(command))
    line = CommandWriter(engine.catalogue).line(records)
    assert line == command
    assert list(line) == list(command)
    assert reader.read(encode(line)) == records


def test_command_is_the_record_of_its_builder_jsl_001_jsl_014(engine):
    reader = CommandReader(engine.catalogue)
    assert reader.convert(COMPLETE[14]) == commands.clearing(
        CommandType.HEARTBEAT, account="ann", product="H100", fabric="f2", number=2, nodes=[],
        signature=bytes.fromhex(KEY * 2),
    )  # fmt: skip
    assert reader.convert({"t": "run_clearing"}) == commands.admin(CommandType.RUN_CLEARING, {})
    assert reader.convert({"t": "checkpoint", **ANN, **WHERE, "start": "1970-01-01T14", "seq": 3}) == commands.clearing(
        CommandType.CHECKPOINT, account="ann", product="H100", fabric="f2", start=14
    )


def test_builder_takes_commands_of_the_clearinghouse_only():
    with pytest.raises(ValueError, match="kind must be a command of the clearinghouse"):
        commands.clearing(CommandType.BALANCE, account="ann")
    assert commands.clearing(CommandType.FUND, kind="sitg", micros=1) == commands.admin(
        234, {"kind": "sitg", "micros": 1}
    )


VALUES = {
    int: st.integers(-(1 << 63), (1 << 63) - 1), str: st.text('aB#"\\\0\u00e9\u4e2d', max_size=9), bool: st.booleans(),
    bytes: st.binary(max_size=70),
    list: st.lists(st.lists(st.integers(0, 1 << 53), min_size=2, max_size=2), max_size=4),
}  # fmt: skip


@st.composite
def records(draw):
    """Records of any fields in any order, as an SDK may make them."""
    kind = draw(st.sampled_from(sorted(HOUSE_COMMANDS)))
    fields = HOUSE_COMMANDS[kind].fields
    names = [name for name, field in fields.items() if field.required or draw(st.booleans())]
    windows = st.integers(0, (1 << 32) - 1)
    given_ = {
        name: draw(windows if name == "start" else VALUES[fields[name].type]) for name in draw(st.permutations(names))
    }
    return commands.clearing(CommandType(kind), **given_)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(records())
def test_any_record_survives_the_round_trip_jsl_001_jsl_014(engine, record):
    line = json.loads(encode(CommandWriter(engine.catalogue).line(record)))
    assert CommandReader(engine.catalogue).convert(line) == record


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ({"t": "fund", "micros": 1}, "fund must have kind"),
        ({"t": "run_clearing", "account": "ann"}, "run_clearing has no field 'account'"),
        ({"t": "recover", "case": 1, "micros": 1.5}, "micros must be a whole number"),
        ({"t": "recover", "case": True, "micros": 1}, "case must be a whole number"),
        ({"t": "set_provider", **ANN, "key": "f"}, "key must be bytes as hexadecimal text"),
        ({"t": "set_provider", **ANN, "key": "00 ff"}, "key must be bytes as hexadecimal text"),
        ({"t": "set_provider", **ANN, "key": [0]}, "key must be bytes as hexadecimal text"),
        ({"t": "set_provider", **ANN, "domain": None}, "domain must be text"),
        ({"t": "set_class", "cls": "A", "is_new_class": 1}, "is_new_class must be true or false"),
        ({"t": "checkpoint", **ANN, **WHERE, "start": "noon"}, "window must look like"),
        (COMPLETE[13] | {"nodes": [0, 3]}, "nodes must be a list of"),
        (COMPLETE[13] | {"nodes": [[0, 3, 1]]}, "nodes must be a list of"),
        (COMPLETE[13] | {"nodes": [[0, "3"]]}, "nodes must be a whole number"),
    ],
)
def test_line_that_is_no_command_is_refused_jsl_007_jsl_014(engine, command, reason):
    with pytest.raises(LineError, match=reason):
        CommandReader(engine.catalogue).convert(command)


def test_every_command_and_field_is_in_the_page_jsl_014():
    rows = dict(re.findall(r"^\| (\w+) \| (.*) \|$", PAGE, re.MULTILINE))
    for name, kind in CLEARING.items():
        documented = re.sub(r"`[^`]*`", "", rows[name])
        for field in HOUSE_COMMANDS[kind].fields:
            assert re.search(rf"\b{field}\b", documented), (name, field)


# Events.


def told(engine, kind, **values):
    """The line of one event record, without its t and seq."""
    events = np.zeros(1, EVENT)
    events["type"] = kind
    for name, value in values.items():
        events[name] = value
    (line,) = EventWriter(engine.catalogue).lines(events, 1)
    assert line.pop("seq") == 1
    assert line.pop("t") == kind.name.lower()
    return line


def test_postings_name_purse_and_cause_jsl_015(engine):
    entry = {"reason": Cause.WATERFALL, "account": 1, "price": Kind.BOND, "lots": 3, "amount": -7}
    line = {"account": "ann", "purse": "bond", "cause": "waterfall", "micros": -7, "case": 3}
    assert told(engine, EventType.ENTRY, **entry) == line
    assert told(engine, EventType.ENTRY, **entry | {"instrument": 2}) == line | WHERE
    estate = {"reason": Cause.WATERFALL, "price": Kind.ESTATE, "cum": 3, "lots": 3, "amount": 7}
    assert told(engine, EventType.ENTRY, **estate) == {
        "purse": "estate", "owner": 3, "cause": "waterfall", "micros": 7, "case": 3,
    }  # fmt: skip
    escrow = {"reason": Cause.ESCROW, "price": Kind.ESCROW, "cum": 2, "amount": 1 << 60}
    assert told(engine, EventType.ENTRY, **escrow) == {
        "purse": "escrow", **WHERE, "cause": "escrow", "micros": 1 << 60,
    }  # fmt: skip
    assert set(PURSES) == set(Kind)


def test_events_of_the_clearinghouse_have_the_pinned_fields_jsl_015(engine):
    assert told(engine, EventType.MARGIN, account=1, reason=1, amount=5, match_id=9) == {
        "account": "ann", "level": "called", "micros": 5, "deadline_ns": 9,
    }  # fmt: skip
    assert told(engine, EventType.MARGIN, account=1) == {"account": "ann", "level": "good", "micros": 0}
    lot_state = {"account": 1, "instrument": 2, "price": 4, "lots": 3, "reason": 2, "amount": 9}
    line = {"account": "ann", "role": "buyer", **WHERE, "node": 4, "qty": 3, "state": "failed", "since_ns": 9}
    assert told(engine, EventType.LOT_STATE, **lot_state) == line
    assert told(engine, EventType.LOT_STATE, **lot_state, flags=EventFlag.SELL) == line | {"role": "provider"}
    assert told(engine, EventType.DEFAULT, account=1, reason=2, match_id=3, amount=9) == {
        "account": "ann", "case": 3, "kind": "provider",
    }  # fmt: skip
    assert told(engine, EventType.DEFAULT, account=1, match_id=3)["kind"] == "closed"
    substitute = {"account": 1, "instrument": 2, "price": 90, "lots": 3, "cum": 4, "leaves": 2, "reason": 3}
    line = {"account": "ann", "role": "buyer", **WHERE, "stage": "equivalent", "qty": 3, "for_qty": 4, "with": "bob",
            "px": 90, "micros": 8, "case": 1}  # fmt: skip
    assert told(engine, EventType.SUBSTITUTE, **substitute, amount=8, match_id=1) == line
    assert told(engine, EventType.LAYER, account=1, price=7, cum=2, match_id=3, amount=5) == {
        "account": "ann", "case": 3, "layer": "L7", "class": "C2", "micros": 5,
    }  # fmt: skip
    assert "account" not in told(engine, EventType.LAYER, price=4, cum=2, match_id=3, amount=5)
    assert told(engine, EventType.AUCTION, instrument=2, price=1, lots=5, cum=6, flags=1, amount=9, match_id=3) == {
        **WHERE, "case": 3, "item": 1, "side": "sell", "qty": 5, "windows": 6, "until_ns": 9,
    }  # fmt: skip
    assert told(engine, EventType.MARK, instrument=2, price=77) == {**WHERE, "px": 77}
    assert told(engine, EventType.CLAIM, account=1, price=4, match_id=3, amount=5) == {
        "account": "ann", "case": 3, "class": "C4", "micros": 5,
    }  # fmt: skip


def test_every_event_and_field_is_in_the_page_jsl_015(engine):
    rows = dict(re.findall(r"^\| (\w+) \| (.*) \|$", PAGE, re.MULTILINE))
    everything = {name: 1 for name in EVENT.names if name not in ("type", "command", "flags")}
    for kind in CLEARING_EVENTS:
        for field in told(engine, kind, **everything):
            assert re.search(rf"\b{field}\b", rows[kind.name.lower()]), (kind, field)
    assert [kind for kind in EventType if EventType.ENTRY <= kind < EventType.SESSION] == list(CLEARING_EVENTS)
