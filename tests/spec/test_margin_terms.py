"""Add-ons, credits, kept balances and prepaid accounts (ACC-007, RSK-007 to RSK-009 of docs/spec/accounts.md)."""

import pytest
from block_market import market, offer
from hypothesis import given
from hypothesis import strategies as st
from venue import NUMBER, WINDOW, Venue, line, oid_of

from exchange import commands
from exchange.reference import ReferenceCore
from exchange.units import MONEY_MAX

ANN, BOB = NUMBER["ann"], NUMBER["bob"]


def terms(venue, name="ann", **change):
    """Change some of an account's margin terms."""
    addon, credit, keep = venue.core.margin_terms(NUMBER[name])
    given_terms = {"addon": addon, "credit": credit, "keep": keep} | change
    assert venue.clear(lambda core: core.set_margin(NUMBER[name], **given_terms)) == []


# What is kept.


def test_withdrawal_leaves_what_is_kept_acc_007(venue):
    venue.deposit("ann", 500)
    terms(venue, keep=200)
    assert venue.do(commands.withdraw(ANN, 301)) == ["reject ann BALANCE"]
    assert venue.do(commands.withdraw(ANN, 300)) == ["ack ann", "account ann amount=200"]


def test_the_larger_of_kept_and_required_counts_acc_007(venue):
    venue.deposit("ann", 500)
    terms(venue, keep=200, addon=250)
    assert venue.do(commands.withdraw(ANN, 251)) == ["reject ann BALANCE"]
    assert venue.do(commands.withdraw(ANN, 250))[0] == "ack ann"


def test_credit_is_not_paid_out_of_what_is_kept_acc_007(venue):
    venue.deposit("ann", 500)
    terms(venue, keep=100, addon=300, credit=250)
    assert venue.do(commands.withdraw(ANN, 401)) == ["reject ann BALANCE"]
    assert venue.do(commands.withdraw(ANN, 400))[0] == "ack ann"


def test_kept_balance_does_not_bind_orders_acc_007(venue):
    venue.deposit("ann", 500)
    venue.rates(50, 50)
    terms(venue, keep=500)
    assert venue.buy("ann", 10, 100)[0].startswith("ack")


@pytest.mark.parametrize("change", [{"addon": -1}, {"credit": -1}, {"keep": -1}, {"keep": MONEY_MAX + 1}])
def test_terms_out_of_range_change_nothing_acc_007(venue, change):
    before = venue.core.dump()
    with pytest.raises(ValueError, match="must be from 0 to"):
        venue.core.set_margin(ANN, **{"addon": 1, "credit": 1, "keep": 1} | change)
    assert venue.core.dump() == before


def test_terms_of_nobody_acc_007(venue):
    for act in (lambda core: core.set_margin(6, 0, 0, 0), lambda core: core.margin_terms(6)):
        with pytest.raises(ValueError, match="account must be below 6"):
            act(venue.core)


def test_terms_are_part_of_the_state_acc_007(venue):
    hashes = {venue.engine.state_hash()}
    for change in ({"addon": 7}, {"credit": 7}, {"keep": 7}):
        venue.core.set_margin(ANN, **{"addon": 0, "credit": 0, "keep": 0} | change)
        hashes.add(venue.engine.state_hash())
    venue.core.set_margin(ANN, 0, 0, 0)
    venue.core.set_prepaid(ANN, True)
    hashes.add(venue.engine.state_hash())
    assert len(hashes) == 5


def test_account_without_terms_is_dumped_as_before_there_were_any_acc_007(core):
    bare = core()
    size = len(bare.dump())
    bare.add_account(1, 1, True)
    assert len(bare.dump()) == size + 5 * 8
    bare.set_margin(1, 0, 0, 9)
    assert len(bare.dump()) == size + 8 * 8
    bare.set_margin(1, 0, 0, 0)
    assert len(bare.dump()) == size + 5 * 8


# Add-on.


def test_addon_counts_in_the_sum_of_requirements_rsk_007(venue):
    venue.deposit("ann", 500)
    venue.rates(50, 50)
    terms(venue, addon=300)
    assert venue.core.requirement_sum(ANN) == 300
    assert venue.buy("ann", 5, 100) == ["reject ann #1 MARGIN"]
    assert venue.buy("ann", 4, 100)[0].startswith("ack")
    assert venue.core.requirement_sum(ANN) == 500
    terms(venue, addon=100)
    assert venue.core.requirement_sum(ANN) == 300
    assert venue.core.position(ANN, 1)[3] == 200


def test_addon_does_not_bind_what_adds_no_risk_rsk_007(venue):
    venue.deposit("ann", 500)
    venue.sell("bob", 9, 100)
    venue.buy("ann", 9, 100)
    venue.rates(50, 50)
    terms(venue, addon=10_000)
    assert venue.sell("ann", 9, 100)[0].startswith("ack")
    assert venue.buy("ann", 1, 90) == ["reject ann #3 MARGIN"]


def test_addon_binds_blocks_rsk_007(core):
    venue = market(core)
    venue.deposit("ann", 500)
    terms(venue, addon=201)
    for hour in range(3):
        venue.rates(50, 50, start=WINDOW + hour)
    assert venue.block("ann", 0, 2, 0) == ["reject ann #1 MARGIN"]
    terms(venue, addon=200)
    assert venue.block("ann", 0, 2, 0)[0].startswith("ack")


# Credit.


def test_credit_is_added_to_what_is_free_rsk_008(venue):
    venue.deposit("ann", 500)
    venue.rates(50, 50)
    terms(venue, credit=100)
    assert venue.buy("ann", 13, 100) == ["reject ann #1 MARGIN"]
    assert venue.buy("ann", 12, 100)[0].startswith("ack")
    assert venue.core.margin_terms(ANN) == (0, 100, 0)  # A resting order does not void it.


def test_credit_frees_blocks_too_rsk_008(core):
    venue = market(core)
    venue.deposit("ann", 500)
    for hour in range(3):
        venue.rates(50, 50, start=WINDOW + hour)
    terms(venue, credit=99)
    assert venue.block("ann", 0, 4, 0) == ["reject ann #1 MARGIN"]
    terms(venue, credit=100)
    assert venue.block("ann", 0, 4, 0)[0].startswith("ack")


def credited(venue, *names):
    for name in names:
        terms(venue, name, credit=70, addon=5, keep=9)


def left(venue, *names):
    return [venue.core.margin_terms(NUMBER[name]) for name in names]


SPENT, KEPT = (5, 0, 9), (5, 70, 9)


def test_fill_voids_the_credit_of_both_sides_rsk_008(venue):
    credited(venue, "ann", "bob", "cat")
    venue.sell("ann", 5, 100)
    venue.buy("bob", 2, 100)
    assert left(venue, "ann", "bob", "cat") == [SPENT, SPENT, KEPT]


def test_fill_of_a_quote_voids_the_credit_rsk_008(venue):
    credited(venue, "ann", "bob")
    venue.quote("ann", (1, 90, 5, 110, 5))
    venue.sell("bob", 1, 90)
    assert left(venue, "ann", "bob") == [SPENT, SPENT]


def test_credit_is_void_for_the_rest_of_the_command_too_rsk_008(venue):
    venue.mark(100)
    venue.deposit("ann", 100)
    venue.rates(50, 0)
    terms(venue, credit=1_000)
    venue.sell("bob", 3, 100)
    venue.quote("ann", (1, 100, 3, 120, 1))  # Its bid trades at once; its ask adds nothing.
    assert venue.quote("ann", (1, 90, 3, 0, 0))[-1] == "reject ann quote MARGIN buy 0@90"


def test_uncross_voids_the_credit_of_both_sides_rsk_008(core):
    venue = Venue(core(), preclose_s=300, start_s=-1_000)
    credited(venue, "ann", "bob", "cat")
    venue.sell("ann", 5, 100)
    venue.buy("bob", 2, 100)
    venue.buy("cat", 2, 90)
    assert left(venue, "ann", "bob", "cat") == [KEPT] * 3
    venue.time(-900)
    assert left(venue, "ann", "bob", "cat") == [SPENT, SPENT, KEPT]


def test_blocks_void_the_credit_rsk_008(core):
    venue = market(core)
    credited(venue, "ann", "bob", "cat", "dan")
    offer(venue, [(2, 100)], [(2, 100)], [(2, 100)])
    venue.block("bob", 0, 2, 300)
    assert left(venue, "ann", "bob") == [SPENT, SPENT]
    venue.block("cat", 1, 2, 300)
    venue.block("dan", 0, 2, 300)
    assert left(venue, "cat", "dan") == [SPENT, SPENT]


def test_buy_in_voids_the_credit_rsk_008(core):
    venue = Venue(core(), start_s=-9_000)
    venue.certify("ann", 9)
    venue.sell("bob", 5, 100)
    venue.buy("cat", 5, 100)
    venue.sell("ann", 5, 100, flags=16)
    credited(venue, "ann", "bob", "cat")
    venue.time(-900)
    assert left(venue, "ann", "bob", "cat") == [SPENT, SPENT, KEPT]


@pytest.mark.parametrize("at_mark", [False, True])
def test_hit_voids_the_credit_rsk_008(venue, at_mark):
    venue.sell("ann", 5, 100)
    credited(venue, "ann", "bob", "cat")
    venue.clear(lambda core: core.hit(oid_of("o0"), 1, BOB, 0, at_mark=at_mark))
    assert left(venue, "ann", "bob", "cat") == [SPENT, SPENT, KEPT]


def test_moved_lots_void_the_credit_rsk_008(venue):
    credited(venue, "ann", "bob", "cat")
    venue.clear(lambda core: core.move_lots(1, ANN, BOB, 1))
    assert left(venue, "ann", "bob", "cat") == [SPENT, SPENT, KEPT]


def test_prevented_self_match_leaves_the_credit_rsk_008(venue):
    credited(venue, "ann", "ann2")
    venue.sell("ann", 5, 100)
    venue.buy("ann2", 5, 100, stp=3)
    assert left(venue, "ann", "ann2") == [KEPT, KEPT]


# Prepaid accounts.


def prepaid(core, money=1_000, mark=100, **more):
    """ann is prepaid and has some money; a tick on a lot is 2."""
    venue = Venue(core(), lot_scu=2, **more)
    venue.core.set_prepaid(ANN, True)
    venue.deposit("ann", money)
    if mark is not None:
        venue.mark(mark)
    return venue


def test_prepaid_account_pays_in_full_rsk_009(core):
    venue = prepaid(core)
    assert venue.buy("ann", 6, 100) == ["reject ann #1 MARGIN"]
    assert venue.buy("ann", 5, 100)[0].startswith("ack")
    assert venue.position("ann") == (0, 5, 0, 1_000)


def test_what_is_above_the_mark_is_paid_in_full_too_rsk_009(core):
    venue = prepaid(core, 1_099)
    assert venue.buy("ann", 5, 110) == ["reject ann #1 MARGIN"]
    venue.deposit("ann", 1)
    assert venue.buy("ann", 5, 110)[0].startswith("ack")
    venue.sell("bob", 5, 110)
    assert (venue.balance("ann"), venue.core.requirement_sum(ANN)) == (1_000, 1_000)


def test_larger_long_rate_counts_rsk_009(core):
    venue = prepaid(core)
    venue.rates(250, 0)
    assert venue.buy("ann", 5, 100) == ["reject ann #1 MARGIN"]
    assert venue.buy("ann", 4, 100)[0].startswith("ack")
    venue.rates(150, 0)
    assert venue.position("ann")[3] == 4 * 200


def test_instrument_without_mark_is_not_for_prepaid_accounts_rsk_009(core):
    venue = prepaid(core, mark=None)
    assert venue.buy("ann", 1, 0) == ["reject ann #1 MARGIN"]
    assert venue.sell("ann", 1, 0) == ["reject ann #2 MARGIN"]
    assert venue.buy("bob", 1, 0)[0].startswith("ack")


def test_prepaid_account_is_never_short_rsk_009(core):
    venue = prepaid(core)
    assert venue.sell("ann", 1, 100) == ["reject ann #1 MARGIN"]
    venue.buy("ann", 5, 100)
    assert venue.sell("ann", 1, 120) == ["reject ann #3 MARGIN"]  # What is bid for is not had.
    venue.sell("bob", 5, 100)
    assert venue.sell("ann", 3, 120)[0].startswith("ack")
    assert venue.sell("ann", 3, 130) == ["reject ann #5 MARGIN"]
    assert venue.sell("ann", 2, 130)[0].startswith("ack")
    assert venue.position("ann") == (5, 0, 5, 1_000)


def test_replaced_orders_of_a_prepaid_account_rsk_009(core):
    venue = prepaid(core, 1_400)
    venue.buy("ann", 5, 100)
    assert venue.replace("ann", "o0", 8, 100) == ["reject ann #2 MARGIN"]
    assert venue.replace("ann", "o0", 7, 100)[0].startswith("ack")
    venue.sell("bob", 7, 100)
    venue.sell("ann", 5, 120)
    assert venue.replace("ann", "o1.2", 8, 120) == ["reject ann #5 MARGIN"]
    assert venue.replace("ann", "o1.2", 7, 121)[0].startswith("ack")


def test_quotes_of_a_prepaid_account_rsk_009(core):
    venue = prepaid(core)
    venue.buy("ann", 2, 100)
    venue.sell("bob", 2, 100)
    events = venue.quote("ann", (1, 90, 3, 120, 3))
    assert events[1:] == ["ack ann o1.2 quote buy 3@90 leaves=3", "reject ann quote MARGIN sell 0@120"]
    assert venue.quote("ann", (1, 90, 3, 120, 2))[-1] == "ack ann o0.2 quote sell 2@120 leaves=2"


def test_prepaid_account_without_money_can_do_nothing_rsk_009(core):
    venue = Venue(core())
    venue.mark(100)
    venue.core.set_prepaid(ANN, True)  # Not margined, and the rates are 0.
    assert venue.buy("ann", 1, 100) == ["reject ann #1 MARGIN"]


def prepaid_blocks(core, money):
    venue = market(core)
    venue.core.set_prepaid(ANN, True)
    venue.deposit("ann", money)
    for hour in range(3):
        venue.mark(100 + hour, start=WINDOW + hour)
    return venue


def test_blocks_of_a_prepaid_account_are_paid_in_full_rsk_009(core):
    venue = prepaid_blocks(core, 605)
    assert venue.block("ann", 0, 2, 303) == ["reject ann #1 MARGIN"]
    venue.deposit("ann", 1)
    assert venue.block("ann", 0, 2, 303)[0].startswith("ack")
    assert venue.core.requirement_sum(ANN) == 606
    offer(venue, [(2, 100)], [(2, 103)], [(2, 100)], name="bob")
    assert venue.position("ann")[0] == 2
    assert venue.balance("ann") == 606
    assert venue.core.requirement_sum(ANN) == 606


def test_block_needs_marks_for_a_prepaid_account_rsk_009(core):
    venue = market(core)
    venue.core.set_prepaid(ANN, True)
    venue.deposit("ann", 10_000)
    for hour in (0, 2):
        venue.mark(100, start=WINDOW + hour)
    assert venue.block("ann", 0, 1, 0) == ["reject ann #1 MARGIN"]
    venue.mark(100, start=WINDOW + 1)
    assert venue.block("ann", 0, 1, 0)[0].startswith("ack")


def test_block_sale_of_a_prepaid_account_is_of_what_it_holds_rsk_009(core):
    venue = prepaid_blocks(core, 10_000)
    for hour, lots in ((0, 4), (1, 3), (2, 5)):
        offer(venue, *([[]] * hour), [(lots, 100)], name="bob")
        venue.do(venue.order("ann", 0, lots, 100, instrument=1 + 2 * hour))
    assert venue.block("ann", 1, 4, 400) == ["reject ann #4 MARGIN"]
    (oid,) = (int(event["oid"]) for event in venue.run(venue.block_order("ann", 1, 3, 400)) if event["oid"])
    assert venue.sell("ann", 1, 200, instrument=3) == ["reject ann i3 #6 MARGIN"]  # It is offered in the block.
    assert venue.sell("ann", 1, 200)[0].startswith("ack")
    assert venue.replace("ann", oid, 3, 401)[0].startswith("ack")


def test_account_is_evaluated_when_it_becomes_prepaid_rsk_009(core):
    venue = Venue(core())
    venue.sell("bob", 5, 100)
    venue.buy("ann", 5, 100)
    venue.rates(30, 30)
    assert venue.core.requirement_sum(ANN) == 150
    venue.core.set_prepaid(ANN, True)
    assert (venue.core.requirement_sum(ANN), venue.position("ann")[3], venue.core.is_prepaid(ANN)) == (500, 500, True)
    venue.core.set_prepaid(ANN, False)
    assert (venue.core.requirement_sum(ANN), venue.core.is_prepaid(ANN)) == (150, False)


def test_short_of_an_account_that_becomes_prepaid_may_be_bought_back_rsk_009(core):
    venue = Venue(core())
    venue.sell("ann", 5, 100)
    venue.buy("bob", 5, 100)
    venue.core.set_prepaid(ANN, True)
    venue.deposit("ann", 1_000)
    assert venue.sell("ann", 1, 100) == ["reject ann #2 MARGIN"]
    assert venue.buy("ann", 5, 100)[0].startswith("ack")


def test_nobody_is_not_prepaid_rsk_009(venue):
    for act in (lambda core: core.set_prepaid(6, True), lambda core: core.is_prepaid(6)):
        with pytest.raises(ValueError, match="account must be below 6"):
            act(venue.core)


def test_prepaid_is_a_field_of_add_account_rsk_009(core):
    venue = Venue(core())
    assert venue.do(commands.admin(221, {"account": "eve", "prepaid": 1})) == ["reject MALFORMED"]
    venue.run(commands.add_account("eve", prepaid=True), commands.add_account("fay"))
    assert [venue.core.is_prepaid(number) for number in (6, 7)] == [True, False]


def test_record_of_an_account_that_is_not_prepaid_is_as_before_rsk_009():
    assert commands.add_account("ann", prepaid=False) == commands.add_account("ann")
    assert b"prepaid" not in commands.add_account("ann")
    assert commands.add_account("ann", prepaid=True).rstrip(b"\0").endswith(b"\xa7prepaid\xc3")


def test_largest_contract_in_full_rsk_009(core):
    venue = Venue(core(), lot_scu=1 << 20, tick_micros=1 << 20)
    venue.core.set_prepaid(ANN, True)
    venue.deposit("ann", 1 << 52)
    venue.mark(1 << 30)  # A lot costs 2^70.
    assert venue.buy("ann", 1, 0) == ["reject ann #1 MARGIN"]
    venue.clear(lambda core: core.move_lots(1, BOB, ANN, 1))
    assert venue.position("ann")[3] == MONEY_MAX


@given(
    marks=st.lists(st.integers(0, 500), min_size=1, max_size=6),
    trades=st.lists(st.tuples(st.booleans(), st.integers(1, 9), st.integers(0, 300)), max_size=8),
    rate=st.integers(0, 400),
)
def test_marks_change_nothing_for_a_prepaid_account_rsk_009(marks, trades, rate):
    """What the mark takes from the balance it takes from the requirement; a rate is not above the lot's value."""
    venue = Venue(ReferenceCore(), lot_scu=2)
    venue.core.set_prepaid(ANN, True)
    venue.deposit("ann", 5_000)
    venue.mark(marks[0])
    venue.rates(min(rate, *(2 * mark for mark in marks)), 0)
    for is_sale, lots, price in trades:
        venue.do(venue.order("bob", int(not is_sale), lots, price))
        venue.do(venue.order("ann", int(is_sale), lots, price, tif=1))
        venue.mass_cancel("bob")
    before = venue.balance("ann") - venue.core.requirement_sum(ANN)
    assert before >= 0
    assert venue.position("ann")[0] >= 0
    for mark in marks:
        venue.mark(mark)
        assert venue.balance("ann") - venue.core.requirement_sum(ANN) == before


def test_prepaid_account_is_not_refused_what_it_paid_for_rsk_009(core):
    """The example of the buyer whose mark falls by 60 %: nothing is called."""
    venue = prepaid(core, 2_000, start_s=-9_000)
    venue.buy("ann", 10, 100)
    venue.sell("bob", 10, 100)
    events = venue.run(commands.set_mark("P", WINDOW, px=40))
    assert [line(event) for event in events] == ["ack lots=1"]
    assert (venue.balance("ann"), venue.core.requirement_sum(ANN)) == (800, 800)
    assert venue.sell("ann", 10, 40)[0].startswith("ack")
