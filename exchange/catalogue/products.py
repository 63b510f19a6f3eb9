"""Products and the rules of their fields."""

import re
from dataclasses import dataclass

from exchange.errors import CatalogueError
from exchange.reasons import RejectReason
from exchange.units import (
    BAND_MAX_BPS,
    CALL_MAX_S,
    FABRICS_MAX,
    FEE_PPM_MAX,
    GATE_LEAD_MAX_S,
    LEAD_MAX_S,
    LOT_SCU_MAX,
    NAME_CHARACTERS_MAX,
    RANDOM_END_MAX_S,
    ROLLING_HOURS_MAX,
    SECONDS_PER_HOUR,
    TICK_MICROS_MAX,
    WINDOW_HOURS,
    WINDOW_MAX,
    WINDOWS_PER_COMMAND_MAX,
    gate_ns,
)

_NAME = re.compile(rf"[A-Za-z0-9._-]{{1,{NAME_CHARACTERS_MAX}}}", re.ASCII)


def check_name(what: str, name: str) -> None:
    """Refuse a name that is not 1 to 64 characters of ``A-Za-z0-9._-``.

    Raises:
        CatalogueError: MALFORMED.

    """
    if _NAME.fullmatch(name) is None:
        raise CatalogueError(
            RejectReason.MALFORMED, f"{what} must be 1 to {NAME_CHARACTERS_MAX} of A-Z a-z 0-9 . _ -, was {name!r}"
        )


def check_range(what: str, value: int, least: int, most: int) -> None:
    """Refuse a number outside ``[least, most]``.

    Raises:
        CatalogueError: MALFORMED.

    """
    if not least <= value <= most:
        raise CatalogueError(RejectReason.MALFORMED, f"{what} must be from {least} to {most}, was {value}")


def default_settle_s(window_hours: int) -> int:
    """Return when a window is settled where its product does not say: seconds after its start."""
    return window_hours * SECONDS_PER_HOUR + 900


@dataclass(frozen=True, slots=True)
class Product:
    """What is delivered, and how it is traded. Fabrics are in the order of listing (ADM-002).

    Raises:
        CatalogueError: MALFORMED, for a field outside its range.

    """

    name: str
    lot_scu: int
    tick_micros: int
    fabrics: tuple[str, ...]
    maker_fee_ppm: int = 0
    taker_fee_ppm: int = 0
    gate_lead_s: int = 900
    zone: str = ""  # Where its fabrics stand: region or zone, for people.
    open_lead_s: int = 0  # Seconds before the window's UTC day at which it opens; 0: with its listing (MKT-002).
    open_call_s: int = 0
    preclose_s: int = 0  # Length of the closing call; 0: none.
    random_end_s: int = 0
    balancing_s: int = 0  # Seconds after the window's start till which standby sells may rest; 0: never.
    settle_s: int = 4_500  # Seconds after the window's start.
    volatility_call_s: int = 120
    band_static_bps: int = 0
    band_dynamic_bps: int = 0
    buyin_bps: int = 5_000
    rolling_hours: int = 0
    window_hours: int = 1  # Its windows start at multiples of it and are as long (MKT-034).

    def __post_init__(self) -> None:
        check_name("product", self.name)
        check_range("lot_scu", self.lot_scu, 1, LOT_SCU_MAX)
        check_range("tick_micros", self.tick_micros, 1, TICK_MICROS_MAX)
        check_range("number of fabrics", len(self.fabrics), 1, FABRICS_MAX)
        check_range("maker_fee_ppm", self.maker_fee_ppm, 0, FEE_PPM_MAX)
        check_range("taker_fee_ppm", self.taker_fee_ppm, 0, FEE_PPM_MAX)
        check_range("gate_lead_s", self.gate_lead_s, 0, GATE_LEAD_MAX_S)
        self._check_market()
        for fabric in self.fabrics:
            check_name("fabric", fabric)
            if "." in fabric:  # The last dot of a symbol parts product and fabric.
                raise CatalogueError(RejectReason.MALFORMED, f"fabric must be without a dot, was {fabric!r}")
        if len(dict.fromkeys(self.fabrics)) != len(self.fabrics):
            raise CatalogueError(RejectReason.MALFORMED, f"fabrics must differ, were {self.fabrics!r}")

    def _check_market(self) -> None:
        if self.zone:
            check_name("zone", self.zone)
        check_range("open_lead_s", self.open_lead_s, 0, LEAD_MAX_S)
        check_range("open_call_s", self.open_call_s, 0, CALL_MAX_S)
        check_range("preclose_s", self.preclose_s, 0, CALL_MAX_S)
        check_range("random_end_s", self.random_end_s, 0, min(RANDOM_END_MAX_S, self.gate_lead_s))
        if self.window_hours not in WINDOW_HOURS:
            raise CatalogueError(
                RejectReason.MALFORMED, f"window_hours must be one of {WINDOW_HOURS}, was {self.window_hours}"
            )
        check_range("balancing_s", self.balancing_s, 0, self.window_hours * SECONDS_PER_HOUR)
        check_range("settle_s", self.settle_s, self.window_hours * SECONDS_PER_HOUR, LEAD_MAX_S)
        check_range("volatility_call_s", self.volatility_call_s, 1 if self.band_dynamic_bps else 0, CALL_MAX_S)
        check_range("band_static_bps", self.band_static_bps, 0, BAND_MAX_BPS)
        check_range("band_dynamic_bps", self.band_dynamic_bps, 0, BAND_MAX_BPS)
        check_range("buyin_bps", self.buyin_bps, 0, BAND_MAX_BPS)
        check_range("rolling_hours", self.rolling_hours, 0, ROLLING_HOURS_MAX)

    @property
    def lot_micros(self) -> int:
        """Micro-dollars of one tick on one lot for the window: H of the rules."""
        return self.tick_micros * self.lot_scu * self.window_hours

    def windows(self, start: int, count: int) -> range:
        """Return ``count`` windows from ``start`` on.

        Raises:
            CatalogueError: MALFORMED, where the range is empty, too long, outside the calendar, or does not start
                at a multiple of the product's hours (MKT-034).

        """
        hours = self.window_hours
        check_range("count", count, 1, WINDOWS_PER_COMMAND_MAX)
        check_range("start", start, 0, WINDOW_MAX - (count - 1) * hours)
        if start % hours:
            raise CatalogueError(RejectReason.MALFORMED, f"start must be a multiple of {hours} hours, was {start}")
        return range(start, start + count * hours, hours)

    def gate_ns(self, window: int) -> int:
        """Return the nanosecond at which the gate of a window closes."""
        return gate_ns(window, self.gate_lead_s)
