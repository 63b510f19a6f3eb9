"""docs/market.md and docs/catalogue.md: commands are accepted, Python runs, links exist, numbers are the code's."""

import dataclasses
import json
import re
import textwrap
from pathlib import Path

import gateway_venue
import pytest
from gateway_venue import WINDOW, running
from test_server import run

from docs.pictures import draw
from exchange import commands
from exchange.catalogue import HARDWARE_CLASSES, Product
from exchange.units import (
    BLOCK_HOURS_MAX,
    BLOCKS_PER_ACCOUNT_MAX,
    BLOCKS_PER_PRODUCT_MAX,
    HOUR_NS,
    NS_PER_SECOND,
    window_id,
    window_text,
)
from gateway.client import connect
from gateway.commands_apply import new_engine, run_lines

DOCS = Path(__file__).parent.parent.parent / "docs"
PAGE = (DOCS / "market.md").read_text()
PRODUCT = "H100-SXM.IB400.cuda12.T1"
FABRICS = ["use1-f03", "use1-f04"]


def fences(language, page=PAGE):
    return re.findall(rf"^```{language}\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("reference", [True, False], ids=["reference", "core"])
def test_commands_of_the_page_are_accepted_one_after_another(reference):
    if not reference:
        pytest.importorskip("ext.core", reason="ext.core is not built", exc_type=ImportError)
    lines = "".join(fences("json")).splitlines()
    assert len(lines) > 20
    events = list(run_lines(new_engine(reference), [line.encode() for line in lines]))
    assert [event for event in events if event["t"] in ("error", "reject")] == []
    listed = [event for event in events if event["t"] == "instrument"]
    assert len(listed) == (192 - 1) * len(FABRICS), "all but the hour that has begun"
    (bought,) = (event for event in events if event["t"] == "trade")
    assert (bought["px"], bought["qty"], bought["balance"]) == (2600, 2, True)


def test_python_of_the_page_runs(monkeypatch):
    """On windows that are still to come. Every piece of code has `session` and, a provider's, `maker`."""
    pytest.importorskip("ext.core", reason="ext.core is not built", exc_type=ImportError)
    monkeypatch.setattr(gateway_venue, "PRODUCT", "OTHER")
    pieces = [piece.replace("2026-11-24T14", window_text(WINDOW)) for piece in fences("python")]
    pieces = [piece.replace("2026-11-24T15", window_text(WINDOW + 1)) for piece in pieces]
    assert len(pieces) >= 8

    async def main():
        async with running() as venue:
            submit = venue.sequencer.submit
            submit(commands.add_product(PRODUCT, 8, 1000, FABRICS))
            submit(commands.list_window(PRODUCT, WINDOW, count=3))
            submit(commands.certify("ann", PRODUCT, FABRICS[0], WINDOW, 16, count=3))
            async with connect(venue.url, venue.key["bob"]) as session, connect(venue.url, venue.key["ann"]) as maker:
                for piece in pieces:
                    names = {}
                    exec(f"async def act(session, maker):\n{textwrap.indent(piece, '    ')}", names)
                    await names["act"](session, maker)

    run(main())


def test_files_and_pictures_that_are_named_exist():
    for target in re.findall(r"\]\(([^)#]+)\)", PAGE):
        assert (DOCS / target).exists(), target
    for example in re.findall(r"docs/examples/([\w-]+\.jsonl)", PAGE) + [
        f"{name}.jsonl" for name in re.findall(r"\| `(block-\d\d)` \|", PAGE)
    ]:
        assert (DOCS / "examples" / example).exists(), example
    assert set(re.findall(r"\| `(block-\d\d)` \|", PAGE)) == {f"block-{number:02}" for number in range(1, 11)}


def test_limits_of_blocks_are_those_of_the_code():
    assert f"| 1 to {BLOCK_HOURS_MAX};" in PAGE
    assert f"| {BLOCKS_PER_ACCOUNT_MAX} | BLOCK_LIMIT |" in PAGE
    assert f"| {BLOCKS_PER_PRODUCT_MAX:,} | BLOCK_LIMIT |" in PAGE


def test_phases_of_the_page_come_when_it_says():
    """A window of the recommended terms: the next moment told with each phase, counted in seconds from its start."""
    product, *_ = "".join(fences("json")).splitlines()
    window = window_id("2026-11-24T14")
    listing, end = (window - 8 * 24) * HOUR_NS, (window + 2) * HOUR_NS
    lines = [
        product,
        f'{{"t":"time","ts_ns":{listing}}}',
        f'{{"t":"list_window","product":"{PRODUCT}","start":{window}}}',
        f'{{"t":"time","ts_ns":{end}}}',
    ]
    events = run_lines(new_engine(True), [line.encode() for line in lines])
    told = [event for event in events if event.get("fabric") == FABRICS[0]]
    assert told[0]["phase"] == "listed"
    phases = [(event["phase"], event.get("next_ts_ns")) for event in told if event["t"] == "phase"]
    moments = [(name, at and (at - window * HOUR_NS) // NS_PER_SECOND) for name, at in phases]
    gate = moments[2][1]
    assert -900 <= gate <= -895
    assert moments == [
        ("open", -(7 * 24 + 14) * 3_600 + 600), ("continuous", -1_200), ("preclose", gate), ("gated", gate),
        ("balancing", 0), ("delivering", 3_300), ("delivering", 4_500), ("expired", None),
    ]  # fmt: skip


# The catalogue.

CATALOGUE = (DOCS / "catalogue.md").read_text()
TERM = re.compile(r"^\| `(\w+)` \|([^|]*)\|([^|]*)\|([^|]*)\|([^|]*)\|[^|]+\|$", re.MULTILINE)


def terms():
    """Of each term its default and the recommended values of the tiers, as text."""
    return {name: [cell.strip().replace(",", "") for cell in cells] for name, *cells in TERM.findall(CATALOGUE)}


def recommended(column):
    return {name: int(cells[column]) for name, cells in terms().items() if cells[column].isdigit()}


def test_catalogue_page_has_every_term_and_its_default():
    fields = {field.name: field.default for field in dataclasses.fields(Product)}
    assert list(terms()) != []
    assert set(terms()) == set(fields)
    for name, (default, *_) in terms().items():
        if default.isdigit():
            assert int(default) == fields[name], name
        else:
            assert fields[name] in ("", dataclasses.MISSING), name


@pytest.mark.parametrize(("column", "tier"), [(1, "T0"), (2, "T1"), (3, "T2")])
def test_recommended_terms_make_a_product(column, tier):
    one = HARDWARE_CLASSES["H100-SXM"]
    product = Product(f"H100-SXM.IB400.cuda12.{tier}", one.lot_scu, one.tick_micros, ("f",), **recommended(column))
    assert product.rolling_hours * 3_600 == product.open_lead_s + 24 * 3_600
    assert product.preclose_s < product.gate_lead_s <= product.settle_s


def test_pictures_and_commands_have_the_recommended_terms():
    t1 = recommended(2)
    assert {name: t1[name] for name in draw.TERMS} == draw.TERMS
    product = json.loads("".join(fences("json")).splitlines()[0])
    assert {name: value for name, value in product.items() if name in t1} == {
        name: value for name, value in t1.items() if name in product
    }
    lines = "".join(fences("json", CATALOGUE)).splitlines()
    assert {name: value for name, value in json.loads(lines[0]).items() if name in t1} == {
        name: value for name, value in t1.items() if name not in ("settle_s", "volatility_call_s")
    }
    events = list(run_lines(new_engine(True), [line.encode() for line in lines]))
    assert {event["t"] for event in events} == {"ack", "instrument"}
