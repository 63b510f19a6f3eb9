"""Visible levels of one side of a book."""

class Keys:
    """A growing list of 64-bit numbers; of use from Cython only."""

class Ladder:
    """Visible levels of one side."""

    def __new__(cls, sign: int) -> Ladder: ...
    def load(self, levels: list[tuple[int, int]]) -> None:
        """Forget everything, and take (price, lots) pairs."""
    def levels(self, depth: int) -> list[tuple[int, int]]:
        """Return [(price, lots), ...], best first."""
