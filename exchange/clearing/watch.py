"""Watching deliveries: heartbeats and readings in, verdicts out (CLR-DET, CLR-MTR, CLR-EVD)."""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

import msgpack
import numpy as np
import numpy.typing as npt
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from exchange.clearing import metering
from exchange.clearing.cases import Cases
from exchange.clearing.detection import DetectionTerms, NodeState, Verdicts, provider_failed, verdicts
from exchange.clearing.failures import Failures
from exchange.clearing.meters import Meter, Run, runs_of
from exchange.clearing.obligations import Obligation
from exchange.clearing.state import HouseState, Provider
from exchange.clearing.words import Level
from exchange.errors import CatalogueError
from exchange.reasons import RejectReason
from exchange.records import EventFlag, EventType
from exchange.units import HOUR_NS, NS_PER_SECOND

DIGEST_BYTES = 16
KEY_BYTES = 32
SIGNATURE_BYTES = 64


def signed_bytes(what: str, *fields: Any) -> bytes:
    """Return what a provider signs: the message's name and its fields in order, as one msgpack array (CLR-EVD-001)."""
    packed: bytes = msgpack.packb(["hourglass", what, *fields])
    return packed


def digest(content: bytes) -> bytes:
    """Return the short hash by which a message is told from another of its number."""
    return hashlib.sha256(content).digest()[:DIGEST_BYTES]


def check_signature(provider: Provider, content: bytes, signature: bytes) -> None:
    """Refuse a message that its provider has not signed (CLR-EVD-001).

    Raises:
        CatalogueError: SIGNATURE.

    """
    if not provider.key:
        if signature:
            raise CatalogueError(RejectReason.SIGNATURE, "the provider has no key, so nothing is signed")
        return
    try:
        Ed25519PublicKey.from_public_bytes(provider.key).verify(signature, content)
    except (InvalidSignature, ValueError) as error:
        raise CatalogueError(RejectReason.SIGNATURE, "the signature does not fit the provider's key") from error


class Watch:
    """Takes evidence and gives verdicts."""

    def __init__(self, state: HouseState, cases: Cases, failures: Failures) -> None:
        self.state = state
        self.cases = cases
        self.failures = failures

    # Evidence.

    def meters_of(self, provider: int, product: int, fabric: int) -> list[Meter]:
        """Return the meters of a provider's deliveries in a fabric, by window."""
        state = self.state
        found = [
            (state.instrument(handle).window, meter)
            for (handle, owner), meter in state.meters.items()
            if owner == provider
            and (state.instrument(handle).product_number, state.instrument(handle).fabric_index) == (product, fabric)
        ]
        return [meter for _, meter in sorted(found, key=lambda one: one[0])]

    def heartbeat(self, account: int, place: tuple[int, int], number: int, runs: list[Run], content: bytes) -> bool:
        """Note that nodes are well; False for a repetition, which changes nothing (CLR-EVD-002).

        Raises:
            CatalogueError: NO_DELIVERY, CONTRADICTION or STALE_REF.

        """
        provider = self.state.provider(account)
        last, known = provider.beats.get(place, (0, b""))
        if number == last and last:
            if known != digest(content):
                raise CatalogueError(RejectReason.CONTRADICTION, f"heartbeat {number} was given with other nodes")
            return False
        if number < last:
            raise CatalogueError(RejectReason.STALE_REF, f"heartbeats count up: the last one was {last}")
        meters = self.meters_of(account, *place)
        if not meters:
            raise CatalogueError(RejectReason.NO_DELIVERY, "this account delivers nothing in this fabric")
        provider.beats[place] = number, digest(content)
        for meter in meters:
            meter.mark_ok(clip(runs, meter.nodes), self.state.core.now_ns)
        return True

    def reading(
        self, meter: Meter, run: Run, interval: int, intervals: int, seconds: int, rating_ppm: int, content: bytes
    ) -> bool:
        """Count metered intervals of nodes; False for a repetition, which changes nothing (CLR-MTR-004).

        Raises:
            CatalogueError: CONTRADICTION where an interval of a node was metered before.

        """
        first, count = run
        key = first, interval
        if meter.readings.get(key) == digest(content):
            return False
        nodes = slice(first, first + count)
        if int(meter.read_until[nodes].max()) > interval:
            raise CatalogueError(RejectReason.CONTRADICTION, f"interval {interval} of these nodes was metered before")
        contract = self.state.terms_of(meter.handle).contract_ppm
        meter.readings[key] = digest(content)
        meter.read_until[nodes] = interval + intervals
        start_ns = self.state.instrument(meter.handle).window * HOUR_NS
        worked_s = meter.worked_s(run, start_ns, metering.INTERVAL_S, interval, intervals, seconds)
        meter.effective[nodes] += worked_s * metering.effective(1, rating_ppm, contract)
        low = metering.is_low(rating_ppm, contract)
        meter.low[nodes] = meter.low[nodes] + intervals if low else 0
        return True

    def condemn(self, meters: Iterable[Meter], runs: Iterable[Run]) -> None:
        """Note that nodes have failed, by their provider's word or a challenge (CLR-DET-005)."""
        for meter in meters:
            for first, count in clip(runs, meter.nodes):
                meter.condemned[first : first + count] = True

    # Verdicts.

    def look(self) -> None:
        """Give a verdict on everything that is being delivered (CLR-DET)."""
        state = self.state
        seen = {place: self._verdicts(meter) for place, meter in state.meters.items()}
        worth_a_look = {place for place, found in seen.items() if found.states[state.meters[place].works_for > 0].any()}
        failed: dict[tuple[int, int, int], list[tuple[Obligation, int]]] = {}
        for handle in sorted(state.deliveries):
            delivery = state.deliveries[handle]
            if not delivery.opened or delivery.end_ns <= state.core.now_ns:
                continue
            for duty in list(delivery.obligations):
                place = duty.handle, duty.provider
                if duty.closed or not (place in worth_a_look or duty.suspect or duty.missing):
                    continue
                for part, good_ns in self._look_at(duty, seen.get(place)):
                    failed.setdefault((duty.origin, duty.provider, duty.handle), []).append((part, good_ns))
        for (_, provider, handle), parts in failed.items():
            case = self.failures.case_for(provider, handle)
            self.failures.fail(case, [part for part, _ in parts], min(good_ns for _, good_ns in parts))

    def _look_at(self, duty: Obligation, seen: Verdicts | None) -> list[tuple[Obligation, int]]:
        """Return what of an obligation has failed, split off, with its last good moment."""
        meter = self.state.meters.get((duty.handle, duty.provider))
        if meter is None or seen is None:
            return [(duty, duty.start_ns)]
        if duty.start_ns > self.state.core.now_ns:
            return []
        nodes: list[Run] = []
        suspects, good_ns = 0, self.state.core.now_ns
        for first, count in duty.nodes:
            states = seen.states[first : first + count]
            failed = np.flatnonzero(states == NodeState.FAILED) + first
            suspects += int(np.count_nonzero(states == NodeState.SUSPECT))
            if len(failed):
                nodes += runs_of(failed)
                good_ns = min(good_ns, int(seen.failed_at[failed].min()))
        self._tell_suspects(duty, suspects)
        lots = sum(count for _, count in nodes) + duty.missing
        if lots == 0:
            return []
        if not nodes:
            good_ns = duty.start_ns
        return [(self._split(meter, duty, nodes, lots), good_ns)]

    def _verdicts(self, meter: Meter) -> Verdicts:
        return verdicts(
            self.state.core.now_ns, meter.since_ns, meter.last_ok_ns, meter.low, self._detection(meter.handle),
            meter.condemned,
        )  # fmt: skip

    def _detection(self, handle: int) -> DetectionTerms:
        terms = self.state.terms_of(handle)
        return DetectionTerms(terms.heartbeat_s, terms.missed, terms.grace_s, terms.no_show_s, terms.low_intervals)

    def _split(self, meter: Meter, duty: Obligation, nodes: list[Run], lots: int) -> Obligation:
        """Take failed nodes out of an obligation; the whole of it is returned as it is."""
        if lots == duty.lots:
            return duty
        part = duty.split(nodes, lots, self.state.take_obligation_number())
        bad = set_of(nodes, meter.nodes)
        kept = set_of(duty.nodes, meter.nodes) & ~bad
        duty.nodes = runs_of(np.flatnonzero(kept))
        meter.give(nodes, part.number)
        self.state.deliveries[duty.origin].obligations.append(part)
        return part

    def _tell_suspects(self, duty: Obligation, suspects: int) -> None:
        """Tell both sides when the number of suspect nodes changes."""
        if suspects == duty.suspect:
            return
        duty.suspect = suspects
        reason = NodeState.SUSPECT if suspects else NodeState.OK
        for account, flags in ((duty.buyer, 0), (duty.provider, EventFlag.SELL)):
            self.state.core.emit(
                EventType.LOT_STATE, account=account, instrument=duty.handle, price=duty.nodes[0][0],
                lots=suspects or duty.lots, reason=reason, amount=self.state.core.now_ns, flags=flags,
            )  # fmt: skip

    def providers_failed(self) -> list[int]:
        """Return the providers of whose lots too many have failed within the hour (CLR-DET-006)."""
        state, now_ns = self.state, self.state.core.now_ns
        running: dict[int, int] = {}
        for delivery in state.deliveries.values():
            for duty in delivery.obligations:
                if delivery.opened and not duty.closed:
                    running[duty.provider] = running.get(duty.provider, 0) + duty.lots
        found = []
        for number, provider in state.providers.items():
            provider.failures = [one for one in provider.failures if one[0] > now_ns - HOUR_NS]
            lots = sum(count for _, count in provider.failures)
            if lots and state.member(number).level is not Level.DEFAULTED:
                if provider_failed(provider.failures, running.get(number, 0) + lots, now_ns):
                    found.append(number)
        return sorted(found)


def clip(runs: Iterable[Run], nodes: int) -> list[Run]:
    """Return the runs as far as there are nodes."""
    return [(first, min(count, nodes - first)) for first, count in runs if first < nodes]


def set_of(runs: Sequence[Run], nodes: int) -> npt.NDArray[np.bool_]:
    """Return which of the nodes are in runs."""
    found = np.zeros(nodes, np.bool_)
    for first, count in runs:
        found[first : first + count] = True
    return found


def intervals_of(start_ns: int, end_ns: int) -> int:
    """Return how many metering intervals a window has."""
    return (end_ns - start_ns) // (metering.INTERVAL_S * NS_PER_SECOND)
