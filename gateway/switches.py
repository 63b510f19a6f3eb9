"""Dead-man switches: who does not renew his in time loses his orders, connected or not.

Sans-I/O: time comes in, command records for the sequencer come out. A switch that is set or changed is noted in the
journal, so it is set after a crash too, from the start on; a renewal is not noted.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from exchange.commands import session, session_lost
from exchange.records import SessionNote

Switch = tuple[int, int, int]  # Account, lane (0 of one for the whole account), DEADMAN_LANE or DEADMAN_ACCOUNT.


@dataclass(slots=True)
class Armed:
    """A switch that is set."""

    timeout_ns: int
    due_ns: int


class Switches:
    """All dead-man switches of the venue."""

    def __init__(self) -> None:
        self._armed: dict[Switch, Armed] = {}

    def __len__(self) -> int:
        return len(self._armed)

    def recover(self, timeouts: Mapping[Switch, int], now_ns: int) -> None:
        """Set the switches that were set before a start; each has its whole timeout from now (SES-065)."""
        self._armed = {key: Armed(timeout_ns, now_ns + timeout_ns) for key, timeout_ns in timeouts.items()}

    def set(self, account: int, lane: int, *, whole_account: bool, timeout_ns: int, now_ns: int) -> bytes:
        """Set, renew or, with timeout 0, take off a switch; return what to submit."""
        key = key_of(account, lane, whole_account)
        before = self._armed.pop(key, None)
        if timeout_ns:
            self._armed[key] = Armed(timeout_ns, now_ns + timeout_ns)
        is_new = timeout_ns != (before.timeout_ns if before else 0)
        return note(key, timeout_ns) if is_new else b""

    def due(self, now_ns: int) -> bytes:
        """Return what to submit for the switches that were not renewed in time."""
        over = [key for key, armed in self._armed.items() if armed.due_ns <= now_ns]
        return b"".join(self._fire(key) for key in over)

    def _fire(self, key: Switch) -> bytes:
        del self._armed[key]
        account, lane, scope = key
        is_whole = scope == SessionNote.DEADMAN_ACCOUNT
        ended = session_lost(account, lane, every=not is_whole, whole_account=is_whole, deadman=True)
        return ended + note(key, 0) + session(account, lane, SessionNote.DEADMAN_FIRED)


def key_of(account: int, lane: int, whole_account: bool) -> Switch:
    """Return the key of a switch: an account has one for itself, however many lanes set it."""
    if whole_account:
        return account, 0, SessionNote.DEADMAN_ACCOUNT
    return account, lane, SessionNote.DEADMAN_LANE


def note(key: Switch, timeout_ns: int) -> bytes:
    """Return the record that notes a switch."""
    account, lane, scope = key
    return session(account, lane, SessionNote(scope), timeout_ns)
