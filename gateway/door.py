"""How many connections one address may have and open. No sockets and no clocks: time comes in."""

import enum
import ipaddress
from collections import OrderedDict
from dataclasses import dataclass

from gateway.bucket import Rate
from gateway.config import GatewayConfig

ADDRESSES_IDLE_MAX = 10_000


def origin(address: str) -> str:
    """Return what counts as one address: an IPv4 address, or the /64 of an IPv6 one, which is one customer's."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if parsed.version == 4:
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((int(parsed) >> 64 << 64, 64)))


class Refusal(enum.Enum):
    """Why a connection is not taken: HTTP status, its phrase, and a sentence for people."""

    TOO_MANY = (503, "Service Unavailable", "too many connections from this address")
    TOO_FAST = (429, "Too Many Requests", "too many new connections from this address; wait a second")
    TOO_LATE = (408, "Request Timeout", "the head of the request did not come in time")
    TOO_LONG = (431, "Request Header Fields Too Large", "the head of the request is too long")

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self.value[0]

    def response(self) -> bytes:
        """Return the whole HTTP answer."""
        status, phrase, text = self.value
        return (
            f"HTTP/1.1 {status} {phrase}\r\nContent-Type: text/plain; charset=utf-8\r\n"
            f"Content-Length: {len(text)}\r\nConnection: close\r\n\r\n{text}"
        ).encode()


@dataclass(slots=True)
class Visitor:
    """One address: its open connections, and the time up to which its credit for new ones is used."""

    connections: int = 0
    until_ns: int = 0


class Door:
    """Counts the TCP connections of every address."""

    def __init__(self, config: GatewayConfig) -> None:
        self.sockets = 0
        self._config = config
        self._rate = Rate(config.handshakes_per_address_s, config.burst_handshakes_per_address)
        self._visitors: dict[str, Visitor] = {}
        # Addresses without a connection, the one that left first in front: kept while they lack credit.
        self._idle: OrderedDict[str, Visitor] = OrderedDict()

    def __len__(self) -> int:
        return len(self._visitors) + len(self._idle)

    @property
    def is_full(self) -> bool:
        """Whether there is no room for one more socket, whatever its address."""
        return self.sockets >= self._config.sockets_max

    def enter(self, address: str, now_ns: int) -> Refusal | None:
        """Count a new connection, refused or not; say why it is to be refused. Each must `leave`."""
        visitor = self._visitors.get(address)
        if visitor is None:
            visitor = self._idle.pop(address) if address in self._idle else Visitor()
            self._visitors[address] = visitor
        self.sockets += 1
        visitor.connections += 1
        if visitor.connections > self._config.connections_per_address_max:
            return Refusal.TOO_MANY
        visitor.until_ns, late_ns = self._rate.charge(visitor.until_ns, 1, now_ns)
        return Refusal.TOO_FAST if late_ns else None

    def leave(self, address: str, now_ns: int) -> None:
        """Note that a connection is gone. O(1) on average."""
        self.sockets -= 1
        visitor = self._visitors[address]
        visitor.connections -= 1
        if visitor.connections:
            return
        del self._visitors[address]
        if visitor.until_ns > now_ns - self._rate.burst_ns:
            self._idle[address] = visitor
        if len(self._idle) > ADDRESSES_IDLE_MAX:
            self._idle.popitem(last=False)
