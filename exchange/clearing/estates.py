"""What a failed participant leaves: his positions go to the house, are covered or sold, at last auctioned (CLR-EST)."""

import numpy as np

from exchange.clearing.arithmetic import PPM, ceil_div
from exchange.clearing.auction import Award, Bid, Item, award, runs_of
from exchange.clearing.cases import Cases, Claim
from exchange.clearing.deliveries import Deliveries
from exchange.clearing.failures import Failures
from exchange.clearing.ledger import STANDBY, Purse
from exchange.clearing.market import Market
from exchange.clearing.state import Case, HouseState, Resting
from exchange.clearing.waterfall import Class, haircut
from exchange.clearing.words import CaseKind, Cause, Kind, Level
from exchange.reasons import DoneReason
from exchange.records import EventType, Phase, Side
from exchange.units import BPS, HOUR_NS, LOTS_MAX, MONEY_MAX, NS_PER_SECOND

KEEP_EVERYTHING = MONEY_MAX  # Nothing may be withdrawn from a defaulted account, and no risk added.
PERISHABLE_NS = 72 * HOUR_NS  # Long lots nearer than this are sold at any price: unsold they are worth nothing.


class Estates:
    """The estates of one house."""

    def __init__(self, state: HouseState, cases: Cases, deliveries: Deliveries, failures: Failures) -> None:
        self.state = state
        self.cases = cases
        self.deliveries = deliveries
        self.failures = failures
        self.market = Market(state)

    # Taking over.

    def default(self, account: int, kind: CaseKind) -> Case:
        """Declare an account in default: its orders end, its positions are the house's, its deliveries have failed."""
        state = self.state
        positions = self._positions(account)
        positions = {handle: lots for handle, lots in positions.items() if state.is_cleared(handle)}
        pool = state.class_name(next(iter(positions))) if positions else next(iter(state.classes), "")
        member = state.member(account)
        member.level, member.deadline_ns = Level.DEFAULTED, 0
        case = self.cases.open(kind, account, pool)
        state.core.end_orders(account, DoneReason.DEFAULT)
        state.core.set_margin(account, KEEP_EVERYTHING, 0, KEEP_EVERYTHING)
        for handle, lots in positions.items():
            if handle not in state.deliveries and state.core.phase(handle) in _BEFORE_DELIVERY:
                self._take_over(case, handle, account, lots)
        debt = -state.core.balance(account)
        if debt > 0:
            self.cases.pay(case, [Claim(Class.C1, Purse(Kind.COLLATERAL, account), debt, Cause.VARIATION)])
        self._fail_deliveries(case, account)
        if kind is not CaseKind.MARGIN:
            self.cover(case)
        return case

    def _positions(self, account: int) -> dict[int, int]:
        """Return an account's lots by handle, nearest window first."""
        state = self.state
        found = positions_of(state, account)
        return dict(sorted(found.items(), key=lambda one: (state.instrument(one[0]).window, one[0])))

    def _take_over(self, case: Case, handle: int, account: int, lots: int) -> None:
        if lots > 0:
            self.state.core.move_lots(handle, account, self.state.account, lots)
        else:
            self.state.core.move_lots(handle, self.state.account, account, -lots)
        case.positions[handle] = case.positions.get(handle, 0) + lots

    def _fail_deliveries(self, case: Case, account: int) -> None:
        """Let everything that he delivers or is about to deliver fail at its last good moment (CLR-EST-002)."""
        for handle in sorted(self.state.deliveries, key=lambda one: (self.state.deliveries[one].start_ns, one)):
            delivery = self.state.deliveries[handle]
            for place in sorted({duty.handle for duty in delivery.obligations}):
                duties = [
                    duty
                    for duty in delivery.obligations
                    if duty.provider == account and duty.handle == place and not duty.closed
                ]
                if duties and delivery.end_ns > self.state.core.now_ns:
                    self.failures.fail(case, duties, self._last_good_ns(account, place))

    def _last_good_ns(self, account: int, handle: int) -> int:
        """Return the last heartbeat of any of his nodes; of a sudden end nothing better is known."""
        meter = self.state.meters.get((handle, account))
        heard = int(meter.last_ok_ns.max()) if meter is not None and meter.nodes else -1
        return max(heard, 0)

    # Covering at once: what others were promised (CLR-EST-003).

    def cover(self, case: Case) -> None:
        """Buy what the estate is short of from physical sells within the cap, the nearest window first."""
        for handle in sorted(case.positions, key=lambda one: (self.state.instrument(one).window, one)):
            if case.positions[handle] < 0 and self.state.core.phase(handle) == Phase.CONTINUOUS:
                self._cover(case, handle)

    def _cover(self, case: Case, handle: int) -> None:
        state = self.state
        mark = state.core.mark(handle)
        if mark is None:
            return
        lot = state.instrument(handle).product.lot_micros
        surcharge = state.terms_of(handle).surcharge_bps
        budget, premium = self.cases.budget(case), 0
        excluded = self.market.excluded(case.defaulter, [])
        for offer in self.market.offers(handle, mark, handle, excluded):
            lots = min(offer.lots, -case.positions[handle])
            above = max(0, offer.ticks - mark) * lot
            if above:
                left = budget - premium - ceil_div(premium * surcharge, BPS)
                lots = min(lots, left * BPS // (above * (BPS + surcharge)))
            if lots <= 0:
                break
            taken = state.core.hit(offer.oid, lots, state.account, 0)
            premium += taken * above
            case.positions[handle] += taken
        self._drop_flat(case)
        self.settle_house(case, Class.C2)
        if premium:
            extra = ceil_div(premium * surcharge, BPS)
            self.cases.pay(case, [Claim(Class.C2, STANDBY, extra, Cause.SURCHARGE)])

    def give_back(self, account: int, handle: int, lots: int) -> None:
        """Take over lots that a provider says he will not deliver, and cover them at his cost (CLR-EST-006)."""
        case = self.failures.case_for(account, handle)
        self._take_over(case, handle, account, -lots)
        self.cover(case)

    # Money of the house's positions.

    def settle_house(self, case: Case, which: Class) -> int:
        """Bring the house's own balance to 0: a loss is claimed, a gain is the estate's. Return what is unpaid."""
        state = self.state
        house = Purse(Kind.COLLATERAL, state.account)
        balance = state.core.balance(state.account)
        if balance > 0:
            defaulter = Purse(Kind.COLLATERAL, case.defaulter)
            state.ledger.post(Cause.ESTATE, house, defaulter, balance, case=case.number)
            return 0
        if balance == 0:
            return 0
        cause = Cause.PREMIUM if which is Class.C2 else Cause.ESTATE
        self.cases.pay(case, [Claim(which, house, -balance, cause)])
        return -state.core.balance(state.account)

    def mark_moved(self, moves: dict[int, int], gains: dict[int, int]) -> None:
        """Settle what a run of marks has made of estates' positions (CLR-EST-004).

        Args:
            moves: change of mark in micro-dollars a lot, by handle.
            gains: what each account has gained in this run; where nobody else pays, it is cut (L8).

        """
        for case in list(self.state.cases.values()):
            result = sum(lots * moves.get(handle, 0) for handle, lots in case.positions.items())
            if result < 0:
                house = Purse(Kind.COLLATERAL, self.state.account)
                unpaid = self.cases.pay(case, [Claim(Class.C1, house, -result, Cause.ESTATE)])[Class.C1]
                self._cut_gains(case, gains, unpaid)
            elif result > 0:
                self.state.ledger.post(
                    Cause.ESTATE, Purse(Kind.COLLATERAL, self.state.account),
                    Purse(Kind.COLLATERAL, case.defaulter), result, case=case.number,
                )  # fmt: skip

    def expired(self, handle: int, move: int, gains: dict[int, int]) -> None:
        """Settle the last move of an option, and forget it: what became of it is in its window (CLR-OPT-010)."""
        self.mark_moved({handle: move}, gains)
        for case in self.state.cases.values():
            case.positions.pop(handle, None)
            self._drop_flat(case)

    def _cut_gains(self, case: Case, gains: dict[int, int], unpaid: int) -> None:
        """Take from the gains of this run what no layer could pay (CLR-WFL-006)."""
        winners = {
            account: micros
            for account, micros in gains.items()
            if micros > 0 and account not in (self.state.account, case.defaulter)
        }
        expected = sum(winners.values())
        unpaid = min(unpaid, expected)
        if unpaid == 0:
            return
        for account, kept in haircut(winners, expected - unpaid, expected).items():
            self.state.ledger.post(
                Cause.ESTATE, Purse(Kind.COLLATERAL, account), Purse(Kind.COLLATERAL, self.state.account),
                winners[account] - kept, case=case.number,
            )  # fmt: skip
            gains[account] = kept

    # Disposal and auction.

    def work(self) -> None:
        """Go on with every estate: sell or cover a slice, hold its auction, close what is done (CLR-EST-005)."""
        for case in list(self.state.cases.values()):
            self._gone_at_gate(case)
            if case.positions and case.auction_ns == 0:
                self._dispose(case)
            if case.auction_ns and case.auction_ns <= self.state.core.now_ns and case.bids is not None:
                self._award(case)
            self._close_if_done(case)

    def _gone_at_gate(self, case: Case) -> None:
        """Forget positions whose gate has closed: they are obligations of the house now, or have perished."""
        for handle in list(case.positions):
            delivery = self.state.deliveries.get(handle)
            if self.state.core.phase(handle) in _BEFORE_GATE:
                continue
            if delivery is None or delivery.opened:
                del case.positions[handle]

    def _dispose(self, case: Case) -> None:
        state = self.state
        terms = state.terms
        for handle, lots in list(case.positions.items()):
            if state.core.phase(handle) != Phase.CONTINUOUS:
                continue
            if lots < 0 and case.kind is not CaseKind.MARGIN:
                self._cover(case, handle)
                continue
            size = abs(lots)
            part = size if size <= terms.full_lots else ceil_div(size * terms.slice_ppm, PPM)
            start_ns = state.instrument(handle).window * HOUR_NS
            at_any_price = lots > 0 and start_ns - state.core.now_ns < PERISHABLE_NS
            case.positions[handle] -= trade_slice(
                state, handle, state.account, part if lots > 0 else -part, at_any_price, self.cases.budget(case)
            )
            self._drop_flat(case)
            self.settle_house(case, Class.C1)
        late_ns = case.opened_ns + terms.disposal_s * NS_PER_SECOND
        items = self.items(case) if state.core.now_ns >= late_ns else []
        if items:
            case.auction_ns, case.items = state.core.now_ns + terms.auction_s * NS_PER_SECOND, items
            for index, item in enumerate(items):
                self._tell_item(case, index, item)

    def items(self, case: Case) -> list[Item]:
        """Return what may be auctioned of an estate: runs of windows with the same lots, before their gates."""
        placed = {}
        for handle, lots in case.positions.items():
            one = self.state.instrument(handle)
            if self.state.core.phase(handle) in _BEFORE_GATE:
                placed[one.product_number, one.fabric_index, one.window] = lots
        return runs_of(placed)

    def _tell_item(self, case: Case, index: int, item: Item) -> None:
        product = self.state.catalogue.product(item.product)
        handle = self.state.catalogue.handle(product.name, product.fabrics[item.fabric], item.first)
        assert handle is not None
        self.state.core.emit(
            EventType.AUCTION, instrument=handle, price=index, lots=min(abs(item.lots), LOTS_MAX), cum=item.windows,
            flags=int(item.lots < 0), amount=case.auction_ns, match_id=case.number,
        )  # fmt: skip

    def _award(self, case: Case) -> None:
        """Open the bids, hand the lots over at the mark, and settle the prices (CLR-AUC)."""
        state = self.state
        bids = [Bid(account, item, lots, price, seq) for account, item, lots, price, seq in case.bids]
        good = [self._is_there(case, item) for item in case.items]
        bids = [bid for bid in bids if good[bid.item] and self._may_take(bid, case.items[bid.item])]
        result = award(case.items, bids)
        for one in result.awards:
            self._hand_over(case, case.items[one.item], one)
        self._drop_flat(case)
        case.auction_ns, case.items, case.bids = 0, [], []
        case.opened_ns = state.core.now_ns  # What is left goes through disposal once more.

    def _handles(self, item: Item) -> list[int]:
        product = self.state.catalogue.product(item.product)
        windows = range(item.first, item.first + item.windows * product.window_hours, product.window_hours)
        found = [self.state.catalogue.handle(product.name, product.fabrics[item.fabric], one) for one in windows]
        return [handle for handle in found if handle is not None]

    def _is_there(self, case: Case, item: Item) -> bool:
        """Whether an item is still as it was told: behind a gate its lots are obligations (CLR-AUC-007)."""
        return all(
            case.positions.get(handle) == item.lots and self.state.core.phase(handle) in _BEFORE_GATE
            for handle in self._handles(item)
        )

    def _may_take(self, bid: Bid, item: Item) -> bool:
        """Whether a bidder may hold it: he has not defaulted since, can pay, and is not short where he pays in full."""
        core = self.state.core
        if self.state.member(bid.account).level is Level.DEFAULTED:
            return False
        lots, price = min(bid.lots, abs(item.lots)), bid.price
        if item.lots < 0:  # He takes the lots at the mark, and pays what he asks below it.
            lot_micros = self.state.catalogue.product(item.product).lot_micros
            price = sum(core.mark(handle) or 0 for handle in self._handles(item)) * lot_micros - price
        free = core.balance(bid.account) - core.requirement_sum(bid.account)
        return lots * max(0, price) <= max(0, free) and (item.lots > 0 or not core.is_prepaid(bid.account))

    def _hand_over(self, case: Case, item: Item, one: Award) -> None:
        """Move awarded lots at the mark; the award's price settles the difference, as far as it can be paid."""
        state, product = self.state, self.state.catalogue.product(item.product)
        handles = self._handles(item)
        at_mark = sum((state.core.mark(handle) or 0) * product.lot_micros for handle in handles)
        each = (one.price - at_mark) * (1 if item.lots > 0 else -1)  # What he pays for a lot beside the mark.
        lots = one.lots if each >= 0 else min(one.lots, self.cases.budget(case) // -each)
        carried = sum(state.rates.get(handle, (0, 0))[item.lots < 0] for handle in handles) + max(0, each)
        free = state.core.balance(one.account) - state.core.requirement_sum(one.account)
        lots = lots if carried == 0 else min(lots, max(0, free) // carried)
        if lots == 0:
            return
        for handle in handles:
            giver, taker = (state.account, one.account) if item.lots > 0 else (one.account, state.account)
            state.core.move_lots(handle, giver, taker, lots)
            case.positions[handle] -= lots if item.lots > 0 else -lots
        owed = each * lots
        bidder, house = Purse(Kind.COLLATERAL, one.account), Purse(Kind.COLLATERAL, state.account)
        if owed > 0:
            state.ledger.post(Cause.AWARD, bidder, house, owed, case=case.number)
        self.settle_house(case, Class.C1)
        if owed < 0:
            self.cases.pay(case, [Claim(Class.C1, bidder, -owed, Cause.AWARD)])

    def _drop_flat(self, case: Case) -> None:
        for handle in [handle for handle, lots in case.positions.items() if lots == 0]:
            del case.positions[handle]

    def cover_at_gate(self, handle: int) -> None:
        """Buy what estates are still short of while the orders of a closing gate rest (CLR-EST-003)."""
        for case in list(self.state.cases.values()):
            if case.positions.get(handle, 0) < 0:
                self._cover(case, handle)

    # The end of a case.

    def _close_if_done(self, case: Case) -> None:
        state = self.state
        if case.positions or case.waiting or case.auction_ns:
            return
        duties = [duty for delivery in state.deliveries.values() for duty in delivery.obligations]
        if any(duty.case == case.number and not duty.closed for duty in duties):
            return
        left = state.ledger.balance(self.cases.estate(case))
        if left:
            self.cases.recover(case, left, Cause.RELEASE)
        state.core.emit(
            EventType.DEFAULT, account=case.defaulter, reason=0, match_id=case.number, amount=state.core.now_ns
        )
        del state.cases[case.number]
        if self.cases.is_owed(case):
            state.owed[case.number] = case


_BEFORE_GATE = (Phase.LISTED, Phase.OPEN, Phase.CONTINUOUS, Phase.HALTED, Phase.PRECLOSE, Phase.VOLATILITY)
_BEFORE_DELIVERY = _BEFORE_GATE


def positions_of(state: HouseState, account: int) -> dict[int, int]:
    """Return the lots of an account by handle, in order of creation."""
    rows = np.frombuffer(state.core.positions_bytes(), np.int64).reshape(-1, 5)
    mine = rows[(rows[:, 0] == account) & (rows[:, 2] != 0)]
    return {handle: lots for _, handle, lots, _, _ in mine.tolist()}


def trade_slice(
    state: HouseState, handle: int, account: int, lots: int, at_any_price: bool = False, budget: int | None = None
) -> int:
    """Sell (lots above 0) or buy for an account within the slippage band; return what was done, of the same sign.

    Args:
        state: of the house.
        handle: where.
        account: whose lots; the house pays no fee.
        lots: at most.
        at_any_price: sell for whatever is bid.
        budget: micro-dollars that may be lost against the mark; None: no bound.

    """
    mark = state.core.mark(handle)
    if mark is None:
        return 0
    band = mark * state.terms_of(handle).slippage_bps // BPS
    side = Side.BUY if lots > 0 else Side.SELL
    product = state.instrument(handle).product
    fee_ppm = 0 if account == state.account else product.taker_fee_ppm
    left = abs(lots)
    orders: list[Resting] = state.core.resting(handle, side)
    for oid, price, leaves, owner, _, _ in orders:
        in_band = at_any_price or (price >= mark - band if lots > 0 else price <= mark + band)
        if not in_band or left == 0:
            break
        if state.core.group(owner) == state.core.group(account):
            continue
        lost = max(0, mark - price if lots > 0 else price - mark) * product.lot_micros
        most = min(left, leaves) if budget is None or lost == 0 else min(left, leaves, budget // lost)
        if most == 0:
            break
        taken = state.core.hit(oid, most, account, fee_ppm)
        left -= taken
        budget = None if budget is None else budget - taken * lost
    done = abs(lots) - left
    return done if lots > 0 else -done
