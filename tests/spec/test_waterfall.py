"""The matrix of layers and claims, haircut, tear-up, recoveries (CLR-WFL rules of docs/spec/default.md)."""

from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.clearing.capped import capped_shares
from exchange.clearing.waterfall import (
    LAST,
    NOBODY,
    SENIORITY,
    Class,
    Layer,
    Layers,
    Payment,
    Repaid,
    Repayment,
    assessment_cap,
    distribute_recovery,
    haircut,
    run,
    tear_up,
)

PAGE = Path(__file__).parent.parent.parent / "docs" / "spec" / "default.md"
C1, C2, C3, C4 = Class
FUND = {1: 600, 2: 400, 3: 200}
CLAIMS = {C1: 1000, C2: 5000, C3: 800, C4: 3000}
LAYERS = Layers(1000, 2500, 500, 400, 700, FUND, FUND)


def page_rows():
    """The cells of the matrix as the page draws it, by layer."""
    rows = [line.strip("| \n").split("|") for line in PAGE.read_text().splitlines() if line.startswith("| L")]
    return {Layer[cells[0].split()[0]]: [cell.strip() for cell in cells[1:]] for cells in rows}


def test_page_draws_the_matrix_of_the_code_clr_wfl_001():
    ranks = ["1st", "2nd", "3rd", "4th"]
    drawn = {
        layer: [ranks[order.index(claim)] if claim in order else "no" for claim in Class]
        for layer, order in SENIORITY.items()
    }
    drawn[Layer.L8] = [LAST[claim].name.lower().replace("_", "-") for claim in Class]
    assert page_rows() == drawn
    assert list(SENIORITY) == list(Layer)[:-1]


def test_example_clr_wfl_001_clr_wfl_002_clr_wfl_003():
    outcome = run(CLAIMS, LAYERS)
    assert list(outcome.used.values()) == [1000, 2500, 500, 400, 700, 1200, 400]
    assert outcome.paid == {C1: 1000, C2: 5000, C3: 0, C4: 700}
    assert outcome.unpaid == {C1: 0, C2: 0, C3: 800, C4: 2300}
    assert outcome.payments == (
        Payment(Layer.L1, C2, NOBODY, 1000),
        Payment(Layer.L2, C1, NOBODY, 1000),
        Payment(Layer.L2, C2, NOBODY, 1500),
        Payment(Layer.L3, C2, NOBODY, 500),
        Payment(Layer.L4, C2, NOBODY, 400),
        Payment(Layer.L5, C4, NOBODY, 700),
        Payment(Layer.L6, C2, 1, 600),
        Payment(Layer.L6, C2, 2, 400),
        Payment(Layer.L6, C2, 3, 200),
        Payment(Layer.L7, C2, 1, 200),
        Payment(Layer.L7, C2, 2, 133),
        Payment(Layer.L7, C2, 3, 67),
    )


@pytest.mark.parametrize(
    ("layers", "paid"),
    [
        (Layers(bond=25), [0, 10, 10, 5]),
        (Layers(bond=35), [5, 10, 10, 10]),
        (Layers(collateral=25), [10, 10, 5, 0]),
        (Layers(fund=31), [10, 10, 10, 1]),
        (Layers(sitg=99), [10, 10, 10, 0]),
        (Layers(pool=99), [0, 0, 0, 10]),
        (Layers(survivors={7: 99}), [10, 10, 10, 0]),
        (Layers(survivors={7: 15}, assessments={7: 15}), [10, 10, 0, 0]),
    ],
)
def test_one_layer_alone_clr_wfl_001(layers, paid):
    assert list(run(dict.fromkeys(Class, 10), layers).paid.values()) == paid


ORDERS = ["2341", "1234", "1234", "123", "4", "123", "12"]


def unit_by_unit(claims, amounts):
    """Which class each single unit of each layer pays, as a list of (layer, class)."""
    left, spent = dict(claims), []
    for layer, (amount, order) in enumerate(zip(amounts, ORDERS, strict=True), 1):
        for _ in range(amount):
            for digit in order:
                if left[int(digit)]:
                    left[int(digit)] -= 1
                    spent.append((layer, int(digit)))
                    break
    return spent


money = st.integers(0, 12)
funds = st.dictionaries(st.integers(1, 6), money, max_size=4)


@st.composite
def layer_sets(draw):
    survivors = draw(funds)
    caps = {account: draw(st.integers(0, share)) for account, share in survivors.items()}
    junior = draw(st.lists(st.integers(1, 6), max_size=3))
    return Layers(*(draw(money) for _ in range(5)), survivors, caps, tuple(junior))


@settings(max_examples=300, deadline=None)
@given(st.fixed_dictionaries({claim: st.integers(0, 25) for claim in Class}), layer_sets())
def test_any_run_pays_as_unit_by_unit_clr_wfl_001_clr_wfl_002_clr_wfl_003_clr_wfl_004(claims, layers):
    outcome = run(claims, layers)
    amounts = [layers.bond, layers.collateral, layers.fund, layers.sitg, layers.pool,
               sum(layers.survivors.values()), sum(layers.assessments.values())]  # fmt: skip
    paid = {}
    for layer, claim, _, amount in outcome.payments:
        assert amount > 0
        paid[layer, claim] = paid.get((layer, claim), 0) + amount
    spent = unit_by_unit(claims, amounts)
    assert paid == {key: spent.count(key) for key in spent}
    assert sum(outcome.paid.values()) == sum(outcome.used.values()) == len(spent)
    for claim in Class:
        assert 0 <= outcome.paid[claim] == claims[claim] - outcome.unpaid[claim]
    for account in range(1, 7):
        share = layers.survivors.get(account, 0)
        loss = {layer: sum(p.amount for p in outcome.payments if p.account == account and p.layer == layer)
                for layer in (Layer.L6, Layer.L7)}  # fmt: skip
        assert loss[Layer.L6] <= share
        assert loss[Layer.L7] <= layers.assessments.get(account, 0)
        if account not in layers.juniorised and loss[Layer.L6]:
            juniors = sum(layers.survivors.get(junior, 0) for junior in set(layers.juniorised))
            assert sum(p.amount for p in outcome.payments
                       if p.layer == Layer.L6 and p.account in layers.juniorised) == juniors  # fmt: skip


def test_a_class_that_claims_nothing_is_paid_nothing_clr_wfl_002():
    outcome = run({C2: 3}, Layers(bond=2))
    assert outcome.paid == {C1: 0, C2: 2, C3: 0, C4: 0}
    assert outcome.unpaid == {C1: 0, C2: 1, C3: 0, C4: 0}
    assert run({}, LAYERS).payments == ()


def test_what_one_cannot_pay_the_others_do_clr_wfl_003():
    # 60 over 600/400/200 would be 30/20/10; account 2 has only 5 left of its budget, so 55 go 3 to 1.
    outcome = run({C1: 1260}, Layers(survivors=FUND, assessments={1: 600, 2: 5, 3: 200}))
    assert [(p.account, p.amount) for p in outcome.payments if p.layer == Layer.L7] == [(1, 41), (2, 5), (3, 14)]


def test_who_did_not_bid_pays_first_clr_wfl_004():
    outcome = run({C2: 700}, Layers(survivors=FUND, juniorised=(2, 3, 9)))
    assert [(p.account, p.amount) for p in outcome.payments] == [(2, 400), (3, 200), (1, 100)]
    outcome = run({C2: 300}, Layers(survivors=FUND, juniorised=(2, 3)))
    assert [(p.account, p.amount) for p in outcome.payments] == [(2, 200), (3, 100)]


@settings(max_examples=500, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), max_size=6), st.data())
def test_capped_shares_are_level_clr_wfl_003(pairs, data):
    weights, caps = [weight for weight, _ in pairs], [cap for _, cap in pairs]
    room = [cap if weight else 0 for weight, cap in pairs]
    total = data.draw(st.integers(0, sum(room)))
    given_shares = capped_shares(total, weights, caps)
    assert sum(given_shares) == total
    assert all(0 <= part <= most for part, most in zip(given_shares, room, strict=True))
    # Exactly: some level times its weight for everyone, but at most the cap. The level is found among its kinks.
    kinks = sorted({Fraction(0), *(Fraction(most, weight) for weight, most in zip(weights, room, strict=True) if most)})

    def taken(level):
        return sum(min(Fraction(most), level * weight) for weight, most in zip(weights, room, strict=True))

    low = max(level for level in kinks if taken(level) <= total)
    slope = sum(weight for weight, most in zip(weights, room, strict=True) if most > low * weight)
    level = low + ((total - taken(low)) / slope if slope else 0)
    for part, weight, most in zip(given_shares, weights, room, strict=True):
        assert abs(part - min(Fraction(most), level * weight)) < 1


@pytest.mark.parametrize(
    ("share", "event", "half_year", "cap"),
    [(600, 0, 0, 600), (600, 200, 200, 400), (600, 0, 900, 300), (600, 600, 600, 0), (600, 0, 1200, 0),
     (600, 0, 1500, 0), (0, 0, 0, 0), (600, 100, 1150, 50)],
)  # fmt: skip
def test_assessment_is_bounded_by_event_and_half_year_clr_wfl_005(share, event, half_year, cap):
    assert assessment_cap(share, event, half_year) == cap


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: Layers(bond=-1), "must not be negative"),
        (lambda: Layers(survivors={1: -1}), "must not be negative"),
        (lambda: Layers(survivors={1: 5}, assessments={1: 6}), "account 1 must be from 0 to its share, was 6"),
        (lambda: Layers(assessments={1: 1}), "account 1 must be from 0 to its share, was 1"),
        (lambda: run({C1: -1}, Layers()), "claims must not be negative"),
    ],
)
def test_impossible_layers_and_claims_are_refused_clr_wfl_002(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_gains_are_cut_in_proportion_clr_wfl_006():
    assert haircut({5: 100, 2: 50, 9: 50}, 150, 200) == {2: 38, 5: 75, 9: 37}  # 37.5 twice: the lower account.
    assert haircut({5: 100}, 0, 100) == {5: 0}
    assert haircut({5: 100}, 100, 100) == {5: 100}
    assert haircut({}, 0, 0) == {}


@given(st.dictionaries(st.integers(1, 99), st.integers(0, 1 << 62), min_size=1, max_size=6), st.data())
def test_all_that_is_collected_is_paid_clr_wfl_006(gains, data):
    expected = sum(gains.values())
    collected = data.draw(st.integers(0, expected))
    paid = haircut(gains, collected, expected)
    assert sum(paid.values()) == collected
    for account, gain in gains.items():
        assert 0 <= paid[account] <= gain
        assert paid[account] - (gain * collected // expected if expected else 0) in (0, 1)


@pytest.mark.parametrize("bad", [({1: 5}, 6, 5), ({1: 5}, -1, 5), ({1: 5}, 3, 6), ({1: -5, 2: 10}, 3, 5), ({}, 0, 1)])
def test_gains_must_be_what_was_expected_clr_wfl_006(bad):
    with pytest.raises(ValueError, match="gains must sum to"):
        haircut(*bad)


def test_lots_that_cannot_be_paid_for_are_torn_up_clr_wfl_007():
    assert tear_up({8: 20, 3: 12, 5: 7}, 17) == {3: 7, 5: 4, 8: 11}
    assert tear_up({8: 20, 3: 12}, 0) == {3: 12, 8: 20}
    assert tear_up({8: 20, 3: 12}, 32) == {3: 0, 8: 0}
    assert tear_up({8: 20, 3: 0}, 20) == {3: 0, 8: 0}
    assert tear_up({}, 0) == {}


@pytest.mark.parametrize("bad", [({8: 20, 3: 12}, 33), ({8: 20, 3: 12}, -1), ({8: 20, 3: -5}, 7), ({8: -1, 3: 9}, 7)])
def test_no_more_is_kept_than_owed_clr_wfl_007(bad):
    with pytest.raises(ValueError, match="served must be from 0 to all lots, was"):
        tear_up(*bad)


UNPAID = {C3: {4: 500, 5: 300}, C4: {4: 2300}}


@pytest.mark.parametrize(
    ("amount", "repaid", "left"),
    [
        (0, [], 0),
        (3, [("L7", 1, 1), ("L7", 2, 1), ("L7", 3, 1)], 0),
        (400, [("L7", 1, 200), ("L7", 2, 133), ("L7", 3, 67)], 0),
        (1000, [("L7", 1, 200), ("L7", 2, 133), ("L7", 3, 67), ("L6", 1, 300), ("L6", 2, 200), ("L6", 3, 100)], 0),
        (2100, [("L7", 1, 200), ("L7", 2, 133), ("L7", 3, 67), ("L6", 1, 600), ("L6", 2, 400), ("L6", 3, 200),
                ("L4", 0, 400), ("C3", 4, 63), ("C3", 5, 37)], 0),
        (5150, [("L7", 1, 200), ("L7", 2, 133), ("L7", 3, 67), ("L6", 1, 600), ("L6", 2, 400), ("L6", 3, 200),
                ("L4", 0, 400), ("C3", 4, 500), ("C3", 5, 300), ("C4", 4, 2300)], 50),
    ],
)  # fmt: skip
def test_recoveries_repay_the_last_payer_first_clr_wfl_008(amount, repaid, left):
    payments = run(CLAIMS, LAYERS).payments
    expected = [Repayment(Repaid[to], account, part) for to, account, part in repaid]
    assert distribute_recovery(amount, payments, UNPAID) == (expected, left)


@given(st.lists(st.integers(0, 3000), min_size=1, max_size=5))
def test_recoveries_in_parts_repay_everything_once_clr_wfl_008(amounts):
    payments, before, left = run(CLAIMS, LAYERS).payments, [], 0
    for amount in amounts:
        repaid, rest = distribute_recovery(amount, payments, UNPAID, before)
        assert sum(part for _, _, part in repaid) + rest == amount
        before += repaid
        left += rest
    assert left == max(0, sum(amounts) - 400 - 1200 - 400 - 800 - 2300)
    if left:
        whole = distribute_recovery(5100, payments, UNPAID)[0]
        totals = {}
        for to, account, part in before:
            totals[to, account] = totals.get((to, account), 0) + part
        assert totals == {(to, account): part for to, account, part in whole}


@pytest.mark.parametrize(
    ("amount", "unpaid", "before"),
    [
        (-1, {}, ()),
        (1, {C1: {4: 5}}, ()),
        (1, {C3: {4: 5}}, [Repayment(Repaid.C3, 4, 6)]),
        (1, {C3: {4: 5, 6: 9}}, [Repayment(Repaid.C3, 4, 6)]),
        (1, {C3: {4: -1, 6: 9}}, ()),
    ],
)
def test_impossible_recoveries_are_refused_clr_wfl_008(amount, unpaid, before):
    with pytest.raises(ValueError, match="must be"):
        distribute_recovery(amount, (), unpaid, before)
