"""A venue that says what a test wants: hello, welcome, and then only what it is told to."""

import asyncio
import contextlib

import aiohttp
import msgpack
from aiohttp import web

from gateway.client import connect

KEY = "ann:00ff"
NONCE = bytes(16)
ACCOUNT = 1
INSTRUMENT = (103, 1, "P.f@2026-11-24T14", 1000, 8, 0, 3_600_000_000, 0, "SCU-hour", "f", 1)


class Peer:
    """One connection of a client, after its login."""

    def __init__(self, socket, login):
        self.socket = socket
        self.login = login

    @property
    def stream(self):
        """Epoch and last pseq of the login."""
        return tuple(self.login[8:10])

    async def send(self, *messages):
        """Send messages, each a list of its fields."""
        for message in messages:
            await self.socket.send_bytes(msgpack.packb(message))

    async def next(self, *kinds):
        """The next message of the client of some types; pings are answered in passing."""
        while True:
            received = await asyncio.wait_for(self.socket.receive(), 3)
            assert received.type is aiohttp.WSMsgType.BINARY, received
            message = msgpack.unpackb(received.data)
            if message[0] == 3 and kinds and 3 not in kinds:
                await self.send([65, message[1], message[2], 1])
            elif not kinds or message[0] in kinds:
                return message

    async def serve_beginning(self):
        """Answer what every session asks first: all instruments, and a ping."""
        subscribe = await self.next(4)
        assert subscribe[2:4] == [5, None]
        await self.send([66, subscribe[1], 0, 1], INSTRUMENT)
        ping = await self.next(3)
        await self.send([65, ping[1], 0, 1])

    async def accept(self, *kinds, oid=0, code=0):
        """Acknowledge the next command; return it."""
        command = await self.next(*kinds)
        await self.send([33, command[1], code, oid, 1, 1, 0])
        return command

    async def close(self, code=4010, reason=b""):
        await self.socket.close(code=code, message=reason)

    def cut(self):
        """End the connection without a word."""
        self.socket._req.transport.abort()


class FakeVenue:
    """Takes connections; the test is the server."""

    def __init__(self):
        self.epoch, self.pseq = 1, 0
        self.last_refs = [0, 1_000]  # Told at the first login, and at all later ones.
        self.limits = [[0, 20_000, 40_000], [1, 40_000, 80_000]]
        self.heartbeat_ms = 1_000
        self.refuses = []  # (Code, reason) of the logins to come.
        self.is_up = True
        self.attempts = 0
        self.url = ""
        self._peers = asyncio.Queue()
        self._over = asyncio.Event()

    async def peer(self):
        """The next connection that logs in."""
        return await asyncio.wait_for(self._peers.get(), 5)

    async def handle(self, request):
        self.attempts += 1
        if not self.is_up:
            return web.Response(status=503)
        socket = web.WebSocketResponse(compress=False)
        await socket.prepare(request)
        await socket.send_bytes(msgpack.packb([64, [1, 0], self.epoch, NONCE, 1, self.heartbeat_ms, 65_536]))
        login = msgpack.unpackb((await socket.receive()).data)
        if self.refuses:
            code, reason = self.refuses.pop(0)
            await socket.close(code=code, message=reason)
            return socket
        last_ref = self.last_refs[0 if self.attempts == 1 else 1]
        welcome = [67, login[1], 7, ACCOUNT, login[5], last_ref, self.pseq, 1, self.limits, 3]
        await socket.send_bytes(msgpack.packb(welcome))
        self._peers.put_nowait(Peer(socket, login))
        await self._over.wait()
        return socket


@contextlib.asynccontextmanager
async def fake_venue():
    """A fake venue on a free port."""
    venue = FakeVenue()
    app = web.Application()
    app.add_routes([web.get("/ws/v1", venue.handle)])
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    venue.url = f"ws://127.0.0.1:{runner.addresses[0][1]}/ws/v1"
    try:
        yield venue
    finally:
        venue._over.set()
        await runner.cleanup()


@contextlib.asynccontextmanager
async def session_of(venue, **terms):
    """A session with its first connection, begun; it is not logged out, only left."""
    entering = connect(venue.url, KEY, **terms)
    opening = asyncio.ensure_future(entering.__aenter__())
    peer = await venue.peer()
    await peer.serve_beginning()
    session = await asyncio.wait_for(opening, 3)
    session.peer = peer
    try:
        yield session, peer
    finally:
        with contextlib.suppress(asyncio.CancelledError):
            await entering.__aexit__(asyncio.CancelledError, asyncio.CancelledError(), None)
