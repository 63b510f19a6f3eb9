"""What `hourglass serve` does for the clearinghouse by itself: its regular run, its setup, its metrics."""

import json
import time

import pytest
from gateway_venue import PRODUCT, Venue
from test_cli import Served, run
from test_window_market import event, tell

from exchange import commands
from exchange.clearing.words import Level
from exchange.engine import Engine
from exchange.records import CommandType as C
from exchange.records import EventType
from exchange.reference.core import ReferenceCore
from gateway.admin import COMMANDS, SETUP_COMMANDS
from gateway.clearing_run import ClearingRunner
from gateway.commands_serve import first_records
from gateway.failures import Failure
from gateway.jsonlines_clearing import CLEARING
from gateway.metrics import read_clearing

RUN = commands.clearing(C.RUN_CLEARING)


class Sequencer:
    """Takes commands, and applies them when told."""

    def __init__(self, engine):
        self.engine = engine
        self.waiting = []
        self.has_room = True

    @property
    def next_seq(self):
        return self.engine.seq + len(self.waiting) + 1

    def submit(self, records):
        if self.has_room:
            self.waiting.append(records)
        return self.has_room

    def go_on(self):
        waiting, self.waiting = self.waiting, []
        return [int(kind) for records in waiting for kind in self.engine.apply(records, self.engine.now_ns)["type"]]


def test_clearinghouse_runs_once_there_is_one_and_never_twice_at_a_time():
    sequencer = Sequencer(Engine(ReferenceCore()))
    runner = ClearingRunner(sequencer.engine, sequencer)
    runner.step()
    assert sequencer.waiting == []
    sequencer.submit(commands.clearing(C.SET_HOUSE))
    sequencer.go_on()
    runner.step()
    runner.step()
    assert sequencer.waiting == [RUN]
    assert sequencer.go_on() == [EventType.ACK]
    sequencer.submit(commands.time(1))
    runner.step()
    runner.step()
    assert sequencer.waiting == [commands.time(1), RUN]
    sequencer.go_on()
    sequencer.has_room = False
    runner.step()
    sequencer.has_room = True
    runner.step()
    assert sequencer.waiting == [RUN]


SETUP = [
    {"t": "add_product", "product": "H100", "lot_scu": 1, "tick_micros": 1, "fabrics": ["f1"], "window_hours": 8},
    {"t": "add_account", "account": "ann"},
    {"t": "deposit", "account": "ann", "micros": 100},
    {"t": "set_house", "mark_interval_s": 5},
    {"t": "set_class", "cls": "A"},
    {"t": "set_clearing", "product": "H100", "cls": "A"},
    {"t": "fund", "kind": "sitg", "micros": 7},
    {"t": "set_provider", "account": "ann", "domain": "rack-1"},
    {"t": "transfer", "account": "ann", "source": "coll", "target": "bond", "micros": 40},
]


def test_venue_is_set_up_with_its_clearing(tmp_path):
    path = tmp_path / "venue.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in SETUP))
    engine = Engine(ReferenceCore())
    batch = first_records(str(path), engine)
    engine.apply_count(batch, 0)
    state = engine.house.state
    assert (state.terms.mark_interval_s, state.class_of, state.provider(1).domain) == (5, {1: "A"}, "rack-1")
    assert (engine.core.balance(1), state.ledger.total) == (60, 47)
    path.write_text(json.dumps(SETUP[6]) + "\n")
    with pytest.raises(Failure, match="line 1: refused, NOT_CLEARED"):
        first_records(str(path), Engine(ReferenceCore()))


def test_served_venue_runs_its_clearing_every_second(tmp_path):
    pytest.importorskip("ext.core", reason="ext.core is not built", exc_type=ImportError)
    venue = Served(tmp_path, setup="".join(json.dumps(line) + "\n" for line in SETUP))
    transfer = SETUP[-1] | {"micros": 9}
    told = run("admin", tmp_path / "journal", "-", stdin=json.dumps(transfer) + "\n" + '{"t":"run_clearing"}\n')
    assert [json.loads(line)["t"] for line in told.output.splitlines()] == ["ack", "entry", "entry", "ack"]
    time.sleep(2.2)
    assert venue.stop()[0] == 0
    lines = [json.loads(line) for line in run("journal", tmp_path / "journal", "--json").output.splitlines()]
    assert 3 <= sum(line["t"] == "run_clearing" for line in lines) <= 9
    assert [line["micros"] for line in lines if line["t"] == "transfer"] == [40, 9]
    report = json.loads(run("replay", tmp_path / "journal", "--verify", "--json").output)
    assert report["hashes_verified"] == 1


def test_administration_takes_every_command_of_the_clearinghouse():
    assert set(CLEARING) <= set(COMMANDS)
    assert "run_clearing" not in SETUP_COMMANDS
    assert len(set(COMMANDS)) == len(COMMANDS)


def test_metrics_tell_cases_money_margin_and_failures():
    venue = Venue()
    assert b"hourglass_open_cases" not in venue.server.metrics_text()
    for records in (
        commands.clearing(C.SET_HOUSE),
        commands.clearing(C.SET_CLASS, cls="A"),
        commands.clearing(C.SET_CLEARING, product=PRODUCT, cls="A"),
        commands.deposit(1, 1_000),
        commands.deposit(2, 50),
        commands.clearing(C.TRANSFER, account="ann", source="coll", target="bond", micros=400),
        commands.clearing(C.FUND, kind="sitg", micros=7),
        commands.clearing(C.FUND, kind="pool", cls="A", micros=9),
        commands.clearing(C.DECLARE_DEFAULT, account="cat"),
    ):
        venue.sequencer.submit(records)
    tell(
        venue,
        event(EventType.LAYER, account=1, price=7, cum=2, match_id=1, amount=40),
        event(EventType.LOT_STATE, account=1, reason=2, lots=7),
    )
    state, router = venue.engine.house.state, venue.publisher.router
    state.member(2).level, state.member(2).margin, state.member(1).margin = Level.CALLED, 30, 12
    reading = read_clearing(state, router.layers_used(), router.failed_lots)
    assert reading.ledger == {
        "coll": 650, "bond": 400, "fund": 0, "escrow": 0, "estate": 0, "sitg": 7, "pool": 9, "standby": 0, "fee": 0,
        "ext": -1_066,
    }  # fmt: skip
    assert sum(reading.ledger.values()) == 0
    assert reading.levels == {"good": 1, "called": 1, "liquidating": 0, "defaulted": 1}
    text = venue.server.metrics_text().decode().splitlines()
    for line in (
        "hourglass_open_cases 1.0",
        'hourglass_ledger_micros{kind="bond"} 400.0',
        'hourglass_margin_accounts{level="called"} 1.0',
        "hourglass_margin_micros 42.0",
        'hourglass_layer_micros_total{layer="L7"} 40.0',
        "hourglass_failed_lots_total 7.0",
    ):
        assert line in text
