# cython: boundscheck=False, wraparound=False, cdivision=True
"""What has traded in an instrument: its candles and its last trades.

They follow TRADE events, whoever listens, and time is that of the batches, so a replay makes the same ones.
"""

from libc.stdlib cimport free, realloc
from libc.string cimport memmove

from ext.encoder cimport T_CANDLE, put_row
from ext.views cimport put_gap

cdef int64_t NEVER = 1 << 62
cdef int64_t US_PER_SECOND = 1_000_000


cdef class CandleClock:
    """Which candles are open, and which have news that is not told yet."""

    def __cinit__(self):
        self.open = {}
        self.untold = {}
        self.closed = []
        self.next_close_us = NEVER
        self.news = Buffer()

    cdef int close_due(self, int64_t now_us) except -1:
        """Close the candles whose interval is over. O(open candles), when one is."""
        cdef Series series
        cdef int64_t end_us
        if now_us < self.next_close_us:
            return 0
        self.next_close_us = NEVER
        for item in list(self.open):
            series = <Series>item
            end_us = series.now.t0 + series.interval_us
            if end_us <= now_us:
                series.close()
                del self.open[series]
                self.closed.append(series)
                self.untold.pop(series, None)
            else:
                self.next_close_us = min(self.next_close_us, end_us)
        return 0

    cdef int tell(self, Outbox box) except -1:
        """Tell what has closed, then the open candles that have not been told for a second."""
        cdef Series series
        for item in self.closed:
            series = <Series>item
            series.has_closed = False
            if series.followers:
                series.tell(&series.closing, True, self.news, box)
        self.closed.clear()
        for item in list(self.untold):
            series = <Series>item
            if not series.followers:
                del self.untold[series]
            elif box.now_us - series.told_us >= CANDLE_TOLD_US:
                del self.untold[series]
                series.told_us = box.now_us
                series.tell(&series.now, False, self.news, box)
        return 0


cdef class Series(View):
    """The candles of one instrument and one interval. An interval without a trade that counts has none."""

    def __cinit__(self, int channel, uint32_t instrument, int64_t interval_s):
        self.may_wait = True
        self.interval_us = interval_s * US_PER_SECOND
        self.told_us = -NEVER
        self.latest = Buffer()

    def __dealloc__(self):
        free(self.rows)

    cdef int add_trade(self, int32_t price, int32_t lots, int64_t ts_us, CandleClock clock) except -1:
        """Count a trade. The candle before it, if its interval is over, has been closed by the clock."""
        if not self.is_open:
            self.now.t0 = ts_us - ts_us % self.interval_us
            self.now.open = self.now.high = self.now.low = price
            self.now.lots = self.now.trades = 0
            self.is_open = True
            clock.open[self] = None
            clock.next_close_us = min(clock.next_close_us, self.now.t0 + self.interval_us)
        self.now.high = max(self.now.high, price)
        self.now.low = min(self.now.low, price)
        self.now.close = price
        self.now.lots += lots
        self.now.trades += 1
        if self.followers:
            clock.untold[self] = None
        return 0

    cdef int close(self) except -1:
        """The open candle's interval is over."""
        self.is_open = False
        self.closing = self.now
        self.has_closed = True
        self.told_us = -NEVER                   # The next one is told at once.
        return self.keep()

    cdef int keep(self) except -1:
        """Remember the candle that has closed, for whoever asks."""
        cdef void *grown
        if self.count == CANDLES_KEPT_MAX:
            memmove(self.rows, self.rows + 1, (self.count - 1) * sizeof(Candle))
            self.count -= 1
        elif self.count == self.capacity:
            grown = realloc(self.rows, min(max(2 * self.capacity, 16), CANDLES_KEPT_MAX) * sizeof(Candle))
            if grown == NULL:
                raise MemoryError("no memory for candles")
            self.rows = <Candle *>grown
            self.capacity = min(max(2 * self.capacity, 16), CANDLES_KEPT_MAX)
        self.rows[self.count] = self.now
        self.count += 1
        return 0

    cdef int tell(self, const Candle *candle, bint is_closed, Buffer news, Outbox box) except -1:
        """Queue a candle for every follower."""
        cdef uint64_t seq = self.seq + 1
        self.put(news, candle, is_closed, seq)
        self.latest.size = 0
        self.latest.append(news.data, news.size)
        self.passed_seq = self.closing_seq
        if is_closed:
            self.closing_seq = seq
        return self.publish(news, seq, box)

    cdef int put(self, Buffer out, const Candle *candle, bint is_closed, uint64_t seq) except -1:
        """Append the candle frame."""
        cdef int64_t[12] row = [
            T_CANDLE, self.instrument, <int64_t>seq, candle.t0, candle.open, candle.high, candle.low, candle.close,
            candle.lots, candle.trades, self.interval_us // US_PER_SECOND, is_closed,
        ]
        return put_row(out, row, 12)

    cdef int encode_missed(self, Buffer out, uint64_t sent) except -1:
        """Append the last message, after a gap if a candle's last word came before it and was missed."""
        if self.passed_seq > sent:
            put_gap(out, self, sent, self.interval_us // US_PER_SECOND)
        return out.append(self.latest.data, self.latest.size)

    def snapshot(self):
        """Return the message that says how the candle stands, or None before the first trade."""
        cdef Buffer out = Buffer()
        if not self.is_open and not self.count:
            return None
        self.put(out, &self.now, not self.is_open, self.seq)
        return out.take()[2:]

    def history(self, int64_t from_us, int64_t to_us, Py_ssize_t limit):
        """Return [(t0, open, high, low, close, lots, trades, is_closed), ...] with from <= t0 < to, the last ones."""
        cdef Py_ssize_t i
        cdef list found = []
        if self.is_open and from_us <= self.now.t0 < to_us and limit > 0:
            found.append(as_tuple(&self.now, False))
        for i in range(self.count - 1, -1, -1):
            if len(found) >= limit or self.rows[i].t0 < from_us:
                break
            if self.rows[i].t0 < to_us:
                found.append(as_tuple(&self.rows[i], True))
        found.reverse()
        return found


cdef tuple as_tuple(const Candle *candle, bint is_closed):
    return (
        candle.t0, candle.open, candle.high, candle.low, candle.close, candle.lots, candle.trades, int(is_closed),
    )


cdef class RecentTrades:
    """The last trades of one instrument, in a ring."""

    def __dealloc__(self):
        free(self.rows)

    cdef int add(self, const TradeRow *row) except -1:
        """Keep a trade; of too many the oldest is forgotten."""
        cdef void *grown
        if self.count == TRADES_KEPT_MAX:
            self.rows[self.oldest] = row[0]
            self.oldest = (self.oldest + 1) % TRADES_KEPT_MAX
            return 0
        if self.count == self.capacity:
            grown = realloc(self.rows, min(max(2 * self.capacity, 16), TRADES_KEPT_MAX) * sizeof(TradeRow))
            if grown == NULL:
                raise MemoryError("no memory for trades")
            self.rows = <TradeRow *>grown
            self.capacity = min(max(2 * self.capacity, 16), TRADES_KEPT_MAX)
        self.rows[self.count] = row[0]
        self.count += 1
        return 0

    def last(self, Py_ssize_t limit):
        """Return [(seq, ts, match id, price, lots, aggressor, flags), ...] of the last trades, the oldest first."""
        cdef Py_ssize_t i, at
        cdef list found = []
        for i in range(max(self.count - limit, 0), self.count):
            at = (self.oldest + i) % self.count
            found.append((
                self.rows[at].seq, self.rows[at].ts_us, self.rows[at].match_id, self.rows[at].price,
                self.rows[at].lots, self.rows[at].aggressor, self.rows[at].flags,
            ))
        return found
