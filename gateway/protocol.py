"""The messages of the wire: their numbers, names and fields, in one table, and how requests are read.

A message is one msgpack array in one binary frame: its type number, then its fields in order. Order messages (16 to
24, 26 and 28) are read by `ext.codec`, what happens in the market is written by `ext.encoder` and `ext.market`; this
module does the others.
"""

import enum
from collections.abc import Callable
from typing import Any, NamedTuple

import msgpack

from exchange.reasons import RejectReason
from exchange.records import CommandType
from ext.frames import WireError
from gateway.clearing_requests import PARTICIPANTS, described, read_request

__all__ = ["MESSAGES", "Channel", "CloseCode", "MessageType", "RequestError", "WireError", "pack", "parse", "unpack"]

VERSION = (1, 0)
EPOCH = 1  # Counts the journals this venue has begun: a new journal voids all sequence numbers.
INTEGER_MAX = (1 << 53) - 1
NONCE_BYTES = 16
SIGNATURE_BYTES = 32
GRACE_MS_MAX = 60_000
INSTRUMENTS_PER_REQUEST_MAX = 16_384
NAME_BYTES_MAX = 128


class MessageType(enum.IntEnum):
    """Numbers are never used again for something else."""

    LOGIN = 1
    LOGOUT = 2
    PING = 3
    SUBSCRIBE = 4
    UNSUBSCRIBE = 5
    REPLAY = 6
    SNAPSHOT = 7
    PLACE = 16
    CANCEL = 17
    CANCEL_REF = 18
    REPLACE = 19
    BATCH = 20
    MASS_CANCEL = 21
    QUOTE = 22
    MMP_SET = 23
    MMP_RESET = 24
    BLOCK = 26
    STATUS_QUERY = 27
    REPLACE_REF = 28
    ACK = 33
    REJECT = 34
    FILL = 35
    BATCH_ACK = 36
    DONE = 37
    REPLACED = 38
    NOTICE = 41
    TRANSFER = 42
    DELIVERY_TERMS = 43
    NODE_HEARTBEAT = 44
    METER = 45
    CHECKPOINT = 46
    REPORT_FAILURE = 47
    BID = 48
    HELLO = 64
    PONG = 65
    RESP = 66
    WELCOME = 67
    L1 = 96
    TRADE = 97
    L2_SNAP = 98
    L2_DELTA = 99
    STATUS = 101
    INSTRUMENT = 103
    HEARTBEAT = 104
    STRIP = 106
    INDICATIVE = 107
    PERISHED = 108
    ASSIGNED = 110
    BOUGHT_IN = 111
    CAPACITY = 112
    PRODUCT = 113
    ENTRY = 114
    MARGIN = 115
    LOT_STATE = 116
    DEFAULT = 117
    SUBSTITUTE = 118
    LAYER = 119
    AUCTION = 120
    MARK = 121
    CLAIM = 122
    EXERCISE = 123


class Channel(enum.IntEnum):
    """What can be subscribed to."""

    L1 = 1
    L2 = 2
    TRADES = 3
    STATUS = 4
    INSTRUMENTS = 5
    STRIPS = 6
    MARKS = 7


class CloseCode(enum.IntEnum):
    """Why the server ends a connection; those below 4000 are RFC 6455's."""

    NORMAL = 1000
    PROTOCOL = 1002
    TEXT = 1007
    POLICY = 1008
    TOO_LONG = 1009
    INTERNAL = 1011
    AUTH = 4001
    LOGIN_TIMEOUT = 4002
    MALFORMED = 4003
    SLOW = 4008
    PRIVATE_BACKLOG = 4009
    HEARTBEAT = 4010
    SUPERSEDED = 4011
    DRAINING = 4012


class CancelOnDisconnect(enum.IntEnum):
    """What happens to a lane's orders when its session is lost."""

    OFF = 0
    LANE = 1
    FLAGGED = 2


class Message(NamedTuple):
    """One row of the wire's table. Fields in brackets form an optional tail."""

    number: MessageType
    fields: str

    @property
    def name(self) -> str:
        """Name in documents, text forms and the client."""
        return self.number.name.lower()


MESSAGES: tuple[Message, ...] = (
    Message(MessageType.LOGIN, "ref key ts sig lane cod grace_ms epoch last_pseq"),
    Message(MessageType.LOGOUT, "ref cancel"),
    Message(MessageType.PING, "ref ts"),
    Message(MessageType.SUBSCRIBE, "ref chan insts [opts]"),
    Message(MessageType.UNSUBSCRIBE, "ref sub_id"),
    Message(MessageType.REPLAY, "ref stream inst from to"),
    Message(MessageType.SNAPSHOT, "ref chan inst"),
    Message(MessageType.PLACE, "ref inst side px qty tif flags [expire_ts deadline_ts stp tag display]"),
    Message(MessageType.CANCEL, "ref oid"),
    Message(MessageType.CANCEL_REF, "ref target_ref"),
    Message(MessageType.REPLACE, "ref oid px qty flags [stp]"),
    Message(MessageType.BATCH, "ref mode ops"),
    Message(MessageType.MASS_CANCEL, "ref inst side lane [tag product from to]"),
    Message(MessageType.QUOTE, "ref set legs [flags stp]"),
    Message(MessageType.MMP_SET, "ref set window_ms fills lots"),
    Message(MessageType.MMP_RESET, "ref set"),
    Message(
        MessageType.BLOCK,
        "ref product fabrics start hours side limit_total qty min_qty tif flags [expire_ts deadline_ts stp tag]",
    ),
    Message(MessageType.STATUS_QUERY, "ref target_ref"),
    Message(MessageType.REPLACE_REF, "ref target_ref px qty flags [stp]"),
    Message(MessageType.ACK, "ref code oid ts gseq pseq"),
    Message(MessageType.REJECT, "ref code arg ts gseq"),
    Message(MessageType.FILL, "pseq oid ref exec_id inst side px qty cum leaves liq fee ts gseq flags"),
    Message(MessageType.BATCH_ACK, "ref count"),
    Message(MessageType.DONE, "pseq oid ref reason cum ts gseq"),
    Message(MessageType.REPLACED, "pseq oid ref px qty leaves ts gseq"),
    Message(MessageType.NOTICE, "kind arg ts"),
    *(Message(MessageType(number), described(kind)) for number, kind in PARTICIPANTS.items()),
    Message(MessageType.HELLO, "version epoch nonce ts hb_ms max_frame"),
    Message(MessageType.PONG, "ref ts_echo ts"),
    Message(MessageType.RESP, "ref code arg"),
    Message(MessageType.WELCOME, "ref session account lane last_ref pseq gseq limits perms"),
    Message(MessageType.L1, "inst seq ts bid_px bid_qty ask_px ask_qty"),
    Message(MessageType.TRADE, "inst seq ts trade_id px qty aggressor flags"),
    Message(MessageType.L2_SNAP, "inst seq ts bids asks"),
    Message(MessageType.L2_DELTA, "inst first seq ts bids asks"),
    Message(MessageType.STATUS, "inst seq ts state reason next_ts"),
    Message(MessageType.INSTRUMENT, "inst symbol tick_micros lot_scu start_ts end_ts last_trade_ts unit region state"),
    Message(MessageType.HEARTBEAT, "ts gseq pseq durable_gseq"),
    Message(MessageType.STRIP, "product fabric start hours seq ts bid_total bid_lots ask_total ask_lots flags"),
    Message(MessageType.INDICATIVE, "inst seq ts px qty surplus_side surplus"),
    Message(MessageType.PERISHED, "inst seq ts qty certified"),
    Message(MessageType.ASSIGNED, "pseq inst role node qty other ts gseq"),
    Message(MessageType.BOUGHT_IN, "pseq inst qty uncovered ts gseq"),
    Message(MessageType.CAPACITY, "pseq inst qty ts gseq"),
    Message(MessageType.PRODUCT, "number name fabrics zone tick_micros lot_scu band_static_bps band_dynamic_bps"),
    Message(MessageType.ENTRY, "pseq cause purse micros inst case ts gseq"),
    Message(MessageType.MARGIN, "pseq level micros deadline_ts ts gseq"),
    Message(MessageType.LOT_STATE, "pseq inst role node qty state since_ts ts gseq"),
    Message(MessageType.DEFAULT, "pseq case kind ts gseq"),
    Message(MessageType.SUBSTITUTE, "pseq inst role stage qty for_qty other px micros case ts gseq"),
    Message(MessageType.LAYER, "pseq case layer claim_class micros ts gseq"),
    Message(MessageType.AUCTION, "inst seq ts case item side qty windows until_ts"),
    Message(MessageType.MARK, "inst seq ts px"),
    Message(MessageType.CLAIM, "pseq case claim_class micros ts gseq"),
    Message(MessageType.EXERCISE, "pseq inst side qty px ts gseq"),
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


class Logout(NamedTuple):
    """Type 2."""

    ref: int
    cancel: int


class Ping(NamedTuple):
    """Type 3."""

    ref: int
    ts: int


class Subscribe(NamedTuple):
    """Type 4. `insts` None means all instruments, those to come included."""

    ref: int
    chan: Channel
    insts: tuple[int, ...] | None
    opts: None = None


class Unsubscribe(NamedTuple):
    """Type 5."""

    ref: int
    sub_id: int


class Snapshot(NamedTuple):
    """Type 7."""

    ref: int
    chan: Channel
    inst: int


class StatusQuery(NamedTuple):
    """Type 27: what became of an earlier ref."""

    ref: int
    target_ref: int


class ClearingRequest(NamedTuple):
    """Types 42 to 48: a command of the clearinghouse, its account not yet in it."""

    ref: int
    kind: CommandType
    fields: dict[str, Any]


Request = Login | Logout | Ping | Subscribe | Unsubscribe | Snapshot | StatusQuery | ClearingRequest


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


def _nil(value: Any) -> None:
    if value is not None:
        raise ValueError("must be nil: no options are offered")


_number = _integer(INTEGER_MAX)
_handle = _integer((1 << 32) - 1)

_CHECKS: dict[MessageType, tuple[type[Any], int, tuple[Callable[[Any], Any], ...]]] = {
    # Type: (request, how many fields may be left out, check of each field after ref).
    MessageType.LOGIN: (
        Login,
        0,
        (_key, _number, _signature, _integer(255), _integer(2), _integer(GRACE_MS_MAX), _number, _number),
    ),
    MessageType.LOGOUT: (Logout, 0, (_integer(1),)),
    MessageType.PING: (Ping, 0, (_number,)),
    MessageType.SUBSCRIBE: (Subscribe, 1, (_channel, _instruments, _nil)),
    MessageType.UNSUBSCRIBE: (Unsubscribe, 0, (_number,)),
    MessageType.SNAPSHOT: (Snapshot, 0, (_channel, _handle)),
    MessageType.STATUS_QUERY: (StatusQuery, 0, (_number,)),
}
ORDER_TYPES = range(16, 32)  # Answered with reject rather than resp.


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
