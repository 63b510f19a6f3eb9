"""From a verdict to money: lots that failed are replaced, and the one who failed pays (CLR-FAIL)."""

from exchange.clearing import compensation
from exchange.clearing.arithmetic import ceil_div
from exchange.clearing.cases import Cases, Claim
from exchange.clearing.deliveries import Deliveries
from exchange.clearing.detection import NodeState
from exchange.clearing.ledger import STANDBY, Purse
from exchange.clearing.meters import FAILED
from exchange.clearing.needs import Bill, Need
from exchange.clearing.obligations import Obligation
from exchange.clearing.state import Case, HouseState
from exchange.clearing.substitution import Substitution
from exchange.clearing.waterfall import Class
from exchange.clearing.words import CaseKind, Cause, Kind, Stage
from exchange.records import EventFlag, EventType
from exchange.units import BPS, LOTS_MAX, NS_PER_SECOND


class Failures:
    """Carries out verdicts."""

    def __init__(self, state: HouseState, cases: Cases, deliveries: Deliveries) -> None:
        self.state = state
        self.cases = cases
        self.deliveries = deliveries
        self.substitution = Substitution(state)

    def fail(self, case: Case, failed: list[Obligation], good_ns: int) -> None:
        """End failed obligations at what they have delivered, find substitutes, and claim the cost (CLR-FAIL-001).

        Args:
            case: of their provider.
            failed: whole obligations of one provider and one origin; parts have been split off before.
            good_ns: the last moment at which they were good.

        """
        for duty in failed:
            self._end(duty, max(good_ns, duty.start_ns))
        needs, aside = self._needs(failed), self._aside(case, failed)
        bill = Bill(self._begin_ns(failed[0]), self.cases.budget(case) + sum(aside.values()))
        idle = {need.failed.buyer: self._running(need.failed.origin, need.failed.buyer) for need in needs}
        self.substitution.replace(case, needs, bill)
        lost_work = self._compensate(needs, bill, idle)  # Of all that failed, before some of it waits for a call.
        waits = self._wait_for_call(case, needs)
        moved = [] if waits else self.substitution.postpone(case, needs, bill)
        self._bring_over(case, aside, bill)
        claims = self._premium(case, bill) + lost_work
        self.cases.pay(case, claims)
        self.substitution.later.settle(self.state.ledger, case, moved)
        for need in needs:
            if need.lots and not waits:
                self.tell_cash(case, need)

    def _needs(self, failed: list[Obligation]) -> list[Need]:
        """Return what the buyers lack; a gang is one need, however many obligations of it have failed."""
        whole = self._whole_buyers(failed)
        needs: list[Need] = []
        gangs: dict[int, Need] = {}
        for duty in failed:
            if duty.buyer == self.state.account or duty.stranded or duty.original_lots == 0:
                continue
            if duty.buyer in gangs:
                gangs[duty.buyer].lots += duty.original_lots
                gangs[duty.buyer].size += duty.original_lots
                continue
            wish = self.state.wish(duty.buyer, duty.origin)
            needs.append(Need(duty, duty.original_lots, wish, duty.buyer in whole))
            if wish.gang:
                gangs[duty.buyer] = needs[-1]
        return needs

    def _end(self, duty: Obligation, good_ns: int) -> None:
        """Pay what has been delivered, and end the contract on both sides."""
        state = self.state
        duty.failed, duty.claimed_ns = True, good_ns
        meter = state.meters.get((duty.handle, duty.provider))
        if meter is not None:
            meter.give(duty.nodes, FAILED)
        self.deliveries.pay(duty)
        holder = state.account if duty.stranded else duty.buyer
        if holder != duty.provider:
            state.core.move_lots(duty.handle, holder, duty.provider, duty.lots)
        if meter is not None and duty.provider != state.account:  # A trader's uncovered short is no provider's failure.
            state.provider(duty.provider).failures.append((state.core.now_ns, duty.lots))
        for account, flags in ((duty.buyer, 0), (duty.provider, EventFlag.SELL)):
            for first, count in duty.nodes or [(-1, duty.lots)]:
                state.core.emit(
                    EventType.LOT_STATE, account=account, instrument=duty.handle, price=first,
                    lots=min(count, LOTS_MAX), reason=NodeState.FAILED, amount=good_ns, flags=flags,
                )  # fmt: skip

    def _whole_buyers(self, failed: list[Obligation]) -> list[int]:
        """Return the buyers none of whose lots of this origin are being delivered any more."""
        delivery = self.state.deliveries[failed[0].origin]
        served = {duty.buyer for duty in delivery.obligations if not duty.closed}
        return [duty.buyer for duty in failed if duty.buyer not in served]

    def _begin_ns(self, duty: Obligation) -> int:
        """Return when substitutes begin: at a whole second, a hand-over after the verdict, not before the window."""
        hand_over_ns = self.state.terms_of(duty.origin).hand_over_s * NS_PER_SECOND
        begin_ns = ceil_div(self.state.core.now_ns + hand_over_ns, NS_PER_SECOND) * NS_PER_SECOND
        return max(begin_ns, self.state.deliveries[duty.origin].start_ns)

    def _aside(self, case: Case, failed: list[Obligation]) -> dict[int, int]:
        """Return what earlier cases hold for substitutes that now fail themselves, by case (CLR-REAL-008)."""
        found: dict[int, int] = {}
        for duty in failed:
            if duty.case and duty.case != case.number:
                spent = duty.paid - duty.of_buyer
                found[duty.case] = found.get(duty.case, 0) + max(0, duty.value - duty.buyer_value - spent)
        return found

    def _bring_over(self, case: Case, aside: dict[int, int], bill: Bill) -> None:
        """Let that pay for the new substitutes as far as it is needed; the rest is its own case's to give back."""
        for number, micros in aside.items():
            used = min(micros, bill.premium - bill.brought)
            self.state.ledger.post(
                Cause.PREMIUM, Purse(Kind.ESTATE, number), self.cases.estate(case), used, case=case.number
            )
            bill.brought += used

    def _wait_for_call(self, case: Case, needs: list[Need]) -> bool:
        """Let what is left of a large failure wait for the call auction (CLR-REAL-006)."""
        left = [need for need in needs if need.lots > 0]
        if not left or sum(need.lots for need in left) <= self.state.terms_of(left[0].failed.origin).call_lots:
            return False
        if not case.waiting:
            call_s = self.state.terms_of(left[0].failed.origin).call_s
            case.call_ns = self.state.core.now_ns + call_s * NS_PER_SECOND
        for need in left:
            case.waiting.append(need.failed.number)
            need.failed.original_lots = need.lots  # What is still to be found of it.
        return True

    def tell_cash(self, case: Case, need: Need) -> None:
        """Tell a buyer that the rest of his lots is refunded (S5)."""
        self.state.core.emit(
            EventType.SUBSTITUTE, account=need.failed.buyer, instrument=need.failed.handle, lots=need.lots,
            reason=Stage.CASH, match_id=case.number,
        )  # fmt: skip
        need.lots = 0

    def calls_due(self) -> None:
        """Hold the call auctions whose time has come (CLR-REAL-006)."""
        for case in list(self.state.cases.values()):
            if case.waiting and case.call_ns <= self.state.core.now_ns:
                self._call(case)

    def _call(self, case: Case) -> None:
        waiting = [duty for delivery in self.state.deliveries.values() for duty in delivery.obligations
                   if duty.number in case.waiting]  # fmt: skip
        case.waiting, case.call_ns = [], 0
        for origin in dict.fromkeys(duty.origin for duty in waiting):
            duties = [duty for duty in waiting if duty.origin == origin]
            whole = self._whole_buyers(duties)
            needs = [
                Need(duty, duty.original_lots, self.state.wish(duty.buyer, origin), duty.buyer in whole)
                for duty in duties
            ]
            bill = Bill(self._begin_ns(duties[0]), self.cases.budget(case))
            self.substitution.call(case, needs, bill)
            moved = self.substitution.postpone(case, needs, bill)
            self.cases.pay(case, self._premium(case, bill))
            self.substitution.later.settle(self.state.ledger, case, moved)
            for need in needs:
                if need.lots:
                    self.tell_cash(case, need)

    # Claims.

    def _premium(self, case: Case, bill: Bill) -> list[Claim]:
        """Return the claims for what substitutes cost above the buyers' prices, and the surcharge (CLR-FAIL-002)."""
        if bill.premium <= 0:
            return []
        surcharge = ceil_div(bill.premium * self._surcharge_bps(case), BPS)
        return [
            Claim(Class.C2, self.cases.estate(case), bill.premium - bill.brought, Cause.PREMIUM),
            Claim(Class.C2, STANDBY, surcharge, Cause.SURCHARGE),
        ]

    def _surcharge_bps(self, case: Case) -> int:
        numbers = [number for number, name in self.state.class_of.items() if name == case.pool]
        return max((self.state.products[number].surcharge_bps for number in numbers), default=0)

    def _compensate(self, needs: list[Need], bill: Bill, idle: dict[int, int]) -> list[Claim]:
        """Return the claims for lost work of the buyers who chose cover (CLR-FAIL-003)."""
        claims: list[Claim] = []
        for buyer in dict.fromkeys(need.failed.buyer for need in needs):
            mine = [need for need in needs if need.failed.buyer == buyer]
            if mine[0].wish.cover:
                claims += self._claims_of(buyer, mine, bill, idle[buyer] if mine[0].wish.gang else 0)
        return claims

    def _claims_of(self, buyer: int, needs: list[Need], bill: Bill, idle: int) -> list[Claim]:
        state, wish = self.state, needs[0].wish
        failed = needs[0].failed
        delivery = state.deliveries[failed.origin]
        lots = sum(need.size for need in needs)
        good_ns = min(need.failed.claimed_ns for need in needs)
        noted = state.checkpoints.get((buyer, failed.origin))
        since = None if noted is None else max(0, (good_ns - noted) // NS_PER_SECOND)
        terms = state.terms_of(failed.origin)
        lot_scu, _ = state.scu_hours(failed.origin)
        price = state.price_micros(failed.origin, failed.mark)
        cap = self.deliveries.cover_cap(delivery, lots + idle)
        rate = state.classes[state.class_name(failed.origin)].hours_per_failure
        due = compensation.compensation(
            price, lots + idle, lot_scu, since, wish.checkpoint_s, wish.snapshot_s, wish.restart_s,
            terms.deductible_s, cap, rate,
        )  # fmt: skip
        waited_s = max(0, min(bill.begin_ns, failed.end_ns) - good_ns) // NS_PER_SECOND
        stalled = compensation.stall(price, idle, lot_scu, waited_s, cap - due.total) if idle else 0
        payee = Purse(Kind.COLLATERAL, buyer)
        return [
            Claim(Class.C3, payee, due.direct + stalled, Cause.COMPENSATION),
            Claim(Class.C4, payee, due.rollback, Cause.COMPENSATION),
        ]

    def _running(self, origin: int, buyer: int) -> int:
        """Return how many of a buyer's lots are being delivered by those who sold them."""
        return sum(
            duty.original_lots
            for duty in self.state.deliveries[origin].obligations
            if duty.buyer == buyer and not duty.closed and duty.original and not duty.stranded
        )

    # Cases.

    def case_for(self, provider: int, handle: int) -> Case:
        """Return the case that a provider's failed lots belong to: his own default, or a new one of units."""
        state = self.state
        if provider == state.account:
            found = next((case for case in state.cases.values() if case.positions.get(handle, 0) < 0), None)
            assert found is not None, "what the house owes is some estate's"
            return found
        wide = self.cases.of_defaulter(provider)
        return wide or self.cases.open(CaseKind.UNIT, provider, state.class_name(handle))
