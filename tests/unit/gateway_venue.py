"""A whole venue in memory for tests of the gateway: real engine, real server, and a sequencer that never waits."""

import asyncio
import contextlib
import time

import aiohttp
import msgpack

from exchange import commands
from exchange.engine import Engine
from exchange.units import HOUR_NS
from gateway.auth import KeyStore, generate_key, sign
from gateway.config import GatewayConfig
from gateway.publisher import Publisher
from gateway.server import Server

NOW_NS = time.time_ns()
WINDOW = NOW_NS // HOUR_NS + 48
PRODUCT = "H100-SXM.IB400.cuda12.T1"


class InstantSequencer:
    """Applies and publishes in the call."""

    durability = "memory"

    def __init__(self, engine, publisher):
        self.engine = engine
        self.publisher = publisher
        self.has_room = True
        self.is_asleep = False  # Takes commands, and does not apply them.
        self.submitted = []

    @property
    def seq(self):
        return self.engine.seq

    @property
    def next_seq(self):
        return self.engine.seq + 1

    @property
    def durable_seq(self):
        return self.engine.seq

    def submit(self, records):
        if not self.has_room:
            return False
        self.submitted.append(records)
        if self.is_asleep:
            return True
        first = self.engine.seq + 1
        now_ns = max(time.time_ns(), self.engine.now_ns)
        events = self.engine.apply(records, now_ns)
        self.publisher.publish(first, now_ns, events.tobytes(), self.engine.seq - first + 1)
        return True


class Venue:
    """A server on a free port, with accounts ann, bob and cat, and two instruments."""

    def __init__(self, **config):
        self.engine = Engine()
        limits = GatewayConfig(**config)
        self.publisher = Publisher(self.engine.catalogue, private_history_bytes=limits.history_bytes)
        self.sequencer = InstantSequencer(self.engine, self.publisher)
        self.keys = KeyStore()
        self.key = {}
        self.server = Server(self.engine, self.sequencer, self.publisher, self.keys, limits)
        self.sequencer.submit(commands.add_product(PRODUCT, 8, 1000, ["use1-f03", "use1-f04"]))
        for account in ("ann", "bob", "cat"):
            self.sequencer.submit(commands.add_account(account))
            self.key[account] = generate_key(account)
            self.keys.add(self.key[account])
        self.sequencer.submit(commands.list_window(PRODUCT, WINDOW))
        self.symbols = [self.engine.catalogue.symbol(handle) for handle in (1, 2)]

    @property
    def url(self):
        return f"ws://127.0.0.1:{self.server.port}/ws/v1"

    @property
    def http(self):
        return f"http://127.0.0.1:{self.server.port}"


@contextlib.asynccontextmanager
async def running(**config):
    venue = Venue(**config)
    await venue.server.start()
    try:
        yield venue
    finally:
        await venue.server.stop()


class Raw:
    """A client that speaks the wire by hand."""

    def __init__(self, http, socket):
        self.http = http
        self.socket = socket

    async def send(self, *fields):
        await self.socket.send_bytes(msgpack.packb(fields))

    async def next(self, *types):
        """The next message of one of the types (default: any but heartbeats)."""
        while True:
            received = await asyncio.wait_for(self.socket.receive(), 3)
            if received.type is not aiohttp.WSMsgType.BINARY:
                return ("closed", self.socket.close_code)
            message = msgpack.unpackb(received.data)
            if message[0] in types or (not types and message[0] != 104):
                return message

    async def login(self, key, *, lane=0, cod=0, grace_ms=0, ts=None, ref=1):
        hello = await self.next(64)
        ts = time.time_ns() // 1000 if ts is None else ts
        await self.send(1, ref, key.key_id, ts, sign(key.secret, hello[3], key.key_id, ts), lane, cod, grace_ms, 0, 0)
        return await self.next()

    async def close(self):
        await self.socket.close()
        await self.http.close()


@contextlib.asynccontextmanager
async def raw(venue, key=None, **login):
    async with aiohttp.ClientSession() as http, http.ws_connect(venue.url) as socket:
        client = Raw(http, socket)
        if key is not None:
            client.welcome = await client.login(key, **login)
            assert client.welcome[0] == 67, client.welcome
        yield client
