"""The signed side of HTTP: what an account has, as JSON. It only reads: orders go over the WebSocket.

A request carries the id of an API key, microseconds since 1970 and HMAC-SHA256(secret, method + path with query + ts +
body), in hexadecimal digits. The engine runs ahead of the disk, so an answer waits until all it says is durable; its
`gseq` is the last command in it (SES-070).
"""

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from aiohttp import web

from exchange.catalogue import Catalogue
from exchange.engine import Core
from exchange.reasons import REJECT_TEXT, RejectReason
from gateway.account_view import read_holdings
from gateway.auth import ApiKey, KeyStore, LoginGuard
from gateway.config import GatewayConfig
from gateway.door import origin
from gateway.protocol import INTEGER_MAX, MessageType
from gateway.protocol.text import objects
from gateway.publisher import Publisher
from gateway.signing import KEY, SIGNATURE, TIME

QUOTE_LANES = 256  # The core counts quote sets as the lanes from here on.
ROWS_MAX = 1_000  # Of fills and events in one answer.
US_PER_MS = 1_000
Answer = dict[str, Any]
Reader = Callable[[int, web.Request], Answer]


class ReadEngine(Protocol):
    """What is read of the engine."""

    catalogue: Catalogue
    core: Core

    @property
    def seq(self) -> int:
        """Sequence number of the last command applied."""


class Refused(Exception):
    """The request cannot be answered."""

    def __init__(self, reason: RejectReason, status: int) -> None:
        super().__init__(reason.name)
        self.reason = reason
        self.status = status


class AccountApi:
    """The handlers of one venue."""

    def __init__(
        self,
        engine: ReadEngine,
        publisher: Publisher,
        keys: KeyStore,
        guard: LoginGuard,
        config: GatewayConfig,
        wall_us: Callable[[], int],
    ) -> None:
        self._engine = engine
        self._publisher = publisher
        self._keys = keys
        self._guard = guard
        self._config = config
        self._wall_us = wall_us

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        readers: dict[str, Reader] = {
            "/v1/orders": self._orders,
            "/v1/orders/{oid}": self._order,
            "/v1/orders/ref/{lane}/{ref}": self._order_by_ref,
            "/v1/orders/tag/{tag}": self._orders_by_tag,
            "/v1/fills": self._fills,
            "/v1/events": self._events,
            "/v1/positions": self._positions,
            "/v1/margin": self._margin,
            "/v1/limits": self._limits,
        }
        return [web.get(path, self._handler(read)) for path, read in readers.items()]

    def _handler(self, read: Reader) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            try:
                account = self._account_of(request, time.monotonic_ns())
                answer, seq = read(account, request), self._engine.seq
            except Refused as refused:
                reason = refused.reason
                told = {"code": int(reason), "reason": reason.name, "text": REJECT_TEXT[reason]}
                return web.json_response(told, status=refused.status)
            await self._publisher.durable(seq)
            return web.json_response(answer | {"gseq": seq})

        return handle

    # Who asks.

    def _account_of(self, request: web.Request, now_ns: int) -> int:
        address = origin(request.remote or "")
        if self._guard.is_refused(address, now_ns):
            raise Refused(RejectReason.RATE, 429)
        key = self._key_of(request)
        account = None if key is None else self._engine.catalogue.account_number(key.account)
        if key is None or account is None or not key.is_usable(request.remote or "", self._wall_us()):
            self._guard.note_failure(address, now_ns)
            raise Refused(RejectReason.AUTH, 401)
        if abs(number(request.headers.get(TIME, "")) - self._wall_us()) > self._config.login_clock_ms * US_PER_MS:
            raise Refused(RejectReason.CLOCK, 401)
        if "read" not in key.scopes:
            raise Refused(RejectReason.SCOPE, 403)
        return account

    def _key_of(self, request: web.Request) -> ApiKey | None:
        """Return the key whose owner signed the request, or None; an unknown key costs as much as a wrong signature."""
        ts_us = number(request.headers.get(TIME, ""))
        signed = f"{request.method}{request.raw_path}{ts_us}".encode()
        return self._keys.owner(request.headers.get(KEY, ""), signed, request.headers.get(SIGNATURE, ""))

    # What there is.

    def _orders(self, account: int, request: web.Request) -> Answer:
        core = self._engine.core
        return {
            "orders": [self._order_row(row) for row in core.open_orders(account)],
            "blocks": [self._block_row(row) for row in core.open_blocks(account)],
        }

    def _order(self, account: int, request: web.Request) -> Answer:
        oid = number(request.match_info["oid"])
        return self._one(account, lambda row: row["oid"] == oid)

    def _order_by_ref(self, account: int, request: web.Request) -> Answer:
        lane, ref = number(request.match_info["lane"]), number(request.match_info["ref"])
        return self._one(account, lambda row: (row.get("lane"), row.get("ref")) == (lane, ref))

    def _one(self, account: int, is_wanted: Callable[[Answer], bool]) -> Answer:
        core = self._engine.core
        for name, rows in (
            ("order", map(self._order_row, core.open_orders(account))),
            ("block", map(self._block_row, core.open_blocks(account))),
        ):
            for row in rows:
                if is_wanted(row):
                    return {name: row}
        raise Refused(RejectReason.NO_ORDER, 404)

    def _orders_by_tag(self, account: int, request: web.Request) -> Answer:
        tag = number(request.match_info["tag"])
        everything = self._orders(account, request)
        return {name: [row for row in rows if row["tag"] == tag] for name, rows in everything.items()}

    def _order_row(self, row: tuple[int, ...]) -> Answer:
        oid, ref, lane, inst, side, px, leaves, cum, tag = row
        who = {"set": lane - QUOTE_LANES} if lane >= QUOTE_LANES else {"lane": lane, "ref": ref}
        return {
            "oid": oid, **who, "inst": inst, "symbol": self._engine.catalogue.symbol(inst), "side": side, "px": px,
            "qty": leaves + cum, "cum": cum, "leaves": leaves, "tag": tag,
        }  # fmt: skip

    def _block_row(self, row: tuple[int, ...]) -> Answer:
        oid, ref, lane, product, scope, start, hours, side, limit, leaves, cum, tag = row
        known = self._engine.catalogue.product(product)
        fabrics = [index for index in range(len(known.fabrics)) if scope >> index & 1]
        return {
            "oid": oid, "lane": lane, "ref": ref, "product": product, "name": known.name, "fabrics": fabrics,
            "start": start, "hours": hours, "side": side, "limit_total": limit, "qty": leaves + cum, "cum": cum,
            "leaves": leaves, "tag": tag,
        }  # fmt: skip

    def _fills(self, account: int, request: web.Request) -> Answer:
        return {"fills": self._told(account, request, MessageType.FILL)}

    def _events(self, account: int, request: web.Request) -> Answer:
        return {"events": self._told(account, request, None)}

    def _told(self, account: int, request: web.Request, kind: MessageType | None) -> list[Answer]:
        """Private messages after `since_pseq`, at most `limit`."""
        router = self._publisher.router
        first = asked(request.query, "since_pseq", 0) + 1
        limit = min(asked(request.query, "limit", ROWS_MAX), ROWS_MAX)
        first = max(first, router.oldest_pseq(account)) if "since_pseq" not in request.query else first
        frames = router.frames(account, first, router.pseq(account))
        if frames is None:
            raise Refused(RejectReason.REPLAY_TOO_OLD, 410)
        rows = (row for row in objects(frames) if kind is None or row["t"] == kind.name.lower())
        return [row for row, _ in zip(rows, range(limit), strict=False)]

    def _positions(self, account: int, request: web.Request) -> Answer:
        names = ("inst", "net", "open_buy", "open_sell")
        held = read_holdings(self._engine, account).positions
        return {
            "positions": [
                {"symbol": self._engine.catalogue.symbol(inst)} | dict(zip(names, (inst, *lots), strict=True))
                for inst, lots in held.items()
            ]
        }

    def _margin(self, account: int, request: web.Request) -> Answer:
        core = self._engine.core
        cash, reserved = core.balance(account), core.requirement_sum(account)
        return {"cash": cash, "reserved": reserved, "available": cash - reserved}

    def _limits(self, account: int, request: web.Request) -> Answer:
        config = self._config
        return {
            "orders_per_s": config.orders_per_s, "burst_orders": config.burst_orders,
            "cancels_per_s": 2 * config.orders_per_s, "burst_cancels": 2 * config.burst_orders,
        }  # fmt: skip


def number(text: str) -> int:
    """Read a whole number of a path, header or query."""
    if not (text.isascii() and text.isdigit() and len(text) <= 16 and int(text) <= INTEGER_MAX):
        raise Refused(RejectReason.MALFORMED, 400)
    return int(text)


def asked(query: Mapping[str, str], name: str, default: int) -> int:
    """Read a whole number of a query, or return the default where it is not given."""
    return number(query[name]) if name in query else default
