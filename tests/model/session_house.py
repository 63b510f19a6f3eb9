"""A whole venue without sockets for `session_machine`: it does nothing by itself, and its clocks stand still."""

import json
import sys
from pathlib import Path

import msgpack

sys.path.append(str(Path(__file__).parent.parent / "unit"))

from session_model import Private, array_of, fits
from test_frames import masked, server_frames
from test_sequencer import FakeLog

from exchange import commands
from exchange.engine import Engine
from exchange.units import HOUR_NS
from ext.link import Link
from gateway.auth import KeyStore, generate_key
from gateway.config import GatewayConfig
from gateway.protocol import BY_NUMBER
from gateway.protocol.text import to_text
from gateway.publisher import Publisher
from gateway.sequencer import Sequencer
from gateway.server import Server
from gateway.session import Session

NONCE = b"n" * 16
MS = 1_000_000
NOW_NS = 500_000 * HOUR_NS
NOW_US = NOW_NS // 1_000
NAMES = {1: "ann", 2: "bob"}
LANES = (0, 1)
PRODUCT = "H100-SXM.IB400.cuda12.T1"
CONFIG = GatewayConfig(orders_per_s=0, requests_per_s=0, heartbeat_ms=1_000)
BACKLOG = 10_000
PERMISSIONS = {"trade": 3, "cancel": 5, "read": 1}  # By what a key may do at most, as welcome says it.
KEYS = {(account, most): generate_key(NAMES[account], {"read", most}) for account in NAMES for most in PERMISSIONS}


class House:
    """The venue, from an empty journal or from what another one has left in its own."""

    def __init__(self, batches=()):
        self.engine = Engine()
        self.publisher = Publisher(self.engine.catalogue)
        setup = [commands.add_product(PRODUCT, 8, 1_000, ["f1", "f2"]), *map(commands.add_account, NAMES.values())]
        self.recover(1, NOW_NS, b"".join([*setup, commands.list_window(PRODUCT, NOW_NS // HOUR_NS + 48)]), 4)
        for batch in batches:
            self.recover(batch[0], batch[1], batch[3], batch[2])
        self.log = FakeLog(self.engine.seq)
        self.log.last_ts_ns = self.engine.now_ns
        self.sequencer = Sequencer(
            self.engine, self.log, self.publisher, lambda: NOW_NS, tick_ms=10**9, backlog_commands_max=BACKLOG
        )
        keys = KeyStore(KEYS.values())
        self.server = Server(self.engine, self.sequencer, self.publisher, keys, CONFIG)
        served = self.server._venue
        values = {name: getattr(served, name) for name in served.__dataclass_fields__}
        self.venue = type(served)(**(values | {"wall_us": lambda: NOW_US}))

    def recover(self, first_seq, ts_ns, body, count):
        events = self.engine.apply(body, ts_ns).tobytes()
        self.publisher.recover(first_seq, ts_ns, events, count)

    def close(self):
        self.sequencer._close()
        self.sequencer._detach()


class Pipe:
    """A transport that keeps what is written, and says how much of it is unread."""

    def __init__(self):
        self.written = b""
        self.unread = 0

    def write(self, data):
        self.written += data

    def close(self):
        pass

    def get_write_buffer_size(self):
        return self.unread


class Peer:
    """A connection, what it has been told, and what it is to be told."""

    def __init__(self, machine, is_text):
        self.machine = machine
        self.is_text = is_text
        self.link = Link(self, machine.house.server._submit)
        self.pipe = self.link.transport = Pipe()
        self.number = machine.next_number()
        self.session = Session(
            machine.house.venue, self.link, number=self.number, nonce=NONCE, address="::1", now_ns=machine.now_ns
        )
        self.gone = machine.loop.create_future()
        self.due = []
        self.is_live = self.is_over = False
        self.scope = "trade"
        self.account = self.lane = self.cod = self.grace_ns = self.heartbeat_ns = 0

    # What the link and the server call.

    def as_text(self, message):
        return to_text(message)

    def receive(self, message, is_text, now_ns):
        return self.session.receive(message, is_text, self.machine.now_ns)

    def ended(self, lost):
        self.session.end(self.machine.now_ns)
        if not self.gone.done():
            self.gone.set_result(None)

    def crashed(self, error):
        raise AssertionError("nothing may go wrong in a session") from error

    # What a client does.

    def feed(self, messages, ending=b""):
        self.link.feed_data(b"".join(map(self.frame, messages)) + ending)

    def frame(self, message):
        return masked(1, json.dumps(named(message)).encode()) if self.is_text else masked(2, msgpack.packb(message))

    def check(self):
        """Hold what was written against what was due; what waits for the answers of orders leaves with a tick."""
        self.link.flush()
        told = server_frames(self.pipe.written)
        self.pipe.written = b""
        for opcode, payload in told:
            assert self.due, f"nothing more was due: {payload}"
            expected = self.due.pop(0)
            if opcode == 8:
                assert ("closed", int.from_bytes(payload[:2], "big")) == expected
            elif isinstance(expected, Private):
                assert opcode == (1 if self.is_text else 2)
                expected.check(payload, self.is_text)
            else:
                assert opcode == (1 if self.is_text else 2)
                message = array_of(payload, self.is_text)
                assert fits(expected, message), (expected, message)
        assert not self.due, f"this was not told: {self.due}"


def named(message):
    """The object of an array."""
    row = BY_NUMBER[message[0]]
    fields = dict(zip(row.names, message[1:], strict=False))
    if "ops" in fields:
        fields["ops"] = [named(operation) for operation in fields["ops"]]
    if "sig" in fields:
        fields["sig"] = fields["sig"].hex()
    return {"t": row.name, **fields}
