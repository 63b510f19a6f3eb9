"""The moments of a window: when it enters which phase (MKT-001 to MKT-003)."""

from typing import NamedTuple

from exchange.catalogue.products import Product
from exchange.catalogue.strips import DAY_HOURS
from exchange.records import BALANCE_END, Phase
from exchange.units import NS_PER_SECOND, window_start_ns

_MASK = (1 << 64) - 1
SCHEDULE_MOMENTS_MAX = 8


class Moment(NamedTuple):
    """From ``at_ns`` on a window is in ``phase`` (or BALANCE_END has come)."""

    at_ns: int
    phase: int


def schedule(product: Product, window: int, handle: int, seed: int, now_ns: int) -> list[Moment]:
    """Return the moments of a window listed now, the first of which is its present phase. At most 8."""
    start_ns = window_start_ns(window)
    closing_ns = start_ns - (product.gate_lead_s + product.preclose_s) * NS_PER_SECOND
    gate_ns = product.gate_ns(window) + random_end_ns(product, handle, seed)
    after_gate = [Moment(gate_ns, Phase.GATED)]
    if product.balancing_s:
        after_gate.append(Moment(gate_ns, Phase.BALANCING))
    after_gate.append(Moment(max(start_ns, gate_ns), Phase.DELIVERING))
    if product.balancing_s:
        after_gate.append(Moment(start_ns + product.balancing_s * NS_PER_SECOND, BALANCE_END))
    after_gate.append(Moment(start_ns + product.settle_s * NS_PER_SECOND, Phase.SETTLED))
    before = [moment for moment in _opening(product, window, now_ns) if moment.at_ns < closing_ns]
    if product.preclose_s:
        before.append(Moment(closing_ns, Phase.PRECLOSE))
    past = [moment for moment in before if moment.at_ns <= now_ns]
    return [*(past[-1:] or [Moment(now_ns, Phase.LISTED)]), *before[len(past) :], *after_gate]


def _opening(product: Product, window: int, now_ns: int) -> list[Moment]:
    opening_ns = now_ns
    if product.open_lead_s:
        day_ns = window_start_ns(window // DAY_HOURS * DAY_HOURS)
        opening_ns = max(now_ns, day_ns - product.open_lead_s * NS_PER_SECOND)
    if not product.open_call_s:
        return [Moment(opening_ns, Phase.CONTINUOUS)]
    return [
        Moment(opening_ns, Phase.OPEN),
        Moment(opening_ns + product.open_call_s * NS_PER_SECOND, Phase.CONTINUOUS),
    ]


def random_end_ns(product: Product, handle: int, seed: int) -> int:
    """Return how long after the nominal gate an instrument's gate closes (MKT-003)."""
    return split_mix(seed + handle) % (product.random_end_s * NS_PER_SECOND + 1)


def split_mix(value: int) -> int:
    """Return the SplitMix64 output for a state, a number of 64 bits."""
    value = (value + 0x9E3779B97F4A7C15) & _MASK
    value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9 & _MASK
    value = (value ^ value >> 27) * 0x94D049BB133111EB & _MASK
    return value ^ value >> 31
