"""What connections cost that hear everything and never read: the others' rate, and the server's memory."""

import contextlib
import time
from typing import Any, NamedTuple

from bench.gateway import rounds
from bench.gateway_messages import BUY, SELL, trading_frames
from bench.gateway_process import Load, Server, forget_peak, memory_mib
from bench.gateway_sessions import place
from bench.harness import LOOP, Row, benchmark, conditions, middle
from gateway.protocol import Channel

TRADERS = 10
ORDERS = 400_000  # Of a trader, as fast as they are answered.
PACED_PER_S, PACED_S = 50_000, 4  # Of all traders: small messages, one write each, till a reader has too many.
WARM_LANE = 9
STUCK = 40  # For the memory that one of them costs.
PRIVATE_LANES = 4  # Of each trader's account.
RECEIVE_BYTES = 4_096
CLOSED_S = 1.5  # After that a connection whose backlog was too long has been aborted.
# The traders hear all that is public, as the stuck ones, so that what it costs to tell it is in both figures.
HEARS: dict[str, Any] = {"channel": int(Channel.L1), "channels_end": int(Channel.TRADES) + 1}


class Readers(NamedTuple):
    """Connections that do not read: on a lane, one for each account from the first one's on."""

    lane: int
    first: int
    count: int


ONE = [Readers(1, 1, 1)]  # Of a trader's account.
OF_OTHERS = [Readers(1, TRADERS + 1, STUCK)]  # They hear what is public.
OF_TRADERS = [Readers(lane, 1, TRADERS) for lane in range(1, PRIVATE_LANES + 1)]  # And these what is private.


def hold(stack: contextlib.ExitStack, server: Server, readers: list[Readers]) -> list[Load]:
    options = {"reads": False, "rcvbuf": RECEIVE_BYTES, **HEARS}
    return [
        stack.enter_context(Load("hold", server, sessions=each.count, first=each.first, lane=each.lane, **options))
        for each in readers
    ]


def checked(result: dict[str, Any]) -> dict[str, Any]:
    if result["lost"] or result["rejects"]:
        raise AssertionError(f"every order must be answered and accepted: {result}")
    return result


def traded(count: int, readers: list[Readers]) -> tuple[float, int, str]:
    """(orders a second, stuck connections that were cut, hash) of a market that trades as fast as it can."""
    scripts = [trading_frames(count, side) for side in (BUY, SELL)]
    with Server.python("venue", sessions=TRADERS, directory=place()[1]) as server, contextlib.ExitStack() as stack:
        load = stack.enter_context(Load("orders", server, scripts, sessions=TRADERS, in_flight=64, **HEARS))
        stuck = hold(stack, server, readers)
        result = checked(load.go())
        cut = sum(each.go()["cut"] for each in stuck)
        return result["frames"] / result["seconds"], cut, server.end()


def grown(seconds: float, readers: list[Readers]) -> tuple[float, int]:
    """(MiB the server grew by at most, stuck connections that were cut) beside a market at a fixed rate.

    The same orders go through it before, so that it has already what it keeps of a market.
    """
    scripts = [trading_frames(int(PACED_PER_S * seconds) // TRADERS, side) for side in (BUY, SELL)]
    paced: dict[str, Any] = {"sessions": TRADERS, "rate": PACED_PER_S, **HEARS}
    options: dict[str, Any] = {"sessions": TRADERS + STUCK, "directory": place()[1]}
    with Server.python("venue", **options) as server, contextlib.ExitStack() as stack:
        with Load("orders", server, scripts, lane=WARM_LANE, **paced) as load:
            checked(load.go())
        forget_peak(server.pid)
        before = memory_mib(server.pid)
        stuck = hold(stack, server, readers)
        checked(stack.enter_context(Load("orders", server, scripts, **paced)).go())
        most = memory_mib(server.pid, "VmHWM") - before
        time.sleep(CLOSED_S if stuck else 0)
        return most, sum(each.go()["cut"] for each in stuck)


@benchmark("gateway.stuck")
def gateway_stuck(small: bool) -> Row:
    """Order rate of ten traders who follow the market, beside one who never reads, and without; memory beside many."""
    count, seconds = (400, 0.1) if small else (ORDERS, PACED_S)
    with_one, without = [], []
    for _ in range(rounds(small)):
        # One before and one after: whatever the machine does meanwhile is in both.
        without.append(traded(count, []))
        with_one.append(traded(count, ONE))
        without.append(traded(count, []))
    pairs = [(without[2 * i][0] + without[2 * i + 1][0]) / 2 for i in range(len(with_one))]
    rate_ratio = round(middle([one[0] / both for one, both in zip(with_one, pairs, strict=True)]), 3)
    if len({digest for *_, digest in with_one + without}) != 1:
        raise AssertionError("a stuck reader must not change what is traded")
    market, public, private = (grown(seconds, readers) for readers in ([], OF_OTHERS, OF_TRADERS))
    mib, mib_private = (round(max(0.0, many[0] - market[0]) / STUCK, 2) for many in (public, private))
    return {
        "rate_ratio": rate_ratio, "ratio": rate_ratio, "mib_per_stuck": mib, "mib_per_stuck_private": mib_private,
        "mib_grown": [round(one[0], 2) for one in (public, private)], "baseline_mib_grown": round(market[0], 2),
        "orders_per_s": round(middle([sample[0] for sample in with_one])),
        "baseline": "without stuck readers", "baseline_orders_per_s": round(middle([sample[0] for sample in without])),
        "cut": sum(sample[1] for sample in (*with_one, public, private)), "hash": with_one[0][2][:16],
        "conditions": conditions(
            sessions=TRADERS, in_flight=64, orders=count * TRADERS, rounds=len(with_one), loop=LOOP,
            journal=place()[0], receive_buffer_bytes=RECEIVE_BYTES, stuck_for_memory=STUCK,
            orders_per_s_for_memory=PACED_PER_S, seconds_for_memory=seconds,
        ),
    }  # fmt: skip
