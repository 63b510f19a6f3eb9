"""Reading a journal beside its writer, and what no reader of files alone can see."""

import subprocess
import sys

from journal_tools import SECTOR, batch, copy, history, only_segment, recovered, write
from served import ROOT, environment

from gateway.journal import Reader
from gateway.journal.layout import segment_paths

HERE = ROOT / "tests" / "fault"
READINGS = 20


def contents(directory):
    return {path.name: path.read_bytes() for path in sorted(directory.iterdir())}


def test_live_reader_sees_whole_frames_only_and_changes_nothing_jrn_017(tmp_path):
    writer = subprocess.Popen(
        [sys.executable, str(HERE / "journal_victim.py"), str(tmp_path)],
        stdout=subprocess.PIPE, text=True, env=environment(HERE),
    )  # fmt: skip
    try:
        counts = []
        for _ in range(READINGS):
            told = int(writer.stdout.readline())
            next_seq = 1
            for frame in Reader(tmp_path, live=True):
                assert (frame.first_seq, bytes(frame.body)) == (next_seq, batch(next_seq, frame.count))
                next_seq += frame.count
            assert next_seq > told
            counts.append(next_seq)
    finally:
        writer.kill()
        writer.wait()
        writer.stdout.close()
    assert len(set(counts)) > 1, "the writer must go on while it is read"
    before = contents(tmp_path)
    assert sum(1 for _ in Reader(tmp_path)) > READINGS
    assert contents(tmp_path) == before


def test_half_written_frame_is_not_touched_by_a_reader_jrn_017(tmp_path):
    write(tmp_path, 3, 30)
    segment = only_segment(tmp_path)
    data = bytearray(segment.read_bytes())
    second = _offset_of_last_frame(tmp_path)
    data[second + SECTOR : second + 2 * SECTOR] = bytes(SECTOR)
    data[second + 4 * SECTOR :] = bytes(len(data) - second - 4 * SECTOR)
    segment.write_bytes(data)
    before = contents(tmp_path)
    assert [frame.count for frame in Reader(tmp_path, live=True)] == [3]
    assert contents(tmp_path) == before
    batches, torn = recovered(tmp_path)
    assert (len(batches), torn is not None) == (1, True), "what the reader left alone is the writer's to move"


def test_lost_last_frame_and_deleted_last_segment_are_not_seen_jrn_018(tmp_path):
    counts = [5] * 40
    write(tmp_path / "whole", *counts)
    segments = segment_paths(tmp_path / "whole")
    assert len(segments) > 1

    lost = copy(tmp_path / "whole", tmp_path / "lost")
    last, at = segment_paths(lost)[-1], _offset_of_last_frame(lost)
    data = last.read_bytes()
    last.write_bytes(data[:at] + bytes(len(data) - at))
    assert recovered(lost) == (history(*counts[:-1]), None)

    deleted = copy(tmp_path / "whole", tmp_path / "deleted")
    segment_paths(deleted)[-1].unlink()
    batches, torn = recovered(deleted)
    assert (batches, torn) == (history(*counts[: len(batches)]), None)
    assert len(batches) < len(counts)


def _offset_of_last_frame(directory):
    """Where the last frame of the last segment begins."""
    return [int(offset) for index, _ in Reader(directory).arrays() for offset in index["offset"]][-1]
