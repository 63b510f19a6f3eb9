"""The parts of a trade that is not an aggressor against the front of a book: blocks, uncrosses, purchases."""

from ext.state cimport State
from ext.types cimport int32_t, int64_t, uint32_t


cdef void hand_over(State *self, uint32_t giver, uint32_t taker, int64_t lots) noexcept nogil
cdef void exchange(State *self, uint32_t buyer, uint32_t seller, int32_t price, int64_t lots) noexcept nogil
cdef int64_t charge(State *self, uint32_t position, int32_t price, int64_t lots, uint32_t ppm) noexcept nogil
cdef void fill_maker(State *self, uint32_t slot, int32_t price, int32_t lots, uint32_t ppm, int flags) noexcept nogil
cdef void tell_trade(State *self, uint32_t handle, int32_t price, int32_t lots, int flags) noexcept nogil
cdef void after_fill(State *self, uint32_t slot, int32_t lots) noexcept nogil
