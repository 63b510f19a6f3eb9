"""Life of an order in the core: placed, matched, replaced, ended. Rules: docs/spec/orders.md."""

from ext.state cimport State
from ext.types cimport Command, Instrument, int32_t, int64_t, uint32_t, uint64_t


cdef void place(State *self, const Command *command, uint32_t lane) noexcept nogil
cdef void replace(State *self, const Command *command, uint32_t lane, uint32_t slot) noexcept nogil
cdef uint32_t enter(State *self, uint32_t position, uint32_t lane, uint64_t ref, int32_t lots, int32_t display,
                    uint32_t tag, uint32_t flags) noexcept nogil
cdef void work(State *self, uint32_t slot, int side, int32_t price, int stp, int may_rest,
               int64_t expiry_ns) noexcept nogil
cdef void end_resting(State *self, uint32_t slot, int reason) noexcept nogil
cdef void shrink_resting(State *self, uint32_t slot, int32_t leaves) noexcept nogil
cdef void add_expiry(State *self, int64_t expiry_ns, uint32_t slot) noexcept nogil
cdef void release(State *self, uint32_t slot) noexcept nogil
cdef void count_protected(State *self, uint32_t slot, int32_t lots) noexcept nogil
cdef int clip_reduce_only(State *self, uint32_t slot, int side) noexcept nogil
cdef int refusal_of_fields(const Command *command) noexcept nogil
cdef uint32_t target_slot(State *self, const Command *command, uint32_t lane) noexcept nogil
