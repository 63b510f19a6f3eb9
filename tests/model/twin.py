"""Engines that get the same records: alone, to look at its invariants, or in pairs, which must say the same."""

from invariants import check_invariants, check_touched_requirements

from exchange.engine import Engine
from exchange.records import EVENT

TINY = {"orders_max": 64, "account_orders_max": 12}


class TwinsDiffer(AssertionError):
    """The engines said different things, or came to different states."""


class Alone:
    """Drives one reference core."""

    def __init__(self, plain_core):
        self.plain = Engine(plain_core)

    def apply(self, records, ts_ns):
        """Apply a batch, not before the engine's time, and return its events."""
        return self.plain.apply(records, max(ts_ns, self.plain.now_ns))

    def apply_one(self, record, ts_ns):
        """Apply a single command, and look at everything that must hold after it."""
        events = self.apply(record, ts_ns)
        check_touched_requirements(self.plain.core, events)
        check_invariants(self.plain.core)
        return events


class Twins(Alone):
    """Drives two cores and compares them after every batch."""

    def __init__(self, plain_core, other_core):
        super().__init__(plain_core)
        self.other = None if other_core is None else Engine(other_core)

    def apply(self, records, ts_ns):
        """Apply a batch to both and return its events.

        Raises:
            TwinsDiffer: with the first difference.
        """
        plain = super().apply(records, ts_ns)
        other = self.other.apply(records, max(ts_ns, self.other.now_ns))
        if plain.tobytes() != other.tobytes():
            raise TwinsDiffer(first_difference(plain, other))
        if self.plain.core.dump() != self.other.core.dump():
            raise TwinsDiffer("the events are equal, but the states differ")
        assert self.plain.catalogue.canonical() == self.other.catalogue.canonical()
        assert self.plain.nodes.canonical() == self.other.nodes.canonical()
        return plain


def first_difference(plain, other):
    """Name the first event that differs, field by field."""
    for index, (one, two) in enumerate(zip(plain, other, strict=False)):
        if one != two:
            fields = {name: (int(one[name]), int(two[name])) for name in EVENT.names if one[name] != two[name]}
            return f"event {index} of command {one['command']} differs in {fields}; plain {one}, other {two}"
    shorter = min(len(plain), len(other))
    return (
        f"{len(plain)} events against {len(other)}; the longer one goes on with {max(plain, other, key=len)[shorter]}"
    )


def run_flow(driver, flow, *, batches, count):
    """Run a flow through a driver, batch by batch; return the number of events."""
    flow.learn(driver.apply(flow.opening(), flow.now_ns))
    total = 0
    for _ in range(batches):
        records, ts_ns = flow.batch(count)
        events = driver.apply(records, ts_ns)
        flow.learn(events)
        total += len(events)
    return total
