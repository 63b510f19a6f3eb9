# cython: boundscheck=False, wraparound=False, cdivision=True
"""The orders of the books one by one, as far as the public may see them (docs/spec/marketdata.md, MKD-040 to MKD-044).

Put together from the private events alone, which say all there is to say: what an order shows at first and later
(ACK has the lots an iceberg shows at a time), what was taken of it, where it went. So the core spends nothing on it,
and a replay of the journal makes the same messages. O(1) an event; a snapshot O(n log n) in the instrument's orders.
"""

from libc.stdlib cimport free, malloc, qsort, realloc
from libc.string cimport memset

from ext.depth cimport put_array
from ext.encoder cimport T_L3, T_L3_SNAP, put_integer
from ext.frames cimport OP_BINARY
from ext.types cimport E_ACK, E_DONE, E_FILL, E_REPLACED, NIL, SELL, SLOT_MASK, V_BLOCK, V_DUPLICATE, V_SELL, V_TAKER
from ext.views cimport put_gap

cdef enum:
    INTEGER_BYTES = 9           # At most.


cdef class OrderRows:
    """The orders of all instruments, by the slots of their handles, which no two that are alive share."""

    def __dealloc__(self):
        free(self.rows)
        free(self.entering)

    cdef Row *find(self, uint64_t oid) noexcept:
        """The row of an order that is alive, or NULL: it is of no book (a block, the clearinghouse), or it is over."""
        cdef uint32_t slot = <uint32_t>(oid & SLOT_MASK)
        if oid == 0 or slot >= self.capacity or self.rows[slot].oid != oid:
            return NULL
        return &self.rows[slot]

    cdef Row *place(self, uint64_t oid) except NULL:
        """The row of a new order. Amortised O(1)."""
        cdef uint32_t slot = <uint32_t>(oid & SLOT_MASK)
        cdef uint32_t wanted = max(slot + 1, 2 * self.capacity, 64)
        cdef Row *grown
        if slot >= self.capacity:
            grown = <Row *>realloc(self.rows, wanted * sizeof(Row))
            if grown == NULL:
                raise MemoryError(f"no memory for {wanted} orders")
            memset(grown + self.capacity, 0, (wanted - self.capacity) * sizeof(Row))
            self.rows = grown
            self.capacity = wanted
        return &self.rows[slot]

    cdef int enter(self, uint32_t slot) except -1:
        """Note an order that the present command works, and that may rest at its end."""
        cdef uint32_t *grown
        if self.entering_count == self.entering_max:
            grown = <uint32_t *>realloc(self.entering, (2 * self.entering_max + 16) * sizeof(uint32_t))
            if grown == NULL:
                raise MemoryError("no memory for orders")
            self.entering = grown
            self.entering_max = 2 * self.entering_max + 16
        self.entering[self.entering_count] = slot
        self.entering_count += 1
        return 0


cdef class OrderBoard:
    """The orders of one instrument, in the order in which they came to rest: at one price that is their priority."""

    def __cinit__(self, OrderRows orders not None, uint32_t instrument):
        self.orders = orders
        self.instrument = instrument
        self.head = self.tail = NIL
        self.ops = Buffer()
        self.full = Buffer()

    cdef OrderView open_view(self, int channel):
        """Return the view of the messages, made for the first one who listens."""
        self.view = OrderView(channel, self.instrument)
        self.view.board = self
        self.view.seq = self.seq
        return self.view

    # What happens.

    cdef int take(self, const Event *event, uint64_t gseq) except -1:
        """Act on an ACK, FILL, DONE or REPLACED of an order in this instrument."""
        cdef uint32_t slot = <uint32_t>(event.oid & SLOT_MASK)
        cdef Row *row
        if event.type == E_ACK:
            if event.leaves == 0 or event.flags & (V_BLOCK | V_DUPLICATE):
                return 0                            # Of a command that places no order in a book.
            row = self.orders.place(event.oid)
            row.oid = event.oid
            row.number = gseq
            row.instrument = self.instrument
            row.side = 1 if event.flags & V_SELL else 0
            row.price = event.price
            row.leaves = event.leaves
            row.display = event.cum
            row.shown = 0
            row.rests = 0
            return self.orders.enter(slot)
        row = self.orders.find(event.oid)
        if row == NULL:
            return 0
        if event.type == E_FILL:
            return self.fill(row, slot, event)
        if event.type == E_REPLACED:
            return self.replace(row, slot, event)
        if event.type == E_DONE:
            if row.rests:
                self.note(OP_DELETE, row, 0)
            return self.leave(row, slot)
        return 0

    cdef int settle(self, Row *row, uint32_t slot) except -1:
        """What is left of an order comes to rest, at the back of its price."""
        row.shown = min(row.display, row.leaves) if row.display else row.leaves
        row.rests = 1
        self.append(row, slot)
        return self.note(OP_ADD, row, row.shown)

    cdef int fill(self, Row *row, uint32_t slot, const Event *event) except -1:
        if not row.rests:
            if event.flags & V_TAKER:
                row.leaves = event.leaves
                return 0 if row.leaves else self.leave(row, slot)
            self.settle(row, slot)                  # It rested before the same command's blocks took of it.
        row.leaves = event.leaves
        row.shown -= event.lots
        self.note(OP_EXEC, row, event.lots)
        if row.leaves == 0:
            return self.leave(row, slot)
        if row.shown == 0:                          # The next part of an iceberg, at the back.
            self.unlink(row)
            return self.settle(row, slot)
        return 0

    cdef int replace(self, Row *row, uint32_t slot, const Event *event) except -1:
        cdef int32_t shown
        if row.rests and event.price == row.price and event.leaves <= row.leaves:
            row.leaves = event.leaves               # It keeps its place.
            shown = min(row.shown, row.leaves)
            if shown != row.shown:
                row.shown = shown
                return self.note(OP_CHANGE, row, shown)
            return 0
        if row.rests:
            self.note(OP_DELETE, row, 0)
            self.unlink(row)
            row.rests = 0
            self.orders.enter(slot)
        row.price = event.price
        row.leaves = event.leaves
        return 0

    cdef int leave(self, Row *row, uint32_t slot) except -1:
        """The order is over."""
        if row.rests:
            self.unlink(row)
        row.oid = 0
        return 0

    cdef void append(self, Row *row, uint32_t slot) noexcept:
        row.previous = self.tail
        row.next = NIL
        if self.tail != NIL:
            self.orders.rows[self.tail].next = slot
        else:
            self.head = slot
        self.tail = slot
        self.count += 1

    cdef void unlink(self, Row *row) noexcept:
        if row.previous != NIL:
            self.orders.rows[row.previous].next = row.next
        else:
            self.head = row.next
        if row.next != NIL:
            self.orders.rows[row.next].previous = row.previous
        else:
            self.tail = row.previous
        self.count -= 1

    # What is told.

    cdef int note(self, int op, const Row *row, int32_t lots) except -1:
        """Add an operation to the present message; without a listener it is only counted."""
        cdef uint8_t *to
        if self.ops_count == L3_CHANGES_MAX:
            self.end_message()
        self.ops_count += 1
        if self.view is None or not self.view.followers:
            return 0
        to = put_array(self.ops.reserve(5 + 5 * INTEGER_BYTES), 5)
        to = put_integer(to, op)
        to = put_integer(to, <int64_t>row.number)
        to = put_integer(to, row.side)
        to = put_integer(to, row.price)
        to = put_integer(to, lots)
        self.ops.size = to - self.ops.data
        return 0

    cdef int end_message(self) except -1:
        """The present message has all its operations."""
        cdef Py_ssize_t start
        cdef uint8_t *to
        self.seq += 1
        if self.ops.size:
            start = self.full.begin_frame()
            to = put_array(self.full.reserve(10 + 4 * INTEGER_BYTES + self.ops.size), 5)
            to = put_integer(to, T_L3)
            to = put_integer(to, self.instrument)
            to = put_integer(to, <int64_t>self.seq)
            to = put_integer(to, self.ts_us)
            to = put_array(to, self.ops_count)
            self.full.size = to - self.full.data
            self.full.append(self.ops.data, self.ops.size)
            self.full.reserve(16)
            self.full.end_frame(start, OP_BINARY)
            self.ops.size = 0
        self.ops_count = 0
        return 0

    cdef int publish(self, Outbox box) except -1:
        """Queue what the batch has done to the orders."""
        if self.ops_count == 0:
            return 0
        self.end_message()
        if self.full.size:
            return self.view.publish(self.full, self.seq, box)
        if self.view is not None:
            self.view.seq = self.seq
        return 0

    cdef int put_snapshot(self, Buffer out, list messages) except -1:
        """Append the l3_snap messages: as frames to `out`, or, where there is a list, to that without frames.

        The best L3_SNAPSHOT_ORDERS_MAX of each side; how many there are beyond is said.
        """
        cdef Ranked *ranked = <Ranked *>malloc(max(self.count, 1) * sizeof(Ranked))
        cdef Py_ssize_t kept, at = 0, size
        if ranked == NULL:
            raise MemoryError(f"no memory for a snapshot of {self.count} orders")
        try:
            kept = self.rank(ranked)
            while True:
                size = min(kept - at, L3_PART_ORDERS)
                self.put_part(out, messages, ranked + at, size, kept - at - size > 0, self.count - kept)
                at += size
                if at == kept:
                    break
        finally:
            free(ranked)
        return 0

    cdef Py_ssize_t rank(self, Ranked *ranked) except -1:
        """Bids, the best first, then asks, as they would trade; returns how many of them are told."""
        cdef Py_ssize_t count = 0, bids = 0, bids_kept, asks_kept, at
        cdef uint32_t slot = self.head
        cdef const Row *row
        while slot != NIL:
            row = &self.orders.rows[slot]
            ranked[count].side = row.side
            ranked[count].eagerness = -row.price if row.side == SELL else row.price
            ranked[count].place = count
            ranked[count].slot = slot
            bids += row.side != SELL
            count += 1
            slot = row.next
        qsort(ranked, count, sizeof(Ranked), compare)
        bids_kept = min(bids, L3_SNAPSHOT_ORDERS_MAX)
        asks_kept = min(count - bids, L3_SNAPSHOT_ORDERS_MAX)
        if bids_kept < bids:
            for at in range(asks_kept):
                ranked[bids_kept + at] = ranked[bids + at]
        return bids_kept + asks_kept

    cdef int put_part(self, Buffer out, list messages, const Ranked *ranked, Py_ssize_t count, bint more,
                      Py_ssize_t untold) except -1:
        cdef Buffer into = out if messages is None else Buffer()
        cdef Py_ssize_t start = into.begin_frame() if messages is None else 0
        cdef uint8_t *to = put_array(into.reserve(10 + 6 * INTEGER_BYTES + count * (1 + 4 * INTEGER_BYTES)), 7)
        cdef const Row *row
        cdef Py_ssize_t at
        to = put_integer(to, T_L3_SNAP)
        to = put_integer(to, self.instrument)
        to = put_integer(to, <int64_t>self.seq)
        to = put_integer(to, self.ts_us)
        to = put_integer(to, more)
        to = put_integer(to, untold)
        to = put_array(to, count)
        for at in range(count):
            row = &self.orders.rows[ranked[at].slot]
            to = put_array(to, 4)
            to = put_integer(to, <int64_t>row.number)
            to = put_integer(to, row.side)
            to = put_integer(to, row.price)
            to = put_integer(to, row.shown)
        into.size = to - into.data
        if messages is None:
            into.reserve(16)
            into.end_frame(start, OP_BINARY)
        else:
            messages.append(into.take())
        return 0


cdef int compare(const void *one, const void *other) noexcept nogil:
    cdef const Ranked *a = <const Ranked *>one
    cdef const Ranked *b = <const Ranked *>other
    if a.side != b.side:
        return -1 if a.side < b.side else 1
    if a.eagerness != b.eagerness:
        return -1 if a.eagerness > b.eagerness else 1
    return -1 if a.place < b.place else 1


cdef class OrderView(GapView):
    """The messages about the orders of one instrument."""

    cdef int put_start(self, Buffer out) except -1:
        return self.board.put_snapshot(out, None)

    cdef int encode_missed(self, Buffer out, uint64_t sent) except -1:
        put_gap(out, self, sent, 0)
        return self.board.put_snapshot(out, None)
