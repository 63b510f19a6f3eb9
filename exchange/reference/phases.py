"""The life of windows: what a moment does to an instrument (MKT-001 to MKT-008, MKT-011)."""

from exchange.reasons import DoneReason
from exchange.records import BALANCE_END, CALLS, EventType, Phase, PhaseReason, Side
from exchange.reference.accounts import Instrument
from exchange.reference.state import State
from exchange.reference.uncross import Uncross


class Phases:
    """Moves instruments from phase to phase."""

    def __init__(self, state: State, uncross: Uncross) -> None:
        self.state = state
        self.uncross = uncross
        self.gate_waiting: Instrument | None = None  # Its holders are to be dealt with before its gate closes.

    # The calendar.

    def schedule(self, instrument: Instrument) -> None:
        """Put the next moment of an instrument on the calendar."""
        if instrument.next_ns:
            self.state.moments.add((instrument.next_ns, instrument.handle))

    def unschedule(self, instrument: Instrument) -> None:
        """Take it off again."""
        if instrument.next_ns:
            self.state.moments.remove((instrument.next_ns, instrument.handle))

    def go_on(self) -> None:
        """Pass what is due, in order of (time, handle); stops where a gate waits for the engine."""
        moments = self.state.moments
        while moments and moments[0][0] <= self.state.now_ns and self.gate_waiting is None:
            _, handle = moments.pop(0)
            self._pass(self.state.instruments[handle - 1])

    def _pass(self, instrument: Instrument) -> None:
        """Pass the next moment of an instrument that is off the calendar."""
        if instrument.moments and instrument.moments[0][0] == instrument.next_ns:
            _, phase = instrument.moments.pop(0)
            self._enter_scheduled(instrument, phase)
        else:
            self._continue(instrument, PhaseReason.SCHEDULE)
        if self.gate_waiting is None:
            self.schedule(instrument)

    def _enter_scheduled(self, instrument: Instrument, phase: int) -> None:
        if phase == Phase.CONTINUOUS:
            if instrument.phase in (Phase.LISTED, Phase.OPEN):
                self._continue(instrument, PhaseReason.SCHEDULE)
        elif phase == Phase.GATED:
            self._reach_gate(instrument)
        elif phase == BALANCE_END:
            instrument.balancing = False
            self._end_orders(instrument, DoneReason.GATE)
            self._tell(instrument, PhaseReason.SCHEDULE)
        elif phase == Phase.SETTLED:
            self._settle(instrument)
        elif not (phase == Phase.OPEN and instrument.phase != Phase.LISTED):
            self._enter(instrument, phase, PhaseReason.SCHEDULE)

    # Phases.

    def halt(self, instrument: Instrument) -> None:
        """Stop trading by command (MKT-006)."""
        self._enter_now(instrument, Phase.HALTED, PhaseReason.COMMAND)

    def resume(self, instrument: Instrument) -> None:
        """Let a halted window trade again (MKT-006)."""
        if instrument.volatility_call_ns:
            self._begin_volatility_call(instrument, PhaseReason.COMMAND)
        else:
            self.unschedule(instrument)
            self._continue(instrument, PhaseReason.COMMAND)
            self.schedule(instrument)

    def suspend(self, instrument: Instrument) -> None:
        """Begin a volatility call: a trade would have been outside the dynamic band (MKT-011)."""
        self._begin_volatility_call(instrument, PhaseReason.BAND)

    def _begin_volatility_call(self, instrument: Instrument, reason: PhaseReason) -> None:
        self.unschedule(instrument)
        instrument.resume_ns = self.state.now_ns + instrument.volatility_call_ns
        self._enter(instrument, Phase.VOLATILITY, reason)
        self.schedule(instrument)

    def _enter_now(self, instrument: Instrument, phase: Phase, reason: PhaseReason) -> None:
        """Change a phase outside of the schedule."""
        self.unschedule(instrument)
        instrument.resume_ns = 0
        self._enter(instrument, phase, reason)
        self.schedule(instrument)

    def _enter(self, instrument: Instrument, phase: int, reason: PhaseReason) -> None:
        """Change the phase and tell it; leaving for the closing call ends blocks (BLK-013)."""
        instrument.phase = phase
        if phase == Phase.PRECLOSE:
            instrument.resume_ns = 0
            self._end_blocks(instrument)
        if phase == Phase.BALANCING:
            instrument.balancing = True
        if phase in CALLS:
            self.state.entered_calls[instrument.handle] = instrument
        self._tell(instrument, reason)

    def _continue(self, instrument: Instrument, reason: PhaseReason) -> None:
        """Uncross what a call, or a halt during one, has left, and trade continuously (AUC-007)."""
        self.uncross.run(instrument)
        instrument.resume_ns = 0
        self._enter(instrument, Phase.CONTINUOUS, reason)
        self.state.opened_products[instrument.product] = True

    def _tell(self, instrument: Instrument, reason: PhaseReason) -> None:
        self.state.events.emit(
            EventType.STATUS, instrument=instrument.handle, lots=instrument.phase, reason=reason,
            amount=instrument.next_ns,
        )  # fmt: skip

    # The gate and what is behind it.

    def _reach_gate(self, instrument: Instrument) -> None:
        if instrument.in_call:
            self.uncross.run(instrument)
        instrument.resume_ns = 0
        instrument.phase = Phase.GATED
        if any(position.lots for position in instrument.positions):
            self.gate_waiting = instrument
        else:
            self._close(instrument)

    def close_gate(self) -> None:
        """Close the gate that waited for the engine (MKT-007)."""
        instrument, self.gate_waiting = self.gate_waiting, None
        assert instrument is not None
        self._close(instrument)
        self.schedule(instrument)

    def _close(self, instrument: Instrument) -> None:
        self._end_orders(instrument, DoneReason.GATE)
        self._end_blocks(instrument)
        self._tell(instrument, PhaseReason.SCHEDULE)

    def _end_orders(self, instrument: Instrument, reason: DoneReason) -> None:
        for side in (Side.BUY, Side.SELL):
            for order in list(instrument.book.orders(side)):
                self.state.end(order, reason)

    def _end_blocks(self, instrument: Instrument) -> None:
        for block in self.state.shelf(instrument.product).beginning(instrument.window, instrument.fabric):
            self.state.end_block(block, DoneReason.GATE)

    def _settle(self, instrument: Instrument) -> None:
        """Tell what has perished, and that the window is over (MKT-008)."""
        certified = sum(position.certified for position in instrument.positions)
        unsold = sum(one.certified - min(one.certified, max(0, -one.lots)) for one in instrument.positions)
        if certified:
            self.state.events.emit(
                EventType.PERISHED, instrument=instrument.handle, amount=unsold, match_id=certified
            )
        held = any(position.lots for position in instrument.positions)
        self._enter(instrument, Phase.SETTLED if held else Phase.EXPIRED, PhaseReason.SCHEDULE)
