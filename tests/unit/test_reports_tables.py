"""Tables of reports: nothing is cut, numbers stand right."""

from exchange.replay import Frame
from gateway.reports.playback import up_to
from gateway.reports.tables import cell_text, markdown_table, text_table


def test_text_table_is_as_wide_as_what_is_in_it():
    assert text_table(("name", "amount", "note"), [("a", 1_234, "x" * 100), ("long name", None, "")]) == "\n".join(
        ["name       amount  note", "a           1,234  " + "x" * 100, "long name"]
    )


def test_markdown_table_escapes_bars_and_puts_numbers_right():
    assert markdown_table(("name", "amount"), [("a|b", -5)]).splitlines() == [
        "| name | amount |", "| --- | ---: |", "| a\\|b | -5 |",
    ]  # fmt: skip


def test_columns_of_texts_and_numbers_stand_left():
    assert markdown_table(("x", "y"), [("1", 1), (2, None)]).splitlines()[1] == "| --- | ---: |"
    assert markdown_table(("x",), []).splitlines() == ["| x |", "| --- |"]


def test_cells():
    assert [cell_text(cell) for cell in (None, 0, -1_000_000, "a")] == ["", "0", "-1,000,000", "a"]


def test_frames_up_to_a_command():
    frames = [Frame(1, 0, 3, b""), Frame(4, 0, 0, b"", "00"), Frame(4, 0, 2, b""), Frame(6, 0, 1, b"")]
    assert list(up_to(frames, 5)) == frames[:3]
    assert list(up_to(frames, 3)) == frames[:1]
