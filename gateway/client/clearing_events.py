"""What the clearinghouse tells: money, margin, deliveries, defaults. Amounts are micro-dollars, times microseconds."""

from collections.abc import Callable
from dataclasses import dataclass

from exchange.clearing.detection import NodeState
from exchange.clearing.words import CaseKind, Cause, Kind, Level, Stage
from gateway.protocol import MessageType


@dataclass(slots=True)
class Entry:
    """Money was moved in one of the account's purses: collateral, bond or share of the default fund."""

    pseq: int
    cause: int  # exchange.clearing.words.Cause
    purse: int  # exchange.clearing.words.Kind
    micros: int  # Negative: it was taken.
    inst: int  # 0: of no instrument.
    case: int  # Of a default, else 0.
    ts: int
    gseq: int

    @property
    def cause_name(self) -> str:
        """Name of the cause, such as ``SETTLEMENT``."""
        return Cause(self.cause).name if self.cause in Cause.__members__.values() else str(self.cause)

    @property
    def purse_name(self) -> str:
        """Name of the purse, such as ``BOND``."""
        return Kind(self.purse).name if self.purse in Kind.__members__.values() else str(self.purse)


@dataclass(slots=True)
class Margin:
    """How the account stands to its margin, and until when a call must be met (0: there is none)."""

    pseq: int
    level: int  # exchange.clearing.words.Level
    micros: int  # Asked for.
    deadline_ts: int
    ts: int
    gseq: int

    @property
    def is_called(self) -> bool:
        """Whether more collateral is wanted."""
        return self.level == Level.CALLED


@dataclass(slots=True)
class LotState:
    """Nodes that serve the account (role 0) or that it provides (1) are well, suspect or failed."""

    pseq: int
    inst: int
    role: int
    node: int  # The first; -1: lots that have no node.
    qty: int
    state: int  # exchange.clearing.detection.NodeState
    since_ts: int
    ts: int
    gseq: int

    @property
    def is_failed(self) -> bool:
        """Whether they have failed for good."""
        return self.state == NodeState.FAILED


@dataclass(slots=True)
class Default:
    """A default of the account has begun or, with kind 0, is closed."""

    pseq: int
    case: int
    kind: int  # exchange.clearing.words.CaseKind
    ts: int
    gseq: int

    @property
    def kind_name(self) -> str:
        """Name of the kind, such as ``PROVIDER``; ``CLOSED`` at the end."""
        if self.kind == 0:
            return "CLOSED"
        return CaseKind(self.kind).name if self.kind in CaseKind.__members__.values() else str(self.kind)


@dataclass(slots=True)
class Substitute:
    """Lots of `other` stand in for failed ones of the account (role 0), or its lots for those of `other` (1)."""

    pseq: int
    inst: int  # Where they are delivered.
    role: int
    stage: int  # exchange.clearing.words.Stage
    qty: int
    for_qty: int  # Failed lots that they stand for; more or fewer where the class is another one.
    other: int
    px: int
    micros: int  # What the buyer pays, what the provider is to earn.
    case: int
    ts: int
    gseq: int

    @property
    def stage_name(self) -> str:
        """Name of the stage, such as ``FABRIC``; ``CASH``: the rest is refunded."""
        return Stage(self.stage).name if self.stage in Stage.__members__.values() else str(self.stage)


@dataclass(slots=True)
class LayerPaid:
    """The account pays for a default."""

    pseq: int
    case: int
    layer: int  # exchange.clearing.waterfall.Layer
    claim_class: int  # exchange.clearing.waterfall.Class
    micros: int
    ts: int
    gseq: int


@dataclass(slots=True)
class ClaimLeft:
    """What a default still owes the account; it is paid out of recoveries."""

    pseq: int
    case: int
    claim_class: int
    micros: int
    ts: int
    gseq: int


@dataclass(slots=True)
class Exercise:
    """An option has expired: lots of its window are the account's now, bought (`side` 0) or sold (1) at the mark."""

    pseq: int
    inst: int
    side: int
    qty: int
    px: int
    ts: int
    gseq: int


@dataclass(slots=True)
class AuctionItem:
    """Bids are taken for lots of an estate, in `windows` windows from this one on."""

    inst: int
    seq: int
    ts: int
    case: int
    item: int
    side: int  # 0: the estate holds them, 1: it owes them.
    qty: int
    windows: int
    until_ts: int


@dataclass(slots=True)
class Mark:
    """The price at which positions are valued, in ticks."""

    inst: int
    seq: int
    ts: int
    px: int


PrivateClearingEvent = Entry | Margin | LotState | Default | Substitute | LayerPaid | ClaimLeft | Exercise
PublicClearingEvent = AuctionItem | Mark
CLEARING_EVENTS: dict[int, Callable[..., PrivateClearingEvent | PublicClearingEvent]] = {
    MessageType.ENTRY: Entry,
    MessageType.MARGIN: Margin,
    MessageType.LOT_STATE: LotState,
    MessageType.DEFAULT: Default,
    MessageType.SUBSTITUTE: Substitute,
    MessageType.LAYER: LayerPaid,
    MessageType.CLAIM: ClaimLeft,
    MessageType.EXERCISE: Exercise,
    MessageType.AUCTION: AuctionItem,
    MessageType.MARK: Mark,
}
