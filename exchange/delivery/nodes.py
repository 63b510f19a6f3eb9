"""Which nodes a buyer gets: holdings over contiguous windows stay where they are (MKT-024)."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple


class Run(NamedTuple):
    """Nodes from ``first`` on go to a buyer, as many as ``lots``; first -1: there were none for them."""

    buyer: int
    first: int
    lots: int


def assign(before: dict[int, int], holders: list[tuple[int, int]], nodes: int) -> dict[int, int]:
    """Return the buyer of each node.

    Args:
        before: buyer of each node in the window before.
        holders: account and lots of every buyer, by account number.
        nodes: how many there are; numbers count from 0.

    """
    wanted = dict(holders)
    given: dict[int, int] = {}
    for node in sorted(before):  # Whoever holds on keeps his nodes, the lowest first.
        buyer = before[node]
        if node < nodes and wanted.get(buyer, 0) > 0:
            given[node] = buyer
            wanted[buyer] -= 1
    free = iter([node for node in range(nodes) if node not in given])
    for buyer, lots in wanted.items():
        for _, node in zip(range(lots), free, strict=False):
            given[node] = buyer
    return given


def runs(given: dict[int, int]) -> Iterator[Run]:
    """Yield the nodes of each buyer as runs of contiguous numbers, by number."""
    buyer, first, count = 0, 0, 0
    for node in sorted(given):
        if count and (given[node] != buyer or node != first + count):
            yield Run(buyer, first, count)
            count = 0
        if count == 0:
            buyer, first = given[node], node
        count += 1
    if count:
        yield Run(buyer, first, count)


def unplaced(given: dict[int, int], holders: list[tuple[int, int]]) -> Iterator[Run]:
    """Yield the lots that found no node."""
    found: dict[int, int] = {}
    for buyer in given.values():
        found[buyer] = found.get(buyer, 0) + 1
    for buyer, lots in holders:
        if lots > found.get(buyer, 0):
            yield Run(buyer, -1, lots - found.get(buyer, 0))


@dataclass(slots=True)
class Nodes:
    """The latest assignment of every fabric, and who provides it."""

    providers: dict[tuple[int, int], int] = field(default_factory=dict)  # Account, by product and fabric.
    latest: dict[tuple[int, int], tuple[int, dict[int, int]]] = field(default_factory=dict)  # Window and nodes.

    def before(self, product: int, fabric: int, window: int) -> dict[int, int]:
        """Return the assignment of the window before, empty where there is none."""
        at, given = self.latest.get((product, fabric), (0, {}))
        return given if at == window - 1 else {}

    def canonical(self) -> bytes:
        """Return everything as text, one line an entry in order of product and fabric."""
        lines = [f"provider {product} {fabric} {self.providers[product, fabric]}\n"
                 for product, fabric in sorted(self.providers)]  # fmt: skip
        for product, fabric in sorted(self.latest):
            window, given = self.latest[product, fabric]
            parts = " ".join(f"{run.buyer}:{run.first}+{run.lots}" for run in runs(given))
            lines.append(f"nodes {product} {fabric} {window} {parts}\n")
        return "".join(lines).encode("ascii")
