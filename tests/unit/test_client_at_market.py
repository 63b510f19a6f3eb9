"""Orders at the market: what the client makes of them."""

import asyncio

import pytest
from gateway_venue import PRODUCT, WINDOW, running

from exchange import commands
from exchange.records import Side
from gateway.client import Channel, OrderRejected, OrderState, connect
from gateway.client.at_market import edge


def run(main):
    asyncio.run(main())


def test_edge_is_rounded_towards_the_best_price():
    assert edge(Side.BUY, 2_455, 1_000) == 2_700
    assert edge(Side.SELL, 2_455, 1_000) == 2_210
    assert edge(Side.BUY, 1 << 30, 50_000) == 1 << 30
    assert edge(Side.SELL, 100, 50_000) == 0
    assert edge(Side.BUY, 7, 0) == 7
    with pytest.raises(ValueError, match="must not be negative"):
        edge(Side.BUY, 7, -1)


def test_order_at_the_market_takes_what_is_within_the_slippage():
    async def main():
        async with running() as venue, connect(venue.url, venue.key["ann"]) as ann:
            async with connect(venue.url, venue.key["bob"]) as bob:
                there, other = venue.symbols
                for ticks in (2_000, 2_100, 2_101):
                    await ann.sell(there, lots=2, ticks=ticks)
                await ann.buy(there, lots=3, ticks=1_900)
                await bob.subscribe(Channel.L1, [other])  # News of another instrument does not confuse it.
                await ann.sell(other, lots=1, ticks=9)
                bought = await bob.buy_at_market(there, lots=5)  # Up to 5 per cent above 2,000.
                await bought.wait_ended()
                assert (bought.state, bought.ticks, bought.cum) == (OrderState.DONE, 2_100, 4)
                assert [fill.px for fill in bought.fills] == [2_000, 2_100]
                sold = await bob.sell_at_market(there, lots=2, slippage_bps=0, tag=7)
                await sold.wait_ended()
                assert (sold.state, sold.ticks, sold.cum) == (OrderState.FILLED, 1_900, 2)

    run(main)


def test_slippage_is_the_narrower_band_of_the_product():
    async def main():
        async with running() as venue:
            name = "B200-SXM.IB400.cuda13.T1"
            venue.sequencer.submit(
                commands.add_product(name, 8, 1_000, ["f1"], band_static_bps=3_000, band_dynamic_bps=1_000)
                + commands.list_window(name, WINDOW)
            )
            symbol = venue.engine.catalogue.symbol(3)
            async with connect(venue.url, venue.key["ann"]) as ann, connect(venue.url, venue.key["bob"]) as bob:
                assert bob.instruments.product(name).band_dynamic_bps == 1_000
                assert bob.instruments.product(PRODUCT).band_static_bps == 0
                await ann.sell(symbol, lots=1, ticks=1_000)
                assert (await bob.buy_at_market(symbol, lots=1)).ticks == 1_100

    run(main)


def test_nobody_to_trade_with_and_refusals_are_told():
    async def main():
        async with running() as venue, connect(venue.url, venue.key["bob"]) as bob:
            with pytest.raises(LookupError, match="must be somebody to trade with"):
                await bob.buy_at_market(venue.symbols[0], lots=1)
            with pytest.raises(LookupError):
                await bob.sell_at_market("nothing", lots=1)
            async with connect(venue.url, venue.key["ann"]) as ann:
                await ann.sell(venue.symbols[0], lots=1, ticks=5)
                with pytest.raises(OrderRejected, match="QTY_LOT"):
                    await bob.buy_at_market(venue.symbols[0], lots=0)

    run(main)
