"""A numbered stream that mends itself: what is missing in it is asked for by replay (6)."""

from collections.abc import Callable, Hashable
from typing import Protocol

from exchange.reasons import RejectReason
from gateway.client.errors import StateLost, reason_of
from gateway.client.stream import Message, PrivateStream
from gateway.client.unanswered import LATER_MS
from gateway.client.wire import MS_PER_SECOND
from gateway.protocol import Stream

US_PER_SECOND = 1_000_000
_TEXT = {Stream.PRIVATE: "private messages", Stream.COPY: "drop copies"}


class Replaying(Protocol):
    """What such a stream needs of its session."""

    def send_replay(self, stream: "ReplayedStream", first: int) -> None:
        """Ask for a stream from a message on; the answer is given to `on_answer`."""

    def later(self, name: Hashable, wait_s: float, act: Callable[[], None]) -> None:
        """Do something in a while, on this connection; one timer of a name."""


class ReplayedStream(PrivateStream):
    """Every message once, in order; `pseq` is the number of the last one, whatever the numbers are called."""

    def __init__(self, kind: Stream, pseq: int, session: Replaying) -> None:
        super().__init__(pseq)
        self.kind = kind
        self.newest = pseq  # The venue has told at least so many.
        self._session = session
        self._first = 0  # Of the replay under way; 0: there is none.
        self._last = 0  # The same; 0: not answered yet.

    @property
    def is_asked_for(self) -> bool:
        """Whether a replay is under way."""
        return self._first > 0

    @property
    def is_whole(self) -> bool:
        """Whether nothing is missing of what the venue is known to have told."""
        return not self.has_gap and self.pseq >= self.newest

    def take(self, message: Message) -> list[Message]:
        """Take a message; return those whose turn it is. Asks for what is missing.

        Raises:
            StateLost: too many are held back.

        """
        ready = self.offer(message)
        if 0 < self._last <= self.pseq:
            self.lose()
            if not self.is_whole:
                self.ask()  # For the rest, where a venue does not tell all of it in one go.
        elif self.has_gap:
            self.ask()
        return ready

    def lose(self) -> None:
        """Note that no replay is under way any more; a new connection begins with what is missing then."""
        self._first = self._last = 0

    def ask(self) -> None:
        """Have what is missing told once more, unless that is under way."""
        if not self.is_asked_for:
            self._first = self.pseq + 1
            self._session.send_replay(self, self._first)

    def on_answer(self, code: int, arg: int) -> None:
        """Take the answer to a replay: how many messages follow, now or later, or why none do.

        Raises:
            StateLost: they cannot be had.

        """
        if code == RejectReason.REPLAY_TOO_OLD:
            raise StateLost(f"{_TEXT[self.kind]} are kept from {arg} on only")
        if code in (RejectReason.RATE, RejectReason.OVERLOAD):
            self.lose()
            self._session.later(self, max(LATER_MS / MS_PER_SECOND, arg / US_PER_SECOND), self.ask)
        elif code or not arg:
            raise StateLost(f"missing {_TEXT[self.kind]} cannot be had: {reason_of(code)!s}")
        else:
            self._last = self._first + arg - 1
