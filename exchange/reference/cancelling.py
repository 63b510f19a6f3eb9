"""How orders end other than by trading: cancels, lost sessions, expiry and gates."""

from collections.abc import Callable

from exchange.reasons import DoneReason, RejectReason
from exchange.records import EventType, MassFlag, Side
from exchange.reference.accounts import Account, Instrument
from exchange.reference.layout import Command
from exchange.reference.orders import Order
from exchange.reference.state import State

NOT_FILTERS = ~sum(int(flag) for flag in MassFlag)


class Cancelling:
    """Ends orders, one or many."""

    def __init__(self, state: State) -> None:
        self.state = state

    def cancel(self, command: Command, target: Order | None) -> None:
        """Cancel one order (CXL-001)."""
        if target is None:
            self.state.answers.refuse(command, RejectReason.NO_ORDER)
            return
        self.state.answers.ack(command, oid=target.oid)
        self.state.end(target, DoneReason.USER)

    def mass_cancel(self, command: Command, account: Account) -> None:
        """Cancel all orders of the account that pass every filter set (CXL-002, CXL-003)."""
        if command.flags & NOT_FILTERS or (command.flags & MassFlag.SIDE and command.side > Side.SELL):
            self.state.answers.refuse(command, RejectReason.MALFORMED)
            return
        chosen = self.orders_of(account, lambda order: passes(command, order))
        self.state.answers.ack(command, lots=len(chosen))
        for order in chosen:
            self.state.end(order, DoneReason.USER)

    def session_lost(self, command: Command) -> None:
        """End the orders of a lost session that are to be cancelled on disconnect (CXL-004)."""
        account = self.state.client(command.account)
        if account is None:
            self.state.answers.reject(command._replace(ref=0), RejectReason.NO_ACCOUNT)
            return
        every = command.side == 1
        chosen = self.orders_of(
            account, lambda order: order.lane == command.lane and (every or order.cancel_on_disconnect)
        )
        for order in chosen:
            self.state.end(order, DoneReason.COD)

    def orders_of(self, account: Account, wanted: Callable[[Order], bool]) -> list[Order]:
        """Return orders of an account: by its first use of each instrument, then by entry."""
        return [order for position in account.positions.values() for order in position.orders.values() if wanted(order)]

    def time(self, command: Command) -> None:
        """Move the clock on, never back: orders expire, then gates close (MAT-010, MAT-011)."""
        self.state.now_ns = max(self.state.now_ns, command.amount)
        while self.state.expiries and self.state.expiries[0][0] <= self.state.now_ns:
            self.state.end(self.state.orders[self.state.expiries[0][2]], DoneReason.EXPIRED)
        due = [one for one in self.state.instruments if one.open and one.gate_ns <= self.state.now_ns]
        for instrument in sorted(due, key=lambda one: (one.gate_ns, one.handle)):
            self._close(instrument)

    def _close(self, instrument: Instrument) -> None:
        """Close one gate: end every order, then tell the status."""
        for side in (Side.BUY, Side.SELL):
            for order in list(instrument.book.orders(side)):
                self.state.end(order, DoneReason.GATE)
        instrument.open = False
        self.state.events.emit(EventType.STATUS, instrument=instrument.handle)


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
