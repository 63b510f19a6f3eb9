"""What the gateway uses of aiohttp beyond its documented interface (gateway/connection.py, gateway/entrance.py), so an
upgrade that takes it away fails here, by name, and not in a handshake."""

import asyncio
import inspect
import tomllib
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.base_protocol import BaseProtocol
from aiohttp.web_protocol import RequestHandler

from ext.link import Link
from gateway.connection import Upgrade
from gateway.entrance import Handler

# Where, what, which parameters it takes by position, and what for.
USED = [
    (web.WebSocketResponse, "_post_start", ["request", "protocol", "writer"], "it is called after the handshake"),
    (web.WebSocketResponse, "write_eof", [], "it is called at the end, and would write a close frame of its own"),
    (RequestHandler, "set_parser", ["parser"], "it sends all further bytes to our parser"),
    (RequestHandler, "keep_alive", ["val"], "the connection must not wait for another request"),
    (RequestHandler, "close", [], "the request that became a WebSocket is its handler's last"),
    (RequestHandler, "connection_made", ["transport"], "a connection is handed over when its first request is whole"),
    (RequestHandler, "data_received", ["data"], "it is given that request"),
    (RequestHandler, "connection_lost", ["exc"], "it tells our parser of the end, and the door"),
    (RequestHandler, "handle_error", ["request", "status", "exc", "message"], "a peer is not told of our errors"),
    (RequestHandler, "__init__", ["manager"], "a handler is made for each connection"),
]
UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)


def version_numbers(text):
    return tuple(int(part) for part in text.split(".")[:2])


def test_installed_aiohttp_is_the_one_pinned():
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    (pin,) = (text for text in project["dependencies"] if text.startswith("aiohttp"))
    low, high = (version_numbers(bound.lstrip("<>=")) for bound in pin.removeprefix("aiohttp").split(","))
    assert low <= version_numbers(aiohttp.__version__) < high, f"{pin} is pinned, was {aiohttp.__version__}"
    assert (high[0], high[1] - low[1]) == (low[0], 1), "only one minor version: what is used here may go in the next"


def test_an_http_parser_can_be_taken_from_a_handler():
    """It is where the gateway looks for it, and nothing needs it once the connection is upgraded."""
    assert {"_parser", "transport"} <= set(BaseProtocol.__slots__)
    assert "_messages" in RequestHandler.__slots__
    assert "_messages" not in inspect.getsource(RequestHandler.connection_lost)
    source = inspect.getsource(RequestHandler.connection_lost)
    assert "self._parser = None" in source
    assert "self._parser." not in source


@pytest.mark.parametrize(("owner", "name", "parameters", "purpose"), USED)
def test_aiohttp_has_what_the_gateway_uses(owner, name, parameters, purpose):
    where = f"aiohttp {aiohttp.__version__}: {owner.__name__}.{name}"
    method = getattr(owner, name, None)
    assert method is not None, f"{where} is gone; {purpose}"
    found = list(inspect.signature(method).parameters)[1:]
    assert found[: len(parameters)] == parameters, f"{where} takes {found}; {purpose}"


def test_a_handler_takes_the_options_the_gateway_gives():
    options = inspect.signature(RequestHandler.__init__).parameters
    for name in ("loop", "keepalive_timeout", "lingering_time", "access_log"):
        assert name in options, f"aiohttp {aiohttp.__version__}: RequestHandler takes no {name}"
    assert isinstance(web.AppRunner.server, property), "the handlers' server is the runner's"


def test_our_handler_overrides_what_aiohttp_calls():
    for name in ("connection_lost", "handle_error"):
        ours, its = getattr(Handler, name), getattr(RequestHandler, name)
        assert list(inspect.signature(ours).parameters) == list(inspect.signature(its).parameters)


def test_aiohttp_hands_an_unreadable_request_to_handle_error():
    """The same that Handler relies on: with the status, and without a peer's bytes in our answer."""

    async def main():
        asked = []

        class Told(RequestHandler):
            def handle_error(self, request, status=500, exc=None, message=None):
                asked.append(status)
                response = web.Response(status=status, text="ours")
                response.force_close()
                return response

        async def handle(request):
            return web.Response()

        server = web.Server(handle)
        loop = asyncio.get_running_loop()
        listener = await loop.create_server(lambda: Told(server, loop=loop), "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*listener.sockets[0].getsockname())
        writer.write(b"\0 garbage\r\n\r\n")
        assert (await reader.read()).endswith(b"\r\n\r\nours")
        assert asked == [400]
        writer.close()
        listener.close()
        await server.shutdown()

    asyncio.run(asyncio.wait_for(main(), 5))


def test_our_parser_and_response_fit_aiohttps_calls():
    assert callable(Link.feed_data)
    assert callable(Link.feed_eof)
    assert list(inspect.signature(Upgrade._post_start).parameters)[1:] == USED[0][2]
    assert hasattr(web.WebSocketResponse(), "_eof_sent"), f"aiohttp {aiohttp.__version__}: _eof_sent is gone"


class Parser:
    """What aiohttp is given in place of its own parser."""

    def __init__(self):
        self.heard = []

    def feed_data(self, data):
        self.heard.append(data)
        return data == b"end", b""

    def feed_eof(self):
        self.heard.append("eof")


def test_parser_hears_the_tail_of_the_request_what_follows_and_the_end():
    async def main():
        parser, over = Parser(), asyncio.Event()

        class Response(web.WebSocketResponse):
            def _post_start(self, request, protocol, writer):
                request.protocol.set_parser(parser)
                request.protocol.keep_alive(False)

        async def handle(request):
            response = Response(compress=False)
            await response.prepare(request)
            await over.wait()
            response._eof_sent = True
            return response

        app = web.Application()
        app.add_routes([web.get("/", handle)])
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        reader, writer = await asyncio.open_connection(*runner.addresses[0])
        writer.write(UPGRADE + b"tail")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
        writer.write(b"more")
        while len(parser.heard) < 2:
            await asyncio.sleep(0.001)
        writer.write(b"end")
        while len(parser.heard) < 3:
            await asyncio.sleep(0.001)
        writer.write(b"not looked at")
        writer.close()
        while len(parser.heard) < 4:
            await asyncio.sleep(0.001)
        assert parser.heard == [b"tail", b"more", b"end", "eof"]
        over.set()
        await runner.cleanup()

    asyncio.run(asyncio.wait_for(main(), 5))
