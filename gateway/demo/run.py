"""Runs the demonstration from the first listing to the proof that the journal replays."""

import asyncio
import contextlib
import random
import sys
from collections.abc import Coroutine, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table

from exchange.engine import Engine
from exchange.replay import replay
from gateway.client import ConnectionClosed, HourglassError
from gateway.demo import traders
from gateway.demo.demand import Job, drawn_jobs, traced_jobs
from gateway.demo.figures import Figures
from gateway.demo.tape import read_tape
from gateway.demo.venue import PRODUCTS, STOCK, Venue, open_venue
from gateway.demo.view import View
from gateway.journal.reader import Reader

PROVIDERS = ("provider-ash", "provider-birch", "provider-cedar")
MAKERS = ("maker-delta", "maker-echo")
BUYERS = ("lab-fern", "lab-grove", "lab-heath", "lab-iris")
TAPE = ("tape-rests", "tape-takes")
SPECTATOR = "spectator"
REFRESH_S = 0.25


@dataclass(frozen=True, slots=True)
class Options:
    """What the user asked for."""

    seconds: float
    seed: int
    plain: bool
    trace: Path | None
    lobster: Path | None
    keeps_journal: bool

    @property
    def fate(self) -> str:
        """What becomes of the journal."""
        return "kept" if self.keeps_journal else "removed at the end; --journal DIR keeps one"


def jobs_for(options: Options, buyer: int) -> Iterator[Job]:
    """Every buyer's share of the demand, one job in turn."""
    source: Iterable[Job] = (
        traced_jobs(options.trace) if options.trace else drawn_jobs(random.Random(options.seed))
    )
    return (job for number, job in enumerate(source) if number % len(BUYERS) == buyer)


def shown_symbols(venue: Venue, with_stock: bool) -> list[str]:
    """Return the instruments on the screen: three hours of each product."""
    symbols = [venue.symbol(product, hour) for product in PRODUCTS for hour in (2, 9, 16)]
    return [*symbols, venue.symbol(STOCK, 0)] if with_stock else symbols


def tasks_of(venue: Venue, options: Options, figures: Figures) -> list[Coroutine[Any, Any, None]]:
    """Everybody who trades."""
    seed = options.seed
    tasks = [traders.provide(venue, name, figures, seed + index) for index, name in enumerate(PROVIDERS)]
    tasks += [traders.make_market(venue, name, figures, seed + 10 + index) for index, name in enumerate(MAKERS)]
    tasks += [
        traders.buy(venue, name, jobs_for(options, index), figures, seed + 20 + index)
        for index, name in enumerate(BUYERS)
    ]
    if options.lobster:
        tasks.append(traders.replay_tape(venue, *TAPE, read_tape(options.lobster), figures))
    return tasks


async def show(view: View, options: Options, console: Console, over: asyncio.Event) -> None:
    """Draw until the time is up or somebody asks to stop."""
    live = None if options.plain else Live(view.screen(), console=console, auto_refresh=False, screen=False)
    with live or contextlib.nullcontext():
        waited_s = 0.0
        while waited_s < options.seconds and not over.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(over.wait(), REFRESH_S if live else 1.0)
            waited_s = view.measure()
            if live:
                live.update(view.screen(), refresh=True)
            else:
                console.print(view.line(), highlight=False, soft_wrap=True)


async def trade(venue: Venue, options: Options, figures: Figures, console: Console, over: asyncio.Event) -> None:
    """Run the traders and the view; raise what went wrong with either."""
    shown = shown_symbols(venue, options.lobster is not None)
    view = View(venue, figures, shown, options.seconds)
    watching = asyncio.create_task(traders.observe(venue, SPECTATOR, shown, figures))
    running = [asyncio.create_task(task) for task in tasks_of(venue, options, figures)]
    for task in running:
        task.add_done_callback(lambda ended: over.set() if not ended.cancelled() and ended.exception() else None)
    await show(view, options, console, over)
    for task in (*running, watching):
        task.cancel()
    for ended in await asyncio.gather(*running, watching, return_exceptions=True):
        if isinstance(ended, Exception) and not isinstance(ended, ConnectionClosed):
            raise ended
    if venue.failures:
        raise venue.failures[0]


def summary(figures: Figures, venue: Venue, commands: int) -> Table:
    """Tell what happened."""
    core = venue.engine.core
    accounts = len(venue.engine.catalogue.accounts) + 1
    total = sum(core.balance(number) for number in range(accounts)) + core.external_balance()
    table = Table(title="The run", show_header=False)
    table.add_column("what")
    table.add_column("figure", overflow="fold")
    rows = [
        ("seconds", f"{figures.elapsed_s:.1f}"),
        ("orders sent (a quote leg is two)", f"{figures.orders:,}"),
        ("refused", f"{figures.refused:,} {figures.refusals or ''}"),
        ("trades", f"{figures.trades:,}, {figures.lots_traded:,} lots"),
        ("jobs", f"{figures.jobs:,} wanting {figures.hours_wanted:,} window-hours"),
        ("answer to an order", f"p50 {figures.latency_ms(0.5):.2f} ms, p99 {figures.latency_ms(0.99):.2f} ms"),
        ("messages of the tape", f"{figures.tape_messages:,}"),
        ("sum of all accounts, micro-dollars", str(total)),
        ("commands in the journal", f"{commands:,}"),
    ]
    for row in rows:
        table.add_row(*row)
    return table


async def run(options: Options, directory: Path, over: asyncio.Event) -> bool:
    """Run the demonstration; return whether the journal replayed to the state that was live."""
    console = Console()
    products = [*PRODUCTS, STOCK] if options.lobster else list(PRODUCTS)
    accounts = [*PROVIDERS, *MAKERS, *BUYERS, *TAPE, SPECTATOR]
    venue = await open_venue(directory, accounts, products)
    opened = f"The exchange is open on {venue.url}; its journal is in {directory} ({options.fate})."
    console.print(opened, highlight=False, soft_wrap=True)
    figures = Figures()
    try:
        await trade(venue, options, figures, console, over)
    except* HourglassError as group:
        for error in group.exceptions:
            print(f"a trader gave up: {error}", file=sys.stderr)
    finally:
        live = await venue.stop()
    console.print("Stopped. Replaying the journal ...", highlight=False)
    again = Engine()
    result = replay(again, Reader(str(directory)))
    replayed = again.state_hash()
    console.print(summary(figures, venue, result.commands))
    console.print(f"state hash, live      {live}", highlight=False, soft_wrap=True)
    console.print(f"state hash, replayed  {replayed}", highlight=False, soft_wrap=True)
    if live == replayed:
        console.print("[green]The hashes are equal:[/] the journal gives the same state, bit for bit.")
    else:
        console.print("[red]The hashes differ.[/]")
    return live == replayed
