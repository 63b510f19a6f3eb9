# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""Orders: validation, matching with positions and fees, replacing, ending."""

from libc.stdlib cimport realloc

from ext.book cimport MATCH_FULL, MATCH_HELD, MATCH_SELF, handle_of, match_order, reachable_lots, slot_of
from ext.calendar cimport heap_push, sift_up
from ext.checks cimport (
    closed_or_not_open, exceeds_reduction, has_room, lacks_capacity, outside_static_band, position_for,
    refusal_by_phase, refusal_by_risk, too_large, within_band, would_take,
)
from ext.idmap cimport refs_add, refs_find, refs_remove
from ext.lanes cimport accept, refuse
from ext.queues cimport acquire_order, release_order, rest_order, shrink_order, unlink_order
from ext.reasons cimport (
    D_IOC, D_REDUCE_ONLY, D_STP, D_USER, R_DEADLINE, R_FOK_UNFILLED, R_MALFORMED, R_NONE, R_NO_CAPACITY,
    R_NO_INSTRUMENT, R_NO_ORDER, R_OPEN_LIMIT, R_PRIORITY, R_PX_BAND, R_PX_TICK, R_QTY_LOT, R_QTY_MAX, R_REDUCE_ONLY,
    R_WOULD_TAKE,
)
from ext.risk cimport reducible
from ext.state cimport (
    BROKEN_MEMORY, account_of, count_open, emit, emit_done, emit_order, emit_replaced, fee_of, is_call, is_firm,
    money_of, move, note_trade, price_of, side_of, touch_position, void_credit,
)
from ext.types cimport (
    AU, AUCTION_ONLY, BUY, C_CANCEL, C_REPLACE, E_FILL, E_TRADE, FILL_STP_DECREMENT, FILL_TRADE, FIRM_OFFER, FOK, F_COD,
    F_FIRM, F_KEEP_PRIORITY, F_PHYSICAL, F_POST_ONLY, F_REDUCE_ONLY, F_STANDBY, GTD, GTG, IOC, LOTS_MAX, NIL, O_GTD,
    O_ICEBERG, O_PHYSICAL, O_POST_ONLY, O_QUOTE, O_REDUCE_ONLY, PRICE_MAX_TICKS, P_CONTINUOUS, SELL, SLOT_MASK, V_SELL,
    V_TAKER, Event, Fill, Lane, Order, Position, Terms, wide_t,
)


# --- Place -----------------------------------------------------------------------------------------------------------

cdef inline int is_malformed(const Command *command) noexcept nogil:
    cdef int immediate = command.tif == IOC or command.tif == FOK or command.tif == AU
    if command.side > SELL or command.tif > AU or command.stp > 3:
        return 1
    if command.flags & ~(F_POST_ONLY | F_REDUCE_ONLY | F_COD | F_PHYSICAL | F_STANDBY | F_FIRM):
        return 1
    if command.flags & (F_PHYSICAL | F_STANDBY | F_FIRM) and is_malformed_sale(command):
        return 1
    if command.lots_2 < 0 or (command.lots > 0 and command.lots_2 > command.lots):
        return 1
    if immediate and (command.lots_2 != 0 or command.flags & F_POST_ONLY):
        return 1
    return command.amount <= 0 if command.tif == GTD else command.amount != 0


cdef int is_malformed_sale(const Command *command) noexcept nogil:
    """Physical, standby or firm."""
    if command.side != SELL:
        return 1
    if command.flags & F_STANDBY and (command.flags & ~(F_STANDBY | F_FIRM | F_COD) or command.lots_2 != 0
                                      or (command.tif != GTG and command.tif != GTD)):
        return 1
    return command.flags & F_FIRM and not (command.flags & F_STANDBY and command.tif == GTG)


cdef int refusal_of_place(State *self, const Command *command) noexcept nogil:
    """The first reason in order of precedence, or none; touches nothing (ORD-003)."""
    cdef uint32_t account = command.account, instrument = command.instrument
    cdef int reason
    if is_malformed(command):
        return R_MALFORMED
    if instrument == 0 or instrument >= self.instruments_count:
        return R_NO_INSTRUMENT
    if self.instruments[instrument].phase != P_CONTINUOUS or command.tif == AU or command.flags & F_STANDBY:
        reason = refusal_by_phase(&self.instruments[instrument], command)
        if reason:
            return reason
    if command.price < 0 or command.price > PRICE_MAX_TICKS:
        return R_PX_TICK
    if outside_static_band(&self.instruments[instrument], command.price):
        return R_PX_BAND
    if command.lots < 1:
        return R_QTY_LOT
    if command.lots > LOTS_MAX or too_large(self, instrument, command.price, command.lots, command.lots_2):
        return R_QTY_MAX
    if command.flags & F_POST_ONLY and would_take(self, instrument, command.side, command.price):
        return R_WOULD_TAKE
    if command.tif == FOK and reachable_lots(&self.books, instrument, command.side,
                                             within_band(self, instrument, command.side, command.price),
                                             command.lots, self.accounts[account].group, command.stp) < command.lots:
        return R_FOK_UNFILLED
    if command.tif == GTD and command.amount <= self.now_ns:
        return R_DEADLINE
    if command.flags & F_REDUCE_ONLY and exceeds_reduction(self, account, instrument, command.side, command.lots, 0):
        return R_REDUCE_ONLY
    reason = refusal_by_risk(self, account, instrument, command.side, command.price, command.lots, 0)
    if reason:
        return reason
    if command.flags & (F_PHYSICAL | F_STANDBY) and lacks_capacity(self, account, instrument, command.lots, 0):
        return R_NO_CAPACITY
    return R_NONE if has_room(self, account, instrument) else R_OPEN_LIMIT


cdef uint32_t enter(State *self, uint32_t position, uint32_t lane, uint64_t ref, int32_t lots, int32_t display,
                    uint32_t tag, uint32_t flags) noexcept nogil:
    """Take a slot for a checked order. `has_room` has said that there is one."""
    cdef uint32_t slot = acquire_order(&self.books)
    cdef Order *order = &self.books.orders[slot]
    cdef Terms *terms = &self.books.terms[slot]
    order.meta |= flags
    order.leaves = lots
    order.shown = 0
    order.cum = 0
    order.owner = self.accounts[self.positions[position].account].group
    terms.ref = ref
    terms.position = position
    terms.lane = lane
    terms.tag = tag
    terms.display = display
    order.level = NIL
    if display > 0:
        order.meta |= O_ICEBERG
    touch_position(self, position)
    return slot


cdef void place(State *self, const Command *command, uint32_t lane) noexcept nogil:
    """ORD-001 to ORD-005, MAT-001 to MAT-008."""
    cdef int reason = refusal_of_place(self, command)
    cdef uint32_t position, slot, flags
    cdef int32_t display = AUCTION_ONLY if command.tif == AU else command.lots_2
    cdef Event *event
    if reason:
        refuse(self, command, lane, reason)
        return
    position = position_for(self, command.account, command.instrument)
    flags = command.flags & (F_POST_ONLY | F_REDUCE_ONLY | F_COD)       # The order's flags have the same bits.
    if command.tif == GTD:
        flags |= O_GTD
    if command.flags & (F_PHYSICAL | F_STANDBY):
        flags |= O_PHYSICAL
        if command.flags & F_FIRM:
            display = FIRM_OFFER
    slot = enter(self, position, lane, command.ref, command.lots, display, command.tag, flags)
    event = accept(self, command, lane, handle_of(&self.books, slot))
    event.instrument = command.instrument
    event.flags = V_SELL if command.side else 0
    event.price = command.price
    event.lots = command.lots
    event.leaves = command.lots
    event.cum = command.lots_2                          # What an iceberg shows at a time.
    work(self, slot, command.side, command.price, command.stp, command.tif != IOC and command.tif != FOK,
         command.amount)


# --- Matching --------------------------------------------------------------------------------------------------------

cdef void release(State *self, uint32_t slot) noexcept nogil:
    """An order that rested (or was about to) is over: forget it everywhere and give its slot back."""
    cdef Order *order = &self.books.orders[slot]
    cdef Terms *terms = &self.books.terms[slot]
    cdef Position *position = &self.positions[terms.position]
    if order.level != NIL:                      # It rested: it is indexed and counted.
        refs_remove(&self.refs, terms.lane, terms.ref, slot)
        if terms.mine_prev != NIL:
            self.books.terms[terms.mine_prev].mine_next = terms.mine_next
        else:
            position.head = terms.mine_next
        if terms.mine_next != NIL:
            self.books.terms[terms.mine_next].mine_prev = terms.mine_prev
        else:
            position.tail = terms.mine_prev
        position.orders -= 1
        self.accounts[position.account].open_orders -= 1
    release_order(&self.books, slot)


cdef void settle_trade(State *self, const Fill *fill, uint32_t taker, int side) noexcept nogil:
    """Money, positions, fees and the three events of one match (ACC-003, FEE-001, MAT-003)."""
    cdef uint32_t maker = <uint32_t>(fill.maker & SLOT_MASK)
    cdef Order *made = &self.books.orders[maker]
    cdef Order *took = &self.books.orders[taker]
    cdef uint32_t maker_slot = self.books.terms[maker].position
    cdef Position *maker_position = &self.positions[maker_slot]
    cdef Position *taker_position = &self.positions[self.books.terms[taker].position]
    cdef Instrument *instrument = &self.instruments[taker_position.instrument]
    cdef int64_t value = money_of(fill.price, fill.lots, instrument.lot_micros)
    cdef int64_t maker_fee = fee_of(value, instrument.maker_fee_ppm)
    cdef int64_t taker_fee = fee_of(value, instrument.taker_fee_ppm)
    cdef int64_t signed_lots = fill.lots if side == BUY else -fill.lots
    cdef Event *event
    note_trade(self, taker_position.instrument, fill.price)
    move(self, taker_position.account, maker_position.account,
         <wide_t>signed_lots * (fill.price - instrument.mark) * instrument.lot_micros)
    void_credit(self, taker_position.account, maker_position.account)
    move(self, maker_position.account, 0, maker_fee)
    move(self, taker_position.account, 0, taker_fee)
    taker_position.lots += signed_lots
    maker_position.lots -= signed_lots
    count_open(self, maker_slot, 1 - side, -fill.lots)
    touch_position(self, maker_slot)
    event = emit_order(self, E_FILL, maker, fill.price, 1 - side)
    event.match_id = self.next_match_id
    event.lots = fill.lots
    event.leaves = fill.maker_leaves
    event.cum = made.cum + made.leaves - fill.maker_leaves      # The order may have been filled again since.
    event.amount = maker_fee
    if made.meta & O_QUOTE:
        count_protected(self, self.books.terms[maker].lane, fill.lots)
    took.cum += fill.lots
    event = emit_order(self, E_FILL, taker, fill.price, side)
    event.flags |= V_TAKER
    event.match_id = self.next_match_id
    event.lots = fill.lots
    event.leaves = fill.taker_leaves
    event.cum = took.cum
    event.amount = taker_fee
    event = emit(self, E_TRADE)
    event.flags = V_SELL if side else 0
    event.instrument = taker_position.instrument
    event.match_id = self.next_match_id
    event.price = fill.price
    event.lots = fill.lots
    self.next_match_id += 1
    if fill.maker_leaves == 0:
        release(self, maker)


cdef void count_protected(State *self, uint32_t slot, int32_t lots) noexcept nogil:
    """Count a fill of a resting quote for its set's protection, if it has one (MMP-002)."""
    cdef Lane *lane = &self.lanes[slot]
    cdef uint32_t *fired
    if lane.mmp_window_ms == 0 or lane.mmp_frozen:
        return
    if self.now_ns >= lane.mmp_until_ns:
        lane.mmp_fills = 0
        lane.mmp_lots = 0
        lane.mmp_until_ns = self.now_ns + lane.mmp_window_ms * 1000000
    lane.mmp_fills += 1
    lane.mmp_lots += lots
    if 0 < lane.mmp_fills_max <= lane.mmp_fills or 0 < lane.mmp_lots_max <= lane.mmp_lots:
        lane.mmp_frozen = 1
        if self.fired_count == self.fired_max:
            fired = <uint32_t *>realloc(self.fired, (self.fired_max * 2 + 16) * sizeof(uint32_t))
            if fired == NULL:
                self.broken = BROKEN_MEMORY
                return
            self.fired = fired
            self.fired_max = self.fired_max * 2 + 16
        self.fired[self.fired_count] = slot
        self.fired_count += 1


cdef void settle_prevention(State *self, const Fill *fill, uint32_t taker, int side, int32_t price) noexcept nogil:
    """Self-match prevention took lots away without a trade (STP-001, STP-003, STP-004)."""
    cdef uint32_t maker = <uint32_t>(fill.maker & SLOT_MASK)
    cdef uint32_t position = self.books.terms[maker].position
    count_open(self, position, 1 - side, -fill.lots)
    touch_position(self, position)
    if fill.maker_leaves:
        emit_replaced(self, maker, fill.price, 1 - side, fill.maker_leaves)
    else:
        emit_done(self, maker, fill.price, 1 - side, fill.lots, D_STP)
        release(self, maker)
    if fill.kind == FILL_STP_DECREMENT:
        if fill.taker_leaves:
            emit_replaced(self, taker, price, side, fill.taker_leaves)
        else:
            emit_done(self, taker, price, side, fill.lots, D_STP)


cdef void take_fills(State *self, uint32_t taker, int side, int32_t price) noexcept nogil:
    """Settle what the book has matched since the last call."""
    cdef uint32_t index
    cdef Fill *fill
    for index in range(self.books.fills_count):
        fill = &self.books.fills[index]
        if fill.kind == FILL_TRADE:
            settle_trade(self, fill, taker, side)
        else:
            settle_prevention(self, fill, taker, side, price)
    self.books.fills_count = 0


cdef int clip_reduce_only(State *self, uint32_t slot, int side) noexcept nogil:
    """A resting reduce-only order of `side` is next to be filled: end it (0), shrink it, or let it pass (RSK-005)."""
    cdef Order *order = &self.books.orders[slot]
    cdef int64_t left = reducible(&self.positions[self.books.terms[slot].position], side)
    if left == 0:
        end_resting(self, slot, D_REDUCE_ONLY)
        return 0
    if order.leaves > left:
        shrink_resting(self, slot, <int32_t>left)
    return 1


cdef uint32_t admit_reduce_only(State *self, uint32_t instrument, int side) noexcept nogil:
    """The front order of the best level is reduce-only: the slot that may be filled, or NIL to look again."""
    cdef uint32_t level = self.books.books[instrument].side[1 - side].best
    cdef uint32_t slot = self.books.levels[level].head
    return slot if clip_reduce_only(self, slot, 1 - side) else NIL


cdef int32_t aggress(State *self, uint32_t slot, int side, int32_t limit, int32_t price, int stp,
                     int *ended) noexcept nogil:
    """Match an order that is in no book as far as `limit`; returns its leaves. `ended`: by self-match prevention.

    `price` is the order's own limit, for what is told of it.
    """
    cdef Order *order = &self.books.orders[slot]
    cdef Terms *terms = &self.books.terms[slot]
    cdef uint32_t instrument = self.positions[terms.position].instrument
    cdef int32_t leaves = order.leaves
    cdef uint32_t admitted = NIL
    cdef int status = MATCH_FULL
    while status == MATCH_FULL or status == MATCH_HELD:
        status = match_order(&self.books, instrument, side, limit, &leaves, order.owner, stp, admitted)
        take_fills(self, slot, side, price)
        admitted = NIL
        if status == MATCH_HELD:
            admitted = admit_reduce_only(self, instrument, side)
    order.leaves = leaves
    ended[0] = status == MATCH_SELF
    return leaves


cdef void work(State *self, uint32_t slot, int side, int32_t price, int stp, int may_rest,
               int64_t expiry_ns) noexcept nogil:
    """Match an order, then rest it or end it. A slot that rested before is still indexed."""
    cdef Order *order = &self.books.orders[slot]
    cdef Terms *terms = &self.books.terms[slot]
    cdef uint32_t position = terms.position
    cdef int was_resting = order.level != NIL
    cdef int ended = 0
    cdef int32_t leaves = order.leaves
    cdef uint32_t handle = self.positions[position].instrument
    cdef Instrument *instrument = &self.instruments[handle]
    cdef int continuous = instrument.phase == P_CONTINUOUS
    cdef int32_t limit = price
    if continuous and would_take(self, handle, side, price):
        if instrument.dynamic_bps:
            limit = within_band(self, handle, side, price)
        if limit == price or would_take(self, handle, side, limit):
            leaves = aggress(self, slot, side, limit, price, stp, &ended)
        if limit != price and leaves and not ended and would_take(self, handle, side, price):
            self.suspend(self, handle)
            continuous = 0
    if leaves and (ended or not may_rest):
        emit_done(self, slot, price, side, leaves, D_STP if ended else D_IOC)
        leaves = 0
    if leaves == 0:
        release(self, slot)
        return
    rest_order(&self.books, handle, side, slot, price)
    count_open(self, position, side, leaves)
    if not was_resting:
        remember(self, slot, expiry_ns)
    if continuous and self.blocks_resting:
        self.wake(self, slot)


cdef void remember(State *self, uint32_t slot, int64_t expiry_ns) noexcept nogil:
    """A new order rests: index it, count it, and put its expiry on the calendar."""
    cdef Order *order = &self.books.orders[slot]
    cdef Terms *terms = &self.books.terms[slot]
    cdef Position *position = &self.positions[terms.position]
    if not refs_add(&self.refs, terms.lane, terms.ref, slot):
        self.broken = BROKEN_MEMORY
    terms.mine_prev = position.tail
    terms.mine_next = NIL
    if position.tail != NIL:
        self.books.terms[position.tail].mine_next = slot
    else:
        position.head = slot
    position.tail = slot
    position.orders += 1
    self.accounts[position.account].open_orders += 1
    if order.meta & O_GTD:
        add_expiry(self, expiry_ns, slot)


# --- Ending and shrinking -------------------------------------------------------------------------------------------

cdef void end_resting(State *self, uint32_t slot, int reason) noexcept nogil:
    """Take a resting order out of its book and tell why."""
    cdef int32_t leaves = self.books.orders[slot].leaves
    cdef int32_t price = price_of(self, slot)
    cdef int side = side_of(self, slot)
    cdef uint32_t position = self.books.terms[slot].position
    unlink_order(&self.books, slot)
    count_open(self, position, side, -leaves)
    touch_position(self, position)
    emit_done(self, slot, price, side, leaves, reason)
    release(self, slot)


cdef void shrink_resting(State *self, uint32_t slot, int32_t leaves) noexcept nogil:
    """Lower the leaves of a resting order and tell; it keeps its place."""
    cdef uint32_t position = self.books.terms[slot].position
    cdef int side = side_of(self, slot)
    count_open(self, position, side, leaves - self.books.orders[slot].leaves)
    touch_position(self, position)
    shrink_order(&self.books, slot, leaves)
    emit_replaced(self, slot, price_of(self, slot), side, leaves)


cdef uint32_t target_slot(State *self, const Command *command, uint32_t lane) noexcept nogil:
    """The live order of this account that a cancel or replace names, or NIL (ORD-004). Quotes do not count."""
    cdef uint32_t slot
    if command.type == C_CANCEL or command.type == C_REPLACE:
        slot = slot_of(&self.books, command.target)
        if slot == NIL or account_of(self, slot) != command.account:
            return NIL
        return NIL if self.books.orders[slot].meta & O_QUOTE else slot
    return refs_find(&self.refs, self.books.terms, lane, command.target)


# --- Replace ---------------------------------------------------------------------------------------------------------

cdef int refusal_of_fields(const Command *command) noexcept nogil:
    """What can be said against a replace without its target."""
    if command.stp > 3 or command.flags & ~F_KEEP_PRIORITY or command.lots_2 != 0 or command.amount != 0:
        return R_MALFORMED
    if command.price < 0 or command.price > PRICE_MAX_TICKS:
        return R_PX_TICK
    if command.lots < 1:
        return R_QTY_LOT
    return R_QTY_MAX if command.lots > LOTS_MAX else R_NONE


cdef int refusal_of_replace(State *self, const Command *command, uint32_t slot) noexcept nogil:
    """RPL-002: what can be said without the target first, the target's state next, NO_ORDER last."""
    cdef Order *order
    cdef Terms *terms
    cdef Position *position
    cdef int64_t leaves
    cdef int side
    cdef int reason = refusal_of_fields(command)
    cdef Instrument *instrument
    if reason:
        return reason
    if slot == NIL:
        return R_NO_ORDER
    order = &self.books.orders[slot]
    terms = &self.books.terms[slot]
    position = &self.positions[terms.position]
    leaves = <int64_t>command.lots - order.cum
    side = side_of(self, slot)
    instrument = &self.instruments[position.instrument]
    if instrument.phase != P_CONTINUOUS and not is_call(instrument.phase) \
            and (not instrument.balancing or is_firm(self, slot)):
        return closed_or_not_open(instrument)
    if command.price != price_of(self, slot) and outside_static_band(instrument, command.price):
        return R_PX_BAND
    if leaves <= 0:
        return R_NONE
    if too_large(self, position.instrument, command.price, leaves, terms.display):
        return R_QTY_MAX
    if command.price == price_of(self, slot) and leaves <= order.leaves:
        return R_NONE
    if order.meta & O_POST_ONLY and would_take(self, position.instrument, side, command.price):
        return R_WOULD_TAKE
    if order.meta & O_REDUCE_ONLY and exceeds_reduction(self, position.account, position.instrument, side, leaves,
                                                        order.leaves):
        return R_REDUCE_ONLY
    if command.flags & F_KEEP_PRIORITY:
        return R_PRIORITY
    reason = refusal_by_risk(self, position.account, position.instrument, side, command.price, leaves, order.leaves)
    if reason:
        return reason
    if order.meta & O_PHYSICAL and lacks_capacity(self, position.account, position.instrument, leaves, order.leaves):
        return R_NO_CAPACITY
    return R_NONE


cdef void replace(State *self, const Command *command, uint32_t lane, uint32_t slot) noexcept nogil:
    """RPL-001 to RPL-003, MAT-009. `slot` NIL: there is no such order."""
    cdef int reason = refusal_of_replace(self, command, slot)
    cdef Order *order
    cdef Terms *terms
    cdef int32_t leaves
    cdef int side
    if reason:
        refuse(self, command, lane, reason)
        return
    order = &self.books.orders[slot]
    terms = &self.books.terms[slot]
    accept(self, command, lane, handle_of(&self.books, slot))
    leaves = command.lots - order.cum
    if leaves <= 0:
        end_resting(self, slot, D_USER)
    elif command.price == price_of(self, slot) and leaves <= order.leaves:
        shrink_resting(self, slot, leaves)
    else:
        side = side_of(self, slot)
        unlink_order(&self.books, slot)
        count_open(self, terms.position, side, -order.leaves)
        touch_position(self, terms.position)
        order.leaves = leaves
        emit_replaced(self, slot, command.price, side, leaves)
        work(self, slot, side, command.price, command.stp, 1, 0)


# --- Expiry calendar -------------------------------------------------------------------------------------------------

cdef void sweep_expiries(State *self) noexcept nogil:
    """Drop the entries of ended orders. Called when the heap has doubled: amortised O(log n) an entry."""
    cdef uint32_t index, kept = 0
    for index in range(self.expiries_count):
        if slot_of(&self.books, self.expiries[index].oid) != NIL:
            self.expiries[kept] = self.expiries[index]
            sift_up(self.expiries, kept)
            kept += 1
    self.expiries_count = kept
    self.expiries_swept = kept


cdef void add_expiry(State *self, int64_t expiry_ns, uint32_t slot) noexcept nogil:
    if self.expiries_count >= 1024 and self.expiries_count >= 2 * self.expiries_swept:
        sweep_expiries(self)
    if not heap_push(&self.expiries, &self.expiries_count, &self.expiries_max, expiry_ns, self.seq,
                     handle_of(&self.books, slot)):
        self.broken = BROKEN_MEMORY
