"""What a default would have been on other terms, by hand."""

import json

import pytest
from house import DOLLARS
from reports_venue import BOND, MONEY, RecordedHouse, frames_of_e7, run, seq_of, write_journal

from gateway.reports.cases import Casebook
from gateway.reports.playback import Playback
from gateway.reports.whatif import Altered, compare, read_changes

pytestmark = pytest.mark.usefixtures("compiled_core")
PAID = 212_138_337  # C2 154,641,671, C3 4,230,000, C4 53,266,666.


@pytest.fixture(scope="module")
def e7(tmp_path_factory, compiled_core):
    frames, engine = frames_of_e7()
    return write_journal(tmp_path_factory.mktemp("e7") / "journal", frames, engine)


def what_if(directory, *changes):
    arguments = [part for change in changes for part in ("--what-if", change)]
    result = run("default", directory, "1", "--json", *arguments)
    assert result.exit_code == 0, result.output
    return json.loads(result.output)


def table(lines, name):
    return {one[name]: (one["real"], one["what_if"], one["difference"]) for one in lines}


def test_a_smaller_bond_leaves_more_to_collateral(e7):
    report = what_if(e7, "bond.prov=20000000")
    assert table(report["layers"], "layer") == {
        "L1": (BOND, 20_000_000, 20_000_000 - BOND), "L2": (PAID - BOND, PAID - 20_000_000, BOND - 20_000_000),
    }  # fmt: skip
    assert table(report["flows"], "purse")["bond prov"] == (-BOND, -20_000_000, BOND - 20_000_000)
    # In the end it is the same: what was not in the bond was collateral.
    assert {one["difference"] for one in report["balances"]} == {0}
    assert (report["refused"], report["accepted"]) == ([], [])
    assert report["sum_of_all_accounts"] == {"real": 0, "what_if": 0}


def test_a_lower_cap_leaves_the_other_class_out(e7):
    report = what_if(e7, "cap_bps=12000")  # 2,820,000; s3 offers at 3,120,000 effectively.
    figures = table(report["figures"], "what")
    assert figures["lots replaced"] == (64, 56, -8)
    assert figures["lots in cash"] == (0, 8, 8)
    assert figures["premium"] == (140_583_337, 140_583_337 - 22_458_334 - 27_125_000, -49_583_334)
    balances = table(report["balances"], "purse")
    assert balances["coll s3"] == (MONEY + 159_250_000, MONEY, -159_250_000)
    # What bob and cat do not pay s3 is refunded.
    assert balances["coll bob"][2] == 68_541_666
    assert balances["coll cat"][2] == 41_125_000
    assert balances["standby"][2] == 9_100_001 - 14_058_334
    assert balances["coll prov"][2] == 49_583_334 + 4_958_333
    assert sum(one["difference"] for one in report["balances"]) == 0
    # s3 has nothing to deliver then.
    assert [(one["command"], one["account"], one["reason"]) for one in report["refused"]] == [
        ("heartbeat", "s3", "NO_DELIVERY"), ("meter", "s3", "NO_DELIVERY"),
    ]  # fmt: skip


def test_what_is_refused_with_other_terms_is_told(e7):
    text = run("default", e7, "1", "--what-if", "bond.prov=6000000000").output
    assert f"| {seq_of('transfer')} | transfer | prov | BALANCE |" in text
    assert "## Refused with these terms, accepted in fact" in text
    assert "the two runs are not the same market" in text
    # Without a bond collateral pays.
    assert "| L1 | 48,588,826 | 0 | -48,588,826 |" in text


def test_order_refused_for_margin():
    """At a range of 100 % a lot needs 1,563 instead of 685: ann's second order is too large."""
    house = RecordedHouse(None, people=("ann", "prov"), money=4_000)
    house.certify("prov", 10)
    house.trade("prov", "ann", 2, 1_000)
    house.run()
    house.now_s += 60
    assert house.answer(house.buy("ann", 2, 900)) is None
    house.do("declare_default", account="prov")
    real = Casebook(Playback()).follow(house.frames)
    report = compare(real, 1, read_changes(["range_ppm=1000000"]), lambda: house.frames)
    assert ("place", "ann", "MARGIN") in [(one["command"], one["account"], one["reason"]) for one in report["refused"]]
    assert report["accepted"] == []


def test_a_default_that_does_not_happen(e7):
    report = what_if(e7, "heartbeat_s=600", "missed=60")
    assert report["has_case"] is False
    assert {one["what_if"] for one in report["layers"]} == {0}
    text = run("default", e7, "1", "--what-if", "heartbeat_s=600", "--what-if", "missed=60").output
    assert "**With these terms there is no case 1.**" in text


def test_what_is_paid_in_is_scaled_to_the_micro():
    house = RecordedHouse(None, people=("ann",), money=10 * DOLLARS)
    for micros in (100, 200, 400):
        house.do("transfer", account="ann", source="coll", target="fund", micros=micros)
    house.do("transfer", account="ann", source="coll", target="bond", micros=50)
    house.do("fund", kind="sitg", micros=1_000)
    altered = Altered(read_changes(["fund.ann=1000", "fund.sitg=3"]), house.frames, ())
    assert list(altered.amounts.values()) == [142, 286, 572, 3]
    book = Casebook(Playback(altered.record)).follow(house.frames)
    purses = {purse.kind.name: micros for purse, micros in book.balances.items() if purse.kind.name != "EXTERNAL"}
    assert purses == {"COLLATERAL": 10 * DOLLARS - 1_050, "FUND": 1_000, "BOND": 50, "SITG": 3}
    assert book.total() == 0
    # Nothing at all: those commands are refused, on purpose, and not told.
    assert list(Altered(read_changes(["fund.ann=0"]), house.frames, ()).amounts.values()) == [0, 0, 0]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        (("cap=1",), "cap is no term of set_house, set_class or set_clearing, and no bond. or fund. of one"),
        (("cap_bps",), "a change must be TERM=NUMBER, was 'cap_bps'"),
        (("cap_bps=-1",), "a change must be TERM=NUMBER, was 'cap_bps=-1'"),
        (("cap_bps=9999",), "cap_bps must be from 10000 to 100000, was 9999"),
        (("range_ppm=2000000000",), "range_ppm must be from 0 to 10000000, was 2000000000"),
        (("cap_bps=12000", "cap_bps=13000"), "cap_bps must be given once"),
        (("fund.ann=1",), "fund.ann: nothing was paid in, so there is nothing to scale"),
    ],
)
def test_changes_that_cannot_be_made_exit_2(e7, changes, text):
    arguments = [part for change in changes for part in ("--what-if", change)]
    result = run("default", e7, "1", *arguments)
    assert (result.exit_code, result.output) == (2, f"hourglass: {text}\n")


def test_a_term_nobody_sets(tmp_path):
    house = RecordedHouse(None)
    frames = [frame for frame in house.frames][:0]
    with pytest.raises(ValueError, match="cap_bps: there is no set_clearing in this journal"):
        Altered(read_changes(["cap_bps=12000"]), frames, ())
