"""`hourglass catalogue`: the hardware classes, for people or as JSON."""

import json

import click
from rich.console import Console
from rich.table import Table

from exchange.catalogue import HARDWARE_CLASSES, HardwareClass
from exchange.units import price_text

COLUMNS_LEAST = 120  # Where there is no terminal a table is not to be cut.
_HEADS = (
    "class", "vendor", "announced", "successor", "TFLOP/s", "GB", "GB/s", "fabric GB/s", "W", "lot SCU", "tick $",
    "level $",
)  # fmt: skip


@click.command()
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON: a list of classes, or with NAME one object.")
def catalogue(name: str | None, as_json: bool) -> None:
    """Print the hardware classes, or of the class NAME every fact and its sources.

    TFLOP/s are 16-bit and dense; the level is where the price of an SCU-hour was, in dollars, and no offer.

    \b
    Examples:
      hourglass catalogue
      hourglass catalogue H100-SXM
      hourglass catalogue --json
    """  # noqa: D301
    if name is not None and name not in HARDWARE_CLASSES:
        raise click.UsageError(f"NAME must be one of {', '.join(HARDWARE_CLASSES)}, was {name!r}")
    if as_json:
        facts = [one._asdict() for one in HARDWARE_CLASSES.values()]
        click.echo(json.dumps(facts if name is None else HARDWARE_CLASSES[name]._asdict(), indent=2))
        return
    console = Console()
    if not console.is_terminal:
        console.width = max(console.width, COLUMNS_LEAST)
    console.print(_table() if name is None else _sheet(HARDWARE_CLASSES[name]))


def _table() -> Table:
    table = Table(box=None)
    for index, head in enumerate(_HEADS):
        table.add_column(head, justify="left" if index < 4 else "right")
    for one in HARDWARE_CLASSES.values():
        table.add_row(
            one.name, one.vendor, one.release_date, one.successor or "-", str(one.dense_tflops), str(one.memory_gb),
            str(one.memory_gb_s), str(one.fabric_gb_s), str(one.watts), str(one.lot_scu),
            price_text(one.tick_micros, 1), price_text(one.price_micros, 1),
        )  # fmt: skip
    return table


def _sheet(one: HardwareClass) -> Table:
    table = Table(box=None, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for field, value in one._asdict().items():
        table.add_row(field, "-" if value is None else str(value))
    return table
