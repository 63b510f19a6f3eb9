# cython: language_level=3
"""One Hourglass book driven from Cython: compiled and run by tests/unit/test_c_api.py."""

from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t

from ext.book cimport (
    HG_IOC, HG_OK, HG_WOULD_TAKE, HG_POST_ONLY, hg_book, hg_book_add, hg_book_best, hg_book_cancel, hg_book_create,
    hg_book_depth, hg_book_destroy, hg_book_fills, hg_book_replace,
)
from ext.types cimport BUY, SELL, Fill


def main():
    """Two sellers, one buyer; returns what was seen, for the test."""
    cdef hg_book book = hg_book_create(1_000)
    cdef uint64_t ann, bob, cat
    cdef const Fill *fills
    cdef uint32_t count, index
    cdef int32_t price = 0
    cdef int32_t prices[4]
    cdef int64_t lots = 0
    cdef int64_t depth[4]
    if book == NULL:
        raise MemoryError("no address space for a book")
    try:
        with nogil:                                     # Nothing below needs the interpreter.
            hg_book_add(book, SELL, 101, 5, 1, 0, 0, &ann)
            hg_book_add(book, SELL, 100, 5, 2, 0, 0, &bob)
            hg_book_add(book, BUY, 101, 7, 3, HG_IOC, 0, &cat)
            count = hg_book_fills(book, &fills)
        trades = [(fills[index].maker == bob, fills[index].price, fills[index].lots) for index in range(count)]
        found = hg_book_best(book, SELL, &price, &lots)
        assert found and (price, lots) == (101, 3)
        assert hg_book_add(book, BUY, 101, 1, 3, HG_POST_ONLY, 0, &cat) == HG_WOULD_TAKE
        assert hg_book_replace(book, ann, 102, 4) == HG_OK
        assert hg_book_depth(book, SELL, 4, prices, depth) == 1 and (prices[0], depth[0]) == (102, 4)
        assert hg_book_cancel(book, ann) == HG_OK
        return trades
    finally:
        hg_book_destroy(book)
