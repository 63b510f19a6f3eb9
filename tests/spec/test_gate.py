"""What a gate does, what is behind it, and the windows that roll on (MKT-007 to MKT-009)."""

from venue import WINDOW, Venue, moment_ns

from exchange import commands
from exchange.engine import Engine
from exchange.records import Phase
from exchange.units import HOUR_NS, WINDOW_MAX

DAY_S = 16 * 3_600  # Window 1000 is the hour from 16:00: its UTC day begins so many seconds before S.
CALLS = {"open_lead_s": 3_600, "open_call_s": 600, "preclose_s": 300, "balancing_s": 3_300}
SHORT = {"open_call_s": 600, "preclose_s": 300}


def phase(venue, instrument=1):
    return Phase(venue.core.phase(instrument)).name


def test_order_of_things_at_the_gate_mkt_007(core):
    venue = Venue(core(), count=2, start_s=-9_000, preclose_s=300)
    venue.certify("ann", 9, count=2)
    venue.sell("ann", 4, 110, flags=16)
    venue.block("dan", 0, 3, 190, hours=2)
    venue.sell("bob", 2, 100)  # A financial short.
    venue.buy("cat", 2, 100)
    venue.time(-1_200)
    venue.buy("cat", 1, 111)
    venue.buy("dan", 1, 90)
    venue.buy("dan", 1, 91)
    venue.sell("bob", 1, 120)
    assert venue.time(-900) == [
        "fill cat #2 o1.2 call buy 1@110 cum=1 m2",
        "fill ann #1 o0 call sell 1@110 cum=1 leaves=3 m2",
        "trade call 1@110 m2",
        "fill ann #1 o0 balance sell 2@110 cum=3 leaves=1 m3",
        "fill bob taker balance buy 2@110 cum=2 m3",
        "trade balance 2@110 m3",
        "bought_in bob lots=2",
        "done dan #3 o2.2 GATE buy 1@91",
        "done dan #2 o3.2 GATE buy 1@90",
        "done ann #1 o0 GATE sell 1@110 cum=3",
        "done bob #2 o4 GATE sell 1@120",
        "status GATED next=S+0s",
        "assigned cat nodes 0 to 2 from ann",
        "assigned ann nodes 0 to 2 to cat",
    ]


def test_blocks_end_behind_the_orders_of_the_gate_mkt_007(core):
    venue = Venue(core(), count=2, start_s=-9_000)
    venue.block("dan", 0, 3, 190, hours=2)
    venue.block("cat", 0, 3, 195, hours=2)
    venue.sell("ann", 4, 110)
    venue.sell("ann", 4, 110, instrument=2)
    assert venue.time(-900) == [
        "done ann #1 o2 GATE sell 4@110",
        "done dan #1 o0 block GATE buy 3@190 f1 +2h",
        "done cat #1 o1 block GATE buy 3@195 f1 +2h",
        "status GATED next=S+0s",
    ]


def test_gate_of_a_late_time_comes_at_its_place_mkt_007(core):
    venue = Venue(core(), count=2, start_s=-9_000)
    for instrument in (1, 2):
        venue.sell("ann", 1, 100, instrument=instrument)
        venue.buy("bob", 1, 100, instrument=instrument)
    assert venue.time(9_000) == [
        "bought_in ann leaves=1",
        "status GATED next=S+0s",
        "assigned bob no nodes for 1",
        "status DELIVERING next=S+4500s",
        "bought_in ann i2 leaves=1",
        "status i2 GATED next=S+3600s",
        "assigned bob i2 no nodes for 1",
        "status i2 DELIVERING next=S+8100s",
        "status SETTLED",
        "status i2 SETTLED",
    ]


def test_commands_behind_a_gate_with_holders_are_executed_mkt_007(core):
    venue = Venue(core(), count=2, start_s=-9_000)
    venue.sell("ann", 1, 100)
    venue.buy("bob", 1, 100)
    assert venue.do(
        commands.time(moment_ns(-900)), venue.order("cat", 0, 1, 50, instrument=2), commands.add_account("ann"),
        commands.time(moment_ns(4_500)), venue.order("cat", 0, 1, 50),
    ) == [
        "bought_in ann leaves=1",
        "status GATED next=S+0s",
        "assigned bob no nodes for 1",
        "ack cat i2 #1 o1.2 buy 1@50 leaves=1",
        "reject NAME_IN_USE",
        "status DELIVERING next=S+4500s",
        "done cat i2 #1 o1.2 GATE buy 1@50",
        "status i2 GATED next=S+3600s",
        "status i2 DELIVERING next=S+8100s",
        "status SETTLED",
        "reject cat #2 WINDOW_CLOSED",
    ]  # fmt: skip


def test_perished_capacity_is_told_before_the_end_mkt_008(core):
    venue = Venue(core(), count=3, start_s=-9_000, settle_s=3_600)
    venue.certify("ann", 10, count=2)
    venue.sell("ann", 4, 100, flags=16)
    venue.buy("bob", 4, 100)
    venue.buy("ann2", 2, 90, instrument=2)
    venue.sell("cat", 2, 90, instrument=2)
    venue.time(-900)
    venue.time(2_700)
    assert venue.time(3_600) == ["perished 6 of 10", "status SETTLED", "status i2 DELIVERING next=S+7200s"]
    events = venue.time(10_800)
    assert [event for event in events if event.startswith("perished")] == ["perished i2 10 of 10"]


def test_short_sellers_without_capacity_do_not_lower_what_perishes_mkt_008(core):
    venue = Venue(core(), count=1, start_s=-9_000)
    venue.certify("ann", 10)
    venue.sell("cat", 7, 100)
    venue.sell("ann", 12, 100)  # Two of them financial.
    venue.buy("bob", 19, 100)
    venue.time(-900)
    assert venue.time(4_500)[-2:] == ["perished 0 of 10", "status SETTLED"]


def test_window_nobody_holds_expires_mkt_008(core):
    venue = Venue(core(), count=1, start_s=-9_000)
    venue.certify("ann", 10)
    venue.certify("ann", 3)
    venue.sell("cat", 7, 100)
    venue.buy("bob", 7, 100)
    venue.buy("cat", 7, 100)
    venue.sell("bob", 7, 100)
    venue.time(-900)
    assert venue.time(4_500) == ["status DELIVERING next=S+4500s", "perished 3 of 3", "status EXPIRED"]


def test_rolling_listing_mkt_009(core):
    venue = Venue(core(), count=0, start_s=-9_000, rolling_hours=4)  # Window 997 has begun: four windows from it on.
    assert venue.roll() == [
        "ack lots=3",
        "instrument CONTINUOUS window=998",
        "instrument i2 CONTINUOUS window=999",
        "instrument i3 CONTINUOUS window=1000",
    ]
    assert venue.roll() == ["ack"]
    venue.time(-7_200)
    assert venue.roll() == ["ack lots=1", "instrument i4 CONTINUOUS window=1001"]


def test_rolling_listing_begins_behind_the_gate_mkt_009(core):
    for seconds, first in ((-901, WINDOW), (-900, WINDOW + 1), (-1, WINDOW + 1), (0, WINDOW + 1)):
        venue = Venue(core(), count=0, start_s=seconds, rolling_hours=3)
        present = WINDOW if seconds >= 0 else WINDOW - 1
        windows = [int(event["amount"]) for event in venue.run(commands.roll_windows("P"))[1:]]
        assert windows == list(range(first, present + 3)), seconds


def test_rolling_listing_leaves_out_what_is_listed_mkt_009(core):
    venue = Venue(core(), fabrics=["f1", "f2"], count=0, start_s=-9_000, rolling_hours=6)
    venue.do(commands.list_window("P", WINDOW - 1, count=2))
    assert venue.roll() == [
        "ack lots=6",
        "instrument i5 CONTINUOUS window=998",
        "instrument i6 CONTINUOUS f2 window=998",
        "instrument i7 CONTINUOUS window=1001",
        "instrument i8 CONTINUOUS f2 window=1001",
        "instrument i9 CONTINUOUS window=1002",
        "instrument i10 CONTINUOUS f2 window=1002",
    ]


def test_rolling_listing_without_hours_room_or_product_mkt_009(core):
    venue = Venue(core(instruments_max=2), count=0, start_s=-9_000, rolling_hours=4)
    assert venue.roll() == ["reject OPEN_LIMIT"]
    assert venue.do(commands.roll_windows("Q")) == ["reject NO_PRODUCT"]
    assert venue.do(commands.list_window("P", WINDOW)) == ["ack lots=1", "instrument CONTINUOUS window=1000"]
    assert Venue(core(), count=0).roll() == ["ack"]


def test_rolling_listing_ends_with_the_calendar_mkt_009(core):
    engine = Engine(core())
    engine.apply(commands.add_product("P", 1, 1, ["f"], rolling_hours=9), (WINDOW_MAX - 1) * HOUR_NS)
    events = engine.apply(commands.roll_windows("P"), (WINDOW_MAX - 1) * HOUR_NS)
    assert [int(event["amount"]) for event in events[1:]] == [WINDOW_MAX]
