"""Hypothesis looks for the shortest history in which the window market breaks a rule, or the twins differ."""

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test
from market_machine import MarketMachine
from watched import Watched

STATEFUL = settings(
    max_examples=120, stateful_step_count=60, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)


class WatchedMachine(MarketMachine):
    def make_driver(self, limits):
        return Watched(limits=limits)


def test_market_holds_after_any_commands():
    run_state_machine_as_test(WatchedMachine, settings=STATEFUL)


def test_market_twins_agree_on_any_commands(compiled_core):
    class TwinMachine(MarketMachine):
        def make_driver(self, limits):
            return Watched(compiled_core(**limits), limits=limits)

    run_state_machine_as_test(TwinMachine, settings=STATEFUL)
