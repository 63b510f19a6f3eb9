"""Scenarios, initial margin and what is added to it (CLR-SCAN rules of docs/spec/margin.md)."""

from fractions import Fraction
from math import ceil

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from exchange.clearing.margin import (
    Column,
    Level,
    buffered,
    capped_increase,
    concentration,
    cover_two,
    fund_share,
    initial_margin,
    level,
    open_interest_fraction,
    rates,
)
from exchange.clearing.scenarios import OUTAGES_MAX, RiskTerms, Scenario, join, shocks
from exchange.errors import CatalogueError
from exchange.units import HOUR_NS

PPM = 1_000_000
DAY_S = 86_400
NAMES = ["parallel +1/3", "parallel -1/3", "parallel +2/3", "parallel -2/3", "parallel +1", "parallel -1", "steepen",
         "flatten", "squeeze", "cut", "generation"]  # fmt: skip
MARKS = (2_350_000, 2_200_000, 1_900_000)
TABLE = {
    "up": (250_000, 250_000, 250_000), "down": (-250_000, -250_000, -250_000), "steepen": (250_000, 125_000, 0),
    "flatten": (-250_000, -125_000, 0), "generation": (0, -150_000, -400_000), "squeeze": (440_000, 200_000, 50_000),
    "cut": (-440_000, -300_000, -200_000),
}  # fmt: skip
COLUMNS = [Column(mark, 8, tuple(moves[window] for moves in TABLE.values())) for window, mark in enumerate(MARKS)]


def by_name(terms, starts, now=0, fabrics=()):
    return {scenario.name: scenario.shock_ppm for scenario in shocks(terms, starts, now, fabrics)}


def columns(least=1):
    """Some windows with shocks for the same scenarios."""
    shock = st.integers(-PPM, 3 * PPM)
    return st.tuples(st.integers(least, 5), st.integers(1, 6)).flatmap(
        lambda size: st.lists(
            st.builds(
                Column, st.integers(0, 10_000), st.sampled_from([1, 8, 8_000]),
                st.lists(shock, min_size=size[1], max_size=size[1]).map(tuple),
            ),
            min_size=size[0], max_size=size[0],
        )
    )  # fmt: skip


# Scenarios


def test_names_and_order_are_the_same_for_every_class_clr_scan_001():
    assert list(by_name(RiskTerms(), [5])) == NAMES
    assert list(by_name(RiskTerms(generation_ppm=0, is_new_class=True), [])) == NAMES
    assert list(by_name(RiskTerms(), [5, 6, 7], 0, ["f02", "f01", "f02"])) == [*NAMES, "outage f02", "outage f01"]


def test_parallel_moves_are_thirds_of_the_range_clr_scan_001():
    found = by_name(RiskTerms(range_ppm=300_000), [1, 2])
    assert [found[name] for name in NAMES[:6]] == [
        (100_000,) * 2, (-100_000,) * 2, (200_000,) * 2, (-200_000,) * 2, (300_000,) * 2, (-300_000,) * 2
    ]  # fmt: skip


def test_slope_goes_to_nothing_clr_scan_001():
    found = by_name(RiskTerms(steepen_ppm=240_000, flatten_ppm=120_000, slope_h=240), [90, 100, 160, 340, 500], 100)
    assert found["steepen"] == (240_000, 240_000, 180_000, 0, 0)
    assert found["flatten"] == (-120_000, -120_000, -90_000, 0, 0)


def test_squeeze_and_cut_fade_with_tenor_clr_scan_001():
    terms = RiskTerms(near_squeeze_ppm=440_000, squeeze_half_h=24, list_cut_ppm=300_000, list_cut_half_h=48)
    found = by_name(terms, [0, 24, 48, 96])
    assert found["squeeze"] == (440_000, 220_000, 146_667, 88_000)
    assert found["cut"] == (-300_000, -200_000, -150_000, -100_000)


def test_generation_is_a_step_in_tenor_and_turned_for_the_new_class_clr_scan_001():
    terms = {"generation_ppm": 400_000, "available_ns": 1_000 * HOUR_NS, "ramp_s": 100 * 3_600}
    starts = [900, 1_000, 1_025, 1_100, 5_000]
    old = by_name(RiskTerms(**terms), starts)["generation"]
    assert old == (0, 0, -100_000, -400_000, -400_000)
    assert by_name(RiskTerms(**terms, is_new_class=True), starts)["generation"] == tuple(-shock for shock in old)
    assert by_name(RiskTerms(), starts)["generation"] == (0,) * 5  # Nobody has given a date.


def test_outage_moves_the_windows_of_one_fabric_clr_scan_001():
    found = by_name(RiskTerms(outage_ppm=70_000), [1, 2, 3], 0, ["f01", "f02", "f01"])
    assert found["outage f01"] == (70_000, 0, 70_000)
    assert found["outage f02"] == (0, 70_000, 0)


def test_shocks_are_rounded_away_from_zero_clr_scan_002():
    found = by_name(RiskTerms(range_ppm=250_000), [0])
    assert [found[name][0] for name in NAMES[:4]] == [83_334, -83_334, 166_667, -166_667]


def test_no_price_falls_below_zero_clr_scan_002():
    found = by_name(RiskTerms(range_ppm=3 * PPM), [0])
    assert [found[name][0] for name in NAMES[:6]] == [PPM, -PPM, 2 * PPM, -PPM, 3 * PPM, -PPM]


def test_number_of_scenarios_is_limited_clr_scan_002():
    fabrics = [f"f{number:02}" for number in range(OUTAGES_MAX + 1)]
    assert len(shocks(RiskTerms(), [0] * OUTAGES_MAX, 0, fabrics[:-1])) == 64
    with pytest.raises(ValueError, match="at most 53 different ones, were 54"):
        shocks(RiskTerms(), [0] * len(fabrics), 0, fabrics)
    with pytest.raises(ValueError, match="as many as windows, 2, were 1"):
        shocks(RiskTerms(), [0, 1], 0, ["f01"])


@pytest.mark.parametrize(
    ("field", "wrong"),
    [("range_ppm", -1), ("range_ppm", 10_000_001), ("steepen_ppm", -1), ("near_squeeze_ppm", -1), ("outage_ppm", -1),
     ("flatten_ppm", PPM + 1), ("list_cut_ppm", PPM + 1), ("generation_ppm", PPM + 1), ("slope_h", 0),
     ("squeeze_half_h", 0), ("list_cut_half_h", 0), ("available_ns", -1), ("ramp_s", 0), ("mpor_s", 3_599),
     ("open_interest_low", -1), ("open_interest_high", 0)],
)  # fmt: skip
def test_terms_out_of_range_are_malformed_clr_scan_002(field, wrong):
    with pytest.raises(CatalogueError, match=f"{field} must be from .* was {wrong}$"):
        RiskTerms(**{field: wrong})


def test_terms_have_defaults_and_take_their_bounds_clr_scan_002():
    assert RiskTerms() == RiskTerms(
        range_ppm=250_000, steepen_ppm=250_000, flatten_ppm=250_000, slope_h=720, near_squeeze_ppm=440_000,
        squeeze_half_h=24, list_cut_ppm=440_000, list_cut_half_h=4_320, generation_ppm=400_000, available_ns=0,
        ramp_s=7_776_000, is_new_class=False, outage_ppm=500_000, mpor_s=86_400, open_interest_low=1 << 30,
        open_interest_high=(1 << 30) + 1,
    )  # fmt: skip
    RiskTerms(slope_h=1, squeeze_half_h=1, list_cut_half_h=1, ramp_s=1, mpor_s=3_600, range_ppm=0, flatten_ppm=PPM)
    RiskTerms(slope_h=8_784, ramp_s=316_224_000, mpor_s=2_592_000, range_ppm=10_000_000, open_interest_low=0,
              open_interest_high=1)  # fmt: skip
    for field, wrong in (("ramp_s", 316_224_001), ("slope_h", 8_785), ("mpor_s", 2_592_001)):
        with pytest.raises(CatalogueError, match=f"{field} must be"):
            RiskTerms(**{field: wrong})
    with pytest.raises(CatalogueError, match="open_interest_high must be from 6"):
        RiskTerms(open_interest_low=5, open_interest_high=5)


def test_classes_move_together_by_name_clr_scan_003():
    old = [Scenario("up", (1, 2)), Scenario("outage f1", (3, 4))]
    new = [Scenario("up", (5,)), Scenario("outage f9", (6,))]
    assert join([old, new]) == [
        Scenario("up", (1, 2, 5)), Scenario("outage f1", (3, 4, 0)), Scenario("outage f9", (0, 0, 6))
    ]  # fmt: skip
    assert join([]) == []
    assert join([[], new]) == new
    with pytest.raises(ValueError, match="a shock for each window"):
        join([[Scenario("up", (1,)), Scenario("down", (1, 2))]])
    with pytest.raises(ValueError, match="at most 64, were 65"):
        join([[Scenario(str(number), (1,)) for number in range(65)]])


# Initial margin


def test_rates_are_the_worst_of_a_lot_each_way_clr_scan_004():
    assert rates(Column(2_350_000, 8, (250_000, -250_000))) == (4_700_000, 4_700_000)
    assert rates(Column(2_350_000, 8, (350_000, -250_000))) == (4_700_000, 6_580_000)
    assert rates(Column(3, 1, (1, -2))) == (1, 1)  # Rounded up.
    assert rates(Column(3, 1, (5, 7))) == (0, 1)  # No loss one way.
    assert rates(Column(3, 1, ())) == (0, 0)


@pytest.mark.parametrize(
    ("positions", "scan", "gross", "margin", "binding"),
    [
        ((100, 0, 0), 827_200_000, 827_200_000, 827_200_000, "cut"),
        ((100, -100, 0), 299_200_000, 1_267_200_000, 492_800_000, "cut"),
        ((-100, 0, 100), 751_200_000, 1_435_200_000, 888_000_000, "squeeze"),
        ((-100, 0, -100), 903_200_000, 1_207_200_000, 964_000_000, "squeeze"),
    ],
)
def test_margin_of_single_windows_and_spreads_clr_scan_005(positions, scan, gross, margin, binding):
    found = initial_margin(positions, COLUMNS)
    assert (found.scan, found.gross, found.margin) == (scan, gross, margin)
    assert list(TABLE)[found.binding] == binding


def test_losses_are_told_by_scenario_clr_scan_005():
    losses = dict(zip(TABLE, initial_margin((-100, 0, 100), COLUMNS).losses, strict=True))
    assert (losses["generation"], losses["up"], losses["cut"]) == (608_000_000, 90_000_000, -523_200_000)


def test_nothing_binds_without_a_loss_clr_scan_005():
    assert initial_margin((0, 0, 0), COLUMNS).binding == -1
    assert initial_margin([5], [Column(7, 1, (1, 2))]).binding == -1
    assert initial_margin([], []).margin == 0


@given(columns=columns(), data=st.data(), floor=st.integers(0, PPM))
def test_margin_is_what_fractions_say_clr_scan_005(columns, data, floor):
    positions = data.draw(st.lists(st.integers(-500, 500), min_size=len(columns), max_size=len(columns)))
    loss = [[Fraction(-lots * c.mark * c.lot_micros * shock, PPM) for shock in c.shocks]
            for lots, c in zip(positions, columns, strict=True)]  # fmt: skip
    scan = ceil(max([Fraction(0), *map(sum, zip(*loss, strict=True))]))
    gross = sum(ceil(max([Fraction(0), *row])) for row in loss)
    found = initial_margin(positions, columns, floor)
    assert (found.scan, found.gross) == (scan, gross)
    assert found.margin == scan + ceil(Fraction((gross - scan) * floor, PPM))


@given(columns=columns(), data=st.data())
def test_requirement_is_never_below_margin_whatever_is_filled_clr_scan_011(columns, data):
    requirement, filled = 0, []
    for column in columns:
        held, buys, sells = (data.draw(st.integers(low, 60)) for low in (-60, 0, 0))
        filled.append(held + data.draw(st.integers(0, buys)) - data.draw(st.integers(0, sells)))
        long, short = rates(column)
        requirement += max(max(held + buys, 0) * long, max(sells - held, 0) * short)
    assert requirement >= initial_margin(filled, columns).gross >= initial_margin(filled, columns).margin


@given(columns=columns(least=2), data=st.data(), floor=st.integers(0, PPM))
def test_a_hedge_never_takes_margin_above_gross_clr_scan_011(columns, data, floor):
    positions = data.draw(st.lists(st.integers(-500, 500), min_size=len(columns), max_size=len(columns)))
    hedged = list(positions)
    hedged[0] = data.draw(st.integers(-500, 500))
    for held in (positions, hedged):
        found = initial_margin(held, columns, floor)
        assert found.scan <= found.margin <= found.gross
    unhedged, alone = list(hedged), [0] * len(hedged)
    unhedged[0], alone[0] = 0, hedged[0]
    both = initial_margin(unhedged, columns, floor).gross + initial_margin(alone, columns, floor).gross
    assert initial_margin(hedged, columns, floor).margin <= both


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="as many as columns, 3, were 1"):
        initial_margin([1], COLUMNS)
    with pytest.raises(ValueError, match="spread floor must be from 0 to 1000000 ppm, was 1000001"):
        initial_margin([1, 2, 3], COLUMNS, PPM + 1)
    with pytest.raises(ValueError, match="zip"):
        initial_margin([1, 2], [Column(1, 1, (1,)), Column(1, 1, (1, 2))])


# What is added


@pytest.mark.parametrize(
    ("lots", "daily", "added"),
    [
        (0, 100, 0),  # 0.3 days: within the margin period of one day.
        (70, 100, 0),
        (-170, 100, 414_214),  # Two days: the root of 2.
        (270, 100, 732_051),  # Three.
        (10**9, 100, 732_051),
        (1, 0, 732_051),
    ],
)
def test_slow_positions_cost_more_clr_scan_007(lots, daily, added):
    assert concentration(PPM, lots, daily, DAY_S) == added


@given(
    margin=st.integers(0, 10**15), lots=st.integers(-(10**9), 10**9), daily=st.integers(1, 10**9),
    mpor=st.integers(3_600, 30 * DAY_S),
)  # fmt: skip
def test_concentration_is_the_least_whole_number_enough_clr_scan_007(margin, lots, daily, mpor):
    seconds = min(Fraction(abs(lots) * DAY_S, daily) + Fraction(3 * DAY_S, 10), Fraction(3 * DAY_S))
    added = concentration(margin, lots, daily, mpor)
    square = margin * margin * seconds / mpor
    assert (margin + added) ** 2 >= square
    assert added == 0 or (margin + added - 1) ** 2 < square


def test_concentration_refuses_what_cannot_be():
    for wrong in ((-1, 1, 1, 1), (1, 1, -1, 1), (1, 1, 1, 0)):
        with pytest.raises(ValueError, match="must not be negative"):
            concentration(*wrong)


@pytest.mark.parametrize(
    ("open_lots", "ppm"),
    [(0, 200_000), (1_000, 200_000), (1_001, 200_800), (1_500, 600_000), (2_000, PPM), (9_999, PPM)],
)
def test_margin_rises_with_open_interest_clr_scan_008(open_lots, ppm):
    assert open_interest_fraction(200_000, open_lots, 1_000, 2_000) == ppm


def test_open_interest_is_rounded_up_and_never_lowers_clr_scan_008():
    assert open_interest_fraction(0, 1, 0, 3) == 333_334
    assert open_interest_fraction(1_200_000, 5, 0, 3) == 1_200_000
    with pytest.raises(ValueError, match="must rise"):
        open_interest_fraction(0, 1, 3, 3)


def test_buffer_is_used_up_by_a_jump_and_built_again_clr_scan_009():
    day = [buffered(1_000)]
    for margin in (1_000, 1_200, 1_240, 1_240, 1_500, 1_500, 400):
        day.append(buffered(margin, day[-1]))
    #          quiet        a jump within it, and on; more; beyond it: none is left; growing again; falling
    assert day == [1_250, 1_250, 1_262, 1_275, 1_288, 1_500, 1_515, 500]


@given(margin=st.integers(0, 10**12), previous=st.integers(1, 10**12))
def test_buffered_is_from_margin_to_all_of_the_buffer_clr_scan_009(margin, previous):
    found = buffered(margin, previous)
    assert margin <= found <= ceil(Fraction(5 * margin, 4))
    assert found <= max(margin, previous + ceil(Fraction(margin, 100)))


@pytest.mark.parametrize(
    ("previous", "wanted", "now"),
    [(1_000, 1_099, 1_099), (1_000, 1_500, 1_100), (1_001, 1_500, 1_102), (1_000, 10, 10), (0, 7, 7), (1, 9, 2)],
)
def test_rates_rise_by_a_tenth_a_day_clr_scan_010(previous, wanted, now):
    assert capped_increase(previous, wanted, 100_000) == now


def test_a_capped_rate_arrives_clr_scan_010():
    rate, days = 1_000, 0
    while rate < 2_000:
        rate, days = capped_increase(rate, 2_000, 100_000), days + 1
    assert (rate, days) == (2_000, 8)


@pytest.mark.parametrize(
    ("equity", "margin", "expected"),
    [
        (66, 100, Level.HANDOVER), (67, 100, Level.LIQUIDATION), (99, 100, Level.LIQUIDATION), (100, 100, Level.CALL),
        (109, 100, Level.CALL), (110, 100, Level.NO_ENTRY), (124, 100, Level.NO_ENTRY), (125, 100, Level.ENTRY),
        (140, 100, Level.ENTRY), (141, 100, Level.RELEASE), (0, 0, Level.RELEASE), (5, 0, Level.RELEASE),
        (-1, 0, Level.HANDOVER), (-1, 100, Level.HANDOVER), (2, 3, Level.LIQUIDATION),
    ],
)  # fmt: skip
def test_levels_of_equity_clr_scan_012(equity, margin, expected):
    assert level(equity, margin) is expected


def test_levels_are_ordered_clr_scan_012():
    assert sorted(Level) == [Level.HANDOVER, Level.LIQUIDATION, Level.CALL, Level.NO_ENTRY, Level.ENTRY, Level.RELEASE]


@pytest.mark.parametrize(
    ("losses", "size"),
    [([], 0), ([[5, 9]], 9), ([[5, -9], [7, 100], [6, -1]], 100), ([[50, 1], [60, 99], [1, 10]], 110),
     ([[-5], [-7]], 0), ([[-5], [3]], 3)],
)  # fmt: skip
def test_fund_covers_the_two_largest_losses_at_one_time_clr_scan_013(losses, size):
    assert cover_two(losses) == size


@given(total=st.integers(0, 10**15), margins=st.lists(st.integers(0, 10**12), min_size=1, max_size=20))
@example(total=10, margins=[1, 1, 1])
def test_fund_is_shared_to_the_micro_clr_scan_013(total, margins):
    found = fund_share(total, margins)
    assert sum(found) == (total if sum(margins) else 0)
    assert all(abs(share - Fraction(total * margin, sum(margins) or 1)) < 1
               for share, margin in zip(found, margins, strict=True))  # fmt: skip


def test_fund_shares_by_largest_remainder_clr_scan_013():
    assert fund_share(17, [20, 12, 7]) == [9, 5, 3]
