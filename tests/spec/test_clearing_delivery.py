"""From the gate to settlement: obligations, escrow, fees, evidence, pay."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from house import DOLLARS, HOUR_NS, NS_PER_SECOND, START_NS, WINDOW, House

from exchange import commands
from exchange.clearing.watch import signed_bytes
from exchange.clearing.words import Cause, Kind
from exchange.records import EventType, Phase

DAILY = {"mark_interval_s": 86_400}
PEOPLE = ("prov", "two", "ann", "bob", "cat")


def sold(core, *, lots=10, price=1_000, people=PEOPLE, money=100 * DOLLARS, run=True, mark=None, **more):
    """Prov has sold to ann; the gate is an hour ahead, and marks were taken."""
    house = House(core(), people=people, money=money, house=DAILY, **more)
    house.certify("prov", 100)
    if run:
        house.at(-3_600)
    house.now_s = -3_600
    if mark is not None:  # A prepaid buyer needs one.
        house.send(*(commands.set_mark("P", one, px=mark, fabric="f1") for one in (WINDOW, WINDOW + 1)))
    house.trade("prov", "ann", lots, price)
    return house


def duties(house, **where):
    """(provider, buyer, lots, nodes) of a window's obligations, in their order."""
    delivery = house.state.deliveries[house.handle(**where)]
    return [(house.name(one.provider), house.name(one.buyer), one.lots, one.nodes) for one in delivery.obligations]


# The gate.


def test_lots_become_obligations_as_nodes_were_assigned_clr_del_001(core):
    house = sold(core, people=(*PEOPLE, "sub"))
    house.certify("two", 5)
    house.trade("two", "bob", 5, 1_010)
    house.at(-60)
    assert duties(house) == [("prov", "ann", 10, [(0, 10)]), ("two", "bob", 5, [(0, 5)])]
    (delivery,) = house.state.deliveries.values()
    assert (delivery.mark, delivery.start_ns, delivery.end_ns) == (1_000, START_NS, START_NS + HOUR_NS)


def test_what_has_no_node_is_owed_by_those_who_have_not_so_many_clr_del_001(core):
    house = sold(core)
    house.sell("two", 4, 1_000)  # Financial: no capacity behind it, and nothing to buy in at the gate.
    house.buy("bob", 4, 1_000)
    house.at(-60)
    assert duties(house) == [("prov", "ann", 10, [(0, 10)]), ("two", "bob", 4, [])]


# The beginning.


def test_buyers_pay_into_escrow_at_the_settlement_price_clr_del_002(core):
    house = sold(core, lots=10)
    before = house.money("ann")
    house.at(-60)
    assert house.money("ann") == before
    events = house.at(0)
    assert before - house.money("ann") == 10_000 == house.purse(Kind.ESCROW, house.handle())
    assert [entry.cause for entry in house.entries(events=events)] == [Cause.ESCROW] * 2
    assert house.core.mark(house.handle()) is None
    assert house.core.position(house.number("ann"), house.handle())[3] == 0
    assert house.run()[0]["type"] == EventType.ACK  # Once.
    assert house.purse(Kind.ESCROW, house.handle()) == 10_000


def test_lots_that_cannot_be_paid_are_the_house_s_clr_del_003(core):
    house = sold(core)
    house.do("fund", kind="sitg", micros=100_000)
    house.at(-60)
    house.send(commands.withdraw(house.number("ann"), house.money("ann") - 3_500 - house.core.margin_terms(3)[2]))
    left = house.money("ann")
    house.core.pay(house.number("ann"), 3_500 - left)
    house.core.pay_external(left - 3_500)
    house.at(0)
    assert house.cases() == [(1, "PAYMENT", "ann"), (1, "closed", "ann")]
    assert sorted(duties(house)) == [("prov", "ann", 3, [(0, 3)]), ("prov", "clearinghouse", 7, [(3, 7)])]
    # She pays for three lots; what she has left goes first, then the venue's own money.
    assert house.layers() == [("L2", "C1", "ann", 500), ("L4", "C1", 0, 6_500)]
    assert (house.purse(Kind.ESCROW, house.handle()), house.money("ann")) == (10_000, 0)
    assert house.total() == 0


def test_what_nobody_can_pay_the_sellers_lose_clr_del_003(core):
    house = sold(core)
    house.at(-60)
    left = house.money("ann")
    house.core.pay(house.number("ann"), -left)
    house.core.pay_external(left)
    house.at(0)
    assert house.purse(Kind.ESCROW, house.handle()) == 0
    house.meter("prov", (0, 10), 0, 60)
    house.beat("prov", [(0, 10)])
    before = house.money("prov")
    house.at(3_600 + 300)
    assert house.money("prov") == before
    assert house.total() == 0


def test_wishes_are_taken_till_the_gate_clr_wish_001(core):
    house = sold(core)
    assert house.wish("ann", gang=True, shift_hours=168) is None
    assert house.state.wish(house.number("ann"), house.handle()).gang
    assert house.wish("ann", shift_hours=169) == "MALFORMED"
    assert house.wish("ann", restart_s=-1) == "MALFORMED"
    assert house.do("delivery_terms", account="ann", product="P", fabric="f9", start=WINDOW) == "NO_FABRIC"
    assert house.do("delivery_terms", account="ann", product="P", fabric="f1", start=WINDOW + 9) == "NO_INSTRUMENT"
    assert house.wish("ann") is None  # None of these again.
    assert not house.state.wish(house.number("ann"), house.handle()).gang
    house.at(-60)
    assert house.wish("ann", gang=True) == "WINDOW_CLOSED"


# Fees.

FEES = {"fee_micros": 7, "levy_ppm": 2_000, "gang_ppm": 3_000, "standby_ppm": 50_000, "cover_load_bps": 0}


def test_fees_levy_gang_and_cover_of_a_delivery_clr_fee_001(core):
    house = sold(core, terms=FEES)
    house.wish("ann", gang=True, cover=True, checkpoint_s=3_600, restart_s=300)
    house.at(-60)
    events = house.at(0)
    paid = {}
    for entry in house.entries(Cause.FEE, Cause.LEVY, Cause.GANG, Cause.COVER, events=events):
        if entry.kind is Kind.COLLATERAL:
            paid[entry.owner, entry.cause] = -entry.micros
    # 10 accelerator-hours; half an hour's rollback and 180 s of restart of 10 lots, once in 5,067.7 hours.
    cover = -(-10_000 * 1_980 // 3_600 * 10 // 50_677)
    assert paid == {
        ("ann", Cause.FEE): 70, ("prov", Cause.FEE): 70, ("ann", Cause.LEVY): 20, ("prov", Cause.LEVY): 20,
        ("ann", Cause.GANG): 30, ("ann", Cause.COVER): cover,
    }  # fmt: skip
    assert (house.core.balance(0), house.purse(Kind.STANDBY), house.purse(Kind.POOL, 1)) == (140, 70, cover)


def test_a_prepaid_buyer_pays_fees_out_of_what_is_free_clr_fee_001(core):
    house = sold(core, terms=FEES, prepaid=("ann",), listed=2, mark=1_000)
    house.certify("prov", 5, window=WINDOW + 1)
    house.trade("prov", "ann", 5, 1_000, window=WINDOW + 1)
    ann = house.number("ann")
    house.send(commands.withdraw(ann, house.money("ann") - house.core.requirement_sum(ann) - 30))
    house.at(-60)
    events = house.at(0)
    paid = [
        -entry.micros
        for entry in house.entries(Cause.FEE, Cause.LEVY, events=events)
        if entry.kind is Kind.COLLATERAL and entry.owner == "ann"
    ]
    assert paid == [30]
    assert house.money("ann") == house.core.requirement_sum(ann) == 5_000
    assert house.purse(Kind.ESCROW, house.handle()) == 10_000
    assert house.total() == 0


def test_a_substitute_costs_the_buyer_no_fee_clr_fee_002(core):
    house = sold(core, terms={**FEES, "hand_over_s": 0}, people=(*PEOPLE, "sub"), product={"taker_fee_ppm": 1_000})
    house.certify("sub", 10)
    house.at(-60)
    house.standby("sub", 10, 1_000)
    house.at(0)
    house.at(300)
    assert len(house.substitutes()) == 1
    of_ann = [entry.cause for entry in house.entries() if entry.owner == "ann"]
    assert of_ann == []
    assert [int(event["amount"]) for event in house.last if event["type"] == EventType.FILL] == [0, 0]


def test_firm_standby_capacity_is_paid_for_standing_by_clr_fee_003(core):
    house = sold(core, terms={"standby_ppm": 50_000}, people=(*PEOPLE, "sub"))
    house.certify("sub", 10)
    house.do("fund", kind="standby", micros=260)
    house.at(-60)
    house.standby("sub", 3, 1_100, firm=True)
    house.standby("sub", 4, 1_200, firm=True)
    house.standby("sub", 1, 1_050)
    before = house.money("sub")
    house.at(0)
    # A twentieth of the mark for each firm lot, the best first, as far as the reserve goes.
    assert house.money("sub") - before == 150 + 110
    assert house.purse(Kind.STANDBY) == 0


# Settlement.


def test_pay_by_the_meter_and_refund_the_rest_clr_set_001_clr_set_002(core):
    house = sold(core)
    house.at(-60)
    house.at(0)
    house.meter("prov", (0, 10), 0, 30)
    house.meter("prov", (0, 5), 30, 30, 950_000)
    house.meter("prov", (5, 5), 30, 30, 800_000)
    house.now_s = 3_590
    house.beat("prov", [(0, 10)])
    before = house.money("ann"), house.money("prov")
    assert house.entries(events=house.at(3_600 + 299)) == []
    events = house.at(3_600 + 300)
    pay = 10_000 * (10 * 1_800 * 1_000_000 + 5 * 1_800 * 950_000) // (10 * 3_600 * 1_000_000)
    assert house.money("prov") - before[1] == pay == 7_375
    assert house.money("ann") - before[0] == 10_000 - pay
    told = [entry.cause for entry in house.entries(events=events) if entry.kind is Kind.COLLATERAL]
    assert told == [Cause.SETTLEMENT, Cause.REFUND]
    assert house.purse(Kind.ESCROW, house.handle()) == 0
    assert house.state.deliveries == {} == house.state.meters
    assert house.total() == 0


def test_two_who_share_an_obligation_are_paid_from_two_purses_clr_set_002(core):
    house = sold(core, people=(*PEOPLE, "sub"), terms={"hand_over_s": 0, "surcharge_bps": 0})
    house.certify("sub", 10)
    house.at(-60)
    house.standby("sub", 10, 1_300)
    house.at(0)
    house.at(300)
    assert house.substitutes() == [("ann", "FABRIC", 1, 1_300, 10, 10, 9_166, "sub")]
    house.now_s = 3_590
    house.beat("sub", [(0, 10)])
    house.meter("sub", (0, 10), 5, 55, 950_000)
    before = house.money("sub"), house.money("prov")
    house.at(3_600 + 300)
    value, share = 11_917, 9_166
    assert house.money("sub") - before[0] == value * 95 // 100
    # Of what was put aside for the substitute the rest goes back.
    assert house.money("prov") - before[1] == value - share - (value * 95 // 100 - share * 95 // 100)
    assert house.total() == 0


def test_nothing_is_paid_without_readings_clr_set_001(core):
    house = sold(core)
    house.at(-60)
    house.at(0)
    before = house.money("ann")
    house.now_s = 3_590
    house.beat("prov", [(0, 10)])
    house.at(3_600 + 300)
    assert house.money("ann") - before == 10_000


# Evidence.


@pytest.fixture
def delivering(core):
    house = sold(core)
    house.at(-60)
    house.at(0)
    return house


def test_a_registered_provider_signs_clr_evd_001(delivering):
    house, key = delivering, Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    assert house.do("set_provider", account="prov", key=bytes(31)) == "MALFORMED"
    assert house.do("set_provider", account="prov", key=key.public_key().public_bytes_raw()) is None
    beat = {"account": "prov", "product": "P", "fabric": "f1", "number": 1, "nodes": [[0, 10]]}
    good = key.sign(signed_bytes("heartbeat", *beat.values()))
    assert house.do("heartbeat", **beat) == "SIGNATURE"
    assert house.do("heartbeat", **beat, signature=bytes(64)) == "SIGNATURE"
    assert house.do("heartbeat", **(beat | {"nodes": [[0, 9]]}), signature=good) == "SIGNATURE"
    assert house.do("heartbeat", **beat, signature=good) is None
    reading = {
        "account": "prov", "product": "P", "fabric": "f1", "start": WINDOW, "first": 0, "count": 10, "interval": 0,
        "intervals": 1, "seconds": 60, "rating_ppm": 1_000_000,
    }  # fmt: skip
    assert house.do("meter", **reading) == "SIGNATURE"
    assert house.do("meter", **reading, signature=key.sign(signed_bytes("meter", *reading.values()))) is None
    assert house.do("heartbeat", account="two", product="P", fabric="f1", number=1, nodes=[], signature=good) == (
        "SIGNATURE"  # Nothing is signed by one without a key.
    )


def test_heartbeats_count_up_and_repetitions_change_nothing_clr_evd_002(delivering):
    house = delivering
    assert house.beat("prov", [(0, 10)], number=5) is None
    assert int(house.last[0]["lots"]) == 1
    before = house.engine.state_hash()[:0], house.engine.house.canonical()
    house.now_s = 10
    assert house.beat("prov", [(0, 10)], number=5) is None
    assert int(house.last[0]["lots"]) == 0
    assert house.engine.house.canonical() == before[1]
    assert house.beat("prov", [(0, 9)], number=5) == "CONTRADICTION"
    assert house.beat("prov", [(0, 10)], number=4) == "STALE_REF"
    assert house.beat("prov", [(0, 10)], number=0) == "MALFORMED"
    assert house.beat("prov", [(-1, 10)], number=6) == "MALFORMED"
    assert house.beat("prov", [(0, 1)] * 65, number=6) == "MALFORMED"
    assert house.beat("two", [(0, 1)]) == "NO_DELIVERY"
    assert house.beat("prov", [(0, 10)], fabric="f2") == "NO_DELIVERY"
    assert house.beat("prov", [(5, 65_536)], number=6) is None  # As far as there are nodes.


def test_an_interval_counts_once_clr_mtr_004(delivering):
    house = delivering
    assert house.meter("prov", (0, 10), 0, 2) is None
    meter = house.state.meters[house.handle(), house.number("prov")]
    assert int(meter.effective.sum()) == 10 * 120 * 1_000_000
    assert house.meter("prov", (0, 10), 0, 2) is None
    assert int(house.last[0]["lots"]) == 0
    assert int(meter.effective.sum()) == 10 * 120 * 1_000_000
    assert house.meter("prov", (0, 10), 0, 2, 900_000) == "CONTRADICTION"
    assert house.meter("prov", (9, 5), 1, 1) == "CONTRADICTION"  # Node 9 was read; nothing of it counts.
    assert house.meter("prov", (10, 5), 1, 1) is None
    assert house.meter("prov", (0, 10), 60, 1) == "MALFORMED"  # Beyond the window.
    assert house.meter("prov", (0, 10), 2, 1, seconds=61) == "MALFORMED"
    assert house.meter("prov", (95, 6), 2, 1) == "MALFORMED"
    assert house.meter("two", (0, 1), 2, 1) == "NO_DELIVERY"


def test_a_reading_before_the_beginning_is_refused_clr_mtr_004(core):
    house = sold(core)
    house.at(-60)
    assert house.core.phase(house.handle()) == Phase.BALANCING
    assert house.meter("prov", (0, 10), 0, 1) == "NO_DELIVERY"


def test_a_checkpoint_is_noted_for_the_buyer_clr_evd_003(delivering):
    house = delivering
    house.now_s = 77
    note = {"product": "P", "fabric": "f1", "start": WINDOW}
    assert house.do("checkpoint", account="ann", **note) is None
    assert house.state.checkpoints == {(house.number("ann"), house.handle()): START_NS + 77 * NS_PER_SECOND}
    assert house.do("checkpoint", account="bob", **note) == "NO_DELIVERY"


def test_a_notice_condemns_nodes_at_once_clr_evd_004_clr_det_004(delivering):
    house = delivering
    house.now_s = 20
    house.beat("prov", [(0, 10)])
    where = {"account": "prov", "product": "P", "fabric": "f1", "start": WINDOW}
    assert house.do("report_failure", **where, first=4, count=97) == "MALFORMED"
    assert house.do("report_failure", **where, first=4, count=2) is None
    house.at(21)
    assert house.lot_states("ann") == [("FAILED", 4, 2, 20)]
    assert house.substitutes() == [("ann", "CASH", house.handle(), 0, 2, 0, 0, 0)]
    assert house.position("ann") == 8
    assert duties(house) == [("prov", "ann", 8, [(0, 4), (6, 4)]), ("prov", "ann", 2, [(4, 2)])]


def test_a_cleared_venue_says_what_is_not_cleared(core):
    house = sold(core)
    house.send(commands.add_product("free", 1, 1, ["f1"]), commands.list_window("free", WINDOW))
    assert house.do("delivery_terms", account="ann", product="free", fabric="f1", start=WINDOW) == "NOT_CLEARED"
