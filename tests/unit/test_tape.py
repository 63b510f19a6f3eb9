"""Candles and recent trades, on the wire and by HTTP. Rules: docs/spec/marketdata.md."""

import pytest
from feed import Feed, record, trade
from gateway_venue import NOW_NS, PRODUCT, WINDOW, Venue, raw, running
from test_server import get, run
from test_session import frozen_venue, live

from exchange import commands
from exchange.reasons import RejectReason as R
from exchange.records import EventFlag, EventType
from exchange.units import HOUR_NS
from gateway.protocol import CANDLE_INTERVALS_S, Channel
from gateway.publisher import Publisher

CANDLES_KEPT_MAX, TRADES_KEPT_MAX = 1_440, 1_000
S_US = 1_000_000
BLOCK, CALL, BALANCE = int(EventFlag.BLOCK), int(EventFlag.CALL), int(EventFlag.BALANCE)


def follow(feed, *intervals):
    """A reader of candles of instrument 1."""
    reader = feed.reader()
    for interval_s in intervals:
        feed.router.subscribe(Channel.CANDLES, 1, reader.link, interval_s)
    return reader


def candles(feed, interval_s=60, limit=10):
    return feed.router.market(1).candle_history(interval_s, 0, 1 << 53, limit)


@pytest.mark.parametrize(
    ("flags", "counts"), [(0, True), (1, True), (CALL, True), (BALANCE, False), (BALANCE | 1, False)]
)
def test_trades_that_form_the_price_count_mkd_020(flags, counts):
    feed = Feed()
    feed.tell(trade(1, 10, 3, flags, match=1))
    assert [row[1:7] for row in candles(feed)] == ([(10, 10, 10, 10, 3, 1)] if counts else [])
    aggressor = 2 if flags == CALL else flags & 1
    assert [row[3:] for row in feed.router.market(1).last_trades(9)] == [(10, 3, aggressor, flags & ~1)]


def test_legs_of_a_block_count_where_they_took_resting_orders_mkd_020():
    feed = Feed()

    def fill(match, flags):
        return record(EventType.FILL, 1, account=1, oid=1, match_id=match, price=10, lots=1, flags=flags)

    feed.tell(fill(7, 0), fill(7, BLOCK), trade(1, 10, 1, BLOCK, match=7), trade(1, 11, 1, BLOCK, match=7))
    assert candles(feed)[0][1:7] == (10, 11, 10, 11, 2, 2)
    feed.tell(fill(8, BLOCK), fill(8, BLOCK), trade(1, 50, 1, BLOCK, match=8))
    assert candles(feed)[0][1:7] == (10, 11, 10, 11, 2, 2), "two blocks share a total; nobody offered 50"


def test_the_engine_tells_the_legs_apart_mkd_020():
    venue = frozen_venue()
    venue.sequencer.submit(commands.list_window(PRODUCT, WINDOW + 1))
    market = venue.publisher.router.market(1)
    for ref, handle in enumerate((1, 3), 1):
        venue.sequencer.submit(commands.place(1, ref, handle, 1, 100 * ref, 5))
    venue.sequencer.submit(commands.block(2, 1, 1, 1, WINDOW, 2, 0, 300, 5, min_lots=5))
    assert [row[1:7] for row in market.candle_history(60, 0, 1 << 53, 9)] == [(100, 100, 100, 100, 5, 1)]
    venue.sequencer.submit(commands.block(1, 9, 1, 1, WINDOW, 2, 1, 900, 5, min_lots=5))
    venue.sequencer.submit(commands.block(2, 9, 1, 1, WINDOW, 2, 0, 900, 5, min_lots=5))
    assert len(market.last_trades(9)) == 2
    assert sum(row[5] for row in market.candle_history(60, 0, 1 << 53, 9)) == 5


def test_a_candle_is_told_once_a_second_and_when_it_closes_mkd_021():
    feed = Feed()
    feed.now_us = 600 * S_US
    reader = follow(feed, 60)
    feed.tell(trade(1, 10, 1))
    assert reader.heard() == [[102, 1, 1, 600 * S_US, 10, 10, 10, 10, 1, 1, 60, 0]]
    feed.tell(trade(1, 12, 2), after_ms=500)
    feed.tell(trade(1, 9, 3), after_ms=499)
    assert reader.heard() == []
    feed.tell(after_ms=1)
    assert reader.heard() == [[102, 1, 2, 600 * S_US, 10, 12, 9, 9, 6, 3, 60, 0]], "by the time of a batch, not a trade"
    feed.tell(after_ms=5_000)
    assert reader.heard() == [], "nothing new"
    feed.tell(trade(1, 11, 1), after_ms=52_999 + 999)
    assert [message[2] for message in reader.heard()] == [3]
    feed.tell(trade(1, 20, 4), after_ms=1)
    closed, opened = reader.heard()
    assert closed == [102, 1, 4, 600 * S_US, 10, 12, 9, 11, 7, 4, 60, 1]
    assert opened == [102, 1, 5, 660 * S_US, 20, 20, 20, 20, 4, 1, 60, 0]
    feed.tell(after_ms=200_000)
    assert [message[2:4] + message[11:] for message in reader.heard()] == [[6, 660 * S_US, 1]]
    assert [row[0] for row in candles(feed)] == [600 * S_US, 660 * S_US], "an hour without trades has no candles"


def test_intervals_are_apart_mkd_021():
    feed = Feed()
    feed.now_us = 3_600 * S_US - 1_000
    reader = follow(feed, *CANDLE_INTERVALS_S)
    feed.tell(trade(1, 10, 1))
    feed.tell(after_ms=60_000)
    feed.tell(trade(1, 11, 2))
    feed.tell(after_ms=240_000)
    told = [(message[10], message[2], message[4], message[7], message[11]) for message in reader.heard()]
    assert [row for row in told if row[0] == 60] == [(60, 1, 10, 10, 0), (60, 2, 10, 10, 1), (60, 3, 11, 11, 0),
                                                     (60, 4, 11, 11, 1)]  # fmt: skip
    assert [row for row in told if row[0] == 300][-1] == (300, 3, 10, 11, 1)
    assert [row for row in told if row[0] == 3_600] == [(3_600, 1, 10, 10, 0), (3_600, 2, 10, 11, 0)]


def test_who_missed_the_end_of_a_candle_is_told_of_a_gap_mkd_002():
    feed = Feed()
    feed.now_us = 600 * S_US
    reader = follow(feed, 60)
    feed.tell(trade(1, 10, 1))
    reader.heard()
    reader.stall()
    feed.tell(trade(1, 11, 1), after_ms=2_000)
    feed.tell(trade(1, 12, 1), after_ms=2_000)
    reader.pipe.weight = 0
    feed.tell()
    assert [message[:3] for message in reader.heard()] == [[102, 1, 3]], "one candle, told again, says all"
    reader.stall()
    feed.tell(trade(1, 13, 1), after_ms=60_000)
    reader.pipe.weight = 0
    feed.tell()
    gap, candle = reader.heard()
    assert gap == [105, 8, 1, 4, 5, 60]
    assert candle[2:5] == [5, 660 * S_US, 13]
    reader.stall()
    feed.tell(after_ms=60_000)
    reader.pipe.weight = 0
    feed.tell()
    assert [message[0] for message in reader.heard()] == [102], "the last word itself is no loss"


def test_subscription_begins_with_the_candle_there_is_mkd_021():
    venue = frozen_venue()
    ann, bob = live(venue), live(venue, "bob")
    assert bob.send([4, 1, 8, [1]]) == [[66, 1, 0, 1]]
    ann.send([16, 1, 1, 1, 100, 5, 0, 0])
    assert bob.send([16, 1, 1, 0, 100, 2, 0, 0])[-1][4:] == [100, 100, 100, 100, 2, 1, 60, 0]
    candle = bob.send([4, 2, 8, None, [0, 0, 300]])[1]
    assert candle[4:] == [100, 100, 100, 100, 2, 1, 300, 0]
    assert [message[10] for message in bob.send([7, 3, 8, 1])[1:]] == [60, 300], "on request those that are followed"
    ann.frames()
    assert [message[10] for message in ann.send([7, 3, 8, 1])[1:]] == [60]


def test_history_ends_at_candles_kept_max_and_trades_kept_max_mkd_022():
    feed = Feed()
    feed.now_us = 0
    for minute in range(CANDLES_KEPT_MAX + 3):
        feed.tell(trade(1, 10 + minute, 1), after_ms=60_000)
    kept = candles(feed, limit=1 << 20)
    assert len(kept) == CANDLES_KEPT_MAX + 1, "and the open one"
    assert kept[0][1] == 12
    assert kept[-1][1:] == (10 + CANDLES_KEPT_MAX + 2,) * 4 + (1, 1, 0)
    assert len(candles(feed, 3_600, limit=1 << 20)) == 25
    trades = feed.router.market(1).last_trades(1 << 20)
    assert len(trades) == TRADES_KEPT_MAX
    assert [row[3] for row in trades] == list(range(10 + 443, 10 + 443 + TRADES_KEPT_MAX))
    assert [row[3] for row in feed.router.market(1).last_trades(2)] == [1_451, 1_452]
    half = kept[CANDLES_KEPT_MAX // 2][0]
    rows = feed.router.market(1).candle_history(60, half, half + 3 * 60 * S_US, 2)
    assert [row[0] for row in rows] == [half + 60 * S_US, half + 120 * S_US], "the last ones before `to`"


def test_restarted_server_has_the_same_history_mkd_022():
    venue = Venue()
    told = []
    publish = venue.publisher.publish
    venue.publisher.publish = lambda *batch: (told.append(batch), publish(*batch))
    for ref in range(1, 30):
        if ref % 10 == 0:
            venue.sequencer.submit(commands.time(NOW_NS + ref * HOUR_NS // 20))
        venue.sequencer.submit(commands.place(1, ref, 1, 1, 100 + ref % 7, 1))
        venue.sequencer.submit(commands.place(2, ref, 1, 0, 200, 1))
    again = Publisher(venue.engine.catalogue)
    for batch in told:
        again.recover(*batch)
    before, after = (one.router.market(1) for one in (venue.publisher, again))
    assert len(before.last_trades(99)) == 29
    assert after.last_trades(99) == before.last_trades(99)
    for interval_s in CANDLE_INTERVALS_S:
        rows = before.candle_history(interval_s, 0, 1 << 53, 99)
        assert after.candle_history(interval_s, 0, 1 << 53, 99) == rows
        assert sum(row[6] for row in rows) == 29


def test_trades_and_candles_by_http_mkd_022():
    async def main():
        async with running() as venue, raw(venue, venue.key["ann"]) as ann, raw(venue, venue.key["bob"]) as bob:
            await bob.send(4, 1, 3, [1])
            await bob.next(66)
            for ref in (1, 2, 3):
                await ann.send(16, ref, 1, 1, 100 + ref, ref, 0, 0)
                await ann.next(33)
                await bob.send(16, ref, 1, 0, 100 + ref, ref, 0, 0)
                await bob.next(97)
            status, body = await get(venue, "/v1/trades?inst=1&limit=2")
            assert status == 200
            assert [(one["seq"], one["px"], one["qty"]) for one in body["trades"]] == [(2, 102, 2), (3, 103, 3)]
            status, body = await get(venue, "/v1/candles?inst=1&interval=3600")
            assert (body["interval_s"], sum(one["v"] for one in body["candles"])) == (3_600, 6)
            assert body["candles"][-1]["closed"] == 0
            t0 = body["candles"][0]["t0"]
            assert (await get(venue, f"/v1/candles?inst=1&interval=3600&from=0&to={t0}"))[1]["candles"] == []
            for wrong in ("candles?inst=1&interval=61", "candles?inst=1&from=x", "trades?inst=1&limit=" + "9" * 17):
                status, body = await get(venue, "/v1/" + wrong)
                assert (status, body["code"]) == (400, R.MALFORMED)
            for page in ("candles", "trades"):
                status, body = await get(venue, f"/v1/{page}?inst=99")
                assert (status, body["code"]) == (404, R.NO_INSTRUMENT)

    run(main())


def test_trades_are_told_again_mkd_023():
    venue = frozen_venue()
    ann, bob = live(venue), live(venue, "bob")
    bob.send([4, 1, 3, [1]])
    told = []
    for ref in range(1, 6):
        ann.send([16, ref, 1, 1, 2450, 1, 0, 0])
        told += [message for message in bob.send([16, ref, 1, 0, 2450, 1, 0, 0]) if message[0] == 97]
    assert bob.send([6, 9, 2, 1, 2, 4]) == [[66, 9, 0, 3], *told[1:4]]
    assert bob.send([6, 9, 2, 1, 5]) == [[66, 9, 0, 1], told[4]]
    assert bob.send([6, 9, 2, 1, 6]) == [[66, 9, 0, 0]]
    assert bob.send([6, 9, 2, 2, 1]) == [[66, 9, 0, 0]], "no trade yet"
    assert bob.send([6, 9, 2, 99, 1]) == [[66, 9, R.NO_INSTRUMENT, 0]]
    assert bob.send([6, 9, 2, None, 1]) == [[66, 9, R.MALFORMED, 0]]


def test_trades_that_are_gone_mkd_023():
    venue = frozen_venue()
    bob = live(venue, "bob")
    bob.send([4, 1, 3, [1]])
    for ref in range(1, 1_004):
        venue.sequencer.submit(commands.place(1, ref, 1, 1, 2450, 1) + commands.place(3, ref, 1, 0, 2450, 1))
    assert bob.send([6, 9, 2, 1, 3])[-1] == [66, 9, R.REPLAY_TOO_OLD, 4]
    assert len(bob.send([6, 9, 2, 1, 4])) == 1_001
