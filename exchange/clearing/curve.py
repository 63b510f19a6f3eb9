"""Marks: what each window is worth, from its own book and from its neighbours on the class curve (CLR-MRK).

A price is in ticks. All windows given together are of one hardware class and one tick size, of any fabric.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from exchange.units import BPS

CURVE_BAND_BPS = 2_000  # A book's mid counts up to this far from the curve of the other books.


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
    """Mids of a class by starting hour, in O(log hours) a look."""

    def __init__(self, windows: Sequence[WindowPrices]) -> None:
        by_hour: dict[int, list[int]] = {}
        for window in windows:
            price = mid(window)
            if price is not None:
                by_hour.setdefault(window.start_hour, []).append(price)
        self._hours = sorted(by_hour)
        self._mids = [sorted(by_hour[hour]) for hour in self._hours]

    def at(self, hour: int, without: int | None = None) -> int | None:
        """Return the curve's price at an hour, in ticks (CLR-MRK-002); None where no book has a middle.

        The lower median of the hour's mids. Without any it is on the straight line between the nearest hours that
        have some, rounded down, and level with the nearest beyond the ends.

        Args:
            hour: hours since 1970.
            without: a mid of this very hour that is not to count: the window's own.

        """
        index = bisect_left(self._hours, hour)
        before, after = index - 1, index
        if index < len(self._hours) and self._hours[index] == hour:
            others = list(self._mids[index])
            if without is not None:
                others.remove(without)
            if others:
                return _lower_median(others)
            after = index + 1
        if before < 0 and after >= len(self._hours):
            return None
        if before < 0 or after >= len(self._hours):
            return _lower_median(self._mids[after if before < 0 else before])
        early, late = self._hours[before], self._hours[after]
        low, high = _lower_median(self._mids[before]), _lower_median(self._mids[after])
        return (low * (late - hour) + high * (hour - early)) // (late - early)


def marks(windows: Sequence[WindowPrices], band_bps: int = CURVE_BAND_BPS) -> list[int | None]:
    """Return the mark of each window in ticks, in O(windows x log windows) (CLR-MRK-003).

    The middle of its book, no further from the curve of the other books than the band; without one the curve; without
    that its last auction; else its previous mark; else None.

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
    level = curve.at(window.start_hour, own)
    if own is not None and level is not None:
        width = level * band_bps // BPS
        return max(level - width, min(own, level + width))
    for price in (own, level, window.auction):
        if price is not None:
            return price
    return window.previous


def _lower_median(ordered: Sequence[int]) -> int:
    return ordered[(len(ordered) - 1) // 2]
