"""What is known of a provider's nodes in one window: heartbeats, metered seconds, and whom each works for."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from exchange.units import NS_PER_SECOND

Run = tuple[int, int]  # First node and how many.
NEVER = -1


@dataclass(slots=True, eq=False)
class Meter:
    """The nodes 0 to ``nodes`` - 1 of a provider in an instrument."""

    provider: int
    handle: int
    nodes: int
    last_ok_ns: npt.NDArray[np.int64] = field(init=False)  # Last good heartbeat, NEVER before the first.
    effective: npt.NDArray[np.int64] = field(init=False)  # Seconds x rating in ppm, as far as they count.
    low: npt.NDArray[np.int64] = field(init=False)  # Intervals below the threshold, one after another.
    read_until: npt.NDArray[np.int64] = field(init=False)  # First interval not metered yet.
    works_for: npt.NDArray[np.int64] = field(init=False)  # Number of an obligation; 0: nobody; -1: it has failed.
    since_ns: npt.NDArray[np.int64] = field(init=False)  # From when on the present obligation runs.
    condemned: npt.NDArray[np.bool_] = field(init=False)  # By notice of the provider, or a failed challenge.
    readings: dict[tuple[int, int], bytes] = field(default_factory=dict)  # Digest, by first node and interval.

    def __post_init__(self) -> None:
        self.last_ok_ns = np.full(self.nodes, NEVER, np.int64)
        self.effective = np.zeros(self.nodes, np.int64)
        self.low = np.zeros(self.nodes, np.int64)
        self.read_until = np.zeros(self.nodes, np.int64)
        self.works_for = np.zeros(self.nodes, np.int64)
        self.since_ns = np.zeros(self.nodes, np.int64)
        self.condemned = np.zeros(self.nodes, np.bool_)

    def mark_ok(self, runs: Iterable[Run], now_ns: int) -> None:
        """Note a good heartbeat of nodes."""
        for first, count in runs:
            self.last_ok_ns[first : first + count] = now_ns

    def free(self) -> npt.NDArray[np.int64]:
        """Return the numbers of the nodes that work for nobody."""
        return np.flatnonzero(self.works_for == 0)

    def take(
        self, lots: int, obligation: int, since_ns: int, nodes: npt.NDArray[np.int64] | None = None
    ) -> list[Run]:
        """Let free nodes, at most so many, work for an obligation from a moment on; return their runs."""
        chosen = (self.free() if nodes is None else nodes)[:lots]
        self.works_for[chosen] = obligation
        self.since_ns[chosen] = since_ns
        self.effective[chosen] = 0  # What they did before was for nobody.
        return runs_of(chosen)

    def give(self, runs: Iterable[Run], obligation: int, since_ns: int | None = None) -> None:
        """Let certain nodes work for an obligation; FAILED marks them as failed."""
        for first, count in runs:
            self.works_for[first : first + count] = obligation
            if since_ns is not None:
                self.since_ns[first : first + count] = since_ns

    def worked_s(
        self, run: Run, start_ns: int, interval_s: int, interval: int, intervals: int, seconds: int
    ) -> npt.NDArray[np.int64]:
        """Return the seconds of intervals that each node of a run was on duty, ``seconds`` of each being up.

        A node that took over within an interval counts from there on. O(nodes).
        """
        first, count = run
        since_s = -((start_ns - self.since_ns[first : first + count]) // NS_PER_SECOND)
        begun = since_s // interval_s  # The interval in which it took over; before the window for a whole one.
        whole = np.maximum(interval + intervals - np.maximum(interval, begun + 1), 0)
        partly = (begun >= interval) & (begun < interval + intervals)
        part_s = np.minimum(seconds, (begun + 1) * interval_s - since_s)
        worked_s: npt.NDArray[np.int64] = whole * seconds + partly * part_s
        return worked_s

    def sum_effective(self, runs: Iterable[Run]) -> int:
        """Return the seconds x ppm of nodes."""
        return sum(int(self.effective[first : first + count].sum()) for first, count in runs)

    def canonical(self) -> str:
        """Return everything as one line."""
        arrays = (
            self.last_ok_ns, self.effective, self.low, self.read_until, self.works_for, self.since_ns,
            self.condemned.astype(np.int8),
        )  # fmt: skip
        parts = [" ".join(map(str, array.tolist())) for array in arrays]
        read = " ".join(f"{first}:{interval}:{self.readings[first, interval].hex()}" for first, interval in
                        sorted(self.readings))  # fmt: skip
        return f"meter {self.handle} {self.provider} {self.nodes} {'; '.join(parts)}; {read}"


FAILED = -1


def runs_of(nodes: npt.NDArray[np.int64]) -> list[Run]:
    """Return ascending node numbers as runs of contiguous ones."""
    if len(nodes) == 0:
        return []
    breaks = np.flatnonzero(np.diff(nodes) != 1) + 1
    firsts = nodes[np.concatenate(([0], breaks))]
    counts = np.diff(np.concatenate(([0], breaks, [len(nodes)])))
    return list(zip(firsts.tolist(), counts.tolist(), strict=True))


def count_of(runs: Iterable[Run]) -> int:
    """Return how many nodes runs have."""
    return sum(count for _, count in runs)
