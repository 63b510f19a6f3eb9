"""Checksums, encoding and verification of frames in memory."""

import hashlib
import random

import numpy as np
import pytest

from exchange import commands
from ext.journal import (
    Magic,
    Stop,
    Verifier,
    count_records,
    crc32c,
    encode_frame,
    frame_is_torn,
    later_proof,
    next_chain,
    sha256,
    written_end,
)
from gateway.journal.layout import FRAME, frame_bytes

SALT = 77


def batch(count, first_ref=1):
    return b"".join(commands.cancel(1, first_ref + number, 5) for number in range(count))


def frames(*counts, durable=True):
    """A run of batch frames as one buffer, with the chain they need."""
    chain, first_seq, data = bytes(16), 1, b""
    for count in counts:
        frame = encode_frame(
            Magic.BATCH, first_seq, 10 * first_seq, count, batch(count), chain=chain, salt=SALT,
            durable_seq=first_seq - 1 if durable else 0,
        )  # fmt: skip
        chain, first_seq, data = next_chain(chain, frame), first_seq + count, data + frame
    return data


def verifier():
    it = Verifier()
    it.salt = SALT
    return it


def scan(data, **options):
    it = verifier()
    index, offset, stop = it.scan(data, **options)
    return np.frombuffer(index, FRAME), offset, Stop(stop), it


@pytest.mark.parametrize("tables", [False, True])
def test_crc32c_has_the_published_check_value(tables):
    assert crc32c(b"123456789", tables=tables) == 0xE3069283
    assert crc32c(bytes(32), tables=tables) == 0x8A9136AA
    assert crc32c(b"6789", crc32c(b"12345", tables=tables), tables=tables) == 0xE3069283


def test_crc32c_is_the_same_with_and_without_the_instruction():
    data = random.Random(1).randbytes(300)
    assert all(crc32c(data[at:]) == crc32c(data[at:], tables=True) for at in range(300))


@pytest.mark.parametrize("plain", [False, True])
def test_sha256_agrees_with_hashlib_at_every_length_of_two_blocks(plain):
    data = random.Random(2).randbytes(1000)
    for length in [*range(130), 1000]:
        assert sha256(data[:length], plain=plain) == hashlib.sha256(data[:length]).digest()


def test_frame_layout_jrn_001():
    frame = encode_frame(Magic.BATCH, 9, -5, 2, batch(2), chain=b"c" * 16, salt=SALT, durable_seq=8, term=3)
    assert len(frame) == 512 == frame_bytes(128, 512)
    assert frame[:4] == b"HGJB"
    assert int.from_bytes(frame[8:16], "little") == 9
    assert int.from_bytes(frame[16:20], "little") == 2
    assert int.from_bytes(frame[20:24], "little") == 128
    assert int.from_bytes(frame[24:32], "little") == 8
    assert int.from_bytes(frame[32:40], "little", signed=True) == -5
    assert int.from_bytes(frame[40:44], "little") == 3
    assert int.from_bytes(frame[44:48], "little") == crc32c(batch(2))
    assert frame[48:64] == b"c" * 16
    assert frame[64:192] == batch(2)
    assert set(frame[192:504]) == {0xA5}
    header_crc = int.from_bytes(frame[4:8], "little")
    assert header_crc == crc32c(SALT.to_bytes(4, "little"), crc32c(frame[8:64], crc32c(frame[:4])))
    assert frame[504:] == b"HGJE" + (header_crc ^ 0x5A5A5A5A).to_bytes(4, "little")


def test_chain_is_sha256_over_chain_and_frame_jrn_003():
    frame = encode_frame(Magic.BATCH, 1, 0, 1, batch(1), chain=bytes(16), salt=SALT)
    assert next_chain(bytes(16), frame) == hashlib.sha256(bytes(16) + frame).digest()[:16]


def test_block_of_4096_bytes_jrn_001():
    assert len(encode_frame(Magic.BATCH, 1, 0, 1, batch(1), chain=bytes(16), salt=0, block_bytes=4096)) == 4096


def test_verifier_tells_every_good_frame():
    data = frames(1, 20, 3)
    index, offset, stop, it = scan(data)
    assert index["first_seq"].tolist() == [1, 2, 22]
    assert index["count"].tolist() == [1, 20, 3]
    assert index["offset"].tolist() == [0, 512, 2048]
    assert (offset, stop, it.next_seq, it.ts_ns) == (len(data), Stop.END, 25, 220)


def test_verifier_goes_on_where_a_full_index_stopped_it():
    data = frames(1, 1, 1)
    it = verifier()
    index, offset, stop = it.scan(data, 0, 2)
    assert (len(index) // FRAME.itemsize, offset, stop) == (2, 1024, Stop.MORE)
    index, offset, stop = it.scan(data, offset)
    assert (len(index) // FRAME.itemsize, offset, stop) == (1, 1536, Stop.END)


def changed(data, at, value):
    return data[:at] + bytes([value]) + data[at + 1 :]


@pytest.mark.parametrize(
    ("data", "stop"),
    [
        (frames(1) + bytes(512), Stop.ZERO),
        (changed(frames(1, 1), 512, 0), Stop.HEADER),
        (changed(frames(1, 1), 512 + 200, 0), Stop.BODY),
        (changed(frames(1, 1), 512 + 70, 9), Stop.BODY),
        (changed(frames(1, 1), 512 + 511, 9), Stop.BODY),
        (frames(1, 20)[:-512], Stop.SHORT),
        (frames(1) + frames(1), Stop.SEQUENCE),
    ],
)
def test_verifier_stops_before_the_first_frame_that_is_not_good(data, stop):
    index, offset, found, _ = scan(data)
    assert (len(index), offset, found) == (1, 512, stop)


@pytest.mark.parametrize(
    ("fields", "stop"),
    [
        ({"first_seq": 3}, Stop.SEQUENCE),
        ({"chain": b"x" * 16}, Stop.CHAIN),
        ({"term": 0}, Stop.TERM),
        ({"ts_ns": 9}, Stop.TIME),
        ({"durable_seq": 2}, Stop.DURABLE),
        ({"count": 2}, Stop.RECORDS),
        ({"count": 0}, Stop.RECORDS),
        ({"magic": int.from_bytes(b"HGJQ", "little")}, Stop.KIND),
        ({"salt": SALT + 1}, Stop.HEADER),
    ],
)
def test_frame_with_good_checksums_must_continue_what_came_before_jrn_013(fields, stop):
    first = frames(1)
    good = {
        "magic": Magic.BATCH, "first_seq": 2, "ts_ns": 10, "count": 1, "body": batch(1), "term": 1, "salt": SALT,
        "durable_seq": 1, "chain": next_chain(bytes(16), first),
    }  # fmt: skip
    assert scan(first + encode_frame(**good))[2] == Stop.END
    index, offset, found, _ = scan(first + encode_frame(**(good | fields)))
    assert (len(index), offset, found) == (1, 512, stop)


def test_note_takes_no_sequence_number_jrn_005():
    first = frames(2)
    chain = next_chain(bytes(16), first)
    note = encode_frame(Magic.HASH, 3, 10, 0, bytes(32), chain=chain, salt=SALT, durable_seq=2)
    index, _, stop, it = scan(first + note)
    assert (len(index), stop, it.next_seq) == (2, Stop.END, 3)


def test_stop_says_what_was_expected_and_found():
    it = scan(frames(1) + frames(1))[3]
    assert (it.expected, it.found) == (2, 1)


@pytest.mark.parametrize(
    ("records", "count"),
    [
        (b"", 0),
        (batch(3), 3),
        (commands.add_account("ann") + batch(1), 2),
        (batch(1)[:-1], -1),
        (changed(batch(1), 0, 65), -1),
        (changed(batch(1), 0, 0), -1),
        (changed(batch(2), 64, 192), -1),
    ],
)
def test_count_records_jrn_004(records, count):
    assert count_records(records) == count


def test_later_frame_proves_an_earlier_one_durable_jrn_010():
    data = bytes(512) + frames(1, 1, 1)[512:]
    assert later_proof(data, 0, 1, SALT) == 512
    assert later_proof(data, 0, 1, SALT + 1) == -1
    assert later_proof(bytes(512) + frames(1, 1, 1, durable=False)[512:], 0, 1, SALT) == -1
    assert later_proof(data[:512], 0, 1, SALT) == -1


def test_frame_after_a_missing_note_proves_it_too_jrn_010():
    first = frames(2)
    chain = next_chain(bytes(16), first)
    note = encode_frame(Magic.HASH, 3, 20, 0, bytes(32), chain=chain, salt=SALT, durable_seq=2)
    after = encode_frame(Magic.BATCH, 3, 20, 1, batch(1), chain=next_chain(chain, note), salt=SALT, durable_seq=2)
    assert later_proof(first + bytes(512) + after, 512, 3, SALT) == 1024


def test_torn_means_a_sector_or_the_trailer_is_zero_jrn_012():
    data = frames(20)
    assert not frame_is_torn(data, 0)
    assert frame_is_torn(data[:512] + bytes(512) + data[1024:], 0)
    assert frame_is_torn(data[:-8] + bytes(8), 0)
    assert not frame_is_torn(changed(data, 600, 99), 0)


def test_written_end_is_behind_the_last_sector_that_is_not_zero():
    assert written_end(bytes(2048), 512) == 512
    assert written_end(bytes(1030) + b"x" + bytes(1017), 0) == 1536
