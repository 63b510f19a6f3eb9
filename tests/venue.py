"""A small venue for tests: people place orders by name, events come back as short lines.

A line names what an event says and leaves out what is zero, so lists of lines can be compared whole:

    ack ann #1 o0 sell 5@100 leaves=5          an order of ann with ref 1, in slot 0, first generation
    fill bob #1 o1.2 taker buy 5@100 cum=5 leaves=2 m1 fee=3
    level sell 100: 5 in 1                     5 shown lots in 1 order
    ack bob #1 o5 block buy 8@620 f1,f2 +3h leaves=8      a block of 3 hours in fabric 1 or 2
    status i2 PRECLOSE next=S-900s             S is the start of the first window
    indicative 1000@639 surplus=500 buy        what an uncross would do

LEVEL events are left out unless they are asked for. Instrument 1 is not named.
"""

import numpy as np

from exchange import commands
from exchange.engine import Engine
from exchange.reasons import DoneReason, RejectReason
from exchange.records import EVENT, EventFlag, EventType, NoticeKind, Phase, PhaseReason
from exchange.units import HOUR_NS, NS_PER_SECOND

WINDOW = 1_000
START_NS = WINDOW * HOUR_NS
GATE_NS = START_NS - 900 * NS_PER_SECOND
NOW_NS = 1_000_000

PEOPLE = ("ann", "bob", "cat", "dan")
NUMBER = {name: index + 1 for index, name in enumerate((*PEOPLE, "ann2"))}
NAME = {number: name for name, number in NUMBER.items()}

# Event types that tell about an order or a price.
PRICED = (EventType.ACK, EventType.REJECT, EventType.FILL, EventType.DONE, EventType.REPLACED, EventType.TRADE)
TRADES = (EventType.FILL, EventType.TRADE)
ABOUT_BLOCKS = (EventType.ACK, EventType.DONE, EventType.REPLACED)
MARKET_FLAGS = (EventFlag.CALL, EventFlag.BALANCE)


class Venue:
    """An engine with one product, P, its instruments 1 (window 1000) and 2 (window 1001), and five accounts.

    ``ann`` and ``ann2`` are one owner; nobody has money, and rates are 0, so nothing is refused for margin.

    Args:
        core: a core as it is made.
        lot_scu: of the product, like ``tick_micros`` and ``terms``.
        tick_micros: see there.
        fabrics: their names; with two of them instruments 1 and 2 are window 1000, 3 and 4 window 1001.
        count: how many windows are listed, from 1000 on.
        start_s: the time at first, in seconds before or after the start of window 1000; None: long before.
        seed: of the random ends; None: it is not set.
        terms: of the product.
    """

    def __init__(
        self, core, *, lot_scu=1, tick_micros=1, fabrics=("f",), count=2, start_s=None, seed=None, **terms
    ):
        self.engine = Engine(core)
        self.refs = {}
        self.fabrics = list(fabrics)
        self.now_ns = NOW_NS if start_s is None else moment_ns(start_s)
        self.run(
            *([] if seed is None else [commands.set_seed(seed)]),
            commands.add_product("P", lot_scu, tick_micros, self.fabrics, **terms),
            *(commands.add_account(name) for name in PEOPLE),
            commands.add_account("ann2", group="ann"),
        )
        self.listing = self.do(commands.list_window("P", WINDOW, count=count)) if count else []

    @property
    def core(self):
        return self.engine.core

    def run(self, *records):
        """Apply records as one batch and return the raw events."""
        return self.engine.apply(b"".join(records), max(self.now_ns, self.engine.now_ns))

    def do(self, *records):
        """Apply records and return all events as lines, levels left out."""
        return [line(event) for event in self.run(*records) if event["type"] != EventType.LEVEL]

    def levels(self, *records):
        """Apply records and return the LEVEL events as lines."""
        return [line(event) for event in self.run(*records) if event["type"] == EventType.LEVEL]

    def clear(self, *steps):
        """Let the clearinghouse take steps, each a function of the core, as one command; return the events as lines."""
        self.core.begin(max(self.now_ns, self.engine.now_ns))
        self.core.begin_rare()
        for step in steps:
            step(self.core)
        self.core.end_rare()
        events = np.frombuffer(self.core.events_bytes(), dtype=EVENT)
        return [line(event) for event in events if event["type"] != EventType.LEVEL]

    def ref(self, name, lane=0):
        """The next ref of a lane."""
        self.refs[name, lane] = self.refs.get((name, lane), 0) + 1
        return self.refs[name, lane]

    # Records.

    def order(self, name, side, lots, price, *, instrument=1, lane=0, **more):
        return commands.place(
            NUMBER[name], self.ref(name, lane), instrument, side, price, lots, lane=lane, **more
        )  # fmt: skip

    def cancel_order(self, name, oid, *, lane=0):
        return commands.cancel(NUMBER[name], self.ref(name, lane), oid_of(oid), lane=lane)

    def replace_order(self, name, oid, lots, price, *, lane=0, **more):
        return commands.replace(NUMBER[name], self.ref(name, lane), oid_of(oid), price, lots, lane=lane, **more)

    def legs(self, name, *legs, lane=0):
        return commands.quote(NUMBER[name], self.ref(name, lane), [commands.Leg(*leg) for leg in legs], lane=lane)

    def block_order(
        self, name, side, lots, limit, *, scope=1, hour=0, hours=3, lane=0, product=1, **more
    ):
        """A block from the window ``hour`` hours after the first one on; ``scope`` as bits."""
        return commands.block(
            NUMBER[name], self.ref(name, lane), product, scope, WINDOW + hour, hours, side, limit, lots, lane=lane,
            **more,
        )  # fmt: skip

    # Records, applied at once.

    def block(self, name, side, lots, limit, **more):
        return self.do(self.block_order(name, side, lots, limit, **more))

    def time(self, seconds, *, ns=0):
        """Tell the time: seconds after the start of the first window, negative before it."""
        return self.do(commands.time(moment_ns(seconds) + ns))

    def halt(self, hour=0, *, count=1, fabric=None):
        return self.do(commands.halt("P", WINDOW + hour, count=count, fabric=fabric))

    def resume(self, hour=0, *, count=1, fabric=None):
        return self.do(commands.resume("P", WINDOW + hour, count=count, fabric=fabric))

    def certify(self, name, lots, *, hour=0, count=1, fabric=None):
        fabric = fabric or self.fabrics[0]
        return self.do(commands.certify(name, "P", fabric, WINDOW + hour, lots, count=count))

    def balance_buy(self, name, lots, px, *, hour=0, fabric=None, exclude=()):
        """The clearinghouse buys standby sells for an account."""
        fabric = fabric or self.fabrics[0]
        return self.do(commands.balance(name, "P", fabric, WINDOW + hour, lots=lots, px=px, exclude=exclude))

    def roll(self):
        return self.do(commands.roll_windows("P"))

    def buy(self, name, lots, price, **more):
        return self.do(self.order(name, 0, lots, price, **more))

    def sell(self, name, lots, price, **more):
        return self.do(self.order(name, 1, lots, price, **more))

    def cancel(self, name, oid, **more):
        return self.do(self.cancel_order(name, oid, **more))

    def replace(self, name, oid, lots, price, **more):
        return self.do(self.replace_order(name, oid, lots, price, **more))

    def quote(self, name, *legs, **more):
        return self.do(self.legs(name, *legs, **more))

    def mass_cancel(self, name, *, lane=0, **filters):
        return self.do(commands.mass_cancel(NUMBER[name], self.ref(name, lane), lane=lane, **filters))

    def deposit(self, name, amount):
        return self.do(commands.deposit(NUMBER[name], amount))

    def rates(self, long_micros, short_micros, *, start=WINDOW):
        self.run(commands.set_rates("P", start, long_micros=long_micros, short_micros=short_micros))

    def mark(self, px, *, start=WINDOW):
        self.run(commands.set_mark("P", start, px=px))

    # Looking.

    def book(self, instrument=1):
        """Bids and asks, best first, as (price, shown lots, orders)."""
        return self.core.depth(instrument, 0, 100), self.core.depth(instrument, 1, 100)

    def position(self, name, instrument=1):
        """(position, open buy lots, open sell lots, requirement)."""
        return tuple(self.core.position(NUMBER[name], instrument))

    def balance(self, name):
        return self.core.balance(NUMBER[name])


def oid_of(text):
    """The handle that ``o3`` or ``o3.2`` stands for."""
    if isinstance(text, int):
        return text
    slot, _, generation = text[1:].partition(".")
    return int(generation or 1) << 28 | int(slot)


def oid_text(oid):
    """``o3`` for slot 3 in its first generation, ``o3.2`` in its second."""
    slot, generation = int(oid) & (1 << 28) - 1, int(oid) >> 28
    return f"o{slot}" if generation == 1 else f"o{slot}.{generation}"


def moment_ns(seconds):
    """The nanosecond that is so many seconds after the start of the first window."""
    return START_NS + seconds * NS_PER_SECOND


def moment_text(ns):
    """A time as seconds from the start of the first window: ``S-900s``, ``S+0.000000001s``."""
    seconds, rest = divmod(abs(ns - START_NS), NS_PER_SECOND)
    fraction = f".{rest:09d}".rstrip("0") if rest else ""
    return f"S{'-' if ns < START_NS else '+'}{seconds}{fraction}s"


def scope_text(scope):
    """The fabrics of a scope: ``f1,f3``."""
    return ",".join(f"f{bit + 1}" for bit in range(64) if int(scope) >> bit & 1)


def line(event):
    """One event as text."""
    kind = EventType(event["type"])
    words = [kind.name.lower()]
    words += [NAME[int(event["account"])]] if event["account"] else []
    words += [f"lane={event['lane']}"] if event["lane"] else []
    words += [f"i{event['instrument']}"] if event["instrument"] > 1 else []
    if kind in TELLERS:
        return " ".join([*words, TELLERS[kind](event)])
    words += [f"#{event['ref']}"] if event["ref"] else []
    words += [oid_text(event["oid"])] if event["oid"] else []
    words += [
        flag.name.lower() for flag in (EventFlag.DUPLICATE, EventFlag.QUOTE, EventFlag.TAKER) if event["flags"] & flag
    ]
    words += [flag.name.lower() for flag in (*MARKET_FLAGS, EventFlag.BLOCK) if event["flags"] & flag]
    words += [DoneReason(event["reason"]).name] if kind == EventType.DONE else []
    words += [RejectReason(event["reason"]).name] if kind == EventType.REJECT else []
    about_block = bool(event["flags"] & EventFlag.BLOCK) and kind in ABOUT_BLOCKS
    if kind in PRICED and (event["price"] or about_block or kind in TRADES):
        nobody = kind == EventType.TRADE and any(event["flags"] & flag for flag in MARKET_FLAGS)
        words += [] if nobody else [side_text(event)]
        words.append(f"{event['lots']}@{event['price']}")
    elif event["lots"]:
        words.append(f"lots={event['lots']}")
    if about_block:
        words += [scope_text(event["match_id"]), f"+{event['amount']}h"]
    words += [f"{field}={event[field]}" for field in ("cum", "leaves") if event[field]]
    if about_block:
        return " ".join(words)
    words += [f"m{event['match_id']}"] if event["match_id"] else []
    words += [f"{'fee' if kind == EventType.FILL else 'amount'}={event['amount']}"] if event["amount"] else []
    return " ".join(words)


def side_text(event):
    return "sell" if event["flags"] & EventFlag.SELL else "buy"


def tell_level(event):
    return f"{side_text(event)} {event['price']}: {event['amount']} in {event['cum']}"


def tell_status(event):
    reason = f" {PhaseReason(event['reason']).name}" if event["reason"] else ""
    following = f" next={moment_text(int(event['amount']))}" if event["amount"] else ""
    return f"{Phase(event['lots']).name}{reason}{following}"


def tell_instrument(event):
    fabric = f" f{event['lots'] + 1}" if event["lots"] else ""
    return f"{Phase(event['cum']).name}{fabric} window={event['amount']}"


def tell_indicative(event):
    surplus = f" surplus={event['match_id']} {side_text(event)}" if event["match_id"] else ""
    return f"{event['amount']}@{event['price']}{surplus}"


def tell_perished(event):
    return f"{event['amount']} of {event['match_id']}"


def tell_assigned(event):
    if event["price"] < 0:
        return f"no nodes for {event['lots']}"
    other = f" {'to' if event['flags'] & EventFlag.SELL else 'from'} {NAME[int(event['amount'])]}"
    return f"nodes {event['price']} to {event['price'] + event['lots'] - 1}{other if event['amount'] else ''}"


def tell_notice(event):
    return NoticeKind(event["reason"]).name


TELLERS = {
    EventType.LEVEL: tell_level,
    EventType.STATUS: tell_status,
    EventType.INSTRUMENT: tell_instrument,
    EventType.INDICATIVE: tell_indicative,
    EventType.PERISHED: tell_perished,
    EventType.ASSIGNED: tell_assigned,
    EventType.NOTICE: tell_notice,
}
