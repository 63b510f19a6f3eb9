"""The journal's frames, as the writer's thread and the verifier share them. Layout: docs/spec/journal.md."""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t


cdef enum:
    HEADER_BYTES = 64
    TRAILER_BYTES = 8
    SECTOR_BYTES = 512          # What a disk writes whole.
    CHAIN_BYTES = 16


cdef packed struct Header:      # 64 bytes at the start of every frame, little endian.
    uint32_t magic              # The frame's kind.
    uint32_t header_crc         # Over magic, bytes 8 to 64 and the segment's salt.
    uint64_t first_seq          # Of the first command; a frame without commands: of the next one.
    uint32_t count              # Commands in the body.
    uint32_t body_bytes
    uint64_t durable_seq        # Newest command known to be on disk by then; 0: nothing is claimed.
    int64_t ts_ns
    uint32_t term
    uint32_t body_crc
    uint8_t chain[16]           # What the frames before this one hash to.


cdef packed struct FrameIndex:  # 64 bytes: what the verifier tells of one good frame; FRAME in layout.py.
    uint64_t offset             # Of the frame's header in the segment.
    uint64_t first_seq
    int64_t ts_ns
    uint64_t durable_seq
    uint32_t magic
    uint32_t count
    uint32_t body_bytes
    uint32_t frame_bytes
    uint32_t term
    uint32_t unused
    uint64_t unused_2


cdef uint64_t frame_size(uint64_t body_bytes, uint64_t block_bytes) noexcept nogil
cdef void finish_frame(uint8_t *frame, uint64_t frame_bytes, uint32_t salt, const uint8_t *chain) noexcept nogil
cdef void advance_chain(uint8_t *chain, const uint8_t *frame, uint64_t frame_bytes) noexcept nogil
