"""Options in the house: their marks, what a lot may lose, and how they expire into their windows (CLR-OPT)."""

from exchange.catalogue.registry import Instrument
from exchange.clearing.arithmetic import clamp, shares
from exchange.clearing.options import Option, option_losses, value
from exchange.clearing.state import HouseState
from exchange.records import EventFlag, EventType
from exchange.units import BPS, HOUR_NS, LOTS_MAX, NS_PER_SECOND


class Contracts:
    """The options of one house."""

    def __init__(self, state: HouseState) -> None:
        self.state = state

    def underlying(self, one: Instrument) -> Instrument | None:
        """Return the window an option is on, None where that is not listed."""
        state, terms = self.state, self.state.options[one.product_number]
        product = state.catalogue.product(terms.underlying)
        handle = state.catalogue.handle(product.name, one.fabric, one.window)
        return None if handle is None else state.instrument(handle)

    def option(self, one: Instrument) -> Option:
        """Return the option as it stands at this time: it expires at its own gate."""
        terms = self.state.options[one.product_number]
        gate_ns = one.window * HOUR_NS - one.product.gate_lead_s * NS_PER_SECOND
        return Option(terms.is_call, terms.strike, max(0, gate_ns - self.state.core.now_ns) // NS_PER_SECOND)

    def forward(self, one: Instrument) -> int | None:
        """Return the mark of the window an option is on."""
        found = self.underlying(one)
        return None if found is None else self.state.core.mark(found.handle)

    def mark(self, one: Instrument, middle: int | None) -> int | None:
        """Return the mark of an option: the middle of its book, within the band around its value (CLR-OPT-009)."""
        forward = self.forward(one)
        if forward is None:
            return None
        worth = value(self.option(one), forward, self.state.options[one.product_number].vol_ppm)
        if middle is None:
            return worth
        width = max(1, worth * self.state.products[one.product_number].mark_band_bps // BPS)
        return clamp(middle, max(0, worth - width), worth + width)

    def losses(self, one: Instrument, shocks: tuple[int, ...]) -> tuple[int, ...] | None:
        """Return what one lot long loses in each scenario, volatility up and down; None without a forward."""
        forward = self.forward(one)
        if forward is None:
            return None
        vol_ppm = self.state.options[one.product_number].vol_ppm
        return option_losses(self.option(one), forward, vol_ppm, one.product.lot_micros, shocks)

    # The gate.

    def expire(self, one: Instrument) -> tuple[int, list[tuple[int, int]]]:
        """Let an option expire: its last mark is what it is worth, then its lots become the window's (CLR-OPT-010).

        Returns:
            The last move in micro-dollars a lot, and what each holder has gained by it.

        """
        core, terms = self.state.core, self.state.options[one.product_number]
        held = [(account, lots) for account, lots, _ in core.holdings(one.handle) if lots]
        found, forward = self.underlying(one), self.forward(one)
        last: tuple[int, list[tuple[int, int]]] = 0, []
        if held and forward is not None:
            worth = max(0, forward - terms.strike if terms.is_call else terms.strike - forward)
            last = self.state.settle_mark(one, worth)
            if worth and found is not None and found.handle not in self.state.deliveries:
                self._exercise(one, found, held, terms.is_call)
        for account, lots in held:
            giver, taker = (account, self.state.account) if lots > 0 else (self.state.account, account)
            if account != self.state.account:
                core.move_lots(one.handle, giver, taker, abs(lots))
        core.clear_mark(one.handle)
        self.state.rates.pop(one.handle, None)
        return last

    def _exercise(self, one: Instrument, found: Instrument, held: list[tuple[int, int]], is_call: bool) -> None:
        """Give holders the window's lots, writers the opposite, at the mark: the rest has been paid as variation.

        A prepaid account is never short: of a put it gets the money alone, and as many of the writers' lots fall away.
        """
        core = self.state.core
        holders = [(account, lots) for account, lots in held
                   if lots > 0 and (is_call or not core.is_prepaid(account))]  # fmt: skip
        writers = [(account, -lots) for account, lots in held if lots < 0]
        total = sum(lots for _, lots in holders)
        given = shares(min(total, sum(lots for _, lots in writers)), [lots for _, lots in writers])
        legs = [(account, lots if is_call else -lots) for account, lots in holders]
        legs += [(account, -lots if is_call else lots) for (account, _), lots in zip(writers, given, strict=True)]
        for account, lots in legs:
            if account == self.state.account:
                self._to_estates(one, found, lots)
            elif lots:
                self._deliver(found, account, lots)

    def _deliver(self, found: Instrument, account: int, lots: int) -> None:
        giver, taker = (self.state.account, account) if lots > 0 else (account, self.state.account)
        self.state.core.move_lots(found.handle, giver, taker, abs(lots))
        self.state.core.emit(
            EventType.EXERCISE, account=account, instrument=found.handle,
            price=self.state.core.mark(found.handle) or 0, lots=min(abs(lots), LOTS_MAX),
            flags=EventFlag.SELL if lots < 0 else 0,
        )  # fmt: skip

    def _to_estates(self, one: Instrument, found: Instrument, lots: int) -> None:
        """Divide the window's lots that the house gets among the estates that held the option."""
        cases = [case for case in self.state.cases.values() if case.positions.get(one.handle)]
        parts = shares(abs(lots), [abs(case.positions[one.handle]) for case in cases])
        for case, part in zip(cases, parts, strict=True):
            if part:
                before = case.positions.get(found.handle, 0)
                case.positions[found.handle] = before + (part if lots > 0 else -part)
