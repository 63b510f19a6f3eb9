"""JSON lines in: one command a line, by names, to command records. The other direction is gateway/jsonlines_out.py.

The names are pinned in docs/spec/jsonlines.md. A line is refused (LineError) when it is not what is described there;
what is wrong with a well-formed command is for the engine to answer, so an unknown instrument is handle 0 and an
unknown account is number NIL.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from exchange import commands
from exchange.commands import Leg
from exchange.errors import CatalogueError, SymbolError
from exchange.records import NIL, OrderFlag, Side, Stp, Tif
from exchange.units import window_id

QUOTE_LEGS_MAX = 64
REF_MAX = (1 << 53) - 1
INT32_MIN, INT32_MAX = -(1 << 31), (1 << 31) - 1
# What `hourglass journal --json` adds to each command, so that its output can be fed back.
ANNOTATIONS = ("seq", "at_ns")
REQUIRED = object()


class LineError(ValueError):
    """The line is not a command; the text says what must be and what was."""


class Names(Protocol):
    """What is needed of the catalogue."""

    def account_number(self, name: str) -> int | None:
        """Return the number of an account."""

    def product_number(self, name: str) -> int:
        """Return the number of a product; CatalogueError when there is none."""

    def handle(self, product: str, fabric: str, window: int) -> int | None:
        """Return the handle of an instrument."""


def integer(least: int, most: int) -> Callable[[str, Any], int]:
    """Return a reader of whole numbers in a range."""

    def read(field: str, value: Any) -> int:
        if type(value) is not int or not least <= value <= most:
            raise LineError(f"{field} must be a whole number from {least} to {most}, was {_shown(value)}")
        return value

    return read


def one_of(choices: Mapping[str, int]) -> Callable[[str, Any], int]:
    """Return a reader of one word out of several."""

    def read(field: str, value: Any) -> int:
        if not isinstance(value, str) or value not in choices:
            raise LineError(f"{field} must be one of {', '.join(choices)}, was {_shown(value)}")
        return choices[value]

    return read


def flag_list(choices: Mapping[str, int]) -> Callable[[str, Any], int]:
    """Return a reader of a list of words, each at most once."""

    def read(field: str, value: Any) -> int:
        if not isinstance(value, list) or any(word not in choices or value.count(word) > 1 for word in value):
            raise LineError(f"{field} must be a list of {', '.join(choices)}, was {_shown(value)}")
        return sum(choices[word] for word in value)

    return read


def text(field: str, value: Any) -> str:
    """Read a name."""
    if not isinstance(value, str) or not value:
        raise LineError(f"{field} must be a name, was {_shown(value)}")
    return value


def texts(field: str, value: Any) -> list[str]:
    """Read a list of names."""
    if not isinstance(value, list):
        raise LineError(f"{field} must be a list of names, was {_shown(value)}")
    return [text(field, name) for name in value]


def boolean(field: str, value: Any) -> bool:
    """Read true or false."""
    if not isinstance(value, bool):
        raise LineError(f"{field} must be true or false, was {_shown(value)}")
    return value


def window(field: str, value: Any) -> int:
    """Read a window: its id, or a UTC hour such as ``2026-11-24T14``."""
    if isinstance(value, str):
        try:
            return window_id(value)
        except SymbolError as error:
            raise LineError(str(error)) from error
    return _uint32(field, value)


def legs(field: str, value: Any) -> list[dict[str, Any]]:
    """Read the legs of a quote."""
    if not isinstance(value, list) or not 1 <= len(value) <= QUOTE_LEGS_MAX:
        raise LineError(f"{field} must be a list of 1 to {QUOTE_LEGS_MAX} legs, was {_shown(value)}")
    return [_fields(f"leg {number}", leg, _LEG) for number, leg in enumerate(value)]


_int32 = integer(INT32_MIN, INT32_MAX)
_uint32 = integer(0, NIL)
_byte = integer(0, 255)
_ref = integer(0, REF_MAX)
_amount = integer(-(1 << 63), (1 << 63) - 1)
_count = integer(0, NIL)
_side = one_of({side.name.lower(): side.value for side in Side})
_tif = one_of({tif.name: tif.value for tif in Tif})
_stp = one_of({stp.name.lower(): stp.value for stp in Stp})
_place_flags = flag_list(
    {flag.name.lower(): flag.value for flag in OrderFlag if flag.name and flag.name != "KEEP_PRIORITY"}
)
_replace_flags = flag_list({"keep_priority": OrderFlag.KEEP_PRIORITY.value})
_quote_flags = flag_list({"post_only": OrderFlag.POST_ONLY.value})

Fields = dict[str, tuple[Callable[[str, Any], Any], Any]]

_CLIENT: Fields = {"account": (text, REQUIRED), "lane": (_byte, 0), "ref": (_ref, REQUIRED)}
_INSTRUMENT: Fields = {"product": (text, REQUIRED), "fabric": (text, REQUIRED), "start": (window, REQUIRED)}
_RANGE: Fields = {"product": (text, REQUIRED), "start": (window, REQUIRED), "count": (_count, 1)}
_LEG: Fields = _INSTRUMENT | {name: (_int32, 0) for name in ("bid_px", "bid_qty", "ask_px", "ask_qty")}

FIELDS: dict[str, Fields] = {
    "add_product": {
        "product": (text, REQUIRED), "lot_scu": (_amount, REQUIRED), "tick_micros": (_amount, REQUIRED),
        "fabrics": (texts, REQUIRED), "maker_fee_ppm": (_amount, 0), "taker_fee_ppm": (_amount, 0),
        "gate_lead_s": (_amount, 900),
    },
    "add_account": {"account": (text, REQUIRED), "group": (text, None), "margined": (boolean, False)},
    "list_window": _RANGE,
    "set_rates": _RANGE
    | {"fabric": (text, None), "long_micros": (_amount, REQUIRED), "short_micros": (_amount, REQUIRED)},
    "set_mark": _RANGE | {"fabric": (text, None), "px": (_amount, REQUIRED)},
    "deposit": {"account": (text, REQUIRED), "micros": (_amount, REQUIRED)},
    "withdraw": {"account": (text, REQUIRED), "micros": (_amount, REQUIRED)},
    "time": {"ts_ns": (_amount, REQUIRED)},
    "session_lost": {"account": (text, REQUIRED), "lane": (_byte, 0), "every": (boolean, False)},
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
        "oid": (_ref, None), "target_ref": (_ref, None), "px": (_int32, REQUIRED), "qty": (_int32, REQUIRED),
        "flags": (_replace_flags, 0), "stp": (_stp, 0),
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
}  # fmt: skip

LATER = ("block", "batch", "mmp_set", "mmp_reset", "deadman", "status")


class CommandReader:
    """Turns lines into records, with the names the catalogue knows at that moment."""

    def __init__(self, names: Names) -> None:
        self._names = names

    def read(self, line: str | bytes) -> bytes:
        """Return the records of one line: one, or for a quote one a leg.

        Raises:
            LineError: the line is refused.

        """
        return self.convert(parse_line(line))

    def convert(self, command: dict[str, Any]) -> bytes:
        """Return the records of one command given by names, as ``parse_line`` returns it. Raises LineError."""
        kind = command.get("t")
        if kind in LATER:
            raise LineError(f"{kind} is not supported by this version")
        if not isinstance(kind, str) or kind not in FIELDS:
            raise LineError(f"t must be one of {', '.join(FIELDS)}, was {_shown(kind)}")
        given = {name: value for name, value in command.items() if name != "t" and name not in ANNOTATIONS}
        fields = _fields(kind, given, FIELDS[kind])
        builder: Callable[[CommandReader, dict[str, Any]], bytes] = _BUILDERS[kind]
        return builder(self, fields)

    def _client(self, fields: dict[str, Any]) -> dict[str, Any]:
        return {"account": self._account(fields["account"]), "ref": fields["ref"], "lane": fields["lane"]}

    def _account(self, name: str) -> int:
        number = self._names.account_number(name)
        return NIL if number is None else number

    def _handle(self, fields: dict[str, Any]) -> int:
        return self._names.handle(fields["product"], fields["fabric"], fields["start"]) or 0

    def _place(self, fields: dict[str, Any]) -> bytes:
        return commands.place(
            **self._client(fields), instrument=self._handle(fields), side=fields["side"], price=fields["px"],
            lots=fields["qty"], tif=fields["tif"], flags=fields["flags"], display=fields["display"],
            expiry_ns=fields["expire_ts_ns"], stp=fields["stp"], tag=fields["tag"],
        )  # fmt: skip

    def _cancel(self, fields: dict[str, Any]) -> bytes:
        return commands.cancel(**self._client(fields), oid=fields["oid"])

    def _cancel_ref(self, fields: dict[str, Any]) -> bytes:
        return commands.cancel_ref(**self._client(fields), target_ref=fields["target_ref"])

    def _replace(self, fields: dict[str, Any]) -> bytes:
        if (fields["oid"] is None) == (fields["target_ref"] is None):
            raise LineError("replace must have one of oid and target_ref")
        changes = {"price": fields["px"], "lots": fields["qty"], "flags": fields["flags"], "stp": fields["stp"]}
        if fields["oid"] is not None:
            return commands.replace(**self._client(fields), oid=fields["oid"], **changes)
        return commands.replace_ref(**self._client(fields), target_ref=fields["target_ref"], **changes)

    def _mass_cancel(self, fields: dict[str, Any]) -> bytes:
        return commands.mass_cancel(
            **self._client(fields), **self._where(fields), side=fields["side"], tag=fields["tag"],
            placed_in=fields["lane_filter"],
        )  # fmt: skip

    def _where(self, fields: dict[str, Any]) -> dict[str, Any]:
        """Return the filters by product, instrument and windows of a mass cancel."""
        windows = _window_range(fields)
        if fields["fabric"] is not None:
            if fields["product"] is None or fields["start"] is None or fields["count"] not in (None, 1):
                raise LineError("fabric must come with product, start, and no count: it names one instrument")
            return {"instrument": self._handle(fields)}
        if fields["product"] is None:
            return {"windows": windows}
        try:
            return {"product": self._names.product_number(fields["product"]), "windows": windows}
        except CatalogueError as error:
            raise LineError(str(error)) from error

    def _quote(self, fields: dict[str, Any]) -> bytes:
        shared = {"quote_set": fields["set"], "stp": fields["stp"], "flags": fields["flags"], "tag": fields["tag"]}
        return commands.quote(
            **self._client(fields),
            legs=[
                Leg(self._handle(leg), leg["bid_px"], leg["bid_qty"], leg["ask_px"], leg["ask_qty"], **shared)
                for leg in fields["legs"]
            ],
        )

    def _session_lost(self, fields: dict[str, Any]) -> bytes:
        return commands.session_lost(self._account(fields["account"]), fields["lane"], every=fields["every"])

    def _deposit(self, fields: dict[str, Any]) -> bytes:
        return commands.deposit(self._account(fields["account"]), fields["micros"])

    def _withdraw(self, fields: dict[str, Any]) -> bytes:
        return commands.withdraw(self._account(fields["account"]), fields["micros"])


_BUILDERS: dict[str, Callable[[CommandReader, dict[str, Any]], bytes]] = {
    "add_product": lambda _, fields: commands.add_product(**fields),
    "add_account": lambda _, fields: commands.add_account(**fields),
    "list_window": lambda _, fields: commands.list_window(**fields),
    "set_rates": lambda _, fields: commands.set_rates(**fields),
    "set_mark": lambda _, fields: commands.set_mark(**fields),
    "time": lambda _, fields: commands.time(fields["ts_ns"]),
    "deposit": CommandReader._deposit,
    "withdraw": CommandReader._withdraw,
    "session_lost": CommandReader._session_lost,
    "place": CommandReader._place,
    "cancel": CommandReader._cancel,
    "cancel_ref": CommandReader._cancel_ref,
    "replace": CommandReader._replace,
    "mass_cancel": CommandReader._mass_cancel,
    "quote": CommandReader._quote,
}


def parse_line(line: str | bytes) -> dict[str, Any]:
    """Return the object of one line. Raises LineError for anything else, and for a name given twice."""
    try:
        command = json.loads(line, object_pairs_hook=_unique)
    except LineError:
        raise
    except (ValueError, RecursionError) as error:
        raise LineError(f"the line must be one JSON object: {error}") from error
    if not isinstance(command, dict):
        raise LineError(f"the line must be one JSON object, was {_shown(command)}")
    return command


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = dict(pairs)
    if len(names) != len(pairs):
        raise LineError("a field must be given once, one was given twice")
    return names


def _fields(what: str, given: Any, known: Fields) -> dict[str, Any]:
    """Return every known field with its value or default."""
    if not isinstance(given, dict):
        raise LineError(f"{what} must be an object, was {_shown(given)}")
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


def _window_range(fields: dict[str, Any]) -> tuple[int, int] | None:
    if fields["from"] is not None or fields["to"] is not None:
        if fields["from"] is None or fields["to"] is None or fields["start"] is not None:
            raise LineError("from and to must come together, and without start")
        return fields["from"], fields["to"]
    if fields["start"] is None:
        if fields["count"] is not None:
            raise LineError("count must come with start")
        return None
    end = fields["start"] + (1 if fields["count"] is None else fields["count"])
    if end > NIL:
        raise LineError(f"start + count must be at most {NIL}, was {end}")
    return fields["start"], end


def _shown(value: Any) -> str:
    shown = json.dumps(value)
    return shown if len(shown) <= 60 else shown[:57] + "..."
