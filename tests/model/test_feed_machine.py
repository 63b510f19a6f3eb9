"""Hypothesis looks for a history of books, readers and stalls after which a reader has something else than the truth.

The oracle is the plain book at every seq: whatever a reader has rebuilt after any message must be the true book of that
seq, or its best levels, and no message may be missing that nothing explains.
"""

from feed import Reader, level, trade
from hypothesis import HealthCheck, settings, stateful
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ext.router import Router
from gateway.protocol import BOOK_DEPTHS, CANDLE_INTERVALS_S, Channel

INSTRUMENTS = (1, 2)
LIMITS = {"conflate_bytes_max": 120, "conflate_low_bytes": 40}
BATCH_BYTES_MAX = 600  # Snapshots of both instruments, or the news of a batch.
PRICES = 24  # Levels of a side: more than the smallest depths.
US_PER_S = 1_000_000
CHANGES = st.lists(st.tuples(st.integers(0, 1), st.integers(1, PRICES), st.integers(0, 3)), max_size=12)
WISHES = {
    "depth": st.sampled_from(BOOK_DEPTHS),
    "conflate_ms": st.sampled_from([0, 0, 10, 1_000, 60_000]),
    "insts": st.sampled_from([(1,), (2,), INSTRUMENTS]),
}


class Truth:
    """The books, candles and best prices in the plainest form, at every seq there was."""

    def __init__(self, router):
        self.router = router
        self.sides = {inst: ({}, {}) for inst in INSTRUMENTS}
        self.books = {inst: {} for inst in INSTRUMENTS}
        self.bests = {inst: {} for inst in INSTRUMENTS}
        self.trades = {inst: [] for inst in INSTRUMENTS}

    def levels(self, inst):
        bids, asks = (sorted((px, lots) for px, lots in side.items() if lots) for side in self.sides[inst])
        return bids[::-1], asks

    def best(self, inst):
        bids, asks = self.levels(inst)
        return (*(bids[0] if bids else (0, 0)), *(asks[0] if asks else (0, 0)))

    def note(self):
        """Remember what is true at the present seqs."""
        for inst in INSTRUMENTS:
            market = self.router.market(inst)
            self.books[inst][market.last_seq(Channel.L2)] = self.levels(inst)
            self.bests[inst][market.last_seq(Channel.L1)] = self.best(inst)

    def at(self, inst, seq):
        return self.books[inst][seq]

    def best_at(self, inst, seq):
        return self.bests[inst][seq]

    def candle(self, inst, interval_s, candle, closed):
        """Whether a candle is that of its interval's trades, or, while it is open, of the first of them."""
        t0, *prices, lots, count = candle
        known = [row for row in self.trades[inst] if row[0] is not None]  # The others are not published yet.
        within = [row for row in known if t0 <= row[0] < t0 + interval_s * US_PER_S]
        first = within[:count]
        whole = [px for _, px, _ in first]
        return (
            prices == [whole[0], max(whole), min(whole), whole[-1]]
            and lots == sum(row[2] for row in first)
            and t0 % (interval_s * US_PER_S) == 0
            and (not closed or count == len(within))
        )


class FeedMachine(RuleBasedStateMachine):
    @initialize(start_s=st.integers(0, 10_000), wishes=st.lists(st.fixed_dictionaries(WISHES), min_size=2, max_size=4))
    def begin(self, start_s, wishes):
        self.router = Router()
        self.truth = Truth(self.router)
        self.truth.note()
        self.readers = []
        self.events = []
        self.seq = 1
        self.now_us = start_s * US_PER_S
        for wish in wishes:
            self.come(**wish)

    # What happens in the market.

    @rule(inst=st.sampled_from(INSTRUMENTS), side=st.integers(0, 1), px=st.integers(1, PRICES), lots=st.integers(0, 3))
    def change_level(self, inst, side, px, lots):
        self.events.append(level(inst, side, px, lots))
        self.truth.sides[inst][side][px] = lots

    @rule(inst=st.sampled_from(INSTRUMENTS), batches=st.lists(CHANGES, min_size=1, max_size=8), trades=st.booleans())
    def go_on(self, inst, batches, trades):
        """Some batches at once, so that whoever does not read falls behind."""
        for changes in batches:
            for side, px, lots in changes:
                self.change_level(inst, side, px, lots)
            if trades and changes:
                self.trade(inst, changes[0][1], 1)
            self.publish(20_000)

    @rule(inst=st.sampled_from(INSTRUMENTS), px=st.integers(1, PRICES), lots=st.integers(1, 5))
    def trade(self, inst, px, lots):
        self.events.append(trade(inst, px, lots))
        self.truth.trades[inst].append((None, px, lots))

    @rule(after_us=st.sampled_from([1_000, 20_000, 700_000, US_PER_S, 20 * US_PER_S, 200 * US_PER_S]))
    def publish(self, after_us):
        self.now_us += after_us
        for rows in self.truth.trades.values():
            rows[:] = [(self.now_us if at is None else at, px, lots) for at, px, lots in rows]
        self.router.route(self.seq, self.now_us * 1_000, b"".join(self.events))
        self.seq += len(self.events)
        self.events = []
        self.router.flush()
        self.truth.note()

    # Who listens, and how.

    def market_rests(self):
        return not self.events

    @precondition(market_rests)
    @rule(**WISHES)
    def come(self, depth, conflate_ms, insts):
        reader = Reader(self.truth, **LIMITS)
        reader.depth, reader.insts = depth, insts
        for inst in insts:
            market = self.router.market(inst)
            self.router.subscribe(Channel.L2, inst, reader.link, depth, conflate_ms * 1_000)
            self.router.subscribe(Channel.L1, inst, reader.link, 0, conflate_ms * 1_000)
            self.router.subscribe(Channel.TRADES, inst, reader.link)
            reader.follow_book(inst, depth)
            reader.trades[inst] = market.last_seq(Channel.TRADES)
            self.truth.note()
            reader.link.send(market.l2_snapshot(depth))
            reader.link.send(market.l1_snapshot())
            for interval_s in CANDLE_INTERVALS_S[:2]:
                self.router.subscribe(Channel.CANDLES, inst, reader.link, interval_s)
                candle = market.candle_snapshot(interval_s)
                if candle is not None:
                    reader.link.send(candle)
        reader.link.flush()
        self.readers.append(reader)

    @precondition(lambda self: self.readers)
    @rule(data=st.data())
    def go(self, data):
        reader = self.readers.pop(data.draw(st.integers(0, len(self.readers) - 1)))
        for inst in reader.insts:
            self.router.unsubscribe(Channel.L2, inst, reader.link, reader.depth)
            for channel in (Channel.L1, Channel.TRADES):
                self.router.unsubscribe(channel, inst, reader.link)
            for interval_s in CANDLE_INTERVALS_S[:2]:
                self.router.unsubscribe(Channel.CANDLES, inst, reader.link, interval_s)
        reader.read()

    @precondition(lambda self: self.readers)
    @rule(data=st.data())
    def wake(self, data):
        data.draw(st.sampled_from(self.readers)).read()

    @precondition(lambda self: self.readers)
    @rule(data=st.data(), most=st.sampled_from([40, 200, 1_000, None]))
    def read(self, data, most):
        data.draw(st.sampled_from(self.readers)).read(most)

    # What must hold.

    @invariant()
    def nobody_holds_much_or_is_cut_off(self):
        for reader in getattr(self, "readers", ()):
            assert reader.link.is_open
            assert len(reader.pipe.unread) <= LIMITS["conflate_bytes_max"] + BATCH_BYTES_MAX

    def teardown(self):
        """Whoever reads on, and waits for what it asked to wait for, has everything."""
        if not hasattr(self, "readers"):
            return
        self.publish(1_000)
        for _ in range(60):
            for reader in self.readers:
                reader.read()
            self.publish(61 * US_PER_S)
        for reader in self.readers:
            reader.read()
            for inst in reader.insts:
                bids, asks = self.truth.levels(inst)
                book, depth = reader.books[inst], reader.depth or None
                assert book.is_current
                assert (book.bids(), book.asks()) == (bids[:depth], asks[:depth])
                assert reader.best[inst][1:] == self.truth.best(inst)
                assert reader.trades[inst] == self.router.market(inst).last_seq(Channel.TRADES)


def test_every_reader_has_the_truth_mkd_004():
    stateful.run_state_machine_as_test(
        FeedMachine,
        settings=settings(
            max_examples=300, stateful_step_count=60, deadline=None, suppress_health_check=list(HealthCheck),
            derandomize=True,
        ),
    )  # fmt: skip
