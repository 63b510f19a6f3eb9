# cython: boundscheck=False, wraparound=False, initializedcheck=False
"""Cancels, one or many (CXL-001, CXL-002), lost sessions (CXL-004), expiry (MAT-010), pulled quotes (MMP-002)."""

from ext.blocks cimport block_of, end_block, has_leg
from ext.book cimport handle_of, slot_of
from ext.calendar cimport heap_pop
from ext.lanes cimport accept, find_lane, find_or_add_lane, refuse
from ext.orders cimport end_resting, target_slot
from ext.phases cimport pass_moments
from ext.reasons cimport (
    D_COD, D_DEADMAN, D_EXPIRED, D_MMP, D_USER, R_MALFORMED, R_NO_ACCOUNT, R_NO_ORDER, R_OPEN_LIMIT, R_WINDOW_CLOSED,
)
from ext.state cimport emit, is_firm, side_of
from ext.types cimport (
    E_NOTICE, E_REJECT, E_SESSION, MMP_WINDOW_MAX_MS, M_INSTRUMENT, M_LANE, M_PRODUCT, M_SIDE, M_TAG, M_WINDOWS, NIL,
    O_BLOCK, O_COD, QUOTE_LANES, S_FIRED, SELL, Block, Event, Instrument, Lane, Order, Terms, int32_t, int64_t,
    uint64_t,
)


cdef enum:
    MMP_FIRED = 3               # exchange/records.py: NoticeKind.


cdef inline int covers_instrument(State *self, const Command *command, uint32_t instrument) noexcept nogil:
    cdef Instrument *listed = &self.instruments[instrument]
    if command.flags & M_INSTRUMENT and instrument != command.instrument:
        return 0
    if command.flags & M_PRODUCT and listed.product != <uint32_t>command.price_2:
        return 0
    if command.flags & M_WINDOWS:
        return <int64_t><uint32_t>command.target <= listed.window < <int64_t>(command.target >> 32)
    return 1


cdef inline int covers_order(State *self, const Command *command, uint32_t slot) noexcept nogil:
    cdef Terms *terms = &self.books.terms[slot]
    if command.flags & M_SIDE and side_of(self, slot) != command.side:
        return 0
    if command.flags & M_TAG and terms.tag != command.tag:
        return 0
    if command.flags & M_LANE:
        return self.lanes[terms.lane].number == command.tif
    return 1


cdef int covers_block(State *self, const Command *command, uint32_t slot) noexcept nogil:
    """Whether a block passes every filter (BLK-015)."""
    cdef Block *block = &self.blocks[block_of(self, slot)]
    cdef Terms *terms = &self.books.terms[slot]
    if command.flags & M_INSTRUMENT and not has_leg(self, block, command.instrument):
        return 0
    if command.flags & M_PRODUCT and block.product != <uint32_t>command.price_2:
        return 0
    if command.flags & M_WINDOWS and not (block.start < <int64_t>(command.target >> 32)
                                          and <int64_t><uint32_t>command.target < block.start + block.hours
                                          and <uint32_t>command.target < command.target >> 32):
        return 0
    if command.flags & M_SIDE and block.side != command.side:
        return 0
    if command.flags & M_TAG and terms.tag != command.tag:
        return 0
    return not command.flags & M_LANE or self.lanes[terms.lane].number == command.tif


cdef void mass_cancel(State *self, const Command *command, uint32_t lane) noexcept nogil:
    """End every order of the account that all the filters cover. O(positions + orders of the covered ones)."""
    cdef uint32_t position, slot, following
    cdef uint64_t answer
    cdef int32_t count = 0
    if command.flags & ~(M_INSTRUMENT | M_PRODUCT | M_SIDE | M_WINDOWS | M_TAG | M_LANE) or \
            (command.flags & M_SIDE and command.side > SELL):
        refuse(self, command, lane, R_MALFORMED)
        return
    answer = self.event_count
    accept(self, command, lane, 0)
    position = self.accounts[command.account].first_position
    while position != NIL:
        if self.positions[position].orders and covers_instrument(self, command, self.positions[position].instrument):
            slot = self.positions[position].head
            while slot != NIL:
                following = self.books.terms[slot].mine_next
                if covers_order(self, command, slot) and not is_firm(self, slot):
                    end_resting(self, slot, D_USER)
                    count += 1
                slot = following
        position = self.positions[position].next_of_account
    slot = self.accounts[command.account].first_block
    while slot != NIL:
        following = self.books.terms[slot].mine_next
        if covers_block(self, command, slot):
            end_block(self, block_of(self, slot), D_USER)
            count += 1
        slot = following
    self.events[answer].lots = count                    # The answer comes first, its number is known last.


cdef void session_lost(State *self, const Command *command) noexcept nogil:
    """End the lane's flagged orders, all of the lane (`side` 1), or all of the account (2); `tif` 1: by dead-man."""
    cdef uint32_t position, slot, following
    cdef uint32_t lane = NIL
    cdef int reason = D_DEADMAN if command.tif else D_COD
    cdef int every = command.side
    cdef Order *order
    cdef Terms *terms
    cdef Event *event
    if command.account == 0 or command.account >= self.accounts_count:
        event = emit(self, E_REJECT)
        event.account = command.account
        event.lane = command.lane
        event.reason = R_NO_ACCOUNT
        return
    if command.side > 2 or command.tif > 1:
        event = emit(self, E_REJECT)
        event.account = command.account
        event.lane = command.lane
        event.reason = R_MALFORMED
        return
    if every < 2:
        lane = find_lane(self, command.account, command.lane)
        if lane == NIL:
            return
    position = self.accounts[command.account].first_position
    while position != NIL:
        slot = self.positions[position].head
        while slot != NIL:
            order = &self.books.orders[slot]
            terms = &self.books.terms[slot]
            following = terms.mine_next
            if (every == 2 or terms.lane == lane) and (every or order.meta & O_COD) and not is_firm(self, slot):
                end_resting(self, slot, reason)
            slot = following
        position = self.positions[position].next_of_account
    slot = self.accounts[command.account].first_block
    while slot != NIL:
        following = self.books.terms[slot].mine_next
        if (every == 2 or self.books.terms[slot].lane == lane) and (every or self.books.orders[slot].meta & O_COD):
            end_block(self, block_of(self, slot), reason)
        slot = following


cdef void note_session(State *self, const Command *command) noexcept nogil:
    """Tell what a session has asked for, so that it is in the journal: the state does not depend on it (CXL-006)."""
    cdef int is_known = 0 < command.account < self.accounts_count
    cdef int is_good = command.side <= S_FIRED and command.amount >= 0
    cdef Event *event = emit(self, E_SESSION if is_known and is_good else E_REJECT)
    event.account = command.account
    event.lane = command.lane
    if not is_known:
        event.reason = R_NO_ACCOUNT
    elif not is_good:
        event.reason = R_MALFORMED
    else:
        event.reason = command.side
        event.amount = command.amount


cdef void expire_orders(State *self) noexcept nogil:
    """GTD orders and blocks whose time has come (MAT-010)."""
    cdef uint32_t slot
    while self.expiries_count and self.expiries[0].expiry_ns <= self.now_ns:
        slot = slot_of(&self.books, self.expiries[0].oid)
        heap_pop(self.expiries, &self.expiries_count)
        if slot != NIL:
            end_any(self, slot, D_EXPIRED)


cdef void pass_time(State *self, const Command *command) noexcept nogil:
    if command.amount > self.now_ns:
        self.now_ns = command.amount
    expire_orders(self)
    pass_moments(self)


cdef void end_any(State *self, uint32_t slot, int reason) noexcept nogil:
    """End an order or a block."""
    if self.books.orders[slot].meta & O_BLOCK:
        end_block(self, block_of(self, slot), reason)
    else:
        end_resting(self, slot, reason)


cdef void cancel(State *self, const Command *command, uint32_t lane) noexcept nogil:
    """CXL-001."""
    cdef uint32_t slot = target_slot(self, command, lane)
    if slot == NIL:
        refuse(self, command, lane, R_NO_ORDER)
        return
    if is_firm(self, slot):
        refuse(self, command, lane, R_WINDOW_CLOSED)
        return
    accept(self, command, lane, handle_of(&self.books, slot))
    end_any(self, slot, D_USER)


# --- Market-maker protection ------------------------------------------------------------------------------------------

cdef void protect_quotes(State *self, const Command *command, uint32_t lane) noexcept nogil:
    """Guard a quote set (MMP-001); what was counted is forgotten, but a frozen set stays frozen."""
    cdef uint32_t slot
    cdef Lane *quotes
    if command.price < 0 or command.lots < 0 or command.amount < 0 or command.amount > MMP_WINDOW_MAX_MS:
        refuse(self, command, lane, R_MALFORMED)
        return
    slot = find_or_add_lane(self, command.account, QUOTE_LANES + command.side)
    if slot == NIL:
        refuse(self, command, lane, R_OPEN_LIMIT)
        return
    quotes = &self.lanes[slot]
    if quotes.mmp_number == 0:
        self.protections += 1
        quotes.mmp_number = self.protections
    quotes.mmp_fills_max = command.price
    quotes.mmp_lots_max = command.lots
    quotes.mmp_window_ms = command.amount
    empty_protection(quotes)
    accept(self, command, lane, 0)


cdef void empty_protection(Lane *quotes) noexcept nogil:
    quotes.mmp_fills = 0
    quotes.mmp_lots = 0
    quotes.mmp_until_ns = 0


cdef void reset_quotes(State *self, const Command *command, uint32_t lane) noexcept nogil:
    """Let a quote set quote again (MMP-003)."""
    cdef uint32_t slot = find_lane(self, command.account, QUOTE_LANES + command.side)
    if slot != NIL:
        empty_protection(&self.lanes[slot])
        self.lanes[slot].mmp_frozen = 0
    accept(self, command, lane, 0)


cdef void pull_quotes(State *self) noexcept nogil:
    """End the orders of the quote sets whose protection the command has fired, and tell their makers (MMP-002)."""
    cdef uint32_t index, lane, position, slot, following
    cdef Event *event
    for index in range(self.fired_count):
        lane = self.fired[index]
        position = self.accounts[self.lanes[lane].account].first_position
        while position != NIL:
            slot = self.positions[position].head
            while slot != NIL:
                following = self.books.terms[slot].mine_next
                if self.books.terms[slot].lane == lane:
                    end_resting(self, slot, D_MMP)
                slot = following
            position = self.positions[position].next_of_account
        event = emit(self, E_NOTICE)
        event.account = self.lanes[lane].account
        event.lane = self.lanes[lane].number & 0xFF
        event.reason = MMP_FIRED
    self.fired_count = 0
