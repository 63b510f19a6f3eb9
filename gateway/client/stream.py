"""The private stream of an account: every message once, in the order of `pseq`, without a gap."""

from typing import Any

from gateway.client.errors import StateLost

PRIVATE_HELD_MAX = 65_536  # Messages that wait for what comes before them.
Message = list[Any]


class PrivateStream:
    """Puts private messages in order: passes over what was told before, holds back what comes after a gap."""

    def __init__(self, pseq: int) -> None:
        self.pseq = pseq  # Of the last message that was let through.
        self._held: dict[int, Message] = {}

    @property
    def has_gap(self) -> bool:
        """Whether something is missing: it must be asked for (replay)."""
        return bool(self._held)

    def offer(self, message: Message) -> list[Message]:
        """Take a message whose first field is its pseq; return those whose turn it is. O(1) for each.

        Raises:
            StateLost: too many are held back.

        """
        pseq = message[1]
        if pseq <= self.pseq:
            return []
        if pseq > self.pseq + 1:
            if len(self._held) >= PRIVATE_HELD_MAX:
                raise StateLost(f"over {PRIVATE_HELD_MAX} private messages came after a gap")
            self._held[pseq] = message
            return []
        ready = [message]
        while pseq + 1 in self._held:
            pseq += 1
            ready.append(self._held.pop(pseq))
        self.pseq = pseq
        return ready
