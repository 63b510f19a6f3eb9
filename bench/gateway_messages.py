"""What the load generator sends: frames made beforehand, and how many answers each of them gets."""

import struct
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import msgpack

REFS_FIRST = 1 << 20  # All refs have the same length on the wire.
PRICE_TICKS, LOTS = 2_400, 2
BUY, SELL = 0, 1
QUOTE_LEGS = 64


class Frame(NamedTuple):
    """A frame of a client, and the acks and rejects that answer it."""

    data: bytes
    answers: int


def client_frame(payload: bytes) -> bytes:
    """A mask of zeros is a mask: the server cannot tell."""
    size = len(payload)
    head = bytes((0x82, 0x80 | size)) if size < 126 else bytes((0x82, 0xFE, size >> 8, size & 255))
    return head + bytes(4) + payload


def framed(message: list, answers: int = 1) -> Frame:
    return Frame(client_frame(msgpack.packb(message)), answers)


def order_message(number: int, instrument: int = 1) -> list[int]:
    """Place, then cancel it, in turn."""
    ref = REFS_FIRST + number
    return [16, ref, instrument, BUY, PRICE_TICKS, LOTS, 0, 0] if number % 2 == 0 else [18, ref, ref - 1]


def single_frames(count: int) -> list[Frame]:
    """One order a frame."""
    return [framed(order_message(number)) for number in range(count)]


def batch_frames(count: int, size: int = 32) -> list[Frame]:
    """`size` orders a frame."""
    return [
        framed([20, REFS_FIRST + first, 0, [order_message(number) for number in range(first, first + size)]], size)
        for first in range(0, count, size)
    ]


def trading_frames(count: int, side: int) -> list[Frame]:
    """Orders that all trade, when as many come from the other side."""
    return [framed([16, REFS_FIRST + number, 1, side, PRICE_TICKS, LOTS, 0, 0]) for number in range(count)]


def quote_frames(count: int, legs: int = QUOTE_LEGS) -> list[Frame]:
    """Mass quotes over as many instruments as legs, a tick up and down in turn; one answer for all legs."""
    return [
        framed([22, REFS_FIRST + number, 1, [
            [instrument, PRICE_TICKS - 10 - number % 2, LOTS, PRICE_TICKS + 10 + number % 2, LOTS]
            for instrument in range(1, legs + 1)
        ]])
        for number in range(count)
    ]  # fmt: skip


def public_frames(rounds: int, messages: int) -> list[Frame]:
    """Each changes the depth of `messages` instruments: orders in all of them, which the next frame cancels."""
    frames = []
    for number in range(rounds):
        first = REFS_FIRST + number * messages
        if number % 2 == 0:
            operations = [[16, first + at, 1 + at, BUY, PRICE_TICKS, LOTS, 0, 0] for at in range(messages)]
        else:
            operations = [[18, first + at, first + at - messages] for at in range(messages)]
        frames.append(framed(operations[0] if messages == 1 else [20, first, 0, operations], messages))
    return frames


def write_scripts(path: Path, scripts: Iterable[list[Frame]]) -> None:
    """Write scripts for the generator, whose sessions take them in turn (``bench/loadgen/frames.h``)."""
    scripts = list(scripts)
    with path.open("wb") as file:
        file.write(struct.pack("<I", len(scripts)))
        for script in scripts:
            file.write(struct.pack("<I", len(script)))
            file.write(b"".join(struct.pack("<II", len(frame.data), frame.answers) for frame in script))
            file.write(b"".join(frame.data for frame in script))
