"""`hourglass demo`, a whole venue on one machine for half a minute, and `hourglass sandbox`, one to try things on."""

from gateway.demo.command import demo
from gateway.demo.sandbox import sandbox

__all__ = ["demo", "sandbox"]
