"""The journal's thread: takes finished work from a ring, writes, makes it durable, and signals an eventfd."""

from typing import final

OPERATION_NAMES: tuple[str, ...]

@final
class JournalThread:
    block_bytes: int
    in_place: bool
    def __new__(
        cls, chain: bytes, durable_seq: int, *, sync: bool = True, block_bytes: int = 512, in_place: bool = False
    ) -> JournalThread: ...
    def close(self) -> None: ...
    def fileno(self) -> int: ...
    def write(
        self,
        fd: int,
        offset: int,
        salt: int,
        magic: int,
        first_seq: int,
        ts_ns: int,
        count: int,
        body: bytes | bytearray | memoryview,
        term: int = 1,
    ) -> int: ...
    def rename(self, before: bytes, after: bytes, directory_fd: int, last_seq: int) -> int: ...
    def completed(self) -> tuple[int, int, str | None, int]: ...
    def inject(self, operation: str, nth: int, error: int = 5, short_bytes: int = -1) -> None: ...

def is_in_memory(directory: str) -> bool:
    """Whether the files of a directory are memory (tmpfs): written is as good as flushed, and nothing waits."""
