"""A venue on a checked core, alone or beside another one, with everything looked at that must hold."""

from checked import check_blocks, check_providers, checked_core
from invariants import check_invariants, check_touched_requirements
from stream import Stream
from twin import Twins

from exchange.records import RECORD_BYTES

ROOMY = {"orders_max": 1 << 16}


class Watched(Twins):
    """Drives a checked reference, and a second core if there is one.

    Args:
        other_core: the second core, or None.
        limits: of the reference.
        mutate: what is done to the reference first.
        watch: whether commands and events are followed, too.
    """

    def __init__(self, other_core=None, *, limits=ROOMY, mutate=None, watch=True):
        plain = checked_core(**limits)
        if mutate is not None:
            mutate(plain)
        super().__init__(plain, other_core)
        self.twins = other_core is not None
        self.stream = Stream({}) if watch else None

    def apply(self, records, ts_ns):
        """Apply a batch to both and return its events."""
        events = super().apply(records, ts_ns) if self.twins else super(Twins, self).apply(records, ts_ns)
        if self.stream is not None:
            accounts = self.plain.catalogue.accounts
            for number in range(len(self.stream.groups) + 1, len(accounts) + 1):
                self.stream.groups[number] = accounts[number - 1][1]
            self.stream.feed(records, events)
        return events

    def apply_one(self, record, ts_ns):
        """Apply one command, and look at everything."""
        events = self.apply(record, ts_ns)
        if len(record) == RECORD_BYTES:
            check_touched_requirements(self.plain.core, events)
        self.look()
        return events

    def look(self, providers=()):
        """Assert what must hold between two commands."""
        core = self.plain.core
        check_invariants(core)
        check_blocks(core)
        check_providers(core, providers)
        if self.stream is not None:
            self.stream.check_positions(core)

    def run(self, flow, *, batches, count, look_every=1):
        """Run a flow; look at everything after every so many batches. Return the number of events."""
        events = self.apply(flow.opening(), flow.now_ns)
        flow.learn(events)
        total = len(events)
        for index in range(batches):
            records, ts_ns = flow.batch(count)
            events = self.apply(records, ts_ns)
            flow.learn(events)
            total += len(events)
            if index % look_every == 0:
                self.look(flow.providers.values())
        return total
