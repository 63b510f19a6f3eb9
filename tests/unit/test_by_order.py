"""Orders one by one: numbers, sequence, parts of snapshots, and what is not told."""

import msgpack
import pytest
from feed import Feed, record

from exchange.records import EventFlag, EventType
from ext.link import Link
from gateway.client.book_by_order import BookByOrder
from gateway.client.events import OrdersChanged, OrdersSnapshot
from gateway.protocol import Channel, MessageType

ADD, CHANGE, DELETE, EXEC = range(4)
L3_CHANGES_MAX = 1_000
L3_PART_ORDERS = 1_000
L3_SNAPSHOT_ORDERS_MAX = 20_000
SELL = int(EventFlag.SELL)


def oid(slot, generation=1):
    return generation << 28 | slot


def ack(slot, lots, *, px=100, flags=0, display=0, command=0):
    return record(
        EventType.ACK, 1, oid=oid(slot), price=px, lots=lots, leaves=lots, cum=display, flags=flags, command=command
    )


def fill(slot, lots, leaves, *, flags=0, command=0):
    return record(EventType.FILL, 1, oid=oid(slot), lots=lots, leaves=leaves, flags=flags, command=command)


def done(slot, *, command=0):
    return record(EventType.DONE, 1, oid=oid(slot), command=command)


def replaced(slot, px, leaves, *, command=0):
    return record(EventType.REPLACED, 1, oid=oid(slot), price=px, leaves=leaves, command=command)


def level():
    """What every change of what is shown comes with."""
    return record(EventType.LEVEL, 1, price=100, amount=1)


@pytest.fixture
def feed():
    return Feed()


@pytest.fixture
def reader(feed):
    return feed.reader(Channel.L3)


def tell(feed, *events):
    feed.tell(*events, level())


def changes(reader):
    """All changes that have come since the last call; what else came is no concern here."""
    return [change for message in reader.heard() if message[0] == MessageType.L3 for change in message[4]]


def snapshot(feed):
    return [msgpack.unpackb(part) for part in feed.router.market(1).l3_snapshot()]


def test_order_that_rests_is_told_with_its_number_side_price_and_lots_mkd_040_mkd_042(feed, reader):
    tell(feed, ack(7, 5, px=99), ack(8, 3, px=101, flags=SELL, command=1))
    assert reader.heard() == [[MessageType.L3, 1, 1, feed.now_us, [[ADD, 1, 0, 99, 5], [ADD, 2, 1, 101, 3]]]]


def test_of_an_order_that_trades_on_arrival_only_the_rest_is_told_mkd_041(feed, reader):
    tell(feed, ack(7, 5))
    changes(reader)
    came_in = [ack(8, 9, flags=SELL), fill(7, 5, 0), fill(8, 5, 4, flags=SELL | EventFlag.TAKER)]
    tell(feed, *came_in)
    assert changes(reader) == [[EXEC, 1, 0, 100, 5], [ADD, 3, 1, 100, 4]]
    tell(feed, ack(9, 2), fill(8, 2, 2, flags=SELL), fill(9, 2, 0, flags=EventFlag.TAKER))
    assert changes(reader) == [[EXEC, 3, 1, 100, 2]]
    tell(feed, ack(9, 2, px=1), done(9))
    assert changes(reader) == []


def test_iceberg_goes_to_the_back_with_its_next_part_mkd_041(feed, reader):
    tell(feed, ack(7, 10, display=4), ack(8, 1, command=1))
    assert changes(reader) == [[ADD, 1, 0, 100, 4], [ADD, 2, 0, 100, 1]]
    tell(feed, fill(7, 4, 6))
    assert changes(reader) == [[EXEC, 1, 0, 100, 4], [ADD, 1, 0, 100, 4]]
    (part,) = snapshot(feed)
    assert part[6] == [[2, 0, 100, 1], [1, 0, 100, 4]]
    tell(feed, fill(7, 4, 2))
    assert changes(reader)[1] == [ADD, 1, 0, 100, 2]


def test_replaced_order_keeps_its_place_only_with_fewer_lots_mkd_041(feed, reader):
    tell(feed, ack(7, 10), ack(8, 1, command=1), ack(9, 20, display=2, command=2))
    changes(reader)
    tell(feed, replaced(7, 100, 6))
    assert changes(reader) == [[CHANGE, 1, 0, 100, 6]]
    tell(feed, replaced(9, 100, 5))  # Only hidden lots are gone.
    assert changes(reader) == []
    tell(feed, replaced(7, 100, 7))
    assert changes(reader) == [[DELETE, 1, 0, 100, 0], [ADD, 1, 0, 100, 7]]
    tell(feed, replaced(8, 98, 1))
    assert changes(reader) == [[DELETE, 2, 0, 100, 0], [ADD, 2, 0, 98, 1]]
    (part,) = snapshot(feed)
    assert part[6] == [[3, 0, 100, 2], [1, 0, 100, 7], [2, 0, 98, 1]]


def test_order_whose_end_is_told_is_gone_mkd_040(feed, reader):
    tell(feed, ack(7, 10))
    tell(feed, done(7))
    assert changes(reader)[1:] == [[DELETE, 1, 0, 100, 0]]
    assert snapshot(feed)[0][6] == []


def test_both_sides_of_a_quote_have_the_number_of_its_leg_mkd_042(feed, reader):
    quote = int(EventFlag.QUOTE)
    tell(feed, record(EventType.ACK, 1), ack(7, 1, px=99, flags=quote), ack(8, 1, px=101, flags=quote | SELL))
    assert changes(reader) == [[ADD, 1, 0, 99, 1], [ADD, 1, 1, 101, 1]]


def test_blocks_and_answers_given_again_are_no_orders_of_a_book_mkd_040(feed, reader):
    tell(feed, ack(7, 5, flags=EventFlag.BLOCK), fill(7, 1, 4, flags=EventFlag.BLOCK), done(7))
    tell(feed, ack(8, 5), ack(8, 5, flags=EventFlag.DUPLICATE, command=1))
    tell(feed, record(EventType.FILL, 1, lots=1, flags=EventFlag.BALANCE | EventFlag.TAKER))
    assert changes(reader) == [[ADD, 5, 0, 100, 5]]


def test_messages_are_numbered_whether_anybody_listens_or_not_mkd_043(feed):
    tell(feed, ack(7, 5))
    tell(feed, done(7))
    feed.tell(record(EventType.LEVEL, 1, price=1, amount=1))  # Nothing happens to an order.
    reader = feed.reader(Channel.L3)
    assert feed.router.market(1).last_seq(Channel.L3) == 2
    tell(feed, ack(7, 5))
    assert [message[2] for message in reader.heard()] == [3]
    feed.router.unsubscribe(Channel.L3, 1, reader.link)
    tell(feed, done(7))
    feed.router.subscribe(Channel.L3, 1, reader.link)
    tell(feed, ack(7, 5))
    assert [message[2] for message in reader.heard()] == [5]


@pytest.mark.parametrize("is_heard", [True, False])
def test_batch_with_too_many_changes_is_told_in_several_messages_mkd_043(feed, is_heard):
    reader = feed.reader(Channel.L3) if is_heard else None
    tell(feed, *(ack(slot, 1, command=slot) for slot in range(L3_CHANGES_MAX)))
    tell(feed, *(ack(5_000 + slot, 1, command=slot) for slot in range(2 * L3_CHANGES_MAX + 1)))
    assert feed.router.market(1).last_seq(Channel.L3) == 4
    if is_heard:
        told = reader.heard()
        assert [(message[2], len(message[4])) for message in told] == [(1, 1_000), (2, 1_000), (3, 1_000), (4, 1)]


def test_snapshot_comes_in_parts_of_one_seq_mkd_043(feed):
    tell(feed, *(ack(slot, 1 + slot % 9, px=slot % 50, command=slot) for slot in range(L3_PART_ORDERS)))
    assert [part[4:6] for part in snapshot(feed)] == [[0, 0]]
    tell(feed, ack(2_000, 4, px=60, flags=SELL))
    parts = snapshot(feed)
    assert [(part[0], part[1], part[2], part[4], part[5], len(part[6])) for part in parts] == [
        (MessageType.L3_SNAP, 1, 2, 1, 0, L3_PART_ORDERS), (MessageType.L3_SNAP, 1, 2, 0, 0, 1),
    ]  # fmt: skip
    bids = parts[0][6]
    assert bids == sorted(bids, key=lambda row: (-row[2], row[0]))
    assert parts[1][6] == [[1_002, 1, 60, 4]]


def test_snapshot_of_an_empty_book_is_one_message_mkd_043(feed):
    assert snapshot(feed) == [[MessageType.L3_SNAP, 1, 0, 0, 0, 0, []]]


def test_snapshot_leaves_out_what_is_furthest_away_and_says_how_many_mkd_043(feed):
    most = L3_SNAPSHOT_ORDERS_MAX
    tell(feed, *(ack(slot, 1, px=5 + slot, command=slot) for slot in range(most + 2)))
    tell(feed, ack(most + 5, 3, px=most + 100, flags=SELL))
    parts = snapshot(feed)
    assert {part[5] for part in parts} == {2}
    rows = [row for part in parts for row in part[6]]
    assert len(rows) == most + 1
    assert (rows[0][2], rows[most - 1][2], rows[most][1]) == (most + 6, 7, 1)
    book = BookByOrder(None)
    for part in parts:
        book.load(OrdersSnapshot(*part[1:]))
    assert book.untold == 2
    assert book.apply(OrdersChanged(1, book.seq + 1, 0, [[DELETE, 1, 0, 5, 0], [EXEC, 2, 0, 6, 1]]))
    assert len(book.bids()) == most


def test_who_was_behind_gets_a_gap_and_a_snapshot_mkd_044(feed, reader):
    tell(feed, ack(7, 5))
    reader.heard()
    reader.stall()
    for slot in range(10, 15):
        tell(feed, ack(slot, 1))
    assert reader.heard() == []
    reader.pipe.weight = 0
    feed.tell()
    gap, told = reader.heard()
    assert gap == [MessageType.GAP, Channel.L3, 1, 2, 6, 0]
    assert told[:3] == [MessageType.L3_SNAP, 1, 6]
    assert [row[0] for row in told[6]] == [1, 3, 5, 7, 9, 11]
    tell(feed, done(7))
    assert [message[2] for message in reader.heard()] == [7]


def test_new_instrument_begins_empty_at_seq_0_for_those_who_follow_all_mkd_043(feed):
    link = Link(None, lambda records: True)
    feed.router.follow_listings(Channel.L3, link)
    feed.tell(record(EventType.INSTRUMENT, 3))
    assert feed.router.market(3).subscribed(Channel.L3) == [link]
    assert feed.router.market(3).last_seq(Channel.L3) == 0
