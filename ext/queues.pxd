"""Slots, and the queues of orders at their prices: what matching and the rare commands are written with.

A level emptied by a command stays in the trie until the command's end (`settle_levels`), so that it is told once.
"""

from ext.book cimport Books, eagerness, prefetch_write, touch_level
from ext.levels cimport add_level, find_level, neighbour_level, remove_level
from ext.types cimport (
    BUY, GENERATION_MAX, META_BITS, NIL, NO_ASK, NO_BID, O_ICEBERG, SLOT_MASK, Level, Order, Side, int32_t, uint32_t,
)


cdef inline void set_best(Side *top, int side, uint32_t level, int32_t price) noexcept nogil:
    top.best = level
    top.best_price = price if level != NIL else NO_BID if side == BUY else NO_ASK


cdef inline uint32_t acquire_order(Books *self) noexcept nogil:
    """Take a slot and raise its generation; NIL when the arena is full. O(1)."""
    cdef uint32_t slot = self.free_order
    if slot != NIL:
        self.free_order = self.orders[slot].next
    elif self.orders_used < self.orders_max:
        slot = self.orders_used
        self.orders_used += 1
    else:
        return NIL
    self.orders[slot].meta = (self.orders[slot].meta | 0xFF) + 1        # Next generation, no flags.
    self.orders_alive += 1
    return slot


cdef inline void release_order(Books *self, uint32_t slot) noexcept nogil:
    """Give a slot back. A slot at its last generation is retired: handles never come back."""
    cdef Order *order = &self.orders[slot]
    order.leaves = 0
    self.orders_alive -= 1
    if order.meta >> META_BITS < GENERATION_MAX:
        order.next = self.free_order
        self.free_order = slot


cdef inline void append_to_level(Order *orders, Level *level, uint32_t slot) noexcept nogil:
    cdef uint32_t tail = level.tail
    prefetch_write(&orders[tail])
    orders[slot].prev = tail
    orders[slot].next = NIL
    level.tail = slot
    if tail != NIL:
        orders[tail].next = slot
    else:
        level.head = slot


cdef inline void take_from_level(Order *orders, Level *level, uint32_t slot) noexcept nogil:
    cdef uint32_t prev = orders[slot].prev, next = orders[slot].next
    if prev != NIL:
        orders[prev].next = next
    else:
        level.head = next
    if next != NIL:
        orders[next].prev = prev
    else:
        level.tail = prev


cdef inline uint32_t enter_level(Books *self, uint32_t book, int side, uint32_t slot, int32_t price) noexcept nogil:
    """Put an order (leaves, display set) at the back of its price, and say which level that is."""
    cdef Order *orders = self.orders
    cdef Order *order = &orders[slot]
    cdef Side *top = &self.books[book].side[side]
    cdef uint32_t found = find_level(self, top, price)
    cdef int32_t leaves = order.leaves, shown = leaves
    cdef Level *level
    prefetch_write(&self.levels[found])
    if found == 0:
        found = add_level(self, book, side, price)
    if eagerness(side, price) > eagerness(side, top.best_price):
        top.best = found
        top.best_price = price
    if order.meta & O_ICEBERG:
        shown = min(self.terms[slot].display, leaves)
    level = &self.levels[found]
    order.level = found
    order.shown = shown
    append_to_level(orders, level, slot)
    level.orders += 1
    level.shown += shown
    level.total += leaves
    return found


cdef inline void rest_order(Books *self, uint32_t book, int side, uint32_t slot, int32_t price) noexcept nogil:
    """Put an order (leaves, display set) at the back of its price. O(height of the trie)."""
    touch_level(self, enter_level(self, book, side, slot, price))


cdef inline uint32_t next_level(Books *self, uint32_t book, int side, int32_t price) noexcept nogil:
    """The next worse level of a side that holds an order, or NIL. `price` must be a level of the trie."""
    cdef Side *top = &self.books[book].side[side]
    cdef uint32_t level = neighbour_level(self, top, price, side != BUY)
    while level != NIL and self.levels[level].orders == 0:      # Emptied by this very command.
        level = neighbour_level(self, top, self.levels[level].price, side != BUY)
    return level


cdef inline void leave_level(Books *self, uint32_t found) noexcept nogil:
    """One order fewer; when it was the last of the best price, the next price becomes the best."""
    cdef Level *level = &self.levels[found]
    cdef Side *top
    level.orders -= 1
    if level.orders == 0:
        top = &self.books[level.book].side[level.side]
        if top.best == found:
            found = next_level(self, level.book, level.side, level.price)
            set_best(top, level.side, found, self.levels[found & SLOT_MASK].price if found != NIL else 0)


cdef inline uint32_t leave_queue(Books *self, uint32_t slot) noexcept nogil:
    """Take a resting order out of its level, and say which level that was."""
    cdef Order *order = &self.orders[slot]
    cdef uint32_t found = order.level
    cdef Level *level = &self.levels[found]
    take_from_level(self.orders, level, slot)
    level.shown -= order.shown
    level.total -= order.leaves
    leave_level(self, found)
    return found


cdef inline void unlink_order(Books *self, uint32_t slot) noexcept nogil:
    """Take a resting order out of its level. O(1), or O(height) when the best price goes."""
    touch_level(self, leave_queue(self, slot))


cdef inline void shrink_order(Books *self, uint32_t slot, int32_t leaves) noexcept nogil:
    """Lower the leaves of a resting order; it keeps its place. O(1)."""
    cdef Order *order = &self.orders[slot]
    cdef Level *level = &self.levels[order.level]
    cdef int32_t shown = order.shown if order.shown < leaves else leaves
    level.total -= order.leaves - leaves
    level.shown -= order.shown - shown
    order.leaves = leaves
    order.shown = shown
    touch_level(self, order.level)


cdef inline void retire_level(Books *self, uint32_t slot) noexcept nogil:
    """End of command for one touched level: an empty one leaves the trie."""
    cdef Level *level = &self.levels[slot]
    level.dirty = 0
    if level.orders == 0:
        remove_level(self, &self.books[level.book].side[level.side], level.price)
        level.head = self.free_level
        self.free_level = slot


cdef inline void settle_levels(Books *self) noexcept nogil:
    """End of command: forget which levels were touched and take the empty ones out."""
    cdef uint32_t index
    for index in range(self.dirty_count):
        retire_level(self, self.dirty[index])
    self.dirty_count = 0
