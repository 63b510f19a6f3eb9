"""Records as named tuples, and events as bytes: the layouts of ``ext/types.pxd``."""

import struct
from typing import NamedTuple

from exchange.commands import RECORD
from exchange.records import RECORD_BYTES

EVENT = struct.Struct("<BBBBIIIQQQiiiiq")
assert EVENT.size == RECORD_BYTES

SLOT_MASK = (1 << 28) - 1
UNSIGNED_MASK = (1 << 64) - 1


class Command(NamedTuple):
    """One record, without its payload."""

    length: int
    type: int
    flags: int
    account: int
    instrument: int
    ref: int
    target: int
    amount: int
    price: int
    lots: int
    price_2: int
    lots_2: int
    tag: int
    lane: int
    side: int
    tif: int
    stp: int


def unpack_command(records: bytes, offset: int) -> Command:
    """Return the record at a byte offset."""
    return Command(*RECORD.unpack_from(records, offset))


def pack_words(words: list[int]) -> bytes:
    """Return integers as little-endian 64-bit words, negative ones as their two's complement."""
    return struct.pack(f"<{len(words)}Q", *(word & UNSIGNED_MASK for word in words))
