"""Fixed-point mathematics in Python integers: the same digits on every machine, which libm does not promise (CLR-OPT).

A number x is the integer x * 2^96. Functions are good to a few units of 2^-90: far more than a price needs, so that
rounding to ticks happens once, at the end. Arguments out of range raise ValueError.
"""

from math import isqrt

FRACTION_BITS = 96
ONE = 1 << FRACTION_BITS
EXPONENT_MAX = 512  # exp() of more is refused: no price needs it.
TAIL = 12  # Beyond so many deviations the normal distribution has less than 2^-96 left.
LN_2 = 54_916_777_467_707_473_351_141_471_128  # ln 2, to the nearest unit.
SQRT_2_PI = 198_595_552_305_314_927_273_837_084_509  # The square root of 2 pi, to the nearest unit.


def multiply(a: int, b: int) -> int:
    """Return a x b, rounded down."""
    return (a * b) >> FRACTION_BITS


def divide(a: int, b: int) -> int:
    """Return a / b, rounded down; b is not 0."""
    return (a << FRACTION_BITS) // b


def square_root(x: int) -> int:
    """Return the square root, rounded down; x is not negative."""
    return isqrt(x << FRACTION_BITS)


def ln_ratio(numerator: int, denominator: int) -> int:
    """Return the logarithm of a ratio of two positive integers of any size.

    The ratio is brought near 1 by a power of two; there ``ln m = 2 artanh((m - 1) / (m + 1))`` is a quick series.
    """
    if numerator <= 0 or denominator <= 0:
        raise ValueError(f"logarithm must be of positive numbers, was of {numerator} and {denominator}")
    shift = numerator.bit_length() - denominator.bit_length()
    over, under = numerator << max(0, -shift), denominator << max(0, shift)
    if 2 * over * over < under * under:  # Now over / under is from 1/2 to 2; bring it between the roots of these.
        over, shift = 2 * over, shift - 1
    elif over * over > 2 * under * under:
        under, shift = 2 * under, shift + 1
    z = ((over - under) << FRACTION_BITS) // (over + under)
    square, power, total, order = multiply(z, z), z, z, 1
    while power not in (0, -1):  # -1 is what a negative number comes to when it is rounded down.
        power = multiply(power, square)
        order += 2
        total += power // order
    return 2 * total + shift * LN_2


def exp(x: int) -> int:
    """Return e to the power of x; x is at most EXPONENT_MAX.

    What is left after whole powers of two is below ln 2, and divided by 256 has a short series; eight squarings follow.
    """
    if x > EXPONENT_MAX * ONE:
        raise ValueError(f"exponent must be at most {EXPONENT_MAX}, was {x >> FRACTION_BITS}")
    if x < -EXPONENT_MAX * ONE:
        return 0
    guard = 32
    doublings, rest = divmod(x, LN_2)
    unit = ONE << guard
    rest = (rest << guard) >> 8
    total, term, order = unit + rest, rest, 1
    while term:
        order += 1
        term = (term * rest >> (FRACTION_BITS + guard)) // order
        total += term
    for _ in range(8):
        total = total * total >> (FRACTION_BITS + guard)
    return total << doublings >> guard if doublings >= 0 else total >> (guard - doublings)


def normal_cdf(x: int) -> int:
    """Return the probability that a standard normal variable is at most x.

    ``1/2 + density(x) x (x + x^3/3 + x^5/(3 5) + ...)``: all terms have one sign, so nothing cancels.
    """
    if abs(x) >= TAIL * ONE:
        return ONE if x > 0 else 0
    size = abs(x)
    square = multiply(size, size)
    term, total, order = size, size, 1
    while term:
        order += 2
        term = multiply(term, square) // order
        total += term
    above = divide(divide(total, exp(square // 2)), SQRT_2_PI)  # By the density: of its inverse every bit is known.
    return ONE // 2 + above if x > 0 else ONE // 2 - above
