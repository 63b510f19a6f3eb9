# cython: boundscheck=False, wraparound=False, cdivision=True
"""The last messages of a private stream, as frames, for those who come back.

Two buffers take turns: when the newer one is full the older one is emptied and becomes the newer. So at least
`half_bytes` of frames are there, nothing is ever moved, and a frame costs one copy however many listen.
"""

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport int64_t, uint8_t

HALF_BYTES = 256 * 1024


cdef Py_ssize_t frame_head(const uint8_t *frame) noexcept nogil:
    """Return the size of the header of a server's frame, of less than 64 KiB."""
    return 4 if frame[1] == 126 else 2


cdef Py_ssize_t frame_bytes(const uint8_t *head) noexcept nogil:
    """Return the size of a server's frame, header included, of less than 64 KiB."""
    cdef Py_ssize_t size = head[1]
    if size == 126:
        return 4 + (head[2] << 8 | head[3])
    return 2 + size


cdef class History:
    """Frames numbered without gaps, the newest ones kept."""

    def __init__(self, Py_ssize_t half_bytes=HALF_BYTES):
        if half_bytes < 1:
            raise ValueError(f"half_bytes must be at least 1, was {half_bytes}")
        self.recent = Buffer()
        self.older = Buffer()
        self.half_bytes = half_bytes

    cdef Py_ssize_t begin(self, int64_t pseq) except -1:
        """Return where in `recent` the frame of `pseq` is to be written."""
        if pseq != self.next:                   # The first one, or the first one after a snapshot.
            self.recent.size = self.older.size = 0
            self.first = self.older_first = pseq
        elif self.recent.size >= self.half_bytes:
            self.recent, self.older = self.older, self.recent
            self.recent.size = 0
            self.older_first = self.first
            self.first = pseq
        self.next = pseq + 1
        return self.recent.size

    cdef int64_t oldest(self) noexcept:
        return self.older_first if self.older.size else self.first

    @property
    def oldest_pseq(self):
        """Number of the oldest frame there is; 0: none yet."""
        return self.oldest()

    def since(self, int64_t pseq, int64_t last):
        """Return the frames from `pseq` to `last` end to end; None where the first ones are gone. O(bytes kept)."""
        cdef bytes found = b""
        if pseq >= self.next:
            return found
        if pseq < self.oldest():
            return None
        if pseq < self.first:
            found = self.cut(self.older, self.older_first, pseq, last)
        if last >= self.first:
            found += self.cut(self.recent, self.first, max(pseq, self.first), last)
        return found

    cdef bytes cut(self, Buffer frames, int64_t number, int64_t first, int64_t last):
        """Return the frames from `first` to `last` of a buffer whose first frame has a number."""
        cdef Py_ssize_t at = 0, start
        while at < frames.size and number < first:
            at += frame_bytes(frames.data + at)
            number += 1
        start = at
        while at < frames.size and number <= last:
            at += frame_bytes(frames.data + at)
            number += 1
        return PyBytes_FromStringAndSize(<char *>(frames.data + start), at - start)
