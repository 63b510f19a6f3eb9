"""The state dump: canonical words for the state hash (docs/spec/engine.md)."""

from exchange.records import Side
from exchange.reference.accounts import Account
from exchange.reference.layout import pack_words
from exchange.reference.orders import Block, Order
from exchange.reference.state import State


def dump_state(state: State) -> bytes:
    """Return the whole state as little-endian 64-bit words, in the order of the specification."""
    words = [
        state.seq, state.now_ns, state.next_match_id, state.external.balance, len(state.accounts),
        len(state.instruments), len(state.orders) + len(state.blocks),
    ]  # fmt: skip
    for account in state.accounts:
        words += _account_words(account)
    for instrument in state.instruments:
        mark = -1 if instrument.mark is None else instrument.mark
        last = -1 if instrument.last is None else instrument.last
        words += [instrument.phase, instrument.balancing, instrument.next_ns, instrument.resume_ns, mark, last]
        words += [instrument.long_micros, instrument.short_micros]
    for position in state.positions:
        words += [position.account.number, position.instrument.handle, position.lots, *position.open_lots]
        words += [position.requirement, position.certified, position.block_sell]
    for instrument in state.instruments:
        for side in Side:
            for order in instrument.book.orders(side):
                words += _order_words(order)
    for block in sorted(state.blocks.values(), key=lambda one: one.sequence):
        words += _block_words(block)
    for expiry_ns, placed_seq, oid in state.expiries:
        words += [expiry_ns, placed_seq, oid]
    return pack_words(words + _lane_words(state) + _protection_words(state) + _slot_words(state))


def _account_words(account: Account) -> list[int]:
    """Three more words where the clearinghouse has set terms; the second word says so."""
    terms = [account.addon, account.credit, account.keep] if account.addon or account.credit or account.keep else []
    kind = account.margined | account.prepaid << 1 | bool(terms) << 2
    return [account.group, kind, account.balance, account.requirement, account.open_orders, *terms]


def _order_words(order: Order) -> list[int]:
    flags = (
        order.post_only
        | order.reduce_only << 1
        | order.cancel_on_disconnect << 2
        | order.is_quote << 3
        | (order.expiry_ns > 0) << 4
        | order.auction_only << 5
        | order.firm << 6
        | order.physical << 7
    )
    return [
        order.oid, order.price, order.leaves, order.shown, order.cum, order.display, flags,
        order.position.account.number, order.ref, order.lane, order.tag,
    ]  # fmt: skip


def _block_words(block: Block) -> list[int]:
    flags = block.cancel_on_disconnect << 2 | (block.expiry_ns > 0) << 4 | block.physical << 7
    return [
        block.oid, block.product, block.scope, block.start, block.hours, block.side, block.limit, block.leaves,
        block.cum, block.least, flags, block.account.number, block.ref, block.lane, block.tag, block.sequence,
        block.reserve,
    ]  # fmt: skip


def _protection_words(state: State) -> list[int]:
    words = []
    for (account, quote_set), one in state.protections.sets.items():
        words += [account, quote_set, one.fills_max, one.lots_max, one.window_ms, one.fills, one.lots]
        words += [one.until_ns, one.frozen]
    return words


def _lane_words(state: State) -> list[int]:
    words = []
    for (account, number), lane in state.answers.lanes.items():
        words += [account, number, lane.last_ref, lane.last_leg, len(lane.outcomes)]
        for ref, outcome in lane.outcomes.items():
            words += [ref, *outcome]
    return words


def _slot_words(state: State) -> list[int]:
    words = [len(state.slots.generations)]
    for slot in reversed(state.slots.free):
        words += [slot, state.slots.generations[slot]]
    return words
