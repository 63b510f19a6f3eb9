"""A program that starts before its server, and one that was restarted: what it missed is told to it."""

import asyncio
import socket
import time

import aiohttp
import pytest
from fake_venue import KEY, fake_venue
from gateway_venue import Venue, running
from test_client_link import fill
from test_server import run

from exchange.reasons import RejectReason
from gateway.auth import generate_key
from gateway.client import (
    Ack,
    Done,
    EventsOverrun,
    Fill,
    LoginRefused,
    Reconnected,
    RequestRefused,
    StateLost,
    Trade,
    connect,
)
from gateway.client import reader as reader_module

# The first connection.


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_the_first_connection_waits_for_a_server_that_starts_late():
    async def main():
        venue, port = Venue(), free_port()
        entering = connect(f"ws://127.0.0.1:{port}/ws/v1", venue.key["ann"], connect_s=10)
        opening = asyncio.ensure_future(entering.__aenter__())
        await asyncio.sleep(0.4)
        assert not opening.done()
        await venue.server.start("127.0.0.1", port)
        session = await opening
        assert session.is_connected
        await entering.__aexit__(None, None, None)
        await venue.server.stop()

    run(main())


def test_the_first_connection_is_given_up_in_time():
    async def main():
        url = f"ws://127.0.0.1:{free_port()}/ws/v1"
        for connect_s in (0, 0.3):
            begun_s = time.monotonic()
            with pytest.raises(OSError, match="onnect"):
                async with connect(url, KEY, connect_s=connect_s):
                    raise AssertionError
            assert time.monotonic() - begun_s >= connect_s

    run(main())


def test_a_server_that_takes_nobody_now_is_tried_again():
    async def main():
        async with fake_venue() as venue:
            venue.is_up = False
            with pytest.raises(aiohttp.WSServerHandshakeError):
                async with connect(venue.url, KEY):
                    raise AssertionError
            assert venue.attempts == 1
            opening = asyncio.ensure_future(connect(venue.url, KEY, connect_s=10).__aenter__())
            while venue.attempts < 4:
                await asyncio.sleep(0.01)
            venue.is_up = True
            peer = await venue.peer()
            await peer.serve_beginning()
            session = await opening
            assert session.is_connected

    run(main())


@pytest.mark.parametrize("reason", [b"110 AUTH", b"111 SCOPE", b"112 CLOCK"])
def test_a_refused_login_is_final(reason):
    async def main():
        async with fake_venue() as venue:
            venue.refuses = [(4001, b"120 RATE"), (4001, reason)]  # That too many came from the address passes.
            with pytest.raises(LoginRefused, match=reason.decode()):
                async with connect(venue.url, KEY, connect_s=10):
                    raise AssertionError
            assert venue.attempts == 2

    run(main())


def test_what_is_no_address_is_not_tried_again():
    async def main():
        with pytest.raises(aiohttp.InvalidURL):
            async with connect("ws://:x/ws/v1", KEY, connect_s=10):
                raise AssertionError

    run(main())


# Resuming.


async def trade(ann, bob, times):
    """Fills and ends in both accounts: two private messages of ann's each time, one of bob's."""
    for _ in range(times):
        sell = await ann.sell(1, lots=2, ticks=2450)
        await bob.buy(1, lots=1, ticks=2450)
        await ann.cancel(sell)


async def taken(events, count):
    return [await asyncio.wait_for(anext(events), 5) for _ in range(count)]


def test_what_was_missed_is_there_for_the_first_reader_ses_062():
    async def main():
        async with running() as venue, connect(venue.url, venue.key["bob"]) as bob:
            async with connect(venue.url, venue.key["ann"]) as ann:
                everything = ann.events(Fill, Done)
                await trade(ann, bob, 2)
                dealt_with = (await taken(everything, 3))[-1]
                noted = ann.epoch, dealt_with.pseq
            async with connect(venue.url, venue.key["ann"], lane=1) as ann:
                everything = ann.events(Fill, Done)
                await trade(ann, bob, 3)
                missed = await taken(everything, 6)
            async with connect(venue.url, venue.key["ann"], resume=noted) as ann:
                await trade(ann, bob, 1)  # Before anybody reads: it is held, too.
                assert ann.pseq == 12
                prices = ann.events(Trade)
                await ann.best_prices(1)
                await ann.connected()
                first, second = ann.events(Fill, Done), ann.events(Fill, Done)
                told = await taken(first, 9)
                assert [event.pseq for event in told] == list(range(4, 13))
                assert told[1:7] == missed
                await trade(ann, bob, 1)
                assert await taken(first, 2) == await taken(second, 2)
                assert not prices._waiting

    run(main())


def test_all_private_events_of_a_first_reader_without_kinds_ses_062():
    async def main():
        async with running() as venue, connect(venue.url, venue.key["bob"]) as bob:
            async with connect(venue.url, venue.key["ann"], lane=1) as ann:
                await trade(ann, bob, 1)
                epoch = ann.epoch
            async with connect(venue.url, venue.key["ann"], resume=(epoch, 1)) as ann:
                await ann.mass_cancel()
                told = await taken(ann.events(), 2)
                assert [(type(event), event.pseq) for event in told] == [(Done, 2), (Ack, 2)]
            async with connect(venue.url, venue.key["ann"], resume=(epoch, 2)) as ann:
                assert not ann.events()._waiting, "nothing was missed"

    run(main())


def test_a_program_that_has_heard_nothing_yet_begins_with_the_first_message_ses_063():
    async def main():
        async with running() as venue, connect(venue.url, venue.key["bob"]) as bob:
            async with connect(venue.url, venue.key["ann"], resume=(1, 0)) as ann:
                epoch = ann.epoch
                assert not ann.events()._waiting
                await trade(ann, bob, 3)
            async with connect(venue.url, venue.key["ann"], resume=(epoch, 0)) as ann:
                assert [event.pseq for event in await taken(ann.events(), 6)] == list(range(1, 7))
        with pytest.raises(StopAsyncIteration):
            await anext(ann.events())

    run(main())


@pytest.mark.parametrize("way", ["epoch", "ahead", "gone", "gone from the first"])
def test_what_cannot_be_resumed_is_a_state_lost_ses_062(way):
    async def main():
        async with running(private_history_bytes=256) as venue, connect(venue.url, venue.key["bob"]) as bob:
            async with connect(venue.url, venue.key["ann"], lane=1) as ann:
                await trade(ann, bob, 20)
                epoch, pseq = ann.epoch, ann.pseq
                noted = {
                    "epoch": (epoch + 1, pseq), "ahead": (epoch, pseq + 1), "gone": (epoch, 1),
                    "gone from the first": (epoch, 0),
                }[way]  # fmt: skip
            with pytest.raises(StateLost):
                async with connect(venue.url, venue.key["ann"], resume=noted):
                    raise AssertionError

    run(main())


def test_more_than_can_be_held_is_refused_at_events_waiting_max(monkeypatch):
    monkeypatch.setattr(reader_module, "EVENTS_WAITING_MAX", 10)

    async def main():
        async with running() as venue, connect(venue.url, venue.key["bob"]) as bob:
            async with connect(venue.url, venue.key["ann"], lane=1) as ann:
                await trade(ann, bob, 6)
                epoch = ann.epoch
            with pytest.raises(EventsOverrun, match="12"):
                async with connect(venue.url, venue.key["ann"], resume=(epoch, 0)):
                    raise AssertionError
            async with connect(venue.url, venue.key["ann"], resume=(epoch, 2)) as ann:
                await trade(ann, bob, 1)
                late = ann.events(Fill, Done)
                assert [event.pseq for event in await taken(late, 10)] == list(range(3, 13))
                with pytest.raises(EventsOverrun):
                    await anext(late)

    run(main())


def test_a_key_that_hears_nothing_private_cannot_resume_ses_063():
    async def main():
        async with running() as venue:
            key = generate_key("ann", ("copy",))
            venue.keys.add(key)
            with pytest.raises(RequestRefused, match="SCOPE"):
                async with connect(venue.url, key, resume=(1, 0)):
                    raise AssertionError

    run(main())


def test_what_memory_does_not_have_is_waited_for_through_a_loss_ses_074():
    """The venue tells older messages when it has found them; the connection is cut in the middle of it."""

    async def main():
        async with fake_venue() as venue:
            venue.epoch, venue.pseq = 3, 5
            opening = asyncio.ensure_future(connect(venue.url, KEY, resume=(3, 1)).__aenter__())
            peer = await venue.peer()
            assert peer.stream == (3, 1)
            await peer.send([66, 0, int(RejectReason.REPLAY_TOO_OLD), 4])
            replay = None
            while replay is None:
                message = await peer.next(4, 6)
                if message[0] == 6:
                    replay = message
                else:
                    await peer.send([66, message[1], 0, 1])
            assert replay[2:] == [0, None, 2]
            await peer.send([66, replay[1], 0, 4], fill(2, 5, 1), fill(3, 5, 1))
            await asyncio.sleep(0.05)
            assert not opening.done()
            peer.cut()
            peer = await venue.peer()
            assert peer.stream == (3, 3)
            await peer.send(fill(4, 5, 1), fill(5, 5, 1))
            await peer.serve_beginning()
            session = await asyncio.wait_for(opening, 3)
            told = await taken(session.events(Fill, Reconnected), 5)
            assert [getattr(event, "pseq", "back") for event in told] == [2, 3, "back", 4, 5]

    run(main())
