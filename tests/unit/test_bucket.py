"""The token bucket of connections and requests."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.bucket import NS_PER_SECOND, Rate

NOW_NS = 50 * NS_PER_SECOND


def test_a_full_bucket_holds_the_burst_and_refills_with_time():
    rate, bucket = Rate(10, 3), 0
    taken = []
    for now_ns in [NOW_NS] * 4 + [NOW_NS + NS_PER_SECOND // 10] * 2:
        bucket, late_ns = rate.charge(bucket, 1, now_ns)
        taken.append(late_ns)
    assert taken == [0, 0, 0, NS_PER_SECOND // 10, 0, NS_PER_SECOND // 10]


def test_what_is_dearer_than_a_bucket_needs_a_full_one():
    rate = Rate(10, 3)
    bucket, late_ns = rate.charge(0, 50, NOW_NS)
    assert late_ns == 0
    assert rate.charge(bucket, 1, NOW_NS)[1] == 48 * NS_PER_SECOND // 10
    assert rate.charge(bucket, 1, NOW_NS + 48 * NS_PER_SECOND // 10)[1] == 0
    bucket, _ = rate.charge(0, 1, NOW_NS)
    assert rate.charge(bucket, 50, NOW_NS) == (bucket, NS_PER_SECOND // 10)


def test_no_rate_is_no_limit():
    rate = Rate(0, 1)
    assert {rate.charge(0, 1_000_000, NOW_NS)[1] for _ in range(10)} == {0}


@given(st.lists(st.tuples(st.integers(0, NS_PER_SECOND), st.integers(1, 4)), max_size=60))
def test_no_more_than_rate_and_burst_pass_in_any_time(asked):
    rate, bucket, now_ns, taken = Rate(7, 4), 0, NOW_NS, 0
    for pause_ns, units in asked:
        now_ns += pause_ns
        bucket, late_ns = rate.charge(bucket, units, now_ns)
        assert 0 <= late_ns <= rate.burst_ns
        taken += 0 if late_ns else units
    assert taken <= 4 + 7 * (now_ns - NOW_NS) / NS_PER_SECOND + 1
