"""Hourglass through ccxt: a whole life on a running exchange, its errors by name, and connections that are lost."""

import asyncio
import contextlib
import time

import pytest
from exchange_process import FABRIC, LOT_SCU, PRODUCT, ExchangeProcess

ccxt = pytest.importorskip("ccxt", reason="ccxt is not installed", exc_type=ImportError)

from docs.wire.openapi import ENDPOINTS  # noqa: E402
from gateway.connectors.hourglass_ccxt import PATHS, REASONS, hourglass  # noqa: E402
from gateway.protocol import CCXT  # noqa: E402

TEST_S_MAX = 60
NEWS_S_MAX = 10


def account_of(exchange, key, **config):
    """One account's ccxt exchange, on plain TCP."""
    venue = hourglass({
        "hostname": f"127.0.0.1:{exchange.port}", "apiKey": key.key_id, "secret": key.secret.hex(), **config,
    })  # fmt: skip
    venue.set_sandbox_mode(True)
    venue.timeout_on_exit = 0
    return venue


@contextlib.asynccontextmanager
async def accounts(exchange, *names, **config):
    """The ccxt exchanges of some accounts; their orders are gone afterwards."""
    opened = [account_of(exchange, exchange.key[name], **config) for name in names]
    try:
        await asyncio.gather(*(one.load_markets() for one in opened))
        yield opened
        await asyncio.gather(*(one.cancel_all_orders() for one in opened))
    finally:
        await asyncio.gather(*(one.close() for one in opened))


def run(main):
    asyncio.run(asyncio.wait_for(main(), TEST_S_MAX))


async def soon(awaitable):
    return await asyncio.wait_for(awaitable, NEWS_S_MAX)


async def order_that(venue, is_so):
    """The first order told that something is true of."""
    while True:
        for order in await soon(venue.watch_orders()):
            if is_so(order):
                return order


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """A venue for the tests that leave it as it was."""
    with ExchangeProcess(tmp_path_factory.mktemp("ccxt")) as running:
        yield running


# What is told of the venue.


def test_reasons_are_those_of_the_protocol():
    assert {code: (name, kind.__name__) for code, (name, kind) in REASONS.items()} == {
        int(reason): (reason.name, kind) for reason, kind in CCXT.items()
    }
    exact = hourglass().describe()["exceptions"]["exact"]
    assert exact == {str(code): kind for code, (_, kind) in REASONS.items()}


def test_every_path_is_in_the_api():
    described = {endpoint.path: endpoint.is_signed for endpoint in ENDPOINTS if endpoint.path != "/metrics"}
    known = {f"/{path}": kind == "private" for kind, paths in PATHS.items() for path in paths}
    assert known == described


def test_what_it_has_is_there():
    venue = hourglass()
    words = ("future", "sandbox", "ws", "publicAPI", "privateAPI", "createMarketOrder")
    # What ccxt itself puts together of other methods is as good as our own.
    of_others = ("create_limit", "create_market", "create_post", "create_reduce", "fetch_l2", "cancel_order_with",
                 "edit_limit", "fetch_order_status")  # fmt: skip
    methods = [venue.un_camel_case(name) for name, has in venue.has.items() if has and name not in words]
    assert len(methods) > 40
    assert [name for name in methods if name not in vars(hourglass) and not name.startswith(of_others)] == []


def test_markets(shared):
    async def main():
        async with accounts(shared, "ann") as (ann,):
            first, second = ann.symbols
            market = ann.market(first)
            start = time.strftime("%y%m%d%H", time.gmtime(market["expiry"] / 1_000))
            assert first == f"{PRODUCT}.{FABRIC}/USD:USD-{start}"
            assert market["id"].startswith(f"{PRODUCT}.{FABRIC}@")
            assert ann.market(second)["expiry"] - market["expiry"] == 3_600_000
            assert (market["contractSize"], market["precision"]["price"], market["limits"]["amount"]["min"]) == (
                LOT_SCU, 0.001, 1,
            )  # fmt: skip
            assert (market["future"], market["spot"], market["active"], market["linear"]) == (True, False, True, True)
            assert (market["taker"], market["maker"], market["settle"]) == (0.0002, 0, "USD")
            assert abs(await ann.fetch_time() - ann.milliseconds()) < 5_000
            assert (await ann.fetch_status())["status"] == "ok"
            assert (await ann.fetch_trading_fees())[first]["taker"] == 0.0002
            assert set(await ann.fetch_tickers()) == {first, second}
            assert (await ann.publicGetV1Book({"inst": 1}))["inst"] == 1
            assert set(await ann.private_get_v1_limits()) >= {"orders_per_s", "burst_orders"}

    run(main)


@pytest.mark.parametrize("tick_micros", [1, 7, 500, 1_000, 2_500, 1_000_000])
def test_prices_are_exact(tick_micros):
    venue = hourglass()
    hour = 495_000 * 3_600_000_000
    market = venue.parse_market({
        "inst": 1, "symbol": "P.f1@x", "tick_micros": tick_micros, "lot_scu": 8, "start_ts": hour,
        "end_ts": hour + 2 * 3_600_000_000, "region": "f1", "state": 1,
    })  # fmt: skip
    venue.set_markets([market])
    assert market["contractSize"] == 16
    for ticks in (*range(1, 3_000, 7), 123_456_789, (1 << 30) - 1):
        price = venue.parse_number(venue.quoted(market, ticks))
        assert venue.ticks(market, price) == ticks
    assert venue.ticks(market, venue.quoted(market, "10.4")) == 10


# Trading.


def test_a_life_of_two_accounts(shared):
    async def main():
        async with accounts(shared, "ann", "bob") as (ann, bob):
            symbol = ann.symbols[0]
            held = (await bob.fetch_position(symbol))["contracts"]
            sell = await ann.create_order(symbol, "limit", "sell", 5, 2.45, {"clientOrderId": "77"})
            assert (sell["status"], sell["price"], sell["amount"], sell["clientOrderId"]) == ("open", 2.45, 5, "77")
            assert (await ann.fetch_order(sell["id"]))["remaining"] == 5
            assert (await ann.fetch_order(None, symbol, {"clientOrderId": 77}))["id"] == sell["id"]
            assert (await ann.fetch_order(None, symbol, {"ref": sell["info"]["ref"]}))["id"] == sell["id"]
            assert (await bob.fetch_order_book(symbol))["asks"] == [[2.45, 5]]
            assert (await bob.fetch_ticker(symbol))["ask"] == 2.45

            bought = await bob.create_order(symbol, "market", "buy", 2)
            assert (bought["status"], bought["filled"], bought["average"], bought["cost"]) == ("closed", 2, 2.45, 39.2)
            assert bought["fee"] == {"cost": 0.00784, "currency": "USD"}
            part = await order_that(ann, lambda order: order["filled"] == 2)
            assert (part["id"], part["status"], part["average"]) == (sell["id"], "open", 2.45)
            (trade,) = await soon(ann.watch_my_trades(symbol))
            assert (trade["order"], trade["side"], trade["amount"], trade["takerOrMaker"], trade["cost"]) == (
                sell["id"], "sell", 2, "maker", 39.2,
            )  # fmt: skip
            assert trade["id"] == (await bob.fetch_order_trades(bought["id"]))[0]["id"]
            assert (await bob.fetch_my_trades(symbol))[-1]["fee"]["cost"] == 0.00784
            assert (await bob.fetch_position(symbol))["contracts"] == held + 2
            (position,) = await ann.fetch_positions([symbol])
            assert position["side"] == "short"

            edited = await ann.edit_order(sell["id"], symbol, "limit", "sell", 6, 2.455)
            assert (edited["id"], edited["price"], edited["amount"], edited["remaining"]) == (sell["id"], 2.455, 6, 4)
            assert [one["remaining"] for one in await ann.fetch_open_orders(symbol)] == [4]
            assert (await ann.cancel_order(sell["id"], symbol))["status"] == "canceled"
            done = await order_that(ann, lambda order: order["status"] == "canceled")
            assert (done["id"], done["filled"], done["clientOrderId"]) == (sell["id"], 2, "77")
            assert await ann.fetch_open_orders(symbol) == []
            balance = await bob.fetch_balance()
            assert balance["total"]["USD"] == pytest.approx(balance["free"]["USD"] + balance["used"]["USD"])

    run(main)


def test_orders_that_have_ended_are_found_by_another_session(shared):
    async def main():
        async with accounts(shared, "ann", "bob") as (ann, bob):
            symbol = ann.symbols[1]
            sell = await ann.create_order(symbol, "limit", "sell", 2, 2.5)
            await bob.create_order(symbol, "limit", "buy", 1, 2.5, {"timeInForce": "IOC"})
            await ann.cancel_order(sell["id"])
            resting = await bob.create_order(symbol, "limit", "buy", 1, 2.0)
            await bob.cancel_order(resting["id"])
        async with accounts(shared, "ann", "bob") as (ann, bob):
            found = await ann.fetch_order(sell["id"], symbol)
            assert (found["status"], found["filled"], found["side"]) == ("canceled", 1, "sell")
            assert sell["id"] in [one["id"] for one in await ann.fetch_closed_orders(symbol)]
            assert (await bob.fetch_order(resting["id"], symbol))["status"] == "canceled"

    run(main)


def test_many_orders_in_one_frame(shared):
    async def main():
        async with accounts(shared, "ann") as (ann,):
            symbol, other = ann.symbols
            wishes = [
                {"symbol": symbol, "type": "limit", "side": "buy", "amount": 1, "price": 1 + step / 1_000}
                for step in range(70)
            ]
            wishes[3] |= {"symbol": other, "side": "sell", "price": 3, "params": {"reduceOnly": True}}
            placed = await ann.create_orders(wishes)
            assert [one["status"] for one in placed].count("open") == 69
            assert (placed[3]["status"], "218 REDUCE_ONLY" in placed[3]["info"]["error"]) == ("rejected", True)
            ids = [one["id"] for one in placed if one["status"] == "open"]
            ended = await ann.cancel_orders([*ids[:2], "1"])
            assert [one["status"] for one in ended] == ["canceled", "canceled", "rejected"]
            assert "230 NO_ORDER" in ended[2]["info"]["error"]
            assert len(await ann.fetch_open_orders(symbol)) == 67
            await ann.cancel_all_orders(other)
            assert len(await ann.fetch_open_orders(symbol)) == 67
            await ann.cancel_all_orders(symbol)
            assert await ann.fetch_open_orders() == []

    run(main)


def test_a_ref_is_done_once(shared):
    async def main():
        async with accounts(shared, "ann") as (ann,):
            symbol = ann.symbols[0]
            await ann.authenticate()
            ref = ann.last_ref + 100
            first = await ann.create_order(symbol, "limit", "buy", 1, 1.5, {"ref": ref})
            assert (await ann.create_order(symbol, "limit", "buy", 1, 1.5, {"ref": ref}))["id"] == first["id"]
            assert len(await ann.fetch_open_orders(symbol)) == 1
            with pytest.raises(ccxt.DuplicateOrderId, match="240 STALE_REF"):
                await ann.create_order(symbol, "limit", "buy", 1, 1.5, {"ref": ref - 50})
            assert (await ann.create_order(symbol, "limit", "buy", 1, 1.5))["info"]["ref"] > ref

    run(main)


def test_a_dead_man_switch(shared):
    async def main():
        async with accounts(shared, "ann") as (ann,):
            order = await ann.create_order(ann.symbols[0], "limit", "buy", 1, 1.5)
            assert (await ann.cancel_all_orders_after(100))["arg"] == 100
            ended = await order_that(ann, lambda one: one["id"] == order["id"] and one["status"] != "open")
            assert ended["filled"] == 0

    run(main)


def test_an_order_till_a_moment(shared):
    async def main():
        async with accounts(shared, "ann") as (ann,):
            till = {"timeInForce": "GTD", "expireTimestamp": await ann.fetch_time() + 300}
            order = await ann.create_order(ann.symbols[0], "limit", "buy", 1, 1.5, till)
            assert (order["status"], order["timeInForce"]) == ("open", "GTD")
            ended = await order_that(ann, lambda one: one["id"] == order["id"] and one["status"] != "open")
            assert ended["status"] == "expired"

    run(main)


# Errors, by the names ccxt has for them.


async def of_many(ann, bob, poor):
    await poor.create_order(ann.symbols[0], "limit", "buy", 100, 2.4)


async def of_a_part(ann, bob, poor):
    await ann.create_order(ann.symbols[0], "limit", "buy", 0.5, 2.4)


async def of_too_many(ann, bob, poor):
    await ann.create_order(ann.symbols[0], "limit", "buy", 2_000_000_000, 2.4)


async def of_nothing(ann, bob, poor):
    await ann.cancel_order("1", ann.symbols[0])


async def of_nothing_asked(ann, bob, poor):
    await ann.fetch_order("1", ann.symbols[0])


async def of_no_number(ann, bob, poor):
    await ann.cancel_order("x", ann.symbols[0])


async def that_crosses(ann, bob, poor):
    await bob.create_order(ann.symbols[0], "limit", "sell", 1, 2.6)
    await ann.create_order(ann.symbols[0], "limit", "buy", 1, 2.6, {"postOnly": True})


async def that_is_not_filled(ann, bob, poor):
    await ann.create_order(ann.symbols[0], "limit", "buy", 9, 2.4, {"timeInForce": "FOK"})


async def that_is_late(ann, bob, poor):
    await ann.create_order(ann.symbols[0], "limit", "buy", 9, 2.4, {"deadlineTimestamp": 1})


async def of_no_market(ann, bob, poor):
    await ann.create_order("BTC/USDT", "limit", "buy", 1, 2.4)


async def without_a_price(ann, bob, poor):
    await ann.create_order(ann.symbols[0], "limit", "buy", 1)


async def at_the_market_of_nobody(ann, bob, poor):
    await ann.create_order(ann.symbols[1], "market", "buy", 1)


async def with_an_id_in_words(ann, bob, poor):
    await ann.create_order(ann.symbols[0], "limit", "buy", 1, 2.4, {"clientOrderId": "my-order"})


async def of_no_kind(ann, bob, poor):
    await ann.create_order(ann.symbols[0], "stop", "buy", 1, 2.4)


@pytest.mark.parametrize(
    ("use", "kind", "words"),
    [
        (of_many, ccxt.InsufficientFunds, "220 MARGIN"),
        (of_a_part, ccxt.InvalidOrder, "amount"),
        (of_too_many, ccxt.InvalidOrder, "213 QTY_MAX"),
        (of_nothing, ccxt.OrderNotFound, "230 NO_ORDER"),
        (of_no_number, ccxt.OrderNotFound, "230 NO_ORDER"),
        (of_nothing_asked, ccxt.OrderNotFound, "230 NO_ORDER"),
        (that_crosses, ccxt.OrderImmediatelyFillable, "214 WOULD_TAKE"),
        (that_is_not_filled, ccxt.OrderNotFillable, "215 FOK_UNFILLED"),
        (that_is_late, ccxt.OperationRejected, "216 DEADLINE"),
        (of_no_market, ccxt.BadSymbol, "BTC/USDT"),
        (without_a_price, ccxt.ArgumentsRequired, "price"),
        (at_the_market_of_nobody, ccxt.OrderNotFillable, "nothing is offered"),
        (with_an_id_in_words, ccxt.BadRequest, "clientOrderId"),
        (of_no_kind, ccxt.InvalidOrder, "limit or market"),
    ],
)
def test_errors_of_orders(shared, use, kind, words):
    async def main():
        async with accounts(shared, "ann", "bob", "poor") as people:
            with pytest.raises(kind, match=words) as caught:
                await use(*people)
            assert type(caught.value) is kind

    run(main)


def test_errors_of_keys(shared):
    async def main():
        key = shared.key["ann"]
        async with accounts(shared, "ann") as (ann,):
            symbol = ann.symbols[0]
            for venue, kind in (
                (account_of(shared, key, secret="00" * 32), ccxt.AuthenticationError),
                (account_of(shared, key, secret="not hexadecimal"), ccxt.AuthenticationError),
                (account_of(shared, key, secret=""), ccxt.AuthenticationError),
                (account_of(shared, shared.watcher, options={"lane": 9}), ccxt.PermissionDenied),
            ):
                with pytest.raises(kind):
                    await venue.create_order(symbol, "limit", "buy", 1, 2.4)
                if kind is ccxt.AuthenticationError:
                    with pytest.raises(kind):
                        await venue.fetch_balance()
                await venue.close()
            ann.milliseconds = lambda: int(time.time() * 1_000) - 60_000
            with pytest.raises(ccxt.InvalidNonce, match="112 CLOCK"):
                await ann.fetch_balance()

    run(main)


@pytest.mark.parametrize(
    ("code", "reason", "kind"),
    [
        (4001, "110 AUTH", ccxt.AuthenticationError),
        (4001, "112 CLOCK", ccxt.InvalidNonce),
        (4001, "120 RATE", ccxt.RateLimitExceeded),
        (4001, "the first request must be a login", ccxt.AuthenticationError),
        (4010, "the client was silent for too long", ccxt.NetworkError),
        (4012, "the server is about to stop", ccxt.OnMaintenance),
        (4029, "", ccxt.RateLimitExceeded),
        (1011, "", ccxt.NetworkError),
        (None, "", ccxt.NetworkError),
    ],
)
def test_close_codes(code, reason, kind):
    assert type(hourglass().closed_by(code, reason)) is kind


def test_a_venue_that_is_about_to_stop():
    async def main():
        venue = hourglass()

        async def fetch(*args):
            venue.handle_errors(503, "", "/health", "GET", {}, "", {"status": "draining"}, {}, None)

        venue.fetch = fetch
        assert (await venue.fetch_status())["status"] == "maintenance"
        await venue.close()

    run(main)


def test_another_session_on_the_lane(shared):
    async def main():
        async with accounts(shared, "ann") as (ann,):
            waiting = asyncio.ensure_future(ann.watch_orders())
            await ann.authenticate()
            other = account_of(shared, shared.key["ann"])
            await other.authenticate()
            with pytest.raises(ccxt.AuthenticationError, match="4011"):
                await soon(waiting)
            await other.close()

    run(main)


def test_the_rate_of_orders(tmp_path):
    async def main():
        with ExchangeProcess(tmp_path, orders_per_s=1, burst_orders=64) as exchange:
            async with accounts(exchange, "ann") as (ann,):
                wish = {"symbol": ann.symbols[0], "type": "limit", "side": "buy", "amount": 1, "price": 1}
                await ann.create_orders([wish] * 64)
                with pytest.raises(ccxt.RateLimitExceeded, match=r"120 RATE, wait \d+ microseconds"):
                    await ann.create_order(*wish.values())
                refused = await ann.create_orders([wish] * 9)
                assert [one["status"] for one in refused] == ["rejected"] * 9
                assert "120 RATE, wait" in refused[0]["info"]["error"]
                assert len(await ann.fetch_open_orders()) == 64

    run(main)


# News.


def test_watched_markets(shared):
    async def main():
        async with accounts(shared, "ann", "bob") as (ann, bob):
            symbol = ann.symbols[0]
            book = await soon(bob.watch_order_book(symbol))
            assert (book["bids"], book["asks"]) == ([], [])
            trades = asyncio.ensure_future(bob.watch_trades(symbol))
            ticker = await soon(bob.watch_ticker(symbol))
            assert ticker["bid"] is None
            await ann.create_orders(
                [{"symbol": symbol, "type": "limit", "side": "sell", "amount": 1, "price": 2.6 + step / 1_000}
                 for step in range(20)]
            )  # fmt: skip
            await bob.create_order(symbol, "limit", "buy", 2, 2.601)
            (first, *_) = await soon(trades)
            assert (first["price"], first["amount"], first["side"]) == (2.6, 1, "buy")
            rest, book = await bob.fetch_order_book(symbol, 100), bob.orderbooks[symbol]
            while book["nonce"] < rest["nonce"]:
                await soon(bob.watch_order_book(symbol))
            assert (book["bids"], book["asks"]) == (rest["bids"], rest["asks"])
            assert len(book["asks"]) == 18
            await ann.create_order(symbol, "limit", "buy", 1, 2.3)
            assert len((await soon(bob.watch_order_book(symbol, 5)))["asks"]) == 5
            while ticker["bid"] != 2.3:
                ticker = await soon(bob.watch_ticker(symbol))
            assert ticker["ask"] == 2.602

    run(main)


def test_a_book_with_a_gap_is_asked_for_anew(shared):
    async def main():
        async with accounts(shared, "ann", "bob") as (ann, bob):
            symbol = ann.symbols[0]
            await soon(bob.watch_order_book(symbol))
            await ann.create_order(symbol, "limit", "buy", 3, 1.1)
            await soon(bob.watch_order_book(symbol))
            book = bob.orderbooks[symbol]
            book["nonce"] -= 1  # As if the message of this level had been lost.
            book["bids"].store(1.1, 0)
            await ann.create_order(symbol, "limit", "buy", 2, 1.2)
            assert (await soon(bob.watch_order_book(symbol)))["bids"] == [[1.2, 2], [1.1, 3]]

    run(main)


ROW = {"t0": 1_795_795_200_000_000, "o": 2450, "h": 2460, "l": 2440, "c": 2455, "v": 7, "n": 3, "closed": 1}
TRADE = {"seq": 4, "ts": 1_795_795_201_000_000, "trade_id": 9, "px": 2450, "qty": 2, "aggressor": 1, "flags": 0}
LATER_TRADE = TRADE | {"trade_id": 10, "ts": TRADE["ts"] + 2_000, "aggressor": 2}


def test_candles_and_trades_as_they_are_documented(shared):
    async def main():
        async with accounts(shared, "ann") as (ann,):
            symbol, asked = ann.symbols[0], []

            async def public(path, **params):
                asked.append((path, params))
                return {"inst": 1, "trades": [TRADE, LATER_TRADE], "candles": [ROW]}

            ann.public = public
            assert await ann.fetch_ohlcv(symbol, "5m", 1_000, 10) == [
                [1_795_795_200_000, 2.45, 2.46, 2.44, 2.455, 7.0],
            ]  # fmt: skip
            inst = ann.market(symbol)["id"]
            span = {"from": 1_000_000, "to": (1_000 + 10 * 300_000) * 1_000}
            assert asked == [("v1/candles", {"inst": inst, "interval": 300, "limit": 10, **span})]
            first, second = await ann.fetch_trades(symbol)
            assert (first["id"], first["side"], first["price"], first["amount"]) == ("9", "sell", 2.45, 2)
            assert second["side"] is None
            ticker = ann.parse_ticker({"ts": ROW["t0"], "bid_px": 2400, "bid_qty": 1, "ask_px": 0, "ask_qty": 0,
                                       "day": [ROW, ROW | {"h": 2500, "c": 2490}]}, ann.market(symbol))  # fmt: skip
            assert [ticker[name] for name in ("bid", "ask", "open", "high", "low", "last", "baseVolume")] == [
                2.4, None, 2.45, 2.5, 2.44, 2.49, 14,
            ]  # fmt: skip
            client = await ann.authenticate()
            waiting = asyncio.ensure_future(client.future(f"candles:60:{symbol}"))
            ann.handle_message(client, {"t": "candle", "inst": 1, "seq": 1, "interval_s": 60, **ROW})
            assert list(await soon(waiting)) == [[1_795_795_200_000, 2.45, 2.46, 2.44, 2.455, 7.0]]

    run(main)


def test_candles_and_trades_of_the_venue(shared):
    async def main():
        async with accounts(shared, "ann", "bob") as (ann, bob):
            symbol = ann.symbols[0]
            await ann.create_order(symbol, "limit", "sell", 3, 2.45)
            candles = asyncio.ensure_future(bob.watch_ohlcv(symbol, "1m"))
            await bob.create_order(symbol, "limit", "buy", 3, 2.45)
            assert (await bob.fetch_trades(symbol))[-1]["amount"] == 3
            assert (await soon(candles))[-1][4] == 2.45
            assert (await bob.fetch_ohlcv(symbol, "1h"))[-1][4] == 2.45
            assert (await bob.fetch_ticker(symbol))["last"] == 2.45

    run(main)


def test_a_new_window_is_a_new_market(shared):
    async def main():
        async with accounts(shared, "ann") as (ann,):
            first, second = ann.symbols
            rows = [ann.market(first)["info"], ann.market(second)["info"]]
            ann.set_markets([ann.parse_market(rows[0])])
            await ann.create_order(first, "limit", "buy", 1, 1.1)  # Instruments are told to who logs in.
            while second not in ann.markets:
                await asyncio.sleep(0.01)
            client = await ann.authenticate()
            ann.handle_message(client, {"t": "instrument", **rows[1], "state": 4})
            assert (ann.market(first)["active"], ann.market(second)["active"]) == (True, False)
            await ann.create_order(second, "limit", "buy", 1, 1.1)
            ann.set_markets([ann.parse_market(rows[0])])
            assert {order["symbol"] for order in await ann.fetch_open_orders()} == {first, second}

    run(main)


# Connections that are lost.


def cut(venue):
    """Lose the connection, as a network does; False where there is none at the moment."""
    links = [client.connection._response.connection for client in venue.clients.values() if client.connection]
    for link in filter(None, links):
        link.transport.abort()
    return any(links)


def test_a_server_that_stops_and_comes_back(exchange):
    async def main():
        async with accounts(exchange, "ann", "bob") as (ann, bob):
            symbol = ann.symbols[0]
            sell = await ann.create_order(symbol, "limit", "sell", 5, 2.45)
            await soon(ann.watch_order_book(symbol))
            waiting = asyncio.ensure_future(ann.watch_order_book(symbol))
            await asyncio.sleep(0)
            await asyncio.to_thread(exchange.stop)
            with pytest.raises(ccxt.NetworkError):
                await soon(waiting)
            with pytest.raises(ccxt.ExchangeNotAvailable):
                await ann.fetch_time()
            command = asyncio.ensure_future(ann.create_order(symbol, "limit", "sell", 1, 2.5))
            await asyncio.to_thread(exchange.start)
            assert (await soon(command))["status"] == "open"
            assert (await soon(ann.watch_order_book(symbol)))["asks"] == [[2.45, 5], [2.5, 1]]
            await bob.create_order(symbol, "limit", "buy", 5, 2.45)
            assert (await order_that(ann, lambda order: order["id"] == sell["id"]))["status"] == "closed"

    run(main)


@pytest.mark.parametrize("heard_before", [False, True])
def test_what_was_missed_is_told(exchange, heard_before):
    async def main():
        async with accounts(exchange, "ann", "bob") as (ann, bob):
            symbol = ann.symbols[0]
            sell = await ann.create_order(symbol, "limit", "sell", 5, 2.45)
            if heard_before:
                await bob.create_order(symbol, "limit", "buy", 1, 2.45)
                await order_that(ann, lambda order: order["filled"] == 1)
            assert cut(ann)
            await bob.create_order(symbol, "limit", "buy", 2, 2.45)
            with contextlib.suppress(ccxt.NetworkError):
                while True:
                    await soon(ann.watch_orders(None))
                    break
            filled = 3 if heard_before else 2
            if ann.live[int(sell["id"])]["cum"] != filled:
                await order_that(ann, lambda order: order["filled"] == filled)
            trades = await soon(ann.watch_my_trades(symbol))
            assert sum(trade["amount"] for trade in trades) == filled

    run(main)


def test_a_command_is_done_once_when_its_connection_is_lost(exchange):
    async def main():
        async with accounts(exchange, "ann") as (ann,):
            symbol = ann.symbols[0]
            await ann.authenticate()
            cuts = 0
            for number in range(12):
                command = asyncio.ensure_future(ann.create_order(symbol, "limit", "buy", 1, 1 + number / 1_000))
                while not ann.pending:
                    await asyncio.sleep(0)
                for _ in range(number):  # Lost at other moments: before it is sent, after, when it is answered.
                    await asyncio.sleep(0)
                cuts += cut(ann)
                assert (await soon(command))["status"] == "open"
            assert cuts > 5
            assert len(await ann.fetch_open_orders(symbol)) == 12

    run(main)


def test_a_venue_that_does_not_come_back(exchange):
    async def main():
        async with accounts(exchange, "ann") as (ann,):
            await ann.authenticate()
            ann.options |= {"reconnectAttempts": 1, "reconnectDelayMs": 1}
            await asyncio.to_thread(exchange.stop)
            with pytest.raises(ccxt.NetworkError):
                await soon(ann.create_order(ann.symbols[0], "limit", "buy", 1, 1))
            assert not ann.pending
            await asyncio.to_thread(exchange.start)
            assert await ann.fetch_open_orders() == []

    run(main)


def test_a_connection_is_kept_alive(shared):
    async def main():
        config = {"streaming": {"keepAlive": 100}, "options": {"heartbeatMs": 250}}  # Silent for 750 ms: closed.
        async with accounts(shared, "ann", **config) as (ann,):
            client = await ann.authenticate()
            await asyncio.sleep(1.5)
            assert await ann.authenticate() is client
            assert not client.closed()
            assert ann.milliseconds() - client.lastPong < 1_000

    run(main)
