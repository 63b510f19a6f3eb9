"""Everything the core knows, and the steps in the life of an order that every command is made of."""

from sortedcontainers import SortedList

from exchange.reasons import DoneReason
from exchange.records import EventType
from exchange.reference import risk
from exchange.reference.accounts import Account, Instrument, Position
from exchange.reference.events import EventLog
from exchange.reference.lanes import Answers
from exchange.reference.orders import QUOTE_LANES, Order, OrderSlots


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
        self.by_ref: dict[tuple[int, int, int], Order] = {}  # Alive, by account, lane and ref.
        self.quotes: dict[tuple[int, int, int, int], Order] = {}  # Alive, by account, instrument, lane and side.
        self.expiries = SortedList()  # Of GTD orders alive: (expiry_ns, placed_seq, oid).
        self.touched_positions: dict[tuple[int, int], Position] = {}

    # Looking things up.

    def client(self, number: int) -> Account | None:
        """Return the account of a client, or None. Account 0 is the venue's own and gives no commands."""
        return self.accounts[number] if 1 <= number < len(self.accounts) else None

    def instrument(self, handle: int) -> Instrument | None:
        """Return a listed instrument, or None."""
        return self.instruments[handle - 1] if 1 <= handle <= len(self.instruments) else None

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

    # The frame of a command.

    def start_command(self, offset_in_batch: int) -> None:
        """Give a command its sequence number."""
        self.seq += 1
        self.events.command = offset_in_batch

    def finish_command(self) -> None:
        """Evaluate what the command touched, and publish the touched levels."""
        for position in self.touched_positions.values():
            risk.evaluate(position)
        self.touched_positions.clear()
        self.events.publish_levels()
        self.answers.finish()


def quote_lane(quote_set: int) -> int:
    """Return the lane number that stands for a quote set."""
    return QUOTE_LANES + quote_set
