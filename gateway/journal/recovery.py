"""What a stop of the verifier means: the end of the journal, a torn tail that may be trimmed, or a refusal.

There is no fourth outcome. The rules and their reasons: docs/spec/journal.md, JRN-010 to JRN-015.
"""

import os
from mmap import mmap
from pathlib import Path
from typing import NamedTuple

from ext.journal import Stop, Verifier, frame_is_torn, later_proof, written_end
from gateway.journal.errors import JournalDamaged

REASONS = {
    Stop.ZERO: "a frame is missing, and a later one proves that it was on disk",
    Stop.HEADER: "the checksum of the frame's header does not fit",
    Stop.SHORT: "the frame is longer than the segment",
    Stop.BODY: "the frame's body or trailer was changed",
    Stop.SEQUENCE: "the sequence numbers have a gap",
    Stop.CHAIN: "the frame does not follow the one before it (hash chain)",
    Stop.TERM: "the term goes back",
    Stop.TIME: "the time goes back",
    Stop.DURABLE: "the frame claims a later command than itself to be on disk",
    Stop.RECORDS: "the records in the frame do not add up",
    Stop.KIND: "the frame is of an unknown kind",
}


class Tail(NamedTuple):
    """Where a journal ends, and what of an unfinished write lies behind that place."""

    segment: Path
    offset: int
    torn_end: int  # End of the leftovers; equal to offset when there are none.
    sealed: bool
    block_bytes: int = 512


def judge(segment: Path, data: mmap, offset: int, stop: int, verifier: Verifier, *, is_last: bool) -> Tail:
    """Return the tail at which the verifier stopped, or raise JournalDamaged. Changes nothing."""
    if stop == Stop.SEALED:
        return Tail(segment, offset, offset, sealed=True)
    if not is_last:
        reason = REASONS.get(Stop(stop), "") if stop not in (Stop.END, Stop.ZERO) else ""
        raise JournalDamaged(
            segment, offset, reason or "the segment has no end, but another one follows",
            expected=verifier.expected, found=verifier.found,
        )  # fmt: skip
    if stop == Stop.END:
        return Tail(segment, offset, offset, sealed=False)
    if _may_be_trimmed(data, offset, stop, verifier):
        return Tail(segment, offset, written_end(data, offset), sealed=False)
    raise JournalDamaged(segment, offset, REASONS[Stop(stop)], expected=verifier.expected, found=verifier.found)


def _may_be_trimmed(data: mmap, offset: int, stop: int, verifier: Verifier) -> bool:
    """Whether what lies at ``offset`` can be a write that was never acknowledged (JRN-010, JRN-012)."""
    if offset == 0 or later_proof(data, offset, verifier.next_seq, verifier.salt) >= 0:
        return False
    return stop == Stop.ZERO or (stop == Stop.BODY and frame_is_torn(data, offset, verifier.block_bytes))


def trim(tail: Tail) -> Path | None:
    """Move the leftovers of an unfinished write to a ``.torn`` file, zero their place, and return the file's path.

    May be interrupted at any point and repeated: the copy is durable before the first byte is zeroed.
    """
    if tail.torn_end == tail.offset:
        return None
    with tail.segment.open("r+b") as file:
        file.seek(tail.offset)
        leftovers = file.read(tail.torn_end - tail.offset)
        copy = _unused_name(tail.segment, tail.offset)
        with copy.open("xb") as torn:
            torn.write(leftovers)
            torn.flush()
            os.fsync(torn.fileno())
        sync_directory(tail.segment.parent)
        file.seek(tail.offset)
        file.write(bytes(len(leftovers)))
        file.flush()
        os.fdatasync(file.fileno())
    return copy


def _unused_name(segment: Path, offset: int) -> Path:
    number = 0
    while True:
        name = f"{segment.stem}.{offset}" + (f".{number}" if number else "") + ".torn"
        if not (path := segment.with_name(name)).exists():
            return path
        number += 1


def sync_directory(directory: Path) -> None:
    """Make the names in a directory durable."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
