"""The servers that bench/gateway.py measures, each its own process: the venue, or stock aiohttp echoing."""

import asyncio
import sys
import tempfile
import time

import uvloop
from aiohttp import web

from exchange import commands
from exchange.engine import Engine
from gateway.auth import ApiKey, KeyStore
from gateway.config import GatewayConfig
from gateway.journal.writer import Journal
from gateway.publisher import Publisher
from gateway.sequencer import Sequencer
from gateway.server import Server

SECRET = bytes(32)
WINDOW = 1_000_000


def key_of(number: int) -> ApiKey:
    """The key of the n-th account, the same in server and load."""
    return ApiKey(f"bench-{number}", SECRET, f"account-{number}", frozenset({"read", "trade"}))


async def serve_venue(sessions: int, directory: str) -> None:
    """A whole venue: authenticated sessions, risk, book, journal on disk, reports."""
    engine = Engine()
    journal = Journal(directory)
    for _ in journal.recover():
        raise FileExistsError(directory)
    publisher = Publisher(engine.catalogue)
    sequencer = Sequencer(engine, journal, publisher, time.time_ns)
    keys = KeyStore([key_of(number) for number in range(1, sessions + 1)])
    server = Server(engine, sequencer, publisher, keys, GatewayConfig(orders_per_s=0))
    sequencer.start()
    setup = [commands.add_product("H100", 8, 1_000, ["f1"], maker_fee_ppm=50, taker_fee_ppm=200)]
    setup.append(commands.list_window("H100", WINDOW, count=1))
    setup.append(commands.set_rates("H100", WINDOW, long_micros=1_000, short_micros=1_000))
    for number in range(1, sessions + 1):
        setup += [commands.add_account(f"account-{number}", margined=True), commands.deposit(number, 1 << 50)]
    sequencer.submit(b"".join(setup))
    await sequencer.settle()
    await server.start("127.0.0.1", 0)
    print(server.port, flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)      # Until the parent closes it.
    print(engine.state_hash(), flush=True)


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
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    print("", flush=True)


def main() -> None:
    kind, sessions = sys.argv[1], int(sys.argv[2])
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        if kind == "echo":
            runner.run(serve_echo())
        else:
            with tempfile.TemporaryDirectory(prefix="hourglass-bench-", dir=sys.argv[3]) as directory:
                runner.run(serve_venue(sessions, directory))


if __name__ == "__main__":
    main()
