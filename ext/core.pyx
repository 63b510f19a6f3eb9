# cython: boundscheck=False, wraparound=False, initializedcheck=False
"""The core: packed command records in, packed event records out (docs/spec/engine.md).

`Core` has the same interface as `exchange.reference.core.ReferenceCore`, which is its specification.
It belongs to one thread at a time and holds no lock.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memcpy, memset

from ext.apply cimport apply_records, finish, finish_command, lengths_add_up
from ext.book cimport arena_release, arena_reserve, books_close, books_open, open_book
from ext.checks cimport POSITION_LOTS_MAX, position_for
from ext.clearing cimport (
    Hit, admit_hit, block_rows, carry_at, certify_position, check_hit, check_range, end_account_orders,
    evaluate_account, evaluate_instrument, hit_order, order_rows, pay_outside, position_rows, resting_rows, set_terms,
)
from ext.dump cimport dump_state
from ext.fills cimport hand_over
from ext.idmap cimport map_close, map_find, map_open, refs_open
from ext.lanes cimport find_lane
from ext.phases cimport close_gate, halt, pass_moments, resume, schedule_next, suspend_by_band
from ext.queues cimport next_level
from ext.reasons cimport D_DEFAULT, D_USER
from ext.shelf cimport Shelf, shelf_free, shelf_stale
from ext.state cimport BROKEN_POSITIONS, Product, emit, grow_events, is_call, wide_high, wide_low
from ext.types cimport (
    A_MARGINED, A_PREPAID, FABRICS_MAX, MONEY_MAX, NIL, SCHEDULE_MOMENTS_MAX, SELL, SLOT_MASK, Account, Capacity,
    Command, Event, Lane, Level, Position, Schedule, uint16_t, uint64_t, uint8_t, wide_t,
)
from ext.waking cimport wake_blocks


cdef enum:
    FILLS_CHUNK = 1024          # Fills are settled in chunks that stay in the cache.
    LANES_MAX = 1 << 22
    POSITIONS_MAX = 1 << 24


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
        state.capacities = <Capacity *>arena_reserve(<size_t>POSITIONS_MAX * sizeof(Capacity))
        state.schedules = <Schedule *>arena_reserve((<size_t>instruments_max + 1) * sizeof(Schedule))
        state.lanes = <Lane *>arena_reserve(<size_t>LANES_MAX * sizeof(Lane))
        state.touched = <uint32_t *>arena_reserve(<size_t>POSITIONS_MAX * sizeof(uint32_t))
        if state.accounts == NULL or state.instruments == NULL or state.positions == NULL or state.lanes == NULL \
                or state.touched == NULL or state.capacities == NULL or state.schedules == NULL \
                or not map_open(&state.position_map, 1024) or not map_open(&state.lane_map, 1024) \
                or not refs_open(&state.refs, 1024, index_seed):
            raise MemoryError("no address space for the core's arenas")
        grow_events(state)
        if state.broken:
            raise MemoryError("no memory for events")
        state.instruments_count = 1             # Handle 0 means none.
        state.next_match_id = 1
        state.products_count = 1                # Number 0 means none.
        state.free_block = NIL
        state.wake = wake_blocks
        state.suspend = suspend_by_band
        self.add_account(0, 0, False)

    def __dealloc__(self):
        cdef State *state = &self.state
        cdef uint32_t index
        if state.lanes != NULL:
            for index in range(state.lanes_count):
                free(state.lanes[index].outcomes)
        for index in range(state.products_count):
            if state.products != NULL:
                shelf_free(<Shelf *>state.products[index].shelf)
                free(state.products[index].handles)
        free(state.products)
        free(state.blocks)
        free(state.fired)
        free(state.calls)
        free(state.touched_calls)
        free(state.moments)
        arena_release(state.capacities, <size_t>POSITIONS_MAX * sizeof(Capacity))
        arena_release(state.schedules, (<size_t>state.instruments_max + 1) * sizeof(Schedule))
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
        if self.advance(records, 0) != PyBytes_GET_SIZE(records) or self.state.gate_waiting:
            raise ValueError("records with a payload, and gates with holders, must go through the engine")
        return self.state.event_count

    def begin_rare(self):
        """Take the next sequence number for a record that the engine handles itself."""
        self.state.seq += 1

    def end_rare(self):
        """Finish such a record."""
        finish(&self.state)
        self.state.command += 1
        self.check()

    def set_lots(self, uint64_t event, int32_t lots):
        """Put a number into an event of this batch that could not be known when it was added."""
        if event >= self.state.event_count:
            raise ValueError(f"event must be below {self.state.event_count}, was {event}")
        self.state.events[event].lots = lots

    def emit(self, int type, *, int flags=0, int reason=0, uint32_t account=0, uint32_t instrument=0, int32_t price=0,
             int32_t lots=0, int32_t cum=0, int32_t leaves=0, int64_t amount=0, uint64_t match_id=0):
        """Append an event of the present command."""
        cdef Event *event = emit(&self.state, type)
        event.flags = flags
        event.reason = reason
        event.account = account
        event.instrument = instrument
        event.price = price
        event.lots = lots
        event.cum = cum
        event.leaves = leaves
        event.amount = amount
        event.match_id = match_id

    def add_account(self, uint32_t number, uint32_t group, bint margined):
        """Make the next account. Numbers are dense, 0 is the venue's fee account."""
        cdef Account *account
        if number != self.state.accounts_count or number >= self.state.accounts_max:
            raise ValueError(f"number must be {self.state.accounts_count}, below {self.state.accounts_max}, "
                             f"was {number}")
        account = &self.state.accounts[number]
        account.group = group
        account.kind = A_MARGINED if margined else 0
        account.first_position = NIL
        account.last_position = NIL
        account.first_block = NIL
        account.last_block = NIL
        self.state.accounts_count += 1

    def add_product(self, uint32_t number, uint32_t fabrics):
        """Make the next product known. Numbers are dense from 1."""
        cdef Product *grown
        if number != self.state.products_count or not 0 < fabrics <= FABRICS_MAX:
            raise ValueError(f"product must be {self.state.products_count} with 1 to {FABRICS_MAX} fabrics, "
                             f"was {number}, {fabrics}")
        if number >= self.state.products_max:
            grown = <Product *>realloc(self.state.products, (number + 16) * sizeof(Product))
            if grown == NULL:
                raise MemoryError("no memory for products")
            memset(&grown[self.state.products_max], 0, (number + 16 - self.state.products_max) * sizeof(Product))
            self.state.products = grown
            self.state.products_max = number + 16
        self.state.products[number].fabrics = fabrics
        self.state.products_count += 1

    def add_instrument(self, uint32_t handle, uint32_t product, uint8_t fabric, int32_t window, int64_t lot_micros,
                       uint32_t maker_fee_ppm, uint32_t taker_fee_ppm, int64_t volatility_call_ns,
                       uint16_t band_static_bps, uint16_t band_dynamic_bps, list schedule not None):
        """List the next instrument. Handles are dense from 1, the fabrics of a window one after another."""
        cdef Instrument *instrument
        if handle != self.state.instruments_count or handle > self.state.instruments_max:
            raise ValueError(f"handle must be {self.state.instruments_count}, at most {self.state.instruments_max}, "
                             f"was {handle}")
        if not 0 < product < self.state.products_count or fabric >= self.state.products[product].fabrics:
            raise ValueError(f"product and fabric must be known, were {product} and {fabric}")
        if not 0 < len(schedule) <= SCHEDULE_MOMENTS_MAX + 1:
            raise ValueError(f"schedule must have 1 to {SCHEDULE_MOMENTS_MAX + 1} moments, had {len(schedule)}")
        instrument = &self.state.instruments[handle]
        instrument.product = product
        instrument.fabric = fabric
        instrument.window = window
        instrument.lot_micros = lot_micros
        instrument.maker_fee_ppm = maker_fee_ppm
        instrument.taker_fee_ppm = taker_fee_ppm
        instrument.static_bps = band_static_bps
        instrument.dynamic_bps = band_dynamic_bps
        instrument.mark = -1
        instrument.last = -1
        instrument.first_position = NIL
        instrument.last_position = NIL
        self.set_schedule(handle, volatility_call_ns, schedule)
        if fabric == 0:
            self.add_window(product, window, handle)
        open_book(&self.state.books, handle)
        self.state.instruments_count += 1
        schedule_next(&self.state, handle)
        if <uint32_t>fabric + 1 == self.state.products[product].fabrics:
            shelf_stale(&self.state, product)
        self.check()

    cdef int set_schedule(self, uint32_t handle, int64_t volatility_call_ns, list moments) except -1:
        cdef Schedule *schedule = &self.state.schedules[handle]
        self.state.instruments[handle].phase = moments[0][1]
        for at_ns, phase in moments[1:]:
            schedule.at_ns[schedule.count] = at_ns
            schedule.phase[schedule.count] = phase
            schedule.count += 1
        schedule.volatility_call_ns = volatility_call_ns
        if volatility_call_ns or is_call(self.state.instruments[handle].phase):
            self.state.calls_open = 1
        return 0

    cdef int add_window(self, uint32_t number, int32_t window, uint32_t handle) except -1:
        """Note the first fabric's instrument of a window; the product's calendar grows at either end."""
        cdef Product *product = &self.state.products[number]
        cdef int64_t first = window if product.windows == 0 else min(window, product.first_window)
        cdef int64_t end = max(window + 1, product.first_window + product.windows) if product.windows else window + 1
        cdef uint32_t *handles
        if end - first != product.windows:
            handles = <uint32_t *>calloc(end - first, sizeof(uint32_t))
            if handles == NULL:
                raise MemoryError("no memory for a calendar")
            if product.windows:
                memcpy(&handles[product.first_window - first], product.handles, product.windows * sizeof(uint32_t))
            free(product.handles)
            product.handles = handles
            product.first_window = <int32_t>first
            product.windows = <int32_t>(end - first)
        product.handles[window - product.first_window] = handle
        return 0

    # The gate, halts, capacity, the balancing market: the engine decides, these carry out.

    @property
    def gate_waiting(self) -> int:
        """Handle of an instrument whose gate waits for `close_gate`, 0 if none."""
        return self.state.gate_waiting

    def close_gate(self):
        """End the orders of the instrument whose gate waits, and tell its phase (MKT-007)."""
        if self.state.gate_waiting == 0:
            raise AssertionError("no gate waits")
        close_gate(&self.state)
        self.check()

    def go_on(self):
        """Go on with the TIME command that a gate has interrupted; finishes it unless another gate waits."""
        pass_moments(&self.state)
        if self.state.gate_waiting == 0:
            finish_command(&self.state)
        self.check()

    def halt(self, uint32_t handle):
        """Stop trading (MKT-006)."""
        self.listed(handle)
        halt(&self.state, handle)

    def resume(self, uint32_t handle):
        """Let a halted instrument trade again (MKT-006)."""
        self.listed(handle)
        resume(&self.state, handle)

    def phase(self, uint32_t handle):
        """The phase of an instrument."""
        return self.listed(handle).phase

    def is_balancing(self, uint32_t handle):
        """Whether standby sells may rest (MKT-030)."""
        return self.listed(handle).balancing != 0

    def mark(self, uint32_t handle):
        """The mark in ticks, or None."""
        cdef int32_t mark = self.listed(handle).mark
        return None if mark < 0 else mark

    def group(self, uint32_t account):
        """The owner group of an account."""
        return self.known(account).group

    def holdings(self, uint32_t handle):
        """(account, lots, certified) of every position of an instrument, in order of creation."""
        cdef uint32_t slot = self.listed(handle).first_position
        cdef Position *position
        rows = []
        while slot != NIL:
            position = &self.state.positions[slot]
            rows.append((position.account, position.lots, self.state.capacities[slot].certified))
            slot = position.next_of_instrument
        return rows

    def sells(self, uint32_t handle):
        """(oid, price, leaves, account, physical) of the resting sells, best first."""
        return [row[:5] for row in self.resting(handle, SELL)]

    def resting(self, uint32_t handle, int side):
        """(oid, price, leaves, account, physical, firm) of a side's resting orders, best first. O(orders)."""
        self.listed(handle)
        check_range("side", side, 0, 1)
        return resting_rows(&self.state, handle, side)

    def open_orders(self, uint32_t account):
        """(oid, ref, lane, instrument, side, price, leaves, cum, tag) of an account's orders. O(positions + orders)."""
        self.known(account)
        return order_rows(&self.state, account)

    def open_blocks(self, uint32_t account):
        """(oid, ref, lane, product, scope, start, hours, side, limit, leaves, cum, tag) of its blocks, by entry."""
        self.known(account)
        return block_rows(&self.state, account)

    def take(self, uint64_t oid, int64_t lots, uint32_t account, uint32_t fee_ppm):
        """Buy of a resting sell for an account, at most what it shows; returns the lots (MKT-021, MKT-032)."""
        return self.hit(oid, lots, account, fee_ppm)

    def certify(self, uint32_t account, uint32_t handle, int64_t lots):
        """Set an account's capacity in an instrument; what it no longer backs ends (MKT-020, MKT-022)."""
        certify_position(&self.state, self.place_for(account, handle), lots)
        self.check()

    cdef Account *known(self, uint32_t account) except NULL:
        if account >= self.state.accounts_count:
            raise ValueError(f"account must be below {self.state.accounts_count}, was {account}")
        return &self.state.accounts[account]

    cdef uint32_t place_for(self, uint32_t account, uint32_t handle) except? 0xFFFFFFFF:
        """The slot of a position, made where there is none."""
        cdef uint32_t slot
        self.known(account)
        self.listed(handle)
        slot = position_for(&self.state, account, handle)
        if slot == NIL:
            raise MemoryError("no room for a position")
        return slot

    cdef Instrument *listed(self, uint32_t handle) except NULL:
        if handle == 0 or handle >= self.state.instruments_count:
            raise ValueError(f"handle must be from 1 to {self.state.instruments_count - 1}, was {handle}")
        return &self.state.instruments[handle]

    def set_rates(self, uint32_t handle, int64_t long_micros, int64_t short_micros):
        """Micros of requirement per long and short lot."""
        cdef Instrument *instrument = self.listed(handle)
        instrument.long_micros = long_micros
        instrument.short_micros = short_micros
        evaluate_instrument(&self.state, handle)

    def set_mark(self, uint32_t handle, int32_t ticks):
        """Carry every position at a new mark (ACC-004). O(positions of the instrument)."""
        self.listed(handle)
        carry_at(&self.state, handle, ticks)
        self.check()

    # The clearinghouse. Between `begin_rare` and `end_rare`; ValueError for what is not known or out of its range.

    def pay(self, uint32_t account, int64_t micros):
        """Add -2^62 to 2^62 micro-dollars to a balance, that of account 0 included (ACC-006)."""
        check_range("micros", micros, -MONEY_MAX, MONEY_MAX)
        self.known(account).balance += micros

    def pay_external(self, int64_t micros):
        """Add to EXT's balance, which stays within 2^62 either way (ACC-006)."""
        pay_outside(&self.state, micros)

    def set_margin(self, uint32_t account, int64_t addon, int64_t credit, int64_t keep):
        """Set what is asked and granted beyond the positions, 0 to 2^62 micro-dollars (ACC-007, RSK-007, RSK-008)."""
        self.known(account)
        check_range("addon", addon, 0, MONEY_MAX)
        check_range("credit", credit, 0, MONEY_MAX)
        check_range("keep", keep, 0, MONEY_MAX)
        set_terms(&self.state, account, addon, credit, keep)

    def margin_terms(self, uint32_t account):
        """(addon, credit, keep) of an account; its credit is 0 once it has had a fill."""
        cdef Account *known = self.known(account)
        return known.addon, known.credit, known.keep

    def set_prepaid(self, uint32_t account, bint prepaid):
        """Make an account pay in full, or not, and evaluate its positions, O(them) (RSK-009)."""
        cdef Account *known = self.known(account)
        known.kind = known.kind & ~A_PREPAID | (A_PREPAID if prepaid else 0)
        evaluate_account(&self.state, account)

    def is_prepaid(self, uint32_t account):
        """Whether an account pays in full."""
        return self.known(account).kind & A_PREPAID != 0

    def clear_mark(self, uint32_t handle):
        """Take mark and rates from a contract that has been paid, and evaluate its positions (ACC-010)."""
        self.listed(handle).mark = -1
        self.set_rates(handle, 0, 0)

    def move_lots(self, uint32_t handle, uint32_t from_account, uint32_t to_account, int64_t lots):
        """Move 1 to 2^31 - 1 long lots between two accounts at the mark: no money, no event (ACC-008)."""
        cdef uint32_t giver
        self.known(from_account)
        self.known(to_account)
        check_range("lots", lots, 1, POSITION_LOTS_MAX)
        if from_account == to_account:
            raise ValueError(f"to_account must be another one than from_account, was {to_account}")
        giver = self.place_for(from_account, handle)
        hand_over(&self.state, giver, self.place_for(to_account, handle), lots)

    def end_orders(self, uint32_t account, int reason, uint32_t handle=0):
        """End every order and block of an account, in one instrument or (0) all; returns how many (CXL-005)."""
        self.known(account)
        check_range("reason", reason, D_USER, D_DEFAULT)
        if handle:
            self.listed(handle)
        cdef int32_t ended = end_account_orders(&self.state, account, handle, reason)
        self.check()
        return ended

    def hit(self, uint64_t oid, int64_t lots, uint32_t account, uint32_t fee_ppm, int64_t price=-1,
            bint at_mark=False):
        """Trade with a resting order for an account, at most what it shows; returns the lots (ACC-009)."""
        cdef State *state = &self.state
        cdef uint32_t maker
        cdef Hit found
        check_hit(state, &found, oid, lots, price)
        found.fee_ppm = fee_ppm
        found.at_mark = at_mark
        self.known(account)
        maker = state.books.terms[found.slot].position
        if not admit_hit(state, &found):
            return 0
        found.taker = self.place_for(account, state.positions[maker].instrument)
        hit_order(state, &found)
        self.check()
        return found.lots

    def events_bytes(self):
        """The batch's events as 64-byte records."""
        return PyBytes_FromStringAndSize(<char *>self.state.events, self.state.event_count * sizeof(Event))

    def balance(self, uint32_t account):
        """Balance in micros."""
        cdef wide_t balance = self.known(account).balance
        return (<object>wide_high(balance) << 64) | <object>wide_low(balance)

    def external_balance(self):
        """Balance of EXT: minus what was deposited, plus what was withdrawn."""
        return self.state.external

    def requirement_sum(self, uint32_t account):
        """Sum of the account's requirements as last evaluated, of its blocks' reserves, and its add-on, micros."""
        cdef wide_t requirement = self.known(account).requirement
        return (<object>wide_high(requirement) << 64) | <object>wide_low(requirement)

    def positions_bytes(self, uint32_t account=0):
        """Account, handle, lots, open buys and sells as int64 rows, without those of three zeros; account 0: of all."""
        return position_rows(&self.state, account)

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
