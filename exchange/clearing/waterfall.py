"""Who pays for a default, in which order (CLR-WFL): a matrix of layers of money and classes of claims."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple

from exchange.clearing.arithmetic import shares
from exchange.clearing.capped import capped_shares

NOBODY = 0  # The payer of layers that are not an account's.
ASSESSMENT_PER_EVENT = 1  # Times the default-fund share.
ASSESSMENT_PER_HALF_YEAR = 2


class Class(IntEnum):
    """What is claimed."""

    C1 = 1  # Variation payments.
    C2 = 2  # Replacement of what was not delivered.
    C3 = 3  # Direct loss: stall and restart.
    C4 = 4  # Rollback to the last checkpoint.


class Layer(IntEnum):
    """Whose money it is, in the order in which it is used."""

    L1 = 1  # Performance bond of the defaulter.
    L2 = 2  # His collateral and what he has earned but not been paid.
    L3 = 3  # His share of the default fund.
    L4 = 4  # The venue's own money, SITG.
    L5 = 5  # The opt-in pool of cover premiums.
    L6 = 6  # The default-fund shares of the survivors.
    L7 = 7  # Assessments of the survivors.
    L8 = 8  # No money: gains are cut, lots torn up, the rest is a claim.


class End(IntEnum):
    """What becomes of a class when the money is used up: the row of layer 8."""

    HAIRCUT = 1  # Gains are paid in part.
    TEAR_UP = 2  # Unreplaced lots end at the mark, with full refund of escrow.
    CLAIM = 3  # A claim on what is recovered.


# The classes a layer pays, in their order (CLR-WFL-001).
SENIORITY: Mapping[Layer, tuple[Class, ...]] = {
    Layer.L1: (Class.C2, Class.C3, Class.C4, Class.C1),
    Layer.L2: (Class.C1, Class.C2, Class.C3, Class.C4),
    Layer.L3: (Class.C1, Class.C2, Class.C3, Class.C4),
    Layer.L4: (Class.C1, Class.C2, Class.C3),
    Layer.L5: (Class.C4,),
    Layer.L6: (Class.C1, Class.C2, Class.C3),
    Layer.L7: (Class.C1, Class.C2),
}
LAST: Mapping[Class, End] = {
    Class.C1: End.HAIRCUT, Class.C2: End.TEAR_UP, Class.C3: End.CLAIM, Class.C4: End.CLAIM,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Layers:
    """The money there is, in u$.

    Args:
        bond: L1.
        collateral: L2, with the earned receivable.
        fund: L3, the defaulter's own default-fund share.
        sitg: L4.
        pool: L5.
        survivors: L6, default-fund share by account.
        assessments: L7, the most each may be asked for by account (assessment_cap).
        juniorised: accounts whose share in L6 goes before the others' (CLR-AUC-006).

    Raises:
        ValueError: an amount is negative, or an account may be assessed beyond its share.

    """

    bond: int = 0
    collateral: int = 0
    fund: int = 0
    sitg: int = 0
    pool: int = 0
    survivors: Mapping[int, int] = field(default_factory=dict)
    assessments: Mapping[int, int] = field(default_factory=dict)
    juniorised: Collection[int] = ()

    def __post_init__(self) -> None:
        own = (self.bond, self.collateral, self.fund, self.sitg, self.pool)
        if min(own) < 0 or any(share < 0 for share in self.survivors.values()):
            raise ValueError(f"money of a layer must not be negative, was {self!r}")
        for account, cap in self.assessments.items():
            if not 0 <= cap <= ASSESSMENT_PER_EVENT * self.survivors.get(account, 0):
                raise ValueError(f"assessment of account {account} must be from 0 to its share, was {cap}")


class Payment(NamedTuple):
    """One balancing debit: which layer pays which class, from whose account, how much."""

    layer: Layer
    claim_class: Class
    account: int  # NOBODY but in L6 and L7.
    amount: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run of the waterfall pays; every class and every layer with money is there."""

    payments: tuple[Payment, ...]
    paid: Mapping[Class, int]
    unpaid: Mapping[Class, int]
    used: Mapping[Layer, int]


def run(claims: Mapping[Class, int], layers: Layers) -> Outcome:
    """Return who pays what (CLR-WFL-001 to 004). O(layers x classes x survivors).

    Args:
        claims: u$ by class; a class that is not there claims nothing.
        layers: the money there is.

    Raises:
        ValueError: a claim is negative.

    """
    unpaid = {claim_class: claims.get(claim_class, 0) for claim_class in Class}
    if min(unpaid.values()) < 0:
        raise ValueError(f"claims must not be negative, were {unpaid}")
    payments = [payment for layer in SENIORITY for payment in _payments(layer, layers, unpaid)]
    used = dict.fromkeys(SENIORITY, 0)
    for payment in payments:
        used[payment.layer] += payment.amount
    paid = {claim_class: claims.get(claim_class, 0) - left for claim_class, left in unpaid.items()}
    return Outcome(tuple(payments), paid, unpaid, used)


def _payments(layer: Layer, layers: Layers, unpaid: dict[Class, int]) -> list[Payment]:
    """Return the payments of one layer, and take them off what is unpaid."""
    payments = []
    ranks = [(weights, dict(money)) for weights, money in _ranks(layer, layers)]
    for claim_class in SENIORITY[layer]:
        for weights, money in ranks:
            amount = min(unpaid[claim_class], sum(money.values()))
            unpaid[claim_class] -= amount
            for account, part in _split(amount, weights, money).items():
                money[account] -= part
                payments.append(Payment(layer, claim_class, account, part))
    return payments


def _split(amount: int, weights: Mapping[int, int], money: Mapping[int, int]) -> dict[int, int]:
    accounts = sorted(money)
    parts = capped_shares(amount, [weights[account] for account in accounts], [money[account] for account in accounts])
    return {account: part for account, part in zip(accounts, parts, strict=True) if part}


def _ranks(layer: Layer, layers: Layers) -> list[tuple[Mapping[int, int], Mapping[int, int]]]:
    """Return the money of a layer by account, with the weights it is taken by, in the ranks in which it goes."""
    own = {Layer.L1: layers.bond, Layer.L2: layers.collateral, Layer.L3: layers.fund, Layer.L4: layers.sitg,
           Layer.L5: layers.pool}  # fmt: skip
    if layer in own:
        return [({NOBODY: 1}, {NOBODY: own[layer]})]
    if layer == Layer.L7:
        return [(layers.survivors, layers.assessments)]
    first = {account: share for account, share in layers.survivors.items() if account in layers.juniorised}
    others = {account: share for account, share in layers.survivors.items() if account not in first}
    return [(first, first), (others, others)]


def assessment_cap(share: int, used_in_event: int, used_in_half_year: int) -> int:
    """Return what an account may still be assessed for, in u$ (CLR-WFL-005).

    Args:
        share: its default-fund share before the event.
        used_in_event: what it has paid in assessments of this event.
        used_in_half_year: what it has paid in assessments of six months, this event's included.

    """
    of_event = ASSESSMENT_PER_EVENT * share - used_in_event
    return max(0, min(of_event, ASSESSMENT_PER_HALF_YEAR * share - used_in_half_year))


def haircut(gains: Mapping[int, int], collected: int, expected: int) -> dict[int, int]:
    """Return what each account is paid of its variation gain, in u$, by account (CLR-WFL-006).

    Raises:
        ValueError: the gains do not sum to what was expected, or more was collected, or a number is negative.

    """
    if not 0 <= collected <= expected or min(gains.values(), default=0) < 0 or sum(gains.values()) != expected:
        raise ValueError(f"gains must sum to {expected}, of which {collected} is collected, were {gains}")
    return _pro_rata(collected, gains)


def tear_up(lots: Mapping[int, int], served: int) -> dict[int, int]:
    """Return the lots of each buyer that end at the mark, by account (CLR-WFL-007).

    Args:
        lots: what each buyer was owed and has not been replaced.
        served: how many of them can still be paid for.

    Raises:
        ValueError: a number is negative, or more is served than owed.

    """
    if not 0 <= served <= sum(lots.values()) or min(lots.values(), default=0) < 0:
        raise ValueError(f"served must be from 0 to all lots, was {served} of {lots}")
    kept = _pro_rata(served, lots)
    return {account: lots[account] - kept[account] for account in kept}


def _pro_rata(total: int, weights: Mapping[int, int]) -> dict[int, int]:
    accounts = sorted(weights)
    return dict(zip(accounts, shares(total, [weights[account] for account in accounts]), strict=True))


class Repaid(IntEnum):
    """Whom recoveries repay, in this order: the last payer first, then who has a claim (CLR-WFL-008)."""

    L7 = 1
    L6 = 2
    L4 = 3
    C3 = 4
    C4 = 5


_REPAID_LAYER = {Layer.L7: Repaid.L7, Layer.L6: Repaid.L6, Layer.L4: Repaid.L4}
_REPAID_CLASS = {Class.C3: Repaid.C3, Class.C4: Repaid.C4}


class Repayment(NamedTuple):
    """A part of what was recovered, in u$."""

    to: Repaid
    account: int  # NOBODY for L4.
    amount: int


def distribute_recovery(
    amount: int,
    payments: Iterable[Payment],
    unpaid: Mapping[Class, Mapping[int, int]],
    before: Iterable[Repayment] = (),
) -> tuple[list[Repayment], int]:
    """Return who is repaid from what was recovered, and what is left of it: the defaulter's (CLR-WFL-008).

    Args:
        amount: recovered now, in u$.
        payments: of the waterfall's run.
        unpaid: claims of C3 and C4 by account, as the run has left them.
        before: all earlier repayments of the same default.

    Raises:
        ValueError: the amount is negative, another class than C3 or C4 has claims, or more was repaid than owed.

    """
    if amount < 0 or any(claim_class not in _REPAID_CLASS for claim_class in unpaid):
        raise ValueError(f"recovered must be at least 0 and claims of C3 and C4, were {amount} and {unpaid}")
    owed = _owed(payments, unpaid, before)
    repayments = []
    for to in Repaid:
        accounts = sorted(account for account, rank in owed if rank == to)
        debts = [owed[account, to] for account in accounts]
        parts = shares(min(amount, sum(debts)), debts)
        amount -= sum(parts)
        repayments += [Repayment(to, account, part) for account, part in zip(accounts, parts, strict=True) if part]
    return repayments, amount


def _owed(
    payments: Iterable[Payment], unpaid: Mapping[Class, Mapping[int, int]], before: Iterable[Repayment]
) -> dict[tuple[int, Repaid], int]:
    """Return what is still owed by account and rank."""
    debts = [(payment.account, _REPAID_LAYER[payment.layer], payment.amount)
             for payment in payments if payment.layer in _REPAID_LAYER]  # fmt: skip
    debts += [(account, _REPAID_CLASS[claim_class], claim)
              for claim_class, claims in unpaid.items() for account, claim in claims.items()]  # fmt: skip
    debts += [(account, to, -amount) for to, account, amount in before]
    owed: dict[tuple[int, Repaid], int] = {}
    for account, to, amount in debts:
        owed[account, to] = owed.get((account, to), 0) + amount
    if min(owed.values(), default=0) < 0:
        raise ValueError(f"repaid must be at most what was owed, left were {owed}")
    return owed
