"""The market's clock: it may run faster than the clock on the wall, so that gates close while one looks on."""

import time

from exchange.units import HOUR_NS, NS_PER_SECOND

REAL_TIME = 1
START_S = 28 * 60  # Of the hour: the first closing call begins 12 minutes later, the first gate closes in 17.


class MarketClock:
    """Nanoseconds since 1970 as the market has them: only the sequencer and the traders' plans look at it.

    At the speed 1 it is the wall's clock. Faster, it begins at a fixed moment of the present hour: every run then
    meets its gates after the same time, whenever it is begun.
    """

    def __init__(self, speed: int) -> None:
        self.speed = speed
        now_ns = time.time_ns()
        hour_ns = now_ns // HOUR_NS * HOUR_NS
        self._start_ns = now_ns if speed == REAL_TIME else hour_ns + START_S * NS_PER_SECOND
        self._begun_ns = time.monotonic_ns()

    def __call__(self) -> int:
        """Return the market's time."""
        return self._start_ns + (time.monotonic_ns() - self._begun_ns) * self.speed
