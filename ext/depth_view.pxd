"""The depth of an instrument as its followers see it: all levels, or the best few."""

from libc.stdint cimport int64_t, uint8_t, uint64_t

from ext.depth cimport Keys, Ladder, Row
from ext.frames cimport Buffer
from ext.views cimport Outbox, View


cdef enum:
    CHANGES_KEPT_MAX = 4096     # Changes of one side that a view remembers for those who are behind.
    GAP_LEVELS = 4              # What a gap frame costs, in levels.


cdef class Shown:
    """One side, as a view shows it."""

    cdef Ladder ladder
    cdef Py_ssize_t depth
    cdef bint is_whole
    cdef Row *rows              # As last shown, best first; not kept by a view of the whole book.
    cdef Py_ssize_t count
    cdef Keys changed           # Levels of the message being put together.
    cdef Keys log_keys          # What changed in which message, while somebody is behind.
    cdef Keys log_seqs

    cdef void load(self) noexcept
    cdef int gather(self) except -1
    cdef int remember(self, uint64_t seq) except -1
    cdef int gather_since(self, uint64_t sent) except -1


cdef class DepthView(View):
    """One depth of one instrument."""

    cdef readonly Py_ssize_t depth      # As subscribed to: 0 means the whole book.
    cdef Py_ssize_t snapshot_depth
    cdef Shown bids
    cdef Shown asks
    cdef uint64_t floor                 # The logs tell everything after this message.
    cdef int64_t ts_us

    cdef int load(self, uint64_t seq, int64_t ts_us) except -1
    cdef int publish_changes(self, Buffer news, uint64_t seq, int64_t ts_us, Outbox box) except -1
    cdef int put_delta(self, Buffer out, uint64_t first) except -1


cdef int put_snapshot(Buffer out, DepthView view) except -1
cdef int put_book(Buffer out, unsigned int instrument, uint64_t seq, int64_t ts_us, Ladder bids, Ladder asks,
                  Py_ssize_t depth) except -1
