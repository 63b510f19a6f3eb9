# cython: boundscheck=False, wraparound=False, cdivision=True
"""Visible levels of one side of a book, and how they are written as [px, qty, px, qty, ...]."""

from libc.stdlib cimport free, qsort, realloc
from libc.string cimport memmove

from ext.encoder cimport put_integer


cdef uint8_t *put_array(uint8_t *to, Py_ssize_t count) noexcept nogil:
    """Write the head of an array; at most 5 bytes."""
    cdef int i
    if count < 16:
        to[0] = <uint8_t>(0x90 | count)
        return to + 1
    if count < 65536:
        to[0] = 0xDC
        to[1] = <uint8_t>(count >> 8)
        to[2] = <uint8_t>count
        return to + 3
    to[0] = 0xDD
    for i in range(4):
        to[1 + i] = <uint8_t>(count >> (8 * (3 - i)))
    return to + 5


cdef int compare_keys(const void *left, const void *right) noexcept nogil:
    """The highest first."""
    cdef int64_t a = (<const int64_t *>left)[0]
    cdef int64_t b = (<const int64_t *>right)[0]
    return (a < b) - (a > b)


cdef class Keys:
    """A growing list of 64-bit numbers."""

    def __dealloc__(self):
        free(self.data)

    cdef int push(self, int64_t key) except -1:
        """Append a number."""
        cdef void *grown
        if self.count == self.capacity:
            grown = realloc(self.data, max(2 * self.capacity, 16) * sizeof(int64_t))
            if grown == NULL:
                raise MemoryError("no memory for depth")
            self.data = <int64_t *>grown
            self.capacity = max(2 * self.capacity, 16)
        self.data[self.count] = key
        self.count += 1
        return 0

    cdef void settle(self) noexcept:
        """Put them in order, the highest first, each once."""
        cdef Py_ssize_t i, kept = 0
        if self.count > 1:
            qsort(self.data, self.count, sizeof(int64_t), compare_keys)
        for i in range(self.count):
            if i == 0 or self.data[i] != self.data[i - 1]:
                self.data[kept] = self.data[i]
                kept += 1
        self.count = kept


cdef class Ladder:
    """Visible levels of one side."""

    def __cinit__(self, int sign):
        self.sign = sign
        self.touched = Keys()

    def __dealloc__(self):
        free(self.rows)

    cdef Py_ssize_t find(self, int64_t key) noexcept:
        """Index of the first row whose key is not below `key`. O(log levels)."""
        cdef Py_ssize_t low = 0, high = self.count, middle
        if high and self.rows[high - 1].key < key:
            return high
        while low < high:
            middle = (low + high) >> 1
            if self.rows[middle].key < key:
                low = middle + 1
            else:
                high = middle
        return low

    cdef int set(self, int32_t price, int64_t lots) except -1:
        """Put a level's shown lots; 0 takes the level away. O(levels better than it)."""
        cdef int64_t key = <int64_t>price * self.sign
        cdef Py_ssize_t at = self.find(key)
        cdef bint known = at < self.count and self.rows[at].key == key
        cdef void *grown
        if lots == 0:
            if known:
                self.count -= 1
                memmove(&self.rows[at], &self.rows[at + 1], (self.count - at) * sizeof(Row))
            return 0
        if not known:
            if self.count == self.capacity:
                grown = realloc(self.rows, max(2 * self.capacity, 16) * sizeof(Row))
                if grown == NULL:
                    raise MemoryError("no memory for depth")
                self.rows = <Row *>grown
                self.capacity = max(2 * self.capacity, 16)
            memmove(&self.rows[at + 1], &self.rows[at], (self.count - at) * sizeof(Row))
            self.count += 1
            self.rows[at].key = key
        self.rows[at].lots = lots
        return 0

    cdef int64_t shown_lots(self, int64_t key, Py_ssize_t depth) noexcept:
        """Lots of a level, 0 where there is none or it is not among the best `depth`. O(log levels)."""
        cdef Py_ssize_t at = self.find(key)
        if at < self.count and self.rows[at].key == key and self.count - at <= depth:
            return self.rows[at].lots
        return 0

    cdef int put_rows(self, Buffer out, Py_ssize_t depth) except -1:
        """Append [px, qty, ...] of the best `depth` levels, best first."""
        cdef Py_ssize_t i
        cdef Py_ssize_t levels = min(depth, self.count)
        cdef uint8_t *to = put_array(out.reserve(5 + 18 * levels), 2 * levels)
        for i in range(self.count - 1, self.count - 1 - levels, -1):
            to = put_integer(to, self.rows[i].key * self.sign)
            to = put_integer(to, self.rows[i].lots)
        out.size = to - out.data
        return 0

    cdef int put_levels(self, Buffer out, Keys keys, Py_ssize_t depth) except -1:
        """Append [px, qty, ...] of some levels as they are now; qty 0: not, or not among the best `depth`."""
        cdef Py_ssize_t i
        cdef uint8_t *to = put_array(out.reserve(5 + 18 * keys.count), 2 * keys.count)
        for i in range(keys.count):
            to = put_integer(to, keys.data[i] * self.sign)
            to = put_integer(to, self.shown_lots(keys.data[i], depth))
        out.size = to - out.data
        return 0

    def load(self, list levels):
        """Forget everything, and take (price, lots) pairs."""
        self.count = 0
        self.touched.count = 0
        for price, lots in levels:
            self.set(price, lots)

    def levels(self, Py_ssize_t depth):
        """Return [(price, lots), ...], best first."""
        return [
            (self.rows[i].key * self.sign, self.rows[i].lots)
            for i in range(self.count - 1, self.count - 1 - min(depth, self.count), -1)
        ]
