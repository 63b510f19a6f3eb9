"""What a session does when the server asks for it, and what keeps its orders from outliving it."""

import asyncio
import itertools

import pytest
from fake_venue import fake_venue, session_of
from test_client_link import REJECT, RESP, back, settle
from test_server import run

from exchange.reasons import RejectReason
from exchange.records import NoticeKind
from gateway.client import Notice, Reconnected, Side
from gateway.client import recovery as recovery_module
from gateway.client.pace import Pace, orders_in
from gateway.protocol import CloseCode, MessageType


def test_draining_server_is_sent_nothing_and_left_alone(monkeypatch):
    monkeypatch.setattr(recovery_module, "RECONNECT_FIRST_MS", 1)

    async def main():
        async with fake_venue() as venue, session_of(venue) as (session, peer):
            heard = session.events(Notice, Reconnected)
            early = session.place_nowait(1, Side.BUY, lots=1, ticks=1)
            await peer.next(16)
            await peer.send([41, int(NoticeKind.DRAINING), 300, 1])
            await peer.send([REJECT, early.ref, int(RejectReason.DRAINING), 0, 1, 0])  # It crossed the notice.
            assert (await anext(heard)).kind_name == "DRAINING"
            order = session.place_nowait(1, Side.BUY, lots=1, ticks=1)
            loop = asyncio.get_running_loop()
            begun_s = loop.time()
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(peer.next(16), 0.1)
            await peer.close(CloseCode.DRAINING)
            peer = await back(venue)
            assert loop.time() - begun_s >= 0.29
            assert (await peer.accept(16, oid=1))[1] == early.ref
            await peer.accept(16, oid=2)
            assert ((await early.accepted()).oid, (await order.accepted()).oid) == (1, 2)
            assert (await anext(heard)).attempts == 1

    run(main())


def test_warning_of_the_rate_slows_orders_down():
    async def main():
        async with fake_venue() as venue:
            venue.limits = [[0, 20, 10]]
            async with session_of(venue) as (session, peer):
                heard = session.events(Notice)
                await peer.send([41, int(NoticeKind.THROTTLE), 0, 1])
                await anext(heard)
                loop = asyncio.get_running_loop()
                begun_s = loop.time()
                orders = [session.place_nowait(1, Side.BUY, lots=1, ticks=1) for _ in range(4)]
                assert [(await peer.accept(16, oid=1))[1] for _ in orders] == [1, 2, 3, 4]
                assert loop.time() - begun_s >= 0.29  # Three waits of a tenth of a second.
                peer.cut()
                peer = await back(venue)
                await settle(session, peer)

    run(main())


def test_pace_is_free_without_a_warning_and_half_the_rate_after_it():
    pace = Pace(10, 20)
    order = (MessageType.PLACE, 1)
    for _ in range(100):
        assert pace.wait_s(0.0) == 0
        pace.count(order, 0.0)
    pace.slow_down(0.0)
    left = []
    now_s = 0.0
    while len(left) < 30:
        now_s += pace.wait_s(now_s)
        pace.count(order, now_s)
        left.append(now_s)
    steps = [round(after - before, 6) for before, after in itertools.pairwise(left)]
    assert steps[:19] == [0.2] * 19
    assert set(steps[20:]) == {0}  # The burst is there again after 4 s.
    unlimited = Pace(0, 0)
    unlimited.slow_down(1.0)
    assert unlimited.wait_s(1.0) == 0


def test_messages_count_as_the_venue_counts_them_ses_024():
    assert orders_in((MessageType.BATCH, 1, 0, [()] * 64)) == 64
    assert [orders_in((MessageType.QUOTE, 1, 0, [()] * legs)) for legs in (1, 4, 5, 64)] == [1, 1, 2, 16]
    assert [orders_in((MessageType.BLOCK, 1, 1, None, 0, hours)) for hours in (1, 24, 168)] == [1, 6, 42]
    assert (orders_in((MessageType.CANCEL, 1)), orders_in((MessageType.MASS_CANCEL, 1))) == (1, 0)


def test_dead_man_switch_is_renewed_and_taken_off():
    async def main():
        async with fake_venue() as venue, session_of(venue) as (session, peer):
            told = []

            async def answer():
                while not told or told[-1][0]:
                    message = await peer.next(25)
                    told.append(message[2:])
                    await peer.send([RESP, message[1], 0, message[2]])

            answering = asyncio.ensure_future(answer())
            async with session.alive(120, whole_account=True):
                await asyncio.sleep(0.2)
            await asyncio.wait_for(answering, 3)
            assert told[0] == [120, 1]
            assert told[-1] == [0, 1]
            assert len(told) >= 4

    run(main())


def test_dead_man_switch_is_renewed_on_the_next_connection():
    async def main():
        async with fake_venue() as venue, session_of(venue) as (session, peer):
            setting = asyncio.ensure_future(session.dead_man_switch(5_000))
            await peer.next(25)
            peer.cut()
            peer = await back(venue)
            message = await peer.next(25)
            assert message[2:] == [5_000, 0]
            await peer.send([RESP, message[1], 0, 5_000])
            await setting

    run(main())


