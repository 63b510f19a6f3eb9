"""The whole state of the core, and the few small steps every command is made of."""

from libc.stdlib cimport realloc
from libc.string cimport memset

from ext.book cimport Books, handle_of
from ext.idmap cimport Map, RefIndex
from ext.types cimport (
    BUY, E_DONE, E_REPLACED, FIRM_OFFER, NIL, O_BLOCK, O_PHYSICAL, O_QUOTE, P_HALTED, P_OPEN, P_PRECLOSE, P_VOLATILITY,
    V_QUOTE, V_SELL, Account, Block, Capacity, Command, Event, Expiry, Instrument, Lane, Order, Position, Schedule,
    Terms, int32_t, int64_t, uint32_t, uint64_t, wide_t,
)


cdef extern from "checked.h" nogil:
    int64_t money_of(int64_t ticks, int64_t lots, int64_t lot_micros)
    int money_fits(int64_t ticks, int64_t lots, int64_t lot_micros)
    int64_t fee_of(int64_t value_micros, uint32_t ppm)
    int64_t told_of(wide_t balance)
    int64_t wide_high(wide_t value)
    uint64_t wide_low(wide_t value)


cdef enum:                      # What stops the process (State.broken).
    BROKEN_MEMORY = 1
    BROKEN_POSITIONS = 2        # The positions of an instrument do not sum to 0.


cdef enum:
    AHEAD_RECORDS = 32          # At least as many as the farthest stage of ext/prefetch.pxd looks ahead.


cdef struct Product:
    void *shelf                 # Its blocks (ext/shelf.pxd); NULL before the first.
    uint32_t *handles           # By window from `first_window`: the first fabric's instrument, 0 where none is listed.
    int32_t first_window
    int32_t windows
    uint32_t fabrics
    uint32_t opened             # A window of it has become CONTINUOUS in the present command.


cdef struct Ahead:              # What the prefetching stages know about a record; never part of the state's meaning.
    uint64_t hashed             # Of its ref, in the ref index.
    uint32_t slot               # Of its target order or its position; may be wrong.


cdef struct State
ctypedef void (*Hook)(State *self, uint32_t subject) noexcept nogil


cdef struct State:
    Ahead ahead[32]
    Books books
    Account *accounts
    Instrument *instruments
    Position *positions
    Capacity *capacities        # By position.
    Schedule *schedules         # By instrument.
    Product *products           # By number.
    Block *blocks
    uint32_t *fired             # Lanes of quote sets whose protection the present command has fired.
    Hook wake                   # What orders.pyx calls of the layers above it: an order rests where blocks may wait,
    Hook suspend                # and a trade would leave the dynamic band.
    Lane *lanes
    uint32_t *touched
    Expiry *expiries            # Binary heap by (expiry, seq); entries of ended orders stay until they come up.
    Expiry *moments             # Binary heap by (time, handle); stale entries stay until they come up.
    Event *events
    Map position_map            # account << 32 | instrument
    Map lane_map                # account << 16 | lane number
    RefIndex refs
    uint32_t accounts_count
    uint32_t accounts_max
    uint32_t instruments_count
    uint32_t instruments_max
    uint32_t positions_count
    uint32_t positions_max
    uint32_t lanes_count
    uint32_t lanes_max
    uint32_t touched_count
    uint32_t account_orders_max
    uint32_t expiries_count
    uint32_t expiries_max
    uint32_t expiries_swept     # Heap size after the last sweep of ended orders.
    uint32_t moments_count
    uint32_t moments_max
    uint32_t products_count
    uint32_t products_max
    uint32_t blocks_used
    uint32_t blocks_max
    uint32_t free_block
    uint32_t blocks_resting
    uint32_t positions_promised  # Those that resting blocks may still need.
    uint32_t fired_count
    uint32_t fired_max
    uint32_t protections        # Quote sets that have one.
    uint32_t gate_waiting       # Instrument whose gate waits for the engine.
    uint32_t calls_entered      # Instruments that the present command has taken into a call.
    int opened                  # The present command has made a window CONTINUOUS.
    int calls_open              # There may be windows in a call.
    uint32_t *calls
    uint32_t calls_max
    uint32_t *touched_calls
    uint32_t touched_calls_max
    uint32_t command            # Offset of the present command in its batch.
    uint64_t event_count
    uint64_t event_max
    uint64_t seq
    uint64_t next_match_id
    int64_t now_ns
    int64_t external            # Balance of EXT.
    int broken


cdef inline void grow_events(State *self) noexcept nogil:
    cdef uint64_t capacity = self.event_max * 2 if self.event_max else 4096
    cdef Event *events = <Event *>realloc(self.events, capacity * sizeof(Event))
    if events == NULL:
        self.broken = BROKEN_MEMORY
        self.event_count -= 1               # Overwrite the last event: the process is about to stop. There is one.
        return
    self.events = events
    self.event_max = capacity


cdef inline Event *emit(State *self, int type) noexcept nogil:
    """A new, empty event of the present command. The pointer is good until the next emit."""
    if self.event_count == self.event_max:
        grow_events(self)
    cdef Event *event = &self.events[self.event_count]
    self.event_count += 1
    memset(event, 0, sizeof(Event))
    event.type = type
    event.command = self.command
    return event


cdef inline Event *emit_order(State *self, int type, uint32_t slot, int32_t price, int side) noexcept nogil:
    """An event about an order: who, which, where; lots, cum and leaves are the caller's."""
    cdef Event *event = emit(self, type)
    cdef Order *order = &self.books.orders[slot]
    cdef Terms *terms = &self.books.terms[slot]
    cdef Position *position = &self.positions[terms.position]
    event.account = position.account
    event.instrument = position.instrument
    event.oid = handle_of(&self.books, slot)
    event.price = price
    event.flags = V_SELL if side else 0
    event.lane = self.lanes[terms.lane].number & 0xFF
    if order.meta & O_QUOTE:
        event.flags |= V_QUOTE
    else:
        event.ref = terms.ref
    return event


cdef inline void emit_done(State *self, uint32_t slot, int32_t price, int side, int32_t lots,
                           int reason) noexcept nogil:
    cdef Event *event = emit_order(self, E_DONE, slot, price, side)
    event.reason = reason
    event.lots = lots
    event.cum = self.books.orders[slot].cum


cdef inline void emit_replaced(State *self, uint32_t slot, int32_t price, int side, int32_t leaves) noexcept nogil:
    cdef Event *event = emit_order(self, E_REPLACED, slot, price, side)
    event.cum = self.books.orders[slot].cum
    event.leaves = leaves
    event.lots = event.cum + leaves


cdef inline Event *emit_answer(State *self, int type, const Command *command) noexcept nogil:
    """The ACK or REJECT of a client's command."""
    cdef Event *event = emit(self, type)
    event.account = command.account
    event.lane = command.lane
    event.ref = command.ref
    return event


cdef inline void touch_position(State *self, uint32_t slot) noexcept nogil:
    if not self.positions[slot].touched:
        self.positions[slot].touched = 1
        self.touched[self.touched_count] = slot
        self.touched_count += 1


cdef inline int is_firm(State *self, uint32_t slot) noexcept nogil:
    """Whether an order's owner cannot take it back (MKT-033)."""
    return self.books.orders[slot].meta & O_PHYSICAL and self.books.terms[slot].display == FIRM_OFFER


cdef inline int32_t price_of(State *self, uint32_t slot) noexcept nogil:
    return self.books.levels[self.books.orders[slot].level].price


cdef inline int side_of(State *self, uint32_t slot) noexcept nogil:
    return self.books.levels[self.books.orders[slot].level].side


cdef inline int32_t best_price(State *self, uint32_t instrument, int side) noexcept nogil:
    """Best price of a side in ticks, -1 when it is empty."""
    cdef uint32_t best = self.books.books[instrument].side[side].best
    return -1 if best == NIL else self.books.books[instrument].side[side].best_price


cdef inline int is_call(int phase) noexcept nogil:
    """Whether orders only rest, for an uncross."""
    return phase == P_OPEN or phase == P_PRECLOSE or phase == P_VOLATILITY


cdef inline int is_before_gate(int phase) noexcept nogil:
    return phase <= P_HALTED or is_call(phase)


cdef inline uint32_t account_of(State *self, uint32_t slot) noexcept nogil:
    """The account of an order or a resting block."""
    if self.books.orders[slot].meta & O_BLOCK:
        return self.blocks[self.books.orders[slot].level].account
    return self.positions[self.books.terms[slot].position].account


cdef inline int64_t held_lots(const Position *position) noexcept nogil:
    """Lots held, and open on either side."""
    return (position.lots if position.lots > 0 else -position.lots) + position.open_buy + position.open_sell


cdef inline int64_t committed_lots(State *self, uint32_t position) noexcept nogil:
    """Lots of capacity that are sold or offered (MKT-021)."""
    cdef Position *held = &self.positions[position]
    return (-held.lots if held.lots < 0 else 0) + held.open_sell + self.capacities[position].block_sell


cdef inline int bps_outside(int32_t price, int32_t reference, int64_t bps) noexcept nogil:
    """Whether a price is farther from a reference than a band allows; no band where either is missing."""
    cdef int64_t far = <int64_t>price - reference
    return bps > 0 and reference >= 0 and (far if far > 0 else -far) > reference * bps // 10000


cdef inline int32_t dynamic_reference(State *self, uint32_t handle) noexcept nogil:
    """The last trade's price before the present command, else the mark; -1 without either (MKT-011)."""
    cdef const Instrument *instrument = &self.instruments[handle]
    if self.schedules[handle].traded_seq == self.seq:
        return self.schedules[handle].reference_before
    return instrument.last if instrument.last >= 0 else instrument.mark


cdef inline void note_trade(State *self, uint32_t handle, int32_t price) noexcept nogil:
    """Remember the price of a trade, which gives the mark where there is none (ACC-003)."""
    cdef Instrument *instrument = &self.instruments[handle]
    if instrument.dynamic_bps and self.schedules[handle].traded_seq != self.seq:
        self.schedules[handle].reference_before = dynamic_reference(self, handle)
        self.schedules[handle].traded_seq = self.seq
    if instrument.mark < 0:
        instrument.mark = price
    instrument.last = price


cdef inline uint32_t leg_handle(const Product *product, int32_t window, int fabric) noexcept nogil:
    """The instrument of (window, fabric), 0 where it is not listed."""
    cdef int64_t at = <int64_t>window - product.first_window
    if at < 0 or at >= product.windows or product.handles[at] == 0:
        return 0
    return product.handles[at] + fabric


cdef inline void count_open(State *self, uint32_t position, int side, int64_t lots) noexcept nogil:
    """Open-order counters (RSK-001)."""
    if side == BUY:
        self.positions[position].open_buy += lots
    else:
        self.positions[position].open_sell += lots


cdef inline void void_credit(State *self, uint32_t one, uint32_t other) noexcept nogil:
    """What two accounts hold has changed: the credit for what they held is void (RSK-008)."""
    self.accounts[one].credit = 0
    self.accounts[other].credit = 0


cdef inline wide_t free_money(const Account *account) noexcept nogil:
    """What new risk may use, micros (RSK-003, RSK-008)."""
    return account.balance - account.requirement + account.credit


cdef inline void move(State *self, uint32_t debit, uint32_t credit, wide_t amount_micros) noexcept nogil:
    """The one place where money changes accounts; a negative amount flows the other way."""
    self.accounts[debit].balance -= amount_micros
    self.accounts[credit].balance += amount_micros
