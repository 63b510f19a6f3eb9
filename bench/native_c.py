"""Programs in C that benchmarks need: built when they are older than their sources, into ``bench/build``."""

import os
import subprocess
from functools import cache
from pathlib import Path

from bench.harness import ROOT

SOURCES = ROOT / "bench" / "loadgen"
FLAGS = ["-O2", "-std=gnu11", "-Wall", "-Wextra", "-Werror"]
SHARED = ("digest.c", "histogram.c")
PARTS = {
    "loadgen": (
        "main.c", "options.c", "session.c", "login.c", "tls.c", "frames.c", "report.c", "orders.c", "fanout.c",
        "hold.c", "logins.c", *SHARED,
    ),
    "cecho": ("cecho.c", "digest.c"),
}  # fmt: skip


def newest(folder: Path) -> float:
    return max(path.stat().st_mtime for path in folder.iterdir())


@cache
def program(name: str) -> Path:
    """Path of a program of PARTS."""
    return compiled(name, [SOURCES / part for part in PARTS[name]])


@cache
def library() -> Path:
    """The parts that tests call one by one, as a shared library."""
    return compiled("libloadgen.so", [SOURCES / part for part in SHARED], "-shared", "-fPIC")


def compiled(name: str, sources: list[Path], *flags: str) -> Path:
    """Build what is older than any file of the folder. Raises CalledProcessError."""
    target = ROOT / "bench" / "build" / name
    if not target.exists() or newest(SOURCES) > target.stat().st_mtime:
        target.parent.mkdir(exist_ok=True)
        built = target.with_name(f"{name}.{os.getpid()}")  # Others may be building it, or running the old one.
        subprocess.run(["gcc", *FLAGS, *flags, "-o", str(built), *map(str, sources), "-lm", "-ldl"], check=True)
        built.replace(target)
    return target
