"""Which error ends the command line with which exit code. The table is told by `hourglass --help`."""

import click

from exchange.errors import CoreMissing, InvariantViolation, RecordError
from gateway.journal.errors import JournalDamaged, JournalError, JournalFailed, JournalLocked, JournalMissing

MISMATCH = 1
DAMAGED = 65
MISSING = 66
NOT_BUILT = 69
BROKEN = 70
FAILED = 75
CONFIGURATION = 78

# The first class that fits decides, so subclasses stand above their bases.
EXIT_CODES: tuple[tuple[type[Exception], int], ...] = (
    (JournalDamaged, DAMAGED),
    (JournalMissing, MISSING),
    (JournalLocked, FAILED),
    (JournalFailed, FAILED),
    (JournalError, FAILED),
    (RecordError, BROKEN),
    (CoreMissing, NOT_BUILT),
    (InvariantViolation, BROKEN),
    (OSError, MISSING),
)


class Failure(click.ClickException):
    """What the user is told in one line, with the exit code."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code  # type: ignore[misc,unused-ignore]

    def show(self, file: object = None) -> None:
        """Write the line to stderr."""
        click.echo(f"hourglass: {self.format_message()}", err=True)


def as_failure(error: BaseException) -> Failure | None:
    """Return what to tell of an expected error, or None for one that is a defect, or a reader that has gone."""
    if isinstance(error, BrokenPipeError):
        return None
    for kind, code in EXIT_CODES:
        if isinstance(error, kind):
            return Failure(str(error), code)
    return None
