"""What makes resting blocks trade, a new order or a window that opens, and what ends them (BLK-011, BLK-013)."""

from ext.state cimport State
from ext.types cimport uint32_t


cdef void wake_blocks(State *self, uint32_t slot) noexcept nogil
cdef void recheck_blocks(State *self) noexcept nogil
cdef void end_blocks_at(State *self, uint32_t handle) noexcept nogil
