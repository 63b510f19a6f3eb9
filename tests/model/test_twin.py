"""The compiled core against its plain twin: every event, every byte of state; and what must hold after any history."""

import pytest
from flow import Flow
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test
from invariants import check_invariants
from machine import VenueMachine
from twin import TINY, Alone, Twins, TwinsDiffer, run_flow

from exchange import commands
from exchange.reference import ReferenceCore

STATEFUL = settings(
    max_examples=100, stateful_step_count=60, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)
SMALL = {"orders_max": 1 << 16}


class AloneMachine(VenueMachine):
    def make_driver(self, limits):
        return Alone(ReferenceCore(**limits))


def test_twins_agree_on_any_commands(compiled_core):
    class TwinMachine(VenueMachine):
        def make_driver(self, limits):
            return Twins(ReferenceCore(**limits), compiled_core(**limits))

    run_state_machine_as_test(TwinMachine, settings=STATEFUL)


def test_invariants_hold_after_any_commands():
    run_state_machine_as_test(AloneMachine, settings=STATEFUL)


@pytest.mark.parametrize("limits", [SMALL, TINY], ids=["roomy", "tiny"])
@pytest.mark.parametrize("margined", [True, False], ids=["margined", "free"])
@pytest.mark.parametrize("seed", [1, 2])
def test_twins_agree_on_a_long_flow(compiled_core, seed, margined, limits):
    twins = Twins(ReferenceCore(**limits), compiled_core(**limits))
    run_flow(twins, Flow(seed, margined=margined), batches=200, count=50)
    check_invariants(twins.plain.core)


def test_twins_agree_on_a_batch_of_20000(compiled_core):
    twins = Twins(ReferenceCore(**SMALL), compiled_core(**SMALL))
    events = run_flow(twins, Flow(3, accounts=40, prices=40), batches=1, count=20_000)
    assert events > 20_000
    check_invariants(twins.plain.core)


def test_invariants_hold_along_a_flow():
    alone = Alone(ReferenceCore(**SMALL))
    flow = Flow(4)
    alone.apply(flow.opening(), flow.now_ns)
    for _ in range(40):
        records, ts_ns = flow.batch(25)
        flow.learn(alone.apply(records, ts_ns))
        check_invariants(alone.plain.core)


def test_flow_meets_every_kind_of_event_and_reason():
    """A flow that never fills, expires or refuses would prove nothing."""
    seen = {}
    for limits, seed in ((SMALL, 1), (TINY, 2), (SMALL, 5), (SMALL, 6)):
        alone, flow = Alone(ReferenceCore(**limits)), Flow(seed)
        alone.apply(flow.opening(), flow.now_ns)
        for _ in range(80):
            records, ts_ns = flow.batch(100)
            events = alone.apply(records, ts_ns)
            flow.learn(events)
            for event in events[["type", "reason"]]:
                seen[int(event["type"]), int(event["reason"])] = True
    reasons = {reason for kind, reason in seen if kind == 34}
    assert reasons >= {100, 101, 113, 200, 210, 212, 213, 214, 215, 218, 219, 220, 222, 230, 232, 240}
    assert {reason for kind, reason in seen if kind == 37} == {0, 1, 2, 3, 4, 5, 6, 7, 9, 10}
    assert {kind for kind, _ in seen} == {33, 34, 35, 37, 38, 40, 41, 97, 99, 101, 103, 111, 110, 204}


def test_twins_notice_a_difference():
    twins = Twins(ReferenceCore(), ReferenceCore())
    twins.apply(commands.add_account("ann"), 0)
    twins.other.apply(commands.time(0), 0)
    with pytest.raises(TwinsDiffer, match="states differ"):
        twins.apply(commands.time(0), 0)
    twins.other.apply(commands.add_account("bob"), 0)
    with pytest.raises(TwinsDiffer, match="differs in"):
        twins.apply(commands.add_account("bob"), 0)
