"""Firm offers to the balancing market (MKT-033 of docs/spec/windows.md)."""

import pytest
from venue import NUMBER, Venue, moment_ns, oid_of

from exchange import commands
from exchange.reasons import DoneReason

FIRM = {"flags": 32 | 64}


def market(core, **terms):
    """One window behind its gate; ann and bob may deliver 20 lots in it, in a fabric each."""
    venue = Venue(core(), fabrics=["f1", "f2"], start_s=-9_000, balancing_s=3_300, **terms)
    venue.certify("ann", 20)
    venue.certify("bob", 20, fabric="f2")
    venue.time(-900)
    return venue


@pytest.mark.parametrize(("terms", "reason"), [
    ({"flags": 96}, "ack"),
    ({"flags": 100}, "ack"),
    ({"flags": 64}, "MALFORMED"),
    ({"flags": 64 | 16}, "MALFORMED"),
    ({"flags": 64 | 4}, "MALFORMED"),
    ({"flags": 97}, "MALFORMED"),
    ({"flags": 112}, "MALFORMED"),
    ({"flags": 96 | 128}, "MALFORMED"),
    ({"flags": 96, "display": 1}, "MALFORMED"),
    ({"flags": 96, "tif": 3, "expiry_ns": moment_ns(99)}, "MALFORMED"),
])  # fmt: skip
def test_what_a_firm_offer_may_be_mkt_033(core, terms, reason):
    answer = market(core).sell("ann", 2, 100, **terms)[0]
    assert answer.split()[0 if reason == "ack" else -1] == reason


def test_other_commands_take_no_firm_flag_mkt_033(core):
    venue = market(core)
    assert venue.buy("ann", 2, 100, **FIRM) == ["reject ann #1 MALFORMED"]
    venue.sell("ann", 2, 100, flags=32)
    assert venue.replace("ann", "o0", 2, 90, flags=64) == ["reject ann #3 MALFORMED"]
    assert venue.block("ann", 1, 2, 100, hours=2, flags=64) == ["reject ann #4 MALFORMED"]
    assert venue.quote("ann", (3, 90, 1, 100, 1, 0, 0, 64))[0].startswith("reject ann i3 #5 MALFORMED")


def test_owner_cannot_take_a_firm_offer_back_mkt_033(core):
    venue = market(core)
    venue.sell("ann", 5, 100, **FIRM)
    assert venue.cancel("ann", "o0") == ["reject ann #2 WINDOW_CLOSED"]
    assert venue.do(commands.cancel_ref(1, venue.ref("ann"), 1)) == ["reject ann #3 WINDOW_CLOSED"]
    for lots, price in ((3, 100), (5, 90), (9, 100), (9, 110)):
        assert venue.replace("ann", "o0", lots, price)[0].endswith(" WINDOW_CLOSED")
    assert venue.do(commands.replace_ref(1, venue.ref("ann"), 1, 100, 3)) == ["reject ann #8 WINDOW_CLOSED"]
    assert venue.mass_cancel("ann") == ["ack ann #9"]
    assert venue.core.resting(1, 1) == [(oid_of("o0"), 100, 5, NUMBER["ann"], True, True)]


def test_others_cannot_even_name_it_mkt_033(core):
    venue = market(core)
    venue.sell("ann", 5, 100, **FIRM)
    assert venue.cancel("bob", "o0") == ["reject bob #1 NO_ORDER"]
    assert venue.replace("bob", "o0", 5, -1) == ["reject bob #2 PX_TICK"]


def test_replace_of_a_firm_offer_is_looked_through_first_mkt_033(core):
    venue = market(core)
    venue.sell("ann", 5, 100, **FIRM)
    assert venue.replace("ann", "o0", 5, -1) == ["reject ann #2 PX_TICK"]
    assert venue.replace("ann", "o0", 0, 100) == ["reject ann #3 QTY_LOT"]


@pytest.mark.parametrize("every", [False, True])
def test_lost_session_leaves_firm_offers_mkt_033(core, every):
    venue = market(core)
    venue.sell("ann", 5, 100, flags=100)
    venue.sell("ann", 5, 101, flags=36)
    assert venue.do(commands.session_lost(1, 0, every=every)) == ["done ann #2 o1 COD sell 5@101"]


def test_mass_cancel_counts_what_it_ends_mkt_033(core):
    venue = market(core)
    venue.sell("ann", 5, 100, **FIRM)
    venue.sell("ann", 6, 101, flags=32)
    venue.sell("ann", 7, 102, **FIRM)
    assert venue.mass_cancel("ann", instrument=1) == ["ack ann #4 lots=1", "done ann #2 o1 USER sell 6@101"]


def test_firm_offer_is_bought_like_any_other_mkt_033(core):
    venue = market(core)
    venue.sell("ann", 5, 100, **FIRM)
    assert venue.balance_buy("dan", 3, 100)[1:] == [
        "fill ann #1 o0 balance sell 3@100 cum=3 leaves=2 m1",
        "fill dan taker balance buy 3@100 cum=3 m1",
        "trade balance 3@100 m1",
    ]
    assert venue.replace("ann", "o0", 3, 100) == ["reject ann #2 WINDOW_CLOSED"]
    assert venue.balance_buy("dan", 3, 100)[1] == "fill ann #1 o0 balance sell 2@100 cum=5 m2"
    assert venue.cancel("ann", "o0") == ["reject ann #3 NO_ORDER"]


def test_firm_offer_ends_with_the_balancing_market_mkt_033(core):
    venue = market(core)
    venue.sell("ann", 5, 100, **FIRM)
    assert "done ann #1 o0 GATE sell 5@100" in venue.time(3_300)


def test_firm_offer_ends_with_its_capacity_mkt_033(core):
    venue = market(core)
    venue.sell("ann", 5, 100, **FIRM)
    venue.sell("ann", 5, 101, **FIRM)
    assert venue.clear(lambda core: core.certify(1, 1, 7)) == ["done ann #2 o1 CAPACITY sell 5@101"]


def test_clearinghouse_ends_firm_offers_mkt_033(core):
    venue = market(core)
    venue.sell("ann", 5, 100, **FIRM)
    assert venue.clear(lambda core: core.end_orders(1, DoneReason.DEFAULT, 1)) == [
        "done ann #1 o0 DEFAULT sell 5@100"
    ]


def test_slot_of_a_firm_offer_is_no_firm_one_for_ever_mkt_033(core):
    venue = market(core)
    venue.sell("ann", 5, 100, **FIRM)
    venue.clear(lambda core: core.end_orders(1, DoneReason.DEFAULT))
    venue.sell("ann", 5, 100, flags=32)
    assert venue.core.resting(1, 1)[0][5] is False
    assert venue.cancel("ann", "o0.2")[0].startswith("ack")


def test_firm_is_part_of_the_state_mkt_033(core):
    dumps = []
    for flags in (32, 96):
        venue = market(core)
        venue.sell("ann", 5, 100, flags=flags)
        dumps.append(venue.core.dump())
    words = [tuple(int.from_bytes(dump[at : at + 8], "little") for at in range(0, len(dump), 8)) for dump in dumps]
    assert [(one, other) for one, other in zip(*words, strict=True) if one != other] == [(128, 192)]
