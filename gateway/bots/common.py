"""What the bots have in common: their options, the hours they look at, and how they run until somebody stops them."""

import asyncio
import contextlib
import functools
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine
from decimal import Decimal, InvalidOperation
from typing import Any

import click
import uvloop

from gateway.client import HourglassError, InstrumentInfo, Phase, Session, StateLost, connect

URL = "ws://127.0.0.1:8080/ws/v1"
STILL_TO_COME = (Phase.OPEN, Phase.CONTINUOUS, Phase.PRECLOSE, Phase.VOLATILITY, Phase.HALTED)
Work = Callable[[Session], Awaitable[None]]


def decimal(text: str) -> Decimal:
    """Read a decimal number, exact. Raises ValueError for anything else."""
    try:
        number = Decimal(text)
    except InvalidOperation as error:
        raise ValueError(f"{text!r} is no decimal number") from error
    if not number.is_finite():
        raise ValueError(f"{text!r} is no finite number")
    return number


def bot_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of every bot."""
    options = (
        click.option(
            "--url", envvar="HOURGLASS_URL", default=URL, show_default=True, help="Its WebSocket; or set HOURGLASS_URL."
        ),
        click.option("--key", envvar="HOURGLASS_KEY", required=True, help="id:secret; or set HOURGLASS_KEY."),
        click.option("--lane", type=click.IntRange(0, 255), default=0, show_default=True, help="One bot holds a lane."),
        click.option("--product", required=True, help="Such as H100-SXM.IB400.cuda12.T1."),
        click.option("--fabric", required=True, help="Such as use1-f01."),
        click.option("--seconds", type=click.FloatRange(0), default=0, help="How long to run; 0: until it is stopped."),
    )
    return functools.reduce(lambda made, option: option(made), reversed(options), command)


def run(work: Work, *, url: str, key: str, lane: int, seconds: float, **terms: Any) -> None:
    """Run a bot until SIGINT, SIGTERM or the end of its time."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            runner.run(_run(work, url, key, lane, seconds, terms))
        except (HourglassError, OSError) as error:
            raise click.ClickException(str(error)) from error


async def _run(work: Work, url: str, key: str, lane: int, seconds: float, terms: dict[str, Any]) -> None:
    task = asyncio.ensure_future(work_for_ever(work, url, key, lane=lane, **terms))
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    with contextlib.suppress(asyncio.CancelledError, TimeoutError):
        await asyncio.wait_for(task, seconds or None)


async def work_for_ever(work: Work, url: str, key: str, **terms: Any) -> None:
    """Give the bot a session; and a new one, to begin anew, when the state of the last one was lost."""
    while True:
        try:
            async with connect(url, key, **terms) as session:
                await work(session)
                return
        except StateLost:
            say("the state of the session is lost; beginning anew")


async def together(*works: Coroutine[Any, Any, None]) -> None:
    """Run coroutines until one fails or is cancelled; then end the others, and raise what it raised."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def coming(session: Session, product: str, fabric: str, count: int) -> list[InstrumentInfo]:
    """Return the next windows of a fabric whose gates are still to close, the earliest first."""
    prefix = f"{product}.{fabric}@"
    found = (one for one in session.instruments if one.symbol.startswith(prefix) and one.state in STILL_TO_COME)
    return sorted(found, key=lambda one: one.start_ts)[:count]


def say(text: str) -> None:
    """Print a line at once."""
    print(text, file=sys.stdout, flush=True)
