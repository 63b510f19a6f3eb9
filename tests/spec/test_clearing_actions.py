"""What the clearinghouse does with money, positions and resting orders (ACC-006 to ACC-010, CXL-005)."""

import struct

import pytest
from block_market import at, market
from hypothesis import given
from hypothesis import strategies as st
from venue import GATE_NS, NUMBER, Venue, oid_of

from exchange import commands
from exchange.reasons import DoneReason
from exchange.reference import ReferenceCore
from exchange.units import LOTS_MAX, MONEY_MAX, POSITION_MAX, PRICE_MAX_TICKS

ANN, BOB, CAT, DAN = (NUMBER[name] for name in ("ann", "bob", "cat", "dan"))


def rows(core):
    return list(struct.iter_unpack("<5q", core.positions_bytes()))


# Money.


def test_pay_adds_to_a_balance_and_tells_nothing_acc_006(venue):
    assert venue.clear(lambda core: core.pay(ANN, 70), lambda core: core.pay(ANN, -100)) == []
    assert venue.clear(lambda core: core.pay(0, 25), lambda core: core.pay_external(5)) == []
    assert (venue.balance("ann"), venue.core.balance(0), venue.core.external_balance()) == (-30, 25, 5)


def test_pay_is_part_of_the_state_acc_006(venue):
    before = venue.core.dump()
    venue.core.pay(BOB, 1)
    assert venue.core.dump() != before
    venue.core.pay(BOB, -1)
    assert venue.core.dump() == before


def test_pay_makes_no_account_margined_acc_006(venue):
    venue.core.pay(ANN, 5)
    venue.mark(100)
    assert venue.buy("ann", 9, 200)[0].startswith("ack")  # Its 900 of risk are not looked at (RSK-006).


@pytest.mark.parametrize(("account", "micros"), [(6, 1), (1, MONEY_MAX + 1), (1, -MONEY_MAX - 1)])
def test_pay_needs_an_account_and_an_amount_within_the_limits_acc_006(venue, account, micros):
    before = venue.core.dump()
    with pytest.raises(ValueError, match="must be"):
        venue.core.pay(account, micros)
    assert venue.core.dump() == before


def test_external_balance_stays_within_its_limits_acc_006(venue):
    venue.core.pay_external(MONEY_MAX)
    with pytest.raises(ValueError, match="EXT must be from"):
        venue.core.pay_external(1)
    venue.core.pay_external(-MONEY_MAX)
    venue.core.pay_external(-MONEY_MAX)
    with pytest.raises(ValueError, match="EXT must be from"):
        venue.core.pay_external(-1)
    assert venue.core.external_balance() == -MONEY_MAX


def test_balance_may_be_wider_than_an_event_acc_006(venue):
    for _ in range(5):
        venue.core.pay(ANN, MONEY_MAX)
    assert venue.balance("ann") == 5 * MONEY_MAX


# Positions.


def held(core, **terms):
    """ann owes 5 to bob, carried at 100; a tick on a lot is 8."""
    venue = Venue(core(), lot_scu=8, **terms)
    venue.sell("ann", 5, 100)
    venue.buy("bob", 5, 100)
    return venue


def test_lots_move_without_money_or_events_acc_008(core):
    venue = held(core)
    venue.mark(130)
    money = [venue.core.balance(account) for account in range(6)]
    assert venue.clear(lambda core: core.move_lots(1, BOB, CAT, 3)) == []
    assert [venue.position(name)[0] for name in ("ann", "bob", "cat")] == [-5, 2, 3]
    assert [venue.core.balance(account) for account in range(6)] == money
    venue.mark(131)  # From now on they are cat's.
    assert (venue.balance("bob"), venue.balance("cat")) == (8 * (30 * 5 + 2), 8 * 3)


def test_short_positions_move_the_other_way_acc_008(core):
    venue = held(core)
    venue.clear(lambda core: core.move_lots(1, DAN, ANN, 5))
    assert [venue.position(name)[0] for name in ("ann", "bob", "dan")] == [0, 5, -5]


def test_moved_lots_are_evaluated_acc_008(core):
    venue = held(core)
    venue.rates(7, 11)
    venue.clear(lambda core: core.move_lots(1, BOB, CAT, 3), lambda core: core.move_lots(1, DAN, ANN, 1))
    assert [venue.position(name)[3] for name in ("ann", "bob", "cat", "dan")] == [44, 14, 21, 11]
    assert [venue.core.requirement_sum(NUMBER[name]) for name in ("ann", "bob", "cat", "dan")] == [44, 14, 21, 11]


def test_receiver_gets_a_position_behind_those_there_are_acc_008(core):
    venue = held(core)
    venue.clear(lambda core: core.move_lots(1, BOB, CAT, 3))
    assert venue.core.holdings(1) == [(ANN, -5, 0), (BOB, 2, 0), (CAT, 3, 0)]


@pytest.mark.parametrize("arguments", [
    (3, BOB, CAT, 1), (0, BOB, CAT, 1), (1, 6, CAT, 1), (1, BOB, 6, 1), (1, BOB, BOB, 1), (1, BOB, CAT, 0),
    (1, BOB, CAT, -1), (1, BOB, CAT, POSITION_MAX + 1),
])  # fmt: skip
def test_move_that_makes_no_sense_changes_nothing_acc_008(core, arguments):
    venue = held(core)
    before = venue.core.dump()
    with pytest.raises(ValueError, match="must be"):
        venue.core.move_lots(*arguments)
    assert venue.core.dump() == before


def test_positions_are_rows_in_order_of_creation_acc_008(core):
    venue = held(core)
    venue.buy("dan", 2, 90, instrument=2)
    venue.sell("cat", 4, 110)
    venue.buy("cat", 1, 80)
    venue.sell("ann2", 9, 150)
    venue.cancel("ann2", venue.core.resting(1, 1)[-1][0])
    assert rows(venue.core) == [
        (ANN, 1, -5, 0, 0), (BOB, 1, 5, 0, 0), (DAN, 2, 0, 2, 0), (CAT, 1, 0, 1, 4),
    ]  # fmt: skip
    assert isinstance(venue.core.positions_bytes(), bytes)


def test_there_are_no_rows_at_first_acc_008(core):
    assert core().positions_bytes() == b""


# Hitting resting orders.


def test_resting_orders_of_either_side_best_first_acc_009(core):
    venue = Venue(core(), balancing_s=600)
    venue.buy("ann", 5, 90)
    venue.buy("bob", 6, 95, display=2)
    venue.buy("cat", 7, 95)
    venue.sell("dan", 8, 100)
    venue.certify("ann", 9)
    venue.sell("ann", 2, 101, flags=16)
    assert venue.core.resting(1, 0) == [
        (oid_of("o1"), 95, 6, BOB, False, False), (oid_of("o2"), 95, 7, CAT, False, False),
        (oid_of("o0"), 90, 5, ANN, False, False),
    ]  # fmt: skip
    assert venue.core.resting(1, 1) == [
        (oid_of("o3"), 100, 8, DAN, False, False), (oid_of("o4"), 101, 2, ANN, True, False),
    ]  # fmt: skip
    assert [one[:5] for one in venue.core.resting(1, 1)] == venue.core.sells(1)
    assert venue.core.resting(2, 0) == []


@pytest.mark.parametrize("arguments", [(3, 0), (0, 0), (1, 2), (1, -1)])
def test_resting_orders_of_what_is_not_there_acc_009(venue, arguments):
    with pytest.raises((ValueError, OverflowError)):
        venue.core.resting(*arguments)


def test_buying_of_a_resting_sell_acc_009(core):
    venue = held(core, maker_fee_ppm=10_000)
    venue.sell("cat", 4, 110)
    found = []
    assert venue.clear(lambda core: found.append(core.hit(oid_of("o1.2"), 3, DAN, 20_000))) == [
        "fill cat #1 o1.2 balance sell 3@110 cum=3 leaves=1 m2 fee=27",
        "fill dan taker balance buy 3@110 cum=3 m2 fee=53",
        "trade balance 3@110 m2",
    ]
    assert found == [3]
    assert (venue.balance("cat"), venue.balance("dan")) == (240 - 27, -240 - 53)
    assert venue.position("dan")[0] == 3


def test_selling_to_a_resting_buy_acc_009(core):
    venue = held(core, maker_fee_ppm=10_000)
    venue.buy("cat", 4, 90)
    events = venue.clear(lambda core: core.hit(oid_of("o1.2"), 9, BOB, 20_000))
    assert events == [
        "fill cat #1 o1.2 balance buy 4@90 cum=4 m2 fee=29",
        "fill bob taker balance sell 4@90 cum=4 m2 fee=58",
        "trade balance 4@90 m2",
    ]
    assert (venue.balance("cat"), venue.balance("bob")) == (320 - 29, -320 - 58)
    assert (venue.position("cat")[0], venue.position("bob")[0]) == (4, 1)
    assert venue.book() == ([], [])


def test_sides_of_a_hit_are_told_acc_009(core):
    venue = held(core)
    venue.buy("cat", 4, 90)
    venue.core.begin(venue.now_ns)
    venue.core.begin_rare()
    venue.core.hit(oid_of("o1.2"), 1, BOB, 0)
    venue.core.end_rare()
    flags = [venue.core.events_bytes()[at + 1] for at in (0, 64, 128)]
    assert flags == [64, 64 | 2 | 1, 64 | 1]


def test_hit_takes_what_is_shown_acc_009(core):
    venue = held(core)
    venue.buy("cat", 9, 90, display=2)
    found = []
    venue.clear(*[lambda core: found.append(core.hit(oid_of("o1.2"), 5, BOB, 0))] * 5)
    assert found == [2, 2, 2, 2, 1]
    assert venue.core.resting(1, 0) == []


def test_better_price_may_be_paid_acc_009(core):
    venue = held(core)
    venue.sell("cat", 4, 110)
    venue.buy("dan", 4, 90)
    venue.clear(lambda core: core.hit(oid_of("o1.2"), 1, BOB, 0, 125))
    venue.clear(lambda core: core.hit(oid_of("o0.2"), 1, BOB, 0, price=70))
    assert (venue.balance("cat"), venue.balance("dan"), venue.balance("bob")) == (200, 240, -440)
    assert venue.core.resting(1, 1)[0][1:3] == (110, 3)  # They rest at their own.


@pytest.mark.parametrize("arguments", [
    (oid_of("o1.2"), 1, DAN, 0, 109), (oid_of("o1.2"), 1, DAN, 0, PRICE_MAX_TICKS + 1),
    (oid_of("o0.2"), 1, DAN, 0, 91), (oid_of("o0.2"), 1, DAN, 0, -2), (oid_of("o1.2"), 0, DAN, 0),
    (oid_of("o1.2"), LOTS_MAX + 1, DAN, 0), (oid_of("o0.1"), 1, DAN, 0), (0, 1, DAN, 0), (oid_of("o1.2"), 1, 6, 0),
])  # fmt: skip
def test_hit_that_makes_no_sense_changes_nothing_acc_009(core, arguments):
    venue = held(core)
    venue.sell("cat", 4, 110)
    venue.buy("dan", 4, 90)
    before = venue.core.dump()
    with pytest.raises(ValueError, match="must be"):
        venue.core.hit(*arguments)
    assert venue.core.dump() == before


def test_value_of_a_hit_is_bounded_acc_009(core):
    venue = Venue(core(), lot_scu=1 << 20, tick_micros=1 << 12)
    venue.sell("cat", 1 << 20, 1)
    with pytest.raises(ValueError, match="value must be from"):
        venue.core.hit(oid_of("o0"), 1 << 20, DAN, 0, 1_025)
    found = []
    venue.clear(lambda core: found.append(core.hit(oid_of("o0"), 1 << 20, DAN, 0, 1_024)))
    assert found == [1 << 20]


def test_block_cannot_be_hit_acc_009(core):
    venue = market(core)
    venue.block("ann", 0, 5, 300)
    with pytest.raises(ValueError, match="oid must be"):
        venue.core.hit(oid_of("o0"), 1, DAN, 0)


def test_hit_at_the_mark_moves_lots_only_acc_009(core):
    venue = held(core)
    venue.sell("cat", 4, 110)
    money = [venue.core.balance(account) for account in range(6)]
    events = venue.clear(lambda core: core.hit(oid_of("o1.2"), 3, DAN, 0, -1, True))
    assert events == [
        "fill cat #1 o1.2 balance sell 3@110 cum=3 leaves=1 m2",
        "fill dan taker balance buy 3@110 cum=3 m2",
        "trade balance 3@110 m2",
    ]
    assert [venue.core.balance(account) for account in range(6)] == money
    assert (venue.position("cat")[0], venue.position("dan")[0], venue.core.mark(1)) == (-3, 3, 100)


def test_hit_at_the_mark_gives_no_mark_and_no_last_price_acc_009(core):
    venue = Venue(core(), band_dynamic_bps=1_000)
    venue.sell("cat", 4, 110)
    venue.sell("cat", 4, 500)
    venue.clear(lambda core: core.hit(oid_of("o0"), 4, DAN, 0, at_mark=True))
    assert venue.core.mark(1) is None
    assert venue.buy("dan", 4, 500)[1].startswith("fill")  # No price yet that a band could be around.


def test_other_hits_give_mark_and_last_price_acc_009(core):
    venue = Venue(core(), band_dynamic_bps=1_000)
    venue.sell("cat", 4, 110)
    venue.sell("cat", 4, 500)
    venue.clear(lambda core: core.hit(oid_of("o0"), 4, DAN, 0))
    assert venue.core.mark(1) == 110
    assert venue.buy("dan", 4, 500)[1] == "status VOLATILITY BAND next=S-3599879.999s"


def test_reduce_only_order_is_cut_before_it_is_hit_acc_009(core):
    venue = held(core)
    venue.sell("bob", 5, 120, flags=2)
    venue.clear(lambda core: core.move_lots(1, BOB, CAT, 3))
    found = []
    events = venue.clear(lambda core: found.append(core.hit(oid_of("o1.2"), 5, DAN, 0)))
    assert events[0] == "replaced bob #2 o1.2 sell 2@120 leaves=2"
    assert found == [2]
    venue.sell("cat", 3, 120, flags=2)
    venue.clear(lambda core: core.move_lots(1, CAT, BOB, 3))
    assert venue.clear(lambda core: found.append(core.hit(oid_of("o1.3"), 5, DAN, 0))) == [
        "done cat #1 o1.3 REDUCE_ONLY sell 3@120"
    ]
    assert found == [2, 0]


def test_protection_counts_hits_acc_009(venue):
    venue.do(commands.mmp_set(ANN, venue.ref("ann"), 1, fills=1, lots=0, window_ms=1_000))
    venue.quote("ann", (1, 90, 5, 110, 5, 1))
    events = venue.clear(lambda core: core.hit(oid_of("o0"), 1, DAN, 0))
    assert events[3:] == [
        "done ann lane=1 o0 quote MMP buy 4@90 cum=1", "done ann lane=1 o1 quote MMP sell 5@110",
        "notice ann lane=1 MMP_FIRED",
    ]  # fmt: skip


def test_take_buys_as_before_acc_009(core):
    venues = [held(core), held(core)]
    for venue in venues:
        venue.sell("cat", 4, 110)
    assert venues[0].clear(lambda core: core.take(oid_of("o1.2"), 3, DAN, 5)) == venues[1].clear(
        lambda core: core.hit(oid_of("o1.2"), 3, DAN, 5)
    )
    assert venues[0].core.dump() == venues[1].core.dump()


# Ending orders.


def busy(core):
    """ann has orders in two windows, a quote and two blocks; bob has an order."""
    venue = market(core)
    venue.sell("ann", 2, 500, instrument=at(1))
    venue.buy("ann", 3, 50)
    venue.block("ann", 0, 2, 300)
    venue.quote("ann", (1, 40, 5, 600, 5))
    venue.buy("bob", 3, 45)
    venue.block("ann", 0, 2, 400, hour=1, hours=2)
    venue.sell("ann", 1, 510, instrument=at(1))
    return venue


EVERY = [
    "done ann i3 #1 o0 LIQUIDATION sell 2@500",
    "done ann i3 #6 o7 LIQUIDATION sell 1@510",
    "done ann #2 o1 LIQUIDATION buy 3@50",
    "done ann o3 quote LIQUIDATION buy 5@40",
    "done ann o4 quote LIQUIDATION sell 5@600",
    "done ann #3 o2 block LIQUIDATION buy 2@300 f1 +3h",
    "done ann i3 #5 o6 block LIQUIDATION buy 2@400 f1 +2h",
]


def test_every_order_and_block_ends_in_the_order_of_a_mass_cancel_cxl_005(core):
    venue, other = busy(core), busy(core)
    found = []
    assert venue.clear(lambda core: found.append(core.end_orders(ANN, DoneReason.LIQUIDATION))) == EVERY
    assert found == [7]
    cancelled = other.mass_cancel("ann")[1:]
    assert [event.replace("USER", "LIQUIDATION") for event in cancelled] == EVERY
    assert venue.core.resting(1, 0)[0][3] == BOB
    assert venue.core.requirement_sum(ANN) == 0


@pytest.mark.parametrize(("handle", "ended"), [(1, [2, 3, 4, 5]), (3, [0, 1, 5, 6]), (5, [5, 6]), (2, []), (4, [])])
def test_orders_and_blocks_of_one_window_end_cxl_005(core, handle, ended):
    venue = busy(core)
    events = venue.clear(lambda core: core.end_orders(ANN, 14, handle))
    assert events == [EVERY[place].replace("LIQUIDATION", "DEFAULT") for place in ended]


@pytest.mark.parametrize("arguments", [(6, 13), (1, 15), (1, -1), (1, 13, 7)])
def test_ends_that_make_no_sense_change_nothing_cxl_005(core, arguments):
    venue = busy(core)
    before = venue.core.dump()
    with pytest.raises(ValueError, match="must be"):
        venue.core.end_orders(*arguments)
    assert venue.core.dump() == before


def test_an_account_s_orders_and_blocks_are_listed_acc_011(core):
    venue = busy(core)
    for account in range(len(venue.engine.catalogue.accounts) + 1):
        orders, blocks = venue.core.open_orders(account), venue.core.open_blocks(account)
        listed = [row[0] for row in orders]
        resting = {
            oid
            for handle in range(1, len(venue.engine.catalogue.instruments) + 1)
            for side in (0, 1)
            for oid, _, _, owner, _, _ in venue.core.resting(handle, side)
            if owner == account
        }
        assert set(listed) == resting
        assert len(listed) == len(resting)
        assert all(row[6] > 0 for row in orders)
        assert [row[0] for row in blocks] == sorted(row[0] for row in blocks)
    assert any(venue.core.open_orders(account) and venue.core.open_blocks(account) for account in (1, 2, 3))
    with pytest.raises(ValueError, match="account must be"):
        venue.core.open_orders(99)


def test_account_without_orders_has_none_to_end_cxl_005(venue):
    assert venue.core.end_orders(DAN, DoneReason.DEFAULT) == 0


# The end of a contract.


def test_paid_contract_has_no_mark_and_no_rates_acc_010(core):
    venue = held(core)
    venue.rates(7, 11)
    money = [venue.core.balance(account) for account in range(6)]
    assert venue.clear(lambda core: core.clear_mark(1)) == []
    assert venue.core.mark(1) is None
    assert [venue.position(name)[3] for name in ("ann", "bob")] == [0, 0]
    assert [venue.core.requirement_sum(account) for account in (ANN, BOB)] == [0, 0]
    assert [venue.core.balance(account) for account in range(6)] == money
    venue.mark(500)  # As the first mark of an instrument it pays nothing.
    assert [venue.core.balance(account) for account in range(6)] == money


def test_only_a_listed_contract_has_a_mark_to_clear_acc_010(venue):
    for handle in (0, 3):
        with pytest.raises(ValueError, match="must be"):
            venue.core.clear_mark(handle)


# All together.


@given(st.lists(st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(1, 50)), max_size=20))
def test_moves_keep_the_sum_of_positions_acc_008(moves):
    venue = Venue(ReferenceCore())
    lots = [0] * 6
    for giver, taker, count in moves:
        if giver != taker:
            venue.clear(lambda core, move=(giver, taker, count): core.move_lots(1, *move))
            lots[giver] -= count
            lots[taker] += count
    assert [venue.core.position(account, 1)[0] for account in range(6)] == lots
    venue.mark(3)
    venue.mark(5)  # Would raise if they did not sum to 0.
    assert sum(venue.core.balance(account) for account in range(6)) == 0


def test_gate_of_moved_lots_closes_acc_008(core):
    venue = held(core)
    venue.clear(lambda core: core.move_lots(1, BOB, ANN, 5))
    assert venue.do(commands.time(GATE_NS))[0] == "status GATED next=S+0s"
