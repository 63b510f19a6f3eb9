# cython: boundscheck=False, wraparound=False, initializedcheck=False
"""Blocks come in, change and are refused: validation in the order of the reasons (BLK-001, BLK-002, BLK-014)."""

from libc.stdint cimport int32_t, int64_t, uint64_t

from ext.blocks cimport (
    Hits, acquire_block, best_candidate, block_of, count_block, emit_block, end_block, exhaust, first_leg, rest_block,
    try_hits, work_resting,
)
from ext.book cimport handle_of
from ext.checks cimport POSITION_LOTS_MAX
from ext.idmap cimport map_find
from ext.lanes cimport accept, refuse
from ext.orders cimport refusal_of_fields
from ext.queues cimport acquire_order
from ext.reasons cimport (
    D_IOC, D_USER, R_BLOCK_LIMIT, R_DEADLINE, R_FOK_UNFILLED, R_MALFORMED, R_MARGIN, R_NONE, R_NOT_OPEN, R_NO_CAPACITY,
    R_NO_FABRIC, R_NO_INSTRUMENT, R_NO_PRODUCT, R_OPEN_LIMIT, R_POSITION_LIMIT, R_PRIORITY, R_PX_TICK, R_QTY_LOT,
    R_QTY_MAX, R_WINDOW_CLOSED,
)
from ext.risk cimport may_become_short, prepaid_part
from ext.shelf cimport Shelf, shelf_wish
from ext.state cimport Product, committed_lots, free_money, held_lots, is_before_gate, leg_handle, money_fits
from ext.types cimport (
    A_PREPAID, BLOCKS_PER_ACCOUNT_MAX, BLOCKS_PER_PRODUCT_MAX, BLOCK_HOURS_MAX, BLOCK_HOURS_SHIFT, BUY, E_REPLACED, FOK,
    F_COD, F_KEEP_PRIORITY, F_PHYSICAL, GTD, IOC, LOTS_MAX, MONEY_MAX, NIL, O_BLOCK, O_GTD, O_PHYSICAL, PRICE_MAX_TICKS,
    P_CONTINUOUS, P_LISTED, P_PRECLOSE, SELL, V_BLOCK, V_SELL, Account, Block, Event, Instrument, Order, Terms, wide_t,
)


cdef uint64_t EVERY_FABRIC = <uint64_t>0xFFFFFFFFFFFFFFFF


cdef inline int several(uint64_t scope) noexcept nogil:
    return scope & (scope - 1) != 0


cdef void read_block(State *self, const Command *command, Block *block) noexcept nogil:
    """What a command asks for; a scope of all ones is every fabric of the product."""
    cdef uint32_t fabrics = 0
    block.product = command.instrument
    if 0 < block.product < self.products_count:
        fabrics = self.products[block.product].fabrics
    block.scope = command.target
    if command.target == EVERY_FABRIC:
        block.scope = EVERY_FABRIC if fabrics == 64 else (<uint64_t>1 << fabrics) - 1
    block.account = command.account
    block.sequence = self.seq
    block.start = command.price_2
    block.hours = command.flags >> BLOCK_HOURS_SHIFT
    block.side = command.side
    block.limit = command.price
    block.least = command.lots if command.tif == FOK else max(command.lots_2, 1)
    block.reserve = 0
    block.resting = 0
    block.is_hit = 0


# --- Refusing ---------------------------------------------------------------------------------------------------------

cdef int is_malformed(const Command *command, const Block *block) noexcept nogil:
    cdef int flags = command.flags & ((1 << BLOCK_HOURS_SHIFT) - 1)
    if command.side > SELL or command.tif > GTD or command.stp != 0 or flags & ~(F_COD | F_PHYSICAL):
        return 1
    if flags & F_PHYSICAL and command.side != SELL:
        return 1
    if command.target == 0 or block.hours < 1 or block.hours > BLOCK_HOURS_MAX or block.start < 0:
        return 1
    if command.side == SELL and several(block.scope):
        return 1
    if block.hours == 1 and block.scope != 0 and not several(block.scope):
        return 1
    if command.lots_2 < 0 or (command.lots > 0 and command.lots_2 > command.lots):
        return 1
    return command.amount <= 0 if command.tif == GTD else command.amount != 0


cdef struct Legs:               # What the legs of a block in all fabrics of its scope have in common.
    int listed
    int opened
    int trading                 # None has left continuous trading.
    int continuous
    int rated
    int marked
    wide_t reserve


cdef wide_t reserve_of(const Block *block, wide_t rates, wide_t marks, int marked, int64_t lot_micros) noexcept nogil:
    """BLK-010 for one fabric."""
    cdef wide_t lost
    if block.side == BUY:
        lost = block.limit - marks
    else:
        lost = marks - (block.limit if marked else 0)
    return rates + (lost * lot_micros if lost > 0 else 0)


cdef void look_at_fabric(State *self, const Block *block, int fabric, Legs *legs) noexcept nogil:
    cdef int32_t hour
    cdef uint32_t handle
    cdef Instrument *instrument
    cdef wide_t rates = 0, marks = 0, reserve
    cdef int marked = 1
    cdef int64_t lot_micros = 0
    for hour in range(block.hours):
        handle = leg_handle(&self.products[block.product], block.start + hour, fabric)
        if handle == 0:
            legs.listed = 0
            return
        instrument = &self.instruments[handle]
        lot_micros = instrument.lot_micros
        if instrument.phase == P_LISTED:
            legs.opened = 0
        if instrument.phase == P_PRECLOSE or not is_before_gate(instrument.phase):
            legs.trading = 0
        if instrument.phase != P_CONTINUOUS:
            legs.continuous = 0
        if instrument.long_micros != 0 or instrument.short_micros != 0:
            legs.rated = 1
        if block.side == SELL:
            rates += instrument.short_micros
        else:
            rates += instrument.long_micros + prepaid_part(&self.accounts[block.account], instrument, 1)
        if instrument.mark >= 0:
            marks += instrument.mark
        else:
            marked = 0
            legs.marked = 0
    reserve = reserve_of(block, rates, marks, marked, lot_micros)
    if reserve > legs.reserve:
        legs.reserve = reserve


cdef Legs look_at_legs(State *self, const Block *block) noexcept nogil:
    """Read all instruments that the block may trade in. O(fabrics x hours)."""
    cdef Legs legs
    cdef uint32_t fabric
    legs.listed = 1
    legs.opened = 1
    legs.trading = 1
    legs.continuous = 1
    legs.rated = 0
    legs.marked = 1
    legs.reserve = 0
    for fabric in range(self.products[block.product].fabrics):
        if block.scope >> fabric & 1:
            look_at_fabric(self, block, fabric, &legs)
    if legs.reserve > MONEY_MAX:
        legs.reserve = MONEY_MAX
    return legs


cdef int lacks_block_capacity(State *self, const Block *block, int64_t lots, int64_t replaced_lots) noexcept nogil:
    """MKT-021 in each window of a sell, which has one fabric."""
    cdef uint32_t first = first_leg(self, block), slot, handle
    cdef int32_t hour
    for hour in range(block.hours):
        handle = leg_handle(&self.products[block.product], block.start + hour, self.instruments[first].fabric)
        slot = map_find(&self.position_map, (<uint64_t>block.account << 32) | handle)
        if slot == NIL or committed_lots(self, slot) + lots - replaced_lots > self.capacities[slot].certified:
            return 1
    return 0


cdef int64_t most_held(State *self, const Block *block) noexcept nogil:
    """The most lots that the account holds and has open in one of the instruments the block may trade in."""
    cdef const Product *product = &self.products[block.product]
    cdef uint32_t fabric, slot
    cdef int32_t hour
    cdef int64_t most = 0
    for fabric in range(product.fabrics):
        if not block.scope >> fabric & 1:
            continue
        for hour in range(block.hours):
            slot = map_find(&self.position_map, (<uint64_t>block.account << 32)
                            | leg_handle(product, block.start + hour, fabric))
            if slot != NIL:
                most = max(most, held_lots(&self.positions[slot]))
    return most


cdef int may_prepay(State *self, const Block *block, const Legs *legs, int64_t lots) noexcept nogil:
    """Whether every leg has a mark, and a sale is of lots held that are not offered yet (RSK-009)."""
    cdef uint32_t first
    cdef int32_t hour
    if not legs.marked or block.side == BUY:
        return legs.marked
    first = first_leg(self, block)
    for hour in range(block.hours):
        if may_become_short(self, block.account, leg_handle(&self.products[block.product], block.start + hour,
                                                            self.instruments[first].fabric), lots):
            return 0
    return 1


cdef int refusal_by_account(State *self, const Block *block, const Legs *legs, int physical, int64_t lots,
                            int64_t replaced_lots, wide_t freed) noexcept nogil:
    """MARGIN, POSITION_LIMIT, NO_CAPACITY or none. `freed`: the requirement that a replaced block gives up."""
    cdef const Account *account = &self.accounts[block.account]
    if account.kind & A_PREPAID and not may_prepay(self, block, legs, lots - replaced_lots):
        return R_MARGIN
    if account.kind != 0 or legs.rated:
        if legs.reserve * lots > free_money(account) + freed:
            return R_MARGIN
    if most_held(self, block) + account.block_lots + lots - replaced_lots > POSITION_LOTS_MAX:
        return R_POSITION_LIMIT
    if physical and lacks_block_capacity(self, block, lots, replaced_lots):
        return R_NO_CAPACITY
    return R_NONE


cdef int refusal_by_limits(State *self, const Block *block) noexcept nogil:
    cdef const Account *account = &self.accounts[block.account]
    cdef const Shelf *shelf = <const Shelf *>self.products[block.product].shelf
    if account.open_orders >= self.account_orders_max:
        return R_OPEN_LIMIT
    if self.books.free_order == NIL and self.books.orders_used >= self.books.orders_max:
        return R_OPEN_LIMIT
    if <int64_t>self.positions_count + self.positions_promised + block.hours > self.positions_max:
        return R_OPEN_LIMIT
    if account.blocks >= BLOCKS_PER_ACCOUNT_MAX or (shelf != NULL and shelf.count >= BLOCKS_PER_PRODUCT_MAX):
        return R_BLOCK_LIMIT
    return R_NONE


cdef int refusal_of_block(State *self, const Command *command, Block *block) noexcept nogil:
    """The first reason in order of precedence, or none; touches nothing but the block's reserve (BLK-002)."""
    cdef Legs legs
    cdef int64_t lot_micros
    cdef int reason
    if is_malformed(command, block):
        return R_MALFORMED
    if block.product == 0 or block.product >= self.products_count:
        return R_NO_PRODUCT
    if self.products[block.product].fabrics < 64 and block.scope >> self.products[block.product].fabrics:
        return R_NO_FABRIC
    legs = look_at_legs(self, block)
    if not legs.listed:
        return R_NO_INSTRUMENT
    if not legs.opened:
        return R_NOT_OPEN
    if not legs.trading:
        return R_WINDOW_CLOSED
    if command.price < 0 or command.price > PRICE_MAX_TICKS:
        return R_PX_TICK
    if command.lots < 1:
        return R_QTY_LOT
    lot_micros = self.instruments[first_leg(self, block)].lot_micros
    if command.lots > LOTS_MAX or not money_fits(command.price, command.lots, lot_micros):
        return R_QTY_MAX
    if command.tif == FOK and best_candidate(self, block, command.lots, self.accounts[block.account].group).lots == 0:
        return R_FOK_UNFILLED
    if command.tif == GTD and command.amount <= self.now_ns:
        return R_DEADLINE
    block.reserve = <int64_t>legs.reserve
    reason = refusal_by_account(self, block, &legs, command.flags & F_PHYSICAL, command.lots, 0, 0)
    return reason if reason else refusal_by_limits(self, block)


# --- Entering ---------------------------------------------------------------------------------------------------------

cdef uint32_t enter_block(State *self, const Command *command, uint32_t lane, const Block *asked) noexcept nogil:
    """Take the places of a block that has been checked; NIL when memory ran out."""
    cdef uint32_t index = acquire_block(self), slot
    cdef Order *order
    cdef Terms *terms
    if index == NIL:
        return NIL
    slot = acquire_order(&self.books)           # `refusal_by_limits` has said that there is one.
    self.blocks[index] = asked[0]
    self.blocks[index].slot = slot
    order = &self.books.orders[slot]
    order.meta |= O_BLOCK | (command.flags & F_COD)
    if command.flags & F_PHYSICAL:
        order.meta |= O_PHYSICAL
    if command.tif == GTD:
        order.meta |= O_GTD
    order.leaves = command.lots
    order.shown = 0
    order.cum = 0
    order.level = index
    order.owner = self.accounts[command.account].group
    terms = &self.books.terms[slot]
    terms.ref = command.ref
    terms.position = 0
    terms.lane = lane
    terms.tag = command.tag
    terms.display = 0
    return index


cdef void place_block(State *self, const Command *command, uint32_t lane) noexcept nogil:
    """BLK-001 to BLK-009."""
    cdef Block asked
    cdef Command nameless
    cdef Hits hits
    cdef uint32_t index, slot
    cdef Event *event
    cdef int reason
    read_block(self, command, &asked)
    reason = refusal_of_block(self, command, &asked)
    if reason:
        nameless = command[0]
        nameless.instrument = 0                 # It has the product's number, which is no instrument's.
        refuse(self, &nameless, lane, reason)
        return
    index = enter_block(self, command, lane, &asked)
    if index == NIL:
        return
    slot = self.blocks[index].slot
    event = accept(self, command, lane, handle_of(&self.books, slot))
    event.instrument = first_leg(self, &asked)
    event.flags = V_BLOCK | (V_SELL if asked.side else 0)
    event.match_id = asked.scope
    event.price = asked.limit
    event.lots = command.lots
    event.leaves = command.lots
    event.amount = asked.hours
    hits.first = NIL
    hits.last = NIL
    exhaust(self, index, &hits)
    if self.books.orders[slot].leaves > 0 and self.books.orders[slot].meta & O_BLOCK:
        if command.tif == IOC or command.tif == FOK:
            end_block(self, index, D_IOC)
        else:
            rest_block(self, index, command.amount)
    try_hits(self, &hits)


# --- Replace ----------------------------------------------------------------------------------------------------------

cdef int keeps_priority(State *self, const Command *command, const Block *block, int64_t leaves) noexcept nogil:
    return command.price == block.limit and leaves <= self.books.orders[block.slot].leaves


cdef int refusal_of_replace(State *self, const Command *command, Block *block, int64_t leaves) noexcept nogil:
    """BLK-014; leaves the reserve of the new terms in `block`, which is a copy."""
    cdef Legs legs
    cdef int64_t before = self.books.orders[block.slot].leaves
    cdef wide_t freed = <wide_t>block.reserve * before
    cdef int reason = refusal_of_fields(command)
    if reason:
        return reason
    if leaves <= 0 or keeps_priority(self, command, block, leaves):
        return R_NONE
    block.limit = command.price
    legs = look_at_legs(self, block)
    if not legs.continuous:
        return R_NOT_OPEN
    if not money_fits(command.price, leaves, self.instruments[first_leg(self, block)].lot_micros):
        return R_QTY_MAX
    if command.flags & F_KEEP_PRIORITY:
        return R_PRIORITY
    block.reserve = <int64_t>legs.reserve
    return refusal_by_account(self, block, &legs, self.books.orders[block.slot].meta & O_PHYSICAL, leaves, before,
                              freed)


cdef void tell_replaced(State *self, uint32_t index, int32_t leaves) noexcept nogil:
    emit_block(self, E_REPLACED, index, self.books.orders[self.blocks[index].slot].cum + leaves, leaves, 0)


cdef void replace_block(State *self, const Command *command, uint32_t lane, uint32_t slot) noexcept nogil:
    """BLK-014."""
    cdef uint32_t index = block_of(self, slot)
    cdef Block *block = &self.blocks[index]
    cdef Block changed = block[0]
    cdef Order *order = &self.books.orders[slot]
    cdef int64_t leaves = <int64_t>command.lots - order.cum
    cdef int reason = refusal_of_replace(self, command, &changed, leaves)
    if reason:
        refuse(self, command, lane, reason)
        return
    accept(self, command, lane, handle_of(&self.books, slot))
    if leaves <= 0:
        end_block(self, index, D_USER)
        return
    if keeps_priority(self, command, block, leaves):
        count_block(self, index, leaves - order.leaves)
        order.leaves = <int32_t>leaves
        block.least = min(block.least, order.leaves)
        shelf_wish(self, index)
        tell_replaced(self, index, order.leaves)
        return
    count_block(self, index, -<int64_t>order.leaves)
    order.leaves = <int32_t>leaves
    block.limit = command.price
    block.least = min(block.least, order.leaves)
    block.sequence = self.seq
    block.reserve = changed.reserve
    shelf_wish(self, index)
    count_block(self, index, leaves)
    tell_replaced(self, index, order.leaves)
    work_resting(self, index)
