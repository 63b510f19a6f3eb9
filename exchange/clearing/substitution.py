"""Finding other capacity for lots that failed: cure, same fabric, same class, equivalent class, cash (CLR-REAL).

The failed contract ends on both sides; each substitute sells to the house, which hands the lots on to the buyer at his
own price. What a substitute costs above that is the defaulter's debt.
"""

from typing import NamedTuple

from exchange.clearing.allocation import Demand, allocate, equivalent_lots, original_lots, uniform_price
from exchange.clearing.arithmetic import ceil_div
from exchange.clearing.later import Later, Moved
from exchange.clearing.market import Market, Offer
from exchange.clearing.meters import Meter, Run
from exchange.clearing.needs import Bill, Need
from exchange.clearing.obligations import Delivery, Obligation
from exchange.clearing.state import Case, HouseState
from exchange.clearing.words import Level, Stage
from exchange.records import EventFlag, EventType
from exchange.units import BPS, LOTS_MAX, NS_PER_SECOND, SECONDS_PER_HOUR


class Piece(NamedTuple):
    """A substitute that will be bought for one need."""

    offer: Offer
    lots: int
    stands_for: int  # Whole original lots.
    value: int  # What it costs till the end, micro-dollars.
    buyer_value: int  # Of that, what the buyer pays.


class Substitution:
    """Arranges substitutes in one house."""

    def __init__(self, state: HouseState) -> None:
        self.state = state
        self.market = Market(state)
        self.later = Later(state, self.market)

    # What is arranged.

    def replace(self, case: Case, needs: list[Need], bill: Bill) -> None:
        """Serve needs of one origin, as far as the stages go; what is left stays in the needs (CLR-REAL-001)."""
        if not needs or bill.begin_ns >= needs[0].failed.end_ns:
            return
        origin = needs[0].failed.origin
        excluded = self.market.excluded(case.defaulter, [need.failed.buyer for need in needs])
        self._cure(case, needs)
        for handle in dict.fromkeys(need.failed.handle for need in needs):
            here = [need for need in needs if need.failed.handle == handle]
            self._from_book(case, here, handle, Stage.FABRIC, excluded, bill)
        for handle in self._cheapest_first(origin, needs, self.market.fabrics_of_class(origin), excluded):
            willing = [need for need in needs if need.wish.other_fabric and self._may_move(need)]
            self._from_book(case, willing, handle, Stage.CLASS, excluded, bill)
        for handle in self._cheapest_first(origin, needs, self.market.equivalents(origin), excluded):
            willing = [need for need in needs if need.wish.other_class and self._may_move(need)]
            self._from_book(case, willing, handle, Stage.EQUIVALENT, excluded, bill)
        for need in needs:
            if need.lots and need.wish.gang and not need.is_whole and need.wish.other_fabric:
                self._move_gang(case, need, excluded, bill)

    def postpone(self, case: Case, needs: list[Need], bill: Bill) -> list[Moved]:
        """Serve in later windows what no stage could serve in these hours (S4)."""
        excluded = self.market.excluded(case.defaulter, [need.failed.buyer for need in needs])
        return self.later.serve(case, needs, excluded, bill)

    def call(self, case: Case, needs: list[Need], bill: Bill) -> None:
        """Serve needs at one price from what rests at the end of the call auction (CLR-REAL-006)."""
        if not needs or bill.begin_ns >= needs[0].failed.end_ns:
            return
        excluded = self.market.excluded(case.defaulter, [need.failed.buyer for need in needs])
        for handle in dict.fromkeys(need.failed.handle for need in needs):
            here = [need for need in needs if need.failed.handle == handle and need.lots > 0]
            offers = self.market.offers(here[0].failed.origin, here[0].failed.mark, handle, excluded) if here else []
            price, _ = uniform_price(
                [(one.ticks, one.lots) for one in offers], sum(need.lots for need in here), LOTS_MAX
            )
            self._from_book(case, here, handle, Stage.CALL, excluded, bill, price)

    def _may_move(self, need: Need) -> bool:
        """Whether lots may go to another fabric: of a gang only all of them together (CLR-REAL-005)."""
        return need.lots > 0 and (not need.wish.gang or (need.is_whole and need.lots == need.size))

    def _cheapest_first(
        self, origin: int, needs: list[Need], handles: list[int], excluded: set[int]
    ) -> list[int]:
        """Return the instruments with offers, the one with the lowest effective price first."""
        mark = needs[0].failed.mark
        found = []
        for handle in handles:
            offers = self.market.offers(origin, mark, handle, excluded)
            if offers:
                found.append((self.market.cost_micros(origin, handle, offers[0].ticks), handle))
        return [handle for _, handle in sorted(found)]

    # A gang that has failed in part (CLR-REAL-005).

    def _move_gang(self, case: Case, need: Need, excluded: set[int], bill: Bill) -> None:
        """Move a whole gang to another fabric, where it could not be patched in its own.

        The lots that are well are stranded: their providers go on and are paid, by the defaulter. That is done only
        where it costs no more than replacing the whole gang at the cap.
        """
        failed, state = need.failed, self.state
        delivery = self._delivery(failed.origin)
        well = [duty for duty in delivery.obligations if duty.buyer == failed.buyer and not duty.closed]
        whole_gang = (*well, failed)
        if any(duty.original_lots != duty.lots or duty.case or duty.handle != failed.handle for duty in whole_gang):
            return  # It has been moved or mended before.
        lots = need.lots + sum(duty.lots for duty in well)
        mark, seconds = failed.mark, (failed.end_ns - bill.begin_ns) // NS_PER_SECOND
        scu, _ = state.scu_hours(failed.origin)
        own_hour = state.price_micros(failed.origin, mark) * scu
        stranded = sum(duty.lots for duty in well) * own_hour * seconds // SECONDS_PER_HOUR
        limit = lots * (self.market.cap_micros(failed.origin, mark, failed.origin) - own_hour) * seconds
        handles = self._cheapest_first(failed.origin, [need], self.market.fabrics_of_class(failed.origin), excluded)
        for handle in handles:
            offers = self.market.offers(failed.origin, mark, handle, excluded)
            whole = Need(failed, lots, need.wish, True)
            wanted = equivalent_lots(lots, self.market.factor_ppm(failed.origin, handle))
            pieces = self._pieces(whole, lots, wanted, handle, offers, bill)
            cost = stranded + sum(piece.value - piece.buyer_value for piece in pieces)
            if sum(piece.lots for piece in pieces) < wanted or cost * SECONDS_PER_HOUR > limit:
                continue
            surcharge = ceil_div((bill.premium + cost) * state.terms_of(failed.origin).surcharge_bps, BPS)
            if bill.premium + cost + surcharge > bill.budget:
                continue
            bill.premium += self._strand(case, well, bill)
            self._from_book(case, [whole], handle, Stage.CLASS, excluded, bill)
            need.lots = 0
            return

    def _strand(self, case: Case, well: list[Obligation], bill: Bill) -> int:
        """Let lots go on for nobody, paid by the case from the substitutes' beginning on; return what that costs."""
        cost = 0
        for duty in well:
            used_s = max(0, bill.begin_ns - duty.start_ns) // NS_PER_SECOND
            kept = duty.buyer_value * min(used_s, duty.seconds) // max(1, duty.seconds)
            cost += duty.buyer_value - kept
            duty.buyer_value = kept
            duty.stranded, duty.case = True, case.number
            self.state.core.move_lots(duty.handle, duty.buyer, self.state.account, duty.lots)
        return cost

    # S0.

    def _cure(self, case: Case, needs: list[Need]) -> None:
        """Let the provider replace failed nodes by spare healthy ones in the same fabric, at no cost (CLR-REAL-003)."""
        state = self.state
        if state.member(case.defaulter).level is Level.DEFAULTED:
            return
        for need in needs:
            failed = need.failed
            meter = state.meters.get((failed.handle, failed.provider))
            if meter is None or failed.provider != case.defaulter:
                continue
            terms = state.terms_of(failed.handle)
            alive_ns = state.core.now_ns - terms.heartbeat_s * terms.missed * NS_PER_SECOND
            spare = meter.free()
            spare = spare[meter.last_ok_ns[spare] >= max(alive_ns, 0)]
            lots = min(len(spare), need.lots)
            is_other = failed.handle != failed.origin or failed.original_lots != failed.lots
            if lots == 0 or is_other or (need.wish.gang and lots < need.lots):
                continue
            number = state.take_obligation_number()
            nodes = meter.take(lots, number, state.core.now_ns, spare)
            offer = Offer(0, failed.mark, lots, failed.provider)
            _, own = self._values(need, failed.handle, failed.mark, lots, (lots, 1), state.core.now_ns)
            # A cured lot is the provider's own again: both sides of the contract go on.
            state.core.move_lots(failed.handle, failed.provider, failed.buyer, lots)
            self._engage(
                case, need, Piece(offer, lots, lots, own, own), failed.handle, Stage.CURE, state.core.now_ns, number,
                nodes,
            )  # fmt: skip

    # S1 to S3, and the call.

    def _from_book(
        self, case: Case, needs: list[Need], handle: int, stage: Stage, excluded: set[int], bill: Bill,
        price: int | None = None,
    ) -> None:  # fmt: skip
        """Buy in one instrument for needs: who is served is decided first, then the cheapest are taken."""
        needs = [need for need in needs if need.lots > 0]
        if not needs:
            return
        origin, mark = needs[0].failed.origin, needs[0].failed.mark
        offers = self.market.offers(origin, mark, handle, excluded)
        if price is not None:
            offers = [one._replace(ticks=price) for one in offers if one.ticks <= price]
        factor = self.market.factor_ppm(origin, handle)
        supply = sum(one.lots for one in offers)
        demands = [
            Demand(index, need.lots, need.wish.gang, need.failed.seq) for index, need in enumerate(needs)
        ]
        for need, lots in zip(needs, allocate(original_lots(supply, factor), demands), strict=True):
            self._serve(case, need, lots, handle, factor, offers, stage, bill)

    def _serve(
        self, case: Case, need: Need, lots: int, handle: int, factor: int, offers: list[Offer], stage: Stage,
        bill: Bill,
    ) -> None:  # fmt: skip
        """Buy for one need as many of its lots as were given to it, and as can be paid for."""
        wanted = equivalent_lots(lots, factor)
        there = sum(one.lots for one in offers)
        if wanted > there:  # Each need rounds up, so that the last may find less than its share.
            lots = 0 if need.wish.gang else original_lots(there, factor)
            wanted = equivalent_lots(lots, factor)
        pieces = self._pieces(need, lots, wanted, handle, offers, bill)
        if need.wish.gang and sum(piece.lots for piece in pieces) < wanted:
            return
        for piece in pieces:
            taken = self.state.core.hit(piece.offer.oid, piece.lots, self.state.account, 0, piece.offer.ticks, True)
            assert taken == piece.lots, "a substitute that was seen must be there"
            # The lots the house has bought are handed on to the buyer.
            self.state.core.move_lots(handle, self.state.account, need.failed.buyer, piece.lots)
            self._engage(case, need, piece, handle, stage, bill.begin_ns, 0, None)
            bill.premium += piece.value - piece.buyer_value
        use_up(offers, [piece.lots for piece in pieces])

    def _pieces(
        self, need: Need, lots: int, wanted: int, handle: int, offers: list[Offer], bill: Bill
    ) -> list[Piece]:
        """Return what is bought to serve so many lots, cheapest first, within the budget (CLR-REAL-007)."""
        pieces: list[Piece] = []
        spent, left, left_original = bill.premium, wanted, lots
        for offer in offers:
            count = min(offer.lots, left)
            if count == 0:
                break
            stands_for = left_original * count // left
            part = lots * count, wanted
            value, buyer_value = self._values(need, handle, offer.ticks, count, part, bill.begin_ns)
            spent += value - buyer_value
            surcharge = self.state.terms_of(need.failed.origin).surcharge_bps
            if spent + ceil_div(spent * surcharge, BPS) > bill.budget:
                break
            pieces.append(Piece(offer, count, stands_for, value, buyer_value))
            left -= count
            left_original -= stands_for
        return pieces

    def _values(
        self, need: Need, handle: int, ticks: int, lots: int, original: tuple[int, int], begin_ns: int
    ) -> tuple[int, int]:
        """Return what a substitute costs till the end, rounded up, and what of it the buyer pays, rounded down.

        ``original`` is what the lots do the work of: a fraction of original lots, which need not be whole.
        """
        state, failed = self.state, need.failed
        seconds = (failed.end_ns - begin_ns) // NS_PER_SECOND
        lot_scu, _ = state.scu_hours(handle)
        origin_scu, _ = state.scu_hours(failed.origin)
        value = ceil_div(lots * state.price_micros(handle, ticks) * lot_scu * seconds, SECONDS_PER_HOUR)
        stands_for, of = original
        price = state.price_micros(failed.origin, failed.mark) * origin_scu
        own = stands_for * price * seconds // (SECONDS_PER_HOUR * of)
        return value, min(own, value)

    def _engage(
        self, case: Case, need: Need, piece: Piece, handle: int, stage: Stage, begin_ns: int, number: int,
        nodes: list[Run] | None,
    ) -> None:  # fmt: skip
        """Write the new obligation down, and tell it."""
        state, failed, offer, lots = self.state, need.failed, piece.offer, piece.lots
        number = number or state.take_obligation_number()
        taken = self.meter(handle, offer.account).take(lots, number, begin_ns) if nodes is None else nodes
        duty = Obligation(
            number, offer.account, failed.buyer, handle, failed.origin, lots, taken, failed.seq, begin_ns,
            failed.end_ns, piece.value, piece.buyer_value, failed.mark, piece.stands_for,
            0 if stage is Stage.CURE else case.number, False,
        )  # fmt: skip
        self._delivery(failed.origin).obligations.append(duty)
        need.lots -= piece.stands_for
        self._tell(case, duty, offer, stage, piece.stands_for)

    def meter(self, handle: int, provider: int) -> Meter:
        """Return the meter of a provider's nodes in an instrument, made at first use."""
        found = self.state.meters.get((handle, provider))
        if found is None:
            certified = next((one[2] for one in self.state.core.holdings(handle) if one[0] == provider), 0)
            found = self.state.meters[handle, provider] = Meter(provider, handle, certified)
        return found

    def _delivery(self, handle: int) -> Delivery:
        return self.state.deliveries[handle]

    def _tell(self, case: Case, duty: Obligation, offer: Offer, stage: Stage, stands_for: int) -> None:
        """Tell both sides of a substitute: SUBSTITUTE with its terms, ASSIGNED with its nodes."""
        core = self.state.core
        for account, other, flags, micros in (
            (duty.buyer, duty.provider, 0, duty.buyer_value),
            (duty.provider, duty.buyer, EventFlag.SELL, duty.value),
        ):
            core.emit(
                EventType.SUBSTITUTE, account=account, instrument=duty.handle, price=offer.ticks, lots=duty.lots,
                cum=stands_for, leaves=other, reason=stage, amount=micros, match_id=case.number, flags=flags,
            )  # fmt: skip
            for first, count in duty.nodes:
                core.emit(
                    EventType.ASSIGNED, account=account, instrument=duty.handle, price=first, lots=count,
                    amount=other, flags=flags,
                )  # fmt: skip


def use_up(offers: list[Offer], taken: list[int]) -> None:
    """Take lots off the first offers, one after another; those used up are gone."""
    if not taken:
        return
    last = len(taken) - 1
    left = offers[last].lots - taken[last]
    offers[: len(taken)] = [offers[last]._replace(lots=left)] if left else []
