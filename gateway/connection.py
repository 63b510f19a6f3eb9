"""One WebSocket: ties a link, which has the bytes, to a session, which has the meaning, and to the event loop."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Any, cast

from aiohttp import web

from ext.link import Link
from ext.tunnel import Tunnel
from gateway.config import GatewayConfig
from gateway.protocol import WireError
from gateway.protocol.text import to_text
from gateway.session import Session

logger = logging.getLogger(__name__)
MS_PER_SECOND = 1_000
NS_PER_MS = 1_000_000
NO_MESSAGES: deque[Any] = deque()


class Connection:
    """The peer of a link: passes messages on to the session, and sees to it that a closed connection ends."""

    def __init__(
        self,
        submit: Callable[[bytes], bool],
        config: GatewayConfig,
        clock_ns: Callable[[], int],
    ) -> None:
        self.link = Link(
            self, submit, config.backlog_bytes_max, config.conflate_bytes_max, config.conflate_low_bytes
        )
        self.session: Session | None = None
        self._close_timeout_s = config.close_timeout_ms / MS_PER_SECOND
        self._stalled_ns_max = config.stalled_ms_max * NS_PER_MS
        self._clock_ns = clock_ns
        self._loop = asyncio.get_running_loop()
        self.link.call_soon = self._loop.call_soon
        self._bytes_sent = 0
        self._moved_ns = clock_ns()  # When bytes last went out, or there was none that waited.
        self.gone: asyncio.Future[None] = self._loop.create_future()

    def begin(self, transport: asyncio.Transport, session: Session) -> None:
        """Greet: the WebSocket is open."""
        self.link.transport = transport
        self.link.fd = plain_socket(transport)
        # Told as soon as it has nothing left, the link keeps what waits (TLS would be told of nothing all the time).
        transport.set_write_buffer_limits(high=0 if self.link.fd >= 0 else 1, low=0)
        self.link.may_hold = True
        self.session = session
        self.link.send(session.hello())
        self.link.flush()

    def tick(self, now_ns: int) -> None:
        """Do what is due."""
        if self.session is None or not self.link.is_open:
            return
        if self._is_stalled(now_ns):
            self.link.cut_off()
            return
        try:
            for message in self.session.tick(now_ns):
                self.link.send(message)
        except WireError as error:
            self.link.close(error.close_code, str(error))
        self.link.flush()

    def _is_stalled(self, now_ns: int) -> bool:
        """Whether bytes have waited for too long while the peer took none."""
        sent = self.link.bytes_sent()
        if sent != self._bytes_sent or not self.link.bytes_waiting():
            self._bytes_sent = sent
            self._moved_ns = now_ns
        return now_ns - self._moved_ns >= self._stalled_ns_max

    # What the link calls.

    def receive(self, message: bytes, is_text: bool, now_ns: int) -> list[bytes]:
        """Pass a message on."""
        assert self.session is not None
        return self.session.receive(message, is_text, now_ns)

    def as_text(self, message: bytes) -> bytes:
        """Return the text form of a message."""
        return to_text(message)

    def ended(self, lost: bool) -> None:
        """End the session: a close frame went out, or the connection is gone."""
        if self.session is not None:
            self.session.end(self._clock_ns())
        if lost:
            if not self.gone.done():
                self.gone.set_result(None)
        else:
            self._loop.call_later(self._close_timeout_s, self._abort)

    def crashed(self, error: Exception) -> None:
        """Log an error that is ours; the client is told nothing but that it happened."""
        logger.error("session %d failed", self.session.number if self.session else 0, exc_info=error)

    def _abort(self) -> None:
        if self.link.transport is not None:
            self.link.transport.abort()


def plain_socket(transport: asyncio.Transport) -> int:
    """Return the descriptor of a socket that gets bytes as they are; -1 where TLS is in between."""
    raw = transport.get_extra_info("socket")
    return -1 if raw is None or transport.get_extra_info("sslcontext") is not None else int(raw.fileno())


class Upgrade(web.WebSocketResponse):
    """aiohttp's WebSocket handshake, after which all bytes go to our own parser, in the call that read them."""

    def __init__(self, connection: Connection, session: Session) -> None:
        # No permessage-deflate: it costs more than it saves on messages of 30 bytes.
        super().__init__(compress=False)
        self._connection = connection
        self._session = session

    def _post_start(self, request: web.BaseRequest, protocol: str | None, writer: Any) -> None:
        transport = request.transport
        if transport is None:
            raise ConnectionResetError("the connection was lost during the handshake")
        self._connection.begin(transport, self._session)
        # aiohttp asks of a parser only that it can be fed: what came with the request, and the end.
        handler = request.protocol
        handler.set_parser(cast(Any, self._connection.link))
        transport.set_protocol(cast(Any, Tunnel(self._connection.link, handler)))
        # There will be no more HTTP: request, tasks and parser were six kilobytes of every session. The handler ends
        # its task as after any last request, and has no transport to close; of the end it is told by the tunnel.
        handler.keep_alive(False)
        handler.close()
        handler.transport = None
        handler._parser, handler._messages = None, NO_MESSAGES

    async def write_eof(self, data: bytes = b"") -> None:
        """Nothing is left to write: the link has closed the WebSocket."""
        self._eof_sent = True
