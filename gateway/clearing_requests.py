"""What a participant sends the clearinghouse himself: requests 42 to 48, and the commands they become.

Their fields are those of the commands (exchange/clearing/house.py), in their order and without the account, which is
the session's. Those at the end that have a default may be left out.
"""

from collections.abc import Callable, Mapping
from typing import Any

from exchange import commands
from exchange.catalogue.payload import Field
from exchange.clearing.house import HOUSE_COMMANDS, RUNS_MAX
from exchange.records import NIL, CommandType
from exchange.units import AMOUNT_MAX

PARTICIPANTS: dict[int, CommandType] = {  # By message number.
    42: CommandType.TRANSFER,
    43: CommandType.DELIVERY_TERMS,
    44: CommandType.HEARTBEAT,
    45: CommandType.METER,
    46: CommandType.CHECKPOINT,
    47: CommandType.REPORT_FAILURE,
    48: CommandType.BID,
}


def request_fields(kind: CommandType) -> Mapping[str, Field]:
    """Return the fields of a request after its ref, in order."""
    return {name: field for name, field in HOUSE_COMMANDS[kind].fields.items() if name != "account"}


def tail_of(kind: CommandType) -> int:
    """Return how many fields may be left out, from the end."""
    count = 0
    for field in reversed(list(request_fields(kind).values())):
        if field.required:
            break
        count += 1
    return count


def described(kind: CommandType) -> str:
    """Return the fields as the protocol's table has them, such as ``ref product [count]``."""
    names = ["ref", *request_fields(kind)]
    tail = tail_of(kind)
    return " ".join(names[: len(names) - tail]) + (f" [{' '.join(names[-tail:])}]" if tail else "")


def read_request(kind: CommandType, values: list[Any]) -> dict[str, Any]:
    """Return the fields of a command from those of a request; what was left out stays out.

    Raises:
        ValueError: a field is missing, extra or of another kind.

    """
    fields = request_fields(kind)
    if not len(fields) - tail_of(kind) <= len(values) <= len(fields):
        raise ValueError(f"fields must be {described(kind)}")
    return {name: _read(name, fields[name], value) for name, value in zip(fields, values, strict=False)}


def record_of(kind: CommandType, account: str, fields: Mapping[str, Any]) -> bytes:
    """Return the command record of a participant's request."""
    return commands.clearing(kind, account=account, **fields)


def _read(name: str, field: Field, value: Any) -> Any:
    if name == "start":
        return _integer(value, NIL)
    return _READERS[field.type](value)


def _integer(value: Any, most: int = AMOUNT_MAX) -> int:
    if type(value) is not int or not 0 <= value <= most:
        raise ValueError(f"must be an integer from 0 to {most}")
    return value


def _flag(value: Any) -> bool:
    return bool(_integer(value, 1))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("must be text")
    return value


def _bytes(value: Any) -> bytes:
    if not isinstance(value, bytes):
        raise ValueError("must be bytes")
    return value


def _ranges(value: Any) -> list[list[int]]:
    if not isinstance(value, list) or len(value) > RUNS_MAX:
        raise ValueError(f"must be a list of at most {RUNS_MAX} ranges")
    if not all(isinstance(pair, list) and len(pair) == 2 for pair in value):
        raise ValueError("must be a list of [first, count]")
    return [[_integer(number) for number in pair] for pair in value]


_READERS: dict[type, Callable[[Any], Any]] = {int: _integer, bool: _flag, str: _text, bytes: _bytes, list: _ranges}
