"""Replay of a journal: read, checksum, hash chain, apply, state hash; beside the same commands applied from memory."""

import tempfile
import time
from pathlib import Path

import numpy as np

from bench.apply import BATCH, apply_all, batches, records_of, setup_records, venue
from bench.book import SEED, book_flow, native, operations
from bench.harness import Row, benchmark, conditions, middle, rounds
from exchange.engine import Engine
from exchange.replay import replay
from ext.journal import count_records
from gateway.journal.reader import Reader
from gateway.journal.writer import Journal


def flow_batches(small: bool) -> tuple[list[bytes], int]:
    """The mixed stream with its prefill, in batches, and the number of commands."""
    flow, _, _ = book_flow("mixed", small)
    try:
        ref_of = np.zeros(native().flow_ids(flow), np.uint64)
        prefill = records_of(operations(flow, False), 1, ref_of)
        timed = records_of(operations(flow, True), len(prefill) + 1, ref_of)
    finally:
        native().flow_free(flow)
    return batches(np.concatenate([prefill, timed]), BATCH), len(prefill) + len(timed)


def write_journal(
    directory: Path, parts: list[bytes], setup: list[bytes] | None = None, step_ns: int = 0
) -> None:
    """Journal the set-up and the batches, one frame each, ``step_ns`` apart."""
    journal = Journal(str(directory), durability="memory")
    journal.start()
    now_ns = 1
    for part in (*(setup_records(1) if setup is None else setup), *parts):
        now_ns += step_ns
        journal.append(journal.last_seq + 1, now_ns, count_records(part), part)
        while not journal.completed():
            time.sleep(0)
    journal.close()


@benchmark("replay.rate")
def replay_rate(small: bool) -> Row:
    parts, count = flow_batches(small)
    applied, replayed, hashes = [], [], set()
    with tempfile.TemporaryDirectory(prefix="hourglass-bench-") as directory:
        write_journal(Path(directory), parts)
        for _ in range(rounds(small)):
            engine = venue()
            applied.append(apply_all(engine.core, parts)[0] / count * 1e9)
            hashes.add(engine.state_hash())
            start = time.perf_counter()
            again = Engine()
            replay(again, Reader(directory))
            hashes.add(again.state_hash())
            replayed.append((time.perf_counter() - start) / count * 1e9)
    if len(hashes) != 1:
        raise AssertionError(f"the journal replays to another state: {hashes}")
    ours, theirs = middle(replayed), middle(applied)
    return {
        "ns": round(ours, 1), "baseline": "apply_batch from memory", "baseline_ns": round(theirs, 1),
        "ratio": round(theirs / ours, 2), "hash": hashes.pop()[:16],
        "conditions": conditions(
            seed=SEED, commands=count, commands_a_frame=BATCH, checks="crc32c, sha-256 chain, hash"
        ),
    }  # fmt: skip
