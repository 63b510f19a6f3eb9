"""JSON lines out: events, and commands read back from a journal, with the names of gateway/jsonlines.py."""

import json
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import msgpack
import numpy as np

from exchange.catalogue.registry import Instrument
from exchange.reasons import REJECT_TEXT, DoneReason, RejectReason
from exchange.records import (
    COMMAND,
    EVENT,
    NIL,
    RECORD_BYTES,
    CommandType,
    EventFlag,
    EventType,
    MassFlag,
    OrderFlag,
    Side,
    Stp,
    Tif,
)

Line = dict[str, Any]


class Words(Protocol):
    """What is needed of the catalogue."""

    def account_name(self, number: int) -> str | None:
        """Return the name of an account."""

    def instrument(self, handle: int) -> Instrument | None:
        """Return the instrument of a handle."""

    def product(self, number: int) -> Any:
        """Return a product by its number."""


def encode(line: Line) -> str:
    """Return the text of one line, without the line's end."""
    return json.dumps(line, separators=(",", ":"))


class EventWriter:
    """Turns event records into lines."""

    def __init__(self, words: Words) -> None:
        self._words = words

    def lines(self, events: np.ndarray | bytes, first_seq: int, *, spoken: str | None = None) -> Iterator[Line]:
        """Yield one line an event.

        Args:
            events: an array of EVENT or its bytes.
            first_seq: sequence number of the batch's first command.
            spoken: account named by a command the engine could not find; it is quoted in the answer.

        """
        array = np.frombuffer(events, EVENT) if isinstance(events, bytes) else events
        for row in array.tolist():
            event = dict(zip(EVENT.names or (), row, strict=True))
            kind = EventType(event["type"])
            line = {"t": kind.name.lower(), "seq": first_seq + event["command"]}
            yield line | _EVENT_FIELDS[kind](self, event, spoken)

    def _who(self, event: Line, spoken: str | None) -> Line:
        """Return account, oid and ref; zeros mean that the answer is about none and are left out."""
        name = self._words.account_name(event["account"]) if event["account"] != NIL else None
        fields = {"account": name or spoken, "oid": event["oid"], "ref": event["ref"]}
        return {field: value for field, value in fields.items() if value}

    def _where(self, event: Line) -> Line:
        instrument = self._words.instrument(event["instrument"])
        if instrument is None:
            return {}
        return {"product": instrument.product.name, "fabric": instrument.fabric, "start": instrument.window}

    def _side(self, event: Line) -> str:
        return "sell" if event["flags"] & EventFlag.SELL else "buy"

    def _quoted(self, event: Line) -> Line:
        return {"set": event["lane"]} if event["flags"] & EventFlag.QUOTE else {}

    def _ack(self, event: Line, spoken: str | None) -> Line:
        line = self._who(event, spoken)
        if event["flags"] & EventFlag.QUOTE:
            line |= self._where(event) | self._quoted(event)
            line |= {"side": self._side(event), "px": event["price"], "qty": event["lots"]}
        if event["flags"] & EventFlag.DUPLICATE:
            line["code"] = 1
        return line

    def _reject(self, event: Line, spoken: str | None) -> Line:
        reason = RejectReason(event["reason"])
        line = self._who(event, spoken)
        if event["flags"] & EventFlag.QUOTE:
            line |= self._where(event) | self._quoted(event) | {"side": self._side(event), "px": event["price"]}
        line |= {"code": reason.value, "reason": reason.name, "text": REJECT_TEXT.get(reason, "")}
        if event["flags"] & EventFlag.DUPLICATE:
            line["duplicate"] = True
        return line

    def _owner(self, event: Line) -> Line:
        """Return account, oid and ref of an order; a quote's orders have ref 0 (QTE-004)."""
        name = self._words.account_name(event["account"])
        return {"account": name, "oid": event["oid"], "ref": event["ref"]}

    def _order(self, event: Line, *numbers: str) -> Line:
        line = self._owner(event)
        line |= self._where(event) | self._quoted(event) | {"side": self._side(event), "px": event["price"]}
        return line | {"qty": event["lots"]} | {number: event[number] for number in numbers}

    def _fill(self, event: Line, _: str | None) -> Line:
        line = self._owner(event) | {"match_id": event["match_id"]} | self._order(event, "leaves", "cum")
        liquidity = "taker" if event["flags"] & EventFlag.TAKER else "maker"
        return line | {"liq": liquidity, "fee": event["amount"]}

    def _done(self, event: Line, _: str | None) -> Line:
        line = self._order(event, "cum")
        return self._owner(event) | {"reason": DoneReason(event["reason"]).name.lower()} | line

    def _replaced(self, event: Line, _: str | None) -> Line:
        return self._order(event, "cum", "leaves")

    def _trade(self, event: Line, _: str | None) -> Line:
        line = {"match_id": event["match_id"]} | self._where(event)
        return line | {"px": event["price"], "qty": event["lots"], "aggressor": self._side(event)}

    def _level(self, event: Line, _: str | None) -> Line:
        line = self._where(event) | {"side": self._side(event), "px": event["price"]}
        return line | {"qty": event["amount"], "orders": event["cum"]}

    def _account(self, event: Line, spoken: str | None) -> Line:
        return self._who(event, spoken) | {"balance": event["amount"]}

    def _instrument(self, event: Line, _: str | None) -> Line:
        return self._where(event) | {"instrument": event["instrument"]}

    def _status(self, event: Line, _: str | None) -> Line:
        return self._where(event) | {"state": "closed"}


_EVENT_FIELDS: dict[EventType, Callable[[EventWriter, Line, str | None], Line]] = {
    EventType.ACK: EventWriter._ack,
    EventType.REJECT: EventWriter._reject,
    EventType.FILL: EventWriter._fill,
    EventType.DONE: EventWriter._done,
    EventType.REPLACED: EventWriter._replaced,
    EventType.TRADE: EventWriter._trade,
    EventType.LEVEL: EventWriter._level,
    EventType.ACCOUNT: EventWriter._account,
    EventType.INSTRUMENT: EventWriter._instrument,
    EventType.STATUS: EventWriter._status,
}


class CommandWriter:
    """Turns command records into lines that CommandReader reads back to the same records."""

    def __init__(self, words: Words) -> None:
        self._words = words

    def line(self, record: bytes) -> Line:
        """Return the line of one record. What has no name is shown by number, as ``#7``."""
        fields = dict(zip(COMMAND.names or (), np.frombuffer(record[:RECORD_BYTES], COMMAND)[0].tolist(), strict=True))
        try:
            kind = CommandType(fields["type"])
        except ValueError:
            return {"t": f"#{fields['type']}"}
        if kind >= CommandType.ADD_PRODUCT:
            return {"t": kind.name.lower()} | _payload(record)
        name, build = _COMMAND_FIELDS[kind]
        return {"t": name} | build(self, fields)

    def _account_name(self, fields: Line) -> str:
        return self._words.account_name(fields["account"]) or f"#{fields['account']}"

    def _client(self, fields: Line) -> Line:
        return {"account": self._account_name(fields), "lane": fields["lane"], "ref": fields["ref"]}

    def _instrument(self, handle: int) -> Line:
        instrument = self._words.instrument(handle)
        if instrument is None:
            return {"product": f"#{handle}", "fabric": f"#{handle}", "start": 0}
        return {"product": instrument.product.name, "fabric": instrument.fabric, "start": instrument.window}

    def _place(self, fields: Line) -> Line:
        line = self._client(fields) | self._instrument(fields["instrument"])
        line |= {"side": _word(Side, fields["side"]), "px": fields["price"], "qty": fields["lots"]}
        line |= {"tif": _word(Tif, fields["tif"]).upper(), "flags": _flags(fields["flags"])}
        extras = {"display": fields["lots_2"], "expire_ts_ns": fields["amount"], "tag": fields["tag"]}
        return line | _nonzero(extras) | _stp(fields)

    def _cancel(self, fields: Line) -> Line:
        return self._client(fields) | {"oid": fields["target"]}

    def _cancel_ref(self, fields: Line) -> Line:
        return self._client(fields) | {"target_ref": fields["target"]}

    def _replace(self, fields: Line) -> Line:
        target = "oid" if fields["type"] == CommandType.REPLACE else "target_ref"
        line = self._client(fields) | {target: fields["target"], "px": fields["price"], "qty": fields["lots"]}
        return line | {"flags": _flags(fields["flags"])} | _stp(fields)

    def _mass_cancel(self, fields: Line) -> Line:
        flags, line = fields["flags"], self._client(fields)
        if flags & MassFlag.INSTRUMENT:
            line |= self._instrument(fields["instrument"])
        if flags & MassFlag.PRODUCT:
            line["product"] = self._words.product(fields["price_2"]).name
        if flags & MassFlag.WINDOWS:
            line |= {"from": fields["target"] & NIL, "to": fields["target"] >> 32}
        if flags & MassFlag.SIDE:
            line["side"] = _word(Side, fields["side"])
        if flags & MassFlag.LANE:
            line["lane_filter"] = fields["tif"]
        return line | ({"tag": fields["tag"]} if flags & MassFlag.TAG else {})

    def _quote(self, fields: Line) -> Line:
        """One record is one leg; the legs of a mass quote are as many lines, numbered in ``leg``."""
        leg = self._instrument(fields["instrument"])
        leg |= {"bid_px": fields["price"], "bid_qty": fields["lots"]}
        leg |= {"ask_px": fields["price_2"], "ask_qty": fields["lots_2"]}
        line = self._client(fields) | {"set": fields["side"], "legs": [leg], "flags": _flags(fields["flags"])}
        return line | _nonzero({"tag": fields["tag"]}) | _stp(fields)

    def _time(self, fields: Line) -> Line:
        return {"ts_ns": fields["amount"]}

    def _money(self, fields: Line) -> Line:
        return {"account": self._account_name(fields), "micros": fields["amount"]}

    def _session_lost(self, fields: Line) -> Line:
        return {"account": self._account_name(fields), "lane": fields["lane"], "every": fields["side"] == 1}


_COMMAND_FIELDS: dict[CommandType, tuple[str, Callable[[CommandWriter, Line], Line]]] = {
    CommandType.PLACE: ("place", CommandWriter._place),
    CommandType.CANCEL: ("cancel", CommandWriter._cancel),
    CommandType.CANCEL_REF: ("cancel_ref", CommandWriter._cancel_ref),
    CommandType.REPLACE: ("replace", CommandWriter._replace),
    CommandType.REPLACE_REF: ("replace", CommandWriter._replace),
    CommandType.MASS_CANCEL: ("mass_cancel", CommandWriter._mass_cancel),
    CommandType.QUOTE: ("quote", CommandWriter._quote),
    CommandType.TIME: ("time", CommandWriter._time),
    CommandType.DEPOSIT: ("deposit", CommandWriter._money),
    CommandType.WITHDRAW: ("withdraw", CommandWriter._money),
    CommandType.SESSION_LOST: ("session_lost", CommandWriter._session_lost),
}


def _payload(record: bytes) -> Line:
    """Return the map of an administrative command; the zeros behind it are padding."""
    unpacker = msgpack.Unpacker()
    unpacker.feed(record[RECORD_BYTES:])
    try:
        fields = unpacker.unpack()
    except (ValueError, msgpack.UnpackException):
        fields = None
    return fields if isinstance(fields, dict) else {"payload": record[RECORD_BYTES:].hex()}


def _word(words: Any, number: int) -> str:
    """Return the name of an enum's member, or the number of one that does not exist."""
    try:
        return str(words(number).name).lower()
    except ValueError:
        return f"#{number}"


def _flags(flags: int) -> list[str]:
    known = [str(flag.name).lower() for flag in OrderFlag if flags & flag]
    rest = flags & ~sum(OrderFlag)
    return known + ([f"#{rest}"] if rest else [])


def _stp(fields: Line) -> Line:
    return {"stp": _word(Stp, fields["stp"])} if fields["stp"] else {}


def _nonzero(fields: Line) -> Line:
    return {name: value for name, value in fields.items() if value}
