"""What a connection's buffers keep after a burst; not for the sanitizers, which keep what is freed."""

from pathlib import Path

from test_frames import BINARY, Recorder, masked


class Forgetful(Recorder):
    """Keeps nothing of what it is sent."""

    def message(self, opcode, data):
        pass


def resident_bytes():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4_096


def test_a_burst_does_not_leave_large_buffers_behind():
    """A read that tears a frame is joined in a buffer; four hundred connections keep no such buffer each."""
    data = masked(BINARY, bytes(60_000)) * 4
    parsers = [Forgetful() for _ in range(400)]
    before = resident_bytes()
    for parser in parsers:
        parser.feed_data(data[:1])
        parser.feed_data(data[1:])
        parser.send(data)
        parser.flush()
        parser.transport.writes.clear()
    # What a message is put together in is kept, 64 KiB; twice 256 KiB is not.
    assert resident_bytes() - before < len(parsers) * 150_000
