"""Metrics for Prometheus, read from counters the server keeps anyway: nothing is counted twice on the hot path."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from prometheus_client import CollectorRegistry, exposition
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

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


class Metrics:
    """A registry of its own, so that several servers can live in one process."""

    def __init__(self, read: Callable[[], Reading]) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(GatewayCollector(read))

    def text(self) -> bytes:
        """Return the metrics in the text format of Prometheus."""
        return exposition.generate_latest(self._registry)
