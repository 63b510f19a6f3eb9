"""Event records -> msgpack on the wire, without a Python object per event. Layouts: docs/protocol.md."""

from libc.stdint cimport int64_t, uint8_t, uint64_t

from ext.frames cimport Buffer
from ext.types cimport Event


cdef enum:                      # Message types that are not also record types.
    T_BATCH_ACK = 36
    T_RESP = 66
    T_L1 = 96
    T_L2_SNAP = 98
    T_L2_DELTA = 99
    T_L3 = 100
    T_CANDLE = 102
    T_GAP = 105
    T_L3_SNAP = 109
    T_COPY = 125

cdef enum:                      # Kinds of notices (exchange/records.py).
    THROTTLE = 1
    DEADMAN_FIRED = 4

cdef enum:
    FRAME_BYTES_MAX = 160       # More than any event's frame; docs/protocol.md counts 16 integers at most.


cdef uint8_t *put_integer(uint8_t *to, int64_t value) noexcept nogil
cdef int put_answer(Buffer out, const Event *event, uint64_t ref, int64_t ts_us, uint64_t gseq, int64_t pseq) except -1
cdef int put_refusal(Buffer out, uint64_t ref, int reason, int64_t arg, int64_t ts_us, uint64_t gseq) except -1
cdef int put_response(Buffer out, uint64_t ref, int code, int64_t arg) except -1
cdef int put_batch_ack(Buffer out, uint64_t ref, int count) except -1
cdef int put_private(Buffer out, const Event *event, int64_t ts_us, uint64_t gseq, int64_t pseq) except -1
cdef int put_row(Buffer out, const int64_t *values, int count) except -1
cdef int put_copy(Buffer out, int64_t seq, int64_t account, const uint8_t *message, Py_ssize_t size) except -1
cdef int put_notice(Buffer out, const Event *event, int64_t ts_us) except -1
cdef int put_throttle(Buffer out, int64_t ts_us) except -1
cdef bint is_private(const Event *event) noexcept
cdef int64_t how_it_came_about(const Event *event) noexcept
