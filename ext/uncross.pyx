# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""Finds the price of an uncross and carries it out (AUC-001 to AUC-006)."""

from libc.string cimport memset

from ext.fills cimport after_fill, exchange, fill_maker, tell_trade
from ext.levels cimport neighbour_level
from ext.orders cimport clip_reduce_only, end_resting, shrink_resting
from ext.queues cimport next_level
from ext.reasons cimport D_AUCTION, D_STP
from ext.state cimport emit
from ext.types cimport AUCTION_ONLY, BUY, E_INDICATIVE, NIL, O_ICEBERG, O_REDUCE_ONLY, SELL, V_CALL, V_SELL, Event, Side


cdef struct Curves:             # Demand and supply at one price after the other, upwards.
    uint32_t ask                # The next level to come in.
    uint32_t bid                # The next level to go out.
    int64_t supply
    int64_t demand


cdef inline int32_t price_at(State *self, uint32_t level) noexcept nogil:
    return self.books.levels[level].price


cdef uint32_t higher_bid(State *self, uint32_t handle, int32_t price) noexcept nogil:
    """The next better bid level that holds an order, or NIL."""
    cdef Side *top = &self.books.books[handle].side[BUY]
    cdef uint32_t level = neighbour_level(&self.books, top, price, 1)
    while level != NIL and self.books.levels[level].orders == 0:
        level = neighbour_level(&self.books, top, price_at(self, level), 1)
    return level


cdef void start_curves(State *self, uint32_t handle, int32_t low, Curves *curves) noexcept nogil:
    """At the best ask all bids from there up are demand."""
    cdef uint32_t level = self.books.books[handle].side[BUY].best
    curves.ask = self.books.books[handle].side[SELL].best
    curves.bid = NIL
    curves.supply = 0
    curves.demand = 0
    while level != NIL and price_at(self, level) >= low:
        curves.demand += self.books.levels[level].total
        curves.bid = level
        level = next_level(&self.books, handle, BUY, price_at(self, level))


cdef void move_curves(State *self, uint32_t handle, int32_t price, Curves *curves) noexcept nogil:
    """Take in the asks at `price` or below, leave out the bids below it."""
    while curves.ask != NIL and price_at(self, curves.ask) <= price:
        curves.supply += self.books.levels[curves.ask].total
        curves.ask = next_level(&self.books, handle, SELL, price_at(self, curves.ask))
    while curves.bid != NIL and price_at(self, curves.bid) < price:
        curves.demand -= self.books.levels[curves.bid].total
        curves.bid = higher_bid(self, handle, price_at(self, curves.bid))


cdef inline int64_t next_step(State *self, const Curves *curves, int64_t high) noexcept nogil:
    """The next price at which a curve changes, at most one above `high`."""
    cdef int64_t step = high + 1
    if curves.ask != NIL:
        step = min(step, <int64_t>price_at(self, curves.ask))
    if curves.bid != NIL:
        step = min(step, <int64_t>price_at(self, curves.bid) + 1)
    return step


cdef struct Range:              # The ticks that are equally good.
    int64_t low
    int64_t high
    int64_t volume
    int64_t surplus_size
    int buys                    # Among them ticks with a surplus of bids, of asks, of neither.
    int sells
    int even


cdef void consider(Range *best, int64_t low, int64_t high, const Curves *curves) noexcept nogil:
    """Compare the ticks from low to high, where the curves stay as they are, with the best so far."""
    cdef int64_t volume = min(curves.demand, curves.supply)
    cdef int64_t surplus = curves.demand - curves.supply
    cdef int64_t size = surplus if surplus >= 0 else -surplus
    if volume < best.volume or (volume == best.volume and size > best.surplus_size):
        return
    if volume > best.volume or size < best.surplus_size:
        best.low = low
        best.volume = volume
        best.surplus_size = size
        best.buys = 0
        best.sells = 0
        best.even = 0
    best.high = high
    best.buys |= surplus > 0
    best.sells |= surplus < 0
    best.even |= surplus == 0


cdef int64_t choose(const Range *best, int32_t mark) noexcept nogil:
    """The tick by pressure, else the one nearest to the reference."""
    cdef int64_t reference = mark if mark >= 0 else (best.low + best.high) // 2
    if best.buys and not best.sells and not best.even:
        return best.high
    if best.sells and not best.buys and not best.even:
        return best.low
    return min(max(reference, best.low), best.high)


cdef Indication indication_of(State *self, uint32_t handle) noexcept nogil:
    """What an uncross would do now. O(levels from the best ask to the best bid)."""
    cdef Side *sides = self.books.books[handle].side
    cdef Indication found
    cdef Curves curves
    cdef Range best
    cdef int64_t price, following, high = sides[BUY].best_price
    found.price = 0
    found.volume = 0
    found.surplus = 0
    if sides[BUY].best == NIL or sides[SELL].best == NIL or sides[BUY].best_price < sides[SELL].best_price:
        return found
    price = sides[SELL].best_price
    memset(&best, 0, sizeof(Range))
    start_curves(self, handle, <int32_t>price, &curves)
    while price <= high:
        move_curves(self, handle, <int32_t>price, &curves)
        following = next_step(self, &curves, high)
        consider(&best, price, following - 1, &curves)
        price = following
    found.price = <int32_t>choose(&best, self.instruments[handle].mark)
    start_curves(self, handle, sides[SELL].best_price, &curves)
    move_curves(self, handle, found.price, &curves)
    found.volume = min(curves.demand, curves.supply)
    found.surplus = curves.demand - curves.supply
    return found


cdef void decrement(State *self, uint32_t bid, uint32_t ask) noexcept nogil:
    """Two orders of one owner both lose the smaller of their leaves (AUC-004)."""
    cdef int32_t lots = min(self.books.orders[bid].leaves, self.books.orders[ask].leaves)
    cdef uint32_t[2] slots
    cdef int side
    slots[0] = bid
    slots[1] = ask
    for side in range(2):
        if self.books.orders[slots[side]].leaves > lots:
            shrink_resting(self, slots[side], self.books.orders[slots[side]].leaves - lots)
        else:
            end_resting(self, slots[side], D_STP)


cdef void trade(State *self, uint32_t handle, uint32_t bid, uint32_t ask, int32_t price) noexcept nogil:
    """The shown parts trade; both sides pay the maker's fee (AUC-003)."""
    cdef int32_t lots = min(self.books.orders[bid].shown, self.books.orders[ask].shown)
    cdef uint32_t ppm = self.instruments[handle].maker_fee_ppm
    self.next_match_id += 1
    exchange(self, self.books.terms[bid].position, self.books.terms[ask].position, price, lots)
    fill_maker(self, bid, price, lots, ppm, V_CALL)
    fill_maker(self, ask, price, lots, ppm, V_CALL)
    tell_trade(self, handle, price, lots, V_CALL)
    after_fill(self, bid, lots)
    after_fill(self, ask, lots)


cdef inline int may_fill(State *self, uint32_t slot, int side) noexcept nogil:
    return not self.books.orders[slot].meta & O_REDUCE_ONLY or clip_reduce_only(self, slot, side)


cdef int meet(State *self, uint32_t handle, int32_t price) noexcept nogil:
    """Let the best bid and the best ask meet; 0 when they do not reach the price (AUC-002)."""
    cdef Side *sides = self.books.books[handle].side
    cdef uint32_t bid, ask
    if sides[BUY].best == NIL or sides[SELL].best == NIL:
        return 0
    if sides[BUY].best_price < price or sides[SELL].best_price > price:
        return 0
    bid = self.books.levels[sides[BUY].best].head
    ask = self.books.levels[sides[SELL].best].head
    if self.books.orders[bid].owner == self.books.orders[ask].owner:
        decrement(self, bid, ask)
    elif may_fill(self, bid, BUY) and may_fill(self, ask, SELL):
        trade(self, handle, bid, ask, price)
    return 1


cdef void end_auction_orders(State *self, uint32_t handle, int side) noexcept nogil:
    """What was for the call only ends with it (AUC-006)."""
    cdef uint32_t level = self.books.books[handle].side[side].best
    cdef uint32_t slot, following
    while level != NIL:
        slot = self.books.levels[level].head
        while slot != NIL:
            following = self.books.orders[slot].next
            if not self.books.orders[slot].meta & O_ICEBERG and self.books.terms[slot].display == AUCTION_ONLY:
                end_resting(self, slot, D_AUCTION)
            slot = following
        level = next_level(&self.books, handle, side, price_at(self, level))


cdef void uncross(State *self, uint32_t handle) noexcept nogil:
    """Trade until the book is not crossed, then end what was for the call only."""
    cdef Indication found = indication_of(self, handle)
    while found.volume:
        while meet(self, handle, found.price) and not self.broken:
            pass
        found = indication_of(self, handle)
    end_auction_orders(self, handle, BUY)
    end_auction_orders(self, handle, SELL)


cdef void indicate(State *self, uint32_t handle) noexcept nogil:
    """Publish what an uncross would do now (AUC-005)."""
    cdef Indication found = indication_of(self, handle)
    cdef Event *event = emit(self, E_INDICATIVE)
    event.instrument = handle
    event.price = found.price
    event.amount = found.volume
    event.match_id = found.surplus if found.surplus >= 0 else -found.surplus
    event.flags = V_SELL if found.surplus < 0 else 0
