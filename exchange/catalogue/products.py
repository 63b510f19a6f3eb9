"""Products and the rules of their fields."""

import re
from dataclasses import dataclass

from exchange.errors import CatalogueError
from exchange.reasons import RejectReason
from exchange.units import (
    FABRICS_MAX,
    FEE_PPM_MAX,
    GATE_LEAD_MAX_S,
    LOT_SCU_MAX,
    NAME_CHARACTERS_MAX,
    TICK_MICROS_MAX,
    gate_ns,
)

_NAME = re.compile(rf"[A-Za-z0-9._-]{{1,{NAME_CHARACTERS_MAX}}}", re.ASCII)


def check_name(what: str, name: str) -> None:
    """Refuse a name that is not 1 to 64 characters of ``A-Za-z0-9._-``.

    Raises:
        CatalogueError: MALFORMED.

    """
    if _NAME.fullmatch(name) is None:
        raise CatalogueError(
            RejectReason.MALFORMED, f"{what} must be 1 to {NAME_CHARACTERS_MAX} of A-Z a-z 0-9 . _ -, was {name!r}"
        )


def check_range(what: str, value: int, least: int, most: int) -> None:
    """Refuse a number outside ``[least, most]``.

    Raises:
        CatalogueError: MALFORMED.

    """
    if not least <= value <= most:
        raise CatalogueError(RejectReason.MALFORMED, f"{what} must be from {least} to {most}, was {value}")


@dataclass(frozen=True, slots=True)
class Product:
    """What is delivered, and how it is traded. Fabrics are in the order of listing (ADM-002).

    Raises:
        CatalogueError: MALFORMED, for a field outside its range.

    """

    name: str
    lot_scu: int
    tick_micros: int
    fabrics: tuple[str, ...]
    maker_fee_ppm: int = 0
    taker_fee_ppm: int = 0
    gate_lead_s: int = 900

    def __post_init__(self) -> None:
        check_name("product", self.name)
        check_range("lot_scu", self.lot_scu, 1, LOT_SCU_MAX)
        check_range("tick_micros", self.tick_micros, 1, TICK_MICROS_MAX)
        check_range("number of fabrics", len(self.fabrics), 1, FABRICS_MAX)
        check_range("maker_fee_ppm", self.maker_fee_ppm, 0, FEE_PPM_MAX)
        check_range("taker_fee_ppm", self.taker_fee_ppm, 0, FEE_PPM_MAX)
        check_range("gate_lead_s", self.gate_lead_s, 0, GATE_LEAD_MAX_S)
        for fabric in self.fabrics:
            check_name("fabric", fabric)
            if "." in fabric:  # The last dot of a symbol parts product and fabric.
                raise CatalogueError(RejectReason.MALFORMED, f"fabric must be without a dot, was {fabric!r}")
        if len(dict.fromkeys(self.fabrics)) != len(self.fabrics):
            raise CatalogueError(RejectReason.MALFORMED, f"fabrics must differ, were {self.fabrics!r}")

    @property
    def lot_micros(self) -> int:
        """Micro-dollars of one tick on one lot for the window: H of the rules."""
        return self.tick_micros * self.lot_scu

    def gate_ns(self, window: int) -> int:
        """Return the nanosecond at which the gate of a window closes."""
        return gate_ns(window, self.gate_lead_s)
