"""How orders and blocks end other than by trading: cancels, lost sessions, expiry, pulled quotes."""

from collections.abc import Callable

from exchange.reasons import DoneReason, RejectReason
from exchange.records import EventType, MassFlag, SessionNote, Side
from exchange.reference.accounts import Account, Instrument
from exchange.reference.layout import Command
from exchange.reference.orders import Block, Order
from exchange.reference.state import State, quote_lane

NOT_FILTERS = ~sum(int(flag) for flag in MassFlag)


class Cancelling:
    """Ends orders, one or many."""

    def __init__(self, state: State) -> None:
        self.state = state

    def cancel(self, command: Command, target: Order | Block | None) -> None:
        """Cancel one order or block (CXL-001)."""
        if target is None:
            self.state.answers.refuse(command, RejectReason.NO_ORDER)
            return
        if isinstance(target, Order) and target.firm:
            self.state.answers.refuse(command, RejectReason.WINDOW_CLOSED)
            return
        self.state.answers.ack(command, oid=target.oid)
        if isinstance(target, Block):
            self.state.end_block(target, DoneReason.USER)
        else:
            self.state.end(target, DoneReason.USER)

    def mass_cancel(self, command: Command, account: Account) -> None:
        """Cancel all orders of the account that pass every filter set (CXL-002, CXL-003)."""
        if command.flags & NOT_FILTERS or (command.flags & MassFlag.SIDE and command.side > Side.SELL):
            self.state.answers.refuse(command, RejectReason.MALFORMED)
            return
        chosen = self.orders_of(account, lambda order: not order.firm and passes(command, order))
        blocks = [block for block in account.blocks.values() if self._covers(command, block)]
        self.state.answers.ack(command, lots=len(chosen) + len(blocks))
        for order in chosen:
            self.state.end(order, DoneReason.USER)
        for block in blocks:
            self.state.end_block(block, DoneReason.USER)

    def _covers(self, command: Command, block: Block) -> bool:
        """Whether a block passes every filter a mass cancel sets (BLK-015)."""
        instrument = self.state.instrument(command.instrument)
        window_from, window_to = command.target & 0xFFFFFFFF, command.target >> 32
        tests = (
            (MassFlag.INSTRUMENT, instrument is not None and has_leg(block, instrument)),
            (MassFlag.PRODUCT, block.product == command.price_2),
            (MassFlag.SIDE, block.side == command.side),
            (MassFlag.WINDOWS, max(block.start, window_from) < min(block.start + block.hours, window_to)),
            (MassFlag.TAG, block.tag == command.tag),
            (MassFlag.LANE, block.lane == command.tif),
        )
        return all(passed for flag, passed in tests if command.flags & flag)

    def session_lost(self, command: Command) -> None:
        """End the orders of a lost session that are to be cancelled on disconnect (CXL-004)."""
        account = self.state.client(command.account)
        if account is None:
            self.state.answers.reject(command._replace(ref=0), RejectReason.NO_ACCOUNT)
            return
        if command.side > 2 or command.tif > 1:
            self.state.answers.reject(command._replace(ref=0), RejectReason.MALFORMED)
            return
        reason = DoneReason.DEADMAN if command.tif else DoneReason.COD

        def is_concerned(lane: int | None, cancel_on_disconnect: bool) -> bool:
            if command.side == 2:
                return True
            return lane == command.lane and (command.side == 1 or cancel_on_disconnect)

        for order in self.orders_of(account, lambda one: is_concerned(one.lane, one.cancel_on_disconnect)):
            if not order.firm:
                self.state.end(order, reason)
        for block in list(account.blocks.values()):
            if is_concerned(block.lane, block.cancel_on_disconnect):
                self.state.end_block(block, reason)

    def note_session(self, command: Command) -> None:
        """Tell what a session has asked for, so that it is in the journal (CXL-006)."""
        if self.state.client(command.account) is None:
            self.state.answers.reject(command._replace(ref=0), RejectReason.NO_ACCOUNT)
        elif command.side > SessionNote.DEADMAN_FIRED or command.amount < 0:
            self.state.answers.reject(command._replace(ref=0), RejectReason.MALFORMED)
        else:
            where = {"account": command.account, "lane": command.lane}
            self.state.events.emit(EventType.SESSION, **where, reason=command.side, amount=command.amount)

    def orders_of(self, account: Account, wanted: Callable[[Order], bool]) -> list[Order]:
        """Return orders of an account: by its first use of each instrument, then by entry."""
        return [order for position in account.positions.values() for order in position.orders.values() if wanted(order)]

    def expire(self, command: Command) -> None:
        """Move the clock on, never back; orders expire (MAT-010)."""
        self.state.now_ns = max(self.state.now_ns, command.amount)
        while self.state.expiries and self.state.expiries[0][0] <= self.state.now_ns:
            oid = self.state.expiries[0][2]
            if oid in self.state.blocks:
                self.state.end_block(self.state.blocks[oid], DoneReason.EXPIRED)
            else:
                self.state.end(self.state.orders[oid], DoneReason.EXPIRED)

    def pull_quotes(self, account: Account, quote_set: int) -> None:
        """End every order of a quote set whose protection has fired (MMP-002)."""
        for order in self.orders_of(account, lambda order: order.lane == quote_lane(quote_set)):
            self.state.end(order, DoneReason.MMP)


def has_leg(block: Block, instrument: Instrument) -> bool:
    """Whether a block may trade in an instrument."""
    same_fabric = block.product == instrument.product and block.scope >> instrument.fabric & 1
    return bool(same_fabric) and instrument.window in block.windows()


def passes(command: Command, order: Order) -> bool:
    """Whether an order passes every filter a mass cancel sets (CXL-002)."""
    instrument = order.position.instrument
    window_from, window_to = command.target & 0xFFFFFFFF, command.target >> 32
    tests = (
        (MassFlag.INSTRUMENT, instrument.handle == command.instrument),
        (MassFlag.PRODUCT, instrument.product == command.price_2),
        (MassFlag.SIDE, order.side == command.side),
        (MassFlag.WINDOWS, window_from <= instrument.window < window_to),
        (MassFlag.TAG, order.tag == command.tag),
        (MassFlag.LANE, order.lane == command.tif),
    )
    return all(passed for flag, passed in tests if command.flags & flag)
