"""Draws the pictures of the docs as SVG: ``python -m docs.pictures.draw``; with ``--check`` it only compares.

Every number comes from the reference engine, the product terms and the files in docs/examples. The output is the same
bytes every time. Each picture has its own background, so that it can be read on a light and on a dark page.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from docs.pictures.svg import AMBER, ASK, BID, GREEN, INK, LINE, MUTED, PALE, RED, VIOLET, Canvas
from exchange.catalogue.products import Product
from exchange.catalogue.schedule import schedule
from exchange.engine import Engine
from exchange.records import BALANCE_END, Phase, Side
from exchange.reference import ReferenceCore
from exchange.reference.ladder import Rung, take
from exchange.reference.uncross import Indication, indication
from exchange.units import NS_PER_SECOND, SECONDS_PER_HOUR, window_id, window_start_ns
from gateway.commands_apply import run_lines

HERE = Path(__file__).parent
EXAMPLES = HERE.parent / "examples"
FIRST_HOUR = 14
HOURS = (14, 15, 16)

# The recommended terms of tier T1 (docs/catalogue.md), without the random end.
TERMS = {"open_lead_s": 604_800, "open_call_s": 600, "preclose_s": 300, "balancing_s": 3_300, "rolling_hours": 192}


def lines_of(name: str) -> list[dict[str, Any]]:
    """Return the commands of an example."""
    return [json.loads(line) for line in (EXAMPLES / f"{name}.jsonl").read_text().splitlines()]


def events_of(name: str) -> list[dict[str, Any]]:
    """Return what the reference engine says to an example."""
    return list(run_lines(Engine(ReferenceCore()), (EXAMPLES / f"{name}.jsonl").read_bytes().splitlines()))


def hour_of(line: dict[str, Any]) -> int:
    """Return the hour of the day a command is about."""
    return int(str(line["start"])[-2:])


def asks_of(name: str) -> dict[int, list[Rung]]:
    """Return price and lots of the asks of each hour, cheapest first."""
    asks = [line for line in lines_of(name) if line["t"] == "place"]
    return {hour: sorted((line["px"], line["qty"]) for line in asks if hour_of(line) == hour) for hour in HOURS}


def shares(rungs: list[Rung], wanted: int) -> list[int]:
    """Return how many of the first ``wanted`` lots come from each price."""
    taken = []
    for _, lots in rungs:
        taken.append(min(lots, wanted))
        wanted -= taken[-1]
    return taken


def grouped(number: int) -> str:
    """Return a number with commas."""
    return f"{number:,}"


# The ladder: example 1.

TICK = 6  # Pixels.
CELL = 13
TOP_PRICE, LOW_PRICE = 224, 186


def ladder() -> str:
    """Draw the books of three hours by price, and the lots that example 1 takes."""
    books, (block,) = asks_of("block-01"), [line for line in lines_of("block-01") if line["t"] == "block"]
    lots, limit = block["qty"], block["limit_total"]
    taking = take([books[hour] for hour in HOURS], block["min_qty"], lots, limit)
    assert taking is not None
    canvas = Canvas(900, 470, "The leg ladder of example 1")
    canvas.text(
        30, 38, f"Buy {lots} lots of every hour from 14 to 17 o'clock, all or none, limit {limit}", size=17, bold=True
    )
    canvas.text(30, 62, "One square is one lot on offer. Filled squares are taken, cheapest first.", color=MUTED)
    for column, hour in enumerate(HOURS):
        _book(canvas, 30 + column * 285, hour, books[hour], lots)
    most = lots * limit
    canvas.rect(30, 404, 840, 44, fill="#dcfce7", stroke=GREEN, radius=6)
    legs = " + ".join(grouped(_cost(books[hour], lots)) for hour in HOURS)
    canvas.text(
        450, 431, f"{legs} = {grouped(taking.total)}, at most {lots} x {limit} = {grouped(most)}: "
        f"{taking.lots} lots, average {taking.total // taking.lots}", anchor="middle", bold=True,
    )  # fmt: skip
    return canvas.svg()


def _cost(rungs: list[Rung], lots: int) -> int:
    return sum(price * share for (price, _), share in zip(rungs, shares(rungs, lots), strict=True))


def _book(canvas: Canvas, left: int, hour: int, rungs: list[Rung], wanted: int) -> None:
    top, height = 84, (TOP_PRICE - LOW_PRICE) * TICK
    canvas.rect(left, top, 270, height + 76, fill="#ffffff", stroke=LINE, radius=6)
    canvas.text(left + 135, top + 26, f"{hour} to {hour + 1} o'clock", anchor="middle", bold=True)
    parts = []
    for (price, lots), share in zip(rungs, shares(rungs, wanted), strict=True):
        middle = top + 36 + (TOP_PRICE - price) * TICK
        canvas.text(left + 14, middle + 5, str(price), bold=share > 0)
        for lot in range(lots):
            is_taken = lot < share
            canvas.rect(
                left + 50 + lot * CELL, middle - 7, CELL - 2, 14,
                fill=GREEN if is_taken else PALE, stroke=GREEN if is_taken else "#94a3b8",
            )  # fmt: skip
        parts += [f"{share} x {price}"] if share else []
    canvas.line(left + 14, top + height + 40, left + 256, top + height + 40)
    total = f"{' + '.join(parts)} = {grouped(_cost(rungs, wanted))}"
    canvas.text(left + 135, top + height + 63, total, anchor="middle", size=13)


# One block, three hours.


def block_three_hours() -> str:
    """Draw a block that meets the books of three hours: legs, prices, one match id."""
    fills = [event for event in events_of("block-01") if event["t"] == "fill" and event.get("block")]
    books, block = asks_of("block-01"), next(line for line in lines_of("block-01") if line["t"] == "block")
    match_ids = {fill["match_id"] for fill in fills}
    assert len(match_ids) == 1
    canvas = Canvas(900, 560, "A block meets the books of three hours")
    canvas.text(30, 38, "One block, three books, one match", size=17, bold=True)
    left, wide = 60, 260
    canvas.rect(left, 60, 3 * wide, 62, fill="#dbeafe", stroke=BID, radius=8)
    canvas.text(
        left + 390, 86, f"BUY block: {block['qty']} lots in each of {block['hours']} hours", anchor="middle", bold=True
    )
    canvas.text(
        left + 390,
        108,
        f"limit {block['limit_total']} for one lot over all hours, all or none, fabric F1",
        anchor="middle",
    )
    first = window_id(block["start"])
    for column, hour in enumerate(HOURS):
        x = left + column * wide
        mine = [fill for fill in fills if fill["start"] - first + FIRST_HOUR == hour]
        _leg(canvas, x, wide, hour, books[hour], mine)
    base = 372
    canvas.line(left, base, left + 3 * wide, base, color=INK, width=2)
    for mark in range(4):
        x = left + mark * wide
        canvas.line(x, base - 6, x, base + 6, color=INK, width=2)
        canvas.text(x, base + 26, f"{FIRST_HOUR + mark}:00", anchor="middle", color=MUTED)
    y = 424
    canvas.rect(left, y, 3 * wide, 104, fill="#dcfce7", stroke=GREEN, radius=8)
    canvas.text(left + 390, y + 27, f"match id {match_ids.pop()}", anchor="middle", bold=True)
    for column, hour in enumerate(HOURS):
        mine = [fill for fill in fills if fill["start"] - first + FIRST_HOUR == hour]
        text = ", ".join(f"{fill['qty']} at {fill['px']}" for fill in mine)
        canvas.text(left + column * wide + wide // 2, y + 54, text, anchor="middle", size=14)
    total = sum(fill["px"] * fill["qty"] for fill in fills)
    canvas.text(
        left + 390, y + 84, f"total {grouped(total)}, average {total // block['qty']} a lot: "
        "all legs trade in the same command, or none does", anchor="middle",
    )  # fmt: skip
    return canvas.svg()


def _leg(canvas: Canvas, x: int, wide: int, hour: int, rungs: list[Rung], fills: list[dict[str, Any]]) -> None:
    canvas.arrow(x + wide // 2, 126, x + wide // 2, 166, color=BID)
    canvas.text(x + wide // 2 + 12, 151, f"leg {hour}h", color=BID, size=13)
    canvas.rect(x + 14, 172, wide - 28, 176, fill="#ffffff", stroke=LINE, radius=6)
    canvas.text(x + wide // 2, 195, f"asks of {hour}h", anchor="middle", color=MUTED, size=13)
    taken = {fill["px"]: fill["qty"] for fill in fills}
    for row, (price, lots) in enumerate(rungs):
        y = 208 + row * 62
        share = taken.get(price, 0)
        full = wide - 56
        canvas.rect(x + 28, y, full, 51, fill="#ffedd5", stroke=ASK, radius=4)
        if share:
            canvas.rect(x + 28, y + 42, full * share // lots, 9, fill=GREEN, radius=2)
        canvas.text(x + wide // 2, y + 19, f"{lots} lots at {price}", anchor="middle", size=14, bold=True)
        told = f"{share} taken" if share else "not reached"
        canvas.text(x + wide // 2, y + 36, told, anchor="middle", size=13, color=GREEN if share else MUTED)


# The uncross.

LOW, HIGH = 631, 645  # Prices shown.
STEP = 26  # Pixels a tick.
LOTS_SHOWN = 3_200


def uncross() -> str:
    """Draw demand and supply of the check example, and where they meet."""
    orders = [line for line in lines_of("call") if line["t"] == "place"]
    bids, asks = (
        [(line["px"], line["qty"]) for line in orders if line["side"] == side.name.lower()]
        for side in (Side.BUY, Side.SELL)
    )
    found = indication(bids, asks, None)
    assert found is not None
    canvas = Canvas(970, 505, "Demand, supply and the price of an uncross")
    canvas.text(30, 38, f"The uncross: {grouped(found.volume)} lots at {found.price}", size=17, bold=True)
    _curves(canvas, bids, asks, found)
    _choice(canvas, bids, asks, found)
    return canvas.svg()


def demand(bids: list[Rung], price: int) -> int:
    """Return the lots of all bids at a price or above."""
    return sum(lots for at, lots in bids if at >= price)


def supply(asks: list[Rung], price: int) -> int:
    """Return the lots of all asks at a price or below."""
    return sum(lots for at, lots in asks if at <= price)


def _curves(canvas: Canvas, bids: list[Rung], asks: list[Rung], found: Indication) -> None:
    left, top, width = 80, 70, 480
    bottom = top + (HIGH - LOW) * STEP

    def x_of(lots: int) -> int:
        return left + lots * width // LOTS_SHOWN

    def y_of(price: int) -> int:
        return bottom - (price - LOW) * STEP

    canvas.rect(left, top, width, bottom - top, fill="#ffffff", stroke=LINE)
    for price in range(LOW + 1, HIGH, 2):
        canvas.line(left - 5, y_of(price), left, y_of(price), color=MUTED)
        canvas.text(left - 10, y_of(price) + 5, str(price), anchor="end", size=13, color=MUTED)
    for lots in range(0, LOTS_SHOWN, 500):
        canvas.line(x_of(lots), bottom, x_of(lots), bottom + 5, color=MUTED)
        canvas.text(x_of(lots), bottom + 22, grouped(lots), anchor="middle", size=13, color=MUTED)
    canvas.text(left + width // 2, bottom + 44, "lots", anchor="middle", color=MUTED)
    canvas.text(left - 10, top - 10, "price", anchor="end", color=MUTED)
    canvas.rect(left, y_of(found.price), x_of(found.volume) - left, bottom - y_of(found.price), fill="#dcfce7")
    prices = range(LOW, HIGH + 1)
    for quantity, color in ((lambda price: demand(bids, price), BID), (lambda price: supply(asks, price), ASK)):
        canvas.polyline(_steps(prices, quantity, x_of, y_of, falls=color == BID), color)
    canvas.line(left, y_of(found.price), left + width, y_of(found.price), color=GREEN, dashed=True)
    canvas.line(x_of(found.volume), y_of(found.price), x_of(found.volume), bottom, color=GREEN, dashed=True)
    canvas.circle(x_of(found.volume), y_of(found.price), 6, GREEN)
    canvas.text(left + width - 8, y_of(found.price) - 8, f"price {found.price}", anchor="end", color=GREEN, bold=True)
    canvas.text(x_of(500), y_of(634) + 5, f"{grouped(found.volume)} lots", anchor="middle", color=GREEN, bold=True)
    canvas.text(x_of(2_560) + 8, y_of(634) - 8, "demand", color=BID, bold=True)
    canvas.text(x_of(2_570) - 8, y_of(642) - 8, "supply", anchor="end", color=ASK, bold=True)


def _steps(
    prices: Iterable[int], quantity: Callable[[int], int], x_of: Callable[[int], int], y_of: Callable[[int], int], *,
    falls: bool,
) -> list[tuple[int, int]]:  # fmt: skip
    """Return the corners of a curve: at a price where its lots change it is level."""
    points: list[tuple[int, int]] = []
    for price in prices:
        lots = quantity(price)
        beyond = quantity(price + 1) if falls else lots
        before = lots if falls else quantity(price - 1)
        points += [(x_of(before), y_of(price)), (x_of(beyond), y_of(price))]
    return [point for index, point in enumerate(points) if index == 0 or point != points[index - 1]]


def _choice(canvas: Canvas, bids: list[Rung], asks: list[Rung], found: Indication) -> None:
    """Write the candidates as a table: ranges of prices in which nothing changes."""
    ranges: list[tuple[int, int]] = []
    facts: list[tuple[int, int]] = []
    for price in range(min(at for at, _ in asks), max(at for at, _ in bids) + 1):
        both = demand(bids, price), supply(asks, price)
        if facts and facts[-1] == both:
            ranges[-1] = ranges[-1][0], price
        else:
            ranges.append((price, price))
            facts.append(both)
    left, top = 600, 70
    columns = (("price", 0), ("demand", 146), ("supply", 208), ("volume", 272), ("surplus", 336))
    canvas.rect(left - 12, top, 364, 46 + 30 * len(ranges), fill="#ffffff", stroke=LINE, radius=6)
    for name, x in columns:
        canvas.text(left + x, top + 26, name, anchor="start" if x == 0 else "end", size=13, color=MUTED)
    for row, ((low, high), (wanted, offered)) in enumerate(zip(ranges, facts, strict=True)):
        y = top + 56 + row * 30
        is_chosen = low <= found.price <= high
        if is_chosen:
            canvas.rect(left - 6, y - 19, 352, 27, fill="#dcfce7", radius=4)
        name = str(low) if low == high else f"{low} to {high}"
        values = (name, grouped(wanted), grouped(offered), grouped(min(wanted, offered)), f"{wanted - offered:+,}")
        for (_, x), value in zip(columns, values, strict=True):
            canvas.text(left + x, y, value, anchor="start" if x == 0 else "end", size=13, bold=is_chosen)
    rules = (
        (0, "1. the highest volume"),
        (0, "2. of these, the smallest surplus"),
        (0, "3. buyers left over: the highest price,"),
        (19, "sellers left over: the lowest"),
        (0, "4. else the one nearest to the mark"),
    )
    for row, (indent, rule) in enumerate(rules):
        canvas.text(left + indent, top + 84 + 30 * len(ranges) + row * 26, rule)


# The life of a window.


class Stretch(NamedTuple):
    """One phase of the picture."""

    name: str
    x: int
    width: int
    color: str
    note: str


def moments() -> dict[int, int]:
    """Return the second, counted from a window's start, at which each phase begins: listed eight days before."""
    window = window_id("2026-11-24T14")
    product = Product("P", 8, 1000, ("F1",), **TERMS)  # type: ignore[arg-type]
    start_ns = window_start_ns(window)
    listed_ns = start_ns - product.rolling_hours * SECONDS_PER_HOUR * NS_PER_SECOND
    found = schedule(product, window, 1, 0, listed_ns)
    return {moment.phase: (moment.at_ns - start_ns) // NS_PER_SECOND for moment in found}


def clock(seconds: int) -> str:
    """Return a moment as ``S - 20 min``."""
    if seconds == 0:
        return "S"
    return f"S {'-' if seconds < 0 else '+'} {abs(seconds) // 60} min"


def life_of_a_window() -> str:
    """Draw the phases of a window and what each takes. Not to scale."""
    at = moments()
    canvas = Canvas(1_000, 570, "The life of a delivery window")
    canvas.text(30, 38, "The life of a window that starts at S (not to scale)", size=17, bold=True)
    days = TERMS["open_lead_s"] // (24 * SECONDS_PER_HOUR)
    stretches = [
        Stretch("LISTED", 150, 90, "#e5e7eb", ""),
        Stretch("OPEN", 240, 100, "#ede9fe", "call"),
        Stretch("CONTINUOUS", 340, 190, "#dcfce7", ""),
        Stretch("PRECLOSE", 530, 100, "#ede9fe", "call"),
        Stretch("BALANCING", 630, 120, "#fef3c7", ""),
        Stretch("DELIVERING", 750, 130, "#dbeafe", ""),
        Stretch("SETTLED", 880, 90, "#e5e7eb", "EXPIRED"),
    ]
    bar, height = 190, 54
    for stretch in stretches:
        canvas.rect(stretch.x, bar, stretch.width, height, fill=stretch.color, stroke=INK)
        middle = stretch.x + stretch.width // 2
        lower = bar + (24 if stretch.note else 32)
        canvas.text(middle, lower, stretch.name, anchor="middle", size=13, bold=True)
        if stretch.note:
            canvas.text(middle, bar + 42, f"or {stretch.note}" if stretch.name == "SETTLED" else stretch.note,
                        anchor="middle", size=12, color=MUTED)  # fmt: skip
    _moments(canvas, at, days, bar + height)
    _interruption(canvas, bar)
    canvas.line(630, bar - 26, 630, bar + height + 6, color=RED, width=3)
    canvas.text(630, bar - 34, "gate", anchor="middle", color=RED, bold=True)
    rows = (
        ("orders", ((240, 100, VIOLET, "limit, AU"), (340, 190, GREEN, "all but AU"), (530, 100, VIOLET, "limit, AU"))),
        ("blocks", ((240, 100, LINE, "rest"), (340, 190, GREEN, "trade"))),
        ("matching", ((240, 100, VIOLET, "uncross"), (340, 190, GREEN, "continuous"), (530, 100, VIOLET, "uncross"),
                      (630, 205, AMBER, "clearinghouse buys only"))),
        ("standby sells", ((630, 205, AMBER, "rest until S + 55 min"),)),
        ("cancels", ((240, 390, MUTED, "always"), (630, 205, AMBER, "standby sells"))),
    )  # fmt: skip
    for row, (name, bands) in enumerate(rows):
        y = 320 + row * 44
        canvas.text(140, y + 20, name, anchor="end", size=13, bold=True)
        canvas.line(150, y + 34, 970, y + 34, color="#e5e7eb")
        for x, width, color, told in bands:
            canvas.rect(x + 2, y, width - 4, 28, fill=color, radius=4)
            canvas.text(
                x + width // 2,
                y + 19,
                told,
                anchor="middle",
                size=12,
                color=INK if color == LINE else "#ffffff",
                bold=True,
            )
    note = "BALANCING is the phase from the gate to S; standby sells go on within DELIVERING."
    canvas.text(30, 552, note, size=13, color=MUTED)
    return canvas.svg()


def _moments(canvas: Canvas, at: dict[int, int], days: int, y: int) -> None:
    assert at[Phase.GATED] == at[Phase.BALANCING]
    told = (
        (150, f"S - {-at[Phase.LISTED] // 86_400} d", ""),
        (240, f"day - {days} d", "00:00 UTC"),
        (340, f"+ {TERMS['open_call_s'] // 60} min", ""),
        (530, clock(at[Phase.PRECLOSE]), ""),
        (630, clock(at[Phase.GATED]), "+ 0 to 5 s"),
        (750, clock(at[Phase.DELIVERING]), ""),
        (880, clock(at[Phase.SETTLED]), ""),
    )
    assert clock(at[BALANCE_END]) == "S + 55 min"
    for x, first, second in told:
        canvas.line(x, y, x, y + 10, color=INK)
        canvas.text(x, y + 28, first, anchor="middle", size=13)
        canvas.text(x, y + 46, second, anchor="middle", size=12, color=MUTED)


def _interruption(canvas: Canvas, bar: int) -> None:
    """Draw halt and volatility call above CONTINUOUS."""
    for x, name, note, color in (
        (300, "HALTED", "by command", "#fee2e2"),
        (470, "VOLATILITY", "2 min call", "#ede9fe"),
    ):
        canvas.rect(x, 72, 110, 48, fill=color, stroke=INK, radius=6)
        canvas.text(x + 55, 92, name, anchor="middle", size=13, bold=True)
        canvas.text(x + 55, 110, note, anchor="middle", size=12, color=MUTED)
    canvas.arrow(365, bar - 2, 365, 124, color=INK)
    canvas.arrow(412, 96, 466, 96, color=INK)
    canvas.text(439, 88, "resume", anchor="middle", size=12, color=MUTED)
    canvas.arrow(490, bar - 2, 490, 124, color=INK)
    canvas.text(482, 152, "price band", anchor="end", size=12, color=MUTED)
    canvas.text(292, 101, "from CONTINUOUS or a call", anchor="end", size=12, color=MUTED)
    canvas.arrow(520, 122, 520, bar - 4, color=INK)
    canvas.text(528, 152, "uncross", size=12, color=MUTED)


PICTURES: dict[str, Callable[[], str]] = {
    "life-of-a-window": life_of_a_window,
    "ladder": ladder,
    "block-three-hours": block_three_hours,
    "uncross": uncross,
}


def stale() -> list[str]:
    """Return the pictures whose file is not what would be drawn now."""
    paths = {name: HERE / f"{name}.svg" for name in PICTURES}
    return [name for name, path in paths.items() if not path.exists() or path.read_text() != PICTURES[name]()]


def main() -> int:
    """Draw all pictures, or say which are out of date; return the exit code."""
    parser = argparse.ArgumentParser(description="Draw the pictures of the docs.")
    parser.add_argument("--check", action="store_true", help="draw nothing; exit code 1 if a picture is out of date")
    if parser.parse_args().check:
        found = stale()
        for name in found:
            sys.stderr.write(f"docs/pictures/{name}.svg is out of date: python -m docs.pictures.draw\n")
        sys.stdout.write(f"{len(PICTURES)} pictures, {len(found)} out of date\n")
        return 1 if found else 0
    for name, draw in PICTURES.items():
        (HERE / f"{name}.svg").write_text(draw())
    return 0


if __name__ == "__main__":
    sys.exit(main())
