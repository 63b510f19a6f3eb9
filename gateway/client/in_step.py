"""What all copies of books have: they are kept in step by numbers, and say when they are not."""

import abc
import asyncio
from typing import Generic, Protocol, TypeVar

MESSAGES_HELD_MAX = 10_000  # To a book that waits for its snapshot.


class Numbered(Protocol):
    """A message about a book."""

    seq: int
    ts: int


M = TypeVar("M", bound=Numbered)


class InStep(abc.ABC, Generic[M]):
    """Until `is_current`, and after a gap until it is mended, it is not to be trusted."""

    def __init__(self) -> None:
        self.seq = 0
        self.ts = 0
        self.is_current = False
        self.gaps = 0  # How often it had to be fetched anew.
        self._held: list[M] = []  # What came before the snapshot that it follows.
        self._changed = asyncio.Event()
        self._ending: Exception | None = None

    @abc.abstractmethod
    def _first(self, message: M) -> int:
        """Return the number of the first message that this one stands for."""

    @abc.abstractmethod
    def _do(self, message: M) -> None:
        """Change what a message says has changed."""

    async def changed(self) -> None:
        """Wait for the next change. Raises ConnectionClosed, or what else has ended the session."""
        self._changed.clear()
        if self._ending is None:
            await self._changed.wait()
        if self._ending is not None:
            raise self._ending

    def apply(self, message: M) -> bool:
        """Take a message that begins no later than with the one after the last, and ends no sooner (MKD-004).

        An older one changes nothing. False when messages are missing: a new snapshot must be fetched, and mends the
        book.
        """
        if not self.is_current:
            is_full = len(self._held) >= MESSAGES_HELD_MAX
            if is_full:
                self._held.clear()
            self._held.append(message)
            return not is_full
        if message.seq <= self.seq:
            return True
        if self._first(message) > self.seq + 1:
            self.lose()
            self._held.append(message)
            return False
        self._do(message)
        self.seq, self.ts = message.seq, message.ts
        self._changed.set()
        return True

    def invalidate(self) -> None:
        """Forget that it was in step: a snapshot will come, and what follows it."""
        self.is_current = False
        self._held.clear()

    def end(self, ending: Exception) -> None:
        """Nothing will change any more."""
        self.is_current, self._ending = False, ending
        self._changed.set()

    def lose(self) -> None:
        """Note that messages are missing: nothing is current until the next snapshot."""
        if self.is_current:
            self.is_current = False
            self.gaps += 1

    def _begin(self, seq: int, ts: int) -> None:
        """Go on from a snapshot with what was held back for it."""
        self.seq, self.ts = seq, ts
        self.is_current = True
        held, self._held = self._held, []
        for message in held:
            self.apply(message)
        self._changed.set()
