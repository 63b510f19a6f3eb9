"""The clearinghouse on the wire: requests and their answers, private messages, the channel marks."""

import msgpack
import pytest
from gateway_venue import PRODUCT, WINDOW
from hypothesis import given
from hypothesis import strategies as st
from test_codec import FULL, MOMENT, message_of
from test_codec import event as record
from test_session import Peer, frozen_venue, live
from test_window_market import event, of_types, tell

from exchange import commands
from exchange.clearing.house import HOUSE_COMMANDS
from exchange.reasons import RejectReason as R
from exchange.records import CommandType as C
from exchange.records import EventFlag, EventType
from ext.encoder import encode_event
from gateway.auth import generate_key
from gateway.clearing_requests import PARTICIPANTS, described, read_request, record_of
from gateway.protocol import MESSAGES, Channel, MessageType

FABRIC = "use1-f03"
TRANSFER = [42, 7, "coll", "bond", 5_000]
TS, GSEQ = MOMENT["ts_us"], MOMENT["gseq"]


@pytest.fixture
def venue():
    venue = frozen_venue()
    clear(venue)
    return venue


def clear(venue):
    """Clear the product, and give ann money."""
    for command in (
        commands.clearing(C.SET_HOUSE),
        commands.clearing(C.SET_CLASS, cls="A"),
        commands.clearing(C.SET_CLEARING, product=PRODUCT, cls="A"),
        commands.deposit(1, 1_000_000),
    ):
        venue.sequencer.submit(command)


# Requests.


def test_request_is_answered_before_what_came_of_it_ses_027(venue):
    ann, other, bob = live(venue), live(venue, lane=1), live(venue, "bob")
    seq = venue.engine.seq + 1
    now_us = venue.publisher.last_ts_ns // 1000
    answer, paid, gained = ann.send(TRANSFER)
    assert answer == [66, 7, 0, 0]
    ts = paid[-2]
    assert ts >= now_us
    assert paid == [114, 1, 2, 1, -5_000, 0, 0, ts, seq]
    assert gained == [114, 2, 2, 2, 5_000, 0, 0, ts, seq]
    assert other.frames() == [paid, gained]
    assert bob.frames() == []
    assert venue.sequencer.submitted[-1] == commands.clearing(
        C.TRANSFER, account="ann", source="coll", target="bond", micros=5_000
    )


def test_refusal_is_answered_with_its_reason_ses_027(venue):
    ann = live(venue)
    assert ann.send([*TRANSFER[:4], 1_000_001]) == [[66, 7, R.BALANCE, 0]]
    assert ann.send([42, 8, "coll", "escrow", 1]) == [[66, 8, R.MALFORMED, 0]]
    assert ann.send([48, 9, 1, 0, 1, 1]) == [[66, 9, R.NO_AUCTION, 0]]
    assert ann.send([44, 9, PRODUCT, FABRIC, 1, [[0, 4]]]) == [[66, 9, R.NO_DELIVERY, 0]]
    assert ann.send([43, 9, PRODUCT, "nowhere", WINDOW]) == [[66, 9, R.NO_FABRIC, 0]]


def test_answers_go_with_their_requests_among_orders_ses_027(venue):
    ann, bob = live(venue), live(venue, "bob")
    sell = [16, 1, 1, 1, 2450, 5, 0, 0]
    told = ann.send(TRANSFER, sell, [43, 2, PRODUCT, FABRIC, WINDOW, 1, 1], [42, 3, "coll", "bond", 1 << 40])
    answers = [message[:4] for message in told if message[0] in (66, 33)]
    assert [one[:3] for one in answers] == [[66, 7, 0], [33, 1, 0], [66, 2, 0], [66, 3, R.BALANCE]]
    assert answers[2] == [66, 2, 0, 1]
    assert bob.frames() == []
    assert venue.engine.house.state.wishes[1, 1].gang is True


def test_request_needs_the_scope_and_a_venue_that_stays_ses_027_ses_028(venue):
    key = generate_key("ann", scopes=("read",))
    venue.keys.add(key)
    reader = Peer(venue)
    reader.login(key)
    assert reader.send(TRANSFER) == [[66, 7, R.SCOPE, 0]]
    key = generate_key("ann", scopes=("read", "cancel"))
    venue.keys.add(key)
    canceller = Peer(venue)
    canceller.login(key)
    assert canceller.send(TRANSFER) == [[66, 7, R.SCOPE, 0]]
    ann = live(venue)
    ann.link.gate = int(R.DRAINING)
    assert ann.send(TRANSFER) == [[66, 7, R.DRAINING, 0]]
    ann.link.gate = 0
    venue.sequencer.has_room = False
    assert ann.send(TRANSFER) == [[66, 7, R.OVERLOAD, 0]]
    assert ann.link.requests_waiting == 0
    venue.sequencer.has_room = True
    assert ann.send(TRANSFER)[0] == [66, 7, 0, 0]


class Slow:
    """Takes commands, and applies them when told."""

    def __init__(self, venue):
        self.sequencer, self.waiting = venue.sequencer, []
        venue.sequencer, venue.server.sequencer = self, self

    @property
    def next_seq(self):
        return self.sequencer.next_seq + len(self.waiting)

    def submit(self, records):
        self.waiting.append(records)
        return True

    def go_on(self):
        waiting, self.waiting = self.waiting, []
        for records in waiting:
            self.sequencer.submit(records)


def test_requests_in_flight_are_limited_ses_028():
    venue = frozen_venue(requests_in_flight_max=2)
    clear(venue)
    slow = Slow(venue)
    ann, bob = live(venue), live(venue, "bob")
    assert ann.send(*([42, ref, "coll", "bond", ref] for ref in (1, 2, 3))) == [[66, 3, R.RATE, 0]]
    assert bob.send([42, 4, "coll", "bond", 1]) == []
    slow.go_on()
    assert of_types(ann.frames(), 66) == [[66, 1, 0, 0], [66, 2, 0, 0]]
    assert bob.frames() == [[66, 4, R.BALANCE, 0]]
    assert ann.send([42, 5, "coll", "bond", 1]) == []
    slow.go_on()
    assert of_types(ann.frames(), 66) == [[66, 5, 0, 0]]


def test_session_that_is_gone_is_answered_no_more_ses_027():
    venue = frozen_venue()
    clear(venue)
    slow = Slow(venue)
    gone, ann = live(venue), live(venue, lane=1)
    gone.send(TRANSFER)
    ann.send([42, 8, "coll", "bond", 1])
    gone.session.end(0)
    assert gone.link.requests_waiting == 0
    slow.go_on()
    assert gone.frames() == []
    told = ann.frames()
    assert of_types(told, 66) == [[66, 8, 0, 0]]
    assert [message[4] for message in of_types(told, 114)] == [-5_000, 5_000, -1, 1]  # It was done all the same.


def test_requests_take_from_the_accounts_bucket_of_orders_ses_027():
    venue = frozen_venue(orders_per_s=1, burst_orders=64)
    clear(venue)
    ann = live(venue)
    answers = of_types(ann.send(*([42, ref, "coll", "bond", 1] for ref in range(1, 67))), 66)
    assert [one[:3] for one in answers[:64]] == [[66, ref, 0] for ref in range(1, 65)]
    assert [one[:3] for one in answers[64:]] == [[66, 65, R.RATE], [66, 66, R.RATE]]
    assert 0 < answers[64][3] <= 1_000_001


@pytest.mark.parametrize(
    "message",
    [
        [42, 7, "coll", "bond"],
        [42, 7, "coll", "bond", 1, "ann"],
        [42, 7, "coll", b"bond", 1],
        [42, 7, "coll", "bond", -1],
        [42, 7, "coll", "bond", True],
        [42, 7, "coll", "bond", 1 << 53],
        [43, 7, PRODUCT, FABRIC],
        [43, 7, PRODUCT, FABRIC, WINDOW, 1, True],
        [43, 7, PRODUCT, FABRIC, WINDOW, 1, 2],
        [43, 7, PRODUCT, FABRIC, 1 << 32],
        [44, 7, PRODUCT, FABRIC, 1, [0, 4]],
        [44, 7, PRODUCT, FABRIC, 1, [[0, 4, 5]]],
        [44, 7, PRODUCT, FABRIC, 1, [[0, -4]]],
        [44, 7, PRODUCT, FABRIC, 1, [[0, 4]] * 65],
        [44, 7, PRODUCT, FABRIC, 1, None],
        [44, 7, PRODUCT, FABRIC, 1, [[0, 4]], "signature"],
        [45, 7, PRODUCT, FABRIC, WINDOW, 0, 1, 0, 1, 60],
    ],
)
def test_request_of_another_shape_is_malformed_and_not_done_ses_028(venue, message):
    ann = live(venue)
    before = len(venue.sequencer.submitted)
    assert ann.send(message) == [[66, 7, R.MALFORMED, 0]]
    assert len(venue.sequencer.submitted) == before


def test_before_the_login_there_is_no_request_ses_027(venue):
    ((what, code, _),) = Peer(venue).send(TRANSFER)
    assert (what, code) == ("closed", 4001)


def test_fields_of_requests_are_those_of_the_commands():
    assert {number: int(MessageType(number)) for number in PARTICIPANTS} == {number: number for number in range(42, 49)}
    table = {message.number: message.fields for message in MESSAGES}
    assert table[43] == (
        "ref product fabric start [count gang other_fabric other_class shift_hours cover checkpoint_s snapshot_s "
        "restart_s]"
    )
    assert table[45] == "ref product fabric start first count interval intervals seconds rating_ppm [signature]"
    assert described(C.BID) == "ref case item lots micros"
    fields = read_request(C.METER, [PRODUCT, FABRIC, WINDOW, 0, 4, 9, 1, 60, 1_000_000, b"s"])
    assert record_of(C.METER, "ann", fields) == commands.clearing(
        C.METER, account="ann", product=PRODUCT, fabric=FABRIC, start=WINDOW, first=0, count=4, interval=9,
        intervals=1, seconds=60, rating_ppm=1_000_000, signature=b"s",
    )  # fmt: skip
    assert "signature" not in read_request(C.METER, [PRODUCT, FABRIC, WINDOW, 0, 4, 9, 1, 60, 1_000_000])
    for kind in PARTICIPANTS.values():
        assert next(iter(HOUSE_COMMANDS[kind].fields)) == "account"


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 63), (1 << 64) - 1) | st.text(max_size=4) | st.binary(max_size=4),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from(sorted(PARTICIPANTS)), st.lists(ANYTHING, max_size=14))
def test_whatever_is_sent_is_read_or_refused(number, values):
    kind = PARTICIPANTS[number]
    try:
        fields = read_request(kind, values)
    except ValueError:
        return
    assert [type(value) for value in fields.values()] == [HOUSE_COMMANDS[kind].fields[name].type for name in fields]


# What is told.


def test_instrument_ends_where_its_window_does(venue):
    venue.sequencer.submit(commands.add_product("LONG", 8, 1000, ["f1"], window_hours=8))
    venue.sequencer.submit(commands.list_window("LONG", WINDOW // 8 * 8 + 8))
    row = venue.publisher.board.row(len(venue.engine.catalogue.instruments))
    assert (row["region"], row["end_ts"] - row["start_ts"]) == ("f1", 8 * 3_600_000_000)


def test_what_the_clearinghouse_tells_an_account():
    full = FULL | {"amount": 9_000_000}
    told = {
        EventType.ENTRY: [114, 12345, 14, 1 << 30, 9_000_000, 4_000_000_000, 3],
        EventType.MARGIN: [115, 12345, 14, 9_000_000, (1 << 45) // 1000],
        EventType.LOT_STATE: [116, 12345, 4_000_000_000, 0, 1 << 30, 3, 14, 9_000],
        EventType.DEFAULT: [117, 12345, 1 << 45, 14],
        EventType.SUBSTITUTE: [118, 12345, 4_000_000_000, 0, 14, 3, 200, 70_000, 1 << 30, 9_000_000, 1 << 45],
        EventType.LAYER: [119, 12345, 1 << 45, 1 << 30, 200, 9_000_000],
        EventType.CLAIM: [122, 12345, 1 << 45, 1 << 30, 9_000_000],
    }
    for kind, message in told.items():
        frame = encode_event(record(type=kind, reason=14, **full), **MOMENT)
        assert message_of(frame) == [*message, TS, GSEQ]
        assert msgpack.packb(message_of(frame)) == frame[2:]
        fields = next(row.fields for row in MESSAGES if row.number == kind)
        assert len(message) + 1 == len(fields.split())
    provider = record(type=EventType.LOT_STATE, flags=EventFlag.SELL, **full)
    assert message_of(encode_event(provider, **MOMENT))[3] == 1
    paid = record(type=EventType.ENTRY, **full | {"amount": -(1 << 60)})
    assert message_of(encode_event(paid, **MOMENT))[4] == -(1 << 60)
    failed = record(type=EventType.LOT_STATE, **full | {"price": -1})
    assert message_of(encode_event(failed, **MOMENT))[4] == -1
    with pytest.raises(ValueError, match="of an account"):
        encode_event(record(type=EventType.ENTRY, **full | {"account": 0}), **MOMENT)


def test_private_messages_have_no_gaps_and_the_venues_own_are_nobodys_ses_031_ses_039(venue):
    ann, bob = live(venue), live(venue, "bob")
    tell(
        venue,
        event(EventType.DEFAULT, account=1, reason=2, match_id=1),
        event(EventType.ENTRY, price=6, amount=-4),
        event(EventType.LAYER, price=4, cum=2, match_id=1, amount=4),
        event(EventType.LAYER, account=1, price=1, cum=2, match_id=1, amount=40),
        event(EventType.LOT_STATE, account=1, flags=EventFlag.SELL, reason=2, lots=7),
        event(EventType.LOT_STATE, account=2, reason=2, lots=7),
        event(EventType.LOT_STATE, account=2, reason=1, lots=9),
    )
    assert [message[:2] for message in ann.frames()] == [[117, 1], [119, 2], [116, 3]]
    assert [message[:2] for message in bob.frames()] == [[116, 1], [116, 2]]
    router = venue.publisher.router
    assert (router.layers_used(), router.failed_lots) == ([40, 0, 0, 4, 0, 0, 0, 0], 7)


def test_channel_marks_tells_marks_and_auctions_ses_039(venue):
    bob, cat = live(venue, "bob"), live(venue, "cat")
    assert bob.send([4, 1, 7, [1]]) == [[66, 1, 0, 1]]
    now_ns = venue.publisher.last_ts_ns
    now_us, end_us = now_ns // 1000, now_ns // 1000 + 600
    auction = {"price": 0, "lots": 5, "cum": 3, "amount": end_us * 1000, "match_id": 2}
    tell(
        venue,
        event(EventType.MARK, instrument=1, price=77),
        event(EventType.MARK, instrument=2, price=5),
        event(EventType.AUCTION, instrument=1, flags=1, **auction),
        event(EventType.AUCTION, instrument=1, **auction | {"price": 1, "amount": now_ns - 1_000}),
    )
    item = [2, 0, 1, 5, 3, end_us]
    assert bob.frames() == [
        [121, 1, 1, now_us, 77], [120, 1, 2, now_us, *item], [120, 1, 3, now_us, 2, 1, 0, 5, 3, now_us - 1],
    ]  # fmt: skip
    assert cat.frames() == []
    assert cat.send([7, 1, 7, 1]) == [[66, 1, 0, 1], [121, 1, 3, now_us, 77], [120, 1, 3, now_us, *item]]
    assert cat.send([7, 2, 7, 2]) == [[66, 2, 0, 2], [121, 2, 0, now_us, 5]]
    assert Channel.MARKS == 7
