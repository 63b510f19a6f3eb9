"""The C codec against the msgpack library: the same bytes, read and written twice."""

import msgpack
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange import commands
from exchange.reasons import RejectReason as R
from exchange.records import COMMAND, EVENT, CommandType, EventFlag, EventType, OrderFlag, Tif
from ext.codec import decode_message
from ext.encoder import encode_event

ACCOUNT, LANE, NOW_US = 7, 3, 1_800_000_000_000_000
TAKEN, OTHER, BROKEN = 0, -1, -2
VALUE_MAX = 1 << 30


def decode(*fields):
    return decode_message(msgpack.packb(fields), ACCOUNT, LANE, NOW_US)


def taken(*fields):
    """The records of a message that must be taken."""
    verdict, ref, _, records = decode(*fields)
    assert verdict == TAKEN
    assert ref == fields[1]
    return records


def refused(*fields):
    """The reason of a message that must be refused, leaving nothing behind."""
    verdict, ref, _, records = decode(*fields)
    assert records == b""
    assert ref == fields[1]
    return R(verdict)


# Decoding.


def test_place_with_every_length_of_tail():
    head = [16, 9, 11, 1, 2450, 6, 3, 7]
    tail = [1_900_000_000_000_000, NOW_US + 1, 2, 77, 2]
    for length in range(6):
        filled = (tail[:length] + [0] * 5)[:5]
        assert taken(*head, *tail[:length]) == commands.place(
            ACCOUNT, 9, 11, 1, 2450, 6, tif=3, flags=7, expiry_ns=filled[0] * 1000, stp=filled[2], tag=filled[3],
            display=filled[4], lane=LANE,
        )  # fmt: skip


def test_cancels_and_replaces():
    assert taken(17, 1, 5 << 28) == commands.cancel(ACCOUNT, 1, 5 << 28, lane=LANE)
    assert taken(18, 2, 1) == commands.cancel_ref(ACCOUNT, 2, 1, lane=LANE)
    assert taken(19, 3, 99, 100, 5, 0) == commands.replace(ACCOUNT, 3, 99, 100, 5, lane=LANE)
    keep = OrderFlag.KEEP_PRIORITY
    assert taken(19, 3, 99, 100, 5, 1, 2) == commands.replace(ACCOUNT, 3, 99, 100, 5, flags=keep, stp=2, lane=LANE)
    assert taken(28, 4, 3, 100, 5, 1) == commands.replace_ref(ACCOUNT, 4, 3, 100, 5, flags=keep, lane=LANE)


@pytest.mark.parametrize("inst", [None, 4])
@pytest.mark.parametrize("side", [None, 0, 1])
@pytest.mark.parametrize("lane", [None, 0, 255])
@pytest.mark.parametrize("tail", [(), (None,), (0,), (12,)])
def test_mass_cancel_filters(inst, side, lane, tail):
    expected = commands.mass_cancel(
        ACCOUNT, 5, instrument=inst, side=side, placed_in=lane, tag=tail[0] if tail else None, lane=LANE
    )
    assert taken(21, 5, inst, side, lane, *tail) == expected


@pytest.mark.parametrize("product", [None, 1])
@pytest.mark.parametrize("windows", [None, (0, 9), (500_000, 500_024)])
def test_mass_cancel_by_product_and_windows(product, windows):
    expected = commands.mass_cancel(ACCOUNT, 5, product=product, windows=windows, lane=LANE)
    assert taken(21, 5, None, None, None, None, product, *(windows or (None, None))) == expected
    if windows is None:
        assert taken(21, 5, None, None, None, None, product) == expected


@pytest.mark.parametrize("windows", [(1, None), (None, 1), (1,), (-1, 5), (0, 1 << 32)])
def test_mass_cancel_needs_both_ends_of_a_range(windows):
    message = msgpack.packb([21, 5, None, None, None, None, None, *windows])
    assert decode_message(message, ACCOUNT, LANE)[0] == R.MALFORMED


def test_quote_becomes_one_record_a_leg():
    legs = [[inst, 100, 1, 110, 2] for inst in range(1, 65)]
    expected = [commands.Leg(inst, 100, 1, 110, 2, quote_set=9) for inst in range(1, 65)]
    assert taken(22, 6, 9, legs) == commands.quote(ACCOUNT, 6, expected, lane=LANE)
    expected = [leg._replace(flags=1, stp=3) for leg in expected]
    assert taken(22, 6, 9, legs, 1, 3) == commands.quote(ACCOUNT, 6, expected, lane=LANE)


def test_place_may_be_for_a_call_physical_standby_or_firm():
    assert taken(16, 1, 1, 1, 5, 6, 4, 16) == commands.place(ACCOUNT, 1, 1, 1, 5, 6, tif=Tif.AU, flags=16, lane=LANE)
    every = [flag for flag in OrderFlag if flag is not OrderFlag.KEEP_PRIORITY]
    assert taken(16, 1, 1, 1, 5, 6, 0, sum(every)) == commands.place(
        ACCOUNT, 1, 1, 1, 5, 6, flags=sum(every), lane=LANE
    )


def test_block_with_every_length_of_tail():
    head = [26, 9, 3, [0, 5, 63], 495_000, 24, 1, 620, 8, 2, 3, 20]
    tail = [1_900_000_000_000_000, NOW_US + 1, 2, 77]
    for length in range(5):
        filled = (tail[:length] + [0] * 4)[:4]
        assert taken(*head, *tail[:length]) == commands.block(
            ACCOUNT, 9, 3, 1 | 1 << 5 | 1 << 63, 495_000, 24, 1, 620, 8, min_lots=2, tif=3, flags=20,
            expiry_ns=filled[0] * 1000, stp=filled[2], tag=filled[3], lane=LANE,
        )  # fmt: skip


def test_block_in_every_fabric():
    for fabrics in (None, list(range(64))):
        assert taken(26, 9, 3, fabrics, 14, 3, 0, 620, 8, 0, 0, 0) == commands.block(
            ACCOUNT, 9, 3, (1 << 64) - 1, 14, 3, 0, 620, 8, lane=LANE
        )


def test_late_block_is_left_to_the_core_to_refuse():
    late = [26, 1, 1, None, 14, 3, 0, 620, 8, 8, 2, 4, 0, NOW_US - 1]
    (record,) = np.frombuffer(taken(*late), COMMAND)
    assert (record["tif"], record["amount"]) == (Tif.GTD, 1)


def test_protection_of_a_quote_set():
    assert taken(23, 4, 9, 500, 3, 100) == commands.mmp_set(
        ACCOUNT, 4, 9, fills=3, lots=100, window_ms=500, lane=LANE
    )
    assert taken(24, 5, 9) == commands.mmp_reset(ACCOUNT, 5, 9, lane=LANE)


def test_batch_is_its_operations():
    operations = [[16, 11, 1, 0, 5, 6, 0, 0], [17, 12, 7], [18, 13, 11], [19, 14, 7, 5, 6, 0], [28, 15, 11, 5, 6, 1]]
    assert taken(20, 10, 0, operations) == b"".join(taken(*operation) for operation in operations)


def test_late_order_is_left_to_the_core_to_refuse():
    (record,) = np.frombuffer(taken(16, 1, 1, 0, 5, 6, 1, 0, 0, NOW_US - 1), COMMAND)
    assert (record["tif"], record["amount"]) == (Tif.GTD, 1)
    (record,) = np.frombuffer(taken(16, 1, 1, 0, 5, 6, 1, 0, 0, NOW_US), COMMAND)
    assert (record["tif"], record["amount"]) == (Tif.IOC, 0)


@pytest.mark.parametrize(
    ("value", "becomes"),
    [
        (0, 0),
        (VALUE_MAX, VALUE_MAX),
        (VALUE_MAX + 1, VALUE_MAX + 1),
        (1 << 31, VALUE_MAX + 1),
        ((1 << 53) - 1, VALUE_MAX + 1),
        (-1, -1),
        (-(1 << 40), -1),
    ],
)
def test_values_beyond_the_core_become_values_it_refuses_ses_022(value, becomes):
    (record,) = np.frombuffer(taken(16, 1, 1, 0, value, value, 0, 0, 0, 0, 0, 0, value), COMMAND)
    assert (record["price"], record["lots"], record["lots_2"]) == (becomes,) * 3
    (record,) = np.frombuffer(taken(19, 1, 1, value, value, 0), COMMAND)
    assert (record["price"], record["lots"]) == (becomes,) * 2
    (record,) = np.frombuffer(taken(26, 1, 1, None, value, 3, 0, value, value, value, 0, 0), COMMAND)
    assert [record[name] for name in ("price_2", "price", "lots", "lots_2")] == [becomes] * 4
    (record,) = np.frombuffer(taken(23, 1, 1, value, value, value), COMMAND)
    assert (record["price"], record["lots"], record["amount"]) == (becomes, becomes, value)
    (record,) = np.frombuffer(taken(22, 1, 0, [[1, value, value, value, value]]), COMMAND)
    assert [record[name] for name in ("price", "lots", "price_2", "lots_2")] == [becomes] * 4


PLACE = [16, 1, 1, 0, 5, 6, 0, 0]
BLOCK = [26, 1, 1, [0], 14, 3, 0, 620, 8, 0, 0, 0]
NO_INTEGERS = (None, "1", b"1", 1.0, True, [], 1 << 53, -(1 << 53), (1 << 64) - 1)


@pytest.mark.parametrize(
    "fields",
    [
        PLACE[:7],
        [*PLACE, 0, 0, 0, 0, 0, 0],  # One element too many.
        *([*PLACE[:at], wrong, *PLACE[at + 1 :]] for at in range(2, 8) for wrong in NO_INTEGERS),
        [16, 1, -1, 0, 5, 6, 0, 0],
        [16, 1, 1 << 32, 0, 5, 6, 0, 0],
        [16, 1, 1, 256, 5, 6, 0, 0],
        [16, 1, 1, 0, 5, 6, 256, 0],
        [16, 1, 1, 0, 5, 6, 0, 8],  # Hidden.
        [16, 1, 1, 0, 5, 6, 0, 40],  # Hidden, standby.
        [16, 1, 1, 0, 5, 6, 0, 128],  # No flag.
        [*PLACE, 0, -1],
        [*PLACE, 0, 0, 256],
        [*PLACE, 0, 0, 0, 1 << 32],
        [*PLACE, 0, 0, 0, "tag"],
        [17, 1],
        [17, 1, -1],
        [17, 1, 5, 5],
        [18, 1, None],
        [19, 1, 1, 1, 1],
        [19, 1, 1, 1, 1, 2],
        [19, 1, 1, 1, 1, 0, 0, 0],
        [21, 1, None, None],
        [21, 1, None, 2, None],
        [21, 1, None, None, 256],
        [21, 1, None, None, None, None, None, None, None, None],
        [22, 1, 0, []],
        [22, 1, 0, [[1, 1, 1, 1, 1]] * 65],
        [22, 1, 256, [[1, 1, 1, 1, 1]]],
        [22, 1, 0, [[1, 1, 1, 1]]],
        [22, 1, 0, [[1, 1, 1, 1, 1, 1]]],
        [22, 1, 0, [[1, 1, 1, 1, 1]], 2],
        [22, 1, 0, [1, 1, 1, 1, 1]],
        BLOCK[:11],
        [*BLOCK, 0, 0, 0, 0, 0],
        *([*BLOCK[:at], wrong, *BLOCK[at + 1 :]] for at in range(2, 12) for wrong in NO_INTEGERS if at != 3),
        *([*BLOCK[:3], wrong, *BLOCK[4:]] for wrong in (0, "f1", [], [-1], [64], [0, 0], ["0"], list(range(65)))),
        *([*BLOCK[:11], wrong] for wrong in (1, 2, 8, 32, 64)),
        [*BLOCK[:5], 256, *BLOCK[6:]],
        [*BLOCK, 0, -1],
        [*BLOCK, 0, 0, 256],
        [*BLOCK, 0, 0, 0, 1 << 32],
        [23, 1, 1, 1, 1],
        [23, 1, 256, 1, 1, 1],
        [23, 1, 1, 1, 1, 1, 1],
        [23, 1, 1, None, 1, 1],
        [24, 1],
        [24, 1, 256],
        [24, 1, 1, 1],
        [20, 1, 0, [[17, 2, 1], BLOCK]],
        [20, 1, 0, []],
        [20, 1, 0, [[17, 2, 1]] * 65],
        [20, 1, 2, [[17, 2, 1]]],
        [20, 1, 0, [[17, 2, 1], [20, 3, 0, [[17, 4, 1]]]]],
        [20, 1, 0, [[17, 2, 1], [21, 3, None, None, None]]],
        [20, 1, 0, [[17, 2, 1], 17]],
        [20, 1, 0, [[17, 2, 1], [17, 3, 1, 1]]],
    ],
)  # fmt: skip
def test_wrong_fields_are_malformed_and_leave_nothing_ses_020(fields):
    assert refused(*fields) is R.MALFORMED


def test_batch_names_the_operation_at_fault():
    assert decode(20, 1, 0, [[17, 2, 1], [17, 3, "1"]])[:3] == (R.MALFORMED, 1, 1)


def test_all_or_nothing_batches_are_not_offered():
    assert refused(20, 1, 1, [[17, 2, 1]]) is R.UNKNOWN_TYPE


@pytest.mark.parametrize("fields", [PLACE, [17, 1, 1], [18, 1, 1], [22, 1, 0, [[1, 1, 1, 1, 1]]], BLOCK, [24, 1, 1]])
def test_ref_zero_is_stale(fields):
    fields = [fields[0], 0, *fields[2:]]
    assert refused(*fields) is R.STALE_REF


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\x90",
        b"\x91\x10",
        b"\x80",
        b"\xc0",
        b"\x10",
        b"\xdd\xff\xff\xff\xff",
        b"\xdc",
        msgpack.packb([1, 2, 3]),
        msgpack.packb([25, 1]),
        msgpack.packb([27, 1, 1]),
        msgpack.packb([1 << 40, 1]),
        msgpack.packb(["16", 1]),
        msgpack.packb([-16, 1]),
    ],
)
def test_what_is_no_order_message_is_left_to_the_session(message):
    assert decode_message(message, 1, 0)[0] == OTHER


@pytest.mark.parametrize("ref", [None, "1", 1.0, -1, 1 << 53, [1], True])
def test_order_message_without_a_readable_ref_is_broken(ref):
    assert decode(17, ref, 1)[0] == BROKEN


def test_bytes_behind_a_message_are_broken():
    assert decode_message(msgpack.packb([17, 1, 1]) + b"\x00", 1, 0)[0] == BROKEN


@pytest.mark.parametrize(
    "fields",
    [
        [*PLACE, 1, 2, 3, 4, 5],
        [*BLOCK, 1, 2, 3, 4],
        [23, 1, 2, 3, 4, 5],
        [22, 300, 1, [[1, 2, 3, 4, 5]] * 20],
        [20, 1, 0, [PLACE] * 20],
    ],
)
def test_every_truncation_is_refused_not_misread(fields):
    message = msgpack.packb(fields)
    for end in range(len(message)):
        verdict, _, _, records = decode_message(message[:end], 1, 0)
        assert verdict != TAKEN
        assert records == b""


integers = st.integers(-(1 << 63), (1 << 64) - 1) | st.integers(-300, 300)


@given(st.lists(integers, min_size=11, max_size=11))
def test_integers_are_read_as_the_library_writes_them(values):
    """Each of the 11 fields of a place, against a Python reading of the same rules."""
    inst, side, price, _, tif, flags, expire, deadline, stp, tag, display = values
    inside = (
        all(abs(value) < 1 << 53 for value in values)
        and 0 <= inst < 1 << 32
        and 0 <= tag < 1 << 32
        and all(0 <= value < 256 for value in (side, tif, stp))
        and flags in range(128)
        and not flags & 8
        and deadline >= 0
    )
    verdict, _, _, records = decode_message(msgpack.packb([16, 1, *values]), 1, 0, 0)
    assert verdict == (TAKEN if inside else R.MALFORMED)
    if inside:
        (record,) = np.frombuffer(records, COMMAND)
        assert record["instrument"] == inst
        assert record["amount"] == expire * 1000
        assert record["price"] == max(min(price, VALUE_MAX + 1), -1)
        assert record["lots_2"] == max(min(display, VALUE_MAX + 1), -1)


@given(st.binary(max_size=80))
def test_any_bytes_give_a_verdict(data):
    verdict, _, _, records = decode_message(data, 1, 0)
    assert verdict in (TAKEN, OTHER, BROKEN, R.MALFORMED, R.UNKNOWN_TYPE, R.STALE_REF)
    assert bool(records) == (verdict == TAKEN)


@given(st.binary(max_size=60))
def test_any_bytes_behind_an_order_head_give_a_verdict(data):
    for kind in (*range(16, 25), 26, 28):
        verdict, _, _, records = decode_message(bytes([0x98, kind, 1]) + data, 1, 0)
        assert verdict in (TAKEN, BROKEN, R.MALFORMED, R.UNKNOWN_TYPE)
        assert bool(records) == (verdict == TAKEN)


# Encoding.

MOMENT = {"ts_us": NOW_US, "gseq": 1 << 40, "pseq": 12345}


def message_of(frame):
    """The message of one frame, read by the library."""
    assert frame[0] == 0x82
    start = 2 if frame[1] < 126 else 4
    length = frame[1] if frame[1] < 126 else int.from_bytes(frame[2:4], "big")
    assert len(frame) == start + length
    return msgpack.unpackb(frame[start:])


def event(**fields):
    record = np.zeros(1, EVENT)
    for name, value in fields.items():
        record[name] = value
    return record.tobytes()


FULL = {
    "account": 1, "instrument": 4_000_000_000, "oid": (1 << 52) - 1, "ref": (1 << 53) - 1, "match_id": 1 << 45,
    "price": 1 << 30, "lots": 3, "cum": 200, "leaves": 70_000, "amount": -5,
}  # fmt: skip


def test_ack_and_its_duplicate():
    assert message_of(encode_event(event(type=EventType.ACK, **FULL), **MOMENT)) == [
        33, (1 << 53) - 1, 0, (1 << 52) - 1, NOW_US, 1 << 40, 12345,
    ]  # fmt: skip
    again = event(type=EventType.ACK, flags=EventFlag.DUPLICATE, **FULL)
    assert message_of(encode_event(again, **MOMENT))[2] == 1


def test_reject():
    record = event(type=EventType.REJECT, reason=R.QTY_MAX, **FULL)
    assert message_of(encode_event(record, **MOMENT)) == [34, (1 << 53) - 1, 213, 4_000_000_000, NOW_US, 1 << 40]


def test_fill_of_either_side():
    taker = event(type=EventType.FILL, flags=EventFlag.SELL | EventFlag.TAKER, **FULL)
    assert message_of(encode_event(taker, **MOMENT)) == [
        35, 12345, (1 << 52) - 1, (1 << 53) - 1, 1 << 45, 4_000_000_000, 1, 1 << 30, 3, 200, 70_000, 1, -5, NOW_US,
        1 << 40, 0,
    ]  # fmt: skip
    assert message_of(encode_event(event(type=EventType.FILL), **MOMENT))[6:12] == [0, 0, 0, 0, 0, 0]


@pytest.mark.parametrize("how", [EventFlag.CALL, EventFlag.BLOCK, EventFlag.BALANCE, EventFlag.BLOCK | EventFlag.TAKER])
def test_fill_says_how_it_came_about(how):
    fill = message_of(encode_event(event(type=EventType.FILL, flags=how | EventFlag.SELL | EventFlag.QUOTE), **MOMENT))
    assert (fill[6], fill[11], fill[15]) == (1, bool(how & EventFlag.TAKER), how & ~EventFlag.TAKER)


def test_what_an_account_hears_of_a_delivery():
    told = event(type=EventType.ASSIGNED, **FULL | {"price": -1, "amount": 9})
    assert message_of(encode_event(told, **MOMENT)) == [110, 12345, 4_000_000_000, 0, -1, 3, 9, NOW_US, 1 << 40]
    provider = event(type=EventType.ASSIGNED, flags=EventFlag.SELL, **FULL)
    assert message_of(encode_event(provider, **MOMENT))[3] == 1
    bought_in = event(type=EventType.BOUGHT_IN, **FULL)
    assert message_of(encode_event(bought_in, **MOMENT)) == [
        111, 12345, 4_000_000_000, 3, 70_000, NOW_US, 1 << 40,
    ]  # fmt: skip
    capacity = event(type=EventType.CAPACITY, **FULL)
    assert message_of(encode_event(capacity, **MOMENT)) == [112, 12345, 4_000_000_000, 3, NOW_US, 1 << 40]
    notice = event(type=EventType.NOTICE, lane=200, reason=3)
    assert message_of(encode_event(notice, **MOMENT)) == [41, 3, 200, NOW_US]


def test_done_and_replaced():
    done = event(type=EventType.DONE, reason=7, **FULL)
    assert message_of(encode_event(done, **MOMENT)) == [
        37, 12345, (1 << 52) - 1, (1 << 53) - 1, 7, 200, NOW_US, 1 << 40,
    ]  # fmt: skip
    replaced = event(type=EventType.REPLACED, **FULL)
    assert message_of(encode_event(replaced, **MOMENT)) == [
        38, 12345, (1 << 52) - 1, (1 << 53) - 1, 1 << 30, 3, 70_000, NOW_US, 1 << 40,
    ]  # fmt: skip


@given(st.integers(-(1 << 53), 1 << 53), st.integers(0, (1 << 53) - 1))
def test_integers_are_written_as_the_library_reads_them(signed, unsigned):
    record = event(type=EventType.FILL, amount=signed, oid=unsigned)
    message = message_of(encode_event(record, ts_us=signed, gseq=unsigned, pseq=signed))
    assert (message[12], message[2], message[13], message[14], message[1]) == (
        signed, unsigned, signed, unsigned, signed,
    )  # fmt: skip
    assert msgpack.packb(message) == encode_event(record, ts_us=signed, gseq=unsigned, pseq=signed)[2:]


def test_other_records_have_no_frame_of_their_own():
    with pytest.raises(ValueError, match="event type must be"):
        encode_event(event(type=EventType.LEVEL), **MOMENT)
    with pytest.raises(ValueError, match="64 bytes"):
        encode_event(bytes(63), **MOMENT)


def test_command_numbers_are_the_wires():
    assert [CommandType.PLACE, CommandType.QUOTE, CommandType.REPLACE_REF] == [16, 22, 28]
