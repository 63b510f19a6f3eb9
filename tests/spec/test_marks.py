"""Marks from books, curve and calls (CLR-MRK rules of docs/spec/margin.md)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.clearing.curve import Curve, WindowPrices, index, marks, mid

BAND = 1_000  # A tenth.


def book(hour, price, **more):
    return WindowPrices(hour, price - 1, price + 1, **more)


def test_middle_of_a_book_is_rounded_down_clr_mrk_001():
    assert mid(WindowPrices(5, 100, 103)) == 101
    assert mid(WindowPrices(5, 100, 100)) == 100
    assert mid(WindowPrices(5, 0, 1)) == 0


def test_one_side_or_a_crossed_book_has_no_middle_clr_mrk_001():
    for bid, ask in ((100, None), (None, 100), (101, 100)):
        assert mid(WindowPrices(5, bid, ask)) is None


def levels(prices, hours):
    """The curve of {hour: price}, at some hours."""
    curve = Curve([book(hour, price) for hour, price in prices.items()])
    return [curve.at(hour) for hour in hours]


def test_curve_is_straight_between_hours_and_level_beyond_clr_mrk_002():
    found = levels({20: 200, 10: 100, 23: 230, 24: 240}, (0, 10, 11, 15, 19, 20, 21, 22, 23, 24, 99))
    assert found == [100, 100, 110, 150, 190, 200, 210, 220, 230, 240, 240]
    assert Curve([WindowPrices(3, 5, None)]).at(3) is None
    assert levels({3: 70}, (0, 3, 9)) == [70] * 3


def test_curve_is_rounded_down_clr_mrk_002():
    assert levels({0: 100, 3: 101}, range(4)) == [100, 100, 100, 101]
    assert levels({0: 101, 3: 100}, range(4)) == [101, 100, 100, 100]


def test_price_of_an_hour_is_its_lower_median_clr_mrk_002():
    books = [book(5, price) for price in (40, 10, 30, 20)]
    assert Curve(books).at(5) == 20
    assert Curve(books[:3]).at(5) == 30


@pytest.mark.parametrize("rogue", range(6))
@pytest.mark.parametrize("price", [1, 1_000_000])
def test_no_single_hour_bends_a_slope_clr_mrk_002(rogue, price):
    honest = {hour: 1_000 + 10 * hour for hour in range(6)}
    found = levels(honest | {rogue: price}, range(6))
    assert all(abs(level - honest[hour]) <= 20 for hour, level in enumerate(found))
    assert levels(honest, range(6)) == list(honest.values())


def test_three_books_of_an_hour_are_believed_clr_mrk_002():
    peak = [book(hour, 1_000) for hour in (1, 2, 3, 4, 5)] + [book(3, 2_000)] * 2
    assert Curve(peak).at(3) == 2_000
    assert Curve(peak[:-1]).at(3) == 1_000


def test_ends_of_a_curve_keep_its_slope_clr_mrk_002():
    assert levels({0: 400, 1: 300, 3: 100, 4: 50}, range(5)) == [400, 300, 200, 100, 50]
    assert levels({0: 900, 1: 300, 3: 100, 4: 0 + 1}, range(5)) == [400, 300, 200, 100, 1]


def test_two_hours_are_taken_as_they_are_and_three_are_not_clr_mrk_002():
    assert levels({0: 100, 1: 900}, range(2)) == [100, 900]
    assert levels({0: 100, 1: 900, 2: 100}, range(3)) == [100, 100, 100]
    # An end by itself (500), its neighbour's median (200) and the line ahead (200 + 50) in turn.
    assert levels({0: 500, 1: 200, 2: 150, 3: 100}, [0]) == [250]
    assert levels({0: 220, 1: 200, 2: 150, 3: 100}, [0]) == [220]
    assert levels({0: 100, 1: 150, 2: 200, 3: 220}, [3]) == [220]
    assert levels({0: 100, 1: 150, 2: 200, 3: 120}, [3]) == [150]


def test_band_of_nothing_leaves_the_curve_clr_mrk_003():
    assert marks([book(5, price) for price in (10, 20, 30)], 0) == [20, 20, 20]


def test_mark_is_the_middle_within_the_band_clr_mrk_003():
    others = [book(5, 1_000), book(5, 1_000)]
    assert [marks([book(5, price), *others], BAND)[0] for price in (899, 900, 950, 1_100, 1_101, 5_000)] == [
        900, 900, 950, 1_100, 1_100, 1_100
    ]  # fmt: skip
    assert marks([book(5, 59), book(5, 59), book(5, 70), book(5, 40)], 500) == [59, 59, 61, 57]  # 2.95: 2 ticks.


def test_a_rogue_book_moves_neither_its_band_nor_its_neighbours_clr_mrk_003():
    books = [book(3, 1_000), book(4, 1_050), book(5, 9_000), book(6, 1_100), book(7, 1_150)]
    assert marks(books, BAND) == [1_000, 1_050, 1_210, 1_100, 1_150]
    assert marks([*books, WindowPrices(5)], BAND)[-1] == 1_100
    assert marks([book(5, 9_000)], BAND) == [9_000]  # Nothing to measure it by.


def test_without_a_middle_the_curve_is_the_mark_clr_mrk_003():
    silent = WindowPrices(6, bid=1, auction=2, previous=3)
    assert marks([book(4, 100), silent, book(8, 120)], BAND)[1] == 110
    assert marks([silent, book(8, 120)], BAND)[0] == 120


def test_without_a_curve_the_last_call_then_the_old_mark_clr_mrk_003():
    assert marks([WindowPrices(1, auction=7, previous=9), WindowPrices(2, previous=9), WindowPrices(3)]) == [7, 9, None]
    assert marks([]) == []
    with pytest.raises(ValueError, match="band must not be negative"):
        marks([], -1)


PRICES = st.one_of(st.none(), st.integers(0, 500))


@given(st.lists(st.builds(WindowPrices, st.integers(0, 8), PRICES, PRICES, PRICES, PRICES), max_size=12), st.randoms())
def test_marks_do_not_depend_on_the_order_of_windows_clr_mrk_003(windows, random):
    order = list(range(len(windows)))
    random.shuffle(order)
    found = marks(windows, BAND)
    assert marks([windows[place] for place in order], BAND) == [found[place] for place in order]


@given(st.dictionaries(st.integers(0, 400), st.integers(1, 10**9), min_size=1, max_size=9), st.integers(0, 400))
def test_curve_never_leaves_the_prices_it_is_made_of_clr_mrk_002(prices, hour):
    (level,) = levels(prices, [hour])
    assert min(prices.values()) <= level <= max(prices.values())


def test_index_is_weighted_and_rounded_half_up_clr_mrk_004():
    assert index([100, 200], [1, 3]) == 175
    assert index([100, 101], [1, 1]) == 101  # A half.
    assert index([100, 101, 100], [1, 1, 1]) == 100
    assert index([100, 201]) == index([100, 201], [0, 0]) == 151
    assert index([7], [5]) == 7
    assert index([100, 200], [0, 3]) == 200


@pytest.mark.parametrize(("prices", "weights"), [([], None), ([1], [1, 2]), ([1, 2], [3, -1])])
def test_index_of_nothing_is_refused(prices, weights):
    with pytest.raises(ValueError, match="index must have marks"):
        index(prices, weights)
