"""Options on the price of a window, and on the average price of a strip, in integers only (CLR-OPT rules).

Black's formula of 1976 without interest: what is delivered is the window's future, and premium and variation are paid
by the day. Prices and strikes are ticks; values are ticks, rounded half up once, at the end; volatility is ppm per
square root of a year of 365 days; time is seconds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isqrt

from exchange.clearing import fixed
from exchange.clearing.arithmetic import PPM, ceil_div
from exchange.clearing.margin import worst
from exchange.units import PRICE_MAX_TICKS, SECONDS_PER_HOUR

YEAR_S = 365 * 24 * SECONDS_PER_HOUR
VOL_MAX_PPM = 100_000_000  # 10,000 % a year: a window an hour long may well have 1,000 %.
EXPIRY_MAX_S = 10 * 365 * 24 * SECONDS_PER_HOUR
VOL_SHOCK_PPM = 250_000  # Up and down, of the volatility itself.
SHORT_LEAST_PPM = 20_000  # Of the window's price: the least that a short option is charged for.
LEGS_MAX = 168
VARIANCE_MAX = 128  # Of the logarithm of an average; beyond it its distribution has no meaning left.


@dataclass(frozen=True, slots=True)
class Option:
    """A call or a put. It expires at the gate into the window's future.

    Raises:
        ValueError: a field is out of range.

    """

    is_call: bool
    strike: int  # Ticks.
    expiry_s: int  # Seconds till then; 0: now.

    def __post_init__(self) -> None:
        _check("strike", self.strike, PRICE_MAX_TICKS)
        _check("expiry", self.expiry_s, EXPIRY_MAX_S)


@dataclass(frozen=True, slots=True)
class Fixing:
    """One window of an average: its price in ticks, and the seconds till it is fixed; 0: it is."""

    forward: int
    fixing_s: int

    def __post_init__(self) -> None:
        _check("forward", self.forward, PRICE_MAX_TICKS)
        _check("fixing", self.fixing_s, EXPIRY_MAX_S)


def value(option: Option, forward: int, vol_ppm: int) -> int:
    """Return what an option is worth, in ticks rounded half up (CLR-OPT-001).

    Args:
        option: strike and expiry.
        forward: price of the window, ticks.
        vol_ppm: volatility.

    """
    return _ticks(exact_value(option, forward, vol_ppm), 1)


def exact_value(option: Option, forward: int, vol_ppm: int) -> int:
    """Return what an option is worth, in ticks as a fixed-point number (CLR-OPT-001); else as value."""
    _check("forward", forward, PRICE_MAX_TICKS)
    _check("volatility", vol_ppm, VOL_MAX_PPM)
    # One division and one root: vol x sqrt(time), with the bits of the fraction twice under the root.
    square = (vol_ppm * vol_ppm * option.expiry_s << 2 * fixed.FRACTION_BITS) // (PPM * PPM * YEAR_S)
    return _black(option.is_call, forward * fixed.ONE, option.strike * fixed.ONE, isqrt(square))


def implied_vol(option: Option, forward: int, price: int) -> int:
    """Return the least volatility in ppm at which an option is worth its price or more, by bisection (CLR-OPT-003).

    Args:
        option: strike and expiry.
        forward: price of the window, ticks.
        price: of the option, ticks.

    Raises:
        ValueError: no volatility up to VOL_MAX_PPM gives this price, or one below the least value was asked for.

    """
    wanted = price * fixed.ONE
    if wanted < exact_value(option, forward, 0) or wanted > exact_value(option, forward, VOL_MAX_PPM):
        raise ValueError(f"price must be one that some volatility gives, was {price}")
    below, enough = -1, VOL_MAX_PPM
    while enough - below > 1:
        middle = (below + enough) // 2
        if exact_value(option, forward, middle) >= wanted:
            enough = middle
        else:
            below = middle
    return enough


def average_value(
    is_call: bool, strike: int, fixings: Sequence[Fixing], vol_ppm: int, correlation_ppm: int = PPM
) -> int:
    """Return what an option on the plain average of window prices is worth, in ticks rounded half up (CLR-OPT-004).

    The average is taken to be lognormal with its true mean and variance (Levy; Turnbull and Wakeman). O(windows).

    Args:
        is_call: or a put.
        strike: of the average, ticks.
        fixings: the strip's windows, each with its own price and moment of fixing; 1 to LEGS_MAX.
        vol_ppm: volatility of every window.
        correlation_ppm: of the prices of any two windows, from 0 to 1,000,000.

    Raises:
        ValueError: an argument is out of range.

    """
    return _ticks(exact_average_sum(is_call, strike, fixings, vol_ppm, correlation_ppm), len(fixings))


def exact_average_sum(
    is_call: bool, strike: int, fixings: Sequence[Fixing], vol_ppm: int, correlation_ppm: int = PPM
) -> int:
    """Return the value of average_value times the number of windows, in ticks as a fixed-point number (CLR-OPT-004)."""
    _check("strike", strike, PRICE_MAX_TICKS)
    _check("volatility", vol_ppm, VOL_MAX_PPM)
    _check("correlation", correlation_ppm, PPM)
    if not 1 <= len(fixings) <= LEGS_MAX:
        raise ValueError(f"fixings must be 1 to {LEGS_MAX}, were {len(fixings)}")
    total = sum(fixing.forward for fixing in fixings)
    if total == 0:
        return _black(is_call, 0, strike * len(fixings) * fixed.ONE, 0)
    variance = fixed.ln_ratio(_second_moment(fixings, vol_ppm, correlation_ppm), total * total * fixed.ONE)
    deviation = fixed.square_root(max(0, variance))
    return _black(is_call, total * fixed.ONE, strike * len(fixings) * fixed.ONE, deviation)


def scenario_values(
    option: Option, forward: int, vol_ppm: int, shocks: Sequence[int], vol_shock_ppm: int = VOL_SHOCK_PPM
) -> tuple[int, ...]:
    """Return an option's value in each scenario, volatility up and then down in each, in ticks (CLR-OPT-005).

    Args:
        option: strike and expiry.
        forward: mark of the window, ticks.
        vol_ppm: volatility.
        shocks: of the window's price, ppm, as in margin.Column.
        vol_shock_ppm: of the volatility, at most 1,000,000.

    """
    _check("volatility shock", vol_shock_ppm, PPM)
    up = min(ceil_div(vol_ppm * (PPM + vol_shock_ppm), PPM), VOL_MAX_PPM)
    down = vol_ppm * (PPM - vol_shock_ppm) // PPM
    moved = [min(max(0, (2 * forward * (PPM + shock) + PPM) // (2 * PPM)), PRICE_MAX_TICKS) for shock in shocks]
    return tuple(value(option, price, vol) for price in moved for vol in (up, down))


def option_losses(
    option: Option,
    forward: int,
    vol_ppm: int,
    lot_micros: int,
    shocks: Sequence[int],
    vol_shock_ppm: int = VOL_SHOCK_PPM,
) -> tuple[int, ...]:
    """Return what one lot long loses in each scenario, in micros x ppm, for margin.margin_of_losses (CLR-OPT-006).

    Each scenario twice, volatility up and down: the windows' own losses have to be doubled beside it, see doubled.
    """
    now = value(option, forward, vol_ppm)
    after = scenario_values(option, forward, vol_ppm, shocks, vol_shock_ppm)
    return tuple((now - then) * lot_micros * PPM for then in after)


def doubled(losses: Sequence[int]) -> tuple[int, ...]:
    """Return losses by scenario, each twice: a window's price does not ask about volatility (CLR-OPT-006)."""
    return tuple(loss for loss in losses for _ in range(2))


def option_rates(losses: Sequence[int], forward: int, lot_micros: int) -> tuple[int, int]:
    """Return the margin of one lot long and of one short, in micros, rounded up (CLR-OPT-007).

    Long is never charged more than the option is worth now, because no loss is greater; short never less than
    SHORT_LEAST_PPM of the window's price.

    Args:
        losses: of option_losses.
        forward: mark of the window, ticks.
        lot_micros: micros of a tick on a lot.

    """
    return worst(losses), max(worst([-loss for loss in losses]), short_least(-1, forward, lot_micros))


def short_least(lots: int, forward: int, lot_micros: int) -> int:
    """Return the least margin of a position in one option, in micros, rounded up (CLR-OPT-008).

    Nothing for a long one. An account with options has a margin of at least the sum of these.

    Args:
        lots: the position; short is negative.
        forward: mark of the window, ticks.
        lot_micros: micros of a tick on a lot.

    """
    return ceil_div(max(0, -lots) * forward * lot_micros * SHORT_LEAST_PPM, PPM)


def _black(is_call: bool, forward: int, strike: int, deviation: int) -> int:
    """Black's formula of fixed-point numbers; deviation is the volatility over the option's whole life."""
    intrinsic = max(0, forward - strike if is_call else strike - forward)
    if forward == 0 or strike == 0 or deviation == 0:
        return intrinsic
    distance = fixed.divide(fixed.ln_ratio(forward, strike), deviation)
    upper, lower = distance + deviation // 2, distance - deviation // 2
    if not is_call:
        forward, strike, upper, lower = strike, forward, -lower, -upper
    worth = fixed.multiply(forward, fixed.normal_cdf(upper)) - fixed.multiply(strike, fixed.normal_cdf(lower))
    return max(intrinsic, worth)  # In the last bits it could fall below.


def _second_moment(fixings: Sequence[Fixing], vol_ppm: int, correlation_ppm: int) -> int:
    """Mean of the squared sum of all prices, fixed-point; two windows move together till the first is fixed."""
    ahead = sum(fixing.forward for fixing in fixings)
    moment = 0
    for fixing in sorted(fixings, key=lambda fixing: fixing.fixing_s):
        ahead -= fixing.forward
        variance = (vol_ppm * vol_ppm * fixing.fixing_s << fixed.FRACTION_BITS) // (PPM * PPM * YEAR_S)
        if variance > VARIANCE_MAX * fixed.ONE:
            raise ValueError(f"variance must be at most {VARIANCE_MAX}, was {variance >> fixed.FRACTION_BITS}")
        moment += fixing.forward * fixing.forward * fixed.exp(variance)
        moment += 2 * fixing.forward * ahead * fixed.exp(variance * correlation_ppm // PPM)
    return moment


def _ticks(exact: int, parts: int) -> int:
    """Round a fixed-point number over parts to the nearest tick, halves up."""
    whole = parts * fixed.ONE
    return (2 * exact + whole) // (2 * whole)


def _check(what: str, number: int, most: int) -> None:
    if not 0 <= number <= most:
        raise ValueError(f"{what} must be from 0 to {most}, was {number}")
