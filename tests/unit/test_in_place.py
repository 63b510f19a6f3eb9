"""What goes to the system without a detour: frames to a journal in memory, replies to a socket."""

import asyncio
import contextlib
import errno
import os
import socket

import pytest
import uvloop
from test_frames import masked, server_frames
from test_sequencer import FakeEngine, FakeLog

from exchange import commands
from exchange.engine import Engine
from exchange.replay import replay
from ext.frames import FrameParser
from ext.journal_writer import JournalThread, is_in_memory
from gateway.journal.errors import JournalFailed
from gateway.journal.reader import Reader
from gateway.journal.writer import Journal
from gateway.sequencer import Sequencer

SHARED_MEMORY = "/dev/shm"
CHAIN = bytes(16)


@pytest.fixture
def in_memory(tmp_path_factory):
    """A directory whose files are memory."""
    if not os.access(SHARED_MEMORY, os.W_OK) or not is_in_memory(SHARED_MEMORY):
        pytest.skip(f"{SHARED_MEMORY} is not there, or not memory")
    import tempfile

    with tempfile.TemporaryDirectory(dir=SHARED_MEMORY, prefix="hourglass-test-") as directory:
        yield directory


# The journal.


def test_where_files_are_memory():
    assert not is_in_memory("/proc")
    with pytest.raises(FileNotFoundError):
        is_in_memory("/no/such/place")


def records(count, first=1):
    return b"".join(commands.time(first + number) for number in range(count))


def test_a_journal_in_memory_is_durable_at_once_seq_003(in_memory):
    journal = Journal(in_memory)
    journal.start()
    assert journal.is_immediate
    assert journal.thread.in_place
    for number in range(40):  # More than the ring has places.
        journal.append(3 * number + 1, number + 1, 3, records(3, number))
        assert journal.completed()
        assert journal.durable_seq == 3 * number + 3
    journal.note_hash(50, "ab" * 32)
    assert journal.completed()
    journal.close()
    frames = list(Reader(in_memory))
    assert [(frame.first_seq, frame.count) for frame in frames if frame.count] == [(3 * n + 1, 3) for n in range(40)]
    assert frames[-1].state_hash == "ab" * 32


def test_segments_in_memory_follow_one_another_jrn_008(in_memory):
    journal = Journal(in_memory, segment_bytes=16_384)
    journal.start()
    for number in range(60):
        journal.append(number + 1, number + 1, 1, records(1, number))
        assert journal.completed()
    journal.close()
    assert sum(frame.count for frame in Reader(in_memory)) == 60
    assert len([name for name in os.listdir(in_memory) if name.endswith(".hgj")]) > 1


@pytest.mark.parametrize(("operation", "nth"), [("write", 2), ("fdatasync", 2)])
def test_a_failed_write_in_place_is_told_seq_006(in_memory, operation, nth):
    journal = Journal(in_memory)
    journal.start()
    journal.thread.inject(operation, nth, error=errno.ENOSPC)
    journal.append(1, 1, 1, records(1))
    assert journal.completed()
    journal.append(2, 2, 1, records(1))
    with pytest.raises(JournalFailed, match=operation):
        journal.completed()
    with pytest.raises(JournalFailed):
        journal.append(3, 3, 1, records(1))
    assert os.read(journal.fileno(), 8), "whoever only waits is woken"
    journal.close()


def test_in_place_and_by_a_thread_the_same_bytes_are_written(tmp_path):
    written = []
    for in_place in (False, True):
        path = tmp_path / str(in_place)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT)
        thread = JournalThread(CHAIN, 0, in_place=in_place)
        for number in range(5):
            done = thread.write(descriptor, 1_024 * number, 7, 1, number + 1, number, 1, records(1, number))
            while thread.completed()[0] < done:
                pass
        thread.close()
        os.close(descriptor)
        written.append(path.read_bytes())
    assert written[0] == written[1]
    assert len(written[0]) > 4_096


class ImmediateLog(FakeLog):
    is_immediate = True

    def append(self, first_seq, ts_ns, count, body):
        super().append(first_seq, ts_ns, count, body)
        self.durable_seq = self.begun.pop()

    def note_hash(self, ts_ns, state_hash):
        super().note_hash(ts_ns, state_hash)
        self.begun.pop()


class Rig:
    """A sequencer on a log that is durable at once."""

    def __init__(self, log=None):
        self.log, self.engine, self.told, self.failures = log or ImmediateLog(), FakeEngine(), [], []
        self.sequencer = Sequencer(
            self.engine, self.log, self, lambda: 1_000, tick_ms=1_000_000, on_failure=self.failures.append
        )

    def publish(self, first_seq, ts_ns, events, count):
        assert self.log.durable_seq >= first_seq + count - 1, "nothing is told before it is durable"
        self.told.append((first_seq, count))


def test_a_batch_is_told_before_the_next_one_is_made_seq_003():
    async def main():
        rig = Rig()
        rig.sequencer.start()
        await rig.sequencer.settle()
        rig.sequencer.submit(records(2))
        rig.sequencer.submit(records(3))
        assert rig.told == [(1, 1)], "what is ready in this turn of the loop is gathered"
        await rig.sequencer.settle()
        assert rig.told == [(1, 1), (2, 5)]
        await rig.sequencer.stop()
        assert rig.log.notes[-1][0] == 6
        assert not rig.failures

    asyncio.run(main())


def test_what_its_news_bring_about_is_the_next_batch_seq_001():
    async def main():
        rig = Rig()
        told = rig.publish

        def publish(first_seq, ts_ns, events, count):
            told(first_seq, ts_ns, events, count)
            if first_seq < 4:
                rig.sequencer.submit(records(1))

        rig.publish = publish
        rig.sequencer.start()
        await rig.sequencer.settle()
        assert rig.told == [(1, 1), (2, 1), (3, 1), (4, 1)]

    asyncio.run(main())


def test_a_log_that_fails_at_once_ends_everything_seq_006():
    async def main():
        rig = Rig()
        rig.sequencer.start()
        await rig.sequencer.settle()
        rig.log.failure = JournalFailed("write", 28)
        rig.sequencer.submit(records(1))
        await rig.sequencer.settle()
        assert rig.failures == [rig.log.failure]
        assert rig.told == [(1, 1)], "it was never told"
        assert not rig.sequencer.submit(records(1))

    asyncio.run(main())


def test_a_venue_in_memory_is_replayed_to_the_same_state_jrn_004(in_memory):
    async def main():
        engine, journal = Engine(), Journal(in_memory)
        journal.start()
        rig = Rig.__new__(Rig)
        rig.log, rig.told = journal, []
        sequencer = Sequencer(engine, journal, rig, lambda: 1_000, tick_ms=1_000_000)
        sequencer.start()
        for account in ("ann", "bob"):
            sequencer.submit(commands.add_account(account))
        await sequencer.stop()
        journal.close()
        return engine.state_hash()

    expected, again = asyncio.run(main()), Engine()
    assert replay(again, Reader(in_memory)).mismatch is None
    assert again.state_hash() == expected


# The socket.


class Sent:
    """A transport with a socket of its own, which tells what it was given instead."""

    def __init__(self):
        self.ours, self.peer = socket.socketpair()
        self.ours.setblocking(False)
        self.given, self.waiting = b"", 0

    def write(self, data):
        self.given += data

    def get_write_buffer_size(self):
        return self.waiting

    def close(self):
        pass

    def got(self):
        self.peer.setblocking(False)
        data = b""
        with contextlib.suppress(BlockingIOError):
            while piece := self.peer.recv(1 << 20):
                data += piece
        return data


class Talker(FrameParser):
    def message(self, opcode, data):
        self.send(data)

    def ended(self, lost):
        pass


@pytest.fixture
def talker():
    parser = Talker()
    parser.transport = Sent()
    parser.fd = parser.transport.ours.fileno()
    return parser


def test_replies_go_to_the_socket(talker):
    talker.feed_data(masked(2, b"hello") + masked(2, b"again"))
    assert server_frames(talker.transport.got()) == [(2, b"hello"), (2, b"again")]
    assert talker.transport.given == b""


def test_nothing_overtakes_what_the_transport_has(talker):
    talker.transport.waiting = 5
    talker.feed_data(masked(2, b"first"))
    assert server_frames(talker.transport.given) == [(2, b"first")]
    talker.feed_data(masked(2, b"second"))
    assert talker.transport.got() == b""
    talker.transport.waiting = 0
    talker.feed_data(masked(2, b"third"))
    assert [data for _, data in server_frames(talker.transport.given)] == [b"first", b"second"]
    assert server_frames(talker.transport.got()) == [(2, b"third")]


def test_a_connection_that_is_gone_is_sent_nothing(talker):
    """Its descriptor may be another connection's by now."""
    talker.send(b"late")
    talker.feed_eof()
    talker.flush()
    assert talker.transport is None
    assert talker.fd == -1


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
@pytest.mark.parametrize("how", ["abort", "close", "peer"])
def test_a_descriptor_is_the_transports_until_it_has_told_of_the_end(loop, how):
    class Protocol(asyncio.Protocol):
        def connection_made(self, transport):
            self.transport, self.gone = transport, asyncio.get_running_loop().create_future()
            self.fd = transport.get_extra_info("socket").fileno()
            self.inode = os.fstat(self.fd).st_ino
            made.set_result(self)

        def connection_lost(self, error):
            self.gone.set_result(os.fstat(self.fd).st_ino)

    async def main():
        nonlocal made
        running = asyncio.get_running_loop()
        made = running.create_future()
        server = await running.create_server(Protocol, "127.0.0.1", 0)
        _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        protocol = await made
        if how == "peer":
            writer.close()
        else:
            getattr(protocol.transport, how)()
            assert os.fstat(protocol.fd).st_ino == protocol.inode
        assert await protocol.gone == protocol.inode
        writer.close()
        server.close()

    made = None
    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(asyncio.wait_for(main(), 10))


def test_what_the_system_does_not_take_is_left_to_the_transport(talker):
    talker.transport.ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4_096)
    frames = [masked(2, bytes([number]) * 60_000) for number in range(10)]
    for frame in frames:
        talker.feed_data(frame)
        talker.transport.waiting = len(talker.transport.given)
    data = talker.transport.got() + talker.transport.given
    assert [payload for _, payload in server_frames(data)] == [bytes([number]) * 60_000 for number in range(10)]
    assert talker.transport.given, "the system does not take so much"


def test_an_error_is_left_to_the_transport(talker):
    talker.transport.peer.close()
    talker.feed_data(masked(2, b"x"))
    assert server_frames(talker.transport.given) == [(2, b"x")]
