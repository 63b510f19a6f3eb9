"""When a node counts as failed, and when its provider does (CLR-DET)."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from exchange.catalogue.products import check_range
from exchange.units import BPS, HOUR_NS, NS_PER_SECOND, SECONDS_PER_HOUR

NEVER = -1  # Instead of a time.
HEARTBEAT_MAX_S = 600
MISSED_MAX = 60
LOW_INTERVALS_MAX = 60
PROVIDER_FAILED_BPS = 2_000  # Of his lots: if more fail within an hour, he has.


class NodeState(IntEnum):
    """How a delivering node is seen."""

    OK = 0
    SUSPECT = 1  # Silent; a heartbeat clears it.
    FAILED = 2  # For good: its buyer is served by another one.


@dataclass(frozen=True, slots=True)
class DetectionTerms:
    """How long a node may be silent or slow.

    Args:
        heartbeat_s: seconds between heartbeats.
        missed: heartbeats in a row that may be missed before the node is SUSPECT.
        grace_s: seconds from there to FAILED.
        handover_s: seconds from the window's start by which the first heartbeat must have come.
        low_intervals: metered intervals in a row below 90 % of the contract that make it FAILED.

    Raises:
        CatalogueError: MALFORMED, for a field outside its range.

    """

    heartbeat_s: int = 10
    missed: int = 3
    grace_s: int = 120
    handover_s: int = 300
    low_intervals: int = 3

    def __post_init__(self) -> None:
        check_range("heartbeat_s", self.heartbeat_s, 1, HEARTBEAT_MAX_S)
        check_range("missed", self.missed, 1, MISSED_MAX)
        check_range("grace_s", self.grace_s, 0, SECONDS_PER_HOUR)
        check_range("handover_s", self.handover_s, 1, SECONDS_PER_HOUR)
        check_range("low_intervals", self.low_intervals, 1, LOW_INTERVALS_MAX)

    @property
    def suspect_ns(self) -> int:
        """Silence from which on a node is SUSPECT."""
        return self.missed * self.heartbeat_s * NS_PER_SECOND

    @property
    def failed_ns(self) -> int:
        """Silence from which on it is FAILED."""
        return self.suspect_ns + self.grace_s * NS_PER_SECOND

    @property
    def handover_ns(self) -> int:
        """Time from the window's start to the last moment for a first heartbeat."""
        return self.handover_s * NS_PER_SECOND


class Verdicts(NamedTuple):
    """One entry a node."""

    states: npt.NDArray[np.int8]  # NodeState.
    failed_at: npt.NDArray[np.int64]  # t_f in nanoseconds of nodes that are FAILED, else NEVER.


def verdicts(
    now_ns: int,
    start_ns: int | npt.NDArray[np.int64],
    last_ok: npt.NDArray[np.int64],
    low_intervals: npt.NDArray[np.integer],
    terms: DetectionTerms,
    condemned: npt.NDArray[np.bool_] | None = None,
    before: Verdicts | None = None,
) -> Verdicts:
    """Return the states of the nodes of a window (CLR-DET-001 to 005). O(nodes), without a loop in Python.

    Args:
        now_ns: not after the window's end.
        start_ns: of the window, or of each node's part in it.
        last_ok: nanosecond of each node's last good heartbeat, NEVER for none. One from before the start is none.
        low_intervals: low intervals in a row of each node.
        terms: how long it may be silent or slow.
        condemned: nodes that failed a challenge, or whose provider has given notice.
        before: the verdicts before these; who is FAILED there stays so, as of the same t_f.

    Raises:
        ValueError: the arrays are not of one length.

    """
    parts = [last_ok, low_intervals, *([] if condemned is None else [condemned]), *(before or ())]
    if any(part.shape != (len(last_ok),) for part in parts):
        raise ValueError(f"arrays must have one entry a node, were {[part.shape for part in parts]}")
    is_heard = last_ok >= start_ns
    silence = np.where(is_heard, now_ns - last_ok, 0)
    is_failed = (silence >= terms.failed_ns) | (low_intervals >= terms.low_intervals)
    is_failed |= ~is_heard & (now_ns - start_ns >= terms.handover_ns)
    if condemned is not None:
        is_failed |= condemned
    states = np.where(is_failed, NodeState.FAILED, np.where(silence >= terms.suspect_ns, NodeState.SUSPECT, 0))
    failed_at = np.where(is_failed, np.maximum(last_ok, start_ns), NEVER)
    if before is not None:
        is_final = before.states == NodeState.FAILED
        states = np.where(is_final, NodeState.FAILED, states)
        failed_at = np.where(is_final, before.failed_at, failed_at)
    return Verdicts(states.astype(np.int8), failed_at.astype(np.int64))


def provider_failed(failures: Iterable[tuple[int, int]], lots_delivering: int, now_ns: int) -> bool:
    """Return whether a provider has defaulted by his failures: more than 20 % of his lots in one hour (CLR-DET-006).

    Args:
        failures: (nanosecond, lots) of each verdict FAILED.
        lots_delivering: all that he has to deliver now, the failed ones included.
        now_ns: end of the hour looked at.

    """
    failed = sum(lots for at_ns, lots in failures if now_ns - HOUR_NS < at_ns <= now_ns)
    return failed * BPS > lots_delivering * PROVIDER_FAILED_BPS
