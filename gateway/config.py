"""Limits of the gateway, each with a name and a unit."""

from dataclasses import dataclass

MESSAGE_BYTES_MAX = 65_536
MESSAGE_BYTES_BEFORE_LOGIN_MAX = 4_096
REQUEST_HEAD_BYTES_MAX = 16_384


@dataclass(frozen=True, slots=True)
class GatewayConfig:
    """What an operator may set.

    Raises:
        ValueError: a value that cannot work.

    """

    heartbeat_ms: int = 1_000
    heartbeats_missed_max: int = 3  # A client silent for longer is cut off.
    login_timeout_ms: int = 3_000
    login_clock_ms: int = 5_000  # How far a login's clock may be off.
    handshake_timeout_ms: int = 3_000  # From a TCP connection to the whole head of its first request.
    tls_handshake_ms: int = 3_000  # How long a peer may take over the TLS handshake.
    request_idle_s: int = 5  # How long an HTTP connection may take over its next request.
    close_timeout_ms: int = 1_000  # How long a peer may take to answer a close frame.
    backlog_bytes_max: int = 1 << 20  # Unread bytes of one connection.
    private_history_bytes: int = 256 * 1024  # Of each account's messages at least so much, at most twice, is kept.
    conflate_bytes_max: int = 1 << 18  # With more unread bytes a connection is behind: market data is conflated for it,
    conflate_low_bytes: int = 1 << 16  # until no more than these are unread.
    stalled_ms_max: int = 5_000  # How long bytes may wait for a connection that takes none of them.
    user_timeout_ms: int = 10_000  # How long sent bytes may stay unacknowledged by the peer's host.
    keepalive_s: int = 10  # After so much silence the peer's host is asked whether it is there.
    drain_retry_ms: int = 5_000  # After which a client is told to come back when the server stops.
    connections_max: int = 10_000  # WebSockets.
    sockets_max: int = 20_000  # TCP connections of any kind.
    connections_per_address_max: int = 20_000
    handshakes_per_address_s: int = 1_000  # New TCP connections; 0 means no limit.
    burst_handshakes_per_address: int = 5_000
    subscriptions_per_session_max: int = 1_024
    handles_per_session_max: int = 131_072  # Instruments that its subscriptions name, said twice counted twice.
    requests_per_s: int = 1_000  # Of a session, other than orders and pings; 0 means no limit.
    burst_requests: int = 2_000
    requests_in_flight_max: int = 256  # Of one session to the clearinghouse, till their answers are durable.
    book_depth_max: int = 1_000  # Levels a side of a snapshot.
    orders_per_s: int = 20_000  # Per account; 0 means no limit.
    burst_orders: int = 40_000
    rate_block_s: int = 15  # How long an account may not log in after 4029.
    failed_logins_max: int = 3  # Per address, within failed_logins_s.
    failed_logins_s: int = 10

    def __post_init__(self) -> None:
        if not 50 <= self.heartbeat_ms <= 30_000:
            raise ValueError(f"heartbeat_ms must be from 50 to 30000, was {self.heartbeat_ms}")
        if self.private_history_bytes < 1:
            raise ValueError(f"private_history_bytes must be at least 1, was {self.private_history_bytes}")
        if not 0 <= self.conflate_low_bytes < self.conflate_bytes_max < self.backlog_bytes_max:
            raise ValueError(
                "conflate_low_bytes must be below conflate_bytes_max, and that below backlog_bytes_max, "
                f"were {self.conflate_low_bytes}, {self.conflate_bytes_max} and {self.backlog_bytes_max}"
            )
        for name in ("handshake_timeout_ms", "close_timeout_ms", "stalled_ms_max", "user_timeout_ms", "keepalive_s"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, was {getattr(self, name)}")
        if self.handshakes_per_address_s < 0 or self.burst_handshakes_per_address < 1:
            raise ValueError("handshakes_per_address_s must be at least 0, burst_handshakes_per_address at least 1")
        if self.orders_per_s and self.burst_orders < 64:
            raise ValueError(f"burst_orders must be at least 64, a whole batch, was {self.burst_orders}")

    @property
    def history_bytes(self) -> int:
        """Return how many bytes of messages are kept: all of them told at once must not look like a backlog."""
        return min(self.private_history_bytes, max(1, self.backlog_bytes_max // 4))
