"""The worked examples of the clearinghouse, number by number."""

import pytest
from e7 import BOND, MONEY, before_the_failure, to_the_end
from house import DOLLARS, House
from venue import Venue

from exchange import commands
from exchange.clearing.allocation import Demand, allocate, equivalent_lots
from exchange.clearing.arithmetic import shares
from exchange.clearing.compensation import best_interval_s, covered_rollback_s, fair_premium, gang_mtbf_s
from exchange.clearing.margin import Column, initial_margin
from exchange.clearing.tenor import addon_in_delivery, bond, bond_rate, buyer_prefund, delivery_addon
from exchange.clearing.waterfall import Class, Layer, Layers, run
from exchange.clearing.words import Cause, Kind, Level
from exchange.reasons import RejectReason
from exchange.records import EventType

M, H = 2_350_000, 8
NOTIONAL = 64 * M * H


# E1: the check in the core, with rates of 25 % and 35 %.


def e1(core, bid, ask, money):
    """A position of +10, four lots bid and eight offered; ann has so much more than her requirement."""
    venue = Venue(core(), lot_scu=8)
    for name in ("ann", "bob"):
        venue.deposit(name, 1 << 50)
    venue.rates(4_700_000, 6_580_000)
    venue.sell("bob", 10, M)
    venue.buy("ann", 10, M)
    venue.buy("ann", 4, bid)
    venue.sell("ann", 8, ask)
    held = venue.core.balance(1) - venue.core.requirement_sum(1)
    if money is not None:
        venue.core.pay(1, money - held)
    return venue


def test_e1_the_requirement_of_both_sides(core):
    venue = e1(core, 2_300_000, 2_400_000, None)
    assert venue.position("ann") == (10, 4, 8, 65_800_000)
    # The best bid is a stranger's, above the mark: 14 lots and what four would lose at once.
    venue = e1(core, 2_300_000, 2_400_000, None)
    venue.buy("bob", 1, 2_360_000)
    venue.cancel("ann", venue.sell("ann", 1, 2_500_000)[0].split()[3])
    assert venue.position("ann")[3] == 66_120_000


@pytest.mark.parametrize(
    ("lots", "money", "accepted"), [(10, 0, True), (20, 52_639_999, False), (20, 52_640_000, True)]
)
def test_e1_a_sell_that_raises_nothing_is_free_and_twenty_more_need_so_much(core, lots, money, accepted):
    venue = e1(core, 2_300_000, 2_400_000, money)
    answer = venue.sell("ann", lots, 2_400_000)
    assert answer[0].startswith("ack" if accepted else "reject")
    assert venue.position("ann")[3] == (118_440_000 if lots == 20 and accepted else 65_800_000)


# E2: scan, gross, margin.

SHOCKS = {
    "up": (250_000,) * 3, "down": (-250_000,) * 3, "steepen": (250_000, 125_000, 0), "flatten": (-250_000, -125_000, 0),
    "generation": (0, -150_000, -400_000), "squeeze": (440_000, 200_000, 50_000), "cut": (-440_000, -300_000, -200_000),
}  # fmt: skip
E2 = [
    ((100, 0, 0), 827_200_000, 827_200_000, 827_200_000, "cut"),
    ((100, -100, 0), 299_200_000, 1_267_200_000, 492_800_000, "cut"),
    ((-100, 0, 100), 751_200_000, 1_435_200_000, 888_000_000, "squeeze"),
    ((-100, 0, -100), 903_200_000, 1_207_200_000, 964_000_000, "squeeze"),
]


@pytest.mark.parametrize(("positions", "scan", "gross", "margin", "binding"), E2)
def test_e2_margin_of_four_portfolios(positions, scan, gross, margin, binding):
    shocks = list(zip(*SHOCKS.values(), strict=True))
    columns = [Column(mark, H, shock) for mark, shock in zip((M, 2_200_000, 1_900_000), shocks, strict=True)]
    found = initial_margin(positions, columns)
    assert (found.scan, found.gross, found.margin, list(SHOCKS)[found.binding]) == (scan, gross, margin, binding)


# E4: variation.


def test_e4_a_move_of_the_mark_sums_to_zero(core):
    house = House(core(), hours=8, people=("a", "b", "c"), money=5_000 * DOLLARS, house={"mark_interval_s": 1})
    house.sell("b", 60, M)
    house.sell("c", 40, M)
    house.buy("a", 100, M)
    before = {name: house.money(name) for name in "abc"}
    house.buy("b", 1, 2_300_000)
    house.sell("c", 1, 2_320_000)
    events = house.run()
    assert {entry.owner: entry.micros for entry in house.entries(Cause.VARIATION, events=events)} == {
        "a": -32_000_000, "b": 19_200_000, "c": 12_800_000,
    }  # fmt: skip
    assert {name: house.money(name) - before[name] for name in "abc"} == {
        "a": -32_000_000, "b": 19_200_000, "c": 12_800_000,
    }  # fmt: skip
    assert house.total() == 0


# E5, E6: delivery and bond.


def test_e5_what_grows_towards_delivery():
    hours = {96: 0, 72: 0, 48: 200_533_334, 24: 401_066_667, 6: 551_466_667, 0: 601_600_000}
    assert {hour: delivery_addon(64, M, H, tau_s=hour * 3_600) for hour in hours} == hours
    assert [addon_in_delivery(64, M, H, left, 28_800) for left in (21_600, 600)] == [451_200_000, 75_200_000]
    prefund = {96: 300_800_000, 36: 752_000_000, 0: NOTIONAL}
    assert {hour: buyer_prefund(64, M, H, 2_500, hour * 3_600) for hour in prefund} == prefund


def test_e6_the_bond_by_record():
    rates = {(0, 0): 400_000, (0, 20): 174_999, (0, 100): 40_383, (0, 1_000): 20_000, (2, 1_000): 20_000,
             (30, 1_000): 66_931}  # fmt: skip
    assert {(fails, n): bond_rate(4 * fails, n) for fails, n in rates} == rates
    bonds = [bond(64, M, H, rate) for rate in (400_000, 174_999, 40_383, 20_000, 66_931)]
    assert bonds == [481_280_000, 210_558_797, BOND, 24_064_000, 80_531_380]


# E7: the whole of a default.

TABLE = [  # buyer, stage, lots, original lots, buyer pays, substitute is paid
    ("ann", "FABRIC", 32, 32, 438_666_666, 485_333_334),
    ("bob", "FABRIC", 5, 5, 68_541_666, 75_833_334),
    ("cat", "FABRIC", 3, 3, 41_125_000, 45_500_000),
    ("bob", "CLASS", 10, 10, 137_083_333, 157_500_000),
    ("cat", "CLASS", 6, 6, 82_250_000, 94_500_000),
    ("bob", "EQUIVALENT", 4, 5, 68_541_666, 91_000_000),
    ("cat", "EQUIVALENT", 3, 3, 41_125_000, 68_250_000),
]
PREMIUM = 140_583_337
COMPENSATION = {"ann": 28_826_666, "cat": 28_670_000}


def test_e7_substitutes_by_stage(core):
    house = before_the_failure(core())
    house.at(7_350)
    buyers, sellers = house.substitutes(), house.substitutes(of="seller")
    told = [(who, stage, lots, original, pays) for who, stage, _, _, lots, original, pays, _ in buyers]
    assert told == [row[:5] for row in TABLE]
    assert [paid for *_, paid, _ in sellers] == [row[5] for row in TABLE]
    assert sum(row[5] - row[4] for row in TABLE) == PREMIUM
    assert {house.position(name) for name in ("prov",)} == {0}
    assert house.position("bob") == 5
    assert house.position("bob", fabric="f2") == 10
    assert house.position("bob", product="Q", fabric="g") == 4


def test_e7_who_paid(core):
    house = before_the_failure(core())
    house.at(7_350)
    earned = sum(entry.micros for entry in house.entries(Cause.SETTLEMENT) if entry.owner == "prov")
    assert earned == 300_800_000
    assert house.layers() == [
        ("L1", "C2", "prov", BOND), ("L2", "C2", "prov", PREMIUM + 14_058_334 - BOND), ("L2", "C3", "prov", 4_230_000),
        ("L2", "C4", "prov", 53_266_666),
    ]  # fmt: skip
    got = {}
    for entry in house.entries(Cause.COMPENSATION):
        if entry.kind is Kind.COLLATERAL:
            got[entry.owner] = got.get(entry.owner, 0) + entry.micros
    assert got == COMPENSATION
    surcharge = house.purse(Kind.STANDBY)
    assert surcharge == 14_058_334  # A tenth of the premium, rounded up.
    paid = sum(micros for _, _, _, micros in house.layers())
    assert paid - surcharge == 198_080_003 == PREMIUM + sum(COMPENSATION.values())
    assert paid - surcharge - BOND == 149_491_177
    assert house.total() == 0


def test_e7_escrow_and_settlement(core):
    house = before_the_failure(core())
    assert house.purse(Kind.ESCROW, 1) == 1_203_200_000 - 0
    house.at(7_350)
    end = to_the_end(house)
    refunds = [entry for entry in house.entries(Cause.REFUND, events=end) if entry.kind is Kind.COLLATERAL]
    assert {entry.owner: entry.micros for entry in refunds} == {
        "ann": 12_533_334, "bob": 7_833_335, "cat": 4_700_000,
    }  # fmt: skip
    assert sum(entry.micros for entry in refunds) == 25_066_669
    assert 300_800_000 + 877_333_331 + 25_066_669 == 1_203_200_000
    assert [house.money(name) - MONEY for name in ("s1", "s2", "s3")] == [606_666_668, 252_000_000, 159_250_000]
    assert house.purse(Kind.ESCROW, 1) == house.purse(Kind.ESTATE, 1) == 0
    assert (1, "closed", "prov") in house.cases(events=end)
    assert house.total() == 0


# E8 to E13.


def test_e8_who_is_served():
    assert shares(17, [20, 12, 7]) == [9, 5, 3]
    assert shares(8, [20, 12]) == [5, 3]

    def served(supply, gangs, divisible):
        demands = [Demand(index, lots, True, index) for index, lots in enumerate(gangs)]
        demands += [Demand(index, lots, False, index) for index, lots in enumerate(divisible, len(gangs))]
        return allocate(supply, demands)

    assert served(40, (32, 16, 8), (16, 8)) == [32, 0, 0, 5, 3]
    assert served(50, (32, 16), (20, 12)) == [32, 0, 11, 7]
    assert served(20, (32,), (6,)) == [0, 6]


def test_e9_the_waterfall():
    funds = {1: 600, 2: 400, 3: 200}
    layers = Layers(1_000, 2_500, 500, 400, 700, funds, funds)
    found = run({Class.C1: 1_000, Class.C2: 5_000, Class.C3: 800, Class.C4: 3_000}, layers)
    assert [found.paid[one] for one in Class] == [1_000, 5_000, 0, 700]
    assert [found.used[layer] for layer in list(Layer)[:7]] == [1_000, 2_500, 500, 400, 700, 1_200, 400]
    assert [one.amount for one in found.payments if one.layer is Layer.L7] == [200, 133, 67]
    assert (found.unpaid[Class.C3], found.unpaid[Class.C4]) == (800, 2_300)


def test_e10_pay_by_what_was_metered(core):
    house = House(core(), hours=8, people=("prov", "ann"), money=5_000 * DOLLARS)
    house.certify("prov", 8)
    house.trade("prov", "ann", 8, M)
    house.run()
    house.at(0)
    for first, count, rating in ((0, 240, 1_020_000), (240, 180, 950_000), (420, 60, 850_000)):
        house.meter("prov", (0, 8), first, count, rating)
    house.now_s = 28_700
    house.beat("prov", [(0, 8)])
    events = house.at(29_100)
    pay = [entry.micros for entry in house.entries(Cause.SETTLEMENT, events=events) if entry.owner == "prov"]
    assert pay == [128_780_000]
    refund = [entry.micros for entry in house.entries(Cause.REFUND, events=events) if entry.owner == "ann"]
    assert refund == [150_400_000 - 128_780_000]


def test_e11_lots_of_an_equivalent_class():
    assert [equivalent_lots(64, 1_250_000), equivalent_lots(64, 800_000), equivalent_lots(7, 1_250_000)] == [52, 80, 6]


def test_e12_checkpoints():
    assert [gang_mtbf_s(1_024), gang_mtbf_s(32)] == [178_161, 5_701_162]
    assert [best_interval_s(178_161, 30), best_interval_s(5_701_162, 10)] == [3_269, 10_678]
    assert covered_rollback_s(10_000, 10_000, 3_269) == 6_538


def test_e13_the_premium_of_cover():
    mean = M * 1_024 * 1_380 // 3_600
    assert mean == 922_453_333
    assert fair_premium(1_024, 24, mean) == 447_347_181


# E14: nothing counts twice.


def test_e14_a_replay_of_everything_gives_the_same_hash(core):
    hashes = []
    for _ in range(2):
        house = before_the_failure(core())
        house.at(7_350)
        to_the_end(house)
        hashes.append(house.engine.state_hash())
    assert hashes[0] == hashes[1]


def test_e14_the_same_verdict_and_the_same_reading_change_nothing(core):
    house = before_the_failure(core())
    house.at(7_350)
    before = house.state.ledger.canonical(), [house.money(name) for name in ("prov", "ann", "bob", "cat")]
    events = house.run()
    assert [event for event in events if event["type"] != EventType.ACK] == []
    assert house.meter("prov", (0, 64), 0, 120) is None
    assert house.last[0]["lots"] == 0  # A repetition.
    assert house.meter("prov", (0, 64), 0, 120, rating=990_000) == RejectReason.CONTRADICTION.name
    assert before == (
        house.state.ledger.canonical(), [house.money(name) for name in ("prov", "ann", "bob", "cat")]
    )  # fmt: skip


# E15: a prepaid buyer.


def test_e15_a_prepaid_buyer_is_neither_called_nor_liquidated_clr_call_003(core):
    house = House(
        core(), hours=8, people=("pre", "prov", "x", "y"), money=NOTIONAL, prepaid=("pre",),
        house={"mark_interval_s": 1},
    )  # fmt: skip
    house.send(*(house_deposit(house, name) for name in ("prov", "x", "y")))
    house.certify("prov", 64)
    house.send(commands.set_mark("P", 1_000, px=M, fabric="f1"))
    house.trade("prov", "pre", 64, M)
    assert house.money("pre") == NOTIONAL
    fallen = M * 4 // 10
    house.buy("x", 1, fallen - 1)
    house.sell("y", 1, fallen + 1)
    events = list(house.run())
    assert house.core.mark(1) == fallen
    assert house.money("pre") == NOTIONAL * 4 // 10 == house.core.requirement_sum(house.number("pre"))
    assert [told for told in house.levels(events) if told[0] == "pre"] == []
    assert (house.level("pre"), house.position("pre")) == (Level.GOOD, 64)
    assert house.total() == 0


def house_deposit(house, name):
    return commands.deposit(house.number(name), 100 * NOTIONAL)

