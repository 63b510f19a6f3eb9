"""Hardware classes: what one standard compute unit (SCU) of a product is, and what is known of it.

A lot is what is sold together: a node of eight, a rack of 72, or a single accelerator. Classes that trade
under a dollar an hour have a finer tick. The classes are data, in ``starter.json``; nothing in it is taken unchecked.
"""

import datetime
import json
from collections.abc import Mapping
from importlib import resources
from typing import Any, NamedTuple

from exchange.catalogue.products import check_name
from exchange.errors import CatalogueError, HardwareClassError
from exchange.units import AMOUNT_MAX, LOT_SCU_MAX, TICK_MICROS_MAX

CLASSES_MAX = 256
FACT_MAX = 1_000_000
TEXT_CHARACTERS_MAX = 256
_YEAR_LEAST, _YEAR_MOST = 2000, 2255  # Until the calendar of windows ends.


class HardwareClass(NamedTuple):
    """One accelerator model at rating 1.000. Speeds are of one accelerator, as its vendor states them."""

    name: str
    generation: int  # Year of the architecture's first delivery.
    lot_scu: int  # Accelerators in one lot.
    tick_micros: int  # Price step, micro-dollars per SCU-hour.
    vendor: str
    release_date: str  # Day of the vendor's announcement, ISO.
    successor: str | None  # Class that takes its place, where the table has it.
    dense_tflops: int  # 16-bit TFLOP/s without sparsity, rounded down.
    memory_gb: int
    memory_gb_s: int  # Memory bandwidth, GB/s.
    fabric_gb_s: int  # Scale-up link, both directions together, GB/s; 0 where there is none.
    watts: int
    price_micros: int  # Level of its price, micro-dollars per SCU-hour: where a display or a simulation may begin.
    facts_source: str
    price_source: str


_LEAST_AND_MOST: dict[str, tuple[int, int]] = {
    "generation": (_YEAR_LEAST, _YEAR_MOST),
    "lot_scu": (1, LOT_SCU_MAX),
    "tick_micros": (1, TICK_MICROS_MAX),
    "dense_tflops": (1, FACT_MAX),
    "memory_gb": (1, FACT_MAX),
    "memory_gb_s": (1, FACT_MAX),
    "fabric_gb_s": (0, FACT_MAX),
    "watts": (1, FACT_MAX),
    "price_micros": (1, AMOUNT_MAX),
}


def read_classes(text: str) -> dict[str, HardwareClass]:
    """Return the classes of a JSON list of objects, by name, in the order of the list.

    Raises:
        HardwareClassError: the text is not such a list, or a field of a class is not what it must be.

    """
    try:
        entries = json.loads(text, object_pairs_hook=_without_repetition)
    except (ValueError, RecursionError) as error:
        raise HardwareClassError(f"hardware classes must be JSON without repeated fields: {error}") from error
    if not isinstance(entries, list) or len(entries) > CLASSES_MAX:
        raise HardwareClassError(f"hardware classes must be a list of at most {CLASSES_MAX}")
    classes: dict[str, HardwareClass] = {}
    for index, entry in enumerate(entries):
        one = _read_class(index, entry)
        if one.name in classes:
            raise _wrong(one.name, "name", "without a second of its name", one.name)
        classes[one.name] = one
    for one in classes.values():
        _check_succession(one, classes)
    return classes


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a field is given twice")
    return fields


def _wrong(name: object, field: str, must_be: str, was: object) -> HardwareClassError:
    return HardwareClassError(f"hardware class {name}: {field} must be {must_be}, was {was!r}")


def _read_class(index: int, entry: Any) -> HardwareClass:
    if not isinstance(entry, dict):
        raise HardwareClassError(f"hardware class at {index} must be an object, was {type(entry).__name__}")
    name = entry.get("name", f"at {index}")
    for field in (*HardwareClass._fields, *entry):
        if field not in entry or field not in HardwareClass._fields:
            raise _wrong(name, field, f"one of {', '.join(HardwareClass._fields)}, all given", entry.get(field))
    _check_class_name(index, name)
    for field, (least, most) in _LEAST_AND_MOST.items():
        value = entry[field]
        if type(value) is not int or not least <= value <= most:
            raise _wrong(name, field, f"a whole number from {least} to {most}", value)
    for field in ("vendor", "facts_source", "price_source"):
        _check_text(name, field, entry[field])
    _check_date(name, entry["release_date"])
    if entry["price_micros"] % entry["tick_micros"]:
        raise _wrong(name, "price_micros", f"a multiple of {entry['tick_micros']}", entry["price_micros"])
    return HardwareClass(**entry)


def _check_class_name(index: int, name: Any) -> None:
    must_be = "a name of A-Z a-z 0-9 _ - without a dot"  # A dot would end it within a product's name.
    if type(name) is not str or "." in name:
        raise _wrong(f"at {index}", "name", must_be, name)
    try:
        check_name("name", name)
    except CatalogueError as error:
        raise _wrong(f"at {index}", "name", must_be, name) from error


def _check_text(name: str, field: str, value: Any) -> None:
    if type(value) is not str or not 1 <= len(value) <= TEXT_CHARACTERS_MAX or not value.isprintable():
        raise _wrong(name, field, f"1 to {TEXT_CHARACTERS_MAX} printable characters", value)


def _check_date(name: str, value: Any) -> None:
    try:
        is_date = type(value) is str and datetime.date.fromisoformat(value).isoformat() == value
    except ValueError:
        is_date = False
    if not is_date:
        raise _wrong(name, "release_date", "a day such as 2022-03-22", value)


def _check_succession(one: HardwareClass, classes: Mapping[str, HardwareClass]) -> None:
    """Refuse a line of successors that leaves the table or comes back to where it was."""
    passed = [one.name]
    while (successor := classes[passed[-1]].successor) is not None:
        if type(successor) is not str or successor not in classes:
            raise _wrong(passed[-1], "successor", "a class of the table or null", successor)
        if successor in passed:
            raise _wrong(passed[-1], "successor", "a class that does not lead back to it", successor)
        passed.append(successor)


HARDWARE_CLASSES: dict[str, HardwareClass] = read_classes(
    resources.files("exchange.catalogue").joinpath("starter.json").read_text(encoding="utf-8")
)
