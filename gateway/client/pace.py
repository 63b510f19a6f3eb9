"""How fast orders may leave. The server warns when four fifths of the rate are used up; then this slows them down.

From the warning on, orders leave at half the announced rate, for as long as the whole burst takes to come back at it.
Sans-I/O: times come in, in seconds of a clock that never goes back.
"""

from typing import Any

from gateway.protocol import MessageType

LEGS_OF_ONE = 4  # Legs of a quote, or hours of a block, that count as one order.


class Pace:
    """When the next order may leave. Without a limit, or without a warning: at once."""

    def __init__(self, orders_per_s: int, burst: int) -> None:
        self._half_per_s = orders_per_s / 2
        self._slow_s = 2 * burst / orders_per_s if orders_per_s else 0.0
        self._slow_until_s = self._next_s = 0.0

    def slow_down(self, now_s: float) -> None:
        """Heed the warning of the server."""
        self._slow_until_s = now_s + self._slow_s

    def wait_s(self, now_s: float) -> float:
        """Return how long the next order must wait."""
        return max(0.0, self._next_s - now_s) if now_s < self._slow_until_s else 0.0

    def count(self, message: tuple[Any, ...], now_s: float) -> None:
        """Note that a message leaves now."""
        if now_s < self._slow_until_s:
            self._next_s = max(now_s, self._next_s) + orders_in(message) / self._half_per_s


def orders_in(message: tuple[Any, ...]) -> int:
    """Return how many orders a message counts as (SES-024), rounded up; mass cancels are free."""
    kind = message[0]
    if kind == MessageType.BATCH:
        return len(message[3])
    if kind == MessageType.MASS_CANCEL:
        return 0
    parts = 1
    if kind == MessageType.QUOTE:
        parts = len(message[3])
    elif kind == MessageType.BLOCK:
        parts = int(message[5])
    return -(-parts // LEGS_OF_ONE)
