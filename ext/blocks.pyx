# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""The life of a block: its place in the state, what it can trade with, how it trades, what wakes it."""

from libc.stdlib cimport realloc

from ext.book cimport handle_of
from ext.checks cimport position_for
from ext.fills cimport after_fill, charge, exchange, fill_maker, tell_trade
from ext.idmap cimport refs_add, refs_remove
from ext.ladder cimport Taking, leg_handles, take_legs
from ext.levels cimport ctz
from ext.orders cimport add_expiry, end_resting
from ext.queues cimport next_level, release_order
from ext.reasons cimport D_STP
from ext.shelf cimport Shelf, covering_word, shelf_add, shelf_remove, shelf_scope, shelf_wish, span_cost, sync_tops
from ext.state cimport BROKEN_MEMORY, emit, leg_handle, price_of
from ext.types cimport (
    BLOCK_HOURS_MAX, BUY, E_DONE, E_FILL, NIL, O_GTD, O_REDUCE_ONLY, PRICE_MAX_TICKS, SELL, V_BLOCK, V_SELL, V_TAKER,
    Account, Event, Instrument, Order, Terms,
)


# --- Its place in the state -------------------------------------------------------------------------------------------

cdef uint32_t acquire_block(State *self) noexcept nogil:
    """A place for a block; NIL, and the state is broken, when memory ran out."""
    cdef uint32_t index = self.free_block
    cdef uint32_t wanted
    cdef Block *grown
    if index != NIL:
        self.free_block = self.blocks[index].next_hit
        return index
    if self.blocks_used == self.blocks_max:
        wanted = self.blocks_max * 2 + 64
        grown = <Block *>realloc(self.blocks, wanted * sizeof(Block))
        if grown == NULL:
            self.broken = BROKEN_MEMORY
            return NIL
        self.blocks = grown
        self.blocks_max = wanted
    self.blocks_used += 1
    return self.blocks_used - 1


cdef uint32_t first_leg(State *self, const Block *block) noexcept nogil:
    """The instrument of the first window in the lowest fabric of the scope."""
    return leg_handle(&self.products[block.product], block.start, lowest_fabric(block.scope))


cdef void emit_block(State *self, int type, uint32_t index, int32_t lots, int32_t leaves, int reason) noexcept nogil:
    """An ACK, DONE or REPLACED of a block (BLK-003)."""
    cdef Block *block = &self.blocks[index]
    cdef Terms *terms = &self.books.terms[block.slot]
    cdef Event *event = emit(self, type)
    event.flags = V_BLOCK | (V_SELL if block.side else 0)
    event.reason = reason
    event.lane = self.lanes[terms.lane].number & 0xFF
    event.account = block.account
    event.instrument = first_leg(self, block)
    event.oid = handle_of(&self.books, block.slot)
    event.ref = terms.ref
    event.match_id = block.scope
    event.price = block.limit
    event.lots = lots
    event.cum = self.books.orders[block.slot].cum
    event.leaves = leaves
    event.amount = block.hours


cdef void count_block(State *self, uint32_t index, int64_t lots) noexcept nogil:
    """Count lots of a resting block that come or, negative, go: its reserve, and the capacity a sell has offered."""
    cdef Block *block = &self.blocks[index]
    cdef Account *account = &self.accounts[block.account]
    cdef int32_t hour
    cdef uint32_t position
    cdef int fabric
    account.block_lots += lots
    account.requirement += <wide_t>block.reserve * lots
    if block.side == SELL:
        fabric = lowest_fabric(block.scope)
        for hour in range(block.hours):
            position = position_for(self, block.account,
                                    leg_handle(&self.products[block.product], block.start + hour, fabric))
            if position != NIL:
                self.capacities[position].block_sell += lots


cdef void rest_block(State *self, uint32_t index, int64_t expiry_ns) noexcept nogil:
    """From now on the block can be named and woken, and its margin is reserved."""
    cdef Block *block = &self.blocks[index]
    cdef Account *account = &self.accounts[block.account]
    cdef Order *order = &self.books.orders[block.slot]
    cdef Terms *terms = &self.books.terms[block.slot]
    block.resting = 1
    if not refs_add(&self.refs, terms.lane, terms.ref, block.slot):
        self.broken = BROKEN_MEMORY
    terms.mine_prev = account.last_block
    terms.mine_next = NIL
    if account.last_block != NIL:
        self.books.terms[account.last_block].mine_next = block.slot
    else:
        account.first_block = block.slot
    account.last_block = block.slot
    account.blocks += 1
    account.open_orders += 1
    self.positions_promised += block.hours
    shelf_add(self, index)
    count_block(self, index, order.leaves)
    if order.meta & O_GTD:
        add_expiry(self, expiry_ns, block.slot)


cdef void forget_block(State *self, uint32_t index) noexcept nogil:
    """A block is over: forget it everywhere and give its places back."""
    cdef Block *block = &self.blocks[index]
    cdef Account *account = &self.accounts[block.account]
    cdef Terms *terms = &self.books.terms[block.slot]
    if block.resting:
        block.resting = 0
        refs_remove(&self.refs, terms.lane, terms.ref, block.slot)
        if terms.mine_prev != NIL:
            self.books.terms[terms.mine_prev].mine_next = terms.mine_next
        else:
            account.first_block = terms.mine_next
        if terms.mine_next != NIL:
            self.books.terms[terms.mine_next].mine_prev = terms.mine_prev
        else:
            account.last_block = terms.mine_prev
        account.blocks -= 1
        account.open_orders -= 1
        self.positions_promised -= block.hours
        shelf_remove(self, index)
    release_order(&self.books, block.slot)
    if not block.is_hit:                        # Else the list of hits gives the place back.
        block.next_hit = self.free_block
        self.free_block = index


cdef void end_block(State *self, uint32_t index, int reason) noexcept nogil:
    """End a block that is not filled whole."""
    cdef Block *block = &self.blocks[index]
    cdef Order *order = &self.books.orders[block.slot]
    cdef int32_t lots = order.leaves
    if block.resting:
        count_block(self, index, -lots)
    emit_block(self, E_DONE, index, lots, 0, reason)
    forget_block(self, index)


# --- What it can trade with -------------------------------------------------------------------------------------------

cdef inline int comes_before(const Block *one, const Block *other) noexcept nogil:
    """Priority among blocks of one side: better limit an hour, then sequence (BLK-011)."""
    cdef int64_t left = <int64_t>one.limit * other.hours, right = <int64_t>other.limit * one.hours
    if left != right:
        return left > right if one.side == BUY else left < right
    return one.sequence < other.sequence


cdef uint32_t direct_candidate(State *self, const Block *block, int64_t leaves, uint32_t owner,
                               int fabric) noexcept nogil:
    """The best resting block of the other side with the same hours that fits, or NIL (BLK-005)."""
    cdef Shelf *shelf = <Shelf *>self.products[block.product].shelf
    cdef uint32_t word, index, found = NIL
    cdef uint64_t bits
    cdef Block *other
    cdef int64_t lots
    if shelf == NULL or shelf.count == 0:
        return NIL
    for word in range((shelf.used + 63) // 64):
        bits = covering_word(shelf, word, 1 - block.side, block.start, fabric)
        while bits:
            index = shelf.blocks[word * 64 + ctz(bits)]
            bits &= bits - 1
            other = &self.blocks[index]
            if other.start != block.start or other.hours != block.hours:
                continue
            if self.books.orders[other.slot].owner == owner:
                continue
            if other.limit > block.limit if block.side == BUY else other.limit < block.limit:
                continue
            lots = min(leaves, <int64_t>self.books.orders[other.slot].leaves)
            if lots < block.least or lots < other.least:
                continue
            if found == NIL or comes_before(other, &self.blocks[found]):
                found = index
    return found


cdef inline int is_better(const Candidate *one, const Candidate *other) noexcept nogil:
    """BLK-006; the other one is of the same or a lower fabric, or nothing."""
    cdef wide_t left, right
    if other.lots == 0:
        return 1
    left = one.total * other.lots
    right = other.total * one.lots
    if left != right:
        return left < right
    if (one.against == NIL) != (other.against == NIL):
        return one.against != NIL
    return one.lots > other.lots


cdef inline int may_afford(State *self, const Block *block, int fabric) noexcept nogil:
    """Whether the best prices alone would do. They count the owner's own orders, too, so no is certain."""
    cdef Shelf *shelf = <Shelf *>self.products[block.product].shelf
    if shelf == NULL or shelf.count == 0 or shelf.windows == 0:
        return 1
    return span_cost(shelf, fabric, 1 - block.side, block.start, block.hours) <= \
        (block.limit if block.side == BUY else -<int64_t>block.limit)


cdef Candidate best_candidate(State *self, const Block *block, int64_t leaves, uint32_t owner) noexcept nogil:
    """What the block trades with next; lots 0: nothing."""
    cdef Candidate best, found
    cdef uint32_t[BLOCK_HOURS_MAX] handles
    cdef Taking taking
    cdef uint32_t fabric, other
    cdef int64_t sign = 1 if block.side == BUY else -1
    best.lots = 0
    best.total = 0
    best.against = NIL
    best.fabric = 0
    sync_tops(self)
    for fabric in range(self.products[block.product].fabrics):
        if not block.scope >> fabric & 1:
            continue
        other = direct_candidate(self, block, leaves, owner, fabric)
        if other == NIL and not may_afford(self, block, fabric):
            continue
        if not leg_handles(self, block, fabric, handles):
            continue
        found.fabric = fabric
        if other != NIL:
            found.against = other
            found.lots = min(leaves, <int64_t>self.books.orders[self.blocks[other].slot].leaves)
            found.total = <wide_t>sign * self.blocks[other].limit * found.lots
            if is_better(&found, &best):
                best = found
        taking = take_legs(self, block, handles, leaves, owner)
        if taking.lots:
            found.against = NIL
            found.lots = taking.lots
            found.total = taking.total
            if is_better(&found, &best):
                best = found
    return best


# --- Trading ----------------------------------------------------------------------------------------------------------

cdef void fill_block(State *self, uint32_t index, uint32_t position, int32_t price, int32_t lots, uint32_t ppm,
                     int flags) noexcept nogil:
    """One fill of a block: its lots have been counted before."""
    cdef Block *block = &self.blocks[index]
    cdef Order *order = &self.books.orders[block.slot]
    cdef Terms *terms = &self.books.terms[block.slot]
    cdef int64_t fee = charge(self, position, price, lots, ppm)
    cdef Event *event = emit(self, E_FILL)
    event.flags = V_BLOCK | flags | (V_SELL if block.side else 0)
    event.lane = self.lanes[terms.lane].number & 0xFF
    event.account = block.account
    event.instrument = self.positions[position].instrument
    event.oid = handle_of(&self.books, block.slot)
    event.ref = terms.ref
    event.match_id = self.next_match_id - 1
    event.price = price
    event.lots = lots
    event.cum = order.cum
    event.leaves = order.leaves
    event.amount = fee


cdef uint32_t next_maker(State *self, uint32_t handle, int side, uint32_t owner) noexcept nogil:
    """The order that a block of `side` fills next; own orders in front of it end (BLK-007)."""
    cdef uint32_t level = self.books.books[handle].side[1 - side].best
    cdef uint32_t slot, following
    while level != NIL:
        slot = self.books.levels[level].head
        while slot != NIL:
            following = self.books.orders[slot].next
            if self.books.orders[slot].owner == owner:
                end_resting(self, slot, D_STP)
            elif not self.books.orders[slot].meta & O_REDUCE_ONLY:
                return slot
            slot = following
        level = next_level(&self.books, handle, 1 - side, self.books.levels[level].price)
    return NIL                                  # Cannot be: the dry run has counted the lots.


cdef void take_leg(State *self, uint32_t index, uint32_t handle, int32_t lots) noexcept nogil:
    """Fill one leg, by price, then time, at the resting orders' prices."""
    cdef int side = self.blocks[index].side
    cdef uint32_t owner = self.books.orders[self.blocks[index].slot].owner
    cdef uint32_t position = position_for(self, self.blocks[index].account, handle)
    cdef Instrument *instrument = &self.instruments[handle]
    cdef uint32_t maker, made
    cdef int32_t price, filled
    while lots > 0:
        maker = next_maker(self, handle, side, owner)
        made = self.books.terms[maker].position
        price = price_of(self, maker)
        filled = min(lots, self.books.orders[maker].shown)
        if side == BUY:
            exchange(self, position, made, price, filled)
        else:
            exchange(self, made, position, price, filled)
        fill_maker(self, maker, price, filled, instrument.maker_fee_ppm, 0)
        fill_block(self, index, position, price, filled, instrument.taker_fee_ppm, V_TAKER)
        tell_trade(self, handle, price, filled, V_BLOCK | (V_SELL if side else 0))
        after_fill(self, maker, filled)
        lots -= filled


cdef int spread(int32_t *prices, int32_t hours, int64_t total, int64_t references) noexcept nogil:
    """Move all prices by the same, so that they sum to the total; the first take the rest. 0: one leaves the grid."""
    cdef int64_t moved = total - references
    cdef int64_t share = moved // hours, rest = moved % hours, price
    cdef int32_t hour
    if rest < 0:                                # C rounds towards zero, the rule rounds down.
        share -= 1
        rest += hours
    for hour in range(hours):
        price = prices[hour] + share + (hour < rest)
        if price < 0 or price > PRICE_MAX_TICKS:
            return 0
        prices[hour] = <int32_t>price
    return 1


cdef void leg_prices(State *self, const uint32_t *handles, int32_t hours, int64_t total,
                     int32_t *prices) noexcept nogil:
    """The price of each leg of a direct trade (BLK-008)."""
    cdef int64_t references = 0
    cdef int32_t hour
    cdef int marked = 1
    for hour in range(hours):
        prices[hour] = self.instruments[handles[hour]].mark
        references += prices[hour]
        marked &= prices[hour] >= 0
    if marked and spread(prices, hours, total, references):
        return
    for hour in range(hours):
        prices[hour] = 0
    spread(prices, hours, total, 0)


cdef void trade_direct(State *self, uint32_t index, uint32_t other, const uint32_t *handles,
                       int32_t lots) noexcept nogil:
    """Trade every leg with a resting block, at its limit."""
    cdef int32_t[BLOCK_HOURS_MAX] prices
    cdef int side = self.blocks[index].side
    cdef int32_t hours = self.blocks[index].hours, hour
    cdef Instrument *instrument
    cdef uint32_t made, took
    leg_prices(self, handles, hours, self.blocks[other].limit, prices)
    for hour in range(hours):
        instrument = &self.instruments[handles[hour]]
        made = position_for(self, self.blocks[other].account, handles[hour])
        took = position_for(self, self.blocks[index].account, handles[hour])
        if side == BUY:
            exchange(self, took, made, prices[hour], lots)
        else:
            exchange(self, made, took, prices[hour], lots)
        fill_block(self, other, made, prices[hour], lots, instrument.maker_fee_ppm, 0)
        fill_block(self, index, took, prices[hour], lots, instrument.taker_fee_ppm, V_TAKER)
        tell_trade(self, handles[hour], prices[hour], lots, V_BLOCK | (V_SELL if side else 0))
    if self.books.orders[self.blocks[other].slot].leaves == 0:
        forget_block(self, other)


cdef void count_trade(State *self, uint32_t index, int32_t lots, int fabric) noexcept nogil:
    """Take the lots off a block before they are told; what is left is pinned to the fabric and divisible (BLK-009)."""
    cdef Block *block = &self.blocks[index]
    cdef Order *order = &self.books.orders[block.slot]
    if block.resting:
        count_block(self, index, -lots)
        shelf_scope(self, index, <uint64_t>1 << fabric)
    block.scope = <uint64_t>1 << fabric
    order.leaves -= lots
    order.cum += lots
    block.least = 1
    if block.resting:
        shelf_wish(self, index)


cdef void execute(State *self, uint32_t index, const Candidate *found) noexcept nogil:
    """Trade whole: all legs, one match id (BLK-007)."""
    cdef uint32_t[BLOCK_HOURS_MAX] handles
    cdef int32_t hours = leg_handles(self, &self.blocks[index], found.fabric, handles), hour
    self.next_match_id += 1
    count_trade(self, index, <int32_t>found.lots, found.fabric)
    if found.against != NIL:
        count_trade(self, found.against, <int32_t>found.lots, found.fabric)
        trade_direct(self, index, found.against, handles, <int32_t>found.lots)
        return
    for hour in range(hours):
        take_leg(self, index, handles[hour], <int32_t>found.lots)


cdef void note_hit(State *self, uint32_t index, Hits *hits) noexcept nogil:
    """Remember a resting block that was partly filled, once."""
    cdef Block *block = &self.blocks[index]
    if block.is_hit:
        return
    block.is_hit = 1
    block.next_hit = NIL
    if hits.last != NIL:
        self.blocks[hits.last].next_hit = index
    else:
        hits.first = index
    hits.last = index


cdef void exhaust(State *self, uint32_t index, Hits *hits) noexcept nogil:
    """Trade a block until nothing fills; collect the resting blocks that it partly fills (BLK-009)."""
    cdef uint32_t slot = self.blocks[index].slot
    cdef uint32_t owner = self.books.orders[slot].owner
    cdef Candidate found
    while self.books.orders[slot].leaves > 0 and not self.broken:
        found = best_candidate(self, &self.blocks[index], self.books.orders[slot].leaves, owner)
        if found.lots == 0:
            return
        execute(self, index, &found)
        if found.against != NIL and self.blocks[found.against].resting:
            note_hit(self, found.against, hits)
    forget_block(self, index)


cdef void try_hits(State *self, Hits *hits) noexcept nogil:
    """Try resting blocks that were partly filled as aggressors, until none is left."""
    cdef uint32_t index
    while hits.first != NIL:
        index = hits.first
        hits.first = self.blocks[index].next_hit
        if hits.first == NIL:
            hits.last = NIL
        self.blocks[index].is_hit = 0
        if self.blocks[index].resting:
            exhaust(self, index, hits)
        else:                                   # It has ended since; its place was kept for this list.
            self.blocks[index].next_hit = self.free_block
            self.free_block = index


cdef void work_resting(State *self, uint32_t index) noexcept nogil:
    """Trade a resting block, then those it has partly hit."""
    cdef Hits hits
    hits.first = NIL
    hits.last = NIL
    exhaust(self, index, &hits)
    try_hits(self, &hits)
