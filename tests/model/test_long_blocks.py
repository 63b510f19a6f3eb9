"""Blocks over days: the sums that say what a span costs go over many windows, and the calendar grows at both ends."""

import random

import pytest
from twin import Twins

from exchange import commands
from exchange.reference import ReferenceCore
from exchange.units import HOUR_NS

FIRST = 1_000
WINDOWS = 64
LIMITS = {"orders_max": 1 << 12}


class LongFlow:
    """Hourly orders that quote every window tightly, and blocks of any length whose limits are near what they cost."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.first, self.end = FIRST, FIRST + WINDOWS
        self.refs = dict.fromkeys(range(1, 7), 0)

    def opening(self):
        records = [commands.add_product("A", 1, 1, ["f", "g"])]
        records += [commands.add_account(f"a{number}") for number in range(6)]
        records.append(commands.list_window("A", self.first, count=WINDOWS))
        return b"".join(records)

    def ref(self, account):
        self.refs[account] += 1
        return self.refs[account]

    def command(self):
        kind = self.random.random()
        if kind < 0.6:
            return self.hourly()
        if kind < 0.8:
            return self.block()
        if kind < 0.97:
            account, back = self.random.randint(1, 6), self.random.randint(1, 40)
            return commands.cancel_ref(account, self.ref(account), max(1, self.refs[account] - back))
        return self.listing()

    def hourly(self):
        account, side = self.random.randint(1, 3), self.random.randrange(2)
        handle = self.random.randint(1, 2 * (self.end - self.first))
        price = 100 + self.random.randint(1, 3) if side else 100 - self.random.randint(1, 3)
        return commands.place(account, self.ref(account), handle, side, price, self.random.choice((1, 2, 5)))

    def block(self):
        account, side = self.random.randint(4, 6), self.random.randrange(2)
        hours = self.random.choice((2, 3, 31, 32, 33, self.end - self.first))
        start = self.random.randint(self.first, self.end - hours)
        scope = self.random.choice((1, 2, 3)) if side == 0 else self.random.choice((1, 2))
        limit = 100 * hours + (-1 if side else 1) * (2 * hours + self.random.randint(-4, 4))
        lots = self.random.choice((1, 1, 2))
        least = self.random.choice((0, lots))
        return commands.block(
            account, self.ref(account), 1, scope, start, hours, side, limit, lots, min_lots=least
        )  # fmt: skip

    def listing(self):
        """One window more, behind the last or before the first."""
        if self.random.random() < 0.5 and self.first > FIRST - 40:
            self.first -= 1
            return commands.list_window("A", self.first)
        self.end += 1
        return commands.list_window("A", self.end - 1)


@pytest.mark.parametrize("seed", range(4))
def test_twins_agree_on_blocks_over_days(compiled_core, seed):
    twins, flow = Twins(ReferenceCore(**LIMITS), compiled_core(**LIMITS)), LongFlow(seed)
    ts_ns = (FIRST - 80) * HOUR_NS
    twins.apply(flow.opening(), ts_ns)
    for handle in range(1, 2 * WINDOWS + 1):  # Every window has both sides, so that long blocks may trade.
        for side in (0, 1):
            twins.apply(commands.place(1, flow.ref(1), handle, side, 102 if side else 98, 5), ts_ns)
    traded = {}
    for _ in range(400):
        for event in twins.apply(flow.command() + flow.command(), ts_ns):
            if event["type"] == 35 and event["flags"] & 32:
                traded.setdefault(int(event["match_id"]), []).append(int(event["instrument"]))
    assert max(len(set(legs)) for legs in traded.values()) > 32
    assert len(traded) > 20
