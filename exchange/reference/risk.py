"""What a position requires, and the pre-trade check (RSK-001 to RSK-009). Pure functions of counters and prices."""

from exchange.records import Side
from exchange.reference.accounts import Account, Instrument, Position
from exchange.reference.book import reaches
from exchange.units import MONEY_MAX


def required(position: Position, bid: int | None, ask: int | None) -> int:
    """Return the requirement of a position at best prices, in micro-dollars (RSK-002)."""
    long = _long(position, position.lots, position.open_lots[Side.BUY], bid)
    return min(max(long, _short(position.instrument, position.lots, position.open_lots[Side.SELL], ask)), MONEY_MAX)


def evaluate(position: Position) -> None:
    """Bring a position's requirement and its account's sum up to date (RSK-004)."""
    book = position.instrument.book
    now = required(position, book.best(Side.BUY), book.best(Side.SELL))
    position.account.requirement += now - position.requirement
    position.requirement = now


def required_with(position: Position, side: int, price: int, lots: int, replaced_lots: int) -> int:
    """Return the requirement with one more order, and without ``replaced_lots`` of its side (RSK-003)."""
    instrument = position.instrument
    bid, ask = instrument.book.best(Side.BUY), instrument.book.best(Side.SELL)
    open_buy, open_sell = position.open_lots
    if side == Side.BUY:
        short = _short(instrument, position.lots, open_sell, ask)
        long = _long_with(position, open_buy - replaced_lots, bid, ask, price, lots)
    else:
        long = _long(position, position.lots, open_buy, bid)
        short = _short_with(instrument, position.lots, open_sell - replaced_lots, bid, ask, price, lots)
    return min(max(long, short), MONEY_MAX)


def affordable(position: Position, side: int, price: int, lots: int, replaced_lots: int = 0) -> bool:
    """Whether the account can carry one more order (RSK-003, RSK-006, RSK-009)."""
    account, instrument = position.account, position.instrument
    if account.prepaid:
        if instrument.mark is None or (side == Side.SELL and position.may_become_short(lots - replaced_lots)):
            return False
    elif not account.margined and instrument.long_micros == 0 and instrument.short_micros == 0:
        return True
    more = required_with(position, side, price, lots, replaced_lots) - position.requirement
    return more <= 0 or more <= account.free


def may_reduce(position: Position, side: int, lots: int, replaced_lots: int = 0) -> bool:
    """Whether a reduce-only order of ``lots``, with all open ones of its side, stays within the position (RSK-005)."""
    held = -position.lots if side == Side.BUY else position.lots
    return lots <= max(0, held - position.open_lots[side] + replaced_lots)


def position_of(account: Account, instrument: Instrument) -> Position:
    """Return the account's position, or an empty one that is not part of the state yet."""
    return account.positions.get(instrument.handle) or Position(account, instrument)


def _long(position: Position, lots: int, open_buy: int, bid: int | None) -> int:
    """Left side of RSK-002: everything that is long or may become so."""
    return max(lots + open_buy, 0) * position.long_rate() + _loss(position.instrument, open_buy, bid, 1)


def _short(instrument: Instrument, lots: int, open_sell: int, ask: int | None) -> int:
    """Right side of RSK-002: everything that is short or may become so."""
    return max(open_sell - lots, 0) * instrument.short_micros + _loss(instrument, open_sell, ask, -1)


def _long_with(
    position: Position, open_buy: int, bid: int | None, ask: int | None, price: int, lots: int
) -> int:
    if ask is not None and reaches(Side.BUY, price, ask):
        taken = _loss(position.instrument, lots, price, 1)
        return _long(position, position.lots + lots, open_buy, bid) + taken
    return _long(position, position.lots, open_buy + lots, price if bid is None else max(bid, price))


def _short_with(
    instrument: Instrument, held: int, open_sell: int, bid: int | None, ask: int | None, price: int, lots: int
) -> int:
    if bid is not None and reaches(Side.SELL, price, bid):
        taken = _loss(instrument, lots, price, -1)
        return _short(instrument, held - lots, open_sell, ask) + taken
    return _short(instrument, held, open_sell + lots, price if ask is None else min(ask, price))


def _loss(instrument: Instrument, lots: int, price: int | None, direction: int) -> int:
    """Return what ``lots`` lose when traded at ``price`` and carried at the mark; direction 1 buys, -1 sells."""
    if price is None or instrument.mark is None:
        return 0
    return lots * max(0, direction * (price - instrument.mark)) * instrument.lot_micros
