"""The demonstration's venue: products, accounts, keys, and an embedded exchange with a journal."""

import time
from dataclasses import dataclass, field
from pathlib import Path

from exchange import commands
from exchange.catalogue.symbols import format_symbol
from exchange.engine import Engine
from exchange.units import HOUR_NS
from gateway.auth import ApiKey, KeyStore, generate_key
from gateway.config import GatewayConfig
from gateway.journal.writer import Journal
from gateway.publisher import Publisher
from gateway.sequencer import Sequencer
from gateway.server import Server

WINDOWS = 24
FIRST_WINDOW_HOURS = 2  # From now on: far enough that no gate closes while the demonstration runs.
DEPOSIT_MICROS = 10**13
RATE_BPS = 2_500  # Long and short requirement, of the product's price.


@dataclass(frozen=True, slots=True)
class DemoProduct:
    """A product as the demonstration trades it; `ticks` is where its price starts."""

    name: str
    lot_scu: int
    tick_micros: int
    fabrics: tuple[str, ...]
    ticks: int


PRODUCTS = (
    DemoProduct("H100-SXM.IB400.cuda12.T1", 8, 1_000, ("use1-f01", "use1-f02"), 2_450),
    DemoProduct("A100-80.IB400.cuda12.T1", 8, 1_000, ("use1-f03",), 1_350),
    DemoProduct("L40S.NONE.cuda12.T1", 1, 500, ("euw1-f01",), 1_720),
    DemoProduct("RTX5090.NONE.cuda12.T0", 1, 500, ("usw2-f01",), 840),
)
STOCK = DemoProduct("STOCK.NONE.replay.T0", 1, 10_000, ("tape",), 58_500)


@dataclass(slots=True)
class Venue:
    """The running exchange, its parts, and the keys of those who trade on it."""

    engine: Engine
    journal: Journal
    sequencer: Sequencer
    publisher: Publisher
    server: Server
    first_window: int
    keys: dict[str, ApiKey] = field(default_factory=dict)
    failures: list[BaseException] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Where sessions connect."""
        return f"ws://127.0.0.1:{self.server.port}/ws/v1"

    def symbol(self, product: DemoProduct, hour: int, fabric: int = 0) -> str:
        """Return the symbol of the hour-th listed window of a product."""
        return format_symbol(product.name, product.fabrics[fabric], self.first_window + hour)

    async def stop(self) -> str:
        """Stop cleanly, everything durable; return the state hash."""
        await self.server.stop()
        await self.sequencer.stop()
        self.journal.close()
        return self.engine.state_hash()


def setup_records(accounts: list[str], products: list[DemoProduct], first_window: int) -> bytes:
    """Return the administrative commands that list the products and fund the accounts."""
    records = []
    for product in products:
        records.append(
            commands.add_product(
                product.name, product.lot_scu, product.tick_micros, list(product.fabrics),
                maker_fee_ppm=50, taker_fee_ppm=200,
            )
        )  # fmt: skip
        records.append(commands.list_window(product.name, first_window, count=WINDOWS))
        rate = product.ticks * product.tick_micros * product.lot_scu * RATE_BPS // 10_000
        records.append(
            commands.set_rates(product.name, first_window, count=WINDOWS, long_micros=rate, short_micros=rate)
        )
        records.append(commands.set_mark(product.name, first_window, count=WINDOWS, px=product.ticks))
    for number, account in enumerate(accounts, 1):
        records.append(commands.add_account(account, margined=True))
        records.append(commands.deposit(number, DEPOSIT_MICROS))
    return b"".join(records)


async def open_venue(directory: Path, accounts: list[str], products: list[DemoProduct]) -> Venue:
    """Start an exchange with an empty journal in ``directory``, listed and funded, listening on loopback."""
    first_window = time.time_ns() // HOUR_NS + FIRST_WINDOW_HOURS
    engine = Engine()
    journal = Journal(str(directory))
    for _ in journal.recover():
        raise FileExistsError(f"{directory} must be empty, but it has a journal")
    publisher = Publisher(engine.catalogue)
    failures: list[BaseException] = []
    sequencer = Sequencer(engine, journal, publisher, time.time_ns, on_failure=failures.append)
    keys = {account: generate_key(account) for account in accounts}
    server = Server(engine, sequencer, publisher, KeyStore(keys.values()), GatewayConfig(orders_per_s=0))
    sequencer.start()
    sequencer.submit(setup_records(accounts, products, first_window))
    await sequencer.settle()
    await server.start("127.0.0.1", 0)
    return Venue(engine, journal, sequencer, publisher, server, first_window, keys, failures)
