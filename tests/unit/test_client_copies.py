"""A risk desk: the drop copy of its firm, read through the client, whatever connections it takes."""

import asyncio
import contextlib
import itertools
import random

import pytest
from fake_venue import fake_venue, session_of
from gateway_venue import running
from proxy import Proxy
from test_client_link import back, fill, settle
from test_server import run

from exchange import commands
from exchange.reasons import RejectReason
from gateway.auth import generate_key
from gateway.client import (
    Channel,
    ConnectionClosed,
    Copy,
    Done,
    EventsOverrun,
    Fill,
    Reconnected,
    Reconnecting,
    Replaced,
    RequestRefused,
    StateLost,
    connect,
)
from gateway.client import reader as reader_module
from gateway.client import stream as stream_module

COPY, HEAD, RESP = 125, 126, 66
FIRM = {1: "ann", 2: "bob", 3: "cat"}


def desk_key(venue, *copies, scopes=("copy",)):
    """A key of cat's that may hear what happens to some accounts."""
    key = generate_key("cat", scopes, copies or ("ann", "bob"))
    venue.keys.add(key)
    return key


@contextlib.asynccontextmanager
async def traders(venue):
    """Sessions of ann and bob, and all that each of them is told from now on."""
    async with connect(venue.url, venue.key["ann"]) as ann, connect(venue.url, venue.key["bob"]) as bob:
        yield ann, bob, [session.events(Fill, Done, Replaced) for session in (ann, bob)]


async def trade(ann, bob, times=1):
    """Orders that trade, change and end in both accounts, and that both have heard of."""
    for _ in range(times):
        sell = await ann.sell(1, lots=5, ticks=2450)
        await bob.buy(1, lots=2, ticks=2450)
        await ann.replace(sell, lots=4)
        await bob.buy(1, lots=1, ticks=2450, tif="IOC")
        await ann.cancel(sell)
    await asyncio.gather(ann.ping(), bob.ping())


async def heard(copies, count):
    """The next copies."""
    return [await asyncio.wait_for(anext(copies), 5) for _ in range(count)]


def waiting(reader):
    """What a reader has already."""
    return list(reader._waiting)


def check(copies, first, ann_and_bob):
    """Numbered from the first on, without a gap; and by account what its own session was told."""
    own = {account: iter(waiting(told)) for account, told in zip((1, 2), ann_and_bob, strict=True)}
    for number, one in enumerate(copies, first):
        assert (one.seq, one.event) == (number, next(own[one.account]))
    assert [list(rest) for rest in own.values()] == [[], []]


def test_a_desk_hears_all_accounts_of_its_firm_in_order_ses_073():
    async def main():
        async with running() as venue, traders(venue) as (ann, bob, told), connect(venue.url, desk_key(venue)) as desk:
            copies = desk.copies()
            assert await copies.begun() == (0, FIRM)
            await trade(ann, bob)
            first = await heard(copies, 6)
            assert [(copy.account, type(copy.event)) for copy in first] == [
                (1, Fill), (2, Fill), (1, Replaced), (1, Fill), (2, Fill), (1, Done),
            ]  # fmt: skip
            check(first, 1, told)
            later = desk.copies()
            assert (await later.begun()).seq == 0, "it is as the venue said it last"
            await trade(ann, bob)
            assert await heard(copies, 6) == await heard(later, 6)

    run(main())


def test_copies_begin_at_their_reader_ses_073():
    async def main():
        async with running() as venue, traders(venue) as (ann, bob, _):
            await trade(ann, bob, 2)
            async with connect(venue.url, desk_key(venue)) as desk:
                copies = desk.copies()
                assert (await copies.begun()).seq == 12
                await trade(ann, bob)
                assert [copy.seq for copy in await heard(copies, 6)] == list(range(13, 19))
                copies.close()
                await trade(ann, bob)
                assert waiting(copies) == []
        with pytest.raises(StopAsyncIteration):
            await anext(desk.copies())

    run(main())


def test_what_was_missed_while_away_comes_first_and_once_ses_073():
    async def main():
        async with running() as venue, traders(venue) as (ann, bob, told):
            proxy = Proxy(venue.server.port, random.Random(3))
            port = await proxy.start()
            async with connect(f"ws://127.0.0.1:{port}/ws/v1", desk_key(venue)) as desk:
                copies, connections = desk.copies(), desk.events(Reconnecting, Reconnected)
                await copies.begun()
                for _ in range(3):
                    await trade(ann, bob, 2)
                    proxy.is_down = True
                    proxy.cut()
                    assert isinstance(await anext(connections), Reconnecting)
                    await trade(ann, bob, 2)
                    proxy.is_down = False
                    back_again = await anext(connections)
                    assert back_again.missed == 0, "there is no private stream for it"
                    await trade(ann, bob, 2)
                check(await heard(copies, 3 * 6 * 6), 1, told)
                await desk.ping()
                assert waiting(copies) == []
            await proxy.stop()

    run(main())


def test_cuts_anywhere_lose_nothing_and_tell_nothing_twice_ses_073():
    async def main():
        kept = {"private_history_bytes": 1 << 24, "backlog_bytes_max": 1 << 26}
        async with running(**kept) as venue, traders(venue) as (ann, bob, told):
            proxy = Proxy(venue.server.port, random.Random(5))
            port = await proxy.start()
            async with connect(f"ws://127.0.0.1:{port}/ws/v1", desk_key(venue)) as desk:
                copies, count = desk.copies(), 0
                await copies.begun()
                proxy.is_cutting = True
                while proxy.cuts < 5:
                    await trade(ann, bob, 20)
                    count += 20 * 6
                    await desk.connected()
                proxy.is_cutting = False
                check(await heard(copies, count), 1, told)
            await proxy.stop()

    run(main())


def test_a_desk_that_was_restarted_resumes_ses_073():
    async def main():
        async with running() as venue, traders(venue) as (ann, bob, told):
            key = desk_key(venue)
            async with connect(venue.url, key) as desk:
                copies = desk.copies()
                await copies.begun()
                await trade(ann, bob)
                noted = desk.epoch, (await heard(copies, 4))[-1].seq
            await trade(ann, bob)
            async with connect(venue.url, key) as desk:
                assert [copy.seq for copy in await heard(desk.copies(resume=noted), 8)] == list(range(5, 13))
            async with connect(venue.url, key) as desk:
                check(await heard(desk.copies(resume=(desk.epoch, 0)), 12), 1, told)
                for wrong in ((desk.epoch + 1, 4), (desk.epoch, 13)):
                    async with connect(venue.url, key) as another:
                        lost = another.copies(resume=wrong)
                        with pytest.raises(StateLost):
                            await lost.begun()
                        with pytest.raises(StateLost):
                            await anext(lost)
                        await another.ping()

    run(main())


def test_copies_that_are_gone_end_the_reader_and_not_the_session_ses_073():
    async def main():
        async with running(private_history_bytes=256) as venue, traders(venue) as (ann, bob, _):
            key = desk_key(venue)
            async with connect(venue.url, key) as desk:
                copies = desk.copies()
                await copies.begun()
                await trade(ann, bob, 200)
                while (await heard(copies, 1))[-1].seq < 1_200:
                    pass
                lost, also_lost = desk.copies(), desk.copies()
                with pytest.raises(ValueError, match="only reader"):
                    desk.copies(resume=(desk.epoch, 1))
                for reader in (copies, lost, also_lost):
                    reader.close()
                lost = desk.copies(resume=(desk.epoch, 1))
                with pytest.raises(StateLost, match="drop copies are kept from"):
                    await anext(lost)
                anew = desk.copies()
                assert (await anew.begun()).seq == 1_200
                await trade(ann, bob)
                assert [copy.seq for copy in await heard(anew, 6)] == list(range(1_201, 1_207))

    run(main())


def test_a_key_without_the_scope_is_refused_ses_073():
    async def main():
        async with running() as venue, connect(venue.url, venue.key["ann"]) as ann:
            copies = ann.copies()
            with pytest.raises(RequestRefused, match="SCOPE"):
                await copies.begun()
            with pytest.raises(RequestRefused, match="SCOPE"):
                await anext(copies)
            for channel in (Channel.COPY, Channel.ACCOUNT):
                with pytest.raises(ValueError, match="use follow_account or copies"):
                    await ann.subscribe(channel)

    run(main())


def test_a_trader_may_watch_over_the_firm_and_hears_its_own_too_ses_073():
    async def main():
        async with running() as venue, connect(venue.url, venue.key["bob"]) as bob:
            async with connect(venue.url, desk_key(venue, "bob", scopes=("copy", "trade"))) as cat:
                copies, own = cat.copies(), cat.events(Fill)
                await copies.begun()
                await bob.sell(1, lots=1, ticks=2450)
                await cat.buy(1, lots=1, ticks=2450)
                assert [copy.account for copy in await heard(copies, 2)] == [2, 3]
                assert (await anext(own)).pseq == 1

    run(main())


def test_a_listener_asks_for_no_private_stream_of_an_account_that_trades_ses_073():
    """Its heartbeats say how far the account's stream is; it hears none of it, and never will."""

    async def main():
        async with running(heartbeat_ms=50) as venue, traders(venue) as (ann, bob, _):
            key = generate_key("ann", ("copy",), ("bob",))
            venue.keys.add(key)
            async with connect(venue.url, key) as desk:
                copies = desk.copies()
                await copies.begun()
                await trade(ann, bob)
                await asyncio.sleep(0.3)
                assert len(await heard(copies, 6)) == 6
                assert desk.is_connected

    run(main())


def test_an_account_that_joins_is_known_by_name_ses_073():
    async def main():
        async with running() as venue, connect(venue.url, venue.key["bob"]) as bob:
            async with connect(venue.url, desk_key(venue, "bob", "dan")) as desk:
                copies = desk.copies()
                assert (await copies.begun()).accounts == {2: "bob", 3: "cat"}
                venue.sequencer.submit(commands.add_account("dan"))
                venue.key["dan"] = generate_key("dan")
                venue.keys.add(venue.key["dan"])
                async with connect(venue.url, venue.key["dan"]) as dan:
                    await bob.sell(1, lots=1, ticks=2450)
                    await dan.buy(1, lots=1, ticks=2450)
                    assert [copy.account for copy in await heard(copies, 2)] == [2, 4]
                    await desk.ping()
                    assert copies.head.accounts == {2: "bob", 3: "cat", 4: "dan"}

    run(main())


def test_copies_that_are_not_read_end_at_events_waiting_max(monkeypatch):
    monkeypatch.setattr(reader_module, "EVENTS_WAITING_MAX", 10)

    async def main():
        async with running() as venue, traders(venue) as (ann, bob, _):
            async with connect(venue.url, desk_key(venue)) as desk:
                copies = desk.copies()
                await copies.begun()
                await trade(ann, bob, 2)
                seqs = [copy.seq for copy in await heard(copies, 10)]
                with pytest.raises(EventsOverrun):
                    await anext(copies)
                again = desk.copies(resume=(desk.epoch, seqs[-1]))
                assert [copy.seq for copy in await heard(again, 2)] == [11, 12]

    run(main())


# Against a venue that says what the test wants.


def copy(seq, account, pseq):
    return [COPY, seq, account, fill(pseq, 5, 1)]


async def follow(session, peer, seq, accounts=(1, 2)):
    """Begin to follow copies; the venue says where they stand."""
    copies = session.copies()
    beginning = asyncio.ensure_future(copies.begun())
    await stand(peer, seq, accounts)
    await answer_pings(peer, beginning)
    return copies


async def answer_pings(peer, beginning):
    """Answer them until something is done."""
    while not beginning.done():
        ping = await peer.next(3)
        await peer.send([65, ping[1], 0, 1])
        await asyncio.sleep(0.01)


async def stand(peer, seq, accounts=(1, 2)):
    """Answer a subscription."""
    ask = await peer.next(4)
    assert ask[2:4] == [9, None]
    await peer.send([RESP, ask[1], 0, 2], [HEAD, seq, list(accounts), [f"account{number}" for number in accounts]])


def test_a_gap_is_asked_for_and_the_order_is_kept():
    async def main():
        async with fake_venue() as venue, session_of(venue) as (session, peer):
            copies = await follow(session, peer, 7)
            await peer.send(copy(8, 1, 3), copy(10, 1, 5), copy(8, 1, 3))
            refused = await peer.next(6)
            assert refused[2:] == [1, None, 9]
            await peer.send([RESP, refused[1], int(RejectReason.RATE), 10_000])
            replay = await peer.next(6)
            assert replay[2:] == [1, None, 9]
            await peer.send([RESP, replay[1], 0, 2], copy(9, 1, 4), copy(10, 1, 5), copy(11, 2, 1))
            assert [(one.seq, one.account, one.event.pseq) for one in await heard(copies, 4)] == [
                (8, 1, 3), (9, 1, 4), (10, 1, 5), (11, 2, 1),
            ]  # fmt: skip

    run(main())


def test_the_end_that_was_missed_is_asked_for_in_parts():
    async def main():
        async with fake_venue() as venue, session_of(venue) as (session, peer):
            copies = await follow(session, peer, 0)
            await peer.send(copy(1, 1, 1))
            await settle(session, peer)
            peer.cut()
            peer = await back(venue)
            await stand(peer, 4)
            first = await peer.next(6)
            assert first[2:] == [1, None, 2]
            await peer.send([RESP, first[1], 0, 2], copy(2, 1, 2), copy(5, 1, 5), copy(3, 1, 3))
            second = await peer.next(6)
            assert second[2:] == [1, None, 4]
            peer.cut()  # In the middle of it.
            peer = await back(venue)
            await stand(peer, 5)
            third = await peer.next(6)
            assert third[2:] == [1, None, 4]
            await peer.send([RESP, third[1], 0, 2], copy(4, 1, 4), copy(5, 1, 5))
            assert [one.seq for one in await heard(copies, 5)] == [1, 2, 3, 4, 5]

    run(main())


def test_copies_of_a_later_kind_are_passed_over():
    async def main():
        async with fake_venue() as venue, session_of(venue) as (session, peer):
            copies = await follow(session, peer, 0)
            await peer.send([COPY, 1, 1, [999, 1, 7]], copy(2, 1, 2))
            assert await heard(copies, 1) == [Copy(2, 1, Fill(*fill(2, 5, 1)[1:]))]

    run(main())


@pytest.mark.parametrize("way", ["head", "gone", "none", "firm", "joined"])
def test_copies_that_cannot_go_on_are_a_state_lost(way):
    async def main():
        async with fake_venue() as venue, session_of(venue) as (session, peer):
            copies = await follow(session, peer, 3)
            await peer.send(copy(4, 1, 9))
            await settle(session, peer)
            if way in ("gone", "none"):
                await peer.send(copy(7, 1, 12))
                replay = await peer.next(6)
                reason = int(RejectReason.REPLAY_TOO_OLD) if way == "gone" else 0
                await peer.send([RESP, replay[1], reason, 0])
            elif way == "head":
                peer.cut()
                peer = await back(venue)
                await stand(peer, 3)
            else:
                await peer.send(copy(5, 1, 9) if way == "firm" else copy(5, 1, 11))
            assert (await anext(copies)).seq == 4
            with pytest.raises(StateLost):
                await anext(copies)
            await settle(session, peer)
            assert session.is_connected
            again = session.copies()
            end = await peer.next(5)
            await peer.send(copy(6, 1, 12), [RESP, end[1], 0, 2])
            await stand(peer, 20)
            await peer.send(copy(21, 1, 30))
            await settle(session, peer)
            assert [one.seq for one in waiting(again)] == [21]

    run(main())


def test_another_connection_begins_anew_what_was_lost():
    async def main():
        async with fake_venue() as venue, session_of(venue) as (session, peer):
            copies = await follow(session, peer, 3)
            await peer.send(copy(4, 1, 9), copy(5, 1, 11))
            assert (await anext(copies)).seq == 4
            with pytest.raises(StateLost, match="same firm"):
                await anext(copies)
            peer.cut()
            peer = await back(venue)
            await stand(peer, 20)
            await settle(session, peer)
            again = session.copies()
            assert (await again.begun()).seq == 20
            await peer.send(copy(21, 1, 30))
            assert [one.seq for one in await heard(again, 1)] == [21]

    run(main())


def test_copies_after_a_gap_end_at_private_held_max(monkeypatch):
    monkeypatch.setattr(stream_module, "PRIVATE_HELD_MAX", 3)

    async def main():
        async with fake_venue() as venue, session_of(venue) as (session, peer):
            copies = await follow(session, peer, 0)
            await peer.send(*[copy(seq, 1, seq) for seq in range(2, 6)])
            with pytest.raises(StateLost, match="over 3 private messages"):
                await anext(copies)
            await settle(session, peer)

    run(main())


def test_a_loss_while_the_copies_begin_is_made_good():
    async def main():
        async with fake_venue() as venue, session_of(venue) as (session, peer):
            copies = session.copies()
            await peer.next(4)
            peer.cut()
            peer = await back(venue)
            await stand(peer, 3)
            await peer.send(copy(4, 1, 1))
            beginning = asyncio.ensure_future(copies.begun())
            await answer_pings(peer, beginning)
            assert beginning.result().seq == 3
            assert [one.seq for one in await heard(copies, 1)] == [4]

    run(main())


def test_copies_end_with_their_session():
    async def main():
        async with fake_venue() as venue, session_of(venue, reconnect_s=0) as (session, peer):
            copies = await follow(session, peer, 0)
            peer.cut()
            with pytest.raises(ConnectionClosed, match="1006"):
                await anext(copies)
            for late in itertools.repeat(session.copies(), 2):
                with pytest.raises(ConnectionClosed, match="1006"):
                    await late.begun()

    run(main())
