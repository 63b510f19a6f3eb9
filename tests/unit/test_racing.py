"""Two sessions of one account at once, over real sockets and a disk that takes its time. Rules: docs/spec/session.md.

Whoever comes first wins, whatever the order was: the other one is told so, each is told once, and nothing is left over.
"""

import asyncio
import contextlib
import random
import time
from collections import Counter

import msgpack
import pytest
from gateway_venue import raw, running
from test_frames import masked
from test_sequencer import FakeLog
from test_server import run

from exchange.reasons import DoneReason
from exchange.reasons import RejectReason as R
from gateway.auth import sign
from gateway.sequencer import Sequencer

ACK, REJECT, FILL, DONE = 33, 34, 35, 37
COUNT = 40
SEEDS = range(5)
FLUSH_S = 0.001


@contextlib.asynccontextmanager
async def racing(seed, **config):
    """A venue whose log is flushed now and then, and a shuffled pause."""
    async with running(**config) as venue:
        log = FakeLog(venue.engine.seq)
        log.last_ts_ns = venue.engine.now_ns
        now_ns = venue.engine.now_ns
        sequencer = Sequencer(venue.engine, log, venue.publisher, lambda: now_ns, tick_ms=10**6)
        venue.sequencer = venue.server.sequencer = sequencer
        venue.chance = random.Random(seed)
        sequencer.start()
        disk = asyncio.ensure_future(flushing(log))
        try:
            yield venue
            await sequencer.settle()
            assert sequencer.failure is None
        finally:
            await venue.server.stop()
            await sequencer.stop()
            disk.cancel()


async def flushing(log):
    while True:
        await asyncio.sleep(FLUSH_S)
        if log.begun:
            log.flush()


async def pause(venue):
    """Let others go first, or not."""
    for _ in range(venue.chance.choice([0, 0, 1, 3])):
        await asyncio.sleep(0)
    if venue.chance.random() < 0.1:
        await asyncio.sleep(2 * FLUSH_S)


async def say(venue, client, messages):
    """Send messages, some to a read, with pauses between."""
    left = list(messages)
    while left:
        some = venue.chance.randint(1, 8)
        for message in left[:some]:
            await client.send(*message)
        left = left[some:]
        await pause(venue)


async def hear(client, *, until=None):
    """All that a client is told, up to the answer to a ping, or to the end of the connection."""
    if until is not None:
        await client.send(3, until, 0)
    told = []
    while True:
        message = await client.next()
        told.append(message)
        if message[0] == "closed" or (until is not None and message[:2] == [65, until]):
            return told


async def everything(venue, *clients):
    """What each client was told, when nothing is under way any more."""
    await hear_nothing_new(venue)
    return [await hear(client, until=7) for client in clients]


async def hear_nothing_new(venue):
    before = -1
    while venue.engine.seq != before or venue.sequencer.backlog:
        before = venue.engine.seq
        await asyncio.sleep(20 * FLUSH_S)
        await venue.sequencer.settle()


def answers(told):
    """(type, ref, code) of all answers, with how often each was given."""
    return Counter(tuple(message[:3]) for message in told if message[0] in (ACK, REJECT))


def private(told):
    return [message for message in told if message[0] in (FILL, DONE, 38)]


def lots(venue, inst=1):
    """Lots by price, bids and asks."""
    market = venue.publisher.router.market(inst)
    return dict(market.bids.levels(999)), dict(market.asks.levels(999))


def place(ref, px=2450, side=1):
    return [16, ref, 1, side, px, 1, 0, 0]


@pytest.mark.parametrize("seed", SEEDS)
def test_refs_of_two_lanes_have_nothing_to_do_with_each_other_ses_010(seed):
    async def main():
        async with racing(seed) as venue, raw(venue, venue.key["ann"]) as one, raw(
            venue, venue.key["ann"], lane=1
        ) as other:
            orders = [place(ref) for ref in range(1, COUNT + 1)]
            await asyncio.gather(say(venue, one, orders), say(venue, other, orders))
            told = await everything(venue, one, other)
            for each in told:
                assert answers(each) == {(ACK, ref, 0): 1 for ref in range(1, COUNT + 1)}
            oids = {message[3] for each in told for message in each if message[0] == ACK}
            assert len(oids) == 2 * COUNT
            assert lots(venue) == ({}, {2450: 2 * COUNT})

    run(main())


@pytest.mark.parametrize("seed", SEEDS)
def test_an_order_that_two_lanes_cancel_ends_once_ses_031(seed):
    async def main():
        async with racing(seed) as venue, raw(venue, venue.key["ann"]) as one, raw(
            venue, venue.key["ann"], lane=1
        ) as other:
            await say(venue, one, [place(ref) for ref in range(1, COUNT + 1)])
            (told, _) = await everything(venue, one, other)
            oids = [message[3] for message in told if message[0] == ACK]
            both = [[[17, 100 + at, oid] for at, oid in enumerate(oids)] for _ in range(2)]
            venue.chance.shuffle(both[1])
            both[1] = [[17, 100 + at, message[2]] for at, message in enumerate(both[1])]
            await asyncio.gather(say(venue, one, both[0]), say(venue, other, both[1]))
            told = await everything(venue, one, other)
            won = Counter()
            for each, sent in zip(told, both, strict=True):
                verdicts = answers(each)
                assert sum(verdicts.values()) == COUNT
                won.update(oid for _, ref, oid in sent if verdicts[ACK, ref, 0])
                assert all(verdicts[ACK, ref, 0] or verdicts[REJECT, ref, R.NO_ORDER] for _, ref, _ in sent)
            assert won == dict.fromkeys(oids, 1)
            assert private(told[0]) == private(told[1])
            assert Counter(message[2] for message in private(told[0])) == dict.fromkeys(oids, 1)
            assert lots(venue) == ({}, {})

    run(main())


@pytest.mark.parametrize("seed", SEEDS)
def test_an_order_that_one_lane_replaces_and_another_cancels_ses_031(seed):
    async def main():
        async with racing(seed) as venue, raw(venue, venue.key["ann"]) as one, raw(
            venue, venue.key["ann"], lane=1
        ) as other:
            await say(venue, one, [place(ref) for ref in range(1, COUNT + 1)])
            (told, _) = await everything(venue, one, other)
            oids = [message[3] for message in told if message[0] == ACK]
            await asyncio.gather(
                say(venue, one, [[19, 100 + at, oid, 2460, 2, 0] for at, oid in enumerate(oids)]),
                say(venue, other, [[17, 100 + at, oid] for at, oid in enumerate(oids)]),
            )
            changes, cancels = await everything(venue, one, other)
            assert answers(cancels) == {(ACK, 100 + at, 0): 1 for at in range(COUNT)}
            verdicts = answers(changes)
            assert set(verdicts.values()) == {1}
            assert {kind[1] for kind in verdicts} == set(range(100, 100 + COUNT))
            replaced = [message[2] for message in private(changes) if message[0] == 38]
            assert replaced == [oids[ref - 100] for kind, ref, code in sorted(verdicts) if kind == ACK]
            assert {(REJECT, R.NO_ORDER), (ACK, 0)} >= {(kind, code) for kind, _, code in verdicts}
            assert lots(venue) == ({}, {})

    run(main())


@pytest.mark.parametrize("seed", SEEDS)
def test_quotes_of_two_lanes_in_one_set_replace_each_other_ses_033(seed):
    async def main():
        async with racing(seed) as venue, raw(venue, venue.key["ann"]) as one, raw(
            venue, venue.key["ann"], lane=1
        ) as other:
            quotes = [
                [[22, ref, 0, [[1, first + ref, 1, 5_000 + first + ref, 1], [2, first + ref, 1, 9_000, 1]]]
                 for ref in range(1, COUNT + 1)]
                for first in (100, 1_000)
            ]  # fmt: skip
            await asyncio.gather(say(venue, one, quotes[0]), say(venue, other, quotes[1]))
            told = await everything(venue, one, other)
            for each in told:
                assert answers(each) == {(ACK, ref, 0): 1 for ref in range(1, COUNT + 1)}
            last = max((message[5], first) for each, first in zip(told, (100, 1_000), strict=True)
                       for message in each if message[0] == ACK)[1] + COUNT  # fmt: skip
            assert lots(venue) == ({last: 1}, {5_000 + last: 1})
            assert lots(venue, 2) == ({last: 1}, {9_000: 1})
            await other.send(21, COUNT + 1, None, None, None)
            await everything(venue, other)
            assert lots(venue) == lots(venue, 2) == ({}, {})

    run(main())


@pytest.mark.parametrize("seed", SEEDS)
def test_a_take_over_in_the_middle_loses_no_ref_and_does_none_twice_ses_010(seed):
    """The second session sends everything again: what the first one got through is answered with its outcome."""

    async def main():
        async with racing(seed) as venue, raw(venue, venue.key["ann"], cod=1) as one:
            orders = [place(ref, px=2_000 + ref) for ref in range(1, COUNT + 1)]
            sending = asyncio.ensure_future(sending_till_the_end(venue, one, orders))
            for _ in range(venue.chance.randint(0, 3)):
                await pause(venue)
            async with raw(venue, venue.key["ann"], cod=1) as other:
                await say(venue, other, orders)
                await sending
                first = await hear(one)
                (second,) = await everything(venue, other)
                assert lots(venue) == ({}, {2_000 + ref: 1 for ref in range(1, COUNT + 1)})
            assert first[-1] == ("closed", 4011)
            taken = other.welcome[5]
            verdicts = answers(second)
            for ref in range(1, COUNT + 1):
                done, again = (ACK, ref, 0), (ACK, ref, 1)
                assert answers(first)[done] + verdicts[done] == 1
                assert verdicts[again] == (ref <= taken)
                assert verdicts[done] == 1 or ref <= taken

    run(main())


@pytest.mark.parametrize("turns", range(4))
def test_a_take_over_between_the_turns_of_one_read_ses_043(turns):
    """What waits for its turn when the lane is taken over is not done, and its refs are free."""
    count = 2_000

    async def main():
        async with racing(turns) as venue, raw(venue, venue.key["ann"]) as one, raw(venue) as other:
            key, ts, hello = venue.key["ann"], time.time_ns() // 1_000, await other.next(64)
            login = [1, 1, key.key_id, ts, sign(key.secret, hello[3], key.key_id, ts), 0, 0, 0, 0, 0]
            frames = [masked(2, msgpack.packb(place(ref))) for ref in range(1, count + 1)]
            one.socket._writer.transport.write(b"".join(frames))
            for _ in range(turns):
                await asyncio.sleep(0)
            await other.send(*login)
            welcome = await other.next(67)
            for ref in range(welcome[5] + 1, count + 1):
                await other.send(*place(ref))
            first = await hear(one)
            (second,) = await everything(venue, other)
            assert first[-1] == ("closed", 4011)
            assert welcome[5] < count, "the lane was taken over too late"
            assert answers(first) + answers(second) == {(ACK, ref, 0): 1 for ref in range(1, count + 1)}
            assert lots(venue) == ({}, {2450: count})

    run(main())


async def sending_till_the_end(venue, client, messages):
    """As `say`, but the connection may be closed meanwhile."""
    with contextlib.suppress(ConnectionError):
        await say(venue, client, messages)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_lane_that_two_fight_over_keeps_its_orders_and_then_has_none_ses_010(seed):
    """Each take-over closes the other's connection, and ends no order, though both asked for that on loss."""

    async def main():
        async with racing(seed) as venue:
            ref = 0
            for _ in range(8):
                async with raw(venue, venue.key["ann"], cod=1) as one, raw(venue, venue.key["ann"], cod=2) as other:
                    ref = other.welcome[5] + 1
                    await say(venue, other, [place(ref), [22, ref + 1, 3, [[1, 10, 1, 3_000, 1]]]])
                    assert (await hear(one))[-1] == ("closed", 4011)
                    await hear_nothing_new(venue)
                    assert lots(venue)[1][2450] == (ref + 1) // 2
                    async with raw(venue, venue.key["ann"], cod=2) as last:
                        assert last.welcome[5] == ref + 1
            assert lots(venue) == ({10: 1}, {2450: 8, 3_000: 1})
            async with raw(venue, venue.key["ann"]) as last:
                await last.send(21, ref + 2, None, None, None)
                (told,) = await everything(venue, last)
                assert Counter(message[4] for message in private(told)) == {DoneReason.USER: 8}
            assert lots(venue) == ({}, {})

    run(main())


@pytest.mark.parametrize("seed", SEEDS)
def test_orders_of_a_lost_lane_that_another_one_cancels_end_once_ses_013(seed):
    """One connection breaks right behind its last orders while the other one cancels them by their handles."""

    async def main():
        async with racing(seed) as venue, raw(venue, venue.key["ann"], lane=1) as other:
            async with raw(venue, venue.key["ann"], cod=1) as one:
                await say(venue, one, [place(ref) for ref in range(1, COUNT + 1)])
                (told, _) = await everything(venue, one, other)
                oids = [message[3] for message in told if message[0] == ACK]
                cancels = asyncio.ensure_future(say(venue, other, [[17, 1 + at, oid] for at, oid in enumerate(oids)]))
                await pause(venue)
                late = [masked(2, msgpack.packb(place(ref))) for ref in range(COUNT + 1, COUNT + 4)]
                transport = one.socket._writer.transport
                transport.write(b"".join(late))
                transport.close()
                await cancels
            (told,) = await everything(venue, other)
            verdicts = answers(told)
            assert sum(verdicts.values()) == COUNT
            ends = Counter(message[2] for message in private(told))
            assert set(ends.values()) == {1}
            assert set(oids) <= set(ends)
            by_user = [message[2] for message in private(told) if message[4] == DoneReason.USER]
            assert by_user == [oids[ref - 1] for kind, ref, _ in sorted(verdicts) if kind == ACK]
            assert len(ends) == COUNT + 3
            assert lots(venue) == ({}, {})

    run(main())
