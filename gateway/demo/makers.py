"""Market makers: they quote both sides of the coming day, own no machines, and try to be flat before a gate."""

import asyncio
import random
from typing import NamedTuple

from exchange.records import Phase, Side
from gateway.client import Fill, Notice, NoticeKind, OrderRejected, QuoteLeg, Reject, Session
from gateway.demo.attendance import heed_refusal, phase_of, trader
from gateway.demo.figures import Figures
from gateway.demo.products import PRODUCTS, DemoProduct
from gateway.demo.venue import Venue

HOURS_QUOTED = 24
LEGS_A_FRAME = 50
REQUOTE_S = 0.15
PAUSE_S = 0.4  # After the protection has fired.
PROTECTED_MS = 1_000  # Of real time: fills and lots are counted as long, in each product.
PROTECTED_FILLS = 120
PROTECTED_LOTS = 160
CLOSING_SLACK = 80  # How far from fair a maker goes to be flat, thousandths.


class Habit(NamedTuple):
    """How a maker behaves."""

    account: str
    covers: float  # Share of a short that it buys back in the closing call; the rest is bought in at the gate.


class Place(NamedTuple):
    """One instrument that is quoted: its quote set is the product's place in the list."""

    quote_set: int
    product: DemoProduct
    fabric: int


PLACES = [
    Place(number, product, fabric)
    for number, product in enumerate(PRODUCTS)
    for fabric in range(len(product.fabrics))
]
HABITS = (Habit("maker-delta", 1.0), Habit("maker-echo", 0.5))


async def make_market(
    venue: Venue, habit: Habit, figures: Figures, seed: int, *, requote_s: float = REQUOTE_S
) -> None:
    """Be a maker: quote, lean against what is held, stop when the protection fires, be flat before the gate."""
    async with trader(venue, habit.account, figures) as session, asyncio.TaskGroup() as group:
        maker = Maker(session, habit, figures, random.Random(seed))
        group.create_task(maker.keep_count())
        group.create_task(maker.count_refusals())
        group.create_task(maker.heed_protection())
        window_ms = PROTECTED_MS * venue.clock.speed
        for quote_set in range(len(PRODUCTS)):
            await session.mmp_set(quote_set, window_ms=window_ms, fills=PROTECTED_FILLS, lots=PROTECTED_LOTS)
        while True:
            await maker.quote(venue.next_window)
            await asyncio.sleep(requote_s * maker.dice.uniform(0.8, 1.2))


class Maker:
    """What a maker holds and thinks."""

    def __init__(self, session: Session, habit: Habit, figures: Figures, dice: random.Random) -> None:
        self.dice = dice
        self._session = session
        self._habit = habit
        self._figures = figures
        self._drift = [0] * len(PRODUCTS)  # Of its opinion of each product's price, ticks.
        self._held: dict[int, int] = {}  # Lots by instrument.
        self._frozen: set[int] = set()  # Quote sets whose protection has fired.
        self._closed: set[str] = set()  # Instruments that it has left for good.

    async def quote(self, first: int) -> None:
        """Quote the coming day anew, and leave the window whose closing call has begun."""
        for number in range(len(PRODUCTS)):
            self._drift[number] += self.dice.choice((-2, -1, -1, 0, 0, 1, 1, 2))
        legs: dict[int, list[QuoteLeg]] = {}
        for place in PLACES:
            for window in range(first, first + HOURS_QUOTED + 1):
                leg = self._leg(place, window)
                if leg is not None:
                    legs.setdefault(place.quote_set, []).append(leg)
        for quote_set, quoted in legs.items():
            for start in range(0, len(quoted), LEGS_A_FRAME):
                if quote_set not in self._frozen:
                    await self._send(quote_set, quoted[start : start + LEGS_A_FRAME])

    def _leg(self, place: Place, window: int) -> QuoteLeg | None:
        """Return what to quote in an instrument; None while it does not trade."""
        symbol = place.product.symbol(window, place.fabric)
        phase = phase_of(self._session, symbol)
        if phase == Phase.PRECLOSE and symbol not in self._closed:
            self._closed.add(symbol)
            self._be_flat(place.product, window, symbol)
            return QuoteLeg(symbol)
        if phase != Phase.CONTINUOUS or symbol in self._closed:
            return None
        product = place.product
        lean = self._held.get(self._session.instruments.find(symbol).inst, 0) // 4
        middle = product.fair(window) + self._drift[place.quote_set] - lean
        half = max(2, product.ticks // 300) + self.dice.randint(0, 3)
        return QuoteLeg(
            symbol, product.price(middle - half), self.dice.randint(2, 12),
            product.price(middle + half), self.dice.randint(2, 12),
        )  # fmt: skip

    def _be_flat(self, product: DemoProduct, window: int, symbol: str) -> None:
        """Trade what is held away in the closing call."""
        held = self._held.get(self._session.instruments.find(symbol).inst, 0)
        lots = held if held > 0 else int(-held * self._habit.covers)
        if not lots:
            return
        side, thousandths = (Side.SELL, 1_000 - CLOSING_SLACK) if held > 0 else (Side.BUY, 1_000 + CLOSING_SLACK)
        ticks = product.fair(window) * thousandths // 1_000
        order = self._session.place_nowait(symbol, side, lots=lots, ticks=ticks, tif="AU")
        heed_refusal(order.answer, self._figures)
        self._figures.orders += 1

    async def _send(self, quote_set: int, legs: list[QuoteLeg]) -> None:
        self._figures.orders += 2 * len(legs)
        try:
            await self._session.quote(legs, quote_set=quote_set)
        except OrderRejected:
            pass  # Of the first leg; count_refusals hears of every leg.

    async def keep_count(self) -> None:
        """Add up the fills by instrument; what was bought in at a gate is among them."""
        async for event in self._session.events(Fill):
            lots = event.qty if event.side == Side.BUY else -event.qty
            self._held[event.inst] = self._held.get(event.inst, 0) + lots

    async def count_refusals(self) -> None:
        """Count what was refused of quotes."""
        async for event in self._session.events(Reject):
            self._figures.refuse(event.error().name)

    async def heed_protection(self) -> None:
        """Take a breath when the protection has pulled a product's quotes, then quote again."""
        async for notice in self._session.events(Notice):
            if notice.kind != NoticeKind.MMP_FIRED:
                continue
            self._frozen.add(notice.arg)
            self._figures.protections += 1
            await asyncio.sleep(PAUSE_S)
            await self._session.mmp_reset(notice.arg)
            self._frozen.discard(notice.arg)
