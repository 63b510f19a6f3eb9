"""Matching: an aggressor meets resting orders (MAT-001 to MAT-008, STP-001 to STP-004, RSK-005)."""

from exchange.reasons import DoneReason
from exchange.records import EventFlag, EventType, Side, Stp, Tif
from exchange.reference.accounts import Instrument, Position, fee, pay
from exchange.reference.book import Level, opposite, reaches
from exchange.reference.orders import Order
from exchange.reference.state import State


class Matching:
    """The rules of trading, one method each."""

    def __init__(self, state: State) -> None:
        self.state = state

    def work(self, order: Order, stp: int, tif: int) -> None:
        """Let an accepted order trade where its window does, then rest or end what is left (MAT-004, MAT-005)."""
        instrument = order.position.instrument
        if instrument.is_continuous and not self.match(order, stp):
            return
        if order.leaves == 0:
            self.state.forget(order)
        elif tif in (Tif.IOC, Tif.FOK):
            self.state.end(order, DoneReason.IOC)
        else:
            self.state.rest(order)
            if instrument.is_continuous:
                self.wake(order)

    def wake(self, order: Order) -> None:
        """Tell the blocks that an order has come to rest; what wakes them is set by the core (BLK-011)."""

    def suspend(self, instrument: Instrument) -> None:
        """Begin a volatility call; the core sets how (MKT-011)."""

    def match(self, taker: Order, stp: int) -> bool:
        """Trade until nothing is left or nothing is in reach; False when self-match prevention ended the taker."""
        instrument = taker.position.instrument
        reference = instrument.dynamic_reference(self.state.seq)
        while taker.leaves > 0:
            maker = self.next_maker(taker)
            if maker is None:
                break
            if instrument.outside_dynamic_band(maker.price, reference):
                self.suspend(instrument)
                break
            if self.is_own(taker, maker):
                if not self.prevent(taker, maker, stp):
                    return False
            elif not maker.reduce_only or self.clip_reduce_only(maker):
                self.trade(maker, taker)
        return True

    def next_maker(self, taker: Order) -> Order | None:
        """Return the first order of the best opposite price, if the taker's limit reaches it (MAT-001)."""
        level = taker.position.instrument.book.best_level(opposite(taker.side))
        return level.front() if level is not None and reaches(taker.side, taker.price, level.price) else None

    def is_own(self, taker: Order, maker: Order) -> bool:
        """Whether both are of one owner group."""
        return taker.group == maker.group

    def fillable_lots(self, instrument: Instrument, group: int, side: int, price: int, stp: int) -> int:
        """Return the lots a fill-or-kill order is certain to get (MAT-006)."""
        lots = 0
        reference = instrument.dynamic_reference(self.state.seq)
        for level in instrument.book.levels(opposite(side)):
            if not reaches(side, price, level.price) or instrument.outside_dynamic_band(level.price, reference):
                break
            own = [order for order in level.queue.values() if order.group == group]
            if own and stp != Stp.CANCEL_RESTING:
                return lots + self._shown_in_front(level, own[0])
            lots += sum(
                order.leaves for order in level.queue.values() if order.group != group and not order.reduce_only
            )
        return lots

    def _shown_in_front(self, level: Level, own: Order) -> int:
        """Count shown lots only: the hidden ones would be shown behind the own order."""
        lots = 0
        for order in level.queue.values():
            if order is own:
                break
            lots += 0 if order.reduce_only else order.shown
        return lots

    # Self-match prevention.

    def prevent(self, taker: Order, maker: Order, stp: int) -> bool:
        """Apply the taker's mode; return whether the taker goes on."""
        if stp == Stp.DECREMENT:
            return self._decrement(taker, maker)
        if stp != Stp.CANCEL_INCOMING:
            self.state.end(maker, DoneReason.STP)
        if stp != Stp.CANCEL_RESTING:
            self.state.end(taker, DoneReason.STP)
        return stp == Stp.CANCEL_RESTING

    def _decrement(self, taker: Order, maker: Order) -> bool:
        """Both lose the smaller of their leaves, without a trade (STP-004)."""
        lots = min(taker.leaves, maker.leaves)
        if maker.leaves > lots:
            self.state.shrink(maker, maker.leaves - lots)
            self.state.tell_replaced(maker)
        else:
            self.state.end(maker, DoneReason.STP)
        if taker.leaves == lots:
            self.state.end(taker, DoneReason.STP)
            return False
        taker.leaves -= lots
        self.state.tell_replaced(taker)
        return True

    def clip_reduce_only(self, maker: Order) -> bool:
        """Cut a reduce-only order to what is left to reduce; False when that ended it (RSK-005)."""
        reducible = maker.position.reducible(maker.side)
        if reducible == 0:
            self.state.end(maker, DoneReason.REDUCE_ONLY)
            return False
        if maker.leaves > reducible:
            self.state.shrink(maker, reducible)
            self.state.tell_replaced(maker)
        return True

    # Trades.

    def trade(self, maker: Order, taker: Order) -> None:
        """Trade the shown part of the maker, as far as the taker goes (MAT-002, MAT-003, MAT-008)."""
        instrument = taker.position.instrument
        price = self.trade_price(maker, taker)
        lots = min(taker.leaves, maker.shown)
        buyer, seller = (taker, maker) if taker.side == Side.BUY else (maker, taker)
        self.exchange(buyer.position, seller.position, price, lots)
        match_id = self.state.take_match_id()
        self.fill(maker, price, lots, instrument.maker_fee_ppm, match_id, 0)
        self.fill(taker, price, lots, instrument.taker_fee_ppm, match_id, EventFlag.TAKER)
        side = EventFlag.SELL if taker.side == Side.SELL else 0
        self.state.events.emit(
            EventType.TRADE, instrument=instrument.handle, match_id=match_id, price=price, lots=lots, flags=side
        )
        self.after_fill(maker, lots)

    def trade_price(self, maker: Order, taker: Order) -> int:
        """Return the price of a trade: the resting order's (MAT-002)."""
        return maker.price

    def exchange(self, buyer: Position, seller: Position, price: int, lots: int) -> None:
        """Move lots to the buyer and (P - M) x lots x H to the seller (ACC-003)."""
        instrument = buyer.instrument
        instrument.note_trade(price, self.state.seq)
        assert instrument.mark is not None
        self.move_lots(seller, buyer, lots)
        pay(buyer.account, seller.account, (price - instrument.mark) * lots * instrument.lot_micros)

    def move_lots(self, giver: Position, taker: Position, lots: int) -> None:
        """Move lots without money; a credit for what was held is void (RSK-008)."""
        giver.lots -= lots
        taker.lots += lots
        for position in (giver, taker):
            position.account.credit = 0
            self.state.touch(position)

    def charge(self, position: Position, price: int, lots: int, ppm: int) -> int:
        """Take the fee of one side of a fill and return it."""
        amount = self.fee(price * lots * position.instrument.lot_micros, ppm)
        pay(position.account, self.state.accounts[0], amount)
        return amount

    def fill(self, order: Order, price: int, lots: int, fee_ppm: int, match_id: int, flags: int) -> None:
        """Count a fill of an order, charge it and tell it."""
        order.leaves -= lots
        order.cum += lots
        amount = self.charge(order.position, price, lots, fee_ppm)
        self.state.events.emit_order(
            EventType.FILL, order, price=price, lots=lots, leaves=order.leaves, match_id=match_id, amount=amount,
            flags=flags,
        )  # fmt: skip
        if order.is_quote and order.resting:
            self.state.count_protected_fill(order, lots)

    def fee(self, value: int, ppm: int) -> int:
        """Return the fee on a value (FEE-001)."""
        return fee(value, ppm)

    def after_fill(self, maker: Order, lots: int) -> None:
        """Bring book and counters up to date after a fill of the maker."""
        maker.shown -= lots
        self.state.release_open_lots(maker, lots)
        self.state.events.touch_level(maker)
        if maker.leaves == 0:
            maker.position.instrument.book.remove(maker)
            maker.resting = False
            self.state.forget(maker)
        elif maker.shown == 0:
            self.refresh(maker)

    def refresh(self, maker: Order) -> None:
        """Show the next part of an iceberg, at the back of its price (MAT-008)."""
        level = maker.position.instrument.book.level(maker.side, maker.price)
        assert level is not None
        level.remove(maker)
        maker.shown = min(maker.display, maker.leaves)
        level.append(maker)
