"""Who is served when there is less than was sold, and at which price a substitute counts (CLR-ALLOC)."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isqrt
from typing import NamedTuple

from exchange.clearing.arithmetic import PPM, ceil_div, shares
from exchange.units import BPS

SUBSTITUTE_CAP_BPS = 15_000  # Of the mark: the most a substitute may cost.


@dataclass(frozen=True, slots=True)
class Demand:
    """What one buyer is owed.

    Args:
        key: whose it is; passed through.
        lots: not negative.
        gang: all of it or none.
        seq: sequence number of the trade that made it.

    """

    key: int
    lots: int
    gang: bool
    seq: int


class Ask(NamedTuple):
    """An offer in a uniform-price call: u$ per SCU-hour, and lots."""

    price: int
    lots: int


def allocate(supply: int, demands: Sequence[Demand]) -> list[int]:
    """Return the lots each demand gets, in the order given (CLR-ALLOC-001 to 004).

    Exact: of all subsets of gangs one that serves the most lots together with the divisible demands; of those the one
    whose gangs get nearest to their share of the supply; of those the one that serves the earliest trade on which two
    subsets differ. O(gangs x supply / 64) words of work, O(sqrt(gangs) x supply / 64) of memory.

    Raises:
        ValueError: the supply or a demand is negative.

    """
    if supply < 0 or any(demand.lots < 0 for demand in demands):
        raise ValueError(f"supply and lots must not be negative, were {supply} and {demands!r}")
    whole = sum(demand.lots for demand in demands)
    if supply >= whole:
        return [demand.lots for demand in demands]
    gangs = sorted((index for index, demand in enumerate(demands) if demand.gang), key=lambda i: demands[i].seq)
    divisible = [index for index, demand in enumerate(demands) if not demand.gang]
    owed = sum(demands[index].lots for index in divisible)
    sums = _Sums([demands[index].lots for index in gangs], supply)
    totals = _best_totals(sums.reachable, supply, owed, whole)
    served = max(sums.subset(total) for total in totals)  # True before False: the earlier trade is served.

    fills = [0] * len(demands)
    for index, is_served in zip(gangs, served, strict=True):
        fills[index] = demands[index].lots if is_served else 0
    rest = min(supply - sum(fills), owed)
    for index, lots in zip(divisible, shares(rest, [demands[index].lots for index in divisible]), strict=True):
        fills[index] = lots
    return fills


def _best_totals(reachable: int, supply: int, owed: int, whole: int) -> list[int]:
    """Return the gang totals that serve most and are nearest to the gangs' share: one, or two equally far from it."""
    least = max(0, supply - owed)  # From here on the divisible demands take all that gangs leave.
    if reachable >> least == 0:
        return [reachable.bit_length() - 1]
    target = supply * (whole - owed)  # All distances times the whole demand, to stay in integers.
    below = (reachable & ((1 << (target // whole + 1)) - 1)) >> least << least
    above = reachable >> max(least, target // whole + 1)
    totals = [below.bit_length() - 1] if below else []
    if above:
        totals.append(max(least, target // whole + 1) + (above & -above).bit_length() - 1)
    nearest = min(abs(total * whole - target) for total in totals)
    return [total for total in totals if abs(total * whole - target) == nearest]


class _Sums:
    """The sums that subsets of gangs reach: bit t of a number is set if some subset has t lots.

    Every stride-th state is kept, and those between are made again when a subset is looked for.
    """

    __slots__ = ("_kept", "_lots", "_mask", "_stride", "reachable")

    def __init__(self, lots: list[int], most: int) -> None:
        self._lots = lots
        self._mask = (1 << (most + 1)) - 1
        self._stride = isqrt(len(lots)) + 1
        self._kept: dict[int, int] = {}
        state = 1
        for index in range(len(lots) - 1, -1, -1):
            if (index + 1) % self._stride == 0 or index + 1 == len(lots):
                self._kept[index + 1] = state
            state = self._with(state, index)
        self.reachable = state

    def _with(self, state: int, index: int) -> int:
        return state | (state << self._lots[index]) & self._mask

    def _after(self, first: int) -> list[int]:
        """Return what the gangs behind each of a stride's reach, in their order."""
        last = min(first + self._stride, len(self._lots))
        states = [self._kept[last]]
        for index in range(last - 1, first, -1):
            states.append(self._with(states[-1], index))
        return states[::-1]

    def subset(self, total: int) -> list[bool]:
        """Return which gangs make a total that is reached, the earliest ones that can."""
        taken = []
        for first in range(0, len(self._lots), self._stride):
            for index, behind in enumerate(self._after(first), first):
                lots = self._lots[index]
                is_taken = lots <= total and bool(behind >> (total - lots) & 1)
                total -= lots if is_taken else 0
                taken.append(is_taken)
        return taken


def equivalent_lots(lots: int, factor_ppm: int) -> int:
    """Return how many lots of another class replace some of ours, rounded up (CLR-ALLOC-005).

    Args:
        lots: of the class that was bought.
        factor_ppm: work of one lot of the other class, in millionths of one of ours; positive.

    """
    return ceil_div(lots * PPM, _positive(factor_ppm))


def original_lots(lots: int, factor_ppm: int) -> int:
    """Return how many whole lots of ours some of another class serve; undoes equivalent_lots (CLR-ALLOC-005)."""
    return lots * _positive(factor_ppm) // PPM


def effective_price(price: int, factor_ppm: int) -> int:
    """Return what another class costs for the work of one of our SCU-hours, in u$, rounded up (CLR-ALLOC-005)."""
    return ceil_div(price * PPM, _positive(factor_ppm))


def _positive(factor_ppm: int) -> int:
    if factor_ppm < 1:
        raise ValueError(f"factor must be at least 1 ppm, was {factor_ppm}")
    return factor_ppm


def price_cap(class_cap: int, mark: int, cap_bps: int = SUBSTITUTE_CAP_BPS) -> int:
    """Return the most a substitute may cost, effectively, in u$ per SCU-hour (CLR-ALLOC-006)."""
    return min(class_cap, mark * cap_bps // BPS)


def uniform_price(asks: Sequence[Ask | tuple[int, int]], demand: int, cap: int) -> tuple[int, list[int]]:
    """Return the price of a call for substitutes, and the lots of each ask in the order given (CLR-ALLOC-007).

    The cheapest come first, of equals the first in order; everyone gets the highest price accepted, 0 if none is.

    Raises:
        ValueError: the demand or an ask's lots are negative.

    """
    if demand < 0 or any(lots < 0 for _, lots in asks):
        raise ValueError(f"demand and lots must not be negative, were {demand} and {asks!r}")
    accepted, price = [0] * len(asks), 0
    for index in sorted(range(len(asks)), key=lambda i: asks[i][0]):
        ask_price, lots = asks[index]
        if ask_price > cap or demand == 0:
            break
        accepted[index] = min(lots, demand)
        demand -= accepted[index]
        price = ask_price if accepted[index] else price
    return price, accepted
