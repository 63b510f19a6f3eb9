"""Tells what has become durable: private messages to the sessions concerned, market data to its subscribers.

The work per event is done by `ext.router`; here are subscriptions, snapshots and the rare messages that need the
catalogue. Nothing awaits: a slow reader is told less, then cut off, and never holds up the others.
"""

import asyncio
from collections.abc import Container, Iterable

from exchange.catalogue import Catalogue
from exchange.records import EventType
from ext.history import HALF_BYTES
from ext.link import Link
from ext.market import Market
from ext.router import Router
from gateway.copies import Copies
from gateway.curves import CurveBoard
from gateway.market_data import NS_PER_US, InstrumentBoard
from gateway.protocol import CANDLE_INTERVALS_S, DEFAULTS, Channel, MessageType, Options, pack
from gateway.strips import StripBoard

TRADES_TOLD_AGAIN = 1_000  # As many as are kept of an instrument.
US_PER_MS = 1_000
LARGE = (Channel.L2, Channel.L3)  # Of all instruments together more than may be sent at once.

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
        self.router = Router(book_depth_max, private_history_bytes)
        self.board = InstrumentBoard(catalogue)
        self.strips = StripBoard(self.board, self.router)
        self.curves = CurveBoard(self.board, self.router)
        self.copies = Copies(catalogue, self.router)
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
            if event_type in (EventType.MARK, EventType.INDEX):
                self.curves.note(event_type, handle, phase, next_ns)
                continue
            self.board.tell(handle, phase, reason, next_ns)
            self._announce(event_type, handle)
        if self.strips.is_heard:
            self.strips.publish(self.router.touched_instruments(), ts_ns // NS_PER_US)
        self.curves.publish(ts_ns // NS_PER_US)
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

    def subscribe(
        self, channel: Channel, link: Link, handles: Iterable[int] | None, opts: Options = DEFAULTS
    ) -> list[bytes]:
        """Add a subscriber to instruments, or (None) to all and those to come; return the snapshots to begin with.

        Of books no more than a connection may have unread: the others follow as it reads (MKD-006).
        """
        if channel is Channel.CURVE:
            return self.curves.subscribe(link, handles, self.last_ts_ns // NS_PER_US)
        if channel.is_private:
            return self.copies.subscribe(link) if channel is Channel.COPY else []
        variant, conflate_us = opts.depth or opts.interval_s, opts.conflate_ms * US_PER_MS
        if handles is None:
            self.router.follow_listings(channel, link, variant, conflate_us)
            handles = self.board.handles()
        handles = list(handles)
        if channel is Channel.STRIPS:
            self.strips.add_listener(link)
        snapshots, size = self.board.product_messages(handles) if channel is Channel.INSTRUMENTS else [], 0
        for handle in handles:
            if channel in LARGE and size > link.conflate_bytes_max:
                self.router.subscribe_later(channel, handle, link, variant, conflate_us)
                continue
            self.router.subscribe(channel, handle, link, variant, conflate_us)
            snapshot = self._snapshot(channel, handle, opts)
            size += sum(map(len, snapshot))
            snapshots += snapshot
        return snapshots

    def unsubscribe(
        self,
        channel: Channel,
        link: Link,
        handles: Iterable[int] | None,
        opts: Options = DEFAULTS,
        keep: Container[int] = (),
    ) -> None:
        """Take a subscriber off instruments, or (None) off all but those to keep."""
        if channel is Channel.CURVE:
            self.curves.unsubscribe(link, handles, keep)
            return
        if channel.is_private:
            if channel is Channel.COPY:
                self.copies.unsubscribe(link)
            return
        variant = opts.depth or opts.interval_s
        if handles is None:
            self.router.unfollow_listings(channel, link, variant)
            handles = (handle for handle in self.board.handles() if handle not in keep)
        for handle in handles:
            self.router.unsubscribe(channel, handle, link, variant)

    def leave(self, channel: Channel, link: Link) -> None:
        """Note that a link follows nothing of a channel any more."""
        if channel is Channel.STRIPS:
            self.strips.drop_listener(link)

    def snapshot(self, channel: Channel, handle: int, link: Link) -> list[bytes]:
        """Return the messages that say how a channel of a listed instrument stands, as the link follows it."""
        if channel is Channel.CURVE:
            return self.curves.snapshot(handle, self.last_ts_ns // NS_PER_US)
        market = self.router.market(handle)
        if channel is Channel.CANDLES:
            intervals = market.intervals_of(link) or CANDLE_INTERVALS_S[:1]
            return [one for interval in intervals for one in self._snapshot(channel, handle, Options(0, 0, interval))]
        return self._snapshot(channel, handle, Options(market.depth_of(link)))

    def trades(self, handle: int, first: int, last: int | None) -> tuple[list[bytes], int]:
        """Return trades of an instrument once more, and the number of the oldest one that is kept."""
        market = self.router.market(handle)
        rows = market.last_trades(TRADES_TOLD_AGAIN)
        oldest = rows[0][0] if rows else market.last_seq(Channel.TRADES) + 1
        wanted = [row for row in rows if first <= row[0] and (last is None or row[0] <= last)]
        return [pack(MessageType.TRADE, handle, *row) for row in wanted], oldest

    def _snapshot(self, channel: Channel, handle: int, opts: Options) -> list[bytes]:
        """Return the messages that say how a channel of a listed instrument stands; none for trades."""
        market: Market = self.router.market(handle)
        if channel is Channel.L1:
            return [market.l1_snapshot()]
        if channel is Channel.L2:
            return [market.l2_snapshot(opts.depth)]
        if channel is Channel.L3:
            return market.l3_snapshot()
        if channel is Channel.STATUS:
            return self.board.status_messages(market, self.last_ts_ns // NS_PER_US)
        if channel is Channel.INSTRUMENTS:
            return [self.board.instrument_message(handle)]
        if channel is Channel.STRIPS:
            return self.strips.snapshot(handle, self.last_ts_ns // NS_PER_US)
        if channel is Channel.MARKS:
            return market.marks_snapshot(self.last_ts_ns // NS_PER_US)
        if channel is Channel.CANDLES:
            candle = market.candle_snapshot(opts.interval_s)
            return [] if candle is None else [candle]
        return []
