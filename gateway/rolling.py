"""Rolling listing: as the hours go by, the venue lists the windows that come into sight (MKT-009).

Which are missing is the engine's to say, so nothing is remembered here: after a restart it goes on where it was.
"""

import asyncio
from collections.abc import Callable

from exchange import commands
from exchange.catalogue import Catalogue, Product
from exchange.units import HOUR_NS

POLL_S = 0.25
Ranges = list[tuple[int, int]]  # First window and count.


def nothing(product: Product, ranges: Ranges) -> bytes:
    """Send nothing about new windows."""
    return b""


class Roller:
    """Sends ROLL_WINDOWS for every product with a rolling listing, at the start and at each new hour.

    Args:
        catalogue: the engine's, with the products and what is listed.
        submit: where commands go; False when there is no room, and then it is tried again.
        clock_ns: the clock the sequencer stamps commands with.
        then: returns the commands that follow the listing of some windows, such as their rates.
        warn: is told of windows that could not be listed.

    """

    def __init__(
        self,
        catalogue: Catalogue,
        submit: Callable[[bytes], bool],
        clock_ns: Callable[[], int],
        *,
        then: Callable[[Product, Ranges], bytes] = nothing,
        warn: Callable[[str], None] | None = None,
    ) -> None:
        self._catalogue = catalogue
        self._submit = submit
        self._clock_ns = clock_ns
        self._then = then
        self._warn = warn
        self._rolled_ns = 0  # When it was last done.

    async def run(self) -> None:
        """Roll until cancelled."""
        while True:
            self.roll()
            await asyncio.sleep(POLL_S)

    def roll(self) -> None:
        """List what is missing, if an hour has begun since the last time."""
        now_ns = self._clock_ns()
        if now_ns // HOUR_NS == self._rolled_ns // HOUR_NS:
            return
        self._look_back()
        records = b"".join(self._records(number, now_ns) for number in self._rolling())
        if not records or self._submit(records):
            self._rolled_ns = now_ns

    def _rolling(self) -> list[int]:
        return [number for number, product in enumerate(self._catalogue.products, 1) if product.rolling_hours]

    def _records(self, number: int, now_ns: int) -> bytes:
        ranges = self._catalogue.missing_windows(number, now_ns)
        if not ranges:
            return b""
        product = self._catalogue.product(number)
        return commands.roll_windows(product.name) + self._then(product, ranges)

    def _look_back(self) -> None:
        """Tell what the last hour's command has not listed: the venue has no room for more instruments."""
        if self._warn is None or not self._rolled_ns:
            return
        for number in self._rolling():
            missing = sum(count for _, count in self._catalogue.missing_windows(number, self._rolled_ns))
            if missing:
                self._warn(f"{missing} windows of {self._catalogue.product(number).name} could not be listed: no room")
