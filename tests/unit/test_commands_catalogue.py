"""`hourglass catalogue`: a table, one class, JSON, and an unknown name."""

import json

from click.testing import CliRunner

from exchange.catalogue import HARDWARE_CLASSES
from gateway.cli import main


def run(*arguments):
    return CliRunner().invoke(main, ["catalogue", *arguments])


def test_the_table_has_every_class_with_its_price():
    result = run()
    assert result.exit_code == 0
    lines = result.output.splitlines()
    assert [line.split()[0] for line in lines[1:]] == list(HARDWARE_CLASSES)
    assert lines[2].split()[-2:] == ["0.001", "3.11"]


def test_one_class_has_every_fact_and_its_sources():
    result = run("H100-SXM")
    assert result.exit_code == 0
    assert all(field in result.output for field in HARDWARE_CLASSES["H100-SXM"]._fields)
    assert "NVIDIA H100 SXM datasheet" in result.output


def test_json_is_the_table():
    assert json.loads(run("--json").output) == [one._asdict() for one in HARDWARE_CLASSES.values()]
    assert json.loads(run("L40S", "--json").output) == HARDWARE_CLASSES["L40S"]._asdict()


def test_an_unknown_name_is_wrong_usage():
    result = run("H100")
    assert result.exit_code == 2
    assert "NAME must be one of A100-80, H100-SXM" in result.output
    assert "was 'H100'" in result.output
