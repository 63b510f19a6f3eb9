"""What the demonstration counts."""

import time
from collections import deque
from dataclasses import dataclass, field

LATENCIES_KEPT = 2_000


@dataclass(slots=True)
class Figures:
    """Counters of one run, filled by the traders and read by the view."""

    orders: int = 0  # Order messages sent; each side of a quote leg counts as one.
    refused: int = 0
    jobs: int = 0
    hours_wanted: int = 0
    lots_bought: int = 0
    trades: int = 0
    lots_traded: int = 0
    tape_messages: int = 0
    latencies_us: deque[float] = field(default_factory=lambda: deque(maxlen=LATENCIES_KEPT))
    recent: deque[str] = field(default_factory=lambda: deque(maxlen=8))
    best: dict[int, tuple[int, int, int, int]] = field(default_factory=dict)  # inst: bid, lots, ask, lots
    started_s: float = field(default_factory=time.monotonic)
    refusals: dict[str, int] = field(default_factory=dict)

    def refuse(self, reason: str) -> None:
        """Count a refused order by its reason."""
        self.refused += 1
        self.refusals[reason] = self.refusals.get(reason, 0) + 1

    def latency_ms(self, share: float) -> float:
        """Return a quantile of the recent round trips from order to answer, in milliseconds."""
        ordered = sorted(self.latencies_us)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] / 1_000 if ordered else 0.0

    @property
    def elapsed_s(self) -> float:
        """Seconds since the traders began."""
        return time.monotonic() - self.started_s
