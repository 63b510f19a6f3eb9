"""The venue as a process, a trader who must be served whatever others do, and peers that speak the wire by hand.

Each attacker comes from an address of its own (Linux answers all of 127.0.0.0/8 on the loopback interface), so that
what one address has used up does not concern the next.
"""

import itertools
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import NamedTuple

import msgpack
from served import ROOT, Grounds, environment, url_of
from test_frames import BINARY, CLOSE, masked
from waiting import says_something

from gateway.auth import sign

LIMITS = {
    "handshake_timeout_ms": 1_500,
    "stalled_ms_max": 1_000,
    "close_timeout_ms": 500,
    "connections_per_address_max": 100,
    "handshakes_per_address_s": 20,
    "burst_handshakes_per_address": 300,
    "orders_per_s": 1_000,
    "burst_orders": 2_000,
}
PATIENCE_S = 20  # How long anything may take before a test is given up.
QUIET_ORDERS = 60
ORDERS_MIN = 40  # During an attack, or right after one that is over sooner.
SLOWER_MAX = 500  # Times the quiet median: where the cores are shared a busy venue waits for its turn on them, too.
GROWTH_BYTES_MAX = 48 << 20
HELLO, WELCOME, ACK = 64, 67, 33
ADDRESSES = itertools.count(1)
UPGRADE = (
    b"GET /ws/v1 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)


def new_address():
    """An address nobody has come from yet."""
    number = next(ADDRESSES)
    return f"127.1.{number // 250}.{number % 250 + 1}"


class Peer:
    """A TCP connection, and as much of the protocol as its user wants."""

    def __init__(self, port, address, receive_bytes=0):
        self.socket = socket.socket()
        if receive_bytes:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self.socket.settimeout(PATIENCE_S)
        self.socket.bind((address, 0))
        self.socket.connect(("127.0.0.1", port))
        self.bytes = b""
        self.nonce = b""
        self.unsent = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        """Send, as far as the venue takes it: False when it has hung up."""
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            return False
        return True

    def push(self, data):
        """Send as much as is taken at once, of these bytes only when none are left of earlier ones; as `send`."""
        self.unsent = self.unsent or data
        try:
            self.unsent = self.unsent[self.socket.send(self.unsent, socket.MSG_DONTWAIT) :]
        except BlockingIOError:
            time.sleep(0.001)
        except (BrokenPipeError, ConnectionResetError):
            return False
        return True

    def message(self, *fields):
        return self.send(masked(BINARY, msgpack.packb(fields)))

    def more(self):
        """Read; False at the end."""
        try:
            data = self.socket.recv(1 << 16)
        except ConnectionResetError:
            return False
        self.bytes += data
        return bool(data)

    def rest(self):
        """Everything until the end."""
        while self.more():
            pass
        return self.bytes

    def upgrade(self):
        self.send(UPGRADE)
        while b"\r\n\r\n" not in self.bytes:
            assert self.more(), self.bytes
        head, _, self.bytes = self.bytes.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 "), head
        self.nonce = self.next(HELLO)[3]
        return self

    def login(self, key, lane=0, secret=None):
        ts = time.time_ns() // 1_000
        signature = sign(secret or key.secret, self.nonce, key.key_id, ts)
        self.message(1, 1, key.key_id, ts, signature, lane, 0, 0, 0, 0)
        return self.next(WELCOME)

    def frame(self):
        """The next frame, as (opcode, payload), or None at the end."""
        while (cut := cut_frame(self.bytes)) is None:
            if not self.more():
                return None
        frame, self.bytes = cut
        return frame

    def next(self, *types):
        """The next message of one of the types, or how the connection ended: (code, reason), (0, "") without a code."""
        while (frame := self.frame()) is not None:
            opcode, payload = frame
            if opcode == CLOSE:
                return int.from_bytes(payload[:2], "big"), payload[2:].decode()
            message = msgpack.unpackb(payload) if opcode == BINARY else [None]
            if message[0] in types:
                return message
        return 0, ""

    def ending(self):
        """Read to the end: the close code."""
        return self.next()[0]


def cut_frame(data):
    """Take one frame off: ((opcode, payload), rest), or None when it is not whole."""
    if len(data) < 2:
        return None
    length, at = data[1] & 0x7F, 2
    if length >= 126:
        at = 4 if length == 126 else 10
        length = int.from_bytes(data[2:at], "big")
    if len(data) < at + length:
        return None
    return (data[0] & 15, data[at : at + length]), data[at + length :]


class Trader(Peer):
    """Places orders that rest far apart, one at a time, and takes the time of each answer."""

    def __init__(self, port, key):
        super().__init__(port, "127.0.0.1")
        self.upgrade()
        self.ref = self.login(key)[5]

    def order_ns(self):
        """Place an IOC order that finds nobody; the time until its answer."""
        self.ref += 1
        before = time.perf_counter_ns()
        self.message(16, self.ref, 1, 0, 1, 1, 1, 0)
        answer = self.next(ACK)
        assert answer[:3] == [ACK, self.ref, 0], answer
        time.sleep(0.003)  # Well below the account's rate.
        return time.perf_counter_ns() - before - 3_000_000


class Outcome(NamedTuple):
    result: object  # What the attack returned.
    slower: float  # Median latency of the trader during it, over the one before.
    growth: int  # Of the server's resident memory at its largest, bytes.


class Attacked:
    """The process."""

    def __init__(self, directory):
        self.grounds = Grounds(directory, ("ann", "bob", "eve"), time.time_ns())
        self.key = self.grounds.key
        config = directory / "venue.toml"
        lines = ['durability = "memory"', "port = 0", f'journal = "{self.grounds.journal}"']
        lines += [f'keys = "{self.grounds._keys}"', f'setup = "{self.grounds._setup}"', "[limits]"]
        lines += [f"{name} = {value}" for name, value in LIMITS.items()]
        config.write_text("\n".join(lines) + "\n")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "gateway.cli", "serve", "--config", str(config)],
            cwd=ROOT, env=environment(), text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        self.port = int(url_of(self.process).split(":")[2].split("/")[0])
        for _ in range(2):  # What a venue needs once: code, arenas, buffers.
            self.under(lambda: True)
        self.settled_bytes = self.resident_bytes()

    def stop(self):
        """Stop in order; the venue must say so, and nothing else: no error was logged. Nor has it gathered anything."""
        kept = self.resident_bytes() - self.settled_bytes
        self.process.send_signal(signal.SIGTERM)
        said = self.process.communicate(timeout=PATIENCE_S)[0]
        assert self.process.returncode == 0, said
        assert "Traceback" not in said, said
        assert kept < GROWTH_BYTES_MAX, f"after all attacks {kept >> 20} MiB more were held than before"

    def peer(self, address=None, **options):
        return Peer(self.port, address or new_address(), **options)

    def resident_bytes(self):
        return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * 4_096

    def under(self, attack):
        """Run an attack in a thread, with the trader at work; what it returned, and what it did to the venue."""
        before, largest, busy, results = self.resident_bytes(), 0, [], []
        with Trader(self.port, self.key["ann"]) as trader:
            quiet = statistics.median(trader.order_ns() for _ in range(QUIET_ORDERS))
            thread = threading.Thread(target=lambda: results.append(attack()), daemon=True)
            thread.start()
            while thread.is_alive() or len(busy) < ORDERS_MIN:
                busy.append(trader.order_ns())
                largest = max(largest, self.resident_bytes())
            thread.join()
        assert results, "the attack itself failed"
        return Outcome(results[0], statistics.median(busy) / max(quiet, 1), max(largest - before, 0))

    def survives(self, attack):
        """As `under`; the trader must have been served, and memory bounded. What the attack returned."""
        outcome = self.under(attack)
        assert outcome.slower < SLOWER_MAX, f"the median order took {outcome.slower:.0f} times as long"
        assert outcome.growth < GROWTH_BYTES_MAX, f"memory grew by {outcome.growth >> 20} MiB"
        return outcome.result


def is_readable(peer):
    """Whether there is something to read, or the end."""
    return says_something(peer.socket, 0)
