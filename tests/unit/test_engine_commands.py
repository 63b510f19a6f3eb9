"""Packing records, and walking them."""

import struct

import msgpack
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange import commands
from exchange.errors import RecordError
from exchange.records import COMMAND, CommandType


def fields_of(record):
    (row,) = np.frombuffer(record, dtype=COMMAND)
    return {name: int(row[name]) for name in COMMAND.names if row[name] and name != "length"}


def test_place_names_every_field():
    record = commands.place(
        1, 2, 3, 1, 100, 5, tif=3, stp=2, flags=7, display=4, expiry_ns=9, tag=11, lane=12
    )  # fmt: skip
    assert fields_of(record) == {
        "type": CommandType.PLACE, "flags": 7, "account": 1, "instrument": 3, "ref": 2, "amount": 9, "price": 100,
        "lots": 5, "lots_2": 4, "tag": 11, "lane": 12, "side": 1, "tif": 3, "stp": 2,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("record", "fields"),
    [
        (commands.cancel(1, 2, 77, lane=3), {"type": 17, "account": 1, "ref": 2, "target": 77, "lane": 3}),
        (commands.cancel_ref(1, 2, 77), {"type": 18, "account": 1, "ref": 2, "target": 77}),
        (commands.replace(1, 2, 7, 8, 9, stp=1, flags=8),
         {"type": 19, "account": 1, "ref": 2, "target": 7, "price": 8, "lots": 9, "stp": 1, "flags": 8}),
        (commands.replace_ref(1, 2, 7, 8, 9), {"type": 28, "account": 1, "ref": 2, "target": 7, "price": 8, "lots": 9}),
        (commands.mass_cancel(1, 2), {"type": 21, "account": 1, "ref": 2}),
        (commands.mass_cancel(1, 2, instrument=3, product=4, side=1, windows=(5, 6), tag=7, placed_in=8),
         {"type": 21, "account": 1, "ref": 2, "flags": 63, "instrument": 3, "price_2": 4, "side": 1,
          "target": 5 | 6 << 32, "tag": 7, "tif": 8}),
        (commands.mass_cancel(1, 2, side=0, tag=0), {"type": 21, "account": 1, "ref": 2, "flags": 4 | 16}),
        (commands.time(5), {"type": 200, "amount": 5}),
        (commands.deposit(1, 5), {"type": 201, "account": 1, "amount": 5}),
        (commands.withdraw(1, 5), {"type": 202, "account": 1, "amount": 5}),
        (commands.session_lost(1, 5), {"type": 203, "account": 1, "lane": 5}),
        (commands.session_lost(1, 5, every=True), {"type": 203, "account": 1, "lane": 5, "side": 1}),
    ],
)  # fmt: skip
def test_fields_of_commands(record, fields):
    assert fields_of(record) == fields


def test_quote_is_one_record_a_leg():
    records = commands.quote(1, 2, [commands.Leg(3, 4, 5, 6, 7, 8, 1, 1, 9), commands.Leg(4, 0, 0, 6, 7)], lane=2)
    rows = np.frombuffer(records, dtype=COMMAND)
    assert rows["target"].tolist() == [0 | 2 << 32, 1 | 2 << 32]
    names = ("instrument", "price", "lots", "price_2", "lots_2", "side", "stp", "flags", "tag")
    assert [int(rows[0][name]) for name in names] == [3, 4, 5, 6, 7, 8, 1, 1, 9]


def test_administration_is_a_header_and_a_padded_map():
    record = commands.add_account("ann", margined=True)
    assert len(record) == 128
    assert struct.unpack_from("<IH", record) == (128, CommandType.ADD_ACCOUNT)
    unpacker = msgpack.Unpacker()
    unpacker.feed(record[64:])
    assert unpacker.unpack() == {"account": "ann", "group": "ann", "margined": True}


def test_fabric_is_left_out_where_all_are_meant():
    for record in (
        commands.set_mark("P", 1, px=2),
        commands.set_rates("P", 1, long_micros=1, short_micros=1),
    ):
        assert b"fabric" not in record
    assert b"fabric" in commands.set_mark("P", 1, px=2, fabric="f")


def plainly_adds_up(records):
    """ENG-003 once more, record by record."""
    offset = 0
    while offset < len(records):
        if len(records) - offset < 64:
            return False
        (length,) = struct.unpack_from("<I", records, offset)
        if length < 64 or length % 64 or offset + length > len(records):
            return False
        offset += length
    return True


@given(
    st.lists(st.sampled_from([64, 64, 64, 128, 192, 0, 32, 96, 1 << 31]), max_size=8), st.integers(0, 3), st.booleans()
)
def test_lengths_are_checked_as_a_walk_would(lengths, rows_more, cut):
    rows = []
    for length in lengths:
        rows.append(struct.pack("<I", length) + bytes(60))
        rows += [struct.pack("<I", 7) + b"\xff" * 60] * (min(length, 192) // 64 - 1)
    records = b"".join(rows) + bytes(64) * (rows_more == 3) + b"\x00" * cut
    if plainly_adds_up(records):
        commands.check_lengths(records)
    else:
        with pytest.raises(RecordError):
            commands.check_lengths(records)
