"""What the account has, as the venue says it: over signed HTTP, which only reads, and kept up by the fills heard since.

A bot asks once, when it starts or when its state was lost, and follows its session's events from there.
"""

import abc
import time
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import urlsplit, urlunsplit

import aiohttp

from exchange.records import Side
from gateway.client.errors import RequestRefused, reason_of
from gateway.client.events import Fill
from gateway.client.wire import NS_PER_US, Dialer, credentials
from gateway.signing import KEY, SIGNATURE, TIME, signature

HTTP_ANSWER_S_MAX = 10


class Money(NamedTuple):
    """What the account has, in micro-dollars."""

    cash: int
    reserved: int  # Required for positions and open orders.
    available: int


@dataclass(frozen=True, slots=True)
class OpenOrders:
    """Orders and blocks that are open, as rows of ``/v1/orders``; whole as of the command ``gseq``."""

    orders: list[dict[str, Any]]
    blocks: list[dict[str, Any]]
    gseq: int


class Positions:
    """Net lots by instrument, from the venue's answer on, kept up by fills. What is not in it is 0."""

    def __init__(self) -> None:
        self.gseq = 0  # What the venue's answer covers; 0 until it is there.
        self._net: dict[int, int] = {}
        self._early: list[Fill] = []

    def __getitem__(self, inst: int) -> int:
        return self._net.get(inst, 0)

    def items(self) -> list[tuple[int, int]]:
        """Return instruments and lots; negative lots were sold."""
        return [(inst, net) for inst, net in self._net.items() if net]

    def load(self, gseq: int, rows: list[dict[str, Any]]) -> None:
        """Begin with the venue's answer, and add the fills after it that were heard before it."""
        self.gseq, self._net = gseq, {row["inst"]: row["net"] for row in rows}
        early, self._early = self._early, []
        for fill in early:
            self.take(fill)

    def take(self, fill: Fill) -> None:
        """Count a fill, unless the answer has it already."""
        if not self.gseq:
            self._early.append(fill)
        elif fill.gseq > self.gseq:
            lots = fill.qty if fill.side == Side.BUY else -fill.qty
            self._net[fill.inst] = self[fill.inst] + lots


class AccountView(abc.ABC):
    """Questions to the venue about the account; the key must have the scope read."""

    _dialer: Dialer

    @abc.abstractmethod
    async def connected(self) -> None:
        """Wait until there is a connection."""

    async def open_orders(self) -> OpenOrders:
        """Return every open order and block of the account, also those of other lanes and sessions.

        Raises:
            RequestRefused: SCOPE for a key without read, RATE after too many failures.
            OSError: the venue cannot be reached.

        """
        answer = await self._ask("/v1/orders")
        return OpenOrders(answer["orders"], answer["blocks"], answer["gseq"])

    async def money(self) -> Money:
        """Return cash, what is required of it, and what is free. Raises as `open_orders`."""
        answer = await self._ask("/v1/margin")
        return Money(answer["cash"], answer["reserved"], answer["available"])

    async def _ask(self, path: str) -> dict[str, Any]:
        await self.connected()
        dialer = self._dialer
        known, ts_us = credentials(dialer.key), time.time_ns() // NS_PER_US
        headers = {
            KEY: known.key_id, TIME: str(ts_us), SIGNATURE: signature(known.secret, "GET", path, ts_us),
        }  # fmt: skip
        address = urlsplit(dialer.url)
        url = urlunsplit((address.scheme.replace("ws", "http"), address.netloc, path, "", ""))
        timeout = aiohttp.ClientTimeout(total=HTTP_ANSWER_S_MAX)
        async with (
            aiohttp.ClientSession(timeout=timeout) as http,
            http.get(url, headers=headers, ssl=True if dialer.ssl is None else dialer.ssl) as response,
        ):
            answer: dict[str, Any] = await response.json()
        if response.status != 200:
            raise RequestRefused(reason_of(answer["code"]))
        return answer
