"""Providers: they sell the capacity that was certified for their fabrics, window by window, before it perishes."""

import asyncio
import random
import time

from exchange.records import Phase, Side
from gateway.client import Batch, Order, OrderRejected, Session
from gateway.demo.attendance import heed_refusal, phase_of, trader
from gateway.demo.figures import Figures
from gateway.demo.products import PRODUCTS, ROLLING_HOURS, DemoProduct
from gateway.demo.venue import Venue

BATCH_ORDERS = 64
LOOK_S = 0.25
SHOWN_LOTS = 10
OFFERS = ((1_005, 1_030), (1_030, 1_060))  # Half of the capacity each: its price, thousandths of what is fair.
CLOSING_OFFER = (930, 990)  # In the closing call: what nobody buys now perishes.


async def provide(venue: Venue, account: str, figures: Figures, seed: int) -> None:
    """Be a provider: offer all capacity of all windows, new ones as they are listed, cheaper in the closing call."""
    async with trader(venue, account, figures) as session:
        provider = Provider(session, figures, random.Random(seed))
        fabrics = [
            (product, fabric)
            for product in PRODUCTS
            for fabric, name in enumerate(product.providers)
            if name == account
        ]
        while True:
            first = venue.next_window
            for product, fabric in fabrics:
                provider.clear_out(product, fabric, first)
                await provider.stock(product, fabric, range(first, first + ROLLING_HOURS))
            await asyncio.sleep(LOOK_S)


class Provider:
    """What a provider has offered where."""

    def __init__(self, session: Session, figures: Figures, dice: random.Random) -> None:
        self._session = session
        self._figures = figures
        self._dice = dice
        self._offers: dict[str, list[Order]] = {}  # By symbol.

    async def stock(self, product: DemoProduct, fabric: int, windows: range) -> None:
        """Offer the capacity of windows that trade and are not on offer yet."""
        batch = self._session.batch()
        for window in windows:
            symbol = product.symbol(window, fabric)
            if symbol in self._offers or phase_of(self._session, symbol) != Phase.CONTINUOUS:
                continue
            self._offers[symbol] = [
                batch.place_nowait(
                    symbol, Side.SELL, lots=product.nodes // len(OFFERS), display=SHOWN_LOTS, physical=True,
                    ticks=product.fair(window) * self._dice.randint(low, high) // 1_000,
                )
                for low, high in OFFERS
            ]  # fmt: skip
            if len(batch) + len(OFFERS) > BATCH_ORDERS:
                await self._send(batch)
        if len(batch):
            await self._send(batch)

    def clear_out(self, product: DemoProduct, fabric: int, window: int) -> None:
        """Lower the price of what is left when the closing call of a window has begun."""
        symbol = product.symbol(window, fabric)
        if phase_of(self._session, symbol) != Phase.PRECLOSE:
            return
        for order in self._offers.pop(symbol, []):
            if order.leaves:
                ticks = product.fair(window) * self._dice.randint(*CLOSING_OFFER) // 1_000
                heed_refusal(self._session.replace_nowait(order, ticks=ticks), self._figures)
                self._figures.orders += 1

    async def _send(self, batch: Batch) -> None:
        self._figures.orders += len(batch)
        start = time.perf_counter()
        for answer in await batch.send():
            if isinstance(answer, OrderRejected):
                self._figures.refuse(answer.name)
        self._figures.latencies_us.append((time.perf_counter() - start) * 1e6)
