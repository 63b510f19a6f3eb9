"""Metrics for Prometheus, read from counters the server keeps anyway: nothing is counted twice on the hot path."""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from prometheus_client import CollectorRegistry, exposition
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from exchange.clearing.state import HouseState
from exchange.clearing.words import Level
from gateway.jsonlines_clearing import PURSES

CONTENT_TYPE = exposition.CONTENT_TYPE_LATEST


class Reading(NamedTuple):
    """What the metrics are at one moment."""

    sessions: int
    connections: int
    connections_accepted: int
    commands_durable: int
    commands_sequenced: int
    events_routed: int
    answers_sent: int
    batches: int
    is_draining: bool
    sockets: int  # TCP connections of any kind.
    refused: Mapping[int, int]  # TCP connections by HTTP status; 0: hung up on.
    closed: Mapping[int, int]  # WebSockets by our close code; 0: the peer closed it, or it was lost.
    clearing: "ClearingReading | None" = None


class ClearingReading(NamedTuple):
    """What the clearinghouse is at one moment; money in micro-dollars."""

    open_cases: int
    ledger: dict[str, int]  # Sum of all accounts, by kind.
    levels: dict[str, int]  # Participants, by margin level.
    margin: int  # Asked for, of all participants.
    layers: list[int]  # Taken from each layer of the waterfall since the journal's beginning, the first one's first.
    failed_lots: int  # Since the journal's beginning.


def read_clearing(state: HouseState, layers: list[int], failed_lots: int) -> ClearingReading:
    """Return what the clearinghouse is. O(accounts + what the ledger holds)."""
    ledger = dict.fromkeys(PURSES.values(), 0)
    for kind, name in PURSES.items():
        ledger[name] = sum(state.ledger.of_kind(kind).values())
    ledger["coll"] = sum(state.core.balance(number) for number in range(1, len(state.catalogue.accounts) + 1))
    ledger["fee"], ledger["ext"] = state.core.balance(0), state.core.external_balance()
    levels = dict.fromkeys((level.name.lower() for level in Level), 0)
    for member in state.members.values():
        levels[member.level.name.lower()] += 1
    others = sum(levels.values()) - levels["good"]
    levels["good"] = len(state.catalogue.accounts) - 1 - others  # One account is the house's own.
    margin = sum(member.margin for member in state.members.values())
    return ClearingReading(len(state.cases), ledger, levels, margin, layers, failed_lots)


class GatewayCollector(Collector):
    """Makes metrics of a reading."""

    def __init__(self, read: Callable[[], Reading]) -> None:
        self._read = read

    def collect(self) -> Iterator[Metric]:
        """Yield every metric."""
        now = self._read()
        yield GaugeMetricFamily("hourglass_sessions", "Sessions that are logged in.", now.sessions)
        yield GaugeMetricFamily("hourglass_connections", "Open WebSockets.", now.connections)
        accepted = now.connections_accepted
        yield CounterMetricFamily("hourglass_connections_accepted", "WebSockets since the start.", accepted)
        yield GaugeMetricFamily("hourglass_durable_seq", "Last command that is durable.", now.commands_durable)
        yield GaugeMetricFamily("hourglass_seq", "Last command that is sequenced.", now.commands_sequenced)
        yield CounterMetricFamily("hourglass_events", "Events told since the start.", now.events_routed)
        yield CounterMetricFamily("hourglass_answers", "Acks and rejects sent since the start.", now.answers_sent)
        yield CounterMetricFamily("hourglass_batches", "Durable batches since the start.", now.batches)
        yield GaugeMetricFamily("hourglass_draining", "1 while the server shuts down.", int(now.is_draining))
        yield GaugeMetricFamily("hourglass_sockets", "Open TCP connections of any kind.", now.sockets)
        refused = CounterMetricFamily("hourglass_refused", "Refused connections by HTTP status.", labels=["status"])
        for status, count in sorted(now.refused.items()):
            refused.add_metric([str(status)], count)
        yield refused
        closed = CounterMetricFamily("hourglass_closed", "Ended WebSockets by our close code or 0.", labels=["code"])
        for code, count in sorted(now.closed.items()):
            closed.add_metric([str(code)], count)
        yield closed
        if now.clearing is not None:
            yield from clearing_metrics(now.clearing)


def clearing_metrics(now: ClearingReading) -> Iterator[Metric]:
    """Yield the metrics of the clearinghouse."""
    yield GaugeMetricFamily("hourglass_open_cases", "Defaults that are not settled yet.", now.open_cases)
    ledger = GaugeMetricFamily("hourglass_ledger_micros", "Micro-dollars by kind of account.", labels=["kind"])
    for kind, micros in now.ledger.items():
        ledger.add_metric([kind], micros)
    yield ledger
    levels = GaugeMetricFamily("hourglass_margin_accounts", "Accounts by margin level.", labels=["level"])
    for level, count in now.levels.items():
        levels.add_metric([level], count)
    yield levels
    yield GaugeMetricFamily("hourglass_margin_micros", "Margin asked for, of all accounts.", now.margin)
    used = CounterMetricFamily("hourglass_layer_micros", "Taken by layer of the waterfall.", labels=["layer"])
    for number, micros in enumerate(now.layers, 1):
        used.add_metric([f"L{number}"], micros)
    yield used
    yield CounterMetricFamily("hourglass_failed_lots", "Lots in delivery that have failed.", now.failed_lots)


class Metrics:
    """A registry of its own, so that several servers can live in one process."""

    def __init__(self, read: Callable[[], Reading]) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(GatewayCollector(read))

    def text(self) -> bytes:
        """Return the metrics in the text format of Prometheus."""
        return exposition.generate_latest(self._registry)
