"""Blocks over many windows: what they cost when nothing wakes, when one is decided, and beside ordinary flow."""

import time
from typing import NamedTuple

import numpy as np

from bench.apply import ACCOUNTS, BATCH, WINDOW, apply_all, batches, records_of, row
from bench.book import SEED, book_flow, native, operations
from bench.harness import Row, benchmark, conditions, middle, rounds
from exchange import commands
from exchange.commands import BLOCK_HOURS_SHIFT
from exchange.engine import Engine
from exchange.records import COMMAND, RECORD_BYTES, CommandType, Tif
from exchange.units import BLOCKS_PER_ACCOUNT_MAX, HOUR_NS
from ext.core import Core

HOURS = 168
FABRICS = 16
MIDDLE = 100_000
SPANS = (2, 4, 8, 24, 24, 48, 168)
DEPOSIT_MICROS = 1 << 52
LOTS = 64
QUIET_WINDOWS = 2  # The first ones, where nothing is added and cancelled.


class Size(NamedTuple):
    """How much of everything."""

    blocks: int
    operations: int


def market(hours: int, fabrics: int, orders_max: int = 1 << 18) -> Engine:
    """A product with many fabrics and windows, and funded accounts that trade without margin rates."""
    engine = Engine(Core(orders_max=orders_max))
    setup = [commands.add_product("H100", 8, 1_000, [f"f{n}" for n in range(fabrics)], maker_fee_ppm=100)]
    for number in range(1, ACCOUNTS + 1):
        setup += [commands.add_account(f"account-{number}"), commands.deposit(number, DEPOSIT_MICROS)]
    setup.append(commands.list_window("H100", WINDOW, count=hours))
    setup.append(commands.set_rates("H100", WINDOW, count=hours, long_micros=4_000, short_micros=5_000))
    for record in setup:
        engine.apply_count(record, 1)
    return engine


def places(count: int) -> np.ndarray:
    """Empty place commands with the accounts in turn."""
    records = np.zeros(count, COMMAND)
    records["length"], records["type"] = RECORD_BYTES, CommandType.PLACE
    records["account"] = 1 + np.arange(count) % ACCOUNTS
    return records


def depth_records(instruments: int, levels: int) -> np.ndarray:
    """Resting orders on both sides of every book, a few levels deep."""
    records = places(instruments * levels * 2)
    number = np.arange(len(records))
    records["instrument"] = 1 + number % instruments
    records["side"] = number // instruments % 2
    away = 20 + 10 * (number // (2 * instruments))
    records["price"] = np.where(records["side"] == 0, MIDDLE - away, MIDDLE + away)
    records["lots"] = 20
    records["ref"] = 1 + number
    return records


def block_records(count: int, first_ref: int, *, everywhere: bool = False) -> np.ndarray:
    """Resting blocks of every span and scope, a tenth away from the market, so that none trades.

    ``everywhere``: the worst case, all of one side over all windows, buys in all fabrics.
    """
    random = np.random.default_rng(SEED)
    records = places(count)
    records["type"] = CommandType.BLOCK
    records["account"] = 1 + np.arange(count) // BLOCKS_PER_ACCOUNT_MAX
    hours = np.full(count, HOURS) if everywhere else random.choice(SPANS, count)
    side = np.zeros(count, int) if everywhere else random.integers(0, 2, count)
    records["instrument"] = 1
    records["price_2"] = WINDOW + (random.random(count) * (HOURS - hours + 1)).astype(int)
    records["flags"] = hours << BLOCK_HOURS_SHIFT
    records["side"] = side
    records["price"] = np.where(side == 0, MIDDLE - MIDDLE // 10, MIDDLE + MIDDLE // 10) * hours
    records["lots"] = random.choice((1, 8, 64), count)
    records["lots_2"] = np.where(random.random(count) < 0.5, records["lots"], 1)
    wide = random.random(count) < 0.3
    one = np.uint64(1) << random.integers(0, FABRICS, count).astype(np.uint64)
    several = random.integers(1, 1 << FABRICS, count).astype(np.uint64)
    records["target"] = (1 << FABRICS) - 1 if everywhere else np.where(wide & (side == 0), several, one)
    records["ref"] = first_ref + np.arange(count)
    return records


def thwarted_records(first_ref: int) -> np.ndarray:
    """Blocks that could afford the best prices and do not find their lots, in windows where nothing happens.

    While one rests in a fabric no bound helps there: every new order looks at all blocks that cover its window.
    """
    records = places(2 * FABRICS)
    number = np.arange(len(records))
    records["type"] = CommandType.BLOCK
    records["account"] = ACCOUNTS
    records["instrument"] = 1
    records["price_2"] = WINDOW
    records["flags"] = QUIET_WINDOWS << BLOCK_HOURS_SHIFT
    records["side"] = number % 2
    records["price"] = np.where(records["side"] == 0, MIDDLE + 20, MIDDLE - 20) * QUIET_WINDOWS
    records["lots"] = records["lots_2"] = 1_000
    records["target"] = np.uint64(1) << (number // 2).astype(np.uint64)
    records["ref"] = first_ref + number
    return records


def idle_records(count: int, instruments: int, first_ref: int) -> np.ndarray:
    """Pairs of an order that rests near or at the best price and its cancel, in random books."""
    random = np.random.default_rng(SEED + 1)
    records = places(count)
    adds, cancels = records[0::2], records[1::2]
    adds["instrument"] = random.integers(QUIET_WINDOWS * FABRICS + 1, instruments + 1, len(adds))
    adds["side"] = random.integers(0, 2, len(adds))
    away = random.integers(1, 40, len(adds))  # Every other one betters the best price.
    adds["price"] = np.where(adds["side"] == 0, MIDDLE - away, MIDDLE + away)
    adds["lots"] = 5
    records["ref"] = first_ref + np.arange(count)
    cancels["type"], cancels["account"] = CommandType.CANCEL_REF, adds["account"]
    cancels["target"] = adds["ref"]
    return records


def filled_market(blocks: np.ndarray | None, thwarted: bool = False) -> tuple[Engine, int]:
    """The market with depth and (not None) blocks, and a ref that is free; with thwarted blocks, too."""
    engine = market(HOURS, FABRICS)
    depth = depth_records(HOURS * FABRICS, 2)
    apply_all(engine.core, batches(depth, BATCH))
    ref = len(depth) + 1
    if blocks is not None:
        blocks["ref"] = ref + np.arange(len(blocks))
        apply_all(engine.core, batches(blocks, BATCH))
    if thwarted:
        apply_all(engine.core, batches(thwarted_records(ref + 10_000), BATCH))
    return engine, ref + 20_000


def idle_ns(blocks: np.ndarray | None, count: int, thwarted: bool = False) -> tuple[float, str]:
    """Nanoseconds of an add or a cancel that wakes nothing."""
    engine, ref = filled_market(blocks, thwarted)
    records = idle_records(count, HOURS * FABRICS, ref)
    seconds, _ = apply_all(engine.core, batches(records, BATCH))
    return seconds / count * 1e9, engine.state_hash()


@benchmark("blocks.idle")
def blocks_idle(small: bool) -> Row:
    """Adds and cancels that wake nothing, with many resting blocks, beside the same without."""
    size = Size(200, 2_000) if small else Size(10_000, 200_000)
    with_blocks, without, scanning, worst = [], [], [], []
    digest = ""
    for _ in range(rounds(small)):
        figure, digest = idle_ns(block_records(size.blocks, 1), size.operations)
        with_blocks.append(figure)
        without.append(idle_ns(None, size.operations)[0])
        fewer = block_records(size.blocks - 2 * FABRICS, 1)
        scanning.append(idle_ns(fewer, size.operations, thwarted=True)[0])
        worst.append(idle_ns(block_records(size.blocks, 1, everywhere=True), size.operations)[0])
    extra = middle([a - b for a, b in zip(with_blocks, without, strict=True)])
    scan_extra = middle([a - b for a, b in zip(scanning, without, strict=True)])
    worst_extra = middle([a - b for a, b in zip(worst, without, strict=True)])
    detail = conditions(
        seed=SEED, blocks=size.blocks, windows=HOURS, fabrics=FABRICS, extra_ns=round(extra, 1),
        extra_ns_if_no_bound_helps=round(scan_extra, 1), extra_ns_if_all_cover_everything=round(worst_extra, 1),
        extra_ns_max=2_000,
    )  # fmt: skip
    baseline = {"baseline": "the same without blocks", "baseline_ns": round(middle(without), 1)}
    figure = middle(with_blocks)
    return row(figure, detail, digest, **baseline, ratio=round(figure / middle(without), 2))


def supply(orders_a_leg: int, first_ref: int) -> np.ndarray:
    """Asks of every hour for one block of LOTS: so many orders a leg, each at its own price."""
    records = places(HOURS * orders_a_leg)
    number = np.arange(len(records))
    records["account"] = 1
    records["instrument"] = 1 + number % HOURS
    records["side"] = 1
    records["price"] = MIDDLE + number // HOURS
    records["lots"] = LOTS // orders_a_leg
    records["ref"] = first_ref + number
    return records


def decided_ns(orders_a_leg: int, times: int) -> tuple[list[float], list[float], str]:
    """Nanoseconds of deciding a week's block, dry run and commit, and of buying its hours one by one."""
    engine = market(HOURS, 1)
    core = engine.core
    block_ns, single_ns = [], []
    ref = 1
    for number in range(2 * times):
        asks = supply(orders_a_leg, ref)
        ref += len(asks)
        core.apply(asks.tobytes(), 1)
        if number % 2:
            limit = (MIDDLE + orders_a_leg) * HOURS
            taking = commands.block(
                2, ref, 1, 1, WINDOW, HOURS, 0, limit, LOTS, min_lots=LOTS, tif=Tif.IOC
            )  # fmt: skip
        else:
            taking = b"".join(
                commands.place(2, ref + hour, 1 + hour, 0, MIDDLE + orders_a_leg, LOTS, tif=Tif.IOC)
                for hour in range(HOURS)
            )
        ref += HOURS
        start = time.perf_counter()
        events = core.apply(taking, 1)
        seconds = time.perf_counter() - start
        if events < 3 * HOURS * orders_a_leg:
            raise AssertionError(f"every hour must trade, events were {events}")
        (block_ns if number % 2 else single_ns).append(seconds * 1e9)
    return block_ns, single_ns, engine.state_hash()


@benchmark("blocks.decide")
def blocks_decide(small: bool) -> Row:
    """A block of 168 hours and 64 lots, all or nothing, decided and traded, beside 168 orders one by one."""
    times = 10 if small else 300
    block_ns, single_ns, digest = decided_ns(1, times)
    two_ns = middle(decided_ns(2, times)[0])
    figure, baseline = middle(block_ns), middle(single_ns)
    detail = conditions(
        hours=HOURS, lots=LOTS, orders_a_leg=1, ns_with_2_orders_a_leg=round(two_ns), ns_max=60_000, times=times
    )
    extra = {"baseline": "168 IOC orders in one batch", "baseline_ns": round(baseline, 1)}
    return row(figure, detail, digest, **extra, ratio=round(figure / baseline, 2))


def mixed_engine(blocks: int, thwarted: bool = False) -> tuple[Engine, int]:
    """The market with depth, the flow's own book emptied by leaving it out, and blocks over everything."""
    engine = market(HOURS, FABRICS, orders_max=1 << 20)
    depth = depth_records(HOURS * FABRICS, 2)
    depth = depth[depth["instrument"] != MIXED_INSTRUMENT]
    apply_all(engine.core, batches(depth, BATCH))
    ref = HOURS * FABRICS * 4 + 1
    if blocks:
        apply_all(engine.core, batches(block_records(blocks, ref), BATCH))
    if thwarted:
        apply_all(engine.core, batches(thwarted_records(ref + blocks), BATCH))
    return engine, ref + blocks


MIXED_INSTRUMENT = HOURS * FABRICS // 2 + 3


@benchmark("blocks.mixed")
def blocks_mixed(small: bool) -> Row:
    """The mixed flow of `apply.mixed` in one book, with 1,000 resting blocks around it and without."""
    blocks = 100 if small else 1_000
    flow, _, detail = book_flow("mixed", small)
    try:
        prefill, timed = operations(flow, False), operations(flow, True)
        ref_of = np.zeros(native().flow_ids(flow), np.uint64)
        first = HOURS * FABRICS * 4 + 1 + blocks
        parts = [records_of(part, at, ref_of) for part, at in ((prefill, first), (timed, first + len(prefill)))]
    finally:
        native().flow_free(flow)
    for part in parts:
        part["instrument"] = MIXED_INSTRUMENT
    before, records = batches(parts[0], 4096), batches(parts[1], BATCH)
    # With blocks, without, and with blocks where no bound helps.
    cases = {"with": (blocks, False), "without": (0, False), "scanning": (blocks - 2 * FABRICS, True)}
    samples: dict[str, list[float]] = {case: [] for case in cases}
    digest = ""
    for _ in range(rounds(small)):
        for case, (count, thwarted) in cases.items():
            engine, _ = mixed_engine(count, thwarted)
            apply_all(engine.core, before)
            seconds, _ = apply_all(engine.core, records)
            samples[case].append(seconds / detail["operations"] * 1e9)
            digest = digest or engine.state_hash()
    kept, scanning = (
        middle([b / a for a, b in zip(samples[case], samples["without"], strict=True)]) for case in ("with", "scanning")
    )
    found = conditions(
        seed=SEED, blocks=blocks, windows=HOURS, fabrics=FABRICS, rate_kept=round(kept, 2),
        rate_kept_if_no_bound_helps=round(scanning, 2), rate_kept_min=0.6, **detail,
    )  # fmt: skip
    figure, baseline = middle(samples["with"]), middle(samples["without"])
    extra = {"baseline": "the same without blocks", "baseline_ns": round(baseline, 1)}
    return row(figure, found, digest, **extra, ratio=round(figure / baseline, 2))


def gate_market(orders: int) -> tuple[Engine, np.ndarray]:
    """A window with resting orders in each of its fabrics, to be closed."""
    engine = market(2, FABRICS)
    records = places(orders)
    number = np.arange(orders)
    records["instrument"] = 1 + number % FABRICS
    records["side"] = number % 2
    away = 1 + number % 97
    records["price"] = np.where(records["side"] == 0, MIDDLE - away, MIDDLE + away)
    records["lots"] = 1
    records["ref"] = 1 + number
    apply_all(engine.core, batches(records, BATCH))
    return engine, records


def passing(hours: int) -> tuple[int, float]:
    """How many books one TIME command takes from trading to expiry, and the milliseconds it takes."""
    engine = market(hours, FABRICS)
    start = time.perf_counter()
    engine.apply_count(commands.time((WINDOW + hours + 2) * HOUR_NS), 1)
    return hours * FABRICS, (time.perf_counter() - start) * 1e3


@benchmark("gate.close")
def gate_close(small: bool) -> Row:
    """One TIME command that closes the gate of a window with 10,000 resting orders, beside as many cancels."""
    orders = 500 if small else 10_000
    closing, cancelling = [], []
    digest = ""
    for _ in range(rounds(small)):
        engine, records = gate_market(orders)
        start = time.perf_counter()
        engine.apply_count(commands.time(WINDOW * HOUR_NS - 900 * 10**9), 1)
        closing.append((time.perf_counter() - start) / orders * 1e9)
        digest = engine.state_hash()
        engine, records = gate_market(orders)
        records["type"], records["target"] = CommandType.CANCEL_REF, records["ref"]
        records["ref"] += orders
        cancelling.append(apply_all(engine.core, batches(records, BATCH))[0] / orders * 1e9)
    figure, baseline = middle(closing), middle(cancelling)
    windows, passing_ms = passing(24 if small else HOURS)
    detail = conditions(
        orders=orders, fabrics=FABRICS, whole_gate_ms=round(figure * orders / 1e6, 2), books_passed=windows,
        all_phases_of_them_ms=round(passing_ms, 2),
    )  # fmt: skip
    extra = {"baseline": "as many cancels", "baseline_ns": round(baseline, 1)}
    return row(figure, detail, digest, **extra, ratio=round(figure / baseline, 2))
