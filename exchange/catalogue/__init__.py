"""Reference data: hardware classes, products, instruments, strips, and the names of accounts and groups."""

from exchange.catalogue.classes import HARDWARE_CLASSES, HardwareClass
from exchange.catalogue.names import ProductName
from exchange.catalogue.products import Product
from exchange.catalogue.registry import Catalogue, Instrument
from exchange.catalogue.strips import Strip, strips_of_day, week_of
from exchange.catalogue.symbols import format_span_symbol, format_symbol, parse_span_symbol, parse_symbol

__all__ = [
    "HARDWARE_CLASSES",
    "Catalogue",
    "HardwareClass",
    "Instrument",
    "Product",
    "ProductName",
    "Strip",
    "format_span_symbol",
    "format_symbol",
    "parse_span_symbol",
    "parse_symbol",
    "strips_of_day",
    "week_of",
]
