"""The plots of a benchmark run, from made-up rows."""

import json

import pytest
from click.testing import CliRunner

from bench.plots import main

CONDITIONS = {"cpu": "some", "cores": 2, "commit": "abc", "journal": "tmpfs", "orders_per_s": 2_000, "sessions": 50}
CURVE = [[0.0, 0.05], [0.5, 0.08], [0.75, 0.09], [0.9375, 0.1], [0.99609375, 2.5], [0.99951172, 4.25]]
ROWS = [
    {"name": "book.mixed", "ns": 20.0, "ratio": 3.5, "conditions": CONDITIONS},
    {"name": "gateway.100x1", "us": 7.0, "ratio_c_echo": 1.5, "conditions": CONDITIONS},
    {"name": "gateway.10x64", "us": 0.4, "ratio_c_echo": 3.0, "conditions": CONDITIONS},
    {
        "name": "gateway.openloop", "ms": 0.2, "us": 9.0, "ratio_c_echo": 2.7, "curve": CURVE,
        "disk": {"curve": [[part, 2 * ms] for part, ms in CURVE]}, "c_echo": {"curve": CURVE},
        "conditions": CONDITIONS,
    },
]  # fmt: skip


def plot(tmp_path, rows, *options):
    run = tmp_path / "run.jsonl"
    run.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return CliRunner().invoke(main, [str(run), "--into", str(tmp_path), *options])


def test_text_has_every_ratio_to_the_floor_and_the_percentiles(tmp_path):
    result = plot(tmp_path, ROWS, "--text")
    assert result.exit_code == 0, result.output
    assert "gateway.100x1    1.50  " + 20 * "#" + "\n" in result.output
    assert "gateway.10x64    3.00  " + 40 * "#" + "\n" in result.output
    assert "gateway.openloop  " not in result.output, "its ratio is one of latencies"
    assert "book.mixed" not in result.output
    (line,) = [line for line in result.output.splitlines() if line.strip().startswith("99 %")]
    assert line.split() == ["99", "%", "2.500", "5.000", "2.500"]
    (line,) = [line for line in result.output.splitlines() if line.strip().startswith("99.99 %")]
    assert line.split() == ["99.99", "%", "-", "-", "-"], "of so few orders nobody knows"
    assert not list(tmp_path.glob("*.png"))


def test_pictures_are_png_files(tmp_path):
    pytest.importorskip("matplotlib")
    result = plot(tmp_path, ROWS)
    assert result.exit_code == 0, result.output
    for name in ("bench-latency.png", "bench-ratios.png"):
        content = (tmp_path / name).read_bytes()
        assert content.startswith(b"\x89PNG")
        assert len(content) > 5_000


def test_one_plot_is_drawn_without_the_other(tmp_path):
    pytest.importorskip("matplotlib")
    assert plot(tmp_path, ROWS[:2]).exit_code == 0
    assert [path.name for path in tmp_path.glob("*.png")] == ["bench-ratios.png"]


@pytest.mark.parametrize(
    ("rows", "complaint"), [([], "has neither"), (ROWS[:1], "has neither"), ([[]], "one JSON object with a name")]
)
def test_run_that_cannot_be_plotted_is_refused(tmp_path, rows, complaint):
    result = plot(tmp_path, rows)
    assert result.exit_code == 2
    assert complaint in result.output
