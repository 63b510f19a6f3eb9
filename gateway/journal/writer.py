"""The writing end of the journal: recovery at the start, then batches, notes of state hashes, and new segments."""

import fcntl
import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from exchange.replay import Frame
from ext.journal import Magic, encode_frame
from ext.journal_writer import JournalThread, is_in_memory
from gateway.journal.errors import JournalError, JournalFailed, JournalLocked
from gateway.journal.layout import (
    SECTOR_BYTES,
    SEGMENT_BYTES,
    SPARE_PATTERN,
    SegmentHeader,
    frame_bytes,
    segment_path,
    segment_paths,
)
from gateway.journal.reader import Reader
from gateway.journal.recovery import sync_directory, trim
from gateway.journal.segment import SpareKeeper, make_spare, remove_spares

_BATCH = int(Magic.BATCH)
_SEAL = int(Magic.SEAL)
_SEGMENT = int(Magic.SEGMENT)
_HASH = int(Magic.HASH)


class Journal:
    """A Log in the files of one directory; see gateway.journal.log for its methods.

    Use: construct (takes the lock), feed the frames of `recover` to an engine until they end, then `append`.

    Args:
        directory: made when it is missing.
        durability: ``disk``, or ``memory``: survives the process, not the machine.
        segment_bytes: size of every file, a multiple of ``block_bytes``. Journals keep the size of their first segment.
        block_bytes: 512, or 4096 for disks that write 4096 bytes whole.

    Raises:
        JournalLocked: another process writes here.

    """

    def __init__(
        self,
        directory: Path | str,
        *,
        durability: str = "disk",
        segment_bytes: int = SEGMENT_BYTES,
        block_bytes: int = SECTOR_BYTES,
        shard: int = 0,
        build: str = "",
    ) -> None:
        if durability not in ("disk", "memory"):
            raise ValueError(f"durability must be disk or memory, was {durability}")
        if segment_bytes % block_bytes or segment_bytes < 16 * block_bytes:
            raise ValueError(f"segment_bytes must be a multiple of {block_bytes} and at least 16, was {segment_bytes}")
        self.directory = Path(directory)
        self.durability = durability
        self.last_seq = 0
        self.last_ts_ns = 0
        self.durable_seq = 0
        self.torn: Path | None = None  # Where recovery put the leftovers of an unfinished write.
        self.thread: JournalThread | None = None
        self._sync = durability == "disk"
        self._header = SegmentHeader(
            segment_bytes, secrets.randbits(32), shard, secrets.token_bytes(16), build, block_bytes
        )
        self._segment_fd = -1
        self._offset = 0
        self._submitted = 0
        self._retired: list[tuple[int, int]] = []  # (number of the last frame, descriptor) of sealed segments.
        self.directory.mkdir(parents=True, exist_ok=True)
        self._directory_fd = _lock(self.directory)
        self.is_immediate = is_in_memory(str(self.directory))

    def recover(self) -> Iterator[Frame]:
        """Check the whole journal, yield its frames, and when they end make ready for `append`.

        Trims a torn tail (see `torn`). Raises JournalDamaged; then nothing was changed.
        """
        remove_spares(self.directory)
        if not segment_paths(self.directory):
            self._create_first()
        reader = Reader(self.directory)
        yield from reader
        verifier, tail = reader.verifier, reader.tail
        assert tail is not None
        assert reader.header is not None
        self.torn = trim(tail)
        self._header = reader.header._replace(build=self._header.build)
        self.last_seq = self.durable_seq = verifier.next_seq - 1
        self.last_ts_ns = verifier.ts_ns
        self._term = max(1, verifier.term)
        self._segment_fd = os.open(tail.segment, os.O_RDWR | os.O_CLOEXEC)
        self._offset = tail.offset
        if self._sync:
            self._flush_what_was_read()
        self._spare = SpareKeeper(self.directory, self._header.segment_bytes, sync=self._sync)
        self.thread = JournalThread(
            verifier.chain, self.durable_seq, sync=self._sync, block_bytes=self._header.block_bytes,
            in_place=self.is_immediate,
        )  # fmt: skip
        if tail.sealed:  # The process ended between sealing a segment and naming the next one.
            self._open_next()

    def start(self) -> int:
        """Recover without looking at the frames; returns how many there were."""
        return sum(1 for _ in self.recover())

    def append(self, first_seq: int, ts_ns: int, count: int, body: bytes) -> None:
        """See Log. ValueError when it does not continue the last batch or could never fit a segment."""
        if first_seq != self.last_seq + 1 or ts_ns < self.last_ts_ns or count < 1:
            raise ValueError(
                f"a batch must begin at {self.last_seq + 1} and not before {self.last_ts_ns}, "
                f"was {count} commands at {first_seq} and {ts_ns}"
            )
        self._write(_BATCH, first_seq, ts_ns, count, body)
        self.last_seq = first_seq + count - 1
        self.last_ts_ns = ts_ns

    def note_hash(self, ts_ns: int, state_hash: str) -> None:
        """See Log."""
        self._write(_HASH, self.last_seq + 1, max(ts_ns, self.last_ts_ns), 0, bytes.fromhex(state_hash))

    def fileno(self) -> int:
        """See Log."""
        return self._running().fileno()

    def completed(self) -> bool:
        """See Log."""
        done, self.durable_seq, failed, errno = self._running().completed()
        if failed is not None:
            raise JournalFailed(failed, errno)
        while self._retired and self._retired[0][0] <= done:
            os.close(self._retired.pop(0)[1])
        return done == self._submitted

    def read(self, from_seq: int = 1) -> Iterator[Frame]:
        """See Log."""
        durable_seq = self.durable_seq
        for frame in Reader(self.directory, from_seq, live=True):
            if frame.first_seq + frame.count - 1 > durable_seq:
                return
            yield frame

    def close(self) -> None:
        """See Log. May be called again."""
        if self.thread is not None:
            self.thread.close()
            self._spare.close()
        for descriptor in [fd for _, fd in self._retired] + [self._segment_fd, self._directory_fd]:
            if descriptor >= 0:
                os.close(descriptor)
        self._retired, self._segment_fd, self._directory_fd = [], -1, -1

    def _running(self) -> JournalThread:
        if self.thread is None:
            raise JournalError("the journal must be recovered before it is written to")
        return self.thread

    def _write(self, magic: int, first_seq: int, ts_ns: int, count: int, body: bytes) -> None:
        thread = self._running()
        header = self._header
        size = frame_bytes(len(body), header.block_bytes)
        if size > header.segment_bytes // 4:
            raise ValueError(f"a frame must be at most {header.segment_bytes // 4} bytes, was {size}")
        # Room for the SEAL that ends the segment is always kept.
        if self._offset + size + header.block_bytes > header.segment_bytes:
            self._rotate(first_seq)
            header = self._header
        elif self._offset + size > header.segment_bytes // 2:
            self._spare.begin()
        self._queue(
            thread.write, self._segment_fd, self._offset, header.salt, magic, first_seq, ts_ns, count, body, self._term
        )
        self._offset += size

    def _queue(self, operation: Callable[..., int], *arguments: Any) -> None:
        """Hand work to the thread. Raises JournalFailed when it has failed before."""
        try:
            self._submitted = operation(*arguments)
        except ValueError:
            self.completed()
            raise

    def _rotate(self, first_seq: int) -> None:
        """Seal the present segment and go on in a new one."""
        salt, write = self._header.salt, self._running().write
        self._queue(write, self._segment_fd, self._offset, salt, _SEAL, first_seq, self.last_ts_ns, 0, b"", self._term)
        self._open_next()

    def _open_next(self) -> None:
        """Give the spare its header, then its name: a segment with a name is whole."""
        thread, next_seq = self._running(), self.last_seq + 1
        descriptor, path = self._spare.take()
        self._retired.append((self._submitted, self._segment_fd))
        self._segment_fd = descriptor
        self._header = header = self._header._replace(salt=secrets.randbits(32))
        self._queue(thread.write, descriptor, 0, 0, _SEGMENT, next_seq, self.last_ts_ns, 0, header.pack(), self._term)
        name = segment_path(self.directory, next_seq)
        self._queue(thread.rename, os.fsencode(path), os.fsencode(name), self._directory_fd, self.last_seq)
        self._offset = header.block_bytes

    def _create_first(self) -> None:
        """Make the first segment in a way that leaves it whole or not there at all."""
        try:
            path = self.directory / SPARE_PATTERN.format(0)
            descriptor = make_spare(path, self._header.segment_bytes, sync=self._sync)
            frame = encode_frame(
                _SEGMENT, 1, 0, 0, self._header.pack(), chain=bytes(16), salt=0, block_bytes=self._header.block_bytes
            )
            os.pwrite(descriptor, frame, 0)
            os.fsync(descriptor)
            os.close(descriptor)
            path.rename(segment_path(self.directory, 1))
            sync_directory(self.directory)
        except OSError as error:
            raise JournalFailed("create", error.errno or 0) from error

    def _flush_what_was_read(self) -> None:
        """Make durable what an earlier process wrote but may not have flushed, before anything is built on it."""
        for path in segment_paths(self.directory):
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fdatasync(descriptor)
            finally:
                os.close(descriptor)
        os.fsync(self._directory_fd)


def _lock(directory: Path) -> int:
    """Take the directory for this process; the lock ends with the descriptor."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise JournalLocked(f"{directory} is in use by another process") from error
    return descriptor
