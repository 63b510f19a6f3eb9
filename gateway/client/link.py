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
from collections.abc import Iterable
from typing import Any

from exchange.reasons import RejectReason
from exchange.records import NoticeKind
from gateway.client.entry import BatchSender, Pending
from gateway.client.errors import ConnectionClosed, StateLost, reason_of
from gateway.client.events import SEQUENCED, Event, Heartbeat, Notice, Reconnected, Reconnecting, Reject, event_of
from gateway.client.instruments import Instruments
from gateway.client.pace import Pace
from gateway.client.recovery import Recovery, Return
from gateway.client.requests import OpenRequest, Requests, fail, succeed
from gateway.client.stream import Message, PrivateStream
from gateway.client.unanswered import LATER_MS, SentBatch, Unanswered
from gateway.client.wire import LOGIN_REF, Welcome, Wire
from gateway.protocol import CloseCode, MessageType

BUCKET_ORDERS = 0
US_PER_SECOND = 1_000_000
MS_PER_SECOND = 1_000
_KNOWN = frozenset(MessageType)


class Link(BatchSender):
    """The lasting part of a session: it survives its connections."""

    def __init__(self, wire: Wire, welcome: Welcome, recovery: Recovery) -> None:
        self.welcome = welcome
        self.instruments = Instruments()
        self.closed: Exception | None = None  # How the session ended, once it has.
        self.epoch = wire.epoch
        self._wire = wire
        self._recovery = recovery
        self._stream = PrivateStream(welcome.pseq)
        self._unanswered = Unanswered(bounded=recovery.for_s > 0)
        self._pending = self._unanswered.commands
        self._requests = Requests()
        self._pace = Pace(*orders_limit(welcome))
        self._outbox: deque[tuple[Any, ...]] = deque()  # Slowed down.
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._refs = itertools.count(welcome.last_ref + 1)
        self._answered_ref = 0  # The highest.
        self._is_away = self._is_held = self._is_leaving = False
        self._replay: OpenRequest | None = None  # Under way,
        self._replay_to = 0  # up to this message; 0: not answered yet.
        self._behind_at = -1  # pseq at the last heartbeat that said there is more.

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
        for future in waiting:
            fail(future, ending)
        self.on_end(ending)

    def _lose(self, ending: ConnectionClosed) -> None:
        self._is_away, self._is_held = True, False
        self._outbox.clear()  # All of it is among the unanswered, too.
        self._replay = None
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
        commands = self._unanswered.begin_again()
        self.welcome, self._pace, self._is_away = welcome, Pace(*orders_limit(welcome)), False
        self.on_event(Reconnected(back.away_ms, back.attempts, welcome.pseq - self._stream.pseq, len(commands)))
        asked = self._requests.again()
        if self._stream.pseq == 0 and welcome.pseq > 0:
            self._ask_replay()  # A login cannot ask for a stream from its beginning.
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
                self._later("outbox", wait_s, self._empty_outbox)
                return
            message = self._outbox.popleft()
            self._pace.count(message, now_s)
            self._wire.send(*message)

    def _later(self, name: str, wait_s: float, act: Any) -> None:
        """Do something in a while, on this connection; one timer of a name."""
        if name not in self._timers:
            self._timers[name] = asyncio.get_running_loop().call_later(wait_s, self._act, name, act)

    def _act(self, name: str, act: Any) -> None:
        self._timers.pop(name, None)
        if self._is_linked:
            act()

    def _is_kept(self, reject: Reject) -> bool:
        """Whether a refused command is none of the caller's business yet: it will be sent again."""
        if self._is_held and reject.code == RejectReason.DRAINING and not reject.gseq:
            return True  # On the next connection, as the others that wait for it.
        wait_ms = self._unanswered.retry_ms(reject)
        if wait_ms:
            self._later("again", wait_ms / MS_PER_SECOND, self._send_again)
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
        elif kind == MessageType.INSTRUMENT:
            self.instruments.take(message)
        elif kind == MessageType.PRODUCT:
            self.instruments.take_product(message)
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
        elif self._replay is not None and message[1] == self._stream.pseq + 1:
            self._take_private(message)  # Of a later kind: it is passed over, but what follows it is not held up.

    def _tell(self, message: Message) -> None:
        event = event_of(message)
        if event is not None:
            self.on_event(event)

    def _on_resp(self, ref: int, code: int, arg: int) -> None:
        if ref == LOGIN_REF:
            if code == RejectReason.REPLAY_TOO_OLD:
                self._ask_replay()  # A venue may find in its journal what a login is not told from memory.
        elif self._replay is not None and ref == self._replay.message[1]:
            self._on_replay(code, arg)
        else:
            self._requests.take_answer(ref, code, arg)

    # Private messages: once each, in order.

    def _take_private(self, message: Message) -> None:
        for each in self._stream.offer(message):
            self._tell(each)
        if self._replay is not None and 0 < self._replay_to <= self._stream.pseq:
            self._end_replay()
        elif self._stream.has_gap:
            self._ask_replay()

    def _ask_replay(self) -> None:
        """Have what is missing told once more, unless that is under way."""
        if self._replay is not None:
            return
        self._replay, self._replay_to = self._requests.add(MessageType.REPLAY, 0, None, self._stream.pseq + 1), 0
        self._requests.forget(self._replay)  # A new connection begins with what is missing then.
        self._wire.send(*self._replay.message)

    def _on_replay(self, code: int, arg: int) -> None:
        """Take the answer to a replay: how many messages follow, now or later, or why none do."""
        assert self._replay is not None
        if code == RejectReason.REPLAY_TOO_OLD:
            raise StateLost(f"private messages are kept from {arg} on only")
        if code in (RejectReason.RATE, RejectReason.OVERLOAD):
            self._replay = None
            self._later("replay", max(LATER_MS / MS_PER_SECOND, arg / US_PER_SECOND), self._ask_replay)
        elif code or not arg:
            raise StateLost(f"missing private messages cannot be had: {reason_of(code)!s}")
        else:
            self._replay_to = self._replay.message[-1] + arg - 1

    def _end_replay(self) -> None:
        """Ask for the rest, where a venue does not tell all of it in one go."""
        self._replay = None
        if self._stream.has_gap or self._stream.pseq < self.welcome.pseq:
            self._ask_replay()

    def _on_heartbeat(self, heartbeat: Heartbeat) -> None:
        """Ask for the end of the stream if it is missing at two heartbeats: then it is not on its way."""
        pseq = self._stream.pseq
        if heartbeat.pseq > pseq == self._behind_at:
            self._ask_replay()
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
