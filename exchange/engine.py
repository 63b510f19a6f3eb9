"""The state machine: sequenced records in, events out. Same records, same times, same events and hash, for ever.

The hot commands are the core's; administration is handled here, on the same state, through the core's interface.
"""

import hashlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from exchange.catalogue import Catalogue, Product
from exchange.catalogue.payload import Field, read_fields, read_names
from exchange.catalogue.products import check_range
from exchange.catalogue.registry import check_windows
from exchange.commands import RECORD, check_lengths
from exchange.errors import CatalogueError, CoreMissing, InvariantViolation
from exchange.reasons import RejectReason
from exchange.records import EVENT, RECORD_BYTES, CommandType, EventType
from exchange.units import AMOUNT_MAX, PRICE_MAX_TICKS

if TYPE_CHECKING:
    from exchange.reference import ReferenceCore
    from ext.core import Core as CompiledCore

# The two have the same interface; the reference describes it.
Core: TypeAlias = "CompiledCore | ReferenceCore"


class Rare(NamedTuple):
    """One administrative command: its fields, and what carries it out once they have been read."""

    fields: Mapping[str, Field]
    execute: "Callable[[Engine, dict[str, Any]], None]"


def compiled_core() -> "CompiledCore":
    """Return a new compiled core with the default limits.

    Raises:
        CoreMissing: ``ext.core`` is not built.

    """
    try:
        from ext.core import Core as CompiledCore
    except ImportError as error:
        raise CoreMissing(
            "ext.core is not built: run `python setup.py build_ext --inplace` (make ext); for the slow reference, "
            "ask for it: Engine(ReferenceCore())"
        ) from error
    return CompiledCore()


class Engine:
    """One venue.

    Args:
        core: the core that holds orders, positions and money; None makes a compiled one.

    Raises:
        CoreMissing: None was given and the compiled core is not built.

    """

    def __init__(self, core: "Core | None" = None) -> None:
        self.core: Core = compiled_core() if core is None else core
        self.catalogue = Catalogue()

    @property
    def seq(self) -> int:
        """Sequence number of the last command."""
        return self.core.seq

    @property
    def now_ns(self) -> int:
        """The present time, in nanoseconds since 1970."""
        return self.core.now_ns

    def apply(self, records: bytes, ts_ns: int) -> npt.NDArray[np.void]:
        """Apply one sequenced batch and return its events, an array of dtype EVENT.

        Raises:
            RecordError: the record lengths do not add up; nothing was applied (ENG-003).
            InvariantViolation: time would go back (ENG-002), or the core contradicted itself.

        """
        self.apply_count(records, ts_ns)
        return np.frombuffer(self.core.events_bytes(), dtype=EVENT)

    def apply_count(self, records: bytes, ts_ns: int) -> int:
        """Apply one sequenced batch and return the number of its events, without copying them.

        Raises:
            RecordError: as in apply.
            InvariantViolation: as in apply.

        """
        if not self.core.adds_up(records):
            check_lengths(records)          # Says what is wrong.
        if ts_ns < self.core.now_ns:
            raise InvariantViolation(f"time must not go back from {self.core.now_ns} ns, was {ts_ns} ns")
        self.core.begin(ts_ns)
        try:
            offset = self.core.run(records, 0)
            while offset < len(records):
                offset = self.core.run(records, self._apply_rare(records, offset))
        except AssertionError as error:
            raise InvariantViolation(str(error)) from error
        return self.core.event_count

    def state_hash(self) -> str:
        """Return the SHA-256 of the whole state, in hexadecimal."""
        digest = hashlib.sha256(self.catalogue.canonical())
        digest.update(self.core.dump())
        return digest.hexdigest()

    # Administrative commands.

    def _apply_rare(self, records: bytes, offset: int) -> int:
        """Apply the administrative record at a byte offset; return the offset behind it."""
        length, command_type = RECORD.unpack_from(records, offset)[:2]
        self.core.begin_rare()
        try:
            rare = _RARE.get(command_type)
            if rare is None:
                raise CatalogueError(RejectReason.UNKNOWN_TYPE, f"record type {command_type} is not known")
            rare.execute(self, read_fields(records[offset + RECORD_BYTES : offset + length], rare.fields))
        except CatalogueError as error:  # Every check comes before the first change, so a refusal has changed nothing.
            self.core.emit(EventType.REJECT, reason=error.reason)
        self.core.end_rare()
        return int(offset + length)

    def _add_product(self, fields: dict[str, Any]) -> None:
        product = Product(
            fields["product"],
            fields["lot_scu"],
            fields["tick_micros"],
            read_names("fabrics", fields["fabrics"]),
            fields["maker_fee_ppm"],
            fields["taker_fee_ppm"],
            fields["gate_lead_s"],
        )
        self.core.emit(EventType.ACK, amount=self.catalogue.add_product(product))

    def _add_account(self, fields: dict[str, Any]) -> None:
        name = fields["account"]
        group_name = name if fields["group"] is None else fields["group"]
        self.catalogue.check_account(name, group_name, self.core.accounts_max)
        number, group = self.catalogue.add_account(name, group_name)
        self.core.add_account(number, group, fields["margined"])
        self.core.emit(EventType.ACK, account=number)

    def _list_window(self, fields: dict[str, Any]) -> None:
        number, start, count = self._window_range(fields)
        self.catalogue.check_listing(number, start, count, self.core.now_ns, self.core.instruments_max)
        product = self.catalogue.product(number)
        listed = self.catalogue.list_windows(number, start, count)
        self.core.emit(EventType.ACK, lots=len(listed))
        for one in listed:
            self.core.add_instrument(
                one.handle,
                number,
                one.window,
                product.lot_micros,
                product.maker_fee_ppm,
                product.taker_fee_ppm,
                product.gate_ns(one.window),
            )
            self.core.emit(
                EventType.INSTRUMENT, instrument=one.handle, price=number, lots=one.fabric_index, amount=one.window
            )

    def _set_rates(self, fields: dict[str, Any]) -> None:
        check_range("long_micros", fields["long_micros"], 0, AMOUNT_MAX)
        check_range("short_micros", fields["short_micros"], 0, AMOUNT_MAX)
        handles = self._handles(fields)
        self.core.emit(EventType.ACK, lots=len(handles))
        for handle in handles:
            self.core.set_rates(handle, fields["long_micros"], fields["short_micros"])

    def _set_mark(self, fields: dict[str, Any]) -> None:
        handles = self._handles(fields)
        if not 0 <= fields["px"] <= PRICE_MAX_TICKS:
            raise CatalogueError(RejectReason.PX_TICK, f"px must be from 0 to {PRICE_MAX_TICKS}, was {fields['px']}")
        self.core.emit(EventType.ACK, lots=len(handles))
        for handle in handles:
            self.core.set_mark(handle, fields["px"])

    def _handles(self, fields: dict[str, Any]) -> list[int]:
        """Return the handles a command names by product, windows and fabric."""
        return self.catalogue.handles(*self._window_range(fields), fields["fabric"])

    def _window_range(self, fields: dict[str, Any]) -> tuple[int, int, int]:
        """Return product number, first window and count; a malformed range comes before an unknown product."""
        check_windows(fields["start"], fields["count"])
        return self.catalogue.product_number(fields["product"]), fields["start"], fields["count"]



_WINDOWS = {"product": Field(str), "start": Field(int), "count": Field(int, required=False, default=1)}
_FABRIC = {"fabric": Field(str, required=False)}
_RARE: dict[int, Rare] = {
    CommandType.ADD_PRODUCT: Rare(
        {
            "product": Field(str),
            "lot_scu": Field(int),
            "tick_micros": Field(int),
            "fabrics": Field(list),
            "maker_fee_ppm": Field(int, required=False, default=0),
            "taker_fee_ppm": Field(int, required=False, default=0),
            "gate_lead_s": Field(int, required=False, default=900),
        },
        Engine._add_product,
    ),
    CommandType.ADD_ACCOUNT: Rare(
        {
            "account": Field(str),
            "group": Field(str, required=False),
            "margined": Field(bool, required=False, default=False),
        },
        Engine._add_account,
    ),
    CommandType.LIST_WINDOW: Rare(_WINDOWS, Engine._list_window),
    CommandType.SET_RATES: Rare(
        _WINDOWS | _FABRIC | {"long_micros": Field(int), "short_micros": Field(int)}, Engine._set_rates
    ),
    CommandType.SET_MARK: Rare(_WINDOWS | _FABRIC | {"px": Field(int)}, Engine._set_mark),
}
