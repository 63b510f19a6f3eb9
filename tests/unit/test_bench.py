"""The benchmarks run, on tiny inputs, and print what they promise; how fast is not a test's business."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NAMES = {
    "book.mixed": "ns", "book.deep": "ns", "book.cliffs": "ns", "apply.mixed": "ns", "apply.deep": "ns",
    "apply.bytes": "ns", "books.sparse": "ns", "replay.rate": "ns", "gateway.100x1": "us", "gateway.10x64": "us",
    "gateway.batch32": "us", "blocks.idle": "ns", "blocks.decide": "ns", "blocks.mixed": "ns", "gate.close": "ns",
    "margin.scan": "ns", "risk.check": "ns", "default.unit": "ns", "default.provider": "ns", "replay.clearing": "ns",
}  # fmt: skip


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
    assert row["ratio"] > 0
    assert row["echo_us" if unit == "us" else "baseline_ns"] > 0


def test_results_depend_on_the_seed_alone(rows):
    again = bench("--small", "--json", "book.mixed", "apply.mixed")
    hashes = {row["name"]: row["hash"] for row in map(json.loads, again.stdout.splitlines())}
    assert hashes == {name: rows[name]["hash"] for name in hashes}


def test_table_is_for_people():
    done = bench("--small", "book.mixed")
    assert done.returncode == 0, done.stderr
    assert "std::map" in done.stdout


def test_unknown_name_is_refused():
    done = bench("book.nothing")
    assert done.returncode == 2
    assert "unknown benchmark book.nothing" in done.stderr
