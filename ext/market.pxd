"""The public side of one instrument: visible depth, sequence numbers, subscribers."""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from ext.by_order cimport OrderBoard, OrderRows
from ext.depth cimport Ladder
from ext.depth_view cimport DepthView
from ext.frames cimport Buffer
from ext.link cimport Link
from ext.tape cimport CandleClock, RecentTrades
from ext.types cimport Event
from ext.views cimport Outbox, View


cdef enum:                      # Channels of a subscription.
    CHANNEL_L1 = 1
    CHANNEL_L2 = 2
    CHANNEL_TRADES = 3
    CHANNEL_STATUS = 4
    CHANNEL_INSTRUMENTS = 5
    CHANNEL_STRIPS = 6
    CHANNEL_MARKS = 7
    CHANNEL_CANDLES = 8
    CHANNEL_L3 = 12
    CHANNELS = 13               # Of those between, none is of instruments (gateway/curves.py, gateway/copies.py).


cdef class Market:
    cdef readonly uint32_t instrument
    cdef readonly Ladder bids
    cdef readonly Ladder asks
    cdef Py_ssize_t book_depth_max
    cdef list views             # By channel: View, or None where nobody ever subscribed.
    cdef list depth_views       # Of the channel l2: those with followers, one a depth.
    cdef list series            # Candles by interval, from the first trade or subscription on; else None.
    cdef OrderBoard by_order
    cdef RecentTrades recent    # From the first trade on.
    cdef uint64_t seq[CHANNELS]     # Of the last message, by channel.
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

    cdef View view(self, int channel)
    cdef DepthView depth_view(self, Py_ssize_t depth)
    cdef list candles(self)
    cdef bint is_heard(self, int channel) noexcept
    cdef int subscribe(self, int channel, Link link, int64_t variant, int64_t conflate_us, int64_t now_us) except -1
    cdef int subscribe_later(self, int channel, Link link, int64_t variant, int64_t conflate_us, Outbox box) except -1
    cdef int unsubscribe(self, int channel, Link link, int64_t variant, Outbox box) except -1
    cdef int publish(self, Buffer news, Outbox box) except -1
    cdef int apply_level(self, const Event *event) except -1
    cdef int apply_trade(self, const Event *event, int64_t ts_us, bint forms_price, CandleClock clock) except -1
    cdef int apply_state(self, const Event *event, int64_t ts_us) except -1
    cdef int apply_mark(self, const Event *event, int64_t ts_us) except -1
    cdef int put_mark(self, Buffer out, int64_t ts_us) except -1
    cdef int put_auction(self, Buffer out, int64_t ts_us, tuple place) except -1
    cdef int put_indicative(self, Buffer out, int64_t ts_us) except -1
    cdef bint read_best(self, int64_t *best) noexcept
    cdef int put_l1(self, Buffer out) except -1
