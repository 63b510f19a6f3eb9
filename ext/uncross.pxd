"""The end of a call: one price for everybody (docs/spec/auctions.md)."""

from ext.state cimport State
from ext.types cimport int32_t, int64_t, uint32_t


cdef struct Indication:
    int32_t price
    int64_t volume              # 0: nothing meets.
    int64_t surplus             # Bids less asks at the price.


cdef Indication indication_of(State *self, uint32_t handle) noexcept nogil
cdef void uncross(State *self, uint32_t handle) noexcept nogil
cdef void indicate(State *self, uint32_t handle) noexcept nogil
