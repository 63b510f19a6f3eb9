"""Reference data over HTTP: the terms of the products, and the best prices of all instruments in one answer."""

import dataclasses
from typing import Any

from aiohttp import web

from exchange.reasons import REJECT_TEXT, RejectReason
from gateway.market_data import NS_PER_US
from gateway.publisher import Publisher


def routes(publisher: Publisher) -> list[web.RouteDef]:
    """Return the routes."""
    api = ReferenceApi(publisher)
    return [web.get("/v1/products", api.products), web.get("/v1/tickers", api.tickers)]


class ReferenceApi:
    """Handlers."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher

    async def products(self, request: web.Request) -> web.Response:
        """Return every product with its number and all its terms."""
        products = self._publisher.board.catalogue.products
        rows = [{"number": number} | dataclasses.asdict(product) for number, product in enumerate(products, 1)]
        return web.json_response({"products": rows})

    async def tickers(self, request: web.Request) -> web.Response:
        """Return the best prices of all instruments, of those of one `product`, or of the one that `inst` names."""
        catalogue = self._publisher.board.catalogue
        product, named = request.query.get("product"), request.query.get("inst")
        handles = [one.handle for one in catalogue.instruments if product in (None, one.product.name)]
        if named is not None:
            handles = [handle for handle in handles if named in (str(handle), catalogue.symbol(handle))]
            if not handles:
                reason = RejectReason.NO_INSTRUMENT
                told = {"code": int(reason), "reason": reason.name, "text": REJECT_TEXT[reason]}
                return web.json_response(told, status=404)
        rows = [self._ticker(handle) for handle in handles]
        return web.json_response({"tickers": rows, "ts": self._publisher.last_ts_ns // NS_PER_US})

    def _ticker(self, handle: int) -> dict[str, Any]:
        names = ("bid_px", "bid_qty", "ask_px", "ask_qty")
        prices = dict(zip(names, self._publisher.router.market(handle).best_prices(), strict=True))
        board = self._publisher.board
        return {
            "inst": handle, "symbol": board.catalogue.symbol(handle), "state": int(board.phase(handle)), **prices,
        }  # fmt: skip
