"""Two engines that get the same records and must say the same."""

from exchange.engine import Engine
from exchange.records import EVENT

TINY = {"orders_max": 64, "account_orders_max": 12}


class TwinsDiffer(AssertionError):
    """The engines said different things, or came to different states."""


class Twins:
    """Drives two cores and compares them after every batch."""

    def __init__(self, plain_core, other_core):
        self.plain = Engine(plain_core)
        self.other = Engine(other_core)

    def apply(self, records, ts_ns):
        """Apply a batch to both and return its events.

        Raises:
            TwinsDiffer: with the first difference.
        """
        ts_ns = max(ts_ns, self.plain.now_ns)
        plain, other = self.plain.apply(records, ts_ns), self.other.apply(records, ts_ns)
        if plain.tobytes() != other.tobytes():
            raise TwinsDiffer(first_difference(plain, other))
        if self.plain.core.dump() != self.other.core.dump():
            raise TwinsDiffer("the events are equal, but the states differ")
        assert self.plain.state_hash() == self.other.state_hash()
        return plain


def first_difference(plain, other):
    """Name the first event that differs, field by field."""
    for index, (one, two) in enumerate(zip(plain, other, strict=False)):
        if one != two:
            fields = {name: (int(one[name]), int(two[name])) for name in EVENT.names if one[name] != two[name]}
            return f"event {index} of command {one['command']}: {fields}; plain {one}, other {two}"
    return f"{len(plain)} events against {len(other)}; the longer one goes on with {max(plain, other, key=len)[min(len(plain), len(other))]}"


def run_flow(twins, flow, *, batches, count):
    """Run a flow through both engines, batch by batch."""
    twins.apply(flow.opening(), flow.now_ns)
    for _ in range(batches):
        records, ts_ns = flow.batch(count)
        flow.learn(twins.apply(records, ts_ns))
