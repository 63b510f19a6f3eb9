"""JSON lines of the clearinghouse: its commands, with the fields that it reads itself, and its events."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from exchange import commands
from exchange.catalogue import Instrument
from exchange.catalogue.payload import Field
from exchange.clearing.detection import NodeState
from exchange.clearing.house import HOUSE_COMMANDS
from exchange.clearing.waterfall import Class, Layer
from exchange.clearing.words import CaseKind, Cause, Kind, Level, Stage
from exchange.records import CommandType, EventFlag, EventType
from gateway.jsonlines_fields import (
    REQUIRED,
    Fields,
    boolean,
    hexadecimal,
    int64,
    node_ranges,
    note,
    read_fields,
    window,
)

Line = dict[str, Any]
PURSES = {
    Kind.COLLATERAL: "coll",
    Kind.BOND: "bond",
    Kind.FUND: "fund",
    Kind.ESCROW: "escrow",
    Kind.ESTATE: "estate",
    Kind.SITG: "sitg",
    Kind.POOL: "pool",
    Kind.STANDBY: "standby",
    Kind.FEE: "fee",
    Kind.EXTERNAL: "ext",
}
_READERS: dict[type, Callable[[str, Any], Any]] = {
    int: int64, bool: boolean, str: note, bytes: hexadecimal, list: node_ranges,
}  # fmt: skip


def _reader(name: str, field: Field) -> tuple[Callable[[str, Any], Any], Any]:
    return window if name == "start" else _READERS[field.type], REQUIRED if field.required else field.default


CLEARING: dict[str, CommandType] = {CommandType(number).name.lower(): CommandType(number) for number in HOUSE_COMMANDS}
CLEARING_FIELDS: dict[str, Fields] = {
    name: {field: _reader(field, row) for field, row in HOUSE_COMMANDS[kind].fields.items()}
    for name, kind in CLEARING.items()
}


def clearing_record(name: str, given: Line) -> bytes:
    """Return the record of a command of the clearinghouse: the fields that were given, in their order (JSL-001).

    Raises:
        LineError: a field is unknown, missing, or of another kind.

    """
    fields = read_fields(name, given, CLEARING_FIELDS[name])
    return commands.clearing(CLEARING[name], **{field: fields[field] for field in given})


def clearing_line(fields: Line) -> Line:
    """Return the fields of a record's payload as a line has them."""
    return {name: value.hex() if isinstance(value, bytes) else value for name, value in fields.items()}


class Words(Protocol):
    """What is needed of the catalogue."""

    def account_name(self, number: int) -> str | None:
        """Return the name of an account."""

    def instrument(self, handle: int) -> Instrument | None:
        """Return the instrument of a handle."""


class ClearingWriter:
    """Turns events of the clearinghouse into lines."""

    def __init__(self, words: Words) -> None:
        self._words = words

    def fields(self, event: Line) -> Line:
        """Return the fields of an event of one of the types of CLEARING_EVENTS."""
        return _EVENT_FIELDS[EventType(event["type"])](self, event)

    def _who(self, event: Line) -> Line:
        """Return the account; none where the event is about the venue's own money."""
        return known({"account": self._words.account_name(event["account"])})

    def _where(self, handle: int) -> Line:
        instrument = self._words.instrument(handle)
        if instrument is None:
            return {}
        return {"product": instrument.product.name, "fabric": instrument.fabric, "start": instrument.window}

    def _role(self, event: Line) -> Line:
        return {"role": "provider" if event["flags"] & EventFlag.SELL else "buyer"}

    def _entry(self, event: Line) -> Line:
        """Return a posting; an escrow is that of an instrument, and named by it."""
        kind, owner = event["price"], event["cum"]
        line = self._who(event) | {"purse": PURSES.get(kind, f"#{kind}")}
        if kind == Kind.ESCROW:
            line |= self._where(event["instrument"] or owner)
        else:
            line |= known({"owner": owner}) | self._where(event["instrument"])
        line |= {"cause": word(Cause, event["reason"]), "micros": event["amount"]}
        return line | known({"case": event["lots"]})

    def _margin(self, event: Line) -> Line:
        line = self._who(event) | {"level": word(Level, event["reason"]), "micros": event["amount"]}
        return line | known({"deadline_ns": event["match_id"]})

    def _lot_state(self, event: Line) -> Line:
        line = self._who(event) | self._role(event) | self._where(event["instrument"])
        line |= {"node": event["price"], "qty": event["lots"]}
        return line | {"state": word(NodeState, event["reason"]), "since_ns": event["amount"]}

    def _default(self, event: Line) -> Line:
        kind = word(CaseKind, event["reason"]) if event["reason"] else "closed"
        return self._who(event) | {"case": event["match_id"], "kind": kind}

    def _substitute(self, event: Line) -> Line:
        line = self._who(event) | self._role(event) | self._where(event["instrument"])
        line |= {"stage": word(Stage, event["reason"]), "qty": event["lots"], "for_qty": event["cum"]}
        line |= known({"with": self._words.account_name(event["leaves"])})
        return line | {"px": event["price"], "micros": event["amount"], "case": event["match_id"]}

    def _layer(self, event: Line) -> Line:
        line = self._who(event) | {"case": event["match_id"]}
        line |= {"layer": word(Layer, event["price"]).upper(), "class": word(Class, event["cum"]).upper()}
        return line | {"micros": event["amount"]}

    def _auction(self, event: Line) -> Line:
        line = self._where(event["instrument"]) | {"case": event["match_id"], "item": event["price"]}
        line |= {"side": "sell" if event["flags"] & EventFlag.SELL else "buy"}
        return line | {"qty": event["lots"], "windows": event["cum"], "until_ns": event["amount"]}

    def _mark(self, event: Line) -> Line:
        return self._where(event["instrument"]) | {"px": event["price"]}

    def _claim(self, event: Line) -> Line:
        line = self._who(event) | {"case": event["match_id"], "class": word(Class, event["price"]).upper()}
        return line | {"micros": event["amount"]}

    def _exercise(self, event: Line) -> Line:
        line = self._who(event) | self._where(event["instrument"])
        line |= {"side": "sell" if event["flags"] & EventFlag.SELL else "buy"}
        return line | {"qty": event["lots"], "px": event["price"]}

    def _index(self, event: Line) -> Line:
        """Return an index; classes are numbered in order of set_class."""
        return {"number": event["lots"], "micros": event["amount"]}


_EVENT_FIELDS: dict[EventType, Callable[[ClearingWriter, Line], Line]] = {
    EventType.ENTRY: ClearingWriter._entry,
    EventType.MARGIN: ClearingWriter._margin,
    EventType.LOT_STATE: ClearingWriter._lot_state,
    EventType.DEFAULT: ClearingWriter._default,
    EventType.SUBSTITUTE: ClearingWriter._substitute,
    EventType.LAYER: ClearingWriter._layer,
    EventType.AUCTION: ClearingWriter._auction,
    EventType.MARK: ClearingWriter._mark,
    EventType.CLAIM: ClearingWriter._claim,
    EventType.EXERCISE: ClearingWriter._exercise,
    EventType.INDEX: ClearingWriter._index,
}
CLEARING_EVENTS: Sequence[EventType] = tuple(_EVENT_FIELDS)


def word(words: Any, number: int) -> str:
    """Return the name of an enum's member, or the number of one that does not exist."""
    try:
        return str(words(number).name).lower()
    except ValueError:
        return f"#{number}"


def known(fields: Line) -> Line:
    """Return the fields that are not 0 or nothing."""
    return {name: value for name, value in fields.items() if value}
