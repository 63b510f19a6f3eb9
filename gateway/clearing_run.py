"""The clearinghouse's regular run: RUN_CLEARING every second, as soon as there is a clearinghouse.

What is due is the engine's to know, so nothing is remembered here, and a run that came late does what was left.
"""

import asyncio
from typing import Protocol

from exchange import commands
from exchange.clearing.state import HouseState
from exchange.records import CommandType

RUN_S = 1


class House(Protocol):
    """What is needed of the clearinghouse."""

    @property
    def state(self) -> HouseState:
        """What it remembers; account 0 before SET_HOUSE."""


class RunEngine(Protocol):
    """What is needed of the engine."""

    @property
    def house(self) -> House:
        """The clearinghouse."""

    @property
    def seq(self) -> int:
        """Sequence number of the last command applied."""


class RunSequencer(Protocol):
    """What is needed of the sequencer."""

    @property
    def next_seq(self) -> int:
        """Sequence number that the next command submitted will have."""

    def submit(self, records: bytes) -> bool:
        """Queue command records; False when there is no room for them."""


class ClearingRunner:
    """Sends RUN_CLEARING, and never another one before the last has been applied.

    Args:
        engine: its state says whether there is clearing, and what has been applied.
        sequencer: where commands go; without room for them the next second will do.

    """

    def __init__(self, engine: RunEngine, sequencer: RunSequencer) -> None:
        self._engine = engine
        self._sequencer = sequencer
        self._sent_seq = 0  # Of the last RUN_CLEARING.

    async def run(self) -> None:
        """Run until cancelled."""
        while True:
            self.step()
            await asyncio.sleep(RUN_S)

    def step(self) -> None:
        """Send one, if there is clearing and none is waiting."""
        if not self._engine.house.state.account or self._engine.seq < self._sent_seq:
            return
        seq = self._sequencer.next_seq
        if self._sequencer.submit(commands.clearing(CommandType.RUN_CLEARING)):
            self._sent_seq = seq
