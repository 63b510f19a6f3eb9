"""Sessions of the demonstration, and what every trader hears whatever it does: ends, deliveries, refusals."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

from exchange.reasons import DoneReason
from exchange.records import Phase
from gateway.client import (
    Ack,
    Assigned,
    BoughtIn,
    ConnectionClosed,
    Default,
    Done,
    EventReader,
    LayerPaid,
    LotState,
    OrderRejected,
    Session,
    Substitute,
    connect,
)
from gateway.client.orders import OpenOrder
from gateway.demo.figures import Figures
from gateway.demo.venue import Venue

Heard = Done | Assigned | BoughtIn | LotState | Substitute | LayerPaid | Default
CLEARING = (LotState, Substitute, LayerPaid, Default)


@contextlib.asynccontextmanager
async def trader(venue: Venue, account: str, figures: Figures) -> AsyncIterator[Session]:
    """Give a session of an account, whose ends and deliveries are counted."""
    async with connect(venue.url, venue.keys[account], cod="lane") as session:
        hearing = asyncio.create_task(hear(venue, session, account, figures))
        try:
            yield session
        finally:
            hearing.cancel()
            await asyncio.gather(hearing, return_exceptions=True)


async def hear(venue: Venue, session: Session, account: str, figures: Figures) -> None:
    """Count what gates and the clearinghouse do to an account."""
    events: EventReader[Heard] = session.events(Done, Assigned, BoughtIn, *CLEARING)
    with contextlib.suppress(ConnectionClosed):
        async for event in events:
            if isinstance(event, CLEARING):
                tell_clearing(venue, session, account, event, figures)
            elif isinstance(event, Assigned):
                figures.assign(event, account)
            elif isinstance(event, BoughtIn):
                figures.buy_in(event, account, session.instruments.find(event.inst).symbol)
            elif event.reason == DoneReason.GATE:
                figures.ended_by_gates += 1


def tell_clearing(
    venue: Venue, session: Session, account: str, event: LotState | Substitute | LayerPaid | Default, figures: Figures
) -> None:
    """Note what a default does to an account."""
    if isinstance(event, LotState):
        if event.is_failed and event.role == 1:
            figures.fail_lots(account, event.qty, session.instruments.find(event.inst).symbol, event.since_ts)
    elif isinstance(event, Substitute):
        instrument = session.instruments.find(event.inst)
        other = venue.engine.catalogue.account_name(event.other) or ""
        figures.substitute(account, other, event, instrument.symbol, instrument.price(event.px))
    elif isinstance(event, LayerPaid):
        figures.pay_layer(account, event)
    else:
        figures.news.append(f"default  case {event.case} of {account}: {event.kind_name.lower()}")


def phase_of(session: Session, symbol: str) -> int | None:
    """Return the phase of an instrument as the session last heard it, or None where it is not listed."""
    try:
        return session.instruments.find(symbol).state
    except LookupError:
        return None


def is_trading(session: Session, symbol: str) -> bool:
    """Whether an instrument trades continuously, as far as the session has heard."""
    return phase_of(session, symbol) == Phase.CONTINUOUS


def heed_refusal(answer: "asyncio.Future[Ack]", figures: Figures) -> None:
    """Count the refusal of a command whose answer nobody waits for."""

    def heed(answer: "asyncio.Future[Ack]") -> None:
        error = None if answer.cancelled() else answer.exception()
        if isinstance(error, OrderRejected):
            figures.refuse(error.name)

    answer.add_done_callback(heed)


async def timed(order: OpenOrder, figures: Figures) -> bool:
    """Wait for the answer of an order or block and note how long it took; False when it was refused."""
    figures.orders += 1
    start = time.perf_counter()
    try:
        await order.accepted()
    except OrderRejected as refusal:
        figures.refuse(refusal.name)
        return False
    finally:
        figures.latencies_us.append((time.perf_counter() - start) * 1e6)
    return True
