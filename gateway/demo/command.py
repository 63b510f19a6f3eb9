"""The command line of the demonstration."""

import asyncio
import contextlib
import signal
import sys
import tempfile
from pathlib import Path

import click
import uvloop

from gateway.demo.demand import TraceError, open_trace
from gateway.demo.run import Options, run
from gateway.demo.tape import TapeError, read_tape

MISMATCH = 1


@click.command()
@click.option("--seconds", type=click.FloatRange(1, 86_400), default=30.0, show_default=True, help="How long to trade.")
@click.option("--seed", type=int, default=1, show_default=True, help="Of everything that is drawn.")
@click.option(
    "--speed", type=click.IntRange(1, 3_600), default=240, show_default=True,
    help="How fast the market's clock runs: 240 is an hour of it in 15 seconds, 1 real time.",
)  # fmt: skip
@click.option("--plain", is_flag=True, help="Lines instead of a live screen; the default where there is no terminal.")
@click.option("--journal", type=click.Path(path_type=Path), help="Keep the journal in this new directory.")
@click.option(
    "--trace", type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Demand from openb_pod_list_default.csv[.gz] of the Alibaba cluster trace in this directory.",
)  # fmt: skip
@click.option(
    "--lobster", type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Replay a LOBSTER message file (csv or csv.gz) into one more instrument.",
)  # fmt: skip
def demo(
    seconds: float, seed: int, speed: int, plain: bool, journal: Path | None, trace: Path | None, lobster: Path | None
) -> None:
    """Run a whole venue for half a minute and prove that its journal replays.

    Providers sell the certified capacity of a week of hours in five fabrics, makers quote the coming day, buyers'
    demand follows a GPU cluster's jobs, and labs buy days, weekends and weeks as blocks. All of them are real sessions
    on loopback; nothing outside this machine is touched. The market's clock runs fast, so that closing calls, gates,
    node assignments and settlements can be seen; faster than real time it begins at 28 minutes past the present hour,
    and the first gate closes 17 minutes of market time later.

    \b
    Examples:
      hourglass demo
      hourglass demo --seconds 10 --seed 7 --plain
      hourglass demo --seconds 60 --speed 1200
      hourglass demo --journal ./demo-journal && hourglass replay ./demo-journal --verify
    """  # noqa: D301
    try:
        if trace:
            open_trace(trace)
        if lobster:
            next(read_tape(lobster), None)
    except (TraceError, TapeError) as error:
        raise click.UsageError(str(error)) from error
    options = Options(seconds, seed, speed, plain or not sys.stdout.isatty(), trace, lobster, journal is not None)
    with contextlib.ExitStack() as stack:
        directory = journal or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hourglass-demo-")))
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                equal = runner.run(_run(options, directory))
        except FileExistsError as error:
            raise click.UsageError(str(error)) from error
    sys.exit(0 if equal else MISMATCH)


async def _run(options: Options, directory: Path) -> bool:
    over = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, over.set)
    return await run(options, directory, over)
