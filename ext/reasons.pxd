"""Why commands are refused and orders end: the numbers of exchange/reasons.py that the core gives."""


cdef enum:                      # Reject reasons the core gives; exchange/reasons.py has them all.
    R_NONE = 0
    R_MALFORMED = 100
    R_UNKNOWN_TYPE = 101
    R_NO_ACCOUNT = 113
    R_NO_INSTRUMENT = 200
    R_NOT_OPEN = 201
    R_WINDOW_CLOSED = 202
    R_NO_PRODUCT = 203
    R_NO_FABRIC = 204
    R_PX_TICK = 210
    R_PX_BAND = 211
    R_QTY_LOT = 212
    R_QTY_MAX = 213
    R_WOULD_TAKE = 214
    R_FOK_UNFILLED = 215
    R_DEADLINE = 216
    R_REDUCE_ONLY = 218
    R_PRIORITY = 219
    R_MARGIN = 220
    R_POSITION_LIMIT = 221
    R_BALANCE = 222
    R_NO_CAPACITY = 223
    R_NO_ORDER = 230
    R_OPEN_LIMIT = 232
    R_BLOCK_LIMIT = 233
    R_STALE_REF = 240
    R_MMP_FROZEN = 250

cdef enum:                      # Why an order ended.
    D_USER = 0
    D_IOC = 1
    D_EXPIRED = 2
    D_COD = 3
    D_DEADMAN = 4
    D_MMP = 5
    D_STP = 6
    D_GATE = 7
    D_QUOTE = 9
    D_REDUCE_ONLY = 10
    D_AUCTION = 11
    D_CAPACITY = 12
    D_LIQUIDATION = 13
    D_DEFAULT = 14
