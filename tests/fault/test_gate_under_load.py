"""A gate closes amid full load: every owner hears once how each order ended, and behind the gate nothing trades.

The real gateway with its journal, six accounts over loopback. Each rests hundreds of orders and some blocks in the
windows, then streams orders, cancels and replaces, while the market's clock jumps past the closing call, then past the
gate. What the sessions heard is compared with the journal, event by event.
"""

import asyncio
import contextlib
import random
import time
from collections import Counter, defaultdict, deque

import numpy as np
import pytest
import uvloop

from exchange import commands
from exchange.engine import Engine
from exchange.reasons import DoneReason, RejectReason
from exchange.records import EVENT, EventType, Phase, Side
from exchange.replay import replay
from exchange.units import HOUR_NS, NS_PER_SECOND
from gateway.auth import KeyStore, generate_key
from gateway.client import (
    Ack,
    Assigned,
    BoughtIn,
    Capacity,
    Channel,
    Done,
    Fill,
    OrderRejected,
    Reject,
    Replaced,
    Status,
    Trade,
    connect,
)
from gateway.config import GatewayConfig
from gateway.journal import Journal
from gateway.journal.reader import Reader
from gateway.publisher import Publisher
from gateway.sequencer import Sequencer
from gateway.server import Server

SEED = 20_261_128
PRODUCT, FABRICS = "H100-SXM.IB400.cuda12.T1", ["use1-f03", "use1-f04"]
GATE_LEAD_S, PRECLOSE_S, RANDOM_END_S = 900, 300, 5
WINDOWS = 4
CLOSING = (1, 2)  # Handles of the first window, the one whose gate closes; 3 to 8 stay open.
MARK = 2_000
RESTING_EACH = 400  # Orders of each account in the closing window, far from the market.
BLOCKS_EACH = 8
IN_FLIGHT = 64
STREAM_S = 0.5  # Of load in each of: before the closing call, in it, behind the gate.
TRADERS = ("ann", "bob", "cat", "dan", "eve")
PROVIDER = "pat"
ACCOUNTS = (*TRADERS, PROVIDER)
PRIVATE = (Fill, Done, Replaced, Assigned, BoughtIn, Capacity)
ENDS = {DoneReason.USER, DoneReason.IOC, DoneReason.STP, DoneReason.GATE, DoneReason.AUCTION}
PRIVATE_TYPES = {
    Fill: EventType.FILL, Done: EventType.DONE, Replaced: EventType.REPLACED, Assigned: EventType.ASSIGNED,
    BoughtIn: EventType.BOUGHT_IN, Capacity: EventType.CAPACITY,
}  # fmt: skip


class Clock:
    """The market's clock: it stands until it is set."""

    def __init__(self, now_ns):
        self.now_ns = now_ns

    def __call__(self):
        return self.now_ns


class Venue:
    """A served venue whose clock stands shortly before the closing call of its first window."""

    def __init__(self, directory):
        self.window = time.time_ns() // HOUR_NS + 48
        self.start_ns = self.window * HOUR_NS
        self.clock = Clock(self.start_ns - (GATE_LEAD_S + PRECLOSE_S + 60) * NS_PER_SECOND)
        self.engine = Engine()
        self.journal = Journal(str(directory))
        assert list(self.journal.recover()) == []
        publisher = Publisher(self.engine.catalogue)
        self.failures = []
        self.sequencer = Sequencer(
            self.engine, self.journal, publisher, self.clock, tick_ms=20, on_failure=self.failures.append
        )
        self.keys = {account: generate_key(account) for account in (*ACCOUNTS, "public")}
        config = GatewayConfig(orders_per_s=0)
        self.server = Server(self.engine, self.sequencer, publisher, KeyStore(self.keys.values()), config)

    @property
    def url(self):
        return f"ws://127.0.0.1:{self.server.port}/ws/v1"

    def setup(self):
        records = commands.set_seed(SEED) + commands.add_product(
            PRODUCT, 8, 1000, FABRICS, gate_lead_s=GATE_LEAD_S, preclose_s=PRECLOSE_S, random_end_s=RANDOM_END_S,
            balancing_s=3_300,
        )  # fmt: skip
        records += b"".join(commands.add_account(account) for account in self.keys)
        records += commands.list_window(PRODUCT, self.window, count=WINDOWS)
        records += commands.set_mark(PRODUCT, self.window, px=MARK, count=WINDOWS)
        for fabric in FABRICS:
            records += commands.certify(PROVIDER, PRODUCT, fabric, self.window, 5_000, count=WINDOWS)
        return records

    async def to(self, seconds):
        """Set the clock to some seconds before the window's start, and wait until the market knows."""
        self.clock.now_ns = self.start_ns - seconds * NS_PER_SECOND
        while self.engine.now_ns < self.clock.now_ns:
            await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def running(directory):
    venue = Venue(directory)
    venue.sequencer.start()
    assert venue.sequencer.submit(venue.setup())
    await venue.sequencer.settle()
    await venue.server.start("127.0.0.1", 0)
    try:
        yield venue
    finally:
        await venue.server.stop()
        await venue.sequencer.stop()
        venue.journal.close()


class Trader:
    """One account: what it sends, and all that it hears, in order."""

    def __init__(self, account, session, dice):
        self.account = account
        self.session = session
        self.dice = dice
        self.first_pseq = session.welcome.pseq
        self.sent = []  # Orders and blocks.
        self.asked = []  # Answers to cancels and replaces.
        self.events = []
        self._reader = session.events()
        self._hearing = asyncio.create_task(self._hear())

    async def _hear(self):
        async for event in self._reader:
            self.events.append(event)

    def place(self, inst, side, ticks, lots, **terms):
        order = self.session.place_nowait(
            inst, side, ticks=ticks, lots=lots, physical=self.account == PROVIDER and side is Side.SELL, **terms
        )
        self.sent.append(order)
        return order

    async def rest(self, window):
        """Rest orders far from the market, and blocks that begin with the closing window."""
        for number in range(RESTING_EACH):
            side = Side(number % 2)
            away = self.dice.randrange(100, 400) * (1 if side is Side.SELL else -1)
            self.place(CLOSING[number // 2 % 2], side, MARK + away, self.dice.randrange(1, 9))
        for hours in range(2, 2 + BLOCKS_EACH):
            hours = min(hours, WINDOWS)
            self.sent.append(
                self.session.buy_block_nowait(
                    PRODUCT, window, hours, lots=self.dice.randrange(1, 5), min_lots=1, total_ticks=1_000 * hours
                )
            )
        for order in self.sent:
            await order.accepted()

    async def stream(self, over):
        """Place, cancel and replace near the market until it is over."""
        flying, mine = deque(), deque(maxlen=200)
        while not over.is_set():
            while len(flying) < IN_FLIGHT:
                flying.append(self._something(mine))
            with contextlib.suppress(OrderRejected):
                await flying.popleft()
        for answer in flying:
            with contextlib.suppress(OrderRejected):
                await answer

    def _something(self, mine):
        roll = self.dice.random()
        if mine and roll < 0.3:
            answer = self.session.cancel_nowait(mine.popleft())
            self.asked.append(answer)
            return answer
        if mine and roll < 0.4:
            order = self.dice.choice(mine)
            if order.oid:
                answer = self.session.replace_nowait(order, lots=order.lots + 1)
                self.asked.append(answer)
                return answer
        inst = self.dice.choice((*CLOSING, 3, 4)) if roll < 0.9 else self.dice.choice(CLOSING)
        tif = self.dice.choice(("GTG", "GTG", "GTG", "IOC", "AU"))
        order = self.place(inst, Side(self.dice.randrange(2)), MARK + self.dice.randrange(-6, 7),
                           self.dice.randrange(1, 6), tif=tif)  # fmt: skip
        if tif == "GTG":
            mine.append(order)
        return order.answer


class Public:
    """What everybody hears of the closing window, in order."""

    def __init__(self, session):
        self.session = session
        self.heard = []
        self._reader = session.events(Trade, Status)
        self._hearing = asyncio.create_task(self._hear())

    async def _hear(self):
        async for event in self._reader:
            if event.inst in CLOSING:
                self.heard.append(event)


async def play(venue):
    """Rest, then trade through the closing call and the gate; everyone who took part."""
    async with contextlib.AsyncExitStack() as stack:
        sessions = [
            await stack.enter_async_context(connect(venue.url, venue.keys[account])) for account in venue.keys
        ]
        public = Public(sessions.pop())
        await public.session.subscribe(Channel.TRADES)
        await public.session.subscribe(Channel.STATUS)
        traders = [
            Trader(account, session, random.Random(SEED + number))
            for number, (account, session) in enumerate(zip(ACCOUNTS, sessions, strict=True))
        ]
        await asyncio.gather(*(trader.rest(venue.window) for trader in traders))
        over = asyncio.Event()
        streams = [asyncio.create_task(trader.stream(over)) for trader in traders]
        await asyncio.sleep(STREAM_S)
        await venue.to(GATE_LEAD_S + PRECLOSE_S - 1)
        await asyncio.sleep(STREAM_S)
        await venue.to(GATE_LEAD_S - RANDOM_END_S - 1)
        await asyncio.sleep(STREAM_S)
        over.set()
        await asyncio.gather(*streams)
        for trader in traders:
            with pytest.raises(OrderRejected, match="WINDOW_CLOSED"):
                await trader.place(1, Side.BUY, MARK, 1).accepted()
        for one in (*traders, public):
            await one.session.ping()
        await asyncio.sleep(0)  # The readers have their turn.
        assert venue.failures == []
        return traders, public


def ends_of(trader):
    """Every order's terminal events, by oid: the fill that left nothing, or its done. More than one is a defect."""
    ends, lot_hours = defaultdict(list), Counter()
    hours = {order.oid: getattr(order, "hours", 1) for order in trader.sent if order.oid}
    for event in trader.events:
        if isinstance(event, Done):
            ends[event.oid].append(DoneReason(event.reason))
        elif isinstance(event, Fill) and event.oid:  # What is bought in has no order.
            assert not ends[event.oid], f"{event} came after the order's end"
            lot_hours[event.oid] += event.qty
            if event.leaves == 0 and lot_hours[event.oid] == event.cum * hours[event.oid]:
                ends[event.oid].append("FILLED")
    return ends


def check_answers(trader):
    """Every command was answered once."""
    answered = Counter(event.ref for event in trader.events if isinstance(event, Ack | Reject))
    assert set(answered.values()) == {1}
    assert all(order.answer.done() for order in trader.sent)
    assert all(answer.done() for answer in trader.asked)
    assert len(answered) == len(trader.sent) + len(trader.asked)


def check_ends(trader):
    """Every order of the closing window, and every block that began with it, has ended once; others at most once."""
    ends = ends_of(trader)
    counts = Counter()
    for order in trader.sent:
        told = ends[order.oid] if order.oid else []
        if order.error is not None:
            assert told == [], order
            counts[RejectReason(order.error.reason).name] += 1
            continue
        assert len(told) <= 1, (order, told)
        is_block = hasattr(order, "hours")
        if is_block or order.instrument.inst in CLOSING:
            assert len(told) == 1, order
            assert told[0] == "FILLED" or told[0] in ENDS, told
            counts[f"{'block' if is_block else 'order'} {getattr(told[0], 'name', told[0])}"] += 1
            assert not order.is_open
    counts["bought in"] += sum(isinstance(event, BoughtIn) for event in trader.events)
    counts["assigned"] += sum(isinstance(event, Assigned) for event in trader.events)
    return counts


def check_stream(trader, number, replayed):
    """The private stream has no gaps, and is what the journal says of the account, in its order."""
    private = [event for event in trader.events if isinstance(event, PRIVATE)]
    assert [event.pseq for event in private] == list(
        range(trader.first_pseq + 1, trader.first_pseq + 1 + len(private))
    )
    mine = replayed[(replayed["account"] == number) & np.isin(replayed["type"], list(PRIVATE_TYPES.values()))]
    mine = mine[trader.first_pseq :]  # What was certified before the login.
    said = [(PRIVATE_TYPES[type(event)], getattr(event, "oid", 0)) for event in private]
    assert said == [(int(event["type"]), int(event["oid"])) for event in mine]


def check_public(public):
    """Behind the gate nothing trades; the phases came in order."""
    for inst in CLOSING:
        heard = [event for event in public.heard if event.inst == inst]
        phases = [event.state for event in heard if isinstance(event, Status)]
        assert phases[-3:] == [Phase.PRECLOSE, Phase.GATED, Phase.BALANCING]
        gate = next(at for at, event in enumerate(heard) if isinstance(event, Status) and event.state == Phase.GATED)
        assert [event for event in heard[gate:] if isinstance(event, Trade)] == []
        closing = next(at for at, event in enumerate(heard) if isinstance(event, Status) and event.state == 8)
        assert all(event.aggressor == 2 or event.flags for event in heard[closing:gate] if isinstance(event, Trade))


@pytest.mark.usefixtures("compiled_core")
def test_everybody_is_told_once_how_an_order_ended_when_the_gate_closes_under_load_mkt_007(tmp_path):
    async def main():
        async with running(tmp_path / "journal") as venue:
            played = await play(venue)
        return venue, *played

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        venue, traders, public = runner.run(main())
    engine, told = Engine(), []
    result = replay(engine, Reader(tmp_path / "journal"), tell=lambda first, ts, events, count: told.append(events))
    assert result.mismatch is None
    assert engine.state_hash() == venue.engine.state_hash()
    replayed = np.frombuffer(b"".join(told), dtype=EVENT)
    counts = Counter()
    for trader in traders:
        check_answers(trader)
        counts += check_ends(trader)
        check_stream(trader, engine.catalogue.account_number(trader.account), replayed)
    check_public(public)
    print(counts)
    assert counts["order GATE"] > 2_000
    assert counts["block GATE"] == len(ACCOUNTS) * BLOCKS_EACH
    seen = ("order FILLED", "order USER", "order AUCTION", "NOT_OPEN", "WINDOW_CLOSED", "assigned")
    assert all(counts[what] for what in seen), "all of it must have happened"
