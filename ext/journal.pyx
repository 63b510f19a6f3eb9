"""Frames of the journal: checksums, encoding, and verification of whole segments at the speed of memory.

Knows bytes in memory only; files belong to gateway/journal, the writing thread to ext/journal_writer.
"""

cimport cython
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy, memset

import enum

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize


cdef extern from "crc32c.h" nogil:
    void crc32c_prepare()
    uint32_t c_crc32c "crc32c"(uint32_t crc, const uint8_t *data, size_t length)
    uint32_t crc32c_tables(uint32_t crc, const uint8_t *data, size_t length)

cdef extern from "sha256.h" nogil:
    ctypedef struct sha256_t:
        pass
    void sha256_prepare()
    void sha256_begin(sha256_t *sha, int plain)
    void sha256_add(sha256_t *sha, const uint8_t *data, size_t length)
    void sha256_end(sha256_t *sha, uint8_t *digest)

crc32c_prepare()
sha256_prepare()


class Magic(enum.IntEnum):
    """Kinds of frames: the first four bytes, read as a little-endian number."""

    BATCH = int.from_bytes(b"HGJB", "little")       # Commands.
    SEGMENT = int.from_bytes(b"HGJS", "little")     # First frame of a file.
    SEAL = int.from_bytes(b"HGJX", "little")        # Last frame of a file that another one follows.
    HASH = int.from_bytes(b"HGJH", "little")        # State hash after the command before first_seq.


class Stop(enum.IntEnum):
    """Why the verifier stopped. What follows from it is decided in gateway/journal/recovery.py."""

    MORE = 0            # Nothing is wrong; the index is full.
    SEALED = 1          # The last frame was a SEAL.
    END = 2             # The data ends here, after a whole frame.
    ZERO = 3            # A header sector of zeros.
    HEADER = 4          # A header whose checksum does not fit.
    SHORT = 5           # The frame is longer than the data.
    BODY = 6            # A good header before a body, padding or trailer that is not good.
    SEQUENCE = 7
    CHAIN = 8
    TERM = 9
    TIME = 10
    DURABLE = 11        # Claims that a command later than itself is on disk.
    RECORDS = 12        # Checksums fit, but the records in the body do not add up.
    KIND = 13           # A checksummed header of a kind this build does not know.


cdef enum:
    STOP_MORE = 0
    STOP_SEALED = 1
    STOP_END = 2
    STOP_ZERO = 3
    STOP_HEADER = 4
    STOP_SHORT = 5
    STOP_BODY = 6
    STOP_SEQUENCE = 7
    STOP_CHAIN = 8
    STOP_TERM = 9
    STOP_TIME = 10
    STOP_DURABLE = 11
    STOP_RECORDS = 12
    STOP_KIND = 13

cdef enum:
    MAGIC_BATCH = 0x424A4748
    MAGIC_SEGMENT = 0x534A4748
    MAGIC_SEAL = 0x584A4748
    MAGIC_HASH = 0x484A4748
    MAGIC_TRAILER = 0x454A4748          # 'HGJE'
    TRAILER_MASK = 0x5A5A5A5A
    PADDING = 0xA5
    RECORD_BYTES = 64


def crc32c(const uint8_t[::1] data, uint32_t crc=0, *, bint tables=False):
    """Return the CRC-32C of `data`, continuing `crc`. `tables` takes the way of processors without the instruction."""
    cdef const uint8_t *start = &data[0] if data.shape[0] else NULL
    if tables:
        return crc32c_tables(crc, start, data.shape[0])
    return c_crc32c(crc, start, data.shape[0])


def sha256(const uint8_t[::1] data, *, bint plain=False):
    """Return the SHA-256 of `data`. `plain` takes the way of processors without the instructions."""
    cdef sha256_t sha
    cdef uint8_t digest[32]
    sha256_begin(&sha, plain)
    if data.shape[0]:
        sha256_add(&sha, &data[0], data.shape[0])
    sha256_end(&sha, digest)
    return PyBytes_FromStringAndSize(<char *>digest, 32)


def count_records(const uint8_t[::1] data):
    """Return how many command records `data` holds, or -1 when their lengths do not add up."""
    return count_records_of(&data[0], data.shape[0]) if data.shape[0] else 0


cdef int64_t count_records_of(const uint8_t *data, uint64_t length) noexcept nogil:
    cdef uint64_t at = 0
    cdef int64_t count = 0
    cdef uint32_t record_bytes = 0
    while at < length:
        if length - at < RECORD_BYTES:
            return -1
        memcpy(&record_bytes, data + at, 4)
        if record_bytes < RECORD_BYTES or record_bytes % RECORD_BYTES or record_bytes > length - at:
            return -1
        at += record_bytes
        count += 1
    return count


cdef uint64_t frame_size(uint64_t body_bytes, uint64_t block_bytes) noexcept nogil:
    """Bytes of a frame with its padding and trailer."""
    return (HEADER_BYTES + body_bytes + TRAILER_BYTES + block_bytes - 1) // block_bytes * block_bytes


cdef uint32_t header_crc_of(const uint8_t *frame, uint32_t salt) noexcept nogil:
    cdef uint32_t crc = c_crc32c(0, frame, 4)
    crc = c_crc32c(crc, frame + 8, HEADER_BYTES - 8)
    return c_crc32c(crc, <const uint8_t *>&salt, 4)


cdef void finish_frame(uint8_t *frame, uint64_t frame_bytes, uint32_t salt, const uint8_t *chain) noexcept nogil:
    """Complete a frame whose body and other header fields are in place: chain, checksums, padding, trailer."""
    cdef Header *header = <Header *>frame
    cdef uint64_t body_end = HEADER_BYTES + header.body_bytes
    cdef uint32_t trailer[2]
    memcpy(header.chain, chain, CHAIN_BYTES)
    header.body_crc = c_crc32c(0, frame + HEADER_BYTES, header.body_bytes)
    header.header_crc = header_crc_of(frame, salt)
    memset(frame + body_end, PADDING, frame_bytes - TRAILER_BYTES - body_end)
    trailer[0] = MAGIC_TRAILER
    trailer[1] = header.header_crc ^ TRAILER_MASK
    memcpy(frame + frame_bytes - TRAILER_BYTES, trailer, TRAILER_BYTES)


cdef void advance_chain(uint8_t *chain, const uint8_t *frame, uint64_t frame_bytes) noexcept nogil:
    """Replace `chain` by the first 16 bytes of SHA-256(chain, frame)."""
    cdef sha256_t sha
    cdef uint8_t digest[32]
    sha256_begin(&sha, 0)
    sha256_add(&sha, chain, CHAIN_BYTES)
    sha256_add(&sha, frame, frame_bytes)
    sha256_end(&sha, digest)
    memcpy(chain, digest, CHAIN_BYTES)


def encode_frame(uint32_t magic, uint64_t first_seq, int64_t ts_ns, uint32_t count, const uint8_t[::1] body, *,
                 bytes chain, uint32_t salt, uint64_t durable_seq=0, uint32_t term=1, uint64_t block_bytes=512):
    """Return one whole frame as it stands on disk."""
    if len(chain) != CHAIN_BYTES:
        raise ValueError(f"chain must be {CHAIN_BYTES} bytes, was {len(chain)}")
    cdef uint64_t frame_bytes = frame_size(body.shape[0], block_bytes)
    frame = PyBytes_FromStringAndSize(NULL, frame_bytes)
    cdef uint8_t *start = <uint8_t *>PyBytes_AS_STRING(frame)
    cdef Header *header = <Header *>start
    header.magic = magic
    header.first_seq = first_seq
    header.count = count
    header.body_bytes = <uint32_t>body.shape[0]
    header.durable_seq = durable_seq
    header.ts_ns = ts_ns
    header.term = term
    if body.shape[0]:
        memcpy(start + HEADER_BYTES, &body[0], body.shape[0])
    finish_frame(start, frame_bytes, salt, <const uint8_t *>PyBytes_AS_STRING(chain))
    return frame


def next_chain(bytes chain, const uint8_t[::1] frame):
    """Return the chain value after `frame`."""
    cdef uint8_t after[CHAIN_BYTES]
    if len(chain) != CHAIN_BYTES:
        raise ValueError(f"chain must be {CHAIN_BYTES} bytes, was {len(chain)}")
    memcpy(after, PyBytes_AS_STRING(chain), CHAIN_BYTES)
    advance_chain(after, &frame[0], frame.shape[0])
    return PyBytes_FromStringAndSize(<char *>after, CHAIN_BYTES)


cdef bint is_zero(const uint8_t *data, uint64_t length) noexcept nogil:
    """Whether all bytes are zero; `length` is at least 1. A block compared with itself one byte further."""
    return data[0] == 0 and memcmp(data, data + 1, length - 1) == 0


@cython.final
cdef class Verifier:
    """Checks frame after frame and remembers what the next one must say. One per journal, through all its segments."""

    cdef readonly uint64_t next_seq         # Sequence number the next frame must begin with.
    cdef readonly int64_t ts_ns             # Time of the last frame; the next one is not earlier.
    cdef readonly uint32_t term
    cdef readonly object expected           # After a stop: what had to be there, and what was.
    cdef readonly object found
    cdef public uint32_t salt               # Of the segment under way.
    cdef public uint64_t block_bytes
    cdef uint8_t chain_value[CHAIN_BYTES]
    cdef uint64_t expected_number
    cdef uint64_t found_number

    def __init__(self, uint64_t next_seq=1, bytes chain=bytes(16), int64_t ts_ns=0, uint32_t term=0):
        self.next_seq = next_seq
        self.ts_ns = ts_ns
        self.term = term
        self.salt = 0
        self.block_bytes = SECTOR_BYTES
        if len(chain) != CHAIN_BYTES:
            raise ValueError(f"chain must be {CHAIN_BYTES} bytes, was {len(chain)}")
        memcpy(self.chain_value, PyBytes_AS_STRING(chain), CHAIN_BYTES)

    @property
    def chain(self):
        """What the frames so far hash to, 16 bytes."""
        return PyBytes_FromStringAndSize(<char *>self.chain_value, CHAIN_BYTES)

    def scan(self, const uint8_t[::1] data, uint64_t offset=0, int frames_max=4096):
        """Verify frames from `offset` on.

        Returns the good frames (an array of FrameIndex, as bytes), the offset after them, and a Stop.
        """
        cdef uint64_t length = data.shape[0]
        cdef int stop = STOP_MORE
        cdef int frames = 0
        index = PyBytes_FromStringAndSize(NULL, frames_max * sizeof(FrameIndex))
        cdef FrameIndex *entries = <FrameIndex *>PyBytes_AS_STRING(index)
        cdef const uint8_t *start = &data[0] if length else NULL
        with nogil:
            while frames < frames_max and stop == STOP_MORE:
                if offset >= length:
                    stop = STOP_END
                    break
                stop = self.check(start + offset, length - offset, entries + frames)
                if stop == STOP_MORE or stop == STOP_SEALED:
                    entries[frames].offset = offset
                    offset += entries[frames].frame_bytes
                    frames += 1
        self.describe(stop, start + offset if offset < length else NULL)
        return index[:frames * sizeof(FrameIndex)], offset, stop

    cdef int check(self, const uint8_t *frame, uint64_t room, FrameIndex *entry) noexcept nogil:
        """Check one frame and take it in. A Stop; MORE and SEALED when it is good."""
        cdef const Header *header = <const Header *>frame
        cdef uint64_t frame_bytes
        cdef int stop
        if room < SECTOR_BYTES:
            return STOP_SHORT
        if is_zero(frame, SECTOR_BYTES):
            return STOP_ZERO
        self.expected_number = header_crc_of(frame, self.salt)
        self.found_number = header.header_crc
        if self.expected_number != self.found_number:
            return STOP_HEADER
        stop = self.check_header(header)
        if stop != STOP_MORE:
            return stop
        frame_bytes = frame_size(header.body_bytes, self.block_bytes)
        if frame_bytes > room:
            self.expected_number = frame_bytes
            self.found_number = room
            return STOP_SHORT
        if not self.body_is_good(frame, frame_bytes):
            return STOP_BODY
        if header.magic == MAGIC_BATCH and count_records_of(frame + HEADER_BYTES, header.body_bytes) != header.count:
            return STOP_RECORDS
        self.take(frame, frame_bytes, entry)
        return STOP_SEALED if header.magic == MAGIC_SEAL else STOP_MORE

    cdef int check_header(self, const Header *header) noexcept nogil:
        """Whether a header with a good checksum continues what came before."""
        if header.magic not in (MAGIC_BATCH, MAGIC_SEGMENT, MAGIC_SEAL, MAGIC_HASH):
            return STOP_KIND
        self.expected_number = self.next_seq
        self.found_number = header.first_seq
        if header.first_seq != self.next_seq:
            return STOP_SEQUENCE
        if memcmp(header.chain, self.chain_value, CHAIN_BYTES) != 0:
            return STOP_CHAIN
        self.expected_number = self.term
        self.found_number = header.term
        if header.term < self.term:
            return STOP_TERM
        self.expected_number = <uint64_t>self.ts_ns
        self.found_number = <uint64_t>header.ts_ns
        if header.ts_ns < self.ts_ns:
            return STOP_TIME
        self.expected_number = header.first_seq - 1
        self.found_number = header.durable_seq
        if header.durable_seq >= header.first_seq:
            return STOP_DURABLE
        if (header.count == 0) == (header.magic == MAGIC_BATCH):
            return STOP_RECORDS
        return STOP_MORE

    cdef bint body_is_good(self, const uint8_t *frame, uint64_t frame_bytes) noexcept nogil:
        cdef const Header *header = <const Header *>frame
        cdef uint64_t at
        cdef uint32_t trailer[2]
        self.expected_number = header.body_crc
        self.found_number = c_crc32c(0, frame + HEADER_BYTES, header.body_bytes)
        if self.expected_number != self.found_number:
            return False
        memcpy(trailer, frame + frame_bytes - TRAILER_BYTES, TRAILER_BYTES)
        self.expected_number = header.header_crc ^ TRAILER_MASK
        self.found_number = trailer[1]
        if trailer[0] != MAGIC_TRAILER or trailer[1] != self.expected_number:
            return False
        self.expected_number = PADDING
        for at in range(HEADER_BYTES + header.body_bytes, frame_bytes - TRAILER_BYTES):
            self.found_number = frame[at]
            if frame[at] != PADDING:
                return False
        return True

    cdef void take(self, const uint8_t *frame, uint64_t frame_bytes, FrameIndex *entry) noexcept nogil:
        cdef const Header *header = <const Header *>frame
        memset(entry, 0, sizeof(FrameIndex))
        entry.first_seq = header.first_seq
        entry.ts_ns = header.ts_ns
        entry.durable_seq = header.durable_seq
        entry.magic = header.magic
        entry.count = header.count
        entry.body_bytes = header.body_bytes
        entry.frame_bytes = <uint32_t>frame_bytes
        entry.term = header.term
        self.next_seq += header.count
        self.ts_ns = header.ts_ns
        self.term = header.term
        advance_chain(self.chain_value, frame, frame_bytes)

    cdef describe(self, int stop, const uint8_t *frame):
        """Put expected and found into words an operator can compare."""
        self.expected = self.found = None
        if stop == STOP_CHAIN:
            self.expected = self.chain.hex()
            self.found = PyBytes_FromStringAndSize(<const char *>(<const Header *>frame).chain, CHAIN_BYTES).hex()
        elif stop == STOP_TIME:
            self.expected, self.found = <int64_t>self.expected_number, <int64_t>self.found_number
        elif stop in (STOP_HEADER, STOP_BODY):
            self.expected, self.found = f"{self.expected_number:08x}", f"{self.found_number:08x}"
        elif stop in (STOP_SHORT, STOP_SEQUENCE, STOP_TERM, STOP_DURABLE):
            self.expected, self.found = self.expected_number, self.found_number


def later_proof(const uint8_t[::1] data, uint64_t offset, uint64_t expected_seq, uint32_t salt):
    """Return the offset of a later frame that proves the one missing at `offset` was on disk, or -1.

    A frame proves it by claiming `expected_seq` as durable. One that claims `expected_seq - 1` (not 0) proves it too:
    it stands behind this place, and in mode disk every frame in front of another one is on disk, also a frame
    without commands, which takes no sequence number.
    """
    cdef uint64_t length = data.shape[0]
    cdef const uint8_t *start = &data[0] if length else NULL
    cdef const Header *header
    cdef uint64_t at = (offset // SECTOR_BYTES + 1) * SECTOR_BYTES
    cdef int64_t proof = -1
    with nogil:
        while at + SECTOR_BYTES <= length:
            header = <const Header *>(start + at)
            if (header.magic in (MAGIC_BATCH, MAGIC_SEAL, MAGIC_HASH)
                    and header.durable_seq != 0 and header.durable_seq + 1 >= expected_seq
                    and header.header_crc == header_crc_of(start + at, salt)):
                proof = <int64_t>at
                break
            at += SECTOR_BYTES
    return proof


def frame_is_torn(const uint8_t[::1] data, uint64_t offset, uint64_t block_bytes=512):
    """Whether the frame at `offset`, whose header is good, lacks a sector: one is all zero, or the trailer is."""
    cdef const uint8_t *frame = &data[offset]
    cdef uint64_t frame_bytes = frame_size((<const Header *>frame).body_bytes, block_bytes)
    cdef uint64_t at
    if is_zero(frame + frame_bytes - TRAILER_BYTES, TRAILER_BYTES):
        return True
    for at in range(0, frame_bytes, SECTOR_BYTES):
        if is_zero(frame + at, SECTOR_BYTES):
            return True
    return False


def written_end(const uint8_t[::1] data, uint64_t offset):
    """Return the end of the last sector from `offset` on that is not all zero; `offset` when there is none."""
    cdef uint64_t at = data.shape[0] // SECTOR_BYTES * SECTOR_BYTES
    cdef const uint8_t *start = &data[0] if at else NULL
    with nogil:
        while at > offset and is_zero(start + at - SECTOR_BYTES, SECTOR_BYTES):
            at -= SECTOR_BYTES
    return at
