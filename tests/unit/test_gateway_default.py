"""A provider dies in a delivery, over the real gateway: who is told what, what it costs, and that a replay agrees."""

import asyncio
import time

import numpy as np
import pytest
import uvloop
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from exchange import commands
from exchange.clearing.detection import NodeState
from exchange.clearing.words import CaseKind, Cause, Kind, Stage
from exchange.engine import Engine
from exchange.reasons import RejectReason
from exchange.records import EVENT, EventType
from exchange.records import CommandType as C
from exchange.replay import replay
from exchange.units import HOUR_NS, NS_PER_SECOND
from gateway.auth import KeyStore, generate_key
from gateway.clearing_run import ClearingRunner
from gateway.client import (
    Default,
    Entry,
    LayerPaid,
    LotState,
    RequestRefused,
    Substitute,
    connect,
    sign_heartbeat,
    sign_meter,
)
from gateway.config import GatewayConfig
from gateway.journal.reader import Reader
from gateway.journal.writer import Journal
from gateway.publisher import Publisher
from gateway.sequencer import Sequencer
from gateway.server import Server

PRODUCT = "P"
LOTS, PRICE, DEARER = 4, 1_000_000, 1_100_000  # Ticks of a micro-dollar, one SCU a lot: a lot-hour is a dollar.
MONEY, BOND = 1_000_000_000, 500_000_000
DIED_S, FOUND_S, HAND_OVER_S = 600, 660, 60
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


class Venue:
    """A served venue with clearing, a journal, and a clock that stands until it is set."""

    def __init__(self, directory):
        self.window = time.time_ns() // HOUR_NS + 48
        self.start_ns = self.window * HOUR_NS
        self.now_ns = self.start_ns - 1_800 * NS_PER_SECOND
        self.engine = Engine()
        self.journal = Journal(directory, durability="memory")
        assert list(self.journal.recover()) == []
        publisher = Publisher(self.engine.catalogue)
        self.failures = []
        self.sequencer = Sequencer(
            self.engine, self.journal, publisher, lambda: self.now_ns, tick_ms=20, on_failure=self.failures.append
        )
        self.keys = {name: generate_key(name) for name in ("prov", "ann", "sub")}
        self.server = Server(
            self.engine, self.sequencer, publisher, KeyStore(self.keys.values()), GatewayConfig(orders_per_s=0)
        )
        self.runner = ClearingRunner(self.engine, self.sequencer)

    @property
    def url(self):
        return f"ws://127.0.0.1:{self.server.port}/ws/v1"

    def setup(self):
        key = KEY.public_key().public_bytes_raw()
        return b"".join(
            [
                commands.set_seed(7),
                commands.add_product(PRODUCT, 1, 1, ["f1", "f2"], balancing_s=3_600, settle_s=4_500),
                *(commands.add_account(name) for name in self.keys),
                commands.clearing(C.SET_HOUSE),
                commands.clearing(C.SET_CLASS, cls="A"),
                commands.clearing(
                    C.SET_CLEARING, product=PRODUCT, cls="A", heartbeat_s=1, missed=1, grace_s=1, no_show_s=5,
                    hand_over_s=HAND_OVER_S,
                ),
                commands.clearing(C.SET_PROVIDER, account="prov", key=key),
                commands.list_window(PRODUCT, self.window),
                *(commands.deposit(number, MONEY) for number in (1, 2, 3)),
                commands.certify("prov", PRODUCT, "f1", self.window, LOTS),
                commands.certify("sub", PRODUCT, "f2", self.window, LOTS),
            ]
        )  # fmt: skip

    async def to(self, seconds):
        """Set the clock to some seconds after the window's start, and wait until the market knows."""
        self.now_ns = self.start_ns + seconds * NS_PER_SECOND
        while self.engine.now_ns < self.now_ns:
            await asyncio.sleep(0.01)

    async def run_clearing(self):
        before = self.sequencer.seq
        self.runner.step()
        await self.sequencer.settle()
        assert self.sequencer.seq > before

    def money(self, account):
        return self.engine.core.balance(account)

    def total(self):
        accounts = range(len(self.engine.catalogue.accounts) + 1)
        core = sum(map(self.money, accounts)) + self.engine.core.external_balance()
        return core + self.engine.house.state.ledger.total


async def beat(session, number, key=None):
    """A provider's heartbeat about all its nodes."""
    fabric = "f1" if key else "f2"
    signature = sign_heartbeat(key, "prov", PRODUCT, "f1", number, [(0, LOTS)]) if key else b""
    return await session.heartbeat(PRODUCT, fabric, number, [(0, LOTS)], signature=signature)


async def trade_and_begin(venue, prov, ann, sub):
    """Sell, buy, post a bond, say what is wished for, and let the delivery begin."""
    await prov.transfer("coll", "bond", BOND)
    terms = {"other_fabric": True}
    assert await ann.delivery_terms(PRODUCT, "f1", venue.window, **terms) == 1
    first, second = (venue.engine.catalogue.symbol(handle) for handle in (1, 2))
    await prov.sell(first, lots=LOTS, ticks=PRICE, physical=True)
    await (await ann.buy(first, lots=LOTS, ticks=PRICE)).wait_ended()
    await venue.run_clearing()
    await venue.to(-840)
    await sub.sell(second, lots=LOTS, ticks=DEARER, standby=True)
    await venue.to(0)
    await venue.run_clearing()


async def deliver_until_death(venue, prov):
    """Heartbeats and readings for ten minutes, and then nothing."""
    await venue.to(DIED_S)
    assert await beat(prov, 1, KEY) is True
    assert await beat(prov, 1, KEY) is False
    place, reading = (PRODUCT, "f1", venue.window), {"first": 0, "count": LOTS, "interval": 0, "intervals": 10}
    signature = sign_meter(KEY, "prov", *place, **reading, rating_ppm=1_000_000)
    assert await prov.meter(*place, **reading, rating_ppm=1_000_000, signature=signature) is True
    with pytest.raises(RequestRefused) as caught:
        await prov.meter(*place, **reading, rating_ppm=1_000_001, signature=signature)
    assert caught.value.reason is RejectReason.SIGNATURE
    with pytest.raises(RequestRefused) as caught:
        await prov.heartbeat(PRODUCT, "f1", 2, [(0, LOTS)])
    assert caught.value.reason is RejectReason.SIGNATURE
    await venue.run_clearing()
    await venue.to(FOUND_S)
    await venue.run_clearing()


async def deliver_to_the_end(venue, ann, sub):
    """The substitute takes over and does the rest of the window; everything is settled."""
    await venue.to(FOUND_S + HAND_OVER_S)
    await beat(sub, 1)
    await ann.checkpoint(PRODUCT, "f1", venue.window)  # Where she bought them.
    await venue.run_clearing()
    minute = (FOUND_S + HAND_OVER_S) // 60
    await venue.to(3_599)
    await beat(sub, 2)
    reading = {"first": 0, "count": LOTS, "interval": minute, "intervals": 60 - minute, "rating_ppm": 1_000_000}
    assert await sub.meter(PRODUCT, "f2", venue.window, **reading) is True
    await venue.run_clearing()
    await venue.to(4_500)
    await venue.run_clearing()


def heard(reader):
    """Everything an event reader has got so far."""
    found = []
    while reader._waiting:
        found.append(reader._waiting.popleft())
    return found


def of(events, kind, **fields):
    """Events of a kind, with some fields."""
    return [one for one in events if type(one) is kind and all(getattr(one, name) == fields[name] for name in fields)]


def test_provider_dies_in_a_delivery(tmp_path):
    async def main():
        venue = Venue(tmp_path / "journal")
        venue.sequencer.start()
        assert venue.sequencer.submit(venue.setup())
        await venue.sequencer.settle()
        await venue.server.start()
        try:
            async with (
                connect(venue.url, venue.keys["prov"]) as prov,
                connect(venue.url, venue.keys["ann"]) as ann,
                connect(venue.url, venue.keys["sub"]) as sub,
            ):
                readers = [session.events() for session in (prov, ann, sub)]
                await trade_and_begin(venue, prov, ann, sub)
                await deliver_until_death(venue, prov)
                await deliver_to_the_end(venue, ann, sub)
                for session in (prov, ann, sub):
                    await session.ping()
                assert [session.pseq for session in (prov, ann, sub)] == venue.server.publisher.pseqs()[1:4]
                return venue, [heard(reader) for reader in readers]
        finally:
            await venue.server.stop()
            await venue.sequencer.stop()
            venue.journal.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        venue, (prov, ann, sub) = runner.run(main())
    assert venue.failures == []
    check_buyer(venue, ann)
    check_substitute(venue, sub)
    check_provider(venue, prov)
    assert venue.total() == 0
    assert venue.engine.house.state.ledger.of_kind(Kind.ESCROW) == {}
    check_replay(venue, tmp_path / "journal")


# Ten minutes of the hour were delivered, two lost, and 48 done by the substitute: of 4,000,000 that are
# 666,666 for the provider, 133,334 back to the buyer, and 3,200,000, at his price 3,520,000, for the substitute.


def check_buyer(venue, events):
    """She is told, pays what she agreed to and no more, and has back what was not delivered."""
    (failed,) = of(events, LotState, role=0)
    assert (failed.inst, failed.node, failed.qty, failed.state) == (1, 0, LOTS, NodeState.FAILED)
    assert failed.since_ts == (venue.start_ns + DIED_S * NS_PER_SECOND) // 1_000
    (other,) = of(events, Substitute)
    assert (other.inst, other.role, other.stage, other.qty, other.for_qty) == (2, 0, Stage.CLASS, LOTS, LOTS)
    assert (other.other, other.px, other.micros, other.case) == (3, DEARER, 3_200_000, 1)
    entries = [(one.cause, one.purse, one.micros) for one in of(events, Entry)]
    assert entries == [(Cause.ESCROW, 1, -LOTS * PRICE), (Cause.REFUND, 1, 133_334)]
    assert venue.money(2) == MONEY - LOTS * PRICE + 133_334


def check_substitute(venue, events):
    """He is told whom he serves, and is paid the buyer's price and his premium."""
    (served,) = of(events, Substitute)
    assert (served.inst, served.role, served.stage, served.qty, served.other) == (2, 1, Stage.CLASS, LOTS, 2)
    assert served.micros == 3_520_000
    paid = {one.cause: one.micros for one in of(events, Entry)}
    assert paid == {Cause.SETTLEMENT: 3_200_000, Cause.PREMIUM: 320_000}
    assert venue.money(3) == MONEY + 3_520_000


def check_provider(venue, events):
    """He is paid for ten minutes, and his bond pays the premium and a tenth more."""
    assert [one.kind for one in of(events, Default, case=1)] == [CaseKind.UNIT, 0]
    (failed,) = of(events, LotState)
    assert (failed.role, failed.qty, failed.state) == (1, LOTS, NodeState.FAILED)
    (layer,) = of(events, LayerPaid)
    assert (layer.case, layer.layer, layer.claim_class, layer.micros) == (1, 1, 2, 352_000)
    entries = [(one.cause, one.purse, one.micros) for one in of(events, Entry)]
    assert entries == [
        (Cause.TRANSFER, 1, -BOND), (Cause.TRANSFER, 2, BOND), (Cause.SETTLEMENT, 1, 666_666),
        (Cause.WATERFALL, 2, -352_000),
    ]  # fmt: skip
    assert venue.money(1) == MONEY - BOND + 666_666
    assert venue.engine.house.state.ledger.of_kind(Kind.BOND) == {1: BOND - 352_000}


def check_replay(venue, directory):
    """The journal gives the same state, events and private numbering again, and the metrics what they counted."""
    engine, told = Engine(), []
    publisher = Publisher(engine.catalogue)

    def tell(first_seq, ts_ns, events, count):
        told.append(events)
        publisher.recover(first_seq, ts_ns, events, count)

    result = replay(engine, Reader(directory), tell=tell)
    assert result.mismatch is None
    assert engine.state_hash() == venue.engine.state_hash()
    assert publisher.pseqs() == venue.server.publisher.pseqs()
    assert (publisher.router.failed_lots, publisher.router.layers_used()[0]) == (LOTS, 352_000)
    events = np.frombuffer(b"".join(told), EVENT)
    assert int(events["amount"][events["type"] == EventType.ENTRY].sum()) == 0
