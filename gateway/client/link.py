"""What keeps a session alive: its connection and the ones that replace it, and everything that is still owed an answer.

```
linked --lost (a code of COMES_BACK)--> away --logged in on the lane--> linked
   |                                     |
   +--any other end, logout--> closed <--+--no way back in time, StateLost
```
While it is away, commands and requests wait. Back again, the order is: private messages that were missed (the server
sends them with welcome), subscriptions, commands without an answer, requests without an answer.
"""

import abc
import asyncio
import itertools
from collections import deque
from collections.abc import Callable, Hashable, Iterable
from typing import Any

from exchange.reasons import RejectReason
from exchange.records import NoticeKind
from gateway.client.entry import BatchSender, Pending
from gateway.client.errors import ConnectionClosed, StateLost
from gateway.client.events import SEQUENCED, Event, Heartbeat, Notice, Reconnected, Reconnecting, Reject, event_of
from gateway.client.instruments import Instruments
from gateway.client.pace import Pace
from gateway.client.recovery import Recovery, Return
from gateway.client.replays import ReplayedStream
from gateway.client.requests import Requests, fail, succeed
from gateway.client.stream import Message
from gateway.client.unanswered import SentBatch, Unanswered
from gateway.client.wire import LOGIN_REF, MS_PER_SECOND, Welcome, Wire
from gateway.protocol import CloseCode, MessageType, Stream

BUCKET_ORDERS = 0
_KNOWN = frozenset(MessageType)


class Link(BatchSender):
    """The lasting part of a session: it survives its connections."""

    def __init__(self, wire: Wire, welcome: Welcome, recovery: Recovery, pseq: int | None = None) -> None:
        """`pseq` is the last private message that is not to be told; None: that of welcome."""
        self.welcome = welcome
        self.instruments = Instruments()
        self.closed: Exception | None = None  # How the session ended, once it has.
        self.epoch = wire.epoch
        self._wire = wire
        self._recovery = recovery
        self._stream = ReplayedStream(Stream.PRIVATE, welcome.pseq if pseq is None else pseq, self)
        self._stream.newest = welcome.pseq
        self._replays: dict[int, ReplayedStream] = {}  # What waits for the answer to a replay, by its number.
        self._unanswered = Unanswered(bounded=recovery.for_s > 0)
        self._pending = self._unanswered.commands
        self._requests = Requests()
        self._pace = Pace(*orders_limit(welcome))
        self._outbox: deque[tuple[Any, ...]] = deque()  # Slowed down.
        self._timers: dict[Hashable, asyncio.TimerHandle] = {}
        self._refs = itertools.count(welcome.last_ref + 1)
        self._answered_ref = 0  # The highest.
        self._is_away = self._is_held = self._is_leaving = False
        self._whole: asyncio.Future[None] | None = None  # Waits for all private messages of before the login.
        self._takers: dict[int, Callable[[Message], None]] = {  # Of messages that are no events.
            MessageType.INSTRUMENT: self.instruments.take,
            MessageType.PRODUCT: self.instruments.take_product,
        }
        self._behind_at = -1  # pseq at the last heartbeat that said there is more.
        self.begin_stream()

    @property
    def is_connected(self) -> bool:
        """Whether there is a connection at this moment; without one, what is sent waits."""
        return self._is_linked and self.closed is None

    @property
    def _is_linked(self) -> bool:
        return not self._is_away and self._wire.closed is None

    @property
    def pseq(self) -> int:
        """Number of the last private message."""
        return self._stream.pseq

    # What a session adds.

    @abc.abstractmethod
    def on_event(self, event: Event) -> None:
        """Act on an event and tell it to those who read events."""

    @abc.abstractmethod
    def on_lost(self, ending: ConnectionClosed) -> None:
        """Forget what held on the connection that is gone; another is looked for."""

    @abc.abstractmethod
    def subscribed(self) -> Iterable[tuple[Any, ...]]:
        """Return the messages that take all subscriptions up again."""

    @abc.abstractmethod
    def on_end(self, ending: Exception) -> None:
        """Nothing more will come."""

    # What OrderEntry and Batch need.

    def next_ref(self) -> int:
        """Take the next reference of the lane."""
        return next(self._refs)

    def enter(self, message: tuple[Any, ...], pending: Pending) -> None:
        """Send an order message; while the session is away it waits.

        Raises:
            TooManyUnanswered: 4,096 commands wait for their answers.
            ConnectionClosed: the session is over.

        """
        self._check_open()
        self._unanswered.check_room()
        self._pending[message[1]] = pending._replace(message=message)
        self._send_order(message)

    async def send_batch(self, entered: list[tuple[tuple[Any, ...], Pending]]) -> None:
        """Send collected messages in one frame and wait until they were taken in."""
        self._check_open()
        self._unanswered.check_room(len(entered))
        ref, refs = self.next_ref(), [message[1] for message, _ in entered]
        taken: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        frame = (MessageType.BATCH, ref, 0, [message for message, _ in entered])
        self._unanswered.batches[ref] = SentBatch(frame, frozenset(refs), taken)
        for message, pending in entered:
            self._pending[message[1]] = pending._replace(message=message)
        self._send_order(frame)
        try:
            await taken
        except Exception:
            for each in refs:
                self._unanswered.take(each)
            raise
        finally:
            self._unanswered.end_batch(ref)

    # The connection, and the next one.

    async def run(self) -> None:
        """Read until the session ends; come back when a connection is lost."""
        try:
            while True:
                lost = await self._wire.run(self._take)
                if self._is_leaving or not self._recovery.is_worth_it(lost):
                    raise lost
                self._lose(lost)
                self._go_on(await self._recovery.come_back(lost, self.epoch, self._stream.pseq))
        except ConnectionClosed as final:
            self.end(final)
        except Exception as defect:
            self.end(defect)
            raise
        finally:
            await self._wire.hang_up()

    def end(self, ending: Exception) -> None:
        """Tell everyone who waits that the session is over. Harmless when called again."""
        self.closed = self.closed or ending
        for timer in self._timers.values():
            timer.cancel()
        waiting: list[asyncio.Future[Any]] = [request.answer for request in self._requests.open.values()]
        waiting += [batch.taken for batch in self._unanswered.batches.values()]
        waiting += [pending.answer for pending in self._pending.values()]
        waiting += [pending.order.ended for pending in self._pending.values() if pending.order]
        waiting += [] if self._whole is None else [self._whole]
        for future in waiting:
            fail(future, ending)
        self.on_end(ending)

    def _lose(self, ending: ConnectionClosed) -> None:
        self._is_away, self._is_held = True, False
        self._outbox.clear()  # All of it is among the unanswered, too.
        self._replays.clear()
        self._stream.lose()
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        self._requests.lose(ending)
        self.on_lost(ending)
        self.on_event(Reconnecting(ending.code, ending.reason))

    def _go_on(self, back: Return) -> None:
        """Take up a new connection.

        Raises:
            StateLost: the venue does not know what it has told before.

        """
        wire, welcome = back.wire, back.welcome
        self._wire = wire
        if wire.epoch != self.epoch:
            raise StateLost("the venue has begun another journal")
        if welcome.last_ref < self._answered_ref:
            raise StateLost("the venue has forgotten commands that it has answered")
        if welcome.pseq < self._stream.pseq:
            raise StateLost("the venue has forgotten private messages that it has told")
        if not welcome.hears_private:
            self._stream.pseq = welcome.pseq
        self._stream.newest = welcome.pseq
        commands = self._unanswered.begin_again()
        self.welcome, self._pace, self._is_away = welcome, Pace(*orders_limit(welcome)), False
        self.on_event(Reconnected(back.away_ms, back.attempts, welcome.pseq - self._stream.pseq, len(commands)))
        asked = self._requests.again()
        self.begin_stream()
        for message in (*self.subscribed(), *commands, *asked):
            wire.send(*message)

    def _check_open(self) -> None:
        if self.closed is not None:
            raise self.closed

    # Sending.

    async def _request(self, kind: MessageType, *fields: Any) -> int:
        self._check_open()
        request = self._requests.add(kind, *fields)
        try:
            if self._is_linked:
                self._wire.send(*request.message)
            elif not request.may_repeat:
                raise ConnectionClosed(CloseCode.NORMAL, "there is no connection at this moment")
            return await request.answer
        finally:
            self._requests.forget(request)

    def send_now(self, *message: Any) -> None:
        """Send a message whose answer nobody waits for."""
        self._wire.send(*message)

    def _send_order(self, message: tuple[Any, ...]) -> None:
        """Send an order message now, or later: when the session is back, or when the rate allows it."""
        if self._is_held or not self._is_linked:
            return
        self._outbox.append(message)
        self._empty_outbox()

    def _empty_outbox(self) -> None:
        now_s = asyncio.get_running_loop().time()
        while self._outbox:
            wait_s = self._pace.wait_s(now_s)
            if wait_s > 0:
                self.later("outbox", wait_s, self._empty_outbox)
                return
            message = self._outbox.popleft()
            self._pace.count(message, now_s)
            self._wire.send(*message)

    def later(self, name: Hashable, wait_s: float, act: Callable[[], None]) -> None:
        """Do something in a while, on this connection; one timer of a name."""
        if name not in self._timers:
            self._timers[name] = asyncio.get_running_loop().call_later(wait_s, self._act, name, act)

    def _act(self, name: Hashable, act: Callable[[], None]) -> None:
        self._timers.pop(name, None)
        if self._is_linked:
            act()

    def _is_kept(self, reject: Reject) -> bool:
        """Whether a refused command is none of the caller's business yet: it will be sent again."""
        if self._is_held and reject.code == RejectReason.DRAINING and not reject.gseq:
            return True  # On the next connection, as the others that wait for it.
        wait_ms = self._unanswered.retry_ms(reject)
        if wait_ms:
            self.later("again", wait_ms / MS_PER_SECOND, self._send_again)
        return wait_ms > 0

    def _send_again(self) -> None:
        for message in self._unanswered.again():
            self._wire.send(*message)

    # Hearing.

    def _take(self, message: Message) -> None:
        """Act on one message. Types this client does not know are passed over."""
        kind = message[0]
        if kind in SEQUENCED:
            self._take_private(message)
        elif kind in self._takers:
            self._takers[kind](message)
        elif kind == MessageType.RESP:
            self._on_resp(*message[1:4])
        elif kind == MessageType.PONG:
            self._on_resp(message[1], 0, message[3])
        elif kind == MessageType.BATCH_ACK:
            batch = self._unanswered.batches.get(message[1])
            if batch is not None:
                succeed(batch.taken, message[2])
        elif kind in _KNOWN:
            self._tell(message)
        elif self._stream.is_asked_for and message[1] == self._stream.pseq + 1:
            self._take_private(message)  # Of a later kind: it is passed over, but what follows it is not held up.

    def _tell(self, message: Message) -> None:
        event = event_of(message)
        if event is not None:
            self.on_event(event)

    def _on_resp(self, ref: int, code: int, arg: int) -> None:
        if ref == LOGIN_REF:
            if code == RejectReason.REPLAY_TOO_OLD:
                self._stream.ask()  # A venue may find in its journal what a login is not told from memory.
        elif ref in self._replays:
            self._replays.pop(ref).on_answer(code, arg)
        else:
            self._requests.take_answer(ref, code, arg)

    # Private messages: once each, in order.

    def begin_stream(self) -> None:
        """Ask for the stream where a login could not: from its beginning."""
        if self._stream.pseq == 0 < self._stream.newest:
            self._stream.ask()

    async def caught_up(self) -> None:
        """Wait until the private messages that the venue had at the login are told.

        Raises:
            StateLost: they cannot be had any more.
            ConnectionClosed: the session ended first.

        """
        self._check_open()
        if not self._stream.is_whole:
            self._whole = asyncio.get_running_loop().create_future()
            await self._whole

    def _take_private(self, message: Message) -> None:
        for each in self._stream.take(message):
            self._tell(each)
        if self._whole is not None and self._stream.is_whole:
            succeed(self._whole, None)

    def send_replay(self, stream: ReplayedStream, first: int) -> None:
        """Ask for a stream from a message on, up to now."""
        ref = self._requests.number()
        self._replays[ref] = stream
        self._wire.send(MessageType.REPLAY, ref, int(stream.kind), None, first)

    def _on_heartbeat(self, heartbeat: Heartbeat) -> None:
        """Ask for the end of the stream if it is missing at two heartbeats: then it is not on its way."""
        if not self.welcome.hears_private:
            return
        pseq = self._stream.pseq
        if heartbeat.pseq > pseq == self._behind_at:
            self._stream.ask()
        self._behind_at = pseq if heartbeat.pseq > pseq else -1

    def _on_notice(self, notice: Notice) -> None:
        """Heed the server: slow down, or keep back what it would refuse."""
        if notice.kind == NoticeKind.THROTTLE:
            self._pace.slow_down(asyncio.get_running_loop().time())
        elif notice.kind == NoticeKind.DRAINING and self._recovery.for_s > 0:
            self._is_held = True
            self._recovery.stay_away(notice.arg)


def orders_limit(welcome: Welcome) -> tuple[int, int]:
    """Return the orders a second and at once that a welcome permits; 0 for no limit."""
    for bucket, per_s, burst, *_ in welcome.limits:
        if bucket == BUCKET_ORDERS:
            return per_s, burst
    return 0, 0
