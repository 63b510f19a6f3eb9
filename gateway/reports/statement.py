"""The statement of one account: every movement of its money, with the balance behind it."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from exchange.clearing.ledger import Purse
from exchange.clearing.words import Kind
from exchange.replay import Frame
from gateway.reports.movements import Movements
from gateway.reports.names import OF_ACCOUNTS, OF_NUMBERS, PURSE_KINDS, place_fields, place_text, short_time
from gateway.reports.playback import Playback
from gateway.reports.tables import text_table

HEADERS = ("seq", "time (UTC)", "cause", "window", "case", "amount", "balance", "details")


class Disagreement(Exception):
    """The movements of an account do not add up to its balance in the core."""


class Line(NamedTuple):
    """One movement; amounts in micro-dollars."""

    seq: int
    at_ns: int
    cause: str
    handle: int
    case: int
    micros: int
    balance: int
    detail: str


class Statement:
    """The statement of one account of the ledger, made by one playback.

    Args:
        playback: at its beginning.
        purse: a word of `PURSE_KINDS`.
        owner: name of an account, or the number of an instrument (escrow), case (estate) or class (pool); else empty.

    Raises:
        ValueError: the purse needs an owner and has none, or the other way round.

    """

    def __init__(self, playback: Playback, purse: str, owner: str) -> None:
        if purse in OF_NUMBERS and not owner.isdecimal():
            raise ValueError(f"{purse} needs a number in the place of ACCOUNT, was {owner!r}")
        if purse in OF_ACCOUNTS and not owner:
            raise ValueError(f"{purse} needs the name of an account")
        if purse not in OF_ACCOUNTS + OF_NUMBERS and owner:
            raise ValueError(f"{purse} is the venue's own and has no owner, was {owner!r}")
        self.playback = playback
        self.purse_name, self.owner = purse, owner
        self.balance = 0
        self.commands = 0  # At so many the balance was compared with the core's.
        self._purse: Purse | None = None if purse in OF_ACCOUNTS else Purse(PURSE_KINDS[purse], int(owner or 0))

    @property
    def is_known(self) -> bool:
        """Whether there is such an account, as far as the playback has come."""
        return self._find() is not None

    def lines(self, frames: Iterable[Frame]) -> Iterator[Line]:
        """Yield every movement, and compare the balance with the ledger's behind every command.

        Raises:
            Disagreement: they differ; the text says where.

        """
        engine = self.playback.engine
        movements = Movements(engine.catalogue)
        for step in self.playback.steps(frames):
            moved = movements.of(step)
            purse = self._find()
            if purse is None:
                continue
            for one in moved:
                if one.purse == purse:
                    self.balance += one.micros
                    yield Line(
                        step.seq, step.now_ns, one.cause, one.handle, one.case, one.micros, self.balance, one.detail
                    )
            self.commands += 1
            held = engine.house.state.ledger.balance(purse)
            if held != self.balance:
                raise Disagreement(
                    f"after command {step.seq} the movements add up to {self.balance}, the balance is {held}"
                )

    def _find(self) -> Purse | None:
        if self._purse is None:
            number = self.playback.engine.catalogue.account_number(self.owner)
            if number is not None:
                self._purse = Purse(Kind(PURSE_KINDS[self.purse_name]), number)
        return self._purse

    # What is printed.

    def report(self, lines: Iterable[Line]) -> dict[str, Any]:
        """Return the statement as one JSON object."""
        catalogue = self.playback.engine.catalogue
        return {
            "purse": self.purse_name,
            "owner": self.owner,
            "seq": self.playback.engine.seq,
            "balance": self.balance,
            "commands_compared": self.commands,
            "movements": [
                {"seq": one.seq, "at_ns": one.at_ns, "cause": one.cause, **place_fields(catalogue, one.handle)}
                | ({"case": one.case} if one.case else {})
                | {"micros": one.micros, "balance": one.balance}
                | ({"details": one.detail} if one.detail else {})
                for one in lines
            ],
        }

    def text(self, lines: Iterable[Line]) -> str:
        """Return the statement as a table."""
        catalogue = self.playback.engine.catalogue
        rows = [
            (
                str(one.seq), short_time(one.at_ns), one.cause, place_text(catalogue, one.handle), one.case or None,
                one.micros, one.balance, one.detail,
            )
            for one in lines
        ]  # fmt: skip
        head = f"{self.purse_name} {self.owner}".rstrip()
        foot = (
            f"balance {self.balance:,} micro-dollars at command {self.playback.engine.seq}; compared with the core's "
            f"at {self.commands:,} commands"
        )
        return f"{head}\n{text_table(HEADERS, rows)}\n{foot}"
