"""The client library against a real server, and its parts alone."""

import asyncio
from decimal import Decimal

import pytest
from gateway_venue import PRODUCT, WINDOW, running
from test_server import run

from exchange import commands
from exchange.errors import SymbolError
from exchange.reasons import DoneReason, RejectReason
from gateway.auth import generate_key
from gateway.client import (
    Book,
    BookDelta,
    BookSnapshot,
    Candle,
    Channel,
    ConnectionClosed,
    Done,
    EventsOverrun,
    Fill,
    Gap,
    LoginRefused,
    OrderRejected,
    OrderState,
    Positions,
    QuoteLeg,
    Reject,
    RequestRefused,
    Side,
    Trade,
    connect,
)
from gateway.client import reader as reader_module
from gateway.client.errors import reason_of
from gateway.client.events import event_of
from gateway.client.instruments import DECIMAL_EXPONENT_MAX, InstrumentInfo
from gateway.client.wire import credentials

INFO = InstrumentInfo(1, "P.f@2026-11-24T14", 1000, 8, 0, 0, 0, "SCU-hour", "f", 1)


def test_life_of_an_order():
    async def main():
        async with running() as venue, connect(venue.url, venue.key["ann"]) as ann:
            async with connect(venue.url, venue.key["bob"].text, lane=3) as bob:
                symbol = venue.symbols[0]
                sell = await ann.sell(symbol, lots=5, price="2.45")
                assert (sell.state, sell.leaves, sell.price) == (OrderState.LIVE, 5, "2.45")
                buy = await bob.buy(symbol, lots=2, price="2.5")
                await buy.wait_ended()
                assert (buy.state, buy.cum, [fill.px for fill in buy.fills]) == (OrderState.FILLED, 2, [2450])
                await ann.ping()
                assert (sell.cum, sell.leaves) == (2, 3)
                await ann.replace(sell, lots=10, price="2.60")
                await ann.ping()
                assert (sell.ticks, sell.lots, sell.leaves) == (2600, 10, 8)
                await ann.cancel(sell)
                await sell.wait_ended()
                assert (sell.state, sell.done_reason, sell.leaves) == (OrderState.DONE, DoneReason.USER, 0)

    run(main())


def test_refused_order_says_why():
    async def main():
        async with running() as venue, connect(venue.url, venue.key["ann"]) as ann:
            with pytest.raises(OrderRejected, match="QTY_LOT: qty must be") as caught:
                await ann.buy(venue.symbols[0], lots=0, price="2.45")
            assert (caught.value.reason, caught.value.name, caught.value.arg) == (RejectReason.QTY_LOT, "QTY_LOT", 1)
            with pytest.raises(OrderRejected, match="NO_ORDER"):
                await ann.cancel(12345)
            order = ann.place_nowait(venue.symbols[0], Side.BUY, lots=-1, ticks=5)
            await order.wait_ended()
            assert (order.state, order.error.name) == (OrderState.REJECTED, "QTY_LOT")

    run(main())


def test_pipelined_orders_and_changes_before_the_answer():
    async def main():
        async with running() as venue, connect(venue.url, venue.key["ann"]) as ann:
            orders = [ann.place_nowait(venue.symbols[0], Side.BUY, lots=1, ticks=ticks) for ticks in range(1, 200)]
            ann.replace_nowait(orders[1], ticks=500)
            cancelled = ann.cancel_nowait(orders[0])
            await asyncio.gather(*(order.accepted() for order in orders))
            assert (await cancelled).oid == orders[0].oid
            await ann.ping()
            assert (orders[0].state, orders[1].ticks) == (OrderState.DONE, 500)

    run(main())


def test_all_terms_reach_the_engine():
    async def main():
        async with running() as venue, connect(venue.url, venue.key["ann"]) as ann:
            symbol = venue.symbols[0]
            iceberg = await ann.sell(symbol, lots=10, ticks=200, display=2, tag=7)
            await ann.subscribe_book(symbol)
            assert ann.books[1].best_ask == (200, 2)
            with pytest.raises(OrderRejected, match="WOULD_TAKE"):
                await ann.buy(symbol, lots=1, ticks=200, post_only=True)
            with pytest.raises(OrderRejected, match="FOK_UNFILLED"):
                await ann.buy(symbol, lots=99, ticks=200, tif="FOK")
            with pytest.raises(OrderRejected, match="REDUCE_ONLY"):
                await ann.buy(symbol, lots=1, ticks=100, reduce_only=True)
            with pytest.raises(OrderRejected, match="DEADLINE"):
                await ann.buy(symbol, lots=1, ticks=100, deadline_us=1)
            with pytest.raises(OrderRejected, match="DEADLINE"):
                await ann.buy(symbol, lots=1, ticks=100, tif="GTD", expire_us=1)
            await ann.mass_cancel(tag=8)
            assert iceberg.is_open
            await ann.mass_cancel(tag=7, symbol=symbol, side=Side.SELL)
            await iceberg.wait_ended()

    run(main())


def test_quotes_and_their_fills():
    async def main():
        async with running() as venue, connect(venue.url, venue.key["ann"]) as ann:
            async with connect(venue.url, venue.key["bob"]) as bob:
                events = ann.events(Fill, Reject)
                await ann.quote([QuoteLeg(venue.symbols[0], "2.40", 3, "2.50", 3), QuoteLeg(2, "1", 1)], quote_set=4)
                await bob.sell(venue.symbols[0], lots=1, price="2.40", tif="IOC")
                fill = await anext(events)
                assert (fill.ref, fill.inst, fill.side, fill.px, fill.leaves) == (0, 1, Side.BUY, 2400, 2)
                with pytest.raises(OrderRejected, match="MALFORMED"):
                    await ann.quote([QuoteLeg(1, "2.60", 1, "2.50", 1)])

    run(main())


def test_batch_is_answered_in_order():
    async def main():
        async with running() as venue, connect(venue.url, venue.key["ann"]) as ann:
            resting = await ann.buy(venue.symbols[0], lots=1, ticks=5)
            batch = ann.batch()
            first = batch.place_nowait(venue.symbols[0], Side.BUY, lots=1, ticks=10)
            batch.place_nowait(venue.symbols[0], Side.BUY, lots=0, ticks=10)
            batch.cancel_nowait(resting)
            between = await ann.buy(venue.symbols[0], lots=1, ticks=6)
            answers = await batch.send()
            assert [type(answer).__name__ for answer in answers] == ["Ack", "OrderRejected", "Ack"]
            assert first.state is OrderState.LIVE
            assert between.ref < first.ref
            assert len(batch) == 0
            with pytest.raises(ValueError, match="a batch may hold"):
                batch.mass_cancel_nowait()
            with pytest.raises(ValueError, match="must be sent"):
                batch.cancel_nowait(batch.place_nowait(venue.symbols[0], Side.BUY, lots=1, ticks=10))

    run(main())


def test_refused_batch_leaves_nothing_waiting():
    async def main():
        async with running() as venue, connect(venue.url, venue.key["ann"]) as ann:
            batch = ann.batch()
            for _ in range(65):
                batch.cancel_nowait(1)
            with pytest.raises(OrderRejected, match="MALFORMED"):
                await batch.send()
            assert ann._pending == {}

    run(main())


def test_events_end_with_the_session():
    async def main():
        async with running() as venue, connect(venue.url, venue.key["ann"]) as ann:
            async with connect(venue.url, venue.key["bob"]) as bob:
                private, trades = bob.events(), ann.events(Trade)
                await ann.subscribe(Channel.TRADES)
                await ann.sell(1, lots=1, ticks=100)
                await bob.buy(1, lots=3, ticks=100, tif="IOC")
                await bob.ping()
            assert [type(event).__name__ async for event in private] == ["Ack", "Fill", "Done"]
            trade = await anext(trades)
            assert (trade.px, trade.qty, trade.aggressor) == (100, 1, Side.BUY)
            assert [event async for event in bob.events()] == []

    run(main())


def test_lost_connection_fails_everything_that_waits():
    async def main():
        async with running() as venue:
            async with connect(venue.url, venue.key["ann"]) as first:
                events = first.events(Fill)
                order = await first.buy(1, lots=1, ticks=100)
                async with connect(venue.url, venue.key["ann"]) as second:
                    with pytest.raises(ConnectionClosed, match="4011: another session"):
                        await anext(events)
                    with pytest.raises(ConnectionClosed):
                        await order.wait_ended()
                    with pytest.raises(ConnectionClosed):
                        first.place_nowait(1, Side.BUY, lots=1, ticks=1)
                    assert second.welcome.last_ref == order.ref
                    assert (await second.buy(1, lots=1, ticks=1)).ref == order.ref + 1
                with pytest.raises(ConnectionClosed):
                    await first.ping()

    run(main())


def test_book_is_kept_in_step():
    async def main():
        async with running() as venue, connect(venue.url, venue.key["ann"]) as ann:
            async with connect(venue.url, venue.key["bob"]) as bob:
                await ann.buy(1, lots=2, ticks=99)
                book = await bob.subscribe_book(venue.symbols[0])
                assert (book.best_bid, book.best_ask) == ((99, 2), None)
                assert await bob.subscribe_book(1) is book
                for ticks in range(101, 110):
                    await ann.sell(1, lots=1, ticks=ticks)
                await ann.mass_cancel(side=Side.BUY)
                await bob.ping()
                assert (book.best_bid, book.best_ask, len(book.asks())) == (None, (101, 1), 9)
                assert book.asks(2) == [(101, 1), (102, 1)]
                changing = asyncio.ensure_future(book.changed())
                await asyncio.sleep(0)
                await ann.buy(1, lots=1, ticks=101)
                await asyncio.wait_for(changing, 2)
                assert book.best_ask == (102, 1)

    run(main())


def test_gap_is_mended_with_a_snapshot_ses_034():
    async def main():
        async with running() as venue, connect(venue.url, venue.key["ann"]) as ann:
            book = await ann.subscribe_book(1)
            await ann.buy(1, lots=1, ticks=10)
            book.seq -= 1  # As if a message had not come.
            await ann.buy(1, lots=1, ticks=11)
            await ann.ping()
            await ann.ping()
            assert (book.gaps, book.is_current) == (1, True)
            assert book.bids() == [(11, 1), (10, 1)]
            await ann.buy(1, lots=1, ticks=12)
            await ann.ping()
            assert (book.gaps, book.best_bid) == (1, (12, 1))

    run(main())


def test_book_of_a_depth_and_what_else_is_told():
    async def main():
        async with running() as venue, connect(venue.url, venue.key["ann"]) as ann:
            async with connect(venue.url, venue.key["bob"]) as bob:
                for ticks in range(101, 110):
                    await ann.sell(1, lots=1, ticks=ticks)
                book = await bob.subscribe_book(1, depth=5)
                assert book.asks() == [(ticks, 1) for ticks in range(101, 106)]
                with pytest.raises(RequestRefused):
                    await bob.subscribe(Channel.L2, [1], depth=10)
                with pytest.raises(RequestRefused):
                    await bob.subscribe_book(2, depth=6)
                assert 2 not in bob.books
                conflated = await ann.subscribe_book(1, conflate_ms=60_000)
                heard = bob.events(Candle)
                await bob.subscribe(Channel.CANDLES, [1], interval_s=300)
                await bob.buy(1, lots=2, ticks=102)
                candle = await anext(heard)
                assert (candle.o, candle.c, candle.v, candle.n, candle.interval_s) == (101, 102, 2, 2, 300)
                await bob.ping()
                assert book.asks() == [(ticks, 1) for ticks in range(103, 108)]
                book.seq -= 1  # As if a message had not come: the snapshot is of the same depth.
                await bob.buy(1, lots=1, ticks=103)
                for _ in range(2):
                    await bob.ping()
                assert (book.gaps, book.asks()) == (1, [(ticks, 1) for ticks in range(104, 109)])
                await ann.ping()
                assert len(conflated.asks()) == 9, "it has a minute"

    run(main())


def test_gap_is_mended_without_a_new_connection_mkd_004():
    async def main():
        async with running() as venue, connect(venue.url, venue.key["ann"]) as ann:
            async with connect(venue.url, venue.key["bob"]) as bob:
                book = await bob.subscribe_book(1)
                gaps = bob.events(Gap)
                await bob.subscribe(Channel.TRADES, [1])
                link = next(c for c in venue.server._connections if c.session.account_name == "bob").link
                transport, fd = link.transport, link.fd
                link.transport, link.fd, link.may_hold = Full(transport), -1, False
                await bob.ping()
                for ticks in range(1, 40):
                    await ann.buy(1, lots=1, ticks=ticks)
                await ann.mass_cancel()
                await bob.ping()
                assert (book.seq, link.is_behind) == (0, True)
                link.transport, link.fd, link.may_hold = transport, fd, True
                await ann.buy(1, lots=3, ticks=7)
                gap = await asyncio.wait_for(anext(gaps), 2)
                assert (gap.chan, gap.inst, gap.first, gap.last) == (Channel.L2, 1, 1, book.seq)
                await bob.ping()
                assert (book.gaps, book.is_current, book.bids()) == (1, True, [(7, 3)])

    run(main())


class Full:
    """A transport that says that nobody reads."""

    def __init__(self, transport):
        self.write = transport.write
        self.close = transport.close

    def get_write_buffer_size(self):
        return (1 << 18) + 1


def test_new_instruments_are_heard_of():
    async def main():
        async with running() as venue, connect(venue.url, venue.key["ann"]) as ann:
            assert len(ann.instruments) == 2
            venue.sequencer.submit(commands.list_window(PRODUCT, WINDOW + 1))
            await ann.ping()
            assert [one.inst for one in ann.instruments] == [1, 2, 3, 4]
            assert (await ann.buy(venue.engine.catalogue.symbol(4), lots=1, price="2")).ticks == 2000

    run(main())


def test_refusals_of_requests():
    async def main():
        async with running() as venue:
            with pytest.raises(LoginRefused, match="110 AUTH"):
                async with connect(venue.url, generate_key("ann")):
                    raise AssertionError
            async with connect(venue.url, venue.key["ann"]) as ann:
                with pytest.raises(RequestRefused, match="MALFORMED"):
                    await ann.unsubscribe(99)
                await ann.unsubscribe(await ann.subscribe(Channel.STATUS, [1]))
                with pytest.raises(LookupError, match="no instrument"):
                    await ann.buy("nothing@now", lots=1, price="1")

    run(main())


@pytest.mark.parametrize("price", [2.45, 2, None])
def test_prices_are_text_or_ticks(price):
    with pytest.raises(TypeError, match="decimal text"):
        INFO.ticks(price)
    with pytest.raises(SymbolError, match="multiple of 1000"):
        INFO.ticks("2.4501")
    assert INFO.price(2450) == "2.45"


def test_prices_may_be_decimals():
    for text, ticks in (("2.45", 2450), ("2.4500", 2450), ("245E-2", 2450), ("0", 0), ("3E+1", 30_000)):
        assert INFO.ticks(Decimal(text)) == ticks
    assert INFO.decimal(2450) == Decimal("2.45")
    far = DECIMAL_EXPONENT_MAX + 1
    for wrong in (Decimal("NaN"), Decimal("Infinity"), Decimal(f"1E{far}"), Decimal(f"1E-{far}"), Decimal("-1")):
        with pytest.raises(SymbolError):
            INFO.ticks(wrong)
    with pytest.raises(SymbolError, match="multiple of 1000"):
        INFO.ticks(Decimal("2.4501"))


def test_orders_and_quotes_take_decimals():
    async def main():
        async with running() as venue, connect(venue.url, venue.key["ann"]) as ann:
            order = await ann.buy(1, lots=1, price=Decimal("2.450"))
            assert (order.ticks, order.limit, order.price) == (2450, Decimal("2.45"), "2.45")
            await ann.replace(order, price=order.limit + Decimal("0.001"))
            await ann.ping()
            assert order.limit == Decimal("2.451")
            await ann.quote([QuoteLeg(2, Decimal("1.2"), 1, Decimal("1.3"), 1)])
            prices = await ann.best_prices(2)
            assert (prices.bid_px, prices.ask_px) == (1200, 1300)
            block = await ann.buy_block(PRODUCT, WINDOW, 1, lots=1, price=Decimal("1.5"))
            assert block.ticks == 1500

    run(main())


def test_account_is_seen_as_the_venue_has_it():
    async def main():
        async with running() as venue, connect(venue.url, venue.key["ann"]) as ann:
            async with connect(venue.url, venue.key["bob"]) as bob:
                await ann.sell(1, lots=5, ticks=100)
                await bob.buy(1, lots=2, ticks=100)
                positions = await bob.track_positions()
                assert (positions[1], positions[2], positions.items()) == (2, 0, [(1, 2)])
                await bob.buy(1, lots=1, ticks=100)
                await bob.ping()
                assert positions[1] == 3
                (row,) = (await ann.open_orders()).orders
                assert (row["leaves"], row["cum"]) == (2, 3)
                assert (await ann.money()).available == (await ann.money()).cash

    run(main())


def test_fills_are_counted_once_whichever_way_they_are_heard_first():
    def fill(gseq, side, qty):
        return Fill(1, 1, 1, 1, 7, side, 100, qty, 1, 0, 0, 0, 0, gseq)

    positions = Positions()
    for gseq, side, qty in ((9, Side.BUY, 1), (10, Side.BUY, 2), (11, Side.SELL, 5)):
        positions.take(fill(gseq, side, qty))
    assert positions[7] == 0
    positions.load(10, [{"inst": 7, "net": 40}])
    positions.take(fill(12, Side.BUY, 8))
    assert positions[7] == 40 - 5 + 8


def test_refused_questions_say_why():
    async def main():
        async with running() as venue:
            key = generate_key("ann", ["cancel"])
            venue.keys.add(key)
            async with connect(venue.url, key) as ann:
                with pytest.raises(RequestRefused, match="SCOPE"):
                    await ann.track_positions()
                assert ann.positions is None

    run(main())


def test_price_and_ticks_exclude_each_other():
    async def main():
        async with running() as venue, connect(venue.url, venue.key["ann"]) as ann:
            for terms in ({}, {"price": "1", "ticks": 1000}):
                with pytest.raises(ValueError, match="exactly one"):
                    await ann.buy(1, lots=1, **terms)

    run(main())


def snapshot(seq, bids=(), asks=()):
    return BookSnapshot(1, seq, 0, list(bids), list(asks))


def delta(first, seq, bids=(), asks=()):
    return BookDelta(1, first, seq, 0, list(bids), list(asks))


def test_book_holds_deltas_back_until_it_has_a_snapshot():
    book = Book(INFO)
    assert book.apply(delta(4, 4, [10, 1]))
    assert book.apply(delta(5, 5, [11, 2]))
    assert not book.is_current
    book.load(snapshot(4, [10, 7]))
    assert (book.seq, book.bids()) == (5, [(11, 2), (10, 7)])
    assert book.apply(delta(3, 3, [10, 0]))
    assert book.bids() == [(11, 2), (10, 7)]
    assert book.apply(delta(6, 6, [10, 0, 9, 1], [20, 1]))
    assert (book.bids(), book.asks()) == ([(11, 2), (9, 1)], [(20, 1)])
    assert book.apply(delta(2, 7, [9, 4, 3, 0]))  # A wider one: it begins before what the book knows.
    assert (book.seq, book.bids()) == (7, [(11, 2), (9, 4)])
    assert not book.apply(delta(9, 9))
    assert book.apply(delta(10, 10, [8, 1]))
    book.load(snapshot(9, [5, 5]))
    assert (book.seq, book.gaps, book.bids()) == (10, 1, [(8, 1), (5, 5)])


def test_credentials():
    assert credentials("id:00ff") == ("id", b"\x00\xff")
    for wrong in ("id", ":00", "id:zz"):
        with pytest.raises(ValueError, match=r"id:secret|hexadecimal"):
            credentials(wrong)


def test_later_fields_and_unknown_types_are_passed_over():
    done = event_of([37, 1, 2, 3, 9, 4, 5, 6, "new", 7])
    assert (done, done.reason_name) == (Done(1, 2, 3, 9, 4, 5, 6), "QUOTE")
    assert event_of([999, 1]) is None
    assert reason_of(99_999) == 99_999
    assert str(OrderRejected(99_999)) == "reason 99999"


def test_events_nobody_reads_end_their_reader(monkeypatch):
    monkeypatch.setattr(reader_module, "EVENTS_WAITING_MAX", 2)

    async def main():
        async with running() as venue, connect(venue.url, venue.key["ann"]) as ann:
            events = ann.events()
            for ticks in range(3):
                await ann.buy(1, lots=1, ticks=ticks)
            assert [(await anext(events)).ref for _ in range(2)] == [1, 2]
            with pytest.raises(EventsOverrun):
                await anext(events)

    run(main())
