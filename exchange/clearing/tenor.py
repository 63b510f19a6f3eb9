"""What grows as delivery comes nearer: the delivery add-on, the buyer's prefunding, the bond (CLR-DLV, CLR-BOND).

Amounts are micros and rounded up: the participant owes them. ``lot_micros`` is H, the micros of one tick on one lot for
the whole window. Arguments out of range raise ValueError.
"""

from exchange.clearing.arithmetic import PPM, ceil_div, clamp
from exchange.units import BPS, SECONDS_PER_HOUR

HORIZON_S = 72 * SECONDS_PER_HOUR  # Before a window's start: from here on delivery is paid for.
CAP_BPS = 15_000  # What a replacement may cost at most, of the mark.
REMAINING_LEAST_S = SECONDS_PER_HOUR  # Nobody sells less than an hour of a replacement.
RATE_LEAST_PPM = 20_000
RATE_MOST_PPM = 400_000  # Also the rate of a newcomer.
RATE_FACTOR = 3  # Bond for three times the estimated frequency of failure.
LOSS_GIVEN_FAILURE_PPM = 700_000
QUARTERS = 4  # Of one failure.
NOTICE_QUARTERS = 1  # What a failure counts that was announced in time.
NOTICE_S = 24 * SECONDS_PER_HOUR
PRIOR_FAILURES = 2  # The plus-four estimator: two failures and two successes before the first one is seen.
PRIOR_WINDOWS = 4


def delivery_addon(
    lots: int, mark: int, lot_micros: int, cap_bps: int = CAP_BPS, tau_s: int = 0, horizon_s: int = HORIZON_S
) -> int:
    """Return what a seller owes before delivery: the cost of buying at the cap, in proportion to time (CLR-DLV-001).

    Args:
        lots: lots short, not negative.
        mark: ticks.
        lot_micros: micros of a tick on a lot.
        cap_bps: the cap, at least the mark itself (10,000).
        tau_s: seconds till the window's start; 0 gives the whole.
        horizon_s: seconds before the start at which it begins with 0.

    """
    _check(lots, mark, lot_micros, tau_s, horizon_s)
    _check_cap(cap_bps)
    notional = lots * mark * lot_micros
    return ceil_div(notional * (cap_bps - BPS) * max(0, horizon_s - tau_s), BPS * horizon_s)


def addon_in_delivery(
    lots: int, mark: int, lot_micros: int, remaining_s: int, window_s: int = SECONDS_PER_HOUR, cap_bps: int = CAP_BPS
) -> int:
    """Return what a seller owes while he delivers: the cost of buying what is left at the cap (CLR-DLV-002).

    At least an hour of it, and at most the window.

    Args:
        lots: lots short, not negative.
        mark: ticks.
        lot_micros: micros of a tick on a lot for the whole window.
        remaining_s: seconds till the window's end; 0 or less: nothing is owed any more.
        window_s: length of the window in seconds.
        cap_bps: the cap, at least the mark itself.

    """
    _check(lots, mark, lot_micros, 0, window_s)
    _check_cap(cap_bps)
    if remaining_s <= 0:
        return 0
    owed_s = min(max(remaining_s, REMAINING_LEAST_S), window_s)
    return ceil_div(lots * mark * lot_micros * (cap_bps - BPS) * owed_s, BPS * window_s)


def buyer_prefund(
    lots: int, mark: int, lot_micros: int, margin_bps: int, tau_s: int, horizon_s: int = HORIZON_S
) -> int:
    """Return what a buyer has to hold before delivery: margin, rising to the whole price at the start (CLR-DLV-003).

    Args:
        lots: lots long, not negative.
        mark: ticks.
        lot_micros: micros of a tick on a lot.
        margin_bps: initial margin of the notional, at most the whole.
        tau_s: seconds till the window's start.
        horizon_s: seconds before the start at which it begins to rise.

    """
    _check(lots, mark, lot_micros, tau_s, horizon_s)
    if not 0 <= margin_bps <= BPS:
        raise ValueError(f"margin must be from 0 to {BPS} basis points, was {margin_bps}")
    near_s = max(0, horizon_s - tau_s)
    weight = margin_bps * (horizon_s - near_s) + BPS * near_s
    return ceil_div(lots * mark * lot_micros * weight, BPS * horizon_s)


def provider_total(margin_short: int, addon: int, bond_micros: int) -> int:
    """Return all that a provider owes: the greater of margin and add-on, and the bond (CLR-DLV-004), in micros."""
    return max(margin_short, addon) + bond_micros


def failure_quarters(notice_s: int) -> int:
    """Return what one failed lot-window counts, in quarters of a failure (CLR-BOND-003).

    Args:
        notice_s: seconds before the window's start at which the provider announced it; 0 or less: not at all.

    """
    return NOTICE_QUARTERS if notice_s >= NOTICE_S else QUARTERS


def bond_rate(fail_quarters: int, lot_windows: int) -> int:
    """Return the bond in ppm of the notional, from how often the provider failed at this site (CLR-BOND-001).

    Args:
        fail_quarters: failures of the last 90 days, in quarters: four each, one where announced in time.
        lot_windows: lot-windows sold for delivery in the last 90 days.

    """
    if not 0 <= fail_quarters <= QUARTERS * lot_windows:
        raise ValueError(f"failures must be from 0 to {QUARTERS * lot_windows} quarters, were {fail_quarters}")
    frequency = (fail_quarters + QUARTERS * PRIOR_FAILURES) * PPM // (QUARTERS * (lot_windows + PRIOR_WINDOWS))
    return clamp(RATE_FACTOR * frequency * LOSS_GIVEN_FAILURE_PPM // PPM, RATE_LEAST_PPM, RATE_MOST_PPM)


def bond(lots: int, mark: int, lot_micros: int, rate_ppm: int) -> int:
    """Return the performance bond of a sale (CLR-BOND-002), in micros.

    Args:
        lots: lots sold, not negative.
        mark: ticks.
        lot_micros: micros of a tick on a lot.
        rate_ppm: of bond_rate.

    """
    _check(lots, mark, lot_micros, 0, 1)
    return ceil_div(lots * mark * lot_micros * rate_ppm, PPM)


def _check(lots: int, mark: int, lot_micros: int, tau_s: int, horizon_s: int) -> None:
    if min(lots, mark, lot_micros, tau_s) < 0:
        raise ValueError(f"lots, mark, H and time must not be negative, were {lots}, {mark}, {lot_micros}, {tau_s}")
    if horizon_s <= 0:
        raise ValueError(f"horizon or window must be at least a second, was {horizon_s}")


def _check_cap(cap_bps: int) -> None:
    if cap_bps < BPS:
        raise ValueError(f"cap must be at least {BPS} basis points of the mark, was {cap_bps}")
