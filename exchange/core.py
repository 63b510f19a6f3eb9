"""What a core is: the one interface of the compiled core and of its plain twin."""

from typing import Protocol


class Core(Protocol):
    """Orders, positions and money: ``ext.core.Core`` or ``exchange.reference.ReferenceCore``."""

    @property
    def seq(self) -> int:
        """Sequence number of the last command."""

    @property
    def now_ns(self) -> int:
        """The present time, in nanoseconds since 1970."""

    @property
    def accounts_max(self) -> int:
        """Most accounts, account 0 included."""

    @property
    def instruments_max(self) -> int:
        """Most instruments."""

    # Batches.

    @property
    def event_count(self) -> int:
        """Events of the batch so far."""

    def begin(self, ts_ns: int) -> None:
        """Start a batch at a time, and forget the last one's events.

        Raises:
            AssertionError: time would go back (ENG-002).

        """

    def run(self, records: bytes, offset: int) -> int:
        """Execute records from a byte offset up to the end or the first one that is the engine's; return where.

        Raises:
            ValueError: the record lengths do not add up; checked at offset 0, before anything is applied (ENG-003).
            AssertionError: the core contradicted itself, or ran out of memory.

        """

    def apply(self, records: bytes, ts_ns: int) -> int:
        """Begin and run a batch in which no record is the engine's; return the number of its events.

        Raises:
            ValueError: a record is the engine's, or as in `run`.
            AssertionError: as in `begin` and `run`.

        """

    def begin_rare(self) -> None:
        """Take the next sequence number for a record the engine handles."""

    def end_rare(self) -> None:
        """Finish a record the engine has handled."""

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

    def events_bytes(self) -> bytes:
        """Return the batch's events as records of 64 bytes."""

    # Administration; the engine has validated everything.

    def add_account(self, number: int, group: int, margined: bool) -> None:
        """Open an account; numbers come densely from 1.

        Raises:
            ValueError: the number is not the next one, or there is no room.

        """

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

    def set_rates(self, handle: int, long_micros: int, short_micros: int) -> None:
        """Set the requirement of one lot held, and evaluate every position of the instrument (RSK-004)."""

    def set_mark(self, handle: int, ticks: int) -> None:
        """Set the mark: pay the move on every position, then evaluate it (ACC-004, RSK-004)."""

    # Looking; ValueError for an account or instrument that is not there, unless it says otherwise.

    def balance(self, account: int) -> int:
        """Return an account's balance in micro-dollars."""

    def external_balance(self) -> int:
        """Return the balance of EXT: minus what is paid in on balance."""

    def requirement_sum(self, account: int) -> int:
        """Return the sum of an account's requirements in micro-dollars."""

    def position(self, account: int, instrument: int) -> tuple[int, int, int, int]:
        """Return position, open buy lots, open sell lots and requirement; zeros where there is none."""

    def best(self, instrument: int, side: int) -> tuple[int, int] | None:
        """Return the best price of a side and its shown lots, or None."""

    def depth(self, instrument: int, side: int, levels: int) -> list[tuple[int, int, int]]:
        """Return up to ``levels`` levels of a side, best first: price, shown lots, orders."""

    def last_ref(self, account: int, lane: int) -> int:
        """Return the highest ref a lane has used, 0 where it has used none."""

    def dump(self) -> bytes:
        """Return the state as canonical bytes (docs/spec/engine.md)."""
