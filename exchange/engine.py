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
from exchange.catalogue.products import check_range, default_settle_s
from exchange.catalogue.registry import Instrument, check_windows
from exchange.catalogue.schedule import schedule
from exchange.clearing.house import HOUSE_COMMANDS, ClearingHouse
from exchange.commands import RECORD, check_lengths
from exchange.delivery.nodes import Nodes, Provider, Run, assign, runs, unplaced
from exchange.delivery.purchases import buy, buy_in_shorts, standby_sells
from exchange.errors import CatalogueError, CoreMissing, InvariantViolation
from exchange.reasons import RejectReason
from exchange.records import CALLS, EVENT, RECORD_BYTES, CommandType, EventFlag, EventType, Phase
from exchange.units import AMOUNT_MAX, CERTIFIED_LOTS_MAX, LOTS_MAX, NS_PER_SECOND, PRICE_MAX_TICKS, SEED_MAX

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
        self.nodes = Nodes()
        self.house = ClearingHouse(self.core, self.catalogue, self.nodes)

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
            self._close_gates()
            while offset < len(records):
                if self._is_rare(records, offset):
                    offset = self._apply_rare(records, offset)
                offset = self.core.run(records, offset)
                self._close_gates()
        except AssertionError as error:
            raise InvariantViolation(str(error)) from error
        return self.core.event_count

    def state_hash(self) -> str:
        """Return the SHA-256 of the whole state, in hexadecimal."""
        digest = hashlib.sha256(self.catalogue.canonical())
        digest.update(self.nodes.canonical())
        digest.update(self.house.canonical())
        digest.update(self.core.dump())
        return digest.hexdigest()

    # Administrative commands.

    def _apply_rare(self, records: bytes, offset: int) -> int:
        """Apply the administrative record at a byte offset; return the offset behind it."""
        length, command_type = RECORD.unpack_from(records, offset)[:2]
        self.core.begin_rare()
        try:
            self._execute_rare(command_type, records[offset + RECORD_BYTES : offset + length])
        except CatalogueError as error:  # Every check comes before the first change, so a refusal has changed nothing.
            self.core.emit(EventType.REJECT, reason=error.reason)
        self.core.end_rare()
        return int(offset + length)

    def _execute_rare(self, command_type: int, payload: bytes) -> None:
        rare, clearing = _RARE.get(command_type), HOUSE_COMMANDS.get(command_type)
        if rare is not None:
            rare.execute(self, read_fields(payload, rare.fields))
        elif clearing is not None:
            clearing.execute(self.house, read_fields(payload, clearing.fields))
        else:
            raise CatalogueError(RejectReason.UNKNOWN_TYPE, f"record type {command_type} is not known")

    def _is_rare(self, records: bytes, offset: int) -> bool:
        """Whether the record is the engine's; the core stops behind a gate, too."""
        return bool(RECORD.unpack_from(records, offset)[1] >= CommandType.ADD_PRODUCT)

    # The gate.

    def _close_gates(self) -> None:
        """Do what a gate with holders needs, as often as the core has stopped for one (MKT-007)."""
        while self.core.gate_waiting:
            instrument = self.catalogue.instrument(self.core.gate_waiting)
            assert instrument is not None
            product = instrument.product
            self.house.before_gate(instrument)
            if not self.house.is_option(instrument):
                house = self.house.state.account
                buy_in_shorts(self.core, instrument.handle, product.buyin_bps, product.taker_fee_ppm, house)
            self.core.close_gate()
            self.house.at_gate(instrument, self._assign_nodes(instrument))
            self.core.go_on()

    def _assign_nodes(self, instrument: Instrument) -> list[tuple[int, int, tuple[int, int]]]:
        """Give the buyers their nodes, tell them and the providers, return (provider, buyer, nodes) (MKT-024)."""
        place = instrument.product_number, instrument.fabric_index
        holdings = self.core.holdings(instrument.handle)
        buyers = sorted((account, lots) for account, lots, _ in holdings if lots > 0)
        providers = [Provider(account, certified, max(0, -lots)) for account, lots, certified in holdings]
        before = self.nodes.before(*place, instrument.window - instrument.product.window_hours)
        given = assign(before, buyers, providers)
        self.nodes.latest[place] = instrument.window, given
        for run in (*runs(given), *unplaced(given, buyers)):
            self._tell_nodes(instrument, run.buyer, run.provider, run, 0)
            if run.provider:
                self._tell_nodes(instrument, run.provider, run.buyer, run, EventFlag.SELL)
        return [(run.provider, run.buyer, (run.first, run.lots)) for run in runs(given)]

    def _tell_nodes(self, instrument: Instrument, account: int, other: int, run: Run, flags: int) -> None:
        self.core.emit(
            EventType.ASSIGNED, account=account, instrument=instrument.handle, price=run.first,
            lots=min(run.lots, LOTS_MAX), amount=other, flags=flags,
        )  # fmt: skip

    # Products and listing.

    def _add_product(self, fields: dict[str, Any]) -> None:
        terms = {name: fields[name] for name in _PRODUCT if name not in ("product", "fabrics")}
        if terms["settle_s"] is None:
            terms["settle_s"] = default_settle_s(terms["window_hours"])
        product = Product(name=fields["product"], fabrics=read_names("fabrics", fields["fabrics"]), **terms)
        number = self.catalogue.add_product(product)
        self.core.add_product(number, len(product.fabrics))
        self.core.emit(EventType.ACK, amount=number)

    def _add_account(self, fields: dict[str, Any]) -> None:
        name = fields["account"]
        group_name = name if fields["group"] is None else fields["group"]
        self.catalogue.check_account(name, group_name, self.core.accounts_max)
        number, group = self.catalogue.add_account(name, group_name)
        self.core.add_account(number, group, fields["margined"])
        if fields["prepaid"]:
            self.core.set_prepaid(number, True)
        self.core.emit(EventType.ACK, account=number)

    def _list_window(self, fields: dict[str, Any]) -> None:
        number, start, count = self._window_range(fields)
        self.catalogue.check_listing(number, start, count, self.core.now_ns, self.core.instruments_max)
        self._list([(number, start, count)])

    def _roll_windows(self, fields: dict[str, Any]) -> None:
        """List what the rolling listing lacks (MKT-009)."""
        number = self.catalogue.product_number(fields["product"])
        ranges = self.catalogue.missing_windows(number, self.core.now_ns)
        wanted = sum(count for _, count in ranges) * len(self.catalogue.product(number).fabrics)
        if len(self.catalogue.instruments) + wanted > self.core.instruments_max:
            raise CatalogueError(RejectReason.OPEN_LIMIT, "there is no room for the windows")
        self._list([(number, start, count) for start, count in ranges])

    def _list(self, ranges: list[tuple[int, int, int]]) -> None:
        """List ranges of windows that have been checked: product, first window, count."""
        listed = [one for number, start, count in ranges for one in self.catalogue.list_windows(number, start, count)]
        self.core.emit(EventType.ACK, lots=len(listed))
        for number, _, _ in ranges[:1]:
            self.house.listed(number)
        for one in listed:
            product = one.product
            moments = schedule(product, one.window, one.handle, self.catalogue.seed, self.core.now_ns)
            self.core.add_instrument(
                one.handle,
                one.product_number,
                one.fabric_index,
                one.window,
                product.lot_micros,
                product.maker_fee_ppm,
                product.taker_fee_ppm,
                product.volatility_call_s * NS_PER_SECOND,
                product.band_static_bps,
                product.band_dynamic_bps,
                [(moment.at_ns, int(moment.phase)) for moment in moments],
            )
            self.core.emit(
                EventType.INSTRUMENT, instrument=one.handle, price=one.product_number, lots=one.fabric_index,
                amount=one.window, cum=int(moments[0].phase),
            )  # fmt: skip

    def _set_seed(self, fields: dict[str, Any]) -> None:
        check_range("seed", fields["seed"], 0, SEED_MAX)
        self.catalogue.set_seed(fields["seed"])
        self.core.emit(EventType.ACK)

    # Halts, capacity, balancing.

    def _halt(self, fields: dict[str, Any]) -> None:
        handles = self._in_phases(fields, (Phase.CONTINUOUS, *CALLS))
        self.core.emit(EventType.ACK, lots=len(handles))
        for handle in handles:
            self.core.halt(handle)

    def _resume(self, fields: dict[str, Any]) -> None:
        handles = self._in_phases(fields, (Phase.HALTED,))
        self.core.emit(EventType.ACK, lots=len(handles))
        for handle in handles:
            self.core.resume(handle)

    def _in_phases(self, fields: dict[str, Any], phases: tuple[Phase, ...]) -> list[int]:
        handles = self._handles(fields)
        if any(self.core.phase(handle) not in phases for handle in handles):
            raise CatalogueError(RejectReason.NOT_OPEN, f"every window must be in one of {phases}")
        return handles

    def _certify(self, fields: dict[str, Any]) -> None:
        """Set what a provider may deliver (MKT-020)."""
        check_range("lots", fields["lots"], 0, CERTIFIED_LOTS_MAX)
        handles = self._handles(fields)
        account = self._account(fields["account"])
        product = self.catalogue.product_number(fields["product"])
        place = product, self.catalogue.product(product).fabrics.index(fields["fabric"])
        if any(self.core.phase(handle) in _BEHIND_GATE for handle in handles):
            raise CatalogueError(RejectReason.WINDOW_CLOSED, "the gate of a window has closed")
        self.nodes.add_provider(*place, account)
        self.core.emit(EventType.ACK, account=account, lots=len(handles))
        for handle in handles:
            self.core.certify(account, handle, fields["lots"])
            self.core.emit(EventType.CAPACITY, account=account, instrument=handle, lots=fields["lots"])

    def _balance(self, fields: dict[str, Any]) -> None:
        """Buy standby sells for an account (MKT-031)."""
        names = read_names("exclude", fields["exclude"])
        (handle,) = self._handles(fields | {"count": 1})
        if not self.core.is_balancing(handle):
            raise CatalogueError(RejectReason.NOT_OPEN, "no standby sells may rest in this window now")
        if not 0 <= fields["px"] <= PRICE_MAX_TICKS:
            raise CatalogueError(RejectReason.PX_TICK, f"px must be from 0 to {PRICE_MAX_TICKS}, was {fields['px']}")
        if not 1 <= fields["lots"] <= LOTS_MAX:
            raise CatalogueError(RejectReason.QTY_LOT, f"lots must be from 1 to {LOTS_MAX}, was {fields['lots']}")
        account = self._account(fields["account"])
        excluded = {self.core.group(one) for one in (account, *map(self._account, names))}
        instrument = self.catalogue.instrument(handle)
        assert instrument is not None
        fabrics = self.catalogue.handles(instrument.product_number, instrument.window, 1, None)
        # The gate of another fabric may still be to come: what rests there is no standby sell (MKT-003).
        others = [one for one in fabrics if one != handle and self.core.is_balancing(one)]
        sells = standby_sells(self.core, handle, others, fields["px"], excluded)
        before = self.core.event_count
        self.core.emit(EventType.ACK, account=account)
        left = buy(self.core, account, fields["lots"], sells, 0)
        self.core.set_lots(before, fields["lots"] - left)

    def _account(self, name: str) -> int:
        number = self.catalogue.account_number(name)
        if number is None:
            raise CatalogueError(RejectReason.NO_ACCOUNT, f"there is no account {name!r}")
        return number

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


_NUMBER = Field(int, required=False, default=0)
_BEHIND_GATE = (Phase.GATED, Phase.BALANCING, Phase.DELIVERING, Phase.SETTLED, Phase.EXPIRED)
_WINDOWS = {"product": Field(str), "start": Field(int), "count": Field(int, required=False, default=1)}
_FABRIC = {"fabric": Field(str, required=False)}
_PRODUCT = {
    "product": Field(str),
    "lot_scu": Field(int),
    "tick_micros": Field(int),
    "fabrics": Field(list),
    "zone": Field(str, required=False, default=""),
    "settle_s": Field(int, required=False),
    "window_hours": Field(int, required=False, default=1),
} | {
    name: Field(int, required=False, default=default)
    for name, default in (
        ("maker_fee_ppm", 0), ("taker_fee_ppm", 0), ("gate_lead_s", 900), ("open_lead_s", 0), ("open_call_s", 0),
        ("preclose_s", 0), ("random_end_s", 0), ("balancing_s", 0), ("volatility_call_s", 120),
        ("band_static_bps", 0), ("band_dynamic_bps", 0), ("buyin_bps", 5_000), ("rolling_hours", 0),
    )
}  # fmt: skip
_RARE: dict[int, Rare] = {
    CommandType.ADD_PRODUCT: Rare(_PRODUCT, Engine._add_product),
    CommandType.ADD_ACCOUNT: Rare(
        {
            "account": Field(str),
            "group": Field(str, required=False),
            "margined": Field(bool, required=False, default=False),
            "prepaid": Field(bool, required=False, default=False),
        },
        Engine._add_account,
    ),
    CommandType.LIST_WINDOW: Rare(_WINDOWS, Engine._list_window),
    CommandType.ROLL_WINDOWS: Rare({"product": Field(str)}, Engine._roll_windows),
    CommandType.SET_SEED: Rare({"seed": Field(int)}, Engine._set_seed),
    CommandType.SET_RATES: Rare(
        _WINDOWS | _FABRIC | {"long_micros": Field(int), "short_micros": Field(int)}, Engine._set_rates
    ),
    CommandType.SET_MARK: Rare(_WINDOWS | _FABRIC | {"px": Field(int)}, Engine._set_mark),
    CommandType.HALT: Rare(_WINDOWS | _FABRIC, Engine._halt),
    CommandType.RESUME: Rare(_WINDOWS | _FABRIC, Engine._resume),
    CommandType.CERTIFY: Rare(
        _WINDOWS | {"account": Field(str), "fabric": Field(str), "lots": Field(int)}, Engine._certify
    ),
    CommandType.BALANCE: Rare(
        {
            "account": Field(str),
            "product": Field(str),
            "fabric": Field(str),
            "start": Field(int),
            "lots": Field(int),
            "px": Field(int),
            "exclude": Field(list, required=False, default=[]),
        },
        Engine._balance,
    ),
}
