# cython: boundscheck=False, wraparound=False, cdivision=True
"""Event records -> msgpack on the wire, without a Python object per event. Layouts: docs/protocol.md."""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from libc.string cimport memcpy

from ext.frames cimport OP_BINARY
from ext.types cimport (
    E_ACK, E_ASSIGNED, E_BOUGHT_IN, E_CAPACITY, E_CLAIM, E_DEFAULT, E_DONE, E_ENTRY, E_EXERCISE, E_FILL, E_LAYER,
    E_LOT_STATE, E_MARGIN, E_NOTICE, E_REJECT, E_REPLACED, E_SESSION, E_SUBSTITUTE, V_BALANCE, V_BLOCK, V_CALL,
    V_DUPLICATE, V_SELL, V_TAKER,
)


cdef inline uint8_t *put_big_endian(uint8_t *to, int kind, uint64_t value, int size) noexcept nogil:
    cdef int i
    to[0] = <uint8_t>kind
    for i in range(size):
        to[1 + i] = <uint8_t>(value >> (8 * (size - 1 - i)))
    return to + 1 + size


cdef uint8_t *put_integer(uint8_t *to, int64_t value) noexcept nogil:
    """Write the shortest msgpack form; at most 9 bytes. Returns the place after it."""
    if value >= 0:
        if value < 128:
            to[0] = <uint8_t>value
            return to + 1
        if value < 256:
            return put_big_endian(to, 0xCC, value, 1)
        if value < 65536:
            return put_big_endian(to, 0xCD, value, 2)
        if value < (<int64_t>1 << 32):
            return put_big_endian(to, 0xCE, value, 4)
        return put_big_endian(to, 0xCF, value, 8)
    if value >= -32:
        to[0] = <uint8_t>(256 + value)
        return to + 1
    if value >= -128:
        return put_big_endian(to, 0xD0, <uint64_t>value, 1)
    if value >= -32768:
        return put_big_endian(to, 0xD1, <uint64_t>value, 2)
    if value >= -(<int64_t>1 << 31):
        return put_big_endian(to, 0xD2, <uint64_t>value, 4)
    return put_big_endian(to, 0xD3, <uint64_t>value, 8)


cdef int put_row(Buffer out, const int64_t *values, int count) except -1:
    """Append one frame whose message is an array of at most 16 integers."""
    cdef Py_ssize_t start
    cdef uint8_t *to
    cdef int i
    out.reserve(FRAME_BYTES_MAX)
    start = out.begin_frame()
    to = out.data + out.size
    if count < 16:
        to[0] = <uint8_t>(0x90 | count)
        to += 1
    else:
        to = put_big_endian(to, 0xDC, count, 2)
    for i in range(count):
        to = put_integer(to, values[i])
    out.size = to - out.data
    out.end_frame(start, OP_BINARY)
    return 0


cdef int put_copy(Buffer out, int64_t seq, int64_t account, const uint8_t *message, Py_ssize_t size) except -1:
    """Append the copy of a private message, which is an array itself."""
    cdef Py_ssize_t start
    cdef uint8_t *to
    out.reserve(FRAME_BYTES_MAX + size)
    start = out.begin_frame()
    to = out.data + out.size
    to[0] = 0x94
    to = put_integer(to + 1, T_COPY)
    to = put_integer(to, seq)
    to = put_integer(to, account)
    memcpy(to, message, size)
    out.size = to + size - out.data
    out.end_frame(start, OP_BINARY)
    return 0


cdef int put_refusal(Buffer out, uint64_t ref, int reason, int64_t arg, int64_t ts_us, uint64_t gseq) except -1:
    cdef int64_t[6] row = [E_REJECT, <int64_t>ref, reason, arg, ts_us, <int64_t>gseq]
    return put_row(out, row, 6)


cdef int put_response(Buffer out, uint64_t ref, int code, int64_t arg) except -1:
    """Append the answer to a request that is no order: 0 or a reason, and a number that goes with it."""
    cdef int64_t[4] row = [T_RESP, <int64_t>ref, code, arg]
    return put_row(out, row, 4)


cdef int put_batch_ack(Buffer out, uint64_t ref, int count) except -1:
    cdef int64_t[3] row = [T_BATCH_ACK, <int64_t>ref, count]
    return put_row(out, row, 3)


cdef int put_answer(Buffer out, const Event *event, uint64_t ref, int64_t ts_us, uint64_t gseq, int64_t pseq) except -1:
    """Append ack or reject."""
    if event.type == E_REJECT:
        return put_refusal(out, ref, event.reason, event.instrument, ts_us, gseq)
    cdef int64_t[7] row = [
        E_ACK, <int64_t>ref, 1 if event.flags & V_DUPLICATE else 0, <int64_t>event.oid, ts_us, <int64_t>gseq, pseq,
    ]
    return put_row(out, row, 7)


cdef int put_private(Buffer out, const Event *event, int64_t ts_us, uint64_t gseq, int64_t pseq) except -1:
    """Append fill, done, replaced, what an account hears of a delivery, or of the clearinghouse."""
    cdef int64_t oid = <int64_t>event.oid
    cdef int64_t ref = <int64_t>event.ref
    cdef int64_t side = 1 if event.flags & V_SELL else 0
    cdef int64_t taker = 1 if event.flags & V_TAKER else 0
    cdef int64_t[16] fill
    cdef int64_t[8] done
    cdef int64_t[9] replaced
    if event.type == E_FILL:
        fill = [
            E_FILL, pseq, oid, ref, <int64_t>event.match_id, event.instrument, side, event.price, event.lots,
            event.cum, event.leaves, taker, event.amount, ts_us, <int64_t>gseq, how_it_came_about(event),
        ]
        return put_row(out, fill, 16)
    if event.type == E_DONE:
        done = [E_DONE, pseq, oid, ref, event.reason, event.cum, ts_us, <int64_t>gseq]
        return put_row(out, done, 8)
    if is_of_clearing(event):
        return put_clearing(out, event, ts_us, gseq, pseq)
    if event.type != E_REPLACED:
        return put_delivery(out, event, ts_us, gseq, pseq)
    replaced = [E_REPLACED, pseq, oid, ref, event.price, event.lots, event.leaves, ts_us, <int64_t>gseq]
    return put_row(out, replaced, 9)


cdef int64_t how_it_came_about(const Event *event) noexcept:
    """The flags of a fill or trade that are told."""
    return event.flags & (V_CALL | V_BLOCK | V_BALANCE)


cdef int put_delivery(Buffer out, const Event *event, int64_t ts_us, uint64_t gseq, int64_t pseq) except -1:
    """Append what an account hears of a window's delivery: assigned, bought_in or capacity."""
    cdef int64_t provides = 1 if event.flags & V_SELL else 0
    cdef int64_t[9] assigned
    cdef int64_t[7] bought_in
    cdef int64_t[6] capacity
    if event.type == E_ASSIGNED:
        assigned = [
            E_ASSIGNED, pseq, event.instrument, provides, event.price, event.lots, event.amount, ts_us,
            <int64_t>gseq,
        ]
        return put_row(out, assigned, 9)
    if event.type == E_BOUGHT_IN:
        bought_in = [E_BOUGHT_IN, pseq, event.instrument, event.lots, event.leaves, ts_us, <int64_t>gseq]
        return put_row(out, bought_in, 7)
    capacity = [E_CAPACITY, pseq, event.instrument, event.lots, ts_us, <int64_t>gseq]
    return put_row(out, capacity, 6)


cdef bint is_of_clearing(const Event *event) noexcept:
    """Whether an event is about an account's money, margin or delivery, as the clearinghouse sees it."""
    return (
        event.type == E_ENTRY or event.type == E_MARGIN or event.type == E_LOT_STATE or event.type == E_DEFAULT
        or event.type == E_SUBSTITUTE or event.type == E_LAYER or event.type == E_CLAIM
        or event.type == E_EXERCISE
    )


cdef int put_clearing(Buffer out, const Event *event, int64_t ts_us, uint64_t gseq, int64_t pseq) except -1:
    """Append a message of the clearinghouse, entry to exercise. Moments are told in microseconds."""
    cdef int64_t provides = 1 if event.flags & V_SELL else 0
    cdef int64_t case = <int64_t>event.match_id
    cdef int64_t[9] entry
    cdef int64_t[7] short_row
    cdef int64_t[8] layer
    cdef int64_t[10] lot_state
    cdef int64_t[13] substitute
    if event.type == E_ENTRY:
        entry = [
            E_ENTRY, pseq, event.reason, event.price, event.amount, event.instrument, event.lots, ts_us,
            <int64_t>gseq,
        ]
        return put_row(out, entry, 9)
    if event.type == E_LOT_STATE:
        lot_state = [
            E_LOT_STATE, pseq, event.instrument, provides, event.price, event.lots, event.reason,
            event.amount // 1000, ts_us, <int64_t>gseq,
        ]
        return put_row(out, lot_state, 10)
    if event.type == E_SUBSTITUTE:
        substitute = [
            E_SUBSTITUTE, pseq, event.instrument, provides, event.reason, event.lots, event.cum, event.leaves,
            event.price, event.amount, case, ts_us, <int64_t>gseq,
        ]
        return put_row(out, substitute, 13)
    if event.type == E_LAYER:
        layer = [E_LAYER, pseq, case, event.price, event.cum, event.amount, ts_us, <int64_t>gseq]
        return put_row(out, layer, 8)
    if event.type == E_EXERCISE:
        layer = [E_EXERCISE, pseq, event.instrument, provides, event.lots, event.price, ts_us, <int64_t>gseq]
        return put_row(out, layer, 8)
    if event.type == E_MARGIN:
        short_row = [E_MARGIN, pseq, event.reason, event.amount, case // 1000, ts_us, <int64_t>gseq]
        return put_row(out, short_row, 7)
    if event.type == E_CLAIM:
        short_row = [E_CLAIM, pseq, case, event.price, event.amount, ts_us, <int64_t>gseq]
        return put_row(out, short_row, 7)
    short_row = [E_DEFAULT, pseq, case, event.reason, ts_us, <int64_t>gseq, 0]
    return put_row(out, short_row, 6)


cdef int put_notice(Buffer out, const Event *event, int64_t ts_us) except -1:
    """Append a notice: what it is about, and the quote set or the lane."""
    cdef int64_t[4] row = [E_NOTICE, DEADMAN_FIRED if event.type == E_SESSION else event.reason, event.lane, ts_us]
    return put_row(out, row, 4)


cdef int put_throttle(Buffer out, int64_t ts_us) except -1:
    """Append the notice that little is left of the rate."""
    cdef int64_t[4] row = [E_NOTICE, THROTTLE, 0, ts_us]
    return put_row(out, row, 4)


cdef bint is_private(const Event *event) noexcept:
    """Whether an event is told to all sessions of an account, with its `pseq`."""
    return (
        event.type == E_FILL or event.type == E_DONE or event.type == E_REPLACED or event.type == E_ASSIGNED
        or event.type == E_BOUGHT_IN or event.type == E_CAPACITY or (is_of_clearing(event) and event.account != 0)
    )


# For tests and tools: the same functions on Python bytes.

def encode_event(record, int64_t ts_us, uint64_t gseq, int64_t pseq):
    """Return the frame of one event record that is for an account: an answer, a private message or a notice."""
    cdef Py_buffer view
    cdef Buffer out = Buffer()
    cdef const Event *event
    PyObject_GetBuffer(record, &view, PyBUF_SIMPLE)
    try:
        if view.len != sizeof(Event):
            raise ValueError(f"an event record must have {sizeof(Event)} bytes, was {view.len}")
        event = <const Event *>view.buf
        if event.type == E_ACK or event.type == E_REJECT:
            put_answer(out, event, event.ref, ts_us, gseq, pseq)
        elif is_private(event):
            put_private(out, event, ts_us, gseq, pseq)
        elif event.type == E_NOTICE:
            put_notice(out, event, ts_us)
        else:
            raise ValueError(
                f"event type must be 33, 34, 35, 37, 38, 41, 110, 111, 112, 114 to 119 or 122, and of an account, "
                f"was {event.type}"
            )
    finally:
        PyBuffer_Release(&view)
    return out.take()
