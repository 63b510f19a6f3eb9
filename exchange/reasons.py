"""Why something was refused or ended. The numbers are the wire's and never change."""

import enum


class RejectReason(enum.IntEnum):
    """Ordered by precedence: an order wrong in two ways gets the smaller number.

    The one exception is the client's reference, which is looked at before anything else (ORD-002):
    a repeated reference is not a wrong order but a question about an old one.
    """

    NONE = 0
    MALFORMED = 100
    UNKNOWN_TYPE = 101
    AUTH = 110
    SCOPE = 111
    CLOCK = 112
    NO_ACCOUNT = 113
    RATE = 120
    OVERLOAD = 121
    DRAINING = 122
    NO_INSTRUMENT = 200
    NOT_OPEN = 201
    WINDOW_CLOSED = 202
    NO_PRODUCT = 203
    NO_FABRIC = 204
    ALREADY_LISTED = 205
    PX_TICK = 210
    PX_BAND = 211
    QTY_LOT = 212
    QTY_MAX = 213
    WOULD_TAKE = 214
    FOK_UNFILLED = 215
    DEADLINE = 216
    STP = 217
    REDUCE_ONLY = 218
    PRIORITY = 219
    MARGIN = 220
    POSITION_LIMIT = 221
    BALANCE = 222
    NO_CAPACITY = 223
    DEFAULTED = 224
    NO_ORDER = 230
    OPEN_LIMIT = 232
    BLOCK_LIMIT = 233
    STALE_REF = 240
    NAME_IN_USE = 242
    MMP_FROZEN = 250
    NOT_CLEARED = 251
    NO_DELIVERY = 252
    SIGNATURE = 253
    CONTRADICTION = 254
    NO_AUCTION = 255
    REPLAY_TOO_OLD = 300


class DoneReason(enum.IntEnum):
    """Why an order ended without being filled to the end."""

    USER = 0
    IOC = 1
    EXPIRED = 2
    COD = 3
    DEADMAN = 4
    MMP = 5
    STP = 6
    GATE = 7
    ADMIN = 8
    QUOTE = 9
    REDUCE_ONLY = 10
    AUCTION = 11
    CAPACITY = 12
    LIQUIDATION = 13
    DEFAULT = 14


REJECT_TEXT: dict[RejectReason, str] = {
    RejectReason.MALFORMED: "a field is missing, unknown, out of its range, or does not go with another",
    RejectReason.UNKNOWN_TYPE: "this message type is not supported",
    RejectReason.AUTH: "key, signature or account is not accepted",
    RejectReason.SCOPE: "the key does not permit this",
    RejectReason.CLOCK: "the timestamp is more than 5 s away from the server's clock",
    RejectReason.NO_ACCOUNT: "there is no such account",
    RejectReason.RATE: "too many messages",
    RejectReason.OVERLOAD: "the venue is overloaded; nothing was done",
    RejectReason.DRAINING: "the venue is about to restart; nothing was done",
    RejectReason.NO_INSTRUMENT: "there is no such instrument",
    RejectReason.NOT_OPEN: "the instrument is not open for this order in its present phase",
    RejectReason.WINDOW_CLOSED: "the gate of this delivery window has closed",
    RejectReason.NO_PRODUCT: "there is no such product",
    RejectReason.NO_FABRIC: "the product has no such fabric",
    RejectReason.ALREADY_LISTED: "a window of this range is listed already",
    RejectReason.PX_TICK: "px must be a whole number of ticks from 0 to 1073741824",
    RejectReason.PX_BAND: "px is outside the price band",
    RejectReason.QTY_LOT: "qty must be a positive number of lots",
    RejectReason.QTY_MAX: "qty, its value, or its number of iceberg refreshes is above the limit",
    RejectReason.WOULD_TAKE: "a post-only order would have traded at once",
    RejectReason.FOK_UNFILLED: "a fill-or-kill order could not be filled whole",
    RejectReason.DEADLINE: "the expiry or deadline has passed",
    RejectReason.STP: "self-match prevention",
    RejectReason.REDUCE_ONLY: "a reduce-only order must not exceed what is left to reduce",
    RejectReason.PRIORITY: "the change would lose priority, and it was asked to keep it",
    RejectReason.MARGIN: "the account's free balance does not cover the requirement",
    RejectReason.POSITION_LIMIT: "position and open orders would exceed the limit",
    RejectReason.BALANCE: "the withdrawal exceeds the free balance",
    RejectReason.NO_CAPACITY: "a physical sell must be backed by certified capacity that is not sold or offered yet",
    RejectReason.DEFAULTED: "the account has defaulted",
    RejectReason.NO_ORDER: "there is no such live order of this account",
    RejectReason.OPEN_LIMIT: "too many open orders",
    RejectReason.BLOCK_LIMIT: "too many resting blocks of the product or of the account",
    RejectReason.STALE_REF: "ref must be higher than the last one of this lane",
    RejectReason.NAME_IN_USE: "this name is taken",
    RejectReason.MMP_FROZEN: "market-maker protection has pulled this quote set; reset it first",
    RejectReason.NOT_CLEARED: "the clearinghouse has no terms for this product or class",
    RejectReason.NO_DELIVERY: "nothing is being delivered there by or to this account",
    RejectReason.SIGNATURE: "the signature does not fit the key that the provider has registered",
    RejectReason.CONTRADICTION: "this number was used before, with other content",
    RejectReason.NO_AUCTION: "there is no such auction open",
    RejectReason.REPLAY_TOO_OLD: "what was asked for is not kept any more; arg is the oldest there is",
}
