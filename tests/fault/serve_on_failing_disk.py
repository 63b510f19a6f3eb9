"""Runs `hourglass serve` with a disk whose third flush after the start fails."""

import errno
import sys

from gateway import commands_serve
from gateway.cli import main

recover = commands_serve.recover


def recover_then_break(journal, *others):
    recover(journal, *others)
    journal.thread.inject("fdatasync", 3, error=errno.EIO)


commands_serve.recover = recover_then_break
main(sys.argv[1:])
