"""Latency at a fixed rate: an order is sent when it is due, whatever became of those before it.

Latency counts from the time an order was due, not from when it was sent: a stall of the server makes every order that
falls into it late, as it would for clients who do not wait for each other. (A load that waits for answers before it
sends the next order leaves those out, and finds a venue fast that stood still.)
"""

from typing import Any

from bench.gateway import answer_bytes
from bench.gateway_messages import single_frames
from bench.gateway_process import Sample, Server, journal_directories, measured
from bench.harness import LOOP, Row, benchmark, conditions

SESSIONS = 50
RATE_PER_S = 20_000
SECONDS, FLOOR_SECONDS = 60, 20
LATENCIES = ("p50_ms", "p99_ms", "p999_ms", "max_ms", "mean_ms")


def at_rate(server: Server, rate: int, seconds: float, login: bool = True) -> Sample:
    frames = single_frames(int(rate * seconds) // SESSIONS // 2 * 2)
    sample = measured(server, "orders", [frames], sessions=SESSIONS, rate=rate, login=login)
    if sample.result["rejects"]:
        raise AssertionError(f"no order may be refused: {sample.result}")
    return sample


def latencies(sample: Sample) -> dict[str, Any]:
    """Percentiles, rounded, and how late the generator itself was."""
    result = sample.result
    return {name: round(result[name], 3) for name in LATENCIES} | {
        "lost": result["lost"], "late_p99_ms": round(result["late_p99_ms"], 3), "curve": result["curve"],
        "us": round(sample.cpu_s / result["frames"] * 1e6, 3),
    }  # fmt: skip


@benchmark("gateway.openloop")
def gateway_openloop(small: bool) -> Row:
    rate, seconds, floor_seconds = (2_000, 2, 1) if small else (RATE_PER_S, SECONDS, FLOOR_SECONDS)
    places = journal_directories()
    found: dict[str, dict[str, Any]] = {}
    digests = set()
    for place, directory in places.items():
        sample = at_rate(Server.python("venue", sessions=SESSIONS, directory=directory), rate, seconds)
        found[place] = latencies(sample)
        digests.add(sample.digest)
    size = answer_bytes(sample, sample.result["frames"])
    floor = latencies(at_rate(Server.floor("echo", size), rate, floor_seconds, login=False))
    place, *others = places
    row = {"ms": found[place]["p99_ms"], "lost": sum(each["lost"] for each in found.values())} | found[place]
    row["lost"] = sum(each["lost"] for each in found.values())
    for other in others:
        row[other] = found[other]
    if row["lost"] or len(digests) != 1:
        raise AssertionError(f"every order must be answered, with the same outcome everywhere: {row}")
    return row | {
        "baseline": "C echo", "baseline_ms": floor["p99_ms"], "ratio": round(row["ms"] / floor["p99_ms"], 3),
        "ratio_c_echo": round(row["ms"] / floor["p99_ms"], 3), "c_echo": floor, "hash": digests.pop()[:16],
        "conditions": conditions(
            sessions=SESSIONS, orders_per_s=rate, seconds=seconds, loop=LOOP, journal=place,
            figure="p99 from the time an order was due to its ack, on loopback",
        ),
    }  # fmt: skip
