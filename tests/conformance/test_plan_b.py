"""The parser and the whole session without aiohttp: a raw `asyncio.Protocol` feeds them what its transport reads."""

import asyncio

import aiohttp
import msgpack
import pytest
import uvloop
from echo import EchoProtocol, serve
from test_frames import BINARY, CLOSE, masked, server_frames
from test_session import NONCE, SELL, frozen_venue

from gateway.auth import sign
from gateway.connection import Connection
from gateway.session import Session

LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


def run(loop, coroutine):
    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runner.run(asyncio.wait_for(coroutine, 20))


@pytest.mark.parametrize("loop", LOOPS)
def test_a_client_of_another_library_is_echoed(loop):
    async def main():
        server = await serve()
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        async with aiohttp.ClientSession() as http, http.ws_connect(url) as socket:
            await socket.send_str("grüße")
            assert (await socket.receive()).data == "grüße"
            for size in (0, 125, 126, 65_535, 65_536, 1 << 20):
                await socket.send_bytes(bytes(size))
                assert (await socket.receive()).data == bytes(size)
            await socket.ping(b"p")
            await socket.send_str("end")
            assert (await socket.receive()).data == "end"
            await socket.close(code=4000)
            assert socket.close_code == 4000
        server.close()

    run(loop, main())


@pytest.mark.parametrize("loop", LOOPS)
def test_a_firehose_is_echoed_in_order_over_many_turns_ses_043(loop):
    """Ten thousand messages at once: reading is paused and resumed by the parser on the transport itself."""

    async def main():
        server = await serve()
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        async with aiohttp.ClientSession() as http, http.ws_connect(url) as socket:
            count = 10_000
            stream = b"".join(masked(BINARY, b"%d" % at) for at in range(count))
            socket._writer.transport.write(stream)
            for at in range(count):
                assert (await socket.receive()).data == b"%d" % at
        server.close()

    run(loop, main())


class VenueProtocol(EchoProtocol):
    """The echo's handshake, then a link with a session in place of the echo."""

    venue = None

    def upgrade(self, head, rest):
        super().upgrade(head, b"")
        self.connection = Connection(self.venue.sequencer.submit, self.venue.frozen.config, lambda: 0)
        self.parser = self.connection.link
        session = Session(self.venue.frozen, self.parser, number=1, nonce=NONCE, address="x", now_ns=0)
        self.connection.begin(self.transport, session)
        self.parser.feed_data(rest)


@pytest.mark.parametrize("loop", LOOPS)
def test_a_session_trades_on_a_raw_protocol(loop):
    async def main():
        venue = frozen_venue()
        factory = type("OneVenueProtocol", (VenueProtocol,), {"venue": venue})
        server = await asyncio.get_running_loop().create_server(factory, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        key, ts = venue.key["ann"], venue.frozen.wall_us()
        login = [1, 1, key.key_id, ts, sign(key.secret, NONCE, key.key_id, ts), 0, 0, 0, 0, 0]
        writer.write(b"GET / HTTP/1.1\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
        for message in (login, SELL, [2, 2, 0]):
            writer.write(masked(BINARY, msgpack.packb(message)))
        await reader.readuntil(b"\r\n\r\n")
        frames = server_frames(await reader.read())
        assert [msgpack.unpackb(body)[0] for opcode, body in frames if opcode == BINARY] == [64, 67, 33, 66]
        assert frames[-1][0] == CLOSE
        writer.close()
        server.close()

    run(loop, main())
