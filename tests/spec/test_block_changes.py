"""Blocks cancelled and replaced, and what follows from the rules (BLK-014 to BLK-016)."""

import pytest
from block_market import at, example, market, offer, traded
from venue import WINDOW

from exchange import commands
from exchange.commands import BLOCK_HOURS_SHIFT
from exchange.records import CommandType
from exchange.units import LOTS_MAX

# Cancel and replace.


def test_block_is_cancelled_by_handle_or_ref_blk_014(core):
    venue = market(core)
    for _ in range(2):
        venue.block("bob", 0, 8, 600, lane=1)
    assert venue.cancel("ann", "o0") == ["reject ann #1 NO_ORDER"]
    assert venue.cancel("bob", "o0") == ["ack bob #1 o0", "done bob lane=1 #1 o0 block USER buy 8@600 f1 +3h"]
    assert venue.do(commands.cancel_ref(2, 3, 2, lane=1)) == [
        "ack bob lane=1 #3 o1", "done bob lane=1 #2 o1 block USER buy 8@600 f1 +3h",
    ]  # fmt: skip
    assert venue.cancel("bob", "o1") == ["reject bob #2 NO_ORDER"]


def test_fewer_leaves_at_the_limit_keep_the_sequence_blk_014(core):
    venue = market(core)
    venue.block("bob", 0, 8, 300, min_lots=5)
    venue.block("cat", 0, 8, 300)
    assert venue.replace("bob", "o0", 8, 300)[1] == "replaced bob #1 o0 block buy 8@300 f1 +3h leaves=8"
    assert venue.do(commands.replace_ref(2, venue.ref("bob"), 1, 300, 3)) == [
        "ack bob #3 o0", "replaced bob #1 o0 block buy 3@300 f1 +3h leaves=3",
    ]  # fmt: skip
    assert venue.block("ann", 1, 2, 300)[0].startswith("ack")  # The minimum has come down to three.
    assert venue.position("bob")[0] == 0
    assert venue.position("cat")[0] == 2
    venue.block("ann", 1, 3, 300)
    assert venue.position("bob")[0] == 3


@pytest.mark.parametrize(("lots", "limit"), [(9, 300), (8, 301), (3, 301), (8, 299)])
def test_other_changes_give_a_new_sequence_blk_014(core, lots, limit):
    venue = market(core)
    venue.block("bob", 0, 8, 300)
    venue.block("cat", 0, 8, limit)
    venue.replace("bob", "o0", lots, limit)
    venue.block("ann", 1, 8, limit)
    assert venue.position("cat")[0] == 8


def test_replaced_block_comes_in_again_blk_014(core):
    venue = example(core)
    venue.block("bob", 0, 8, 610, min_lots=8)
    assert venue.replace("bob", "o5", 9, 630)[:3] == [
        "ack bob #2 o5",
        "replaced bob #1 o5 block buy 9@630 f1 +3h leaves=9",
        "fill ann #1 o0 sell 8@200 cum=8 m1",
    ]
    assert venue.cancel("bob", "o5")[1] == "done bob #1 o5 block USER buy 1@630 f1 +3h cum=8"


def test_replaced_block_keeps_minimum_and_scope_blk_014(core):
    venue = market(core)
    venue.block("bob", 0, 8, 300, min_lots=6, scope=3)
    venue.replace("bob", "o0", 7, 301)
    venue.block("ann", 1, 5, 300)
    assert venue.position("bob")[0] == 0
    assert venue.block("cat", 1, 6, 300, scope=2)[1].startswith("fill bob i2")
    venue.block("dan", 0, 8, 200, min_lots=8, hours=2)
    assert venue.replace("dan", "o2.2", 4, 201)[1].endswith("leaves=4")
    assert len(traded(venue.block("ann", 1, 4, 200, hours=2))) == 2


def test_total_at_or_below_what_is_filled_ends_the_block_blk_014(core):
    venue = market(core)
    venue.block("ann", 1, 3, 300)
    venue.block("bob", 0, 8, 300)
    assert venue.replace("bob", "o1", 3, 999) == [
        "ack bob #2 o1", "done bob #1 o1 block USER buy 5@300 f1 +3h cum=3",
    ]  # fmt: skip


REPLACEMENTS = [
    ({"stp": 4}, 9, 600, "MALFORMED"),
    ({"flags": 1}, 9, 600, "MALFORMED"),
    ({}, 9, -1, "PX_TICK"),
    ({}, 0, 600, "QTY_LOT"),
    ({}, LOTS_MAX + 1, 600, "QTY_MAX"),
    ({"flags": 8}, 9, 600, "PRIORITY"),
    ({"flags": 8}, 8, 601, "PRIORITY"),
    ({}, 9, 600, "MARGIN"),
]


@pytest.mark.parametrize(("terms", "lots", "limit", "reason"), REPLACEMENTS)
def test_checks_of_a_replaced_block_blk_014(core, terms, lots, limit, reason):
    venue = market(core)
    venue.rates(5, 5)
    venue.deposit("bob", 8 * (5 + 600))
    assert venue.block("bob", 0, 8, 600)[0].startswith("ack")
    before = venue.core.dump()[64:]
    assert venue.replace("bob", "o0", lots, limit, **terms) == [f"reject bob #2 {reason}"]
    assert venue.core.requirement_sum(2) == 8 * 605
    assert len(venue.core.dump()[64:]) == len(before) + 32  # One more outcome.
    assert venue.replace("bob", "o0", 7, 600, flags=8)[0] == "ack bob #3 o0"


def test_replace_is_measured_without_the_old_reserve_blk_014(core):
    venue = market(core)
    venue.deposit("bob", 8 * 600)
    venue.block("bob", 0, 8, 600)
    assert venue.replace("bob", "o0", 4, 1_201) == ["reject bob #2 MARGIN"]
    assert venue.replace("bob", "o0", 4, 1_200)[1] == "replaced bob #1 o0 block buy 4@1200 f1 +3h leaves=4"
    assert venue.core.requirement_sum(2) == 4_800


def test_replace_of_a_physical_block_needs_capacity_blk_014(core):
    venue = market(core)
    venue.certify("bob", 9, count=3)
    venue.block("bob", 1, 8, 600, flags=16)
    assert venue.replace("bob", "o0", 10, 600) == ["reject bob #2 NO_CAPACITY"]
    assert venue.replace("bob", "o0", 9, 600)[0].startswith("ack")


def test_suspended_block_may_only_shrink_blk_014(core):
    venue = market(core)
    venue.block("bob", 0, 8, 600)
    venue.halt(2)
    assert venue.replace("bob", "o0", 9, 600) == ["reject bob #2 NOT_OPEN"]
    assert venue.replace("bob", "o0", 7, 601) == ["reject bob #3 NOT_OPEN"]
    assert venue.replace("bob", "o0", 9, 600, flags=8) == ["reject bob #4 NOT_OPEN"]
    assert venue.replace("bob", "o0", 9, -1) == ["reject bob #5 PX_TICK"]
    assert venue.replace("bob", "o0", 7, 600)[1] == "replaced bob #1 o0 block buy 7@600 f1 +3h leaves=7"
    venue.resume(2)
    assert venue.replace("bob", "o0", 8, 600) == ["reject bob #7 NOT_OPEN"]
    assert venue.cancel("bob", "o0")[0] == "ack bob #8 o0"


def test_replaced_block_pins_and_hits_like_a_new_one_blk_014(core):
    venue = market(core)
    venue.block("ann", 1, 8, 300, min_lots=5)
    venue.block("dan", 0, 1, 400)
    venue.block("bob", 0, 9, 200)
    events = venue.replace("bob", "o2", 6, 300)
    assert [event for event in events if event.startswith("trade block")] == [
        "trade block buy 6@100 m1",
        "trade block sell 1@134 m2",
    ]


def many(core):
    """Blocks and orders of ann, in the order o0 to o5; o3 is dan's."""
    venue = market(core, count=6)
    venue.block("ann", 0, 1, 10, tag=7, lane=1, hours=2)
    venue.block("ann", 0, 2, 10, hour=2, scope=3, flags=4)
    venue.buy("ann", 3, 10, tag=7)
    venue.block("dan", 0, 4, 10)
    venue.certify("ann", 99, count=6)
    venue.block("ann", 1, 5, 900, hour=1, tag=7, flags=20, lane=1)
    venue.do(venue.order("ann", 1, 6, 900, instrument=at(3), lane=1, flags=4))
    return venue


@pytest.mark.parametrize(("filters", "ended"), [
    ({}, ["o2", "o5", "o0", "o1", "o4"]),
    ({"side": 0}, ["o2", "o0", "o1"]),
    ({"side": 1}, ["o5", "o4"]),
    ({"product": 1}, ["o2", "o5", "o0", "o1", "o4"]),
    ({"product": 2}, []),
    ({"tag": 7}, ["o2", "o0", "o4"]),
    ({"placed_in": 1}, ["o5", "o0", "o4"]),
    ({"placed_in": 0}, ["o2", "o1"]),
    ({"instrument": at(0)}, ["o2", "o0"]),
    ({"instrument": at(0, 1)}, []),
    ({"instrument": at(3)}, ["o5", "o1", "o4"]),
    ({"instrument": at(3, 1)}, ["o1"]),
    ({"instrument": 99}, []),
    ({"windows": (WINDOW, WINDOW + 1)}, ["o2", "o0"]),
    ({"windows": (WINDOW + 4, WINDOW + 9)}, ["o1"]),
    ({"windows": (WINDOW + 1, WINDOW + 2)}, ["o0", "o4"]),
    ({"windows": (WINDOW + 5, WINDOW + 9)}, []),
    ({"windows": (WINDOW + 3, WINDOW + 3)}, []),
    ({"windows": (WINDOW, WINDOW + 9), "side": 1, "tag": 7}, ["o4"]),
])  # fmt: skip
def test_mass_cancel_ends_blocks_behind_orders_blk_015(core, filters, ended):
    venue = many(core)
    events = venue.mass_cancel("ann", **filters)
    assert [next(word for word in event.split() if word[0] == "o") for event in events[1:]] == ended
    assert events[0].endswith(f"lots={len(ended)}") == bool(ended)
    assert venue.cancel("dan", "o3")[0].startswith("ack")


def test_replaced_block_keeps_its_entry_blk_015(core):
    venue = many(core)
    venue.replace("ann", "o0", 2, 11)
    assert venue.mass_cancel("ann", side=0)[2] == "done ann lane=1 #1 o0 block USER buy 2@11 f1 +2h"


def test_lost_session_ends_flagged_blocks_of_its_lane_blk_015(core):
    venue = many(core)
    assert venue.do(commands.session_lost(1, 1)) == [
        "done ann lane=1 i7 #3 o5 COD sell 6@900",
        "done ann lane=1 i3 #2 o4 block COD sell 5@900 f1 +3h",
    ]
    assert venue.do(commands.session_lost(1, 0)) == ["done ann i5 #1 o1 block COD buy 2@10 f1,f2 +3h"]
    assert venue.do(commands.session_lost(1, 1, every=True)) == ["done ann lane=1 #1 o0 block COD buy 1@10 f1 +2h"]


# What follows.


def test_newcomer_trades_at_its_own_price_blk_016(core):
    venue = market(core)
    offer(venue, [], [(5, 100)], [(5, 100)])
    venue.block("bob", 0, 5, 900)
    events = venue.sell("cat", 5, 50)
    assert events[1] == "fill cat #1 o3 sell 5@50 cum=5 m1"
    assert venue.position("bob")[0] == 5


def test_hourly_orders_go_before_blocks_at_the_same_price_blk_016(core):
    venue = market(core)
    offer(venue, [], [(5, 100)], [(5, 100)])
    venue.block("bob", 0, 5, 300)
    venue.buy("cat", 5, 100)
    assert traded(venue.sell("dan", 5, 100)) == ["sell 5@100"]


def test_blocks_of_different_hours_never_trade_blk_016(core):
    venue = market(core)
    venue.block("ann", 1, 5, 10)
    venue.block("ann", 1, 5, 10, hours=2)
    assert len(venue.block("bob", 0, 5, 900, hour=1, hours=2)) == 1


def test_hourly_orders_do_not_meet_through_two_blocks_blk_016(core):
    venue = market(core)
    venue.block("bob", 0, 5, 200, hours=2)
    venue.block("ann", 1, 5, 100, hour=1, hours=2)  # Window 1001 would have a buyer and a seller in the blocks.
    offer(venue, [(5, 50)], name="cat")
    assert traded(venue.buy("dan", 5, 150, instrument=at(2))) == []


def test_block_record_is_laid_out_as_said_blk_001():
    record = commands.block(
        7, 8, 9, 5, WINDOW, 168, 1, 620, 4, min_lots=2, tif=3, flags=4, expiry_ns=11, tag=12, lane=13
    )
    assert record == commands.record(
        CommandType.BLOCK, flags=4 | 168 << BLOCK_HOURS_SHIFT, account=7, instrument=9, ref=8, target=5, amount=11,
        price=620, lots=4, price_2=WINDOW, lots_2=2, tag=12, lane=13, side=1, tif=3,
    )  # fmt: skip
