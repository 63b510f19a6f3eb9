"""Sessions without sockets: frames in, frames out, against a real engine. Rules: docs/spec/session.md."""

import msgpack
import pytest
from gateway_venue import Venue
from hypothesis import given, settings
from hypothesis import strategies as st
from test_frames import Transport, masked, server_frames

from exchange.reasons import RejectReason as R
from exchange.records import Phase
from ext.frames import WireError
from ext.link import Link, RateLimit
from gateway.auth import generate_key, sign
from gateway.config import GatewayConfig
from gateway.protocol.text import to_text
from gateway.session import Session, State

NONCE = b"n" * 16
NOW_US = 1_900_000_000_000_000
MS = 1_000_000


class Buffered(Transport):
    def __init__(self):
        super().__init__()
        self.backlog = 0

    def get_write_buffer_size(self):
        return self.backlog


class Peer:
    """What `gateway.connection.Connection` is for a link, without a loop. Time stands still until it is moved."""

    def __init__(self, venue, number=1, address="10.0.0.1"):
        self.errors = []
        self.now_ns = 0
        self.link = Link(self, venue.server._submit)
        self.link.transport = Buffered()
        self.session = Session(venue.frozen, self.link, number=number, nonce=NONCE, address=address, now_ns=self.now_ns)
        self.read = 0

    def as_text(self, message):
        return to_text(message)

    def receive(self, message, is_text, now_ns):
        return self.session.receive(message, is_text, self.now_ns)

    def ended(self, lost):
        self.session.end(self.now_ns)

    def crashed(self, error):
        self.errors.append(error)

    def tick(self, now_ns):
        self.now_ns = now_ns
        try:
            return [msgpack.unpackb(message) for message in self.session.tick(now_ns)]
        except WireError as error:
            self.link.close(error.close_code, str(error))
            return error.close_code

    def frames(self):
        """What was written since the last look: messages, and ("closed", code, reason) for a close frame."""
        new = b"".join(self.link.transport.writes[self.read :]) if self.link.transport else b""
        self.read = len(self.link.transport.writes) if self.link.transport else 0
        return [
            msgpack.unpackb(data) if opcode == 2 else ("closed", int.from_bytes(data[:2], "big"), data[2:].decode())
            for opcode, data in server_frames(new)
        ]

    def send(self, *messages):
        """Send messages in one read, and return what came back at once."""
        self.link.feed_data(b"".join(masked(2, msgpack.packb(message)) for message in messages))
        return self.frames()

    def login(self, key, **changes):
        return self.send(self.login_message(key, **changes))

    def login_message(self, key, **changes):
        fields = {"ts": NOW_US, "lane": 0, "cod": 0, "grace_ms": 0, "epoch": 0, "last_pseq": 0} | changes
        signature = sign(changes.get("secret", key.secret), NONCE, key.key_id, fields["ts"])
        rest = [fields[name] for name in ("lane", "cod", "grace_ms", "epoch", "last_pseq")]
        return [1, 1, key.key_id, fields["ts"], signature, *rest]


@pytest.fixture
def venue():
    return frozen_venue()


def frozen_venue(**config):
    """A venue whose sessions' wall clock stands still."""
    venue = Venue(**config)
    served = venue.server._venue
    values = {name: getattr(served, name) for name in served.__dataclass_fields__}
    venue.frozen = type(served)(**(values | {"wall_us": lambda: NOW_US}))
    return venue


def live(venue, account="ann", **login):
    peer = Peer(venue)
    ((kind, *_),) = peer.login(venue.key[account], **login)
    assert kind == 67
    return peer


SELL = [16, 1, 1, 1, 2450, 5, 0, 0]


# Login.


def test_hello_names_version_nonce_and_limits_ses_005(venue):
    hello = msgpack.unpackb(Peer(venue).session.hello())
    assert hello == [64, [1, 1], 1, NONCE, NOW_US, 1000, 65536]


def test_welcome_ses_009(venue):
    (welcome,) = Peer(venue).login(venue.key["bob"], lane=4)
    assert welcome == [67, 1, 1, 2, 4, 0, 0, 5, [[0, 20000, 40000], [1, 40000, 80000]], 3]


def test_ping_may_come_before_the_login_ses_005(venue):
    assert Peer(venue).send([3, 7, 42]) == [[65, 7, 42, NOW_US]]


def test_last_ref_counts_commands_on_their_way_ses_009(venue):
    first = live(venue)
    first.send([17, 41, 1])
    venue.sequencer.is_asleep = True
    first.send([17, 77, 1])
    (welcome,) = Peer(venue, 2).login(venue.key["ann"])
    assert welcome[5] == 77
    (welcome,) = Peer(venue, 3).login(venue.key["ann"], lane=1)
    assert welcome[5] == 0


def test_last_ref_is_the_engines_after_a_restart_ses_009(venue):
    live(venue).send([17, 41, 1])
    venue.server.lanes._last_refs.clear()
    venue.server.lanes._holders.clear()
    (welcome,) = Peer(venue, 2).login(venue.key["ann"])
    assert welcome[5] == 41


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"secret": b"x" * 32}, "110 AUTH"),
        ({"ts": NOW_US - 5_000_001}, "112 CLOCK"),
        ({"ts": NOW_US + 5_000_001}, "112 CLOCK"),
        ({"ts": 0, "secret": b"x" * 32}, "110 AUTH"),
    ],
)
def test_refused_login_ses_006(venue, changes, reason):
    assert Peer(venue).login(venue.key["ann"], **changes) == [("closed", 4001, reason)]


def test_edge_of_the_clock_window_is_accepted_ses_006(venue):
    assert Peer(venue).login(venue.key["ann"], ts=NOW_US - 5_000_000)[0][0] == 67


def test_unknown_key_and_unknown_account_ses_006(venue):
    assert Peer(venue).login(generate_key("ann")) == [("closed", 4001, "110 AUTH")]
    key = generate_key("nobody")
    venue.keys.add(key)
    assert Peer(venue).login(key) == [("closed", 4001, "113 NO_ACCOUNT")]


def test_signature_for_another_nonce_is_refused_ses_006(venue):
    key = venue.key["ann"]
    stale = sign(key.secret, b"m" * 16, key.key_id, NOW_US)
    assert Peer(venue).send([1, 1, key.key_id, NOW_US, stale, 0, 0, 0, 0, 0]) == [("closed", 4001, "110 AUTH")]


def test_login_deadline_ses_007(venue):
    peer = Peer(venue)
    assert peer.tick(2_999 * MS) == []
    assert peer.tick(3_000 * MS) == 4002
    assert peer.frames() == [("closed", 4002, "the login came too late")]


def test_address_is_refused_after_three_failures_ses_008(venue):
    for _ in range(3):
        Peer(venue).login(venue.key["ann"], secret=b"x" * 32)
    assert Peer(venue).login(venue.key["ann"]) == [("closed", 4001, "120 RATE")]
    assert Peer(venue, address="10.0.0.2").login(venue.key["ann"])[0][0] == 67
    later = Peer(venue)
    later.now_ns = 10_000 * MS
    assert later.login(venue.key["ann"])[0][0] == 67


def test_take_over_closes_the_earlier_session_and_keeps_its_orders_ses_010(venue):
    first = live(venue, cod=1)
    first.send(SELL)
    second = live(venue)
    assert first.frames() == [("closed", 4011, "another session has logged in on this lane")]
    first.link.feed_eof()
    assert [book[1] for book in venue.publisher.router.market(1).asks.levels(5)] == [5]
    assert len(venue.server.lanes) == 1
    assert second.session.state is State.LIVE


def test_second_login_is_answered_ses_011(venue):
    assert live(venue).login(venue.key["ann"]) == [[66, 1, R.AUTH, 0]]


# What is not the protocol.

BEFORE_LOGIN = [
    (msgpack.packb([4, 1, 1, None]), 4001),
    (msgpack.packb([16, 1, 1, 0, 1, 1, 0, 0]), 4001),
    (msgpack.packb([99, 1]), 4001),
    (msgpack.packb([1, 1]), 4003),
    (msgpack.packb([1, 1, "key", 1, b"short", 0, 0, 0, 0, 0]), 4003),
    (msgpack.packb([1, 1, b"key", 1, b"x" * 32, 0, 0, 0, 0, 0]), 4003),
    (msgpack.packb([1, 1, "key", 1, b"x" * 32, 256, 0, 0, 0, 0]), 4003),
    (msgpack.packb([1, 1, "key", 1, b"x" * 32, 0, 3, 0, 0, 0]), 4003),
    (msgpack.packb([1, 1, "key", 1, b"x" * 32, 0, 0, 60_001, 0, 0]), 4003),
    (msgpack.packb([1, 1, "key", 1.5, b"x" * 32, 0, 0, 0, 0, 0]), 4003),
    (msgpack.packb([1, 1, "key", True, b"x" * 32, 0, 0, 0, 0, 0]), 4003),
    (msgpack.packb([1, 1, "k" * 129, 1, b"x" * 32, 0, 0, 0, 0, 0]), 4003),
    (b"x" * 4097, 1009),
]
ALWAYS = [
    (b"", 4003),
    (b"\xc1", 4003),
    (b"\x90", 4003),
    (b"\x91\x03", 4003),
    (b"\x93\x03\x01", 4003),
    (b"\x93\x03\x01\x01\x00", 4003),
    (b"\x80", 4003),
    (msgpack.packb({"t": "ping"}), 4003),
    (msgpack.packb(["3", 1]), 4003),
    (msgpack.packb([3, -1, 1]), 4003),
    (msgpack.packb([3, 1 << 53, 1]), 4003),
    (msgpack.packb([3, 1, {}]), 4001),  # An empty map passes the reader, and is no number.
    (msgpack.packb([3, 1, {1: 2}]), 4003),
    (msgpack.packb([3, 1, msgpack.ExtType(1, b"x")]), 4003),
    (b"\xdd\xff\xff\xff\xff", 4003),
    (b"\xdb\xff\xff\xff\xff", 4003),
    (b"\x91" * 4000, 4003),
    (b"\xa1\xff", 4003),
]


@pytest.mark.parametrize(("message", "code"), BEFORE_LOGIN)
def test_bad_first_messages_ses_005(venue, message, code):
    peer = Peer(venue)
    peer.link.feed_data(masked(2, message))
    ((closed, found, _),) = peer.frames()
    assert (closed, found) == ("closed", code)
    assert peer.errors == []


@pytest.mark.parametrize(("message", "code"), ALWAYS)
def test_bad_messages_end_the_connection_ses_002(venue, message, code):
    peer = live(venue)
    peer.link.feed_data(masked(2, message))
    answers = peer.frames()
    if code == 4001:
        assert answers == [[66, 1, R.MALFORMED, 0]]
    else:
        ((closed, found, _),) = answers
        assert (closed, found) == ("closed", code)
    assert peer.errors == []


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(max_size=60), max_size=5))
def test_random_messages_never_crash_a_session_ses_002(messages):
    venue = frozen_venue()
    for peer in (Peer(venue), live(venue)):
        peer.link.feed_data(b"".join(masked(2, message) for message in messages))
        assert peer.errors == []
        assert peer.link.close_code in (0, 4001, 4003)


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 63), (1 << 64) - 1) | st.text(max_size=5) | st.binary(max_size=5),
    lambda inner: st.lists(inner, max_size=4),
    max_leaves=6,
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 9), st.lists(values, max_size=9)), max_size=6))
def test_random_fields_never_crash_a_session_ses_002(messages):
    venue = frozen_venue()
    peer = live(venue)
    for kind, ref, fields in messages:
        peer.send([kind, ref, *fields])
    assert peer.errors == []
    assert peer.link.close_code in (0, 1000, 4003)


def test_an_error_of_ours_is_not_told_ses_002(venue, monkeypatch):
    peer = live(venue)
    monkeypatch.setattr(venue.publisher, "subscribe", lambda *_: 1 // 0)
    assert peer.send([4, 1, 2, [1]]) == [("closed", 1011, "the server failed")]
    assert [type(error) for error in peer.errors] == [ZeroDivisionError]


# Orders.


def test_one_read_is_one_submit_and_one_write_ses_003(venue):
    peer = live(venue)
    submits, writes = len(venue.sequencer.submitted), len(peer.link.transport.writes)
    answers = peer.send(*([16, ref, 1, 0, 100, 1, 0, 0] for ref in range(1, 11)))
    assert [answer[:3] for answer in answers] == [[33, ref, 0] for ref in range(1, 11)]
    assert len(venue.sequencer.submitted) == submits + 1
    assert len(peer.link.transport.writes) == writes + 1


def test_what_can_be_said_at_once_waits_for_the_answers_of_orders_ses_003(venue):
    peer = live(venue)
    venue.sequencer.is_asleep = True
    batch = [20, 1, 0, [[16, 2, 1, 0, 100, 1, 0, 0], [16, 3, 1, 0, 101, 1, 0, 0]]]
    assert peer.send(batch, [16, 4, 1, 0, 101, 1, 0, 8]) == []
    peer.link.flush()  # As every tick does.
    assert [message[:3] for message in peer.frames()] == [[36, 1, 2], [34, 4, R.MALFORMED]]
    answers = peer.send([16, 5, 1, 0, 100, 1, 0, 0], [3, 9, 1])
    assert [message[0] for message in answers] == [65], "a ping waits for nobody"
    venue.sequencer.has_room = False
    assert [message[:3] for message in peer.send([16, 6, 1, 0, 100, 1, 0, 0])] == [[34, 6, R.OVERLOAD]]


def test_orders_before_another_request_happen_before_it_ses_003(venue):
    peer = live(venue)
    answers = peer.send(SELL, [7, 5, 2, 1])
    assert [answer[0] for answer in answers] == [33, 66, 98]
    assert answers[2][5] == [2450, 5]


def test_malformed_order_is_rejected_and_the_rest_goes_on_ses_020(venue):
    answers = live(venue).send([16, 1, 1, 0, 100, 1, 0, 8], [16, 1, 1, 0, 100, 1, 0, 0])
    assert sorted(answer[:3] for answer in answers) == [[33, 1, 0], [34, 1, R.MALFORMED]]


def test_order_without_a_ref_ends_the_connection_ses_002(venue):
    ((closed, code, _),) = live(venue).send([16, None, 1, 0, 100, 1, 0, 0])
    assert (closed, code) == ("closed", 4003)


def test_refusal_at_the_door_leaves_the_ref_unused_ses_021(venue):
    peer = live(venue)
    assert peer.send([16, 5, 1, 0, 100, 1, 0, 8])[0][-1] == 0
    assert peer.send([16, 5, 1, 0, 100, 1, 0, 0])[0][:3] == [33, 5, 0]


def test_late_order_uses_its_ref_ses_021(venue):
    peer = live(venue)
    late = [16, 1, 1, 0, 100, 1, 0, 0, 0, 1]
    assert peer.send(late)[0][:3] == [34, 1, R.DEADLINE]
    assert peer.send([16, 1, 1, 0, 100, 1, 0, 0])[0][:3] == [34, 1, R.DEADLINE]


@pytest.mark.parametrize(
    ("px", "qty", "reason"),
    [(1 << 40, 1, R.PX_TICK), (-(1 << 40), 1, R.PX_TICK), (1, 1 << 40, R.QTY_MAX), (1, -(1 << 40), R.QTY_LOT)],
)
def test_numbers_beyond_32_bits_are_refused_ses_022(venue, px, qty, reason):
    assert live(venue).send([16, 1, 1, 0, px, qty, 0, 0])[0][:4] == [34, 1, reason, 1]


def test_key_without_trade_gets_scope_ses_023(venue):
    key = generate_key("ann", ["read"])
    venue.keys.add(key)
    peer = Peer(venue)
    ((kind, *_, permissions),) = peer.login(key)
    assert (kind, permissions) == (67, 1)
    for message in (SELL, [17, 2, 1], [21, 3, None, None, None], [22, 4, 0, [[1, 1, 1, 2, 1]]]):
        assert peer.send(message)[0][:3] == [34, message[1], R.SCOPE]


def test_draining_server_takes_no_orders_ses_021(venue):
    peer = live(venue)
    peer.link.gate = int(R.DRAINING)
    assert peer.send(SELL)[0][:3] == [34, 1, R.DRAINING]


def test_overloaded_sequencer_ses_021(venue):
    peer = live(venue)
    venue.sequencer.has_room = False
    answers = peer.send(SELL, [22, 2, 0, [[1, 1, 1, 2, 1]] * 3], [17, 3, 1])
    assert [answer[:3] for answer in answers] == [[34, ref, R.OVERLOAD] for ref in (1, 2, 3)]
    venue.sequencer.has_room = True
    assert peer.session.last_ref() == 0
    assert peer.send(SELL)[0][:3] == [33, 1, 0]
    assert peer.send([22, 2, 0, [[1, 1, 1, 2, 1], [2, 1, 1, 2, 1]]])[0][:3] == [33, 2, 0]
    assert venue.publisher.router.market(2).bids.levels(1) == [(1, 1)]


def test_a_ref_sent_twice_is_refused_twice_ses_021(venue):
    peer = live(venue)
    venue.sequencer.has_room = False
    quote = [22, 2, 0, [[1, 1, 1, 2, 1]] * 3]
    answers = peer.send(SELL, SELL, quote, quote, [17, 2, 1])
    assert [answer[:3] for answer in answers] == [[34, ref, R.OVERLOAD] for ref in (1, 1, 2, 2, 2)]


def test_legs_of_a_quote_are_submitted_together_ses_003(venue):
    peer = live(venue)
    cancels = [[17, ref, 1] for ref in range(1, 2041)]
    peer.send(*cancels, [22, 2041, 0, [[1, 1, 1, 2, 1]] * 64])
    assert [len(records) // 64 for records in venue.sequencer.submitted[-2:]] == [2040, 64]


def test_large_read_is_submitted_in_pieces_ses_003(venue):
    peer = live(venue)
    answers = peer.send(*([17, ref, 1] for ref in range(1, 2051)))
    assert [answer[1] for answer in answers] == list(range(1, 2051))
    assert [len(records) // 64 for records in venue.sequencer.submitted[-2:]] == [2048, 2]


def test_status_query_repeats_the_outcome_ses_026(venue):
    peer = live(venue)
    (ack,) = peer.send(SELL)
    peer.send([16, 2, 99, 0, 1, 1, 0, 0])
    assert peer.send([27, 9, 1])[0][:4] == [33, 1, 1, ack[3]]
    assert peer.send([27, 9, 2])[0][:3] == [34, 2, R.NO_INSTRUMENT]
    assert peer.send([27, 9, 3])[0][:3] == [34, 9, R.NO_ORDER]
    assert peer.send([27, 9, 0])[0][:3] == [34, 9, R.NO_ORDER]
    assert peer.send([16, 3, 1, 0, 100, 1, 0, 0])[0][:3] == [33, 3, 0]


def test_status_query_of_a_ref_that_was_passed_over_ses_026(venue):
    peer = live(venue)
    peer.send([16, 5, 1, 0, 100, 1, 0, 0])
    assert peer.send([27, 9, 4])[0][:3] == [34, 4, R.STALE_REF]


def test_batch_is_taken_in_then_answered_one_by_one(venue):
    answers = live(venue).send([20, 1, 0, [[16, 2, 1, 0, 100, 1, 0, 0], [18, 3, 2], [17, 4, 99]]])
    assert [answer[:3] for answer in answers if answer[0] != 37] == [
        [36, 1, 3], [33, 2, 0], [33, 3, 0], [34, 4, R.NO_ORDER],
    ]  # fmt: skip


# Rates.


def test_rate_refuses_what_the_bucket_does_not_hold_ses_024():
    venue = frozen_venue(orders_per_s=1, burst_orders=64)
    peer = live(venue)
    answers = peer.send(*([16, ref, 1, 0, 100, 1, 0, 0] for ref in range(1, 67)))
    refused = [answer for answer in answers if answer[0] == 34]
    assert [answer[1:3] for answer in refused] == [[65, R.RATE], [66, R.RATE]]
    assert 0 < refused[0][3] <= 1_000_001
    assert peer.send([16, 70, 1, 0, 100, 1, 0, 0], [21, 71, None, None, None])[-1][:2] == [37, 64]


def test_cancels_have_twice_the_bucket_of_their_own_ses_024():
    venue = frozen_venue(orders_per_s=1, burst_orders=64)
    peer = live(venue)
    peer.send(*([16, ref, 1, 0, 100, 1, 0, 0] for ref in range(1, 65)))
    answers = peer.send(*([17, ref, 1] for ref in range(65, 65 + 129)))
    assert [answer[2] for answer in answers].count(R.RATE) == 1


def test_quote_leg_costs_a_quarter_and_the_account_shares_ses_024():
    venue = frozen_venue(orders_per_s=1, burst_orders=64)
    first, second = live(venue), live(venue, lane=1)
    legs = [[1, 1, 1, 2, 1]] * 64
    for ref in range(1, 4):
        assert first.send([22, ref, 0, legs])[0][:3] == [33, ref, 0]
    assert second.send([22, 1, 0, legs])[1][:3] == [33, 1, 0]
    assert second.send([22, 2, 0, legs])[0][:3] == [34, 2, R.RATE]


@pytest.mark.parametrize(("rate", "burst"), [(-1, 1), (1, 0)])
def test_rate_limits_that_cannot_work(rate, burst):
    with pytest.raises(ValueError, match="must be"):
        RateLimit(rate, burst)


def test_no_limit(venue):
    free = frozen_venue(orders_per_s=0)
    answers = live(free).send(*([17, ref, 1] for ref in range(1, 1000)))
    assert all(answer[2] == R.NO_ORDER for answer in answers)
    with pytest.raises(ValueError, match="burst_orders"):
        GatewayConfig(burst_orders=1)


# What is told.


def test_nothing_is_told_before_it_is_durable_ses_030(venue):
    peer = live(venue)
    venue.sequencer.is_asleep = True
    assert peer.send(SELL) == []
    answers = peer.send([3, 1, 5], [16, 2, 1, 0, 1, 1, 0, 8], [20, 3, 0, [[17, 4, 1]]])
    assert [answer[:2] for answer in answers] == [[65, 1], [34, 2], [36, 3]]


def test_private_messages_go_to_every_session_of_the_account_ses_031(venue):
    ann, watcher, bob = live(venue), live(venue, lane=9), live(venue, "bob")
    assert ann.send(SELL)[0][-1] == 0
    ack, fill = bob.send([16, 1, 1, 0, 2450, 2, 0, 0])
    assert (ack[0], fill[:2], fill[11]) == (33, [35, 1], 1)
    assert ann.frames() == watcher.frames() == [[35, 1, ack[3] - 1, 1, 1, 1, 1, 2450, 2, 2, 3, 0, 0, *fill[13:]]]
    done = ann.send([18, 2, 1])
    assert [message[0] for message in done] == [33, 37]
    assert (done[0][-1], done[1][1]) == (1, 2)
    assert watcher.frames() == [done[1]]
    assert bob.frames() == []


def test_answers_under_way_go_to_who_has_the_lane_by_then_ses_031(venue):
    """All of them: that of the last ref and that of a quote of several legs, too."""
    for messages in ([SELL, [16, 2, 1, 1, 2451, 5, 0, 0]], [[22, 3, 0, [[1, 1, 1, 2, 1], [2, 1, 1, 2, 1]]]]):
        first = live(venue)
        venue.sequencer.is_asleep = True
        assert first.send(*messages) == []
        second = Peer(venue, 2)
        (welcome,) = second.login(venue.key["ann"])
        assert welcome[5] == messages[-1][1]
        venue.sequencer.is_asleep = False
        venue.sequencer.submit(venue.sequencer.submitted[-1])
        assert [answer[:3] for answer in second.frames()] == [[33, message[1], 0] for message in messages]


def test_key_without_scopes_hears_nothing_private_ses_031(venue):
    key = generate_key("ann", [])
    venue.keys.add(key)
    public = Peer(venue)
    public.login(key, lane=5)
    ann = live(venue)
    ann.send(SELL, [18, 2, 1])
    assert public.frames() == []
    public.link.transport.backlog = 1 << 21
    assert public.send([3, 1, 1])[-1][:2] == ("closed", 4008)


def test_ack_before_fills_and_private_before_public_ses_032(venue):
    ann, bob = live(venue), live(venue, "bob")
    bob.send(*([4, 1, channel, [1]] for channel in (3, 2, 1)))
    ann.send(SELL)
    bob.frames()
    answers = bob.send([16, 1, 1, 0, 2450, 2, 0, 0])
    assert [answer[0] for answer in answers] == [33, 35, 97, 99, 96]


def test_quote_is_answered_once_ses_033(venue):
    ann, bob = live(venue), live(venue, "bob")
    legs = [[1, 2440, 3, 2460, 3], [2, 100, 1, 110, 1]]
    assert [answer[:4] for answer in ann.send([22, 1, 7, legs])] == [[33, 1, 0, 0]]
    assert [answer[:4] for answer in ann.send([22, 2, 7, [[1, 2441, 3, 2461, 3], *legs[1:]]])] == [[33, 2, 0, 0]]
    assert [answer[:4] for answer in ann.send([22, 2, 7, legs])] == [[33, 2, 1, 0]]
    bob.send([16, 1, 1, 1, 2441, 1, 0, 0])
    ((kind, pseq, _, ref, _, inst, *_),) = ann.frames()
    assert (kind, pseq, ref, inst) == (35, 1, 0, 1)


def test_refused_legs_are_told_with_their_instrument_ses_033(venue):
    ann = live(venue)
    answers = ann.send([22, 1, 7, [[1, 10, 1, 20, 1], [9, 10, 1, 20, 1], [2, 30, 1, 20, 1]]])
    assert [answer[:4] for answer in answers] == [[33, 1, 0, 0], [34, 1, R.NO_INSTRUMENT, 9], [34, 1, R.MALFORMED, 2]]
    answers = ann.send([22, 2, 7, [[9, 10, 1, 20, 1], [1, 10, 1, 20, 1]]])
    assert [answer[:4] for answer in answers] == [[34, 2, R.NO_INSTRUMENT, 9]]


def test_refused_side_of_a_quote_is_told_with_the_quotes_ref_ses_033(venue):
    live(venue, "bob").send(SELL)
    ann = live(venue)
    answers = ann.send([22, 5, 7, [[1, 2450, 1, 2460, 1]], 1])
    assert [answer[:4] for answer in answers] == [[33, 5, 0, 0], [34, 5, R.WOULD_TAKE, 1]]


def test_end_of_a_quote_by_others_is_told_ses_033(venue):
    ann = live(venue)
    ann.send([22, 1, 7, [[1, 2440, 1, 0, 0]]])
    assert [answer[0] for answer in ann.send([21, 2, None, None, None])] == [33]
    ann.send([22, 3, 7, [[1, 2440, 1, 0, 0]]])
    answers = ann.send([16, 4, 1, 1, 2440, 1, 0, 0])
    assert [(answer[0], answer[4]) for answer in answers if answer[0] == 37] == [(37, 6)]


def test_pseq_goes_on_after_a_restart_ses_031(venue):
    ann = live(venue)
    ann.send(SELL, [18, 2, 1])
    pseqs = venue.publisher.pseqs()
    other = frozen_venue()
    other.publisher.load_pseqs(pseqs)
    (welcome,) = Peer(other).login(other.key["ann"])
    assert welcome[6] == 1


# Market data.


def test_delta_joins_a_batch_and_names_each_level_once_ses_034(venue):
    ann, bob = live(venue), live(venue, "bob")
    assert bob.send([4, 1, 2, [1]]) == [[66, 1, 0, 1], [98, 1, 0, 0, [], []]]
    ann.send(*([16, ref, 1, ref & 1, 2450 + 10 * (ref & 1) - ref // 2, 1, 0, 0] for ref in range(1, 7)))
    ((kind, inst, first, seq, _, bids, asks),) = bob.frames()
    assert (kind, inst, first, seq) == (99, 1, 1, 1)
    assert bids == [2449, 1, 2448, 1, 2447, 1]
    assert asks == [2458, 1, 2459, 1, 2460, 1]
    ann.send([16, 7, 1, 0, 2449, 4, 0, 0], [18, 8, 7], [18, 9, 2], [16, 10, 1, 0, 2440, 2, 0, 0])
    ((_, _, first, seq, _, bids, asks),) = bob.frames()
    assert (first, seq, bids, asks) == (2, 2, [2449, 0, 2440, 2], [])
    assert bob.send([7, 2, 2, 1])[1][2:] == [2, NOW(venue), [2448, 1, 2447, 1, 2440, 2], [2458, 1, 2459, 1, 2460, 1]]


def NOW(venue):
    return venue.publisher.last_ts_ns // 1000


def test_best_prices_come_only_when_they_change_ses_034(venue):
    ann, bob = live(venue), live(venue, "bob")
    assert bob.send([4, 1, 1, [1]])[1] == [96, 1, 0, 0, 0, 0, 0, 0]
    ann.send([16, 1, 1, 0, 100, 1, 0, 0])
    assert [message[4:] for message in bob.frames()] == [[100, 1, 0, 0]]
    ann.send([16, 2, 1, 0, 99, 1, 0, 0])
    assert bob.frames() == []
    ann.send([16, 3, 1, 1, 101, 7, 0, 0])
    ((_, _, seq, _, *best),) = bob.frames()
    assert (seq, best) == (2, [100, 1, 101, 7])


def test_all_instruments_and_those_to_come_ses_035(venue):
    from gateway_venue import PRODUCT, WINDOW

    from exchange import commands

    ann, bob = live(venue), live(venue, "bob")
    assert [message[:2] for message in bob.send([4, 1, 5, None])] == [[66, 1], [113, 1], [103, 1], [103, 2]]
    bob.send([4, 2, 2, None], [4, 3, 4, None])
    bob.frames()
    venue.sequencer.submit(commands.list_window(PRODUCT, WINDOW + 1))
    assert [message[:2] for message in bob.frames()] == [[103, 3], [103, 4]]
    ann.send([16, 1, 4, 0, 100, 1, 0, 0])
    assert [message[:4] for message in bob.frames()] == [[99, 4, 1, 1]]
    gate_ns = venue.engine.catalogue.instrument(3).product.gate_ns(WINDOW + 1)
    venue.sequencer.submit(commands.time(gate_ns))
    messages = bob.frames()
    lives = [(1, Phase.GATED), (2, Phase.GATED), (1, Phase.DELIVERING), (2, Phase.DELIVERING), (3, 4), (4, 4)]
    assert sorted((message[1], message[4]) for message in messages if message[0] == 101) == sorted(lives)
    assert [(message[1], message[10]) for message in messages if message[0] == 103] == lives


def test_overlapping_subscriptions_send_once_ses_035(venue):
    ann, bob = live(venue), live(venue, "bob")
    bob.send([4, 1, 3, [1]], [4, 2, 3, None], [4, 3, 3, [1, 2]])
    ann.send(SELL)
    bob.send([16, 1, 1, 0, 2450, 1, 0, 0])
    assert bob.send([5, 9, 2]) == [[66, 9, 0, 2]]
    assert [message[0] for message in bob.send([16, 2, 1, 0, 2450, 1, 0, 0])].count(97) == 1
    bob.send([5, 9, 1], [5, 9, 3])
    assert [message[0] for message in bob.send([16, 3, 1, 0, 2450, 1, 0, 0])].count(97) == 0
    assert bob.send([5, 9, 3]) == [[66, 9, R.MALFORMED, 0]]


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        ([4, 1, 2, [99]], R.NO_INSTRUMENT),
        ([4, 1, 2, [0]], R.NO_INSTRUMENT),
        ([7, 1, 2, 99], R.NO_INSTRUMENT),
        ([4, 1, 13, None], R.MALFORMED),
        ([4, 1, 9, None], R.SCOPE),
        ([4, 1, 9, [1]], R.MALFORMED),
        ([4, 1, 11, [1]], R.MALFORMED),
        ([7, 1, 11, 1], R.MALFORMED),
        ([7, 1, 2, None], R.MALFORMED),
        ([7, 1, 9, None], R.SCOPE),
        ([6, 1, 1, None, 1], R.SCOPE),
        ([4, 1, 2, []], R.MALFORMED),
        ([4, 1, 2, None, [11]], R.MALFORMED),
        ([4, 1, 2], R.MALFORMED),
        ([3, 1, 1, 1], R.MALFORMED),
        ([8, 1], R.UNKNOWN_TYPE),
        ([33, 1], R.UNKNOWN_TYPE),
    ],
)
def test_requests_that_cannot_be_done_are_answered_ses_025(venue, request_, reason):
    assert live(venue).send(request_) == [[66, 1, reason, 0]]


@pytest.mark.parametrize("kind", [29, 30, 31])
def test_order_types_not_offered_are_rejected_ses_025(venue, kind):
    assert live(venue).send([kind, 1, 2])[0][:3] == [34, 1, R.UNKNOWN_TYPE]


def test_subscriptions_are_limited_ses_025():
    venue = frozen_venue(subscriptions_per_session_max=1)
    peer = live(venue)
    assert peer.send([4, 1, 3, None], [4, 2, 3, None]) == [[66, 1, 0, 1], [66, 2, R.OPEN_LIMIT, 0]]


def test_instruments_of_subscriptions_are_limited_ses_025():
    peer = live(frozen_venue(handles_per_session_max=2))
    assert peer.send([4, 1, 3, [1]], [4, 2, 3, [1, 1]]) == [[66, 1, 0, 1], [66, 2, R.OPEN_LIMIT, 0]]
    assert peer.send([5, 3, 1], [4, 4, 3, [1, 1]]) == [[66, 3, 0, 1], [66, 4, 0, 2]]


# Loss.


def resting(venue):
    return [lots for _, lots in venue.publisher.router.market(1).asks.levels(9)]


@pytest.mark.parametrize(("cod", "left"), [(0, [5, 7]), (1, []), (2, [7])])
def test_cancel_on_disconnect_ses_013(venue, cod, left):
    peer = live(venue, cod=cod)
    peer.send([16, 1, 1, 1, 2450, 5, 0, 4], [16, 2, 1, 1, 2451, 7, 0, 0])
    peer.link.feed_eof()
    assert resting(venue) == left


def test_grace_gives_time_to_come_back_ses_013(venue):
    for comes_back, left in ((True, [5]), (False, [])):
        peer = live(venue, cod=1, grace_ms=500)
        peer.send([16, peer.session.last_ref() + 1, 1, 1, 2450, 5, 0, 0])
        peer.now_ns = 1_000 * MS
        peer.link.feed_eof()
        lanes = venue.server.lanes
        assert lanes.due(1_499 * MS) == b""
        if comes_back:
            live(venue, cod=0).link.feed_eof()
        due = lanes.due(1_500 * MS)
        if due:
            venue.sequencer.submit(due)
        assert resting(venue) == left
        if comes_back:
            again = live(venue)
            again.send([21, again.session.last_ref() + 1, None, None, None])


def test_cancel_that_finds_no_room_is_not_lost_ses_013(venue):
    peer = live(venue, cod=1)
    peer.send(SELL)
    venue.sequencer.has_room = False
    peer.link.feed_eof()
    assert resting(venue) == [5]
    venue.sequencer.has_room = True
    venue.server._owe(b"")
    assert resting(venue) == []


def test_cancel_that_finds_no_room_spares_the_orders_of_who_comes_back_ses_013(venue):
    """The loss acts before anything that is sent after it, however late there is room for it."""
    peer = live(venue, cod=1)
    peer.send(SELL)
    venue.sequencer.has_room = False
    peer.link.feed_eof()
    again = live(venue, cod=1)
    venue.sequencer.has_room = True
    assert again.send([16, 2, 1, 1, 2460, 7, 0, 0])[-1][:3] == [33, 2, 0]
    venue.server._owe(b"")
    assert resting(venue) == [7]


def test_request_behind_a_cancel_that_found_no_room_is_answered_ses_027(venue):
    peer, other = live(venue, cod=1), live(venue, lane=1)
    venue.sequencer.has_room = False
    peer.link.feed_eof()
    venue.sequencer.has_room = True
    assert other.send([42, 5, "coll", "bond", 1])[0][:2] == [66, 5]


@pytest.mark.parametrize(("cancel", "left"), [(0, [5]), (1, [])])
def test_logout_ses_014(venue, cancel, left):
    peer = live(venue, cod=1)
    peer.send(SELL)
    answers = peer.send([2, 8, cancel], [16, 9, 1, 1, 2450, 1, 0, 0])
    assert answers == [[66, 8, 0, 0], ("closed", 1000, "logged out")]
    peer.link.feed_eof()
    assert resting(venue) == left


def test_heartbeats_and_silence_ses_012(venue):
    peer = live(venue)
    begun = peer.link.seen_ns
    peer.session._heartbeat_due_ns = begun + 1_000 * MS
    assert peer.tick(begun + 999 * MS) == []
    assert peer.tick(begun + 1_000 * MS) == [[104, NOW_US, 5, 0, 5]]
    assert peer.tick(begun + 1_999 * MS) == []
    assert peer.tick(begun + 2_000 * MS)[0][0] == 104
    assert peer.tick(begun + 3_000 * MS) == 4010


def test_slow_reader_is_cut_and_its_orders_cancelled_ses_004(venue):
    ann, bob = live(venue, cod=1), live(venue, "bob")
    ann.send(SELL)
    ann.link.transport.backlog = (1 << 20) + 1
    bob.send([16, 1, 1, 0, 2450, 1, 0, 0])
    assert [message[:2] for message in ann.frames()] == [("closed", 4009)], "a fill would not be read either"
    assert resting(venue) == []
    bob.send([16, 2, 1, 0, 2450, 1, 0, 0])
    assert ann.frames() == []
