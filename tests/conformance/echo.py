"""An echo server on a raw `asyncio.Protocol`: `python -m tests.conformance.echo [PORT]` serves until it is killed.

It shows that the parser needs no HTTP library: the handshake is twenty lines here, and then `feed_data` is given what
the transport read. It is what the tests of conformance run against.
"""

import asyncio
import base64
import hashlib
import re
import sys

from ext.frames import FrameParser

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
KEY = re.compile(rb"^sec-websocket-key:\s*(\S+)\s*$", re.IGNORECASE | re.MULTILINE)
# The venue's 64 KiB and 16 fragments would refuse many a case of a test suite.
MESSAGE_BYTES_MAX = 16 << 20
FRAGMENTS_MAX = 1 << 20
LINGER_S = 0.1


class Echo(FrameParser):
    """Sends every message back as it came."""

    def __init__(self) -> None:
        self.message_bytes_max = MESSAGE_BYTES_MAX
        self.fragments_max = FRAGMENTS_MAX

    def message(self, opcode: int, data: bytes) -> None:
        """Queue the message; it leaves with all others of the read."""
        self.send(data, opcode)

    def ended(self, lost: bool) -> None:
        """Hang up a moment after a close frame; at once, what the peer still sends could make the system drop it."""
        if not lost and self.transport is not None:
            asyncio.get_running_loop().call_later(LINGER_S, self.transport.close)


class EchoProtocol(asyncio.Protocol):
    """One connection: the handshake, then the parser."""

    def __init__(self) -> None:
        self.head = b""
        self.parser: FrameParser | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        if self.parser is not None:
            self.parser.feed_data(data)
            return
        self.head += data
        head, end, rest = self.head.partition(b"\r\n\r\n")
        if end:
            self.upgrade(head, rest)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.parser is not None:
            self.parser.feed_eof()

    def upgrade(self, head: bytes, rest: bytes) -> None:
        """Answer the handshake, and pass on what came behind it."""
        key = KEY.search(head)
        if key is None:
            self.transport.close()
            return
        accept = base64.b64encode(hashlib.sha1(key[1] + GUID).digest())
        answer = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        self.transport.write(answer + b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n")
        self.parser = Echo()
        self.parser.transport = self.transport
        self.parser.call_soon = asyncio.get_running_loop().call_soon
        self.parser.feed_data(rest)


async def serve(port: int = 0, host: str = "127.0.0.1") -> asyncio.Server:
    """Listen."""
    return await asyncio.get_running_loop().create_server(EchoProtocol, host, port)


async def main() -> None:
    """Serve until killed."""
    server = await serve(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
    print(f"echo serves ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
