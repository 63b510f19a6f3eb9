# cython: boundscheck=False, wraparound=False, initializedcheck=False
"""The core: packed command records in, packed event records out (docs/spec/engine.md).

`Core` has the same interface as `exchange.reference.core.ReferenceCore`, which is its specification.
It belongs to one thread at a time and holds no lock.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdlib cimport free
from libc.string cimport memset

from ext.book cimport arena_release, arena_reserve, books_close, books_open, open_book
from ext.dump cimport dump_state
from ext.idmap cimport map_close, map_find, map_open, refs_open
from ext.lanes cimport answer_again, find_lane, find_or_add_lane
from ext.orders cimport (
    R_BALANCE, R_MALFORMED, R_NO_ACCOUNT, R_OPEN_LIMIT, R_STALE_REF, R_UNKNOWN_TYPE, cancel, place, replace,
)
from ext.prefetch cimport PREFETCH_ORDERS_MIN, look_ahead, look_at_first
from ext.queues cimport next_level, retire_level
from ext.quotes cimport continues_quote, leg_of, quote
from ext.risk cimport evaluate
from ext.state cimport BROKEN_POSITIONS, emit, emit_answer, grow_events, told_of, wide_high, wide_low
from ext.sweeps cimport mass_cancel, pass_time, session_lost
from ext.types cimport (
    C_CANCEL, C_CANCEL_REF, C_DEPOSIT, C_MASS_CANCEL, C_PLACE, C_QUOTE, C_RARE_FIRST, C_REPLACE, C_REPLACE_REF,
    C_SESSION_LOST, C_TIME, C_WITHDRAW, E_ACCOUNT, E_ACK, E_LEVEL, E_REJECT, MONEY_MAX, NIL, SLOT_MASK, V_SELL,
    Account, Command, Event, Lane, Level, Position, int32_t, int64_t, uint64_t, wide_t,
)


cdef enum:
    RECORD_BYTES = 64
    FILLS_CHUNK = 1024          # Fills are settled in chunks that stay in the cache.
    LANES_MAX = 1 << 22
    POSITIONS_MAX = 1 << 24

cdef int64_t TRANSFER_MAX_MICROS = ((<int64_t>1) << 53) - 1


# --- One command -----------------------------------------------------------------------------------------------------

cdef inline void dispatch_client(State *self, const Command *command, uint32_t lane, int first) noexcept nogil:
    if command.type == C_PLACE:
        place(self, command, lane)
    elif command.type == C_CANCEL or command.type == C_CANCEL_REF:
        cancel(self, command, lane)
    elif command.type == C_QUOTE:
        quote(self, command, lane, first)
    elif command.type == C_REPLACE or command.type == C_REPLACE_REF:
        replace(self, command, lane)
    else:
        mass_cancel(self, command, lane)


cdef inline void reject(State *self, const Command *command, int reason) noexcept nogil:
    """A refusal that no lane remembers."""
    cdef Event *event = emit_answer(self, E_REJECT, command)
    event.reason = reason


cdef void apply_client(State *self, const Command *command) noexcept nogil:
    """Account, ref, then the command itself (ORD-001, ORD-002)."""
    cdef uint32_t slot
    cdef Lane *lane
    if command.account == 0 or command.account >= self.accounts_count:
        reject(self, command, R_NO_ACCOUNT)
        return
    if command.ref == 0:
        reject(self, command, R_STALE_REF)
        return
    slot = find_or_add_lane(self, command.account, command.lane)
    if slot == NIL:
        reject(self, command, R_OPEN_LIMIT)
        return
    lane = &self.lanes[slot]
    if command.ref <= lane.last_ref:
        if command.type == C_QUOTE and continues_quote(lane, command):
            lane.last_leg += 1
            dispatch_client(self, command, slot, 0)
        else:
            answer_again(self, lane, command, R_STALE_REF)
        return
    lane.last_ref = command.ref
    lane.last_leg = leg_of(command) if command.type == C_QUOTE else -1
    dispatch_client(self, command, slot, 1)


cdef void transfer(State *self, const Command *command) noexcept nogil:
    """DEPOSIT and WITHDRAW (ACC-002)."""
    cdef Account *account
    cdef int64_t amount = command.amount if command.type == C_DEPOSIT else -command.amount
    cdef Event *event
    if command.amount < 1 or command.amount > TRANSFER_MAX_MICROS:
        reject(self, command, R_MALFORMED)
        return
    if command.account == 0 or command.account >= self.accounts_count:
        reject(self, command, R_NO_ACCOUNT)
        return
    account = &self.accounts[command.account]
    if command.type == C_DEPOSIT:
        if account.balance > MONEY_MAX - amount or self.external < amount - MONEY_MAX:
            reject(self, command, R_BALANCE)
            return
        account.margined = 1
    elif account.balance - account.requirement < command.amount or self.external > MONEY_MAX - command.amount:
        reject(self, command, R_BALANCE)
        return
    account.balance += amount
    self.external -= amount
    emit_answer(self, E_ACK, command)
    event = emit(self, E_ACCOUNT)
    event.account = command.account
    event.amount = told_of(account.balance)


cdef void publish_levels(State *self) noexcept nogil:
    """MAT-013, and the end of the emptied levels."""
    cdef uint32_t index
    cdef Level *level
    cdef Event *event
    for index in range(self.books.dirty_count):
        level = &self.books.levels[self.books.dirty[index]]
        event = emit(self, E_LEVEL)
        event.instrument = level.book
        event.flags = V_SELL if level.side else 0
        event.price = level.price
        event.cum = level.orders
        event.amount = level.shown
        retire_level(&self.books, self.books.dirty[index])
    self.books.dirty_count = 0


cdef void finish(State *self) noexcept nogil:
    """End of a command: requirements (RSK-004), then levels."""
    cdef uint32_t index
    for index in range(self.touched_count):
        self.positions[self.touched[index]].touched = 0
        evaluate(self, self.touched[index])
    self.touched_count = 0
    publish_levels(self)


cdef void apply_command(State *self, const Command *command) noexcept nogil:
    self.seq += 1
    if C_PLACE <= command.type <= C_REPLACE or command.type == C_MASS_CANCEL or command.type == C_QUOTE \
            or command.type == C_REPLACE_REF:
        apply_client(self, command)
    elif command.type == C_TIME:
        pass_time(self, command)
    elif command.type == C_DEPOSIT or command.type == C_WITHDRAW:
        transfer(self, command)
    elif command.type == C_SESSION_LOST:
        session_lost(self, command)
    else:
        reject(self, command, R_UNKNOWN_TYPE)
    if self.touched_count or self.books.dirty_count:
        finish(self)
    self.command += 1


cdef size_t apply_records(State *self, const char *data, size_t offset, size_t size) noexcept nogil:
    """Apply records until the end or the first rare one; returns the offset reached."""
    cdef const Command *command
    cdef int far = self.books.orders_used > PREFETCH_ORDERS_MIN      # Less than that stays in the cache by itself.
    if far:
        look_at_first(self, data, offset, size)
    while offset < size and not self.broken:
        command = <const Command *>(data + offset)
        if command.type >= C_RARE_FIRST:
            break
        if far:
            look_ahead(self, data, offset, size)
        apply_command(self, command)
        offset += command.length
    return offset


cdef int lengths_add_up(const char *data, size_t size) noexcept nogil:
    """ENG-003."""
    cdef size_t offset = 0
    cdef uint32_t length
    while offset < size:
        if size - offset < RECORD_BYTES:
            return 0
        length = (<const Command *>(data + offset)).length
        if length < RECORD_BYTES or length % RECORD_BYTES or length > size - offset:
            return 0
        offset += length
    return 1


# --- The Python face -------------------------------------------------------------------------------------------------

@cython.final
cdef class Core:
    """State and hot path of one shard. See `exchange.reference.core.ReferenceCore` for each method's contract."""

    def __cinit__(self, uint32_t orders_max=1 << 22, uint32_t accounts_max=1 << 20, uint32_t instruments_max=1 << 18,
                  uint32_t account_orders_max=1 << 18, uint64_t index_seed=0):
        cdef State *state = &self.state
        if not 0 < orders_max <= SLOT_MASK:
            raise ValueError(f"orders_max must be from 1 to {SLOT_MASK}, was {orders_max}")
        memset(state, 0, sizeof(State))
        state.accounts_max = accounts_max
        state.instruments_max = instruments_max
        state.account_orders_max = account_orders_max
        state.positions_max = POSITIONS_MAX
        state.lanes_max = LANES_MAX
        books_open(&state.books, orders_max, instruments_max + 1, FILLS_CHUNK)
        state.accounts = <Account *>arena_reserve(accounts_max * sizeof(Account))
        state.instruments = <Instrument *>arena_reserve((<size_t>instruments_max + 1) * sizeof(Instrument))
        state.positions = <Position *>arena_reserve(<size_t>POSITIONS_MAX * sizeof(Position))
        state.lanes = <Lane *>arena_reserve(<size_t>LANES_MAX * sizeof(Lane))
        state.touched = <uint32_t *>arena_reserve(<size_t>POSITIONS_MAX * sizeof(uint32_t))
        if state.accounts == NULL or state.instruments == NULL or state.positions == NULL or state.lanes == NULL \
                or state.touched == NULL or not map_open(&state.position_map, 1024) \
                or not map_open(&state.lane_map, 1024) or not refs_open(&state.refs, 1024, index_seed):
            raise MemoryError("no address space for the core's arenas")
        grow_events(state)
        if state.broken:
            raise MemoryError("no memory for events")
        state.instruments_count = 1             # Handle 0 means none.
        state.next_match_id = 1
        state.next_gate_ns = 0x7FFFFFFFFFFFFFFF
        self.add_account(0, 0, False)

    def __dealloc__(self):
        cdef State *state = &self.state
        cdef uint32_t index
        if state.lanes != NULL:
            for index in range(state.lanes_count):
                free(state.lanes[index].outcomes)
        books_close(&state.books)
        arena_release(state.accounts, state.accounts_max * sizeof(Account))
        arena_release(state.instruments, (<size_t>state.instruments_max + 1) * sizeof(Instrument))
        arena_release(state.positions, <size_t>POSITIONS_MAX * sizeof(Position))
        arena_release(state.lanes, <size_t>LANES_MAX * sizeof(Lane))
        arena_release(state.touched, <size_t>POSITIONS_MAX * sizeof(uint32_t))
        map_close(&state.position_map)
        map_close(&state.lane_map)
        free(state.refs.places)
        free(state.expiries)
        free(state.events)

    @property
    def seq(self) -> int:
        """Sequence number of the last command."""
        return self.state.seq

    @property
    def now_ns(self) -> int:
        """The time of the last command, nanoseconds since 1970."""
        return self.state.now_ns

    @property
    def event_count(self) -> int:
        """Events of the present batch."""
        return self.state.event_count

    @property
    def accounts_max(self) -> int:
        """Limit of accounts, the fee account included."""
        return self.state.accounts_max

    @property
    def instruments_max(self) -> int:
        """Limit of instruments."""
        return self.state.instruments_max

    def begin(self, int64_t ts_ns):
        """Start a batch: forget the last one's events. AssertionError when time would go back (ENG-002)."""
        self.start(ts_ns)

    cdef int start(self, int64_t ts_ns) except -1:
        if ts_ns < self.state.now_ns:
            raise AssertionError(f"ts_ns must not be before {self.state.now_ns}, was {ts_ns}")
        self.state.now_ns = ts_ns
        self.state.event_count = 0
        self.state.command = 0
        return 0

    cdef int check(self) except -1:
        if self.state.broken:
            if self.state.broken == BROKEN_POSITIONS:
                raise AssertionError("the positions of an instrument must sum to 0")
            raise AssertionError("the core ran out of memory")
        return 0

    def adds_up(self, bytes records not None):
        """Whether the lengths of the records are multiples of 64 that end where the batch ends (ENG-003)."""
        return lengths_add_up(PyBytes_AS_STRING(records), PyBytes_GET_SIZE(records)) != 0

    def run(self, bytes records not None, Py_ssize_t offset):
        """Apply records from a byte offset up to the end or the first rare one; returns the offset reached."""
        if offset < 0:
            raise ValueError(f"offset must not be negative, was {offset}")
        return self.advance(records, offset)

    cdef Py_ssize_t advance(self, bytes records, Py_ssize_t offset) except -1:
        cdef const char *data = PyBytes_AS_STRING(records)
        cdef Py_ssize_t size = PyBytes_GET_SIZE(records)
        if offset == 0 and not lengths_add_up(data, size):
            raise ValueError("record lengths must be multiples of 64 that add up to the batch")
        if size - offset < 4096:                # Giving the interpreter up costs more than a short batch.
            offset = apply_records(&self.state, data, offset, size)
        else:
            with nogil:
                offset = apply_records(&self.state, data, offset, size)
        self.check()
        return offset

    def apply(self, bytes records not None, int64_t ts_ns):
        """`begin` and `run` for a batch without rare records; returns the number of events."""
        self.start(ts_ns)
        if self.advance(records, 0) != PyBytes_GET_SIZE(records):
            raise ValueError("records with a payload must go through the engine")
        return self.state.event_count

    def begin_rare(self):
        """Take the next sequence number for a record that the engine handles itself."""
        self.state.seq += 1

    def end_rare(self):
        """Finish such a record."""
        finish(&self.state)
        self.state.command += 1
        self.check()

    def emit(self, int type, *, int flags=0, int reason=0, uint32_t account=0, uint32_t instrument=0, int32_t price=0,
             int32_t lots=0, int64_t amount=0):
        """Append an event of the present command."""
        cdef Event *event = emit(&self.state, type)
        event.flags = flags
        event.reason = reason
        event.account = account
        event.instrument = instrument
        event.price = price
        event.lots = lots
        event.amount = amount

    def add_account(self, uint32_t number, uint32_t group, bint margined):
        """Make the next account. Numbers are dense, 0 is the venue's fee account."""
        cdef Account *account
        if number != self.state.accounts_count or number >= self.state.accounts_max:
            raise ValueError(f"number must be {self.state.accounts_count}, below {self.state.accounts_max}, "
                             f"was {number}")
        account = &self.state.accounts[number]
        account.group = group
        account.margined = margined
        account.first_position = NIL
        account.last_position = NIL
        self.state.accounts_count += 1

    def add_instrument(self, uint32_t handle, uint32_t product, int64_t window, int64_t lot_micros,
                       uint32_t maker_fee_ppm, uint32_t taker_fee_ppm, int64_t gate_ns):
        """List the next instrument, open. Handles are dense from 1."""
        cdef Instrument *instrument
        if handle != self.state.instruments_count or handle > self.state.instruments_max:
            raise ValueError(f"handle must be {self.state.instruments_count}, at most {self.state.instruments_max}, "
                             f"was {handle}")
        instrument = &self.state.instruments[handle]
        instrument.product = product
        instrument.window = window
        instrument.lot_micros = lot_micros
        instrument.maker_fee_ppm = maker_fee_ppm
        instrument.taker_fee_ppm = taker_fee_ppm
        instrument.gate_ns = gate_ns
        instrument.mark = -1
        instrument.first_position = NIL
        instrument.last_position = NIL
        instrument.open = 1
        open_book(&self.state.books, handle)
        self.state.instruments_count += 1
        if gate_ns < self.state.next_gate_ns:
            self.state.next_gate_ns = gate_ns

    cdef Instrument *listed(self, uint32_t handle) except NULL:
        if handle == 0 or handle >= self.state.instruments_count:
            raise ValueError(f"handle must be from 1 to {self.state.instruments_count - 1}, was {handle}")
        return &self.state.instruments[handle]

    cdef void evaluate_all(self, uint32_t handle):
        cdef uint32_t slot = self.state.instruments[handle].first_position
        while slot != NIL:
            evaluate(&self.state, slot)
            slot = self.state.positions[slot].next_of_instrument

    def set_rates(self, uint32_t handle, int64_t long_micros, int64_t short_micros):
        """Micros of requirement per long and short lot."""
        cdef Instrument *instrument = self.listed(handle)
        instrument.long_micros = long_micros
        instrument.short_micros = short_micros
        self.evaluate_all(handle)

    def set_mark(self, uint32_t handle, int32_t ticks):
        """Carry every position at a new mark (ACC-004). O(positions of the instrument)."""
        cdef Instrument *instrument = self.listed(handle)
        cdef int64_t moved = ticks - instrument.mark if instrument.mark >= 0 else 0
        cdef uint32_t slot = instrument.first_position
        cdef Position *position
        cdef wide_t paid
        cdef wide_t pool = 0                    # Ends at 0: what some gain, others lose.
        instrument.mark = ticks
        while slot != NIL:
            position = &self.state.positions[slot]
            paid = <wide_t>moved * position.lots * instrument.lot_micros
            self.state.accounts[position.account].balance += paid
            pool -= paid
            slot = position.next_of_instrument
        if pool != 0:
            self.state.broken = BROKEN_POSITIONS
        self.evaluate_all(handle)
        self.check()

    def events_bytes(self):
        """The batch's events as 64-byte records."""
        return PyBytes_FromStringAndSize(<char *>self.state.events, self.state.event_count * sizeof(Event))

    def balance(self, uint32_t account):
        """Balance in micros."""
        if account >= self.state.accounts_count:
            raise ValueError(f"account must be below {self.state.accounts_count}, was {account}")
        cdef wide_t balance = self.state.accounts[account].balance
        return (<object>wide_high(balance) << 64) | <object>wide_low(balance)

    def external_balance(self):
        """Balance of EXT: minus what was deposited, plus what was withdrawn."""
        return self.state.external

    def requirement_sum(self, uint32_t account):
        """Sum of the account's requirements as last evaluated, micros."""
        cdef uint32_t slot
        total = 0
        self.balance(account)
        slot = self.state.accounts[account].first_position
        while slot != NIL:
            total += self.state.positions[slot].requirement
            slot = self.state.positions[slot].next_of_account
        return total

    def position(self, uint32_t account, uint32_t instrument):
        """(lots, open buy lots, open sell lots, requirement)."""
        cdef uint32_t slot = map_find(&self.state.position_map, (<uint64_t>account << 32) | instrument)
        cdef Position *position
        if slot == NIL:
            return (0, 0, 0, 0)
        position = &self.state.positions[slot]
        return (position.lots, position.open_buy, position.open_sell, position.requirement)

    def best(self, uint32_t instrument, int side):
        """(price, shown lots) of the best level, or None."""
        levels = self.depth(instrument, side, 1)
        return levels[0][:2] if levels else None

    def depth(self, uint32_t instrument, int side, int levels):
        """Up to `levels` best levels: (price, shown lots, orders)."""
        cdef uint32_t slot
        cdef Level *level
        self.listed(instrument)
        rows = []
        slot = self.state.books.books[instrument].side[side & 1].best
        while slot != NIL and len(rows) < levels:
            level = &self.state.books.levels[slot]
            rows.append((level.price, level.shown, level.orders))
            slot = next_level(&self.state.books, instrument, side & 1, level.price)
        return rows

    def last_ref(self, uint32_t account, uint32_t lane):
        """The highest ref the lane has used, 0 if none."""
        cdef uint32_t slot = find_lane(&self.state, account, lane)
        return 0 if slot == NIL else self.state.lanes[slot].last_ref

    def dump(self):
        """The canonical state (docs/spec/engine.md)."""
        return dump_state(&self.state)


def record_layouts():
    """(size, offset of each field) of the record structs; tests hold them against the NumPy dtypes."""
    cdef Command command
    cdef Event event
    cdef char *c = <char *>&command
    cdef char *e = <char *>&event
    return {
        "command": (sizeof(Command), {
            "length": <char *>&command.length - c, "type": <char *>&command.type - c,
            "flags": <char *>&command.flags - c, "account": <char *>&command.account - c,
            "instrument": <char *>&command.instrument - c, "ref": <char *>&command.ref - c,
            "target": <char *>&command.target - c, "amount": <char *>&command.amount - c,
            "price": <char *>&command.price - c, "lots": <char *>&command.lots - c,
            "price_2": <char *>&command.price_2 - c, "lots_2": <char *>&command.lots_2 - c,
            "tag": <char *>&command.tag - c, "lane": <char *>&command.lane - c,
            "side": <char *>&command.side - c, "tif": <char *>&command.tif - c, "stp": <char *>&command.stp - c,
        }),
        "event": (sizeof(Event), {
            "type": <char *>&event.type - e, "flags": <char *>&event.flags - e,
            "reason": <char *>&event.reason - e, "lane": <char *>&event.lane - e,
            "command": <char *>&event.command - e, "account": <char *>&event.account - e,
            "instrument": <char *>&event.instrument - e, "oid": <char *>&event.oid - e,
            "ref": <char *>&event.ref - e, "match_id": <char *>&event.match_id - e,
            "price": <char *>&event.price - e, "lots": <char *>&event.lots - e, "cum": <char *>&event.cum - e,
            "leaves": <char *>&event.leaves - e, "amount": <char *>&event.amount - e,
        }),
    }
