"""The parser against wsproto: any frames, right and wrong, cut at any places, must be understood in the same way.

Where ours is stricter, or later, by design:

- it checks the UTF-8 of a text when the whole message is there, wsproto as the fragments come (RFC 6455 allows both);
- it limits a message to 65,536 bytes and 16 fragments, wsproto does not: test_families.py has those limits;
- it takes close code 1014, which is registered and which wsproto does not know.
"""

import struct

from hypothesis import example, given, settings
from hypothesis import strategies as st
from test_frames import BINARY, CLOSE, PING, PONG, TEXT, Transport, server_frames
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping, TextMessage

from ext.frames import FrameParser

MASK = b"\x37\xfa\x21\x3d"
NO_STATUS = 1005  # What an empty close frame counts as.


class Ours(FrameParser):
    """Keeps the messages and says nothing of its own."""

    def __init__(self):
        self.transport = Transport()
        self.messages = []

    def message(self, opcode, data):
        self.messages.append((opcode, data))


def outcome_of_ours(chunks):
    """Messages, pongs and the code of the end: ("closed", the peer's) or ("failed", ours), None while open."""
    parser = Ours()
    for chunk in chunks:
        parser.feed_data(chunk)
    frames = server_frames(b"".join(parser.transport.writes))
    pongs = [payload for opcode, payload in frames if opcode == PONG]
    closes = [payload for opcode, payload in frames if opcode == CLOSE]
    assert len(closes) == (0 if parser.is_open else 1), "one close frame, and nothing after it"
    assert not closes or frames[-1][0] == CLOSE
    if not closes:
        return parser.messages, pongs, None
    if parser.close_code:
        return parser.messages, pongs, ("failed", parser.close_code)
    return parser.messages, pongs, ("closed", int.from_bytes(closes[0][:2], "big") or NO_STATUS)


def outcome_of_wsproto(chunks):
    """The same of wsproto; its events of a failed and of a closed connection differ in its state."""
    connection = Connection(ConnectionType.SERVER)
    messages, pongs, parts = [], [], []
    for chunk in chunks:
        connection.receive_data(chunk)
        for event in connection.events():
            if isinstance(event, Ping):
                pongs.append(bytes(event.payload))
            elif isinstance(event, TextMessage | BytesMessage):
                parts.append(event.data.encode() if isinstance(event, TextMessage) else bytes(event.data))
                if event.message_finished:
                    messages.append((TEXT if isinstance(event, TextMessage) else BINARY, b"".join(parts)))
                    parts = []
            elif isinstance(event, CloseConnection):
                kind = "closed" if connection.state.name == "REMOTE_CLOSING" else "failed"
                return messages, pongs, (kind, int(event.code))
    return messages, pongs, None


def frame(opcode, payload=b"", fin=True, rsv=0, is_masked=True, width=0):
    """A client's frame; `width` 2 or 8: its length is written in that many bytes, needed or not."""
    length = len(payload)
    width = width or (0 if length < 126 else 2 if length < 65_536 else 8)
    head = bytes([fin << 7 | rsv << 4 | opcode])
    head += bytes([is_masked << 7 | (length if width == 0 else 126 if width == 2 else 127)])
    head += struct.pack({0: "", 2: ">H", 8: ">Q"}[width], *([length] if width else []))
    if not is_masked:
        return head + payload
    return head + MASK + bytes(byte ^ MASK[at % 4] for at, byte in enumerate(payload))


payloads = st.one_of(
    st.binary(max_size=8),
    st.text(max_size=20).map(str.encode),
    st.sampled_from([b"\xc3", b"\xbc", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", "grüße".encode(), b"x" * 125, b"y" * 126]),
)
close_payloads = st.one_of(
    st.just(b""),
    st.binary(max_size=4).filter(lambda body: body[:2] != struct.pack(">H", 1014)),
    st.builds(
        lambda code, reason: struct.pack(">H", code) + reason,
        st.sampled_from([0, 999, 1000, 1001, 1002, 1003, 1004, 1005, 1006, 1007, 1011, 1013, 1015, 1016, 2999, 3000,
                         3999, 4000, 4999, 5000, 65535]),
        st.one_of(st.just(b""), st.text(max_size=20).map(str.encode), st.just(b"\xff")),
    ),
)  # fmt: skip
data_frames = st.builds(frame, st.sampled_from([0, 0, TEXT, BINARY]), payloads, fin=st.booleans())
whole_messages = st.builds(frame, st.sampled_from([TEXT, BINARY]), payloads)
pings = st.builds(frame, st.sampled_from([PING, PONG]), st.binary(max_size=125))
closes = st.builds(frame, st.just(CLOSE), close_payloads)
wrong_frames = st.one_of(
    st.builds(frame, st.integers(0, 15), payloads, fin=st.booleans(), rsv=st.integers(0, 7)),
    st.builds(frame, st.just(BINARY), payloads, is_masked=st.just(False)),
    st.builds(frame, st.just(BINARY), payloads, width=st.sampled_from([2, 8])),
    st.builds(frame, st.just(PING), st.binary(min_size=126, max_size=130)),
)
# Mostly right, so that long conversations come about; no more than 16 frames, the limit of one message.
frames = st.lists(
    st.one_of(whole_messages, whole_messages, data_frames, data_frames, pings, closes, wrong_frames), max_size=16
)


def cut(stream, sizes):
    """Cut a stream into pieces of these sizes, the last of what is left; no piece is empty."""
    pieces, at = [], 0
    for size in sizes:
        pieces.append(stream[at : at + size])
        at += size
    return [piece for piece in [*pieces, stream[at:]] if piece]


@given(frames, st.lists(st.integers(1, 30), max_size=40))
@settings(max_examples=400, deadline=None)
@example([frame(TEXT, b"\xc3", fin=False), frame(0, b"\xbc")], [])
@example([frame(TEXT, b"\xc3", fin=False), frame(0, b"x", fin=False), frame(PING, b"p"), frame(0, b"y")], [1] * 20)
@example([frame(CLOSE, b"\x03\xe8bye"), frame(BINARY, b"late")], [])
@example([frame(BINARY, b"a", fin=False), frame(CLOSE), frame(0, b"late")], [3])
@example([frame(PING, b"x", fin=False)], [])
def test_any_frames_cut_anywhere_are_understood_as_wsproto_does_ses_001(sent, sizes):
    stream = b"".join(sent)
    chunks = cut(stream, sizes)
    messages, pongs, end = outcome_of_ours(chunks)
    # The oracle gets whole frames: cut ones it may judge later, or earlier, than ours.
    its_messages, its_pongs, its_end = outcome_of_wsproto(sent)
    assert messages == its_messages
    if its_end == ("failed", 1007):
        # Text that is wrong before its message is whole: ours goes on to its end, or to another one before that.
        assert pongs[: len(its_pongs)] == its_pongs
        assert end is None or end[0] == "closed" or end in (("failed", 1002), ("failed", 1007))
    else:
        assert (pongs, end) == (its_pongs, its_end)


@given(frames, st.lists(st.integers(1, 30), max_size=40))
@settings(max_examples=200, deadline=None)
def test_where_a_stream_is_cut_makes_no_difference(sent, sizes):
    stream = b"".join(sent)
    if not stream:
        return
    whole = outcome_of_ours([stream])
    assert outcome_of_ours(cut(stream, sizes)) == whole
    assert outcome_of_ours([bytes([byte]) for byte in stream]) == whole


@given(st.lists(st.one_of(whole_messages, pings), max_size=10), st.integers(0, 400))
@settings(max_examples=100, deadline=None)
def test_a_stream_that_breaks_off_gives_what_was_whole_in_it(sent, length):
    stream = b"".join(sent)[:length]
    messages, pongs, end = outcome_of_ours([stream]) if stream else ([], [], None)
    its_messages, its_pongs, its_end = outcome_of_wsproto([stream] if stream else [])
    assert pongs == its_pongs
    assert end == its_end or its_end == ("failed", 1007)  # Fail-fast, of a message whose end is missing.
    assert messages == its_messages


def test_the_oracle_can_disagree():
    """wsproto has no limits; ours must be seen to."""
    long = [frame(BINARY, b"", fin=False)] + [frame(0, b"", fin=False)] * 16 + [frame(0, b"end")]
    assert outcome_of_wsproto(long) == ([(BINARY, b"end")], [], None)
    assert outcome_of_ours(long) == ([], [], ("failed", 1009))
