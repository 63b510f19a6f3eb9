"""Dead-man switches, modes that outlive a crash, throttling, scopes. Rules: docs/spec/session.md."""

import pytest
from gateway_venue import Venue
from test_session import MS, NOW_US, SELL, Peer, frozen_venue, live, resting

from exchange import commands
from exchange.reasons import DoneReason
from exchange.reasons import RejectReason as R
from exchange.records import SessionNote
from ext.frames import WireError
from gateway.auth import generate_key
from gateway.lanes import Lanes
from gateway.protocol import CancelOnDisconnect
from gateway.switches import Switches

ANN = 1
SECOND = 1_000 * MS


@pytest.fixture
def venue():
    return frozen_venue()


def pass_time(venue, now_ns):
    """What the server's ticker does."""
    server = venue.server
    server._owe(server.lanes.due(now_ns) + server.switches.due(now_ns))


# Dead-man switches.


def test_a_switch_that_is_not_renewed_ends_the_lane_s_orders_ses_065(venue):
    ann, other = live(venue), live(venue, lane=1)
    ann.send([16, 1, 1, 1, 2450, 5, 0, 0], [16, 2, 1, 1, 2451, 6, 0, 0])
    other.send([16, 1, 1, 1, 2452, 7, 0, 0])
    ann.frames()
    assert ann.send([25, 9, 500, 0]) == [[66, 9, 0, 500]]
    pass_time(venue, 499 * MS)
    assert resting(venue) == [5, 6, 7]
    ann.now_ns = 400 * MS
    ann.send([25, 9, 500, 0])
    pass_time(venue, 899 * MS)
    assert resting(venue) == [5, 6, 7]
    pass_time(venue, 900 * MS)
    assert resting(venue) == [7]
    done, again, notice = ann.frames()
    assert [message[4] for message in (done, again)] == [DoneReason.DEADMAN] * 2
    assert notice[:3] == [41, 4, 0]
    ann.send([16, 3, 1, 1, 2450, 5, 0, 0])
    pass_time(venue, 100 * SECOND)
    assert resting(venue) == [5, 7]  # It fires once.


def test_a_switch_of_the_account_ends_everything_quotes_too_ses_065(venue):
    ann, other = live(venue), live(venue, lane=1)
    ann.send(SELL, [22, 2, 0, [[1, 2400, 3, 2460, 4]]])
    other.send([16, 1, 1, 1, 2470, 7, 0, 0])
    other.send([25, 9, 500, 1])
    other.link.feed_eof()
    pass_time(venue, 500 * MS)
    assert resting(venue) == []
    assert venue.publisher.router.market(1).bids.levels(9) == []


def test_a_switch_is_taken_off_with_zero_ses_065(venue):
    ann = live(venue)
    ann.send(SELL)
    ann.frames()
    assert ann.send([25, 9, 500, 0], [25, 9, 0, 0]) == [[66, 9, 0, 500], [66, 9, 0, 0]]
    pass_time(venue, 10 * SECOND)
    assert resting(venue) == [5]
    assert venue.publisher.router.switches == {}


def test_renewals_are_not_journalled_ses_065(venue):
    ann = live(venue)
    before = len(venue.sequencer.submitted)
    ann.send(*([25, 9, 500, 0] for _ in range(9)))
    assert len(venue.sequencer.submitted) - before == 1
    ann.send([25, 9, 600, 0])
    assert len(venue.sequencer.submitted) - before == 2
    assert venue.publisher.router.switches == {(ANN, 0, SessionNote.DEADMAN_LANE): 600 * MS}


@pytest.mark.parametrize("fields", [[99, 0], [86_400_001, 0], [500, 2], [500], [-1, 0], [500, 0, 0]])
def test_a_switch_that_makes_no_sense_ses_065(venue, fields):
    assert live(venue).send([25, 9, *fields]) == [[66, 9, R.MALFORMED, 0]]


def test_a_switch_is_set_at_whatever_rate_ses_065():
    ann = live(frozen_venue(orders_per_s=1, burst_orders=64))
    ann.send(*([16, ref, 1, 1, 2450, 1, 0, 0] for ref in range(1, 80)))
    assert ann.send([25, 9, 500, 0]) == [[66, 9, 0, 500]]


# After a crash.


def crashed(venue):
    """A new server on the journal of another one that ended without a word."""
    after = Venue()
    records = b"".join(venue.sequencer.submitted[5:])  # Behind what sets up both venues.
    first = after.engine.seq + 1
    events = after.engine.apply(records, after.engine.now_ns)
    after.publisher.recover(first, after.engine.now_ns, events.tobytes(), after.engine.seq - first + 1)
    after.server.lanes.recover(after.publisher.router.modes, 0)
    after.server.switches.recover(after.publisher.router.switches, 0)
    served = after.server._venue
    values = {name: getattr(served, name) for name in served.__dataclass_fields__}
    after.frozen = type(served)(**(values | {"wall_us": lambda: NOW_US}))
    return after


@pytest.mark.parametrize(("cod", "grace", "left"), [(0, 0, [5, 7]), (1, 500, []), (2, 500, [7])])
def test_a_crash_is_the_loss_of_every_session_ses_064(venue, cod, grace, left):
    ann = live(venue, cod=cod, grace_ms=grace)
    ann.send([16, 1, 1, 1, 2450, 5, 0, 4], [16, 2, 1, 1, 2451, 7, 0, 0])
    after = crashed(venue)
    pass_time(after, 499 * MS)
    assert resting(after) == [5, 7]
    pass_time(after, 500 * MS)
    assert resting(after) == left
    assert after.publisher.router.modes == {}


def test_who_comes_back_in_time_keeps_his_orders_ses_064(venue):
    live(venue, cod=1, grace_ms=500).send(SELL)
    after = crashed(venue)
    live(after, cod=1, grace_ms=500)
    pass_time(after, 10 * SECOND)
    assert resting(after) == [5]


def test_an_orderly_end_leaves_nothing_to_do_after_a_crash_ses_064(venue):
    ann = live(venue, cod=1)
    ann.send(SELL)
    ann.send([2, 1, 0])
    assert venue.publisher.router.modes == {}
    after = crashed(venue)
    pass_time(after, 10 * SECOND)
    assert resting(after) == [5]


def test_a_switch_outlives_a_crash_with_its_whole_time_ses_065(venue):
    ann = live(venue)
    ann.send(SELL, [25, 9, 500, 0])
    after = crashed(venue)
    pass_time(after, 499 * MS)
    assert resting(after) == [5]
    pass_time(after, 500 * MS)
    assert resting(after) == []


def test_sessions_without_a_mode_are_not_journalled_ses_064(venue):
    before = len(venue.sequencer.submitted)
    peer = live(venue)
    peer.send([2, 1, 0])
    assert len(venue.sequencer.submitted) == before


class Holder:
    account, lane, grace_ns = ANN, 0, 0

    def __init__(self, cod):
        self.cod = cod

    def supersede(self):
        pass

    def last_ref(self):
        return 0


def test_a_mode_is_noted_when_it_changes_ses_064():
    lanes = Lanes(0, 1)
    lane, off = Holder(CancelOnDisconnect.LANE), Holder(CancelOnDisconnect.OFF)
    note = commands.session(ANN, 0, SessionNote.COD_LANE)
    assert lanes.enter(lane) == note
    assert lanes.enter(lane) == b""
    assert lanes.enter(off) == commands.session(ANN, 0, SessionNote.COD_OFF)
    assert lanes.enter(off) == b""


def test_switches_fire_in_the_order_they_were_set():
    switches = Switches()
    switches.set(2, 3, whole_account=False, timeout_ns=5, now_ns=0)
    switches.set(1, 3, whole_account=True, timeout_ns=5, now_ns=0)
    assert len(switches) == 2
    assert switches.due(4) == b""
    fired = switches.due(5)
    assert fired[:64] == commands.session_lost(2, 3, every=True, deadman=True)
    assert fired[192:256] == commands.session_lost(1, 0, whole_account=True, deadman=True)
    assert len(switches) == 0


# Rates, scopes and heartbeats.


def test_four_fifths_of_the_rate_are_told_once_ses_066():
    ann = live(frozen_venue(orders_per_s=1, burst_orders=100))
    told = ann.send(*([16, ref, 1, 1, 2450, 1, 0, 0] for ref in range(1, 101)))
    assert [message[:3] for message in told if message[0] == 41] == [[41, 1, 0]]


def test_ten_seconds_of_breach_end_the_connection_and_logins_ses_066(venue):
    ann = live(venue)
    for now_ns in (*range(0, 9 * SECOND, SECOND), 11 * SECOND, *range(12 * SECOND, 21 * SECOND, SECOND)):
        ann.link.exceeded(now_ns)  # With a break of two seconds before 11.
    with pytest.raises(WireError) as error:
        ann.link.exceeded(21 * SECOND)
    assert error.value.close_code == 4029
    ann.link.fail(4029, "too much")
    for now_ns, told in ((0, ("closed", 4001, "120 RATE")), (15 * SECOND - 1, ("closed", 4001, "120 RATE"))):
        again = Peer(venue)
        again.now_ns = now_ns
        assert again.login(venue.key["ann"]) == [told]
    again = Peer(venue)
    again.now_ns = 15 * SECOND
    assert again.login(venue.key["ann"])[0][0] == 67
    assert live(venue, "bob").session.state.name == "LIVE"


def test_a_key_that_may_only_cancel_ses_067(venue):
    trader = live(venue)
    trader.send(SELL)
    key = generate_key("ann", ("read", "cancel"))
    venue.keys.add(key)
    peer = Peer(venue)
    (welcome,) = peer.login(key, lane=1)
    assert welcome[9] == 5
    assert peer.send([16, 1, 1, 1, 2450, 5, 0, 0])[0][:3] == [34, 1, R.SCOPE]
    assert peer.send([22, 1, 0, [[1, 1, 1, 2, 1]]])[0][:3] == [34, 1, R.SCOPE]
    assert peer.send([20, 1, 0, [[18, 2, 1], [16, 3, 1, 1, 2450, 5, 0, 0]]])[0][:3] == [34, 1, R.SCOPE]
    assert resting(venue) == [5]
    assert peer.send([25, 1, 500, 1]) == [[66, 1, 0, 500]]
    assert peer.send([21, 4, None, None, None])[0][:3] == [33, 4, 0]
    assert resting(venue) == []


def test_a_key_that_may_only_read_ses_067(venue):
    key = generate_key("ann", ("read",))
    venue.keys.add(key)
    peer = Peer(venue)
    peer.login(key)
    assert peer.send([21, 4, None, None, None])[0][:3] == [34, 4, R.SCOPE]
    assert peer.send([25, 1, 500, 1]) == [[66, 1, R.SCOPE, 0]]


def test_heartbeats_as_asked_for_ses_068(venue):
    peer = Peer(venue)
    peer.send([*peer.login_message(venue.key["ann"]), 400])
    assert peer.tick(399 * MS) == []
    assert peer.tick(400 * MS)[0][0] == 104


@pytest.mark.parametrize("cod", [1, 2])
def test_a_key_that_may_only_read_ends_no_order_by_going_ses_067(venue, cod):
    key = generate_key("ann", ("read",))
    venue.keys.add(key)
    live(venue).send(SELL)
    assert Peer(venue).login(key, cod=cod) == [("closed", 4001, "111 SCOPE")]
    peer = Peer(venue)
    peer.login(key)
    assert peer.send([2, 1, 1]) == [[66, 1, R.SCOPE, 0]]
    assert peer.send([2, 1, 0])[0] == [66, 1, 0, 0]
    assert resting(venue) == [5]


@pytest.mark.parametrize("hb_ms", [249, 30_001, -1, None])
def test_heartbeats_out_of_range_ses_068(venue, hb_ms):
    peer = Peer(venue)
    ((_, code, _),) = peer.send([*peer.login_message(venue.key["ann"]), hb_ms])
    assert code == 4003


def test_a_draining_server_says_so_ses_069(venue):
    ann = live(venue)
    connection = type("Held", (), {"link": ann.link})()
    venue.server._connections.add(connection)
    venue.server.drain()
    assert [message[:3] for message in ann.frames()] == [[41, 2, 5_000]]
    assert ann.send(SELL)[0][:3] == [34, 1, R.DRAINING]


def test_a_login_from_elsewhere_or_too_late_is_refused_ses_006():
    venue = frozen_venue()
    for key in (generate_key("ann", networks=("10.9.0.0/16",)), generate_key("ann", expires_s=NOW_US // 1_000_000)):
        venue.keys.add(key)
        assert Peer(venue).login(key) == [("closed", 4001, "110 AUTH")]
        assert Peer(venue, address="10.9.1.1").login(key)[0][0] == (67 if key.networks else "closed")


def test_who_may_only_listen_holds_no_lane_ses_010():
    venue = frozen_venue()
    ann = live(venue, cod=1)
    key = generate_key("ann", ("read",))
    venue.keys.add(key)
    listeners = [Peer(venue) for _ in range(2)]
    for listener in listeners:
        assert listener.login(key)[0][0] == 67
    assert len(venue.server.lanes) == 3
    assert [message[0] for message in ann.send(SELL)] == [33], "the answer is the trader's"
    live(venue, "bob").send([16, 1, 1, 0, 2450, 5, 0, 0])
    assert [[message[0] for message in peer.frames()] for peer in (ann, *listeners)] == [[35]] * 3
    ann.send([16, 2, 1, 1, 2460, 3, 0, 0])
    for listener in listeners:
        listener.link.feed_eof()
    assert resting(venue) == [3], "nobody's orders go with a listener"
    ann.link.feed_eof()
    assert resting(venue) == []
    assert len(venue.server.lanes) == 1
