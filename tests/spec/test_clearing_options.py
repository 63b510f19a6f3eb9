"""Options in the clearinghouse: marks, margin, and how they expire into their windows."""

import pytest
from house import DOLLARS, WINDOW, House

from exchange import commands
from exchange.clearing.options import Option, value
from exchange.clearing.words import Cause, Kind
from exchange.records import EventFlag, EventType

RISK = {
    "range_ppm": 250_000, "steepen_ppm": 0, "flatten_ppm": 0, "near_squeeze_ppm": 0, "list_cut_ppm": 0,
    "generation_ppm": 0, "outage_ppm": 0,
}  # fmt: skip
VOL = 800_000


def venue(core, *, right="call", strike=1_000, prepaid=()):
    """Calls or puts on product P, whose gate is two hours before its own; ann and bob trade them."""
    house = House(
        core(), people=("ann", "bob", "cat", "mm"), money=1_000 * DOLLARS, house={"mark_interval_s": 1},
        risk=dict(RISK), prepaid=prepaid,
    )  # fmt: skip
    house.send(commands.add_product("O", 1, 1, ["f1", "f2"], gate_lead_s=7_200))
    assert option(house, right=right, strike=strike) is None
    house.send(commands.list_window("O", WINDOW))
    quote(house, 1_000)
    return house


def option(house, **more):
    fields = {"product": "O", "underlying": "P", "right": "call", "strike": 1_000, "vol_ppm": VOL}
    return house.do("set_option", **(fields | more))


def quote(house, price):
    house.refs["mm"] = house.refs.get("mm", 0) + 1
    house.send(commands.mass_cancel(house.number("mm"), house.refs["mm"]))
    house.buy("mm", 1, price - 1)
    house.sell("mm", 1, price + 1)
    house.now_s += 1
    house.last = list(house.run())
    return house.last


def worth(house, is_call=True, strike=1_000, forward=1_000):
    left = -house.now_s - 7_200
    return value(Option(is_call, strike, left), forward, VOL)


def test_an_option_is_marked_at_its_value_clr_opt_009(core):
    house = venue(core)
    handle = house.handle("O")
    assert house.core.mark(handle) == worth(house) > 0
    quote(house, 1_200)
    assert house.core.mark(handle) == worth(house, forward=1_200)


def test_its_book_moves_the_mark_within_the_band_clr_opt_009(core):
    house = venue(core)
    worth_now = worth(house)
    house.buy("ann", 1, worth_now, product="O")
    house.sell("bob", 1, worth_now + 2, product="O")
    house.now_s += 1
    house.run()
    assert house.core.mark(house.handle("O")) == worth(house) + 1
    house.buy("cat", 2, 500, product="O")  # One is bob's, the other stays.
    house.sell("bob", 1, 700, product="O")
    house.now_s += 1
    house.run()
    assert house.core.mark(house.handle("O")) == worth(house) + max(1, worth(house) // 10)


def test_margin_of_options_by_revaluation_clr_opt_006_clr_opt_008(core):
    house = venue(core)
    price = house.core.mark(house.handle("O"))
    house.sell("bob", 10, price, product="O")
    house.buy("ann", 10, price, product="O")
    house.now_s += 1
    house.run()
    sheet = house.engine.house.pricing.sheet()
    assert len(sheet.names) == 2 * (11 + 4)  # Every class, and an outage of each fabric of both products.
    assert all("volatility" in name for name in sheet.names)
    ann, bob = (house.engine.house.margining.explain(house.number(name), sheet) for name in ("ann", "bob"))
    assert 0 < ann[0].margin <= 10 * price  # A long option can lose what it is worth.
    assert bob[0].margin > ann[0].margin
    assert bob[1].total >= 10 * 1_000 * 2 // 100
    rates = house.state.rates[house.handle("O")]
    assert rates[0] <= price


def test_an_option_and_its_window_are_margined_together_clr_opt_006(core):
    house = venue(core)
    price = house.core.mark(house.handle("O"))
    house.sell("bob", 10, price, product="O")
    house.buy("ann", 10, price, product="O")
    house.now_s += 1
    house.run()
    alone = house.margin("bob")
    house.buy("bob", 10, 1_001)
    house.sell("mm", 20, 1_001)
    house.buy("bob", 10, 1_001)
    assert house.position("bob") > 0
    house.now_s += 1
    house.run()
    result, _ = house.engine.house.margining.explain(house.number("bob"), house.engine.house.pricing.sheet())
    assert result.margin < result.gross
    assert alone > 0


@pytest.mark.parametrize(
    ("right", "final", "side"), [("call", 1_300, 1), ("put", 700, -1), ("call", 900, 0), ("put", 1_000, 0)]
)
def test_an_option_expires_into_its_window_clr_opt_010(core, right, final, side):
    house = venue(core, right=right)
    price = house.core.mark(house.handle("O"))
    house.sell("bob", 10, price, product="O")
    house.buy("ann", 10, price, product="O")
    before = house.money("ann"), house.money("bob")
    house.at(-7_300, run=False)
    quote(house, final)
    events = house.at(-7_200, run=False)
    intrinsic = max(0, final - 1_000 if right == "call" else 1_000 - final)
    # What was paid in all is the strike: the window's lots came at the mark, and the option gave what it was worth.
    assert house.money("ann") - before[0] == 10 * (intrinsic - price)
    assert house.money("bob") - before[1] == -10 * (intrinsic - price)
    assert (house.position("ann"), house.position("bob")) == (10 * side, -10 * side)
    assert (house.position("ann", product="O"), house.position("bob", product="O")) == (0, 0)
    told = [(house.name(e["account"]), int(e["lots"]), bool(e["flags"] & EventFlag.SELL)) for e in events
            if e["type"] == EventType.EXERCISE]  # fmt: skip
    assert sorted(told) == ([("ann", 10, side < 0), ("bob", 10, side > 0)] if side else [])
    assert [event for event in events if event["type"] == EventType.BOUGHT_IN] == []
    assert house.core.mark(house.handle("O")) is None
    assert house.core.balance(house.state.account) == 0
    assert house.total() == 0


def test_a_prepaid_holder_of_a_put_gets_the_money_clr_opt_010(core):
    house = venue(core, right="put", prepaid=("ann",))
    price = house.core.mark(house.handle("O"))
    house.sell("bob", 9, price, product="O")
    house.buy("ann", 6, price, product="O")
    house.buy("cat", 3, price, product="O")
    before = house.money("ann")
    house.at(-7_300, run=False)
    quote(house, 700)
    house.at(-7_200, run=False)
    assert house.money("ann") - before == 6 * (300 - price)
    assert (house.position("ann"), house.position("cat"), house.position("bob")) == (0, -3, 3)
    assert house.total() == 0


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"right": "straddle"}, "MALFORMED"),
        ({"strike": 0}, "MALFORMED"),
        ({"vol_ppm": 100_000_001}, "MALFORMED"),
        ({"underlying": "Q"}, "MALFORMED"),
        ({"underlying": "none"}, "NO_PRODUCT"),
        ({"product": "P", "underlying": "O"}, "NOT_CLEARED"),
    ],
)
def test_an_option_must_fit_its_underlying_clr_opt_011(core, fields, reason):
    house = House(core(), people=("ann",))
    house.send(commands.add_product("O", 1, 1, ["f1", "f2"], gate_lead_s=7_200))
    assert option(house, **fields) == reason
    assert house.state.options == {}


def test_its_gate_is_before_the_other_s_and_nothing_is_listed_yet_clr_opt_011(core):
    house = House(core(), people=("ann",))
    house.send(commands.add_product("O", 1, 1, ["f1", "f2"], gate_lead_s=900))
    assert option(house) == "MALFORMED"
    house.send(commands.add_product("N", 1, 1, ["f1", "f2"], gate_lead_s=7_200), commands.list_window("N", WINDOW))
    assert option(house, product="N") == "ALREADY_LISTED"
    house.send(commands.add_product("R", 1, 1, ["f1", "f2"], gate_lead_s=7_200))
    assert option(house, product="R") is None
    assert option(house, product="R", vol_ppm=900_000) is None  # A new volatility.
    assert option(house, underlying="R") == "NOT_CLEARED"


def test_variation_of_options_is_told(core):
    house = venue(core)
    price = house.core.mark(house.handle("O"))
    house.sell("bob", 10, price, product="O")
    house.buy("ann", 10, price, product="O")
    events = quote(house, 1_200)
    moved = {entry.owner: entry.micros for entry in house.entries(Cause.VARIATION, events=events)
             if entry.kind is Kind.COLLATERAL}  # fmt: skip
    assert moved["ann"] == -moved["bob"] == 10 * (worth(house, forward=1_200) - price)


@pytest.mark.parametrize(("right", "final", "held"), [("call", 1_300, -10), ("put", 700, 10), ("call", 900, 0)])
def test_the_options_of_an_estate_become_its_windows_clr_opt_010_clr_est_004(core, right, final, held):
    house = venue(core, right=right)
    price = house.core.mark(house.handle("O"))
    house.sell("bob", 10, price, product="O")
    house.buy("ann", 10, price, product="O")
    house.do("declare_default", account="bob")
    before = house.money("ann"), house.money("bob")
    house.at(-7_300, run=False)
    quote(house, final)
    house.at(-7_200, run=False)
    intrinsic = max(0, final - 1_000 if right == "call" else 1_000 - final)
    assert house.money("ann") - before[0] == 10 * (intrinsic - price)
    assert house.money("bob") - before[1] == -10 * (intrinsic - price)
    (case,) = house.state.cases.values()
    assert case.positions == ({house.handle(): held} if held else {})
    assert house.core.position(house.state.account, house.handle())[0] == held == -house.position("ann")
    assert house.core.balance(house.state.account) == 0
    house.run()
    assert house.total() == 0
