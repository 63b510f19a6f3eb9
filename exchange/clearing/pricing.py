"""Marks of cleared windows, the variation they bring, and what margin is computed from (CLR-VM, CLR-RATE)."""

from dataclasses import dataclass

from exchange.catalogue.registry import Instrument
from exchange.clearing.arithmetic import PPM, ceil_div
from exchange.clearing.curve import WindowPrices, index, marks
from exchange.clearing.ledger import Purse
from exchange.clearing.margin import ENTRY_PPM, Column, rates
from exchange.clearing.scenarios import OUTAGES_MAX, Scenario, join, shocks
from exchange.clearing.state import HouseState
from exchange.clearing.tenor import buyer_prefund, delivery_addon
from exchange.clearing.words import Cause, Kind
from exchange.records import EventType, Phase, Side
from exchange.units import HOUR_NS, NS_PER_SECOND, PRICE_MAX_TICKS

MARKED = (Phase.CONTINUOUS, Phase.PRECLOSE, Phase.VOLATILITY, Phase.HALTED, Phase.OPEN)
UNPAID = (*MARKED, Phase.GATED, Phase.BALANCING)


@dataclass(frozen=True, slots=True)
class Sheet:
    """Everything margin needs to know of one moment: the windows in order, their columns, the scenarios' names."""

    handles: tuple[int, ...]
    columns: tuple[Column, ...]
    names: tuple[str, ...]
    ahead: tuple[tuple[int, int], ...]  # Prefunding of one lot long, delivery add-on of one lot short, micros.

    def place(self) -> dict[int, int]:
        """Return the column of each handle."""
        return {handle: number for number, handle in enumerate(self.handles)}


class Pricing:
    """Marks and rates of one house."""

    def __init__(self, state: HouseState) -> None:
        self.state = state

    def cleared(self, phases: tuple[Phase, ...]) -> list[Instrument]:
        """Return the cleared instruments in any of the phases, by handle."""
        state = self.state
        return [
            one
            for one in state.catalogue.instruments
            if one.product_number in state.products and state.core.phase(one.handle) in phases
        ]

    # Marks.

    def mark_all(self) -> tuple[dict[int, int], dict[int, int]]:
        """Set the marks of all windows that still trade; the move is paid at once (CLR-VM-001).

        Returns:
            The moves in micro-dollars a lot by handle, and what each account has gained.

        """
        moves: dict[int, int] = {}
        gains: dict[int, int] = {}
        for (_, band), group in self._by_curve().items():
            known = [self._prices(one) for one in group]
            for one, prices, ticks in zip(group, known, marks(known, band), strict=True):
                if ticks is not None and ticks != prices.previous:
                    self._set(one, min(ticks, PRICE_MAX_TICKS), prices.previous, moves, gains)
        return moves, gains

    def _by_curve(self) -> dict[tuple[str, int], list[Instrument]]:
        """Return the windows that share a curve: one class, one tick size, one band."""
        groups: dict[tuple[str, int], list[Instrument]] = {}
        for one in self.cleared(MARKED):
            terms = self.state.products[one.product_number]
            name = f"{self.state.class_of[one.product_number]} {one.product.tick_micros}"
            groups.setdefault((name, terms.mark_band_bps), []).append(one)
        return groups

    def _prices(self, one: Instrument) -> WindowPrices:
        core = self.state.core
        bid, ask = core.best(one.handle, Side.BUY), core.best(one.handle, Side.SELL)
        return WindowPrices(
            one.window, None if bid is None else bid[0], None if ask is None else ask[0], None,
            core.mark(one.handle),
        )  # fmt: skip

    def _set(
        self, one: Instrument, ticks: int, before: int | None, moves: dict[int, int], gains: dict[int, int]
    ) -> None:
        core = self.state.core
        core.set_mark(one.handle, ticks)
        core.emit(EventType.MARK, instrument=one.handle, price=ticks)
        if before is None:
            return
        move = (ticks - before) * one.product.lot_micros
        moves[one.handle] = move
        for account, lots, _ in core.holdings(one.handle):
            if lots:
                gains[account] = gains.get(account, 0) + lots * move
                purse = Purse(Kind.COLLATERAL, account)
                self.state.ledger.tell(Cause.VARIATION, purse, lots * move, handle=one.handle)

    def index(self, name: str) -> int | None:
        """Return the index of a class in micro-dollars per SCU-hour, None where nothing has a mark (CLR-MRK-005)."""
        prices = [
            self.state.price_micros(one.handle, mark)
            for one in self.cleared(MARKED)
            if self.state.class_of[one.product_number] == name
            and (mark := self.state.core.mark(one.handle)) is not None
        ]
        return index(prices) if prices else None

    # Rates.

    def sheet(self) -> Sheet:
        """Return the columns of all windows that are not paid yet and have a mark (CLR-RATE-001)."""
        state = self.state
        found = [one for one in self.cleared(UNPAID) if state.core.mark(one.handle) is not None]
        found = [one for one in found if one.handle not in state.deliveries or not state.deliveries[one.handle].opened]
        by_class = {name: [one for one in found if state.class_of[one.product_number] == name] for name in state.risks}
        parts = [self._shocks(name, group) for name, group in by_class.items() if group]
        scenarios = join(parts) if parts else []
        ordered = [one for group in by_class.values() for one in group]
        by_window = list(zip(*(one.shock_ppm for one in scenarios), strict=True))
        columns = [
            Column(state.core.mark(one.handle) or 0, one.product.lot_micros, shocked)
            for one, shocked in zip(ordered, by_window, strict=True)
        ]
        return Sheet(
            tuple(one.handle for one in ordered),
            tuple(columns),
            tuple(one.name for one in scenarios),
            tuple(self._ahead(one, column) for one, column in zip(ordered, columns, strict=True)),
        )

    def _shocks(self, name: str, group: list[Instrument]) -> list[Scenario]:
        fabrics = [f"{one.product.name}.{one.fabric}" for one in group]
        if len(dict.fromkeys(fabrics)) * len(self.state.risks) > OUTAGES_MAX:
            fabrics = []
        hour = self.state.core.now_ns // HOUR_NS
        return shocks(self.state.risks[name], [one.window for one in group], hour, fabrics)

    def _ahead(self, one: Instrument, column: Column) -> tuple[int, int]:
        """Return prefunding and add-on of one lot, as time stands (CLR-DLV)."""
        terms = self.state.products[one.product_number]
        tau_s = max(0, ceil_div(one.window * HOUR_NS - self.state.core.now_ns, NS_PER_SECOND))
        return (
            buyer_prefund(1, column.mark, column.lot_micros, terms.prefund_bps, tau_s, terms.horizon_s),
            delivery_addon(1, column.mark, column.lot_micros, terms.cap_bps, tau_s, terms.horizon_s),
        )

    def publish(self, sheet: Sheet) -> None:
        """Give the core the rates of one lot: 125 % of the worst scenario, at least what lies ahead (CLR-RATE-002)."""
        for handle, column, (prefund, addon) in zip(sheet.handles, sheet.columns, sheet.ahead, strict=True):
            long, short = rates(column)
            wanted = (
                max(ceil_div(long * ENTRY_PPM, PPM), prefund),
                max(ceil_div(short * ENTRY_PPM, PPM), addon),
            )
            if self.state.rates.get(handle) != wanted:
                self.state.rates[handle] = wanted
                self.state.core.set_rates(handle, *wanted)
