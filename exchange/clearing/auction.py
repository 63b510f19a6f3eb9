"""Sealed-bid auction of an estate's positions: items, bids, awards, and who did not bid (CLR-AUC)."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from exchange.catalogue.products import check_range
from exchange.units import AMOUNT_MAX, BLOCK_HOURS_MAX, LOTS_MAX


class Item(NamedTuple):
    """The same lots in each of a run of windows in one fabric: above 0 the estate is long and sells, below it buys."""

    product: int
    fabric: int
    first: int  # Window.
    windows: int
    lots: int


@dataclass(frozen=True, slots=True)
class Bid:
    """What an account offers for an item.

    Args:
        account: who bids.
        item: its place in the list of items.
        lots: at most; fewer may be awarded.
        price: u$ for one lot over the whole run: what he pays for a long item, what he asks for taking a short one.
        seq: of the command; the account's later bid for the item replaces its earlier one.

    Raises:
        CatalogueError: MALFORMED, for lots or a price outside their range.

    """

    account: int
    item: int
    lots: int
    price: int
    seq: int

    def __post_init__(self) -> None:
        check_range("lots", self.lots, 1, LOTS_MAX)
        check_range("price", self.price, 0, AMOUNT_MAX)


class Award(NamedTuple):
    """Lots of an item that an account takes over, at its own price, u$ for one lot over the run."""

    item: int
    account: int
    lots: int  # Always above 0; the sign is the item's.
    price: int

    @property
    def amount(self) -> int:
        """All of it in u$: paid by the account for a long item, to it for a short one."""
        return self.lots * self.price


class Result(NamedTuple):
    """Awards in order of items, in each the best first, and the lots of each item that nobody took, signed."""

    awards: list[Award]
    left: list[int]


def runs_of(positions: Mapping[tuple[int, int, int], int], windows_max: int = BLOCK_HOURS_MAX) -> list[Item]:
    """Return the items of an estate, by product, fabric and window (CLR-AUC-001).

    Args:
        positions: lots by (product, fabric, window), signed.
        windows_max: of one item; a longer run becomes several.

    Raises:
        ValueError: windows_max is below 1.

    """
    if windows_max < 1:
        raise ValueError(f"windows_max must be at least 1, was {windows_max}")
    items: list[Item] = []
    for (product, fabric, window), lots in sorted(positions.items()):
        if lots == 0:
            continue
        last = items[-1] if items else None
        if last and last.windows < windows_max and last == (product, fabric, window - last.windows, last.windows, lots):
            items[-1] = last._replace(windows=last.windows + 1)
        else:
            items.append(Item(product, fabric, window, 1, lots))
    return items


def latest(bids: Iterable[Bid]) -> list[Bid]:
    """Return the bids that count, by sequence: of an account and an item the last one (CLR-AUC-002)."""
    kept: dict[tuple[int, int], Bid] = {}
    for bid in sorted(bids, key=lambda bid: bid.seq):
        kept[bid.account, bid.item] = bid
    return sorted(kept.values(), key=lambda bid: bid.seq)


def award(items: Sequence[Item], bids: Iterable[Bid], limits: Sequence[int | None] | None = None) -> Result:
    """Return who takes over what (CLR-AUC-002 to 005). O(bids x log bids).

    Args:
        items: as runs_of gives them.
        bids: all that were received, in any order.
        limits: for each item, in u$ for one lot over the run, the least a long one is sold for (None: 0) or the most
            that is paid to be rid of a short one (None: no limit).

    Raises:
        ValueError: a bid is for no item, or limits are not as many as items.

    """
    limits = [None] * len(items) if limits is None else limits
    by_item: list[list[Bid]] = [[] for _ in items]
    for bid in latest(bids):
        if not 0 <= bid.item < len(items):
            raise ValueError(f"item of a bid must be from 0 to {len(items) - 1}, was {bid.item}")
        by_item[bid.item].append(bid)
    result = Result([], [])
    for index, (item, limit) in enumerate(zip(items, limits, strict=True)):
        left = abs(item.lots)
        for bid in _ranked(item, by_item[index], limit):
            lots = min(left, bid.lots)
            if lots:
                result.awards.append(Award(index, bid.account, lots, bid.price))
            left -= lots
        result.left.append(left if item.lots > 0 else -left)
    return result


def _ranked(item: Item, bids: list[Bid], limit: int | None) -> list[Bid]:
    """Return the bids within the limit, the best first; of equals the earlier stays first."""
    if item.lots > 0:
        return sorted((bid for bid in bids if bid.price >= (limit or 0)), key=lambda bid: -bid.price)
    return sorted((bid for bid in bids if limit is None or bid.price <= limit), key=lambda bid: bid.price)


def juniorised(members: Iterable[int], bidders: Collection[int]) -> tuple[int, ...]:
    """Return the members who did not bid, by account: their default-fund shares go first (CLR-AUC-006)."""
    return tuple(sorted(member for member in members if member not in bidders))
