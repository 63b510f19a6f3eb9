"""The fuzzer: ``python -m tests.fuzz.run [--seconds 60] [--seed N] [--target frames|codec|session] [--keep DIR]``.

Changes seeds at random and feeds them to each target in turn. An input that shows something new becomes a seed. The
first that breaks a promise ends the run with its error, and is kept as a file whose name begins with the target; put it
into tests/fuzz/corpus and it is replayed by every run of the tests. An input that kills the process stays in
`last-input.bin` of the same directory.
"""

import argparse
import random
import sys
import time
import traceback
import zlib
from pathlib import Path
from typing import NamedTuple

from tests.fuzz.targets import TARGETS, Words

ROOT = Path(__file__).parent.parent.parent
CORPUS = Path(__file__).parent / "corpus"
POOL_MAX = 4_000  # Inputs kept as seeds of a target.
SEED_BYTES_MAX = 4_096  # Longer ones are not kept.
ROUND_INPUTS = 200  # Of one target before the next one's turn.
WARM_ROUNDS = 12
GROWTH_BYTES_MAX = 256 << 20
STATM = Path("/proc/self/statm")


class Report(NamedTuple):
    """What a run did."""

    inputs: dict[str, int]
    found_new: dict[str, int]
    failure: Path | None


class LastInput:
    """Keeps the present input where it survives the process."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._file = (directory / "last-input.bin").open("wb", buffering=0)

    def note(self, data: bytes) -> None:
        """Write it over the one before."""
        self._file.seek(0)
        self._file.truncate()
        self._file.write(data)


class Fuzzer:
    """One target, its seeds and its dice."""

    def __init__(self, name: str, seed: int) -> None:
        self.name = name
        self.target = TARGETS[name]()
        self.dice = random.Random(f"{name} {seed}")
        self.pool = [*self.target.seeds, *(path.read_bytes() for path in sorted(CORPUS.glob(f"{name}-*.bin")))]
        self.untried = list(self.pool)  # As they are, before any change.
        self.known: set[Words] = set()
        self.inputs = 0
        self.found_new = 0

    def step(self, last: LastInput | None = None) -> bytes | None:
        """Try one input; return it when it broke a promise, the error being handled on standard error."""
        is_seed = bool(self.untried)
        data = self.untried.pop() if is_seed else self.target.make(self.dice, self.pool)
        self.inputs += 1
        if last is not None:
            last.note(data)
        try:
            words = self.target.run(data)
        except Exception:
            traceback.print_exc(file=sys.stderr)
            return data
        is_new = words not in self.known
        self.known.add(words)
        if is_new and not is_seed and len(self.pool) < POOL_MAX and len(data) <= SEED_BYTES_MAX:
            self.pool.append(data)
            self.found_new += 1
        return None


def resident_bytes() -> int:
    """Return the memory of this process that is in use."""
    return int(STATM.read_text().split()[1]) * 4_096


def run(names: list[str], seed: int, *, seconds: float = 0, rounds: int = 0, keep: Path | None = None) -> Report:
    """Fuzz until the time is over, or for so many rounds; memory that grows without end is a failure, too."""
    fuzzers = [Fuzzer(name, seed) for name in names]
    last = LastInput(keep) if keep is not None else None
    until, warm_bytes, done, failure = time.monotonic() + seconds, 0, 0, None
    while failure is None and (done < rounds if rounds else time.monotonic() < until):
        for fuzzer in fuzzers:
            broken = next((data for _ in range(ROUND_INPUTS) if (data := fuzzer.step(last)) is not None), None)
            if broken is not None:
                failure = kept(fuzzer.name, broken, keep or CORPUS)
                break
        done += 1
        if done == WARM_ROUNDS:
            warm_bytes = resident_bytes()
        assert not warm_bytes or resident_bytes() - warm_bytes < GROWTH_BYTES_MAX, "memory grows without end"
    inputs = {fuzzer.name: fuzzer.inputs for fuzzer in fuzzers}
    return Report(inputs, {fuzzer.name: fuzzer.found_new for fuzzer in fuzzers}, failure)


def kept(name: str, data: bytes, directory: Path) -> Path:
    """Write an input to a file of its own."""
    path = directory / f"{name}-{zlib.crc32(data):08x}.bin"
    path.write_bytes(data)
    return path


def main() -> int:
    """Run; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--target", choices=sorted(TARGETS), action="append")
    parser.add_argument("--keep", type=Path, default=ROOT / "build" / "fuzz")
    given = parser.parse_args()
    sys.stdout.write(f"seed {given.seed}\n")
    sys.stdout.flush()
    report = run(given.target or list(TARGETS), given.seed, seconds=given.seconds, keep=given.keep)
    for name, count in report.inputs.items():
        sys.stdout.write(f"{name}: {count} inputs, {report.found_new[name]} of them new\n")
    if report.failure is not None:
        sys.stderr.write(f"kept as {report.failure}\n")
    return 1 if report.failure is not None else 0


if __name__ == "__main__":
    sys.exit(main())
