"""Symbols: ``PRODUCT.FABRIC@WINDOW``, such as ``H100-SXM.IB400.cuda12.T1.use1-f03@2026-11-24T14``.

Product names may hold dots and fabric names may not: the fabric is what follows the last dot before the ``@``.
A span of several windows has its hours behind it: ``H100-SXM.IB400.cuda12.T1.use1-f03@2026-11-24T14+8``.
"""

import re

from exchange.errors import SymbolError
from exchange.units import BLOCK_HOURS_MAX, WINDOW_MAX, window_id, window_text

_HOURS = re.compile(r"[1-9]\d{0,3}", re.ASCII)


def format_symbol(product: str, fabric: str, window: int) -> str:
    """Return the symbol of an instrument."""
    return f"{product}.{fabric}@{window_text(window)}"


def parse_symbol(symbol: str) -> tuple[str, str, int]:
    """Return product, fabric and window of a symbol; whether they are listed is the catalogue's to say.

    Raises:
        SymbolError: the text has no ``@``, no dot before it, an empty name, or no window.

    """
    leaf, at, window = symbol.partition("@")
    product, dot, fabric = leaf.rpartition(".")
    if not (at and dot and product and fabric):
        raise SymbolError(f"symbol must look like PRODUCT.FABRIC@2026-11-24T14, was {symbol!r}")
    return product, fabric, window_id(window)


def format_span_symbol(product: str, fabric: str, window: int, hours: int) -> str:
    """Return the symbol of ``hours`` windows from ``window`` on; of one hour it is the plain symbol.

    Raises:
        SymbolError: hours are not within [1, BLOCK_HOURS_MAX], or the span is not within the calendar.

    """
    _check_span(window, hours, 1)
    plain = format_symbol(product, fabric, window)
    return plain if hours == 1 else f"{plain}+{hours}"


def parse_span_symbol(symbol: str) -> tuple[str, str, int, int]:
    """Return product, fabric, first window and hours; the inverse of format_span_symbol.

    Raises:
        SymbolError: as parse_symbol; the hours are no plain number of 2 to BLOCK_HOURS_MAX, since a span has one
            symbol only; or the span is not within the calendar.

    """
    leaf, at, span = symbol.partition("@")
    window_part, plus, hours_part = span.partition("+")
    product, fabric, window = parse_symbol(f"{leaf}{at}{window_part}")
    if not plus:
        return product, fabric, window, 1
    if _HOURS.fullmatch(hours_part) is None:
        raise SymbolError(f"hours must be a number from 2 to {BLOCK_HOURS_MAX}, was {hours_part!r}")
    _check_span(window, int(hours_part), 2)
    return product, fabric, window, int(hours_part)


def _check_span(window: int, hours: int, least: int) -> None:
    if not least <= hours <= BLOCK_HOURS_MAX:
        raise SymbolError(f"hours must be from {least} to {BLOCK_HOURS_MAX}, was {hours}")
    if window + hours - 1 > WINDOW_MAX:
        raise SymbolError(f"last window must be at most {WINDOW_MAX}, was {window + hours - 1}")
