"""Server CPU of a full order over WebSocket, beside stock aiohttp echoing the same bytes in the same run.

A full order is: authenticated session, decode, risk, match, journal, report. All CPU of the server process counts, user
and system, the journal's thread included. The figure has the journal on tmpfs, so that it is the venue's cost and not a
disk's; the same run with the journal on disk, in the project's directory, stands beside it. HOURGLASS_BENCH_JOURNAL=DIR
puts the journal elsewhere for both.
"""

import asyncio
import base64
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgpack
import uvloop

from bench.gateway_server import key_of
from bench.harness import ROOT, Row, benchmark, conditions, middle
from gateway.auth import sign

MASK = bytes(4)  # A mask of zeros is a mask: the server cannot tell, and the load need not work for it.
REFS_FIRST = 1 << 20  # All refs have the same length on the wire.
PRICE_TICKS, LOTS = 2_400, 2


def client_frame(payload: bytes) -> bytes:
    size = len(payload)
    head = bytes((0x82, 0x80 | size)) if size < 126 else bytes((0x82, 0xFE, size >> 8, size & 255))
    return head + MASK + payload


def order_message(number: int) -> tuple[list[int], int]:
    """Place, then cancel it, in turn: the message, and the frames that answer it (cancel: ack and done)."""
    ref = REFS_FIRST + number
    if number % 2 == 0:
        return [16, ref, 1, 0, PRICE_TICKS, LOTS, 0, 0], 1
    return [18, ref, ref - 1], 2


def single_frames(count: int) -> list[tuple[bytes, int]]:
    """One message a frame, and how many frames answer it."""
    return [(client_frame(msgpack.packb(message)), answers) for message, answers in map(order_message, range(count))]


def batch_frames(count: int, size: int = 32) -> list[tuple[bytes, int]]:
    """`size` operations a frame; the batch's own answer comes on top."""
    frames = []
    for first in range(0, count, size):
        operations = [order_message(number) for number in range(first, first + size)]
        batch = [20, REFS_FIRST + first, 0, [message for message, _ in operations]]
        frames.append((client_frame(msgpack.packb(batch)), 1 + sum(answers for _, answers in operations)))
    return frames


class Session(asyncio.Protocol):
    """One client: shakes hands, logs in when asked to, then keeps `in_flight` frames unanswered."""

    def __init__(self, number: int, frames: list[tuple[bytes, int]], in_flight: int, logs_in: bool) -> None:
        loop = asyncio.get_running_loop()
        self.ready, self.done = loop.create_future(), loop.create_future()
        self._key, self._logs_in, self._frames, self._in_flight = key_of(number), logs_in, frames, in_flight
        self._echoes = not logs_in
        self._state, self._buffer = self._on_handshake, b""
        self._sent = self._answered = self._left = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        nonce = base64.b64encode(bytes(16)).decode()
        request = (
            "GET /ws/v1 HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {nonce}\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        transport.write(request.encode())

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._state()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(error or ConnectionError("the server closed the connection"))

    def _on_handshake(self) -> None:
        head, separator, rest = self._buffer.partition(b"\r\n\r\n")
        if not separator:
            return
        assert b"101" in head.split(b"\r\n")[0], head
        self._buffer = rest
        self._state = self._on_hello
        if not self._logs_in:
            self._enter()
        else:
            self._on_hello()

    def _on_hello(self) -> None:
        for payload in self._payloads():
            message = msgpack.unpackb(payload)
            if message[0] == 64:
                now_us = time.time_ns() // 1_000
                signature = sign(self._key.secret, message[3], self._key.key_id, now_us)
                login = [1, 0, self._key.key_id, now_us, signature, 0, 0, 0, 0, 0]
                self._transport.write(client_frame(msgpack.packb(login)))
            else:
                assert message[0] == 67, message
                self._enter()

    def _enter(self) -> None:
        self._state = self._on_answers
        self.ready.set_result(None)

    def start(self) -> None:
        """Send the first frames."""
        self._send(self._in_flight)

    def _send(self, count: int) -> None:
        part = self._frames[self._sent : self._sent + count]
        self._sent += len(part)
        if part:
            self._transport.write(b"".join(frame for frame, _ in part))

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

    def _on_answers(self) -> None:
        finished = 0
        for payload in self._payloads():
            if payload[1] == 104 and not self._echoes:                          # A heartbeat.
                continue
            if not self._left:
                self._left = 1 if self._echoes else self._frames[self._answered][1]
            self._left -= 1
            if not self._left:
                self._answered += 1
                finished += 1
        if self._answered == len(self._frames):
            if not self.done.done():
                self.done.set_result(None)
        elif finished:
            self._send(finished)


TMPFS = "/dev/shm"


def journal_directories() -> dict[str, str]:
    """Where the venue's journal goes: the first place gives the figure."""
    if chosen := os.environ.get("HOURGLASS_BENCH_JOURNAL"):
        return {chosen: chosen}
    tmpfs = {"tmpfs": TMPFS} if os.access(TMPFS, os.W_OK) else {}
    return tmpfs | {"disk": str(ROOT)}


def cpu_seconds(pid: int) -> float:
    """User and system time of every thread of a process."""
    return sum(int(path.read_text().split()[0]) for path in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9


async def load(
    port: int, pid: int, sessions: int, frames: list[tuple[bytes, int]], in_flight: int, logs_in: bool
) -> float:
    """Run all sessions to their end; CPU seconds the server used for it."""
    loop = asyncio.get_running_loop()
    clients = []
    for number in range(1, sessions + 1):
        make: Callable[[], Session] = lambda number=number: Session(number, frames, in_flight, logs_in)  # noqa: E731
        clients.append((await loop.create_connection(make, "127.0.0.1", port))[1])
    await asyncio.gather(*(client.ready for client in clients))
    before = cpu_seconds(pid)
    for client in clients:
        client.start()
    await asyncio.gather(*(client.done for client in clients))
    return cpu_seconds(pid) - before


def measure(
    kind: str, sessions: int, frames: list[tuple[bytes, int]], in_flight: int, directory: str = str(ROOT)
) -> tuple[float, str]:
    """(CPU seconds, state hash) of one run against a fresh server with its journal in a directory."""
    command = [sys.executable, "-m", "bench.gateway_server", kind, str(sessions), directory]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        port = int(server.stdout.readline())
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                seconds = runner.run(load(port, server.pid, sessions, frames, in_flight, kind == "venue"))
        finally:
            digest = server.communicate()[0].strip()
    return seconds, digest


def compare(sessions: int, in_flight: int, orders: int, batch: int, small: bool) -> Row:
    """Orders per session; the echo gets the same orders, one message each (and, for batches, the same frames too)."""
    count = max(batch * 2, orders // (50 if small else 1)) // (2 * batch) * (2 * batch)
    frames = batch_frames(count, batch) if batch > 1 else single_frames(count)
    singles = single_frames(min(count, 2_000))
    places = journal_directories()
    ours: dict[str, list[float]] = {place: [] for place in places}
    theirs, framed, digest = [], [], ""
    for _ in range(1 if small else 5):
        for place, directory in places.items():
            seconds, digest = measure("venue", sessions, frames, in_flight, directory)
            ours[place].append(seconds / (count * sessions) * 1e6)
        theirs.append(measure("echo", sessions, singles, in_flight)[0] / (len(singles) * sessions) * 1e6)
        if batch > 1:
            framed.append(measure("echo", sessions, frames, in_flight)[0] / (count * sessions) * 1e6)
    place, *others = places
    detail = conditions(
        sessions=sessions, in_flight=in_flight, orders=count * sessions, batch=batch, loop="uvloop", journal=place,
        baseline="stock aiohttp, async for, echoing the same orders one message each",
    )  # fmt: skip
    for other in others:
        detail |= {f"us_{other}": round(middle(ours[other]), 3), f"ratio_{other}": ratio(ours[other], theirs)}
    if framed:
        detail["echo_of_whole_frames_us_per_order"] = round(middle(framed), 3)
    return {
        "us": round(middle(ours[place]), 3), "baseline": "aiohttp echo", "echo_us": round(middle(theirs), 3),
        "ratio": ratio(ours[place], theirs), "hash": digest[:16], "conditions": detail,
    }  # fmt: skip


def ratio(ours: list[float], theirs: list[float]) -> float:
    """The middle of the rounds' ratios: the two of a round met the same machine."""
    return round(middle([mine / other for mine, other in zip(ours, theirs, strict=True)]), 3)


@benchmark("gateway.100x1")
def gateway_100x1(small: bool) -> Row:
    return compare(sessions=100, in_flight=1, orders=1_000, batch=1, small=small)


@benchmark("gateway.10x64")
def gateway_10x64(small: bool) -> Row:
    return compare(sessions=10, in_flight=64, orders=20_000, batch=1, small=small)


@benchmark("gateway.batch32")
def gateway_batch32(small: bool) -> Row:
    return compare(sessions=100, in_flight=1, orders=6_400, batch=32, small=small)
