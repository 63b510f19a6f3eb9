"""Whether a run is slower than one before it, by what is steadiest on a noisy machine: CPU in user space."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from bench.harness import Row

SLOWER_MAX = 1.10  # Times as much user-space CPU as before; runs of one commit differ by less.


def read_run(path: Path) -> dict[str, Row]:
    """The rows of a run printed with --json, by name. Raises click.UsageError when it is none."""
    try:
        rows = [json.loads(line) for line in path.read_text().splitlines() if line.strip()]
        return {row["name"]: row for row in rows}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise click.UsageError(f"{path} must have one JSON object with a name a line: {error}") from error


def factor(row: Row, before: Row) -> float | None:
    """How many times as much user-space CPU a row took; None where one of the two has no such figure."""
    if not row.get("user_us") or not before.get("user_us"):
        return None
    return round(row["user_us"] / before["user_us"], 2)


class Gate:
    """Passes rows on, and says of each that has user-space CPU how it compares with an earlier run."""

    def __init__(self, before: dict[str, Row]) -> None:
        self._before = before
        self.slower: list[str] = []

    def watch(self, rows: Iterator[Row]) -> Iterator[Row]:
        for row in rows:
            found = factor(row, self._before.get(row["name"], {}))
            if found is not None:
                is_slower = found > SLOWER_MAX
                sys.stderr.write(f"{row['name']}: {found} x the user-space CPU{', slower' if is_slower else ''}\n")
                if is_slower:
                    self.slower.append(row["name"])
            yield row
