"""The reference core: takes records, gives events. The same interface as ``ext.core.Core``."""

from collections.abc import Callable
from functools import partial
from itertools import islice

from exchange.commands import check_lengths
from exchange.errors import InvariantViolation, RecordError
from exchange.reasons import RejectReason
from exchange.records import CommandType, EventType
from exchange.reference import risk
from exchange.reference.accounts import Account, Instrument, Position, pay
from exchange.reference.cancelling import Cancelling
from exchange.reference.dump import dump_state
from exchange.reference.entry import Entry
from exchange.reference.layout import Command, unpack_command
from exchange.reference.matching import Matching
from exchange.reference.orders import Order
from exchange.reference.quoting import Quoting
from exchange.reference.state import State
from exchange.units import AMOUNT_MAX, MONEY_MAX

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
        self._batch_first_seq = 1
        self._handlers: dict[int, Callable[[Command], None]] = {
            CommandType.PLACE: partial(self._as_client, self._place),
            CommandType.CANCEL: partial(self._as_client, self._cancel),
            CommandType.CANCEL_REF: partial(self._as_client, self._cancel),
            CommandType.REPLACE: partial(self._as_client, self._replace),
            CommandType.REPLACE_REF: partial(self._as_client, self._replace),
            CommandType.MASS_CANCEL: partial(self._as_client, self._mass_cancel),
            CommandType.QUOTE: partial(self._as_client, self._quote),
            CommandType.TIME: self._time,
            CommandType.DEPOSIT: self._deposit,
            CommandType.WITHDRAW: self._withdraw,
            CommandType.SESSION_LOST: self._session_lost,
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
        return offset

    def apply(self, records: bytes, ts_ns: int) -> int:
        """Begin and run a batch in which no record is the engine's; return the number of its events.

        Raises:
            RecordError: a record is the engine's, or as in `run`.
            InvariantViolation: as in `begin`.

        """
        self.begin(ts_ns)
        if self.run(records, 0) != len(records):
            raise RecordError("records with a payload must go through the engine")
        return self.event_count

    def begin_rare(self) -> None:
        """Take the next sequence number for a record the engine handles."""
        self.state.start_command(self.state.seq + 1 - self._batch_first_seq)

    def end_rare(self) -> None:
        """Finish a record the engine has handled."""
        self.state.finish_command()

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
        amount: int = 0,
    ) -> None:
        """Add an event of the engine's own."""
        self.state.events.emit(
            type, flags=flags, reason=reason, account=account, instrument=instrument, price=price, lots=lots,
            amount=amount,
        )  # fmt: skip

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

    def add_instrument(
        self,
        handle: int,
        product: int,
        window: int,
        lot_micros: int,
        maker_fee_ppm: int,
        taker_fee_ppm: int,
        gate_ns: int,
    ) -> None:
        """Open an order book; handles come densely from 1.

        Raises:
            ValueError: the handle is not the next one, or there is no room.

        """
        following = len(self.state.instruments) + 1
        if handle != following or handle > self.state.instruments_max:
            raise ValueError(f"handle must be {following}, at most {self.state.instruments_max}, was {handle}")
        self.state.instruments.append(
            Instrument(handle, product, window, lot_micros, maker_fee_ppm, taker_fee_ppm, gate_ns)
        )

    def set_rates(self, handle: int, long_micros: int, short_micros: int) -> None:
        """Set the requirement of one lot held, and evaluate every position of the instrument (RSK-004)."""
        instrument = self._listed(handle)
        instrument.long_micros, instrument.short_micros = long_micros, short_micros
        for position in instrument.positions:
            risk.evaluate(position)

    def set_mark(self, handle: int, ticks: int) -> None:
        """Set the mark: pay the move on every position, then evaluate it (ACC-004, RSK-004)."""
        instrument = self._listed(handle)
        if instrument.mark is not None:
            self._pay_move(instrument, ticks - instrument.mark)
        instrument.mark = ticks
        for position in instrument.positions:
            risk.evaluate(position)

    def _pay_move(self, instrument: Instrument, ticks: int) -> None:
        """Pay each holder what his lots have gained; over an instrument that sums to 0."""
        clearing = Account(number=-1, group=0, margined=False)
        for position in instrument.positions:
            pay(clearing, position.account, ticks * position.lots * instrument.lot_micros)
        if clearing.balance != 0:
            raise InvariantViolation(f"the positions of instrument {instrument.handle} must sum to 0")

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
        self.state.finish_command()

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
        self.entry.replace(command, self._target(command, account))

    def _mass_cancel(self, command: Command, account: Account) -> None:
        self.cancelling.mass_cancel(command, account)

    def _quote(self, command: Command, account: Account) -> None:
        self.quoting.quote(command, account)

    def _target(self, command: Command, account: Account) -> Order | None:
        """Return the live order a cancel or replace names, or None; a quote's orders cannot be named (RPL-003)."""
        if command.type in (CommandType.CANCEL_REF, CommandType.REPLACE_REF):
            return self.state.by_ref.get((account.number, command.lane, command.target))
        order = self.state.orders.get(command.target)
        if order is None or order.position.account is not account or order.is_quote:
            return None
        return order

    def _time(self, command: Command) -> None:
        self.cancelling.time(command)

    def _session_lost(self, command: Command) -> None:
        self.cancelling.session_lost(command)

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
        if command.amount > min(account.free, MONEY_MAX - self.state.external.balance):
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
