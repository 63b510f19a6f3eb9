"""Records in, events out."""

from ext.state cimport State


cdef size_t apply_records(State *self, const char *data, size_t offset, size_t size) noexcept nogil
cdef int lengths_add_up(const char *data, size_t size) noexcept nogil
cdef void finish(State *self) noexcept nogil
cdef void finish_command(State *self) noexcept nogil
