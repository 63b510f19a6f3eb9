"""The report of a default has the numbers of the worked example, and what a verdict rests on."""

import hashlib
import json

import pytest
from house import DOLLARS
from reports_venue import (
    BOND,
    FLAT,
    MONEY,
    RecordedHouse,
    frames_of_e7,
    move,
    run,
    seq_of,
    write_journal,
)

from exchange import commands
from exchange.clearing.ledger import Purse
from exchange.clearing.waterfall import Class
from exchange.clearing.words import Kind
from exchange.engine import Engine
from gateway.reports.case_markdown import case_markdown
from gateway.reports.case_report import case_report
from gateway.reports.cases import Casebook
from gateway.reports.playback import Playback

pytestmark = pytest.mark.usefixtures("compiled_core")
VERDICT = seq_of("run_clearing", 3)
S = 10**9


@pytest.fixture(scope="module")
def e7(tmp_path_factory, compiled_core):
    frames, engine = frames_of_e7()
    return write_journal(tmp_path_factory.mktemp("e7") / "journal", frames, engine)


@pytest.fixture(scope="module")
def report(e7):
    return json.loads(run("default", e7, "1", "--json").output)


def start_ns():
    _, engine = frames_of_e7()
    return engine.catalogue.instrument(1).window * 3_600 * S


def test_table_of_all_cases(e7):
    lines = json.loads(run("default", e7, "--json").output)
    assert [(one["case"], one["kind"], one["defaulter"], one["lots_failed"], one["paid"]) for one in lines] == [
        (1, "unit", "prov", 64, 212_138_337), (2, "provider", "prov", 0, 0),
    ]  # fmt: skip
    text = run("default", e7).output.splitlines()
    assert len(text) == 4
    assert text[2] == f"| 1 | unit | prov | 2026-11-24T02:02:30Z | {VERDICT} | 64 | 212,138,337 | 0 | 62 |"


def test_timeline(report):
    assert [(one["what"], (one["at_ns"] - start_ns()) // S) for one in report["timeline"]] == [
        ("last good heartbeat of what failed", 7_200), ("verdict: 64 lots failed", 7_350),
        ("substitutes begin", 7_800), ("window settled", 29_100), ("closed", 29_100),
    ]  # fmt: skip


def test_substitutes_row_by_row(report):
    rows = [
        (one["buyer"], one["stage"], one["provider"], one["lots"], one["original_lots"], one["px"],
         one["substitute_paid"], one["buyer_pays"], one["premium"])
        for one in report["substitutes"]
    ]  # fmt: skip
    assert rows == [
        ("ann", "fabric", "s1", 32, 32, 2_600_000, 485_333_334, 438_666_666, 46_666_668),
        ("bob", "fabric", "s1", 5, 5, 2_600_000, 75_833_334, 68_541_666, 7_291_668),
        ("cat", "fabric", "s1", 3, 3, 2_600_000, 45_500_000, 41_125_000, 4_375_000),
        ("bob", "class", "s2", 10, 10, 2_700_000, 157_500_000, 137_083_333, 20_416_667),
        ("cat", "class", "s2", 6, 6, 2_700_000, 94_500_000, 82_250_000, 12_250_000),
        ("bob", "equivalent", "s3", 4, 5, 3_900_000, 91_000_000, 68_541_666, 22_458_334),
        ("cat", "equivalent", "s3", 3, 3, 3_900_000, 68_250_000, 41_125_000, 27_125_000),
    ]
    assert (report["premium"], report["surcharge"]) == (140_583_337, 14_058_334)


def test_claims_and_who_paid_them(report):
    assert [(one["class"], one["claimed"], one["paid"], one["unpaid"]) for one in report["claims"]] == [
        ("C1", 0, 0, 0), ("C2", 154_641_671, 154_641_671, 0), ("C3", 4_230_000, 4_230_000, 0),
        ("C4", 53_266_666, 53_266_666, 0),
    ]  # fmt: skip
    assert report["claimed"] - report["surcharge"] == 198_080_003
    assert [(one["layer"], one["class"], one["payer"], one["micros"]) for one in report["layers"]] == [
        ("L1", "C2", "prov", BOND), ("L2", "C2", "prov", 106_052_845), ("L2", "C3", "prov", 4_230_000),
        ("L2", "C4", "prov", 53_266_666),
    ]  # fmt: skip
    assert report["compensation"] == [
        {"buyer": "ann", "direct": 3_760_000, "rollback": 25_066_666, "micros": 28_826_666},
        {"buyer": "cat", "direct": 470_000, "rollback": 28_200_000, "micros": 28_670_000},
    ]


def test_escrow_goes_to_those_who_delivered_and_back(report):
    (escrow,) = report["escrow"]
    numbers = [escrow[name] for name in ("paid_in", "to_defaulter", "to_substitutes", "to_others", "refunded", "left")]
    assert numbers == [1_203_200_000, 300_800_000, 877_333_331, 0, 25_066_669, 0]
    assert [(one["to"], one["micros"]) for one in escrow["refunds"]] == [
        ("coll ann", 12_533_334), ("coll bob", 7_833_335), ("coll cat", 4_700_000),
    ]  # fmt: skip


def test_everything_sums_to_zero(report):
    assert (report["flows_sum"], report["sum_of_all_accounts"]) == (0, 0)
    assert [one["sum_of_all_accounts"] for one in report["verdicts"]] == [0]
    flows = {one["purse"]: one["micros"] for one in report["flows"]}
    assert flows["bond prov"] == -BOND
    assert flows["coll prov"] == 163_549_511 * -1
    assert flows["coll s3"] == 159_250_000


def test_evidence_is_the_records_of_the_journal(report):
    frames, _ = frames_of_e7()
    (verdict,) = report["verdicts"]
    found = {kind["kind"]: kind for kind in verdict["evidence"]}
    assert {name: [one["seq"] for one in kind["records"]] for name, kind in found.items()} == {
        "checkpoint": [seq_of("checkpoint", 0), seq_of("checkpoint", 1)], "heartbeat": [seq_of("heartbeat")],
        "meter": [seq_of("meter")], "run_clearing": [VERDICT],
    }  # fmt: skip
    hashes = {}
    for kind in found.values():
        for one in kind["records"]:
            hashes[one["seq"]] = one["sha256"]
            assert one["sha256"] == hashlib.sha256(frames[one["seq"] - 1].body).hexdigest()
    whole = hashlib.sha256(b"".join(bytes.fromhex(hashes[seq]) for seq in sorted(hashes))).hexdigest()
    assert verdict["evidence_sha256"] == whole
    engine = Engine()
    for frame in frames[:VERDICT]:
        engine.apply_count(frame.body, frame.ts_ns)
    assert verdict["state_hash"] == engine.state_hash()


def numbers_of(report):
    """All amounts in a report of which a reader would ask where they are."""
    for one in report["substitutes"]:
        yield from (one["substitute_paid"], one["buyer_pays"], one["premium"], one["px"], one["lots"])
    for one in report["claims"]:
        yield from (one["claimed"], one["paid"])
    for part in ("layers", "handed_on", "flows"):
        yield from (one["micros"] for one in report[part])
    for one in report["compensation"]:
        yield from (one["direct"], one["rollback"], one["micros"])
    for one in report["escrow"]:
        yield from (one["paid_in"], one["to_defaulter"], one["to_substitutes"], one["refunded"])


def test_markdown_has_the_numbers_of_the_json(e7, report):
    text = run("default", e7, "1").output
    assert text == run("default", e7, "1", "--markdown").output
    missing = [number for number in numbers_of(report) if f" {number:,} |" not in text]
    assert missing == []
    assert text.startswith("# Case 1: unit default of prov\n")
    assert f"`{report['verdicts'][0]['state_hash']}`" in text
    assert "They sum to 0; all accounts of the venue, the outside included, to 0." in text


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("3",), "there is no case 3 in this journal, which has 2"),
        (("1", "--json", "--markdown"), "one of --json and --markdown, not both"),
        (("--what-if", "cap_bps=12000"), "--what-if needs a CASE"),
    ],
)
def test_wrong_usage_exits_2(e7, arguments, text):
    result = run("default", e7, *arguments)
    assert (result.exit_code, result.output) == (2, f"hourglass: {text}\n")


def test_journal_without_defaults(tmp_path):
    engine = Engine()
    engine.apply_count(commands.add_account("ann"), 0)
    write_journal(tmp_path, [], engine)
    assert run("default", tmp_path).output == "no defaults\n"


# Other defaults: houses of the tests, played back without files.


def played(house):
    return Casebook(Playback()).follow(house.frames)


def reported(house, number=1):
    book = played(house)
    assert book.total() == 0
    report = case_report(book, book.cases[number])
    assert report["flows_sum"] == 0
    assert case_markdown(report)
    return report


def test_unpaid_claims_and_recoveries():
    terms, daily = {"hand_over_s": 0, "deductible_s": 0}, {"mark_interval_s": 86_400}
    house = RecordedHouse(None, people=("prov", "ann", "m1"), money=10 * DOLLARS, terms=terms, house=daily)
    house.certify("prov", 10)
    house.wish("ann", cover=True, restart_s=720, checkpoint_s=0)
    house.do("transfer", account="m1", source="coll", target="fund", micros=800)
    house.trade("prov", "ann", 10, 1_000)
    house.send(commands.withdraw(house.number("prov"), house.money("prov")))
    house.at(0)
    house.at(300)
    house.do("recover", case=1, micros=1_500)
    report = reported(house)
    assert report["claims"][2] == {"class": "C3", "claimed": 2_000, "paid": 800, "unpaid": 1_200}
    assert report["unpaid_claims"] == [{"class": "C3", "account": "ann", "micros": 1_200}]
    assert [(one["layer"], one["payer"], one["micros"]) for one in report["layers"]] == [("L6", "m1", 800)]
    assert [(one["cause"], one["to"], one["micros"]) for one in report["recoveries"]] == [
        ("recovery", "coll ann", 700), ("recovery", "fund m1", 800),
    ]  # fmt: skip


def test_margin_default_from_the_call_to_the_auction():
    """Ann holds 100 lots with too little money; the estate's loss is cut from the winner; mm takes the rest."""
    house = RecordedHouse(
        None, people=("ann", "bob", "mm"), money=1_000 * DOLLARS, house={"mark_interval_s": 1}, risk=FLAT
    )
    move(house, 1_000)
    house.sell("bob", 100, 1_000)
    house.buy("ann", 100, 1_000)
    house.send(commands.withdraw(house.number("ann"), house.money("ann") - 40_000))
    house.run()
    move(house, 912)
    assert house.level("ann").name == "CALLED"
    called_at = house.now_s
    move(house, 744)
    assert house.level("ann").name == "DEFAULTED"
    had = house.money("ann")
    lots = house.core.position(house.state.account, house.handle())[0]
    assert (had, lots) == (14_399, 99)
    move(house, 500)  # 244 x 99 lots; what is left above the band is sold to nobody.
    house.at(house.now_s + 3_600)
    assert house.do("bid", account="mm", case=1, item=0, lots=200, micros=500) is None
    house.at(house.now_s + 600)
    report = reported(house)
    assert (report["kind"], report["defaulter"]) == ("margin", "ann")
    start = 1_000 * 3_600 * S
    times = {one["what"].split(":")[0]: (one["at_ns"] - start) // S for one in report["timeline"]}
    assert times["margin called"] == called_at
    assert times["deadline of the margin call"] == called_at + 3_600
    assert times["verdict"] == called_at + 1
    assert times["closed"] == house.now_s
    assert any(one["what"].startswith("auction announced, item 0: ") for one in report["timeline"])
    assert {one["kind"] for one in report["verdicts"][0]["evidence"]} == {"margin_run", "run_clearing"}
    # The estate lost more than ann had; nobody has a fund share, so the winners' gains were cut.
    # A lot had been sold to mm a micro-dollar below the mark before.
    assert [(one["layer"], one["class"], one["micros"]) for one in report["layers"]] == [
        ("L2", "C1", 1), ("L2", "C1", had),
    ]  # fmt: skip
    # Nothing was left to pay the loss of a sale at 499.
    assert [(one["side"], one["lots"], one["px"]) for one in report["trades"]] == [("sell", 1, 743)]
    cut = 244 * 99 - had
    assert report["haircut"] == [{"account": "bob", "micros": cut}]
    assert report["claims"][0] == {"class": "C1", "claimed": 244 * 99 + 1, "paid": had + 1, "unpaid": cut}
    assert house.core.position(house.state.account, house.handle())[0] == 0


def test_what_an_estate_buys_before_the_gate():
    """prov owes 10 lots at 1,000; the cheapest physical sells cost 100 more, with 10 % on top."""
    house = RecordedHouse(None, people=("prov", "ann", "sub"), money=10 * DOLLARS)
    house.certify("prov", 10)
    house.certify("sub", 10, fabric="f1")
    house.trade("prov", "ann", 10, 1_000)
    house.offer("sub", 4, 1_000)
    house.offer("sub", 6, 1_100)
    house.do("declare_default", account="prov")
    report = reported(house)
    assert [(one["side"], one["lots"], one["px"]) for one in report["trades"]] == [("buy", 4, 1_000), ("buy", 6, 1_100)]
    assert report["claims"][1]["claimed"] == 6 * 100 + 60
    assert report["surcharge"] == 60
    assert report["substitutes"] == []
    assert "## Traded for the estate" in case_markdown(report)
    assert [kind["kind"] for kind in report["verdicts"][0]["evidence"]] == ["declare_default"]


def test_long_evidence_is_shown_in_part_and_hashed_whole():
    house = RecordedHouse(None, people=("prov", "ann"), money=10 * DOLLARS)
    house.certify("prov", 4)
    house.trade("prov", "ann", 4, 1_000)
    house.run()
    for second in range(0, 300, 10):
        house.at(second)
        house.beat("prov", [(0, 4)])
    house.at(450)
    report = reported(house)
    (beats,) = [kind for kind in report["verdicts"][0]["evidence"] if kind["kind"] == "heartbeat"]
    assert (beats["count"], len(beats["records"])) == (30, 30)
    whole = hashlib.sha256(b"".join(bytes.fromhex(one["sha256"]) for one in beats["records"])).hexdigest()
    assert beats["sha256"] == whole
    text = case_markdown(report)
    shown = [one for one in beats["records"] if one["sha256"] in text]
    assert shown == beats["records"][-8:]
    assert f"| heartbeat | 30 |  |  | `{whole}` of all |" in text


def test_heartbeats_of_other_fabrics_providers_and_hours_are_no_evidence():
    """prov delivers in f1 at 0 h and 1 h and in f2; other in f1. At 1 h prov's f1 is silent."""
    house = RecordedHouse(None, people=("prov", "other", "ann"), money=10 * DOLLARS, listed=2)
    for window, name, fabric in ((1_000, "prov", "f1"), (1_001, "prov", "f1"), (1_001, "prov", "f2"),
                                 (1_001, "other", "f1")):  # fmt: skip
        house.certify(name, 2, fabric=fabric, window=window)
        house.trade(name, "ann", 2, 1_000, fabric=fabric, window=window)
    house.run()
    for second in range(0, 3_600, 120):
        house.at(second)
        house.beat("prov", [(0, 2)])
    for second in range(3_600, 4_200, 100):
        house.at(second)
        house.beat("prov", [(0, 2)], fabric="f2")
        house.beat("other", [(0, 2)])
    book = played(house)
    unit, whole = (case_report(book, one) for one in book.cases.values() if one.verdicts[0].failed)
    assert (unit["kind"], whole["kind"]) == ("unit", "provider")  # Half of his lots: f2 has failed with them.
    assert {one["fabric"] for one in whole["failed"]} == {"f2"}
    report = unit
    assert {(one["buyer"], one["fabric"], one["start"]) for one in report["failed"]} == {("ann", "f1", 1_001)}
    (beats,) = [kind for kind in report["verdicts"][0]["evidence"] if kind["kind"] == "heartbeat"]
    # From the gate on, 900 s before: those of the hour before, that far, and of f1 alone.
    assert [(one["account"], one["fabric"]) for one in beats["records"]] == [("prov", "f1")] * 7
    assert [(one["at_ns"] - 1_000 * 3_600 * S) // S for one in beats["records"]] == list(range(2_760, 3_600, 120))


def test_recorded_house_is_what_it_says():
    """The helper of these tests: its frames give the same state."""
    house = RecordedHouse(None, people=("ann",), money=MONEY)
    book = played(house)
    assert book.engine.state_hash() == house.engine.state_hash()
    assert book.balances[Purse(Kind.COLLATERAL, house.number("ann"))] == MONEY
    assert book.cases == {}
    assert Class.C1 in Class
