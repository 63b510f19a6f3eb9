"""What buyers lack when lots have failed, and what may be spent to find it."""

from dataclasses import dataclass

from exchange.clearing.obligations import Obligation, Wish


@dataclass(slots=True, eq=False)
class Need:
    """What one buyer lacks, in lots as he has bought them."""

    failed: Obligation
    lots: int
    wish: Wish
    is_whole: bool  # Nothing else of the buyer's lots is being delivered.


@dataclass(slots=True)
class Bill:
    """What has been arranged so far."""

    begin_ns: int
    budget: int  # What may be spent above the buyers' prices, surcharge included.
    premium: int = 0
    brought: int = 0  # Of that, from earlier cases.
