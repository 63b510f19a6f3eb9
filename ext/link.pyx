# cython: boundscheck=False, wraparound=False, cdivision=True
"""One session's connection: frames in, command records out, event frames back.

Order messages of a logged-in session go from the frame to the command record here, and all commands of one read to
the sequencer in one call. Every other message goes to `peer`, an object of the gateway with

- `receive(message, is_text, now_ns)`, which returns the messages to reply with, or raises WireError;
- `as_text(message)`, which returns the text form of a message to be sent;
- `ended(lost)`, as in `FrameParser`;
- `crashed(error)`, for an error nobody expected.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from posix.time cimport CLOCK_MONOTONIC, CLOCK_REALTIME, clock_gettime, timespec

from ext.codec cimport BROKEN, OPERATIONS_MAX, OTHER, TAKEN, X_OVERLOAD, X_RATE, X_SCOPE, big_endian, decode
from ext.encoder cimport put_batch_ack, put_refusal, put_throttle
from ext.frames cimport OP_BINARY, OP_TEXT, S_OPEN, Buffer
from ext.types cimport C_CANCEL, C_QUOTE

from ext.frames import WireError

cdef int64_t NS = 1_000_000_000
cdef int CLOSE_POLICY = 1008
cdef int CLOSE_MALFORMED = 4003
cdef int CLOSE_SLOW_PUBLIC = 4008
cdef int CLOSE_SLOW_PRIVATE = 4009
cdef int CLOSE_INTERNAL = 1011
cdef int CLOSE_RATE = 4029
cdef int64_t BREACH_NS = 10_000_000_000
cdef Py_ssize_t SUBMIT_COMMANDS_MAX = 2048
cdef uint64_t LEG_MASK = 0xFFFFFFFF     # Of a quote's target: the number of the leg, counted from 0.


cdef class RateLimit:
    """A token bucket for orders and one of twice the size for cancels, in integers.

    A full bucket is a time that lies `burst_ns` back; each order moves that time on by what it costs, and is refused
    when it would pass the present. A place or replace counts as one order, a quote's leg as a quarter.
    """

    def __init__(self, int orders_per_s, int burst_orders):
        """`orders_per_s` 0 means no limit. A message dearer than `burst_orders` never passes."""
        if orders_per_s < 0 or burst_orders < 1:
            raise ValueError(f"rate must be at least 0 and burst at least 1, was {orders_per_s} and {burst_orders}")
        self.quarter_ns = max(NS // (4 * orders_per_s), 1) if orders_per_s else 0
        self.burst_ns = burst_orders * 4 * self.quarter_ns

    cdef int64_t charge(self, int64_t order_cost, int64_t cancel_cost, int64_t now_ns) noexcept:
        """Take the cost, in quarters of an order, or nothing. Returns 0, or the ns after which it would pass."""
        cdef int64_t orders = max(self.orders_until_ns, now_ns) + order_cost * self.quarter_ns
        # Half the price a cancel is twice the bucket.
        cdef int64_t cancels = max(self.cancels_until_ns, now_ns) + cancel_cost * self.quarter_ns // 2
        cdef int64_t late = max(orders, cancels) - now_ns - self.burst_ns
        if self.quarter_ns and late > 0:
            return late
        self.orders_until_ns = orders
        self.cancels_until_ns = cancels
        return 0

    cdef int64_t used_ns(self, int64_t now_ns) noexcept:
        """How much of the burst is used up."""
        return max(self.orders_until_ns, self.cancels_until_ns) - now_ns


cdef int64_t clock_ns(int clock) noexcept:
    cdef timespec now
    clock_gettime(clock, &now)
    return <int64_t>now.tv_sec * NS + now.tv_nsec


cdef class Link(FrameParser):
    """One session's connection."""

    def __init__(self, object peer, object submit, Py_ssize_t backlog_bytes_max=1 << 20,
                 Py_ssize_t conflate_bytes_max=1 << 18, Py_ssize_t conflate_low_bytes=1 << 16):
        """`submit` takes command records, as bytes, and returns False when it has no room for them."""
        self.peer = peer
        self.submit = submit
        self.backlog_bytes_max = backlog_bytes_max
        self.conflate_bytes_max = conflate_bytes_max
        self.conflate_low_bytes = conflate_low_bytes
        self.commands = CommandBuffer()
        self.texts = Buffer()
        self.seen_ns = clock_ns(CLOCK_MONOTONIC)

    def open(self, uint32_t account, uint8_t lane, uint64_t last_ref, RateLimit rate not None):
        """Decode order messages here from now on: the session has logged in."""
        self.account = account
        self.lane = lane
        self.last_ref = last_ref
        self.submitted_ref = last_ref
        self.answered_ref = 0       # Not `last_ref`: its answer may be under way yet, and goes to this link then.
        self.rate = rate
        self.is_live = True

    def ended(self, bint lost):
        """Pass it on."""
        self.peer.ended(lost)

    cdef int begin_read(self) except -1:
        self.seen_ns = clock_ns(CLOCK_MONOTONIC)
        self.wall_us = clock_ns(CLOCK_REALTIME) // 1000
        self.will_be_answered = False
        self.has_replies = False
        return 0

    cdef int end_read(self) except -1:
        self.submit_commands()
        if self.will_be_answered and not self.has_replies:
            return 0        # What is queued leaves with the answers, in one write; at the next tick at the latest.
        return self.write_out()

    cdef int settle(self) except -1:
        """Hand over what was sent before the end: a cancel-on-disconnect must come after it."""
        return 0 if self.is_submitting else self.submit_commands()

    cdef int on_ping(self) except -1:
        cdef int64_t until_ns = max(self.pings_until_ns, self.seen_ns - NS) + NS // CONTROL_FRAMES_PER_S_MAX
        if until_ns > self.seen_ns:
            raise WireError(f"pings must be at most {CONTROL_FRAMES_PER_S_MAX} a second", close_code=CLOSE_POLICY)
        self.pings_until_ns = until_ns
        return 0

    cdef int on_message(self, int opcode, const uint8_t *data, Py_ssize_t size) except -1:
        if self.is_live and opcode == OP_BINARY and self.take_order(data, size) != OTHER:
            return 0
        # What stands before this message must happen before it, whatever it does.
        self.submit_commands()
        return self.ask_peer(opcode, data, size)

    def offer(self, bytes message not None):
        """Take a message as if it had come in a binary frame of a live session; False if it is no order message.

        Raises:
            WireError: its type or ref cannot be read.

        """
        cdef const uint8_t *data = <const uint8_t *>PyBytes_AS_STRING(message)
        return self.take_order(data, PyBytes_GET_SIZE(message)) != OTHER

    cdef int take_order(self, const uint8_t *data, Py_ssize_t size) except? -3:
        """Decode an order message into the read's commands, or refuse it."""
        cdef Intake intake
        cdef Py_ssize_t before = self.commands.count
        cdef int64_t late_ns
        intake.account = self.account
        intake.lane = self.lane
        intake.wall_us = self.wall_us
        cdef int verdict = decode(data, size, &intake, self.commands)
        if verdict == OTHER:
            return OTHER
        if verdict == BROKEN:
            message = "an order message must be one array that starts with type and ref"
            raise WireError(message, close_code=CLOSE_MALFORMED)
        if verdict != TAKEN:
            return self.refuse(&intake, verdict)
        if self.gate:
            self.commands.count = before
            return self.refuse(&intake, self.gate)
        if self.only_cancels and intake.order_cost:
            self.commands.count = before
            return self.refuse(&intake, X_SCOPE)
        late_ns = self.rate.charge(intake.order_cost, intake.cancel_cost, self.seen_ns)
        if late_ns:
            self.commands.count = before
            intake.arg = late_ns // 1000 + 1
            self.refuse(&intake, X_RATE)
            return self.exceeded(self.seen_ns)
        self.warn()
        if intake.is_quote and intake.ref <= self.last_ref:
            # Sent again: it will not be done again, and one leg is enough to be told how it went.
            self.commands.count = before + 1
        self.last_ref = max(self.last_ref, intake.last_ref)
        if intake.batch:
            put_batch_ack(self.out, intake.ref, intake.batch)
        return 0

    cdef int warn(self) except -1:
        """Tell, once until half of it is free again, that four fifths of the burst are used up."""
        cdef int64_t used = self.rate.used_ns(self.seen_ns)
        if self.is_warned:
            self.is_warned = 2 * used > self.rate.burst_ns
        elif 5 * used > 4 * self.rate.burst_ns and self.rate.quarter_ns:
            self.is_warned = True
            put_throttle(self.out, self.wall_us)
        return 0

    cpdef int exceeded(self, int64_t now_ns) except -1:
        """Note that the rate was exceeded; end the connection when it was for ten seconds without a second's break."""
        if now_ns - self.refused_ns > NS or self.refused_ns == 0:
            self.breach_ns = now_ns
        self.refused_ns = now_ns
        if now_ns - self.breach_ns >= BREACH_NS:
            raise WireError("the rate was exceeded for too long", close_code=CLOSE_RATE)
        return 0

    cdef int refuse(self, Intake *intake, int reason) except -1:
        """Reject a message at the door. It has no place in the order of commands: its gseq is 0."""
        return put_refusal(self.out, intake.ref, reason, intake.arg, self.wall_us, 0)

    cdef int ask_peer(self, int opcode, const uint8_t *data, Py_ssize_t size) except -1:
        cdef bytes message = PyBytes_FromStringAndSize(<const char *>data, size)
        cdef Py_ssize_t before = self.out.size
        cdef bint reads = self.unread() <= self.conflate_low_bytes
        self.has_replies = True
        self.frames_left -= REQUEST_FRAMES - 1      # One is counted already.
        try:
            for reply in self.peer.receive(message, opcode == OP_TEXT, self.seen_ns):
                self.send(reply)
        except WireError:
            raise
        except Exception as error:
            self.peer.crashed(error)
            raise WireError("the server failed", close_code=CLOSE_INTERNAL) from None
        if reads and self.out.size - before > self.conflate_bytes_max:
            self.is_asked_for = True
        return 0

    cdef int submit_commands(self) except -1:
        """Hand the read's commands over, in pieces the sequencer takes; what it has no room for is refused."""
        cdef Py_ssize_t at = 0, end, i
        self.is_submitting = True
        while at < self.commands.count:
            end = self.end_of_piece(at)
            if self.submit(self.commands.copy(at, end - at)):
                self.will_be_answered = True
                self.commands_taken += end - at
                for i in range(at, end):
                    self.submitted_ref = max(self.submitted_ref, self.commands.records[i].ref)
            else:
                self.refuse_overload(at, end)
            at = end
        self.commands.count = 0
        self.is_submitting = False
        # Refs of commands there was no room for may be used again.
        self.last_ref = self.submitted_ref
        return 0

    cdef Py_ssize_t end_of_piece(self, Py_ssize_t first) noexcept:
        """Where the piece that starts at a record ends; the legs of a quote stay together."""
        cdef Py_ssize_t end = first + SUBMIT_COMMANDS_MAX
        if end >= self.commands.count:
            return self.commands.count
        while self.commands.records[end].ref == self.commands.records[end - 1].ref:
            end -= 1
            if end <= first + SUBMIT_COMMANDS_MAX - OPERATIONS_MAX:     # No quote: one ref over and over.
                break
        return end

    def charge(self):
        """Take one order from the account's bucket for a request; 0, or the microseconds after which it would pass."""
        cdef int64_t late_ns = self.rate.charge(4, 0, self.seen_ns)
        return late_ns // 1000 + 1 if late_ns else 0

    def ask_outcome(self, uint64_t ref):
        """Have the engine repeat what it answered to an earlier ref; False when there is no room for the question.

        A cancel of no order with that ref: a ref it knows is answered with its outcome, whatever the command is.
        """
        cdef Intake intake
        intake.account = self.account
        intake.lane = self.lane
        intake.ref = ref
        self.commands.add(&intake, C_CANCEL)
        records = self.commands.copy(0, 1)
        self.commands.count = 0
        return self.submit(records)

    cdef int refuse_overload(self, Py_ssize_t first, Py_ssize_t end) except -1:
        """Reject commands, the legs of a quote together; a ref that was sent twice is refused twice."""
        cdef Py_ssize_t i
        for i in range(first, end):
            if self.commands.records[i].type != C_QUOTE or not self.commands.records[i].target & LEG_MASK:
                put_refusal(self.out, self.commands.records[i].ref, X_OVERLOAD, 0, self.wall_us, 0)
        return 0

    cdef Py_ssize_t unread(self) except -1:
        """Bytes that were written and wait for the peer to read."""
        if self.transport is None or not self.is_queued:
            return 0
        return self.transport.get_write_buffer_size() + self.held.size

    cdef int write_out(self) except -1:
        """Write what is queued; a peer that does not read is cut off before it costs more than its share."""
        cdef Py_ssize_t unread, most
        self.is_dirty = False
        if self.is_text and self.out.size:
            self.put_texts()
        if self.is_asked_for:
            self.is_asked_for = False
            self.allowance = self.out.size
        most = self.backlog_bytes_max + self.allowance
        if self.state == S_OPEN and self.is_queued and self.unread() + self.out.size > most:
            self.out.size = 0           # It would not be read either.
            self.out.shrink()
            self.held.size = 0
            self.held.shrink()
            self.cut_off()
            return 0
        FrameParser.write_out(self)
        if self.state == S_OPEN and self.is_queued:
            unread = self.unread()
            if unread > most:
                self.cut_off()
            elif unread > self.conflate_bytes_max:
                self.is_behind = True
            elif unread <= self.conflate_low_bytes:
                self.allowance = 0
        else:
            self.allowance = 0
        return 0

    cdef int put_texts(self) except -1:
        """Turn the queued binary frames into text frames; control frames stay what they are."""
        cdef Buffer frames = self.out
        cdef Py_ssize_t at = 0, size, head
        cdef bytes text
        self.out = self.texts
        self.texts = frames
        try:
            while at < frames.size:
                size = frames.data[at + 1]
                head = 2
                if size == 126:
                    size = frames.data[at + 2] << 8 | frames.data[at + 3]
                    head = 4
                elif size == 127:
                    size = big_endian(frames.data + at + 2, 8)
                    head = 10
                if frames.data[at] & 15 == OP_BINARY:
                    text = self.peer.as_text(PyBytes_FromStringAndSize(<char *>(frames.data + at + head), size))
                    self.out.frame(OP_TEXT, <const uint8_t *>PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text))
                else:
                    self.out.append(frames.data + at, head + size)
                at += head + size
        except Exception as error:
            # Whoever is being told something must not be stopped by it.
            frames.size = 0
            self.peer.crashed(error)
            self.fail(CLOSE_INTERNAL, "the server failed")
        frames.size = 0
        return 0

    def send_frames(self, bytes frames not None):
        """Queue whole frames, end to end; `flush` writes them."""
        self.out.append(<const uint8_t *>PyBytes_AS_STRING(frames), PyBytes_GET_SIZE(frames))

    def cut_off(self):
        """Close a connection that does not read."""
        code = CLOSE_SLOW_PRIVATE if self.is_private else CLOSE_SLOW_PUBLIC
        self.fail(code, "the connection does not read what it is sent")

    def bytes_sent(self):
        """How many bytes the system has taken so far: this stands still while the peer does not read."""
        return self.bytes_written - self.unread()

    def bytes_waiting(self):
        """How many bytes the system has yet to take."""
        return self.unread()
