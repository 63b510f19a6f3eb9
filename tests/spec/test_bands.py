"""Price bands: what is refused, and what is not executed (MKT-010, MKT-011)."""

import pytest
from venue import Venue

from exchange.records import Phase


def phase(venue, instrument=1):
    return Phase(venue.core.phase(instrument)).name




@pytest.mark.parametrize(("mark", "bps", "low", "high"), [
    (1_000, 500, 950, 1_050), (999, 500, 950, 1_048), (19, 500, 19, 19), (20, 500, 19, 21), (7, 10_000, 0, 14),
    (0, 500, 0, 0), (3, 50_000, 0, 18),
])  # fmt: skip
def test_static_band_refuses_prices_outside_mkt_010(core, mark, bps, low, high):
    venue = Venue(core(), count=1, band_static_bps=bps)
    venue.mark(mark)
    assert venue.buy("ann", 1, high + 1) == ["reject ann #1 PX_BAND"]
    assert venue.buy("ann", 1, high)[0].startswith("ack")
    assert venue.buy("ann", 1, low)[0].startswith("ack")
    if low:
        assert venue.buy("ann", 1, low - 1) == ["reject ann #4 PX_BAND"]
        assert venue.sell("ann", 1, low - 1, tif=1) == ["reject ann #5 PX_BAND"]


def test_without_mark_there_is_no_static_band_mkt_010(core):
    venue = Venue(core(), count=2, band_static_bps=100)
    venue.mark(100)
    assert venue.buy("ann", 1, 5, instrument=2)[0].startswith("ack")
    venue.sell("bob", 1, 5, instrument=2)  # The first trade gives the mark.
    assert venue.buy("ann", 1, 6, instrument=2) == ["reject ann i2 #2 PX_BAND"]


def test_static_band_measures_quotes_and_replaces_mkt_010(core):
    venue = Venue(core(), count=1, band_static_bps=500)
    venue.mark(100)
    assert venue.quote("ann", (1, 94, 1, 100, 1)) == ["reject ann #1 PX_BAND"]
    assert venue.quote("ann", (1, 95, 1, 106, 1)) == ["reject ann #2 PX_BAND"]
    assert venue.quote("ann", (1, 94, 0, 105, 1))[0] == "ack ann #3"  # A side without lots is not measured.
    venue.buy("bob", 5, 100, instrument=1)
    assert venue.replace("bob", "o1", 5, 106) == ["reject bob #2 PX_BAND"]
    assert venue.replace("bob", "o1", 5, 95)[0] == "ack bob #3 o1"
    venue.mark(110)
    assert venue.replace("bob", "o1", 3, 95)[1] == "replaced bob #1 o1 buy 3@95 leaves=3"  # The price is an old one.
    assert venue.replace("bob", "o1", 3, 96) == ["reject bob #5 PX_BAND"]


def test_static_band_stands_between_price_and_lots_mkt_010(core):
    venue = Venue(core(), count=1, band_static_bps=500)
    venue.mark(100)
    assert venue.buy("ann", 0, 106) == ["reject ann #1 PX_BAND"]
    assert venue.buy("ann", 0, -1) == ["reject ann #2 PX_TICK"]
    assert venue.buy("ann", 0, 105) == ["reject ann #3 QTY_LOT"]


def test_static_band_holds_in_calls_and_not_for_blocks_mkt_010(core):
    venue = Venue(core(), count=2, band_static_bps=500, open_call_s=600)
    venue.mark(100)
    venue.mark(100, start=1_001)
    assert venue.buy("ann", 1, 106) == ["reject ann #1 PX_BAND"]
    assert venue.block("ann", 0, 1, 900, hours=2) == ["ack ann #2 o0 block buy 1@900 f1 +2h leaves=1"]


def test_dynamic_band_stops_an_order_and_begins_a_call_mkt_011(core):
    venue = Venue(core(), count=1, start_s=-9_000, band_dynamic_bps=1_000)
    venue.sell("ann", 1, 100)
    venue.buy("bob", 1, 100)
    venue.sell("ann", 2, 110)
    venue.sell("ann", 2, 111)
    assert venue.buy("bob", 5, 115) == [
        "ack bob #2 o2 buy 5@115 leaves=5",
        "fill ann #2 o1.2 sell 2@110 cum=2 m2",
        "fill bob #2 o2 taker buy 2@110 cum=2 leaves=3 m2",
        "trade buy 2@110 m2",
        "status VOLATILITY BAND next=S-8880s",
        "indicative 2@115 surplus=1 buy",
    ]
    assert phase(venue) == "VOLATILITY"
    assert venue.time(-8_880)[-2:] == ["trade call 2@115 m3", "status CONTINUOUS next=S-900s"]


def test_reference_is_the_last_trade_before_the_command_mkt_011(core):
    venue = Venue(core(), count=1, start_s=-9_000, band_dynamic_bps=1_000)
    venue.mark(100)
    for price in (108, 110, 112, 118):
        venue.sell("ann", 1, price)
    events = venue.buy("bob", 9, 120)  # 110 is 10 % above the mark; the trades of the command do not move it on.
    assert [event for event in events if event.startswith(("trade", "status"))] == [
        "trade buy 1@108 m1",
        "trade buy 1@110 m2",
        "status VOLATILITY BAND next=S-8880s",
    ]
    assert venue.book() == ([(120, 7, 1)], [(112, 1, 1), (118, 1, 1)])


def test_next_command_measures_from_the_last_trade_mkt_011(core):
    venue = Venue(core(), count=1, start_s=-9_000, band_dynamic_bps=1_000)
    venue.mark(100)
    for price in (110, 121, 133):
        venue.sell("ann", 1, price)
    assert venue.buy("bob", 1, 110)[-1] == "trade buy 1@110 m1"
    assert venue.buy("bob", 1, 121)[-1] == "trade buy 1@121 m2"
    venue.mark(200)  # The mark counts only where there was no trade.
    assert venue.buy("bob", 1, 133)[-1] == "trade buy 1@133 m3"


def test_without_reference_there_is_no_dynamic_band_mkt_011(core):
    venue = Venue(core(), count=1, start_s=-9_000, band_dynamic_bps=100)
    for price in (100, 200, 900):
        venue.sell("ann", 1, price)
    assert venue.buy("bob", 3, 900)[-1] == "trade buy 1@900 m3"


@pytest.mark.parametrize("price", [90, 89])
def test_dynamic_band_bounds_sells_from_below_mkt_011(core, price):
    venue = Venue(core(), count=1, start_s=-9_000, band_dynamic_bps=1_000)
    venue.mark(100)
    venue.buy("ann", 5, price)
    traded = venue.sell("bob", 5, 80)
    assert (traded[-1] == "trade sell 5@90 m1") == (price == 90)
    assert (phase(venue) == "VOLATILITY") == (price == 89)


def test_what_is_left_of_an_ioc_ends_and_of_others_rests_mkt_011(core):
    venue = Venue(core(), count=1, start_s=-9_000, band_dynamic_bps=1_000)
    venue.mark(100)
    venue.sell("ann", 5, 111)
    assert venue.buy("bob", 3, 111, tif=1) == [
        "ack bob #1 o1 buy 3@111 leaves=3",
        "status VOLATILITY BAND next=S-8880s",
        "done bob #1 o1 IOC buy 3@111",
        "indicative 0@0",
    ]


def test_order_in_reach_of_nothing_halts_nothing_mkt_011(core):
    venue = Venue(core(), count=1, start_s=-9_000, band_dynamic_bps=1_000)
    venue.mark(100)
    venue.sell("ann", 5, 111)
    assert venue.buy("bob", 3, 110) == ["ack bob #1 o1 buy 3@110 leaves=3"]
    assert phase(venue) == "CONTINUOUS"


def test_fok_counts_only_what_is_inside_the_band_mkt_011(core):
    venue = Venue(core(), count=1, start_s=-9_000, band_dynamic_bps=1_000)
    venue.mark(100)
    venue.sell("ann", 5, 110)
    venue.sell("ann", 5, 111)
    assert venue.buy("bob", 6, 120, tif=2) == ["reject bob #1 FOK_UNFILLED"]
    assert venue.buy("bob", 5, 120, tif=2)[-1] == "trade buy 5@110 m1"
    assert phase(venue) == "CONTINUOUS"


def test_replace_and_quote_may_begin_a_call_too_mkt_011(core):
    venue = Venue(core(), count=2, start_s=-9_000, band_dynamic_bps=1_000)
    venue.mark(100)
    venue.mark(100, start=1_001)
    for instrument in (1, 2):
        venue.sell("ann", 5, 111, instrument=instrument)
    venue.buy("bob", 5, 90)
    assert venue.replace("bob", "o2", 4, 111) == [
        "ack bob #2 o2",
        "replaced bob #1 o2 buy 4@111 leaves=4",
        "status VOLATILITY BAND next=S-8880s",
        "indicative 4@111 surplus=1 sell",
    ]
    assert venue.quote("cat", (2, 112, 4, 113, 4)) == [
        "ack cat i2 #1",
        "ack cat i2 o3 quote buy 4@112 leaves=4",
        "status i2 VOLATILITY BAND next=S-8880s",
        "ack cat i2 o4 quote sell 4@113 leaves=4",
        "indicative i2 4@111 surplus=1 sell",
    ]


def test_uncross_is_not_bounded_by_the_band_mkt_011(core):
    venue = Venue(core(), count=1, start_s=-9_000, band_dynamic_bps=100, open_call_s=600)
    venue.mark(100)
    venue.buy("ann", 1, 900)
    venue.sell("bob", 1, 800)
    assert venue.time(-8_400)[2:] == ["trade call 1@800 m1", "status CONTINUOUS next=S-900s"]
