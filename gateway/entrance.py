"""Where TCP connections come in: a peer must have said what it wants before anything is spent on it.

`Entrance` holds a new connection until the head of its first request is whole, and hands it to aiohttp then, which
needs no more than a buffer until that moment. Afterwards it stands in nobody's way: bytes go to aiohttp directly.
"""

import asyncio
import socket
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, cast

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from gateway.config import REQUEST_HEAD_BYTES_MAX, GatewayConfig
from gateway.door import Door, Refusal, origin

MS_PER_SECOND = 1_000
HEAD_END = b"\r\n\r\n"
KEEPALIVE_PROBES = 3


class Handler(RequestHandler):
    """aiohttp's handler of one connection, which tells when it is gone, and a peer nothing of our errors."""

    __slots__ = ("_left",)

    def __init__(self, server: web.Server, left: Callable[[], None], request_idle_s: int) -> None:
        loop = asyncio.get_running_loop()
        super().__init__(
            server,
            loop=loop,
            keepalive_timeout=request_idle_s,
            lingering_time=request_idle_s,
            access_log=cast(Any, None),  # As web.AppRunner does it: no log of requests.
        )
        self._left = left

    def connection_lost(self, exc: BaseException | None) -> None:
        """Pass it on, and give the place back."""
        super().connection_lost(exc)
        self._left()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what could not be read, or an error of ours, which is logged; neither is explained to the peer."""
        if status >= 500:
            return super().handle_error(request, status, exc, message)
        response = web.Response(status=status, text="the request cannot be read as HTTP/1.1")
        response.force_close()
        return response


class Lobby:
    """The protocol factory of the listening socket: makes entrances, and knows those that still wait."""

    def __init__(self, server: web.Server, config: GatewayConfig) -> None:
        self.server = server
        self.config = config
        self.door = Door(config)
        self.waiting: set[Entrance] = set()
        self.refused: Counter[int] = Counter()  # By HTTP status; 0: hung up on, for want of room.

    def __call__(self) -> "Entrance":
        """Return the protocol of a new connection."""
        return Entrance(self)

    def close(self) -> None:
        """Hang up on everybody who has not made a request yet."""
        for entrance in list(self.waiting):
            entrance.abort()


class Entrance(asyncio.Protocol):
    """A new TCP connection, until the head of its first request is whole."""

    __slots__ = (
        "_address", "_config", "_door", "_head", "_is_answered", "_is_counted", "_lobby", "_refusal", "_timer",
        "_transport",
    )  # fmt: skip

    def __init__(self, lobby: Lobby) -> None:
        self._lobby = lobby
        self._door = lobby.door
        self._config = lobby.config
        self._head = bytearray()
        self._address = ""
        self._refusal: Refusal | None = None
        self._is_counted = False
        self._is_answered = False
        self._timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count the connection, and give it its time."""
        self._transport = cast(asyncio.Transport, transport)
        if self._door.is_full:
            self._lobby.refused[0] += 1
            self._transport.abort()
            return
        self._lobby.waiting.add(self)
        peer = self._transport.get_extra_info("peername")
        self._address = origin(peer[0]) if peer else ""
        self._is_counted = True
        self._refusal = self._door.enter(self._address, time.monotonic_ns())
        limit_silence(self._transport, self._config)
        loop = asyncio.get_running_loop()
        if self._refusal is None:
            self._timer = loop.call_later(self._config.handshake_timeout_ms / MS_PER_SECOND, self._late)
        else:  # A client that is refused before it has asked sees a lost connection, and not the answer.
            self._lobby.refused[self._refusal.status] += 1
            self._timer = loop.call_later(self._config.close_timeout_ms / MS_PER_SECOND, self._transport.abort)

    def data_received(self, data: bytes) -> None:
        """Gather the head, or refuse the connection."""
        assert self._transport is not None
        if self._refusal is not None:
            self._answer(self._refusal)
            return
        seen = max(len(self._head) - len(HEAD_END) + 1, 0)
        self._head += data
        end = self._head.find(HEAD_END, seen)
        if end > REQUEST_HEAD_BYTES_MAX or (end < 0 and len(self._head) > REQUEST_HEAD_BYTES_MAX):
            self._refuse(Refusal.TOO_LONG)
        elif end >= 0:
            self._hand_over()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Give the place back."""
        if self._timer is not None:
            self._timer.cancel()
        self._leave()

    def abort(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.abort()

    def _leave(self) -> None:
        self._lobby.waiting.discard(self)
        if self._is_counted:
            self._is_counted = False
            self._door.leave(self._address, time.monotonic_ns())

    def _hand_over(self) -> None:
        assert self._transport is not None
        assert self._timer is not None
        self._timer.cancel()
        self._lobby.waiting.discard(self)
        handler = Handler(self._lobby.server, self._leave, self._config.request_idle_s)
        handler.connection_made(self._transport)
        self._transport.set_protocol(handler)
        head, self._head = bytes(self._head), bytearray()  # It would be kept for as long as the connection.
        handler.data_received(head)

    def _late(self) -> None:
        self._refuse(Refusal.TOO_LATE)

    def _refuse(self, refusal: Refusal) -> None:
        """Answer, and wait a moment for the peer to hang up: what it still sends would make the answer vanish."""
        assert self._transport is not None
        assert self._timer is not None
        self._refusal = refusal
        self._lobby.refused[refusal.status] += 1
        self._timer.cancel()
        timeout_s = self._config.close_timeout_ms / MS_PER_SECOND
        self._timer = asyncio.get_running_loop().call_later(timeout_s, self._transport.abort)
        self._answer(refusal)

    def _answer(self, refusal: Refusal) -> None:
        """Answer once; what comes after it is not looked at."""
        assert self._transport is not None
        self._head.clear()
        if self._transport.is_closing() or self._is_answered:
            return
        self._is_answered = True
        self._transport.write(refusal.response())
        if self._transport.can_write_eof():
            self._transport.write_eof()
        else:  # TLS: what was written goes out first.
            self._transport.close()


def limit_silence(transport: asyncio.Transport, config: GatewayConfig) -> None:
    """Have the system give up a peer whose host acknowledges nothing, or does not answer probes, any more."""
    raw = transport.get_extra_info("socket")
    if raw is None or raw.family not in (socket.AF_INET, socket.AF_INET6):
        return
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, config.keepalive_s)
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, config.keepalive_s)
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, KEEPALIVE_PROBES)
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, config.user_timeout_ms)
