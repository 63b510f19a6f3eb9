"""The window market on the wire: phases, calls, blocks, capacity and protection, as sessions hear of them."""

import numpy as np
import pytest
from gateway_venue import PRODUCT, WINDOW
from test_session import Peer, frozen_venue, live

from exchange import commands
from exchange.reasons import DoneReason
from exchange.reasons import RejectReason as R
from exchange.records import EVENT, EventFlag, EventType, Phase, PhaseReason
from exchange.units import HOUR_NS, NS_PER_SECOND

FABRICS = ["use1-f03", "use1-f04"]
CALLS = "H100-SXM.IB400.cuda12.T2"
INST, PHASE, REASON, NEXT = 1, 4, 5, 6  # Places in a status message.


@pytest.fixture
def venue():
    return frozen_venue()


def event(kind, **fields):
    record = np.zeros(1, EVENT)
    record["type"] = kind
    for name, value in fields.items():
        record[name] = value
    return record.tobytes()


def tell(venue, *events):
    """Have the publisher tell events that no engine said, as one batch of one command."""
    venue.publisher.publish(venue.engine.seq + 1, venue.publisher.last_ts_ns, b"".join(events), 1)


def of_types(messages, *types):
    return [message for message in messages if message[0] in types]


# The status channel, from records.


def test_status_channel_tells_phases_calls_and_what_perished_ses_036(venue):
    bob = live(venue, "bob")
    now_us = venue.publisher.last_ts_ns // 1000
    (_, status) = bob.send([4, 1, 4, [1]])
    assert (status[:3], status[PHASE]) == ([101, 1, 0], Phase.CONTINUOUS)
    tell(
        venue,
        event(EventType.STATUS, instrument=1, lots=Phase.VOLATILITY, reason=PhaseReason.BAND, amount=7_000),
        event(EventType.INDICATIVE, instrument=1, price=5, amount=9, match_id=2, flags=EventFlag.SELL),
        event(EventType.STATUS, instrument=2, lots=Phase.HALTED),
    )
    assert bob.frames() == [[101, 1, 1, now_us, Phase.VOLATILITY, PhaseReason.BAND, 7], [107, 1, 2, now_us, 5, 9, 1, 2]]
    tell(venue, event(EventType.PERISHED, instrument=1, amount=3, match_id=8))
    assert bob.frames() == [[108, 1, 3, now_us, 3, 8]]


def test_last_indicative_of_a_batch_is_told_ses_036(venue):
    bob = live(venue, "bob")
    bob.send([4, 1, 4, None])
    first, last = (event(EventType.INDICATIVE, instrument=1, price=price) for price in (5, 6))
    tell(venue, first, event(EventType.INDICATIVE, instrument=2, price=9), last)
    assert [message[:3] + message[4:5] for message in bob.frames()] == [[107, 1, 1, 6], [107, 2, 1, 9]]
    tell(venue, first, event(EventType.STATUS, instrument=1, lots=Phase.OPEN), last, first)
    assert [(*message[:3], message[4]) for message in bob.frames()] == [(107, 1, 2, 5), (101, 1, 3, 2), (107, 1, 4, 5)]


def test_snapshot_during_a_call_has_the_indicative_ses_036(venue):
    tell(
        venue,
        event(EventType.STATUS, instrument=1, lots=Phase.OPEN, amount=9_000),
        event(EventType.INDICATIVE, instrument=1, price=5, amount=9, match_id=2),
    )
    bob = live(venue, "bob")
    now_us = venue.publisher.last_ts_ns // 1000
    assert bob.send([4, 1, 4, [1]])[1:] == [[101, 1, 0, now_us, 2, 0, 9], [107, 1, 0, now_us, 5, 9, 0, 2]]
    tell(venue, event(EventType.STATUS, instrument=1, lots=Phase.CONTINUOUS))
    assert [message[:3] for message in bob.send([7, 2, 4, 1])] == [[101, 1, 1], [66, 2, 0], [101, 1, 1]]


def test_trades_of_a_call_come_before_the_phase_that_follows_ses_036(venue):
    bob = live(venue, "bob")
    bob.send([4, 1, 4, None], [4, 2, 3, None])
    tell(
        venue,
        event(EventType.TRADE, instrument=1, price=5, lots=1, match_id=7, flags=EventFlag.CALL),
        event(EventType.STATUS, instrument=1, lots=Phase.CONTINUOUS),
    )
    trade, status = bob.frames()
    assert (trade[0], trade[4:]) == (97, [7, 5, 1, 2, EventFlag.CALL])
    assert status[0] == 101


@pytest.mark.parametrize(("flags", "said"), [(EventFlag.BLOCK, [0, 32]), (EventFlag.BALANCE | EventFlag.SELL, [1, 64])])
def test_trade_says_how_it_came_about(venue, flags, said):
    bob = live(venue, "bob")
    bob.send([4, 1, 3, None])
    tell(venue, event(EventType.TRADE, instrument=1, price=5, lots=1, match_id=7, flags=flags))
    assert bob.frames()[0][7:] == said


# Products and instruments.


def test_product_comes_before_its_first_instrument_ses_037(venue):
    bob, cat = live(venue, "bob"), live(venue, "cat")
    bob.send([4, 1, 5, None])
    assert of_types(cat.send([4, 1, 5, [2, 1]]), 113) == [[113, 1, PRODUCT, FABRICS, "", 1000, 8, 0, 0]]
    venue.sequencer.submit(commands.add_product(CALLS, 4, 100, ["g1"], zone="use1"))
    assert bob.frames() == []
    venue.sequencer.submit(commands.list_window(CALLS, WINDOW, count=2))
    product, *instruments = bob.frames()
    assert product == [113, 2, CALLS, ["g1"], "use1", 100, 4, 0, 0]
    assert [message[:2] for message in instruments] == [[103, 3], [103, 4]]
    venue.sequencer.submit(commands.list_window(CALLS, WINDOW + 2))
    assert [message[:2] for message in bob.frames()] == [[103, 5]]
    assert cat.frames() == []


def test_end_of_a_window_of_several_hours_is_told_ses_037(venue):
    bob = live(venue, "bob")
    bob.send([4, 1, 5, None])
    bob.frames()
    venue.sequencer.submit(commands.add_product(CALLS, 4, 100, ["g1"], window_hours=6))
    venue.sequencer.submit(commands.list_window(CALLS, WINDOW // 6 * 6 + 6))
    (instrument,) = of_types(bob.frames(), 103)
    start_ts, end_ts = instrument[5:7]
    assert (start_ts, end_ts - start_ts) == ((WINDOW // 6 * 6 + 6) * 3_600_000_000, 6 * 3_600_000_000)


def test_what_happens_in_an_instrument_comes_after_its_definition_ses_037(venue):
    bob = live(venue, "bob")
    bob.send(*([4, channel, channel, None] for channel in (1, 2, 4, 5)))
    batch = commands.list_window(PRODUCT, WINDOW + 1) + commands.place(1, 1, 3, 0, 100, 1)
    venue.sequencer.submit(batch)
    assert [message[:3] for message in bob.frames() if message[1] == 3][1:] == [[99, 3, 1], [96, 3, 1]]


# Private messages, from records.


def test_deliveries_are_told_to_all_sessions_of_the_account_ses_031(venue):
    ann, watcher, bob = live(venue), live(venue, lane=9), live(venue, "bob")
    tell(
        venue,
        event(EventType.CAPACITY, account=1, instrument=1, lots=8),
        event(EventType.BOUGHT_IN, account=1, instrument=1, lots=2, leaves=1),
        event(EventType.ASSIGNED, account=1, instrument=1, lots=2, price=4, amount=2, flags=EventFlag.SELL),
        event(EventType.NOTICE, account=1, lane=7, reason=3),
    )
    frames = ann.frames()
    assert frames == watcher.frames()
    assert [frame[:3] for frame in frames] == [[112, 1, 1], [111, 2, 1], [110, 3, 1], [41, 3, 7]]
    assert frames[2][3:7] == [1, 4, 2, 2]
    assert bob.frames() == []
    (welcome,) = Peer(venue, 5).login(venue.key["ann"], lane=3)
    assert welcome[6] == 3


# Rates.


def test_block_costs_as_much_as_its_hours_ses_024():
    venue = frozen_venue(orders_per_s=1, burst_orders=64)
    ann = live(venue)
    answers = ann.send(*([26, ref, 99, None, WINDOW, 168, 0, 1, 1, 0, 0, 0] for ref in (1, 2)))
    assert [answer[:3] for answer in answers] == [[34, 2, R.RATE], [34, 1, R.NO_PRODUCT]]
    assert len(venue.sequencer.submitted[-1]) == 64
    assert live(venue, "bob").send([24, 1, 5])[0][:3] == [33, 1, 0]


# A real engine behind it.


def block(ref, side, total, lots, *, fabrics=(0,), hours=3, least=0, tif=0, flags=0):
    return [26, ref, 1, None if fabrics is None else list(fabrics), WINDOW, hours, side, total, lots, least, tif, flags]


@pytest.fixture
def three_hours(venue):
    """Two more windows of the venue's product: fabric 0 has the instruments 1, 3 and 5."""
    venue.sequencer.submit(commands.list_window(PRODUCT, WINDOW + 1, count=2))
    return venue


def test_block_fills_over_three_windows_blk_007(three_hours):
    ann, bob, cat = (live(three_hours, name) for name in ("ann", "bob", "cat"))
    cat.send([4, 1, 3, None])
    ann.send(*([16, ref, inst, 1, 200 + ref, 10, 0, 0] for ref, inst in ((1, 1), (2, 3), (3, 5))))
    ann.frames()
    ack, *fills = bob.send(block(1, 0, 606, 8, fabrics=None, least=8))
    oid = ack[3]
    assert (ack[:3], [fill[0] for fill in fills]) == ([33, 1, 0], [35, 35, 35])
    (match_id,) = {fill[4] for fill in fills}
    assert [fill[1:12] for fill in fills] == [
        [pseq, oid, 1, match_id, inst, 0, px, 8, 8, 0, 1] for pseq, inst, px in ((1, 1, 201), (2, 3, 202), (3, 5, 203))
    ]
    assert {fill[15] for fill in fills} == {EventFlag.BLOCK}
    assert [(fill[2] != oid, fill[11], fill[15]) for fill in ann.frames()] == [(True, 0, 0)] * 3
    trades = of_types(cat.frames(), 97)
    assert [(trade[1], trade[4], trade[5], trade[6], *trade[7:]) for trade in trades] == [
        (inst, match_id, px, 8, 0, EventFlag.BLOCK) for inst, px in ((1, 201), (3, 202), (5, 203))
    ]


def test_block_rests_is_replaced_and_cancelled_blk_014(three_hours):
    bob = live(three_hours, "bob")
    (ack,) = bob.send(block(1, 0, 600, 8))
    oid = ack[3]
    assert [answer[0] for answer in bob.send([19, 2, oid, 590, 6, 0])] == [33, 38]
    (_, replaced) = bob.send([28, 3, 1, 580, 5, 0])
    assert replaced[:7] == [38, 2, oid, 1, 580, 5, 5]
    (_, done) = bob.send([18, 4, 1])
    assert done[:6] == [37, 3, oid, 1, DoneReason.USER, 0]


def test_mass_cancel_ends_blocks_blk_015(three_hours):
    bob = live(three_hours, "bob")
    acks = bob.send(block(1, 0, 600, 8), block(2, 0, 590, 8, fabrics=None), [16, 3, 1, 0, 5, 1, 0, 0])
    ack, *ended = bob.send([21, 4, None, None, None])
    assert ack[:4] == [33, 4, 0, 0]
    assert sorted(done[2] for done in ended) == sorted(answer[3] for answer in acks)
    assert {done[4] for done in ended} == {DoneReason.USER}


def test_mass_cancel_by_windows_ends_blocks_with_a_leg_there_blk_015(three_hours):
    bob = live(three_hours, "bob")
    first, second = (ack[3] for ack in bob.send(block(1, 0, 400, 8, hours=2), block(2, 0, 600, 8)))
    ack, done = bob.send([21, 3, None, None, None, None, 1, WINDOW + 2, WINDOW + 3])
    assert (ack[0], done[2]) == (33, second)
    assert bob.send([17, 4, first])[0][0] == 33


def test_lost_session_takes_flagged_blocks_with_it_blk_015(three_hours):
    bob, watcher = live(three_hours, "bob", cod=2), live(three_hours, "bob", lane=5)
    kept, flagged = (ack[3] for ack in bob.send(block(1, 0, 600, 8), block(2, 0, 590, 8, flags=4)))
    bob.session.end(0)
    assert [(done[2], done[4]) for done in watcher.frames()] == [(flagged, DoneReason.COD)]
    assert watcher.send([17, 1, kept])[0][:2] == [33, 1]


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (block(1, 0, 620, 8, fabrics=(7,)), R.NO_FABRIC),
        (block(1, 0, 620, 8, hours=9), R.NO_INSTRUMENT),
        (block(1, 0, 620, 8, hours=1), R.MALFORMED),
        (block(1, 1, 620, 8, fabrics=(0, 1)), R.MALFORMED),
        (block(1, 1, 620, 8, flags=16), R.NO_CAPACITY),
        (block(1, 0, 620, 8, tif=2), R.FOK_UNFILLED),
        (block(1, 0, 1 << 40, 8), R.PX_TICK),
        (block(1, 0, 620, 0), R.QTY_LOT),
        ([*block(1, 0, 620, 8)[:2], 5, *block(1, 0, 620, 8)[3:]], R.NO_PRODUCT),
    ],
)
def test_block_is_refused_by_the_engine_blk_002(three_hours, message, reason):
    assert live(three_hours, "bob").send(message)[0][:3] == [34, 1, reason]


@pytest.fixture
def calls(venue):
    """A product with an opening call of a minute and a closing call of five, listed as instrument 3."""
    product = commands.add_product(CALLS, 8, 1000, ["g1"], open_call_s=60, preclose_s=300, balancing_s=600)
    venue.sequencer.submit(product)
    venue.sequencer.submit(commands.list_window(CALLS, WINDOW))
    return venue


def phases(messages):
    return [message[PHASE] for message in messages if message[0] == 101 and message[INST] == 3]


def test_life_of_a_window_is_told_to_its_subscribers_mkt_001(calls):
    bob = live(calls, "bob")
    _, status, indicative = bob.send([4, 1, 4, [3]])
    # An instrument is listed without its next moment; from its first change on each tells the next.
    assert (status[PHASE], status[NEXT], indicative[4:]) == (Phase.OPEN, 0, [0, 0, 0, 0])
    opened_ns, start_ns = calls.publisher.last_ts_ns + 60 * NS_PER_SECOND, WINDOW * HOUR_NS
    moments = [opened_ns, *(start_ns + seconds * NS_PER_SECOND for seconds in (-1_200, -900, 0, 600, 4_500))]
    told, following = [], []
    for moment in moments:
        calls.sequencer.submit(commands.time(moment))
        messages = of_types(bob.frames(), 101)
        told += phases(messages)
        following += [message[NEXT] * 1000 for message in messages[-1:]]
    assert told == [
        Phase.CONTINUOUS, Phase.PRECLOSE, Phase.GATED, Phase.BALANCING, Phase.DELIVERING, Phase.DELIVERING,
        Phase.EXPIRED,
    ]  # fmt: skip
    assert following == [*moments[1:], 0]


def test_call_is_told_and_uncrossed_auc_005(calls):
    ann, bob, cat = live(calls), live(calls, "bob"), live(calls, "cat")
    cat.send([4, 1, 4, [3]], [4, 2, 3, [3]], [4, 3, 5, [3]])
    cat.frames()
    ann.send([16, 1, 3, 0, 640, 7, 0, 0])
    assert [message[4:] for message in of_types(cat.frames(), 107)] == [[0, 0, 0, 0]]
    bob.send([16, 1, 3, 1, 640, 4, 4, 0])
    assert [message[4:] for message in of_types(cat.frames(), 107)] == [[640, 4, 0, 3]]
    calls.sequencer.submit(commands.time(calls.publisher.last_ts_ns + 60 * NS_PER_SECOND))
    messages = cat.frames()
    assert [message[0] for message in messages] == [103, 97, 101]
    assert messages[1][5:] == [640, 4, 2, EventFlag.CALL]
    assert phases(messages) == [Phase.CONTINUOUS]
    assert [(fill[0], fill[11], fill[15]) for fill in bob.frames()] == [(35, 0, EventFlag.CALL)]


def test_orders_for_other_phases_are_refused_mkt_005(calls):
    ann = live(calls)
    assert ann.send([16, 1, 3, 0, 640, 7, 1, 0])[0][:3] == [34, 1, R.NOT_OPEN]
    assert ann.send([16, 2, 1, 0, 640, 7, 4, 0])[0][:3] == [34, 2, R.NOT_OPEN]
    assert ann.send([16, 3, 1, 1, 640, 7, 0, 32])[0][2] in (R.NOT_OPEN, R.NO_CAPACITY)


def test_halt_is_told_with_its_reason_mkt_006(venue):
    bob = live(venue, "bob")
    bob.send([4, 1, 4, [1]])
    venue.sequencer.submit(commands.halt(PRODUCT, WINDOW))
    (halted,) = bob.frames()
    assert (halted[PHASE], halted[REASON]) == (Phase.HALTED, PhaseReason.COMMAND)
    assert bob.send([16, 1, 1, 0, 640, 7, 0, 0])[0][:3] == [34, 1, R.NOT_OPEN]
    venue.sequencer.submit(commands.resume(PRODUCT, WINDOW))
    status, indicative = bob.frames()
    assert (status[PHASE], status[REASON], indicative[0]) == (Phase.VOLATILITY, PhaseReason.COMMAND, 107)


def test_capacity_sold_is_told_and_delivered_mkt_020(venue):
    ann, bob = live(venue), live(venue, "bob")
    venue.sequencer.submit(commands.certify("ann", PRODUCT, FABRICS[0], WINDOW, 8))
    assert [message[:4] for message in ann.frames()] == [[112, 1, 1, 8]]
    ann.send([16, 1, 1, 1, 640, 5, 0, 16])
    assert ann.send([16, 2, 1, 1, 640, 5, 0, 16])[0][:3] == [34, 2, R.NO_CAPACITY]
    bob.send([16, 1, 1, 0, 640, 5, 0, 0])
    ann.frames()
    bob.send([4, 1, 4, [1]])
    bob.frames()
    venue.sequencer.submit(commands.time(venue.engine.catalogue.instrument(1).product.gate_ns(WINDOW)))
    assert [message[2:7] for message in of_types(bob.frames(), 110)] == [[1, 0, 0, 5, 1]]
    assert [message[2:7] for message in of_types(ann.frames(), 110)] == [[1, 1, 0, 5, 2]]
    venue.sequencer.submit(commands.time((WINDOW + 2) * HOUR_NS))
    assert [message[4:] for message in of_types(bob.frames(), 108)] == [[3, 8]]


def test_balancing_purchase_is_told_to_both_mkt_032(calls):
    ann, bob = live(calls), live(calls, "bob")
    calls.sequencer.submit(commands.certify("ann", CALLS, "g1", WINDOW, 8))
    calls.sequencer.submit(commands.time(WINDOW * HOUR_NS))
    ann.frames()
    ann.send([16, 1, 3, 1, 640, 5, 0, 32])
    ann.frames()
    calls.sequencer.submit(commands.balance("bob", CALLS, "g1", WINDOW, lots=2, px=700))
    ((kind, _, oid, *_, flags),) = ann.frames()
    assert (kind, oid > 0, flags) == (35, True, EventFlag.BALANCE)
    ((kind, _, oid, *_, flags),) = bob.frames()
    assert (kind, oid, flags) == (35, 0, EventFlag.BALANCE)


def test_protection_fires_and_is_reset_mmp_003(venue):
    ann, bob = live(venue), live(venue, "bob")
    assert ann.send([23, 1, 7, 1_000, 1, 0])[0][:3] == [33, 1, 0]
    ann.send([22, 2, 7, [[1, 2440, 3, 2460, 3]]])
    bob.send([16, 1, 1, 0, 2460, 1, 0, 0])
    fill, *ended, notice = ann.frames()
    assert (fill[0], {(done[0], done[4]) for done in ended}) == (35, {(37, DoneReason.MMP)})
    assert (notice[:3], len(notice)) == ([41, 3, 7], 4)
    assert ann.send([22, 3, 7, [[1, 2440, 3, 2460, 3]]])[0][:3] == [34, 3, R.MMP_FROZEN]
    assert ann.send([24, 4, 7])[0][:3] == [33, 4, 0]
    assert ann.send([22, 5, 7, [[1, 2440, 3, 2460, 3]]])[0][:3] == [33, 5, 0]
    assert ann.send([23, 6, 7, 1_000, -1, 0])[0][:3] == [34, 6, R.MALFORMED]
