# cython: boundscheck=False, wraparound=False, cdivision=True
"""The public side of one instrument: visible depth, sequence numbers, subscribers.

Depth follows LEVEL events, whoever listens; messages are made only for channels that have subscribers, and their
sequence numbers count those messages.
"""

from libc.stdlib cimport free, qsort, realloc
from libc.string cimport memcpy, memmove

from ext.encoder cimport T_L1, T_L2_DELTA, T_L2_SNAP, how_it_came_about, put_integer, put_row
from ext.frames cimport OP_BINARY
from ext.types cimport E_AUCTION, E_INDICATIVE, E_MARK, E_PERISHED, E_STATUS, E_TRADE, V_CALL, V_SELL

cdef int NO_AGGRESSOR = 2


cdef uint8_t *put_array(uint8_t *to, Py_ssize_t count) noexcept nogil:
    """Write the head of an array; at most 5 bytes."""
    cdef int i
    if count < 16:
        to[0] = <uint8_t>(0x90 | count)
        return to + 1
    if count < 65536:
        to[0] = 0xDC
        to[1] = <uint8_t>(count >> 8)
        to[2] = <uint8_t>count
        return to + 3
    to[0] = 0xDD
    for i in range(4):
        to[1 + i] = <uint8_t>(count >> (8 * (3 - i)))
    return to + 5


cdef int compare_keys(const void *left, const void *right) noexcept nogil:
    cdef int64_t a = (<const int64_t *>left)[0]
    cdef int64_t b = (<const int64_t *>right)[0]
    return (a > b) - (a < b)


cdef class Ladder:
    """Visible levels of one side."""

    def __cinit__(self, int sign):
        self.sign = sign

    def __dealloc__(self):
        free(self.rows)
        free(self.touched)

    cdef Py_ssize_t find(self, int64_t key) noexcept:
        """Index of the first row whose key is not below `key`. O(log levels)."""
        cdef Py_ssize_t low = 0, high = self.count, middle
        if high and self.rows[high - 1].key < key:
            return high
        while low < high:
            middle = (low + high) >> 1
            if self.rows[middle].key < key:
                low = middle + 1
            else:
                high = middle
        return low

    cdef int set(self, int32_t price, int64_t lots) except -1:
        """Put a level's shown lots; 0 takes the level away. O(levels better than it)."""
        cdef int64_t key = <int64_t>price * self.sign
        cdef Py_ssize_t at = self.find(key)
        cdef bint known = at < self.count and self.rows[at].key == key
        cdef void *grown
        if lots == 0:
            if known:
                self.count -= 1
                memmove(&self.rows[at], &self.rows[at + 1], (self.count - at) * sizeof(Row))
            return 0
        if not known:
            if self.count == self.capacity:
                grown = realloc(self.rows, max(2 * self.capacity, 16) * sizeof(Row))
                if grown == NULL:
                    raise MemoryError("no memory for depth")
                self.rows = <Row *>grown
                self.capacity = max(2 * self.capacity, 16)
            memmove(&self.rows[at + 1], &self.rows[at], (self.count - at) * sizeof(Row))
            self.count += 1
            self.rows[at].key = key
        self.rows[at].lots = lots
        return 0

    cdef int touch(self, int32_t price) except -1:
        """Remember that a level changed."""
        cdef void *grown
        if self.touched_count == self.touched_capacity:
            grown = realloc(self.touched, max(2 * self.touched_capacity, 16) * sizeof(int64_t))
            if grown == NULL:
                raise MemoryError("no memory for depth")
            self.touched = <int64_t *>grown
            self.touched_capacity = max(2 * self.touched_capacity, 16)
        self.touched[self.touched_count] = <int64_t>price * self.sign
        self.touched_count += 1
        return 0

    cdef int put_rows(self, Buffer out, Py_ssize_t depth) except -1:
        """Append [px, qty, ...] of the best `depth` levels, best first."""
        cdef Py_ssize_t i
        cdef Py_ssize_t levels = min(depth, self.count)
        cdef uint8_t *to = put_array(out.reserve(5 + 18 * levels), 2 * levels)
        for i in range(self.count - 1, self.count - 1 - levels, -1):
            to = put_integer(to, self.rows[i].key * self.sign)
            to = put_integer(to, self.rows[i].lots)
        out.size = to - out.data
        return 0

    cdef int put_touched(self, Buffer out) except -1:
        """Append [px, qty, ...] of the changed levels, each once, and forget them; qty 0: the level is gone."""
        cdef Py_ssize_t i, at, levels = 0
        cdef uint8_t *to
        if self.touched_count > 1:
            qsort(self.touched, self.touched_count, sizeof(int64_t), compare_keys)
        for i in range(self.touched_count):
            if i == 0 or self.touched[i] != self.touched[i - 1]:
                self.touched[levels] = self.touched[i]
                levels += 1
        to = put_array(out.reserve(5 + 18 * levels), 2 * levels)
        for i in range(levels - 1, -1, -1):
            at = self.find(self.touched[i])
            to = put_integer(to, self.touched[i] * self.sign)
            if at < self.count and self.rows[at].key == self.touched[i]:
                to = put_integer(to, self.rows[at].lots)
            else:
                to = put_integer(to, 0)
        out.size = to - out.data
        self.touched_count = 0
        return 0

    def levels(self, Py_ssize_t depth):
        """Return [(price, lots), ...], best first."""
        return [
            (self.rows[i].key * self.sign, self.rows[i].lots)
            for i in range(self.count - 1, self.count - 1 - min(depth, self.count), -1)
        ]


cdef class Market:
    """The public side of one instrument."""

    def __cinit__(self, uint32_t instrument):
        self.instrument = instrument
        self.bids = Ladder(1)
        self.asks = Ladder(-1)
        self.subscribers = [[] for _ in range(CHANNELS)]
        self.trades = Buffer()
        self.states = Buffer()
        self.marks = Buffer()
        self.mark = -1
        self.auctions = {}
        self.indicated_at = -1

    def subscribe(self, int channel, link):
        """Add a subscriber, once."""
        if link not in self.subscribers[channel]:
            self.subscribers[channel].append(link)

    def unsubscribe(self, int channel, link):
        """Take a subscriber off, if it is one."""
        if link in self.subscribers[channel]:
            self.subscribers[channel].remove(link)

    def subscribed(self, int channel):
        """Return the subscribers of a channel."""
        return self.subscribers[channel]

    def next_seq(self, int channel):
        """Count one more message of a channel."""
        self.seq[channel] += 1
        return self.seq[channel]

    def last_seq(self, int channel):
        """Return the sequence number of a channel's last message."""
        return self.seq[channel]

    def load(self, list bids, list asks):
        """Set the depth from [(price, lots), ...] of each side, as when the server starts."""
        self.bids = Ladder(1)
        self.asks = Ladder(-1)
        for price, lots in bids:
            self.bids.set(price, lots)
        for price, lots in asks:
            self.asks.set(price, lots)

    def l1_snapshot(self):
        """Return the message that says the best bid and ask now."""
        self.read_best(self.best)
        cdef Buffer out = Buffer()
        self.put_l1(out)
        return out.take()[2:]

    def l2_snapshot(self, Py_ssize_t depth):
        """Return an l2_snap message of the best `depth` levels of each side."""
        cdef Buffer out = Buffer()
        cdef uint8_t *to = put_array(out.reserve(64), 6)
        to = put_integer(to, T_L2_SNAP)
        to = put_integer(to, self.instrument)
        to = put_integer(to, <int64_t>self.seq[CHANNEL_L2])
        to = put_integer(to, self.ts_us)
        out.size = to - out.data
        self.bids.put_rows(out, depth)
        self.asks.put_rows(out, depth)
        return out.take()

    cdef int apply_level(self, const Event *event) except -1:
        cdef Ladder ladder = self.asks if event.flags & V_SELL else self.bids
        ladder.set(event.price, event.amount)
        if self.subscribers[CHANNEL_L2]:
            ladder.touch(event.price)
        return 0

    cdef int apply_trade(self, const Event *event, int64_t ts_us) except -1:
        if not self.subscribers[CHANNEL_TRADES]:
            return 0
        self.seq[CHANNEL_TRADES] += 1
        cdef int64_t aggressor = 1 if event.flags & V_SELL else 0
        cdef int64_t[9] row = [
            E_TRADE, self.instrument, <int64_t>self.seq[CHANNEL_TRADES], ts_us, <int64_t>event.match_id, event.price,
            event.lots, NO_AGGRESSOR if event.flags & V_CALL else aggressor, how_it_came_about(event),
        ]
        return put_row(self.trades, row, 9)

    cdef int apply_state(self, const Event *event, int64_t ts_us) except -1:
        """A STATUS, PERISHED or INDICATIVE. Of indicatives in a row the last one of a batch is told."""
        cdef int64_t[7] status
        cdef int64_t[6] perished
        cdef bint again = event.type == E_INDICATIVE and self.indicated_at >= 0
        if event.type == E_INDICATIVE:
            self.indicative[0] = event.price
            self.indicative[1] = event.amount
            self.indicative[2] = 1 if event.flags & V_SELL else 0
            self.indicative[3] = <int64_t>event.match_id
        elif event.type == E_STATUS:
            self.indicative[0] = self.indicative[1] = self.indicative[2] = self.indicative[3] = 0
        if not self.subscribers[CHANNEL_STATUS]:
            return 0
        if again:
            self.states.size = self.indicated_at
        else:
            self.seq[CHANNEL_STATUS] += 1
        self.indicated_at = self.states.size if event.type == E_INDICATIVE else -1
        if event.type == E_INDICATIVE:
            return self.put_indicative(self.states, ts_us)
        if event.type == E_PERISHED:
            perished = [
                E_PERISHED, self.instrument, <int64_t>self.seq[CHANNEL_STATUS], ts_us, event.amount,
                <int64_t>event.match_id,
            ]
            return put_row(self.states, perished, 6)
        status = [
            E_STATUS, self.instrument, <int64_t>self.seq[CHANNEL_STATUS], ts_us, event.lots, event.reason,
            event.amount // 1000,
        ]
        return put_row(self.states, status, 7)

    cdef int apply_mark(self, const Event *event, int64_t ts_us) except -1:
        """A MARK, or an AUCTION: something of an estate that bids are taken for."""
        cdef bint is_mark = event.type == E_MARK
        cdef tuple place = (event.match_id, event.price)
        if is_mark:
            self.mark = event.price
        else:
            self.auctions = {key: row for key, row in self.auctions.items() if row[3] > ts_us}
            self.auctions[place] = (1 if event.flags & V_SELL else 0, event.lots, event.cum, event.amount // 1000)
        if self.subscribers[CHANNEL_MARKS]:
            self.seq[CHANNEL_MARKS] += 1
            if is_mark:
                self.put_mark(self.marks, ts_us)
            else:
                self.put_auction(self.marks, ts_us, place)
        return 0

    cdef int put_mark(self, Buffer out, int64_t ts_us) except -1:
        """Append the mark frame."""
        cdef int64_t[5] row = [E_MARK, self.instrument, <int64_t>self.seq[CHANNEL_MARKS], ts_us, self.mark]
        return put_row(out, row, 5)

    cdef int put_auction(self, Buffer out, int64_t ts_us, tuple place) except -1:
        """Append the auction frame of an item."""
        side, lots, windows, until_us = self.auctions[place]
        cdef int64_t[10] row = [
            E_AUCTION, self.instrument, <int64_t>self.seq[CHANNEL_MARKS], ts_us, place[0], place[1], side, lots,
            windows, until_us,
        ]
        return put_row(out, row, 10)

    def marks_snapshot(self, int64_t ts_us):
        """Return the messages that say the mark, if there is one, and the auctions under way."""
        cdef Buffer out
        messages = []
        if self.mark >= 0:
            out = Buffer()
            self.put_mark(out, ts_us)
            messages.append(out.take()[2:])
        for place, row in self.auctions.items():
            if row[3] > ts_us:
                out = Buffer()
                self.put_auction(out, ts_us, place)
                messages.append(out.take()[2:])
        return messages

    cdef int put_indicative(self, Buffer out, int64_t ts_us) except -1:
        """Append the indicative frame of `indicative`."""
        cdef int64_t[8] row = [
            E_INDICATIVE, self.instrument, <int64_t>self.seq[CHANNEL_STATUS], ts_us, self.indicative[0],
            self.indicative[1], self.indicative[2], self.indicative[3],
        ]
        return put_row(out, row, 8)

    def indicative_snapshot(self):
        """Return the message that says what the call under way would come to now."""
        cdef Buffer out = Buffer()
        self.put_indicative(out, self.ts_us)
        return out.take()[2:]

    def best_prices(self):
        """Return (bid, lots, ask, lots) of the visible book, 0 and 0 where there is none."""
        cdef int64_t best[4]
        self.read_best(best)
        return best[0], best[1], best[2], best[3]

    cdef bint read_best(self, int64_t *best) noexcept:
        """Look up best bid and ask, 0 and 0 where there is none; True if they are not what `best` held."""
        cdef int64_t now[4]
        cdef bint changed
        now[0] = now[1] = now[2] = now[3] = 0
        if self.bids.count:
            now[0] = self.bids.rows[self.bids.count - 1].key
            now[1] = self.bids.rows[self.bids.count - 1].lots
        if self.asks.count:
            now[2] = -self.asks.rows[self.asks.count - 1].key
            now[3] = self.asks.rows[self.asks.count - 1].lots
        changed = now[0] != best[0] or now[1] != best[1] or now[2] != best[2] or now[3] != best[3]
        memcpy(best, now, sizeof(now))
        return changed

    cdef int put_l1(self, Buffer out) except -1:
        """Append the l1 frame of `best`."""
        cdef int64_t[8] row = [
            T_L1, self.instrument, <int64_t>self.seq[CHANNEL_L1], self.ts_us, self.best[0], self.best[1], self.best[2],
            self.best[3],
        ]
        return put_row(out, row, 8)

    cdef int put_l2(self, Buffer out) except -1:
        """Append the l2_delta frame of everything touched since the last."""
        cdef Py_ssize_t start = out.begin_frame()
        cdef uint8_t *to
        self.seq[CHANNEL_L2] += 1
        to = put_array(out.reserve(64), 7)
        to = put_integer(to, T_L2_DELTA)
        to = put_integer(to, self.instrument)
        to = put_integer(to, <int64_t>self.seq[CHANNEL_L2])
        to = put_integer(to, <int64_t>self.seq[CHANNEL_L2])
        to = put_integer(to, self.ts_us)
        out.size = to - out.data
        self.bids.put_touched(out)
        self.asks.put_touched(out)
        out.reserve(16)
        out.end_frame(start, OP_BINARY)
        return 0
