"""Every movement of money that a command has caused, whichever account it is of (ACC-003, ACC-004, CLR-LED-001)."""

from collections.abc import Iterator
from typing import NamedTuple

from exchange.catalogue import Catalogue
from exchange.clearing.ledger import Purse
from exchange.clearing.words import Cause, Kind
from exchange.records import CommandType, EventFlag, EventType
from gateway.reports.playback import Event, Marked, Step

VENUE = 0  # The account of the core that the venue's fees are.


class Movement(NamedTuple):
    """Money that went into an account of the ledger, or out of it."""

    purse: Purse
    cause: str  # A word of `Cause` in small letters; "trade" for the variation of a fill, "trading fee", "withdrawal".
    micros: int
    handle: int = 0
    case: int = 0
    detail: str = ""


class Movements:
    """Follows a playback from its first command, as it has to know the mark of every instrument."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._marks: dict[int, int] = {}  # Ticks, by handle.

    def of(self, step: Step) -> list[Movement]:
        """Return what a command has moved, in the order of its events."""
        if not step.marked and not step.has(EventType.FILL, EventType.ENTRY, EventType.ACCOUNT):
            return []
        found: list[Movement] = []
        marked = list(step.marked)
        told_by_core = step.kind == CommandType.SET_MARK  # Else the clearinghouse tells the variation by ENTRY.
        for place, event in enumerate(step.events()):
            while marked and marked[0].place <= place:
                found += self._mark(marked.pop(0), told_by_core)
            if event.type == EventType.FILL:
                found += self._fill(event, any(first <= place < end for first, end in step.at_mark))
            elif event.type == EventType.ENTRY:
                found.append(entry_of(event))
            elif event.type == EventType.ACCOUNT:
                found += _payment(step, event)
        for one in marked:
            found += self._mark(one, told_by_core)
        return [one for one in found if one.micros]

    def _mark(self, one: Marked, is_told: bool) -> Iterator[Movement]:
        if one.ticks is None:
            self._marks.pop(one.handle, None)
            return
        self._marks[one.handle] = one.ticks
        if is_told and one.before is not None:
            move = (one.ticks - one.before) * self._lot_micros(one.handle)
            for account, lots in one.held:
                detail = f"{lots} lots, mark {one.before} to {one.ticks}"
                yield Movement(_collateral(account), "variation", lots * move, one.handle, detail=detail)

    def _fill(self, event: Event, is_at_mark: bool) -> Iterator[Movement]:
        sells = bool(event.flags & EventFlag.SELL)
        did = f"{'sold' if sells else 'bought'} {event.lots} at {event.price}"
        if is_at_mark:
            did += ", at the mark"
        else:
            mark = self._marks.setdefault(event.instrument, event.price)  # The first trade gives the mark (ACC-003).
            worth = (mark - event.price) * event.lots * self._lot_micros(event.instrument)
            yield Movement(
                _collateral(event.account), "trade", -worth if sells else worth, event.instrument,
                detail=f"{did}, mark {mark}",
            )  # fmt: skip
        yield Movement(_collateral(event.account), "trading fee", -event.amount, event.instrument, detail=did)
        yield Movement(Purse(Kind.FEE), "trading fee", event.amount, event.instrument, detail=did)

    def _lot_micros(self, handle: int) -> int:
        found = self._catalogue.instrument(handle)
        assert found is not None
        return found.product.lot_micros


def _collateral(account: int) -> Purse:
    return Purse(Kind.FEE) if account == VENUE else Purse(Kind.COLLATERAL, account)


def entry_of(event: Event) -> Movement:
    """Return what an ENTRY event tells (CLR-LED-001)."""
    kind = Kind(event.price)
    owner = event.account if kind in (Kind.COLLATERAL, Kind.BOND, Kind.FUND) else event.cum
    purse = Purse(kind, owner)
    return Movement(purse, Cause(event.reason).name.lower(), event.amount, event.instrument, event.lots)


def _payment(step: Step, event: Event) -> list[Movement]:
    """Return both sides of a deposit or withdrawal (ACC-002): ACCOUNT tells the balance, the record the amount."""
    amount = int.from_bytes(step.record[32:40], "little", signed=True)
    if step.kind not in (CommandType.DEPOSIT, CommandType.WITHDRAW):
        return []
    cause = "deposit"
    if step.kind == CommandType.WITHDRAW:
        cause, amount = "withdrawal", -amount
    return [
        Movement(_collateral(event.account), cause, amount), Movement(Purse(Kind.EXTERNAL), cause, -amount),
    ]  # fmt: skip
