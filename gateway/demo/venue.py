"""The demonstration's venue: products, accounts, keys, and an embedded exchange with a journal."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

from exchange import commands
from exchange.catalogue import Product
from exchange.engine import Engine
from exchange.units import HOUR_NS, NS_PER_SECOND
from gateway.auth import ApiKey, KeyStore, generate_key
from gateway.clearing_run import ClearingRunner
from gateway.config import GatewayConfig
from gateway.demo.clearing_setup import LOOK_S, certify_records, clearing_records
from gateway.demo.clock import MarketClock
from gateway.demo.products import PRODUCTS, ROLLING_HOURS, STOCK, TERMS, DemoProduct
from gateway.journal.writer import Journal
from gateway.publisher import Publisher
from gateway.rolling import Ranges, Roller
from gateway.sequencer import HASH_INTERVAL_NS, Sequencer
from gateway.server import Server

TAPE_HOURS_AHEAD = 8_000  # The tape's only window lies far off: its gate must not close.
DEPOSIT_MICROS = 10**13
RATE_BPS = 2_500  # Long and short requirement, of the product's price.
MAKER_FEE_PPM, TAKER_FEE_PPM = 50, 200


@dataclass(slots=True)
class Venue:
    """The running exchange, its parts, and the keys of those who trade on it."""

    engine: Engine
    journal: Journal
    sequencer: Sequencer
    publisher: Publisher
    server: Server
    clock: MarketClock
    tasks: "tuple[asyncio.Task[None], ...]"  # Rolling listing, and the clearinghouse's runs.
    tape_window: int
    with_stock: bool
    keys: dict[str, ApiKey] = field(default_factory=dict)
    failures: list[BaseException] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Where sessions connect."""
        return f"ws://127.0.0.1:{self.server.port}/ws/v1"

    @property
    def hour(self) -> int:
        """The window that is being delivered now."""
        return self.clock() // HOUR_NS

    @property
    def next_window(self) -> int:
        """The first window whose gate is still to close."""
        return (self.clock() + TERMS["gate_lead_s"] * NS_PER_SECOND) // HOUR_NS + 1

    async def stop(self) -> str:
        """Stop cleanly, everything durable; return the state hash."""
        for task in self.tasks:
            task.cancel()
        await self.server.stop()
        await self.sequencer.stop()
        self.journal.close()
        return self.engine.state_hash()


def rate_micros(product: DemoProduct) -> int:
    """Return the requirement of one lot held."""
    return product.ticks * product.tick_micros * product.lot_scu * RATE_BPS // 10_000


def terms_of_windows(product: DemoProduct, start: int, count: int) -> bytes:
    """Return the commands that give new windows their rates, marks and certified capacity."""
    rate = rate_micros(product)
    records = [commands.set_rates(product.name, start, count=count, long_micros=rate, short_micros=rate)]
    records += [
        commands.set_mark(product.name, window, px=product.fair(window)) for window in range(start, start + count)
    ]
    records += [
        commands.certify(provider, product.name, fabric, start, product.nodes, count=count)
        for fabric, provider in zip(product.fabrics, product.providers, strict=True)
    ]
    return b"".join(records)


def follow_listing(product: Product, ranges: Ranges) -> bytes:
    """Return what follows the rolling listing of windows of a product."""
    traded = next(one for one in PRODUCTS if one.name == product.name)
    return b"".join(terms_of_windows(traded, start, count) for start, count in ranges)


def setup_records(accounts: list[str], with_stock: bool, seed: int, tape_window: int) -> bytes:
    """Return the administrative commands that make the products and fund the accounts."""
    fees = {"maker_fee_ppm": MAKER_FEE_PPM, "taker_fee_ppm": TAKER_FEE_PPM}
    records = [commands.set_seed(seed)]
    for number, account in enumerate(accounts, 1):
        records += [commands.add_account(account, margined=True), commands.deposit(number, DEPOSIT_MICROS)]
    for product in PRODUCTS:
        fabrics, zone = list(product.fabrics), product.fabrics[0].partition("-")[0]
        records.append(
            commands.add_product(
                product.name, product.lot_scu, product.tick_micros, fabrics, zone=zone, **fees, **TERMS
            )
        )  # fmt: skip
    if with_stock:
        rate = rate_micros(STOCK)
        records += [
            commands.add_product(STOCK.name, STOCK.lot_scu, STOCK.tick_micros, list(STOCK.fabrics), **fees),
            commands.list_window(STOCK.name, tape_window),
            commands.set_rates(STOCK.name, tape_window, long_micros=rate, short_micros=rate),
            commands.set_mark(STOCK.name, tape_window, px=STOCK.ticks),
        ]
    return b"".join(records)


def note_failure(task: "asyncio.Task[None]", failures: list[BaseException]) -> None:
    """Keep what has ended a task that should not end."""
    error = None if task.cancelled() else task.exception()
    if error is not None:
        failures.append(error)


async def run_clearing(runner: ClearingRunner) -> None:
    """Let the clearinghouse do what is due, as often as providers beat: the market's hours are short."""
    while True:
        runner.step()
        await asyncio.sleep(LOOK_S)


async def open_venue(
    directory: Path, accounts: list[str], *, with_stock: bool, seed: int, speed: int, port: int = 0
) -> Venue:
    """Start an exchange with an empty journal in ``directory``, listed and funded, listening on loopback."""
    engine = Engine()
    journal = Journal(str(directory))
    for _ in journal.recover():
        raise FileExistsError(f"{directory} must be empty, but it has a journal")
    publisher = Publisher(engine.catalogue)
    failures: list[BaseException] = []
    clock = MarketClock(speed)
    sequencer = Sequencer(
        engine, journal, publisher, clock, hash_interval_ns=HASH_INTERVAL_NS * speed, on_failure=failures.append
    )
    keys = {account: generate_key(account) for account in accounts}
    server = Server(engine, sequencer, publisher, KeyStore(keys.values()), GatewayConfig(orders_per_s=0))
    tape_window = clock() // HOUR_NS + TAPE_HOURS_AHEAD
    sequencer.start()
    sequencer.submit(setup_records(accounts, with_stock, seed, tape_window))
    sequencer.submit(clearing_records(accounts, DEPOSIT_MICROS, speed))
    await sequencer.settle()
    roller = Roller(engine.catalogue, sequencer.submit, clock, then=follow_listing)
    roller.roll()
    await sequencer.settle()
    first = (clock() + TERMS["gate_lead_s"] * NS_PER_SECOND) // HOUR_NS + 1
    sequencer.submit(certify_records(first, ROLLING_HOURS - 2))
    await sequencer.settle()
    await server.start("127.0.0.1", port)
    rolling = asyncio.create_task(roller.run())
    clearing = asyncio.create_task(run_clearing(ClearingRunner(engine, sequencer)))
    for task in (rolling, clearing):
        task.add_done_callback(lambda ended: note_failure(ended, failures))
    return Venue(
        engine, journal, sequencer, publisher, server, clock, (rolling, clearing), tape_window, with_stock, keys,
        failures,
    )  # fmt: skip
