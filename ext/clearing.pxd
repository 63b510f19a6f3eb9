"""What the clearinghouse does with accounts, positions and resting orders. Rules: docs/spec/accounts.md."""

from ext.state cimport State
from ext.types cimport int32_t, int64_t, uint32_t, uint64_t


cdef struct Hit:                # A trade with a resting order (ACC-009).
    uint32_t slot
    uint32_t taker              # Position.
    int32_t lots                # At most; after it as many as were traded.
    int32_t price
    uint32_t fee_ppm            # The taker's.
    int at_mark                 # No money moves for the lots.


cdef int check_range(str what, int64_t value, int64_t least, int64_t most) except -1
cdef int pay_outside(State *self, int64_t micros) except -1
cdef int check_hit(State *self, Hit *hit, uint64_t oid, int64_t lots, int64_t price) except -1
cdef list resting_rows(State *self, uint32_t handle, int side)
cdef list order_rows(State *self, uint32_t account)
cdef list block_rows(State *self, uint32_t account)
cdef bytes position_rows(State *self, uint32_t account)
cdef int admit_hit(State *self, Hit *hit) noexcept nogil
cdef void hit_order(State *self, Hit *hit) noexcept nogil
cdef int32_t end_account_orders(State *self, uint32_t account, uint32_t handle, int reason) noexcept nogil
cdef void certify_position(State *self, uint32_t position, int64_t lots) noexcept nogil
cdef void evaluate_instrument(State *self, uint32_t handle) noexcept nogil
cdef void evaluate_account(State *self, uint32_t account) noexcept nogil
cdef void carry_at(State *self, uint32_t handle, int32_t ticks) noexcept nogil
cdef void set_terms(State *self, uint32_t account, int64_t addon, int64_t credit, int64_t keep) noexcept nogil
