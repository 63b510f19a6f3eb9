# cython: boundscheck=False, wraparound=False, initializedcheck=False
"""Writes the canonical state: what the state hash is taken of, and what two engines are compared by."""

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdlib cimport free, malloc, qsort, realloc

from ext.book cimport handle_of, slot_of
from ext.lanes cimport outcome_at
from ext.phases cimport next_moment
from ext.queues cimport next_level
from ext.state cimport wide_low
from ext.types cimport (
    AUCTION_ONLY, FIRM_OFFER, META_BITS, NIL, O_PHYSICAL, O_QUOTE, QUOTE_LANES, Account, Block, Expiry, Instrument,
    Lane, Order, Outcome, Position, Terms, int64_t, uint32_t, uint64_t,
)


cdef enum:
    O_AUCTION_ONLY = 32         # Canonical flags of an auction-only order, of a firm one,
    O_FIRM = 64
    HAS_TERMS = 4               # and of an account with terms of the clearinghouse.


cdef struct Row:
    int64_t *values
    uint64_t count
    uint64_t capacity


cdef int put(Row *row, int64_t value) noexcept nogil:
    cdef int64_t *values
    if row.count == row.capacity:
        values = <int64_t *>realloc(row.values, row.capacity * 2 * sizeof(int64_t))
        if values == NULL:
            return 0
        row.values = values
        row.capacity *= 2
    row.values[row.count] = value
    row.count += 1
    return 1


cdef void put_head(Row *row, State *self) noexcept nogil:
    put(row, <int64_t>self.seq)
    put(row, self.now_ns)
    put(row, <int64_t>self.next_match_id)
    put(row, self.external)
    put(row, self.accounts_count)
    put(row, self.instruments_count - 1)
    put(row, self.books.orders_alive)


cdef void put_accounts(Row *row, State *self) noexcept nogil:
    cdef uint32_t index
    cdef Account *account
    cdef Instrument *instrument
    cdef int has_terms
    for index in range(self.accounts_count):
        account = &self.accounts[index]
        put(row, account.group)
        has_terms = account.addon != 0 or account.credit != 0 or account.keep != 0
        put(row, account.kind | (HAS_TERMS if has_terms else 0))
        put(row, <int64_t>wide_low(account.balance))
        put(row, <int64_t>wide_low(account.requirement))
        put(row, account.open_orders)
        if has_terms:
            put(row, account.addon)
            put(row, account.credit)
            put(row, account.keep)
    for index in range(1, self.instruments_count):
        instrument = &self.instruments[index]
        put(row, instrument.phase)
        put(row, instrument.balancing)
        put(row, next_moment(self, index))
        put(row, self.schedules[index].resume_ns)
        put(row, instrument.mark)
        put(row, instrument.last)
        put(row, instrument.long_micros)
        put(row, instrument.short_micros)


cdef void put_positions(Row *row, State *self) noexcept nogil:
    cdef uint32_t index
    cdef Position *position
    for index in range(self.positions_count):
        position = &self.positions[index]
        put(row, position.account)
        put(row, position.instrument)
        put(row, position.lots)
        put(row, position.open_buy)
        put(row, position.open_sell)
        put(row, position.requirement)
        put(row, self.capacities[index].certified)
        put(row, self.capacities[index].block_sell)


cdef void put_order(Row *row, State *self, uint32_t slot, int64_t price) noexcept nogil:
    cdef Order *order = &self.books.orders[slot]
    cdef Terms *terms = &self.books.terms[slot]
    put(row, <int64_t>handle_of(&self.books, slot))
    put(row, price)
    put(row, order.leaves)
    put(row, order.shown)
    put(row, order.cum)
    put(row, terms.display if terms.display > 0 else 0)
    put(row, order.meta & (0x1F | O_PHYSICAL) | (O_AUCTION_ONLY if terms.display == AUCTION_ONLY else 0)
        | (O_FIRM if terms.display == FIRM_OFFER else 0))
    put(row, self.positions[terms.position].account)
    put(row, 0 if order.meta & O_QUOTE else <int64_t>terms.ref)
    put(row, self.lanes[terms.lane].number)
    put(row, terms.tag)


cdef void put_books(Row *row, State *self) noexcept nogil:
    cdef uint32_t instrument, level, slot
    cdef int side
    for instrument in range(1, self.instruments_count):
        for side in range(2):
            level = self.books.books[instrument].side[side].best
            while level != NIL:
                slot = self.books.levels[level].head
                while slot != NIL:
                    put_order(row, self, slot, self.books.levels[level].price)
                    slot = self.books.orders[slot].next
                level = next_level(&self.books, instrument, side, self.books.levels[level].price)


cdef struct Ranked:
    uint64_t rank
    uint32_t index


cdef int compare_ranked(const void *one, const void *other) noexcept nogil:
    cdef uint64_t left = (<const Ranked *>one).rank, right = (<const Ranked *>other).rank
    return (left > right) - (left < right)


cdef void put_block(Row *row, State *self, uint32_t index) noexcept nogil:
    cdef Block *block = &self.blocks[index]
    cdef Order *order = &self.books.orders[block.slot]
    cdef Terms *terms = &self.books.terms[block.slot]
    put(row, <int64_t>handle_of(&self.books, block.slot))
    put(row, block.product)
    put(row, <int64_t>block.scope)
    put(row, block.start)
    put(row, block.hours)
    put(row, block.side)
    put(row, block.limit)
    put(row, order.leaves)
    put(row, order.cum)
    put(row, block.least)
    put(row, order.meta & (0x1F | O_PHYSICAL))
    put(row, block.account)
    put(row, <int64_t>terms.ref)
    put(row, self.lanes[terms.lane].number)
    put(row, terms.tag)
    put(row, <int64_t>block.sequence)
    put(row, block.reserve)


cdef int put_blocks(Row *row, State *self) noexcept nogil:
    """Resting blocks by sequence."""
    cdef Ranked *ranked
    cdef uint32_t index, count = 0
    if self.blocks_resting == 0:
        return 1
    ranked = <Ranked *>malloc(self.blocks_resting * sizeof(Ranked))
    if ranked == NULL:
        return 0
    for index in range(self.blocks_used):
        if self.blocks[index].resting:
            ranked[count].rank = self.blocks[index].sequence
            ranked[count].index = index
            count += 1
    qsort(ranked, count, sizeof(Ranked), compare_ranked)
    for index in range(count):
        put_block(row, self, ranked[index].index)
    free(ranked)
    return 1


cdef int put_protections(Row *row, State *self) noexcept nogil:
    """Protected quote sets in order of creation."""
    cdef Ranked *ranked
    cdef uint32_t index, count = 0
    cdef Lane *lane
    if self.protections == 0:
        return 1
    ranked = <Ranked *>malloc(self.protections * sizeof(Ranked))
    if ranked == NULL:
        return 0
    for index in range(self.lanes_count):
        if self.lanes[index].mmp_number:
            ranked[count].rank = self.lanes[index].mmp_number
            ranked[count].index = index
            count += 1
    qsort(ranked, count, sizeof(Ranked), compare_ranked)
    for index in range(count):
        lane = &self.lanes[ranked[index].index]
        put(row, lane.account)
        put(row, lane.number & 0xFF)
        put(row, lane.mmp_fills_max)
        put(row, lane.mmp_lots_max)
        put(row, lane.mmp_window_ms)
        put(row, lane.mmp_fills)
        put(row, lane.mmp_lots)
        put(row, lane.mmp_until_ns)
        put(row, lane.mmp_frozen)
    free(ranked)
    return 1


cdef int compare_expiries(const void *one, const void *other) noexcept nogil:
    cdef const Expiry *left = <const Expiry *>one
    cdef const Expiry *right = <const Expiry *>other
    if left.expiry_ns != right.expiry_ns:
        return -1 if left.expiry_ns < right.expiry_ns else 1
    return -1 if left.seq < right.seq else 1


cdef int put_expiries(Row *row, State *self) noexcept nogil:
    cdef Expiry *alive
    cdef uint32_t index, count = 0
    if self.expiries_count == 0:
        return 1
    alive = <Expiry *>malloc(self.expiries_count * sizeof(Expiry))
    if alive == NULL:
        return 0
    for index in range(self.expiries_count):
        if slot_of(&self.books, self.expiries[index].oid) != NIL:
            alive[count] = self.expiries[index]
            count += 1
    qsort(alive, count, sizeof(Expiry), compare_expiries)
    for index in range(count):
        put(row, alive[index].expiry_ns)
        put(row, <int64_t>alive[index].seq)
        put(row, <int64_t>alive[index].oid)
    free(alive)
    return 1


cdef void put_lanes(Row *row, State *self) noexcept nogil:
    cdef uint32_t index, kept
    cdef Lane *lane
    cdef Outcome *outcome
    for index in range(self.lanes_count):
        lane = &self.lanes[index]
        if lane.number >= QUOTE_LANES:
            continue
        put(row, lane.account)
        put(row, lane.number)
        put(row, <int64_t>lane.last_ref)
        put(row, lane.last_leg)
        put(row, lane.kept)
        for kept in range(lane.kept):
            outcome = outcome_at(lane, kept)
            put(row, <int64_t>outcome.ref)
            put(row, outcome.type)
            put(row, outcome.reason)
            put(row, <int64_t>outcome.oid)


cdef void put_slots(Row *row, State *self) noexcept nogil:
    cdef uint32_t slot = self.books.free_order
    put(row, self.books.orders_used)
    while slot != NIL:
        put(row, slot)
        put(row, self.books.orders[slot].meta >> META_BITS)
        slot = self.books.orders[slot].next


cdef bytes dump_state(State *self):
    """The rows of docs/spec/engine.md as little-endian int64. O(size of the state)."""
    cdef Row row
    cdef int whole
    row.count = 0
    row.capacity = 1024
    row.values = <int64_t *>malloc(row.capacity * sizeof(int64_t))
    if row.values == NULL:
        raise MemoryError("no memory for a state dump")
    with nogil:
        put_head(&row, self)
        put_accounts(&row, self)
        put_positions(&row, self)
        put_books(&row, self)
        whole = put_blocks(&row, self)
        whole &= put_expiries(&row, self)
        put_lanes(&row, self)
        whole &= put_protections(&row, self)
        put_slots(&row, self)
        whole &= put(&row, 0)               # A failed put before shows here too: the row did not grow.
    try:
        if not whole:
            raise MemoryError("no memory for a state dump")
        return PyBytes_FromStringAndSize(<char *>row.values, (row.count - 1) * sizeof(int64_t))
    finally:
        free(row.values)
