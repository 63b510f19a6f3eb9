"""Messages older than memory goes back, made again from the journal of a running venue. Rules: docs/spec/session.md."""

import asyncio
import contextlib
import hashlib
import hmac
import io
import signal
import time

import aiohttp
import msgpack
import pytest
from served import Grounds, kill, url_of

from exchange.reasons import RejectReason as R
from ext.link import Link
from gateway.archive import ARCHIVE_MESSAGES_MAX, Archive, Wanted
from gateway.archive_reader import Messages
from gateway.auth import KeyStore, generate_key
from gateway.protocol import Channel, MessageType

ORDERS = 3_000  # Of ann's; each is taken by bob's: their fills do not fit the memory that is given.
LIMITS = "[limits]\nprivate_history_bytes = 4096\n"
RUN_S_MAX = 60


@pytest.fixture(scope="module")
def venue(tmp_path_factory):
    """A venue as a process, with 6,000 fills behind it, and a key of cat's that hears ann and bob."""
    directory = tmp_path_factory.mktemp("venue")
    grounds = Grounds(directory, ("ann", "bob", "cat"), time.time_ns())
    grounds.desk = generate_key("cat", ("copy",), ("ann", "bob"))
    keys = KeyStore.load(directory / "keys.json")
    keys.add(grounds.desk)
    keys.save(directory / "keys.json")
    (directory / "venue.toml").write_text(LIMITS)
    process = grounds.spawn(0, "--config", str(directory / "venue.toml"))
    grounds.url = url_of(process)
    grounds.told = run(trade(grounds))
    yield grounds
    process.send_signal(signal.SIGTERM)
    assert process.wait(RUN_S_MAX) == 0
    process.stdout.close()


def run(main):
    return asyncio.run(asyncio.wait_for(main, RUN_S_MAX))


class Client:
    """A client of the wire by hand."""

    def __init__(self, socket):
        self.socket = socket

    async def send(self, *fields):
        await self.socket.send_bytes(msgpack.packb(fields))

    async def next(self, *types):
        while True:
            said = await self.socket.receive()
            assert said.type == aiohttp.WSMsgType.BINARY, (said.type, said.data, said.extra)
            message = msgpack.unpackb(said.data)
            if message[0] in types:
                return message

    async def login(self, key, lane=0):
        hello = await self.next(MessageType.HELLO)
        ts = time.time_ns() // 1000
        signature = hmac.digest(key.secret, hello[3] + key.key_id.encode() + str(ts).encode(), hashlib.sha256)
        await self.send(MessageType.LOGIN, 1, key.key_id, ts, signature, lane, 0, 0, 0, 0)
        return await self.next(MessageType.WELCOME)


class logged_in:
    """A session, as `async with`."""

    def __init__(self, venue, key, lane=0):
        self.venue, self.key, self.lane = venue, key, lane

    async def __aenter__(self):
        self.http = aiohttp.ClientSession()
        client = Client(await self.http.ws_connect(self.venue.url))
        client.welcome = await client.login(self.key, self.lane)
        return client

    async def __aexit__(self, *_):
        await self.http.close()


async def trade(venue):
    """Trade, and return ann's fills as she was told them."""
    async with logged_in(venue, venue.key["ann"]) as ann, logged_in(venue, venue.key["bob"]) as bob:
        told = []
        for first in range(1, ORDERS + 1, 60):
            refs = range(first, first + 60)
            await ann.send(20, first, 0, [[16, ref, 1, 1, 2450, 1, 0, 0] for ref in refs])
            await bob.send(20, first, 0, [[16, ref, 1, 0, 2450, 1, 0, 0] for ref in refs])
            told += [await ann.next(MessageType.FILL) for _ in refs]
        return told


async def replayed(client, stream, first, last, kind):
    """Ask for messages; the answer and they, whatever comes between."""
    await client.send(MessageType.REPLAY, 7, stream, None, first, last)
    answer = await client.next(MessageType.RESP)
    return answer, [await client.next(kind) for _ in range(answer[3])]


def test_old_messages_come_from_the_journal_as_they_were_ses_074(venue):
    async def main():
        async with logged_in(venue, venue.key["ann"], lane=1) as ann:
            assert ann.welcome[6] == ORDERS
            assert await replayed(ann, 0, 5, 9, MessageType.FILL) == ([66, 7, 0, 5], venue.told[4:9])
            assert await replayed(ann, 0, 1, None, MessageType.FILL) == ([66, 7, 0, ORDERS], venue.told)
            newest = await replayed(ann, 0, ORDERS - 1, None, MessageType.FILL)
            assert newest == ([66, 7, 0, 2], venue.told[-2:]), "these were in memory"

    run(main())


def test_old_drop_copies_come_from_the_journal_ses_074(venue):
    async def main():
        async with logged_in(venue, venue.desk, lane=2) as desk:
            await desk.send(4, 1, Channel.COPY, None)
            head = await desk.next(MessageType.COPY_HEAD)
            assert head == [126, 2 * ORDERS, [1, 2, 3], ["ann", "bob", "cat"]]
            answer, copies = await replayed(desk, 1, 1, None, MessageType.COPY)
            assert answer == [66, 7, 0, 2 * ORDERS]
            assert [copy[1] for copy in copies] == list(range(1, 2 * ORDERS + 1))
            assert [copy[3] for copy in copies if copy[2] == 1] == venue.told

    run(main())


def test_the_text_form_is_served_too_ses_074(venue):
    async def main():
        async with logged_in(venue, venue.key["ann"], lane=3) as ann:
            await ann.socket.send_str('{"t":"replay","ref":7,"stream":0,"inst":null,"from":2,"to":3}')
            return [await ann.next(MessageType.FILL) for _ in range(2)]

    assert run(main()) == venue.told[1:3], "answers have the form of the login"


def test_several_requests_are_answered_in_turn_and_others_served_ses_074(venue):
    async def main():
        async with logged_in(venue, venue.key["ann"], lane=4) as ann, logged_in(venue, venue.key["bob"], lane=4) as bob:
            for ref in (1, 2, 3):
                await ann.send(MessageType.REPLAY, ref, 0, None, ref, ref)
            await bob.send(MessageType.PING, 5, 1)
            assert (await bob.next(MessageType.PONG))[:2] == [65, 5]
            answers = [await ann.next(MessageType.RESP, MessageType.FILL) for _ in range(6)]
            assert [answer for answer in answers if answer[0] == 66] == [[66, ref, 0, 1] for ref in (1, 2, 3)]
            assert [answer for answer in answers if answer[0] == 35] == venue.told[:3]

    run(main())


@pytest.mark.parametrize(("lanes", "each"), [(1, 10), (25, 8)])
def test_too_many_requests_are_refused_ses_074(venue, lanes, each):
    async def main():
        async with contextlib.AsyncExitStack() as stack:
            clients = []  # One that nobody holds would hang up.
            for lane in range(10, 10 + lanes):
                client = await stack.enter_async_context(logged_in(venue, venue.key["ann"], lane=lane))
                clients.append(client)
                for ref in range(each):
                    await client.send(MessageType.REPLAY, ref, 0, None, 1, 1)
            while (answer := await client.next(MessageType.RESP))[2] == 0:
                pass
            return answer

    assert run(main())[2:] == [R.OVERLOAD, 0]


def test_a_search_ends_with_its_connection_ses_074(venue):
    async def main():
        async with logged_in(venue, venue.key["ann"], lane=6) as ann:
            await ann.send(MessageType.REPLAY, 1, 0, None, 1, None)
        async with logged_in(venue, venue.key["bob"], lane=6) as bob:
            return await replayed(bob, 0, 1, 2, MessageType.FILL)

    answer, fills = run(main())
    assert answer == [66, 7, 0, 2]
    assert len(fills) == 2


# The process that looks.


def frame(*fields):
    payload = msgpack.packb(fields)
    size = len(payload)
    return bytes([0x82, size]) + payload if size < 126 else bytes([0x82, 126]) + size.to_bytes(2, "big") + payload


def kept(first, last, *writes):
    out = io.BytesIO()
    messages = Messages(first, last, out)
    for data in writes:
        messages.write(data)
    data, found = out.getvalue(), b""
    while data:
        size = int.from_bytes(data[:4], "little")
        found, data = found + data[4 : 4 + size], data[4 + size :]
    return found, messages.is_done


def test_only_what_is_wanted_is_kept_ses_074():
    fills = [frame(35, pseq, *range(14)) for pseq in range(1, 8)]
    notice, long = frame(41, 3, 1, 2), frame(37, 8, "x" * 200)
    ack = frame(33, 1, 0, 1, 2, 3, 4)
    begin, end = ack + fills[0] + notice + fills[1], fills[5] + fills[6] + long
    stream = [begin, fills[2], notice, fills[3] + notice + fills[4], end]
    assert kept(2, 5, *stream) == (b"".join(fills[1:5]), True)
    assert kept(8, 8, *stream) == (long, True)
    assert kept(7, 9, *stream) == (fills[6] + long, False), "there are not so many"
    assert kept(1, 8, b"".join(stream)) == (b"".join(fills) + long, True)
    assert kept(3, 2, *stream) == (b"", True)


def test_a_request_is_bounded_ses_074(monkeypatch):
    """What is over is left for the next request."""
    asked = []

    async def look(archive, wanted):
        asked.append((wanted.first, wanted.last))

    monkeypatch.setattr(Archive, "_answer", look)

    async def main():
        archive = Archive("nowhere")
        link = Link(None, lambda records: False)
        for first, last in ((1, ARCHIVE_MESSAGES_MAX), (5, 10**9), (7, 8)):
            assert archive.ask(Wanted(link, 1, [1], False, first, last))
        await archive._task

    run(main())
    assert asked == [(1, ARCHIVE_MESSAGES_MAX), (5, ARCHIVE_MESSAGES_MAX + 4), (7, 8)]


def test_a_journal_that_cannot_be_read_ends_the_connection_ses_074(tmp_path):
    grounds = Grounds(tmp_path, ("ann", "bob"), time.time_ns())
    (tmp_path / "venue.toml").write_text(LIMITS)
    process = grounds.spawn(0, "--config", str(tmp_path / "venue.toml"))
    grounds.url = url_of(process)

    async def main():
        await trade(grounds)
        for path in grounds.journal.glob("*.hgj"):
            path.rename(path.with_suffix(".away"))
        async with logged_in(grounds, grounds.key["ann"], lane=1) as ann:
            await ann.send(MessageType.REPLAY, 1, 0, None, 1, 2)
            while not (said := await ann.socket.receive()).type == aiohttp.WSMsgType.CLOSE:
                assert said.type == aiohttp.WSMsgType.BINARY
            return said.data, said.extra

    assert run(main()) == (1011, "the server failed")
    kill(process)
