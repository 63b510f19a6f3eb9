"""`hourglass apply --journal`: what was applied is a journal."""

import json

import pytest
from click.testing import CliRunner
from reports_venue import E7, frames_of_e7, run

from exchange.records import EventType
from gateway import jsonlines_out
from gateway.cli import main
from gateway.journal.layout import segment_paths

LINES = """\
{"t":"add_product","product":"H100","lot_scu":8,"tick_micros":1000,"fabrics":["f1"]}
nonsense
{"t":"add_account","account":"ann"}
{"t":"time","ts_ns":5000}
{"t":"quote","account":"ann","ref":1,"legs":[]}
{"t":"deposit","account":"ann","micros":7}
"""


def apply(directory, lines=LINES, *arguments):
    return CliRunner().invoke(main, ["apply", "-", "--journal", str(directory), *arguments], input=lines)


@pytest.mark.parametrize("arguments", [(), ("--reference",)])
def test_what_was_applied_is_a_journal(tmp_path, arguments, request):
    if not arguments:
        request.getfixturevalue("compiled_core")
    result = apply(tmp_path / "new", LINES, *arguments)
    assert result.exit_code == 0
    assert [json.loads(line)["t"] for line in result.output.splitlines()] == [
        "ack", "error", "ack", "error", "ack", "account",
    ]  # fmt: skip
    printed = run("journal", tmp_path / "new", "--json").output.splitlines()
    assert [(json.loads(line)["t"], json.loads(line)["at_ns"]) for line in printed] == [
        ("add_product", 0), ("add_account", 0), ("time", 0), ("deposit", 5_000),
    ]  # fmt: skip
    report = json.loads(run("replay", tmp_path / "new", "--verify", "--json", "--reference").output)
    assert (report["seq"], report["hashes_verified"], report["mismatch"]) == (4, 1, None)


def test_a_journal_is_never_added_to(tmp_path):
    assert apply(tmp_path, LINES, "--reference").exit_code == 0
    before = [path.read_bytes() for path in segment_paths(tmp_path)]
    again = apply(tmp_path, LINES, "--reference")
    assert (again.exit_code, again.output) == (
        2, f"hourglass: {tmp_path} holds a journal already, and is left as it is\n",
    )  # fmt: skip
    assert [path.read_bytes() for path in segment_paths(tmp_path)] == before


def test_the_example_of_a_default_is_applied(tmp_path, compiled_core):
    if EventType.INDEX not in jsonlines_out._EVENT_FIELDS:
        pytest.skip("the index has no line yet")
    result = run("apply", E7, "--journal", tmp_path / "e7")
    told = [json.loads(line) for line in result.output.splitlines()]
    assert result.exit_code == 0
    assert [line for line in told if line["t"] in ("error", "reject")] == []
    assert [line["kind"] for line in told if line["t"] == "default"] == ["unit", "provider", "closed", "closed"]
    _, engine = frames_of_e7()
    report = json.loads(run("replay", tmp_path / "e7", "--verify", "--json").output)
    assert (report["state_hash"], report["hashes_verified"]) == (engine.state_hash(), 1)
