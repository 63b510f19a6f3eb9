"""The subscriptions of one session. Several may cover the same instrument; it is sent once."""

from collections import Counter
from collections.abc import Iterable

from exchange.reasons import RejectReason
from ext.link import Link
from gateway.protocol import Channel, Options, RequestError, Subscribe
from gateway.publisher import Publisher

Line = tuple[Channel, int]  # Channel and, of candles, the interval: what is told apart from one another.
ALL = 0  # In place of a handle: all instruments, those to come included.


class Subscriptions:
    """What one session listens to."""

    def __init__(self, publisher: Publisher, link: Link) -> None:
        self._publisher = publisher
        self._link = link
        self._requests: dict[int, Subscribe] = {}
        self._covered: dict[Line, Counter[int]] = {}  # How many subscriptions cover a handle, or ALL.
        self._options: dict[Line, dict[int, Options]] = {}  # With which options they do.
        self._next_id = 1
        self.handles = 0  # That the subscriptions name, said twice counted twice.

    def __len__(self) -> int:
        return len(self._requests)

    def add(self, request: Subscribe) -> tuple[int, list[bytes]]:
        """Subscribe; return the subscription's number and the snapshots to begin with. O(instruments).

        Raises:
            RequestError: an instrument is covered already with other options (MKD-010).

        """
        line, handles = _line(request), request.insts or (ALL,)
        known = self._options.setdefault(line, {})
        seen: Iterable[Options | None] = known.values() if handles == (ALL,) else map(known.get, (*handles, ALL))
        if any(options not in (None, request.opts) for options in seen):
            raise RequestError(request.ref, RejectReason.MALFORMED)
        covered = self._covered.setdefault(line, Counter())
        covered.update(handles)
        known.update(dict.fromkeys(handles, request.opts))
        sub_id = self._next_id
        self._next_id += 1
        self._requests[sub_id] = request
        self.handles += len(request.insts or ())
        return sub_id, self._publisher.subscribe(request.chan, self._link, request.insts, request.opts)

    def channel(self, sub_id: int) -> Channel | None:
        """Return the channel of a subscription; None where there is none of that number."""
        request = self._requests.get(sub_id)
        return None if request is None else request.chan

    def covers(self, channel: Channel) -> bool:
        """Whether there is a subscription to a channel. O(subscriptions)."""
        return any(request.chan is channel for request in self._requests.values())

    def remove(self, sub_id: int) -> bool:
        """End a subscription; False if there is none of that number. What others cover goes on. O(instruments)."""
        request = self._requests.pop(sub_id, None)
        if request is None:
            return False
        self.handles -= len(request.insts or ())
        line, handles = _line(request), request.insts or (ALL,)
        covered, known = self._covered[line], self._options[line]
        covered.subtract(handles)
        free = [handle for handle in dict.fromkeys(handles) if not covered[handle]]
        for handle in free:
            del covered[handle], known[handle]
        if request.insts is None:
            if free:
                self._publisher.unsubscribe(request.chan, self._link, None, request.opts, keep=covered)
        elif not covered[ALL]:
            self._publisher.unsubscribe(request.chan, self._link, free, request.opts)
        if not covered:
            self._publisher.leave(request.chan, self._link)
        return True

    def clear(self) -> None:
        """End all."""
        for sub_id in list(self._requests):
            self.remove(sub_id)


def _line(request: Subscribe) -> Line:
    return request.chan, request.opts.interval_s
