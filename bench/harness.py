"""What every benchmark shares: registration, conditions, and the two ways of printing."""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

Row = dict[str, Any]
# Of a row's figure: the first of them that it has.
UNITS = ("ns", "ms", "seconds", "us", "commands_per_s", "mib", "rate_ratio")
BENCHMARKS: dict[str, Callable[[bool], Row]] = {}
# Which release it is makes a difference: an echo that is written at once costs five times one that waits for others.
LOOP, AIOHTTP = f"uvloop {version('uvloop')}", f"aiohttp {version('aiohttp')}"
ROOT = Path(__file__).resolve().parent.parent


def benchmark(name: str) -> Callable[[Callable[[bool], Row]], Callable[[bool], Row]]:
    """Register a function ``(small) -> Row`` under a name; the row's name is filled in here."""

    def register(function: Callable[[bool], Row]) -> Callable[[bool], Row]:
        BENCHMARKS[name] = function
        return function

    return register


def cpu_model() -> str:
    """The processor's name, as far as the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def commit() -> str:
    """The commit of the tree, with a plus when it has changes."""
    answer = subprocess.run(["git", "describe", "--always", "--dirty=+"], cwd=ROOT, capture_output=True, text=True)
    return answer.stdout.strip() or "unknown"


def conditions(**more: Any) -> dict[str, Any]:
    """Machine, interpreter and commit, and what the benchmark adds."""
    machine = {"cpu": cpu_model(), "cores": os.cpu_count(), "python": platform.python_version(), "commit": commit()}
    return machine | more


def middle(samples: list[float]) -> float:
    """The median: one slow round on a noisy machine must not be the figure."""
    return median(samples)


def rounds(small: bool) -> int:
    """How often a measurement is repeated."""
    return 1 if small else 7


def run(names: list[str], small: bool) -> Iterator[Row]:
    """Run benchmarks one after another, nothing beside them."""
    for name in names or list(BENCHMARKS):
        yield {"name": name, **BENCHMARKS[name](small)}


def print_json(rows: Iterator[Row]) -> None:
    """One object a line, as soon as it is known."""
    for row in rows:
        sys.stdout.write(json.dumps(row) + "\n")
        sys.stdout.flush()


def print_table(rows: Iterator[Row]) -> None:
    """A table for people, then the conditions once."""
    from rich.console import Console
    from rich.table import Table

    table = Table("benchmark", "figure", "baseline", "its figure", "ratio", "hash", title="Hourglass benchmarks")
    shown: Row = {}
    for row in rows:
        unit = next(unit for unit in UNITS if unit in row)
        other = row.get(f"baseline_{unit}", "")
        table.add_row(
            row["name"], f"{row[unit]:,} {unit.replace('_per_', '/')}", str(row.get("baseline", "")),
            f"{other:,}" if other != "" else "", str(row.get("ratio", "")), str(row.get("hash", ""))[:16],
        )  # fmt: skip
        shown = row["conditions"]
    console = Console()
    console.print(table)
    console.print({key: shown[key] for key in ("cpu", "cores", "python", "commit") if key in shown})
