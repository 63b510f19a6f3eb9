"""S4: the same capacity later, where the buyer's work can wait (CLR-REAL-009)."""

from typing import NamedTuple

from exchange.clearing.arithmetic import ceil_div
from exchange.clearing.ledger import Ledger, Purse
from exchange.clearing.market import Market, Offer
from exchange.clearing.needs import Bill, Need
from exchange.clearing.state import Case, HouseState
from exchange.clearing.words import Cause, Kind, Stage
from exchange.records import EventType, Phase
from exchange.units import BPS, NS_PER_SECOND


class Moved(NamedTuple):
    """What was bought later for a buyer, to be settled when the claims have been paid; micro-dollars."""

    handle: int
    buyer: int
    house_paid: int  # By the house above the mark there; negative: below it.
    to_buyer: int  # What makes his price the one he had; negative: he pays.

    @property
    def cost(self) -> int:
        """What it costs the case."""
        return self.house_paid + self.to_buyer


class Later:
    """Buys in later windows of the same product and fabric."""

    def __init__(self, state: HouseState, market: Market) -> None:
        self.state = state
        self.market = market

    def serve(self, case: Case, needs: list[Need], excluded: set[int], bill: Bill) -> list[Moved]:
        """Buy whole lots for what is left of the window, as late as each buyer allows."""
        moved: list[Moved] = []
        for need in needs:
            if need.lots and need.wish.shift_hours:
                moved += self._serve(case, need, excluded, bill)
        return moved

    def _serve(self, case: Case, need: Need, excluded: set[int], bill: Bill) -> list[Moved]:
        failed, state = need.failed, self.state
        _, window_s = state.scu_hours(failed.origin)
        lost_s = max(0, failed.end_ns - failed.claimed_ns) // NS_PER_SECOND
        wanted = all_wanted = need.lots * min(lost_s, window_s) // window_s
        moved: list[Moved] = []
        for handle in self._windows(need):
            if wanted == 0:
                break
            offers = self.market.offers(failed.origin, failed.mark, handle, excluded)
            plan = self._plan(need, handle, offers, wanted, bill)
            if need.wish.gang and sum(lots for _, lots, _ in plan) < wanted:
                continue  # A gang does not wait in two windows.
            for offer, lots, one in plan:
                taken = state.core.hit(offer.oid, lots, state.account, 0)
                assert taken == lots, "a sell that was seen must be there"
                state.core.move_lots(handle, state.account, failed.buyer, lots)
                bill.premium += one.cost
                bill.taken[failed.buyer] = bill.taken.get(failed.buyer, 0) + max(0, -one.to_buyer)
                wanted -= lots
                moved.append(one)
                self._tell(case, need, handle, offer, lots)
        if moved:
            need.lots = ceil_div(need.lots * wanted, all_wanted)  # The rest is refunded.
        return moved

    def _plan(
        self, need: Need, handle: int, offers: list[Offer], wanted: int, bill: Bill
    ) -> list[tuple[Offer, int, Moved]]:
        """Return what to buy of which offers, as far as it can be paid for (CLR-REAL-007)."""
        plan: list[tuple[Offer, int, Moved]] = []
        surcharge, spent = self.state.terms_of(need.failed.origin).surcharge_bps, bill.premium
        spare = self.state.spare(need.failed.buyer) - bill.taken.get(need.failed.buyer, 0)
        for offer in offers:
            lots = min(offer.lots, wanted)
            one = self._price(need, handle, offer, lots, spare)
            spent += one.cost
            spare -= max(0, -one.to_buyer)
            if lots == 0 or spent + ceil_div(spent * surcharge, BPS) > bill.budget:
                break
            plan.append((offer, lots, one))
            wanted -= lots
        return plan

    def _windows(self, need: Need) -> list[int]:
        """Return the instruments of the same product and fabric that begin within the buyer's patience."""
        origin = self.state.instrument(need.failed.origin)
        step = origin.product.window_hours
        found = []
        for window in range(origin.window + step, origin.window + need.wish.shift_hours + 1, step):
            handle = self.state.catalogue.handle(origin.product.name, origin.fabric, window)
            if handle is not None and self.state.core.phase(handle) == Phase.CONTINUOUS:
                if self.state.core.mark(handle) is not None:
                    found.append(handle)
        return found

    def _price(self, need: Need, handle: int, offer: Offer, lots: int, spare: int) -> Moved:
        """Return what the house pays, and what the buyer is given so that he pays his own price, at most."""
        core = self.state.core
        mark = core.mark(handle)
        assert mark is not None
        lot = self.state.instrument(handle).product.lot_micros * lots
        to_buyer = (mark - min(need.failed.mark, offer.ticks)) * lot
        if to_buyer < 0:  # He has the refund of the lost hours to come, but not yet.
            to_buyer = -min(-to_buyer, max(0, spare))
        return Moved(handle, need.failed.buyer, (offer.ticks - mark) * lot, to_buyer)

    def settle(self, ledger: Ledger, case: Case, moved: list[Moved]) -> None:
        """Move the money of what was bought, once the estate holds the premium: first in, then out."""
        estate, house = Purse(Kind.ESTATE, case.number), Purse(Kind.COLLATERAL, self.state.account)
        for one in moved:
            buyer = Purse(Kind.COLLATERAL, one.buyer)
            ledger.post(Cause.SHIFT, buyer, estate, max(0, -one.to_buyer), case=case.number, handle=one.handle)
            ledger.post(Cause.PREMIUM, house, estate, max(0, -one.house_paid), case=case.number, handle=one.handle)
        for one in moved:
            buyer = Purse(Kind.COLLATERAL, one.buyer)
            ledger.post(Cause.PREMIUM, estate, house, max(0, one.house_paid), case=case.number, handle=one.handle)
            ledger.post(Cause.SHIFT, estate, buyer, max(0, one.to_buyer), case=case.number, handle=one.handle)

    def _tell(self, case: Case, need: Need, handle: int, offer: Offer, lots: int) -> None:
        self.state.core.emit(
            EventType.SUBSTITUTE, account=need.failed.buyer, instrument=handle, price=offer.ticks, lots=lots,
            cum=lots, leaves=offer.account, reason=Stage.LATER, match_id=case.number,
        )  # fmt: skip
