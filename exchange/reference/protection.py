"""Market-maker protection: a quote set that is hit too often is pulled (MMP-001 to MMP-003)."""

from dataclasses import dataclass

from exchange.records import EventType, NoticeKind
from exchange.reference.events import EventLog
from exchange.units import NS_PER_MS

Key = tuple[int, int]  # Account and quote set.


@dataclass(slots=True)
class Protection:
    """The limits of one quote set, and what has been counted in the present window."""

    fills_max: int
    lots_max: int
    window_ms: int
    fills: int = 0
    lots: int = 0
    until_ns: int = 0  # End of the present window.
    frozen: bool = False

    def count(self, lots: int, now_ns: int) -> bool:
        """Count a fill; return whether that fires the protection."""
        if self.window_ms == 0 or self.frozen:
            return False
        if now_ns >= self.until_ns:
            self.reset(now_ns + self.window_ms * NS_PER_MS)
        self.fills += 1
        self.lots += lots
        self.frozen = 0 < self.fills_max <= self.fills or 0 < self.lots_max <= self.lots
        return self.frozen

    def reset(self, until_ns: int = 0) -> None:
        """Begin a new window."""
        self.fills = self.lots = 0
        self.until_ns = until_ns
        self.frozen = False


class Protections:
    """All of them, and those that have fired in the present command."""

    def __init__(self, events: EventLog) -> None:
        self.events = events
        self.sets: dict[Key, Protection] = {}  # In order of creation.
        self.fired: list[Key] = []

    def count(self, account: int, quote_set: int, lots: int, now_ns: int) -> None:
        """Count a fill of a resting order of a quote."""
        protection = self.sets.get((account, quote_set))
        if protection is not None and protection.count(lots, now_ns):
            self.fired.append((account, quote_set))

    def is_frozen(self, account: int, quote_set: int) -> bool:
        """Whether a set may not quote until it is reset."""
        protection = self.sets.get((account, quote_set))
        return protection is not None and protection.frozen

    def guard(self, key: Key, fills_max: int, lots_max: int, window_ms: int) -> None:
        """Set the limits of a set; what was counted is forgotten, but a frozen set stays frozen (MMP-003)."""
        self.sets[key] = Protection(fills_max, lots_max, window_ms, frozen=self.is_frozen(*key))

    def reset(self, key: Key) -> None:
        """Let a set quote again."""
        if key in self.sets:
            self.sets[key].reset()

    def tell(self, key: Key) -> None:
        """Tell the maker that his set was pulled."""
        account, quote_set = key
        self.events.emit(EventType.NOTICE, account=account, lane=quote_set, reason=NoticeKind.MMP_FIRED)
