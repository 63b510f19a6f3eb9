"""Quotes: a two-sided order pair that replaces its predecessor (QTE-001 to QTE-004)."""

from typing import NamedTuple

from exchange.reasons import DoneReason, RejectReason
from exchange.records import EventFlag, EventType, OrderFlag, Side, Stp, Tif
from exchange.reference import risk
from exchange.reference.accounts import Account, Instrument
from exchange.reference.entry import Entry, closed_or_not_open, is_too_large, keeps_priority
from exchange.reference.lanes import is_beyond_legs, leg_of
from exchange.reference.layout import Command
from exchange.reference.matching import Matching
from exchange.reference.orders import Order
from exchange.reference.state import State, quote_lane
from exchange.units import LOTS_MAX, MMP_WINDOW_MAX_MS, PRICE_MAX_TICKS

NOT_LEG_FLAGS = ~int(OrderFlag.POST_ONLY)


class QuoteSide(NamedTuple):
    """One side of a leg; lots 0 means no order."""

    side: Side
    price: int
    lots: int


def sides_of(command: Command) -> tuple[QuoteSide, QuoteSide]:
    """Return bid and ask of a leg."""
    return QuoteSide(Side.BUY, command.price, command.lots), QuoteSide(Side.SELL, command.price_2, command.lots_2)


class Quoting:
    """Executes the legs of quotes."""

    def __init__(self, state: State, matching: Matching, entry: Entry) -> None:
        self.state = state
        self.matching = matching
        self.entry = entry

    def quote(self, command: Command, account: Account) -> None:
        """Execute one leg: end or keep the earlier quote's sides, then place the new ones, bid before ask."""
        instrument = self.state.instrument(command.instrument)
        reason = self.leg_refusal(command, instrument)
        if reason is not None or instrument is None:
            self.state.answers.refuse(command, reason or RejectReason.NO_INSTRUMENT, lots=leg_of(command))
            return
        self.state.answers.ack(command, instrument=instrument.handle, lots=leg_of(command))
        new = [one for one in sides_of(command) if not self._keep(command, account, instrument, one)]
        for one in new:
            if one.lots > 0:
                self._place(command, account, instrument, one)

    def protect(self, command: Command) -> None:
        """Set the protection of a quote set (MMP-001)."""
        limits = command.price, command.lots, command.amount
        if min(limits) < 0 or command.amount > MMP_WINDOW_MAX_MS:
            self.state.answers.refuse(command, RejectReason.MALFORMED)
            return
        self.state.protections.guard((command.account, command.side), *limits)
        self.state.answers.ack(command)

    def reset(self, command: Command) -> None:
        """Let a quote set quote again (MMP-003)."""
        self.state.protections.reset((command.account, command.side))
        self.state.answers.ack(command)

    def leg_refusal(self, command: Command, instrument: Instrument | None) -> RejectReason | None:
        """Return the first reason against a whole leg, or None (QTE-002)."""
        if is_malformed_leg(command):
            return RejectReason.MALFORMED
        if instrument is None:
            return RejectReason.NO_INSTRUMENT
        reason = quote_phase_refusal(instrument, command)
        if reason is not None:
            return reason
        wanted = [one for one in sides_of(command) if one.lots > 0]
        if any(not 0 <= one.price <= PRICE_MAX_TICKS for one in wanted):
            return RejectReason.PX_TICK
        if any(instrument.outside_static_band(one.price) for one in wanted):
            return RejectReason.PX_BAND
        if any(one.lots > LOTS_MAX or is_too_large(instrument, one.price, one.lots, 0) for one in wanted):
            return RejectReason.QTY_MAX
        if wanted and self.state.protections.is_frozen(command.account, command.side):
            return RejectReason.MMP_FROZEN
        return None

    def _keep(self, command: Command, account: Account, instrument: Instrument, one: QuoteSide) -> bool:
        """Keep the side's earlier order where that saves its priority, else end it; return whether it was kept."""
        earlier = self.state.quotes.get((account.number, instrument.handle, quote_lane(command.side), one.side))
        if earlier is None:
            return False
        if one.lots > 0 and keeps_priority(earlier, one.price, one.lots):
            if one.lots < earlier.leaves:
                self.state.shrink(earlier, one.lots)
                self.state.tell_replaced(earlier)
            return True
        self.state.end(earlier, DoneReason.QUOTE if one.lots > 0 else DoneReason.USER)
        return False

    def _place(self, command: Command, account: Account, instrument: Instrument, one: QuoteSide) -> None:
        """Place one new side, or refuse it alone (QTE-003)."""
        position = risk.position_of(account, instrument)
        flags = EventFlag.QUOTE | (EventFlag.SELL if one.side == Side.SELL else 0)
        reason = self._side_refusal(command, account, instrument, one)
        if reason is not None:
            self.state.events.emit(
                EventType.REJECT, flags=flags, reason=reason, account=account.number, instrument=instrument.handle,
                lane=command.side, price=one.price,
            )  # fmt: skip
            return
        order = Order(
            oid=self.state.slots.take(),
            position=self.state.keep_position(position),
            side=one.side,
            price=one.price,
            leaves=one.lots,
            lane=quote_lane(command.side),
            ref=0,
            tag=command.tag,
            placed_seq=self.state.seq,
        )
        self.state.events.emit_order(EventType.ACK, order, lots=one.lots, leaves=one.lots)
        self.state.accept(order)
        self.matching.work(order, command.stp, Tif.GTG)

    def _side_refusal(
        self, command: Command, account: Account, instrument: Instrument, one: QuoteSide
    ) -> RejectReason | None:
        if command.flags & OrderFlag.POST_ONLY and instrument.book.would_take(one.side, one.price):
            return RejectReason.WOULD_TAKE
        position = risk.position_of(account, instrument)
        return self.entry.risk_refusal(position, one.side, one.price, one.lots) or self.entry.limit_refusal(account)


def quote_phase_refusal(instrument: Instrument, command: Command) -> RejectReason | None:
    """NOT_OPEN or WINDOW_CLOSED where the window's phase does not take quotes (MKT-005)."""
    if instrument.is_continuous:
        return None
    if instrument.in_call:
        return RejectReason.NOT_OPEN if command.flags & OrderFlag.POST_ONLY else None
    return closed_or_not_open(instrument)


def is_malformed_leg(command: Command) -> bool:
    """Whether a field of a leg is out of its range or does not go with another."""
    bid, ask = sides_of(command)
    return (
        bid.lots < 0
        or ask.lots < 0
        or command.stp > Stp.DECREMENT
        or bool(command.flags & NOT_LEG_FLAGS)
        or is_beyond_legs(command)
        or (bid.lots > 0 and ask.lots > 0 and bid.price >= ask.price)
    )
