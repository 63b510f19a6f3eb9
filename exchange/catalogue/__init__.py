"""Reference data: hardware classes, products, instruments, and the names of accounts and groups."""

from exchange.catalogue.classes import HARDWARE_CLASSES, HardwareClass
from exchange.catalogue.products import Product
from exchange.catalogue.registry import Catalogue, Instrument
from exchange.catalogue.symbols import format_symbol, parse_symbol

__all__ = [
    "HARDWARE_CLASSES",
    "Catalogue",
    "HardwareClass",
    "Instrument",
    "Product",
    "format_symbol",
    "parse_symbol",
]
