"""What must hold after any history, recomputed from scratch on the reference's state."""

from exchange.records import EventFlag, EventType, Phase
from exchange.units import MONEY_MAX

NOTHING_RESTS = (Phase.LISTED, Phase.GATED, Phase.SETTLED, Phase.EXPIRED)
ABOUT_ORDERS = (EventType.FILL, EventType.DONE, EventType.REPLACED)


def check_invariants(core, paid=0):
    """Assert everything that must hold between any two commands; ``paid`` came from the clearing ledger."""
    state = core.state
    check_money(state, paid)
    for instrument in state.instruments:
        check_book(instrument)
        assert sum(position.lots for position in instrument.positions) == 0
    for position in state.positions:
        check_counters(position)
    for account in state.accounts:
        positions = account.positions.values()
        blocks = [block for block in state.blocks.values() if block.account is account]
        reserved = sum(block.reserve * block.leaves for block in blocks)
        required = sum(position.requirement for position in positions) + reserved + account.addon
        assert account.requirement == required
        assert account.open_orders == sum(len(position.orders) for position in positions) + len(blocks)
        assert account.block_lots == sum(block.leaves for block in blocks)
    check_indexes(state)


def check_money(state, paid):
    assert sum(account.balance for account in state.accounts) + state.external.balance == paid


def check_prepaid(core):
    """A prepaid account that nobody has moved anything of is covered, and never short (RSK-009)."""
    for account in core.state.accounts:
        for position in account.positions.values() if account.prepaid else ():
            assert position.lots >= 0
            assert position.open_lots[1] + position.block_sell <= position.lots


def check_book(instrument):
    """Prices do not cross in continuous trading, levels are sorted, none is empty, every order shows something."""
    bids, asks = (list(instrument.book.levels(side)) for side in (0, 1))
    assert instrument.phase != Phase.CONTINUOUS or not (bids and asks) or bids[0].price < asks[0].price
    assert [level.price for level in bids] == sorted((level.price for level in bids), reverse=True)
    assert [level.price for level in asks] == sorted(level.price for level in asks)
    for level in bids + asks:
        assert level.queue
        for order in level.queue.values():
            assert 0 < order.shown <= order.leaves
            assert order.display == 0 or order.shown <= order.display
            assert order.price == level.price
            assert order.display or order.shown == order.leaves
    if instrument.phase in NOTHING_RESTS:
        assert not bids
        assert not asks


def check_counters(position):
    """Open lots are the leaves of the resting orders (RSK-001)."""
    for side in (0, 1):
        resting = [order for order in position.instrument.book.orders(side) if order.position is position]
        assert position.open_lots[side] == sum(order.leaves for order in resting)
    leg = position.instrument
    blocks = [
        block
        for block in position.account.blocks.values()
        if block.side == 1 and block.product == leg.product and block.scope == 1 << leg.fabric
        and block.start <= leg.window < block.start + block.hours
    ]  # fmt: skip
    assert position.block_sell == sum(block.leaves for block in blocks)


def check_indexes(state):
    """Every way to find an order finds the same orders."""
    resting = [order for one in state.instruments for side in (0, 1) for order in one.book.orders(side)]
    assert sorted(order.oid for order in resting) == sorted(state.orders)
    assert len(state.by_ref) + len(state.quotes) == len(state.orders) + len(state.blocks)
    assert len(state.expiries) == sum(one.expiry_ns > 0 for one in (*resting, *state.blocks.values()))
    assert len(state.slots.free) + len(state.orders) + len(state.blocks) == len(state.slots.generations)
    shelved = [block for shelf in state.shelves.values() for side in (0, 1) for block in shelf.blocks(side)]
    assert sorted(block.oid for block in shelved) == sorted(state.blocks)
    assert sorted(oid for account in state.accounts for oid in account.blocks) == sorted(state.blocks)
    due = sorted((one.next_ns, one.handle) for one in state.instruments if one.next_ns)
    assert list(state.moments) == due


def check_touched_requirements(core, events):
    """After one command, the requirement of what it touched is that of the present counters and prices (RSK-004)."""
    for event in events:
        about_order = event["type"] in ABOUT_ORDERS or (event["type"] == EventType.ACK and event["leaves"])
        about_order &= not event["flags"] & EventFlag.BLOCK or event["type"] == EventType.FILL
        if about_order:
            check_requirement(core, int(event["account"]), int(event["instrument"]))


def check_requirement(core, account, handle):
    """RSK-002 and RSK-009 once more, as plainly as they can be written."""
    instrument = core.state.instruments[handle - 1]
    pos, bq, sq, requirement = core.position(account, handle)
    bid, ask = core.best(handle, 0), core.best(handle, 1)
    long_micros = instrument.long_micros
    if core.is_prepaid(account) and instrument.mark is not None:
        long_micros = max(long_micros, instrument.mark * instrument.lot_micros)
    buy = max(pos + bq, 0) * long_micros
    sell = max(sq - pos, 0) * instrument.short_micros
    if bid and instrument.mark is not None and bid[0] > instrument.mark:
        buy += bq * (bid[0] - instrument.mark) * instrument.lot_micros
    if ask and instrument.mark is not None and ask[0] < instrument.mark:
        sell += sq * (instrument.mark - ask[0]) * instrument.lot_micros
    assert requirement == min(max(buy, sell), MONEY_MAX)
