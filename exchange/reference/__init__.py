"""The plain twin of the compiled core: the specification as a program.

It is written to be read beside ``docs/spec``, not to be fast, and it is used on explicit request only:
``Engine(ReferenceCore())``. The model tests hold the compiled core to it, event by event and byte by byte.
"""

from exchange.reference.core import ReferenceCore

__all__ = ["ReferenceCore"]
