"""Initial margin: the worst loss over scenarios, with a floor under the offset between windows (CLR-SCAN rules).

Plain integers, one account at a time: the yardstick for scan.py, which does the same for many accounts at once.
"""

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from math import isqrt

from exchange.clearing.arithmetic import PPM, ceil_div, clamp, shares
from exchange.units import SECONDS_PER_HOUR

SPREAD_FLOOR_PPM = 200_000  # Of the relief that offsetting positions give, this much is charged all the same.
DAY_S = 24 * SECONDS_PER_HOUR
LIQUIDATION_MAX_S = 3 * 24 * SECONDS_PER_HOUR  # A longer way out adds nothing.
LIQUIDATION_BASE_S = 3 * DAY_S // 10  # 0.3 days: till the first lot is sold.
BUFFER_PPM = 250_000  # On top of margin in quiet times, to be used up in others.
REBUILD_PPM = 10_000  # Of the margin, by which the buffer grows again a day.
MAINTENANCE_PPM = 1_000_000  # Equity, in ppm of margin.
CALL_PPM = 1_100_000
ENTRY_PPM = 1_250_000
RELEASE_PPM = 1_400_000
NOTHING_BINDS = -1


@dataclass(frozen=True, slots=True)
class Column:
    """One window as margin sees it: mark in ticks, micros of a tick on a lot (H), shocks in ppm by scenario."""

    mark: int
    lot_micros: int
    shocks: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class MarginResult:
    """Initial margin in micros and where it comes from (CLR-SCAN-005)."""

    scan: int  # The worst loss of all positions together.
    gross: int  # The sum of the worst losses of each position alone.
    margin: int
    losses: tuple[int, ...]  # By scenario; a gain is negative.
    binding: int  # The first scenario with the loss `scan`; NOTHING_BINDS where that is 0.


class Level(enum.IntEnum):
    """How equity stands to margin, worst first; what each allows is in CLR-SCAN-012."""

    HANDOVER = 0  # Below two thirds of maintenance: position and margin go to the estate.
    LIQUIDATION = 1  # Below maintenance: positions are reduced.
    CALL = 2  # Below 110 %: more collateral is called.
    NO_ENTRY = 3  # Below 125 %: no order that adds risk.
    ENTRY = 4
    RELEASE = 5  # Above 140 %: what is above may be withdrawn.


def lot_losses(column: Column) -> tuple[int, ...]:
    """Return what one lot long loses in each scenario, in micros x ppm, exactly; short loses the opposite."""
    lot = column.mark * column.lot_micros
    return tuple(-lot * shock for shock in column.shocks)


def rates(column: Column) -> tuple[int, int]:
    """Return the worst loss of one lot long and of one short, in micros, rounded up, not negative (CLR-SCAN-004)."""
    losses = lot_losses(column)
    return worst(losses), worst([-loss for loss in losses])


def worst(losses: Sequence[int]) -> int:
    """Return the largest of losses in micros x ppm, in micros, rounded up; 0 where there is none (CLR-SCAN-004)."""
    return ceil_div(max([0, *losses]), PPM)


def initial_margin(
    positions: Sequence[int], columns: Sequence[Column], spread_floor_ppm: int = SPREAD_FLOOR_PPM
) -> MarginResult:
    """Return the initial margin of one account, in O(windows x scenarios) (CLR-SCAN-005).

    Args:
        positions: lots by window; long is positive.
        columns: the windows, all with shocks for the same scenarios.
        spread_floor_ppm: share of the relief that is charged all the same, 0 to 1,000,000.

    Raises:
        ValueError: numbers of positions, columns or shocks do not fit, or the floor is out of range.

    """
    return margin_of_losses(positions, [lot_losses(column) for column in columns], spread_floor_ppm)


def margin_of_losses(
    positions: Sequence[int], losses: Sequence[Sequence[int]], spread_floor_ppm: int = SPREAD_FLOOR_PPM
) -> MarginResult:
    """Return the initial margin from what one lot of each contract loses by scenario, in micros x ppm (CLR-SCAN-005).

    For contracts whose loss is not in proportion to a shock, such as options; else as initial_margin.
    """
    if len(positions) != len(losses):
        raise ValueError(f"positions must be as many as columns, {len(losses)}, were {len(positions)}")
    if not 0 <= spread_floor_ppm <= PPM:
        raise ValueError(f"spread floor must be from 0 to {PPM} ppm, was {spread_floor_ppm}")
    held = [[lots * loss for loss in row] for lots, row in zip(positions, losses, strict=True)]
    together = tuple(ceil_div(sum(scenario), PPM) for scenario in zip(*held, strict=True))
    scan = max([0, *together])
    gross = sum(worst(row) for row in held)
    margin = scan + ceil_div((gross - scan) * spread_floor_ppm, PPM)
    return MarginResult(scan, gross, margin, together, together.index(scan) if scan else NOTHING_BINDS)


def concentration(margin: int, lots: int, daily_lots: int, mpor_s: int) -> int:
    """Return what is added for a position that takes longer to close than the margin period (CLR-SCAN-007), in micros.

    Args:
        margin: initial margin, micros.
        lots: the position, of either sign.
        daily_lots: what is traded a day; 0: the position takes the longest time there is, three days.
        mpor_s: margin period of risk, seconds.

    """
    if mpor_s <= 0 or daily_lots < 0 or margin < 0:
        raise ValueError(f"margin, daily lots and period must not be negative, were {margin}, {daily_lots}, {mpor_s}")
    traded = max(daily_lots, 1)
    longest = LIQUIDATION_MAX_S * traded
    seconds = min(abs(lots) * DAY_S + LIQUIDATION_BASE_S * traded, longest) if daily_lots else longest
    square = ceil_div(margin * margin * seconds, traded * mpor_s)
    root = isqrt(square)
    return max(0, root + (root * root < square) - margin)


def open_interest_fraction(base_ppm: int, open_lots: int, low_lots: int, high_lots: int) -> int:
    """Return margin in ppm of notional: its base, rising to the whole with open interest (CLR-SCAN-008)."""
    if not 0 <= low_lots < high_lots:
        raise ValueError(f"bounds of open interest must rise from 0 on, were {low_lots} and {high_lots}")
    inside = clamp(open_lots - low_lots, 0, high_lots - low_lots)
    return base_ppm + ceil_div(max(0, PPM - base_ppm) * inside, high_lots - low_lots)


def buffered(
    margin: int, previous_buffered: int = 0, buffer_ppm: int = BUFFER_PPM, rebuild_ppm: int = REBUILD_PPM
) -> int:
    """Return margin with what is left of the anti-procyclical buffer, in micros (CLR-SCAN-009).

    The full buffer in quiet times. When margin jumps, the amount with buffer stays where it was till the buffer is used
    up, and follows margin from there; after that the buffer is built up again by ``rebuild_ppm`` of margin a call.
    Meant for rates of one lot, once a day: more lots must not look like a jump.

    Args:
        margin: without buffer.
        previous_buffered: what this function returned before; 0: nothing yet, so the full buffer.
        buffer_ppm: the full buffer.
        rebuild_ppm: growth a call, of margin.

    """
    full = margin + ceil_div(margin * buffer_ppm, PPM)
    if previous_buffered == 0:
        return full
    return clamp(previous_buffered + ceil_div(margin * rebuild_ppm, PPM), margin, full)


def capped_increase(previous: int, wanted: int, cap_ppm: int) -> int:
    """Return the rate that applies now: it rises by at most ``cap_ppm`` a day, and falls at once (CLR-SCAN-010).

    The rest, ``wanted`` less the answer, is told as notice and comes on the next days. Like buffered, for rates of one
    lot. Without a previous rate (0) there is no cap.
    """
    if previous <= 0:
        return wanted
    return min(wanted, previous + ceil_div(previous * cap_ppm, PPM))


def level(equity: int, margin: int) -> Level:
    """Return how equity stands to margin (CLR-SCAN-012); without margin, equity of 0 is enough."""
    if equity * 3 * PPM < margin * 2 * MAINTENANCE_PPM:
        return Level.HANDOVER
    if equity * PPM < margin * MAINTENANCE_PPM:
        return Level.LIQUIDATION
    if equity * PPM < margin * CALL_PPM:
        return Level.CALL
    if equity * PPM < margin * ENTRY_PPM:
        return Level.NO_ENTRY
    return Level.RELEASE if margin == 0 or equity * PPM > margin * RELEASE_PPM else Level.ENTRY


def cover_two(stress_losses_by_group: Sequence[Sequence[int]]) -> int:
    """Return the size of the default fund: the two largest losses of any one stress scenario (CLR-SCAN-013), in micros.

    Args:
        stress_losses_by_group: for each owner group its loss beyond its margin, by scenario; gains count as 0.

    """
    by_scenario = zip(*stress_losses_by_group, strict=True)
    return max((sum(sorted((max(0, loss) for loss in losses))[-2:]) for losses in by_scenario), default=0)


def fund_share(total: int, margins: Sequence[int]) -> list[int]:
    """Return each participant's part of the default fund, in proportion to margin, to the micro (CLR-SCAN-013)."""
    return shares(total, margins)
