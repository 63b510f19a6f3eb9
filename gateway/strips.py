"""Prices of strips: what the usual runs of windows cost, hour by hour, in the books as they stand.

A strip is no instrument (exchange/catalogue/strips.py). It is listed when all its windows are; it is told to those who
listen to the instrument of its first window, and only when its numbers have changed.
"""

import functools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from exchange.catalogue import Catalogue, Instrument, Strip, format_span_symbol, strips_of_day, week_of
from exchange.catalogue.strips import DAY_HOURS
from exchange.errors import CatalogueError, SymbolError
from exchange.records import Phase
from ext.link import Link
from ext.router import Router
from gateway.market_data import InstrumentBoard
from gateway.protocol import Channel, MessageType, pack

IMPLIED = 1  # Flag of a message: the prices are sums of the windows' prices.
DAYS_REMEMBERED = 1_024


class StripPrices(NamedTuple):
    """Ticks of one lot over all hours, and for how many lots they are good; 0 and 0 where a window has none."""

    bid_total: int
    bid_lots: int
    ask_total: int
    ask_lots: int


class ListedStrip(NamedTuple):
    """A strip of one product in one fabric; ``legs`` are the handles of its windows, in order of time."""

    product_number: int
    fabric_index: int
    start: int
    hours: int
    legs: tuple[int, ...]


NONE = StripPrices(0, 0, 0, 0)


@functools.lru_cache(maxsize=DAYS_REMEMBERED)
def _strips_by_window(day: int) -> Mapping[int, tuple[Strip, ...]]:
    """Return the strips that each window of a UTC day is in, the longest last; none at the ends of the calendar."""
    found: dict[int, list[Strip]] = {}
    first = day * DAY_HOURS
    try:
        strips = [*reversed(strips_of_day(first)), week_of(first)]
    except SymbolError:
        return {}
    for strip in strips:
        for window in range(max(strip.start, first), min(strip.start + strip.hours, first + DAY_HOURS)):
            found.setdefault(window, []).append(strip)
    return {window: tuple(strips) for window, strips in found.items()}


class StripBoard:
    """The listed strips, their prices, and the messages about them."""

    def __init__(self, board: InstrumentBoard, router: Router) -> None:
        self._board = board
        self._catalogue: Catalogue = board.catalogue
        self._router = router
        self._listed: dict[tuple[int, int, Strip], ListedStrip] = {}
        self._listeners: set[Link] = set()
        self._leaves: dict[int, tuple[int, int, int, int]] = {}  # Prices of windows, as last looked at.
        self._told: dict[ListedStrip, StripPrices] = {}

    # Who listens.

    @property
    def is_heard(self) -> bool:
        """Whether anybody listens; while nobody does, nothing is reckoned."""
        return bool(self._listeners)

    def add_listener(self, link: Link) -> None:
        """Note that a link listens to some strips."""
        if not self._listeners:
            self._leaves.clear()
            self._told.clear()
        self._listeners.add(link)

    def drop_listener(self, link: Link) -> None:
        """Note that a link listens to none."""
        self._listeners.discard(link)

    # What is told.

    def publish(self, handles: Iterable[int], ts_us: int) -> None:
        """Queue the messages of the strips whose prices changed with news of some instruments."""
        changed: dict[ListedStrip, None] = {}
        for handle in handles:
            if self._look_at(handle):
                changed.update(dict.fromkeys(self.strips_with(handle)))
        for strip in changed:
            links = self._router.market(strip.legs[0]).subscribed(Channel.STRIPS)
            if not links:
                continue
            prices = self.prices(strip)
            if prices != self._told.get(strip, NONE):
                self._router.market(strip.legs[0]).next_seq(Channel.STRIPS)
                self._router.send_to_all(links, self._message(strip, prices, ts_us))
                self._told[strip] = prices

    def snapshot(self, handle: int, ts_us: int) -> list[bytes]:
        """Return the messages of the strips that begin with an instrument, as they stand now."""
        messages = []
        for strip in self.strips_from(handle):
            prices = self._told[strip] = self.prices(strip, fresh=True)
            messages.append(self._message(strip, prices, ts_us))
        return messages

    def rows(self, product: str | None, fabric: str | None) -> list[dict[str, Any]]:
        """Return the strips of a product and a fabric (None: of all) for the HTTP API."""
        return [
            self._row(one, strip)
            for one in self._catalogue.instruments
            if product in (None, one.product.name) and fabric in (None, one.fabric)
            for strip in self.strips_from(one.handle)
        ]

    # What there is.

    def strips_with(self, handle: int) -> Iterator[ListedStrip]:
        """Yield the listed strips that an instrument's window is in, the longest last."""
        one = self._catalogue.instrument(handle)
        if one is not None:
            strips = _strips_by_window(one.window // DAY_HOURS).get(one.window, ())
            for strip in strips if one.product.window_hours == 1 else ():
                listed = self._find(one, strip)
                if listed is not None:
                    yield listed

    def strips_from(self, handle: int) -> Iterator[ListedStrip]:
        """Yield the listed strips that begin with an instrument, the longest last."""
        return (strip for strip in self.strips_with(handle) if strip.legs[0] == handle)

    def prices(self, strip: ListedStrip, *, fresh: bool = False) -> StripPrices:
        """Return the prices of a strip; `fresh` looks at every window anew. O(hours)."""
        for handle in strip.legs:
            if fresh or handle not in self._leaves:
                self._look_at(handle)
        legs = [self._leaves[handle] for handle in strip.legs]
        bid_lots, ask_lots = min(leg[1] for leg in legs), min(leg[3] for leg in legs)
        bid_total = sum(leg[0] for leg in legs) if bid_lots else 0
        ask_total = sum(leg[2] for leg in legs) if ask_lots else 0
        return StripPrices(bid_total, bid_lots, ask_total, ask_lots)

    # Inside.

    def _find(self, one: Instrument, strip: Strip) -> ListedStrip | None:
        """Return the strip in an instrument's product and fabric, or None where a window is not listed."""
        key = (one.product_number, one.fabric_index, strip)
        found = self._listed.get(key)
        if found is None:
            try:
                legs = self._catalogue.handles(one.product_number, strip.start, strip.hours, one.fabric)
            except CatalogueError:
                return None
            found = self._listed[key] = ListedStrip(
                one.product_number, one.fabric_index, strip.start, strip.hours, tuple(legs)
            )
        return found

    def _look_at(self, handle: int) -> bool:
        """Note the best prices of a window, none while it does not trade; True when they are not what they were."""
        prices = (0, 0, 0, 0)
        if self._board.phase(handle) is Phase.CONTINUOUS:
            prices = self._router.market(handle).best_prices()
        if self._leaves.get(handle) == prices:
            return False
        self._leaves[handle] = prices
        return True

    def _message(self, strip: ListedStrip, prices: StripPrices, ts_us: int) -> bytes:
        seq = self._router.market(strip.legs[0]).last_seq(Channel.STRIPS)
        return pack(MessageType.STRIP, *strip[:4], seq, ts_us, *prices, IMPLIED)

    def _row(self, one: Instrument, strip: ListedStrip) -> dict[str, Any]:
        return {
            "product": one.product.name,
            "fabric": one.fabric,
            "symbol": format_span_symbol(one.product.name, one.fabric, strip.start, strip.hours),
            "start": strip.start,
            "hours": strip.hours,
            **self.prices(strip, fresh=True)._asdict(),
            "flags": IMPLIED,
        }
