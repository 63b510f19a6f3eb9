"""The ledger: double entry in micro-dollars (CLR-LED).

Participants' collateral, the venue's fees and EXT are balances of the core; everything else is kept here. A posting
moves money from one account to another and tells both sides, so the sum over all accounts stays 0, and the statement of
any account can be read from the events of a replay.
"""

from typing import NamedTuple, Protocol

from exchange.clearing.words import Cause, Kind
from exchange.errors import InvariantViolation
from exchange.records import EventType
from exchange.units import MONEY_MAX

IN_CORE = (Kind.COLLATERAL, Kind.FEE, Kind.EXTERNAL)
OF_PARTICIPANTS = (Kind.COLLATERAL, Kind.BOND, Kind.FUND)


class Purse(NamedTuple):
    """One account of the ledger: its kind and whose it is (an account, instrument, case or class number; else 0)."""

    kind: Kind
    owner: int = 0


SITG = Purse(Kind.SITG)
STANDBY = Purse(Kind.STANDBY)
FEE = Purse(Kind.FEE)
EXTERNAL = Purse(Kind.EXTERNAL)


class Money(Protocol):
    """What is needed of a core."""

    def balance(self, account: int) -> int:
        """Return an account's balance."""

    def external_balance(self) -> int:
        """Return the balance of EXT."""

    def pay(self, account: int, micros: int) -> None:
        """Add to an account's balance."""

    def pay_external(self, micros: int) -> None:
        """Add to the balance of EXT."""

    def emit(
        self, type: int, *, reason: int = 0, account: int = 0, instrument: int = 0, price: int = 0, lots: int = 0,
        cum: int = 0, amount: int = 0,
    ) -> None:  # fmt: skip
        """Add an event."""


class Ledger:
    """All accounts that are not the core's, and the way to move money between any two."""

    def __init__(self, core: Money) -> None:
        self._core = core
        self._balances: dict[Purse, int] = {}  # None is ever negative (CLR-LED-003).

    def balance(self, purse: Purse) -> int:
        """Return what an account holds."""
        if purse.kind is Kind.COLLATERAL:
            return self._core.balance(purse.owner)
        if purse.kind is Kind.FEE:
            return self._core.balance(0)
        if purse.kind is Kind.EXTERNAL:
            return self._core.external_balance()
        return self._balances.get(purse, 0)

    @property
    def total(self) -> int:
        """Sum over the accounts kept here: minus the sum over the core's, after every command (CLR-LED-002)."""
        return sum(self._balances.values())

    def of_kind(self, kind: Kind) -> dict[int, int]:
        """Return {owner: balance} of the accounts of a kind that hold something, by owner."""
        return {purse.owner: self._balances[purse] for purse in sorted(self._balances) if purse.kind is kind}

    def post(
        self, cause: Cause, payer: Purse, payee: Purse, micros: int, *, case: int = 0, handle: int = 0
    ) -> None:
        """Move money and tell it; nothing happens for 0 (CLR-LED-001).

        Raises:
            InvariantViolation: the amount is negative, or the payer, an account kept here, has not so much.

        """
        if micros == 0 or payer == payee:
            return
        if not 0 < micros <= MONEY_MAX:
            raise InvariantViolation(f"a posting must be from 1 to {MONEY_MAX} micro-dollars, was {micros}")
        self._add(cause, payer, -micros, case, handle)
        self._add(cause, payee, micros, case, handle)

    def tell(self, cause: Cause, purse: Purse, micros: int, *, case: int = 0, handle: int = 0) -> None:
        """Tell a movement that the core has made by itself, such as variation margin."""
        self._core.emit(
            EventType.ENTRY, reason=cause, account=purse.owner if purse.kind in OF_PARTICIPANTS else 0,
            instrument=handle, price=purse.kind, lots=case, cum=0 if purse.kind in OF_PARTICIPANTS else purse.owner,
            amount=micros,
        )  # fmt: skip

    def _add(self, cause: Cause, purse: Purse, micros: int, case: int, handle: int) -> None:
        if purse.kind is Kind.EXTERNAL:
            self._core.pay_external(micros)
        elif purse.kind in IN_CORE:
            self._core.pay(purse.owner, micros)
        else:
            left = self._balances.pop(purse, 0) + micros
            if not 0 <= left <= MONEY_MAX:
                raise InvariantViolation(f"{purse} must hold from 0 to {MONEY_MAX} micro-dollars, was {left}")
            if left:
                self._balances[purse] = left
        self.tell(cause, purse, micros, case=case, handle=handle)

    def canonical(self) -> list[str]:
        """Return one line an account, in order."""
        return [
            f"purse {purse.kind.value} {purse.owner} {self._balances[purse]}" for purse in sorted(self._balances)
        ]
