"""The pictures of the docs are those that the script draws now, and stand on a background of their own."""

import sys
import xml.etree.ElementTree as ET

import pytest

from docs.pictures import draw


def test_pictures_are_up_to_date():
    assert draw.stale() == []


@pytest.mark.parametrize("name", draw.PICTURES)
def test_picture_is_the_same_every_time_and_has_a_background(name):
    text = draw.PICTURES[name]()
    assert text == draw.PICTURES[name]()
    root = ET.fromstring(text)
    shapes = [shape for shape in root if not shape.tag.endswith("title")]
    paper = shapes[0].attrib
    assert int(paper["width"]) + 2 == int(root.attrib["width"])
    assert int(paper["height"]) + 2 == int(root.attrib["height"])
    assert paper["fill"].startswith("#")


def test_check_tells_what_is_out_of_date(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(draw, "HERE", tmp_path)
    monkeypatch.setattr(sys, "argv", ["draw"])
    assert draw.main() == 0
    monkeypatch.setattr(sys, "argv", ["draw", "--check"])
    assert draw.main() == 0
    (tmp_path / "ladder.svg").write_text("<svg/>")
    (tmp_path / "uncross.svg").unlink()
    assert draw.main() == 1
    told = capsys.readouterr().err.splitlines()
    assert [line.split()[0] for line in told] == ["docs/pictures/ladder.svg", "docs/pictures/uncross.svg"]


def test_numbers_of_the_pictures_are_those_of_the_page():
    ladder, uncross = draw.ladder(), draw.uncross()
    assert "1,600 + 1,680 + 1,640 = 4,920, at most 8 x 620 = 4,960: 8 lots, average 615" in ladder
    assert "The uncross: 1,000 lots at 639" in uncross
    assert "match id 1<" in draw.block_three_hours()
