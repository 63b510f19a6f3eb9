"""What may happen to prices, as data: a list of named scenarios with a shock for each window (CLR-SCAN rules)."""

from collections.abc import Sequence
from dataclasses import dataclass

from exchange.catalogue.products import check_range
from exchange.clearing.arithmetic import PPM, ceil_div, clamp
from exchange.units import HOUR_NS, LOTS_MAX, NS_PER_SECOND, SECONDS_PER_HOUR, WINDOW_MAX

SCENARIOS_MAX = 64
OUTAGES_MAX = 53  # Fabrics with an outage scenario: what the eleven scenarios of every class leave.
SHOCK_MAX_PPM = 10_000_000  # Eleven times the price.
TENOR_MAX_H = 24 * 366
RAMP_MAX_S = 10 * 366 * 24 * SECONDS_PER_HOUR
MPOR_MIN_S = SECONDS_PER_HOUR
MPOR_MAX_S = 30 * 24 * SECONDS_PER_HOUR
THIRDS = 3


@dataclass(frozen=True, slots=True)
class Scenario:
    """A state of the market that may come: what it does to the price of each window, in ppm of its mark."""

    name: str
    shock_ppm: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class RiskTerms:
    """Risk parameters of a hardware class. Shocks are given as sizes; their signs are those of CLR-SCAN-001.

    Raises:
        CatalogueError: MALFORMED, for a field outside its range.

    """

    range_ppm: int = 250_000  # Of a parallel move within the margin period.
    steepen_ppm: int = 250_000  # The nearest window rises; nothing happens at slope_h and beyond.
    flatten_ppm: int = 250_000
    slope_h: int = 720
    near_squeeze_ppm: int = 440_000  # The nearest window; half of it at squeeze_half_h.
    squeeze_half_h: int = 24
    list_cut_ppm: int = 440_000  # One list cut of 44 % has been seen; half of it at list_cut_half_h.
    list_cut_half_h: int = 4_320
    generation_ppm: int = 400_000  # What the old class loses when a new one is there.
    available_ns: int = 0  # When the new generation is there; 0: no generation shift.
    ramp_s: int = 90 * 24 * SECONDS_PER_HOUR  # From its first day till its whole effect.
    is_new_class: bool = False  # The new generation itself: its price rises where that of the old one falls.
    outage_ppm: int = 500_000  # Up to the price cap of replacement, 150 % of the mark.
    mpor_s: int = 24 * SECONDS_PER_HOUR  # Margin period of risk.
    open_interest_low: int = LOTS_MAX  # Lots from which the margin's fraction of the notional rises ...
    open_interest_high: int = LOTS_MAX + 1  # ... to those at which it is the whole.

    def __post_init__(self) -> None:
        for name in ("range_ppm", "steepen_ppm", "near_squeeze_ppm", "outage_ppm"):
            check_range(name, getattr(self, name), 0, SHOCK_MAX_PPM)
        for name in ("flatten_ppm", "list_cut_ppm", "generation_ppm"):
            check_range(name, getattr(self, name), 0, PPM)  # A price falls to 0 at most.
        for name in ("slope_h", "squeeze_half_h", "list_cut_half_h"):
            check_range(name, getattr(self, name), 1, TENOR_MAX_H)
        check_range("available_ns", self.available_ns, 0, WINDOW_MAX * HOUR_NS)
        check_range("ramp_s", self.ramp_s, 1, RAMP_MAX_S)
        check_range("mpor_s", self.mpor_s, MPOR_MIN_S, MPOR_MAX_S)
        check_range("open_interest_low", self.open_interest_low, 0, LOTS_MAX)
        check_range("open_interest_high", self.open_interest_high, self.open_interest_low + 1, LOTS_MAX + 1)


def shocks(terms: RiskTerms, starts: Sequence[int], now_hour: int, fabrics: Sequence[str] = ()) -> list[Scenario]:
    """Return the scenarios of one hardware class, the same names in the same order for every class (CLR-SCAN-001).

    Args:
        terms: the class's risk parameters.
        starts: starts of its windows, hours since 1970; a window that has begun counts as the nearest.
        now_hour: the present hour.
        fabrics: the fabric of each window, for an outage scenario each, in order of first appearance; empty: none.

    Raises:
        ValueError: fabrics are not as many as windows, or more than OUTAGES_MAX different ones.

    """
    if fabrics and len(fabrics) != len(starts):
        raise ValueError(f"fabrics must be as many as windows, {len(starts)}, were {len(fabrics)}")
    tenors = [max(0, start - now_hour) for start in starts]
    scenarios = [
        *_parallel(terms.range_ppm, len(starts)),
        Scenario("steepen", tuple(_sloped(terms.steepen_ppm, tenor, terms.slope_h) for tenor in tenors)),
        Scenario("flatten", tuple(-_sloped(terms.flatten_ppm, tenor, terms.slope_h) for tenor in tenors)),
        Scenario("squeeze", tuple(_faded(terms.near_squeeze_ppm, tenor, terms.squeeze_half_h) for tenor in tenors)),
        Scenario("cut", tuple(-_faded(terms.list_cut_ppm, tenor, terms.list_cut_half_h) for tenor in tenors)),
        Scenario("generation", tuple(_generation(terms, start) for start in starts)),
    ]
    outages = list(dict.fromkeys(fabrics))
    if len(outages) > OUTAGES_MAX:
        raise ValueError(f"fabrics must be at most {OUTAGES_MAX} different ones, were {len(outages)}")
    for out in outages:
        hit = tuple(terms.outage_ppm if fabric == out else 0 for fabric in fabrics)
        scenarios.append(Scenario(f"outage {out}", hit))
    return scenarios


def join(parts: Sequence[Sequence[Scenario]]) -> list[Scenario]:
    """Return the scenarios of several classes as scenarios of all their windows, part after part (CLR-SCAN-003).

    Scenarios of one name happen together; a class that does not have one stands still in it.

    Raises:
        ValueError: the scenarios of one part are for different numbers of windows, or more than SCENARIOS_MAX come out.

    """
    names = list(dict.fromkeys(scenario.name for part in parts for scenario in part))
    if len(names) > SCENARIOS_MAX:
        raise ValueError(f"scenarios must be at most {SCENARIOS_MAX}, were {len(names)}")
    joined: dict[str, tuple[int, ...]] = dict.fromkeys(names, ())
    for part in parts:
        lengths = [len(scenario.shock_ppm) for scenario in part]
        if lengths and min(lengths) != max(lengths):
            raise ValueError(f"scenarios of a class must have a shock for each window, had {lengths}")
        still = (0,) * (lengths[0] if lengths else 0)
        moves = {scenario.name: scenario.shock_ppm for scenario in part}
        for name in names:
            joined[name] += moves.get(name, still)
    return [Scenario(name, joined[name]) for name in names]


def _parallel(range_ppm: int, windows: int) -> list[Scenario]:
    """All windows up or down by a third, two thirds, the whole of the range; down to a price of 0 at most."""
    found = []
    for thirds, text in ((1, "1/3"), (2, "2/3"), (3, "1")):
        size = ceil_div(range_ppm * thirds, THIRDS)
        found.append(Scenario(f"parallel +{text}", (size,) * windows))
        found.append(Scenario(f"parallel -{text}", (-min(size, PPM),) * windows))
    return found


def _sloped(size: int, tenor_h: int, slope_h: int) -> int:
    """All of a shock now, none at slope_h, a straight line between."""
    return ceil_div(size * max(0, slope_h - tenor_h), slope_h)


def _faded(size: int, tenor_h: int, half_h: int) -> int:
    """All of a shock now, half of it at half_h, a third at twice that, and so on: never nothing."""
    return ceil_div(size * half_h, half_h + tenor_h)


def _generation(terms: RiskTerms, start: int) -> int:
    """Shift by a step in tenor: windows from the new generation's first day on, more with each day of the ramp."""
    if terms.available_ns == 0:
        return 0
    ramp_ns = terms.ramp_s * NS_PER_SECOND
    size = ceil_div(terms.generation_ppm * clamp(start * HOUR_NS - terms.available_ns, 0, ramp_ns), ramp_ns)
    return size if terms.is_new_class else -size
