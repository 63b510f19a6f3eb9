# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""Keeps the shelves of resting blocks. Layout and the idea are in shelf.pxd."""

from libc.stdlib cimport calloc, free
from libc.string cimport memset

from ext.state cimport BROKEN_MEMORY, Product, best_price, leg_handle
from ext.types cimport BUY, P_CONTINUOUS, Instrument


cdef Shelf *shelf_of(State *self, uint32_t product) noexcept nogil:
    """The product's shelf, made at first use; NULL when memory ran out."""
    if self.products[product].shelf == NULL:
        self.products[product].shelf = calloc(1, sizeof(Shelf))
        if self.products[product].shelf == NULL:
            self.broken = BROKEN_MEMORY
    return <Shelf *>self.products[product].shelf


cdef void free_tops(Shelf *self) noexcept nogil:
    cdef int fabric, side
    for fabric in range(64):
        for side in range(2):
            free(self.tops[fabric][side].cost)
    memset(self.tops, 0, sizeof(self.tops))
    self.windows = 0


cdef void shelf_free(Shelf *self) noexcept nogil:
    if self != NULL:
        free_tops(self)
        free(self)


cdef void shelf_stale(State *self, uint32_t product) noexcept nogil:
    """The product's calendar has changed: its tops are made anew when they are next needed."""
    cdef Shelf *shelf = <Shelf *>self.products[product].shelf
    if shelf != NULL:
        shelf.windows = 0


cdef void ensure_tops(State *self, uint32_t product) noexcept nogil:
    """Make the tops of a product if its calendar has changed, or nobody needed them, since they were made."""
    if (<Shelf *>self.products[product].shelf).windows == 0:
        make_tops(self, product)


cdef inline int64_t top_cost(State *self, uint32_t handle, int side) noexcept nogil:
    cdef int32_t price
    if handle == 0 or self.instruments[handle].phase != P_CONTINUOUS:
        return MISSING
    price = best_price(self, handle, side)
    if price < 0:
        return MISSING
    return -<int64_t>price if side == BUY else price


cdef int room_for_tops(Shelf *self, Tops *tops, int64_t windows) noexcept nogil:
    """One piece of memory for the three arrays of one side; 0 when there is none."""
    cdef int64_t chunks = windows // CHUNK_WINDOWS + 2
    tops.cost = <int64_t *>calloc(2 * windows + 1 + chunks, sizeof(int64_t))
    tops.inner = tops.cost + windows
    tops.outer = tops.inner + windows + 1
    return tops.cost != NULL


cdef void fill_tops(State *self, const Product *product, Tops *tops, int fabric, int side) noexcept nogil:
    cdef int64_t at, inside = 0
    for at in range(product.windows + 1):
        if at % CHUNK_WINDOWS == 0:
            tops.outer[at >> CHUNK_BITS] = inside + (tops.outer[(at >> CHUNK_BITS) - 1] if at else 0)
            inside = 0
        tops.inner[at] = inside
        if at < product.windows:
            tops.cost[at] = top_cost(self, leg_handle(product, product.first_window + <int32_t>at, fabric), side)
            inside += tops.cost[at]


cdef void make_tops(State *self, uint32_t number) noexcept nogil:
    """Read the best prices of all books of a product. O(fabrics x windows)."""
    cdef Product *product = &self.products[number]
    cdef Shelf *shelf = <Shelf *>product.shelf
    cdef uint32_t fabric
    cdef int side
    free_tops(shelf)
    for fabric in range(product.fabrics):
        for side in range(2):
            if not room_for_tops(shelf, &shelf.tops[fabric][side], product.windows):
                self.broken = BROKEN_MEMORY
                return
            fill_tops(self, product, &shelf.tops[fabric][side], fabric, side)
            shelf.bound[fabric][side] = -MISSING            # Not known: the next scan makes it exact.
            shelf.scans[fabric][side] = SCANS_A_BOUND
    shelf.windows = product.windows
    shelf.first_window = product.first_window


cdef inline void flip(Bits *bits, uint32_t place) noexcept nogil:
    bits.word[place // 64] ^= (<uint64_t>1) << (place & 63)


cdef void flip_scope(Shelf *shelf, uint32_t place, uint64_t scope) noexcept nogil:
    cdef int fabric
    for fabric in range(64):
        if scope >> fabric & 1:
            flip(&shelf.fabric[fabric], place)


cdef void flip_windows(Shelf *shelf, const Block *block) noexcept nogil:
    cdef int32_t window
    for window in range(block.start, block.start + block.hours):
        flip(&shelf.window[window & (RING_WINDOWS - 1)], block.place)


cdef void shelf_wish(State *self, uint32_t index) noexcept nogil:
    """Take over what a block on the shelf wants: its limit, or its minimum, is new."""
    cdef Block *block = &self.blocks[index]
    cdef Shelf *shelf = <Shelf *>self.products[block.product].shelf
    cdef Wish *wish = &shelf.wishes[block.place]
    cdef int fabric
    wish.limit = block.limit if block.side == BUY else -<int64_t>block.limit
    wish.start = block.start
    wish.hours = block.hours
    wish.least = block.least
    if shelf.windows == 0:                      # The bounds are made anew with the tops.
        return
    for fabric in range(64):
        if block.scope >> fabric & 1:
            lower_bound(shelf, fabric, 1 - block.side, shortfall(shelf, wish, fabric, 1 - block.side))


cdef inline void lower_bound(Shelf *shelf, int fabric, int side, int64_t found) noexcept nogil:
    if found < shelf.bound[fabric][side]:
        shelf.bound[fabric][side] = found


cdef void tighten_bound(Shelf *self, int fabric, int side) noexcept nogil:
    """Make a bound exact. O(blocks of the fabric)."""
    cdef uint32_t word
    cdef uint64_t bits
    self.bound[fabric][side] = MISSING
    self.scans[fabric][side] = 0
    for word in range((self.used + 63) // 64):
        bits = self.side[1 - side].word[word] & self.fabric[fabric].word[word]
        while bits:
            lower_bound(self, fabric, side, shortfall(self, &self.wishes[word * 64 + ctz(bits)], fabric, side))
            bits &= bits - 1


cdef void shelf_add(State *self, uint32_t index) noexcept nogil:
    """Put a block on its product's shelf. O(hours)."""
    cdef Block *block = &self.blocks[index]
    cdef Shelf *shelf = shelf_of(self, block.product)
    if shelf == NULL:
        return
    if shelf.count == 0:                        # While there are no blocks best prices are not followed.
        shelf.windows = 0
    ensure_tops(self, block.product)
    if shelf.free_count:
        shelf.free_count -= 1
        block.place = shelf.free[shelf.free_count]
    else:
        block.place = shelf.used
        shelf.used += 1
    shelf.blocks[block.place] = index
    shelf.count += 1
    flip(&shelf.side[block.side], block.place)
    flip_scope(shelf, block.place, block.scope)
    flip_windows(shelf, block)
    shelf_wish(self, index)
    self.blocks_resting += 1


cdef void shelf_remove(State *self, uint32_t index) noexcept nogil:
    """Take a block off its shelf. O(hours)."""
    cdef Block *block = &self.blocks[index]
    cdef Shelf *shelf = <Shelf *>self.products[block.product].shelf
    flip(&shelf.side[block.side], block.place)
    flip_scope(shelf, block.place, block.scope)
    flip_windows(shelf, block)
    shelf.free[shelf.free_count] = block.place
    shelf.free_count += 1
    shelf.count -= 1
    self.blocks_resting -= 1


cdef void shelf_scope(State *self, uint32_t index, uint64_t scope) noexcept nogil:
    """Give a resting block another scope."""
    cdef Block *block = &self.blocks[index]
    cdef Shelf *shelf = <Shelf *>self.products[block.product].shelf
    flip_scope(shelf, block.place, block.scope ^ scope)
    block.scope = scope


cdef void set_top(Tops *tops, int64_t at, int64_t cost, int64_t windows) noexcept nogil:
    """Change one best cost, and the sums behind it. O(windows of a chunk + chunks)."""
    cdef int64_t moved = cost - tops.cost[at]
    cdef int64_t chunk = at >> CHUNK_BITS, last = (windows >> CHUNK_BITS) + 1
    cdef int64_t end = min((chunk + 1) << CHUNK_BITS, windows + 1), place
    tops.cost[at] = cost
    for place in range(at + 1, end):
        tops.inner[place] += moved
    for place in range(chunk + 1, last):
        tops.outer[place] += moved


cdef inline void loosen_bound(Shelf *shelf, int fabric, int side, int64_t moved) noexcept nogil:
    """A best cost has moved: where it fell, every block may be nearer to trading by as much."""
    if moved < 0:
        shelf.bound[fabric][side] = max(shelf.bound[fabric][side] + moved, -MISSING)


cdef void sync_top(State *self, uint32_t handle) noexcept nogil:
    """Take the best prices of one book over, if its product has blocks. O(1) where nothing has changed."""
    cdef Instrument *instrument = &self.instruments[handle]
    cdef Shelf *shelf = <Shelf *>self.products[instrument.product].shelf
    cdef int64_t at, cost
    cdef int side
    if shelf == NULL or shelf.count == 0 or shelf.windows == 0:
        return
    at = <int64_t>instrument.window - shelf.first_window
    for side in range(2):
        cost = top_cost(self, handle, side)
        if cost != shelf.tops[instrument.fabric][side].cost[at]:
            loosen_bound(shelf, instrument.fabric, side, cost - shelf.tops[instrument.fabric][side].cost[at])
            set_top(&shelf.tops[instrument.fabric][side], at, cost, shelf.windows)


cdef void sync_tops(State *self) noexcept nogil:
    """Take over the best prices of the books that the present command has touched so far."""
    cdef uint32_t index, handle, before = 0
    for index in range(self.books.dirty_count):
        handle = self.books.levels[self.books.dirty[index]].book
        if handle != before:
            sync_top(self, handle)
            before = handle
