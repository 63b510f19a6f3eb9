"""Product names in full form: ``CLASS.FABRICTYPE.STACK.TIER``, such as ``H100-SXM.IB400.cuda12.T1``.

A venue may give its products other names; the full form is for those who want to show or group them by their parts.
"""

import re
from typing import NamedTuple

from exchange.errors import SymbolError
from exchange.units import NAME_CHARACTERS_MAX

FABRIC_TYPES = {
    "NVL72": "one NVLink domain of a rack with 72 accelerators",
    "IB400": "InfiniBand at 400 Gb/s for each accelerator",
    "ROCE400": "Ethernet with remote memory access at 400 Gb/s for each accelerator",
    "ETH100": "plain Ethernet at 100 Gb/s for each node",
    "NONE": "no network between lots is promised",
}
STACKS = {
    "cuda12": "NVIDIA drivers that run CUDA 12 programs",
    "cuda13": "NVIDIA drivers that run CUDA 13 programs",
    "rocm6": "AMD drivers that run ROCm 6 programs",
    "rocm7": "AMD drivers that run ROCm 7 programs",
    "xla": "programs compiled by XLA, whatever the vendor's own tools are",
}
TIERS = {
    "T0": "interruptible, with two minutes' notice",
    "T1": "up for 99 % of the window",
    "T2": "up for 99.9 % of the window, with a spare in the same fabric",
}
_CLASS = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)


class ProductName(NamedTuple):
    """The parts of a full product name. Whether the class is in the table of classes is for the reader to ask."""

    hardware_class: str
    fabric_type: str
    stack: str
    tier: str

    @classmethod
    def parse(cls, text: str) -> "ProductName":
        """Return the parts of a name; the inverse of format.

        Raises:
            SymbolError: the name has not four parts, a part is not of its list, or the whole is too long.

        """
        parts = text.split(".")
        if len(parts) != len(cls._fields):
            raise SymbolError(f"product name must look like CLASS.FABRICTYPE.STACK.TIER, was {text!r}")
        name = cls(*parts)
        name.format()
        return name

    def format(self) -> str:
        """Return the name as text.

        Raises:
            SymbolError: a part is not of its list, or the whole is too long.

        """
        if _CLASS.fullmatch(self.hardware_class) is None:
            raise SymbolError(f"hardware class must be of A-Z a-z 0-9 _ -, was {self.hardware_class!r}")
        for what, part, words in (
            ("fabric type", self.fabric_type, FABRIC_TYPES),
            ("stack", self.stack, STACKS),
            ("tier", self.tier, TIERS),
        ):
            if part not in words:
                raise SymbolError(f"{what} must be one of {', '.join(words)}, was {part!r}")
        text = ".".join(self)
        if len(text) > NAME_CHARACTERS_MAX:
            raise SymbolError(f"product name must have at most {NAME_CHARACTERS_MAX} characters, was {text!r}")
        return text
