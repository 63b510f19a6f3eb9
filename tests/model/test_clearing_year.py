"""Two weeks of the year's simulation: nobody but the providers who failed pays, on both cores the same."""

from clearing_year import Year

from exchange.clearing.words import CaseKind
from exchange.reference import ReferenceCore


def test_failures_of_two_weeks_end_in_the_first_layer(compiled_core):
    year = Year(1, 8_192, compiled_core())
    year.run(14 * 24)
    assert year.total() == 0
    assert year.refused == 0
    assert set(year.kinds) == {CaseKind.UNIT}
    assert year.kinds[CaseKind.UNIT] > 30
    assert year.share_ppm() >= 990_000


def test_a_day_is_the_same_on_both_cores(compiled_core):
    hashes = []
    for core in (ReferenceCore(), compiled_core()):
        year = Year(2, 2_048, core)
        year.run(24)
        hashes.append(year.engine.state_hash())
    assert hashes[0] == hashes[1]
