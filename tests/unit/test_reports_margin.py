"""Why an account must hold what it must hold: the numbers of the example, by hand."""

import json

import pytest
from reports_venue import BOND, MONEY, frames_of_e7, run, seq_of, write_journal

pytestmark = pytest.mark.usefixtures("compiled_core")
NOTIONAL = 32 * 2_350_000 * 8
TRADED = seq_of("run_clearing")  # The first run, 100 hours before the start.


@pytest.fixture(scope="module")
def e7(tmp_path_factory, compiled_core):
    frames, engine = frames_of_e7()
    return write_journal(tmp_path_factory.mktemp("e7") / "journal", frames, engine)


def margin(directory, *arguments):
    result = run("margin", directory, *arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.output)


def test_the_buyer_of_the_example_by_hand(e7):
    report = margin(e7, "ann", "--until", TRADED)
    losses = {one["name"]: one["loss"] for one in report["scenarios"]}
    assert [one["name"] for one in report["scenarios"] if one["binding"]] == ["cut"]
    assert losses["parallel -1"] == NOTIONAL // 4 == 150_400_000
    assert losses["outage H100-8H.east"] == -NOTIONAL // 2
    # A cut of 44 %, 100 hours ahead of half of it at 4,320: 430,045.2 ppm, rounded away from 0.
    scan = -(-NOTIONAL * 430_046 // 1_000_000)
    assert losses["cut"] == report["scan"] == report["gross"] == report["initial_margin"] == scan == 258_715_674
    assert report["buffer"] == 64_678_943
    assert (report["floor"], report["relief"], report["ahead"], report["concentration"]) == (0, 0, 0, 0)
    assert report["must_hold"] == report["published"]["must_hold"] == 323_394_617
    assert report["equity"] == MONEY
    assert report["ratio_bps"] == MONEY * 10_000 // 323_394_617
    assert (report["level"], report["standing"], report["deadline_ns"]) == ("good", "release", None)
    assert report["may_withdraw"] == MONEY - 452_752_464 == 4_547_247_536  # 140 % of it stays.
    (window,) = report["windows"]
    assert (window["position"], window["mark"], window["value"]) == (32, 2_350_000, NOTIONAL)
    assert (window["product"], window["fabric"]) == ("H100-8H", "east")
    assert (window["long_rate"], window["short_rate"]) == (8_084_865, 9_400_000)
    assert (window["prefunding"], window["delivery_addon"]) == (4_700_000, 0)


def test_the_provider_lacks_bond_and_holds_add_on_as_the_start_comes(e7):
    early = margin(e7, "prov", "--until", TRADED)
    # No history: 40 % of 1,203,200,000, less what is there.
    assert early["bond"] == {"held": BOND, "lacking": 481_280_000 - BOND}
    assert [one["name"] for one in early["scenarios"] if one["binding"]] == ["outage H100-8H.east"]
    assert early["must_hold"] == 601_600_000 + 150_400_000 + 481_280_000 - BOND
    begun = margin(e7, "prov", "--until", seq_of("checkpoint", 0))
    assert begun["delivering"] == 564_000_000  # 27,000 of 28,800 s at half the price.
    assert begun["scenarios"] == []
    assert begun["must_hold"] == 564_000_000 + begun["bond"]["lacking"]
    over = margin(e7, "prov")
    assert (over["must_hold"], over["ratio_bps"], over["standing"]) == (0, None, "release")


def test_a_moment_instead_of_a_command(e7):
    assert margin(e7, "ann", "--until", "2026-11-19T20:00")["seq"] == seq_of("time", 1)


def test_margin_as_text(e7):
    text = run("margin", e7, "ann", "--until", TRADED).output
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert "cut 258,715,674 binds" in lines
    assert "must hold 323,394,617 initial margin and all between" in lines
    assert "equity 5,000,000,000 1,546.09 %" in lines
    assert "may be withdrawn 4,547,247,536 by the last run of margin" in lines
    assert any(line.startswith("H100-8H.east@2026-11-24T00 32 0 0 2,350,000") for line in lines)
    assert "no window has a mark: no scenarios" in run("margin", e7, "prov").output


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("eve",), "there is no account 'eve' in this journal"),
        (("ann", "--until", "1"), "there is no account 'ann' in this journal"),
    ],
)
def test_unknown_account_exits_2(e7, arguments, text):
    result = run("margin", e7, *arguments)
    assert (result.exit_code, result.output) == (2, f"hourglass: {text}\n")


def test_all_accounts_the_closest_to_a_call_first(e7):
    report = margin(e7, "--until", TRADED)
    rows = report["accounts"]
    assert [row["account"] for row in rows[:4]] == ["prov", "ann", "bob", "cat"]
    assert rows[1]["must_hold"] == 323_394_617
    assert rows[0]["bond"] == BOND
    ratios = [row["ratio_bps"] for row in rows if row["ratio_bps"] is not None]
    assert ratios == sorted(ratios)
    # A cut twice as hard: of the 64 lots ann's 32 and bob's 20 lose most beyond what is held for them.
    losses = [-(-lots * 18_800_000 * 430_046 * 2 // 1_000_000) for lots in (32, 20)]
    needed = sum(losses) - rows[1]["must_hold"] - rows[2]["must_hold"]
    assert report["fund"] == {"held": 0, "needed": needed}
    assert needed == 315_309_688
    assert sum(row["fund_should_be"] for row in rows) == needed
    text = run("margin", e7, "--until", TRADED).output
    assert "the default fund holds 0" in text
    assert "323,394,617" in text
