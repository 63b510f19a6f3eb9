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


cdef struct Board:              # The orders of one instrument.
    uint32_t head               # The one that came to rest first.
    uint32_t tail
    uint32_t count
    uint32_t changes            # Of the present message.
    uint64_t seq                # Of the last message.
    uint8_t is_heard            # Else changes are only counted, so that numbers do not depend on who listens.


cdef class OrderRows:
    """The orders of all instruments, by the slots of their handles, which no two that are alive share."""

    cdef Row *rows
    cdef uint32_t capacity
    cdef Board *boards          # By instrument.
    cdef list objects           # The OrderBoard of each.
    cdef uint32_t count         # How many there are.
    cdef uint32_t *entering     # Slots of the orders of the present command that may come to rest.
    cdef uint32_t entering_count
    cdef uint32_t entering_max

    cdef int open(self, OrderBoard board) except -1
    cdef int take(self, const Event *event, uint64_t gseq) except -1
    cdef int settle(self) except -1

    cdef int enter(self, const Event *event, uint64_t gseq) except -1
    cdef int keep_entering(self, uint32_t slot) except -1
    cdef int rest(self, Row *row, uint32_t slot) except -1
    cdef int fill(self, Row *row, uint32_t slot, const Event *event) except -1
    cdef int replace(self, Row *row, uint32_t slot, const Event *event) except -1
    cdef int note(self, int op, const Row *row, int32_t lots) except -1


cdef class OrderBoard:
    """What is told of the orders of one instrument."""

    cdef OrderRows orders
    cdef readonly uint32_t instrument
    cdef Buffer changes         # Of the message being put together.
    cdef Buffer full            # Messages of this batch that have all the changes they may have.
    cdef OrderView view         # None: nobody has ever listened.
    cdef int64_t ts_us

    cdef uint64_t seq(self) noexcept
    cdef OrderView open_view(self, int channel)
    cdef int note_followers(self) except -1
    cdef int put_change(self, int op, const Row *row, int32_t lots) except -1
    cdef int end_message(self) except -1
    cdef int publish(self, Outbox box) except -1
    cdef int put_snapshot(self, Buffer out, list messages) except -1
    cdef Py_ssize_t rank(self, Ranked *ranked) except -1
    cdef int put_part(self, Buffer out, list messages, const Ranked *ranked, Py_ssize_t count, bint more,
                      Py_ssize_t untold) except -1


cdef class OrderView(GapView):
    """The messages about the orders of one instrument: who missed some gets a gap and a snapshot."""

    cdef OrderBoard board


cdef int compare(const void *one, const void *other) noexcept nogil
