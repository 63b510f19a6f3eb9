"""The C interface to one book against a list of orders: every answer, fill and price, with looks at the book in between
and without them, because a cancelled order leaves its queue only when somebody could notice."""

import ctypes

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import ext.book

OK, BAD_ARGUMENT, FULL, WOULD_TAKE, UNFILLED, NO_ORDER = 0, -1, -2, -3, -4, -5
IOC, FOK, POST_ONLY, STP_SHIFT = 1, 2, 4, 4
CANCEL_RESTING, CANCEL_INCOMING, CANCEL_BOTH, DECREMENT = range(4)
TRADE, STP_CANCEL, STP_DECREMENT = range(3)
ORDERS_MAX = 24

Pointer, Int, I32, U32, U64 = ctypes.c_void_p, ctypes.c_int, ctypes.c_int32, ctypes.c_uint32, ctypes.c_uint64
I64 = ctypes.c_int64


class Fill(ctypes.Structure):
    _fields_ = [
        ("maker", U64), ("price", I32), ("lots", I32), ("maker_leaves", I32), ("taker_leaves", I32), ("kind", U32),
        ("owner", U32),
    ]  # fmt: skip


SIGNATURES = {
    "create": (Pointer, [U32]),
    "destroy": (None, [Pointer]),
    "add": (Int, [Pointer, Int, I32, I32, U32, Int, I32, ctypes.POINTER(U64)]),
    "cancel": (Int, [Pointer, U64]),
    "replace": (Int, [Pointer, U64, I32, I32]),
    "best": (Int, [Pointer, Int, ctypes.POINTER(I32), ctypes.POINTER(I64)]),
    "depth": (Int, [Pointer, Int, Int, ctypes.POINTER(I32), ctypes.POINTER(I64)]),
    "fills": (U32, [Pointer, ctypes.POINTER(ctypes.POINTER(Fill))]),
    "leaves": (I64, [Pointer, U64]),
    "prefetch": (None, [Pointer, U64]),
}


def functions():
    """The functions of the module's capsules by short name."""
    name_of = ctypes.pythonapi.PyCapsule_GetName
    name_of.restype, name_of.argtypes = ctypes.c_char_p, [ctypes.py_object]
    pointer_of = ctypes.pythonapi.PyCapsule_GetPointer
    pointer_of.restype, pointer_of.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    found = {}
    for name, (result, arguments) in SIGNATURES.items():
        capsule = ext.book.__pyx_capi__[f"hg_book_{name}"]
        found[name] = ctypes.CFUNCTYPE(result, *arguments)(pointer_of(capsule, name_of(capsule)))
    return found


API = functions()


class Real:
    """The book itself."""

    def __init__(self):
        self.book = API["create"](ORDERS_MAX)

    def close(self):
        API["destroy"](self.book)

    def add(self, side, price, lots, owner, flags, display):
        handle = U64(99)
        status = API["add"](self.book, side, price, lots, owner, flags, display, ctypes.byref(handle))
        return status, handle.value, self.fills()

    def cancel(self, handle):
        return API["cancel"](self.book, handle), self.fills()

    def replace(self, handle, price, lots):
        return API["replace"](self.book, handle, price, lots), self.fills()

    def fills(self):
        fills = ctypes.POINTER(Fill)()
        count = API["fills"](self.book, ctypes.byref(fills))
        return [tuple(getattr(fills[i], name) for name, _ in Fill._fields_) for i in range(count)]

    def depth(self, side):
        prices, lots = (I32 * ORDERS_MAX)(), (I64 * ORDERS_MAX)()
        count = API["depth"](self.book, side, ORDERS_MAX, prices, lots)
        levels = list(zip(prices[:count], lots[:count], strict=True))
        price, shown = I32(), I64()
        found = API["best"](self.book, side, ctypes.byref(price), ctypes.byref(shown))
        assert found == bool(levels)
        assert not found or levels[0] == (price.value, shown.value)
        return levels

    def leaves(self, handle):
        API["prefetch"](self.book, handle)
        return API["leaves"](self.book, handle)


class Plain:
    """The same rules on a list; `rank` is the place in the queue."""

    def __init__(self):
        self.orders = {}
        self.rank = 0

    def opposite(self, side, limit):
        """Orders an aggressor may meet, best first."""
        there = [o for o in self.orders.values() if o["side"] != side]
        there = [o for o in there if (o["price"] <= limit if side == 0 else o["price"] >= limit)]
        return sorted(there, key=lambda o: (o["price"] if side == 0 else -o["price"], o["rank"]))

    def rest(self, order):
        self.rank += 1
        order |= {"rank": self.rank, "shown": min(order["display"] or order["leaves"], order["leaves"])}
        self.orders[order["handle"]] = order

    def reachable(self, side, limit, owner, stp):
        lots = shown = 0
        for order in self.opposite(side, limit):
            if owner and order["owner"] == owner:
                if stp != CANCEL_RESTING:
                    return shown
                continue
            lots, shown = lots + order["leaves"], shown + order["shown"]
        return lots

    def match(self, side, limit, leaves, owner, stp):
        """(leaves, fills); leaves 0 where self-match prevention ends the aggressor."""
        fills = []
        while leaves and (there := self.opposite(side, limit)):
            maker = there[0]
            if owner and maker["owner"] == owner:
                if stp == CANCEL_INCOMING:
                    return 0, fills
                lots, kind = maker["leaves"], STP_CANCEL
                if stp == DECREMENT:
                    lots, kind = min(lots, leaves), STP_DECREMENT
                    leaves -= lots
                left = maker["leaves"] - lots
                maker["leaves"], maker["shown"] = left, min(maker["shown"], left)
                fills.append((maker["handle"], maker["price"], lots, left, leaves, kind, maker["owner"]))
                if left == 0:
                    del self.orders[maker["handle"]]
                if stp == CANCEL_BOTH:
                    return 0, fills
                continue
            lots = min(maker["shown"], leaves)
            leaves -= lots
            maker["leaves"] -= lots
            maker["shown"] -= lots
            fills.append((maker["handle"], maker["price"], lots, maker["leaves"], leaves, TRADE, maker["owner"]))
            if maker["leaves"] == 0:
                del self.orders[maker["handle"]]
            elif maker["shown"] == 0:
                self.rest(maker)
        return leaves, fills

    def add(self, side, price, lots, owner, flags, display, handle):
        """(status, whether it rests, fills); `handle` is the one the order gets if it does."""
        if side not in (0, 1) or price < 0 or lots <= 0 or lots > 1 << 30 or display < 0:
            return BAD_ARGUMENT, False, []
        stp, fills = flags >> STP_SHIFT & 3, []
        if self.opposite(side, price):
            if flags & POST_ONLY:
                return WOULD_TAKE, False, []
            if flags & FOK and self.reachable(side, price, owner, stp) < lots:
                return UNFILLED, False, []
            lots, fills = self.match(side, price, lots, owner, stp)
        elif flags & FOK:
            return UNFILLED, False, []
        if lots == 0 or flags & (IOC | FOK):
            return OK, False, fills
        if len(self.orders) == ORDERS_MAX:
            return FULL, False, fills
        order = {"handle": handle, "side": side, "price": price, "leaves": lots, "owner": owner, "display": display}
        self.rest(order)
        return OK, True, fills

    def cancel(self, handle):
        return (OK if self.orders.pop(handle, None) else NO_ORDER), []

    def replace(self, handle, price, lots):
        if handle not in self.orders:
            return NO_ORDER, []
        if price < 0 or lots <= 0 or lots > 1 << 30:
            return BAD_ARGUMENT, []
        order = self.orders[handle]
        if price == order["price"] and lots <= order["leaves"]:
            order |= {"leaves": lots, "shown": min(order["shown"], lots)}
            return OK, []
        del self.orders[handle]
        order |= {"price": price}
        order["leaves"], fills = self.match(order["side"], price, lots, order["owner"], CANCEL_RESTING)
        if order["leaves"]:
            self.rest(order)
        return OK, fills

    def depth(self, side):
        levels = {}
        for order in self.orders.values():
            if order["side"] == side:
                levels[order["price"]] = levels.get(order["price"], 0) + order["shown"]
        return sorted(levels.items(), reverse=side == 0)

    def leaves(self, handle):
        return self.orders[handle]["leaves"] if handle in self.orders else 0


prices = st.one_of(st.integers(98, 103), st.sampled_from([0, 1, 63, 64, 4095, 4096, 1 << 20, (1 << 30) - 1, -1]))
lots = st.one_of(st.integers(1, 9), st.sampled_from([0, 60, (1 << 30) + 1]))  # Huge icebergs would fill for ever.
kinds = st.sampled_from([0, 0, 0, IOC, FOK, POST_ONLY])
flags = st.builds(lambda kind, stp: kind | stp << STP_SHIFT, kinds, st.integers(0, 3))
displays = st.sampled_from([0, 0, 0, 2, -1])
adds = st.tuples(st.just("add"), st.integers(0, 1), prices, lots, st.integers(0, 2), flags, displays)
steps = st.one_of(
    adds, adds, adds,
    st.tuples(st.just("cancel"), st.integers(0, 40)),
    st.tuples(st.just("cancel"), st.integers(0, 40)),
    st.tuples(st.just("replace"), st.integers(0, 40), prices, lots),
    st.tuples(st.just("look"), st.integers(0, 40)),
)  # fmt: skip


def play(script):
    """Take both books through a script; handles are named by how many were given before, newest first."""
    real, plain, handles = Real(), Plain(), [0]
    try:
        for step in script:
            step_one(real, plain, handles, step)
        for side in (0, 1):
            assert real.depth(side) == plain.depth(side)
        for handle in handles:
            assert real.leaves(handle) == plain.leaves(handle)
    finally:
        real.close()


def step_one(real, plain, handles, step):
    """One step of a script on both books."""
    kind, *rest = step
    if kind == "add":
        status, handle, fills = real.add(*rest)
        expected, rests, expected_fills = plain.add(*rest, handle)
        assert (status, bool(handle), fills) == (expected, rests, expected_fills)
        if handle:
            assert handle not in handles
            handles.append(handle)
        return
    handle = handles[-1 - rest[0] % len(handles)]
    if kind == "look":
        assert real.leaves(handle) == plain.leaves(handle)
        assert real.depth(rest[0] & 1) == plain.depth(rest[0] & 1)
    else:
        assert getattr(real, kind)(handle, *rest[1:]) == getattr(plain, kind)(handle, *rest[1:])


SELL = ("add", 1, 100, 1, 0, 0, 0)
BUY = ("add", 0, 100, 1, 0, 0, 0)


@settings(max_examples=1500, deadline=None)
@example([SELL, ("cancel", 0), ("add", 0, 100, 1, 0, POST_ONLY, 0)])
@example([SELL, ("cancel", 0), ("add", 0, 100, 1, 0, POST_ONLY | IOC, 0)])
@example([SELL, SELL, ("cancel", 0), ("add", 0, 101, 2, 0, 0, 0), ("look", 0)])
@example([SELL, SELL, ("cancel", 1), ("add", 0, 101, 2, 0, FOK, 0)])
@example([SELL, SELL, SELL, ("cancel", 1), ("replace", 2, 100, 5), ("add", 0, 100, 9, 0, 0, 0)])
@example([SELL] * 40 + [("cancel", i) for i in range(20)] + [BUY] * 10)
@given(st.lists(steps, max_size=120))
def test_leaf_book_agrees_with_a_list_of_orders(script):
    play(script)


def test_a_handle_is_dead_as_soon_as_its_cancel_is_answered():
    book = Real()
    handle = book.add(0, 5, 1, 0, 0, 0)[1]
    assert book.cancel(handle) == (OK, [])
    assert book.cancel(handle) == (NO_ORDER, [])
    assert book.replace(handle, 6, 1) == (NO_ORDER, [])
    assert book.leaves(handle) == 0
    book.close()


@pytest.mark.parametrize("handle", [0, 1, 2 << 28, 1 << 28 | 1, (1 << 64) - 1, 0xFFFFFFF])
def test_no_handle_was_ever_given(handle):
    book = Real()
    book.add(0, 5, 1, 0, 0, 0)
    assert book.cancel(handle) == (NO_ORDER, [])
    book.close()
