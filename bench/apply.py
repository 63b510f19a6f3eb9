"""The whole core: refs, risk, matching, positions, fees and events, from packed commands."""

import resource
import time
from itertools import repeat
from typing import Any

import numpy as np

from bench.book import SEED, book_flow, native, operations, run_shape
from bench.harness import Row, benchmark, conditions, middle, rounds
from exchange import commands
from exchange.engine import Engine
from exchange.records import COMMAND, RECORD_BYTES, CommandType
from ext.core import Core

ACCOUNTS = 64
BATCH = 256
DEPOSIT_MICROS = 1 << 52
WINDOW = 500_000


def venue(instruments: int = 1, orders_max: int = 1 << 22) -> Engine:
    """An engine with funded, margined accounts, each its own owner, and listed windows."""
    engine = Engine(Core(orders_max=orders_max))
    for record in setup_records(instruments):
        engine.apply_count(record, 1)
    return engine


def setup_records(instruments: int) -> list[bytes]:
    """The administrative commands of such a venue."""
    setup = [commands.add_product("H100", 8, 1_000, ["f1"], maker_fee_ppm=100, taker_fee_ppm=250)]
    for number in range(1, ACCOUNTS + 1):
        setup += [commands.add_account(f"account-{number}"), commands.deposit(number, DEPOSIT_MICROS)]
    for first in range(0, instruments, 100):
        setup.append(commands.list_window("H100", WINDOW + first, count=min(100, instruments - first)))
        setup.append(
            commands.set_rates(
                "H100", WINDOW + first, count=min(100, instruments - first), long_micros=4_000, short_micros=5_000
            )
        )
    return setup


def records_of(flow_operations: np.ndarray, first_ref: int, ref_of: np.ndarray) -> np.ndarray:
    """The stream as commands: orders are named by the owner's ref, as a client would."""
    records = np.zeros(len(flow_operations), COMMAND)
    kind, ids = flow_operations["kind"], flow_operations["id"]
    adds = kind == 0
    refs = np.arange(first_ref, first_ref + len(records), dtype=np.uint64)
    ref_of[ids[adds]] = refs[adds]
    records["length"] = RECORD_BYTES
    records["type"] = np.choose(kind, [CommandType.PLACE, CommandType.CANCEL_REF, CommandType.REPLACE_REF])
    records["account"] = 1 + ids % ACCOUNTS
    records["instrument"] = 1
    records["ref"] = refs
    records["target"] = np.where(adds, 0, ref_of[ids])
    records["price"] = np.where(kind == 1, 0, flow_operations["price"])
    records["lots"] = np.where(kind == 1, 0, flow_operations["lots"])
    records["side"] = np.where(adds, flow_operations["side"], 0)
    return records


def batches(records: np.ndarray, size: int) -> list[bytes]:
    data = records.tobytes()
    return [data[offset : offset + size * RECORD_BYTES] for offset in range(0, len(data), size * RECORD_BYTES)]


def apply_all(core: Core, parts: list[bytes]) -> tuple[float, int]:
    """Seconds and number of events."""
    start = time.perf_counter()
    events = sum(map(core.apply, parts, repeat(1)))         # The calls, without a loop of the benchmark's own.
    return time.perf_counter() - start, events


def measure(shape: str, small: bool, sizes: tuple[int, ...]) -> tuple[list[float], dict[str, Any], str]:
    """Nanoseconds a command for each batch size, conditions, state hash. The sizes take turns."""
    flow, _, detail = book_flow(shape, small)
    try:
        prefill, timed = operations(flow, False), operations(flow, True)
        ref_of = np.zeros(native().flow_ids(flow), np.uint64)
        before = batches(records_of(prefill, 1, ref_of), 4096)
        records = records_of(timed, len(prefill) + 1, ref_of)
    finally:
        native().flow_free(flow)
    parts = {size: batches(records, size) for size in sizes}
    samples: dict[int, list[float]] = {size: [] for size in sizes}
    digests, events = set(), 0
    for _ in range(rounds(small)):
        for size in sizes:
            engine = venue()
            apply_all(engine.core, before)
            seconds, events = apply_all(engine.core, parts[size])
            samples[size].append(seconds / detail["operations"] * 1e9)
            digests.add(engine.state_hash())
    if len(digests) != 1:
        raise AssertionError("batching changed the state")
    detail |= {"batch": sizes[0], "accounts": ACCOUNTS, "events_per_command": round(events / detail["operations"], 2)}
    return [middle(samples[size]) for size in sizes], conditions(seed=SEED, **detail), digests.pop()


def row(figure: float, detail: dict[str, Any], digest: str, **more: Any) -> Row:
    return {"ns": round(figure, 1), **more, "hash": digest[:16], "conditions": detail}


def run_beside_the_book(shape: str, small: bool) -> Row:
    """The whole core, beside its leaf book alone on the same stream: what refs, risk, fees and events cost."""
    (figure,), detail, digest = measure(shape, small, (BATCH,))
    book_ns = run_shape(shape, small)["ns"]
    extra = {"baseline": "leaf book alone", "baseline_ns": book_ns, "ratio": round(figure / book_ns, 2)}
    return row(figure, detail, digest, **extra, commands_per_s_core=round(1e9 / figure))


@benchmark("apply.mixed")
def apply_mixed(small: bool) -> Row:
    return run_beside_the_book("mixed", small)


@benchmark("apply.deep")
def apply_deep(small: bool) -> Row:
    return run_beside_the_book("deep", small)


@benchmark("apply.bytes")
def apply_bytes(small: bool) -> Row:
    """One command a Python call, beside batches of 256."""
    (single, batched), detail, digest = measure("mixed", small, (1, BATCH))
    extra = {"baseline": "batches of 256", "baseline_ns": round(batched, 1), "ratio": round(single / batched, 2)}
    return row(single, detail, digest, **extra)


def resident_mib() -> float:
    """Resident memory now."""
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * resource.getpagesize() / 2**20


def sparse_records(books: int, orders: int, commands_count: int) -> tuple[np.ndarray, np.ndarray]:
    """(fill, timed): `orders` resting orders in each of `books`, then add and cancel pairs in random books."""
    random = np.random.default_rng(SEED)
    fill = np.zeros(books * orders, COMMAND)
    fill["length"], fill["type"] = RECORD_BYTES, CommandType.PLACE
    fill["account"] = 1 + np.arange(len(fill)) % ACCOUNTS
    fill["instrument"] = 1 + np.arange(len(fill)) % books
    fill["side"] = np.arange(len(fill)) // books % 2
    away = random.integers(1, 400, len(fill))
    fill["price"] = np.where(fill["side"] == 0, 100_000 - away, 100_000 + away)
    fill["lots"] = 5
    fill["ref"] = np.arange(1, len(fill) + 1)
    timed = np.zeros(commands_count, COMMAND)
    timed["length"] = RECORD_BYTES
    timed["ref"] = np.arange(len(fill) + 1, len(fill) + commands_count + 1)
    pick = random.integers(0, len(fill), commands_count // 2)
    source = fill[pick]
    timed["type"][0::2], timed["type"][1::2] = CommandType.PLACE, CommandType.CANCEL_REF
    for name in ("account", "instrument", "side", "price", "lots"):
        timed[name][0::2] = source[name]
    timed["account"][1::2] = source["account"]
    timed["target"][1::2] = timed["ref"][0::2]
    return fill, timed


@benchmark("books.sparse")
def books_sparse(small: bool) -> Row:
    """10,000 books of 20 orders beside one book with as many: memory, and cost of an add or cancel."""
    books, orders, count = (100, 20, 2_000) if small else (10_000, 20, 400_000)
    streams = {spread: sparse_records(spread, books * orders // spread, count) for spread in (books, 1)}
    samples: dict[int, list[float]] = {books: [], 1: []}
    digest, used = "", 0.0
    for _ in range(rounds(small)):
        for spread, (fill, timed) in streams.items():       # In turn: a busy moment of the machine hits both.
            before = resident_mib()
            engine = venue(instruments=spread)
            apply_all(engine.core, batches(fill, BATCH))
            used = used or resident_mib() - before
            samples[spread].append(apply_all(engine.core, batches(timed, BATCH))[0] / count * 1e9)
            digest = digest or engine.state_hash()
    sparse, one = samples[books], samples[1]
    detail = conditions(seed=SEED, books=books, orders_a_book=orders, accounts=ACCOUNTS)
    extra = {
        "baseline": "one book with as many orders", "baseline_ns": round(middle(one), 1),
        "ratio": round(middle([a / b for a, b in zip(sparse, one, strict=True)]), 2), "mib": round(used, 1),
    }  # fmt: skip
    return row(middle(sparse), detail, digest, **extra)
