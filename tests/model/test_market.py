"""The window market under any commands: twins agree, brute force agrees, and what must hold holds."""

import collections
import itertools

import pytest
import sim
from hypothesis import given, settings
from hypothesis import strategies as st
from market_flow import MarketFlow
from twin import TINY, Twins, run_flow
from watched import ROOMY, Watched

from exchange.reasons import DoneReason, RejectReason
from exchange.records import EventFlag, EventType, Phase
from exchange.reference import ReferenceCore
from exchange.reference.shelf import by_priority, compare

# Commands in twins: 20 flows of 10,000, each of its own mixture.
FLOWS = [(seed, seed % 2 == 0, TINY if seed % 5 == 4 else ROOMY) for seed in range(20)]


@pytest.mark.parametrize(("seed", "margined", "limits"), FLOWS, ids=lambda value: str(value)[:8])
def test_twins_agree_on_the_market(compiled_core, seed, margined, limits):
    twins = Twins(ReferenceCore(**limits), compiled_core(**limits))
    run_flow(twins, MarketFlow(seed, margined=margined, swarm=seed % 3 == 2), batches=200, count=50)


def test_twins_agree_on_one_large_batch_of_the_market(compiled_core):
    twins = Twins(ReferenceCore(**ROOMY), compiled_core(**ROOMY))
    flow = MarketFlow(77, accounts=30, prices=12)
    run_flow(twins, flow, batches=20, count=5)  # Let it learn what is listed.
    records, ts_ns = flow.batch(10_000)
    assert len(twins.apply(records, ts_ns)) > 8_000


@pytest.mark.parametrize("seed", range(8))
def test_everything_holds_after_every_command(seed):
    watched = Watched()
    flow = MarketFlow(seed, margined=seed % 2 == 0, swarm=seed % 3 == 2)
    assert watched.run(flow, batches=1_000, count=1) > 800


@pytest.mark.parametrize("seed", range(100, 104))
def test_everything_holds_where_blocks_are_all_there_is(seed):
    """One product without bands, blocks and hourly orders only, so that many rest and meet."""
    watched = Watched()
    flow = MarketFlow(seed, margined=False, products=(1,))
    flow.weights = [(flow.block, 30), (flow.meet, 10), (flow.place, 30), (flow.replace_block, 6), (flow.replace, 4),
                    (flow.cancel, 3), (flow.quote, 4), (flow.time, 1), (flow.roll, 1)]  # fmt: skip
    assert watched.run(flow, batches=700, count=1) > 700


@pytest.mark.parametrize("limits", [ROOMY, TINY], ids=["roomy", "tiny"])
def test_everything_holds_along_a_long_flow(limits):
    watched = Watched(limits=limits)
    watched.run(MarketFlow(5), batches=200, count=40, look_every=10)


def test_same_journal_gives_the_same_bytes():
    twins = Twins(ReferenceCore(**ROOMY), ReferenceCore(**ROOMY))
    run_flow(twins, MarketFlow(9), batches=20, count=50)
    assert twins.plain.state_hash() == twins.other.state_hash()


REASONS = {
    "MALFORMED", "NO_ACCOUNT", "NO_INSTRUMENT", "NOT_OPEN", "WINDOW_CLOSED", "NO_PRODUCT", "NO_FABRIC", "PX_TICK",
    "PX_BAND", "QTY_LOT", "QTY_MAX", "WOULD_TAKE", "FOK_UNFILLED", "DEADLINE", "REDUCE_ONLY", "PRIORITY", "MARGIN",
    "BALANCE", "NO_CAPACITY", "NO_ORDER", "OPEN_LIMIT", "STALE_REF", "MMP_FROZEN", "UNKNOWN_TYPE",
}  # fmt: skip


def test_flow_meets_everything_the_market_can_do():
    """A flow in which no block is ever hit, pinned or ended by a gate would prove nothing."""
    seen = collections.Counter()
    for seed, limits in ((0, ROOMY), (1, ROOMY), (3, TINY), (4, ROOMY), (12, ROOMY)):
        twins, flow = Watched(limits=limits, watch=False), MarketFlow(seed, margined=seed % 2 == 0)
        flow.learn(twins.apply(flow.opening(), flow.now_ns))
        for _ in range(150):
            records, ts_ns = flow.batch(40)
            events = twins.apply(records, ts_ns)
            flow.learn(events)
            for event in events[["type", "flags", "reason", "lots", "leaves", "oid"]]:
                count(seen, event)
    assert {RejectReason(reason).name for kind, reason in seen if kind == "reject"} >= REASONS
    assert {DoneReason(reason).name for kind, reason in seen if kind == "done"} == {
        "USER", "IOC", "EXPIRED", "COD", "DEADMAN", "MMP", "STP", "GATE", "QUOTE", "REDUCE_ONLY", "AUCTION", "CAPACITY",
    }  # fmt: skip
    assert {DoneReason(reason).name for kind, reason in seen if kind == "done block"} == {
        "USER", "IOC", "EXPIRED", "COD", "DEADMAN", "GATE", "CAPACITY",
    }  # fmt: skip
    assert {Phase(phase) for kind, phase in seen if kind == "status"} == set(Phase) - {Phase.OPEN, Phase.LISTED}
    assert {kind for kind, _ in seen if kind.startswith("fill")} == {
        "fill", "fill taker", "fill call", "fill taker balance", "fill balance", "fill block", "fill taker block",
        "fill block partly", "fill taker block partly",
    }  # fmt: skip
    assert {kind for kind, _ in seen} >= {
        "notice", "indicative", "perished", "assigned", "bought_in", "capacity", "instrument", "replaced",
    }  # fmt: skip


def count(seen, event):
    """Count one event by what is special about it."""
    kind, flags = EventType(event["type"]), event["flags"]
    word = kind.name.lower()
    if kind == EventType.FILL:
        word += "".join(
            f" {flag.name.lower()}"
            for flag in (EventFlag.TAKER, EventFlag.CALL, EventFlag.BALANCE, EventFlag.BLOCK)
            if flags & flag
        )
        word += " partly" if flags & EventFlag.BLOCK and event["leaves"] else ""
    elif kind == EventType.DONE and flags & EventFlag.BLOCK:
        word += " block"
    seen[word, int(event["lots"] if kind == EventType.STATUS else event["reason"])] += 1


class Ranked:
    """As much of a block as the comparator looks at."""

    def __init__(self, side, limit, hours, sequence):
        self.sign = -1 if side else 1
        self.limit, self.hours, self.sequence = limit, hours, sequence


def ranked(side):
    return st.builds(
        Ranked, st.just(side), st.integers(0, 12) | st.integers(0, 1 << 30), st.integers(1, 168), st.integers(1, 9)
    )


@settings(max_examples=400, derandomize=True)
@given(st.integers(0, 1).flatmap(lambda side: st.lists(ranked(side), min_size=3, max_size=3)))
def test_order_of_blocks_is_total(blocks):
    """It is antisymmetric and transitive, and equal only at the same limit an hour and sequence."""
    one, two, three = blocks
    assert (compare(one, two) > 0) == (compare(two, one) < 0)
    assert compare(one, one) == 0
    if compare(one, two) <= 0 and compare(two, three) <= 0:
        assert compare(one, three) <= 0
    same = one.limit * two.hours == two.limit * one.hours and one.sequence == two.sequence
    assert (compare(one, two) == 0) == same
    ordered = by_priority(blocks)
    assert all(compare(a, b) <= 0 for a, b in itertools.pairwise(ordered))


def test_simulation_runs_and_names_its_seed(capsys):
    assert sim.main(["--seed", "3", "--commands", "1000"]) == 0
    first, *_, last = capsys.readouterr().out.splitlines()
    assert first.startswith("seed=3 commit=")
    assert last.startswith("seed=3 1000 commands, ")
