"""Replaying frames into an engine."""

import pytest

from exchange import commands
from exchange.engine import Engine
from exchange.reference.core import ReferenceCore
from exchange.replay import Frame, leading_records, replay


def history():
    """Frames of a small venue, the first with payloads; and the hash after each."""
    batches = [
        commands.add_product("H100", 8, 1000, ["f1"]) + commands.add_account("ann") + commands.add_account("bob"),
        commands.list_window("H100", 14, count=2),
        commands.place(1, 1, 1, 1, 100, 5) + commands.place(2, 1, 1, 0, 100, 2),
        commands.time(50) + commands.place(2, 2, 1, 0, 99, 4),
    ]
    engine, frames, hashes = Engine(ReferenceCore()), [], []
    for number, body in enumerate(batches):
        first_seq = engine.seq + 1
        engine.apply_count(body, 10 * number)
        frames.append(Frame(first_seq, 10 * number, engine.seq - first_seq + 1, body))
        hashes.append(engine.state_hash())
    return frames, hashes


def new():
    return Engine(ReferenceCore())


def test_same_frames_give_the_same_hash_eng_001():
    frames, hashes = history()
    engine = new()
    result = replay(engine, frames)
    assert engine.state_hash() == hashes[-1]
    assert (result.commands, result.frames, engine.seq) == (8, 4, 8)
    assert result.events > 8


def test_until_seq_stops_within_a_frame():
    frames, _ = history()
    engine = new()
    assert replay(engine, frames, until_seq=2).commands == 2
    assert engine.seq == 2
    assert engine.catalogue.account_number("ann") == 1
    assert engine.catalogue.account_number("bob") is None


def test_until_time_takes_the_frames_up_to_it():
    frames, hashes = history()
    engine = new()
    replay(engine, frames, until_ns=20)
    assert engine.state_hash() == hashes[2]


def noted(frames, hashes):
    """The frames, each followed by the note of its hash."""
    for frame, state_hash in zip(frames, hashes, strict=True):
        yield frame
        yield Frame(frame.first_seq + frame.count, frame.ts_ns, 0, b"", state_hash)


def test_noted_hashes_are_verified_jrn_005():
    result = replay(new(), noted(*history()))
    assert (result.hashes_verified, result.mismatch) == (4, None)


def test_first_wrong_hash_stops_the_replay_jrn_005():
    frames, hashes = history()
    engine = new()
    result = replay(engine, noted(frames, [hashes[0], "00" * 32, *hashes[2:]]))
    assert result.hashes_verified == 1
    assert result.mismatch == (4, "00" * 32, hashes[1])
    assert engine.seq == 4


def test_notes_are_passed_over_without_verify():
    frames, hashes = history()
    result = replay(new(), noted(frames, ["00" * 32] * len(hashes)), verify=False)
    assert (result.commands, result.hashes_verified, result.mismatch) == (8, 0, None)


def test_note_on_the_last_wanted_command_is_still_verified():
    assert replay(new(), noted(*history()), until_seq=4).hashes_verified == 2


def test_gap_is_the_callers_error():
    frames, _ = history()
    with pytest.raises(ValueError, match="first_seq must be 1, was 4"):
        replay(new(), frames[1:])


def test_events_are_told_where_someone_listens():
    frames, _ = history()
    told = []
    result = replay(
        new(), frames, tell=lambda first, ts_ns, events, count: told.append((first, ts_ns, len(events), count))
    )
    assert [(first, ts_ns, count) for first, ts_ns, _, count in told] == [(1, 0, 3), (4, 10, 1), (5, 20, 2), (7, 30, 2)]
    assert sum(length for *_, length, _ in told) == 64 * result.events


def test_progress_is_told_now_and_then(monkeypatch):
    monkeypatch.setattr("exchange.replay.PROGRESS_COMMANDS", 3)
    seen = []
    replay(new(), history()[0], progress=lambda result: seen.append(result.commands))
    assert seen == [3, 6]


def test_leading_records_counts_payloads_as_their_record():
    long, short = commands.add_account("ann"), commands.time(1)
    assert leading_records(long + short + long, 2) == long + short
    assert leading_records(long, 0) == b""
