"""Who owes whom how many lots of a window, at what price, and what of it has been delivered (CLR-SET)."""

from dataclasses import dataclass, field

from exchange.clearing.meters import Run, count_of
from exchange.units import NS_PER_SECOND


@dataclass(frozen=True, slots=True)
class Wish:
    """What a buyer has declared for his lots of a window (CLR-WISH)."""

    gang: bool = False  # All lots in one fabric, or none.
    other_fabric: bool = False  # A substitute may be in another fabric of the class.
    other_class: bool = False  # Or of an equivalent class.
    shift_hours: int = 0  # Or this much later.
    cover: bool = False  # Compensation of lost work, for a premium.
    checkpoint_s: int = 3_600  # His declared time between checkpoints.
    snapshot_s: int = 30  # What one costs.
    restart_s: int = 0  # What a restart costs.


NO_WISH = Wish()


@dataclass(slots=True, eq=False)
class Obligation:
    """Lots that one provider owes one buyer, on certain nodes, from ``start_ns`` to ``end_ns``."""

    number: int
    provider: int
    buyer: int
    handle: int  # Where they are delivered.
    origin: int  # Where the buyer bought them; his escrow there pays.
    lots: int
    nodes: list[Run]  # Fewer than the lots where the provider has not so many.
    seq: int  # Age of the buyer's position: of two, the earlier one is served first.
    start_ns: int
    end_ns: int
    value: int  # Micro-dollars for full delivery at the contract's rating.
    buyer_value: int  # Of that, what the buyer's escrow pays.
    mark: int  # Ticks at which the buyer pays.
    original_lots: int  # Lots as the buyer has bought them, that these stand for; fewer or more in another class.
    case: int = 0  # Whose estate pays the rest.
    original: bool = True  # No substitute.
    suspect: int = 0  # Nodes told to be suspect.
    paid: int = 0
    of_buyer: int = 0  # Of that, from his escrow.
    closed: bool = False
    failed: bool = False
    stranded: bool = False  # The buyer's gang has gone elsewhere; it is delivered to nobody.
    claimed_ns: int = 0  # Last moment at which a failed one was good.

    @property
    def seconds(self) -> int:
        """Whole seconds from beginning to end."""
        return (self.end_ns - self.start_ns) // NS_PER_SECOND

    @property
    def missing(self) -> int:
        """Lots without a node."""
        return self.lots - count_of(self.nodes)

    def full(self, contract_ppm: int) -> int:
        """Return the seconds x ppm of full delivery."""
        return max(1, self.lots * self.seconds * contract_ppm)

    def earned(self, effective: int, contract_ppm: int) -> tuple[int, int]:
        """Return what is due for seconds x ppm delivered: in all, and of that from the buyer's escrow (CLR-SET-002)."""
        full = self.full(contract_ppm)
        effective = min(effective, full)
        total = self.value * effective // full
        return total, min(total, self.buyer_value * effective // full)

    def split(self, nodes: list[Run], lots: int, number: int) -> "Obligation":
        """Take lots with their nodes out; return them as an obligation of their own.

        Value goes in proportion, rounded down; the rest stays, so nothing is lost.
        """
        value = self.value * lots // self.lots
        buyer_value = self.buyer_value * lots // self.lots
        original_lots = self.original_lots * lots // self.lots
        part = Obligation(
            number, self.provider, self.buyer, self.handle, self.origin, lots, nodes, self.seq, self.start_ns,
            self.end_ns, value, buyer_value, self.mark, original_lots, self.case, self.original,
            stranded=self.stranded,
        )  # fmt: skip
        self.lots -= lots
        self.value -= value
        self.buyer_value -= buyer_value
        self.original_lots -= original_lots
        return part

    def canonical(self) -> str:
        """Return everything as one line."""
        nodes = ",".join(f"{first}+{count}" for first, count in self.nodes)
        numbers = (
            self.number, self.provider, self.buyer, self.handle, self.origin, self.lots, self.seq, self.start_ns,
            self.end_ns, self.value, self.buyer_value, self.mark, self.case, int(self.original), self.original_lots,
            self.suspect, self.paid, self.of_buyer, int(self.closed), int(self.failed), int(self.stranded),
            self.claimed_ns,
        )  # fmt: skip
        return f"obligation {' '.join(map(str, numbers))} {nodes}"


@dataclass(slots=True, eq=False)
class Delivery:
    """One instrument from its gate to its settlement."""

    handle: int
    product: int
    window: int
    start_ns: int
    end_ns: int
    mark: int  # The settlement price: the last mark before the gate, ticks.
    lot_micros: int
    opened: bool = False
    settled: bool = False
    obligations: list[Obligation] = field(default_factory=list)  # Those with this origin.
    escrow: dict[int, int] = field(default_factory=dict)  # What each buyer has paid in and is not spent.

    def canonical(self) -> list[str]:
        """Return everything as lines."""
        escrow = " ".join(f"{buyer}:{self.escrow[buyer]}" for buyer in sorted(self.escrow))
        head = (
            f"delivery {self.handle} {self.start_ns} {self.end_ns} {self.mark} {int(self.opened)} "
            f"{int(self.settled)} {escrow}"
        )
        return [head, *(one.canonical() for one in self.obligations)]


def full_value(lots: int, price_ticks: int, lot_micros: int) -> int:
    """Return what lots of a whole window cost at a price."""
    return lots * price_ticks * lot_micros

