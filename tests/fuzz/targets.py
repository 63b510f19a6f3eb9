"""What is fuzzed, and what must hold whatever comes in. A target's `run` raises when it does not.

The input of every target is bytes alone: where a stream is cut into reads is drawn from the bytes themselves, so that
an input does the same each time. `run` returns a few words about what happened; an input with new ones is kept as a
seed for others. `make` builds an input.
"""

import gc
import random
import sys
import zlib
from pathlib import Path
from typing import Any, ClassVar

import msgpack

sys.path[:0] = [str(Path(__file__).parent.parent), str(Path(__file__).parent.parent / "unit")]

from gateway_venue import WINDOW  # noqa: E402 - the path must be there first.
from test_frames import Recorder, server_frames  # noqa: E402
from test_session import Peer, frozen_venue  # noqa: E402

from exchange.reasons import RejectReason  # noqa: E402
from ext.codec import decode_message  # noqa: E402
from ext.link import Link  # noqa: E402
from gateway.protocol import CloseCode, MessageType  # noqa: E402
from tests.fuzz.mutation import mutate, mutate_fields  # noqa: E402
from tests.fuzz.seeds import BINARY, CLOSE, FRAMES, MESSAGES, PACKED, PING, PONG, TEXT, frame, messages  # noqa: E402

Words = tuple[Any, ...]
INTEGER_MAX = (1 << 53) - 1
WIRE_CODES = {0, 1002, 1007, 1009}
RECORD_BYTES = 64
RECORDS_MAX = 64 * 2  # A quote has two sides a leg, a batch one record an operation.
VENUE_INPUTS_MAX = 250  # Each has a lane of its own; what a venue remembers of lanes and orders must not add up.


def cut(data: bytes) -> list[bytes]:
    """Cut a stream into reads, in a way that depends on it alone."""
    dice = random.Random(zlib.crc32(data))
    largest = dice.choice((1, 7, 40, 1_000, len(data) + 1))
    pieces, at = [], 0
    while at < len(data):
        size = dice.randint(1, largest)
        pieces.append(data[at : at + size])
        at += size
    return pieces


class Frames:
    """FrameParser: the same messages and the same end, in one read or in many."""

    seeds = FRAMES

    def make(self, dice: random.Random, pool: list[bytes]) -> bytes:
        """Change some frames of the pool that follow each other."""
        stream = b"".join(dice.choice(pool) for _ in range(dice.randint(1, 3)))
        return mutate(dice, stream, pool)

    def run(self, data: bytes) -> Words:
        """Feed whole and cut."""
        whole, pieces = self._fed([data] if data else []), self._fed(cut(data))
        assert whole[:2] == pieces[:2], f"cut: {pieces}, whole: {whole}"
        messages, code, opcodes = whole
        return code, len(messages) > 0, tuple(sorted(set(opcodes)))

    @staticmethod
    def _fed(chunks: list[bytes]) -> tuple[list[Any], int, list[int]]:
        parser = Recorder()
        for chunk in chunks:
            parser.feed_data(chunk)
        written = server_frames(b"".join(parser.transport.writes))
        closes = [at for at, (opcode, _) in enumerate(written) if opcode == CLOSE]
        assert closes in ([], [len(written) - 1]), "a close frame must be the last, and the only one"
        assert parser.is_open == (not closes)
        assert parser.close_code in WIRE_CODES
        assert len(parser.endings) == len(closes)
        assert [body for opcode, body in written if opcode == BINARY] == [body for _, body in parser.messages]
        return parser.messages, parser.close_code, [opcode for opcode, _ in written]


class Codec:
    """decode_message: taken, refused with a reason or not a message; and msgpack reads the same in what is taken."""

    seeds = PACKED

    def make(self, dice: random.Random, pool: list[bytes]) -> bytes:
        """Change a message by its fields or by its bytes."""
        if dice.random() < 0.5:
            return msgpack.packb(mutate_fields(dice, dice.choice(MESSAGES)))
        return mutate(dice, dice.choice(pool), pool)

    def run(self, data: bytes) -> Words:
        """Decode."""
        verdict, ref, arg, records = decode_message(data, 7, 3, 1_800_000_000_000_000)
        assert verdict in (0, -1, -2) or RejectReason(verdict)
        assert 0 <= ref <= INTEGER_MAX
        assert len(records) % RECORD_BYTES == 0
        assert len(records) <= RECORDS_MAX * RECORD_BYTES
        if verdict != 0:
            assert records == b"", "what is refused must leave nothing behind"
            return verdict, data[1:2]
        fields = msgpack.unpackb(data, strict_map_key=False)
        assert fields[1] == ref
        again = decode_message(msgpack.packb(fields), 7, 3, 1_800_000_000_000_000)
        assert again == (verdict, ref, arg, records), "as short as possible it must mean the same"
        return verdict, fields[0], len(fields), len(records)


def a_venue() -> Any:
    """Return a venue with somebody to trade with."""
    venue = frozen_venue(orders_per_s=0)
    bob = Peer(venue)
    bob.login(venue.key["bob"])
    bob.send([16, 1, 1, 0, 2_430, 100_000, 0, 0], [16, 2, 1, 1, 2_460, 100_000, 0, 0])
    bob.link.feed_eof()
    return venue


class Sessions:
    """A whole session with its link, logged in, on a real engine."""

    seeds = FRAMES
    codes: ClassVar = {int(code) for code in CloseCode} - {int(CloseCode.INTERNAL)}
    kinds: ClassVar = {int(kind) for kind in MessageType}
    messages: ClassVar = messages(WINDOW)  # Of a window that is listed.

    def __init__(self) -> None:
        self._inputs = 0
        self._venue: Any = None

    def make(self, dice: random.Random, pool: list[bytes]) -> bytes:
        """A conversation: some right, some changed messages, now and then a control frame; rarely changed as bytes."""
        parts, ref = [], dice.randint(0, 50)
        for _ in range(dice.randint(1, 8)):
            fields = list(dice.choice(self.messages))
            ref += dice.randint(0, 3)
            fields[1] = dice.choice((fields[1], ref, ref, ref))
            draw = dice.random()
            if draw < 0.6:
                fields = mutate_fields(dice, fields)
            packed = msgpack.packb(fields)
            if draw > 0.9:
                packed = mutate(dice, packed, PACKED)
            parts.append(frame(BINARY, packed))
            if dice.random() < 0.05:
                parts.append(frame(dice.choice((PING, PONG, TEXT, CLOSE)), b"\x03\xe8"))
        stream = b"".join(parts)
        if dice.random() < 0.15:
            stream = mutate(dice, stream, pool)
        return stream

    def run(self, data: bytes) -> Words:
        """Log in, feed, hang up."""
        if self._venue is None or self._inputs >= VENUE_INPUTS_MAX:
            self._venue, self._inputs = a_venue(), 0
            gc.collect()  # A venue is a circle of objects, and large.
        self._inputs += 1
        venue = self._venue
        peer = Peer(venue, number=self._inputs)
        peer.link.transport.writes.clear()
        ((welcome, *_),) = peer.login(venue.key["ann"], lane=self._inputs, cod=zlib.crc32(data) % 3)
        assert welcome == MessageType.WELCOME
        link: Link = peer.link
        refs = [link.last_ref]
        for chunk in cut(data):
            link.feed_data(chunk)
            refs.append(link.last_ref)
            if link.is_open and refs[-1] != refs[-2]:
                assert venue.engine.core.last_ref(link.account, link.lane) == refs[-1], "the engine must know the ref"
        assert refs == sorted(refs), "the last ref must not go back"
        assert peer.errors == [], "an error nobody expected"
        words = self._written(peer)
        link.feed_eof()
        assert len(venue.server.lanes) == 0, "a session that is gone must give its lane back"
        return words

    def _written(self, peer: Any) -> Words:
        """Check what the session has said; its end, and which kinds of messages."""
        frames = server_frames(b"".join(peer.link.transport.writes))
        code, said = 0, set()
        for at, (opcode, body) in enumerate(frames):
            assert opcode in (BINARY, PONG, CLOSE), opcode
            if opcode == CLOSE:
                assert at == len(frames) - 1, "nothing may follow a close frame"
                code = peer.link.close_code
                assert code == 0 or code in self.codes, code
            if opcode == BINARY:
                fields = msgpack.unpackb(body)
                assert fields[0] in self.kinds
                assert all(abs(part) <= INTEGER_MAX for part in fields if type(part) is int), fields
                said.add((fields[0], fields[2] if fields[0] in (MessageType.REJECT, MessageType.RESP) else 0))
        assert peer.link.is_open == (not frames or frames[-1][0] != CLOSE)
        return code, tuple(sorted(said))


TARGETS: dict[str, type[Frames] | type[Codec] | type[Sessions]] = {
    "frames": Frames,
    "codec": Codec,
    "session": Sessions,
}
