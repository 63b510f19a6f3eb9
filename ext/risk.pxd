"""The pre-trade check: O(1) on counters, integers only, 128 bits wide in between (docs/spec/accounts.md)."""

from ext.idmap cimport map_find
from ext.state cimport State, best_price, free_money
from ext.types cimport (
    A_PREPAID, BUY, MONEY_MAX, NIL, SELL, Account, Instrument, Position, int32_t, int64_t, uint32_t, uint64_t, wide_t,
)


cdef inline wide_t held(int64_t lots, int64_t rate_micros) noexcept nogil:
    return <wide_t>lots * rate_micros if lots > 0 else 0


cdef inline wide_t price_risk(int64_t lots, int64_t price, int64_t worse, int64_t lot_micros) noexcept nogil:
    """What `lots` would lose at once when traded at `price` and marked at the lower `worse`."""
    return <wide_t>lots * (price - worse) * lot_micros if price > worse else 0


cdef inline int64_t larger_side(wide_t buy, wide_t sell) noexcept nogil:
    cdef wide_t most = buy if buy > sell else sell
    return MONEY_MAX if most > MONEY_MAX else <int64_t>most


cdef inline wide_t buy_requirement(const Instrument *instrument, int64_t lots, int64_t open_buy,
                                   int64_t bid) noexcept nogil:
    """Left side of RSK-002; `bid` -1 when there is none."""
    cdef wide_t sum = held(lots + open_buy, instrument.long_micros)
    if bid >= 0 and instrument.mark >= 0:
        sum += price_risk(open_buy, bid, instrument.mark, instrument.lot_micros)
    return sum


cdef inline wide_t sell_requirement(const Instrument *instrument, int64_t lots, int64_t open_sell,
                                    int64_t ask) noexcept nogil:
    """Right side of RSK-002; `ask` -1 when there is none."""
    cdef wide_t sum = held(open_sell - lots, instrument.short_micros)
    if ask >= 0 and instrument.mark >= 0:
        sum += price_risk(open_sell, instrument.mark, ask, instrument.lot_micros)
    return sum


cdef inline wide_t in_full(const Instrument *instrument) noexcept nogil:
    """What a prepaid account pays for a lot beyond its long rate (RSK-009)."""
    cdef wide_t value = <wide_t>instrument.mark * instrument.lot_micros if instrument.mark >= 0 else 0
    return value - instrument.long_micros if value > instrument.long_micros else 0


cdef inline wide_t prepaid_part(const Account *account, const Instrument *instrument, int64_t lots) noexcept nogil:
    """What `lots`, held or bid for, require beyond RSK-002 where the account is prepaid."""
    return lots * in_full(instrument) if account.kind & A_PREPAID and lots > 0 else 0


cdef inline int may_become_short(State *self, uint32_t account, uint32_t instrument, int64_t lots) noexcept nogil:
    """Whether `lots` sold on top of all that is offered could be more than is held."""
    cdef uint32_t slot = map_find(&self.position_map, (<uint64_t>account << 32) | instrument)
    if slot == NIL:
        return lots > 0
    return self.positions[slot].open_sell + self.capacities[slot].block_sell + lots > self.positions[slot].lots


cdef inline void evaluate(State *self, uint32_t slot) noexcept nogil:
    """Bring a position's requirement, and its account's sum, up to date (RSK-004)."""
    cdef Position *position = &self.positions[slot]
    cdef Instrument *instrument = &self.instruments[position.instrument]
    cdef Account *account = &self.accounts[position.account]
    cdef int64_t requirement = larger_side(
        buy_requirement(instrument, position.lots, position.open_buy, best_price(self, position.instrument, 0))
        + prepaid_part(account, instrument, position.lots + position.open_buy),
        sell_requirement(instrument, position.lots, position.open_sell, best_price(self, position.instrument, 1)),
    )
    account.requirement += <wide_t>requirement - position.requirement
    position.requirement = requirement


cdef inline wide_t taking_buy(const Instrument *instrument, const Position *position, int64_t open_buy, int64_t bid,
                              int64_t price, int64_t lots) noexcept nogil:
    cdef wide_t sum = held(position.lots + open_buy + lots, instrument.long_micros)
    if instrument.mark >= 0:
        sum += price_risk(lots, price, instrument.mark, instrument.lot_micros)
        if bid >= 0:
            sum += price_risk(open_buy, bid, instrument.mark, instrument.lot_micros)
    return sum


cdef inline wide_t taking_sell(const Instrument *instrument, const Position *position, int64_t open_sell, int64_t ask,
                               int64_t price, int64_t lots) noexcept nogil:
    cdef wide_t sum = held(open_sell + lots - position.lots, instrument.short_micros)
    if instrument.mark >= 0:
        sum += price_risk(lots, instrument.mark, price, instrument.lot_micros)
        if ask >= 0:
            sum += price_risk(open_sell, instrument.mark, ask, instrument.lot_micros)
    return sum


cdef inline int64_t requirement_with(State *self, const Position *position, int side, int64_t price, int64_t lots,
                                     int64_t replaced_lots) noexcept nogil:
    """The requirement of `position` with one more order of `lots` at `price`, less `replaced_lots` (RSK-003)."""
    cdef const Instrument *instrument = &self.instruments[position.instrument]
    cdef int64_t bid = best_price(self, position.instrument, 0), ask = best_price(self, position.instrument, 1)
    cdef int64_t open_buy = position.open_buy, open_sell = position.open_sell
    cdef wide_t buy, sell
    if side == BUY:
        open_buy -= replaced_lots
        sell = sell_requirement(instrument, position.lots, open_sell, ask)
        if ask >= 0 and price >= ask:
            buy = taking_buy(instrument, position, open_buy, bid, price, lots)
        else:
            buy = buy_requirement(instrument, position.lots, open_buy + lots, price if price > bid else bid)
    else:
        open_sell -= replaced_lots
        buy = buy_requirement(instrument, position.lots, open_buy, bid)
        if bid >= 0 and price <= bid:
            sell = taking_sell(instrument, position, open_sell, ask, price, lots)
        else:
            sell = sell_requirement(instrument, position.lots, open_sell + lots,
                                    price if ask < 0 or price < ask else ask)
        lots = 0                                # None more to be long of.
    return larger_side(buy + prepaid_part(&self.accounts[position.account], instrument,
                                          position.lots + open_buy + lots), sell)


cdef inline int covered(State *self, const Position *position, int side, int32_t price, int64_t lots,
                        int64_t replaced_lots) noexcept nogil:
    """RSK-003, RSK-006 and RSK-009: whether the account can afford the order."""
    cdef const Account *account = &self.accounts[position.account]
    cdef const Instrument *instrument = &self.instruments[position.instrument]
    cdef int64_t more
    if account.kind & A_PREPAID:
        if instrument.mark < 0:
            return 0
        if side == SELL and may_become_short(self, position.account, position.instrument, lots - replaced_lots):
            return 0
    elif account.kind == 0 and instrument.long_micros == 0 and instrument.short_micros == 0:
        return 1
    more = requirement_with(self, position, side, price, lots, replaced_lots) - position.requirement
    return more <= 0 or free_money(account) >= more


cdef inline int64_t reducible(const Position *position, int side) noexcept nogil:
    """Lots an order of `side` can trade before the position is flat."""
    cdef int64_t lots = -position.lots if side == BUY else position.lots
    return lots if lots > 0 else 0
