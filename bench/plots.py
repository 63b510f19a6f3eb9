"""Plots of a run: ``python -m bench --json > run.jsonl; python -m bench.plots run.jsonl``.

Draws the latency of the open loop and the ratios to the floor in C as PNG into docs/pictures, and prints both as text.
Needs matplotlib for the pictures; with ``--text`` it only prints.
"""

import json
import sys
from pathlib import Path
from typing import Any

import click

from bench.harness import ROOT, Row

PICTURES = ROOT / "docs" / "pictures"
BAR_CHARACTERS = 40
NINES = {0.0: "0", 0.5: "50 %", 0.9: "90 %", 0.99: "99 %", 0.999: "99.9 %", 0.9999: "99.99 %", 0.99999: "99.999 %"}
BLUE, GREY, AMBER = "#2563a8", "#7a828c", "#c77d0a"
COLOURS = (BLUE, AMBER)


def read_rows(lines: list[str]) -> dict[str, Row]:
    """The rows of a run by name. Raises click.UsageError when a line is none."""
    try:
        rows = [json.loads(line) for line in lines if line.strip()]
        return {row["name"]: row for row in rows}
    except (ValueError, KeyError, TypeError) as error:
        raise click.UsageError(f"the file must have one JSON object with a name a line: {error}") from error


def ratios(rows: dict[str, Row]) -> dict[str, float]:
    """CPU for each unit of work as a multiple of the floor's in the same run."""
    return {name: row["ratio_c_echo"] for name, row in rows.items() if "ratio_c_echo" in row and "us" in row
            and "ms" not in row}  # fmt: skip


def curves(rows: dict[str, Row]) -> dict[str, list[tuple[float, float]]]:
    """Points (part of all orders, milliseconds) of the open loop, by what was measured."""
    row = rows.get("gateway.openloop")
    if row is None:
        return {}
    found = {f"journal on {row['conditions']['journal']}": row["curve"]}
    if "disk" in row:
        found["journal on disk"] = row["disk"]["curve"]
    return found | {"C echo": row["c_echo"]["curve"]}


def bar(value: float, largest: float) -> str:
    return "#" * max(1, round(value / largest * BAR_CHARACTERS))


def ratios_text(found: dict[str, float]) -> list[str]:
    """One bar a row."""
    if not found:
        return []
    width, largest = max(map(len, found)), max(found.values())
    return ["Server CPU as a multiple of the floor in C:"] + [
        f"  {name:{width}}  {value:6.2f}  {bar(value, largest)}" for name, value in found.items()
    ]


def at(curve: list[tuple[float, float]], part: float) -> str:
    """Milliseconds within which at least that part of all orders was answered; a dash where there were too few."""
    return next((f"{ms:.3f}" for point, ms in curve if point >= part), "-")


def latency_text(found: dict[str, list[tuple[float, float]]]) -> list[str]:
    """One line a percentile, one column a curve."""
    if not found:
        return []
    width = max(map(len, found))
    head = "  ".join(f"{name:>{width}}" for name in found)
    lines = ["Latency in milliseconds at a fixed rate:", f"  {'':9}{head}"]
    for part, label in list(NINES.items())[1:]:
        lines.append(f"  {label:9}" + "  ".join(f"{at(curve, part):>{width}}" for curve in found.values()))
    return lines


def conditions_line(row: Row) -> str:
    known = row["conditions"]
    return f"{known['cpu']}, {known['cores']} cores, {known['commit']}"


def figure(title: str) -> Any:
    """An empty figure, white, so that it reads on a light and on a dark page."""
    import matplotlib  # Late: only pictures need it.

    matplotlib.use("Agg")
    from matplotlib import pyplot

    drawn, axes = pyplot.subplots(figsize=(8, 4.5), dpi=120, layout="constrained")
    axes.set_title(title, loc="left", fontsize=11)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return drawn, axes


def save(drawn: Any, path: Path) -> Path:
    from matplotlib import pyplot

    drawn.savefig(path, metadata={"Software": ""})
    pyplot.close(drawn)
    return path


def draw_ratios(rows: dict[str, Row], directory: Path) -> list[Path]:
    found = ratios(rows)
    if not found:
        return []
    drawn, axes = figure("Server CPU beside a C echo that decodes nothing, in the same run")
    names, values = list(found)[::-1], list(found.values())[::-1]
    axes.barh(names, values, color=BLUE, height=0.6)
    axes.axvline(1, color=GREY, linewidth=1)
    for index, value in enumerate(values):
        axes.text(value, index, f" {value:.2f}", va="center", fontsize=9)
    axes.set_xlabel(f"multiple of the floor's CPU ({conditions_line(rows[names[0]])})", fontsize=9)
    return [save(drawn, directory / "bench-ratios.png")]


def draw_latency(rows: dict[str, Row], directory: Path) -> list[Path]:
    found = curves(rows)
    if not found:
        return []
    row = rows["gateway.openloop"]
    rate, sessions = row["conditions"]["orders_per_s"], row["conditions"]["sessions"]
    drawn, axes = figure(f"From when an order was due to its ack: {rate:,} orders/s, {sessions} sessions, open loop")
    for index, (name, curve) in enumerate(found.items()):
        colour = GREY if name == "C echo" else COLOURS[index % len(COLOURS)]
        axes.plot([1 / (1 - part) for part, _ in curve], [ms for _, ms in curve], label=name, color=colour)
    axes.set_xscale("log")
    axes.set_yscale("log")
    shown = {part: label for part, label in NINES.items() if 1 / (1 - part) <= 2 / (1 - max(
        part for curve in found.values() for part, _ in curve))}  # fmt: skip
    axes.set_xticks([1 / (1 - part) for part in shown], list(shown.values()), minor=False)
    axes.xaxis.set_minor_locator(axes.xaxis.get_major_locator())
    axes.set_xlabel(f"part of all orders ({conditions_line(row)})", fontsize=9)
    axes.yaxis.set_major_formatter("{x:g}")
    axes.set_ylabel("milliseconds", fontsize=9)
    axes.grid(visible=True, color="#e3e6ea", linewidth=0.6)
    axes.legend(frameon=False, fontsize=9)
    return [save(drawn, directory / "bench-latency.png")]


@click.command()
@click.argument("run", type=click.File())
@click.option("--into", type=click.Path(path_type=Path, exists=True, file_okay=False), default=PICTURES)
@click.option("--text", "only_text", is_flag=True, help="Print, and draw nothing.")
def main(run: Any, into: Path, only_text: bool) -> None:
    """Plot the JSON lines of a benchmark run."""
    rows = read_rows(run.read().splitlines())
    lines = [*latency_text(curves(rows)), *ratios_text(ratios(rows))]
    if not lines:
        raise click.UsageError("the run has neither gateway.openloop nor a row with ratio_c_echo")
    sys.stdout.write("\n".join(lines) + "\n")
    if not only_text:
        for path in draw_latency(rows, into) + draw_ratios(rows, into):
            sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    main()
