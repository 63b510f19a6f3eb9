"""Paying for a default: claims go through the waterfall, and every micro-dollar is posted and told (CLR-CASE)."""

from collections.abc import Iterable
from typing import NamedTuple

from exchange.clearing import waterfall
from exchange.clearing.arithmetic import shares
from exchange.clearing.ledger import SITG, Purse
from exchange.clearing.state import Case, HouseState
from exchange.clearing.waterfall import Class, Layer, Layers, Payment, Repaid
from exchange.clearing.words import CaseKind, Cause, Kind, Level
from exchange.records import EventType
from exchange.units import AMOUNT_MAX, NS_PER_SECOND

HALF_YEAR_NS = 183 * 24 * 3_600 * NS_PER_SECOND


class Claim(NamedTuple):
    """What somebody is owed because of a default."""

    which: Class
    payee: Purse
    micros: int
    cause: Cause


class Cases:
    """The defaults of one house."""

    def __init__(self, state: HouseState) -> None:
        self.state = state

    def open(self, kind: CaseKind, defaulter: int, pool: str) -> Case:
        """Begin a case and tell it."""
        state = self.state
        state.cases_made += 1
        case = Case(state.cases_made, kind, defaulter, pool, state.core.now_ns)
        state.cases[case.number] = case
        state.core.emit(
            EventType.DEFAULT, account=defaulter, reason=kind, match_id=case.number, amount=state.core.now_ns
        )
        return case

    def of_defaulter(self, account: int) -> Case | None:
        """Return the open case of an account that has failed altogether, or None."""
        wide = (CaseKind.PROVIDER, CaseKind.MARGIN, CaseKind.DECLARED)
        return next(
            (case for case in self.state.cases.values() if case.defaulter == account and case.kind in wide), None
        )

    def estate(self, case: Case) -> Purse:
        """Return the account of a case's estate."""
        return Purse(Kind.ESTATE, case.number)

    def layers(self, case: Case) -> Layers:
        """Return the money there is for a case, layer by layer (CLR-CASE-002)."""
        state, ledger = self.state, self.state.ledger
        funds = ledger.of_kind(Kind.FUND)
        survivors = {
            account: share
            for account, share in funds.items()
            if account != case.defaulter and state.member(account).level is not Level.DEFAULTED
        }
        assessments = {account: self._assessable(case, account, share) for account, share in survivors.items()}
        pool = ledger.balance(Purse(Kind.POOL, state.pool_number(case.pool))) if case.pool else 0
        return Layers(
            bond=ledger.balance(Purse(Kind.BOND, case.defaulter)),
            collateral=max(0, state.core.balance(case.defaulter)),
            fund=funds.get(case.defaulter, 0),
            sitg=ledger.balance(SITG),
            pool=pool,
            survivors=survivors,
            assessments=assessments,
            juniorised=self._juniorised(case, survivors),
        )

    def _assessable(self, case: Case, account: int, share: int) -> int:
        since = self.state.core.now_ns - HALF_YEAR_NS
        recent = sum(micros for at, micros in self.state.member(account).assessed if at > since)
        cap = waterfall.assessment_cap(share, case.assessed.get(account, 0), recent)
        return min(cap, share, self.state.spare(account))

    def _juniorised(self, case: Case, survivors: Iterable[int]) -> list[int]:
        """Return who did not bid in the case's auction, once it has been held (CLR-AUC)."""
        if case.auction_ns == 0 or self.state.core.now_ns < case.auction_ns:
            return []
        bidders = [bid[0] for bid in case.bids]
        return [account for account in survivors if account not in bidders]

    def budget(self, case: Case) -> int:
        """Return what the layers could pay for replacement (C2) now."""
        money = self.layers(case)
        own = money.bond + money.collateral + money.fund + money.sitg
        return own + sum(money.survivors.values()) + sum(money.assessments.values())

    def pay(self, case: Case, claims: Iterable[Claim]) -> dict[Class, int]:
        """Run claims through the waterfall; return what stays unpaid by class (CLR-CASE-001)."""
        claims = [claim for claim in claims if claim.micros > 0]
        totals = {which: sum(claim.micros for claim in claims if claim.which is which) for which in Class}
        outcome = waterfall.run(totals, self.layers(case))
        for payment in outcome.payments:
            self._collect(case, payment)
        for which in Class:
            self._hand_on(case, [claim for claim in claims if claim.which is which], outcome.paid[which])
        return dict(outcome.unpaid)

    def _collect(self, case: Case, payment: Payment) -> None:
        """Take a payment of a layer into the estate and tell it."""
        state, account = self.state, payment.account or case.defaulter
        state.ledger.post(
            Cause.WATERFALL, self._purse(case, payment), self.estate(case), payment.amount, case=case.number
        )
        case.payments.append(payment)
        if payment.layer is Layer.L7:
            state.member(account).assessed.append((state.core.now_ns, payment.amount))
            case.assessed[account] = case.assessed.get(account, 0) + payment.amount
        told = 0 if payment.layer in (Layer.L4, Layer.L5) else account
        state.core.emit(
            EventType.LAYER, account=told, price=payment.layer, cum=payment.claim_class, match_id=case.number,
            amount=payment.amount,
        )  # fmt: skip

    def _purse(self, case: Case, payment: Payment) -> Purse:
        """Return the account that a layer's payment comes from."""
        own = {Layer.L1: Kind.BOND, Layer.L2: Kind.COLLATERAL, Layer.L3: Kind.FUND}
        if payment.layer in own:
            return Purse(own[payment.layer], case.defaulter)
        if payment.layer is Layer.L4:
            return SITG
        if payment.layer is Layer.L5:
            return Purse(Kind.POOL, self.state.pool_number(case.pool))
        return Purse(Kind.FUND if payment.layer is Layer.L6 else Kind.COLLATERAL, payment.account)

    def _hand_on(self, case: Case, claims: list[Claim], paid: int) -> None:
        """Divide what a class was paid among its claims; what is lacking becomes a claim on recoveries."""
        amounts = [claim.micros for claim in claims]
        given = shares(min(paid, sum(amounts)), amounts)
        for claim, micros in zip(claims, given, strict=True):
            self.state.ledger.post(claim.cause, self.estate(case), claim.payee, micros, case=case.number)
            self._owe(case, claim, claim.micros - micros)

    def _owe(self, case: Case, claim: Claim, micros: int) -> None:
        """Keep what C3 and C4 lack as a claim; of C1 and C2 it is told only, to nobody where no account is owed."""
        if micros == 0:
            return
        if claim.which in (Class.C3, Class.C4):
            owed = case.unpaid.setdefault(claim.which, {})
            owed[claim.payee.owner] = owed.get(claim.payee.owner, 0) + micros
        told = claim.payee.owner if claim.payee.kind is Kind.COLLATERAL else 0
        self.state.core.emit(
            EventType.CLAIM, account=told, price=claim.which, match_id=case.number,
            amount=min(micros, AMOUNT_MAX),
        )  # fmt: skip

    def is_owed(self, case: Case) -> bool:
        """Whether a recovery would go to somebody else than the defaulter."""
        repaid = sum(one.amount for one in case.repayments)
        others = (Layer.L4, Layer.L6, Layer.L7)
        lent = sum(one.amount for one in case.payments if one.layer in others)
        return lent + sum(sum(owed.values()) for owed in case.unpaid.values()) > repaid

    def recover(self, case: Case, micros: int, cause: Cause) -> None:
        """Repay from the estate those who have paid, then those who are still owed, then the defaulter (CLR-CASE-004).

        The estate must hold so much.
        """
        repaid, left = waterfall.distribute_recovery(micros, case.payments, case.unpaid, case.repayments)
        for one in repaid:
            self.state.ledger.post(cause, self.estate(case), self._repaid_purse(one), one.amount, case=case.number)
        case.repayments += repaid
        self.state.ledger.post(
            cause, self.estate(case), Purse(Kind.COLLATERAL, case.defaulter), left, case=case.number
        )

    def _repaid_purse(self, one: waterfall.Repayment) -> Purse:
        if one.to is Repaid.L4:
            return SITG
        return Purse(Kind.FUND if one.to is Repaid.L6 else Kind.COLLATERAL, one.account)
