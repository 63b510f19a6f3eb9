"""Order entry: turns calls into order messages. A session sends them at once, a batch collects them.

Message layouts: docs/protocol.md.
"""

import abc
import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple

from exchange.records import Side, Stp, Tif
from gateway.client.errors import OrderRejected, TooManyUnanswered
from gateway.client.events import Ack
from gateway.client.instruments import Instruments, Price
from gateway.client.orders import OpenOrder, Order, limit_ticks
from gateway.protocol import MessageType

POST_ONLY = 1
REDUCE_ONLY = 2
CANCEL_ON_DISCONNECT = 4
PHYSICAL = 16
STANDBY = 32
FIRM = 64
KEEP_PRIORITY = 1
IN_BATCHES = (
    MessageType.PLACE, MessageType.CANCEL, MessageType.CANCEL_REF, MessageType.REPLACE, MessageType.REPLACE_REF,
)  # fmt: skip


class QuoteLeg(NamedTuple):
    """One instrument of a quote. A side without lots is pulled. Prices are decimal text or Decimals."""

    symbol: str | int
    bid: Price = "0"
    bid_lots: int = 0
    ask: Price = "0"
    ask_lots: int = 0


class Pending(NamedTuple):
    """A command waiting for its answer."""

    answer: "asyncio.Future[Ack]"
    order: OpenOrder | None = None
    message: tuple[Any, ...] = ()  # As it was sent, to be sent again.


class OrderEntry(abc.ABC):
    """What sessions and batches have in common."""

    instruments: Instruments

    @abc.abstractmethod
    def next_ref(self) -> int:
        """Take the next reference of the lane."""

    @abc.abstractmethod
    def enter(self, message: tuple[Any, ...], pending: Pending) -> None:
        """Take an order message whose second element is its ref."""

    def place_nowait(
        self,
        symbol: str | int,
        side: Side,
        *,
        lots: int,
        price: Price | None = None,
        ticks: int | None = None,
        tif: Tif | str = Tif.GTG,
        post_only: bool = False,
        reduce_only: bool = False,
        cancel_on_disconnect: bool = False,
        physical: bool = False,
        standby: bool = False,
        firm: bool = False,
        expire_us: int = 0,
        deadline_us: int = 0,
        stp: Stp = Stp.CANCEL_RESTING,
        tag: int = 0,
        display: int = 0,
    ) -> Order:
        """Send an order without waiting; `order.accepted()` waits for the answer.

        Args:
            symbol: instrument, by symbol or handle.
            side: Side.BUY or Side.SELL.
            lots: whole lots.
            price: limit as decimal text or a Decimal, in dollars per SCU-hour; give this or `ticks`.
            ticks: limit in ticks.
            tif: GTG (till gate closure), IOC, FOK, GTD or AU (in a call only); GTD goes with `expire_us`.
            post_only: refuse it rather than let it trade at once.
            reduce_only: never let it increase the position.
            cancel_on_disconnect: flag it, for sessions that asked for `cod="flagged"`.
            physical: of a sell, let certified capacity back it.
            standby: of a sell behind the gate, offer it to the balancing market.
            firm: of a standby sell, offer it for good: it cannot be cancelled or replaced.
            expire_us: end of a GTD order, microseconds since 1970.
            deadline_us: refuse it if the server reads it later than this.
            stp: what happens when it meets an order of the same owner.
            tag: a number of your own, for mass cancels.
            display: lots shown of an iceberg, 0 for all.

        """
        info = self.instruments.find(symbol)
        limit = limit_ticks(info, price, ticks)
        tif = Tif[tif] if isinstance(tif, str) else tif
        flags = POST_ONLY * post_only | REDUCE_ONLY * reduce_only | CANCEL_ON_DISCONNECT * cancel_on_disconnect
        flags |= PHYSICAL * physical | STANDBY * standby | FIRM * firm
        order = Order(**self.unsent(), instrument=info, side=side, ticks=limit, lots=lots)
        order.ref = self.next_ref()
        message = (
            MessageType.PLACE, order.ref, info.inst, int(side), limit, lots, int(tif), flags,
            expire_us, deadline_us, int(stp), tag, display,
        )  # fmt: skip
        self.enter(message, Pending(order.answer, order))
        return order

    def cancel_nowait(self, order: OpenOrder | int) -> "asyncio.Future[Ack]":
        """Send a cancel of an order or block, or of an oid; the future gives the answer."""
        if isinstance(order, OpenOrder) and not order.oid:
            return self._command(MessageType.CANCEL_REF, sent_ref(order))
        return self._command(MessageType.CANCEL, order.oid if isinstance(order, OpenOrder) else order)

    def replace_nowait(
        self,
        order: OpenOrder,
        *,
        lots: int | None = None,
        price: Price | None = None,
        ticks: int | None = None,
        total: Price | None = None,
        total_ticks: int | None = None,
        keep_priority: bool = False,
    ) -> "asyncio.Future[Ack]":
        """Send new terms for an order or block; `lots` is the new total, filled part included.

        An order's limit is `price` or `ticks`, a block's `price` (the average), `total` or `total_ticks`.
        """
        limit = order.ticks
        if any(way is not None for way in (price, ticks, total, total_ticks)):
            limit = order.new_limit(price=price, ticks=ticks, total=total, total_ticks=total_ticks)
        lots = order.lots if lots is None else lots
        kind, target = (MessageType.REPLACE, order.oid) if order.oid else (MessageType.REPLACE_REF, sent_ref(order))
        return self._command(kind, target, limit, lots, KEEP_PRIORITY * keep_priority)

    def mass_cancel_nowait(
        self,
        *,
        symbol: str | int | None = None,
        side: Side | None = None,
        lane: int | None = None,
        tag: int | None = None,
        product: str | None = None,
        windows: tuple[int, int] | None = None,
    ) -> "asyncio.Future[Ack]":
        """Send a cancel of all orders and blocks of the account that pass every filter given.

        ``windows`` is from the first window's number up to, not with, the second; a block passes if a leg of it does.
        """
        inst = None if symbol is None else self.instruments.find(symbol).inst
        number = None if product is None else self.instruments.product(product).number
        filters = (inst, None if side is None else int(side), lane, tag, number, *(windows or (None, None)))
        return self._command(MessageType.MASS_CANCEL, *filters)

    def quote_nowait(
        self, legs: Sequence[QuoteLeg], *, quote_set: int = 0, post_only: bool = False
    ) -> "asyncio.Future[Ack]":
        """Send a two-sided quote over up to 64 instruments; it replaces what the set quoted there before."""
        rows = []
        for leg in legs:
            info = self.instruments.find(leg.symbol)
            rows.append([info.inst, info.ticks(leg.bid), leg.bid_lots, info.ticks(leg.ask), leg.ask_lots])
        return self._command(MessageType.QUOTE, quote_set, rows, POST_ONLY * post_only)

    def mmp_set_nowait(
        self, quote_set: int, *, window_ms: int, fills: int = 0, lots: int = 0
    ) -> "asyncio.Future[Ack]":
        """Send a guard of a quote set: pull it after so many fills or lots within `window_ms`; 0: not counted, off."""
        return self._command(MessageType.MMP_SET, quote_set, window_ms, fills, lots)

    def mmp_reset_nowait(self, quote_set: int) -> "asyncio.Future[Ack]":
        """Send that a quote set may quote again after its protection has fired."""
        return self._command(MessageType.MMP_RESET, quote_set)

    def unsent(self) -> dict[str, Any]:
        """Return the fields of an order that has not been sent yet."""
        loop = asyncio.get_running_loop()
        return {"ref": 0, "answer": loop.create_future(), "ended": loop.create_future()}

    def _command(self, kind: MessageType, *fields: Any) -> "asyncio.Future[Ack]":
        pending = Pending(asyncio.get_running_loop().create_future())
        self.enter((kind, self.next_ref(), *fields), pending)
        return pending.answer


class Batch(OrderEntry):
    """Order messages that travel in one frame. Collect with the `..._nowait` methods, then `send`."""

    def __init__(self, session: "BatchSender") -> None:
        self.instruments = session.instruments
        self._session = session
        self._entered: list[tuple[tuple[Any, ...], Pending]] = []

    def __len__(self) -> int:
        return len(self._entered)

    def next_ref(self) -> int:
        """Give no reference yet: they must rise in the order of sending."""
        return 0

    def enter(self, message: tuple[Any, ...], pending: Pending) -> None:
        """Collect an order message."""
        if message[0] not in IN_BATCHES:
            raise ValueError("a batch may hold places, cancels and replaces")
        self._entered.append((message, pending))

    async def send(self) -> "list[Ack | OrderRejected]":
        """Send the batch, wait for all answers, and return them in order.

        Raises:
            OrderRejected: the batch was refused as a whole.
            TooManyUnanswered: there is no room for so many commands; the batch is as it was.
            ConnectionClosed: the session ended before all answers.

        """
        entered, self._entered = self._entered, []
        try:
            await self._session.send_batch([self._numbered(message, pending) for message, pending in entered])
        except TooManyUnanswered:
            self._entered[:0] = entered  # Nothing was sent.
            raise
        answers = await asyncio.gather(*(pending.answer for _, pending in entered), return_exceptions=True)
        for answer in answers:
            if isinstance(answer, BaseException) and not isinstance(answer, OrderRejected):
                raise answer
        return [answer for answer in answers if isinstance(answer, Ack | OrderRejected)]

    def _numbered(self, message: tuple[Any, ...], pending: Pending) -> tuple[tuple[Any, ...], Pending]:
        ref = self._session.next_ref()
        if pending.order is not None:
            pending.order.ref = ref
        return (message[0], ref, *message[2:]), pending


class BatchSender(abc.ABC):
    """What a batch needs of its session."""

    instruments: Instruments

    @abc.abstractmethod
    def next_ref(self) -> int:
        """Take the next reference of the lane."""

    @abc.abstractmethod
    async def send_batch(self, entered: list[tuple[tuple[Any, ...], Pending]]) -> None:
        """Send collected messages in one frame and wait until they were taken in."""


def sent_ref(order: OpenOrder) -> int:
    """Return the ref of an order that was sent.

    Raises:
        ValueError: it waits in a batch.

    """
    if not order.ref:
        raise ValueError("the order must be sent before it can be changed")
    return order.ref
