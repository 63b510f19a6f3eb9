"""Simulation of the whole market: ``python -m tests.model.sim --seed 7`` runs the two cores side by side.

The commands are made from the seed, one mixture after another: each mixture is of its own venue, with limits, margins
and kinds of commands drawn at random. The cores are compared after every batch; brute force looks at the reference
every now and then. The first line names seed and commit; a failure ends with the command line that repeats it.
"""

import argparse
import random
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from market_flow import MarketFlow  # noqa: E402
from twin import TINY, Twins  # noqa: E402
from watched import ROOMY, Watched  # noqa: E402

from exchange.reference import ReferenceCore  # noqa: E402

BATCHES_MAX = 400  # Of one venue.
COUNT = 50  # Commands of a batch.


def main(arguments=None):
    """Run until the commands are used up or something is wrong; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=None, help="of the first mixture; a new one if it is not given")
    parser.add_argument("--commands", type=int, default=1_000_000, help="how many in all")
    given = parser.parse_args(arguments)
    seed = random.SystemRandom().randrange(1 << 32) if given.seed is None else given.seed
    say(f"seed={seed} commit={commit()}")
    other = compiled_core()
    say("the compiled core beside the reference" if other else "ext.core is not built: the reference alone")
    started, done, events = time.monotonic(), 0, 0
    while done < given.commands:
        batches = min(BATCHES_MAX, -(-(given.commands - done) // COUNT))
        try:
            events += run_one(seed, batches, other)
        except Exception:
            say(f"failed; once more: make sim SEED={seed} COMMANDS={batches * COUNT}")
            raise
        done += batches * COUNT
        say(f"seed={seed} {done} commands, {events} events, {int(time.monotonic() - started)} s")
        seed += 1
    return 0


def run_one(seed, batches, other):
    """Run one venue from a seed; return the number of its events."""
    draw = random.Random(seed)
    limits = TINY if draw.random() < 0.2 else ROOMY
    flow = MarketFlow(seed, accounts=draw.choice((4, 6, 12)), prices=draw.choice((3, 5, 9)),
                      margined=draw.random() < 0.6, swarm=draw.random() < 0.8)  # fmt: skip
    if draw.random() < 0.75 and other:  # Most venues are for the comparison alone, which is fast.
        return run_twins(Twins(ReferenceCore(**limits), other(**limits)), flow, batches)
    watched = Watched(other(**limits) if other else None, limits=limits)
    return watched.run(flow, batches=batches, count=COUNT, look_every=20)


def run_twins(twins, flow, batches):
    """Run a flow through twins."""
    events = twins.apply(flow.opening(), flow.now_ns)
    flow.learn(events)
    total = len(events)
    for _ in range(batches):
        events = twins.apply(*flow.batch(COUNT))
        flow.learn(events)
        total += len(events)
    return total


def compiled_core():
    """Return the compiled core's class, or None where it is not built."""
    try:
        from ext.core import Core
    except ImportError:
        return None
    return Core


def commit():
    """Return the commit of the working tree, as far as it is known."""
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=HERE, capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or "unknown"


def say(text):
    """Print a line at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
