"""Hourglass as a ccxt exchange: ``hourglass({"apiKey": id, "secret": hexadecimal digits, "hostname": "host:port"})``.

Queries go over signed HTTP, commands and news over one WebSocket in text form. This file needs ccxt and the standard
library only, so that it can be copied into a bot. How symbols, ids and errors are mapped: docs/ccxt.md.
"""

import asyncio
import contextlib
import hashlib
import hmac
from typing import Any

from ccxt.async_support.base.exchange import Exchange
from ccxt.async_support.base.ws.cache import ArrayCache, ArrayCacheBySymbolById, ArrayCacheByTimestamp
from ccxt.base import errors
from ccxt.base.decimal_to_precision import TICK_SIZE
from ccxt.base.precise import Precise
from ccxt.base.types import Entry

Row = dict[str, Any]
Rows = list[Row]
Int = int | None
Str = str | None

# Reject reasons of the venue, by the class ccxt has for them.
KINDS: dict[type[errors.BaseError], str] = {
    errors.AuthenticationError: "110 AUTH, 113 NO_ACCOUNT, 253 SIGNATURE",
    errors.BadRequest: "100 MALFORMED, 205 ALREADY_LISTED, 242 NAME_IN_USE, 300 REPLAY_TOO_OLD",
    errors.BadSymbol: "200 NO_INSTRUMENT, 203 NO_PRODUCT, 204 NO_FABRIC",
    errors.ContractUnavailable: "202 WINDOW_CLOSED",
    errors.DuplicateOrderId: "240 STALE_REF",
    errors.ExchangeNotAvailable: "121 OVERLOAD",
    errors.InsufficientFunds: "220 MARGIN, 221 POSITION_LIMIT, 222 BALANCE, 223 NO_CAPACITY",
    errors.InvalidNonce: "112 CLOCK",
    errors.InvalidOrder: "210 PX_TICK, 211 PX_BAND, 212 QTY_LOT, 213 QTY_MAX",
    errors.MarketClosed: "201 NOT_OPEN",
    errors.NotSupported: "101 UNKNOWN_TYPE, 251 NOT_CLEARED",
    errors.OnMaintenance: "122 DRAINING",
    errors.OperationRejected: "216 DEADLINE, 217 STP, 218 REDUCE_ONLY, 219 PRIORITY, 232 OPEN_LIMIT, 233 BLOCK_LIMIT, "
                              "250 MMP_FROZEN, 252 NO_DELIVERY, 254 CONTRADICTION, 255 NO_AUCTION",
    errors.OrderImmediatelyFillable: "214 WOULD_TAKE",
    errors.OrderNotFillable: "215 FOK_UNFILLED",
    errors.OrderNotFound: "230 NO_ORDER",
    errors.PermissionDenied: "111 SCOPE, 224 DEFAULTED",
    errors.RateLimitExceeded: "120 RATE",
}  # fmt: skip
REASONS = {
    int(code): (name, kind)
    for kind, reasons in KINDS.items()
    for code, name in (reason.split() for reason in reasons.split(", "))
}
# Close codes that are not simply a lost connection; 4001 has a reason of its own.
CLOSES: dict[int, type[errors.BaseError]] = {
    4001: errors.AuthenticationError,
    4003: errors.BadRequest,
    4011: errors.AuthenticationError,  # Another session has taken the lane: coming back would only take it again.
    4012: errors.OnMaintenance,
    4029: errors.RateLimitExceeded,
}
PATHS = {
    "public": ["health", "v1/time", "v1/instruments", "v1/products", "v1/tickers", "v1/book", "v1/trades",
               "v1/candles", "v1/strips", "v1/indices", "v1/curve"],
    "private": ["v1/orders", "v1/orders/{oid}", "v1/orders/ref/{lane}/{ref}", "v1/orders/tag/{tag}", "v1/fills",
                "v1/events", "v1/positions", "v1/margin", "v1/limits"],
}  # fmt: skip
LOGIN, REPLAY, OTHER = 1, 2, 3  # Refs of requests that nobody waits for.
LAST_OWN_REF = 9
L1, L2, TRADES, INSTRUMENTS, CANDLES = 1, 2, 3, 5, 8
OPEN_STATES = (1, 2, 8, 9)  # CONTINUOUS, OPEN, PRECLOSE, VOLATILITY: phases that take orders.
SIDES = ("buy", "sell")
TIME_IN_FORCE = {"GTC": 0, "IOC": 1, "FOK": 2, "GTD": 3, "AU": 4}
ENDS_AT_ONCE = (1, 2)  # IOC, FOK.
POST_ONLY, REDUCE_ONLY, BLOCK, EXPIRED = 1, 2, 32, 2
FLAGS = {"postOnly": POST_ONLY, "reduceOnly": REDUCE_ONLY, "cancelOnDisconnect": 4, "physical": 16, "standby": 32,
         "firm": 64}  # fmt: skip
LARGEST_TAG = (1 << 32) - 1
VALUE_MAX = "1073741824"
OPERATIONS_PER_FRAME = 64
PAGE = 1_000
DAY_MS = 86_400_000
YES = ("future cancelAllOrders cancelAllOrdersAfter cancelOrder cancelOrders cancelOrderWithClientOrderId createOrder "
       "createOrders createOrderWs createOrdersWs createPostOnlyOrder createReduceOnlyOrder cancelOrderWs "
       "cancelOrdersWs cancelAllOrdersWs editOrder editOrderWs fetchBalance fetchClosedOrders fetchL2OrderBook "
       "fetchMarkets fetchMyTrades fetchOHLCV fetchOpenOrders fetchOrder fetchOrderBook fetchOrderTrades "
       "fetchPosition fetchPositions fetchStatus fetchTicker fetchTickers fetchTime fetchTrades fetchTradingFees "
       "watchMyTrades watchOHLCV watchOrderBook watchOrders watchTicker watchTrades sandbox ws")  # fmt: skip
NO = ("CORS spot margin swap option addMargin borrowMargin createDepositAddress createStopOrder createTriggerOrder "
      "fetchCurrencies fetchCurrenciesWs fetchDeposits fetchFundingRate fetchLedger fetchLeverage fetchOrders "
      "fetchWithdrawals setLeverage setMarginMode transfer watchBalance watchPositions withdraw")  # fmt: skip


class Pending:
    """A command without an answer yet."""

    def __init__(self, message: Row) -> None:
        self.message = message
        self.answer: asyncio.Future[Row] = asyncio.get_running_loop().create_future()
        self.client: Any = None  # The connection it was last sent on.


class hourglass(Exchange):
    """One account on one lane of a venue."""

    def __init__(self, config: Row | None = None) -> None:
        self.by_inst: dict[int, Row] = {}
        self.pending: dict[int, Pending] = {}
        self.batches: dict[int, list[int]] = {}
        self.requests: dict[int, str] = {}  # Of subscriptions under way: their message hash.
        self.live: dict[int, Row] = {}  # Orders that have not ended, by oid.
        self.early: dict[int, Row] = {}  # Private messages after a gap that is being filled.
        self.fresh: Row = {}  # By message hash: news that nobody has been given yet.
        self.last_ref = self.pseq = self.epoch = 0
        self.request_ref = LAST_OWN_REF
        self.is_known = self.is_seeded = False  # Was welcomed before; knows what was open before that.
        super().__init__(config or {})
        limit = self.options["ordersLimit"]
        self.orders, self.myTrades = ArrayCacheBySymbolById(limit), ArrayCacheBySymbolById(limit)

    def describe(self) -> Row:
        """Return what ccxt must know of the venue."""
        names = [(name, True) for name in YES.split()] + [(name, False) for name in NO.split()]
        return self.deep_extend(super().describe(), {
            "id": "hourglass",
            "name": "Hourglass",
            "countries": [],
            "version": "v1",
            "rateLimit": 1,
            "certified": False,
            "pro": True,
            "hostname": "127.0.0.1:8080",
            "has": {**dict(names), "createMarketOrder": "emulated"},
            "urls": {
                "api": {"rest": "https://{hostname}", "ws": "wss://{hostname}/ws/v1?format=json"},
                "test": {"rest": "http://{hostname}", "ws": "ws://{hostname}/ws/v1?format=json"},
            },
            "api": {kind: {"get": dict.fromkeys(paths, 1)} for kind, paths in PATHS.items()},
            "timeframes": {"1m": 60, "5m": 300, "1h": 3_600},
            "exceptions": {"exact": {str(code): kind for code, (_, kind) in REASONS.items()}},
            "precisionMode": TICK_SIZE,
            "quoteJsonNumbers": False,  # All numbers of the venue are whole.
            "fees": {"trading": {"tierBased": False, "percentage": True}},
            "streaming": {"ping": self.ping, "keepAlive": 5_000},
            "options": {
                "lane": 0,
                "cancelOnDisconnect": 0,  # 1: all orders of the lane, 2: those that ask for it.
                "graceMs": 0,
                "heartbeatMs": 5_000,
                "reconnectAttempts": 6,
                "reconnectDelayMs": 200,  # Before the first attempt; twice as long before each further one.
                "slippage": "0.05",  # Of a market order without a price.
                "ordersLimit": 1_000,
                "tradesLimit": 1_000,
                "OHLCVLimit": 1_000,
            },
        })  # fmt: skip

    # HTTP.

    def sign(self, path: str, api: Any = "public", method: str = "GET", params: Any = None,
             headers: Any = None, body: Any = None) -> Row:  # fmt: skip
        """Return the request, signed if it is of an account."""
        query = self.omit(params or {}, self.extract_params(path))
        target = "/" + self.implode_params(path, params or {})
        target += "?" + self.urlencode(query) if query else ""
        if "private" in api:
            self.check_required_credentials()
            ts = str(self.milliseconds() * 1_000)
            signature = self.digest((method + target + ts).encode())
            headers = {"X-Hourglass-Key": self.apiKey, "X-Hourglass-Ts": ts, "X-Hourglass-Signature": signature}
        url = self.implode_hostname(self.urls["api"]["rest"]) + target
        return {"url": url, "method": method, "headers": headers, "body": body}

    def digest(self, signed: bytes) -> str:
        """Return the HMAC of some bytes, in hexadecimal digits."""
        try:
            secret = bytes.fromhex(self.secret)
        except ValueError as error:
            raise errors.AuthenticationError(f"{self.id} secret must be hexadecimal digits") from error
        return hmac.digest(secret, signed, hashlib.sha256).hex()

    def handle_errors(self, code: int, reason: str, url: str, method: str, headers: Any, body: str, response: Any,
                      request_headers: Any, request_body: Any) -> None:  # fmt: skip
        """Raise what an answer over HTTP means."""
        if isinstance(response, dict) and "reason" in response:
            raise self.refusal(int(response["code"]))
        if isinstance(response, dict) and response.get("status") == "draining":
            raise errors.OnMaintenance(f"{self.id} the venue is about to restart")
        if code == 404:
            raise errors.NotSupported(f"{self.id} this venue has no {url}")

    def refusal(self, code: int, arg: int = 0) -> errors.BaseError:
        """Return the error of a reason; `arg` is what the venue says with it."""
        name, kind = REASONS.get(code, ("UNKNOWN", errors.ExchangeError))
        return kind(f"{self.id} {code} {name}" + (f", wait {arg} microseconds" if arg and name == "RATE" else ""))

    async def public(self, path: str, **params: Any) -> Row:
        """Ask the venue."""
        return await self.request(path, "public", "GET", params)

    async def private(self, path: str, **params: Any) -> Row:
        """Ask the venue about the account."""
        return await self.request(path, "private", "GET", params)

    async def pages(self, path: str, name: str) -> Rows:
        """Return all private messages that are kept."""
        rows: Rows = []
        since: Row = {}
        while True:
            page = (await self.private(path, **since))[name]
            rows += page
            if len(page) < PAGE:
                return rows
            since = {"since_pseq": page[-1]["pseq"]}

    # Markets and units.

    async def fetch_markets(self, params: Any = None) -> Rows:
        """Return one market for each instrument."""
        listed, known = await asyncio.gather(self.public("v1/instruments"), self.public("v1/products"))
        self.options["products"] = {row["name"]: row for row in known["products"]}
        return [self.parse_market(row) for row in listed["instruments"]]

    def parse_market(self, row: Row) -> Row:
        """Return the market of an instrument's definition."""
        base, fabric, start = row["symbol"].partition("@")[0], row["region"], row["start_ts"] // 1_000
        terms = self.options.get("products", {}).get(base[: -len(fabric) - 1], {})
        tick, hours = self.dollars(row["tick_micros"]), (row["end_ts"] - row["start_ts"]) // 3_600_000_000
        hour, most = self.iso8601(start)[11:13], Precise.string_mul(tick, VALUE_MAX)
        return self.safe_market_structure({
            "id": row["symbol"], "numericId": row["inst"], "symbol": f"{base}/USD:USD-{self.yymmdd(start)}{hour}",
            "base": base, "baseId": base, "quote": "USD", "quoteId": "USD", "settle": "USD", "settleId": "USD",
            "type": "future", "spot": False, "margin": False, "swap": False, "future": True, "option": False,
            "active": row["state"] in OPEN_STATES, "contract": True, "linear": True, "inverse": False,
            "contractSize": row["lot_scu"] * hours, "expiry": start, "expiryDatetime": self.iso8601(start),
            "taker": self.share(terms.get("taker_fee_ppm")), "maker": self.share(terms.get("maker_fee_ppm")),
            "precision": {"amount": self.parse_number("1"), "price": self.parse_number(tick)},
            "limits": {
                "amount": {"min": self.parse_number("1"), "max": self.parse_number(VALUE_MAX)},
                "price": {"min": self.parse_number(tick), "max": self.parse_number(most)},
                "cost": {"min": None, "max": None}, "leverage": {"min": None, "max": None},
            },
            "info": row,
        })  # fmt: skip

    def set_markets(self, markets: Any, currencies: Any = None) -> Any:
        """Note the markets, by the venue's handles too."""
        result = super().set_markets(markets, currencies)
        self.by_inst = {market["numericId"]: market for market in self.markets.values()}
        return result

    def dollars(self, micros: Any) -> str:
        """Return micro-dollars as dollars."""
        return Precise.string_div(str(micros), "1000000")

    def share(self, millionths: Int) -> Any:
        """Return millionths, of a dollar or of a value, as a number."""
        return None if millionths is None else self.parse_number(self.dollars(millionths))

    def quoted(self, market: Row, ticks: Any) -> str:
        """Return ticks as dollars."""
        return Precise.string_mul(str(ticks), self.dollars(market["info"]["tick_micros"]))

    def ticks(self, market: Row, price: Any) -> int:
        """Return a price, rounded as ccxt does, as ticks."""
        text = self.price_to_precision(market["symbol"], price)
        return int(Precise.string_div(text, self.dollars(market["info"]["tick_micros"]), 0))

    def level(self, market: Row, px: int, qty: int) -> list[Any]:
        """Return one level of a book."""
        return [self.parse_number(self.quoted(market, px)), self.parse_number(str(qty))]

    def market_of(self, row: Row) -> Row:
        """Return the market of a message. Raises BadSymbol."""
        if row["inst"] not in self.by_inst:
            raise errors.BadSymbol(f"{self.id} the instrument {row['inst']} is not among the markets loaded")
        return self.by_inst[row["inst"]]

    async def known(self, rows: Rows) -> Rows:
        """Return rows of instruments, after loading the markets again where one of them is new."""
        await self.load_markets()
        if any(row["inst"] not in self.by_inst for row in rows if row.get("inst")):
            await self.load_markets(True)
        return rows

    # Public queries.

    async def fetch_time(self, params: Any = None) -> int:
        """Return the venue's clock, in milliseconds."""
        return (await self.public("v1/time"))["ts"] // 1_000

    async def fetch_status(self, params: Any = None) -> Row:
        """Return whether the venue takes orders."""
        try:
            info, status = await self.public("health"), "ok"
        except errors.OnMaintenance:
            info, status = {}, "maintenance"
        return {"status": status, "updated": self.milliseconds(), "eta": None, "url": None, "info": info}

    async def fetch_trading_fees(self, params: Any = None) -> Row:
        """Return the fees of every market."""
        await self.load_markets()
        names = ("symbol", "maker", "taker")
        return {
            market["symbol"]: {name: market[name] for name in names} | {"percentage": True, "info": market["info"]}
            for market in self.markets.values()
        }

    async def fetch_ticker(self, symbol: str, params: Any = None) -> Row:
        """Return best prices, and the day's trades as the venue's candles have them."""
        await self.load_markets()
        market = self.market(symbol)
        since = (self.milliseconds() - DAY_MS) * 1_000
        query = {"inst": market["id"], "interval": 3_600, "from": since, "limit": 25}
        best, candles = await asyncio.gather(
            self.public("v1/tickers", inst=market["id"]), self.public("v1/candles", **query), return_exceptions=True
        )
        if isinstance(best, BaseException):
            raise best
        if isinstance(candles, BaseException) and not isinstance(candles, errors.NotSupported):
            raise candles
        day = [] if isinstance(candles, BaseException) else candles["candles"]  # An older venue has none.
        return self.parse_ticker(best["tickers"][0] | {"ts": best["ts"], "day": day}, market)

    async def fetch_tickers(self, symbols: Any = None, params: Any = None) -> Row:
        """Return the best prices of all markets, or of some, in one request."""
        await self.load_markets()
        answer = await self.public("v1/tickers")
        known = [row | {"ts": answer["ts"]} for row in answer["tickers"] if row["inst"] in self.by_inst]
        tickers = [self.parse_ticker(row, self.by_inst[row["inst"]]) for row in known]
        return self.filter_by_array(tickers, "symbol", symbols)

    def parse_ticker(self, row: Row, market: Any = None) -> Row:
        """Return a ticker from best prices and, where they are there, the candles of a day."""
        day, timestamp = row.get("day") or [], row["ts"] // 1_000
        prices = {"bid": row["bid_px"], "ask": row["ask_px"]} if row.get("bid_px") is not None else {}
        if day:
            prices |= {"open": day[0]["o"], "high": max(one["h"] for one in day), "low": min(one["l"] for one in day)}
            prices |= {"last": day[-1]["c"]}
        shown = {name: self.quoted(market, px) for name, px in prices.items()}
        for side in ("bid", "ask"):
            if not row.get(f"{side}_qty"):
                shown.pop(side, None)
        return self.safe_ticker({
            "symbol": market["symbol"], "timestamp": timestamp, "datetime": self.iso8601(timestamp), **shown,
            "close": shown.get("last"), "bidVolume": self.omit_zero(str(row.get("bid_qty") or 0)),
            "askVolume": self.omit_zero(str(row.get("ask_qty") or 0)),
            "baseVolume": str(sum(one["v"] for one in day)) if day else None, "info": row,
        }, market)  # fmt: skip

    async def fetch_order_book(self, symbol: str, limit: Int = None, params: Any = None) -> Row:
        """Return a book; its nonce is the `seq` of the channel l2."""
        await self.load_markets()
        market = self.market(symbol)
        row = await self.public("v1/book", inst=market["id"], **({"depth": limit} if limit else {}))
        sides = {side: [self.level(market, *level) for level in row[side]] for side in ("bids", "asks")}
        timestamp = row["ts"] // 1_000
        return {"symbol": market["symbol"], **sides, "timestamp": timestamp, "datetime": self.iso8601(timestamp),
                "nonce": row["seq"]}  # fmt: skip

    async def fetch_trades(self, symbol: str, since: Int = None, limit: Int = None, params: Any = None) -> Rows:
        """Return the last trades."""
        await self.load_markets()
        market = self.market(symbol)
        answer = await self.public("v1/trades", inst=market["id"], limit=limit or PAGE)
        return self.parse_trades([row | {"inst": answer["inst"]} for row in answer["trades"]], market, since, limit)

    def parse_trade(self, row: Row, market: Any = None) -> Row:
        """Return a trade of the market, or a fill of one's own."""
        market = self.market_of(row)
        timestamp, is_mine = row["ts"] // 1_000, "exec_id" in row
        # The windows of a block have one number; what makes a fill of one's own single is its place in the stream.
        number = str(row["exec_id"]) if is_mine else str(row["trade_id"])
        side = row["side"] if is_mine else row["aggressor"]
        trade = {
            "id": f"{number}-{row['pseq']}" if is_mine and row["flags"] & BLOCK else number, "info": row,
            "timestamp": timestamp, "datetime": self.iso8601(timestamp), "symbol": market["symbol"],
            "order": str(row["oid"]) if row.get("oid") else None, "type": None, "takerOrMaker": None,
            "side": SIDES[side] if side < len(SIDES) else None,
            "price": self.quoted(market, row["px"]), "amount": str(row["qty"]),
        }  # fmt: skip
        if is_mine:
            trade |= {"fee": {"cost": self.dollars(row["fee"]), "currency": "USD"}}
            trade |= {"takerOrMaker": ("maker", "taker")[row["liq"]]}
        return self.safe_trade(trade, market)

    async def fetch_ohlcv(self, symbol: str, timeframe: str = "1m", since: Int = None,
                          limit: Int = None, params: Any = None) -> list[list[Any]]:  # fmt: skip
        """Return candles; one without trades does not exist."""
        await self.load_markets()
        market = self.market(symbol)
        seconds = self.timeframes[timeframe]
        limit = limit or PAGE
        query: Row = {"inst": market["id"], "interval": seconds, "limit": limit}
        if since is not None:  # The venue tells the last ones of a range, ccxt wants the first ones.
            query |= {"from": since * 1_000, "to": (since + limit * seconds * 1_000) * 1_000}
        answer = await self.public("v1/candles", **query)
        return [self.parse_ohlcv(row, market) for row in answer["candles"]]

    def parse_ohlcv(self, row: Row, market: Any = None) -> list[Any]:
        """Return a candle as ccxt has it."""
        prices = [self.parse_number(self.quoted(market, row[name])) for name in "ohlc"]
        return [row["t0"] // 1_000, *prices, self.parse_number(str(row["v"]))]

    # Queries about the account.

    async def fetch_balance(self, params: Any = None) -> Row:
        """Return the money: all, in use, free."""
        row = await self.private("v1/margin")
        names = {"total": "cash", "used": "reserved", "free": "available"}
        return self.safe_balance(
            {"info": row, "USD": {name: self.dollars(row[field]) for name, field in names.items()}}
        )

    async def fetch_positions(self, symbols: Any = None, params: Any = None) -> Rows:
        """Return what is held, in contracts; a position of nothing is none."""
        rows = await self.known((await self.private("v1/positions"))["positions"])
        positions = [self.parse_position(row) for row in rows if row["net"]]
        return self.filter_by_array_positions(positions, "symbol", symbols)

    async def fetch_position(self, symbol: str, params: Any = None) -> Row:
        """Return what is held of one market."""
        found = await self.fetch_positions([symbol])
        return found[0] if found else self.parse_position({"inst": self.market(symbol)["numericId"], "net": 0})

    def parse_position(self, row: Row, market: Any = None) -> Row:
        """Return a position of the venue's row."""
        market, net = self.market_of(row), row["net"]
        side = ("long" if net > 0 else "short") if net else None
        return self.safe_position({
            "symbol": market["symbol"], "side": side, "contracts": self.parse_number(str(abs(net))),
            "contractSize": market["contractSize"], "marginMode": "cross", "hedged": False, "info": row,
        })  # fmt: skip

    async def fetch_open_orders(self, symbol: Str = None, since: Int = None, limit: Int = None,
                                params: Any = None) -> Rows:  # fmt: skip
        """Return the orders that rest; with `clientOrderId` in params, those with it."""
        await self.load_markets()
        tag = self.tag_of(params or {})
        answer = await (self.private("v1/orders/tag/{tag}", tag=tag) if tag else self.private("v1/orders"))
        rows = [self.joined(row) for row in await self.known(answer["orders"])]
        return self.parse_orders(rows, self.market_or_null(symbol), since, limit)

    async def fetch_order(self, id: Str, symbol: Str = None, params: Any = None) -> Row:
        """Return an order by its id, by `clientOrderId`, or by `ref` (and `lane`), both in params.

        One that has ended is put together from what this session and the venue still have of it.
        """
        await self.load_markets()
        given = params or {}
        if given.get("clientOrderId") is not None:
            rows = await self.fetch_open_orders(symbol, params=given)
            if rows:
                return rows[-1]
            raise errors.OrderNotFound(f"{self.id} no open order has the clientOrderId {given['clientOrderId']}")
        try:
            if given.get("ref") is not None:
                lane = given.get("lane", self.options["lane"])
                answer = await self.private("v1/orders/ref/{lane}/{ref}", lane=lane, ref=given["ref"])
            else:
                answer = await self.private("v1/orders/{oid}", oid=id)
            (row,) = await self.known([answer.get("order") or answer["block"]])
            return self.parse_order(self.joined(row))
        except errors.OrderNotFound:
            return await self.ended_order(id, given.get("ref"))

    async def ended_order(self, id: Str, ref: Int) -> Row:
        """Return an order that has ended. Raises OrderNotFound."""
        for order in reversed(self.orders):
            if id == order["id"] or (ref is not None and order["info"].get("ref") == ref):
                return order
        for row in await self.ended_rows():
            if id == str(row["oid"]) or (ref is not None and row["ref"] == ref):
                return self.parse_order(row)
        raise self.refusal(230)

    async def fetch_closed_orders(self, symbol: Str = None, since: Int = None, limit: Int = None,
                                  params: Any = None) -> Rows:  # fmt: skip
        """Return orders that have ended after a fill, as far as the venue keeps the messages about them."""
        await self.load_markets()
        rows = [row for row in await self.ended_rows() if row.get("inst")]
        return self.parse_orders(rows, self.market_or_null(symbol), since, limit)

    async def ended_rows(self) -> Rows:
        """Put orders together from the private messages that are kept; return those that have ended."""
        found: dict[int, Row] = {}
        for message in await self.pages("v1/events", "events"):
            if message.get("oid"):
                self.apply(found.setdefault(message["oid"], {"oid": message["oid"], "cum": 0}), message)
        return await self.known([row for row in found.values() if row.get("status", "open") != "open"])

    async def fetch_my_trades(self, symbol: Str = None, since: Int = None, limit: Int = None,
                              params: Any = None) -> Rows:  # fmt: skip
        """Return the account's fills, as far as the venue keeps them."""
        rows = await self.known(await self.pages("v1/fills", "fills"))
        return self.parse_trades(rows, self.market_or_null(symbol), since, limit)

    async def fetch_order_trades(self, id: str, symbol: Str = None, since: Int = None,
                                 limit: Int = None, params: Any = None) -> Rows:  # fmt: skip
        """Return the fills of one order."""
        return [trade for trade in await self.fetch_my_trades(symbol, since, limit) if trade["order"] == id]

    # Orders: what the venue says of one, as ccxt has it.

    def tag_of(self, params: Row) -> int:
        """Return the tag that carries a client order id; 0: there is none."""
        text = str(params.get("clientOrderId") or 0)
        if not (text.isascii() and text.isdigit() and int(text) <= LARGEST_TAG):
            raise errors.BadRequest(f"{self.id} clientOrderId must be a whole number up to {LARGEST_TAG}, was {text!r}")
        return int(text)

    def oid_of(self, id: Any) -> int:
        """Return the venue's handle of an order. Raises OrderNotFound."""
        if not str(id).isdecimal():
            raise self.refusal(230)
        return int(id)

    def joined(self, row: Row) -> Row:
        """Return an open order's row with what only this session knows: times and what was paid."""
        return {**self.live.get(row["oid"], {}), **row, "status": "open"}

    def apply(self, row: Row, message: Row) -> None:
        """Note in an order's row what a fill, done or replaced says of it; older news changes nothing."""
        kind = message["t"]
        row["ref"], row["last_ts"] = message["ref"], message["ts"]
        if kind == "fill" and not message["flags"] & BLOCK and message["cum"] > row["cum"]:
            row |= {name: message[name] for name in ("inst", "side", "cum", "leaves")}
            row.setdefault("px", message["px"])
            row.setdefault("qty", message["cum"] + message["leaves"])
            row["fill_ts"], row["fee"] = message["ts"], row.get("fee", 0) + message["fee"]
            if message["cum"] == message["qty"] or "turnover" in row:  # Else earlier fills were not seen.
                row["turnover"] = row.get("turnover", 0) + message["px"] * message["qty"]
            row["status"] = "open" if message["leaves"] else "closed"
        elif kind == "done":
            row["cum"] = max(row["cum"], message["cum"])
            row["status"] = "expired" if message["reason"] == EXPIRED else "canceled"
        elif kind == "replaced":
            row |= {name: message[name] for name in ("px", "qty", "leaves")}

    def parse_order(self, row: Row, market: Any = None) -> Row:
        """Return an order of the venue's row, or of what was gathered about it."""
        if row.get("status") == "rejected" or row.get("inst") is None:
            return self.safe_order({"id": str(row["oid"]), "status": row.get("status"), "info": row}, market)
        market = self.market_of(row)
        average = Precise.string_div(str(row["turnover"]), str(row["cum"])) if row.get("turnover") else None
        flags, times = row.get("flags", 0), [row[name] // 1_000 if row.get(name) else None for name in
                                             ("ts", "fill_ts", "last_ts")]  # fmt: skip
        return self.safe_order({
            "id": str(row["oid"]), "clientOrderId": str(row["tag"]) if row.get("tag") else None, "info": row,
            "symbol": market["symbol"], "type": "limit", "side": SIDES[row["side"]],
            "timestamp": times[0], "datetime": self.iso8601(times[0]), "lastTradeTimestamp": times[1],
            "lastUpdateTimestamp": times[2], "price": self.quoted(market, row["px"]), "amount": str(row["qty"]),
            "filled": str(row["cum"]), "average": self.quoted(market, average) if average else None,
            "timeInForce": next((name for name, tif in TIME_IN_FORCE.items() if tif == row.get("tif")), None),
            "postOnly": bool(flags & POST_ONLY), "reduceOnly": bool(flags & REDUCE_ONLY),
            "fee": {"cost": self.share(row["fee"]), "currency": "USD"} if "fee" in row else None,
            "status": row.get("status", "open"),
        }, market)  # fmt: skip

    # Orders: commands.

    async def terms(self, symbol: str, type: str, side: str, amount: Any, price: Any, params: Row) -> Row:
        """Return the place message of an order."""
        market = self.market(symbol)
        tif = params.get("timeInForce", "IOC" if type == "market" else "GTC").upper()
        flags = sum(flag for name, flag in FLAGS.items() if params.get(name))
        if tif == "PO":
            tif, flags = "GTC", flags | POST_ONLY
        if type not in ("limit", "market") or tif not in TIME_IN_FORCE:
            raise errors.InvalidOrder(f"{self.id} an order is limit or market, {', '.join(TIME_IN_FORCE)} or PO")
        if price is None:
            if type == "limit":
                raise errors.ArgumentsRequired(f"{self.id} a limit order needs a price")
            price = await self.worst_price(market, side)
        message = {"t": "place", "inst": market["numericId"], "side": SIDES.index(side),
                   "px": self.ticks(market, price), "qty": int(self.amount_to_precision(symbol, amount)),
                   "tif": TIME_IN_FORCE[tif], "flags": flags, "tag": self.tag_of(params)}  # fmt: skip
        for name, field in (("expireTimestamp", "expire_ts"), ("deadlineTimestamp", "deadline_ts")):
            if params.get(name):
                message[field] = params[name] * 1_000
        return message | {name: params[name] for name in ("stp", "display") if name in params}

    async def worst_price(self, market: Row, side: str) -> str:
        """Return the worst price of a market order without one: the best price there is, and the slippage beyond it."""
        best = (await self.public("v1/tickers", inst=market["id"]))["tickers"][0]
        other, factor = ("ask", Precise.string_add) if side == "buy" else ("bid", Precise.string_sub)
        if not best[f"{other}_qty"]:
            raise errors.OrderNotFillable(f"{self.id} nothing is offered on the other side of {market['symbol']}")
        return Precise.string_mul(self.quoted(market, best[f"{other}_px"]), factor("1", self.options["slippage"]))

    async def create_order(self, symbol: str, type: str, side: str, amount: Any, price: Any = None,
                           params: Any = None) -> Row:  # fmt: skip
        """Place an order, and return it as it stands when the venue's answer is here.

        A connection that is lost meanwhile makes it neither fail nor happen twice: the command is sent again with its
        `ref`. A `ref` in params that was used before returns the order it was used for.
        """
        await self.load_markets()
        given = params or {}
        message = await self.terms(symbol, type, side, amount, price, given)
        return await self.placed(message, await self.command(message, given.get("ref")))

    async def placed(self, message: Row, answer: Row) -> Row:
        """Return the order an ack is about; of one that cannot rest, how it ended."""
        symbol, id = self.by_inst[message["inst"]]["symbol"], str(answer["oid"])
        with contextlib.suppress(errors.NetworkError):  # Then as far as it is known.
            while message["tif"] in ENDS_AT_ONCE and answer["oid"] in self.live:
                client = await self.authenticate()
                if answer["oid"] in self.live:
                    await self.coming(client, f"orders:{symbol}")
        known = self.orders.hashmap.get(symbol, {}).get(id)
        if known is None:  # The ref's first use was not of this session.
            return await self.fetch_order(id, symbol)
        return dict(known)

    async def create_orders(self, orders: Rows, params: Any = None) -> Rows:
        """Place orders, up to 64 in one frame; one that is refused has the status `rejected`, and why in `info`."""
        await self.load_markets()
        messages = [
            await self.terms(one["symbol"], one["type"], one["side"], one["amount"], one.get("price"),
                             {**(params or {}), **one.get("params", {})})
            for one in orders
        ]  # fmt: skip
        answers = await self.batch(messages)
        return [
            self.parse_order({"oid": 0, "status": "rejected", "error": str(answer), "order": message})
            if isinstance(answer, BaseException) else await self.placed(message, answer)
            for message, answer in zip(messages, answers, strict=True)
        ]  # fmt: skip

    async def edit_order(self, id: str, symbol: str, type: str, side: str, amount: Any = None, price: Any = None,
                         params: Any = None) -> Row:  # fmt: skip
        """Give an order new terms; `amount` is the total, what is filled included. It keeps its id."""
        await self.load_markets()
        market, oid, given = self.market(symbol), self.oid_of(id), params or {}
        if amount is None or price is None:
            old = await self.fetch_order(id, symbol)
            amount, price = amount or old["amount"], price or old["price"]
        terms = {"px": self.ticks(market, price), "qty": int(self.amount_to_precision(symbol, amount))}
        await self.command({"t": "replace", "oid": oid, **terms, "flags": int(given.get("keepPriority", False))},
                           given.get("ref"))  # fmt: skip
        if oid in self.live:
            return self.parse_order(self.live[oid] | terms)
        return await self.fetch_order(id, symbol)

    async def cancel_order(self, id: Str, symbol: Str = None, params: Any = None) -> Row:
        """Cancel an order by its id, or by the `clientOrderId` in params."""
        await self.load_markets()
        if (params or {}).get("clientOrderId") is not None:
            id = (await self.fetch_order(None, symbol, params))["id"]
        oid = self.oid_of(id)
        await self.command({"t": "cancel", "oid": oid})
        return self.parse_order({**self.live.get(oid, {"oid": oid}), "status": "canceled"})

    async def cancel_orders(self, ids: list[str], symbol: Str = None, params: Any = None) -> Rows:
        """Cancel orders, up to 64 in one frame; one that is not open has the status `rejected`, and why in `info`."""
        await self.load_markets()
        oids = [self.oid_of(id) for id in ids]
        answers = await self.batch([{"t": "cancel", "oid": oid} for oid in oids])
        return [
            self.parse_order({"oid": oid, "status": "rejected", "error": str(answer)}
                             if isinstance(answer, BaseException)
                             else {**self.live.get(oid, {"oid": oid}), "status": "canceled"})
            for oid, answer in zip(oids, answers, strict=True)
        ]  # fmt: skip

    async def cancel_all_orders(self, symbol: Str = None, params: Any = None) -> Rows:
        """Cancel all orders of the account, of one market or of all; `side` and `clientOrderId` in params narrow it."""
        await self.load_markets()
        given = params or {}
        inst = None if symbol is None else self.market(symbol)["numericId"]
        side = SIDES.index(given["side"]) if "side" in given else None
        answer = await self.command({"t": "mass_cancel", "inst": inst, "side": side, "lane": None,
                                     "tag": self.tag_of(given) or None})  # fmt: skip
        return [self.safe_order({"info": answer})]

    async def cancel_all_orders_after(self, timeout: Int, params: Any = None) -> Row:
        """Cancel all orders of the account unless this is called again within so many milliseconds; 0: never."""
        client = await self.authenticate()
        self.request_ref += 1
        self.requests[self.request_ref] = key = f"deadman:{self.request_ref}"
        future = self.coming(client, key)
        await client.send({"t": "deadman", "ref": self.request_ref, "timeout_ms": timeout or 0, "scope": 1})
        return await future

    create_order_ws, create_orders_ws, edit_order_ws = create_order, create_orders, edit_order
    cancel_order_ws, cancel_orders_ws, cancel_all_orders_ws = cancel_order, cancel_orders, cancel_all_orders

    # Commands over the WebSocket.

    async def command(self, message: Row, ref: Int = None) -> Row:
        """Have a command done once, whatever happens to the connection; return its ack, or raise its reject."""
        await self.logged_in()  # It says which refs were used.
        ref = ref or self.next_ref()
        self.last_ref = max(self.last_ref, ref)
        self.pending[ref] = Pending(message)
        return await self.outcome(ref)

    async def batch(self, messages: Rows) -> list[Any]:
        """Have commands done, in frames of up to 64; return acks and errors in their order."""
        client = await self.logged_in()
        refs = []
        for first in range(0, len(messages), OPERATIONS_PER_FRAME):
            batch_ref, part = self.next_ref(), messages[first : first + OPERATIONS_PER_FRAME]
            self.batches[batch_ref] = [self.next_ref() for _ in part]
            for ref, message in zip(self.batches[batch_ref], part, strict=True):
                self.pending[ref] = Pending(message)
                self.pending[ref].client = client
            refs += self.batches[batch_ref]
            ops = [{**self.pending[ref].message, "ref": ref} for ref in self.batches[batch_ref]]
            await self.attempt(client, {"t": "batch", "ref": batch_ref, "mode": 0, "ops": ops})
        return await asyncio.gather(*(self.outcome(ref) for ref in refs), return_exceptions=True)

    async def logged_in(self) -> Any:
        """Return the connection, logged in, after as many attempts as it may take."""
        for attempt in range(self.options["reconnectAttempts"]):
            try:
                return await self.authenticate()
            except errors.NetworkError:
                await self.sleep(self.options["reconnectDelayMs"] << attempt)
        return await self.authenticate()

    def next_ref(self) -> int:
        """Return a ref that was not used on this lane."""
        self.last_ref += 1
        return self.last_ref

    async def attempt(self, client: Any, message: Row) -> None:
        """Send a message; where the connection is gone, `outcome` sends it on the next one."""
        try:
            await client.send(message)
        except (ConnectionError, RuntimeError):
            self.forget(client)

    def forget(self, client: Any) -> None:
        """Use a connection no more."""
        if self.clients.get(client.url) is client:
            del self.clients[client.url]

    async def outcome(self, ref: int) -> Row:
        """Wait for the answer to a command, over as many connections as it takes."""
        pending, answer = self.pending[ref], self.pending[ref].answer
        try:
            for attempt in range(self.options["reconnectAttempts"] + 1):
                try:
                    client = await self.authenticate()
                    if pending.client is not client and not answer.done():
                        pending.client = client
                        await self.attempt(client, {**pending.message, "ref": ref})
                    lost = self.coming(client, "lost")
                    await asyncio.wait((answer, lost), return_when=asyncio.FIRST_COMPLETED)
                    if not answer.done() and lost.cancelled():
                        raise errors.ExchangeClosedByUser(f"{self.id} was closed before the answer came")
                    return answer.result() if answer.done() else await lost
                except errors.NetworkError:
                    if answer.done():  # It came before the connection was lost, or is such an error itself.
                        return answer.result()
                    if attempt == self.options["reconnectAttempts"]:
                        raise
                    if pending.client is not None:
                        self.forget(pending.client)
                    await self.sleep(self.options["reconnectDelayMs"] << attempt)
            raise errors.NetworkError(f"{self.id} what became of the command {ref} is not known")
        finally:
            self.pending.pop(ref, None)

    # The session.

    def ws_url(self) -> str:
        """Return the address of the WebSocket."""
        return self.implode_hostname(self.urls["api"]["ws"])

    def client(self, url: str) -> Any:
        """Return the connection; one that is closed by name rejects what waits with the class of that name."""
        if url in self.clients and self.clients[url].connection is not None and self.clients[url].closed():
            del self.clients[url]
        is_new = url not in self.clients
        client = super().client(url)
        if is_new:
            handle = client.handle_message

            def handle_message(message: Any) -> None:
                if message.type == 8:  # The WebSocket's close frame.
                    client.why = self.closed_by(message.data, message.extra or "")
                    client.reject(client.why)
                handle(message)

            client.handle_message = handle_message
            client.future("lost").add_done_callback(lambda future: future.cancelled() or future.exception())
        return client

    def check(self, client: Any) -> None:
        """Raise why a connection is over, if it is."""
        if self.clients.get(client.url) is not client:
            raise getattr(client, "why", None) or errors.NetworkError(f"{self.id} the connection was lost")

    def coming(self, client: Any, key: str) -> Any:
        """Return the future of a message hash, on a connection that is there."""
        self.check(client)
        return client.future(key)

    def closed_by(self, code: Int, reason: str) -> errors.BaseError:
        """Return the error of a close code."""
        number = reason.partition(" ")[0]
        if code == 4001 and number.isdigit():
            return self.refusal(int(number))
        return CLOSES.get(code or 0, errors.NetworkError)(f"{self.id} closed the connection: {code} {reason}")

    async def authenticate(self, params: Any = None) -> Any:
        """Return the connection, logged in; what was missed since the last one is on its way."""
        self.check_required_credentials()
        self.digest(b"")  # A secret that is none is told at once.
        await self.load_markets()  # Whatever is told is of a market.
        url = self.ws_url()
        client = self.client(url)
        await self.watch(url, "authenticated", None, "authenticated")
        return client

    def ping(self, client: Any) -> Row:
        """Return what is sent at regular times: the venue ends a connection that is silent."""
        return {"t": "ping", "ref": 0, "ts": self.milliseconds() * 1_000}

    def handle_message(self, client: Any, message: Any) -> None:
        """Take a message of the venue; those not known are passed over."""
        handlers = {
            "hello": self.handle_hello, "welcome": self.handle_welcome, "pong": self.handle_pong,
            "ack": self.handle_answer, "reject": self.handle_answer, "resp": self.handle_resp,
            "l2_snap": self.handle_l2_snap, "l2_delta": self.handle_l2_delta, "l1": self.handle_l1,
            "trade": self.handle_trade, "candle": self.handle_candle, "instrument": self.handle_instrument,
        }  # fmt: skip
        kind = message.get("t") if isinstance(message, dict) else None
        if kind in handlers:
            handlers[kind](client, message)
        elif kind is not None and "pseq" in message and kind != "heartbeat":
            self.handle_private(client, message)

    def handle_hello(self, client: Any, hello: Row) -> None:
        """Log in; the signature's time is the venue's own, so no clock has to be right."""
        if hello["epoch"] != self.epoch:  # A new journal: nothing of the old one counts.
            self.epoch, self.pseq, self.last_ref = hello["epoch"], 0, 0
        signed = bytes.fromhex(hello["nonce"]) + f"{self.apiKey}{hello['ts']}".encode()
        login = {
            "t": "login", "ref": LOGIN, "key": self.apiKey, "ts": hello["ts"], "sig": self.digest(signed),
            "lane": self.options["lane"], "cod": self.options["cancelOnDisconnect"],
            "grace_ms": self.options["graceMs"], "epoch": hello["epoch"], "last_pseq": self.pseq,
            "hb_ms": self.options["heartbeatMs"],
        }  # fmt: skip
        self.spawn(self.attempt, client, login)

    def handle_welcome(self, client: Any, welcome: Row) -> None:
        """Go on where the last connection ended."""
        self.last_ref = max(self.last_ref, welcome["last_ref"])
        if not self.is_known:
            self.is_known, self.pseq = True, welcome["pseq"]
        self.spawn(self.resume, client, welcome["pseq"] if self.pseq == 0 else 0)

    async def resume(self, client: Any, missed: int) -> None:
        """Send again what has no answer yet, in the order of refs; then let others send."""
        if missed:  # A login cannot ask for the messages after none.
            await self.attempt(client, {"t": "replay", "ref": REPLAY, "stream": 0, "inst": None, "from": 1})
        for ref, pending in sorted(self.pending.items()):
            pending.client = client
            await self.attempt(client, {**pending.message, "ref": ref})
        await self.attempt(client, {"t": "subscribe", "ref": OTHER, "chan": INSTRUMENTS, "insts": None})
        client.future("authenticated").resolve(client)

    def handle_pong(self, client: Any, message: Row) -> None:
        """Note that the venue is there."""
        client.lastPong = self.milliseconds()

    def handle_answer(self, client: Any, answer: Row) -> None:
        """Give an ack or reject to who waits for it."""
        for ref in self.batches.pop(answer["ref"], [answer["ref"]]):
            pending = self.pending.get(ref)
            if pending is None or pending.answer.done():
                continue
            if answer["t"] == "reject":
                pending.answer.set_exception(self.refusal(answer["code"], answer["arg"]))
                continue
            message = pending.message
            if message["t"] == "place" and not answer["code"]:
                row = {"oid": answer["oid"], "ref": ref, "lane": self.options["lane"], "cum": 0, "ts": answer["ts"]}
                self.live[answer["oid"]] = row | {name: message[name] for name in message if name != "t"}
                self.live[answer["oid"]]["leaves"] = message["qty"]
                self.tell_order(client, self.live[answer["oid"]])
            pending.answer.set_result(answer)

    def handle_resp(self, client: Any, resp: Row) -> None:
        """Note how a subscription or another request went."""
        key = self.requests.pop(resp["ref"], None)
        if key is None:
            if resp["code"] == 300:  # What was missed is not kept any more: go on with the oldest there is.
                self.pseq = max(self.pseq, resp["arg"] - 1)
            elif resp["code"] and resp["ref"] == REPLAY:  # The rate's.
                again = {"t": "replay", "ref": REPLAY, "stream": 0, "inst": None, "from": self.pseq + 1}
                self.delay(resp["arg"] // 1_000 + 1, self.attempt, client, again)
        elif resp["code"]:
            client.subscriptions.pop(key, None)
            client.reject(self.refusal(resp["code"], resp["arg"]), key)
        elif key.startswith("deadman:"):
            client.resolve(resp, key)

    def handle_instrument(self, client: Any, row: Row) -> None:
        """Note a new instrument, or that it takes orders or no more does."""
        if row["inst"] in self.by_inst:
            self.by_inst[row["inst"]]["active"] = row["state"] in OPEN_STATES
        elif self.by_inst:
            self.set_markets([*self.markets.values(), self.parse_market(row)])

    # What is told of the account.

    def handle_private(self, client: Any, message: Row) -> None:
        """Take private messages in the order of their numbers, each once."""
        if message["pseq"] > self.pseq:
            self.early[message["pseq"]] = message
        while self.pseq + 1 in self.early:
            self.pseq += 1
            told = self.early.pop(self.pseq)
            if told["t"] == "fill":
                trade = self.parse_trade(told)
                self.myTrades.append(trade)
                self.tell(client, self.myTrades, "myTrades", f"myTrades:{trade['symbol']}")
            row = self.live.get(told.get("oid", 0))
            if row is None and told["t"] == "fill" and told["oid"] and not told["flags"] & BLOCK:
                row = self.live[told["oid"]] = {"oid": told["oid"], "cum": 0}
            if row is not None and told["t"] in ("fill", "done", "replaced"):
                self.apply(row, told)
                self.tell_order(client, row)

    def tell_order(self, client: Any, row: Row) -> None:
        """Tell an order's news; forget one that has ended."""
        if row.get("inst") is None:
            return
        order = self.parse_order(dict(row))
        self.orders.append(order)
        self.tell(client, self.orders, "orders", f"orders:{order['symbol']}")
        if order["status"] != "open":
            self.live.pop(row["oid"], None)

    def tell(self, client: Any, news: Any, *keys: str) -> None:
        """Let those who wait for it have the news; what nobody waits for is kept for who comes next."""
        for key in keys:
            self.fresh[key] = news
            client.resolve(news, key)

    async def news(self, name: str, symbol: Str, since: Any, limit: Any) -> Rows:
        """Return what is new of the account's orders or trades; wait for it where there is nothing."""
        await self.load_markets()
        symbol = self.market(symbol)["symbol"] if symbol else None
        client = await self.authenticate()
        if not self.is_seeded:  # What was open before this session.
            for row in (await self.private("v1/orders"))["orders"]:
                self.live.setdefault(row["oid"], row)
            self.is_seeded = True
        key = f"{name}:{symbol}" if symbol else name
        if key not in self.fresh:
            await self.coming(client, key)
        self.fresh.pop(key, None)
        cache = self.orders if name == "orders" else self.myTrades
        return self.filter_by_symbol_since_limit(cache, symbol, since, cache.getLimit(symbol, limit), True)

    async def watch_orders(self, symbol: Str = None, since: Int = None, limit: Int = None, params: Any = None) -> Rows:
        """Return orders that have changed."""
        return await self.news("orders", symbol, since, limit)

    async def watch_my_trades(self, symbol: Str = None, since: Int = None, limit: Int = None,
                              params: Any = None) -> Rows:  # fmt: skip
        """Return new fills."""
        return await self.news("myTrades", symbol, since, limit)

    # Market data.

    async def follow(self, name: str, symbol: str, channel: int, opts: Any = None) -> Any:
        """Subscribe, once on a connection, and return the next news."""
        await self.load_markets()
        client, key = await self.authenticate(), f"{name}:{self.market(symbol)['symbol']}"
        self.check(client)
        message = None
        if key not in client.subscriptions:
            self.fresh.pop(key, None)
            self.request_ref += 1
            self.requests[self.request_ref] = key
            message = {"t": "subscribe", "ref": self.request_ref, "chan": channel,
                       "insts": [self.market(symbol)["numericId"]], "opts": opts}  # fmt: skip
        news = self.fresh[key] if key in self.fresh else await self.watch(client.url, key, message, key)
        self.fresh.pop(key, None)
        return news

    async def watch_order_book(self, symbol: str, limit: Int = None, params: Any = None) -> Row:
        """Return the book whenever it has changed, kept by `seq`; `limit` levels of it."""
        book = await self.follow("book", symbol, L2)
        return {**book, "bids": book["bids"][:limit], "asks": book["asks"][:limit]}

    def handle_l2_snap(self, client: Any, message: Row) -> None:
        """Begin a book."""
        market = self.market_of(message)
        self.orderbooks[market["symbol"]] = book = self.order_book({"symbol": market["symbol"]})
        self.change_book(client, market, book, message)

    def handle_l2_delta(self, client: Any, message: Row) -> None:
        """Change a book; one that has a gap is asked for anew."""
        market = self.market_of(message)
        book = self.orderbooks.get(market["symbol"])
        if book is None or book["nonce"] is None or message["seq"] <= book["nonce"]:
            return
        if message["first"] > book["nonce"] + 1:
            book["nonce"] = None
            self.spawn(self.attempt, client, {"t": "snapshot", "ref": OTHER, "chan": L2, "inst": message["inst"]})
            return
        self.change_book(client, market, book, message)

    def change_book(self, client: Any, market: Row, book: Any, message: Row) -> None:
        """Note levels of a book, and tell it."""
        for name in ("bids", "asks"):
            flat = message[name]
            for px, qty in zip(flat[::2], flat[1::2], strict=True):
                book[name].storeArray(self.level(market, px, qty))
        book["nonce"], book["timestamp"] = message["seq"], message["ts"] // 1_000
        book["datetime"] = self.iso8601(book["timestamp"])
        self.tell(client, book, f"book:{market['symbol']}")

    async def watch_ticker(self, symbol: str, params: Any = None) -> Row:
        """Return the best prices whenever they have changed."""
        return await self.follow("ticker", symbol, L1)

    def handle_l1(self, client: Any, message: Row) -> None:
        """Note best prices."""
        market = self.market_of(message)
        self.tickers[market["symbol"]] = ticker = self.parse_ticker(message, market)
        self.tell(client, ticker, f"ticker:{market['symbol']}")

    async def watch_trades(self, symbol: str, since: Int = None, limit: Int = None, params: Any = None) -> Rows:
        """Return new trades of a market."""
        trades = await self.follow("trades", symbol, TRADES)
        return self.filter_by_since_limit(trades, since, trades.getLimit(symbol, limit), "timestamp", True)

    def handle_trade(self, client: Any, message: Row) -> None:
        """Note a trade."""
        market = self.market_of(message)
        trades = self.trades.setdefault(market["symbol"], ArrayCache(self.options["tradesLimit"]))
        trades.append(self.parse_trade(message))
        self.tell(client, trades, f"trades:{market['symbol']}")

    async def watch_ohlcv(self, symbol: str, timeframe: str = "1m", since: Int = None,
                          limit: Int = None, params: Any = None) -> list[list[Any]]:  # fmt: skip
        """Return candles that have changed; the open one at most once a second."""
        seconds = self.timeframes[timeframe]
        candles = await self.follow(f"candles:{seconds}", symbol, CANDLES, [0, 0, seconds])
        return self.filter_by_since_limit(candles, since, candles.getLimit(symbol, limit), 0, True)

    def handle_candle(self, client: Any, message: Row) -> None:
        """Note a candle."""
        market, seconds = self.market_of(message), message["interval_s"]
        kept = self.ohlcvs.setdefault(market["symbol"], {})
        candles = kept.setdefault(seconds, ArrayCacheByTimestamp(self.options["OHLCVLimit"]))
        candles.append(self.parse_ohlcv(message, market))
        self.tell(client, candles, f"candles:{seconds}:{market['symbol']}")


for _kind, _paths in PATHS.items():  # ccxt's implicit methods, such as publicGetV1Book.
    for _path in _paths:
        _words = [_kind, "get", *_path.replace("{", "").replace("}", "").split("/")]
        _entry = Entry(_path, _kind, "GET", {"cost": 1})
        setattr(hourglass, "_".join(_words), _entry)
        setattr(hourglass, _words[0] + "".join(word.capitalize() for word in _words[1:]), _entry)
