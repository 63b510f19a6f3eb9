"""Where reads begin and end: every split point, frames torn over several reads, a close within a batch."""

import itertools

import msgpack
import pytest
from test_differential import frame
from test_families import END, GREETING, answered, ended, fragments
from test_frames import BINARY, CLOSE, PING, PONG, TEXT, server_frames
from test_session import SELL, frozen_venue, live

STREAM = (
    frame(TEXT, GREETING)
    + frame(PING, b"ping")
    + fragments(BINARY, b"one", b"", b"two", between=frame(PONG))
    + frame(BINARY, b"y" * 126)
    + frame(BINARY)
    + END
)
EXPECTED = [(TEXT, GREETING), (PONG, b"ping"), (BINARY, b"onetwo"), (BINARY, b"y" * 126), (BINARY, b""), ended(1000)]


def test_every_split_point_gives_the_same_answers_ses_001():
    assert answered(STREAM) == EXPECTED
    for at in range(1, len(STREAM)):
        assert answered(STREAM[:at], STREAM[at:]) == EXPECTED, f"cut at {at}"


def test_every_pair_of_split_points_of_two_frames_gives_the_same_answers():
    """Two frames torn over three reads, in every way there is: headers of two and four bytes, masks, payloads."""
    stream = frame(BINARY, b"abc") + frame(TEXT, b"x" * 130)
    expected = [(BINARY, b"abc"), (TEXT, b"x" * 130)]
    interesting = [*range(1, 26), *range(len(stream) - 6, len(stream))]
    for first, second in itertools.combinations(interesting, 2):
        pieces = stream[:first], stream[first:second], stream[second:]
        assert answered(*pieces) == expected, f"cut at {first} and {second}"


@pytest.mark.parametrize("size", range(1, 40))
def test_reads_of_one_size_give_the_same_answers(size):
    assert answered(*(STREAM[at : at + size] for at in range(0, len(STREAM), size))) == EXPECTED


def test_long_header_byte_by_byte():
    stream = frame(BINARY, b"z" * 65_536)
    assert answered(*(stream[at : at + 1] for at in range(14)), stream[14:]) == [(BINARY, b"z" * 65_536)]


ORDERS = b"".join(frame(BINARY, msgpack.packb([SELL[0], ref, *SELL[2:]])) for ref in (1, 2, 3))
BATCH = frame(BINARY, msgpack.packb([20, 9, 0, [[SELL[0], ref, *SELL[2:]] for ref in (4, 5, 6)]]))


def kinds(peer):
    """What was written since login, by opcode; messages by their type."""
    frames = server_frames(b"".join(peer.link.transport.writes[1:]))
    return [msgpack.unpackb(body)[0] if opcode == BINARY else ("close", body[:2]) for opcode, body in frames]


@pytest.mark.parametrize("cut", [0, 5, len(ORDERS), len(ORDERS) + 30, len(ORDERS + BATCH), len(ORDERS + BATCH) + 3])
def test_orders_before_a_close_are_done_and_answered_and_those_after_it_are_not_ses_045(cut):
    """Three orders, a batch of three and a close frame, and orders behind it, in one read or two."""
    peer = live(frozen_venue())
    stream = ORDERS + BATCH + END + frame(BINARY, msgpack.packb([SELL[0], 7, *SELL[2:]]))
    peer.link.feed_data(stream[:cut])
    peer.link.feed_data(stream[cut:])
    told = kinds(peer)
    assert told.count(33) == 6
    assert told.count(36) == 1
    assert told[-1] == ("close", b"\x03\xe8")
    assert peer.link.last_ref == 6


def test_a_close_within_fragments_of_an_order_ends_it_undone():
    peer = live(frozen_venue())
    order = msgpack.packb(SELL)
    peer.link.feed_data(frame(BINARY, order[:4], fin=False) + END + frame(0, order[4:]))
    assert kinds(peer) == [("close", b"\x03\xe8")]
    assert peer.link.last_ref == 0


def test_close_frame_alone_is_answered_with_its_opcode():
    assert server_frames(b"".join(closing())) == [(CLOSE, b"\x03\xe8")]


def closing():
    peer = live(frozen_venue())
    peer.link.feed_data(END)
    return peer.link.transport.writes[1:]
