"""msgpack on the wire -> command records, without a Python object per order. Layouts: docs/protocol.md."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t

from ext.types cimport Command


cdef enum:                      # Message types that are not also record types.
    T_BATCH = 20

cdef enum:                      # Verdicts of `decode`. Above zero: a reject reason.
    TAKEN = 0
    OTHER = -1                  # Not an order message: for the session.
    BROKEN = -2                 # Not a message at all: the connection is closed.

cdef enum:                      # The reject reasons the gateway itself gives.
    X_MALFORMED = 100
    X_UNKNOWN_TYPE = 101
    X_SCOPE = 111
    X_RATE = 120
    X_OVERLOAD = 121
    X_STALE_REF = 240

cdef enum:                      # Flags of the wire's place and block.
    W_PLACE_FLAGS = 119         # Post-only, reduce-only, cancel-on-disconnect, physical, standby, firm.
    W_BLOCK_FLAGS = 20          # Cancel-on-disconnect, physical.
    W_KEEP_PRIORITY = 1         # Of a replace.

cdef enum:
    OPERATIONS_MAX = 64         # Of a batch, and legs of a quote.
    VALUE_MAX = 1 << 30         # The core's highest price and quantity.
    FABRIC_BITS = 64            # Of a block's scope.

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


cdef int64_t big_endian(const uint8_t *data, int size) noexcept nogil


cdef class CommandBuffer:
    cdef Command *records
    cdef Py_ssize_t count
    cdef Py_ssize_t capacity

    cdef Command *add(self, Intake *intake, int type) except NULL
    cdef bytes copy(self, Py_ssize_t first, Py_ssize_t count)


cdef int decode(const uint8_t *data, Py_ssize_t size, Intake *intake, CommandBuffer commands) except? -3
