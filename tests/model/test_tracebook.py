"""Our engine against somebody else's: the reference engine of the Tracebook conformance kit.

The fixed cases run through the kit's own protocol, with our engine in another process; the generated campaigns run in
this one, because a process a trace would take most of the time. After every event both sides must agree on the outcome,
the trades and every queue. What is said differently by the two, and how it is translated, is in tracebook_adapter.py.
"""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from tracebook.conformance import (
    CampaignProfile,
    copy_bundled_conformance_suite,
    get_campaign_profile,
    run_campaign,
    run_conformance_suite,
)
from tracebook.conformance.external import ExternalProcessAdapterFactory
from tracebook.core.order import SelfTradePolicy
from tracebook_adapter import HourglassAdapter

from exchange.engine import Engine
from exchange.reference import ReferenceCore

ROOT = Path(__file__).parent.parent.parent
ADAPTER = Path(__file__).parent / "tracebook_adapter.py"
SEED = 42
TRACES = 12
EVENTS_PER_TRACE = 200
PRO_RATA = "pro-rata-allocation"

pytestmark = pytest.mark.usefixtures("compiled_core")


def profiles():
    """The kit's FIFO profiles, and the fullest of them with each policy against self-matches."""
    full = get_campaign_profile("fifo-full-v1")
    yield from (get_campaign_profile(name) for name in ("fifo-limit-v1", "fifo-full-v1", "fifo-partial-fill-v1"))
    for policy in (SelfTradePolicy.CANCEL_RESTING, SelfTradePolicy.CANCEL_INCOMING):
        yield CampaignProfile(
            name=f"fifo-full-{policy.name.lower().replace('_', '-')}", description=full.description,
            config=replace(full.config, self_trade_policy=policy), order_types=full.order_types,
            capabilities=full.capabilities, symbols=full.symbols,
        )  # fmt: skip


@pytest.fixture
def process_factory(monkeypatch):
    """Adapters that are processes of their own, given the project to import."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return ExternalProcessAdapterFactory([sys.executable, str(ADAPTER)], timeout_seconds=20, cwd=ROOT)


def test_fixed_cases_agree_over_the_protocol(tmp_path, process_factory):
    suite = copy_bundled_conformance_suite(tmp_path / "suite", suite_version="v2")
    offered = tuple(case for case in suite.cases if case.name != PRO_RATA)
    assert len(offered) == len(suite.cases) - 1 == 8
    result = run_conformance_suite(replace(suite, cases=offered), process_factory)
    differing = [case["name"] for case in result["cases"] if not case["report"]["conformant"]]
    assert differing == [], json.dumps(result["cases"], indent=1)[-3000:]
    assert result["conformant_cases"] == 8


@pytest.mark.parametrize("profile", list(profiles()), ids=lambda profile: profile.name)
def test_campaigns_agree(profile):
    result = run_campaign(
        HourglassAdapter, profile, seed=SEED, traces=TRACES, events_per_trace=EVENTS_PER_TRACE, max_minimize_runs=30
    )
    assert result.conformant, json.dumps(result.failure.to_dict(), indent=1)
    coverage = result.semantic_coverage
    assert coverage.compared_events == TRACES * EVENTS_PER_TRACE
    assert coverage.trades > TRACES * 20
    assert coverage.uncovered_capabilities == ()


def test_reference_core_agrees_too():
    profile = get_campaign_profile("fifo-full-v1")
    result = run_campaign(
        lambda config: HourglassAdapter(config, Engine(ReferenceCore())), profile, seed=SEED + 1, traces=3,
        events_per_trace=EVENTS_PER_TRACE,
    )  # fmt: skip
    assert result.conformant


def test_command_line_of_the_kit_qualifies_the_adapter(tmp_path):
    result = subprocess.run(
        [sys.executable, "-m", "tracebook.conformance.cli", "qualify", "--profile", "fifo-limit-v1",
         "--seed", str(SEED), "--traces", "2", "--events-per-trace", str(EVENTS_PER_TRACE),
         "--output-dir", str(tmp_path / "bundle"),
         "--candidate-cmd", f"{sys.executable} {ADAPTER}", "--timeout", "20"],
        cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout + result.stderr
    assert json.loads((tmp_path / "bundle" / "qualification.json").read_text())["qualified"]


def test_campaign_finds_a_wrong_rule():
    """The comparison can fail: a venue that cancels the resting order where the incoming one ought to go is found."""

    class Wrong(HourglassAdapter):
        def __init__(self, config):
            super().__init__(replace(config, self_trade_policy=SelfTradePolicy.CANCEL_RESTING))

    profile = list(profiles())[-1]
    assert profile.config.self_trade_policy == SelfTradePolicy.CANCEL_INCOMING
    result = run_campaign(Wrong, profile, seed=SEED, traces=2, events_per_trace=100, max_minimize_runs=5)
    assert not result.conformant
