"""Golden input to begin with: one right message of every type a client may send, and right frames of every kind."""

import struct
from typing import Any

import msgpack

MASK = b"\x01\x82\x33\xf4"
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


def messages(hour: int) -> list[list[Any]]:
    """Return the messages, with a window for those that name one. Refs count up, so that they can be sent in turn."""
    return [
        [3, 1, 1_900_000_000_000_000],
        [4, 2, 1, [1, 2]],
        [4, 3, 2, None],
        [4, 4, 3, None, None],
        [4, 5, 4, [1]],
        [4, 6, 5, None],
        [4, 7, 6, None],
        [4, 8, 7, None],
        [5, 9, 1],
        [6, 10, 0, None, 1, 9],
        [7, 11, 2, 1],
        [16, 12, 1, 0, 2450, 5, 0, 0],
        [16, 13, 1, 1, 2450, 5, 3, 7, 1_900_000_000_000_000, 0, 2, 77, 2],
        [16, 14, 2, 1, 2450, 5, 1, 16],
        [17, 15, 5 << 28],
        [18, 16, 12],
        [19, 17, 5 << 28, 2451, 6, 1, 2],
        [28, 18, 13, 2449, 4, 0],
        [20, 19, 0, [[16, 20, 1, 1, 2500, 1, 0, 0], [18, 21, 20], [28, 22, 13, 2448, 3, 1], [17, 23, 9]]],
        [21, 24, 1, None, None],
        [21, 25, None, 0, 0, 7, 1, hour, hour + 4],
        [22, 26, 1, [[1, 2400, 5, 2500, 5], [2, 2400, 5, 2500, 0]], 1, 0],
        [23, 27, 1, 1_000, 10, 100],
        [24, 28, 1],
        [26, 29, 1, [0], hour, 8, 0, 19_600, 4, 4, 0, 0],
        [26, 30, 1, None, hour, 2, 0, 4_900, 4, 0, 3, 4, 1_900_000_000_000_000, 0, 0, 5],
        [27, 31, 12],
        [42, 32, "coll", "bond", 1_000],
        [43, 33, "H100-SXM.IB400.cuda12.T1", "use1-f03", hour, 1, 0, 0, 0, 0, 0, 0, 0, 0],
        [44, 34, "H100-SXM.IB400.cuda12.T1", "use1-f03", 1, [[0, 5]]],
        [45, 35, "H100-SXM.IB400.cuda12.T1", "use1-f03", hour, 0, 1, 0, 5, 300, 1_000_000],
        [46, 36, "H100-SXM.IB400.cuda12.T1", "use1-f03", hour],
        [47, 37, "H100-SXM.IB400.cuda12.T1", "use1-f03", hour, 0, 1],
        [48, 38, 1, 1, 4, 1_000],
        [1, 39, "key", 1_900_000_000_000_000, bytes(32), 0, 1, 0, 0, 0],
        [25, 40, 60_000, 1],
        [4, 41, 2, [1], [5, 100]],
        [4, 42, 8, None, [0, 0, 300]],
        [4, 43, 10, None],
        [2, 44, 1],
    ]


def frame(opcode: int, payload: bytes = b"", fin: bool = True) -> bytes:
    """Return a client's frame."""
    size = len(payload)
    head = bytes([fin << 7 | opcode])
    if size < 126:
        head += bytes([0x80 | size])
    elif size < 65_536:
        head += struct.pack(">BH", 0x80 | 126, size)
    else:
        head += struct.pack(">BQ", 0x80 | 127, size)
    return head + MASK + bytes(byte ^ MASK[at & 3] for at, byte in enumerate(payload))


MESSAGES = messages(500_000)
PACKED = [msgpack.packb(message) for message in MESSAGES]
FRAMES = [
    frame(TEXT, "grüße".encode()),
    frame(TEXT, b'{"t":"place","ref":12,"inst":1,"side":0,"px":2450,"qty":5,"tif":0,"flags":0}'),
    frame(TEXT, b'{"t":"batch","ref":13,"mode":0,"ops":[{"t":"cancel_ref","ref":14,"target_ref":12}]}'),
    frame(TEXT, b'{"t":"login","ref":1,"key":"key","ts":1,"sig":"00ff","lane":0,"cod":0,"grace_ms":0,'
          b'"epoch":0,"last_pseq":0}'),
    frame(BINARY, b"x" * 125),
    frame(BINARY, b"y" * 126),
    frame(BINARY, b"z" * 300, fin=False) + frame(PING, b"p") + frame(0, b"", fin=False) + frame(0, b"end"),
    frame(TEXT, b"\xc3", fin=False) + frame(0, b"\xbc"),
    frame(PING) * 3 + frame(PONG, b"x" * 125),
    frame(BINARY, b"") * 5 + frame(CLOSE, b"\x03\xe8bye") + frame(BINARY, b"late"),
    frame(CLOSE),
    *(frame(BINARY, packed) for packed in PACKED),
]
