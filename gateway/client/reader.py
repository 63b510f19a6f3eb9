"""Reading a session's events."""

import asyncio
from collections import deque
from typing import Any, Generic, Self, TypeVar

from gateway.client.errors import ConnectionClosed, EventsOverrun
from gateway.client.events import Event
from gateway.protocol import CloseCode

EVENTS_WAITING_MAX = 100_000
T = TypeVar("T")
E = TypeVar("E", bound=Event)


class Reader(Generic[T]):
    """An iterator over what is heard from now on. Ends when the session is logged out; raises when it is lost."""

    def __init__(self, readers: list[Any]) -> None:
        """`readers` are all who hear the same; this one is among them as long as it listens."""
        self._waiting: deque[T] = deque()
        self._arrived = asyncio.Event()
        self._ending: Exception | None = None
        self._readers = readers
        readers.append(self)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
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

    def put(self, heard: T) -> None:
        """Keep something until it is read."""
        if len(self._waiting) >= EVENTS_WAITING_MAX:
            self.end(EventsOverrun(f"more than {EVENTS_WAITING_MAX} events waited to be read"))
            return
        self._waiting.append(heard)
        self._arrived.set()

    def end(self, ending: Exception) -> None:
        """Nothing more will come."""
        self._ending = ending
        self.close()
        self._arrived.set()


def check_room(count: int) -> None:
    """Raise EventsOverrun for more events than may wait for a reader."""
    if count > EVENTS_WAITING_MAX:
        raise EventsOverrun(f"more than {EVENTS_WAITING_MAX} events would wait to be read, {count}")


class EventReader(Reader[E]):
    """An iterator over the events of some kinds."""

    def __init__(self, kinds: tuple[type[E], ...], readers: "list[EventReader[Any]]") -> None:
        super().__init__(readers)
        self._kinds = kinds

    def hears(self, kinds: tuple[type[Any], ...]) -> bool:
        """Whether it asks for events of one of some kinds."""
        return not frozenset(kinds).isdisjoint(self._kinds)

    def take_over(self, held: "EventReader[Any]") -> None:
        """Begin with what another reader has kept, which ends."""
        held.close()
        for event in held._waiting:
            self.offer(event)
        if held._ending is not None:
            self.end(held._ending)

    def offer(self, event: Event) -> None:
        """Take an event, if it is of a kind asked for."""
        if isinstance(event, self._kinds):
            self.put(event)
