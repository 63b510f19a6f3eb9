# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""Money, positions, events and queues of one fill, a step each. The match id is the last one taken."""

from ext.book cimport touch_level
from ext.orders cimport count_protected, release
from ext.queues cimport append_to_level, leave_level, take_from_level
from ext.state cimport (
    count_open, emit, emit_order, fee_of, money_of, move, note_trade, side_of, touch_position, void_credit,
)
from ext.types cimport E_FILL, E_TRADE, O_QUOTE, Event, Instrument, Level, Order, Position, wide_t


cdef void hand_over(State *self, uint32_t giver, uint32_t taker, int64_t lots) noexcept nogil:
    """Move lots between two positions, without money; credits for what was held are void (RSK-008)."""
    self.positions[giver].lots -= lots
    self.positions[taker].lots += lots
    touch_position(self, taker)
    touch_position(self, giver)
    void_credit(self, self.positions[giver].account, self.positions[taker].account)


cdef void exchange(State *self, uint32_t buyer, uint32_t seller, int32_t price, int64_t lots) noexcept nogil:
    """Move lots to the buyer and (P - M) x lots x H to the seller (ACC-003)."""
    cdef Position *bought = &self.positions[buyer]
    cdef Position *sold = &self.positions[seller]
    cdef Instrument *instrument = &self.instruments[bought.instrument]
    note_trade(self, bought.instrument, price)
    hand_over(self, seller, buyer, lots)
    move(self, bought.account, sold.account, <wide_t>lots * (price - instrument.mark) * instrument.lot_micros)


cdef int64_t charge(State *self, uint32_t position, int32_t price, int64_t lots, uint32_t ppm) noexcept nogil:
    """Take the fee of one side of a fill (FEE-001)."""
    cdef Position *held = &self.positions[position]
    cdef int64_t fee = fee_of(money_of(price, lots, self.instruments[held.instrument].lot_micros), ppm)
    move(self, held.account, 0, fee)
    return fee


cdef void tell_trade(State *self, uint32_t handle, int32_t price, int32_t lots, int flags) noexcept nogil:
    """What the public hears of the fill."""
    cdef Event *event = emit(self, E_TRADE)
    event.flags = flags
    event.instrument = handle
    event.match_id = self.next_match_id - 1
    event.price = price
    event.lots = lots


cdef void after_fill(State *self, uint32_t slot, int32_t lots) noexcept nogil:
    """Bring book and slots up to date after a fill of a resting order, wherever in its queue it stood (MAT-008)."""
    cdef Order *order = &self.books.orders[slot]
    cdef uint32_t found = order.level
    cdef Level *level = &self.books.levels[found]
    touch_level(&self.books, found)
    order.shown -= lots
    level.shown -= lots
    level.total -= lots
    if order.leaves == 0:
        take_from_level(self.books.orders, level, slot)
        leave_level(&self.books, found)
        release(self, slot)
    elif order.shown == 0:
        order.shown = min(self.books.terms[slot].display, order.leaves)
        level.shown += order.shown
        take_from_level(self.books.orders, level, slot)
        append_to_level(self.books.orders, level, slot)


cdef void fill_maker(State *self, uint32_t slot, int32_t price, int32_t lots, uint32_t ppm, int flags) noexcept nogil:
    """Count, charge and tell a fill of a resting order; the book comes after (`after_fill`)."""
    cdef Order *order = &self.books.orders[slot]
    cdef uint32_t position = self.books.terms[slot].position
    cdef int side = side_of(self, slot)
    cdef Event *event
    cdef int64_t fee
    order.leaves -= lots
    order.cum += lots
    count_open(self, position, side, -lots)
    fee = charge(self, position, price, lots, ppm)
    event = emit_order(self, E_FILL, slot, price, side)
    event.flags |= flags
    event.match_id = self.next_match_id - 1
    event.lots = lots
    event.cum = order.cum
    event.leaves = order.leaves
    event.amount = fee
    if order.meta & O_QUOTE:
        count_protected(self, self.books.terms[slot].lane, lots)
