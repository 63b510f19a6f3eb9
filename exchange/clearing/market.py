"""Substitute capacity in the live book: who offers it, for whom it may be used, at what price it counts (CLR-REAL)."""

from collections.abc import Collection, Iterable
from typing import NamedTuple

from exchange.clearing.allocation import effective_price, price_cap
from exchange.clearing.arithmetic import PPM
from exchange.clearing.state import HouseState
from exchange.records import Phase, Side
from exchange.units import AMOUNT_MAX

OPEN_FOR_STANDBY = (Phase.GATED, Phase.BALANCING, Phase.DELIVERING)


class Offer(NamedTuple):
    """A resting physical sell that may be used."""

    oid: int
    ticks: int
    lots: int
    account: int


class Market:
    """Looks for substitutes."""

    def __init__(self, state: HouseState) -> None:
        self.state = state

    def excluded(self, defaulter: int, buyers: Iterable[int]) -> set[int]:
        """Return the owner groups whose offers are passed over: the defaulter's, his domain's, the buyers'."""
        state = self.state
        domain = state.provider(defaulter).domain
        alike = [number for number, one in state.providers.items() if domain and one.domain == domain]
        return {state.core.group(account) for account in (defaulter, *alike, *buyers)}

    def factor_ppm(self, origin: int, handle: int) -> int:
        """Return the work of a lot in one instrument, in millionths of a lot in another (CLR-REAL-004)."""
        state = self.state
        ours, theirs = state.classes[state.class_name(origin)], state.classes[state.class_name(handle)]
        lot_scu, _ = state.scu_hours(origin)
        other_scu, _ = state.scu_hours(handle)
        return theirs.units * other_scu * PPM // (ours.units * lot_scu)

    def cap_micros(self, origin: int, mark: int, handle: int) -> int:
        """Return the most that a lot may cost, in micro-dollars per hour of an original lot (CLR-REAL-002)."""
        state = self.state
        lot_scu, _ = state.scu_hours(origin)
        of_class = state.classes[state.class_name(handle)].price_cap_micros or AMOUNT_MAX
        return price_cap(of_class, state.price_micros(origin, mark), state.terms_of(origin).cap_bps) * lot_scu

    def cost_micros(self, origin: int, handle: int, ticks: int) -> int:
        """Return what the work of an original lot costs in an instrument, micro-dollars an hour (CLR-REAL-004)."""
        lot_scu, _ = self.state.scu_hours(handle)
        return effective_price(self.state.price_micros(handle, ticks) * lot_scu, self.factor_ppm(origin, handle))

    def offers(self, origin: int, mark: int, handle: int, excluded: Collection[int]) -> list[Offer]:
        """Return the physical sells of an instrument that may replace lots of another, best first. O(sells)."""
        cap, core = self.cap_micros(origin, mark, handle), self.state.core
        found: list[Offer] = []
        groups: dict[int, int] = {}
        for oid, price, leaves, account, physical, _ in core.resting(handle, Side.SELL):
            is_new_price = not found or price != found[-1].ticks
            if is_new_price and self.cost_micros(origin, handle, price) > cap:
                break  # And so would be all behind it.
            if account not in groups:
                groups[account] = core.group(account)
            if physical and groups[account] not in excluded:
                found.append(Offer(oid, price, leaves, account))
        return found

    def same_hours(self, origin: int) -> list[int]:
        """Return the cleared instruments that deliver in just the same hours, in order of product and fabric."""
        state = self.state
        mine = state.instrument(origin)
        found: list[int] = []
        for number in sorted(state.products):
            product = state.catalogue.product(number)
            if product.window_hours != mine.product.window_hours or number in state.options:
                continue
            found += [
                handle
                for fabric in product.fabrics
                if (handle := state.catalogue.handle(product.name, fabric, mine.window)) is not None
            ]
        return found

    def fabrics_of_class(self, origin: int) -> list[int]:
        """Return the other instruments of the same class and hours in which standby sells may rest (S2)."""
        name = self.state.class_name(origin)
        return [one for one in self._others(origin) if self.state.class_name(one) == name]

    def equivalents(self, origin: int) -> list[int]:
        """Return the instruments of other classes and the same hours in which standby sells may rest (S3)."""
        name = self.state.class_name(origin)
        return [one for one in self._others(origin) if self.state.class_name(one) != name]

    def _others(self, origin: int) -> list[int]:
        return [
            one
            for one in self.same_hours(origin)
            if one != origin and self.state.core.phase(one) in OPEN_FOR_STANDBY
        ]
