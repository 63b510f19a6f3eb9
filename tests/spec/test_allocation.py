"""Short supply, equivalent classes and the uniform-price call (CLR-ALLOC rules of docs/spec/default.md)."""

from fractions import Fraction
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.clearing.allocation import (
    Demand,
    allocate,
    effective_price,
    equivalent_lots,
    original_lots,
    price_cap,
    uniform_price,
)


def gang(lots, seq=0):
    return Demand(0, lots, True, seq)


def divisible(lots, seq=0):
    return Demand(0, lots, False, seq)


@pytest.mark.parametrize(
    ("supply", "lots", "fills"),
    [
        (17, (20, 12, 7), [9, 5, 3]),
        (8, (20, 12), [5, 3]),
        (0, (20, 12), [0, 0]),
        (1, (5, 5), [1, 0]),
        (32, (20, 12), [20, 12]),
        (40, (20, 12), [20, 12]),
        (3, (), []),
        (2, (0, 3), [0, 2]),
    ],
)
def test_divisible_lots_go_pro_rata_clr_alloc_004(supply, lots, fills):
    assert allocate(supply, [divisible(part) for part in lots]) == fills


@pytest.mark.parametrize(
    ("supply", "gangs", "others", "fills"),
    [
        (40, (32, 16, 8), (16, 8), [32, 0, 0, 5, 3]),  # 24 and 32 are equally far from 28: the earliest trade.
        (50, (32, 16), (20, 12), [32, 0, 11, 7]),
        (20, (32,), (6,), [0, 6]),
    ],
)
def test_examples_with_gangs_clr_alloc_001_clr_alloc_002_clr_alloc_003(supply, gangs, others, fills):
    demands = [gang(lots, seq) for seq, lots in enumerate(gangs)] + [divisible(lots, 9) for lots in others]
    assert allocate(supply, demands) == fills


def test_more_is_served_before_anything_else_clr_alloc_001():
    # First come first served would take 6 and leave 4 idle; the largest first 7 and leave 3.
    assert allocate(10, [gang(6, 1), gang(7, 2), gang(5, 3), gang(5, 4)]) == [0, 0, 5, 5]


def test_gangs_get_near_their_share_clr_alloc_002():
    # Gangs are 3/4 of the demand, so 15 of 20 lots are theirs: 14 is nearer than 20, and 6 are divisible.
    assert allocate(20, [gang(20, 1), gang(14, 2), gang(26, 3), divisible(20)]) == [0, 14, 0, 6]


@pytest.mark.parametrize(
    ("demands", "fills"),
    [
        ([gang(4, 2), gang(4, 1)], [0, 4]),  # By sequence, not by order.
        ([gang(4, 1), gang(4, 1)], [4, 0]),  # Of the same sequence the first in order.
        ([gang(1, 1), gang(3, 2), gang(2, 3), gang(2, 4)], [1, 3, 0, 0]),
        ([gang(2, 1), gang(1, 2), gang(3, 3), gang(2, 4)], [2, 0, 0, 2]),
    ],
)
def test_earliest_trade_on_which_subsets_differ_is_served_clr_alloc_003(demands, fills):
    assert allocate(4, demands) == fills


def test_of_two_equally_far_the_one_that_serves_one_more_clr_alloc_003():
    # The share is 3 of 6; {1} has 2, {1, 2} has 4, both serve 6.
    assert allocate(6, [gang(2, 1), gang(2, 2), gang(2, 3), divisible(6)]) == [2, 2, 0, 2]


def by_brute_force(supply, demands):
    """Lots of the gangs, chosen by looking at every subset."""
    gangs = sorted((i for i, demand in enumerate(demands) if demand.gang), key=lambda i: (demands[i].seq, i))
    owed = sum(demand.lots for demand in demands if not demand.gang)
    whole = sum(demand.lots for demand in demands)
    share = Fraction(supply * (whole - owed), whole) if whole else Fraction(0)

    def rank(taken):
        total = sum(demands[i].lots for i, is_taken in zip(gangs, taken, strict=True) if is_taken)
        return -(total + min(supply - total, owed)), abs(total - share), [not is_taken for is_taken in taken]

    subsets = [
        taken
        for taken in product((True, False), repeat=len(gangs))
        if sum(demands[i].lots for i, is_taken in zip(gangs, taken, strict=True) if is_taken) <= supply
    ]
    best = min(subsets, key=rank)
    return {i: demands[i].lots * is_taken for i, is_taken in zip(gangs, best, strict=True)}, -rank(best)[0]


demand_lists = st.lists(
    st.builds(Demand, st.just(0), st.integers(1, 12), st.booleans(), st.integers(0, 30)), max_size=10
)


@settings(max_examples=400, deadline=None)
@given(st.integers(0, 60), demand_lists)
def test_any_allocation_is_the_best_clr_alloc_001_clr_alloc_002_clr_alloc_003_clr_alloc_004(supply, demands):
    fills = allocate(supply, demands)
    gangs, served = by_brute_force(supply, demands)
    assert {i: fills[i] for i in gangs} == gangs
    assert sum(fills) == served <= supply
    assert all(0 <= fill <= demand.lots for fill, demand in zip(fills, demands, strict=True))
    owed = sum(demand.lots for demand in demands if not demand.gang)
    rest = sum(fill for i, fill in enumerate(fills) if i not in gangs)
    for i, demand in enumerate(demands):
        if not demand.gang:
            assert abs(fills[i] - Fraction(rest * demand.lots, owed)) < 1


def test_many_gangs_are_exact_clr_alloc_001():
    # 100 gangs, 5,000 lots of supply: the even ones cannot make an odd total without the one odd gang.
    demands = [gang(2 * (37 * i % 61) + 80, i) for i in range(99)] + [gang(199, 99)]
    assert sum(allocate(4_999, demands)) == 4_999
    assert allocate(4_999, demands)[99] == 199
    assert sum(allocate(4_999, demands[:99])) == 4_998


def test_a_large_default_is_allocated_clr_alloc_001():
    fills = allocate(500_001, [gang(5_000, i) for i in range(120)] + [divisible(7)])
    assert fills == [5_000] * 100 + [0] * 20 + [1]


@pytest.mark.parametrize(("supply", "lots"), [(-1, 1), (1, -1)])
def test_negative_lots_are_refused_clr_alloc_001(supply, lots):
    with pytest.raises(ValueError, match="must not be negative"):
        allocate(supply, [gang(lots)])


@pytest.mark.parametrize(
    ("lots", "factor", "needed", "served"),
    [(64, 1_250_000, 52, 65), (64, 800_000, 80, 64), (7, 1_250_000, 6, 7), (0, 5, 0, 0)],
)
def test_equivalent_lots_clr_alloc_005(lots, factor, needed, served):
    assert equivalent_lots(lots, factor) == needed
    assert original_lots(needed, factor) == served


def test_lots_of_the_other_class_serve_whole_lots_clr_alloc_005():
    assert [original_lots(lots, 1_250_000) for lots in (0, 1, 3, 4)] == [0, 1, 3, 5]


@given(st.integers(0, 10**6), st.integers(1, 10**7))
def test_equivalent_lots_are_the_fewest_that_do_clr_alloc_005(lots, factor):
    needed = equivalent_lots(lots, factor)
    assert original_lots(needed, factor) >= lots
    assert needed == 0 or original_lots(needed - 1, factor) < lots


def test_effective_price_clr_alloc_005():
    assert effective_price(3_900_000, 1_250_000) == 3_120_000
    assert effective_price(1, 1_250_000) == 1
    with pytest.raises(ValueError, match="factor must be at least 1 ppm, was 0"):
        effective_price(1, 0)


def test_price_cap_clr_alloc_006():
    assert price_cap(10_000_000, 2_350_000) == 3_525_000
    assert price_cap(3_000_000, 2_350_000) == 3_000_000
    assert price_cap(10, 3) == 4


@pytest.mark.parametrize(
    ("asks", "demand", "cap", "result"),
    [
        ([(30, 5), (10, 5), (20, 5)], 8, 99, (20, [0, 5, 3])),
        ([(30, 5), (10, 5), (20, 5)], 10, 99, (20, [0, 5, 5])),
        ([(30, 5), (10, 5), (20, 5)], 99, 25, (20, [0, 5, 5])),
        ([(30, 5), (10, 5), (20, 5)], 99, 30, (30, [5, 5, 5])),
        ([(10, 5), (10, 5)], 7, 99, (10, [5, 2])),
        ([(10, 5), (20, 0)], 7, 99, (10, [5, 0])),
        ([(10, 5)], 7, 9, (0, [0])),
        ([(10, 5)], 0, 99, (0, [0])),
        ([], 7, 99, (0, [])),
    ],
)
def test_everyone_in_a_call_gets_the_highest_price_accepted_clr_alloc_007(asks, demand, cap, result):
    assert uniform_price(asks, demand, cap) == result


def test_a_call_refuses_negative_lots_clr_alloc_007():
    with pytest.raises(ValueError, match="must not be negative"):
        uniform_price([(10, -1)], 7, 99)
