"""The journal in files: appending, rotation, reading, and who may write."""

import select

import numpy as np
import pytest

from exchange import commands
from exchange.records import COMMAND
from exchange.replay import Frame
from gateway.journal import Journal, JournalDamaged, JournalError, JournalLocked, JournalMissing, Reader
from gateway.journal.layout import SegmentHeader, segment_paths

SEGMENT_BYTES = 32 * 512


def batch(count, first_ref=1):
    return b"".join(commands.cancel(1, first_ref + number, 5) for number in range(count))


def settle(journal):
    poll = select.poll()
    poll.register(journal.fileno(), select.POLLIN)
    while not journal.completed():
        poll.poll(1000)


def opened(path, **options):
    journal = Journal(path, **({"segment_bytes": SEGMENT_BYTES} | options))
    journal.start()
    return journal


def write(path, *counts, **options):
    """A journal with batches of these sizes, closed."""
    journal = opened(path, **options)
    for count in counts:
        journal.append(journal.last_seq + 1, 100 * (journal.last_seq + 1), count, batch(count))
        settle(journal)
    journal.close()


def read(path, **options):
    return [Frame(f.first_seq, f.ts_ns, f.count, bytes(f.body), f.state_hash) for f in Reader(path, **options)]


def test_what_was_appended_is_read_back_after_reopening(tmp_path):
    write(tmp_path, 1, 20)
    write(tmp_path, 3)
    assert read(tmp_path) == [
        Frame(1, 100, 1, batch(1)),
        Frame(2, 200, 20, batch(20)),
        Frame(22, 2200, 3, batch(3)),
    ]


def test_recovery_yields_the_frames_and_stands_at_the_end(tmp_path):
    write(tmp_path, 1, 20)
    journal = Journal(tmp_path)
    assert [frame.first_seq for frame in journal.recover()] == [1, 2]
    assert (journal.last_seq, journal.durable_seq, journal.last_ts_ns, journal.torn) == (21, 21, 200, None)
    journal.close()


def test_body_is_an_array_of_commands_jrn_004(tmp_path):
    write(tmp_path, 20)
    body = next(iter(Reader(tmp_path))).body
    assert np.frombuffer(body, COMMAND)["ref"].tolist() == list(range(1, 21))


def test_durable_seq_follows_the_flush(tmp_path):
    journal = opened(tmp_path)
    journal.append(1, 5, 4, batch(4))
    assert (journal.last_seq, journal.durable_seq) == (4, 0)
    settle(journal)
    assert journal.durable_seq == 4
    journal.close()


@pytest.mark.parametrize(("first_seq", "ts_ns", "count"), [(2, 5, 1), (1, -1, 1), (1, 5, 0)])
def test_batch_that_does_not_continue_is_refused(tmp_path, first_seq, ts_ns, count):
    journal = opened(tmp_path)
    with pytest.raises(ValueError, match="a batch must begin at 1"):
        journal.append(first_seq, ts_ns, count, batch(1))
    journal.close()


def test_batch_larger_than_a_quarter_segment_is_refused(tmp_path):
    journal = opened(tmp_path)
    with pytest.raises(ValueError, match="a frame must be at most"):
        journal.append(1, 0, 100, batch(100))
    journal.close()


def test_hash_note_is_read_back_in_its_place_jrn_005(tmp_path):
    journal = opened(tmp_path)
    journal.append(1, 5, 2, batch(2))
    journal.note_hash(5, "ab" * 32)
    journal.append(3, 6, 1, batch(1))
    settle(journal)
    journal.close()
    assert [(f.first_seq, f.count, f.state_hash) for f in read(tmp_path)] == [
        (1, 2, None),
        (3, 0, "ab" * 32),
        (3, 1, None),
    ]


def test_frames_claim_what_is_durable_jrn_006(tmp_path):
    write(tmp_path, 3, 3)
    ((index, _),) = Reader(tmp_path).arrays()
    assert index["durable_seq"].tolist() == [0, 3]


def test_memory_mode_claims_nothing_jrn_006(tmp_path):
    write(tmp_path, 3, 3, durability="memory")
    ((index, _),) = Reader(tmp_path).arrays()
    assert index["durable_seq"].tolist() == [0, 0]


def test_segments_follow_one_another_jrn_008(tmp_path):
    write(tmp_path, *[5] * 100)
    names = [path.name for path in segment_paths(tmp_path)]
    assert names[:2] == ["00000000000000000001.hgj", "00000000000000000151.hgj"]
    assert len(names) == 4
    assert all(path.stat().st_size == SEGMENT_BYTES for path in segment_paths(tmp_path))
    assert [frame.first_seq for frame in read(tmp_path)] == list(range(1, 500, 5))
    assert len(list(tmp_path.iterdir())) == 4


def test_many_queued_batches_cross_a_segments_end_jrn_008(tmp_path):
    journal = opened(tmp_path)
    for _ in range(8):
        for _ in range(11):  # The ring takes 16 pieces of work, and a new segment needs three.
            journal.append(journal.last_seq + 1, 0, 5, batch(5))
        settle(journal)
    journal.close()
    assert [frame.first_seq for frame in read(tmp_path)] == list(range(1, 441, 5))


def test_segments_have_each_their_salt_and_one_instance_jrn_007(tmp_path):
    write(tmp_path, *[5] * 100)
    headers = [SegmentHeader.unpack(path.read_bytes()[64:152]) for path in segment_paths(tmp_path)]
    assert len({header.salt for header in headers}) == len(headers)
    assert len({header.instance for header in headers}) == 1


def test_writing_goes_on_in_the_segment_size_it_began_with(tmp_path):
    write(tmp_path, 5)
    write(tmp_path, *[5] * 60, segment_bytes=64 * 1024)
    assert {path.stat().st_size for path in segment_paths(tmp_path)} == {SEGMENT_BYTES}


def test_blocks_of_4096_bytes_jrn_001(tmp_path):
    write(tmp_path, 1, 2, block_bytes=4096, segment_bytes=16 * 4096)
    ((index, _),) = Reader(tmp_path).arrays()
    assert index["offset"].tolist() == [4096, 8192]


def test_reading_from_the_middle_begins_at_its_segment(tmp_path):
    write(tmp_path, *[5] * 100)
    reader = Reader(tmp_path, 333)
    assert [frame.first_seq for frame in reader][:2] == [331, 336]
    assert [frame.first_seq for frame in Reader(tmp_path, 10_000)] == []


def test_live_journal_is_read_up_to_what_is_durable(tmp_path):
    journal = opened(tmp_path)
    journal.append(1, 0, 2, batch(2))
    settle(journal)
    journal.append(3, 0, 2, batch(2))
    assert [frame.first_seq for frame in journal.read(1)] == [1]
    settle(journal)
    assert [frame.first_seq for frame in journal.read(2)] == [1, 3]
    journal.close()


def test_second_writer_is_refused_jrn_009(tmp_path):
    journal = opened(tmp_path)
    with pytest.raises(JournalLocked):
        Journal(tmp_path)
    journal.close()
    opened(tmp_path).close()


def test_appending_before_recovery_is_refused(tmp_path):
    journal = Journal(tmp_path)
    with pytest.raises(JournalError, match="must be recovered"):
        journal.append(1, 0, 1, batch(1))
    journal.close()


def test_directory_without_journal_is_told(tmp_path):
    with pytest.raises(JournalMissing):
        Reader(tmp_path)


@pytest.mark.parametrize("options", [{"durability": "tape"}, {"segment_bytes": 1000}, {"segment_bytes": 512}])
def test_options_that_cannot_work_are_refused(tmp_path, options):
    with pytest.raises(ValueError, match="must be"):
        Journal(tmp_path, **options)


def test_newer_format_is_refused_jrn_007():
    packed = SegmentHeader(SEGMENT_BYTES, 1, 0, bytes(16), "", version=2).pack()
    with pytest.raises(ValueError, match="format version must be 1, was 2"):
        SegmentHeader.unpack(packed)


def test_name_that_is_no_number_is_damage_jrn_014(tmp_path):
    write(tmp_path, 1)
    segment_paths(tmp_path)[0].rename(tmp_path / "first.hgj")
    with pytest.raises(JournalDamaged, match="20 digits"):
        Reader(tmp_path)
