"""The core as other Cython modules see it."""

from ext.state cimport State
from ext.types cimport Account, Instrument, int32_t, int64_t, uint32_t


cdef class Core:
    cdef State state
    cdef int start(self, int64_t ts_ns) except -1
    cdef Py_ssize_t advance(self, bytes records, Py_ssize_t offset) except -1
    cdef int check(self) except -1
    cdef Instrument *listed(self, uint32_t handle) except NULL
    cdef Account *known(self, uint32_t account) except NULL
    cdef uint32_t place_for(self, uint32_t account, uint32_t handle) except? 0xFFFFFFFF
    cdef int set_schedule(self, uint32_t handle, int64_t volatility_call_ns, list moments) except -1
    cdef int add_window(self, uint32_t number, int32_t window, uint32_t handle) except -1
