"""WebSocket frames (RFC 6455): a server's parser and the growable buffer replies are written into."""

from libc.stdint cimport int64_t, uint8_t, uint64_t


cdef enum:                      # Opcodes.
    OP_CONTINUATION = 0
    OP_TEXT = 1
    OP_BINARY = 2
    OP_CLOSE = 8
    OP_PING = 9
    OP_PONG = 10

cdef enum:                      # States of a connection's parser.
    S_OPEN = 0
    S_CLOSING = 1               # Our close frame is on its way; only the peer's close frame still counts.
    S_CLOSED = 2                # Nothing the peer sends is looked at any more.

cdef enum:
    FRAGMENTS_MAX = 16
    MESSAGE_BYTES_MAX = 65536
    CONTROL_BYTES_MAX = 125
    FRAMES_PER_TURN_MAX = 256   # Of one connection; what else was read waits for the loop's next turn.
    OUT_BYTES_PER_TURN_MAX = 262144  # Replies of one turn; the message that goes beyond it is the turn's last.
    BUFFER_KEPT_BYTES_MAX = 65536   # A larger buffer is given back once it is empty.


cdef class Buffer:
    """Bytes that grow at the end."""

    cdef uint8_t *data
    cdef Py_ssize_t size
    cdef Py_ssize_t capacity

    cdef uint8_t *reserve(self, Py_ssize_t more) except NULL
    cdef int append(self, const uint8_t *source, Py_ssize_t size) except -1
    cdef Py_ssize_t begin_frame(self) except -1
    cdef void end_frame(self, Py_ssize_t start, int opcode) noexcept
    cdef int frame(self, int opcode, const uint8_t *source, Py_ssize_t size) except -1
    cdef bytes take(self)
    cdef void drop(self, Py_ssize_t count) noexcept
    cdef void shrink(self) noexcept


cdef class FrameParser:
    """The server's end of one WebSocket connection, without the socket."""

    cdef public object transport
    cdef public int fd              # The socket of a transport that sends what it is given as it is; else -1.
    cdef bint is_queued             # The transport may have something that is not sent yet.
    cdef public bint may_hold       # It will tell when it has not (`drained`): more waits here and not there.
    cdef Buffer held
    cdef public object call_soon    # Calls a function in the loop's next turn; None: every read is taken at once.
    cdef public Py_ssize_t message_bytes_max
    cdef public int fragments_max
    cdef readonly int close_code
    cdef readonly bint has_rest     # What was read is not all taken: the rest waits, and reading is paused.
    cdef bint is_paused
    cdef readonly int64_t bytes_written
    cdef int state
    cdef int fragments
    cdef int frames_left            # Of this turn; below 0 when the last one cost more.
    cdef int message_opcode
    cdef Buffer out
    cdef Buffer torn                # The beginning of a frame whose rest has not arrived, or what waits for its turn.
    cdef Py_ssize_t torn_at         # Where it begins; more than 0 only between turns.
    cdef Buffer plain               # The message being put together, unmasked.

    cdef int begin_read(self) except -1
    cdef int end_read(self) except -1
    cdef int settle(self) except -1
    cdef int on_ping(self) except -1
    cdef int write_out(self) except -1
    cdef int give(self, Buffer what) except -1
    cdef bint must_wait(self) except -1
    cdef bint send_now(self, Buffer what) except -1
    cdef int on_message(self, int opcode, const uint8_t *data, Py_ssize_t size) except -1
    cdef int take_read(self, const uint8_t *data, Py_ssize_t size) except -1
    cdef int end_turn(self) except -1
    cdef int parse_torn(self) except -1
    cdef Py_ssize_t parse(self, const uint8_t *data, Py_ssize_t size) except -1
    cdef int check_header(self, int first, int second) except -1
    cdef int check_length(self, int opcode, uint64_t length) except -1
    cdef int take_frame(self, int first, const uint8_t *payload, Py_ssize_t size) except -1
    cdef int take_control(self, int opcode, const uint8_t *data, Py_ssize_t size) except -1
    cdef int take_close(self, const uint8_t *data, Py_ssize_t size) except -1
    cdef int put_close(self, int code, str reason) except -1
    cdef int hang_up(self) except -1
