"""Fixed-point functions against sixty decimal digits."""

from decimal import Decimal, getcontext
from fractions import Fraction
from math import isqrt
from statistics import NormalDist

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from exchange.clearing import fixed
from exchange.clearing.fixed import LN_2, ONE, SQRT_2_PI, divide, exp, ln_ratio, multiply, normal_cdf, square_root

GOOD = 1 << 6  # Units of 2^-96: functions are good to 2^-90.
PI = Decimal("3.14159265358979323846264338327950288419716939937510582097494")


@pytest.fixture(autouse=True)
def _digits():
    getcontext().prec = 80


def real(x):
    return Decimal(x) / ONE


def off(found, true):
    """Units between a fixed-point number and a decimal."""
    return abs(Decimal(found) - true * ONE)


def test_constants_are_right_to_the_last_unit():
    assert off(LN_2, Decimal(2).ln()) <= Decimal("0.5")
    assert off(SQRT_2_PI, (2 * PI).sqrt()) <= Decimal("0.5")


@given(st.integers(-(1 << 200), 1 << 200), st.integers(1, 1 << 200))
def test_products_and_quotients_are_rounded_down(a, b):
    assert multiply(a, b) <= Fraction(a * b, ONE) < multiply(a, b) + 1
    assert divide(a, b) <= Fraction(a * ONE, b) < divide(a, b) + 1
    assert square_root(b) == isqrt(b * ONE)


@given(st.integers(1, 1 << 140), st.integers(1, 1 << 140))
@example(1, 1)
@example(ONE, ONE - 1)
@example(2 * ONE, 3)
def test_logarithm(a, b):
    assert off(ln_ratio(a, b), Decimal(a).ln() - Decimal(b).ln()) < GOOD
    assert ln_ratio(a, a) == 0


@pytest.mark.parametrize("wrong", [(0, 1), (1, 0), (-1, 1)])
def test_logarithm_of_nothing_is_refused(wrong):
    with pytest.raises(ValueError, match="logarithm must be of positive numbers"):
        ln_ratio(*wrong)


@given(st.integers(-200 * ONE, 200 * ONE))
@example(0)
@example(-1)
@example(LN_2)
@example(LN_2 - 1)
def test_exponential(x):
    true = real(x).exp()
    assert off(exp(x), true) < 2 + true * GOOD


def test_exponential_has_bounds():
    assert exp(-600 * ONE) == 0
    with pytest.raises(ValueError, match="exponent must be at most 512, was 600"):
        exp(600 * ONE)


def upper_tail(x):
    """1 - N(x) by its continued fraction, for x from 2 on."""
    tail = x
    for step in range(600, 0, -1):
        tail = x + step / tail
    return (-x * x / 2).exp() / (2 * PI).sqrt() / tail


@given(st.integers(2 * ONE, 14 * ONE))
@example(12 * ONE)
@example(12 * ONE - 1)
def test_normal_distribution_in_its_tails(x):
    true = upper_tail(real(x))
    assert off(normal_cdf(-x), true) < GOOD
    assert off(normal_cdf(x), 1 - true) < GOOD


@given(st.integers(-3 * ONE, 3 * ONE))
def test_normal_distribution_in_the_middle(x):
    assert float(normal_cdf(x) / ONE) == pytest.approx(NormalDist().cdf(x / ONE), abs=1e-15)
    assert abs(normal_cdf(x) + normal_cdf(-x) - ONE) <= 1
    assert normal_cdf(0) == ONE // 2


def test_functions_do_not_need_floats():
    assert all(type(number) is int for number in (exp(ONE), ln_ratio(3, 2), normal_cdf(ONE), fixed.square_root(ONE)))
