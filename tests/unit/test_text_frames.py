"""Text frames: JSON objects that mean what the arrays of binary frames mean. Rules: docs/spec/session.md."""

import json

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_frames import masked, server_frames
from test_session import NONCE, NOW_US, SELL, Peer, frozen_venue

from ext.frames import WireError
from gateway.auth import sign
from gateway.protocol import BY_NAME, BY_NUMBER, MESSAGES, REQUESTS, MessageType
from gateway.protocol.fields import Form
from gateway.protocol.text import to_message, to_text

UNREADABLE = [
    b"", b"{", b"[]", b"7", b'"ping"', b"{}", b'{"t":"ping"}', b'{"ref":1}', b'{"t":7,"ref":1}',
    b'{"t":"ping","ref":-1}',
    b'{"t":"ping","ref":true}', b'{"t":"ping","ref":9007199254740992}', b'{"t":"ping","ref":1,"ref":1}',
    b'{"t":"ping","ref":1,"ts":1.0}', b'{"t":"ping","ref":1,"ts":NaN}', b'{"t":"ping","ref":1e2}', b"[" * 4_000,
]  # fmt: skip


class TextPeer(Peer):
    """A client that writes and reads text."""

    def frames(self):
        new = b"".join(self.link.transport.writes[self.read :])
        self.read = len(self.link.transport.writes)
        return [
            json.loads(data) if opcode == 1 else ("closed", int.from_bytes(data[:2], "big"), data[2:].decode())
            for opcode, data in server_frames(new)
        ]

    def send(self, *messages):
        self.link.feed_data(b"".join(masked(1, json.dumps(message).encode()) for message in messages))
        return self.frames()

    def login(self, key, **changes):
        login = {"t": "login", "ref": 1, "key": key.key_id, "ts": NOW_US, "lane": 0, "cod": 0, "grace_ms": 0}
        signature = sign(key.secret, NONCE, key.key_id, NOW_US).hex()
        return self.send(login | {"sig": signature, "epoch": 0, "last_pseq": 0} | changes)


def live(venue, account="ann"):
    peer = TextPeer(venue)
    (welcome,) = peer.login(venue.key[account])
    assert welcome["t"] == "welcome"
    return peer


@pytest.fixture
def venue():
    return frozen_venue()


def values_of(kind):
    """Values a field may have."""
    if kind.form is Form.NIL:
        return st.none()
    if kind.form is Form.INTEGER:
        plain = st.integers(kind.low, kind.high)
    elif kind.form is Form.TEXT:
        plain = st.text(max_size=20)
    elif kind.form is Form.BYTES:
        plain = st.binary(max_size=kind.high)
    elif kind.form is Form.MESSAGES:
        plain = st.lists(st.sampled_from([[17, 5, 77], [18, 6, 5], SELL]), max_size=5)
    elif kind.form is Form.MESSAGE:
        plain = st.sampled_from([[37, 1, 5, 7, 0, 2, 9, 4], [38, 2, 5, 7, 2450, 3, 1, 9, 4]])
    else:
        item = st.text(max_size=20) if kind.of_text else st.integers(kind.low, kind.high)
        plain = st.lists(st.lists(item, min_size=kind.row, max_size=kind.row) if kind.row else item, max_size=5)
    return st.none() | plain if kind.nullable else plain


def named(message, values):
    """The object of an array."""
    fields = {"t": message.name}
    for name, value in zip(message.names, values, strict=False):
        if message.kind(name).form is Form.BYTES:
            value = value.hex()
        elif message.kind(name).form is Form.MESSAGES:
            value = [named(BY_NUMBER[operation[0]], operation[1:]) for operation in value]
        elif message.kind(name).form is Form.MESSAGE:
            value = named(BY_NUMBER[value[0]], value[1:])
        fields[name] = value
    return fields


@settings(max_examples=300, deadline=None)
@given(st.sampled_from([message.name for message in REQUESTS]), st.data())
def test_an_object_is_its_array_ses_060(name, data):
    message = BY_NAME[name]
    count = data.draw(st.integers(message.required, len(message.names)))
    values = [5, *(data.draw(values_of(message.kind(name))) for name in message.names[1:count])]
    text = json.dumps(named(message, values)).encode()
    assert to_message(text) == msgpack.packb([message.number, *values])


@settings(max_examples=300, deadline=None)
@given(st.sampled_from([message.name for message in MESSAGES]), st.data())
def test_an_array_is_its_object_ses_060(name, data):
    message = BY_NAME[name]
    values = [data.draw(values_of(message.kind(name))) for name in message.names]
    told = json.loads(to_text(msgpack.packb([message.number, *values])))
    if not any(message.kind(name).form is Form.MESSAGES for name in message.names):
        assert told == named(message, values)


def test_optional_fields_before_a_given_one_have_their_defaults_ses_060():
    place = {"t": "place", "ref": 1, "inst": 1, "side": 0, "px": 5, "qty": 2, "tif": 0, "flags": 0, "tag": 9}
    assert msgpack.unpackb(to_message(json.dumps(place).encode())) == [16, 1, 1, 0, 5, 2, 0, 0, 0, 0, 0, 9]
    everything = {"t": "mass_cancel", "ref": 2, "tag": 4}
    assert msgpack.unpackb(to_message(json.dumps(everything).encode())) == [21, 2, None, None, None, 4]


@pytest.mark.parametrize("text", UNREADABLE)
def test_what_is_no_message_ends_the_connection_ses_002(venue, text):
    with pytest.raises(WireError):
        to_message(text)
    peer = live(venue)
    peer.link.feed_data(masked(1, text))
    ((_, code, _),) = peer.frames()
    assert (code, peer.errors) == (4003, [])


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"t": "cancel_ref"}, 100), ({"t": "cancel_ref", "target_ref": 1, "oid": 1}, 100),
        ({"t": "cancel_ref", "target_ref": True}, 100), ({"t": "cancel_ref", "target_ref": "1"}, 100),
        ({"t": "cancel_ref", "target_ref": 1 << 70}, 100), ({"t": "cancel_ref", "target_ref": None}, 100),
        ({"t": "batch", "mode": 0, "ops": [{"t": "ping"}]}, 100), ({"t": "batch", "mode": 0, "ops": [7]}, 100),
        ({"t": "batch", "mode": 0, "ops": [{"t": "cancel", "oid": 1}]}, 100),
        ({"t": "batch", "mode": 0, "ops": 7}, 100),
    ],
)  # fmt: skip
def test_a_bad_order_is_rejected_and_the_connection_stays_ses_060(venue, fields, code):
    peer = live(venue)
    (told,) = peer.send({"ref": 5} | fields)
    assert (told["t"], told["ref"], told["code"]) == ("reject", 5, code)
    (pong,) = peer.send({"t": "ping", "ref": 6, "ts": 1})
    assert pong["t"] == "pong"


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"t": "ping"}, 100), ({"t": "ping", "ts": "now"}, 100), ({"t": "welcome"}, 101), ({"t": "nonsense"}, 101),
        ({"t": "transfer", "source": "coll", "target": "\ud800", "micros": 1}, 100),
    ],
)  # fmt: skip
def test_a_bad_request_is_answered_ses_060(venue, fields, code):
    (told,) = live(venue).send({"ref": 5} | fields)
    assert told == {"t": "resp", "ref": 5, "code": code, "arg": 0}


def test_answers_have_the_form_of_the_last_login_ses_061(venue):
    peer = live(venue)
    peer.link.feed_data(masked(2, msgpack.packb([3, 8, 4])))
    assert peer.frames() == [{"t": "pong", "ref": 8, "ts_echo": 4, "ts": NOW_US}]
    binary = Peer(venue)
    binary.login(venue.key["bob"])
    binary.link.feed_data(masked(1, b'{"t":"ping","ref":8,"ts":4}'))
    assert binary.frames() == [[65, 8, 4, NOW_US]]


def test_both_forms_do_the_same_ses_060():
    """The same orders in text and in arrays: the same commands, the same answers."""
    orders = [
        SELL, [20, 2, 0, [[16, 3, 1, 1, 2460, 4, 0, 0], [19, 1, 7, 2450, 3, 0]]], [22, 4, 1, [[2, 2400, 1, 2500, 1]]],
        [26, 5, 1, [0], 498_758, 1, 0, 2500, 2, 0, 1, 0], [18, 6, 3], [27, 7, 1], [21, 8, None, None, None],
    ]  # fmt: skip
    told = []
    for kind in (Peer, TextPeer):
        venue = frozen_venue()
        peer = kind(venue)
        peer.login(venue.key["ann"])
        before = len(venue.sequencer.submitted)
        answers = []
        for order in orders:
            row = BY_NUMBER[order[0]]
            answers += peer.send(order if kind is Peer else named(row, order[1:]))
        if kind is Peer:
            answers = [json.loads(to_text(msgpack.packb(answer))) for answer in answers]
        for answer in answers:
            answer.pop("ts", None)
        told.append((venue.sequencer.submitted[before:], answers))
    assert told[0] == told[1]
    assert len(told[0][0]) == len(orders)


def test_what_cannot_be_told_ends_only_this_connection_ses_061(venue):
    peer = live(venue)
    peer.as_text = lambda message: to_text(b"\x91\x7f")
    peer.link.feed_data(masked(1, b'{"t":"ping","ref":8,"ts":4}'))
    assert peer.frames() == [("closed", 1011, "the server failed")]
    assert len(peer.errors) == 1


def test_every_message_of_the_server_can_be_told():
    assert {int(message.number) for message in MESSAGES} == {int(number) for number in MessageType}
