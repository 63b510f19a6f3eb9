"""Every reason, notice and close code that a client can be given, and what provokes it. Numbers: docs/protocol.md.

Each is provoked through a session, on a venue of its own. What is missing here is listed with its why, so that whoever
adds a number must also say how a client comes by it.
"""

import asyncio

import msgpack
import pytest
from gateway_venue import PRODUCT, WINDOW
from test_clearing_wire import FABRIC, clear
from test_frames import masked
from test_session import MS, NOW_US, SELL, Peer, frozen_venue, live

from exchange import commands
from exchange.reasons import RejectReason as R
from exchange.records import CommandType as C
from exchange.records import NoticeKind
from exchange.units import HOUR_NS
from gateway.auth import generate_key
from gateway.protocol import EPOCH, CloseCode

SECOND = 1_000 * MS
REJECT, NOTICE, RESP = 34, 41, 66
BUY = [16, 1, 1, 0, 2450, 5, 0, 0]


def said(*messages, account="ann", **config):
    """What an ordinary session is told that says some messages in one read."""
    return live(frozen_venue(**config), account).send(*messages)


def changed(message, **fields):
    """A message with other values at some places, named like `at4`."""
    return [fields.get(f"at{at}", value) for at, value in enumerate(message)]


def logged_in(venue, key, **login):
    return Peer(venue).login(key, **login)


def with_scopes(*scopes):
    venue, key = frozen_venue(), generate_key("ann", scopes)
    venue.keys.add(key)
    return venue, key


def scope():
    venue, key = with_scopes("read")
    peer = Peer(venue)
    peer.login(key)
    return peer.send(SELL)


def clock():
    venue = frozen_venue()
    return logged_in(venue, venue.key["ann"], ts=NOW_US + 6_000_000)


def wrong_signature():
    venue = frozen_venue()
    return logged_in(venue, venue.key["ann"], secret=b"x" * 32)


def no_account():
    venue, key = frozen_venue(), generate_key("nobody")
    venue.keys.add(key)
    return logged_in(venue, key)


def overload():
    venue = frozen_venue()
    peer = live(venue)
    venue.sequencer.has_room = False
    return peer.send(SELL)


def draining():
    """A server about to stop refuses orders, and has said so."""
    venue = frozen_venue()
    peer = live(venue)
    venue.server._connections.add(peer)
    venue.server.drain()
    return peer.frames() + peer.send(SELL)


def halted():
    venue = frozen_venue()
    peer = live(venue)
    venue.sequencer.submit(commands.halt(PRODUCT, WINDOW))
    return peer.send(SELL)


def behind_the_gate():
    venue = frozen_venue()
    peer = live(venue)
    venue.sequencer.submit(commands.time(WINDOW * HOUR_NS))
    return peer.send(SELL)


def out_of_the_band():
    venue = frozen_venue()
    venue.sequencer.submit(commands.add_product("BAND", 8, 1_000, ["f1"], band_static_bps=100))
    venue.sequencer.submit(commands.list_window("BAND", WINDOW))
    venue.sequencer.submit(commands.set_mark("BAND", WINDOW, px=1_000))
    return live(venue).send(changed(SELL, at2=3, at4=1_011))


def against(message, *, resting=SELL):
    """What ann is told who comes against an order of bob's."""
    venue = frozen_venue()
    live(venue, "bob").send(resting)
    return live(venue).send(message)


def without_money():
    venue = frozen_venue()
    venue.sequencer.submit(commands.add_account("dan", prepaid=True))
    key = generate_key("dan")
    venue.keys.add(key)
    peer = Peer(venue)
    peer.login(key)
    return peer.send(BUY)


def frozen_quotes():
    """bob takes what protects itself after one fill; quoting again needs a reset."""
    venue = frozen_venue()
    ann, bob = live(venue), live(venue, "bob")
    ann.send([23, 1, 0, 1_000, 1, 0], [22, 2, 0, [[1, 2_400, 1, 2_450, 1]]])
    bob.send([16, 1, 1, 0, 2_450, 1, 0, 0])
    return ann.frames() + ann.send([22, 3, 0, [[1, 2_400, 1, 2_450, 1]]])


def cleared(message):
    venue = frozen_venue()
    clear(venue)
    return live(venue).send(message)


def defaulted():
    venue = frozen_venue()
    clear(venue)
    venue.sequencer.submit(commands.clearing(C.DECLARE_DEFAULT, account="ann"))
    return live(venue).send([42, 7, "coll", "bond", 1])


def signed_without_a_key():
    return cleared([44, 7, PRODUCT, FABRIC, 1, [[0, 1]], bytes(64)])


def contradicting_heartbeats():
    """ann delivers three nodes to bob, and says two things under one number."""
    venue = frozen_venue()
    clear(venue)
    venue.sequencer.submit(commands.certify("ann", PRODUCT, FABRIC, WINDOW, 8))
    ann, bob = live(venue), live(venue, "bob")
    ann.send([16, 1, 1, 1, 2_450, 3, 0, 16])
    bob.send([16, 1, 1, 0, 2_450, 3, 0, 0])
    venue.sequencer.submit(commands.time(WINDOW * HOUR_NS))
    return ann.send([44, 7, PRODUCT, FABRIC, 1, [[0, 3]]], [44, 8, PRODUCT, FABRIC, 1, [[0, 2]]])


def numbers_of_another_journal():
    venue = frozen_venue()
    return logged_in(venue, venue.key["ann"], epoch=EPOCH + 1, last_pseq=9)


def too_many_blocks():
    blocks = [[26, ref, 1, None, WINDOW, 1, 0, 10, 1, 1, 0, 0] for ref in range(1, 202)]
    return said(*blocks)


REASONS = {
    R.MALFORMED: lambda: said(changed(SELL, at7=8)),
    R.UNKNOWN_TYPE: lambda: said([29, 1, 2]),
    R.AUTH: wrong_signature,
    R.SCOPE: scope,
    R.CLOCK: clock,
    R.NO_ACCOUNT: no_account,
    R.RATE: lambda: said(*(changed(SELL, at1=ref) for ref in range(1, 66)), orders_per_s=1, burst_orders=64),
    R.OVERLOAD: overload,
    R.DRAINING: draining,
    R.NO_INSTRUMENT: lambda: said(changed(SELL, at2=99)),
    R.NOT_OPEN: halted,
    R.WINDOW_CLOSED: behind_the_gate,
    R.NO_PRODUCT: lambda: said([26, 1, 9, None, WINDOW, 1, 0, 10, 1, 1, 0, 0]),
    R.NO_FABRIC: lambda: said([26, 1, 1, [7], WINDOW, 2, 0, 10, 1, 1, 0, 0]),
    R.PX_TICK: lambda: said(changed(SELL, at4=-1)),
    R.PX_BAND: out_of_the_band,
    R.QTY_LOT: lambda: said(changed(SELL, at5=0)),
    R.QTY_MAX: lambda: said(changed(SELL, at5=1 << 31)),
    R.WOULD_TAKE: lambda: against(changed(BUY, at7=1)),
    R.FOK_UNFILLED: lambda: said(changed(BUY, at6=2)),
    R.DEADLINE: lambda: said([*BUY, 0, 1]),
    R.REDUCE_ONLY: lambda: said(changed(SELL, at7=2)),
    R.PRIORITY: lambda: said(SELL, [28, 2, 1, 2_450, 6, 1]),
    R.MARGIN: without_money,
    R.POSITION_LIMIT: lambda: said(*([16, ref, 1, 0, 1, 1 << 30, 0, 0] for ref in (1, 2))),
    R.BALANCE: lambda: cleared([42, 7, "coll", "bond", 1_000_001]),
    R.NO_CAPACITY: lambda: said(changed(SELL, at7=16)),
    R.DEFAULTED: defaulted,
    R.NO_ORDER: lambda: said([17, 1, 7]),
    R.OPEN_LIMIT: lambda: said([4, 1, 3, None], [4, 2, 3, None], subscriptions_per_session_max=1),
    R.BLOCK_LIMIT: too_many_blocks,
    R.STALE_REF: lambda: said([17, 5, 7], [17, 4, 7]),
    R.MMP_FROZEN: frozen_quotes,
    R.NOT_CLEARED: lambda: said([43, 7, PRODUCT, FABRIC, WINDOW]),
    R.NO_DELIVERY: lambda: cleared([46, 7, PRODUCT, FABRIC, WINDOW]),
    R.SIGNATURE: signed_without_a_key,
    R.CONTRADICTION: contradicting_heartbeats,
    R.NO_AUCTION: lambda: cleared([48, 7, 1, 0, 1, 1]),
    R.REPLAY_TOO_OLD: numbers_of_another_journal,
}
NOT_FOR_CLIENTS = {
    R.NONE: "is no reason",
    R.ALREADY_LISTED: "answers list_window, which is the operator's",
    R.NAME_IN_USE: "answers add_product and add_account, which are the operator's",
    R.STP: "is kept and not given: self-match prevention ends orders by done, and refuses none",
}


def reasons(told):
    """The reasons in what was told: of rejects, of answers to requests, and of a refused login."""
    named = [int(message[2].split()[0]) for message in told if message[0] == "closed" and message[2][:1].isdigit()]
    return [message[2] for message in told if message[0] in (REJECT, RESP)] + named


@pytest.mark.parametrize("reason", REASONS, ids=lambda reason: reason.name)
def test_every_reason_can_be_provoked(reason):
    told = REASONS[reason]()
    assert reasons(told)[-1] == reason, told


def test_every_reason_is_here():
    assert {*REASONS} | {*NOT_FOR_CLIENTS} == {*R}
    assert not REASONS.keys() & NOT_FOR_CLIENTS.keys()


# Notices.


def fired():
    venue = frozen_venue()
    peer = live(venue)
    peer.send([25, 1, 500, 0])
    venue.server._owe(venue.server.switches.due(SECOND))
    return peer.frames()


NOTICES = {
    NoticeKind.THROTTLE: lambda: said(
        *(changed(SELL, at1=ref) for ref in range(1, 64)), orders_per_s=1, burst_orders=64
    ),
    NoticeKind.DRAINING: draining,
    NoticeKind.MMP_FIRED: frozen_quotes,
    NoticeKind.DEADMAN_FIRED: fired,
}


@pytest.mark.parametrize("kind", NOTICES, ids=lambda kind: kind.name)
def test_every_notice_can_be_provoked(kind):
    assert [message[1] for message in NOTICES[kind]() if message[0] == NOTICE] == [kind]


def test_every_notice_is_here():
    assert {*NOTICES} == {*NoticeKind}


# Close codes.


def fed(data, *, account="ann"):
    """What a live session is told that sends some bytes."""
    peer = live(frozen_venue(), account)
    peer.link.feed_data(data)
    return peer.frames()


def broken():
    """An error of ours, in the middle of a request."""
    venue = frozen_venue()
    peer = live(venue)
    venue.publisher.subscribe = lambda *_: 1 // 0
    return peer.send([4, 1, 2, [1]])


def silent(now_ns):
    peer = live(frozen_venue())
    peer.tick(peer.link.seen_ns + now_ns)
    return peer.frames()


def never_logged_in():
    peer = Peer(frozen_venue())
    peer.tick(3 * SECOND)
    return peer.frames()


def unread(*scopes):
    venue, key = with_scopes(*scopes)
    peer = Peer(venue)
    peer.login(key)
    peer.link.transport.backlog = 1 << 21
    return peer.send([3, 1, 1])


def superseded():
    venue = frozen_venue()
    first = live(venue)
    live(venue)
    return first.frames()


def stopped():
    """The whole of an orderly stop, with a connection that is gone as soon as it is told."""
    venue = frozen_venue()
    peer = live(venue)

    async def stop():
        peer.gone = asyncio.get_running_loop().create_future()
        peer.gone.set_result(None)
        venue.server._connections.add(peer)
        await venue.server.stop()

    asyncio.run(stop())
    return peer.frames()


def ten_seconds_over_the_rate():
    """Refused again and again since ten seconds ago, and now once more."""
    peer = live(frozen_venue(orders_per_s=1, burst_orders=64))
    peer.send(*(changed(SELL, at1=ref) for ref in range(1, 65)))
    for ago in range(20, 0, -1):
        peer.link.exceeded(peer.link.seen_ns - ago * SECOND // 2)
    return peer.send(changed(SELL, at1=65))


CLOSES = {
    CloseCode.NORMAL: lambda: said([2, 1, 0]),
    CloseCode.PROTOCOL: lambda: fed(b"\x82\x01x"),
    CloseCode.TEXT: lambda: fed(masked(1, b"\xff")),
    CloseCode.POLICY: lambda: fed(masked(9) * 11),
    CloseCode.TOO_LONG: lambda: fed(masked(2, bytes(65_537))),
    CloseCode.INTERNAL: broken,
    CloseCode.AUTH: wrong_signature,
    CloseCode.LOGIN_TIMEOUT: never_logged_in,
    CloseCode.MALFORMED: lambda: fed(masked(2, msgpack.packb([]))),
    CloseCode.SLOW: unread,
    CloseCode.PRIVATE_BACKLOG: lambda: unread("read"),
    CloseCode.HEARTBEAT: lambda: silent(3 * SECOND),
    CloseCode.SUPERSEDED: superseded,
    CloseCode.DRAINING: stopped,
    CloseCode.RATE: ten_seconds_over_the_rate,
}


@pytest.mark.parametrize("code", CLOSES, ids=lambda code: code.name)
def test_every_close_code_can_be_provoked(code):
    told = CLOSES[code]()
    assert told[-1][:2] == ("closed", code), told


def test_every_close_code_is_here():
    assert {*CLOSES} == {*CloseCode}
