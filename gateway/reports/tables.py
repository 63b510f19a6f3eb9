"""Tables as plain text and as Markdown; numbers to the right, with commas."""

from collections.abc import Sequence

Cell = str | int | None


def text_table(headers: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    """Return a table for a terminal: as wide as its contents, never cut."""
    shown = [[cell_text(cell) for cell in row] for row in rows]
    widths = [max(len(line[at]) for line in [list(headers), *shown]) for at in range(len(headers))]
    right = _right(headers, rows)
    lines = [list(headers), *shown]
    return "\n".join(
        "  ".join(text.rjust(width) if is_right else text.ljust(width)
                  for text, width, is_right in zip(line, widths, right, strict=True)).rstrip()
        for line in lines
    )  # fmt: skip


def markdown_table(headers: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    """Return a Markdown table; a bar in a text is escaped."""
    right = _right(headers, rows)
    lines = [list(headers), ["---:" if is_right else "---" for is_right in right]]
    lines += [[cell_text(cell).replace("|", "\\|") for cell in row] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def cell_text(cell: Cell) -> str:
    """Return a number with commas, a text as it is, nothing as nothing."""
    if cell is None:
        return ""
    return f"{cell:,}" if isinstance(cell, int) else cell


def _right(headers: Sequence[str], rows: Sequence[Sequence[Cell]]) -> list[bool]:
    """Return which columns have numbers alone."""
    columns = [[row[at] for row in rows if row[at] is not None] for at in range(len(headers))]
    return [bool(column) and all(isinstance(cell, int) for cell in column) for column in columns]
