"""Place and replace: validation in the order of the reasons, then execution (docs/spec/orders.md)."""

from exchange.reasons import DoneReason, RejectReason
from exchange.records import CALLS, OrderFlag, Phase, Side, Stp, Tif
from exchange.reference import risk
from exchange.reference.accounts import Account, Instrument, Position
from exchange.reference.layout import Command
from exchange.reference.matching import Matching
from exchange.reference.orders import Order
from exchange.reference.state import State
from exchange.units import ICEBERG_REFRESHES_MAX, LOTS_MAX, MONEY_MAX, POSITION_MAX, PRICE_MAX_TICKS

# The complement of an IntFlag has its known members only; that of an integer has all bits.
STANDBY_FLAGS = OrderFlag.STANDBY | OrderFlag.FIRM | OrderFlag.COD
PLACE_FLAGS = OrderFlag.POST_ONLY | OrderFlag.REDUCE_ONLY | OrderFlag.PHYSICAL | STANDBY_FLAGS
NOT_PLACE_FLAGS = ~int(PLACE_FLAGS)
CAPACITY_FLAGS = OrderFlag.PHYSICAL | OrderFlag.STANDBY
NOT_STANDBY_FLAGS = ~int(STANDBY_FLAGS)
NOT_REPLACE_FLAGS = ~int(OrderFlag.KEEP_PRIORITY)


class Entry:
    """Orders come in, and come in again with other numbers."""

    def __init__(self, state: State, matching: Matching) -> None:
        self.state = state
        self.matching = matching

    # Place.

    def place(self, command: Command, account: Account) -> None:
        """Accept and work an order, or refuse it."""
        instrument = self.state.instrument(command.instrument)
        reason = self.place_refusal(command, account, instrument)
        if reason is not None or instrument is None:
            self.state.answers.refuse(command, reason or RejectReason.NO_INSTRUMENT)
            return
        order = self._new_order(command, self.state.keep_position(risk.position_of(account, instrument)))
        self.state.answers.ack(
            command, oid=order.oid, flags=order.event_flags, instrument=instrument.handle, price=order.price,
            lots=order.leaves, leaves=order.leaves, cum=command.lots_2,
        )  # fmt: skip
        self.state.accept(order)
        self.matching.work(order, command.stp, command.tif)

    def _new_order(self, command: Command, position: Position) -> Order:
        return Order(
            oid=self.state.slots.take(),
            position=position,
            side=command.side,
            price=command.price,
            leaves=command.lots,
            lane=command.lane,
            ref=command.ref,
            display=command.lots_2,
            tag=command.tag,
            expiry_ns=command.amount if command.tif == Tif.GTD else 0,
            placed_seq=self.state.seq,
            post_only=bool(command.flags & OrderFlag.POST_ONLY),
            reduce_only=bool(command.flags & OrderFlag.REDUCE_ONLY),
            cancel_on_disconnect=bool(command.flags & OrderFlag.COD),
            physical=bool(command.flags & CAPACITY_FLAGS),
            auction_only=command.tif == Tif.AU,
            firm=bool(command.flags & OrderFlag.FIRM),
        )

    def place_refusal(self, command: Command, account: Account, instrument: Instrument | None) -> RejectReason | None:
        """Return the first reason against a place, or None (ORD-003)."""
        if is_malformed_place(command):
            return RejectReason.MALFORMED
        if instrument is None:
            return RejectReason.NO_INSTRUMENT
        reason = place_phase_refusal(instrument, command)
        if reason is not None:
            return reason
        if not 0 <= command.price <= PRICE_MAX_TICKS:
            return RejectReason.PX_TICK
        if instrument.outside_static_band(command.price):
            return RejectReason.PX_BAND
        if command.lots < 1:
            return RejectReason.QTY_LOT
        if command.lots > LOTS_MAX or is_too_large(instrument, command.price, command.lots, command.lots_2):
            return RejectReason.QTY_MAX
        return self._book_refusal(command, account, instrument) or self._account_refusal(command, account, instrument)

    def _book_refusal(self, command: Command, account: Account, instrument: Instrument) -> RejectReason | None:
        """Return what the book and the clock have against a place."""
        if command.flags & OrderFlag.POST_ONLY and instrument.book.would_take(command.side, command.price):
            return RejectReason.WOULD_TAKE
        if command.tif == Tif.FOK:
            fillable = self.matching.fillable_lots(instrument, account.group, command.side, command.price, command.stp)
            if fillable < command.lots:
                return RejectReason.FOK_UNFILLED
        if command.tif == Tif.GTD and command.amount <= self.state.now_ns:
            return RejectReason.DEADLINE
        return None

    def _account_refusal(self, command: Command, account: Account, instrument: Instrument) -> RejectReason | None:
        """Return what position, money and limits have against a place."""
        position = risk.position_of(account, instrument)
        if command.flags & OrderFlag.REDUCE_ONLY and not risk.may_reduce(position, command.side, command.lots):
            return RejectReason.REDUCE_ONLY
        return (
            self.risk_refusal(position, command.side, command.price, command.lots)
            or capacity_refusal(position, bool(command.flags & CAPACITY_FLAGS), command.lots, 0)
            or self.limit_refusal(account)
        )

    def risk_refusal(
        self, position: Position, side: int, price: int, lots: int, replaced_lots: int = 0
    ) -> RejectReason | None:
        """MARGIN or POSITION_LIMIT, or None. ``replaced_lots`` are the old leaves of a replaced order."""
        if not risk.affordable(position, side, price, lots, replaced_lots):
            return RejectReason.MARGIN
        open_lots = sum(position.open_lots) + position.account.block_lots
        if abs(position.lots) + open_lots + lots - replaced_lots > POSITION_MAX:
            return RejectReason.POSITION_LIMIT
        return None

    def limit_refusal(self, account: Account) -> RejectReason | None:
        """OPEN_LIMIT where the account or the venue has no room for one more order."""
        if account.open_orders >= self.state.account_orders_max or self.state.slots.is_full():
            return RejectReason.OPEN_LIMIT
        return None

    # Replace.

    def replace(self, command: Command, target: Order | None) -> None:
        """Change an order, in place where it keeps its priority, else as a new aggressor (MAT-009, RPL-001)."""
        reason = self.replace_refusal(command, target)
        if reason is not None or target is None:
            self.state.answers.refuse(command, reason or RejectReason.NO_ORDER)
            return
        leaves = command.lots - target.cum
        self.state.answers.ack(command, oid=target.oid)
        if leaves <= 0:
            self.state.end(target, DoneReason.USER)
        elif keeps_priority(target, command.price, leaves):
            self.state.shrink(target, leaves)
            self.state.tell_replaced(target)
        else:
            self._enter_again(target, command.price, leaves, command.stp)

    def _enter_again(self, target: Order, price: int, leaves: int, stp: int) -> None:
        self.state.leave_book(target)
        target.price = price
        target.leaves = leaves
        self.state.tell_replaced(target)
        self.matching.work(target, stp, Tif.GTG)

    def replace_refusal(self, command: Command, target: Order | None) -> RejectReason | None:
        """Return the first reason against a replace, or None (RPL-002)."""
        reason = replace_fields_refusal(command)
        if reason is not None:
            return reason
        if target is None:
            return RejectReason.NO_ORDER
        instrument = target.position.instrument
        reason = RejectReason.WINDOW_CLOSED if target.firm else replace_phase_refusal(instrument)
        if reason is not None:
            return reason
        if command.price != target.price and instrument.outside_static_band(command.price):
            return RejectReason.PX_BAND
        leaves = command.lots - target.cum
        if is_too_large(target.position.instrument, command.price, leaves, target.display):
            return RejectReason.QTY_MAX
        if leaves <= 0 or keeps_priority(target, command.price, leaves):
            return None
        return self._entry_refusal(command, target, leaves)

    def _entry_refusal(self, command: Command, target: Order, leaves: int) -> RejectReason | None:
        """Check what matters only where the order comes in again as an aggressor."""
        position = target.position
        if target.post_only and position.instrument.book.would_take(target.side, command.price):
            return RejectReason.WOULD_TAKE
        if target.reduce_only and not risk.may_reduce(position, target.side, leaves, target.leaves):
            return RejectReason.REDUCE_ONLY
        if command.flags & OrderFlag.KEEP_PRIORITY:
            return RejectReason.PRIORITY
        return self.risk_refusal(position, target.side, command.price, leaves, target.leaves) or capacity_refusal(
            position, target.physical, leaves, target.leaves
        )


def replace_fields_refusal(command: Command) -> RejectReason | None:
    """Return what can be said against a replace without its target (RPL-002)."""
    if command.stp > Stp.DECREMENT or command.flags & NOT_REPLACE_FLAGS or command.lots_2 or command.amount:
        return RejectReason.MALFORMED
    if not 0 <= command.price <= PRICE_MAX_TICKS:
        return RejectReason.PX_TICK
    if command.lots < 1:
        return RejectReason.QTY_LOT
    return RejectReason.QTY_MAX if command.lots > LOTS_MAX else None


def place_phase_refusal(instrument: Instrument, command: Command) -> RejectReason | None:
    """NOT_OPEN or WINDOW_CLOSED where the window's phase does not take such an order (MKT-005)."""
    if command.flags & OrderFlag.STANDBY:
        return None if instrument.balancing else closed_or_not_open(instrument)
    if instrument.phase == Phase.CONTINUOUS:
        return RejectReason.NOT_OPEN if command.tif == Tif.AU else None
    if instrument.phase in CALLS:
        at_once = command.tif in (Tif.IOC, Tif.FOK) or command.flags & OrderFlag.POST_ONLY
        return RejectReason.NOT_OPEN if at_once else None
    return closed_or_not_open(instrument)


def replace_phase_refusal(instrument: Instrument) -> RejectReason | None:
    """NOT_OPEN or WINDOW_CLOSED where an order of the window may not be changed (MKT-005)."""
    if instrument.is_continuous or instrument.in_call or instrument.balancing:
        return None
    return closed_or_not_open(instrument)


def closed_or_not_open(instrument: Instrument) -> RejectReason:
    """Why a window takes no orders: WINDOW_CLOSED from the gate on."""
    before = instrument.phase in (Phase.LISTED, Phase.HALTED, Phase.CONTINUOUS, *CALLS)
    return RejectReason.NOT_OPEN if before else RejectReason.WINDOW_CLOSED


def capacity_refusal(position: Position, physical: bool, lots: int, replaced_lots: int) -> RejectReason | None:
    """NO_CAPACITY where a physical sell is not backed by what is certified and neither sold nor offered (MKT-021)."""
    lacking = physical and position.committed() + lots - replaced_lots > position.certified
    return RejectReason.NO_CAPACITY if lacking else None


def is_malformed_place(command: Command) -> bool:
    """Whether a field of a place is out of its range or does not go with another."""
    if (
        command.side > Side.SELL
        or command.tif > Tif.AU
        or command.stp > Stp.DECREMENT
        or command.flags & NOT_PLACE_FLAGS
    ):
        return True
    if command.flags & CAPACITY_FLAGS and command.side != Side.SELL:
        return True
    if command.flags & OrderFlag.STANDBY and (
        command.flags & NOT_STANDBY_FLAGS or command.lots_2 or command.tif not in (Tif.GTG, Tif.GTD)
    ):
        return True
    if command.flags & OrderFlag.FIRM and not (command.flags & OrderFlag.STANDBY and command.tif == Tif.GTG):
        return True
    if command.lots_2 < 0 or 0 < command.lots < command.lots_2:
        return True
    if command.tif in (Tif.IOC, Tif.FOK, Tif.AU) and (command.lots_2 or command.flags & OrderFlag.POST_ONLY):
        return True
    return command.amount <= 0 if command.tif == Tif.GTD else command.amount != 0


def is_too_large(instrument: Instrument, price: int, lots: int, display: int) -> bool:
    """Whether the value of an order, or how often an iceberg would show a new part, is above the limit."""
    return price * lots * instrument.lot_micros > MONEY_MAX or (display > 0 and lots > ICEBERG_REFRESHES_MAX * display)


def keeps_priority(order: Order, price: int, leaves: int) -> bool:
    """Whether a replace keeps the order's place in the queue (MAT-009)."""
    return price == order.price and leaves <= order.leaves
