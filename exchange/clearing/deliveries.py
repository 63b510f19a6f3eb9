"""From the gate to settlement: who owes whom, escrow, fees, pay by what was metered (CLR-DEL, CLR-SET)."""

from collections.abc import Iterable

from exchange.catalogue.registry import Instrument
from exchange.clearing import compensation
from exchange.clearing.arithmetic import PPM, ceil_div
from exchange.clearing.cases import Cases, Claim
from exchange.clearing.ledger import FEE, STANDBY, Purse
from exchange.clearing.meters import Meter, Run
from exchange.clearing.obligations import Delivery, Obligation, full_value
from exchange.clearing.state import Case, HouseState
from exchange.clearing.tenor import QUARTERS
from exchange.clearing.waterfall import Class
from exchange.clearing.words import CaseKind, Cause, Kind
from exchange.records import Side
from exchange.units import HOUR_NS, NS_PER_SECOND


class Deliveries:
    """The windows behind their gates."""

    def __init__(self, state: HouseState, cases: Cases) -> None:
        self.state = state
        self.cases = cases

    # The gate.

    def at_gate(self, instrument: Instrument, placed: Iterable[tuple[int, int, Run]]) -> None:
        """Write down who owes whom what, as it stands at the gate (CLR-DEL-001).

        Args:
            instrument: the one whose gate has closed.
            placed: (provider, buyer, run of nodes) as assigned.

        """
        state, handle = self.state, instrument.handle
        mark = state.core.mark(handle)
        holdings = [(account, lots) for account, lots, _ in state.core.holdings(handle)]
        certified = {account: nodes for account, _, nodes in state.core.holdings(handle) if nodes}
        if mark is None or not any(lots for _, lots in holdings):
            return
        start_ns = instrument.window * HOUR_NS
        delivery = Delivery(
            handle, instrument.product_number, instrument.window, start_ns,
            start_ns + instrument.product.window_hours * HOUR_NS, mark, instrument.product.lot_micros,
        )  # fmt: skip
        state.deliveries[handle] = delivery
        for provider, nodes in certified.items():
            state.meters[handle, provider] = Meter(provider, handle, nodes)
        age = {account: index for index, (account, _) in enumerate(holdings)}
        owed = {account: -lots for account, lots in holdings if lots < 0}
        bought = {account: lots for account, lots in holdings if lots > 0}
        runs: dict[tuple[int, int], list[Run]] = {}
        for provider, buyer, run in placed:
            runs.setdefault((provider, buyer), []).append(run)
        for (provider, buyer), given in runs.items():
            lots = sum(count for _, count in given)
            self._owe(delivery, provider, buyer, lots, given, age[buyer])
            owed[provider] -= lots
            bought[buyer] -= lots
        self._pair(delivery, owed, bought, age)

    def _pair(self, delivery: Delivery, owed: dict[int, int], bought: dict[int, int], age: dict[int, int]) -> None:
        """Write down lots without nodes: sold by those who have not so many, the oldest positions first."""
        sellers = iter([account for account, lots in owed.items() if lots > 0])
        seller = next(sellers, None)
        for buyer in bought:
            while bought[buyer] > 0 and seller is not None:
                lots = min(bought[buyer], owed[seller])
                if lots:
                    self._owe(delivery, seller, buyer, lots, [], age[buyer])
                bought[buyer] -= lots
                owed[seller] -= lots
                if owed[seller] == 0:
                    seller = next(sellers, None)

    def _owe(
        self, delivery: Delivery, provider: int, buyer: int, lots: int, nodes: list[Run], seq: int
    ) -> Obligation:
        value = full_value(lots, delivery.mark, delivery.lot_micros)
        duty = Obligation(
            self.state.take_obligation_number(), provider, buyer, delivery.handle, delivery.handle, lots, nodes, seq,
            delivery.start_ns, delivery.end_ns, value, value, delivery.mark, lots,
        )  # fmt: skip
        if nodes:
            self.state.meters[delivery.handle, provider].give(nodes, duty.number, delivery.start_ns)
        delivery.obligations.append(duty)
        return duty

    # The beginning.

    def open_due(self) -> None:
        """Begin every delivery whose time has come: escrow, fees, premiums (CLR-DEL-002)."""
        due = [one for one in self.state.deliveries.values() if not one.opened]
        for delivery in sorted(due, key=lambda one: (one.start_ns, one.handle)):
            if delivery.start_ns <= self.state.core.now_ns:
                self._open(delivery)

    def _open(self, delivery: Delivery) -> None:
        delivery.opened = True
        for buyer in sorted({duty.buyer for duty in delivery.obligations}):
            self._fill_escrow(delivery, buyer)
        self.state.core.clear_mark(delivery.handle)
        self.state.rates.pop(delivery.handle, None)
        self._charge(delivery)
        self._pay_standby(delivery)

    def _fill_escrow(self, delivery: Delivery, buyer: int) -> None:
        """Move a buyer's price into escrow; lots he cannot pay for are the house's, who lets them perish."""
        state = self.state
        duties = [duty for duty in delivery.obligations if duty.buyer == buyer and not duty.closed]
        price = sum(duty.buyer_value for duty in duties)
        if buyer == state.account:
            self._claim_escrow(delivery, self._estate_of(delivery.handle), price)
            return
        lacking = 0
        if state.core.balance(buyer) < price:
            lacking = self._cut(delivery, buyer, duties, max(0, state.core.balance(buyer)))
            price = sum(duty.buyer_value for duty in delivery.obligations if duty.buyer == buyer and not duty.closed)
        state.ledger.post(
            Cause.ESCROW, Purse(Kind.COLLATERAL, buyer), Purse(Kind.ESCROW, delivery.handle), price,
            handle=delivery.handle,
        )  # fmt: skip
        delivery.escrow[buyer] = delivery.escrow.get(buyer, 0) + price
        if lacking:  # Only now: what he has pays for his own lots first.
            case = self.cases.open(CaseKind.PAYMENT, buyer, state.class_name(delivery.handle))
            self._claim_escrow(delivery, case, lacking)

    def _estate_of(self, handle: int) -> Case:
        """Return the case whose estate has bought lots of an instrument."""
        return next(case for case in self.state.cases.values() if case.positions.get(handle, 0) > 0)

    def _claim_escrow(self, delivery: Delivery, case: Case, price: int) -> None:
        """Claim the price of lots that the house lets perish; what cannot be had, their sellers lose (CLR-DEL-003)."""
        escrow, house = Purse(Kind.ESCROW, delivery.handle), self.state.account
        before = self.state.ledger.balance(escrow)
        self.cases.pay(case, [Claim(Class.C1, escrow, price, Cause.ESCROW)])
        delivery.escrow[house] = delivery.escrow.get(house, 0) + self.state.ledger.balance(escrow) - before
        self._mark_down(delivery, house, delivery.escrow[house])

    def _cut(self, delivery: Delivery, buyer: int, duties: list[Obligation], money: int) -> int:
        """Give the lots that a buyer cannot pay for to the house; return their price (CLR-DEL-003)."""
        state, house = self.state, self.state.account
        lot = delivery.mark * delivery.lot_micros
        excess = sum(duty.lots for duty in duties) - money // lot
        price = 0
        for duty in reversed(duties):  # The last ones first: whoever sold first is paid by the buyer himself.
            lots = min(duty.lots, excess)
            if lots == 0:
                continue
            kept = nodes_from_the_end(duty.nodes, lots - duty.missing)
            part = duty if lots == duty.lots else duty.split(kept, lots, state.take_obligation_number())
            if part is not duty:
                duty.nodes = without(duty.nodes, kept)
                if kept:  # Who sold lots without nodes may have no meter at all.
                    state.meters[duty.handle, duty.provider].give(kept, part.number)
                delivery.obligations.append(part)
            part.buyer = house
            price += part.buyer_value
            state.core.move_lots(delivery.handle, buyer, house, lots)
            excess -= lots
        return price

    def _mark_down(self, delivery: Delivery, house: int, money: int) -> None:
        """Where not even the default fund could pay, the sellers of those lots share what there is."""
        duties = [duty for duty in delivery.obligations if duty.buyer == house]
        price = sum(duty.value for duty in duties)
        if money < price:
            for duty in duties:
                duty.value = duty.value * money // price
                duty.buyer_value = duty.value

    def _charge(self, delivery: Delivery) -> None:
        """Take what both sides owe for a delivery: clearing fee, levy, a gang's price, cover (CLR-FEE)."""
        terms = self.state.terms_of(delivery.handle)
        lot_scu, seconds = self.state.scu_hours(delivery.handle)
        lots: dict[tuple[int, bool], tuple[int, int]] = {}
        for duty in delivery.obligations:
            for side in ((duty.buyer, True), (duty.provider, False)):
                held, value = lots.get(side, (0, 0))
                lots[side] = held + duty.lots, value + duty.value
        for (account, is_buyer), (held, value) in sorted(lots.items()):
            if account == self.state.account:
                continue
            fee = ceil_div(held * lot_scu * seconds * terms.fee_micros, 3_600)
            self._take(Cause.FEE, account, FEE, fee, delivery.handle)
            self._take(Cause.LEVY, account, STANDBY, ceil_div(value * terms.levy_ppm, PPM), delivery.handle)
            if is_buyer:
                self._charge_wishes(delivery, account, held, value)

    def _charge_wishes(self, delivery: Delivery, buyer: int, lots: int, value: int) -> None:
        state, terms = self.state, self.state.terms_of(delivery.handle)
        wish = state.wish(buyer, delivery.handle)
        if wish.gang:
            self._take(Cause.GANG, buyer, STANDBY, ceil_div(value * terms.gang_ppm, PPM), delivery.handle)
        if wish.cover:
            name = state.class_name(delivery.handle)
            pool = Purse(Kind.POOL, state.pool_number(name))
            self._take(Cause.COVER, buyer, pool, self.cover_premium(delivery, buyer, lots), delivery.handle)

    def cover_premium(self, delivery: Delivery, buyer: int, lots: int) -> int:
        """Return what cover of a buyer's lots costs for the window, micro-dollars (CLR-PRM-002)."""
        state, terms, wish = (
            self.state,
            self.state.terms_of(delivery.handle),
            self.state.wish(buyer, delivery.handle),
        )
        lot_scu, seconds = state.scu_hours(delivery.handle)
        rate = state.classes[state.class_name(delivery.handle)].hours_per_failure
        usual = compensation.compensation(
            state.price_micros(delivery.handle, delivery.mark), lots, lot_scu, None, wish.checkpoint_s,
            wish.snapshot_s, wish.restart_s, terms.deductible_s, self.cover_cap(delivery, lots), rate,
        )  # fmt: skip
        return compensation.premium(lots * lot_scu, seconds // 3_600, usual.total, terms.cover_load_bps, rate)

    def cover_cap(self, delivery: Delivery, lots: int) -> int:
        """Return the most that lots of a window may be compensated with (CLR-CMP-002)."""
        terms = self.state.terms_of(delivery.handle)
        return full_value(lots, delivery.mark, delivery.lot_micros) * terms.cover_cap_bps // 10_000

    def _take(self, cause: Cause, account: int, payee: Purse, micros: int, handle: int) -> None:
        """Take a charge, as far as the account has it: what it lacks is not owed later."""
        micros = min(micros, self.state.spare(account))
        self.state.ledger.post(cause, Purse(Kind.COLLATERAL, account), payee, micros, handle=handle)

    def _pay_standby(self, delivery: Delivery) -> None:
        """Pay firm standby capacity for standing by in the window, as far as the reserve goes (CLR-FEE-003)."""
        state, terms = self.state, self.state.terms_of(delivery.handle)
        for _, _, lots, account, _, firm in state.core.resting(delivery.handle, Side.SELL):
            if firm:
                due = full_value(lots, delivery.mark, delivery.lot_micros) * terms.standby_ppm // PPM
                state.ledger.post(
                    Cause.STANDBY, STANDBY, Purse(Kind.COLLATERAL, account),
                    min(due, state.ledger.balance(STANDBY)), handle=delivery.handle,
                )  # fmt: skip

    # The end.

    def settle_due(self) -> None:
        """Settle every delivery that has ended long enough ago (CLR-SET-001)."""
        for handle in sorted(self.state.deliveries):
            delivery = self.state.deliveries[handle]
            lag_ns = self.state.terms_of(handle).settle_lag_s * NS_PER_SECOND
            if delivery.opened and delivery.end_ns + lag_ns <= self.state.core.now_ns:
                self._settle(delivery)

    def _settle(self, delivery: Delivery) -> None:
        for duty in delivery.obligations:
            if not duty.closed:
                self.pay(duty)
        escrow = Purse(Kind.ESCROW, delivery.handle)
        house = self.state.account
        for buyer in sorted(delivery.escrow):
            left = delivery.escrow[buyer]
            payee = FEE if buyer == house else Purse(Kind.COLLATERAL, buyer)
            self.state.ledger.post(Cause.REFUND, escrow, payee, left, handle=delivery.handle)
        self._remember(delivery)
        delivery.settled = True
        del self.state.deliveries[delivery.handle]
        self._forget(delivery)

    def pay(self, duty: Obligation) -> None:
        """Pay a provider what he has delivered of an obligation till now, and end it (CLR-SET-002).

        What was metered beyond the present moment does not count: a substitute is paid from here on.
        """
        state, delivery = self.state, self.state.deliveries[duty.origin]
        meter = state.meters.get((duty.handle, duty.provider))
        effective = 0 if meter is None else meter.sum_effective(duty.nodes)
        contract = state.terms_of(duty.handle).contract_ppm
        passed_s = max(0, min(state.core.now_ns, duty.end_ns) - duty.start_ns) // NS_PER_SECOND
        total, of_buyer = duty.earned(min(effective, duty.lots * passed_s * contract), contract)
        payee = Purse(Kind.COLLATERAL, duty.provider)
        if duty.provider == state.account:
            total = of_buyer = 0
        state.ledger.post(
            Cause.SETTLEMENT, Purse(Kind.ESCROW, duty.origin), payee, of_buyer, handle=duty.handle, case=duty.case
        )
        delivery.escrow[duty.buyer] = delivery.escrow.get(duty.buyer, 0) - of_buyer
        if total > of_buyer:
            state.ledger.post(
                Cause.PREMIUM, Purse(Kind.ESTATE, duty.case), payee, total - of_buyer, handle=duty.handle,
                case=duty.case,
            )  # fmt: skip
        duty.paid, duty.of_buyer = total, of_buyer
        duty.closed = True

    def _remember(self, delivery: Delivery) -> None:
        """Write the window into its providers' records, for their bonds (CLR-BOND)."""
        hour, state = delivery.end_ns // HOUR_NS, self.state
        owed: dict[tuple[int, int], tuple[int, int]] = {}  # By provider and instrument.
        for duty in delivery.obligations:
            if duty.provider == state.account:
                continue
            who = duty.provider, duty.handle
            lots, quarters = owed.get(who, (0, 0))
            owed[who] = lots + duty.lots, quarters + (QUARTERS * duty.lots if duty.failed else 0)
        for provider, handle in sorted(owed):
            state.member(provider).remember(state.place(handle), hour, *owed[provider, handle])

    def _forget(self, delivery: Delivery) -> None:
        """Drop what only a delivery needs: its wishes, notes, and the meters nobody else uses."""
        state = self.state
        for wished in [place for place in state.wishes if place[1] == delivery.handle]:
            del state.wishes[wished]
        for noted in [place for place in state.checkpoints if place[1] == delivery.handle]:
            del state.checkpoints[noted]
        used = {duty.handle for other in state.deliveries.values() for duty in other.obligations if not duty.closed}
        used |= set(state.deliveries)
        for place in [place for place in state.meters if place[0] not in used]:
            del state.meters[place]


def nodes_from_the_end(nodes: list[Run], count: int) -> list[Run]:
    """Return the last ``count`` nodes of runs, in ascending order; none for a count of 0 or less."""
    taken: list[Run] = []
    for first, length in reversed(nodes):
        part = min(length, count)
        if part <= 0:
            break
        taken.insert(0, (first + length - part, part))
        count -= part
    return taken


def without(nodes: list[Run], taken: list[Run]) -> list[Run]:
    """Return the runs less the nodes of others, which they contain."""
    left: list[Run] = []
    for first, length in nodes:
        end = first + length
        for start, count in taken:
            if first <= start < end:
                if start > first:
                    left.append((first, start - first))
                first = start + count
        if first < end:
            left.append((first, end - first))
    return left
