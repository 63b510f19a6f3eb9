"""The last messages of a private stream, as frames, for those who come back."""

HALF_BYTES: int

class History:
    """Frames numbered without gaps, the newest ones kept."""

    def __init__(self, half_bytes: int = ...) -> None: ...
    @property
    def oldest_pseq(self) -> int:
        """Number of the oldest frame there is; 0: none yet."""
    def since(self, pseq: int, last: int) -> bytes | None:
        """Return the frames from `pseq` to `last` end to end; None where the first ones are gone."""
