"""What sessions cost that do nothing, and that come all at once."""

import resource

from bench.gateway import rounds
from bench.gateway_process import Load, Server, journal_directories, measured, memory_mib
from bench.harness import LOOP, Row, benchmark, conditions, middle

IDLE_SESSIONS = 10_000
LOGINS = 1_000
SPARE_FILES = 200  # Of a process with as many connections.


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
