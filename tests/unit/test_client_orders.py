"""Books order by order, as the client keeps them: on a real server, and through what goes wrong."""

import asyncio

import pytest
from fake_venue import fake_venue, session_of
from gateway_venue import running
from test_client_link import back, settle
from test_server import run

from gateway.client import (
    BookByOrder,
    Channel,
    ConnectionClosed,
    OrdersChanged,
    RequestRefused,
    SeenOrder,
    Side,
    connect,
)
from gateway.client import in_step as in_step_module
from gateway.client.events import OrdersSnapshot
from gateway.protocol import MessageType

ADD, CHANGE, DELETE, EXEC = range(4)
L3, L3_SNAP, GAP, RESP, PONG = 100, 109, 105, 66, 65


def test_one_sees_ones_own_order_among_the_others_mkd_042():
    async def main():
        async with running() as venue, connect(venue.url, venue.key["ann"]) as ann:
            async with connect(venue.url, venue.key["bob"]) as bob:
                first = await ann.sell(1, lots=5, ticks=2_500)
                book = await bob.subscribe_orders(1)
                assert book.asks() == [SeenOrder(first.gseq, Side.SELL, 2_500, 5)]
                mine = await bob.sell(1, lots=4, ticks=2_500, display=3)
                await bob.ping()
                assert book.ahead_of(mine.gseq, Side.SELL) == 5
                await bob.buy(1, lots=1, ticks=2_400)
                await ann.replace(first, lots=2)
                await bob.ping()
                assert (book.ahead_of(mine.gseq, Side.SELL), book.asks()[1].lots) == (2, 3)
                assert [(one.ticks, one.lots) for one in book.bids()] == [(2_400, 1)]
                await ann.cancel(first)
                await bob.ping()
                assert book.ahead_of(mine.gseq, Side.SELL) == 0
                assert await bob.subscribe_orders(1) is book

    run(main())


def test_orders_of_all_instruments_come_without_options():
    async def main():
        async with running() as venue, connect(venue.url, venue.key["ann"]) as ann:
            await ann.buy(1, lots=2, ticks=2_400)
            heard = ann.events(OrdersSnapshot)
            await ann.subscribe(Channel.L3)
            snapshot = await anext(heard)
            assert (snapshot.inst, snapshot.more, snapshot.untold, len(snapshot.orders)) == (1, 0, 0, 1)
            with pytest.raises(RequestRefused, match="MALFORMED"):
                await ann.subscribe(Channel.L3, [2], depth=5)
            with pytest.raises(RequestRefused, match="MALFORMED"):
                await ann.subscribe(Channel.L3, [2], conflate_ms=100)

    run(main())


def test_book_waits_for_a_snapshot_after_a_loss_a_gap_and_a_hole():
    async def main():
        async with fake_venue() as venue, session_of(venue) as (session, peer):
            subscribing = asyncio.ensure_future(session.subscribe_orders(1))
            ask = await peer.next(4)
            assert ask[2:4] == [Channel.L3, [1]]
            await peer.send([RESP, ask[1], 0, 1], [L3_SNAP, 1, 5, 1, 1, 0, [[1, 0, 10, 1]]])
            await peer.send([L3_SNAP, 1, 5, 1, 0, 0, [[2, 1, 20, 1]]])
            ping = await peer.next(3)
            await peer.send([PONG, ping[1], 0, 1])
            book = await subscribing
            assert (len(book.bids()), len(book.asks()), book.is_current) == (1, 1, True)
            await peer.send([GAP, 12, 1, 6, 8, 0], [L3_SNAP, 1, 8, 1, 0, 0, []])
            await settle(session, peer)
            assert (book.bids(), book.seq, book.gaps, book.is_current) == ([], 8, 1, True)
            await peer.send([L3, 1, 10, 1, [[ADD, 9, 0, 10, 1]]])
            assert (await peer.next(7))[2:] == [12, 1]
            assert not book.is_current
            await peer.send([L3_SNAP, 1, 9, 1, 0, 0, [[7, 0, 11, 1]]])
            await settle(session, peer)
            assert [one.order for one in book.bids()] == [7, 9]
            peer.cut()
            peer = await back(venue)
            ask = await peer.next(4)
            assert (ask[2:4], book.is_current) == ([Channel.L3, [1]], False)
            await peer.send([RESP, ask[1], 0, 1], [L3_SNAP, 1, 30, 1, 0, 0, []], [L3, 1, 31, 1, [[ADD, 40, 1, 12, 2]]])
            await settle(session, peer)
            assert ([one.order for one in book.asks()], book.seq) == ([40], 31)

    run(main())


def test_refused_subscription_leaves_no_book():
    async def main():
        async with fake_venue() as venue, session_of(venue) as (session, peer):
            subscribing = asyncio.ensure_future(session.subscribe_orders(1))
            ask = await peer.next(4)
            await peer.send([RESP, ask[1], 101, 0])
            with pytest.raises(RequestRefused, match="UNKNOWN_TYPE"):
                await subscribing
            assert session.order_books == {}

    run(main())


def test_messages_of_a_book_without_snapshot_end_at_messages_held_max(monkeypatch):
    monkeypatch.setattr(in_step_module, "MESSAGES_HELD_MAX", 2)
    book = BookByOrder(None)
    messages = [OrdersChanged(1, seq, 0, [[ADD, seq, 0, seq, 1]]) for seq in range(5, 8)]
    assert [book.apply(message) for message in messages] == [True, True, False]
    book.load(OrdersSnapshot(1, 6, 0, 0, 0, [[6, 0, 6, 1]]))
    assert ([one.order for one in book.bids()], book.seq) == ([7, 6], 7)


def test_older_messages_and_orders_it_does_not_know_change_nothing():
    book = BookByOrder(None)
    book.load(OrdersSnapshot(1, 6, 0, 0, 3, [[6, 0, 6, 4]]))
    assert book.apply(OrdersChanged(1, 6, 0, [[DELETE, 6, 0, 6, 0]]))
    unknown = [[op, 1, 0, 1, 1] for op in (CHANGE, DELETE, EXEC)] + [[op, 6, 1, 6, 1] for op in (CHANGE, DELETE, EXEC)]
    assert book.apply(OrdersChanged(1, 7, 0, unknown))
    assert (book.bids(), book.asks(), book.untold) == ([SeenOrder(6, Side.BUY, 6, 4)], [], 3)
    assert (book.find(1, 0), book.ahead_of(1, 0)) == (None, None)
    assert book.apply(OrdersChanged(1, 8, 0, [[EXEC, 6, 0, 6, 3], [CHANGE, 6, 0, 6, 1], [EXEC, 6, 0, 6, 1]]))
    assert book.bids() == []


def test_changes_wake_those_who_wait():
    async def main():
        book = BookByOrder(None)
        waiting = asyncio.ensure_future(book.changed())
        await asyncio.sleep(0)
        book.load(OrdersSnapshot(1, 0, 0, 0, 0, []))
        await waiting
        waiting = asyncio.ensure_future(book.changed())
        await asyncio.sleep(0)
        assert not waiting.done()
        book.apply(OrdersChanged(1, 1, 0, [[ADD, 1, 0, 1, 1]]))
        await waiting

    run(main())


def test_who_waits_for_a_book_hears_of_the_sessions_end():
    async def main():
        async with running() as venue, connect(venue.url, venue.key["ann"]) as ann:
            books = [await ann.subscribe_orders(1), await ann.subscribe_book(1)]
            waiting = [asyncio.ensure_future(book.changed()) for book in books]
            await asyncio.sleep(0)
            await ann.logout()
            for book, one in zip(books, waiting, strict=True):
                with pytest.raises(ConnectionClosed):
                    await one
                with pytest.raises(ConnectionClosed):
                    await book.changed()
                assert not book.is_current

    run(main())


assert MessageType.L3 == L3
assert MessageType.L3_SNAP == L3_SNAP
