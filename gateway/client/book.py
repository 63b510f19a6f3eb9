"""A copy of one instrument's visible book, kept in step by sequence numbers."""

from sortedcontainers import SortedDict

from gateway.client.events import BookDelta, BookSnapshot
from gateway.client.in_step import InStep
from gateway.client.instruments import InstrumentInfo

Level = tuple[int, int]  # Ticks and lots.


class Book(InStep[BookDelta]):
    """The book of one instrument. Until `is_current`, and after a gap until it is mended, it is not to be trusted."""

    def __init__(self, instrument: InstrumentInfo, depth: int = 0) -> None:
        super().__init__()
        self.instrument = instrument
        self.depth = depth  # It has the best so many levels of each side; 0: all.
        self._bids: SortedDict[int, int] = SortedDict()  # Keys are negative ticks: the best bid comes first.
        self._asks: SortedDict[int, int] = SortedDict()

    @property
    def best_bid(self) -> Level | None:
        """Ticks and lots of the best bid, or None."""
        return self._best(self._bids, -1)

    @property
    def best_ask(self) -> Level | None:
        """Ticks and lots of the best ask, or None."""
        return self._best(self._asks, 1)

    def bids(self, depth: int | None = None) -> list[Level]:
        """Return the best levels, best first. O(depth)."""
        return [(-key, lots) for key, lots in self._bids.items()[:depth]]

    def asks(self, depth: int | None = None) -> list[Level]:
        """Return the best levels, best first. O(depth)."""
        return list(self._asks.items()[:depth])

    def load(self, snapshot: BookSnapshot) -> None:
        """Start from a snapshot, then from what was held back for it."""
        self._bids = SortedDict(zip((-px for px in snapshot.bids[::2]), snapshot.bids[1::2], strict=True))
        self._asks = SortedDict(zip(snapshot.asks[::2], snapshot.asks[1::2], strict=True))
        self._begin(snapshot.seq, snapshot.ts)

    def _first(self, message: BookDelta) -> int:
        return message.first

    def _do(self, message: BookDelta) -> None:
        self._set_levels(self._bids, -1, message.bids)
        self._set_levels(self._asks, 1, message.asks)

    @staticmethod
    def _best(side: "SortedDict[int, int]", sign: int) -> Level | None:
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
