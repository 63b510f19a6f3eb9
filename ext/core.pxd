"""The core as other Cython modules see it."""

from ext.state cimport State
from ext.types cimport Instrument, uint32_t


cdef class Core:
    cdef State state
    cdef int check(self) except -1
    cdef Instrument *listed(self, uint32_t handle) except NULL
    cdef void evaluate_all(self, uint32_t handle)
