"""A buyer that keeps so many nodes covered for so many hours ahead, between a low and a high price.

Of every hour that comes within reach it bids for what is missing at the low price, and raises the bid evenly until,
``--patience`` seconds later, it stands at the high one. It never pays more. What it holds already counts, also from
another run: it asks the venue when it starts, and cancels the bids that an earlier run has left (they have its tag).
"""

import asyncio
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import click

from gateway.bots.common import bot_options, coming, decimal, run, say, together
from gateway.client import Fill, InstrumentInfo, Order, OrderRejected, Positions, Session, Side

TAG = 0x0B07_E3


@dataclass(frozen=True, slots=True)
class Terms:
    """What to have, and for how much."""

    product: str
    fabric: str
    nodes: int  # Lots of each hour.
    hours: int
    low: Decimal
    high: Decimal
    patience_s: int = 600
    every_s: float = 1.0


class Buyer:
    """One buyer; runs until it is cancelled."""

    def __init__(self, session: Session, terms: Terms) -> None:
        self.positions = Positions()
        self._session = session
        self._terms = terms
        self._bids: dict[int, Order] = {}  # By instrument, the open ones.
        self._since_s: dict[int, float] = {}  # When an hour came within reach.

    async def run(self) -> None:
        """Buy until cancelled; take the bids back then."""
        await self._session.mass_cancel(tag=TAG)
        self.positions = await self._session.track_positions()
        try:
            await together(self._buy_for_ever(), self._tell())
        finally:
            if self._session.is_connected:
                await self._session.mass_cancel(tag=TAG)

    async def _buy_for_ever(self) -> None:
        terms, loop = self._terms, asyncio.get_running_loop()
        while True:
            hours = coming(self._session, terms.product, terms.fabric, terms.hours)
            for info in hours:
                waited_s = int(loop.time() - self._since_s.setdefault(info.inst, loop.time()))
                try:
                    await self._cover(info, self.limit(info, waited_s))
                except OrderRejected as refusal:  # The next round looks again.
                    say(f"{info.symbol}: {refusal}")
            await asyncio.sleep(terms.every_s)

    def limit(self, info: InstrumentInfo, waited_s: int) -> int:
        """Return the price to bid after so many seconds, in ticks, rounded down."""
        terms = self._terms
        rise = (terms.high - terms.low) * min(waited_s, terms.patience_s) / terms.patience_s
        return int((terms.low + rise) // info.decimal(1))

    async def _cover(self, info: InstrumentInfo, ticks: int) -> None:
        """Let what is held and what is bid for be the nodes wanted."""
        bid, missing = self._bids.get(info.inst), self._terms.nodes - self.positions[info.inst]
        if bid is None or not bid.is_open:
            if missing > 0:
                bid = self._session.place_nowait(info.inst, Side.BUY, lots=missing, ticks=ticks, tag=TAG)
                self._bids[info.inst] = bid
                await bid.accepted()
        elif missing <= 0:
            await self._session.cancel(bid)
        elif (bid.ticks, bid.leaves) != (ticks, missing):
            await self._session.replace(bid, ticks=ticks, lots=bid.cum + missing)  # What it has filled is counted.

    async def _tell(self) -> None:
        async for fill in self._session.events(Fill):
            info = self._session.instruments.find(fill.inst)
            held = self.positions[fill.inst]
            say(f"{info.symbol}: bought {fill.qty} at {info.price(fill.px)}, {held} of {self._terms.nodes}")


@click.command()
@bot_options
@click.option("--nodes", type=click.IntRange(1), required=True, help="Lots to hold in every hour.")
@click.option("--hours", type=click.IntRange(1), default=24, show_default=True, help="How many hours ahead.")
@click.option("--low", type=decimal, required=True, help="First price.")
@click.option("--high", type=decimal, required=True, help="Last price, and the most it pays.")
@click.option("--patience", type=click.IntRange(1), default=600, show_default=True, help="Seconds from low to high.")
def buyer(product: str, fabric: str, nodes: int, hours: int, low: Decimal, high: Decimal, patience: int,
          **where: Any) -> None:  # fmt: skip
    """Keep nodes covered for the coming hours.

    \b
    Example:
      hourglass bot buyer --product H100-SXM.IB400.cuda12.T1 --fabric use1-f01 --nodes 4 --low 2.30 --high 2.60
    """  # noqa: D301
    if low > high:
        raise click.UsageError(f"--low must be at most --high, was {low} and {high}")

    async def work(session: Session) -> None:
        say(f"covering {nodes} nodes for the next {hours} hours of {product} in {fabric}")
        await Buyer(session, Terms(product, fabric, nodes, hours, low, high, patience)).run()

    run(work, **where)


if __name__ == "__main__":
    buyer()
