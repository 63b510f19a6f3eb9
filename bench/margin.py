"""Initial margin of all accounts at once, beside the same in Python integers, one account after another."""

import hashlib
import time
from typing import Any

import numpy as np

from bench.book import SEED
from bench.harness import Row, benchmark, conditions, middle, rounds
from exchange.clearing.margin import Column, initial_margin
from exchange.clearing.scan import WORKERS, ScanResult, scan
from exchange.clearing.scenarios import RiskTerms, shocks
from exchange.units import HOUR_NS

NOW_HOUR = 500_000
WEEK = 168
FABRICS = ("f01", "f02", "f03", "f04", "f05")  # With the eleven scenarios of every class: sixteen.
LOT_MICROS = 8_000
MARK_TICKS = 2_350
LOTS_MAX = 100  # Either way, in every window: no account is spared.


def portfolio(accounts: int) -> tuple[np.ndarray, list[Column]]:
    """Positions of all accounts and a week of windows with a falling curve and the default risk terms."""
    random = np.random.default_rng(SEED)
    starts = [NOW_HOUR + hour for hour in range(WEEK)]
    terms = RiskTerms(available_ns=(NOW_HOUR + WEEK // 2) * HOUR_NS)
    scenarios = shocks(terms, starts, NOW_HOUR, [FABRICS[hour % len(FABRICS)] for hour in range(WEEK)])
    columns = [
        Column(MARK_TICKS - 2 * hour, LOT_MICROS, tuple(scenario.shock_ppm[hour] for scenario in scenarios))
        for hour in range(WEEK)
    ]
    return random.integers(-LOTS_MAX, LOTS_MAX + 1, (accounts, WEEK)), columns


def digest(result: ScanResult) -> str:
    parts = (result.scan, result.gross, result.margin, result.binding)
    return hashlib.sha256(b"".join(part.astype("<i8").tobytes() for part in parts)).hexdigest()


def one_by_one(positions: np.ndarray, columns: list[Column]) -> tuple[float, list[int]]:
    """Nanoseconds an account in Python integers, and the margins."""
    start = time.perf_counter()
    margins = [initial_margin(row, columns).margin for row in positions.tolist()]
    return (time.perf_counter() - start) / len(positions) * 1e9, margins


@benchmark("margin.scan")
def margin_scan(small: bool) -> Row:
    accounts, checked = (2_000, 5) if small else (100_000, 50)
    positions, columns = portfolio(accounts)
    samples, digests = [], set()
    for _ in range(rounds(small)):
        start = time.perf_counter()
        result = scan(positions, columns)
        samples.append((time.perf_counter() - start) / accounts * 1e9)
        digests.add(digest(result))
    python_ns, margins = one_by_one(positions[:checked], columns)
    if len(digests) != 1 or result.margin[:checked].tolist() != margins:
        raise AssertionError("the scan is not what integers say")
    return row(middle(samples), python_ns, digests.pop(), accounts, len(columns[0].shocks))


def row(figure: float, python_ns: float, hashed: str, accounts: int, scenarios: int) -> Row:
    detail: dict[str, Any] = {"accounts": accounts, "windows": WEEK, "scenarios": scenarios, "workers": WORKERS}
    return {
        "ns": round(figure, 1), "accounts_per_s": round(1e9 / figure), "baseline": "Python integers, one by one",
        "baseline_ns": round(python_ns, 1), "ratio": round(figure / python_ns, 5), "hash": hashed[:16],
        "conditions": conditions(seed=SEED, **detail),
    }  # fmt: skip
