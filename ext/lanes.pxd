"""Lanes: the strictly increasing refs of one client, and what became of the last of them (ORD-002)."""

from libc.stdlib cimport realloc

from ext.idmap cimport map_add, map_find
from ext.state cimport BROKEN_MEMORY, State, emit_answer
from ext.types cimport (
    E_ACK, E_REJECT, LANE_OUTCOMES_MAX, NIL, V_DUPLICATE, Command, Event, Lane, Outcome, uint32_t, uint64_t,
)


cdef inline uint32_t find_lane(State *self, uint32_t account, uint32_t number) noexcept nogil:
    return map_find(&self.lane_map, (<uint64_t>account << 16) | number)


cdef inline uint32_t find_or_add_lane(State *self, uint32_t account, uint32_t number) noexcept nogil:
    """The slot of (account, lane); NIL when `lanes_max` are in use."""
    cdef uint32_t slot = find_lane(self, account, number)
    cdef Lane *lane
    if slot != NIL or self.lanes_count == self.lanes_max:
        return slot
    slot = self.lanes_count
    if not map_add(&self.lane_map, (<uint64_t>account << 16) | number, slot):
        self.broken = BROKEN_MEMORY
        return NIL
    self.lanes_count += 1
    lane = &self.lanes[slot]                    # The arena gives zeroed memory.
    lane.account = account
    lane.number = number
    lane.last_leg = -1
    return slot


cdef inline Outcome *outcome_at(Lane *lane, uint32_t index) noexcept nogil:
    """The index-th oldest kept outcome."""
    return &lane.outcomes[(lane.first + index) & (lane.capacity - 1)]


cdef inline Outcome *find_outcome(Lane *lane, uint64_t ref) noexcept nogil:
    """The kept outcome of `ref`, or NULL. Refs only rise, so the ring is sorted: O(log kept)."""
    cdef uint32_t low = 0, high = lane.kept, middle
    cdef Outcome *outcome
    while low < high:
        middle = (low + high) // 2
        outcome = outcome_at(lane, middle)
        if outcome.ref == ref:
            return outcome
        if outcome.ref < ref:
            low = middle + 1
        else:
            high = middle
    return NULL


cdef inline int grow_outcomes(State *self, Lane *lane) noexcept nogil:
    """Double the ring. It is only called while the ring has never wrapped, so its order stays."""
    cdef uint32_t capacity = lane.capacity * 2 if lane.capacity else 16
    cdef Outcome *outcomes = <Outcome *>realloc(lane.outcomes, capacity * sizeof(Outcome))
    if outcomes == NULL:
        self.broken = BROKEN_MEMORY
        return 0
    lane.outcomes = outcomes
    lane.capacity = capacity
    return 1


cdef inline void keep_outcome(State *self, Lane *lane, uint64_t ref, int type, int reason, uint64_t oid) noexcept nogil:
    """Remember the answer to a ref; the oldest of LANE_OUTCOMES_MAX is forgotten."""
    cdef Outcome *outcome
    if lane.kept == lane.capacity:
        if lane.capacity < LANE_OUTCOMES_MAX:
            if not grow_outcomes(self, lane):
                return
        else:
            lane.first = (lane.first + 1) & (lane.capacity - 1)
            lane.kept -= 1
    outcome = outcome_at(lane, lane.kept)
    lane.kept += 1
    outcome.ref = ref
    outcome.type = type
    outcome.reason = reason
    outcome.oid = oid


cdef inline void refuse(State *self, const Command *command, uint32_t lane, int reason) noexcept nogil:
    """REJECT, and keep it as the outcome of the ref."""
    cdef Event *event = emit_answer(self, E_REJECT, command)
    event.reason = reason
    event.instrument = command.instrument
    keep_outcome(self, &self.lanes[lane], command.ref, E_REJECT, reason, 0)


cdef inline Event *accept(State *self, const Command *command, uint32_t lane, uint64_t oid) noexcept nogil:
    """ACK, and keep it as the outcome of the ref."""
    cdef Event *event = emit_answer(self, E_ACK, command)
    event.oid = oid
    keep_outcome(self, &self.lanes[lane], command.ref, E_ACK, 0, oid)
    return event


cdef inline void answer_again(State *self, Lane *lane, const Command *command, int stale_reason) noexcept nogil:
    """A ref at or below the last one: the first outcome again, or REJECT STALE_REF."""
    cdef Outcome *outcome = find_outcome(lane, command.ref)
    cdef Event *event
    if outcome == NULL:
        event = emit_answer(self, E_REJECT, command)
        event.reason = stale_reason
        return
    event = emit_answer(self, outcome.type, command)
    event.flags = V_DUPLICATE
    event.reason = outcome.reason
    event.oid = outcome.oid
