"""Sessions that trade through whatever happens to their connections, and the comparison with the journal at the end."""

import asyncio
import contextlib
import random
from collections import Counter, deque

from served import executions

from exchange.records import EventFlag, EventType, Side
from gateway.client import Done, Fill, OrderRejected, OrderStage, Reconnected, Reconnecting, Replaced, connect

IN_FLIGHT = 60
BATCH_ORDERS = 8


class Trader:
    """One lane: it places, replaces and cancels without end, and notes all that it is told."""

    def __init__(self, account, lane, seed):
        self.account = account
        self.lane = lane
        self.orders = []
        self.changes = []  # Futures of cancels and replaces.
        self.told = []  # Numbered private messages.
        self.returns = []
        self.losses = 0
        self.session = None
        self._dice = random.Random(seed)

    async def trade(self, url, key, over, together, **terms):
        """Trade until the event is set. The barrier is met twice: all listen before the first one trades, and all
        have every answer before the last news are heard.
        """
        async with connect(url, key, lane=self.lane, **terms) as session:
            self.session = session
            hearing = asyncio.create_task(self._hear(session.events(Fill, Done, Replaced, Reconnecting, Reconnected)))
            await together.wait()
            flying = deque()
            while not over.is_set():
                while len(flying) < IN_FLIGHT:
                    flying.append(self._act())
                with contextlib.suppress(OrderRejected):
                    await flying.popleft()
            await asyncio.gather(*flying, return_exceptions=True)
            await together.wait()
            await session.ping()
            await asyncio.sleep(0)  # The reader takes what was offered before the answer.
            hearing.cancel()
            await asyncio.gather(hearing, return_exceptions=True)

    def _act(self):
        """Send something; return what waits for its answer."""
        session, dice = self.session, self._dice
        choice = dice.random()
        if choice < 0.1:
            batch = session.batch()
            for _ in range(BATCH_ORDERS):
                self.orders.append(batch.place_nowait(*self._what(), **self._terms()))
            return asyncio.ensure_future(batch.send())
        open_orders = [order for order in self.orders[-50:] if order.is_open]
        if choice < 0.35 and open_orders:
            order = dice.choice(open_orders)
            if order.ref:
                sent = session.cancel_nowait(order) if choice < 0.25 else session.replace_nowait(order, lots=30)
                self.changes.append(sent)
                return sent
        order = session.place_nowait(*self._what(), **self._terms())
        self.orders.append(order)
        return order.answer

    def _what(self):
        return self._dice.choice((1, 2)), Side(self._dice.randrange(2))

    def _terms(self):
        dice = self._dice
        return {"ticks": dice.randrange(90, 111), "lots": dice.randrange(0, 20), "tif": dice.choice(("GTG", "IOC"))}

    async def _hear(self, events):
        async for event in events:
            if isinstance(event, Reconnecting):
                self.losses += 1
            elif isinstance(event, Reconnected):
                self.returns.append(event)
            else:
                self.told.append(event)


def check_against_journal(grounds, traders):
    """Every ref has one outcome, the journal's; every private message was told once, in order, without a gap."""
    engine, events = grounds.replayed()
    numbers = {account: engine.catalogue.account_number(account) for account in grounds.key}
    accepted = executions(events, numbers)
    refused = events[(events["type"] == EventType.REJECT) & ((events["flags"] & EventFlag.DUPLICATE) == 0)]
    refusals = {(int(event["account"]), int(event["lane"]), int(event["ref"])) for event in refused}
    fills = events[events["type"] == EventType.FILL]
    lots = Counter()
    for event in fills:
        lots[int(event["oid"])] += int(event["lots"])
    ended = {int(event["oid"]): int(event["reason"]) for event in events[events["type"] == EventType.DONE]}
    known = set()
    for trader in traders:
        assert all(change.done() for change in trader.changes)
        changed = [change.result().ref for change in trader.changes if change.exception() is None]
        known |= {(trader.account, trader.lane, ref) for ref in changed}
        for order in trader.orders:
            key = (trader.account, trader.lane, order.ref)
            assert order.answer.done(), f"{key} must have an outcome"
            if order.stage is OrderStage.REJECTED:
                assert key not in accepted
                assert (numbers[trader.account], trader.lane, order.ref) in refusals, order.error
                continue
            known.add(key)
            assert accepted[key] == order.oid
            assert (order.cum, sum(fill.qty for fill in order.fills)) == (lots[order.oid], lots[order.oid]), key
            assert order.done_reason == ended.get(order.oid), key
        mine = fills[fills["account"] == numbers[trader.account]]
        heard = [event for event in trader.told if isinstance(event, Fill)]
        assert [(fill.oid, fill.exec_id, fill.qty) for fill in heard] == [
            (int(event["oid"]), int(event["match_id"]), int(event["lots"])) for event in mine
        ]
        pseqs = [event.pseq for event in trader.told]
        assert pseqs == list(range(pseqs[0], pseqs[0] + len(pseqs))), "each once, in order, without a gap"
    assert known == accepted.keys(), "nothing was executed that the client does not know of, and nothing unknown"
    return len(known), len(fills)
