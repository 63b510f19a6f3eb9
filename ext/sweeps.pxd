"""Commands that end orders and blocks: cancels, a lost session, the passing of time; and market-maker protection."""

from ext.state cimport State
from ext.types cimport Command, uint32_t


cdef void mass_cancel(State *self, const Command *command, uint32_t lane) noexcept nogil
cdef void note_session(State *self, const Command *command) noexcept nogil
cdef void session_lost(State *self, const Command *command) noexcept nogil
cdef void pass_time(State *self, const Command *command) noexcept nogil
cdef void cancel(State *self, const Command *command, uint32_t lane) noexcept nogil
cdef void end_any(State *self, uint32_t slot, int reason) noexcept nogil
cdef void protect_quotes(State *self, const Command *command, uint32_t lane) noexcept nogil
cdef void reset_quotes(State *self, const Command *command, uint32_t lane) noexcept nogil
cdef void pull_quotes(State *self) noexcept nogil
