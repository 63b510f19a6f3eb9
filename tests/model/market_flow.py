"""A flow of commands for the whole window market: blocks of all kinds, calls, halts, capacity, balancing, protection.

Hours, fabrics and prices are few, so that blocks meet hourly orders and each other all the time; windows are short of
time, so every phase is passed again and again. The accounts behind the last ordinary one are providers: each is
certified for one fabric, and sells physical or standby lots only.
"""

from flow import FIRST_WINDOW, OWNERS, START_NS, Flow

from exchange import commands
from exchange.commands import Leg
from exchange.records import CALLS, CommandType, EventFlag, EventType, MassFlag, OrderFlag, Phase
from exchange.units import HOUR_NS, NS_PER_SECOND

PRODUCTS = {  # Name, fabrics and terms, by number.
    1: (
        "A", ("f1", "f2"),
        {"lot_scu": 8, "tick_micros": 1_000, "maker_fee_ppm": 150, "taker_fee_ppm": 333, "preclose_s": 300,
         "open_call_s": 120, "balancing_s": 3_300, "random_end_s": 5, "rolling_hours": 7, "volatility_call_s": 60},
    ),
    2: (
        "B.x", ("g",),
        {"lot_scu": 1, "tick_micros": 500, "taker_fee_ppm": 1_000, "gate_lead_s": 0, "band_dynamic_bps": 300,
         "band_static_bps": 600, "rolling_hours": 5, "volatility_call_s": 30, "open_lead_s": 3_600},
    ),
    3: (
        "C", ("f1", "f2", "f3"),
        {"lot_scu": 1, "tick_micros": 1_000, "volatility_call_s": 0, "gate_lead_s": 60, "random_end_s": 60,
         "balancing_s": 600, "settle_s": 3_600, "rolling_hours": 4, "buyin_bps": 200},
    ),
    4: (
        "D", ("h",),
        {"lot_scu": 2, "tick_micros": 1_000, "maker_fee_ppm": 20, "balancing_s": 7_200, "rolling_hours": 6,
         "window_hours": 2},
    ),
}  # fmt: skip
HOURS = (1, 2, 2, 2, 3, 3, 4)
LOTS = (1, 1, 2, 2, 3, 4, 5, 8)
OPEN_PHASES = (Phase.CONTINUOUS, *CALLS, Phase.HALTED)


class MarketFlow(Flow):
    """Makes batches of commands; see `Flow`.

    Args:
        seed: of the random numbers.
        accounts: ordinary accounts, the last of which is prepaid where there is money; one provider for each fabric of
            products 1, 3 and 4 comes on top.
        prices: how many different prices there are.
        margined: whether rates are set and money is paid in.
        swarm: whether the weights of the commands are drawn, so that some kinds are frequent and others missing.
        products: the numbers of those that are traded.
    """

    def __init__(self, seed, *, accounts=6, prices=5, margined=True, swarm=False, products=(1, 1, 1, 2, 3, 3, 4)):
        super().__init__(seed, accounts=accounts, prices=prices, margined=margined)
        self.products = products
        self.legs = {}  # Handle by product, window and fabric.
        self.places = {}  # And the other way round.
        self.phases = {}  # By handle, as last told.
        self.blocks = {}  # Account, hours and product by handle, of blocks that were accepted.
        self.providers = {
            (number, fabric): accounts + 1 + index
            for index, (number, fabric) in enumerate((n, f) for n in (1, 3, 4) for f in range(len(PRODUCTS[n][1])))
        }
        self.weights = [
            (self.place, 26), (self.block, 18), (self.meet, 4), (self.quote, 6), (self.physical, 5),
            (self.physical_block, 3), (self.standby, 3), (self.auction, 3), (self.reduce, 3),
            (self.cancel, 4), (self.cancel_ref, 2), (self.replace, 5), (self.replace_ref, 3), (self.replace_block, 6),
            (self.cancel_block, 2), (self.mass_cancel, 2), (self.session_lost, 1), (self.time, 5), (self.roll, 1),
            (self.halt, 1), (self.resume, 2), (self.certify, 3), (self.balance, 2), (self.protect, 1),
            (self.thaw, 1), (self.deposit, 2), (self.withdraw, 1), (self.again, 1), (self.rates, 1), (self.mark, 2),
            (self.odd, 2), (self.odd_block, 2),
        ]  # fmt: skip
        if swarm:
            self.weights = [(make, weight * self.random.choice((0, 1, 1, 1, 4))) for make, weight in self.weights]
            self.weights += [(self.time, 1), (self.roll, 1), (self.block, 1), (self.place, 1)]

    def opening(self):
        """The records that set the venue up."""
        records = [] if self.random.random() < 0.3 else [commands.set_seed(self.random.getrandbits(63))]
        for name, fabrics, terms in PRODUCTS.values():
            more = dict(terms)
            records.append(
                commands.add_product(name, more.pop("lot_scu"), more.pop("tick_micros"), list(fabrics), **more)
            )
        for number in range(self.accounts + len(self.providers)):
            # The last providers are of their own; others share an owner with ordinary accounts.
            group = OWNERS[number % len(OWNERS)] if number < self.accounts + 2 else f"p{number}"
            prepaid = self.margined and number + 1 == self.accounts
            records.append(commands.add_account(f"a{number + 1}", group=group, prepaid=prepaid))
        records += [commands.roll_windows(name) for name, _, _ in PRODUCTS.values()]
        if self.margined:
            records += [commands.deposit(number, 30_000_000) for number in range(1, self.accounts + 4)]
        return b"".join(records)

    def learn(self, events):
        """Remember handles, phases and blocks, too."""
        super().learn(events)
        for event in events[events["type"] == EventType.INSTRUMENT]:
            handle = int(event["instrument"])
            place = int(event["price"]), int(event["amount"]), int(event["lots"])
            self.legs[place], self.places[handle], self.phases[handle] = handle, place, int(event["cum"])
        for event in events[events["type"] == EventType.STATUS]:
            self.phases[int(event["instrument"])] = int(event["lots"])
        fresh = events[(events["flags"] & EventFlag.BLOCK != 0) & (events["type"] == EventType.ACK)]
        for event in fresh:
            product, _, _ = self.places[int(event["instrument"])]
            self.blocks[int(event["oid"])] = int(event["account"]), int(event["amount"]), product
        while len(self.blocks) > 40:
            del self.blocks[next(iter(self.blocks))]
        self.instruments = len(self.places)

    # Parts of commands.

    def product(self):
        return self.random.choice(self.products)

    def hour(self):
        return self.now_ns // HOUR_NS

    def fabric(self, product):
        return self.random.randrange(len(PRODUCTS[product][1]))

    def where(self, product=None, *, ahead=(0, 1, 1, 1, 2, 2, 2, 3, 3, 4)):
        """Product, window, fabric; mostly of the next few windows."""
        product = product or self.product()
        return product, self.hour() + self.random.choice(ahead), self.fabric(product)

    def instrument(self):
        return self.legs.get(self.where(), max(1, len(self.places)))

    def in_phase(self, *phases):
        """The handle of a window in one of these phases, or of any."""
        found = [handle for handle in list(self.phases)[-60:] if self.phases[handle] in phases]
        return self.random.choice(found) if found else self.instrument()

    def provider(self, handle):
        """The provider of an instrument's fabric."""
        product, _, fabric = self.places.get(handle, (1, 0, 0))
        return self.providers.get((product, fabric), self.accounts + 1)

    def span(self, product):
        """Start and hours of a block, few enough for blocks to meet."""
        return self.hour() + self.random.choice((1, 1, 2, 2, 3)), self.random.choice(HOURS)

    def limit(self, hours, side):
        """A limit over all hours, about what the hourly prices sum to."""
        return max(0, hours * (100 + self.prices // 2) + self.random.randint(-5, 5) + (-1 if side else 1))

    def scope(self, product, hours, side):
        fabrics = len(PRODUCTS[product][1])
        every = (1 << fabrics) - 1
        one = 1 << self.random.randrange(fabrics)
        if side:
            return one
        if hours == 1:
            return every
        return self.random.choice((one, every, every, self.random.randint(1, every)))

    def times(self):
        """Tif and expiry of a block."""
        tif = self.random.choice((0, 0, 0, 0, 0, 1, 2, 3))
        return {"tif": tif, "expiry_ns": self.now_ns + self.random.randrange(4_000) * NS_PER_SECOND if tif == 3 else 0}

    # Commands.

    def block(self):
        account, ref, lane = self.who()
        product, side = self.product(), self.random.randrange(2)
        start, hours = self.span(product)
        lots = self.random.choice(LOTS)
        return commands.block(
            account, ref, product, self.scope(product, hours, side), start, hours, side, self.limit(hours, side), lots,
            min_lots=self.random.choice((0, 0, 1, lots, lots, self.random.randint(1, lots))),
            flags=self.random.choice((0, 0, 4)), tag=self.random.randrange(3), lane=lane, **self.times(),
        )  # fmt: skip

    def meet(self):
        """A block of the same hours as one that may rest."""
        if not self.blocks:
            return self.block()
        account, ref, lane = self.who()
        _, hours, product = self.random.choice(list(self.blocks.values()))
        side = self.random.randrange(2)
        if hours == 1:
            side = 0
        start = self.hour() + self.random.choice((1, 2, 2, 3))
        return commands.block(
            account, ref, product, self.scope(product, hours, side), start, hours, side,
            max(0, self.limit(hours, side) + (-4 if side else 4)), self.random.choice(LOTS), lane=lane,
            min_lots=self.random.choice((0, 0, 1)), **self.times(),
        )  # fmt: skip

    def physical(self):
        handle = self.in_phase(*OPEN_PHASES)
        account, ref, lane = self.who(self.provider(handle))
        reduce_only = OrderFlag.REDUCE_ONLY if self.random.random() < 0.1 else 0
        lots = self.lots()
        return commands.place(
            account, ref, handle, 1, self.price(), lots, lane=lane, flags=OrderFlag.PHYSICAL | reduce_only,
            display=self.random.choice((0, 0, 0, 1)) if lots < 900 else 0,
        )  # fmt: skip

    def physical_block(self):
        product = self.random.choice((1, 1, 3))
        fabric = self.fabric(product)
        account, ref, lane = self.who(self.providers[product, fabric])
        start = self.hour() + self.random.choice((1, 2, 3))
        hours = self.random.choice((2, 2, 3))
        lots = self.random.choice(LOTS)
        return commands.block(
            account, ref, product, 1 << fabric, start, hours, 1, self.limit(hours, 1), lots, lane=lane,
            min_lots=self.random.choice((0, 0, lots)), flags=OrderFlag.PHYSICAL, **self.times(),
        )  # fmt: skip

    def standby(self):
        handle = self.in_phase(Phase.BALANCING, Phase.DELIVERING)
        account, ref, lane = self.who(self.provider(handle))
        tif = self.random.choice((0, 0, 3))
        return commands.place(
            account, ref, handle, 1, self.price(), self.random.choice(LOTS), lane=lane, tif=tif,
            flags=OrderFlag.STANDBY | self.random.choice((0, 0, OrderFlag.COD, OrderFlag.FIRM)),
            expiry_ns=self.now_ns + self.random.randrange(900) * NS_PER_SECOND if tif else 0,
        )  # fmt: skip

    def auction(self):
        account, ref, lane = self.who()
        return commands.place(
            account, ref, self.in_phase(*CALLS), self.random.randrange(2), self.price(), self.lots(), tif=4, lane=lane
        )

    def replace_block(self):
        """Change a block by its handle: shrink it, or give it another limit or more lots."""
        if not self.blocks:
            return self.block()
        oid, (account, hours, _) = self.random.choice(list(self.blocks.items()))
        account, ref, lane = self.who(account)
        limit = self.limit(hours, self.random.randrange(2))
        return commands.replace(account, ref, oid, limit, self.random.choice(LOTS), lane=lane, **self.replace_terms())

    def cancel_block(self):
        if not self.blocks:
            return self.time()
        oid, (account, _, _) = self.random.choice(list(self.blocks.items()))
        account, ref, lane = self.who(account)
        return commands.cancel(account, ref, oid, lane=lane)

    def mass_cancel(self):
        account, ref, lane = self.who(self.random.randint(1, self.accounts + len(self.providers)))
        start = self.hour()
        filters = {
            "instrument": self.instrument(), "product": self.product(), "side": self.random.randrange(2),
            "windows": (start + self.random.randrange(4), start + self.random.randrange(6)),
            "tag": self.random.randrange(3), "placed_in": self.random.randrange(2),
        }  # fmt: skip
        chosen = self.random.sample(sorted(filters), self.random.choice((0, 1, 1, 2)))
        return commands.mass_cancel(account, ref, lane=lane, **{name: filters[name] for name in chosen})

    def time(self):
        self.now_ns += self.random.choice((0, 1, 5, 30, 60, 120, 300, 300, 900)) * NS_PER_SECOND
        if self.random.random() < 0.01:
            self.now_ns += 2 * HOUR_NS  # Late: windows pass several phases at once.
        return commands.time(self.now_ns)

    def roll(self):
        return commands.roll_windows(PRODUCTS[self.product()][0])

    def leg(self):
        """A quote is for windows that trade or are in a call."""
        one = super().leg()
        return Leg(self.in_phase(Phase.CONTINUOUS, *CALLS), *one[1:])

    def some_windows(self):
        """Name of a product, first window and count, and a fabric or None."""
        product, window, fabric = self.where()
        name, fabrics, _ = PRODUCTS[product]
        return name, window, self.random.choice((1, 1, 1, 2)), self.random.choice((None, fabrics[fabric]))

    def halt(self):
        name, window, count, fabric = self.some_windows()
        return commands.halt(name, window, count=count, fabric=fabric)

    def resume(self):
        product, window, fabric = self.places.get(self.in_phase(Phase.HALTED), (1, FIRST_WINDOW, 0))
        name, fabrics, _ = PRODUCTS[product]
        return commands.resume(name, window, fabric=fabrics[fabric])

    def certify(self):
        product, window, fabric = self.where(self.random.choice((1, 1, 3, 3, 4)), ahead=(1, 2, 3, 4))
        name, fabrics, _ = PRODUCTS[product]
        account = self.providers[product, fabric] if self.random.random() < 0.95 else self.account()
        return commands.certify(
            f"a{account}", name, fabrics[fabric], window, self.random.choice((0, 1, 4, 12, 12, 40)),
            count=self.random.choice((1, 2, 3)),
        )  # fmt: skip

    def balance(self):
        handle = self.in_phase(Phase.BALANCING, Phase.DELIVERING)
        product, window, fabric = self.places.get(handle, (1, FIRST_WINDOW, 0))
        name, fabrics, _ = PRODUCTS[product]
        return commands.balance(
            f"a{self.random.randint(1, self.accounts + 3)}", name, fabrics[fabric], window,
            lots=self.random.choice(LOTS), px=self.price() + self.random.choice((0, 0, 5)),
            exclude=[f"a{self.account()}"] if self.random.random() < 0.3 else [],
        )  # fmt: skip

    def protect(self):
        account, ref, lane = self.who()
        return commands.mmp_set(
            account, ref, self.random.randrange(2), fills=self.random.choice((0, 1, 2, 5)), lane=lane,
            lots=self.random.choice((0, 0, 4, 12)), window_ms=self.random.choice((0, 1, 60_000, 3_600_000)),
        )  # fmt: skip

    def thaw(self):
        account, ref, lane = self.who()
        return commands.mmp_reset(account, ref, self.random.randrange(2), lane=lane)

    def deposit(self):
        amounts = (10_000, 2_000_000, 30_000_000)
        return commands.deposit(self.account() if self.margined else 0, self.random.choice(amounts))

    def rates(self):
        scale = 1_000 if self.margined else 0
        name, window, count, fabric = self.some_windows()
        return commands.set_rates(
            name, window, count=count, fabric=fabric, long_micros=self.random.randrange(60) * scale,
            short_micros=self.random.randrange(60) * scale,
        )  # fmt: skip

    def mark(self):
        name, window, count, fabric = self.some_windows()
        return commands.set_mark(name, window, count=count, fabric=fabric, px=self.price())

    def odd_block(self):
        """A block with one or two fields that hardly make sense."""
        account, ref, lane = self.who()
        product = self.product()
        start, hours = self.span(product)
        fields = {
            "account": account, "ref": ref, "lane": lane, "instrument": product, "target": 1, "price_2": start,
            "price": self.limit(hours, 0), "lots": self.random.choice(LOTS), "flags": hours << 8,
        }  # fmt: skip
        extremes = {
            "instrument": (0, 9), "target": (0, 2, 8, (1 << 64) - 1), "price_2": (-1, 0, start + 40, start - 2),
            "price": (-1, 0, 1 << 30, (1 << 30) + 1), "lots": (-1, 0, 1 << 30, (1 << 31) - 1),
            "lots_2": (-1, 1, 90), "flags": (0, 1 << 8, 169 << 8, hours << 8 | 16, hours << 8 | 1, hours << 8 | 64),
            "side": (1, 2), "tif": (2, 3, 4), "stp": (1,), "amount": (-1, 1, self.now_ns + 1),
        }  # fmt: skip
        for name in self.random.sample(sorted(extremes), self.random.choice((1, 1, 2))):
            fields[name] = self.random.choice(extremes[name])
        return commands.record(CommandType.BLOCK, **fields)


assert all(flag.bit_count() == 1 for flag in MassFlag)
assert START_NS < FIRST_WINDOW * HOUR_NS
