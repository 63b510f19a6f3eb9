"""Strips: the usual runs of delivery windows, for displays. A strip is no instrument: its windows trade each by itself.

A UTC day is shown as one strip of 24 hours, three of 8, six of 4 and twelve of 2; a week begins on Monday 00 UTC.
"""

from typing import NamedTuple

from exchange.errors import SymbolError
from exchange.units import BLOCK_HOURS_MAX, WINDOW_MAX

DAY_HOURS = 24
WEEK_HOURS = 7 * DAY_HOURS
STRIP_HOURS = (24, 8, 4, 2)
_MONDAY = 4 * DAY_HOURS  # Window 0 is on a Thursday.
assert WEEK_HOURS <= BLOCK_HOURS_MAX, "every strip has a symbol"


class Strip(NamedTuple):
    """``hours`` windows from the window ``start`` on."""

    start: int
    hours: int


def strips_of_day(window: int) -> list[Strip]:
    """Return the strips of the UTC day that holds a window: the longest first, then by their start.

    Raises:
        SymbolError: the day is not wholly within the calendar.

    """
    day = _within_calendar(Strip(window // DAY_HOURS * DAY_HOURS, DAY_HOURS), window)
    return [
        Strip(start, hours) for hours in STRIP_HOURS for start in range(day.start, day.start + DAY_HOURS, hours)
    ]


def week_of(window: int) -> Strip:
    """Return the week, from Monday 00 UTC, that holds a window.

    Raises:
        SymbolError: the week is not wholly within the calendar.

    """
    return _within_calendar(Strip((window - _MONDAY) // WEEK_HOURS * WEEK_HOURS + _MONDAY, WEEK_HOURS), window)


def _within_calendar(strip: Strip, window: int) -> Strip:
    if strip.start < 0 or strip.start + strip.hours - 1 > WINDOW_MAX:
        raise SymbolError(f"window must be in a strip of {strip.hours} hours from 0 to {WINDOW_MAX}, was {window}")
    return strip
