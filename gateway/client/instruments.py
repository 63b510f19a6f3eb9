"""What the client knows of the instruments: handles, symbols, and how prices are written."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from exchange.errors import SymbolError
from exchange.units import price_text, price_ticks

Price = str | Decimal
DECIMAL_EXPONENT_MAX = 32  # Decimal digits before or behind the point of a Decimal that is read as a price.


@dataclass(frozen=True, slots=True)
class InstrumentInfo:
    """One instrument, as the server described it. Times are microseconds."""

    inst: int
    symbol: str
    tick_micros: int
    lot_scu: int
    start_ts: int
    end_ts: int
    last_trade_ts: int
    unit: str
    region: str
    state: int

    def ticks(self, price: Price) -> int:
        """Return the ticks of an exact decimal price in dollars per SCU-hour, such as "2.45".

        Raises:
            TypeError: the price is neither text nor a Decimal; a float would not be exact.
            SymbolError: it is no decimal, or no whole number of ticks.

        """
        return price_ticks(decimal_text(price), self.tick_micros)

    def price(self, ticks: int) -> str:
        """Return the decimal price of ticks."""
        return price_text(ticks, self.tick_micros)

    def decimal(self, ticks: int) -> Decimal:
        """Return the price of ticks, exact."""
        return Decimal(self.price(ticks))


@dataclass(frozen=True, slots=True)
class ProductInfo:
    """One product, as the server described it."""

    number: int
    name: str
    fabrics: tuple[str, ...]
    zone: str
    tick_micros: int
    lot_scu: int
    band_static_bps: int = 0  # 0: it has none.
    band_dynamic_bps: int = 0

    def fabric_index(self, name: str) -> int:
        """Return the place of a fabric in the product's list. Raises LookupError when it is not in it."""
        if name not in self.fabrics:
            raise LookupError(f"product {self.name} has no fabric {name!r}")
        return self.fabrics.index(name)


class Instruments:
    """All instruments of the venue, by symbol and by handle, and their products."""

    def __init__(self) -> None:
        self._products: dict[str, ProductInfo] = {}
        self._by_symbol: dict[str, InstrumentInfo] = {}
        self._by_handle: dict[int, InstrumentInfo] = {}

    def __len__(self) -> int:
        return len(self._by_handle)

    def __iter__(self) -> Any:
        return iter(self._by_handle.values())

    def take(self, message: list[Any]) -> None:
        """Take in an `instrument` message."""
        info = InstrumentInfo(*message[1:11])
        self._by_symbol[info.symbol] = info
        self._by_handle[info.inst] = info

    def take_product(self, message: list[Any]) -> None:
        """Take in a `product` message."""
        number, name, fabrics, *terms = message[1:9]
        self._products[name] = ProductInfo(number, name, tuple(fabrics), *terms)

    def product(self, name: str) -> ProductInfo:
        """Return a product by its name.

        Raises:
            LookupError: the server has no instrument of it.

        """
        if name not in self._products:
            raise LookupError(f"there is no product {name!r}")
        return self._products[name]

    def find(self, instrument: str | int) -> InstrumentInfo:
        """Return the instrument of a symbol or handle.

        Raises:
            LookupError: the server has not listed it.

        """
        table: dict[Any, InstrumentInfo] = self._by_symbol if isinstance(instrument, str) else self._by_handle
        info = table.get(instrument)
        if info is None:
            raise LookupError(f"there is no instrument {instrument!r}")
        return info


def decimal_text(price: Price | None) -> str:
    """Return a price as plain decimal text.

    Raises:
        TypeError: it is neither text nor a Decimal.
        SymbolError: it is a Decimal that is not finite, or absurdly large or small.

    """
    if isinstance(price, str):
        return price
    if not isinstance(price, Decimal):
        raise TypeError(f"price must be decimal text such as '2.45' or a Decimal, was {price!r}")
    if not price.is_finite() or abs(price.adjusted()) > DECIMAL_EXPONENT_MAX:
        raise SymbolError(f"price must be a decimal within 10^{DECIMAL_EXPONENT_MAX}, was {price}")
    text = format(price, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
