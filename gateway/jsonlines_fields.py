"""JSON lines in: which fields each command has, and what each must be. Names are pinned in docs/spec/jsonlines.md."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from exchange.errors import SymbolError
from exchange.records import NIL, OrderFlag, SessionNote, Side, Stp, Tif
from exchange.units import window_id

QUOTE_LEGS_MAX = 64
REF_MAX = (1 << 53) - 1
INT32_MIN, INT32_MAX = -(1 << 31), (1 << 31) - 1
EVERY_FABRIC = (1 << 64) - 1  # A block's scope of all fabrics of its product, however many those are (BLK-001).
INT64_MIN, INT64_MAX = -(1 << 63), (1 << 63) - 1
REQUIRED = object()


class LineError(ValueError):
    """The line is not a command; the text says what must be and what was."""


def integer(least: int, most: int) -> Callable[[str, Any], int]:
    """Return a reader of whole numbers in a range."""

    def read(field: str, value: Any) -> int:
        if type(value) is not int or not least <= value <= most:
            raise LineError(f"{field} must be a whole number from {least} to {most}, was {shown(value)}")
        return value

    return read


def one_of(choices: Mapping[str, int]) -> Callable[[str, Any], int]:
    """Return a reader of one word out of several."""

    def read(field: str, value: Any) -> int:
        if not isinstance(value, str) or value not in choices:
            raise LineError(f"{field} must be one of {', '.join(choices)}, was {shown(value)}")
        return choices[value]

    return read


def flag_list(choices: Mapping[str, int]) -> Callable[[str, Any], int]:
    """Return a reader of a list of words, each at most once."""

    def read(field: str, value: Any) -> int:
        if not isinstance(value, list) or not all(isinstance(word, str) and word in choices for word in value):
            raise LineError(f"{field} must be a list of {', '.join(choices)}, was {shown(value)}")
        if len(set(value)) != len(value):
            raise LineError(f"{field} must be a list of {', '.join(choices)}, was {shown(value)}")
        return sum(choices[word] for word in value)

    return read


def text(field: str, value: Any) -> str:
    """Read a name."""
    if not isinstance(value, str) or not value:
        raise LineError(f"{field} must be a name, was {shown(value)}")
    return value


def note(field: str, value: Any) -> str:
    """Read a text that may be empty."""
    if not isinstance(value, str):
        raise LineError(f"{field} must be text, was {shown(value)}")
    return value


def texts(field: str, value: Any) -> list[str]:
    """Read a list of names."""
    if not isinstance(value, list):
        raise LineError(f"{field} must be a list of names, was {shown(value)}")
    return [text(field, name) for name in value]


def optional(read: Callable[[str, Any], Any]) -> Callable[[str, Any], Any]:
    """Return a reader that takes null too."""

    def read_optional(field: str, value: Any) -> Any:
        return None if value is None else read(field, value)

    return read_optional


def boolean(field: str, value: Any) -> bool:
    """Read true or false."""
    if not isinstance(value, bool):
        raise LineError(f"{field} must be true or false, was {shown(value)}")
    return value


def window(field: str, value: Any) -> int:
    """Read a window: its id, or a UTC hour such as ``2026-11-24T14``."""
    if isinstance(value, str):
        try:
            return window_id(value)
        except SymbolError as error:
            raise LineError(str(error)) from error
    return _uint32(field, value)


def hexadecimal(field: str, value: Any) -> bytes:
    """Read bytes, given as hexadecimal text without spaces."""
    try:
        if isinstance(value, str) and len(value) == 2 * len(given := bytes.fromhex(value)):
            return given
    except ValueError:
        pass
    raise LineError(f"{field} must be bytes as hexadecimal text, was {shown(value)}")


def node_ranges(field: str, value: Any) -> list[list[int]]:
    """Read ranges of nodes: pairs of the first one and how many."""
    if not isinstance(value, list) or not all(isinstance(pair, list) and len(pair) == 2 for pair in value):
        raise LineError(f"{field} must be a list of [first, count], was {shown(value)}")
    return [[int64(field, number) for number in pair] for pair in value]


def legs(field: str, value: Any) -> list[dict[str, Any]]:
    """Read the legs of a quote."""
    if not isinstance(value, list) or not 1 <= len(value) <= QUOTE_LEGS_MAX:
        raise LineError(f"{field} must be a list of 1 to {QUOTE_LEGS_MAX} legs, was {shown(value)}")
    return [read_fields(f"leg {number}", leg, _LEG) for number, leg in enumerate(value)]


_int32 = integer(INT32_MIN, INT32_MAX)
_uint32 = integer(0, NIL)
_byte = integer(0, 255)
_ref = integer(0, REF_MAX)
int64 = integer(INT64_MIN, INT64_MAX)
_amount = int64
_seed = integer(0, (1 << 64) - 1)
_count = integer(0, NIL)
_side = one_of({side.name.lower(): side.value for side in Side})
_tif = one_of({tif.name: tif.value for tif in Tif})
_note = one_of({note.name.lower(): note.value for note in SessionNote})
_stp = one_of({stp.name.lower(): stp.value for stp in Stp})
_place_flags = flag_list(
    {flag.name.lower(): flag.value for flag in OrderFlag if flag.name and flag.name != "KEEP_PRIORITY"}
)
_replace_flags = flag_list({"keep_priority": OrderFlag.KEEP_PRIORITY.value})
_quote_flags = flag_list({"post_only": OrderFlag.POST_ONLY.value})
_block_tif = one_of({tif.name: tif.value for tif in (Tif.GTG, Tif.GTD, Tif.IOC, Tif.FOK)})
_block_flags = flag_list({"cod": OrderFlag.COD.value, "physical": OrderFlag.PHYSICAL.value})

Fields = dict[str, tuple[Callable[[str, Any], Any], Any]]

_CLIENT: Fields = {"account": (text, REQUIRED), "lane": (_byte, 0), "ref": (_ref, REQUIRED)}
_INSTRUMENT: Fields = {"product": (text, REQUIRED), "fabric": (text, REQUIRED), "start": (window, REQUIRED)}
_RANGE: Fields = {"product": (text, REQUIRED), "start": (window, REQUIRED), "count": (_count, 1)}
_LEG: Fields = _INSTRUMENT | {name: (_int32, 0) for name in ("bid_px", "bid_qty", "ask_px", "ask_qty")}

_WINDOWS: Fields = _RANGE | {"fabric": (optional(text), None)}
# Terms of a product that stay out of its record where they are not given: a record says what was said (JSL-001).
TERMS: Fields = {"zone": (note, None)} | {
    name: (_amount, None)
    for name in (
        "open_lead_s", "open_call_s", "preclose_s", "random_end_s", "balancing_s", "settle_s", "volatility_call_s",
        "band_static_bps", "band_dynamic_bps", "buyin_bps", "rolling_hours", "window_hours",
    )
}  # fmt: skip

FIELDS: dict[str, Fields] = {
    "add_product": {
        "product": (text, REQUIRED), "lot_scu": (_amount, REQUIRED), "tick_micros": (_amount, REQUIRED),
        "fabrics": (texts, REQUIRED), "maker_fee_ppm": (_amount, 0), "taker_fee_ppm": (_amount, 0),
        "gate_lead_s": (_amount, 900),
    }
    | TERMS,
    "add_account": {
        "account": (text, REQUIRED), "group": (text, None), "margined": (boolean, False), "prepaid": (boolean, False),
    },
    "list_window": _RANGE,
    "set_rates": _RANGE
    | {"fabric": (text, None), "long_micros": (_amount, REQUIRED), "short_micros": (_amount, REQUIRED)},
    "set_mark": _RANGE | {"fabric": (text, None), "px": (_amount, REQUIRED)},
    "set_seed": {"seed": (_seed, REQUIRED)},
    "roll_windows": {"product": (text, REQUIRED)},
    "halt": _WINDOWS,
    "resume": _WINDOWS,
    "certify": {"account": (text, REQUIRED)} | _INSTRUMENT | {"count": (_count, 1), "lots": (_amount, REQUIRED)},
    "balance": {"account": (text, REQUIRED)}
    | _INSTRUMENT
    | {"lots": (_amount, REQUIRED), "px": (_amount, REQUIRED), "exclude": (texts, [])},
    "deposit": {"account": (text, REQUIRED), "micros": (_amount, REQUIRED)},
    "withdraw": {"account": (text, REQUIRED), "micros": (_amount, REQUIRED)},
    "time": {"ts_ns": (_amount, REQUIRED)},
    "session_lost": {
        "account": (text, REQUIRED), "lane": (_byte, 0), "every": (boolean, False), "whole_account": (boolean, False),
        "deadman": (boolean, False),
    },
    "session": {
        "account": (text, REQUIRED), "lane": (_byte, 0), "note": (_note, REQUIRED),
        "amount_ns": (integer(0, INT64_MAX), 0),
    },
    "place": _CLIENT
    | _INSTRUMENT
    | {
        "side": (_side, REQUIRED), "px": (_int32, REQUIRED), "qty": (_int32, REQUIRED), "tif": (_tif, Tif.GTG.value),
        "flags": (_place_flags, 0), "display": (_int32, 0), "expire_ts_ns": (_amount, 0), "stp": (_stp, 0),
        "tag": (_uint32, 0),
    },
    "cancel": _CLIENT | {"oid": (_ref, REQUIRED)},
    "cancel_ref": _CLIENT | {"target_ref": (_ref, REQUIRED)},
    "replace": _CLIENT
    | {
        "oid": (_ref, None), "target_ref": (_ref, None), "px": (_int32, None), "limit_total": (_int32, None),
        "qty": (_int32, REQUIRED), "flags": (_replace_flags, 0), "stp": (_stp, 0),
    },
    "mass_cancel": _CLIENT
    | {
        "product": (text, None), "fabric": (text, None), "start": (window, None), "count": (_count, None),
        "from": (window, None), "to": (window, None), "side": (_side, None), "lane_filter": (_byte, None),
        "tag": (_uint32, None),
    },
    "quote": _CLIENT
    | {
        "set": (_byte, 0), "legs": (legs, REQUIRED), "flags": (_quote_flags, 0), "stp": (_stp, 0), "tag": (_uint32, 0),
    },
    "block": _CLIENT
    | {
        "product": (text, REQUIRED), "fabrics": (optional(texts), None), "start": (window, REQUIRED),
        "hours": (_byte, REQUIRED), "side": (_side, REQUIRED), "limit_total": (_int32, REQUIRED),
        "qty": (_int32, REQUIRED), "min_qty": (_int32, 0), "tif": (_block_tif, Tif.GTG.value),
        "flags": (_block_flags, 0), "expire_ts_ns": (_amount, 0), "stp": (_stp, 0), "tag": (_uint32, 0),
    },
    "mmp_set": _CLIENT
    | {"set": (_byte, REQUIRED), "fills": (_int32, 0), "lots": (_int32, 0), "window_ms": (_amount, REQUIRED)},
    "mmp_reset": _CLIENT | {"set": (_byte, REQUIRED)},
}  # fmt: skip


def read_fields(what: str, given: Any, known: Fields) -> dict[str, Any]:
    """Return every known field with its value or default."""
    if not isinstance(given, dict):
        raise LineError(f"{what} must be an object, was {shown(given)}")
    unknown = [name for name in given if name not in known]
    if unknown:
        raise LineError(f"{what} has no field {unknown[0]!r}; it has {', '.join(known)}")
    fields = {}
    for name, (read, default) in known.items():
        if name in given:
            fields[name] = read(name, given[name])
        elif default is REQUIRED:
            raise LineError(f"{what} must have {name}")
        else:
            fields[name] = default
    return fields


def shown(value: Any) -> str:
    """Return a value as an error quotes it."""
    quoted = json.dumps(value)
    return quoted if len(quoted) <= 60 else quoted[:57] + "..."
