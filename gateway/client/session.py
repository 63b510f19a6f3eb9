"""The client: `connect` gives a session, a session gives orders, events and books.

```python
async with connect("ws://127.0.0.1:8080/ws/v1", "id:secret") as session:
    order = await session.buy("H100-SXM.IB400.cuda12.T1.use1-f03@2026-11-24T14", lots=2, price="2.45")
    async for event in session.events():
        ...
```
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from ssl import SSLContext
from typing import Any, get_args, overload

from exchange.records import Side
from gateway.auth import ApiKey
from gateway.client.account import AccountView, Positions
from gateway.client.account_state import AccountFeed
from gateway.client.at_market import MarketOrders
from gateway.client.blocks import BlockEntry, BlockOrder
from gateway.client.book import Book
from gateway.client.book_by_order import BookByOrder
from gateway.client.clearing import ClearingRequests
from gateway.client.copies import Copies, CopyFeed
from gateway.client.dead_man import DeadMan
from gateway.client.entry import Batch, QuoteLeg
from gateway.client.errors import ConnectionClosed, RequestLost
from gateway.client.events import (
    Ack,
    Balance,
    BestPrices,
    BookDelta,
    BookSnapshot,
    Done,
    Event,
    Fill,
    Gap,
    Heartbeat,
    Notice,
    OrdersChanged,
    OrdersSnapshot,
    Position,
    PrivateEvent,
    Reconnected,
    Reject,
    Replaced,
)
from gateway.client.link import Link
from gateway.client.order_books import OrderBooks
from gateway.client.orders import OpenOrder, Order
from gateway.client.reader import E, EventReader
from gateway.client.recovery import RECONNECT_S_MAX, Recovery, first_connection
from gateway.client.requests import fail, succeed
from gateway.client.subscriptions import Subscriptions, Terms
from gateway.client.wire import Dialer, Welcome, Wire
from gateway.protocol import CancelOnDisconnect, Channel, CloseCode, MessageType


@contextlib.asynccontextmanager
async def connect(
    url: str,
    key: ApiKey | str,
    *,
    lane: int = 0,
    cod: str = "off",
    grace_ms: int = 0,
    heartbeat_ms: int = 0,
    connect_s: float = 0,
    reconnect_s: float = RECONNECT_S_MAX,
    resume: tuple[int, int] | None = None,
    ssl: SSLContext | None = None,
) -> "AsyncIterator[Session]":
    """Connect, log in, fetch the instruments, and log out at the end.

    A connection that is lost later is replaced: the session tries for ``reconnect_s``, tells `Reconnecting` and
    `Reconnected`, and goes on with nothing lost. Commands sent meanwhile wait; give those that must not be late a
    ``deadline_us``. It does not try when it was logged out, when another session took the lane, or when it has
    exceeded the rate for too long.

    Args:
        url: of the WebSocket, such as ``ws://127.0.0.1:8080/ws/v1``; ``wss://`` for TLS.
        key: an ApiKey or ``id:secret``.
        lane: 0 to 255; one session at a time holds a lane, and each lane counts its own refs.
        cod: what happens to the lane's orders when the connection is lost: ``off``, ``lane`` (all of them) or
            ``flagged`` (those placed with `cancel_on_disconnect`).
        grace_ms: how long the server waits for a new login on the lane first, at most 60,000.
        heartbeat_ms: between heartbeats, 250 to 30,000; silence of three is a lost connection. 0: the server's.
        connect_s: how long to try for the first connection; 0: once. A refused login is not tried again.
        reconnect_s: how long to look for a way back after a loss; 0: a lost connection ends the session.
        resume: epoch of the session before, and pseq of the last event that was dealt with. What the account was told
            since then is there for the first reader of `events`, which gets those of its kinds.
        ssl: what to trust, and how, on ``wss://``; None: the certificates that the system trusts.

    Raises:
        LoginRefused: the server did not accept the login.
        OSError: there is no connection, or its certificate is not trusted.
        StateLost: to resume, the venue does not have all that was missed.
        EventsOverrun: to resume, more than 100,000 private messages were missed.
        RequestRefused: to resume, the key must hear the private stream.

    """
    dialer = Dialer(url, key, lane, CancelOnDisconnect[cod.upper()], grace_ms, heartbeat_ms, ssl)
    wire, welcome = await first_connection(dialer, connect_s, resume)
    session = Session(wire, welcome, Recovery(dialer, reconnect_s), None if resume is None else resume[1])
    runner = asyncio.create_task(session.run())
    try:
        await session.begin()
        if resume is not None:
            await session.caught_up()
        yield session
        if session.is_connected:
            with contextlib.suppress(ConnectionClosed):
                await session.logout()
    finally:
        runner.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await runner
        session.end(ConnectionClosed(CloseCode.NORMAL, "the session was left"))


class Session(
    Link, BlockEntry, MarketOrders, ClearingRequests, DeadMan, AccountView, AccountFeed, CopyFeed, OrderBooks
):
    """One logged-in session, whatever connections it takes. Not for use from other threads than its loop's."""

    def __init__(self, wire: Wire, welcome: Welcome, recovery: Recovery, pseq: int | None = None) -> None:
        """`pseq`, the last private message that is not to be told: what comes is held for the first reader."""
        super().__init__(wire, welcome, recovery, pseq)
        self.books: dict[int, Book] = {}
        self.order_books: dict[int, BookByOrder] = {}
        self.positions: Positions | None = None
        self._dialer = recovery.dialer
        self._subscriptions = Subscriptions()
        self._orders: dict[int, OpenOrder] = {}
        self._readers: list[EventReader[Any]] = []
        self._held = None if pseq is None else EventReader(get_args(PrivateEvent), self._readers)
        self._copies = Copies(self)
        self._takers |= {MessageType.COPY: self._copies.take, MessageType.COPY_HEAD: self._copies.take_head}

    # Orders. The `..._nowait` methods of OrderEntry send without waiting for the answer.

    async def buy(self, symbol: str | int, **terms: Any) -> Order:
        """Place a buy order and wait for the answer; `terms` as in `place_nowait`.

        Raises:
            OrderRejected: the order was refused.
            ConnectionClosed: the connection ended before the answer.

        """
        return await self.place_nowait(symbol, Side.BUY, **terms).accepted()

    async def sell(self, symbol: str | int, **terms: Any) -> Order:
        """Place a sell order and wait for the answer, as `buy`."""
        return await self.place_nowait(symbol, Side.SELL, **terms).accepted()

    async def buy_block(self, product: str, start: str | int, hours: int, **terms: Any) -> BlockOrder:
        """Place a block that buys and wait for the answer; `terms` as in `buy_block_nowait`.

        Raises:
            OrderRejected: the block was refused.
            ConnectionClosed: the connection ended before the answer.

        """
        return await self.buy_block_nowait(product, start, hours, **terms).accepted()

    async def sell_block(self, product: str, fabric: str, start: str | int, hours: int, **terms: Any) -> BlockOrder:
        """Place a block that sells in one fabric and wait for the answer, as `buy_block`."""
        return await self.sell_block_nowait(product, fabric, start, hours, **terms).accepted()

    async def cancel(self, order: OpenOrder | int) -> Ack:
        """Cancel an order or block, or an oid.

        Raises:
            OrderRejected: there is no such live order.
            ConnectionClosed: the connection ended before the answer.

        """
        return await self.cancel_nowait(order)

    async def replace(self, order: OpenOrder, **terms: Any) -> Ack:
        """Give an order or block new terms, as `replace_nowait`; `lots` is the new total, filled part included.

        Raises:
            OrderRejected: the order stays as it was, or there is none.
            ConnectionClosed: the connection ended before the answer.

        """
        return await self.replace_nowait(order, **terms)

    async def mass_cancel(self, **filters: Any) -> Ack:
        """Cancel all orders of the account that pass every filter given, as `mass_cancel_nowait`."""
        return await self.mass_cancel_nowait(**filters)

    async def quote(self, legs: Sequence[QuoteLeg], *, quote_set: int = 0, post_only: bool = False) -> Ack:
        """Quote both sides of up to 64 instruments; wait for the answer to the first leg.

        Raises:
            OrderRejected: the first leg was refused. Other legs' refusals come as Reject events.
            ConnectionClosed: the connection ended before the answer.

        """
        return await self.quote_nowait(legs, quote_set=quote_set, post_only=post_only)

    async def mmp_set(self, quote_set: int, *, window_ms: int, fills: int = 0, lots: int = 0) -> Ack:
        """Guard a quote set, as `mmp_set_nowait`. Raises OrderRejected."""
        return await self.mmp_set_nowait(quote_set, window_ms=window_ms, fills=fills, lots=lots)

    async def mmp_reset(self, quote_set: int) -> Ack:
        """Let a quote set quote again after its protection has fired. Raises OrderRejected."""
        return await self.mmp_reset_nowait(quote_set)

    def batch(self) -> Batch:
        """Return an empty batch to collect order messages in."""
        return Batch(self)

    # What is heard.

    @overload
    def events(self) -> EventReader[PrivateEvent]: ...

    @overload
    def events(self, *kinds: type[E]) -> EventReader[E]: ...

    def events(self, *kinds: type[Any]) -> EventReader[Any]:
        """Return an iterator over events from now on; without `kinds`, over all private ones.

        Of a session that was resumed the first reader of private events begins with those that were missed.
        """
        reader = self._reader(*(kinds or get_args(PrivateEvent)))
        if self._held is not None and reader.hears(get_args(PrivateEvent)):
            held, self._held = self._held, None
            reader.take_over(held)
        return reader

    def _reader(self, *kinds: type[E]) -> EventReader[E]:
        reader = EventReader(kinds, self._readers)
        if self.closed is not None:
            reader.end(self.closed)
        return reader

    async def subscribe_book(self, symbol: str | int, *, depth: int = 0, conflate_ms: int = 0) -> Book:
        """Return the book of an instrument, as `subscribe_books`."""
        (book,) = await self.subscribe_books([symbol], depth=depth, conflate_ms=conflate_ms)
        return book

    async def subscribe_books(
        self, symbols: Sequence[str | int], *, depth: int = 0, conflate_ms: int = 0
    ) -> list[Book]:
        """Return the books of instruments, kept in step until the session ends; the same ones to whoever asks again.

        A connection that is lost, or a gap, makes a book wait for a new snapshot: until then it is not `is_current`.
        Of more than can be sent at once, some 256 KiB, the last ones become so a little later.

        Args:
            symbols: or the instruments' handles.
            depth: best levels a side that they have: 5, 10, 25, 100, or 0 for all.
            conflate_ms: 0, or 10 to 60,000: they change at most once in this time.

        Raises:
            RequestRefused: the server does not serve it, or the session has it with other options.

        """
        infos = [self.instruments.find(symbol) for symbol in symbols]
        new = {info.inst: Book(info, depth) for info in infos if info.inst not in self.books}
        self.books |= new
        if new:
            try:
                await self.subscribe(Channel.L2, list(new), depth=depth, conflate_ms=conflate_ms)
            except Exception:
                for inst in new:
                    del self.books[inst]
                raise
            await self.ping()  # The snapshots come between the two answers.
        return [self.books[info.inst] for info in infos]

    async def subscribe(
        self,
        channel: Channel,
        symbols: Sequence[str | int] | None = None,
        *,
        depth: int = 0,
        conflate_ms: int = 0,
        interval_s: int = 0,
    ) -> int:
        """Subscribe to instruments, or to all and those to come; return the subscription's number.

        On a new connection it is taken up again, with fresh snapshots. In the channel STRIPS an instrument stands for
        the strips that begin with its window, in CURVE for its class. `depth` and `conflate_ms` are of L2 (as in
        `subscribe_books`), the latter of L1, too; `interval_s` is of CANDLES: 60, 300 or 3,600, 0 means 60.

        Raises:
            RequestRefused: the server does not serve it.
            ValueError: `follow_account` and `copies` are for the channels ACCOUNT and COPY.

        """
        if channel in (Channel.ACCOUNT, Channel.COPY):
            raise ValueError(f"channel {channel.name} has no instruments: use follow_account or copies")
        handles = None if symbols is None else [self.instruments.find(symbol).inst for symbol in symbols]
        return await self._take_up((int(channel), handles, [depth, conflate_ms, interval_s]))

    async def subscribe_state(self, channel: Channel, conflate_ms: int = 0) -> int:
        """Subscribe to a channel that has no instruments; return the subscription's number."""
        return await self._take_up((int(channel), None, [0, conflate_ms]))

    async def _take_up(self, terms: Terms) -> int:
        return self._subscriptions.add(terms, await self._request(MessageType.SUBSCRIBE, *terms))

    async def best_prices(self, symbol: str | int) -> BestPrices:
        """Ask for the best bid and ask of an instrument; quantity 0 where there is none.

        Raises:
            RequestRefused: the server does not serve it.
            ConnectionClosed: the connection ended before the answer.

        """
        inst = self.instruments.find(symbol).inst
        with contextlib.closing(self._reader(BestPrices)) as heard:
            await self._request(MessageType.SNAPSHOT, int(Channel.L1), inst)
            async for prices in heard:
                if prices.inst == inst:  # Else it is of one to which the session is subscribed.
                    return prices
        raise ConnectionClosed(CloseCode.NORMAL, "the session was left")

    async def unsubscribe(self, number: int) -> None:
        """End a subscription. Raises RequestRefused when there is none of this number."""
        with contextlib.suppress(RequestLost):
            server_number = await self._subscriptions.remove(number)
            if self.is_connected:
                await self._request(MessageType.UNSUBSCRIBE, server_number)

    async def ping(self) -> int:
        """Ask the server for its time, in microseconds."""
        return await self._request(MessageType.PING, 0)

    async def logout(self, *, cancel: bool = False) -> None:
        """End the session in order, `cancel` with all orders of the lane.

        Raises:
            ConnectionClosed: there is no connection, or it ended before the answer.

        """
        self._is_leaving = True
        await self._request(MessageType.LOGOUT, int(cancel))

    async def track_positions(self) -> Positions:
        """Return the account's positions, kept up by its fills from now on. Raises as `open_orders`."""
        if self.positions is None:
            positions = self.positions = Positions()
            try:
                answer = await self._ask("/v1/positions")
            except BaseException:
                self.positions = None
                raise
            positions.load(answer["gseq"], answer["positions"])
        return self.positions

    async def connected(self) -> None:
        """Wait until there is a connection. Raises ConnectionClosed when the session ends first."""
        while not self.is_connected:
            self._check_open()
            with contextlib.closing(self._reader(Reconnected)) as heard:
                await anext(heard, None)

    # The connection.

    async def begin(self) -> None:
        """Fetch the instruments, and hear of new ones from now on."""
        await self.subscribe(Channel.INSTRUMENTS)
        await self.ping()

    def on_lost(self, ending: ConnectionClosed) -> None:
        """Nothing that is known of the market holds any more."""
        self._subscriptions.lose(self._requests, ending)
        for book in self.books.values():
            book.invalidate()
        self.forget_orders()
        self._copies.on_lost()
        self._lose_account()

    def subscribed(self) -> list[tuple[Any, ...]]:
        """Return the messages that take all subscriptions up again."""
        return self._subscriptions.again(self._requests)

    def on_end(self, ending: Exception) -> None:
        """Tell everyone who waits that nothing more will come."""
        for book in self.books.values():
            book.end(ending)
        for orders in self.order_books.values():
            orders.end(ending)
        for order in self._orders.values():
            fail(order.ended, ending)
        for reader in list(self._readers):
            reader.end(ending)
        self._copies.end(ending)
        self._end_account(ending)

    def on_event(self, event: Event) -> None:
        """Act on an event and tell it to those who read events."""
        handler = _HANDLERS.get(type(event))
        if handler is not None:
            handler(self, event)
        for reader in list(self._readers):
            reader.offer(event)

    def _on_ack(self, ack: Ack) -> None:
        pending = self._unanswered.take(ack.ref)
        if pending is None:
            return
        self._answered_ref = max(self._answered_ref, ack.ref)
        if pending.order is not None:
            pending.order.on_ack(ack)
            self._orders[ack.oid] = pending.order
            for news in self._unanswered.held(ack.oid):
                _NEWS[type(news)](pending.order, news)
            self._forget_ended(pending.order)
        succeed(pending.answer, ack)

    def _on_reject(self, reject: Reject) -> None:
        if self._is_kept(reject):
            return
        batch = self._unanswered.batches.get(reject.ref)
        if batch is not None:
            fail(batch.taken, reject.error())
            return
        pending = self._unanswered.take(reject.ref)
        if pending is None:
            return
        if reject.gseq:
            self._answered_ref = max(self._answered_ref, reject.ref)
        if pending.order is not None:
            pending.order.on_reject(reject)
        fail(pending.answer, reject.error())

    def _on_order_news(self, news: Fill | Done | Replaced) -> None:
        if self.positions is not None and isinstance(news, Fill):
            self.positions.take(news)
        order = self._orders.get(news.oid)
        if order is None:
            self._unanswered.hold(news)
            return
        _NEWS[type(news)](order, news)
        self._forget_ended(order)

    def _forget_ended(self, order: OpenOrder) -> None:
        if not order.is_open:
            self._orders.pop(order.oid, None)

    def _on_book_snapshot(self, snapshot: BookSnapshot) -> None:
        if snapshot.inst in self.books:
            self.books[snapshot.inst].load(snapshot)

    def _on_book_delta(self, delta: BookDelta) -> None:
        book = self.books.get(delta.inst)
        if book is not None and not book.apply(delta):
            self._wire.send(MessageType.SNAPSHOT, 0, int(Channel.L2), delta.inst)

    def _on_gap(self, gap: Gap) -> None:
        """Hold back what comes until the book is whole again: the server sends the snapshot unasked."""
        book = self.books.get(gap.inst)
        if gap.chan == Channel.L2 and book is not None and book.seq < gap.last:
            book.lose()
        self.on_orders_gap(gap)


_NEWS: dict[type[Event], Callable[[OpenOrder, Any], None]] = {
    Fill: lambda order, fill: order.on_fill(fill),
    Done: lambda order, done: order.on_done(done),
    Replaced: lambda order, replaced: order.on_replaced(replaced),
}
_HANDLERS: dict[type[Event], Callable[[Session, Any], None]] = {
    Ack: Session._on_ack,
    Reject: Session._on_reject,
    **dict.fromkeys((Fill, Done, Replaced), Session._on_order_news),
    BookSnapshot: Session._on_book_snapshot,
    BookDelta: Session._on_book_delta,
    OrdersSnapshot: Session.on_orders_snapshot,
    OrdersChanged: Session.on_orders_changed,
    Gap: Session._on_gap,
    Position: AccountFeed._on_position,
    Balance: AccountFeed._on_balance,
    Heartbeat: Session._on_heartbeat,
    Notice: Session._on_notice,
}
