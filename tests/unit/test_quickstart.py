"""docs/quickstart.md does what it says: every command and every script of the page is run, in its order.

What stands for the reader's machine is replaced: `.venv/bin` by this interpreter, port 8080 by a free one; and the
bots run for a second. Also: docs/client.md says what the code says.
"""

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gateway import client
from gateway.client.recovery import COMES_BACK
from gateway.client.stages import NEXT_STAGES

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "quickstart.md").read_text()
CLIENT_PAGE = (ROOT / "docs" / "client.md").read_text()
START_S_MAX = 30
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PYTHON = shlex.quote(sys.executable)
NUMBERS = re.compile(r"\d[\d.]*")


def steps():
    """(language, content, output the page shows behind it or None) of every block that is a command or a script."""
    blocks = [(match[1], match[2]) for match in BLOCK.finditer(PAGE)]
    for number, (language, content) in enumerate(blocks):
        if language:
            follower = blocks[number + 1] if number + 1 < len(blocks) else ("sh", "")
            yield language, content, None if follower[0] else follower[1]


STEPS = list(steps())


def here(command):
    """A command of the page for this machine."""
    programs = {"hourglass": f"{PYTHON} -m gateway.cli", "python": PYTHON}
    command = re.sub(r"\.venv/bin/(hourglass|python)", lambda found: programs[found[1]], command)
    return re.sub(r"--seconds \d+", "--seconds 1", command.replace(" sandbox\n", " sandbox --port 0\n"))


def shape(text):
    """A text without its numbers, so that two runs can be compared."""
    return [re.sub(r"(\('#', #\)(, )?)+", "levels", NUMBERS.sub("#", line)) for line in text.splitlines()]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("quickstart")


@pytest.fixture(scope="module")
def environment():
    return os.environ | {"PYTHONPATH": str(ROOT)}


@pytest.fixture(scope="module")
def sandbox(place, environment, request):
    """The venue of step 2, as the page starts it."""
    pytest.importorskip("ext.core", reason="ext.core is not built", exc_type=ImportError)
    (command, shown) = next((content, shown) for _, content, shown in STEPS if " sandbox\n" in content)
    process = subprocess.Popen(
        ["sh", "-c", f"exec {here(command)}"], cwd=place, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    begun_s = time.monotonic()
    said = process.stdout.readline()
    yield said, shown, time.monotonic() - begun_s
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=20)
    assert (process.returncode, rest) == (0, "the sandbox is closed\n")


def shell(command, place, environment):
    """Run a command of the page in the second terminal, which has read sandbox.env."""
    return subprocess.run(
        ["sh", "-c", f". ./sandbox.env\n{command}"], cwd=place, env=environment, capture_output=True, text=True,
        timeout=60,
    )  # fmt: skip


def test_page_has_the_steps_it_should_have():
    assert [language for language, _, _ in STEPS].count("python") == 3
    assert len(STEPS) == 8
    first = next(content for language, content, _ in STEPS if language == "python")
    assert len([line for line in first.splitlines() if line]) <= 24


def test_first_step_is_a_target_of_the_makefile():
    assert STEPS[0][:2] == ("sh", "make ext\n")
    assert re.search(r"^ext:", (ROOT / "Makefile").read_text(), re.MULTILINE)


def test_sandbox_says_what_the_page_shows(sandbox, place):
    said, shown, took_s = sandbox
    assert shape(said) == shape(shown)
    assert took_s < START_S_MAX
    assert (place / "sandbox.env").stat().st_mode & 0o777 == 0o600


SCRIPTS = [(content, shown) for language, content, shown in STEPS if language == "python"]


@pytest.mark.parametrize("number", range(len(SCRIPTS)))
def test_scripts_print_what_the_page_shows(sandbox, place, environment, number):
    script, shown = SCRIPTS[number]
    (place / "script.py").write_text(script)
    if number == 0:  # The page saves the first one, and runs it by a command that is a step itself.
        (place / "first_order.py").write_text(script)
        command = next(content for _, content, _ in STEPS if "first_order.py" in content and "\n" in content)
        shown = next(shown for _, content, shown in STEPS if content == command)
    else:
        command = ".venv/bin/python script.py"
    result = shell(here(command), place, environment)
    assert (result.returncode, result.stderr) == (0, "")
    assert shape(result.stdout) == shape(shown)
    assert "bought 2 lots" in result.stdout or number != 0


BOTS = [line for _, content, _ in STEPS for line in content.splitlines() if "hourglass bot" in line]


@pytest.mark.parametrize("command", BOTS, ids=lambda command: command.split()[2])
def test_bots_run(sandbox, place, environment, command):
    result = shell(here(command), place, environment)
    assert (result.returncode, result.stderr) == (0, "")
    assert "L40S.NONE.cuda12.T1" in result.stdout


def test_every_block_was_run():
    rest = [
        content
        for language, content, _ in STEPS
        if language == "sh" and "hourglass bot" not in content and "first_order.py" not in content
    ]
    assert rest == ["make ext\n", ".venv/bin/hourglass sandbox\n", ". ./sandbox.env\n"]
    assert len(BOTS) == 3


@pytest.mark.parametrize("page", ["quickstart", "client"])
def test_links_lead_somewhere(page):
    path = ROOT / "docs" / f"{page}.md"
    links = re.findall(r"\]\(([^)#]+)\)", path.read_text())
    assert len(links) >= 2
    assert [link for link in links if not (path.parent / link).exists()] == []
    assert f"docs/{page}.md" in (ROOT / "README.md").read_text()


def rows(name):
    """The rows of a marked table of docs/client.md, without its head."""
    table = CLIENT_PAGE.split(f"<!-- {name} -->\n")[1].split("<!-- end -->")[0]
    return [[cell.strip() for cell in line.strip("|\n ").split("|")] for line in table.splitlines()[2:]]


def test_stages_are_those_of_the_code():
    table = {stage.value: ", ".join(each.value for each in type(stage) if each in then)
             for stage, then in NEXT_STAGES.items() if then}  # fmt: skip
    assert dict(rows("stages")) == table


def test_errors_are_those_of_the_code():
    errors = {name for name in client.__all__ if isinstance(made := getattr(client, name), type)
              and issubclass(made, client.HourglassError)}  # fmt: skip
    assert {row[0].strip("`") for row in rows("errors")} == errors


def test_codes_that_are_made_good_are_those_of_the_code():
    line = re.search(r"Codes that are made good: (.*?)\. Any other", CLIENT_PAGE, re.DOTALL)[1]
    assert {int(number) for number in re.findall(r"\b\d{4}\b", line)} == COMES_BACK
