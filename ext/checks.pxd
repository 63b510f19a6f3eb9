"""What orders, quotes and blocks are checked for alike: room, risk, capacity, phases, bands. Inlined: it is hot."""

from ext.book cimport reaches
from ext.idmap cimport map_add, map_find
from ext.reasons cimport R_MARGIN, R_NONE, R_NOT_OPEN, R_POSITION_LIMIT, R_WINDOW_CLOSED
from ext.risk cimport covered
from ext.state cimport (
    BROKEN_MEMORY, State, best_price, bps_outside, committed_lots, dynamic_reference, held_lots, is_before_gate,
    is_call, money_fits,
)
from ext.types cimport (
    AU, BUY, FOK, F_POST_ONLY, F_STANDBY, ICEBERG_REFRESHES_MAX, IOC, NIL, NO_ASK, NO_BID, P_CONTINUOUS, Command,
    Instrument, Position, int32_t, int64_t, uint32_t, uint64_t,
)


cdef enum:
    POSITION_LOTS_MAX = 0x7FFFFFFF


cdef inline uint32_t position_for(State *self, uint32_t account, uint32_t instrument) noexcept nogil:
    """The slot of (account, instrument), made on first use; NIL when `positions_max` are in use."""
    cdef uint64_t key = (<uint64_t>account << 32) | instrument
    cdef uint32_t slot = map_find(&self.position_map, key)
    cdef Position *position
    if slot != NIL or self.positions_count == self.positions_max:
        return slot
    slot = self.positions_count
    if not map_add(&self.position_map, key, slot):
        self.broken = BROKEN_MEMORY
        return NIL
    self.positions_count += 1
    position = &self.positions[slot]
    position.account = account
    position.instrument = instrument
    position.head = NIL
    position.tail = NIL
    position.next_of_account = NIL
    position.next_of_instrument = NIL
    if self.accounts[account].first_position == NIL:
        self.accounts[account].first_position = slot
    else:
        self.positions[self.accounts[account].last_position].next_of_account = slot
    self.accounts[account].last_position = slot
    if self.instruments[instrument].first_position == NIL:
        self.instruments[instrument].first_position = slot
    else:
        self.positions[self.instruments[instrument].last_position].next_of_instrument = slot
    self.instruments[instrument].last_position = slot
    return slot


cdef inline const Position *position_or(State *self, uint32_t account, uint32_t instrument,
                                        Position *empty) noexcept nogil:
    """The position, or `empty` made into the one that a first order would make."""
    cdef uint32_t slot = map_find(&self.position_map, (<uint64_t>account << 32) | instrument)
    if slot != NIL:
        return &self.positions[slot]
    empty.account = account
    empty.instrument = instrument
    empty.lots = 0
    empty.open_buy = 0
    empty.open_sell = 0
    empty.requirement = 0
    return empty


cdef inline int would_take(State *self, uint32_t instrument, int side, int32_t price) noexcept nogil:
    cdef int32_t best = best_price(self, instrument, 1 - side)
    return best >= 0 and reaches(side, price, best)


cdef inline int has_room(State *self, uint32_t account, uint32_t instrument) noexcept nogil:
    """Whether one more order fits: the account's limit, the venue's order slots and positions."""
    if self.accounts[account].open_orders >= self.account_orders_max:
        return 0
    if self.positions_count + self.positions_promised >= self.positions_max and \
            map_find(&self.position_map, (<uint64_t>account << 32) | instrument) == NIL:
        return 0
    return self.books.free_order != NIL or self.books.orders_used < self.books.orders_max


cdef inline int refusal_by_risk(State *self, uint32_t account, uint32_t instrument, int side, int32_t price,
                                int64_t lots, int64_t replaced_lots) noexcept nogil:
    """MARGIN, POSITION_LIMIT or none, for `lots` more less `replaced_lots`."""
    cdef Position empty
    cdef const Position *position = position_or(self, account, instrument, &empty)
    if not covered(self, position, side, price, lots, replaced_lots):
        return R_MARGIN
    if held_lots(position) + self.accounts[account].block_lots + lots - replaced_lots > POSITION_LOTS_MAX:
        return R_POSITION_LIMIT
    return R_NONE


cdef inline int too_large(State *self, uint32_t instrument, int64_t price, int64_t lots,
                          int64_t display) noexcept nogil:
    return (not money_fits(price, lots, self.instruments[instrument].lot_micros)
            or (display > 0 and lots > <int64_t>ICEBERG_REFRESHES_MAX * display))


cdef inline int exceeds_reduction(State *self, uint32_t account, uint32_t instrument, int side, int64_t lots,
                                  int64_t replaced_lots) noexcept nogil:
    """RSK-005 at entry."""
    cdef Position empty
    cdef const Position *position = position_or(self, account, instrument, &empty)
    cdef int64_t open_lots = position.open_buy if side == BUY else position.open_sell
    cdef int64_t left = (-position.lots if side == BUY else position.lots) - open_lots + replaced_lots
    return lots > (left if left > 0 else 0)


cdef inline int lacks_capacity(State *self, uint32_t account, uint32_t instrument, int64_t lots,
                               int64_t replaced_lots) noexcept nogil:
    """Whether a physical sell is not backed by what is certified and neither sold nor offered (MKT-021)."""
    cdef uint32_t slot = map_find(&self.position_map, (<uint64_t>account << 32) | instrument)
    if slot == NIL:
        return 1
    return committed_lots(self, slot) + lots - replaced_lots > self.capacities[slot].certified


# --- Phases and bands -------------------------------------------------------------------------------------------------

cdef inline int closed_or_not_open(const Instrument *instrument) noexcept nogil:
    """Why a window takes no orders: WINDOW_CLOSED from the gate on."""
    return R_NOT_OPEN if is_before_gate(instrument.phase) else R_WINDOW_CLOSED


cdef inline int refusal_by_phase(const Instrument *instrument, const Command *command) noexcept nogil:
    """NOT_OPEN or WINDOW_CLOSED where the window's phase does not take such an order (MKT-005)."""
    if command.flags & F_STANDBY:
        return R_NONE if instrument.balancing else closed_or_not_open(instrument)
    if instrument.phase == P_CONTINUOUS:
        return R_NOT_OPEN if command.tif == AU else R_NONE
    if is_call(instrument.phase):
        return R_NOT_OPEN if command.tif == IOC or command.tif == FOK or command.flags & F_POST_ONLY else R_NONE
    return closed_or_not_open(instrument)


cdef inline int outside_static_band(const Instrument *instrument, int32_t price) noexcept nogil:
    """MKT-010."""
    return instrument.static_bps != 0 and bps_outside(price, instrument.mark, instrument.static_bps)


cdef inline int32_t within_band(State *self, uint32_t handle, int side, int32_t limit) noexcept nogil:
    """The limit as far as the dynamic band lets an order trade; one that reaches nothing where it must not at all.

    A trade may leave the band on either side: what is sold far below the last price is as strange as what is far above.
    """
    cdef const Instrument *instrument = &self.instruments[handle]
    cdef int64_t reference = dynamic_reference(self, handle), far
    cdef int32_t best = best_price(self, handle, 1 - side)
    if instrument.dynamic_bps == 0 or reference < 0 or best < 0:
        return limit
    far = reference * instrument.dynamic_bps // 10000
    if side == BUY:
        if best < reference - far:
            return NO_BID
        return limit if limit < reference + far else <int32_t>(reference + far)
    if best > reference + far:
        return NO_ASK
    return limit if limit > reference - far else <int32_t>(reference - far)
