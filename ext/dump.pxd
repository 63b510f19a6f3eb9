"""The canonical state as a row of int64 (docs/spec/engine.md)."""

from ext.state cimport State

cdef bytes dump_state(State *self)
