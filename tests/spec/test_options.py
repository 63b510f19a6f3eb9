"""Options on window prices (CLR-OPT rules of docs/spec/options.md)."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from exchange.clearing.fixed import ONE
from exchange.clearing.margin import Column, lot_losses, margin_of_losses
from exchange.clearing.options import (
    VOL_MAX_PPM,
    Fixing,
    Option,
    average_value,
    doubled,
    exact_average_sum,
    exact_value,
    implied_vol,
    option_losses,
    option_rates,
    scenario_values,
    short_least,
    value,
)

HOUR, DAY, YEAR = 3_600, 86_400, 31_536_000
CALL = Option(True, 2_400, 30 * DAY)
PUT = Option(False, 2_400, 30 * DAY)
STRIP = [Fixing(2_350 - 10 * hour, 30 * DAY + hour * HOUR) for hour in range(24)]

prices = st.integers(1, 1_000_000)
vols = st.integers(1, 10_000_000)
times = st.integers(1, 3 * YEAR)


@pytest.mark.parametrize(
    ("option", "forward", "vol", "ticks", "exact"),
    [
        (CALL, 2_350, 800_000, 193, 15270641479407777277430429148050),
        (PUT, 2_350, 800_000, 243, 19232049605120994157107626664850),
        (Option(True, 2_350, HOUR), 2_350, 10_000_000, 100, 7932296280377443230765251322200),
        (Option(False, 1_000, 365 * DAY), 2_350, 500_000, 13, 1061659783041246441647049489550),
        (Option(True, 2_350, 0), 2_400, 500_000, 50, 50 * ONE),
    ],
)
def test_values_are_the_same_everywhere_clr_opt_001(option, forward, vol, ticks, exact):
    assert value(option, forward, vol) == ticks
    assert exact_value(option, forward, vol) == exact


@settings(max_examples=300)
@given(forward=prices, ratio=st.integers(30, 300), vol=vols, time=times, is_call=st.booleans())
def test_value_is_that_of_quantlib_clr_opt_001(forward, ratio, vol, time, is_call):
    ql = pytest.importorskip("QuantLib")
    strike = max(1, forward * ratio // 100)
    kind = ql.Option.Call if is_call else ql.Option.Put
    other = ql.blackFormula(kind, strike, forward, vol / 1e6 * (time / YEAR) ** 0.5)
    exact = exact_value(Option(is_call, strike, time), forward, vol) / ONE
    assert exact == pytest.approx(other, rel=1e-9, abs=1e-12 * forward)
    assert abs(value(Option(is_call, strike, time), forward, vol) - other) <= 0.5 + 1e-12 * forward


@given(forward=prices, strike=prices, vol=vols, time=times)
def test_call_less_put_is_forward_less_strike_clr_opt_001(forward, strike, vol, time):
    call, put = (exact_value(Option(is_call, strike, time), forward, vol) for is_call in (True, False))
    assert abs(call - put - (forward - strike) * ONE) <= (forward + strike) << 8
    assert max(0, forward - strike) * ONE <= call <= forward * ONE
    assert max(0, strike - forward) * ONE <= put <= strike * ONE


@given(forward=prices, strike=prices, vol=vols, time=times, is_call=st.booleans())
def test_value_never_falls_with_volatility_or_time_clr_opt_001(forward, strike, vol, time, is_call):
    now = value(Option(is_call, strike, time), forward, vol)
    assert now <= value(Option(is_call, strike, time), forward, vol + vol // 10 + 1)
    assert now <= value(Option(is_call, strike, time + time // 10 + 1), forward, vol)


@pytest.mark.parametrize("is_call", [True, False])
@pytest.mark.parametrize(
    ("strike", "forward", "vol", "time"),
    [(90, 100, 0, DAY), (110, 100, 0, DAY), (90, 100, 500_000, 0), (110, 100, 500_000, 0), (0, 100, 500_000, DAY),
     (100, 0, 500_000, DAY), (0, 0, 500_000, DAY), (0, 0, 0, 0)],
)  # fmt: skip
def test_what_cannot_move_is_worth_its_intrinsic_value_clr_opt_002(is_call, strike, forward, vol, time):
    intrinsic = max(0, forward - strike if is_call else strike - forward)
    assert exact_value(Option(is_call, strike, time), forward, vol) == intrinsic * ONE


def test_extremes_do_not_fail_clr_opt_002():
    most = Option(True, 1 << 30, 10 * YEAR)
    assert value(most, 1 << 30, VOL_MAX_PPM) == 1 << 30
    assert value(most, 1, 1) == 0
    assert value(Option(False, 1 << 30, 1), 1, 1) == (1 << 30) - 1
    assert value(Option(True, 1, 10 * YEAR), 1 << 30, 1) == (1 << 30) - 1


@settings(max_examples=60)
@given(forward=st.integers(100, 100_000), ratio=st.integers(60, 160), time=st.integers(HOUR, YEAR), data=st.data())
def test_implied_volatility_is_the_least_that_is_enough_clr_opt_003(forward, ratio, time, data):
    option = Option(data.draw(st.booleans()), forward * ratio // 100, time)
    intrinsic, most = value(option, forward, 0), value(option, forward, 20_000_000)
    assume(most > intrinsic)
    price = data.draw(st.integers(intrinsic + 1, most)) - 1
    vol = implied_vol(option, forward, price)
    assert exact_value(option, forward, vol) >= price * ONE
    assert vol == 0 or exact_value(option, forward, vol - 1) < price * ONE


def test_implied_volatility_of_an_impossible_price_is_refused_clr_opt_003():
    assert implied_vol(CALL, 2_350, 194) == 804_680
    assert implied_vol(CALL, 2_500, 100) == 0
    for price in (99, 2_501):
        with pytest.raises(ValueError, match=f"price must be one that some volatility gives, was {price}"):
            implied_vol(CALL, 2_500, price)


# Averages


def turnbull_wakeman(ql, is_call, forward, strike, vol, days):
    today = ql.Date(1, 1, 2026)
    ql.Settings.instance().evaluationDate = today
    count = ql.Actual365Fixed()
    none = ql.YieldTermStructureHandle(ql.FlatForward(today, 0.0, count))
    sigma = ql.BlackVolTermStructureHandle(ql.BlackConstantVol(today, ql.NullCalendar(), vol / 1e6, count))
    process = ql.BlackScholesMertonProcess(ql.QuoteHandle(ql.SimpleQuote(forward)), none, none, sigma)
    payoff = ql.PlainVanillaPayoff(ql.Option.Call if is_call else ql.Option.Put, strike)
    dates = [today + day for day in days]
    option = ql.DiscreteAveragingAsianOption(ql.Average.Arithmetic, dates, payoff, ql.EuropeanExercise(dates[-1]))
    option.setPricingEngine(ql.TurnbullWakemanAsianEngine(process))
    return option.NPV()


@settings(max_examples=100)
@given(
    forward=st.integers(10, 100_000), ratio=st.integers(60, 160), vol=st.integers(10_000, 2_000_000),
    days=st.lists(st.integers(1, 400), min_size=2, max_size=20, unique=True), is_call=st.booleans(),
)  # fmt: skip
def test_average_of_level_prices_is_that_of_quantlib_clr_opt_004(forward, ratio, vol, days, is_call):
    ql = pytest.importorskip("QuantLib")
    strike = max(1, forward * ratio // 100)
    other = turnbull_wakeman(ql, is_call, forward, strike, vol, sorted(days))
    exact = exact_average_sum(is_call, strike, [Fixing(forward, day * DAY) for day in days], vol) / ONE / len(days)
    assert exact == pytest.approx(other, rel=1e-9, abs=1e-10 * forward)


def simulated(fixings, strike, vol, correlation, is_call):
    """Mean and its error from 100,000 paths: one motion common to all windows, one of each its own."""
    random = np.random.default_rng(20261127)
    years = np.array([fixing.fixing_s for fixing in fixings]) / YEAR
    forwards = np.array([fixing.forward for fixing in fixings], float)
    steps = np.sqrt(np.diff(years, prepend=0))
    common = np.cumsum(random.standard_normal((100_000, len(fixings))) * steps, axis=1)
    own = random.standard_normal((100_000, len(fixings))) * np.sqrt(years)
    motion = np.sqrt(correlation) * common + np.sqrt(1 - correlation) * own
    average = (forwards * np.exp(vol * motion - vol * vol * years / 2)).mean(axis=1)
    paid = np.maximum(average - strike if is_call else strike - average, 0)
    return paid.mean(), paid.std() / len(paid) ** 0.5


@pytest.mark.parametrize("is_call", [True, False])
@pytest.mark.parametrize("correlation", [1_000_000, 500_000, 0])
def test_average_of_a_strip_is_what_paths_give_clr_opt_004(correlation, is_call):
    fixings = [Fixing(2_350 - 60 * hour, (5 + 12 * hour) * DAY) for hour in range(6)]
    mean, error = simulated(fixings, 2_200, 0.8, correlation / 1e6, is_call)
    exact = exact_average_sum(is_call, 2_200, fixings, 800_000, correlation) / ONE / len(fixings)
    assert abs(exact - mean) < 4 * error + 0.01 * mean  # The average is not quite lognormal.


def test_average_in_numbers_clr_opt_004():
    assert average_value(True, 2_200, STRIP, 800_000) == 221
    assert average_value(False, 2_200, STRIP, 800_000) == 186
    assert average_value(True, 2_200, STRIP, 800_000, 500_000) == 165


@given(forward=prices, strike=prices, vol=st.integers(0, 2_000_000), time=times, is_call=st.booleans())
def test_average_of_one_window_is_its_option_clr_opt_004(forward, strike, vol, time, is_call):
    exact = exact_value(Option(is_call, strike, time), forward, vol)
    assert abs(exact_average_sum(is_call, strike, [Fixing(forward, time)], vol) - exact) <= forward << 50
    assert average_value(is_call, strike, [Fixing(forward, time)] * 3, vol) == value(
        Option(is_call, strike, time), forward, vol
    )


def test_average_that_is_fixed_is_worth_what_it_pays_clr_opt_004():
    fixed = [Fixing(100, 0), Fixing(101, 0)]
    assert average_value(True, 90, fixed, 800_000) == 11  # 10.5: halves up.
    assert average_value(False, 90, fixed, 800_000) == 0
    assert average_value(True, 90, [Fixing(0, DAY)], 800_000) == 0
    assert average_value(False, 90, [Fixing(0, DAY)] * 2, 800_000) == 90


def test_average_does_not_depend_on_the_order_of_windows_clr_opt_004():
    assert exact_average_sum(True, 2_200, STRIP[::-1], 800_000) == exact_average_sum(True, 2_200, STRIP, 800_000)


# Margin


def test_scenarios_move_price_and_volatility_clr_opt_005():
    found = scenario_values(CALL, 2_350, 800_000, (250_000, -250_000))
    assert found == (645, 565, 42, 5)
    moved = [(2_938, 1_000_000), (2_938, 600_000), (1_763, 1_000_000), (1_763, 600_000)]  # 1762.5: halves up.
    assert found == tuple(value(CALL, forward, vol) for forward, vol in moved)
    assert scenario_values(PUT, 2_350, 800_000, (-1_000_000, -2_000_000)) == (2_400,) * 4


def test_losses_are_value_now_less_value_then_clr_opt_006():
    losses = option_losses(CALL, 2_350, 800_000, 8_000, (250_000, -250_000))
    assert losses == tuple((193 - then) * 8_000 * 1_000_000 for then in (645, 565, 42, 5))


def test_an_option_hedged_with_its_window_costs_less_clr_opt_006():
    column = Column(2_350, 8_000, (250_000, -250_000))
    option = option_losses(CALL, column.mark, 800_000, column.lot_micros, column.shocks)
    window = doubled(lot_losses(column))
    assert window == (-4_700_000_000_000,) * 2 + (4_700_000_000_000,) * 2
    # Short ten calls, long six windows: the windows pay for most of the calls when the price rises.
    found = margin_of_losses([-10, 6], [option, window])
    assert found.losses == (7_960_000, 1_560_000, 16_120_000, 13_160_000)
    assert (found.scan, found.gross, found.binding) == (16_120_000, 64_360_000, 2)
    assert found.margin == 16_120_000 + (64_360_000 - 16_120_000) // 5


def test_rates_of_an_option_clr_opt_007():
    losses = option_losses(CALL, 2_350, 800_000, 8_000, (250_000, -250_000))
    assert option_rates(losses, 2_350, 8_000) == (188 * 8_000, 452 * 8_000)
    assert option_rates([5, -5], 1, 1) == (1, 1)
    assert option_rates([], 2_350, 8_000) == (0, 376_000)


def test_a_short_option_far_from_its_strike_has_a_least_margin_clr_opt_007():
    far = option_losses(Option(True, 20_000, DAY), 2_350, 800_000, 8_000, (250_000, -250_000))
    assert option_rates(far, 2_350, 8_000) == (0, 376_000)


@settings(max_examples=60)
@given(
    option=st.builds(Option, st.booleans(), st.integers(0, 10_000), st.integers(0, YEAR)),
    forward=st.integers(0, 10_000), vol=st.integers(0, 5_000_000),
    shocks=st.lists(st.integers(-1_000_000, 3_000_000), max_size=4),
)  # fmt: skip
def test_a_long_option_is_charged_what_it_is_worth_at_most_clr_opt_007(option, forward, vol, shocks):
    long, short = option_rates(option_losses(option, forward, vol, 8_000, shocks), forward, 8_000)
    assert 0 <= long <= value(option, forward, vol) * 8_000
    assert short >= forward * 8_000 // 50


def test_least_margin_of_short_options_clr_opt_008():
    assert short_least(-3, 2_350, 8_000) == 1_128_000
    assert short_least(3, 2_350, 8_000) == 0
    assert short_least(-1, 1, 1) == 1


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        (lambda: Option(True, -1, 0), "strike must be from 0 to 1073741824, was -1"),
        (lambda: Option(True, 1, -1), "expiry must be from 0"),
        (lambda: Fixing(-1, 0), "forward must be from 0"),
        (lambda: Fixing(1, 10 * YEAR + 1), "fixing must be from 0"),
        (lambda: value(CALL, -1, 1), "forward must be from 0"),
        (lambda: value(CALL, 1, VOL_MAX_PPM + 1), "volatility must be from 0"),
        (lambda: scenario_values(CALL, 1, 1, (), 1_000_001), "volatility shock must be from 0"),
        (lambda: average_value(True, 1, [], 1), "fixings must be 1 to 168, were 0"),
        (lambda: average_value(True, 1, STRIP * 8, 1), "fixings must be 1 to 168, were 192"),
        (lambda: average_value(True, -1, STRIP, 1), "strike must be from 0"),
        (lambda: average_value(True, 1, STRIP, -1), "volatility must be from 0"),
        (lambda: average_value(True, 1, STRIP, 1, 1_000_001), "correlation must be from 0"),
        (lambda: average_value(True, 1, [Fixing(1, 10 * YEAR)], 4_000_000), "variance must be at most 128"),
    ],
)
def test_what_cannot_be_is_refused(wrong, text):
    with pytest.raises(ValueError, match=text):
        wrong()
