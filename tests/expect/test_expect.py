"""Scenarios a trader can read: commands in, the exact events out. EXPECT_UPDATE=1 rewrites what is expected.

A file holds, block by block, lines of `hourglass apply` after `> ` and below them the events they must cause. Lines
that begin with `#` are remarks. A scenario runs on the reference engine and, where it is built, on the compiled one.
"""

import json
import os
from pathlib import Path

import pytest

from exchange.engine import Engine
from exchange.reference.core import ReferenceCore
from gateway.commands_apply import run_lines
from gateway.jsonlines_out import encode

SCENARIOS = sorted(Path(__file__).parent.glob("*.txt"))


def new_engine(kind):
    if kind == "reference":
        return Engine(ReferenceCore())
    pytest.importorskip("ext.core", reason="ext.core is not built", exc_type=ImportError)
    return Engine()


def played(scenario, engine):
    """The scenario with the events as they are now."""
    lines = []
    for line in scenario.splitlines():
        if line.startswith("> "):
            lines.append(line)
            # One line at a time: a name made by one command is known to the next.
            lines += [encode(event) for event in run_lines(engine, [line[2:].encode()])]
        elif not line.startswith("{"):
            lines.append(line)
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("kind", ["reference", "core"])
@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_scenario(path, kind):
    scenario = path.read_text()
    found = played(scenario, new_engine(kind))
    if os.environ.get("EXPECT_UPDATE"):
        path.write_text(found)
    assert found.splitlines() == scenario.splitlines() or os.environ.get("EXPECT_UPDATE")


def test_there_are_scenarios_and_each_expects_something():
    assert len(SCENARIOS) >= 5
    for path in SCENARIOS:
        assert any(json.loads(line)["t"] for line in path.read_text().splitlines() if line.startswith("{")), path
