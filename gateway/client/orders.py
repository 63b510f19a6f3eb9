"""Orders as the client sees them, kept up to date by what the session hears."""

import abc
import asyncio
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Self

from exchange.records import Side
from gateway.client.errors import OrderRejected, UnexpectedMessage
from gateway.client.events import Ack, Done, Fill, Reject, Replaced
from gateway.client.instruments import InstrumentInfo, Price
from gateway.client.stages import NEXT_STAGES, STATE_OF, OrderStage, OrderState, stage_after_done


@dataclass(eq=False, slots=True, kw_only=True)
class OpenOrder(abc.ABC):
    """What all orders have. `ticks` is the limit; `lots` is the total, `cum` what was filled, `leaves` what is open.

    What the session tells it may be told twice: a private message it has had already changes nothing.
    """

    side: Side
    ticks: int
    lots: int
    ref: int
    answer: "asyncio.Future[Ack]" = field(repr=False)
    ended: "asyncio.Future[None]" = field(repr=False)
    stage: OrderStage = OrderStage.PENDING
    oid: int = 0
    gseq: int = 0  # Its number in l3 (BookByOrder). 0: not known, the answer had to be given again after a loss.
    pseq: int = 0  # Of the last private message about it.
    cum: int = 0
    leaves: int = 0
    done_reason: int | None = None
    error: OrderRejected | None = None
    fills: list[Fill] = field(default_factory=list)

    @property
    def state(self) -> OrderState:
        """The stage, told apart less finely."""
        return STATE_OF[self.stage]

    @property
    def is_open(self) -> bool:
        """Whether it may still be filled."""
        return bool(NEXT_STAGES[self.stage])

    @abc.abstractmethod
    def new_limit(self, *, price: Price | None, ticks: int | None, total: Price | None, total_ticks: int | None) -> int:
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
        if self.stage is OrderStage.PENDING:
            self.oid = ack.oid
            self.gseq = 0 if ack.code else ack.gseq
            self.leaves = self.lots
            self.move(OrderStage.OPEN)

    def on_reject(self, reject: Reject) -> None:
        """Note that it was refused."""
        self.error = reject.error()
        self.end(OrderStage.REJECTED)

    def on_fill(self, fill: Fill) -> None:
        """Count what was filled."""
        if self.is_news(fill.pseq):
            self.count_fill(fill)
            if fill.leaves == 0:
                self.end(OrderStage.FILLED)

    def on_replaced(self, replaced: Replaced) -> None:
        """Take the new terms."""
        if self.is_news(replaced.pseq):
            self.ticks, self.lots, self.leaves = replaced.px, replaced.qty, replaced.leaves

    def on_done(self, done: Done) -> None:
        """Note that it ended."""
        if self.is_news(done.pseq):
            self.cum, self.done_reason = done.cum, done.reason
            self.end(stage_after_done(done.reason))

    def is_news(self, pseq: int) -> bool:
        """Note a private message about it; False when it was told before."""
        if pseq <= self.pseq:
            return False
        self.pseq = pseq
        return True

    def count_fill(self, fill: Fill) -> None:
        """Add a fill; there may be more."""
        self.fills.append(fill)
        self.cum, self.leaves = fill.cum, fill.leaves
        self.move(OrderStage.PARTLY_FILLED)

    def move(self, stage: OrderStage) -> None:
        """Go on to another stage.

        Raises:
            UnexpectedMessage: the table has no such step.

        """
        if stage not in NEXT_STAGES[self.stage]:
            raise UnexpectedMessage(f"an order that is {self.stage.value} must not become {stage.value}")
        self.stage = stage

    def end(self, stage: OrderStage) -> None:
        """Nothing more will happen to it."""
        self.move(stage)
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

    @property
    def limit(self) -> Decimal:
        """The limit, exact, in dollars per SCU-hour."""
        return self.instrument.decimal(self.ticks)

    def new_limit(self, *, price: Price | None, ticks: int | None, total: Price | None, total_ticks: int | None) -> int:
        """Return another limit in ticks, given as one of `price` and `ticks`."""
        if total is not None or total_ticks is not None:
            raise ValueError("the limit of an order must be given as price or ticks")
        return limit_ticks(self.instrument, price, ticks)


def limit_ticks(info: InstrumentInfo, price: Price | None, ticks: int | None) -> int:
    """Return the limit in ticks, given either way.

    Raises:
        ValueError: both or neither were given.

    """
    if (price is None) == (ticks is None):
        raise ValueError("exactly one of price and ticks must be given")
    return info.ticks(price) if price is not None else int(ticks or 0)
