"""A session and the connections it takes, against a venue that says what the test wants."""

import asyncio
import contextlib
import itertools
import random

import pytest
from fake_venue import KEY, fake_venue, session_of
from test_server import run

from exchange.reasons import DoneReason, RejectReason
from gateway.client import (
    BestPrices,
    Channel,
    ConnectionClosed,
    Fill,
    LoginRefused,
    Order,
    OrderRejected,
    OrderStage,
    OrderState,
    QuoteLeg,
    Reconnected,
    Reconnecting,
    RequestLost,
    RequestRefused,
    Side,
    StateLost,
    TooManyUnanswered,
    UnexpectedMessage,
    connect,
)
from gateway.client import in_step as in_step_module
from gateway.client import stream as stream_module
from gateway.client import unanswered as unanswered_module
from gateway.client import wire as wire_module
from gateway.client.recovery import COMES_BACK, RECONNECT_DELAY_MAX_MS, RECONNECT_FIRST_MS, delay_ms
from gateway.client.stages import NEXT_STAGES
from gateway.protocol import CloseCode

FILL, DONE, RESP, PONG, ACK, REJECT = 35, 37, 66, 65, 33, 34


def fill(pseq, oid, ref, *, qty=1, cum=1, leaves=0):
    return [FILL, pseq, oid, ref, pseq, 1, 0, 100, qty, cum, leaves, 1, 0, 1, 1, 0]


def done(pseq, oid, ref, *, reason=DoneReason.USER, cum=0):
    return [DONE, pseq, oid, ref, int(reason), cum, 1, 1]


def ack(ref, oid, *, code=0):
    return [ACK, ref, code, oid, 1, 1, 0]


async def back(venue):
    """The connection after a loss, the instruments subscribed to again."""
    peer = await venue.peer()
    assert (await peer.next(4))[2:4] == [5, None]
    return peer


async def settle(session, peer):
    """Wait until the session has heard all that was sent."""
    pinging = asyncio.ensure_future(session.ping())
    while not pinging.done():
        ping = await peer.next(3)
        await peer.send([PONG, ping[1], 0, 1])
        await asyncio.sleep(0.01)


# Which losses are made good.


@pytest.mark.parametrize("code", sorted(COMES_BACK - {1006}))
def test_lost_connection_is_replaced(code):
    async def main():
        async with fake_venue() as venue, session_of(venue) as (session, peer):
            heard = session.events(Reconnecting, Reconnected)
            await peer.close(code, b"why")
            assert await anext(heard) == Reconnecting(code, "why")
            await back(venue)
            assert isinstance(await anext(heard), Reconnected)
            assert session.is_connected

    run(main())


def test_cut_connection_is_replaced():
    async def main():
        async with fake_venue() as venue, session_of(venue) as (session, peer):
            heard = session.events(Reconnecting)
            peer.cut()
            assert (await anext(heard)).code == 1006
            assert not session.is_connected
            await back(venue)
            await asyncio.wait_for(session.connected(), 3)

    run(main())


def test_silent_connection_is_replaced():
    async def main():
        async with fake_venue() as venue:
            venue.heartbeat_ms = 50
            async with session_of(venue) as (session, _):
                heard = session.events(Reconnecting)
                assert (await anext(heard)).code == CloseCode.HEARTBEAT
                await back(venue)

    run(main())


@pytest.mark.parametrize("code", [CloseCode.SUPERSEDED, CloseCode.RATE, CloseCode.MALFORMED, CloseCode.INTERNAL])
def test_session_that_is_not_wanted_ends(code):
    async def main():
        async with fake_venue() as venue, session_of(venue) as (session, peer):
            order = session.place_nowait(1, Side.BUY, lots=1, ticks=1)
            await peer.close(code)
            with pytest.raises(ConnectionClosed, match=str(int(code))):
                await order.accepted()
            with pytest.raises(ConnectionClosed):
                await session.ping()
            assert venue.attempts == 1

    run(main())


def test_without_reconnect_a_loss_is_the_end():
    async def main():
        async with fake_venue() as venue, session_of(venue, reconnect_s=0) as (session, peer):
            peer.cut()
            with pytest.raises(ConnectionClosed, match="1006"):
                await anext(session.events())
            with pytest.raises(ConnectionClosed):
                await session.connected()

    run(main())


def test_refused_login_ends_the_session_unless_it_passes():
    async def main():
        async with fake_venue() as venue, session_of(venue) as (session, peer):
            venue.refuses = [(4001, b"120 RATE"), (4002, b""), (4001, b"110 AUTH")]
            waiting = session.events()
            peer.cut()
            assert (await anext(waiting)).code == 1006
            with pytest.raises(LoginRefused, match="AUTH"):
                await anext(waiting)
            assert venue.attempts == 4

    run(main())


def test_time_for_the_way_back_ends():
    async def main():
        async with fake_venue() as venue, session_of(venue, reconnect_s=0.2) as (session, peer):
            venue.is_up = False
            peer.cut()
            with pytest.raises(ConnectionClosed, match=r"no way back in 0.2 s"):
                await session.ping()
            assert venue.attempts > 2

    run(main())


def test_a_session_can_be_left_while_it_is_away():
    async def main():
        async with fake_venue() as venue, session_of(venue) as (session, peer):
            heard = session.events()
            venue.is_up = False
            peer.cut()
            await anext(heard)
        assert isinstance(session.closed, ConnectionClosed)
        with pytest.raises(ConnectionClosed):
            session.place_nowait(1, Side.BUY, lots=1, ticks=1)

    run(main())


def test_nobody_there_at_the_first_login():
    async def main():
        async with fake_venue() as venue:
            url = venue.url
        with pytest.raises(OSError, match="onnect"):
            async with connect(url, KEY):
                raise AssertionError

    run(main())


def test_silence_at_login_ends_at_dial_s_max(monkeypatch):
    monkeypatch.setattr(wire_module, "DIAL_S_MAX", 0.1)

    async def main():
        async with await asyncio.start_server(lambda reader, writer: writers.append(writer), "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            with pytest.raises(TimeoutError):
                async with connect(f"ws://127.0.0.1:{port}/ws/v1", KEY):
                    raise AssertionError
            for writer in writers:
                writer.close()
        assert len(writers) == 1

    writers = []
    run(main())


def test_waits_grow_to_their_limit_and_are_drawn():
    assert all(0 <= delay_ms(0) <= RECONNECT_FIRST_MS for _ in range(50))
    longest = [RECONNECT_FIRST_MS * 2**n for n in range(6)] + [RECONNECT_DELAY_MAX_MS] * 60
    for attempt, limit in enumerate(longest, 1):
        drawn = {delay_ms(attempt) for _ in range(20)}
        assert all(limit / 2 <= wait <= limit for wait in drawn)
        assert len(drawn) > 1


# The private stream.


def test_login_says_what_was_heard_and_what_was_missed_comes_once():
    async def main():
        async with fake_venue() as venue:
            venue.pseq, venue.epoch = 10, 3
            async with session_of(venue, heartbeat_ms=20_000) as (session, peer):
                assert (peer.stream, peer.login[10]) == ((0, 0), 20_000)
                heard = session.events(Fill, Reconnected)
                await peer.send(fill(11, 5, 1), fill(11, 5, 1), fill(12, 5, 1))
                assert [(await anext(heard)).pseq for _ in range(2)] == [11, 12]
                venue.pseq = 14
                peer.cut()
                peer = await back(venue)
                assert peer.stream == (3, 12)
                assert (await anext(heard)).missed == 2
                await peer.send(fill(13, 5, 1), fill(14, 5, 1), fill(15, 5, 1))
                assert [(await anext(heard)).pseq for _ in range(3)] == [13, 14, 15]
                assert session.pseq == 15

    run(main())


def test_gap_is_asked_for_and_the_order_is_kept():
    async def main():
        async with fake_venue() as venue, session_of(venue) as (session, peer):
            heard = session.events(Fill)
            await peer.send(fill(1, 5, 1), fill(4, 5, 1), fill(5, 5, 1))
            replay = await peer.next(6)
            assert replay[2:] == [0, None, 2]
            await peer.send([RESP, replay[1], 0, 3], fill(2, 5, 1), fill(3, 5, 1), fill(4, 5, 1))
            assert [(await anext(heard)).pseq for _ in range(5)] == [1, 2, 3, 4, 5]

    run(main())


def test_stream_from_its_beginning_is_asked_for():
    async def main():
        async with fake_venue() as venue, session_of(venue) as (session, peer):
            heard = session.events(Fill)
            peer.cut()
            venue.pseq = 1
            peer = await venue.peer()
            assert (await peer.next())[2:] == [0, None, 1]  # For a login with 0 asks for nothing.
            await peer.send(fill(1, 5, 1))
            assert (await anext(heard)).pseq == 1
            assert session.pseq == 1

    run(main())


def test_private_messages_of_a_later_kind_do_not_hold_up_the_others():
    async def main():
        async with fake_venue() as venue, session_of(venue) as (session, peer):
            heard = session.events(Fill)
            await peer.send([999, 1, 7], fill(2, 5, 1))
            replay = await peer.next(6)
            await peer.send([999, 3, 7], fill(4, 5, 1))  # While the venue looks for them, it goes on.
            await peer.send([RESP, replay[1], 0, 2], [999, 1, 7], fill(2, 5, 1))
            again = await peer.next(6)
            assert again[2:] == [0, None, 3]
            await peer.send([RESP, again[1], 0, 2], [999, 3, 7], fill(4, 5, 1))
            assert [(await anext(heard)).pseq for _ in range(2)] == [2, 4]

    run(main())


@pytest.mark.parametrize("reason", [RejectReason.RATE, RejectReason.OVERLOAD])
def test_replay_that_was_refused_for_now_is_asked_again(reason):
    async def main():
        async with fake_venue() as venue, session_of(venue) as (session, peer):
            await peer.send(fill(2, 5, 1))
            replay = await peer.next(6)
            await peer.send([RESP, replay[1], int(reason), 10_000])
            again = await peer.next(6)
            assert again[2:] == [0, None, 1]
            await peer.send([RESP, again[1], 0, 2], fill(1, 5, 1), fill(2, 5, 1))
            await settle(session, peer)
            assert session.pseq == 2

    run(main())


def test_what_a_login_is_not_told_is_asked_for_until_all_of_it_is_there():
    """A venue may have older messages in its journal: it tells so many at a time, while new ones go on."""

    async def main():
        async with fake_venue() as venue, session_of(venue) as (session, peer):
            heard = session.events(Fill)
            await peer.send(fill(1, 5, 1))
            await settle(session, peer)
            await peer.close(CloseCode.SLOW)
            venue.pseq = 6
            peer = await venue.peer()
            await peer.send([RESP, 0, int(RejectReason.REPLAY_TOO_OLD), 5])
            first = await peer.next(6)
            assert first[2:] == [0, None, 2]
            await peer.send(fill(7, 5, 1))
            await peer.send([RESP, first[1], 0, 3], fill(2, 5, 1), fill(3, 5, 1), fill(4, 5, 1))
            second = await peer.next(6)
            assert second[2:] == [0, None, 5]
            await peer.send([RESP, second[1], 0, 3], fill(5, 5, 1), fill(6, 5, 1), fill(7, 5, 1), fill(8, 5, 1))
            assert [(await anext(heard)).pseq for _ in range(8)] == list(range(1, 9))

    run(main())


def test_end_of_the_stream_that_is_missing_shows_at_heartbeats():
    async def main():
        async with fake_venue() as venue, session_of(venue) as (session, peer):
            await peer.send([104, 1, 1, 3, 1])
            await peer.send(fill(1, 5, 1))
            await settle(session, peer)  # It was on its way.
            await peer.send([104, 1, 1, 3, 1], [104, 1, 1, 3, 1])
            assert (await peer.next(6))[2:] == [0, None, 2]
            assert session.pseq == 1

    run(main())


@pytest.mark.parametrize("way", ["login", "epoch", "refs", "pseq", "replay", "scope"])
def test_stream_that_cannot_go_on_is_a_state_lost(way):
    async def main():
        async with fake_venue() as venue, session_of(venue) as (session, peer):
            await peer.send(fill(1, 5, 1))
            order = session.place_nowait(1, Side.BUY, lots=1, ticks=1)
            await peer.accept(16, oid=9)
            await order.accepted()
            waiting = session.events(Fill)
            if way in ("replay", "scope"):
                await peer.send(fill(3, 5, 1))
                replay = await peer.next(6)
                reason = RejectReason.REPLAY_TOO_OLD if way == "replay" else RejectReason.SCOPE
                await peer.send([RESP, replay[1], int(reason), 3])
            else:
                venue.pseq = 0 if way == "pseq" else 9
                venue.last_refs[1] = 0 if way == "refs" else 1
                venue.epoch = 2 if way == "epoch" else 1
                await peer.close(CloseCode.SLOW)
                peer = await venue.peer()
            if way == "login":
                await peer.send([RESP, 0, int(RejectReason.REPLAY_TOO_OLD), 70])
                replay = await peer.next(6)
                await peer.send([RESP, replay[1], int(RejectReason.REPLAY_TOO_OLD), 70])
            with pytest.raises(StateLost):
                await anext(waiting)
            with pytest.raises(StateLost):
                await order.wait_ended()

    run(main())


def test_private_messages_after_a_gap_end_at_private_held_max(monkeypatch):
    monkeypatch.setattr(stream_module, "PRIVATE_HELD_MAX", 3)

    async def main():
        async with fake_venue() as venue, session_of(venue) as (session, peer):
            waiting = session.events(Fill)
            await peer.send(*[fill(pseq, 5, 1) for pseq in range(2, 6)])
            with pytest.raises(StateLost, match="over 3 private messages"):
                await anext(waiting)

    run(main())


def test_stream_gives_each_message_once_in_order_whatever_comes():
    dice = random.Random(7)
    for _ in range(300):
        stream, told = stream_module.PrivateStream(0), []
        arriving = [*range(1, 12), *dice.choices(range(1, 12), k=6)]
        dice.shuffle(arriving)
        for pseq in arriving:
            told += [message[1] for message in stream.offer([FILL, pseq])]
        assert told == list(range(1, 12))
        assert not stream.has_gap


# Commands.


def test_unanswered_commands_go_again_with_their_refs():
    async def main():
        async with fake_venue() as venue, session_of(venue) as (session, peer):
            first = session.place_nowait(1, Side.BUY, lots=1, ticks=1)
            second = session.place_nowait(1, Side.BUY, lots=2, ticks=2)
            third = session.place_nowait(1, Side.BUY, lots=3, ticks=3)
            sent = [await peer.next(16) for _ in range(3)]
            await peer.send(ack(first.ref, 11))
            await first.accepted()
            heard = session.events(Reconnected)
            peer.cut()
            peer = await back(venue)
            fourth = session.place_nowait(1, Side.BUY, lots=4, ticks=4)
            again = [await peer.next(16) for _ in range(3)]
            assert again[:2] == sent[1:]
            assert again[2][1] == fourth.ref == 4
            assert (await anext(heard)).sent_again == 2
            await peer.send(ack(second.ref, 12, code=1), [REJECT, third.ref, 220, 1, 1, 5], ack(fourth.ref, 14))
            assert ((await second.accepted()).oid, (await fourth.accepted()).oid) == (12, 14)
            with pytest.raises(OrderRejected, match="MARGIN"):
                await third.accepted()
            assert session._pending == {}

    run(main())


def test_what_happened_to_an_order_before_its_answer_is_known_is_not_lost():
    async def main():
        async with fake_venue() as venue, session_of(venue) as (session, peer):
            order = session.place_nowait(1, Side.BUY, lots=3, ticks=1)
            gone = session.place_nowait(1, Side.BUY, lots=1, ticks=1)
            peer.cut()
            venue.pseq = 4
            peer = await venue.peer()
            await peer.send(
                fill(1, 50, 1, leaves=2), fill(2, 99, 1), done(3, 51, 2), fill(4, 50, 1, cum=3, qty=2),
                ack(order.ref, 50, code=1), ack(gone.ref, 51, code=1),
            )  # fmt: skip
            await order.wait_ended()
            await gone.wait_ended()
            assert (order.stage, order.cum, len(order.fills)) == (OrderStage.FILLED, 3, 2)
            assert (gone.stage, gone.done_reason) == (OrderStage.CANCELLED, DoneReason.USER)

    run(main())


def test_command_sent_while_away_waits():
    async def main():
        async with fake_venue() as venue, session_of(venue) as (session, peer):
            heard = session.events(Reconnecting)
            venue.is_up = False
            peer.cut()
            await anext(heard)
            buying = asyncio.ensure_future(session.buy(1, lots=1, price="2.5"))
            await asyncio.sleep(0)
            assert len(session._pending) == 1
            venue.is_up = True
            peer = await back(venue)
            assert (await peer.accept(16, oid=3))[4] == 2500
            assert (await buying).oid == 3

    run(main())


def test_batch_that_was_not_read_goes_again_whole():
    async def main():
        async with fake_venue() as venue, session_of(venue) as (session, peer):
            batch = session.batch()
            orders = [batch.place_nowait(1, Side.BUY, lots=1, ticks=ticks) for ticks in (1, 2)]
            sending = asyncio.ensure_future(batch.send())
            frame = await peer.next(20)
            peer.cut()
            peer = await back(venue)
            assert await peer.next(20) == frame
            assert frame[1] > max(order.ref for order in orders)
            await peer.send([36, frame[1], 2], ack(orders[0].ref, 5), ack(orders[1].ref, 6))
            assert [answer.oid for answer in await sending] == [5, 6]

    run(main())


def test_batch_for_which_there_is_no_room_is_kept(monkeypatch):
    monkeypatch.setattr(unanswered_module, "UNANSWERED_MAX", 2)

    async def main():
        async with fake_venue() as venue, session_of(venue) as (session, peer):
            waiting = session.place_nowait(1, Side.BUY, lots=1, ticks=1)
            batch = session.batch()
            orders = [batch.place_nowait(1, Side.BUY, lots=1, ticks=ticks) for ticks in (1, 2)]
            with pytest.raises(TooManyUnanswered):
                await batch.send()
            assert len(batch) == 2
            await peer.accept(16, oid=1)
            await waiting.accepted()
            sending = asyncio.ensure_future(batch.send())
            frame = await peer.next(20)
            await peer.send([36, frame[1], 2], ack(orders[0].ref, 5), ack(orders[1].ref, 6))
            assert [answer.oid for answer in await sending] == [5, 6]

    run(main())


def test_operations_of_a_batch_that_was_read_go_again_alone():
    async def main():
        async with fake_venue() as venue, session_of(venue) as (session, peer):
            batch = session.batch()
            orders = [batch.place_nowait(1, Side.BUY, lots=1, ticks=ticks) for ticks in (1, 2)]
            sending = asyncio.ensure_future(batch.send())
            frame = await peer.next(20)
            await peer.send([36, frame[1], 2], ack(orders[0].ref, 5))
            await orders[0].accepted()
            peer.cut()
            peer = await back(venue)
            assert (await peer.accept(oid=6))[:2] == [16, orders[1].ref]
            assert [answer.oid for answer in await sending] == [5, 6]

    run(main())


@pytest.mark.parametrize("reason", [RejectReason.RATE, RejectReason.OVERLOAD, RejectReason.DRAINING])
def test_refusal_at_the_door_does_not_answer_what_was_sent_again(reason):
    async def main():
        async with fake_venue() as venue, session_of(venue) as (session, peer):
            order = session.place_nowait(1, Side.BUY, lots=1, ticks=1)
            peer.cut()
            peer = await back(venue)
            sent = await peer.next(16)
            await peer.send([REJECT, sent[1], int(reason), 1_000, 1, 0])
            assert await peer.next(16) == sent
            await peer.send(ack(order.ref, 8, code=1))
            assert (await order.accepted()).oid == 8
            fresh = session.place_nowait(1, Side.BUY, lots=1, ticks=1)
            await peer.send([REJECT, fresh.ref, int(reason), 1_000, 1, 0])
            with pytest.raises(OrderRejected, match=reason.name):
                await fresh.accepted()

    run(main())


def test_commands_without_an_answer_end_at_unanswered_max(monkeypatch):
    monkeypatch.setattr(unanswered_module, "UNANSWERED_MAX", 3)

    async def main():
        async with fake_venue() as venue, session_of(venue) as (session, peer):
            for _ in range(3):
                session.place_nowait(1, Side.BUY, lots=1, ticks=1)
            with pytest.raises(TooManyUnanswered, match="at most 3"):
                session.place_nowait(1, Side.BUY, lots=1, ticks=1)
            await peer.accept(16, oid=1)
            await settle(session, peer)
            session.place_nowait(1, Side.BUY, lots=1, ticks=1)
            with pytest.raises(TooManyUnanswered):
                await session.cancel(1)
        async with fake_venue() as venue, session_of(venue, reconnect_s=0) as (session, peer):
            for _ in range(4):
                session.place_nowait(1, Side.BUY, lots=1, ticks=1)

    run(main())


def test_stages_follow_the_table_and_nothing_else():
    loop = asyncio.new_event_loop()
    for stage, then in itertools.product(OrderStage, OrderStage):
        order = Order(
            side=Side.BUY, ticks=1, lots=1, ref=1, answer=loop.create_future(), ended=loop.create_future(),
            instrument=None, stage=stage,
        )  # fmt: skip
        if then in NEXT_STAGES[stage]:
            order.move(then)
            assert order.stage is then
        else:
            with pytest.raises(UnexpectedMessage, match=f"is {stage.value} must not become {then.value}"):
                order.move(then)
        assert order.is_open == (order.stage in (OrderStage.PENDING, OrderStage.OPEN, OrderStage.PARTLY_FILLED))
    loop.close()


def test_message_told_twice_changes_an_order_once():
    async def main():
        async with fake_venue() as venue, session_of(venue) as (session, peer):
            order = session.place_nowait(1, Side.BUY, lots=5, ticks=1)
            await peer.accept(16, oid=4)
            await order.accepted()
            again = fill(1, 4, 1, qty=2, cum=2, leaves=3)
            await peer.send(again, again, [38, 2, 4, 1, 7, 9, 7, 1, 1], done(3, 4, 1, cum=2, reason=DoneReason.GATE))
            await order.wait_ended()
            assert (order.cum, order.lots, order.ticks, len(order.fills)) == (2, 9, 7, 1)
            assert (order.stage, order.state) == (OrderStage.ENDED, OrderState.DONE)

    run(main())


# Requests and subscriptions.


def test_requests_that_may_be_repeated_are_and_the_others_are_lost():
    async def main():
        async with fake_venue() as venue, session_of(venue) as (session, peer):
            pinging = asyncio.ensure_future(session.ping())
            moving = asyncio.ensure_future(session.transfer("coll", "bond", 5))
            beating = asyncio.ensure_future(session.heartbeat("P", "f", 1, [(0, 4)]))
            assert [(await peer.next())[0] for _ in range(3)] == [3, 42, 44]
            heard = session.events(Reconnecting)
            peer.cut()
            with pytest.raises(RequestLost):
                await moving
            peer = await back(venue)
            ping, beat = await peer.next(3), await peer.next(44)
            await peer.send([PONG, ping[1], 0, 77], [RESP, beat[1], 0, 1])
            assert (await pinging, await beating) == (77, True)
            venue.is_up = False
            peer.cut()
            for _ in range(2):
                await anext(heard)
            for lost in (session.transfer("coll", "bond", 5), session.logout()):
                with pytest.raises(ConnectionClosed):
                    await lost

    run(main())


def test_subscriptions_are_taken_up_again_and_keep_their_numbers():
    async def main():
        async with fake_venue() as venue, session_of(venue) as (session, peer):
            subscribing = asyncio.ensure_future(session.subscribe(Channel.L1, [1]))
            ask = await peer.next(4)
            await peer.send([RESP, ask[1], 0, 2])
            number = await subscribing
            for round_number in range(3):
                peer.cut()
                peer = await back(venue)
                again = await peer.next(4)
                assert again[2:4] == [1, [1]]
                if round_number != 1:  # In the second round the connection ends before the answer.
                    await peer.send([RESP, again[1], 0, 40 + round_number])
            prices = session.events(BestPrices)
            await peer.send([96, 1, 1, 1, 100, 2, 0, 0])
            assert (await anext(prices)).bid_px == 100
            leaving = asyncio.ensure_future(session.unsubscribe(number))
            end = await peer.next(5)
            assert end[2] == 42
            await peer.send([RESP, end[1], 0, 42])
            await leaving
            with pytest.raises(RequestRefused, match="MALFORMED"):
                await session.unsubscribe(number)

    run(main())


def test_books_are_built_anew():
    async def main():
        async with fake_venue() as venue, session_of(venue) as (session, peer):
            subscribing = asyncio.ensure_future(session.subscribe_book(1))
            ask = await peer.next(4)
            await peer.send([RESP, ask[1], 0, 2], [98, 1, 900, 1, [10, 1], []])
            ping = await peer.next(3)
            await peer.send([PONG, ping[1], 0, 1])
            book = await subscribing
            assert (book.best_bid, book.is_current) == ((10, 1), True)
            heard = session.events(Reconnecting)
            peer.cut()
            await anext(heard)
            assert not book.is_current
            peer = await back(venue)
            ask = await peer.next(4)
            await peer.send([RESP, ask[1], 0, 1], [98, 1, 3, 1, [], [20, 5]], [99, 1, 4, 4, 1, [], [21, 1]])
            await settle(session, peer)
            assert (book.best_bid, book.asks(), book.seq) == (None, [(20, 5), (21, 1)], 4)
            await peer.send([99, 1, 6, 6, 1, [], [22, 1]])
            snapshot = await peer.next(7)
            assert snapshot[2:] == [2, 1]
            await peer.send([98, 1, 6, 1, [], [22, 1]])
            await settle(session, peer)
            assert (book.asks(), book.gaps) == ([(22, 1)], 1)

    run(main())


def test_deltas_of_a_book_without_snapshot_end_at_messages_held_max(monkeypatch):
    monkeypatch.setattr(in_step_module, "MESSAGES_HELD_MAX", 2)

    async def main():
        async with fake_venue() as venue, session_of(venue) as (session, peer):
            asyncio.ensure_future(session.subscribe_book(1)).add_done_callback(lambda one: one.cancelled())
            await peer.next(4)
            await peer.send(*[[99, 1, seq, seq, 1, [seq, 1], []] for seq in range(5, 8)])
            assert (await peer.next(7))[2:] == [2, 1]  # Asked for anew; the deltas before are given up.
            await peer.send([98, 1, 6, 1, [6, 1], []])
            await settle(session, peer)
            assert session.books[1].bids() == [(7, 1), (6, 1)]

    run(main())


def test_quotes_and_cancels_go_again_too():
    async def main():
        async with fake_venue() as venue, session_of(venue) as (session, peer):
            quoting = asyncio.ensure_future(session.quote([QuoteLeg(1, "1", 1, "2", 1)]))
            await asyncio.sleep(0)
            ending = session.mass_cancel_nowait()
            sent = [await peer.next(22), await peer.next(21)]
            peer.cut()
            peer = await back(venue)
            assert [await peer.accept(), await peer.accept()] == sent
            assert [(await quoting).ref, (await ending).ref] == [1, 2]

    run(main())


def test_connection_that_breaks_at_once_is_not_hammered():
    async def main():
        async with fake_venue() as venue, session_of(venue) as (_, peer):
            loop, moments = asyncio.get_running_loop(), []
            for _ in range(4):
                peer.cut()
                peer = await venue.peer()
                moments.append(loop.time())
            waits = [after - before for before, after in itertools.pairwise(moments)]
            assert all(wait >= floor / 1_000 for wait, floor in zip(waits, (50, 100, 200), strict=True))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(peer.next(4), 0.1)

    run(main())
