"""Golden vectors: every message as an object and as the bytes of its array, with small, usual and large values."""

import json
from collections.abc import Iterator
from typing import Any

import msgpack

from gateway.protocol import BY_NUMBER, MESSAGES, Message
from gateway.protocol.fields import Form, Kind

OPERATIONS = ([16, 7, 1, 0, 2450, 2, 0, 0], [18, 8, 7])
PRIVATE = (
    [37, 1, 1, 1, 0, 0, 0, 1], [38, 5, 1 << 28, 7, 2451, 3, 2, 1_900_000_000_000_000, 99],
    [35, 9, 1 << 28, 7, 12, 1, 0, 2450, 2, 2, 0, 1, -350, 1_900_000_000_000_000, 100, 0],
)  # fmt: skip
WORDS = ("", "H100-SXM.IB400.cuda12.T1", "\u03c3" * 40)
SIZES = ("least", "usual", "most")


def value(kind: Kind, size: int, place: int) -> Any:
    """Return a value of a field: the least, a usual or the largest one."""
    if kind.form is Form.NIL or (kind.nullable and SIZES[size] == "least"):
        return None
    if kind.form is Form.INTEGER:
        return (kind.low, min(kind.high, 1_000 + 37 * place), kind.high)[size]
    if kind.form is Form.TEXT:
        return WORDS[size]
    if kind.form is Form.BYTES:
        return bytes(range(kind.high))
    if kind.form is Form.MESSAGES:
        return [list(OPERATIONS[:1]), list(OPERATIONS[1:]), list(OPERATIONS)][size]
    if kind.form is Form.MESSAGE:
        return list(PRIVATE[size])
    if kind.of_text:
        return [[], ["use1-f03"], ["use1-f03", "use1-f04"]][size]
    item = [kind.low, min(kind.high, 100 + place), kind.high][size]
    return [[item] * kind.row if kind.row else item - index for index in range(size)]


def shown(kind: Kind, field: Any) -> Any:
    """Return a value as it is in text."""
    if kind.form is Form.BYTES:
        return field.hex()
    if kind.form is Form.MESSAGES:
        return [named(BY_NUMBER[operation[0]], operation[1:]) for operation in field]
    if kind.form is Form.MESSAGE:
        return named(BY_NUMBER[field[0]], field[1:])
    return field


def named(message: Message, values: list[Any]) -> dict[str, Any]:
    """Return the object of a message's fields."""
    fields = zip(message.names, values, strict=False)
    return {"t": message.name} | {name: shown(message.kind(name), field) for name, field in fields}


def vectors() -> Iterator[str]:
    """Return one line for each message and size; the least one is without its optional fields."""
    for message in MESSAGES:
        for size, name in enumerate(SIZES):
            names = message.names if size else message.names[: message.required]
            values = [value(message.kind(field), size, place) for place, field in enumerate(names)]
            if names[0] == "ref":
                values[0] = values[0] or 1  # The first.
            packed: bytes = msgpack.packb([int(message.number), *values])
            line = {"size": name, "json": named(message, values), "hex": packed.hex()}
            yield json.dumps(line, separators=(",", ":"), ensure_ascii=False)
