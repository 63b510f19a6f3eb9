"""The public side of one instrument: visible depth, sequence numbers, subscribers."""

from ext.depth import Ladder
from ext.link import Link

class Market:
    """The public side of one instrument."""

    def __new__(cls, instrument: int, book_depth_max: int = ...) -> Market: ...
    @property
    def instrument(self) -> int: ...
    @property
    def bids(self) -> Ladder: ...
    @property
    def asks(self) -> Ladder: ...
    def subscribed(self, channel: int) -> list[Link]:
        """Return the followers of a channel, at whatever depth or interval."""
    def depth_of(self, link: Link) -> int:
        """Return the depth at which a link follows the book; 0, the whole, if it does not."""
    def intervals_of(self, link: Link) -> list[int]:
        """Return the intervals in seconds whose candles a link follows."""
    def next_seq(self, channel: int) -> int:
        """Count one more message of a channel."""
    def last_seq(self, channel: int) -> int:
        """Return the sequence number of a channel's last message."""
    def load(self, bids: list[tuple[int, int]], asks: list[tuple[int, int]]) -> None:
        """Set the depth from (price, lots) pairs of each side."""
    def l1_snapshot(self) -> bytes:
        """Return the message that says the best bid and ask now."""
    def marks_snapshot(self, ts_us: int) -> list[bytes]:
        """Return the messages that say the mark, if there is one, and the auctions under way."""
    def indicative_snapshot(self) -> bytes:
        """Return the message that says what the call under way would come to now."""
    def best_prices(self) -> tuple[int, int, int, int]:
        """Return (bid, lots, ask, lots) of the visible book, 0 and 0 where there is none."""
    def l2_snapshot(self, depth: int = 0) -> bytes:
        """Return an l2_snap message of the best `depth` levels of each side; 0: of as many as a snapshot has."""
    def l3_snapshot(self) -> list[bytes]:
        """Return the l3_snap messages that tell the orders one by one. O(n log n) in them."""
    def candle_snapshot(self, interval_s: int) -> bytes | None:
        """Return the message that says how the candle of an interval stands, or None before the first trade."""
    def candle_history(
        self, interval_s: int, from_us: int, to_us: int, limit: int
    ) -> list[tuple[int, int, int, int, int, int, int, int]]:
        """Return the last candles, (t0, o, h, l, c, lots, trades, is closed) each, with from <= t0 < to."""
    def last_trades(self, limit: int) -> list[tuple[int, int, int, int, int, int, int]]:
        """Return the last trades, (seq, ts, match id, price, lots, aggressor, flags) each, the oldest first."""
