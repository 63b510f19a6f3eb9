"""Event records -> msgpack on the wire."""

from typing import Any

def encode_event(record: Any, ts_us: int, gseq: int, pseq: int) -> bytes:
    """Return the frame of one event record that is for an account: an answer, a private message or a notice."""
