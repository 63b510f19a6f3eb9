"""The demonstration: it proves that its journal replays, draws its demand from a seed, and tells bad files by name."""

import csv
import gzip
import itertools
import json
import os
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from exchange.units import HOUR_NS, NS_PER_SECOND, window_id, window_text
from gateway.cli import main
from gateway.demo import clock
from gateway.demo.blocks import PLANS, first_window, rest_of
from gateway.demo.demand import HOURS_MAX, TRACE_FILE, TraceError, drawn_jobs, hours_of, open_trace, traced_jobs
from gateway.demo.figures import NodeRun, owners
from gateway.demo.tape import Message, TapeError, read_tape
from gateway.demo.view import pick

ROOT = Path(__file__).parent.parent.parent
TRACE = ROOT.parent / "shared" / "data" / "alibaba-gpu-v2023"
TAPE = ROOT.parent / "shared" / "data" / "lobster-aapl"
COLUMNS = ("name", "creation_time", "deletion_time", "num_gpu")
HASH = re.compile(r"[0-9a-f]{64}")


def demonstrate(*arguments, seconds=3):
    return subprocess.run(
        [sys.executable, "-m", "gateway.cli", "demo", "--plain", "--seconds", str(seconds), *map(str, arguments)],
        cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "150"}, capture_output=True, text=True,
        timeout=60,
    )  # fmt: skip


@pytest.mark.usefixtures("compiled_core")
def test_demo_proves_that_its_journal_replays(tmp_path):
    tapes = sorted(TAPE.glob("*message_50.csv.gz"))
    more = ["--lobster", tapes[0]] if tapes else []
    journal = tmp_path / "journal"
    result = demonstrate("--journal", journal, "--seed", 7, *more)
    assert (result.returncode, result.stderr) == (0, "")
    assert "The hashes are equal" in result.stdout
    live, replayed = HASH.findall(result.stdout)
    assert live == replayed
    rows = rows_of(result.stdout)
    assert rows["sum of all accounts, micro-dollars"] == "0"
    assert int(rows["orders sent (a quote leg is two)"].replace(",", "")) > 500
    assert int(rows["trades"].split(", ")[0].replace(",", "")) > 5
    if tapes:
        assert int(rows["messages of the tape"].replace(",", "")) > 50
    again = CliRunner().invoke(main, ["replay", str(journal), "--verify", "--json"])
    report = json.loads(again.output)
    assert (again.exit_code, report["state_hash"], report["mismatch"]) == (0, live, None)
    assert report["hashes_verified"] >= 1
    refused = demonstrate("--journal", journal)
    assert refused.returncode == 2
    assert "must be empty, but it has a journal" in refused.stderr


def rows_of(output):
    """The table at the end."""
    return {key.strip(): value.strip() for key, value in re.findall(r"│ (.+?) +│ (.+?) +│", output)}


@pytest.mark.usefixtures("compiled_core")
def test_demo_shows_a_day_bought_as_one_and_gates_that_close():
    result = demonstrate("--seed", 3, seconds=8)
    assert (result.returncode, result.stderr) == (0, "")
    days = re.findall(r"block  lab-fern 24h x 8 lots from \S+ in use1-f0[12]: average \$2\.\d+/SCU-hour, match \d+\n",
                      result.stdout)  # fmt: skip
    assert days, result.stdout
    assert re.search(r"  gate closed  \S+@\S+: nodes to lab-", result.stdout)
    rows = rows_of(result.stdout)
    assert int(rows["widest block fill"].split(" windows with one match id, ")[0]) >= 24
    assert re.search(r"\b24h: [1-9]", rows["blocks"])
    assert int(rows["gates closed"].split()[0]) >= 5
    assert int(rows["orders ended by gates"].replace(",", "")) > 0
    assert rows["sum of all accounts, micro-dollars"] == "0"
    live, replayed = HASH.findall(result.stdout)
    assert live == replayed


@pytest.mark.usefixtures("compiled_core")
def test_demo_shows_a_provider_that_dies_and_who_pays():
    result = demonstrate("--seed", 7, seconds=17)
    assert (result.returncode, result.stderr) == (0, "")
    told = result.stdout
    assert told.index("silent  provider-elm") < told.index("default  case 1 of provider-elm: unit")
    assert re.search(r"failed  provider-elm: 16 lots of \S+, last heard of at \d\d:\d\d:\d\d\n", told)
    assert re.search(r"substitute  lab-fern: \d+ lots of \S+ from provider-dogwood at \$\d\.\d+ \(fabric\)", told)
    assert re.search(r"paid  provider-elm: \$\d+\.\d\d from its bond\n", told)
    rows = rows_of(told)
    assert rows["nodes failed"] == "16 lots: 16 replaced, 0 refunded"
    assert rows["paid for it"].startswith("provider-elm, bond $40.00;")
    cost, own = (float(found.replace(",", "")) for found in re.findall(r"\$([\d,.]+\d)", rows["substitutes cost"]))
    assert 0 < own < cost
    assert rows["sum of all accounts, micro-dollars"] == "0"
    live, replayed = HASH.findall(told)
    assert live == replayed


def test_market_clock_runs_as_fast_as_it_is_told(monkeypatch):
    at = {"time_ns": 5 * HOUR_NS + 7, "monotonic_ns": 1_000}
    for name in at:
        monkeypatch.setattr(clock.time, name, lambda name=name: at[name])
    fast, real = clock.MarketClock(240), clock.MarketClock(1)
    assert (fast(), real()) == (5 * HOUR_NS + clock.START_S * NS_PER_SECOND, 5 * HOUR_NS + 7)
    at["monotonic_ns"] += 15 * NS_PER_SECOND
    assert (fast(), real()) == (6 * HOUR_NS + clock.START_S * NS_PER_SECOND, 5 * HOUR_NS + 7 + 15 * NS_PER_SECOND)


@pytest.mark.parametrize(
    ("start", "hours", "earliest", "rest"),
    [
        ("2026-11-27T14", 168, "2026-11-27T15", ("2026-11-28T00", 48)),
        ("2026-11-27T14", 24, "2026-11-27T15", ("2026-11-28T02", 12)),
        ("2026-11-27T14", 24, "2026-11-28T13", ("2026-11-28T13", 1)),
        ("2026-11-28T05", 168, "2026-11-27T15", ("2026-12-01T17", 84)),
    ],
)
def test_the_rest_of_a_block_is_its_weekend_or_its_second_half(start, hours, earliest, rest):
    found, length = rest_of(window_id(start), hours, window_id(earliest))
    assert (window_text(found), length) == rest


def test_weekend_block_begins_on_saturday_if_that_is_listed():
    day, weekend = PLANS["lab-fern"][0], PLANS["lab-grove"][1]
    friday, sunday = window_id("2026-11-27T14"), window_id("2026-11-29T01")
    assert window_text(first_window(friday, weekend, 0)) == "2026-11-28T00"
    assert first_window(sunday, weekend, 0) == sunday
    assert first_window(friday, day, 5) == friday + 5


def test_owners_of_nodes_are_told_by_node():
    assert owners([]) == "nobody has bought it"
    runs = [NodeRun(-1, 2, "b"), NodeRun(4, 1, "b"), NodeRun(0, 3, "b"), NodeRun(3, 1, "a")]
    assert owners(runs) == "nodes to b 0-2 4 (2 without a node), a 3"


def test_blocks_are_told_before_other_news_and_in_order():
    assert pick(["gate 1", "block 2", "gate 3", "block 4"], 3) == ["gate 1", "block 2", "block 4"]


def test_same_seed_draws_the_same_jobs():
    def first(seed):
        return list(itertools.islice(drawn_jobs(random.Random(seed)), 2_000))

    jobs = first(3)
    assert jobs == first(3)
    assert jobs != first(4)
    assert all(before.at_s <= after.at_s for before, after in itertools.pairwise(jobs))
    assert {job.gpus for job in jobs} >= {1, 8}
    assert all(0 <= job.hour < HOURS_MAX and 1 <= job.hours <= HOURS_MAX for job in jobs)
    assert 40 < len(jobs) / jobs[-1].at_s < 90, "about 60 jobs arrive in a second"


@pytest.mark.parametrize(("seconds", "hours"), [(0, 1), (3_600, 1), (3_601, 2), (10**9, HOURS_MAX)])
def test_a_job_takes_whole_windows(seconds, hours):
    assert hours_of(seconds) == hours


def trace_in(directory, *rows, columns=COLUMNS, opener=open):
    name = TRACE_FILE if opener is open else f"{TRACE_FILE}.gz"
    with opener(directory / name, "wt", newline="") as file:
        csv.writer(file).writerows([columns, *rows])
    return directory


@pytest.mark.parametrize("opener", [open, gzip.open])
def test_trace_is_read_plain_and_packed(tmp_path, opener):
    rows = [("a", 100, 4_000, 1), ("b", 50, 60, 8), ("c", 70, "", 2), ("d", 80, 90, 0)]
    directory = trace_in(tmp_path, *rows, opener=opener)
    assert open_trace(directory) == [(50, 10, 8), (100, 3_900, 1)]
    jobs = traced_jobs(directory)
    assert [(job.gpus, job.hour, job.hours) for job in jobs] == [(8, 0, 1), (1, 0, 2)]
    assert jobs[0].at_s == 0 < jobs[1].at_s


def test_trace_of_a_real_cluster_is_read():
    if not TRACE.exists():
        pytest.skip(f"{TRACE.name} is not beside the project")
    jobs = traced_jobs(TRACE)
    assert len(jobs) > 5_000
    assert 40 < len(jobs) / jobs[-1].at_s < 90


def test_trace_that_cannot_be_read_is_told(tmp_path):
    with pytest.raises(TraceError, match=f"must hold {TRACE_FILE} or "):
        open_trace(tmp_path)
    with pytest.raises(TraceError, match="at least 2 GPU jobs, was 1"):
        open_trace(trace_in(tmp_path, ("a", 1, 2, 1), ("b", 1, 2, 0)))
    with pytest.raises(TraceError, match="must have whole numbers in creation_time, deletion_time, num_gpu"):
        open_trace(trace_in(tmp_path, ("a", 1, "soon", 1)))
    with pytest.raises(TraceError, match="num_gpu"):
        open_trace(trace_in(tmp_path, ("a", 1, 2), columns=COLUMNS[:3]))
    with pytest.raises(TraceError, match="num_gpu"):
        open_trace(trace_in(tmp_path, ("a", 1, 2)))
    (tmp_path / TRACE_FILE).unlink()
    (tmp_path / f"{TRACE_FILE}.gz").write_bytes(b"not packed")
    with pytest.raises(TraceError, match="gzip"):
        open_trace(tmp_path)
    packed = gzip.compress(b"creation_time,deletion_time,num_gpu\n" + random.Random(1).randbytes(10_000).hex().encode())
    (tmp_path / f"{TRACE_FILE}.gz").write_bytes(packed[: len(packed) // 2])
    with pytest.raises(TraceError):
        open_trace(tmp_path)


LINES = b"34200.5,1,7,18,5853300,1\n34200.6,5,0,1,5853300,1\n34201.0,4,7,18,5853300,-1\n34201.5,7,0,0,-1,-1\n"
SPOILT = gzip.compress(random.Random(2).randbytes(999).hex().encode())
SPOILT = SPOILT[:40] + b"\xff" * 20 + SPOILT[60:]


@pytest.mark.parametrize(("name", "pack"), [("a.csv", bytes), ("a.csv.gz", gzip.compress)])
def test_tape_gives_what_happened_to_visible_orders(tmp_path, name, pack):
    (tmp_path / name).write_bytes(pack(LINES))
    assert list(read_tape(tmp_path / name)) == [
        Message(34200.5, 1, 7, 18, 58_533, True), Message(34201.0, 4, 7, 18, 58_533, False),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"34200.5,1,7,18,5853300,1\n34200.6,1,7\n", "line 2 must have six numbers"),
        (b"time,type,id,size,price,direction\n", "line 1 must have six numbers"),
        (b"34200.5,1,7,many,5853300,1\n", "line 1 must have six numbers"),
        (b"\xff\xfe\x00\x01\n", "a.csv"),
    ],
    ids=["short", "heading", "words", "binary"],
)
def test_tape_that_is_no_message_file_is_told(tmp_path, content, complaint):
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(TapeError, match=complaint):
        list(read_tape(tmp_path / "a.csv"))


NOT_PACKED = {"plain": b"not packed", "cut": gzip.compress(LINES * 999)[:60], "spoilt": SPOILT}


@pytest.mark.parametrize("content", NOT_PACKED.values(), ids=NOT_PACKED)
def test_tape_that_is_not_packed_is_told(tmp_path, content):
    (tmp_path / "a.csv.gz").write_bytes(content)
    with pytest.raises(TapeError, match=r"a\.csv\.gz"):
        list(read_tape(tmp_path / "a.csv.gz"))


@pytest.mark.parametrize(
    ("option", "content"),
    [("--trace", None), ("--lobster", b"nonsense\n"), ("--seconds", b"0"), ("--seed", b"x"), ("--speed", b"0")],
)
def test_options_that_cannot_work_are_usage_errors(tmp_path, option, content):
    if option == "--lobster":
        (tmp_path / "a.csv").write_bytes(content)
    value = {"--trace": tmp_path, "--lobster": tmp_path / "a.csv"}.get(option, (content or b"").decode())
    result = CliRunner().invoke(main, ["demo", option, str(value)])
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.output
