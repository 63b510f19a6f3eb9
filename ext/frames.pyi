"""WebSocket frames (RFC 6455), server side."""

from collections.abc import Callable
from typing import Any

class WireError(Exception):
    """The peer sent bytes that are not the protocol; `close_code` goes on the socket, and the text as its reason."""

    close_code: int
    def __init__(self, message: str, *, close_code: int = 1002) -> None: ...

def encode_frame(opcode: int, payload: bytes) -> bytes:
    """Return one unmasked frame, as a server sends it."""

class Buffer:
    """Bytes that grow at the end; of use from Cython only."""

class FrameParser:
    """The server's end of one WebSocket connection, without the socket."""

    transport: Any
    fd: int
    may_hold: bool
    call_soon: Callable[[Callable[[], None]], Any] | None
    message_bytes_max: int
    fragments_max: int
    @property
    def close_code(self) -> int: ...
    @property
    def is_open(self) -> bool: ...
    @property
    def has_rest(self) -> bool: ...
    @property
    def bytes_written(self) -> int: ...
    def message(self, opcode: int, data: bytes) -> None:
        """Take one whole message; raise WireError to end the connection."""
    def ended(self, lost: bool) -> None:
        """Hear that a close frame went out (`lost` False) and that the connection is gone (`lost` True)."""
    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        """Take what the transport read. Returns (True, b"") once nothing more will be looked at."""
    def go_on(self) -> None:
        """Take what an earlier read left for this turn of the loop."""
    def feed_eof(self) -> None:
        """Note that the connection is gone."""
    def drained(self) -> None:
        """Hear that the transport has nothing left to send, and give it what was held back meanwhile."""
    def send(self, payload: bytes, opcode: int = ...) -> None:
        """Queue one message, binary unless said otherwise; `flush` writes it."""
    def close(self, code: int, reason: str = "") -> None:
        """Begin the close handshake."""
    def fail(self, code: int, reason: str) -> None:
        """Send a close frame and look at nothing more from this peer."""
    def flush(self) -> None:
        """Write everything queued, in one piece."""
