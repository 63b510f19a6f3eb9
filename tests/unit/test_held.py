"""What waits for a reader waits in the link, end to end, and not in the transport, write by write."""

import asyncio
import ssl

import aiohttp
import msgpack
import pytest
import uvloop
from feed import Reader
from gateway_venue import Raw, running
from test_frames import CLOSE, Recorder, server_frames
from test_tls import pair, secured, url  # noqa: F401

from gateway.protocol import CloseCode

BINARY = 2
MESSAGES = 8_000


class Telling:
    """A transport whose peer reads when it is told to, and that tells when nothing is left."""

    def __init__(self):
        self.writes = []
        self.waiting = 0

    def write(self, data):
        self.writes.append(data)
        self.waiting += len(data)

    def get_write_buffer_size(self):
        return self.waiting

    def close(self):
        pass

    def empty(self, parser):
        self.waiting = 0
        parser.drained()


@pytest.fixture
def parser():
    parser = Recorder()
    parser.transport, parser.may_hold = Telling(), True
    parser.send(b"first")
    parser.flush()
    assert len(parser.transport.writes) == 1
    return parser


def say(parser, *texts):
    for text in texts:
        parser.send(text)
        parser.flush()


def test_what_waits_is_one_write_when_the_transport_has_nothing_left_ses_004(parser):
    say(parser, b"a", b"b", b"c")
    assert len(parser.transport.writes) == 1
    parser.transport.empty(parser)
    assert server_frames(parser.transport.writes[1]) == [(BINARY, b"a"), (BINARY, b"b"), (BINARY, b"c")]
    say(parser, b"d")
    assert len(parser.transport.writes) == 2
    parser.transport.empty(parser)
    assert server_frames(parser.transport.writes[2]) == [(BINARY, b"d")]
    parser.transport.empty(parser)
    say(parser, b"e")
    assert server_frames(parser.transport.writes[3]) == [(BINARY, b"e")]


def test_what_waits_goes_first_when_the_transport_has_not_told_yet(parser):
    say(parser, b"a")
    parser.transport.waiting = 0
    say(parser, b"b")
    parser.transport.empty(parser)
    assert server_frames(b"".join(parser.transport.writes[1:])) == [(BINARY, b"a"), (BINARY, b"b")]


@pytest.mark.parametrize("end", [lambda parser: parser.close(1000), lambda parser: parser.fail(1000, "")])
def test_close_frame_comes_behind_what_waits(parser, end):
    say(parser, b"a")
    end(parser)
    assert server_frames(b"".join(parser.transport.writes[1:])) == [(BINARY, b"a"), (CLOSE, b"\x03\xe8")]
    parser.transport.empty(parser)
    assert len(b"".join(parser.transport.writes[1:])) == 3 + 4


def test_what_waits_is_forgotten_with_the_connection(parser):
    say(parser, b"a")
    transport = parser.transport
    parser.feed_eof()
    parser.drained()
    assert len(transport.writes) == 1


def test_what_waits_counts_as_unread_and_goes_with_who_is_cut_off_ses_004():
    reader = Reader(None, backlog_bytes_max=1_000)
    link = reader.link
    link.transport, link.may_hold = Telling(), True
    for number in range(90):
        link.send(bytes(8))
        link.flush()
        assert link.bytes_waiting() == 10 * (number + 1)
    link.send(bytes(120))
    link.flush()
    assert link.close_code == CloseCode.SLOW
    assert server_frames(b"".join(link.transport.writes))[0] == (BINARY, bytes(8))
    assert [opcode for opcode, _ in server_frames(b"".join(link.transport.writes))] == [BINARY, CLOSE]


@pytest.mark.parametrize("is_tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_transport_is_given_nothing_more_till_it_has_sent_what_it_has_ses_004(loop, is_tls, pair):  # noqa: F811
    async def talk(venue, trust):
        async with aiohttp.ClientSession() as http:
            async with http.ws_connect(url(venue) if is_tls else venue.url, ssl=trust) as socket:
                bob = Raw(http, socket)
                assert (await bob.login(venue.key["bob"]))[0] == 67
                (link,) = (connection.link for connection in venue.server._connections)
                pipe = socket._response.connection.transport
                pipe.pause_reading()
                number = 0
                while link.bytes_waiting() < 200_000:  # Fill what the system buffers.
                    link.send(msgpack.packb([200, number, bytes(30_000)]))
                    link.flush()
                    number += 1
                    await asyncio.sleep(0)
                held = link.transport.get_write_buffer_size()
                for _ in range(MESSAGES):
                    link.send(msgpack.packb([200, number]))
                    link.flush()
                    number += 1
                assert link.transport.get_write_buffer_size() <= held
                assert link.bytes_waiting() > MESSAGES * 5
                assert link.is_open
                pipe.resume_reading()
                for wanted in range(number):
                    assert (await bob.next(200))[1] == wanted
                await asyncio.sleep(0.01)
                assert link.bytes_waiting() == 0

    async def main():
        if is_tls:
            async with secured(pair, heartbeat_ms=30_000) as (venue, trust):
                assert isinstance(trust, ssl.SSLContext)
                await talk(venue, trust)
        else:
            async with running(heartbeat_ms=30_000) as venue:
                await talk(venue, True)

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(asyncio.wait_for(main(), 30))
