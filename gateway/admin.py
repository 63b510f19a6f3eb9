"""Administration of a running venue: JSON lines over a socket in the journal's directory, for the venue's owner alone.

The socket is a file with mode 0600, so the system decides who may use it: whoever could stop the venue anyway. One line
is one command (docs/spec/jsonlines.md); it goes through the sequencer like any other and is answered, when it is
durable, with the events it caused and an empty line.
"""

import asyncio
import contextlib
import os
import socket
from pathlib import Path
from typing import Protocol

import numpy as np

from exchange.catalogue import Catalogue
from exchange.records import EVENT
from gateway.jsonlines import CommandReader, parse_line
from gateway.jsonlines_clearing import CLEARING
from gateway.jsonlines_fields import LineError
from gateway.jsonlines_out import EventWriter, Line, encode
from gateway.sequencer import Publisher

SETUP_COMMANDS = (
    "set_seed", "add_product", "add_account", "list_window", "roll_windows", "set_rates", "set_mark", "certify",
    "deposit", "withdraw", "set_house", "set_class", "set_clearing", "fund", "transfer", "set_provider",
    "delivery_terms",
)  # fmt: skip
COMMANDS = tuple(dict.fromkeys((*SETUP_COMMANDS, "halt", "resume", "balance", *CLEARING)))
SOCKET_NAME = "admin.sock"
OWNER_ONLY = 0o177  # Mask of the socket's mode.
LINE_BYTES_MAX = 65_536


class Tap:
    """A publisher that passes everything on, and hands the events of single commands to those who wait for them."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self._waiting: dict[int, asyncio.Future[bytes]] = {}  # By sequence number.

    def publish(self, first_seq: int, ts_ns: int, events: bytes, commands: int) -> None:
        """Tell the events of a batch."""
        self._publisher.publish(first_seq, ts_ns, events, commands)
        for seq in [seq for seq in self._waiting if seq < first_seq + commands]:
            answer = self._waiting.pop(seq)
            if not answer.done():
                array = np.frombuffer(events, EVENT)
                answer.set_result(array[array["command"] == seq - first_seq].tobytes())

    def events_of(self, seq: int) -> "asyncio.Future[bytes]":
        """Return the events of a command to come, once they are durable; a future."""
        answer = self._waiting[seq] = asyncio.get_running_loop().create_future()
        return answer


class AdminSequencer(Protocol):
    """What is needed of the sequencer."""

    @property
    def next_seq(self) -> int:
        """Sequence number that the next command submitted will have."""

    def submit(self, records: bytes) -> bool:
        """Queue command records; False when there is no room for them."""


class AdminSocket:
    """The socket of one venue, open from `start` to `stop`.

    Args:
        path: of the socket; one that was left by a venue that was killed is replaced.
        catalogue: the names that lines use.
        sequencer: where commands go.
        tap: between the sequencer and its publisher.

    """

    def __init__(self, path: Path, catalogue: Catalogue, sequencer: AdminSequencer, tap: Tap) -> None:
        self.path = path
        self._reader = CommandReader(catalogue)
        self._writer = EventWriter(catalogue)
        self._sequencer = sequencer
        self._tap = tap
        self._server: asyncio.Server | None = None
        self._sessions: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen. Raises OSError where the path cannot be a socket's, such as one that is too long."""
        self.path.unlink(missing_ok=True)
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        mask = os.umask(OWNER_ONLY)
        try:
            listening.bind(str(self.path))
        except OSError:
            listening.close()
            raise
        finally:
            os.umask(mask)
        self._server = await asyncio.start_unix_server(self._accept, sock=listening, limit=LINE_BYTES_MAX)

    async def stop(self) -> None:
        """Hang up and remove the socket."""
        if self._server is not None:
            self._server.close()
            for session in self._sessions:
                session.cancel()
            await asyncio.gather(*self._sessions, return_exceptions=True)
            self.path.unlink(missing_ok=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._sessions.add(session)
        session.add_done_callback(self._sessions.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            number = 0
            with contextlib.suppress(ConnectionError, ValueError):  # A line that is too long ends the connection.
                while line := await reader.readline():
                    number += 1
                    answers = await self._answer(line, number)
                    writer.write("".join(f"{encode(answer)}\n" for answer in answers).encode() + b"\n")
                    await writer.drain()
        finally:
            writer.close()

    async def _answer(self, line: bytes, number: int) -> list[Line]:
        """Carry out one line and return what came of it."""
        try:
            command = parse_line(line)
            if command.get("t") not in COMMANDS:
                raise LineError(f"t must be one of {', '.join(COMMANDS)}, was {command.get('t')!r}")
            records = self._reader.convert(command)
        except LineError as error:
            return [{"t": "error", "line": number, "reason": str(error)}]
        seq = self._sequencer.next_seq
        if not self._sequencer.submit(records):
            return [{"t": "error", "line": number, "reason": "the venue is overloaded or stops; nothing was done"}]
        events = np.frombuffer(await self._tap.events_of(seq), EVENT)
        return list(self._writer.lines(events, seq - int(events["command"][0]), spoken=command.get("account")))
