"""Readers of market data over links without sockets: each rebuilds what it follows by the documented rules alone."""

import msgpack
import numpy as np

from exchange.records import EVENT, EventFlag, EventType
from ext.link import Link
from ext.router import Router
from gateway.client.book import Book
from gateway.client.events import BookDelta, BookSnapshot
from gateway.protocol import Channel, MessageType

US_PER_MS = 1_000


def record(kind, instrument, **fields):
    """One event record."""
    event = np.zeros(1, EVENT)
    event["type"], event["instrument"] = kind, instrument
    for name, value in fields.items():
        event[name] = value
    return event.tobytes()


def level(instrument, side, price, lots):
    return record(EventType.LEVEL, instrument, price=price, amount=lots, flags=EventFlag.SELL if side else 0)


def trade(instrument, price, lots, flags=0, match=0):
    return record(EventType.TRADE, instrument, price=price, lots=lots, flags=flags, match_id=match)


class Pipe:
    """A transport whose peer reads when it is told to."""

    def __init__(self):
        self.unread = bytearray()
        self.weight = 0  # More bytes that are unread, whatever they are.

    def write(self, data):
        self.unread += data

    def get_write_buffer_size(self):
        return len(self.unread) + self.weight

    def close(self):
        pass


def frames(data):
    """The whole frames at the beginning of some bytes: (messages, bytes used)."""
    messages, at = [], 0
    while at + 2 <= len(data):
        size, start = data[at + 1], at + 2
        if size == 126:
            size, start = int.from_bytes(data[at + 2 : at + 4], "big"), at + 4
        elif size == 127:
            size, start = int.from_bytes(data[at + 2 : at + 10], "big"), at + 10
        if start + size > len(data):
            break
        messages.append(msgpack.unpackb(bytes(data[start : start + size])) if data[at] == 0x82 else ["closed"])
        at = start + size
    return messages, at


class Reader:
    """One connection: what it has been told of each instrument, checked message by message against the truth."""

    def __init__(self, truth, **limits):
        self.truth = truth
        self.link = Link(self, lambda records: True, **limits)
        self.link.transport = self.pipe = Pipe()
        self.books = {}
        self.best = {}
        self.trades = {}
        self.candles = {}
        self.gaps = []
        self.messages = 0
        self.sizes = []

    def ended(self, lost):
        pass

    def stall(self):
        """Have so much unread that nothing more may wait."""
        self.pipe.weight = self.link.conflate_bytes_max + 1
        self.link.flush()

    def heard(self):
        """Read all that has come, and return the messages as they are."""
        messages, used = frames(self.pipe.unread)
        del self.pipe.unread[:used]
        return messages

    def read(self, most=None):
        """Read so many bytes at most, and act on the whole messages among them."""
        messages, used = frames(self.pipe.unread if most is None else self.pipe.unread[:most])
        del self.pipe.unread[:used]
        for message in messages:
            self.messages += 1
            HANDLERS[message[0]](self, *message[1:])

    # What it is told.

    def on_snapshot(self, inst, seq, ts, bids, asks):
        self.books[inst].load(BookSnapshot(inst, seq, ts, bids, asks))
        self.check_book(inst)

    def on_delta(self, inst, first, seq, ts, bids, asks):
        book = self.books[inst]
        self.sizes.append(len(bids) + len(asks))
        assert first <= seq
        assert book.is_current, "a delta must not come between a gap and its snapshot"
        assert book.apply(BookDelta(inst, first, seq, ts, bids, asks)), f"{first}..{seq} does not follow {book.seq}"
        self.check_book(inst)

    def check_book(self, inst):
        """The book it has at some seq is the true one of then, or its best levels."""
        book = self.books[inst]
        bids, asks = self.truth.at(inst, book.seq)
        depth = book.depth or None
        assert (book.bids(), book.asks()) == (bids[:depth], asks[:depth])

    def on_l1(self, inst, seq, ts, *best):
        assert seq >= self.best.get(inst, (0,))[0]
        self.best[inst] = (seq, *best)
        assert self.truth.best_at(inst, seq) == tuple(best)

    def on_trade(self, inst, seq, *rest):
        assert seq == self.trades[inst] + 1
        self.trades[inst] = seq

    def on_candle(self, inst, seq, t0, *rest):
        *prices, lots, count, interval_s, closed = rest
        key = inst, interval_s
        last = self.candles.get(key)
        candle = (t0, *prices, lots, count)
        if last is not None and last[0] == "gap":
            assert seq == last[1], "the candle after a gap is the last one of it"
        elif last is not None:
            assert seq > last[0]
            assert last[1] == t0 or last[2], "a candle's last word must not be missed in silence"
        assert self.truth.candle(inst, interval_s, candle, closed)
        self.candles[key] = (seq, t0, closed)

    def on_gap(self, chan, inst, first, last, interval_s):
        assert first <= last
        self.gaps.append((chan, inst, first, last))
        if chan == Channel.L2:
            assert first <= self.books[inst].seq + 1 <= last
            self.books[inst].lose()
        elif chan == Channel.TRADES:
            assert first == self.trades[inst] + 1
            self.trades[inst] = last
        else:
            assert chan == Channel.CANDLES
            assert first == self.candles.get((inst, interval_s), (0,))[0] + 1
            self.candles[inst, interval_s] = ("gap", last)

    def follow_book(self, inst, depth):
        self.books[inst] = Book(None, depth)


class Anything:
    """A truth that readers are not held to: these tests look at the messages themselves."""

    def at(self, inst, seq):
        raise AssertionError

    def best_at(self, inst, seq):
        raise AssertionError


class Feed:
    """A router and one batch after another, a millisecond apart."""

    def __init__(self):
        self.router = Router()
        self.now_us = 1_000_000_000
        self.seq = 1

    def tell(self, *events, after_ms=1):
        self.now_us += after_ms * US_PER_MS
        self.router.route(self.seq, self.now_us * 1_000, b"".join(events))
        self.seq += len(events)
        self.router.flush()

    def reader(self, *channels, insts=(1,), depth=0, conflate_ms=0, **limits):
        reader = Reader(Anything(), **limits)
        for inst in insts:
            for channel in channels:
                self.router.subscribe(channel, inst, reader.link, depth, conflate_ms * US_PER_MS)
        return reader


HANDLERS = {
    MessageType.L2_SNAP: Reader.on_snapshot,
    MessageType.L2_DELTA: Reader.on_delta,
    MessageType.L1: Reader.on_l1,
    MessageType.TRADE: Reader.on_trade,
    MessageType.CANDLE: Reader.on_candle,
    MessageType.GAP: Reader.on_gap,
}
