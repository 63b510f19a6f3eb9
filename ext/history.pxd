"""The last messages of a private stream, as frames, for those who come back."""

from libc.stdint cimport int64_t, uint8_t

from ext.frames cimport Buffer


cdef Py_ssize_t frame_head(const uint8_t *frame) noexcept nogil


cdef class History:
    cdef Buffer recent
    cdef Buffer older
    cdef int64_t first              # pseq of the first frame of `recent`.
    cdef int64_t older_first
    cdef int64_t next               # pseq of the next frame; frames of a history have no gaps between them.
    cdef Py_ssize_t half_bytes

    cdef Py_ssize_t begin(self, int64_t pseq) except -1
    cdef int64_t oldest(self) noexcept
    cdef bytes cut(self, Buffer frames, int64_t number, int64_t first, int64_t last)
