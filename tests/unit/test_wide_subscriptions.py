"""Subscriptions to more than may be sent at once: the rest follows as the connection reads."""

import pytest
from gateway_venue import PRODUCT, WINDOW
from test_session import Buffered, frozen_venue, live

from exchange import commands
from gateway.client.book import Book
from gateway.client.book_by_order import BookByOrder
from gateway.client.events import BookDelta, BookSnapshot, OrdersChanged, OrdersSnapshot
from gateway.protocol import Channel, CloseCode, MessageType

HOURS = 20
INSTRUMENTS = 2 * HOURS
MOST, LOW = 200, 50  # Bytes unread: of one that is behind, and of one that no longer is.
KINDS = {
    Channel.L2: (Book, BookSnapshot, BookDelta, MessageType.L2_SNAP),
    Channel.L3: (BookByOrder, OrdersSnapshot, OrdersChanged, MessageType.L3_SNAP),
}


@pytest.fixture
def venue():
    """Two bids and an ask in every instrument."""
    venue = frozen_venue()
    venue.sequencer.submit(commands.list_window(PRODUCT, WINDOW + 1, count=HOURS - 1))
    ann = live(venue)
    for inst in range(1, INSTRUMENTS + 1):
        for number, (side, px) in enumerate(((0, 100), (0, 99), (1, 110))):
            ann.send([16, 10 * inst + number, inst, side, px, 1 + inst, 0, 0])
    return venue


def narrow(venue):
    bob = live(venue, "bob")
    bob.link.conflate_bytes_max, bob.link.conflate_low_bytes = MOST, LOW
    return bob


class Books:
    """What a peer has been told of books, in order."""

    def __init__(self, chan):
        self.make, self.snapshot, self.change, self.snapshot_type = KINDS[chan]
        self.books = {}
        self.begun = []

    def take(self, messages):
        for kind, inst, *rest in messages:
            if kind == self.snapshot_type:
                self.begun.append(inst)
                self.books[inst] = self.make(None)
                self.books[inst].load(self.snapshot(inst, *rest))
            elif kind in (MessageType.L2_DELTA, MessageType.L3):
                assert self.books[inst].apply(self.change(inst, *rest)), "nothing comes before the snapshot"


@pytest.mark.parametrize("chan", KINDS)
def test_first_snapshots_come_as_the_connection_reads_mkd_006(venue, chan):
    bob, told = narrow(venue), Books(chan)
    resp, *first = bob.send([4, 1, int(chan), None])
    assert resp == [MessageType.RESP, 1, 0, 1]
    told.take(first)
    assert 1 < len(told.begun) < INSTRUMENTS / 2
    ann = live(venue)
    for inst in (1, INSTRUMENTS):  # One that it has, and one that it has not yet: no sooner than its snapshot.
        bob.link.transport.backlog = MOST + 1
        ann.send([16, 1_000 + inst, inst, 0, 101, 7, 0, 0])
        told.take(bob.frames())
    before, rounds = len(told.begun), 0
    bob.link.transport.backlog = 0
    while len(told.begun) < INSTRUMENTS:
        size = sum(map(len, bob.link.transport.writes))
        venue.publisher.router.pay()
        assert 0 < sum(map(len, bob.link.transport.writes)) - size < 2 * MOST
        told.take(bob.frames())
        rounds += 1
    assert rounds > (INSTRUMENTS - before) / 10
    assert sorted(told.begun) == list(range(1, INSTRUMENTS + 1))
    venue.publisher.router.pay()
    ann.send([16, 2_000, 7, 0, 102, 7, 0, 0], [16, 2_001, INSTRUMENTS, 0, 102, 7, 0, 0])
    told.take(bob.frames())
    for inst, book in told.books.items():
        better = {1: [(101, 7)], 7: [(102, 7)], INSTRUMENTS: [(102, 7), (101, 7)]}
        wanted = [*better.get(inst, []), (100, 1 + inst), (99, 1 + inst)]
        assert [tuple(row[-2:]) for row in book.bids()] == wanted


@pytest.mark.parametrize("chan", KINDS)
def test_who_does_not_read_costs_no_more_than_others_mkd_006(venue, chan):
    bob = narrow(venue)
    bob.send([4, 1, int(chan), None])
    bob.link.transport.backlog = MOST + 1
    live(venue).send([16, 1_000, 1, 0, 101, 7, 0, 0])  # What it is sent shows that it is behind.
    bob.frames()
    for _ in range(5):
        venue.publisher.router.pay()
    assert bob.frames() == []


@pytest.mark.parametrize("chan", KINDS)
def test_what_is_unsubscribed_meanwhile_does_not_come_mkd_006(venue, chan):
    bob = narrow(venue)
    bob.send([4, 1, int(chan), None])
    assert bob.send([5, 2, 1]) == [[MessageType.RESP, 2, 0, 1]]
    venue.publisher.router.pay()
    assert bob.frames() == []
    (resp, *snapshots) = bob.send([4, 3, int(chan), [1]])
    assert (resp[:3], len(snapshots)) == ([MessageType.RESP, 3, 0], 1)


@pytest.mark.parametrize("chan", KINDS)
def test_snapshot_that_is_waited_for_comes_once_mkd_006(venue, chan):
    """Another subscription to the same meanwhile asks for nothing more, and a snapshot on request is one of its own."""
    bob, told = narrow(venue), Books(chan)
    told.take(bob.send([4, 1, int(chan), None])[1:])
    told.take(bob.send([4, 2, int(chan), list(range(1, INSTRUMENTS + 1))])[1:])
    for _ in range(INSTRUMENTS):
        venue.publisher.router.pay()
        told.take(bob.frames())
    counts = [told.begun.count(inst) for inst in range(1, INSTRUMENTS + 1)]
    assert set(counts) == {1, 2}
    assert counts[-1] == 1


class Filling(Buffered):
    """A transport whose peer reads nothing till it is emptied."""

    def write(self, data):
        super().write(data)
        self.backlog += len(data)


def filling(venue):
    """Bob, who may leave 1,000 bytes unread, and has all instruments sent."""
    bob = narrow(venue)
    bob.link.backlog_bytes_max = 1_000
    bob.link.transport, bob.read = Filling(), 0
    frames = bob.send([4, 1, int(Channel.INSTRUMENTS), None])
    assert sum(frame[0] == MessageType.INSTRUMENT for frame in frames) == INSTRUMENTS
    assert bob.link.transport.backlog > 2_000
    return bob


def test_large_reply_is_not_held_against_who_asked_for_it_ses_004(venue):
    """A venue has more instruments than a connection may leave unread: asking for them all must not end it."""
    bob = filling(venue)
    size = bob.link.transport.backlog
    assert bob.send([3, 2, 0])[0][0] == MessageType.PONG, "it may have that and its share"
    bob.link.transport.backlog = size + 1_000
    assert bob.send([3, 3, 0])[-1][:2] == ("closed", CloseCode.PRIVATE_BACKLOG)


def test_second_large_reply_before_the_first_is_read_ends_it_ses_004(venue):
    bob = filling(venue)
    bob.send([4, 2, int(Channel.INSTRUMENTS), list(range(1, INSTRUMENTS + 1))])
    assert bob.link.close_code == CloseCode.PRIVATE_BACKLOG


def test_allowance_ends_when_the_reply_was_read_ses_004(venue):
    bob = filling(venue)
    bob.link.transport.backlog = 0
    bob.send([3, 2, 0])
    bob.link.transport.backlog = 1_000
    bob.send([3, 3, 0])
    assert bob.link.close_code == CloseCode.PRIVATE_BACKLOG
