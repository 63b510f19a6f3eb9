"""Simulation of the clearinghouse: ``python -m tests.model.clearing_sim --seed 7 --commands 1000000``.

The commands are made from the seed, one venue after another. The reference and the compiled core run side by side:
events are compared after every command, states every now and then, and every other venue is looked at with all
invariants. The first line names seed and commit; a failure ends with the command line that repeats it.
"""

import argparse
import random
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from clearing_checks import Checks  # noqa: E402
from clearing_venue import ClearedVenue, RandomDriver  # noqa: E402
from sim import commit, compiled_core, say  # noqa: E402

from exchange.reference import ReferenceCore  # noqa: E402

COMMANDS_MAX = 4_000  # Of one venue: by then most have defaulted.
COMPARE_EVERY = 500  # Commands between two looks at the states.
ORDERS_MAX = 1 << 14
TERMS = {
    "hand_over_s": (0, 1, 61, 450, 3_000), "surcharge_bps": (0, 333, 1_000, 10_000),
    "cap_bps": (10_000, 15_000, 40_000),
    "settle_lag_s": (0, 60, 300), "contract_ppm": (1_000_000, 899_999), "call_lots": (1, 3, 256), "call_s": (1, 120),
    "cover_cap_bps": (0, 100, 4_000, 20_000), "deductible_s": (0, 120, 1_000), "grace_s": (0, 120),
    "slippage_bps": (0, 500, 5_000), "levy_ppm": (0, 1_999), "gang_ppm": (0, 500_000), "low_intervals": (1, 3),
    "fee_micros": (0, 1_001, 5_000_000), "standby_ppm": (0, 20_000, 1_000_000), "mark_band_bps": (100, 1_000, 5_000),
}  # fmt: skip
HOUSE = {
    "mark_interval_s": (1, 60, 600), "call_deadline_s": (1, 600, 7_200), "full_lots": (1, 2, 50),
    "disposal_s": (0, 300), "auction_s": (1, 300, 3_000), "fund_ppm": (0, 20_000, 500_000),
    "slice_ppm": (1, 250_000, 1_000_000),
}  # fmt: skip


def main(arguments=None):
    """Run until the commands are used up or something is wrong; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=None, help="of the first venue; a new one if it is not given")
    parser.add_argument("--commands", type=int, default=200_000, help="how many in all")
    given = parser.parse_args(arguments)
    seed = random.SystemRandom().randrange(1 << 32) if given.seed is None else given.seed
    say(f"seed={seed} commit={commit()}")
    other = compiled_core()
    say("the compiled core beside the reference" if other else "ext.core is not built: the reference alone")
    started, done = time.monotonic(), 0
    while done < given.commands:
        count = min(COMMANDS_MAX, given.commands - done)
        try:
            done += run_one(seed, count, other)
        except Exception:
            say(f"failed; once more: python -m tests.model.clearing_sim --seed {seed} --commands {count}")
            raise
        say(f"seed={seed} {done} commands, {int(time.monotonic() - started)} s")
        seed += 1
    return 0


def run_one(seed, count, other):
    """Run one venue from a seed, compared and looked at; return how many commands it took."""
    cores = [ReferenceCore(orders_max=ORDERS_MAX)] + ([other(orders_max=ORDERS_MAX)] if other else [])
    draw = random.Random(seed)
    look = Checks if draw.random() < 0.5 else None
    terms = {name: draw.choice(choices) for name, choices in TERMS.items()} if draw.random() < 0.7 else {}
    house = {name: draw.choice(choices) for name, choices in HOUSE.items()} if draw.random() < 0.7 else {}
    venue = ClearedVenue(cores, look, percent=draw.choice((100, 30, 12)), terms=terms, house=house)
    driver = RandomDriver(venue, draw)
    for until in range(COMPARE_EVERY, count + COMPARE_EVERY, COMPARE_EVERY):
        driver.run(min(until, count))
        venue.compare()
    return len(venue.journal)


if __name__ == "__main__":
    sys.exit(main())
