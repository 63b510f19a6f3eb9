"""Buyers of hours: for each job they take its windows one by one, and sell back what they no longer need."""

import asyncio
import random
import time
from collections.abc import Iterable

from exchange.records import Phase, Side
from gateway.client import Batch, Order, OrderRejected, Session
from gateway.demo.attendance import is_trading, phase_of, timed
from gateway.demo.demand import HOURS_MAX, Job
from gateway.demo.figures import Figures
from gateway.demo.products import PRODUCTS, DemoProduct
from gateway.demo.venue import Venue

SELL_BACK_SHARE = 0.2  # Of the jobs end early and sell what is left.
URGENT_SHARE = 0.25  # Of the jobs begin in the next window, whatever the trace says.
PATIENT_SHARE = 0.3  # Of the hours may wait for a better price.
LIMIT, PATIENT_LIMIT, CLOSING_LIMIT, SELL_BACK_LIMIT = 1_030, 1_009, 1_020, 1_015  # Thousandths of what is fair.


async def buy_hours(venue: Venue, session: Session, jobs: Iterable[Job], figures: Figures, seed: int) -> None:
    """Be a buyer: for each job, take its hours one by one, bid for what was not for sale, sell back what ends early."""
    dice = random.Random(seed)
    for job in jobs:
        wait_s = job.at_s - figures.elapsed_s
        if wait_s > 0:
            await asyncio.sleep(wait_s)
        await run_job(venue, session, job, figures, dice)


async def run_job(venue: Venue, session: Session, job: Job, figures: Figures, dice: random.Random) -> None:
    """Buy the hours of one job."""
    product = PRODUCTS[0] if job.gpus >= 8 else PRODUCTS[1] if job.gpus >= 2 else dice.choice(PRODUCTS)
    lots = -(-job.gpus // product.lot_scu)
    first = 0 if dice.random() < URGENT_SHARE else job.hour
    hours = [hour for hour in range(first, first + job.hours) if hour < HOURS_MAX] or [first]
    figures.jobs += 1
    figures.hours_wanted += len(hours)
    batch, orders, immediate = session.batch(), [], []
    for hour in hours:
        is_patient = dice.random() < PATIENT_SHARE
        order = want(session, batch, product, venue.next_window + hour, lots, is_patient)
        if order is not None:
            orders.append(order)
            if not is_patient and is_trading(session, order.instrument.symbol):
                immediate.append(order)
    if not orders:
        return
    figures.orders += len(orders)
    start = time.perf_counter()
    for answer in await batch.send():
        if isinstance(answer, OrderRejected):
            figures.refuse(answer.name)
    figures.latencies_us.append((time.perf_counter() - start) * 1e6)
    await asyncio.gather(*(order.wait_ended() for order in immediate))
    bought = [order for order in orders if order.cum > 0]
    figures.lots_bought += sum(order.cum for order in bought)
    if bought and dice.random() < SELL_BACK_SHARE:
        await sell_back(session, product, bought[len(bought) // 2 :], figures)


def want(
    session: Session, batch: Batch, product: DemoProduct, window: int, lots: int, is_patient: bool
) -> Order | None:
    """Add an order for one window to a batch: at once, patient, or in the call it is in; None where it is closed."""
    symbol = product.symbol(window)
    phase, limit, tif = phase_of(session, symbol), LIMIT, "IOC"
    if phase in (Phase.PRECLOSE, Phase.VOLATILITY):
        limit, tif = CLOSING_LIMIT, "AU"
    elif phase != Phase.CONTINUOUS:
        return None
    elif is_patient:
        limit, tif = PATIENT_LIMIT, "GTG"
    return batch.place_nowait(symbol, Side.BUY, lots=lots, ticks=product.fair(window) * limit // 1_000, tif=tif)


async def sell_back(session: Session, product: DemoProduct, bought: list[Order], figures: Figures) -> None:
    """Offer the rest of the hours of a job that ended early, never more than is held."""
    for order in bought:
        if is_trading(session, order.instrument.symbol):
            ticks = order.ticks * SELL_BACK_LIMIT // LIMIT
            offer = session.place_nowait(
                order.instrument.inst, Side.SELL, lots=order.cum, reduce_only=True, ticks=ticks
            )
            await timed(offer, figures)
