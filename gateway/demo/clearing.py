"""Delivery in the demonstration: the providers' daemons, standby capacity, and a provider that dies."""

import asyncio
import random

from exchange.records import Phase, Side
from exchange.units import HOUR_NS, NS_PER_SECOND
from gateway.client import OrderRejected, RequestRefused, Session, connect
from gateway.demo.attendance import phase_of, trader
from gateway.demo.clearing_setup import DOGWOOD_LOTS, ELM_BUYER, ELM_LOTS, ELM_WINDOWS, PLACE
from gateway.demo.figures import Figures
from gateway.demo.products import DOGWOOD, ELM, PRODUCTS, DemoProduct
from gateway.demo.venue import Venue

DAEMON_LANE = 1  # A provider trades on lane 0; its daemon has a session of its own.
BEAT_S = 0.25  # Of real time: between two heartbeats, and two looks at what is due.
ELM_PRICE = 1_002  # Thousandths of what is fair: above all other bids, below all other offers.
STANDBY_OFFER = (1_120, 1_240)
DIES_AFTER_S = 20 * 60  # Into its first delivery.



# Daemons.


class Daemon:
    """Beats for the nodes of one fabric and reads their meter, as long as it lives."""

    def __init__(self, venue: Venue, session: Session, product: DemoProduct, fabric: int, nodes: int) -> None:
        self._venue = venue
        self._session = session
        self._product = product.name
        self._fabric = product.fabrics[fabric]
        self._nodes = nodes
        self._beats = 0
        self._read: dict[int, int] = {}  # Minutes of a window that were read.

    async def beat(self) -> None:
        """Say that all nodes are well, and report what they have delivered since the last time."""
        self._beats += 1
        now_ns = self._venue.clock()
        try:
            await self._session.heartbeat(self._product, self._fabric, self._beats, [(0, self._nodes)])
            for window in (now_ns // HOUR_NS - 1, now_ns // HOUR_NS):
                await self._report(window, now_ns)
        except RequestRefused:
            return  # Nothing is delivered there now.

    async def _report(self, window: int, now_ns: int) -> None:
        done = min((now_ns - window * HOUR_NS) // (60 * NS_PER_SECOND), 60)
        read = self._read.get(window, 0)
        if done <= read or (read == 0 and window * HOUR_NS + HOUR_NS < now_ns):
            return
        await self._session.meter(
            self._product, self._fabric, window, first=0, count=self._nodes, interval=read, intervals=done - read,
            rating_ppm=1_000_000,
        )  # fmt: skip
        self._read[window] = done


async def keep_beating(venue: Venue, account: str) -> None:
    """Run the daemons of an ordinary provider."""
    async with connect(venue.url, venue.keys[account], lane=DAEMON_LANE) as session:
        daemons = [
            Daemon(venue, session, product, fabric, product.nodes)
            for product in PRODUCTS
            for fabric, name in enumerate(product.providers)
            if name == account
        ]
        while True:
            for daemon in daemons:
                await daemon.beat()
            await asyncio.sleep(BEAT_S)


async def provide_and_die(venue: Venue, figures: Figures) -> None:
    """Be the provider that sells a few windows, delivers, and falls silent in the middle of the first one."""
    product, fabric = PLACE
    async with trader(venue, ELM, figures) as session:
        daemon = Daemon(venue, session, product, fabric, ELM_LOTS)
        first = venue.next_window
        windows = range(first, first + ELM_WINDOWS)
        await buy_from_elm(venue, windows)
        await place_all(session, product, fabric, windows, Side.SELL)
        end_ns = first * HOUR_NS + DIES_AFTER_S * NS_PER_SECOND
        while venue.clock() < end_ns:
            await daemon.beat()
            await asyncio.sleep(BEAT_S)
        figures.news.append(f"silent  {ELM} is not heard of any more")
        await asyncio.Event().wait()


async def buy_from_elm(venue: Venue, windows: range) -> None:
    """Let a lab bid for what will be offered, and say what may replace it."""
    product, fabric = PLACE
    async with connect(venue.url, venue.keys[ELM_BUYER], lane=DAEMON_LANE) as session:
        await session.delivery_terms(
            product.name, product.fabrics[fabric], windows[0], count=len(windows), other_fabric=True, cover=True,
            checkpoint_s=900, restart_s=300,
        )  # fmt: skip
        await place_all(session, product, fabric, windows, Side.BUY)


async def place_all(session: Session, product: DemoProduct, fabric: int, windows: range, side: Side) -> None:
    """Bid for or offer as many lots of each window as the failing provider has."""
    batch = session.batch()
    for window in windows:
        symbol = product.symbol(window, fabric)
        if phase_of(session, symbol) == Phase.CONTINUOUS:
            ticks = product.fair(window) * ELM_PRICE // 1_000
            batch.place_nowait(symbol, side, lots=ELM_LOTS, ticks=ticks, physical=side == Side.SELL)
    if len(batch):
        await batch.send()


async def stand_by(venue: Venue, figures: Figures, seed: int) -> None:
    """Be the provider that offers standby capacity behind each gate, half of it firm."""
    product, fabric = PLACE
    dice = random.Random(seed)
    offered: set[int] = set()
    async with trader(venue, DOGWOOD, figures) as session:
        daemon = Daemon(venue, session, product, fabric, DOGWOOD_LOTS)
        while True:
            for window in (venue.hour, venue.hour + 1):
                symbol = product.symbol(window, fabric)
                if window not in offered and phase_of(session, symbol) == Phase.BALANCING:
                    offered.add(window)
                    await stand_by_in(session, product, symbol, window, dice)
            await daemon.beat()
            await asyncio.sleep(BEAT_S)


async def stand_by_in(session: Session, product: DemoProduct, symbol: str, window: int, dice: random.Random) -> None:
    """Offer standby capacity of one window."""
    batch = session.batch()
    for firm in (True, False):
        ticks = product.fair(window) * dice.randint(*STANDBY_OFFER) // 1_000
        batch.place_nowait(symbol, Side.SELL, lots=DOGWOOD_LOTS // 2, ticks=ticks, standby=True, firm=firm)
    for answer in await batch.send():
        if isinstance(answer, OrderRejected):
            return
