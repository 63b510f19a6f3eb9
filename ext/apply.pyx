# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""Records in, events out: one command after another (docs/spec/engine.md)."""

from libc.stdlib cimport realloc

from ext.block_orders cimport place_block, replace_block
from ext.lanes cimport answer_again, find_or_add_lane
from ext.orders cimport place, replace, target_slot
from ext.prefetch cimport PREFETCH_ORDERS_MIN, look_ahead, look_at_first
from ext.queues cimport retire_level
from ext.quotes cimport continues_quote, leg_of, quote
from ext.reasons cimport R_BALANCE, R_MALFORMED, R_NO_ACCOUNT, R_OPEN_LIMIT, R_STALE_REF, R_UNKNOWN_TYPE
from ext.risk cimport evaluate
from ext.shelf cimport sync_tops
from ext.state cimport BROKEN_MEMORY, emit, emit_answer, free_money, is_call, told_of
from ext.sweeps cimport (
    cancel, mass_cancel, note_session, pass_time, protect_quotes, pull_quotes, reset_quotes, session_lost,
)
from ext.types cimport (
    A_MARGINED, C_BLOCK, C_CANCEL, C_CANCEL_REF, C_DEPOSIT, C_MMP_RESET, C_MMP_SET, C_PLACE, C_QUOTE, C_RARE_FIRST,
    C_REPLACE, C_REPLACE_REF, C_SESSION, C_SESSION_LOST, C_TIME, C_WITHDRAW, E_ACCOUNT, E_ACK, E_LEVEL, E_REJECT,
    MONEY_MAX, NIL, O_BLOCK, V_SELL, Account, Command, Event, Lane, Level, int64_t, uint32_t,
)
from ext.uncross cimport indicate
from ext.waking cimport recheck_blocks


cdef enum:
    RECORD_BYTES = 64

cdef int64_t TRANSFER_MAX_MICROS = ((<int64_t>1) << 53) - 1


cdef inline void dispatch_client(State *self, const Command *command, uint32_t lane, int first) noexcept nogil:
    if command.type == C_PLACE:
        place(self, command, lane)
    elif command.type == C_CANCEL or command.type == C_CANCEL_REF:
        cancel(self, command, lane)
    elif command.type == C_QUOTE:
        quote(self, command, lane, first)
    elif command.type == C_REPLACE or command.type == C_REPLACE_REF:
        dispatch_replace(self, command, lane)
    elif command.type == C_BLOCK:
        place_block(self, command, lane)
    elif command.type == C_MMP_SET:
        protect_quotes(self, command, lane)
    elif command.type == C_MMP_RESET:
        reset_quotes(self, command, lane)
    else:
        mass_cancel(self, command, lane)


cdef void dispatch_replace(State *self, const Command *command, uint32_t lane) noexcept nogil:
    """Orders and blocks are named alike."""
    cdef uint32_t slot = target_slot(self, command, lane)
    if slot != NIL and self.books.orders[slot].meta & O_BLOCK:
        replace_block(self, command, lane, slot)
    else:
        replace(self, command, lane, slot)


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
        account.kind |= A_MARGINED
    elif account.balance - account.keep < command.amount or free_money(account) < command.amount \
            or self.external > MONEY_MAX - command.amount:
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


cdef void indicate_calls(State *self, uint32_t *books, uint32_t count) noexcept nogil:
    """Tell what the books in a call that have changed, or have entered it, would trade (AUC-005)."""
    cdef uint32_t index
    for index in range(count):
        if is_call(self.instruments[books[index]].phase):
            indicate(self, books[index])


cdef uint32_t collect_calls(State *self) noexcept nogil:
    """The books in a call that the command has touched, each once, then those it has taken into one."""
    cdef uint32_t index, handle, entered = self.calls_entered
    cdef uint32_t count = 0
    if self.books.dirty_count + entered > self.touched_calls_max:
        if not grow_touched_calls(self, self.books.dirty_count + entered):
            return 0
    for index in range(self.books.dirty_count + entered):
        if index < self.books.dirty_count:
            handle = self.books.levels[self.books.dirty[index]].book
        else:
            handle = self.calls[index - self.books.dirty_count]
        if is_call(self.instruments[handle].phase) and not self.schedules[handle].indicated:
            self.schedules[handle].indicated = 1
            self.touched_calls[count] = handle
            count += 1
    for index in range(count):
        self.schedules[self.touched_calls[index]].indicated = 0
    self.calls_entered = 0
    return count


cdef int grow_touched_calls(State *self, uint32_t wanted) noexcept nogil:
    cdef uint32_t *grown = <uint32_t *>realloc(self.touched_calls, wanted * 2 * sizeof(uint32_t))
    if grown == NULL:
        self.broken = BROKEN_MEMORY
        return 0
    self.touched_calls = grown
    self.touched_calls_max = wanted * 2
    return 1


cdef void finish_market(State *self) noexcept nogil:
    """What a command leaves to do: blocks that may trade again, pulled quotes, best prices."""
    if self.opened:
        recheck_blocks(self)
    if self.fired_count:
        pull_quotes(self)
    if self.blocks_resting:
        sync_tops(self)


cdef void finish(State *self) noexcept nogil:
    """End of a command: the market's own, requirements (RSK-004), levels, then what calls would trade."""
    cdef uint32_t index, calls = 0
    if self.opened or self.fired_count or self.blocks_resting:
        finish_market(self)
    for index in range(self.touched_count):
        self.positions[self.touched[index]].touched = 0
        evaluate(self, self.touched[index])
    self.touched_count = 0
    if self.calls_open or self.calls_entered:
        calls = collect_calls(self)
    publish_levels(self)
    if calls:
        indicate_calls(self, self.touched_calls, calls)


cdef inline int is_client(int type) noexcept nogil:
    """Whether a type from C_PLACE to C_REPLACE_REF is a command: not batch, dead-man switch or status query."""
    return type != 20 and type != 25 and type != 27


cdef void apply_command(State *self, const Command *command) noexcept nogil:
    self.seq += 1
    if C_PLACE <= command.type <= C_REPLACE_REF and is_client(command.type):
        apply_client(self, command)
    elif command.type == C_TIME:
        pass_time(self, command)
    elif command.type == C_DEPOSIT or command.type == C_WITHDRAW:
        transfer(self, command)
    elif command.type == C_SESSION_LOST:
        session_lost(self, command)
    elif command.type == C_SESSION:
        note_session(self, command)
    else:
        reject(self, command, R_UNKNOWN_TYPE)
    if self.gate_waiting == 0:
        finish_command(self)


cdef void finish_command(State *self) noexcept nogil:
    if self.touched_count or self.books.dirty_count or self.opened or self.calls_entered:
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
        if self.gate_waiting:
            break
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
