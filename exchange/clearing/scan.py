"""Initial margin of many accounts at once, exactly as margin.py counts it (CLR-SCAN-006).

The sums are matrix products, and those are fast in float64 only. They are exact all the same: what a lot loses, in
micros x ppm, is split by 1,000,000 into quotient and remainder, so that every number and every sum stays a whole number
below 2^52, which float64 holds without rounding, in whatever order a sum is taken. Accounts too large for that are
counted in Python integers.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from exchange.clearing.arithmetic import PPM, ceil_div
from exchange.clearing.margin import NOTHING_BINDS, SPREAD_FLOOR_PPM, Column, lot_losses, margin_of_losses
from exchange.units import MONEY_MAX

# Half of what float64 holds exactly. A number below it, divided by 1,000,000, is further from every whole number that
# it is not than it can be rounded, so that its ceiling is the true one.
EXACT = 1 << 52
CHUNK_ACCOUNTS = 512  # With a week of windows, a chunk and what comes of it stay in a core's own cache.
SLICE_PRODUCTS = 1 << 18  # A matrix product so small is not spread over threads by the library: workers are ours.
WORKERS = 2
WORKERS_MAX = 64

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ScanResult:
    """One row an account, as in MarginResult; amounts in micros, at most MONEY_MAX."""

    scan: Integers
    gross: Integers
    margin: Integers
    binding: Integers


@dataclass(frozen=True, slots=True)
class _Table:
    """What one lot loses, split by PPM into quotients and remainders. Worst: long and short, over scenarios."""

    products: Floats  # Windows x (quotients by scenario, worst long - short, remainders by scenario).
    worst: Floats  # Worst quotients, long + short.
    long_part: Floats  # Remainders of the worst.
    short_part: Floats  # Those of short, negated.
    scenarios: int
    has_parts: bool
    has_worst_parts: bool
    lots_max: int  # Up to this position in every window all sums of an account stay below EXACT.


def scan(
    positions: Integers, columns: Sequence[Column], spread_floor_ppm: int = SPREAD_FLOOR_PPM, workers: int = WORKERS
) -> ScanResult:
    """Return the initial margin of every account, in O(accounts x windows x scenarios) (CLR-SCAN-006).

    Args:
        positions: int64, accounts x windows, lots; long is positive.
        columns: the windows, all with shocks for the same scenarios.
        spread_floor_ppm: share of the relief that is charged all the same, 0 to 1,000,000.
        workers: threads; each has accounts of its own, so the result does not depend on how many there are.

    Raises:
        ValueError: the shapes do not fit, or a number is out of range.

    """
    if len({len(column.shocks) for column in columns}) > 1:
        raise ValueError("columns must have shocks for the same scenarios")
    return scan_losses(positions, [lot_losses(column) for column in columns], spread_floor_ppm, workers)


def scan_losses(
    positions: Integers,
    losses: Sequence[Sequence[int]],
    spread_floor_ppm: int = SPREAD_FLOOR_PPM,
    workers: int = WORKERS,
) -> ScanResult:
    """Return the same from what one lot of each contract loses by scenario, in micros x ppm, as margin_of_losses."""
    _check(positions, losses, spread_floor_ppm, workers)
    accounts = len(positions)
    amounts = [np.zeros(accounts, np.int64) for _ in range(3)]
    result = ScanResult(amounts[0], amounts[1], amounts[2], np.full(accounts, NOTHING_BINDS, np.int64))
    if accounts == 0 or not losses or not losses[0]:
        return result
    table = _table(losses)
    too_large = _in_parts(positions, table, result, min(workers, ceil_div(accounts, CHUNK_ACCOUNTS)))
    # Relief in whole PPM and the rest: the product with the floor would not fit in 64 bits.
    whole, part = np.divmod(result.gross - result.scan, PPM)
    result.margin[:] = result.scan + whole * spread_floor_ppm - (-part * spread_floor_ppm) // PPM
    for row in too_large:
        one = margin_of_losses(positions[row].tolist(), losses, spread_floor_ppm)
        for amount, value in zip(amounts, (one.scan, one.gross, one.margin), strict=True):
            amount[row] = min(value, MONEY_MAX)
        result.binding[row] = one.binding
    return result


def _check(positions: Integers, losses: Sequence[Sequence[int]], spread_floor_ppm: int, workers: int) -> None:
    shape = positions.shape
    if len(shape) != 2 or positions.dtype != np.int64 or shape[1] != len(losses):
        raise ValueError(f"positions must be int64, accounts x {len(losses)}, were {positions.dtype}, {shape}")
    if len({len(row) for row in losses}) > 1:
        raise ValueError("losses must be of the same scenarios")
    if not 0 <= spread_floor_ppm <= PPM:
        raise ValueError(f"spread floor must be from 0 to {PPM} ppm, was {spread_floor_ppm}")
    if not 1 <= workers <= WORKERS_MAX:
        raise ValueError(f"workers must be from 1 to {WORKERS_MAX}, were {workers}")


def _table(losses: Sequence[Sequence[int]]) -> _Table:
    split = [[divmod(loss, PPM) for loss in row] for row in losses]
    long = [divmod(max(0, *row), PPM) for row in losses]
    short = [divmod(max(0, *(-loss for loss in row)), PPM) for row in losses]
    quotients = [[whole for whole, _ in row] for row in split]
    remainders = [[part for _, part in row] for row in split]
    difference = [[a - b] for (a, _), (b, _) in zip(long, short, strict=True)]
    worst = [a + b for (a, _), (b, _) in zip(long, short, strict=True)]
    has_parts = any(map(any, remainders))
    # Twice: gross is half of a sum of two products. One more: a negative loss is rounded down.
    largest_parts = [max(*row, a, b) for row, (_, a), (_, b) in zip(remainders, long, short, strict=True)]
    most = max(2 * sum(worst) + len(worst), sum(largest_parts))
    rows = [a + b + (c if has_parts else []) for a, b, c in zip(quotients, difference, remainders, strict=True)]
    return _Table(
        products=np.array(rows, np.float64),
        worst=np.array(worst, np.float64),
        long_part=np.array([part for _, part in long], np.float64),
        short_part=np.array([-part for _, part in short], np.float64),
        scenarios=len(losses[0]),
        has_parts=has_parts,
        has_worst_parts=any(part for _, part in (*long, *short)),
        lots_max=(EXACT - 1) // most,
    )


def _in_parts(positions: Integers, table: _Table, result: ScanResult, workers: int) -> list[int]:
    """Scan all accounts, a run of chunks for each worker; return the rows that are too large for float64."""
    chunks = ceil_div(ceil_div(len(positions), CHUNK_ACCOUNTS), workers)
    step = chunks * CHUNK_ACCOUNTS
    parts = [slice(first, first + step) for first in range(0, len(positions), step)]
    if workers == 1:
        return _scan_rows(positions, table, result, parts[0])
    with ThreadPoolExecutor(workers) as pool:
        found = pool.map(lambda rows: _scan_rows(positions, table, result, rows), parts)
        return [row for rows in found for row in rows]


class _Room:
    """Room for one chunk, used again for the next: fresh memory would cost as much as the sums.

    Slices x accounts of a slice x windows, and the same as accounts x windows.
    """

    def __init__(self, windows: int, products: int) -> None:
        slices = 1
        while slices < CHUNK_ACCOUNTS and CHUNK_ACCOUNTS // slices * windows * products > SLICE_PRODUCTS:
            slices *= 2
        shape = (slices, CHUNK_ACCOUNTS // slices)
        self.held, self.size, self.spare = (np.zeros((*shape, windows)) for _ in range(3))
        self.products = np.zeros((*shape, products))
        self.flat_held, self.flat_size = (room.reshape(CHUNK_ACCOUNTS, windows) for room in (self.held, self.size))
        self.flat_products = self.products.reshape(CHUNK_ACCOUNTS, products)


def _scan_rows(positions: Integers, table: _Table, result: ScanResult, rows: slice) -> list[int]:
    room = _Room(*table.products.shape)
    too_large: list[int] = []
    last = min(rows.stop, len(positions))
    for first in range(rows.start, last, CHUNK_ACCOUNTS):
        chunk = positions[first : min(first + CHUNK_ACCOUNTS, last)]
        room.flat_held[: len(chunk)] = chunk
        room.flat_held[len(chunk) :] = 0
        np.abs(room.held, out=room.size)
        if room.size.max() > table.lots_max:
            (far,) = np.nonzero(room.flat_size.max(axis=1) > table.lots_max)
            too_large.extend((first + far).tolist())
            room.flat_held[far] = 0
            room.flat_size[far] = 0
        _scan_chunk(room, table, result, slice(first, first + len(chunk)))
    return too_large


def _scan_chunk(room: _Room, table: _Table, result: ScanResult, rows: slice) -> None:
    """Write scan, gross and binding of one chunk; every sum is exact, see EXACT."""
    accounts, scenarios = rows.stop - rows.start, table.scenarios
    np.matmul(room.held, table.products, out=room.products)
    products = room.flat_products[:accounts]
    losses = products[:, :scenarios]
    if table.has_parts:
        parts = products[:, scenarios + 1 :]
        np.divide(parts, PPM, out=parts)
        np.ceil(parts, out=parts)
        np.add(losses, parts, out=losses)
    worst = losses.max(axis=1)
    result.scan[rows] = np.maximum(worst, 0)
    result.binding[rows] = np.where(worst > 0, losses.argmax(axis=1), NOTHING_BINDS)
    # A position's worst loss is half of lots x (long - short) + |lots| x (long + short).
    both = np.einsum("ijk,k->ij", room.size, table.worst).reshape(-1)[:accounts]  # matmul would use its own threads.
    result.gross[rows] = (both + products[:, scenarios]).astype(np.int64) // 2
    if table.has_worst_parts:
        result.gross[rows] += _worst_parts(room, table)[:accounts]


def _worst_parts(room: _Room, table: _Table) -> Integers:
    """Remainders of the worst losses, rounded up for each window and summed; overwrites the room's sizes."""
    size, spare = room.size, room.spare
    np.multiply(room.held, table.long_part, out=size)
    np.multiply(room.held, table.short_part, out=spare)
    np.maximum(size, spare, out=size)
    np.divide(size, PPM, out=size)
    np.ceil(size, out=size)
    total: Integers = size.sum(axis=2).reshape(-1).astype(np.int64)
    return total
