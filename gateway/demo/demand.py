"""What buyers want and when: read from a GPU cluster's job trace, or drawn with the same statistics."""

import csv
import gzip
import itertools
import math
import random
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

TRACE_FILE = "openb_pod_list_default.csv"
HOURS_MAX = 24
ARRIVALS_PER_S = 60  # The trace's clock is sped up until jobs come at this rate.

# Of the 7,064 GPU jobs of a production cluster: how long they ran and how far apart they came, by deciles.
DURATION_DECILES_S = (1, 74, 138, 208, 309, 545, 902, 1_423, 2_755, 6_254, 1_200_000)
GAP_DECILES_S = (0, 7, 35, 63, 108, 171, 254, 381, 580, 1_035, 9_643)
GPUS = ((1, 6_989), (2, 16), (4, 15), (8, 44))


class Job(NamedTuple):
    """Somebody needs GPUs: `at_s` seconds after the start, for whole hours from `hour` (0 is the first window)."""

    at_s: float
    gpus: int
    hour: int
    hours: int


class TraceError(ValueError):
    """A trace that cannot be read; the message names the file and what was expected."""


def hours_of(duration_s: float) -> int:
    """Whole delivery windows for a job; a job of a few minutes still needs its window."""
    return max(1, min(HOURS_MAX, math.ceil(duration_s / 3_600)))


def open_trace(directory: Path) -> list[tuple[int, int, int]]:
    """Return (created s, duration s, GPUs) of the trace's GPU jobs in order of creation.

    Raises:
        TraceError: no such file, or not of the expected columns.

    """
    plain, packed = directory / TRACE_FILE, directory / f"{TRACE_FILE}.gz"
    path = plain if plain.exists() else packed
    if not path.exists():
        raise TraceError(f"{directory} must hold {TRACE_FILE} or {TRACE_FILE}.gz")
    try:
        with gzip.open(path, "rt") if path is packed else path.open() as file:
            rows = [
                (int(row["creation_time"]), int(row["deletion_time"]) - int(row["creation_time"]), int(row["num_gpu"]))
                for row in csv.DictReader(file)
                if row["deletion_time"]
            ]
    except (KeyError, TypeError, ValueError, EOFError, OSError, zlib.error, csv.Error) as error:
        raise TraceError(f"{path} must have whole numbers in creation_time, deletion_time, num_gpu: {error}") from error
    jobs = sorted(row for row in rows if row[2] > 0)
    if len(jobs) < 2:
        raise TraceError(f"{path} must hold at least 2 GPU jobs, was {len(jobs)}")
    return jobs[len(jobs) // 5 :]  # The first fifth are long-running jobs from before the recording.


def traced_jobs(directory: Path) -> list[Job]:
    """Return the trace's jobs on the demonstration's clock."""
    rows = open_trace(directory)
    first = rows[0][0]
    speed = max(1, (rows[-1][0] - first) * ARRIVALS_PER_S / len(rows))
    return [
        Job((created - first) / speed, gpus, created // 3_600 % HOURS_MAX, hours_of(duration))
        for created, duration, gpus in rows
    ]


def draw_decile(deciles: tuple[int, ...], dice: random.Random) -> float:
    """Draw from a distribution that is known by its deciles, evenly between two of them."""
    index = dice.randrange(len(deciles) - 1)
    return dice.uniform(deciles[index], deciles[index + 1])


def drawn_jobs(dice: random.Random) -> Iterator[Job]:
    """Endless jobs with the trace's durations, gaps and sizes."""
    mean_gap_s = sum((a + b) / 2 for a, b in itertools.pairwise(GAP_DECILES_S)) / 10
    sizes, weights = zip(*GPUS, strict=True)
    at_s = clock_s = 0.0
    while True:
        gap_s = draw_decile(GAP_DECILES_S, dice)
        at_s += gap_s / mean_gap_s / ARRIVALS_PER_S
        clock_s += gap_s
        gpus = dice.choices(sizes, weights)[0]
        yield Job(at_s, gpus, int(clock_s // 3_600) % HOURS_MAX, hours_of(draw_decile(DURATION_DECILES_S, dice)))
