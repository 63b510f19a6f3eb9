"""The clearinghouse's steps between any commands: twins agree, and what must hold holds."""

import collections

import pytest
from clearing_flow import ClearingFlow
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import rule, run_state_machine_as_test
from invariants import check_invariants, check_prepaid
from market_flow import MarketFlow
from market_machine import MarketMachine
from twin import REFUSED, TINY, Alone, Twins

from exchange.records import EventType
from exchange.reference import ReferenceCore

ROOMY = {"orders_max": 1 << 16}
STATEFUL = settings(
    max_examples=60, stateful_step_count=60, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)


def run_with_steps(driver, flow, seed, *, batches, count):
    """Run a flow with steps between its batches; return how often each step was taken, and how often in vain."""
    steps = ClearingFlow(seed, flow.accounts + len(flow.providers))
    flow.learn(driver.apply(flow.opening(), flow.now_ns))
    seen = collections.Counter()
    for _ in range(batches):
        flow.learn(driver.apply(*flow.batch(count)))
        taken = steps.steps(driver.plain.core, flow.instruments)
        events, results = driver.clear(taken, flow.now_ns)
        flow.learn(events)
        seen.update((method, result == REFUSED) for (method, _), result in zip(taken, results, strict=True))
        seen.update((EventType(event["type"]).name, False) for event in events)
    return seen


@pytest.mark.parametrize(("seed", "limits"), [(seed, TINY if seed % 4 == 3 else ROOMY) for seed in range(8)],
                         ids=lambda value: str(value)[:8])  # fmt: skip
def test_twins_agree_on_steps_between_commands(compiled_core, seed, limits):
    twins = Twins(ReferenceCore(**limits), compiled_core(**limits))
    flow = MarketFlow(seed, margined=seed % 2 == 0, swarm=seed % 3 == 2)
    run_with_steps(twins, flow, seed, batches=250, count=20)
    check_invariants(twins.plain.core, twins.paid)


@pytest.mark.parametrize("seed", range(20, 24))
def test_everything_holds_along_steps(seed):
    alone = Alone(ReferenceCore(**ROOMY))
    flow, steps = MarketFlow(seed, margined=seed % 2 == 0), ClearingFlow(seed, 12)
    flow.learn(alone.apply(flow.opening(), flow.now_ns))
    for _ in range(300):
        flow.learn(alone.apply(*flow.batch(3)))
        flow.learn(alone.clear(steps.steps(alone.plain.core, flow.instruments), flow.now_ns)[0])
        check_invariants(alone.plain.core, alone.paid)


def test_steps_meet_everything():
    """Steps that never find anything to do would prove nothing."""
    alone, flow = Alone(ReferenceCore(**ROOMY)), MarketFlow(2)
    seen = run_with_steps(alone, flow, 2, batches=700, count=20)
    methods = ("hit", "move_lots", "end_orders", "set_margin", "pay", "pay_external", "set_prepaid")
    assert min(seen[method, False] for method in methods) > 10
    assert min(seen[method, True] for method in ("hit", "move_lots", "end_orders", "pay_external")) > 0
    assert min(seen[kind, False] for kind in ("FILL", "TRADE", "DONE", "LEVEL", "NOTICE")) > 0


@pytest.mark.parametrize("seed", range(4))
def test_prepaid_account_is_never_short_along_a_flow_rsk_009(seed):
    alone, flow = Alone(ReferenceCore(**ROOMY)), MarketFlow(seed, swarm=seed % 2 == 1)
    flow.learn(alone.apply(flow.opening(), flow.now_ns))
    most = 0
    for _ in range(400):
        flow.learn(alone.apply(*flow.batch(10)))
        check_prepaid(alone.plain.core)
        held = alone.plain.core.state.accounts[flow.accounts].positions.values()
        most = max(most, *(position.lots for position in held), 0)
    assert most > 0


class ClearingMachine(MarketMachine):
    """The market's machine, and a clearinghouse."""

    @rule(seed=st.integers(0, 1 << 20))
    def clear(self, seed):
        steps = ClearingFlow(seed, 7).steps(self.driver.plain.core, 8)
        self.driver.clear(steps, self.now_ns)
        check_invariants(self.driver.plain.core, self.driver.paid)


def test_twins_agree_on_any_commands_and_steps(compiled_core):
    class TwinMachine(ClearingMachine):
        def make_driver(self, limits):
            return Twins(ReferenceCore(**limits), compiled_core(**limits))

    run_state_machine_as_test(TwinMachine, settings=STATEFUL)
