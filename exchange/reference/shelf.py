"""The resting blocks of one product and side, in order of priority (BLK-011)."""

import functools
from collections.abc import Iterator

from exchange.records import Side
from exchange.reference.orders import Block


def compare(one: Block, other: Block) -> int:
    """Return a negative number where the first block of a side goes first: better limit an hour, then sequence."""
    better = one.sign * (other.limit * one.hours - one.limit * other.hours)
    return better or one.sequence - other.sequence


def by_priority(blocks: list[Block]) -> list[Block]:
    """Return blocks of one side in order of priority."""
    return sorted(blocks, key=functools.cmp_to_key(compare))


class Shelf:
    """The resting blocks of one product."""

    def __init__(self) -> None:
        self.sides: tuple[dict[int, Block], dict[int, Block]] = ({}, {})  # By handle.

    def __len__(self) -> int:
        return len(self.sides[Side.BUY]) + len(self.sides[Side.SELL])

    def add(self, block: Block) -> None:
        """Put a block on the shelf."""
        self.sides[block.side][block.oid] = block

    def remove(self, block: Block) -> None:
        """Take a block off the shelf."""
        del self.sides[block.side][block.oid]

    def blocks(self, side: int) -> list[Block]:
        """Return the blocks of a side by priority."""
        return by_priority(list(self.sides[side].values()))

    def covering(self, side: int, window: int, fabric: int) -> Iterator[Block]:
        """Yield the blocks of a side with a leg in (window, fabric)."""
        for block in self.blocks(side):
            if window in block.windows() and block.scope >> fabric & 1:
                yield block

    def beginning(self, window: int, fabric: int) -> list[Block]:
        """Return the blocks of both sides whose first leg is (window, fabric), by sequence."""
        found = [
            block
            for side in self.sides
            for block in side.values()
            if block.start == window and block.scope >> fabric & 1
        ]
        return sorted(found, key=lambda block: block.sequence)
