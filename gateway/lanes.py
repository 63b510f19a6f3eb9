"""Which session holds which (account, lane), and what happens to the lane's orders when it is lost.

Sans-I/O: time comes in, command records for the sequencer come out.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from exchange.commands import session, session_lost
from exchange.records import SessionNote
from ext.link import RateLimit
from gateway.protocol import CancelOnDisconnect

Lane = tuple[int, int]


class Holder(Protocol):
    """What this module needs of a session."""

    account: int
    lane: int
    cod: CancelOnDisconnect
    grace_ns: int

    def supersede(self) -> None:
        """Hear that another session holds the lane now."""

    def last_ref(self) -> int:
        """Highest ref this session has sent."""


@dataclass(slots=True)
class Lost:
    """A lane whose orders will be cancelled unless someone logs in on it."""

    due_ns: int
    records: bytes


class Lanes:
    """All (account, lane) pairs that have, or had, a session since the gateway started."""

    def __init__(self, orders_per_s: int, burst_orders: int) -> None:
        self._orders_per_s = orders_per_s
        self._burst_orders = burst_orders
        self._holders: dict[Lane, Holder] = {}
        self._lost: dict[Lane, Lost] = {}
        self._noted: dict[Lane, tuple[int, int]] = {}  # Mode and grace, as journalled.
        self._last_refs: dict[Lane, int] = {}
        self._rates: dict[int, RateLimit] = {}
        self.listeners = 0  # Sessions without a lane: their keys may neither trade nor cancel.

    def __len__(self) -> int:
        """How many sessions there are."""
        return len(self._holders) + self.listeners

    def recover(self, modes: Mapping[Lane, tuple[int, int]], now_ns: int) -> None:
        """Take over what was noted before a start: every session was lost with the server that had it (SES-064)."""
        self._noted = dict(modes)
        for key, (mode, grace_ns) in modes.items():
            self._lost[key] = Lost(now_ns + grace_ns, ending(key, CancelOnDisconnect(mode)))

    def enter(self, holder: Holder) -> bytes:
        """Give the lane to a session: the one before is superseded, and a pending cancel is called off.

        Returns what to submit: its mode, so that it is known after a crash.
        """
        key = (holder.account, holder.lane)
        before = self._holders.get(key)
        if before is not None:
            self._note_last_ref(before)
            before.supersede()
        self._holders[key] = holder
        self._lost.pop(key, None)
        return self._note(key, holder.cod, holder.grace_ns)

    def leave(self, holder: Holder, now_ns: int, *, orderly: bool, cancel: bool = False) -> bytes:
        """Take the lane from a session that is gone; return what to submit now.

        `orderly`: it logged out, so nothing is cancelled unless it asked to `cancel`.
        """
        key = (holder.account, holder.lane)
        if self._holders.get(key) is not holder:  # Superseded: the lane is another's.
            return b""
        del self._holders[key]
        self._note_last_ref(holder)
        if orderly:
            ended = session_lost(*key, every=True) if cancel else b""
            return ended + self._note(key, CancelOnDisconnect.OFF)
        if holder.cod is CancelOnDisconnect.OFF:
            return b""
        lost = Lost(now_ns + holder.grace_ns, ending(key, holder.cod))
        if holder.grace_ns == 0:
            return self._over(key, lost)
        self._lost[key] = lost
        return b""

    def due(self, now_ns: int) -> bytes:
        """Return what to submit for the lanes nobody came back to in time."""
        over = [key for key, lost in self._lost.items() if lost.due_ns <= now_ns]
        return b"".join(self._over(key, self._lost.pop(key)) for key in over)

    def give_up(self) -> bytes:
        """Return what to submit for all lanes waiting for a session, as when the gateway stops."""
        records = b"".join(self._over(key, lost) for key, lost in self._lost.items())
        self._lost.clear()
        return records

    def last_ref(self, account: int, lane: int) -> int:
        """Return the highest ref any session since the start sent, 0 for none.

        Commands on their way to the engine count, which the engine does not know yet.
        """
        holder = self._holders.get((account, lane))
        return max(self._last_refs.get((account, lane), 0), holder.last_ref() if holder else 0)

    def rate(self, account: int) -> RateLimit:
        """Return the bucket that all sessions of an account share."""
        if account not in self._rates:
            self._rates[account] = RateLimit(self._orders_per_s, self._burst_orders)
        return self._rates[account]

    def _note_last_ref(self, holder: Holder) -> None:
        key = (holder.account, holder.lane)
        self._last_refs[key] = max(self._last_refs.get(key, 0), holder.last_ref())

    def _over(self, key: Lane, lost: Lost) -> bytes:
        self._noted.pop(key, None)
        return lost.records

    def _note(self, key: Lane, mode: CancelOnDisconnect, grace_ns: int = 0) -> bytes:
        """Return the note that changes what is known of a lane; nothing where that is the same."""
        if mode is CancelOnDisconnect.OFF:
            return session(*key, SessionNote.COD_OFF) if self._noted.pop(key, None) else b""
        if self._noted.get(key) == (mode, grace_ns):
            return b""
        self._noted[key] = (int(mode), grace_ns)
        return session(*key, SessionNote(mode), grace_ns)


def ending(key: Lane, mode: CancelOnDisconnect) -> bytes:
    """Return the records that end the orders of a lost session, and its note."""
    return session_lost(*key, every=mode is CancelOnDisconnect.LANE) + session(*key, SessionNote.COD_OFF)
