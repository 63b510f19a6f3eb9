"""The events of a batch, and the levels to be published at the end of a command."""

from exchange.records import EventFlag, EventType, Side
from exchange.reference.accounts import Instrument
from exchange.reference.layout import EVENT
from exchange.reference.orders import QUOTE_LANES, Order

LOTS_FIELD = 11  # Place of `lots` in an event record.


class EventLog:
    """Collects events in order; each carries the offset of its command in the batch."""

    def __init__(self) -> None:
        self.records: list[bytes] = []
        self.command = 0
        self.touched_levels: dict[tuple[int, int, int], Instrument] = {}  # By instrument, side, price.

    def emit(
        self,
        event_type: int,
        *,
        flags: int = 0,
        reason: int = 0,
        lane: int = 0,
        account: int = 0,
        instrument: int = 0,
        oid: int = 0,
        ref: int = 0,
        match_id: int = 0,
        price: int = 0,
        lots: int = 0,
        cum: int = 0,
        leaves: int = 0,
        amount: int = 0,
    ) -> None:
        """Append one event."""
        self.records.append(
            EVENT.pack(
                event_type, flags, reason, lane, self.command, account, instrument, oid, ref, match_id,
                price, lots, cum, leaves, amount,
            )
        )  # fmt: skip

    def set_lots(self, event: int, lots: int) -> None:
        """Change the lots of an event that has been appended."""
        fields = list(EVENT.unpack(self.records[event]))
        fields[LOTS_FIELD] = lots
        self.records[event] = EVENT.pack(*fields)

    def emit_order(
        self,
        event_type: int,
        order: Order,
        *,
        lots: int,
        price: int | None = None,
        flags: int = 0,
        reason: int = 0,
        match_id: int = 0,
        leaves: int = 0,
        amount: int = 0,
    ) -> None:
        """Append an event about an order: whose it is, where, how much of it is filled (QTE-004)."""
        self.emit(
            event_type,
            flags=flags | order.event_flags,
            reason=reason,
            lane=order.lane % QUOTE_LANES,
            account=order.position.account.number,
            instrument=order.position.instrument.handle,
            oid=order.oid,
            ref=0 if order.is_quote else order.ref,
            match_id=match_id,
            price=order.price if price is None else price,
            lots=lots,
            cum=order.cum,
            leaves=leaves,
            amount=amount,
        )

    def touch_level(self, order: Order) -> None:
        """Note that the level of an order has to be published."""
        instrument = order.position.instrument
        self.touched_levels.setdefault((instrument.handle, order.side, order.price), instrument)

    def publish_levels(self) -> list[Instrument]:
        """Publish the touched levels, in order of first touch (MAT-013); return their instruments, likewise."""
        touched = {instrument.handle: instrument for instrument in self.touched_levels.values()}
        for (handle, side, price), instrument in self.touched_levels.items():
            level = instrument.book.level(side, price)
            self.emit(
                EventType.LEVEL,
                flags=EventFlag.SELL if side == Side.SELL else 0,
                instrument=handle,
                price=price,
                amount=level.shown() if level else 0,
                cum=len(level.queue) if level else 0,
            )
        self.touched_levels.clear()
        return list(touched.values())
