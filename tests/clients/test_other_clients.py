"""Clients that are not ours, in languages and libraries that are not ours, live through everything the page promises.

Each program in this directory is written from docs/protocol.md (and asyncapi.json) alone, runs as a process of its own
and prints what it saw. They fail by themselves where the venue does not keep its word.
"""

import ast
import json
import re
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from exchange_process import LOT_SCU, TAKER_FEE_PPM, TICK_MICROS

from exchange.reasons import RejectReason as R
from gateway.protocol import CloseCode

HERE = Path(__file__).parent
PROGRAMS = [HERE / "websockets_life.py", HERE / "npm" / "life.mjs", HERE / "npm" / "wire.mjs"]
DOCUMENT = HERE.parent.parent / "docs" / "wire" / "asyncapi.json"
LIFE_S_MAX = 60
INSTALL_S_MAX = 120
OUR_OWN = ("ext", "exchange", "gateway", "tests", "bench")


def settings_of(exchange, **more):
    """What a program is told of the venue."""
    with urllib.request.urlopen(f"{exchange.http}/v1/instruments", timeout=5) as response:
        symbol = json.load(response)["instruments"][0]["symbol"]
    keys = {account: exchange.key[account].text for account in ("ann", "bob")}
    return {"http": exchange.http, "ws": exchange.ws, "symbol": symbol, **keys, **more}


def lived(command, settings):
    """What a program saw; its own words where it failed."""
    done = subprocess.run([*command, json.dumps(settings)], capture_output=True, text=True, timeout=LIFE_S_MAX)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def check(seen, symbol):
    """Hold what a program saw against what the venue must have done."""
    assert (seen["offered"], seen["agreed"] or None) == ("permessage-deflate", None)
    assert seen["perms"] == 3
    assert seen["fee"] == 2 * 2450 * TICK_MICROS * LOT_SCU * TAKER_FEE_PPM // 1_000_000
    assert seen["rejects"][:4] == [R.QTY_LOT, R.NO_INSTRUMENT, R.NO_ORDER, R.MALFORMED]
    assert (seen["batch"], seen["missed"]) == (3, 1)
    assert seen["book"] == [[[2440, 3]], [[2450, 2], [2461, 1]]]
    assert seen["bob"] == [{"symbol": symbol, "inst": 1, "net": 5, "open_buy": 0, "open_sell": 0}]
    assert seen["closes"].pop("logout")[0] == CloseCode.NORMAL
    assert seen["closes"].pop("wrong_signature") == [CloseCode.AUTH, f"{R.AUTH:d} AUTH"]
    assert {name: code for name, (code, _) in seen["closes"].items()} == {
        "order_first": CloseCode.AUTH, "no_message": CloseCode.MALFORMED, "silence": CloseCode.HEARTBEAT,
        "taken_over": CloseCode.SUPERSEDED,
    }  # fmt: skip


def test_websockets_and_msgpack(exchange):
    pytest.importorskip("websockets", reason="websockets is not installed")
    settings = settings_of(exchange)
    # -I: neither this directory nor the project can be imported.
    check(lived([sys.executable, "-I", str(HERE / "websockets_life.py")], settings), settings["symbol"])


@pytest.fixture(scope="module")
def npm_directory(tmp_path_factory):
    """A directory with the npm program and what it needs, installed as its lock file says."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            pytest.skip(f"there is no {program}")
    directory = tmp_path_factory.mktemp("npm") / "life"
    shutil.copytree(HERE / "npm", directory)
    # Without a network npm tries for minutes, unless it is told not to.
    patience = ["--fetch-retries=1", "--fetch-retry-mintimeout=1000", "--fetch-timeout=20000"]
    command = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", *patience]
    try:
        done = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=INSTALL_S_MAX)
    except subprocess.TimeoutExpired:
        pytest.skip(f"npm ci took more than {INSTALL_S_MAX} s")
    if done.returncode:
        pytest.skip(f"npm ci cannot install: {done.stderr.strip().splitlines()[:1]}")
    return directory


@pytest.mark.parametrize("form", ["msgpack", "json"])
def test_ws_of_npm(exchange, npm_directory, form):
    settings = settings_of(exchange, form=form, asyncapi=str(DOCUMENT))
    check(lived(["node", str(npm_directory / "life.mjs")], settings), settings["symbol"])


def imported(path):
    """The modules a program names."""
    text = path.read_text()
    if path.suffix == ".mjs":
        return re.findall(r'^import .* from "([^"]+)";$', text, re.MULTILINE)
    nodes = list(ast.walk(ast.parse(text)))
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    return names + [node.module for node in nodes if isinstance(node, ast.ImportFrom)]


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.name)
def test_programs_know_nothing_of_the_project(path):
    names = imported(path)
    assert len(names) >= 2
    assert [name for name in names if name.split(".")[0] in OUR_OWN] == []


def test_the_lock_file_names_no_registry():
    lock = json.loads((HERE / "npm" / "package-lock.json").read_text())
    packages = {name: package for name, package in lock["packages"].items() if name}
    assert set(packages) == {"node_modules/@msgpack/msgpack", "node_modules/ws"}
    for package in packages.values():
        assert "resolved" not in package
        assert package["integrity"].startswith("sha512-")
    assert not (HERE / "npm" / "node_modules").exists()
