"""What verdicts rest on: the signed or vouched-for records of the journal, each by its hash (CLR-EVD)."""

import hashlib
from collections.abc import Iterable
from typing import Any, NamedTuple

from exchange.records import CommandType, EventType
from gateway.reports.playback import Step, command_name, read_payload

KEPT = {
    CommandType.HEARTBEAT, CommandType.METER, CommandType.CHECKPOINT, CommandType.REPORT_FAILURE,
    CommandType.DECLARE_DEFAULT,
}  # fmt: skip


class Record(NamedTuple):
    """One record of the journal."""

    seq: int
    at_ns: int
    kind: str  # The command's name; "run_clearing" for the run that gave the verdict.
    account: str
    product: str
    fabric: str
    start: int  # 0: of no window in particular.
    sha256: str

    def as_json(self) -> dict[str, Any]:
        """Return the fields that say something."""
        return {name: value for name, value in self._asdict().items() if value}


class Evidence:
    """All evidence that was accepted, as a playback comes by it."""

    def __init__(self) -> None:
        self._records: list[Record] = []

    def take(self, step: Step) -> None:
        """Keep the record of a step if it is evidence."""
        if step.kind in KEPT and not step.is_refused:
            self._records.append(record_of(step))
        elif step.has(EventType.MARGIN):
            self._records += [record_of(step)._replace(account=f"#{event.account}", kind="margin_run")
                              for event in step.events() if event.type == EventType.MARGIN]  # fmt: skip

    def about(
        self, provider: str, number: int, buyers: Iterable[str], places: Iterable[tuple[str, str, int]],
        since_ns: int,
    ) -> list[Record]:  # fmt: skip
        """Return the records a verdict on a provider (name and number) rests on, in the journal's order.

        Args:
            provider: whose deliveries have failed.
            number: of his account.
            buyers: whose checkpoints count.
            places: product, fabric and start of what he was delivering.
            since_ns: from here on heartbeats count: the gate of the first window.

        """
        buyers, places = set(buyers), set(places)
        fabrics = {place[:2] for place in places}
        found = []
        for one in self._records:
            place = one.product, one.fabric, one.start
            if one.kind == "heartbeat":
                counts = one.account == provider and place[:2] in fabrics and one.at_ns >= since_ns
            elif one.kind == "checkpoint":
                counts = one.account in buyers and place in places
            elif one.kind == "declare_default":
                counts = one.account == provider
            elif one.kind == "margin_run":
                counts = one.account == f"#{number}"
                one = one._replace(account=provider)
            else:
                counts = one.account == provider and place in places
            if counts:
                found.append(one)
        return found


def record_of(step: Step) -> Record:
    """Return the record of a step with its hash: SHA-256 of its bytes in the journal, padding included."""
    fields = read_payload(step.record)
    return Record(
        step.seq, step.now_ns, command_name(step.kind), str(fields.get("account", "")),
        str(fields.get("product", "")), str(fields.get("fabric", "")), int(fields.get("start", 0)),
        hashlib.sha256(step.record).hexdigest(),
    )  # fmt: skip


def digest_of(records: Iterable[Record]) -> str:
    """Return one hash of many records: SHA-256 of their hashes (as 32 bytes each), in their order."""
    return hashlib.sha256(b"".join(bytes.fromhex(one.sha256) for one in records)).hexdigest()
