"""Blocks, protection and what is told of the window market, through the client library."""

import contextlib

import pytest
from gateway_venue import PRODUCT, WINDOW, running
from test_server import run

from exchange import commands
from exchange.errors import SymbolError
from exchange.reasons import DoneReason
from exchange.units import HOUR_NS, NS_PER_SECOND, window_text
from gateway.client import (
    Assigned,
    BoughtIn,
    Capacity,
    Channel,
    ConnectionClosed,
    EventFlag,
    Fill,
    Indicative,
    Notice,
    NoticeKind,
    OrderRejected,
    OrderState,
    Perished,
    Phase,
    PhaseReason,
    ProductInfo,
    QuoteLeg,
    Side,
    Status,
    StripPrices,
    Trade,
    connect,
)
from gateway.client.blocks import least_lots, total_limit, window_number
from gateway.client.events import event_of

FABRICS = ("use1-f03", "use1-f04")
CALLS = "H100-SXM.IB400.cuda12.T2"
INFO = ProductInfo(1, PRODUCT, FABRICS, "use1", 1000, 8)


@contextlib.asynccontextmanager
async def three_hours():
    """A venue with three windows from WINDOW on, and sessions of ann and bob."""
    async with running() as venue:
        venue.sequencer.submit(commands.list_window(PRODUCT, WINDOW + 1, count=2))
        async with connect(venue.url, venue.key["ann"]) as ann, connect(venue.url, venue.key["bob"]) as bob:
            yield venue, ann, bob


def symbol(venue, hour, fabric=0):
    return venue.engine.catalogue.symbol(1 + fabric + 2 * hour)


def test_block_fills_over_three_windows():
    async def main():
        async with three_hours() as (venue, ann, bob):
            sells = [await ann.sell(symbol(venue, hour, 1), lots=9, ticks=2001 + hour) for hour in range(3)]
            trades = ann.events(Trade)
            await ann.subscribe(Channel.TRADES)
            block = bob.buy_block_nowait(PRODUCT, window_text(WINDOW), 3, lots=8, price="2.1", all_or_nothing=True)
            assert (block.state, block.fabrics, block.min_lots, block.total) == (
                OrderState.PENDING, FABRICS, 8, "6.3",
            )  # fmt: skip
            await block.wait_ended()
            assert (block.state, block.cum, block.leaves, block.fabrics) == (OrderState.FILLED, 8, 0, FABRICS[1:])
            assert [(fill.px, fill.qty, fill.flags) for fill in block.fills] == [
                (2001 + hour, 8, EventFlag.BLOCK) for hour in range(3)
            ]
            assert (block.lot_hours, block.filled_ticks, block.average_price) == (24, 8 * 6006, "2.002")
            await ann.ping()
            assert [sell.leaves for sell in sells] == [1, 1, 1]
            told = [await anext(trades) for _ in range(3)]
            assert {(trade.trade_id, trade.flags) for trade in told} == {(block.fills[0].exec_id, EventFlag.BLOCK)}
            assert bob._orders == {}

    run(main())


def test_block_is_partly_filled_replaced_and_cancelled():
    async def main():
        async with three_hours() as (_venue, ann, bob):
            block = await bob.buy_block(PRODUCT, WINDOW, 3, lots=8, total="6", tag=4, cancel_on_disconnect=True)
            assert (block.state, block.ticks, block.average_price) == (OrderState.LIVE, 6000, None)
            await bob.replace(block, price="1.9", lots=7)
            await bob.ping()
            assert (block.ticks, block.lots, block.leaves, block.fabrics) == (5700, 7, 7, FABRICS)
            sell = await ann.sell_block(PRODUCT, FABRICS[0], WINDOW, 3, lots=2, total_ticks=5700)
            await sell.wait_ended()
            await bob.ping()
            assert (sell.state, sell.average_price) == (OrderState.FILLED, "1.9")
            assert (block.state, block.cum, block.leaves) == (OrderState.LIVE, 2, 5)
            assert (block.fabrics, block.min_lots, block.lot_hours) == (FABRICS[:1], 1, 6)
            await bob.replace(block, total="5.4")
            await bob.replace(block, total_ticks=5401)
            await bob.cancel(block)
            await block.wait_ended()
            assert (block.ticks, block.state, block.done_reason) == (5401, OrderState.DONE, DoneReason.USER)

    run(main())


def test_blocks_before_their_answer_and_mass_cancel():
    async def main():
        async with three_hours() as (_venue, _ann, bob):
            blocks = [bob.buy_block_nowait(PRODUCT, WINDOW, 3, lots=1, total_ticks=total) for total in (10, 20, 30)]
            bob.replace_nowait(blocks[1], price="0.5")
            cancelled = bob.cancel_nowait(blocks[0])
            assert (await cancelled).oid == blocks[0].oid
            await bob.ping()
            assert [(block.state, block.ticks) for block in blocks] == [
                (OrderState.DONE, 10), (OrderState.LIVE, 1500), (OrderState.LIVE, 30),
            ]  # fmt: skip
            await bob.mass_cancel(side=Side.BUY)
            for block in blocks:
                await block.wait_ended()

    run(main())


def test_refused_block_says_why():
    async def main():
        async with three_hours() as (_venue, _ann, bob):
            with pytest.raises(OrderRejected, match="NO_INSTRUMENT"):
                await bob.buy_block(PRODUCT, WINDOW, 12, lots=1, total_ticks=5)
            with pytest.raises(OrderRejected, match="NO_CAPACITY"):
                await bob.sell_block(PRODUCT, FABRICS[0], WINDOW, 3, lots=1, total_ticks=5, physical=True)
            with pytest.raises(OrderRejected, match="FOK_UNFILLED"):
                await bob.buy_block(PRODUCT, WINDOW, 3, lots=1, total_ticks=5, tif="FOK")
            with pytest.raises(OrderRejected, match="DEADLINE"):
                await bob.buy_block(PRODUCT, WINDOW, 3, lots=1, total_ticks=5, deadline_us=1)
            with pytest.raises(OrderRejected, match="DEADLINE"):
                await bob.buy_block(PRODUCT, WINDOW, 3, lots=1, total_ticks=5, tif="GTD", expire_us=1)
            with pytest.raises(LookupError, match="no product"):
                await bob.buy_block("B200", WINDOW, 3, lots=1, total_ticks=5)
            with pytest.raises(LookupError, match="no fabric 'f9'"):
                await bob.buy_block(PRODUCT, WINDOW, 3, lots=1, total_ticks=5, fabrics=["f9"])
            with pytest.raises(LookupError, match="no fabric 'f9'"):
                await bob.sell_block(PRODUCT, "f9", WINDOW, 3, lots=1, total_ticks=5)
            order = await bob.buy(1, lots=1, ticks=5)
            with pytest.raises(ValueError, match="price or ticks"):
                await bob.replace(order, total="5")
            block = await bob.buy_block(PRODUCT, WINDOW, 3, lots=1, total_ticks=5, fabrics=[FABRICS[1]])
            assert block.fabrics == FABRICS[1:]
            with pytest.raises(ValueError, match="price, total or total_ticks"):
                await bob.replace(block, ticks=5)
            assert (order.ref, block.ref) == (6, 7)  # What was refused here took no ref.

    run(main())


def test_lost_connection_fails_a_block_that_waits():
    async def main():
        async with three_hours() as (venue, _ann, bob):
            block = await bob.buy_block(PRODUCT, WINDOW, 3, lots=1, total_ticks=5)
            async with connect(venue.url, venue.key["bob"]):
                with pytest.raises(ConnectionClosed):
                    await block.wait_ended()

    run(main())


@pytest.mark.parametrize(
    ("hours", "limit", "ticks"),
    [
        (8, {"price": "2.45"}, 19_600),
        (8, {"price": "2.450125"}, 19_601),
        (3, {"price": "2"}, 6_000),
        (24, {"price": "0.000125"}, 3),
        (16, {"price": "0.0000625"}, 1),
        (168, {"total": "411.601"}, 411_601),
        (3, {"total_ticks": 620}, 620),
    ],
)
def test_limits_are_exact(hours, limit, ticks):
    given = {"price": None, "total": None, "total_ticks": None} | limit
    assert total_limit(INFO, hours, **given) == ticks


@pytest.mark.parametrize(
    ("hours", "limit", "error", "text"),
    [
        (3, {"price": "2.4501"}, ValueError, "whole number of ticks of 1000 micro-dollars over 3 hours"),
        (7, {"price": "0.00025"}, ValueError, "whole number of ticks"),
        (3, {"price": "1/3"}, ValueError, "must be a decimal"),
        (3, {"price": "-1"}, ValueError, "must be a decimal"),
        (3, {"price": "1e3"}, ValueError, "must be a decimal"),
        (3, {"price": 2.45}, TypeError, "decimal text"),
        (3, {"total": 2}, TypeError, "decimal text"),
        (3, {"total": "2.4501"}, SymbolError, "multiple of 1000"),
        (3, {}, ValueError, "exactly one"),
        (3, {"price": "1", "total": "3"}, ValueError, "exactly one"),
    ],
)
def test_limits_that_are_not_exact_are_refused(hours, limit, error, text):
    given = {"price": None, "total": None, "total_ticks": None} | limit
    with pytest.raises(error, match=text):
        total_limit(INFO, hours, **given)


def test_windows_and_minimums():
    assert window_number("1970-01-01T14") == window_number(14) == 14
    with pytest.raises(SymbolError, match="window must look like"):
        window_number("noon")
    assert [least_lots(8, 0, False), least_lots(8, 3, False), least_lots(8, 0, True)] == [0, 3, 8]
    with pytest.raises(ValueError, match="must not both"):
        least_lots(8, 3, True)


def test_blocks_are_not_taken_in_a_batch():
    async def main():
        async with three_hours() as (_, _, bob):
            batch = bob.batch()
            with pytest.raises(ValueError, match="a batch may hold"):
                batch.mmp_reset_nowait(1)

    run(main())


def test_phases_and_calls_are_heard():
    async def main():
        async with running() as venue:
            product = commands.add_product(CALLS, 8, 1000, ["g1"], open_call_s=60, balancing_s=600, zone="use1")
            venue.sequencer.submit(product)
            venue.sequencer.submit(commands.list_window(CALLS, WINDOW))
            async with connect(venue.url, venue.key["ann"]) as ann, connect(venue.url, venue.key["bob"]) as bob:
                assert bob.instruments.product(CALLS) == ProductInfo(2, CALLS, ("g1",), "use1", 1000, 8)
                statuses, indications, fills = ann.events(Status), ann.events(Indicative), bob.events(Fill)
                await ann.subscribe(Channel.STATUS, [3])
                assert (await anext(statuses)).phase is Phase.OPEN
                await ann.sell(3, lots=5, price="0.64", tif="AU")
                await bob.buy(3, lots=3, price="0.64")
                told = [await anext(indications) for _ in range(3)]
                assert [(one.px, one.qty, one.surplus_side, one.surplus) for one in told] == [
                    (0, 0, 0, 0), (0, 0, 0, 0), (640, 3, 1, 2),
                ]  # fmt: skip
                venue.sequencer.submit(commands.time(venue.engine.now_ns + 60 * NS_PER_SECOND))
                status, fill = await anext(statuses), await anext(fills)
                assert (status.phase, status.reason) == (Phase.CONTINUOUS, PhaseReason.SCHEDULE)
                assert (fill.px, fill.flags, fill.liq) == (640, EventFlag.CALL, 0)
                assert ann.instruments.find(3).state == Phase.CONTINUOUS
                with pytest.raises(OrderRejected, match="NOT_OPEN"):
                    await ann.sell(3, lots=5, price="0.64", tif="AU")

    run(main())


def test_capacity_and_deliveries_are_heard():
    async def main():
        async with three_hours() as (venue, ann, bob):
            private, perished = ann.events(Capacity, Assigned, BoughtIn), bob.events(Perished)
            await bob.subscribe(Channel.STATUS, [1])
            venue.sequencer.submit(commands.certify("ann", PRODUCT, FABRICS[0], WINDOW, 8))
            capacity = await anext(private)
            assert (capacity.inst, capacity.qty, capacity.pseq) == (1, 8, 1)
            await ann.sell(1, lots=5, ticks=640, physical=True)
            await bob.buy(1, lots=5, ticks=640)
            venue.sequencer.submit(commands.time((WINDOW + 2) * HOUR_NS))
            assigned = await anext(private)
            assert (assigned.role, assigned.node, assigned.qty, assigned.other) == (1, 0, 5, bob.welcome.account)
            gone = await anext(perished)
            assert (gone.inst, gone.qty, gone.certified) == (1, 3, 8)
            await ann.ping()
            assert ann.pseq == venue.publisher.router.pseq(ann.welcome.account)

    run(main())


def test_standby_sells_reach_the_balancing_market():
    async def main():
        async with running() as venue:
            venue.sequencer.submit(commands.add_product(CALLS, 8, 1000, ["g1"], balancing_s=600))
            venue.sequencer.submit(commands.list_window(CALLS, WINDOW))
            venue.sequencer.submit(commands.certify("ann", CALLS, "g1", WINDOW, 8))
            async with connect(venue.url, venue.key["ann"]) as ann, connect(venue.url, venue.key["bob"]) as bob:
                venue.sequencer.submit(commands.time(WINDOW * HOUR_NS))
                received = bob.events(Fill)
                offer = await ann.sell(3, lots=5, ticks=640, standby=True)
                venue.sequencer.submit(commands.balance("bob", CALLS, "g1", WINDOW, lots=2, px=700))
                fill = await anext(received)
                assert (fill.oid, fill.qty, fill.flags) == (0, 2, EventFlag.BALANCE)
                await ann.ping()
                assert (offer.leaves, offer.fills[0].flags) == (3, EventFlag.BALANCE)
                firm = await ann.sell(3, lots=1, ticks=650, standby=True, firm=True)
                with pytest.raises(OrderRejected, match="WINDOW_CLOSED"):
                    await ann.cancel(firm)
                await ann.cancel(offer)

    run(main())


def test_protection_is_set_fires_and_is_reset():
    async def main():
        async with three_hours() as (_venue, ann, bob):
            notices = ann.events(Notice)
            await ann.mmp_set(4, window_ms=1_000, fills=1)
            await ann.quote([QuoteLeg(1, "2.40", 3, "2.50", 3)], quote_set=4)
            await bob.sell(1, lots=1, price="2.40", tif="IOC")
            notice = await anext(notices)
            assert (notice.kind, notice.arg) == (NoticeKind.MMP_FIRED, 4)
            with pytest.raises(OrderRejected, match="MMP_FROZEN"):
                await ann.quote([QuoteLeg(1, "2.40", 3, "2.50", 3)], quote_set=4)
            await ann.mmp_reset(4)
            await ann.quote([QuoteLeg(1, "2.40", 3, "2.50", 3)], quote_set=4)

    run(main())


def test_strips_are_heard():
    async def main():
        async with running() as venue, connect(venue.url, venue.key["ann"]) as ann:
            day = (WINDOW // 24 + 2) * 24
            prices = ann.events(StripPrices)
            await ann.subscribe(Channel.STRIPS)
            venue.sequencer.submit(commands.list_window(PRODUCT, day, count=2))
            await ann.ping()
            for hour, lots in enumerate((4, 5)):
                await ann.sell(f"{PRODUCT}.{FABRICS[1]}@{window_text(day + hour)}", lots=lots, ticks=300 + hour)
            strip = await anext(prices)
            while (strip.product, strip.fabric, strip.start) != (1, 1, day):
                strip = await anext(prices)
            assert (strip.hours, strip.ask_total, strip.ask_lots, strip.bid_lots) == (2, 601, 4, 0)

    run(main())


def test_phase_this_client_does_not_know_stays_a_number():
    assert event_of([101, 1, 2, 3, 99, 0, 0]).phase == 99
