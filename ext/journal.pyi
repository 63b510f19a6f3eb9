"""Frames of the journal: checksums, encoding, verification."""

import enum
from collections.abc import Buffer  # type: ignore[attr-defined]
from typing import final

class Magic(enum.IntEnum):
    BATCH = ...
    SEGMENT = ...
    SEAL = ...
    HASH = ...

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
