# cython: boundscheck=False, wraparound=False, initializedcheck=False
"""The clearinghouse's steps, rare and each for itself (ACC-004 to ACC-010, MKT-022, RSK-007, RSK-009, CXL-005)."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize

from ext.blocks cimport block_of, end_block, has_leg
from ext.book cimport handle_of, slot_of
from ext.fills cimport after_fill, charge, exchange, fill_maker, hand_over, tell_trade
from ext.orders cimport clip_reduce_only, end_resting
from ext.queues cimport next_level
from ext.reasons cimport D_CAPACITY
from ext.risk cimport evaluate
from ext.state cimport BROKEN_POSITIONS, account_of, committed_lots, emit, is_firm, money_fits, price_of, side_of
from ext.types cimport (
    BUY, E_FILL, LOTS_MAX, MONEY_MAX, NIL, O_BLOCK, O_PHYSICAL, O_QUOTE, O_REDUCE_ONLY, PRICE_MAX_TICKS, V_BALANCE,
    V_SELL, V_TAKER, Account, Block, Event, Instrument, Order, Position, Terms, wide_t,
)


# --- Checks, and what Python sees -------------------------------------------------------------------------------------

cdef int check_range(str what, int64_t value, int64_t least, int64_t most) except -1:
    if not least <= value <= most:
        raise ValueError(f"{what} must be from {least} to {most}, was {value}")
    return 0


cdef int pay_outside(State *self, int64_t micros) except -1:
    """Add to EXT's balance, which stays within its limits (ACC-006)."""
    cdef wide_t balance = <wide_t>self.external + micros
    check_range("micros", micros, -MONEY_MAX, MONEY_MAX)
    if not -MONEY_MAX <= balance <= MONEY_MAX:
        raise ValueError(f"EXT must be from {-MONEY_MAX} to {MONEY_MAX}, was {self.external} and {micros} more")
    self.external += micros
    return 0


cdef int check_hit(State *self, Hit *hit, uint64_t oid, int64_t lots, int64_t price) except -1:
    """Note what is hit, at which price and how much of it; ValueError for what is not there or out of its range."""
    cdef int64_t own
    cdef uint32_t slot = slot_of(&self.books, oid)
    if slot == NIL or self.books.orders[slot].meta & O_BLOCK:
        raise ValueError(f"oid must be of a resting order, was {oid}")
    check_range("lots", lots, 1, LOTS_MAX)
    own = price_of(self, slot)
    hit.slot = slot
    hit.lots = <int32_t>lots
    hit.price = <int32_t>own
    if price == -1:
        return 0
    if side_of(self, slot) == BUY:
        check_range("price", price, 0, own)
    else:
        check_range("price", price, own, PRICE_MAX_TICKS)
    hit.price = <int32_t>price
    slot = self.positions[self.books.terms[slot].position].instrument
    if not money_fits(price, min(lots, self.books.orders[hit.slot].shown), self.instruments[slot].lot_micros):
        raise ValueError(f"value must be from 0 to {MONEY_MAX}, was more")
    return 0


cdef list resting_rows(State *self, uint32_t handle, int side):
    cdef uint32_t level = self.books.books[handle].side[side].best, slot
    cdef Order *order
    cdef list rows = []
    while level != NIL:
        slot = self.books.levels[level].head
        while slot != NIL:
            order = &self.books.orders[slot]
            rows.append((handle_of(&self.books, slot), self.books.levels[level].price, order.leaves,
                         account_of(self, slot), order.meta & O_PHYSICAL != 0, is_firm(self, slot) != 0))
            slot = order.next
        level = next_level(&self.books, handle, side, self.books.levels[level].price)
    return rows


cdef list order_rows(State *self, uint32_t account):
    """(oid, ref, lane, instrument, side, price, leaves, cum, tag) of an account's resting orders (ACC-011)."""
    cdef uint32_t position = self.accounts[account].first_position, slot
    cdef Terms *terms
    cdef list rows = []
    while position != NIL:
        slot = self.positions[position].head
        while slot != NIL:
            terms = &self.books.terms[slot]
            rows.append((
                handle_of(&self.books, slot), 0 if self.books.orders[slot].meta & O_QUOTE else terms.ref,
                self.lanes[terms.lane].number, self.positions[position].instrument, side_of(self, slot),
                price_of(self, slot), self.books.orders[slot].leaves, self.books.orders[slot].cum, terms.tag,
            ))
            slot = terms.mine_next
        position = self.positions[position].next_of_account
    return rows


cdef list block_rows(State *self, uint32_t account):
    """(oid, ref, lane, product, scope, start, hours, side, limit, leaves, cum, tag) of its blocks (ACC-011)."""
    cdef uint32_t slot = self.accounts[account].first_block
    cdef Terms *terms
    cdef Block *block
    cdef list rows = []
    while slot != NIL:
        terms = &self.books.terms[slot]
        block = &self.blocks[block_of(self, slot)]
        rows.append((
            handle_of(&self.books, slot), terms.ref, self.lanes[terms.lane].number, block.product, block.scope,
            block.start, block.hours, block.side, block.limit, self.books.orders[slot].leaves,
            self.books.orders[slot].cum, terms.tag,
        ))
        slot = terms.mine_next
    return rows


cdef bytes position_rows(State *self, uint32_t account):
    """Account, instrument, lots, open buys and sells of positions that have any of the three; account 0: of all."""
    cdef uint32_t slot, rows = 0
    cdef Position *position
    cdef int64_t *row
    cdef bytes written
    for slot in range(self.positions_count):
        rows += is_wanted(&self.positions[slot], account)
    written = PyBytes_FromStringAndSize(NULL, <Py_ssize_t>rows * 5 * sizeof(int64_t))
    row = <int64_t *>PyBytes_AS_STRING(written)
    for slot in range(self.positions_count):
        position = &self.positions[slot]
        if is_wanted(position, account):
            row[0] = position.account
            row[1] = position.instrument
            row[2] = position.lots
            row[3] = position.open_buy
            row[4] = position.open_sell
            row += 5
    return written


cdef inline int is_wanted(const Position *position, uint32_t account) noexcept nogil:
    return (account == 0 or position.account == account) \
        and (position.lots != 0 or position.open_buy != 0 or position.open_sell != 0)


# --- Margin -----------------------------------------------------------------------------------------------------------

cdef void set_terms(State *self, uint32_t account, int64_t addon, int64_t credit, int64_t keep) noexcept nogil:
    """What is asked and granted beyond the positions (ACC-007, RSK-007, RSK-008)."""
    cdef Account *owner = &self.accounts[account]
    owner.requirement += <wide_t>addon - owner.addon
    owner.addon = addon
    owner.credit = credit
    owner.keep = keep


cdef void evaluate_instrument(State *self, uint32_t handle) noexcept nogil:
    """Every position of an instrument (RSK-004)."""
    cdef uint32_t slot = self.instruments[handle].first_position
    while slot != NIL:
        evaluate(self, slot)
        slot = self.positions[slot].next_of_instrument


cdef void evaluate_account(State *self, uint32_t account) noexcept nogil:
    """Every position of an account (RSK-009)."""
    cdef uint32_t slot = self.accounts[account].first_position
    while slot != NIL:
        evaluate(self, slot)
        slot = self.positions[slot].next_of_account


cdef void carry_at(State *self, uint32_t handle, int32_t ticks) noexcept nogil:
    """Carry every position at a new mark (ACC-004). O(positions of the instrument)."""
    cdef Instrument *instrument = &self.instruments[handle]
    cdef int64_t moved = <int64_t>ticks - instrument.mark if instrument.mark >= 0 else 0
    cdef uint32_t slot = instrument.first_position
    cdef Position *position
    cdef wide_t paid
    cdef wide_t pool = 0                        # Ends at 0: what some gain, others lose.
    instrument.mark = ticks
    while slot != NIL:
        position = &self.positions[slot]
        paid = <wide_t>moved * position.lots * instrument.lot_micros
        self.accounts[position.account].balance += paid
        pool -= paid
        slot = position.next_of_instrument
    if pool != 0:
        self.broken = BROKEN_POSITIONS
    evaluate_instrument(self, handle)


# --- Orders -----------------------------------------------------------------------------------------------------------

cdef void certify_position(State *self, uint32_t position, int64_t lots) noexcept nogil:
    """Set an account's capacity in an instrument; what it no longer backs ends (MKT-020, MKT-022)."""
    cdef uint32_t handle = self.positions[position].instrument
    cdef uint32_t slot = self.accounts[self.positions[position].account].last_block, following
    self.capacities[position].certified = lots
    while slot != NIL:
        following = self.books.terms[slot].mine_prev
        if committed_lots(self, position) > lots and self.books.orders[slot].meta & O_PHYSICAL \
                and has_leg(self, &self.blocks[block_of(self, slot)], handle):
            end_block(self, block_of(self, slot), D_CAPACITY)
        slot = following
    slot = self.positions[position].tail
    while slot != NIL:
        following = self.books.terms[slot].mine_prev
        if committed_lots(self, position) > lots and self.books.orders[slot].meta & O_PHYSICAL:
            end_resting(self, slot, D_CAPACITY)
        slot = following


cdef int32_t end_account_orders(State *self, uint32_t account, uint32_t handle, int reason) noexcept nogil:
    """End every order and block of an account, firm ones too, in one instrument or (0) all; how many (CXL-005)."""
    cdef uint32_t position = self.accounts[account].first_position, slot, following
    cdef int32_t count = 0
    while position != NIL:
        slot = NIL
        if handle == 0 or self.positions[position].instrument == handle:
            slot = self.positions[position].head
        while slot != NIL:
            following = self.books.terms[slot].mine_next
            end_resting(self, slot, reason)
            count += 1
            slot = following
        position = self.positions[position].next_of_account
    slot = self.accounts[account].first_block
    while slot != NIL:
        following = self.books.terms[slot].mine_next
        if handle == 0 or has_leg(self, &self.blocks[block_of(self, slot)], handle):
            end_block(self, block_of(self, slot), reason)
            count += 1
        slot = following
    return count


# --- Hits -------------------------------------------------------------------------------------------------------------

cdef void tell_taker(State *self, const Hit *hit, int flags) noexcept nogil:
    """Charge and tell the side that has no order."""
    cdef Position *taker = &self.positions[hit.taker]
    cdef int64_t fee = charge(self, hit.taker, hit.price, hit.lots, hit.fee_ppm)
    cdef Event *event = emit(self, E_FILL)
    event.flags = flags | V_TAKER
    event.account = taker.account
    event.instrument = taker.instrument
    event.match_id = self.next_match_id - 1
    event.price = hit.price
    event.lots = hit.lots
    event.cum = hit.lots
    event.amount = fee


cdef int admit_hit(State *self, Hit *hit) noexcept nogil:
    """Whether there is something to fill: a reduce-only order is cut first (RSK-005)."""
    return not self.books.orders[hit.slot].meta & O_REDUCE_ONLY \
        or clip_reduce_only(self, hit.slot, side_of(self, hit.slot))


cdef void hit_order(State *self, Hit *hit) noexcept nogil:
    """Trade with a resting order, at most what it shows (ACC-009); `hit.lots` tells how many."""
    cdef Order *order = &self.books.orders[hit.slot]
    cdef int side = side_of(self, hit.slot)
    cdef uint32_t maker = self.books.terms[hit.slot].position
    cdef uint32_t handle = self.positions[maker].instrument
    cdef int flags = V_BALANCE | (V_SELL if side == BUY else 0)
    hit.lots = min(hit.lots, order.shown)
    self.next_match_id += 1
    if hit.at_mark and side == BUY:
        hand_over(self, hit.taker, maker, hit.lots)
    elif hit.at_mark:
        hand_over(self, maker, hit.taker, hit.lots)
    elif side == BUY:
        exchange(self, maker, hit.taker, hit.price, hit.lots)
    else:
        exchange(self, hit.taker, maker, hit.price, hit.lots)
    fill_maker(self, hit.slot, hit.price, hit.lots, self.instruments[handle].maker_fee_ppm, V_BALANCE)
    tell_taker(self, hit, flags)
    tell_trade(self, handle, hit.price, hit.lots, flags)
    after_fill(self, hit.slot, hit.lots)
