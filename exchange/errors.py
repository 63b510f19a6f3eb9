"""Errors this package raises on purpose.

ExchangeError
 +-- RecordError         a batch of records is refused whole (ENG-003)
 +-- SymbolError         text that is no symbol, window or price
 +-- CatalogueError      a product, account or listing the catalogue refuses; carries the reject reason
 +-- HardwareClassError  an entry of the table of hardware classes is not what it must be
 +-- CoreMissing         the compiled core is not built
 +-- InvariantViolation  the engine contradicted itself: the process stops

What a client gets wrong is never an exception but an event with a reason (``exchange/reasons.py``).
"""

from exchange.reasons import RejectReason


class ExchangeError(Exception):
    """Base of every error this package raises on purpose."""


class RecordError(ExchangeError, ValueError):
    """The lengths of a batch's records do not add up; nothing of the batch was applied (ENG-003)."""


class SymbolError(ExchangeError, ValueError):
    """A text is not a symbol, a window or a price."""


class CatalogueError(ExchangeError, ValueError):
    """The catalogue refuses an entry; ``reason`` is what the operator is answered."""

    def __init__(self, reason: RejectReason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class HardwareClassError(ExchangeError, ValueError):
    """The table of hardware classes has an entry that is not what it must be; class and field are named."""


class CoreMissing(ExchangeError, ImportError):
    """The compiled core cannot be imported. There is no silent fallback to the slow reference."""


class InvariantViolation(ExchangeError, AssertionError):
    """The engine contradicted itself, or its caller broke a promise. Never caught: the journal is the evidence."""
