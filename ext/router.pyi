"""Durable events -> the connections that may hear them."""

from typing import Any

from ext.link import Link
from ext.market import Market

class Account:
    """The private stream of one account; of use from Cython only."""

class Router:
    """Routes event records to links."""

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
    def pseq(self, account: int) -> int:
        """Return the sequence number of the account's last private message."""
    def set_pseq(self, account: int, pseq: int) -> None:
        """Start an account's private sequence where a snapshot left it."""
    def pseqs(self) -> list[int]:
        """Return the last private sequence number of every account, by number."""
    def route(self, first_seq: int, ts_ns: int, events: Any) -> list[tuple[int, int, int]]:
        """Queue the messages of a batch's events; return (type, instrument, gseq) of the rare ones."""
    def send_to_all(self, links: list[Link], payload: bytes) -> None:
        """Queue one message for each of the links."""
    def flush(self) -> None:
        """Write every link that has something queued, once."""
