"""`hourglass demo`: a whole venue with providers, makers and buyers on one machine, for half a minute."""

from gateway.demo.command import demo

__all__ = ["demo"]
