# cython: boundscheck=False, wraparound=False
"""WebSocket frames (RFC 6455), server side, fed synchronously with what the transport read.

`FrameParser` is what `RequestHandler.set_parser` of aiohttp wants: `feed_data` and `feed_eof`. All messages of one
read are handled in one call, and all replies to them leave in one `transport.write`; but no more than
FRAMES_PER_TURN_MAX frames in one turn of the loop, so that a firehose cannot starve the other connections. No
extension is ever accepted, so a reserved bit is an error, and so is an unmasked frame.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.limits cimport INT_MAX
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy, memmove


cdef extern from "<sys/socket.h>" nogil:
    int MSG_DONTWAIT
    int MSG_NOSIGNAL

cdef extern from "<sys/syscall.h>" nogil:
    long SYS_sendto

cdef extern from "<unistd.h>" nogil:
    # Not `send`: in a process with threads it is a place where one may be cancelled, which costs as much as the rest.
    long syscall(long number, ...)


class WireError(Exception):
    """The peer sent bytes that are not the protocol; `close_code` goes on the socket, and the text as its reason."""

    def __init__(self, message: str, *, close_code: int = 1002) -> None:
        super().__init__(message)
        self.close_code = close_code


cdef class Buffer:
    """Bytes that grow at the end."""

    def __dealloc__(self):
        free(self.data)

    cdef uint8_t *reserve(self, Py_ssize_t more) except NULL:
        """Return the end of the buffer, with room for `more` bytes after it."""
        cdef Py_ssize_t wanted = self.size + more
        cdef void *grown
        if wanted >= self.capacity:
            wanted = max(wanted, 2 * self.capacity, 256)
            grown = realloc(self.data, wanted)
            if grown == NULL:
                raise MemoryError("no memory for a connection's buffer")
            self.data = <uint8_t *>grown
            self.capacity = wanted
        return self.data + self.size

    cdef int append(self, const uint8_t *source, Py_ssize_t size) except -1:
        memcpy(self.reserve(size), source, size)
        self.size += size
        return 0

    cdef Py_ssize_t begin_frame(self) except -1:
        """Leave room for a header; the payload is then written at the end, and `end_frame` called."""
        self.reserve(16)
        self.size += 4
        return self.size - 4

    cdef void end_frame(self, Py_ssize_t start, int opcode) noexcept:
        """Write the header of the frame begun at `start`, moving the payload to where its length puts it."""
        cdef Py_ssize_t payload = self.size - start - 4
        cdef uint8_t *head = self.data + start
        cdef int i
        head[0] = <uint8_t>(0x80 | opcode)
        if payload < 126:
            memmove(head + 2, head + 4, payload)
            head[1] = <uint8_t>payload
            self.size -= 2
        elif payload < 65536:
            head[1] = 126
            head[2] = <uint8_t>(payload >> 8)
            head[3] = <uint8_t>payload
        else:
            # The caller reserved no more than the payload: `frame` and `begin_frame` keep six bytes spare.
            memmove(head + 10, head + 4, payload)
            head[1] = 127
            for i in range(8):
                head[2 + i] = <uint8_t>(<uint64_t>payload >> (8 * (7 - i)))
            self.size += 6

    cdef int frame(self, int opcode, const uint8_t *source, Py_ssize_t size) except -1:
        """Append a whole frame."""
        cdef Py_ssize_t start = self.begin_frame()
        self.reserve(size + 6)
        self.append(source, size)
        self.end_frame(start, opcode)
        return 0

    cdef bytes take(self):
        """Return what is in the buffer and empty it."""
        cdef bytes taken = PyBytes_FromStringAndSize(<char *>self.data, self.size)
        self.size = 0
        self.shrink()
        return taken

    cdef void drop(self, Py_ssize_t count) noexcept:
        """Take bytes off the beginning."""
        self.size -= count
        memmove(self.data, self.data + count, self.size)

    cdef void shrink(self) noexcept:
        """Give the memory of an empty buffer back when a burst has made it large."""
        if self.size == 0 and self.capacity > BUFFER_KEPT_BYTES_MAX:
            free(self.data)
            self.data = NULL
            self.capacity = 0


def encode_frame(int opcode, bytes payload):
    """Return one unmasked frame, as a server sends it."""
    cdef Buffer buffer = Buffer()
    buffer.frame(opcode, <const uint8_t *>PyBytes_AS_STRING(payload), PyBytes_GET_SIZE(payload))
    return buffer.take()


cdef void unmask(uint8_t *target, const uint8_t *source, const uint8_t *mask, Py_ssize_t size) noexcept nogil:
    """Copy `size` bytes, each xored with the mask; eight at a time, whatever the alignment."""
    cdef uint64_t wide = 0, word = 0
    cdef Py_ssize_t at = 0
    memcpy(&wide, mask, 4)
    memcpy(<uint8_t *>&wide + 4, mask, 4)
    while at + 8 <= size:
        memcpy(&word, source + at, 8)
        word ^= wide
        memcpy(target + at, &word, 8)
        at += 8
    while at < size:
        target[at] = source[at] ^ mask[at & 3]
        at += 1


cdef bint close_code_allowed(int code) noexcept nogil:
    return (1000 <= code <= 1003) or (1007 <= code <= 1014) or (3000 <= code <= 4999)


cdef bint is_utf8(const uint8_t *data, Py_ssize_t size):
    try:
        PyUnicode_DecodeUTF8(<const char *>data, size, NULL)
    except UnicodeDecodeError:
        return False
    return True


cdef class FrameParser:
    """The server's end of one WebSocket connection, without the socket.

    Subclasses override `message` (or `on_message`, from Cython) and may override `ended`. `transport` needs `write`
    and `close`, and with `call_soon` also `pause_reading`, `resume_reading` and `abort`. Messages are limited to
    `message_bytes_max` bytes and `fragments_max` fragments.
    """

    def __cinit__(self, *args, **kwargs):
        self.out = Buffer()
        self.held = Buffer()
        self.torn = Buffer()
        self.plain = Buffer()
        self.message_bytes_max = MESSAGE_BYTES_MAX
        self.fragments_max = FRAGMENTS_MAX
        self.fd = -1
        self.is_queued = True       # The answer to the handshake, perhaps.

    # What a subclass gives.

    def message(self, int opcode, bytes data):
        """Take one whole message; raise WireError to end the connection."""
        raise NotImplementedError

    def ended(self, bint lost):
        """Hear, once each, that a close frame went out (`lost` False) and that the connection is gone (`lost` True).

        After the first the peer should close; the owner sees to it that it does not take for ever.
        """

    cdef int begin_read(self) except -1:
        return 0

    cdef int end_read(self) except -1:
        return self.write_out()

    cdef int settle(self) except -1:
        """Finish what the messages so far have begun: a close frame is next."""
        return 0

    cdef int on_ping(self) except -1:
        """Hear of a ping or pong; raise WireError when there are too many."""
        return 0

    cdef int write_out(self) except -1:
        if self.out.size and self.transport is not None:
            self.bytes_written += self.out.size
            if self.must_wait():
                self.held.append(self.out.data, self.out.size)
                self.out.size = 0
                self.out.shrink()
            else:
                self.give(self.out)
        return 0

    cdef bint must_wait(self) except -1:
        """Whether what is to be written waits here till the transport has sent what it has.

        A transport may keep a kilobyte of its own for every write that waits; here they are bytes, end to end.
        """
        if not self.may_hold:
            return False
        if self.is_queued and self.state == S_OPEN:
            self.is_queued = self.transport.get_write_buffer_size() > 0
            if self.is_queued:
                return True
        if self.held.size:
            self.give(self.held)
        return self.is_queued and self.state == S_OPEN

    cdef int give(self, Buffer what) except -1:
        """Have bytes sent: by ourselves, as far as that goes, else by the transport. Empties the buffer."""
        if self.fd < 0 or not self.send_now(what):
            self.is_queued = True
            self.transport.write(what.take())
        return 0

    cdef bint send_now(self, Buffer what) except -1:
        """Give bytes to the system by ourselves, as far as it takes them; False if something is left.

        Only while the transport has nothing of its own to send. The descriptor is the transport's until it has told
        of the connection's end (`feed_eof`), however it was closed.
        """
        cdef ssize_t sent
        if self.is_queued:
            self.is_queued = self.transport.get_write_buffer_size() > 0
        if self.is_queued:
            return False
        sent = syscall(
            SYS_sendto, self.fd, what.data, <size_t>what.size, MSG_DONTWAIT | MSG_NOSIGNAL, NULL, <size_t>0
        )
        if sent < what.size:
            if sent > 0:                    # An error is met again by the transport, which knows what to do.
                what.drop(sent)
            return False
        what.size = 0
        what.shrink()
        return True

    def drained(self):
        """Hear that the transport has nothing left to send, and give it what was held back meanwhile."""
        if self.held.size and self.transport is not None:
            self.is_queued = False
            self.give(self.held)

    cdef int on_message(self, int opcode, const uint8_t *data, Py_ssize_t size) except -1:
        self.message(opcode, PyBytes_FromStringAndSize(<const char *>data, size))
        return 0

    # What a connection calls.

    def feed_data(self, bytes data):
        """Take what the transport read. Returns (True, b"") once nothing more will be looked at."""
        if self.state == S_CLOSED:
            return True, b""
        self.take_read(<const uint8_t *>PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data))
        return self.state == S_CLOSED, b""

    def go_on(self):
        """Take what an earlier read left for this turn of the loop."""
        if not self.has_rest:
            return
        self.has_rest = False
        try:
            self.take_read(NULL, 0)
        except Exception:
            # A transport ends itself when `feed_data` fails; here nobody else would, and reading is paused.
            if self.transport is not None:
                self.transport.abort()
            raise

    def feed_eof(self):
        """Note that the connection is gone. What waited for its turn is not done."""
        self.state = S_CLOSED
        self.has_rest = False
        self.transport = None
        self.fd = -1
        self.held.size = 0
        self.held.shrink()
        self.ended(True)

    def send(self, bytes payload, int opcode=OP_BINARY):
        """Queue one message, binary unless said otherwise; `flush` writes it."""
        self.out.frame(opcode, <const uint8_t *>PyBytes_AS_STRING(payload), PyBytes_GET_SIZE(payload))

    def close(self, int code, str reason=""):
        """Begin the close handshake: send a close frame, then wait for the peer's. Does nothing the second time."""
        if self.state == S_OPEN:
            self.settle()
        if self.state == S_OPEN:    # It still is: settling may have found the peer too slow.
            self.put_close(code, reason)
            self.state = S_CLOSING
            self.write_out()
            self.ended(False)

    def fail(self, int code, str reason):
        """Send a close frame and look at nothing more from this peer."""
        if self.state == S_OPEN:
            self.settle()
        already = self.state
        if already == S_OPEN:
            self.put_close(code, reason)
        self.state = S_CLOSED
        self.write_out()
        if already == S_OPEN:
            self.ended(False)

    def flush(self):
        """Write everything queued, in one piece."""
        self.write_out()

    @property
    def is_open(self):
        """True until a close frame was sent or received, or the connection was lost."""
        return self.state == S_OPEN

    # Inside.

    cdef int take_read(self, const uint8_t *data, Py_ssize_t size) except -1:
        """Take one turn's share of what waits and of what was read now, in their order."""
        cdef Py_ssize_t used
        if self.has_rest:          # A read that came although reading is paused: it waits, too.
            self.torn.append(data, size)
            self.transport.pause_reading()
            return 0
        self.frames_left = INT_MAX if self.call_soon is None else FRAMES_PER_TURN_MAX
        self.begin_read()
        try:
            if self.torn.size:
                if size:
                    self.torn.append(data, size)
                self.parse_torn()
            else:
                used = self.parse(data, size)
                if self.state != S_CLOSED:
                    self.torn.append(data + used, size - used)
        except WireError as error:
            self.fail(error.close_code, str(error))
        self.end_read()
        return self.end_turn()

    cdef int end_turn(self) except -1:
        """Have the loop come back for what is left, and read nothing more until it is taken."""
        if self.state == S_CLOSED:
            self.has_rest = False
            self.torn.size = 0
            self.torn_at = 0
        self.torn.shrink()
        if self.has_rest:
            self.is_paused = True
            self.transport.pause_reading()
            self.call_soon(self.go_on)
        elif self.is_paused:
            self.is_paused = False
            if self.transport is not None:
                self.transport.resume_reading()
        return 0

    cdef int parse_torn(self) except -1:
        """Parse the joined bytes of earlier reads and this one, and keep what is left over."""
        self.torn_at += self.parse(self.torn.data + self.torn_at, self.torn.size - self.torn_at)
        if self.has_rest:          # Moved once, when all whole frames are taken, and not in every turn.
            return 0
        self.torn.size -= self.torn_at
        memmove(self.torn.data, self.torn.data + self.torn_at, self.torn.size)
        self.torn_at = 0
        return 0

    cdef int put_close(self, int code, str reason) except -1:
        cdef bytes text = reason.encode()[:CONTROL_BYTES_MAX - 2]
        # A cut in the middle of a character would make the frame itself wrong.
        cdef bytes body = bytes((code >> 8, code & 255)) + text.decode(errors="ignore").encode()
        self.close_code = code
        self.out.frame(OP_CLOSE, <const uint8_t *>PyBytes_AS_STRING(body), PyBytes_GET_SIZE(body))
        return 0

    cdef Py_ssize_t parse(self, const uint8_t *data, Py_ssize_t size) except -1:
        """Take every whole frame of the bytes; return how many bytes they were."""
        cdef Py_ssize_t at = 0
        cdef Py_ssize_t header
        cdef uint64_t length
        cdef int i
        while self.state != S_CLOSED and size - at >= 2:
            if self.frames_left <= 0 or (self.out.size > OUT_BYTES_PER_TURN_MAX and self.call_soon is not None):
                self.has_rest = True
                break
            self.check_header(data[at], data[at + 1])
            length = data[at + 1] & 0x7F
            header = 6
            if length == 126:
                header = 8
                if size - at < 4:
                    break
                length = (<uint64_t>data[at + 2] << 8) | data[at + 3]
                if length < 126:
                    raise WireError("a frame's length must be written as short as possible")
            elif length == 127:
                header = 14
                if size - at < 10:
                    break
                length = 0
                for i in range(8):
                    length = (length << 8) | data[at + 2 + i]
                if length < 65536:
                    raise WireError("a frame's length must be written as short as possible")
                if length >> 63:
                    raise WireError("a frame's length must be below 2^63")
            self.check_length(data[at] & 15, length)
            if <uint64_t>(size - at) < header + length:
                break
            at += header
            self.frames_left -= 1
            self.take_frame(data[at - header], data + at, <Py_ssize_t>length)
            at += <Py_ssize_t>length
        return at

    cdef int check_header(self, int first, int second) except -1:
        """Refuse what can be told from a frame's first two bytes."""
        cdef int opcode = first & 15
        if first & 0x70:
            raise WireError("reserved bits must be 0: no extension was agreed")
        if not second & 0x80:
            raise WireError("a client's frames must be masked")
        if opcode & 7 > 2:
            raise WireError(f"opcode must be 0, 1, 2, 8, 9 or 10, was {opcode}")
        if opcode & 8:
            if not first & 0x80:
                raise WireError("a control frame must not be fragmented")
            if second & 0x7F > CONTROL_BYTES_MAX:
                raise WireError("a control frame must have at most 125 bytes")
        elif opcode == OP_CONTINUATION and not self.fragments:
            raise WireError("a continuation frame must follow a fragment")
        elif opcode and self.fragments:
            raise WireError("a fragmented message must be ended before the next begins")
        return 0

    cdef int check_length(self, int opcode, uint64_t length) except -1:
        """Refuse a message that is too long as soon as its header says so."""
        if opcode & 8:
            return 0
        cdef uint64_t before = self.plain.size if self.fragments else 0
        if length + before > <uint64_t>self.message_bytes_max:
            raise WireError(f"a message must have at most {self.message_bytes_max} bytes", close_code=1009)
        if self.fragments == self.fragments_max:
            raise WireError(f"a message must have at most {self.fragments_max} fragments", close_code=1009)
        return 0

    cdef int take_frame(self, int first, const uint8_t *payload, Py_ssize_t size) except -1:
        """Unmask one frame and act on it; the mask is the four bytes before the payload."""
        cdef int opcode = first & 15
        # A control frame may stand between two fragments: it is unmasked behind them and taken off again.
        cdef Py_ssize_t start = self.plain.size if self.fragments else 0
        self.plain.size = start
        unmask(self.plain.reserve(size), payload, payload - 4, size)
        if opcode & 8:
            return self.take_control(opcode, self.plain.data + start, size)
        self.plain.size = start + size
        if opcode:
            self.message_opcode = opcode
        self.fragments += 1
        if not first & 0x80:
            return 0
        self.fragments = 0
        if self.state != S_OPEN:
            return 0
        if self.message_opcode == OP_TEXT and not is_utf8(self.plain.data, self.plain.size):
            raise WireError("text must be UTF-8", close_code=1007)
        return self.on_message(self.message_opcode, self.plain.data, self.plain.size)

    cdef int take_control(self, int opcode, const uint8_t *data, Py_ssize_t size) except -1:
        if opcode == OP_CLOSE:
            return self.take_close(data, size)
        if self.state == S_OPEN:
            self.on_ping()
            if opcode == OP_PING:
                self.out.frame(OP_PONG, data, size)
        return 0

    cdef int take_close(self, const uint8_t *data, Py_ssize_t size) except -1:
        """Answer the peer's close frame with its own code, or finish the handshake we began."""
        cdef int code
        if self.state == S_CLOSING:
            return self.hang_up()
        if size == 1:
            raise WireError("a close frame must have a whole code")
        if size >= 2:
            code = (data[0] << 8) | data[1]
            if not close_code_allowed(code):
                raise WireError(f"close code {code} must not be sent")
            if not is_utf8(data + 2, size - 2):
                raise WireError("a close reason must be UTF-8", close_code=1007)
        self.settle()
        if self.state != S_OPEN:    # It ended while settling, with a code of ours.
            return self.hang_up()
        self.out.frame(OP_CLOSE, data, min(size, 2))
        self.hang_up()
        self.ended(False)
        return 0

    cdef int hang_up(self) except -1:
        """Both close frames are exchanged: the server closes the connection first."""
        self.state = S_CLOSED
        self.write_out()
        if self.transport is not None:
            self.transport.close()
        return 0
