"""The HTTP side: health, metrics and public reference data, as JSON."""

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from aiohttp import web

from exchange.reasons import REJECT_TEXT, RejectReason
from gateway import reference_api
from gateway.market_data import NS_PER_US
from gateway.metrics import CONTENT_TYPE
from gateway.protocol import CANDLE_INTERVALS_S, INTEGER_MAX
from gateway.publisher import Publisher

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
BOOK_DEPTH = 20
ROWS = 100  # Of trades or candles, if the request does not say.
NUMBER_CHARACTERS_MAX = 16


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
        web.get("/v1/book", answered(api.book)),
        web.get("/v1/strips", api.strips),
        web.get("/v1/indices", api.indices),
        web.get("/v1/trades", answered(api.trades)),
        web.get("/v1/candles", answered(api.candles)),
        web.get("/v1/curve", answered(api.curve)),
        *reference_api.routes(server.publisher),
    ]


class RequestFailed(Exception):
    """A request that is answered with a reason."""

    def __init__(self, reason: RejectReason, status: int) -> None:
        super().__init__(reason.name)
        self.response = refusal(reason, status)


def answered(handler: Handler) -> Handler:
    """Return a handler that answers RequestFailed."""

    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except RequestFailed as failure:
            return failure.response

    return handle


def is_number(text: str) -> bool:
    """Whether a text is a whole number of a sensible length."""
    return text.isascii() and text.isdigit() and len(text) <= NUMBER_CHARACTERS_MAX


def number(request: web.Request, name: str, default: int) -> int:
    """Return a number of a request's query. Raises RequestFailed."""
    text = request.query.get(name, str(default))
    if not is_number(text):
        raise RequestFailed(RejectReason.MALFORMED, 400)
    return int(text)


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
        handle = self._handle(request)
        depth = min(number(request, "depth", BOOK_DEPTH), publisher.book_depth_max)
        book = publisher.board.book(publisher.router.market(handle), depth)
        return web.json_response(book | {"ts": publisher.last_ts_ns // NS_PER_US})

    async def trades(self, request: web.Request) -> web.Response:
        """Return the last trades of the instrument `inst`, at most `limit`, the oldest first."""
        handle, limit = self._handle(request), number(request, "limit", ROWS)
        rows = self._server.publisher.router.market(handle).last_trades(limit)
        names = ("seq", "ts", "trade_id", "px", "qty", "aggressor", "flags")
        return web.json_response({"inst": handle, "trades": [dict(zip(names, row, strict=True)) for row in rows]})

    async def candles(self, request: web.Request) -> web.Response:
        """Return the last candles of `inst` with from <= t0 < to, at most `limit`, the oldest first."""
        handle, limit = self._handle(request), number(request, "limit", ROWS)
        interval_s = number(request, "interval", CANDLE_INTERVALS_S[0])
        from_us, to_us = number(request, "from", 0), number(request, "to", INTEGER_MAX)
        if interval_s not in CANDLE_INTERVALS_S:
            raise RequestFailed(RejectReason.MALFORMED, 400)
        rows = self._server.publisher.router.market(handle).candle_history(interval_s, from_us, to_us, limit)
        names = ("t0", "o", "h", "l", "c", "v", "n", "closed")
        candles = [dict(zip(names, row, strict=True)) for row in rows]
        return web.json_response({"inst": handle, "interval_s": interval_s, "candles": candles})

    async def curve(self, request: web.Request) -> web.Response:
        """Return the forward curve and the index of the hardware class `class`."""
        publisher = self._server.publisher
        row = publisher.curves.row(request.query.get("class", ""))
        if row is None:
            raise RequestFailed(RejectReason.NOT_CLEARED, 404)
        return web.json_response(row | {"ts": publisher.last_ts_ns // NS_PER_US})

    def _handle(self, request: web.Request) -> int:
        """Return the listed instrument that `inst`, a handle or a symbol, names. Raises RequestFailed."""
        board, text = self._server.publisher.board, request.query.get("inst", "")
        handle = int(text) if is_number(text) else board.catalogue.handle_of_symbol(text)
        if handle is None or not board.exists(handle):
            raise RequestFailed(RejectReason.NO_INSTRUMENT, 404)
        return handle

    async def strips(self, request: web.Request) -> web.Response:
        """Return the listed strips with their prices: all, or those of one `product` and one `fabric`."""
        publisher = self._server.publisher
        rows = publisher.strips.rows(request.query.get("product"), request.query.get("fabric"))
        return web.json_response({"strips": rows, "ts": publisher.last_ts_ns // NS_PER_US})

    async def indices(self, request: web.Request) -> web.Response:
        """Return the index of each hardware class that is cleared and has a price (CLR-RATE-005)."""
        return web.json_response({"indices": self._server.indices(), "ts": self._server.wall_us()})
