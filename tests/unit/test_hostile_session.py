"""What a peer may not do to a connection: flood it, starve others, leave its answers unread, outrun its own end."""

import asyncio
import itertools
from types import SimpleNamespace

import msgpack
import pytest
from gateway_venue import raw, running
from test_frames import BINARY, CLOSE, PING, PONG, Recorder, Transport, masked, server_frames
from test_server import run
from test_session import MS, SELL, Peer, frozen_venue, live

from exchange.reasons import RejectReason as R
from gateway.config import GatewayConfig
from gateway.connection import Connection

TURN = 256  # FRAMES_PER_TURN_MAX
PINGS = 10  # CONTROL_FRAMES_PER_S_MAX


@pytest.fixture
def venue():
    return frozen_venue()


class Pausable(Transport):
    """A transport that can be paused; `taken` is how much of what is written the system takes."""

    def __init__(self):
        super().__init__()
        self.is_paused = False
        self.pauses = 0
        self.is_aborted = False
        self.backlog = 0

    def pause_reading(self):
        self.is_paused = True
        self.pauses += 1

    def resume_reading(self):
        self.is_paused = False

    def get_write_buffer_size(self):
        return self.backlog

    def abort(self):
        self.is_aborted = True


class Turns:
    """A loop that only knows `call_soon`, and turns when it is told to."""

    def __init__(self, parser):
        self.waiting = []
        self.parser = parser
        parser.call_soon = self.waiting.append
        parser.transport = Pausable()

    def turn(self):
        """One turn; False when nothing was due."""
        due, self.waiting[:] = list(self.waiting), []
        for call in due:
            call()
        return bool(due)

    def turn_until_idle(self):
        turns = 0
        while self.turn():
            turns += 1
        return turns


def numbers(first, last):
    return [(BINARY, str(number).encode()) for number in range(first, last)]


def stream(first, last):
    return b"".join(masked(*message) for message in numbers(first, last))


# Turns.


def test_a_read_is_taken_in_turns_in_order_with_one_write_each_ses_043():
    parser = Recorder()
    loop = Turns(parser)
    parser.feed_data(stream(0, 2 * TURN + 10))
    transport = parser.transport
    assert parser.messages == numbers(0, TURN)
    assert (transport.is_paused, parser.has_more, len(transport.writes)) == (True, True, 1)
    loop.turn()
    assert parser.messages == numbers(0, 2 * TURN)
    assert (transport.is_paused, len(transport.writes)) == (True, 2)
    loop.turn()
    assert parser.messages == numbers(0, 2 * TURN + 10)
    assert (transport.is_paused, parser.has_more, len(transport.writes)) == (False, False, 3)
    assert not loop.turn()
    assert server_frames(b"".join(transport.writes)) == parser.messages


def test_as_many_frames_as_a_turn_takes_need_one_turn_ses_043():
    parser = Recorder()
    loop = Turns(parser)
    parser.feed_data(stream(0, TURN))
    assert parser.messages == numbers(0, TURN)
    assert (parser.has_more, parser.transport.pauses, loop.waiting) == (False, 0, [])


def test_a_read_that_comes_although_reading_is_paused_waits_behind_ses_043():
    parser = Recorder()
    loop = Turns(parser)
    data = stream(0, 3 * TURN)
    cuts = [0, len(stream(0, 2 * TURN)) - 3, len(stream(0, 2 * TURN)) + 5, len(data)]
    for start, end in itertools.pairwise(cuts):
        parser.transport.is_paused = False
        parser.feed_data(data[start:end])
        assert parser.transport.is_paused
        assert parser.messages == numbers(0, TURN)
    assert len(loop.waiting) == 1
    assert loop.turn_until_idle() == 2
    assert parser.messages == numbers(0, 3 * TURN)


@pytest.mark.parametrize("cut", [1, 2, 5, 6, 7, 8])
def test_a_frame_torn_at_the_end_of_a_turn_is_completed_ses_043(cut):
    parser = Recorder()
    loop = Turns(parser)
    data = stream(0, TURN + 1)
    at = len(stream(0, TURN)) + cut
    parser.feed_data(data[:at])
    loop.turn_until_idle()
    assert not parser.transport.is_paused
    parser.feed_data(data[at:])
    loop.turn_until_idle()
    assert parser.messages == numbers(0, TURN + 1)


def test_an_error_in_a_later_turn_ends_the_connection_there_ses_043():
    parser = Recorder()
    loop = Turns(parser)
    parser.feed_data(stream(0, TURN + 5) + masked(3) + stream(0, 9))
    assert parser.is_open
    loop.turn_until_idle()
    assert parser.messages == numbers(0, TURN + 5)
    assert (parser.close_code, parser.endings, parser.transport.is_paused) == (1002, [False], False)
    assert parser.feed_data(b"more") == (True, b"")


def test_a_close_frame_in_a_later_turn_is_answered_ses_043():
    parser = Recorder()
    loop = Turns(parser)
    parser.feed_data(stream(0, TURN) + masked(CLOSE, b"\x03\xe8") + stream(0, 9))
    loop.turn_until_idle()
    assert parser.messages == numbers(0, TURN)
    assert server_frames(parser.transport.writes[-1]) == [(CLOSE, b"\x03\xe8")]
    assert parser.transport.closed


def test_what_waits_when_the_connection_is_lost_is_not_done_ses_045():
    parser = Recorder()
    loop = Turns(parser)
    parser.feed_data(stream(0, 2 * TURN))
    parser.feed_eof()
    assert loop.turn_until_idle() == 1
    assert parser.messages == numbers(0, TURN)
    assert parser.endings == [True]


def test_requests_count_as_sixteen_frames_of_a_turn_and_orders_as_one_ses_043():
    peer = live(frozen_venue(orders_per_s=0))
    loop, link = Turns(peer.link), peer.link
    link.feed_data(b"".join(masked(BINARY, msgpack.packb([3, at, 1])) for at in range(40)))
    assert len(server_frames(link.transport.writes[-1])) == TURN // 16
    assert loop.turn_until_idle() == 2
    assert [len(server_frames(written)) for written in link.transport.writes] == [16, 16, 8]
    link.feed_data(b"".join(masked(BINARY, msgpack.packb([16, ref, *SELL[2:]])) for ref in range(1, TURN + 2)))
    assert link.commands_taken == TURN
    loop.turn_until_idle()
    assert link.commands_taken == TURN + 1


def test_an_error_of_ours_in_a_later_turn_does_not_leave_the_connection_half_alive():
    class Faulty(Recorder):
        def message(self, opcode, data):
            if data == b"%d" % (TURN + 3):
                raise KeyError("ours")
            super().message(opcode, data)

    parser = Faulty()
    loop = Turns(parser)
    parser.feed_data(stream(0, TURN + 10))
    with pytest.raises(KeyError, match="ours"):
        loop.turn()
    assert parser.transport.is_aborted


def test_frames_of_a_turn_are_counted_not_messages_ses_043():
    parser = Recorder()
    loop = Turns(parser)
    parser.feed_data(masked(PONG) * TURN + masked(BINARY, b"late"))
    assert parser.messages == []
    loop.turn()
    assert parser.messages == [(BINARY, b"late")]


def test_a_firehose_does_not_hold_up_the_others_ses_043():
    """One connection sends ten thousand requests at once; another's few are answered before the end of them."""

    async def main():
        async with running(orders_per_s=0, heartbeat_ms=30_000) as venue:
            async with raw(venue, venue.key["ann"]) as ann, raw(venue, venue.key["bob"]) as bob:
                hose = next(c for c in venue.server._connections if c.session.account_name == "ann")
                handled = []
                receive = hose.receive
                hose.receive = lambda *message: handled.append(1) or receive(*message)
                most = 0
                ann.socket._writer.transport.write(masked(BINARY, msgpack.packb([3, 1, 1])) * 10_000)
                while len(handled) < 10_000:
                    before = len(handled)
                    await bob.send(3, 2, 2)
                    assert (await bob.next(65))[1] == 2
                    most = max(most, len(handled) - before)
                assert most <= TURN, f"{most} requests of one connection were handled before one of another"

    run(main())


# Pings.


def test_more_pings_than_ten_a_second_end_the_connection_ses_042(venue):
    peer = live(venue)
    peer.link.feed_data(masked(PING, b"x") * PINGS)
    assert server_frames(peer.link.transport.writes[-1]) == [(PONG, b"x")] * PINGS
    peer.frames_read = len(peer.link.transport.writes)
    peer.link.feed_data(masked(PING, b"x") * 3)
    assert peer.link.close_code == 1008
    assert server_frames(peer.link.transport.writes[-1])[0][1][2:] == b"pings must be at most 10 a second"


def test_pings_of_one_read_are_counted_before_the_pongs_pile_up_ses_042(venue):
    peer = Peer(venue)
    peer.link.feed_data(masked(PING, bytes(125)) * 30_000)
    assert peer.link.close_code == 1008
    assert sum(map(len, peer.link.transport.writes)) < 2_000


def test_pongs_nobody_asked_for_count_too_ses_042(venue):
    peer = live(venue)
    peer.link.feed_data(masked(PONG) * (PINGS - 1) + masked(PING))
    assert peer.link.is_open
    peer.link.feed_data(masked(PONG))
    assert peer.link.close_code == 1008


def test_pings_spread_over_time_are_welcome_ses_042():
    async def main():
        async with running() as venue, raw(venue) as peer:
            for _ in range(PINGS):
                await peer.socket.ping()
            await asyncio.sleep(0.35)
            for _ in range(3):
                await peer.socket.ping()
            await peer.send(3, 1, 1)
            assert (await peer.next(65))[1] == 1

    run(main())


# Slow readers.


def slow_connection(is_private, **config):
    """A connection without a socket, its transport, and what its session said at the ticks."""
    connection = Connection(lambda records: True, GatewayConfig(**config), lambda: 0)
    connection.link.is_private = is_private
    connection.link.transport = Pausable()
    connection.session = SimpleNamespace(tick=lambda now_ns: [], end=lambda now_ns: None)
    return connection, connection.link.transport


def stalled(is_private):
    async def main():
        connection, transport = slow_connection(is_private, stalled_ms_max=100)
        link = connection.link
        link.send(b"one")
        link.flush()
        transport.backlog = link.bytes_written  # The system takes none of it.
        connection.tick(1 * MS)
        link.send(b"two")
        link.flush()
        transport.backlog = link.bytes_written
        connection.tick(99 * MS)
        assert link.is_open
        connection.tick(100 * MS)
        assert not link.is_open
        return link.close_code

    return asyncio.run(main())


def test_a_connection_that_takes_nothing_is_closed_ses_044():
    assert stalled(is_private=False) == 4008
    assert stalled(is_private=True) == 4009


def test_a_connection_that_takes_little_by_little_stays_ses_044():
    async def main():
        connection, transport = slow_connection(True, stalled_ms_max=100)
        link = connection.link
        link.send(bytes(1_000))
        link.flush()
        for step in range(1, 20):
            transport.backlog = link.bytes_written - step
            connection.tick(step * 99 * MS)
            link.send(b"more")  # What waits grows all the same.
            link.flush()
        assert link.is_open

    asyncio.run(main())


def test_a_connection_with_nothing_waiting_may_be_quiet_ses_044():
    async def main():
        connection, _ = slow_connection(False, stalled_ms_max=100)
        for step in range(10):
            connection.tick(step * 1_000 * MS)
        assert connection.link.is_open

    asyncio.run(main())


# The end.


@pytest.mark.parametrize(
    "end", [masked(CLOSE, b"\x03\xe8"), masked(3), masked(1, b"text"), masked(BINARY, b"\xc1"), b"\x82\x01x"]
)
def test_orders_before_the_end_of_a_read_are_covered_by_cancel_on_disconnect_ses_045(venue, end):
    peer = live(venue, cod=1)
    peer.link.feed_data(masked(BINARY, msgpack.packb(SELL)) + end)
    assert not peer.link.is_open
    assert venue.engine.core.last_ref(1, 0) == 1, "the order was handed over"
    assert venue.publisher.router.market(1).asks.levels(1) == [], "and cancelled"


def test_nothing_follows_a_close_frame_ses_045(venue):
    """An order that finds no room is refused before the close frame that follows it, not after."""
    peer = live(venue, cod=1)
    venue.sequencer.has_room = False
    peer.link.feed_data(masked(BINARY, msgpack.packb(SELL)) + masked(CLOSE, b"\x03\xe8"))
    opcodes = [opcode for opcode, _ in server_frames(b"".join(peer.link.transport.writes[1:]))]
    assert opcodes == [BINARY, CLOSE]
    assert next(frame for frame in peer.frames() if frame[0] == 34)[2] == R.OVERLOAD


# Requests.


def flood(peer, message, count):
    """Answers to one request, sent over and over in one read."""
    return peer.send(*([*message[:1], 1_000 + at, *message[1:]] for at in range(count)))


def test_requests_beyond_the_rate_are_refused_with_the_time_to_wait_ses_047():
    peer = live(frozen_venue(requests_per_s=100, burst_requests=50))
    answers = flood(peer, [7, 3, 1], 60)
    assert [answer for answer in answers if answer[0] == 66][:50] == [[66, 1_000 + at, 0, 1] for at in range(50)]
    refused = answers[-10:]
    assert [answer[:3] for answer in refused] == [[66, 1_050 + at, R.RATE] for at in range(10)]
    assert all(9_000 < answer[3] <= 10_001 for answer in refused), "a hundredth of a second"
    assert peer.link.is_open


def test_status_queries_do_not_pass_the_rate_of_orders_by_ses_047():
    venue = frozen_venue(requests_per_s=100, burst_requests=5)
    peer = live(venue)
    peer.send(SELL)
    submitted = len(venue.sequencer.submitted)
    answers = flood(peer, [27, 1], 9)
    assert len(venue.sequencer.submitted) == submitted + 5
    assert [answer[:3] for answer in answers[-4:]] == [[34, 1_005 + at, R.RATE] for at in range(4)]


def test_a_subscription_costs_what_it_goes_through_ses_047():
    venue = frozen_venue(requests_per_s=1, burst_requests=10)
    board = venue.publisher.board
    peer = live(venue)
    real = board.handles
    board.handles = lambda: range(1, 640 + 1)
    board.exists = lambda handle: True
    venue.publisher.subscribe = lambda channel, link, handles, opts: []
    assert flood(peer, [4, 1, None], 2)[0][2] == 0, "11 units, of a full bucket"
    assert flood(peer, [4, 1, [1]], 1)[0][2] == R.RATE
    board.handles = real
    board.exists = type(board).exists.__get__(board)


def test_pings_and_orders_need_no_requests_ses_047():
    peer = live(frozen_venue(requests_per_s=1, burst_requests=1))
    assert {answer[0] for answer in flood(peer, [3, 1], 50)} == {65}
    assert {answer[0] for answer in peer.send(*([16, ref, *SELL[2:]] for ref in range(1, 50)))} == {33}


def test_no_limit_of_requests_ses_047():
    peer = live(frozen_venue(requests_per_s=0))
    assert {answer[2] for answer in flood(peer, [7, 4, 1], 5_000) if answer[0] == 66} == {0}


def test_replies_of_a_turn_are_bounded_ses_043():
    """A few bytes may ask for many: what they ask for is written, turn by turn, and not gathered."""

    class Generous(Recorder):
        def message(self, opcode, data):
            self.messages.append(data)
            self.send(bytes(60_000))

    parser = Generous()
    loop = Turns(parser)
    parser.feed_data(stream(0, TURN))
    assert len(parser.messages) == 5
    loop.turn_until_idle()
    assert len(parser.messages) == TURN
    assert max(map(len, parser.transport.writes)) < 262_144 + 60_100


# Subscriptions: many that cover the same cost no more than one.


def subscribers(venue, channel=1):
    return [len(venue.publisher.router.market(handle).subscribed(channel)) for handle in (1, 2)]


@pytest.mark.parametrize("channel", [1, 2, 6])
@pytest.mark.parametrize(
    ("first", "second", "left"),
    [
        (None, None, [1, 1]),
        (None, [2], [0, 1]),
        ([1, 2], [2], [0, 1]),
        ([1], [2], [0, 1]),
        ([1, 1, 1], [1], [1, 0]),
        ([1], None, [1, 1]),
    ],
)
def test_what_another_subscription_covers_goes_on_ses_035(venue, channel, first, second, left):
    peer = live(venue)
    one = peer.send([4, 1, channel, first])[0][3]
    peer.send([4, 2, channel, second])
    peer.send([5, 3, one])
    assert subscribers(venue, channel) == left
    assert (channel != 6) or venue.publisher.strips.is_heard
    peer.link.feed_eof()
    assert subscribers(venue, channel) == [0, 0]
    assert not venue.publisher.strips.is_heard


def test_many_subscriptions_to_all_end_in_one_walk(venue):
    peer = live(venue)
    for ref in range(1, 200):
        peer.send([4, ref, 1, None])
    walks = []
    real = venue.publisher.unsubscribe
    venue.publisher.unsubscribe = lambda *args, **named: walks.append(args[2]) or real(*args, **named)
    peer.link.feed_eof()
    assert walks == [None]
    assert subscribers(venue) == [0, 0]
