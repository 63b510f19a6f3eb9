"""A process that writes to a journal until it is killed, and tells each batch after it is durable."""

import sys

from journal_tools import append, opened

journal = opened(sys.argv[1])
while True:
    append(journal, 1 + journal.last_seq % 30)
    sys.stdout.write(f"{journal.durable_seq}\n")
    sys.stdout.flush()
