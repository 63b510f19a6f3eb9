"""Private messages told once more: at login, on demand, after a restart. Rules: docs/spec/session.md."""

import numpy as np
import pytest
from gateway_venue import Venue
from hypothesis import given, settings
from hypothesis import strategies as st
from test_frames import server_frames
from test_session import SELL, Buffered, Peer, frozen_venue, live

from exchange import commands
from exchange.reasons import RejectReason as R
from exchange.records import EVENT, EventType
from ext.link import Link, RateLimit
from ext.router import Router
from gateway.auth import generate_key
from gateway.protocol import EPOCH, unpack

ANN = 1


class Told:
    """The private stream of one account, as the router tells it."""

    def __init__(self, history_bytes):
        self.router = Router(history_bytes=history_bytes)
        self.link = Link(self, lambda records: True)
        self.link.transport = Buffered()
        self.link.open(ANN, 0, 0, RateLimit(0, 1))
        self.router.attach(self.link)
        self.count = 0

    def ended(self, lost):
        raise AssertionError("the link must stay open")

    def happen(self, sizes):
        """One done message for each size; larger ones have larger numbers."""
        events = np.zeros(len(sizes), EVENT)
        events["type"], events["account"], events["reason"] = EventType.DONE, ANN, 1
        events["oid"] = [1 << (7 * size) for size in sizes]
        events["cum"] = np.arange(self.count + 1, self.count + 1 + len(sizes))
        self.count += len(sizes)
        self.router.route(self.count, 0, events.tobytes())
        self.router.flush()
        return self.written()

    def written(self):
        data = b"".join(self.link.transport.writes)
        self.link.transport.writes.clear()
        return [payload for _, payload in server_frames(data)]

    def again(self, first, last):
        oldest = self.router.replay(self.link, first, last)
        self.link.flush()
        return oldest, self.written()


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 400), st.lists(st.lists(st.integers(0, 7), max_size=20), max_size=8), st.data())
def test_what_was_told_is_told_again_byte_for_byte_ses_062(history_bytes, batches, data):
    told = Told(history_bytes)
    stream = [message for sizes in batches for message in told.happen(sizes)]
    assert [unpack(message)[1] for message in stream] == list(range(1, len(stream) + 1))
    oldest = told.router.oldest_pseq(ANN)
    assert (oldest > 0) == bool(stream)
    kept = b"".join(stream[max(oldest, 1) - 1 :])
    assert oldest <= 1 or len(kept) + 2 * (len(stream) - oldest + 1) >= history_bytes
    first = data.draw(st.integers(1, len(stream) + 2))
    last = data.draw(st.integers(0, len(stream) + 2))
    if first < oldest:
        assert told.again(first, last) == (oldest, [])
    else:
        assert told.again(first, last) == (0, stream[first - 1 : last])


def trading(venue, *, lots=3):
    """ann sells, bob buys one by one: `lots` fills of ann's; return what she was told."""
    ann, bob = live(venue), live(venue, "bob")
    told = ann.send([*SELL[:5], 10, *SELL[6:]])
    for ref in range(1, lots + 1):
        bob.send([16, ref, 1, 0, 2450, 1, 0, 0])
        told += ann.frames()
    return ann, [message for message in told if message[0] == 35]


def test_login_tells_what_was_missed_ses_062():
    venue = frozen_venue()
    _, fills = trading(venue)
    for last in (1, 2, 3):
        peer = Peer(venue)
        welcome, *missed = peer.login(venue.key["ann"], lane=last, epoch=EPOCH, last_pseq=last)
        assert (welcome[0], welcome[6]) == (67, 3)
        assert missed == fills[last:]
    peer = Peer(venue)
    assert [message[0] for message in peer.login(venue.key["ann"], lane=9)] == [67]


def test_what_comes_later_goes_on_without_a_gap_ses_062():
    venue = frozen_venue()
    trading(venue)
    peer = Peer(venue)
    peer.login(venue.key["ann"], epoch=EPOCH, last_pseq=2)
    bob = live(venue, "bob")
    bob.send([16, 9, 1, 0, 2450, 1, 0, 0])
    assert [message[1] for message in peer.frames() if message[0] == 35] == [4]


@pytest.mark.parametrize(("epoch", "last"), [(EPOCH + 1, 2), (0, 2), (EPOCH, 4)])
def test_another_journal_s_numbers_are_told_ses_062(epoch, last):
    venue = frozen_venue()
    trading(venue)
    peer = Peer(venue)
    welcome, answer = peer.login(venue.key["ann"], epoch=epoch, last_pseq=last)
    assert (welcome[0], answer) == (67, [66, 1, R.REPLAY_TOO_OLD, 1])


def test_replay_on_demand_ses_063():
    venue = frozen_venue()
    ann, fills = trading(venue)
    assert ann.send([6, 7, 0, None, 1]) == [[66, 7, 0, 3], *fills]
    assert ann.send([6, 7, 0, None, 2, None]) == [[66, 7, 0, 2], *fills[1:]]
    assert ann.send([6, 7, 0, None, 2, 2]) == [[66, 7, 0, 1], fills[1]]
    assert ann.send([6, 7, 0, None, 2, 99]) == [[66, 7, 0, 2], *fills[1:]]
    assert ann.send([6, 7, 0, None, 4]) == [[66, 7, 0, 0]]
    assert ann.send([6, 7, 0, None, 3, 2]) == [[66, 7, 0, 0]]


@pytest.mark.parametrize(
    "request_", [[6, 7, 2, None, 1], [6, 7, 0, 1, 1], [6, 7, 0, None, 0], [6, 7, 0, None], [6, 7, 0, None, 1, 2, 3]]
)
def test_a_replay_that_makes_no_sense_ses_063(request_):
    assert live(frozen_venue()).send(request_) == [[66, 7, R.MALFORMED, 0]]


def test_a_key_that_hears_nothing_private_is_told_nothing_ses_063():
    venue = frozen_venue()
    key = generate_key("ann", ())
    venue.keys.add(key)
    peer = Peer(venue)
    trading(venue)
    assert [message[0] for message in peer.login(key, lane=3, epoch=EPOCH, last_pseq=1)] == [67]
    assert peer.send([6, 7, 0, None, 1]) == [[66, 7, R.SCOPE, 0]]


def test_what_is_not_kept_is_refused_with_the_oldest_there_is_ses_063():
    venue = frozen_venue(private_history_bytes=60)
    ann, fills = trading(venue, lots=5)
    oldest = venue.publisher.router.oldest_pseq(ANN)
    assert 1 < oldest < 5
    assert ann.send([6, 7, 0, None, 1]) == [[66, 7, R.REPLAY_TOO_OLD, oldest]]
    assert ann.send([6, 7, 0, None, oldest])[1:] == fills[oldest - 1 :]
    peer = Peer(venue)
    _, answer = peer.login(venue.key["ann"], lane=1, epoch=EPOCH, last_pseq=1)
    assert answer == [66, 1, R.REPLAY_TOO_OLD, oldest]


def test_replays_cost_as_much_as_64_requests_ses_063():
    ann = live(frozen_venue(requests_per_s=1, burst_requests=128))
    *served, last = ann.send(*([6, 7, 0, None, 1] for _ in range(3)))
    assert served == [[66, 7, 0, 0]] * 2
    assert last[:3] == [66, 7, R.RATE]


def test_a_restarted_server_tells_what_was_missed_ses_062():
    before = frozen_venue()
    _, fills = trading(before)
    after = Venue()
    sequencer = after.sequencer
    first = sequencer.seq + 1
    trades = [commands.place(1, 1, 1, 1, 2450, 10), *(commands.place(2, ref, 1, 0, 2450, 1) for ref in (1, 2, 3))]
    events = after.engine.apply(b"".join(trades), after.engine.now_ns)
    after.publisher.recover(first, after.engine.now_ns, events.tobytes(), len(trades))
    served = after.server._venue
    values = {name: getattr(served, name) for name in served.__dataclass_fields__}
    after.frozen = type(served)(**(values | {"wall_us": before.frozen.wall_us}))
    peer = Peer(after)
    _, *missed = peer.login(after.key["ann"], epoch=EPOCH, last_pseq=1)
    assert [message[:13] for message in missed] == [message[:13] for message in fills[1:]]
