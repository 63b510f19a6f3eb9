"""Shares in proportion that nobody pays beyond what he has."""

from collections.abc import Sequence

from exchange.clearing.arithmetic import shares


def capped_shares(total: int, weights: Sequence[int], caps: Sequence[int]) -> list[int]:
    """Divide a total in proportion to weights; what would be above a cap is divided anew among the others.

    To the unit, by largest remainder, of equals the first in order; weight 0 gets nothing. O(n^2) at worst.

    Args:
        total: not negative.
        weights: not negative, one for each cap.
        caps: not negative.

    Raises:
        ValueError: those with a weight cannot take the total.

    """
    room = [cap if weight else 0 for weight, cap in zip(weights, caps, strict=True)]
    if not 0 <= total <= sum(room):
        raise ValueError(f"total must be from 0 to {sum(room)}, was {total}")
    given = [0] * len(room)
    active = [index for index, most in enumerate(room) if most]
    while active:
        parts = dict(zip(active, shares(total, [weights[index] for index in active]), strict=True))
        full = [index for index in active if parts[index] > room[index]]
        for index in full or active:
            given[index] = min(parts[index], room[index])
            total -= given[index]
        active = [index for index in active if index not in full] if full else []
    return given
