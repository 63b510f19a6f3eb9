"""How requests are read that are not order messages: from a msgpack array to a checked object."""

from collections.abc import Callable
from typing import Any, NamedTuple

import msgpack

from exchange.reasons import RejectReason
from exchange.records import CommandType
from ext.frames import WireError
from gateway.clearing_requests import PARTICIPANTS, read_request
from gateway.protocol.numbers import (
    BOOK_DEPTHS,
    CANDLE_INTERVALS_S,
    CONFLATE_MS_MAX,
    CONFLATE_MS_MIN,
    DEADMAN_MS_MAX,
    DEADMAN_MS_MIN,
    GRACE_MS_MAX,
    HANDLE_MAX,
    HEARTBEAT_MS_MAX,
    HEARTBEAT_MS_MIN,
    INSTRUMENTS_PER_REQUEST_MAX,
    INTEGER_MAX,
    NAME_BYTES_MAX,
    SIGNATURE_BYTES,
    Channel,
    CloseCode,
    MessageType,
    Stream,
)


class Login(NamedTuple):
    """Type 1."""

    ref: int
    key: str
    ts: int
    sig: bytes
    lane: int
    cod: int
    grace_ms: int
    epoch: int
    last_pseq: int
    hb_ms: int = 0


class Logout(NamedTuple):
    """Type 2."""

    ref: int
    cancel: int


class Ping(NamedTuple):
    """Type 3."""

    ref: int
    ts: int


class Options(NamedTuple):
    """How a channel is to be told; each channel has its own."""

    depth: int = 0  # l2: one of BOOK_DEPTHS.
    conflate_ms: int = 0  # l1, l2: at most one message of an instrument in this time.
    interval_s: int = 0  # candles: one of CANDLE_INTERVALS_S.


DEFAULTS = Options()
CONFLATED = (Channel.L1, Channel.L2, Channel.ACCOUNT)


class Subscribe(NamedTuple):
    """Type 4. `insts` None means all instruments, those to come included."""

    ref: int
    chan: Channel
    insts: tuple[int, ...] | None
    opts: Options = DEFAULTS


class Unsubscribe(NamedTuple):
    """Type 5."""

    ref: int
    sub_id: int


class Replay(NamedTuple):
    """Type 6: messages of a stream once more, `first` to `last`; `last` None: up to now. Only trades have an `inst`."""

    ref: int
    stream: Stream
    inst: int | None
    first: int
    last: int | None = None


class Snapshot(NamedTuple):
    """Type 7. `inst` None: of a channel that is not of instruments."""

    ref: int
    chan: Channel
    inst: int | None


class Deadman(NamedTuple):
    """Type 25."""

    ref: int
    timeout_ms: int
    scope: int


class StatusQuery(NamedTuple):
    """Type 27: what became of an earlier ref."""

    ref: int
    target_ref: int


class ClearingRequest(NamedTuple):
    """Types 42 to 48: a command of the clearinghouse, its account not yet in it."""

    ref: int
    kind: CommandType
    fields: dict[str, Any]


Request = Deadman | Login | Logout | Ping | Subscribe | Unsubscribe | Replay | Snapshot | StatusQuery | ClearingRequest


class RequestError(Exception):
    """A request that can be answered, but not done; `reason` is what the answer says."""

    def __init__(self, ref: int, reason: RejectReason, *, is_order: bool = False) -> None:
        super().__init__(reason.name)
        self.ref = ref
        self.reason = reason
        self.is_order = is_order


def pack(*fields: Any) -> bytes:
    """Return one message."""
    packed: bytes = msgpack.packb(fields)
    return packed


def unpack(message: bytes) -> list[Any]:
    """Return the array a message is.

    Raises:
        WireError: the bytes are not one msgpack array, or one with maps, extensions or very long parts.

    """
    try:
        fields = msgpack.unpackb(
            message,
            max_array_len=INSTRUMENTS_PER_REQUEST_MAX,
            max_map_len=0,
            max_ext_len=0,
            max_str_len=NAME_BYTES_MAX,
            max_bin_len=NAME_BYTES_MAX,
        )
    except (ValueError, RecursionError, msgpack.UnpackException) as error:
        raise malformed("a message must be one msgpack array within the limits") from error
    if not isinstance(fields, list):
        raise malformed("a message must be one msgpack array within the limits")
    return fields


def malformed(text: str) -> WireError:
    """Return the error that ends a connection whose peer does not speak the protocol."""
    return WireError(text, close_code=CloseCode.MALFORMED)


# What a field must be. Each returns the value, or raises ValueError.


def _integer(most: int) -> Callable[[Any], int]:
    def check(value: Any) -> int:
        # `type(...) is int`: a bool is an int, but it is not one on the wire.
        if type(value) is not int or not 0 <= value <= most:
            raise ValueError(f"must be an integer from 0 to {most}")
        return value

    return check


def _key(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("must be text")
    return value


def _signature(value: Any) -> bytes:
    if not isinstance(value, bytes) or len(value) != SIGNATURE_BYTES:
        raise ValueError(f"must be {SIGNATURE_BYTES} bytes")
    return value


def _channel(value: Any) -> Channel:
    return Channel(_integer(255)(value))


def _instruments(value: Any) -> tuple[int, ...] | None:
    if value is None:
        return None
    if not isinstance(value, list) or not value:
        raise ValueError("must be nil or a list of handles")
    return tuple(_handle(handle) for handle in value)


def _options(value: Any) -> Options:
    """Return options as they were sent; which of them go with the channel is seen by `_subscription`."""
    fields = [] if value is None else value
    if not isinstance(fields, list) or len(fields) > len(Options._fields):
        raise ValueError(f"must be nil or a list of {len(Options._fields)} options at most")
    return Options(*(0 if field is None else _number(field) for field in fields))


def _subscription(ref: int, chan: Channel, insts: tuple[int, ...] | None, opts: Options = DEFAULTS) -> Subscribe:
    """Return a subscription whose options its channel has."""
    if opts.depth not in (BOOK_DEPTHS if chan is Channel.L2 else (0,)):
        raise ValueError(f"depth must be one of {BOOK_DEPTHS}, and of l2")
    if opts.conflate_ms and not (chan in CONFLATED and CONFLATE_MS_MIN <= opts.conflate_ms <= CONFLATE_MS_MAX):
        raise ValueError(f"conflation must be 0 or {CONFLATE_MS_MIN} to {CONFLATE_MS_MAX} ms, and of l1, l2 or account")
    if chan.is_private and insts is not None:
        raise ValueError("a private channel has no instruments")
    if chan is Channel.CANDLES:
        opts = opts._replace(interval_s=opts.interval_s or CANDLE_INTERVALS_S[0])
    if opts.interval_s not in (CANDLE_INTERVALS_S if chan is Channel.CANDLES else (0,)):
        raise ValueError(f"interval must be one of {CANDLE_INTERVALS_S} s, and of candles")
    return Subscribe(ref, chan, insts, opts)


def _snapshot(ref: int, chan: Channel, inst: int | None) -> Snapshot:
    """Return a request that names an instrument where its channel has instruments."""
    if chan.is_private != (inst is None):
        raise ValueError("inst must be nil in private channels, and only there")
    return Snapshot(ref, chan, inst)


def _replay(ref: int, stream: Stream, inst: int | None, first: int, last: int | None = None) -> Replay:
    """Return a request that names an instrument where it asks for trades."""
    if (stream is Stream.TRADES) != (inst is not None) or first == 0:
        raise ValueError("inst must be a handle for trades and nil otherwise, from at least 1")
    return Replay(ref, stream, inst, first, last)


def _stream(value: Any) -> Stream:
    return Stream(_integer(255)(value))


def _optional(check: Callable[[Any], int]) -> Callable[[Any], int | None]:
    return lambda value: None if value is None else check(value)


def _zero_or(least: int, most: int) -> Callable[[Any], int]:
    def check(value: Any) -> int:
        if _integer(most)(value) and value < least:
            raise ValueError(f"must be 0, or from {least} to {most}")
        return int(value)

    return check


_number = _integer(INTEGER_MAX)
_heartbeat = _zero_or(HEARTBEAT_MS_MIN, HEARTBEAT_MS_MAX)
_timeout = _zero_or(DEADMAN_MS_MIN, DEADMAN_MS_MAX)
_handle = _integer(HANDLE_MAX)

_CHECKS: dict[MessageType, tuple[Callable[..., Any], int, tuple[Callable[[Any], Any], ...]]] = {
    # Type: (request, how many fields may be left out, check of each field after ref).
    MessageType.LOGIN: (
        Login,
        1,
        (_key, _number, _signature, _integer(255), _integer(2), _integer(GRACE_MS_MAX), _number, _number, _heartbeat),
    ),
    MessageType.LOGOUT: (Logout, 0, (_integer(1),)),
    MessageType.PING: (Ping, 0, (_number,)),
    MessageType.SUBSCRIBE: (_subscription, 1, (_channel, _instruments, _options)),
    MessageType.UNSUBSCRIBE: (Unsubscribe, 0, (_number,)),
    MessageType.REPLAY: (_replay, 1, (_stream, _optional(_handle), _number, _optional(_number))),
    MessageType.SNAPSHOT: (_snapshot, 0, (_channel, _optional(_handle))),
    MessageType.DEADMAN: (Deadman, 0, (_timeout, _integer(1))),
    MessageType.STATUS_QUERY: (StatusQuery, 0, (_number,)),
}
ORDER_TYPES = frozenset(range(16, 32)) - {MessageType.DEADMAN}  # Answered with reject rather than resp.


def parse(message: bytes) -> Request:
    """Read a request that is not an order message.

    Raises:
        WireError: type and ref cannot be read.
        RequestError: they can, but the type is not served, or a field is missing, extra or out of its range.

    """
    fields = unpack(message)
    try:
        number, ref = _number(fields[0]), _number(fields[1])
    except (IndexError, ValueError) as error:
        raise malformed("a message must begin with its type and ref") from error
    if number in PARTICIPANTS:
        return _clearing_request(ref, PARTICIPANTS[number], fields[2:])
    is_order = number in ORDER_TYPES
    row = _CHECKS.get(MessageType(number)) if number in MessageType.__members__.values() else None
    if row is None:
        raise RequestError(ref, RejectReason.UNKNOWN_TYPE, is_order=is_order)
    make, optional, checks = row
    values = fields[2:]
    if not len(checks) - optional <= len(values) <= len(checks):
        raise RequestError(ref, RejectReason.MALFORMED, is_order=is_order)
    try:
        request: Request = make(ref, *(check(value) for check, value in zip(checks, values, strict=False)))
    except ValueError as error:
        raise RequestError(ref, RejectReason.MALFORMED, is_order=is_order) from error
    return request


def _clearing_request(ref: int, kind: CommandType, values: list[Any]) -> ClearingRequest:
    try:
        return ClearingRequest(ref, kind, read_request(kind, values))
    except ValueError as error:
        raise RequestError(ref, RejectReason.MALFORMED) from error
