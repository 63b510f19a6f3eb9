"""The families of cases that a WebSocket test suite has, against an echo of our parser, whole and byte by byte.

1 framing, 2 pings and pongs, 3 reserved bits, 4 opcodes, 5 fragmentation, 6 UTF-8, 7 close handling, 9 limits,
10 automatic fragmentation. A case is what the client sends, and the frames it must get; the last may be a close frame.
UTF-8 is checked when a message is whole, not as it comes; RFC 6455 asks for no more.
"""

import struct

import pytest
from echo import Echo
from test_differential import frame
from test_frames import BINARY, CLOSE, PING, PONG, TEXT, Transport, server_frames

from ext.frames import FrameParser

GREETING = "Hello-µ@ßöäüàá-UTF-8!!".encode()
PIECE = b"fragment"


def close(code, reason=b""):
    return frame(CLOSE, struct.pack(">H", code) + reason)


def ended(code):
    """The close frame of the server: its code is what counts."""
    return (CLOSE, struct.pack(">H", code))


def fragments(opcode, *payloads, between=b""):
    """One message in fragments, with other frames between them."""
    last = len(payloads) - 1
    parts = (frame(0 if at else opcode, payload, fin=at == last) for at, payload in enumerate(payloads))
    return between.join(parts)


def chopped(opcode, data, size):
    return fragments(opcode, *(data[at : at + size] for at in range(0, len(data), size)))


class Quiet(Echo):
    """An echo without a loop."""

    def ended(self, lost):
        pass


def answered(*chunks, message_bytes_max=1 << 24, fragments_max=1 << 20):
    """What an echo answers: frames, of a close frame the code alone."""
    parser = Quiet()
    parser.message_bytes_max = message_bytes_max
    parser.fragments_max = fragments_max
    parser.transport = Transport()
    for chunk in chunks:
        parser.feed_data(chunk)
    frames = server_frames(b"".join(parser.transport.writes))
    return [(opcode, body[:2] if opcode == CLOSE else body) for opcode, body in frames]


END = close(1000)
SIZES = [0, 1, 125, 126, 127, 128, 65_535, 65_536, 65_537]
VALID = [
    "κόσμε".encode(), b"\x00", b"\x7f", b"\xc2\x80", b"\xdf\xbf", b"\xe0\xa0\x80", b"\xed\x9f\xbf", b"\xee\x80\x80",
    b"\xef\xbf\xbd", b"\xef\xbf\xbf", b"\xf0\x90\x80\x80", b"\xf4\x8f\xbf\xbf", b"\xef\xbb\xbf",
]  # fmt: skip
INVALID = [
    b"\x80", b"\xbf", b"\x80\xbf\x80", b"\xc0\x20", b"\xe0\x20", b"\xf0\x20", b"\xc3", b"\xe2\x82", b"\xf0\x9f\x98",
    b"\xfe", b"\xff", b"\xfe\xfe\xff\xff", b"\xc0\xaf", b"\xe0\x80\xaf", b"\xf0\x80\x80\xaf", b"\xc1\xbf",
    b"\xe0\x9f\xbf", b"\xf0\x8f\xbf\xbf", b"\xed\xa0\x80", b"\xed\xbf\xbf", b"\xed\xa0\x80\xed\xb0\x80",
    b"\xf4\x90\x80\x80", b"\xf8\x88\x80\x80\x80", b"\xfc\x84\x80\x80\x80\x80", "κόσμε".encode() + b"\xed\xa0\x80edited",
]  # fmt: skip
TAKEN_CODES = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999]
REFUSED_CODES = [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535]

CASES = {
    # 1 framing.
    **{f"1 text of {n}": (frame(TEXT, b"*" * n) + END, [(TEXT, b"*" * n), ended(1000)]) for n in SIZES},
    **{f"1 binary of {n}": (frame(BINARY, b"\xfe" * n) + END, [(BINARY, b"\xfe" * n), ended(1000)]) for n in SIZES},
    # 2 pings and pongs.
    "2 ping without payload": (frame(PING) + END, [(PONG, b""), ended(1000)]),
    "2 ping with text": (frame(PING, b"Hello") + END, [(PONG, b"Hello"), ended(1000)]),
    "2 ping with bytes": (frame(PING, b"\0\xff\xfe\xfd") + END, [(PONG, b"\0\xff\xfe\xfd"), ended(1000)]),
    "2 ping of 125": (frame(PING, b"\xfe" * 125) + END, [(PONG, b"\xfe" * 125), ended(1000)]),
    "2 ping of 126": (frame(PING, b"\xfe" * 126) + END, [ended(1002)]),
    "2 pong unasked": (frame(PONG) + END, [ended(1000)]),
    "2 pong unasked with payload": (frame(PONG, b"unsolicited") + frame(PING) + END, [(PONG, b""), ended(1000)]),
    "2 ten pings": (
        b"".join(frame(PING, b"%d" % at) for at in range(10)) + END,
        [*((PONG, b"%d" % at) for at in range(10)), ended(1000)],
    ),
    # 3 reserved bits: no extension is ever agreed.
    **{
        f"3 reserved bits {rsv} of opcode {opcode}": (
            frame(TEXT, b"before") + frame(opcode, b"x", rsv=rsv) + frame(PING),
            [(TEXT, b"before"), ended(1002)],
        )
        for rsv in range(1, 8)
        for opcode in (TEXT, BINARY, PING, CLOSE)
    },
    # 4 opcodes.
    **{
        f"4 opcode {opcode}": (
            frame(TEXT, b"before") + frame(opcode, b"x") + frame(PING),
            [(TEXT, b"before"), ended(1002)],
        )
        for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)
    },
    # 5 fragmentation.
    "5 ping in fragments": (fragments(PING, PIECE, PIECE), [ended(1002)]),
    "5 pong in fragments": (fragments(PONG, PIECE, PIECE), [ended(1002)]),
    "5 text in two": (fragments(TEXT, PIECE, PIECE) + END, [(TEXT, PIECE * 2), ended(1000)]),
    "5 ping between": (
        fragments(TEXT, PIECE, PIECE, between=frame(PING, b"p")) + END,
        [(PONG, b"p"), (TEXT, PIECE * 2), ended(1000)],
    ),
    "5 pings between five": (
        fragments(BINARY, *[PIECE] * 5, between=frame(PING, b"p")) + END,
        [*[(PONG, b"p")] * 4, (BINARY, PIECE * 5), ended(1000)],
    ),
    "5 continuation of nothing, not final": (frame(0, PIECE, fin=False) + frame(TEXT, b"x"), [ended(1002)]),
    "5 continuation of nothing, final": (frame(0, PIECE) + frame(TEXT, b"x"), [ended(1002)]),
    "5 continuation after a whole message": (frame(TEXT, b"x") + frame(0, PIECE), [(TEXT, b"x"), ended(1002)]),
    "5 text within a text": (frame(TEXT, PIECE, fin=False) + frame(TEXT, PIECE), [ended(1002)]),
    "5 binary within a text": (frame(TEXT, PIECE, fin=False) + frame(BINARY, PIECE, fin=False), [ended(1002)]),
    "5 empty fragments": (fragments(TEXT, b"", b"", b"") + END, [(TEXT, b""), ended(1000)]),
    "5 empty first and last": (fragments(TEXT, b"", b"middle", b"") + END, [(TEXT, b"middle"), ended(1000)]),
    "5 close between": (frame(TEXT, PIECE, fin=False) + END + frame(0, PIECE), [ended(1000)]),
    "5 ninety fragments": (fragments(TEXT, *[b"x"] * 90) + END, [(TEXT, b"x" * 90), ended(1000)]),
    # 6 UTF-8.
    **{f"6 valid {text!r}": (frame(TEXT, text) + END, [(TEXT, text), ended(1000)]) for text in VALID},
    **{f"6 invalid {text!r}": (frame(TEXT, text) + frame(PING), [ended(1007)]) for text in INVALID},
    "6 a character over fragments": (
        fragments(TEXT, *(GREETING[at : at + 2] for at in range(0, len(GREETING), 2))) + END,
        [(TEXT, GREETING), ended(1000)],
    ),
    "6 a character over one-byte fragments": (chopped(TEXT, "µ€😀".encode(), 1) + END,
                                              [(TEXT, "µ€😀".encode()), ended(1000)]),
    "6 a wrong character over fragments": (fragments(TEXT, b"\xce\xba\xed", b"\xa0\x80") + END, [ended(1007)]),
    "6 wrong in the first of three, told at the end": (
        fragments(TEXT, b"\xff", b"a", b"b", between=frame(PING)) + END,
        [(PONG, b""), (PONG, b""), ended(1007)],
    ),
    "6 binary need not be text": (frame(BINARY, b"\xff\xfe") + END, [(BINARY, b"\xff\xfe"), ended(1000)]),
    # 7 close handling.
    "7 close without code": (frame(CLOSE) + frame(PING), [(CLOSE, b"")]),
    "7 close twice": (END + close(1001), [ended(1000)]),
    "7 nothing after close": (END + frame(TEXT, b"late") + frame(PING) + frame(3), [ended(1000)]),
    "7 close of one byte": (frame(CLOSE, b"\x03"), [ended(1002)]),
    "7 close with reason": (close(1000, b"Hello") + frame(PING), [ended(1000)]),
    "7 close with the longest reason": (close(1000, b"*" * 123), [ended(1000)]),
    "7 close with too long a reason": (close(1000, b"*" * 124), [ended(1002)]),
    "7 close with wrong text": (close(1000, b"\xce\xba\xed\xa0\x80"), [ended(1007)]),
    "7 close in fragments": (fragments(CLOSE, b"\x03\xe8", b"x"), [ended(1002)]),
    **{f"7 code {code}": (close(code) + frame(PING), [ended(code)]) for code in TAKEN_CODES},
    **{f"7 code {code} with reason": (close(code, b"why"), [ended(code)]) for code in TAKEN_CODES},
    **{f"7 wrong code {code}": (close(code) + frame(PING), [ended(1002)]) for code in REFUSED_CODES},
    # Masks and lengths.
    "8 not masked": (frame(TEXT, b"x", is_masked=False), [ended(1002)]),
    "8 ping not masked": (frame(PING, b"x", is_masked=False), [ended(1002)]),
    "8 length in 2 bytes for no need": (frame(TEXT, b"x" * 125, width=2), [ended(1002)]),
    "8 length in 8 bytes for no need": (frame(TEXT, b"x" * 65_535, width=8), [ended(1002)]),
    "8 length of 2^63": (b"\x82\xff\x80" + bytes(7) + bytes(20), [ended(1002)]),
    # 10 automatic fragmentation.
    "10 a large message in pieces of 1300": (
        chopped(TEXT, b"*" * 20_000, 1_300) + END,
        [(TEXT, b"*" * 20_000), ended(1000)],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("sent", "expected"), CASES.values(), ids=CASES)
def test_a_case_of_the_families_ses_001(sent, expected):
    assert answered(sent) == expected
    assert answered(*(sent[at : at + 997] for at in range(0, len(sent), 997))) == expected
    if len(sent) <= 30_000:
        assert answered(*(bytes([byte]) for byte in sent)) == expected


@pytest.mark.parametrize("size", [65_536, 65_537])
@pytest.mark.parametrize("piece", [1 << 20, 5_000])
def test_messages_end_at_the_venues_limit_ses_001(size, piece):
    """Family 9, limits: ours are far below those that suites try, and a longer message is refused by its header."""
    sent = chopped(BINARY, b"x" * size, piece) + END
    expected = [(BINARY, b"x" * size), ended(1000)] if size <= 65_536 else [ended(1009)]
    assert answered(sent, message_bytes_max=65_536) == expected


@pytest.mark.parametrize("count", [16, 17])
def test_fragments_end_at_the_venues_limit_ses_001(count):
    sent = fragments(TEXT, *[b"x"] * count) + END
    expected = [(TEXT, b"x" * 16), ended(1000)] if count == 16 else [ended(1009)]
    assert answered(sent, fragments_max=16) == expected
    assert FrameParser().fragments_max == 16


@pytest.mark.parametrize("size", [1 << 18, 1 << 20, 1 << 22])
def test_large_messages_pass_where_they_are_allowed(size):
    data = bytes(range(256)) * (size >> 8)
    assert answered(frame(BINARY, data) + END) == [(BINARY, data), ended(1000)]
    sent = frame(BINARY, data)
    assert answered(*(sent[at : at + 4_096] for at in range(0, len(sent), 4_096))) == [(BINARY, data)]
