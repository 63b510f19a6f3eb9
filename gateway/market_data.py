"""What the public may know of the instruments, as wire messages and as JSON."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from exchange.catalogue import Catalogue, Instrument
from exchange.records import CALLS, Phase
from exchange.units import HOUR_NS, NS_PER_SECOND, window_start_ns
from ext.market import Market
from gateway.protocol import Channel, MessageType, pack

NS_PER_US = 1_000
UNIT = "SCU-hour"


class Told(NamedTuple):
    """What was last told of an instrument's life (MKT-004)."""

    phase: Phase
    reason: int
    next_ns: int  # When the next phase is due; 0: not known.


def instrument_fields(instrument: Instrument, phase: Phase) -> dict[str, Any]:
    """Return the fields of the `instrument` message, in order."""
    start_ns = window_start_ns(instrument.window)
    return {
        "inst": instrument.handle,
        "symbol": instrument.symbol,
        "tick_micros": instrument.product.tick_micros,
        "lot_scu": instrument.product.lot_scu,
        "start_ts": start_ns // NS_PER_US,
        "end_ts": (start_ns + instrument.product.window_hours * HOUR_NS) // NS_PER_US,
        "last_trade_ts": instrument.product.gate_ns(instrument.window) // NS_PER_US,
        "unit": UNIT,
        "region": instrument.fabric,
        "state": int(phase),
    }


class InstrumentBoard:
    """Phases and definitions of the instruments, and the messages about them."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self._told: dict[int, Told] = {}
        self._products: set[int] = set()

    def tell(self, handle: int, phase: int, reason: int = 0, next_ns: int = 0) -> None:
        """Note the phase an instrument has entered, why, and when it will leave it."""
        self._told[handle] = Told(Phase(phase), reason, next_ns)

    def tell_product(self, handle: int) -> bytes | None:
        """Return the `product` message if this is the first that is told of an instrument's product."""
        number = self._instrument(handle).product_number
        if number in self._products:
            return None
        self._products.add(number)
        return self._product_message(number)

    def phase(self, handle: int) -> Phase:
        """Return the phase of an instrument; LISTED before anything was told of it."""
        told = self._told.get(handle)
        return Phase.LISTED if told is None else told.phase

    def exists(self, handle: int) -> bool:
        """Whether the handle is listed."""
        return self.catalogue.instrument(handle) is not None

    def handles(self) -> range:
        """Return the handles of all instruments."""
        return range(1, len(self.catalogue.instruments) + 1)

    def definition(self, handle: int) -> dict[str, Any]:
        """Return the fields of the `instrument` message of a listed handle."""
        return instrument_fields(self._instrument(handle), self.phase(handle))

    def row(self, handle: int) -> dict[str, Any]:
        """Return a listed instrument for the HTTP API: its definition, its phase by name, and when that will end."""
        next_ns = self._told[handle].next_ns if handle in self._told else 0
        phase = self.phase(handle).name.lower()
        return self.definition(handle) | {"phase": phase, "next_ts": next_ns // NS_PER_US}

    def instrument_message(self, handle: int) -> bytes:
        """Return the `instrument` message of a listed handle."""
        return pack(MessageType.INSTRUMENT, *self.definition(handle).values())

    def product_messages(self, handles: Iterable[int]) -> list[bytes]:
        """Return the `product` messages of listed instruments' products, by number."""
        numbers = {self._instrument(handle).product_number for handle in handles}
        return [self._product_message(number) for number in sorted(numbers)]

    def status_messages(self, market: Market, ts_us: int) -> list[bytes]:
        """Return the `status` message of a listed handle, and during a call the `indicative` one."""
        phase, reason, next_ns = self._told.get(market.instrument, Told(Phase.LISTED, 0, 0))
        seq = market.last_seq(Channel.STATUS)
        status = pack(
            MessageType.STATUS, market.instrument, seq, ts_us, int(phase), reason, next_ns // NS_PER_US
        )
        return [status, market.indicative_snapshot()] if phase in CALLS else [status]

    def _instrument(self, handle: int) -> Instrument:
        instrument = self.catalogue.instrument(handle)
        assert instrument is not None, handle
        return instrument

    def _product_message(self, number: int) -> bytes:
        product = self.catalogue.product(number)
        bands = (product.band_static_bps, product.band_dynamic_bps)
        terms = (product.zone, product.tick_micros, product.lot_scu, *bands)
        return pack(MessageType.PRODUCT, number, product.name, list(product.fabrics), *terms)

    def book(self, market: Market, depth: int) -> dict[str, Any]:
        """Return an instrument's depth for the HTTP API."""
        return {
            "inst": market.instrument,
            "seq": market.last_seq(Channel.L2),
            "bids": [list(level) for level in market.bids.levels(depth)],
            "asks": [list(level) for level in market.asks.levels(depth)],
        }


def seconds(ns: int) -> int:
    """Return whole seconds."""
    return ns // NS_PER_SECOND
