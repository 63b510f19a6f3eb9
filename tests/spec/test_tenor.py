"""Delivery add-on, prefunding and bond (CLR-DLV and CLR-BOND rules of docs/spec/margin.md)."""

from fractions import Fraction
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.clearing.tenor import (
    addon_in_delivery,
    bond,
    bond_rate,
    buyer_prefund,
    delivery_addon,
    failure_quarters,
    provider_total,
)

HOUR = 3_600
LOTS, MARK, H = 64, 2_350_000, 8
EIGHT_HOURS = 8 * HOUR


@pytest.mark.parametrize(
    ("tau_h", "micros"),
    [(96, 0), (72, 0), (48, 200_533_334), (24, 401_066_667), (6, 551_466_667), (0, 601_600_000)],
)
def test_addon_rises_to_the_cap_at_the_start_clr_dlv_001(tau_h, micros):
    assert delivery_addon(LOTS, MARK, H, 15_000, tau_h * HOUR, 72 * HOUR) == micros


@given(
    lots=st.integers(0, 1 << 30), mark=st.integers(0, 1 << 30), cap=st.integers(10_000, 50_000),
    tau=st.integers(0, 10**6), horizon=st.integers(1, 10**6),
)  # fmt: skip
def test_addon_is_the_fraction_rounded_up_clr_dlv_001(lots, mark, cap, tau, horizon):
    share = max(Fraction(0), 1 - Fraction(tau, horizon))
    exact = lots * mark * H * (Fraction(cap, 10_000) - 1) * share
    assert delivery_addon(lots, mark, H, cap, tau, horizon) == ceil(exact)
    assert delivery_addon(lots, mark, H, cap, tau + 1, horizon) <= ceil(exact)


@pytest.mark.parametrize(
    ("remaining_s", "micros"),
    [(28_800, 601_600_000), (21_600, 451_200_000), (3_600, 75_200_000), (600, 75_200_000), (1, 75_200_000), (0, 0),
     (-5, 0), (40_000, 601_600_000)],
)  # fmt: skip
def test_addon_in_delivery_is_for_what_is_left_an_hour_at_least_clr_dlv_002(remaining_s, micros):
    assert addon_in_delivery(LOTS, MARK, H, remaining_s, EIGHT_HOURS) == micros


def test_addon_of_an_hour_stays_whole_to_its_end_clr_dlv_002():
    assert {addon_in_delivery(LOTS, MARK, 1, left) for left in (3_600, 1_800, 1)} == {75_200_000}


def test_addon_does_not_jump_at_the_start_clr_dlv_001_clr_dlv_002():
    assert delivery_addon(7, 999_999, 3) == addon_in_delivery(7, 999_999, 3, EIGHT_HOURS, EIGHT_HOURS)


@pytest.mark.parametrize(("tau_h", "micros"), [(96, 300_800_000), (36, 752_000_000), (0, 1_203_200_000)])
def test_buyer_has_the_whole_price_at_the_start_clr_dlv_003(tau_h, micros):
    assert buyer_prefund(LOTS, MARK, H, 2_500, tau_h * HOUR) == micros


@given(lots=st.integers(0, 10**6), im=st.integers(0, 10_000), tau=st.integers(0, 100 * HOUR))
def test_prefund_is_the_fraction_rounded_up_clr_dlv_003(lots, im, tau):
    near = max(Fraction(0), 1 - Fraction(tau, 72 * HOUR))
    share = Fraction(im, 10_000) * (1 - near) + near
    assert buyer_prefund(lots, MARK, H, im, tau) == ceil(lots * MARK * H * share)


def test_provider_owes_the_greater_and_his_bond_clr_dlv_004():
    assert provider_total(500, 300, 70) == 570
    assert provider_total(300, 500, 70) == 570


@pytest.mark.parametrize(
    ("fails", "lot_windows", "rate", "micros"),
    [
        (0, 0, 400_000, 481_280_000),
        (0, 20, 174_999, 210_558_797),
        (0, 100, 40_383, 48_588_826),
        (0, 1_000, 20_000, 24_064_000),
        (2, 1_000, 20_000, 24_064_000),
        (30, 1_000, 66_931, 80_531_380),
        (1_000, 1_000, 400_000, 481_280_000),
    ],
)
def test_bond_follows_the_record_clr_bond_001_clr_bond_002(fails, lot_windows, rate, micros):
    assert bond_rate(4 * fails, lot_windows) == rate
    assert bond(LOTS, MARK, H, rate) == micros


def test_bond_is_rounded_up_clr_bond_002():
    assert bond(1, 1, 1, 20_000) == 1
    assert bond(0, MARK, H, 400_000) == 0


@pytest.mark.parametrize(("notice_s", "quarters"), [(86_400, 1), (10**6, 1), (86_399, 4), (0, 4), (-60, 4)])
def test_notice_of_a_day_counts_a_quarter_clr_bond_003(notice_s, quarters):
    assert failure_quarters(notice_s) == quarters


def test_four_announced_failures_are_one_that_was_not_clr_bond_003():
    assert bond_rate(4 * failure_quarters(86_400), 300) == bond_rate(failure_quarters(0), 300)
    # A quarter is not lost in rounding: (120 + 8) x 10^6 // 4016 = 31872, one quarter more 32121.
    assert [bond_rate(quarters, 1_000) for quarters in (120, 121)] == [66_931, 67_454]


@given(n=st.integers(0, 10_000), data=st.data())
def test_rate_never_falls_with_a_failure_or_rises_with_a_success_clr_bond_001(n, data):
    quarters = data.draw(st.integers(0, 4 * n))
    assert bond_rate(quarters, n + 1) <= bond_rate(quarters, n)
    assert bond_rate(quarters, n + 1) <= bond_rate(quarters + 1, n + 1)
    assert 20_000 <= bond_rate(quarters, n) <= 400_000


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        (lambda: delivery_addon(-1, 1, 1), "must not be negative"),
        (lambda: delivery_addon(1, 1, 1, tau_s=-1), "must not be negative"),
        (lambda: delivery_addon(1, 1, 1, horizon_s=0), "at least a second"),
        (lambda: delivery_addon(1, 1, 1, cap_bps=9_999), "cap must be at least 10000"),
        (lambda: addon_in_delivery(1, 1, 1, 60, 0), "at least a second"),
        (lambda: addon_in_delivery(1, 1, 1, 60, cap_bps=1), "cap must be at least"),
        (lambda: buyer_prefund(1, 1, 1, 10_001, 0), "margin must be from 0 to 10000"),
        (lambda: bond_rate(-1, 5), "failures must be from 0 to 20"),
        (lambda: bond_rate(21, 5), "failures must be from 0 to 20"),
        (lambda: bond(-1, 1, 1, 1), "must not be negative"),
    ],
)
def test_what_cannot_be_is_refused(wrong, text):
    with pytest.raises(ValueError, match=text):
        wrong()
