"""What follows when margin is lacking: the call, orders ended, positions reduced, at last the estate (CLR-LIQ)."""

from exchange.clearing.arithmetic import PPM, ceil_div
from exchange.clearing.estates import Estates, trade_slice
from exchange.clearing.margin import margin_of_losses
from exchange.clearing.margining import Demanded, Margining
from exchange.clearing.pricing import Sheet
from exchange.clearing.state import HouseState
from exchange.clearing.words import CaseKind, Level
from exchange.reasons import DoneReason
from exchange.records import Phase


class Liquidation:
    """The ladder that an account goes down."""

    def __init__(self, state: HouseState, margining: Margining, estates: Estates) -> None:
        self.state = state
        self.margining = margining
        self.estates = estates

    def look(self, sheet: Sheet, demanded: dict[int, Demanded]) -> None:
        """Judge every account, and take the steps that are due (CLR-LIQ-001 to 003)."""
        for account, wanted in demanded.items():
            found = self.margining.judge(account, wanted)
            if found in (Level.GOOD, Level.DEFAULTED):
                continue
            if self.margining.must_hand_over(account, wanted):
                self.estates.default(account, CaseKind.MARGIN)
            elif found is Level.LIQUIDATING:
                self._reduce(account, wanted, sheet)

    def _reduce(self, account: int, wanted: Demanded, sheet: Sheet) -> None:
        """End all orders, then take one slice off each position, the riskiest first, as long as margin is lacking."""
        state = self.state
        state.core.end_orders(account, DoneReason.LIQUIDATION)
        held = self.margining.positions().get(account, {})
        place = sheet.place()
        risk = {
            handle: abs(lots) * sheet.rates[place[handle]][lots < 0]
            for handle, lots in held.items()
            if handle in place
        }
        beside = wanted.total - wanted.margin
        for handle in sorted(risk, key=lambda one: (-risk[one], one)):
            if state.core.phase(handle) != Phase.CONTINUOUS:
                continue
            size = abs(held[handle])
            part = size if size <= state.terms.full_lots else ceil_div(size * state.terms.slice_ppm, PPM)
            held[handle] -= trade_slice(state, handle, account, part if held[handle] > 0 else -part)
            row = [held.get(one, 0) for one in sheet.handles]
            if state.core.balance(account) >= margin_of_losses(row, sheet.losses).margin + beside:
                return
