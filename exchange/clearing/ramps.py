"""Risk terms that an operator has raised come into force day by day, so that nobody is called for all of it at once."""

from dataclasses import asdict
from typing import Any

from exchange.clearing.margin import capped_increase
from exchange.clearing.scenarios import RiskTerms
from exchange.clearing.state import HouseState
from exchange.units import HOUR_NS

DAY_NS = 24 * HOUR_NS
SIZES = (
    "range_ppm", "steepen_ppm", "flatten_ppm", "near_squeeze_ppm", "list_cut_ppm", "generation_ppm", "outage_ppm",
)  # fmt: skip


class Ramps:
    """The risk terms in force of every class."""

    def __init__(self, state: HouseState) -> None:
        self.state = state

    def step(self) -> None:
        """Bring the terms in force nearer to those that were set: once a day, down at once (CLR-SCAN-010)."""
        today = self.state.core.now_ns // DAY_NS
        for name, wanted in self.state.risks.items():
            day, before = self.state.ramps.get(name, (-1, wanted))
            cap_ppm = 0 if day == today else self.state.terms.increase_ppm
            self.state.ramps[name] = today, self._nearer(before, wanted, cap_ppm)

    def _nearer(self, before: RiskTerms, wanted: RiskTerms, cap_ppm: int) -> RiskTerms:
        terms: dict[str, Any] = asdict(wanted)
        terms |= {name: capped_increase(getattr(before, name), terms[name], cap_ppm) for name in SIZES}
        return RiskTerms(**terms)
