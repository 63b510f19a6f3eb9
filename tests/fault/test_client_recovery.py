"""The client through the death of the server, a network that cuts, and a stop in order: its view is the journal's."""

import asyncio
import contextlib
import random
import socket
import time

import pytest
import uvloop
from proxy import Proxy
from served import Grounds, kill, url_of
from trading import Trader, check_against_journal

from gateway.client import connect

SEED = 20_261_127
KILLS = 5
CUTS_MIN = 25
LANES = (("ann", 0), ("ann", 3), ("bob", 0))
DRAIN_RETRY_MS = 700
# What one session misses while the others are back already must be kept: they trade thousands of times a second.
LIMITS = f"""
[limits]
drain_retry_ms = {DRAIN_RETRY_MS}
private_history_bytes = {1 << 24}
backlog_bytes_max = {1 << 26}
"""


class Served:
    """A venue that is always at the same address, whatever happens to its process."""

    def __init__(self, directory):
        self.grounds = Grounds(directory, ("ann", "bob"), time.time_ns())
        self.port = free_port()
        self.url = f"ws://127.0.0.1:{self.port}/ws/v1"
        self._config = directory / "venue.toml"
        self._config.write_text(LIMITS)
        self._process = None

    def start(self):
        self._process = self.grounds.spawn(self.port, "--config", str(self._config))
        assert url_of(self._process) == self.url

    def kill(self):
        kill(self._process)

    def stop(self):
        """Stop it in order: its journal is whole."""
        self._process.terminate()
        said, _ = self._process.communicate(timeout=20)
        assert "stopped at seq" in said


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def traders_of():
    return [Trader(account, lane, SEED + number) for number, (account, lane) in enumerate(LANES)]


@contextlib.asynccontextmanager
async def trading(traders, url, grounds, **terms):
    """All of them trade until the block ends; then every answer and all news are waited for."""
    over, together = asyncio.Event(), asyncio.Barrier(len(traders))
    works = [trader.trade(url, grounds.key[trader.account], over, together, **terms) for trader in traders]
    tasks = [asyncio.create_task(work) for work in works]
    while not all(trader.session for trader in traders):
        await asyncio.sleep(0.01)
    yield
    over.set()
    await asyncio.wait_for(asyncio.gather(*tasks), 60)


@pytest.fixture
def served(tmp_path, compiled_core):
    served = Served(tmp_path)
    served.start()
    yield served
    with contextlib.suppress(ValueError):  # It was killed, or stopped.
        served.kill()


def run(main):
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(asyncio.wait_for(main, 90))


async def all_back(traders):
    """Wait until every session has a connection again."""
    await asyncio.gather(*(trader.session.connected() for trader in traders))


def test_nothing_is_unknown_or_done_twice_when_the_server_is_killed_under_its_clients_ord_002_ses_062(served):
    dice, traders = random.Random(SEED), traders_of()

    async def main():
        async with trading(traders, served.url, served.grounds):
            for _ in range(KILLS):
                await asyncio.sleep(dice.uniform(0.1, 0.5))
                await asyncio.to_thread(served.kill)
                await asyncio.sleep(dice.choice((0, dice.uniform(0, 0.5))))
                await asyncio.to_thread(served.start)
                await all_back(traders)

    run(main())
    served.stop()
    known, fills = check_against_journal(served.grounds, traders)
    sent_again = sum(event.sent_again for trader in traders for event in trader.returns)
    print(f"seed {SEED}: {known} orders, {fills} fills, {sent_again} commands sent again")
    assert known > 1_000
    assert sent_again > 100
    assert all(len(trader.returns) == trader.losses == KILLS for trader in traders)


def test_nothing_is_unknown_or_done_twice_when_the_network_cuts_anywhere_ord_002_ses_062(served):
    traders = traders_of()

    async def main():
        proxy = Proxy(served.port, random.Random(SEED))
        port = await proxy.start()
        async with trading(traders, f"ws://127.0.0.1:{port}/ws/v1", served.grounds):
            proxy.is_cutting = True  # Not before all sessions have begun: a first login is not tried again.
            while proxy.cuts < CUTS_MIN:
                await asyncio.sleep(0.05)
            proxy.is_cutting = False
        await proxy.stop()

    run(main())
    served.stop()
    known, fills = check_against_journal(served.grounds, traders)
    sent_again = sum(event.sent_again for trader in traders for event in trader.returns)
    missed = sum(event.missed for trader in traders for event in trader.returns)
    print(f"seed {SEED}: {known} orders, {fills} fills, {sent_again} commands sent again, {missed} messages missed")
    assert min(sent_again, missed) > 100
    assert sum(trader.losses for trader in traders) > CUTS_MIN // 2  # The others hit logins on the way back.


def test_bytes_that_come_late_from_a_connection_that_was_given_up_change_nothing_ord_002_ses_010(served):
    """The network holds everything for a while; the sessions are back before it lets go what they had sent."""
    traders = traders_of()

    async def main():
        proxy = Proxy(served.port, random.Random(SEED))
        port = await proxy.start()
        async with trading(traders, f"ws://127.0.0.1:{port}/ws/v1", served.grounds, heartbeat_ms=250):
            for number in range(1, 4):
                await asyncio.sleep(0.2)
                proxy.stall()
                while not all(len(trader.returns) == number for trader in traders):
                    await asyncio.sleep(0.01)
                proxy.release()
        await proxy.stop()

    run(main())
    served.stop()
    known, _ = check_against_journal(served.grounds, traders)
    assert known > 500
    assert all(event.sent_again for trader in traders for event in trader.returns)


def test_stop_in_order_loses_nothing_and_is_left_alone_ses_069(served):
    traders = traders_of()

    async def main():
        async with trading(traders, served.url, served.grounds, cod="lane", grace_ms=20_000):
            for _ in range(2):
                await asyncio.sleep(0.3)
                await asyncio.to_thread(served.stop)
                await asyncio.to_thread(served.start)
                await all_back(traders)

    run(main())
    served.stop()
    known, _ = check_against_journal(served.grounds, traders)
    assert known > 500
    for trader in traders:
        assert trader.losses == 2
        assert all(event.away_ms >= DRAIN_RETRY_MS / 2 for event in trader.returns)


def test_next_session_is_told_what_an_earlier_one_has_left(served):
    key = served.grounds.key

    async def main():
        async with connect(served.url, key["ann"]) as ann, connect(served.url, key["bob"]) as bob:
            left = await bob.buy(1, lots=2, ticks=100)
            await ann.sell(1, lots=1, ticks=100)
            await bob.ping()
            assert left.cum == 1
        async with connect(served.url, key["bob"]) as bob:
            (row,) = (await bob.open_orders()).orders
            assert (row["oid"], row["leaves"]) == (left.oid, 1)
            positions = await bob.track_positions()
            assert positions.items() == [(1, 1)]
            await asyncio.to_thread(served.kill)
            await asyncio.to_thread(served.start)
            async with connect(served.url, key["ann"]) as ann:
                await ann.sell(1, lots=1, ticks=100)
            await bob.connected()
            await bob.ping()
            assert positions.items() == [(1, 2)]
            assert await bob.track_positions() is positions
            assert (await bob.open_orders()).orders == []
            assert await bob.money() == (0, 0, 0)

    run(main())
