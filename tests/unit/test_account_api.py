"""The signed side of HTTP: who may ask, and what is answered. Rules: docs/spec/session.md."""

import asyncio
import contextlib
import time

import aiohttp
import pytest
import uvloop
from gateway_venue import PRODUCT, WINDOW, Venue

from exchange import commands
from exchange.reasons import RejectReason as R
from exchange.records import OrderFlag
from gateway.auth import ApiKey, generate_key
from gateway.signing import KEY, SIGNATURE, TIME, signature

ANN, BOB = 1, 2
PATHS = ["/v1/orders", "/v1/fills", "/v1/events", "/v1/positions", "/v1/margin", "/v1/limits", "/v1/orders/5"]


def run(main):
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(asyncio.wait_for(main, 20))


@contextlib.asynccontextmanager
async def running(**config):
    venue = Venue(**config)
    await venue.server.start()
    try:
        async with aiohttp.ClientSession() as http:
            yield venue, http
    finally:
        await venue.server.stop()


def headers(key, path, *, ts=None, method="GET"):
    ts = time.time_ns() // 1_000 if ts is None else ts
    return {KEY: key.key_id, TIME: str(ts), SIGNATURE: signature(key.secret, method, path, ts)}


async def ask(venue, http, path, key=None, **more):
    """(status, answer) of a signed request."""
    key = key or venue.key["ann"]
    async with http.get(venue.http + path, headers=headers(key, path, **more)) as response:
        return response.status, await response.json()


def trade(venue):
    """ann offers 10 and has sold 3 in two fills; she has a quote and a block, too."""
    venue.sequencer.submit(commands.list_window(PRODUCT, WINDOW + 1))
    venue.sequencer.submit(
        commands.place(ANN, 1, 1, 1, 2450, 10, lane=2, tag=77)
        + commands.place(BOB, 1, 1, 0, 2450, 2)
        + commands.place(BOB, 2, 1, 0, 2450, 1)
        + commands.quote(ANN, 1, [commands.Leg(2, 2400, 4, 2500, 5, quote_set=3)])
        + commands.block(ANN, 2, 1, 1, WINDOW, 2, 0, 100, 6, flags=int(OrderFlag.COD), tag=8)
    )


def test_open_orders_and_blocks_ses_070():
    async def main():
        async with running() as (venue, http):
            trade(venue)
            status, told = await ask(venue, http, "/v1/orders")
            assert (status, told["gseq"]) == (200, venue.engine.seq)
            order, bid, ask_ = told["orders"]
            assert order == {
                "oid": order["oid"], "lane": 2, "ref": 1, "inst": 1, "symbol": venue.symbols[0], "side": 1, "px": 2450,
                "qty": 10, "cum": 3, "leaves": 7, "tag": 77,
            }  # fmt: skip
            assert [(one["set"], one["inst"], one["side"], one["px"], one["qty"]) for one in (bid, ask_)] == [
                (3, 2, 0, 2400, 4), (3, 2, 1, 2500, 5),
            ]  # fmt: skip
            (block,) = told["blocks"]
            assert block == {
                "oid": block["oid"], "lane": 0, "ref": 2, "product": 1, "name": PRODUCT, "fabrics": [0],
                "start": WINDOW, "hours": 2, "side": 0, "limit_total": 100, "qty": 6, "cum": 0, "leaves": 6, "tag": 8,
            }  # fmt: skip
            assert (await ask(venue, http, f"/v1/orders/{order['oid']}"))[1]["order"] == order
            assert (await ask(venue, http, "/v1/orders/ref/2/1"))[1]["order"] == order
            assert (await ask(venue, http, "/v1/orders/ref/0/2"))[1]["block"] == block
            tagged = (await ask(venue, http, "/v1/orders/tag/8"))[1]
            assert (tagged["orders"], tagged["blocks"]) == ([], [block])
            assert (await ask(venue, http, "/v1/orders/ref/2/9"))[0] == 404
            assert (await ask(venue, http, "/v1/orders", venue.key["bob"]))[1]["orders"] == []

    run(main())


def test_fills_events_positions_and_money_ses_070():
    async def main():
        async with running(orders_per_s=70) as (venue, http):
            trade(venue)
            fills = (await ask(venue, http, "/v1/fills"))[1]["fills"]
            assert [(one["t"], one["pseq"], one["qty"], one["cum"]) for one in fills] == [
                ("fill", 1, 2, 2), ("fill", 2, 1, 3),
            ]  # fmt: skip
            assert (await ask(venue, http, "/v1/fills?since_pseq=1"))[1]["fills"] == fills[1:]
            assert (await ask(venue, http, "/v1/fills?since_pseq=0&limit=1"))[1]["fills"] == fills[:1]
            assert (await ask(venue, http, "/v1/events?since_pseq=2"))[1]["events"] == []
            positions = (await ask(venue, http, "/v1/positions"))[1]["positions"]
            assert positions[0] == {
                "symbol": venue.symbols[0], "inst": 1, "net": -3, "open_buy": 0, "open_sell": 7,
            }  # fmt: skip
            assert set((await ask(venue, http, "/v1/margin"))[1]) == {"cash", "reserved", "available", "gseq"}
            limits = (await ask(venue, http, "/v1/limits"))[1]
            assert (limits["orders_per_s"], limits["cancels_per_s"]) == (70, 140)

    run(main())


def test_what_is_not_kept_any_more_ses_070():
    async def main():
        async with running(private_history_bytes=60) as (venue, http):
            for ref in range(1, 9):
                both = commands.place(ANN, ref, 1, 1, 2450, 1) + commands.place(BOB, ref, 1, 0, 2450, 1)
                venue.sequencer.submit(both)
            status, told = await ask(venue, http, "/v1/fills?since_pseq=1")
            assert (status, told["code"]) == (410, R.REPLAY_TOO_OLD)
            kept = (await ask(venue, http, "/v1/fills"))[1]["fills"]
            assert kept[0]["pseq"] == venue.publisher.router.oldest_pseq(ANN) > 1
            assert kept[-1]["pseq"] == 8

    run(main())


def test_an_answer_waits_until_it_is_durable_ses_070():
    async def main():
        async with running() as (venue, http):
            told = venue.publisher.durable_seq
            venue.publisher.durable_seq = 0  # As if the last batches were under way.
            asking = asyncio.ensure_future(ask(venue, http, "/v1/margin"))
            await asyncio.sleep(0.05)
            assert not asking.done()
            venue.publisher.durable_seq = told
            venue.sequencer.submit(commands.time(venue.engine.now_ns))
            status, answer = await asking
            assert (status, answer["gseq"]) == (200, told)

    run(main())


@pytest.mark.parametrize("path", PATHS)
def test_only_the_owner_of_a_key_is_answered_ses_071(path):
    async def main():
        async with running(failed_logins_max=100) as (venue, http):
            key = venue.key["ann"]
            stranger = ApiKey(key.key_id, b"x" * 32, "ann")
            assert await ask(venue, http, path, stranger) == (
                401, {"code": 110, "reason": "AUTH", "text": "key, signature or account is not accepted"},
            )  # fmt: skip
            assert (await ask(venue, http, path, generate_key("ann")))[0] == 401
            async with http.get(venue.http + path) as response:
                assert response.status == 400
            late = time.time_ns() // 1_000 - 6_000_000
            status, told = await ask(venue, http, path, ts=late)
            assert (status, told["code"]) == (401, R.CLOCK)
            async with http.get(venue.http + path + "?more=1", headers=headers(key, path)) as response:
                assert response.status == 401  # Another path was signed.

    run(main())


def test_a_key_that_may_not_read_ses_071():
    async def main():
        async with running() as (venue, http):
            key = generate_key("ann", ("trade",))
            venue.keys.add(key)
            status, told = await ask(venue, http, "/v1/orders", key)
            assert (status, told["code"]) == (403, R.SCOPE)

    run(main())


def test_failed_attempts_are_counted_with_the_logins_ses_071():
    async def main():
        async with running() as (venue, http):
            for _ in range(3):
                assert (await ask(venue, http, "/v1/orders", generate_key("ann")))[0] == 401
            status, told = await ask(venue, http, "/v1/orders")
            assert (status, told["code"]) == (429, R.RATE)

    run(main())


@pytest.mark.parametrize(
    "path", ["/v1/fills?since_pseq=x", "/v1/fills?limit=-1", "/v1/orders/ref/0/1e3", "/v1/orders/tag/-"],
)
def test_numbers_that_are_none_ses_070(path):
    async def main():
        async with running() as (venue, http):
            status, told = await ask(venue, http, path)
            assert (status, told["code"]) == (400, R.MALFORMED)

    run(main())
