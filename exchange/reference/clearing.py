"""What the clearinghouse does with accounts, positions and resting orders (ACC-006 to ACC-010).

Every function raises ValueError for a number out of its range, before it changes anything.
"""

from exchange.errors import InvariantViolation
from exchange.reasons import DoneReason
from exchange.records import EventFlag, EventType, Side
from exchange.reference import risk
from exchange.reference.accounts import Account, Instrument, Position, pay
from exchange.reference.cancelling import has_leg
from exchange.reference.matching import Matching
from exchange.reference.orders import Order
from exchange.reference.state import State
from exchange.units import LOTS_MAX, MONEY_MAX, POSITION_MAX, PRICE_MAX_TICKS


def check(what: str, value: int, least: int, most: int) -> None:
    """Refuse a number outside ``[least, most]``."""
    if not least <= value <= most:
        raise ValueError(f"{what} must be from {int(least)} to {int(most)}, was {value}")


class Clearing:
    """The clearinghouse's steps, on the state of a core."""

    def __init__(self, state: State, matching: Matching) -> None:
        self.state = state
        self.matching = matching

    # Money and margin.

    def pay(self, account: Account, micros: int) -> None:
        """Add to a balance (ACC-006)."""
        check("micros", micros, -MONEY_MAX, MONEY_MAX)
        account.balance += micros

    def pay_external(self, micros: int) -> None:
        """Add to EXT's balance, which stays within 2^62 either way (ACC-006)."""
        check("micros", micros, -MONEY_MAX, MONEY_MAX)
        check("EXT", self.state.external.balance + micros, -MONEY_MAX, MONEY_MAX)
        self.state.external.balance += micros

    def set_margin(self, account: Account, addon: int, credit: int, keep: int) -> None:
        """Set what is asked and granted beyond the positions (ACC-007, RSK-007, RSK-008)."""
        for name, value in (("addon", addon), ("credit", credit), ("keep", keep)):
            check(name, value, 0, MONEY_MAX)
        account.requirement += addon - account.addon
        account.addon, account.credit, account.keep = addon, credit, keep

    def set_prepaid(self, account: Account, prepaid: bool) -> None:
        """Make an account pay in full, or not (RSK-009)."""
        account.prepaid = bool(prepaid)
        for position in account.positions.values():
            risk.evaluate(position)

    # Rates, marks, capacity.

    def set_rates(self, instrument: Instrument, long_micros: int, short_micros: int) -> None:
        """Set the requirement of one lot held, and evaluate every position of the instrument (RSK-004)."""
        instrument.long_micros, instrument.short_micros = long_micros, short_micros
        for position in instrument.positions:
            risk.evaluate(position)

    def set_mark(self, instrument: Instrument, ticks: int) -> None:
        """Set the mark: pay the move on every position, then evaluate it (ACC-004, RSK-004)."""
        if instrument.mark is not None:
            self._pay_move(instrument, ticks - instrument.mark)
        instrument.mark = ticks
        for position in instrument.positions:
            risk.evaluate(position)

    def clear_mark(self, instrument: Instrument) -> None:
        """Take mark and rates away (ACC-010)."""
        instrument.mark = None
        self.set_rates(instrument, 0, 0)

    def _pay_move(self, instrument: Instrument, ticks: int) -> None:
        """Pay each holder what his lots have gained; over an instrument that sums to 0."""
        clearing = Account(number=-1, group=0, margined=False)
        for position in instrument.positions:
            pay(clearing, position.account, ticks * position.lots * instrument.lot_micros)
        if clearing.balance != 0:
            raise InvariantViolation(f"the positions of instrument {instrument.handle} must sum to 0")

    def certify(self, account: Account, instrument: Instrument, lots: int) -> None:
        """Set an account's capacity in an instrument; what it no longer backs ends (MKT-020, MKT-022)."""
        position = self.state.keep_position(risk.position_of(account, instrument))
        position.certified = lots
        for block in reversed(list(account.blocks.values())):
            if position.committed() > lots and block.physical and has_leg(block, instrument):
                self.state.end_block(block, DoneReason.CAPACITY)
        for order in reversed(list(position.orders.values())):
            if position.committed() > lots and order.physical:
                self.state.end(order, DoneReason.CAPACITY)

    # Positions and orders.

    def move_lots(self, instrument: Instrument, giver: Account, taker: Account, lots: int) -> None:
        """Move lots at the mark: no money, no event (ACC-008)."""
        check("lots", lots, 1, POSITION_MAX)
        if giver is taker:
            raise ValueError(f"to_account must be another one than from_account, was {taker.number}")
        given, taken = (self.state.keep_position(risk.position_of(one, instrument)) for one in (giver, taker))
        self.matching.move_lots(given, taken, lots)

    def end_orders(self, account: Account, reason: int, instrument: Instrument | None) -> int:
        """End orders and blocks of an account, firm ones too, in one instrument or all; return how many (CXL-005)."""
        check("reason", reason, DoneReason.USER, DoneReason.DEFAULT)
        orders = [
            order
            for position in account.positions.values()
            for order in position.orders.values()
            if instrument is None or position.instrument is instrument
        ]
        blocks = [one for one in account.blocks.values() if instrument is None or has_leg(one, instrument)]
        for order in orders:
            self.state.end(order, DoneReason(reason))
        for block in blocks:
            self.state.end_block(block, DoneReason(reason))
        return len(orders) + len(blocks)

    def hit(self, oid: int, lots: int, account: Account, fee_ppm: int, price: int, at_mark: bool) -> int:
        """Trade with a resting order, at most what it shows; return the lots (ACC-009)."""
        maker, price = self._hit_order(oid, lots, price)
        if maker.reduce_only and not self.matching.clip_reduce_only(maker):
            return 0
        taker = self.state.keep_position(risk.position_of(account, maker.position.instrument))
        lots = min(lots, maker.shown)
        buyer, seller = (taker, maker.position) if maker.side == Side.SELL else (maker.position, taker)
        if at_mark:
            self.matching.move_lots(seller, buyer, lots)
        else:
            self.matching.exchange(buyer, seller, price, lots)
        self._tell_hit(maker, taker, price, lots, fee_ppm)
        self.matching.after_fill(maker, lots)
        return lots

    def _hit_order(self, oid: int, lots: int, price: int) -> tuple[Order, int]:
        """Return the order that is hit, and the price."""
        maker = self.state.orders.get(oid)
        if maker is None:
            raise ValueError(f"oid must be of a resting order, was {oid}")
        check("lots", lots, 1, LOTS_MAX)
        if price == -1:
            return maker, maker.price
        least, most = (maker.price, PRICE_MAX_TICKS) if maker.side == Side.SELL else (0, maker.price)
        check("price", price, least, most)
        check("value", price * min(lots, maker.shown) * maker.position.instrument.lot_micros, 0, MONEY_MAX)
        return maker, price

    def _tell_hit(self, maker: Order, taker: Position, price: int, lots: int, fee_ppm: int) -> None:
        """Charge and tell both sides of a hit, and tell the trade."""
        instrument = maker.position.instrument
        match_id = self.state.take_match_id()
        side = EventFlag.SELL if maker.side == Side.BUY else 0  # Of the taker.
        self.matching.fill(maker, price, lots, instrument.maker_fee_ppm, match_id, EventFlag.BALANCE)
        self.state.events.emit(
            EventType.FILL, flags=EventFlag.BALANCE | EventFlag.TAKER | side, account=taker.account.number,
            instrument=instrument.handle, match_id=match_id, price=price, lots=lots, cum=lots,
            amount=self.matching.charge(taker, price, lots, fee_ppm),
        )  # fmt: skip
        self.state.events.emit(
            EventType.TRADE, flags=EventFlag.BALANCE | side, instrument=instrument.handle, match_id=match_id,
            price=price, lots=lots,
        )  # fmt: skip
