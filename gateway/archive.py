"""Private messages from the journal, for those who were away for longer than memory goes back (SES-074).

The journal has commands, so the messages are made again by applying it from its beginning: in a process of its own, one
at a time, which yields to the venue. What it finds is written to the connection as fast as the client reads.
"""

import asyncio
import contextlib
import logging
import sys
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from exchange.reasons import RejectReason
from ext.link import Link
from gateway.protocol import CloseCode, MessageType, pack

logger = logging.getLogger(__name__)
CHUNK_HEAD_BYTES = 4  # Size of a chunk of whole frames, little-endian.
ARCHIVE_MESSAGES_MAX = 65_536  # Of one request.
ARCHIVE_WAITING_MAX = 64  # Requests.
ARCHIVE_WAITING_MAX_SESSION = 8  # Of one connection.
LOOK_S = 0.5  # How often a connection that waits is looked at.
PAUSE_S = 0.005  # While a client reads.
STOP_S = 5.0


class Wanted(NamedTuple):
    """A request: the messages `first` to `last` of an account, or the drop copies of several."""

    link: Link
    ref: int
    accounts: list[int]
    is_copy: bool
    first: int
    last: int


class Archive:
    """Answers requests for old messages, in their order."""

    def __init__(self, journal: Path | str, unread_bytes_max: int = 1 << 16) -> None:
        """`unread_bytes_max`: with more unread, a client is not sent more yet."""
        self._journal = Path(journal)
        self._unread_bytes_max = unread_bytes_max
        self._waiting: deque[Wanted] = deque()
        self._task: asyncio.Task[None] | None = None

    def ask(self, wanted: Wanted) -> bool:
        """Take a request, whose answer will come over its link; False when too many wait."""
        self._waiting = deque(one for one in self._waiting if one.link.is_open)
        of_link = sum(one.link is wanted.link for one in self._waiting)
        if len(self._waiting) >= ARCHIVE_WAITING_MAX or of_link >= ARCHIVE_WAITING_MAX_SESSION:
            return False
        self._waiting.append(wanted._replace(last=min(wanted.last, wanted.first + ARCHIVE_MESSAGES_MAX - 1)))
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._work())
        return True

    async def close(self) -> None:
        """Stop, answering nobody any more."""
        self._waiting.clear()
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _work(self) -> None:
        while self._waiting:
            wanted = self._waiting.popleft()
            if wanted.link.is_open:
                await self._answer(wanted)

    async def _answer(self, wanted: Wanted) -> None:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "gateway.archive_reader", str(self._journal), *arguments(wanted),
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            complete = await self._pass_on(wanted, process)
            failed = not complete or await asyncio.wait_for(process.wait(), STOP_S) != 0
            if failed and wanted.link.is_open:
                logger.error("the journal could not be read for account %s, see its message above", wanted.accounts)
                wanted.link.close(CloseCode.INTERNAL, "the server failed")
                wanted.link.flush()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    async def _pass_on(self, wanted: Wanted, process: asyncio.subprocess.Process) -> bool:
        """Send the answer and what the process finds; False when that ends too early."""
        link, is_answered = wanted.link, False
        while link.is_open:
            chunk = await self._next_chunk(link, process)
            if chunk is None:
                return is_answered or not link.is_open
            if not is_answered:
                is_answered = True
                link.send(pack(MessageType.RESP, wanted.ref, 0, wanted.last - wanted.first + 1))
            link.send_frames(chunk)
            link.flush()
            while link.is_open and link.bytes_waiting() > self._unread_bytes_max:
                await asyncio.sleep(PAUSE_S)
        return True

    async def _next_chunk(self, link: Link, process: asyncio.subprocess.Process) -> bytes | None:
        """Return whole frames; None at the end, or when the client is gone."""
        assert process.stdout is not None
        while link.is_open:
            try:
                head = await asyncio.wait_for(process.stdout.readexactly(CHUNK_HEAD_BYTES), LOOK_S)
                return await process.stdout.readexactly(int.from_bytes(head, "little"))
            except TimeoutError:
                continue
            except asyncio.IncompleteReadError:
                return None
        return None


def arguments(wanted: Wanted) -> Iterator[str]:
    """Yield what the process is told."""
    yield "copy" if wanted.is_copy else "private"
    yield ",".join(map(str, wanted.accounts))
    yield str(wanted.first)
    yield str(wanted.last)


def refusal(ref: int) -> bytes:
    """Return the answer when too many requests wait."""
    return pack(MessageType.RESP, ref, int(RejectReason.OVERLOAD), 0)
