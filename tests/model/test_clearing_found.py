"""What random histories have found in the clearinghouse, each as the shortest story that shows it."""

import pytest
from house import DOLLARS, WINDOW, House

from exchange.clearing.words import Cause, Kind, Level
from exchange.records import EventType

M = 2_000
TERMS = {"settle_lag_s": 0}


def test_seconds_from_before_a_node_took_over_are_nobodys(core):
    """A spare node was metered all along; as a cure it earns what is metered from the verdict on (CLR-MTR-002)."""
    house = House(core(), people=("prov", "ann"), money=1_000 * DOLLARS, terms=TERMS)
    house.certify("prov", 11)
    house.trade("prov", "ann", 10, M)
    house.run()
    house.at(0)
    house.now_s = 1_800
    house.beat("prov", [(0, 11)])
    house.meter("prov", (0, 11), 0, 30)
    house.now_s = 1_950
    house.beat("prov", [(1, 10)])
    house.at(1_950)
    assert [row[1:2] + row[4:5] for row in house.substitutes()] == [("CURE", 1)]
    house.now_s = 3_590
    house.beat("prov", [(1, 10)])
    end = house.at(3_600)
    paid = [entry.micros for entry in house.entries(Cause.SETTLEMENT, events=end) if entry.owner == "prov"]
    assert paid == [9 * M // 2]  # The nine others for the half hour that was metered, the cure for nothing.
    assert house.total() == 0


def waiting_house(core, **terms):
    """A provider of four lots whose nodes never come, one to replace one, and a call from two lots on."""
    house = House(core, people=("prov", "ann", "other"), money=1_000 * DOLLARS, terms={"call_lots": 2} | terms)
    house.certify("prov", 4)
    house.certify("other", 1)
    house.wish("ann", cover=True, restart_s=1_320)
    house.trade("prov", "ann", 4, 2_000_000)
    house.run()
    house.at(-60)
    house.standby("other", 1, 2_000_000)
    house.at(0)
    house.do("report_failure", account="prov", product="P", fabric="f1", start=1_000, first=0, count=4)
    return house


def test_lots_that_wait_for_a_call_are_compensated_with_the_others(core):
    house = waiting_house(core())
    events = house.at(1)
    assert next(row[1] for row in house.substitutes(events=events)) == "FABRIC"
    got = sum(entry.micros for entry in house.entries(Cause.COMPENSATION, events=events)
              if entry.kind is Kind.COLLATERAL)  # fmt: skip
    rollback_s = 1_800  # Half of the usual interval; the restart less the deductible comes on top.
    assert got == 4 * 2_000_000 * (1_200 + rollback_s) // 3_600


def test_lots_without_nodes_can_be_cut_off_a_buyer_who_cannot_pay(core):
    house = House(core(), people=("naked", "ann"), money=100 * DOLLARS, terms=TERMS)
    house.sell("naked", 4, 2_000_000)
    house.buy("ann", 4, 2_000_000)
    house.run()
    house.at(-60)
    house.core.pay(house.number("ann"), -95 * DOLLARS)
    house.core.pay(house.number("naked"), 95 * DOLLARS)
    house.at(0)
    assert (1, "PAYMENT", "ann") in house.cases()
    assert house.total() == 0


@pytest.fixture
def estate(core):
    """A case with long lots that nobody has bought: an auction is on, two hours ahead of the window."""
    house = House(core(), people=("bad", "prov", "ann", "bob"), money=100 * DOLLARS, listed=120,
                  house={"disposal_s": 0, "auction_s": 600, "full_lots": 8}, terms=TERMS)  # fmt: skip
    house.certify("prov", 8)
    house.trade("prov", "bad", 4, 2_000_000)
    house.run()
    house.do("declare_default", account="bad")
    house.run()
    assert [event for event in house.last if event["type"] == EventType.AUCTION]
    return house


def bid(house, name, micros, lots=4):
    return house.do("bid", account=name, case=1, item=0, lots=lots, micros=micros)


def test_a_bidder_who_cannot_pay_gets_nothing(estate):
    assert bid(estate, "ann", 101 * DOLLARS, lots=1) is None
    assert bid(estate, "bob", 1 * DOLLARS) is None
    estate.at(estate.now_s + 601)
    assert (estate.position("ann"), estate.position("bob")) == (0, 4)
    assert estate.total() == 0


def test_a_bidder_who_has_defaulted_gets_nothing(estate):
    assert bid(estate, "bob", 2 * DOLLARS) is None
    estate.do("declare_default", account="bob")
    estate.at(estate.now_s + 601)
    assert estate.position("bob") == 0


def test_an_item_behind_its_gate_is_not_awarded(core):
    house = House(core(), people=("bad", "prov", "ann", "bob"), money=100 * DOLLARS,
                  house={"disposal_s": 0, "auction_s": 600, "full_lots": 8}, terms=TERMS)  # fmt: skip
    house.certify("prov", 4)
    house.trade("prov", "bad", 4, 2_000_000)
    house.run()
    house.at(-1_000)
    house.do("declare_default", account="bad")
    house.run()
    assert bid(house, "ann", 1 * DOLLARS) is None
    house.at(-300)
    house.at(0)  # The lots are obligations to the house now; it pays for them, and they perish.
    house.at(3_000)
    assert house.position("ann") == 0
    assert house.total() == 0


def test_liquidation_has_a_deadline_from_its_beginning_clr_call_002(core):
    """From above 110 % to 80 % at once, and no book to sell into: after the deadline the estate takes over."""
    house = House(core(), people=("ann", "bob"), money=1_000 * DOLLARS, house={"call_deadline_s": 600}, listed=120)
    house.sell("bob", 10, 1_000_000, window=1_100)
    house.buy("ann", 10, 1_000_000, window=1_100)
    house.run()
    too_much = house.money("ann") - house.margin("ann") * 8 // 10
    house.core.pay(house.number("ann"), -too_much)
    house.core.pay(house.number("bob"), too_much)
    house.at(house.now_s + 60)
    assert (house.level("ann"), house.position("ann", window=1_100)) == (Level.LIQUIDATING, 10)
    house.at(house.now_s + 540)
    assert house.level("ann") is Level.LIQUIDATING
    house.at(house.now_s + 60)
    assert house.level("ann") is Level.DEFAULTED
    assert house.total() == 0


def test_intervals_metered_ahead_pay_nothing_after_the_failure_clr_fail_001(core):
    """A provider who meters the whole hour at its beginning is paid till the verdict, and his substitute from there."""
    house = House(core(), people=("prov", "ann", "other"), money=1_000 * DOLLARS, terms=TERMS | {"hand_over_s": 0})
    house.certify("prov", 10)
    house.certify("other", 1)
    house.trade("prov", "ann", 10, M)
    house.run()
    house.at(-60)
    house.standby("other", 1, M)
    house.at(0)
    house.meter("prov", (0, 10), 0, 60)
    house.now_s = 1_800
    house.beat("prov", [(0, 10)])
    house.do("report_failure", account="prov", product="P", fabric="f1", start=1_000, first=0, count=1)
    house.at(1_800)
    paid = [entry.micros for entry in house.entries(Cause.SETTLEMENT) if entry.owner == "prov"]
    assert paid == [M // 2]
    house.now_s = 3_590
    house.beat("prov", [(1, 9)])
    house.beat("other", [(0, 1)])
    house.meter("other", (0, 1), 30, 30)
    end = house.at(3_600)
    paid = {entry.owner: entry.micros for entry in house.entries(Cause.SETTLEMENT, events=end) if entry.micros > 0}
    assert (paid["prov"], paid["other"]) == (9 * M, M // 2)
    assert house.total() == 0


def test_a_buyers_money_is_for_the_lots_he_keeps_first_clr_led_003(core):
    """Of four lots he can pay for two; what he has besides is less than a lot, and all that is claimed of him."""
    house = House(core(), people=("prov", "ann"), money=100 * DOLLARS, terms=TERMS)
    house.certify("prov", 4)
    house.trade("prov", "ann", 4, 2_000_000)
    house.run()
    house.at(-60)
    house.core.pay(house.number("ann"), -95 * DOLLARS)
    house.core.pay(house.number("prov"), 95 * DOLLARS)
    house.at(0)
    assert house.layers()[0] == ("L2", "C1", "ann", 1 * DOLLARS)
    assert house.money("ann") == 0
    assert house.state.deliveries[house.handle()].escrow[house.number("ann")] == 4 * DOLLARS
    assert house.total() == 0


def test_who_owes_and_holds_nothing_has_defaulted_clr_led_003(core):
    house = House(core(), people=("ann", "bob"), money=10 * DOLLARS)
    house.sell("bob", 1, 1_000_000, window=WINDOW)
    house.buy("ann", 1, 1_000_000, window=WINDOW)
    house.run()
    house.buy("bob", 1, 1_000_000, window=WINDOW)
    house.sell("ann", 1, 1_000_000, window=WINDOW)
    house.core.pay(house.number("ann"), -11 * DOLLARS)
    house.core.pay(house.number("bob"), 11 * DOLLARS)
    house.at(house.now_s + 60)
    assert (house.level("ann"), house.position("ann")) == (Level.DEFAULTED, 0)
    assert house.total() == 0
