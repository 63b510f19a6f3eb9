"""The forward curve of each hardware class: what its hours are worth, and its index, at each run of marks (MKD-030).

Built from durable MARK and INDEX events alone; the clearinghouse is only asked which product is of which class.
"""

from collections import Counter
from collections.abc import Container, Iterable
from typing import Any, NamedTuple

from exchange.catalogue import Instrument
from exchange.clearing.house import ClearingHouse
from exchange.clearing.pricing import MARKED
from exchange.records import EventType
from ext.link import Link
from ext.router import Router
from gateway.market_data import InstrumentBoard
from gateway.protocol import MessageType, pack


class ClassCurve(NamedTuple):
    """One class as it stands: micro-dollars per SCU-hour; `level`, its index, None before it was first told."""

    level: int | None
    points: list[tuple[int, int]]  # (hour since 1970, price), the earliest first.


class CurveBoard:
    """Marks and indices as last told, and who follows the curves made of them."""

    def __init__(self, board: InstrumentBoard, router: Router) -> None:
        self.house: ClearingHouse | None = None  # Set by whoever serves one.
        self._board = board
        self._router = router
        self._marks: dict[int, int] = {}  # Ticks, by handle.
        self._indices: dict[int, int] = {}  # Micro-dollars per SCU-hour, by number of the class.
        self._moved_handles: list[int] = []
        self._moved_classes: list[int] = []
        self._followers: dict[str, dict[Link, set[int]]] = {}  # By class: for which instruments.
        self._everything: dict[Link, None] = {}
        self._seqs: Counter[str] = Counter()

    # What happens.

    def note(self, event_type: int, number: int, ticks: int, micros: int) -> None:
        """Take in a MARK of an instrument or an INDEX of a class."""
        if event_type == EventType.MARK:
            self._marks[number] = ticks
            self._moved_handles.append(number)
        else:
            self._indices[number] = micros
            self._moved_classes.append(number)

    def publish(self, ts_us: int) -> None:
        """Queue the curve of every class in which a mark or the index has moved."""
        if not self._moved_handles and not self._moved_classes:
            return
        if self._everything or self._followers:
            names = self._names()
            moved = {name: None for handle in self._moved_handles if (name := self.class_of(handle)) is not None}
            moved |= {names[number - 1]: None for number in self._moved_classes if number <= len(names)}
            for name in moved:
                links = list(self._everything | dict.fromkeys(self._followers.get(name, ())))
                if links:
                    self._seqs[name] += 1
                    self._router.send_to_all(links, self._message(name, ts_us))
        self._moved_handles.clear()
        self._moved_classes.clear()

    # Who listens.

    def subscribe(self, link: Link, handles: Iterable[int] | None, ts_us: int) -> list[bytes]:
        """Add a follower of the classes that instruments are of, or (None) of all; return their curves as they are."""
        if handles is None:
            self._everything[link] = None
            return [self._message(name, ts_us) for name in self._names() if self._stands(name)]
        names: dict[str, None] = {}
        for handle in handles:
            name = self.class_of(handle)
            if name is not None:
                self._followers.setdefault(name, {}).setdefault(link, set()).add(handle)
                names[name] = None
        return [self._message(name, ts_us) for name in names if self._stands(name)]

    def unsubscribe(self, link: Link, handles: Iterable[int] | None, keep: Container[int]) -> None:
        """Take a follower off instruments, or (None) off all but those to keep."""
        if handles is None:
            self._everything.pop(link, None)
            return
        gone = set(handles)
        for name in list(self._followers):
            left = self._followers[name].get(link, set()) - gone
            if left:
                self._followers[name][link] = left
            else:
                self._followers[name].pop(link, None)
            if not self._followers[name]:
                del self._followers[name]

    def snapshot(self, handle: int, ts_us: int) -> list[bytes]:
        """Return the message of the class that an instrument is of; none where it is not cleared or has no price."""
        name = self.class_of(handle)
        return [self._message(name, ts_us)] if name is not None and self._stands(name) else []

    # What there is.

    def class_of(self, handle: int) -> str | None:
        """Return the class of an instrument that is cleared and no option, else None."""
        one = self._board.catalogue.instrument(handle)
        if one is None or self.house is None or one.product_number in self.house.state.options:
            return None
        return self.house.state.class_of.get(one.product_number)

    def curve(self, name: str) -> ClassCurve | None:
        """Return the curve of a class, None where there is no such class. O(windows that trade)."""
        names = self._names()
        if name not in names:
            return None
        by_hour: dict[int, list[int]] = {}
        for handle, ticks in list(self._marks.items()):
            if self._board.phase(handle) not in MARKED:
                del self._marks[handle]  # It will not be marked again.
            elif self.class_of(handle) == name:
                one = self._instrument(handle)
                by_hour.setdefault(one.window, []).append(ticks * one.product.tick_micros)
        points = [(hour, _median(by_hour[hour])) for hour in sorted(by_hour)]
        return ClassCurve(self._indices.get(names.index(name) + 1), points)

    def row(self, name: str) -> dict[str, Any] | None:
        """Return a class for the HTTP API."""
        curve = self.curve(name)
        if curve is None:
            return None
        return {"class": name, "index": curve.level, "points": [list(point) for point in curve.points]}

    # Inside.

    def _names(self) -> list[str]:
        return [] if self.house is None else list(self.house.state.classes)

    def _stands(self, name: str) -> bool:
        curve = self.curve(name)
        return curve is not None and (curve.level is not None or bool(curve.points))

    def _message(self, name: str, ts_us: int) -> bytes:
        curve = self.curve(name)
        assert curve is not None, name
        flat = [number for point in curve.points for number in point]
        return pack(MessageType.CURVE, name, self._seqs[name], ts_us, curve.level or 0, flat)

    def _instrument(self, handle: int) -> Instrument:
        one = self._board.catalogue.instrument(handle)
        assert one is not None, handle
        return one


def _median(prices: list[int]) -> int:
    """Return the median; of an even number, the lower one."""
    return sorted(prices)[(len(prices) - 1) // 2]
