"""The servers that the gateway's benchmark measures, each its own process: the venue, or stock aiohttp echoing.

``python -m bench.gateway_server '{"kind": "venue", "sessions": 100, ...}'`` prints its port, serves until its standard
input ends, and prints a hash of what came of it.
"""

import asyncio
import hashlib
import json
import resource
import sys
import tempfile
import time
from typing import Any, NamedTuple

import uvloop
from aiohttp import web

from exchange import commands
from exchange.engine import Engine
from exchange.records import Side
from gateway.auth import ApiKey, KeyStore
from gateway.config import GatewayConfig
from gateway.journal.writer import Journal
from gateway.publisher import Publisher
from gateway.sequencer import Sequencer
from gateway.server import Server
from gateway.tls import server_context

SECRET = bytes(32)
WINDOW = 1_000_000
FEE_PPM = 100  # Maker's and taker's alike: who came first must not show in the hash.
HEARTBEAT_MS = 30_000  # Subscribers and idle sessions say nothing, and are not to be cut off for it.
SPARE_CONNECTIONS = 100


class Options(NamedTuple):
    """What a server is told."""

    kind: str
    sessions: int = 1  # Accounts, each with a key.
    instruments: int = 1
    directory: str = ""  # Where the journal's directory is made.
    certificate: str = ""  # PEM file with certificate and key; empty: no TLS.


def key_of(number: int) -> ApiKey:
    """The key of the n-th account, the same in server and load."""
    return ApiKey(f"bench-{number}", SECRET, f"account-{number}", frozenset({"read", "trade"}))


def setup(options: Options) -> list[bytes]:
    """The commands a venue begins with."""
    count = options.instruments
    records = [commands.add_product("H100", 8, 1_000, ["f1"], maker_fee_ppm=FEE_PPM, taker_fee_ppm=FEE_PPM)]
    records.append(commands.list_window("H100", WINDOW, count=count))
    records.append(commands.set_rates("H100", WINDOW, count=count, long_micros=1_000, short_micros=1_000))
    for number in range(1, options.sessions + 1):
        records += [commands.add_account(f"account-{number}", margined=True), commands.deposit(number, 1 << 50)]
    return records


def outcome(engine: Engine, options: Options) -> str:
    """Hash of what does not depend on the order in which sessions were read: refs, money, positions, depth."""
    core, handles = engine.core, range(1, options.instruments + 1)
    accounts = [
        (core.last_ref(number, 0), core.balance(number), [core.position(number, handle) for handle in handles])
        for number in range(1, options.sessions + 1)
    ]
    depth = [core.depth(handle, side, 100) for handle in handles for side in (Side.BUY, Side.SELL)]
    return hashlib.sha256(repr((accounts, depth)).encode()).hexdigest()


async def until_told() -> None:
    """Serve until the parent closes our standard input."""
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


async def serve_venue(options: Options, directory: str) -> None:
    """A whole venue: authenticated sessions, risk, book, journal, reports."""
    engine = Engine()
    journal = Journal(directory)
    for _ in journal.recover():
        raise FileExistsError(directory)
    publisher = Publisher(engine.catalogue)
    sequencer = Sequencer(engine, journal, publisher, time.time_ns)
    keys = KeyStore([key_of(number) for number in range(1, options.sessions + 1)])
    connections = options.sessions + SPARE_CONNECTIONS
    config = GatewayConfig(
        orders_per_s=0, heartbeat_ms=HEARTBEAT_MS, connections_max=connections, handshakes_per_address_s=0
    )
    server = Server(engine, sequencer, publisher, keys, config)
    sequencer.start()
    for record in setup(options):
        if not sequencer.submit(record):
            await sequencer.settle()
            sequencer.submit(record)
    await sequencer.settle()
    pair = options.certificate or None
    await server.start("127.0.0.1", 0, tls=server_context(pair, pair))
    print(server.port, flush=True)
    await until_told()
    print(outcome(engine, options), flush=True)


async def serve_echo() -> None:
    """What anyone writes first: aiohttp, `async for`, one answer a message."""

    async def echo(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(compress=False)
        await socket.prepare(request)
        async for message in socket:
            await socket.send_bytes(message.data)
        return socket

    app = web.Application()
    app.router.add_get("/ws/v1", echo)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(runner.addresses[0][1], flush=True)
    await until_told()
    print("", flush=True)


def allow_many_files() -> None:
    """As many connections as the system lets us have."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def main() -> None:
    given: dict[str, Any] = json.loads(sys.argv[1])
    options = Options(**given)
    allow_many_files()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        if options.kind == "echo":
            runner.run(serve_echo())
        else:
            with tempfile.TemporaryDirectory(prefix="hourglass-bench-", dir=options.directory) as directory:
                runner.run(serve_venue(options, directory))


if __name__ == "__main__":
    main()
