"""What a participant asks of the clearinghouse: his money, his wishes for delivery, his evidence, his bids.

Every method waits for the answer, which comes once the request is durable, and raises RequestRefused with the reason.
"""

import abc
from collections.abc import Iterable, Sequence

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from exchange.clearing.watch import signed_bytes
from exchange.units import window_id
from gateway.protocol import MessageType

NodeRange = Sequence[int]  # First node and count.


class ClearingRequests(abc.ABC):
    """The requests 42 to 48 of a session."""

    @abc.abstractmethod
    async def _request(self, kind: MessageType, *fields: object) -> int:
        """Send a request and return the number it is answered with."""

    async def transfer(self, source: str, target: str, micros: int) -> None:
        """Move money between the account's own purses: ``coll``, ``bond`` (backs delivery), ``fund``.

        Raises:
            RequestRefused: BALANCE where so much is not free, DEFAULTED, MALFORMED for other purses.
            ConnectionClosed: the connection ended before the answer.

        """
        await self._request(MessageType.TRANSFER, source, target, micros)

    async def delivery_terms(
        self,
        product: str,
        fabric: str,
        start: str | int,
        *,
        count: int = 1,
        gang: bool = False,
        other_fabric: bool = False,
        other_class: bool = False,
        shift_hours: int = 0,
        cover: bool = False,
        checkpoint_s: int = 3_600,
        snapshot_s: int = 30,
        restart_s: int = 0,
    ) -> int:
        """Say, before the gate, what is wanted for lots bought in windows; return how many windows.

        Args:
            product: name of the product.
            fabric: where the lots are.
            start: first window: its number, or its UTC hour such as ``2026-11-24T14``.
            count: windows from it on.
            gang: all lots in one fabric, or none.
            other_fabric: a substitute may be in another fabric.
            other_class: or of an equivalent hardware class.
            shift_hours: or this much later.
            cover: compensation of lost work, for a premium.
            checkpoint_s: declared time between checkpoints.
            snapshot_s: what one costs.
            restart_s: what a restart costs.

        Raises:
            RequestRefused: WINDOW_CLOSED, NOT_CLEARED, NO_INSTRUMENT, MALFORMED.
            ConnectionClosed: the connection ended before the answer.

        """
        wishes = (int(gang), int(other_fabric), int(other_class), shift_hours, int(cover))
        works = (checkpoint_s, snapshot_s, restart_s)
        return await self._request(
            MessageType.DELIVERY_TERMS, product, fabric, window_number(start), count, *wishes, *works
        )

    async def heartbeat(
        self, product: str, fabric: str, number: int, nodes: Iterable[NodeRange], *, signature: bytes = b""
    ) -> bool:
        """Say which nodes of a fabric are well; False for a repetition, which changes nothing.

        Args:
            product: name of the product.
            fabric: where the nodes are.
            number: higher than that of the heartbeat before; the same one again must say the same.
            nodes: at most 64 ranges of (first, count).
            signature: of a provider with a key: `sign_heartbeat`.

        Raises:
            RequestRefused: NO_DELIVERY, SIGNATURE, CONTRADICTION, STALE_REF, MALFORMED.
            ConnectionClosed: the connection ended before the answer.

        """
        ranges = [list(one) for one in nodes]
        return bool(await self._request(MessageType.NODE_HEARTBEAT, product, fabric, number, ranges, signature))

    async def meter(
        self,
        product: str,
        fabric: str,
        start: str | int,
        *,
        first: int,
        count: int,
        interval: int,
        rating_ppm: int,
        intervals: int = 1,
        seconds: int = 60,
        signature: bytes = b"",
    ) -> bool:
        """Report what nodes have delivered in minutes of a window; False for a repetition, which changes nothing.

        Args:
            product: name of the product.
            fabric: where the nodes are.
            start: the window: its number, or its UTC hour.
            first: first node.
            count: nodes from it on.
            interval: first minute of the window, from 0.
            rating_ppm: speed, in millionths.
            intervals: minutes from it on.
            seconds: of each minute that they were up.
            signature: of a provider with a key: `sign_meter`.

        Raises:
            RequestRefused: NO_DELIVERY, SIGNATURE, CONTRADICTION, MALFORMED.
            ConnectionClosed: the connection ended before the answer.

        """
        place = (product, fabric, window_number(start), first, count)
        told = (interval, intervals, seconds, rating_ppm, signature)
        return bool(await self._request(MessageType.METER, *place, *told))

    async def checkpoint(self, product: str, fabric: str, start: str | int) -> None:
        """Note that the account's work in a delivery is safe up to now.

        Raises:
            RequestRefused: NO_DELIVERY where nothing is being delivered to the account.
            ConnectionClosed: the connection ended before the answer.

        """
        await self._request(MessageType.CHECKPOINT, product, fabric, window_number(start))

    async def report_failure(self, product: str, fabric: str, start: str | int, *, first: int, count: int) -> int:
        """Report own nodes that have failed or, before the gate, lots that will not be delivered; return the lots.

        Raises:
            RequestRefused: NO_DELIVERY, NOT_CLEARED, MALFORMED.
            ConnectionClosed: the connection ended before the answer.

        """
        return await self._request(MessageType.REPORT_FAILURE, product, fabric, window_number(start), first, count)

    async def bid(self, case: int, item: int, *, lots: int, micros: int) -> None:
        """Bid, sealed, in the auction of an estate: micro-dollars for each lot of an item (AuctionItem).

        Raises:
            RequestRefused: NO_AUCTION, DEFAULTED, OPEN_LIMIT, MALFORMED.
            ConnectionClosed: the connection ended before the answer.

        """
        await self._request(MessageType.BID, case, item, lots, micros)


def sign_heartbeat(
    key: Ed25519PrivateKey, account: str, product: str, fabric: str, number: int, nodes: Iterable[NodeRange]
) -> bytes:
    """Return the signature of a heartbeat; ``account`` is the provider's name at the venue (CLR-EVD-001)."""
    return key.sign(signed_bytes("heartbeat", account, product, fabric, number, [list(one) for one in nodes]))


def sign_meter(
    key: Ed25519PrivateKey,
    account: str,
    product: str,
    fabric: str,
    start: str | int,
    *,
    first: int,
    count: int,
    interval: int,
    rating_ppm: int,
    intervals: int = 1,
    seconds: int = 60,
) -> bytes:
    """Return the signature of a reading; the arguments are those of `meter` (CLR-EVD-001)."""
    place = (account, product, fabric, window_number(start), first, count)
    return key.sign(signed_bytes("meter", *place, interval, intervals, seconds, rating_ppm))


def window_number(start: str | int) -> int:
    """Return the number of a window, given so or as a UTC hour. Raises SymbolError for other text."""
    return window_id(start) if isinstance(start, str) else start
