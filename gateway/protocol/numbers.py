"""The numbers of the wire: messages, channels, close codes. A number is never used again for something else."""

import enum

VERSION = (1, 1)
EPOCH = 1  # Counts the journals this venue has begun: a new journal voids all sequence numbers.
INTEGER_MAX = (1 << 53) - 1
HANDLE_MAX = (1 << 32) - 1
VALUE_MAX = 1 << 30  # Of prices and quantities.
NONCE_BYTES = 16
SIGNATURE_BYTES = 32
GRACE_MS_MAX = 60_000
DEADMAN_MS_MIN = 100
DEADMAN_MS_MAX = 86_400_000
HEARTBEAT_MS_MIN = 250
HEARTBEAT_MS_MAX = 30_000
INSTRUMENTS_PER_REQUEST_MAX = 16_384
BOOK_DEPTHS = (0, 5, 10, 25, 100)  # Levels a side that a subscription to l2 may ask for; 0: the whole book.
CONFLATE_MS_MIN = 10
CONFLATE_MS_MAX = 60_000
CANDLE_INTERVALS_S = (60, 300, 3_600)
NAME_BYTES_MAX = 128


class MessageType(enum.IntEnum):
    """Requests up to 48, answers and private messages from 33 on, market data from 96 on."""

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
    DEADMAN = 25
    BLOCK = 26
    STATUS_QUERY = 27
    REPLACE_REF = 28
    ACK = 33
    REJECT = 34
    FILL = 35
    BATCH_ACK = 36
    DONE = 37
    REPLACED = 38
    POSITION = 39
    BALANCE = 40
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
    L3 = 100
    STATUS = 101
    CANDLE = 102
    INSTRUMENT = 103
    HEARTBEAT = 104
    GAP = 105
    STRIP = 106
    INDICATIVE = 107
    PERISHED = 108
    L3_SNAP = 109
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
    CURVE = 124
    COPY = 125
    COPY_HEAD = 126


class Channel(enum.IntEnum):
    """What can be subscribed to."""

    L1 = 1
    L2 = 2
    TRADES = 3
    STATUS = 4
    INSTRUMENTS = 5
    STRIPS = 6
    MARKS = 7
    CANDLES = 8
    COPY = 9
    CURVE = 10
    ACCOUNT = 11
    L3 = 12

    @property
    def is_private(self) -> bool:
        """Whether it is of an account or a firm rather than of instruments."""
        return self in (Channel.COPY, Channel.ACCOUNT)


class Stream(enum.IntEnum):
    """What can be told once more (message 6)."""

    PRIVATE = 0
    COPY = 1
    TRADES = 2


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
    RATE = 4029


class CancelOnDisconnect(enum.IntEnum):
    """What happens to a lane's orders when its session is lost."""

    OFF = 0
    LANE = 1
    FLAGGED = 2
