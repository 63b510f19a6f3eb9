"""The subscriptions of one session. Several may cover the same instrument; it is sent once."""

from ext.link import Link
from gateway.protocol import Channel
from gateway.publisher import Publisher

Covered = tuple[Channel, tuple[int, ...] | None]


class Subscriptions:
    """What one session listens to."""

    def __init__(self, publisher: Publisher, link: Link) -> None:
        self._publisher = publisher
        self._link = link
        self._covered: dict[int, Covered] = {}
        self._next_id = 1

    def __len__(self) -> int:
        return len(self._covered)

    def add(self, channel: Channel, handles: tuple[int, ...] | None) -> tuple[int, list[bytes]]:
        """Subscribe; return the subscription's number and the snapshots to begin with."""
        handles = None if handles is None else tuple(dict.fromkeys(handles))  # Said twice is said once.
        sub_id = self._next_id
        self._next_id += 1
        self._covered[sub_id] = (channel, handles)
        return sub_id, self._publisher.subscribe(channel, self._link, handles)

    def remove(self, sub_id: int) -> bool:
        """End a subscription; False if there is none of that number."""
        if sub_id not in self._covered:
            return False
        channel, handles = self._covered.pop(sub_id)
        # What another subscription covers too goes on.
        covers_all, others = self._union(channel)
        if covers_all:
            return True
        if handles is not None:
            self._publisher.unsubscribe(channel, self._link, [handle for handle in handles if handle not in others])
        else:
            self._publisher.unsubscribe(channel, self._link, None)
        if others:  # Put back what goes on: all of it, or the mark that there is some.
            self._publisher.subscribe(channel, self._link, others if handles is None else ())
        return True

    def clear(self) -> None:
        """End all. Each instrument is gone through once for a channel, however many subscriptions cover it."""
        for channel in {channel for channel, _ in self._covered.values()}:
            covers_all, handles = self._union(channel)
            self._publisher.unsubscribe(channel, self._link, None if covers_all else handles)
        self._covered.clear()

    def _union(self, channel: Channel) -> tuple[bool, dict[int, None]]:
        """Return whether a subscription covers all instruments of a channel, and those that are covered by name."""
        covered = [handles for one, handles in self._covered.values() if one is channel]
        if None in covered:
            return True, {}
        return False, dict.fromkeys(handle for handles in covered for handle in handles or ())
