"""Depth and private numbering as they follow from event records."""

import numpy as np
import pytest
from gateway_venue import PRODUCT, WINDOW, Venue
from hypothesis import given
from hypothesis import strategies as st

from exchange import commands
from exchange.records import EVENT, EventFlag, EventType, Phase
from ext.router import Router
from gateway.publisher import Publisher


def level(side, price, lots):
    record = np.zeros(1, EVENT)
    record["type"], record["instrument"], record["price"], record["amount"] = EventType.LEVEL, 3, price, lots
    record["flags"] = EventFlag.SELL if side else 0
    return record.tobytes()


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 30), st.integers(0, 3)), max_size=120))
def test_depth_is_what_the_levels_last_said(changes):
    router = Router()
    plain = ({}, {})
    router.route(1, 0, b"".join(level(*change) for change in changes))
    for side, price, lots in changes:
        plain[side][price] = lots
    bids, asks = (sorted((price, lots) for price, lots in side.items() if lots) for side in plain)
    assert router.market(3).bids.levels(1000) == bids[::-1]
    assert router.market(3).asks.levels(1000) == asks
    assert router.market(3).bids.levels(2) == bids[::-1][:2]
    assert router.market(1).bids.levels(9) == []


def test_events_must_be_whole_records():
    with pytest.raises(ValueError, match="whole records of 64 bytes, was 65"):
        Router().route(1, 0, bytes(65))
    assert Router().route(1, 0, b"") == []


def test_replayed_events_give_the_publisher_its_state_back():
    venue = Venue()
    told = []
    publish = venue.publisher.publish
    venue.publisher.publish = lambda *batch: (told.append(batch), publish(*batch))
    venue.sequencer.submit(commands.list_window(PRODUCT, WINDOW + 5))
    for ref in range(1, 20):
        venue.sequencer.submit(commands.place(1, ref, 1, ref & 1, 100 + ref % 7, ref))
        venue.sequencer.submit(commands.place(2, ref, 2, 0, 100 + ref % 5, ref))
    venue.sequencer.submit(commands.mass_cancel(2, 99))
    venue.sequencer.submit(commands.time(venue.engine.catalogue.instrument(1).product.gate_ns(WINDOW)))

    again = Publisher(venue.engine.catalogue)
    for batch in told:
        again.recover(*batch)
    assert again.pseqs() == venue.publisher.pseqs()
    assert sum(again.pseqs()) > 20
    for handle in venue.publisher.board.handles():
        for side in ("bids", "asks"):
            before, after = (getattr(one.router.market(handle), side).levels(99) for one in (venue.publisher, again))
            assert after == before
        assert again.board.row(handle) == venue.publisher.board.row(handle)
    assert again.durable_seq == venue.engine.seq


def test_publisher_starts_from_a_snapshot():
    venue = Venue()
    publisher = Publisher(venue.engine.catalogue)
    assert publisher.board.phase(1) is Phase.LISTED
    publisher.load_phase(1, Phase.CONTINUOUS, 5_000)
    assert (publisher.board.phase(1), publisher.board.row(1)["next_ts"]) == (Phase.CONTINUOUS, 5)
    publisher.load_depth(1, [(10, 1), (12, 3)], [(20, 5), (15, 1)])
    assert publisher.router.market(1).bids.levels(9) == [(12, 3), (10, 1)]
    assert publisher.router.market(1).asks.levels(9) == [(15, 1), (20, 5)]
    assert publisher.router.market(1).best_prices() == (12, 3, 15, 1)
