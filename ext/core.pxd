from ext.state cimport State
from ext.types cimport Instrument, int64_t, uint32_t


cdef class Core:
    cdef State state
    cdef int check(self) except -1
    cdef Instrument *listed(self, uint32_t handle) except NULL
    cdef void evaluate_all(self, uint32_t handle)
    cpdef int begin(self, int64_t ts_ns) except -1
    cpdef size_t run(self, bytes records, size_t offset=*) except? 0
