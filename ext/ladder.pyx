# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""The leg ladder: walks the books of all hours at once, level by level."""

from ext.queues cimport next_level
from ext.state cimport best_price, dynamic_reference, leg_handle
from ext.types cimport BUY, NIL, O_REDUCE_ONLY, P_CONTINUOUS, SELL, Instrument, Level, Order


cdef int32_t leg_handles(State *self, const Block *block, int fabric, uint32_t *handles) noexcept nogil:
    """Write the instrument of each hour; returns how many, 0 where one is not CONTINUOUS (BLK-012)."""
    cdef int32_t hour
    cdef uint32_t handle
    for hour in range(block.hours):
        handle = leg_handle(&self.products[block.product], block.start + hour, fabric)
        if handle == 0 or self.instruments[handle].phase != P_CONTINUOUS:
            return 0
        handles[hour] = handle
    return block.hours


cdef inline int64_t eligible_lots(State *self, uint32_t level, int64_t wanted, uint32_t owner) noexcept nogil:
    """Lots of a level that are neither the owner's nor reduce-only; it stops counting when there are enough."""
    cdef uint32_t slot = self.books.levels[level].head
    cdef Order *order
    cdef int64_t lots = 0
    while slot != NIL and lots < wanted:
        order = &self.books.orders[slot]
        if order.owner != owner and not order.meta & O_REDUCE_ONLY:
            lots += order.leaves
        slot = order.next
    return lots


cdef void climb(State *self, Rung *rung, int side, int64_t wanted, uint32_t owner) noexcept nogil:
    """Go to the next level that has something to take, or to NIL."""
    cdef Level *level
    rung.left = 0
    while rung.level != NIL:
        level = &self.books.levels[rung.level]
        rung.cost = level.price if side == BUY else -<int64_t>level.price
        if rung.cost > rung.worst_cost:
            rung.level = NIL
            return
        rung.left = eligible_lots(self, rung.level, wanted, owner)
        if rung.left:
            return
        rung.level = next_level(&self.books, rung.handle, 1 - side, level.price)


cdef void descend(State *self, Rung *rung, int side, int64_t wanted, uint32_t owner) noexcept nogil:
    """The level is used up: go to the one behind it."""
    rung.level = next_level(&self.books, rung.handle, 1 - side, self.books.levels[rung.level].price)
    climb(self, rung, side, wanted, owner)


cdef int start_rung(State *self, Rung *rung, uint32_t handle, int side, int64_t wanted, uint32_t owner) noexcept nogil:
    """The best level of a leg that has something to take; 0 when there is none."""
    cdef const Instrument *instrument = &self.instruments[handle]
    cdef int64_t reference = dynamic_reference(self, handle), far
    cdef int64_t best = best_price(self, handle, 1 - side)
    rung.handle = handle
    rung.level = self.books.books[handle].side[1 - side].best
    rung.worst_cost = <int64_t>1 << 40
    if instrument.dynamic_bps and reference >= 0 and best >= 0:
        far = reference * instrument.dynamic_bps // 10000
        if (side == BUY and best < reference - far) or (side == SELL and best > reference + far):
            rung.level = NIL                    # A trade at the best price would leave the band on the other side.
        rung.worst_cost = reference + far if side == BUY else far - reference
    climb(self, rung, side, wanted, owner)
    return rung.level != NIL


cdef int pack(State *self, const Block *block, Rung *rungs, int64_t most, uint32_t owner, wide_t *total) noexcept nogil:
    """Take the minimum of every leg; 0 where one does not have it. The average rule."""
    cdef int32_t hour
    cdef int64_t wanted, lots
    total[0] = 0
    for hour in range(block.hours):
        wanted = block.least
        while True:
            lots = min(wanted, rungs[hour].left)
            total[0] += <wide_t>lots * rungs[hour].cost
            rungs[hour].left -= lots
            wanted -= lots
            if rungs[hour].left == 0:
                descend(self, &rungs[hour], block.side, most, owner)
            if wanted == 0:
                break
            if rungs[hour].level == NIL:
                return 0
    return 1


cdef Taking take_legs(State *self, const Block *block, const uint32_t *handles, int64_t most,
                      uint32_t owner) noexcept nogil:
    """How many lots of every leg a block takes, at what cost. O(hours x levels touched), and the orders on them."""
    cdef Rung[BLOCK_HOURS_MAX] rungs
    cdef Taking taking
    cdef int64_t limit = block.limit if block.side == BUY else -<int64_t>block.limit
    cdef int64_t unit = 0, step
    cdef int32_t hour
    taking.lots = 0
    taking.total = 0
    for hour in range(block.hours):
        if not start_rung(self, &rungs[hour], handles[hour], block.side, most, owner):
            return taking
        unit += rungs[hour].cost
    if unit > limit:                            # The first lots cost no less than the best prices.
        return taking
    if not pack(self, block, rungs, most, owner, &taking.total) or taking.total > <wide_t>block.least * limit:
        return taking
    taking.lots = block.least
    while taking.lots < most:                   # One lot more of every leg as long as it pays: the marginal rule.
        unit = 0
        step = most - taking.lots
        for hour in range(block.hours):
            if rungs[hour].level == NIL:
                return taking
            unit += rungs[hour].cost
            step = min(step, rungs[hour].left)
        if unit > limit:
            return taking
        taking.lots += step
        taking.total += <wide_t>step * unit
        for hour in range(block.hours):
            rungs[hour].left -= step
            if rungs[hour].left == 0:
                descend(self, &rungs[hour], block.side, most, owner)
    return taking
