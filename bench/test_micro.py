"""Micro-benchmarks of single calls, for comparing two commits: ``make micro ARGS=--benchmark-autosave``.

In the test suite each runs once, so that none rots. `python -m bench` has the figures that are published.
"""

import msgpack
import pytest

from exchange import commands
from exchange.engine import Engine
from exchange.records import Side
from exchange.reference.core import ReferenceCore
from ext.core import Core
from ext.encoder import encode_event
from ext.journal import Magic, crc32c, encode_frame


def venue(core):
    engine = Engine(core)
    engine.apply_count(commands.add_product("H100", 8, 1_000, ["f1"]), 1)
    engine.apply_count(commands.list_window("H100", 500_000), 1)
    engine.apply_count(commands.add_account("ann"), 1)
    engine.apply_count(commands.add_account("bob"), 1)
    return engine


@pytest.fixture(params=[Core, ReferenceCore], ids=["core", "reference"])
def engine(request):
    return venue(request.param())


def test_place_and_cancel(benchmark, engine):
    refs = iter(range(1, 1 << 40, 2))

    def place_and_cancel():
        ref = next(refs)
        pair = commands.place(1, ref, 1, Side.BUY, 100, 1) + commands.cancel_ref(1, ref + 1, ref)
        return engine.apply_count(pair, 1)

    assert benchmark(place_and_cancel) == 5  # ACK, level; ACK, done, level.


def test_trade(benchmark, engine):
    refs = iter(range(1, 1 << 40))

    def trade():
        ref = next(refs)
        return engine.apply_count(
            commands.place(1, ref, 1, Side.SELL, 100, 1) + commands.place(2, ref, 1, Side.BUY, 100, 1), 1
        )

    assert benchmark(trade) == 7  # ACK, level; ACK, two fills, trade, level.


def test_state_hash(benchmark, engine):
    orders = b"".join(commands.place(1, ref, 1, Side.BUY, 100 - ref % 50, 1) for ref in range(1, 501))
    engine.apply_count(orders, 1)
    assert len(benchmark(engine.state_hash)) == 64


def test_encode_event(benchmark):
    engine = venue(Core())
    event = engine.apply(commands.place(1, 1, 1, Side.BUY, 100, 1), 1)[0].tobytes()
    frame = benchmark(encode_event, event, 1, 2, 3)
    assert msgpack.unpackb(frame[2:])[0] == 33


def test_journal_frame(benchmark):
    body = commands.place(1, 1, 1, Side.BUY, 100, 1) * 256
    frame = benchmark(encode_frame, Magic.BATCH, 1, 1, 256, body, chain=bytes(16), salt=7)
    assert len(frame) % 512 == 0


def test_checksum(benchmark):
    data = bytes(range(256)) * 4_096
    assert benchmark(crc32c, data) == crc32c(data, tables=True)
