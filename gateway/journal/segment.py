"""Prepared segments: whole files of zeros, made and flushed ahead of time.

A frame in such a file changes data only, no metadata, so fdatasync is one disk write. One spare is kept: a thread
makes it while the present segment fills, because the sequencer's loop must not wait for 64 MiB of zeros.
"""

import os
import threading
from pathlib import Path

from gateway.journal.errors import JournalFailed
from gateway.journal.layout import SPARE_PATTERN

_ZEROS = bytes(1024 * 1024)


def make_spare(path: Path, segment_bytes: int, *, sync: bool) -> int:
    """Write a new file of zeros and return its open descriptor. OSError when the disk is full or fails."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    try:
        os.posix_fallocate(descriptor, 0, segment_bytes)
        for offset in range(0, segment_bytes, len(_ZEROS)):
            _write_zeros(descriptor, offset, min(len(_ZEROS), segment_bytes - offset))
        if sync:
            os.fsync(descriptor)
    except OSError:
        os.close(descriptor)
        path.unlink(missing_ok=True)
        raise
    return descriptor


def remove_spares(directory: Path) -> None:
    """Remove what an earlier process prepared and did not name."""
    for path in directory.glob(SPARE_PATTERN.format("*")):
        path.unlink()


def _write_zeros(descriptor: int, offset: int, count: int) -> None:
    if os.pwrite(descriptor, memoryview(_ZEROS)[:count], offset) != count:
        raise OSError(0, "fewer bytes written")


class SpareKeeper:
    """Makes the next segment in a thread of its own."""

    def __init__(self, directory: Path, segment_bytes: int, *, sync: bool) -> None:
        self._directory = directory
        self._segment_bytes = segment_bytes
        self._sync = sync
        self._thread: threading.Thread | None = None
        self._number = 0
        self._path = directory
        self._descriptor = -1
        self._error: OSError | None = None

    def begin(self) -> None:
        """Start to make a spare, unless one is there or under way."""
        if self._thread is None:
            # A name of its own: the one before may still wait for the journal's thread to rename it.
            self._number += 1
            self._path = self._directory / SPARE_PATTERN.format(self._number)
            self._thread = threading.Thread(target=self._make, name="journal-spare", daemon=True)
            self._thread.start()

    def take(self) -> tuple[int, Path]:
        """Return the spare's descriptor and path, waiting for it where it must. Raises JournalFailed."""
        self.begin()
        error = self._join()
        if error is not None:
            raise JournalFailed("spare", error.errno or 0) from error
        return self._descriptor, self._path

    def close(self) -> None:
        """Remove a spare that was not taken."""
        if self._thread is not None and self._join() is None:
            os.close(self._descriptor)
            self._path.unlink(missing_ok=True)

    def _join(self) -> OSError | None:
        assert self._thread is not None
        self._thread.join()
        self._thread = None
        error, self._error = self._error, None
        return error

    def _make(self) -> None:
        try:
            self._descriptor = make_spare(self._path, self._segment_bytes, sync=self._sync)
        except OSError as error:
            self._error = error
