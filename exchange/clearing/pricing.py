"""Marks of cleared windows, the variation they bring, and what margin is computed from (CLR-VM, CLR-RATE)."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from exchange.catalogue.registry import Instrument
from exchange.clearing.arithmetic import PPM, ceil_div
from exchange.clearing.contracts import Contracts
from exchange.clearing.curve import WindowPrices, index, marks, mid
from exchange.clearing.margin import (
    ENTRY_PPM,
    REBUILD_PPM,
    Column,
    buffered,
    lot_losses,
    open_interest_fraction,
    rates,
)
from exchange.clearing.options import doubled, option_rates, short_least
from exchange.clearing.scenarios import OUTAGES_MAX, Scenario, join, shocks
from exchange.clearing.state import HouseState
from exchange.clearing.tenor import buyer_prefund, delivery_addon
from exchange.records import EventType, Phase, Side
from exchange.units import HOUR_NS, LOTS_MAX, MONEY_MAX, NS_PER_SECOND, PRICE_MAX_TICKS

DAY_NS = 24 * HOUR_NS
MARKED = (Phase.CONTINUOUS, Phase.PRECLOSE, Phase.VOLATILITY, Phase.HALTED, Phase.OPEN)
UNPAID = (*MARKED, Phase.GATED, Phase.BALANCING)


class _Row(NamedTuple):
    """One contract of the sheet."""

    mark: int
    lot_micros: int
    losses: tuple[int, ...]
    rates: tuple[int, int]
    ahead: tuple[int, int]
    least: int


@dataclass(frozen=True, slots=True)
class Sheet:
    """Everything margin needs to know of one moment: the windows in order, their columns, the scenarios' names."""

    handles: tuple[int, ...]
    lots: tuple[tuple[int, int], ...]  # Mark, and micros of a tick on a lot.
    losses: tuple[tuple[int, ...], ...]  # Of one lot long by scenario, micros x ppm.
    rates: tuple[tuple[int, int], ...]  # Worst loss of a lot long and of one short, micros.
    buffered: tuple[tuple[int, int], ...]  # As charged: with buffer, and what open interest asks.
    quiet: tuple[tuple[int, int], ...]  # With the buffer alone, without what open interest asks.
    names: tuple[str, ...]
    ahead: tuple[tuple[int, int], ...]  # Prefunding of one lot long, delivery add-on of one lot short, micros.
    least: tuple[int, ...]  # Least margin of one lot short, micros: of an option (CLR-OPT-008).

    def place(self) -> dict[int, int]:
        """Return the column of each handle."""
        return {handle: number for number, handle in enumerate(self.handles)}


class Pricing:
    """Marks and rates of one house."""

    def __init__(self, state: HouseState) -> None:
        self.state = state
        self.contracts = Contracts(state)

    def cleared(self, phases: tuple[Phase, ...]) -> list[Instrument]:
        """Return the cleared instruments in any of the phases, by handle."""
        state = self.state
        return [
            one
            for one in state.live()
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
                    self._set(one, min(ticks, PRICE_MAX_TICKS), moves, gains)
        for one in self.cleared(MARKED):
            if one.product_number in self.state.options:
                worth = self.contracts.mark(one, mid(self._prices(one)))
                if worth is not None and worth != self.state.core.mark(one.handle):
                    self._set(one, min(worth, PRICE_MAX_TICKS), moves, gains)
        return moves, gains

    def _by_curve(self) -> dict[tuple[str, int], list[Instrument]]:
        """Return the windows that share a curve: one class, one tick size, one band."""
        groups: dict[tuple[str, int], list[Instrument]] = {}
        for one in self.cleared(MARKED):
            if one.product_number in self.state.options:
                continue
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

    def _set(self, one: Instrument, ticks: int, moves: dict[int, int], gains: dict[int, int]) -> None:
        move, held = self.state.settle_mark(one, ticks)
        if move:
            moves[one.handle] = move
        for account, micros in held:
            gains[account] = gains.get(account, 0) + micros

    def index(self, name: str) -> int | None:
        """Return the index of a class in micro-dollars per SCU-hour, None where nothing has a mark (CLR-MRK-004)."""
        prices = [
            self.state.price_micros(one.handle, mark)
            for one in self.cleared(MARKED)
            if self.state.class_of[one.product_number] == name
            and one.product_number not in self.state.options
            and (mark := self.state.core.mark(one.handle)) is not None
        ]
        return index(prices) if prices else None

    def tell_indices(self) -> None:
        """Tell the index of every class that has moved (CLR-MRK-004)."""
        for number, name in enumerate(self.state.classes, 1):
            found = self.index(name)
            if found is not None and found != self.state.indices.get(name):
                self.state.indices[name] = found
                self.state.core.emit(EventType.INDEX, lots=number, amount=found)

    # Rates.

    def sheet(self) -> Sheet:
        """Return the columns of all windows that are not paid yet and have a mark (CLR-RATE-001)."""
        state = self.state
        found = [one for one in self.cleared(UNPAID) if state.core.mark(one.handle) is not None]
        found = [one for one in found if one.handle not in state.deliveries or not state.deliveries[one.handle].opened]
        by_class = {name: [one for one in found if state.class_of[one.product_number] == name] for name in state.risks}
        fabrics = {(one.product_number, one.fabric_index) for one in found}
        with_outages = len(fabrics) <= OUTAGES_MAX
        parts = [self._shocks(name, group, with_outages) for name, group in by_class.items() if group]
        scenarios = join(parts) if parts else []
        ordered = [one for group in by_class.values() for one in group]
        by_window = list(zip(*(one.shock_ppm for one in scenarios), strict=True))
        names = tuple(one.name for one in scenarios)
        if state.options:
            names = tuple(f"{name}, volatility {way}" for name in names for way in ("up", "down"))
        rows = [self._row(one, shocked) for one, shocked in zip(ordered, by_window, strict=True)]
        open_lots = self._open_lots()
        return Sheet(
            tuple(one.handle for one in ordered),
            tuple((row.mark, row.lot_micros) for row in rows),
            tuple(row.losses for row in rows),
            tuple(row.rates for row in rows),
            tuple(
                self._charged(one, row, open_lots.get(one.handle, 0)) for one, row in zip(ordered, rows, strict=True)
            ),
            tuple(self._buffered(one, row) for one, row in zip(ordered, rows, strict=True)),
            names,
            tuple(row.ahead for row in rows),
            tuple(row.least for row in rows),
        )

    def _row(self, one: Instrument, shocked: tuple[int, ...]) -> "_Row":
        mark, lot = self.state.core.mark(one.handle) or 0, one.product.lot_micros
        column = Column(mark, lot, shocked)
        if one.product_number in self.state.options:
            losses = self.contracts.losses(one, shocked) or (0,) * (2 * len(shocked))
            forward = self.contracts.forward(one) or 0
            least = short_least(-1, forward, lot)
            return _Row(mark, lot, losses, option_rates(losses, forward, lot), (0, 0), least)
        losses = lot_losses(column)
        if self.state.options:
            losses = doubled(losses)
        return _Row(mark, lot, losses, rates(column), self._ahead(one, column), 0)

    def _open_lots(self) -> dict[int, int]:
        """Return the open interest of windows, where a class has bounds for it."""
        if all(risk.open_interest_high > LOTS_MAX for risk in self.state.risks.values()):
            return {}
        rows = np.frombuffer(self.state.core.positions_bytes(), np.int64).reshape(-1, 5)
        found: dict[int, int] = {}
        for handle, lots in rows[rows[:, 2] > 0, 1:3].tolist():
            found[handle] = found.get(handle, 0) + lots
        return found

    def _charged(self, one: Instrument, row: _Row, open_lots: int) -> tuple[int, int]:
        """Return rates with their buffer, raised where too much is open in the window (CLR-RATE-006)."""
        long, short = self._buffered(one, row)
        risk = self.state.risk(self.state.class_of[one.product_number])
        notional = row.mark * row.lot_micros
        if open_lots <= risk.open_interest_low or notional == 0:
            return long, short
        bounds = open_lots, risk.open_interest_low, risk.open_interest_high
        raised = [
            ceil_div(notional * open_interest_fraction(rate * PPM // notional, *bounds), PPM) for rate in (long, short)
        ]
        return max(long, min(raised[0], self._worth(one, notional))), max(short, raised[1])

    def _buffered(self, one: Instrument, row: _Row) -> tuple[int, int]:
        """Return rates with what is left of their buffer; it grows again once a day (CLR-RATE-004)."""
        day, *before = self.state.buffers.get(one.handle, (-1, 0, 0))
        rebuild_ppm = 0 if day == self.state.core.now_ns // DAY_NS else REBUILD_PPM
        long, short = (
            buffered(rate, previous, rebuild_ppm=rebuild_ppm)
            for rate, previous in zip(row.rates, before, strict=True)
        )
        return min(long, self._worth(one, row.mark * row.lot_micros)), short

    def _worth(self, one: Instrument, value: int) -> int:
        """Return the most that one lot long can cost in margin: an option's value, of a window no bound."""
        return value if one.product_number in self.state.options else MONEY_MAX

    def _shocks(self, name: str, group: list[Instrument], with_outages: bool) -> list[Scenario]:
        fabrics = [f"{one.product.name}.{one.fabric}" for one in group] if with_outages else []
        hour = self.state.core.now_ns // HOUR_NS
        return shocks(self.state.risk(name), [one.window for one in group], hour, fabrics)

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
        day = self.state.core.now_ns // DAY_NS
        for place, handle in enumerate(sheet.handles):
            (mark, lot), (long, short), (prefund, addon) = (
                sheet.lots[place], sheet.buffered[place], sheet.ahead[place],
            )  # fmt: skip
            self.state.buffers[handle] = day, *sheet.quiet[place]
            worth = self._worth(self.state.instrument(handle), mark * lot)
            entry = min(ceil_div(long * ENTRY_PPM, PPM), worth)
            wanted = max(entry, prefund), max(ceil_div(short * ENTRY_PPM, PPM), addon)
            if self.state.rates.get(handle) != wanted:
                self.state.rates[handle] = wanted
                self.state.core.set_rates(handle, *wanted)
