"""Server CPU of a full order over WebSocket, beside two echoes of the same bytes in the same run: C's and aiohttp's.

A full order is: authenticated session, decode, risk, match, journal, report. All CPU of the server process counts, user
and system, the journal's thread included. The figure has the journal on tmpfs, so that it is the venue's cost and not a
disk's; the same run with the journal on disk, in the project's directory, stands beside it. HOURGLASS_BENCH_JOURNAL=DIR
puts the journal elsewhere for both.

The floor (``bench/loadgen/cecho.c``) gets the same frames and answers each with as many bytes as the venue did; it
decodes nothing. All are loaded by the same generator (``bench/loadgen``).
"""

import tempfile
from pathlib import Path
from typing import Any

from bench.certificate import self_signed
from bench.gateway_messages import QUOTE_LEGS, Frame, batch_frames, quote_frames, single_frames
from bench.gateway_process import Sample, Server, journal_directories, measured
from bench.harness import AIOHTTP, LOOP, Row, benchmark, conditions, middle

ROUNDS = 5
AIOHTTP_ORDERS_MAX = 2_000  # Of a session: it takes ten times as long over each.
UNANSWERED = "every frame must be answered, and no order refused"


class Series:
    """Runs of one scenario, one a round, as microseconds of the server's CPU for each unit of work."""

    def __init__(self, units: int) -> None:
        self.units = units
        self.samples: list[Sample] = []

    def add(self, sample: Sample) -> Sample:
        result = sample.result
        if result.get("lost") or result.get("rejects") or result.get("surplus"):
            raise AssertionError(f"{UNANSWERED}: {result}")
        self.samples.append(sample)
        return sample

    @property
    def each_us(self) -> list[float]:
        return [sample.cpu_s / self.units * 1e6 for sample in self.samples]

    @property
    def us(self) -> float:
        return round(middle(self.each_us), 3)

    @property
    def user_us(self) -> float:
        """Of all rounds together: the system counts user time in ticks too coarse for one."""
        return round(sum(sample.user_s for sample in self.samples) / len(self.samples) / self.units * 1e6, 3)

    def ratio(self, other: "Series") -> float:
        """The middle of the rounds' ratios: the two of a round met the same machine."""
        return round(middle([a / b for a, b in zip(self.each_us, other.each_us, strict=True)]), 3)

    def digest(self) -> str:
        """The hash of what came of it. Raises AssertionError when the rounds differ."""
        found = {sample.digest for sample in self.samples}
        if len(found) != 1:
            raise AssertionError(f"rounds of the same orders must end in the same state: {found}")
        return found.pop()[:16]


def rounds(small: bool) -> int:
    return 1 if small else ROUNDS


def answer_bytes(sample: Sample, messages: int) -> int:
    """How long the floor's answers must be, so that it writes what the venue wrote; no frame has 128 or 129 bytes."""
    size = max(2, round(sample.result["bytes"] / messages))
    return 130 if size in (128, 129) else size


def figures(ours: Series, floor: Series) -> Row:
    """What every row of CPU has."""
    return {
        "us": ours.us, "user_us": ours.user_us, "baseline": "C echo", "baseline_us": floor.us,
        "ratio": ours.ratio(floor), "ratio_c_echo": ours.ratio(floor), "c_echo_user_us": floor.user_us,
    }  # fmt: skip


def beside_aiohttp(row: Row, ours: Series, echo: Series, detail: dict[str, Any]) -> None:
    row |= {"aiohttp_echo_us": echo.us, "aiohttp_echo_user_us": echo.user_us, "ratio_aiohttp_echo": ours.ratio(echo)}
    detail["aiohttp_echo"] = f"{AIOHTTP}, async for, echoing the same orders one message each"


def compare(
    frames: list[Frame], *, sessions: int, in_flight: int, units: int, instruments: int = 1, small: bool
) -> Row:
    """Run a script of `units` orders (or legs) in each session against the venue, the floor, and aiohttp's echo."""
    load: dict[str, Any] = {"sessions": sessions, "in_flight": in_flight}
    venue: dict[str, Any] = {"sessions": sessions, "instruments": instruments}
    singles = single_frames(min(units, AIOHTTP_ORDERS_MAX))
    places = journal_directories()
    ours = {place: Series(units * sessions) for place in places}
    floor, echo, framed = Series(units * sessions), Series(len(singles) * sessions), Series(units * sessions)
    is_single = len(frames) == units
    for _ in range(rounds(small)):
        for place, directory in places.items():
            server = Server.python("venue", directory=directory, **venue)
            sample = ours[place].add(measured(server, "orders", [frames], **load))
        size = answer_bytes(sample, len(frames) * sessions)
        floor.add(measured(Server.floor("echo", size), "orders", [frames], login=False, **load))
        echo.add(measured(Server.python("echo"), "orders", [singles], login=False, **load))
        if not is_single:
            framed.add(measured(Server.python("echo"), "orders", [frames], login=False, **load))
    place, *others = places
    detail = conditions(
        **load, orders=units * sessions, loop=LOOP, journal=place, answer_bytes=size,
        baseline="C echo: epoll, unmasks the same frames, answers each with as many bytes as the venue",
    )  # fmt: skip
    row = figures(ours[place], floor)
    beside_aiohttp(row, ours[place], echo, detail)
    for other in others:
        row |= {f"us_{other}": ours[other].us, f"ratio_{other}": ours[other].ratio(floor)}
    if not is_single:
        detail["aiohttp_echo_of_whole_frames_us"] = framed.us
    if len({series.digest() for series in ours.values()}) != 1:
        raise AssertionError("where the journal lies must not change what is done")
    return row | {"hash": ours[place].digest(), "conditions": detail}


@benchmark("gateway.100x1")
def gateway_100x1(small: bool) -> Row:
    count = 20 if small else 1_000
    return compare(single_frames(count), sessions=100, in_flight=1, units=count, small=small)


@benchmark("gateway.10x64")
def gateway_10x64(small: bool) -> Row:
    count = 400 if small else 50_000
    return compare(single_frames(count), sessions=10, in_flight=64, units=count, small=small)


@benchmark("gateway.batch32")
def gateway_batch32(small: bool) -> Row:
    count = 64 if small else 6_400
    return compare(batch_frames(count), sessions=100, in_flight=1, units=count, small=small)


@benchmark("gateway.quotes")
def gateway_quotes(small: bool) -> Row:
    """Ten market makers, each with a mass quote of 64 legs in flight; CPU for each leg, which is two orders."""
    count = 20 if small else 1_000
    frames = quote_frames(count)
    return compare(
        frames, sessions=10, in_flight=1, units=count * QUOTE_LEGS, instruments=QUOTE_LEGS, small=small
    )


@benchmark("gateway.tls")
def gateway_tls(small: bool) -> Row:
    """A hundred sessions with one order in flight over TLS, beside the same without."""
    count, sessions = (20, 100) if small else (1_000, 100)
    frames, place = single_frames(count), next(iter(journal_directories().items()))
    secured, plain = Series(count * sessions), Series(count * sessions)
    with tempfile.TemporaryDirectory(prefix="hourglass-bench-") as directory:
        certificate, key = self_signed(Path(directory))
        pair = Path(directory, "pair.pem")
        pair.write_bytes(certificate.read_bytes() + key.read_bytes())
        for _ in range(rounds(small)):
            for series, options in ((plain, {}), (secured, {"certificate": str(pair)})):
                server = Server.python("venue", sessions=sessions, directory=place[1], **options)
                series.add(measured(server, "orders", [frames], sessions=sessions, tls=series is secured))
    detail = conditions(
        sessions=sessions, in_flight=1, orders=count * sessions, loop=LOOP, journal=place[0],
        tls="1.3, OpenSSL by Python's ssl, ECDSA P-256; handshakes are not counted",
    )  # fmt: skip
    return {
        "us": secured.us, "user_us": secured.user_us, "baseline": "without TLS", "baseline_us": plain.us,
        "ratio": secured.ratio(plain), "ratio_plaintext": secured.ratio(plain), "plaintext_user_us": plain.user_us,
        "hash": secured.digest(), "conditions": detail,
    }  # fmt: skip
