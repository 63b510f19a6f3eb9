"""What the demonstration counts."""

import datetime
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import NamedTuple

from exchange.clearing.waterfall import Layer
from exchange.clearing.words import Stage
from gateway.client import Assigned, BlockOrder, BoughtIn, Indicative, LayerPaid, Perished, Status, Substitute

LATENCIES_KEPT = 2_000
NEWS_KEPT = 200
GATE_SETTLES_S = 0.3  # The owners of nodes hear of them on their own connections.


class NodeRun(NamedTuple):
    """Nodes of a fabric that an account got at a gate; first -1: lots for which there were none."""

    first: int
    lots: int
    account: str


class BlockFill(NamedTuple):
    """A match of a block: as many windows as ``hours``, all with one match id."""

    account: str
    hours: int
    lots: int
    match_id: int


@dataclass(slots=True)
class Figures:
    """Counters of one run, filled by the traders and read by the view."""

    orders: int = 0  # Order messages sent; each side of a quote leg counts as one.
    refused: int = 0
    jobs: int = 0
    hours_wanted: int = 0
    lots_bought: int = 0
    trades: int = 0
    lots_traded: int = 0
    lots_in_calls: int = 0
    tape_messages: int = 0
    blocks_placed: int = 0
    ended_by_gates: int = 0
    windows_gated: int = 0
    nodes_assigned: int = 0
    lots_perished: int = 0
    windows_settled: int = 0
    lots_bought_in: int = 0
    lots_uncovered: int = 0
    protections: int = 0  # How often a maker's protection pulled a quote set.
    latencies_us: deque[float] = field(default_factory=lambda: deque(maxlen=LATENCIES_KEPT))
    recent: deque[str] = field(default_factory=lambda: deque(maxlen=3))
    news: deque[str] = field(default_factory=lambda: deque(maxlen=NEWS_KEPT))
    best: dict[int, tuple[int, int, int, int]] = field(default_factory=dict)  # inst: bid, lots, ask, lots
    statuses: dict[int, Status] = field(default_factory=dict)
    indicatives: dict[int, Indicative] = field(default_factory=dict)
    nodes: dict[int, list[NodeRun]] = field(default_factory=dict)  # Of an instrument.
    block_fills: Counter[int] = field(default_factory=Counter)  # Matches, by hours.
    widest: BlockFill | None = None
    started_s: float = field(default_factory=time.monotonic)
    refusals: dict[str, int] = field(default_factory=dict)
    lots_failed: int = 0
    lots_replaced: int = 0
    lots_in_cash: int = 0
    substitutes_cost: int = 0  # Micro-dollars.
    buyers_pay: int = 0  # Of that, the buyers at their own prices.
    layers: Counter[str] = field(default_factory=Counter)  # Who has paid for defaults from what, micro-dollars.
    _gated: deque[tuple[float, int, str]] = field(default_factory=deque)

    def refuse(self, reason: str) -> None:
        """Count a refused order by its reason."""
        self.refused += 1
        self.refusals[reason] = self.refusals.get(reason, 0) + 1

    def assign(self, event: Assigned, account: str) -> None:
        """Note the nodes an account has got."""
        if event.role == 0:
            self.nodes.setdefault(event.inst, []).append(NodeRun(event.node, event.qty, account))
            self.nodes_assigned += event.qty if event.node >= 0 else 0

    def buy_in(self, event: BoughtIn, account: str, symbol: str) -> None:
        """Note that an account's short was covered for it at the gate."""
        self.lots_bought_in += event.qty
        self.lots_uncovered += event.uncovered
        rest = f", {event.uncovered} were not to be had" if event.uncovered else ""
        self.news.append(f"bought in  {account} was short in {symbol}: {event.qty} lots bought for it{rest}")

    def fail_lots(self, account: str, lots: int, symbol: str, since_us: int) -> None:
        """Note that a provider's nodes have failed."""
        self.lots_failed += lots
        heard = datetime.datetime.fromtimestamp(since_us // 1_000_000, datetime.UTC).strftime("%H:%M:%S")
        self.news.append(f"failed  {account}: {lots} lots of {symbol}, last heard of at {heard}")

    def substitute(self, account: str, other: str, event: Substitute, symbol: str, price: str) -> None:
        """Note a substitute, as buyer (role 0) or as the one who steps in."""
        if event.role == 1:
            self.substitutes_cost += event.micros
            return
        if event.stage == Stage.CASH:
            self.lots_in_cash += event.for_qty or event.qty
            self.news.append(f"cash  {account}: {event.qty} lots of {symbol} are refunded")
            return
        self.lots_replaced += event.for_qty
        self.buyers_pay += event.micros
        self.news.append(
            f"substitute  {account}: {event.qty} lots of {symbol} from {other} at ${price} "
            f"({event.stage_name.lower()}); {account} pays its own price, {dollars(event.micros)}"
        )

    def pay_layer(self, account: str, event: LayerPaid) -> None:
        """Note who has paid for a default from what."""
        source = LAYER_WORDS[Layer(event.layer)]
        self.layers[f"{account}, {source}"] += event.micros
        self.news.append(f"paid  {account}: {dollars(event.micros)} from its {source}")

    def perish(self, event: Perished, symbol: str) -> None:
        """Note the capacity of a settled window that nobody had bought."""
        self.lots_perished += event.qty
        self.windows_settled += 1
        self.news.append(f"settled  {symbol}: {event.qty} of {event.certified} lots perished")

    def gate(self, inst: int, symbol: str) -> None:
        """Note that a gate has closed; it is told when the owners of its nodes have heard of them."""
        self.windows_gated += 1
        self._gated.append((time.monotonic(), inst, symbol))

    def fill_block(self, account: str, block: BlockOrder, match_id: int) -> None:
        """Count a match of a block over all its windows."""
        fills = [fill for fill in block.fills if fill.exec_id == match_id]
        hours, lots = len({fill.inst for fill in fills}), sum(fill.qty for fill in fills) // block.hours
        self.block_fills[hours] += 1
        if self.widest is None or hours > self.widest.hours:
            self.widest = BlockFill(account, hours, lots, match_id)

    def take_news(self, *, at_end: bool = False) -> list[str]:
        """Return what has happened since the last call, a line each."""
        while self._gated and (at_end or time.monotonic() - self._gated[0][0] >= GATE_SETTLES_S):
            _, inst, symbol = self._gated.popleft()
            self.news.append(f"gate closed  {symbol}: {owners(self.nodes.get(inst, []))}")
        news = list(self.news)
        self.news.clear()
        return news

    def latency_ms(self, share: float) -> float:
        """Return a quantile of the recent round trips from order to answer, in milliseconds."""
        ordered = sorted(self.latencies_us)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] / 1_000 if ordered else 0.0

    @property
    def elapsed_s(self) -> float:
        """Seconds since the traders began."""
        return time.monotonic() - self.started_s


LAYER_WORDS = {
    Layer.L1: "bond", Layer.L2: "collateral", Layer.L3: "own fund share", Layer.L6: "fund share",
    Layer.L7: "assessment",
}  # fmt: skip


def dollars(micros: int) -> str:
    """Write an amount of money."""
    return f"${micros / 1e6:,.2f}"


def owners(nodes: list[NodeRun]) -> str:
    """Write who got which nodes, such as ``lab-fern 0-7 9, lab-iris 8``."""
    found: dict[str, list[str]] = {}
    for run in sorted(nodes, key=lambda run: (run.first < 0, run.first)):
        text = str(run.first) if run.lots == 1 else f"{run.first}-{run.first + run.lots - 1}"
        found.setdefault(run.account, []).append(text if run.first >= 0 else f"({run.lots} without a node)")
    if not found:
        return "nobody has bought it"
    return "nodes to " + ", ".join(f"{account} {' '.join(runs)}" for account, runs in found.items())
