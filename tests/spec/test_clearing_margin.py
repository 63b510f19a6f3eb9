"""Marks, rates, what must be held, margin calls and liquidation in the clearinghouse."""

import pytest
from house import DOLLARS, WINDOW, House

from exchange import commands
from exchange.clearing.arithmetic import PPM, ceil_div
from exchange.clearing.margin import initial_margin
from exchange.clearing.words import Cause, Kind, Level
from exchange.reasons import DoneReason
from exchange.records import EventType
from exchange.units import LOTS_MAX

EVERY_SECOND = {"mark_interval_s": 1}
FLAT = {
    "range_ppm": 250_000, "steepen_ppm": 0, "flatten_ppm": 0, "near_squeeze_ppm": 0, "list_cut_ppm": 0,
    "generation_ppm": 0, "outage_ppm": 0,
}  # fmt: skip


def market(core, *, people=("ann", "bob", "mm"), money=1_000 * DOLLARS, house=EVERY_SECOND, risk=FLAT, **more):
    """A venue whose only scenarios are parallel moves of a quarter."""
    return House(core(), people=people, money=money, house=dict(house), risk=dict(risk), **more)


def move(house, price, *, maker="mm", product="P", fabric="f1", window=WINDOW):
    """Bring the mark of a window to a price: the maker quotes around it, and a run follows."""
    house.send(commands.mass_cancel(house.number(maker), next_ref(house, maker)))
    where = {"product": product, "fabric": fabric, "window": window}
    house.buy(maker, 1, price - 1, **where)
    house.sell(maker, 1, price + 1, **where)
    house.now_s += 1
    return house.run()


def next_ref(house, name):
    house.refs[name] = house.refs.get(name, 0) + 1
    return house.refs[name]


# Marks.


def test_a_run_of_marks_pays_the_move_and_tells_it_clr_vm_001(core):
    house = market(core)
    house.sell("ann", 10, 1_000)
    house.buy("bob", 10, 1_000)
    events = move(house, 1_100)
    marks = [(int(event["instrument"]), int(event["price"])) for event in events if event["type"] == EventType.MARK]
    assert (house.handle(), 1_100) in marks
    assert {entry.owner: entry.micros for entry in house.entries(Cause.VARIATION, events=events)} == {
        "ann": -1_000, "bob": 1_000,
    }  # fmt: skip
    assert [event for event in house.run() if event["type"] == EventType.MARK] == []
    assert house.total() == 0


def test_windows_without_a_book_take_the_curve_of_their_class_clr_vm_001(core):
    house = market(core, listed=3)
    move(house, 1_000)
    house.buy("ann", 1, 1_199, window=WINDOW + 2)
    house.sell("bob", 1, 1_201, window=WINDOW + 2)
    house.now_s += 1
    house.run()
    handles = [house.handle(window=WINDOW + hour) for hour in range(3)]
    assert [house.core.mark(handle) for handle in handles] == [1_000, 1_100, 1_200]
    assert house.core.mark(house.handle(fabric="f2", window=WINDOW + 1)) == 1_100
    assert house.core.mark(house.handle(product="Q", fabric="g")) is None  # Another class.


def test_a_trade_of_the_house_moves_no_mark_clr_vm_001(core):
    house = market(core, people=("prov", "ann", "sub", "mm"))
    house.certify("prov", 5)
    house.certify("sub", 5)
    house.trade("prov", "ann", 5, 1_000)
    house.run()
    house.offer("sub", 5, 1_400)
    before = house.core.mark(house.handle())
    house.do("declare_default", account="prov")
    assert house.position("sub") == -5
    assert house.core.mark(house.handle()) == before


def test_the_index_of_a_class_is_told_when_it_has_moved_clr_rate_005(core):
    house = market(core, listed=2)
    events = move(house, 1_000)
    told = [(int(event["lots"]), int(event["amount"])) for event in events if event["type"] == EventType.INDEX]
    assert told == [(1, 1_000)]
    assert [event for event in house.run() if event["type"] == EventType.INDEX] == []
    events = move(house, 1_100)
    assert [(int(e["lots"]), int(e["amount"])) for e in events if e["type"] == EventType.INDEX] == [(1, 1_100)]


# Rates and what must be held.


def test_all_windows_are_margined_together_clr_rate_001(core):
    house = market(core, listed=2, risk={**FLAT, "list_cut_ppm": 440_000})
    for hour in (0, 1):
        move(house, 1_000, window=WINDOW + hour)
    house.sell("ann", 10, 1_000, window=WINDOW)
    house.buy("bob", 10, 1_000, window=WINDOW)
    house.buy("ann", 10, 1_000, window=WINDOW + 1)
    house.sell("bob", 10, 1_000, window=WINDOW + 1)
    house.now_s += 1
    house.run()
    pricing, margining = house.engine.house.pricing, house.engine.house.margining
    sheet = pricing.sheet()
    result, wanted = margining.explain(house.number("ann"), sheet)
    assert sheet.handles == (1, 2, 3, 4)  # P's fabrics; Q has no mark.
    # 440 and 439 a lot in the cut of 44 %, of which the spread leaves next to nothing: a fifth of the gross stays.
    assert result.scan < result.gross // 50
    assert result.margin == result.scan + ceil_div(200_000 * (result.gross - result.scan), PPM)
    assert wanted.margin == result.margin
    assert house.core.margin_terms(house.number("ann"))[1] == wanted.relief > 0


def test_rates_in_the_check_are_the_buffered_loss_or_what_lies_ahead_clr_rate_002(core):
    house = market(core)
    move(house, 1_000)
    # A quarter of 1,000 with a buffer of a quarter, 313, then 125 %: 391.25; far from delivery prefunding asks 250.
    assert house.state.rates[house.handle()] == (392, 392)
    house.at(-3_600, run=False)
    house.run()
    # An hour before: 2,500 + 7,500 x 71 / 72 basis points; the add-on half as steep.
    assert house.state.rates[house.handle()] == (ceil_div(1_000 * (2_500 + 10_000 * 71), 72 * 10_000), 494)


def test_an_account_must_hold_the_sum_of_its_reasons_clr_rate_003(core):
    house = market(core, people=("prov", "ann", "mm"), house={**EVERY_SECOND, "fund_ppm": 100_000})
    house.certify("prov", 10)
    move(house, 1_000)
    house.trade("prov", "ann", 10, 1_000)
    house.at(-3_600)
    prov, ann = house.margin("prov"), house.margin("ann")
    margin, buffered = 2_500, 3_130  # A quarter, then a buffer on the rate of a lot: 313.
    addon = ceil_div(1_000 * 5_000 * 71, 72 * 10_000)
    prefund = ceil_div(1_000 * (2_500 + 10_000 * 71), 72 * 10_000)
    bond = 10_000 * 400_000 // PPM  # Of a newcomer.
    assert prov == buffered + 10 * (addon - 313) + bond + margin // 10
    assert ann == buffered + 10 * (prefund - 313) + margin // 10
    house.do("transfer", account="prov", source="coll", target="bond", micros=bond)
    house.do("transfer", account="prov", source="coll", target="fund", micros=margin // 10)
    house.now_s += 1
    house.run()
    assert house.margin("prov") == buffered + 10 * (addon - 313)


def test_the_requirement_in_the_core_is_never_below_what_must_be_held_clr_scan_011(core):
    house = market(core, listed=3, people=("ann", "bob", "mm"))
    for hour in range(3):
        move(house, 1_000 + 10 * hour, window=WINDOW + hour)
    for hour, side in enumerate((0, 1, 0)):
        house.place("ann", side, 7 + hour, 1_000 + 10 * hour, window=WINDOW + hour)
        house.place("bob", 1 - side, 7 + hour, 1_000 + 10 * hour, window=WINDOW + hour)
    house.now_s += 1
    house.run()
    for name in ("ann", "bob"):
        number = house.number(name)
        credit = house.core.margin_terms(number)[1]
        assert house.core.requirement_sum(number) - credit >= house.margin(name) > 0
        # A fill ends the credit: what is then required covers each window alone.
        assert house.core.requirement_sum(number) >= initial_margin([], []).margin


def test_the_buffer_is_used_up_when_rates_jump_and_grows_by_the_day_clr_rate_004(core):
    house = market(core)
    move(house, 1_000)
    assert house.engine.house.pricing.sheet().buffered[0] == (313, 313)
    move(house, 1_200)  # 300 a lot: the buffer pays.
    assert house.engine.house.pricing.sheet().buffered[0] == (313, 313)
    move(house, 1_400)  # 350: more than the buffer had.
    assert house.engine.house.pricing.sheet().buffered[0] == (350, 350)
    house.now_s += 86_400
    house.run()
    assert house.engine.house.pricing.sheet().buffered[0] == (354, 354)


def test_raised_terms_come_into_force_day_by_day_clr_scan_010(core):
    house = market(core, house={**EVERY_SECOND, "increase_ppm": 100_000})
    move(house, 1_000)
    assert house.do("set_class", cls="A", **{**FLAT, "range_ppm": 400_000}) is None
    house.now_s += 1
    house.run()
    assert house.state.risk("A").range_ppm == 250_000
    for expected in (275_000, 302_500, 332_750, 366_025, 400_000, 400_000):
        house.now_s += 86_400
        house.run()
        assert house.state.risk("A").range_ppm == expected
    assert house.do("set_class", cls="A", **{**FLAT, "range_ppm": 100_000}) is None
    house.now_s += 1
    house.run()
    assert house.state.risk("A").range_ppm == 100_000


def test_crowded_windows_cost_more_clr_rate_006(core):
    house = market(core, risk={**FLAT, "open_interest_low": 10, "open_interest_high": 110})
    move(house, 1_000)
    for lots, rate in ((10, 313), (50, 313 + 687 * 50 // 100 + 1), (60, 1_000)):
        house.sell("bob", lots, 1_000)
        house.buy("ann", lots, 1_000)
        house.now_s += 1
        house.run()
        place = house.engine.house.pricing.sheet().place()[house.handle()]
        assert house.engine.house.pricing.sheet().buffered[place] == (rate, rate)
    assert house.margin("ann") == 120 * 1_000


def test_new_windows_have_rates_at_the_next_run_clr_run_002(core):
    house = market(core, house={"mark_interval_s": 86_400})
    house.now_s += 10
    house.run()
    house.send(commands.list_window("P", WINDOW + 5), commands.set_mark("P", WINDOW + 5, px=1_000))
    assert house.handle(window=WINDOW + 5) not in house.state.rates
    house.now_s += 1
    house.run()
    assert house.state.rates[house.handle(window=WINDOW + 5)] == (392, 392)


def test_the_default_fund_covers_the_two_worst_groups_clr_scan_013(core):
    house = market(core, people=("ann", "bob", "cat", "mm"))
    move(house, 1_000)
    for seller, buyer, lots in (("bob", "ann", 10), ("bob", "cat", 4)):
        house.sell(seller, lots, 1_000)
        house.buy(buyer, lots, 1_000)
    house.now_s += 1
    house.run()
    pricing, margining = house.engine.house.pricing, house.engine.house.margining
    sheet = pricing.sheet()
    needed = margining.fund_needed(sheet, margining.demand_all(sheet))
    # Twice a fall of a quarter: ann loses 5,000 on 3,130 of margin, cat 2,000 on 1,252.
    assert needed == 5_000 - 3_130 + 2_000 - 1_252 == 2_618


# Calls.


def holder(core, money, **more):
    """Ann is long 100 lots at 1,000 with so much money; others have plenty."""
    house = market(core, people=("ann", "bob", "mm"), money=0, **more)
    for name in ("bob", "mm"):
        house.send(commands.deposit(house.number(name), 10_000 * DOLLARS))
    house.send(commands.deposit(house.number("ann"), money))
    move(house, 1_000)
    house.sell("bob", 100, 1_000)
    house.buy("ann", 100, 1_000)
    house.now_s += 1
    house.run()
    return house


def test_a_withdrawal_leaves_140_percent_clr_call_001(core):
    house = holder(core, 100_000)
    assert house.margin("ann") == 31_300
    keep = ceil_div(31_300 * 14, 10)
    assert house.answer(house.send(commands.withdraw(house.number("ann"), 100_000 - keep + 1))) == "BALANCE"
    assert house.answer(house.send(commands.withdraw(house.number("ann"), 100_000 - keep))) is None
    assert house.money("ann") == keep


def test_a_call_with_a_deadline_and_its_end_clr_call_002(core):
    house = holder(core, 40_000)
    assert house.level("ann") is Level.GOOD
    events = move(house, 912)  # 31,200 left; 228 a lot with its buffer is 285.
    assert house.levels(events) == [("ann", "CALLED")]
    (told,) = [event for event in events if event["type"] == EventType.MARGIN]
    assert (int(told["amount"]), int(told["match_id"])) == (28_500, house.engine.now_ns + 3_600 * 10**9)
    house.send(commands.deposit(house.number("ann"), 2_000))
    house.now_s += 1
    assert house.levels(house.run()) == []  # 116 %: the call stands.
    house.send(commands.deposit(house.number("ann"), 4_000))
    house.now_s += 1
    assert house.levels(house.run()) == [("ann", "GOOD")]
    assert house.state.member(house.number("ann")).deadline_ns == 0


def test_a_missed_deadline_ends_in_an_estate_clr_liq_003(core):
    house = holder(core, 40_000)
    move(house, 912)
    house.now_s += 3_599
    assert house.cases(house.run()) == []
    house.now_s += 1
    assert house.cases(house.run())[:1] == [(1, "MARGIN", "ann")]
    assert (house.position("ann"), house.level("ann")) == (0, Level.DEFAULTED)


def test_below_maintenance_orders_end_and_positions_shrink_clr_liq_001(core):
    house = holder(core, 40_000)
    house.buy("ann", 1, 800)
    house.buy("bob", 60, 860)
    events = move(house, 872)  # 27,200 on 27,300.
    ended = [event for event in events if event["type"] == EventType.DONE and event["account"] == house.number("ann")]
    assert [DoneReason(event["reason"]) for event in ended] == [DoneReason.LIQUIDATION]
    assert house.levels(events) == [("ann", "LIQUIDATING")]
    # A slice of a quarter: one lot at the maker's 871, the others at 860, within 5 % of the mark. It is enough.
    assert house.position("ann") == 75
    assert house.money("ann") == 27_200 - 1 - 24 * 12
    assert house.total() == 0
    house.now_s += 1
    house.run()
    assert house.position("ann") == 75


def test_nothing_is_sold_outside_the_band_clr_liq_001(core):
    house = holder(core, 40_000)
    house.buy("bob", 60, 800)
    move(house, 872)
    assert house.position("ann") == 99  # The maker's lot at 871; 800 is more than 5 % below the mark.


def test_a_step_never_turns_or_grows_a_position_clr_liq_002(core):
    house = holder(core, 40_000, house={**EVERY_SECOND, "full_lots": 1_000})
    house.buy("bob", 500, 860)
    move(house, 872)
    assert house.position("ann") == 0  # Whole, up to full_lots; and not a lot more.
    held = house.position("ann")
    for _ in range(5):
        house.now_s += 1
        house.run()
        assert 0 <= house.position("ann") <= held
        held = house.position("ann")


def test_below_two_thirds_the_estate_takes_over_at_once_clr_liq_003(core):
    house = holder(core, 40_000)
    events = move(house, 744)  # 14,400 on 23,300.
    assert house.cases(events)[0] == (1, "MARGIN", "ann")
    assert house.position("ann") == 0
    assert house.core.position(house.state.account, house.handle())[0] > 0
    assert house.money("ann") == 14_399  # One lot has gone to the maker, a micro-dollar below the mark.
    assert house.total() == 0


def test_reduce_only_orders_pass_without_money_clr_call_001(core):
    house = holder(core, 40_000)
    move(house, 937)
    assert house.answer(house.place("ann", 1, 10, 960, flags=2)) is None
    assert house.answer(house.buy("ann", 10, 900)) == "MARGIN"


@pytest.mark.parametrize("lots", [1, LOTS_MAX // 1_024])
def test_large_positions_are_margined_exactly(core, lots):
    house = market(core, money=1 << 52)
    move(house, 1_000)
    house.sell("bob", lots, 1_000)
    house.buy("ann", lots, 1_000)
    house.now_s += 1
    house.run()
    assert house.margin("ann") == ceil_div(lots * 250 * lots * 313, lots * 250)
    assert house.money("ann", Kind.COLLATERAL) == 1 << 52
