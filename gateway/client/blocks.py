"""Blocks: orders for the same lots in every hour of a run of windows, at one price for all of them, or nothing.

Rules: docs/spec/blocks.md. Prices are decimal text in dollars per SCU: `price` is the average over the hours, `total`
their sum. Both must come to a whole number of ticks over all hours; nothing is rounded.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from exchange.records import Side, Tif
from exchange.units import MICROS_PER_DOLLAR, price_text, price_ticks, window_id
from gateway.client.entry import CANCEL_ON_DISCONNECT, PHYSICAL, OrderEntry, Pending
from gateway.client.events import Fill
from gateway.client.instruments import Instruments, Price, ProductInfo, decimal_text
from gateway.client.orders import OpenOrder
from gateway.client.stages import OrderStage
from gateway.protocol import MessageType

_DECIMAL = re.compile(r"\d{1,18}(?:\.\d{1,18})?", re.ASCII)


@dataclass(eq=False, slots=True, kw_only=True)
class BlockOrder(OpenOrder):
    """One block. `ticks` is its limit for one lot over all hours; `cum` and `leaves` count lots, each for all hours.

    `fabrics` is the scope: the fabrics it may still trade in, one of them after its first trade.
    """

    product: ProductInfo
    start: int  # First window.
    hours: int
    fabrics: tuple[str, ...]
    min_lots: int
    instruments: Instruments = field(repr=False)

    @property
    def total(self) -> str:
        """The limit for all hours as decimal text."""
        return price_text(self.ticks, self.product.tick_micros)

    @property
    def lot_hours(self) -> int:
        """How many lots were filled, counted in each hour."""
        return sum(fill.qty for fill in self.fills)

    @property
    def filled_ticks(self) -> int:
        """Sum over the fills of price x lots: exact, in ticks."""
        return sum(fill.px * fill.qty for fill in self.fills)

    @property
    def average_price(self) -> str | None:
        """Average price of what was filled, as decimal text rounded to micro-dollars; None before the first fill."""
        if not self.fills:
            return None
        micros = Fraction(self.filled_ticks * self.product.tick_micros, self.lot_hours)
        return price_text(round(micros), 1)

    def new_limit(self, *, price: Price | None, ticks: int | None, total: Price | None, total_ticks: int | None) -> int:
        """Return another limit in ticks for all hours. Raises ValueError as `total_limit` does."""
        if ticks is not None:
            raise ValueError("the limit of a block must be given as price, total or total_ticks")
        return total_limit(self.product, self.hours, price=price, total=total, total_ticks=total_ticks)

    def on_fill(self, fill: Fill) -> None:
        """Take the fill of one window; the block is filled when those of all windows have come."""
        if not self.is_news(fill.pseq):
            return
        self.count_fill(fill)
        self.fabrics, self.min_lots = (self.instruments.find(fill.inst).region,), 1
        if fill.leaves == 0 and self.lot_hours == fill.cum * self.hours:
            self.end(OrderStage.FILLED)


class BlockEntry(OrderEntry):
    """Entry of blocks. They are not taken in a batch."""

    def buy_block_nowait(
        self,
        product: str,
        start: str | int,
        hours: int,
        *,
        lots: int,
        price: Price | None = None,
        total: Price | None = None,
        total_ticks: int | None = None,
        fabrics: Sequence[str] | None = None,
        min_lots: int = 0,
        all_or_nothing: bool = False,
        tif: Tif | str = Tif.GTG,
        expire_us: int = 0,
        deadline_us: int = 0,
        tag: int = 0,
        cancel_on_disconnect: bool = False,
    ) -> BlockOrder:
        """Send a block that buys, without waiting; `order.accepted()` waits for the answer.

        Args:
            product: name of the product.
            start: first window, as its UTC hour such as ``2026-11-24T14`` or its number.
            hours: how many windows, 1 to 168.
            lots: whole lots, the same in each hour.
            price: most it pays per SCU-hour on average over the hours; give this, `total` or `total_ticks`.
            total: most it pays per SCU over all hours.
            total_ticks: the same in ticks.
            fabrics: names of the fabrics it may be delivered in, one of which it will be; None for any.
            min_lots: it does not trade at first in fewer lots than these.
            all_or_nothing: the same with `lots`.
            tif: GTG (till the first window's gate closes), IOC, FOK or GTD; GTD goes with `expire_us`.
            expire_us: end of a GTD block, microseconds since 1970.
            deadline_us: refuse it if the server reads it later than this.
            tag: a number of your own, for mass cancels.
            cancel_on_disconnect: flag it, for sessions that asked for `cod="flagged"`.

        Raises:
            LookupError: the server has no such product or fabric.
            ValueError: the price is no whole number of ticks over all hours, or terms exclude each other.

        """
        info = self.instruments.product(product)
        indices = None if fabrics is None else [info.fabric_index(name) for name in fabrics]
        block = BlockOrder(
            **self.unsent(), side=Side.BUY, lots=lots, product=info, start=window_number(start), hours=hours,
            ticks=total_limit(info, hours, price=price, total=total, total_ticks=total_ticks),
            fabrics=info.fabrics if fabrics is None else tuple(fabrics),
            min_lots=least_lots(lots, min_lots, all_or_nothing), instruments=self.instruments,
        )  # fmt: skip
        flags = CANCEL_ON_DISCONNECT * cancel_on_disconnect
        return self._enter_block(block, indices, tif, flags, expire_us, deadline_us, tag)

    def sell_block_nowait(
        self,
        product: str,
        fabric: str,
        start: str | int,
        hours: int,
        *,
        lots: int,
        price: Price | None = None,
        total: Price | None = None,
        total_ticks: int | None = None,
        min_lots: int = 0,
        all_or_nothing: bool = False,
        tif: Tif | str = Tif.GTG,
        expire_us: int = 0,
        deadline_us: int = 0,
        tag: int = 0,
        cancel_on_disconnect: bool = False,
        physical: bool = False,
    ) -> BlockOrder:
        """Send a block that sells in one fabric, as `buy_block_nowait`; `physical` lets certified capacity back it."""
        info = self.instruments.product(product)
        block = BlockOrder(
            **self.unsent(), side=Side.SELL, lots=lots, product=info, start=window_number(start), hours=hours,
            ticks=total_limit(info, hours, price=price, total=total, total_ticks=total_ticks), fabrics=(fabric,),
            min_lots=least_lots(lots, min_lots, all_or_nothing), instruments=self.instruments,
        )  # fmt: skip
        flags = CANCEL_ON_DISCONNECT * cancel_on_disconnect | PHYSICAL * physical
        return self._enter_block(block, [info.fabric_index(fabric)], tif, flags, expire_us, deadline_us, tag)

    def _enter_block(
        self,
        block: BlockOrder,
        indices: list[int] | None,
        tif: Tif | str,
        flags: int,
        expire_us: int,
        deadline_us: int,
        tag: int,
    ) -> BlockOrder:
        tif = Tif[tif] if isinstance(tif, str) else tif
        block.ref = self.next_ref()
        message = (
            MessageType.BLOCK, block.ref, block.product.number, indices, block.start, block.hours, int(block.side),
            block.ticks, block.lots, block.min_lots, int(tif), flags, expire_us, deadline_us, 0, tag,
        )  # fmt: skip
        self.enter(message, Pending(block.answer, block))
        return block


def window_number(start: str | int) -> int:
    """Return the number of a window given by its UTC hour or its number. Raises SymbolError for other text."""
    return window_id(start) if isinstance(start, str) else start


def least_lots(lots: int, min_lots: int, all_or_nothing: bool) -> int:
    """Return the minimum of a block. Raises ValueError when both are given."""
    if all_or_nothing and min_lots:
        raise ValueError("min_lots and all_or_nothing must not both be given")
    return lots if all_or_nothing else min_lots


def total_limit(
    product: ProductInfo, hours: int, *, price: Price | None, total: Price | None, total_ticks: int | None
) -> int:
    """Return the limit of a block in ticks for one lot over all hours, given in one of three ways.

    Raises:
        TypeError: a price is not text; a float would not be exact.
        ValueError: not exactly one was given, or it is no decimal, or no whole number of ticks over all hours.

    """
    if sum(way is not None for way in (price, total, total_ticks)) != 1:
        raise ValueError("exactly one of price, total and total_ticks must be given")
    if total_ticks is not None:
        return int(total_ticks)
    said = decimal_text(total if price is None else price)
    if price is None:
        return price_ticks(said, product.tick_micros)
    if _DECIMAL.fullmatch(said) is None:
        raise ValueError(f"price must be a decimal such as '2.45', was {said!r}")
    ticks = Fraction(said) * MICROS_PER_DOLLAR * hours / product.tick_micros
    if ticks.denominator != 1:
        raise ValueError(
            f"price must be a whole number of ticks of {product.tick_micros} micro-dollars over {hours} hours, "
            f"was {price!r}"
        )
    return ticks.numerator
