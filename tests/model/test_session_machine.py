"""Hypothesis looks for a history of sessions in which one is told something else than it must be, or is not told it."""

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from session_machine import SessionMachine
from session_mutants import MUTANTS

STATEFUL = settings(
    max_examples=150, stateful_step_count=50, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)
SEARCH = settings(STATEFUL, max_examples=400, phases=[Phase.generate], report_multiple_bugs=False)


def test_sessions_are_told_what_they_must_be_ses_030():
    run_state_machine_as_test(SessionMachine, settings=STATEFUL)


@pytest.mark.parametrize("mutate", MUTANTS, ids=lambda mutate: mutate.__name__)
def test_every_planted_defect_is_found_ses_030(mutate, monkeypatch):
    mutate(monkeypatch)
    with pytest.raises((AssertionError, ExceptionGroup)):
        run_state_machine_as_test(SessionMachine, settings=SEARCH)
