"""Margin of every account, the calls, and what follows when they are not met (CLR-CALL, CLR-LIQ)."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from exchange.clearing.arithmetic import PPM, ceil_div
from exchange.clearing.ledger import Purse
from exchange.clearing.margin import (
    RELEASE_PPM,
    MarginResult,
    concentration,
    cover_two,
    level,
    margin_of_losses,
)
from exchange.clearing.margin import (
    Level as Standing,
)
from exchange.clearing.pricing import Sheet
from exchange.clearing.scan import scan_losses
from exchange.clearing.state import HouseState
from exchange.clearing.tenor import addon_in_delivery, bond
from exchange.clearing.words import Kind, Level
from exchange.records import EventType
from exchange.units import MONEY_MAX, NS_PER_SECOND

ACCOUNTS_PER_CHUNK = 4_096
STRESS_PPM = 2_000_000  # Of the scenarios, for the size of the default fund.
Positions = dict[int, int]  # Lots by handle.


@dataclass(frozen=True, slots=True)
class Demanded:
    """What an account must hold, and why, in micro-dollars (CLR-RATE-003)."""

    margin: int  # Initial margin: the scan with its floor.
    buffer: int  # On top, in quiet times (CLR-SCAN-009).
    relief: int  # Gross less margin, both with the buffer.
    ahead: int  # What prefunding and delivery add-on ask beyond it.
    concentration: int
    delivering: int  # Add-on of what he delivers now.
    bond_lacking: int
    fund_lacking: int

    @property
    def addon(self) -> int:
        """What the core adds to the requirements of positions."""
        return self.concentration + self.delivering + self.bond_lacking + self.fund_lacking

    @property
    def total(self) -> int:
        """All of it: below this an account is liquidated."""
        return self.margin + self.buffer + self.ahead + self.addon


class Margining:
    """Margin of one house."""

    def __init__(self, state: HouseState) -> None:
        self.state = state

    def positions(self) -> dict[int, Positions]:
        """Return the positions of all accounts in windows not settled yet, by account in order of creation."""
        found: dict[int, Positions] = {}
        rows = np.frombuffer(self.state.core.positions_bytes(), np.int64).reshape(-1, 5)
        is_live = np.zeros(len(self.state.catalogue.instruments) + 1, np.bool_)
        is_live[[one.handle for one in self.state.live()]] = True
        for account, handle, lots in rows[(rows[:, 2] != 0) & is_live[rows[:, 1]], :3].tolist():
            found.setdefault(account, {})[handle] = lots
        return found

    def demand_all(self, sheet: Sheet) -> dict[int, Demanded]:
        """Return what every account with positions, deliveries or a record must hold (CLR-RATE-003)."""
        held = self.positions()
        place, delivering, duties = sheet.place(), self._delivering(), self._duties()
        accounts = sorted({*held, *delivering, *self.state.members} - {0, self.state.account})
        found: dict[int, Demanded] = {}
        for first in range(0, len(accounts), ACCOUNTS_PER_CHUNK):
            chunk = accounts[first : first + ACCOUNTS_PER_CHUNK]
            for account, margin, gross in self._scan(chunk, held, sheet):
                found[account] = self._demanded(
                    account, (margin, gross), held.get(account, {}), sheet, place, delivering.get(account, 0),
                    duties.get(account, []),
                )  # fmt: skip
        return found

    def _scan(
        self, accounts: list[int], held: dict[int, Positions], sheet: Sheet
    ) -> Iterable[tuple[int, int, int]]:
        place = sheet.place()
        matrix = np.zeros((len(accounts), len(sheet.handles)), np.int64)
        for row, account in enumerate(accounts):
            for handle, lots in held.get(account, {}).items():
                if handle in place:
                    matrix[row, place[handle]] = lots
        result = scan_losses(matrix, sheet.losses)
        return zip(accounts, result.margin.tolist(), result.gross.tolist(), strict=True)

    def fund_needed(self, sheet: Sheet, demanded: dict[int, Demanded]) -> int:
        """Return what the default fund should hold: the two owner groups that would lose most beyond their margin.

        Each scenario is taken STRESS_PPM as hard as margin takes it (CLR-SCAN-013). O(positions x scenarios).
        """
        place = sheet.place()
        groups: dict[int, list[int]] = {}
        for account, held in self.positions().items():
            if account == self.state.account:
                continue
            losses = groups.setdefault(self.state.core.group(account), [0] * len(sheet.names))
            rows = [(lots, sheet.losses[place[handle]]) for handle, lots in held.items() if handle in place]
            margin = demanded[account].total if account in demanded else 0
            for number in range(len(losses)):
                loss = sum(lots * row[number] for lots, row in rows)
                losses[number] += ceil_div(loss * STRESS_PPM, PPM * PPM) - margin
        return cover_two(list(groups.values()))

    def explain(self, account: int, sheet: Sheet) -> tuple[MarginResult, Demanded]:
        """Return an account's margin scenario by scenario, and what it must hold in all."""
        held = self.positions().get(account, {})
        row = [held.get(handle, 0) for handle in sheet.handles]
        result = margin_of_losses(row, sheet.losses)
        whole = self._demanded(
            account, (result.margin, result.gross), held, sheet, sheet.place(), self._delivering().get(account, 0),
            self._duties().get(account, []),
        )  # fmt: skip
        return result, whole

    def _demanded(
        self, account: int, scanned: tuple[int, int], held: Positions, sheet: Sheet, place: dict[int, int],
        delivering: int, duties: list[tuple[int, int, int, int]],
    ) -> Demanded:  # fmt: skip
        state, (margin, gross) = self.state, scanned
        ahead = spread = owed_bond = least = alone = quiet = 0
        for handle, lots in held.items():
            if handle not in place:
                continue
            (mark, lot_micros), (prefund, addon) = sheet.lots[place[handle]], sheet.ahead[place[handle]]
            long, short = sheet.buffered[place[handle]]
            alone += sheet.rates[place[handle]][lots < 0] * abs(lots)
            quiet += (long if lots > 0 else short) * abs(lots)
            least += max(0, -lots) * sheet.least[place[handle]]
            ahead += max(0, prefund - long) * lots if lots > 0 else max(0, addon - short) * -lots
            daily = state.terms_of(handle).daily_lots
            if daily:
                risk = state.risks[state.class_name(handle)]
                spread += concentration((long if lots > 0 else short) * abs(lots), lots, daily, risk.mpor_s)
            if lots < 0:
                owed_bond += self._bond(account, handle, -lots, mark, lot_micros)
        for handle, lots, mark, lot_micros in duties:
            owed_bond += bond(lots, mark, lot_micros, state.member(account).bond_rate(state.place(handle)))
        lacking = max(0, owed_bond - state.ledger.balance(Purse(Kind.BOND, account)))
        share = ceil_div(margin * state.terms.fund_ppm, PPM)
        fund = max(0, share - state.ledger.balance(Purse(Kind.FUND, account)))
        margin = max(margin, least)
        whole = ceil_div(margin * quiet, alone) if alone else margin
        relief = max(0, min(gross * quiet // alone, quiet) - whole) if alone else 0
        return Demanded(margin, whole - margin, relief, ahead, spread, delivering, lacking, fund)

    def _bond(self, account: int, handle: int, short: int, mark: int, lot_micros: int) -> int:
        """Return the bond of the physical part of a short position (CLR-BOND-002)."""
        if handle in self.state.deliveries:
            return 0  # Counted with its obligations.
        certified = next((one[2] for one in self.state.core.holdings(handle) if one[0] == account), 0)
        rate = self.state.member(account).bond_rate(self.state.place(handle))
        return bond(min(short, certified), mark, lot_micros, rate)

    def _duties(self) -> dict[int, list[tuple[int, int, int, int]]]:
        """Return (handle, lots, mark, micros of a tick on a lot) of all still to be delivered, by provider."""
        found: dict[int, list[tuple[int, int, int, int]]] = {}
        for delivery in self.state.deliveries.values():
            for duty in delivery.obligations:
                if not duty.closed:
                    entry = duty.handle, duty.lots, delivery.mark, delivery.lot_micros
                    found.setdefault(duty.provider, []).append(entry)
        return found

    def _delivering(self) -> dict[int, int]:
        """Return the add-on of everything that is being delivered, by provider (CLR-DLV-002)."""
        found: dict[int, int] = {}
        for delivery in self.state.deliveries.values():
            terms = self.state.terms_of(delivery.handle)
            remaining_s = (delivery.end_ns - self.state.core.now_ns) // NS_PER_SECOND
            window_s = (delivery.end_ns - delivery.start_ns) // NS_PER_SECOND
            for duty in delivery.obligations:
                if delivery.opened and not duty.closed and duty.provider != self.state.account:
                    found[duty.provider] = found.get(duty.provider, 0) + addon_in_delivery(
                        duty.original_lots, delivery.mark, delivery.lot_micros, remaining_s, window_s, terms.cap_bps
                    )
        return found

    # Calls.

    def judge(self, account: int, wanted: Demanded) -> Level:
        """Publish what an account must hold, and return how it stands now (CLR-CALL-001)."""
        state, member = self.state, self.state.member(account)
        if member.level is Level.DEFAULTED:
            return Level.DEFAULTED
        total = min(wanted.total, MONEY_MAX)
        keep = min(ceil_div(total * RELEASE_PPM, PPM), MONEY_MAX)
        state.core.set_margin(account, min(wanted.addon, MONEY_MAX), min(wanted.relief, MONEY_MAX), keep)
        member.margin = total
        if state.core.is_prepaid(account):
            return Level.GOOD
        standing = self._standing(account, total)
        before = member.level
        member.level = self._level(account, standing)
        if member.level is not before:
            self._tell(account, total)
        return member.level

    def _standing(self, account: int, total: int) -> Standing:
        """Return the level of equity on margin; who owes is below it, even where nothing must be held."""
        balance = self.state.core.balance(account)
        return level(balance, max(total, int(balance < 0)))

    def _level(self, account: int, standing: Standing) -> Level:
        """Move a call on: it begins below 110 % with a deadline, and ends at 125 % (CLR-CALL-002)."""
        state, member = self.state, self.state.member(account)
        if standing <= Standing.CALL and not member.deadline_ns:
            member.deadline_ns = state.core.now_ns + state.terms.call_deadline_s * NS_PER_SECOND
        if standing <= Standing.LIQUIDATION:
            return Level.LIQUIDATING
        if standing is Standing.CALL:
            return Level.CALLED
        if standing >= Standing.ENTRY:
            member.deadline_ns = 0
            return Level.GOOD
        return Level.CALLED if member.level is not Level.GOOD else Level.GOOD

    def _tell(self, account: int, total: int) -> None:
        member = self.state.member(account)
        self.state.core.emit(
            EventType.MARGIN, account=account, reason=member.level, amount=total, match_id=member.deadline_ns
        )

    def must_hand_over(self, account: int, wanted: Demanded) -> bool:
        """Whether an account's positions go to its estate: too little equity, or a deadline missed (CLR-LIQ-003)."""
        member = self.state.member(account)
        standing = self._standing(account, min(wanted.total, MONEY_MAX))
        late = member.deadline_ns and member.deadline_ns <= self.state.core.now_ns and standing <= Standing.CALL
        return standing is Standing.HANDOVER or bool(late)
