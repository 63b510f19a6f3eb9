"""Symbols: ``PRODUCT.FABRIC@WINDOW``, such as ``H100-SXM.IB400.cuda12.T1.use1-f03@2026-11-24T14``.

Product names may hold dots and fabric names may not: the fabric is what follows the last dot before the ``@``.
"""

from exchange.errors import SymbolError
from exchange.units import window_id, window_text


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
