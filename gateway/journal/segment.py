"""Prepared segments: whole files of zeros, made and flushed ahead of time.

A frame in such a file changes data only, no metadata, so fdatasync is one disk write. One spare is kept: a thread
makes it while the present segment fills, because the sequencer's loop must not wait for 64 MiB of zeros.
"""

import os
import threading
from pathlib import Path

from gateway.journal.errors import JournalFailed
from gateway.journal.layout import SPARE_NAME

_ZEROS = bytes(1024 * 1024)


def make_spare(directory: Path, segment_bytes: int, *, sync: bool) -> int:
    """Write a spare of zeros and return its open descriptor. OSError when the disk is full or fails."""
    path = directory / SPARE_NAME
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
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
        self._descriptor = -1
        self._error: OSError | None = None

    def begin(self) -> None:
        """Start to make a spare, unless one is there or under way."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._make, name="journal-spare", daemon=True)
            self._thread.start()

    def take(self) -> int:
        """Return the spare's descriptor, waiting for it where it must. Raises JournalFailed."""
        self.begin()
        assert self._thread is not None
        self._thread.join()
        self._thread = None
        if self._error is not None:
            error, self._error = self._error, None
            raise JournalFailed("spare", error.errno or 0)
        return self._descriptor

    def close(self) -> None:
        """Remove a spare that was not taken."""
        if self._thread is None:
            return
        self._thread.join()
        self._thread = None
        if self._error is None:
            os.close(self._descriptor)
            (self._directory / SPARE_NAME).unlink(missing_ok=True)

    def _make(self) -> None:
        try:
            self._descriptor = make_spare(self._directory, self._segment_bytes, sync=self._sync)
        except OSError as error:
            self._error = error
