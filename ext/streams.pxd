"""Private streams: of one account, and of all accounts of a firm (drop copy)."""

from libc.stdint cimport int64_t, uint32_t, uint8_t

from ext.history cimport History


cdef class AccountStream:
    cdef list links
    cdef int64_t pseq               # Of the last message.
    cdef History history
    cdef list copies                # CopyStreams this account's messages go to as well.


cdef class CopyStream:
    cdef readonly int64_t seq       # Of the last message: the sum of its accounts' pseqs.
    cdef list links
    cdef list numbers
    cdef History history

    cdef int tell(self, uint32_t account, const uint8_t *message, Py_ssize_t size) except -1
