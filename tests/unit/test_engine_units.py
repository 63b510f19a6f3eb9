"""Windows and prices as text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.errors import SymbolError
from exchange.units import (
    HOUR_NS,
    PRICE_MAX_TICKS,
    WINDOW_MAX,
    gate_ns,
    price_text,
    price_ticks,
    window_id,
    window_start_ns,
    window_text,
)


def test_window_is_hours_since_1970():
    assert window_text(0) == "1970-01-01T00"
    assert window_id("2026-11-24T14") == 498_758
    assert window_text(498_758) == "2026-11-24T14"
    assert window_start_ns(2) == 2 * HOUR_NS == 7_200 * 10**9


@given(st.integers(0, WINDOW_MAX))
def test_window_text_and_back(window):
    assert window_id(window_text(window)) == window


@pytest.mark.parametrize(
    "text",
    ["", "2026-11-24", "2026-11-24T14:00", "2026-13-24T14", "2026-02-29T00", "2026-11-24T24", "1969-12-31T23",
     "9999-01-01T00", " 2026-11-24T14", "2026-11-24T14\n", "2026-11-24t14", "٢٠٢٦-11-24T14"],
)  # fmt: skip
def test_text_that_is_no_window(text):
    with pytest.raises(SymbolError):
        window_id(text)


@pytest.mark.parametrize("window", [-1, WINDOW_MAX + 1])
def test_number_that_is_no_window(window):
    with pytest.raises(SymbolError):
        window_text(window)


def test_gate_closes_before_the_window_starts():
    assert gate_ns(2, 900) == 2 * HOUR_NS - 900 * 10**9


@pytest.mark.parametrize(
    ("text", "tick_micros", "ticks"),
    [("2.45", 1_000, 2_450), ("2.450", 1_000, 2_450), ("0", 1_000, 0), ("0.0005", 500, 1), ("3", 1_000, 3_000),
     ("1073.741824", 1, 1_073_741_824), ("0.000001", 1, 1)],
)  # fmt: skip
def test_price_in_ticks(text, tick_micros, ticks):
    assert price_ticks(text, tick_micros) == ticks


@pytest.mark.parametrize(
    "text", ["2.4505", "", "-1", "1e3", "1.", ".5", "0.0000001", "1_000", "+1", "1073742", "²", "1 "]
)
def test_text_that_is_no_price(text):
    with pytest.raises(SymbolError):
        price_ticks(text, 1_000)


@pytest.mark.parametrize(("ticks", "text"), [(2_450, "2.45"), (0, "0"), (3_000, "3"), (1, "0.001"), (-2_450, "-2.45")])
def test_price_as_text(ticks, text):
    assert price_text(ticks, 1_000) == text


@given(st.integers(0, PRICE_MAX_TICKS), st.sampled_from([1, 3, 500, 1_000, 250_000, 1_000_000]))
def test_price_text_and_back(ticks, tick_micros):
    assert price_ticks(price_text(ticks, tick_micros), tick_micros) == ticks
