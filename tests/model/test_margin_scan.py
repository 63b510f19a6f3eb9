"""The scan over many accounts against margin in plain integers, one account after another (CLR-SCAN-006)."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from exchange.clearing.margin import Column, initial_margin
from exchange.clearing.scan import CHUNK_ACCOUNTS, scan
from exchange.units import MONEY_MAX

LOTS = st.one_of(st.integers(-200, 200), st.integers(-(1 << 31), 1 << 31), st.sampled_from([0, 1, -1, 823_564]))
HUGE = st.sampled_from([(1 << 63) - 1, -(1 << 63), 1 << 53, (1 << 53) + 1])


@st.composite
def markets(draw):
    windows, scenarios = draw(st.integers(1, 6)), draw(st.integers(1, 7))
    lot_micros = draw(st.sampled_from([1, 8, 1_000_000, 8_000, 1 << 40]))
    shock = st.one_of(st.integers(-1_000_000, 10_000_000), st.sampled_from([0, 250_000, -250_000]))
    return [
        Column(draw(st.integers(0, 1 << 30)), lot_micros, tuple(draw(shock) for _ in range(scenarios)))
        for _ in range(windows)
    ]


def assert_same(positions, columns, floor, workers=1):
    found = scan(positions, columns, floor, workers)
    for row, held in enumerate(positions.tolist()):
        one = initial_margin(held, columns, floor)
        amounts = [int(part[row]) for part in (found.scan, found.gross, found.margin)]
        assert amounts == [min(amount, MONEY_MAX) for amount in (one.scan, one.gross, one.margin)]
        assert found.binding[row] == one.binding


@settings(max_examples=200, deadline=None)
@given(columns=markets(), data=st.data(), floor=st.integers(0, 1_000_000))
def test_scan_is_what_integers_say_clr_scan_006(columns, data, floor):
    lots = data.draw(st.sampled_from([LOTS, st.one_of(LOTS, HUGE)]))
    accounts = data.draw(st.lists(st.lists(lots, min_size=len(columns), max_size=len(columns)), max_size=6))
    assert_same(np.array(accounts, np.int64).reshape(-1, len(columns)), columns, floor)


@settings(max_examples=300, deadline=None)
@given(
    marks=st.lists(st.integers(1, 5_000_000), min_size=3, max_size=3), near=st.integers(-3, 3),
    shock=st.sampled_from([250_000, 333_334, 1, 999_999, 440_000]), lot=st.sampled_from([1, 7, 8, 8_000]),
)  # fmt: skip
@example(marks=[4_000_000, 1, 1], near=0, shock=999_999, lot=7)
def test_scan_rounds_as_integers_do_at_the_edge_of_exactness_clr_scan_006(marks, near, shock, lot):
    columns = [Column(mark, lot, (shock, -shock, 0)) for mark in marks]
    worst = [-(-mark * lot * shock // 1_000_000) for mark in marks]
    edge = (1 << 52) // (4 * sum(worst))  # About the largest position that is still counted in float64.
    held = [[edge + near, -edge, edge], [edge // 2, edge // 2 - near, -(edge // 2)], [near, 0, -near]]
    assert_same(np.array(held, np.int64), columns, 200_000)


@settings(max_examples=300, deadline=None)
@given(mark=st.sampled_from([999_999, 1_999_999, 3]), shock=st.sampled_from([1, -1]), lots=st.integers(1, 1 << 52))
@example(mark=999_999, shock=1, lots=3_613_089_042_885_343)  # These three come out wrong where the remainders of
@example(mark=999_999, shock=1, lots=2_126_813_900_953_763)  # the worst loss are left out of the bound.
@example(mark=999_999, shock=-1, lots=21_866_172_998_895)
def test_scan_is_exact_where_only_remainders_are_large_clr_scan_006(mark, shock, lots):
    held = np.array([[lots], [-lots]], np.int64)
    assert_same(held, [Column(mark, 1, (shock,))], 200_000)


@pytest.mark.parametrize("accounts", [1, 63, CHUNK_ACCOUNTS - 1, CHUNK_ACCOUNTS + 1, 3 * CHUNK_ACCOUNTS])
@pytest.mark.parametrize("lot_micros", [8_000_000, 7])
def test_chunks_and_workers_do_not_change_a_row_clr_scan_006(accounts, lot_micros):
    random = np.random.default_rng(accounts)
    columns = [Column(mark, lot_micros, (250_000, -250_000, mark * 100)) for mark in (2_350, 2_200, 1_900)]
    positions = random.integers(-100, 101, (accounts, len(columns)))
    positions[-1] = [1 << 40, -(1 << 41), 1]  # One account too large for float64 among those that are not.
    assert_same(positions, columns, 200_000, workers=1)
    one, three = scan(positions, columns, workers=1), scan(positions, columns, workers=3)
    for name in ("scan", "gross", "margin", "binding"):
        assert np.array_equal(getattr(one, name), getattr(three, name))


def test_no_accounts_no_windows_no_scenarios_clr_scan_006():
    column = Column(2_350, 8_000, (1,))
    assert len(scan(np.zeros((0, 1), np.int64), [column]).margin) == 0
    assert scan(np.zeros((2, 0), np.int64), []).margin.tolist() == [0, 0]
    assert scan(np.ones((2, 1), np.int64), [Column(5, 5, ())]).binding.tolist() == [-1, -1]


@pytest.mark.parametrize(
    ("positions", "columns", "floor", "workers", "text"),
    [
        (np.zeros((2, 2), np.int64), [Column(1, 1, (1,))], 0, 1, "accounts x 1"),
        (np.zeros((2, 1), np.int32), [Column(1, 1, (1,))], 0, 1, "must be int64"),
        (np.zeros(2, np.int64), [Column(1, 1, (1,))] * 2, 0, 1, "accounts x 2"),
        (np.zeros((2, 2), np.int64), [Column(1, 1, (1,)), Column(1, 1, (1, 2))], 0, 1, "same scenarios"),
        (np.zeros((2, 1), np.int64), [Column(1, 1, (1,))], 1_000_001, 1, "spread floor"),
        (np.zeros((2, 1), np.int64), [Column(1, 1, (1,))], 0, 0, "workers must be from 1"),
    ],
)
def test_what_does_not_fit_is_refused(positions, columns, floor, workers, text):
    with pytest.raises(ValueError, match=text):
        scan(positions, columns, floor, workers)
