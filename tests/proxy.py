"""A network between a client and a server that can be cut anywhere."""

import asyncio
import contextlib

CUT_BYTES_MAX = 150_000  # Of one connection, both ways.


class Proxy:
    """Forwards a port. While `is_cutting`, it cuts connections after a drawn number of bytes, whatever they are of.

    `stall` swallows what comes on the connections that are open; `release` lets it go on, later.
    """

    def __init__(self, port, dice):
        self.cuts = 0
        self.is_cutting = False
        self.is_down = False  # Takes no connections.
        self._port = port
        self._dice = dice
        self._tasks = set()
        self._writers = set()
        self._stalled = asyncio.Event()  # Set: what is held may go on. Every stall has its own.
        self._stalled.set()
        self._free = self._stalled

    async def start(self):
        self._server = await asyncio.start_server(self._forward, "127.0.0.1", 0)
        return self._server.sockets[0].getsockname()[1]

    def cut(self):
        """Cut every connection now."""
        for writer in self._writers:
            writer.transport.abort()

    def stall(self):
        """Hold everything on the connections that are open now; new ones are free."""
        self._stalled.clear()
        self._free = asyncio.Event()
        self._free.set()

    def release(self):
        """Let what was held go on, to wherever it may still come."""
        self._stalled.set()
        self._stalled = self._free

    async def stop(self):
        self._server.close()
        for task in self._tasks:
            task.cancel()

    async def _forward(self, reader, writer):
        self._tasks.add(asyncio.current_task())
        if self.is_down:
            writer.transport.abort()
            return
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._writers |= {writer, there_writer}
        left, free = [self._dice.randrange(CUT_BYTES_MAX)], self._free
        ways = (self._pump(reader, there_writer, left, free), self._pump(there_reader, writer, left, free))
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait([asyncio.ensure_future(way) for way in ways], return_when=asyncio.FIRST_COMPLETED)
        self._writers -= {writer, there_writer}
        writer.transport.abort()
        there_writer.transport.abort()

    async def _pump(self, reader, writer, left, free):
        with contextlib.suppress(OSError):
            while data := await reader.read(4_096):
                await free.wait()
                if self.is_cutting and len(data) >= left[0]:
                    writer.write(data[: left[0]])
                    self.cuts += 1
                    return
                left[0] -= len(data)
                writer.write(data)
