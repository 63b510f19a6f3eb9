"""The client's connection: login, sending in order, and reading until the end."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from ssl import SSLContext
from typing import Any, NamedTuple

import aiohttp
import msgpack

from gateway.auth import ApiKey, sign
from gateway.client.errors import ConnectionClosed, LoginRefused
from gateway.protocol import CancelOnDisconnect, CloseCode, MessageType, pack

MS_PER_SECOND = 1_000
NS_PER_US = 1_000
MISSED_HEARTBEATS_MAX = 3
DIAL_S_MAX = 10  # From the first packet to welcome.
CLOSE_S = 1  # How long the server may take to answer a close frame.
LOGIN_REF = 0
PERMISSION_COPY = 8  # A key with no other hears no private stream.


class Credentials(NamedTuple):
    """What a client knows of its key."""

    key_id: str
    secret: bytes


class Welcome(NamedTuple):
    """What a login is answered with."""

    ref: int
    session: int
    account: int
    lane: int
    last_ref: int
    pseq: int
    gseq: int
    limits: list[list[int]]
    perms: int

    @property
    def hears_private(self) -> bool:
        """Whether the key hears the private stream of its account."""
        return bool(self.perms & ~PERMISSION_COPY)


def credentials(key: ApiKey | str) -> Credentials:
    """Return the credentials of a key object or of ``id:secret``.

    Raises:
        ValueError: the text has another form.

    """
    if isinstance(key, ApiKey):
        return Credentials(key.key_id, key.secret)
    key_id, colon, secret = key.partition(":")
    if not (key_id and colon):
        raise ValueError("key must look like id:secret")
    return Credentials(key_id, bytes.fromhex(secret))


class Wire:
    """One logged-in WebSocket."""

    def __init__(
        self, http: aiohttp.ClientSession, socket: aiohttp.ClientWebSocketResponse, heartbeat_ms: int, epoch: int
    ) -> None:
        self.heartbeat_s = heartbeat_ms / MS_PER_SECOND
        self.epoch = epoch
        self.closed: ConnectionClosed | None = None
        self._http = http
        self._socket = socket
        self._outgoing: list[bytes] = []
        self._wake = asyncio.Event()

    def send(self, *fields: Any) -> None:
        """Queue a message; it is sent in order, soon.

        Raises:
            ConnectionClosed: there is no connection any more.

        """
        if self.closed is not None:
            raise self.closed
        self._outgoing.append(pack(*fields))
        self._wake.set()

    async def run(self, take: Callable[[list[Any]], None]) -> ConnectionClosed:
        """Send and read until the connection ends; return how it ended."""
        helpers = [asyncio.create_task(self._send_for_ever()), asyncio.create_task(self._ping_for_ever())]
        try:
            self.closed = await self._read(take)
        finally:
            for helper in helpers:
                helper.cancel()
            await asyncio.gather(*helpers, return_exceptions=True)
            await self.hang_up()
        return self.closed

    async def hang_up(self) -> None:
        """Close the connection, if it is still there."""
        with contextlib.suppress(OSError, aiohttp.ClientError):
            await self._socket.close()
        await self._http.close()

    async def _send_for_ever(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            outgoing, self._outgoing = self._outgoing, []
            for message in outgoing:
                await self._socket.send_bytes(message)

    async def _ping_for_ever(self) -> None:
        """Say something every heartbeat: a client silent for three is cut off."""
        while True:
            await asyncio.sleep(self.heartbeat_s)
            self.send(MessageType.PING, 0, time.time_ns() // NS_PER_US)

    async def _read(self, take: Callable[[list[Any]], None]) -> ConnectionClosed:
        """Take messages. Those of one read are all taken before anybody who waits for them goes on."""
        silence_s = MISSED_HEARTBEATS_MAX * self.heartbeat_s
        while True:
            try:
                received = await self._socket.receive(timeout=silence_s)
            except TimeoutError:
                return ConnectionClosed(CloseCode.HEARTBEAT, "the server was silent for too long")
            if received.type is not aiohttp.WSMsgType.BINARY:
                return ending_of(self._socket, received)
            take(msgpack.unpackb(received.data))


def ending_of(socket: aiohttp.ClientWebSocketResponse, received: aiohttp.WSMessage) -> ConnectionClosed:
    """Return how a connection ended, from its last message."""
    reason = received.extra if received.type is aiohttp.WSMsgType.CLOSE and received.extra else ""
    code = socket.close_code
    return ConnectionClosed(1006 if code is None else int(code), str(reason))


@dataclass(frozen=True)
class Dialer:
    """Where and as whom to log in. A ``wss://`` address is spoken to in TLS, with ``ssl`` or the system's trust."""

    url: str
    key: ApiKey | str
    lane: int = 0
    cod: CancelOnDisconnect = CancelOnDisconnect.OFF
    grace_ms: int = 0
    heartbeat_ms: int = 0  # 0: the server's.
    ssl: SSLContext | None = None

    async def dial(self, epoch: int = 0, last_pseq: int = 0) -> tuple[Wire, Welcome]:
        """Connect and log in; what the account was told after ``last_pseq`` follows welcome.

        Raises:
            LoginRefused: the server did not accept the login.
            OSError: there is no connection.
            aiohttp.ClientError: something else than our server answered, or one that takes no connections now.

        """
        http = aiohttp.ClientSession()
        try:
            async with asyncio.timeout(DIAL_S_MAX):
                socket = await http.ws_connect(
                    self.url,
                    max_msg_size=0,
                    compress=0,
                    ssl=True if self.ssl is None else self.ssl,
                    timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_S),
                )
                return await self._login(http, socket, epoch, last_pseq)
        except BaseException:
            await http.close()
            raise

    async def _login(
        self, http: aiohttp.ClientSession, socket: aiohttp.ClientWebSocketResponse, epoch: int, last_pseq: int
    ) -> tuple[Wire, Welcome]:
        known, hello = credentials(self.key), await _next(socket)
        ts_us = time.time_ns() // NS_PER_US
        signature = sign(known.secret, hello[3], known.key_id, ts_us)
        whose = (known.key_id, ts_us, signature, self.lane, int(self.cod), self.grace_ms)
        await socket.send_bytes(pack(MessageType.LOGIN, LOGIN_REF, *whose, epoch, last_pseq, self.heartbeat_ms))
        welcome = await _next(socket)
        return Wire(http, socket, self.heartbeat_ms or hello[5], hello[2]), Welcome(*welcome[1:10])


async def _next(socket: aiohttp.ClientWebSocketResponse) -> list[Any]:
    received = await socket.receive()
    if received.type is not aiohttp.WSMsgType.BINARY:
        ending = ending_of(socket, received)
        raise LoginRefused(ending.code, ending.reason)
    message: list[Any] = msgpack.unpackb(received.data)
    return message
