"""What a failed participant leaves, and how it is covered, sold, auctioned."""

import pytest
from house import DOLLARS, NS_PER_SECOND, START_NS, WINDOW, House

from exchange import commands
from exchange.clearing.ledger import Purse
from exchange.clearing.words import CaseKind, Cause, Kind, Level
from exchange.reasons import DoneReason
from exchange.records import EventFlag, EventType, Phase

DAILY = {"mark_interval_s": 86_400}
PEOPLE = ("prov", "ann", "bob", "s1", "s2", "mm")


def venue(core, *, people=PEOPLE, money=100 * DOLLARS, house=DAILY, terms=None, listed=3, **more):
    """Windows 1000 to 1002; prov has sold 10 lots of each to ann. The mark is 1,000 everywhere."""
    found = House(
        core(), people=people, money=money, house=dict(house), listed=listed,
        terms={"surcharge_bps": 0, **(terms or {})}, **more,
    )  # fmt: skip
    found.certify("prov", 10, count=listed)
    found.certify("s1", 20, count=listed)
    found.certify("s2", 20, count=listed)
    found.send(commands.set_mark("P", WINDOW, px=1_000, fabric="f1", count=listed))
    found.run()
    for hour in range(listed):
        found.trade("prov", "ann", 10, 1_000, window=WINDOW + hour)
    return found


def estate(house, **where):
    """Lots the house holds of a window."""
    return house.core.position(house.state.account, house.handle(**where))[0]


# Taking over.


def test_a_default_ends_orders_and_takes_positions_over_clr_est_001(core):
    house = venue(core)
    house.buy("prov", 5, 900)
    house.place("prov", 0, 1, 950, window=WINDOW + 1)
    before = house.money("prov"), house.money("ann")
    assert house.do("declare_default", account="prov") is None
    ended = [DoneReason(event["reason"]) for event in house.last if event["type"] == EventType.DONE]
    assert ended == [DoneReason.DEFAULT] * 2
    assert house.cases() == [(1, "DECLARED", "prov")]
    for hour in range(3):
        assert (house.position("prov", window=WINDOW + hour), estate(house, window=WINDOW + hour)) == (0, -10)
        assert house.position("ann", window=WINDOW + hour) == 10
    assert (house.money("prov"), house.money("ann")) == before
    assert house.level("prov") is Level.DEFAULTED
    assert house.answer(house.buy("prov", 1, 900)) == "MARGIN"
    assert house.answer(house.send(commands.withdraw(house.number("prov"), 1))) == "BALANCE"
    assert house.total() == 0


def test_debt_is_claimed_as_variation_clr_est_001(core):
    house = venue(core)
    house.do("fund", kind="sitg", micros=50)
    left = house.money("prov")
    house.core.pay(house.number("prov"), -left - 70)
    house.core.pay_external(left + 70)
    house.do("declare_default", account="prov")
    assert house.layers() == [("L4", "C1", 0, 50)]
    assert house.money("prov") == -20  # Nobody is left to pay it.
    assert house.total() == 0


def test_what_it_delivers_fails_at_its_last_heartbeat_clr_est_002(core):
    house = venue(core)
    house.at(-60)
    house.standby("s1", 20, 1_100)
    house.at(0)
    house.now_s = 77
    house.beat("prov", [(0, 10)])
    house.now_s = 80
    house.do("declare_default", account="prov")
    assert house.lot_states("ann") == [("FAILED", 0, 10, 77)]
    assert [row[:2] for row in house.substitutes()] == [("ann", "FABRIC")]
    assert house.position("s1") == -10
    assert estate(house, window=WINDOW + 1) == -10


def test_a_default_between_gate_and_start_fails_from_the_start_clr_est_002(core):
    house = venue(core)
    house.at(-60)
    house.standby("s1", 20, 1_100)
    house.do("declare_default", account="prov")
    (row,) = house.substitutes()
    assert row[:6] == ("ann", "FABRIC", house.handle(), 1_100, 10, 10)
    house.at(0)
    assert house.purse(Kind.ESCROW, house.handle()) == 10 * 1_000 * 3_360 // 3_600  # For what will be delivered.
    (duty,) = [one for one in house.state.deliveries[house.handle()].obligations if not one.closed]
    # A hand-over after the verdict, which is after the start.
    assert (duty.start_ns - START_NS) // NS_PER_SECOND == 240
    assert duty.value == 10 * 1_100 * 3_360 // 3_600 + 1
    house.now_s = 3_590
    house.beat("s1", [(0, 10)])
    house.meter("s1", (0, 10), 4, 56)
    house.at(3_900)
    assert house.purse(Kind.ESCROW, house.handle()) == 0
    assert house.total() == 0


# Covering at once.


def test_an_estate_is_covered_from_physical_sells_the_nearest_first_clr_est_003(core):
    house = venue(core, terms={"surcharge_bps": 1_000})
    house.offer("s1", 4, 1_100, window=WINDOW)
    house.offer("s2", 20, 1_200, window=WINDOW)
    house.offer("s1", 3, 1_500, window=WINDOW + 1)
    house.offer("s2", 3, 1_501, window=WINDOW + 1)
    house.sell("bob", 9, 1_010, window=WINDOW + 2)  # No capacity behind it.
    before = house.money("s1"), house.money("s2")
    house.do("declare_default", account="prov")
    assert [estate(house, window=WINDOW + hour) for hour in range(3)] == [0, -7, -10]
    premium = 4 * 100 + 6 * 200 + 3 * 500
    assert (house.money("s1") - before[0], house.money("s2") - before[1]) == (400 + 1_500, 1_200)
    assert sum(micros for *_, micros in house.layers()) == premium + premium // 10
    assert house.purse(Kind.STANDBY) == premium // 10
    assert house.core.balance(house.state.account) == 0
    assert house.total() == 0


def test_the_rest_is_tried_again_and_bought_in_at_the_gate_clr_est_003(core):
    house = venue(core)
    house.do("declare_default", account="prov")
    house.offer("s1", 4, 1_100)
    house.now_s += 1
    house.run()
    assert estate(house) == -6
    house.offer("s1", 3, 1_490)
    house.at(-1_000, run=False)
    house.at(-899, run=False)
    assert estate(house) == -3
    assert [case.positions[house.handle()] for case in house.state.cases.values()] == [-3]
    assert house.core.balance(house.state.account) == 0
    house.standby("s2", 20, 1_300)
    house.at(0)
    # What is still short fails as the house's, and finds its substitutes behind the gate.
    assert [row[:2] + row[4:6] for row in house.substitutes()] == [("ann", "FABRIC", 3, 3)]
    assert house.total() == 0


def test_no_more_is_covered_than_can_be_paid_clr_est_003(core):
    house = venue(core)
    left = house.money("prov")
    house.core.pay(house.number("prov"), 350 - left)
    house.core.pay_external(left - 350)
    house.offer("s1", 10, 1_100)
    house.do("declare_default", account="prov")
    assert estate(house) == -7
    assert house.money("prov") == 50
    assert house.total() == 0


# Marks.


def test_a_loss_of_an_estate_is_claimed_and_a_gain_is_the_defaulter_s_clr_est_004(core):
    house = venue(core, house={"mark_interval_s": 1})
    house.do("declare_default", account="prov")
    before = house.money("prov")
    quote(house, 1_100)
    assert house.layers() == [("L2", "C1", "prov", 1_000)]
    assert house.money("prov") == before - 1_000
    quote(house, 1_050)
    assert house.money("prov") == before - 500
    assert house.core.balance(house.state.account) == 0
    assert house.total() == 0


def quote(house, price, *, window=WINDOW):
    """The maker quotes around a price in one window; a run follows."""
    house.refs["mm"] = house.refs.get("mm", 0) + 1
    house.send(commands.mass_cancel(house.number("mm"), house.refs["mm"]))
    for hour in range(3):
        house.buy("mm", 1, (price if WINDOW + hour == window else 1_000) - 1, window=WINDOW + hour)
        house.sell("mm", 1, (price if WINDOW + hour == window else 1_000) + 1, window=WINDOW + hour)
    house.now_s += 1
    house.last = list(house.run())
    return house.last


def test_what_no_layer_can_pay_is_cut_from_the_gains_clr_est_004(core):
    house = venue(core, house={"mark_interval_s": 1})
    left = house.money("prov")
    house.core.pay(house.number("prov"), 300 - left)
    house.core.pay_external(left - 300)
    house.do("declare_default", account="prov")
    before = house.money("ann")
    quote(house, 1_100)
    # 1,000 were gained; 300 could be had.
    assert house.money("ann") - before == 300
    assert house.money("prov") == 0
    assert house.core.balance(house.state.account) == 0
    assert house.total() == 0


# Disposal and auction.


def trader(core, *, lots=100, **more):
    """Bob, a trader without capacity, is long in 1000 and short in 1001."""
    house = venue(core, house={**DAILY, "disposal_s": 100, "auction_s": 50}, **more)
    house.sell("s1", lots, 1_000)
    house.buy("bob", lots, 1_000)
    house.buy("s1", lots, 1_000, window=WINDOW + 1)
    house.sell("bob", lots, 1_000, window=WINDOW + 1)
    return house


def margin_default(house, account="bob"):
    """As a missed margin call does it."""
    house.core.begin_rare()
    house.engine.house.estates.default(house.number(account), CaseKind.MARGIN)
    house.core.end_rare()


def test_a_trader_s_estate_is_sold_by_slices_within_the_band_clr_est_005(core):
    house = trader(core)
    margin_default(house)
    assert (estate(house), estate(house, window=WINDOW + 1)) == (100, -100)
    house.buy("mm", 500, 960)
    house.sell("mm", 500, 1_060, window=WINDOW + 1)
    before = house.money("bob")
    house.run()
    assert (estate(house), estate(house, window=WINDOW + 1)) == (75, -100)  # 1,060 is 6 % above the mark.
    assert house.money("bob") - before == -25 * 40
    house.run()
    assert estate(house) == 56
    assert house.total() == 0


def test_long_lots_near_delivery_go_at_any_price_clr_est_005(core):
    house = trader(core, lots=16)
    margin_default(house)
    house.buy("mm", 500, 0)
    house.run()
    assert estate(house) == 16
    house.at(-71 * 3_600)
    assert estate(house) == 0  # Up to full_lots at once.
    assert house.total() == 0


def only(house, name, micros):
    """Leave an account just so much."""
    left = house.money(name)
    house.core.pay(house.number(name), micros - left)
    house.core.pay_external(left - micros)


def test_no_more_is_disposed_of_than_the_loss_can_be_paid_clr_est_005(core):
    house = trader(core)
    margin_default(house)
    only(house, "bob", 100)
    house.buy("mm", 500, 960)
    house.run()
    assert (estate(house), house.money("bob")) == (98, 20)  # 40 a lot.
    house.run()
    assert (estate(house), house.money("bob")) == (98, 20)
    house.buy("s2", 500, 1_000)
    house.run()
    assert (estate(house), house.money("bob")) == (73, 20)  # At the mark it costs nothing.
    assert house.core.balance(house.state.account) == 0
    assert house.total() == 0


def test_the_house_pays_no_fee_when_it_disposes_clr_est_005(core):
    house = trader(core, product={"taker_fee_ppm": 10_000})
    margin_default(house)
    house.buy("mm", 500, 1_000)
    before, fees = house.money("bob"), house.core.balance(0)
    house.run()
    assert (estate(house), house.money("bob"), house.core.balance(0)) == (75, before, fees)


def at_auction(core):
    house = trader(core)
    for name, micros in (("mm", 500), ("s1", 400), ("s2", 300)):
        house.do("transfer", account=name, source="coll", target="fund", micros=micros)
    margin_default(house)
    house.now_s += 100
    events = house.run()
    return house, events


def test_what_is_left_is_auctioned_clr_auc_007(core):
    house, events = at_auction(core)
    told = [event for event in events if event["type"] == EventType.AUCTION]
    assert [
        (int(e["price"]), int(e["instrument"]), int(e["lots"]), int(e["cum"]), int(e["flags"] & EventFlag.SELL))
        for e in told
    ] == [(0, house.handle(), 100, 1, 0), (1, house.handle(window=WINDOW + 1), 100, 1, 1)]
    until = house.engine.now_ns + 50 * NS_PER_SECOND
    assert {int(event["amount"]) for event in told} == {until}
    bid = {"account": "mm", "case": 1, "item": 0, "lots": 60, "micros": 970}
    assert house.do("bid", **bid) is None
    assert house.do("bid", **(bid | {"account": "s2", "lots": 100, "micros": 960})) is None
    assert house.do("bid", **(bid | {"item": 1, "lots": 100, "micros": 1_080})) is None
    assert house.do("bid", **(bid | {"item": 2})) == "MALFORMED"
    assert house.do("bid", **(bid | {"account": "bob"})) == "DEFAULTED"
    assert house.do("bid", **(bid | {"case": 2})) == "NO_AUCTION"
    before = {name: house.money(name) for name in ("mm", "s2", "bob")}
    house.now_s += 50
    house.last = list(house.run())
    assert (house.position("mm"), house.position("s2"), house.position("mm", window=WINDOW + 1)) == (60, 40, -100)
    # Lots went over at the mark of 1,000, so that the price settles the difference.
    assert house.money("mm") - before["mm"] == 60 * 30 + 100 * 80
    assert house.money("s2") - before["s2"] == 40 * 40
    assert house.money("bob") - before["bob"] == -(60 * 30 + 100 * 80 + 40 * 40)
    assert house.cases()[-1] == (1, "closed", "bob")
    assert house.do("bid", **bid) == "NO_AUCTION"
    assert house.core.balance(house.state.account) == 0
    assert house.total() == 0


def test_who_did_not_bid_pays_first_clr_auc_007_clr_auc_006(core):
    house, _ = at_auction(core)
    left = house.money("bob")
    house.core.pay(house.number("bob"), -left)
    house.core.pay_external(left)
    house.do("bid", account="mm", case=1, item=1, lots=100, micros=1_006)
    house.do("bid", account="s2", case=1, item=1, lots=1, micros=5_000)
    house.now_s += 50
    house.last = list(house.run())
    # 600 are lacking: the 400 of s1, who did not bid, before the shares of the others.
    assert house.layers()[0] == ("L6", "C1", "s1", 400)
    assert sum(micros for *_, micros in house.layers()) == 600
    assert house.total() == 0


# Giving back.


@pytest.mark.parametrize(("hours", "quarters"), [(25, 1), (23, 4)])
def test_lots_given_back_in_time_count_a_quarter_clr_est_006(core, hours, quarters):
    house = venue(core)
    house.at(-hours * 3_600)
    house.offer("s1", 4, 1_200)
    where = {"account": "prov", "product": "P", "fabric": "f1", "start": WINDOW, "first": 0}
    before = house.money("prov")
    assert house.do("report_failure", **where, count=4) is None
    assert house.cases() == [(1, "UNIT", "prov")]
    assert (house.position("prov"), estate(house), house.position("s1")) == (-6, 0, -4)
    assert house.money("prov") - before == -4 * 200
    assert house.state.member(house.number("prov")).record == {(1, 0): [(WINDOW, 4, 4 * quarters)]}
    assert house.level("prov") is not Level.DEFAULTED
    assert house.do("report_failure", **where, count=0) == "MALFORMED"
    assert house.do("report_failure", **(where | {"account": "mm"}), count=1) == "NO_DELIVERY"
    house.run()
    assert house.state.cases == {}
    assert house.total() == 0


def test_a_case_ends_when_nothing_is_left_of_it_clr_case_001(core):
    house = venue(core)
    house.do("declare_default", account="prov")
    house.run()
    assert list(house.state.cases) == [1]
    for hour in range(3):
        house.offer("s1", 10, 1_000, window=WINDOW + hour)
    house.run()
    assert house.cases(house.run()) == []
    assert house.state.cases == {}
    assert house.core.phase(house.handle()) == Phase.CONTINUOUS
    assert [entry for entry in house.entries() if entry.cause is Cause.RELEASE] == []


def test_an_award_goes_as_far_as_it_can_be_paid_clr_auc_007(core):
    house, _ = at_auction(core)
    left = house.money("bob")
    house.core.pay(house.number("bob"), 150 - left)
    house.core.pay_external(left - 150)
    for name in ("mm", "s1", "s2"):
        house.state.ledger.post(
            Cause.TRANSFER, Purse(Kind.FUND, house.number(name)), Purse(Kind.COLLATERAL, house.number(name)),
            house.money(name, Kind.FUND),
        )  # fmt: skip
    house.do("bid", account="mm", case=1, item=0, lots=100, micros=960)
    before = house.money("mm")
    house.now_s += 50
    house.last = list(house.run())
    assert (house.position("mm"), estate(house)) == (3, 97)  # 40 a lot, and 150 to be had.
    assert house.money("mm") - before == 3 * 40
    assert house.total() == 0


def test_an_award_goes_as_far_as_the_bidder_can_carry_it_clr_auc_007(core):
    house, _ = at_auction(core)
    carried = house.state.rates[house.handle()][0]
    assert carried > 0
    only(house, "mm", house.core.requirement_sum(house.number("mm")) + 7 * carried + carried // 2)
    house.do("bid", account="mm", case=1, item=0, lots=100, micros=0)
    house.now_s += 50
    house.run()
    assert (house.position("mm"), estate(house)) == (7, 93)
    assert house.core.balance(house.number("mm")) >= house.core.requirement_sum(house.number("mm"))
    assert house.total() == 0


def test_what_is_not_cleared_stays_with_the_defaulter_clr_est_001(core):
    house = venue(core)
    house.send(commands.add_product("free", 1, 1, ["f1"]), commands.list_window("free", WINDOW))
    house.sell("prov", 3, 500, product="free")
    house.buy("ann", 3, 500, product="free")
    assert house.do("declare_default", account="prov") is None
    assert house.position("prov", product="free") == -3
    assert estate(house) == -10
    assert house.total() == 0
