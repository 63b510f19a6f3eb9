"""Reading a session's events."""

import asyncio
from collections import deque
from typing import Any, Generic, TypeVar

from gateway.client.errors import ConnectionClosed, EventsOverrun
from gateway.client.events import Event
from gateway.protocol import CloseCode

EVENTS_WAITING_MAX = 100_000
E = TypeVar("E", bound=Event)


class EventReader(Generic[E]):
    """An iterator over the events of some kinds. Ends when the session is logged out; raises when it is lost."""

    def __init__(self, kinds: tuple[type[E], ...], readers: "list[EventReader[Any]]") -> None:
        self._kinds = kinds
        self._waiting: deque[E] = deque()
        self._arrived = asyncio.Event()
        self._ending: Exception | None = None
        self._readers = readers
        readers.append(self)

    def __aiter__(self) -> "EventReader[E]":
        return self

    async def __anext__(self) -> E:
        while not self._waiting:
            if isinstance(self._ending, ConnectionClosed) and self._ending.code == CloseCode.NORMAL:
                raise StopAsyncIteration
            if self._ending is not None:
                raise self._ending
            self._arrived.clear()
            await self._arrived.wait()
        return self._waiting.popleft()

    def close(self) -> None:
        """Collect nothing more."""
        if self in self._readers:
            self._readers.remove(self)

    def offer(self, event: Event) -> None:
        """Take an event, if it is of a kind asked for."""
        if not isinstance(event, self._kinds):
            return
        if len(self._waiting) >= EVENTS_WAITING_MAX:
            self.end(EventsOverrun(f"more than {EVENTS_WAITING_MAX} events waited to be read"))
            return
        self._waiting.append(event)
        self._arrived.set()

    def end(self, ending: Exception) -> None:
        """Nothing more will come."""
        self._ending = ending
        self.close()
        self._arrived.set()
