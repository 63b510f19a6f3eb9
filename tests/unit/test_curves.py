"""The forward curve of a class, on the wire and by HTTP. Rules: docs/spec/marketdata.md."""

import pytest
from gateway_venue import NOW_NS, PRODUCT, WINDOW, raw, running
from test_server import get, run
from test_session import frozen_venue, live

from exchange import commands
from exchange.reasons import RejectReason as R
from exchange.records import CommandType as C
from exchange.units import NS_PER_SECOND
from gateway.publisher import Publisher

OTHER = "B200.IB800.cuda13.T1"
TICK = 1_000  # Micro-dollars of PRODUCT's tick.


@pytest.fixture
def venue():
    return cleared(frozen_venue())


def cleared(venue):
    """Two classes: A with one product of two fabrics, B with another; two hours of each."""
    for records in (
        commands.list_window(PRODUCT, WINDOW + 1),
        commands.add_product(OTHER, 8, 10 * TICK, ["use2-f01"]),
        commands.list_window(OTHER, WINDOW, count=2),
        commands.clearing(C.SET_HOUSE),
        commands.clearing(C.SET_CLASS, cls="A"),
        commands.clearing(C.SET_CLASS, cls="B"),
        commands.clearing(C.SET_CLEARING, product=PRODUCT, cls="A"),
        commands.clearing(C.SET_CLEARING, product=OTHER, cls="B"),
        *(commands.deposit(account, 1_000_000_000_000) for account in (1, 2)),
    ):
        venue.sequencer.submit(records)
    return venue


class Marker:
    """Moves books, and has marks set."""

    def __init__(self, venue):
        self.venue = venue
        self.ref = 0

    def price(self, handle, bid, ask):
        self.ref += 2
        for account in (1, 2):
            self.venue.sequencer.submit(commands.mass_cancel(account, self.ref - 1, instrument=handle))
        self.venue.sequencer.submit(commands.place(1, self.ref, handle, 0, bid, 1))
        self.venue.sequencer.submit(commands.place(2, self.ref, handle, 1, ask, 1))

    def run(self):
        engine = self.venue.engine
        engine.house.state.next_mark_ns = 0
        self.venue.sequencer.submit(commands.clearing(C.RUN_CLEARING))


def test_curve_is_told_at_each_run_that_moves_it_mkd_030(venue):
    bob, marker = live(venue, "bob"), Marker(venue)
    assert bob.send([4, 1, 10, [1]]) == [[66, 1, 0, 1]], "there is no curve yet"
    marker.price(1, 100, 102)
    marker.price(2, 104, 106)
    marker.price(3, 110, 112)
    bob.frames()
    marker.run()
    told = [message for message in bob.frames() if message[0] == 124]
    assert [message[:3] for message in told] == [[124, "A", 1]]
    index, points = told[0][4:]
    marks = {handle: venue.engine.core.mark(handle) for handle in (1, 2, 3, 4)}
    assert points == [WINDOW, min(marks[1], marks[2]) * TICK, WINDOW + 1, min(marks[3], marks[4]) * TICK]
    assert index == venue.engine.house.state.indices["A"] > 0
    marker.run()
    assert [message for message in bob.frames() if message[0] == 124] == [], "nothing has moved"
    marker.price(1, 200, 202)
    marker.run()
    assert [message[:3] for message in bob.frames() if message[0] == 124] == [[124, "A", 2]]


def test_subscription_begins_with_the_curve_and_ends_mkd_030(venue):
    bob, marker = live(venue, "bob"), Marker(venue)
    marker.price(1, 100, 102)
    marker.price(5, 10, 12)
    marker.run()
    bob.frames()
    curves = bob.send([4, 1, 10, None])[1:]
    assert [message[1:3] for message in curves] == [["A", 0], ["B", 0]]
    assert curves[1][5] == [WINDOW, 11 * 10 * TICK, WINDOW + 1, 11 * 10 * TICK]
    assert [message[1] for message in bob.send([4, 2, 10, [5, 6]])[1:]] == ["B"]
    assert [message[1] for message in bob.send([7, 3, 10, 5])[1:]] == ["B"]
    marker.price(5, 20, 22)
    bob.frames()
    marker.run()
    assert [message[1] for message in bob.frames() if message[0] == 124] == ["B"], "once, however often it is covered"
    bob.send([5, 4, 1])
    marker.price(1, 300, 302)
    marker.run()
    marker.price(5, 30, 32)
    marker.run()
    assert [message[1] for message in bob.frames() if message[0] == 124] == ["B"]
    bob.send([5, 4, 2])
    marker.price(5, 40, 42)
    marker.run()
    assert [message for message in bob.frames() if message[0] == 124] == []


def test_windows_that_trade_no_more_leave_the_curve_mkd_030(venue):
    marker = Marker(venue)
    marker.price(1, 100, 102)
    marker.price(3, 110, 112)
    marker.run()
    curves = venue.publisher.curves
    assert [hour for hour, _ in curves.curve("A").points] == [WINDOW, WINDOW + 1]
    gate_ns = venue.engine.catalogue.instrument(1).product.gate_ns(WINDOW)
    venue.sequencer.submit(commands.time(gate_ns + NS_PER_SECOND))
    assert [hour for hour, _ in curves.curve("A").points] == [WINDOW + 1]


def test_where_nothing_is_cleared_there_is_no_curve_mkd_030():
    venue = frozen_venue()
    bob = live(venue)
    assert bob.send([4, 1, 10, None]) == [[66, 1, 0, 1]]
    assert bob.send([7, 2, 10, 1]) == [[66, 2, 0, 1]]
    assert venue.publisher.curves.row("A") is None
    assert bob.send([5, 3, 1]) == [[66, 3, 0, 1]]


def test_restarted_server_has_the_same_curve_mkd_030():
    venue = frozen_venue()
    told = []
    publish = venue.publisher.publish
    venue.publisher.publish = lambda *batch: (told.append(batch), publish(*batch))
    cleared(venue)
    marker = Marker(venue)
    marker.price(1, 100, 102)
    marker.run()
    venue.sequencer.submit(commands.time(NOW_NS + NS_PER_SECOND))
    again = Publisher(venue.engine.catalogue)
    for handle in (1, 2):  # They were listed before anybody listened here.
        again.load_phase(handle, venue.publisher.board.phase(handle), 0)
    for batch in told:
        again.recover(*batch)
    again.curves.house = venue.engine.house
    assert again.curves.row("A") == venue.publisher.curves.row("A")
    assert again.curves.row("A")["points"]


def test_curve_by_http_mkd_030():
    async def main():
        async with running() as venue, raw(venue, venue.key["ann"]):
            status, body = await get(venue, "/v1/curve?class=A")
            assert (status, body["code"]) == (404, R.NOT_CLEARED)
            cleared(venue)
            marker = Marker(venue)
            marker.price(1, 100, 102)
            marker.run()
            status, body = await get(venue, "/v1/curve?class=A")
            assert (status, body["class"]) == (200, "A")
            assert body["points"][0] == [WINDOW, 101 * TICK]
            assert (await get(venue, "/v1/curve"))[0] == 404

    run(main())
