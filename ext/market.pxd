"""The public side of one instrument: visible depth, sequence numbers, subscribers."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t

from ext.frames cimport Buffer
from ext.types cimport Event


cdef enum:                      # Channels of a subscription.
    CHANNEL_L1 = 1
    CHANNEL_L2 = 2
    CHANNEL_TRADES = 3
    CHANNEL_STATUS = 4
    CHANNEL_INSTRUMENTS = 5
    CHANNEL_STRIPS = 6
    CHANNEL_MARKS = 7
    CHANNELS = 8


cdef struct Row:
    int64_t lots
    int64_t key                 # Price for bids, its negative for asks: the best row has the highest key.


cdef class Ladder:
    """Visible levels of one side, the best last: changes are mostly near it."""

    cdef Row *rows
    cdef Py_ssize_t count
    cdef Py_ssize_t capacity
    cdef int sign
    cdef int64_t *touched       # Keys changed since the last delta.
    cdef Py_ssize_t touched_count
    cdef Py_ssize_t touched_capacity

    cdef Py_ssize_t find(self, int64_t key) noexcept
    cdef int set(self, int32_t price, int64_t lots) except -1
    cdef int touch(self, int32_t price) except -1
    cdef int put_rows(self, Buffer out, Py_ssize_t depth) except -1
    cdef int put_touched(self, Buffer out) except -1


cdef class Market:
    cdef readonly uint32_t instrument
    cdef readonly Ladder bids
    cdef readonly Ladder asks
    cdef list subscribers       # Links, by channel.
    cdef uint64_t seq[8]        # Of the last message, by channel.
    cdef int64_t best[4]        # What the last l1 message said.
    cdef int64_t indicative[4]  # What the call would come to, as last told: price, lots, surplus' side and size.
    cdef int64_t ts_us
    cdef Buffer trades          # Trade frames of the batch being published.
    cdef Buffer states          # Its frames of the status channel.
    cdef Buffer marks           # Its frames of the channel marks.
    cdef int64_t mark           # Ticks, as last told, or -1.
    cdef dict auctions          # (side, lots, windows, end in us) as last told, by (case, item).
    cdef Py_ssize_t indicated_at    # Where in `states` an indicative stands as the last frame, or -1.
    cdef bint is_touched

    cdef int apply_level(self, const Event *event) except -1
    cdef int apply_trade(self, const Event *event, int64_t ts_us) except -1
    cdef int apply_state(self, const Event *event, int64_t ts_us) except -1
    cdef int apply_mark(self, const Event *event, int64_t ts_us) except -1
    cdef int put_mark(self, Buffer out, int64_t ts_us) except -1
    cdef int put_auction(self, Buffer out, int64_t ts_us, tuple place) except -1
    cdef int put_indicative(self, Buffer out, int64_t ts_us) except -1
    cdef bint read_best(self, int64_t *best) noexcept
    cdef int put_l1(self, Buffer out) except -1
    cdef int put_l2(self, Buffer out) except -1
