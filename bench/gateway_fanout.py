"""Server CPU of public messages: one sender, many subscribers, beside a broadcaster in C that sends as many bytes.

Every subscriber must get every message: a round ends when all have theirs, and one too many fails the run.
"""

from typing import Any

from bench.gateway import Series, answer_bytes, figures, rounds
from bench.gateway_messages import public_frames
from bench.gateway_process import Server, journal_directories, measured
from bench.harness import LOOP, Row, benchmark, conditions
from gateway.protocol import Channel, MessageType

SUBSCRIBERS = (100, 1_000)


def fan_out(subscribers: int, messages: int, count: int, small: bool) -> tuple[Series, Series, str, int]:
    """(venue, floor, hash, bytes of a message): `count` rounds of `messages` depth changes to each subscriber."""
    units = count * messages * subscribers
    ours, floor = Series(units), Series(units)
    frames, (_, directory) = public_frames(count, messages), next(iter(journal_directories().items()))
    load: dict[str, Any] = {"sessions": subscribers + 1, "messages": messages}
    for _ in range(rounds(small)):
        server = Server.python("venue", sessions=subscribers + 1, instruments=messages, directory=directory)
        public = {"channel": int(Channel.L2), "public_type": int(MessageType.L2_DELTA)}
        sample = ours.add(measured(server, "fanout", [frames], **load, **public))
        if sample.result["delivered"] != units:
            raise AssertionError(f"every subscriber must get every message: {sample.result}")
        size = answer_bytes(sample, sample.result["messages"])
        floor.add(measured(Server.floor("broadcast", size, messages), "fanout", [frames], login=False, **load))
    return ours, floor, ours.digest(), size


def compare(messages: int, small: bool) -> Row:
    """The figure is that of 100 subscribers; that of 1,000 stands beside it."""
    found = {}
    for subscribers in (20, 50) if small else SUBSCRIBERS:
        count = 20 if small else 200_000 // subscribers
        found[subscribers] = fan_out(subscribers, messages, count, small)
    (few, (ours, floor, digest, size)), (many, (ours_many, floor_many, _, _)) = found.items()
    detail = conditions(
        subscribers=few, messages_a_write=messages, message_bytes=size, loop=LOOP, channel="l2",
        baseline="C epoll broadcaster, as many bytes, the same messages joined in a write",
    )  # fmt: skip
    row = figures(ours, floor) | {"baseline": "C broadcast"}
    row |= {
        f"us_{many}": ours_many.us, f"c_echo_us_{many}": floor_many.us,
        f"ratio_c_echo_{many}": ours_many.ratio(floor_many),
    }  # fmt: skip
    return row | {"hash": digest, "conditions": detail}


@benchmark("gateway.fanout1")
def gateway_fanout1(small: bool) -> Row:
    return compare(1, small)


@benchmark("gateway.fanout10")
def gateway_fanout10(small: bool) -> Row:
    return compare(10, small)
