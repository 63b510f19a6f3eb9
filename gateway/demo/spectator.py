"""The spectator: hears every trade and phase, and the best prices of what is on the screen."""

import asyncio
import contextlib
from collections.abc import Callable

from exchange.records import EventFlag, Phase
from gateway.client import (
    BestPrices,
    Channel,
    ConnectionClosed,
    EventReader,
    Indicative,
    Perished,
    Session,
    Status,
    Trade,
    connect,
)
from gateway.demo.attendance import phase_of
from gateway.demo.figures import Figures
from gateway.demo.venue import Venue

LOOK_S = 0.3
Public = Trade | BestPrices | Status | Indicative | Perished


async def observe(venue: Venue, account: str, shown: Callable[[], list[str]], figures: Figures) -> None:
    """Be a spectator until the venue stops; `shown` gives the symbols that are on the screen now."""
    with contextlib.suppress(ConnectionClosed):
        async with connect(venue.url, venue.keys[account]) as session:
            events: EventReader[Public] = session.events(Trade, BestPrices, Status, Indicative, Perished)
            await session.subscribe(Channel.TRADES)
            await session.subscribe(Channel.STATUS)
            following = asyncio.create_task(follow(session, shown))
            try:
                async for event in events:
                    note(session, event, figures)
            finally:
                following.cancel()
                await asyncio.gather(following, return_exceptions=True)


async def follow(session: Session, shown: Callable[[], list[str]]) -> None:
    """Listen to the best prices of what comes onto the screen."""
    heard: set[str] = set()
    while True:
        fresh = [symbol for symbol in shown() if symbol not in heard and phase_of(session, symbol) is not None]
        if fresh:
            heard.update(fresh)
            await session.subscribe(Channel.L1, fresh)
        await asyncio.sleep(LOOK_S)


def note(session: Session, event: Public, figures: Figures) -> None:
    """Take in what the public hears."""
    if isinstance(event, BestPrices):
        figures.best[event.inst] = (event.bid_px, event.bid_qty, event.ask_px, event.ask_qty)
    elif isinstance(event, Indicative):
        figures.indicatives[event.inst] = event
    elif isinstance(event, Perished):
        figures.perish(event, session.instruments.find(event.inst).symbol)
    elif isinstance(event, Status):
        figures.statuses[event.inst] = event
        if event.state == Phase.GATED:
            figures.gate(event.inst, session.instruments.find(event.inst).symbol)
    else:
        figures.trades += 1
        figures.lots_traded += event.qty
        figures.lots_in_calls += event.qty if event.flags & EventFlag.CALL else 0
        if not event.flags & EventFlag.BLOCK:
            symbol = session.instruments.find(event.inst).symbol
            figures.recent.append(f"{event.qty:>4} lots @ {event.px:>6}  {symbol}")
