"""Names of accounts, purses and windows, as reports show them."""

from typing import Any

from exchange.catalogue import Catalogue
from exchange.clearing.ledger import Purse
from exchange.clearing.state import HouseState
from exchange.clearing.words import Kind
from exchange.units import NS_PER_SECOND, window_text
from gateway.commands_replay import utc_text
from gateway.jsonlines_clearing import PURSES

PURSE_KINDS = {name: kind for kind, name in PURSES.items()}
OF_ACCOUNTS = ("coll", "bond", "fund")
OF_NUMBERS = ("escrow", "estate", "pool")  # An instrument's, a case's, a class's number.


def account_text(catalogue: Catalogue, number: int) -> str:
    """Return an account's name, or its number where it has none."""
    return catalogue.account_name(number) or f"#{number}"


def purse_text(state: HouseState, purse: Purse) -> str:
    """Return an account of the ledger as words: ``bond prov``, ``escrow H100-8H.east-f1@2026-11-24T00``, ``sitg``."""
    name = PURSES[purse.kind]
    if name in OF_ACCOUNTS:
        return f"{name} {account_text(state.catalogue, purse.owner)}"
    if purse.kind is Kind.ESCROW:
        return f"{name} {place_text(state.catalogue, purse.owner)}"
    if purse.kind is Kind.POOL:
        names = list(state.classes)
        return f"{name} {names[purse.owner - 1] if 1 <= purse.owner <= len(names) else purse.owner}"
    return f"{name} {purse.owner}" if purse.kind is Kind.ESTATE else name


def place_fields(catalogue: Catalogue, handle: int) -> dict[str, Any]:
    """Return product, fabric and start of an instrument, as JSON lines have them; nothing for none."""
    found = catalogue.instrument(handle)
    if found is None:
        return {}
    return {"product": found.product.name, "fabric": found.fabric, "start": found.window}


def place_text(catalogue: Catalogue, handle: int) -> str:
    """Return the symbol of an instrument, such as ``H100-8H.east-f1@2026-11-24T00``; empty for none."""
    found = catalogue.instrument(handle)
    return "" if found is None else f"{found.product.name}.{found.fabric}@{window_text(found.window)}"


def short_time(ts_ns: int) -> str:
    """Return a UTC time without what is 0 behind the second: ``2026-11-24T02:02:30Z``."""
    text = utc_text(ts_ns)
    return text[:-11] + "Z" if ts_ns % NS_PER_SECOND == 0 else text
