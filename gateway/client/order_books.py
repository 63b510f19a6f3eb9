"""The books of a session that are kept order by order."""

import abc
from typing import Any

from gateway.client.book_by_order import BookByOrder
from gateway.client.events import Gap, OrdersChanged, OrdersSnapshot
from gateway.client.instruments import Instruments
from gateway.client.wire import Wire
from gateway.protocol import Channel, MessageType


class OrderBooks(abc.ABC):
    """What a session knows of single orders."""

    instruments: Instruments
    order_books: dict[int, BookByOrder]
    _wire: Wire

    @abc.abstractmethod
    async def subscribe(self, channel: Channel, symbols: Any = None) -> int:
        """Subscribe to instruments."""

    @abc.abstractmethod
    async def ping(self) -> int:
        """Ask the server for its time."""

    async def subscribe_orders(self, symbol: str | int) -> BookByOrder:
        """Return the book of an instrument order by order, kept in step until the session ends; always the same one.

        A connection that is lost, or a gap, makes it wait for a new snapshot: until then it is not `is_current`.

        Raises:
            RequestRefused: the server does not serve it.

        """
        info = self.instruments.find(symbol)
        if info.inst not in self.order_books:
            self.order_books[info.inst] = BookByOrder(info)
            try:
                await self.subscribe(Channel.L3, [info.inst])
            except Exception:
                del self.order_books[info.inst]
                raise
            await self.ping()  # The snapshot comes between the two answers.
        return self.order_books[info.inst]

    def on_orders_snapshot(self, snapshot: OrdersSnapshot) -> None:
        """Take a part of a snapshot."""
        book = self.order_books.get(snapshot.inst)
        if book is not None:
            book.load(snapshot)

    def on_orders_changed(self, message: OrdersChanged) -> None:
        """Take what has happened to orders; where something is missing, have a snapshot sent."""
        book = self.order_books.get(message.inst)
        if book is not None and not book.apply(message):
            self._wire.send(MessageType.SNAPSHOT, 0, int(Channel.L3), message.inst)

    def on_orders_gap(self, gap: Gap) -> None:
        """Hold back what comes until the snapshot, which the server sends unasked."""
        book = self.order_books.get(gap.inst)
        if gap.chan == Channel.L3 and book is not None and book.seq < gap.last:
            book.lose()

    def forget_orders(self) -> None:
        """Nothing that is known of orders holds any more."""
        for book in self.order_books.values():
            book.invalidate()
