"""Covered rollback, compensation, premium (CLR-CKP, CLR-CMP, CLR-PRM rules of docs/spec/settlement.md)."""

from fractions import Fraction
from math import floor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.clearing.compensation import (
    Compensation,
    best_interval_s,
    compensation,
    covered_rollback_s,
    expected_failures_ppm,
    fair_premium,
    gang_mtbf_s,
    hours_per_failure,
    premium,
    stall,
)

PRICE = 2_350_000
NO_CAP = 1 << 62


@pytest.mark.parametrize(
    ("scu", "snapshot_s", "mtbf_s", "best_s"), [(1024, 30, 178_161, 3_269), (32, 10, 5_701_162, 10_678)]
)
def test_best_interval_of_a_gang_clr_ckp_001_clr_ckp_002(scu, snapshot_s, mtbf_s, best_s):
    assert gang_mtbf_s(scu) == mtbf_s
    assert best_interval_s(mtbf_s, snapshot_s) == best_s


@given(st.integers(1, 1 << 20), st.integers(0, 3_600), st.integers(1, 10**6))
def test_best_interval_is_the_root_rounded_down_clr_ckp_001_clr_ckp_002(scu, snapshot_s, rate):
    mtbf_s = gang_mtbf_s(scu, rate)
    assert mtbf_s * scu <= rate * 3_600 < (mtbf_s + 1) * scu
    best_s = best_interval_s(mtbf_s, snapshot_s)
    assert best_s**2 <= 2 * mtbf_s * snapshot_s < (best_s + 1) ** 2


@pytest.mark.parametrize(
    ("since", "declared", "best", "covered"),
    [
        (1_200, 1_800, 3_269, 1_200),
        (5_400, 3_600, 3_269, 3_600),
        (9_000, 8_000, 3_269, 6_538),
        (None, 1_801, 3_269, 900),
        (None, 20_000, 3_269, 6_538),
        (0, 1_800, 3_269, 0),
    ],
)
def test_covered_rollback_clr_ckp_003(since, declared, best, covered):
    assert covered_rollback_s(since, declared, best) == covered


@pytest.mark.parametrize("bad", [(-1, 5, 5), (1, -5, 5), (None, 5, -5)])
def test_negative_times_are_refused_clr_ckp_003(bad):
    with pytest.raises(ValueError, match="must not be negative"):
        covered_rollback_s(*bad)


@pytest.mark.parametrize(
    ("lots", "since", "declared", "restart", "total", "direct"),
    [
        (32, 1_200, 1_800, 300, 28_826_666, 3_760_000),
        (12, 5_400, 3_600, 180, 28_670_000, 470_000),
    ],
)
def test_examples_clr_cmp_001_clr_cmp_002(lots, since, declared, restart, total, direct):
    paid = compensation(PRICE, lots, 1, since, declared, 10, restart, 120, NO_CAP)
    assert paid == Compensation(direct, total - direct)
    assert paid.total == total


@pytest.mark.parametrize(
    ("since", "restart", "deductible", "cap", "paid"),
    [
        (10, 10, 5, NO_CAP, (5, 10)),
        (10, 10, 10, NO_CAP, (0, 10)),
        (10, 10, 15, NO_CAP, (0, 5)),
        (10, 10, 20, NO_CAP, (0, 0)),
        (10, 10, 99, NO_CAP, (0, 0)),
        (0, 0, 0, NO_CAP, (0, 0)),
        (10, 10, 0, 12, (10, 2)),
        (10, 10, 0, 7, (7, 0)),
        (10, 10, 0, 0, (0, 0)),
    ],
)
def test_deductible_and_cap_in_their_order_clr_cmp_001_clr_cmp_002(since, restart, deductible, cap, paid):
    assert compensation(3_600, 1, 1, since, 99, 10, restart, deductible, cap) == paid  # 1 u$ a second.


def test_lots_are_worth_their_scu_clr_cmp_001():
    assert compensation(3_600, 5, 8, 10, 99, 10, 10, 0, NO_CAP) == (400, 400)


times = st.integers(0, 20_000)


@given(st.integers(0, 10**8), st.integers(1, 5_000), st.one_of(st.none(), times), times, times, times,
       st.integers(0, 10**12))  # fmt: skip
def test_any_compensation_clr_cmp_001_clr_cmp_002(price, lots, since, declared, restart, deductible, cap):
    paid = compensation(price, lots, 1, since, declared, 30, restart, deductible, cap)
    covered = covered_rollback_s(since, declared, best_interval_s(gang_mtbf_s(lots), 30))
    exact = Fraction(price * lots * max(0, covered + restart - deductible), 3_600)
    assert paid.total == min(cap, floor(exact))
    assert min(paid) >= 0
    assert paid.direct <= Fraction(price * lots * max(0, restart - deductible), 3_600)
    more = compensation(price, lots, 1, since, declared, 30, restart + 1, deductible, cap)
    assert more.total >= paid.total
    if since is not None:
        more = compensation(price, lots, 1, since + 1, declared, 30, restart, deductible, cap)
        assert more.total >= paid.total


@pytest.mark.parametrize(
    "changed", [{"price": -1}, {"lots": 0}, {"lots": -1}, {"restart_s": -1}, {"cap": -1}, {"hours_per_failure": 0}]
)
def test_impossible_failures_are_refused_clr_cmp_001(changed):
    right = {"price": 1, "lots": 1, "lot_scu": 1, "since_checkpoint_s": 1, "declared_s": 1, "snapshot_s": 1,
             "restart_s": 1, "deductible_s": 1, "cap": 1}  # fmt: skip
    compensation(**right)
    with pytest.raises(ValueError, match="must"):
        compensation(**(right | changed))


def test_idle_members_of_a_gang_are_paid_clr_cmp_003():
    assert stall(PRICE, 30, 8, 601, NO_CAP) == 94_156_666
    assert stall(PRICE, 30, 8, 601, 94_000_000) == 94_000_000
    assert stall(PRICE, 0, 8, 601, NO_CAP) == stall(PRICE, 30, 8, 0, NO_CAP) == 0
    with pytest.raises(ValueError, match="idle_s must not be negative, was -1"):
        stall(PRICE, 30, 8, -1, NO_CAP)


def test_example_clr_prm_001_clr_prm_002():
    assert expected_failures_ppm(1024, 24) == 484_954
    mean = compensation(PRICE, 1024, 1, 900, 1_800, 30, 600, 120, NO_CAP).total
    assert mean == 922_453_333
    assert fair_premium(1024, 24, mean) == 447_347_181
    assert premium(1024, 24, mean) == 447_347_182  # Who owes it pays the fraction.
    assert premium(1024, 24, mean, load_bps=2_500) == 559_183_977


@given(st.integers(0, 5_000), st.integers(0, 200), st.integers(0, 10**12), st.integers(0, 20_000),
       st.integers(1, 10**6))  # fmt: skip
def test_premium_covers_what_is_expected_clr_prm_001_clr_prm_002(scu, hours, mean, load, rate):
    exact = Fraction(scu * hours * mean, rate) * Fraction(10_000 + load, 10_000)
    assert 0 <= premium(scu, hours, mean, load, rate) - exact < 1
    assert fair_premium(scu, hours, mean, rate) == floor(Fraction(scu * hours * mean, rate))
    assert 0 <= expected_failures_ppm(scu, hours, rate) - Fraction(scu * hours * 1_000_000, rate) < 1


def test_impossible_cover_is_refused_clr_prm_001_clr_prm_002():
    for call in (lambda: premium(1, 1, 1, 0, 0), lambda: fair_premium(1, 1, 1, 0), lambda: gang_mtbf_s(1, 0)):
        with pytest.raises(ValueError, match="hours per failure must be at least 1, were"):
            call()
    with pytest.raises(ValueError, match="load_bps must not be negative, was -1"):
        premium(1, 1, 1, -1)


@pytest.mark.parametrize(
    ("hours", "failures", "rate"),
    [(0, 0, 50_677), (0, 1, 25_338), (50_677, 1, 50_677), (949_323, 99, 10_000), (1_000_000, 0, 1_050_677)],
)
def test_rate_of_the_own_logs_clr_prm_003(hours, failures, rate):
    assert hours_per_failure(hours, failures) == rate
