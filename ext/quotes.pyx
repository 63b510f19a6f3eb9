# cython: boundscheck=False, wraparound=False, initializedcheck=False
"""Two-sided quotes: each side is an order that is addressed by (account, set, instrument, side)."""

from ext.checks cimport closed_or_not_open, has_room, outside_static_band, position_for, refusal_by_risk, would_take
from ext.idmap cimport refs_find
from ext.lanes cimport accept, find_lane, find_or_add_lane, refuse
from ext.orders cimport end_resting, enter, shrink_resting, work
from ext.reasons cimport (
    D_QUOTE, D_USER, R_MALFORMED, R_MMP_FROZEN, R_NONE, R_NOT_OPEN, R_NO_INSTRUMENT, R_OPEN_LIMIT, R_PX_BAND,
    R_PX_TICK, R_QTY_MAX, R_WOULD_TAKE,
)
from ext.state cimport emit, emit_answer, emit_order, is_call, money_fits, price_of
from ext.types cimport (
    E_ACK, E_REJECT, F_POST_ONLY, LOTS_MAX, NIL, O_QUOTE, PRICE_MAX_TICKS, P_CONTINUOUS, QUOTE_LANES, V_QUOTE, V_SELL,
    Event, int32_t, uint64_t,
)


cdef int leg_of(const Command *command) noexcept nogil:
    return <int>(command.target & 0x7FFFFFFF)


cdef int continues_quote(const Lane *lane, const Command *command) noexcept nogil:
    """Whether the leg is the next one of the quote that the lane's last ref began."""
    return command.ref == lane.last_ref and leg_of(command) > 0 and leg_of(command) == lane.last_leg + 1 \
        and lane.last_leg >= 0


cdef inline int is_malformed(const Command *command) noexcept nogil:
    if command.lots < 0 or command.lots_2 < 0 or command.stp > 3 or command.flags & ~F_POST_ONLY:
        return 1
    if <uint32_t>command.target >= <uint32_t>(command.target >> 32):
        return 1
    return command.lots > 0 and command.lots_2 > 0 and command.price >= command.price_2


cdef inline int is_off_grid(int32_t price, int32_t lots) noexcept nogil:
    return lots > 0 and (price < 0 or price > PRICE_MAX_TICKS)


cdef inline int is_too_large(State *self, uint32_t instrument, int32_t price, int32_t lots) noexcept nogil:
    return lots > LOTS_MAX or (lots > 0 and not money_fits(price, lots, self.instruments[instrument].lot_micros))


cdef int refusal_of_quote(State *self, const Command *command) noexcept nogil:
    """QTE-002."""
    cdef uint32_t instrument = command.instrument
    if is_malformed(command):
        return R_MALFORMED
    if instrument == 0 or instrument >= self.instruments_count:
        return R_NO_INSTRUMENT
    if self.instruments[instrument].phase != P_CONTINUOUS:
        if not is_call(self.instruments[instrument].phase):
            return closed_or_not_open(&self.instruments[instrument])
        if command.flags & F_POST_ONLY:
            return R_NOT_OPEN
    if is_off_grid(command.price, command.lots) or is_off_grid(command.price_2, command.lots_2):
        return R_PX_TICK
    if command.lots > 0 and outside_static_band(&self.instruments[instrument], command.price):
        return R_PX_BAND
    if command.lots_2 > 0 and outside_static_band(&self.instruments[instrument], command.price_2):
        return R_PX_BAND
    if is_too_large(self, instrument, command.price, command.lots):
        return R_QTY_MAX
    if is_too_large(self, instrument, command.price_2, command.lots_2):
        return R_QTY_MAX
    if self.protections and (command.lots > 0 or command.lots_2 > 0) and is_frozen(self, command):
        return R_MMP_FROZEN
    return R_NONE


cdef int is_frozen(State *self, const Command *command) noexcept nogil:
    """Whether the set's protection has fired and was not reset (MMP-003)."""
    cdef uint32_t lane = find_lane(self, command.account, QUOTE_LANES + command.side)
    return lane != NIL and self.lanes[lane].mmp_frozen


cdef inline uint64_t quote_ref(uint32_t instrument, int side) noexcept nogil:
    return (<uint64_t>instrument << 1) | side


cdef int keep_or_end(State *self, uint32_t lane, const Command *command, int side) noexcept nogil:
    """Shrink the side's earlier order in place if it may keep its priority, else end it; whether it was kept."""
    cdef int32_t price = command.price_2 if side else command.price
    cdef int32_t lots = command.lots_2 if side else command.lots
    cdef uint32_t slot = refs_find(&self.refs, self.books.terms, lane, quote_ref(command.instrument, side))
    if slot == NIL:
        return 0
    if lots > 0 and price == price_of(self, slot) and lots <= self.books.orders[slot].leaves:
        if lots < self.books.orders[slot].leaves:
            shrink_resting(self, slot, lots)
        return 1
    end_resting(self, slot, D_QUOTE if lots > 0 else D_USER)
    return 0


cdef int refusal_of_side(State *self, const Command *command, int side, int32_t price, int32_t lots) noexcept nogil:
    cdef int reason
    if command.flags & F_POST_ONLY and would_take(self, command.instrument, side, price):
        return R_WOULD_TAKE
    reason = refusal_by_risk(self, command.account, command.instrument, side, price, lots, 0)
    if reason:
        return reason
    return R_NONE if has_room(self, command.account, command.instrument) else R_OPEN_LIMIT


cdef void place_side(State *self, const Command *command, uint32_t lane, int side) noexcept nogil:
    """Place one side of a quote as a new order."""
    cdef int32_t price = command.price_2 if side else command.price
    cdef int32_t lots = command.lots_2 if side else command.lots
    cdef int reason = refusal_of_side(self, command, side, price, lots)
    cdef uint32_t slot
    cdef Event *event
    if reason:
        event = emit(self, E_REJECT)
        event.account = command.account
        event.instrument = command.instrument
        event.lane = command.side
        event.flags = V_QUOTE | (V_SELL if side else 0)
        event.reason = reason
        event.price = price
        return
    slot = enter(self, position_for(self, command.account, command.instrument), lane,
                 quote_ref(command.instrument, side), lots, 0, command.tag, O_QUOTE)
    event = emit_order(self, E_ACK, slot, price, side)
    event.lots = lots
    event.leaves = lots
    work(self, slot, side, price, command.stp, 1, 0)


cdef void quote(State *self, const Command *command, uint32_t lane, int first) noexcept nogil:
    """One leg. `first`: it is leg 0, whose verdict is the outcome of the ref."""
    cdef int reason = refusal_of_quote(self, command)
    cdef uint32_t set_lane = NIL
    cdef int bid_kept, ask_kept
    cdef Event *event
    if reason == R_NONE:
        set_lane = find_or_add_lane(self, command.account, QUOTE_LANES + command.side)
        if set_lane == NIL:
            reason = R_OPEN_LIMIT
    if reason:
        if first:
            refuse(self, command, lane, reason)
            event = &self.events[self.event_count - 1]
        else:
            event = emit_answer(self, E_REJECT, command)
            event.reason = reason
            event.instrument = command.instrument
        event.lots = leg_of(command)
        return
    event = accept(self, command, lane, 0) if first else emit_answer(self, E_ACK, command)
    event.lots = leg_of(command)
    event.instrument = command.instrument
    bid_kept = keep_or_end(self, set_lane, command, 0)
    ask_kept = keep_or_end(self, set_lane, command, 1)
    if command.lots > 0 and not bid_kept:
        place_side(self, command, set_lane, 0)
    if command.lots_2 > 0 and not ask_kept:
        place_side(self, command, set_lane, 1)
