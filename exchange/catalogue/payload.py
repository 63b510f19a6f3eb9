"""Strict reading of administrative payloads: one msgpack map, every field known, of its type, none twice.

Anything else is CatalogueError MALFORMED; no input raises another exception. Ranges are checked where the
values are used.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgpack

from exchange.errors import CatalogueError
from exchange.reasons import RejectReason
from exchange.units import FABRICS_MAX

PAYLOAD_BYTES_MAX = 1 << 16
FIELDS_MAX = 32


class Field(NamedTuple):
    """What a field must be; with ``required`` false, ``default`` stands in where it is missing."""

    type: type
    required: bool = True
    default: Any = None


def malformed(message: str) -> CatalogueError:
    """Return the error for a payload that is not what it should be."""
    return CatalogueError(RejectReason.MALFORMED, message)


def read_fields(payload: bytes, fields: Mapping[str, Field]) -> dict[str, Any]:
    """Return the fields of a zero-padded payload, defaults filled in.

    Raises:
        CatalogueError: MALFORMED.

    """
    given = _unpack(payload)
    unknown = [name for name in given if name not in fields]
    if unknown:
        raise malformed(f"fields must be of {list(fields)}, one was {unknown[0]!r}")
    return {name: _read(name, given, field) for name, field in fields.items()}


def _unpack(payload: bytes) -> dict[Any, Any]:
    if not 1 <= len(payload) <= PAYLOAD_BYTES_MAX:
        raise malformed(f"a payload must have from 1 to {PAYLOAD_BYTES_MAX} bytes, had {len(payload)}")
    unpacker = msgpack.Unpacker(
        object_pairs_hook=_without_repetition,
        max_buffer_size=PAYLOAD_BYTES_MAX,
        max_array_len=FABRICS_MAX,
        max_map_len=FIELDS_MAX,
        max_ext_len=0,
    )
    unpacker.feed(payload)
    try:
        given = unpacker.unpack()
    except CatalogueError:
        raise
    except (ValueError, TypeError, OverflowError, msgpack.UnpackException) as error:
        raise malformed("a payload must be msgpack") from error
    if not isinstance(given, dict):
        raise malformed("a payload must be a map")
    if any(payload[unpacker.tell() :]):
        raise malformed("a payload must be padded with zeros")
    return given


def _without_repetition(pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise malformed("a field must be given once")
    return fields


def _read(name: str, given: dict[Any, Any], field: Field) -> Any:
    if name not in given:
        if field.required:
            raise malformed(f"field {name} is missing")
        return field.default
    value = given[name]
    if type(value) is not field.type:  # Not isinstance: a bool is no number here.
        raise malformed(f"field {name} must be {field.type.__name__}, was {type(value).__name__}")
    return value


def read_names(name: str, values: list[Any]) -> tuple[str, ...]:
    """Return a list of strings as a tuple.

    Raises:
        CatalogueError: MALFORMED where one is no string.

    """
    if any(type(value) is not str for value in values):
        raise malformed(f"{name} must be strings")
    return tuple(values)
