"""A cleared venue for tests: two products of two classes, people by name, money by purse.

Product P of class A has the fabrics f1 and f2, product Q of class B (1.25 times the work) has g. Times are seconds from
the start of window 1000. Events come back as short tuples of names and numbers, whose first word is what happened.
"""

from typing import NamedTuple

from exchange import commands
from exchange.clearing.detection import NodeState
from exchange.clearing.ledger import Purse
from exchange.clearing.waterfall import Class, Layer
from exchange.clearing.words import CaseKind, Cause, Kind, Level, Stage
from exchange.engine import Engine
from exchange.reasons import RejectReason
from exchange.records import CommandType, EventType, OrderFlag
from exchange.units import HOUR_NS, NS_PER_SECOND

WINDOW = 1_000
START_NS = WINDOW * HOUR_NS
LONG_BEFORE_S = -100 * 3_600
DOLLARS = 1_000_000


class Entry(NamedTuple):
    """One side of a posting."""

    cause: Cause
    kind: Kind
    owner: str | int
    micros: int


class House:
    """An engine with clearing.

    Args:
        core: a core as it is made.
        hours: of a window.
        people: accounts, each with ``money``.
        money: micro-dollars.
        house: terms of the house; ``terms``: of both products; ``risk``: of both classes.
        listed: windows of each product.
        fees: taker and maker fee.
    """

    def __init__(
        self, core, *, hours=1, people=(), money=0, house=None, terms=None, risk=None, listed=1, prepaid=(),
        product=None,
    ):  # fmt: skip
        self.engine = Engine(core)
        self.now_s = LONG_BEFORE_S
        self.refs = {}
        self.hours = hours
        self.last = []
        market = {"window_hours": hours, "balancing_s": hours * 3_600, "settle_s": hours * 3_600 + 900}
        market |= product or {}
        self.send(
            self.admin("set_house", **(house or {})),
            self.admin("set_class", cls="A", **(risk or {})),
            self.admin("set_class", cls="B", units=1_250_000, **(risk or {})),
            commands.add_product("P", 1, 1, ["f1", "f2"], **market),
            commands.add_product("Q", 1, 1, ["g"], **market),
            *(commands.add_account(name, margined=True, prepaid=name in prepaid) for name in people),
            self.admin("set_clearing", product="P", cls="A", **(terms or {})),
            self.admin("set_clearing", product="Q", cls="B", **(terms or {})),
            *(commands.list_window(name, WINDOW, count=listed) for name in ("P", "Q")),
        )
        for name in people:
            if money:
                self.send(commands.deposit(self.number(name), money))

    # Sending.

    def admin(self, name, **fields):
        return commands.admin(CommandType[name.upper()], fields)

    def send(self, *records):
        """Apply records now; return the events as an array."""
        events = self.engine.apply(b"".join(records), START_NS + self.now_s * NS_PER_SECOND)
        self.last = list(events)
        return events

    def do(self, name, **fields):
        """Apply one clearing command by name; return the reason if it is refused, else None."""
        return self.answer(self.send(self.admin(name, **fields)))

    def answer(self, events):
        refused = [event for event in events if event["type"] == EventType.REJECT]
        return RejectReason(refused[0]["reason"]).name if refused else None

    def at(self, seconds, *, run=True):
        """Let it be so late, tell the time, and let the clearinghouse do what is due."""
        self.now_s = seconds
        events = list(self.send(commands.time(START_NS + seconds * NS_PER_SECOND)))
        if run:
            events += list(self.send(self.admin("run_clearing")))
        self.last = events
        return events

    def run(self):
        return self.send(self.admin("run_clearing"))

    def place(self, name, side, lots, price, *, product="P", fabric="f1", window=WINDOW, flags=0, tif=0):
        self.refs[name] = self.refs.get(name, 0) + 1
        handle = self.engine.catalogue.handle(product, fabric, window)
        return self.send(
            commands.place(self.number(name), self.refs[name], handle, side, price, lots, flags=flags, tif=tif)
        )

    def buy(self, name, lots, price, **where):
        return self.place(name, 0, lots, price, **where)

    def sell(self, name, lots, price, **where):
        return self.place(name, 1, lots, price, **where)

    def offer(self, name, lots, price, **where):
        """A physical sell."""
        return self.place(name, 1, lots, price, flags=OrderFlag.PHYSICAL, **where)

    def standby(self, name, lots, price, *, firm=False, **where):
        flags = OrderFlag.STANDBY | (OrderFlag.FIRM if firm else 0)
        return self.place(name, 1, lots, price, flags=flags, **where)

    def certify(self, name, lots, *, product="P", fabric="f1", window=WINDOW, count=1):
        return self.send(commands.certify(name, product, fabric, window, lots, count=count))

    def wish(self, name, *, fabric="f1", window=WINDOW, **wish):
        return self.do("delivery_terms", account=name, product="P", fabric=fabric, start=window, **wish)

    def beat(self, name, nodes, *, product="P", fabric="f1", number=None):
        number = number if number is not None else self.refs.get((name, product, fabric), 0) + 1
        self.refs[name, product, fabric] = number
        return self.do(
            "heartbeat", account=name, product=product, fabric=fabric, number=number, nodes=[list(one) for one in nodes]
        )

    def meter(
        self, name, nodes, interval, intervals, rating=1_000_000, *, product="P", fabric="f1", window=WINDOW, **more
    ):
        first, count = nodes
        return self.do(
            "meter", account=name, product=product, fabric=fabric, start=window, first=first, count=count,
            interval=interval, intervals=intervals, rating_ppm=rating, **more,
        )  # fmt: skip

    def trade(self, seller, buyer, lots, price, **where):
        """A physical sell, bought at once."""
        self.offer(seller, lots, price, **where)
        return self.buy(buyer, lots, price, **where)

    # Looking.

    @property
    def core(self):
        return self.engine.core

    @property
    def state(self):
        return self.engine.house.state

    def number(self, name):
        number = self.engine.catalogue.account_number(name)
        assert number is not None, name
        return number

    def name(self, number):
        return self.engine.catalogue.account_name(int(number)) or int(number)

    def handle(self, product="P", fabric="f1", window=WINDOW):
        return self.engine.catalogue.handle(product, fabric, window)

    def position(self, name, **where):
        return self.core.position(self.number(name), self.handle(**where))[0]

    def money(self, name, kind=Kind.COLLATERAL):
        return self.state.ledger.balance(Purse(kind, self.number(name)))

    def purse(self, kind, owner=0):
        return self.state.ledger.balance(Purse(kind, owner))

    def total(self):
        """The sum over all accounts there are: always 0."""
        accounts = range(len(self.engine.catalogue.accounts) + 1)
        inside = sum(self.core.balance(number) for number in accounts)
        return inside + self.core.external_balance() + self.state.ledger.total

    def margin(self, name):
        return self.state.member(self.number(name)).margin

    def level(self, name):
        return self.state.member(self.number(name)).level

    # What happened last, in words.

    def entries(self, *causes, events=None):
        found = []
        for event in self.last if events is None else events:
            if event["type"] == EventType.ENTRY and (not causes or event["reason"] in causes):
                kind = Kind(event["price"])
                owner = self.name(event["account"]) if event["account"] else int(event["cum"])
                found.append(Entry(Cause(event["reason"]), kind, owner, int(event["amount"])))
        return found

    def substitutes(self, *, of="buyer", events=None):
        """(account, stage, handle, price, lots, original lots, micros, other) as told to buyers, or to sellers."""
        told = []
        for event in self.last if events is None else events:
            if event["type"] == EventType.SUBSTITUTE and bool(event["flags"] & 1) == (of == "seller"):
                told.append(
                    (
                        self.name(event["account"]), Stage(event["reason"]).name, int(event["instrument"]),
                        int(event["price"]), int(event["lots"]), int(event["cum"]), int(event["amount"]),
                        self.name(event["leaves"]),
                    )
                )  # fmt: skip
        return told

    def layers(self, events=None):
        """(layer, class, payer, micros) of the waterfall."""
        return [
            (Layer(event["price"]).name, Class(event["cum"]).name, self.name(event["account"]), int(event["amount"]))
            for event in (self.last if events is None else events)
            if event["type"] == EventType.LAYER
        ]

    def cases(self, events=None):
        """(number, kind or "closed", defaulter)."""
        return [
            (
                int(event["match_id"]), CaseKind(event["reason"]).name if event["reason"] else "closed",
                self.name(event["account"]),
            )
            for event in (self.last if events is None else events)
            if event["type"] == EventType.DEFAULT
        ]  # fmt: skip

    def lot_states(self, name, events=None):
        """(state, first node, lots, seconds of the last good moment) told to an account."""
        return [
            (
                NodeState(event["reason"]).name, int(event["price"]), int(event["lots"]),
                (int(event["amount"]) - START_NS) // NS_PER_SECOND,
            )
            for event in (self.last if events is None else events)
            if event["type"] == EventType.LOT_STATE and event["account"] == self.number(name)
        ]  # fmt: skip

    def levels(self, events=None):
        """(account, level) of margin calls and what follows."""
        return [
            (self.name(event["account"]), Level(event["reason"]).name)
            for event in (self.last if events is None else events)
            if event["type"] == EventType.MARGIN
        ]
