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
import itertools
from collections.abc import AsyncIterator, Callable, Sequence
from ssl import SSLContext
from typing import Any, get_args, overload

from exchange.records import Side
from gateway.auth import ApiKey
from gateway.client.at_market import MarketOrders
from gateway.client.blocks import BlockEntry, BlockOrder
from gateway.client.book import Book
from gateway.client.clearing import ClearingRequests
from gateway.client.clearing_events import PrivateClearingEvent
from gateway.client.entry import Batch, BatchSender, Pending, QuoteLeg
from gateway.client.errors import ConnectionClosed, RequestRefused, reason_of
from gateway.client.events import (
    Ack,
    Assigned,
    BestPrices,
    BookDelta,
    BookSnapshot,
    BoughtIn,
    Capacity,
    Done,
    Event,
    Fill,
    Gap,
    PrivateEvent,
    Reject,
    Replaced,
    event_of,
)
from gateway.client.instruments import Instruments
from gateway.client.orders import OpenOrder, Order
from gateway.client.reader import E, EventReader
from gateway.client.wire import Welcome, Wire, open_wire
from gateway.protocol import CancelOnDisconnect, Channel, CloseCode, MessageType


@contextlib.asynccontextmanager
async def connect(
    url: str,
    key: ApiKey | str,
    *,
    lane: int = 0,
    cod: str = "off",
    grace_ms: int = 0,
    ssl: SSLContext | None = None,
) -> "AsyncIterator[Session]":
    """Connect, log in, fetch the instruments, and log out at the end.

    Args:
        url: of the WebSocket, such as ``ws://127.0.0.1:8080/ws/v1``; ``wss://`` for TLS.
        key: an ApiKey or ``id:secret``.
        lane: 0 to 255; one session at a time holds a lane, and each lane counts its own refs.
        cod: what happens to the lane's orders when the connection is lost: ``off``, ``lane`` (all of them) or
            ``flagged`` (those placed with `cancel_on_disconnect`).
        grace_ms: how long the server waits for a new login on the lane first, at most 60,000.
        ssl: what to trust, and how, on ``wss://``; None: the certificates that the system trusts.

    Raises:
        LoginRefused: the server did not accept the login.
        OSError: there is no connection, or its certificate is not trusted.

    """
    mode = CancelOnDisconnect[cod.upper()]
    async with open_wire(url, key, lane=lane, cod=mode, grace_ms=grace_ms, ssl=ssl) as (wire, welcome):
        session = Session(wire, welcome)
        runner = asyncio.create_task(session.run())
        try:
            await session.begin()
            yield session
            with contextlib.suppress(ConnectionClosed):
                await session.logout()
        finally:
            runner.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await runner
            session.end(ConnectionClosed(CloseCode.NORMAL, "the session was left"))


class Session(BlockEntry, MarketOrders, ClearingRequests, BatchSender):
    """One logged-in session. Not for use from other threads than its loop's."""

    def __init__(self, wire: Wire, welcome: Welcome) -> None:
        self.welcome = welcome
        self.instruments = Instruments()
        self.pseq = welcome.pseq  # Of the last private message.
        self.books: dict[int, Book] = {}
        self._wire = wire
        self._refs = itertools.count(welcome.last_ref + 1)
        self._request_ids = itertools.count(1)
        self._requests: dict[int, asyncio.Future[int]] = {}
        self._pending: dict[int, Pending] = {}
        self._batches: dict[int, asyncio.Future[int]] = {}
        self._orders: dict[int, OpenOrder] = {}
        self._readers: list[EventReader[Any]] = []

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
        """Return an iterator over events from now on; without `kinds`, over all private ones."""
        reader: EventReader[Any] = EventReader(kinds or get_args(PrivateEvent), self._readers)
        if self._wire.closed is not None:
            reader.end(self._wire.closed)
        return reader

    async def subscribe_book(self, symbol: str | int, *, depth: int = 0, conflate_ms: int = 0) -> Book:
        """Return the book of an instrument, kept in step until the session ends; the same one to whoever asks again.

        Args:
            symbol: or the instrument's handle.
            depth: best levels a side that it has: 5, 10, 25, 100, or 0 for all.
            conflate_ms: 0, or 10 to 60,000: it changes at most once in this time.

        Raises:
            RequestRefused: the server does not serve it, or the session has it with other options.

        """
        info = self.instruments.find(symbol)
        if info.inst not in self.books:
            self.books[info.inst] = Book(info, depth)
            try:
                await self.subscribe(Channel.L2, [info.inst], depth=depth, conflate_ms=conflate_ms)
            except Exception:
                del self.books[info.inst]
                raise
            await self.ping()  # The snapshot comes between the two answers.
        return self.books[info.inst]

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

        In the channel STRIPS an instrument stands for the strips that begin with its window, in CURVE for its class.
        `depth` and `conflate_ms` are of L2 (as in `subscribe_book`), the latter of L1, too; `interval_s` is of
        CANDLES: 60, 300 or 3,600, 0 means 60.

        Raises:
            RequestRefused: the server does not serve it.

        """
        handles = None if symbols is None else [self.instruments.find(symbol).inst for symbol in symbols]
        return await self._request(
            MessageType.SUBSCRIBE, int(channel), handles, [depth, conflate_ms, interval_s]
        )

    async def best_prices(self, symbol: str | int) -> BestPrices:
        """Ask for the best bid and ask of an instrument; quantity 0 where there is none.

        Raises:
            RequestRefused: the server does not serve it.
            ConnectionClosed: the connection ended before the answer.

        """
        inst = self.instruments.find(symbol).inst
        with contextlib.closing(self.events(BestPrices)) as heard:
            await self._request(MessageType.SNAPSHOT, int(Channel.L1), inst)
            async for prices in heard:
                if prices.inst == inst:  # Else it is of one to which the session is subscribed.
                    return prices
        raise ConnectionClosed(CloseCode.NORMAL, "the session was left")

    async def unsubscribe(self, sub_id: int) -> None:
        """End a subscription."""
        await self._request(MessageType.UNSUBSCRIBE, sub_id)

    async def ping(self) -> int:
        """Ask the server for its time, in microseconds."""
        return await self._request(MessageType.PING, 0)

    async def logout(self, *, cancel: bool = False) -> None:
        """End the session in order, `cancel` with all orders of the lane."""
        await self._request(MessageType.LOGOUT, int(cancel))

    # What OrderEntry and Batch need.

    def next_ref(self) -> int:
        """Take the next reference of the lane."""
        return next(self._refs)

    def enter(self, message: tuple[Any, ...], pending: Pending) -> None:
        """Send an order message."""
        self._wire.send(*message)
        self._pending[message[1]] = pending

    async def send_batch(self, entered: list[tuple[tuple[Any, ...], Pending]]) -> None:
        """Send collected messages in one frame and wait until they were taken in."""
        ref = self.next_ref()
        taken: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._wire.send(MessageType.BATCH, ref, 0, [message for message, _ in entered])
        self._batches[ref] = taken
        for message, pending in entered:
            self._pending[message[1]] = pending
        try:
            await taken
        except Exception:
            for message, _ in entered:
                self._pending.pop(message[1], None)
            raise
        finally:
            self._batches.pop(ref, None)

    # The connection.

    async def begin(self) -> None:
        """Fetch the instruments, and hear of new ones from now on."""
        await self.subscribe(Channel.INSTRUMENTS)
        await self.ping()

    async def run(self) -> None:
        """Read until the connection ends."""
        self.end(await self._wire.run(self._take))

    def end(self, ending: ConnectionClosed) -> None:
        """Tell everyone who waits that the connection is over."""
        self._wire.closed = self._wire.closed or ending
        waiting = [*self._requests.values(), *self._batches.values()]
        waiting += [pending.answer for pending in self._pending.values()]  # type: ignore[misc]
        waiting += [order.ended for order in self._orders.values()]  # type: ignore[misc]
        waiting += [pending.order.ended for pending in self._pending.values() if pending.order]  # type: ignore[misc]
        for future in waiting:
            fail(future, ending)
        for reader in list(self._readers):
            reader.end(ending)

    async def _request(self, kind: MessageType, *fields: Any) -> int:
        number = next(self._request_ids)
        answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._wire.send(kind, number, *fields)
        self._requests[number] = answer
        try:
            return await answer
        finally:
            self._requests.pop(number, None)

    def _take(self, message: list[Any]) -> None:
        """Act on one message. Types this client does not know are passed over."""
        kind = message[0]
        if kind == MessageType.INSTRUMENT:
            self.instruments.take(message)
        elif kind == MessageType.PRODUCT:
            self.instruments.take_product(message)
        elif kind == MessageType.RESP:
            self._on_resp(*message[1:4])
        elif kind == MessageType.PONG:
            self._on_resp(message[1], 0, message[3])
        elif kind == MessageType.BATCH_ACK and message[1] in self._batches:
            succeed(self._batches[message[1]], message[2])
        else:
            event = event_of(message)
            if event is not None:
                self._on_event(event)

    def _on_resp(self, ref: int, code: int, arg: int) -> None:
        request = self._requests.get(ref)
        if request is None:
            return
        if code:
            fail(request, RequestRefused(reason_of(code), arg))
        else:
            succeed(request, arg)

    def _on_event(self, event: Event) -> None:
        handler = _HANDLERS.get(type(event))
        if handler is not None:
            handler(self, event)
        for reader in list(self._readers):
            reader.offer(event)

    def _on_ack(self, ack: Ack) -> None:
        pending = self._pending.pop(ack.ref, None)
        if pending is None:
            return
        if pending.order is not None:
            pending.order.on_ack(ack)
            self._orders[ack.oid] = pending.order
        succeed(pending.answer, ack)

    def _on_reject(self, reject: Reject) -> None:
        if reject.ref in self._batches:
            fail(self._batches[reject.ref], reject.error())
            return
        pending = self._pending.pop(reject.ref, None)
        if pending is None:
            return
        if pending.order is not None:
            pending.order.on_reject(reject)
        fail(pending.answer, reject.error())

    def _on_fill(self, fill: Fill) -> None:
        self.pseq = fill.pseq
        order = self._orders.get(fill.oid)
        if order is not None:
            order.on_fill(fill)
            self._forget_ended(order)

    def _on_done(self, done: Done) -> None:
        self.pseq = done.pseq
        order = self._orders.get(done.oid)
        if order is not None:
            order.on_done(done)
            self._forget_ended(order)

    def _on_replaced(self, replaced: Replaced) -> None:
        self.pseq = replaced.pseq
        order = self._orders.get(replaced.oid)
        if order is not None:
            order.on_replaced(replaced)

    def _on_private(self, event: Assigned | BoughtIn | Capacity | PrivateClearingEvent) -> None:
        self.pseq = event.pseq

    def _forget_ended(self, order: OpenOrder) -> None:
        if not order.is_open:
            del self._orders[order.oid]

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


_HANDLERS: dict[type[Event], Callable[[Session, Any], None]] = {
    Ack: Session._on_ack,
    Reject: Session._on_reject,
    Fill: Session._on_fill,
    Done: Session._on_done,
    Replaced: Session._on_replaced,
    **dict.fromkeys((Assigned, BoughtIn, Capacity, *get_args(PrivateClearingEvent)), Session._on_private),
    BookSnapshot: Session._on_book_snapshot,
    BookDelta: Session._on_book_delta,
    Gap: Session._on_gap,
}


def succeed(future: "asyncio.Future[Any]", value: Any) -> None:
    """Set a result, unless the one who waited has gone."""
    if not future.done():
        future.set_result(value)


def fail(future: "asyncio.Future[Any]", error: Exception) -> None:
    """Set an exception, unless the one who waited has gone; nobody is blamed for not asking."""
    if not future.done():
        future.set_exception(error)
        future.exception()
