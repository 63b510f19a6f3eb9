"""The reference core: takes records, gives events. The same interface as ``ext.core.Core``."""

import struct
from collections.abc import Callable
from functools import partial
from itertools import islice

from exchange.commands import check_lengths
from exchange.errors import InvariantViolation, RecordError
from exchange.reasons import RejectReason
from exchange.records import CommandType, EventFlag, EventType, Side
from exchange.reference.accounts import Account, Instrument, Position, pay
from exchange.reference.block_entry import BlockEntry
from exchange.reference.cancelling import Cancelling
from exchange.reference.clearing import Clearing, check
from exchange.reference.dump import dump_state
from exchange.reference.entry import Entry
from exchange.reference.layout import Command, unpack_command
from exchange.reference.matching import Matching
from exchange.reference.orders import Block, Order
from exchange.reference.phases import Phases
from exchange.reference.quoting import Quoting
from exchange.reference.state import State
from exchange.reference.trading_blocks import BlockTrading
from exchange.reference.uncross import Uncross
from exchange.units import AMOUNT_MAX, FABRICS_MAX, MONEY_MAX

_ROW = struct.Struct("<5q")
RARE_FIRST = 220  # Record types from here on have a payload and are the engine's.


class ReferenceCore:
    """One venue's orders, positions and money.

    Args:
        orders_max: order slots of the venue.
        accounts_max: accounts, the venue's account 0 included.
        instruments_max: instruments.
        account_orders_max: open orders of one account.

    """

    def __init__(
        self,
        orders_max: int = 1 << 22,
        accounts_max: int = 1 << 20,
        instruments_max: int = 1 << 18,
        account_orders_max: int = 1 << 18,
    ) -> None:
        self.state = State(orders_max, accounts_max, instruments_max, account_orders_max)
        self.matching = Matching(self.state)
        self.entry = Entry(self.state, self.matching)
        self.quoting = Quoting(self.state, self.matching, self.entry)
        self.cancelling = Cancelling(self.state)
        self.clearing = Clearing(self.state, self.matching)
        self.uncross = Uncross(self.state, self.matching)
        self.phases = Phases(self.state, self.uncross)
        self.blocks = BlockTrading(self.state, self.matching)
        self.block_entry = BlockEntry(self.state, self.blocks, self.entry)
        self.matching.wake = self.blocks.wake  # type: ignore[method-assign]
        self.matching.suspend = self.phases.suspend  # type: ignore[method-assign]
        self._batch_first_seq = 1
        self._handlers: dict[int, Callable[[Command], None]] = {
            CommandType.PLACE: partial(self._as_client, self._place),
            CommandType.CANCEL: partial(self._as_client, self._cancel),
            CommandType.CANCEL_REF: partial(self._as_client, self._cancel),
            CommandType.REPLACE: partial(self._as_client, self._replace),
            CommandType.REPLACE_REF: partial(self._as_client, self._replace),
            CommandType.MASS_CANCEL: partial(self._as_client, self._mass_cancel),
            CommandType.QUOTE: partial(self._as_client, self._quote),
            CommandType.BLOCK: partial(self._as_client, self._block),
            CommandType.MMP_SET: partial(self._as_client, self._mmp_set),
            CommandType.MMP_RESET: partial(self._as_client, self._mmp_reset),
            CommandType.TIME: self._time,
            CommandType.DEPOSIT: self._deposit,
            CommandType.WITHDRAW: self._withdraw,
            CommandType.SESSION_LOST: self._session_lost,
            CommandType.SESSION: self._session,
        }

    # Batches.

    @property
    def seq(self) -> int:
        """Sequence number of the last command."""
        return self.state.seq

    @property
    def now_ns(self) -> int:
        """The present time."""
        return self.state.now_ns

    @property
    def accounts_max(self) -> int:
        """Most accounts, account 0 included."""
        return self.state.accounts_max

    @property
    def instruments_max(self) -> int:
        """Most instruments."""
        return self.state.instruments_max

    def begin(self, ts_ns: int) -> None:
        """Start a batch at a time (ENG-002).

        Raises:
            InvariantViolation: time would go back.

        """
        if ts_ns < self.state.now_ns:
            raise InvariantViolation(f"time must not go back from {self.state.now_ns} ns, was {ts_ns} ns")
        self.state.now_ns = ts_ns
        self.state.events.records.clear()
        self._batch_first_seq = self.state.seq + 1

    def adds_up(self, records: bytes) -> bool:
        """Whether the lengths of the records are multiples of 64 that end where the batch ends (ENG-003)."""
        try:
            check_lengths(records)
        except RecordError:
            return False
        return True

    def run(self, records: bytes, offset: int) -> int:
        """Execute records from a byte offset up to the end or the first one that is the engine's; return where.

        Raises:
            RecordError: the record lengths do not add up; checked at offset 0, before anything is applied (ENG-003).

        """
        if offset == 0:
            check_lengths(records)
        while offset < len(records):
            command = unpack_command(records, offset)
            if command.type >= RARE_FIRST:
                break
            self._execute(command)
            offset += command.length
            if self.phases.gate_waiting is not None:
                break
        return offset

    def apply(self, records: bytes, ts_ns: int) -> int:
        """Begin and run a batch in which no record is the engine's; return the number of its events.

        Raises:
            RecordError: a record is the engine's, or as in `run`.
            InvariantViolation: as in `begin`.

        """
        self.begin(ts_ns)
        if self.run(records, 0) != len(records) or self.gate_waiting:
            raise RecordError("records with a payload, and gates with holders, must go through the engine")
        return self.event_count

    def begin_rare(self) -> None:
        """Take the next sequence number for a record the engine handles."""
        self.state.start_command(self.state.seq + 1 - self._batch_first_seq)

    def end_rare(self) -> None:
        """Finish a record the engine has handled."""
        self._finish()

    def emit(
        self,
        type: int,
        *,
        flags: int = 0,
        reason: int = 0,
        account: int = 0,
        instrument: int = 0,
        price: int = 0,
        lots: int = 0,
        cum: int = 0,
        leaves: int = 0,
        amount: int = 0,
        match_id: int = 0,
    ) -> None:
        """Add an event of the engine's own."""
        self.state.events.emit(
            type, flags=flags, reason=reason, account=account, instrument=instrument, price=price, lots=lots,
            cum=cum, leaves=leaves, amount=amount, match_id=match_id,
        )  # fmt: skip

    def set_lots(self, event: int, lots: int) -> None:
        """Put a number into an event of this batch that could not be known when it was added."""
        self.state.events.set_lots(event, lots)

    @property
    def event_count(self) -> int:
        """Events of the batch so far."""
        return len(self.state.events.records)

    def events_bytes(self) -> bytes:
        """Return the batch's events as records of 64 bytes."""
        return b"".join(self.state.events.records)

    # Administration; the engine has validated everything.

    def add_account(self, number: int, group: int, margined: bool) -> None:
        """Open an account; numbers come densely from 1.

        Raises:
            ValueError: the number is not the next one, or there is no room.

        """
        following = len(self.state.accounts)
        if number != following or number >= self.state.accounts_max:
            raise ValueError(f"account must be {following}, below {self.state.accounts_max}, was {number}")
        self.state.accounts.append(Account(number, group, bool(margined)))

    def add_product(self, number: int, fabrics: int) -> None:
        """Make a product known; numbers come densely from 1.

        Raises:
            ValueError: the number is not the next one, or there are not 1 to 64 fabrics.

        """
        following = len(self.state.fabrics) + 1
        if number != following or not 1 <= fabrics <= FABRICS_MAX:
            raise ValueError(f"product must be {following} with 1 to {FABRICS_MAX} fabrics, was {number}, {fabrics}")
        self.state.fabrics.append(fabrics)

    def add_instrument(
        self,
        handle: int,
        product: int,
        fabric: int,
        window: int,
        lot_micros: int,
        maker_fee_ppm: int,
        taker_fee_ppm: int,
        volatility_call_ns: int,
        band_static_bps: int,
        band_dynamic_bps: int,
        schedule: list[tuple[int, int]],
    ) -> None:
        """List an instrument; handles come densely from 1, the fabrics of a window one after another.

        Args:
            handle: the next handle.
            product: number of its product, which is known.
            fabric: index of its fabric.
            window: hours since 1970.
            lot_micros: micro-dollars of one tick on one lot.
            maker_fee_ppm: of a fill's value.
            taker_fee_ppm: of a fill's value.
            volatility_call_ns: how long a volatility call lasts.
            band_static_bps: 0: none.
            band_dynamic_bps: 0: none.
            schedule: times and phases, the present phase first.

        Raises:
            ValueError: the handle is not the next one, or there is no room.

        """
        following = len(self.state.instruments) + 1
        if handle != following or handle > self.state.instruments_max:
            raise ValueError(f"handle must be {following}, at most {self.state.instruments_max}, was {handle}")
        (_, phase), *moments = schedule
        instrument = Instrument(
            handle, product, fabric, window, lot_micros, maker_fee_ppm, taker_fee_ppm, volatility_call_ns,
            band_static_bps, band_dynamic_bps, int(phase), [(int(at), int(what)) for at, what in moments],
        )  # fmt: skip
        self.state.instruments.append(instrument)
        self.state.legs[product, window, fabric] = instrument
        self.phases.schedule(instrument)

    # The gate, halts, capacity, the balancing market: the engine decides, these carry out.

    @property
    def gate_waiting(self) -> int:
        """Handle of an instrument whose gate waits for `close_gate`, 0 if none."""
        return 0 if self.phases.gate_waiting is None else self.phases.gate_waiting.handle

    def close_gate(self) -> None:
        """End the orders of the instrument whose gate waits, and tell its phase (MKT-007)."""
        self.phases.close_gate()

    def go_on(self) -> None:
        """Go on with the TIME command that a gate has interrupted; finishes it unless another gate waits."""
        self.phases.go_on()
        if self.phases.gate_waiting is None:
            self._finish()

    def halt(self, handle: int) -> None:
        """Stop trading (MKT-006)."""
        self.phases.halt(self._listed(handle))

    def resume(self, handle: int) -> None:
        """Let a halted instrument trade again (MKT-006)."""
        self.phases.resume(self._listed(handle))

    def phase(self, handle: int) -> int:
        """Return the phase of an instrument."""
        return self._listed(handle).phase

    def is_balancing(self, handle: int) -> bool:
        """Whether standby sells may rest (MKT-030)."""
        return self._listed(handle).balancing

    def mark(self, handle: int) -> int | None:
        """Return the mark in ticks, or None."""
        return self._listed(handle).mark

    def group(self, account: int) -> int:
        """Return the owner group of an account."""
        return self._known(account).group

    def holdings(self, handle: int) -> list[tuple[int, int, int]]:
        """Return (account, lots, certified) of every position of an instrument, in order of creation."""
        return [(one.account.number, one.lots, one.certified) for one in self._listed(handle).positions]

    def sells(self, handle: int) -> list[tuple[int, int, int, int, bool]]:
        """Return (oid, price, leaves, account, physical) of the resting sells, best first."""
        orders = self._listed(handle).book.orders(Side.SELL)
        return [(one.oid, one.price, one.leaves, one.position.account.number, one.physical) for one in orders]

    def resting(self, handle: int, side: int) -> list[tuple[int, int, int, int, bool, bool]]:
        """Return (oid, price, leaves, account, physical, firm) of a side's resting orders, best first. O(orders)."""
        instrument = self._listed(handle)
        check("side", side, Side.BUY, Side.SELL)
        return [
            (one.oid, one.price, one.leaves, one.position.account.number, one.physical, one.firm)
            for one in instrument.book.orders(side)
        ]

    def open_orders(self, account: int) -> list[tuple[int, ...]]:
        """Return (oid, ref, lane, instrument, side, price, leaves, cum, tag) of an account's orders (ACC-011)."""
        return [one.row for position in self._known(account).positions.values() for one in position.orders.values()]

    def open_blocks(self, account: int) -> list[tuple[int, ...]]:
        """Return (oid, ref, lane, product, scope, start, hours, side, limit, leaves, cum, tag) of its blocks."""
        return [one.row for one in self._known(account).blocks.values()]

    def take(self, oid: int, lots: int, account: int, fee_ppm: int) -> int:
        """Buy of a resting sell for an account, at most what it shows; return the lots (MKT-021, MKT-032)."""
        return self.hit(oid, lots, account, fee_ppm)

    def certify(self, account: int, handle: int, lots: int) -> None:
        """Set an account's capacity in an instrument; what it no longer backs ends (MKT-020, MKT-022)."""
        self.clearing.certify(self._known(account), self._listed(handle), lots)

    def set_rates(self, handle: int, long_micros: int, short_micros: int) -> None:
        """Set the requirement of one lot held, and evaluate every position of the instrument (RSK-004)."""
        self.clearing.set_rates(self._listed(handle), long_micros, short_micros)

    def set_mark(self, handle: int, ticks: int) -> None:
        """Set the mark: pay the move on every position, then evaluate it (ACC-004, RSK-004)."""
        self.clearing.set_mark(self._listed(handle), ticks)

    # The clearinghouse. Between `begin_rare` and `end_rare`; ValueError for what is not known or out of its range.

    def pay(self, account: int, micros: int) -> None:
        """Add -2^62 to 2^62 micro-dollars to a balance, that of account 0 included (ACC-006)."""
        self.clearing.pay(self._known(account), micros)

    def pay_external(self, micros: int) -> None:
        """Add to EXT's balance, which stays within 2^62 either way (ACC-006)."""
        self.clearing.pay_external(micros)

    def set_margin(self, account: int, addon: int, credit: int, keep: int) -> None:
        """Set what is asked and granted beyond the positions, 0 to 2^62 micro-dollars (ACC-007, RSK-007, RSK-008)."""
        self.clearing.set_margin(self._known(account), addon, credit, keep)

    def margin_terms(self, account: int) -> tuple[int, int, int]:
        """Return (addon, credit, keep) of an account; its credit is 0 once it has had a fill."""
        known = self._known(account)
        return known.addon, known.credit, known.keep

    def set_prepaid(self, account: int, prepaid: bool) -> None:
        """Make an account pay in full, or not, and evaluate its positions, O(them) (RSK-009)."""
        self.clearing.set_prepaid(self._known(account), prepaid)

    def is_prepaid(self, account: int) -> bool:
        """Whether an account pays in full."""
        return self._known(account).prepaid

    def clear_mark(self, handle: int) -> None:
        """Take mark and rates from a contract that has been paid, and evaluate its positions (ACC-010)."""
        self.clearing.clear_mark(self._listed(handle))

    def move_lots(self, handle: int, from_account: int, to_account: int, lots: int) -> None:
        """Move 1 to 2^31 - 1 long lots between two accounts at the mark: no money, no event (ACC-008)."""
        self.clearing.move_lots(self._listed(handle), self._known(from_account), self._known(to_account), lots)

    def end_orders(self, account: int, reason: int, handle: int = 0) -> int:
        """End every order and block of an account, in one instrument or (0) all; return how many (CXL-005)."""
        owner, instrument = self._known(account), self._listed(handle) if handle else None
        return self.clearing.end_orders(owner, reason, instrument)

    def hit(self, oid: int, lots: int, account: int, fee_ppm: int, price: int = -1, at_mark: bool = False) -> int:
        """Trade with a resting order for an account, at most what it shows; return the lots (ACC-009).

        Args:
            oid: the order, of either side; not a block.
            lots: at least 1.
            account: who takes the other side.
            fee_ppm: what he pays of the value.
            price: in ticks, at least as good for the order as its own; -1: its own.
            at_mark: no money moves for the lots, and neither mark nor last price changes.

        """
        return self.clearing.hit(oid, lots, self._known(account), fee_ppm, price, at_mark)

    def _listed(self, handle: int) -> Instrument:
        instrument = self.state.instrument(handle)
        if instrument is None:
            raise ValueError(f"handle must be from 1 to {len(self.state.instruments)}, was {handle}")
        return instrument

    # Looking.

    def balance(self, account: int) -> int:
        """Return an account's balance in micro-dollars."""
        return self._known(account).balance

    def external_balance(self) -> int:
        """Return the balance of EXT: minus what is paid in on balance."""
        return self.state.external.balance

    def requirement_sum(self, account: int) -> int:
        """Return the sum of an account's requirements in micro-dollars."""
        return self._known(account).requirement

    def position(self, account: int, instrument: int) -> tuple[int, int, int, int]:
        """Return position, open buy lots, open sell lots and requirement; zeros where there is none."""
        known = account < len(self.state.accounts)
        position = self.state.accounts[account].positions.get(instrument) if known else None
        return (0, 0, 0, 0) if position is None else _counters(position)

    def positions_bytes(self, account: int = 0) -> bytes:
        """Return account, handle, lots, open buy and open sell lots as int64 rows, those of three zeros left out.

        Of one account, or (0) of all; in order of creation, little-endian. O(positions of all accounts).
        """
        rows = ((one.account.number, one.instrument.handle, one.lots, *one.open_lots) for one in self.state.positions)
        return b"".join(_ROW.pack(*row) for row in rows if any(row[2:]) and account in (0, row[0]))

    def best(self, instrument: int, side: int) -> tuple[int, int] | None:
        """Return the best price of a side and its shown lots, or None."""
        level = self._listed(instrument).book.best_level(side)
        return None if level is None else (level.price, level.shown())

    def depth(self, instrument: int, side: int, levels: int) -> list[tuple[int, int, int]]:
        """Return up to ``levels`` levels of a side, best first: price, shown lots, orders."""
        best_first = self._listed(instrument).book.levels(side)
        return [(level.price, level.shown(), len(level.queue)) for level in islice(best_first, levels)]

    def last_ref(self, account: int, lane: int) -> int:
        """Return the highest ref a lane has used, 0 where it has used none."""
        known = self.state.answers.lanes.get((account, lane))
        return 0 if known is None else known.last_ref

    def _known(self, number: int) -> Account:
        if not 0 <= number < len(self.state.accounts):
            raise ValueError(f"account must be below {len(self.state.accounts)}, was {number}")
        return self.state.accounts[number]

    def dump(self) -> bytes:
        """Return the state as canonical bytes."""
        return dump_state(self.state)

    # Commands.

    def _execute(self, command: Command) -> None:
        self.state.start_command(self.state.seq + 1 - self._batch_first_seq)
        handler = self._handlers.get(command.type)
        if handler is None:
            self.state.answers.reject(command, RejectReason.UNKNOWN_TYPE)
        else:
            handler(command)
        if self.phases.gate_waiting is None:
            self._finish()

    def _finish(self) -> None:
        """End a command: blocks that may trade again, pulled quotes, requirements, levels, indications."""
        for product in sorted(self.state.opened_products):
            self.blocks.recheck(product)
        self.state.opened_products.clear()
        fired = self.state.protections.fired
        for account, quote_set in fired:
            self.cancelling.pull_quotes(self.state.accounts[account], quote_set)
            self.state.protections.tell((account, quote_set))
        fired.clear()
        for instrument in self.state.finish_command():
            if instrument.in_call:
                self._indicate(instrument)

    def _indicate(self, instrument: Instrument) -> None:
        """Publish what an uncross would do now (AUC-005)."""
        found = self.uncross.indication(instrument)
        price, volume, surplus = (0, 0, 0) if found is None else found
        self.state.events.emit(
            EventType.INDICATIVE, instrument=instrument.handle, price=price, amount=volume, match_id=abs(surplus),
            flags=EventFlag.SELL if surplus < 0 else 0,
        )  # fmt: skip

    def _as_client(self, execute: Callable[[Command, Account], None], command: Command) -> None:
        """Check account and ref before everything else (ORD-002)."""
        account = self.state.client(command.account)
        if account is None:
            self.state.answers.reject(command, RejectReason.NO_ACCOUNT)
        elif self.state.answers.admit(command):
            execute(command, account)

    def _place(self, command: Command, account: Account) -> None:
        self.entry.place(command, account)

    def _cancel(self, command: Command, account: Account) -> None:
        self.cancelling.cancel(command, self._target(command, account))

    def _replace(self, command: Command, account: Account) -> None:
        target = self._target(command, account)
        if isinstance(target, Block):
            self.block_entry.replace(command, target)
        else:
            self.entry.replace(command, target)

    def _block(self, command: Command, account: Account) -> None:
        self.block_entry.place(command, account)

    def _mmp_set(self, command: Command, account: Account) -> None:
        self.quoting.protect(command)

    def _mmp_reset(self, command: Command, account: Account) -> None:
        self.quoting.reset(command)

    def _mass_cancel(self, command: Command, account: Account) -> None:
        self.cancelling.mass_cancel(command, account)

    def _quote(self, command: Command, account: Account) -> None:
        self.quoting.quote(command, account)

    def _target(self, command: Command, account: Account) -> Order | Block | None:
        """Return the live order a cancel or replace names, or None; a quote's orders cannot be named (RPL-003)."""
        if command.type in (CommandType.CANCEL_REF, CommandType.REPLACE_REF):
            return self.state.by_ref.get((account.number, command.lane, command.target))
        block = self.state.blocks.get(command.target)
        if block is not None:
            return block if block.account is account else None
        order = self.state.orders.get(command.target)
        if order is None or order.position.account is not account or order.is_quote:
            return None
        return order

    def _time(self, command: Command) -> None:
        self.cancelling.expire(command)
        self.phases.go_on()

    def _session_lost(self, command: Command) -> None:
        self.cancelling.session_lost(command)

    def _session(self, command: Command) -> None:
        self.cancelling.note_session(command)

    def _deposit(self, command: Command) -> None:
        """Pay in from EXT; the first deposit makes an account margined (ACC-002)."""
        account = self._payable(command)
        if account is None:
            return
        if max(account.balance, -self.state.external.balance) + command.amount > MONEY_MAX:
            self.state.answers.reject(command, RejectReason.BALANCE)
            return
        account.margined = True
        self._pay_through(command, self.state.external, account, account)

    def _withdraw(self, command: Command) -> None:
        """Pay out to EXT what the requirements leave free (ACC-002)."""
        account = self._payable(command)
        if account is None:
            return
        if command.amount > min(account.withdrawable, MONEY_MAX - self.state.external.balance):
            self.state.answers.reject(command, RejectReason.BALANCE)
            return
        self._pay_through(command, account, self.state.external, account)

    def _payable(self, command: Command) -> Account | None:
        """Return the account of a deposit or withdrawal, or refuse it and return None."""
        if not 1 <= command.amount <= AMOUNT_MAX:
            self.state.answers.reject(command, RejectReason.MALFORMED)
            return None
        account = self.state.client(command.account)
        if account is None:
            self.state.answers.reject(command, RejectReason.NO_ACCOUNT)
        return account

    def _pay_through(self, command: Command, payer: Account, payee: Account, told: Account) -> None:
        self.state.answers.ack(command)
        pay(payer, payee, command.amount)
        amount = max(-MONEY_MAX, min(told.balance, MONEY_MAX))  # As much as an event can tell (ACC-005).
        self.state.events.emit(EventType.ACCOUNT, account=told.number, amount=amount)


def _counters(position: Position) -> tuple[int, int, int, int]:
    return position.lots, position.open_lots[0], position.open_lots[1], position.requirement
