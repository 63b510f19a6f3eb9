"""Following the defaults of a journal: everything that is told about each case, as the playback comes by it."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from exchange.clearing.detection import NodeState
from exchange.clearing.ledger import Purse
from exchange.clearing.waterfall import Class, Layer
from exchange.clearing.words import CaseKind, Kind, Level, Stage
from exchange.engine import Engine
from exchange.records import CommandType, EventFlag, EventType
from exchange.replay import Frame
from exchange.units import HOUR_NS, NS_PER_SECOND
from gateway.reports.evidence import Evidence, Record, record_of
from gateway.reports.movements import Movement, Movements, entry_of
from gateway.reports.names import account_text
from gateway.reports.playback import Event, Playback, Step

_TOLD = (
    EventType.ENTRY, EventType.DEFAULT, EventType.LOT_STATE, EventType.SUBSTITUTE, EventType.LAYER, EventType.CLAIM,
    EventType.AUCTION, EventType.MARGIN,
)  # fmt: skip
WIDE = (CaseKind.PROVIDER, CaseKind.MARGIN, CaseKind.DECLARED)


class Moment(NamedTuple):
    """Something that happened; ``seq`` 0: it was told later."""

    at_ns: int
    what: str
    seq: int = 0


class Failed(NamedTuple):
    """Lots that failed."""

    buyer: int
    handle: int
    node: int
    lots: int
    good_ns: int  # The last moment at which they were good.


class Substitute(NamedTuple):
    """One row of the table of substitutes; micro-dollars till the end of the window."""

    buyer: int
    stage: Stage
    provider: int  # 0: none, in cash.
    handle: int
    ticks: int
    lots: int
    original_lots: int
    paid: int
    buyer_pays: int
    seq: int


class Paid(NamedTuple):
    """One payment of a layer of the waterfall."""

    layer: Layer
    claim_class: Class
    account: int  # 0: the venue's own money.
    micros: int
    seq: int


class Traded(NamedTuple):
    """What the house has traded for an estate: lots above 0 were bought."""

    handle: int
    lots: int
    ticks: int
    fee: int
    seq: int


class Verdict(NamedTuple):
    """A command that gave or widened a case, and what it rested on."""

    seq: int
    at_ns: int
    failed: tuple[Failed, ...]
    evidence: tuple[Record, ...]
    state_hash: str  # Behind the command.
    total: int  # The sum over all accounts there, EXT included: 0.


@dataclass(slots=True, eq=False)
class Case:
    """Everything that was told about one default."""

    number: int
    kind: CaseKind
    defaulter: int
    opened_seq: int
    opened_ns: int
    closed_seq: int = 0
    verdicts: list[Verdict] = field(default_factory=list)
    moments: list[Moment] = field(default_factory=list)
    substitutes: list[Substitute] = field(default_factory=list)
    payments: list[Paid] = field(default_factory=list)
    trades: list[Traded] = field(default_factory=list)
    unpaid: list[tuple[Class, int, int]] = field(default_factory=list)  # Class, account, micros.
    compensation: dict[int, dict[Class, int]] = field(default_factory=dict)  # By buyer.
    flows: dict[Purse, int] = field(default_factory=dict)  # All entries of the case.
    handed_on: dict[tuple[str, Purse], int] = field(default_factory=dict)  # From the estate to others.
    recovered: dict[tuple[str, Purse], int] = field(default_factory=dict)  # Repaid by CLR-WFL-008.
    haircut: dict[int, int] = field(default_factory=dict)  # Gains that were not paid, by account.
    origins: list[int] = field(default_factory=list)  # Instruments whose delivery has failed.
    settled: list[int] = field(default_factory=list)  # Those of them that were settled.
    c3_left: int = 0  # Of what C3 was paid, what is not handed on yet.

    @property
    def premium(self) -> int:
        """What substitutes cost above the buyers' prices."""
        return sum(one.paid - one.buyer_pays for one in self.substitutes)

    def paid_by_class(self) -> dict[Class, int]:
        """Return what the layers have paid, by class of claims."""
        return {one: sum(paid.micros for paid in self.payments if paid.claim_class is one) for one in Class}

    def used(self) -> dict[Layer, int]:
        """Return what was taken from each layer that has paid."""
        found: dict[Layer, int] = {}
        for paid in self.payments:
            found[paid.layer] = found.get(paid.layer, 0) + paid.micros
        return found

    def unpaid_by_class(self) -> dict[Class, int]:
        """Return what was told to be unpaid, by class; of C1 that is what was cut from gains."""
        found = {one: sum(micros for which, _, micros in self.unpaid if which is one) for one in Class}
        return found | {Class.C1: sum(self.haircut.values())}


class Casebook:
    """The cases of one playback, all money besides, and what was refused."""

    def __init__(self, playback: Playback, watched: int | None = None) -> None:
        self.playback = playback
        self.cases: dict[int, Case] = {}
        self.balances: dict[Purse, int] = {}
        self.refused: dict[int, int] = {}  # Reason, by sequence number.
        self.escrow_in: dict[int, int] = {}  # What buyers paid in, by instrument.
        self.paid_out: dict[tuple[int, Purse, int], int] = {}  # Out of escrow: by instrument, payee, case (0: none).
        self.refunds: dict[tuple[int, Purse], int] = {}  # By instrument and payee.
        self._movements = Movements(playback.engine.catalogue)
        self._evidence = Evidence()
        self._watched = watched  # The case whose evidence is wanted; None: of all.
        self._failed: list[Failed] = []
        self._found: dict[int, list[Failed]] = {}  # By case, in this command.
        self._trades: list[Traded] = []  # Of the house in this command, whose case is not told yet.
        self._calls: dict[int, list[Moment]] = {}  # Margin calls and suspicions, by account.
        self._payer: Movement | None = None

    @property
    def engine(self) -> Engine:
        """The engine that plays."""
        return self.playback.engine

    def follow(self, frames: Iterable[Frame]) -> "Casebook":
        """Play everything."""
        for step in self.playback.steps(frames):
            self._take(step)
        return self

    def total(self) -> int:
        """Return the sum over all accounts there are, EXT included, as the engine has them (CLR-LED-002)."""
        core = self.engine.core
        inside = sum(core.balance(number) for number in range(len(self.engine.catalogue.accounts) + 1))
        return inside + core.external_balance() + self.engine.house.state.ledger.total

    # One command.

    def _take(self, step: Step) -> None:
        self._evidence.take(step)
        moved = self._movements.of(step)
        for one in moved:
            self.balances[one.purse] = self.balances.get(one.purse, 0) + one.micros
        if step.is_refused:
            self.refused[step.seq] = next(one.reason for one in step.events() if one.type == EventType.REJECT)
        if step.kind == CommandType.RUN_CLEARING:
            self._settled(step)
        # The house trades in commands of its own, and at gates.
        if step.has(*_TOLD) or (step.kind >= CommandType.TIME and step.has(EventType.FILL)):
            self._tell(step)

    def _tell(self, step: Step) -> None:
        before = set(self.cases)
        self._failed, self._found = [], {}
        events = step.events()
        for place, event in enumerate(events):
            if event.type == EventType.FILL:
                self._fill(event, step)
            elif event.type == EventType.ENTRY:
                self._entry(event)
            elif event.type == EventType.DEFAULT:
                self._default(event, step)
            elif event.type == EventType.LOT_STATE:
                self._lot_state(event, step)
            elif event.type == EventType.SUBSTITUTE and not event.flags & EventFlag.SELL:
                self._substitute(event, events[place + 1 :], step)
            elif event.type == EventType.LAYER:
                self._layer(event, step)
            elif event.type == EventType.CLAIM:
                self.cases[event.match_id].unpaid.append((Class(event.price), event.account, event.amount))
            elif event.type == EventType.AUCTION:
                self._auction(event, step)
            elif event.type == EventType.MARGIN:
                self._margin(event, step)
        open_cases = [case for case in self.cases.values() if not case.closed_seq]
        if len(open_cases) == 1:  # At the mark, so that no money moved.
            self._traded(open_cases[0])
        self._trades = []
        for number in dict.fromkeys([*self._found, *(one for one in self.cases if one not in before)]):
            self._verdict(self.cases[number], step)

    def _fill(self, event: Event, step: Step) -> None:
        """Keep what the house has traded till it is told for which case; substitutes are told as such."""
        house = self.engine.house.state.account
        if house and event.account == house and event.flags & EventFlag.TAKER:
            lots = -event.lots if event.flags & EventFlag.SELL else event.lots
            self._trades.append(Traded(event.instrument, lots, event.price, event.amount, step.seq))

    def _traded(self, case: Case) -> None:
        case.trades += self._trades
        self._trades = []

    def _default(self, event: Event, step: Step) -> None:
        if event.reason == 0:
            case = self.cases[event.match_id]
            case.closed_seq = step.seq
            case.moments.append(Moment(event.amount, "closed", step.seq))
            return
        case = Case(event.match_id, CaseKind(event.reason), event.account, step.seq, event.amount)
        case.moments += self._calls.get(event.account, [])
        self.cases[case.number] = case

    def _lot_state(self, event: Event, step: Step) -> None:
        sells = bool(event.flags & EventFlag.SELL)
        if event.reason == NodeState.FAILED:
            if not sells:
                self._failed.append(Failed(event.account, event.instrument, event.price, event.lots, event.amount))
            elif self._failed:
                case = self._case_of(event.account, event.instrument)
                if case is not None:
                    self._found.setdefault(case.number, []).extend(self._failed)
                self._failed = []
        elif sells:
            what = "nodes suspect" if event.reason == NodeState.SUSPECT else "nodes well again"
            self._calls.setdefault(event.account, []).append(Moment(step.now_ns, f"{event.lots} {what}", step.seq))

    def _case_of(self, account: int, handle: int) -> Case | None:
        """Return the case that failed lots of an account belong to, as the clearinghouse has it."""
        open_cases = [case for case in self.cases.values() if not case.closed_seq]
        mine = [case for case in open_cases if case.defaulter == account]
        wide = [case for case in mine if case.kind in WIDE]
        state = self.engine.house.state
        if account == state.account:  # What an estate owed: the one that is short there, else the first there is.
            short = [one for one in open_cases if one.number in state.cases
                     and state.cases[one.number].positions.get(handle, 0) < 0]  # fmt: skip
            return next((case for case in [*short, *open_cases] if case.kind in WIDE or case in short), None)
        return wide[0] if wide else mine[-1] if mine else None

    def _substitute(self, event: Event, later: list[Event], step: Step) -> None:
        self._trades = []
        case, stage = self.cases[event.match_id], Stage(event.reason)
        seller = next((one for one in later if one.type == EventType.SUBSTITUTE), None)
        has_seller = seller is not None and bool(seller.flags & EventFlag.SELL)
        paid = seller.amount if seller is not None and has_seller else event.amount
        case.substitutes.append(
            Substitute(
                event.account, stage, event.leaves, event.instrument, event.price, event.lots,
                event.cum or event.lots, paid, event.amount, step.seq,
            )
        )  # fmt: skip

    def _layer(self, event: Event, step: Step) -> None:
        case = self.cases[event.match_id]
        self._traded(case)
        case.payments.append(Paid(Layer(event.price), Class(event.cum), event.account, event.amount, step.seq))
        if event.cum == Class.C3:
            case.c3_left += event.amount

    def _auction(self, event: Event, step: Step) -> None:
        moments = self.cases[event.match_id].moments
        moments.append(Moment(step.now_ns, f"auction announced, item {event.price}: {event.lots} lots", step.seq))
        moments.append(Moment(event.amount, f"bids for item {event.price} opened"))

    def _margin(self, event: Event, step: Step) -> None:
        level = Level(event.reason)
        what = f"margin {level.name.lower()}: {event.amount:,} to be held"
        moments = self._calls.setdefault(event.account, [])
        if level is Level.GOOD:
            moments.clear()
            return
        moments.append(Moment(step.now_ns, what, step.seq))
        if level is Level.CALLED:
            moments.append(Moment(event.match_id, "deadline of the margin call"))

    # A verdict.

    def _verdict(self, case: Case, step: Step) -> None:
        """Write a verdict down: what failed, what it rests on, and when substitutes begin."""
        failed = tuple(self._found.get(case.number, ()))
        state = self.engine.house.state
        handles = list(dict.fromkeys(one.handle for one in failed))
        for delivery in state.deliveries.values():
            if any(duty.failed and duty.handle in handles for duty in delivery.obligations):
                if delivery.handle not in case.origins:
                    case.origins.append(delivery.handle)
        for good_ns in sorted({one.good_ns for one in failed}):
            case.moments.append(Moment(good_ns, "last good heartbeat of what failed"))
        lots = sum(one.lots for one in failed)
        what = f"verdict: {lots} lots failed" if lots else "verdict"
        case.moments.append(Moment(step.now_ns, what, step.seq))
        self._begins(case)
        self._waits(case)
        is_wanted = self._watched in (None, case.number)
        case.verdicts.append(
            Verdict(
                step.seq, step.now_ns, failed,
                tuple(self._rests_on(case, failed, step)) if is_wanted else (),
                self.engine.state_hash() if is_wanted else "", self.total(),
            )
        )  # fmt: skip

    def _begins(self, case: Case) -> None:
        known = {one.at_ns for one in case.moments if one.what == "substitutes begin"}
        begins = {
            duty.start_ns
            for delivery in self.engine.house.state.deliveries.values()
            for duty in delivery.obligations
            if duty.case == case.number and not duty.stranded
        }
        case.moments += [Moment(at_ns, "substitutes begin") for at_ns in sorted(begins - known)]

    def _waits(self, case: Case) -> None:
        own = self.engine.house.state.cases.get(case.number)
        if own is not None and own.waiting:
            case.moments.append(Moment(own.call_ns, "call auction for substitutes ends"))

    def _rests_on(self, case: Case, failed: tuple[Failed, ...], step: Step) -> list[Record]:
        catalogue = self.engine.catalogue
        found = [catalogue.instrument(handle) for handle in dict.fromkeys(one.handle for one in failed)]
        instruments = [one for one in found if one is not None]
        places = [(one.product.name, one.fabric, one.window) for one in instruments]
        since_ns = min(
            (one.window * HOUR_NS - one.product.gate_lead_s * NS_PER_SECOND for one in instruments), default=0
        )
        buyers = [account_text(catalogue, one.buyer) for one in failed]
        name = account_text(catalogue, case.defaulter)
        records = self._evidence.about(name, case.defaulter, buyers, places, since_ns)
        return [one for one in records if one.seq != step.seq] + [record_of(step)]

    # Money.

    def _entry(self, event: Event) -> None:
        """Look at one side of a posting; the payer's comes first, the payee's next."""
        one = entry_of(event)
        case = self.cases.get(one.case)
        if case is not None:
            self._traded(case)
            case.flows[one.purse] = case.flows.get(one.purse, 0) + one.micros
        if one.micros < 0:
            self._payer = one
        elif self._payer is not None:
            self._pair(self._payer, one, case)
            self._payer = None
        if one.purse.kind is Kind.ESCROW and one.cause == "escrow" and one.micros > 0:
            _add(self.escrow_in, one.purse.owner, one.micros)

    def _pair(self, payer: Movement, payee: Movement, case: Case | None) -> None:
        """Look at a whole posting."""
        if payer.purse.kind is Kind.ESCROW:
            if payee.cause == "refund":
                _add(self.refunds, (payer.purse.owner, payee.purse), payee.micros)
            else:
                _add(self.paid_out, (payer.purse.owner, payee.purse, payee.case), payee.micros)
        if case is None:
            return
        if payer.purse == Purse(Kind.ESTATE, case.number):
            is_recovery = payee.cause in ("recovery", "release")
            _add(case.recovered if is_recovery else case.handed_on, (payee.cause, payee.purse), payee.micros)
            if payee.cause == "compensation":
                self._compensate(case, payee)
        elif payee.cause == "estate" and payee.purse == Purse(Kind.COLLATERAL, self.engine.house.state.account):
            if payer.purse.owner != case.defaulter:
                _add(case.haircut, payer.purse.owner, payee.micros)

    def _compensate(self, case: Case, payee: Movement) -> None:
        """Divide compensation: what C3 was paid is handed on before what C4 was paid."""
        direct = min(case.c3_left, payee.micros)
        case.c3_left -= direct
        of_buyer = case.compensation.setdefault(payee.purse.owner, dict.fromkeys((Class.C3, Class.C4), 0))
        of_buyer[Class.C3] += direct
        of_buyer[Class.C4] += payee.micros - direct

    def _settled(self, step: Step) -> None:
        """Note the settlement of windows whose deliveries failed."""
        for case in self.cases.values():
            for handle in case.origins:
                if handle not in case.settled and handle not in self.engine.house.state.deliveries:
                    case.settled.append(handle)
                    case.moments.append(Moment(step.now_ns, "window settled", step.seq))


K = TypeVar("K")


def _add(where: dict[K, int], key: K, micros: int) -> None:
    where[key] = where.get(key, 0) + micros
