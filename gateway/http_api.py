"""The HTTP side: health, metrics and public reference data, as JSON."""

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from aiohttp import web

from exchange.reasons import REJECT_TEXT, RejectReason
from gateway import reference_api
from gateway.market_data import NS_PER_US
from gateway.metrics import CONTENT_TYPE
from gateway.publisher import Publisher

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
BOOK_DEPTH = 20


class Served(Protocol):
    """What the handlers need of the server."""

    publisher: Publisher

    def health(self) -> dict[str, Any]:
        """Return the state of the server."""

    def wall_us(self) -> int:
        """Microseconds since 1970."""

    def indices(self) -> dict[str, int]:
        """Return the index of each hardware class, micro-dollars per SCU-hour."""

    def metrics_text(self) -> bytes:
        """Return the metrics in the text format of Prometheus."""


def routes(server: Served) -> list[web.RouteDef]:
    """Return the routes."""
    api = HttpApi(server)
    return [
        web.get("/health", api.health),
        web.get("/metrics", api.metrics),
        web.get("/v1/time", api.time),
        web.get("/v1/instruments", api.instruments),
        web.get("/v1/book", api.book),
        web.get("/v1/strips", api.strips),
        web.get("/v1/indices", api.indices),
        *reference_api.routes(server.publisher),
    ]


def refusal(reason: RejectReason, status: int) -> web.Response:
    """Return an error with the same numbers as on the WebSocket."""
    return web.json_response({"code": int(reason), "reason": reason.name, "text": REJECT_TEXT[reason]}, status=status)


class HttpApi:
    """Handlers."""

    def __init__(self, server: Served) -> None:
        self._server = server

    async def health(self, request: web.Request) -> web.Response:
        """Tell whether the server takes orders; 503 when it does not."""
        health = self._server.health()
        return web.json_response(health, status=200 if health["status"] == "ok" else 503)

    async def metrics(self, request: web.Request) -> web.Response:
        """Return the metrics for Prometheus."""
        return web.Response(body=self._server.metrics_text(), headers={"Content-Type": CONTENT_TYPE})

    async def time(self, request: web.Request) -> web.Response:
        """Return the server's clock, in microseconds."""
        return web.json_response({"ts": self._server.wall_us()})

    async def instruments(self, request: web.Request) -> web.Response:
        """Return all instruments, or those of one `product`."""
        board = self._server.publisher.board
        product = request.query.get("product")
        return web.json_response(
            {
                "instruments": [
                    board.row(one.handle)
                    for one in board.catalogue.instruments
                    if product is None or one.product.name == product
                ]
            }
        )

    async def book(self, request: web.Request) -> web.Response:
        """Return the depth of the instrument `inst`, a handle or a symbol, at most `depth` levels a side."""
        publisher = self._server.publisher
        text, depth_text = request.query.get("inst", ""), request.query.get("depth", str(BOOK_DEPTH))
        if not (depth_text.isascii() and depth_text.isdigit() and len(depth_text) <= 6):
            return refusal(RejectReason.MALFORMED, 400)
        if text.isascii() and text.isdigit() and len(text) <= 10:
            handle: int | None = int(text)
        else:
            handle = publisher.board.catalogue.handle_of_symbol(text)
        if handle is None or not publisher.board.exists(handle):
            return refusal(RejectReason.NO_INSTRUMENT, 404)
        depth = min(int(depth_text), publisher.book_depth_max)
        book = publisher.board.book(publisher.router.market(handle), depth)
        return web.json_response(book | {"ts": publisher.last_ts_ns // NS_PER_US})

    async def strips(self, request: web.Request) -> web.Response:
        """Return the listed strips with their prices: all, or those of one `product` and one `fabric`."""
        publisher = self._server.publisher
        rows = publisher.strips.rows(request.query.get("product"), request.query.get("fabric"))
        return web.json_response({"strips": rows, "ts": publisher.last_ts_ns // NS_PER_US})

    async def indices(self, request: web.Request) -> web.Response:
        """Return the index of each hardware class that is cleared and has a price (CLR-RATE-005)."""
        return web.json_response({"indices": self._server.indices(), "ts": self._server.wall_us()})
