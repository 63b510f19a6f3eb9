"""``python -m bench [NAME...] [--json] [--small]``: run benchmarks by name, or all."""

from pathlib import Path

import click

from bench import (  # noqa: F401
    apply,
    blocks,
    book,
    clearing,
    gateway,
    gateway_bots,
    gateway_fanout,
    gateway_openloop,
    gateway_sessions,
    gateway_stuck,
    margin,
    replay,
)
from bench.compare import Gate, read_run
from bench.harness import BENCHMARKS, print_json, print_table, run


@click.command(epilog="Example: python -m bench book.mixed book.deep --json")
@click.argument("names", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.option("--small", is_flag=True, help="Tiny inputs: shows that everything runs, not how fast.")
@click.option("--against", type=click.Path(path_type=Path), help="A run printed with --json; exit 1 if this is slower.")
def main(names: tuple[str, ...], as_json: bool, small: bool, against: Path | None) -> None:
    """Run benchmarks; without a name, all of them, one after another."""
    unknown = sorted(set(names) - set(BENCHMARKS))
    if unknown:
        raise click.UsageError(f"unknown benchmark {', '.join(unknown)}; known: {' '.join(BENCHMARKS)}")
    gate = Gate(read_run(against) if against else {})
    (print_json if as_json else print_table)(gate.watch(run(list(names), small)))
    if gate.slower:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
