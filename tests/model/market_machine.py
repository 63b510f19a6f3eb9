"""The hypothesis machine of the whole window market; `machine` has the rules of hourly orders."""

from flow import FIRST_WINDOW, START_NS
from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule
from machine import LANES, LOTS, PEOPLE, PRICES, RECENT, SIDES, VenueMachine

from exchange import commands
from exchange.units import NS_PER_SECOND

WINDOWS = st.integers(0, 3)
FABRICS = st.sampled_from(["f", "g"])
MAYBE_FABRIC = st.sampled_from([None, "f", "g"])
PROVIDERS = {"f": 6, "g": 7}
TERMS = [  # Of the product; every machine has one of these.
    {},
    {"open_call_s": 60, "preclose_s": 300, "balancing_s": 3_600, "volatility_call_s": 30},
    {"open_lead_s": 600, "preclose_s": 60, "balancing_s": 60, "random_end_s": 60, "volatility_call_s": 0},
    {"band_static_bps": 500, "band_dynamic_bps": 200, "volatility_call_s": 10, "gate_lead_s": 0, "buyin_bps": 0},
]


class MarketMachine(VenueMachine):
    """Drives what ``make_driver`` makes through the window market."""

    @initialize(
        limits=st.sampled_from([{}, {"orders_max": 12, "account_orders_max": 4}]), margined=st.booleans(),
        terms=st.sampled_from(TERMS), seed=st.integers(0, 5),
    )  # fmt: skip
    def open_venue(self, limits, margined, terms, seed):
        self.driver = self.make_driver({"orders_max": 1 << 10} | limits)
        self.now_ns = START_NS
        self.refs = {}
        self.handles = [(1, 0)]
        self.last_record = commands.time(0)
        self.send(commands.set_seed(seed))
        self.send(commands.add_product("A", 8, 1_000, ["f", "g"], maker_fee_ppm=150, taker_fee_ppm=333, **terms))
        for number in range(7):
            self.send(commands.add_account(f"a{number + 1}", group=("one", "two", "three", "p", "q")[number % 5]))
        self.send(commands.list_window("A", FIRST_WINDOW, count=4))
        for fabric, number in PROVIDERS.items():
            self.send(commands.certify(f"a{number}", "A", fabric, FIRST_WINDOW, 9, count=4))
        if margined:
            self.send(commands.set_rates("A", FIRST_WINDOW, count=3, long_micros=40_000, short_micros=60_000))
            for account in range(1, 8):
                self.send(commands.deposit(account, 900_000))

    @rule(
        who=PEOPLE, lane=LANES, start=st.integers(0, 2), hours=st.sampled_from([1, 2, 2, 3]), side=SIDES, lots=LOTS,
        scope=st.integers(1, 3), over=st.integers(-5, 5), least=st.sampled_from([0, 1, 100]),
        terms=st.sampled_from([(0, 0), (0, 0), (0, 4), (1, 0), (2, 0), (3, 0)]), life_s=st.integers(0, 4_000),
    )  # fmt: skip
    def block(self, who, lane, start, hours, side, lots, scope, over, least, terms, life_s):
        tif, flags = terms
        self.send(
            commands.block(
                who, self.ref(who, lane), 1, scope if not side else 1 + (scope > 1), FIRST_WINDOW + start, hours, side,
                hours * 100 + over, lots, min_lots=min(least, lots), tif=tif, flags=flags, lane=lane, tag=lots % 2,
                expiry_ns=self.now_ns + life_s * NS_PER_SECOND if tif == 3 else 0,
            )
        )  # fmt: skip

    @rule(
        fabric=FABRICS, window=WINDOWS, price=PRICES, lots=LOTS, flags=st.sampled_from([16, 16, 18, 20, 32, 36]),
        hours=st.sampled_from([0, 0, 2]),
    )  # fmt: skip
    def provide(self, fabric, window, price, lots, flags, hours):
        """A provider's sell: of hours, of several of them, or behind the gate."""
        who, index = PROVIDERS[fabric], int(fabric == "g")
        if hours:
            self.send(
                commands.block(
                    who, self.ref(who, 0), 1, 1 << index, FIRST_WINDOW + window, hours, 1, hours * price, lots, flags=16
                )
            )
        else:
            self.send(commands.place(who, self.ref(who, 0), 1 + 2 * window + index, 1, price, lots, flags=flags))

    @rule(who=PEOPLE, instrument=st.integers(1, 8), side=SIDES, price=PRICES, lots=LOTS)
    def auction(self, who, instrument, side, price, lots):
        self.send(commands.place(who, self.ref(who, 0), instrument, side, price, lots, tif=4))

    @rule(recent=RECENT, lane=LANES, hours=st.integers(2, 3), over=st.integers(-5, 5), lots=LOTS)
    def replace_block(self, recent, lane, hours, over, lots):
        """Whatever it is; most often a block's limit."""
        who, oid = self.handle(recent)
        self.send(commands.replace(who, self.ref(who, lane), oid, hours * 100 + over, lots, lane=lane))

    @rule(window=WINDOWS, count=st.integers(1, 2), fabric=MAYBE_FABRIC, resume=st.booleans())
    def halt(self, window, count, fabric, resume):
        make = commands.resume if resume else commands.halt
        self.send(make("A", FIRST_WINDOW + window, count=count, fabric=fabric))

    @rule(fabric=FABRICS, window=WINDOWS, lots=st.sampled_from([0, 1, 5, 30]), stranger=st.booleans())
    def certify(self, fabric, window, lots, stranger):
        who = 1 if stranger else PROVIDERS[fabric]
        self.send(commands.certify(f"a{who}", "A", fabric, FIRST_WINDOW + window, lots))

    @rule(who=st.integers(1, 7), fabric=FABRICS, window=WINDOWS, lots=LOTS, price=PRICES, without=st.booleans())
    def balance(self, who, fabric, window, lots, price, without):
        exclude = ["a6"] if without else []
        self.send(commands.balance(f"a{who}", "A", fabric, FIRST_WINDOW + window, lots=lots, px=price, exclude=exclude))

    @rule(
        who=PEOPLE, quote_set=st.integers(0, 1), fills=st.integers(0, 2), lots=st.integers(0, 4),
        window_ms=st.sampled_from([0, 1, 60_000]), reset=st.booleans(),
    )  # fmt: skip
    def protect(self, who, quote_set, fills, lots, window_ms, reset):
        ref = self.ref(who, 0)
        if reset:
            self.send(commands.mmp_reset(who, ref, quote_set))
        else:
            self.send(commands.mmp_set(who, ref, quote_set, fills=fills, lots=lots, window_ms=window_ms))
