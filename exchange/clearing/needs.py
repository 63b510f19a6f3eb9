"""What buyers lack when lots have failed, and what may be spent to find it."""

from dataclasses import dataclass, field

from exchange.clearing.obligations import Obligation, Wish


@dataclass(slots=True, eq=False)
class Need:
    """What one buyer lacks, in lots as he has bought them."""

    failed: Obligation  # Of a gang with several the first one; they are of one provider and one fabric.
    lots: int  # Still to be found.
    wish: Wish
    is_whole: bool  # Nothing else of the buyer's lots is being delivered.
    size: int = field(init=False)  # Lots that have failed.

    def __post_init__(self) -> None:
        self.size = self.lots


@dataclass(slots=True)
class Bill:
    """What has been arranged so far."""

    begin_ns: int
    budget: int  # What may be spent above the buyers' prices, surcharge included.
    premium: int = 0
    taken: dict[int, int] = field(default_factory=dict)  # From buyers, for what is delivered later, by account.
    brought: int = 0  # Of that, from earlier cases.
