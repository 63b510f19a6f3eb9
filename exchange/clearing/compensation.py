"""What a failure costs its buyer beyond the hours not delivered, and what cover for it is worth (CLR-CKP, CMP, PRM)."""

from math import isqrt
from typing import NamedTuple

from exchange.clearing.arithmetic import PPM, ceil_div
from exchange.units import BPS, SECONDS_PER_HOUR

HOURS_PER_FAILURE = 50_677  # Accelerator-hours per unplanned interruption, as published for a 16,384-GPU training run.
DEDUCTIBLE_S = 120


def gang_mtbf_s(scu: int, hours_per_failure: int = HOURS_PER_FAILURE) -> int:
    """Return the mean seconds between failures of a gang of accelerators, rounded down (CLR-CKP-001).

    Args:
        scu: accelerators that fail together; positive.
        hours_per_failure: accelerator-hours per failure; positive.

    Raises:
        ValueError: there is no accelerator, or failures have no rate.

    """
    if scu < 1 or hours_per_failure < 1:
        raise ValueError(f"scu and hours per failure must be at least 1, were {scu} and {hours_per_failure}")
    return hours_per_failure * SECONDS_PER_HOUR // scu


def best_interval_s(mtbf_s: int, snapshot_s: int) -> int:
    """Return K*, the seconds between checkpoints that lose least, when one takes ``snapshot_s`` (CLR-CKP-002)."""
    return isqrt(2 * mtbf_s * snapshot_s)


def covered_rollback_s(since_checkpoint_s: int | None, declared_s: int, best_s: int) -> int:
    """Return the seconds of lost work that are covered (CLR-CKP-003).

    Args:
        since_checkpoint_s: from the last signed checkpoint note to the failure; None without notes.
        declared_s: the interval the buyer has declared, K_decl.
        best_s: K*.

    Raises:
        ValueError: a time is negative.

    """
    lost_s = declared_s // 2 if since_checkpoint_s is None else since_checkpoint_s
    if min(lost_s, declared_s, best_s) < 0:
        raise ValueError(f"seconds must not be negative, were {since_checkpoint_s}, {declared_s} and {best_s}")
    return min(lost_s, declared_s, 2 * best_s)


class Compensation(NamedTuple):
    """What a buyer is paid, in u$: for the restart (C3 of the waterfall) and for the rollback (C4)."""

    direct: int
    rollback: int

    @property
    def total(self) -> int:
        """Both parts."""
        return self.direct + self.rollback


def compensation(
    price: int,
    lots: int,
    lot_scu: int,
    since_checkpoint_s: int | None,
    declared_s: int,
    snapshot_s: int,
    restart_s: int,
    deductible_s: int,
    cap: int,
    hours_per_failure: int = HOURS_PER_FAILURE,
) -> Compensation:
    """Return the compensation of one failure (CLR-CMP-001, CLR-CMP-002).

    Args:
        price: of the contract, u$ per SCU-hour.
        lots: that stopped together.
        lot_scu: SCU of one lot.
        since_checkpoint_s: see covered_rollback_s.
        declared_s: see covered_rollback_s.
        snapshot_s: how long one checkpoint takes.
        restart_s: from substitutes in place to work resumed.
        deductible_s: off the restart first, then off the rollback.
        cap: the most there is for the window, in u$.
        hours_per_failure: accelerator-hours per failure.

    Raises:
        ValueError: a number is negative, or there are no lots.

    """
    _not_negative(price=price, snapshot_s=snapshot_s, restart_s=restart_s, deductible_s=deductible_s, cap=cap)
    best_s = best_interval_s(gang_mtbf_s(lots * lot_scu, hours_per_failure), snapshot_s)
    rollback_s = covered_rollback_s(since_checkpoint_s, declared_s, best_s)
    direct_s = max(0, restart_s - deductible_s)
    rollback_s = max(0, rollback_s - max(0, deductible_s - restart_s))
    per_hour = price * lots * lot_scu
    total = min(cap, per_hour * (direct_s + rollback_s) // SECONDS_PER_HOUR)
    direct = min(total, per_hour * direct_s // SECONDS_PER_HOUR)
    return Compensation(direct, total - direct)


def stall(price: int, lots: int, lot_scu: int, idle_s: int, cap: int) -> int:
    """Return what the members of a gang that did not fail are paid for being kept idle, in u$: C3 (CLR-CMP-003).

    Args:
        price: of the contract, u$ per SCU-hour.
        lots: of the gang that still ran.
        lot_scu: SCU of one lot.
        idle_s: how long they waited for the others.
        cap: what is left of the cap of the window, in u$.

    Raises:
        ValueError: a number is negative.

    """
    _not_negative(price=price, lots=lots, lot_scu=lot_scu, idle_s=idle_s, cap=cap)
    return min(cap, price * lots * lot_scu * idle_s // SECONDS_PER_HOUR)


def expected_failures_ppm(scu: int, hours: int, hours_per_failure: int = HOURS_PER_FAILURE) -> int:
    """Return how many failures a gang has in some hours, in millionths, rounded up (CLR-PRM-001).

    Raises:
        ValueError: a number is negative, or failures have no rate.

    """
    _check_cover(scu, hours, 0, hours_per_failure)
    return ceil_div(scu * hours * PPM, hours_per_failure)


def fair_premium(scu: int, hours: int, mean_compensation: int, hours_per_failure: int = HOURS_PER_FAILURE) -> int:
    """Return expected failures x mean compensation in u$, rounded down: a figure to compare, owed by nobody.

    Arguments and errors as premium. Source: CLR-PRM-001.

    """
    _check_cover(scu, hours, mean_compensation, hours_per_failure)
    return mean_compensation * scu * hours // hours_per_failure


def premium(
    scu: int, hours: int, mean_compensation: int, load_bps: int = 0, hours_per_failure: int = HOURS_PER_FAILURE
) -> int:
    """Return what cover costs, in u$, rounded up: expected failures x mean compensation x (1 + load) (CLR-PRM-002).

    Args:
        scu: accelerators of the gang.
        hours: covered.
        mean_compensation: of one failure, u$.
        load_bps: what the pool takes on top of the fair premium.
        hours_per_failure: accelerator-hours per failure; positive.

    Raises:
        ValueError: a number is negative, or failures have no rate.

    """
    _check_cover(scu, hours, mean_compensation, hours_per_failure)
    _not_negative(load_bps=load_bps)
    return ceil_div(mean_compensation * scu * hours * (BPS + load_bps), hours_per_failure * BPS)


def hours_per_failure(accelerator_hours: int, failures: int) -> int:
    """Return the failure rate as the venue's own logs have it, in accelerator-hours per failure (CLR-PRM-003).

    The published rate counts as one failure in its hours, so that few hours do not swing the rate and none leave it.

    Raises:
        ValueError: a number is negative.

    """
    _not_negative(accelerator_hours=accelerator_hours, failures=failures)
    return (accelerator_hours + HOURS_PER_FAILURE) // (failures + 1)


def _check_cover(scu: int, hours: int, mean_compensation: int, hours_per_failure: int) -> None:
    _not_negative(scu=scu, hours=hours, mean_compensation=mean_compensation)
    if hours_per_failure < 1:
        raise ValueError(f"hours per failure must be at least 1, were {hours_per_failure}")


def _not_negative(**values: int) -> None:
    for name, value in values.items():
        if value < 0:
            raise ValueError(f"{name} must not be negative, was {value}")
