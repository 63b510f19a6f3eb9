"""JSON lines out: events, and commands read back from a journal, with the names of gateway/jsonlines.py."""

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import msgpack
import numpy as np

from exchange.catalogue import Instrument, Product
from exchange.commands import BLOCK_HOURS_SHIFT
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
    NoticeKind,
    OrderFlag,
    Phase,
    PhaseReason,
    SessionNote,
    Side,
    Stp,
    Tif,
)
from gateway.jsonlines_clearing import CLEARING_EVENTS, ClearingWriter, clearing_line
from gateway.jsonlines_clearing import known as _nonzero
from gateway.jsonlines_clearing import word as _word
from gateway.jsonlines_fields import EVERY_FABRIC

Line = dict[str, Any]


class Words(Protocol):
    """What is needed of the catalogue."""

    def account_name(self, number: int) -> str | None:
        """Return the name of an account."""

    def instrument(self, handle: int) -> Instrument | None:
        """Return the instrument of a handle."""

    @property
    def products(self) -> Sequence[Product]:
        """All products: number n is at n - 1."""


def encode(line: Line) -> str:
    """Return the text of one line, without the line's end."""
    return json.dumps(line, separators=(",", ":"))


class EventWriter:
    """Turns event records into lines."""

    def __init__(self, words: Words) -> None:
        self._words = words
        self._clearing = ClearingWriter(words)

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
            name = "phase" if kind is EventType.STATUS else kind.name.lower()
            line = {"t": name, "seq": first_seq + event["command"]}
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
        if event["flags"] & EventFlag.BLOCK:
            return self._block(event, *numbers)
        line = self._owner(event)
        line |= self._where(event) | self._quoted(event) | {"side": self._side(event), "px": event["price"]}
        return line | {"qty": event["lots"]} | {number: event[number] for number in numbers}

    def _block(self, event: Line, *numbers: str) -> Line:
        """Return a block: its first window is that of the instrument, its scope the match id, its hours the amount."""
        line, instrument = self._owner(event), self._words.instrument(event["instrument"])
        if instrument is not None:
            product = instrument.product
            line |= {"product": product.name, "fabrics": fabric_names(product.fabrics, event["match_id"])}
            line["start"] = instrument.window
        line |= {"hours": event["amount"], "side": self._side(event), "limit_total": event["price"]}
        return line | {"qty": event["lots"]} | {number: event[number] for number in numbers}

    def _fill(self, event: Line, _: str | None) -> Line:
        """Return a fill. That of a block is one of a leg, and but for its mark like any other."""
        flags = event["flags"]
        of_leg = event | {"flags": flags & ~EventFlag.BLOCK}
        line = self._owner(event) | {"match_id": event["match_id"]} | self._order(of_leg, "leaves", "cum")
        line |= {"liq": "taker" if flags & EventFlag.TAKER else "maker", "fee": event["amount"]}
        return line | {word: True for mark, word in _TRADE_MARKS.items() if flags & mark}

    def _done(self, event: Line, _: str | None) -> Line:
        line = self._order(event, "cum")
        return self._owner(event) | {"reason": DoneReason(event["reason"]).name.lower()} | line

    def _replaced(self, event: Line, _: str | None) -> Line:
        return self._order(event, "cum", "leaves")

    def _trade(self, event: Line, _: str | None) -> Line:
        line = {"match_id": event["match_id"]} | self._where(event) | {"px": event["price"], "qty": event["lots"]}
        if not event["flags"] & EventFlag.CALL:
            line["aggressor"] = self._side(event)
        return line | {word: True for flag, word in _TRADE_MARKS.items() if event["flags"] & flag}

    def _level(self, event: Line, _: str | None) -> Line:
        line = self._where(event) | {"side": self._side(event), "px": event["price"]}
        return line | {"qty": event["amount"], "orders": event["cum"]}

    def _account(self, event: Line, spoken: str | None) -> Line:
        return self._who(event, spoken) | {"balance": event["amount"]}

    def _instrument(self, event: Line, _: str | None) -> Line:
        line = self._where(event) | {"instrument": event["instrument"]}
        return line | ({} if event["cum"] == Phase.CONTINUOUS else {"phase": _word(Phase, event["cum"])})

    def _phase(self, event: Line, _: str | None) -> Line:
        line = self._where(event) | {"phase": _word(Phase, event["lots"])}
        if event["reason"] != PhaseReason.SCHEDULE:
            line["reason"] = _word(PhaseReason, event["reason"])
        return line | _nonzero({"next_ts_ns": event["amount"]})

    def _indicative(self, event: Line, _: str | None) -> Line:
        line = self._where(event) | {"px": event["price"], "qty": event["amount"]}
        return line | {"surplus_side": self._side(event), "surplus": event["match_id"]}

    def _perished(self, event: Line, _: str | None) -> Line:
        return self._where(event) | {"qty": event["amount"], "certified": event["match_id"]}

    def _assigned(self, event: Line, _: str | None) -> Line:
        line = self._holder(event) | {"node": event["price"], "qty": event["lots"]}
        return line | _nonzero({"with": self._words.account_name(event["amount"])})

    def _bought_in(self, event: Line, _: str | None) -> Line:
        return self._holder(event) | {"qty": event["lots"], "uncovered": event["leaves"]}

    def _capacity(self, event: Line, _: str | None) -> Line:
        return self._holder(event) | {"qty": event["lots"]}

    def _holder(self, event: Line) -> Line:
        return {"account": self._words.account_name(event["account"])} | self._where(event)

    def _notice(self, event: Line, _: str | None) -> Line:
        line = {"account": self._words.account_name(event["account"]), "set": event["lane"]}
        return line | {"kind": _word(NoticeKind, event["reason"])}

    def _session(self, event: Line, _: str | None) -> Line:
        line = {"account": self._words.account_name(event["account"]), "lane": event["lane"]}
        return line | {"note": _word(SessionNote, event["reason"]), "amount_ns": event["amount"]}

    def _of_clearing(self, event: Line, _: str | None) -> Line:
        return self._clearing.fields(event)


_TRADE_MARKS = {EventFlag.BLOCK: "block", EventFlag.CALL: "call", EventFlag.BALANCE: "balance"}
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
    EventType.STATUS: EventWriter._phase,
    EventType.INDICATIVE: EventWriter._indicative,
    EventType.PERISHED: EventWriter._perished,
    EventType.ASSIGNED: EventWriter._assigned,
    EventType.BOUGHT_IN: EventWriter._bought_in,
    EventType.CAPACITY: EventWriter._capacity,
    EventType.NOTICE: EventWriter._notice,
    EventType.SESSION: EventWriter._session,
    **dict.fromkeys(CLEARING_EVENTS, EventWriter._of_clearing),
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
            return {"t": kind.name.lower()} | clearing_line(_payload(record))
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
            line["product"] = self._product_name(fields["price_2"])
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

    def _product(self, number: int) -> Product | None:
        products = self._words.products
        return products[number - 1] if 1 <= number <= len(products) else None

    def _product_name(self, number: int) -> str:
        product = self._product(number)
        return f"#{number}" if product is None else product.name

    def _block(self, fields: Line) -> Line:
        """Return a block; its hours are the high byte of its flags."""
        line = self._client(fields) | {"product": self._product_name(fields["instrument"])}
        if fields["target"] != EVERY_FABRIC:
            line["fabrics"] = self._fabrics(fields["instrument"], fields["target"])
        line |= {"start": fields["price_2"], "hours": fields["flags"] >> BLOCK_HOURS_SHIFT}
        line |= {"side": _word(Side, fields["side"]), "limit_total": fields["price"], "qty": fields["lots"]}
        line |= {"min_qty": fields["lots_2"], "tif": _word(Tif, fields["tif"]).upper()}
        line |= {"flags": _flags(fields["flags"] & (1 << BLOCK_HOURS_SHIFT) - 1)}
        return line | _nonzero({"expire_ts_ns": fields["amount"], "tag": fields["tag"]}) | _stp(fields)

    def _fabrics(self, product_number: int, scope: int) -> list[str]:
        product = self._product(product_number)
        return fabric_names(() if product is None else product.fabrics, scope)

    def _mmp_set(self, fields: Line) -> Line:
        line = self._client(fields) | {"set": fields["side"], "fills": fields["price"], "lots": fields["lots"]}
        return line | {"window_ms": fields["amount"]}

    def _mmp_reset(self, fields: Line) -> Line:
        return self._client(fields) | {"set": fields["side"]}

    def _time(self, fields: Line) -> Line:
        return {"ts_ns": fields["amount"]}

    def _money(self, fields: Line) -> Line:
        return {"account": self._account_name(fields), "micros": fields["amount"]}

    def _session_lost(self, fields: Line) -> Line:
        scope = {"every": fields["side"] == 1, "whole_account": fields["side"] == 2, "deadman": fields["tif"] == 1}
        return {"account": self._account_name(fields), "lane": fields["lane"]} | scope

    def _session(self, fields: Line) -> Line:
        line = {"account": self._account_name(fields), "lane": fields["lane"]}
        return line | {"note": _word(SessionNote, fields["side"]), "amount_ns": fields["amount"]}


_COMMAND_FIELDS: dict[CommandType, tuple[str, Callable[[CommandWriter, Line], Line]]] = {
    CommandType.PLACE: ("place", CommandWriter._place),
    CommandType.CANCEL: ("cancel", CommandWriter._cancel),
    CommandType.CANCEL_REF: ("cancel_ref", CommandWriter._cancel_ref),
    CommandType.REPLACE: ("replace", CommandWriter._replace),
    CommandType.REPLACE_REF: ("replace", CommandWriter._replace),
    CommandType.MASS_CANCEL: ("mass_cancel", CommandWriter._mass_cancel),
    CommandType.QUOTE: ("quote", CommandWriter._quote),
    CommandType.BLOCK: ("block", CommandWriter._block),
    CommandType.MMP_SET: ("mmp_set", CommandWriter._mmp_set),
    CommandType.MMP_RESET: ("mmp_reset", CommandWriter._mmp_reset),
    CommandType.TIME: ("time", CommandWriter._time),
    CommandType.DEPOSIT: ("deposit", CommandWriter._money),
    CommandType.WITHDRAW: ("withdraw", CommandWriter._money),
    CommandType.SESSION_LOST: ("session_lost", CommandWriter._session_lost),
    CommandType.SESSION: ("session", CommandWriter._session),
}


def fabric_names(fabrics: Sequence[str], scope: int) -> list[str]:
    """Return the names of a scope's fabrics; a bit beyond those of the product is shown by number."""
    bits = [bit for bit in range(scope.bit_length()) if scope >> bit & 1]
    return [fabrics[bit] if bit < len(fabrics) else f"#{bit}" for bit in bits]


def _payload(record: bytes) -> Line:
    """Return the map of an administrative command; the zeros behind it are padding."""
    unpacker = msgpack.Unpacker()
    unpacker.feed(record[RECORD_BYTES:])
    try:
        fields = unpacker.unpack()
    except (ValueError, msgpack.UnpackException):
        fields = None
    return fields if isinstance(fields, dict) else {"payload": record[RECORD_BYTES:].hex()}


def _flags(flags: int) -> list[str]:
    known = [str(flag.name).lower() for flag in OrderFlag if flags & flag]
    rest = flags & ~sum(OrderFlag)
    return known + ([f"#{rest}"] if rest else [])


def _stp(fields: Line) -> Line:
    return {"stp": _word(Stp, fields["stp"])} if fields["stp"] else {}
