"""What the client knows of the instruments: handles, symbols, and how prices are written."""

from dataclasses import dataclass
from typing import Any

from exchange.units import price_text, price_ticks


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

    def ticks(self, price: str) -> int:
        """Return the ticks of an exact decimal price in dollars per SCU-hour, such as "2.45".

        Raises:
            TypeError: the price is not text; a float would not be exact.
            SymbolError: it is no decimal, or no whole number of ticks.

        """
        if not isinstance(price, str):
            raise TypeError(f"price must be decimal text such as '2.45', was {price!r}")
        return price_ticks(price, self.tick_micros)

    def price(self, ticks: int) -> str:
        """Return the decimal price of ticks."""
        return price_text(ticks, self.tick_micros)


class Instruments:
    """All instruments of the venue, by symbol and by handle."""

    def __init__(self) -> None:
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
