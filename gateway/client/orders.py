"""Orders as the client sees them, kept up to date by what the session hears."""

import asyncio
import enum
from dataclasses import dataclass, field

from exchange.records import Side
from gateway.client.errors import OrderRejected
from gateway.client.events import Ack, Done, Fill, Reject, Replaced
from gateway.client.instruments import InstrumentInfo


class OrderState(enum.Enum):
    """Life of an order."""

    PENDING = "pending"  # Sent, not answered.
    LIVE = "live"
    FILLED = "filled"
    DONE = "done"  # Ended before it was wholly filled; `done_reason` says why.
    REJECTED = "rejected"


@dataclass(eq=False, slots=True)
class Order:
    """One order. Prices are ticks; `lots` is the total, `cum` what was filled, `leaves` what is open."""

    instrument: InstrumentInfo
    side: Side
    ticks: int
    lots: int
    ref: int
    answer: "asyncio.Future[Ack]" = field(repr=False)
    ended: "asyncio.Future[None]" = field(repr=False)
    state: OrderState = OrderState.PENDING
    oid: int = 0
    cum: int = 0
    leaves: int = 0
    done_reason: int | None = None
    error: OrderRejected | None = None
    fills: list[Fill] = field(default_factory=list)

    @property
    def is_open(self) -> bool:
        """Whether it may still be filled."""
        return self.state in (OrderState.PENDING, OrderState.LIVE)

    @property
    def price(self) -> str:
        """The limit as decimal text."""
        return self.instrument.price(self.ticks)

    async def accepted(self) -> "Order":
        """Wait for the answer.

        Raises:
            OrderRejected: the order was refused.
            ConnectionClosed: the connection ended before the answer.

        """
        await asyncio.shield(self.answer)
        return self

    async def wait_ended(self) -> "Order":
        """Wait until the order is filled, ended or refused.

        Raises:
            ConnectionClosed: the connection ended before.

        """
        await asyncio.shield(self.ended)
        return self

    # What the session tells it.

    def on_ack(self, ack: Ack) -> None:
        """Note that it was accepted."""
        self.oid = ack.oid
        if self.state is OrderState.PENDING:
            self.state = OrderState.LIVE
            self.leaves = self.lots

    def on_reject(self, reject: Reject) -> None:
        """Note that it was refused."""
        self.error = reject.error()
        self._end(OrderState.REJECTED)

    def on_fill(self, fill: Fill) -> None:
        """Count what was filled."""
        self.fills.append(fill)
        self.cum, self.leaves = fill.cum, fill.leaves
        if fill.leaves == 0:
            self._end(OrderState.FILLED)

    def on_replaced(self, replaced: Replaced) -> None:
        """Take the new terms."""
        self.ticks, self.lots, self.leaves = replaced.px, replaced.qty, replaced.leaves

    def on_done(self, done: Done) -> None:
        """Note that it ended."""
        self.cum, self.done_reason = done.cum, done.reason
        self._end(OrderState.DONE)

    def _end(self, state: OrderState) -> None:
        self.state = state
        self.leaves = 0
        if not self.ended.done():
            self.ended.set_result(None)
