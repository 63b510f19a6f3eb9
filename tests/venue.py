"""A small venue for tests: people place orders by name, events come back as short lines.

A line names what an event says and leaves out what is zero, so lists of lines can be compared whole:

    ack ann #1 o0 sell 5@100 leaves=5          an order of ann with ref 1, in slot 0, first generation
    fill bob #1 o1.2 taker buy 5@100 cum=5 leaves=2 m1 fee=3
    level sell 100: 5 in 1                     5 shown lots in 1 order

LEVEL events are left out unless they are asked for. Instrument 1 is not named.
"""

from exchange import commands
from exchange.engine import Engine
from exchange.reasons import DoneReason, RejectReason
from exchange.records import EventFlag, EventType
from exchange.units import HOUR_NS

WINDOW = 1_000
GATE_NS = WINDOW * HOUR_NS - 900 * 1_000_000_000
NOW_NS = 1_000_000

PEOPLE = ("ann", "bob", "cat", "dan")
NUMBER = {name: index + 1 for index, name in enumerate((*PEOPLE, "ann2"))}
NAME = {number: name for name, number in NUMBER.items()}

# Event types that tell about an order or a price.
PRICED = (EventType.ACK, EventType.REJECT, EventType.FILL, EventType.DONE, EventType.REPLACED, EventType.TRADE)


class Venue:
    """An engine with one product, P, its instruments 1 (window 1000) and 2 (window 1001), and five accounts.

    ``ann`` and ``ann2`` are one owner; nobody has money, and rates are 0, so nothing is refused for margin.
    """

    def __init__(self, core, *, lot_scu=1, tick_micros=1, maker_fee_ppm=0, taker_fee_ppm=0):
        self.engine = Engine(core)
        self.refs = {}
        self.now_ns = NOW_NS
        self.run(
            commands.add_product(
                "P", lot_scu, tick_micros, ["f"], maker_fee_ppm=maker_fee_ppm, taker_fee_ppm=taker_fee_ppm
            ),
            *(commands.add_account(name) for name in PEOPLE),
            commands.add_account("ann2", group="ann"),
            commands.list_window("P", WINDOW, count=2),
        )

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

    # Records, applied at once.

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


def line(event):
    """One event as text."""
    kind = EventType(event["type"])
    side = "sell" if event["flags"] & EventFlag.SELL else "buy"
    words = [kind.name.lower()]
    if kind == EventType.LEVEL:
        where = f"i{event['instrument']} " if event["instrument"] > 1 else ""
        return f"level {where}{side} {event['price']}: {event['amount']} in {event['cum']}"
    words += [NAME[int(event["account"])]] if event["account"] else []
    words += [f"lane={event['lane']}"] if event["lane"] else []
    words += [f"i{event['instrument']}"] if event["instrument"] > 1 else []
    words += [f"#{event['ref']}"] if event["ref"] else []
    words += [oid_text(event["oid"])] if event["oid"] else []
    words += [
        flag.name.lower() for flag in (EventFlag.DUPLICATE, EventFlag.QUOTE, EventFlag.TAKER) if event["flags"] & flag
    ]
    words += [DoneReason(event["reason"]).name] if kind == EventType.DONE else []
    words += [RejectReason(event["reason"]).name] if kind == EventType.REJECT else []
    if kind in PRICED and event["price"]:
        words += [side, f"{event['lots']}@{event['price']}"]
    elif event["lots"]:
        words.append(f"lots={event['lots']}")
    words += [f"{field}={event[field]}" for field in ("cum", "leaves") if event[field]]
    words += [f"m{event['match_id']}"] if event["match_id"] else []
    words += [f"{'fee' if kind == EventType.FILL else 'amount'}={event['amount']}"] if event["amount"] else []
    return " ".join(words)
