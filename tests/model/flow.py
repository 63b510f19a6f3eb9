"""A seeded flow of commands that makes a small venue as busy and as odd as possible.

Prices are few, so orders cross all the time; accounts share owners, so self-match prevention is frequent; money is
short, so margin refuses; windows close and new ones are listed while the flow runs.
"""

import random

from exchange import commands
from exchange.commands import Leg
from exchange.records import CommandType, SessionNote
from exchange.units import HOUR_NS, NS_PER_SECOND

FIRST_WINDOW = 500_000
START_NS = (FIRST_WINDOW - 2) * HOUR_NS
OWNERS = ("one", "two", "three")

TIMES_IN_FORCE = (0, 0, 0, 0, 1, 2, 3)
FLAGS = (0, 0, 0, 0, 0, 1, 2, 4, 5, 6)


class Flow:
    """Makes batches of commands; the same seed makes the same commands, whatever is answered to them.

    Args:
        seed: of the random numbers.
        accounts: how many accounts there are at first; their owners are few.
        prices: how many different prices there are.
        margined: whether rates are set and money is paid in.
    """

    def __init__(self, seed, *, accounts=6, prices=6, margined=True):
        self.random = random.Random(seed)
        self.prices = prices
        self.margined = margined
        self.now_ns = START_NS
        self.accounts = accounts
        self.windows = 0
        self.instruments = 0
        self.refs = {}
        self.alive = [(1, 0)]
        self.last_record = b""
        self.positions = {}
        self.weights = [
            (self.place, 42), (self.reduce, 4), (self.quote, 10), (self.cancel, 6), (self.cancel_ref, 6),
            (self.replace, 8), (self.replace_ref, 8), (self.mass_cancel, 2), (self.time, 2),
            (self.deposit, 2), (self.withdraw, 2), (self.session_lost, 1), (self.again, 3), (self.rates, 1),
            (self.mark, 1), (self.odd, 2), (self.listing, 1),
        ]  # fmt: skip

    def opening(self):
        """The records that set the venue up."""
        records = [
            commands.add_product("A", 8, 1_000, ["f1", "f2"], maker_fee_ppm=150, taker_fee_ppm=333, gate_lead_s=900),
            commands.add_product("B.x", 1, 500, ["g"], maker_fee_ppm=0, taker_fee_ppm=1_000, gate_lead_s=0),
        ]
        records += [commands.add_account(f"a{n}", group=OWNERS[n % len(OWNERS)]) for n in range(self.accounts)]
        records += [self.listing() for _ in range(2)]
        return b"".join(records)

    def batch(self, count):
        """Return ``count`` commands and their time."""
        ts_ns = self.now_ns
        makers, weights = zip(*self.weights, strict=True)
        records = []
        for make in self.random.choices(makers, weights, k=count):
            record = make()
            records.append(record)
            self.last_record = record
        return b"".join(records), ts_ns

    def learn(self, events):
        """Remember positions, and accounts and handles of orders, so that later commands can use them."""
        for fill in events[events["type"] == 35]:
            lots = -int(fill["lots"]) if fill["flags"] & 1 else int(fill["lots"])
            where = int(fill["account"]), int(fill["instrument"])
            self.positions[where] = self.positions.get(where, 0) + lots
        accepted = events[(events["leaves"] != 0) & (events["oid"] != 0)]
        self.alive = [*self.alive, *zip(map(int, accepted["account"]), map(int, accepted["oid"]), strict=True)][-60:]

    # Parts of commands.

    def account(self):
        return self.random.randint(1, self.accounts)

    def instrument(self):
        return self.random.randint(max(1, self.instruments - 5), self.instruments)

    def price(self):
        return 99 + self.random.randrange(self.prices + 2)

    def lots(self):
        return self.random.choice((1, 2, 3, 5, 8, 13, 30))

    def lane(self):
        return self.random.choice((0, 0, 1))

    def ref(self, account, lane):
        key = account, lane
        self.refs[key] = self.refs.get(key, 0) + (1 if self.random.random() < 0.97 else 3)
        return self.refs[key]

    def old_ref(self, account, lane):
        return max(0, self.refs.get((account, lane), 0) - self.random.randrange(12))

    def who(self, account=None):
        """Account, its next ref, lane."""
        account, lane = account or self.account(), self.lane()
        return account, self.ref(account, lane), lane

    # Commands.

    def place(self):
        account, ref, lane = self.who()
        tif = self.random.choice(TIMES_IN_FORCE)
        lots = self.lots()
        immediate = tif in (1, 2)
        return commands.place(
            account, ref, self.instrument(), self.random.randrange(2), self.price(), lots,
            tif=tif,
            stp=self.random.choice((0, 0, 1, 2, 3)),
            flags=self.random.choice(FLAGS) & (~1 if immediate else ~0),
            display=0 if immediate or self.random.random() < 0.7 else self.random.randint(1, lots),
            expiry_ns=self.now_ns + self.random.randrange(600) * NS_PER_SECOND if tif == 3 else 0,
            tag=self.random.randrange(3),
            lane=lane,
        )  # fmt: skip

    def reduce(self):
        """Work a position off: by a resting reduce-only order, or at once, which may void the resting one."""
        held = [(where, lots) for where, lots in self.positions.items() if lots and where[1] > self.instruments - 6]
        if not held:
            return self.place()
        (account, instrument), lots = self.random.choice(held)
        account, ref, lane = self.who(account)
        side = 1 if lots > 0 else 0
        if self.random.random() < 0.5:
            return commands.place(account, ref, instrument, side, self.price(), abs(lots), tif=1, lane=lane)
        price = 100 + (self.prices if side else -1)  # Out of reach for most.
        return commands.place(account, ref, instrument, side, price, (abs(lots) + 1) // 2, flags=2, lane=lane)

    def quote(self):
        account, ref, lane = self.who()
        legs = [self.leg() for _ in range(self.random.choice((1, 1, 2, 3)))]
        return commands.quote(account, ref, legs, lane=lane)

    def leg(self):
        bid = self.price()
        ask = bid + self.random.choice((0, 1, 1, 2, 3))
        bid_lots, ask_lots = (self.random.choice((0, 1, 4, 9)) for _ in range(2))
        return Leg(
            self.instrument(), bid, bid_lots, ask, ask_lots, self.random.randrange(2), self.random.randrange(4),
            self.random.choice((0, 0, 1)), self.random.randrange(3),
        )  # fmt: skip

    def target(self):
        """Account and handle of an order that is probably alive; sometimes they do not go together."""
        account, oid = self.random.choice(self.alive)
        if self.random.random() < 0.2:
            oid = self.random.choice((1, 2)) << 28 | self.random.randrange(64)
        return account if self.random.random() < 0.95 else self.account(), oid

    def cancel(self):
        account, oid = self.target()
        account, ref, lane = self.who(account)
        return commands.cancel(account, ref, oid, lane=lane)

    def cancel_ref(self):
        account, ref, lane = self.who()
        return commands.cancel_ref(account, ref, self.old_ref(account, lane), lane=lane)

    def replace(self):
        account, oid = self.target()
        account, ref, lane = self.who(account)
        return commands.replace(account, ref, oid, self.price(), self.lots(), **self.replace_terms(), lane=lane)

    def replace_ref(self):
        account, ref, lane = self.who()
        target = self.old_ref(account, lane)
        return commands.replace_ref(account, ref, target, self.price(), self.lots(), **self.replace_terms(), lane=lane)

    def replace_terms(self):
        return {"stp": self.random.randrange(4), "flags": self.random.choice((0, 0, 0, 8))}

    def mass_cancel(self):
        account, ref, lane = self.who()
        filters = {
            "instrument": self.instrument(), "product": self.random.choice((1, 2)), "side": self.random.randrange(2),
            "windows": (FIRST_WINDOW + self.random.randrange(4), FIRST_WINDOW + self.random.randrange(6)),
            "tag": self.random.randrange(3), "placed_in": self.random.randrange(2),
        }  # fmt: skip
        chosen = self.random.sample(sorted(filters), self.random.choice((0, 1, 1, 2)))
        return commands.mass_cancel(account, ref, lane=lane, **{name: filters[name] for name in chosen})

    def time(self):
        self.now_ns += self.random.choice((0, 1, 20, 300, 600)) * NS_PER_SECOND
        return commands.time(self.now_ns - self.random.choice((0, 0, 0, 5)) * NS_PER_SECOND)

    def deposit(self):
        return commands.deposit(
            self.account() if self.margined else 0, self.random.choice((10_000, 300_000, 2_000_000))
        )

    def withdraw(self):
        return commands.withdraw(self.account(), self.random.choice((1, 100_000, 5_000_000)))

    def session_lost(self):
        account, lane, chance = self.account(), self.lane(), self.random.random()
        if chance > 0.8:
            return commands.session(account, lane, SessionNote(int(chance * 1_000_000) % len(SessionNote)), 7)
        every, whole, deadman = chance < 0.3, chance < 0.03, 0.02 < chance < 0.1
        return commands.session_lost(account, lane, every=every, whole_account=whole, deadman=deadman)

    def again(self):
        """The last command once more: it came twice, or its answer was lost."""
        return self.last_record or self.time()

    def rates(self):
        scale = 1_000 if self.margined else 0
        return commands.set_rates(
            self.random.choice(("A", "B.x")), FIRST_WINDOW + self.random.randrange(self.windows),
            long_micros=self.random.randrange(60) * scale, short_micros=self.random.randrange(60) * scale,
        )  # fmt: skip

    def mark(self):
        return commands.set_mark(
            "A", FIRST_WINDOW + self.random.randrange(self.windows), px=self.price(),
            fabric=self.random.choice((None, "f1", "f2")),
        )  # fmt: skip

    def listing(self):
        """One more window of both products, so three instruments more, when the last but one is about to close."""
        start = FIRST_WINDOW + self.windows
        if self.windows >= 2 and self.now_ns < (start - 2) * HOUR_NS:
            return self.time()
        self.windows += 1
        self.instruments += 3
        return commands.list_window("A", start) + commands.list_window("B.x", start)

    def odd(self):
        """A command with one or two fields that hardly make sense."""
        account, ref, lane = self.who()
        fields = {
            "account": account, "ref": ref, "lane": lane, "instrument": self.instrument(), "price": self.price(),
            "lots": self.lots(), "target": self.target()[1],
        }  # fmt: skip
        extremes = {
            "account": (0, 99), "ref": (0, ref - 1), "lane": (255,), "instrument": (0, 10_000),
            "flags": (1, 64, 0xFFFF),
            "target": (0, 1 << 32, 5 | 9 << 32, 1 << 63), "amount": (-1, 1, self.now_ns + 1, (1 << 63) - 1),
            "price": (-1, 0, 1 << 30, (1 << 30) + 1), "lots": (-1, 0, (1 << 31) - 1), "price_2": (-1, 0, 1 << 30),
            "lots_2": (-1, 1, 7, (1 << 31) - 1), "side": (1, 2, 255), "tif": (1, 2, 3, 4), "stp": (3, 4),
        }  # fmt: skip
        for name in self.random.sample(sorted(extremes), 2):
            fields[name] = self.random.choice(extremes[name])
        kinds = [kind for kind in CommandType if kind < CommandType.TIME]
        kinds += [CommandType.DEPOSIT, CommandType.WITHDRAW, CommandType.SESSION_LOST]
        return commands.record(self.random.choice((*kinds, 0, 20, 199, 240)), **fields)
