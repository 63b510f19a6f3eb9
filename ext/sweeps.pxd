"""Commands that end many orders at once: mass cancel, a lost session, the passing of time."""

from ext.state cimport State
from ext.types cimport Command, uint32_t


cdef void mass_cancel(State *self, const Command *command, uint32_t lane) noexcept nogil
cdef void session_lost(State *self, const Command *command) noexcept nogil
cdef void pass_time(State *self, const Command *command) noexcept nogil
