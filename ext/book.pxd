"""One leaf book: price levels in a 64-way trie, orders in FIFO lists, everything in arenas shared by all books.

`docs/decisions/0002-price-levels-in-a-trie.md` says why a trie; `docs/c-api.md` describes the functions at the end.
"""

from ext.types cimport (
    META_BITS, NIL, SLOT_BITS, SLOT_MASK, Book, Fill, Level, Order, Terms, int32_t, int64_t, uint32_t, uint64_t,
)


cdef enum:                      # Why a match step stopped.
    MATCH_DONE = 0              # Nothing is left of the aggressor, or nothing it may take.
    MATCH_HELD = 1              # A reduce-only order is next: the caller decides how much of it may fill.
    MATCH_FULL = 2              # The fill buffer is full: take the fills, call again.
    MATCH_SELF = 3              # Self-match prevention ended the aggressor.
    MATCH_STALE = 4             # A cancelled order is next (only where `lives` is kept).


cdef extern from "arena.h" nogil:
    void *arena_reserve(size_t size)
    void arena_release(void *memory, size_t size)
    void prefetch(const void *address)
    void prefetch_write(const void *address)


cdef struct Books:              # The arenas, and the books that live in them.
    Order *orders
    Terms *terms                # By the same slots.
    Level *levels
    uint64_t *bitmaps           # By trie node: which children there are; of a free node the next free one.
    uint32_t *children          # 64 by trie node: nodes, or at the bottom levels; 0: none.
    Book *books
    uint32_t *dirty             # Levels touched by the present command, each once.
    Fill *fills
    uint32_t *lives             # By slot: generation of the order that rests there, 0 if none. NULL: not kept.
    uint32_t orders_max
    uint32_t orders_used
    uint32_t free_order
    uint32_t orders_alive
    uint32_t levels_used
    uint32_t free_level
    uint32_t nodes_used
    uint32_t free_node
    uint32_t dirty_count
    uint32_t fills_count
    uint32_t fills_max
    uint32_t books_max


cdef int books_open(Books *self, uint32_t orders_max, uint32_t books_max, uint32_t fills_max) except -1
cdef void open_book(Books *self, uint32_t book) noexcept nogil
cdef void books_close(Books *self) noexcept nogil
cdef int match_order(Books *self, uint32_t book, int side, int32_t limit, int32_t *leaves, uint32_t owner, int stp,
                     uint32_t pass_slot) noexcept nogil
cdef int64_t reachable_lots(Books *self, uint32_t book, int side, int32_t limit, int64_t wanted, uint32_t owner,
                            int stp) noexcept nogil


cdef inline uint64_t handle_of(Books *self, uint32_t slot) noexcept nogil:
    return (<uint64_t>(self.orders[slot].meta >> META_BITS) << SLOT_BITS) | slot


cdef inline uint32_t slot_of(Books *self, uint64_t handle) noexcept nogil:
    """The slot a live handle names, or NIL. The generation guards against reuse."""
    cdef uint32_t slot = <uint32_t>(handle & SLOT_MASK)
    if slot >= self.orders_used or self.orders[slot].leaves == 0:
        return NIL
    return slot if self.orders[slot].meta >> META_BITS == handle >> SLOT_BITS else NIL


cdef inline int32_t eagerness(int side, int32_t price) noexcept nogil:
    """The higher, the sooner an order of `side` at this price trades. Without a branch: sides come in random order."""
    return price ^ -side


cdef inline int reaches(int side, int32_t limit, int32_t price) noexcept nogil:
    """Whether an aggressor of `side` with this limit may trade at `price`."""
    return eagerness(side, limit) >= eagerness(side, price)


cdef inline void touch_level(Books *self, uint32_t level) noexcept nogil:
    if not self.levels[level].dirty:
        self.levels[level].dirty = 1
        self.dirty[self.dirty_count] = level
        self.dirty_count += 1


# The C interface to a single book (docs/c-api.md). Nothing here needs the GIL.
ctypedef void *hg_book

cdef enum:
    HG_OK = 0
    HG_BAD_ARGUMENT = -1
    HG_BOOK_FULL = -2
    HG_WOULD_TAKE = -3
    HG_UNFILLED = -4
    HG_NO_ORDER = -5

cdef enum:
    HG_IOC = 1
    HG_FOK = 2
    HG_POST_ONLY = 4
    HG_STP_SHIFT = 4            # Self-match mode: flags |= mode << 4.

cdef hg_book hg_book_create(uint32_t orders_max) noexcept nogil
cdef void hg_book_destroy(hg_book book) noexcept nogil
cdef int hg_book_add(hg_book book, int side, int32_t price, int32_t lots, uint32_t owner, int flags, int32_t display,
                     uint64_t *handle) noexcept nogil
cdef int hg_book_cancel(hg_book book, uint64_t handle) noexcept nogil
cdef int hg_book_replace(hg_book book, uint64_t handle, int32_t price, int32_t lots) noexcept nogil
cdef int hg_book_best(hg_book book, int side, int32_t *price, int64_t *lots) noexcept nogil
cdef int hg_book_depth(hg_book book, int side, int levels_max, int32_t *prices, int64_t *lots) noexcept nogil
cdef uint32_t hg_book_fills(hg_book book, const Fill **fills) noexcept nogil
cdef int64_t hg_book_leaves(hg_book book, uint64_t handle) noexcept nogil
cdef void hg_book_prefetch(hg_book book, uint64_t handle) noexcept nogil
