"""Frames of the journal: checksums, encoding, and verification of whole segments at the speed of memory."""

import enum
import mmap
from typing import TypeAlias, final

_Data: TypeAlias = bytes | bytearray | memoryview | mmap.mmap

class Magic(enum.IntEnum):
    BATCH = 1112164168
    SEGMENT = 1397376840
    SEAL = 1481262920
    HASH = 1212827464

class Stop(enum.IntEnum):
    MORE = 0
    SEALED = 1
    END = 2
    ZERO = 3
    HEADER = 4
    SHORT = 5
    BODY = 6
    SEQUENCE = 7
    CHAIN = 8
    TERM = 9
    TIME = 10
    DURABLE = 11
    RECORDS = 12
    KIND = 13

def crc32c(data: _Data, crc: int = 0, *, tables: bool = False) -> int: ...
def sha256(data: _Data, *, plain: bool = False) -> bytes: ...
def count_records(data: _Data) -> int: ...
def encode_frame(
    magic: int,
    first_seq: int,
    ts_ns: int,
    count: int,
    body: _Data,
    *,
    chain: bytes,
    salt: int,
    durable_seq: int = 0,
    term: int = 1,
    block_bytes: int = 512,
) -> bytes: ...
def next_chain(chain: bytes, frame: _Data) -> bytes: ...
def later_proof(data: _Data, offset: int, expected_seq: int, salt: int) -> int: ...
def frame_is_torn(data: _Data, offset: int, block_bytes: int = 512) -> bool: ...
def written_end(data: _Data, offset: int) -> int: ...
@final
class Verifier:
    next_seq: int
    ts_ns: int
    term: int
    expected: object
    found: object
    salt: int
    block_bytes: int
    def __init__(self, next_seq: int = 1, chain: bytes = ..., ts_ns: int = 0, term: int = 0) -> None: ...
    @property
    def chain(self) -> bytes: ...
    def scan(self, data: _Data, offset: int = 0, frames_max: int = 4096) -> tuple[bytes, int, int]: ...
