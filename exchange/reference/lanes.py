"""Lanes: the strictly increasing refs of a client, and what was answered to them (ORD-002, QTE-001)."""

from dataclasses import dataclass, field
from typing import NamedTuple

from exchange.reasons import RejectReason
from exchange.records import CommandType, EventFlag, EventType
from exchange.reference.events import EventLog
from exchange.reference.layout import Command
from exchange.units import LANE_OUTCOMES_MAX

LEG_MASK = 0x7FFFFFFF
COUNT_MASK = 0xFFFFFFFF


class Outcome(NamedTuple):
    """The answer a ref was first given."""

    type: int
    reason: int
    oid: int


@dataclass(slots=True)
class Lane:
    """One lane of an account. ``last_leg`` is -1 where the last command was no quote."""

    last_ref: int = 0
    last_leg: int = -1
    outcomes: dict[int, Outcome] = field(default_factory=dict)  # By ref, oldest first.

    def keep(self, ref: int, outcome: Outcome) -> None:
        """Remember an outcome; the oldest of LANE_OUTCOMES_MAX is forgotten."""
        self.outcomes[ref] = outcome
        if len(self.outcomes) > LANE_OUTCOMES_MAX:
            del self.outcomes[next(iter(self.outcomes))]


def leg_of(command: Command) -> int:
    """Return the number of a quote's leg, counted from 0."""
    return command.target & LEG_MASK


def is_beyond_legs(command: Command) -> bool:
    """Whether the leg's number is not below the number of legs the quote says it has."""
    return command.target & COUNT_MASK >= command.target >> 32


class Answers:
    """Decides whether a client's command is new, and gives every command its one answer."""

    def __init__(self, events: EventLog) -> None:
        self.events = events
        self.lanes: dict[tuple[int, int], Lane] = {}  # By account and lane, in order of creation.
        self.keeper: Lane | None = None  # Where the present command's outcome is kept.

    def admit(self, command: Command) -> bool:
        """Whether the command is to be executed; otherwise it has been answered here."""
        lane = self.lanes.get((command.account, command.lane))
        if command.ref > (lane.last_ref if lane else 0):
            self._consume(command)
            return True
        if lane is not None and self._continues_quote(lane, command):
            lane.last_leg = leg_of(command)
            return True
        self._answer_again(lane, command)
        return False

    def ack(self, command: Command, *, oid: int = 0, **fields: int) -> None:
        """Accept the command: its first event."""
        self._keep(command, Outcome(EventType.ACK, 0, oid))
        self._answer(EventType.ACK, command, oid=oid, **fields)

    def refuse(self, command: Command, reason: RejectReason, **fields: int) -> None:
        """Refuse a client's admitted command: its only event."""
        self._keep(command, Outcome(EventType.REJECT, reason, 0))
        self._answer(EventType.REJECT, command, reason=reason, instrument=command.instrument, **fields)

    def reject(self, command: Command, reason: RejectReason) -> None:
        """Refuse a command that consumes no ref."""
        self._answer(EventType.REJECT, command, reason=reason)

    def _answer(self, event_type: EventType, command: Command, **fields: int) -> None:
        self.events.emit(event_type, account=command.account, lane=command.lane, ref=command.ref, **fields)

    def finish(self) -> None:
        """End the present command."""
        self.keeper = None

    def _consume(self, command: Command) -> None:
        lane = self.lanes.setdefault((command.account, command.lane), Lane())
        lane.last_ref = command.ref
        lane.last_leg = leg_of(command) if command.type == CommandType.QUOTE else -1
        self.keeper = lane

    def _continues_quote(self, lane: Lane, command: Command) -> bool:
        return (
            command.type == CommandType.QUOTE
            and command.ref == lane.last_ref
            and lane.last_leg >= 0
            and leg_of(command) == lane.last_leg + 1
        )

    def _answer_again(self, lane: Lane | None, command: Command) -> None:
        outcome = lane.outcomes.get(command.ref) if lane else None
        if outcome is None:
            self.reject(command, RejectReason.STALE_REF)
            return
        self._answer(
            EventType(outcome.type), command, flags=EventFlag.DUPLICATE, reason=outcome.reason, oid=outcome.oid
        )

    def _keep(self, command: Command, outcome: Outcome) -> None:
        if self.keeper is not None:
            self.keeper.keep(command.ref, outcome)
