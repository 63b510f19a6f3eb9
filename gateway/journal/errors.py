"""What can be wrong with a journal.

JournalError
+-- JournalDamaged      the files contradict themselves; nothing was changed
+-- JournalMissing      there is no journal in the directory
+-- JournalLocked       another process writes to it
+-- JournalFailed       a write or flush failed; the process must end
"""

import errno as errno_names
import os
from pathlib import Path


class JournalError(Exception):
    """Base of every error of this package."""


class JournalDamaged(JournalError):
    """A segment does not say what it must. Names the place, what was expected there, what was found, and why."""

    def __init__(
        self, segment: Path, offset: int, reason: str, *, expected: object = None, found: object = None
    ) -> None:
        self.segment = segment
        self.offset = offset
        self.reason = reason
        self.expected = expected
        self.found = found
        text = f"{segment.name} at offset {offset}: {reason}"
        if expected is not None:
            text += f" (expected {expected}, found {found})"
        super().__init__(text)


class JournalMissing(JournalError):
    """The directory holds no segment."""


class JournalLocked(JournalError):
    """The directory belongs to another writing process."""


class JournalFailed(JournalError):
    """A file operation of the writer failed. It is not tried again, and nothing later is durable."""

    def __init__(self, operation: str, errno: int) -> None:
        self.operation = operation
        self.errno = errno
        reason = f"{errno_names.errorcode.get(errno, errno)}: {os.strerror(errno)}" if errno else "fewer bytes written"
        super().__init__(f"journal {operation} failed, {reason}")
