"""What the sequencer needs of a log of commands, whoever keeps it."""

from collections.abc import Iterator
from typing import Protocol

from exchange.replay import Frame


class Log(Protocol):
    """Takes batches in order and tells when they are durable. Embedded in files: gateway.journal.Journal."""

    @property
    def durability(self) -> str:
        """``disk`` (a batch counts when it is flushed) or ``memory`` (when the kernel has it)."""

    @property
    def is_immediate(self) -> bool:
        """Whether what is appended is durable when `append` returns: no signal comes, `completed` may be called."""

    @property
    def last_seq(self) -> int:
        """Newest sequence number given to the log, durable or not."""

    @property
    def last_ts_ns(self) -> int:
        """Newest time stamp given to the log; the next one must not be earlier."""

    @property
    def durable_seq(self) -> int:
        """Newest sequence number that is durable, as of the last call of `completed`."""

    def append(self, first_seq: int, ts_ns: int, count: int, body: bytes) -> None:
        """Begin to write one batch as one frame; `completed` tells of its end."""

    def note_hash(self, ts_ns: int, state_hash: str) -> None:
        """Begin to write the hexadecimal state hash after the last appended command. Takes no sequence number."""

    def fileno(self) -> int:
        """Return a descriptor that becomes readable when something was completed or has failed."""

    def completed(self) -> bool:
        """Clear the signal; whether all that was begun is durable. Raises JournalFailed."""

    def read(self, from_seq: int) -> Iterator[Frame]:
        """Return the durable frames from the one that holds ``from_seq`` on."""

    def close(self) -> None:
        """Finish what was begun and release the files."""
