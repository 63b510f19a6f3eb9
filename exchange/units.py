"""Units and limits, and their text forms. Integers only: no price or time ever becomes a float.

Time is nanoseconds since 1970 UTC. A delivery window begins on a UTC hour and is numbered by its hours since 1970.
A price is a whole number of ticks; one tick is ``tick_micros`` millionths of a dollar per SCU-hour.
"""

import datetime
import re

from exchange.errors import SymbolError

NS_PER_SECOND = 1_000_000_000
NS_PER_MS = 1_000_000
SECONDS_PER_HOUR = 3_600
HOUR_NS = SECONDS_PER_HOUR * NS_PER_SECOND
MICROS_PER_DOLLAR = 1_000_000
MICRO_DIGITS = 6
BPS = 10_000  # Basis points of the whole.

MONEY_MAX = 1 << 62
AMOUNT_MAX = (1 << 53) - 1  # Deposits, withdrawals and rates: what every JSON reader holds exactly.
PRICE_MAX_TICKS = 1 << 30
LOTS_MAX = 1 << 30
POSITION_MAX = (1 << 31) - 1
ICEBERG_REFRESHES_MAX = 1_000
LANE_OUTCOMES_MAX = 4_096
GENERATION_MAX = 0xFFFFFF
SLOT_BITS = 28

WINDOW_MAX = 2_500_000  # Year 2255: the start of every window fits 63 bits of nanoseconds.
WINDOWS_PER_COMMAND_MAX = 8_784  # The hours of a leap year.
BLOCK_HOURS_MAX = 168  # A week.
BLOCKS_PER_PRODUCT_MAX = 10_000
BLOCKS_PER_ACCOUNT_MAX = 200
LEAD_MAX_S = 366 * 24 * SECONDS_PER_HOUR  # Of a moment in the life of a window, before or after its start.
CALL_MAX_S = 24 * SECONDS_PER_HOUR
RANDOM_END_MAX_S = 60
BAND_MAX_BPS = 50_000  # Five times the reference.
WINDOW_HOURS = (1, 2, 3, 4, 6, 8, 12, 24)  # How long the windows of a product may be.
ROLLING_HOURS_MAX = 24 * 366
MMP_WINDOW_MAX_MS = 24 * SECONDS_PER_HOUR * 1_000
GATE_LEAD_MAX_S = 30 * 24 * SECONDS_PER_HOUR
LOT_SCU_MAX = 1 << 20
TICK_MICROS_MAX = 1 << 20
FEE_PPM_MAX = 1_000_000
FABRICS_MAX = 64
PRODUCTS_MAX = 4_096
CERTIFIED_LOTS_MAX = 1 << 16  # Nodes of a fabric.
SEED_MAX = (1 << 63) - 1
NAME_CHARACTERS_MAX = 64

_EPOCH = datetime.datetime(1970, 1, 1)
_WINDOW = re.compile(r"(\d{4})-(\d{2})-(\d{2})T(\d{2})", re.ASCII)
_PRICE = re.compile(r"(\d{1,18})(?:\.(\d{1,6}))?", re.ASCII)


def window_text(window: int) -> str:
    """Return the UTC hour a window starts at, such as ``2026-11-24T14``.

    Raises:
        SymbolError: the window is not within [0, WINDOW_MAX].

    """
    if not 0 <= window <= WINDOW_MAX:
        raise SymbolError(f"window must be from 0 to {WINDOW_MAX}, was {window}")
    return (_EPOCH + datetime.timedelta(hours=window)).strftime("%Y-%m-%dT%H")


def window_id(text: str) -> int:
    """Return the window that starts at the UTC hour ``text``; the inverse of window_text.

    Raises:
        SymbolError: the text is not a UTC hour such as ``2026-11-24T14``.

    """
    match = _WINDOW.fullmatch(text)
    if match is None:
        raise SymbolError(f"window must look like 2026-11-24T14, was {text!r}")
    year, month, day, hour = (int(part) for part in match.groups())
    try:
        since = datetime.datetime(year, month, day, hour) - _EPOCH
    except ValueError as error:
        raise SymbolError(f"window must be an hour of the calendar, was {text!r}") from error
    window = since.days * 24 + since.seconds // SECONDS_PER_HOUR
    if not 0 <= window <= WINDOW_MAX:
        raise SymbolError(f"window must be from 1970 to {window_text(WINDOW_MAX)}, was {text!r}")
    return window


def window_start_ns(window: int) -> int:
    """Return the nanosecond at which a window starts."""
    return window * HOUR_NS


def gate_ns(window: int, gate_lead_s: int) -> int:
    """Return the nanosecond at which a window's gate closes: ``gate_lead_s`` seconds before its start."""
    return window_start_ns(window) - gate_lead_s * NS_PER_SECOND


def price_ticks(text: str, tick_micros: int) -> int:
    """Return the ticks of an exact decimal price in dollars per SCU-hour: "2.45" at 1,000 micros is 2450.

    Raises:
        SymbolError: the text is no plain decimal, is not a whole number of ticks, or is above PRICE_MAX_TICKS.

    """
    match = _PRICE.fullmatch(text)
    if match is None:
        raise SymbolError(f"price must be a decimal with at most {MICRO_DIGITS} places, was {text!r}")
    micros = int(match[1]) * MICROS_PER_DOLLAR + int((match[2] or "").ljust(MICRO_DIGITS, "0"))
    ticks, rest = divmod(micros, tick_micros)
    if rest:
        raise SymbolError(f"price must be a multiple of {tick_micros} micro-dollars, was {text!r}")
    if ticks > PRICE_MAX_TICKS:
        raise SymbolError(f"price must be at most {PRICE_MAX_TICKS} ticks, was {text!r}")
    return ticks


def price_text(ticks: int, tick_micros: int) -> str:
    """Return the shortest exact decimal of a price in dollars; the inverse of price_ticks."""
    sign = "-" if ticks < 0 else ""
    dollars, micros = divmod(abs(ticks) * tick_micros, MICROS_PER_DOLLAR)
    places = f"{micros:0{MICRO_DIGITS}d}".rstrip("0")
    return f"{sign}{dollars}.{places}" if places else f"{sign}{dollars}"
