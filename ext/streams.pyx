# cython: boundscheck=False, wraparound=False, cdivision=True
"""Private streams: of one account, and of all accounts of a firm (drop copy).

The number of a copy is the sum of its accounts' pseqs. So it counts up by one, means the same after a restart, and
needs no place in the journal.
"""

from libc.stdint cimport int64_t, uint32_t, uint8_t

from ext.encoder cimport put_copy
from ext.frames cimport Buffer
from ext.history cimport History
from ext.link cimport Link

from ext.history import HALF_BYTES


cdef class AccountStream:
    """The private stream of one account."""

    def __cinit__(self, Py_ssize_t half_bytes):
        self.links = []
        self.copies = []
        self.history = History(half_bytes)


cdef class CopyStream:
    """Every private message of several accounts, in the order in which they came about."""

    def __init__(self, Py_ssize_t half_bytes=HALF_BYTES):
        self.links = []
        self.numbers = []
        self.history = History(half_bytes)

    @property
    def accounts(self):
        """Numbers of the accounts."""
        return list(self.numbers)

    @property
    def oldest_seq(self):
        """Number of the oldest message that can be told again; 0: there is none."""
        return self.history.oldest()

    def attach(self, Link link not None):
        """Send the stream to a link, once."""
        if link not in self.links:
            self.links.append(link)

    def detach(self, Link link not None):
        """Send nothing more to a link."""
        if link in self.links:
            self.links.remove(link)

    def since(self, int64_t first, int64_t last):
        """Return messages as frames, end to end; None where the first ones are not kept."""
        return self.history.since(first, last)

    cdef int tell(self, uint32_t account, const uint8_t *message, Py_ssize_t size) except -1:
        """Queue one more message of an account; the links must be marked by the caller."""
        self.seq += 1
        cdef Py_ssize_t start = self.history.begin(self.seq)
        cdef Buffer frames = self.history.recent
        put_copy(frames, self.seq, account, message, size)
        for item in self.links:
            (<Link>item).out.append(frames.data + start, frames.size - start)
        return 0
