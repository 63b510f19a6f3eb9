"""The engine's own face: cores, batches, payloads that are anything at all."""

import builtins

import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange import commands
from exchange.engine import Engine
from exchange.errors import CoreMissing, InvariantViolation, RecordError
from exchange.records import EVENT, CommandType, EventType
from exchange.reference import ReferenceCore

ADMINISTRATION = [kind for kind in CommandType if kind >= CommandType.ADD_PRODUCT]


def test_missing_core_is_loud(monkeypatch):
    real_import = builtins.__import__

    def without_core(name, *args, **kwargs):
        if name == "ext.core":
            raise ImportError(name)
        return real_import(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_core)
    with pytest.raises(CoreMissing, match="build_ext --inplace"):
        Engine()


def test_default_core_is_the_compiled_one():
    compiled = pytest.importorskip("ext.core", exc_type=ImportError)
    assert isinstance(Engine().core, compiled.Core)


def test_events_are_an_array_of_records():
    events = Engine(ReferenceCore()).apply(commands.add_account("ann"), 5)
    assert events.dtype == EVENT
    assert events["type"].tolist() == [EventType.ACK]


def test_events_of_an_earlier_batch_stay():
    engine = Engine(ReferenceCore())
    first = engine.apply(commands.add_account("ann"), 5)
    copy = first.tobytes()
    engine.apply(commands.add_account("bob") + commands.add_account("cat"), 5)
    assert first.tobytes() == copy


def test_count_without_copying():
    engine = Engine(ReferenceCore())
    assert engine.apply_count(commands.add_account("ann") + commands.add_account("bob"), 5) == 2
    assert engine.apply_count(b"", 5) == 0
    assert (engine.seq, engine.now_ns) == (2, 5)


def test_time_starts_at_zero_and_may_stand_still(core):
    engine = Engine(core())
    assert engine.now_ns == 0
    engine.apply(commands.time(0), 0)
    engine.apply(commands.time(0), 0)
    with pytest.raises(InvariantViolation):
        engine.apply(commands.time(0), -1)


def test_balances_are_wider_than_64_bits_acc_005(core):
    engine = Engine(core())
    opening = [commands.add_account(name) for name in ("ann", "bob")]
    opening += [commands.add_product("P", 1 << 20, 1 << 20, ["f"]), commands.list_window("P", 5)]
    engine.apply(b"".join(opening) + commands.set_mark("P", 5, px=0), 0)
    trades = [  # Each moves 2^62 micros from the buyer to the seller.
        commands.place(who, ref, 1, who - 1, 1 << 22, 1) for ref in (1, 2) for who in (1, 2)
    ]
    engine.apply(b"".join(trades), 0)
    assert [engine.core.balance(who) for who in (1, 2)] == [-(1 << 63), 1 << 63]
    engine.apply(commands.place(1, 3, 1, 0, 1 << 22, 1) + commands.place(2, 3, 1, 1, 1 << 22, 1), 0)
    assert [engine.core.balance(who) for who in (1, 2)] == [-(3 << 62), 3 << 62]


def test_hash_tells_states_apart(core):
    engine = Engine(core())
    hashes = [engine.state_hash()]
    for record in (commands.time(0), commands.add_account("ann"), commands.add_account("ann")):
        engine.apply(record, 0)
        hashes.append(engine.state_hash())
    assert len(hashes) == len(dict.fromkeys(hashes))
    assert all(len(one) == 64 for one in hashes)


@pytest.mark.parametrize("record", [bytes(64), commands.time(0)[:60], b"\x40"])
def test_single_broken_record(record):
    with pytest.raises(RecordError):
        Engine(ReferenceCore()).apply(record, 0)


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 63), (1 << 64) - 1) | st.floats() | st.text(max_size=9)
    | st.binary(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
field_names = st.sampled_from(
    ["product", "lot_scu", "tick_micros", "fabrics", "account", "group", "margined", "start", "count", "fabric", "px",
     "long_micros", "short_micros", "maker_fee_ppm", "gate_lead_s", "colour"]
)  # fmt: skip


def padded(command_type, payload):
    payload += bytes(-len(payload) % 64)
    return commands.record(command_type, length=64 + len(payload)) + payload


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(ADMINISTRATION),
    st.binary(max_size=150) | st.dictionaries(field_names, values, max_size=6).map(msgpack.packb),
)
def test_any_payload_is_answered_once(command_type, payload):
    engine = Engine(ReferenceCore())
    engine.apply(commands.add_product("P", 1, 1, ["f"]), 0)
    events = engine.apply(padded(command_type, payload), 0)
    assert events["type"][0] in (EventType.ACK, EventType.REJECT)
    assert np.count_nonzero(np.isin(events["type"], (EventType.ACK, EventType.REJECT))) == 1


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\xc1",
        b"\x81\xa7account",
        b"\xdf\xff\xff\xff\xff",
        b"\xdd\xff\xff\xff\xff",
        b"\x91" * 2_000,
        b"\x81\xa7account\x91\x91\x91",
        b"\x82\xa7account\xa1a\xa7account\xa1b",
        b"\x81\xa7account\xa1a\x01",
        b"\x81\x90\x01",
        b"\x81\xa7account\xd6\xff\x00\x00\x00\x01",
        b"\x81\xa7account\xa1\xff",
        msgpack.packb({"account": "x" * 70_000}),
    ],
)
def test_hostile_payloads_are_malformed(payload):
    engine = Engine(ReferenceCore())
    (event,) = engine.apply(padded(CommandType.ADD_ACCOUNT, payload), 0)
    assert (event["type"], event["reason"]) == (EventType.REJECT, 100)
    assert engine.catalogue.accounts == []


def test_padding_may_be_longer_than_needed():
    engine = Engine(ReferenceCore())
    payload = msgpack.packb({"account": "ann"}) + bytes(200)
    (event,) = engine.apply(padded(CommandType.ADD_ACCOUNT, payload), 0)
    assert event["type"] == EventType.ACK


def test_group_defaults_to_the_account_and_margined_to_false():
    engine = Engine(ReferenceCore())
    engine.apply(padded(CommandType.ADD_ACCOUNT, msgpack.packb({"account": "ann"})), 0)
    assert engine.catalogue.accounts == [("ann", 1)]
    assert engine.catalogue.group_name(1) == "ann"
    assert not engine.core.state.accounts[1].margined
