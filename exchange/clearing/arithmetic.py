"""Division that says which way it rounds, and shares that add up."""

from collections.abc import Sequence

PPM = 1_000_000


def ceil_div(amount: int, by: int) -> int:
    """Return ``amount / by`` rounded up; ``by`` is positive."""
    return -(-amount // by)


def clamp(value: int, least: int, most: int) -> int:
    """Return the value, or the nearer bound where it lies outside."""
    return max(least, min(value, most))


def shares(total: int, weights: Sequence[int]) -> list[int]:
    """Divide a total in proportion to weights, to the unit: largest remainder first, of equals the first in order.

    Args:
        total: what is divided, not negative.
        weights: not negative; where all are 0, so is every share.

    """
    whole = sum(weights)
    if whole == 0:
        return [0] * len(weights)
    given = [total * weight // whole for weight in weights]
    remainders = [total * weight % whole for weight in weights]
    by_remainder = sorted(range(len(weights)), key=lambda index: -remainders[index])
    for index in by_remainder[: total - sum(given)]:
        given[index] += 1
    return given
