"""What a reader gets that does not keep up, or asked for less. Rules: docs/spec/marketdata.md."""

import asyncio

import msgpack
import pytest
from feed import Feed, level, trade
from gateway_venue import PRODUCT, WINDOW, raw, running
from test_server import run
from test_session import SELL, frozen_venue, live

from exchange import commands
from exchange.reasons import RejectReason as R
from gateway.client import connect
from gateway.config import GatewayConfig
from gateway.protocol import BOOK_DEPTHS, CONFLATE_MS_MAX, CONFLATE_MS_MIN, Channel

HIGH, LOW = 1 << 18, 1 << 16
CHANGES_KEPT_MAX = 4_096
FILLER = msgpack.packb(bytes(8_192))


@pytest.fixture
def venue():
    return frozen_venue()


# Slow readers.


def behind(venue):
    """Ann makes the market; bob listens, and has just fallen behind."""
    ann, bob = live(venue), live(venue, "bob")
    for ref, chan in enumerate((1, 2, 3), 1):
        bob.send([4, ref, chan, [1]])
    bob.link.transport.backlog = HIGH
    ann.send([16, 1, 1, 0, 100, 1, 0, 0])
    assert [message[0] for message in bob.frames()] == [99, 96]
    assert not bob.link.is_behind
    bob.link.transport.backlog = HIGH + 1
    ann.send([16, 2, 1, 0, 101, 1, 0, 0])
    assert [message[0] for message in bob.frames()] == [99, 96], "what makes it fall behind is sent"
    assert bob.link.is_behind
    return ann, bob


def test_who_is_behind_hears_private_messages_and_phases_only_mkd_001(venue):
    ann, bob = behind(venue)
    bob.send([4, 9, 4, [1]])
    ann.send([16, 3, 1, 0, 102, 1, 0, 0])
    assert bob.frames() == []
    assert [message[0] for message in bob.send([16, 1, 1, 1, 102, 1, 0, 0])] == [33, 35]
    bob.link.transport.backlog = LOW + 1
    ann.send([16, 4, 1, 0, 99, 1, 0, 0])
    assert bob.frames() == []
    bob.link.transport.backlog = LOW
    ann.send([16, 5, 1, 0, 98, 1, 0, 0])
    assert sorted(message[0] for message in bob.frames()) == [96, 99, 105]
    assert not bob.link.is_behind


def test_what_was_missed_comes_as_one_message_mkd_002(venue):
    ann, bob = behind(venue)
    ann.send([16, 3, 1, 0, 102, 4, 0, 0])
    bob.send([16, 1, 1, 1, 101, 1, 0, 0])
    cat = live(venue, "cat")
    cat.send([16, 1, 1, 0, 90, 7, 0, 0])
    cat.send([18, 2, 1])
    bob.link.transport.backlog = 0
    cat.send([16, 3, 1, 1, 110, 2, 0, 0])
    best, delta, gap = sorted(message for message in bob.frames() if message[0] >= 96)
    assert gap == [105, 3, 1, 1, 1, 0]
    assert delta[:4] == [99, 1, 3, 7]
    bids, asks = dict(zip(*[iter(delta[5])] * 2, strict=True)), dict(zip(*[iter(delta[6])] * 2, strict=True))
    assert bids[90] == 0, "one that has come and gone is told as gone"
    assert asks == {110: 2}
    assert best[4:] == venue_best(venue)
    snapshot = bob.send([7, 9, 2, 1])[1]
    assert all(bids.get(px, lots) == lots for px, lots in zip(*[iter(snapshot[4])] * 2, strict=True))


def venue_best(venue):
    return list(venue.publisher.router.market(1).best_prices())


def test_no_more_than_a_snapshot_is_told_of_what_was_missed_mkd_003():
    feed = Feed()
    reader = feed.reader(Channel.L2)
    reader.stall()
    feed.tell(level(1, 0, 10, 1))
    assert reader.heard() == []
    reader.pipe.weight = 0
    feed.tell()
    assert [message[:4] for message in reader.heard()] == [[99, 1, 1, 1]]
    reader.stall()
    feed.tell(*(level(1, 0, px, 1) for px in range(11, 17)))
    feed.tell(*(level(1, 0, px, 0) for px in range(11, 17)))
    reader.pipe.weight = 0
    feed.tell()
    gap, snapshot = reader.heard()  # Seven levels changed, one is there.
    assert gap == [105, 2, 1, 2, 3, 0]
    assert snapshot[:3] == [98, 1, 3]
    assert snapshot[4:] == [[10, 1], []]
    feed.tell(level(1, 1, 20, 5))
    assert reader.heard()[0][:4] == [99, 1, 4, 4], "and it goes on"


@pytest.mark.parametrize(("changes", "kinds"), [(CHANGES_KEPT_MAX, [99]), (CHANGES_KEPT_MAX + 1, [105, 98])])
def test_changes_that_are_remembered_end_at_changes_kept_max_mkd_003(changes, kinds):
    feed = Feed()
    feed.tell(*(level(1, 0, px, 1) for px in range(1, 100)))
    reader = feed.reader(Channel.L2)
    reader.stall()
    for change in range(changes):
        feed.tell(level(1, 0, 1 + change % 50, 1 + change))
    assert reader.heard() == []
    reader.pipe.weight = 0
    feed.tell()
    messages = reader.heard()
    assert [message[0] for message in messages] == kinds
    assert messages[-1][2 if kinds == [105, 98] else 3] == changes
    assert dict(zip(*[iter(messages[-1][-2])] * 2, strict=True))[1 + (changes - 1) % 50] == changes


def test_catching_up_goes_as_far_as_there_is_room_mkd_005():
    feed = Feed()
    insts = range(1, 41)
    slow = feed.reader(Channel.L2, insts=insts, conflate_bytes_max=120, conflate_low_bytes=40)
    quick = feed.reader(Channel.L2, insts=insts)
    for lots in range(1, 6):
        feed.tell(*(level(inst, 0, 10, lots) for inst in insts))
        assert len(quick.heard()) == len(insts), "the others get everything at once"
    assert len(slow.pipe.unread) < 300
    seen = {}
    for _ in range(len(insts)):
        messages = slow.heard()
        assert sum(len(message[5]) for message in messages) <= 2 * 15
        for message in messages:
            seen[message[1]] = message[3], message[5]
        feed.tell()
    assert seen == dict.fromkeys(insts, (5, [10, 5]))


def test_stuck_reader_costs_little_and_catches_up_mkd_005():
    async def main():
        limits = {"conflate_bytes_max": 65_536, "conflate_low_bytes": 16_384}
        async with running(heartbeat_ms=30_000, **limits) as venue, raw(venue, venue.key["bob"]) as bob:
            async with connect(venue.url, venue.key["ann"]) as ann, connect(venue.url, venue.key["cat"]) as cat:
                for chan in (2, 3):
                    await bob.send(4, chan, chan, [1])
                    await bob.next(66)
                book = await cat.subscribe_book(1)
                stuck = next(c for c in venue.server._connections if c.session.account_name == "bob")
                pipe = bob.socket._response.connection.transport
                pipe.pause_reading()
                while not stuck.link.is_behind:  # Fill what the system buffers.
                    stuck.link.send(FILLER)
                    stuck.link.flush()
                held = stuck.link.bytes_waiting()
                for turn in range(200):
                    await ann.buy(1, lots=1, ticks=100 + turn)
                await cat.ping()
                assert (book.gaps, book.best_bid) == (0, (299, 1))
                assert stuck.link.bytes_waiting() == held, "market data waits"
                pipe.resume_reading()
                bids = {}
                while bids.get(400) != 1:
                    await asyncio.sleep(0)
                    if not stuck.link.bytes_waiting() and 400 not in [px for px, _ in book.bids()]:
                        await ann.buy(1, lots=1, ticks=400)
                    received = await asyncio.wait_for(bob.socket.receive(), 3)
                    message = msgpack.unpackb(received.data)
                    if message != bytes(8_192) and message[0] == 99:
                        bids |= dict(zip(*[iter(message[5])] * 2, strict=True))
                assert sorted(bids.items(), reverse=True) == book.bids()

    run(main())


# Options.


@pytest.mark.parametrize(
    ("chan", "opts"),
    [
        (1, [5]), (3, [5]), (2, [7]), (2, [-1]), (2, [True]), (2, 5), (2, [0, 0, 0, 0]), (2, ["5"]),
        (2, [0, CONFLATE_MS_MIN - 1]), (1, [0, CONFLATE_MS_MAX + 1]), (3, [0, 100]), (8, [0, 100]), (4, [0, 100]),
        (2, [0, 0, 60]), (8, [0, 0, 61]), (8, [5]), (10, [0, 0, 60]),
    ],
)  # fmt: skip
def test_options_a_channel_does_not_have_are_refused_mkd_010(venue, chan, opts):
    assert live(venue).send([4, 1, chan, [1], opts]) == [[66, 1, R.MALFORMED, 0]]


@pytest.mark.parametrize(
    ("chan", "opts"),
    [
        (1, [0, CONFLATE_MS_MIN]), (1, [None, CONFLATE_MS_MAX]), *((2, [depth]) for depth in BOOK_DEPTHS),
        (2, []), (2, None), (2, [10, 500, 0]), (8, None), (8, [0, 0, 3_600]), (3, [0, 0, 0]), (10, []),
    ],
)  # fmt: skip
def test_options_a_channel_has_are_taken_mkd_010(venue, chan, opts):
    assert live(venue).send([4, 1, chan, [1], opts])[0] == [66, 1, 0, 1]


def test_one_instrument_is_followed_with_one_set_of_options_mkd_010(venue):
    bob = live(venue)
    refused = [[66, 9, R.MALFORMED, 0]]
    assert bob.send([4, 1, 2, [1], [10]])[0] == [66, 1, 0, 1]
    for wish in ([[2, 1], [5]], [None], [[1], [10, 10]]):
        assert bob.send([4, 9, 2, *wish]) == refused
    assert bob.send([4, 2, 2, [2], [5]])[0] == [66, 2, 0, 2]
    assert bob.send([4, 3, 2, [1], [10]])[0] == [66, 3, 0, 3]
    assert bob.send([4, 4, 1, None, [0, 10]])[0] == [66, 4, 0, 4]
    assert bob.send([4, 9, 1, [1]]) == refused
    for interval_s in (60, 300, 3_600):
        assert bob.send([4, 5, 8, None, [0, 0, interval_s]])[0][:3] == [66, 5, 0]
    bob.send([5, 6, 1], [5, 6, 3])
    assert bob.send([4, 7, 2, [1], [25]])[0][:3] == [66, 7, 0], "ended ones do not count"


def test_what_another_subscription_covers_goes_on_where_it_was_mkd_010(venue):
    ann, bob = behind(venue)
    bob.send([4, 7, 2, [1, 2]])
    ann.send([16, 3, 1, 0, 95, 1, 0, 0])
    bob.send([5, 8, 4])
    bob.link.transport.backlog = 0
    ann.send([16, 4, 1, 0, 94, 1, 0, 0])
    assert [message[:4] for message in bob.frames() if message[0] == 99] == [[99, 1, 3, 4]]


def test_depth_tells_the_best_levels_and_no_others_mkd_011():
    feed = Feed()
    feed.tell(*(level(1, 0, px, 1) for px in range(11, 19)))
    reader = feed.reader(Channel.L2, depth=5)
    market = feed.router.market(1)
    feed.tell(level(1, 0, 12, 9), level(1, 0, 10, 1))
    assert reader.heard() == [], "nothing changed among the best five"
    feed.tell(level(1, 0, 17, 0))
    (delta,) = reader.heard()
    assert delta[:4] == [99, 1, 1, 2], "the delta covers the batch that was not told"
    assert delta[5] == [17, 0, 13, 1], "one has gone, and one has come among them"
    feed.tell(level(1, 0, 30, 2))
    assert reader.heard()[0][5] == [30, 2, 13, 0], "one has been pushed out"
    feed.tell(level(1, 0, 30, 3), level(1, 1, 40, 1))
    assert reader.heard()[0][5:] == [[30, 3], [40, 1]]
    assert market.depth_of(reader.link) == 5


def test_snapshot_on_request_has_the_depth_of_the_subscription_mkd_011(venue):
    ann, bob = live(venue), live(venue, "bob")
    ann.send(*([16, ref, 1, 0, 100 + ref, 1, 0, 0] for ref in range(1, 9)))
    assert len(bob.send([7, 1, 2, 1])[1][4]) == 16
    assert len(bob.send([4, 2, 2, [1], [5]])[1][4]) == 10
    assert bob.send([7, 3, 2, 1])[1][4] == [108, 1, 107, 1, 106, 1, 105, 1, 104, 1]


def test_windows_to_come_are_followed_with_the_same_options_mkd_010(venue):
    ann, bob = live(venue), live(venue, "bob")
    bob.send([4, 1, 2, None, [5]], [4, 2, 8, None, [0, 0, 300]], [4, 3, 1, None, [0, 60_000]])
    venue.sequencer.submit(commands.list_window(PRODUCT, WINDOW + 1))
    ann.send(*([16, ref, 3, 1, 100 + ref, 1, 0, 0] for ref in range(1, 9)))
    (delta,) = bob.frames()
    assert (delta[:2], delta[6]) == ([99, 3], [101, 1, 102, 1, 103, 1, 104, 1, 105, 1])
    told = [message for message in bob.send([16, 1, 3, 0, 101, 1, 0, 0]) if message[0] >= 96]
    assert [(message[0], message[1]) for message in told] == [(99, 3), (102, 3)]
    assert told[1][10] == 300
    bob.send([5, 4, 1], [5, 5, 2])
    venue.sequencer.submit(commands.list_window(PRODUCT, WINDOW + 2))
    ann.send([16, 20, 5, 1, 100, 1, 0, 0])
    assert bob.frames() == []


@pytest.mark.parametrize("channel", [Channel.L1, Channel.L2])
def test_conflation_gives_one_message_in_its_time_mkd_012(channel):
    feed = Feed()
    feed.tell(level(1, 0, 1, 1))
    reader = feed.reader(channel, conflate_ms=100)
    seqs = []
    for step in range(30):
        feed.tell(level(1, 0, 10 + step % 3, 1 + step), after_ms=20)
        seqs.append([message[3 if channel is Channel.L2 else 2] for message in reader.heard()])
        assert not seqs[-1] or seqs[-1] == [feed.router.market(1).last_seq(channel)]
    assert [len(one) for one in seqs] == ([0] * 4 + [1]) * 6
    feed.tell(level(1, 0, 50, 1), after_ms=200)
    assert len(reader.heard()) == 1, "after a pause it comes at once"
    feed.tell(level(1, 0, 51, 1), after_ms=50)
    feed.tell(after_ms=49)
    assert reader.heard() == []
    feed.tell(after_ms=1)
    assert len(reader.heard()) == 1, "what was missed is told when its time has come, though nothing changes any more"
    feed.tell(after_ms=500)
    assert reader.heard() == []


def test_trades_that_were_missed_are_a_gap_each_run_mkd_002():
    feed = Feed()
    reader = feed.reader(Channel.TRADES)
    reader.stall()
    feed.tell(trade(1, 10, 1), trade(1, 11, 1))
    feed.tell(trade(1, 12, 1))
    reader.pipe.weight = 0
    feed.tell()
    assert reader.heard() == [[105, 3, 1, 1, 3, 0]]
    feed.tell(trade(1, 13, 1))
    assert [message[2] for message in reader.heard()] == [4]


def test_who_leaves_is_owed_nothing_mkd_002():
    feed = Feed()
    reader = feed.reader(Channel.L2, Channel.L1)
    reader.stall()
    feed.tell(level(1, 0, 10, 1))
    for channel in (Channel.L2, Channel.L1):
        feed.router.unsubscribe(channel, 1, reader.link)
    reader.pipe.weight = 0
    feed.tell(level(1, 0, 11, 1))
    assert reader.heard() == []
    assert feed.router.market(1).subscribed(Channel.L2) == []


@pytest.mark.parametrize("limits", [(1, 1, 2), (2, 2, 3), (0, 3, 3), (-1, 2, 3)])
def test_marks_of_the_backlog_must_be_in_order_mkd_001(limits):
    low, high, most = limits
    with pytest.raises(ValueError, match="conflate_low_bytes must be below"):
        GatewayConfig(conflate_low_bytes=low, conflate_bytes_max=high, backlog_bytes_max=most)


def test_slow_reader_is_still_cut_beyond_the_backlog_ses_004(venue):
    ann, bob = behind(venue)
    bob.link.transport.backlog = (1 << 20) + 1
    ann.send([16, 50, *SELL[2:]])
    assert bob.frames() == [], "nothing was written, so nobody looked"
    assert bob.send([16, 1, 1, 0, 2450, 1, 0, 0])[-1][:2] == ("closed", 4009)
    ann.send([16, 60, 1, 0, 97, 1, 0, 0])
    assert bob.frames() == []
