"""The public side of one instrument: visible depth, sequence numbers, subscribers."""

from ext.link import Link

class Ladder:
    """Visible levels of one side."""

    def __new__(cls, sign: int) -> Ladder: ...
    def levels(self, depth: int) -> list[tuple[int, int]]:
        """Return [(price, lots), ...], best first."""

class Market:
    """The public side of one instrument."""

    def __new__(cls, instrument: int) -> Market: ...
    @property
    def instrument(self) -> int: ...
    @property
    def bids(self) -> Ladder: ...
    @property
    def asks(self) -> Ladder: ...
    def subscribe(self, channel: int, link: Link) -> None:
        """Add a subscriber, once."""
    def unsubscribe(self, channel: int, link: Link) -> None:
        """Take a subscriber off, if it is one."""
    def subscribed(self, channel: int) -> list[Link]:
        """Return the subscribers of a channel."""
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
    def l2_snapshot(self, depth: int) -> bytes:
        """Return an l2_snap message of the best `depth` levels of each side."""
