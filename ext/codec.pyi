"""msgpack on the wire <-> records."""

from typing import Any

def decode_message(message: bytes, account: int, lane: int, wall_us: int = 0) -> tuple[int, int, int, bytes]:
    """Return (verdict, ref, arg, command records) of one binary message.

    The verdict is 0 (taken), -1 (not an order message), -2 (not a message) or a reject reason.
    """

def encode_event(record: Any, ts_us: int, gseq: int, pseq: int) -> bytes:
    """Return the frame of one event record that is for an account: an answer, a private message or a notice."""

class CommandBuffer:
    """Command records of one read; of use from Cython only."""
