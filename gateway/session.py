"""One client's session: what it says, and what it is answered. No sockets, no clocks, no awaiting.

```
hello --login accepted--> live --logout, error, silence--> closed
```
`receive` takes a message and the time, and returns the messages to reply with. What must end the connection is
raised as WireError with the close code. Order messages of a live session never come here: `ext.link` takes them.
"""

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from exchange.reasons import RejectReason
from ext.link import Link
from gateway.auth import ApiKey, KeyStore, LoginGuard
from gateway.bucket import Rate
from gateway.clearing_requests import record_of
from gateway.config import MESSAGE_BYTES_BEFORE_LOGIN_MAX, MESSAGE_BYTES_MAX, GatewayConfig
from gateway.door import origin
from gateway.lanes import Lanes
from gateway.private_channels import PrivateChannels, Sources
from gateway.protocol import (
    EPOCH,
    VERSION,
    CancelOnDisconnect,
    ClearingRequest,
    CloseCode,
    Deadman,
    Login,
    Logout,
    MessageType,
    Ping,
    Replay,
    Request,
    RequestError,
    Snapshot,
    StatusQuery,
    Subscribe,
    Unsubscribe,
    WireError,
    malformed,
    pack,
    parse,
)
from gateway.protocol.text import to_message
from gateway.publisher import Publisher
from gateway.subscriptions import Subscriptions
from gateway.switches import Switches

NS_PER_MS = 1_000_000
NS_PER_SECOND = 1_000_000_000
US_PER_MS = 1_000
NS_PER_US = 1_000
INSTRUMENTS_PER_UNIT = 64  # Of a subscription, for what is taken from the bucket of requests.
REPLAY_UNITS = 64  # What a replay takes from it.
PERMISSION_READ = 1
PERMISSION_TRADE = 2
PERMISSION_CANCEL = 4
PERMISSION_COPY = 8
BUCKET_ORDERS = 0
BUCKET_CANCELS = 1


class State(enum.Enum):
    """Where a session is."""

    HELLO = enum.auto()
    LIVE = enum.auto()
    CLOSED = enum.auto()


@dataclass(frozen=True, slots=True)
class Venue:
    """What sessions share."""

    config: GatewayConfig
    keys: KeyStore
    publisher: Publisher
    lanes: Lanes
    switches: Switches
    guard: LoginGuard
    wall_us: Callable[[], int]  # Microseconds since 1970: what clients are told, and what logins are compared with.
    account_number: Callable[[str], int | None]
    last_ref: Callable[[int, int], int]  # Of (account, lane), as the engine has it.
    durable_seq: Callable[[], int]
    next_seq: Callable[[], int]  # Of the first command of the next `submit`.
    submit: Callable[[bytes], bool]  # Queues command records; False when there is no room for them.
    sources: Sources
    owe: Callable[[bytes], None]  # Submits command records, now or, where there is no room for them, soon.


class Session:
    """One client's session."""

    def __init__(self, venue: Venue, link: Link, *, number: int, nonce: bytes, address: str, now_ns: int) -> None:
        """`nonce` must be new for every session; `now_ns` is a clock that never goes back."""
        self.venue = venue
        self.link = link
        self.number = number
        self.nonce = nonce
        self.address = address
        self._origin = origin(address)
        self.state = State.HELLO
        self.account = 0
        self.account_name = ""
        self.private: PrivateChannels  # Once it is live.
        self.lane = 0
        self.may_cancel = False
        self.cod = CancelOnDisconnect.OFF
        self.grace_ns = 0
        self.heartbeat_ms = venue.config.heartbeat_ms
        self._speaks_text = False
        self.subscriptions = Subscriptions(venue.publisher, link)
        self._requests = Rate(venue.config.requests_per_s, venue.config.burst_requests)
        self._requests_until_ns = now_ns - self._requests.burst_ns
        self._begun_ns = now_ns
        self._heartbeat_due_ns = now_ns
        link.message_bytes_max = MESSAGE_BYTES_BEFORE_LOGIN_MAX

    # What the connection calls.

    def hello(self) -> bytes:
        """Return the first message of every connection."""
        return pack(
            MessageType.HELLO,
            list(VERSION),
            EPOCH,
            self.nonce,
            self.venue.wall_us(),
            self.venue.config.heartbeat_ms,
            MESSAGE_BYTES_MAX,
        )

    def receive(self, message: bytes, is_text: bool, now_ns: int) -> list[bytes]:
        """Take one message and return the replies.

        Raises:
            WireError: the connection must be closed.

        """
        if self.state is State.CLOSED:
            return []
        try:
            if is_text:
                message = to_message(message)
                if self.state is State.LIVE and self.link.offer(message):
                    return []
            request = parse(message)
            self._speaks_text = is_text
            if self.state is State.HELLO and not isinstance(request, Login | Ping):
                raise RequestError(request.ref, RejectReason.UNKNOWN_TYPE)
            late_ns = self._charge(request, now_ns)
            if late_ns:
                is_order = isinstance(request, StatusQuery)
                refused = RequestError(request.ref, RejectReason.RATE, is_order=is_order)
                return [self._refusal(refused, late_ns // NS_PER_US + 1)]
            return _HANDLERS[type(request)](self, request, now_ns)
        except RequestError as error:
            if self.state is State.HELLO:
                raise _early(error) from error
            return [self._refusal(error)]

    def tick(self, now_ns: int) -> list[bytes]:
        """Return what is due by now: heartbeats.

        Raises:
            WireError: the login is overdue, or the client has been silent for too long.

        """
        config = self.venue.config
        if self.state is State.HELLO and now_ns - self._begun_ns >= config.login_timeout_ms * NS_PER_MS:
            raise WireError("the login came too late", close_code=CloseCode.LOGIN_TIMEOUT)
        if self.state is not State.LIVE:
            return []
        silent_ns = now_ns - self.link.seen_ns
        if silent_ns >= self.heartbeat_ms * config.heartbeats_missed_max * NS_PER_MS:
            raise WireError("the client was silent for too long", close_code=CloseCode.HEARTBEAT)
        told = self.private.due(now_ns)
        if now_ns < self._heartbeat_due_ns:
            return told
        self._heartbeat_due_ns = now_ns + self.heartbeat_ms * NS_PER_MS
        return [*told, self._heartbeat()]

    def end(self, now_ns: int) -> None:
        """Note that the connection is over. Harmless when called again."""
        self._leave(now_ns, orderly=False)

    # What `Lanes` calls.

    def supersede(self) -> None:
        """Another session logged in on this one's lane."""
        self._detach()
        self.link.close(CloseCode.SUPERSEDED, "another session has logged in on this lane")

    def last_ref(self) -> int:
        """Highest ref this session has sent."""
        return int(self.link.last_ref)

    # Requests.

    def _login(self, request: Login, now_ns: int) -> list[bytes]:
        if self.state is not State.HELLO:
            raise RequestError(request.ref, RejectReason.AUTH)
        key = self._authenticate(request, now_ns)
        account = self.venue.account_number(key.account)
        if account is None:
            raise self._login_failure(RejectReason.NO_ACCOUNT, now_ns)
        self.account, self.account_name, self.lane = account, key.account, request.lane
        self.cod, self.grace_ns = CancelOnDisconnect(request.cod), request.grace_ms * NS_PER_MS
        lanes = self.venue.lanes
        self.heartbeat_ms = request.hb_ms or self.heartbeat_ms
        if key.may_cancel:
            self.venue.owe(lanes.enter(self))
        else:
            lanes.listeners += 1
        last_ref = max(self.venue.last_ref(account, self.lane), lanes.last_ref(account, self.lane))
        self._go_live(key, last_ref)
        self._heartbeat_due_ns = now_ns + self.heartbeat_ms * NS_PER_MS
        self.link.send(self._welcome(request.ref, key, last_ref))
        if request.last_pseq == 0 or not key.is_private:
            return []
        return self._catch_up(request)

    def _catch_up(self, request: Login) -> list[bytes]:
        """Tell what the account has missed since its last private message (SES-062)."""
        router = self.venue.publisher.router
        pseq = router.pseq(self.account)
        oldest = router.oldest_pseq(self.account) or pseq + 1
        if request.epoch == EPOCH and oldest - 1 <= request.last_pseq <= pseq:
            router.replay(self.link, request.last_pseq + 1, pseq)
            return []
        # Of another journal, or gone: there is nothing to go on from.
        return [pack(MessageType.RESP, request.ref, int(RejectReason.REPLAY_TOO_OLD), oldest)]

    def _authenticate(self, request: Login, now_ns: int) -> ApiKey:
        """Return the key of a login, or raise what ends the connection. Reasons are told only as codes."""
        if self.venue.guard.is_refused(self._origin, now_ns):
            raise self._login_failure(RejectReason.RATE, now_ns, count=False)
        key = self.venue.keys.verify(request.key, self.nonce, request.ts, request.sig)
        if key is None or not key.is_usable(self.address, self.venue.wall_us()):
            raise self._login_failure(RejectReason.AUTH, now_ns)
        if abs(request.ts - self.venue.wall_us()) > self.venue.config.login_clock_ms * US_PER_MS:
            raise self._login_failure(RejectReason.CLOCK, now_ns)
        if self.venue.guard.is_blocked(key.account, now_ns):
            raise self._login_failure(RejectReason.RATE, now_ns, count=False)
        if request.cod and not key.may_cancel:
            raise self._login_failure(RejectReason.SCOPE, now_ns, count=False)
        return key

    def _login_failure(self, reason: RejectReason, now_ns: int, *, count: bool = True) -> WireError:
        if count:
            self.venue.guard.note_failure(self._origin, now_ns)
        return WireError(f"{int(reason)} {reason.name}", close_code=CloseCode.AUTH)

    def _go_live(self, key: ApiKey, last_ref: int) -> None:
        self.state = State.LIVE
        link = self.link
        link.message_bytes_max = MESSAGE_BYTES_MAX
        self.may_cancel = key.may_cancel
        link.is_listener = not key.may_cancel
        if not key.may_cancel:
            link.gate = int(RejectReason.SCOPE)
        link.only_cancels = not key.may_trade
        link.is_private = key.is_private or bool(key.firm)
        link.firm = key.firm
        self.private = PrivateChannels(self.venue.sources, link, key, self.account)
        link.is_text = self._speaks_text  # Answers have the form of the last login.
        link.open(self.account, self.lane, last_ref, self.venue.lanes.rate(self.account))
        if key.is_private:
            self.venue.publisher.router.attach(link)

    def _welcome(self, ref: int, key: ApiKey, last_ref: int) -> bytes:
        config = self.venue.config
        limits = [
            [BUCKET_ORDERS, config.orders_per_s, config.burst_orders],
            [BUCKET_CANCELS, 2 * config.orders_per_s, 2 * config.burst_orders],
        ]
        permissions = PERMISSION_READ * ("read" in key.scopes) | PERMISSION_TRADE * key.may_trade
        permissions |= PERMISSION_CANCEL * ("cancel" in key.scopes) | PERMISSION_COPY * ("copy" in key.scopes)
        publisher = self.venue.publisher
        pseq, gseq = publisher.router.pseq(self.account), publisher.durable_seq
        return pack(
            MessageType.WELCOME, ref, self.number, self.account, self.lane, last_ref, pseq, gseq, limits, permissions
        )

    def _logout(self, request: Logout, now_ns: int) -> list[bytes]:
        if request.cancel and not self.may_cancel:
            raise RequestError(request.ref, RejectReason.SCOPE)
        self._leave(now_ns, orderly=True, cancel=bool(request.cancel))
        self.link.send(pack(MessageType.RESP, request.ref, 0, 0))
        self.link.close(CloseCode.NORMAL, "logged out")
        return []

    def _ping(self, request: Ping, now_ns: int) -> list[bytes]:
        return [pack(MessageType.PONG, request.ref, request.ts, self.venue.wall_us())]

    def _deadman(self, request: Deadman, now_ns: int) -> list[bytes]:
        """Set a dead-man switch; always taken, at whatever rate."""
        if not self.may_cancel:
            raise RequestError(request.ref, RejectReason.SCOPE)
        records = self.venue.switches.set(
            self.account,
            self.lane,
            whole_account=bool(request.scope),
            timeout_ns=request.timeout_ms * NS_PER_MS,
            now_ns=now_ns,
        )
        self.venue.owe(records)
        return [pack(MessageType.RESP, request.ref, 0, request.timeout_ms)]

    def _subscribe(self, request: Subscribe, now_ns: int) -> list[bytes]:
        board = self.venue.publisher.board
        if not all(board.exists(handle) for handle in request.insts or ()):
            raise RequestError(request.ref, RejectReason.NO_INSTRUMENT)
        config, handles = self.venue.config, self.subscriptions.handles + len(request.insts or ())
        if len(self.subscriptions) >= config.subscriptions_per_session_max or handles > config.handles_per_session_max:
            raise RequestError(request.ref, RejectReason.OPEN_LIMIT)
        if request.chan.is_private:
            self.private.check(request.ref, request.chan)
        sub_id, snapshots = self.subscriptions.add(request)
        return [pack(MessageType.RESP, request.ref, 0, sub_id), *snapshots, *self.private.begin(request, now_ns)]

    def _unsubscribe(self, request: Unsubscribe, now_ns: int) -> list[bytes]:
        channel = self.subscriptions.channel(request.sub_id)
        if channel is None:
            raise RequestError(request.ref, RejectReason.MALFORMED)
        self.subscriptions.remove(request.sub_id)
        if not self.subscriptions.covers(channel):
            self.private.leave(channel)
        return [pack(MessageType.RESP, request.ref, 0, request.sub_id)]

    def _replay(self, request: Replay, now_ns: int) -> list[bytes]:
        if request.inst is None:
            return self.private.replay(request)
        if not self.venue.publisher.board.exists(request.inst):
            raise RequestError(request.ref, RejectReason.NO_INSTRUMENT)
        trades, oldest = self.venue.publisher.trades(request.inst, request.first, request.last)
        if request.first < oldest:
            return [pack(MessageType.RESP, request.ref, int(RejectReason.REPLAY_TOO_OLD), oldest)]
        return [pack(MessageType.RESP, request.ref, 0, len(trades)), *trades]

    def _snapshot(self, request: Snapshot, now_ns: int) -> list[bytes]:
        if request.inst is None:
            return self.private.snapshot(request, now_ns)
        publisher = self.venue.publisher
        if not publisher.board.exists(request.inst):
            raise RequestError(request.ref, RejectReason.NO_INSTRUMENT)
        answer = pack(MessageType.RESP, request.ref, 0, request.inst)
        return [answer, *publisher.snapshot(request.chan, request.inst, self.link)]

    def _status_query(self, request: StatusQuery, now_ns: int) -> list[bytes]:
        """Have the engine repeat its answer."""
        if not 0 < request.target_ref <= self.link.last_ref:
            raise RequestError(request.ref, RejectReason.NO_ORDER, is_order=True)
        if not self.link.ask_outcome(request.target_ref):
            raise RequestError(request.ref, RejectReason.OVERLOAD, is_order=True)
        return []

    def _clearing(self, request: ClearingRequest, now_ns: int) -> list[bytes]:
        """Have the clearinghouse do something for this account; the router answers when it is durable."""
        link, router = self.link, self.venue.publisher.router
        if link.only_cancels:  # The key may end orders, and may not trade.
            raise RequestError(request.ref, RejectReason.SCOPE)
        if link.gate:
            raise RequestError(request.ref, RejectReason(link.gate))
        if link.requests_waiting >= self.venue.config.requests_in_flight_max:
            raise RequestError(request.ref, RejectReason.RATE)
        late_us = link.charge()
        if late_us:
            return [pack(MessageType.RESP, request.ref, int(RejectReason.RATE), late_us)]
        records = record_of(request.kind, self.account_name, request.fields)
        seq = self.venue.next_seq()
        router.expect(seq, link, request.ref)
        if not self.venue.submit(records):
            router.forget(seq)
            raise RequestError(request.ref, RejectReason.OVERLOAD)
        return []

    # Inside.

    def _refusal(self, error: RequestError, arg: int = 0) -> bytes:
        if error.is_order:
            wall_us = self.venue.wall_us()
            return pack(MessageType.REJECT, error.ref, int(error.reason), arg, wall_us, 0)
        return pack(MessageType.RESP, error.ref, int(error.reason), arg)

    def _charge(self, request: Request, now_ns: int) -> int:
        """Take what a request costs from the session's bucket; 0, or the ns after which it could be had."""
        units = self._cost(request)
        if units == 0:
            return 0
        self._requests_until_ns, late_ns = self._requests.charge(self._requests_until_ns, units, now_ns)
        return late_ns

    def _cost(self, request: Request) -> int:
        """Return the units a request costs: 1, and 1 for every INSTRUMENTS_PER_UNIT it goes through."""
        if isinstance(request, Snapshot | StatusQuery):
            return 1
        if isinstance(request, Replay):
            return REPLAY_UNITS
        if isinstance(request, Subscribe | Unsubscribe):
            named = request.insts if isinstance(request, Subscribe) else None
            instruments = len(self.venue.publisher.board.handles() if named is None else named)
            return 1 + instruments // INSTRUMENTS_PER_UNIT
        return 0  # Orders and what the clearinghouse is asked have limits of their own; a ping is cheap.

    def _heartbeat(self) -> bytes:
        publisher = self.venue.publisher
        pseq = publisher.router.pseq(self.account)
        wall_us, durable_seq = self.venue.wall_us(), self.venue.durable_seq()
        return pack(MessageType.HEARTBEAT, wall_us, publisher.durable_seq, pseq, durable_seq)

    def _leave(self, now_ns: int, *, orderly: bool, cancel: bool = False) -> None:
        was_live = self.state is State.LIVE
        if was_live and self.link.close_code == CloseCode.RATE:
            self.venue.guard.block(self.account_name, now_ns + self.venue.config.rate_block_s * NS_PER_SECOND)
        self._detach()
        if was_live:
            if self.may_cancel:
                self.venue.owe(self.venue.lanes.leave(self, now_ns, orderly=orderly, cancel=cancel))
            else:
                self.venue.lanes.listeners -= 1

    def _detach(self) -> None:
        """Send nothing more to this session."""
        if self.state is State.LIVE:
            self.venue.publisher.router.detach(self.link)
            self.subscriptions.clear()
        self.state = State.CLOSED


def _early(error: RequestError) -> WireError:
    """Return what ends a connection whose first request is not a login."""
    if error.reason is RejectReason.UNKNOWN_TYPE:
        return WireError("the first request must be a login", close_code=CloseCode.AUTH)
    return malformed("the first request must be a well-formed login")


_HANDLERS: dict[type[Request], Callable[[Session, Any, int], list[bytes]]] = {
    Deadman: Session._deadman,
    Login: Session._login,
    Logout: Session._logout,
    Ping: Session._ping,
    Subscribe: Session._subscribe,
    Unsubscribe: Session._unsubscribe,
    Replay: Session._replay,
    Snapshot: Session._snapshot,
    StatusQuery: Session._status_query,
    ClearingRequest: Session._clearing,
}
