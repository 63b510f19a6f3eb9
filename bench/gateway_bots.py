"""The same orders from clients in Python: slower than the server, so that it gets and sends them in small pieces."""

import asyncio
import base64
import time

import msgpack
import uvloop

from bench.gateway import Series, rounds
from bench.gateway_messages import Frame, client_frame, single_frames
from bench.gateway_process import Sample, Server, Usage, journal_directories, usage
from bench.gateway_server import key_of
from bench.harness import AIOHTTP, LOOP, Row, benchmark, conditions
from gateway.auth import sign

HELLO, WELCOME, ACK, REJECT = 64, 67, 33, 34
SESSIONS, IN_FLIGHT = 10, 64


class Bot(asyncio.Protocol):
    """One client: shakes hands, logs in where there is a venue, then keeps `IN_FLIGHT` frames unanswered."""

    def __init__(self, number: int, frames: list[Frame], is_venue: bool) -> None:
        loop = asyncio.get_running_loop()
        self.ready, self.done = loop.create_future(), loop.create_future()
        self._key, self._frames, self._is_venue = key_of(number), frames, is_venue
        self._is_open, self._buffer = False, b""
        self._sent = self._answered = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        key = base64.b64encode(bytes(16)).decode()
        head = "GET /ws/v1 HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        transport.write(f"{head}Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode())

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(error or ConnectionError("the server closed the connection"))

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._is_open:
            _, separator, rest = self._buffer.partition(b"\r\n\r\n")
            if not separator:
                return
            self._is_open, self._buffer = True, rest
            if not self._is_venue:
                self.ready.set_result(None)
        finished = sum(map(self._is_answer, self._payloads()))
        self._answered += finished
        if self._answered == len(self._frames):
            if not self.done.done():
                self.done.set_result(None)
        elif finished:
            self.send(finished)

    def send(self, count: int) -> None:
        """Send so many frames more."""
        part = self._frames[self._sent : self._sent + count]
        self._sent += len(part)
        if part:
            self._transport.write(b"".join(frame.data for frame in part))

    def _payloads(self) -> list[bytes]:
        found, offset, data = [], 0, self._buffer
        while len(data) - offset >= 2:
            size, head = data[offset + 1], 2
            if size == 126:
                size, head = int.from_bytes(data[offset + 2 : offset + 4], "big"), 4
            if len(data) - offset < head + size:
                break
            found.append(data[offset + head : offset + head + size])
            offset += head + size
        self._buffer = data[offset:]
        return found

    def _is_answer(self, payload: bytes) -> bool:
        if not self._is_venue:
            return True
        if payload[1] == HELLO:
            now_us, nonce = time.time_ns() // 1_000, msgpack.unpackb(payload)[3]
            signature = sign(self._key.secret, nonce, self._key.key_id, now_us)
            login = [1, 0, self._key.key_id, now_us, signature, 0, 0, 0, 0, 0]
            self._transport.write(client_frame(msgpack.packb(login)))
        elif payload[1] == WELCOME:
            self.ready.set_result(None)
        return payload[1] in (ACK, REJECT)


async def load(server: Server, frames: list[Frame], is_venue: bool) -> tuple[Usage, Usage]:
    """Run all bots to their end; what the server had used when they were ready, and in the end."""
    loop, bots = asyncio.get_running_loop(), []
    for number in range(1, SESSIONS + 1):
        bot = Bot(number, frames, is_venue)
        await loop.create_connection(lambda bot=bot: bot, "127.0.0.1", server.port)
        bots.append(bot)
    await asyncio.gather(*(bot.ready for bot in bots))
    before = usage(server.pid)
    for bot in bots:
        bot.send(IN_FLIGHT)
    await asyncio.gather(*(bot.done for bot in bots))
    return before, usage(server.pid)


def measured(server: Server, frames: list[Frame], is_venue: bool) -> Sample:
    """Load a server that ends with it."""
    with server, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        before, after = runner.run(load(server, frames, is_venue))
        digest = server.end()
    return Sample(after.cpu_s - before.cpu_s, after.user_s - before.user_s, {}, digest)


@benchmark("gateway.bots")
def gateway_bots(small: bool) -> Row:
    """Ten bots on asyncio with 64 orders in flight each: a full order beside stock aiohttp's echo of it."""
    count = 400 if small else 20_000
    frames, (place, directory) = single_frames(count), next(iter(journal_directories().items()))
    echoed = frames[: min(count, 4_000)]
    ours, echo = Series(count * SESSIONS), Series(len(echoed) * SESSIONS)
    for _ in range(rounds(small)):
        ours.add(measured(Server.python("venue", directory=directory, sessions=SESSIONS), frames, True))
        echo.add(measured(Server.python("echo"), echoed, False))
    detail = conditions(
        sessions=SESSIONS, in_flight=IN_FLIGHT, orders=count * SESSIONS, loop=LOOP, journal=place,
        load="asyncio on uvloop, one process; all that was answered in a read is sent again in one write",
        baseline=f"{AIOHTTP}, async for, echoing the same orders",
    )  # fmt: skip
    return {
        "us": ours.us, "user_us": ours.user_us, "baseline": "aiohttp echo", "baseline_us": echo.us,
        "ratio": ours.ratio(echo), "ratio_aiohttp_echo": ours.ratio(echo), "aiohttp_echo_user_us": echo.user_us,
        "hash": ours.digest(), "conditions": detail,
    }  # fmt: skip
