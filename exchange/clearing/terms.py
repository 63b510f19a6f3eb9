"""The terms that the clearinghouse works by: of the house, of a hardware class, of a product (CLR-TRM)."""

from dataclasses import dataclass, fields
from typing import Any

from exchange.catalogue.payload import Field
from exchange.catalogue.products import check_range
from exchange.clearing.arithmetic import PPM
from exchange.clearing.detection import HEARTBEAT_MAX_S, LOW_INTERVALS_MAX, MISSED_MAX
from exchange.clearing.options import VOL_MAX_PPM
from exchange.units import (
    AMOUNT_MAX,
    BAND_MAX_BPS,
    BPS,
    CERTIFIED_LOTS_MAX,
    LEAD_MAX_S,
    PRICE_MAX_TICKS,
    SECONDS_PER_HOUR,
)

DAY_S = 24 * SECONDS_PER_HOUR
UNITS_MAX = 1_000_000_000  # Of a class's units: thousandths of an effective TFLOP/s.
CAP_MAX_BPS = 100_000


@dataclass(frozen=True, slots=True)
class HouseTerms:
    """Of the whole clearinghouse."""

    mark_interval_s: int = 60  # Between two runs of marks and margin.
    call_deadline_s: int = 3_600  # To answer a margin call.
    slice_ppm: int = 250_000  # Of a position that a step of liquidation or disposal offers.
    full_lots: int = 16  # Positions up to this are offered whole.
    disposal_s: int = 3_600  # After a default, till what is left is auctioned.
    auction_s: int = 600
    sitg_micros: int = 0  # What SITG is refilled to, out of fees.
    increase_ppm: int = 1_000_000  # Most by which risk terms of a class rise a day.
    fund_ppm: int = 0  # Default fund share asked of each account, of its initial margin.


@dataclass(frozen=True, slots=True)
class ProductTerms:
    """Of one product."""

    cap_bps: int = 15_000  # Most that a substitute may cost, of the mark.
    prefund_bps: int = 2_500  # Margin of a buyer far from delivery, of the mark.
    horizon_s: int = 3 * DAY_S  # Before delivery, when add-on and prefunding begin to rise.
    mark_band_bps: int = 1_000  # Of a window's mid around the curve.
    fee_micros: int = 0  # Clearing fee of each side, per accelerator-hour delivered.
    levy_ppm: int = 0  # Of the value delivered, from each side, for standby capacity.
    standby_ppm: int = 0  # Of the mark, to firm standby capacity that was not called.
    gang_ppm: int = 0  # Of the value, from buyers whose lots are a gang.
    contract_ppm: int = PPM  # Rating that is owed.
    heartbeat_s: int = 10
    missed: int = 3  # Heartbeats, till a node is suspect.
    grace_s: int = 120  # Then, till it has failed.
    no_show_s: int = 300  # After the beginning, without one heartbeat.
    low_intervals: int = 3  # Metered below 90 %, one after another.
    hand_over_s: int = 300  # From the verdict to the substitute's beginning.
    call_lots: int = 256  # Failures above this go on to a call auction.
    call_s: int = 60
    surcharge_bps: int = 1_000  # On the premium.
    deductible_s: int = 120
    cover_cap_bps: int = 20_000  # Of compensation, of the window's value.
    cover_load_bps: int = 1_000  # On the fair premium for cover.
    slippage_bps: int = 500  # Of liquidation and disposal, from the mark.
    settle_lag_s: int = 300  # After a window's end, for the last readings.
    daily_lots: int = 0  # Usual volume a day, for concentration; 0: not counted.


@dataclass(frozen=True, slots=True)
class ClassTerms:
    """Of one hardware class."""

    units: int = 1_000_000  # Effective compute of one SCU, to compare classes.
    price_cap_micros: int = 0  # Most that a substitute may cost, micro-dollars per SCU-hour; 0: no such cap.
    hours_per_failure: int = 50_677  # GPU-hours; recalibrated from the venue's own records.


@dataclass(frozen=True, slots=True)
class OptionTerms:
    """What a product is an option on. Windows, fabrics and lots are those of the underlying product."""

    underlying: int  # Number of the product.
    is_call: bool
    strike: int  # Ticks.
    vol_ppm: int  # Volatility a year, for marks and margin.

    def __post_init__(self) -> None:
        check_range("strike", self.strike, 1, PRICE_MAX_TICKS)
        check_range("vol_ppm", self.vol_ppm, 1, VOL_MAX_PPM)


_MOST: dict[str, tuple[int, int]] = {
    "mark_interval_s": (1, DAY_S),
    "call_deadline_s": (1, LEAD_MAX_S),
    "slice_ppm": (1, PPM),
    "full_lots": (1, 1 << 20),
    "disposal_s": (0, LEAD_MAX_S),
    "auction_s": (1, DAY_S),
    "sitg_micros": (0, AMOUNT_MAX),
    "fund_ppm": (0, PPM),
    "increase_ppm": (1, 100 * PPM),
    "cap_bps": (BPS, CAP_MAX_BPS),
    "prefund_bps": (0, BPS),
    "horizon_s": (1, LEAD_MAX_S),
    "mark_band_bps": (0, BAND_MAX_BPS),
    "fee_micros": (0, AMOUNT_MAX),
    "contract_ppm": (PPM // 10, PPM),
    "heartbeat_s": (1, HEARTBEAT_MAX_S),
    "missed": (1, MISSED_MAX),
    "low_intervals": (1, LOW_INTERVALS_MAX),
    "grace_s": (0, SECONDS_PER_HOUR),
    "no_show_s": (1, SECONDS_PER_HOUR),
    "call_lots": (1, CERTIFIED_LOTS_MAX),
    "call_s": (1, SECONDS_PER_HOUR),
    "surcharge_bps": (0, BPS),
    "cover_cap_bps": (0, CAP_MAX_BPS),
    "cover_load_bps": (0, BPS),
    "slippage_bps": (0, BAND_MAX_BPS),
    "settle_lag_s": (0, DAY_S),
    "daily_lots": (0, 1 << 30),
    "units": (1, UNITS_MAX),
    "price_cap_micros": (0, AMOUNT_MAX),
    "hours_per_failure": (1, 1 << 30),
}
_SECONDS = ("hand_over_s", "deductible_s")
_RATES = ("levy_ppm", "standby_ppm", "gang_ppm")
LEAST_AND_MOST = _MOST | dict.fromkeys(_SECONDS, (0, DAY_S)) | dict.fromkeys(_RATES, (0, PPM))


def fields_of(terms: type[HouseTerms] | type[ProductTerms] | type[ClassTerms]) -> dict[str, Field]:
    """Return the payload fields that give the terms, each optional with its default."""
    return {one.name: Field(int, required=False, default=one.default) for one in fields(terms)}


def check_terms(given: dict[str, Any]) -> dict[str, int]:
    """Return the terms among the fields of a command, checked.

    Raises:
        CatalogueError: MALFORMED, for a number outside its range.

    """
    terms = {name: value for name, value in given.items() if name in LEAST_AND_MOST}
    for name, value in terms.items():
        check_range(name, value, *LEAST_AND_MOST[name])
    return terms


def terms_text(terms: HouseTerms | ProductTerms | ClassTerms) -> str:
    """Return the values in their order, for the state."""
    return " ".join(str(getattr(terms, one.name)) for one in fields(terms))
