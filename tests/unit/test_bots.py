"""The example bots, each against a running exchange: what it achieves, and that it survives a lost connection."""

import asyncio
import contextlib
import random
import subprocess
import sys
from decimal import Decimal

import pytest
from click.testing import CliRunner
from gateway_venue import PRODUCT, WINDOW, running
from proxy import Proxy
from test_server import run

from exchange import commands
from exchange.units import window_text
from gateway.bots import arbitrage, buyer, common, maker
from gateway.cli import main as command_line
from gateway.client import OrderRejected, Reconnected, Side, StateLost, connect

DAY = (WINDOW // 24 + 2) * 24
FABRIC = "use1-f03"
LEAST_TICKS = 1


@contextlib.asynccontextmanager
async def market(hours, **config):
    """A venue whose coming hours are those from DAY on, and a network in front of it."""
    async with running(**config) as venue:
        venue.sequencer.submit(commands.list_window(PRODUCT, DAY, count=hours))
        network = Proxy(venue.server.port, random.Random(1))
        venue.network, venue.far_url = network, f"ws://127.0.0.1:{await network.start()}/ws/v1"
        venue.hours = [venue.engine.catalogue.handle(PRODUCT, FABRIC, DAY + hour) for hour in range(hours)]
        try:
            yield venue
        finally:
            await network.stop()


@contextlib.asynccontextmanager
async def working(work):
    """A bot at work; what ends it early is raised."""
    task = asyncio.ensure_future(work)
    try:
        yield task
        assert not task.done(), task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def until(is_so, what="it"):
    """Wait until something is so."""
    for _ in range(1_500):
        if is_so():
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"{what} must come to pass")


# The maker.


def maker_terms(**changed):
    terms = {
        "product": PRODUCT, "fabric": FABRIC, "price": Decimal("2.45"), "half_spread": Decimal("0.010"),
        "skew": Decimal("0.002"), "lots": 4, "position_max": 10, "pull_after_ms": 400, "every_s": 0.02,
    }  # fmt: skip
    return maker.Terms(**terms | changed)


def test_maker_quotes_a_week_of_hours_and_stays_within_its_inventory():
    async def main():
        dice = random.Random(11)
        async with market(167) as venue, connect(venue.far_url, venue.key["ann"]) as ann:
            async with connect(venue.url, venue.key["bob"]) as bob:
                first = venue.engine.catalogue.handle(PRODUCT, FABRIC, WINDOW)
                books = await bob.subscribe_books([first, *venue.hours])
                bot = maker.Maker(ann, maker_terms(mmp_fills=100_000))
                async with working(bot.run()):
                    await until(lambda: all(book.best_bid and book.best_ask for book in books), "168 hours quoted")
                    assert (books[0].best_bid, books[0].best_ask) == ((2440, 4), (2460, 4))
                    worst = 0
                    for _ in range(300):
                        book = books[dice.randrange(5)]
                        side = Side.BUY if dice.random() < 0.7 else Side.SELL
                        ticks = 3000 if side == Side.BUY else LEAST_TICKS
                        taking = {"lots": dice.randrange(1, 9), "ticks": ticks, "tif": "IOC"}
                        await bob.place_nowait(book.instrument.inst, side, **taking).accepted()
                        if dice.random() < 0.5:
                            await asyncio.sleep(0.005)
                        worst = max(worst, *(abs(held) for _, held in bot.positions.items()))
                    assert 6 <= worst <= 10
                    await until(lambda: all(book.best_bid for book in books[:5]))
                    short = next(inst for inst, held in bot.positions.items() if held < 0)
                    middle = sum(venue_book(books, short))
                    assert middle > 2 * 2450, "it leans against what it owes"
                await until(lambda: not any(book.bids() or book.asks() for book in books), "its quotes pulled")

    run(main())


def venue_book(books, inst):
    """Ticks of the best bid and ask of an instrument."""
    book = next(book for book in books if book.instrument.inst == inst)
    return book.best_bid[0], book.best_ask[0]


def test_maker_is_pulled_when_its_network_is_down_and_quotes_again_after():
    async def main():
        async with market(8) as venue, connect(venue.far_url, venue.key["ann"]) as ann:
            async with connect(venue.url, venue.key["bob"]) as bob:
                books = await bob.subscribe_books(venue.hours)
                async with working(maker.Maker(ann, maker_terms()).run()):
                    await until(lambda: all(book.best_bid for book in books))
                    back = ann.events(Reconnected)
                    venue.network.is_down = True
                    venue.network.cut()
                    await until(lambda: not any(book.bids() or book.asks() for book in books), "its quotes pulled")
                    assert not ann.is_connected
                    venue.network.is_down = False
                    assert (await anext(back)).away_ms >= 200
                    await until(lambda: all(book.best_bid and book.best_ask for book in books), "it quotes again")

    run(main())


def test_maker_pauses_when_protection_fires_and_quotes_again():
    async def main():
        async with market(2) as venue, connect(venue.url, venue.key["ann"]) as ann:
            async with connect(venue.url, venue.key["bob"]) as bob:
                books = await bob.subscribe_books(venue.hours)
                terms = maker_terms(mmp_fills=3, position_max=1_000, every_s=0.001)
                async with working(maker.Maker(ann, terms).run()):
                    await until(lambda: all(book.best_bid for book in books))
                    for _ in range(3):
                        await bob.buy(venue.hours[0], lots=1, ticks=3000, tif="IOC")
                    assert not any(book.bids() or book.asks() for book in books)
                    await until(lambda: all(book.best_bid and book.best_ask for book in books), "it quotes again")

    run(main())


# The buyer.


def buyer_terms(**changed):
    terms = {
        "product": PRODUCT, "fabric": FABRIC, "nodes": 5, "hours": 6, "low": Decimal("2.300"),
        "high": Decimal("2.600"), "patience_s": 2, "every_s": 0.02,
    }  # fmt: skip
    return buyer.Terms(**terms | changed)


def test_buyer_covers_every_hour_and_never_pays_more_than_its_high_price():
    async def main():
        async with market(8) as venue, connect(venue.far_url, venue.key["bob"]) as bob:
            async with connect(venue.url, venue.key["ann"]) as ann, connect(venue.url, venue.key["cat"]) as cat:
                first = [venue.engine.catalogue.handle(PRODUCT, FABRIC, WINDOW)]
                hours = [*first, *venue.hours[:5]]  # The six that come next.
                asks = [(2310, 5), (2450, 2), (2500, 9), (2600, 5), (2590, 1), (2601, 50)]
                for inst, (ticks, lots) in zip(hours, asks, strict=True):
                    await ann.sell(inst, lots=lots, ticks=ticks)
                    await cat.sell(inst, lots=40, ticks=3_000)
                await ann.sell(venue.hours[5], lots=50, ticks=2310)  # The seventh hour is too far ahead.
                bot = buyer.Buyer(bob, buyer_terms())
                async with working(bot.run()):
                    await until(lambda: bot.positions[hours[2]] == 5)
                    venue.network.cut()
                    await until(lambda: [bot.positions[inst] for inst in hours] == [5, 2, 5, 5, 1, 0], "the cheap ones")
                    for inst, (ticks, lots) in ((hours[1], (2600, 9)), (hours[4], (2599, 9)), (hours[5], (2600, 9))):
                        await ann.sell(inst, lots=lots, ticks=ticks)
                    await until(lambda: all(bot.positions[inst] == 5 for inst in hours), "cover for all hours")
                    await asyncio.sleep(0.1)
                    assert dict(bot.positions.items()) == dict.fromkeys(hours, 5)
                fills = await told_fills(bob)
                assert max(fill["px"] for fill in fills) == 2600
                assert sum(fill["qty"] for fill in fills) == 30
                assert (await bob.open_orders()).orders == []

    run(main())


async def told_fills(session):
    """The fills of an account, as the venue has them."""
    return (await session._ask("/v1/fills"))["fills"]


def test_buyer_counts_what_an_earlier_run_holds_and_takes_its_bids_back():
    async def main():
        async with market(2) as venue, connect(venue.url, venue.key["bob"]) as bob:
            async with connect(venue.url, venue.key["ann"]) as ann:
                inst = venue.engine.catalogue.handle(PRODUCT, FABRIC, WINDOW)
                await ann.sell(inst, lots=3, ticks=2400)
                await bob.buy(inst, lots=3, ticks=2400)
                left = await bob.buy(inst, lots=50, ticks=2000, tag=buyer.TAG)
                other = await bob.buy(inst, lots=1, ticks=2000, tag=1)
                bot = buyer.Buyer(bob, buyer_terms(hours=1))
                async with working(bot.run()):
                    await left.wait_ended()
                    await ann.sell(inst, lots=9, ticks=2300)
                    await until(lambda: bot.positions[inst] == 5)
                    await asyncio.sleep(0.1)
                    assert bot.positions[inst] == 5
                    await bob.sell(inst, lots=2, ticks=2300, tif="IOC")
                    await until(lambda: bot.positions[inst] == 5)
                assert other.is_open

    run(main())


# The arbitrageur.


def arbitrage_terms(**changed):
    terms = {
        "product": PRODUCT, "fabric": FABRIC, "day": window_text(DAY)[:10], "lots": 8,
        "edge": Decimal("0.020"), "profit": Decimal("0.005"), "every_s": 0.02,
    }  # fmt: skip
    return arbitrage.Terms(**terms | changed)


@pytest.mark.parametrize("side", [Side.SELL, Side.BUY])
def test_arbitrageur_trades_a_day_against_its_hours_at_a_profit_and_ends_square(side):
    """Hours show 4 lots each, a customer wants 8 lots of the day or none; the rest of the hours comes later."""

    async def main():
        sign = 1 if side == Side.SELL else -1
        async with market(24) as venue, connect(venue.far_url, venue.key["cat"], cod="flagged") as cat:
            async with connect(venue.url, venue.key["ann"]) as ann, connect(venue.url, venue.key["bob"]) as bob:
                prices = [2400 + 7 * (hour % 5) for hour in range(24)]
                far = [ticks + sign * 500 for ticks in prices]

                async def show(lots):
                    """What the bot trades against, and something far away on the other side."""
                    for inst, ticks in zip(venue.hours, prices, strict=True):
                        await ann.place_nowait(inst, side, lots=lots, ticks=ticks).accepted()

                await show(4)
                bot = arbitrage.Arbitrageur(cat, arbitrage_terms())
                async with working(bot.run()):
                    await until(lambda: side in bot._blocks, "the day offered")
                    block = bot._blocks[side]
                    assert block.ticks == sum(prices) + sign * 480
                    venue.network.cut()
                    await until(lambda: bot._blocks[side] is not block, "the day offered again")
                    customer = {"lots": 8, "total_ticks": sum(far), "all_or_nothing": True}
                    if side == Side.SELL:
                        day = await bob.buy_block(PRODUCT, DAY, 24, fabrics=[FABRIC], **customer)
                    else:
                        day = await bob.sell_block(PRODUCT, FABRIC, DAY, 24, **customer)
                    await day.wait_ended()
                    assert day.cum == 8
                    assert day.filled_ticks == 8 * (sum(prices) + sign * 480)
                    await until(lambda: sum(map(abs, bot.result.net.values())) == 4 * 24, "half of it squared")
                    assert bot.result.ticks != 0
                    venue.network.cut()
                    await show(3)
                    await show(3)
                    await until(lambda: bot.result.is_square and bot.result.ticks, "all of it squared")
                    assert bot.result.ticks == 4 * 480 + 4 * 120  # What waited in the hours waited at its limit.
                    assert (await cat.track_positions()).items() == []

    run(main())


def test_arbitrageur_makes_its_profit_even_when_hours_have_moved_against_it():
    async def main():
        async with market(24) as venue, connect(venue.url, venue.key["cat"], cod="flagged") as cat:
            async with connect(venue.url, venue.key["ann"]) as ann, connect(venue.url, venue.key["bob"]) as bob:
                shown = [await ann.sell(inst, lots=4, ticks=2400) for inst in venue.hours]
                bot = arbitrage.Arbitrageur(cat, arbitrage_terms(every_s=30))  # It does not see what follows.
                async with working(bot.run()):
                    await until(lambda: Side.SELL in bot._blocks)
                    for order in shown:
                        await ann.replace(order, ticks=2410)
                    for order in shown[:3]:
                        await ann.replace(order, ticks=2440)
                    await bob.buy_block(PRODUCT, DAY, 24, lots=8, total_ticks=24 * 2500, all_or_nothing=True)
                    await until(lambda: sum(bot.result.net.values()) == -8 * 24 + 4 * 21)
                    for inst in venue.hours:
                        await ann.sell(inst, lots=8, ticks=2415)
                    await until(lambda: bot.result.is_square and bot.result.ticks)
                    assert bot.result.ticks >= 8 * 24 * 5

    run(main())


# The command line.


@pytest.mark.parametrize("name", ["maker", "buyer", "arbitrage"])
def test_bots_explain_themselves(name):
    result = CliRunner().invoke(command_line, ["bot", name, "--help"])
    assert result.exit_code == 0
    assert "Example" in result.output


def test_numbers_are_exact_decimals():
    assert common.decimal("2.450") == Decimal("2.45")
    for wrong in ("2,45", "NaN", "Infinity", ""):
        with pytest.raises(ValueError, match="number"):
            common.decimal(wrong)


def bot_arguments(name, url, key, *more):
    return ["bot", name, "--url", url, "--key", key, "--product", PRODUCT, "--fabric", FABRIC, *more]


@pytest.mark.parametrize(
    ("name", "more", "said"),
    [
        ("buyer", ["--nodes", "1", "--low", "3", "--high", "2"], "--low must be at most --high"),
        ("arbitrage", ["--day", "2026-11-25", "--edge", "0.01", "--profit", "0.02"], "--profit must be at most --edge"),
        ("maker", ["--price", "much"], "no decimal number"),
    ],
)
def test_bots_refuse_terms_that_make_no_sense(name, more, said):
    result = CliRunner().invoke(command_line, bot_arguments(name, "ws://127.0.0.1:1/ws/v1", "a:00", *more))
    assert result.exit_code == 2
    assert said in result.output


def test_bot_without_a_venue_says_so():
    more = ["--price", "2.45", "--seconds", "1"]
    result = CliRunner().invoke(command_line, bot_arguments("maker", "ws://127.0.0.1:1/ws/v1", "a:00", *more))
    assert result.exit_code == 1
    assert "Cannot connect" in result.output


def test_bots_run_from_the_command_line():
    async def main():
        async with market(30) as venue:
            key = venue.key["ann"].text
            day = window_text(DAY)[:10]
            for name, more in (
                ("maker", ["--price", "2.45"]),
                ("buyer", ["--nodes", "1", "--low", "2", "--high", "3"]),
                ("arbitrage", ["--day", day]),
            ):
                arguments = bot_arguments(name, venue.url, key, "--seconds", "0.4", *more)
                process = await asyncio.create_subprocess_exec(
                    sys.executable, "-m", f"gateway.bots.{name}", *arguments[2:],
                    stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                )  # fmt: skip
                said, _ = await process.communicate()
                assert (process.returncode, PRODUCT in said.decode()) == (0, True), said
            async with connect(venue.url, key) as ann:
                assert (await ann.open_orders()).orders == []

    run(main())


def test_bot_begins_anew_when_its_state_was_lost():
    async def main():
        async with market(1) as venue:
            seen = []

            async def work(session):
                seen.append(session.welcome.session)
                if len(seen) < 3:
                    raise StateLost("told so by the test")

            await common.work_for_ever(work, venue.url, venue.key["ann"])
            assert len(set(seen)) == 3

    run(main())


def test_work_ends_together():
    async def main():
        over = []

        async def last():
            try:
                await asyncio.sleep(60)
            finally:
                over.append(True)

        async def fail():
            await asyncio.sleep(0)
            raise OrderRejected(200)

        with pytest.raises(OrderRejected):
            await common.together(last(), fail())
        assert over == [True]

    run(main())
