"""The checks of the clearinghouse can fail: each broken rule is noticed by the invariant that is about it."""

import random

import pytest
from clearing_checks import Checks
from clearing_mutants import MUTANTS
from clearing_venue import ClearedVenue, RandomDriver

from exchange.errors import InvariantViolation
from exchange.reference import ReferenceCore

SEEDS = (102, 107, 104, 155, 139, 153, 27, 36)


@pytest.mark.parametrize("mutate", MUTANTS, ids=lambda mutate: mutate.__name__)
def test_checks_notice_what_is_broken(mutate):
    noticed = None
    for seed in SEEDS:
        with pytest.MonkeyPatch.context() as patch:
            try:
                run_broken(seed, mutate, patch)
            except (AssertionError, InvariantViolation) as error:
                noticed = str(error)
                break
    assert noticed is not None, "nobody has noticed"
    assert any(name in noticed.replace(":", " ").split() for name in MUTANTS[mutate].split()), noticed


def run_broken(seed, mutate, patch):
    def look(engine):
        checks = Checks(engine)
        mutate(engine.house, patch)
        return checks

    percent = (100, 30, 12)[seed % 3] if seed < 100 else 100
    venue = ClearedVenue([ReferenceCore(orders_max=1 << 14)], look=look, percent=percent)
    RandomDriver(venue, random.Random(seed)).run(2_000)
