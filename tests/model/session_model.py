"""What a venue may tell its sessions, in the plainest Python: orders, refs, private streams.

A command is applied here the moment it is handed over, and what follows from it waits under its number until that is
durable. Two instruments are enough: orders meet in the first, and quotes rest in the second, where nobody meets them.
"""

import json
from dataclasses import dataclass, field

import msgpack

from exchange.reasons import DoneReason
from exchange.reasons import RejectReason as R
from gateway.protocol import BY_NAME
from gateway.protocol.text import to_text

ANY = object()  # In a pattern: whatever the venue says.
BUY, SELL = 0, 1
IOC = 1
COD_FLAG = 4
MARKET, QUOTED = 1, 2  # The instruments.
ACK, REJECT, FILL, DONE, REPLACED, NOTICE, RESP = 33, 34, 35, 37, 38, 41, 66
DEADMAN_FIRED = 4
ACCOUNTS = (1, 2)


@dataclass(eq=False)
class Order:
    account: int
    lane: int | None  # None: of a quote.
    ref: int
    side: int
    px: int
    leaves: int
    cum: int = 0
    is_flagged: bool = False
    oid: int | None = None  # As the venue first named it.


def fits(pattern, message):
    """Whether a message is what a pattern says; what it calls an order for the first time is its name from then on."""
    if len(pattern) != len(message):
        return False
    named = [(want, value) for want, value in zip(pattern, message, strict=True) if isinstance(want, Order)]
    plain = [
        value == (want.oid if isinstance(want, Order) and want.oid is not None else want)
        for want, value in zip(pattern, message, strict=True)
        if want is not ANY and not (isinstance(want, Order) and want.oid is None)
    ]
    if not all(plain) or not all(value > 0 for _, value in named):
        return False
    for order, value in named:
        order.oid = value
    return True


class Private:
    """One message of a private stream: what it may be, and as what it was told first."""

    def __init__(self, pseq, pool):
        self.pseq = pseq
        self.pool = pool  # Patterns of the messages that come together, in any order among themselves.
        self.bytes = None
        self.text = None

    def check(self, payload, is_text):
        text = payload if is_text else to_text(payload)
        if self.text is None:
            self.take(array_of(payload, is_text))
            self.text = text
        assert text == self.text, (text, self.text)
        if not is_text:
            assert payload == (self.bytes or payload), (payload, self.bytes)
            self.bytes = payload

    def take(self, message):
        assert message[1] == self.pseq, (message, self.pseq, self.pool)
        said = [message[0], *message[2:]]
        found = next((pattern for pattern in self.pool if fits(pattern, said)), None)
        assert found is not None, (message, self.pool)
        self.pool.remove(found)


def array_of(payload, is_text):
    """Return a message's array, whatever its form."""
    if not is_text:
        return msgpack.unpackb(payload)
    fields = json.loads(payload)
    row = BY_NAME[fields.pop("t")]
    assert list(fields) == list(row.names)
    return [int(row.number), *fields.values()]


@dataclass
class Lane:
    last_ref: int = 0
    last_leg: int = -1
    outcomes: dict = field(default_factory=dict)  # (ACK, order or 0) or (REJECT, reason) by ref.


@dataclass
class Effect:
    """What a durable command makes known: an answer to a lane's session, or something to all of an account's."""

    account: int
    lane: int | None
    told: object
    session: int | None = None  # None: whoever it is.

    def is_for(self, peer):
        mine = self.account == peer.account and self.lane in (None, peer.lane)
        return mine and self.session in (None, peer.number)


class Model:
    """Commands in, effects by command out."""

    def __init__(self, first_seq, names=None):
        self.first_seq = first_seq
        self.names = names or {}  # Handles of orders that were told before a crash, by (account, lane, ref).
        self.commands = []
        self.effects = []  # By command.
        self.orders = []  # In the order in which they came to their price.
        self.lanes = {}
        self.private = {account: [] for account in ACCOUNTS}
        self.matches = 0

    @property
    def seq(self):
        return self.first_seq + len(self.commands)

    def apply(self, command):
        self.commands.append(command)
        self.effects.append([])
        getattr(self, command[0])(*command[1:])

    def pseq(self, account, seq):
        """The last private message of an account that a command up to `seq` caused."""
        told = [one for some in self.effects[: seq - self.first_seq] for one in some]
        return sum(isinstance(one.told, Private) and one.account == account for one in told)

    def last_ref(self, key):
        return self.lanes[key].last_ref if key in self.lanes else 0

    # What is told.

    def tell(self, account, *patterns):
        """Private messages that come together."""
        pool = [[*pattern, ANY, self.seq] for pattern in patterns]
        for _ in patterns:
            one = Private(len(self.private[account]) + 1, pool)
            self.private[account].append(one)
            self.effects[-1].append(Effect(account, None, one))

    def answer(self, account, lane, pattern):
        self.effects[-1].append(Effect(account, lane, pattern))

    def ack(self, account, lane, ref, oid, again=False):
        if not again:
            self.lanes[account, lane].outcomes[ref] = ACK, oid
        self.answer(account, lane, [ACK, ref, int(again), oid, ANY, self.seq, len(self.private[account])])

    def refuse(self, account, lane, ref, reason, arg=0):
        self.lanes[account, lane].outcomes[ref] = REJECT, reason
        self.answer(account, lane, [REJECT, ref, reason, arg, ANY, self.seq])

    def admit(self, account, lane, ref, leg=-1):
        """Whether a command is to be done; else it has been answered with the outcome of its ref."""
        known = self.lanes.setdefault((account, lane), Lane())
        if ref > known.last_ref or (ref == known.last_ref and leg > 0 and known.last_leg == leg - 1):
            known.last_ref, known.last_leg = ref, leg
            return True
        kind, value = known.outcomes.get(ref, (REJECT, R.STALE_REF))
        if kind == ACK:
            self.ack(account, lane, ref, value, again=True)
        else:
            self.answer(account, lane, [REJECT, ref, value, 0, ANY, self.seq])
        return False

    # Commands of clients.

    def place(self, account, lane, ref, inst, side, px, lots, tif, flags):
        if not self.admit(account, lane, ref):
            return
        if inst != MARKET:
            self.refuse(account, lane, ref, R.NO_INSTRUMENT, inst)
            return
        order = Order(account, lane, ref, side, px, lots, is_flagged=bool(flags & COD_FLAG))
        order.oid = self.names.get((account, lane, ref))
        self.ack(account, lane, ref, order)
        self.enter(order)
        if order.leaves and tif == IOC:
            self.end([order], DoneReason.IOC)

    def enter(self, order):
        """Match, then rest."""
        against = [one for one in self.orders if one.lane is not None and one.side != order.side]
        for maker in sorted(against, key=lambda one: one.px if order.side == BUY else -one.px):
            crosses = maker.px <= order.px if order.side == BUY else maker.px >= order.px
            if not crosses or not order.leaves:
                break
            if maker.account == order.account:
                self.end([maker], DoneReason.STP)
                continue
            lots = min(maker.leaves, order.leaves)
            self.matches += 1
            for one, is_taker in ((maker, 0), (order, 1)):
                one.leaves -= lots
                one.cum += lots
                self.fill(one, is_taker, maker.px, lots)
        self.orders = [one for one in self.orders if one.leaves]
        if order.leaves:
            self.orders.append(order)

    def fill(self, one, is_taker, px, lots):
        pattern = [FILL, one, one.ref, self.matches, MARKET, one.side, px, lots, one.cum, one.leaves, is_taker, 0]
        told = Private(len(self.private[one.account]) + 1, [[*pattern, ANY, self.seq, 0]])
        self.private[one.account].append(told)
        self.effects[-1].append(Effect(one.account, None, told))

    def end(self, orders, reason, is_told=True):
        """End orders, of one account."""
        self.orders = [one for one in self.orders if one not in orders]
        if orders and is_told:
            self.tell(orders[0].account, *([DONE, one, one.ref, int(reason), one.cum] for one in orders))
        for one in orders:
            one.leaves = 0

    def find(self, account, lane, target):
        """A live order by its handle, or by its ref in the lane."""
        name, value = target
        return next(
            (
                one
                for one in self.orders
                if one.account == account
                and one.lane is not None
                and (one.oid == value if name == "oid" else (one.lane, one.ref) == (lane, value))
            ),
            None,
        )

    def cancel(self, account, lane, ref, target):
        if not self.admit(account, lane, ref):
            return
        order = self.find(account, lane, target)
        if order is None:
            self.refuse(account, lane, ref, R.NO_ORDER)
            return
        self.ack(account, lane, ref, order)
        self.end([order], DoneReason.USER)

    def replace(self, account, lane, ref, target, px, lots):
        if not self.admit(account, lane, ref):
            return
        order = self.find(account, lane, target)
        if order is None:
            self.refuse(account, lane, ref, R.NO_ORDER)
            return
        self.ack(account, lane, ref, order)
        left = lots - order.cum
        if left <= 0:
            self.end([order], DoneReason.USER)
            return
        self.tell(account, [REPLACED, order, order.ref, px, lots, left])
        if px == order.px and left <= order.leaves:
            order.leaves = left
            return
        self.orders.remove(order)
        order.px, order.leaves = px, left
        self.enter(order)

    def mass_cancel(self, account, lane, ref, filter_lane):
        if not self.admit(account, lane, ref):
            return
        self.ack(account, lane, ref, 0)
        mine = [one for one in self.orders if one.account == account and filter_lane in (None, one.lane)]
        self.end([one for one in mine if one.lane is None], DoneReason.USER, is_told=False)
        self.end([one for one in mine if one.lane is not None], DoneReason.USER)

    def quote(self, account, lane, ref, leg, px, lots):
        """One leg: a bid and an ask of so many lots, both kept apart from all others; the set is one an account."""
        if not self.admit(account, lane, ref, leg):
            return
        if leg == 0:
            self.ack(account, lane, ref, 0)
        for side, price in ((BUY, px), (SELL, px + 100)):
            mine = [one for one in self.orders if (one.account, one.lane, one.side) == (account, None, side)]
            if mine and mine[0].px == price and lots <= mine[0].leaves:
                if lots < mine[0].leaves:
                    self.tell(account, [REPLACED, mine[0], 0, price, lots, lots])
                    mine[0].leaves = lots
                continue
            self.end(mine, DoneReason.QUOTE, is_told=False)
            self.orders.append(Order(account, None, 0, side, price, lots))

    def request(self, account, session, ref):
        """A transfer of money that nobody has; a session that is gone is answered no more."""
        self.effects[-1].append(Effect(account, None, [RESP, ref, R.BALANCE, 0], session))

    # Commands of the gateway.

    def lost(self, account, lane, mode):
        mine = [one for one in self.orders if (one.account, one.lane) == (account, lane)]
        self.end([one for one in mine if mode == 1 or one.is_flagged], DoneReason.COD)

    def fired(self, account, lane, is_whole):
        mine = [one for one in self.orders if one.account == account and (is_whole or one.lane == lane)]
        self.end(mine, DoneReason.DEADMAN)

    def fired_notice(self, account, lane):
        self.effects[-1].append(Effect(account, None, [NOTICE, DEADMAN_FIRED, lane, ANY]))

    def note(self):
        """A note for the next start, or the time: nobody is told."""

    # After a crash.

    def cut(self, seq):
        """Return the model of a venue whose journal ends with a command; what was told is remembered."""
        names = {(one.account, one.lane, one.ref): one.oid for one in self.everything() if one.lane is not None}
        after = Model(self.first_seq, names)
        for command in self.commands[: seq - self.first_seq]:
            after.apply(command)
        for account, stream in after.private.items():
            for one, before in zip(stream, self.private[account], strict=False):
                one.bytes, one.text = before.bytes, before.text
        return after

    def everything(self):
        """All orders that anybody may still name."""
        outcomes = [value for lane in self.lanes.values() for _, value in lane.outcomes.values()]
        return {*self.orders, *(value for value in outcomes if isinstance(value, Order))}

