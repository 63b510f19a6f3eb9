"""Terms, the ledger and cases of the clearinghouse: whose money goes where, and that none is lost."""

import pytest
from e7 import before_the_failure
from house import DOLLARS, House

from exchange import commands
from exchange.clearing.ledger import SITG, STANDBY
from exchange.clearing.words import Cause, Kind, Level
from exchange.engine import Engine
from exchange.records import CommandType, EventType


def two(core, **more):
    return House(core(), people=("ann", "bob"), money=100 * DOLLARS, **more)


# Terms and runs.


def test_without_a_house_nothing_is_added_and_its_commands_are_refused_clr_trm_001(core):
    plain, other = Engine(core()), Engine(core())
    for engine in (plain, other):
        engine.apply(commands.add_product("P", 1, 1, ["f1"]) + commands.add_account("ann"), 1)
    assert plain.house.canonical() == b""
    run = plain.apply(commands.admin(CommandType.RUN_CLEARING, {}), 1)
    assert [int(event["reason"]) for event in run] == [251]
    assert plain.catalogue.accounts == other.catalogue.accounts


def test_the_house_opens_its_account_once_and_nobody_can_name_it_clr_trm_001(core):
    house = two(core)
    number = house.state.account
    assert house.engine.catalogue.account_name(number) == "clearinghouse"
    assert house.do("set_house", call_deadline_s=60) is None
    assert (house.state.account, house.state.terms.call_deadline_s) == (number, 60)
    assert house.do("set_house") is None
    assert house.state.terms.call_deadline_s == 3_600  # What is not given again has its default.
    assert house.do("transfer", account="clearinghouse", source="coll", target="bond", micros=1) == "NO_ACCOUNT"


@pytest.mark.parametrize(
    ("command", "fields", "reason"),
    [
        ("set_house", {"slice_ppm": 0}, "MALFORMED"),
        ("set_house", {"slice_ppm": 1_000_001}, "MALFORMED"),
        ("set_class", {"cls": "no blanks"}, "MALFORMED"),
        ("set_class", {"cls": "C", "units": 0}, "MALFORMED"),
        ("set_class", {"cls": "C", "range_ppm": -1}, "MALFORMED"),
        ("set_clearing", {"product": "P", "cls": "none"}, "NOT_CLEARED"),
        ("set_clearing", {"product": "none", "cls": "A"}, "NO_PRODUCT"),
        ("set_clearing", {"product": "P", "cls": "A", "cap_bps": 9_999}, "MALFORMED"),
        ("set_clearing", {"product": "P", "cls": "A", "heartbeat_s": 0}, "MALFORMED"),
    ],
)
def test_terms_out_of_range_are_refused_and_change_nothing_clr_trm_001(core, command, fields, reason):
    house = two(core)
    before = house.engine.house.canonical()
    assert house.do(command, **fields) == reason
    assert house.engine.house.canonical() == before


def test_a_second_run_at_one_time_finds_nothing_to_do_clr_run_001(core):
    house = before_the_failure(core())
    house.at(7_350)
    again = house.run()
    assert [EventType(event["type"]) for event in again] == [EventType.ACK]


def test_a_run_does_what_is_due_in_its_order_clr_run_001(core):
    """One late run begins the window, finds nobody there, looks for others, and takes the marks last."""
    house = House(core(), people=("prov", "ann", "sub"), money=100 * DOLLARS, house={"sitg_micros": 5})
    house.certify("prov", 1)
    house.certify("sub", 1)
    house.trade("prov", "ann", 1, 1_000)
    house.at(-60)
    house.standby("sub", 1, 1_100)
    house.core.pay(0, 5)
    house.core.pay_external(-5)
    causes = []
    for entry in house.entries(events=house.at(600)):
        if entry.cause not in causes:
            causes.append(entry.cause)
    assert causes == [Cause.ESCROW, Cause.WATERFALL, Cause.SURCHARGE, Cause.REFILL]


# The ledger.


def test_a_posting_is_told_on_both_sides_clr_led_001(core):
    house = two(core)
    house.do("transfer", account="ann", source="coll", target="bond", micros=30)
    assert house.entries() == [
        (Cause.TRANSFER, Kind.COLLATERAL, "ann", -30), (Cause.TRANSFER, Kind.BOND, "ann", 30),
    ]  # fmt: skip
    house.do("fund", kind="pool", cls="B", micros=7)
    assert house.entries() == [(Cause.FUNDING, Kind.EXTERNAL, 0, -7), (Cause.FUNDING, Kind.POOL, 2, 7)]


def test_the_sum_over_all_accounts_is_zero_after_every_command_clr_led_002(core):
    house = before_the_failure(core())
    assert house.total() == 0
    for seconds in (7_300, 7_350, 7_800, 12_000, 28_800, 29_100, 40_000):
        house.at(seconds)
        assert house.total() == 0


def test_no_purse_is_ever_overdrawn_clr_led_003(core):
    house = two(core)
    ledger = house.state.ledger
    house.do("fund", kind="sitg", micros=10)
    house.core.begin_rare()
    with pytest.raises(AssertionError, match="must hold from 0"):
        ledger.post(Cause.FUNDING, SITG, STANDBY, 11)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"source": "coll", "target": "bond", "micros": 100 * DOLLARS}, None),
        ({"source": "coll", "target": "bond", "micros": 100 * DOLLARS + 1}, "BALANCE"),
        ({"source": "bond", "target": "coll", "micros": 1}, "BALANCE"),
        ({"source": "coll", "target": "coll", "micros": 1}, "MALFORMED"),
        ({"source": "coll", "target": "sitg", "micros": 1}, "MALFORMED"),
        ({"source": "coll", "target": "fund", "micros": 0}, "MALFORMED"),
    ],
)
def test_transfers_within_what_is_free_clr_led_004(core, fields, reason):
    house = two(core)
    assert house.do("transfer", account="ann", **fields) == reason
    assert house.total() == 0


def test_what_backs_a_sale_is_not_free_clr_led_004(core):
    house = two(core)
    house.do("transfer", account="ann", source="coll", target="bond", micros=50 * DOLLARS)
    house.certify("ann", 4)
    house.trade("ann", "bob", 4, 1_000)
    assert house.do("transfer", account="ann", source="bond", target="coll", micros=1) == "BALANCE"
    house.run()
    required = house.core.requirement_sum(house.number("bob"))
    assert required > 0
    free = house.money("bob") - required
    assert house.do("transfer", account="bob", source="coll", target="bond", micros=free + 1) == "BALANCE"
    assert house.do("transfer", account="bob", source="coll", target="bond", micros=free) is None


def test_nothing_is_free_while_a_default_is_open_and_nothing_of_the_defaulter_clr_led_004(core):
    house = before_the_failure(core())
    house.do("transfer", account="ann", source="coll", target="fund", micros=9)
    house.at(7_350)
    assert house.state.cases
    assert house.do("transfer", account="ann", source="fund", target="coll", micros=9) == "BALANCE"
    assert house.do("transfer", account="prov", source="coll", target="bond", micros=1) == "DEFAULTED"


def test_the_house_is_funded_from_outside_clr_led_005(core):
    house = two(core)
    outside = house.core.external_balance()
    for kind, purse in (("sitg", Kind.SITG), ("standby", Kind.STANDBY)):
        assert house.do("fund", kind=kind, micros=11) is None
        assert house.purse(purse) == 11
    assert house.do("fund", kind="pool", cls="A", micros=12) is None
    assert house.purse(Kind.POOL, 1) == 12
    assert house.core.external_balance() == outside - 34
    assert house.do("fund", kind="pool", cls="none", micros=1) == "NOT_CLEARED"
    assert house.do("fund", kind="fees", micros=1) == "MALFORMED"
    assert house.do("fund", kind="sitg", micros=0) == "MALFORMED"
    assert house.do("recover", case=1, micros=1) == "NO_ORDER"
    assert house.total() == 0


# Cases.


def poor(core, *, funds=(), sitg=0, bond=0, money=0, **more):
    """A provider of 10 lots who has next to nothing; substitutes cost 500 above the price of 1,000."""
    people = ("prov", "ann", "sub", "m1", "m2")
    terms = {"hand_over_s": 0, "surcharge_bps": 0}
    house = unwatched(House(core(), people=people, money=10 * DOLLARS, terms=terms, house=DAILY, **more))
    house.certify("prov", 10)
    house.certify("sub", 10)
    for name, micros in (*funds, ("prov", 0)):
        if micros:
            house.do("transfer", account=name, source="coll", target="fund", micros=micros)
    if sitg:
        house.do("fund", kind="sitg", micros=sitg)
    if bond:
        house.do("transfer", account="prov", source="coll", target="bond", micros=bond)
    house.trade("prov", "ann", 10, 1_000)
    house.send(commands.withdraw(house.number("prov"), house.money("prov") - money))
    house.at(-60)
    house.standby("sub", 10, 1_500)
    house.at(0)
    return house


DAILY = {"mark_interval_s": 86_400}


def unwatched(house):
    """Take the day's marks an hour before delivery, so that nobody is called for margin till it has ended."""
    house.at(-3_600)
    return house


def test_a_case_begins_pays_and_ends_clr_case_001(core):
    house = poor(core, bond=2_000, money=5_000)
    events = house.at(300)
    assert house.cases()[0] == (1, "UNIT", "prov")
    # 10 lots, 500 above, 3,300 of 3,600 seconds: 4,583.33, rounded up with the price.
    assert house.layers() == [("L1", "C2", "prov", 2_000), ("L2", "C2", "prov", 2_584)]
    assert house.purse(Kind.ESTATE, 1) == 4_584
    told = [event for event in events if event["type"] == EventType.LAYER]
    assert [int(event["match_id"]) for event in told] == [1, 1]
    assert house.total() == 0


def test_the_layers_of_a_case_in_order_clr_case_002(core):
    house = poor(core, funds=(("prov", 600), ("m1", 1_000), ("m2", 500)), sitg=400, bond=500, money=1_000)
    house.at(300)
    paid = house.layers()
    assert paid[:4] == [("L1", "C2", "prov", 500), ("L2", "C2", "prov", 1_000), ("L3", "C2", "prov", 600),
                        ("L4", "C2", 0, 400)]  # fmt: skip
    # Survivors by their shares, then assessed by their shares.
    assert paid[4:] == [("L6", "C2", "m1", 1_000), ("L6", "C2", "m2", 500), ("L7", "C2", "m1", 389),
                        ("L7", "C2", "m2", 195)]  # fmt: skip
    assert sum(one[3] for one in paid) == 4_584
    assert house.total() == 0


def test_accounts_without_a_share_and_those_in_default_never_pay_for_others_clr_case_002(core):
    house = poor(core, funds=(("m1", 3_000), ("m2", 3_000)))
    house.do("declare_default", account="m2")
    house.at(300)
    assert {payer for _, _, payer, _ in house.layers()} == {"m1"}
    assert (house.money("m2", Kind.FUND), house.money("sub", Kind.FUND)) == (3_000, 0)


def test_unpaid_claims_are_told_and_paid_from_recoveries_clr_case_003_clr_case_004(core):
    terms = {"hand_over_s": 0, "deductible_s": 0}
    house = unwatched(House(core(), people=("prov", "ann", "m1"), money=10 * DOLLARS, terms=terms, house=DAILY))
    house.certify("prov", 10)
    house.wish("ann", cover=True, restart_s=720, checkpoint_s=0)
    house.do("transfer", account="m1", source="coll", target="fund", micros=800)
    house.trade("prov", "ann", 10, 1_000)
    house.send(commands.withdraw(house.number("prov"), house.money("prov")))
    house.at(0)
    events = house.at(300)
    assert house.layers() == [("L6", "C3", "m1", 800)]  # 10 lots, 720 s: 2,000.
    claims = [
        (house.name(event["account"]), int(event["amount"])) for event in events if event["type"] == EventType.CLAIM
    ]
    assert claims == [("ann", 1_200)]
    number = 1
    before = house.money("ann")
    assert house.do("recover", case=number, micros=1_500) is None
    assert house.money("m1", Kind.FUND) == 800  # Who has paid comes first, then who is still owed.
    assert house.money("ann") - before == 700
    before = house.money("prov")
    assert house.do("recover", case=number, micros=600) is None
    assert house.money("prov") - before == 100  # What nobody else is owed.
    assert house.do("recover", case=number, micros=1) == "NO_ORDER"
    assert house.total() == 0


def test_what_was_gathered_and_not_spent_goes_back_clr_case_004(core):
    """The substitute never comes: what was put aside for him is the provider's again, whose default it was not."""
    house = poor(core, bond=2_000, money=5_000)
    house.at(300)
    had = house.money("prov")
    events = house.at(3_600 + 300)
    released = [entry for entry in house.entries(Cause.RELEASE, events=events) if entry.owner == "prov"]
    assert sum(entry.micros for entry in released) == house.money("prov") - had > 0
    assert house.purse(Kind.ESTATE, 1) == 0
    assert house.total() == 0


def test_sitg_is_refilled_out_of_fees_clr_case_005(core):
    house = two(core, house={"sitg_micros": 100}, product={"taker_fee_ppm": 100_000})
    house.sell("ann", 1, 500)
    house.buy("bob", 1, 500)
    assert house.core.balance(0) == 50
    house.run()
    assert (house.purse(Kind.SITG), house.core.balance(0)) == (50, 0)
    house.sell("ann", 2, 500)
    house.buy("bob", 2, 500)
    house.run()
    assert (house.purse(Kind.SITG), house.core.balance(0)) == (100, 50)


def test_the_defaulter_is_marked_and_can_take_nothing_out(core):
    house = two(core)
    house.do("declare_default", account="ann")
    assert house.level("ann") is Level.DEFAULTED
    assert house.answer(house.send(commands.withdraw(house.number("ann"), 1))) == "BALANCE"
    assert house.do("declare_default", account="ann") == "DEFAULTED"

