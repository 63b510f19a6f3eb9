"""The benchmarks run, on tiny inputs, and print what they promise; how fast is not a test's business."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench.compare import Gate, factor
from bench.harness import UNITS, print_table

ROOT = Path(__file__).resolve().parents[2]
NAMES = {
    "book.mixed": "ns", "book.deep": "ns", "book.cliffs": "ns", "apply.mixed": "ns", "apply.deep": "ns",
    "apply.bytes": "ns", "books.sparse": "ns", "replay.rate": "ns", "gateway.100x1": "us", "gateway.10x64": "us",
    "gateway.batch32": "us", "gateway.quotes": "us", "gateway.tls": "us", "gateway.fanout1": "us",
    "gateway.fanout10": "us", "gateway.stuck": "rate_ratio", "gateway.openloop": "ms", "gateway.idle": "mib",
    "gateway.logins": "seconds", "blocks.idle": "ns", "blocks.decide": "ns", "blocks.mixed": "ns", "gate.close": "ns",
    "margin.scan": "ns", "risk.check": "ns", "default.unit": "ns", "default.provider": "ns", "replay.clearing": "ns",
    "gateway.bots": "us",
}  # fmt: skip
BASELINE = {"gateway.stuck": "baseline_orders_per_s"}  # Of the others it is in the figure's unit.
WITHOUT_BASELINE = {"gateway.logins"}
# What rows of the gateway have besides: ratios to what ran beside them, and what must be so.
GATEWAY = {
    "gateway.100x1": {"user_us", "ratio_c_echo", "ratio_aiohttp_echo", "aiohttp_echo_us"},
    "gateway.10x64": {"user_us", "ratio_c_echo", "ratio_aiohttp_echo", "aiohttp_echo_us"},
    "gateway.batch32": {"user_us", "ratio_c_echo", "ratio_aiohttp_echo", "aiohttp_echo_us"},
    "gateway.quotes": {"user_us", "ratio_c_echo", "ratio_aiohttp_echo", "aiohttp_echo_us"},
    "gateway.tls": {"user_us", "ratio_plaintext"},
    "gateway.bots": {"user_us", "ratio_aiohttp_echo"},
    "gateway.fanout1": {"user_us", "ratio_c_echo", "us_50", "ratio_c_echo_50"},
    "gateway.fanout10": {"user_us", "ratio_c_echo", "us_50", "ratio_c_echo_50"},
    "gateway.stuck": {"rate_ratio", "mib_per_stuck", "mib_per_stuck_private", "orders_per_s"},
    "gateway.openloop": {"p50_ms", "p99_ms", "p999_ms", "max_ms", "lost", "curve", "c_echo"},
    "gateway.idle": {"kib_per_session"},
    "gateway.logins": {"seconds_max", "us"},
}


def bench(*arguments):
    command = [sys.executable, "-m", "bench", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def rows():
    done = bench("--small", "--json")
    assert done.returncode == 0, done.stderr
    return {row["name"]: row for row in map(json.loads, done.stdout.splitlines())}


def test_every_benchmark_runs(rows):
    assert set(rows) >= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_row_has_figure_hash_and_conditions(rows, name):
    row, unit = rows[name], NAMES[name]
    assert row[unit] > 0
    assert len(row["hash"]) == 16
    assert {"cpu", "cores", "python", "commit"} <= set(row["conditions"])
    if name not in WITHOUT_BASELINE:
        assert row["ratio"] > 0
        assert row[BASELINE.get(name, f"baseline_{unit}")] > 0


@pytest.mark.parametrize("name", GATEWAY)
def test_row_of_the_gateway_has_what_ran_beside_it(rows, name):
    row = rows[name]
    assert set(row) >= GATEWAY[name]
    # User time is counted in ticks of 10 ms: of something small there may be none.
    assert all(row[key] > 0 for key in row if key.startswith(("ratio", "us_")) or key == "us")
    assert row.get("user_us", 0) >= 0


def test_no_order_is_lost_at_a_fixed_rate(rows):
    row = rows["gateway.openloop"]
    assert row["lost"] == row["c_echo"]["lost"] == 0
    assert row["p50_ms"] <= row["p99_ms"] <= row["p999_ms"] <= row["max_ms"]
    assert [part for part, _ in row["curve"]] == sorted(part for part, _ in row["curve"])
    assert row["curve"][-1][1] <= row["max_ms"] + 0.001


def test_results_depend_on_the_seed_alone(rows):
    again = bench("--small", "--json", "book.mixed", "apply.mixed", "gateway.batch32", "gateway.fanout10")
    hashes = {row["name"]: row["hash"] for row in map(json.loads, again.stdout.splitlines())}
    assert hashes == {name: rows[name]["hash"] for name in hashes}


def test_table_is_for_people():
    done = bench("--small", "book.mixed")
    assert done.returncode == 0, done.stderr
    assert "std::map" in done.stdout


def test_table_has_a_line_for_every_unit(capsys):
    """Rows as they are, without running them again."""
    named = {"name": "n", "hash": "0" * 16, "conditions": {"cpu": "c"}}
    print_table(iter([named | {unit: 1.5, f"baseline_{unit}": 2} for unit in UNITS]))
    shown = capsys.readouterr().out
    assert all(unit.split("_per_")[0] in shown for unit in UNITS)


def test_unknown_name_is_refused():
    done = bench("book.nothing")
    assert done.returncode == 2
    assert "unknown benchmark book.nothing" in done.stderr


# Against an earlier run.


@pytest.mark.parametrize(
    ("user_us", "before", "expected"), [(1.1, 1.0, 1.1), (0.5, 1.0, 0.5), (1.0, None, None), (None, 1.0, None)]
)
def test_rows_are_compared_by_cpu_in_user_space(user_us, before, expected):
    assert factor({"user_us": user_us} if user_us else {}, {"user_us": before} if before else {}) == expected


def test_slower_rows_are_named(capsys):
    gate = Gate({"a": {"user_us": 1.0}, "b": {"user_us": 1.0}, "c": {}})
    rows = [{"name": "a", "user_us": 1.05}, {"name": "b", "user_us": 1.2}, {"name": "c", "us": 3}, {"name": "d"}]
    assert list(gate.watch(iter(rows))) == rows
    assert gate.slower == ["b"]
    assert capsys.readouterr().err == "a: 1.05 x the user-space CPU\nb: 1.2 x the user-space CPU, slower\n"


def test_a_file_that_is_no_run_is_refused(tmp_path):
    (tmp_path / "run.jsonl").write_text("[1]\n")
    done = bench("--against", str(tmp_path / "run.jsonl"), "book.mixed")
    assert done.returncode == 2
    assert "must have one JSON object" in " ".join(done.stderr.replace("│", " ").split())
