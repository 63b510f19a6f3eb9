"""The commands about blocks: entered, changed, refused. Rules: docs/spec/blocks.md."""

from ext.state cimport State
from ext.types cimport Command, uint32_t


cdef void place_block(State *self, const Command *command, uint32_t lane) noexcept nogil
cdef void replace_block(State *self, const Command *command, uint32_t lane, uint32_t slot) noexcept nogil
