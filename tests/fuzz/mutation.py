"""Changes to bytes and to messages that are likely to find what a reader forgot, drawn from a seeded `Random`."""

import random
from typing import Any

BYTES_MAX = 1 << 17
LENGTHS = [0, 1, 2, 15, 16, 31, 32, 63, 64, 65, 124, 125, 126, 127, 128, 255, 256, 4_096, 32_767, 32_768, 65_535]
LENGTHS += [(1 << bits) + off for bits in (16, 20, 28, 30, 31, 32, 53, 63) for off in (-1, 0, 1)]
MARKS = bytes.fromhex(
    "00 7f 80 8f 90 91 9f a0 bf c0 c1 c2 c4 c6 c7 c9 ca cb cc cf d0 d3 d4 d8 d9 db dc dd de df e0 fe ff"
)
VALUES: list[Any] = [None, True, False, -1, -(1 << 63), (1 << 64) - 1, 0.5, float("nan"), "", "ann", "x" * 200]
VALUES += [b"", bytes(32), [], [[]], [None], [0] * 65, {}, {1: 1}, *(one for one in LENGTHS if one < 1 << 63)]


def flip(dice: random.Random, data: bytearray) -> None:
    """Turn one bit over."""
    data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)


def mark(dice: random.Random, data: bytearray) -> None:
    """Put a byte that begins something in msgpack, or an extreme one."""
    data[dice.randrange(len(data))] = dice.choice(MARKS)


def length(dice: random.Random, data: bytearray) -> None:
    """Put a number at a place where a length may stand."""
    width = dice.choice((1, 2, 4, 8))
    value = dice.choice(LENGTHS) & ((1 << (8 * width)) - 1)
    at = dice.randrange(len(data))
    data[at : at + width] = value.to_bytes(width, "big")


def delete(dice: random.Random, data: bytearray) -> None:
    """Take some bytes out."""
    at = dice.randrange(len(data))
    del data[at : at + dice.randint(1, 8)]


def insert(dice: random.Random, data: bytearray) -> None:
    """Put some bytes in."""
    at = dice.randrange(len(data) + 1)
    data[at:at] = dice.choice((dice.randbytes(dice.randint(1, 8)), bytes([dice.choice(MARKS)]) * dice.randint(1, 64)))


def repeat(dice: random.Random, data: bytearray) -> None:
    """Say a part again."""
    at = dice.randrange(len(data))
    part = data[at : at + dice.randint(1, 64)]
    data[at:at] = part * dice.choice((1, 1, 2, 20))


def truncate(dice: random.Random, data: bytearray) -> None:
    """End early."""
    del data[dice.randrange(len(data)) :]


CHANGES = (flip, flip, mark, mark, length, length, delete, insert, repeat, truncate)


def mutate(dice: random.Random, data: bytes, others: list[bytes]) -> bytes:
    """Return the bytes with one to four changes, now and then spliced with others."""
    changed = bytearray(data)
    if others and dice.random() < 0.1:
        other = dice.choice(others)
        changed[dice.randrange(len(changed) + 1) :] = other[dice.randrange(len(other) + 1) :]
    for _ in range(dice.randint(1, 4)):
        if changed:
            dice.choice(CHANGES)(dice, changed)
    return bytes(changed[:BYTES_MAX])


def mutate_fields(dice: random.Random, fields: list[Any]) -> list[Any]:
    """Return a message with one to three fields changed, left out, doubled or added, at any depth."""
    fields = [mutate_fields(dice, part) if isinstance(part, list) and dice.random() < 0.5 else part for part in fields]
    for _ in range(dice.randint(0, 3)):
        kind, at = dice.randrange(6), dice.randrange(len(fields) + 1)
        if kind < 4 and at < len(fields):
            fields[at] = dice.choice(VALUES)
        elif kind == 4 and at < len(fields):
            del fields[at]
        else:
            fields.insert(at, dice.choice(VALUES))
    return fields
