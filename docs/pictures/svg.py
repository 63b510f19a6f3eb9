"""A few shapes as SVG text. Whole pixels, and fonts that every system has, so the same calls give the same bytes."""

from html import escape

FONTS = "DejaVu Sans, Verdana, Segoe UI, Helvetica, Arial, sans-serif"
PAPER = "#f8fafc"
INK = "#1f2937"
MUTED = "#64748b"
LINE = "#cbd5e1"
PALE = "#f1f5f9"
BID = "#1d4ed8"
ASK = "#c2410c"
GREEN = "#15803d"
RED = "#b91c1c"
VIOLET = "#6d28d9"
AMBER = "#b45309"


class Canvas:
    """One picture."""

    def __init__(self, width: int, height: int, title: str) -> None:
        self.parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
            f'viewBox="0 0 {width} {height}" role="img" font-family="{FONTS}">',
            f"<title>{escape(title)}</title>",
        ]
        self.rect(1, 1, width - 2, height - 2, fill=PAPER, stroke=LINE, radius=10)

    def rect(
        self, x: int, y: int, width: int, height: int, *, fill: str, stroke: str = "none", radius: int = 0
    ) -> None:
        """Draw a rectangle."""
        rounded = f' rx="{radius}"' if radius else ""
        self.parts.append(
            f'<rect x="{x}" y="{y}" width="{width}" height="{height}"{rounded} fill="{fill}" stroke="{stroke}"/>'
        )

    def line(
        self, x: int, y: int, to_x: int, to_y: int, *, color: str = LINE, width: int = 1, dashed: bool = False
    ) -> None:
        """Draw a line."""
        dashes = ' stroke-dasharray="6 4"' if dashed else ""
        self.parts.append(
            f'<line x1="{x}" y1="{y}" x2="{to_x}" y2="{to_y}" stroke="{color}" stroke-width="{width}"{dashes}/>'
        )

    def polyline(self, points: list[tuple[int, int]], color: str) -> None:
        """Draw a thick line through points."""
        joined = " ".join(f"{x},{y}" for x, y in points)
        self.parts.append(f'<polyline points="{joined}" fill="none" stroke="{color}" stroke-width="3"/>')

    def circle(self, x: int, y: int, radius: int, color: str) -> None:
        """Draw a dot."""
        self.parts.append(f'<circle cx="{x}" cy="{y}" r="{radius}" fill="{color}"/>')

    def arrow(self, x: int, y: int, to_x: int, to_y: int, *, color: str) -> None:
        """Draw an upright or level line with a head at its end."""
        self.line(x, y, to_x, to_y, color=color, width=2)
        along_x, along_y = (to_x > x) - (to_x < x), (to_y > y) - (to_y < y)
        base_x, base_y = to_x - 8 * along_x, to_y - 8 * along_y
        corners = (
            (to_x, to_y), (base_x + 5 * along_y, base_y + 5 * along_x), (base_x - 5 * along_y, base_y - 5 * along_x),
        )  # fmt: skip
        self.parts.append(f'<polygon points="{" ".join(f"{a},{b}" for a, b in corners)}" fill="{color}"/>')

    def text(
        self,
        x: int,
        y: int,
        words: str,
        *,
        size: int = 14,
        bold: bool = False,
        color: str = INK,
        anchor: str = "start",
    ) -> None:
        """Write a line of text; ``y`` is its base line."""
        if words:
            weight = ' font-weight="bold"' if bold else ""
            where = "" if anchor == "start" else f' text-anchor="{anchor}"'
            self.parts.append(
                f'<text x="{x}" y="{y}" font-size="{size}"{weight}{where} fill="{color}">{escape(words)}</text>'
            )

    def svg(self) -> str:
        """Return the whole picture."""
        return "\n".join([*self.parts, "</svg>"]) + "\n"
