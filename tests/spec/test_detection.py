"""When a node and a provider count as failed (CLR-DET rules of docs/spec/default.md)."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.clearing.detection import NEVER, DetectionTerms, NodeState, Verdicts, provider_failed, verdicts
from exchange.errors import CatalogueError
from exchange.reasons import RejectReason

S = 1_000_000_000
START = 1_790_000_000 * S
OK, SUSPECT, FAILED = NodeState
TERMS = DetectionTerms()


def seen(now, *last, low=None, terms=TERMS, **more):
    """States and t_f, both with times in seconds from the start; None for a node never heard."""
    last_ok = np.array([NEVER if at is None else START + at * S for at in last], np.int64)
    low_intervals = np.array([0] * len(last) if low is None else low, np.int32)
    found = verdicts(START + now * S, START, last_ok, low_intervals, terms, **more)
    assert (found.states.dtype, found.failed_at.dtype) == (np.int8, np.int64)
    return found.states.tolist(), [None if at == NEVER else (at - START) // S for at in found.failed_at.tolist()]


def test_silence_makes_suspect_then_failed_clr_det_001_clr_det_005():
    assert seen(1000, 1000, 971, 970, 851, 850, 0) == (
        [OK, OK, SUSPECT, SUSPECT, FAILED, FAILED], [None, None, None, None, 850, 0]
    )  # fmt: skip


def test_silence_is_measured_to_the_nanosecond_clr_det_001():
    last_ok = np.array([START], np.int64)
    for silence, state in [(30 * S - 1, OK), (30 * S, SUSPECT), (150 * S - 1, SUSPECT), (150 * S, FAILED)]:
        assert verdicts(START + silence, START, last_ok, np.zeros(1, np.int8), TERMS).states.tolist() == [state]


def test_a_heartbeat_clears_suspect_clr_det_001():
    last_ok, low = np.array([START], np.int64), np.zeros(1, np.int32)
    before = verdicts(START + 40 * S, START, last_ok, low, TERMS)
    assert before.states.tolist() == [SUSPECT]
    last_ok[0] = START + 41 * S
    assert verdicts(START + 42 * S, START, last_ok, low, TERMS, before=before).states.tolist() == [OK]


def test_no_hand_over_clr_det_002_clr_det_005():
    assert seen(299, None, -1, 280) == ([OK, OK, OK], [None, None, None])
    assert seen(300, None, -1, 280, 0) == ([FAILED, FAILED, OK, FAILED], [0, 0, None, 0])
    assert seen(-50, None, -1) == ([OK, OK], [None, None])


def test_low_intervals_clr_det_003_clr_det_005():
    assert seen(600, 595, 595, 595, low=[2, 3, 4]) == ([OK, FAILED, FAILED], [None, 595, 595])


def test_failed_challenge_or_notice_clr_det_004_clr_det_005():
    condemned = np.array([True, False, True])
    assert seen(20, 15, 15, None, condemned=condemned) == ([FAILED, OK, FAILED], [15, None, 0])


def test_failed_is_final_clr_det_005():
    before = Verdicts(np.array([FAILED, SUSPECT, FAILED], np.int8), np.array([START + 7 * S, NEVER, START], np.int64))
    assert seen(600, 599, 599, 100, before=before) == ([FAILED, OK, FAILED], [7, None, 0])


terms_ranges = st.builds(
    DetectionTerms, st.integers(1, 20), st.integers(1, 4), st.integers(0, 200), st.integers(1, 400), st.integers(1, 4)
)
nodes = st.lists(st.tuples(st.none() | st.integers(-99, 700), st.integers(0, 5), st.booleans()), max_size=8)


@given(st.integers(0, 700), nodes, terms_ranges)
def test_all_nodes_as_one_by_one_clr_det_001_clr_det_002_clr_det_003_clr_det_004_clr_det_005(now, each, terms):
    each = [(last if last is None or last <= now else now, low, told) for last, low, told in each]
    states, failed_at = seen(now, *(last for last, _, _ in each), low=[low for _, low, _ in each], terms=terms,
                             condemned=np.array([told for _, _, told in each], bool))  # fmt: skip
    for (last, low, told), state, at in zip(each, states, failed_at, strict=True):
        is_heard = last is not None and last >= 0
        beats = (now - last) // terms.heartbeat_s if is_heard else 0
        if told or low >= terms.low_intervals or (not is_heard and now >= terms.handover_s):
            expected = FAILED
        elif beats >= terms.missed and now - last - terms.missed * terms.heartbeat_s >= terms.grace_s:
            expected = FAILED
        else:
            expected = SUSPECT if beats >= terms.missed else OK
        assert state == expected
        assert at == ((last if is_heard else 0) if expected == FAILED else None)


def test_arrays_have_one_entry_a_node_clr_det_001():
    for low, more in (([0], {}), ([0, 0], {"condemned": np.array([True])})):
        with pytest.raises(ValueError, match="arrays must have one entry a node"):
            seen(1, 0, 0, low=low, **more)


def test_a_node_not_yet_heard_is_never_suspect_clr_det_002():
    terms = DetectionTerms(heartbeat_s=1, missed=1, grace_s=0, handover_s=300)
    assert seen(299, None, -1, terms=terms) == ([OK, OK], [None, None])


@pytest.mark.parametrize(
    ("name", "least", "most"),
    [("heartbeat_s", 1, 600), ("missed", 1, 60), ("grace_s", 0, 3600), ("handover_s", 1, 3600),
     ("low_intervals", 1, 60)],
)  # fmt: skip
def test_terms_are_within_their_ranges_clr_det_001(name, least, most):
    for value in (least, most):
        assert getattr(DetectionTerms(**{name: value}), name) == value
    for value in (least - 1, most + 1):
        with pytest.raises(CatalogueError, match=f"{name} must be from {least} to {most}, was {value}") as caught:
            DetectionTerms(**{name: value})
        assert caught.value.reason == RejectReason.MALFORMED


@pytest.mark.parametrize(
    ("failures", "lots", "is_failed"),
    [
        ([(0, 20)], 100, False),
        ([(0, 21)], 100, True),
        ([(-3599, 15), (-1, 6)], 100, True),
        ([(-3600, 15), (-1, 6)], 100, False),
        ([(1, 100)], 100, False),
        ([(0, 200_001)], 1_000_000, True),
        ([(0, 200_000)], 1_000_000, False),
        ([(0, 1)], 4, True),
        ([(0, 1)], 5, False),
        ([], 0, False),
    ],
)
def test_provider_defaults_above_a_fifth_in_an_hour_clr_det_006(failures, lots, is_failed):
    now = START + 7_200 * S
    assert provider_failed([(now + at * S, failed) for at, failed in failures], lots, now) == is_failed
