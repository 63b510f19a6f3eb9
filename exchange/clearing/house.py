"""The clearinghouse as the engine sees it: its commands, what it does at a gate, and its regular run (CLR-RUN)."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields as fields_of_dataclass
from typing import Any, NamedTuple

from exchange.catalogue import Catalogue
from exchange.catalogue.payload import Field, malformed
from exchange.catalogue.products import check_name, check_range
from exchange.catalogue.registry import Instrument, check_windows
from exchange.clearing.cases import Cases
from exchange.clearing.deliveries import Deliveries
from exchange.clearing.estates import Estates
from exchange.clearing.failures import Failures
from exchange.clearing.ledger import EXTERNAL, FEE, SITG, STANDBY, Purse
from exchange.clearing.liquidation import Liquidation
from exchange.clearing.margining import Margining
from exchange.clearing.metering import INTERVAL_S
from exchange.clearing.meters import Meter, Run
from exchange.clearing.obligations import Wish
from exchange.clearing.pricing import Pricing
from exchange.clearing.ramps import Ramps
from exchange.clearing.scenarios import RiskTerms
from exchange.clearing.state import HOUSE_NAME, Core, HouseState
from exchange.clearing.tenor import failure_quarters
from exchange.clearing.terms import (
    DAY_S,
    ClassTerms,
    HouseTerms,
    OptionTerms,
    ProductTerms,
    check_terms,
    fields_of,
)
from exchange.clearing.watch import KEY_BYTES, Watch, check_signature, intervals_of, signed_bytes
from exchange.clearing.words import CaseKind, Cause, Kind, Level
from exchange.delivery.nodes import Nodes
from exchange.errors import CatalogueError
from exchange.reasons import RejectReason
from exchange.records import CommandType, EventType, Phase
from exchange.units import AMOUNT_MAX, CERTIFIED_LOTS_MAX, HOUR_NS, LOTS_MAX, NS_PER_SECOND

CLEARED_CLASSES_MAX = 256
RUNS_MAX = 64  # Node ranges of one heartbeat.
BIDS_MAX = 4_096  # Of one auction.
SHIFT_HOURS_MAX = 168
RATING_MAX_PPM = 100_000_000
INTERVALS_MAX = 1_440  # Of one reading: a day.
Given = dict[str, Any]
PARTICIPANT_PURSES = {"coll": Kind.COLLATERAL, "bond": Kind.BOND, "fund": Kind.FUND}


class HouseCommand(NamedTuple):
    """One command of the clearinghouse: its fields, and what carries it out."""

    fields: Mapping[str, Field]
    execute: "Callable[[ClearingHouse, Given], None]"


class ClearingHouse:
    """Everything between a trade and its settlement, on one core."""

    def __init__(self, core: Core, catalogue: Catalogue, nodes: Nodes) -> None:
        self.state = HouseState(core, catalogue, nodes)
        self.cases = Cases(self.state)
        self.deliveries = Deliveries(self.state, self.cases)
        self.failures = Failures(self.state, self.cases, self.deliveries)
        self.estates = Estates(self.state, self.cases, self.deliveries, self.failures)
        self.watch = Watch(self.state, self.cases, self.failures)
        self.pricing = Pricing(self.state)
        self.ramps = Ramps(self.state)
        self.margining = Margining(self.state)
        self.liquidation = Liquidation(self.state, self.margining, self.estates)

    def canonical(self) -> bytes:
        """Return everything it remembers as text; empty as long as there is no clearing."""
        return self.state.canonical()

    # What the engine calls.

    def before_gate(self, instrument: Instrument) -> None:
        """Cover what estates are short of, before the orders of the window end (CLR-EST-003)."""
        if self.state.is_cleared(instrument.handle) and not self.is_option(instrument):
            self.estates.cover_at_gate(instrument.handle)

    def at_gate(self, instrument: Instrument, placed: Iterable[tuple[int, int, Run]]) -> None:
        """Take over a window whose gate has closed: (provider, buyer, nodes) as assigned (CLR-DEL-001)."""
        if self.is_option(instrument):
            move, gains = self.pricing.contracts.expire(instrument)
            self.estates.expired(instrument.handle, move, dict(gains))
        elif self.state.is_cleared(instrument.handle):
            self.deliveries.at_gate(instrument, placed)

    def is_option(self, instrument: Instrument) -> bool:
        """Whether an instrument is an option, whose shorts are not bought in at its gate."""
        return instrument.product_number in self.state.options

    def listed(self, product_number: int) -> None:
        """Let the next run take marks and rates: windows of a cleared product have been listed (CLR-RUN-002)."""
        if product_number in self.state.products:
            self.state.next_mark_ns = 0

    def run(self) -> None:
        """Do everything that is due at this time, in the order of CLR-RUN-001."""
        state = self.state
        self.deliveries.open_due()
        self.watch.look()
        for provider in self.watch.providers_failed():
            self.estates.default(provider, CaseKind.PROVIDER)
        self.failures.calls_due()
        self.deliveries.settle_due()
        if state.next_mark_ns <= state.core.now_ns:
            state.next_mark_ns = state.core.now_ns + state.terms.mark_interval_s * NS_PER_SECOND
            self._margin()
        self.estates.work()
        self._refill()

    def _margin(self) -> None:
        """Set marks, pay variation, publish rates, and look at every account."""
        self.ramps.step()
        self.estates.mark_moved(*self.pricing.mark_all())
        self.pricing.tell_indices()
        sheet = self.pricing.sheet()
        self.pricing.publish(sheet)
        self.liquidation.look(sheet, self.margining.demand_all(sheet))

    def _refill(self) -> None:
        """Bring SITG back to its size out of fees (CLR-CASE-005)."""
        state = self.state
        lacking = state.terms.sitg_micros - state.ledger.balance(SITG)
        fees = state.core.balance(0)
        if lacking > 0 and fees > 0:
            state.ledger.post(Cause.REFILL, FEE, SITG, min(lacking, fees))

    # Terms.

    def _set_house(self, given: Given) -> None:
        terms = HouseTerms(**check_terms(given))
        self._found()
        self.state.terms = terms
        self.state.core.emit(EventType.ACK, account=self.state.account)

    def _found(self) -> None:
        """Open the house's own account, once."""
        state = self.state
        if state.account:
            return
        state.catalogue.check_account(HOUSE_NAME, HOUSE_NAME, state.core.accounts_max)
        state.account, group = state.catalogue.add_account(HOUSE_NAME, HOUSE_NAME)
        state.core.add_account(state.account, group, False)

    def _set_class(self, given: Given) -> None:
        state, name = self.state, given["cls"]
        check_name("cls", name)
        if name not in state.classes and len(state.classes) >= CLEARED_CLASSES_MAX:
            raise CatalogueError(RejectReason.OPEN_LIMIT, f"classes must be at most {CLEARED_CLASSES_MAX}")
        risk = RiskTerms(**{one.name: given[one.name] for one in fields_of_dataclass(RiskTerms)})
        terms = ClassTerms(**check_terms({one: given[one] for one in fields_of(ClassTerms)}))
        self._found()
        state.classes[name], state.risks[name] = terms, risk
        state.core.emit(EventType.ACK, amount=state.pool_number(name))

    def _set_clearing(self, given: Given) -> None:
        state = self.state
        number = state.catalogue.product_number(given["product"])
        if given["cls"] not in state.classes:
            raise CatalogueError(RejectReason.NOT_CLEARED, f"there is no class {given['cls']!r}: set_class comes first")
        terms = ProductTerms(**check_terms({one: given[one] for one in fields_of(ProductTerms)}))
        state.products[number], state.class_of[number] = terms, given["cls"]
        state.core.emit(EventType.ACK, amount=number)

    def _set_option(self, given: Given) -> None:
        """Make a product, before anything of it is listed, an option on another one (CLR-OPT-011)."""
        state, catalogue = self.state, self.state.catalogue
        number, underlying = catalogue.product_number(given["product"]), catalogue.product_number(given["underlying"])
        if underlying not in state.products or underlying in state.options:
            raise CatalogueError(RejectReason.NOT_CLEARED, "the underlying must be a cleared product, and no option")
        if given["right"] not in ("call", "put"):
            raise malformed(f"right must be call or put, was {given['right']!r}")
        mine, other = catalogue.product(number), catalogue.product(underlying)
        alike = ("fabrics", "lot_scu", "tick_micros", "window_hours")
        if number == underlying or any(getattr(mine, name) != getattr(other, name) for name in alike):
            raise malformed(f"both products must have the same {', '.join(alike)}")
        if mine.gate_lead_s - mine.random_end_s <= other.gate_lead_s:
            raise malformed("the option's gate must be before the underlying's")
        if catalogue.windows(number) and number not in state.options:
            raise CatalogueError(RejectReason.ALREADY_LISTED, "windows of the product are listed already")
        terms = OptionTerms(underlying, given["right"] == "call", given["strike"], given["vol_ppm"])
        state.options[number] = terms
        state.products[number], state.class_of[number] = state.products[underlying], state.class_of[underlying]
        state.core.emit(EventType.ACK, amount=number)

    # Money.

    def _fund(self, given: Given) -> None:
        """Pay in from outside for the house: its own money, the standby reserve, a class's pool."""
        self._need_house()
        micros, which = given["micros"], given["kind"]
        check_range("micros", micros, 1, AMOUNT_MAX)
        if which not in ("sitg", "standby", "pool"):
            raise malformed(f"kind must be sitg, standby or pool, was {which!r}")
        payee = {"sitg": SITG, "standby": STANDBY}.get(which)
        if payee is None:
            if given["cls"] not in self.state.classes:
                raise CatalogueError(RejectReason.NOT_CLEARED, f"there is no class {given['cls']!r}")
            payee = Purse(Kind.POOL, self.state.pool_number(given["cls"]))
        self.state.core.emit(EventType.ACK)
        self.state.ledger.post(Cause.FUNDING, EXTERNAL, payee, micros)

    def _transfer(self, given: Given) -> None:
        """Move money between a participant's own accounts: collateral, bond, default fund share (CLR-LED-004)."""
        state, account = self.state, self._account(given["account"])
        check_range("micros", given["micros"], 1, AMOUNT_MAX)
        for name in ("source", "target"):
            if given[name] not in PARTICIPANT_PURSES:
                raise malformed(f"{name} must be one of {', '.join(PARTICIPANT_PURSES)}, was {given[name]!r}")
        payer = Purse(PARTICIPANT_PURSES[given["source"]], account)
        payee = Purse(PARTICIPANT_PURSES[given["target"]], account)
        if state.member(account).level is Level.DEFAULTED:
            raise CatalogueError(RejectReason.DEFAULTED, "the account has defaulted")
        if payer == payee:
            raise malformed("source and target must differ")
        if given["micros"] > self._free(payer):
            raise CatalogueError(RejectReason.BALANCE, f"at most {self._free(payer)} micro-dollars are free")
        state.core.emit(EventType.ACK, account=account)
        state.ledger.post(Cause.TRANSFER, payer, payee, given["micros"])

    def _free(self, purse: Purse) -> int:
        """Return what may be taken out: never what backs positions, deliveries or open defaults."""
        state, account = self.state, purse.owner
        if purse.kind is Kind.COLLATERAL:
            return state.core.balance(account) - state.core.requirement_sum(account)
        backing = any(duty.provider == account and not duty.closed for delivery in state.deliveries.values()
                      for duty in delivery.obligations)  # fmt: skip
        if state.cases or (purse.kind is Kind.BOND and (backing or self._is_short(account))):
            return 0
        return state.ledger.balance(purse)

    def _is_short(self, account: int) -> bool:
        return any(lots < 0 for lots in self.margining.positions().get(account, {}).values())

    def _recover(self, given: Given) -> None:
        """Take in what was recovered from a defaulter outside the venue (CLR-CASE-004)."""
        check_range("micros", given["micros"], 1, AMOUNT_MAX)
        case = self.state.cases.get(given["case"]) or self.state.owed.get(given["case"])
        if case is None:
            raise CatalogueError(RejectReason.NO_ORDER, f"there is no case {given['case']} with anything owed")
        self.state.core.emit(EventType.ACK, account=case.defaulter)
        self.state.ledger.post(
            Cause.RECOVERY, EXTERNAL, self.cases.estate(case), given["micros"], case=case.number
        )
        self.cases.recover(case, given["micros"], Cause.RECOVERY)
        if case.number in self.state.owed and not self.cases.is_owed(case):
            del self.state.owed[case.number]

    # Providers and buyers.

    def _set_provider(self, given: Given) -> None:
        self._need_house()
        account = self._account(given["account"])
        if len(given["key"]) not in (0, KEY_BYTES):
            raise malformed(f"key must be {KEY_BYTES} bytes or none, was {len(given['key'])}")
        if given["domain"]:
            check_name("domain", given["domain"])
        provider = self.state.provider(account)
        provider.key, provider.domain = given["key"], given["domain"]
        self.state.core.emit(EventType.ACK, account=account)

    def _delivery_terms(self, given: Given) -> None:
        account = self._account(given["account"])
        handles = self._handles(given)
        for name, most in (("shift_hours", SHIFT_HOURS_MAX), ("checkpoint_s", 7 * DAY_S), ("snapshot_s", DAY_S),
                           ("restart_s", DAY_S)):  # fmt: skip
            check_range(name, given[name], 0, most)
        if any(handle in self.state.deliveries for handle in handles):
            raise CatalogueError(RejectReason.WINDOW_CLOSED, "the gate of a window has closed")
        wish = Wish(**{one.name: given[one.name] for one in fields_of_dataclass(Wish)})
        for handle in handles:
            self.state.wishes[account, handle] = wish
        self.state.core.emit(EventType.ACK, account=account, lots=len(handles))

    def _checkpoint(self, given: Given) -> None:
        """Note that a buyer's work is safe up to now (CLR-CKP-003)."""
        account = self._account(given["account"])
        (handle,) = self._handles(given)
        delivery = self.state.deliveries.get(handle)
        if delivery is None or not any(duty.buyer == account for duty in delivery.obligations):
            raise CatalogueError(RejectReason.NO_DELIVERY, "nothing is being delivered there to this account")
        self.state.checkpoints[account, handle] = self.state.core.now_ns
        self.state.core.emit(EventType.ACK, account=account)

    # Evidence.

    def _heartbeat(self, given: Given) -> None:
        account, place = self._account(given["account"]), self._place(given)
        check_range("number", given["number"], 1, AMOUNT_MAX)
        runs = read_runs(given["nodes"])
        content = signed_bytes(
            "heartbeat", given["account"], given["product"], given["fabric"], given["number"], given["nodes"]
        )
        check_signature(self.state.provider(account), content, given["signature"])
        is_new = self.watch.heartbeat(account, place, given["number"], runs, content)
        self.state.core.emit(EventType.ACK, account=account, lots=int(is_new))

    def _meter(self, given: Given) -> None:
        account = self._account(given["account"])
        (handle,) = self._handles(given)
        check_range("interval", given["interval"], 0, INTERVALS_MAX)
        check_range("intervals", given["intervals"], 1, INTERVALS_MAX)
        check_range("seconds", given["seconds"], 0, INTERVAL_S)
        check_range("rating_ppm", given["rating_ppm"], 0, RATING_MAX_PPM)
        names = ("account", "product", "fabric", "start", "first", "count", "interval", "intervals", "seconds",
                 "rating_ppm")  # fmt: skip
        content = signed_bytes("meter", *(given[name] for name in names))
        check_signature(self.state.provider(account), content, given["signature"])
        meter = self._meter_of(handle, account)
        run = self._nodes(given, meter)
        if self.state.core.phase(handle) != Phase.DELIVERING:
            raise CatalogueError(RejectReason.NO_DELIVERY, "the window is not being delivered")
        hours = self.state.instrument(handle).product.window_hours
        if given["interval"] + given["intervals"] > intervals_of(0, hours * HOUR_NS):
            raise malformed("interval must end within the window")
        is_new = self.watch.reading(
            meter, run, given["interval"], given["intervals"], given["seconds"], given["rating_ppm"], content
        )
        self.state.core.emit(EventType.ACK, account=account, lots=int(is_new))

    def _report_failure(self, given: Given) -> None:
        """Take a provider's notice, or the verifier's word, that nodes have failed or will not come (CLR-DET-005)."""
        account = self._account(given["account"])
        (handle,) = self._handles(given)
        if handle not in self.state.deliveries:
            self._give_notice(account, handle, given["count"])
            return
        meter = self._meter_of(handle, account)
        run = self._nodes(given, meter)
        self.state.core.emit(EventType.ACK, account=account, lots=run[1])
        self.watch.condemn([meter], [run])

    def _give_notice(self, account: int, handle: int, lots: int) -> None:
        """Cover lots that a provider gives back before the gate, at his cost (CLR-EST-006)."""
        state = self.state
        self._need_cleared(handle)
        check_range("count", lots, 1, CERTIFIED_LOTS_MAX)
        lots = min(lots, max(0, -state.core.position(account, handle)[0]))
        if lots == 0:
            raise CatalogueError(RejectReason.NO_DELIVERY, "this account has sold nothing there")
        state.core.emit(EventType.ACK, account=account, lots=lots)
        window_ns = state.instrument(handle).window * HOUR_NS
        quarters = failure_quarters((window_ns - state.core.now_ns) // NS_PER_SECOND)
        state.member(account).remember(state.place(handle), window_ns // HOUR_NS, lots, quarters * lots)
        self.estates.give_back(account, handle, lots)

    def _declare_default(self, given: Given) -> None:
        self._need_house()
        account = self._account(given["account"])
        if self.state.member(account).level is Level.DEFAULTED:
            raise CatalogueError(RejectReason.DEFAULTED, "the account has defaulted already")
        self.state.core.emit(EventType.ACK, account=account)
        self.estates.default(account, CaseKind.DECLARED)

    def _bid(self, given: Given) -> None:
        account = self._account(given["account"])
        case = self.state.cases.get(given["case"])
        if case is None or case.auction_ns <= self.state.core.now_ns:
            raise CatalogueError(RejectReason.NO_AUCTION, "there is no such auction open")
        check_range("item", given["item"], 0, len(case.items) - 1)
        check_range("lots", given["lots"], 1, LOTS_MAX)
        check_range("micros", given["micros"], 0, AMOUNT_MAX)
        if self.state.member(account).level is Level.DEFAULTED:
            raise CatalogueError(RejectReason.DEFAULTED, "the account has defaulted")
        if len(case.bids) >= BIDS_MAX:
            raise CatalogueError(RejectReason.OPEN_LIMIT, f"bids must be at most {BIDS_MAX}")
        case.bids.append((account, given["item"], given["lots"], given["micros"], self.state.core.seq))
        self.state.core.emit(EventType.ACK, account=account)

    def _run_clearing(self, given: Given) -> None:
        self._need_house()
        self.state.core.emit(EventType.ACK)
        self.run()

    # Reading fields.

    def _need_house(self) -> None:
        if not self.state.account:
            raise CatalogueError(RejectReason.NOT_CLEARED, "there is no clearing: set_house comes first")

    def _need_cleared(self, handle: int) -> None:
        if not self.state.is_cleared(handle):
            raise CatalogueError(RejectReason.NOT_CLEARED, "the product is not cleared: set_clearing comes first")

    def _account(self, name: str) -> int:
        number = self.state.catalogue.account_number(name)
        if number is None or number == self.state.account:
            raise CatalogueError(RejectReason.NO_ACCOUNT, f"there is no account {name!r}")
        return number

    def _place(self, given: Given) -> tuple[int, int]:
        number = self.state.catalogue.product_number(given["product"])
        fabrics = self.state.catalogue.product(number).fabrics
        if given["fabric"] not in fabrics:
            raise CatalogueError(RejectReason.NO_FABRIC, f"the product has no fabric {given['fabric']!r}")
        return number, fabrics.index(given["fabric"])

    def _handles(self, given: Given) -> list[int]:
        start, count = given["start"], given.get("count", 1) if "first" not in given else 1
        check_windows(start, count)
        number = self.state.catalogue.product_number(given["product"])
        handles = self.state.catalogue.handles(number, start, count, given["fabric"])
        self._need_cleared(handles[0])
        return handles

    def _meter_of(self, handle: int, account: int) -> Meter:
        meter = self.state.meters.get((handle, account))
        if meter is None:
            raise CatalogueError(RejectReason.NO_DELIVERY, "nothing is being delivered there by this account")
        return meter

    def _nodes(self, given: Given, meter: Meter) -> Run:
        check_range("first", given["first"], 0, meter.nodes - 1)
        check_range("count", given["count"], 1, meter.nodes - given["first"])
        return given["first"], given["count"]


def read_runs(nodes: list[Any]) -> list[Run]:
    """Return the node ranges of a message: pairs of first node and count.

    Raises:
        CatalogueError: MALFORMED.

    """
    if len(nodes) > RUNS_MAX:
        raise malformed(f"nodes must be at most {RUNS_MAX} ranges, were {len(nodes)}")
    runs = []
    for pair in nodes:
        if type(pair) is not list or len(pair) != 2 or any(type(value) is not int for value in pair):
            raise malformed(f"nodes must be pairs of first node and count, one was {pair!r}")
        check_range("first node", pair[0], 0, CERTIFIED_LOTS_MAX)
        check_range("count of nodes", pair[1], 1, CERTIFIED_LOTS_MAX)
        runs.append((pair[0], pair[1]))
    return runs


def _optional(default: Any) -> Field:
    return Field(type(default), required=False, default=default)


_INSTRUMENT = {"product": Field(str), "fabric": Field(str), "start": Field(int)}
_MICROS = {"micros": Field(int)}
_ACCOUNT = {"account": Field(str)}
_SIGNATURE = {"signature": _optional(b"")}
_NODES = {"first": Field(int), "count": Field(int)}
HOUSE_COMMANDS: dict[int, HouseCommand] = {
    CommandType.SET_HOUSE: HouseCommand(fields_of(HouseTerms), ClearingHouse._set_house),
    CommandType.SET_CLASS: HouseCommand(
        {"cls": Field(str)}
        | fields_of(ClassTerms)
        | {one.name: _optional(one.default) for one in fields_of_dataclass(RiskTerms)},
        ClearingHouse._set_class,
    ),
    CommandType.SET_CLEARING: HouseCommand(
        {"product": Field(str), "cls": Field(str)} | fields_of(ProductTerms), ClearingHouse._set_clearing
    ),
    CommandType.SET_OPTION: HouseCommand(
        {"product": Field(str), "underlying": Field(str), "right": Field(str)}
        | {"strike": Field(int), "vol_ppm": Field(int)},
        ClearingHouse._set_option,
    ),
    CommandType.FUND: HouseCommand({"kind": Field(str), "cls": _optional("")} | _MICROS, ClearingHouse._fund),
    CommandType.TRANSFER: HouseCommand(
        _ACCOUNT | {"source": Field(str), "target": Field(str)} | _MICROS, ClearingHouse._transfer
    ),
    CommandType.SET_PROVIDER: HouseCommand(
        _ACCOUNT | {"key": _optional(b""), "domain": _optional("")}, ClearingHouse._set_provider
    ),
    CommandType.DELIVERY_TERMS: HouseCommand(
        _ACCOUNT
        | _INSTRUMENT
        | {"count": _optional(1)}
        | {one.name: _optional(one.default) for one in fields_of_dataclass(Wish)},
        ClearingHouse._delivery_terms,
    ),
    CommandType.HEARTBEAT: HouseCommand(
        _ACCOUNT
        | {"product": Field(str), "fabric": Field(str), "number": Field(int), "nodes": Field(list)}
        | _SIGNATURE,
        ClearingHouse._heartbeat,
    ),
    CommandType.METER: HouseCommand(
        _ACCOUNT
        | _INSTRUMENT
        | _NODES
        | {"interval": Field(int), "intervals": _optional(1), "seconds": _optional(INTERVAL_S)}
        | {"rating_ppm": Field(int)}
        | _SIGNATURE,
        ClearingHouse._meter,
    ),
    CommandType.CHECKPOINT: HouseCommand(_ACCOUNT | _INSTRUMENT, ClearingHouse._checkpoint),
    CommandType.REPORT_FAILURE: HouseCommand(_ACCOUNT | _INSTRUMENT | _NODES, ClearingHouse._report_failure),
    CommandType.DECLARE_DEFAULT: HouseCommand(_ACCOUNT, ClearingHouse._declare_default),
    CommandType.RECOVER: HouseCommand({"case": Field(int)} | _MICROS, ClearingHouse._recover),
    CommandType.BID: HouseCommand(
        _ACCOUNT | {"case": Field(int), "item": Field(int), "lots": Field(int)} | _MICROS, ClearingHouse._bid
    ),
    CommandType.RUN_CLEARING: HouseCommand({}, ClearingHouse._run_clearing),
}
