"""Blocks: orders over many windows that trade whole or not at all. Rules: docs/spec/blocks.md."""

from ext.state cimport State
from ext.types cimport Block, Command, int32_t, int64_t, uint32_t, uint64_t, wide_t


cdef struct Candidate:          # What a block may trade with (BLK-006).
    int64_t lots                # 0: nothing.
    wide_t total                # Cost of all lots.
    uint32_t against            # A resting block, or NIL: the hourly orders of the legs.
    int fabric


cdef struct Hits:               # Resting blocks that were partly hit, first come first served.
    uint32_t first
    uint32_t last


cdef Candidate best_candidate(State *self, const Block *block, int64_t leaves, uint32_t owner) noexcept nogil
cdef void exhaust(State *self, uint32_t index, Hits *hits) noexcept nogil
cdef void try_hits(State *self, Hits *hits) noexcept nogil
cdef void work_resting(State *self, uint32_t index) noexcept nogil

cdef uint32_t acquire_block(State *self) noexcept nogil
cdef void rest_block(State *self, uint32_t index, int64_t expiry_ns) noexcept nogil
cdef void count_block(State *self, uint32_t index, int64_t lots) noexcept nogil
cdef void end_block(State *self, uint32_t index, int reason) noexcept nogil
cdef void emit_block(State *self, int type, uint32_t index, int32_t lots, int32_t leaves, int reason) noexcept nogil
cdef uint32_t first_leg(State *self, const Block *block) noexcept nogil


cdef inline uint32_t block_of(State *self, uint32_t slot) noexcept nogil:
    """The place among the blocks of an order that is one."""
    return self.books.orders[slot].level


cdef inline int lowest_fabric(uint64_t scope) noexcept nogil:
    cdef int fabric = 0
    while not scope >> fabric & 1:
        fabric += 1
    return fabric


cdef inline int has_leg(State *self, const Block *block, uint32_t handle) noexcept nogil:
    """Whether a block may trade in an instrument."""
    if handle == 0 or handle >= self.instruments_count or self.instruments[handle].product != block.product:
        return 0
    if not block.scope >> self.instruments[handle].fabric & 1:
        return 0
    return block.start <= self.instruments[handle].window < block.start + block.hours
