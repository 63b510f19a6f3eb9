"""The table of hardware classes, product names in full form, strips and the symbols of spans."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.catalogue import (
    HARDWARE_CLASSES,
    ProductName,
    Strip,
    format_span_symbol,
    format_symbol,
    parse_span_symbol,
    strips_of_day,
    week_of,
)
from exchange.catalogue.classes import CLASSES_MAX, FACT_MAX, TEXT_CHARACTERS_MAX, read_classes
from exchange.catalogue.names import FABRIC_TYPES, STACKS, TIERS
from exchange.errors import HardwareClassError, SymbolError
from exchange.units import BLOCK_HOURS_MAX, MICROS_PER_DOLLAR, WINDOW_MAX, window_id

LEAF = "H100-SXM.IB400.cuda12.T1.use1-f03"


def table(**changed):
    return json.dumps([HARDWARE_CLASSES["L40S"]._asdict() | changed])


def test_the_starter_classes_have_their_lots_and_ticks():
    for one in HARDWARE_CLASSES.values():
        assert one.tick_micros == (500 if one.price_micros < MICROS_PER_DOLLAR else 1_000)
        assert one.lot_scu == (72 if one.name.endswith("NVL72") else 8 if one.fabric_gb_s else 1)
    assert read_classes(table(price_source="x" * TEXT_CHARACTERS_MAX, watts=FACT_MAX))["L40S"].watts == FACT_MAX


@pytest.mark.parametrize(
    ("field", "value"),
    [("name", "L40.S"), ("name", ""), ("name", 7), ("vendor", ""), ("facts_source", "a\nb"),
     ("price_source", "x" * (TEXT_CHARACTERS_MAX + 1)), ("watts", 0), ("watts", True), ("watts", 350.0),
     ("memory_gb", FACT_MAX + 1), ("fabric_gb_s", -1), ("generation", "2023"), ("release_date", "20230808"),
     ("release_date", "2023-02-30"), ("release_date", None), ("successor", "L50"), ("successor", ["L40S"]),
     ("successor", "L40S"), ("price_micros", 790_001), ("colour", "green")],
)  # fmt: skip
def test_a_wrong_field_is_named(field, value):
    with pytest.raises(HardwareClassError, match=rf"hardware class .*: {field} must be "):
        read_classes(table(**{field: value}))


@pytest.mark.parametrize(
    "text", ["", "{}", "[1]", "[{}]", '[{"name":"A","name":"B"}]', json.dumps([{}] * (CLASSES_MAX + 1)), "[" * 100_000]
)
def test_text_that_is_no_table(text):
    with pytest.raises(HardwareClassError):
        read_classes(text)


def test_classes_differ_and_successors_do_not_come_back():
    entry = json.loads(table())[0]
    with pytest.raises(HardwareClassError, match="name must be"):
        read_classes(json.dumps([entry, entry]))
    pair = [entry | {"successor": "M"}, entry | {"name": "M", "successor": "L40S"}]
    with pytest.raises(HardwareClassError, match="hardware class M: successor must be"):
        read_classes(json.dumps(pair))


@given(st.tuples(*(st.sampled_from(list(words)) for words in (HARDWARE_CLASSES, FABRIC_TYPES, STACKS, TIERS))))
def test_full_names_come_back(parts):
    name = ProductName(*parts)
    assert ProductName.parse(name.format()) == name


@pytest.mark.parametrize(
    "text",
    ["", "H100", "H100.IB400.cuda12", "H100.IB.cuda12.T1", "H100.IB400.cuda11.T1", "H100.IB400.cuda12.T9",
     ".IB400.cuda12.T1", "H 1.IB400.cuda12.T1", "H100.IB400.cuda12.T1.x", "x" * 60 + ".IB400.cuda12.T1"],
)  # fmt: skip
def test_text_that_is_no_full_name(text):
    with pytest.raises(SymbolError):
        ProductName.parse(text)


@given(st.integers(0, WINDOW_MAX - 24))
def test_strips_cover_the_day_at_each_length(window):
    strips, day = strips_of_day(window), window // 24 * 24
    assert len(strips) == 1 + 3 + 6 + 12
    for hours in (24, 8, 4, 2):
        covered = [w for s in strips if s.hours == hours for w in range(s.start, s.start + s.hours)]
        assert covered == list(range(day, day + 24))


@given(st.integers(96, WINDOW_MAX - 168))
def test_weeks_begin_on_monday(window):
    start, hours = week_of(window)
    assert start <= window < start + hours
    assert (hours, (start - window_id("2026-11-23T00")) % 168) == (168, 0)


def test_strips_end_with_the_calendar():
    assert week_of(96) == Strip(96, 168)
    for call, window in ((week_of, 95), (week_of, WINDOW_MAX), (strips_of_day, WINDOW_MAX), (strips_of_day, -1)):
        with pytest.raises(SymbolError, match="window must be"):
            call(window)


@given(st.integers(0, WINDOW_MAX - BLOCK_HOURS_MAX), st.integers(1, BLOCK_HOURS_MAX))
def test_span_symbols_come_back(window, hours):
    product, _, fabric = LEAF.rpartition(".")
    symbol = format_span_symbol(product, fabric, window, hours)
    assert parse_span_symbol(symbol) == (product, fabric, window, hours)
    assert (symbol == format_symbol(product, fabric, window)) == (hours == 1)


@pytest.mark.parametrize("hours", ["", "0", "1", "08", "169", "8+8", "-8", "\u0668", "9" * 99])
def test_a_span_has_one_symbol_only(hours):
    assert parse_span_symbol(f"{LEAF}@2026-11-24T14+8")[2:] == (window_id("2026-11-24T14"), 8)
    with pytest.raises(SymbolError):
        parse_span_symbol(f"{LEAF}@2026-11-24T14+{hours}")


def test_spans_stay_within_the_calendar():
    with pytest.raises(SymbolError, match="last window"):
        format_span_symbol("P", "f", WINDOW_MAX, 2)
    for hours in (0, BLOCK_HOURS_MAX + 1):
        with pytest.raises(SymbolError, match="hours must be"):
            format_span_symbol("P", "f", 0, hours)
