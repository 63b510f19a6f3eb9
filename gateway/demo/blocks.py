"""Buyers of blocks: the same machines for a day, a weekend or a week, or nothing; and what they sell back of it."""

import asyncio
import contextlib
import random
from typing import NamedTuple

from exchange.catalogue.strips import DAY_HOURS, WEEK_HOURS
from exchange.records import Side
from exchange.units import window_text
from gateway.client import BlockOrder, OrderRejected, Session
from gateway.demo.attendance import timed
from gateway.demo.figures import Figures
from gateway.demo.products import PRODUCTS, DemoProduct
from gateway.demo.venue import Venue

SATURDAY = 2 * DAY_HOURS  # Window 0 is on a Thursday.
WEEKEND_HOURS = 2 * DAY_HOURS
PATIENCE_S = (2.0, 6.0)
LEAD_HOURS = 1  # The next window's closing call may begin at any moment.


class Plan(NamedTuple):
    """What a lab buys again and again."""

    product: DemoProduct
    hours: int
    lots: int
    min_lots: int  # Equal to lots: all or nothing.
    limit: int  # Thousandths of what the hours are worth.
    every_s: float
    spread_hours: int = 0  # It begins up to so many hours later than it could.
    on_weekend: bool = False
    sell_back: float = 0.0  # How often the rest of it is sold back.


H100, A100, L40S, RTX = PRODUCTS
PLANS = {
    "lab-fern": [Plan(H100, DAY_HOURS, 8, 8, 1_050, 2.0, spread_hours=100, sell_back=0.3)],
    "lab-grove": [
        Plan(H100, 36, 9, 3, 1_040, 3.0, spread_hours=90, sell_back=0.3),
        Plan(A100, WEEKEND_HOURS, 12, 1, 985, 2.0, on_weekend=True),
    ],
    "lab-heath": [Plan(A100, WEEK_HOURS, 2, 2, 1_055, 2.5, sell_back=0.8)],
    "lab-iris": [
        Plan(L40S, DAY_HOURS, 12, 4, 1_040, 2.5, spread_hours=60, sell_back=0.5),
        Plan(RTX, WEEK_HOURS, 3, 1, 1_050, 6.0, sell_back=0.5),
    ],
}


async def buy_blocks(venue: Venue, session: Session, account: str, plan: Plan, figures: Figures, seed: int) -> None:
    """Buy blocks by a plan: wait a while for each, and sell some of it back."""
    buyer = BlockBuyer(venue, session, account, figures, random.Random(seed))
    spread_hours = 0  # The first one begins as soon as it can.
    while True:
        start = first_window(venue.next_window + LEAD_HOURS, plan, buyer.dice.randint(0, spread_hours))
        spread_hours = plan.spread_hours
        block = await buyer.buy(plan, start)
        if block.cum and buyer.dice.random() < plan.sell_back:
            await buyer.sell_back(block, plan.product)
        await asyncio.sleep(plan.every_s * buyer.dice.uniform(0.5, 1.5))


def first_window(earliest: int, plan: Plan, later: int) -> int:
    """Return the window a block begins with, not before the earliest."""
    saturday = earliest + (SATURDAY - earliest) % WEEK_HOURS
    is_listed = saturday + plan.hours <= earliest + WEEK_HOURS
    return saturday if plan.on_weekend and is_listed else earliest + later


def rest_of(start: int, hours: int, earliest: int) -> tuple[int, int]:
    """Return the part of a block that is sold back: its next whole weekend if it has one, else its second half."""
    saturday = max(start, earliest) + (SATURDAY - max(start, earliest)) % WEEK_HOURS
    if saturday + WEEKEND_HOURS <= start + hours:
        return saturday, WEEKEND_HOURS
    middle = max(start + hours // 2, earliest)
    return middle, start + hours - middle


class BlockBuyer:
    """A lab with one plan, on a session it shares with its other plans."""

    def __init__(self, venue: Venue, session: Session, account: str, figures: Figures, dice: random.Random) -> None:
        self.dice = dice
        self._venue = venue
        self._session = session
        self._account = account
        self._figures = figures

    async def buy(self, plan: Plan, start: int) -> BlockOrder:
        """Buy the block of a plan; return it when it has ended."""
        total = plan.product.fair_total(start, plan.hours) * plan.limit // 1_000
        block = self._session.buy_block_nowait(
            plan.product.name, start, plan.hours, lots=plan.lots, min_lots=plan.min_lots, total_ticks=total
        )
        await self._carry_out(block)
        return block

    async def sell_back(self, block: BlockOrder, product: DemoProduct) -> None:
        """Sell what is no longer needed of a block, in the fabric it was bought in."""
        start, hours = rest_of(block.start, block.hours, self._venue.next_window + LEAD_HOURS)
        if hours < 2:
            return
        total = product.fair_total(start, hours) * self.dice.randint(970, 985) // 1_000
        rest = self._session.sell_block_nowait(
            product.name, block.fabrics[0], start, hours, lots=block.cum, total_ticks=total
        )
        await self._carry_out(rest)

    async def _carry_out(self, block: BlockOrder) -> None:
        """Wait for a block, withdraw what is left of it when patience ends, and tell what was filled."""
        self._figures.blocks_placed += 1
        if not await timed(block, self._figures):
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(block.wait_ended(), self.dice.uniform(*PATIENCE_S))
        if block.is_open:
            with contextlib.suppress(OrderRejected):  # It ended while the cancel was on its way.
                await self._session.cancel(block)
            await block.wait_ended()
        self._tell(block)

    def _tell(self, block: BlockOrder) -> None:
        matches = list(dict.fromkeys(fill.exec_id for fill in block.fills))
        for match_id in matches:
            self._figures.fill_block(self._account, block, match_id)
        if matches:
            self._figures.news.append(line_of(self._account, block, matches))


def line_of(account: str, block: BlockOrder, matches: list[int]) -> str:
    """Write what was filled of a block."""
    verb = "" if block.side == Side.BUY else " sells"
    lots = str(block.cum) if block.cum == block.lots else f"{block.cum} of {block.lots}"
    numbers = ", ".join(map(str, matches))
    return (
        f"block  {account}{verb} {block.hours}h x {lots} lots from {window_text(block.start)} in {block.fabrics[0]}: "
        f"average ${block.average_price}/SCU-hour, match {numbers}"
    )
