"""What a provider is paid for what ran, interval by interval (CLR-MTR)."""

from dataclasses import dataclass

from exchange.units import BPS

INTERVAL_S = 60
LOW_BPS = 9_000  # Of the contract's rating: below it an interval is worth nothing.
LOW_INTERVALS = 3  # In a row: the lot has failed.


def is_low(rating: int, contract: int) -> bool:
    """Return whether a rating, in ppm of the reference, is below 90 % of the contract's (CLR-MTR-001)."""
    return rating * BPS < contract * LOW_BPS


def effective(secs: int, rating: int, contract: int) -> int:
    """Return what an interval counts, in seconds x ppm: no bonus above the contract, nothing for a low one.

    Args:
        secs: length of the interval, not negative.
        rating: measured, ppm of the reference, not negative.
        contract: the contract's rating, ppm, positive.

    Raises:
        ValueError: a number is outside its range.

    Source: CLR-MTR-001.

    """
    if secs < 0 or rating < 0 or contract < 1:
        raise ValueError(f"secs and rating must not be negative, contract positive, were {secs}, {rating}, {contract}")
    return 0 if is_low(rating, contract) else secs * min(rating, contract)


def pay(total: int, effective: int, full: int) -> int:
    """Return what a provider has earned, in u$, rounded down (CLR-MTR-002).

    Args:
        total: price of the obligation: lots x u$ per SCU-hour x SCU-hours of a lot.
        effective: what its intervals count so far, summed, in seconds x ppm.
        full: what all of them would count: seconds of the window x the contract's rating; positive.

    Raises:
        ValueError: more counts than there is, or a number is negative.

    """
    if total < 0 or full < 1 or not 0 <= effective <= full:
        raise ValueError(f"effective must be from 0 to full, and total not negative, were {effective}, {full}, {total}")
    return total * effective // full


@dataclass(frozen=True, slots=True)
class Meter:
    """What has been measured of one lot in one window."""

    effective: int = 0  # Seconds x ppm.
    low_in_row: int = 0
    failed: bool = False

    def after(self, secs: int, rating: int, contract: int, low_intervals: int = LOW_INTERVALS) -> "Meter":
        """Return the meter one interval later (CLR-MTR-003). Errors as effective.

        Args:
            secs: see effective.
            rating: see effective.
            contract: see effective.
            low_intervals: as many low ones in a row, and the lot has failed (DetectionTerms).

        """
        low_in_row = self.low_in_row + 1 if is_low(rating, contract) else 0
        counted = self.effective + effective(secs, rating, contract)
        return Meter(counted, low_in_row, self.failed or low_in_row >= low_intervals)
