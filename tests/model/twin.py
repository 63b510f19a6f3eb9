"""Engines that get the same records: alone, to look at its invariants, or in pairs, which must say the same."""

import numpy as np
from invariants import check_invariants, check_touched_requirements

from exchange.engine import Engine
from exchange.records import EVENT

REFUSED = "refused"
LOOKS = [
    ("positions_bytes", ()), ("positions_bytes", (2,)),
    ("resting", (1, 0)), ("resting", (2, 1)), ("margin_terms", (1,)), ("is_prepaid", (2,)),
]  # fmt: skip
TINY = {"orders_max": 64, "account_orders_max": 12}


class TwinsDiffer(AssertionError):
    """The engines said different things, or came to different states."""


class Alone:
    """Drives one reference core."""

    def __init__(self, plain_core):
        self.plain = Engine(plain_core)
        self.paid = 0  # By the clearing ledger, in all.

    def apply(self, records, ts_ns):
        """Apply a batch, not before the engine's time, and return its events."""
        return self.plain.apply(records, max(ts_ns, self.plain.now_ns))

    def apply_one(self, record, ts_ns):
        """Apply a single command, and look at everything that must hold after it."""
        events = self.apply(record, ts_ns)
        check_touched_requirements(self.plain.core, events)
        check_invariants(self.plain.core, self.paid)
        return events

    def clear(self, steps, ts_ns):
        """Take the clearinghouse's steps as one command: (method of a core, arguments); return events and results."""
        events, results = take_steps(self.plain, steps, ts_ns)
        done = [step for step, result in zip(steps, results, strict=True) if result != REFUSED]
        self.paid += sum(arguments[-1] for method, arguments in done if method in ("pay", "pay_external"))
        return events, results


class Twins(Alone):
    """Drives two cores and compares them after every batch."""

    def __init__(self, plain_core, other_core):
        super().__init__(plain_core)
        self.other = None if other_core is None else Engine(other_core)

    def clear(self, steps, ts_ns):
        """Let both take the steps.

        Raises:
            TwinsDiffer: with the first difference.
        """
        plain, results = super().clear(steps, ts_ns)
        other, other_results = take_steps(self.other, steps, ts_ns)
        assert results == other_results, f"{steps} should give {results}, gave {other_results}"
        self.compare(plain, other)
        cores = self.plain.core, self.other.core
        for method, arguments in LOOKS:
            plain_look, other_look = (getattr(core, method)(*arguments) for core in cores)
            assert plain_look == other_look, f"{method}{arguments} should be {plain_look}, was {other_look}"
        return plain, results

    def apply(self, records, ts_ns):
        """Apply a batch to both and return its events.

        Raises:
            TwinsDiffer: with the first difference.
        """
        plain = super().apply(records, ts_ns)
        self.compare(plain, self.other.apply(records, max(ts_ns, self.other.now_ns)))
        return plain

    def compare(self, plain, other):
        """Hold events and states against each other."""
        if plain.tobytes() != other.tobytes():
            raise TwinsDiffer(first_difference(plain, other))
        if self.plain.core.dump() != self.other.core.dump():
            raise TwinsDiffer("the events are equal, but the states differ")
        assert self.plain.catalogue.canonical() == self.other.catalogue.canonical()
        assert self.plain.nodes.canonical() == self.other.nodes.canonical()


def take_steps(engine, steps, ts_ns):
    """Take steps on one core; return the events, and what each step gave."""
    core, results = engine.core, []
    core.begin(max(ts_ns, core.now_ns))
    core.begin_rare()
    for method, arguments in steps:
        try:
            results.append(getattr(core, method)(*arguments))
        except ValueError:
            results.append(REFUSED)
    core.end_rare()
    return np.frombuffer(core.events_bytes(), dtype=EVENT), results


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
