"""Which nodes a buyer gets: holdings over contiguous windows stay where they are (MKT-024)."""

from bisect import insort
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple


class Node(NamedTuple):
    """One node of a fabric: its provider's account, and its number among his."""

    provider: int
    number: int


class Provider(NamedTuple):
    """An account with capacity in a window: lots certified, and lots that it is short and has to deliver."""

    account: int
    certified: int
    short: int

    @property
    def nodes(self) -> int:
        """How many nodes it has to give: the lots that it has sold, as far as they are certified."""
        return min(self.certified, self.short)


class Run(NamedTuple):
    """Nodes from ``first`` on go to a buyer, as many as ``lots``; provider 0 and first -1: there were none for them."""

    buyer: int
    provider: int
    first: int
    lots: int


def assign(
    before: dict[Node, int], holders: list[tuple[int, int]], providers: Iterable[Provider]
) -> dict[Node, int]:
    """Return the buyer of each node.

    Args:
        before: buyer of each node in the window before.
        holders: account and lots of every buyer, by account number.
        providers: who delivers; the nodes of each are numbered from 0 to its certified lots less 1.

    """
    wanted = dict(holders)
    certified = {one.account: one.certified for one in providers}
    left = {one.account: one.nodes for one in providers}
    given: dict[Node, int] = {}
    for node in sorted(before):  # Whoever holds on keeps his nodes, the lowest first.
        buyer = before[node]
        if node.number < certified.get(node.provider, 0) and left[node.provider] > 0 and wanted.get(buyer, 0) > 0:
            given[node] = buyer
            wanted[buyer] -= 1
            left[node.provider] -= 1
    free = _free_nodes(given, certified, left)
    for buyer, lots in wanted.items():
        for _, node in zip(range(lots), free, strict=False):
            given[node] = buyer
    return given


def _free_nodes(given: dict[Node, int], certified: dict[int, int], left: dict[int, int]) -> Iterator[Node]:
    """Return the nodes that may still be given: those of providers by account number, the lowest first."""
    taken = set(given)
    found: list[Node] = []
    for provider in sorted(certified):
        nodes = (Node(provider, number) for number in range(certified[provider]))
        found.extend(islice((node for node in nodes if node not in taken), left[provider]))
    return iter(found)


def runs(given: dict[Node, int]) -> Iterator[Run]:
    """Yield the nodes of each buyer as runs of contiguous numbers of one provider, by provider and number."""
    run = Run(0, 0, 0, 0)
    for node in sorted(given):
        if run.lots and (given[node], *node) == (run.buyer, run.provider, run.first + run.lots):
            run = run._replace(lots=run.lots + 1)
            continue
        if run.lots:
            yield run
        run = Run(given[node], *node, 1)
    if run.lots:
        yield run


def unplaced(given: dict[Node, int], holders: list[tuple[int, int]]) -> Iterator[Run]:
    """Yield the lots that found no node."""
    found: dict[int, int] = {}
    for buyer in given.values():
        found[buyer] = found.get(buyer, 0) + 1
    for buyer, lots in holders:
        if lots > found.get(buyer, 0):
            yield Run(buyer, 0, -1, lots - found.get(buyer, 0))


@dataclass(slots=True)
class Nodes:
    """The latest assignment of every fabric, and who has been certified there."""

    providers: dict[tuple[int, int], list[int]] = field(default_factory=dict)  # By product and fabric; in order.
    latest: dict[tuple[int, int], tuple[int, dict[Node, int]]] = field(default_factory=dict)  # Window and nodes.

    def add_provider(self, product: int, fabric: int, account: int) -> None:
        """Note that an account has been certified in a fabric."""
        known = self.providers.setdefault((product, fabric), [])
        if account not in known:
            insort(known, account)

    def before(self, product: int, fabric: int, window: int) -> dict[Node, int]:
        """Return the assignment of a window if it is the fabric's latest, else an empty one."""
        at, given = self.latest.get((product, fabric), (-1, {}))
        return given if at == window else {}

    def canonical(self) -> bytes:
        """Return everything as text, one line an entry in order of product and fabric.

        The provider of a run is told unless the fabric has had no other.
        """
        lines = [f"provider {product} {fabric} {account}\n"
                 for product, fabric in sorted(self.providers)
                 for account in self.providers[product, fabric]]  # fmt: skip
        for product, fabric in sorted(self.latest):
            window, given = self.latest[product, fabric]
            known = self.providers.get((product, fabric), [])
            parts = " ".join(
                f"{'' if known == [run.provider] else f'{run.provider}/'}{run.buyer}:{run.first}+{run.lots}"
                for run in runs(given)
            )
            lines.append(f"nodes {product} {fabric} {window} {parts}\n")
        return "".join(lines).encode("ascii")
