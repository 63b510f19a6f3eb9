"""Hypothesis looks for the shortest history in which the clearinghouse breaks a rule, or forgets one in a replay."""

import random

import pytest
from clearing_checks import Checks
from clearing_venue import LEVEL, PEOPLE, ClearedVenue, RandomDriver, replay
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from exchange.records import EventType, OrderFlag
from exchange.reference import ReferenceCore

STATEFUL = settings(
    max_examples=120, stateful_step_count=50, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)
ANY = st.integers(0, 1 << 10)
LOTS = st.sampled_from([1, 1, 2, 3, 5, 9])
OVER = st.sampled_from([-300, -20, 0, 0, 20, 200, 600])
SIDES = st.integers(0, 1)
MICROS = st.sampled_from([1, 999_999, 7_500_000, 60_000_000])
PURSES = st.sampled_from(["coll", "bond", "fund"])
FLAGS = st.sampled_from([0, 0, 0, OrderFlag.REDUCE_ONLY, OrderFlag.POST_ONLY])


class ClearingMachine(RuleBasedStateMachine):
    """A cleared venue, with everything looked at after every command."""

    def make(self):
        return ClearedVenue([ReferenceCore(orders_max=1 << 14)], look=Checks)

    @initialize()
    def open_venue(self):
        self.venue = self.make()
        self.venue.quote(LEVEL, 8)
        self.venue.run()

    @rule(who=ANY, where=ANY, side=SIDES, over=OVER, lots=LOTS, flags=FLAGS, tif=st.integers(0, 1))
    def place(self, who, where, side, over, lots, flags, tif):
        self.venue.place(who, where, side, over, lots, flags, tif)

    @rule(place=ANY, buyer=ANY, hour=st.integers(0, 3), lots=LOTS)
    def trade(self, place, buyer, hour, lots):
        self.venue.trade(place, buyer, hour, lots)

    @rule(buyer=st.integers(5, 10), which=ANY, place=ANY, lots=LOTS)
    def sell_with_wishes(self, buyer, which, place, lots):
        """A delivery of the next window, with what its buyer wants."""
        self.venue.wish(buyer, which, 2)
        self.venue.trade(place, buyer, 0, lots)

    @rule(which=ANY, lots=LOTS)
    def sell_out(self, which, lots):
        self.venue.sell_out(which, lots)

    @rule(which=ANY, where=ANY, over=OVER, lots=LOTS)
    def physical(self, which, where, over, lots):
        self.venue.physical(which, where, over, lots)

    @rule(over=st.sampled_from([20, 300, 900]), lots=LOTS)
    def stand_by(self, over, lots):
        self.venue.stand_by(over, lots)

    @rule(which=ANY, where=ANY, over=OVER, lots=LOTS, firm=SIDES)
    def standby(self, which, where, over, lots, firm):
        self.venue.standby(which, where, over, lots, firm)

    @rule(who=ANY, where=ANY, side=SIDES, over=OVER, lots=LOTS, least=ANY)
    def block(self, who, where, side, over, lots, least):
        self.venue.block(who, where, side, over, lots, least)

    @rule(level=st.sampled_from([LEVEL, LEVEL + 150, LEVEL - 150]), lots=LOTS)
    def quote(self, level, lots):
        self.venue.quote(level, lots)

    @rule(ppm=st.sampled_from([400_000, 700_000, 900_000, 1_300_000, 1_900_000]))
    def crash(self, ppm):
        self.venue.crash(ppm)

    @rule(which=ANY)
    def cancel(self, which):
        self.venue.cancel(which)

    @rule(who=ANY)
    def flatten(self, who):
        self.venue.flatten(who)

    @rule(who=st.sampled_from(PEOPLE), payer=PURSES, payee=PURSES, micros=MICROS)
    def transfer(self, who, payer, payee, micros):
        self.venue.transfer(who, payer, payee, micros)

    @rule(who=ANY, micros=MICROS, out=st.booleans())
    def money(self, who, micros, out):
        (self.venue.withdraw if out else self.venue.deposit)(who, micros)

    @rule(which=ANY, micros=MICROS)
    def recover(self, which, micros):
        self.venue.recover(which, micros)

    @rule(who=ANY, which=ANY, lots=LOTS, price=st.sampled_from([0, 500_000, 2_000_000, 4_000_000]))
    def bid(self, who, which, lots, price):
        self.venue.bid(who, which, lots, price)

    @rule(who=ANY, which=ANY, count=st.integers(1, 2))
    def wish(self, who, which, count):
        self.venue.wish(who, which, count)

    @rule(which=ANY)
    def checkpoint(self, which):
        self.venue.checkpoint(which)

    @rule(place=ANY, first=ANY, count=st.sampled_from([0, 1, 2, 9]))
    def kill(self, place, first, count):
        self.venue.kill(place, first, count)

    @rule(place=ANY, rating=st.sampled_from([0, 800_000, 899_999, 900_000, 1_000_000, 1_200_000]))
    def slow(self, place, rating):
        self.venue.slow(place, rating)

    @rule(place=ANY, first=ANY, count=st.sampled_from([1, 2, 5]))
    def report(self, place, first, count):
        self.venue.report(place, first, count)

    @rule(which=ANY)
    def again(self, which):
        self.venue.again(which)

    @rule(who=ANY)
    def declare(self, who):
        self.venue.declare(who)

    @rule()
    def clear(self):
        self.venue.run()

    @rule(count=st.integers(1, 20), seconds=st.sampled_from([60, 120, 240]))
    def steps(self, count, seconds):
        self.venue.steps(count, seconds)

    @rule(seconds=st.sampled_from([0, 1, 59, 900, 4_000, 8_000]), evidence=st.booleans())
    def jump(self, seconds, evidence):
        self.venue.step(seconds, evidence)


def test_clearing_holds_after_any_commands():
    run_state_machine_as_test(ClearingMachine, settings=STATEFUL)


def test_a_replay_says_the_same_on_both_cores_i8(compiled_core):
    class ReplayedMachine(ClearingMachine):
        def make(self):
            return ClearedVenue([ReferenceCore(orders_max=1 << 14)])

        def teardown(self):
            if not hasattr(self, "venue"):
                return
            wanted = self.venue.engines[0].state_hash()
            first, events = replay(self.venue.journal, ReferenceCore(orders_max=1 << 14))
            other, same = replay(self.venue.journal, compiled_core(orders_max=1 << 14))
            assert first.state_hash() == other.state_hash() == wanted, "I8: a replay comes to another state"
            assert events == same, "I8: a replay tells another story"

    run_state_machine_as_test(ReplayedMachine, settings=settings(STATEFUL, max_examples=40))


@pytest.mark.parametrize("seed", range(6))
def test_clearing_holds_along_a_stream(seed):
    venue = ClearedVenue([ReferenceCore(orders_max=1 << 14)], look=Checks, percent=(100, 30, 12)[seed % 3])
    RandomDriver(venue, random.Random(seed)).run(2_500)


def test_streams_meet_everything():
    """A history without failures, calls or auctions would prove nothing."""
    seen, met = {}, {}
    for seed in (102, 104, 107, 119, 123, 124, 153, 155):
        venue = ClearedVenue([ReferenceCore(orders_max=1 << 14)], look=Checks)
        RandomDriver(venue, random.Random(seed)).run(2_000)
        for key, count in venue.seen.items():
            seen[key] = seen.get(key, 0) + count
        for key, count in venue.look.met.items():
            met[key] = met.get(key, 0) + count
    stages = {reason for kind, reason in seen if kind == EventType.SUBSTITUTE}
    kinds = {reason for kind, reason in seen if kind == EventType.DEFAULT}
    levels = {reason for kind, reason in seen if kind == EventType.MARGIN}
    causes = {reason for kind, reason in seen if kind == EventType.ENTRY}
    assert stages >= {0, 1, 2, 3, 4, 5}
    assert kinds >= {0, 1, 2, 3, 5}
    assert levels >= {0, 1, 2}
    assert causes >= {2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20}
    assert {kind for kind, _ in seen} >= {EventType.AUCTION, EventType.LAYER, EventType.LOT_STATE}
    wanted = {"I5": 1_000, "I7": 20, "I9": 10, "I10": 50, "I14": 5, "I15": 30, "I16": 5, "I19": 100, "I20": 1_000,
              "fail": 100, "substitute": 20}  # fmt: skip
    assert {name: met.get(name, 0) for name, least in wanted.items() if met.get(name, 0) < least} == {}
