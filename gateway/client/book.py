"""A copy of one instrument's visible book, kept in step by sequence numbers."""

import asyncio

from sortedcontainers import SortedDict

from gateway.client.events import BookDelta, BookSnapshot
from gateway.client.instruments import InstrumentInfo

Level = tuple[int, int]  # Ticks and lots.
DELTAS_HELD_MAX = 10_000  # Of a book that waits for its snapshot.


class Book:
    """The book of one instrument. Until `is_current`, and after a gap until it is mended, it is not to be trusted."""

    def __init__(self, instrument: InstrumentInfo, depth: int = 0) -> None:
        self.instrument = instrument
        self.depth = depth  # It has the best so many levels of each side; 0: all.
        self.seq = 0
        self.ts = 0
        self.is_current = False
        self.gaps = 0  # How often it had to be fetched anew.
        self._bids: SortedDict[int, int] = SortedDict()  # Keys are negative ticks: the best bid comes first.
        self._asks: SortedDict[int, int] = SortedDict()
        self._held: list[BookDelta] = []  # Deltas that came before the snapshot they follow.
        self._changed = asyncio.Event()
        self._ending: Exception | None = None

    @property
    def best_bid(self) -> Level | None:
        """Ticks and lots of the best bid, or None."""
        return self._first(self._bids, -1)

    @property
    def best_ask(self) -> Level | None:
        """Ticks and lots of the best ask, or None."""
        return self._first(self._asks, 1)

    def bids(self, depth: int | None = None) -> list[Level]:
        """Return the best levels, best first. O(depth)."""
        return [(-key, lots) for key, lots in self._bids.items()[:depth]]

    def asks(self, depth: int | None = None) -> list[Level]:
        """Return the best levels, best first. O(depth)."""
        return list(self._asks.items()[:depth])

    async def changed(self) -> None:
        """Wait for the next change. Raises ConnectionClosed, or what else has ended the session."""
        self._changed.clear()
        if self._ending is None:
            await self._changed.wait()
        if self._ending is not None:
            raise self._ending

    def load(self, snapshot: BookSnapshot) -> None:
        """Start from a snapshot, then from what was held back for it."""
        self._bids = SortedDict(zip((-px for px in snapshot.bids[::2]), snapshot.bids[1::2], strict=True))
        self._asks = SortedDict(zip(snapshot.asks[::2], snapshot.asks[1::2], strict=True))
        self.seq, self.ts = snapshot.seq, snapshot.ts
        self.is_current = True
        held, self._held = self._held, []
        for delta in held:
            self.apply(delta)
        self._changed.set()

    def invalidate(self) -> None:
        """Forget that it was in step: a snapshot will come, and what follows it."""
        self.is_current = False
        self._held.clear()

    def apply(self, delta: BookDelta) -> bool:
        """Take a delta that begins no later than with the message after the last, and ends no sooner (MKD-004).

        An older one changes nothing. False when messages are missing: a new snapshot must be fetched, and mends the
        book.
        """
        if not self.is_current:
            is_full = len(self._held) >= DELTAS_HELD_MAX
            if is_full:
                self._held.clear()
            self._held.append(delta)
            return not is_full
        if delta.seq <= self.seq:
            return True
        if delta.first > self.seq + 1:
            self.lose()
            self._held.append(delta)
            return False
        self._set_levels(self._bids, -1, delta.bids)
        self._set_levels(self._asks, 1, delta.asks)
        self.seq, self.ts = delta.seq, delta.ts
        self._changed.set()
        return True

    def end(self, ending: Exception) -> None:
        """Nothing will change any more."""
        self.is_current, self._ending = False, ending
        self._changed.set()

    def lose(self) -> None:
        """Note that messages are missing: nothing is current until the next snapshot."""
        if self.is_current:
            self.is_current = False
            self.gaps += 1

    @staticmethod
    def _first(side: "SortedDict[int, int]", sign: int) -> Level | None:
        if not side:
            return None
        key, lots = side.peekitem(0)
        return sign * key, lots

    @staticmethod
    def _set_levels(side: "SortedDict[int, int]", sign: int, flat: list[int]) -> None:
        for px, lots in zip(flat[::2], flat[1::2], strict=True):
            if lots:
                side[sign * px] = lots
            else:
                side.pop(sign * px, None)
