"""msgpack on the wire -> command records."""

def decode_message(message: bytes, account: int, lane: int, wall_us: int = 0) -> tuple[int, int, int, bytes]:
    """Return (verdict, ref, arg, command records) of one binary message.

    The verdict is 0 (taken), -1 (not an order message), -2 (not a message) or a reject reason.
    """

class CommandBuffer:
    """Command records of one read; of use from Cython only."""
