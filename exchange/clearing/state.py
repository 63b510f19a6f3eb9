"""What the clearinghouse remembers, and what it needs of a core."""

from dataclasses import dataclass, field
from typing import Protocol

from exchange.catalogue import Catalogue
from exchange.catalogue.registry import Instrument
from exchange.clearing.auction import Item
from exchange.clearing.ledger import Ledger, Purse
from exchange.clearing.meters import Meter
from exchange.clearing.obligations import NO_WISH, Delivery, Wish
from exchange.clearing.scenarios import RiskTerms
from exchange.clearing.tenor import bond_rate
from exchange.clearing.terms import ClassTerms, HouseTerms, OptionTerms, ProductTerms, terms_text
from exchange.clearing.waterfall import Class, Payment, Repayment
from exchange.clearing.words import CaseKind, Cause, Kind, Level
from exchange.delivery.nodes import Nodes
from exchange.records import EventType, Phase
from exchange.units import SECONDS_PER_HOUR

HOUSE_NAME = "clearinghouse"
RECORD_HOURS = 90 * 24  # How long a provider's record counts.
OVER = (Phase.SETTLED, Phase.EXPIRED)
Resting = tuple[int, int, int, int, bool, bool]  # oid, price, leaves, account, physical, firm


class Core(Protocol):
    """What is needed of a core; both have it."""

    @property
    def seq(self) -> int:
        """Sequence number of the present command."""

    @property
    def now_ns(self) -> int:
        """The present time."""

    @property
    def accounts_max(self) -> int:
        """Most accounts."""

    def emit(
        self, type: int, *, flags: int = 0, reason: int = 0, account: int = 0, instrument: int = 0, price: int = 0,
        lots: int = 0, cum: int = 0, leaves: int = 0, amount: int = 0, match_id: int = 0,
    ) -> None:  # fmt: skip
        """Add an event."""

    def add_account(self, number: int, group: int, margined: bool) -> None:
        """Open an account."""

    def balance(self, account: int) -> int:
        """Return an account's balance."""

    def external_balance(self) -> int:
        """Return the balance of EXT."""

    def requirement_sum(self, account: int) -> int:
        """Return the sum of an account's requirements."""

    def position(self, account: int, instrument: int) -> tuple[int, int, int, int]:
        """Return position, open buy lots, open sell lots and requirement."""

    def positions_bytes(self) -> bytes:
        """Return (account, handle, lots, open buys, open sells) of what is not 0, as int64."""

    def holdings(self, handle: int) -> list[tuple[int, int, int]]:
        """Return (account, lots, certified) of every position, oldest first."""

    def best(self, instrument: int, side: int) -> tuple[int, int] | None:
        """Return the best price of a side and its shown lots."""

    def mark(self, handle: int) -> int | None:
        """Return the mark in ticks, or None."""

    def group(self, account: int) -> int:
        """Return the owner group of an account."""

    def phase(self, handle: int) -> int:
        """Return the phase of an instrument."""

    def pay(self, account: int, micros: int) -> None:
        """Add to an account's balance."""

    def pay_external(self, micros: int) -> None:
        """Add to the balance of EXT."""

    def is_prepaid(self, account: int) -> bool:
        """Whether an account pays in full."""

    def set_margin(self, account: int, addon: int, credit: int, keep: int) -> None:
        """Set what is added to requirements, credited against them, and kept from withdrawal."""

    def set_rates(self, handle: int, long_micros: int, short_micros: int) -> None:
        """Set the requirement of one lot held."""

    def set_mark(self, handle: int, ticks: int) -> None:
        """Set the mark and pay the move."""

    def clear_mark(self, handle: int) -> None:
        """End mark and rates: the contract has been paid."""

    def move_lots(self, handle: int, from_account: int, to_account: int, lots: int) -> None:
        """Move long lots at the mark."""

    def resting(self, handle: int, side: int) -> list[Resting]:
        """Return the resting orders of a side, best first."""

    def hit(self, oid: int, lots: int, account: int, fee_ppm: int, price: int = -1, at_mark: bool = False) -> int:
        """Trade with a resting order for an account; return the lots."""

    def end_orders(self, account: int, reason: int, handle: int = 0) -> int:
        """End an account's resting orders; return how many."""


@dataclass(slots=True, eq=False)
class Member:
    """How one account stands to the house."""

    level: Level = Level.GOOD
    deadline_ns: int = 0  # Of a margin call.
    margin: int = 0  # As last demanded.
    assessed: list[tuple[int, int]] = field(default_factory=list)  # Time and micros of assessments.
    # By product and fabric: hour, lots owed, quarters of failures.
    record: dict[tuple[int, int], list[tuple[int, int, int]]] = field(default_factory=dict)

    def remember(self, place: tuple[int, int], hour: int, lots: int, quarters: int) -> None:
        """Write a window into the record of a site, and forget what is too long ago (CLR-BOND-001)."""
        kept = [entry for entry in self.record.get(place, []) if entry[0] > hour - RECORD_HOURS]
        self.record[place] = [*kept, (hour, lots, quarters)]

    def bond_rate(self, place: tuple[int, int]) -> int:
        """Return the rate of the bond at a site, in ppm (CLR-BOND-001)."""
        entries = self.record.get(place, [])
        return bond_rate(sum(quarters for _, _, quarters in entries), sum(lots for _, lots, _ in entries))

    def canonical(self, number: int) -> str:
        """Return everything as one line."""
        assessed = " ".join(f"{at}:{micros}" for at, micros in self.assessed)
        record = " ".join(
            f"{product}.{fabric}:{hour}:{lots}:{quarters}"
            for product, fabric in sorted(self.record)
            for hour, lots, quarters in self.record[product, fabric]
        )
        head = f"member {number} {self.level.value} {self.deadline_ns} {self.margin}"
        return f"{head}; {assessed}; {record}"


@dataclass(slots=True, eq=False)
class Provider:
    """Who delivers: its key, what it may fail together with, its last heartbeat in each fabric."""

    key: bytes = b""  # Ed25519 public key; empty: the venue itself vouches for what is reported.
    domain: str = ""  # Providers of one domain never replace each other.
    beats: dict[tuple[int, int], tuple[int, bytes]] = field(default_factory=dict)  # Number and digest, by place.
    failures: list[tuple[int, int]] = field(default_factory=list)  # Time and lots, of the last hour.

    def canonical(self, number: int) -> str:
        """Return everything as one line."""
        beats = " ".join(
            f"{product}:{fabric}:{self.beats[product, fabric][0]}:{self.beats[product, fabric][1].hex()}"
            for product, fabric in sorted(self.beats)
        )
        failures = " ".join(f"{at}:{lots}" for at, lots in self.failures)
        return f"provider {number} {self.key.hex()} {self.domain}; {beats}; {failures}"


@dataclass(slots=True, eq=False)
class Case:
    """One default, from its verdict till everything about it is settled."""

    number: int
    kind: CaseKind
    defaulter: int
    pool: str  # Hardware class whose pool of cover may pay.
    opened_ns: int
    positions: dict[int, int] = field(default_factory=dict)  # Of the estate: lots by handle.
    payments: list[Payment] = field(default_factory=list)
    repayments: list[Repayment] = field(default_factory=list)
    unpaid: dict[Class, dict[int, int]] = field(default_factory=dict)
    assessed: dict[int, int] = field(default_factory=dict)
    waiting: list[int] = field(default_factory=list)  # Failed obligations that wait for the call auction.
    call_ns: int = 0  # When that ends.
    auction_ns: int = 0  # When the bids for what is left are opened; 0: no auction yet.
    items: list[Item] = field(default_factory=list)  # Of the auction, as they were told.
    bids: list[tuple[int, int, int, int, int]] = field(default_factory=list)  # account, item, lots, price, seq

    def canonical(self) -> str:
        """Return everything as one line."""
        positions = " ".join(f"{handle}:{self.positions[handle]}" for handle in sorted(self.positions))
        payments = " ".join(f"{one.layer.value}.{one.claim_class.value}.{one.account}.{one.amount}" for one in
                            self.payments)  # fmt: skip
        repaid = " ".join(f"{one.to.name}.{one.account}.{one.amount}" for one in self.repayments)
        unpaid = " ".join(
            f"{which.value}.{account}.{self.unpaid[which][account]}"
            for which in sorted(self.unpaid)
            for account in sorted(self.unpaid[which])
        )
        head = f"case {self.number} {self.kind.value} {self.defaulter} {self.pool} {self.opened_ns}"
        items = " ".join(",".join(map(str, item)) for item in self.items)
        rest = f"{self.waiting} {self.call_ns} {self.auction_ns} {self.bids} {sorted(self.assessed.items())} {items}"
        return f"{head}; {positions}; {payments}; {repaid}; {unpaid}; {rest}"


class HouseState:
    """Everything the rooms of the clearinghouse share."""

    def __init__(self, core: Core, catalogue: Catalogue, nodes: Nodes) -> None:
        self.core = core
        self.catalogue = catalogue
        self.nodes = nodes
        self.ledger = Ledger(core)
        self.account = 0  # Number of the house's own account; 0: there is no clearing yet.
        self.terms = HouseTerms()
        self.products: dict[int, ProductTerms] = {}  # By product number.
        self.class_of: dict[int, str] = {}  # By product number.
        self.classes: dict[str, ClassTerms] = {}  # In order of SET_CLASS.
        self.risks: dict[str, RiskTerms] = {}
        self.members: dict[int, Member] = {}
        self.providers: dict[int, Provider] = {}
        self.wishes: dict[tuple[int, int], Wish] = {}  # By account and handle.
        self.checkpoints: dict[tuple[int, int], int] = {}  # Time of the last note, by account and handle.
        self.deliveries: dict[int, Delivery] = {}  # From the gate to settlement, by handle.
        self.meters: dict[tuple[int, int], Meter] = {}  # By handle and provider.
        self.cases: dict[int, Case] = {}
        self.owed: dict[int, Case] = {}  # Closed ones of which others than the defaulter are still owed something.
        self.obligations_made = 0
        self.cases_made = 0
        self.next_mark_ns = 0
        self.rates: dict[int, tuple[int, int]] = {}  # Published, by handle.
        self.buffers: dict[int, tuple[int, int, int]] = {}  # Day, long and short rate with buffer, by handle.
        self.indices: dict[str, int] = {}  # As last told, micro-dollars per SCU-hour, by class.
        self.ramps: dict[str, tuple[int, RiskTerms]] = {}  # Day and terms in force, by class.
        self.options: dict[int, OptionTerms] = {}  # By product number.
        self._live: list[Instrument] = []  # Follows from the catalogue and the phases.
        self._listed = 0

    def live(self) -> list[Instrument]:
        """Return the instruments that are not settled yet, by handle; what is over is looked at once. O(them)."""
        known = self.catalogue.instruments
        self._live += known[self._listed :]
        self._listed = len(known)
        self._live = [one for one in self._live if self.core.phase(one.handle) not in OVER]
        return self._live

    def spare(self, account: int) -> int:
        """Return what may be taken from an account for what it owes beside its positions, not negative.

        Of a prepaid one only what is free: the rest pays for what it has bought, and nothing would ever call for it.
        """
        balance = self.core.balance(account)
        if self.core.is_prepaid(account):
            balance -= self.core.requirement_sum(account)
        return max(0, balance)

    def settle_mark(self, one: Instrument, ticks: int) -> tuple[int, list[tuple[int, int]]]:
        """Set a mark and tell it; return the move in micro-dollars a lot, and each holder's gain (CLR-VM-001)."""
        before = self.core.mark(one.handle)
        self.core.set_mark(one.handle, ticks)
        self.core.emit(EventType.MARK, instrument=one.handle, price=ticks)
        if before is None or before == ticks:
            return 0, []
        move = (ticks - before) * one.product.lot_micros
        gains = [(account, lots * move) for account, lots, _ in self.core.holdings(one.handle) if lots]
        for account, micros in gains:
            self.ledger.tell(Cause.VARIATION, Purse(Kind.COLLATERAL, account), micros, handle=one.handle)
        return move, gains

    def place(self, handle: int) -> tuple[int, int]:
        """Return product number and fabric index of an instrument: its site."""
        one = self.instrument(handle)
        return one.product_number, one.fabric_index

    def member(self, account: int) -> Member:
        """Return how an account stands, made at first use."""
        return self.members.setdefault(account, Member())

    def risk(self, name: str) -> RiskTerms:
        """Return the risk terms of a class that are in force: raised ones come day by day (CLR-SCAN-010)."""
        return self.ramps[name][1] if name in self.ramps else self.risks[name]

    def provider(self, account: int) -> Provider:
        """Return a provider, made at first use."""
        return self.providers.setdefault(account, Provider())

    def instrument(self, handle: int) -> Instrument:
        """Return the instrument of a handle that exists."""
        found = self.catalogue.instrument(handle)
        assert found is not None
        return found

    def terms_of(self, handle: int) -> ProductTerms:
        """Return the terms of a cleared instrument's product."""
        return self.products[self.instrument(handle).product_number]

    def class_name(self, handle: int) -> str:
        """Return the hardware class of a cleared instrument."""
        return self.class_of[self.instrument(handle).product_number]

    def is_cleared(self, handle: int) -> bool:
        """Whether the clearinghouse has terms for the instrument."""
        return self.instrument(handle).product_number in self.products

    def wish(self, account: int, handle: int) -> Wish:
        """Return what a buyer has declared."""
        return self.wishes.get((account, handle), NO_WISH)

    def price_micros(self, handle: int, ticks: int) -> int:
        """Return a price in micro-dollars per SCU-hour."""
        return ticks * self.instrument(handle).product.tick_micros

    def scu_hours(self, handle: int) -> tuple[int, int]:
        """Return the SCU of one lot and the seconds of a whole window."""
        product = self.instrument(handle).product
        return product.lot_scu, product.window_hours * SECONDS_PER_HOUR

    def pool_number(self, name: str) -> int:
        """Return the number of a class, from 1."""
        return list(self.classes).index(name) + 1

    def take_obligation_number(self) -> int:
        """Return the next number of an obligation."""
        self.obligations_made += 1
        return self.obligations_made

    def canonical(self) -> bytes:
        """Return everything as text; empty as long as there is no clearing."""
        if not self.account:
            return b""
        lines = [f"house {self.account} {terms_text(self.terms)} {self.obligations_made} {self.cases_made} "
                 f"{self.next_mark_ns}"]  # fmt: skip
        lines += [f"class {name} {terms_text(self.classes[name])} {self.risks[name]!r}" for name in self.classes]
        lines += [f"cleared {number} {self.class_of[number]} {terms_text(self.products[number])}" for number in
                  sorted(self.products)]  # fmt: skip
        lines += self.ledger.canonical()
        lines += [self.members[number].canonical(number) for number in sorted(self.members)]
        lines += [self.providers[number].canonical(number) for number in sorted(self.providers)]
        lines += [f"wish {account} {handle} {self.wishes[account, handle]!r}" for account, handle in
                  sorted(self.wishes)]  # fmt: skip
        lines += [f"note {account} {handle} {self.checkpoints[account, handle]}" for account, handle in
                  sorted(self.checkpoints)]  # fmt: skip
        for handle in sorted(self.deliveries):
            lines += self.deliveries[handle].canonical()
        lines += [self.meters[place].canonical() for place in sorted(self.meters)]
        lines += [self.cases[number].canonical() for number in sorted(self.cases)]
        lines += [f"owed {self.owed[number].canonical()}" for number in sorted(self.owed)]
        lines += [f"option {number} {self.options[number]!r}" for number in sorted(self.options)]
        lines += [f"buffer {handle} {self.buffers[handle]}" for handle in sorted(self.buffers)]
        lines += [f"index {name} {self.indices[name]}" for name in self.indices]
        lines += [f"ramp {name} {self.ramps[name]!r}" for name in self.ramps]
        lines += [f"rates {handle} {self.rates[handle]}" for handle in sorted(self.rates)]
        return "\n".join(lines).encode("ascii")
