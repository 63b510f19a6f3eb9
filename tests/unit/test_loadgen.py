"""The load generator and the floor: their arithmetic, and every scenario, small, against servers that are known."""

import asyncio
import ctypes
import hashlib
import hmac
import random
import resource
import shutil
import struct
import subprocess
import threading
import time

import aiohttp
import pytest

from bench.certificate import self_signed
from bench.gateway_messages import (
    BUY,
    QUOTE_LEGS,
    SELL,
    batch_frames,
    client_frame,
    public_frames,
    quote_frames,
    single_frames,
    trading_frames,
)
from bench.gateway_process import Load, Server, forget_peak, measured, memory_mib, usage
from bench.gateway_sessions import sessions_possible
from bench.gateway_stuck import CLOSED_S
from bench.native_c import library, program
from gateway.protocol import Channel, MessageType

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="there is no C compiler")

SUB_BITS = 10
BUCKETS = (65 - SUB_BITS) << SUB_BITS


class Histogram(ctypes.Structure):
    _fields_ = (
        ("total", ctypes.c_uint64), ("max", ctypes.c_uint64), ("sum", ctypes.c_double),
        ("count", ctypes.c_uint64 * BUCKETS),
    )  # fmt: skip


@pytest.fixture(scope="module")
def native():
    loaded = ctypes.CDLL(str(library()))
    loaded.histogram_add.argtypes = ctypes.POINTER(Histogram), ctypes.c_uint64
    loaded.histogram_at.argtypes = ctypes.POINTER(Histogram), ctypes.c_double
    loaded.histogram_at.restype = ctypes.c_uint64
    return loaded


def filled(native, values):
    histogram = Histogram()
    for value in values:
        native.histogram_add(histogram, value)
    return histogram


def samples(kind):
    drawn = random.Random(1)
    return {
        "small": [drawn.randrange(2_048) for _ in range(5_000)],
        "latencies": [int(drawn.lognormvariate(11, 1.5)) for _ in range(20_000)],
        "all sizes": [drawn.getrandbits(drawn.randrange(1, 65)) for _ in range(20_000)],
        "edges": [edge + near for bit in range(1, 63) for edge in [1 << bit] for near in (-1, 0, 1)],
    }[kind]


@pytest.mark.parametrize("kind", ["small", "latencies", "all sizes", "edges"])
def test_histogram_has_three_digits_of_the_sorted_samples(native, kind):
    values = sorted(samples(kind))
    histogram = filled(native, values)
    assert (histogram.total, histogram.max, sum(histogram.count)) == (len(values), values[-1], len(values))
    for part in (0.001, 0.25, 0.5, 0.9, 0.99, 0.999, 0.9999, 1):
        exact = values[max(0, -(-int(part * len(values) * 1e6) // 1_000_000) - 1)]
        found = native.histogram_at(histogram, part)
        assert exact <= found <= exact + exact // 1_000 + (exact >= 2_048), part
    assert native.histogram_at(histogram, 1) == values[-1]


def test_empty_histogram_is_zero(native):
    assert native.histogram_at(Histogram(), 0.99) == 0


@pytest.mark.parametrize("size", [0, 1, 55, 56, 63, 64, 65, 119, 120, 200, 256])
def test_hashes_are_those_of_the_standard_library(native, size):
    data, out = bytes(number * 7 & 255 for number in range(size)), ctypes.create_string_buffer(32)
    native.sha1(data, ctypes.c_size_t(size), out)
    assert out.raw[:20] == hashlib.sha1(data).digest()
    native.sha256(data, ctypes.c_size_t(size), out)
    assert out.raw == hashlib.sha256(data).digest()
    native.hmac_sha256(data[:64], ctypes.c_size_t(len(data[:64])), data, ctypes.c_size_t(size), out)
    assert out.raw == hmac.digest(data[:64], data, "sha256")


# Against echoes.


@pytest.fixture
def tiny_echo():
    """A WebSocket echo of another make, and what it was sent."""
    heard, ports = [], []

    async def talk(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: ICX+Yqv66kxgM0FcWaLWlFLwTAI=\r\n\r\n")
        try:
            while True:
                head = await reader.readexactly(6)
                payload = await reader.readexactly(head[1] & 127)
                heard.append((head[0], bool(head[1] & 128), payload))
                writer.write(bytes((0x82, len(payload))))
                await asyncio.sleep(0)  # The generator must put frames together that come in pieces.
                writer.write(payload)
        except asyncio.IncompleteReadError:
            writer.close()

    async def main():
        server = await asyncio.start_server(talk, "127.0.0.1", 0)
        ports.append(server.sockets[0].getsockname()[1])
        started.set()
        await asyncio.get_running_loop().run_in_executor(None, ended.wait)
        server.close()

    started, ended = threading.Event(), threading.Event()
    thread = threading.Thread(target=asyncio.run, args=(main(),))
    thread.start()
    started.wait()
    server = Server.__new__(Server)
    server.port = ports[0]
    yield server, heard
    ended.set()
    thread.join()


def test_generator_sends_every_frame_once_and_in_order(tiny_echo):
    server, heard = tiny_echo
    frames = single_frames(50)
    with Load("orders", server, [frames], sessions=1, in_flight=7, login=False) as load:
        result = load.go()
    assert (result["frames"], result["answered"], result["lost"], result["messages"]) == (50, 50, 0, 50)
    assert [frame.data for frame in frames] == [client_frame(payload) for _, _, payload in heard]
    assert all(head == 0x82 and is_masked for head, is_masked, _ in heard)
    assert 0 < result["p50_ms"] <= result["p99_ms"] <= result["p999_ms"] <= result["max_ms"]


def test_sessions_take_the_scripts_in_turn(tiny_echo):
    server, heard = tiny_echo
    scripts = [trading_frames(3, BUY), trading_frames(5, SELL)]
    with Load("orders", server, scripts, sessions=4, login=False) as load:
        assert load.go()["answered"] == 2 * 3 + 2 * 5
    assert len(heard) == 16


def test_open_loop_sends_when_it_is_time_and_misses_nothing(tiny_echo):
    server, heard = tiny_echo
    with Load("orders", server, [single_frames(40)], sessions=5, rate=1_000, login=False) as load:
        result = load.go()
    assert (result["answered"], result["lost"], len(heard)) == (200, 0, 200)
    assert result["seconds"] >= 0.199, "the last of 200 frames at 1,000 a second is due after 199 ms"
    assert result["late_max_ms"] <= result["max_ms"], "an order's lateness is part of its latency"


@pytest.mark.parametrize("size", [60, 127, 130, 65_539])
def test_floor_answers_each_message_with_so_many_bytes(size):
    sample = measured(Server.floor("echo", size), "orders", [single_frames(64)], sessions=3, in_flight=16, login=False)
    assert sample.result["bytes"] == 3 * 64 * size


def test_floor_shakes_hands_with_any_client():
    async def main(port):
        async with aiohttp.ClientSession() as http, http.ws_connect(f"ws://127.0.0.1:{port}/") as websocket:
            await websocket.send_bytes(b"\x93\x01\x02\x03")
            return await websocket.receive_bytes()

    with Server.floor("echo", 40) as floor:
        assert len(asyncio.run(main(floor.port))) == 38


@pytest.mark.parametrize("messages", [1, 10])
def test_floor_sends_everybody_everything(messages):
    floor = Server.floor("broadcast", 30, messages)
    frames = public_frames(20, messages)
    result = measured(floor, "fanout", [frames], sessions=8, login=False, messages=messages).result
    assert (result["delivered"], result["surplus"]) == (7 * 20 * messages, 0)
    assert result["bytes"] == 7 * 20 * messages * 30


# Against the venue.


def venue(tmp_path, sessions, instruments=1, **options):
    return Server.python("venue", sessions=sessions, instruments=instruments, directory=str(tmp_path), **options)


@pytest.mark.parametrize(
    ("scripts", "types"),
    [
        ([single_frames(40)], {"33": 120, "37": 60}),
        ([batch_frames(64)], {"33": 192, "36": 6, "37": 96}),
        ([quote_frames(6)], {"33": 18}),
        ([trading_frames(30, BUY), trading_frames(30, SELL), []], {"33": 60, "35": 60}),
    ],
    ids=["orders", "batches", "quotes", "trades"],
)
def test_venue_answers_every_order_and_ends_the_same_twice(tmp_path, scripts, types):
    digests = set()
    for _ in range(2):
        server = venue(tmp_path, 3, QUOTE_LEGS)
        sample = measured(server, "orders", scripts, sessions=3, in_flight=4)
        assert (sample.result["lost"], sample.result["rejects"]) == (0, 0)
        assert sample.result["answers"] == types["33"]
        assert sample.result["by_type"].items() >= {"33": types["33"]}.items()
        # What follows an answer may come after the last one that was waited for.
        assert all(sample.result["by_type"].get(kind, 0) <= count for kind, count in types.items())
        digests.add(sample.digest)
    assert len(digests) == 1


def test_refused_orders_are_counted(tmp_path):
    frames = trading_frames(5, BUY)
    stale = [*frames, *frames]  # A ref that was used is answered again: not a refusal, and nothing is done twice.
    result = measured(venue(tmp_path, 1), "orders", [stale], sessions=1).result
    assert (result["answered"], result["rejects"]) == (10, 0)
    nowhere = [frame._replace(data=frame.data.replace(b"\x01\x00\xcd", b"\x09\x00\xcd")) for frame in frames]
    result = measured(venue(tmp_path, 1), "orders", [nowhere], sessions=1).result
    assert (result["answered"], result["rejects"]) == (5, 5)


def test_open_loop_tells_what_was_never_answered(tmp_path):
    *frames, last = single_frames(20)
    script = [*frames, last._replace(answers=2)]  # One more answer than will ever come.
    result = measured(venue(tmp_path, 3), "orders", [script], sessions=3, rate=1_000, drain_s=0.1).result
    assert (result["frames"], result["answered"], result["lost"]) == (60, 57, 3)


def test_open_loop_over_tls(tmp_path):
    certificate, key = self_signed(tmp_path)
    certificate.write_bytes(certificate.read_bytes() + key.read_bytes())
    server = venue(tmp_path, 4, certificate=str(certificate))
    result = measured(server, "orders", [single_frames(50)], sessions=4, rate=2_000, tls=True).result
    assert (result["answered"], result["lost"], result["rejects"]) == (200, 0, 0)


@pytest.mark.parametrize("messages", [1, 10])
def test_every_subscriber_gets_every_message(tmp_path, messages):
    public = {"channel": int(Channel.L2), "public_type": int(MessageType.L2_DELTA)}
    server = venue(tmp_path, 9, messages)
    result = measured(server, "fanout", [public_frames(20, messages)], sessions=9, messages=messages, **public).result
    assert (result["delivered"], result["surplus"]) == (8 * 20 * messages, 0)
    assert result["by_type"]["99"] == 8 * 20 * messages, "the sender hears none of it"


def test_storm_of_logins(tmp_path):
    result = measured(venue(tmp_path, 40), "logins", sessions=40, at_once=40, cycles=3).result
    assert (result["logins"], result["logged_out"], result["refused"]) == (120, 120, 0)


def test_sessions_are_held_and_the_stuck_one_is_cut(tmp_path):
    hears = {"lane": 1, "channel": int(Channel.L1), "channels_end": int(Channel.TRADES) + 1}
    scripts = [trading_frames(200, BUY), trading_frames(200, SELL)]
    with venue(tmp_path, 2) as server:
        with (
            Load("hold", server, **hears) as reader,
            Load("hold", server, **(hears | {"lane": 2}), reads=False, rcvbuf=4_096) as stuck,
            Load("orders", server, scripts, sessions=2, in_flight=16) as load,
        ):
            assert load.go()["answered"] == 400
            held, unread = reader.go(), stuck.go()
        assert held["cut"] == unread["cut"] == 0, "so little waits in the system's buffers"
        assert held["messages"] >= 200 + 200, "all trades, and the fills of its own account"
        assert unread["messages"] == 0


def test_reader_that_is_stuck_long_enough_is_cut(tmp_path):
    hears = {"lane": 1, "channel": int(Channel.L1), "channels_end": int(Channel.TRADES) + 1}
    scripts = [trading_frames(60_000, BUY), trading_frames(60_000, SELL)]
    with venue(tmp_path, 2) as server:
        with (
            Load("hold", server, **hears, reads=False, rcvbuf=4_096) as stuck,
            Load("orders", server, scripts, sessions=2, in_flight=64) as load,
        ):
            assert load.go()["answered"] == 120_000
            time.sleep(CLOSED_S)
            assert stuck.go()["cut"] == 1


def test_generator_says_why_it_cannot(tmp_path):
    with venue(tmp_path, 2) as server:
        with pytest.raises(RuntimeError, match="sessions were closed at once"):
            Load("hold", server, sessions=2, secret="11" * 32)
        server.end()
    with pytest.raises(RuntimeError, match="session 1 cannot connect: Connection refused"):
        Load("hold", server)


@pytest.mark.parametrize("words", [[], ["echo"], ["echo", 1], ["echo", 128], ["shout", 40], ["broadcast", 40, 0]])
def test_floor_refuses_what_it_cannot_do(words):
    with pytest.raises(RuntimeError, match="cecho echo BYTES"):
        Server.floor(*words)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ([], "SCENARIO must be orders, fanout, hold or logins"),
        (["orders", "harbour=1"], "harbour=1 is not an option"),
        (["orders", "sessions"], "sessions is not an option"),
        (["orders", "sessions=0"], "a number below 1"),
        (["orders", "frames=/nowhere"], "/nowhere is not a file of frames"),
    ],
)
def test_generator_refuses_what_it_does_not_know(words, complaint):
    done = subprocess.run([program("loadgen"), *words], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 2
    assert complaint in done.stderr


def test_file_of_frames_that_is_cut_short_is_refused(tmp_path):
    path = tmp_path / "frames"
    for content in (b"", struct.pack("<I", 0), struct.pack("<II", 1, 1), struct.pack("<IIII", 1, 1, 10, 1) + b"123"):
        path.write_bytes(content)
        command = [program("loadgen"), "orders", f"frames={path}"]
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        assert (done.returncode, "is not a file of frames" in done.stderr) == (2, True)


# What a process costs.


def test_fewer_sessions_where_the_system_allows_no_more_files(monkeypatch):
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (100, 1_000))
    assert sessions_possible(10_000) == (800, "10000 sessions need 10200 files, the limit is 1000")
    assert sessions_possible(800) == (800, "")


def test_usage_and_memory_are_those_of_the_process():
    with Server.floor("echo", 40) as floor:
        before = floor.usage()
        with Load("orders", floor, [single_frames(2_000)], sessions=10, in_flight=4, login=False) as load:
            load.go()
        after = usage(floor.pid)
        assert after.cpu_s > before.cpu_s
        assert after.user_s >= before.user_s
        forget_peak(floor.pid)
        assert 0 < memory_mib(floor.pid) <= memory_mib(floor.pid, "VmHWM") + 0.5
