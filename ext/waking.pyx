# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""Finds the resting blocks that something concerns, and tries them in order of priority."""

from libc.stdlib cimport free, malloc, qsort

from ext.blocks cimport end_block, work_resting
from ext.levels cimport ctz
from ext.reasons cimport D_GATE
from ext.shelf cimport SCANS_A_BOUND, Shelf, Wish, covering_word, ensure_tops, shortfall, sync_tops, tighten_bound
from ext.state cimport BROKEN_MEMORY, price_of, side_of
from ext.types cimport BUY, Block, Instrument, int32_t, int64_t, uint64_t, wide_t


cdef struct Waiting:            # A block that is to be tried; its place may have been given to another one since.
    int64_t limit               # Higher is better, whichever side.
    int64_t hours
    uint64_t sequence
    uint32_t index


cdef int compare_waiting(const void *one, const void *other) noexcept nogil:
    cdef const Waiting *left = <const Waiting *>one
    cdef const Waiting *right = <const Waiting *>other
    cdef int64_t a = left.limit * right.hours, b = right.limit * left.hours
    if a != b:
        return -1 if a > b else 1
    return -1 if left.sequence < right.sequence else 1


cdef void try_waiting(State *self, Waiting *waiting, uint32_t count) noexcept nogil:
    """Try blocks of one side in order of priority."""
    cdef uint32_t at, index
    if count > 1:
        qsort(waiting, count, sizeof(Waiting), compare_waiting)
    for at in range(count):
        index = waiting[at].index
        if self.blocks[index].resting and self.blocks[index].sequence == waiting[at].sequence:
            work_resting(self, index)


cdef inline void put_waiting(Waiting *waiting, const Block *block, uint32_t index) noexcept nogil:
    waiting.limit = block.limit if block.side == BUY else -<int64_t>block.limit
    waiting.hours = block.hours
    waiting.sequence = block.sequence
    waiting.index = index


cdef inline int may_wake(const Shelf *shelf, const Wish *wish, int fabric, int side, int64_t worse) noexcept nogil:
    """The exact test of BLK-011. The order rests already, so the sums count it; it costs `worse` than the best."""
    cdef int64_t left = -shortfall(shelf, wish, fabric, side)
    return left >= 0 and worse <= <wide_t>wish.least * left


cdef uint32_t find_waiting(State *self, const Shelf *shelf, const Instrument *instrument, int side, int32_t price,
                           Waiting *waiting, uint32_t room) noexcept nogil:
    """Collect the blocks that a new order of `side` may wake; returns how many there are, room or not."""
    cdef int64_t cost = -<int64_t>price if side == BUY else price
    cdef int64_t worse = cost - shelf.tops[instrument.fabric][side].cost[instrument.window - shelf.first_window]
    cdef uint32_t word, place, count = 0
    cdef uint64_t bits
    cdef const Wish *wish
    for word in range((shelf.used + 63) // 64):
        bits = covering_word(shelf, word, 1 - side, instrument.window, instrument.fabric)
        while bits:
            place = word * 64 + ctz(bits)
            bits &= bits - 1
            wish = &shelf.wishes[place]
            if not may_wake(shelf, wish, instrument.fabric, side, worse):
                continue
            if not wish.start <= instrument.window < wish.start + wish.hours:
                continue
            if count < room:
                put_waiting(&waiting[count], &self.blocks[shelf.blocks[place]], shelf.blocks[place])
            count += 1
    return count


cdef void wake_blocks(State *self, uint32_t slot) noexcept nogil:
    """An order has come to rest: try the blocks it may have made possible (BLK-011)."""
    cdef Waiting[64] few
    cdef Waiting *waiting = few
    cdef uint32_t handle = self.positions[self.books.terms[slot].position].instrument
    cdef Instrument *instrument = &self.instruments[handle]
    cdef Shelf *shelf = <Shelf *>self.products[instrument.product].shelf
    cdef int side = side_of(self, slot)
    cdef int32_t price = price_of(self, slot)
    cdef uint32_t count
    if shelf == NULL or shelf.count == 0:
        return
    ensure_tops(self, instrument.product)
    sync_tops(self)
    if shelf.bound[instrument.fabric][side] > 0:
        return
    shelf.scans[instrument.fabric][side] += 1
    if shelf.scans[instrument.fabric][side] > SCANS_A_BOUND:
        tighten_bound(shelf, instrument.fabric, side)
        if shelf.bound[instrument.fabric][side] > 0:
            return
    count = find_waiting(self, shelf, instrument, side, price, few, 64)
    if count > 64:
        waiting = <Waiting *>malloc(count * sizeof(Waiting))
        if waiting == NULL:
            self.broken = BROKEN_MEMORY
            return
        find_waiting(self, shelf, instrument, side, price, waiting, count)
    if count:
        try_waiting(self, waiting, count)
    if waiting != few:
        free(waiting)


cdef uint32_t all_of_side(State *self, const Shelf *shelf, int side, Waiting *waiting) noexcept nogil:
    cdef uint32_t word, index, count = 0
    cdef uint64_t bits
    for word in range((shelf.used + 63) // 64):
        bits = shelf.side[side].word[word]
        while bits:
            index = shelf.blocks[word * 64 + ctz(bits)]
            bits &= bits - 1
            put_waiting(&waiting[count], &self.blocks[index], index)
            count += 1
    return count


cdef void recheck_blocks(State *self) noexcept nogil:
    """Try all blocks of the products with a window that has become CONTINUOUS, by product, buys before sells."""
    cdef uint32_t product
    cdef Waiting *waiting
    cdef Shelf *shelf
    cdef int side
    self.opened = 0
    for product in range(1, self.products_count):
        if not self.products[product].opened:
            continue
        self.products[product].opened = 0
        shelf = <Shelf *>self.products[product].shelf
        if shelf == NULL or shelf.count == 0:
            continue
        waiting = <Waiting *>malloc(shelf.count * sizeof(Waiting))
        if waiting == NULL:
            self.broken = BROKEN_MEMORY
            return
        for side in range(2):
            try_waiting(self, waiting, all_of_side(self, shelf, side, waiting))
        free(waiting)


cdef uint32_t beginning_at(State *self, const Shelf *shelf, const Instrument *instrument,
                           Waiting *waiting) noexcept nogil:
    """Collect the blocks whose first leg is an instrument; all alike but for their sequence."""
    cdef uint32_t word, index, count = 0
    cdef uint64_t bits
    for word in range((shelf.used + 63) // 64):
        bits = shelf.fabric[instrument.fabric].word[word] & shelf.window[instrument.window & 255].word[word]
        while bits:
            index = shelf.blocks[word * 64 + ctz(bits)]
            bits &= bits - 1
            if self.blocks[index].start == instrument.window:
                put_waiting(&waiting[count], &self.blocks[index], index)
                waiting[count].limit = 0
                count += 1
    return count


cdef void end_blocks_at(State *self, uint32_t handle) noexcept nogil:
    """End the blocks whose first leg is an instrument, by sequence (BLK-013)."""
    cdef Instrument *instrument = &self.instruments[handle]
    cdef Shelf *shelf = <Shelf *>self.products[instrument.product].shelf
    cdef Waiting *waiting
    cdef uint32_t at, count
    if shelf == NULL or shelf.count == 0:
        return
    waiting = <Waiting *>malloc(shelf.count * sizeof(Waiting))
    if waiting == NULL:
        self.broken = BROKEN_MEMORY
        return
    count = beginning_at(self, shelf, instrument, waiting)
    if count > 1:
        qsort(waiting, count, sizeof(Waiting), compare_waiting)
    for at in range(count):
        end_block(self, waiting[at].index, D_GATE)
    free(waiting)
