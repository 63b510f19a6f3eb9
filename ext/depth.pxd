"""Visible levels of one side of a book."""

from libc.stdint cimport int32_t, int64_t, uint8_t

from ext.frames cimport Buffer


cdef struct Row:
    int64_t lots
    int64_t key                 # Price for bids, its negative for asks: the best row has the highest key.


cdef class Keys:
    """A growing list of 64-bit numbers."""

    cdef int64_t *data
    cdef Py_ssize_t count
    cdef Py_ssize_t capacity

    cdef int push(self, int64_t key) except -1
    cdef void settle(self) noexcept


cdef class Ladder:
    """Visible levels of one side, the best last: changes are mostly near it."""

    cdef Row *rows
    cdef Py_ssize_t count
    cdef Py_ssize_t capacity
    cdef int sign
    cdef Keys touched           # Keys changed since the last delta.

    cdef Py_ssize_t find(self, int64_t key) noexcept
    cdef int set(self, int32_t price, int64_t lots) except -1
    cdef int64_t shown_lots(self, int64_t key, Py_ssize_t depth) noexcept
    cdef int put_rows(self, Buffer out, Py_ssize_t depth) except -1
    cdef int put_levels(self, Buffer out, Keys keys, Py_ssize_t depth) except -1


cdef uint8_t *put_array(uint8_t *to, Py_ssize_t count) noexcept nogil
