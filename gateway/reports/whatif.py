"""What a default would have been on other terms: the journal, altered as it passes, replayed beside the real one."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, fields
from typing import Any

from exchange import commands
from exchange.clearing.scenarios import RiskTerms
from exchange.clearing.terms import LEAST_AND_MOST, ClassTerms, HouseTerms, ProductTerms
from exchange.clearing.waterfall import Layer
from exchange.errors import CatalogueError
from exchange.reasons import RejectReason
from exchange.records import CommandType
from exchange.replay import Frame
from gateway.commands_journal import records_of
from gateway.reports.cases import Case, Casebook
from gateway.reports.names import purse_text
from gateway.reports.playback import Playback, command_name, read_payload
from gateway.reports.tables import Cell, markdown_table

Frames = Callable[[], Iterable[Frame]]
Report = dict[str, Any]
OF_COMMAND: dict[CommandType, tuple[type, ...]] = {
    CommandType.SET_HOUSE: (HouseTerms,),
    CommandType.SET_CLASS: (ClassTerms, RiskTerms),
    CommandType.SET_CLEARING: (ProductTerms,),
}
TERMS: dict[str, CommandType] = {
    one.name: command for command, kinds in OF_COMMAND.items() for kind in kinds for one in fields(kind)
}
FLAGS = ("is_new_class",)
PURSES = ("bond", "fund")
EVIDENCE = ("heartbeat", "meter", "checkpoint")  # Refused from those who deliver nothing with these terms.


@dataclass(frozen=True, slots=True)
class Changes:
    """Terms and payments to replace.

    Args:
        terms: by name, for every command that sets such terms.
        paid_in: (purse, owner) to all that is to be transferred in, micro-dollars.

    """

    terms: dict[str, int] = field(default_factory=dict)
    paid_in: dict[tuple[str, str], int] = field(default_factory=dict)


def read_changes(texts: Iterable[str]) -> Changes:
    """Return the changes that texts such as ``cap_bps=12000`` or ``bond.prov=20000000`` ask for.

    Raises:
        ValueError: a text is of no such form, names no term, or its number is out of range; or a term is given twice.

    """
    changes = Changes()
    for text in texts:
        name, _, number = text.partition("=")
        if not number.isdecimal():
            raise ValueError(f"a change must be TERM=NUMBER, was {text!r}")
        value, (purse, _, owner) = int(number), name.partition(".")
        is_new = name not in changes.terms and (purse, owner) not in changes.paid_in
        if not is_new:
            raise ValueError(f"{name} must be given once")
        if name in TERMS:
            _check(name, value)
            changes.terms[name] = value
        elif purse in PURSES and owner:
            changes.paid_in[purse, owner] = value
        else:
            raise ValueError(f"{name} is no term of set_house, set_class or set_clearing, and no bond. or fund. of one")
    return changes


def _check(name: str, value: int) -> None:
    """Refuse what the command would refuse: without the term nothing else of it would be set either."""
    if name in LEAST_AND_MOST:
        least, most = LEAST_AND_MOST[name]
        if not least <= value <= most:
            raise ValueError(f"{name} must be from {least} to {most}, was {value}")
        return
    one: dict[str, Any] = {name: value}
    try:
        RiskTerms(**one)
    except CatalogueError as error:
        raise ValueError(str(error)) from error


class Altered:
    """The records to apply instead of the journal's.

    Args:
        changes: what to replace.
        frames: of the real journal.
        refused: sequence numbers of the commands that were refused in it.

    Raises:
        ValueError: a change has nothing to act on.

    """

    def __init__(self, changes: Changes, frames: Iterable[Frame], refused: Iterable[int]) -> None:
        self._terms = changes.terms
        self.amounts: dict[int, int] = {}  # By sequence number.
        self._types = {TERMS[name] for name in changes.terms}
        refused, seen = set(refused), set()
        paid: dict[tuple[str, str], list[tuple[int, int]]] = {key: [] for key in changes.paid_in}
        for seq, record in _records(frames):
            kind = int.from_bytes(record[4:6], "little")
            if seq in refused:
                continue
            seen.add(kind)
            key, micros = _paid_in(kind, record)
            if key in paid:
                paid[key].append((seq, micros))
        for name in changes.terms:
            if TERMS[name] not in seen:
                raise ValueError(f"{name}: there is no {TERMS[name].name.lower()} in this journal")
        for (purse, owner), wanted in changes.paid_in.items():
            if not paid[purse, owner]:
                raise ValueError(f"{purse}.{owner}: nothing was paid in, so there is nothing to scale")
            self._scale(paid[purse, owner], wanted)

    def _scale(self, paid: list[tuple[int, int]], wanted: int) -> None:
        """Give each payment its share of what is wanted, rounded so that they sum to it."""
        total, so_far = sum(micros for _, micros in paid), 0
        for seq, micros in paid:
            self.amounts[seq] = wanted * (so_far + micros) // total - wanted * so_far // total
            so_far += micros

    def record(self, seq: int, record: bytes) -> bytes:
        """Return the record to apply for one of the journal."""
        kind = int.from_bytes(record[4:6], "little")
        if kind not in self._types and seq not in self.amounts:
            return record
        given = read_payload(record)
        given |= {name: bool(value) if name in FLAGS else value for name, value in self._terms.items()
                  if TERMS[name] == kind}  # fmt: skip
        if seq in self.amounts:
            given["micros"] = self.amounts[seq]
        return commands.admin(kind, given)


def _records(frames: Iterable[Frame]) -> Iterator[tuple[int, bytes]]:
    for frame in frames:
        yield from records_of(frame)


def _paid_in(kind: int, record: bytes) -> tuple[tuple[str, str], int]:
    """Return (purse, owner) and micros of a transfer into a bond or fund share, or of the venue's own funds."""
    if kind == CommandType.TRANSFER:
        given = read_payload(record)
        return (str(given.get("target")), str(given.get("account"))), int(given.get("micros", 0))
    if kind == CommandType.FUND:
        given = read_payload(record)
        return ("fund", str(given.get("kind"))), int(given.get("micros", 0))
    return ("", ""), 0


def compare(real: Casebook, number: int, changes: Changes, frames: Frames) -> Report:
    """Replay with changes and return what is different of a case and of all money, as one JSON object.

    Args:
        real: the journal as it is, played to its end.
        number: of the case, which the real journal has.
        changes: what to replace.
        frames: makes one pass over the journal's frames.

    Raises:
        ValueError: as Altered.

    """
    altered = Altered(changes, frames(), real.refused)
    book = Casebook(Playback(altered.record), watched=0).follow(frames())
    case, other = real.cases[number], book.cases.get(number)
    return {
        "case": number,
        "changes": changes.terms | {f"{purse}.{owner}": micros for (purse, owner), micros in changes.paid_in.items()},
        "has_case": other is not None,
        "same_defaulter": other is not None and other.defaulter == case.defaulter,
        "figures": _figures(case, other),
        "layers": _layers(case, other),
        "flows": _differences(real, _flows(case), book, {} if other is None else _flows(other)),
        "balances": _differences(real, _balances(real), book, _balances(book)),
        "sum_of_all_accounts": {"real": real.total(), "what_if": book.total()},
        "refused": _commands(frames, set(book.refused) - set(real.refused) - _zeroed(altered), book),
        "accepted": _commands(frames, set(real.refused) - set(book.refused), real),
    }


def _zeroed(altered: Altered) -> set[int]:
    """Return the payments that were taken out on purpose."""
    return {seq for seq, micros in altered.amounts.items() if micros == 0}


def _flows(case: Case) -> dict[Any, int]:
    return dict(case.flows)


def _balances(book: Casebook) -> dict[Any, int]:
    ledger = book.engine.house.state.ledger
    return {purse: ledger.balance(purse) for purse in book.balances}


def _differences(real: Casebook, before: dict[Any, int], book: Casebook, after: dict[Any, int]) -> list[Report]:
    found = []
    for purse in sorted({*before, *after}):
        one, other = before.get(purse, 0), after.get(purse, 0)
        if one or other:
            state = (real if purse in before else book).engine.house.state
            name = purse_text(state, purse)
            found.append({"purse": name, "real": one, "what_if": other, "difference": other - one})
    return found


def _figures(case: Case, other: Case | None) -> list[Report]:
    """Return what the two cases come to."""
    pairs = []
    for one in (case, other):
        lots = 0 if one is None else sum(sub.original_lots for sub in one.substitutes if sub.provider)
        cash = 0 if one is None else sum(sub.original_lots for sub in one.substitutes if not sub.provider)
        paid = 0 if one is None else sum(payment.micros for payment in one.payments)
        unpaid = 0 if one is None else sum(one.unpaid_by_class().values())
        comp = 0 if one is None else sum(sum(by.values()) for by in one.compensation.values())
        pairs.append((lots, cash, 0 if one is None else one.premium, comp, paid, unpaid))
    names = ("lots replaced", "lots in cash", "premium", "compensation", "paid by layers", "unpaid claims")
    return [
        {"what": name, "real": one, "what_if": two, "difference": two - one}
        for name, one, two in zip(names, *pairs, strict=True)
    ]


def _layers(case: Case, other: Case | None) -> list[Report]:
    used, then = case.used(), {} if other is None else other.used()
    return [
        {"layer": layer.name, "real": used.get(layer, 0), "what_if": then.get(layer, 0),
         "difference": then.get(layer, 0) - used.get(layer, 0)}
        for layer in Layer if layer in used or layer in then
    ]  # fmt: skip


def _commands(frames: Frames, seqs: set[int], book: Casebook) -> list[Report]:
    """Return commands by their sequence numbers, and why the run of ``book`` refused them."""
    if not seqs:
        return []
    found = []
    for seq, record in _records(frames()):
        if seq in seqs:
            kind = int.from_bytes(record[4:6], "little")
            name = str(read_payload(record).get("account", "")) if kind >= CommandType.ADD_PRODUCT else None
            if name is None:
                account = int.from_bytes(record[8:12], "little")
                name = book.engine.catalogue.account_name(account) or ""
            reason = RejectReason(book.refused[seq]).name
            found.append({"seq": seq, "command": command_name(kind), "account": name, "reason": reason})
    return found


# What is printed.


def what_if_markdown(report: Report) -> str:
    """Return a comparison as Markdown."""
    changes = ", ".join(f"{name} = {value:,}" for name, value in report["changes"].items())
    parts = [f"# Case {report['case']}, what if {changes}"]
    if not report["has_case"]:
        parts.append(f"**With these terms there is no case {report['case']}.**")
    elif not report["same_defaulter"]:
        parts.append(f"**With these terms case {report['case']} is another one's default.**")
    parts += _refusals("Refused with these terms, accepted in fact", report["refused"])
    parts += _refusals("Accepted with these terms, refused in fact", report["accepted"])
    parts += _section("What it comes to", "what", report["figures"])
    parts += _section("Layers used", "layer", report["layers"])
    parts += _section("Cash flow of the case", "purse", report["flows"])
    parts += _section("Balances at the end: all cash flows from the first command on", "purse", report["balances"])
    sums = report["sum_of_all_accounts"]
    parts.append(f"All accounts sum to {sums['real']:,} in fact and to {sums['what_if']:,} with these terms.")
    return "\n\n".join(parts)


def _section(title: str, name: str, lines: list[Report]) -> list[str]:
    rows: list[list[Cell]] = [[one[name], one["real"], one["what_if"], one["difference"]] for one in lines]
    return [f"## {title}", markdown_table((name, "real", "what-if", "difference"), rows)] if rows else []


def _refusals(title: str, lines: list[Report]) -> list[str]:
    if not lines:
        return []
    rows = [(str(one["seq"]), one["command"], one["account"], one["reason"]) for one in lines]
    parts = [f"## {title}", markdown_table(("seq", "command", "account", "reason"), rows)]
    if any(one["command"] not in EVIDENCE for one in lines):
        parts.append("*So the two runs are not the same market, and differences below are not of the terms alone.*")
    return parts
