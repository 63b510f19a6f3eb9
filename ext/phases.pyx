# cython: boundscheck=False, wraparound=False, initializedcheck=False
"""Moves instruments from phase to phase (MKT-001 to MKT-008, MKT-011)."""

from libc.stdint cimport uint8_t
from libc.stdlib cimport realloc

from ext.calendar cimport heap_pop, heap_push
from ext.orders cimport end_resting
from ext.reasons cimport D_GATE
from ext.shelf cimport sync_top
from ext.state cimport BROKEN_MEMORY, emit, is_call
from ext.types cimport (
    E_PERISHED, E_STATUS, NIL, P_BALANCE_END, P_BALANCING, P_CONTINUOUS, P_EXPIRED, P_GATED, P_HALTED, P_LISTED,
    P_OPEN, P_PRECLOSE, P_SETTLED, P_VOLATILITY, Event, Instrument, Schedule,
)
from ext.uncross cimport uncross
from ext.waking cimport end_blocks_at


cdef enum:                      # Why a window changed its phase (exchange/records.py: PhaseReason).
    BY_SCHEDULE = 0
    BY_COMMAND = 1
    BY_BAND = 2


# --- The calendar -----------------------------------------------------------------------------------------------------

cdef int64_t next_moment(State *self, uint32_t handle) noexcept nogil:
    """The next moment of the schedule or the end of a volatility call; 0 where there is none."""
    cdef Schedule *schedule = &self.schedules[handle]
    cdef int64_t moment = schedule.at_ns[schedule.next] if schedule.next < schedule.count else 0
    if schedule.resume_ns and (moment == 0 or schedule.resume_ns < moment):
        return schedule.resume_ns
    return moment


cdef void schedule_next(State *self, uint32_t handle) noexcept nogil:
    """Put the next moment of an instrument on the calendar. Earlier entries that no longer hold are passed over."""
    cdef int64_t moment = next_moment(self, handle)
    if moment and not heap_push(&self.moments, &self.moments_count, &self.moments_max, moment, handle, handle):
        self.broken = BROKEN_MEMORY


cdef void pass_moments(State *self) noexcept nogil:
    """Pass what is due, in order of (time, handle); stops where a gate waits for the engine."""
    cdef uint32_t handle
    cdef int64_t due_ns
    while self.moments_count and self.moments[0].expiry_ns <= self.now_ns and self.gate_waiting == 0 \
            and not self.broken:
        due_ns = self.moments[0].expiry_ns
        handle = <uint32_t>self.moments[0].oid
        heap_pop(self.moments, &self.moments_count)
        if due_ns == next_moment(self, handle):
            pass_moment(self, handle, due_ns)
            if self.gate_waiting == 0:
                schedule_next(self, handle)


cdef void pass_moment(State *self, uint32_t handle, int64_t due_ns) noexcept nogil:
    cdef Schedule *schedule = &self.schedules[handle]
    cdef int phase
    if schedule.next < schedule.count and schedule.at_ns[schedule.next] == due_ns:
        phase = schedule.phase[schedule.next]
        schedule.next += 1
        enter_scheduled(self, handle, phase)
    else:
        trade_on(self, handle, BY_SCHEDULE)


cdef void enter_scheduled(State *self, uint32_t handle, int phase) noexcept nogil:
    cdef int present = self.instruments[handle].phase
    if phase == P_CONTINUOUS:
        if present == P_LISTED or present == P_OPEN:
            trade_on(self, handle, BY_SCHEDULE)
    elif phase == P_GATED:
        reach_gate(self, handle)
    elif phase == P_BALANCE_END:
        self.instruments[handle].balancing = 0
        end_orders(self, handle)
        tell_phase(self, handle, BY_SCHEDULE)
    elif phase == P_SETTLED:
        settle_window(self, handle)
    elif phase != P_OPEN or present == P_LISTED:
        enter_phase(self, handle, phase, BY_SCHEDULE)


# --- Phases -----------------------------------------------------------------------------------------------------------

cdef void tell_phase(State *self, uint32_t handle, int reason) noexcept nogil:
    """STATUS (MKT-004)."""
    cdef Event *event = emit(self, E_STATUS)
    event.instrument = handle
    event.lots = self.instruments[handle].phase
    event.reason = reason
    event.amount = next_moment(self, handle)


cdef void note_call(State *self, uint32_t handle) noexcept nogil:
    """The instrument has entered a call: it tells what it would trade at the end of the command."""
    cdef uint32_t *calls
    if self.calls_entered == self.calls_max:
        calls = <uint32_t *>realloc(self.calls, (self.calls_max * 2 + 64) * sizeof(uint32_t))
        if calls == NULL:
            self.broken = BROKEN_MEMORY
            return
        self.calls = calls
        self.calls_max = self.calls_max * 2 + 64
    self.calls[self.calls_entered] = handle
    self.calls_entered += 1


cdef void enter_phase(State *self, uint32_t handle, int phase, int reason) noexcept nogil:
    """Change the phase and tell it; leaving for the closing call ends blocks (BLK-013)."""
    cdef Instrument *instrument = &self.instruments[handle]
    instrument.phase = <uint8_t>phase
    sync_top(self, handle)
    if phase == P_PRECLOSE:
        self.schedules[handle].resume_ns = 0
        end_blocks_at(self, handle)
    if phase == P_BALANCING:
        instrument.balancing = 1
    if is_call(phase):
        note_call(self, handle)
    tell_phase(self, handle, reason)


cdef void trade_on(State *self, uint32_t handle, int reason) noexcept nogil:
    """Uncross what a call, or a halt during one, has left, and trade continuously (AUC-007)."""
    uncross(self, handle)
    self.schedules[handle].resume_ns = 0
    enter_phase(self, handle, P_CONTINUOUS, reason)
    self.products[self.instruments[handle].product].opened = 1
    self.opened = 1


cdef void begin_volatility_call(State *self, uint32_t handle, int reason) noexcept nogil:
    self.schedules[handle].resume_ns = self.now_ns + self.schedules[handle].volatility_call_ns
    enter_phase(self, handle, P_VOLATILITY, reason)
    schedule_next(self, handle)


cdef void halt(State *self, uint32_t handle) noexcept nogil:
    """Stop trading by command (MKT-006)."""
    self.schedules[handle].resume_ns = 0
    enter_phase(self, handle, P_HALTED, BY_COMMAND)
    schedule_next(self, handle)


cdef void resume(State *self, uint32_t handle) noexcept nogil:
    """Let a halted window trade again (MKT-006)."""
    if self.schedules[handle].volatility_call_ns:
        begin_volatility_call(self, handle, BY_COMMAND)
    else:
        trade_on(self, handle, BY_COMMAND)
        schedule_next(self, handle)


cdef void suspend_by_band(State *self, uint32_t handle) noexcept nogil:
    """A trade would have been outside the dynamic band (MKT-011)."""
    begin_volatility_call(self, handle, BY_BAND)


# --- The gate and what is behind it -----------------------------------------------------------------------------------

cdef void end_orders(State *self, uint32_t handle) noexcept nogil:
    """End every resting order: bids best to worst, then asks, each price first come first."""
    cdef int side
    cdef uint32_t level
    for side in range(2):
        level = self.books.books[handle].side[side].best
        while level != NIL:
            end_resting(self, self.books.levels[level].head, D_GATE)
            level = self.books.books[handle].side[side].best


cdef int is_held(State *self, uint32_t handle) noexcept nogil:
    cdef uint32_t position = self.instruments[handle].first_position
    while position != NIL:
        if self.positions[position].lots != 0:
            return 1
        position = self.positions[position].next_of_instrument
    return 0


cdef void reach_gate(State *self, uint32_t handle) noexcept nogil:
    if is_call(self.instruments[handle].phase):
        uncross(self, handle)
    self.schedules[handle].resume_ns = 0
    self.instruments[handle].phase = P_GATED
    sync_top(self, handle)
    if is_held(self, handle):
        self.gate_waiting = handle
    else:
        close_window(self, handle)


cdef void close_gate(State *self) noexcept nogil:
    """Close the gate that waited for the engine (MKT-007)."""
    cdef uint32_t handle = self.gate_waiting
    self.gate_waiting = 0
    close_window(self, handle)
    schedule_next(self, handle)


cdef void close_window(State *self, uint32_t handle) noexcept nogil:
    end_orders(self, handle)
    end_blocks_at(self, handle)
    tell_phase(self, handle, BY_SCHEDULE)


cdef void settle_window(State *self, uint32_t handle) noexcept nogil:
    """Tell what has perished, and that the window is over (MKT-008)."""
    cdef uint32_t position = self.instruments[handle].first_position
    cdef int64_t certified = 0, unsold = 0, mine, short
    cdef Event *event
    while position != NIL:
        mine = self.capacities[position].certified
        short = -self.positions[position].lots if self.positions[position].lots < 0 else 0
        certified += mine
        unsold += mine - min(mine, short)
        position = self.positions[position].next_of_instrument
    if certified:
        event = emit(self, E_PERISHED)
        event.instrument = handle
        event.amount = unsold
        event.match_id = certified
    enter_phase(self, handle, P_SETTLED if is_held(self, handle) else P_EXPIRED, BY_SCHEDULE)
