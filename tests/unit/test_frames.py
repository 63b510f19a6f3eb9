"""The WebSocket parser against RFC 6455 and against our own limits."""

import os
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ext.frames import FrameParser, encode_frame

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


class Transport:
    def __init__(self):
        self.writes = []
        self.closed = False

    def write(self, data):
        self.writes.append(data)

    def close(self):
        self.closed = True


class Recorder(FrameParser):
    def __init__(self):
        self.messages = []
        self.endings = []
        self.transport = Transport()

    def message(self, opcode, data):
        self.messages.append((opcode, data))
        self.send(data)

    def ended(self, lost):
        self.endings.append(lost)


def masked(opcode, payload=b"", *, fin=True, mask=b"\x01\x82\x33\xf4", rsv=0):
    length = len(payload)
    head = bytes([(0x80 if fin else 0) | rsv | opcode])
    if length < 126:
        head += bytes([0x80 | length])
    elif length < 65536:
        head += struct.pack(">BH", 0x80 | 126, length)
    else:
        head += struct.pack(">BQ", 0x80 | 127, length)
    return head + mask + bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))


def server_frames(data):
    """Split what a server wrote into (opcode, payload)."""
    frames = []
    while data:
        length, at = data[1] & 0x7F, 2
        assert data[0] & 0x80
        assert not data[1] & 0x80
        if length == 126:
            length, at = struct.unpack_from(">H", data, 2)[0], 4
        elif length == 127:
            length, at = struct.unpack_from(">Q", data, 2)[0], 10
        frames.append((data[0] & 15, data[at : at + length]))
        data = data[at + length :]
    return frames


def refused(*chunks):
    """Feed the chunks; return the close code the server sent."""
    parser = Recorder()
    for chunk in chunks:
        parser.feed_data(chunk)
    frames = server_frames(b"".join(parser.transport.writes))
    assert parser.endings == [False]
    assert not parser.is_open
    assert frames[-1][0] == CLOSE
    code = int.from_bytes(frames[-1][1][:2], "big")
    assert parser.close_code == code
    return code


STREAM = [
    (BINARY, b"first"),
    (TEXT, "grüße".encode()),
    (BINARY, b""),
    (BINARY, bytes(range(256)) * 2),
    (BINARY, b"z" * 125),
    (BINARY, b"y" * 126),
]


def test_messages_of_one_read_are_answered_in_one_write_ses_003():
    parser = Recorder()
    assert parser.feed_data(b"".join(masked(opcode, data) for opcode, data in STREAM)) == (False, b"")
    assert parser.messages == STREAM
    assert len(parser.transport.writes) == 1
    assert server_frames(parser.transport.writes[0]) == [(BINARY, data) for _, data in STREAM]


def test_every_split_point_gives_the_same_messages():
    stream = b"".join(masked(opcode, data) for opcode, data in STREAM)
    for cut in range(len(stream) + 1):
        parser = Recorder()
        parser.feed_data(stream[:cut])
        parser.feed_data(stream[cut:])
        assert parser.messages == STREAM


def test_one_byte_reads_give_the_same_messages():
    parser = Recorder()
    for byte in b"".join(masked(opcode, data) for opcode, data in STREAM):
        parser.feed_data(bytes([byte]))
    assert parser.messages == STREAM


@given(
    st.lists(st.tuples(st.binary(max_size=300), st.binary(min_size=4, max_size=4)), max_size=8),
    st.lists(st.integers(1, 40), max_size=60),
)
def test_any_cutting_gives_the_same_messages(messages, cuts):
    stream = b"".join(masked(BINARY, data, mask=mask) for data, mask in messages)
    parser = Recorder()
    for size in cuts:
        parser.feed_data(stream[:size])
        stream = stream[size:]
    parser.feed_data(stream)
    assert parser.messages == [(BINARY, data) for data, _ in messages]


@given(st.binary(max_size=200))
def test_random_bytes_end_in_a_message_or_a_documented_close(data):
    parser = Recorder()
    parser.feed_data(data)
    assert parser.is_open or parser.close_code in (0, 1002, 1007, 1009)


def test_largest_message_passes_and_is_echoed():
    data = os.urandom(65536)
    parser = Recorder()
    parser.feed_data(masked(BINARY, data))
    assert server_frames(parser.transport.writes[0]) == [(BINARY, data)]
    assert encode_frame(BINARY, data[:65535])[:4] == b"\x82\x7e\xff\xff"


@pytest.mark.parametrize(
    ("stream", "code"),
    [
        (b"\x82\x01x", 1002),  # Not masked.
        (masked(BINARY, b"x", rsv=0x40), 1002),
        (masked(BINARY, b"x", rsv=0x20), 1002),
        (masked(BINARY, b"x", rsv=0x10), 1002),
        (masked(3, b"x"), 1002),
        (masked(7, b"x"), 1002),
        (masked(11, b"x"), 1002),
        (masked(15, b"x"), 1002),
        (masked(0, b"x"), 1002),  # A continuation of nothing.
        (masked(BINARY, b"x", fin=False) + masked(BINARY, b"y"), 1002),
        (masked(PING, b"x", fin=False), 1002),
        (masked(PING, b"x" * 126), 1002),
        (b"\x82\xfe\x00\x05abcd", 1002),  # A length written longer than needed.
        (b"\x82\xff" + (65535).to_bytes(8, "big"), 1002),
        (b"\x82\xff\xff" + bytes(7), 1002),
        (b"\x82\xff" + (65537).to_bytes(8, "big"), 1009),  # Refused before its payload arrives.
        (b"\x82\xff" + (1 << 62).to_bytes(8, "big"), 1009),
        (masked(BINARY, b"x" * 40000, fin=False) + masked(0, b"x" * 30000), 1009),
        (masked(BINARY, b"", fin=False) + masked(0, b"", fin=False) * 15 + masked(0, b""), 1009),
        (masked(TEXT, b"\xc3"), 1007),
        (masked(TEXT, b"\xed\xa0\x80"), 1007),
        (masked(CLOSE, b"\x03"), 1002),
        (masked(CLOSE, (1005).to_bytes(2, "big")), 1002),
        (masked(CLOSE, (999).to_bytes(2, "big")), 1002),
        (masked(CLOSE, (1000).to_bytes(2, "big") + b"\xff"), 1007),
    ],
)
def test_what_is_not_the_protocol_is_refused_with_a_close_code_ses_001(stream, code):
    assert refused(stream) == code
    assert refused(*(bytes([byte]) for byte in stream[:200]), stream[200:]) == code


def test_sixteen_fragments_are_joined():
    parser = Recorder()
    parser.feed_data(masked(BINARY, b"0", fin=False) + masked(0, b"1", fin=False) * 14 + masked(0, b"2"))
    assert parser.messages == [(BINARY, b"0" + b"1" * 14 + b"2")]


def test_control_frames_stand_between_fragments():
    parser = Recorder()
    parser.feed_data(masked(TEXT, b"ab", fin=False) + masked(PING, b"!") + masked(PONG, b"?") + masked(0, b"cd"))
    assert parser.messages == [(TEXT, b"abcd")]
    assert server_frames(parser.transport.writes[0]) == [(PONG, b"!"), (BINARY, b"abcd")]


def test_character_cut_by_a_fragment_is_still_text():
    parser = Recorder()
    parser.feed_data(masked(TEXT, b"\xc3", fin=False) + masked(0, b"\xbc"))
    assert parser.messages == [(TEXT, b"\xc3\xbc")]


@pytest.mark.parametrize("body", [b"", (1000).to_bytes(2, "big"), (3000).to_bytes(2, "big") + b"bye"])
def test_close_is_answered_with_its_code_and_the_connection_closed(body):
    parser = Recorder()
    done, _ = parser.feed_data(masked(CLOSE, body) + masked(BINARY, b"late"))
    assert done
    assert parser.messages == []
    assert server_frames(parser.transport.writes[0]) == [(CLOSE, body[:2])]
    assert parser.transport.closed
    assert parser.endings == [False]


def test_own_close_waits_for_the_peers():
    parser = Recorder()
    parser.close(4011, "superseded")
    parser.close(4003, "never sent")
    parser.feed_data(masked(BINARY, b"ignored") + masked(PING, b"ignored"))
    assert not parser.transport.closed
    parser.feed_data(masked(CLOSE, (4011).to_bytes(2, "big")))
    assert parser.transport.closed
    assert server_frames(b"".join(parser.transport.writes)) == [(CLOSE, (4011).to_bytes(2, "big") + b"superseded")]
    assert parser.messages == []
    assert parser.endings == [False]


def test_long_reason_is_cut_at_a_character():
    parser = Recorder()
    parser.close(4003, "ü" * 100)
    ((_, body),) = server_frames(parser.transport.writes[0])
    assert body[2:].decode() == "ü" * 61


def test_lost_connection_is_told_once_and_nothing_is_written_after():
    parser = Recorder()
    transport = parser.transport
    parser.feed_eof()
    parser.send(b"late")
    parser.flush()
    assert parser.endings == [True]
    assert transport.writes == []
    assert parser.feed_data(masked(BINARY, b"late")) == (True, b"")
