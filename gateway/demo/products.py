"""What the demonstration trades: products, who provides their fabrics, and what their hours are worth."""

from dataclasses import dataclass

from exchange.catalogue.symbols import format_symbol
from exchange.units import price_text

PROVIDERS = ("provider-ash", "provider-birch", "provider-cedar")
DOGWOOD = "provider-dogwood"  # Stands by.
ELM = "provider-elm"  # Fails.
ROLLING_HOURS = 171  # A week of them is open behind the next window, also when that one's gate has closed.

# How windows of these products live (docs/spec/windows.md).
TERMS = {
    "gate_lead_s": 900,
    "preclose_s": 300,
    "random_end_s": 5,
    "balancing_s": 3_300,
    "settle_s": 3_900,
    "volatility_call_s": 120,
    "band_dynamic_bps": 1_000,
    "band_static_bps": 5_000,
    "rolling_hours": ROLLING_HOURS,
}


@dataclass(frozen=True, slots=True)
class DemoProduct:
    """A product as the demonstration trades it; ``ticks`` is what an average hour is worth."""

    name: str
    lot_scu: int
    tick_micros: int
    fabrics: tuple[str, ...]
    ticks: int
    providers: tuple[str, ...] = ()  # One a fabric.
    nodes: int = 0  # Lots that the provider certifies in each fabric and window.

    def symbol(self, window: int, fabric: int = 0) -> str:
        """Return the symbol of a window in a fabric."""
        return format_symbol(self.name, self.fabrics[fabric], window)

    def price(self, ticks: int) -> str:
        """Return ticks as exact decimal text, dollars per SCU-hour."""
        return price_text(ticks, self.tick_micros)

    def fair(self, window: int) -> int:
        """Return what a window is worth, in ticks."""
        return self.ticks * SHAPE[window % len(SHAPE)] // 1_000

    def fair_total(self, start: int, hours: int) -> int:
        """Return what one lot over several windows is worth, in ticks."""
        return sum(self.fair(window) for window in range(start, start + hours))


# How dear an hour of the day is against the average, in thousandths: nights are cheap, afternoons dear.
SHAPE = (940, 930, 925, 930, 945, 965, 985, 1_000, 1_015, 1_030, 1_045, 1_055,
         1_060, 1_060, 1_055, 1_045, 1_035, 1_025, 1_015, 1_005, 990, 975, 960, 950)  # fmt: skip
ASH, BIRCH, CEDAR = PROVIDERS
PRODUCTS = (
    DemoProduct("H100-SXM.IB400.cuda12.T1", 8, 1_000, ("use1-f01", "use1-f02"), 2_450, (ASH, CEDAR), 64),
    DemoProduct("A100-80.IB400.cuda12.T1", 8, 1_000, ("use1-f03",), 1_350, (BIRCH,), 64),
    DemoProduct("L40S.NONE.cuda12.T1", 1, 500, ("euw1-f01",), 1_720, (BIRCH,), 96),
    DemoProduct("RTX5090.NONE.cuda12.T0", 1, 500, ("usw2-f01",), 840, (CEDAR,), 96),
)
STOCK = DemoProduct("STOCK.NONE.replay.T0", 1, 10_000, ("tape",), 58_500)
