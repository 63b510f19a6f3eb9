"""Lots that fail: verdict, substitutes by stage, and what the one who failed owes."""

import pytest
from house import DOLLARS, WINDOW, House

from exchange import commands
from exchange.clearing.words import Cause, Kind, Level
from exchange.records import EventType

DAILY = {"mark_interval_s": 86_400}
SELLERS = ("s1", "s2", "s3")
PEOPLE = ("prov", "ann", "bob", *SELLERS)
PLAIN = {"hand_over_s": 0, "surcharge_bps": 0}


def delivering(
    core, *, lots=10, others=0, price=1_000, wish=None, terms=None, before=None, money=100 * DOLLARS, **more
):
    """Prov delivers ``lots`` to ann in f1, and ``others`` to bob. s1 has 20 nodes there, s2 20 in f2, s3 20 of class B.

    Nodes 0 on are ann's. Where only a few of ann's lots fail, those of bob keep the provider from a default.
    """
    house = House(core(), people=PEOPLE, money=money, house=DAILY, terms={**PLAIN, **(terms or {})}, **more)
    house.certify("prov", 40 if others == 0 else lots + others)
    house.certify("s1", 20)
    house.certify("s2", 20, fabric="f2")
    house.certify("s3", 20, product="Q", fabric="g")
    house.at(-3_600)
    house.trade("prov", "ann", lots, price)
    if others:
        house.trade("prov", "bob", others, price)
    if wish:
        house.wish("ann", **wish)
    if before:
        before(house)
    house.at(-60)
    return house


def begin(house, *beats):
    """The window begins; nodes of prov are well at 60 s."""
    house.at(0)
    house.now_s = 60
    house.beat("prov", list(beats) or [(0, 40)])
    return house


def stages(house, events=None):
    return [(row[0], row[1], row[4], row[3]) for row in house.substitutes(events=events)]


# The verdict.


def test_only_the_lots_that_failed_are_split_off_and_paid_till_then_clr_fail_001(core):
    house = begin(delivering(core, others=30))
    house.standby("s1", 20, 1_100)
    house.meter("prov", (0, 40), 0, 1)
    house.now_s = 200
    house.beat("prov", [(3, 37)])
    before = house.money("prov"), house.money("ann")
    house.at(210)
    assert house.lot_states("ann") == [("FAILED", 0, 3, 60)]
    assert house.lot_states("prov") == [("FAILED", 0, 3, 60)]
    assert stages(house) == [("ann", "FABRIC", 3, 1_100)]
    assert [entry.micros for entry in house.entries(Cause.SETTLEMENT) if entry.owner == "prov"] == [50]
    assert (house.position("prov"), house.position("s1"), house.position("ann")) == (-37, -3, 10)
    premium = -(-3 * 1_100 * 3_390 // 3_600) - 3 * 1_000 * 3_390 // 3_600
    assert house.money("prov") - before[0] == 50 - premium
    assert house.money("ann") == before[1]
    assert house.total() == 0


def test_substitutes_begin_a_hand_over_after_the_verdict_at_a_whole_second_clr_fail_001(core):
    house = begin(delivering(core, terms={"hand_over_s": 100}))
    house.standby("s1", 20, 1_000)
    house.at(210)
    (duty,) = [one for one in house.state.deliveries[house.handle()].obligations if not one.closed]
    assert (duty.start_ns - house.state.deliveries[house.handle()].start_ns) // 10**9 == 310
    assert duty.value == 10 * 1_000 * 3_290 // 3_600 + 1  # Rounded up.


def test_suspects_are_told_and_come_back_clr_fail_001_clr_det_001(core):
    house = begin(delivering(core))
    house.at(90)
    assert house.lot_states("ann") == [("SUSPECT", 0, 10, 90)]
    house.now_s = 91
    house.beat("prov", [(0, 40)])
    house.at(92)
    assert house.lot_states("ann") == [("OK", 0, 10, 92)]
    assert house.cases() == []


def test_a_no_show_fails_after_its_time_clr_fail_001_clr_det_002(core):
    house = delivering(core)
    house.at(0)
    house.at(299)
    assert house.cases() == []
    house.at(300)
    assert house.cases()[0] == (1, "UNIT", "prov")
    assert house.lot_states("prov") == [("FAILED", 0, 10, 0)]


def test_low_readings_fail_a_lot_clr_fail_001_clr_det_003(core):
    house = begin(delivering(core))
    for interval in (0, 1, 2):
        house.now_s = 60 * (interval + 1)
        house.beat("prov", [(0, 40)])
        house.meter("prov", (2, 1), interval, 1, 899_999)
        house.at(house.now_s)
        assert house.cases() == ([] if interval < 2 else [(1, "UNIT", "prov"), (1, "closed", "prov")])
    assert house.lot_states("ann") == [("FAILED", 2, 1, 180)]


def test_the_premium_and_a_tenth_are_the_defaulter_s_clr_fail_002(core):
    house = begin(delivering(core, terms={"surcharge_bps": 1_000}))
    house.standby("s1", 20, 1_200)
    house.at(210)
    value, share = -(-10 * 1_200 * 3_390 // 3_600), 10 * 1_000 * 3_390 // 3_600
    premium = value - share
    assert house.layers() == [("L2", "C2", "prov", premium + -(-premium // 10))]
    assert house.purse(Kind.STANDBY) == -(-premium // 10)
    assert house.purse(Kind.ESTATE, 1) == premium


def test_failing_never_pays_clr_fail_002(core):
    """Who fails to sell the same hours dearer elsewhere owes more than he can gain, up to the cap."""
    for price in (1_000, 1_200, 1_499, 1_500):
        house = begin(delivering(core, terms={"surcharge_bps": 1_000}))
        house.standby("s1", 20, price)
        house.at(210)
        charged = sum(micros for *_, micros in house.layers())
        assert charged >= 10 * (price - 1_000) * 3_390 // 3_600
        assert stages(house) == [("ann", "FABRIC", 10, price)]


def test_a_cheaper_substitute_makes_the_buyer_s_hours_cheaper_clr_real_008(core):
    house = begin(delivering(core))
    house.standby("s1", 20, 900)
    house.at(210)
    cost = -(-10 * 900 * 3_390 // 3_600)
    assert house.substitutes()[0][6] == cost
    assert house.layers() == []


def test_cover_pays_lost_work_of_what_failed_clr_fail_003(core):
    house = begin(delivering(core, wish={"cover": True, "checkpoint_s": 1_200, "restart_s": 300}))
    house.now_s = 60
    house.do("checkpoint", account="ann", product="P", fabric="f1", start=WINDOW)
    house.now_s = 360
    house.beat("prov", [(0, 40)])
    house.at(560)
    # 300 s since the note, 300 s of restart, 120 s of deductible.
    paid = [entry.micros for entry in house.entries(Cause.COMPENSATION) if entry.owner == "ann"]
    assert paid == [10 * 1_000 * 180 // 3_600, 10 * 1_000 * 480 // 3_600 - 10 * 1_000 * 180 // 3_600]


def test_cover_of_a_gang_pays_for_all_of_it_and_for_waiting_clr_fail_003(core):
    house = begin(
        delivering(core, wish={"gang": True, "cover": True, "checkpoint_s": 0, "restart_s": 300},
                   terms={"hand_over_s": 90}, others=30)
    )  # fmt: skip
    house.standby("s1", 20, 1_000)
    house.now_s = 200
    house.beat("prov", [(4, 36)])
    house.at(210)
    assert stages(house) == [("ann", "FABRIC", 4, 1_000)]
    paid = [entry.micros for entry in house.entries(Cause.COMPENSATION) if entry.owner == "ann"]
    # Ten lots restart; six wait from 60 s to 300 s.
    assert sum(paid) == 10 * 1_000 * 180 // 3_600 + 6 * 1_000 * 240 // 3_600


def test_compensation_is_capped_clr_fail_003(core):
    house = begin(
        delivering(core, wish={"cover": True, "checkpoint_s": 86_400, "restart_s": 86_400},
                   terms={"cover_cap_bps": 5_000})
    )  # fmt: skip
    house.at(210)
    assert sum(entry.micros for entry in house.entries(Cause.COMPENSATION) if entry.owner == "ann") == 5_000


# Stages.


def test_the_stages_come_in_order_and_the_cheapest_first_clr_real_001(core):
    house = begin(delivering(core, lots=20, wish={"other_fabric": True, "other_class": True}))
    house.standby("s3", 20, 1_100, product="Q", fabric="g")
    house.standby("s2", 4, 1_050, fabric="f2")
    house.standby("s1", 3, 1_300)
    house.standby("s1", 2, 1_200)
    house.at(210)
    assert stages(house) == [
        ("ann", "FABRIC", 2, 1_200), ("ann", "FABRIC", 3, 1_300), ("ann", "CLASS", 4, 1_050),
        ("ann", "EQUIVALENT", 9, 1_100),
    ]  # fmt: skip


def test_a_buyer_who_allows_nothing_gets_his_own_fabric_or_cash_clr_real_001(core):
    house = begin(delivering(core))
    house.standby("s2", 20, 1_000, fabric="f2")
    house.standby("s3", 20, 1_000, product="Q", fabric="g")
    house.standby("s1", 4, 1_000)
    house.at(210)
    assert stages(house) == [("ann", "FABRIC", 4, 1_000), ("ann", "CASH", 6, 0)]
    before = house.money("ann")
    house.now_s = 3_590
    house.beat("s1", [(0, 4)])
    house.meter("s1", (0, 4), 4, 56)
    house.at(3_900)
    # Nothing was metered of prov; the substitutes' hours are all she pays.
    assert house.money("ann") - before == 10_000 - 4 * 1_000 * 3_390 // 3_600 * 3_360 // 3_390
    assert house.total() == 0


@pytest.mark.parametrize(
    ("price", "terms", "taken"),
    [(1_500, {}, True), (1_501, {}, False), (1_501, {"cap_bps": 20_000}, True)],
)
def test_nothing_above_the_cap_is_bought_clr_real_002(core, price, terms, taken):
    house = begin(delivering(core, terms=terms))
    house.standby("s1", 20, price)
    house.at(210)
    assert stages(house) == ([("ann", "FABRIC", 10, price)] if taken else [("ann", "CASH", 10, 0)])


def test_the_class_may_have_a_cap_of_its_own_clr_real_002(core):
    house = delivering(core)
    house.do("set_class", cls="A", price_cap_micros=1_200)
    begin(house)
    house.standby("s1", 20, 1_201)
    house.at(210)
    assert stages(house) == [("ann", "CASH", 10, 0)]


def test_the_defaulter_his_like_and_the_buyer_are_passed_over_clr_real_002(core):
    def more(house):
        house.send(commands.add_account("twin", group="prov", margined=True))
        house.send(commands.deposit(house.number("twin"), 100 * DOLLARS))
        for name in ("twin", "ann", "s3", "bob"):
            house.certify(name, 10)

    house = begin(delivering(core, before=more))
    for name in ("prov", "s3"):
        house.do("set_provider", account=name, domain="hall-7")
    for name, price in (("twin", 900), ("ann", 910), ("s3", 920), ("prov", 930), ("bob", 990)):
        house.standby(name, 10, price)
    house.at(210)
    assert stages(house) == [("ann", "FABRIC", 10, 990)]
    assert house.position("bob") == -10


def test_the_provider_cures_with_spare_nodes_at_no_cost_clr_real_003(core):
    def more(house):
        house.trade("prov", "bob", 25, 1_000)

    house = begin(delivering(core, before=more))
    house.standby("s1", 20, 900)
    house.now_s = 200
    house.beat("prov", [(3, 37)])
    house.at(210)
    assert stages(house) == [("ann", "CURE", 3, 1_000)]
    assert house.layers() == []
    assert (house.position("prov"), house.position("ann")) == (-35, 10)
    (cured,) = [one for one in house.state.deliveries[house.handle()].obligations if one.nodes == [(35, 3)]]
    assert (cured.provider, cured.value) == (house.number("prov"), 3 * 1_000 * 3_390 // 3_600)


def test_spare_nodes_that_are_silent_cure_nothing_clr_real_003(core):
    house = begin(delivering(core), (0, 10))
    house.standby("s1", 20, 1_000)
    house.at(210)
    assert stages(house) == [("ann", "FABRIC", 10, 1_000)]


def test_an_equivalent_class_counts_by_its_work_clr_real_004(core):
    house = begin(delivering(core, lots=7, wish={"other_class": True}))
    house.standby("s3", 20, 1_800, product="Q", fabric="g")  # 1,440 for the work of one hour.
    house.at(210)
    (row,) = house.substitutes()
    assert row[1:6] == ("EQUIVALENT", house.handle("Q", "g"), 1_800, 6, 7)
    assert row[6] == 7 * 1_000 * 3_390 // 3_600
    assert (house.position("ann"), house.position("ann", product="Q", fabric="g")) == (0, 6)
    house = begin(delivering(core, lots=7, wish={"other_class": True}))
    house.standby("s3", 20, 1_876, product="Q", fabric="g")  # 1,501.
    house.at(210)
    assert stages(house) == [("ann", "CASH", 7, 0)]


# Gangs.


def partly(core, *, s1=0, s2=20, price=1_050, wish=None, **more):
    """Six of ten lots of a gang fail."""
    wish = {"gang": True, "other_fabric": True, **(wish or {})}
    house = begin(delivering(core, wish=wish, others=30, **more))
    if s1:
        house.standby("s1", s1, 1_400)
    if s2:
        house.standby("s2", s2, price, fabric="f2")
    house.meter("prov", (0, 40), 0, 2)
    house.now_s = 200
    house.beat("prov", [(6, 34)])
    house.at(210)
    return house


def test_a_gang_is_patched_in_its_fabric_first_clr_real_005(core):
    house = partly(core, s1=6)
    assert stages(house) == [("ann", "FABRIC", 6, 1_400)]
    assert house.position("ann", fabric="f2") == 0


def test_a_gang_that_cannot_be_patched_moves_whole_clr_real_005(core):
    house = partly(core, s1=5)
    assert stages(house) == [("ann", "CLASS", 10, 1_050)]
    assert (house.position("ann"), house.position("ann", fabric="f2")) == (0, 10)
    # The four that are well go on, for nobody, from 210 s on at the defaulter's cost.
    stranded = 4_000 - 4_000 * 210 // 3_600
    premium = -(-10 * 1_050 * 3_390 // 3_600) - 10 * 1_000 * 3_390 // 3_600
    assert house.layers() == [("L2", "C2", "prov", stranded + premium)]
    assert house.purse(Kind.ESTATE, 1) == stranded + premium
    house.now_s = 3_590
    house.beat("prov", [(6, 34)])
    house.beat("s2", [(0, 10)], fabric="f2")
    house.meter("prov", (6, 34), 2, 58)
    house.meter("s2", (0, 10), 4, 56, fabric="f2")
    house.at(3_900)
    assert house.total() == 0
    assert house.purse(Kind.ESCROW, house.handle()) == 0


def test_a_gang_stays_with_cash_where_moving_costs_too_much_clr_real_005(core):
    house = partly(core, price=1_490)
    assert stages(house) == [("ann", "CASH", 6, 0)]
    assert house.position("ann") == 4


def test_a_gang_is_never_split_clr_real_005(core):
    house = begin(delivering(core, wish={"gang": True, "other_fabric": True}))
    house.standby("s1", 9, 1_000)
    house.standby("s2", 9, 1_000, fabric="f2")
    house.at(210)
    assert stages(house) == [("ann", "CASH", 10, 0)]


# The call, the budget, those who fail in turn, later.


def test_a_large_failure_calls_for_more_at_one_price_clr_real_006(core):
    house = begin(delivering(core, lots=30, terms={"call_lots": 10}))
    house.standby("s1", 5, 1_100)
    house.at(210)
    assert stages(house) == [("ann", "FABRIC", 5, 1_100)]
    house.now_s = 220
    house.standby("s1", 6, 1_150)
    house.standby("s1", 9, 1_300)
    house.at(269)
    assert house.substitutes() == []
    house.at(270)
    assert stages(house) == [("ann", "CALL", 6, 1_300), ("ann", "CALL", 9, 1_300), ("ann", "CASH", 10, 0)]
    fills = [int(event["price"]) for event in house.last if event["type"] == EventType.FILL]
    assert fills == [1_300] * 4
    assert house.total() == 0


def test_no_more_is_bought_than_can_be_paid_clr_real_007(core):
    house = delivering(core, terms={"surcharge_bps": 1_000})
    house.standby("s1", 5, 1_100)
    house.standby("s1", 5, 1_400)
    left = house.money("prov")
    house.core.pay(house.number("prov"), 700 - left)
    house.core.pay_external(left - 700)
    begin(house)
    house.at(210)
    # The first five cost 471 and a tenth; with the others it would be 2,354 and a tenth.
    assert stages(house) == [("ann", "FABRIC", 5, 1_100), ("ann", "CASH", 5, 0)]
    assert house.money("prov") >= 0
    assert house.total() == 0


def test_a_substitute_that_fails_in_turn_is_a_case_of_its_own_clr_real_008(core):
    house = begin(delivering(core))
    house.standby("s1", 10, 1_300)
    house.at(210)
    aside = house.purse(Kind.ESTATE, 1)
    assert aside > 0
    events = house.at(510)  # s1 has not been heard of 300 s after his beginning.
    assert [row[1:] for row in house.cases(events=events)][:1] == [("UNIT", "s1")]
    assert stages(house, events) == [("ann", "CASH", 10, 0)]
    assert house.position("s1") == house.position("ann") == 0
    events = house.at(3_900)
    assert house.total() == 0
    assert all(house.purse(Kind.ESTATE, number) == 0 for number in range(1, 5))


def test_what_was_put_aside_pays_for_the_next_substitute_clr_real_008(core):
    def more(house):
        house.certify("bob", 10)

    house = begin(delivering(core, before=more))
    house.standby("s1", 10, 1_300)
    house.at(210)
    house.standby("bob", 10, 1_300)
    events = house.at(510)
    assert stages(house, events) == [("ann", "FABRIC", 10, 1_300)]
    # The second premium is for fewer seconds than what was put aside at the same price: nothing more is claimed.
    assert house.layers(events) == []
    assert house.money("bob") == 100 * DOLLARS
    house.now_s = 3_590
    house.beat("bob", [(0, 10)])
    house.meter("bob", (0, 10), 9, 51)
    house.at(3_900)
    assert house.money("bob") > 100 * DOLLARS
    assert house.total() == 0


def later(core, *, price=1_100, mark=1_000, hours=2, lots=10, offered=20):
    """The window after next is offered by s1; ann can wait two hours."""

    def before(house):
        house.send(commands.set_mark("P", WINDOW + 2, px=mark, fabric="f1"))
        house.certify("s1", 20, window=WINDOW + 2)
        house.offer("s1", offered, price, window=WINDOW + 2)

    return begin(delivering(core, lots=lots, wish={"shift_hours": hours}, before=before, listed=3))


def test_work_that_can_wait_is_done_later_clr_real_009(core):
    house = later(core)
    before = house.money("ann"), house.money("prov"), house.money("s1")
    house.at(210)
    # 3,540 of 3,600 seconds were lost: nine whole lots.
    (row,) = house.substitutes()
    assert row[1:6] == ("LATER", house.handle(window=WINDOW + 2), 1_100, 9, 9)
    assert house.position("ann", window=WINDOW + 2) == 9 == -house.position("s1", window=WINDOW + 2)
    # At 1,100 with a mark of 1,000: s1 has his 100 a lot, prov has paid them, ann pays 1,000 when it begins.
    assert house.money("s1") - before[2] == 900
    assert house.money("prov") - before[1] == -900
    assert house.money("ann") == before[0]
    assert house.total() == 0


@pytest.mark.parametrize(("mark", "price"), [(1_300, 1_350), (800, 1_100), (800, 900)])
def test_the_buyer_s_price_stays_what_it_was_at_most_clr_real_009(core, mark, price):
    house = later(core, mark=mark, price=price)
    before = house.money("ann"), house.money("prov")
    house.at(210)
    # What he pays then is the mark; what he is given or pays now makes it his own price, or the cheaper offer's.
    assert house.money("ann") - before[0] == 9 * (mark - min(1_000, price))
    assert house.money("prov") - before[1] == -9 * max(0, price - 1_000)
    assert house.total() == 0


def test_what_cannot_be_done_later_is_refunded_clr_real_009(core):
    house = later(core, offered=4)
    house.at(210)
    # Nine whole lots were lost and four are made up for: five ninths of ten lots, rounded up, end in cash.
    assert stages(house) == [("ann", "LATER", 4, 1_100), ("ann", "CASH", 6, 0)]
    assert house.position("ann", window=WINDOW + 2) == 4
    assert house.total() == 0


def test_one_who_cannot_wait_so_long_gets_cash_clr_real_009(core):
    house = later(core, hours=1)
    house.at(210)
    assert stages(house) == [("ann", "CASH", 10, 0)]


def test_too_many_failures_make_the_provider_default_clr_det_006(core):
    house = begin(delivering(core))
    house.now_s = 200
    house.beat("prov", [(3, 37)])
    house.at(210)
    assert house.level("prov") is Level.DEFAULTED
    assert [row for row in house.cases() if row[1] == "PROVIDER"] == [(2, "PROVIDER", "prov")]
