"""Those who trade in the demonstration, each a task with a session of its own, as bot authors would write them."""

import asyncio
import contextlib
import random
import time
from collections.abc import Iterable

from exchange.records import Side
from gateway.client import (
    Ack,
    BestPrices,
    Channel,
    ConnectionClosed,
    EventReader,
    Fill,
    Order,
    OrderRejected,
    QuoteLeg,
    Reject,
    Session,
    Trade,
    connect,
)
from gateway.demo.demand import HOURS_MAX, Job
from gateway.demo.figures import Figures
from gateway.demo.tape import ADD, DELETE, REDUCE, Message
from gateway.demo.venue import PRODUCTS, STOCK, WINDOWS, DemoProduct, Venue

LEGS_A_FRAME = 48
REQUOTE_S = 0.12
RESTOCK_S = 1.0
INVENTORY_LOTS = 40  # Per provider, product fabric and window, each time it is sold out.
SELL_BACK_SHARE = 0.2  # Of the jobs end early and sell what is left.
TAPE_MESSAGES_PER_S = 800
UNANSWERED_MAX = 400


def decimal_price(product: DemoProduct, ticks: int) -> str:
    """Dollars per SCU-hour as exact decimal text."""
    micros = ticks * product.tick_micros
    return f"{micros // 1_000_000}.{micros % 1_000_000:06d}"


def shape(hour: int) -> int:
    """How dear an hour of the day is against the average, in thousandths: nights are cheap, afternoons dear."""
    return (940, 930, 925, 930, 945, 965, 985, 1_000, 1_015, 1_030, 1_045, 1_055,
            1_060, 1_060, 1_055, 1_045, 1_035, 1_025, 1_015, 1_005, 990, 975, 960, 950)[hour % 24]  # fmt: skip


async def timed(order: Order, figures: Figures) -> Order | None:
    """Wait for the answer of an order and note how long it took; None when it was refused."""
    start = time.perf_counter()
    try:
        await order.accepted()
    except OrderRejected as refusal:
        figures.refuse(refusal.name)
        return None
    finally:
        figures.latencies_us.append((time.perf_counter() - start) * 1e6)
    return order


async def provide(venue: Venue, account: str, figures: Figures, seed: int) -> None:
    """Be a provider: list what it has for every window of its fabrics, and list again what it could not sell."""
    dice = random.Random(seed)
    async with connect(venue.url, venue.keys[account], cod="lane") as session:
        listed: dict[tuple[DemoProduct, int, int], Order] = {}
        while True:
            for product in PRODUCTS:
                for fabric in range(len(product.fabrics)):
                    for hour in dice.sample(range(WINDOWS), 4):
                        place = product, fabric, hour
                        if place in listed and listed[place].leaves > 0:
                            continue
                        ticks = product.ticks * shape(hour) // 1_000 * dice.randint(1_005, 1_060) // 1_000
                        order = session.place_nowait(
                            venue.symbol(product, hour, fabric), Side.SELL, lots=INVENTORY_LOTS, display=10,
                            price=decimal_price(product, ticks), cancel_on_disconnect=True,
                        )  # fmt: skip
                        figures.orders += 1
                        if await timed(order, figures):
                            listed[place] = order
            await asyncio.sleep(RESTOCK_S * dice.uniform(0.5, 1.5))


async def make_market(venue: Venue, account: str, figures: Figures, seed: int) -> None:
    """Be a maker: quote both sides of every window of four products in a few frames, leaning against what it holds."""
    dice = random.Random(seed)
    places = [(product, fabric, hour) for product in PRODUCTS for fabric in range(len(product.fabrics))
              for hour in range(WINDOWS)]  # fmt: skip
    drift = dict.fromkeys(PRODUCTS, 0)
    held: dict[int, int] = {}
    async with connect(venue.url, venue.keys[account], cod="lane") as session, asyncio.TaskGroup() as group:
        group.create_task(keep_count(session, held))
        group.create_task(count_refusals(session, figures))
        while True:
            for product in PRODUCTS:
                drift[product] += dice.choice((-2, -1, -1, 0, 0, 1, 1, 2))
            legs = []
            for product, fabric, hour in places:
                symbol = venue.symbol(product, hour, fabric)
                lean = held.get(session.instruments.find(symbol).inst, 0) // 4
                middle = product.ticks * shape(hour) // 1_000 + drift[product] - lean
                half = max(2, product.ticks // 300) + dice.randint(0, 3)
                legs.append(
                    QuoteLeg(
                        symbol, decimal_price(product, middle - half), dice.randint(2, 12),
                        decimal_price(product, middle + half), dice.randint(2, 12),
                    )
                )  # fmt: skip
            for start in range(0, len(legs), LEGS_A_FRAME):
                frame = legs[start : start + LEGS_A_FRAME]
                figures.orders += 2 * len(frame)
                await session.quote(frame)
            await asyncio.sleep(REQUOTE_S * dice.uniform(0.8, 1.2))


async def keep_count(session: Session, held: dict[int, int]) -> None:
    """Add up the fills of a session by instrument."""
    async for event in session.events(Fill):
        held[event.inst] = held.get(event.inst, 0) + (event.qty if event.side == Side.BUY else -event.qty)


async def count_refusals(session: Session, figures: Figures) -> None:
    """Count what was refused of a quote after its answer."""
    async for event in session.events(Reject):
        figures.refuse(event.error().name)


async def buy(venue: Venue, account: str, jobs: Iterable[Job], figures: Figures, seed: int) -> None:
    """Be a buyer: for each job, take its hours one by one, bid for what was not for sale, sell back what ends early."""
    dice = random.Random(seed)
    async with connect(venue.url, venue.keys[account], cod="lane") as session:
        for job in jobs:
            wait_s = job.at_s - figures.elapsed_s
            if wait_s > 0:
                await asyncio.sleep(wait_s)
            await run_job(venue, session, job, figures, dice)


async def run_job(venue: Venue, session: Session, job: Job, figures: Figures, dice: random.Random) -> None:
    """Buy the hours of one job."""
    product = PRODUCTS[0] if job.gpus >= 8 else PRODUCTS[1] if job.gpus >= 2 else dice.choice(PRODUCTS)
    lots = -(-job.gpus // product.lot_scu)
    hours = [hour for hour in range(job.hour, job.hour + job.hours) if hour < HOURS_MAX] or [job.hour]
    figures.jobs += 1
    figures.hours_wanted += len(hours)
    batch = session.batch()
    orders, immediate = [], []
    for hour in hours:
        limit = product.ticks * shape(hour) // 1_000 * 1_030 // 1_000
        patient = dice.random() < 0.3
        price = decimal_price(product, limit * 98 // 100 if patient else limit)
        tif = "GTG" if patient else "IOC"
        order = batch.place_nowait(venue.symbol(product, hour), Side.BUY, lots=lots, price=price, tif=tif)
        orders.append(order)
        if not patient:
            immediate.append(order)
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


async def sell_back(session: Session, product: DemoProduct, bought: list[Order], figures: Figures) -> None:
    """Offer the rest of the hours of a job that ended early, never more than is held."""
    for order in bought:
        offer = session.place_nowait(
            order.instrument.inst, Side.SELL, lots=order.cum, reduce_only=True,
            price=decimal_price(product, order.ticks * 99 // 100),
        )  # fmt: skip
        figures.orders += 1
        await timed(offer, figures)


async def replay_tape(venue: Venue, maker: str, taker: str, messages: Iterable[Message], figures: Figures) -> None:
    """Trade a stock's order flow in one instrument: one account's orders rest, another's take what was executed."""
    resting: dict[int, Order] = {}
    waiting: set[asyncio.Future[Ack]] = set()
    symbol = venue.symbol(STOCK, 0)

    def heed(answer: asyncio.Future[Ack]) -> None:
        waiting.add(answer)
        answer.add_done_callback(finished)

    def finished(answer: asyncio.Future[Ack]) -> None:
        waiting.discard(answer)
        error = None if answer.cancelled() else answer.exception()
        if isinstance(error, OrderRejected):
            figures.refuse(error.name)

    async with connect(venue.url, venue.keys[maker]) as rests, connect(venue.url, venue.keys[taker]) as takes:
        start_s = time.monotonic()
        for number, message in enumerate(messages):
            order = resting.get(message.order_id)
            if message.kind == ADD:
                side = Side.BUY if message.is_buy else Side.SELL
                order = rests.place_nowait(symbol, side, lots=message.lots, ticks=message.ticks)
                resting[message.order_id] = order
                heed(order.answer)
            elif order is None:
                continue  # It rested before the recording began.
            elif message.kind == DELETE:
                heed(rests.cancel_nowait(resting.pop(message.order_id)))
            elif message.kind == REDUCE:
                order.lots -= message.lots
                heed(rests.replace_nowait(order, lots=order.lots))
            else:
                side = Side.SELL if message.is_buy else Side.BUY
                heed(takes.place_nowait(symbol, side, lots=message.lots, ticks=message.ticks, tif="IOC").answer)
            figures.orders += 1
            figures.tape_messages += 1
            ahead_s = number / TAPE_MESSAGES_PER_S - (time.monotonic() - start_s)
            if ahead_s > 0.005 or len(waiting) > UNANSWERED_MAX:
                await asyncio.sleep(max(ahead_s, 0.001))


async def observe(venue: Venue, account: str, shown: list[str], figures: Figures) -> None:
    """Be a spectator: hear every trade, and the best prices of the instruments on the screen."""
    with contextlib.suppress(ConnectionClosed):
        async with connect(venue.url, venue.keys[account]) as session:
            events: EventReader[Trade | BestPrices] = session.events(Trade, BestPrices)
            await session.subscribe(Channel.TRADES)
            await session.subscribe(Channel.L1, shown)
            async for event in events:
                if isinstance(event, BestPrices):
                    figures.best[event.inst] = (event.bid_px, event.bid_qty, event.ask_px, event.ask_qty)
                    continue
                figures.trades += 1
                figures.lots_traded += event.qty
                symbol = session.instruments.find(event.inst).symbol
                figures.recent.append(f"{event.qty:>4} lots @ {event.px:>6}  {symbol}")
