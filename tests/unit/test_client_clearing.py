"""The client's side of the clearinghouse: requests, signatures, and the names of what is heard."""

import asyncio

import msgpack
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from gateway_venue import PRODUCT, WINDOW, running
from test_server import run

from exchange import commands
from exchange.reasons import RejectReason as R
from exchange.records import CommandType as C
from exchange.units import window_text
from gateway.client import (
    Channel,
    Default,
    Entry,
    LotState,
    Margin,
    Mark,
    RequestRefused,
    Substitute,
    connect,
    sign_heartbeat,
    sign_meter,
)
from gateway.client.events import event_of

FABRIC = "use1-f03"
KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))


async def refused(request, reason):
    with pytest.raises(RequestRefused) as caught:
        await request
    assert caught.value.reason is reason


def clear(venue):
    for records in (
        commands.clearing(C.SET_HOUSE),
        commands.clearing(C.SET_CLASS, cls="A"),
        commands.clearing(C.SET_CLEARING, product=PRODUCT, cls="A"),
        commands.deposit(1, 1_000_000_000),
        commands.deposit(2, 1_000_000_000),
        commands.certify("ann", PRODUCT, FABRIC, WINDOW, 8),
    ):
        venue.sequencer.submit(records)


def test_requests_are_answered_or_refused_with_their_reason():
    async def main():
        async with running() as venue, connect(venue.url, venue.key["ann"]) as ann:
            await refused(ann.delivery_terms(PRODUCT, FABRIC, WINDOW), R.NOT_CLEARED)
            clear(venue)
            async with connect(venue.url, venue.key["bob"]) as bob:
                entries = bob.events(Entry)
                await bob.transfer("coll", "fund", 700)
                taken, given = await anext(entries), await anext(entries)
                assert (taken.purse_name, taken.micros, taken.cause_name) == ("COLLATERAL", -700, "TRANSFER")
                assert (given.purse_name, given.micros, given.case) == ("FUND", 700, 0)
                assert bob.pseq == given.pseq == 2
                assert await bob.delivery_terms(PRODUCT, FABRIC, window_text(WINDOW), gang=True, cover=True) == 1
                wish = venue.engine.house.state.wishes[2, 1]
                assert (wish.gang, wish.other_fabric, wish.cover, wish.checkpoint_s) == (True, False, True, 3_600)
                await refused(bob.bid(1, 0, lots=1, micros=5), R.NO_AUCTION)
                await refused(bob.checkpoint(PRODUCT, FABRIC, WINDOW), R.NO_DELIVERY)
                await refused(bob.heartbeat(PRODUCT, FABRIC, 1, [(0, 8)]), R.NO_DELIVERY)
                reading = {"first": 0, "count": 1, "interval": 0, "rating_ppm": 1_000_000}
                await refused(bob.meter(PRODUCT, FABRIC, WINDOW, **reading), R.NO_DELIVERY)
                await refused(bob.transfer("coll", "bond", 1 << 50), R.BALANCE)
                many = [bob.transfer("coll", "bond", 1 << 50) for _ in range(3)] + [bob.transfer("coll", "bond", 9)]
                answers = await asyncio.gather(*many, return_exceptions=True)
                assert [getattr(one, "reason", one) for one in answers] == [R.BALANCE, R.BALANCE, R.BALANCE, None]
                symbol = venue.symbols[0]
                await ann.sell(symbol, lots=8, price="2.45", physical=True)
                await bob.buy(symbol, lots=8, price="2.45")
            assert await ann.report_failure(PRODUCT, FABRIC, WINDOW, first=0, count=3) == 3
            await refused(ann.report_failure(PRODUCT, FABRIC, WINDOW, first=0, count=0), R.MALFORMED)

    run(main())


def test_marks_are_heard_on_their_channel():
    async def main():
        async with running() as venue, connect(venue.url, venue.key["ann"]) as ann:
            clear(venue)
            heard = ann.events(Mark)
            await ann.subscribe(Channel.MARKS)
            await ann.sell(venue.symbols[0], lots=1, price="2.60", physical=True)
            async with connect(venue.url, venue.key["bob"]) as bob:
                await bob.buy(venue.symbols[0], lots=1, price="2.40")
                venue.sequencer.submit(commands.clearing(C.RUN_CLEARING))
                mark = await anext(heard)
                assert (mark.inst, mark.seq, mark.px) == (1, 1, 2_500)

    run(main())


def test_signatures_are_those_that_the_venue_checks():
    public = KEY.public_key()
    content = msgpack.packb(["hourglass", "heartbeat", "ann", "P", "f1", 7, [[0, 3], [5, 1]]])
    public.verify(sign_heartbeat(KEY, "ann", "P", "f1", 7, [(0, 3), [5, 1]]), content)
    content = msgpack.packb(["hourglass", "meter", "ann", "P", "f1", 14, 0, 3, 9, 1, 60, 999_999])
    reading = {"first": 0, "count": 3, "interval": 9, "rating_ppm": 999_999}
    public.verify(sign_meter(KEY, "ann", "P", "f1", "1970-01-01T14", **reading), content)


def test_what_is_heard_has_names():
    assert event_of([117, 1, 2, 2, 5, 6]) == Default(1, 2, 2, 5, 6)
    assert [Default(1, 2, kind, 5, 6).kind_name for kind in (0, 5, 99)] == ["CLOSED", "DECLARED", "99"]
    assert Substitute(1, 1, 0, 5, 4, 0, 0, 0, 0, 1, 5, 6).stage_name == "CASH"
    assert [LotState(1, 1, 0, 0, 1, state, 4, 5, 6).is_failed for state in (0, 1, 2)] == [False, False, True]
    assert [Margin(1, level, 9, 0, 5, 6).is_called for level in range(4)] == [False, True, False, False]
    assert (Entry(1, 200, 99, 9, 0, 0, 5, 6).cause_name, Entry(1, 200, 99, 9, 0, 0, 5, 6).purse_name) == ("200", "99")
    assert event_of([121, 1, 2, 3, 4, "something new"]) == Mark(1, 2, 3, 4)
