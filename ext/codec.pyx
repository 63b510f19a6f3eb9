# cython: boundscheck=False, wraparound=False, cdivision=True
"""msgpack on the wire -> command records, without a Python object per order. Layouts: docs/protocol.md.

`decode` checks form: arrays of the right length, integers below 2^53. What the numbers mean is the core's to judge,
so a price or quantity that does not fit the core's 32 bits becomes one that the core refuses.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdlib cimport free, realloc
from libc.string cimport memset

from ext.types cimport (
    C_BLOCK, C_MASS_CANCEL, C_MMP_RESET, C_MMP_SET, C_PLACE, C_QUOTE, C_REPLACE, C_REPLACE_REF, F_KEEP_PRIORITY,
    F_POST_ONLY, GTD, M_INSTRUMENT, M_LANE, M_PRODUCT, M_SIDE, M_TAG, M_WINDOWS,
)

INTEGER_MAX = (<int64_t>1 << 53) - 1
EVERY_FABRIC = <uint64_t>0xFFFFFFFFFFFFFFFF


# Reading.

cdef int64_t big_endian(const uint8_t *data, int size) noexcept nogil:
    """An unsigned integer of `size` bytes."""
    cdef uint64_t value = 0
    cdef int i
    for i in range(size):
        value = (value << 8) | data[i]
    return <int64_t>value


cdef bint read_integer(Reader *source, int64_t *value) noexcept nogil:
    """Read one msgpack integer with abs(x) < 2^53. False, at an unknown place, if there is none."""
    cdef int kind, size
    if source.at >= source.end:
        return False
    kind = source.at[0]
    source.at += 1
    if kind < 0x80:
        value[0] = kind
        return True
    if kind >= 0xE0:
        value[0] = kind - 256
        return True
    if kind < 0xCC or kind > 0xD3:
        return False
    size = 1 << ((kind - 0xCC) & 3)
    if source.end - source.at < size:
        return False
    value[0] = big_endian(source.at, size)
    source.at += size
    if kind >= 0xD0 and size < 8 and value[0] >> (8 * size - 1):
        value[0] -= <int64_t>1 << (8 * size)
    # An unsigned integer of 64 bits that is too large shows up as a negative number here.
    return -INTEGER_MAX <= value[0] <= INTEGER_MAX and not (kind == 0xCF and value[0] < 0)


cdef bint read_within(Reader *source, int64_t low, int64_t high, int64_t *value) noexcept nogil:
    return read_integer(source, value) and low <= value[0] <= high


cdef bint read_optional(Reader *source, int64_t high, int64_t *value, bint *present) noexcept nogil:
    """Read nil, or an integer within [0, high]."""
    if source.at < source.end and source.at[0] == 0xC0:
        source.at += 1
        present[0] = False
        return True
    present[0] = True
    return read_within(source, 0, high, value)


cdef bint read_array(Reader *source, int64_t *count) noexcept nogil:
    """Read the head of an array."""
    cdef int kind, size
    if source.at >= source.end:
        return False
    kind = source.at[0]
    source.at += 1
    if kind & 0xF0 == 0x90:
        count[0] = kind & 0x0F
        return True
    if kind != 0xDC and kind != 0xDD:
        return False
    size = 2 if kind == 0xDC else 4
    if source.end - source.at < size:
        return False
    count[0] = big_endian(source.at, size)
    source.at += size
    return True


cdef bint read_flags(Reader *source, int64_t known, int64_t *flags) noexcept nogil:
    """Read flags, none of which is unknown."""
    return read_within(source, 0, known, flags) and not flags[0] & ~known


cdef bint read_scope(Reader *source, uint64_t *scope) noexcept nogil:
    """Read a block's fabrics: nil for all, or a list of 1 to 64 different indices."""
    cdef int64_t count = 0, index = 0
    if source.at < source.end and source.at[0] == 0xC0:
        source.at += 1
        scope[0] = EVERY_FABRIC
        return True
    if not read_array(source, &count) or not 1 <= count <= FABRIC_BITS:
        return False
    scope[0] = 0
    while count:
        if not read_within(source, 0, FABRIC_BITS - 1, &index) or scope[0] >> index & 1:
            return False
        scope[0] |= <uint64_t>1 << index
        count -= 1
    return True


cdef inline int32_t core_value(int64_t value) noexcept nogil:
    """A price or quantity for the core; one out of range becomes one that it refuses."""
    if value < 0:
        return -1
    return <int32_t>(value if value <= VALUE_MAX else VALUE_MAX + 1)


# Decoding.

cdef class CommandBuffer:
    """Command records of one read, end to end."""

    def __dealloc__(self):
        free(self.records)

    cdef Command *add(self, Intake *intake, int type) except NULL:
        """Append a zeroed record that knows who sent it."""
        cdef void *grown
        cdef Command *record
        if self.count == self.capacity:
            grown = realloc(self.records, max(2 * self.capacity, 64) * sizeof(Command))
            if grown == NULL:
                raise MemoryError("no memory for commands")
            self.records = <Command *>grown
            self.capacity = max(2 * self.capacity, 64)
        record = &self.records[self.count]
        self.count += 1
        memset(record, 0, sizeof(Command))
        record.length = sizeof(Command)
        record.type = type
        record.account = intake.account
        record.lane = intake.lane
        record.ref = intake.ref
        return record

    cdef bytes copy(self, Py_ssize_t first, Py_ssize_t count):
        """Return some of the records."""
        return PyBytes_FromStringAndSize(<char *>(self.records + first), count * <Py_ssize_t>sizeof(Command))


cdef int decode(const uint8_t *data, Py_ssize_t size, Intake *intake, CommandBuffer commands) except? -3:
    """Decode one binary message, appending its commands.

    Returns TAKEN, OTHER (not an order message), BROKEN (type or ref cannot be read, or bytes follow the message), or
    the reason of a reject for `intake.ref`. Nothing is appended unless TAKEN.
    """
    cdef Reader source
    cdef int64_t count = 0, type = 0
    cdef Py_ssize_t before = commands.count
    cdef int verdict
    source.at = data
    source.end = data + size
    if not read_array(&source, &count) or count < 2 or not read_integer(&source, &type):
        return OTHER
    if type < C_PLACE or (type > C_MMP_RESET and type != C_BLOCK and type != C_REPLACE_REF):
        return OTHER
    intake.last_ref = 0
    intake.batch = 0
    intake.is_quote = type == C_QUOTE
    intake.arg = 0
    intake.order_cost = 0
    intake.cancel_cost = 0
    if not read_ref(&source, intake):
        return BROKEN
    if type == T_BATCH:
        verdict = decode_batch(&source, <int>count, intake, commands)
    else:
        verdict = decode_command(&source, type, count, intake, commands)
    if verdict == TAKEN and source.at != source.end:
        verdict = BROKEN
    if verdict != TAKEN:
        commands.count = before
    return verdict


cdef bint read_ref(Reader *source, Intake *intake) noexcept nogil:
    cdef int64_t ref = 0
    if not read_within(source, 0, INTEGER_MAX, &ref):
        return False
    intake.ref = <uint64_t>ref
    return True


cdef int decode_command(Reader *source, int64_t type, int64_t count, Intake *intake, CommandBuffer commands) except? -3:
    """Decode what follows type and ref of a message of `count` elements."""
    if intake.ref == 0:
        return X_STALE_REF
    intake.last_ref = max(intake.last_ref, intake.ref)
    if type == C_PLACE:
        return decode_place(source, count, intake, commands)
    if type == C_QUOTE:
        return decode_quote(source, count, intake, commands)
    if type == C_REPLACE or type == C_REPLACE_REF:
        return decode_replace(source, type, count, intake, commands)
    if type == C_MASS_CANCEL:
        return decode_mass_cancel(source, count, intake, commands)
    if type == C_BLOCK:
        return decode_block(source, count, intake, commands)
    if type == C_MMP_SET or type == C_MMP_RESET:
        return decode_guard(source, type, count, intake, commands)
    return decode_cancel(source, type, count, intake, commands)


cdef int decode_place(Reader *source, int64_t count, Intake *intake, CommandBuffer commands) except? -3:
    cdef int64_t instrument = 0, side = 0, price = 0, lots = 0, tif = 0, flags = 0
    cdef int64_t expire_us = 0, deadline_us = 0, stp = 0, tag = 0, display = 0
    cdef bint good = (
        8 <= count <= 13
        and read_within(source, 0, 0xFFFFFFFF, &instrument)
        and read_within(source, 0, 255, &side)
        and read_integer(source, &price)
        and read_integer(source, &lots)
        and read_within(source, 0, 255, &tif)
        and read_flags(source, W_PLACE_FLAGS, &flags)
        and (count < 9 or read_integer(source, &expire_us))
        and (count < 10 or read_within(source, 0, INTEGER_MAX, &deadline_us))
        and (count < 11 or read_within(source, 0, 255, &stp))
        and (count < 12 or read_within(source, 0, 0xFFFFFFFF, &tag))
        and (count < 13 or read_integer(source, &display))
    )
    if not good:
        return X_MALFORMED
    cdef Command *record = commands.add(intake, C_PLACE)
    record.instrument = <uint32_t>instrument
    record.side = <uint8_t>side
    record.price = core_value(price)
    record.lots = core_value(lots)
    record.tif = <uint8_t>tif
    record.flags = <uint8_t>flags
    record.amount = expire_us * 1000
    record.stp = <uint8_t>stp
    record.tag = <uint32_t>tag
    record.lots_2 = core_value(display)
    refuse_late(record, deadline_us, intake)
    intake.order_cost += 4
    return TAKEN


cdef void refuse_late(Command *record, int64_t deadline_us, const Intake *intake) noexcept nogil:
    """Have an order that came after its deadline refused by the core.

    It refuses an order that expired at the beginning of time with DEADLINE, and so consumes and remembers its ref as
    that of any other refused order.
    """
    if deadline_us and deadline_us < intake.wall_us:
        record.tif = GTD
        record.amount = 1


cdef int decode_block(Reader *source, int64_t count, Intake *intake, CommandBuffer commands) except? -3:
    """A block costs as many orders as legs of a quote would: it is looked for in every hour's book."""
    cdef int64_t product = 0, start = 0, hours = 0, side = 0, total = 0, lots = 0, least = 0, tif = 0, flags = 0
    cdef int64_t expire_us = 0, deadline_us = 0, stp = 0, tag = 0
    cdef uint64_t scope = 0
    cdef bint good = (
        12 <= count <= 16
        and read_within(source, 0, 0xFFFFFFFF, &product)
        and read_scope(source, &scope)
        and read_integer(source, &start)
        and read_within(source, 0, 255, &hours)
        and read_within(source, 0, 255, &side)
        and read_integer(source, &total)
        and read_integer(source, &lots)
        and read_integer(source, &least)
        and read_within(source, 0, 255, &tif)
        and read_flags(source, W_BLOCK_FLAGS, &flags)
        and (count < 13 or read_integer(source, &expire_us))
        and (count < 14 or read_within(source, 0, INTEGER_MAX, &deadline_us))
        and (count < 15 or read_within(source, 0, 255, &stp))
        and (count < 16 or read_within(source, 0, 0xFFFFFFFF, &tag))
    )
    if not good:
        return X_MALFORMED
    cdef Command *record = commands.add(intake, C_BLOCK)
    record.instrument = <uint32_t>product
    record.target = scope
    record.price_2 = core_value(start)          # No window is as late as what is out of range becomes.
    record.flags = <unsigned short>(flags | hours << 8)
    record.side = <uint8_t>side
    record.price = core_value(total)
    record.lots = core_value(lots)
    record.lots_2 = core_value(least)
    record.tif = <uint8_t>tif
    record.amount = expire_us * 1000
    record.stp = <uint8_t>stp
    record.tag = <uint32_t>tag
    refuse_late(record, deadline_us, intake)
    intake.order_cost += max(hours, 4)
    return TAKEN


cdef int decode_guard(Reader *source, int64_t type, int64_t count, Intake *intake, CommandBuffer commands) except? -3:
    """What guards a quote set: mmp_set and mmp_reset."""
    cdef int64_t quote_set = 0, window_ms = 0, fills = 0, lots = 0
    cdef bint good = count == (6 if type == C_MMP_SET else 3) and read_within(source, 0, 255, &quote_set)
    if good and type == C_MMP_SET:
        good = read_integer(source, &window_ms) and read_integer(source, &fills) and read_integer(source, &lots)
    if not good:
        return X_MALFORMED
    cdef Command *record = commands.add(intake, <int>type)
    record.side = <uint8_t>quote_set
    record.amount = window_ms
    record.price = core_value(fills)
    record.lots = core_value(lots)
    intake.order_cost += 4
    return TAKEN


cdef int decode_cancel(Reader *source, int64_t type, int64_t count, Intake *intake, CommandBuffer commands) except? -3:
    cdef int64_t target = 0
    if count != 3 or not read_within(source, 0, INTEGER_MAX, &target):
        return X_MALFORMED
    cdef Command *record = commands.add(intake, <int>type)
    record.target = <uint64_t>target
    intake.cancel_cost += 4
    return TAKEN


cdef int decode_replace(Reader *source, int64_t type, int64_t count, Intake *intake, CommandBuffer commands) except? -3:
    cdef int64_t target = 0, price = 0, lots = 0, flags = 0, stp = 0
    cdef bint good = (
        6 <= count <= 7
        and read_within(source, 0, INTEGER_MAX, &target)
        and read_integer(source, &price)
        and read_integer(source, &lots)
        and read_within(source, 0, W_KEEP_PRIORITY, &flags)
        and (count < 7 or read_within(source, 0, 255, &stp))
    )
    if not good:
        return X_MALFORMED
    cdef Command *record = commands.add(intake, <int>type)
    record.target = <uint64_t>target
    record.price = core_value(price)
    record.lots = core_value(lots)
    record.flags = F_KEEP_PRIORITY if flags else 0
    record.stp = <uint8_t>stp
    intake.order_cost += 4
    return TAKEN


cdef int decode_mass_cancel(Reader *source, int64_t count, Intake *intake, CommandBuffer commands) except? -3:
    cdef int64_t instrument = 0, side = 0, lane = 0, tag = 0, product = 0, first = 0, end = 0
    cdef bint has_instrument = False, has_side = False, has_lane = False, has_tag = False, has_product = False
    cdef bint has_first = False, has_end = False
    cdef bint good = (
        5 <= count <= 9
        and read_optional(source, 0xFFFFFFFF, &instrument, &has_instrument)
        and read_optional(source, 1, &side, &has_side)
        and read_optional(source, 255, &lane, &has_lane)
        and (count < 6 or read_optional(source, 0xFFFFFFFF, &tag, &has_tag))
        and (count < 7 or read_optional(source, VALUE_MAX, &product, &has_product))
        and (count < 8 or read_optional(source, 0xFFFFFFFF, &first, &has_first))
        and (count < 9 or read_optional(source, 0xFFFFFFFF, &end, &has_end))
    )
    if not good or has_first != has_end:                # A range of windows has two ends.
        return X_MALFORMED
    cdef Command *record = commands.add(intake, C_MASS_CANCEL)
    record.flags = (
        M_INSTRUMENT * has_instrument | M_SIDE * has_side | M_LANE * has_lane | M_TAG * has_tag
        | M_PRODUCT * has_product | M_WINDOWS * has_first
    )
    record.price_2 = <int32_t>product
    record.target = <uint64_t>first | <uint64_t>end << 32
    record.instrument = <uint32_t>instrument
    record.side = <uint8_t>side
    record.tif = <uint8_t>lane
    record.tag = <uint32_t>tag
    return TAKEN


cdef int decode_quote(Reader *source, int64_t count, Intake *intake, CommandBuffer commands) except? -3:
    """A quote's tail follows its legs, so its flags are put into the records afterwards."""
    cdef int64_t quote_set = 0, legs = 0, flags = 0, stp = 0, leg, tail = 0
    cdef Py_ssize_t first = commands.count
    if count < 4 or count > 6 or not read_within(source, 0, 255, &quote_set) or not read_array(source, &legs):
        return X_MALFORMED
    if legs < 1 or legs > OPERATIONS_MAX:
        return X_MALFORMED
    for leg in range(legs):
        if not decode_leg(source, commands.add(intake, C_QUOTE), quote_set, leg, legs):
            return X_MALFORMED
    if count >= 5 and not read_within(source, 0, F_POST_ONLY, &flags):
        return X_MALFORMED
    if count == 6 and not read_within(source, 0, 255, &stp):
        return X_MALFORMED
    for tail in range(first, commands.count):
        commands.records[tail].flags = <uint8_t>flags
        commands.records[tail].stp = <uint8_t>stp
    intake.order_cost += legs
    return TAKEN


cdef bint decode_leg(Reader *source, Command *record, int64_t quote_set, int64_t leg, int64_t legs) noexcept nogil:
    cdef int64_t count = 0, instrument = 0, bid = 0, bid_lots = 0, ask = 0, ask_lots = 0
    cdef bint good = (
        read_array(source, &count)
        and count == 5
        and read_within(source, 0, 0xFFFFFFFF, &instrument)
        and read_integer(source, &bid)
        and read_integer(source, &bid_lots)
        and read_integer(source, &ask)
        and read_integer(source, &ask_lots)
    )
    if not good:
        return False
    record.instrument = <uint32_t>instrument
    record.target = <uint64_t>leg | (<uint64_t>legs << 32)
    record.side = <uint8_t>quote_set
    record.price = core_value(bid)
    record.lots = core_value(bid_lots)
    record.price_2 = core_value(ask)
    record.lots_2 = core_value(ask_lots)
    return True


cdef int decode_batch(Reader *source, int count, Intake *intake, CommandBuffer commands) except? -3:
    """A batch is taken in whole or refused whole; `arg` of the reject is the operation that was at fault."""
    cdef int64_t mode = 0, operations = 0, elements = 0, type = 0
    cdef uint64_t ref = intake.ref
    cdef int i, verdict
    if count != 4 or not read_within(source, 0, 1, &mode) or not read_array(source, &operations):
        return X_MALFORMED
    if mode != 0:
        return X_UNKNOWN_TYPE
    if operations < 1 or operations > OPERATIONS_MAX:
        return X_MALFORMED
    for i in range(<int>operations):
        verdict = X_MALFORMED
        if read_array(source, &elements) and elements >= 2 and read_integer(source, &type):
            if C_PLACE <= type <= C_REPLACE or type == C_REPLACE_REF:
                if read_ref(source, intake):
                    verdict = decode_command(source, type, elements, intake, commands)
        if verdict != TAKEN:
            intake.ref = ref
            intake.arg = i
            return verdict
    intake.ref = ref
    intake.batch = <int32_t>operations
    return TAKEN


# For tests and tools: the same function on Python bytes.

def decode_message(bytes message, uint32_t account, uint8_t lane, int64_t wall_us=0):
    """Return (verdict, ref, arg, command records) of one binary message; see `decode`."""
    cdef Intake intake
    cdef CommandBuffer commands = CommandBuffer()
    memset(&intake, 0, sizeof(Intake))
    intake.account = account
    intake.lane = lane
    intake.wall_us = wall_us
    cdef int verdict = decode(
        <const uint8_t *>PyBytes_AS_STRING(message), PyBytes_GET_SIZE(message), &intake, commands
    )
    return verdict, intake.ref, intake.arg, commands.copy(0, commands.count)
