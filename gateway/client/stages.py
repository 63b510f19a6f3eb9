"""The life of an order as a table: which stage may follow which. Whatever is not in it does not happen."""

import enum

from exchange.reasons import DoneReason


class OrderStage(enum.Enum):
    """Where an order is in its life."""

    PENDING = "pending"  # Sent, not answered.
    OPEN = "open"  # Accepted, nothing filled yet.
    PARTLY_FILLED = "partly filled"  # Something filled, something open.
    FILLED = "filled"
    CANCELLED = "cancelled"  # Ended by its owner.
    ENDED = "ended"  # Ended otherwise; `done_reason` says why.
    REJECTED = "rejected"


class OrderState(enum.Enum):
    """The stages, told apart only as far as most bots need it."""

    PENDING = "pending"  # Sent, not answered.
    LIVE = "live"  # Open or partly filled.
    FILLED = "filled"
    DONE = "done"  # Ended before it was wholly filled; `done_reason` says why.
    REJECTED = "rejected"


_OPEN_ENDS = frozenset(
    {OrderStage.PARTLY_FILLED, OrderStage.FILLED, OrderStage.CANCELLED, OrderStage.ENDED}
)  # fmt: skip
NEXT_STAGES: dict[OrderStage, frozenset[OrderStage]] = {
    OrderStage.PENDING: frozenset({OrderStage.OPEN, OrderStage.REJECTED}),
    OrderStage.OPEN: _OPEN_ENDS,
    OrderStage.PARTLY_FILLED: _OPEN_ENDS,
    OrderStage.FILLED: frozenset(),
    OrderStage.CANCELLED: frozenset(),
    OrderStage.ENDED: frozenset(),
    OrderStage.REJECTED: frozenset(),
}
STATE_OF = {
    OrderStage.PENDING: OrderState.PENDING,
    OrderStage.OPEN: OrderState.LIVE,
    OrderStage.PARTLY_FILLED: OrderState.LIVE,
    OrderStage.FILLED: OrderState.FILLED,
    OrderStage.CANCELLED: OrderState.DONE,
    OrderStage.ENDED: OrderState.DONE,
    OrderStage.REJECTED: OrderState.REJECTED,
}


def stage_after_done(reason: int) -> OrderStage:
    """Return the stage of an order that ended for a reason of message 37."""
    return OrderStage.CANCELLED if reason == DoneReason.USER else OrderStage.ENDED
