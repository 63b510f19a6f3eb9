"""Orders at the market: IOC at the best price of the moment and a little beyond. The venue knows limits only.

How far beyond is the product's price band, so that such an order does not walk through a thin book, and is not what
takes a window into a volatility call; a caller may ask for less or more.
"""

import abc
from typing import Any

from exchange.catalogue.symbols import parse_symbol
from exchange.records import Side, Tif
from exchange.units import BPS, PRICE_MAX_TICKS
from gateway.client.entry import OrderEntry
from gateway.client.events import BestPrices
from gateway.client.instruments import InstrumentInfo
from gateway.client.orders import Order

SLIPPAGE_BPS = 500  # Where the product has no band.


class MarketOrders(OrderEntry, abc.ABC):
    """Entry of orders at the market."""

    @abc.abstractmethod
    async def best_prices(self, symbol: str | int) -> BestPrices:
        """Ask for the best bid and ask of an instrument."""

    async def buy_at_market(
        self, symbol: str | int, *, lots: int, slippage_bps: int | None = None, **terms: Any
    ) -> Order:
        """Buy at the best ask and up to ``slippage_bps`` above it; what is not had at once ends (IOC).

        Args:
            symbol: of the instrument, or its handle.
            lots: whole lots.
            slippage_bps: hundredths of a per cent; None: the narrower of the product's bands, 500 where it has none.
            terms: further ones of `place_nowait`, such as ``tag``.

        Raises:
            LookupError: there is no such instrument, or nothing is for sale in it.
            OrderRejected: the order was refused.
            ConnectionClosed: the connection ended before the answer.

        """
        return await self._at_market(symbol, Side.BUY, lots, slippage_bps, terms)

    async def sell_at_market(
        self, symbol: str | int, *, lots: int, slippage_bps: int | None = None, **terms: Any
    ) -> Order:
        """Sell at the best bid and down to ``slippage_bps`` below it, as `buy_at_market`."""
        return await self._at_market(symbol, Side.SELL, lots, slippage_bps, terms)

    async def _at_market(
        self, symbol: str | int, side: Side, lots: int, slippage_bps: int | None, terms: dict[str, Any]
    ) -> Order:
        info = self.instruments.find(symbol)
        prices = await self.best_prices(info.inst)
        best, there = (prices.ask_px, prices.ask_qty) if side == Side.BUY else (prices.bid_px, prices.bid_qty)
        if there == 0:
            raise LookupError(f"there must be somebody to trade with in {info.symbol}, was nobody")
        bps = self._slippage(info) if slippage_bps is None else slippage_bps
        order = self.place_nowait(info.inst, side, lots=lots, ticks=edge(side, best, bps), tif=Tif.IOC, **terms)
        return await order.accepted()

    def _slippage(self, info: InstrumentInfo) -> int:
        product = self.instruments.product(parse_symbol(info.symbol)[0])
        bands = [bps for bps in (product.band_static_bps, product.band_dynamic_bps) if bps]
        return min(bands, default=SLIPPAGE_BPS)


def edge(side: Side, best: int, bps: int) -> int:
    """Return the limit in ticks: the best price and ``bps`` beyond it, rounded towards the best price."""
    if bps < 0:
        raise ValueError(f"slippage_bps must not be negative, was {bps}")
    beyond = best * bps // BPS
    return min(best + beyond, PRICE_MAX_TICKS) if side == Side.BUY else max(best - beyond, 0)
