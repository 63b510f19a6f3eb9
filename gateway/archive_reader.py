"""The process that makes private messages again from a journal: see gateway/archive.py. It changes nothing.

usage: python -m gateway.archive_reader JOURNAL private|copy ACCOUNT[,ACCOUNT...] FIRST LAST

Writes chunks to its standard output: their size as four bytes, little-endian, then whole frames.
"""

import os
import sys
from collections.abc import Iterator
from typing import BinaryIO

from exchange.engine import Engine
from exchange.replay import Frame, replay
from ext.link import Link, RateLimit
from gateway.journal.reader import Reader
from gateway.protocol import REPLIES, MessageType
from gateway.publisher import Publisher

NICE = 10  # The venue goes before.
NUMBERED = frozenset({MessageType.COPY, *(one.number for one in REPLIES if one.names[0] == "pseq")})
CHUNK_BYTES = 1 << 15  # About as much is written at a time; a connection may not have much more unread.


class Messages:
    """A link's peer and transport in one: keeps the wanted messages of a stream that is told from its beginning."""

    def __init__(self, first: int, last: int, out: BinaryIO) -> None:
        self.first = first
        self.last = last
        self.is_done = first > last
        self._next = 1
        self._out = out

    def write(self, data: bytes) -> None:
        """Take frames, as a transport would, and keep the wanted ones."""
        begin = at = 0
        while at < len(data):
            head = 4 if data[at + 1] == 126 else 2
            size = int.from_bytes(data[at + 2 : at + 4], "big") if head == 4 else data[at + 1]
            end = at + head + size
            if not self._is_wanted(message_type(data, at + head)):
                self._put(data[begin:at])
                begin = end
            elif end - begin >= CHUNK_BYTES:
                self._put(data[begin:end])
                begin = end
            at = end
        self._put(data[begin:])
        self.is_done = self._next > self.last

    def _is_wanted(self, kind: int) -> bool:
        if kind not in NUMBERED:  # Answers and notices are told once.
            return False
        self._next += 1
        return self.first < self._next <= self.last + 1

    def _put(self, frames: bytes) -> None:
        if frames:
            self._out.write(len(frames).to_bytes(4, "little") + frames)
            self._out.flush()

    def get_write_buffer_size(self) -> int:
        """Return that nothing waits."""
        return 0


def message_type(data: bytes, at: int) -> int:
    """Return the type of the msgpack array at a place; types are below 128."""
    return data[at + 3] if data[at] == 0xDC else data[at + 1]


def frames_until(reader: Reader, messages: Messages) -> Iterator[Frame]:
    """Yield the journal's frames till all that was wanted is found."""
    for frame in reader:
        if messages.is_done:
            return
        yield frame


def main() -> int:
    """Find the messages; return 1 where the journal has not so many."""
    journal, kind, numbers, first, last = sys.argv[1:]
    os.nice(NICE)
    accounts = [int(number) for number in numbers.split(",")]
    messages = Messages(int(first), int(last), sys.stdout.buffer)
    engine = Engine()
    publisher = Publisher(engine.catalogue, book_depth_max=1, private_history_bytes=1)
    link = Link(messages, lambda records: False, conflate_bytes_max=1 << 62, backlog_bytes_max=1 << 62)
    link.transport = messages
    if kind == "copy":
        publisher.router.copy_stream(accounts).attach(link)
    else:
        link.open(accounts[0], 0, 0, RateLimit(0, 1))
        publisher.router.attach(link)
    replay(engine, frames_until(Reader(journal, live=True), messages), verify=False, tell=publisher.recover)
    return 0 if messages.is_done else 1


if __name__ == "__main__":
    sys.exit(main())
