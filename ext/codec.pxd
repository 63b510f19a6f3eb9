"""msgpack on the wire <-> records, without a Python object per order. Layouts: docs/protocol.md."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t

from ext.frames cimport Buffer
from ext.types cimport Command, Event


cdef enum:                      # Message types that are not also record types.
    T_BATCH = 20
    T_BATCH_ACK = 36
    T_L1 = 96
    T_L2_SNAP = 98
    T_L2_DELTA = 99

cdef enum:                      # Verdicts of `decode`. Above zero: a reject reason.
    TAKEN = 0
    OTHER = -1                  # Not an order message: for the session.
    BROKEN = -2                 # Not a message at all: the connection is closed.

cdef enum:                      # The reject reasons the gateway itself gives.
    X_MALFORMED = 100
    X_UNKNOWN_TYPE = 101
    X_RATE = 120
    X_OVERLOAD = 121
    X_STALE_REF = 240

cdef enum:                      # Flags of the wire's place and block.
    W_PLACE_FLAGS = 55          # Post-only, reduce-only, cancel-on-disconnect, physical, standby.
    W_BLOCK_FLAGS = 20          # Cancel-on-disconnect, physical.
    W_KEEP_PRIORITY = 1         # Of a replace.

cdef enum:
    OPERATIONS_MAX = 64         # Of a batch, and legs of a quote.
    VALUE_MAX = 1 << 30         # The core's highest price and quantity.
    FABRIC_BITS = 64            # Of a block's scope.
    FRAME_BYTES_MAX = 160       # More than any event's frame; docs/protocol.md counts 16 integers at most.

cdef int64_t INTEGER_MAX        # 2^53 - 1: exact in JavaScript too.
cdef uint64_t EVERY_FABRIC      # A block's scope of all fabrics of its product.


cdef struct Reader:
    const uint8_t *at
    const uint8_t *end


cdef struct Intake:
    # Who sends, filled in by the caller.
    uint32_t account
    uint8_t lane
    int64_t wall_us             # The clock that `deadline_ts` is compared with.
    # What was read.
    uint64_t ref
    uint64_t last_ref           # Highest ref of a message's commands.
    int32_t batch               # Operations of a batch, 0 for a single command.
    bint is_quote
    int64_t arg                 # Goes with a reject.
    int64_t order_cost          # Quarters of an order.
    int64_t cancel_cost


cdef class CommandBuffer:
    cdef Command *records
    cdef Py_ssize_t count
    cdef Py_ssize_t capacity

    cdef Command *add(self, Intake *intake, int type) except NULL
    cdef bytes copy(self, Py_ssize_t first, Py_ssize_t count)


cdef int decode(const uint8_t *data, Py_ssize_t size, Intake *intake, CommandBuffer commands) except? -3

cdef uint8_t *put_integer(uint8_t *to, int64_t value) noexcept nogil
cdef int put_answer(Buffer out, const Event *event, uint64_t ref, int64_t ts_us, uint64_t gseq, int64_t pseq) except -1
cdef int put_refusal(Buffer out, uint64_t ref, int reason, int64_t arg, int64_t ts_us, uint64_t gseq) except -1
cdef int put_batch_ack(Buffer out, uint64_t ref, int count) except -1
cdef int put_private(Buffer out, const Event *event, int64_t ts_us, uint64_t gseq, int64_t pseq) except -1
cdef int put_row(Buffer out, const int64_t *values, int count) except -1
cdef int put_notice(Buffer out, const Event *event, int64_t ts_us) except -1
cdef bint is_private(const Event *event) noexcept
cdef int64_t how_it_came_about(const Event *event) noexcept
