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
        sub_id = self._next_id
        self._next_id += 1
        self._covered[sub_id] = (channel, handles)
        return sub_id, self._publisher.subscribe(channel, self._link, handles)

    def remove(self, sub_id: int) -> bool:
        """End a subscription; False if there is none of that number."""
        if sub_id not in self._covered:
            return False
        channel, handles = self._covered.pop(sub_id)
        self._publisher.unsubscribe(channel, self._link, handles)
        # What another subscription covers too goes on; putting it back keeps the rule in one place.
        for other_channel, other_handles in self._covered.values():
            if other_channel is channel:
                self._publisher.subscribe(channel, self._link, other_handles)
        return True

    def clear(self) -> None:
        """End all."""
        for channel, handles in self._covered.values():
            self._publisher.unsubscribe(channel, self._link, handles)
        self._covered.clear()
