# cython: boundscheck=False, wraparound=False, initializedcheck=False
"""Mass cancel (CXL-002), lost sessions (CXL-004), expiry and gates (MAT-010, MAT-011)."""

from ext.book cimport slot_of
from ext.lanes cimport accept, find_lane, refuse
from ext.orders cimport (
    D_COD, D_EXPIRED, D_USER, D_GATE, R_MALFORMED, R_NO_ACCOUNT, end_resting, sift_down_first,
)
from ext.state cimport emit, side_of
from ext.types cimport (
    E_REJECT, E_STATUS, M_INSTRUMENT, M_LANE, M_PRODUCT, M_SIDE, M_TAG, M_WINDOWS, NIL, O_COD, SELL, Event,
    Instrument, Order, Terms, int32_t, int64_t, uint64_t,
)


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
                if covers_order(self, command, slot):
                    end_resting(self, slot, D_USER)
                    count += 1
                slot = following
        position = self.positions[position].next_of_account
    self.events[answer].lots = count                    # The answer comes first, its number is known last.


cdef void session_lost(State *self, const Command *command) noexcept nogil:
    """Cancel on disconnect: the lane's flagged orders, or all of the lane when `side` is 1."""
    cdef uint32_t position, slot, following, lane
    cdef Order *order
    cdef Terms *terms
    cdef Event *event
    if command.account == 0 or command.account >= self.accounts_count:
        event = emit(self, E_REJECT)
        event.account = command.account
        event.lane = command.lane
        event.reason = R_NO_ACCOUNT
        return
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
            if terms.lane == lane and (command.side == 1 or order.meta & O_COD):
                end_resting(self, slot, D_COD)
            slot = following
        position = self.positions[position].next_of_account


cdef void expire_orders(State *self) noexcept nogil:
    cdef uint32_t slot
    while self.expiries_count and self.expiries[0].expiry_ns <= self.now_ns:
        slot = slot_of(&self.books, self.expiries[0].oid)
        sift_down_first(self)
        if slot != NIL:
            end_resting(self, slot, D_EXPIRED)


cdef void close_gate(State *self, uint32_t instrument) noexcept nogil:
    cdef int side
    cdef uint32_t level
    cdef Event *event
    for side in range(2):
        level = self.books.books[instrument].side[side].best
        while level != NIL:
            end_resting(self, self.books.levels[level].head, D_GATE)
            level = self.books.books[instrument].side[side].best
    self.instruments[instrument].open = 0
    event = emit(self, E_STATUS)
    event.instrument = instrument


cdef void close_gates(State *self) noexcept nogil:
    """Close what is due in order of (gate, handle); look at all instruments only when the next gate has come."""
    cdef uint32_t handle, next_handle = 0
    cdef Instrument *instrument
    while self.next_gate_ns <= self.now_ns:
        self.next_gate_ns = 0x7FFFFFFFFFFFFFFF
        for handle in range(1, self.instruments_count):
            instrument = &self.instruments[handle]
            if instrument.open and instrument.gate_ns < self.next_gate_ns:
                self.next_gate_ns = instrument.gate_ns
                next_handle = handle
        if self.next_gate_ns > self.now_ns:
            break
        for handle in range(next_handle, self.instruments_count):
            instrument = &self.instruments[handle]
            if instrument.open and instrument.gate_ns == self.next_gate_ns:
                close_gate(self, handle)


cdef void pass_time(State *self, const Command *command) noexcept nogil:
    if command.amount > self.now_ns:
        self.now_ns = command.amount
    expire_orders(self)
    close_gates(self)
