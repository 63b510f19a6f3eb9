"""A write or flush that fails at any call: nothing later is acknowledged, and what was acknowledged is recovered."""

import errno

import pytest
from journal_tools import append, history, opened, recovered

from gateway.journal import JournalDamaged, JournalFailed

COUNTS = (5,) * 70  # Two rotations in segments of 32 sectors.


def run_until_failure(path, operation, nth, **fault):
    """Append until the nth call fails; the number of acknowledged batches, and the failure."""
    journal = opened(path)
    journal.thread.inject(operation, nth, **fault)
    acknowledged = 0
    try:
        for count in COUNTS:
            append(journal, count)
            acknowledged += 1
    except JournalFailed as failure:
        return acknowledged, failure, journal
    return acknowledged, None, journal


def check(path, acknowledged):
    batches, _ = recovered(path)
    assert len(batches) >= acknowledged
    assert batches == history(*COUNTS[: len(batches)])


@pytest.mark.parametrize("operation", ["write", "fdatasync"])
@pytest.mark.parametrize("nth", sorted({*range(1, 75, 3), 30, 31, 32, 33, 34}))
def test_failing_call_stops_the_journal_jrn_016(tmp_path, operation, nth):
    acknowledged, failure, journal = run_until_failure(tmp_path, operation, nth, error=errno.EIO)
    assert failure is not None
    assert (failure.operation, failure.errno) == (operation, errno.EIO)
    assert acknowledged < nth
    with pytest.raises(JournalFailed):  # It stays failed: the next call is not tried again.
        journal.completed()
    with pytest.raises(JournalFailed):
        append(journal, 1)
    journal.close()
    check(tmp_path, acknowledged)


@pytest.mark.parametrize("nth", [1, 2])
@pytest.mark.parametrize("operation", ["rename", "fsync"])
def test_failing_rotation_stops_the_journal_jrn_016(tmp_path, operation, nth):
    acknowledged, failure, journal = run_until_failure(tmp_path, operation, nth, error=errno.EIO)
    journal.close()
    assert failure is not None
    assert failure.operation == operation
    assert acknowledged < len(COUNTS)
    check(tmp_path, acknowledged)


@pytest.mark.parametrize("short_bytes", [0, 1, 511, 512, 600])
def test_short_write_is_a_failure_jrn_016(tmp_path, short_bytes):
    journal = opened(tmp_path)
    append(journal, 5)
    journal.thread.inject("write", 1, short_bytes=short_bytes)
    with pytest.raises(JournalFailed, match="fewer bytes written"):
        append(journal, 20)
    journal.close()
    if short_bytes == 1:  # No disk writes less than a sector, so this is damage, not an unfinished write.
        with pytest.raises(JournalDamaged):
            recovered(tmp_path)
    else:
        check(tmp_path, 1)


def test_full_disk_is_told_by_name_jrn_016(tmp_path):
    acknowledged, failure, journal = run_until_failure(tmp_path, "write", 3, error=errno.ENOSPC)
    journal.close()
    assert acknowledged == 2
    assert str(failure) == "journal write failed, ENOSPC: No space left on device"


def test_no_room_for_the_next_segment_is_a_failure_jrn_016(tmp_path, monkeypatch):
    journal = opened(tmp_path)

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("gateway.journal.segment.make_spare", full)
    for count in COUNTS[:30]:
        append(journal, count)
    with pytest.raises(JournalFailed, match="journal spare failed, ENOSPC"):
        append(journal, COUNTS[30])
    journal.close()
    monkeypatch.undo()
    assert recovered(tmp_path)[0] == history(*COUNTS[:30])
