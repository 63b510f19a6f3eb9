"""Durable events -> the connections that may hear them."""

from collections.abc import Callable
from typing import Any, Self

from ext.history import HALF_BYTES as HALF_BYTES
from ext.link import Link
from ext.market import Market
from ext.streams import CopyStream

class Router:
    """Routes event records to links."""

    def __new__(cls, book_depth_max: int = ..., history_bytes: int = ...) -> Self: ...
    @property
    def history_bytes(self) -> int: ...
    @property
    def modes(self) -> dict[tuple[int, int], tuple[int, int]]: ...
    @property
    def switches(self) -> dict[tuple[int, int, int], int]: ...
    @property
    def gseq(self) -> int: ...
    @property
    def events_routed(self) -> int: ...
    @property
    def answers_sent(self) -> int: ...
    def market(self, instrument: int) -> Market:
        """Return the market of an instrument, made at first use."""
    def attach(self, link: Link) -> None:
        """Send the account's private stream to an opened link."""
    def detach(self, link: Link) -> None:
        """Send nothing more to a link."""
    def subscribe(
        self, channel: int, instrument: int, link: Link, variant: int = 0, conflate_us: int = 0
    ) -> None:
        """Send a link a channel of an instrument, once."""
    def subscribe_later(
        self, channel: int, instrument: int, link: Link, variant: int = 0, conflate_us: int = 0
    ) -> None:
        """Subscribe to l2 or l3; the snapshot follows as the link reads. O(1)."""
    def pay(self) -> None:
        """Send those who have read meanwhile what they are owed, between two batches."""
    def unsubscribe(self, channel: int, instrument: int, link: Link, variant: int = 0) -> None:
        """Send a link nothing more of it."""
    def follow_listings(self, channel: int, link: Link, variant: int = 0, conflate_us: int = 0) -> None:
        """Subscribe a link, once, to a channel of every instrument that will be listed."""
    def unfollow_listings(self, channel: int, link: Link, variant: int = 0) -> None:
        """Subscribe a link to no further instruments."""
    @property
    def failed_lots(self) -> int: ...
    def expect(self, gseq: int, link: Link, ref: int) -> None:
        """Answer a link's request when the administrative command with this sequence number is told."""
    def forget(self, gseq: int) -> None:
        """Expect no such command: it was not taken."""
    def layers_used(self) -> list[int]:
        """Return the micro-dollars taken from each layer of the waterfall, the first one's first."""
    def pseq(self, account: int) -> int:
        """Return the sequence number of the account's last private message."""
    def set_pseq(self, account: int, pseq: int) -> None:
        """Start an account's private sequence where a snapshot left it."""
    def oldest_pseq(self, account: int) -> int:
        """Return the number of the oldest private message that can be told again; 0: there is none."""
    def frames(self, account: int, first: int, last: int) -> bytes | None:
        """Return private messages as frames, end to end; None where the first ones are not kept."""
    def replay(self, link: Link, first: int, last: int) -> int:
        """Queue private messages once more; return 0, or the oldest there is where the first ones are gone."""
    on_account: Callable[[int], None] | None
    def copy_stream(self, numbers: list[int]) -> CopyStream:
        """Return a new stream of all private messages of some accounts."""
    def join(self, stream: CopyStream, number: int) -> None:
        """Have a stream tell an account's messages from now on."""
    def pseqs(self) -> list[int]:
        """Return the last private sequence number of every account, by number."""
    def route(self, first_seq: int, ts_ns: int, events: Any) -> list[tuple[int, int, int, int, int]]:
        """Queue a batch's private messages; return (type, instrument, phase, reason, next ns) of the rare events."""
    def touched_instruments(self) -> list[int]:
        """Return the handles of the instruments with public news since the last flush."""
    def send_to_all(self, links: list[Link], payload: bytes) -> None:
        """Queue one message for each of the links."""
    def flush(self) -> None:
        """Queue the public news, and write every link that has something queued, once."""
