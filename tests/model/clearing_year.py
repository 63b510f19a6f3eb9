"""A year of hourly windows: ``python -m tests.model.clearing_year [--seed 7] [--hours 8760] [--gpus 8192]``.

Three providers sell their nodes of eight GPUs a day ahead, to buyers of whom some run gangs and some have cover; others
stand by with a few nodes. Nodes fail at the rate that was published for a large training run, one failure in 50,677
GPU-hours, at exponential times from the seed. What it cost, and whose money paid, is read from the events.

A node that has failed is well again in the next window. The clearinghouse runs once an hour, and 150 seconds after a
failure, when the silence of the node has lasted too long.
"""

import argparse
import math
import random
import sys
from collections import Counter
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from sim import say  # noqa: E402

from exchange import commands  # noqa: E402
from exchange.clearing.ledger import Purse  # noqa: E402
from exchange.clearing.words import CaseKind, Cause, Kind, Stage  # noqa: E402
from exchange.commands import Leg  # noqa: E402
from exchange.engine import Engine  # noqa: E402
from exchange.records import CommandType, EventType, OrderFlag  # noqa: E402
from exchange.units import HOUR_NS, NS_PER_SECOND  # noqa: E402

GPUS_PER_NODE = 8
HOURS_PER_FAILURE = 50_677
FIRST_WINDOW = 24 * 20_000
DAY = 24
DOLLARS = 1_000_000
LEVEL = 2_350  # Thousandths of a dollar per GPU-hour.
DETECTED_S = 150
GATED_S = 2_701  # Just behind the gate of the next window.
FABRICS = {"H": ("east", "west"), "X": ("north",)}
PLACES = {  # Provider: product, fabric, part of all GPUs and of its nodes kept as its own spares, in percent.
    "alpha": ("H", "east", 50, 1), "beta": ("H", "west", 25, 0), "gamma": ("X", "north", 25, 0),
}  # fmt: skip
BUYERS = {  # Of each provider: name, part of what he sells in percent, what the buyer wants.
    "alpha": (
        ("lab", 50, {"gang": True, "cover": True, "checkpoint_s": 1_800, "restart_s": 300}),
        ("corp", 25, {"gang": True, "cover": True, "other_fabric": True, "checkpoint_s": 3_600, "restart_s": 180}),
        ("web", 25, {"other_fabric": True, "other_class": True}),
    ),
    "beta": (("team", 50, {"gang": True}), ("web", 50, {"other_fabric": True, "other_class": True})),
    "gamma": (("shop", 60, {"other_class": True, "cover": True, "restart_s": 600}), ("prepaid", 40, {})),
}
STANDBY = "delta"
TERMS = {"fee_micros": 2_000, "levy_ppm": 1_000, "standby_ppm": 50_000, "gang_ppm": 2_000}


class Year:
    """One venue, hour after hour."""

    def __init__(self, seed, gpus, core=None):
        self.draw = random.Random(seed)
        self.engine = Engine(core)
        self.nodes = {name: max(2, gpus * part // 100 // GPUS_PER_NODE) for name, (_, _, part, _) in PLACES.items()}
        self.reserve = {name: max(1, count // 100) for name, count in self.nodes.items()}  # Standing by.
        self.refs, self.beats = Counter(), Counter()
        self.level = LEVEL
        self.layers = {}  # By case: micros by layer.
        self.kinds, self.causes, self.stages = Counter(), Counter(), Counter()
        self.failures = self.refused = self.commands = self.events = self.lots_failed = 0
        self.hour = FIRST_WINDOW - 2 * DAY
        self._open()

    def _open(self):
        admin = self.admin
        people = ("maker", *PLACES, STANDBY, *dict.fromkeys(name for rows in BUYERS.values() for name, *_ in rows))
        self.send(
            0, admin("set_house", sitg_micros=100_000 * DOLLARS, fund_ppm=20_000),
            admin("set_class", cls="new"), admin("set_class", cls="old", units=800_000),
            *(commands.add_product(name, GPUS_PER_NODE, 1_000, fabrics, balancing_s=3_600, maker_fee_ppm=100,
                                   taker_fee_ppm=200) for name, fabrics in FABRICS.items()),
            *(commands.add_account(name, margined=True, prepaid=name == "prepaid") for name in people),
            admin("set_clearing", product="H", cls="new", **TERMS),
            admin("set_clearing", product="X", cls="old", **TERMS),
        )  # fmt: skip
        self.numbers = {name: self.engine.catalogue.account_number(name) for name in people}
        self.send(
            0, *(commands.deposit(number, 2_000_000_000 * DOLLARS) for number in self.numbers.values()),
            admin("fund", kind="sitg", micros=100_000 * DOLLARS), admin("fund", kind="standby", micros=1_000 * DOLLARS),
        )  # fmt: skip

    # Sending.

    def admin(self, name, **fields):
        return commands.admin(CommandType[name.upper()], fields)

    def send(self, second, *records):
        """Apply a batch at a second of the present hour, and count what it does."""
        ts_ns = self.hour * HOUR_NS + second * NS_PER_SECOND
        events = self.engine.apply(b"".join((commands.time(ts_ns), *records)), ts_ns)
        self.commands += 1 + len(records)
        self.events += len(events)
        kinds = events["type"]
        for event in events[(kinds == EventType.DEFAULT) & (events["reason"] > 0)]:
            self.kinds[CaseKind(event["reason"])] += 1
            if event["reason"] == CaseKind.UNIT:
                self.layers[int(event["match_id"])] = Counter()
        for event in events[kinds == EventType.LAYER]:
            self.layers.setdefault(int(event["match_id"]), Counter())[int(event["price"])] += int(event["amount"])
        for event in events[(kinds == EventType.SUBSTITUTE) & (events["flags"] & 1 == 0)]:
            self.stages[Stage(event["reason"])] += int(event["lots"])
        for event in events[(kinds == EventType.ENTRY) & (events["amount"] > 0)]:
            self.causes[Cause(event["reason"])] += int(event["amount"])
        self.lots_failed += int(events[(kinds == EventType.LOT_STATE) & (events["reason"] == 2)
                                       & (events["flags"] & 1 == 1)]["lots"].sum())  # fmt: skip
        self.refused += int((kinds == EventType.REJECT).sum())

    def ref(self, name):
        self.refs[name] += 1
        return self.refs[name]

    def handle(self, name, window):
        product, fabric, _, _ = PLACES[name]
        return self.engine.catalogue.handle(product, fabric, window)

    def sold(self, name):
        return self.nodes[name] - self.nodes[name] * PLACES[name][3] // 100

    # A day ahead.

    def trade_day(self, first):
        """List a day, certify it, and let providers and buyers trade it."""
        self.level = max(1_000, self.level + self.draw.randint(-40, 40))
        records = [commands.list_window(product, first, count=DAY) for product in FABRICS]
        for name, (product, fabric, _, _) in PLACES.items():
            records.append(commands.certify(name, product, fabric, first, self.nodes[name], count=DAY))
            records.append(commands.certify(STANDBY, product, fabric, first, self.reserve[name], count=DAY))
            wishes = [(buyer, wish) for buyer, _, wish in BUYERS[name] if wish]
            records += [
                self.admin("delivery_terms", account=buyer, product=product, fabric=fabric, start=first, count=DAY,
                           **wish) for buyer, wish in wishes
            ]  # fmt: skip
        self.send(0, *records)
        records = []
        for window in range(first, first + DAY):
            for name in PLACES:
                records += self._trades(name, window)
        self.send(0, *records, self.admin("run_clearing"))
        self.top_up()

    def _trades(self, name, window):
        handle, level = self.handle(name, window), self.level - (470 if PLACES[name][0] == "X" else 0)
        price = level + window % DAY
        number, maker = self.numbers[name], self.numbers["maker"]
        yield commands.quote(maker, self.ref("maker"), [Leg(handle, price - 10, 5, price + 10, 5)])
        lots = self.sold(name)
        yield commands.place(number, self.ref(name), handle, 1, price, lots, flags=OrderFlag.PHYSICAL)
        left = lots
        for index, (buyer, part, _) in enumerate(BUYERS[name]):
            count = left if index == len(BUYERS[name]) - 1 else lots * part // 100
            left -= count
            if count:
                yield commands.place(self.numbers[buyer], self.ref(buyer), handle, 0, price, count, tif=1)

    def top_up(self):
        """Everybody brings bond and fund share to what is asked by his record."""
        house = self.engine.house
        wanted = house.margining.demand_all(house.pricing.sheet())
        records = []
        for name, number in self.numbers.items():
            if number not in wanted:
                continue
            for purse, micros in (("bond", wanted[number].bond_lacking), ("fund", wanted[number].fund_lacking)):
                if micros:
                    records.append(self.admin("transfer", account=name, source="coll", target=purse, micros=micros))
        self.send(0, *records)

    # An hour.

    def deliver(self, window):
        """One window from its start to its end: what fails, what is metered; and standby sells for the next one."""
        self.hour = window
        self.send(0, *self._metered, *self._beat({}), self.admin("run_clearing"))
        dead = {}
        for second, name, node in sorted((*self._failures(), (GATED_S, "", 0))):
            if name:
                self._fail(window, second, name, node, dead)
            else:
                self._offer(window + 1)
        self._metered = list(self._meter(window, dead))

    def _fail(self, window, second, name, node, dead):
        """A node falls silent; if the window lasts long enough the clearinghouse finds that out."""
        self.failures += 1
        notes = [
            self.admin("checkpoint", account=buyer, product=PLACES[name][0], fabric=PLACES[name][1], start=window)
            for buyer, _, wish in BUYERS[name] if wish.get("checkpoint_s")
        ]  # fmt: skip
        self.send(self.at(second - self.draw.randrange(1_800)), *notes)
        second = self.at(second)
        self.send(second, *self._beat(dead))
        dead[name, node] = second
        if second + DETECTED_S < 3_600:
            self.send(second + DETECTED_S, *self._beat(dead), self.admin("run_clearing"))

    def at(self, second):
        """A second of this hour that has not passed."""
        return max(second, 0, -(-(self.engine.now_ns - self.hour * HOUR_NS) // NS_PER_SECOND))

    def _offer(self, window):
        """Standby sells in a window whose gate has closed."""
        self.send(self.at(GATED_S), *(self._stand_by(name, window) for name in PLACES))

    _metered = ()

    def _stand_by(self, name, window):
        """Another provider's nodes, at a price above the mark of his own choice."""
        price = self.level * self.draw.randint(102, 135) // 100 - (470 if PLACES[name][0] == "X" else 0)
        return commands.place(
            self.numbers[STANDBY], self.ref(STANDBY), self.handle(name, window), 1, price, self.reserve[name],
            flags=OrderFlag.STANDBY | OrderFlag.FIRM,
        )  # fmt: skip

    def _failures(self):
        """(second, provider, node) of this hour, at exponential times."""
        for name, count in self.nodes.items():
            rate = count * GPUS_PER_NODE / HOURS_PER_FAILURE
            at = -math.log(1 - self.draw.random()) / rate
            while at < 1:
                yield int(at * 3_600), name, self.draw.randrange(count)
                at += -math.log(1 - self.draw.random()) / rate

    def _beat(self, dead):
        """Heartbeats of all nodes that are well."""
        for name, (product, fabric, _, _) in PLACES.items():
            for who, count in ((name, self.nodes[name]), (STANDBY, self.reserve[name])):
                silent = sorted(node for (owner, node) in dead if owner == who)
                runs, first = [], 0
                for node in (*silent, count):
                    if node > first:
                        runs.append([first, node - first])
                    first = node + 1
                self.beats[who, fabric] += 1
                yield self.admin("heartbeat", account=who, product=product, fabric=fabric,
                                 number=self.beats[who, fabric], nodes=runs)  # fmt: skip

    def _meter(self, window, dead):
        """Readings of the whole hour; of nodes that have failed till then."""
        for name, (product, fabric, _, _) in PLACES.items():
            first = 0
            silent = sorted((node, second) for (owner, node), second in dead.items() if owner == name)
            for node, second in (*silent, (self.nodes[name], 0)):
                if node > first:
                    yield self._reading(name, product, fabric, window, first, node - first, 60)
                if second // 60:
                    yield self._reading(name, product, fabric, window, node, 1, second // 60)
                first = node + 1
            if dead:
                yield self._reading(STANDBY, product, fabric, window, 0, self.reserve[name], 60)

    def _reading(self, name, product, fabric, window, first, count, intervals):
        return self.admin("meter", account=name, product=product, fabric=fabric, start=window, first=first, count=count,
                          interval=0, intervals=intervals, rating_ppm=1_000_000)  # fmt: skip

    def run(self, hours):
        """Run so many hours, a day being traded at the beginning of the day before."""
        self.hour = FIRST_WINDOW - 2
        self.trade_day(FIRST_WINDOW)
        self.hour = FIRST_WINDOW - 1
        self._offer(FIRST_WINDOW)
        for window in range(FIRST_WINDOW, FIRST_WINDOW + hours):
            if (window - FIRST_WINDOW) % DAY == 0:
                self.hour = window
                self.trade_day(window + DAY)
            self.deliver(window)
        self.hour = FIRST_WINDOW + hours
        self.send(0, *self._metered, *self._beat({}), self.admin("run_clearing"))
        self.send(1_800, *self._beat({}), self.admin("run_clearing"))

    # What came of it.

    def total(self):
        """The sum of all accounts."""
        core, ledger = self.engine.core, self.engine.house.state.ledger
        accounts = range(len(self.engine.catalogue.accounts) + 1)
        return sum(core.balance(number) for number in accounts) + core.external_balance() + ledger.total

    def ended(self):
        """How many unit failures ended in each layer; in 0, where nobody had to pay anything."""
        return Counter(max(used, default=0) for used in self.layers.values())

    def share_ppm(self):
        """Of the unit failures those that ended in the defaulter's bond, or cost nothing, in millionths."""
        ended = self.ended()
        return 1_000_000 * (ended[0] + ended[1]) // max(1, sum(ended.values()))

    def lines(self):
        """Return the result as text."""
        touched, micros = Counter(), Counter()
        for used in self.layers.values():
            for layer, amount in used.items():
                touched[layer] += 1
                micros[layer] += amount
        ended, house = self.ended(), self.engine.house.state
        bonds = {name: house.ledger.balance(Purse(Kind.BOND, self.numbers[name])) // DOLLARS for name in PLACES}
        yield f"{self.failures} nodes failed, {self.lots_failed} of them at work; {self.commands} commands"
        yield "cases: " + ", ".join(f"{kind.name.lower()} {count}" for kind, count in sorted(self.kinds.items()))
        yield "served: " + ", ".join(f"{stage.name.lower()} {self.stages[stage]}" for stage in Stage) + " lots"
        for layer in range(1, 8):
            yield f"layer {layer}: touched {touched[layer]} times, {cents(micros[layer])}, last layer of {ended[layer]}"
        yield f"no claim at all: {ended[0]}; ended in the first layer or without a claim: {self.share_ppm()} ppm"
        causes = (Cause.PREMIUM, Cause.SURCHARGE, Cause.COMPENSATION, Cause.COVER, Cause.REFUND, Cause.SETTLEMENT)
        yield ", ".join(f"{cause.name.lower()} {cents(self.causes[cause])}" for cause in causes)
        yield f"bonds at the end: {bonds} dollars; refused commands: {self.refused}"
        yield f"the accounts sum to {self.total()}; state {self.engine.state_hash()}"


def cents(micros):
    return f"${micros // DOLLARS:,}.{micros % DOLLARS // 10_000:02}"


def main(arguments=None):
    """Run a year and tell what came of it; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--hours", type=int, default=8_760)
    parser.add_argument("--gpus", type=int, default=8_192)
    given = parser.parse_args(arguments)
    year = Year(given.seed, given.gpus)
    say(f"seed={given.seed} hours={given.hours} gpus={given.gpus}, one failure in {HOURS_PER_FAILURE} GPU-hours")
    year.run(given.hours)
    for line in year.lines():
        say(line)
    return int(year.total() != 0)


if __name__ == "__main__":
    sys.exit(main())
