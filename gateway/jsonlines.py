"""JSON lines in: one command a line, by names, to command records. The other direction is gateway/jsonlines_out.py.

The names are pinned in docs/spec/jsonlines.md. A line is refused (LineError) when it is not what is described there;
what is wrong with a well-formed command is for the engine to answer, so an unknown instrument is handle 0, an unknown
account or product number NIL, and an unknown fabric of a block one that the product does not have.
"""

import json
from collections.abc import Callable
from typing import Any, Protocol

from exchange import commands
from exchange.catalogue import Product
from exchange.commands import Leg
from exchange.errors import CatalogueError
from exchange.records import NIL, SessionNote
from exchange.units import FABRICS_MAX
from gateway.jsonlines_clearing import CLEARING, clearing_record
from gateway.jsonlines_fields import EVERY_FABRIC, FIELDS, INT32_MAX, TERMS, Fields, LineError, read_fields, shown

# What `hourglass journal --json` adds to each command, so that its output can be fed back.
ANNOTATIONS = ("seq", "at_ns")
LATER = ("batch", "deadman", "status")


class Names(Protocol):
    """What is needed of the catalogue."""

    def account_number(self, name: str) -> int | None:
        """Return the number of an account."""

    def product_number(self, name: str) -> int:
        """Return the number of a product; CatalogueError when there is none."""

    def product(self, number: int) -> Product:
        """Return a product by its number, which must exist."""

    def handle(self, product: str, fabric: str, window: int) -> int | None:
        """Return the handle of an instrument."""


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
        given = {name: value for name, value in command.items() if name != "t" and name not in ANNOTATIONS}
        if isinstance(kind, str) and kind in CLEARING:
            return clearing_record(kind, given)
        if not isinstance(kind, str) or kind not in FIELDS:
            raise LineError(f"t must be one of {', '.join((*FIELDS, *CLEARING))}, was {shown(kind)}")
        fields = read_fields(kind, given, FIELDS[kind])
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
        if (fields["px"] is None) == (fields["limit_total"] is None):
            raise LineError("replace must have one of px and limit_total")
        price = fields["px"] if fields["limit_total"] is None else fields["limit_total"]
        changes = {"price": price, "lots": fields["qty"], "flags": fields["flags"], "stp": fields["stp"]}
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
        windows = _window_range(fields, self._window_hours(fields["product"]))
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

    def _window_hours(self, name: str | None) -> int:
        """Return how long the windows of a product are; an hour where none is named or known."""
        number = NIL if name is None else self._product(name)
        return 1 if number == NIL else self._names.product(number).window_hours

    def _quote(self, fields: dict[str, Any]) -> bytes:
        shared = {"quote_set": fields["set"], "stp": fields["stp"], "flags": fields["flags"], "tag": fields["tag"]}
        return commands.quote(
            **self._client(fields),
            legs=[
                Leg(self._handle(leg), leg["bid_px"], leg["bid_qty"], leg["ask_px"], leg["ask_qty"], **shared)
                for leg in fields["legs"]
            ],
        )

    def _block(self, fields: dict[str, Any]) -> bytes:
        product = self._product(fields["product"])
        return commands.block(
            **self._client(fields), product=product, scope=self._scope(product, fields["fabrics"]),
            start=min(fields["start"], INT32_MAX), hours=fields["hours"], side=fields["side"],
            limit=fields["limit_total"], lots=fields["qty"], min_lots=fields["min_qty"], tif=fields["tif"],
            flags=fields["flags"], stp=fields["stp"], expiry_ns=fields["expire_ts_ns"], tag=fields["tag"],
        )  # fmt: skip

    def _product(self, name: str) -> int:
        try:
            return self._names.product_number(name)
        except CatalogueError:
            return NIL

    def _scope(self, product: int, names: list[str] | None) -> int:
        """Return the bits of fabrics; a name the product does not have becomes a bit beyond its fabrics."""
        if names is None:
            return EVERY_FABRIC
        if len(set(names)) != len(names):
            raise LineError(f"fabrics must differ, were {shown(names)}")
        known = () if product == NIL else self._names.product(product).fabrics
        scope = sum(1 << known.index(name) for name in names if name in known)
        unknown = [name for name in names if name not in known]
        if not unknown:
            return scope
        scope |= 1 << FABRICS_MAX - 1
        if len(known) == FABRICS_MAX or scope == EVERY_FABRIC:  # No bit says that it is unknown.
            raise LineError(f"fabrics must be of {shown(list(known))}, one was {shown(unknown[0])}")
        return scope

    def _mmp_set(self, fields: dict[str, Any]) -> bytes:
        return commands.mmp_set(
            **self._client(fields), quote_set=fields["set"], fills=fields["fills"], lots=fields["lots"],
            window_ms=fields["window_ms"],
        )  # fmt: skip

    def _mmp_reset(self, fields: dict[str, Any]) -> bytes:
        return commands.mmp_reset(**self._client(fields), quote_set=fields["set"])

    def _session_lost(self, fields: dict[str, Any]) -> bytes:
        scope = {name: fields[name] for name in ("every", "whole_account", "deadman")}
        return commands.session_lost(self._account(fields["account"]), fields["lane"], **scope)

    def _session(self, fields: dict[str, Any]) -> bytes:
        note = SessionNote(fields["note"])
        return commands.session(self._account(fields["account"]), fields["lane"], note, fields["amount_ns"])

    def _deposit(self, fields: dict[str, Any]) -> bytes:
        return commands.deposit(self._account(fields["account"]), fields["micros"])

    def _withdraw(self, fields: dict[str, Any]) -> bytes:
        return commands.withdraw(self._account(fields["account"]), fields["micros"])


_BUILDERS: dict[str, Callable[[CommandReader, dict[str, Any]], bytes]] = {
    "add_product": lambda _, fields: commands.add_product(**_given(fields, TERMS)),
    "add_account": lambda _, fields: commands.add_account(**fields),
    "list_window": lambda _, fields: commands.list_window(**fields),
    "set_rates": lambda _, fields: commands.set_rates(**fields),
    "set_mark": lambda _, fields: commands.set_mark(**fields),
    "set_seed": lambda _, fields: commands.set_seed(**fields),
    "roll_windows": lambda _, fields: commands.roll_windows(**fields),
    "halt": lambda _, fields: commands.halt(**fields),
    "resume": lambda _, fields: commands.resume(**fields),
    "certify": lambda _, fields: commands.certify(**fields),
    "balance": lambda _, fields: commands.balance(**fields),
    "time": lambda _, fields: commands.time(fields["ts_ns"]),
    "deposit": CommandReader._deposit,
    "withdraw": CommandReader._withdraw,
    "session_lost": CommandReader._session_lost,
    "session": CommandReader._session,
    "place": CommandReader._place,
    "cancel": CommandReader._cancel,
    "cancel_ref": CommandReader._cancel_ref,
    "replace": CommandReader._replace,
    "mass_cancel": CommandReader._mass_cancel,
    "quote": CommandReader._quote,
    "block": CommandReader._block,
    "mmp_set": CommandReader._mmp_set,
    "mmp_reset": CommandReader._mmp_reset,
}


def _given(fields: dict[str, Any], optional: Fields) -> dict[str, Any]:
    """Return the fields without the optional ones that were not given."""
    return {name: value for name, value in fields.items() if value is not None or name not in optional}


def parse_line(line: str | bytes) -> dict[str, Any]:
    """Return the object of one line. Raises LineError for anything else, and for a name given twice."""
    try:
        command = json.loads(line, object_pairs_hook=_unique)
    except LineError:
        raise
    except (ValueError, RecursionError) as error:
        raise LineError(f"the line must be one JSON object: {error}") from error
    if not isinstance(command, dict):
        raise LineError(f"the line must be one JSON object, was {shown(command)}")
    return command


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = dict(pairs)
    if len(names) != len(pairs):
        raise LineError("a field must be given once, one was given twice")
    return names


def _window_range(fields: dict[str, Any], hours: int) -> tuple[int, int] | None:
    """Return the windows of a mass cancel, the last one left out; `count` counts windows of so many hours."""
    if fields["from"] is not None or fields["to"] is not None:
        if fields["from"] is None or fields["to"] is None or fields["start"] is not None:
            raise LineError("from and to must come together, and without start")
        return fields["from"], fields["to"]
    if fields["start"] is None:
        if fields["count"] is not None:
            raise LineError("count must come with start")
        return None
    end = fields["start"] + (1 if fields["count"] is None else fields["count"] * hours)
    if end > NIL:
        raise LineError(f"start + count must be at most {NIL}, was {end}")
    return fields["start"], end
