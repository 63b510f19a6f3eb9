"""What a provider is paid for what ran (CLR-MTR rules of docs/spec/settlement.md)."""

from fractions import Fraction
from math import floor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.clearing.metering import Meter, effective, is_low, pay

FULL = 1_000_000


@pytest.mark.parametrize(
    ("rating", "contract", "counted"),
    [
        (1_020_000, FULL, 60_000_000),
        (1_000_000, FULL, 60_000_000),
        (950_000, FULL, 57_000_000),
        (900_000, FULL, 54_000_000),
        (899_999, FULL, 0),
        (0, FULL, 0),
        (1_000_000, 1_200_000, 0),
        (1_080_000, 1_200_000, 64_800_000),
        (1_300_000, 1_200_000, 72_000_000),
    ],
)
def test_what_an_interval_counts_clr_mtr_001(rating, contract, counted):
    assert effective(60, rating, contract) == counted
    assert is_low(rating, contract) == (counted == 0)


@pytest.mark.parametrize("bad", [(-1, 1, 1), (1, -1, 1), (1, 1, 0)])
def test_impossible_intervals_are_refused_clr_mtr_001(bad):
    with pytest.raises(ValueError, match="must not be negative"):
        effective(*bad)


def test_example_clr_mtr_001_clr_mtr_002():
    meter, total = Meter(), 8 * 2_350_000 * 8
    for minutes, rating in ((240, 1_020_000), (180, 950_000), (60, 850_000)):
        for _ in range(minutes):
            meter = meter.after(60, rating, FULL)
    assert meter.effective == 24_660 * FULL
    assert (total, pay(total, meter.effective, 28_800 * FULL)) == (150_400_000, 128_780_000)


def test_whole_window_pays_all_and_nothing_pays_nothing_clr_mtr_002():
    assert pay(150_400_001, 28_800 * FULL, 28_800 * FULL) == 150_400_001
    assert pay(150_400_001, 0, 28_800 * FULL) == 0
    assert pay(10, 2, 3) == 6


@pytest.mark.parametrize("bad", [(1, 4, 3), (1, -1, 3), (-1, 1, 3), (1, 0, 0)])
def test_nobody_earns_more_than_all_clr_mtr_002(bad):
    with pytest.raises(ValueError, match="effective must be from 0 to full"):
        pay(*bad)


@given(st.integers(0, 1 << 62), st.lists(st.integers(0, 1_200_000), min_size=1, max_size=60))
def test_pay_by_intervals_is_pay_of_the_sum_clr_mtr_002(total, ratings):
    meter, paid = Meter(), 0
    for rating in ratings:
        meter = meter.after(60, rating, FULL)
        earned = pay(total, meter.effective, 60 * len(ratings) * FULL)
        assert earned >= paid
        paid = earned
    good = sum(min(Fraction(rating, FULL), 1) for rating in ratings if rating >= 900_000)
    assert paid == floor(Fraction(total) * good / len(ratings)) <= total


@pytest.mark.parametrize(
    ("ratings", "low", "failed"),
    [("gllg", 0, False), ("llgll", 2, False), ("lll", 3, True), ("glllg", 0, True), ("", 0, False)],
)
def test_three_low_intervals_in_a_row_have_failed_clr_mtr_003(ratings, low, failed):
    meter = Meter()
    for letter in ratings:
        meter = meter.after(60, FULL if letter == "g" else 899_999, FULL)
    assert (meter.low_in_row, meter.failed) == (low, failed)


def test_how_many_low_intervals_is_a_parameter_clr_mtr_003():
    assert Meter().after(60, 0, FULL, low_intervals=1).failed
    assert not Meter(0, 3).after(60, 0, FULL, low_intervals=5).failed
