"""The orders of the books one by one, as far as the public may see them."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from ext.frames cimport Buffer
from ext.types cimport Event
from ext.views cimport GapView, Outbox


cdef enum:
    L3_CHANGES_MAX = 1000       # Of one message.
    L3_SNAPSHOT_ORDERS_MAX = 20000  # Of one side that a snapshot tells, the best first,
    L3_PART_ORDERS = 1000       # in messages of so many.

cdef enum:                      # What can happen to an order that is seen.
    OP_ADD = 0
    OP_CHANGE = 1
    OP_DELETE = 2
    OP_EXEC = 3


cdef struct Row:                # 56 bytes: one order that is alive.
    uint64_t oid                # 0: none is here.
    uint64_t number             # The gseq of the command that placed it: what the public knows it by.
    uint32_t previous           # In its instrument, in the order in which they came to rest.
    uint32_t next
    uint32_t instrument
    int32_t price
    int32_t leaves
    int32_t shown
    int32_t display             # Lots an iceberg shows at a time; 0: all of them.
    uint8_t side
    uint8_t rests               # In its book; else it is being worked by the present command.
    uint16_t unused


cdef struct Ranked:             # An order of a snapshot.
    uint32_t slot
    uint32_t place              # In the order in which they came to rest.
    int32_t eagerness
    uint32_t side


cdef class OrderRows:
    """The orders of all instruments, by the slots of their handles."""

    cdef Row *rows
    cdef uint32_t capacity
    cdef uint32_t *entering     # Slots of the orders of the present command that may come to rest.
    cdef uint32_t entering_count
    cdef uint32_t entering_max

    cdef Row *find(self, uint64_t oid) noexcept
    cdef Row *place(self, uint64_t oid) except NULL
    cdef int enter(self, uint32_t slot) except -1


cdef class OrderBoard:
    """The orders of one instrument."""

    cdef OrderRows orders
    cdef readonly uint32_t instrument
    cdef uint32_t head          # The order that came to rest first.
    cdef uint32_t tail
    cdef readonly Py_ssize_t count
    cdef Buffer ops             # Of the message being put together; empty while nobody listens,
    cdef Py_ssize_t ops_count   # but counted, so that numbers do not depend on who does.
    cdef Buffer full            # Messages of this batch that have all the operations they may have.
    cdef OrderView view         # None: nobody has ever listened.
    cdef readonly uint64_t seq  # Of the last message.
    cdef int64_t ts_us

    cdef OrderView open_view(self, int channel)
    cdef int take(self, const Event *event, uint64_t gseq) except -1
    cdef int settle(self, Row *row, uint32_t slot) except -1
    cdef int publish(self, Outbox box) except -1

    cdef int fill(self, Row *row, uint32_t slot, const Event *event) except -1
    cdef int replace(self, Row *row, uint32_t slot, const Event *event) except -1
    cdef int leave(self, Row *row, uint32_t slot) except -1
    cdef int note(self, int op, const Row *row, int32_t lots) except -1
    cdef int end_message(self) except -1
    cdef void append(self, Row *row, uint32_t slot) noexcept
    cdef void unlink(self, Row *row) noexcept
    cdef int put_snapshot(self, Buffer out, list messages) except -1
    cdef Py_ssize_t rank(self, Ranked *ranked) except -1
    cdef int put_part(self, Buffer out, list messages, const Ranked *ranked, Py_ssize_t count, bint more,
                      Py_ssize_t untold) except -1


cdef class OrderView(GapView):
    """The messages about the orders of one instrument: who missed some gets a gap and a snapshot."""

    cdef OrderBoard board


cdef int compare(const void *one, const void *other) noexcept nogil
