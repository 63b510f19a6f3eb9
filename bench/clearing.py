"""The clearinghouse: what the check costs, how long a default takes, and how fast a cleared journal replays."""

import hashlib
import tempfile
import time
from pathlib import Path

from bench.apply import BATCH, DEPOSIT_MICROS, WINDOW, apply_all, setup_records
from bench.book import SEED
from bench.harness import Row, benchmark, conditions, middle, rounds
from bench.replay import flow_batches, write_journal
from exchange import commands
from exchange.engine import Engine
from exchange.records import CommandType, OrderFlag, Side
from exchange.replay import replay
from exchange.units import HOUR_NS, NS_PER_SECOND
from ext.core import Core
from gateway.journal.reader import Reader

HOUR = 1_000
START_NS = HOUR * HOUR_NS
MARK = 2_350
SELLERS = 100
RUN_COMMANDS = 8_192  # Ordinary trading: so many commands a second, and a run of the clearinghouse each second.


def admin(name: str, **fields: object) -> bytes:
    return commands.admin(CommandType[name], fields)


# The check in the core.


def free_venue() -> Engine:
    """The same venue without rates, its accounts without margin: nothing is checked (RSK-006)."""
    engine = Engine(Core())
    for record in setup_records(1)[:1]:
        engine.apply_count(record, 1)
    for number in range(1, 65):
        engine.apply_count(commands.add_account(f"account-{number}"), 1)
    engine.apply_count(commands.list_window("H100", WINDOW), 1)
    return engine


def checked_venue() -> Engine:
    """Accounts with margin, and with the terms the clearinghouse gives them."""
    engine = Engine(Core())
    for record in setup_records(1):
        engine.apply_count(record, 1)
    for number in range(1, 65):
        engine.core.set_margin(number, 1_000_000, 1_000, DEPOSIT_MICROS // 2)
    return engine


@benchmark("risk.check")
def risk_check(small: bool) -> Row:
    parts, count = flow_batches(small)
    with_check, without, hashes = [], [], set()
    for _ in range(rounds(small)):
        engine = free_venue()
        without.append(apply_all(engine.core, parts)[0] / count * 1e9)
        engine = checked_venue()
        with_check.append(apply_all(engine.core, parts)[0] / count * 1e9)
        hashes.add(engine.state_hash())
    if len(hashes) != 1:
        raise AssertionError("rounds came to different states")
    ours, theirs = middle(with_check), middle(without)
    return {
        "ns": round(max(ours - theirs, 0.1), 1), "with_ns": round(ours, 1), "baseline": "apply without the check",
        "baseline_ns": round(theirs, 1), "ratio": round(ours / theirs, 3), "hash": hashes.pop()[:16],
        "conditions": conditions(seed=SEED, commands=count, commands_a_batch=BATCH),
    }  # fmt: skip


# A default.


def delivering(lots: int, asks: int) -> Engine:
    """A provider delivers ``lots`` to one buyer; ``asks`` standby sells of one lot each rest behind the gate."""
    engine = Engine(Core())
    names = ["provider", "buyer", *(f"seller-{number}" for number in range(SELLERS))]
    each = asks // SELLERS
    setup = [
        admin("SET_HOUSE", mark_interval_s=86_400), admin("SET_CLASS", cls="A"),
        commands.add_product("P", 1, 1_000, ["f"], balancing_s=3_600),
        *(commands.add_account(name, margined=True) for name in names),
        admin("SET_CLEARING", product="P", cls="A", call_lots=1),
        commands.list_window("P", HOUR),
    ]  # fmt: skip
    engine.apply_count(b"".join(setup), START_NS - HOUR_NS)
    number = engine.catalogue.account_number
    ready = [commands.deposit(number(name) or 0, DEPOSIT_MICROS // 64) for name in names]
    ready += [commands.certify("provider", "P", "f", HOUR, lots), commands.set_mark("P", HOUR, px=MARK)]
    ready += [commands.certify(name, "P", "f", HOUR, each) for name in names[2:]]
    physical = OrderFlag.PHYSICAL
    ready += [
        commands.place(number("provider") or 0, 1, 1, Side.SELL, MARK, lots, flags=physical),
        commands.place(number("buyer") or 0, 1, 1, Side.BUY, MARK, lots),
        admin("TRANSFER", account="provider", source="coll", target="bond", micros=1 << 40),
    ]
    engine.apply_count(b"".join(ready), START_NS - HOUR_NS)
    engine.apply_count(commands.time(START_NS - 60 * NS_PER_SECOND), START_NS - 60 * NS_PER_SECOND)
    rest = [
        commands.place(
            number(f"seller-{index % SELLERS}") or 0, index // SELLERS + 1, 1, Side.SELL,
            MARK + 50 + index * 37 % 900, 1, flags=OrderFlag.STANDBY,
        )
        for index in range(asks)
    ]  # fmt: skip
    engine.apply_count(b"".join(rest), START_NS - 50 * NS_PER_SECOND)
    engine.apply_count(commands.time(START_NS) + admin("RUN_CLEARING"), START_NS)
    return engine


def verdict(engine: Engine, well: int, lots: int) -> tuple[float, float, int]:
    """Let all but ``well`` nodes fall silent; return seconds of the run that replaces them, of a look, and lots."""
    at_ns = START_NS + 60 * NS_PER_SECOND
    first = admin("HEARTBEAT", account="provider", product="P", fabric="f", number=1, nodes=[[0, lots]])
    engine.apply_count(first, at_ns)
    later_ns = at_ns + 200 * NS_PER_SECOND
    if well:
        beat = admin("HEARTBEAT", account="provider", product="P", fabric="f", number=2, nodes=[[0, well]])
        engine.apply_count(beat, later_ns)
    start = time.perf_counter()
    engine.core.resting(1, Side.SELL)
    looked = time.perf_counter() - start
    start = time.perf_counter()
    engine.apply_count(admin("RUN_CLEARING"), later_ns)
    took = time.perf_counter() - start
    replaced = sum(-engine.core.position(number + 3, 1)[0] for number in range(1, SELLERS + 1))
    return took, looked, replaced


def default_row(small: bool, lots: int, failed: int, asks: int) -> Row:
    took, looked, hashes = [], [], set()
    for _ in range(rounds(small)):
        engine = delivering(lots, asks)
        seconds, look, replaced = verdict(engine, lots - failed, lots)
        if replaced != failed:
            raise AssertionError(f"{failed} lots failed, {replaced} were replaced")
        took.append(seconds * 1e9)
        looked.append(look * 1e9)
        hashes.add(engine.state_hash())
    if len(hashes) != 1:
        raise AssertionError("rounds came to different states")
    ours, theirs = middle(took), middle(looked)
    return {
        "ns": round(ours), "ms": round(ours / 1e6, 2), "baseline": "one look at the book",
        "baseline_ns": round(theirs, 1), "ratio": round(ours / theirs, 2), "hash": hashes.pop()[:16],
        "conditions": conditions(lots_delivering=lots, lots_failed=failed, resting_asks=asks),
    }  # fmt: skip


@benchmark("default.unit")
def default_unit(small: bool) -> Row:
    return default_row(small, *((100, 1, 100) if small else (10_000, 1, 10_000)))


@benchmark("default.provider")
def default_provider(small: bool) -> Row:
    return default_row(small, *((100, 100, 100) if small else (10_000, 10_000, 10_000)))


# Replay.


def cleared_setup() -> list[bytes]:
    """A week of cleared windows, the accounts of the flow, and a bond and fund share each."""
    records = setup_records(1)
    cleared = [admin("SET_HOUSE"), admin("SET_CLASS", cls="A"), admin("SET_CLEARING", product="H100", cls="A")]
    return [*records, *cleared, commands.list_window("H100", WINDOW + 1, count=167)]


def cleared_parts(small: bool) -> tuple[list[bytes], int]:
    """The mixed stream, with a run of the clearinghouse every RUN_COMMANDS commands."""
    parts, count = flow_batches(small)
    every = RUN_COMMANDS // BATCH
    whole: list[bytes] = []
    for index, part in enumerate(parts):
        whole.append(part)
        if index % every == every - 1:
            whole.append(admin("RUN_CLEARING"))
    return whole, count


@benchmark("replay.clearing")
def replay_clearing(small: bool) -> Row:
    parts, count = cleared_parts(small)
    replayed, applied, hashes = [], [], set()
    with tempfile.TemporaryDirectory(prefix="hourglass-bench-") as directory:
        write_journal(Path(directory), parts, cleared_setup(), step_ns=NS_PER_SECOND * BATCH // RUN_COMMANDS)
        for _ in range(rounds(small)):
            engine = Engine()
            start = time.perf_counter()
            replay(engine, Reader(directory))
            hashes.add(engine.state_hash())
            replayed.append((time.perf_counter() - start) / count * 1e9)
            plain = checked_venue()
            bare = [part for part in parts if part != admin("RUN_CLEARING")]
            applied.append(apply_all(plain.core, bare)[0] / count * 1e9)
    if len(hashes) != 1:
        raise AssertionError(f"the journal replays to another state: {hashes}")
    ours, theirs = middle(replayed), middle(applied)
    return {
        "ns": round(ours, 1), "commands_per_s": round(1e9 / ours), "baseline": "apply_batch, not cleared",
        "baseline_ns": round(theirs, 1), "ratio": round(theirs / ours, 2),
        "hash": hashlib.sha256(hashes.pop().encode()).hexdigest()[:16],
        "conditions": conditions(seed=SEED, commands=count, commands_a_run=RUN_COMMANDS, windows=168, accounts=64),
    }  # fmt: skip
