"""What must hold of a cleared venue, each by its number in the design, I1 to I20, worked out apart from the product.

`Checks` hangs between the clearinghouse and its core, and looks at every command: before it, at the moments in between
where money or lots are about to move, and after it, at state and events. A failure says which number it breaks.
"""

from collections import Counter

import msgpack
import numpy as np

from exchange.clearing.ledger import Purse
from exchange.clearing.words import Cause, Kind, Level
from exchange.commands import RECORD
from exchange.reasons import RejectReason
from exchange.records import EVENT, CommandType, EventFlag, EventType, OrderFlag
from exchange.units import HOUR_NS, MONEY_MAX, NS_PER_SECOND

PPM, BPS = 1_000_000, 10_000
OF_PEOPLE = (Kind.COLLATERAL, Kind.BOND, Kind.FUND)
IN_CORE = (Kind.COLLATERAL, Kind.FEE, Kind.EXTERNAL)
ROWS = {  # The waterfall, as the table of docs/spec/default.md has it.
    1: (2, 3, 4, 1), 2: (1, 2, 3, 4), 3: (1, 2, 3, 4), 4: (1, 2, 3), 5: (4,), 6: (1, 2, 3), 7: (1, 2),
}  # fmt: skip
HALF_YEAR_NS = 183 * 24 * HOUR_NS


def ceil(amount, by):
    return -(-amount // by)


class WatchedCore:
    """A core as the clearinghouse sees it, that looks when the house trades (I17, I18)."""

    def __init__(self, core):
        self._core = core

    def __getattr__(self, name):
        return getattr(self._core, name)

    def hit(self, oid, lots, account, fee_ppm, price=-1, at_mark=False):
        core = self._core
        handles = {one[0]: one for one in self.books()}
        marks = {handle: core.mark(handle) for handle in handles}
        before = {handle: core.position(account, handle)[0] for handle in handles}
        done = core.hit(oid, lots, account, fee_ppm, price, at_mark)
        for handle, mark in marks.items():
            assert core.mark(handle) == mark, f"I18: a trade of the house moved mark {mark} to {core.mark(handle)}"
            after = core.position(account, handle)[0]
            if account != self.house() and after != before[handle]:
                smaller = abs(after) < abs(before[handle]) and after * before[handle] >= 0
                assert smaller, f"I17: liquidation took {account} from {before[handle]} to {after} lots"
        return done


class Checks:
    """Looks at one engine with a clearinghouse; ``before`` each command, and what that returns after it."""

    def __init__(self, engine):
        self.engine, self.house, self.state = engine, engine.house, engine.house.state
        self.core = engine.core
        self.purses = Counter()  # The ledger as ENTRY tells it.
        self.paid_in, self.spent, self.refunded = Counter(), Counter(), Counter()  # Escrow, by (origin, buyer).
        self.readings = {}  # Seconds and rating by (handle, provider), node and interval.
        self.met = Counter()  # What was looked at how often; a check that never looks proves nothing.
        self._hang_in()

    def _hang_in(self):
        watched = WatchedCore(self.core)
        watched.house = lambda: self.state.account
        watched.books = lambda: [(one.handle,) for one in self.engine.catalogue.instruments[-40:]]
        self.state.core = watched
        cases, failures, deliveries, margining = (
            self.house.cases, self.house.failures, self.house.deliveries, self.house.margining,
        )  # fmt: skip
        self.pay_claims, cases.pay = cases.pay, self._pay_claims
        self.fail, failures.fail = failures.fail, self._fail
        self.pay_duty, deliveries.pay = deliveries.pay, self._pay_duty
        self.demand_all, margining.demand_all = margining.demand_all, self._demand_all

    def told(self, since=0):
        """The events of the present command so far, from one on."""
        return np.frombuffer(self.core.events_bytes(), EVENT)[since:]

    # Around every command.

    def before(self, record):
        core, state = self.core, self.state
        kind = RECORD.unpack_from(record, 0)[1]
        accounts = range(1, len(self.engine.catalogue.accounts) + 1)
        known = {
            "kind": kind, "record": record, "balances": {number: core.balance(number) for number in accounts},
            "next_mark": state.next_mark_ns, "deliveries": list(state.deliveries), "evidence": self._evidence(),
            "held": {number: dict(case.positions) for number, case in state.cases.items()},
            "marks": {one.handle: core.mark(one.handle) for one in self.engine.catalogue.instruments[-40:]},
            "order": self._order(record) if kind == CommandType.PLACE else None,
        }  # fmt: skip
        return lambda events: self.after(known, events)

    def after(self, known, events):
        """Assert everything that must hold after a command."""
        self.ledger(known, events)
        self.positions(events)
        self.marks(known, events)
        self.orders(known, events)
        self.cases()
        self.settled(known)
        self.repeated(known, events)
        if known["kind"] == CommandType.RUN_CLEARING:
            self.run(known)

    def ledger(self, known, events):
        """I1, I2, I3, and every posting is told to both sides."""
        core, state, balances = self.core, self.state, self.state.ledger._balances
        accounts = range(len(self.engine.catalogue.accounts) + 1)
        total = sum(core.balance(number) for number in accounts) + core.external_balance() + sum(balances.values())
        assert total == 0, f"I1: the accounts sum to {total}"
        moved, kinds = self._read_entries(events)
        assert {purse: left for purse, left in self.purses.items() if left} == {
            purse: left for purse, left in balances.items() if left
        }, "I1: the entries told make another ledger"
        if not kinds & {EventType.FILL, EventType.ACCOUNT} and known["kind"] != CommandType.SET_MARK:
            for number, before in known["balances"].items():
                change, told = core.balance(number) - before, moved[Kind.COLLATERAL, number]
                assert change == told, f"I1: account {number} changed by {change}, was told {told}"
        assert min(self.purses.values(), default=0) >= 0, f"I2: an account is negative: {self.purses}"
        for purse, left in balances.items():
            if purse.kind is Kind.ESTATE:
                assert purse.owner in state.cases, f"I3: estate {purse.owner} is closed and holds {left}"
            if purse.kind is Kind.ESCROW:
                assert purse.owner in state.deliveries, f"I15: escrow {purse.owner} is settled and holds {left}"

    def _read_entries(self, events):
        """Read postings into the shadow ledger; return what moved by purse, and the types of events."""
        moved, kinds, payer = Counter(), set(), None
        for event in events:
            kinds.add(int(event["type"]))
            if event["type"] != EventType.ENTRY:
                assert payer is None, "I1: a posting has one side"
                continue
            kind, cause, amount = Kind(event["price"]), Cause(event["reason"]), int(event["amount"])
            owner = int(event["account"]) if kind in OF_PEOPLE else int(event["cum"])
            if kind not in IN_CORE:
                self.purses[Purse(kind, owner)] += amount
            moved[kind, owner] += amount
            if payer is None and cause is Cause.VARIATION and kind is Kind.COLLATERAL:
                continue  # The core has moved it.
            if payer is None:
                payer = kind, owner, cause, amount
                continue
            assert payer[3] == -amount < 0, f"I1: a posting is {payer[3]} and {amount}"
            self._note_escrow(payer, (kind, owner, cause, amount), int(event["instrument"]))
            payer = None
        assert payer is None, "I1: a posting has one side"
        return moved, kinds

    def _note_escrow(self, payer, payee, handle):
        cause, micros = payee[2], payee[3]
        house = self.state.account
        if cause is Cause.ESCROW and payee[0] is Kind.ESCROW:
            self.paid_in[payee[1], payer[1] if payer[0] is Kind.COLLATERAL else house] += micros
        elif cause is Cause.REFUND:
            self.refunded[payer[1], payee[1] if payee[0] is Kind.COLLATERAL else house] += micros

    def positions(self, events):
        """I4, and I5 of what was touched and of what every account must hold."""
        core = self.core
        for one in self.engine.catalogue.instruments[-40:]:
            lots = sum(held for _, held, _ in core.holdings(one.handle))
            assert lots == 0, f"I4: positions of {one.handle} sum to {lots}"
        touched = {}
        for event in events:
            whole = event["type"] in (EventType.FILL, EventType.DONE, EventType.REPLACED)
            if (whole or (event["type"] == EventType.ACK and event["leaves"])) and event["account"]:
                if not event["flags"] & EventFlag.BLOCK or event["type"] == EventType.FILL:
                    touched[int(event["account"]), int(event["instrument"])] = True
        for account, handle in touched:
            if handle:
                found, wanted = core.position(account, handle)[3], self.requirement(account, handle)
                assert found == wanted, f"I5: requirement of {account} in {handle} is {found}, should be {wanted}"
                self.met["I5"] += 1
        if hasattr(core, "state"):
            self._sums(core)

    def _sums(self, core):
        for account in core.state.accounts:
            parts = [position.requirement for position in account.positions.values()]
            parts += [block.reserve * block.leaves for block in account.blocks.values()]
            wanted = sum(parts) + account.addon
            found = core.requirement_sum(account.number) if account.number else account.requirement
            assert found == wanted, f"I5: requirements of {account.number} are {found}, should be {wanted}"

    def requirement(self, account, handle, more=(0, 0), price=None):
        """RSK-002 and RSK-009 in plain numbers; ``more`` lots to buy and to sell are added to what is open."""
        core, one = self.core, self.state.instrument(handle)
        micros = one.product.lot_micros
        lots, buys, sells, _ = core.position(account, handle)
        long, short = self.state.rates.get(handle, (0, 0))
        mark, bid, ask = core.mark(handle), core.best(handle, 0), core.best(handle, 1)
        if core.is_prepaid(account) and mark is not None:
            long = max(long, mark * micros)
        buy = max(lots + buys + more[0], 0) * long
        sell = max(sells + more[1] - lots, 0) * short
        if mark is not None:
            best_bid, best_ask = bid[0] if bid else None, ask[0] if ask else None
            if more[0] and ask and price >= ask[0]:
                buy += more[0] * max(0, price - mark) * micros
                buy += buys * max(0, (best_bid or 0) - mark) * micros
            else:
                top = max(best_bid or 0, price) if more[0] else best_bid or 0
                buy += (buys + more[0]) * max(0, top - mark) * micros
            if more[1] and bid and price <= bid[0]:
                sell += more[1] * max(0, mark - price) * micros
                sell += sells * max(0, mark - (mark if best_ask is None else best_ask)) * micros
            else:
                low = mark if best_ask is None else best_ask
                low = min(low, price) if more[1] else low
                sell += (sells + more[1]) * max(0, mark - low) * micros
        return min(max(buy, sell), MONEY_MAX)

    def _order(self, record):
        """What a reduce-only order would make of its requirement (I7): (before, after, free)."""
        _, _, flags, account, handle, _, _, _, price, lots, _, _, _, _, side, *_ = RECORD.unpack_from(record, 0)
        if not flags & OrderFlag.REDUCE_ONLY or not 1 <= handle <= len(self.engine.catalogue.instruments):
            return None
        more = (0, lots) if side else (lots, 0)
        free = self.core.balance(account) - self.core.requirement_sum(account)
        return self.core.position(account, handle)[3], self.requirement(account, handle, more, price), free

    def orders(self, known, events):
        """I7: a reduce-only order is refused for margin only if what it may lose at once is more than there is."""
        for event in events:
            if event["type"] == EventType.REJECT and event["reason"] == RejectReason.MARGIN and known["order"]:
                before, after, free = known["order"]
                assert after - before > max(0, free), f"I7: {before} to {after} with {free} free"
            if known["order"] and event["type"] == EventType.ACK:
                self.met["I7"] += 1

    def marks(self, known, events):
        """I18: a mark changes when it is told, with the first trade, or at the end."""
        told = {int(event["instrument"]): int(event["price"]) for event in events if event["type"] == EventType.MARK}
        for handle, before in known["marks"].items():
            after = self.core.mark(handle)
            if before is not None and after is not None and after != before:
                assert told.get(handle) == after, f"I18: the mark of {handle} went from {before} to {after} untold"

    def cases(self):
        """I16: what substitutes will cost above the buyers' prices lies in the estate; I12: no gang in two fabrics."""
        owed, gangs = Counter(), {}
        for origin, delivery in self.state.deliveries.items():
            for duty in delivery.obligations:
                if duty.closed:
                    continue
                owed[duty.case] += duty.value - duty.buyer_value
                if self.state.wish(duty.buyer, origin).gang and not duty.stranded:
                    gangs.setdefault((origin, duty.buyer), set()).add(duty.handle)
        for case, micros in owed.items():
            have = self.state.ledger.balance(Purse(Kind.ESTATE, case)) if case else 0
            assert have >= micros, f"I16: estate {case} has {have}, its substitutes cost {micros}"
        for place, handles in gangs.items():
            assert len(handles) == 1, f"I12: the gang {place} is delivered in {handles}"

    def settled(self, known):
        """I15: what a buyer paid into escrow is what providers got of it, and his refund."""
        for handle in known["deliveries"]:
            if handle in self.state.deliveries:
                continue
            self.met["I15"] += 1
            books = self.paid_in, self.spent, self.refunded
            places = {place for book in books for place in book if place[0] == handle}
            for place in sorted(places):
                paid, spent, back = (book.pop(place, 0) for book in books)
                assert paid == spent + back, f"I15: {place} paid {paid}, providers got {spent}, {back} came back"

    def repeated(self, known, events):
        """I9: evidence that is repeated changes nothing."""
        if known["evidence"] is None or known["kind"] not in (CommandType.HEARTBEAT, CommandType.METER):
            return
        if known["kind"] == CommandType.METER and events[0]["type"] == EventType.ACK and events[0]["lots"]:
            self._note_reading(known["record"])
        if len(events) == 1 and (events[0]["type"] == EventType.REJECT or events[0]["lots"] == 0):
            assert self._evidence() == known["evidence"], "I9: a repetition or a refusal has changed something"
            self.met["I9"] += 1

    def _evidence(self):
        return [meter.canonical() for meter in self.state.meters.values()], [
            one.canonical(number) for number, one in self.state.providers.items()
        ]

    def run(self, known):
        """I2: after a run the house has nothing, nobody who has not defaulted owes; I17: estates only shrink."""
        state, core = self.state, self.core
        left = core.balance(state.account)
        assert left == 0, f"I2: the house has {left}"
        if state.next_mark_ns != known["next_mark"]:  # Margin was looked at.
            for number in known["balances"]:
                is_failed = number in state.members and state.members[number].level is Level.DEFAULTED
                is_failed |= number == state.account
                assert is_failed or core.balance(number) >= 0, f"I2: {number} owes {-core.balance(number)}"
        for number, before in known["held"].items():
            for handle, lots in (state.cases[number].positions if number in state.cases else {}).items():
                was = before.get(handle, 0)
                grown = abs(lots) > abs(was) or lots * was < 0
                assert not grown, f"I17: estate {number} went from {was} to {lots} lots of {handle}"

    # I10, I11: the waterfall.

    def _pay_claims(self, case, claims):
        claims = [claim for claim in claims if claim.micros > 0]
        money, told = self._layers(case), len(self.told())
        unpaid = self.pay_claims(case, claims)
        payments = [
            (int(event["price"]), int(event["cum"]), int(event["account"]), int(event["amount"]))
            for event in self.told(told)
            if event["type"] == EventType.LAYER
        ]
        claimed = Counter()
        for claim in claims:
            claimed[int(claim.which)] += claim.micros
        self.waterfall(claimed, money, payments)
        self.met["I10"] += bool(payments)
        return unpaid

    def _layers(self, case):
        """The money there is: {layer: {payer as told: micros}}, and the shares of survivors."""
        state, core, defaulter = self.state, self.core, case.defaulter
        balance = lambda kind, owner=0: state.ledger.balance(Purse(kind, owner))  # noqa: E731
        shares = {}
        for number in range(1, len(self.engine.catalogue.accounts) + 1):
            share = balance(Kind.FUND, number)
            if share and number != defaulter and state.member(number).level is not Level.DEFAULTED:
                shares[number] = share
        assessable = {}
        for number, share in shares.items():
            used = sum(one.amount for one in case.payments if one.layer == 7 and one.account == number)
            recent = sum(paid for at, paid in state.member(number).assessed if at > core.now_ns - HALF_YEAR_NS)
            most = max(0, min(share - used, 2 * share - recent))
            assessable[number] = min(most, max(0, core.balance(number)))
        pool = balance(Kind.POOL, list(state.classes).index(case.pool) + 1) if case.pool else 0
        return {
            1: {defaulter: balance(Kind.BOND, defaulter)}, 2: {defaulter: max(0, core.balance(defaulter))},
            3: {defaulter: balance(Kind.FUND, defaulter)}, 4: {0: balance(Kind.SITG)}, 5: {0: pool}, 6: shares,
            7: assessable,
        }  # fmt: skip

    def waterfall(self, claimed, money, payments):
        """I10 and I11 of one run."""
        left = {layer: dict(row) for layer, row in money.items()}
        paid, used, last = Counter(), Counter(), (0, 0)
        for layer, claim_class, payer, micros in payments:
            assert claim_class in ROWS[layer], f"I10: layer {layer} has paid class {claim_class}"
            place = layer, ROWS[layer].index(claim_class)
            assert place >= last, f"I10: {place} comes after {last}"
            last = place
            assert payer in left[layer], f"I11: account {payer} has nothing in layer {layer}, and paid {micros}"
            left[layer][payer] -= micros
            assert left[layer][payer] >= 0, f"I11: account {payer} paid {-left[layer][payer]} too much of {layer}"
            paid[claim_class] += micros
            used[layer] += micros
        for claim_class, micros in claimed.items():
            assert paid[claim_class] <= micros, f"I10: class {claim_class} got {paid[claim_class]} of {micros}"
            if paid[claim_class] < micros:
                rest = [layer for layer, row in ROWS.items() if claim_class in row and any(left[layer].values())]
                assert not rest, f"I10: class {claim_class} got {paid[claim_class]} of {micros}, {rest} have money"
        for layer, claim_class, _, _ in payments:
            earlier = [one for one in ROWS if one < layer and claim_class in ROWS[one] and any(left[one].values())]
            assert not earlier, f"I10: layer {layer} paid class {claim_class} before {earlier} were used up"

    # I12, I13, I14, I16: failures.

    def _fail(self, case, failed, good_ns):
        state = self.state
        origin, defaulter = failed[0].origin, case.defaulter
        delivery = state.deliveries[origin]
        known = len(delivery.obligations)
        lost = Counter()
        for duty in failed:
            if duty.buyer != state.account and not duty.stranded:
                lost[duty.buyer] += duty.original_lots
        well = Counter()
        for duty in delivery.obligations:
            if not duty.closed and duty not in failed and duty.original and not duty.stranded:
                well[duty.buyer] += duty.original_lots
        told = len(self.told())
        self.fail(case, failed, good_ns)
        events = self.told(told)
        fresh = delivery.obligations[known:]
        premium = self._substitutes(case, defaulter, delivery, lost, fresh)
        self._gangs(origin, lost, fresh, delivery)
        self._compensation(delivery, lost, well, events)
        self._charged(case, events, premium, origin)
        self.met["fail"] += 1

    def _substitutes(self, case, defaulter, delivery, lost, fresh):
        """I12, I13: who may be a substitute, and what he may cost; return what the case has to pay."""
        core, state = self.core, self.state
        domain = state.provider(defaulter).domain
        banned = {core.group(defaulter)} | {core.group(buyer) for buyer in lost}
        banned |= {core.group(number) for number, one in state.providers.items() if domain and one.domain == domain}
        premium, got, pays = 0, Counter(), Counter()
        for duty in fresh:
            if duty.original or duty.failed or duty.closed:
                continue
            self.met["substitute"] += 1
            got[duty.buyer] += duty.original_lots
            cured = duty.provider == defaulter
            assert duty.case == (0 if cured else case.number), "I12: only a cure is by the defaulter himself"
            assert cured or core.group(duty.provider) not in banned, f"I12: {duty.provider} must not be a substitute"
            here, there = state.instrument(duty.origin), state.instrument(duty.handle)
            seconds = (duty.end_ns - duty.start_ns) // NS_PER_SECOND
            own = duty.original_lots * delivery.mark * delivery.lot_micros * seconds
            pays[duty.buyer] += duty.buyer_value * 3_600 - own
            if duty.handle == duty.origin:
                assert min(own, duty.value * 3_600) - duty.buyer_value * 3_600 in range(3_600), "I19: more than a micro"
            part = ceil(duty.lots * self._work(there), self._work(here)) * delivery.mark * delivery.lot_micros
            cap = part * seconds * state.terms_of(duty.origin).cap_bps
            assert duty.value * 3_600 * BPS <= cap + 3_600 * BPS, f"I13: a substitute costs {duty.value}, capped {cap}"
            assert here.window == there.window, "I12: a substitute is of the same hours"
            premium += duty.value - duty.buyer_value
        for buyer, more in pays.items():
            assert more <= 0, f"I13: buyer {buyer} pays {more} / 3600 above his price"
        for buyer, lots in got.items():
            if not state.wish(buyer, delivery.handle).gang:
                assert lots <= lost[buyer], f"I12: {buyer} lost {lost[buyer]}, was served {lots}"
        return premium

    def _work(self, one):
        """What a lot does, in millionths of an SCU of the first class."""
        return one.product.lot_scu * self.state.classes[self.state.class_of[one.product_number]].units

    def _gangs(self, origin, lost, fresh, delivery):
        """I12: of a gang all that was lost is served, or nothing of it."""
        for buyer, lots in lost.items():
            if not self.state.wish(buyer, origin).gang:
                continue
            got = sum(duty.original_lots for duty in fresh if not duty.original and duty.buyer == buyer)
            stranded = sum(duty.lots for duty in delivery.obligations if duty.buyer == buyer and duty.stranded)
            whole = got in (0, lots) or (stranded and got > lots)
            assert whole, f"I12: the gang of {buyer} lost {lots} lots and was served {got}"
            self.met["gang"] += bool(got)

    def _compensation(self, delivery, lost, well, events):
        """I14: at most the cap, to those with cover alone."""
        got = Counter()
        for event in events:
            if event["type"] == EventType.ENTRY and event["reason"] == Cause.COMPENSATION:
                if event["price"] == Kind.COLLATERAL and event["amount"] > 0:
                    got[int(event["account"])] += int(event["amount"])
            if event["type"] == EventType.CLAIM:
                got[int(event["account"])] += int(event["amount"])
        cap_bps = self.state.terms_of(delivery.handle).cover_cap_bps
        for buyer, micros in got.items():
            assert buyer in lost, f"I14: {buyer} lost nothing and got {micros}"
            wish = self.state.wish(buyer, delivery.handle)
            assert wish.cover, f"I14: {buyer} has no cover and got {micros}"
            lots = lost[buyer] + (well[buyer] if wish.gang else 0)
            cap = lots * delivery.mark * delivery.lot_micros * cap_bps
            assert micros * BPS <= cap, f"I14: {buyer} got {micros} of at most {cap} / 10,000"
            self.met["I14"] += 1

    def _charged(self, case, events, premium, origin):
        """I16: standby gets its part of the premium, so that failing costs more than delivering."""
        claimed = sum(
            int(event["amount"])
            for event in events
            if event["type"] == EventType.ENTRY and event["reason"] == Cause.SURCHARGE and event["amount"] > 0
        )
        rate = self.state.terms_of(origin).surcharge_bps
        assert claimed * BPS >= premium * rate, f"I16: the surcharge on {premium} was {claimed}"
        self.met["I16"] += bool(premium)

    # I13, I15, I19: what a provider is paid.

    def _pay_duty(self, duty):
        state = self.state
        effective = self._worked(duty)
        seconds, contract = (duty.end_ns - duty.start_ns) // NS_PER_SECOND, self._contract(duty)
        full = max(1, duty.lots * seconds * contract)
        effective = 0 if duty.provider == state.account else min(effective, full)
        told = len(self.told())
        self.pay_duty(duty)
        escrow = Purse(Kind.ESCROW, duty.origin)
        of_buyer = total = 0
        for event in self.told(told):
            if event["type"] == EventType.ENTRY and event["price"] == Kind.COLLATERAL and event["amount"] > 0:
                if event["account"] == duty.provider:
                    total += int(event["amount"])
                    of_buyer += int(event["amount"]) if event["reason"] == Cause.SETTLEMENT else 0
        for paid, worth in ((of_buyer, duty.buyer_value), (total, duty.value)):
            exact = worth * effective
            assert paid * full <= exact, f"I13: {paid} was paid of {worth} for {effective} of {full} delivered"
            assert exact - paid * full < full, f"I19: {paid} of {exact} / {full} is more than a micro off"
        self.spent[duty.origin, duty.buyer] += of_buyer
        assert state.ledger.balance(escrow) >= 0, "I15: escrow is overdrawn"
        self.met["I19"] += bool(total)

    def _worked(self, duty):
        """Seconds x ppm that an obligation's nodes have delivered in its time, from the readings alone."""
        read, contract = self.readings.get((duty.handle, duty.provider), {}), self._contract(duty)
        start_ns, total = self.state.instrument(duty.handle).window * HOUR_NS, 0
        since_s = ceil(duty.start_ns - start_ns, NS_PER_SECOND)
        for first, count in duty.nodes:
            for node in range(first, first + count):
                for interval, (seconds, rating) in read.get(node, {}).items():
                    on_duty = min(seconds, max(0, 60 * interval + 60 - max(since_s, 60 * interval)))
                    total += on_duty * min(rating, contract) * (10 * rating >= 9 * contract)
        return total

    def _contract(self, duty):
        return self.state.terms_of(duty.handle).contract_ppm

    def _note_reading(self, record):
        """Remember a reading that was counted."""
        given = msgpack.Unpacker()
        given.feed(record[64:])
        one = given.unpack()
        provider = self.engine.catalogue.account_number(one["account"])
        handle = self.engine.catalogue.handle(one["product"], one["fabric"], one["start"])
        nodes = self.readings.setdefault((handle, provider), {})
        for node in range(one["first"], one["first"] + one["count"]):
            read = nodes.setdefault(node, {})
            for interval in range(one["interval"], one["interval"] + one.get("intervals", 1)):
                assert interval not in read, "I9: an interval of a node counts twice"
                read[interval] = one.get("seconds", 60), one["rating_ppm"]

    # I20 and what the scan says.

    def _demand_all(self, sheet):
        found = self.demand_all(sheet)
        held = self.house.margining.positions()
        for account, wanted in found.items():
            lots = [held.get(account, {}).get(handle, 0) for handle in sheet.handles]
            scan = gross = 0
            if sheet.losses and any(lots):
                rows = list(zip(*sheet.losses, strict=True))
                scan = max(0, max(ceil(sum(a * b for a, b in zip(lots, row, strict=True)), PPM) for row in rows))
                gross = sum(max(0, max(ceil(count * loss, PPM) for loss in losses)) for count, losses in
                            zip(lots, sheet.losses, strict=True))  # fmt: skip
            margin = scan + ceil(20 * (gross - scan), 100)
            assert wanted.margin <= gross, f"I20: margin of {account} is {wanted.margin}, gross {gross}"
            assert wanted.margin == margin, f"I5: margin of {account} is {wanted.margin}, should be {margin}"
            self.met["I20"] += scan < gross
        return found
