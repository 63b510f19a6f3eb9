"""Who may come in: the counting of addresses, and the entrance it stands at, over loopback."""

import asyncio
import logging
import socket

import aiohttp
import pytest
from gateway_venue import raw, running
from test_server import HANDSHAKE, get, run, stream

from gateway.bucket import NS_PER_SECOND
from gateway.config import REQUEST_HEAD_BYTES_MAX, GatewayConfig
from gateway.door import ADDRESSES_IDLE_MAX, Door, Refusal, origin

NOW_NS = 1_000 * NS_PER_SECOND


def door(**config):
    return Door(GatewayConfig(**config))


# Counting.


def test_an_address_has_so_many_connections_and_no_more_ses_041():
    one = door(connections_per_address_max=2)
    assert [one.enter("a", NOW_NS) for _ in range(3)] == [None, None, Refusal.TOO_MANY]
    assert one.enter("b", NOW_NS) is None
    one.leave("a", NOW_NS)  # The refused one.
    assert one.enter("a", NOW_NS) is Refusal.TOO_MANY
    one.leave("a", NOW_NS)
    one.leave("a", NOW_NS)
    assert one.enter("a", NOW_NS) is None


def test_an_address_opens_so_many_in_a_second_and_no_more_ses_041():
    one = door(handshakes_per_address_s=2, burst_handshakes_per_address=3)
    assert [one.enter("a", NOW_NS) for _ in range(4)] == [None, None, None, Refusal.TOO_FAST]
    for _ in range(4):  # Going away gives no credit back.
        one.leave("a", NOW_NS)
    assert one.enter("a", NOW_NS) is Refusal.TOO_FAST
    assert one.enter("b", NOW_NS) is None
    half = NS_PER_SECOND // 2
    assert [one.enter("a", NOW_NS + half) for _ in range(2)] == [None, Refusal.TOO_FAST]
    assert [one.enter("a", NOW_NS + 100 * half) for _ in range(4)] == [None, None, None, Refusal.TOO_FAST]


@pytest.mark.parametrize(
    ("address", "counted_as"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("::ffff:10.0.0.7", "10.0.0.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("a name", "a name"),
    ],
)
def test_a_network_of_ipv6_counts_as_one_address_ses_041(address, counted_as):
    assert origin(address) == counted_as


def test_no_limit_of_new_connections():
    one = door(handshakes_per_address_s=0)
    assert {one.enter("a", NOW_NS) for _ in range(10_000)} == {None}


def test_addresses_that_are_gone_are_forgotten():
    one = door(handshakes_per_address_s=1, burst_handshakes_per_address=1)
    for number in range(ADDRESSES_IDLE_MAX + 5):
        one.enter(f"a{number}", NOW_NS)
        one.leave(f"a{number}", NOW_NS)
    assert len(one) == ADDRESSES_IDLE_MAX
    assert one.enter(f"a{ADDRESSES_IDLE_MAX}", NOW_NS) is Refusal.TOO_FAST
    assert one.enter("a0", NOW_NS) is None  # The longest gone is forgotten.
    later = NOW_NS + 10 * NS_PER_SECOND
    assert one.enter("a9", later) is None
    one.leave("a9", later + NS_PER_SECOND)  # Its credit is whole again: nothing to remember.
    assert len(one) == ADDRESSES_IDLE_MAX  # Two that are here among them.
    assert one.sockets == 2


@pytest.mark.parametrize("name", ["handshake_timeout_ms", "stalled_ms_max", "keepalive_s", "user_timeout_ms"])
def test_a_time_must_be_one(name):
    with pytest.raises(ValueError, match=f"{name} must be at least 1, was 0"):
        GatewayConfig(**{name: 0})


def test_rates_of_new_connections_must_be_some():
    with pytest.raises(ValueError, match="burst_handshakes_per_address at least 1"):
        GatewayConfig(burst_handshakes_per_address=0)


# At the entrance.


async def answer(venue, request=HANDSHAKE):
    async with stream(venue) as (reader, writer):
        writer.write(request)
        return await asyncio.wait_for(reader.read(), 5)


def test_a_connection_that_says_nothing_is_closed_ses_040():
    async def main():
        async with running(handshake_timeout_ms=50) as venue:
            assert (await answer(venue, b"")).startswith(b"HTTP/1.1 408 ")
            await asyncio.sleep(0.05)
            assert venue.server._lobby.door.sockets == 0

    run(main())


def test_a_request_byte_by_byte_does_not_stretch_the_time_ses_040():
    async def main():
        async with running(handshake_timeout_ms=200) as venue, stream(venue) as (reader, writer):

            async def drip():
                for byte in HANDSHAKE:
                    writer.write(bytes([byte]))
                    await asyncio.sleep(0.01)

            dripping = asyncio.ensure_future(drip())
            assert (await asyncio.wait_for(reader.read(), 5)).startswith(b"HTTP/1.1 408 ")
            assert not dripping.done()
            dripping.cancel()

    run(main())


@pytest.mark.parametrize("cut", [1, 40, len(HANDSHAKE) - 3, len(HANDSHAKE) - 1])
def test_a_request_in_two_pieces_is_one(cut):
    async def main():
        async with running() as venue, stream(venue) as (reader, writer):
            writer.write(HANDSHAKE[:cut])
            await asyncio.sleep(0.01)
            writer.write(HANDSHAKE[cut:])
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")

    run(main())


def test_a_long_head_is_refused_ses_040():
    async def main():
        async with running() as venue:
            endless = b"GET / HTTP/1.1\r\nx: " + b"y" * REQUEST_HEAD_BYTES_MAX
            assert (await answer(venue, endless)).startswith(b"HTTP/1.1 431 ")
            assert (await answer(venue, endless + b"\r\n\r\n")).startswith(b"HTTP/1.1 431 ")

    run(main())


def test_a_request_in_progress_is_not_cut_by_the_deadline_of_its_head_ses_040():
    async def main():
        async with running(handshake_timeout_ms=400) as venue:
            async with raw(venue, venue.key["ann"]) as ann, aiohttp.ClientSession() as http:
                for _ in range(3):  # One connection for all of them.
                    async with http.get(venue.http + "/v1/time") as response:
                        assert response.status == 200
                    await asyncio.sleep(0.25)
                assert venue.server._lobby.door.sockets == 2
                await ann.send(3, 1, 5)
                assert (await ann.next())[:3] == [65, 1, 5]

    run(main())


def test_an_idle_connection_is_closed_after_its_request():
    async def main():
        async with running(request_idle_s=1) as venue, stream(venue) as (reader, writer):
            writer.write(b"GET /v1/time HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await asyncio.wait_for(reader.read(), 5)).startswith(b"HTTP/1.1 200 OK")

    run(main())


def test_an_address_with_too_many_connections_is_answered_503_ses_041():
    async def main():
        async with running(connections_per_address_max=2) as venue:
            async with raw(venue, venue.key["ann"]), raw(venue, venue.key["bob"]):
                refused = await answer(venue)
                assert refused.startswith(b"HTTP/1.1 503 ")
                assert refused.endswith(b"\r\n\r\ntoo many connections from this address")
                async with aiohttp.ClientSession() as http:
                    with pytest.raises(aiohttp.WSServerHandshakeError, match="503"):
                        await http.ws_connect(venue.url)
            await asyncio.sleep(0.05)
            async with raw(venue, venue.key["ann"]):
                assert venue.server._lobby.door.sockets == 1

    run(main())


def test_an_address_that_comes_too_often_is_answered_429_ses_041():
    async def main():
        async with running(handshakes_per_address_s=1, burst_handshakes_per_address=2) as venue:
            assert (await get(venue, "/v1/time"))[0] == 200
            assert (await get(venue, "/v1/time"))[0] == 200
            assert (await answer(venue)).startswith(b"HTTP/1.1 429 ")

    run(main())


def test_a_refused_connection_that_says_nothing_is_not_kept_ses_041():
    async def main():
        async with running(connections_per_address_max=1, close_timeout_ms=50) as venue, stream(venue):
            await asyncio.sleep(0)
            async with stream(venue) as (reader, _):
                assert await asyncio.wait_for(reader.read(), 5) == b""
            await asyncio.sleep(0.05)
            assert venue.server._lobby.door.sockets == 1

    run(main())


def test_sockets_of_all_addresses_end_at_sockets_max_ses_041():
    async def main():
        async with running(sockets_max=2) as venue, raw(venue, venue.key["ann"]), stream(venue):
            await asyncio.sleep(0.05)
            async with stream(venue) as (reader, _):
                assert await asyncio.wait_for(reader.read(), 5) == b""
            assert venue.server._lobby.door.sockets == 2

    run(main())


def test_who_was_refused_and_closed_is_counted():
    async def main():
        async with running(handshake_timeout_ms=400) as venue, aiohttp.ClientSession() as http:
            await answer(venue, b"")
            await answer(venue, b"GET / HTTP/1.1\r\nx: " + b"y" * REQUEST_HEAD_BYTES_MAX)
            for _ in range(2):
                await answer(venue, HANDSHAKE + b"\x82\x01x")
            async with http.get(venue.http + "/metrics") as response:
                told = await response.text()
            assert 'hourglass_refused_total{status="408"} 1.0' in told
            assert 'hourglass_refused_total{status="431"} 1.0' in told
            assert 'hourglass_closed_total{code="1002"} 2.0' in told
            assert "hourglass_sockets 1.0" in told

    run(main())


@pytest.mark.parametrize(
    "request_bytes", [b"\0\xff garbage\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/1.1\r\n: \0\r\n\r\n"]
)
def test_what_is_not_http_is_refused_without_explanation_ses_046(request_bytes, caplog):
    async def main():
        async with running() as venue:
            answered = await answer(venue, request_bytes)
            assert answered.startswith(b"HTTP/1.0 400 ") or answered.startswith(b"HTTP/1.1 400 ")
            assert answered.endswith(b"\r\n\r\nthe request cannot be read as HTTP/1.1")

    run(main())
    assert caplog.records == []  # It must not fill the log either.


def test_an_error_of_ours_is_not_explained_over_http_ses_046(caplog):
    async def main():
        async with running() as venue, aiohttp.ClientSession() as http:
            venue.server.wall_us = lambda: 1 // 0
            async with http.get(venue.http + "/v1/time") as response:
                text = await response.text()
                assert response.status == 500
                assert "Zero" not in text
                assert "Traceback" not in text

    with caplog.at_level(logging.ERROR):
        run(main())
    assert any(record.exc_info for record in caplog.records), "the error must be in the log"


def test_the_system_is_asked_to_give_up_silent_hosts():
    async def main():
        async with running(user_timeout_ms=7_000, keepalive_s=11) as venue, raw(venue, venue.key["ann"]):
            (connection,) = venue.server._connections
            raw_socket = connection.link.transport.get_extra_info("socket")
            options = [socket.TCP_USER_TIMEOUT, socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT]
            assert [raw_socket.getsockopt(socket.IPPROTO_TCP, one) for one in options] == [7_000, 11, 11, 3]
            assert raw_socket.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1

    run(main())


def test_a_stop_hangs_up_on_those_who_have_not_asked_yet():
    async def main():
        async with running() as venue, stream(venue) as (reader, writer):
            writer.write(b"GET /")
            await asyncio.sleep(0.05)
            await venue.server.stop()
            assert await asyncio.wait_for(reader.read(), 2) == b""
            assert not venue.server._lobby.waiting

    run(main())
