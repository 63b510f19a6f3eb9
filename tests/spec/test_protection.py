"""Market-maker protection (MMP rules of docs/spec/windows.md)."""

import pytest
from venue import NOW_NS, NUMBER, Venue

from exchange import commands

MS = 1_000_000


def guard(venue, name="ann", *, quote_set=0, fills=0, lots=0, window_ms=1_000, lane=0):
    return venue.do(
        commands.mmp_set(
            NUMBER[name], venue.ref(name, lane), quote_set, fills=fills, lots=lots, window_ms=window_ms, lane=lane
        )
    )


def reset(venue, name="ann", *, quote_set=0, lane=0):
    return venue.do(commands.mmp_reset(NUMBER[name], venue.ref(name, lane), quote_set, lane=lane))


def quoted(core, *, quote_set=0, **limits):
    """ann quotes 10 lots on both sides of both windows, set 0; guarded as said."""
    venue = Venue(core())
    guard(venue, quote_set=quote_set, **limits)
    venue.quote("ann", (1, 99, 10, 101, 10, quote_set), (2, 99, 10, 101, 10, quote_set))
    return venue


def fired(events):
    return any(event.startswith("notice") for event in events)


@pytest.mark.parametrize(("limits", "verdict"), [
    ({"fills": 1, "lots": 1, "window_ms": 1}, "ack ann #1"),
    ({"fills": 0, "lots": 0, "window_ms": 0}, "ack ann #1"),
    ({"fills": (1 << 31) - 1, "lots": (1 << 31) - 1, "window_ms": 86_400_000}, "ack ann #1"),
    ({"fills": -1}, "reject ann #1 MALFORMED"),
    ({"lots": -1}, "reject ann #1 MALFORMED"),
    ({"window_ms": -1}, "reject ann #1 MALFORMED"),
    ({"window_ms": 86_400_001}, "reject ann #1 MALFORMED"),
])  # fmt: skip
def test_limits_of_a_quote_set_mmp_001(venue, limits, verdict):
    assert guard(venue, **limits) == [verdict]


def test_limits_are_commands_like_others_mmp_001(venue):
    record = commands.mmp_set(NUMBER["ann"], 5, 3, fills=1, lots=1, window_ms=1, lane=2)
    assert venue.do(record, record) == ["ack ann lane=2 #5", "ack ann lane=2 #5 duplicate"]
    assert venue.do(commands.mmp_set(0, 1, 0, fills=1, lots=1, window_ms=1)) == ["reject #1 NO_ACCOUNT"]
    assert venue.do(commands.mmp_reset(NUMBER["ann"], 5, 3, lane=2)) == ["ack ann lane=2 #5 duplicate"]


def test_limits_that_are_off_count_nothing_mmp_001(core):
    for limits in ({"fills": 1, "window_ms": 0}, {"fills": 0, "lots": 0}, {"fills": 2, "lots": 11}):
        venue = quoted(core, **limits)
        assert not fired(venue.buy("bob", 10, 101)), limits


def test_set_without_protection_is_never_pulled_mmp_001(core):
    venue = quoted(core, quote_set=1, fills=1)
    venue.quote("ann", (1, 98, 5, 102, 5, 2))
    venue.sell("bob", 10, 99)
    assert venue.book()[0] == [(98, 5, 1)]


def test_protection_fires_at_the_end_of_the_command_mmp_002(core):
    venue = quoted(core, fills=2)
    assert not fired(venue.buy("bob", 3, 101))
    assert venue.buy("bob", 3, 101, instrument=2) == [
        "ack bob i2 #2 o4.2 buy 3@101 leaves=3",
        "fill ann i2 o3 quote sell 3@101 cum=3 leaves=7 m2",
        "fill bob i2 #2 o4.2 taker buy 3@101 cum=3 m2",
        "trade i2 buy 3@101 m2",
        "done ann o0 quote MMP buy 10@99",
        "done ann o1 quote MMP sell 7@101 cum=3",
        "done ann i2 o2 quote MMP buy 10@99",
        "done ann i2 o3 quote MMP sell 7@101 cum=3",
        "notice ann MMP_FIRED",
    ]


def test_notice_names_the_set_in_the_lane_mmp_002(core):
    venue = quoted(core, quote_set=7, lots=3)
    event = [event for event in venue.run(venue.order("bob", 0, 3, 101)) if event["type"] == 41]
    assert [(int(one["account"]), int(one["lane"]), int(one["reason"])) for one in event] == [(1, 7, 3)]


@pytest.mark.parametrize(("limits", "fills"), [
    ({"lots": 5}, 3), ({"lots": 6}, 3), ({"lots": 7}, 4), ({"fills": 4}, 4), ({"fills": 9, "lots": 3}, 2),
    ({"fills": 1, "lots": 99}, 1),
])  # fmt: skip
def test_fills_or_lots_whatever_comes_first_mmp_002(core, limits, fills):
    venue = quoted(core, **limits)
    found = next(count for count in range(1, 9) if fired(venue.buy("bob", 2, 101)))
    assert found == fills


def test_window_begins_with_the_first_fill_and_does_not_slide_mmp_002(core):
    venue = quoted(core, fills=3, window_ms=1_000)
    steps = [0, 900, 999, 1_000, 1_500, 1_999, 2_000]  # Windows: [0, 1000), [1000, 2000), and so on.
    outcomes = []
    for step in steps:
        venue.now_ns = NOW_NS + step * MS
        outcomes.append(fired(venue.buy("bob", 1, 101)))
    assert outcomes == [False, False, True, False, False, False, False]  # Pulled and not quoted again.
    venue = quoted(core, fills=3, window_ms=1_000)
    outcomes = []
    for step in [0, 999, 1_000, 1_500, 2_000, 2_001, 2_999]:
        venue.now_ns = NOW_NS + step * MS
        outcomes.append(fired(venue.buy("bob", 1, 101)))
    assert outcomes == [False, False, False, False, False, False, True]


def test_next_window_begins_with_a_fill_mmp_002(core):
    venue = quoted(core, fills=2, window_ms=1_000)
    outcomes = []
    for step in [0, 5_000, 5_999]:
        venue.now_ns = NOW_NS + step * MS
        outcomes.append(fired(venue.buy("bob", 1, 101)))
    assert outcomes == [False, False, True]


def test_fills_of_an_aggressor_do_not_count_mmp_002(core):
    venue = Venue(core())
    guard(venue, fills=1)
    venue.sell("bob", 10, 100)
    assert not fired(venue.quote("ann", (1, 100, 4, 105, 5)))


def test_sweep_is_counted_whole_and_stopped_after_it_mmp_002(core):
    venue = Venue(core())
    guard(venue, fills=1)
    guard(venue, fills=1, quote_set=1)
    venue.quote("ann", (1, 90, 1, 101, 1))
    venue.quote("ann", (1, 90, 1, 102, 1, 1))
    venue.quote("ann", (1, 90, 1, 103, 1, 2))
    assert [event for event in venue.buy("bob", 3, 103) if event.startswith(("trade", "notice", "done"))] == [
        "trade buy 1@101 m1",
        "trade buy 1@102 m2",
        "trade buy 1@103 m3",
        "done ann o0 quote MMP buy 1@90",
        "notice ann MMP_FIRED",
        "done ann lane=1 o2 quote MMP buy 1@90",
        "notice ann lane=1 MMP_FIRED",
    ]


def test_block_that_hits_a_set_is_counted_whole_mmp_002(core):
    venue = quoted(core, fills=1)
    events = venue.block("bob", 0, 4, 202, hours=2)
    assert [event for event in events if event.startswith(("trade", "notice"))] == [
        "trade block buy 4@101 m1",
        "trade i2 block buy 4@101 m1",
        "notice ann MMP_FIRED",
    ]
    assert venue.book() == ([], [])


def test_uncross_counts_too_mmp_002(core):
    venue = Venue(core(), start_s=-9_000, open_call_s=600)
    guard(venue, lots=4)
    venue.quote("ann", (1, 95, 10, 101, 10))
    venue.buy("bob", 4, 101)
    assert [event for event in venue.time(-8_400) if event.startswith(("notice", "done"))] == [
        "done ann o0 quote MMP buy 10@95",
        "done ann o1 quote MMP sell 6@101 cum=4",
        "notice ann MMP_FIRED",
    ]


def test_protection_fires_once_a_command_mmp_002(core):
    venue = Venue(core())
    guard(venue, lots=2)
    venue.quote("ann", (1, 90, 9, 101, 9))
    venue.quote("ann", (2, 90, 9, 101, 9))
    events = venue.block("bob", 0, 9, 202, hours=2)
    assert sum(event.startswith("notice") for event in events) == 1


def test_pulled_orders_go_in_order_of_first_use_mmp_002(core):
    venue = Venue(core())
    guard(venue, fills=1)
    venue.quote("ann", (2, 95, 1, 105, 1))
    venue.quote("ann", (1, 95, 1, 105, 1))
    events = [event for event in venue.buy("bob", 1, 105) if event.startswith("done")]
    assert events == [
        "done ann i2 o0 quote MMP buy 1@95",
        "done ann i2 o1 quote MMP sell 1@105",
        "done ann o2 quote MMP buy 1@95",
    ]


def test_other_orders_of_the_account_stay_mmp_002(core):
    venue = quoted(core, fills=1)
    venue.buy("ann", 5, 98)
    venue.quote("ann2", (1, 97, 5, 110, 5))
    venue.buy("bob", 1, 101)
    assert venue.book() == ([(98, 5, 1), (97, 5, 1)], [(110, 5, 1)])


def test_frozen_set_does_not_quote_until_its_reset_mmp_003(core):
    venue = quoted(core, fills=1)
    venue.buy("bob", 1, 101)
    assert venue.quote("ann", (1, 99, 1, 101, 0)) == ["reject ann #3 MMP_FROZEN"]
    assert venue.quote("ann", (1, 99, 0, 101, 0)) == ["ack ann #4"]  # To pull is allowed.
    assert venue.quote("ann", (1, 99, 1, 101, 1, 1))[0] == "ack ann #5"  # Another set.
    venue.now_ns += 10_000 * MS
    assert venue.quote("ann", (1, 99, 1, 101, 0)) == ["reject ann #6 MMP_FROZEN"]  # Time does not thaw it.
    assert reset(venue) == ["ack ann #7"]
    assert venue.quote("ann", (1, 98, 1, 101, 0))[0] == "ack ann #8"


def test_frozen_is_the_last_reason_mmp_003(core):
    venue = quoted(core, fills=1)
    venue.buy("bob", 1, 101)
    assert venue.quote("ann", (9, 99, 1, 101, 0)) == ["reject ann i9 #3 NO_INSTRUMENT"]
    assert venue.quote("ann", (1, -1, 1, 101, 0)) == ["reject ann #4 PX_TICK"]
    assert venue.quote("ann", (1, 99, (1 << 30) + 1, 101, 0)) == ["reject ann #5 QTY_MAX"]


def test_legs_of_a_mass_quote_are_refused_one_by_one_mmp_003(core):
    venue = quoted(core, fills=1)
    venue.buy("bob", 1, 101)
    events = venue.quote("ann", (1, 99, 1, 101, 0), (1, 99, 0, 101, 0), (2, 98, 1, 101, 0, 5))
    assert [event.split()[0] for event in events] == ["reject", "ack", "ack", "ack"]


def test_reset_empties_the_window_mmp_003(core):
    venue = quoted(core, fills=2)
    venue.buy("bob", 1, 101)
    reset(venue)
    assert not fired(venue.buy("bob", 1, 101))
    assert fired(venue.buy("bob", 1, 101))


def test_reset_of_a_set_that_is_not_frozen_is_acknowledged_mmp_003(core):
    venue = Venue(core())
    assert reset(venue, quote_set=200) == ["ack ann #1"]


def test_new_limits_do_not_thaw_a_set_mmp_003(core):
    venue = quoted(core, fills=1)
    venue.buy("bob", 1, 101)
    assert guard(venue, fills=9) == ["ack ann #3"]
    assert venue.quote("ann", (1, 99, 1, 101, 0)) == ["reject ann #4 MMP_FROZEN"]
    assert guard(venue, window_ms=0) == ["ack ann #5"]
    assert venue.quote("ann", (1, 99, 1, 101, 0)) == ["reject ann #6 MMP_FROZEN"]
    reset(venue)
    assert venue.quote("ann", (1, 99, 1, 101, 0))[0] == "ack ann #8"


def test_new_limits_begin_a_new_window_mmp_003(core):
    venue = quoted(core, fills=2)
    venue.buy("bob", 1, 101)
    guard(venue, fills=2)
    assert not fired(venue.buy("bob", 1, 101))
    assert fired(venue.buy("bob", 1, 101))


def test_protection_is_part_of_the_state_mmp_003(core):
    venue, other = quoted(core, fills=1), quoted(core, fills=2)
    assert venue.core.dump() != other.core.dump()
