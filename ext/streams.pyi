"""Private streams: of one account, and of all accounts of a firm (drop copy)."""

from ext.history import HALF_BYTES as HALF_BYTES
from ext.link import Link

class AccountStream:
    """The private stream of one account; of use from Cython only."""

class CopyStream:
    """Every private message of several accounts, in the order in which they came about."""

    @property
    def seq(self) -> int: ...
    def __init__(self, half_bytes: int = ...) -> None: ...
    @property
    def accounts(self) -> list[int]:
        """Numbers of the accounts."""
    @property
    def oldest_seq(self) -> int:
        """Number of the oldest message that can be told again; 0: there is none."""
    def attach(self, link: Link) -> None:
        """Send the stream to a link, once."""
    def detach(self, link: Link) -> None:
        """Send nothing more to a link."""
    def since(self, first: int, last: int) -> bytes | None:
        """Return messages as frames, end to end; None where the first ones are not kept."""
