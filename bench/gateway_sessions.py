"""What sessions cost that do nothing, that come all at once, and that do not read."""

import contextlib
import resource
import time
from typing import Any, NamedTuple

from bench.gateway import rounds
from bench.gateway_messages import BUY, SELL, trading_frames
from bench.gateway_process import Load, Server, forget_peak, journal_directories, measured, memory_mib
from bench.harness import LOOP, Row, benchmark, conditions, middle
from gateway.protocol import Channel

IDLE_SESSIONS = 10_000
LOGINS = 1_000
SPARE_FILES = 200  # Of a process with as many connections.
STUCK_RECEIVE_BYTES = 4_096
STUCK = 40  # Readers who do not read, for the memory that one of them costs.
TRADERS = 10
PRIVATE_LANES = 4  # Of each trader's account: as many readers again, of all that is told in private.
CLOSED_S = 1.5  # After that a connection whose backlog was too long has been aborted.


def sessions_possible(wanted: int) -> tuple[int, str]:
    """How many connections a process may have, and, where they are fewer than wanted, why."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard - SPARE_FILES >= wanted:
        return wanted, ""
    return hard - SPARE_FILES, f"{wanted} sessions need {wanted + SPARE_FILES} files, the limit is {hard}"


def place() -> tuple[str, str]:
    """Name and directory of the journal of the figure."""
    return next(iter(journal_directories().items()))


@benchmark("gateway.idle")
def gateway_idle(small: bool) -> Row:
    """Resident memory of a server with many sessions that are logged in and silent."""
    wanted = 200 if small else IDLE_SESSIONS
    count, reason = sessions_possible(wanted)
    name, directory = place()
    with Server.python("venue", sessions=count, directory=directory) as server:
        before = memory_mib(server.pid)
        with Load("hold", server, sessions=count) as load:
            after = memory_mib(server.pid)
            result = load.go()
        digest = server.end()
    if result["cut"]:
        raise AssertionError(f"idle sessions must stay: {result}")
    row = {
        "mib": round(after, 1), "baseline": "without sessions", "baseline_mib": round(before, 1),
        "ratio": round(after / before, 2), "kib_per_session": round((after - before) * 1024 / count, 2),
        "hash": digest[:16], "conditions": conditions(sessions=count, loop=LOOP, journal=name),
    }  # fmt: skip
    return row | ({"reason": reason} if reason else {})


@benchmark("gateway.logins")
def gateway_logins(small: bool) -> Row:
    """A reconnect storm: all connect, upgrade and log in at once, then log out; and once more."""
    count = 50 if small else LOGINS
    name, directory = place()
    samples = []
    for _ in range(rounds(small)):
        server = Server.python("venue", sessions=count, directory=directory)
        sample = measured(server, "logins", sessions=count, at_once=count, cycles=2)
        if (sample.result["logins"], sample.result["logged_out"]) != (2 * count, 2 * count):
            raise AssertionError(f"every login must be accepted and every logout answered: {sample.result}")
        samples.append(sample)
    seconds = middle([sample.result["seconds"] for sample in samples])
    return {
        "seconds": round(seconds, 4), "seconds_max": max(sample.result["seconds_max"] for sample in samples),
        "us": round(middle([sample.cpu_s for sample in samples]) / (2 * count) * 1e6, 2),
        "user_us": round(middle([sample.user_s for sample in samples]) / (2 * count) * 1e6, 2),
        "p50_ms": middle([sample.result["p50_ms"] for sample in samples]),
        "hash": samples[0].digest[:16],
        "conditions": conditions(logins=count, storms=2, loop=LOOP, journal=name, us="of a login and its logout"),
    }  # fmt: skip


class Readers(NamedTuple):
    """Connections that do not read: on a lane, one for each account from the first one's on."""

    lane: int
    first: int
    count: int


ONE = [Readers(1, 1, 1)]  # Of a trader's account.
OF_OTHERS = [Readers(1, TRADERS + 1, STUCK)]  # They hear what is public.
OF_TRADERS = [Readers(lane, 1, TRADERS) for lane in range(1, PRIVATE_LANES + 1)]


def traded(count: int, readers: list[Readers], small: bool) -> tuple[float, float, int, str]:
    """(orders a second, MiB the server grew by, stuck connections that were cut, hash) of a market that trades."""
    scripts = [trading_frames(count, BUY), trading_frames(count, SELL)]
    # The traders hear all that is public, as the stuck ones, so that what it costs to tell it is in both figures.
    hears: dict[str, Any] = {"channel": int(Channel.L1), "channels_end": int(Channel.TRADES) + 1}
    options: dict[str, Any] = {"sessions": TRADERS + STUCK, "directory": place()[1]}
    with Server.python("venue", **options) as server, contextlib.ExitStack() as stack:
        load = stack.enter_context(Load("orders", server, scripts, sessions=TRADERS, in_flight=64, **hears))
        forget_peak(server.pid)
        before = memory_mib(server.pid)
        held = {"reads": False, "rcvbuf": STUCK_RECEIVE_BYTES, **hears}
        stuck = [
            stack.enter_context(
                Load("hold", server, sessions=each.count, first=each.first, lane=each.lane, **held)
            )
            for each in readers
        ]
        result = load.go()
        grown = memory_mib(server.pid, "VmHWM") - before
        if stuck and not small:
            time.sleep(CLOSED_S)
        cut = sum(each.go()["cut"] for each in stuck)
        if result["lost"] or result["rejects"]:
            raise AssertionError(f"every order must be answered and accepted: {result}")
        return result["frames"] / result["seconds"], grown, cut, server.end()


@benchmark("gateway.stuck")
def gateway_stuck(small: bool) -> Row:
    """Order rate of ten traders who follow the market, beside one who never reads, and without; memory beside many."""
    count = 400 if small else 400_000
    with_one, without, with_many, with_private = [], [], [], []
    for _ in range(rounds(small)):
        without.append(traded(count, [], small))
        with_one.append(traded(count, ONE, small))
        with_many.append(traded(count, OF_OTHERS, small))
        with_private.append(traded(count, OF_TRADERS, small))
    rate_ratio = round(middle([a[0] / b[0] for a, b in zip(with_one, without, strict=True)]), 3)
    # What the market itself grows by is the same in both, and much more than what one reader may cost.
    market = middle([each[1] for each in without])
    public, private = (
        round(max(0.0, middle([each[1] for each in grown]) - market) / STUCK, 2) for grown in (with_many, with_private)
    )
    if len({digest for *_, digest in with_one + without + with_many + with_private}) != 1:
        raise AssertionError("a stuck reader must not change what is traded")
    return {
        "rate_ratio": rate_ratio, "ratio": rate_ratio, "mib_per_stuck": public, "mib_per_stuck_private": private,
        "mib_grown": [round(each[1], 2) for each in with_many],
        "mib_grown_private": [round(each[1], 2) for each in with_private],
        "baseline_mib_grown": [round(each[1], 2) for each in without],
        "orders_per_s": round(middle([sample[0] for sample in with_one])),
        "baseline": "without stuck readers", "baseline_orders_per_s": round(middle([sample[0] for sample in without])),
        "cut": sum(sample[2] for sample in with_one + with_many + with_private), "hash": with_one[0][3][:16],
        "conditions": conditions(
            sessions=TRADERS, in_flight=64, orders=count * TRADERS, rounds=len(with_one), loop=LOOP,
            journal=place()[0], receive_buffer_bytes=STUCK_RECEIVE_BYTES, stuck_for_memory=STUCK,
        ),
    }  # fmt: skip
