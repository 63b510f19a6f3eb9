"""The journal: append-only files of command batches, checked on every read. Layout and rules: docs/spec/journal.md."""

from exchange.replay import Frame
from gateway.journal.errors import JournalDamaged, JournalError, JournalFailed, JournalLocked, JournalMissing
from gateway.journal.log import Log
from gateway.journal.reader import Reader
from gateway.journal.writer import Journal

__all__ = [
    "Frame",
    "Journal",
    "JournalDamaged",
    "JournalError",
    "JournalFailed",
    "JournalLocked",
    "JournalMissing",
    "Log",
    "Reader",
]
