"""Marks: what each window is worth, from its own book and from its neighbours on the class curve (CLR-MRK).

A price is in ticks. All windows given together are of one hardware class and one tick size, of any fabric.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from exchange.units import BPS

CURVE_BAND_BPS = 2_000  # A book's mid counts up to this far from the class curve.

BOOKS_BELIEVED = 3  # Of one hour: their median is nobody's alone.


@dataclass(frozen=True, slots=True)
class WindowPrices:
    """What is known of one window's price, in ticks; None where there is nothing."""

    start_hour: int  # Hours since 1970; several windows (fabrics) may start together.
    bid: int | None = None
    ask: int | None = None
    auction: int | None = None  # Price of its last call.
    previous: int | None = None  # Its mark up to now.


def mid(prices: WindowPrices) -> int | None:
    """Return the middle of bid and ask, half a tick rounded down (CLR-MRK-001); None unless there are both.

    A book that is crossed, as in a call, has no middle.
    """
    if prices.bid is None or prices.ask is None or prices.bid > prices.ask:
        return None
    return (prices.bid + prices.ask) // 2


class Curve:
    """What the books of a class say together, by starting hour (CLR-MRK-002)."""

    def __init__(self, windows: Sequence[WindowPrices]) -> None:
        by_hour: dict[int, list[int]] = {}
        for window in windows:
            price = mid(window)
            if price is not None:
                by_hour.setdefault(window.start_hour, []).append(price)
        self._hours = sorted(by_hour)
        prices = [_median(by_hour[hour]) for hour in self._hours]
        self._levels = _smoothed(self._hours, prices)
        for place, hour in enumerate(self._hours):
            if len(by_hour[hour]) >= BOOKS_BELIEVED:
                self._levels[place] = prices[place]

    def at(self, hour: int) -> int | None:
        """Return the curve at an hour since 1970, in ticks; None where no book has a middle. O(log hours)."""
        hours, levels = self._hours, self._levels
        if not hours:
            return None
        after = bisect_left(hours, hour)
        if after == len(hours) or hour == hours[after] or after == 0:
            return levels[min(after, len(hours) - 1)]
        return _line(hours[after - 1], levels[after - 1], hours[after], levels[after], hour)


def marks(windows: Sequence[WindowPrices], band_bps: int = CURVE_BAND_BPS) -> list[int | None]:
    """Return the mark of each window in ticks, in O(windows x log windows) (CLR-MRK-003).

    The middle of its book, no further from the class curve than the band; without one the curve; without that its last
    auction; else its previous mark; else None.

    Args:
        windows: of one class, in any order.
        band_bps: width of the band to either side, basis points of the curve.

    """
    if band_bps < 0:
        raise ValueError(f"band must not be negative, was {band_bps} basis points")
    curve = Curve(windows)
    return [_mark(window, curve, band_bps) for window in windows]


def index(marks_of_class: Sequence[int], weights: Sequence[int] | None = None) -> int:
    """Return the index of a class, that contracts without delivery settle on, in ticks rounded half up (CLR-MRK-004).

    Args:
        marks_of_class: marks of its windows, at least one.
        weights: lots traded in each, not negative; None or all 0: each window counts the same.

    """
    counted = list(weights) if weights is not None and any(weights) else [1] * len(marks_of_class)
    if not marks_of_class or len(counted) != len(marks_of_class) or min(counted) < 0:
        raise ValueError(f"index must have marks, and weights from 0 on for them, had {marks_of_class} and {weights}")
    whole = sum(counted)
    total = sum(price * weight for price, weight in zip(marks_of_class, counted, strict=True))
    return (2 * total + whole) // (2 * whole)


def _mark(window: WindowPrices, curve: Curve, band_bps: int) -> int | None:
    own = mid(window)
    level = curve.at(window.start_hour)
    if own is not None and level is not None:
        width = level * band_bps // BPS
        return max(level - width, min(own, level + width))
    for price in (own, level, window.auction):
        if price is not None:
            return price
    return window.previous


def _smoothed(hours: Sequence[int], prices: Sequence[int]) -> list[int]:
    """Take the median of each price and its two neighbours, so that no single hour can bend the curve.

    At an end the second neighbour is where the two points before would lead (Tukey's rule): a slope stays a slope.
    """
    if len(prices) < 3:
        return list(prices)
    inner = [_median(prices[place - 1 : place + 2]) for place in range(1, len(prices) - 1)]
    levels = [prices[0], *inner, prices[-1]]
    ahead = _line(hours[1], levels[1], hours[2], levels[2], hours[0])
    beyond = _line(hours[-3], levels[-3], hours[-2], levels[-2], hours[-1])
    return [_median([prices[0], levels[1], ahead]), *inner, _median([prices[-1], levels[-2], beyond])]


def _line(early: int, first: int, late: int, second: int, hour: int) -> int:
    """Return the straight line through two points at an hour, rounded down."""
    return (first * (late - hour) + second * (hour - early)) // (late - early)


def _median(prices: Sequence[int]) -> int:
    """Return the median; of an even number, the lower one."""
    return sorted(prices)[(len(prices) - 1) // 2]
