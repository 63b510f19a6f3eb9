"""The text form: JSON objects with the fields by name, one to one with the arrays of binary frames.

`{"t": "cancel_ref", "ref": 7, "target_ref": 3}` is `[18, 7, 3]`. Bytes are written as hexadecimal digits, operations
of a batch as objects. What a field may be is judged where the array is read, so both forms have the same answers.
"""

import json
from collections.abc import Iterator
from typing import Any

import msgpack

from exchange.reasons import RejectReason
from gateway.protocol.fields import Form, Kind
from gateway.protocol.messages import BY_NAME, BY_NUMBER, REQUESTS, Message
from gateway.protocol.numbers import INTEGER_MAX
from gateway.protocol.requests import ORDER_TYPES, RequestError, malformed

_REQUESTS = {message.name: message for message in REQUESTS}


def to_message(text: bytes) -> bytes:
    """Return the msgpack array that a JSON object stands for.

    Raises:
        WireError: it is not an object with the name of a message, or its ref cannot be read.
        RequestError: a field is missing, unknown, given twice or cannot be written; or the name is no request's.

    """
    fields = _object_of(text)
    ref = fields.get("ref")
    if not isinstance(fields.get("t"), str) or type(ref) is not int or not 0 <= ref <= INTEGER_MAX:
        raise malformed("a text message must be one JSON object with t and ref")
    message = _REQUESTS.get(fields["t"])
    if message is None:
        raise RequestError(ref, RejectReason.UNKNOWN_TYPE)
    try:
        packed: bytes = msgpack.packb(_array_of(message, fields))
    except (ValueError, TypeError, OverflowError) as error:
        raise RequestError(ref, RejectReason.MALFORMED, is_order=message.number in ORDER_TYPES) from error
    return packed


def to_text(message: bytes) -> bytes:
    """Return the JSON object of a message of the server's."""
    return json.dumps(to_object(message), separators=(",", ":"), ensure_ascii=False).encode()


def to_object(message: bytes) -> dict[str, Any]:
    """Return a message of the server's with its fields by name."""
    return _named(msgpack.unpackb(message))


def _named(message: list[Any]) -> dict[str, Any]:
    number, *values = message
    row = BY_NUMBER[number]
    fields = {name: _shown(row.kind(name), value) for name, value in zip(row.names, values, strict=True)}
    return {"t": row.name, **fields}


def objects(frames: bytes) -> Iterator[dict[str, Any]]:
    """Yield the messages of a server's binary frames, of less than 64 KiB each, end to end."""
    at = 0
    while at < len(frames):
        size, head = frames[at + 1], 2
        if size == 126:
            size, head = int.from_bytes(frames[at + 2 : at + 4], "big"), 4
        yield to_object(frames[at + head : at + head + size])
        at += head + size


def _object_of(text: bytes) -> dict[str, Any]:
    try:
        found = json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse, parse_float=_refuse)
    except (ValueError, RecursionError) as error:
        raise malformed("a text message must be one JSON object, its names different, its numbers whole") from error
    if not isinstance(found, dict):
        raise malformed("a text message must be one JSON object")
    return found


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name is given twice")
    return found


def _refuse(number: str) -> None:
    raise ValueError(f"numbers must be whole, was {number}")


def _array_of(message: Message, fields: dict[str, Any]) -> list[Any]:
    """Return type and fields in order; an optional one that is left out before a given one has its default."""
    names = message.names
    unknown = fields.keys() - set(names) - {"t"}
    if unknown:
        raise ValueError(f"there is no field {min(unknown)}")
    given = max(index for index, name in enumerate(names) if name in fields)
    values: list[Any] = [int(message.number)]
    for index, name in enumerate(names[: max(given + 1, message.required)]):
        kind = message.kind(name)
        if name in fields:
            values.append(_read(kind, fields[name]))
        elif index >= message.required or kind.nullable:
            values.append(kind.default)
        else:
            raise ValueError(f"{name} is missing")
    return values


def _read(kind: Kind, value: Any) -> Any:
    if kind.form is Form.BYTES and isinstance(value, str):
        return bytes.fromhex(value)
    if kind.form is Form.MESSAGES and isinstance(value, list):
        return [_operation(item) for item in value]
    return value


def _operation(item: Any) -> list[Any]:
    if not isinstance(item, dict) or item.get("t") not in BY_NAME:
        raise ValueError("an operation must be an object with t")
    return _array_of(BY_NAME[item["t"]], {"ref": None} | item)


def _shown(kind: Kind, value: Any) -> Any:
    if kind.form is Form.MESSAGE:
        return _named(value)
    return value.hex() if kind.form is Form.BYTES and isinstance(value, bytes) else value
