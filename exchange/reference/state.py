"""Everything the core knows, and the steps in the life of an order that every command is made of."""

from sortedcontainers import SortedList

from exchange.reasons import DoneReason
from exchange.records import EventType, Side
from exchange.reference import risk
from exchange.reference.accounts import Account, Instrument, Position
from exchange.reference.events import EventLog
from exchange.reference.lanes import Answers
from exchange.reference.orders import QUOTE_LANES, Block, Order, OrderSlots
from exchange.reference.protection import Protections
from exchange.reference.shelf import Shelf


class State:
    """The state, as plain containers. Handles and account numbers come densely, so lists hold them."""

    def __init__(self, orders_max: int, accounts_max: int, instruments_max: int, account_orders_max: int) -> None:
        self.accounts_max = accounts_max
        self.instruments_max = instruments_max
        self.account_orders_max = account_orders_max
        self.seq = 0
        self.now_ns = 0
        self.next_match_id = 1
        self.events = EventLog()
        self.answers = Answers(self.events)
        self.external = Account(number=-1, group=0, margined=False)  # EXT: the world outside the venue.
        self.accounts = [Account(number=0, group=0, margined=False)]
        self.instruments: list[Instrument] = []
        self.positions: list[Position] = []  # In order of creation.
        self.slots = OrderSlots(orders_max)
        self.orders: dict[int, Order] = {}  # Alive, by handle.
        self.blocks: dict[int, Block] = {}  # Alive, by handle.
        self.shelves: dict[int, Shelf] = {}  # By product.
        self.by_ref: dict[tuple[int, int, int], Order | Block] = {}  # Alive, by account, lane and ref.
        self.quotes: dict[tuple[int, int, int, int], Order] = {}  # Alive, by account, instrument, lane and side.
        self.expiries = SortedList()  # Of GTD orders and blocks alive: (expiry_ns, placed_seq, oid).
        self.fabrics: list[int] = []  # How many each product has, by product number from 1.
        self.legs: dict[tuple[int, int, int], Instrument] = {}  # By product, window and fabric.
        self.moments = SortedList()  # Of every instrument that has one to come: (next_ns, handle).
        self.protections = Protections(self.events)
        self.entered_calls: dict[int, Instrument] = {}  # By the present command.
        self.opened_products: dict[int, bool] = {}  # Products with a window that has become CONTINUOUS, likewise.
        self.touched_positions: dict[tuple[int, int], Position] = {}

    # Looking things up.

    def client(self, number: int) -> Account | None:
        """Return the account of a client, or None. Account 0 is the venue's own and gives no commands."""
        return self.accounts[number] if 1 <= number < len(self.accounts) else None

    def instrument(self, handle: int) -> Instrument | None:
        """Return a listed instrument, or None."""
        return self.instruments[handle - 1] if 1 <= handle <= len(self.instruments) else None

    def take_match_id(self) -> int:
        """Return the next match id."""
        self.next_match_id += 1
        return self.next_match_id - 1

    # The life of an order.

    def accept(self, order: Order) -> None:
        """Make an order known by its handle and its ref, or its place in a quote. It does not rest yet."""
        account, instrument = order.position.account, order.position.instrument
        self.orders[order.oid] = order
        if order.is_quote:
            self.quotes[account.number, instrument.handle, order.lane, order.side] = order
        else:
            self.by_ref[account.number, order.lane, order.ref] = order
        if order.expiry_ns:
            self.expiries.add((order.expiry_ns, order.placed_seq, order.oid))
        order.position.orders[order.oid] = order
        account.open_orders += 1
        self.touch(order.position)

    def rest(self, order: Order) -> None:
        """Put an order at the back of its price (MAT-004)."""
        order.shown = min(order.display, order.leaves) if order.display else order.leaves
        order.resting = True
        order.position.open_lots[order.side] += order.leaves
        order.position.instrument.book.add(order)
        self.events.touch_level(order)
        self.touch(order.position)

    def leave_book(self, order: Order) -> None:
        """Take a resting order out of the book; it stays alive."""
        order.position.instrument.book.remove(order)
        order.resting = False
        self.release_open_lots(order, order.leaves)
        self.events.touch_level(order)
        self.touch(order.position)

    def shrink(self, order: Order, leaves: int) -> None:
        """Lower the leaves of a resting order, which keeps its place (MAT-009)."""
        self.release_open_lots(order, order.leaves - leaves)
        order.leaves = leaves
        order.shown = min(order.shown, leaves)
        self.events.touch_level(order)
        self.touch(order.position)

    def end(self, order: Order, reason: DoneReason) -> None:
        """End an order that is not filled whole (MAT-012)."""
        lots = order.leaves
        if order.resting:
            self.leave_book(order)
        order.leaves = 0
        self.events.emit_order(EventType.DONE, order, lots=lots, reason=reason)
        self.forget(order)

    def forget(self, order: Order) -> None:
        """Let an ended order's handle, ref and slot go."""
        account, instrument = order.position.account, order.position.instrument
        del self.orders[order.oid]
        if order.is_quote:
            del self.quotes[account.number, instrument.handle, order.lane, order.side]
        else:
            del self.by_ref[account.number, order.lane, order.ref]
        if order.expiry_ns:
            self.expiries.remove((order.expiry_ns, order.placed_seq, order.oid))
        del order.position.orders[order.oid]
        account.open_orders -= 1
        self.slots.release(order.oid)
        self.touch(order.position)

    def count_protected_fill(self, order: Order, lots: int) -> None:
        """Count a fill of a resting quote for its protection (MMP-002)."""
        self.protections.count(order.position.account.number, order.lane - QUOTE_LANES, lots, self.now_ns)

    def release_open_lots(self, order: Order, lots: int) -> None:
        """Lower the counter of open lots, at once (RSK-001)."""
        order.position.open_lots[order.side] -= lots

    def tell_replaced(self, order: Order) -> None:
        """Tell an order's new price and quantity."""
        self.events.emit_order(EventType.REPLACED, order, lots=order.cum + order.leaves, leaves=order.leaves)

    def keep_position(self, position: Position) -> Position:
        """Make a position part of the state with its first order."""
        if position.instrument.handle not in position.account.positions:
            position.account.positions[position.instrument.handle] = position
            position.instrument.positions.append(position)
            self.positions.append(position)
        return position

    def touch(self, position: Position) -> None:
        """Note that a position's requirement has to be evaluated (RSK-004)."""
        self.touched_positions[position.account.number, position.instrument.handle] = position

    # The life of a block.

    def rest_block(self, block: Block) -> None:
        """Let a block rest: from now on it can be named and woken, and it reserves its margin (BLK-010)."""
        block.resting = True
        account = block.account
        self.blocks[block.oid] = block
        self.shelf(block.product).add(block)
        self.by_ref[account.number, block.lane, block.ref] = block
        if block.expiry_ns:
            self.expiries.add((block.expiry_ns, block.placed_seq, block.oid))
        account.blocks[block.oid] = block
        account.open_orders += 1
        self.count_block(block, block.leaves)

    def shelf(self, product: int) -> Shelf:
        """Return the resting blocks of a product."""
        return self.shelves.setdefault(product, Shelf())

    def count_block(self, block: Block, lots: int) -> None:
        """Count lots of a resting block that come (or, negative, go)."""
        block.account.block_lots += lots
        block.account.requirement += block.reserve * lots
        if block.side == Side.SELL:
            for position in self.block_positions(block):
                position.block_sell += lots

    def block_positions(self, block: Block) -> list[Position]:
        """Return the positions of a sell block, which has one fabric."""
        (fabric,) = block.fabrics()
        legs = (self.legs[block.product, window, fabric] for window in block.windows())
        return [self.keep_position(risk.position_of(block.account, leg)) for leg in legs]

    def end_block(self, block: Block, reason: DoneReason) -> None:
        """End a block that is not filled whole."""
        lots = block.leaves
        if block.resting:
            self.count_block(block, -lots)
        block.leaves = 0
        self.emit_block(EventType.DONE, block, lots=lots, reason=reason)
        self.forget_block(block)

    def forget_block(self, block: Block) -> None:
        """Let an ended block's handle, ref and slot go."""
        if block.resting:
            block.resting = False
            del self.blocks[block.oid]
            self.shelf(block.product).remove(block)
            del self.by_ref[block.account.number, block.lane, block.ref]
            if block.expiry_ns:
                self.expiries.remove((block.expiry_ns, block.placed_seq, block.oid))
            del block.account.blocks[block.oid]
            block.account.open_orders -= 1
        self.slots.release(block.oid)

    def emit_block(self, event_type: EventType, block: Block, *, lots: int, leaves: int = 0, reason: int = 0) -> None:
        """Append an ACK, DONE or REPLACED of a block (BLK-003)."""
        self.events.emit(
            event_type,
            flags=block.event_flags,
            reason=reason,
            lane=block.lane,
            account=block.account.number,
            instrument=self.legs[block.product, block.start, block.fabrics()[0]].handle,
            oid=block.oid,
            ref=block.ref,
            match_id=block.scope,
            price=block.limit,
            lots=lots,
            cum=block.cum,
            leaves=leaves,
            amount=block.hours,
        )

    # The frame of a command.

    def start_command(self, offset_in_batch: int) -> None:
        """Give a command its sequence number."""
        self.seq += 1
        self.events.command = offset_in_batch

    def finish_command(self) -> list[Instrument]:
        """Evaluate what the command touched, and publish the touched levels; return the books that changed."""
        for position in self.touched_positions.values():
            risk.evaluate(position)
        self.touched_positions.clear()
        changed = self.events.publish_levels()
        self.answers.finish()
        entered = [one for one in self.entered_calls.values() if one not in changed]
        self.entered_calls.clear()
        return changed + entered


def quote_lane(quote_set: int) -> int:
    """Return the lane number that stands for a quote set."""
    return QUOTE_LANES + quote_set
