"""The server over loopback: HTTP, WebSockets, and what happens at the end of both."""

import asyncio
import contextlib

import aiohttp
import msgpack
import pytest
import uvloop
from gateway_venue import PRODUCT, Raw, raw, running
from test_frames import masked

from exchange.reasons import RejectReason as R


def run(coroutine):
    """Run a test on the loop the server is meant for."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(asyncio.wait_for(coroutine, 20))


async def get(venue, path):
    async with aiohttp.ClientSession() as http, http.get(venue.http + path) as response:
        return response.status, await response.json()


HANDSHAKE = (
    b"GET /ws/v1 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
)


@contextlib.asynccontextmanager
async def stream(venue):
    reader, writer = await asyncio.open_connection("127.0.0.1", venue.server.port)
    try:
        yield reader, writer
    finally:
        writer.close()


def test_orders_over_loopback():
    async def main():
        async with running() as venue, raw(venue, venue.key["ann"]) as ann, raw(venue, venue.key["bob"]) as bob:
            await ann.send(16, 1, 1, 1, 2450, 5, 0, 0)
            assert (await ann.next())[:3] == [33, 1, 0]
            await bob.send(16, 1, 1, 0, 2450, 2, 0, 0)
            assert [(await bob.next())[0] for _ in range(2)] == [33, 35]
            assert (await ann.next())[7:11] == [2450, 2, 2, 3]

    run(main())


def test_health_time_and_metrics():
    async def main():
        async with running() as venue, raw(venue, venue.key["ann"]):
            status, health = await get(venue, "/health")
            assert (status, health["status"], health["sessions"], health["durable_seq"]) == (200, "ok", 1, 5)
            assert health["durability"] == venue.sequencer.durability
            status, clock = await get(venue, "/v1/time")
            assert abs(clock["ts"] - venue.server.wall_us()) < 5_000_000
            async with aiohttp.ClientSession() as http, http.get(venue.http + "/metrics") as response:
                text = await response.text()
            assert "hourglass_sessions 1.0" in text
            assert "hourglass_durable_seq 5.0" in text

    run(main())


def test_instruments_and_book():
    async def main():
        async with running() as venue, raw(venue, venue.key["ann"]) as ann:
            for ref in range(1, 4):
                await ann.send(16, ref, 1, 0, 100 + ref, ref, 0, 0)
                await ann.next(33)
            status, listed = await get(venue, f"/v1/instruments?product={PRODUCT}")
            assert [one["symbol"] for one in listed["instruments"]] == venue.symbols
            assert (await get(venue, "/v1/instruments?product=none"))[1] == {"instruments": []}
            status, book = await get(venue, "/v1/book?inst=1&depth=2")
            assert (book["bids"], book["asks"]) == ([[103, 3], [102, 2]], [])
            assert (await get(venue, "/v1/book?inst=" + venue.symbols[0].replace("@", "%40")))[1]["bids"][2] == [101, 1]
            for wrong in ("", "?inst=99", "?inst=x", "?inst=\u0661"):
                status, body = await get(venue, "/v1/book" + wrong)
                assert (status, body["code"]) == (404, R.NO_INSTRUMENT)
            assert (await get(venue, "/v1/book?inst=1&depth=-1"))[0] == 400

    run(main())


def test_compression_is_never_agreed_ses_001():
    async def main():
        async with running() as venue, stream(venue) as (reader, writer):
            writer.write(HANDSHAKE)
            head = await reader.readuntil(b"\r\n\r\n")
            assert b"101 Switching" in head
            assert b"deflate" not in head.lower()

    run(main())


def test_bytes_that_come_with_the_handshake_are_read():
    async def main():
        async with running() as venue, stream(venue) as (reader, writer):
            writer.write(HANDSHAKE + masked(2, msgpack.packb([3, 9, 42])))
            await reader.readuntil(b"\r\n\r\n")
            data = await asyncio.wait_for(reader.readexactly(2), 3)
            hello = msgpack.unpackb(await reader.readexactly(data[1]))
            data = await asyncio.wait_for(reader.readexactly(2), 3)
            pong = msgpack.unpackb(await reader.readexactly(data[1]))
            assert (hello[0], pong[:3]) == (64, [65, 9, 42])

    run(main())


def test_half_a_request_is_not_waited_for_for_ever_ses_040():
    async def main():
        async with running(handshake_timeout_ms=100) as venue, stream(venue) as (reader, writer):
            writer.write(HANDSHAKE[:60])
            answer = await asyncio.wait_for(reader.read(), 4)
            assert answer.startswith(b"HTTP/1.1 408 ")
            assert answer.endswith(b"\r\n\r\nthe head of the request did not come in time")

    run(main())


def test_not_a_websocket_and_not_found():
    async def main():
        async with running() as venue, aiohttp.ClientSession() as http:
            async with http.get(venue.http + "/ws/v1") as response:
                assert response.status == 400
            async with http.get(venue.http + "/nothing") as response:
                assert response.status == 404
            assert (await get(venue, "/health"))[1]["connections"] == 0

    run(main())


def test_peer_that_ignores_our_close_is_aborted_ses_004():
    async def main():
        async with running(close_timeout_ms=100) as venue, stream(venue) as (reader, writer):
            writer.write(HANDSHAKE + masked(1, b"text"))
            data = await asyncio.wait_for(reader.read(), 3)
            assert b"\x0f\xa3a text message must be" in data
            await asyncio.sleep(0.05)
            assert not venue.server._connections

    run(main())


def test_silent_client_is_closed_ses_012():
    async def main():
        async with running(heartbeat_ms=50) as venue, raw(venue, venue.key["ann"]) as ann:
            assert (await ann.next(104))[1:] == [pytest.approx(venue.server.wall_us(), abs=5e6), 5, 0, 5]
            assert await ann.next() == ("closed", 4010)

    run(main())


def test_late_login_is_closed_ses_007():
    async def main():
        async with running(login_timeout_ms=100) as venue, raw(venue) as nobody:
            assert (await nobody.next())[0] == 64
            assert await nobody.next() == ("closed", 4002)

    run(main())


def test_lost_connection_cancels_after_its_grace_ses_013():
    async def main():
        async with running() as venue:
            async with raw(venue, venue.key["ann"], cod=1, grace_ms=150) as ann:
                await ann.send(16, 1, 1, 1, 2450, 5, 0, 0)
                await ann.next(33)
            asks = venue.publisher.router.market(1).asks
            await asyncio.sleep(0.05)
            assert asks.levels(1) == [(2450, 5)]
            await asyncio.sleep(0.3)
            assert venue.publisher.router.market(1).asks.levels(1) == []

    run(main())


def test_stop_closes_every_session_and_cancels_at_once_ses_013():
    async def main():
        async with running() as venue:
            async with raw(venue, venue.key["ann"], cod=1, grace_ms=60_000) as ann:
                await ann.send(16, 1, 1, 1, 2450, 5, 0, 0)
                await ann.next(33)
                stopping = asyncio.ensure_future(venue.server.stop())
                assert (await ann.next())[:3] == [41, 2, 5_000]
                assert await ann.next() == ("closed", 4012)
                await stopping
            assert venue.publisher.router.market(1).asks.levels(1) == []
            with pytest.raises(aiohttp.ClientError):
                await get(venue, "/health")

    run(main())


def test_drained_server_says_so_and_takes_no_connections():
    async def main():
        async with running() as venue, raw(venue, venue.key["ann"]) as ann:
            venue.server.drain()
            await ann.send(16, 1, 1, 1, 2450, 5, 0, 0)
            assert (await ann.next())[:3] == [41, 2, 5_000]
            assert (await ann.next())[:3] == [34, 1, R.DRAINING]
            assert (await get(venue, "/health"))[0] == 503
            async with aiohttp.ClientSession() as http:
                with pytest.raises(aiohttp.WSServerHandshakeError, match="503"):
                    await http.ws_connect(venue.url)
            stopping = asyncio.ensure_future(venue.server.stop())
            assert await ann.next() == ("closed", 4012), "the notice is not given twice"
            await stopping

    run(main())


def test_open_websocket_has_neither_task_nor_timer_of_the_http_server():
    async def main():
        async with running() as venue, contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(raw(venue, venue.key["ann"]))
            before = len(asyncio.all_tasks())
            for lane in range(1, 6):
                await stack.enter_async_context(raw(venue, venue.key["ann"], lane=lane))
            assert len(asyncio.all_tasks()) == before
            assert len(venue.server._connections) == 6
            handlers = venue.server._runner.server.connections
            assert [handler._keepalive_handle for handler in handlers] == [None] * 6
        assert venue.server._connections == set()
        assert venue.server._closed.total() == 6

    run(main())


def test_connections_are_limited():
    async def main():
        async with running(connections_max=1) as venue, raw(venue, venue.key["ann"]):
            async with aiohttp.ClientSession() as http:
                with pytest.raises(aiohttp.WSServerHandshakeError, match="503"):
                    await http.ws_connect(venue.url)

    run(main())


def test_stuck_reader_does_not_hold_up_the_others_ses_004():
    async def main():
        limits = {"backlog_bytes_max": 65_536, "conflate_bytes_max": 32_768, "conflate_low_bytes": 16_384}
        async with running(heartbeat_ms=30_000, **limits) as venue:
            async with stream(venue) as (reader, writer), raw(venue, venue.key["ann"]) as ann:
                writer.write(HANDSHAKE)
                await reader.readuntil(b"\r\n\r\n")
                stuck = next(c for c in venue.server._connections if c.session.account == 0)
                writer.transport.pause_reading()
                for _ in range(2000):
                    stuck.link.send(bytes(8192))
                    stuck.link.flush()
                    if not stuck.link.is_open:
                        break
                assert stuck.link.close_code == 4008
                await ann.send(3, 1, 1)
                assert (await ann.next())[0] == 65
                await asyncio.wait_for(stuck.gone, 3)

    run(main())


def test_clients_that_come_and_go_leave_nothing_behind():
    async def main():
        async with running() as venue:
            for lane in range(20):
                async with raw(venue, venue.key["ann"], lane=lane) as ann:
                    await ann.send(4, 1, 2, None)
                    await ann.next(66)
            await asyncio.sleep(0.05)
            assert not venue.server._connections
            assert len(venue.server.lanes) == 0
            assert venue.publisher.router.market(1).subscribed(2) == []

    run(main())


def test_plain_asyncio_works_too():
    async def main():
        async with running() as venue, raw(venue, venue.key["ann"]) as ann:
            assert isinstance(ann, Raw)
            await ann.send(3, 1, 5)
            assert (await ann.next())[:3] == [65, 1, 5]

    asyncio.run(main())
