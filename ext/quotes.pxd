"""Two-sided quotes, one command a leg (QTE-001 to QTE-004)."""

from ext.state cimport State
from ext.types cimport Command, Lane, uint32_t


cdef int continues_quote(const Lane *lane, const Command *command) noexcept nogil
cdef int leg_of(const Command *command) noexcept nogil
cdef void quote(State *self, const Command *command, uint32_t lane, int first) noexcept nogil
