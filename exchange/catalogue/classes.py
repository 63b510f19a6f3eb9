"""Hardware classes: what one standard compute unit (SCU) of a product is.

A lot is what is sold together: a node of eight, a rack of 72, or a single accelerator. Classes that trade
under a dollar an hour have a finer tick.
"""

from typing import NamedTuple


class HardwareClass(NamedTuple):
    """One accelerator model at rating 1.000."""

    name: str
    generation: int  # Year of the architecture's first delivery.
    lot_scu: int  # Accelerators in one lot.
    tick_micros: int  # Price step, micro-dollars per SCU-hour.


HARDWARE_CLASSES: dict[str, HardwareClass] = {
    entry.name: entry
    for entry in (
        HardwareClass("A100-80", 2020, 8, 1_000),
        HardwareClass("H100-SXM", 2022, 8, 1_000),
        HardwareClass("H200-SXM", 2024, 8, 1_000),
        HardwareClass("B200-SXM", 2025, 8, 1_000),
        HardwareClass("GB200-NVL72", 2025, 72, 1_000),
        HardwareClass("MI300X", 2023, 8, 1_000),
        HardwareClass("L40S", 2023, 1, 500),
        HardwareClass("RTX5090", 2025, 1, 500),
    )
}
