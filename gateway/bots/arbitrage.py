"""An arbitrageur of a day against its 24 hours: trades the day whole, and squares it hour by hour.

It offers the day as a block at what its hours cost now and an edge more, and bids for it at what they pay and an edge
less. The venue lets a block meet the hours by itself where they have lots enough; so who comes to this bot wants more
lots at once than the hours show. When its block trades, it sends the opposite order into every hour, with limits whose
sum leaves the profit asked for. What an hour has not got yet rests there until somebody comes: the position goes back
to nothing, and never at a loss.
"""

import asyncio
import contextlib
from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import click

from exchange.units import MICROS_PER_DOLLAR
from gateway.bots.common import bot_options, decimal, run, say, together
from gateway.client import (
    BlockOrder,
    Book,
    EventFlag,
    EventReader,
    Fill,
    HourglassError,
    OrderRejected,
    Reconnecting,
    Session,
    Side,
)

DAY_HOURS = 24


@dataclass(frozen=True, slots=True)
class Terms:
    """Which day, and what for."""

    product: str
    fabric: str
    day: str  # Such as 2026-11-25.
    lots: int
    edge: Decimal  # Average for an hour, between the hours and the block.
    profit: Decimal  # The part of it that must be left; the rest may be spent on squaring.
    every_s: float = 0.25


@dataclass(slots=True)
class Result:
    """What came of it so far."""

    net: dict[int, int] = field(default_factory=lambda: defaultdict(int))  # Lots by instrument.
    ticks: int = 0  # Received less paid; profit when nothing is left to square.
    fees_micros: int = 0

    @property
    def is_square(self) -> bool:
        """Whether there is no position left."""
        return not any(self.net.values())

    def take(self, fill: Fill) -> None:
        """Count a fill."""
        lots = fill.qty if fill.side == Side.BUY else -fill.qty
        self.net[fill.inst] += lots
        self.ticks -= lots * fill.px
        self.fees_micros += fill.fee


class Arbitrageur:
    """One arbitrageur of one day; runs until it is cancelled."""

    def __init__(self, session: Session, terms: Terms) -> None:
        self.result = Result()
        self._session = session
        self._terms = terms
        self._books: list[Book] = []
        self._blocks: dict[Side, BlockOrder] = {}
        self._bases: dict[Side, list[int]] = {}  # What the hours cost or paid when a block's limit was reckoned.
        self._fresh: list[Fill] = []  # Of blocks, not squared yet.

    async def run(self) -> None:
        """Trade until cancelled. The blocks are taken back then; orders that square rest on."""
        session, terms = self._session, self._terms
        symbols = [f"{terms.product}.{terms.fabric}@{terms.day}T{hour:02}" for hour in range(DAY_HOURS)]
        self._books = await session.subscribe_books(symbols)
        try:
            await together(self._quote_for_ever(), self._square())
        finally:
            for block in self._blocks.values():
                if block.is_open and session.is_connected:
                    with contextlib.suppress(HourglassError):
                        await session.cancel(block)

    async def _quote_for_ever(self) -> None:
        while True:
            for side in (Side.SELL, Side.BUY):
                with contextlib.suppress(OrderRejected):  # Traded or ended meanwhile; the next round looks again.
                    await self._quote(side)
            await asyncio.sleep(self._terms.every_s)

    async def _quote(self, side: Side) -> None:
        """Let the block of a side stand an edge away from its hours; without an hour to square in, not at all."""
        block, total = self._blocks.get(side), self._total(side)
        if block is None or not block.is_open:
            if total is not None:
                self._blocks[side] = await self._place(side, total)
        elif total is None:
            await self._session.cancel(block)
        elif block.ticks != total:
            await self._session.replace(block, total_ticks=total)

    async def _place(self, side: Side, total: int) -> BlockOrder:
        terms, session, start = self._terms, self._session, f"{self._terms.day}T00"
        what: dict[str, Any] = {"lots": terms.lots, "total_ticks": total, "cancel_on_disconnect": True}
        if side == Side.SELL:
            return await session.sell_block(terms.product, terms.fabric, start, DAY_HOURS, **what)
        return await session.buy_block(terms.product, start, DAY_HOURS, fabrics=[terms.fabric], **what)

    def _total(self, side: Side) -> int | None:
        """Return the limit of the block of a side; None while it is not safe to have one.

        That is while a book is not in step or an hour has nothing to square with, and until the last trade is squared:
        the orders that wait for it stand in the books, and their prices are no one else's.
        """
        if self._fresh or not self.result.is_square or not all(book.is_current for book in self._books):
            return None
        best = [book.best_ask if side == Side.SELL else book.best_bid for book in self._books]
        prices = [level[0] for level in best if level is not None]
        if len(prices) < DAY_HOURS:
            return None
        self._bases[side] = prices
        edge = self._ticks(self._terms.edge)
        return sum(prices) + edge if side == Side.SELL else max(0, sum(prices) - edge)

    def _limits(self, side: Side, total: int) -> list[int]:
        """Return the limit of every hour that squares a block's trade at a total: all of them leave the profit."""
        base, profit = self._bases[side], self._ticks(self._terms.profit)
        if side == Side.SELL:
            spare = (total - profit - sum(base)) // DAY_HOURS
            return [price + spare for price in base]
        spare = (sum(base) - profit - total) // DAY_HOURS
        return [price - spare for price in base]

    def _ticks(self, average: Decimal) -> int:
        """Return the ticks of all hours of the day for an average of one."""
        return int(average * DAY_HOURS // self._books[0].instrument.decimal(1))

    # Squaring.

    async def _square(self) -> None:
        """Count fills; when those of all hours of a block's trade are there, square them."""
        hours = {book.instrument.inst for book in self._books}
        heard: EventReader[Fill | Reconnecting] = self._session.events(Fill, Reconnecting)
        async for event in heard:
            if isinstance(event, Reconnecting):
                say("the connection is lost: the venue takes the blocks back, orders that square rest on")
            elif event.inst in hours:
                self.result.take(event)
                if event.flags & EventFlag.BLOCK:
                    self._fresh.append(event)
                    await self._square_whole(event.exec_id)
                elif self.result.is_square:
                    say(f"square again; made {self._dollars()} so far, fees paid")

    async def _square_whole(self, exec_id: int) -> None:
        """Send the opposite of a block's trade into its hours, in one batch, once it is known in all of them."""
        fills = [fill for fill in self._fresh if fill.exec_id == exec_id]
        lots: dict[int, int] = defaultdict(int)
        for fill in fills:
            lots[fill.inst] += fill.qty
        traded = max(lots.values())
        if len(lots) < DAY_HOURS or min(lots.values()) < traded:
            return  # The others are on their way: a block trades in all its hours at once.
        side, batch = Side(fills[0].side), self._session.batch()
        paid = sum(fill.px * fill.qty for fill in fills)
        total = paid // traded if side == Side.SELL else -(-paid // traded)
        opposite = Side.BUY if side == Side.SELL else Side.SELL
        for book, limit in zip(self._books, self._limits(side, total), strict=True):
            batch.place_nowait(book.instrument.inst, opposite, lots=traded, ticks=limit)
        self._fresh = [fill for fill in self._fresh if fill.exec_id != exec_id]
        say(f"the day has traded, {traded} lots: squaring")
        for answer in await batch.send():
            if isinstance(answer, OrderRejected):
                say(f"an hour could not be squared: {answer}")

    def _dollars(self) -> str:
        product = self._session.instruments.product(self._terms.product)
        micros = self.result.ticks * product.tick_micros * product.lot_scu - self.result.fees_micros
        return f"${Decimal(micros) / MICROS_PER_DOLLAR}"


@click.command()
@bot_options
@click.option("--day", required=True, help="UTC day, such as 2026-11-25; all its hours must be open.")
@click.option("--lots", type=click.IntRange(1), default=8, show_default=True, help="Lots of the day, on each side.")
@click.option("--edge", type=decimal, default="0.02", show_default=True, help="From the hours to the day, average.")
@click.option("--profit", type=decimal, default="0.005", show_default=True, help="Of it, what must be left.")
def arbitrage(product: str, fabric: str, day: str, lots: int, edge: Decimal, profit: Decimal,
              **where: Any) -> None:  # fmt: skip
    """Trade a day whole against its 24 hours.

    
    Example:
      hourglass bot arbitrage --product H100-SXM.IB400.cuda12.T1 --fabric use1-f01 --day 2026-11-25
    """
    if profit > edge:
        raise click.UsageError(f"--profit must be at most --edge, was {profit} and {edge}")

    async def work(session: Session) -> None:
        say(f"trading {day} of {product} in {fabric} against its hours")
        await Arbitrageur(session, Terms(product, fabric, day, lots, edge, profit)).run()

    run(work, cod="flagged", **where)


if __name__ == "__main__":
    arbitrage()
