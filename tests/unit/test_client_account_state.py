"""Balance and positions as the venue has them, kept up through the client."""

import asyncio
import random

import pytest
from fake_venue import fake_venue, session_of
from gateway_venue import running
from proxy import Proxy
from test_client_link import back, settle
from test_server import run

from gateway.auth import generate_key
from gateway.client import Balance, ConnectionClosed, Position, Reconnected, RequestRefused, connect

POSITION, BALANCE, RESP = 39, 40, 66


def engine_has(venue, account):
    """What an account has, read from the engine: balance and positions."""
    core = venue.engine.core
    cash, reserved = core.balance(account), core.requirement_sum(account)
    return cash, reserved, cash - reserved


async def until(state, condition):
    """Wait for a state that is as it should be."""
    while not condition():
        await asyncio.wait_for(state.changed(), 5)


def test_balance_and_positions_are_those_of_the_engine_ses_072():
    async def main():
        async with running() as venue, connect(venue.url, venue.key["ann"]) as ann:
            async with connect(venue.url, venue.key["bob"]) as bob:
                state = await bob.follow_account(conflate_ms=10)
                assert (state.positions, state[1]) == ({}, Position(1, 0, 0, 0, state.gseq))
                await ann.sell(1, lots=5, ticks=2450)
                await bob.buy(1, lots=3, ticks=2450)
                rest = await bob.buy(2, lots=4, ticks=2000)
                await until(state, lambda: state[2].open_buy)
                assert (state[1].net, state[2].net, state[2].open_buy, state[2].open_sell) == (3, 0, 4, 0)
                cash, reserved, available = engine_has(venue, 2)
                told = state.balance
                assert (told.cash, told.reserved, told.available) == (cash, reserved, available)
                assert state.gseq == venue.engine.seq == state[2].gseq
                await bob.cancel(rest)
                await until(state, lambda: 2 not in state.positions)
                await ann.buy(1, lots=3, ticks=2400)
                await bob.sell(1, lots=3, ticks=2400)
                await until(state, lambda: not state.positions)
                told = state.balance
                assert (told.cash, told.reserved, told.available) == engine_has(venue, 2)
                assert await bob.follow_account(conflate_ms=10) is state
                with pytest.raises(RequestRefused, match="MALFORMED"):
                    await bob.follow_account(conflate_ms=20)
        assert not state.is_current
        with pytest.raises(ConnectionClosed):
            await state.changed()

    run(main())


def test_state_is_told_anew_after_a_loss_ses_072():
    async def main():
        async with running() as venue, connect(venue.url, venue.key["ann"]) as ann:
            proxy = Proxy(venue.server.port, random.Random(3))
            url = f"ws://127.0.0.1:{await proxy.start()}/ws/v1"
            async with connect(url, venue.key["bob"]) as bob:
                state, back_again = await bob.follow_account(conflate_ms=10), bob.events(Reconnected)
                order = await bob.buy(2, lots=4, ticks=2000)
                await until(state, lambda: 2 in state.positions)
                proxy.is_down = True
                proxy.cut()
                await asyncio.sleep(0.05)
                assert not state.is_current
                async with connect(venue.url, venue.key["bob"], lane=1) as other:
                    await other.cancel(order.oid)
                    await ann.sell(1, lots=5, ticks=2450)
                    await other.buy(1, lots=1, ticks=2450)
                proxy.is_down = False
                await anext(back_again)
                await until(state, lambda: state.is_current)
                assert {inst: held.net for inst, held in state.positions.items()} == {1: 1}
                assert state.balance.cash == engine_has(venue, 2)[0]
            await proxy.stop()

    run(main())


def test_its_messages_are_events_ses_072():
    async def main():
        async with running() as venue, connect(venue.url, venue.key["bob"]) as bob:
            heard, all_private = bob.events(Position, Balance), bob.events()
            await bob.follow_account(conflate_ms=10)
            first = await anext(heard)
            assert (type(first), first.gseq) == (Balance, venue.engine.seq)
            await bob.buy(2, lots=4, ticks=2000)
            assert await anext(heard) == Position(2, 0, 4, 0, venue.engine.seq)
            assert type(await anext(all_private)).__name__ == "Ack"

    run(main())


def test_a_key_that_hears_nothing_private_is_refused_ses_072():
    async def main():
        async with running() as venue:
            key = generate_key("cat", ("copy",))
            venue.keys.add(key)
            async with connect(venue.url, key) as desk:
                for _ in range(2):
                    with pytest.raises(RequestRefused, match="SCOPE"):
                        await desk.follow_account()
            async with connect(venue.url, venue.key["bob"]) as bob:
                with pytest.raises(RequestRefused, match="MALFORMED"):
                    await bob.follow_account(conflate_ms=9)
                assert (await bob.follow_account()).is_current

    run(main())


# Against a venue that says what the test wants.


def test_half_a_state_is_never_seen():
    async def main():
        async with fake_venue() as venue, session_of(venue) as (session, peer):
            following = asyncio.ensure_future(session.follow_account(conflate_ms=500))
            ask = await peer.next(4)
            assert ask[2:] == [11, None, [0, 500]]
            await peer.send([RESP, ask[1], 0, 2], [POSITION, 1, 5, 0, 0, 9])
            await settle(session, peer)
            assert not following.done()
            await peer.send([POSITION, 2, 0, 3, 0, 9], [BALANCE, 100, 40, 60, 1, 9])
            state = await following
            assert list(state.positions) == [1, 2]
            await peer.send([POSITION, 1, 0, 0, 0, 10])
            await settle(session, peer)
            assert (state[1].net, state.gseq) == (5, 9)
            await peer.send([BALANCE, 90, 40, 50, 2, 10])
            await settle(session, peer)
            assert (state.positions, state.balance) == ({2: Position(2, 0, 3, 0, 9)}, Balance(90, 40, 50, 2, 10))

    run(main())


def test_a_state_begins_from_nothing_on_every_connection():
    async def main():
        async with fake_venue() as venue, session_of(venue) as (session, peer):
            following = asyncio.ensure_future(session.follow_account())
            await peer.next(4)
            peer.cut()  # Before the answer.
            peer = await back(venue)
            ask = await peer.next(4)
            assert ask[2:] == [11, None, [0, 0]]
            await peer.send([RESP, ask[1], 0, 2], [POSITION, 1, 5, 0, 0, 9], [BALANCE, 100, 40, 60, 1, 9])
            state = await following
            await peer.send([POSITION, 3, 7, 0, 0, 10])
            await settle(session, peer)
            peer.cut()  # In the middle of a state.
            peer = await back(venue)
            ask = await peer.next(4)
            assert (ask[2], state.is_current, state[1].net) == (11, False, 5)
            await peer.send([RESP, ask[1], 0, 2], [POSITION, 2, 1, 0, 0, 12], [BALANCE, 100, 4, 96, 1, 12])
            await settle(session, peer)
            assert (state.is_current, list(state.positions)) == (True, [2])

    run(main())
