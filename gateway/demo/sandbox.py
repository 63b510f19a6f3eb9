"""`hourglass sandbox`: a venue to try things on, with sellers and makers in it and a key for the one who tries."""

import asyncio
import contextlib
import os
import signal
import tempfile
from pathlib import Path

import click
import uvloop

from gateway.client import ConnectionClosed, connect
from gateway.demo.clearing import keep_beating
from gateway.demo.figures import Figures
from gateway.demo.makers import HABITS, make_market
from gateway.demo.products import DOGWOOD, ELM, PRODUCTS, PROVIDERS
from gateway.demo.providers import provide
from gateway.demo.venue import Venue, open_venue
from gateway.failures import CONFIGURATION, Failure

YOU = "you"
LOOK_S = 0.05
REQUOTE_S = 2.0  # Slower than in the demonstration: a sandbox may run for days, and its journal grows with every quote.


@click.command()
@click.option("--port", type=click.IntRange(0, 65_535), default=8080, show_default=True, help="0: the system chooses.")
@click.option(
    "--env", "env_path", type=click.Path(dir_okay=False, path_type=Path), default=Path("sandbox.env"),
    show_default=True, help="Where to write HOURGLASS_URL and HOURGLASS_KEY for the shell.",
)  # fmt: skip
@click.option("--journal", type=click.Path(path_type=Path), help="Keep the journal in this new directory.")
@click.option("--speed", type=click.IntRange(1, 3_600), default=1, show_default=True, help="Of the market's clock.")
@click.option("--seed", type=int, default=1, show_default=True, help="Of everything that is drawn.")
def sandbox(port: int, env_path: Path, journal: Path | None, speed: int, seed: int) -> None:
    """Run a venue with sellers and market makers until SIGINT or SIGTERM, and write down a key to trade with.

    Three providers sell a week of hours in five fabrics, two makers quote the coming day. The account ``you`` has ten
    million dollars of play money. Everything is on loopback, and gone at the end unless --journal keeps it.

    \b
    Example:
      hourglass sandbox
      . ./sandbox.env && hourglass bot maker --product L40S.NONE.cuda12.T1 --fabric euw1-f01 --price 0.86
    """  # noqa: D301
    with contextlib.ExitStack() as stack:
        directory = journal or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hourglass-sandbox-")))
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(_run(directory, port, env_path, speed, seed))
        except FileExistsError as error:
            raise click.UsageError(str(error)) from error


async def _run(directory: Path, port: int, env_path: Path, speed: int, seed: int) -> None:
    over = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, over.set)
    accounts = [*PROVIDERS, DOGWOOD, ELM, *(habit.account for habit in HABITS), YOU]
    try:
        venue = await open_venue(directory, accounts, with_stock=False, seed=seed, speed=speed, port=port)
    except OSError as error:
        if isinstance(error, FileExistsError):
            raise
        raise Failure(f"port {port} cannot be used: {error}; choose another with --port", CONFIGURATION) from error
    try:
        await _populate(venue, env_path, seed, over)
    finally:
        await venue.stop()
    click.echo("the sandbox is closed")


async def _populate(venue: Venue, env_path: Path, seed: int, over: asyncio.Event) -> None:
    """Let everybody trade until it is over; raise what ends one of them before."""
    figures = Figures()
    works = [provide(venue, name, figures, seed + index) for index, name in enumerate(PROVIDERS)]
    works += [keep_beating(venue, name) for name in PROVIDERS]
    works += [
        make_market(venue, habit, figures, seed + 10 + index, requote_s=REQUOTE_S)
        for index, habit in enumerate(HABITS)
    ]
    tasks = [asyncio.create_task(work) for work in works]
    for task in tasks:
        task.add_done_callback(lambda _: over.set())  # None of them ends by itself.
    tasks.append(asyncio.create_task(_welcome(venue, env_path)))
    try:
        await over.wait()
    finally:
        for task in tasks:
            task.cancel()
        endings = await asyncio.gather(*tasks, return_exceptions=True)
    for ending in (*endings, *venue.failures):
        if isinstance(ending, Exception) and not isinstance(ending, ConnectionClosed):
            raise ending


async def _welcome(venue: Venue, env_path: Path) -> None:
    """Say that one may begin, once there is somebody to trade with."""
    await _until_stocked(venue)
    _write_down(env_path, venue)
    click.echo(f"sandbox on {venue.url}; your key is in {env_path}; stop it with Ctrl-C")


async def _until_stocked(venue: Venue) -> None:
    """Wait until the coming hours have two sides."""
    product = PRODUCTS[0]
    async with connect(venue.url, venue.keys[YOU]) as session:
        for window in (venue.next_window + 1, venue.next_window + 23):
            prices = await session.best_prices(product.symbol(window))
            while not (prices.bid_qty and prices.ask_qty):
                await asyncio.sleep(LOOK_S)
                prices = await session.best_prices(product.symbol(window))


def _write_down(path: Path, venue: Venue) -> None:
    """Write the address and the key, for its owner only."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(f"export HOURGLASS_URL={venue.url}\nexport HOURGLASS_KEY={venue.keys[YOU].text}\n")
