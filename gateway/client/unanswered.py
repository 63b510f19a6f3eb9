"""Commands that were sent and have no answer yet: kept as they were sent, to be sent again on another connection.

The server answers a ref it knows with its first outcome, so what is sent again is never done twice (ORD-002).
"""

import asyncio
from collections.abc import Iterator
from typing import Any, NamedTuple

from exchange.reasons import RejectReason
from exchange.units import LANE_OUTCOMES_MAX
from gateway.client.entry import Pending
from gateway.client.errors import TooManyUnanswered
from gateway.client.events import Done, Fill, Reject, Replaced

UNANSWERED_MAX = LANE_OUTCOMES_MAX  # Of an older one the venue might not know the outcome any more.
OrderNews = Fill | Done | Replaced
LATER = (RejectReason.RATE, RejectReason.OVERLOAD, RejectReason.DRAINING)  # Refused for now, not for good.
LATER_MS = 50  # Until the next attempt, where the refusal does not tell.
US_PER_MS = 1_000


class SentBatch(NamedTuple):
    """A frame of several commands; `taken` is done when the server has read it."""

    message: tuple[Any, ...]
    refs: frozenset[int]
    taken: "asyncio.Future[int]"


class Unanswered:
    """The commands of a session without an answer, by ref."""

    def __init__(self, *, bounded: bool) -> None:
        """`bounded`: refuse more of them than could be sent again for certain."""
        self.commands: dict[int, Pending] = {}
        self.batches: dict[int, SentBatch] = {}
        self._bounded = bounded
        self._repeated: set[int] = set()  # Refs that were sent again, batches' included.
        self._early: dict[int, list[OrderNews]] = {}  # By oid: told again before the answer that names the order.

    def check_room(self, count: int = 1) -> None:
        """Raise TooManyUnanswered when there is no room for more commands."""
        if self._bounded and len(self.commands) + count > UNANSWERED_MAX:
            raise TooManyUnanswered(f"at most {UNANSWERED_MAX} commands may wait for their answers")

    def take(self, ref: int) -> Pending | None:
        """Take out the command that was answered."""
        self._repeated.discard(ref)
        return self.commands.pop(ref, None)

    def end_batch(self, ref: int) -> None:
        """Forget a frame that was read or refused."""
        self._repeated.discard(ref)
        self.batches.pop(ref, None)

    # Sending again.

    def begin_again(self) -> list[tuple[Any, ...]]:
        """Return what must be sent on a new connection, in the order of refs."""
        self._repeated = {*self.commands, *self.batches}
        return list(self._frames())

    def again(self) -> list[tuple[Any, ...]]:
        """Return what was sent again and has still no answer."""
        return [message for message in self._frames() if message[1] in self._repeated]

    def _frames(self) -> Iterator[tuple[Any, ...]]:
        unread = {ref: batch for ref, batch in self.batches.items() if not batch.taken.done()}
        inside = frozenset().union(*(batch.refs for batch in unread.values()))
        for ref in sorted([*unread, *(ref for ref in self.commands if ref not in inside)]):
            yield unread[ref].message if ref in unread else self.commands[ref].message

    def retry_ms(self, reject: Reject) -> int:
        """Return when to send a command once more, 0 for never: it was refused before the server looked it up.

        Of a command that was sent again such a refusal says nothing about what became of it the first time.
        """
        if reject.gseq or reject.ref not in self._repeated or reject.code not in LATER:
            return 0
        return reject.arg // US_PER_MS + 1 if reject.code == RejectReason.RATE and reject.arg else LATER_MS

    # News of orders whose answer was lost.

    def hold(self, news: OrderNews) -> None:
        """Keep what is told about an order before its answer; of others it is passed over."""
        if news.ref in self._repeated:
            self._early.setdefault(news.oid, []).append(news)

    def held(self, oid: int) -> list[OrderNews]:
        """Return what was kept for an order that is known now."""
        news = self._early.pop(oid, [])
        if not self._repeated:
            self._early.clear()  # Of orders of other lanes.
        return news
