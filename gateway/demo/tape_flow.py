"""Those who trade a tape: one account's orders rest, another's take what was executed."""

import asyncio
import time
from collections.abc import Iterable

from exchange.records import Side
from gateway.client import Ack, Order, OrderRejected, connect
from gateway.demo.figures import Figures
from gateway.demo.products import STOCK
from gateway.demo.tape import ADD, DELETE, REDUCE, Message
from gateway.demo.venue import Venue

TAPE_MESSAGES_PER_S = 800
UNANSWERED_MAX = 400


async def replay_tape(venue: Venue, maker: str, taker: str, messages: Iterable[Message], figures: Figures) -> None:
    """Trade a stock's order flow in one instrument: one account's orders rest, another's take what was executed."""
    resting: dict[int, Order] = {}
    waiting: set[asyncio.Future[Ack]] = set()
    symbol = STOCK.symbol(venue.tape_window)

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
