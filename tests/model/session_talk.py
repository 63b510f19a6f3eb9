"""What the clients of `session_machine` say, and what the model makes of it."""

from hypothesis import strategies as st
from session_house import LANES, MS, NOW_US
from session_model import ANY, IOC, QUOTED

from exchange.reasons import RejectReason as R

REFS = st.one_of(
    st.tuples(st.just("next"), st.sampled_from([1, 1, 1, 1, 3])), st.tuples(st.just("again"), st.integers(0, 30))
)
PRICES, LOTS, PICK = st.integers(99, 101), st.integers(1, 4), st.integers(0, 30)
TARGETED = [
    st.tuples(st.just("cancel"), REFS, PICK),
    st.tuples(st.just("cancel_ref"), REFS, PICK),
    st.tuples(st.just("replace"), REFS, PICK, PRICES, LOTS),
    st.tuples(st.just("replace_ref"), REFS, PICK, PRICES, LOTS),
]


def places():
    fields = REFS, st.sampled_from([0, 0, 0, 1]), PRICES, LOTS, st.sampled_from([0, 0, 0, IOC]), st.sampled_from([0, 4])
    return st.tuples(st.just("place"), *fields)


PLACES = [places() for _ in range(10)]  # One of a few is drawn as often as each other, so what matters is there often.
ORDERS = st.one_of(
    *PLACES,
    st.tuples(st.just("nowhere"), REFS),
    st.tuples(st.just("malformed"), REFS),
    *TARGETED,
)
OPERATIONS = st.one_of(*PLACES[:4], *TARGETED)
MESSAGES = st.one_of(
    *PLACES[:4],
    *TARGETED,
    st.tuples(st.just("batch"), REFS, st.lists(OPERATIONS, max_size=4)),
    st.tuples(st.just("mass_cancel"), REFS, st.sampled_from([None, *LANES])),
    st.tuples(st.just("quote"), REFS, st.lists(st.tuples(st.integers(1, 3), LOTS), min_size=1, max_size=3)),
    st.tuples(st.just("ping"), PICK),
    st.tuples(st.just("transfer")),
    st.tuples(st.just("status"), PICK),
    st.tuples(st.just("replay"), PICK, st.none() | PICK),
    st.tuples(st.just("deadman"), st.sampled_from([0, 100, 300, 300, 700]), st.integers(0, 1)),
)


class Turn:
    """The messages of one read: each method returns the array to send, and notes what must be answered at once."""

    def __init__(self, machine, peer):
        self.machine, self.peer, self.model = machine, peer, machine.model
        self.account, self.lane = peer.account, peer.lane
        self.last_ref = self.model.last_ref((self.account, self.lane))
        self.waiting = []
        self.is_over = False

    def hand_over(self):
        """What was said so far goes to the sequencer, or is refused, each message once."""
        if self.waiting and not self.machine.hand_over([one for some in self.waiting for one in some[1]]):
            for ref, _ in self.waiting:
                self.tell([34, ref, R.OVERLOAD, 0, ANY, 0])
        self.waiting = []
        self.last_ref = self.model.last_ref((self.account, self.lane))

    def tell(self, pattern):
        if not self.is_over:
            self.peer.due.append(pattern)

    def ref_of(self, wish):
        how, number = wish
        if how == "again" and self.last_ref:
            return number % self.last_ref + 1
        return self.last_ref + max(number, 1) if how == "next" else self.last_ref + 1

    def take(self, ref, *some):
        """An order message: it waits for the end of the read, or is refused at the door."""
        if self.is_over:
            return
        reason = self.door(some)
        if reason:
            self.tell([34, ref, reason, 0, ANY, 0])
            return
        self.waiting.append((ref, list(some)))
        self.last_ref = max(self.last_ref, ref)

    def door(self, some):
        """Why commands are refused before they are any; one that may leave an order needs a key that may trade."""
        if self.machine.is_draining:
            return R.DRAINING
        is_order = any(command[0] in ("place", "replace", "quote") for command in some)
        may = {"trade": True, "cancel": not is_order, "read": False}
        return None if may[self.peer.scope] else R.SCOPE

    def order(self, name, wish, *rest):
        """The array and the command of one operation."""
        ref = self.ref_of(wish)
        return ref, *getattr(self, f"op_{name}")(ref, *rest)

    def named_order(self, pick):
        """The handle of an order of the account, mostly of a live one; or one that nobody has been told."""
        mine = [one for one in self.model.everything() if (one.account, one.lane is None) == (self.account, False)]
        named = sorted((one for one in mine if one.oid), key=lambda one: one.oid)
        known = [one for one in named if one.leaves or pick % 4 == 0]
        return known[pick % len(known)].oid if known else 77

    def own_ref(self, pick):
        """A ref of the lane, mostly that of a live order."""
        live = [one.ref for one in self.model.orders if (one.account, one.lane) == (self.account, self.lane)]
        return live[pick % len(live)] if live and pick % 4 else pick % (self.last_ref + 1)

    def op_place(self, ref, is_contrary, px, lots, tif, flags):
        """One account mostly buys, the other mostly sells, so that they meet."""
        side = self.account - 1 ^ is_contrary
        message = [16, ref, 1, side, px, lots, tif, flags]
        return message, ("place", self.account, self.lane, *message[1:])

    def op_nowhere(self, ref):
        return [16, ref, 99, 0, 1, 1, 0, 0], ("place", self.account, self.lane, ref, 99, 0, 1, 1, 0, 0)

    def op_cancel(self, ref, pick):
        oid = self.named_order(pick)
        return [17, ref, oid], ("cancel", self.account, self.lane, ref, ("oid", oid))

    def op_cancel_ref(self, ref, pick):
        target = self.own_ref(pick)
        return [18, ref, target], ("cancel", self.account, self.lane, ref, ("ref", target))

    def op_replace(self, ref, pick, px, lots):
        oid = self.named_order(pick)
        return [19, ref, oid, px, lots, 0], ("replace", self.account, self.lane, ref, ("oid", oid), px, lots)

    def op_replace_ref(self, ref, pick, px, lots):
        target = self.own_ref(pick)
        return [28, ref, target, px, lots, 0], ("replace", self.account, self.lane, ref, ("ref", target), px, lots)

    def __getattr__(self, name):
        """An operation on its own."""
        if not hasattr(type(self), f"op_{name}"):
            raise AttributeError(name)

        def alone(*fields):
            ref, message, command = self.order(name, *fields)
            self.take(ref, command)
            return message

        return alone

    def malformed(self, wish):
        ref = self.ref_of(wish)
        self.tell([34, ref, R.MALFORMED, 0, ANY, 0])
        return [16, ref, 1, 0, 100, 1, 0, 8]

    def batch(self, wish, operations):
        number, before = self.ref_of(wish), self.last_ref
        orders = []
        for name, *fields in operations:
            orders.append(self.order(name, *fields))
            self.last_ref = max(self.last_ref, orders[-1][0])
        self.last_ref = before
        if self.is_over:
            pass
        elif not operations:
            self.tell([34, number, R.MALFORMED, 0, ANY, 0])
        elif reason := self.door([command for _, _, command in orders]):
            self.tell([34, number, reason, 0, ANY, 0])
        else:
            for ref, _, command in orders:
                self.take(ref, command)
            self.tell([36, number, len(orders)])
        return [20, number, 0, [message for _, message, _ in orders]]

    def mass_cancel(self, wish, lane):
        ref = self.ref_of(wish)
        self.take(ref, ("mass_cancel", self.account, self.lane, ref, lane))
        return [21, ref, None, None, lane]

    def quote(self, wish, legs):
        ref = self.ref_of(wish)
        told = legs if ref > self.last_ref else legs[:1]
        self.take(
            ref, *(("quote", self.account, self.lane, ref, leg, px, lots) for leg, (px, lots) in enumerate(told))
        )
        return [22, ref, 0, [[QUOTED, px, lots, px + 100, lots] for px, lots in legs]]

    def ping(self, number):
        self.hand_over()
        self.tell([65, number, 5, NOW_US])
        return [3, number, 5]

    def transfer(self):
        self.hand_over()
        reason = None if self.peer.scope == "trade" else R.SCOPE
        if self.machine.is_draining and self.peer.scope != "cancel":
            reason = R.DRAINING
        if not reason and not self.is_over:
            command = "request", self.account, self.peer.number, 6
            reason = None if self.machine.hand_over([command]) else R.OVERLOAD
        if reason:
            self.tell([66, 6, reason, 0])
        return [42, 6, "coll", "bond", 1 << 50]

    def status(self, pick):
        self.hand_over()
        target = pick % (self.last_ref + 2)
        if self.is_over:
            pass
        elif not 0 < target <= self.last_ref:
            self.tell([34, 9, R.NO_ORDER, 0, ANY, 0])
        elif not self.machine.hand_over([("cancel", self.account, self.lane, target, ("oid", 0))]):
            self.tell([34, 9, R.OVERLOAD, 0, ANY, 0])
        return [27, 9, target]

    def replay(self, first, last):
        self.hand_over()
        if first == 0:
            self.tell([66, 9, R.MALFORMED, 0])
        else:
            until = self.model.pseq(self.account, self.machine.told_seq)
            some = self.model.private[self.account][first - 1 : until if last is None else min(last, until)]
            self.tell([66, 9, 0, len(some)])
            for one in some:
                self.tell(one)
        return [6, 9, 0, None, first, last]

    def deadman(self, timeout_ms, scope):
        self.hand_over()
        if self.peer.scope == "read":
            self.tell([66, 9, R.SCOPE, 0])
            return [25, 9, timeout_ms, scope]
        key = self.account, None if scope else self.lane
        if not self.is_over:
            switches = self.machine.desk.switches
            before = switches.pop(key, (0, 0))[0]
            if timeout_ms:
                switches[key] = timeout_ms * MS, self.machine.now_ns + timeout_ms * MS
            self.machine.owe(*([("note",)] if before != timeout_ms * MS else []))
        self.tell([66, 9, 0, timeout_ms])
        return [25, 9, timeout_ms, scope]

    def logout(self, cancel):
        self.hand_over()
        self.is_over = not (cancel and self.peer.scope == "read")
        if not self.is_over:
            self.tell([66, 8, R.SCOPE, 0])
        return [2, 8, cancel]
