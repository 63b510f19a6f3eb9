"""One session's connection: frames in, command records out, event frames back."""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from ext.codec cimport CommandBuffer, Intake
from ext.frames cimport Buffer, FrameParser


cdef enum:
    CONTROL_FRAMES_PER_S_MAX = 10   # Pings and pongs of one connection.
    REQUEST_FRAMES = 16             # Of a turn's frames, what a message costs that is no order: Python reads it.


cdef class RateLimit:
    cdef int64_t quarter_ns         # What a quarter of an order takes from the account's time; 0: no limit.
    cdef int64_t burst_ns
    cdef int64_t orders_until_ns    # When the account's credit would be used up to the last.
    cdef int64_t cancels_until_ns

    cdef int64_t charge(self, int64_t order_cost, int64_t cancel_cost, int64_t now_ns) noexcept
    cdef int64_t used_ns(self, int64_t now_ns) noexcept


cdef class Link(FrameParser):
    cdef public object peer
    cdef public tuple firm          # Names of the accounts whose drop copies it may hear.
    cdef public int gate            # Reason every order message is refused with; 0 when orders are welcome.
    cdef public Py_ssize_t backlog_bytes_max
    cdef public bint only_cancels   # Of order messages only those that end orders are taken.
    cdef public Py_ssize_t conflate_bytes_max   # With more unread the link is behind (ext/views.pyx) ...
    cdef public Py_ssize_t conflate_low_bytes   # ... until no more than this is.
    cdef readonly bint is_behind
    cdef dict owed                  # Followers that are owed something, and when the first is due.
    cdef int64_t due_us
    cdef public bint is_private
    cdef public bint is_listener    # It holds no lane: answers are for those who do.
    cdef public bint is_text        # Messages leave as text frames.
    cdef readonly bint is_live
    cdef readonly uint32_t account
    cdef readonly uint8_t lane
    cdef readonly uint64_t last_ref
    cdef readonly int64_t seen_ns
    cdef readonly int64_t commands_taken
    cdef public int requests_waiting    # For the answer to an administrative command (ext/router.pyx).
    cdef bint is_dirty
    cdef bint is_asked_for          # The replies to one request alone are more than a connection may have unread ...
    cdef Py_ssize_t allowance       # ... and may be, until they are read.
    cdef bint is_submitting
    cdef bint will_be_answered      # Commands of this read were taken: the router will write to this link.
    cdef bint has_replies           # The peer has replied to messages of this read.
    cdef int64_t pings_until_ns      # When the credit for pings would be used up to the last.
    cdef int64_t wall_us
    cdef int64_t breach_ns          # Since when the rate has been exceeded without a second's break; 0: it is not.
    cdef int64_t refused_ns         # When it was exceeded last.
    cdef bint is_warned
    cdef uint64_t submitted_ref     # Highest ref the sequencer took; `last_ref` is ahead of it within a read.
    cdef uint64_t answered_ref      # Of the last answer: a quote's legs are answered once.
    cdef RateLimit rate
    cdef CommandBuffer commands
    cdef Buffer texts
    cdef object submit

    cdef Py_ssize_t unread(self) except -1
    cdef int take_order(self, const uint8_t *data, Py_ssize_t size) except? -3
    cdef int refuse(self, Intake *intake, int reason) except -1
    cdef int ask_peer(self, int opcode, const uint8_t *data, Py_ssize_t size) except -1
    cdef int submit_commands(self) except -1
    cdef Py_ssize_t end_of_piece(self, Py_ssize_t first) noexcept
    cdef int refuse_overload(self, Py_ssize_t first, Py_ssize_t end) except -1
    cdef int put_texts(self) except -1
    cdef int warn(self) except -1
    cpdef int exceeded(self, int64_t now_ns) except -1
