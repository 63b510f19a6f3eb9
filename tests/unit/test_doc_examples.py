"""The examples of the docs come out as docs/market.md says, to the tick, on both cores."""

import json
from pathlib import Path

import pytest

from exchange.engine import Engine
from exchange.reference import ReferenceCore
from exchange.units import HOUR_NS, window_id
from gateway.commands_apply import new_engine, run_lines

ROOT = Path(__file__).parent.parent.parent
EXAMPLES = ROOT / "docs" / "examples"
FIRST = window_id("2026-11-24T14")
HOURS = range(3)
PRODUCT = "H100-SXM.IB400.cuda12.T1"


class Run:
    """What lines of commands cause."""

    def __init__(self, lines, reference):
        self.engine = new_engine(reference)
        self.events = []
        self.sent = lines
        for line in lines:
            self.add(line)
        assert self.all("error") == []

    def add(self, command):
        """Apply one more command and return its events."""
        caused = list(run_lines(self.engine, [json.dumps(command).encode()]))
        self.events += caused
        return caused

    def all(self, kind, **fields):
        """The events of a kind whose fields have these values."""
        return [
            event
            for event in self.events
            if event["t"] == kind and all(event.get(name) == value for name, value in fields.items())
        ]

    def rest_of(self, account, ref):
        """Lots and fabrics of a resting block, by cancelling it."""
        caused = self.add({"t": "cancel_ref", "account": account, "ref": 1_000, "target_ref": ref})
        (done,) = (event for event in caused if event["t"] == "done")
        assert done["reason"] == "user"
        return done["qty"], done["fabrics"]


def lines_of(name):
    return [json.loads(line) for line in (EXAMPLES / f"{name}.jsonl").read_text().splitlines()]


@pytest.fixture(params=["reference", "core"])
def example(request):
    """Runs an example of the docs on a new engine; ``without`` leaves out the last lines."""

    def play(name, without=0):
        if request.param == "core":
            pytest.importorskip("ext.core", reason="ext.core is not built", exc_type=ImportError)
        lines = lines_of(name)
        return Run(lines[: len(lines) - without], request.param == "reference")

    return play


def legs(fills):
    """(hour, price, lots) of fills, in their order."""
    return [(fill["start"] - FIRST + 14, fill["px"], fill["qty"]) for fill in fills]


def cost(fills):
    """Ticks of all lots over all hours."""
    return sum(fill["px"] * fill["qty"] for fill in fills)


def taken(run, account="bob", **fields):
    """The fills of an account's blocks, after a look at all that must hold for any block that trades."""
    fills = run.all("fill", account=account, block=True, **fields)
    for match_id in {fill["match_id"] for fill in fills}:
        mine = [fill for fill in fills if fill["match_id"] == match_id]
        lots = [sum(fill["qty"] for fill in mine if fill["start"] == FIRST + hour) for hour in HOURS]
        assert lots[0] > 0
        assert len(set(lots)) == 1, "every leg has the same lots"
        assert {fill["start"] for fill in mine} == {FIRST + hour for hour in HOURS}
        assert len({fill["fabric"] for fill in mine}) == 1, "one fabric"
        assert len({fill["seq"] for fill in mine}) == 1, "one command"
        trades = run.all("trade", match_id=match_id)
        assert legs(trades) == legs(mine)
        assert all(trade["block"] for trade in trades)
    return fills


# The market of the worked examples.


def test_market_is_the_one_of_the_page():
    market = lines_of("blocks")
    asks = [(line["fabric"], int(line["start"][-2:]), line["qty"], line["px"]) for line in market if "px" in line]
    assert asks == [
        ("F1", 14, 8, 200), ("F1", 14, 16, 205), ("F1", 15, 16, 210), ("F1", 16, 4, 190), ("F1", 16, 16, 220),
    ]  # fmt: skip


@pytest.mark.parametrize("number", range(1, 11))
def test_every_example_begins_with_the_market(number):
    market, lines = lines_of("blocks"), lines_of(f"block-{number:02}")

    def terms(line):
        return {name: value for name, value in line.items() if name not in ("account", "ref")}

    assert list(map(terms, lines[: len(market)])) == list(map(terms, market))
    changed = [line for line, other in zip(lines, market, strict=False) if line["t"] == "place" and line != other]
    if number != 6:
        assert changed == []
    else:
        assert (changed[0]["account"], changed[0]["qty"], changed[0]["px"]) == ("bob", 4, 190)


def test_both_cores_say_the_same():
    pytest.importorskip("ext.core", reason="ext.core is not built", exc_type=ImportError)
    files = sorted(EXAMPLES.glob("*.jsonl"))
    assert len(files) >= 15
    for path in files:
        lines = path.read_bytes().splitlines()
        engines = Engine(), Engine(ReferenceCore())
        told = [list(run_lines(engine, lines)) for engine in engines]
        assert told[0] == told[1], path.name
        assert engines[0].state_hash() == engines[1].state_hash(), path.name
        refused = [event["reason"] for event in told[0] if event["t"] in ("error", "reject")]
        assert refused == (["NO_CAPACITY"] if path.stem == "gate" else []), path.name


# The ten examples.


def test_1_all_or_none_at_the_average(example):
    run = example("block-01")
    fills = taken(run)
    assert legs(fills) == [(14, 200, 8), (15, 210, 8), (16, 190, 4), (16, 220, 4)]
    assert cost(fills) == 4920 == 1600 + 1680 + 760 + 880 <= 8 * 620
    assert cost(fills) == 615 * 8
    assert {(fill["cum"], fill["leaves"], fill["match_id"]) for fill in fills} == {(8, 0, 1)}
    assert [fill["px"] for fill in run.all("fill", liq="maker")] == [200, 210, 190, 220]


def test_2_marginal_rule_stops_at_the_fifth_lot(example):
    run = example("block-02")
    fills = taken(run)
    assert legs(fills) == [(14, 200, 4), (15, 210, 4), (16, 190, 4)]
    assert cost(fills) == 2400 == 4 * 600
    assert 200 + 210 + 220 > 620
    assert {(fill["cum"], fill["leaves"]) for fill in fills} == {(4, 4)}
    assert run.rest_of("bob", 1) == (4, ["F1"])


def test_3_wakes_and_stays_then_wakes_and_fills(example):
    run = example("block-03")
    rests, stays, fills_at = len(run.sent) - 2, len(run.sent) - 1, len(run.sent)
    assert [run.sent[-2][name] for name in ("px", "qty")] == [206, 4]
    assert [run.sent[-1][name] for name in ("px", "qty")] == [185, 8]
    assert run.all("fill", seq=rests) == run.all("fill", seq=stays) == []
    fills = taken(run, seq=fills_at)
    assert legs(fills) == [(14, 200, 8), (15, 206, 4), (15, 210, 4), (16, 185, 8)]
    assert cost(fills) == 4744 == 1600 + 1664 + 1480 <= 8 * 600
    assert {(fill["cum"], fill["leaves"], fill["match_id"]) for fill in fills} == {(8, 0, 1)}
    (seller,) = run.all("fill", account="cat", start=FIRST + 2)
    assert (seller["px"], seller["qty"], seller["liq"]) == (185, 8, "maker")


def test_3_wakes_though_it_stays(monkeypatch):
    """The test of the rule is passed both times: 206 x 8 = 1648 <= 8 x 210, and 185 x 8 = 1480 <= 8 x 194."""
    from exchange.reference.trading_blocks import BlockTrading

    asked, tried = [], []
    wakes, work = BlockTrading.wakes, BlockTrading.work

    def noted_wakes(self, cost, best, left, least):
        asked.append((cost + (least - 1) * best, least * left))
        return wakes(self, cost, best, left, least)

    def noted_work(self, block):
        tried.append(block.leaves)
        work(self, block)

    monkeypatch.setattr(BlockTrading, "wakes", noted_wakes)
    monkeypatch.setattr(BlockTrading, "work", noted_work)
    Run(lines_of("block-03"), reference=True)
    assert asked == [(1648, 8 * 210), (1480, 8 * 194)] == [(1648, 1680), (1480, 1552)]
    assert tried == [8, 8]


def test_first_lots_may_be_affordable_though_one_is_not(example, monkeypatch):
    """docs/decisions/0008: the shortcut p <= u would miss this trade; the order is not even the best of its book."""
    from exchange.reference.trading_blocks import BlockTrading

    block = {
        "t": "block", "account": "bob", "ref": 1, "product": PRODUCT, "fabrics": ["F1"], "start": FIRST, "hours": 3,
        "side": "buy", "limit_total": 603, "qty": 8, "min_qty": 8,
    }  # fmt: skip
    ask = {
        "t": "place", "account": "cat", "ref": 1, "product": PRODUCT, "fabric": "F1", "start": FIRST + 2,
        "side": "sell", "px": 195, "qty": 4,
    }  # fmt: skip
    run = example("blocks")
    assert [event["t"] for event in run.add(block)] == ["ack"], "4,920 is above 8 x 603 = 4,824"
    run.add(ask)
    assert cost(taken(run)) == 4820 == 1600 + 1680 + 4 * 190 + 4 * 195
    monkeypatch.setattr(BlockTrading, "wakes", lambda self, cost, best, left, least: cost <= left)
    shortcut = Run(lines_of("blocks"), reference=True)
    shortcut.add(block)
    shortcut.add(ask)
    assert shortcut.all("fill") == []


def test_4_the_cheaper_fabric_not_a_mix(example):
    run = example("block-04")
    fills = taken(run)
    assert legs(fills) == [(14, 198, 8), (15, 214, 8), (16, 202, 8)]
    assert {fill["fabric"] for fill in fills} == {"F2"}
    assert cost(fills) == 4912 < 4920
    mixed = 8 * min(198, 200) + 8 * min(210, 214) + 4 * 190 + 4 * 202
    assert (mixed, cost(fills) - mixed) == (4832, 80)


def test_5_direct_before_legs_at_equal_cost(example):
    run = example("block-05")
    fills = taken(run)
    assert legs(fills) == legs(taken(run, "cat")) == [(14, 205, 8), (15, 205, 8), (16, 205, 8)]
    assert cost(fills) == 4920 == 615 * 8
    assert run.all("fill", account="ann") == []
    assert {fill["liq"] for fill in taken(run, "cat")} == {"maker"}
    assert {fill["match_id"] for fill in run.all("fill")} == {1}


def test_6_own_order_is_skipped_then_ended(example):
    run = example("block-06")
    enters, changes = len(run.sent) - 1, len(run.sent)
    assert run.all("fill", seq=enters) == run.all("done", seq=enters) == []
    fills = taken(run, seq=changes)
    assert legs(fills) == [(14, 200, 8), (15, 210, 8), (16, 220, 8)]
    assert 8 * 620 < cost(fills) == 5040 == 8 * 630
    (own,) = run.all("done")
    assert (own["account"], own["reason"], own["px"], own["qty"], own["seq"]) == ("bob", "stp", 190, 4, changes)
    assert run.events.index(own) < run.events.index(fills[-1]), "before the fill behind it"


def test_7_crossed_blocks_of_other_sizes_do_not_trade(example):
    run = example("block-07")
    buy, sell = run.sent[-2:]
    assert buy["limit_total"] > sell["limit_total"]
    assert run.all("fill") == run.all("done") == []
    assert run.rest_of("bob", 1) == (8, ["F1"])
    assert run.rest_of("cat", 1) == (5, ["F1"])


def test_8_closing_call_of_the_first_window_ends_it(example):
    run = example("block-08")
    assert run.engine.now_ns == FIRST * HOUR_NS - 1_200 * 10**9
    (done,) = run.all("done")
    assert (done["reason"], done["qty"], done["cum"], done["hours"]) == ("gate", 8, 0, 3)
    assert [(event["phase"], event["start"]) for event in run.all("phase")] == [("preclose", FIRST)] * 2
    assert run.all("fill") == []


def test_9_rest_is_pinned_to_its_fabric(example):
    run = example("block-09")
    places, fills = len(run.sent) - 2, taken(run)
    first = [fill for fill in fills if fill["seq"] == places]
    assert legs(first) == [(14, 200, 4), (15, 210, 4), (16, 190, 4)]
    assert (cost(first), {(fill["fabric"], fill["leaves"]) for fill in first}) == (2400, {("F1", 4)})
    assert 198 + 214 + 202 == 614 <= 620, "F2 would do for what is left, and more so after the next command"
    assert run.all("fill", seq=places + 1) == run.all("fill", fabric="F2") == []
    later = [fill for fill in fills if fill["seq"] == places + 2]
    assert legs(later) == [(14, 200, 4), (15, 210, 4), (16, 205, 4)]
    assert (cost(later), {fill["fabric"] for fill in later}) == (2460, {"F1"})
    assert {fill["match_id"] for fill in later} == {2}


def test_9_rest_has_a_scope_of_one_fabric(example):
    assert example("block-09", without=1).rest_of("bob", 1) == (4, ["F1"])


def test_10_halted_leg_suspends_and_resume_trades(example):
    run = example("block-10")
    phases = [(event["phase"], event["seq"]) for event in run.all("phase")]
    assert [phase for phase, _ in phases] == ["halted", "volatility", "continuous"]
    resumed = phases[-1][1]
    assert resumed == len(run.sent)
    assert all(event["seq"] == resumed for event in run.all("fill"))
    fills = taken(run)
    assert legs(fills) == [(14, 200, 8), (15, 210, 8), (16, 180, 8)]
    assert cost(fills) == 4720 <= 8 * 600
    assert taken(run, "dan") == [], "bob's block has kept the earlier sequence"
    assert run.rest_of("dan", 1) == (8, ["F1"])


# Calls, and the life of a window.


def test_call_trades_1000_at_639(example):
    run = example("call")
    trades = run.all("trade")
    assert [(trade["px"], trade["qty"], trade["call"]) for trade in trades] == [(639, 500, True)] * 2
    last = run.all("indicative")[-1]
    assert [last[name] for name in ("px", "qty", "surplus_side", "surplus")] == [639, 1000, "buy", 500]
    assert [fill["ref"] for fill in run.all("fill", account="bob")] == [1, 2], "price, then time"


def test_window_from_its_listing_to_its_settlement(example):
    run = example("gate")
    (refused,) = run.all("reject")
    assert refused["reason"] == "NO_CAPACITY"
    phases = [event["phase"] for event in run.all("phase", fabric="F1", start=FIRST)]
    assert phases == ["preclose", "gated", "balancing", "delivering", "delivering", "settled"]
    (bought,) = run.all("bought_in")
    assert [bought[name] for name in ("account", "qty", "uncovered")] == ["dan", 2, 0]
    assigned = run.all("assigned")
    assert [(event["start"] - FIRST, event["account"], event["node"], event["qty"]) for event in assigned] == [
        (0, "bob", 0, 3), (0, "ann", 0, 3), (0, "eve", 3, 2), (0, "ann", 3, 2), (1, "bob", 0, 3), (1, "ann", 0, 3),
    ]  # fmt: skip
    bought_for_others = run.all("trade", balance=True)
    assert [(trade["fabric"], trade["px"], trade["qty"]) for trade in bought_for_others] == [
        ("F1", 205, 2), ("F1", 250, 2), ("F2", 240, 1),
    ]  # fmt: skip
    perished = run.all("perished")
    assert [(event["fabric"], event["qty"], event["certified"]) for event in perished] == [("F1", 1, 8), ("F2", 3, 4)]
