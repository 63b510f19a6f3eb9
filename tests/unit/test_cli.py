"""The command line: what it prints, and that an error is one line and a documented exit code."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from waiting import says_something

from exchange import commands
from exchange.engine import Engine
from exchange.reference.core import ReferenceCore
from gateway.cli import SUBCOMMANDS, main
from gateway.commands_serve import SETUP_COMMANDS, read_setup
from gateway.failures import Failure
from gateway.journal import Journal
from gateway.journal.layout import segment_paths
from gateway.sequencer import Sequencer

ROOT = Path(__file__).parent.parent.parent
SETUP = """\
{"t":"add_product","product":"H100","lot_scu":8,"tick_micros":1000,"fabrics":["f1"]}
{"t":"add_account","account":"ann"}
{"t":"list_window","product":"H100","start":2000000}
"""
PLACE = (
    '{"t":"place","account":"ann","ref":1,"product":"H100","fabric":"f1","start":2000000,"side":"buy","px":5,"qty":2}\n'
)


def run(*arguments, stdin=None):
    return CliRunner().invoke(main, [str(argument) for argument in arguments], input=stdin)


@pytest.fixture
def journal(tmp_path):
    """A directory with a journal: ten commands, and the hash of a clean stop."""

    class Nobody:
        def publish(self, *_):
            pass

    async def write():
        log = Journal(tmp_path / "journal", segment_bytes=64 * 1024)
        engine = Engine(ReferenceCore())
        log.start()
        sequencer = Sequencer(engine, log, Nobody(), lambda: 1_795_392_000_000_000_000, tick_ms=1_000_000)
        sequencer.start()
        sequencer.submit(commands.add_product("H100", 8, 1000, ["f1"]) + commands.add_account("ann"))
        sequencer.submit(commands.add_account("bob") + commands.list_window("H100", 2_000_000, count=2))
        for ref in range(1, 6):
            sequencer.submit(commands.place(1 + ref % 2, ref, 1, ref % 2, 100, 5))
        await sequencer.stop()
        log.close()

    asyncio.run(write())
    return tmp_path / "journal"


def test_help_names_every_subcommand_and_exit_code():
    result = run("--help")
    assert result.exit_code == 0
    assert all(name in result.output for name in SUBCOMMANDS if name != "demo")
    assert all(f"  {code} " in result.output for code in (0, 1, 2, 65, 66, 69, 70, 75, 78))


@pytest.mark.parametrize("name", [name for name in SUBCOMMANDS if name != "demo"])
def test_help_of_every_subcommand_has_an_example(name):
    result = run(name, "--help")
    assert result.exit_code == 0
    assert "Example" in result.output or name == "keys"


def test_apply_prints_events_and_goes_on_after_a_bad_line():
    result = run("apply", "-", "--reference", stdin=SETUP + "nonsense\n\n" + PLACE)
    lines = [json.loads(line) for line in result.output.splitlines()]
    assert result.exit_code == 0
    assert [line["t"] for line in lines] == ["ack", "ack", "ack", "instrument", "error", "ack", "level"]
    reason = "the line must be one JSON object: Expecting value: line 1 column 1 (char 0)"
    assert lines[4] == {"t": "error", "line": 4, "reason": reason}
    assert lines[5]["seq"] == 4


def test_apply_names_an_unknown_account():
    result = run("apply", "-", "--reference", stdin=SETUP + PLACE.replace("ann", "eve"))
    assert json.loads(result.output.splitlines()[-1])["account"] == "eve"


def test_apply_of_a_missing_file_is_a_usage_error(tmp_path):
    result = run("apply", tmp_path / "nothing.jsonl")
    assert result.exit_code == 2
    assert "No such file" in result.output


def test_replay_verifies_noted_hashes(journal):
    result = run("replay", journal, "--verify", "--json", "--reference")
    report = json.loads(result.output)
    assert result.exit_code == 0
    assert (report["seq"], report["commands"], report["hashes_verified"], report["mismatch"]) == (10, 10, 1, None)
    assert len(report["state_hash"]) == 64
    assert "all match" in run("replay", journal, "--verify", "--reference").output


def test_replay_until_seq_and_time(journal):
    assert json.loads(run("replay", journal, "--until", 6, "--json", "--reference").output)["seq"] == 6
    assert json.loads(run("replay", journal, "--until", "2026-11-22", "--json", "--reference").output)["seq"] == 0
    assert (
        json.loads(run("replay", journal, "--until", "2026-11-24T01:00Z", "--json", "--reference").output)["seq"] == 10
    )
    assert run("replay", journal, "--until", "teatime", "--reference").exit_code == 2


def test_replay_with_a_wrong_hash_exits_1(tmp_path):
    log = Journal(tmp_path, segment_bytes=64 * 1024)
    log.start()
    log.append(1, 0, 1, commands.time(5))
    log.note_hash(0, "00" * 32)
    log.close()
    result = run("replay", tmp_path, "--verify", "--reference")
    assert result.exit_code == 1
    assert result.output.splitlines()[-1].startswith("hourglass: the state after command 1 must have the hash 0000")
    assert run("replay", tmp_path, "--reference").exit_code == 0


def test_damaged_journal_exits_65_with_the_place(journal):
    segment = segment_paths(journal)[0]
    data = bytearray(segment.read_bytes())
    data[600] ^= 1
    segment.write_bytes(data)
    for command in ("replay", "journal"):
        result = run(command, journal)
        assert result.exit_code == 65
        last = result.output.splitlines()[-1]
        assert last.startswith("hourglass: 00000000000000000001.hgj at offset 512: ")
        assert "Traceback" not in result.output


@pytest.mark.parametrize("command", ["replay", "journal"])
def test_missing_journal_exits_66(tmp_path, command):
    result = run(command, tmp_path, *(["--reference"] if command == "replay" else []))
    assert (result.exit_code, result.output) == (66, f"hourglass: {tmp_path} holds no journal\n")


def test_file_in_the_journals_place_exits_66(tmp_path):
    pytest.importorskip("ext.core", reason="ext.core is not built", exc_type=ImportError)
    (tmp_path / "file").write_text("")
    result = run("serve", "--journal", tmp_path / "file")
    assert result.exit_code == 66
    assert result.output.startswith("hourglass: ")
    assert len(result.output.splitlines()) == 1


def test_journal_prints_commands_by_name(journal):
    result = run("journal", journal, "--from", 6, "--to", 7)
    assert result.exit_code == 0
    header, first, second = result.output.splitlines()
    assert header.split() == ["seq", "time", "(UTC)", "command", "account", "fields"]
    assert first.split()[:4] == ["6", "2026-11-23T00:00:00.000000000Z", "place", "bob"]
    assert "product=H100 fabric=f1 start=2000000 side=sell px=100 qty=5" in first
    assert second.split()[3] == "ann"


def test_journal_of_one_account(journal):
    result = run("journal", journal, "--account", "ann", "--json")
    assert [json.loads(line)["t"] for line in result.output.splitlines()] == ["add_account", "place", "place"]


def test_journal_as_json_can_be_applied_again(journal):
    printed = run("journal", journal, "--json").output
    events = run("apply", "-", "--reference", stdin=printed)
    assert events.exit_code == 0
    assert '"t":"error"' not in events.output
    assert events.output.count('"t":"fill"') == 4


def test_keys_are_made_and_listed(tmp_path):
    path = tmp_path / "keys.json"
    made = run("keys", "new", "ann", "--scope", "read", "--keys", path)
    assert made.exit_code == 0
    key_id, secret = made.output.strip().split(":")
    assert len(secret) == 64
    listed = run("keys", "list", "--keys", path)
    assert listed.output.split() == [key_id, "ann", "read"]
    assert secret not in listed.output


@pytest.mark.parametrize("arguments", [("list",), ("new", "ann", "--scope", "everything")])
def test_keys_that_cannot_be_used_exit_78(tmp_path, arguments):
    result = run("keys", *arguments, "--keys", tmp_path / "keys.json")
    assert result.exit_code == 78
    assert result.output.startswith("hourglass: ")


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("port = 'x'", 78),
        ("host = 5", 78),
        ("harbour = 1", 78),
        ("durability = 'tape'", 78),
        ("not toml", 78),
        ("journal = 'j'\n[limits]\nshoe_size = 44", 78),
        ("journal = 'j'\n[limits]\nheartbeat_ms = 1", 78),
        ("", 2),
    ],
)
def test_configuration_that_cannot_be_used_is_told(tmp_path, monkeypatch, content, code):
    pytest.importorskip("ext.core", reason="ext.core is not built", exc_type=ImportError)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.toml").write_text(content)
    result = run("serve", "--config", "c.toml")
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    assert not (tmp_path / "j").exists()


def test_setup_is_tried_before_anything_is_journalled(tmp_path):
    path = tmp_path / "setup.jsonl"
    for lines, complaint in [
        (SETUP + PLACE, f"line 4: t must be one of {', '.join(SETUP_COMMANDS)}, was 'place'"),
        (SETUP + '{"t":"add_account","account":"ann"}', "line 4: refused, NAME_IN_USE"),
        (SETUP + "{", "line 4: the line must be one JSON object"),
    ]:
        path.write_text(lines)
        with pytest.raises(Failure, match=complaint):
            read_setup(path, Engine(ReferenceCore()), 0)
    path.write_text(SETUP)
    engine = Engine(ReferenceCore())
    engine.apply_count(read_setup(path, Engine(ReferenceCore()), 0), 0)
    assert (engine.seq, engine.catalogue.account_number("ann")) == (3, 1)


def test_example_of_a_venue_is_accepted_line_by_line():
    engine = Engine(ReferenceCore())
    now_ns = time.time_ns()
    engine.apply_count(read_setup(ROOT / "docs" / "examples" / "venue.jsonl", Engine(ReferenceCore()), now_ns), now_ns)
    catalogue = engine.catalogue
    assert {product.rolling_hours for product in catalogue.products} == {168}
    far, rolled = (len(catalogue.windows(number)) for number in (1, 2))
    assert (far - rolled, rolled in (166, 167)) == (24, True), "the next window's gate may have closed"
    assert engine.nodes.providers == {(1, 0): [4], (1, 1): [5]}


class Served:
    """A venue in a process of its own."""

    def __init__(self, directory, *options, setup=SETUP):
        (directory / "setup.jsonl").write_text(setup)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "gateway.cli", "serve", "--journal", str(directory / "journal"),
             "--setup", str(directory / "setup.jsonl"), "--port", "0", *options],
            cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        self.banner = self.process.stdout.readline() if says_something(self.process.stdout, 20) else ""

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        output, _ = self.process.communicate(timeout=20)
        return self.process.returncode, output


def test_serve_sets_up_once_stops_cleanly_and_replays(tmp_path):
    pytest.importorskip("ext.core", reason="ext.core is not built", exc_type=ImportError)
    venue = Served(tmp_path)
    assert venue.banner.startswith("hourglass serves http://127.0.0.1:")
    assert "durability disk: nothing is told before it is on disk" in venue.banner
    code, output = venue.stop()
    assert code == 0
    again = Served(tmp_path, "--durability", "memory")
    assert "SURVIVE THIS PROCESS, NOT THE MACHINE" in again.banner
    code, again_output = again.stop(signal.SIGINT)
    assert code == 0
    report = json.loads(run("replay", tmp_path / "journal", "--verify", "--json").output)
    assert report["hashes_verified"] == 2
    assert again_output.split()[-1] == report["state_hash"] != output.split()[-1]
    kinds = [json.loads(line)["t"] for line in run("journal", tmp_path / "journal", "--json").output.splitlines()]
    assert kinds.count("add_account") == kinds.count("set_seed") == 1


def test_serve_lists_the_windows_that_come_into_sight_once(tmp_path):
    pytest.importorskip("ext.core", reason="ext.core is not built", exc_type=ImportError)
    setup = SETUP.replace('"fabrics":["f1"]', '"fabrics":["f1"],"rolling_hours":100')
    for _ in range(2):
        venue = Served(tmp_path, setup=setup)
        assert venue.stop()[0] == 0
    lines = [json.loads(line) for line in run("journal", tmp_path / "journal", "--json").output.splitlines()]
    rolled = {line["at_ns"] // 3_600_000_000_000 for line in lines if line["t"] == "roll_windows"}
    assert 1 <= len(rolled) == [line["t"] for line in lines].count("roll_windows")
    assert lines[0]["t"] == "set_seed" or lines[1]["t"] == "set_seed"


def test_second_venue_on_a_journal_exits_75(tmp_path):
    pytest.importorskip("ext.core", reason="ext.core is not built", exc_type=ImportError)
    venue = Served(tmp_path)
    second = Served(tmp_path)
    assert "is in use by another process" in second.banner
    assert second.process.wait(20) == 75
    second.process.stdout.close()
    assert venue.stop()[0] == 0
