"""A risk desk through the death of its server: it hears what the accounts were told, once, in order, without a gap."""

import asyncio
import contextlib
import random

import pytest
from test_client_recovery import SEED, Served, all_back, run, traders_of, trading

from gateway.auth import KeyStore, generate_key
from gateway.client import Reconnecting, connect
from gateway.client.events import Done, Fill, Replaced

KILLS = 3
FEW_KEPT = "\n[limits]\nprivate_history_bytes = 4096\n"


class WatchedVenue(Served):
    """A venue with a key of bob's that hears what happens to ann and bob."""

    def __init__(self, directory, limits=""):
        super().__init__(directory)
        self.desk = generate_key("bob", ("copy",), ("ann",))
        keys = KeyStore.load(directory / "keys.json")
        keys.add(self.desk)
        keys.save(directory / "keys.json")
        if limits:
            self._config.write_text(limits)


@pytest.fixture
def watched(tmp_path, compiled_core, request):
    venue = WatchedVenue(tmp_path, getattr(request, "param", ""))
    venue.start()
    yield venue
    with contextlib.suppress(ValueError):  # It was killed, or stopped.
        venue.kill()


async def hear(copies, heard):
    async for copy in copies:
        heard.append(copy)


def check(heard, told, accounts):
    """Copies count up by one; by account they are what its own sessions were told."""
    assert [copy.seq for copy in heard] == list(range(1, len(heard) + 1))
    for number, name in accounts.items():
        own = iter(told[name])
        assert all(copy.event == next(own) for copy in heard if copy.account == number)
        assert next(own, None) is None, f"{name} was told more than was copied"


def test_a_desk_hears_everything_though_the_server_is_killed_ses_073(watched):
    dice, traders, heard = random.Random(SEED), traders_of(), []

    async def main():
        async with connect(watched.url, watched.desk) as desk:
            copies, losses = desk.copies(), desk.events(Reconnecting)
            accounts = (await copies.begun()).accounts
            hearing = asyncio.create_task(hear(copies, heard))
            async with trading(traders, watched.url, watched.grounds):
                for _ in range(KILLS):
                    await asyncio.sleep(dice.uniform(0.1, 0.4))
                    await asyncio.to_thread(watched.kill)
                    await asyncio.to_thread(watched.start)
                    await all_back(traders)
                    await desk.connected()
            count = traders[0].told[-1].pseq + traders[2].told[-1].pseq
            while len(heard) < count:
                await asyncio.sleep(0.01)
            await desk.ping()
            await asyncio.sleep(0)
            hearing.cancel()
            assert len(losses._waiting) == KILLS
        check(heard, {"ann": traders[0].told, "bob": traders[2].told}, accounts)
        print(f"seed {SEED}: {len(heard)} copies")
        assert len(heard) > 1_000

    run(main())


@pytest.mark.parametrize("watched", [FEW_KEPT], indirect=True)
def test_what_memory_does_not_have_comes_from_the_journal_ses_074(watched):
    """A desk and a trader that were away for long go on from what they had noted."""
    orders = 300

    async def main():
        key = watched.grounds.key
        async with connect(watched.url, watched.desk) as desk:
            copies = desk.copies()
            await copies.begun()
            async with connect(watched.url, key["ann"]) as ann, connect(watched.url, key["bob"]) as bob:
                readers = {"ann": ann.events(Fill, Done, Replaced), "bob": bob.events(Fill, Done, Replaced)}
                for number in range(orders):
                    sell = await ann.sell(1, lots=2, ticks=100)
                    await bob.buy(1, lots=1, ticks=100)
                    await ann.cancel(sell)
                    if number == 0:
                        noted = desk.epoch, (await anext(copies)).seq  # Ann's fill, the same as hers.
                        noted_by_ann = ann.epoch, (await anext(readers["ann"])).pseq
                await asyncio.gather(ann.ping(), bob.ping())
                told = {name: list(reader._waiting) for name, reader in readers.items()}
        await asyncio.to_thread(watched.kill)
        await asyncio.to_thread(watched.start)
        async with connect(watched.url, watched.desk) as desk:
            resumed = desk.copies(resume=noted)
            later = [await anext(resumed) for _ in range(3 * orders - 1)]
            accounts = resumed.head.accounts
        assert [copy.seq for copy in later] == list(range(2, 3 * orders + 1))
        for number, name in accounts.items():
            copied = [copy.event for copy in later if copy.account == number]
            assert all(one == event for one, event in zip(copied, told[name], strict=True))
        async with connect(watched.url, key["ann"], resume=noted_by_ann) as ann:
            reader = ann.events(Fill, Done, Replaced)
            missed = [await anext(reader) for _ in range(2 * orders - 1)]
            assert all(one == event for one, event in zip(missed, told["ann"], strict=True))

    run(main())
