"""The hypothesis machine: any commands in any order, one at a time, with everything checked after each."""

from flow import FIRST_WINDOW, START_NS
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from exchange import commands
from exchange.commands import Leg
from exchange.records import CommandType
from exchange.units import HOUR_NS, NS_PER_SECOND

ACCOUNTS = 5
PRICES = st.integers(97, 103)
LOTS = st.sampled_from([1, 2, 3, 5, 8, 20])
QUOTED_LOTS = st.sampled_from([0, 1, 4])
SIDES = st.integers(0, 1)
STPS = st.integers(0, 3)
LANES = st.integers(0, 1)
PEOPLE = st.integers(1, ACCOUNTS)
INSTRUMENTS = st.integers(1, 6)
RECENT = st.integers(0, 7)


class VenueMachine(RuleBasedStateMachine):
    """Drives what ``make_driver`` makes; subclasses say what that is."""

    def make_driver(self, limits):
        raise NotImplementedError

    @initialize(limits=st.sampled_from([{}, {"orders_max": 12, "account_orders_max": 4}]), margined=st.booleans())
    def open_venue(self, limits, margined):
        self.driver = self.make_driver({"orders_max": 1 << 10} | limits)
        self.now_ns = START_NS
        self.refs = {}
        self.handles = [(1, 0)]
        self.last_record = commands.time(0)
        self.send(commands.add_product("A", 8, 1_000, ["f", "g"], maker_fee_ppm=150, taker_fee_ppm=333))
        for number in range(ACCOUNTS):
            self.send(commands.add_account(f"a{number}", group=("one", "two", "three")[number % 3]))
        self.send(commands.list_window("A", FIRST_WINDOW, count=3))
        if margined:
            self.send(commands.set_rates("A", FIRST_WINDOW, count=2, long_micros=40_000, short_micros=60_000))
            for account in range(1, ACCOUNTS + 1):
                self.send(commands.deposit(account, 600_000))

    def send(self, record):
        events = self.driver.apply_one(record, self.now_ns)
        self.last_record = record
        known = events[(events["oid"] != 0) & (events["leaves"] != 0)]
        self.handles += zip(map(int, known["account"]), map(int, known["oid"]), strict=True)
        return events

    def ref(self, account, lane):
        self.refs[account, lane] = self.refs.get((account, lane), 0) + 1
        return self.refs[account, lane]

    def handle(self, recent):
        return self.handles[-1 - recent % len(self.handles)]

    @rule(
        who=PEOPLE, lane=LANES, instrument=INSTRUMENTS, side=SIDES, price=PRICES, lots=LOTS, stp=STPS,
        terms=st.sampled_from([(0, 0), (0, 1), (0, 2), (0, 4), (1, 0), (1, 2), (2, 0), (3, 0), (3, 5)]),
        display=st.sampled_from([0, 0, 1, 2]), life_s=st.integers(0, 100),
    )  # fmt: skip
    def place(self, who, lane, instrument, side, price, lots, stp, terms, display, life_s):
        tif, flags = terms
        self.send(
            commands.place(
                who, self.ref(who, lane), instrument, side, price, lots, tif=tif, stp=stp, flags=flags, lane=lane,
                display=0 if tif in (1, 2) else min(display, lots), tag=lots % 2,
                expiry_ns=self.now_ns + life_s * NS_PER_SECOND if tif == 3 else 0,
            )
        )  # fmt: skip

    @rule(recent=RECENT, lane=LANES, price=PRICES, lots=LOTS, stp=STPS, flags=st.sampled_from([0, 0, 8]))
    def replace(self, recent, lane, price, lots, stp, flags):
        who, oid = self.handle(recent)
        self.send(commands.replace(who, self.ref(who, lane), oid, price, lots, stp=stp, flags=flags, lane=lane))

    @rule(who=PEOPLE, back=RECENT, price=PRICES, lots=LOTS)
    def replace_ref(self, who, back, price, lots):
        ref = self.ref(who, 0)
        self.send(commands.replace_ref(who, ref, max(0, ref - back), price, lots))

    @rule(recent=RECENT, stranger=st.sampled_from([None, None, None, 1]))
    def cancel(self, recent, stranger):
        who, oid = self.handle(recent)
        who = stranger or who
        self.send(commands.cancel(who, self.ref(who, 1), oid, lane=1))

    @rule(who=PEOPLE, lane=LANES, back=RECENT)
    def cancel_ref(self, who, lane, back):
        ref = self.ref(who, lane)
        self.send(commands.cancel_ref(who, ref, max(0, ref - back), lane=lane))

    @rule(
        who=PEOPLE,
        legs=st.lists(
            st.builds(
                lambda instrument, bid, gap, lots, quote_set, stp, flags, tag: Leg(
                    instrument, bid, lots[0], bid + gap, lots[1], quote_set, stp, flags, tag
                ),
                INSTRUMENTS, PRICES, st.integers(0, 3), st.tuples(QUOTED_LOTS, QUOTED_LOTS), st.integers(0, 1),
                STPS, st.integers(0, 1), st.integers(0, 1),
            ),
            min_size=1, max_size=3,
        ),
    )  # fmt: skip
    def quote(self, who, legs):
        records = commands.quote(who, self.ref(who, 0), legs)
        for offset in range(0, len(records), 64):
            self.send(records[offset : offset + 64])

    @rule(who=PEOPLE, filters=st.fixed_dictionaries({}, optional={
        "instrument": INSTRUMENTS, "product": st.integers(1, 2), "side": SIDES, "tag": st.integers(0, 1),
        "windows": st.tuples(st.integers(FIRST_WINDOW, FIRST_WINDOW + 2), st.integers(FIRST_WINDOW, FIRST_WINDOW + 3)),
        "placed_in": LANES,
    }))  # fmt: skip
    def mass_cancel(self, who, filters):
        self.send(commands.mass_cancel(who, self.ref(who, 0), **filters))

    @rule(who=PEOPLE, lane=LANES, every=st.booleans())
    def session_lost(self, who, lane, every):
        self.send(commands.session_lost(who, lane, every=every))

    @rule(step_ns=st.sampled_from([0, NS_PER_SECOND, 60 * NS_PER_SECOND, HOUR_NS // 3]))
    def time(self, step_ns):
        self.now_ns += step_ns
        self.send(commands.time(self.now_ns))

    @rule(who=PEOPLE, amount=st.sampled_from([0, 1, 50_000, 700_000]), out=st.booleans())
    def pay(self, who, amount, out):
        self.send(commands.withdraw(who, amount) if out else commands.deposit(who, amount))

    @rule(window=st.integers(0, 2), px=PRICES, fabric=st.sampled_from([None, "f"]))
    def mark(self, window, px, fabric):
        self.send(commands.set_mark("A", FIRST_WINDOW + window, px=px, fabric=fabric))

    @rule(window=st.integers(0, 2), long_micros=st.integers(0, 90_000), short_micros=st.integers(0, 90_000))
    def rates(self, window, long_micros, short_micros):
        self.send(commands.set_rates("A", FIRST_WINDOW + window, long_micros=long_micros, short_micros=short_micros))

    @rule()
    def again(self):
        self.send(self.last_record)

    @rule(
        kind=st.sampled_from([*(int(kind) for kind in CommandType if kind < CommandType.TIME), 0, 201, 202, 203, 219]),
        who=st.integers(0, ACCOUNTS + 1),
        fields=st.fixed_dictionaries({}, optional={
            "flags": st.integers(0, 0xFFFF), "instrument": st.integers(0, 9), "ref": st.integers(0, 1 << 62),
            "target": st.integers(0, (1 << 64) - 1), "amount": st.integers(-(1 << 63), (1 << 63) - 1),
            "price": st.integers(-2, 1 << 30), "lots": st.integers(-2, 40), "price_2": st.integers(-2, 1 << 30),
            "lots_2": st.integers(-2, 40), "side": st.integers(0, 3), "tif": st.integers(0, 5),
            "stp": st.integers(0, 5),
        }),
    )  # fmt: skip
    def odd(self, kind, who, fields):
        """Anything; the ref goes up from its own lane, so that the ordinary lanes are not used up."""
        ref = fields.pop("ref", None) or self.ref(who, 2)
        self.send(commands.record(kind, account=who, ref=ref, lane=2, **fields))
