"""What the public may know of the instruments, as wire messages and as JSON."""

from typing import Any

from exchange.catalogue import Catalogue, Instrument
from exchange.units import HOUR_NS, NS_PER_SECOND, window_start_ns
from ext.market import Market
from gateway.protocol import Channel, InstrumentState, MessageType, pack

NS_PER_US = 1_000
UNIT = "SCU-hour"


def last_trade_us(instrument: Instrument) -> int:
    """Return when the instrument's gate closes, in microseconds."""
    return instrument.product.gate_ns(instrument.window) // NS_PER_US


def instrument_fields(instrument: Instrument, state: InstrumentState) -> dict[str, Any]:
    """Return the fields of the `instrument` message, in order."""
    start_ns = window_start_ns(instrument.window)
    return {
        "inst": instrument.handle,
        "symbol": instrument.symbol,
        "tick_micros": instrument.product.tick_micros,
        "lot_scu": instrument.product.lot_scu,
        "start_ts": start_ns // NS_PER_US,
        "end_ts": (start_ns + HOUR_NS) // NS_PER_US,
        "last_trade_ts": last_trade_us(instrument),
        "unit": UNIT,
        "region": instrument.fabric,
        "state": int(state),
    }


class InstrumentBoard:
    """States and definitions of the instruments, and the messages about them."""

    def __init__(self, catalogue: Catalogue, now_ns: int = 0) -> None:
        """Instruments whose gate was passed at `now_ns`, the engine's time, start as closed."""
        self.catalogue = catalogue
        self._closed = {
            instrument.handle
            for instrument in catalogue.instruments
            if instrument.product.gate_ns(instrument.window) <= now_ns
        }

    def close(self, handle: int) -> None:
        """Note that an instrument's gate has closed."""
        self._closed.add(handle)

    def state(self, handle: int) -> InstrumentState:
        """Return the phase of an instrument."""
        return InstrumentState.CLOSED if handle in self._closed else InstrumentState.OPEN

    def exists(self, handle: int) -> bool:
        """Whether the handle is listed."""
        return self.catalogue.instrument(handle) is not None

    def handles(self) -> range:
        """Return the handles of all instruments."""
        return range(1, len(self.catalogue.instruments) + 1)

    def definition(self, handle: int) -> dict[str, Any]:
        """Return the fields of the `instrument` message of a listed handle."""
        instrument = self.catalogue.instrument(handle)
        assert instrument is not None, handle
        return instrument_fields(instrument, self.state(handle))

    def instrument_message(self, handle: int) -> bytes:
        """Return the `instrument` message of a listed handle."""
        return pack(MessageType.INSTRUMENT, *self.definition(handle).values())

    def status_message(self, market: Market, ts_us: int) -> bytes:
        """Return the `status` message of a listed handle; `next_ts` is when its state will change, 0 if not known."""
        instrument = self.catalogue.instrument(market.instrument)
        assert instrument is not None, market.instrument
        state = self.state(market.instrument)
        next_ts = last_trade_us(instrument) if state is InstrumentState.OPEN else 0
        seq = market.last_seq(Channel.STATUS)
        return pack(MessageType.STATUS, market.instrument, seq, ts_us, int(state), 0, next_ts)

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
