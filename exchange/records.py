"""Commands and events as NumPy dtypes: byte for byte the structs of ``ext/types.pxd``.

A test compares sizes and offsets with the compiled core, so a day of the journal can be read as an array.
"""

import enum

import numpy as np

RECORD_BYTES = 64
NIL = 0xFFFFFFFF


class CommandType(enum.IntEnum):
    """What a client or operator asks for."""

    PLACE = 16
    CANCEL = 17
    CANCEL_REF = 18
    REPLACE = 19
    MASS_CANCEL = 21
    QUOTE = 22
    MMP_SET = 23
    MMP_RESET = 24
    BLOCK = 26
    REPLACE_REF = 28
    TIME = 200
    DEPOSIT = 201
    WITHDRAW = 202
    SESSION_LOST = 203
    SESSION = 204
    ADD_PRODUCT = 220
    ADD_ACCOUNT = 221
    LIST_WINDOW = 222
    SET_RATES = 223
    SET_MARK = 224
    SET_SEED = 225
    HALT = 226
    RESUME = 227
    CERTIFY = 228
    BALANCE = 229
    ROLL_WINDOWS = 230
    SET_HOUSE = 231
    SET_CLASS = 232
    SET_CLEARING = 233
    FUND = 234
    TRANSFER = 235
    SET_PROVIDER = 236
    DELIVERY_TERMS = 237
    HEARTBEAT = 238
    METER = 239
    CHECKPOINT = 240
    REPORT_FAILURE = 241
    DECLARE_DEFAULT = 242
    RECOVER = 243
    BID = 244
    RUN_CLEARING = 245
    SET_OPTION = 246


class EventType(enum.IntEnum):
    """What happened."""

    ACK = 33
    REJECT = 34
    FILL = 35
    DONE = 37
    REPLACED = 38
    ACCOUNT = 40
    NOTICE = 41
    TRADE = 97
    LEVEL = 99
    STATUS = 101
    INSTRUMENT = 103
    INDICATIVE = 107
    PERISHED = 108
    ASSIGNED = 110
    BOUGHT_IN = 111
    CAPACITY = 112
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
    INDEX = 124
    SESSION = 204


class Side(enum.IntEnum):
    """Side of an order."""

    BUY = 0
    SELL = 1


class Tif(enum.IntEnum):
    """Time in force."""

    GTG = 0
    IOC = 1
    FOK = 2
    GTD = 3
    AU = 4  # Auction only: what a call leaves of it ends with the call.


class Stp(enum.IntEnum):
    """Self-match prevention mode."""

    CANCEL_RESTING = 0
    CANCEL_INCOMING = 1
    CANCEL_BOTH = 2
    DECREMENT = 3


class OrderFlag(enum.IntFlag):
    """Flags of place, replace, quote and block. The high byte of a block's flags holds its hours."""

    POST_ONLY = 1
    REDUCE_ONLY = 2
    COD = 4
    KEEP_PRIORITY = 8
    PHYSICAL = 16  # A sell that a capacity token backs.
    STANDBY = 32  # A sell that rests behind the gate, for the clearinghouse only.
    FIRM = 64  # Of a standby sell: its owner cannot take it back.


class MassFlag(enum.IntFlag):
    """Which filters a mass cancel uses."""

    INSTRUMENT = 1
    PRODUCT = 2
    SIDE = 4
    WINDOWS = 8
    TAG = 16
    LANE = 32


class EventFlag(enum.IntFlag):
    """Flags of an event."""

    SELL = 1
    TAKER = 2
    DUPLICATE = 4
    QUOTE = 8
    CALL = 16  # Of an uncross: nobody was the aggressor.
    BLOCK = 32  # About a block, or one of its fills.
    BALANCE = 64  # Bought by the clearinghouse: in the balancing market, or for a short at the gate.


class Phase(enum.IntEnum):
    """Life of a delivery window (docs/spec/windows.md). The numbers are those of the wire's `status`."""

    LISTED = 0
    CONTINUOUS = 1
    OPEN = 2  # The opening call.
    HALTED = 3
    GATED = 4
    DELIVERING = 5
    SETTLED = 6
    EXPIRED = 7
    PRECLOSE = 8  # The closing call.
    VOLATILITY = 9  # The call after a halt, or after a trade that the dynamic band did not allow.
    BALANCING = 10


CALLS = (Phase.OPEN, Phase.PRECLOSE, Phase.VOLATILITY)
BALANCE_END = 32  # In a schedule: no phase, but the moment at which standby orders end.


class PhaseReason(enum.IntEnum):
    """Why a window changed its phase."""

    SCHEDULE = 0
    COMMAND = 1
    BAND = 2


class NoticeKind(enum.IntEnum):
    """What a notice to an account is about; the first two are the gateway's own."""

    THROTTLE = 1
    DRAINING = 2
    MMP_FIRED = 3
    DEADMAN_FIRED = 4


COMMAND = np.dtype(
    [
        ("length", "<u4"), ("type", "<u2"), ("flags", "<u2"), ("account", "<u4"), ("instrument", "<u4"),
        ("ref", "<u8"), ("target", "<u8"), ("amount", "<i8"),
        ("price", "<i4"), ("lots", "<i4"), ("price_2", "<i4"), ("lots_2", "<i4"),
        ("tag", "<u4"), ("lane", "u1"), ("side", "u1"), ("tif", "u1"), ("stp", "u1"),
    ]
)  # fmt: skip

EVENT = np.dtype(
    [
        ("type", "u1"), ("flags", "u1"), ("reason", "u1"), ("lane", "u1"), ("command", "<u4"),
        ("account", "<u4"), ("instrument", "<u4"), ("oid", "<u8"), ("ref", "<u8"), ("match_id", "<u8"),
        ("price", "<i4"), ("lots", "<i4"), ("cum", "<i4"), ("leaves", "<i4"), ("amount", "<i8"),
    ]
)  # fmt: skip

assert COMMAND.itemsize == RECORD_BYTES
assert EVENT.itemsize == RECORD_BYTES


class SessionNote(enum.IntEnum):
    """What a session note says; those of cancel on disconnect are the wire's modes (CXL-006)."""

    COD_OFF = 0
    COD_LANE = 1
    COD_FLAGGED = 2
    DEADMAN_LANE = 3
    DEADMAN_ACCOUNT = 4
    DEADMAN_FIRED = 5
