"""A market maker: quotes both sides of the coming hours of a fabric, and leans against what it holds.

Each hour is quoted around a fair price, the venue's mark or ``--price`` where there is none. Lots it holds move both
sides down, lots it owes move them up. Its inventory in an hour never exceeds ``--position-max``: a side offers at most
half of what is left, for the quote before it may have been filled without it knowing yet.

Quotes are no orders of a lane, so cancel-on-disconnect does not reach them. A dead-man switch does: when the bot, its
machine or its network dies, the venue pulls them ``--pull-after-ms`` later. When protection (MMP) has pulled them, the
bot pauses, resets it and quotes again. The switch ends all orders of the account: give a maker an account of its own.
"""

import asyncio
import contextlib
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any

import click

from gateway.bots.common import bot_options, coming, decimal, run, say, together
from gateway.client import (
    Channel,
    EventReader,
    Fill,
    HourglassError,
    InstrumentInfo,
    Mark,
    Notice,
    NoticeKind,
    OrderRejected,
    Phase,
    Positions,
    QuoteLeg,
    Reconnected,
    Reject,
    Session,
)

LEGS_A_QUOTE = 64
MMP_WINDOW_MS = 1_000
PAUSE_S = 0.5  # After protection has fired.
Heard = Fill | Reject | Mark | Notice | Reconnected


@dataclass(frozen=True, slots=True)
class Terms:
    """What to quote."""

    product: str
    fabric: str
    price: Decimal  # Fair where the venue has no mark.
    half_spread: Decimal
    skew: Decimal  # For each lot held.
    lots: int
    position_max: int  # Lots, long or short, in one hour.
    hours: int = 168
    mmp_fills: int = 50
    pull_after_ms: int = 3_000
    quote_set: int = 0
    every_s: float = 0.25


class Maker:
    """One market maker; ends when it is cancelled, and pulls its quotes then."""

    def __init__(self, session: Session, terms: Terms) -> None:
        self.positions = Positions()
        self._session = session
        self._terms = terms
        self._marks: dict[int, int] = {}
        self._quoted: dict[int, QuoteLeg] = {}  # What stands, as far as is known; what was filled is taken out.
        self._touched: set[int] = set()  # Instruments in which quotes of its set may stand.
        self._is_frozen = False

    async def run(self) -> None:
        """Quote until cancelled."""
        session, terms = self._session, self._terms
        async with session.alive(terms.pull_after_ms, whole_account=True):
            try:
                await self._begin()
                await together(self._quote_for_ever(), self._heed())
            finally:
                with contextlib.suppress(HourglassError):
                    await self._pull()

    async def _begin(self) -> None:
        terms = self._terms
        self.positions = await self._session.track_positions()
        await self._session.mmp_set(terms.quote_set, window_ms=MMP_WINDOW_MS, fills=terms.mmp_fills)
        await self._session.mmp_reset(terms.quote_set)

    async def _quote_for_ever(self) -> None:
        while True:
            if not self._is_frozen:
                await self.quote()
            await asyncio.sleep(self._terms.every_s)

    async def quote(self) -> None:
        """Send every leg that is not what it should be."""
        wanted: list[tuple[int, QuoteLeg]] = []
        for info in coming(self._session, self._terms.product, self._terms.fabric, self._terms.hours):
            leg = self.leg(info)
            if leg != self._quoted.get(info.inst, QuoteLeg(info.inst)):
                wanted.append((info.inst, leg))
        await self._send(wanted)

    async def _send(self, legs: list[tuple[int, QuoteLeg]]) -> None:
        for start in range(0, len(legs), LEGS_A_QUOTE):
            sent = dict(legs[start : start + LEGS_A_QUOTE])
            self._quoted |= sent
            self._touched |= sent.keys()
            with contextlib.suppress(OrderRejected):  # Of the first leg; `_heed` hears of every one.
                await self._session.quote(list(sent.values()), quote_set=self._terms.quote_set, post_only=True)

    async def _pull(self) -> None:
        """Pull every quote; without a connection the dead-man switch does."""
        if self._session.is_connected:
            await self._send([(inst, QuoteLeg(inst)) for inst in self._touched])

    def leg(self, info: InstrumentInfo) -> QuoteLeg:
        """Return what to quote in one hour; nothing while it does not trade continuously."""
        if info.state != Phase.CONTINUOUS:
            return QuoteLeg(info.inst)
        terms, net = self._terms, self.positions[info.inst]
        fair = info.decimal(self._marks[info.inst]) if info.inst in self._marks else terms.price
        middle = fair - terms.skew * net
        bid = to_tick(max(middle - terms.half_spread, Decimal(0)), info, ROUND_FLOOR)
        ask = to_tick(max(middle + terms.half_spread, info.decimal(1)), info, ROUND_CEILING)
        bid_lots, ask_lots = (max(0, min(terms.lots, (terms.position_max - held) // 2)) for held in (net, -net))
        return QuoteLeg(info.inst, bid, bid_lots, ask, ask_lots)

    async def _heed(self) -> None:
        """Hear what changes the quotes from outside."""
        session, terms = self._session, self._terms
        heard: EventReader[Heard] = session.events(Fill, Reject, Mark, Notice, Reconnected)
        await session.subscribe(Channel.MARKS)
        async for event in heard:
            if isinstance(event, Mark):
                self._marks[event.inst] = event.px
            elif isinstance(event, Fill):
                self._quoted.pop(event.inst, None)
                say(f"{session.instruments.find(event.inst).symbol}: now {self.positions[event.inst]:+} lots")
            elif isinstance(event, Reject):
                self._quoted.pop(event.arg, None)
            elif isinstance(event, Reconnected):
                say(f"back after {event.away_ms} ms")
                await session.mmp_reset(terms.quote_set)  # Notices of what fired meanwhile are not told again.
                self._quoted.clear()
            elif event.kind == NoticeKind.MMP_FIRED and event.arg == terms.quote_set:
                await self._pause()
            elif event.kind == NoticeKind.DEADMAN_FIRED:
                self._quoted.clear()

    async def _pause(self) -> None:
        """Take a breath after protection has fired."""
        self._is_frozen = True
        say("protection has pulled the quotes")
        await asyncio.sleep(PAUSE_S)
        await self._session.mmp_reset(self._terms.quote_set)
        self._quoted.clear()
        self._is_frozen = False


def to_tick(price: Decimal, info: InstrumentInfo, rounding: str) -> Decimal:
    """Return a price as a whole number of the instrument's ticks."""
    tick = info.decimal(1)
    return (price / tick).to_integral_value(rounding) * tick


@click.command()
@bot_options
@click.option("--price", type=decimal, required=True, help="Fair price where the venue has no mark.")
@click.option("--half-spread", type=decimal, default="0.01", show_default=True, help="From the middle to a side.")
@click.option("--skew", type=decimal, default="0.001", show_default=True, help="Move of the middle for a lot held.")
@click.option("--lots", type=click.IntRange(1), default=4, show_default=True, help="Lots of a side.")
@click.option("--position-max", type=click.IntRange(2), default=40, show_default=True, help="Lots held in one hour.")
@click.option("--hours", type=click.IntRange(1, 168), default=168, show_default=True, help="How far ahead.")
@click.option("--pull-after-ms", type=click.IntRange(300), default=3_000, show_default=True, help="Dead-man switch.")
def maker(product: str, fabric: str, price: Decimal, half_spread: Decimal, skew: Decimal, lots: int,
          position_max: int, hours: int, pull_after_ms: int, **where: Any) -> None:  # fmt: skip
    """Quote both sides of the coming hours of a fabric.

    \b
    Example:
      hourglass bot maker --product H100-SXM.IB400.cuda12.T1 --fabric use1-f01 --price 2.45
    """  # noqa: D301
    terms = Terms(product, fabric, price, half_spread, skew, lots, position_max, hours, pull_after_ms=pull_after_ms)

    async def work(session: Session) -> None:
        say(f"quoting the next {hours} hours of {product} in {fabric}")
        await Maker(session, terms).run()

    run(work, **where)


if __name__ == "__main__":
    maker()
