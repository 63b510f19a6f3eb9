"""What the fault tests of the journal share: writing a known history, damaging it, judging the outcome."""

import select
import shutil

from exchange import commands
from gateway.journal import Journal, JournalDamaged
from gateway.journal.layout import segment_paths

SECTOR = 512
SEGMENT_BYTES = 32 * SECTOR


def batch(first_seq, count):
    """A batch that can be recognised: the refs are the sequence numbers."""
    return b"".join(commands.cancel(1, seq, seq * 7) for seq in range(first_seq, first_seq + count))


def settle(journal):
    """Wait until all is durable."""
    poll = select.poll()
    poll.register(journal.fileno(), select.POLLIN)
    while not journal.completed():
        poll.poll(1000)


def opened(path, **options):
    """A journal ready for append, in small segments."""
    journal = Journal(path, **({"segment_bytes": SEGMENT_BYTES} | options))
    journal.start()
    return journal


def append(journal, count):
    """Append a recognisable batch and wait until it is durable."""
    first_seq = journal.last_seq + 1
    journal.append(first_seq, 10 * first_seq, count, batch(first_seq, count))
    settle(journal)


def write(path, *counts, **options):
    """Write batches of these sizes and close."""
    journal = opened(path, **options)
    for count in counts:
        append(journal, count)
    journal.close()


def history(*counts):
    """What `write` must be read back as."""
    frames, first_seq = [], 1
    for count in counts:
        frames.append((first_seq, 10 * first_seq, count, batch(first_seq, count)))
        first_seq += count
    return frames


def recovered(path, **options):
    """Open as after a crash; the batches, and where leftovers of an unfinished write went."""
    journal = Journal(path, **({"segment_bytes": SEGMENT_BYTES} | options))
    try:
        return [(f.first_seq, f.ts_ns, f.count, bytes(f.body)) for f in journal.recover() if f.count], journal.torn
    finally:
        journal.close()


def outcome(path):
    """The batches, or the refusal."""
    try:
        return recovered(path)[0]
    except JournalDamaged as damage:
        return damage


def only_segment(path):
    """The segment of a journal that has one."""
    (segment,) = segment_paths(path)
    return segment


def copy(source, target):
    """A fresh copy to damage."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target)
    return target
