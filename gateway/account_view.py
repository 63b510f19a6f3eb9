"""The channel `account`: what an account holds, as the engine has it, told once it is durable (SES-072)."""

from typing import NamedTuple, Protocol

import numpy as np

from exchange.engine import Core
from gateway.protocol import MessageType, pack

DEFAULT_MS = 1_000  # Between two states, where the subscription does not say.
NS_PER_MS = 1_000_000
Held = tuple[int, int, int]  # Lots, lots of open buys, lots of open sells.
NOTHING: Held = (0, 0, 0)


class ReadEngine(Protocol):
    """What is read of the engine."""

    core: Core

    @property
    def seq(self) -> int:
        """Sequence number of the last command applied."""


class Holdings(NamedTuple):
    """What an account has after a command."""

    seq: int
    positions: dict[int, Held]
    cash: int
    reserved: int


def read_holdings(engine: ReadEngine, account: int) -> Holdings:
    """Return what an account has now; the engine may be ahead of the disk. O(positions of all accounts)."""
    core = engine.core
    rows = np.frombuffer(core.positions_bytes(account), np.int64).reshape(-1, 5)[:, 1:].tolist()
    positions = {inst: (net, buys, sells) for inst, net, buys, sells in rows}
    return Holdings(engine.seq, positions, core.balance(account), core.requirement_sum(account))


class AccountView:
    """One session's view of its account: what has changed since it was told last, at most once in some time."""

    def __init__(self, engine: ReadEngine, account: int) -> None:
        self._engine = engine
        self._account = account
        self._interval_ns = 0  # 0: not followed.
        self._due_ns = 0
        self._read: Holdings | None = None  # Not told yet: it may not be durable.
        self._told: Holdings | None = None

    def ask(self) -> None:
        """Have everything told, once."""
        self._read, self._told = read_holdings(self._engine, self._account), None

    def follow(self, interval_ms: int, now_ns: int) -> None:
        """Have everything told, and from then on what changes."""
        self._interval_ns = (interval_ms or DEFAULT_MS) * NS_PER_MS
        self._due_ns = now_ns + self._interval_ns
        self.ask()

    def leave(self) -> None:
        """Have nothing more told."""
        self._interval_ns, self._read = 0, None

    def due(self, now_ns: int, durable_seq: int, wall_us: int) -> list[bytes]:
        """Return the messages that may be told by now."""
        if self._read is None and self._interval_ns and now_ns >= self._due_ns and self._has_moved():
            self._read = read_holdings(self._engine, self._account)
            self._due_ns = now_ns + self._interval_ns
        if self._read is None or self._read.seq > durable_seq:
            return []
        before, self._told, self._read = self._told, self._read, None
        return messages(before, self._told, wall_us)

    def _has_moved(self) -> bool:
        return self._told is None or self._engine.seq > self._told.seq


def messages(before: Holdings | None, now: Holdings, wall_us: int) -> list[bytes]:
    """Return what has changed, the money last; everything where nothing was told before."""
    known = before.positions if before else {}
    rows = [
        pack(MessageType.POSITION, inst, *now.positions.get(inst, NOTHING), now.seq)
        for inst in sorted(known.keys() | now.positions.keys())
        if before is None or known.get(inst, NOTHING) != now.positions.get(inst, NOTHING)
    ]
    if before is None or rows or (before.cash, before.reserved) != (now.cash, now.reserved):
        rows.append(pack(MessageType.BALANCE, now.cash, now.reserved, now.cash - now.reserved, wall_us, now.seq))
    return rows
