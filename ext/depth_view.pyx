# cython: boundscheck=False, wraparound=False, cdivision=True
"""The depth of an instrument as its followers see it: all levels, or the best few.

A delta of depth N tells how the best N levels differ from the best N told before: a level that came among them or
changed with its lots, one that is no longer among them with 0. So whoever applies it has exactly the best N.

For those who are behind a view remembers which levels changed in which message. What such a follower missed is the
present state of those levels: of one that changed and changed back, too, which does no harm.
"""

from libc.stdlib cimport free, malloc

from ext.depth cimport put_array
from ext.encoder cimport T_L2_DELTA, T_L2_SNAP, put_integer
from ext.frames cimport OP_BINARY
from ext.views cimport put_gap

cdef Py_ssize_t WHOLE = 1 << 40


cdef int put_book(Buffer out, unsigned int instrument, uint64_t seq, int64_t ts_us, Ladder bids, Ladder asks,
                  Py_ssize_t depth) except -1:
    """Append the message l2_snap, without a frame around it."""
    cdef uint8_t *to = put_array(out.reserve(64), 6)
    to = put_integer(to, T_L2_SNAP)
    to = put_integer(to, instrument)
    to = put_integer(to, <int64_t>seq)
    to = put_integer(to, ts_us)
    out.size = to - out.data
    bids.put_rows(out, depth)
    asks.put_rows(out, depth)
    out.reserve(16)
    return 0


cdef int put_snapshot(Buffer out, DepthView view) except -1:
    """Append the l2_snap frame of what a view shows."""
    cdef Py_ssize_t start = out.begin_frame()
    put_book(out, view.instrument, view.seq, view.ts_us, view.bids.ladder, view.asks.ladder, view.snapshot_depth)
    out.end_frame(start, OP_BINARY)
    return 0


cdef class Shown:
    """One side, as a view shows it."""

    def __cinit__(self, Ladder ladder, Py_ssize_t depth):
        self.ladder = ladder
        self.is_whole = depth == 0
        self.depth = depth if depth else WHOLE
        self.changed = Keys()
        self.log_keys = Keys()
        self.log_seqs = Keys()
        if depth:
            self.rows = <Row *>malloc(depth * sizeof(Row))
            if self.rows == NULL:
                raise MemoryError("no memory for depth")

    def __dealloc__(self):
        free(self.rows)

    cdef void load(self) noexcept:
        """Note what is shown now. O(depth)."""
        cdef Py_ssize_t i
        if self.is_whole:
            return
        self.count = min(self.depth, self.ladder.count)
        for i in range(self.count):
            self.rows[i] = self.ladder.rows[self.ladder.count - 1 - i]

    cdef int gather(self) except -1:
        """Find what differs from what was last shown, in O(changes), or O(depth) where that is limited."""
        cdef Py_ssize_t i = 0, j = 0, count
        cdef const Row *now
        self.changed.count = 0
        if not self.ladder.touched.count:
            return 0
        if self.is_whole:
            for i in range(self.ladder.touched.count):
                self.changed.push(self.ladder.touched.data[i])
            return 0
        count = min(self.depth, self.ladder.count)
        while i < self.count or j < count:
            now = &self.ladder.rows[self.ladder.count - 1 - j] if j < count else NULL
            if now == NULL or (i < self.count and self.rows[i].key > now.key):
                self.changed.push(self.rows[i].key)
                i += 1
            elif i == self.count or self.rows[i].key < now.key:
                self.changed.push(now.key)
                j += 1
            else:
                if self.rows[i].lots != now.lots:
                    self.changed.push(now.key)
                i += 1
                j += 1
        self.load()
        return 0

    cdef int remember(self, uint64_t seq) except -1:
        """Log what changed in a message."""
        cdef Py_ssize_t i
        for i in range(self.changed.count):
            self.log_keys.push(self.changed.data[i])
            self.log_seqs.push(<int64_t>seq)
        return 0

    cdef int gather_since(self, uint64_t sent) except -1:
        """Find what changed after a message, from the log. O(changes x log changes)."""
        cdef Py_ssize_t i = self.log_keys.count
        self.changed.count = 0
        while i and self.log_seqs.data[i - 1] > <int64_t>sent:
            i -= 1
            self.changed.push(self.log_keys.data[i])
        self.changed.settle()
        return 0


cdef class DepthView(View):
    """One depth of one instrument; 0 means the whole book."""

    def __cinit__(self, int channel, unsigned int instrument, Ladder bids, Ladder asks, Py_ssize_t depth,
                  Py_ssize_t book_depth_max):
        self.may_wait = True
        self.depth = depth
        self.snapshot_depth = min(depth, book_depth_max) if depth else book_depth_max
        self.bids = Shown(bids, depth)
        self.asks = Shown(asks, depth)

    cdef int load(self, uint64_t seq, int64_t ts_us) except -1:
        """Begin with the book as it is: nobody was told anything yet."""
        self.seq = self.floor = seq
        self.ts_us = ts_us
        self.bids.load()
        self.asks.load()
        return 0

    cdef int publish_changes(self, Buffer news, uint64_t seq, int64_t ts_us, Outbox box) except -1:
        """Tell what a batch changed of what this view shows, if anything."""
        cdef uint64_t before = self.seq
        self.bids.gather()
        self.asks.gather()
        if not self.bids.changed.count and not self.asks.changed.count:
            return 0
        self.ts_us = ts_us
        self.seq = seq
        self.put_delta(news, before + 1)
        self.seq = before
        self.publish(news, seq, box)
        if not self.owed:
            self.floor = seq
            self.bids.log_keys.count = self.bids.log_seqs.count = 0
            self.asks.log_keys.count = self.asks.log_seqs.count = 0
            return 0
        self.bids.remember(seq)
        self.asks.remember(seq)
        if max(self.bids.log_keys.count, self.asks.log_keys.count) > CHANGES_KEPT_MAX:
            # Whoever is behind by more than this gets a gap and a snapshot.
            self.floor = seq
            self.bids.log_keys.count = self.bids.log_seqs.count = 0
            self.asks.log_keys.count = self.asks.log_seqs.count = 0
        return 0

    cdef int put_delta(self, Buffer out, uint64_t first) except -1:
        """Append the l2_delta frame, from `first` to the view's seq, of the levels that both sides have gathered."""
        cdef Py_ssize_t start = out.begin_frame()
        cdef uint8_t *to = put_array(out.reserve(64), 7)
        to = put_integer(to, T_L2_DELTA)
        to = put_integer(to, self.instrument)
        to = put_integer(to, <int64_t>first)
        to = put_integer(to, <int64_t>self.seq)
        to = put_integer(to, self.ts_us)
        out.size = to - out.data
        self.bids.ladder.put_levels(out, self.bids.changed, self.bids.depth)
        self.asks.ladder.put_levels(out, self.asks.changed, self.asks.depth)
        out.reserve(16)
        out.end_frame(start, OP_BINARY)
        return 0

    cdef int put_start(self, Buffer out) except -1:
        return put_snapshot(out, self)

    cdef int encode_missed(self, Buffer out, uint64_t sent) except -1:
        """Append one wider delta, or, where that is larger, a gap and a snapshot."""
        cdef Py_ssize_t held
        if sent >= self.floor:
            self.bids.gather_since(sent)
            self.asks.gather_since(sent)
            held = min(self.snapshot_depth, self.bids.ladder.count) + min(self.snapshot_depth, self.asks.ladder.count)
            if self.bids.changed.count + self.asks.changed.count <= held + GAP_LEVELS:
                return self.put_delta(out, sent + 1)
        put_gap(out, self, sent, 0)
        return put_snapshot(out, self)
