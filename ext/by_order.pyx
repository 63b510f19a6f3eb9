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
from ext.types cimport E_ACK, E_FILL, E_REPLACED, NIL, SELL, SLOT_MASK, V_BLOCK, V_DUPLICATE, V_SELL, V_TAKER
from ext.views cimport put_gap

cdef enum:
    INTEGER_BYTES = 9           # At most.


cdef inline void append(Row *rows, Board *board, Row *row, uint32_t slot) noexcept nogil:
    """The order stands behind all others: at one price that is their priority."""
    row.previous = board.tail
    row.next = NIL
    if board.tail != NIL:
        rows[board.tail].next = slot
    else:
        board.head = slot
    board.tail = slot
    board.count += 1


cdef inline void unlink(Row *rows, Board *board, const Row *row) noexcept nogil:
    if row.previous != NIL:
        rows[row.previous].next = row.next
    else:
        board.head = row.next
    if row.next != NIL:
        rows[row.next].previous = row.previous
    else:
        board.tail = row.previous
    board.count -= 1


cdef class OrderRows:
    """The orders of all instruments, by the slots of their handles, which no two that are alive share."""

    def __cinit__(self):
        self.objects = []

    def __dealloc__(self):
        free(self.rows)
        free(self.boards)
        free(self.entering)

    cdef int open(self, OrderBoard board) except -1:
        """Make room for an instrument's orders; each has the next number."""
        cdef uint32_t count = self.count
        cdef Board *grown
        while count <= board.instrument:
            if count & (count - 1) == 0:            # A power of two is full.
                grown = <Board *>realloc(self.boards, max(2 * count, 1) * sizeof(Board))
                if grown == NULL:
                    raise MemoryError(f"no memory for {count + 1} instruments")
                self.boards = grown
            memset(&self.boards[count], 0, sizeof(Board))
            self.boards[count].head = self.boards[count].tail = NIL
            self.objects.append(None)
            count += 1
        self.count = count
        self.objects[board.instrument] = board
        return 0

    cdef int take(self, const Event *event, uint64_t gseq) except -1:
        """Act on an ACK, FILL, DONE or REPLACED. O(1)."""
        cdef uint32_t slot = <uint32_t>(event.oid & SLOT_MASK)
        cdef Row *row
        if event.type == E_ACK:
            if event.leaves == 0 or event.flags & (V_BLOCK | V_DUPLICATE):
                return 0                            # Of a command that places no order in a book.
            return self.enter(event, gseq)
        if event.oid == 0 or slot >= self.capacity or self.rows[slot].oid != event.oid:
            return 0                                # Of no book: a block, the clearinghouse.
        row = &self.rows[slot]
        if event.type == E_FILL:
            return self.fill(row, slot, event)
        if event.type == E_REPLACED:
            return self.replace(row, slot, event)
        row.oid = 0
        if row.rests:
            unlink(self.rows, &self.boards[row.instrument], row)
            return self.note(OP_DELETE, row, 0)
        return 0

    cdef int enter(self, const Event *event, uint64_t gseq) except -1:
        """A new order, which the present command works. Amortised O(1)."""
        cdef uint32_t slot = <uint32_t>(event.oid & SLOT_MASK), wanted
        cdef Row *row
        if slot >= self.capacity:
            wanted = max(slot + 1, 2 * self.capacity, 64)
            row = <Row *>realloc(self.rows, wanted * sizeof(Row))
            if row == NULL:
                raise MemoryError(f"no memory for {wanted} orders")
            memset(row + self.capacity, 0, (wanted - self.capacity) * sizeof(Row))
            self.rows = row
            self.capacity = wanted
        row = &self.rows[slot]
        row.oid = event.oid
        row.number = gseq
        row.instrument = event.instrument
        row.side = 1 if event.flags & V_SELL else 0
        row.price = event.price
        row.leaves = event.leaves
        row.display = event.cum
        row.rests = 0
        return self.keep_entering(slot)

    cdef int keep_entering(self, uint32_t slot) except -1:
        """Note an order that may rest when the present command is over."""
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

    cdef int settle(self) except -1:
        """The command is over: what it has worked and not ended rests."""
        cdef uint32_t i
        cdef Row *row
        for i in range(self.entering_count):
            row = &self.rows[self.entering[i]]
            if row.oid and not row.rests:
                self.rest(row, self.entering[i])
        self.entering_count = 0
        return 0

    cdef int rest(self, Row *row, uint32_t slot) except -1:
        """What is left of an order comes to rest, at the back of its price."""
        row.shown = min(row.display, row.leaves) if row.display else row.leaves
        row.rests = 1
        append(self.rows, &self.boards[row.instrument], row, slot)
        return self.note(OP_ADD, row, row.shown)

    cdef int fill(self, Row *row, uint32_t slot, const Event *event) except -1:
        if not row.rests:
            if event.flags & V_TAKER:
                row.leaves = event.leaves
                if row.leaves == 0:
                    row.oid = 0
                return 0
            self.rest(row, slot)                    # It rested before the same command's blocks took of it.
        row.leaves = event.leaves
        row.shown -= event.lots
        self.note(OP_EXEC, row, event.lots)
        if row.leaves == 0:
            row.oid = 0
            unlink(self.rows, &self.boards[row.instrument], row)
        elif row.shown == 0:                        # The next part of an iceberg, at the back.
            unlink(self.rows, &self.boards[row.instrument], row)
            return self.rest(row, slot)
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
            unlink(self.rows, &self.boards[row.instrument], row)
            row.rests = 0
            self.keep_entering(slot)
        row.price = event.price
        row.leaves = event.leaves
        return 0

    cdef int note(self, int op, const Row *row, int32_t lots) except -1:
        """Count a change; where somebody listens, write it down."""
        cdef Board *board = &self.boards[row.instrument]
        if board.changes == L3_CHANGES_MAX:
            (<OrderBoard>self.objects[row.instrument]).end_message()
        board.changes += 1
        if board.is_heard:
            return (<OrderBoard>self.objects[row.instrument]).put_change(op, row, lots)
        return 0


cdef class OrderBoard:
    """What is told of the orders of one instrument."""

    def __cinit__(self, OrderRows orders not None, uint32_t instrument):
        self.orders = orders
        self.instrument = instrument
        self.changes = Buffer()
        self.full = Buffer()
        orders.open(self)

    cdef uint64_t seq(self) noexcept:
        """Number of the last message."""
        return self.orders.boards[self.instrument].seq

    cdef OrderView open_view(self, int channel):
        """Return the view of the messages, made for the first one who listens."""
        self.view = OrderView(channel, self.instrument)
        self.view.board = self
        self.view.seq = self.seq()
        return self.view

    cdef int note_followers(self) except -1:
        """See whether anybody listens: asked whenever that may have changed."""
        self.orders.boards[self.instrument].is_heard = self.view is not None and len(self.view.followers) > 0
        return 0

    cdef int put_change(self, int op, const Row *row, int32_t lots) except -1:
        """Append a change to the message being put together."""
        cdef uint8_t *to = put_array(self.changes.reserve(5 + 5 * INTEGER_BYTES), 5)
        to = put_integer(to, op)
        to = put_integer(to, <int64_t>row.number)
        to = put_integer(to, row.side)
        to = put_integer(to, row.price)
        to = put_integer(to, lots)
        self.changes.size = to - self.changes.data
        return 0

    cdef int end_message(self) except -1:
        """The present message has all its changes."""
        cdef Board *board = &self.orders.boards[self.instrument]
        cdef Py_ssize_t start
        cdef uint8_t *to
        board.seq += 1
        if self.changes.size:
            start = self.full.begin_frame()
            to = put_array(self.full.reserve(10 + 4 * INTEGER_BYTES + self.changes.size), 5)
            to = put_integer(to, T_L3)
            to = put_integer(to, self.instrument)
            to = put_integer(to, <int64_t>board.seq)
            to = put_integer(to, self.ts_us)
            to = put_array(to, board.changes)
            self.full.size = to - self.full.data
            self.full.append(self.changes.data, self.changes.size)
            self.full.reserve(16)
            self.full.end_frame(start, OP_BINARY)
            self.changes.size = 0
        board.changes = 0
        return 0

    cdef int publish(self, Outbox box) except -1:
        """Queue what the batch has done to the orders."""
        if self.orders.boards[self.instrument].changes == 0:
            return 0
        self.end_message()
        if self.full.size:
            return self.view.publish(self.full, self.seq(), box)
        if self.view is not None:
            self.view.seq = self.seq()
        return 0

    cdef int put_snapshot(self, Buffer out, list messages) except -1:
        """Append the l3_snap messages: as frames to `out`, or, where there is a list, to that without frames.

        The best L3_SNAPSHOT_ORDERS_MAX of each side; how many there are beyond is said.
        """
        cdef Py_ssize_t orders = self.orders.boards[self.instrument].count
        cdef Ranked *ranked = <Ranked *>malloc(max(orders, 1) * sizeof(Ranked))
        cdef Py_ssize_t kept, at = 0, size
        if ranked == NULL:
            raise MemoryError(f"no memory for a snapshot of {orders} orders")
        try:
            kept = self.rank(ranked)
            while True:
                size = min(kept - at, L3_PART_ORDERS)
                self.put_part(out, messages, ranked + at, size, kept - at - size > 0, orders - kept)
                at += size
                if at == kept:
                    break
        finally:
            free(ranked)
        return 0

    cdef Py_ssize_t rank(self, Ranked *ranked) except -1:
        """Bids, the best first, then asks, as they would trade; returns how many of them are told."""
        cdef Py_ssize_t count = 0, bids = 0, bids_kept, asks_kept, at
        cdef uint32_t slot = self.orders.boards[self.instrument].head
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
        to = put_integer(to, <int64_t>self.seq())
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
