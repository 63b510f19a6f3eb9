"""Tells what has become durable: private messages to the sessions concerned, market data to its subscribers.

The work per event is done by `ext.router`; here are subscriptions, snapshots and the rare messages that need the
catalogue. Nothing awaits: a slow reader is cut off, and never holds up the others.
"""

import asyncio
from collections.abc import Iterable

from exchange.catalogue import Catalogue
from exchange.records import EventType
from ext.history import HALF_BYTES
from ext.link import Link
from ext.market import Market
from ext.router import Router
from gateway.market_data import NS_PER_US, InstrumentBoard
from gateway.protocol import Channel
from gateway.strips import StripBoard


class Publisher:
    """Routes the events of durable batches."""

    def __init__(
        self,
        catalogue: Catalogue,
        *,
        now_ns: int = 0,
        book_depth_max: int = 1_000,
        private_history_bytes: int = HALF_BYTES,
    ) -> None:
        """`now_ns` is the engine's time when it was recovered from a snapshot."""
        self.router = Router(private_history_bytes)
        self.board = InstrumentBoard(catalogue)
        self.strips = StripBoard(self.board, self.router)
        self.book_depth_max = book_depth_max
        self.durable_seq = 0
        self.last_ts_ns = now_ns
        self.batches = 0
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []

    # The stream.

    def publish(self, first_seq: int, ts_ns: int, events: bytes | memoryview, commands: int) -> None:
        """Tell everyone what a durable batch did. `events` are 64-byte event records."""
        rare = self.router.route(first_seq, ts_ns, events)
        self.durable_seq = first_seq + commands - 1
        self.last_ts_ns = ts_ns
        self.batches += 1
        for event_type, handle, phase, reason, next_ns in rare:
            self.board.tell(handle, phase, reason, next_ns)
            self._announce(event_type, handle)
        if self.strips.is_heard:
            self.strips.publish(self.router.touched_instruments(), ts_ns // NS_PER_US)
        self.router.flush()
        if self._waiting:
            self._wake()

    async def durable(self, seq: int) -> None:
        """Return when a command is durable, and told."""
        if seq > self.durable_seq:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append((seq, future))
            await future

    def _wake(self) -> None:
        due = [future for seq, future in self._waiting if seq <= self.durable_seq]
        self._waiting = [one for one in self._waiting if one[0] > self.durable_seq]
        for future in due:
            if not future.done():
                future.set_result(None)

    def recover(self, first_seq: int, ts_ns: int, events: bytes | memoryview, commands: int) -> None:
        """Take in a batch that was durable before this start: depth, states and `pseq` go on where they were."""
        self.publish(first_seq, ts_ns, events, commands)

    def load_depth(self, handle: int, bids: list[tuple[int, int]], asks: list[tuple[int, int]]) -> None:
        """Set the depth of an instrument from (price, shown lots) pairs, as when starting from a snapshot."""
        self.router.market(handle).load(bids, asks)

    def pseqs(self) -> list[int]:
        """Return the last private sequence number of each account, by number: part of a snapshot."""
        return self.router.pseqs()

    def load_pseqs(self, pseqs: Iterable[int]) -> None:
        """Put back what `pseqs` returned."""
        for account, pseq in enumerate(pseqs):
            self.router.set_pseq(account, pseq)

    def load_phase(self, handle: int, phase: int, next_ns: int) -> None:
        """Set the phase of an instrument, and when it will end, as when starting from a snapshot."""
        self.board.tell(handle, phase, next_ns=next_ns)

    def _announce(self, event_type: int, handle: int) -> None:
        """Queue the definition of an instrument that is new, or in a new phase; before it that of a new product."""
        links = self.router.market(handle).subscribed(Channel.INSTRUMENTS)
        product = self.board.tell_product(handle) if event_type == EventType.INSTRUMENT else None
        if product is not None:
            self.router.send_to_all(links, product)
        self.router.send_to_all(links, self.board.instrument_message(handle))

    # Subscriptions.

    def subscribe(self, channel: Channel, link: Link, handles: Iterable[int] | None) -> list[bytes]:
        """Add a subscriber to instruments, or (None) to all and those to come; return the snapshots to begin with."""
        if handles is None:
            self.router.follow_listings(channel, link)
            handles = self.board.handles()
        handles = list(handles)
        if channel is Channel.STRIPS:
            self.strips.add_listener(link)
        snapshots = self.board.product_messages(handles) if channel is Channel.INSTRUMENTS else []
        for handle in handles:
            self.router.market(handle).subscribe(channel, link)
            snapshots += self.snapshot(channel, handle)
        return snapshots

    def unsubscribe(self, channel: Channel, link: Link, handles: Iterable[int] | None) -> None:
        """Take a subscriber off instruments, or (None) off all."""
        if handles is None:
            self.router.unfollow_listings(channel, link)
            handles = self.board.handles()
        if channel is Channel.STRIPS:
            self.strips.drop_listener(link)
        for handle in handles:
            self.router.market(handle).unsubscribe(channel, link)

    def snapshot(self, channel: Channel, handle: int) -> list[bytes]:
        """Return the messages that say how a channel of a listed instrument stands; none for trades."""
        market: Market = self.router.market(handle)
        if channel is Channel.L1:
            return [market.l1_snapshot()]
        if channel is Channel.L2:
            return [market.l2_snapshot(self.book_depth_max)]
        if channel is Channel.STATUS:
            return self.board.status_messages(market, self.last_ts_ns // NS_PER_US)
        if channel is Channel.INSTRUMENTS:
            return [self.board.instrument_message(handle)]
        if channel is Channel.STRIPS:
            return self.strips.snapshot(handle, self.last_ts_ns // NS_PER_US)
        if channel is Channel.MARKS:
            return market.marks_snapshot(self.last_ts_ns // NS_PER_US)
        return []
