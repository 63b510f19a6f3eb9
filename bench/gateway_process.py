"""Servers and the load generator as processes, and what a server's process costs."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from bench.gateway_messages import Frame, write_scripts
from bench.gateway_server import SECRET
from bench.harness import ROOT
from bench.native_c import program

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
TMPFS = "/dev/shm"
MIB = 1 << 20


class Usage(NamedTuple):
    """CPU seconds of all threads of a process: all of them, and those in user space."""

    cpu_s: float
    user_s: float


def usage(pid: int) -> Usage:
    """What a process has used. User time is counted in ticks of 10 ms, the sum in nanoseconds."""
    tasks = list(Path(f"/proc/{pid}/task").iterdir())
    total_ns = sum(int((task / "schedstat").read_text().split()[0]) for task in tasks)
    user = sum(int((task / "stat").read_text().rpartition(")")[2].split()[11]) for task in tasks)
    return Usage(total_ns / 1e9, user / TICKS_PER_S)


def memory_mib(pid: int, name: str = "VmRSS") -> float:
    """Resident memory of a process: now, or (VmHWM) the most it ever had."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 / MIB for line in lines if line.startswith(name))


def forget_peak(pid: int) -> None:
    """Have the peak of a process's memory (VmHWM) begin anew."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def journal_directories() -> dict[str, str]:
    """Where the venue's journal goes: the first place gives the figure."""
    if chosen := os.environ.get("HOURGLASS_BENCH_JOURNAL"):
        return {chosen: chosen}
    tmpfs = {"tmpfs": TMPFS} if os.access(TMPFS, os.W_OK) else {}
    return tmpfs | {"disk": str(ROOT)}


class Process:
    """A child that speaks in lines; leaving it closes its standard input, which ends it."""

    def __init__(self, command: list[str]) -> None:
        self._name = command[0] if len(command) < 3 else " ".join(command[:3])
        self._complaints = tempfile.TemporaryFile("w+")  # A pipe that nobody reads would stop it.
        self._child = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._complaints, text=True
        )
        self.pid = self._child.pid

    def line(self) -> str:
        """Read its next line. Raises RuntimeError with what it complained of when it has ended."""
        line = self._child.stdout.readline()
        if not line:
            self._child.wait(timeout=60)
            self._complaints.seek(0)
            raise RuntimeError(f"{self._name} ended: {self._complaints.read().strip()}")
        return line.strip()

    def say(self, line: str) -> None:
        self._child.stdin.write(line + "\n")
        self._child.stdin.flush()

    def end(self) -> str:
        """Its last words."""
        return self._child.communicate(timeout=60)[0].strip()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        if self._child.poll() is None:
            self._child.kill() if error else self._child.stdin.close()
        self._child.wait(timeout=60)
        for pipe in (self._child.stdin, self._child.stdout, self._complaints):
            pipe.close()


class Server(Process):
    """A server that has said its port: the venue, stock aiohttp, or the floor in C."""

    @classmethod
    def python(cls, kind: str, **options: Any) -> Self:
        """``venue`` or ``echo`` of `bench.gateway_server`, with its options."""
        return cls([sys.executable, "-m", "bench.gateway_server", json.dumps({"kind": kind, **options})])

    @classmethod
    def floor(cls, *words: object) -> Self:
        """`cecho` with its arguments."""
        return cls([str(program("cecho")), *map(str, words)])

    def __init__(self, command: list[str]) -> None:
        super().__init__(command)
        try:
            self.port = int(self.line())
        except RuntimeError:
            self.__exit__(None, None, None)
            raise

    def usage(self) -> Usage:
        return usage(self.pid)


class Load(Process):
    """The load generator, with its sessions ready when it is made."""

    def __init__(
        self, scenario: str, server: Server, scripts: Iterable[list[Frame]] = (), **options: object
    ) -> None:
        given = {"port": server.port, "secret": SECRET.hex(), **options}
        with tempfile.NamedTemporaryFile(prefix="hourglass-frames-") as file:
            write_scripts(Path(file.name), scripts)
            words = [f"{name}={int(value) if isinstance(value, bool) else value}" for name, value in given.items()]
            super().__init__([str(program("loadgen")), scenario, *words, f"frames={file.name}"])
            try:
                ready = self.line()
            except RuntimeError:
                self.__exit__(None, None, None)
                raise
        assert ready == "ready", ready

    def go(self) -> dict[str, Any]:
        """Do it; the result."""
        self.say("go")
        return json.loads(self.line())


class Sample(NamedTuple):
    """One run of a scenario: what the server used for it, what the generator saw, the hash of what came of it."""

    cpu_s: float
    user_s: float
    result: dict[str, Any]
    digest: str


def measured(server: Server, scenario: str, scripts: Iterable[list[Frame]] = (), **options: object) -> Sample:
    """Run a scenario against a server that ends with it."""
    with server:
        with Load(scenario, server, scripts, **options) as load:
            before = server.usage()
            result = load.go()
            after = server.usage()
        digest = server.end()
    return Sample(after.cpu_s - before.cpu_s, after.user_s - before.user_s, result, digest)
