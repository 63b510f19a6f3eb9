"""The blocks of docs/client.md do what they say: each is run against a venue in which two accounts trade."""

import asyncio
import re
import textwrap
from pathlib import Path

import pytest
from gateway_venue import running
from test_client_copies import trade
from test_server import run

from gateway import client
from gateway.auth import generate_key
from gateway.client import connect

PAGE = (Path(__file__).parents[2] / "docs" / "client.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
SYMBOL = "H100-SXM.IB400.cuda12.T1.use1-f03@2026-11-24T14"
HEARD = [r"^Fill\(pseq=2", r"^0 \[\(1, 3\)\]$", r"^2 bob Fill\(pseq=1", r"^\(1, 1\) Fill\(pseq=1"]


def program(block, venue, say):
    """A block as a coroutine function, for this venue."""
    block = re.sub(r"^from .*$", "", block, flags=re.MULTILINE).replace("ws://127.0.0.1:8080/ws/v1", venue.url)
    block = block.replace("desk:secret", venue.desk.text).replace("id:secret", venue.key["bob"].text)
    names = {name: getattr(client, name) for name in client.__all__} | {"print": say}
    exec(f"async def main():\n{textwrap.indent(block.replace(SYMBOL, venue.symbols[1]), '    ')}", names)
    return names["main"]


@pytest.mark.parametrize("number", range(len(HEARD)))
def test_blocks_are_run(number):
    said, enough = [], asyncio.Event()

    def say(*words):
        said.append(" ".join(map(str, words)))
        if re.search(HEARD[number], said[-1]):
            enough.set()

    async def main():
        async with running() as venue:
            venue.desk = generate_key("cat", ("copy",), ("ann", "bob"))
            venue.keys.add(venue.desk)
            running_block = asyncio.create_task(program(BLOCKS[number], venue, say)())
            async with connect(venue.url, venue.key["ann"]) as ann, connect(venue.url, venue.key["bob"], lane=2) as bob:
                await asyncio.sleep(0.2)
                await trade(ann, bob)
                await asyncio.wait([running_block, asyncio.ensure_future(enough.wait())], timeout=5,
                                   return_when=asyncio.FIRST_COMPLETED)  # fmt: skip
                assert not running_block.done(), running_block.exception()
                assert enough.is_set(), said
            running_block.cancel()
            await asyncio.gather(running_block, return_exceptions=True)

    run(main())


def test_every_block_is_run():
    assert len(BLOCKS) == len(HEARD)
