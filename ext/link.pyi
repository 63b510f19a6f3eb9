"""One session's connection: frames in, command records out, event frames back."""

from collections.abc import Callable
from typing import Any

from ext.frames import FrameParser

class RateLimit:
    """A token bucket for orders and one of twice the size for cancels, in integers."""

    def __init__(self, orders_per_s: int, burst_orders: int) -> None: ...

class Link(FrameParser):
    """One session's connection."""

    peer: Any
    gate: int
    backlog_bytes_max: int
    only_cancels: bool
    is_private: bool
    is_listener: bool
    is_text: bool
    firm: tuple[str, ...] | None
    requests_waiting: int
    conflate_bytes_max: int
    conflate_low_bytes: int
    def __init__(
        self,
        peer: Any,
        submit: Callable[[bytes], bool],
        backlog_bytes_max: int = ...,
        conflate_bytes_max: int = ...,
        conflate_low_bytes: int = ...,
    ) -> None: ...
    @property
    def is_behind(self) -> bool: ...
    @property
    def is_live(self) -> bool: ...
    @property
    def account(self) -> int: ...
    @property
    def lane(self) -> int: ...
    @property
    def last_ref(self) -> int: ...
    @property
    def seen_ns(self) -> int: ...
    @property
    def commands_taken(self) -> int: ...
    def open(self, account: int, lane: int, last_ref: int, rate: RateLimit) -> None:
        """Decode order messages here from now on: the session has logged in."""
    def send_frames(self, frames: bytes) -> None:
        """Queue whole frames, end to end; `flush` writes them."""
    def cut_off(self) -> None:
        """Close a connection that does not read."""
    def bytes_sent(self) -> int:
        """How many bytes the system has taken so far: this stands still while the peer does not read."""
    def bytes_waiting(self) -> int:
        """How many bytes the system has yet to take."""
    def charge(self) -> int:
        """Take one order from the account's bucket for a request; 0, or the microseconds after which it would pass."""
    def exceeded(self, now_ns: int) -> int:
        """Note that the rate was exceeded; raise WireError when it was for ten seconds without a second's break."""
    def offer(self, message: bytes) -> bool:
        """Take a message as if it had come in a binary frame of a live session; False if it is no order message."""
    def ask_outcome(self, ref: int) -> bool:
        """Have the engine repeat what it answered to an earlier ref; False when there is no room for the question."""
