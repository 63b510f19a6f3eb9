"""The life of windows: what a moment does to an instrument. Rules: docs/spec/windows.md."""

from ext.state cimport State
from ext.types cimport int64_t, uint32_t


cdef void pass_moments(State *self) noexcept nogil
cdef void schedule_next(State *self, uint32_t handle) noexcept nogil
cdef void close_gate(State *self) noexcept nogil
cdef void halt(State *self, uint32_t handle) noexcept nogil
cdef void resume(State *self, uint32_t handle) noexcept nogil
cdef void suspend_by_band(State *self, uint32_t handle) noexcept nogil
cdef int64_t next_moment(State *self, uint32_t handle) noexcept nogil
