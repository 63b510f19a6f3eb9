"""The resting blocks of one product, and the best prices of its books as sums over windows.

A new order may wake every block that covers its window and fabric. Which ones these are is found by an AND of bitmaps,
64 blocks at a time; whether one can afford its legs is asked of sums of the best costs, which take O(1) a block. Sums
are kept by chunks of windows: a change of one best price touches the rest of its chunk and the chunks behind it.

Mostly even that is not needed: for every fabric and side a bound is kept that no block's shortfall, what its span costs
beyond its limit, is below. A best price that gets better takes the bound down by as much, and only when it is used up
are the blocks looked at; now and then the bound is then made exact again.

A cost is a price, or minus a bid, so that less is always better (docs/spec/blocks.md). A book without orders, or not
CONTINUOUS, costs MISSING.
"""

from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t

from ext.state cimport State
from ext.types cimport Block


cdef enum:
    SHELF_WORDS = 157           # Bits for BLOCKS_PER_PRODUCT_MAX blocks.
    RING_WINDOWS = 256          # Windows so far apart share a bitmap; the block itself is looked at, too.
    CHUNK_BITS = 5
    CHUNK_WINDOWS = 1 << CHUNK_BITS
    SCANS_A_BOUND = 32          # So many scans pay for making a bound exact.


cdef extern from *:
    """
    #define HG_MISSING ((int64_t)1 << 40)
    """
    int64_t MISSING "HG_MISSING"
    int ctz "__builtin_ctzll"(unsigned long long) nogil


cdef struct Bits:
    uint64_t word[SHELF_WORDS]


cdef struct Tops:               # Best costs of one side of one fabric, by window from the product's first one.
    int64_t *cost
    int64_t *inner              # Sum over the windows of the chunk before this one; there is one entry more.
    int64_t *outer              # By chunk: sum over all chunks before.


cdef struct Wish:               # What a scan needs of a block, by place.
    int64_t limit               # As a cost.
    int32_t start
    int32_t hours
    int64_t least


cdef struct Shelf:
    Wish wishes[SHELF_WORDS * 64]
    uint32_t blocks[SHELF_WORDS * 64]       # By place: index of the block.
    uint32_t free[SHELF_WORDS * 64]         # Places that were given back.
    uint32_t free_count
    uint32_t used
    uint32_t count
    Bits side[2]
    Bits fabric[64]
    Bits window[RING_WINDOWS]
    Tops tops[64][2]
    int64_t bound[64][2]        # By fabric and side of the books: the shortfall of no block of the other side is less.
    uint32_t scans[64][2]       # Since the bound was exact.
    int32_t windows             # For how many there is room in `tops`; 0: they are not up to date.
    int32_t first_window


cdef Shelf *shelf_of(State *self, uint32_t product) noexcept nogil
cdef void shelf_add(State *self, uint32_t index) noexcept nogil
cdef void shelf_remove(State *self, uint32_t index) noexcept nogil
cdef void shelf_scope(State *self, uint32_t index, uint64_t scope) noexcept nogil
cdef void shelf_wish(State *self, uint32_t index) noexcept nogil
cdef void tighten_bound(Shelf *self, int fabric, int side) noexcept nogil
cdef void shelf_free(Shelf *self) noexcept nogil
cdef void shelf_stale(State *self, uint32_t product) noexcept nogil
cdef void ensure_tops(State *self, uint32_t product) noexcept nogil
cdef void sync_tops(State *self) noexcept nogil
cdef void sync_top(State *self, uint32_t handle) noexcept nogil


cdef inline int64_t cost_before(const Tops *tops, int64_t at) noexcept nogil:
    """Sum of the best costs of all windows before place `at`."""
    return tops.outer[at >> CHUNK_BITS] + tops.inner[at]


cdef inline int64_t shortfall(const Shelf *self, const Wish *wish, int fabric, int side) noexcept nogil:
    """What a block's span costs at the best prices beyond its limit; above 0: it cannot trade."""
    cdef const Tops *tops = &self.tops[fabric][side]
    cdef int64_t at = <int64_t>wish.start - self.first_window
    return cost_before(tops, at + wish.hours) - cost_before(tops, at) - wish.limit


cdef inline int64_t span_cost(const Shelf *self, int fabric, int side, int32_t start, int32_t hours) noexcept nogil:
    """Sum of the best costs of `side` over a span of listed windows; MISSING or more where one has none. O(1)."""
    cdef const Tops *tops = &self.tops[fabric][side]
    cdef int64_t at = <int64_t>start - self.first_window
    return cost_before(tops, at + hours) - cost_before(tops, at)


cdef inline uint64_t covering_word(const Shelf *shelf, uint32_t word, int side, int32_t window,
                                   int fabric) noexcept nogil:
    """Which of 64 places hold a block of a side that may have a leg in (window, fabric)."""
    return shelf.side[side].word[word] & shelf.fabric[fabric].word[word] & shelf.window[window & 255].word[word]
