"""Life of an order in the core: placed, matched, replaced, ended. Rules: docs/spec/orders.md."""

from ext.state cimport State
from ext.types cimport Command, Instrument, int32_t, int64_t, uint32_t, uint64_t


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
    D_MMP = 5
    D_STP = 6
    D_GATE = 7
    D_QUOTE = 9
    D_REDUCE_ONLY = 10
    D_AUCTION = 11
    D_CAPACITY = 12

cdef enum:
    POSITION_LOTS_MAX = 0x7FFFFFFF


cdef void place(State *self, const Command *command, uint32_t lane) noexcept nogil
cdef void replace(State *self, const Command *command, uint32_t lane, uint32_t slot) noexcept nogil
cdef uint32_t enter(State *self, uint32_t position, uint32_t lane, uint64_t ref, int32_t lots, int32_t display,
                    uint32_t tag, uint32_t flags) noexcept nogil
cdef void work(State *self, uint32_t slot, int side, int32_t price, int stp, int may_rest,
               int64_t expiry_ns) noexcept nogil
cdef void end_resting(State *self, uint32_t slot, int reason) noexcept nogil
cdef void shrink_resting(State *self, uint32_t slot, int32_t leaves) noexcept nogil
cdef uint32_t position_for(State *self, uint32_t account, uint32_t instrument) noexcept nogil
cdef int refusal_by_risk(State *self, uint32_t account, uint32_t instrument, int side, int32_t price, int64_t lots,
                         int64_t replaced_lots) noexcept nogil
cdef int has_room(State *self, uint32_t account, uint32_t instrument) noexcept nogil
cdef int would_take(State *self, uint32_t instrument, int side, int32_t price) noexcept nogil
cdef void add_expiry(State *self, int64_t expiry_ns, uint32_t slot) noexcept nogil
cdef void release(State *self, uint32_t slot) noexcept nogil
cdef void count_protected(State *self, uint32_t slot, int32_t lots) noexcept nogil
cdef int clip_reduce_only(State *self, uint32_t slot, int side) noexcept nogil
cdef int lacks_capacity(State *self, uint32_t account, uint32_t instrument, int64_t lots,
                        int64_t replaced_lots) noexcept nogil
cdef int closed_or_not_open(const Instrument *instrument) noexcept nogil
cdef int outside_static_band(const Instrument *instrument, int32_t price) noexcept nogil
cdef int32_t within_band(State *self, uint32_t handle, int side, int32_t limit) noexcept nogil
cdef int refusal_of_fields(const Command *command) noexcept nogil
cdef uint32_t target_slot(State *self, const Command *command, uint32_t lane) noexcept nogil
