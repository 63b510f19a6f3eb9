"""Products whose windows are longer than an hour (MKT-034 of docs/spec/windows.md)."""

import pytest
from venue import NOW_NS, WINDOW, Venue, moment_ns

from exchange import commands
from exchange.catalogue import Product
from exchange.engine import Engine
from exchange.errors import CatalogueError
from exchange.reference import ReferenceCore
from exchange.units import HOUR_NS, NS_PER_SECOND, WINDOW_MAX

HOURS = 8  # The first window of a venue is a multiple of it.
PHYSICAL = {"flags": 16}


def market(core, *, hours=HOURS, **terms):
    """Two windows of eight hours; it is S-36000s."""
    return Venue(core(), **{"window_hours": hours, "start_s": -36_000} | terms)


@pytest.mark.parametrize("hours", [1, 2, 3, 4, 6, 8, 12, 24])
def test_windows_start_at_multiples_of_their_hours_mkt_034(core, hours):
    venue = market(core, hours=hours, count=0, start_s=-360_000)
    first = WINDOW // hours * hours
    events = venue.do(commands.list_window("P", first, count=3))
    assert events == ["ack lots=3"] + [
        f"instrument{'' if step == 0 else f' i{step + 1}'} CONTINUOUS window={first + step * hours}"
        for step in range(3)
    ]
    assert [one.window for one in venue.engine.catalogue.instruments] == [first, first + hours, first + 2 * hours]
    for wrong in range(1, hours):
        assert venue.do(commands.list_window("P", first + 3 * hours + wrong)) == ["reject MALFORMED"]


@pytest.mark.parametrize("hours", [0, -1, 5, 7, 9, 16, 25, 48])
def test_other_lengths_are_malformed_mkt_034(core, hours):
    venue = Venue(core())
    assert venue.do(commands.add_product("Q", 1, 1, ["f"], window_hours=hours)) == ["reject MALFORMED"]


def test_windows_of_a_command_are_counted_mkt_034(core):
    venue = market(core, count=4, band_static_bps=1_000)
    assert venue.do(commands.set_mark("P", WINDOW + 8, px=100, count=3)) == ["ack lots=3"]
    assert [venue.core.mark(handle) for handle in range(1, 5)] == [None, 100, 100, 100]
    assert venue.do(commands.set_rates("P", WINDOW, long_micros=5, short_micros=6, count=4)) == ["ack lots=4"]
    assert venue.halt(8, count=2)[0] == "ack lots=2"
    assert [venue.core.phase(handle) for handle in range(1, 5)] == [1, 3, 3, 1]
    assert venue.resume(8, count=2)[0] == "ack lots=2"
    assert venue.certify("ann", 5, hour=16, count=2) == ["ack ann lots=2", "capacity ann i3 lots=5",
                                                        "capacity ann i4 lots=5"]  # fmt: skip
    assert venue.do(commands.set_mark("P", WINDOW, px=9, count=5)) == ["reject NO_INSTRUMENT"]


@pytest.mark.parametrize("record", [
    commands.set_mark("P", WINDOW + 1, px=5),
    commands.set_rates("P", WINDOW + 4, long_micros=1, short_micros=1),
    commands.halt("P", WINDOW + 7),
    commands.resume("P", WINDOW - 1),
    commands.certify("ann", "P", "f", WINDOW + 1, 5),
    commands.certify("ann", "P", "g", WINDOW + 1, 5),
    commands.balance("ann", "P", "f", WINDOW + 1, lots=1, px=1),
    commands.list_window("P", WINDOW + 8 * 8_784 + 1),
])  # fmt: skip
def test_start_between_windows_is_malformed_mkt_034(core, record):
    venue = market(core)
    before = venue.engine.state_hash()
    assert venue.do(record) == ["reject MALFORMED"]
    assert venue.engine.state_hash() != before  # One more sequence number.


def test_unknown_product_has_no_hours_mkt_034(core):
    assert market(core).do(commands.list_window("Q", WINDOW + 1)) == ["reject NO_PRODUCT"]


def test_last_window_is_within_the_calendar_mkt_034(core):
    venue = Venue(core(), window_hours=8, count=0)
    last = WINDOW_MAX // 8 * 8
    assert venue.do(commands.list_window("P", last - 8, count=3)) == ["reject MALFORMED"]
    assert venue.do(commands.list_window("P", last - 8, count=2))[0] == "ack lots=2"


def test_lot_is_worth_all_its_hours_mkt_034(core):
    venue = market(core, lot_scu=8, tick_micros=1_000, taker_fee_ppm=1_000)
    venue.sell("ann", 3, 100)
    venue.buy("bob", 3, 100)
    assert venue.core.balance(0) == 3 * 100 * 8_000 * 8 // 1_000
    venue.mark(101)
    assert venue.balance("ann") == -3 * 8_000 * 8


def test_moments_are_measured_from_the_start_mkt_034(core):
    venue = market(core, balancing_s=28_800, count=1)
    assert venue.time(-900) == ["status GATED next=S-900s", "status BALANCING next=S+0s"]
    assert venue.time(0) == ["status DELIVERING next=S+28800s"]
    assert venue.time(28_800)[0] == "status DELIVERING next=S+29700s"
    assert venue.time(29_700)[0] == "status EXPIRED"


@pytest.mark.parametrize(("terms", "verdict"), [
    ({"balancing_s": 28_801}, "reject"), ({"balancing_s": 28_800}, "ack"), ({"settle_s": 28_799}, "reject"),
    ({"settle_s": 28_800}, "ack"), ({"settle_s": 4_500}, "reject"), ({"settle_s": 0}, "reject"),
])  # fmt: skip
def test_terms_are_bounded_by_the_windows_length_mkt_034(core, terms, verdict):
    venue = Venue(core())
    assert venue.do(commands.add_product("Q", 1, 1, ["f"], window_hours=8, **terms))[0].split()[0] == verdict


@pytest.mark.parametrize(("hours", "settled"), [(1, 4_500), (2, 8_100), (24, 87_300)])
def test_window_is_settled_a_quarter_of_an_hour_after_its_end_mkt_034(core, hours, settled):
    venue = Venue(core(), window_hours=hours, count=0, start_s=-360_000)
    venue.do(commands.list_window("P", WINDOW // hours * hours))
    assert venue.engine.catalogue.products[0].settle_s == settled


def test_product_in_python_says_when_it_is_settled_mkt_034():
    with pytest.raises(CatalogueError, match="settle_s must be from 28800"):
        Product("Q", 1, 1, ("f",), window_hours=8)


def test_rolling_listing_goes_by_windows_mkt_034(core):
    venue = market(core, count=0, rolling_hours=24, start_s=-7_200)  # Two hours before window 1000.
    assert venue.roll() == [
        "ack lots=3", f"instrument CONTINUOUS window={WINDOW}", f"instrument i2 CONTINUOUS window={WINDOW + 8}",
        f"instrument i3 CONTINUOUS window={WINDOW + 16}",
    ]  # fmt: skip
    assert venue.roll() == ["ack"]
    venue.time(3_600)
    assert venue.roll() == ["ack lots=1", f"instrument i4 CONTINUOUS window={WINDOW + 24}"]


def test_listing_that_rolls_leaves_out_what_is_listed_mkt_034(core):
    venue = market(core, count=0, rolling_hours=48, start_s=-7_200)
    venue.do(commands.list_window("P", WINDOW + 16))
    number = venue.engine.catalogue.product_number("P")
    assert venue.engine.catalogue.missing_windows(number, moment_ns(-7_200)) == [(WINDOW, 2), (WINDOW + 24, 3)]


def test_nodes_stay_over_contiguous_windows_mkt_034(core):
    venue = market(core, count=3)
    venue.certify("ann", 9, count=3)
    for instrument, buyers in ((1, (("bob", 2), ("cat", 3))), (2, (("cat", 3),)), (3, (("bob", 2), ("cat", 3)))):
        for name, lots in buyers:
            venue.do(venue.order(name, 0, lots, 100, instrument=instrument))
            venue.do(venue.order("ann", 1, lots, 100, instrument=instrument, **PHYSICAL))
    venue.time(-900)
    for hour in (8, 16):
        told = [event for event in venue.time(hour * 3_600 - 900) if event.startswith("assigned cat")]
        assert told == [f"assigned cat i{hour // 8 + 1} nodes 2 to 4 from ann"]


def test_blocks_are_for_windows_of_an_hour_mkt_034(core):
    venue = market(core, fabrics=["f1", "f2"])
    assert venue.block("ann", 0, 1, 900, hours=2) == ["reject ann #1 NO_INSTRUMENT"]
    assert venue.block("ann", 0, 1, 900, hours=16) == ["reject ann #2 NO_INSTRUMENT"]
    assert venue.block("ann", 0, 1, 900, hours=1) == ["reject ann #3 MALFORMED"]
    assert venue.block("ann", 0, 1, 900, hours=1, scope=3)[0].startswith("ack")  # One window in either fabric.


def test_product_of_an_hour_is_hashed_as_before_mkt_034():
    engine = Engine(ReferenceCore())
    engine.apply(commands.add_product("P", 1, 2, ["f"]), NOW_NS)
    engine.apply(commands.add_product("Q", 1, 2, ["f"], window_hours=1), NOW_NS)
    engine.apply(commands.add_product("R", 1, 2, ["f"], window_hours=8), NOW_NS)
    lines = engine.catalogue.canonical().decode().splitlines()
    assert lines == [
        "product P 1 2 0 0 900 f;  0 0 0 0 0 4500 120 0 0 5000 0",
        "product Q 1 2 0 0 900 f;  0 0 0 0 0 4500 120 0 0 5000 0",
        "product R 1 2 0 0 900 f;  0 0 0 0 0 29700 120 0 0 5000 0 8",
    ]
    assert b"window_hours" not in commands.add_product("P", 1, 2, ["f"])


def test_window_opens_with_the_day_of_its_start_mkt_034(core):
    venue = Venue(core(), window_hours=8, open_lead_s=3_600, count=3, start_s=-172_800)
    day = WINDOW // 24 * 24
    opened = {  # An hour before midnight.
        handle: (one.window // 24 * 24 - 1) * HOUR_NS
        for handle, one in enumerate(venue.engine.catalogue.instruments, 1)
    }
    assert opened[1] == (day - 1) * HOUR_NS
    events = venue.do(commands.time(opened[1]))
    assert [event.split(" next")[0] for event in events] == [
        f"status{'' if handle == 1 else f' i{handle}'} CONTINUOUS"
        for handle in opened
        if opened[handle] == opened[1]
    ]
    assert venue.engine.now_ns == opened[1] // NS_PER_SECOND * NS_PER_SECOND
