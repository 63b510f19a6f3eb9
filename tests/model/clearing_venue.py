"""A cleared venue that is driven one command at a time, on one core or on two that must say the same.

Product P of class A has the fabrics f1 and f2, R of class A has h with lots of two SCU and no time between gate and
start, Q of class B (1.25 times the work) has g. Windows are of one hour and are listed as time goes on. Providers p1
and p2 fail together; t1 and p3 have one owner; ``pre`` pays in full. Everything is chosen by numbers, taken modulo
what there is, so that both a random stream and hypothesis can drive it.
"""

from twin import TwinsDiffer, first_difference

from exchange import commands
from exchange.commands import Leg
from exchange.engine import Engine
from exchange.records import CommandType, EventType, OrderFlag, Phase
from exchange.units import HOUR_NS, NS_PER_SECOND

FIRST_WINDOW = 1_000
HOURS_AHEAD = 4
DOLLARS = 1_000_000
PRODUCTS = {
    "P": ("A", 1, ("f1", "f2"), {"gate_lead_s": 900}),
    "Q": ("B", 1, ("g",), {"gate_lead_s": 300, "maker_fee_ppm": 100}),
    "R": ("A", 2, ("h",), {"gate_lead_s": 0}),
}
PLACES = [(product, fabric) for product, (_, _, fabrics, _) in PRODUCTS.items() for fabric in fabrics]
NODES = {  # Of the providers.
    ("p1", "P", "f1"): 8, ("p2", "P", "f1"): 6, ("p4", "P", "f1"): 4, ("p3", "P", "f2"): 8, ("p2", "Q", "g"): 5,
    ("p4", "Q", "g"): 8, ("p3", "R", "h"): 4, ("p1", "R", "h"): 3,
}  # fmt: skip
PROVIDERS = ("p1", "p2", "p3", "p4")
PEOPLE = ("mm", *PROVIDERS, "t1", "t2", "b1", "b2", "b3", "pre")
MONEY = {"mm": 2_000, "t1": 60, "t2": 40, "b1": 120, "b2": 80, "b3": 150, "pre": 100}  # Dollars; providers: 90.
LEVEL = 2_000  # Ticks of a thousandth of a dollar.
TERMS = {
    "heartbeat_s": 60, "missed": 2, "grace_s": 120, "no_show_s": 240, "hand_over_s": 60, "call_lots": 6, "call_s": 120,
    "cover_cap_bps": 4_000, "fee_micros": 1_001, "levy_ppm": 1_999, "standby_ppm": 20_000, "gang_ppm": 10_000,
    "daily_lots": 200,
}  # fmt: skip
HOUSE_TERMS = {
    "mark_interval_s": 60, "call_deadline_s": 600, "full_lots": 2, "disposal_s": 300, "auction_s": 300,
    "sitg_micros": 20 * DOLLARS, "fund_ppm": 20_000,
}  # fmt: skip
WISHES = [
    {"cover": True, "checkpoint_s": 3_600, "restart_s": 400},
    {"gang": True, "cover": True, "restart_s": 60, "checkpoint_s": 1_200},
    {"gang": True, "other_fabric": True, "other_class": True},
    {"other_fabric": True, "other_class": True, "cover": True},
    {"shift_hours": 3, "cover": True, "restart_s": 4_000},
    {"gang": True, "other_fabric": True, "cover": True, "shift_hours": 2},
]
TRADED = (Phase.CONTINUOUS, Phase.VOLATILITY, Phase.PRECLOSE, Phase.OPEN)
STANDBY_PHASES = (Phase.GATED, Phase.BALANCING, Phase.DELIVERING)


class ClearedVenue:
    """Drives engines through the life of a cleared venue.

    Args:
        cores: of one engine or of several, whose events must be equal.
        look: called with (engine, record) before each command; what it returns is called with the events after it.
        mutate: what is done to the house of the first engine beforehand.
        terms: of the products, other than the usual ones; ``house``: of the house.
        percent: of the usual money of everybody but the market maker; little makes margin calls and deeper layers.
    """

    def __init__(self, cores, look=None, mutate=None, percent=100, terms=None, house=None):
        self.engines = [Engine(core) for core in cores]
        if mutate is not None:
            mutate(self.engines[0].house)
        self.look = look(self.engines[0]) if look else None
        self.now_ns = FIRST_WINDOW * HOUR_NS - 3 * HOUR_NS
        self.journal = []
        self.refs, self.beats, self.dead, self.rating = {}, {}, {}, {}
        self.resting = []  # (account, oid) of the orders that were acknowledged last.
        self.evidence = []  # The last heartbeats and readings.
        self.auctions = {}  # Items that were told, by case.
        self.next_window = FIRST_WINDOW
        self.seen = {}  # How often each (event type, reason) and each answer has come.
        self._open(percent, TERMS | (terms or {}), HOUSE_TERMS | (house or {}))

    def _open(self, percent, terms, house):
        market = {"balancing_s": 3_600, "settle_s": 4_500, "taker_fee_ppm": 300}
        admin = self.admin
        self.send(admin("set_house", **house))
        self.send(admin("set_class", cls="A"))
        self.send(admin("set_class", cls="B", units=1_250_000))
        for product, (_, lot_scu, fabrics, more) in PRODUCTS.items():
            self.send(commands.add_product(product, lot_scu, 1_000, fabrics, **(market | more)))
        for name in PEOPLE:
            self.send(commands.add_account(name, group="one" if name in ("t1", "p3") else name, margined=True,
                                           prepaid=name == "pre"))  # fmt: skip
        for product, (cls, _, _, _) in PRODUCTS.items():
            self.send(admin("set_clearing", product=product, cls=cls, **terms))
        for name in PEOPLE:
            part = 100 if name == "mm" else percent
            self.send(commands.deposit(self.number(name), MONEY.get(name, 90) * part * DOLLARS // 100))
        for name in ("p1", "p2"):
            self.send(admin("set_provider", account=name, domain="d"))
        for name in PROVIDERS:
            self.transfer(name, "coll", "bond", 12 * percent * DOLLARS // 100)
        for name, dollars in (("mm", 40), ("b1", 6), ("p1", 3), ("p4", 5), ("t2", 2)):
            self.transfer(name, "coll", "fund", dollars * percent * DOLLARS // 100)
        self.send(admin("fund", kind="sitg", micros=5 * percent * DOLLARS // 100))
        self.send(admin("fund", kind="standby", micros=4 * DOLLARS))
        self.send(admin("fund", kind="pool", cls="A", micros=2 * DOLLARS))
        self.roll()

    # Sending.

    def admin(self, name, **fields):
        return commands.admin(CommandType[name.upper()], fields)

    def send(self, record):
        """Apply one command to all engines, looking before and after; return its events.

        Raises:
            TwinsDiffer: with the first difference.
        """
        self.journal.append((record, self.now_ns))
        after = self.look.before(record) if self.look else None
        events = self.engines[0].apply(record, self.now_ns).copy()
        for other in self.engines[1:]:
            found = other.apply(record, self.now_ns)
            if found.tobytes() != events.tobytes():
                raise TwinsDiffer(first_difference(events, found))
        self._learn(events)
        if after is not None:
            after(events)
        return events

    def send_batch(self, records):
        """Apply commands as one batch, unwatched."""
        return self.send(b"".join(records))

    def _learn(self, events):
        for event in events:
            key = int(event["type"]), int(event["reason"])
            self.seen[key] = self.seen.get(key, 0) + 1
            if event["type"] == EventType.ACK and event["oid"] and event["leaves"]:
                self.resting.append((int(event["account"]), int(event["oid"])))
            elif event["type"] == EventType.AUCTION:
                self.auctions[int(event["match_id"])] = int(event["price"]) + 1
        del self.resting[:-60]

    def refused(self, events):
        return any(event["type"] == EventType.REJECT for event in events)

    # Looking.

    @property
    def core(self):
        return self.engines[0].core

    @property
    def state(self):
        return self.engines[0].house.state

    def number(self, name):
        return self.engines[0].catalogue.account_number(name)

    def ref(self, account):
        self.refs[account] = self.refs.get(account, 0) + 1
        return self.refs[account]

    def windows(self, *phases):
        """Instruments in any of the phases, by handle."""
        return [one for one in self.engines[0].catalogue.instruments[-40:] if self.core.phase(one.handle) in phases]

    def compare(self):
        """Hold all states against each other."""
        hashes = [engine.state_hash() for engine in self.engines]
        if len(set(hashes)) != 1:
            raise TwinsDiffer("the events are equal, but the states differ")
        return hashes[0]

    # Trading. Every number is taken modulo what there is.

    def place(self, who, where, side, over, lots, flags=0, tif=0):
        """An order in a window that trades, at a distance from the mark."""
        found = self.windows(*TRADED)
        if not found:
            return self.roll()
        one = found[where % len(found)]
        mark = self.core.mark(one.handle) or LEVEL
        account, price = self.number(PEOPLE[who % len(PEOPLE)]), max(0, mark + over)
        return self.send(
            commands.place(account, self.ref(account), one.handle, side, price, lots, flags=flags, tif=tif)
        )

    def flatten(self, who):
        """Reduce-only orders that end what somebody holds and will not deliver."""
        account = self.number(PEOPLE[who % len(PEOPLE)])
        for one in self.windows(Phase.CONTINUOUS):
            certified = next((nodes for holder, _, nodes in self.core.holdings(one.handle) if holder == account), 0)
            lots = self.core.position(account, one.handle)[0]
            left = -lots - certified
            mark = self.core.mark(one.handle) or LEVEL
            if left > 0:
                self.send(
                    commands.place(account, self.ref(account), one.handle, 0, mark + 200, left, tif=1,
                                   flags=OrderFlag.REDUCE_ONLY)
                )  # fmt: skip

    def stand_by(self, over, lots):
        """Every provider offers what he has left behind the gates."""
        for which in range(len(NODES)):
            for where in range(2):
                self.standby(which, where, over + 7 * which, lots, where)

    def trade(self, place, buyer, hour, lots):
        """A physical sell near the mark, and somebody who buys it."""
        name, product, fabric = list(NODES)[place % len(NODES)]
        handle = self.engines[0].catalogue.handle(product, fabric, self.now_ns // HOUR_NS + 1 + hour % HOURS_AHEAD)
        if handle is None or self.core.phase(handle) != Phase.CONTINUOUS:
            return self.roll()
        seller, price = self.number(name), self.core.mark(handle) or LEVEL
        self.send(commands.place(seller, self.ref(seller), handle, 1, price, lots, flags=OrderFlag.PHYSICAL))
        account = self.number(PEOPLE[buyer % len(PEOPLE)])
        return self.send(commands.place(account, self.ref(account), handle, 0, price + 40, lots, tif=1))

    def sell_out(self, which, lots):
        """Every provider sells the next hour to a buyer who has declared what he wants."""
        for place in range(len(NODES)):
            who = 7 + (which + place) % 4
            product, fabric = list(NODES)[place][1:]
            start = self.now_ns // HOUR_NS + 1
            self.send(self.admin("delivery_terms", account=PEOPLE[who], product=product, fabric=fabric, start=start,
                                 **WISHES[(which // 4 + place) % len(WISHES)]))  # fmt: skip
            self.trade(place, who, 0, lots)

    def quote(self, level, lots, where=None):
        """The market maker's quotes in all windows or one, around a price."""
        found = self.windows(Phase.CONTINUOUS)
        if where is not None and found:
            found = [found[where % len(found)]]
        account = self.number("mm")
        for one in found:
            price = max(2, level + 10 * (one.window % 5) + one.handle % 3)
            leg = Leg(one.handle, price - 20, lots, price + 20, lots)
            self.send(commands.quote(account, self.ref(account), [leg]))

    def crash(self, ppm):
        """Everybody but the maker is slow: the maker's prices go to a part of the marks, twice, within the band."""
        found = self.windows(Phase.CONTINUOUS)
        marks = [self.core.mark(one.handle) for one in found]
        known = sorted(mark for mark in marks if mark)
        if known:
            self.send(commands.mass_cancel(self.number("mm"), self.ref(self.number("mm"))))
            self.quote(min(20_000, max(40, known[len(known) // 2] * ppm // 1_000_000)), 3)
        self.step(60)

    def cancel(self, which):
        if self.resting:
            account, oid = self.resting[which % len(self.resting)]
            self.send(commands.cancel(account, self.ref(account), oid))

    def block(self, who, where, side, over, lots, least):
        """A block of two hours: a provider's physical sell, or a buy."""
        name, product, fabric = list(NODES)[who % len(NODES)]
        account = self.number(name if side else PEOPLE[who % len(PEOPLE)])
        number = list(PRODUCTS).index(product) + 1
        index = PRODUCTS[product][2].index(fabric)
        start = self.now_ns // HOUR_NS + 1 + where % 3
        self.send(
            commands.block(
                account, self.ref(account), number, 1 << index, start, 2, side, 2 * LEVEL + over, lots,
                min_lots=least % (lots + 1), flags=OrderFlag.PHYSICAL if side else 0,
            )
        )  # fmt: skip

    def standby(self, which, where, over, lots, firm):
        """Standby capacity of a provider in a window behind its gate."""
        name, product, fabric = list(NODES)[which % len(NODES)]
        found = [one for one in self.windows(*STANDBY_PHASES) if (one.product.name, one.fabric) == (product, fabric)]
        if not found:
            return
        one = found[where % len(found)]
        delivery = self.state.deliveries.get(one.handle)
        mark = delivery.mark if delivery else LEVEL
        account = self.number(name)
        flags = OrderFlag.STANDBY | (OrderFlag.FIRM if firm else 0)
        self.send(commands.place(account, self.ref(account), one.handle, 1, max(1, mark + over), lots, flags=flags))

    def physical(self, which, where, over, lots):
        name, product, fabric = list(NODES)[which % len(NODES)]
        found = [one for one in self.windows(*TRADED) if (one.product.name, one.fabric) == (product, fabric)]
        if found:
            one, account = found[where % len(found)], self.number(name)
            price = max(1, (self.core.mark(one.handle) or LEVEL) + over)
            self.send(commands.place(account, self.ref(account), one.handle, 1, price, lots, flags=OrderFlag.PHYSICAL))

    # Money.

    def transfer(self, name, source, target, micros):
        return self.send(self.admin("transfer", account=name, source=source, target=target, micros=micros))

    def deposit(self, who, micros):
        self.send(commands.deposit(self.number(PEOPLE[who % len(PEOPLE)]), micros))

    def withdraw(self, who, micros):
        self.send(commands.withdraw(self.number(PEOPLE[who % len(PEOPLE)]), micros))

    def recover(self, which, micros):
        cases = sorted(self.state.cases)
        if cases:
            self.send(self.admin("recover", case=cases[which % len(cases)], micros=micros))

    def bid(self, who, which, lots, price):
        """A bid in an auction that has been told."""
        cases = [number for number in sorted(self.auctions) if number in self.state.cases]
        if cases:
            case = cases[which % len(cases)]
            self.send(
                self.admin("bid", account=PEOPLE[who % len(PEOPLE)], case=case, item=which % self.auctions[case],
                           lots=lots, micros=price)
            )  # fmt: skip

    # Delivery.

    def wish(self, who, which, count):
        start = self.now_ns // HOUR_NS + 1 + which % HOURS_AHEAD
        product, fabric = PLACES[which % len(PLACES)]
        self.send(
            self.admin("delivery_terms", account=PEOPLE[who % len(PEOPLE)], product=product, fabric=fabric, start=start,
                       count=count, **WISHES[which % len(WISHES)])
        )  # fmt: skip

    def checkpoint(self, which):
        duties = [duty for delivery in self.state.deliveries.values() for duty in delivery.obligations]
        duties = [duty for duty in duties if duty.buyer != self.state.account]
        if duties:
            duty = duties[which % len(duties)]
            one = self.state.instrument(duty.origin)
            self.send(self.admin("checkpoint", account=self.name(duty.buyer), product=one.product.name,
                                 fabric=one.fabric, start=one.window))  # fmt: skip

    def name(self, account):
        return self.engines[0].catalogue.account_name(account)

    def kill(self, place, first, count):
        """Nodes fall silent; a count of 0 brings them back."""
        key = list(NODES)[place % len(NODES)]
        if count:
            self.dead[key] = first % NODES[key], count
        else:
            self.dead.pop(key, None)

    def slow(self, place, rating_ppm):
        self.rating[list(NODES)[place % len(NODES)]] = rating_ppm

    def alive(self, key):
        """Runs of nodes that are well."""
        first, count = self.dead.get(key, (NODES[key], 0))
        runs = [[0, first], [first + count, NODES[key] - first - count]]
        return [run for run in runs if run[1] > 0]

    def beat(self):
        """Every provider's heartbeats, where anything is delivered."""
        for key in NODES:
            runs = self.alive(key)
            meters = self.meters(key)
            if runs and meters:
                self.beats[key] = self.beats.get(key, 0) + 1
                name, product, fabric = key
                self.evidence.append(
                    self.admin("heartbeat", account=name, product=product, fabric=fabric, number=self.beats[key],
                               nodes=runs)
                )  # fmt: skip
                self.send(self.evidence[-1])

    def meters(self, key):
        name, product, fabric = key
        account = self.number(name)
        return [
            meter
            for (handle, owner), meter in self.state.meters.items()
            if owner == account and (one := self.state.instrument(handle)).product.name == product
            and one.fabric == fabric
        ]  # fmt: skip

    def meter(self):
        """Readings of all nodes that are well and work for somebody, up to now."""
        for key in NODES:
            for meter in self.meters(key):
                one = self.state.instrument(meter.handle)
                if self.core.phase(meter.handle) == Phase.DELIVERING:
                    until = min(60, (self.now_ns - one.window * HOUR_NS) // (60 * NS_PER_SECOND))
                    for first, count in self.alive(key):
                        read = int(meter.read_until[first : first + count].max())
                        if read < until:
                            self._read(key, one, meter, (first, count), read, until - read)
        del self.evidence[:-12]

    def _read(self, key, one, meter, nodes, interval, intervals):
        name, product, fabric = key
        self.evidence.append(
            self.admin("meter", account=name, product=product, fabric=fabric, start=one.window, first=nodes[0],
                       count=nodes[1], interval=interval, intervals=intervals,
                       rating_ppm=self.rating.get(key, 1_000_000))
        )  # fmt: skip
        self.send(self.evidence[-1])

    def again(self, which):
        """Repeat a piece of evidence."""
        if self.evidence:
            self.send(self.evidence[which % len(self.evidence)])

    def report(self, place, first, count):
        """A notice: of nodes that have failed, or of lots given back before the gate."""
        key = list(NODES)[place % len(NODES)]
        name, product, fabric = key
        start = self.now_ns // HOUR_NS + (first % 3)
        if self.engines[0].catalogue.handle(product, fabric, start) is not None:
            self.send(self.admin("report_failure", account=name, product=product, fabric=fabric, start=start,
                                 first=first % NODES[key], count=count))  # fmt: skip

    def declare(self, who):
        self.send(self.admin("declare_default", account=PEOPLE[who % len(PEOPLE)]))

    # Time.

    def run(self):
        return self.send(self.admin("run_clearing"))

    def step(self, seconds, evidence=True):
        """Let time pass, tell it, send evidence, and run the clearinghouse."""
        self.now_ns += seconds * NS_PER_SECOND
        self.send(commands.time(self.now_ns))
        if evidence:
            self.meter()
            self.beat()
        self.run()
        if self.now_ns // HOUR_NS + HOURS_AHEAD >= self.next_window:
            self.roll()
            self.quote(LEVEL, 6)

    def steps(self, count, seconds=120):
        for _ in range(count):
            self.step(seconds)

    def roll(self):
        """List the windows of the next hours, and certify the providers' nodes there."""
        last = self.now_ns // HOUR_NS + HOURS_AHEAD
        count = last + 1 - self.next_window
        if count <= 0:
            return
        self.next_window = max(self.next_window, self.now_ns // HOUR_NS + 1)
        count = last + 1 - self.next_window
        for product in PRODUCTS:
            self.send(commands.list_window(product, self.next_window, count=count))
        for (name, product, fabric), nodes in NODES.items():
            self.send(commands.certify(name, product, fabric, self.next_window, nodes, count=count))
        self.next_window = last + 1


class RandomDriver:
    """Chooses what a venue does next from a seeded stream."""

    def __init__(self, venue, draw):
        self.venue, self.draw = venue, draw
        number = lambda: draw.randrange(1 << 16)  # noqa: E731
        lots = lambda: draw.choice((1, 1, 2, 3, 4, 6, 9))  # noqa: E731
        over = lambda: draw.choice((-300, -60, -20, 0, 0, 20, 20, 60, 200, 500))  # noqa: E731
        flags = lambda: draw.choice((0, 0, 0, 0, OrderFlag.REDUCE_ONLY, OrderFlag.POST_ONLY))  # noqa: E731
        side = lambda: draw.randrange(2)  # noqa: E731
        money = lambda: draw.choice((1, 1_000_001, 7_500_000, 40_000_000))  # noqa: E731
        purse = lambda: draw.choice(("coll", "coll", "bond", "fund"))  # noqa: E731
        do = venue
        self.weights = [
            (lambda: do.place(number(), number(), side(), over(), lots(), flags(), draw.choice((0, 0, 0, 1))), 12),
            (lambda: do.trade(number(), number(), draw.choice((0, 0, 1, 2)), lots()), 18),
            (lambda: do.physical(number(), number(), over(), lots()), 9),
            (lambda: do.sell_out(number(), draw.choice((1, 2, 3))), 3),
            (lambda: do.standby(number(), number(), draw.choice((-50, 100, 300, 600, 1_500)), lots(), side()), 18),
            (lambda: do.block(number(), number(), side(), draw.choice((-60, 0, 60)), lots(), number()), 4),
            (lambda: do.quote(LEVEL + draw.choice((-150, 0, 0, 100)), lots()), 3),
            (lambda: do.cancel(number()), 5),
            (lambda: do.flatten(number()), 12),
            (lambda: do.stand_by(draw.choice((20, 200, 700)), lots()), 4),
            (lambda: do.crash(draw.choice((500_000, 700_000, 900_000, 1_300_000, 1_800_000))), 2),
            (lambda: do.transfer(draw.choice(PEOPLE), purse(), purse(), money()), 3),
            (lambda: do.deposit(number(), money()), 3),
            (lambda: do.withdraw(number(), money()), 3),
            (lambda: do.recover(number(), money()), 2),
            (lambda: do.bid(number(), number(), lots(), draw.choice((0, 500_000, 2_000_000, 4_000_000))), 4),
            (lambda: do.wish(number(), number(), draw.choice((1, 2))), 14),
            (lambda: do.checkpoint(number()), 4),
            (lambda: do.kill(number(), number(), draw.choice((0, 0, 0, 1, 2, 9))), 3),
            (lambda: do.slow(number(), draw.choice((1_000_000, 1_000_000, 1_100_000, 950_000, 800_000))), 2),
            (lambda: do.again(number()), 3),
            (lambda: do.report(number(), number(), draw.choice((1, 1, 2, 5))), 2),
            (lambda: do.declare(number()) if draw.random() < 0.1 else None, 1),
            (do.run, 3),
            (lambda: do.steps(draw.choice((1, 2, 6, 15))), 18),
            (lambda: do.step(draw.choice((0, 1, 7, 59, 200, 900, 4_000)), draw.random() < 0.7), 3),
        ]  # fmt: skip
        if draw.random() < 0.5:  # Some kinds are frequent, others missing.
            self.weights = [(act, weight * draw.choice((0, 1, 1, 1, 4))) for act, weight in self.weights]
            self.weights += [(lambda: do.steps(6), 6), (lambda: do.trade(number(), number(), 0, lots()), 6)]

    def run(self, commands_wanted):
        """Go on till so many commands have been sent."""
        actions, weights = zip(*self.weights, strict=True)
        self.venue.quote(LEVEL, 8)
        self.venue.run()
        while len(self.venue.journal) < commands_wanted:
            self.draw.choices(actions, weights)[0]()


def replay(journal, core):
    """Apply a journal to a fresh engine; return the engine and all its events as bytes."""
    engine, events = Engine(core), []
    for record, ts_ns in journal:
        events.append(engine.apply(record, ts_ns).tobytes())
    return engine, b"".join(events)
