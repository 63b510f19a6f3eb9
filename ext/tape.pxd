"""What has traded in an instrument: its candles and its last trades."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t

from ext.frames cimport Buffer
from ext.views cimport Outbox, View


cdef enum:
    CANDLES_KEPT_MAX = 1440     # Of one instrument and interval; the oldest is forgotten.
    TRADES_KEPT_MAX = 1000      # Of one instrument; the oldest is forgotten.
    CANDLE_TOLD_US = 1000000    # The open candle is not told again sooner.


cdef struct Candle:             # Prices in ticks, times in microseconds.
    int64_t t0
    int64_t lots
    int32_t open
    int32_t high
    int32_t low
    int32_t close
    int64_t trades


cdef struct TradeRow:
    int64_t ts_us
    uint64_t match_id
    uint64_t seq
    int32_t price
    int32_t lots
    uint8_t aggressor
    uint8_t flags


cdef class CandleClock:
    """Which candles are open, and which have news that is not told yet."""

    cdef dict open              # Series; the values are None.
    cdef dict untold
    cdef list closed            # Series with a closing to tell.
    cdef int64_t next_close_us
    cdef Buffer news

    cdef int close_due(self, int64_t now_us) except -1
    cdef int tell(self, Outbox box) except -1


cdef class Series(View):
    """The candles of one instrument and one interval."""

    cdef readonly int64_t interval_us
    cdef Candle now             # The open candle, or the last one.
    cdef bint is_open
    cdef Candle closing         # One that closed in this batch.
    cdef bint has_closed
    cdef Candle *rows           # Those that are closed, the oldest first.
    cdef Py_ssize_t count
    cdef Py_ssize_t capacity
    cdef int64_t told_us        # When the open candle was told last.
    cdef uint64_t closing_seq   # The last message that said a candle had closed ...
    cdef uint64_t passed_seq    # ... and the last of these that another message followed.
    cdef Buffer latest

    cdef int add_trade(self, int32_t price, int32_t lots, int64_t ts_us, CandleClock clock) except -1
    cdef int close(self) except -1
    cdef int keep(self) except -1
    cdef int tell(self, const Candle *candle, bint is_closed, Buffer news, Outbox box) except -1
    cdef int put(self, Buffer out, const Candle *candle, bint is_closed, uint64_t seq) except -1


cdef class RecentTrades:
    """The last trades of one instrument, in a ring."""

    cdef TradeRow *rows
    cdef Py_ssize_t count
    cdef Py_ssize_t capacity
    cdef Py_ssize_t oldest

    cdef int add(self, const TradeRow *row) except -1
