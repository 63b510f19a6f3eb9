"""Dead-man switches: orders that end when their owner falls silent, connected or not."""

import abc
import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from gateway.client.errors import ConnectionClosed
from gateway.client.wire import MS_PER_SECOND
from gateway.protocol import MessageType

RENEWALS = 3  # Of a switch within its time.


class DeadMan(abc.ABC):
    """Dead-man switches, as a session has them."""

    @property
    @abc.abstractmethod
    def is_connected(self) -> bool:
        """Whether there is a connection at this moment."""

    @abc.abstractmethod
    async def _request(self, kind: MessageType, *fields: Any) -> int:
        """Make a request, and return its answer."""

    async def dead_man_switch(self, timeout_ms: int, *, whole_account: bool = False) -> None:
        """Set or renew a dead-man switch, 0 takes it off: not renewed in time, it ends all orders of the lane.

        Args:
            timeout_ms: 100 to 86,400,000, or 0.
            whole_account: of all orders of the account, quotes included.

        Raises:
            RequestRefused: MALFORMED for another timeout, SCOPE for a key that may not cancel.
            ConnectionClosed: the session ended before the answer.

        """
        await self._request(MessageType.DEADMAN, timeout_ms, int(whole_account))

    @contextlib.asynccontextmanager
    async def alive(self, timeout_ms: int, *, whole_account: bool = False) -> AsyncIterator[None]:
        """Keep a dead-man switch from firing as long as the block runs and its event loop turns; then take it off.

        A connection that is away for longer does not renew it: the orders end, and `Done` events say DEADMAN.
        """
        await self.dead_man_switch(timeout_ms, whole_account=whole_account)
        renewing = asyncio.create_task(self._renew(timeout_ms, whole_account))
        try:
            yield
        finally:
            renewing.cancel()
            await asyncio.gather(renewing, return_exceptions=True)
            if self.is_connected:
                with contextlib.suppress(ConnectionClosed):
                    await self.dead_man_switch(0, whole_account=whole_account)

    async def _renew(self, timeout_ms: int, whole_account: bool) -> None:
        while True:
            await asyncio.sleep(timeout_ms / MS_PER_SECOND / RENEWALS)
            await self.dead_man_switch(timeout_ms, whole_account=whole_account)
