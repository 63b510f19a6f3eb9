"""What a block could get from the hourly books of one fabric: a dry run that touches nothing (BLK-004)."""

from ext.state cimport State
from ext.types cimport BLOCK_HOURS_MAX, Block, int32_t, int64_t, uint32_t, wide_t


cdef struct Rung:               # Where a leg's walk through its book stands.
    uint32_t handle
    uint32_t level              # NIL: nothing is left.
    int64_t cost                # Of one lot on this level.
    int64_t left                # Lots on it that may be taken, at most as many as are wanted.
    int64_t worst_cost          # Beyond the dynamic band; no lot that costs more may be taken.


cdef struct Taking:
    int64_t lots                # Of every leg; 0: nothing.
    wide_t total                # Their cost.


cdef int32_t leg_handles(State *self, const Block *block, int fabric, uint32_t *handles) noexcept nogil
cdef Taking take_legs(State *self, const Block *block, const uint32_t *handles, int64_t most,
                      uint32_t owner) noexcept nogil
