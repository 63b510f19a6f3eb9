"""docs/ccxt.md does what it says: its commands start a venue, its Python trades there, on a copy of the one file."""

import os
import re
import shlex
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from waiting import says_something

pytest.importorskip("ccxt", reason="ccxt is not installed", exc_type=ImportError)

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "ccxt.md").read_text()
COMMAND_S_MAX = 30
BOT_S_MAX = 60


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def shell_lines():
    """The commands of the page, without what is said about them."""
    (block,) = blocks("sh")
    return [shlex.split(line, comments=True) for line in block.splitlines()]


def hourglass(directory, arguments):
    """The command line of the venue, as a process that runs in the directory where the page's paths lead on."""
    return subprocess.Popen(
        [sys.executable, "-m", "gateway.cli", *arguments], cwd=directory, text=True, stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip


@pytest.fixture
def served(tmp_path):
    """What the shell lines of the page leave: a bot's directory, a key, and a venue's port."""
    (tmp_path / "my_bot").mkdir()
    for name in ("gateway", "docs"):
        (tmp_path / name).symlink_to(ROOT / name)
    install, copy, new_key, serve = shell_lines()
    assert install == ["pip", "install", "ccxt"]
    subprocess.run(copy, cwd=tmp_path, check=True, timeout=COMMAND_S_MAX)
    key, _ = hourglass(tmp_path, new_key[1:]).communicate(timeout=COMMAND_S_MAX)
    venue = hourglass(tmp_path, [*serve[1:], "--port", "0"])
    banner = venue.stdout.readline() if says_something(venue.stdout, COMMAND_S_MAX) else ""
    found = re.match(r"hourglass serves http://127\.0\.0\.1:(\d+) ", banner)
    assert found, banner
    try:
        yield tmp_path / "my_bot", key.strip(), found[1]
    finally:
        venue.terminate()
        venue.communicate(timeout=COMMAND_S_MAX)


def test_the_page_does_what_it_says(served):
    directory, key, port = served
    body = "\n".join(blocks("python"))
    for written, given in (("127.0.0.1:8080", f"127.0.0.1:{port}"), ('"id"', repr(key.partition(":")[0])),
                           ('"secret"})', f"{key.partition(':')[2]!r}}})")):  # fmt: skip
        assert body.count(written) >= 1
        body = body.replace(written, given, 1)
    program = f"import asyncio\n\nasync def main():\n{textwrap.indent(body, '    ')}\nasyncio.run(main())\n"
    (directory / "bot.py").write_text(program)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run([sys.executable, "bot.py"], cwd=directory, env=environment, capture_output=True, text=True,
                          timeout=BOT_S_MAX)  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert "open 3.0" in done.stdout
    assert "hourglass 215 FOK_UNFILLED" in done.stdout
