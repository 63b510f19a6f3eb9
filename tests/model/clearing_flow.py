"""Steps of a clearinghouse, drawn at random from what there is on a core, sensible or not."""

import random

from exchange.reasons import DoneReason


class ClearingFlow:
    """Makes steps: (method of a core, arguments).

    Args:
        seed: of the random numbers.
        accounts: how many there are, account 0 not counted.
    """

    def __init__(self, seed, accounts):
        self.random = random.Random(seed)
        self.accounts = accounts
        self.makers = [
            (self.hit, 8), (self.move_lots, 5), (self.end_orders, 2), (self.set_margin, 3), (self.pay, 3),
            (self.pay_external, 1), (self.set_prepaid, 1), (self.set_mark, 2), (self.clear_mark, 1),
        ]  # fmt: skip

    def steps(self, core, instruments):
        """One to four steps on what a core holds now; later ones may find it gone."""
        makers, weights = zip(*self.makers, strict=True)
        chosen = self.random.choices(makers, weights, k=self.random.choice((1, 1, 2, 4)))
        return [make(core, instruments) for make in chosen]

    def account(self):
        return self.random.randint(0, self.accounts + (self.random.random() < 0.06))

    def handle(self, instruments):
        """Mostly of one of the last windows: the others are over."""
        return self.random.randint(max(1, instruments - 24) if self.random.random() < 0.8 else 1, instruments)

    def hit(self, core, instruments):
        handle, side = self.handle(instruments), self.random.randrange(2)
        resting = core.resting(handle, side) or core.resting(handle, 1 - side)
        if not resting:
            return self.move_lots(core, instruments)
        oid, price, leaves, *_ = self.random.choice(resting)
        given = self.random.choice((-1, -1, -1, price, price + 1, price - 1, max(0, price - 4), price + 9))
        lots = self.random.choice((1, 2, leaves, leaves + 3))
        return "hit", (oid, lots, self.account(), self.random.choice((0, 150)), given, self.random.random() < 0.3)

    def move_lots(self, _, instruments):
        return "move_lots", (
            self.handle(instruments), self.account(), self.account(), self.random.choice((0, 1, 3, 50)),
        )  # fmt: skip

    def end_orders(self, _, instruments):
        handle = self.random.choice((0, self.handle(instruments)))
        return "end_orders", (self.account(), self.random.choice([*DoneReason, 15]), handle)

    def set_margin(self, _, instruments):
        amounts = (0, 0, 700, 2_000_000)
        return "set_margin", (self.account(), *(self.random.choice(amounts) for _ in range(3)))

    def pay(self, _, instruments):
        return "pay", (self.account(), self.random.randint(-1_000_000, 1_000_000))

    def pay_external(self, _, instruments):
        return "pay_external", (self.random.choice((-5_000, 7_000, 1 << 62)),)

    def set_prepaid(self, _, instruments):
        return "set_prepaid", (self.account(), self.random.random() < 0.5)

    def set_mark(self, _, instruments):
        return "set_mark", (self.handle(instruments), self.random.randint(97, 103))

    def clear_mark(self, _, instruments):
        return "clear_mark", (self.handle(instruments),)
