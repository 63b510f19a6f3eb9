"""The life of windows: phases, moments, halts, bands (MKT-001 to MKT-011 of docs/spec/windows.md)."""

import pytest
from venue import NOW_NS, WINDOW, Venue, moment_ns

from exchange import commands
from exchange.catalogue.schedule import split_mix
from exchange.records import Phase
from exchange.units import NS_PER_SECOND

DAY_S = 16 * 3_600  # Window 1000 is the hour from 16:00: its UTC day begins so many seconds before S.
CALLS = {"open_lead_s": 3_600, "open_call_s": 600, "preclose_s": 300, "balancing_s": 3_300}
SHORT = {"open_call_s": 600, "preclose_s": 300}


def phase(venue, instrument=1):
    return Phase(venue.core.phase(instrument)).name


# Moments.


def test_window_passes_its_phases_one_by_one_mkt_001(core):
    venue = Venue(core(), count=1, **CALLS)
    assert venue.listing == ["ack lots=1", "instrument LISTED window=1000"]
    assert venue.time(-DAY_S - 3_600, ns=-1) == []
    assert venue.time(-DAY_S - 3_600) == ["status OPEN next=S-60600s", "indicative 0@0"]
    assert venue.time(-DAY_S - 3_000) == ["status CONTINUOUS next=S-1200s"]
    assert venue.time(-1_200) == ["status PRECLOSE next=S-900s", "indicative 0@0"]
    assert venue.time(-900) == ["status GATED next=S-900s", "status BALANCING next=S+0s"]
    assert venue.time(0) == ["status DELIVERING next=S+3300s"]
    assert venue.time(3_300) == ["status DELIVERING next=S+4500s"]  # Standby sells end; the phase goes on.
    assert venue.time(4_500) == ["status EXPIRED"]
    assert venue.time(99_999) == []


def test_late_time_passes_every_phase_mkt_001(core):
    venue = Venue(core(), count=1, **CALLS)
    assert venue.time(9_999) == [
        "status OPEN next=S-60600s",
        "status CONTINUOUS next=S-1200s",
        "status PRECLOSE next=S-900s",
        "status GATED next=S-900s",
        "status BALANCING next=S+0s",
        "status DELIVERING next=S+3300s",
        "status DELIVERING next=S+4500s",
        "status EXPIRED",
    ]


def test_late_time_does_in_each_phase_what_is_due_mkt_001(core):
    venue = Venue(core(), count=1, start_s=-7_200, **SHORT)
    assert venue.listing == ["ack lots=1", "instrument OPEN window=1000"]
    venue.buy("ann", 5, 101)
    venue.sell("bob", 3, 100, tif=4)
    venue.sell("bob", 3, 105, tif=4)
    assert venue.time(-900) == [
        "fill ann #1 o0 call buy 3@101 cum=3 leaves=2 m1",
        "fill bob #1 o1 call sell 3@101 cum=3 m1",
        "trade call 3@101 m1",
        "done bob #2 o2 AUCTION sell 3@105",
        "status CONTINUOUS next=S-1200s",
        "status PRECLOSE next=S-900s",
        "bought_in bob leaves=3",
        "done ann #1 o0 GATE buy 2@101 cum=3",
        "status GATED next=S+0s",
        "assigned ann no nodes for 3",
    ]


def test_moments_go_by_time_then_by_handle_mkt_001(core):
    venue = Venue(core(), fabrics=["f1", "f2"], balancing_s=60, settle_s=3_600)
    venue.time(-901)
    assert venue.time(3_600) == [
        "status GATED next=S-900s",
        "status BALANCING next=S+0s",
        "status i2 GATED next=S-900s",
        "status i2 BALANCING next=S+0s",
        "status DELIVERING next=S+60s",
        "status i2 DELIVERING next=S+60s",
        "status DELIVERING next=S+3600s",
        "status i2 DELIVERING next=S+3600s",
        "status i3 GATED next=S+2700s",
        "status i3 BALANCING next=S+3600s",
        "status i4 GATED next=S+2700s",
        "status i4 BALANCING next=S+3600s",
        "status EXPIRED",
        "status i2 EXPIRED",
        "status i3 DELIVERING next=S+3660s",
        "status i4 DELIVERING next=S+3660s",
    ]


def test_expiries_come_before_moments_mkt_001(venue):
    venue.buy("ann", 1, 100)
    venue.buy("bob", 1, 100, tif=3, expiry_ns=moment_ns(-1))
    assert venue.time(-1) == [
        "done bob #1 o1 EXPIRED buy 1@100",
        "done ann #1 o0 GATE buy 1@100",
        "status GATED next=S+0s",
    ]


def test_opening_call_that_would_outlast_the_closing_call_goes_over_into_it_mkt_001(core):
    venue = Venue(core(), count=1, start_s=-1_500, **SHORT)
    venue.buy("ann", 5, 101)
    venue.sell("bob", 3, 100)
    assert venue.time(-1_200) == ["status PRECLOSE next=S-900s", "indicative 3@101 surplus=2 buy"]
    assert venue.time(-900, ns=-1) == []
    assert venue.time(-900)[:3] == [
        "fill ann #1 o0 call buy 3@101 cum=3 leaves=2 m1",
        "fill bob #1 o1 call sell 3@101 cum=3 m1",
        "trade call 3@101 m1",
    ]


def test_opening_call_that_ends_with_the_closing_one_has_no_moment_between_mkt_001(core):
    venue = Venue(core(), count=1, start_s=-1_800, **SHORT)
    assert venue.time(-1_200) == ["status PRECLOSE next=S-900s", "indicative 0@0"]


def test_without_closing_call_the_gate_ends_a_late_opening_call_mkt_001(core):
    venue = Venue(core(), count=1, start_s=-1_000, open_call_s=600)
    assert venue.listing[1] == "instrument OPEN window=1000"
    assert venue.time(-900) == ["status GATED next=S+0s"]


def test_window_is_listed_into_the_phase_of_its_last_moment_mkt_001(core):
    venue = Venue(core(), count=1, start_s=-1_100, **SHORT)
    assert venue.listing == ["ack lots=1", "instrument PRECLOSE window=1000"]
    assert venue.buy("ann", 1, 100, tif=4) == ["ack ann #1 o0 buy 1@100 leaves=1", "indicative 0@0"]
    assert venue.time(-900) == ["done ann #1 o0 AUCTION buy 1@100", "status GATED next=S+0s"]


def test_window_opens_with_its_utc_day_mkt_002(core):
    venue = Venue(core(), count=9, open_lead_s=1_800)  # Windows 1000 to 1007 are of one day, 1008 is of the next.
    assert venue.time(-DAY_S - 1_800) == [
        f"status{f' i{n + 1}' if n else ''} CONTINUOUS next=S{3_600 * n - 900:+}s" for n in range(8)
    ]
    assert venue.time(24 * 3_600 - DAY_S - 1_800)[-1] == "status i9 CONTINUOUS next=S+27900s"
    assert venue.core.phase(9) == Phase.CONTINUOUS


def test_without_lead_a_window_opens_with_its_listing_mkt_002(core):
    venue = Venue(core(), count=1)
    assert venue.listing == ["ack lots=1", "instrument CONTINUOUS window=1000"]
    assert Venue(core(), count=1, open_call_s=5).listing == ["ack lots=1", "instrument OPEN window=1000"]


def test_window_listed_after_the_opening_moment_has_its_whole_call_mkt_002(core):
    venue = Venue(core(), count=1, start_s=-9_000, open_lead_s=3_600, open_call_s=600)
    assert venue.listing == ["ack lots=1", "instrument OPEN window=1000"]
    assert venue.time(-8_400, ns=-1) == []
    assert venue.time(-8_400) == ["status CONTINUOUS next=S-900s"]


def test_opening_moment_behind_the_gate_never_comes_mkt_002(core):
    venue = Venue(core(), count=0, start_s=-9 * 24 * 3_600, open_lead_s=60)
    venue.do(commands.list_window("P", WINDOW - 16))  # From 0:00: the day begins with the window.
    assert venue.time(-DAY_S) == [
        f"status GATED next={'S-57600s'}",
        "status DELIVERING next=S-53100s",
    ]


def random_end(seed, handle, most_s):
    """SplitMix64, once more as its authors give it."""
    state = (seed + handle + 0x9E3779B97F4A7C15) % 2**64
    state = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    state = (state ^ (state >> 27)) * 0x94D049BB133111EB % 2**64
    return (state ^ (state >> 31)) % (most_s * 10**9 + 1)


@pytest.mark.parametrize("seed", [None, 0, 7, (1 << 63) - 1])
def test_gate_closes_at_a_random_end_mkt_003(core, seed):
    venue = Venue(core(), seed=seed, random_end_s=5, count=3)
    for hour, handle in enumerate((1, 2, 3)):
        gate_ns = moment_ns(3_600 * hour - 900) + random_end(seed or 0, handle, 5)
        venue.do(commands.time(gate_ns - 1))
        assert venue.core.phase(handle) == Phase.CONTINUOUS
        venue.do(commands.time(gate_ns))
        assert venue.core.phase(handle) == Phase.GATED


def test_random_numbers_are_those_of_splitmix64_mkt_003():
    assert split_mix(0) == 0xE220A8397B1DCDAF  # The generator's first output for the state 0.
    assert [split_mix(1_234_567 + 0x9E3779B97F4A7C15 * n & (1 << 64) - 1) for n in range(3)] == [
        6457827717110365317, 3203168211198807973, 9817491932198370423,
    ]  # fmt: skip
    assert split_mix((1 << 64) + 5) == split_mix(5)


def test_closing_call_lasts_until_the_random_end_mkt_003(core):
    venue = Venue(core(), count=1, seed=7, random_end_s=5, preclose_s=300)
    gate_ns = moment_ns(-900) + random_end(7, 1, 5)
    events = venue.time(-1_200)
    assert events == [f"status PRECLOSE next=S-{(moment_ns(0) - gate_ns) / NS_PER_SECOND:.9f}s", "indicative 0@0"]
    assert venue.do(commands.time(gate_ns - 1)) == []
    assert venue.buy("ann", 1, 100)[0].startswith("ack")
    assert venue.do(commands.time(gate_ns))[-1] == "status GATED next=S+0s"


def test_seed_is_set_once_before_the_first_listing_mkt_003(core):
    venue = Venue(core(), count=0)
    assert venue.do(commands.set_seed(-1)) == ["reject MALFORMED"]
    assert venue.do(commands.set_seed(1 << 63)) == ["reject MALFORMED"]
    assert venue.do(commands.set_seed(5)) == ["ack"]
    assert venue.do(commands.set_seed(5)) == ["reject ALREADY_LISTED"]
    other = Venue(core())
    assert other.do(commands.set_seed(5)) == ["reject ALREADY_LISTED"]


def test_seed_is_part_of_the_state_mkt_003(core):
    hashes = [Venue(core(), count=0, seed=seed).engine.state_hash() for seed in (None, 0, 1)]
    assert len(dict.fromkeys(hashes)) == 3


@pytest.mark.parametrize(("terms", "verdict"), [
    ({"random_end_s": 61}, "reject MALFORMED"),
    ({"random_end_s": 60}, "ack amount=2"),
    ({"random_end_s": 31, "gate_lead_s": 30}, "reject MALFORMED"),
    ({"random_end_s": 30, "gate_lead_s": 30}, "ack amount=2"),
    ({"random_end_s": -1}, "reject MALFORMED"),
    ({"open_lead_s": 366 * 86_400 + 1}, "reject MALFORMED"),
    ({"open_lead_s": 366 * 86_400}, "ack amount=2"),
    ({"open_call_s": 86_401}, "reject MALFORMED"),
    ({"preclose_s": 86_401}, "reject MALFORMED"),
    ({"preclose_s": -1}, "reject MALFORMED"),
    ({"balancing_s": 3_601}, "reject MALFORMED"),
    ({"balancing_s": 3_600}, "ack amount=2"),
    ({"settle_s": 3_599}, "reject MALFORMED"),
    ({"settle_s": 3_600}, "ack amount=2"),
    ({"volatility_call_s": 86_401}, "reject MALFORMED"),
    ({"volatility_call_s": 0}, "ack amount=2"),
    ({"volatility_call_s": 0, "band_dynamic_bps": 1}, "reject MALFORMED"),
    ({"band_static_bps": 50_001}, "reject MALFORMED"),
    ({"band_dynamic_bps": 50_001}, "reject MALFORMED"),
    ({"buyin_bps": 50_001}, "reject MALFORMED"),
    ({"rolling_hours": 8_785}, "reject MALFORMED"),
    ({"rolling_hours": 8_784, "band_static_bps": 50_000, "band_dynamic_bps": 50_000, "buyin_bps": 0}, "ack amount=2"),
    ({"zone": "eu west"}, "reject MALFORMED"),
    ({"zone": "eu-west"}, "ack amount=2"),
    ({"zone": 5}, "reject MALFORMED"),
    ({"preclose_s": True}, "reject MALFORMED"),
])  # fmt: skip
def test_moments_and_bands_are_terms_of_the_product_mkt_001(venue, terms, verdict):
    assert venue.do(commands.add_product("Q", 1, 1, ["f"], **terms)) == [verdict]


# STATUS.


def test_status_tells_phase_reason_and_next_moment_mkt_004(core):
    venue = Venue(core(), count=1, band_dynamic_bps=1_000)
    (_, status) = venue.run(commands.halt("P", WINDOW))
    assert (status["lots"], status["reason"], status["amount"]) == (Phase.HALTED, 1, moment_ns(-900))
    (_, status, _) = venue.run(commands.resume("P", WINDOW))
    assert (status["lots"], status["reason"]) == (Phase.VOLATILITY, 1)
    assert status["amount"] == NOW_NS + 120 * NS_PER_SECOND
    venue.run(commands.time(NOW_NS + 120 * NS_PER_SECOND))
    venue.mark(100)
    venue.sell("ann", 1, 120)
    status = next(event for event in venue.run(venue.order("bob", 0, 1, 120)) if event["type"] == 101)
    assert (status["lots"], status["reason"]) == (Phase.VOLATILITY, 2)
    venue.run(commands.time(moment_ns(0)))
    (status,) = venue.run(commands.time(moment_ns(4_500)))
    assert (status["lots"], status["reason"], status["amount"]) == (Phase.SETTLED, 0, 0)


@pytest.mark.parametrize(("seconds", "terms", "listed"), [
    (-99_999, {"open_lead_s": 60}, Phase.LISTED),
    (-50_000, {"open_lead_s": 60}, Phase.CONTINUOUS),
    (-50_000, {"open_lead_s": 60, "open_call_s": 60}, Phase.OPEN),
    (-1_000, {"preclose_s": 200}, Phase.PRECLOSE),
])  # fmt: skip
def test_instrument_carries_the_phase_of_its_listing_mkt_004(core, seconds, terms, listed):
    venue = Venue(core(), count=0, start_s=seconds, **terms)
    _, event = venue.run(commands.list_window("P", WINDOW))
    assert event["cum"] == listed


# Who may do what in which phase.

PLACES = {"GTG": {}, "GTD": {"tif": 3, "expiry_ns": moment_ns(99_999)}, "IOC": {"tif": 1}, "FOK": {"tif": 2},
          "AU": {"tif": 4}, "post": {"flags": 1}, "standby": {"flags": 32}, "iceberg": {"display": 1}}  # fmt: skip
CALL_PLACES = ["ack", "ack", "NOT_OPEN", "NOT_OPEN", "ack", "NOT_OPEN", "NOT_OPEN", "ack"]
CLOSED = ["WINDOW_CLOSED"] * 8
STANDBY_ONLY = [*["WINDOW_CLOSED"] * 6, "ack", "WINDOW_CLOSED"]


def open_venue(core, seconds):
    """A venue with every phase, ann provides 99 lots; in the phase that comes with ``seconds``."""
    venue = Venue(core(), count=1, start_s=-200_000, **CALLS)
    venue.certify("ann", 99)
    venue.time(seconds)
    return venue


@pytest.mark.parametrize(("seconds", "named", "verdicts"), [
    (-100_000, "LISTED", ["NOT_OPEN"] * 8),
    (-61_000, "OPEN", CALL_PLACES),
    (-50_000, "CONTINUOUS", ["ack", "ack", "ack", "FOK_UNFILLED", "NOT_OPEN", "ack", "NOT_OPEN", "ack"]),
    (-1_000, "PRECLOSE", CALL_PLACES),
    (-900, "BALANCING", STANDBY_ONLY),
    (0, "DELIVERING", STANDBY_ONLY),
    (3_300, "DELIVERING", CLOSED),
    (4_500, "EXPIRED", CLOSED),
])  # fmt: skip
def test_order_that_its_phase_does_not_take_is_refused_mkt_005(core, seconds, named, verdicts):
    venue = open_venue(core, seconds)
    assert phase(venue) == named
    answers = [venue.sell("ann", 1, 100, **terms)[0] for terms in PLACES.values()]
    assert [answer.split()[0 if answer.startswith("ack") else -1] for answer in answers] == verdicts


def test_without_balancing_nothing_is_taken_behind_the_gate_mkt_005(core):
    venue = Venue(core(), count=1, start_s=-9_000)
    venue.certify("ann", 9)
    venue.time(-900)
    assert phase(venue) == "GATED"
    assert [venue.sell("ann", 1, 100, **terms)[0].split()[-1] for terms in PLACES.values()] == CLOSED


def test_halted_window_takes_cancels_only_mkt_005(core):
    venue = open_venue(core, -50_000)
    venue.sell("ann", 5, 100)
    venue.sell("ann", 5, 101)
    venue.quote("ann", (1, 90, 1, 110, 1))
    venue.halt()
    assert [venue.sell("ann", 1, 100, **terms)[0].split()[-1] for terms in PLACES.values()] == ["NOT_OPEN"] * 8
    assert venue.replace("ann", "o0", 4, 100)[0].split()[-1] == "NOT_OPEN"  # Not even a shrink.
    assert venue.replace("ann", "o99", 4, 100)[0].split()[-1] == "NO_ORDER"
    assert venue.quote("ann", (1, 0, 0, 0, 0))[0].split()[-1] == "NOT_OPEN"
    assert venue.cancel("ann", "o0")[1] == "done ann #1 o0 USER sell 5@100"
    assert venue.mass_cancel("ann", side=1)[1] == "done ann #2 o1 USER sell 5@101"


def test_call_takes_quotes_but_no_post_only_ones_mkt_005(core):
    venue = open_venue(core, -1_000)
    assert venue.quote("ann", (1, 90, 1, 110, 1))[0] == "ack ann #1"
    assert venue.quote("ann", (1, 91, 1, 110, 1, 0, 0, 1))[0].split()[-1] == "NOT_OPEN"
    assert venue.quote("bob", (1, 115, 1, 120, 1))[1] == "ack bob o2 quote buy 1@115 leaves=1"  # It only rests.
    assert venue.book() == ([(115, 1, 1), (90, 1, 1)], [(110, 1, 1), (120, 1, 1)])


def test_listed_and_gated_windows_take_no_quotes_mkt_005(core):
    venue = open_venue(core, -100_000)
    assert venue.quote("ann", (1, 90, 1, 110, 1)) == ["reject ann #1 NOT_OPEN"]
    venue.time(-900)
    assert venue.quote("ann", (1, 90, 1, 110, 1)) == ["reject ann #2 WINDOW_CLOSED"]


def test_in_a_call_replaced_orders_only_rest_mkt_005(core):
    venue = open_venue(core, -1_000)
    venue.sell("ann", 5, 100)
    venue.buy("bob", 3, 90)
    assert venue.replace("bob", "o1", 4, 105) == [
        "ack bob #2 o1",
        "replaced bob #1 o1 buy 4@105 leaves=4",
        "indicative 4@100 surplus=1 sell",
    ]
    assert venue.replace("ann", "o0", 4, 100) == [
        "ack ann #2 o0",
        "replaced ann #1 o0 sell 4@100 leaves=4",
        "indicative 4@102",
    ]


def test_phase_comes_before_the_numbers_of_an_order_mkt_005(core):
    venue = open_venue(core, -100_000)
    assert venue.sell("ann", 0, -1) == ["reject ann #1 NOT_OPEN"]
    assert venue.sell("ann", 1, 100, stp=4) == ["reject ann #2 MALFORMED"]
    assert venue.sell("ann", 1, 100, instrument=2) == ["reject ann i2 #3 NO_INSTRUMENT"]


def test_replace_behind_the_gate_names_what_is_gone_mkt_005(core):
    venue = open_venue(core, -1_000)
    venue.sell("ann", 5, 100)
    venue.time(-900)
    assert venue.replace("ann", "o0", 4, 100) == ["reject ann #2 NO_ORDER"]


def test_standby_order_may_be_replaced_within_capacity_mkt_005(core):
    venue = open_venue(core, -900)
    venue.sell("ann", 99, 100, flags=32)
    assert venue.replace("ann", "o0", 50, 90) == ["ack ann #2 o0", "replaced ann #1 o0 sell 50@90 leaves=50"]
    assert venue.replace("ann", "o0", 100, 90) == ["reject ann #3 NO_CAPACITY"]
    assert venue.replace("ann", "o0", 99, 90)[1] == "replaced ann #1 o0 sell 99@90 leaves=99"
    assert venue.replace("ann", "o0", 9, 90)[1] == "replaced ann #1 o0 sell 9@90 leaves=9"
    venue.time(3_300)
    assert venue.replace("ann", "o0", 1, 90) == ["reject ann #6 NO_ORDER"]


# Halts.


def test_halt_and_resume_mkt_006(core):
    venue = Venue(core(), fabrics=["f1", "f2"], start_s=-9_000)
    assert venue.halt(count=2) == [
        "ack lots=4",
        "status HALTED COMMAND next=S-900s",
        "status i2 HALTED COMMAND next=S-900s",
        "status i3 HALTED COMMAND next=S+2700s",
        "status i4 HALTED COMMAND next=S+2700s",
    ]
    assert venue.resume(1, fabric="f2") == [
        "ack lots=1", "status i4 VOLATILITY COMMAND next=S-8880s", "indicative i4 0@0",
    ]  # fmt: skip
    assert [phase(venue, handle) for handle in (1, 2, 3, 4)] == ["HALTED"] * 3 + ["VOLATILITY"]
    assert venue.time(-8_880) == ["status i4 CONTINUOUS next=S+2700s"]


def test_halt_and_resume_are_all_or_nothing_mkt_006(core):
    venue = Venue(core(), fabrics=["f1", "f2"], start_s=-9_000)
    venue.halt(fabric="f2")
    before = venue.core.dump()[8:]
    assert venue.halt(count=2) == ["reject NOT_OPEN"]
    assert venue.resume() == ["reject NOT_OPEN"]
    assert venue.halt(count=3) == ["reject NO_INSTRUMENT"]
    assert venue.halt(fabric="f3") == ["reject NO_FABRIC"]
    assert venue.do(commands.halt("Q", WINDOW)) == ["reject NO_PRODUCT"]
    assert venue.do(commands.resume("P", WINDOW, count=0)) == ["reject MALFORMED"]
    assert venue.core.dump()[8:] == before


@pytest.mark.parametrize(("seconds", "verdict"), [
    (-100_000, "reject NOT_OPEN"), (-61_000, "ack lots=1"), (-50_000, "ack lots=1"), (-1_000, "ack lots=1"),
    (-900, "reject NOT_OPEN"), (0, "reject NOT_OPEN"), (4_500, "reject NOT_OPEN"),
])  # fmt: skip
def test_halt_needs_continuous_trading_or_a_call_mkt_006(core, seconds, verdict):
    venue = open_venue(core, seconds)
    assert venue.halt()[0] == verdict
    assert venue.resume()[0] == verdict


def test_without_volatility_call_trading_resumes_at_once_mkt_006(core):
    venue = Venue(core(), count=1, start_s=-9_000, volatility_call_s=0)
    venue.buy("ann", 5, 100)
    venue.halt()
    assert venue.resume() == ["ack lots=1", "status CONTINUOUS COMMAND next=S-900s"]
    assert venue.sell("bob", 1, 100)[-1] == "trade sell 1@100 m1"


def test_call_halted_and_resumed_without_volatility_call_is_uncrossed_mkt_006(core):
    venue = Venue(core(), count=1, start_s=-9_000, volatility_call_s=0, open_call_s=600)
    venue.buy("ann", 5, 102)
    venue.sell("bob", 2, 100)
    venue.sell("bob", 1, 105, tif=4)
    venue.halt()
    assert venue.resume() == [
        "ack lots=1",
        "fill ann #1 o0 call buy 2@102 cum=2 leaves=3 m1",
        "fill bob #1 o1 call sell 2@102 cum=2 m1",
        "trade call 2@102 m1",
        "done bob #2 o2 AUCTION sell 1@105",
        "status CONTINUOUS COMMAND next=S-8400s",
    ]
    assert venue.time(-8_400) == []  # The end of the opening call is still a moment, and does nothing.


def test_halted_call_is_uncrossed_by_the_volatility_call_mkt_006(core):
    venue = Venue(core(), count=1, start_s=-9_000, open_call_s=600)
    venue.buy("ann", 5, 102)
    venue.sell("bob", 2, 100)
    assert venue.halt() == ["ack lots=1", "status HALTED COMMAND next=S-8400s"]
    assert venue.time(-8_400) == []  # The opening call would end here; the halt goes on.
    assert venue.resume() == ["ack lots=1", "status VOLATILITY COMMAND next=S-8280s", "indicative 2@102 surplus=3 buy"]
    assert venue.time(-8_280)[-2:] == ["trade call 2@102 m1", "status CONTINUOUS next=S-900s"]


def test_end_of_the_opening_call_does_not_end_a_volatility_call_mkt_006(core):
    venue = Venue(core(), count=1, start_s=-9_000, open_call_s=600)
    venue.time(-8_500)
    venue.halt()
    assert venue.resume()[1] == "status VOLATILITY COMMAND next=S-8400s"
    assert venue.time(-8_400) == []
    assert venue.time(-8_380) == ["status CONTINUOUS next=S-900s"]


def test_halt_does_not_stop_the_schedule_mkt_006(core):
    venue = Venue(core(), count=1, start_s=-9_000, preclose_s=300)
    venue.buy("ann", 5, 100)
    venue.halt()
    assert venue.time(-1_200) == ["status PRECLOSE next=S-900s", "indicative 0@0"]
    assert venue.sell("bob", 2, 100) == ["ack bob #1 o1 sell 2@100 leaves=2", "indicative 2@100 surplus=3 buy"]
    venue.halt()
    assert venue.time(-900) == [
        "done ann #1 o0 GATE buy 5@100",  # A halted window is not uncrossed.
        "done bob #1 o1 GATE sell 2@100",
        "status GATED next=S+0s",
    ]


def test_volatility_call_goes_over_into_the_closing_call_mkt_006(core):
    venue = Venue(core(), count=1, start_s=-1_250, preclose_s=300)
    venue.halt()
    assert venue.resume()[1] == "status VOLATILITY COMMAND next=S-1200s"
    assert venue.time(-1_130) == ["status PRECLOSE next=S-900s", "indicative 0@0"]
    assert venue.time(-901) == []


def test_volatility_call_is_ended_by_the_gate_mkt_006(core):
    venue = Venue(core(), count=1, start_s=-950)
    venue.halt()
    venue.resume()
    venue.buy("ann", 5, 102)
    venue.sell("bob", 2, 100)
    assert venue.time(-830)[2:] == [
        "trade call 2@102 m1",
        "bought_in bob leaves=2",
        "done ann #1 o0 GATE buy 3@102 cum=2",
        "status GATED next=S+0s",
        "assigned ann no nodes for 2",
    ]
