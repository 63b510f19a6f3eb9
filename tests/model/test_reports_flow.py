"""Statements along any flow of commands: their sum is the core's balance at every command."""

import pytest
from market_flow import MarketFlow
from twin import run_flow

from exchange.engine import Engine
from exchange.replay import Frame
from gateway.reports.playback import Playback
from gateway.reports.statement import Statement


class Recorder:
    """A driver of flows that keeps the batches."""

    def __init__(self):
        self.engine, self.frames = Engine(), []

    def apply(self, records, ts_ns):
        first = self.engine.seq + 1
        events = self.engine.apply(records, ts_ns)
        self.frames.append(Frame(first, ts_ns, self.engine.seq - first + 1, records))
        return events


@pytest.mark.parametrize("seed", range(6))
def test_statements_add_up_at_every_command(compiled_core, seed):
    recorder = Recorder()
    run_flow(recorder, MarketFlow(seed, margined=seed % 2 == 0, swarm=seed % 3 == 2), batches=40, count=50)
    engine, total, causes = recorder.engine, 0, set()
    names = [name for name, _ in engine.catalogue.accounts]
    for name, purse in [*((name, "coll") for name in names), ("", "fee"), ("", "ext")]:
        statement = Statement(Playback(), purse, name)
        causes |= {line.cause for line in statement.lines(recorder.frames)}
        assert statement.commands > 1_500
        total += statement.balance
    assert total == 0
    assert {"trade", "trading fee"} <= causes
    assert statement.playback.engine.state_hash() == engine.state_hash()
