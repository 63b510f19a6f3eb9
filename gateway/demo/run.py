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
from gateway.demo.attendance import trader
from gateway.demo.blocks import PLANS, buy_blocks
from gateway.demo.buyers import buy_hours
from gateway.demo.clearing import keep_beating, provide_and_die, stand_by
from gateway.demo.demand import Job, drawn_jobs, traced_jobs
from gateway.demo.figures import Figures, dollars
from gateway.demo.makers import HABITS, make_market
from gateway.demo.products import DOGWOOD, ELM, PROVIDERS
from gateway.demo.providers import provide
from gateway.demo.spectator import observe
from gateway.demo.tape import read_tape
from gateway.demo.tape_flow import replay_tape
from gateway.demo.venue import Venue, open_venue
from gateway.demo.view import View, shown_symbols
from gateway.journal.reader import Reader

BUYERS = tuple(PLANS)
TAPE = ("tape-rests", "tape-takes")
SPECTATOR = "spectator"
REFRESH_S = 0.25


@dataclass(frozen=True, slots=True)
class Options:
    """What the user asked for."""

    seconds: float
    seed: int
    speed: int
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


def tasks_of(venue: Venue, options: Options, figures: Figures) -> list[Coroutine[Any, Any, None]]:
    """Everybody who trades."""
    seed = options.seed
    tasks = [provide(venue, name, figures, seed + index) for index, name in enumerate(PROVIDERS)]
    tasks += [keep_beating(venue, name) for name in PROVIDERS]
    tasks += [provide_and_die(venue, figures), stand_by(venue, figures, seed + 40)]
    tasks += [make_market(venue, habit, figures, seed + 10 + index) for index, habit in enumerate(HABITS)]
    tasks += [
        buy(venue, name, jobs_for(options, index), figures, seed + 20 + 10 * index)
        for index, name in enumerate(BUYERS)
    ]
    if options.lobster:
        tasks.append(replay_tape(venue, *TAPE, read_tape(options.lobster), figures))
    return tasks


async def buy(venue: Venue, account: str, jobs: Iterator[Job], figures: Figures, seed: int) -> None:
    """Be a lab: buy the hours of jobs and, beside it, blocks by some plans."""
    async with trader(venue, account, figures) as session, asyncio.TaskGroup() as group:
        group.create_task(buy_hours(venue, session, jobs, figures, seed))
        for number, plan in enumerate(PLANS[account], 1):
            group.create_task(buy_blocks(venue, session, account, plan, figures, seed + number))


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
                say(console, view.lines())


def say(console: Console, lines: Iterable[str]) -> None:
    """Print lines as they are."""
    for line in lines:
        console.print(line, highlight=False, markup=False, soft_wrap=True)


async def trade(venue: Venue, options: Options, figures: Figures, console: Console, over: asyncio.Event) -> None:
    """Run the traders and the view; raise what went wrong with either."""
    view = View(venue, figures, options.seconds)
    watching = asyncio.create_task(observe(venue, SPECTATOR, lambda: shown_symbols(venue), figures))
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


def by_hours(figures: Figures) -> str:
    """Write how many matches blocks had, by the hours they are over."""
    return ", ".join(f"{hours}h: {count}" for hours, count in sorted(figures.block_fills.items())) or "none"


def widest(figures: Figures) -> str:
    """Write the block fill over the most windows."""
    fill = figures.widest
    if fill is None:
        return "none"
    return f"{fill.hours} windows with one match id, {fill.match_id}: {fill.lots} lots of {fill.account}"


def summary(figures: Figures, venue: Venue, commands: int) -> Table:
    """Tell what happened."""
    core = venue.engine.core
    accounts = len(venue.engine.catalogue.accounts) + 1
    total = sum(core.balance(number) for number in range(accounts)) + core.external_balance()
    total += venue.engine.house.state.ledger.total
    table = Table(title="The run", show_header=False)
    table.add_column("what")
    table.add_column("figure", overflow="fold")
    rows = [
        ("seconds", f"{figures.elapsed_s:.1f}"),
        ("orders sent (a quote leg is two)", f"{figures.orders:,}"),
        ("refused", f"{figures.refused:,} {figures.refusals or ''}"),
        ("trades", f"{figures.trades:,}, {figures.lots_traded:,} lots"),
        ("jobs", f"{figures.jobs:,} wanting {figures.hours_wanted:,} window-hours"),
        ("blocks", f"{figures.blocks_placed:,} placed, fills {by_hours(figures)}"),
        ("widest block fill", widest(figures)),
        ("gates closed", f"{figures.windows_gated:,} windows, {figures.nodes_assigned:,} nodes assigned"),
        ("traded in calls", f"{figures.lots_in_calls:,} lots"),
        ("orders ended by gates", f"{figures.ended_by_gates:,}"),
        ("bought in at gates", f"{figures.lots_bought_in:,} lots, {figures.lots_uncovered:,} were not to be had"),
        ("perished", f"{figures.lots_perished:,} lots of {figures.windows_settled:,} settled windows"),
        ("nodes failed",
         f"{figures.lots_failed} lots: {figures.lots_replaced} replaced, {figures.lots_in_cash} refunded"),
        ("substitutes cost", f"{dollars(figures.substitutes_cost)}, of which buyers pay {dollars(figures.buyers_pay)}"),
        ("paid for it", "; ".join(f"{who} {dollars(micros)}" for who, micros in figures.layers.items()) or "nobody"),
        ("makers' protection fired", f"{figures.protections:,} times"),
        ("answer to an order", f"p50 {figures.latency_ms(0.5):.2f} ms, p99 {figures.latency_ms(0.99):.2f} ms"),
        *([("messages of the tape", f"{figures.tape_messages:,}")] if venue.with_stock else []),
        ("sum of all accounts, micro-dollars", str(total)),
        ("commands in the journal", f"{commands:,}"),
    ]
    for row in rows:  # fmt: skip
        table.add_row(*row)
    return table


async def run(options: Options, directory: Path, over: asyncio.Event) -> bool:
    """Run the demonstration; return whether the journal replayed to the state that was live."""
    console = Console()
    accounts = [*PROVIDERS, DOGWOOD, ELM, *(habit.account for habit in HABITS), *BUYERS, *TAPE, SPECTATOR]
    with_stock = options.lobster is not None
    venue = await open_venue(directory, accounts, with_stock=with_stock, seed=options.seed, speed=options.speed)
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
