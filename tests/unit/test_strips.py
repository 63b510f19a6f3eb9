"""Prices of strips against a plain reckoning, and when they are told."""

import numpy as np
import pytest
from gateway_venue import PRODUCT, WINDOW, Venue, running
from hypothesis import given, settings
from hypothesis import strategies as st
from test_server import get, run
from test_session import frozen_venue, live

from exchange import commands
from exchange.catalogue import Strip, week_of
from exchange.records import EVENT, EventFlag, EventType, Phase
from exchange.units import WINDOW_MAX
from gateway.strips import NONE, StripPrices, _strips_by_window

DAY = (WINDOW // 24 + 2) * 24
MONDAY = week_of(DAY).start + 168
FABRIC = "use1-f03"


def event(kind, **fields):
    record = np.zeros(1, EVENT)
    record["type"] = kind
    for name, value in fields.items():
        record[name] = value
    return record.tobytes()


def level(handle, side, price, lots):
    flags = EventFlag.SELL if side else 0
    return event(EventType.LEVEL, instrument=handle, price=price, amount=lots, flags=flags)


def tell(venue, *events):
    venue.publisher.publish(venue.engine.seq + 1, venue.publisher.last_ts_ns, b"".join(events), 1)


def handle(venue, hour, fabric=FABRIC):
    return venue.engine.catalogue.handle(PRODUCT, fabric, DAY + hour)


@pytest.fixture
def venue():
    venue = frozen_venue()
    venue.sequencer.submit(commands.list_window(PRODUCT, DAY, count=24))
    return venue


def strips(venue, hour):
    return {strip.hours: strip for strip in venue.publisher.strips.strips_from(handle(venue, hour))}


def test_strips_of_a_window_are_those_it_is_in_ses_038():
    by_window = _strips_by_window(MONDAY // 24)
    assert sorted(by_window) == list(range(MONDAY, MONDAY + 24))
    assert by_window[MONDAY + 5] == (
        Strip(MONDAY + 4, 2), Strip(MONDAY + 4, 4), Strip(MONDAY, 8), Strip(MONDAY, 24), Strip(MONDAY, 168),
    )  # fmt: skip
    assert _strips_by_window(MONDAY // 24 + 6)[MONDAY + 167][-1] == Strip(MONDAY, 168)
    assert _strips_by_window(WINDOW_MAX // 24) == {}
    assert _strips_by_window(0) == {}


def test_strip_is_listed_when_all_its_windows_are_ses_038():
    venue = Venue()
    venue.sequencer.submit(commands.list_window(PRODUCT, DAY, count=3))
    assert {hours: strip.legs for hours, strip in strips(venue, 0).items()} == {2: (3, 5)}
    assert strips(venue, 2) == {}
    venue.sequencer.submit(commands.list_window(PRODUCT, DAY + 3, count=1))
    assert [sorted(strips(venue, hour)) for hour in (0, 1, 2, 3)] == [[2, 4], [], [2], []]
    assert strips(venue, 0)[4].legs == (3, 5, 7, 9)
    assert list(venue.publisher.strips.strips_from(999)) == []


def test_windows_of_several_hours_are_in_no_strip_ses_038():
    venue = Venue()
    venue.sequencer.submit(commands.add_product("LONG", 8, 1000, ["g1"], window_hours=2))
    venue.sequencer.submit(commands.list_window("LONG", DAY, count=12))
    first = venue.engine.catalogue.handle("LONG", "g1", DAY)
    assert [list(venue.publisher.strips.strips_with(first + window)) for window in range(12)] == [[]] * 12
    assert venue.publisher.strips.rows("LONG", None) == []


def test_prices_are_sums_and_lots_the_least_ses_038(venue):
    ladder = venue.publisher.strips
    strip = strips(venue, 0)[4]
    for hour in range(4):
        assert ladder.prices(strip, fresh=True) == NONE
        tell(venue, level(handle(venue, hour), 0, 100 + hour, 9 - hour), level(handle(venue, hour), 0, 99, 50))
        tell(venue, level(handle(venue, hour), 1, 200 + hour, 3 + hour))
    assert ladder.prices(strip, fresh=True) == StripPrices(406, 6, 806, 3)
    tell(venue, level(handle(venue, 2), 1, 202, 0))
    assert ladder.prices(strip, fresh=True) == StripPrices(406, 6, 0, 0)
    tell(venue, event(EventType.STATUS, instrument=handle(venue, 1), lots=Phase.HALTED))
    assert ladder.prices(strip, fresh=True) == NONE


def test_bid_of_nothing_at_price_zero_is_a_bid_ses_038(venue):
    for hour in range(2):
        tell(venue, level(handle(venue, hour), 0, 0, 5))
    assert venue.publisher.strips.prices(strips(venue, 0)[2], fresh=True) == StripPrices(0, 5, 0, 0)


def test_changed_strips_are_told_at_the_end_of_a_batch_ses_038(venue):
    bob = live(venue, "bob")
    sub, *snapshots = bob.send([4, 1, 6, [handle(venue, 0)]])
    now_us = venue.publisher.last_ts_ns // 1000
    assert sub == [66, 1, 0, 1]
    assert snapshots == [[106, 1, 0, DAY, hours, 0, now_us, 0, 0, 0, 0, 1] for hours in (2, 4, 8, 24)]
    tell(venue, level(handle(venue, 0), 0, 100, 5))
    assert bob.frames() == []
    tell(venue, level(handle(venue, 0), 0, 101, 4), level(handle(venue, 1), 0, 110, 7))
    assert bob.frames() == [[106, 1, 0, DAY, 2, 1, now_us, 211, 4, 0, 0, 1]]
    tell(venue, level(handle(venue, 1), 0, 109, 7), level(handle(venue, 9), 0, 1, 1))
    tell(venue, *(level(handle(venue, hour), 0, 1, 1) for hour in (2, 3)), level(handle(venue, 1), 0, 110, 0))
    messages = bob.frames()
    assert [message[5] for message in messages] == [2, 3]
    assert sorted(message[4:5] + message[7:11] for message in messages) == [[2, 210, 4, 0, 0], [4, 212, 1, 0, 0]]
    assert bob.send([7, 2, 6, handle(venue, 0)])[2] == [106, 1, 0, DAY, 4, 3, now_us, 212, 1, 0, 0, 1]
    assert bob.send([7, 2, 6, handle(venue, 1)]) == [[66, 2, 0, handle(venue, 1)]]


def test_phase_of_a_window_changes_its_strips_ses_038(venue):
    bob = live(venue, "bob")
    tell(venue, level(handle(venue, 0), 0, 100, 5), level(handle(venue, 1), 0, 110, 7))
    assert bob.send([4, 1, 6, None])[1][7:11] == [210, 5, 0, 0]
    halted, again = (event(EventType.STATUS, instrument=handle(venue, 1), lots=lots) for lots in (Phase.HALTED, 1))
    tell(venue, halted)
    assert [message[7:11] for message in bob.frames()] == [[0, 0, 0, 0]]
    tell(venue, again)
    assert [message[7:11] for message in bob.frames()] == [[210, 5, 0, 0]]
    tell(venue, halted, again)
    assert bob.frames() == []


def test_strips_of_other_fabrics_and_later_windows_are_told_apart_ses_038(venue):
    bob = live(venue, "bob")
    bob.send([4, 1, 6, None])
    other = [handle(venue, hour, "use1-f04") for hour in range(2)]
    tell(venue, *(level(leg, 1, 50, 2) for leg in other))
    assert [message[1:5] + message[7:11] for message in bob.frames()] == [[1, 1, DAY, 2, 0, 0, 100, 2]]
    venue.sequencer.submit(commands.list_window(PRODUCT, DAY + 24, count=2))
    tell(venue, *(level(handle(venue, hour), 0, 7, 1) for hour in (24, 25)))
    assert [message[1:6] for message in bob.frames()] == [[1, 0, DAY + 24, 2, 1]]


def test_nothing_is_reckoned_while_nobody_listens_ses_038(venue):
    board, bob = venue.publisher.strips, live(venue, "bob")
    assert not board.is_heard
    (_, *_), (_, *_) = bob.send([4, 1, 6, [handle(venue, 1)]], [4, 2, 6, [handle(venue, 3)]])
    assert board.is_heard
    bob.send([5, 3, 1])
    assert board.is_heard
    bob.send([5, 4, 2])
    assert not board.is_heard
    tell(venue, level(handle(venue, 0), 0, 100, 5), level(handle(venue, 1), 0, 110, 7))
    assert bob.send([4, 5, 6, None])[1][7:11] == [210, 5, 0, 0]
    bob.session.end(0)
    assert not board.is_heard


changes = st.tuples(st.integers(0, 7), st.integers(0, 1), st.integers(1, 5), st.integers(0, 3))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(changes, max_size=6), max_size=8))
def test_what_was_told_last_is_what_stands_ses_038(batches):
    venue = frozen_venue()
    venue.sequencer.submit(commands.list_window(PRODUCT, DAY, count=8))
    bob = live(venue, "bob")
    told = {tuple(message[3:5]): message[7:11] for message in bob.send([4, 1, 6, None])[1:] if message[2] == 0}
    for batch in batches:
        tell(venue, *(level(handle(venue, hour), *change) for hour, *change in batch))
        for message in bob.frames():
            assert told[tuple(message[3:5])] != message[7:11]
            told[tuple(message[3:5])] = message[7:11]
    for (start, hours), prices in told.items():
        legs = [venue.publisher.router.market(handle(venue, start - DAY + hour)) for hour in range(hours)]
        best = [leg.best_prices() for leg in legs]
        expected = []
        for side in (0, 2):
            lots = min(row[side + 1] for row in best)
            expected += [sum(row[side] for row in best) if lots else 0, lots]
        assert prices == expected
    assert len(told) == 7


def test_strips_over_http_ses_038():
    async def main():
        async with running() as venue:
            venue.sequencer.submit(commands.list_window(PRODUCT, DAY, count=2))
            for hour in range(2):
                venue.sequencer.submit(commands.place(1, hour + 1, handle(venue, hour), 0, 100 + hour, 4))
            status, body = await get(venue, f"/v1/strips?product={PRODUCT}&fabric={FABRIC}")
            symbol = venue.engine.catalogue.symbol(handle(venue, 0)) + "+2"
            row = {"product": PRODUCT, "fabric": FABRIC, "symbol": symbol, "start": DAY, "hours": 2, "flags": 1}
            (strip,) = body["strips"]
            assert (status, strip) == (200, row | {"bid_total": 201, "bid_lots": 4, "ask_total": 0, "ask_lots": 0})
            assert body["ts"] == venue.publisher.last_ts_ns // 1000
            assert len((await get(venue, "/v1/strips"))[1]["strips"]) == 2
            assert (await get(venue, "/v1/strips?product=none"))[1]["strips"] == []
            (one, *_) = (await get(venue, "/v1/instruments"))[1]["instruments"]
            assert (one["state"], one["phase"], one["next_ts"]) == (1, "continuous", 0)

    run(main())


