"""A short run of the fuzzer with a fixed seed, every kept input again, and whether it finds what it is made for."""

import random

import msgpack
import pytest

from tests.fuzz import targets
from tests.fuzz.mutation import BYTES_MAX, mutate, mutate_fields
from tests.fuzz.run import CORPUS, Fuzzer, run
from tests.fuzz.seeds import FRAMES, MESSAGES, PACKED
from tests.fuzz.targets import TARGETS, cut

SEED = 20_261_127
ROUNDS = 8
KEPT = sorted(CORPUS.glob("*.bin"))


def test_a_short_run_finds_nothing():
    report = run(list(TARGETS), SEED, rounds=ROUNDS)
    assert report.failure is None
    assert set(report.inputs) == set(TARGETS)
    assert report.found_new["session"] > 100, "inputs must reach new answers, or the run tries nothing"


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.stem)
def test_what_was_kept_is_harmless(path):
    TARGETS[path.stem.split("-")[0]]().run(path.read_bytes())


def test_there_are_kept_inputs_of_every_target():
    assert {path.stem.split("-")[0] for path in KEPT} == set(TARGETS)


def test_the_same_seed_makes_the_same_inputs():
    def inputs(seed):
        fuzzer = Fuzzer("frames", seed)
        return [fuzzer.target.make(fuzzer.dice, fuzzer.pool) for _ in range(50)]

    assert inputs(1) == inputs(1)
    assert inputs(1) != inputs(2)


def test_a_seed_of_every_kind_is_understood():
    """A golden message that the venue no longer takes would leave its reader untried; 5 names no subscription."""
    sessions = TARGETS["session"]()
    for message in sessions.messages:
        code, said = sessions.run(targets.frame(targets.BINARY, msgpack.packb(message)))
        refused = {reason for kind, reason in said if reason == 100}
        assert code in (0, 1000), message
        assert not refused or message[0] == 5, f"{message} must be well formed, was answered {said}"
    assert len({message[0] for message in MESSAGES}) == len(set(range(1, 8)) | set(range(16, 29))) + 7
    frames = TARGETS["frames"]()
    assert {frames.run(stream)[0] for stream in FRAMES} == {0}


# Would it find a defect?


def broken_by(target, make_wrong, monkeypatch, tmp_path):
    """The input that a run keeps when something is wrong."""
    make_wrong(monkeypatch)
    report = run([target], SEED, rounds=20, keep=tmp_path)
    assert report.failure is not None
    assert report.failure.name.startswith(f"{target}-")
    assert (tmp_path / "last-input.bin").read_bytes() == report.failure.read_bytes()
    return report.failure.read_bytes()


def test_an_undocumented_close_code_is_found(monkeypatch, tmp_path):
    def wrong(patch):
        patch.setattr(targets, "WIRE_CODES", {0, 1002, 1009})
        patch.setattr(targets.Frames, "seeds", FRAMES[:1])

    assert broken_by("frames", wrong, monkeypatch, tmp_path)


def test_a_codec_that_takes_too_much_is_found(monkeypatch, tmp_path):
    real = targets.decode_message

    def careless(message, *where):
        """Passes over a byte that follows the message."""
        answer = real(message, *where)
        return real(message[:-1], *where) if answer[0] == -2 else answer

    assert broken_by("codec", lambda patch: patch.setattr(targets, "decode_message", careless), monkeypatch, tmp_path)


def test_an_unexpected_error_in_a_session_is_found(monkeypatch, tmp_path):
    def wrong(patch):
        real = targets.Peer.receive

        def receive(self, message, is_text, now_ns):
            if message[-1:] == b"\x02" and message[1:2] == b"\x04":
                raise KeyError("an error nobody expected")
            return real(self, message, is_text, now_ns)

        patch.setattr(targets.Peer, "receive", receive)

    assert broken_by("session", wrong, monkeypatch, tmp_path)


# The changes themselves.


def test_changes_change_and_stay_within_bounds():
    dice = random.Random(SEED)
    changed = [mutate(dice, PACKED[11], PACKED) for _ in range(500)]
    assert sum(one != PACKED[11] for one in changed) > 480
    assert len(mutate(dice, bytes(2 * BYTES_MAX), [])) <= BYTES_MAX
    assert mutate(dice, b"", []) == b""
    assert len({str(mutate_fields(dice, list(MESSAGES[11]))) for _ in range(500)}) > 300
    assert MESSAGES[18][3][0][0] == 16, "the golden message itself must not change"


def test_a_stream_is_cut_by_its_bytes_alone():
    data = b"".join(FRAMES)
    assert b"".join(cut(data)) == data
    assert cut(data) == cut(data)
    assert len({len(cut(data[:length])) for length in range(500, 540)}) > 3
    assert cut(b"") == []
