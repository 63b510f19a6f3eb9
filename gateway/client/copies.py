"""The firm's drop copy: every private message of all its accounts, once each, in order, whatever connections it takes.

Copies are numbered over all accounts. A subscription begins with the number of the last one (`copy_head`); what came
between that and the last one heard is asked for by replay. Each message inside has the number of its account, too: when
those do not follow each other, the copies are not those of the same firm any more.
"""

import abc
import asyncio
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, cast

from gateway.client.clearing_events import PrivateClearingEvent
from gateway.client.errors import HourglassError, RequestRefused, StateLost
from gateway.client.events import Assigned, BoughtIn, Capacity, Done, Fill, Replaced, event_of
from gateway.client.reader import Reader
from gateway.client.replays import ReplayedStream, Replaying
from gateway.client.stream import Message
from gateway.protocol import Channel, MessageType, Stream

CopiedEvent = Fill | Done | Replaced | Assigned | BoughtIn | Capacity | PrivateClearingEvent


@dataclass(slots=True)
class Copy:
    """What an account of the firm was told. `seq` counts the copies of the firm, `event.pseq` those of the account."""

    seq: int
    account: int
    event: CopiedEvent


class CopyHead(NamedTuple):
    """Where the copies stand: the number of the last one, and the names of the firm's accounts that there are."""

    seq: int
    accounts: dict[int, str]


class CopyReader(Reader[Copy]):
    """An iterator over drop copies. It ends with the session, or with StateLost, which the session survives."""

    def __init__(self, copies: "Copies", resume: tuple[int, int] | None) -> None:
        super().__init__(copies.readers)
        self._copies = copies
        self._beginning = asyncio.get_running_loop().create_task(copies.begin(self, resume))

    @property
    def head(self) -> CopyHead:
        """What the venue has said last of where the copies stand: when they begin, and when an account has joined."""
        return self._copies.head

    async def begun(self) -> CopyHead:
        """Wait until nothing can be missed any more; return where the copies stand.

        Raises:
            RequestRefused: SCOPE for a key without the scope copy.
            StateLost: the copies after the one that was named cannot be had.
            ConnectionClosed: the session ended first.

        """
        await asyncio.shield(self._beginning)
        if self._ending is not None:
            raise self._ending
        return self.head


class CopySession(Replaying, Protocol):
    """What the copies need of their session."""

    epoch: int

    async def subscribe_state(self, channel: Channel, conflate_ms: int = 0) -> int:
        """Subscribe to a channel that has no instruments; return the subscription's number."""

    async def unsubscribe(self, number: int) -> None:
        """End a subscription."""

    async def ping(self) -> int:
        """Have an answer that comes after all that was told before it."""

    def send_now(self, *message: Any) -> None:
        """Send a message whose answer nobody waits for."""


class CopyStream(ReplayedStream):
    """The stream of copies: when it is lost, the session is not."""

    def __init__(self, seq: int, copies: "Copies", session: CopySession) -> None:
        super().__init__(Stream.COPY, seq, session)
        self._copies = copies

    def on_answer(self, code: int, arg: int) -> None:
        """Take the answer to a replay, as every stream does."""
        try:
            super().on_answer(code, arg)
        except StateLost as error:
            self._copies.lose(self, error)


class Copies:
    """The copies of one session: one stream, for any number of readers."""

    def __init__(self, session: CopySession) -> None:
        self.head = CopyHead(0, {})
        self.readers: list[CopyReader] = []
        self._session = session
        self._ending: Exception | None = None
        self._stream: CopyStream | None = None  # None: nobody has asked for it, or it was lost.
        self._pseqs: dict[int, int] = {}  # Of the last message that was copied, by account.
        self._subscription = 0
        self._subscribing = asyncio.Lock()
        self._awaits_head = False  # It was asked for, because an account has joined.

    async def begin(self, reader: CopyReader, resume: tuple[int, int] | None) -> None:
        """Begin the stream, unless that was done; a refusal ends the reader."""
        async with self._subscribing:
            try:
                if self._ending is not None:
                    reader.end(self._ending)
                elif resume is not None or self._stream is None:
                    await self._begin(resume)
            except HourglassError as error:
                reader.end(error)

    async def _begin(self, resume: tuple[int, int] | None) -> None:
        session = self._session
        if self._subscription:
            number, self._subscription = self._subscription, 0
            await session.unsubscribe(number)
        self._stream, self._pseqs = None, {}
        if resume is not None:
            epoch, seq = resume
            if epoch != session.epoch:
                raise StateLost("the venue has begun another journal")
            self._stream = CopyStream(seq, self, session)
        try:
            self._subscription = await session.subscribe_state(Channel.COPY)
        except RequestRefused:
            self._stream = None
            raise
        await session.ping()  # The head comes between the two answers.

    # What is heard.

    def take_head(self, message: Message) -> None:
        """Take where the copies stand: at the beginning, after a loss, or when an account has joined."""
        seq, accounts, names = message[1:4]
        self.head, self._awaits_head = CopyHead(seq, dict(zip(accounts, names, strict=True))), False
        if self._stream is None:
            self._stream, self._pseqs = CopyStream(seq, self, self._session), {}
        elif seq < self._stream.pseq:
            self.lose(self._stream, StateLost("the venue has forgotten drop copies that it has told"))
        else:
            self._stream.newest = seq
            if not self._stream.is_whole:
                self._stream.ask()

    def take(self, message: Message) -> None:
        """Take a copy; tell it, and those that wait for it, when it is their turn."""
        stream = self._stream
        if stream is None:
            return  # It was lost, and nobody has begun anew.
        try:
            for each in stream.take(message):
                self._tell(*each[1:4])
        except StateLost as error:
            self.lose(stream, error)

    def _tell(self, seq: int, account: int, told: Message) -> None:
        pseq = told[1]
        if pseq != self._pseqs.get(account, pseq - 1) + 1:
            raise StateLost("the drop copies are not those of the same firm any more")
        self._pseqs[account] = pseq
        if account not in self.head.accounts and not self._awaits_head:
            self._awaits_head = True
            self._session.send_now(MessageType.SNAPSHOT, 0, int(Channel.COPY), None)
        event = event_of(told)
        if event is None:
            return  # Of a later kind.
        for reader in list(self.readers):
            reader.put(Copy(seq, account, cast("CopiedEvent", event)))

    def on_lost(self) -> None:
        """Note that the connection is gone; the next one begins with a head."""
        self._awaits_head = False
        if self._stream is not None:
            self._stream.lose()

    def lose(self, stream: CopyStream, error: StateLost) -> None:
        """Give a stream up: what comes after it is another one."""
        if stream is self._stream:
            self._stream = None
            for reader in list(self.readers):
                reader.end(error)

    def end(self, ending: Exception) -> None:
        """Nothing more will come."""
        self._ending = ending
        for reader in list(self.readers):
            reader.end(ending)


class CopyFeed(abc.ABC):
    """Drop copies, as a session has them."""

    _copies: Copies

    def copies(self, *, resume: tuple[int, int] | None = None) -> CopyReader:
        """Return an iterator over what all accounts of the firm are told, for a key with the scope copy.

        A connection that is lost makes no difference: what was missed comes first. A refusal is raised where the
        iterator is read, or by its `begun`. After StateLost, call this again to begin anew.

        Args:
            resume: epoch, and number of the last copy that was dealt with: those after it come first. None: from now
                on, or, to be exact, from when `begun` has returned.

        Raises:
            ValueError: to resume, there must be no other reader.

        """
        if resume is not None and self._copies.readers:
            raise ValueError("copies must be resumed by their only reader")
        return CopyReader(self._copies, resume)
