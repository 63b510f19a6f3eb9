"""Puts our engine behind the NDJSON protocol of the Tracebook conformance kit, on stdin and stdout.

Symbols are instruments of one product, owners accounts, quantities lots of 2^-20. What the two say differently:

* A market order is an IOC order at the worst price there is: PRICE_MAX_TICKS to buy, 0 to sell.
* Self-match prevention is always on, so without it (policy NONE) every order comes from an account of its own.
* Tracebook's replace always goes to the back of the queue; ours keeps its place when it only shrinks (MAT-009), so such
  a replace is a cancel and a new order. Every other one is a REPLACE, with what was filled added (RPL-001).
* A reduction is a REPLACE to a smaller total at the same price, one to nothing a cancel.
* "clear" is a mass cancel by every account.
* A FOK order that cannot be filled is refused by us, and accepted without a trade by Tracebook.
* Source ids may be used again after their order has ended, our refs never: ids live in this adapter. That an id is in
  use, and that a price snaps to 0 (a price of ours), is its to refuse; that an order is not active is the engine's.
* Pro-rata matching is not offered.

The queues are read from the state dump, as docs/spec/engine.md lays it out.
"""

import sys
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
from tracebook.conformance import (
    BookSnapshot,
    BookState,
    ConformanceConfig,
    ConformanceError,
    EngineMetadata,
    Observation,
    Outcome,
    RestingOrder,
    TradeFill,
    canonical_decimal,
    serve_stdio,
)
from tracebook.core.order import NO_OWNER, OrderSide, OrderType, SelfTradePolicy

from exchange import commands
from exchange.engine import Engine
from exchange.reasons import RejectReason
from exchange.records import EventFlag, EventType, Side, Stp, Tif
from exchange.units import PRICE_MAX_TICKS

LOTS_PER_UNIT = 1 << 20
FIRST_WINDOW = 1_000
TIFS = {OrderType.LIMIT: Tif.GTG, OrderType.MARKET: Tif.IOC, OrderType.IOC: Tif.IOC, OrderType.FOK: Tif.FOK}
STPS = {
    SelfTradePolicy.NONE: Stp.CANCEL_RESTING,
    SelfTradePolicy.CANCEL_RESTING: Stp.CANCEL_RESTING,
    SelfTradePolicy.CANCEL_INCOMING: Stp.CANCEL_INCOMING,
}
# Words of the dump: of its beginning, and of one account, instrument, position and order.
HEADER, ACCOUNT, INSTRUMENT, POSITION, ORDER = 7, 5, 8, 8, 11


class Refused(Exception):
    """An event that is answered with a Tracebook reason."""


@dataclass
class Source:
    """An order as Tracebook knows it, and where it stands in our engine."""

    order_id: int
    instrument: int
    side: Side
    owner: int
    account: int
    ticks: int
    oid: int = 0
    cum: int = 0
    leaves: int = 0


class HourglassAdapter:
    """One engine behind Tracebook's adapter interface."""

    metadata = EngineMetadata("hourglass", "0.1.0", "Cython")

    def __init__(self, config: ConformanceConfig, engine: Engine | None = None) -> None:
        if config.matching_algorithm != "fifo":
            raise ConformanceError("matching_algorithm must be fifo")
        self.config = config
        self._engine = Engine() if engine is None else engine
        self._engine.apply(commands.add_product("TRACE", 1, 1, ["f"]), 0)
        self._instruments = {}  # Symbol: handle.
        self._accounts = {}  # Owner: account.
        self._refs = Counter()
        self._sources = {}  # (Handle, source id): its last order.
        self._by_oid = {}
        self._positions = set()  # (Account, handle) that had an accepted order.

    def apply(self, event, index):
        """Apply one event and say what could be seen of it."""
        trades = []
        try:
            getattr(self, f"_{event.op}")(event, trades)
            outcome = Outcome("applied")
        except Refused as refusal:
            outcome = Outcome("rejected", str(refusal))
        symbols = {handle: symbol for symbol, handle in self._instruments.items()}
        fills = tuple(
            TradeFill(symbols[handle], buy, sell, self._price(ticks), self._quantity(lots))
            for handle, buy, sell, ticks, lots in trades
        )
        state = self.snapshot()
        return Observation(index, outcome, fills, state.digest(), state.order_count)

    def close(self):
        """Nothing to give back."""

    # Events.

    def _new(self, event, trades):
        handle = self._listed(event.symbol)
        known = self._sources.get((handle, event.order_id))
        if known is not None and known.leaves:
            raise Refused("DUPLICATE_ORDER_ID")
        lots = self._lots(event.quantity, "INVALID_ORDER")
        side = Side.BUY if event.side == OrderSide.BUY else Side.SELL
        if event.order_type == OrderType.MARKET:
            ticks = PRICE_MAX_TICKS if side == Side.BUY else 0
        else:
            ticks = self._ticks(event.price, "INVALID_ORDER")
        source = Source(event.order_id, handle, side, event.owner, self._account(event.owner), ticks)
        self._place(source, lots, trades, TIFS[event.order_type])

    def _cancel(self, event, trades):
        source = self._source(event)
        self._run(commands.cancel(source.account, self._ref(source.account), source.oid), trades)

    def _reduce(self, event, trades):
        source = self._source(event)
        lots = self._lots(event.quantity, "INVALID_ORDER")
        if source.leaves and lots > source.leaves:
            raise Refused("INVALID_ORDER")
        if lots == source.leaves:
            self._cancel(event, trades)
        else:
            self._change(source, source.ticks, source.leaves - lots, trades)

    def _replace(self, event, trades):
        source = self._source(event)
        ticks = source.ticks if event.price is None else self._ticks(event.price, "INVALID_REPLACEMENT")
        lots = source.leaves if event.quantity is None else self._lots(event.quantity, "INVALID_REPLACEMENT")
        if ticks == source.ticks and lots <= source.leaves:
            self._cancel(event, trades)
            again = Source(source.order_id, source.instrument, source.side, source.owner, source.account, ticks)
            self._place(again, lots, trades)
        else:
            self._change(source, ticks, lots, trades)

    def _clear(self, event, trades):
        handle = self._listed(event.symbol)
        for account in sorted({source.account for source in self._sources.values() if source.leaves}):
            self._run(commands.mass_cancel(account, self._ref(account), instrument=handle), trades)

    # Commands.

    def _place(self, source, lots, trades, tif=Tif.GTG):
        record = commands.place(
            source.account, self._ref(source.account), source.instrument, source.side, source.ticks, lots, tif=tif,
            stp=STPS[self.config.self_trade_policy],
        )  # fmt: skip
        self._run(record, trades, source)

    def _change(self, source, ticks, lots, trades):
        """Replace an order; ``lots`` is what shall be open."""
        record = commands.replace(
            source.account, self._ref(source.account), source.oid, ticks, source.cum + max(lots, 1),
            stp=STPS[self.config.self_trade_policy],
        )  # fmt: skip
        self._run(record, trades)

    def _run(self, record, trades, placed=None):
        """Apply one command, and keep the sources up to date with its events."""
        events = self._engine.apply(record, 0)
        answer = events[0]
        if answer["type"] == EventType.REJECT:
            self._refuse(RejectReason(int(answer["reason"])))
            return
        if placed is not None:
            placed.oid, placed.leaves = int(answer["oid"]), int(answer["leaves"])
            self._by_oid[placed.oid] = self._sources[placed.instrument, placed.order_id] = placed
            self._positions.add((placed.account, placed.instrument))
        maker = None
        for event in events[1:]:
            kind, source = event["type"], self._by_oid.get(int(event["oid"]))
            if kind in (EventType.FILL, EventType.REPLACED, EventType.DONE):
                source.cum, source.leaves = int(event["cum"]), int(event["leaves"])
            if kind == EventType.REPLACED:
                source.ticks = int(event["price"])
            elif kind == EventType.FILL and not event["flags"] & EventFlag.TAKER:
                maker = source
            elif kind == EventType.FILL:
                buy, sell = (source, maker) if source.side == Side.BUY else (maker, source)
                trades.append(
                    (source.instrument, buy.order_id, sell.order_id, int(event["price"]), int(event["lots"]))
                )  # fmt: skip

    def _refuse(self, reason):
        if reason == RejectReason.NO_ORDER:
            raise Refused("ORDER_NOT_ACTIVE")
        if reason != RejectReason.FOK_UNFILLED:
            raise RuntimeError(f"no trace ought to be refused with {reason.name}")

    # Words of Tracebook's, and ours.

    def _listed(self, symbol):
        """The instrument of a symbol, listed on first use."""
        if symbol not in self._instruments:
            window = FIRST_WINDOW + len(self._instruments)
            listed = self._engine.apply(commands.list_window("TRACE", window), 0)
            self._instruments[symbol] = int(listed[1]["instrument"])
        return self._instruments[symbol]

    def _account(self, owner):
        is_alone = self.config.self_trade_policy == SelfTradePolicy.NONE or owner == NO_OWNER
        if not is_alone and owner in self._accounts:
            return self._accounts[owner]
        name = f"order-{len(self._by_oid)}-{sum(self._refs.values())}" if is_alone else f"owner-{owner}"
        account = int(self._engine.apply(commands.add_account(name), 0)[0]["account"])
        if not is_alone:
            self._accounts[owner] = account
        return account

    def _source(self, event):
        """The last order of a source id; one that never was is for the engine to refuse, by a handle that is none."""
        known = self._sources.get((self._instruments.get(event.symbol), event.order_id))
        return known or Source(event.order_id, 0, Side.BUY, NO_OWNER, self._account(NO_OWNER), 1)

    def _ref(self, account):
        self._refs[account] += 1
        return self._refs[account]

    def _ticks(self, price, reason):
        ticks = round(price / self.config.tick_size)
        if ticks <= 0:
            raise Refused(reason)
        return ticks

    def _lots(self, quantity, reason):
        lots = quantity * LOTS_PER_UNIT
        if lots <= 0:
            raise Refused(reason)
        if lots != int(lots):
            raise RuntimeError(f"quantity must be a multiple of 2^-20, was {quantity}")
        return int(lots)

    def _price(self, ticks):
        return canonical_decimal(Decimal(str(self.config.tick_size)) * ticks)

    def _quantity(self, lots):
        return canonical_decimal(Decimal(lots) / LOTS_PER_UNIT, self.config.quantity_decimal_places)

    # Queues.

    def snapshot(self):
        """Return every queue, as the state dump has it."""
        queues = {handle: ([], []) for handle in self._instruments.values()}
        for words in self._dumped_orders():
            source = self._by_oid[int(words[0])]
            queues[source.instrument][source.side].append(
                RestingOrder(source.order_id, self._price(int(words[1])), self._quantity(int(words[2])), source.owner)
            )
        return BookState(
            tuple(
                BookSnapshot(symbol, *(tuple(queue) for queue in queues[handle]))
                for symbol, handle in sorted(self._instruments.items())
            )
        )

    def _dumped_orders(self):
        words = np.frombuffer(self._engine.core.dump(), dtype="<i8")
        accounts, instruments, orders = (int(count) for count in words[4:HEADER])
        before = HEADER + ACCOUNT * accounts + INSTRUMENT * instruments + POSITION * len(self._positions)
        return words[before : before + ORDER * orders].reshape(orders, ORDER)


if __name__ == "__main__":
    sys.exit(serve_stdio(HourglassAdapter))
