"""docs/clearing.md: calculations come out, commands run, and the reports have the numbers of the text."""

import json
import math
import re
import shlex
from fractions import Fraction
from pathlib import Path

import pytest
from reports_venue import ROOT, frames_of_e7, run, seq_of, write_journal

from exchange.clearing.margin import Column, initial_margin
from exchange.clearing.terms import HouseTerms, ProductTerms
from exchange.clearing.waterfall import SENIORITY, Class, Layer
from exchange.engine import Engine
from exchange.records import EventType
from gateway import jsonlines_out
from gateway.commands_apply import run_lines
from gateway.reports.names import PURSE_KINDS

DOCS = ROOT / "docs"
PAGE = (DOCS / "clearing.md").read_text()
LINE = re.compile(r"^(?P<label>\S.*?)\s{2,}(?P<sum>.*?)\s*= (?P<result>-?[\d,]+)$")
NUMBER = re.compile(r"\d[\d,]*")


def fences(language, page=PAGE):
    return re.findall(rf"^```{language}\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)


def section(title):
    """The text from a heading to the next one of its level."""
    level = title.split()[0]
    start = PAGE.index(f"\n{title}\n")
    end = re.search(rf"^{level} ", PAGE[start + len(title) + 2 :], re.MULTILINE)
    return PAGE[start : start + len(title) + 2 + end.start()] if end else PAGE[start:]


def value(number):
    return int(number.replace(",", ""))


def calculations(page=PAGE):
    """(label, calculation, result) of every line of a calculation."""
    for fence in fences("text", page):
        for line in fence.splitlines():
            match = LINE.match(line)
            assert match, line
            yield match["label"], match["sum"], value(match["result"])


def result_of(calculation):
    """Do a calculation exactly: x is times, ceil and floor round, nothing else does."""
    assert re.fullmatch(r"(ceil|floor|[-+x/() ,\d])+", calculation), calculation
    exact = NUMBER.sub(lambda match: f"Fraction({value(match[0])})", calculation.replace(" x ", " * "))
    return eval(exact, {"Fraction": Fraction, "ceil": math.ceil, "floor": math.floor})


def test_every_calculation_comes_out():
    done = list(calculations())
    assert len(done) > 80
    wrong = [(label, result_of(text), result) for label, text, result in done if result_of(text) != result]
    assert wrong == []


def test_a_wrong_calculation_is_seen():
    assert result_of("ceil(32 x 2,600,000 x 21,000 / 3,600)") == 485_333_334
    assert result_of("32 x 2,600,000 x 21,000 / 3,600") != 485_333_333
    assert not LINE.match("without a result    1 + 1")


# Commands.


@pytest.fixture(scope="module")
def outputs(tmp_path_factory, compiled_core):
    """What each command of the page prints, run one after another in a directory that has the docs."""
    place, found = tmp_path_factory.mktemp("page"), {}
    (place / "docs").symlink_to(DOCS)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        for line in "".join(fences("sh")).splitlines():
            name, *arguments = shlex.split(line)
            assert name == "hourglass"
            if arguments[0] == "apply" and EventType.INDEX not in jsonlines_out._EVENT_FIELDS:
                frames, engine = frames_of_e7()
                write_journal(Path(arguments[-1]), frames, engine)
                continue
            result = run(*arguments)
            assert result.exit_code == 0, result.output
            found[line] = result.output
    return found


def numbers_in(text):
    """All whole numbers of a text, as they are written, without signs."""
    return {match.rstrip(",") for match in NUMBER.findall(text)}


def test_commands_of_the_page_are_run(outputs):
    assert len(outputs) >= 10
    assert any(line.startswith("hourglass apply") for line in outputs)
    assert not any('"t":"error"' in text or '"t":"reject"' in text for text in outputs.values())


STEPS = {  # Of a calculation, and in no report: times, shares before they are lots, the cap, losses not yet claims.
    "silence till the verdict, s", "from the start, s", "substitutes begin, s", "what is left for them, s",
    "its price counts as", "the cap", "ann, restart, s", "ann, all", "cat, all", "from collateral, C3 and C4",
    "mean loss",
}  # fmt: skip
ELSEWHERE = {  # Not in the report of the case, but on a statement or in the what-if.
    "prov is left with", "ann's premium for cover", "premium", "surcharge", "layers pay", "less than before",
    "prov earned from ann", "prov earned from bob", "prov earned from cat", "prov's collateral",
}  # fmt: skip


def test_the_report_has_every_number_of_the_text(outputs):
    report = numbers_in(outputs["hourglass default e7 1"])
    others = set().union(*(numbers_in(text) for text in outputs.values()))
    seen = 0
    for label, _, result in calculations(section("## What happens when a provider fails")):
        if label in STEPS:
            continue
        seen += 1
        assert f"{result:,}" in (others if label in ELSEWHERE else report), label
    assert seen > 50


def test_whole_losses_of_the_text_are_the_compensation_told(outputs):
    told = outputs["hourglass default e7 1"]
    for buyer, amount in (("ann", "28,826,666"), ("cat", "28,670,000")):
        assert re.search(rf"^\| {buyer} \| [\d,]+ \| [\d,]+ \| {amount} \|$", told, re.MULTILINE)
    begins = "| 2026-11-24T02:10:00Z | substitutes begin |"
    assert begins in told
    assert "| 2026-11-24T02:02:30Z | verdict: 64 lots failed |" in told
    assert "| 2026-11-24T02:00:00Z | last good heartbeat of what failed |" in told


def test_margin_of_the_text_is_that_of_the_command(outputs):
    at = seq_of("run_clearing")  # The first run, at once behind the trades.
    ann, prov = (outputs[f"hourglass margin e7 {name} --until {at}"] for name in ("ann", "prov"))
    for number in ("258,715,674", "150,400,000", "323,394,617", "64,678,943", "4,547,247,536"):
        assert number in numbers_in(ann), number
    for number in ("432,691,174", "48,588,826"):
        assert number in numbers_in(prov), number
    assert re.search(r"^outage H100-8H.east +601,600,000 +binds$", prov, re.MULTILINE)


def test_what_if_of_the_text(outputs):
    lower = outputs["hourglass default e7 1 --what-if cap_bps=12000"]
    assert "| lots in cash | 0 | 8 | 8 |" in lower
    assert "| paid by layers | 212,138,337 | 157,596,670 | -54,541,667 |" in lower
    assert "| coll prov | 5,088,661,663 | 5,143,203,330 | 54,541,667 |" in lower
    assert "| heartbeat | s3 | NO_DELIVERY |" in lower


# Tables.


def test_scenarios_of_the_hedged_position():
    rows = re.findall(
        r"^\| ([\w ]+) \| ([-+\d]+)(?: %)? \| ([-+\d]+)(?: %)? \| (-?[\d,]+) \|$",
        section("## How margin comes about"), re.MULTILINE,
    )  # fmt: skip
    assert [row[0] for row in rows] == ["parallel up", "parallel down", "steepen", "generation", "squeeze", "cut"]
    shocks = [(int(near) * 10_000, int(far) * 10_000) for _, near, far, _ in rows]
    columns = [
        Column(mark, 8, tuple(column))
        for mark, column in zip((2_350_000, 1_900_000), zip(*shocks, strict=True), strict=True)
    ]
    found = initial_margin([-100, 100], columns)
    assert list(found.losses) == [value(row[3]) if row[3][0] != "-" else -value(row[3][1:]) for row in rows]
    assert rows[found.binding][0] == "squeeze"
    results = {label: result for label, _, result in calculations(section("## How margin comes about"))}
    assert (found.scan, found.gross, found.margin) == (
        results["squeeze binds: scan"], results["gross"], results["initial margin"],
    )  # fmt: skip


def test_the_waterfall_of_the_page_is_that_of_the_code():
    rows = re.findall(r"^\| (L[1-7]) [^|]*\|([^|]*)\|([^|]*)\|([^|]*)\|([^|]*)\|$", PAGE, re.MULTILINE)
    assert [row[0] for row in rows] == [layer.name for layer in SENIORITY]
    ranks = {"1st": 1, "2nd": 2, "3rd": 3, "4th": 4, "-": 0}
    for name, *cells in rows:
        order = SENIORITY[Layer[name]]
        expected = [order.index(which) + 1 if which in order else 0 for which in Class]
        assert [ranks[cell.strip()] for cell in cells] == expected, name


def test_numbers_of_the_prose_are_the_defaults_of_the_code():
    house, product = HouseTerms(), ProductTerms()
    assert (house.full_lots, house.slice_ppm, product.slippage_bps) == (16, 250_000, 500)
    assert (house.call_deadline_s, house.disposal_s, house.auction_s) == (3_600, 3_600, 600)
    assert (product.heartbeat_s, product.missed, product.grace_s) == (10, 3, 120)
    assert (product.cap_bps, product.horizon_s, product.prefund_bps) == (15_000, 72 * 3_600, 2_500)
    assert (product.surcharge_bps, product.deductible_s, product.settle_lag_s) == (1_000, 120, 300)
    assert (house.mark_interval_s, product.cover_load_bps) == (60, 1_000)


def test_setup_of_the_page_is_accepted():
    lines = [json.loads(line) for line in "".join(fences("json")).splitlines()]
    events = list(run_lines(Engine(), [json.dumps(line).encode() for line in lines]))
    assert [event for event in events if event["t"] in ("error", "reject")] == []
    assert {line["t"] for line in lines} >= {"set_house", "set_class", "set_clearing", "set_provider", "fund"}


def test_files_and_purses_that_are_named_exist():
    for target in re.findall(r"\]\(([^)#]+)\)", PAGE):
        assert (DOCS / target).exists(), target
    for purse in re.findall(r"--purse (\w+)", PAGE):
        assert purse in PURSE_KINDS, purse
