"""Packing commands into records: the readable way to say what shall happen.

Every function returns the bytes of one or more records, ready to be joined into a batch. Nothing is checked here:
what is wrong with a command is for the engine to say. Amounts are micro-dollars, prices ticks, times nanoseconds.
"""

import struct
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgpack
import numpy as np

from exchange.errors import RecordError
from exchange.records import RECORD_BYTES, CommandType, MassFlag, SessionNote

BLOCK_HOURS_SHIFT = 8  # A block's hours are the high byte of its flags.
RECORD = struct.Struct("<IHHIIQQqiiiiIBBBB")
assert RECORD.size == RECORD_BYTES


class Leg(NamedTuple):
    """One leg of a quote. Lots 0 means no order on that side."""

    instrument: int
    bid: int
    bid_lots: int
    ask: int
    ask_lots: int
    quote_set: int = 0
    stp: int = 0
    flags: int = 0
    tag: int = 0


def record(
    command_type: int,
    *,
    length: int = RECORD_BYTES,
    flags: int = 0,
    account: int = 0,
    instrument: int = 0,
    ref: int = 0,
    target: int = 0,
    amount: int = 0,
    price: int = 0,
    lots: int = 0,
    price_2: int = 0,
    lots_2: int = 0,
    tag: int = 0,
    lane: int = 0,
    side: int = 0,
    tif: int = 0,
    stp: int = 0,
) -> bytes:
    """Return one record with the fields of ``ext/types.pxd``.

    Raises:
        struct.error: a value does not fit its field.

    """
    return RECORD.pack(
        length, command_type, flags, account, instrument, ref, target, amount,
        price, lots, price_2, lots_2, tag, lane, side, tif, stp,
    )  # fmt: skip


def place(
    account: int,
    ref: int,
    instrument: int,
    side: int,
    price: int,
    lots: int,
    *,
    tif: int = 0,
    stp: int = 0,
    flags: int = 0,
    display: int = 0,
    expiry_ns: int = 0,
    tag: int = 0,
    lane: int = 0,
) -> bytes:
    """Place an order; ``expiry_ns`` goes with GTD only."""
    return record(
        CommandType.PLACE, account=account, ref=ref, instrument=instrument, side=side, price=price, lots=lots,
        tif=tif, stp=stp, flags=flags, lots_2=display, amount=expiry_ns, tag=tag, lane=lane,
    )  # fmt: skip


def cancel(account: int, ref: int, oid: int, *, lane: int = 0) -> bytes:
    """Cancel the order with the handle ``oid``."""
    return record(CommandType.CANCEL, account=account, ref=ref, target=oid, lane=lane)


def cancel_ref(account: int, ref: int, target_ref: int, *, lane: int = 0) -> bytes:
    """Cancel the order that this lane placed with ``target_ref``."""
    return record(CommandType.CANCEL_REF, account=account, ref=ref, target=target_ref, lane=lane)


def replace(
    account: int, ref: int, oid: int, price: int, lots: int, *, stp: int = 0, flags: int = 0, lane: int = 0
) -> bytes:
    """Give the order with the handle ``oid`` a new price and total of lots."""
    return record(
        CommandType.REPLACE, account=account, ref=ref, target=oid, price=price, lots=lots, stp=stp, flags=flags,
        lane=lane,
    )  # fmt: skip


def replace_ref(
    account: int, ref: int, target_ref: int, price: int, lots: int, *, stp: int = 0, flags: int = 0, lane: int = 0
) -> bytes:
    """Give the order that this lane placed with ``target_ref`` a new price and total of lots."""
    return record(
        CommandType.REPLACE_REF, account=account, ref=ref, target=target_ref, price=price, lots=lots, stp=stp,
        flags=flags, lane=lane,
    )  # fmt: skip


def mass_cancel(
    account: int,
    ref: int,
    *,
    instrument: int | None = None,
    product: int | None = None,
    side: int | None = None,
    windows: tuple[int, int] | None = None,
    tag: int | None = None,
    placed_in: int | None = None,
    lane: int = 0,
) -> bytes:
    """Cancel all orders that pass every filter given. ``windows`` is ``[from, to)``, ``placed_in`` a lane."""
    filters = (
        (instrument, MassFlag.INSTRUMENT), (product, MassFlag.PRODUCT), (side, MassFlag.SIDE),
        (windows, MassFlag.WINDOWS), (tag, MassFlag.TAG), (placed_in, MassFlag.LANE),
    )  # fmt: skip
    first, end = windows or (0, 0)
    return record(
        CommandType.MASS_CANCEL, account=account, ref=ref,
        flags=sum(flag for value, flag in filters if value is not None), instrument=instrument or 0,
        price_2=product or 0, side=side or 0, target=first | end << 32, tag=tag or 0, tif=placed_in or 0, lane=lane,
    )  # fmt: skip


def quote(account: int, ref: int, legs: Sequence[Leg], *, lane: int = 0) -> bytes:
    """Return a quote of one leg, or a mass quote of several: a run of records with one ref (QTE-001)."""
    return b"".join(
        record(
            CommandType.QUOTE, account=account, ref=ref, lane=lane, target=index | len(legs) << 32,
            instrument=leg.instrument, price=leg.bid, lots=leg.bid_lots, price_2=leg.ask, lots_2=leg.ask_lots,
            side=leg.quote_set, stp=leg.stp, flags=leg.flags, tag=leg.tag,
        )
        for index, leg in enumerate(legs)
    )  # fmt: skip


def block(
    account: int,
    ref: int,
    product: int,
    scope: int,
    start: int,
    hours: int,
    side: int,
    limit: int,
    lots: int,
    *,
    min_lots: int = 0,
    tif: int = 0,
    flags: int = 0,
    stp: int = 0,
    expiry_ns: int = 0,
    tag: int = 0,
    lane: int = 0,
) -> bytes:
    """Place a block (BLK-001): ``scope`` has a bit a fabric, ``limit`` is in ticks for one lot over all hours."""
    return record(
        CommandType.BLOCK, account=account, ref=ref, instrument=product, target=scope, price_2=start,
        flags=flags | hours << BLOCK_HOURS_SHIFT, side=side, price=limit, lots=lots, lots_2=min_lots, tif=tif,
        stp=stp, amount=expiry_ns, tag=tag, lane=lane,
    )  # fmt: skip


def mmp_set(
    account: int, ref: int, quote_set: int, *, fills: int, lots: int, window_ms: int, lane: int = 0
) -> bytes:
    """Guard a quote set: pull it after so many fills or lots within ``window_ms`` (MMP-001)."""
    return record(
        CommandType.MMP_SET, account=account, ref=ref, side=quote_set, price=fills, lots=lots, amount=window_ms,
        lane=lane,
    )  # fmt: skip


def mmp_reset(account: int, ref: int, quote_set: int, *, lane: int = 0) -> bytes:
    """Let a quote set quote again after its protection has fired (MMP-003)."""
    return record(CommandType.MMP_RESET, account=account, ref=ref, side=quote_set, lane=lane)


def time(now_ns: int) -> bytes:
    """Tell the time: orders expire and windows move on up to ``now_ns`` (MAT-010, MKT-001)."""
    return record(CommandType.TIME, amount=now_ns)


def deposit(account: int, amount_micros: int) -> bytes:
    """Pay into an account from outside the venue."""
    return record(CommandType.DEPOSIT, account=account, amount=amount_micros)


def withdraw(account: int, amount_micros: int) -> bytes:
    """Pay out of an account."""
    return record(CommandType.WITHDRAW, account=account, amount=amount_micros)


def session_lost(
    account: int, lane: int, *, every: bool = False, whole_account: bool = False, deadman: bool = False
) -> bytes:
    """End the lane's cancel-on-disconnect orders, ``every`` order of the lane, or all of the account (CXL-004)."""
    scope = 2 if whole_account else int(every)
    return record(CommandType.SESSION_LOST, account=account, lane=lane, side=scope, tif=int(deadman))


def session(account: int, lane: int, note: SessionNote, amount_ns: int = 0) -> bytes:
    """Note what a session has asked for: a grace period, or the timeout of a dead-man switch (CXL-006)."""
    return record(CommandType.SESSION, account=account, lane=lane, side=int(note), amount=amount_ns)


# Administrative commands: a header and one msgpack map.


def admin(command_type: int, fields: object) -> bytes:
    """Return a record with a payload: the fields as msgpack, zero-padded to the next multiple of 64 bytes."""
    payload: bytes = msgpack.packb(fields)
    payload += bytes(-len(payload) % RECORD_BYTES)
    return record(command_type, length=RECORD_BYTES + len(payload)) + payload


def add_product(
    product: str,
    lot_scu: int,
    tick_micros: int,
    fabrics: Iterable[str],
    *,
    maker_fee_ppm: int = 0,
    taker_fee_ppm: int = 0,
    gate_lead_s: int = 900,
    **terms: int | str,
) -> bytes:
    """Register a product; ``terms`` are the further fields of `exchange.catalogue.products.Product`."""
    return admin(
        CommandType.ADD_PRODUCT,
        {
            "product": product,
            "lot_scu": lot_scu,
            "tick_micros": tick_micros,
            "fabrics": list(fabrics),
            "maker_fee_ppm": maker_fee_ppm,
            "taker_fee_ppm": taker_fee_ppm,
            "gate_lead_s": gate_lead_s,
            **terms,
        },
    )


def add_account(
    account: str, *, group: str | None = None, margined: bool = False, prepaid: bool = False
) -> bytes:
    """Open an account; without a group it is its own owner. A prepaid one pays in full (RSK-009)."""
    fields = {"account": account, "group": group or account, "margined": margined}
    return admin(CommandType.ADD_ACCOUNT, fields | {"prepaid": True} if prepaid else fields)


def list_window(product: str, start: int, *, count: int = 1) -> bytes:
    """List ``count`` windows of a product, in all its fabrics."""
    return admin(CommandType.LIST_WINDOW, {"product": product, "start": start, "count": count})


def set_rates(
    product: str, start: int, *, long_micros: int, short_micros: int, count: int = 1, fabric: str | None = None
) -> bytes:
    """Set the requirement of one lot held, long and short."""
    fields = {"product": product, "start": start, "count": count}
    fields |= {"long_micros": long_micros, "short_micros": short_micros}
    return admin(CommandType.SET_RATES, fields if fabric is None else fields | {"fabric": fabric})


def set_mark(product: str, start: int, *, px: int, count: int = 1, fabric: str | None = None) -> bytes:
    """Set the mark in ticks; holders are paid or charged the move (ACC-004)."""
    fields = {"product": product, "start": start, "count": count, "px": px}
    return admin(CommandType.SET_MARK, fields if fabric is None else fields | {"fabric": fabric})


def set_seed(seed: int) -> bytes:
    """Set the seed of the random ends, once, before the first listing (MKT-003)."""
    return admin(CommandType.SET_SEED, {"seed": seed})


def roll_windows(product: str) -> bytes:
    """List the windows that the product's rolling listing lacks at this time (MKT-009)."""
    return admin(CommandType.ROLL_WINDOWS, {"product": product})


def halt(product: str, start: int, *, count: int = 1, fabric: str | None = None) -> bytes:
    """Halt trading in windows (MKT-006)."""
    return _of_windows(CommandType.HALT, product, start, count, fabric)


def resume(product: str, start: int, *, count: int = 1, fabric: str | None = None) -> bytes:
    """Let halted windows trade again, by way of a volatility call (MKT-006)."""
    return _of_windows(CommandType.RESUME, product, start, count, fabric)


def certify(account: str, product: str, fabric: str, start: int, lots: int, *, count: int = 1) -> bytes:
    """Set the lots an account may deliver in windows of its fabric (MKT-020)."""
    fields = {"account": account, "product": product, "fabric": fabric, "start": start, "count": count, "lots": lots}
    return admin(CommandType.CERTIFY, fields)


def balance(
    account: str, product: str, fabric: str, start: int, *, lots: int, px: int, exclude: Iterable[str] = ()
) -> bytes:
    """Buy standby sells for an account (MKT-031)."""
    fields = {"account": account, "product": product, "fabric": fabric, "start": start, "lots": lots, "px": px}
    return admin(CommandType.BALANCE, fields | {"exclude": list(exclude)})


def clearing(kind: CommandType, /, **fields: object) -> bytes:
    """Return a command of the clearinghouse, SET_HOUSE to SET_OPTION, with the fields given and nothing else.

    Which fields each has says `exchange.clearing.house.HOUSE_COMMANDS`; ``nodes`` is a list of [first, count].

    Raises:
        ValueError: the command is another one.

    """
    if not CommandType.SET_HOUSE <= kind <= CommandType.SET_OPTION:
        raise ValueError(f"kind must be a command of the clearinghouse, was {kind!r}")
    return admin(kind, fields)


def _of_windows(kind: CommandType, product: str, start: int, count: int, fabric: str | None) -> bytes:
    fields = {"product": product, "start": start, "count": count}
    return admin(kind, fields if fabric is None else fields | {"fabric": fabric})


# Walking records.


def check_lengths(records: bytes) -> None:
    """Refuse a batch whose record lengths do not add up (ENG-003). O(1) in Python for each long record.

    Raises:
        RecordError: a length is not a multiple of 64 from 64 up, or the last record is cut short.

    """
    if len(records) % RECORD_BYTES:
        raise RecordError(f"a batch must be a multiple of {RECORD_BYTES} bytes, was {len(records)}")
    lengths = np.frombuffer(records, dtype="<u4")[:: RECORD_BYTES // 4]
    unusual = np.flatnonzero(lengths != RECORD_BYTES)
    offset = 0
    while True:
        place_of_next = int(np.searchsorted(unusual, offset))
        if place_of_next == len(unusual):
            return
        offset = int(unusual[place_of_next])
        length = int(lengths[offset])
        if length < RECORD_BYTES or length % RECORD_BYTES:
            raise RecordError(f"a record's length must be a positive multiple of {RECORD_BYTES}, was {length}")
        offset += length // RECORD_BYTES
        if offset > len(lengths):
            raise RecordError("the last record of a batch must be whole, was cut short")
