"""Waiting for a process to say something, in a test process that may have more than 1,024 files open."""

import select


def says_something(stream, seconds):
    """Whether a pipe has something to read, or its end, within a time."""
    ready = select.poll()
    ready.register(stream, select.POLLIN | select.POLLHUP)
    return bool(ready.poll(seconds * 1_000))
