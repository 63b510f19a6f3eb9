"""The sandbox: what it leaves for the one who tries things, and what it says when it cannot start."""

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from test_server import run

from gateway.client import Phase, connect

ROOT = Path(__file__).parent.parent.parent


def sandbox(directory, *arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "gateway.cli", "sandbox", *map(str, arguments)],
        cwd=directory, env=os.environ | {"PYTHONPATH": str(ROOT)}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


@pytest.mark.usefixtures("compiled_core")
def test_sandbox_has_two_sides_in_the_coming_day_and_a_week_of_offers(tmp_path):
    journal, env = tmp_path / "journal", tmp_path / "mine.env"
    process = sandbox(tmp_path, "--port", 0, "--env", env, "--journal", journal)
    assert "your key is in" in process.stdout.readline()
    url, key = re.findall(r"^export HOURGLASS_(?:URL|KEY)=(.*)$", env.read_text(), re.MULTILINE)

    async def main():
        async with connect(url, key) as session:
            assert (await session.money()).available == 10**13
            for fabric in ("H100-SXM.IB400.cuda12.T1.use1-f01@", "L40S.NONE.cuda12.T1.euw1-f01@"):
                hours = [one for one in session.instruments if one.symbol.startswith(fabric)]
                hours = sorted((one for one in hours if one.state == Phase.CONTINUOUS), key=lambda one: one.start_ts)
                assert len(hours) >= 160
                books = await session.subscribe_books([one.inst for one in hours])
                assert all(book.best_ask for book in books[:160])
                for _ in range(100):
                    if all(book.best_bid for book in books[:20]):
                        break
                    await asyncio.sleep(0.05)
                assert all(book.best_bid for book in books[:20])

    run(main())
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=20)
    assert (process.returncode, said) == (0, "the sandbox is closed\n")
    again = sandbox(tmp_path, "--port", 0, "--journal", journal)
    said, _ = again.communicate(timeout=20)
    assert again.returncode == 2
    assert "must be empty" in said


@pytest.mark.usefixtures("compiled_core")
def test_sandbox_names_a_port_that_is_taken(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        process = sandbox(tmp_path, "--port", taken.getsockname()[1])
        said, _ = process.communicate(timeout=20)
    assert process.returncode == 78
    assert "choose another with --port" in said
    assert said.count("\n") == 1
    assert not (tmp_path / "sandbox.env").exists()
