"""Who follows what of an instrument, what each was sent last, and what each is still owed."""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from ext.frames cimport Buffer
from ext.link cimport Link


cdef class Outbox:
    """The links that have something to write, and those that are owed something."""

    cdef list dirty
    cdef dict owing             # Links, in the order in which they came to be owed something; the values are None.
    cdef int64_t now_us         # Time of the batch being published.

    cdef int mark(self, Link link) except -1
    cdef int owe(self, Follower follower) except -1
    cdef int forgive(self, Follower follower) except -1
    cdef int pay(self) except -1
    cdef int pay_link(self, Link link) except -1


cdef class Follower:
    """A link that is not sent every message of a view at once."""

    cdef View view
    cdef Link link
    cdef uint64_t sent          # Last message it has; of one that is owed nothing, the view's.
    cdef int64_t due_us         # Not before this time is it sent the next.
    cdef int64_t conflate_us
    cdef bint is_owed
    cdef bint is_new            # What it is owed is the present state: it was sent nothing yet.


cdef class View:
    """One sequence of messages about an instrument, and who follows it."""

    cdef readonly uint32_t instrument
    cdef readonly int channel
    cdef bint may_wait          # Messages are withheld from a link that is behind.
    cdef dict followers         # By link: None for one that is sent everything at once, else its Follower.
    cdef uint64_t seq           # Of its last message.
    cdef Py_ssize_t owed        # Followers that are owed something.
    cdef Buffer missed          # What was last put together for one, and for whom.
    cdef uint64_t missed_since
    cdef uint64_t missed_until

    cdef int add(self, Link link, int64_t conflate_us, int64_t now_us) except -1
    cdef int add_later(self, Link link, int64_t conflate_us, Outbox box) except -1
    cdef int drop(self, Link link, Outbox box) except -1
    cdef int publish(self, Buffer frames, uint64_t seq, Outbox box) except -1
    cdef int put_missed(self, Buffer out, uint64_t sent) except -1
    cdef int encode_missed(self, Buffer out, uint64_t sent) except -1
    cdef int put_start(self, Buffer out) except -1


cdef class GapView(View):
    """Messages that cannot be merged."""


cdef class LatestView(View):
    """Messages of which the last one says all."""

    cdef Buffer latest


cdef int put_gap(Buffer out, View view, uint64_t sent, int64_t interval_s) except -1
