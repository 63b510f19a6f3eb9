"""Blocks come in, change and are refused: validation in the order of the reasons (BLK-001, BLK-002, BLK-014)."""

from exchange.commands import BLOCK_HOURS_SHIFT
from exchange.reasons import DoneReason, RejectReason
from exchange.records import EventType, OrderFlag, Phase, Side, Tif
from exchange.reference import risk
from exchange.reference.accounts import Account, Instrument, Position
from exchange.reference.entry import Entry, replace_fields_refusal
from exchange.reference.layout import Command
from exchange.reference.orders import Block
from exchange.reference.state import State
from exchange.reference.trading_blocks import BlockTrading
from exchange.units import (
    BLOCK_HOURS_MAX,
    BLOCKS_PER_ACCOUNT_MAX,
    BLOCKS_PER_PRODUCT_MAX,
    LOTS_MAX,
    MONEY_MAX,
    POSITION_MAX,
    PRICE_MAX_TICKS,
)

BLOCK_FLAGS = int(OrderFlag.COD | OrderFlag.PHYSICAL)
FLAGS_MASK = (1 << BLOCK_HOURS_SHIFT) - 1
EVERY_FABRIC = (1 << 64) - 1  # A scope of all ones means every fabric of the product.
BEFORE_TRADING = (Phase.LISTED,)
STILL_TRADING = (Phase.CONTINUOUS, Phase.OPEN, Phase.VOLATILITY, Phase.HALTED, Phase.LISTED)


class BlockEntry:
    """Executes the commands about blocks."""

    def __init__(self, state: State, trading: BlockTrading, entry: Entry) -> None:
        self.state = state
        self.trading = trading
        self.entry = entry

    def place(self, command: Command, account: Account) -> None:
        """Accept and work a block, or refuse it."""
        block = self._block_of(command, account)
        reason = self.refusal(command, block)
        if reason is not None:
            self.state.answers.refuse(command._replace(instrument=0), reason)
            return
        block.oid = self.state.slots.take()
        self.state.answers.ack(
            command, oid=block.oid, flags=block.event_flags, price=block.limit, lots=block.leaves, leaves=block.leaves,
            instrument=self.state.legs[block.product, block.start, block.fabrics()[0]].handle,
            match_id=block.scope, amount=block.hours,
        )  # fmt: skip
        self.work(block, immediate=command.tif in (Tif.IOC, Tif.FOK))

    def work(self, block: Block, *, immediate: bool) -> None:
        """Trade a block that is on no shelf; what is left rests or ends."""
        hit: dict[int, Block] = {}
        self.trading.exhaust(block, hit)
        if block.leaves > 0 and immediate:
            self.state.end_block(block, DoneReason.IOC)
        elif block.leaves > 0:
            self.state.rest_block(block)
        self.trading.try_hit(hit)

    def _block_of(self, command: Command, account: Account) -> Block:
        fabrics = self._fabrics(command.instrument)
        scope = (1 << fabrics) - 1 if command.target == EVERY_FABRIC else command.target
        least = command.lots if command.tif == Tif.FOK else max(command.lots_2, 1)
        return Block(
            oid=0,
            account=account,
            product=command.instrument,
            scope=scope,
            start=command.price_2,
            hours=command.flags >> BLOCK_HOURS_SHIFT,
            side=command.side,
            limit=command.price,
            leaves=command.lots,
            least=least,
            lane=command.lane,
            ref=command.ref,
            tag=command.tag,
            expiry_ns=command.amount if command.tif == Tif.GTD else 0,
            placed_seq=self.state.seq,
            sequence=self.state.seq,
            cancel_on_disconnect=bool(command.flags & OrderFlag.COD),
            physical=bool(command.flags & OrderFlag.PHYSICAL),
        )

    def _fabrics(self, product: int) -> int:
        return self.state.fabrics[product - 1] if 1 <= product <= len(self.state.fabrics) else 0

    # Refusing.

    def refusal(self, command: Command, block: Block) -> RejectReason | None:
        """Return the first reason against a block, or None; nothing is touched."""
        if is_malformed(command, block):
            return RejectReason.MALFORMED
        fabrics = self._fabrics(block.product)
        if fabrics == 0:
            return RejectReason.NO_PRODUCT
        if block.scope >> fabrics:
            return RejectReason.NO_FABRIC
        legs = self._legs(block)
        if any(leg is None for leg in legs):
            return RejectReason.NO_INSTRUMENT
        listed = [leg for leg in legs if leg is not None]
        return (
            phase_refusal(listed)
            or number_refusal(command, listed[0].lot_micros)
            or self._market_refusal(command, block)
            or self._account_refusal(block, listed)
        )

    def _legs(self, block: Block) -> list[Instrument | None]:
        places = ((window, fabric) for fabric in block.fabrics() for window in block.windows())
        return [self.state.legs.get((block.product, window, fabric)) for window, fabric in places]

    def _market_refusal(self, command: Command, block: Block) -> RejectReason | None:
        if command.tif == Tif.FOK and self.trading.best_candidate(block) is None:
            return RejectReason.FOK_UNFILLED
        if command.tif == Tif.GTD and command.amount <= self.state.now_ns:
            return RejectReason.DEADLINE
        return None

    def _account_refusal(self, block: Block, legs: list[Instrument]) -> RejectReason | None:
        block.reserve = self.reserve(block)
        reason = self._risk_refusal(block, block.leaves, 0, legs)
        if reason is not None:
            return reason
        reason = self.entry.limit_refusal(block.account)
        if reason is not None:
            return reason
        shelf = self.state.shelf(block.product)
        if len(shelf) >= BLOCKS_PER_PRODUCT_MAX or len(block.account.blocks) >= BLOCKS_PER_ACCOUNT_MAX:
            return RejectReason.BLOCK_LIMIT
        return None

    def _risk_refusal(
        self, block: Block, lots: int, replaced_lots: int, legs: list[Instrument], freed: int = 0
    ) -> RejectReason | None:
        """MARGIN, POSITION_LIMIT, NO_CAPACITY or None. ``freed`` is the requirement that a replaced block gives up."""
        account = block.account
        positions = [risk.position_of(account, leg) for leg in legs]
        if account.prepaid and not self._may_prepay(block, positions, lots - replaced_lots):
            return RejectReason.MARGIN
        rated = account.margined or account.prepaid or any(leg.long_micros or leg.short_micros for leg in legs)
        if rated and block.reserve * lots > account.free + freed:
            return RejectReason.MARGIN
        held = max(abs(one.lots) + sum(one.open_lots) for one in positions)
        if held + account.block_lots + lots - replaced_lots > POSITION_MAX:
            return RejectReason.POSITION_LIMIT
        if block.physical and any(one.committed() + lots - replaced_lots > one.certified for one in positions):
            return RejectReason.NO_CAPACITY
        return None

    def _may_prepay(self, block: Block, positions: list[Position], lots: int) -> bool:
        """Whether every leg has a mark, and a sale is of lots held that are not offered yet (RSK-009)."""
        if any(one.instrument.mark is None for one in positions):
            return False
        return block.side == Side.BUY or not any(one.may_become_short(lots) for one in positions)

    def reserve(self, block: Block) -> int:
        """Return what one lot of a block may cost its account at most, micro-dollars (BLK-010)."""
        most = max(self._reserve_in(block, fabric) for fabric in block.fabrics())
        return min(most, MONEY_MAX)

    def _reserve_in(self, block: Block, fabric: int) -> int:
        legs = self.trading.legs(block, fabric)
        marks = [leg.mark for leg in legs if leg.mark is not None]
        lot_micros = legs[0].lot_micros
        if block.side == Side.BUY:
            rates = sum(risk.position_of(block.account, leg).long_rate() for leg in legs)
            return rates + lot_micros * max(0, block.limit - sum(marks))
        limit = block.limit if len(marks) == len(legs) else 0
        return sum(leg.short_micros for leg in legs) + lot_micros * max(0, sum(marks) - limit)

    # Replace.

    def replace(self, command: Command, block: Block) -> None:
        """Change a block, or refuse it (BLK-014)."""
        leaves = command.lots - block.cum
        reason = replace_fields_refusal(command) or self._replace_refusal(command, block, leaves)
        if reason is not None:
            self.state.answers.refuse(command, reason)
            return
        self.state.answers.ack(command, oid=block.oid)
        if leaves <= 0:
            self.state.end_block(block, DoneReason.USER)
        elif self._keeps_priority(command, block, leaves):
            self.state.count_block(block, leaves - block.leaves)
            block.leaves = leaves
            block.least = min(block.least, leaves)
            self.state.emit_block(EventType.REPLACED, block, lots=block.cum + leaves, leaves=leaves)
        else:
            self._enter_again(command, block, leaves)

    def _enter_again(self, command: Command, block: Block, leaves: int) -> None:
        self.state.count_block(block, -block.leaves)
        block.limit, block.leaves = command.price, leaves
        block.least = min(block.least, leaves)
        block.sequence = self.state.seq
        block.reserve = self.reserve(block)
        self.state.count_block(block, leaves)
        self.state.emit_block(EventType.REPLACED, block, lots=block.cum + leaves, leaves=leaves)
        self.trading.work(block)

    def _keeps_priority(self, command: Command, block: Block, leaves: int) -> bool:
        return command.price == block.limit and leaves <= block.leaves

    def _replace_refusal(self, command: Command, block: Block, leaves: int) -> RejectReason | None:
        legs = [leg for leg in self._legs(block) if leg is not None]
        if leaves <= 0 or self._keeps_priority(command, block, leaves):
            return None
        if not all(leg.is_continuous for leg in legs):
            return RejectReason.NOT_OPEN
        if command.price * leaves * legs[0].lot_micros > MONEY_MAX:
            return RejectReason.QTY_MAX
        if command.flags & OrderFlag.KEEP_PRIORITY:
            return RejectReason.PRIORITY
        return self._replaced_risk_refusal(command, block, leaves, legs)

    def _replaced_risk_refusal(
        self, command: Command, block: Block, leaves: int, legs: list[Instrument]
    ) -> RejectReason | None:
        """Measure the block as if it had its new limit."""
        before = block.limit, block.reserve
        block.limit = command.price
        block.reserve = self.reserve(block)
        reason = self._risk_refusal(block, leaves, block.leaves, legs, freed=before[1] * block.leaves)
        block.limit, block.reserve = before
        return reason


def is_malformed(command: Command, block: Block) -> bool:
    """Whether a field of a block is out of its range or does not go with another."""
    several_fabrics = block.scope & (block.scope - 1) != 0
    if (
        command.side > Side.SELL
        or command.tif > Tif.GTD
        or command.stp
        or command.flags & FLAGS_MASK & ~BLOCK_FLAGS
        or (block.physical and command.side != Side.SELL)
    ):
        return True
    if command.target == 0 or not 1 <= block.hours <= BLOCK_HOURS_MAX or block.start < 0:
        return True
    if command.side == Side.SELL and several_fabrics:
        return True
    if block.hours == 1 and block.scope and not several_fabrics:
        return True
    if command.lots_2 < 0 or 0 < command.lots < command.lots_2:
        return True
    return command.amount <= 0 if command.tif == Tif.GTD else command.amount != 0


def phase_refusal(legs: list[Instrument]) -> RejectReason | None:
    """NOT_OPEN where a leg is not open yet, WINDOW_CLOSED where one has left continuous trading."""
    if any(leg.phase in BEFORE_TRADING for leg in legs):
        return RejectReason.NOT_OPEN
    if any(leg.phase not in STILL_TRADING for leg in legs):
        return RejectReason.WINDOW_CLOSED
    return None


def number_refusal(command: Command, lot_micros: int) -> RejectReason | None:
    """Return what the numbers of a block have against it."""
    if not 0 <= command.price <= PRICE_MAX_TICKS:
        return RejectReason.PX_TICK
    if command.lots < 1:
        return RejectReason.QTY_LOT
    if command.lots > LOTS_MAX or command.price * command.lots * lot_micros > MONEY_MAX:
        return RejectReason.QTY_MAX
    return None
