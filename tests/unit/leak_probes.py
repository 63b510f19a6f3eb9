"""Work that must not need more and more memory, each kind in a process of its own: ``python leak_probes.py NAME``.

Prints by how many bytes the resident memory grew. A process that had other work before has free memory in its heap,
and a leak would fill that first without being seen.
"""

import gc
import os
import random
import sys
from pathlib import Path

import msgpack
import numpy as np
from test_frames import BINARY, PING, Recorder, masked

from exchange import commands
from exchange.engine import Engine
from exchange.records import EVENT, EventType, OrderFlag, Side, Tif
from ext.codec import decode_message
from ext.encoder import encode_event
from ext.router import Router

STATM = Path("/proc/self/statm")
KIB = 1024
FAR_NS = 3_600_000_000_000 * 500  # Before the gate, and never reached.
ACCOUNTS = 4
BATCH_COMMANDS = 1_000

def resident_bytes():
    gc.collect()
    return int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def growth_bytes(work, warm, measured):
    """By how much memory grows while ``work`` is done ``measured`` times, after ``warm`` times."""
    for _ in range(warm):
        work()
    before = resident_bytes()
    for _ in range(measured):
        work()
    return resident_bytes() - before


def listed():
    """An engine with two instruments and some accounts, of which two have money."""
    engine = Engine()
    engine.apply_count(
        commands.add_product("P", 1, 1, ["f", "g"], maker_fee_ppm=100, taker_fee_ppm=200)
        + commands.list_window("P", 1_000)
        + b"".join(commands.add_account(f"a{number}") for number in range(1, ACCOUNTS + 1))
        + b"".join(commands.deposit(number, 1 << 50) for number in (1, 2)),
        0,
    )
    return engine


class Trader:
    """Keeps an engine busy with every kind of hot command; the number of open orders stays about the same."""

    def __init__(self, engine, seed):
        self.engine = engine
        self.commands = 0
        self.kinds = set()
        self._dice = random.Random(seed)
        self._refs = [0] * (ACCOUNTS + 1)
        self._placed = [[] for _ in self._refs]

    def batch(self, count=BATCH_COMMANDS):
        """Apply one batch; every other one with its events copied out."""
        body = b"".join(self._command() for _ in range(count))
        if self.commands // count % 2:
            events = self.engine.apply(body, 0)
            self.kinds |= set(events["type"].tolist())
        else:
            self.engine.apply_count(body, 0)
        self.commands += count

    def _command(self):
        dice, account = self._dice, self._dice.randint(1, ACCOUNTS)
        self._refs[account] += 1
        ref, placed = self._refs[account], self._placed[account]
        instrument, side = dice.randint(1, 2), dice.choice(list(Side))
        price, lots = dice.randint(80, 120), dice.randint(1, 50)
        choice = dice.random()
        if len(placed) > 200 or (placed and choice < 0.3):
            return commands.cancel_ref(account, ref, placed.pop(dice.randrange(len(placed))))
        if placed and choice < 0.45:
            return commands.replace_ref(account, ref, dice.choice(placed), price, lots)
        if choice < 0.55:
            return commands.quote(account, ref, [commands.Leg(instrument, price, lots, price + 5, lots)])
        if choice < 0.65:
            return commands.place(account, ref, instrument, side, price, lots, tif=dice.choice((Tif.IOC, Tif.FOK)))
        placed.append(ref)
        if choice < 0.75:
            return commands.place(account, ref, instrument, side, price, lots, tif=Tif.GTD, expiry_ns=FAR_NS)
        if choice < 0.8:
            return commands.place(account, ref, instrument, side, price, lots, flags=OrderFlag.POST_ONLY)
        display = dice.choice((0, 0, 0, lots // 3))
        return commands.place(account, ref, instrument, side, price, lots, display=display)


def engines_dropped():
    """2,000 engines that are used a little and dropped."""

    def use_and_drop():
        Trader(listed(), 1).batch(20)

    return growth_bytes(use_and_drop, 4_000, 2_000)


def commands_applied():
    """300,000 commands of every kind through one warm engine."""
    trader = Trader(listed(), 7)
    grown = growth_bytes(trader.batch, 60, 300)
    assert trader.commands == 360_000
    assert trader.kinds >= {EventType.ACK, EventType.REJECT, EventType.FILL, EventType.DONE, EventType.REPLACED}
    return grown


def large_batches():
    """Batches of more than 10,000 events."""
    engine = listed()
    refs = iter(range(1, 1 << 30))

    def sweep():
        body = [commands.place(1, next(refs), 1, Side.SELL, 100 + level, 1) for level in range(2_000)]
        engine.apply(b"".join(body) + commands.place(2, next(refs), 1, Side.BUY, 5_000, 2_000), 0)
        assert engine.core.event_count > 10_000

    return growth_bytes(sweep, 10, 50)


def messages_coded():
    """Messages read and written, and levels that come and go."""
    orders = [msgpack.packb([16, ref, 1, 0, 2450, 6, 0, 0]) for ref in range(1, 200)] + [b"\x93\x01", b""]
    event = np.zeros(1, EVENT)
    event["type"], event["account"], event["price"], event["lots"] = EventType.FILL, 1, 5, 7
    router = Router()
    levels = np.zeros(100, EVENT)
    levels["type"], levels["instrument"], levels["price"] = EventType.LEVEL, 3, np.arange(100)
    empty = levels.copy()
    levels["amount"] = 5

    def work():
        for message in orders:
            decode_message(message, 1, 0)
            encode_event(event[0], 1, 2, 3)
        router.route(1, 0, levels.tobytes())
        router.route(2, 0, empty.tobytes())

    return growth_bytes(work, 50, 500)


def connections_dropped():
    """Connections that are dropped with a frame half read."""

    def connect_and_drop():
        parser = Recorder()
        for size in (10, 200, 20_000):
            data = masked(BINARY, bytes(size)) + masked(PING, b"x")
            for start in range(0, len(data), 1_000):
                parser.feed_data(data[start : start + 1_000])
        parser.feed_data(masked(BINARY, bytes(5_000))[:3_000])
        parser.flush()
        assert len(parser.messages) == 3

    return growth_bytes(connect_and_drop, 50, 500)


def leak():
    """What a leak looks like: 3 MiB."""
    kept = []
    return growth_bytes(lambda: kept.append(bytearray(os.urandom(64 * KIB))), 5, 50)


PROBES = {
    probe.__name__: probe
    for probe in (engines_dropped, commands_applied, large_batches, messages_coded, connections_dropped, leak)
}

if __name__ == "__main__":
    sys.stdout.write(f"{PROBES[sys.argv[1]]()}\n")
