"""Orders as the client sees them, kept up to date by what the session hears."""

import abc
import asyncio
import enum
from dataclasses import dataclass, field
from typing import Self

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


@dataclass(eq=False, slots=True, kw_only=True)
class OpenOrder(abc.ABC):
    """What all orders have. `ticks` is the limit; `lots` is the total, `cum` what was filled, `leaves` what is open."""

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

    @abc.abstractmethod
    def new_limit(self, *, price: str | None, ticks: int | None, total: str | None, total_ticks: int | None) -> int:
        """Return another limit in ticks. Raises ValueError for a way to say it that is not for this kind of order."""

    async def accepted(self) -> Self:
        """Wait for the answer.

        Raises:
            OrderRejected: the order was refused.
            ConnectionClosed: the connection ended before the answer.

        """
        await asyncio.shield(self.answer)
        return self

    async def wait_ended(self) -> Self:
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
        self.end(OrderState.REJECTED)

    def on_fill(self, fill: Fill) -> None:
        """Count what was filled."""
        self.fills.append(fill)
        self.cum, self.leaves = fill.cum, fill.leaves
        if fill.leaves == 0:
            self.end(OrderState.FILLED)

    def on_replaced(self, replaced: Replaced) -> None:
        """Take the new terms."""
        self.ticks, self.lots, self.leaves = replaced.px, replaced.qty, replaced.leaves

    def on_done(self, done: Done) -> None:
        """Note that it ended."""
        self.cum, self.done_reason = done.cum, done.reason
        self.end(OrderState.DONE)

    def end(self, state: OrderState) -> None:
        """Nothing more will happen to it."""
        self.state = state
        self.leaves = 0
        if not self.ended.done():
            self.ended.set_result(None)


@dataclass(eq=False, slots=True, kw_only=True)
class Order(OpenOrder):
    """One order in the book of an instrument."""

    instrument: InstrumentInfo

    @property
    def price(self) -> str:
        """The limit as decimal text."""
        return self.instrument.price(self.ticks)

    def new_limit(self, *, price: str | None, ticks: int | None, total: str | None, total_ticks: int | None) -> int:
        """Return another limit in ticks, given as one of `price` and `ticks`."""
        if total is not None or total_ticks is not None:
            raise ValueError("the limit of an order must be given as price or ticks")
        return limit_ticks(self.instrument, price, ticks)


def limit_ticks(info: InstrumentInfo, price: str | None, ticks: int | None) -> int:
    """Return the limit in ticks, given either way.

    Raises:
        ValueError: both or neither were given.

    """
    if (price is None) == (ticks is None):
        raise ValueError("exactly one of price and ticks must be given")
    return info.ticks(price) if price is not None else int(ticks or 0)
